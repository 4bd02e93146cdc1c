/* The core instant cases of Prometheus' own test scripts, as far as this version evaluates them.
 *
 * HEAL_SHARED names the folder that holds conformance/promql; without it the test skips. Cases that
 * use something that is not in this version are skipped by the evaluator's own refusal. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/parser.h"
#include "runtime/engine/eval.h"
#include "tests/unit.h"

enum { PASSED_MIN = 454, LINE_MAX_BYTES = 65536, SAMPLES_MAX = 20000, EXPECTED_MAX = 500 };

struct script {
    char **lines;
    size_t count, capacity;
};
struct tally {
    int passed, failed, skipped;
};
struct expected {
    const char *name;
    const struct label_set *labels;
    double value;
};

static struct arena A; /* of one case */

static const char *shared(void)
{
    const char *folder = getenv("HEAL_SHARED");
    return folder ? folder : "../shared";
}

static char *trim(char *line)
{
    while (isspace((unsigned char)*line)) {
        line++;
    }
    for (size_t n = strlen(line); n > 0 && isspace((unsigned char)line[n - 1]); n--) {
        line[n - 1] = '\0';
    }
    return *line == '#' ? line + strlen(line) : line;
}

static bool script_read(struct script *script, const char *name)
{
    char path[1000], *line = malloc(LINE_MAX_BYTES);
    snprintf(path, sizeof path, "%s/conformance/promql/%s", shared(), name);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, LINE_MAX_BYTES, file)) {
        ARRAY_RESERVE(script->lines, script->count, script->capacity);
        script->lines[script->count++] = heap_strdup(trim(line));
    }
    free(line);
    return file && fclose(file) == 0;
}

static struct expr *parse(const char *text)
{
    struct sources sources = {0};
    struct diag_list diags;
    struct error error;
    diag_list_init(&diags, &A, &sources);
    const struct source *source = sources_add(&sources, "case", text, strlen(text), &error);
    struct expr *expr = source ? parse_expression(&A, source, &diags) : NULL;
    expr = diags.errors ? NULL : expr;
    sources_release(&sources);
    return expr;
}

static double parse_duration(const char *text)
{
    double total = 0;
    char *end;
    for (; *text; text = end) {
        double n = strtod(text, &end);
        if (end == text) {
            return NAN;
        }
        if (strncmp(end, "ms", 2) == 0) {
            n /= 1000;
            end++;
        } else {
            n *= *end == 'm'   ? 60
                 : *end == 'h' ? 3600
                 : *end == 'd' ? 86400
                 : *end == 'w' ? 604800
                               : 1;
        }
        total += n;
        end += *end != '\0';
    }
    return total;
}

/* Cuts "name{labels} rest" in two; returns rest. */
static char *after_series(char *line)
{
    bool quoted = false, braces = false;
    char before = 0;
    for (; *line; line++) {
        quoted ^= *line == '"' && before != '\\';
        before = *line;
        braces = quoted ? braces : *line == '{' ? true : *line == '}' ? false : braces;
        if (!quoted && !braces && isspace((unsigned char)*line)) {
            *line = '\0';
            return line + 1;
        }
    }
    return line;
}

static bool read_series(struct store *store, const char *text, struct expected *ret)
{
    struct label labels[STORE_LABELS_MAX];
    size_t count = 0;
    *ret = (struct expected){0};
    if (strcmp(text, "{}") == 0) {
        ret->labels = store_intern(store, NULL, 0);
        return true;
    }
    struct expr *expr = parse(text);
    if (!expr || expr->kind != EXPR_SELECTOR) {
        return false;
    }
    ret->name = expr->selector.name.text;
    for (struct matcher *m = expr->selector.matchers; m; m = m->next) {
        if (strcmp(m->label.text, "__name__") == 0) {
            ret->name = m->value;
        } else {
            labels[count++] = (struct label){m->label.text, m->value};
        }
    }
    ret->labels = store_intern(store, labels, count);
    return true;
}

struct points {
    double values[SAMPLES_MAX];
    bool present[SAMPLES_MAX], stale[SAMPLES_MAX];
    size_t count;
};

static bool point(struct points *p, double value, bool present, bool stale)
{
    if (p->count == SAMPLES_MAX) {
        return false;
    }
    p->values[p->count] = value;
    p->present[p->count] = present;
    p->stale[p->count++] = stale;
    return true;
}

/* A number up to an x that repeats it: 0x10 is eleven zeroes, not sixteen. */
static double decimal(const char *text, char **end)
{
    char copy[64];
    size_t n = strcspn(text, "x");
    if (n >= sizeof copy) {
        return strtod(text, end);
    }
    memcpy(copy, text, n);
    copy[n] = '\0';
    double value = strtod(copy, end);
    *end = (char *)(uintptr_t)text + (*end - copy);
    return value;
}

/* One item: a, a+bxn, a-bxn, axn, _, _xn, stale, stalexn. */
static bool read_item(const char *item, struct points *p)
{
    char *end = (char *)(uintptr_t)item;
    bool gap = *item == '_', stale = strncmp(item, "stale", 5) == 0;
    double value = 0, by = 0;
    long n = 0;
    if (gap || stale) {
        end += gap ? 1 : 5;
    } else {
        value = decimal(item, &end);
        if (end == item) {
            return false;
        }
        if (*end == '+' || *end == '-') {
            by = decimal(end, &end);
        }
    }
    if (*end == 'x') {
        n = strtol(end + 1, &end, 10) - gap;
    }
    for (long i = 0; i <= n; i++) {
        if (!point(p, value, !gap && !stale, stale)) {
            return false;
        }
        value += by;
    }
    return *end == '\0';
}

static bool read_sequence(char *text, struct points *p)
{
    char *save = NULL;
    p->count = 0;
    for (char *item = strtok_r(text, " \t", &save); item; item = strtok_r(NULL, " \t", &save)) {
        if (!read_item(item, p)) {
            return false;
        }
    }
    return true;
}

static void load_line(struct store *store, uint32_t source, double step, const char *line)
{
    static struct points points;
    struct expected series;
    uint32_t id;
    char *copy = arena_strdup(&A, line), *rest = after_series(copy);
    if (!read_series(store, copy, &series) || !series.name || !read_sequence(rest, &points) ||
        store_series(store, source, series.name, series.labels->labels, series.labels->count, &id,
                     NULL) != STATUS_OK) {
        return; /* histograms and what the language here does not have */
    }
    for (size_t i = 0; i < points.count; i++) {
        struct instant t = {(int64_t)llround((double)i * step * 1e9)};
        if (points.stale[i]) {
            store_stale(store, id, t);
        } else if (points.present[i]) {
            store_append(store, id, t, t, points.values[i]);
        }
    }
}

/* All loads between the last clear and line `end`. */
static struct store *load(const struct script *script, size_t end)
{
    struct store *store = store_new(&(struct store_limits){.retention = duration_seconds(1e9)});
    uint32_t source = 0;
    size_t from = 0;
    for (size_t i = 0; i < end; i++) {
        from = strcmp(script->lines[i], "clear") == 0 ? i : from;
    }
    assert_int_equal(
        store_source(store, "load", duration_seconds(1e9), duration_seconds(1), &source, NULL),
        STATUS_OK);
    for (size_t i = from; i < end; i++) {
        if (strncmp(script->lines[i], "load", 4) != 0) {
            continue;
        }
        double step = parse_duration(strchr(script->lines[i], ' ') + 1);
        for (i++; i < end && script->lines[i][0]; i++) {
            load_line(store, source, step, script->lines[i]);
        }
    }
    store_answered(store, source, (struct instant){0});
    return store;
}

static bool close_enough(double a, double b)
{
    if (isnan(a) || isnan(b)) {
        return isnan(a) && isnan(b);
    }
    return a == b || fabs(a - b) <= 1e-6 * fabs(b);
}

struct wanted {
    struct expected items[EXPECTED_MAX];
    size_t count;
    bool scalar, fails, strange;
};

static void read_wanted(struct store *store, const struct script *script, size_t line,
                        struct wanted *ret)
{
    ret->fails = strncmp(script->lines[line], "eval_fail", 9) == 0;
    for (size_t i = line + 1; i < script->count && script->lines[i][0]; i++) {
        char *text = arena_strdup(&A, script->lines[i]), *end;
        if (strncmp(text, "expect", 6) == 0) {
            ret->fails |= strncmp(text, "expect fail", 11) == 0;
            ret->strange |=
                strncmp(text, "expect string", 13) == 0 || strncmp(text, "expect range", 12) == 0;
            continue;
        }
        double number = strtod(text, &end);
        struct expected *item = &ret->items[ret->count];
        if (*end == '\0') {
            ret->scalar = true;
            item->value = number;
        } else {
            char *rest = trim(after_series(text));
            ret->strange |= !read_series(store, text, item);
            item->value = strtod(rest, &end);
            ret->strange |= *end != '\0';
        }
        if (++ret->count == EXPECTED_MAX) {
            ret->strange = true;
            return;
        }
    }
}

static bool same_name(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool compare(const struct eval_node *node, const struct wanted *want)
{
    struct eval_column c = eval_column(node);
    size_t present = 0, found = 0;
    if (c.scalar != want->scalar) {
        return false;
    }
    for (size_t i = 0; i < c.count; i++) {
        if (!(c.present[i / 64] >> (i % 64) & 1)) {
            continue;
        }
        present++;
        for (size_t j = 0; j < want->count; j++) {
            found += (c.scalar || (c.labels[i] == want->items[j].labels &&
                                   same_name(c.names ? c.names[i] : NULL, want->items[j].name))) &&
                     close_enough(c.values[i], want->items[j].value);
        }
    }
    return present == want->count && found == want->count;
}

static void run_case(const struct script *script, size_t line, const char *file,
                     struct tally *tally)
{
    char when[64];
    int offset = 0;
    static struct wanted want;
    memset(&want, 0, sizeof want);
    if (sscanf(script->lines[line], "%*s instant at %63s %n", when, &offset) != 1) {
        tally->skipped++;
        return;
    }
    struct store *store = load(script, line);
    struct eval *eval = eval_new(store);
    struct error error = {""};
    struct expr *expr = parse(script->lines[line] + offset);
    struct eval_node *node = expr ? eval_add(eval, expr, duration_seconds(60), &error) : NULL;
    read_wanted(store, script, line, &want);
    bool refused = strstr(error.message, "not in this version") != NULL;
    bool ok = !node;
    if (node) {
        eval_tick(eval, (struct instant){(int64_t)llround(parse_duration(when) * 1e9)});
        ok = eval_stats(eval).many_to_many > 0;
    }
    ok = want.fails ? ok : !ok && compare(node, &want);
    if (refused || want.strange) {
        tally->skipped++;
    } else if (ok) {
        tally->passed++;
    } else {
        tally->failed++;
        print_message("%s:%zu: %s%s%s\n", file, line + 1, script->lines[line],
                      error.message[0] ? " -- "
                      : expr           ? ""
                                       : " -- does not parse",
                      error.message);
    }
    eval_free(eval);
    store_free(store);
    arena_release(&A);
}

static void core_instant_cases_give_what_prometheus_gives(void **state)
{
    (void)state;
    struct script index = {0}, script = {0};
    struct tally tally = {0};
    char open[200] = "";
    if (!script_read(&index, "index.tsv")) {
        print_message("no conformance scripts under %s\n", shared());
        skip();
    }
    for (size_t i = 1; i < index.count; i++) {
        char file[200], mode[50], tier[50];
        int line;
        if (sscanf(index.lines[i], "%199s %*d %d %*d %49s %49s", file, &line, mode, tier) != 4 ||
            strcmp(mode, "instant") != 0 || strcmp(tier, "core") != 0) {
            continue;
        }
        if (strcmp(open, file) != 0) {
            for (size_t j = 0; j < script.count; j++) {
                free(script.lines[j]);
            }
            script.count = 0;
            snprintf(open, sizeof open, "%s", file);
            assert_true(script_read(&script, file));
        }
        run_case(&script, (size_t)line - 1, file, &tally);
    }
    for (size_t j = 0; j < script.count; j++) {
        free(script.lines[j]);
    }
    for (size_t j = 0; j < index.count; j++) {
        free(index.lines[j]);
    }
    free(script.lines);
    free(index.lines);
    print_message("%d passed, %d failed, %d skipped\n", tally.passed, tally.failed, tally.skipped);
    assert_true(tally.passed >= PASSED_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(core_instant_cases_give_what_prometheus_gives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
