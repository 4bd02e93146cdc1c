/* The text format: what is taken, what is refused and where, and answers that are whole or nothing.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtime/ingest/exposition.h"
#include "runtime/ingest/feed.h"
#include "runtime/ingest/intake.h"
#include "runtime/ingest/text.h"
#include "tests/unit.h"

static uint64_t random_state = 88172645463325252ULL;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* All of a body: the number of samples, or the status in *ret. */
static size_t read_all(const char *body, size_t size, enum status *ret, struct error *error)
{
    struct exposition e;
    static struct exposition_item item;
    size_t samples = 0;
    exposition_init(&e, EXPOSITION_TEXT, body, size, NULL);
    while ((*ret = exposition_next(&e, &item, error)) == STATUS_OK && item.kind != EXPOSITION_END) {
        samples += item.kind == EXPOSITION_SAMPLE;
    }
    return samples;
}

static void valid_bodies_give_their_samples(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        size_t samples;
    } rows[] = {
        {"", 0},
        {"\n\n  \n", 0},
        {"a 1\n", 1},
        {"a{} 1\n", 1},
        {" \ta \t{ b = \"c\" , } \t1 \t-5 \t\n", 1},
        {"a{b=\"\"} NaN\na{b=\"x\"} +Inf\na{b=\"y\"} -Inf\n", 3},
        {"a{b=\"\\\\ \\\" \\n {},=\"} 1e3 1700000000000\n", 1},
        {"a_b:c 0x\n", 0}, /* refused below; here only the line before it counts */
        {"# a comment\n#\n# TYPE\x61 nothing\n# HELP a any \\ \"text\"\n# TYPE a gauge\na 1\n", 1},
        {"# UNIT a seconds\n# EOF\na .5\nb 5.\nc +1\nd -1e-400\n", 4},
        {"a 123456789012345678901234567890\n", 1},
        {"# TYPE a unknown\na 1\n", 1},
        {"a{b=\"\\x\"} 1 99999999999999999999\n#TYPE 1\n# \xff\n# UNIT 1\n", 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum status status;
        struct error error = {""};
        size_t samples = read_all(rows[i].body, strlen(rows[i].body), &status, &error);
        if (strstr(rows[i].body, "0x") == NULL && status != STATUS_OK) {
            fail_msg("row %zu: %s", i, error.message);
        }
        assert_int_equal(samples, rows[i].samples);
    }
}

static void invalid_bodies_are_refused_at_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *body, *error;
    } rows[] = {
        {"a 1", "line 1, column 4: the last line has no line feed: the body may have been cut"},
        {"a 1\nb", "line 2, column 2: the last line has no line feed: the body may have been cut"},
        {"a\n", "line 1, column 2: expected a value, found the end of the line"},
        {"a \n", "line 1, column 3: expected a value, found the end of the line"},
        {"a{b=\"c\"}\n", "line 1, column 9: expected a value, found the end of the line"},
        {"1a 1\n", "line 1, column 1: expected a metric name or '#', found '1'"},
        {"a-b 1\n", "line 1, column 2: expected a blank, '{' or more of the name, found '-'"},
        {"a 1x\n",
         "line 1, column 3: expected a number within range, NaN, +Inf or -Inf, found '1'"},
        {"a 0x1p3\n",
         "line 1, column 3: expected a number within range, NaN, +Inf or -Inf, found '0'"},
        {"a 1_0\n",
         "line 1, column 3: expected a number within range, NaN, +Inf or -Inf, found '1'"},
        {"a 1e999\n",
         "line 1, column 3: expected a number within range, NaN, +Inf or -Inf, found '1'"},
        {"a .\n", "line 1, column 3: expected a number within range, NaN, +Inf or -Inf, found '.'"},
        {"a 1e\n",
         "line 1, column 3: expected a number within range, NaN, +Inf or -Inf, found '1'"},
        {"a +NaN\n",
         "line 1, column 3: expected a number within range, NaN, +Inf or -Inf, found '+'"},
        {"a 1 1.5\n", "line 1, column 5: expected a timestamp in milliseconds, found '1'"},
        {"a 1 -\n", "line 1, column 5: expected a timestamp in milliseconds, found '-'"},
        {"a 1 5 6\n", "line 1, column 7: expected the end of the line, found '6'"},
        {"a 1\r\n",
         "line 1, column 3: expected a number within range, NaN, +Inf or -Inf, found '1'"},
        {"a{b} 1\n", "line 1, column 4: expected '=', found '}'"},
        {"a{b=c} 1\n", "line 1, column 5: expected '\"', found 'c'"},
        {"a{b=\"c} 1\n", "line 1, column 10: expected '\"', found the end of the line"},
        {"a{b=\"c\\\n", "line 1, column 8: expected '\"', found the end of the line"},
        {"a{b=\"c\\\"} 1\n", "line 1, column 12: expected '\"', found the end of the line"},
        {"a{b=\"c\" d=\"e\"} 1\n", "line 1, column 9: expected ',' or '}', found 'd'"},
        {"a{,} 1\n", "line 1, column 3: expected a label name or '}', found ','"},
        {"a{b=\"1\",b=\"2\"} 1\n", "line 1, column 9: the label 'b' is there twice"},
        {"a{__name__=\"1\"} 1\n", "line 1, column 3: the label '__name__' is not for exporters"},
        {"a{b:c=\"1\"} 1\n", "line 1, column 4: expected '=', found ':'"},
        {"a{b=\"\xff\"} 1\n", "line 1, column 6: byte 0xff is not UTF-8"},
        {"a{b=\"\xed\xa0\x80\"} 1\n", "line 1, column 6: byte 0xed is not UTF-8"},
        {"\xff 1\n", "line 1, column 1: expected a metric name or '#', found byte 0xff"},
        {"# HELP a \xc0\x80\n", "line 1, column 10: byte 0xc0 is not UTF-8"},
        {"# TYPE 1 gauge\n", "line 1, column 8: expected a metric name, found '1'"},
        {"ok 1\n# TYPE a guage\n",
         "line 2, column 10: expected counter, gauge, histogram, summary or untyped, found 'g'"},
        {"# TYPE a gauge x\n", "line 1, column 16: expected the end of the line, found 'x'"},
        {"{\"a\"} 1\n", "line 1, column 1: expected a metric name or '#', found '{'"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum status status;
        struct error error = {""};
        read_all(rows[i].body, strlen(rows[i].body), &status, &error);
        assert_int_equal(status, STATUS_PROTOCOL);
        assert_string_equal(error.message, rows[i].error);
    }
}

static void limits_have_names(void **state)
{
    (void)state;
    static const struct {
        struct exposition_limits limits;
        const char *body, *error;
    } rows[] = {
        {{.body_bytes = 5}, "a 1\nb 1\n", "line 1, column 1: more than 5 bytes in one answer"},
        {{.line_bytes = 5}, "a 1\nbcd 12\n", "line 2, column 6: more than 5 bytes in a line"},
        {{.labels = 1}, "a{b=\"1\",c=\"2\"} 1\n", "line 1, column 9: more than 1 labels"},
        {{.label_bytes = 3},
         "a{b=\"1234\"} 1\n",
         "line 1, column 6: more than 3 bytes in a label value"},
        {{.label_bytes = 3},
         "a{bcde=\"1\"} 1\n",
         "line 1, column 3: more than 3 bytes in a label name"},
        {{.series = 1}, "a 1\nb 1\n", "line 2, column 1: more than 1 series in one answer"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct exposition e;
        static struct exposition_item item;
        struct error error = {""};
        enum status status;
        exposition_init(&e, EXPOSITION_TEXT, rows[i].body, strlen(rows[i].body), &rows[i].limits);
        do {
            status = exposition_next(&e, &item, &error);
        } while (status == STATUS_OK && item.kind != EXPOSITION_END);
        assert_int_equal(status, STATUS_LIMIT);
        assert_string_equal(error.message, rows[i].error);
    }
}

static void numbers_are_those_of_strtod(void **state)
{
    (void)state;
    for (int i = 0; i < 200000; i++) {
        char text[64];
        uint64_t bits = random_next();
        double value, read;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value)) {
            continue;
        }
        value = i % 3 ? (double)(int64_t)bits / pow(10, (double)(bits % 20)) : value;
        snprintf(text, sizeof text, i % 2 ? "%.17g" : "%.6f", value);
        if (strlen(text) < sizeof text - 1) {
            assert_true(exposition_number(text, strlen(text), &read));
            assert_true(read == strtod(text, NULL));
        }
    }
}

/* A line of any number after its predicted key, with bytes behind it. */
static bool read_predicted(const char *number, double *ret)
{
    char body[200];
    struct exposition e;
    static struct exposition_item item;
    struct error error = {""};
    snprintf(body, sizeof body, "first 1\nkey{a=\"b\"} %s\n# a comment that is long enough\n",
             number);
    exposition_init(&e, EXPOSITION_TEXT, body, strlen(body), NULL);
    assert_int_equal(exposition_next(&e, &item, &error), STATUS_OK);
    e.predicted = key_mark("key{a=\"b\"}", 10);
    if (exposition_next(&e, &item, &error) != STATUS_OK) {
        return false;
    }
    assert_true(item.predicted && item.line == 2);
    *ret = item.value;
    assert_int_equal(exposition_next(&e, &item, &error), STATUS_OK);
    assert_int_equal(item.kind, EXPOSITION_END);
    return true;
}

static void numbers_behind_a_predicted_key_are_those_of_strtod(void **state)
{
    (void)state;
    static const char digits[] = "0123456789";
    double value;
    for (int i = 0; i < 200000; i++) {
        char text[64];
        size_t used = 0, whole = random_next() % 19, after = random_next() % 12;
        text[used] = '-';
        used += random_next() % 4 == 0;
        for (size_t k = 0; k < whole; k++) {
            text[used++] = digits[random_next() % 10];
        }
        if (random_next() % 2) {
            text[used++] = '.';
            for (size_t k = 0; k < after; k++) {
                text[used++] = digits[random_next() % 10];
            }
        }
        text[used] = '\0';
        bool number = strpbrk(text, digits) != NULL;
        assert_true(read_predicted(text, &value) == number);
        double wanted = strtod(text, NULL);
        assert_true(!number || memcmp(&value, &wanted, sizeof value) == 0);
    }
    assert_true(read_predicted("NaN", &value) && isnan(value));
    assert_true(read_predicted("1e3 5", &value) && value == 1000);
    assert_true(read_predicted("1 ", &value) && !read_predicted("1x", &value));
    assert_true(!read_predicted("1.2.3", &value) && !read_predicted("12345678:", &value));
}

/* ---- answers ---- */

struct rig {
    int fd;
    struct feed_writer *writer;
    struct feed_reader *reader;
    struct intake *intake;
};

static void rig_open(struct rig *rig, size_t bytes)
{
    struct error error = {""};
    struct intake_options options = {.id = 1,
                                     .name = "test",
                                     .job = "j",
                                     .instance = "i",
                                     .interval = {NS_PER_S},
                                     .grace = {NS_PER_S}};
    rig->fd = feed_create(bytes, &error);
    assert_int_equal(feed_writer_new(rig->fd, -1, &rig->writer, &error), STATUS_OK);
    assert_int_equal(feed_reader_new(rig->fd, &rig->reader, &error), STATUS_OK);
    assert_int_equal(intake_new(rig->writer, &options, &rig->intake, &error), STATUS_OK);
}

static void rig_close(struct rig *rig)
{
    intake_free(rig->intake);
    feed_writer_free(rig->writer);
    feed_reader_free(rig->reader);
    close(rig->fd);
}

enum { NAMES_MAX = 4096 };
struct seen {
    size_t samples, series, answered, failed, forgotten; /* without the source's own */
    double up;
    double last;
    char names[NAMES_MAX]; /* of the series defined, with labels */
};

/* Reads what came; the engine's side in small. */
static void drain(struct rig *rig, struct seen *ret)
{
    static struct feed_record r;
    static char own[FEED_SERIES_MAX]; /* 1 up, 2 another own one, 3 an exporter's */
    struct error error = {""};
    size_t used = 0;
    *ret = (struct seen){.up = -1};
    for (;;) {
        assert_int_equal(feed_next(rig->reader, &r, &error), STATUS_OK);
        switch (r.kind) {
        case FEED_NONE: return;
        case FEED_SERIES:
            own[r.series] = (char)(strcmp(r.text, "up") == 0            ? 1
                                   : strncmp(r.text, "scrape_", 7) == 0 ? 2
                                                                        : 3);
            ret->series += own[r.series] == 3;
            if (own[r.series] == 3 && used < NAMES_MAX - 1200) {
                used += (size_t)snprintf(ret->names + used, NAMES_MAX - used, "%s{", r.text);
                for (uint32_t i = 0; i < r.label_count && used < NAMES_MAX - 1200; i++) {
                    used += (size_t)snprintf(ret->names + used, NAMES_MAX - used, "%s=%s,",
                                             r.labels[i].name, r.labels[i].value);
                }
                used += (size_t)snprintf(ret->names + used, NAMES_MAX - used, "}");
            }
            break;
        case FEED_SAMPLE:
            assert_true(own[r.series] != 0);
            ret->samples += own[r.series] == 3;
            ret->up = own[r.series] == 1 ? r.value : ret->up;
            ret->last = own[r.series] == 3 ? r.value : ret->last;
            break;
        case FEED_POINTS:
            for (uint64_t i = 0; i < r.count; i++) {
                assert_int_equal(own[r.points[i].series], 3);
                ret->last = r.points[i].value;
            }
            ret->samples += r.count;
            break;
        case FEED_ANSWERED: ret->answered++; break;
        case FEED_FAILED: ret->failed++; break;
        case FEED_FORGET: ret->forgotten++; break;
        case FEED_SOURCE:
        case FEED_STALE:
        case FEED_HEARD:
        case FEED_LOST:
        case FEED_RESYNC: break;
        }
    }
}

static enum intake_outcome answer(struct rig *rig, const char *body, size_t size, struct seen *ret)
{
    static int64_t now = 1700000000 * NS_PER_S;
    struct error error = {""};
    now += NS_PER_S;
    enum intake_outcome outcome =
        intake_answer(rig->intake, EXPOSITION_TEXT, body, size, (struct instant){now},
                      (struct duration){NS_PER_MS}, &error);
    drain(rig, ret);
    assert_int_equal(ret->answered, outcome == INTAKE_ANSWERED);
    assert_int_equal(ret->failed, outcome != INTAKE_ANSWERED);
    assert_true(ret->up == (outcome == INTAKE_ANSWERED));
    if (outcome != INTAKE_ANSWERED) {
        assert_int_equal(ret->samples, 0);
    }
    return outcome;
}

static enum intake_outcome answer_text(struct rig *rig, const char *body, struct seen *ret)
{
    return answer(rig, body, strlen(body), ret);
}

static void labels_of_the_target_win_and_clashes_are_set_aside(void **state)
{
    (void)state;
    struct rig rig;
    struct seen seen;
    rig_open(&rig, 1 << 20);
    assert_int_equal(answer_text(&rig, "a{job=\"x\",exported_job=\"y\",z=\"\"} 1\n", &seen),
                     INTAKE_ANSWERED);
    assert_string_equal(seen.names, "a{exported_exported_job=x,exported_job=y,instance=i,job=j,}");
    rig_close(&rig);
}

static void the_first_of_a_duplicate_wins_whatever_its_spelling(void **state)
{
    (void)state;
    struct rig rig;
    struct seen seen;
    rig_open(&rig, 1 << 20);
    const char *body = "a{b=\"1\",c=\"2\"} 1\na{c=\"2\",b=\"1\"} 2\na{ b=\"1\",c=\"2\",} 3\nup 7\n";
    for (int i = 0; i < 3; i++) {
        assert_int_equal(answer_text(&rig, body, &seen), INTAKE_ANSWERED);
        assert_int_equal(seen.samples, 1);
        assert_true(seen.last == 1);
    }
    assert_true(intake_stats(rig.intake)->duplicates >= 6);
    rig_close(&rig);
}

static void a_family_that_flips_its_type_is_refused_once(void **state)
{
    (void)state;
    struct rig rig;
    struct seen seen;
    rig_open(&rig, 1 << 20);
    const char *one = "# TYPE a counter\na 1\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\n";
    const char *two = "# TYPE a gauge\na 1\n# TYPE h summary\nh_bucket{le=\"1\"} 1\nh_sum 1\nb 1\n";
    assert_int_equal(answer_text(&rig, one, &seen), INTAKE_ANSWERED);
    assert_int_equal(seen.samples, 3);
    assert_int_equal(answer_text(&rig, two, &seen), INTAKE_ANSWERED);
    assert_int_equal(seen.samples, 1);
    assert_int_equal(intake_stats(rig.intake)->type_flips, 2);
    assert_int_equal(intake_stats(rig.intake)->refused, 3);
    assert_int_equal(intake_type(rig.intake, "a"), EXPOSITION_GAUGE);
    assert_int_equal(answer_text(&rig, two, &seen), INTAKE_ANSWERED);
    assert_int_equal(seen.samples, 4);
    const char *late = "# TYPE a gauge\na 1\n# TYPE a gauge\nb 1\n# TYPE a counter\n";
    assert_int_equal(answer_text(&rig, "a 1\n# TYPE a gauge\n# TYPE a gauge\n", &seen),
                     INTAKE_ANSWERED);
    assert_int_equal(seen.samples, 1);
    assert_int_equal(answer_text(&rig, late, &seen), INTAKE_ANSWERED);
    assert_int_equal(seen.samples, 1);
    assert_int_equal(intake_stats(rig.intake)->type_flips, 3);
    assert_int_equal(intake_stats(rig.intake)->refused, 4);
    rig_close(&rig);
}

static void series_that_left_are_forgotten_and_may_come_back(void **state)
{
    (void)state;
    struct rig rig;
    struct seen seen;
    rig_open(&rig, 1 << 20);
    assert_int_equal(answer_text(&rig, "a 1\nb 1\nc 1\n", &seen), INTAKE_ANSWERED);
    assert_int_equal(answer_text(&rig, "c 1\na 1\n", &seen), INTAKE_ANSWERED);
    assert_true(seen.forgotten == 1 && seen.samples == 2 && seen.series == 0);
    assert_int_equal(answer_text(&rig, "a 1\nb 2\nc 1\n", &seen), INTAKE_ANSWERED);
    assert_true(seen.forgotten == 0 && seen.samples == 3 && seen.series == 1);
    for (int i = 0; i < 2000; i++) { /* a new series every time: memory stays */
        char body[64];
        snprintf(body, sizeof body, "n{i=\"%d\"} 1\n", i);
        assert_int_equal(answer_text(&rig, body, &seen), INTAKE_ANSWERED);
        assert_in_range(intake_stats(rig.intake)->series, 4, 4);
    }
    rig_close(&rig);
}

static void a_new_reader_gets_every_definition_again(void **state)
{
    (void)state;
    struct rig rig;
    struct seen seen;
    struct error error = {""};
    rig_open(&rig, 1 << 20);
    assert_int_equal(answer_text(&rig, "a 1\nb 1\n", &seen), INTAKE_ANSWERED);
    assert_int_equal(seen.series, 2);
    feed_reader_free(rig.reader);
    assert_int_equal(feed_reader_new(rig.fd, &rig.reader, &error), STATUS_OK);
    assert_int_equal(answer_text(&rig, "a 1\nb 1\n", &seen), INTAKE_ANSWERED);
    assert_true(seen.series == 2 && seen.samples == 2);
    rig_close(&rig);
}

static void an_answer_larger_than_the_feed_is_a_failure_without_samples(void **state)
{
    (void)state;
    struct rig rig;
    struct seen seen;
    struct text body;
    rig_open(&rig, FEED_BYTES_MIN);
    text_init(&body, 8 << 20);
    for (int i = 0; i < 20000; i++) {
        text_print(&body, "big{i=\"%d\"} 1\n", i);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(answer(&rig, body.bytes, body.size, &seen), INTAKE_FEED_FULL);
    }
    assert_int_equal(answer_text(&rig, "a 1\n", &seen), INTAKE_ANSWERED);
    text_release(&body);
    rig_close(&rig);
}

/* ---- recorded bodies ---- */

static char *read_file(const char *folder, const char *name, size_t *ret_size)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/conformance/exposition/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file) {
        return NULL;
    }
    char *body = heap_alloc(4 << 20);
    *ret_size = fread(body, 1, 4 << 20, file);
    fclose(file);
    return body;
}

static const char *shared_folder(void)
{
    const char *folder = getenv("HEAL_SHARED");
    return folder ? folder : HEAL_ROOT "/../shared";
}

static void recorded_expositions_give_the_samples_an_independent_parser_finds(void **state)
{
    (void)state;
    size_t size, files = 0, samples = 0;
    char *table = read_file(shared_folder(), "files.tsv", &size);
    if (!table) {
        print_message("skipped: no recorded expositions in %s\n", shared_folder());
        skip();
    }
    char *line = strchr(table, '\n') + 1;
    for (char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        char name[200];
        unsigned long bytes, sample_lines;
        assert_int_equal(sscanf(line, "%199s %lu %lu", name, &bytes, &sample_lines), 3);
        char *body = read_file(shared_folder(), name, &size);
        assert_non_null(body);
        struct rig rig;
        struct seen seen;
        rig_open(&rig, 16 << 20);
        for (int round = 0; round < 3; round++) {
            if (answer(&rig, body, size, &seen) != INTAKE_ANSWERED ||
                seen.samples != sample_lines) {
                fail_msg("%s: %zu samples, not %lu", name, seen.samples, sample_lines);
            }
        }
        assert_int_equal(intake_stats(rig.intake)->predicted, 2 * sample_lines);
        files++;
        samples += seen.samples;
        rig_close(&rig);
        free(body);
    }
    assert_true(files == 25 && samples == 15246);
    free(table);
}

/* ---- properties ---- */

static void print_random_label(struct text *body, uint64_t n)
{
    static const char *const values[] = {"", "x", "a\\b", "q\"q", "l\nl", "\xe2\x82\xac", "{},= "};
    text_print(body, "l%llu=\"", (unsigned long long)n);
    const char *value = values[random_next() % ARRAY_LEN(values)];
    text_add_escaped(body, value, strlen(value));
    text_add(body, "\"", 1);
}

/* Families with distinct series; their values in values[]. */
static size_t print_random_body(struct text *body, double *values, size_t most)
{
    size_t count = 0, families = 1 + random_next() % 6;
    text_clear(body);
    for (size_t f = 0; f < families; f++) {
        if (random_next() % 2) {
            text_print(body, "# HELP f%zu text\n# TYPE f%zu %s\n", f, f,
                       exposition_type_name((enum exposition_type)(f % 5)));
        }
        size_t series = random_next() % 5;
        for (size_t s = 0; s < series && count < most; s++) {
            uint64_t bits = random_next();
            double value;
            memcpy(&value, &bits, sizeof value);
            text_print(body, "f%zu{s=\"%zu\",", f, s);
            for (uint64_t n = 0; n < random_next() % 4; n++) {
                print_random_label(body, n);
                text_add(body, ",", 1);
            }
            text_print(body, "} ");
            text_add_number(body, value);
            text_print(body, "\n");
            values[count++] = value;
        }
    }
    return count;
}

static void what_is_printed_is_what_is_read(void **state)
{
    (void)state;
    struct text body;
    text_init(&body, 1 << 20);
    for (int i = 0; i < 3000; i++) {
        double values[64];
        struct exposition e;
        static struct exposition_item item;
        struct error error = {""};
        size_t count = print_random_body(&body, values, 64), read = 0;
        exposition_init(&e, EXPOSITION_TEXT, body.bytes ? body.bytes : "", body.size, NULL);
        for (;;) {
            if (exposition_next(&e, &item, &error) != STATUS_OK) {
                fail_msg("%s in\n%.*s", error.message, (int)body.size, body.bytes);
            }
            if (item.kind == EXPOSITION_END) {
                break;
            }
            if (item.kind == EXPOSITION_SAMPLE) {
                assert_true(read < count);
                assert_true(item.value == values[read] ||
                            (isnan(item.value) && isnan(values[read])));
                read++;
            }
        }
        assert_int_equal(read, count);
    }
    text_release(&body);
}

static void a_cut_or_damaged_body_is_never_half_an_answer(void **state)
{
    (void)state;
    struct rig rig;
    struct seen seen;
    struct text body;
    rig_open(&rig, 1 << 22);
    text_init(&body, 1 << 20);
    for (int i = 0; i < 60; i++) {
        double values[64];
        (void)print_random_body(&body, values, 64);
        for (size_t cut = 1; cut <= body.size; cut++) {
            char *copy = heap_alloc(cut); /* its own allocation, so that a sanitizer sees the end */
            memcpy(copy, body.bytes, cut);
            enum intake_outcome outcome = answer(&rig, copy, cut, &seen);
            assert_int_equal(outcome == INTAKE_ANSWERED, copy[cut - 1] == '\n');
            if (outcome == INTAKE_ANSWERED) {
                size_t at = random_next() % cut;
                copy[at] = (char)random_next();
                (void)answer(&rig, copy, cut, &seen); /* checks that it is whole or nothing */
            }
            free(copy);
        }
    }
    text_release(&body);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_bodies_give_their_samples),
        cmocka_unit_test(invalid_bodies_are_refused_at_their_place),
        cmocka_unit_test(limits_have_names),
        cmocka_unit_test(numbers_are_those_of_strtod),
        cmocka_unit_test(numbers_behind_a_predicted_key_are_those_of_strtod),
        cmocka_unit_test(labels_of_the_target_win_and_clashes_are_set_aside),
        cmocka_unit_test(the_first_of_a_duplicate_wins_whatever_its_spelling),
        cmocka_unit_test(a_family_that_flips_its_type_is_refused_once),
        cmocka_unit_test(series_that_left_are_forgotten_and_may_come_back),
        cmocka_unit_test(a_new_reader_gets_every_definition_again),
        cmocka_unit_test(an_answer_larger_than_the_feed_is_a_failure_without_samples),
        cmocka_unit_test(recorded_expositions_give_the_samples_an_independent_parser_finds),
        cmocka_unit_test(what_is_printed_is_what_is_read),
        cmocka_unit_test(a_cut_or_damaged_body_is_never_half_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
