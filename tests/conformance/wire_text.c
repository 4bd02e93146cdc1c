/* OpenMetrics and exposition texts against what they must give. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/ingest/intake.h"
#include "tests/conformance/wire.h"
#include "tests/conformance/wire_file.h"

enum { FEED_BYTES = 1 << 26, REASON_BYTES = 600, PATH_BYTES = 2048, COLUMNS_MAX = 16, ROUNDS = 2 };

/* ---- OpenMetrics ---- */

static void check_parser(const char *folder, const char *name, struct tally *tally)
{
    char path[PATH_BYTES];
    struct error error = {""};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    json_t *about = file_json(path, "test.json");
    if (about == NULL) {
        return; /* no case */
    }
    const char *text = json_string_value(json_object_get(about, "file"));
    struct file file = file_read(path, text ? text : "metrics");
    if (file.bytes == NULL) {
        tally_case(tally, false, "openmetrics/parsers", name, "its text cannot be read");
    } else {
        bool wanted = json_is_true(json_object_get(about, "shouldParse"));
        bool taken = openmetrics_check(file.bytes, file.size, &error) == STATUS_OK;
        tally_case(tally, taken == wanted, "openmetrics/parsers", name,
                   wanted ? error.message : "it is taken and must be refused");
    }
    free(file.bytes);
    json_decref(about);
}

static size_t sample_lines(struct file file)
{
    size_t count = 0;
    bool fresh = true, comment = false;
    for (size_t i = 0; i < file.size; i++) {
        comment = fresh ? file.bytes[i] == '#' : comment;
        fresh = file.bytes[i] == '\n';
        count += fresh && !comment && i > 0 && file.bytes[i - 1] != '\n';
    }
    return count;
}

/* What a scrape reads of a text: the samples, or an error. */
static bool read_all(enum exposition_format format, struct file file, size_t *ret_samples,
                     struct error *error)
{
    struct exposition e;
    static struct exposition_item item;
    enum status status;
    *ret_samples = 0;
    exposition_init(&e, format, file.bytes, file.size, NULL);
    while ((status = exposition_next(&e, &item, error)) == STATUS_OK &&
           item.kind != EXPOSITION_END) {
        *ret_samples += item.kind == EXPOSITION_SAMPLE;
    }
    return status == STATUS_OK;
}

/* A text that a lenient reader, as the scraper is, takes with all its samples. */
static void check_lenient(const char *folder, const char *file_name, const char *kind,
                          const char *name, struct tally *tally)
{
    struct error error = {""};
    struct file file = file_read(folder, file_name);
    size_t samples = 0;
    if (file.bytes == NULL) {
        return;
    }
    bool taken = read_all(EXPOSITION_OPENMETRICS, file, &samples, &error);
    bool good = taken && samples == sample_lines(file);
    tally_case(tally, good, kind, name, taken ? "it does not give all its samples" : error.message);
    free(file.bytes);
}

static void check_telegraf(const char *folder, const char *name, struct tally *tally)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    check_lenient(path, "input.txt", "openmetrics/telegraf", name, tally);
}

static void check_prometheus(const char *folder, const char *name, struct tally *tally)
{
    check_lenient(folder, name, "openmetrics/prometheus", name, tally);
}

bool conformance_openmetrics(const char *dir, struct tally *ret)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/openmetrics/parsers", dir);
    bool there = folder_visit(path, check_parser, ret);
    snprintf(path, sizeof path, "%s/openmetrics/telegraf", dir);
    there |= folder_visit(path, check_telegraf, ret);
    snprintf(path, sizeof path, "%s/openmetrics/prometheus", dir);
    there |= folder_visit(path, check_prometheus, ret);
    return there;
}

/* ---- expositions ---- */

/* The columns of files.tsv that are counted here. */
struct counts {
    unsigned long sample_lines, label_pairs, timestamped, nan, inf;
};

static bool count_all(struct file file, struct counts *ret, struct error *error)
{
    struct exposition e;
    static struct exposition_item item;
    *ret = (struct counts){0};
    exposition_init(&e, EXPOSITION_TEXT, file.bytes, file.size, NULL);
    for (;;) {
        if (exposition_next(&e, &item, error) != STATUS_OK) {
            return false;
        }
        if (item.kind == EXPOSITION_END) {
            return true;
        }
        if (item.kind == EXPOSITION_SAMPLE) {
            ret->sample_lines++;
            ret->label_pairs += item.label_count;
            ret->timestamped += item.has_time;
            ret->nan += isnan(item.value) != 0;
            ret->inf += isinf(item.value) != 0;
        }
    }
}

/* The whole way into a feed, several times: the samples of the last round, each series once. */
static bool take_all(struct file file, uint64_t *ret_samples, struct error *error)
{
    struct feed_writer *writer = NULL;
    struct feed_reader *reader = NULL;
    struct intake *intake = NULL;
    static struct feed_record record;
    struct intake_options options = {
        .id = 1, .name = "case", .job = "j", .instance = "i", .interval = {NS_PER_S}};
    int fd = feed_create(FEED_BYTES, error);
    bool good = fd >= 0 && feed_writer_new(fd, -1, &writer, error) == STATUS_OK &&
                feed_reader_new(fd, &reader, error) == STATUS_OK &&
                intake_new(writer, &options, &intake, error) == STATUS_OK;
    for (int64_t round = 1; good && round <= ROUNDS; round++) {
        uint64_t before = intake_stats(intake)->samples;
        struct instant now = {round * NS_PER_S};
        good = intake_answer(intake, EXPOSITION_TEXT, file.bytes, file.size, now,
                             (struct duration){1}, error) == INTAKE_ANSWERED;
        *ret_samples = intake_stats(intake)->samples - before + intake_stats(intake)->refused;
        do {
            good = good && feed_next(reader, &record, error) == STATUS_OK;
        } while (good && record.kind != FEED_NONE);
    }
    intake_free(intake);
    feed_reader_free(reader);
    feed_writer_free(writer);
    if (fd >= 0) {
        close(fd);
    }
    return good;
}

/* The number in the column of that name; ULONG_MAX when the table has none. */
static unsigned long column(char *const *names, char *const *fields, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            return strtoul(fields[i], NULL, 10);
        }
    }
    return (unsigned long)-1;
}

static bool wrong(const char *what, unsigned long wanted, unsigned long found, char *reason)
{
    if (wanted == (unsigned long)-1 || wanted == found) {
        return false;
    }
    snprintf(reason, REASON_BYTES, "%s: %lu, not %lu", what, found, wanted);
    return true;
}

static bool check_counts(struct file file, char *const *names, char *const *fields, size_t count,
                         char *reason)
{
    struct counts counts;
    struct error error = {""};
    uint64_t series = 0;
    if (!count_all(file, &counts, &error) || !take_all(file, &series, &error)) {
        snprintf(reason, REASON_BYTES, "%s", error.message);
        return false;
    }
#define WANTED(name) column(names, fields, count, name)
    return !wrong("bytes", WANTED("bytes"), file.size, reason) &&
           !wrong("sample_lines", WANTED("sample_lines"), counts.sample_lines, reason) &&
           !wrong("series", WANTED("series"), (unsigned long)series, reason) &&
           !wrong("label_pairs", WANTED("label_pairs"), counts.label_pairs, reason) &&
           !wrong("timestamped", WANTED("timestamped"), counts.timestamped, reason) &&
           !wrong("nan", WANTED("nan"), counts.nan, reason) &&
           !wrong("inf", WANTED("inf"), counts.inf, reason);
#undef WANTED
}

/* Two texts NAME_a.prom and NAME_b.prom of one exporter, read as one: all samples of both. */
static void check_merged(const char *folder, const char *name, struct file first,
                         struct tally *tally)
{
    char other[PATH_BYTES], reason[REASON_BYTES] = "it does not give all its samples";
    size_t size = strlen(name), mark = strlen("_a.prom");
    if (size <= mark || strcmp(name + size - mark, "_a.prom") != 0) {
        return;
    }
    snprintf(other, sizeof other, "%.*s_b.prom", (int)(size - mark), name);
    struct file second = file_read(folder, other);
    if (second.bytes == NULL) {
        return;
    }
    struct file both = {heap_alloc(first.size + second.size), first.size + second.size};
    struct counts a, b;
    struct error error = {""};
    uint64_t series = 0;
    memcpy(both.bytes, first.bytes, first.size);
    memcpy(both.bytes + first.size, second.bytes, second.size);
    bool good = count_all(first, &a, &error) && count_all(second, &b, &error) &&
                take_all(both, &series, &error);
    if (!good) {
        snprintf(reason, sizeof reason, "%s", error.message);
    }
    good = good && series == a.sample_lines + b.sample_lines;
    snprintf(other, sizeof other, "%.*s (both)", (int)(size - mark), name);
    tally_case(tally, good, "exposition", other, reason);
    free(both.bytes);
    free(second.bytes);
}

/* Cuts a line at its tabs. */
static size_t cut(char *line, char **ret_fields)
{
    size_t count = 0;
    for (char *at = line; at != NULL && count < COLUMNS_MAX;) {
        char *tab = strchr(at, '\t');
        ret_fields[count++] = at;
        if (tab) {
            *tab++ = '\0';
        }
        at = tab;
    }
    return count;
}

static void check_row(const char *folder, char *const *names, size_t count, char *line,
                      struct tally *tally)
{
    char *fields[COLUMNS_MAX], reason[REASON_BYTES] = "its text cannot be read";
    if (cut(line, fields) != count) {
        tally_case(tally, false, "exposition", line, "its row of files.tsv has other columns");
        return;
    }
    struct file file = file_read(folder, fields[0]);
    bool good = file.bytes && check_counts(file, names, fields, count, reason);
    tally_case(tally, good, "exposition", fields[0], reason);
    if (good) {
        check_merged(folder, fields[0], file, tally);
    }
    free(file.bytes);
}

bool conformance_exposition(const char *dir, struct tally *ret)
{
    char folder[PATH_BYTES], *names[COLUMNS_MAX];
    snprintf(folder, sizeof folder, "%s/exposition", dir);
    struct file table = file_read(folder, "files.tsv");
    if (table.bytes == NULL) {
        return false;
    }
    char *text = heap_resize(table.bytes, table.size + 1);
    text[table.size] = '\0';
    size_t count = 0;
    for (char *line = text; *line != '\0';) {
        char *end = strchr(line, '\n'), *next = end ? end + 1 : line + strlen(line);
        if (end) {
            *end = '\0';
        }
        if (count == 0) {
            count = cut(line, names);
        } else {
            check_row(folder, names, count, line, ret);
        }
        line = next;
    }
    free(text);
    return true;
}
