/* healctl history and healctl outcomes: what heald remembers. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "runtime/healctl/command.h"

enum { POLICY_WIDTH = 20, TARGET_WIDTH = 28, CAUSE_WIDTH = 12, TOOK_WIDTH = 9, CLASS_WIDTH = 20 };

static void set_text(json_t *request, const char *key, const char *text)
{
    if (text != NULL) {
        json_t *string = json_string(text);
        json_object_set_new(request, key, string != NULL ? string : json_string("(not UTF-8)"));
    }
}

static void show_took(const json_t *seconds)
{
    char text[32] = "-";
    const double value = json_number_value(seconds);
    if (json_is_number(seconds) && value >= 0 && value < 1e9) {
        /* As short as it reads: tenths of a second are news only below a minute. */
        duration_print(duration_seconds(value < 60 ? round(value * 10) / 10 : round(value)), text,
                       sizeof text);
    }
    show(text, TOOK_WIDTH);
}

/* "scale verified, recycle failed" */
static void show_actions(const json_t *actions)
{
    size_t index = 0;
    json_t *action = NULL;
    if (json_array_size(actions) == 0) {
        fputs("nothing done", stdout);
    }
    json_array_foreach((json_t *)(uintptr_t)actions, index, action)
    {
        fputs(index > 0 ? ", " : "", stdout);
        fputs(json_is_true(json_object_get(action, "undo")) ? "undo by " : "", stdout);
        show(text_of(action, "action"), 0);
        fputs(" ", stdout);
        show(text_of(action, "result"), 0);
    }
}

static void show_past(const json_t *incident)
{
    const char *ended = text_of(incident, "ended"), *cause = text_of(incident, "cause");
    show_id(json_object_get(incident, "id"), 6);
    fputs("  ", stdout);
    show_date(json_object_get(incident, "opened"));
    fputs("  ", stdout);
    show_took(json_object_get(incident, "took_seconds"));
    fputs("  ", stdout);
    show(text_of(incident, "policy"), POLICY_WIDTH);
    fputs("  ", stdout);
    show(text_of(incident, "target"), TARGET_WIDTH);
    fputs("  ", stdout);
    show(cause[0] != '\0' ? cause : "-", CAUSE_WIDTH);
    fputs("  ", stdout);
    show_actions(json_object_get(incident, "actions"));
    fputs("; ", stdout);
    if (ended[0] != '\0') {
        show(ended, 0);
    } else {
        fputs("open, ", stdout);
        show(text_of(incident, "last"), 0);
    }
    fputs("\n", stdout);
}

static void show_behind(const json_t *answer)
{
    const int64_t behind = integer_of(answer, "behind");
    if (behind > 0) {
        printf("%" PRId64 " record%s of the journal %s still to be taken in\n", behind,
               behind == 1 ? "" : "s", behind == 1 ? "is" : "are");
    }
}

static void show_history(const json_t *answer)
{
    size_t index = 0;
    json_t *incident = NULL;
    const json_t *incidents = json_object_get(answer, "incidents");
    if (json_array_size(incidents) == 0) {
        puts("no incidents are remembered");
    } else {
        printf("%-6s  %-19s  %-*s  %-*s  %-*s  %-*s  %s\n", "ID", "OPENED", TOOK_WIDTH, "TOOK",
               POLICY_WIDTH, "POLICY", TARGET_WIDTH, "TARGET", CAUSE_WIDTH, "CAUSE",
               "WHAT WAS DONE; END");
    }
    json_array_foreach((json_t *)(uintptr_t)incidents, index, incident)
    {
        show_past(incident);
    }
    show_behind(answer);
}

/* Takes the request. */
static int ask_and_show(const struct options *options, json_t *request,
                        void (*show_answer)(const json_t *answer))
{
    int code = CONTROL_OK;
    json_t *answer = ask(options, request, &code);
    if (answer == NULL) {
        return code;
    }
    if (options->json) {
        show_json(answer);
    } else {
        show_answer(answer);
    }
    json_decref(answer);
    return CONTROL_OK;
}

int command_history(const struct options *options)
{
    json_t *request = json_pack("{s:s}", "command", "history");
    set_text(request, "policy", options->policy);
    set_text(request, "target", options->target);
    if (options->limit > 0) {
        json_object_set_new(request, "limit", json_integer(options->limit));
    }
    return ask_and_show(options, request, show_history);
}

static double share_of(const json_t *row, const char *key)
{
    const double value = json_number_value(json_object_get(row, key));
    return value >= 0 && value <= 1 ? 100 * value : (double)NAN;
}

void show_learned(const json_t *rows)
{
    size_t index = 0;
    json_t *row = NULL;
    json_array_foreach((json_t *)(uintptr_t)rows, index, row)
    {
        fputs("what is known now: ", stdout);
        show(text_of(row, "action"), 0);
        fputs(" for ", stdout);
        show(text_of(row, "class"), 0);
        const int64_t helped = integer_of(row, "verified");
        printf(" helped %" PRId64 " of %" PRId64
               " times: likely in %.0f%% of cases, 90%% sure of %.0f%% to %.0f%%\n",
               helped, helped + integer_of(row, "unverified"), share_of(row, "mean"),
               share_of(row, "low"), share_of(row, "high"));
    }
}

static void show_outcome(const json_t *row)
{
    show(text_of(row, "policy"), POLICY_WIDTH);
    fputs("  ", stdout);
    show(text_of(row, "class"), CLASS_WIDTH);
    fputs("  ", stdout);
    show(text_of(row, "action"), CLASS_WIDTH);
    printf("  %5.1f%%  %5.1f%% to %5.1f%%  %8" PRId64 "  %8" PRId64 "  %6" PRId64 "  ",
           share_of(row, "mean"), share_of(row, "low"), share_of(row, "high"),
           integer_of(row, "verified"), integer_of(row, "unverified"), integer_of(row, "failed"));
    show_date(json_object_get(row, "last"));
    fputs("\n", stdout);
}

static void show_outcomes(const json_t *answer)
{
    size_t index = 0;
    json_t *row = NULL;
    const json_t *outcomes = json_object_get(answer, "outcomes");
    if (json_array_size(outcomes) == 0) {
        puts("no outcomes are remembered");
    } else {
        printf("%-*s  %-*s  %-*s  %6s  %16s  %8s  %8s  %6s  %s\n", POLICY_WIDTH, "POLICY",
               CLASS_WIDTH, "CLASS", CLASS_WIDTH, "ACTION", "HELPS", "90% SURE", "VERIFIED", "NOT",
               "FAILED", "LAST");
    }
    json_array_foreach((json_t *)(uintptr_t)outcomes, index, row)
    {
        show_outcome(row);
    }
    show_behind(answer);
}

int command_outcomes(const struct options *options)
{
    json_t *request = json_pack("{s:s}", "command", "outcomes");
    set_text(request, "policy", options->policy);
    return ask_and_show(options, request, show_outcomes);
}
