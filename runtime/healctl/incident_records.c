/* The records of an incident. */
#include "runtime/healctl/incident_records.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/store/journal.h"

static bool keep(void *context, const struct record *record)
{
    struct incident_records *records = context;
    ARRAY_RESERVE(records->items, records->count, records->capacity);
    records->items[records->count++] = *record;
    return true;
}

/* A journal that root opened would have files of root's beside it, which heald's user cannot read:
 * who may, becomes the owner for as long as it is open. */
static bool become(uid_t user, gid_t group)
{
    return geteuid() != 0 || (setegid(group) == 0 && seteuid(user) == 0);
}

static void become_again(uid_t user, gid_t group)
{
    if (seteuid(user) != 0 || setegid(group) != 0) {
        fprintf(stderr, "healctl: cannot become the user again that it was started by\n");
        exit(CONTROL_DENIED);
    }
}

static enum status read_journal(const char *path, uint64_t incident, struct incident_records *ret,
                                struct error *error)
{
    struct journal *journal;
    TRY(journal_open(path, &journal, error));
    enum status status = journal_scan(journal, 1, incident, keep, ret, error);
    journal_close(journal);
    return status;
}

/* STATUS_DENIED: heald has it. STATUS_NOT_FOUND: there is none. */
static enum status from_journal(const struct options *options, uint64_t incident,
                                struct incident_records *ret, struct error *error)
{
    char path[4200];
    struct stat info;
    const uid_t user = geteuid();
    const gid_t group = getegid();
    snprintf(path, sizeof path, "%s/journal.db", options->state);
    if (stat(path, &info) != 0) {
        return error_set(error, STATUS_NOT_FOUND, "there is no journal '%.300s'", path);
    }
    if (!become(info.st_uid, info.st_gid)) {
        return error_set(error, STATUS_IO, "cannot become the user that '%.300s' belongs to", path);
    }
    enum status status = read_journal(path, incident, ret, error);
    become_again(user, group);
    return status;
}

static enum record_kind kind_of(const char *text)
{
    enum record_kind kind = 0;
    while (kind < RECORD_KINDS && strcmp(record_infos[kind].text, text) != 0) {
        kind++;
    }
    return kind;
}

static void copy(char *ret, size_t size, const json_t *object, const char *key)
{
    snprintf(ret, size, "%s", text_of(object, key));
}

static bool from_json(const json_t *object, struct record *ret)
{
    *ret = (struct record){
        .sequence = (uint64_t)integer_of(object, "sequence"),
        .time.ns = strtoll(text_of(object, "time_ns"), NULL, 10),
        .kind = kind_of(text_of(object, "kind")),
        .incident = (uint64_t)integer_of(object, "incident"),
        .action_id = (uint64_t)integer_of(object, "action_id"),
        .epoch = (uint32_t)integer_of(object, "epoch"),
        .rung = (uint32_t)integer_of(object, "rung"),
        .program_hash = strtoull(text_of(object, "program"), NULL, 16),
    };
    copy(ret->policy, sizeof ret->policy, object, "policy");
    copy(ret->target, sizeof ret->target, object, "target");
    copy(ret->action, sizeof ret->action, object, "action");
    copy(ret->type, sizeof ret->type, object, "type");
    copy(ret->text, sizeof ret->text, object, "text");
    return ret->kind < RECORD_KINDS && ret->time.ns > 0;
}

json_t *record_to_json(const struct record *record)
{
    json_t *text = json_string(record->text);
    text = text != NULL ? text : json_string("(not UTF-8)");
    return json_pack("{s:f, s:s, s:s, s:I, s:s, s:s, s:s, s:I, s:o}", "time",
                     instant_to_seconds(record->time), "kind", record_infos[record->kind].text,
                     "word", record_infos[record->kind].word, "incident",
                     (json_int_t)record->incident, "policy", record->policy, "target",
                     record->target, "action", record->action, "action_id",
                     (json_int_t)record->action_id, "text", text);
}

static bool from_heald(const struct options *options, uint64_t incident,
                       struct incident_records *ret, int *ret_code)
{
    size_t index = 0;
    json_t *item = NULL;
    json_t *answer =
        ask(options, json_pack("{s:s, s:I}", "command", "explain", "id", (json_int_t)incident),
            ret_code);
    if (answer == NULL) {
        return false;
    }
    json_array_foreach(json_object_get(answer, "records"), index, item)
    {
        struct record record;
        if (!from_json(item, &record)) {
            fprintf(stderr, "healctl: this heald tells records that healctl does not know\n");
            *ret_code = CONTROL_UNREACHABLE;
            json_decref(answer);
            return false;
        }
        (void)keep(ret, &record);
    }
    json_decref(answer);
    return true;
}

bool incident_records_find(const struct options *options, uint64_t incident,
                           struct incident_records *ret, int *ret_code)
{
    struct error error;
    *ret = (struct incident_records){0};
    enum status status = from_journal(options, incident, ret, &error);
    if (status == STATUS_DENIED) {
        return from_heald(options, incident, ret, ret_code);
    }
    if (status != STATUS_OK) {
        fprintf(stderr, "healctl: %s\n", error.message);
        *ret_code = CONTROL_UNREACHABLE;
        return false;
    }
    if (ret->count == 0) {
        fprintf(stderr, "healctl: there is no incident %" PRIu64 "\n", incident);
        *ret_code = CONTROL_NOT_FOUND;
        return false;
    }
    return true;
}

void incident_records_release(struct incident_records *records)
{
    free(records->items);
    *records = (struct incident_records){0};
}
