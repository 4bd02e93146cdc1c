/* Latches as files: one JSON line when taken, one when finished. */
#include "runtime/act/latch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct latches {
    int folder_fd;
    uint32_t epoch;
    size_t count;
    point_f *point;
    void *point_context;
};

struct latch_name {
    char text[17];
};

static struct latch_name name_of(uint64_t id)
{
    struct latch_name ret;
    snprintf(ret.text, sizeof ret.text, "%016" PRIx64, id);
    return ret;
}

static bool id_of(const char *name, uint64_t *ret)
{
    if (strlen(name) != 16 || strspn(name, "0123456789abcdef") != 16) {
        return false;
    }
    *ret = strtoull(name, NULL, 16);
    return true;
}

static void point_at(struct latches *latches, enum point point)
{
    if (latches->point) {
        latches->point(latches->point_context, point);
    }
}

void latch_set_point(struct latches *latches, point_f *point, void *context)
{
    latches->point = point;
    latches->point_context = context;
}

static enum status failed(struct error *error, const char *what, const char *name)
{
    return error_set(error, STATUS_IO, "cannot %s '%s': %s", what, name, strerror(errno));
}

static bool write_all(int fd, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t wrote = write(fd, bytes, count);
        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote <= 0) {
            return false;
        }
        bytes += wrote;
        count -= (size_t)wrote;
    }
    return true;
}

/* The whole file, ended by NUL; -1 if it cannot be read or is too long. */
static ssize_t read_small(int folder_fd, const char *name, char *ret, size_t size)
{
    int fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return -1;
    }
    size_t used = 0;
    ssize_t got = 1;
    while (used < size && (got = read(fd, ret + used, size - used)) > 0) {
        used += (size_t)got;
    }
    close(fd);
    if (got < 0 || used == size) {
        errno = got < 0 ? errno : EFBIG;
        return -1;
    }
    ret[used] = '\0';
    return (ssize_t)used;
}

/* ---- epoch ---- */

static enum status read_epoch(struct latches *latches, struct error *error)
{
    char text[32];
    ssize_t length = read_small(latches->folder_fd, "EPOCH", text, sizeof text);
    if (length < 0 && errno == ENOENT) {
        return STATUS_OK;
    }
    char *end = text;
    unsigned long value = 0;
    if (length > 1 && text[0] >= '0' && text[0] <= '9') {
        value = strtoul(text, &end, 10);
    }
    if (length < 2 || end != text + length - 1 || *end != '\n' || value > UINT32_MAX) {
        return error_set(error, STATUS_PROTOCOL, "the file actions/EPOCH is damaged");
    }
    latches->epoch = (uint32_t)value;
    return STATUS_OK;
}

enum status latch_raise_epoch(struct latches *latches, uint32_t epoch, struct error *error)
{
    if (epoch <= latches->epoch) {
        return STATUS_OK;
    }
    point_at(latches, POINT_EPOCH_BEFORE);
    char text[32];
    int length = snprintf(text, sizeof text, "%" PRIu32 "\n", epoch);
    int fd = openat(latches->folder_fd, "EPOCH.new",
                    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool ok = fd >= 0 && write_all(fd, text, (size_t)length) && fsync(fd) == 0;
    if (fd >= 0) {
        close(fd);
    }
    ok = ok && renameat(latches->folder_fd, "EPOCH.new", latches->folder_fd, "EPOCH") == 0 &&
         fsync(latches->folder_fd) == 0;
    if (!ok) {
        return failed(error, "keep the epoch in", "actions/EPOCH");
    }
    latches->epoch = epoch;
    point_at(latches, POINT_EPOCH_AFTER);
    return STATUS_OK;
}

uint32_t latch_epoch(const struct latches *latches)
{
    return latches->epoch;
}

/* ---- folder ---- */

static enum status count_latches(struct latches *latches, struct error *error)
{
    int fd = openat(latches->folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        return failed(error, "read", "actions");
    }
    struct dirent *entry;
    uint64_t id;
    while ((entry = readdir(dir))) {
        latches->count += id_of(entry->d_name, &id);
    }
    closedir(dir);
    return STATUS_OK;
}

enum status latch_open(const char *state_folder, struct latches **ret, struct error *error)
{
    int state_fd = open(state_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (state_fd < 0) {
        return failed(error, "open", state_folder);
    }
    struct latches *latches = heap_alloc(sizeof *latches);
    latches->folder_fd = -1;
    enum status status = STATUS_OK;
    if (mkdirat(state_fd, "actions", 0700) == 0) {
        status = fsync(state_fd) == 0 ? STATUS_OK : failed(error, "sync", state_folder);
    } else if (errno != EEXIST) {
        status = failed(error, "make", "actions");
    }
    if (status == STATUS_OK) {
        latches->folder_fd =
            openat(state_fd, "actions", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        status = latches->folder_fd < 0 ? failed(error, "open", "actions") : STATUS_OK;
    }
    close(state_fd);
    if (status == STATUS_OK) {
        status = read_epoch(latches, error);
    }
    if (status == STATUS_OK) {
        status = count_latches(latches, error);
    }
    if (status != STATUS_OK) {
        latch_close(latches);
        return status;
    }
    *ret = latches;
    return STATUS_OK;
}

void latch_close(struct latches *latches)
{
    if (latches) {
        if (latches->folder_fd >= 0) {
            close(latches->folder_fd);
        }
        free(latches);
    }
}

/* ---- lines ---- */

static char *begin_line(const struct latch_entry *entry)
{
    struct latch_name id = name_of(entry->id), undoes = name_of(entry->undoes);
    /* A target is bytes of a label: Latin-1 of them, so that any byte has a place in JSON. */
    char target[2 * TARGET_BYTES], *out = target;
    for (const char *c = entry->target; *c; c++) {
        unsigned char byte = (unsigned char)*c;
        if (byte < 0x80) {
            *out++ = (char)byte;
        } else {
            *out++ = (char)(0xc0 | byte >> 6);
            *out++ = (char)(0x80 | (byte & 0x3f));
        }
    }
    *out = '\0';
    json_t *numbers = json_array();
    for (size_t i = 0; i < entry->number_count; i++) {
        json_array_append_new(numbers, json_real(entry->numbers[i]));
    }
    json_t *line = json_pack("{s:s, s:I, s:s, s:s, s:I, s:I, s:s, s:s, s:o, s:s}", "id", id.text,
                             "epoch", (json_int_t)entry->epoch, "action", entry->action, "target",
                             target, "time_ns", (json_int_t)entry->time.ns, "uptime_ns",
                             (json_int_t)entry->uptime.ns, "boot", entry->boot, "connector",
                             entry->connector, "numbers", numbers, "undoes", undoes.text);
    char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
    json_decref(line);
    return text;
}

static bool read_target(const char *text, char *ret)
{
    size_t used = 0;
    for (const unsigned char *c = (const unsigned char *)text; *c; used++) {
        if (used + 1 >= TARGET_BYTES) {
            return false;
        }
        bool wide = *c >= 0x80;
        ret[used] = (char)(wide ? (c[0] & 3) << 6 | (c[1] & 0x3f) : *c);
        c += wide ? 2 : 1;
    }
    ret[used] = '\0';
    return true;
}

static bool read_numbers(const json_t *numbers, struct latch_entry *ret)
{
    ret->number_count = json_array_size(numbers);
    for (size_t i = 0; i < ret->number_count && i < MESSAGE_NUMBERS_MAX; i++) {
        ret->numbers[i] = json_number_value(json_array_get(numbers, i));
    }
    return ret->number_count <= MESSAGE_NUMBERS_MAX;
}

static bool read_begin(const char *line, size_t length, uint64_t id, struct latch_entry *ret)
{
    json_t *json = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL), *numbers = NULL;
    const char *name, *action, *target, *boot, *connector = "", *undoes = NULL;
    uint64_t undone = 0;
    json_int_t epoch, time, uptime;
    bool ok =
        json && json_unpack(json, "{s:s, s:I, s:s, s:s, s:I, s:I, s:s, s?s, s?o, s?s !}", "id",
                            &name, "epoch", &epoch, "action", &action, "target", &target, "time_ns",
                            &time, "uptime_ns", &uptime, "boot", &boot, "connector", &connector,
                            "numbers", &numbers, "undoes", &undoes) == 0;
    ok = ok && strcmp(name, name_of(id).text) == 0 && epoch >= 0 && epoch <= UINT32_MAX &&
         strlen(action) < NAME_BYTES && strlen(boot) < LATCH_BOOT_BYTES &&
         strlen(connector) < LATCH_CONNECTOR_BYTES && read_target(target, ret->target) &&
         read_numbers(numbers, ret) && (!undoes || id_of(undoes, &undone));
    if (ok) {
        ret->id = id;
        ret->epoch = (uint32_t)epoch;
        ret->time.ns = time;
        ret->uptime.ns = uptime;
        ret->undoes = undone;
        snprintf(ret->action, sizeof ret->action, "%s", action);
        snprintf(ret->boot, sizeof ret->boot, "%s", boot);
        snprintf(ret->connector, sizeof ret->connector, "%s", connector);
    }
    json_decref(json);
    return ok;
}

static bool read_result(const char *line, size_t length, struct message *ret)
{
    json_t *json = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
    const char *outcome, *text;
    int exit_code;
    json_int_t started, ended;
    bool ok = json && json_unpack(json, "{s:s, s:i, s:I, s:I, s:s !}", "outcome", &outcome, "exit",
                                  &exit_code, "started_ns", &started, "ended_ns", &ended, "text",
                                  &text) == 0;
    unsigned found = OUTCOME_NONE;
    for (unsigned i = OUTCOME_SUCCEEDED; ok && i < OUTCOME_COUNT; i++) {
        found = strcmp(outcome, outcome_text((enum outcome)i)) == 0 ? i : found;
    }
    ok = ok && found != OUTCOME_NONE && found != OUTCOME_REFUSED && strlen(text) < sizeof ret->text;
    if (ok) {
        ret->outcome = (enum outcome)found;
        ret->exit_code = exit_code;
        ret->started.ns = started;
        ret->ended.ns = ended;
        snprintf(ret->text, sizeof ret->text, "%s", text);
    }
    json_decref(json);
    return ok;
}

/* A note that cannot be read is one all the same: of something that may have happened. */
static void read_note(const char *line, size_t length, struct latch_doubt *ret)
{
    json_t *json = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
    const char *note = "";
    if (!json || json_unpack(json, "{s:s !}", "note", &note) != 0 ||
        strlen(note) >= sizeof ret->note) {
        note = "";
    }
    ret->noted = true;
    snprintf(ret->note, sizeof ret->note, "%s", note);
    json_decref(json);
}

/* ---- take, note, finish, probe ---- */

static enum status write_latch(struct latches *latches, int fd, const struct latch_entry *entry,
                               struct error *error)
{
    char *line = begin_line(entry);
    if (!line) {
        return error_set(error, STATUS_PROTOCOL, "the name of an action is not UTF-8");
    }
    char text[LATCH_LINE_BYTES];
    int length = snprintf(text, sizeof text, "%s\n", line);
    free(line);
    CHECK(length > 0 && (size_t)length < sizeof text);
    point_at(latches, POINT_LATCH_CREATED);
    if (!write_all(fd, text, (size_t)length) || fsync(fd) != 0 || fsync(latches->folder_fd) != 0) {
        return failed(error, "write", "actions/<id>");
    }
    return STATUS_OK;
}

enum status latch_take(struct latches *latches, const struct latch_entry *entry,
                       struct error *error)
{
    struct latch_name name = name_of(entry->id);
    if (latches->count >= LATCHES_MAX) {
        return error_set(error, STATUS_LIMIT,
                         "the folder actions holds %d latches; archive old ones", LATCHES_MAX);
    }
    point_at(latches, POINT_LATCH_BEFORE);
    int fd = openat(latches->folder_fd, name.text,
                    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno == EEXIST) {
        return error_set(error, STATUS_DENIED, "action %s was started before", name.text);
    }
    if (fd < 0) {
        return failed(error, "create", name.text);
    }
    latches->count++;
    enum status status = write_latch(latches, fd, entry, error);
    close(fd);
    if (status != STATUS_OK && unlinkat(latches->folder_fd, name.text, 0) == 0) {
        latches->count--; /* nothing started, so the id may be asked for again */
    }
    if (status == STATUS_OK) {
        point_at(latches, POINT_LATCH_AFTER);
    }
    return status;
}

/* Takes json. A line that a former process did not end is ended first, so that both stay apart. The
 * file stays within bytes_max. */
static enum status append_line(struct latches *latches, uint64_t id, json_t *take_json,
                               size_t bytes_max, const char *what, struct error *error)
{
    struct latch_name name = name_of(id);
    char *line = take_json ? json_dumps(take_json, JSON_COMPACT) : NULL;
    json_decref(take_json);
    CHECK(line); /* what is said is UTF-8 */
    char text[LATCH_LINE_BYTES], last = '\n';
    int length = snprintf(text, sizeof text, "%s\n", line);
    free(line);
    CHECK(length > 0 && (size_t)length < sizeof text);
    int fd = openat(latches->folder_fd, name.text, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    off_t end = fd >= 0 ? lseek(fd, 0, SEEK_END) : -1;
    bool fits = end + length + 2 <= (off_t)bytes_max;
    bool ok = fits && end > 0 && pread(fd, &last, 1, end - 1) == 1;
    ok = ok && (last == '\n' || write_all(fd, "\n", 1)) && write_all(fd, text, (size_t)length) &&
         fsync(fd) == 0;
    enum status status = ok      ? STATUS_OK
                         : !fits ? error_set(error, STATUS_LIMIT, "the latch of it is full")
                                 : failed(error, what, name.text);
    if (fd >= 0) {
        close(fd);
    }
    return status;
}

enum status latch_finish(struct latches *latches, uint64_t id, const struct message *result,
                         struct error *error)
{
    point_at(latches, POINT_EXIT_AFTER);
    json_t *json =
        json_pack("{s:s, s:i, s:I, s:I, s:s}", "outcome", outcome_text(result->outcome), "exit",
                  (int)result->exit_code, "started_ns", (json_int_t)result->started.ns, "ended_ns",
                  (json_int_t)result->ended.ns, "text", result->text);
    TRY(append_line(latches, id, json, LATCH_BYTES_MAX, "write the result to", error));
    point_at(latches, POINT_RESULT_AFTER);
    return STATUS_OK;
}

enum status latch_note(struct latches *latches, uint64_t id, const char *note, struct error *error)
{
    CHECK(strlen(note) < LATCH_NOTE_BYTES);
    TRY(append_line(latches, id, json_pack("{s:s}", "note", note),
                    LATCH_BYTES_MAX - LATCH_LINE_BYTES, "write a note to", error));
    point_at(latches, POINT_NOTE_AFTER);
    return STATUS_OK;
}

bool latch_probe(struct latches *latches, uint64_t id, struct message *ret,
                 struct latch_doubt *ret_doubt)
{
    char text[LATCH_BYTES_MAX];
    ssize_t length = read_small(latches->folder_fd, name_of(id).text, text, sizeof text);
    if (length < 0 && errno == ENOENT) {
        ret->outcome = OUTCOME_NEVER_STARTED;
        snprintf(ret->text, sizeof ret->text, "there is no latch of it");
        return false;
    }
    ret->outcome = OUTCOME_UNKNOWN;
    snprintf(ret->text, sizeof ret->text, "it was latched and has no result: it may have run");
    char *line_end = length > 0 ? strchr(text, '\n') : NULL;
    memset(ret_doubt, 0, sizeof *ret_doubt);
    if (!line_end || !read_begin(text, (size_t)(line_end - text), id, &ret_doubt->entry)) {
        snprintf(ret->text, sizeof ret->text, "its latch cannot be read: it may have run");
        return false;
    }
    ret->started = ret_doubt->entry.time;
    /* A last line without its end was never durable, and nothing came of it. */
    for (char *at = line_end + 1; (line_end = strchr(at, '\n')); at = line_end + 1) {
        size_t bytes = (size_t)(line_end - at);
        if (line_end[1] == '\0' && read_result(at, bytes, ret)) {
            return false;
        }
        if (bytes > 0) {
            read_note(at, bytes, ret_doubt);
        }
    }
    return true;
}

/* A latch of which not even the first line is whole never let anything start; but whether it is
 * torn or damaged later cannot be told, so it counts as one that cannot be read only if it has a
 * line end. */
static enum status visit_one(struct latches *latches, const char *name, uint64_t id,
                             latch_visit_f *visit, void *context, bool *more, struct error *error)
{
    char text[LATCH_BYTES_MAX];
    struct latch_entry entry = {0};
    ssize_t length = read_small(latches->folder_fd, name, text, sizeof text);
    char *end = length > 0 ? strchr(text, '\n') : NULL;
    if (length >= 0 && !end) {
        return STATUS_OK;
    }
    if (length < 0 || !read_begin(text, (size_t)(end - text), id, &entry)) {
        return error_set(error, STATUS_PROTOCOL, "the latch actions/%s cannot be read", name);
    }
    *more = visit(context, &entry);
    return STATUS_OK;
}

enum status latch_each(struct latches *latches, latch_visit_f *visit, void *context,
                       struct error *error)
{
    int fd = openat(latches->folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        return failed(error, "read", "actions");
    }
    enum status status = STATUS_OK;
    bool more = true;
    struct dirent *entry;
    uint64_t id;
    while (status == STATUS_OK && more && (entry = readdir(dir))) {
        if (id_of(entry->d_name, &id)) {
            status = visit_one(latches, entry->d_name, id, visit, context, &more, error);
        }
    }
    closedir(dir);
    return status;
}
