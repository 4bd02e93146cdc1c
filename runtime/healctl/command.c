/* The commands: one request, one answer shown. */
#include "runtime/healctl/command.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TAIL_LATEST = 20, TAIL_PAUSE_MS = 200 };

json_t *ask(const struct options *options, json_t *take_request, int *ret_code)
{
    struct error error;
    json_t *answer = NULL;
    CHECK(take_request != NULL);
    enum status status =
        control_call(options->socket, take_request, options->timeout, &answer, &error);
    json_decref(take_request);
    if (status != STATUS_OK) {
        fprintf(stderr, "healctl: %s\n", error.message);
        *ret_code = CONTROL_UNREACHABLE;
        return NULL;
    }
    if (json_is_true(json_object_get(answer, "ok"))) {
        return answer;
    }
    json_int_t code = json_integer_value(json_object_get(answer, "code"));
    *ret_code = code >= CONTROL_NEGATIVE && code <= CONTROL_DENIED ? (int)code : CONTROL_NEGATIVE;
    if (options->json) {
        show_json(answer);
    } else {
        fflush(stdout);
        fputs("healctl: ", stderr);
        show_to(stderr,
                text_of(answer, "error")[0] != '\0' ? text_of(answer, "error") : "heald says no",
                0);
        fputs("\n", stderr);
    }
    json_decref(answer);
    return NULL;
}

/* An id as heald knows it: a whole number, or its text when it is none. */
static json_t *id_of(const char *text)
{
    char *end = NULL;
    errno = 0;
    long long id = strtoll(text, &end, 10);
    if (errno == 0 && *text != '\0' && *end == '\0') {
        return json_integer(id);
    }
    json_t *string = json_string(text);
    return string != NULL ? string : json_string("");
}

/* Policies that could not say what they saw: of several series one would have to be chosen. */
static void show_ambiguous(const json_t *policies)
{
    size_t index = 0;
    json_t *policy = NULL;
    json_array_foreach((json_t *)(uintptr_t)policies, index, policy)
    {
        if (json_is_true(json_object_get(policy, "ambiguous"))) {
            fputs("ambiguous at the last tick, several series match where one may: ", stdout);
            show(text_of(policy, "name"), 0);
            fputs("\n", stdout);
        }
    }
}

/* Whether what happens now can be replayed. */
static void show_flight(const json_t *flight)
{
    if (json_is_true(json_object_get(flight, "on"))) {
        printf("flight recording: %.1f of %.1f MiB, since ",
               (double)integer_of(flight, "bytes") / (1 << 20),
               (double)integer_of(flight, "bytes_max") / (1 << 20));
        show_date(json_object_get(flight, "since"));
        fputs("\n", stdout);
    } else {
        fputs("no flight recording: ", stdout);
        show(text_of(flight, "why"), 0);
        fputs("\n", stdout);
    }
}

/* Policies whose mode a person or a demotion set. */
static void show_modes(const json_t *policies)
{
    size_t index = 0;
    json_t *policy = NULL;
    json_array_foreach((json_t *)(uintptr_t)policies, index, policy)
    {
        if (text_of(policy, "why")[0] != '\0') {
            fputs("mode ", stdout);
            show(text_of(policy, "mode"), 0);
            fputs(" of ", stdout);
            show(text_of(policy, "name"), 0);
            fputs(": ", stdout);
            show(text_of(policy, "why"), 0);
            fputs("\n", stdout);
        }
    }
}

static void show_status(const json_t *answer)
{
    static const struct column policies[] = {{"name", "POLICY", 28}, {"mode", "MODE", 7},
                                             {"state", "STATE", 12}, {"entities", "ENTITIES", 8},
                                             {"open", "OPEN", 6},    {"failed", "FAILED", 0}};
    static const struct column signals[] = {{"name", "SIGNAL", 44},
                                            {"series", "SERIES", 8},
                                            {"failed", "FAILED", 8},
                                            {"refused", "REFUSED", 0}};
    static const struct column sources[] = {{"name", "SOURCE", 36},
                                            {"observed", "OBSERVED", 8},
                                            {"last_answer", "ANSWERED", 8},
                                            {"error", "ERROR", 0}};
    size_t index = 0;
    json_t *line = NULL;
    fputs("heald ", stdout);
    show(text_of(answer, "version"), 0);
    printf(", pid %" PRId64 ", epoch %" PRId64 ", evaluator ", integer_of(answer, "pid"),
           integer_of(answer, "epoch"));
    show(text_of(answer, "evaluator"), 0);
    if (text_of(answer, "code")[0] != '\0') {
        fputs(" (code ", stdout);
        show(text_of(answer, "code"), 0);
        fputs(")", stdout);
    }
    printf("\ntick %" PRId64 " ms, %" PRId64 " series, %" PRId64 " journal records, %" PRId64
           " open incidents\n",
           integer_of(answer, "tick_ms"), integer_of(answer, "series"),
           integer_of(answer, "journal_records"), integer_of(answer, "incidents_open"));
    if (json_is_true(json_object_get(answer, "stopped"))) {
        fputs("STOPPED: nothing acts", stdout);
        fputs(text_of(answer, "stopped_by")[0] != '\0' ? ", by " : "", stdout);
        show(text_of(answer, "stopped_by"), 0);
        fputs("\n", stdout);
    }
    show_flight(json_object_get(answer, "flight"));
    const json_t *memory = json_object_get(answer, "memory");
    if (text_of(memory, "trouble")[0] != '\0') {
        printf("the memory of incidents is %" PRId64 " records behind: ",
               integer_of(memory, "behind"));
        show(text_of(memory, "trouble"), 0);
        fputs("\n", stdout);
    }
    if (integer_of(memory, "rebuilds") > 0) {
        fputs("the memory of incidents was put aside and rebuilt; see the log\n", stdout);
    }
    if (json_array_size(json_object_get(answer, "policies")) > 0) {
        fputs("\n", stdout);
        show_table(json_object_get(answer, "policies"), policies, ARRAY_LEN(policies));
        show_ambiguous(json_object_get(answer, "policies"));
        show_modes(json_object_get(answer, "policies"));
    }
    if (json_array_size(json_object_get(answer, "signals")) > 0) {
        fputs("\n", stdout);
        show_table(json_object_get(answer, "signals"), signals, ARRAY_LEN(signals));
    }
    if (json_array_size(json_object_get(answer, "sources")) > 0) {
        fputs("\n", stdout);
        show_table(json_object_get(answer, "sources"), sources, ARRAY_LEN(sources));
    }
    json_array_foreach(json_object_get(answer, "sandbox"), index, line)
    {
        fputs(index == 0 ? "\n" : "", stdout);
        show(json_is_string(line) ? json_string_value(line) : "", 0);
        fputs("\n", stdout);
    }
}

/* Well: not stopped, and every source observed. */
static bool is_healthy(const json_t *answer)
{
    size_t index = 0;
    json_t *source = NULL;
    json_array_foreach(json_object_get(answer, "sources"), index, source)
    {
        if (json_is_false(json_object_get(source, "observed"))) {
            return false;
        }
    }
    return !json_is_true(json_object_get(answer, "stopped"));
}

int command_status(const struct options *options)
{
    int code = CONTROL_OK;
    json_t *answer = ask(options, json_pack("{s:s}", "command", "status"), &code);
    if (answer == NULL) {
        return code;
    }
    if (options->json) {
        show_json(answer);
    } else {
        show_status(answer);
    }
    code = is_healthy(answer) ? CONTROL_OK : CONTROL_NEGATIVE;
    json_decref(answer);
    return code;
}

int command_incidents(const struct options *options)
{
    static const struct column columns[] = {
        {"id", "ID", 6},          {"opened", "OPENED", 8},    {"state", "STATE", 12},
        {"policy", "POLICY", 20}, {"target", "TARGET", 28},   {"action", "ACTION", 14},
        {"plan", "PLAN", 8},      {"acknowledged", "ACK", 3}, {"text", "TEXT", 0}};
    int code = CONTROL_OK;
    json_t *answer = ask(
        options, json_pack("{s:s, s:b}", "command", "incidents", "all", (int)options->all), &code);
    if (answer == NULL) {
        return code;
    }
    const json_t *incidents = json_object_get(answer, "incidents");
    if (options->json) {
        show_json(answer);
    } else if (json_array_size(incidents) == 0) {
        puts(options->all ? "no incidents" : "no open incidents");
    } else {
        show_table(incidents, columns, ARRAY_LEN(columns));
    }
    json_decref(answer);
    return CONTROL_OK;
}

int command_explain(const struct options *options)
{
    int code = CONTROL_OK;
    size_t index = 0;
    json_t *record = NULL;
    json_t *answer =
        ask(options, json_pack("{s:s, s:o}", "command", "explain", "id", id_of(options->argument)),
            &code);
    if (answer == NULL) {
        return code;
    }
    if (options->json) {
        show_json(answer);
    } else {
        fputs("incident ", stdout);
        show_id(json_object_get(answer, "id"), 0);
        fputs(" of policy ", stdout);
        show(text_of(answer, "policy"), 0);
        if (text_of(answer, "target")[0] != '\0') {
            fputs(" on ", stdout);
            show(text_of(answer, "target"), 0);
        }
        fputs(": ", stdout);
        show(text_of(answer, "state"), 0);
        fputs("\n", stdout);
        json_array_foreach(json_object_get(answer, "records"), index, record)
        {
            show_record(record);
        }
        show_learned(json_object_get(answer, "learned"));
    }
    json_decref(answer);
    return CONTROL_OK;
}

/* Sends a request whose answer is only yes, and says done. */
static int ask_and_say(const struct options *options, json_t *take_request, const char *done)
{
    int code = CONTROL_OK;
    json_t *answer = ask(options, take_request, &code);
    if (answer == NULL) {
        return code;
    }
    if (options->json) {
        show_json(answer);
    } else {
        show(text_of(answer, "text")[0] != '\0' ? text_of(answer, "text") : done, 0);
        fputs("\n", stdout);
    }
    json_decref(answer);
    return CONTROL_OK;
}

static json_t *request_with_why(const struct options *options)
{
    json_t *request = json_pack("{s:s}", "command", options->command);
    if (options->why != NULL) {
        json_t *why = json_string(options->why);
        json_object_set_new(request, "why", why != NULL ? why : json_string("(not UTF-8)"));
    }
    return request;
}

int command_answer(const struct options *options)
{
    json_t *request = request_with_why(options);
    json_object_set_new(request, "id", id_of(options->argument));
    if (options->plan != NULL) {
        json_t *plan = json_string(options->plan);
        json_object_set_new(request, "plan", plan != NULL ? plan : json_string("(not UTF-8)"));
    }
    return ask_and_say(options, request,
                       strcmp(options->command, "approve") == 0 ? "approved"
                       : strcmp(options->command, "ack") == 0   ? "acknowledged"
                                                                : "denied");
}

int command_mode(const struct options *options)
{
    int code = CONTROL_OK;
    json_t *request = request_with_why(options);
    json_t *policy = json_string(options->argument);
    json_object_set_new(request, "policy", policy != NULL ? policy : json_string(""));
    if (options->second != NULL) {
        json_t *mode = json_string(options->second);
        json_object_set_new(request, "mode", mode != NULL ? mode : json_string(""));
        return ask_and_say(options, request, "set");
    }
    json_t *answer = ask(options, request, &code);
    if (answer == NULL) {
        return code;
    }
    if (options->json) {
        show_json(answer);
    } else {
        show(text_of(answer, "policy"), 0);
        printf(": ");
        show(text_of(answer, "mode"), 0);
        fputs("; heald.yaml gives ", stdout);
        show(text_of(answer, "ceiling"), 0);
        fputs(text_of(answer, "why")[0] != '\0' ? "; " : "", stdout);
        show(text_of(answer, "why"), 0);
        fputs("\n", stdout);
    }
    json_decref(answer);
    return CONTROL_OK;
}

/* Writes STATE/STOP, which heald obeys at its next tick and at its next start. */
static int stop_by_file(const struct options *options)
{
    char path[4200];
    const char *why = options->why != NULL ? options->why : "healctl stop";
    if (options->state == NULL) {
        fprintf(stderr, "healctl: the state folder is not known (-c or --state); NOT stopped\n");
        return CONTROL_UNREACHABLE;
    }
    snprintf(path, sizeof(path), "%s/STOP", options->state);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0 || write(fd, why, strlen(why)) < 0 || write(fd, "\n", 1) != 1 || fsync(fd) != 0) {
        fprintf(stderr, "healctl: cannot write '%s': %s; NOT stopped\n", path, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return CONTROL_UNREACHABLE;
    }
    close(fd);
    if (options->json) {
        json_t *answer = json_pack("{s:b, s:b}", "ok", 1, "stop_file", 1);
        show_json(answer);
        json_decref(answer);
    } else {
        printf("heald was not asked; wrote %s, so that nothing acts until 'healctl start'\n", path);
    }
    return CONTROL_OK;
}

int command_stop(const struct options *options)
{
    int code = ask_and_say(options, request_with_why(options), "stopped: nothing acts any more");
    return code == CONTROL_UNREACHABLE ? stop_by_file(options) : code;
}

int command_start(const struct options *options)
{
    return ask_and_say(options, request_with_why(options), "started: actions may run again");
}

int command_reload(const struct options *options)
{
    return ask_and_say(options, request_with_why(options), "reloaded");
}

/* Shows the records after *sequence and moves it on. */
static int tail_once(const struct options *options, json_int_t *sequence)
{
    int code = CONTROL_OK;
    size_t index = 0;
    json_t *record = NULL, *request = json_pack("{s:s}", "command", "records");
    if (*sequence >= 0) {
        json_object_set_new(request, "after", json_integer(*sequence));
    } else {
        json_object_set_new(request, "latest", json_integer(TAIL_LATEST));
    }
    json_t *answer = ask(options, request, &code);
    if (answer == NULL) {
        return code;
    }
    json_array_foreach(json_object_get(answer, "records"), index, record)
    {
        if (options->json) {
            show_json(record);
        } else {
            show_record(record);
        }
    }
    json_int_t last = json_integer_value(json_object_get(answer, "last"));
    *sequence = last > *sequence ? last : *sequence < 0 ? 0 : *sequence;
    json_decref(answer);
    return CONTROL_OK;
}

int command_tail(const struct options *options)
{
    json_int_t sequence = options->follow && options->all ? 0 : -1;
    const struct timespec pause = {0, TAIL_PAUSE_MS * NS_PER_MS};
    int code = tail_once(options, &sequence);
    while (code == CONTROL_OK && options->follow) {
        nanosleep(&pause, NULL);
        code = tail_once(options, &sequence);
    }
    return code;
}
