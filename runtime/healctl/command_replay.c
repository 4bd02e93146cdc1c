/* healctl replay: what heald decided, decided again from what it was fed. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtime/flight/folder.h"
#include "runtime/flight/replay.h"
#include "runtime/healctl/incident_records.h"

/* An incident as it is run again, over one life or several. */
struct replaying {
    const struct options *options;
    const struct incident_records *wanted;
    uint64_t incident;
    size_t at;       /* the next record of the journal */
    size_t life_end; /* the first one of a later life */
    uint64_t hash;   /* of the records that came out the same */
    bool differs;
    json_t *records; /* for JSON */
};

/* ---- one record ---- */

static void field_text(const struct record *record, const char *field, char *ret, size_t size)
{
    const bool text = strcmp(field, "text") == 0, target = strcmp(field, "target") == 0;
    if (strcmp(field, "time") == 0) {
        snprintf(ret, size, "%" PRId64 " ns", record->time.ns);
    } else if (strcmp(field, "kind") == 0) {
        snprintf(ret, size, "%s", record_infos[record->kind].text);
    } else if (strcmp(field, "epoch") == 0 || strcmp(field, "rung") == 0) {
        snprintf(ret, size, "%" PRIu32, field[0] == 'e' ? record->epoch : record->rung);
    } else if (strcmp(field, "incident") == 0 || strcmp(field, "action_id") == 0) {
        snprintf(ret, size, "%" PRIu64, field[0] == 'i' ? record->incident : record->action_id);
    } else if (strcmp(field, "program_hash") == 0) {
        snprintf(ret, size, "%016" PRIx64, record->program_hash);
    } else {
        snprintf(ret, size, "%s",
                 text                           ? record->text
                 : target                       ? record->target
                 : strcmp(field, "policy") == 0 ? record->policy
                 : strcmp(field, "action") == 0 ? record->action
                                                : record->type);
    }
}

static void show_field(const char *what, const struct record *record, const char *field)
{
    char text[TEXT_BYTES];
    field_text(record, field, text, sizeof text);
    printf("       %s %s: ", what, field);
    show(text, 0);
    fputs("\n", stdout);
}

static void tell(struct replaying *replaying, const struct record *want, const struct record *got,
                 const char *difference)
{
    json_t *line = record_to_json(want != NULL ? want : got);
    if (replaying->options->json) {
        json_object_set_new(line, "same", json_boolean(difference == NULL));
        if (difference != NULL) {
            json_object_set_new(line, "differs_in", json_string(difference));
            if (want != NULL && got != NULL) {
                json_object_set_new(line, "got", record_to_json(got));
            }
        }
        json_array_append(replaying->records, line);
    } else {
        fputs(difference == NULL ? "same   " : "OTHER  ", stdout);
        show_record(line);
        if (difference != NULL && want != NULL && got != NULL) {
            show_field("expected", want, difference);
            show_field("got     ", got, difference);
        }
    }
    json_decref(line);
}

/* False when nothing more needs to be run. */
static bool take_record(struct replaying *replaying, const struct record *got)
{
    const struct record *want =
        replaying->at < replaying->life_end ? &replaying->wanted->items[replaying->at] : NULL;
    if (want == NULL) {
        return false;
    }
    const char *difference = flight_record_difference(want, got);
    tell(replaying, want, got, difference);
    replaying->differs = difference != NULL;
    if (difference == NULL) {
        replaying->hash = flight_hash_record(replaying->hash, got);
        replaying->at++;
    }
    return difference == NULL && replaying->at < replaying->life_end;
}

static bool take_step(void *context, struct instant now, const struct effects *effects, bool same)
{
    struct replaying *replaying = context;
    (void)now;
    (void)same; /* what differs elsewhere is told at the end of the run */
    for (size_t i = 0; i < effects->count; i++) {
        const struct record *record = &effects->items[i].record;
        if (effects->items[i].kind == EFFECT_RECORD && record->incident == replaying->incident &&
            !take_record(replaying, record)) {
            return false;
        }
    }
    return true;
}

/* ---- a life ---- */

static void date_of(struct instant time, char ret[32])
{
    struct tm parts;
    const time_t seconds = time.ns / NS_PER_S;
    if (localtime_r(&seconds, &parts) == NULL ||
        strftime(ret, 32, "%Y-%m-%d %H:%M:%S", &parts) == 0) {
        snprintf(ret, 32, "%lld", (long long)seconds);
    }
}

/* Why the records of the incident did not come. */
static void end_text(const struct replay_result *result, char ret[600])
{
    char date[32];
    date_of(result->last, date);
    if (result->steps == 0) {
        snprintf(date, sizeof date, "its beginning");
    }
    switch (result->end) {
    case REPLAY_DIFFERS:
        snprintf(ret, 600,
                 "the run differs at %s, step %" PRIu64 ": %" PRIu64
                 " records with hash %016" PRIx64 " were expected, %" PRIu64
                 " with hash %016" PRIx64 " came (recorded by heald %s)",
                 date, result->steps, result->recorded_records, result->recorded,
                 result->given_records, result->hash, result->version);
        break;
    case REPLAY_ENDED:
        snprintf(ret, 600, "the recording ended at %s: %.390s", date, result->why);
        break;
    case REPLAY_CUT:
        snprintf(ret, 600,
                 "the recording is cut off after %s; it was run up to the last whole step", date);
        break;
    case REPLAY_WHOLE:
    case REPLAY_OPEN:
    case REPLAY_STOPPED:
        snprintf(ret, 600, "the recording of that life goes up to %s only", date);
        break;
    }
}

static int cannot(const struct replaying *replaying, const char *why)
{
    if (replaying->options->json) {
        json_t *answer = json_pack("{s:b, s:i, s:I, s:s}", "ok", 0, "code", CONTROL_UNREACHABLE,
                                   "incident", (json_int_t)replaying->incident, "error", why);
        show_json(answer);
        json_decref(answer);
    }
    fflush(stdout);
    fprintf(stderr, "healctl: incident %" PRIu64 " cannot be replayed: ", replaying->incident);
    show_to(stderr, why, 0);
    fputs("\n", stderr);
    return CONTROL_UNREACHABLE;
}

/* Runs the life again up to the last record of the incident in it. CONTROL_OK: all came out the
 * same. */
static int replay_one(struct replaying *replaying, int64_t life_ms)
{
    struct error error;
    char text[600];
    const struct replay_hooks hooks = {.context = replaying, .step = take_step};
    struct replay *replay = replay_new(&hooks);
    enum status status = replay_life(replay, replaying->options->state, life_ms, &error);
    const struct replay_result result = replay_result(replay);
    replay_free(replay);
    if (replaying->at == replaying->life_end) {
        return CONTROL_OK;
    }
    if (replaying->differs) {
        return CONTROL_NEGATIVE;
    }
    if (status != STATUS_OK) {
        return cannot(replaying, error.message);
    }
    if (result.steps > 0 && replaying->wanted->items[replaying->at].epoch > result.epoch) {
        return cannot(replaying, "the life of heald that it was in was not recorded");
    }
    end_text(&result, text);
    if (result.end == REPLAY_DIFFERS || result.end == REPLAY_WHOLE) {
        tell(replaying, &replaying->wanted->items[replaying->at], NULL, "presence");
        replaying->differs = true;
        fprintf(stderr, "healctl: %s\n", text);
        return CONTROL_NEGATIVE;
    }
    return cannot(replaying, text);
}

/* ---- an incident ---- */

static int replay_lives(struct replaying *replaying, const struct flight_files *files)
{
    int code = CONTROL_OK;
    while (code == CONTROL_OK && replaying->at < replaying->wanted->count) {
        const struct record *items = replaying->wanted->items;
        const int64_t life = flight_files_life(files, items[replaying->at].time);
        if (life < 0) {
            return cannot(replaying, "it began before the oldest recording; what was before that "
                                     "is gone, or flight was off");
        }
        replaying->life_end = replaying->at;
        while (replaying->life_end < replaying->wanted->count &&
               flight_files_life(files, items[replaying->life_end].time) == life) {
            replaying->life_end++;
        }
        code = replay_one(replaying, life);
    }
    return code;
}

static void show_verdict(const struct replaying *replaying, bool same)
{
    if (replaying->options->json) {
        json_t *answer =
            json_pack("{s:b, s:I, s:b, s:O, s:o}", "ok", 1, "incident",
                      (json_int_t)replaying->incident, "same", (int)same, "records",
                      replaying->records, "hash", json_sprintf("%016" PRIx64, replaying->hash));
        show_json(answer);
        json_decref(answer);
    } else if (same) {
        printf("incident %" PRIu64 " replayed bit for bit: %zu records, hash %016" PRIx64 "\n",
               replaying->incident, replaying->at, replaying->hash);
    } else {
        printf("incident %" PRIu64 " did not replay bit for bit: record %zu of %zu came out "
               "otherwise\n",
               replaying->incident, replaying->at + 1, replaying->wanted->count);
    }
}

static int replay_incident(const struct options *options, const struct flight_files *files)
{
    char *end = NULL;
    int code = CONTROL_OK;
    struct incident_records wanted;
    errno = 0;
    const unsigned long long id = strtoull(options->argument, &end, 10);
    if (errno != 0 || id == 0 || *end != '\0' || options->argument[0] == '-') {
        fprintf(stderr, "healctl: '%s' is no id of an incident\n", options->argument);
        return CONTROL_USAGE;
    }
    if (!incident_records_find(options, id, &wanted, &code)) {
        return code;
    }
    struct replaying replaying = {
        .options = options, .wanted = &wanted, .incident = id, .records = json_array()};
    code = files->count > 0
               ? replay_lives(&replaying, files)
               : cannot(&replaying, "there is no flight recording (flight of heald.yaml)");
    if (code == CONTROL_OK || code == CONTROL_NEGATIVE) {
        show_verdict(&replaying, code == CONTROL_OK);
    }
    json_decref(replaying.records);
    incident_records_release(&wanted);
    return code;
}

/* ---- all of it ---- */

static void show_life(const struct options *options, int64_t life_ms,
                      const struct replay_result *result, const char *wrong)
{
    char date[32], text[600] = "";
    date_of((struct instant){life_ms * NS_PER_MS}, date);
    if (wrong != NULL || (result->end != REPLAY_WHOLE && result->end != REPLAY_OPEN)) {
        end_text(result, text);
    }
    const bool same = wrong == NULL && result->end != REPLAY_DIFFERS;
    if (options->json) {
        json_t *line = json_pack(
            "{s:f, s:I, s:b, s:I, s:I, s:I, s:o, s:s}", "since", (double)life_ms / 1e3, "epoch",
            (json_int_t)result->epoch, "same", (int)same, "steps", (json_int_t)result->steps,
            "samples", (json_int_t)result->samples, "records", (json_int_t)result->records, "hash",
            json_sprintf("%016" PRIx64, result->hash), "why", wrong != NULL ? wrong : text);
        show_json(line);
        json_decref(line);
        return;
    }
    printf("life since %s, epoch %" PRIu32 ": %" PRIu64 " steps, %" PRIu64 " samples, %" PRIu64
           " records, %s, hash %016" PRIx64 "\n",
           date, result->epoch, result->steps, result->samples, result->records,
           same            ? "bit for bit"
           : wrong != NULL ? "up to where it cannot be read"
                           : "OTHERWISE",
           result->hash);
    if (wrong != NULL || text[0] != '\0') {
        fputs("  ", stdout);
        show(wrong != NULL ? wrong : text, 0);
        fputs("\n", stdout);
    }
}

static int replay_everything(const struct options *options, const struct flight_files *files)
{
    int code = CONTROL_OK;
    for (size_t i = 0; i < files->count; i++) {
        struct error error;
        if (i > 0 && files->items[i].life_ms == files->items[i - 1].life_ms) {
            continue;
        }
        struct replay *replay = replay_new(NULL);
        enum status status = replay_life(replay, options->state, files->items[i].life_ms, &error);
        const struct replay_result result = replay_result(replay);
        replay_free(replay);
        show_life(options, files->items[i].life_ms, &result,
                  status == STATUS_OK ? NULL : error.message);
        code = status != STATUS_OK || result.end == REPLAY_DIFFERS ? CONTROL_NEGATIVE : code;
    }
    if (files->count == 0) {
        fprintf(stderr, "healctl: there is no flight recording (flight of heald.yaml)\n");
        code = CONTROL_UNREACHABLE;
    }
    return code;
}

int command_replay(const struct options *options)
{
    struct error error;
    struct flight_files files = {0};
    int folder = -1;
    if ((options->argument == NULL) == !options->all) {
        fprintf(stderr, "healctl: replay needs one ID, or --all\n");
        return CONTROL_USAGE;
    }
    if (options->state == NULL) {
        fprintf(stderr, "healctl: the state folder is not known (-c or --state)\n");
        return CONTROL_USAGE;
    }
    enum status status = flight_folder_open(options->state, false, &folder, &error);
    if (status == STATUS_OK) {
        status = flight_folder_list(folder, &files, &error);
        close(folder);
    }
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        fprintf(stderr, "healctl: %s\n", error.message);
        return CONTROL_UNREACHABLE;
    }
    int code = options->all ? replay_everything(options, &files) : replay_incident(options, &files);
    flight_files_release(&files);
    return code;
}
