#include "tests/conformance/promql.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/conformance/machine.h"
#include "tests/conformance/script.h"

enum { PATH_BYTES = 1024, REASON_BYTES = 600, STEPS_MAX = 20000, MINUTE_MS = 60000 };
#define CLOSE_ENOUGH 1e-6 /* relative; Prometheus' own measure */

/* ---- data ---- */

struct data {
    struct store *store;
    uint32_t source;
};

static void data_clear(struct data *data)
{
    store_free(data->store);
    data->store = store_new(&(struct store_limits){.retention = duration_seconds(4e9)});
    CHECK(store_source(data->store, "load", duration_seconds(1e9), duration_seconds(1),
                       &data->source, NULL) == STATUS_OK);
    store_answered(data->store, data->source, (struct instant){0});
}

static void data_load(struct data *data, const struct script_item *item)
{
    for (size_t i = 0; i < item->series_count; i++) {
        script_series_load(data->store, data->source, &item->series[i], 0, item->step_ms);
    }
}

/* ---- comparison ---- */

static bool close_enough(double a, double b)
{
    if (isnan(a) || isnan(b)) {
        return isnan(a) && isnan(b);
    }
    return a == b || fabs(a - b) <= CLOSE_ENOUGH * fabs(b);
}

static bool bit(const uint64_t *words, size_t i)
{
    return words[i / 64] >> (i % 64) & 1;
}

static bool same_name(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

struct expected {
    const struct label_set **labels;
    const struct script_item *item;
};

static const struct script_series *expected_series(const struct expected *expected,
                                                   const struct eval_column *c, size_t slot)
{
    for (size_t i = 0; i < expected->item->series_count; i++) {
        if (expected->labels[i] == c->labels[slot] &&
            same_name(expected->item->series[i].name, c->names ? c->names[slot] : NULL)) {
            return &expected->item->series[i];
        }
    }
    return NULL;
}

static bool differs(char *reason, const struct eval_column *c, size_t slot, const char *what)
{
    char labels[300];
    snprintf(reason, REASON_BYTES, "%s%s is %.12g, %s",
             c->names && c->names[slot] ? c->names[slot] : "",
             label_set_print(c->labels[slot], labels, sizeof labels), c->values[slot], what);
    return false;
}

/* One step: every slot is expected, and as many as are expected. */
static bool compare_step(const struct expected *expected, const struct eval_node *node, size_t step,
                         char *reason)
{
    const struct script_item *item = expected->item;
    const struct eval_column c = eval_column(node);
    size_t present = 0, wanted = 0;
    if (item->is_scalar || c.scalar) {
        bool good = c.count == 1 && c.scalar && close_enough(c.values[0], item->scalar);
        return (item->is_scalar && good) ||
                       (!item->is_scalar && item->kind == SCRIPT_RANGE &&
                        step < item->series[0].count &&
                        close_enough(c.values[0], item->series[0].points[step].value))
                   ? true
                   : differs(reason, &c, 0, "not the scalar that is expected");
    }
    for (size_t i = 0; i < item->series_count; i++) {
        wanted += step < item->series[i].count && item->series[i].points[step].present;
    }
    for (size_t i = 0; i < c.count; i++) {
        if (!bit(c.present, i)) {
            continue;
        }
        present++;
        const struct script_series *series = expected_series(expected, &c, i);
        if (!series || step >= series->count || !series->points[step].present) {
            return differs(reason, &c, i, "not expected");
        }
        if (!close_enough(c.values[i], series->points[step].value)) {
            char text[80];
            snprintf(text, sizeof text, "not %.12g", series->points[step].value);
            return differs(reason, &c, i, text);
        }
    }
    if (present != wanted) {
        snprintf(reason, REASON_BYTES, "%zu series, not %zu", present, wanted);
    }
    return present == wanted;
}

struct ordered {
    size_t slot;
    double value;
    bool down;
};
static int compare_ordered(const void *a, const void *b)
{
    const struct ordered *x = a, *y = b;
    if (isnan(x->value) || isnan(y->value)) {
        return (isnan(x->value) != 0) - (isnan(y->value) != 0);
    }
    int sign = x->value < y->value ? -1 : x->value > y->value;
    return x->down ? -sign : sign;
}

/* The k-th in the order of the column has the value of the k-th that is expected. */
static bool compare_order(const struct script_item *item, const struct eval_node *node,
                          char *reason)
{
    const struct eval_column c = eval_column(node);
    struct ordered *all = heap_alloc((c.count + 1) * sizeof *all);
    size_t count = 0;
    bool good = c.order != EVAL_UNORDERED;
    for (size_t i = 0; i < c.count; i++) {
        if (bit(c.present, i)) {
            all[count++] = (struct ordered){i, c.values[i], c.order == EVAL_DOWNWARDS};
        }
    }
    qsort(all, count, sizeof *all, compare_ordered);
    for (size_t i = 0; i < count && good; i++) {
        good = i < item->series_count && item->series[i].count > 0 &&
               close_enough(all[i].value, item->series[i].points[0].value);
    }
    free(all);
    if (!good) {
        snprintf(reason, REASON_BYTES, "in another order");
    }
    return good;
}

/* A range alone: sample k stands at start + k step. */
static bool compare_range(const struct expected *expected, const struct eval_node *node,
                          char *reason)
{
    const struct script_item *item = expected->item;
    const struct eval_column c = eval_column(node);
    size_t found = 0;
    for (size_t i = 0; i < c.count; i++) {
        const int64_t *times;
        const double *values;
        if (!bit(c.present, i)) {
            continue;
        }
        const struct script_series *series = expected_series(expected, &c, i);
        size_t count = eval_range_read(node, i, &times, &values), wanted = 0, at = 0;
        found++;
        for (size_t k = 0; series && k < series->count; k++) {
            wanted += series->points[k].present;
            if (series->points[k].present && at < count) {
                at += times[at] == item->range_start_ms + (int64_t)k * item->range_step_ms &&
                      close_enough(values[at], series->points[k].value);
            }
        }
        if (!series || count != wanted || at != count) {
            return differs(reason, &c, i, "with other samples");
        }
    }
    return found == item->series_count;
}

/* ---- one case ---- */

struct attempt {
    const struct data *data;
    const struct script_item *item;
    struct expr *expr;
    bool machine; /* with machine code where there is some */
    bool middle;  /* of three steps, a minute apart */
};

static bool attempt_steps(const struct attempt *a, struct eval *eval, const struct eval_node *node,
                          const struct expected *expected, char *reason)
{
    const struct script_item *item = a->item;
    const int64_t before_ms = a->middle ? MINUTE_MS : 0;
    const int64_t step_ms = item->kind == SCRIPT_RANGE ? item->step_ms : MINUTE_MS;
    size_t step = 0;
    if (before_ms) {
        eval_tick(eval, (struct instant){(item->start_ms - before_ms) * NS_PER_MS});
    }
    for (int64_t t = item->start_ms; t <= item->end_ms && step < STEPS_MAX; t += step_ms, step++) {
        const uint64_t ambiguous = eval_stats(eval).many_to_many;
        eval_tick(eval, (struct instant){t * NS_PER_MS});
        const bool failed = eval_stats(eval).many_to_many > ambiguous;
        if (item->fails != failed) {
            snprintf(reason, REASON_BYTES, failed ? "ambiguous" : "no failure");
            return false;
        }
        if (item->fails) {
            return true;
        }
        if (item->is_range ? !compare_range(expected, node, reason)
                           : !compare_step(expected, node, step, reason)) {
            return false;
        }
        if (item->ordered && !compare_order(item, node, reason)) {
            return false;
        }
    }
    return true;
}

static bool attempt_run(const struct attempt *a, char *reason)
{
    const struct script_item *item = a->item;
    struct error error = {""};
    struct eval *eval = eval_new(a->data->store);
    struct machine machine = {0};
    struct expected expected = {.labels = heap_alloc((item->series_count + 1) * sizeof(void *)),
                                .item = item};
    for (size_t i = 0; i < item->series_count; i++) {
        expected.labels[i] =
            store_intern(a->data->store, item->series[i].labels, item->series[i].label_count);
    }
    const int64_t around_ms = a->middle ? MINUTE_MS : 0;
    eval_bounds(eval, (struct instant){(item->start_ms - around_ms) * NS_PER_MS},
                (struct instant){(item->end_ms + around_ms) * NS_PER_MS});
    const struct eval_node *node = eval_add(eval, a->expr, duration_seconds(60), &error);
    bool good = node && (!a->machine || machine_use(&machine, eval, &error));
    if (good) {
        good = attempt_steps(a, eval, node, &expected, reason);
    } else {
        snprintf(reason, REASON_BYTES, "%s", error.message);
        good = item->fails && !node;
    }
    free(expected.labels);
    eval_free(eval);
    machine_release(&machine);
    return good;
}

static bool run_case(const struct data *data, const struct script_item *item, char *reason)
{
    struct arena arena = {0};
    struct expr *expr = script_expr(&arena, item->expr, reason, REASON_BYTES);
    bool good;
    while (expr && expr->kind == EXPR_PAREN) {
        expr = expr->inner;
    }
    if (!expr) {
        good = item->fails;
    } else if (item->is_string || expr->kind == EXPR_STRING) {
        good = item->is_string && expr->kind == EXPR_STRING && item->string &&
               strcmp(item->string, expr->string.value) == 0;
    } else {
        const bool instant = item->kind == SCRIPT_INSTANT && !item->is_range;
        good = true;
        for (int i = 0; i < 4 && good; i++) {
            struct attempt a = {data, item, expr, i & 1, i & 2};
            good = (a.middle && !instant) || attempt_run(&a, reason);
            if (!good) {
                size_t used = strlen(reason);
                snprintf(reason + used, REASON_BYTES - used, "%s%s", a.machine ? ", on code" : "",
                         a.middle ? ", as a middle step" : "");
            }
        }
    }
    arena_release(&arena);
    return good;
}

/* ---- all of them ---- */

/* The cases of a script that are core, by line. */
struct index {
    char (*keys)[160]; /* file:line */
    size_t count, capacity;
};

static bool index_read(const char *dir, struct index *index)
{
    char path[PATH_BYTES], line[65536], file_name[120], mode[20], tier[40];
    snprintf(path, sizeof path, "%s/promql/index.tsv", dir);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file)) {
        int at;
        if (sscanf(line, "%119s %*d %d %*d %19s %39s", file_name, &at, mode, tier) == 4 &&
            strcmp(tier, "core") == 0) {
            ARRAY_RESERVE(index->keys, index->count, index->capacity);
            snprintf(index->keys[index->count++], sizeof *index->keys, "%s:%d", file_name, at);
        }
    }
    return file && fclose(file) == 0;
}

static bool index_has(const struct index *index, const char *file, size_t line)
{
    char key[160];
    snprintf(key, sizeof key, "%.120s:%zu", file, line);
    for (size_t i = 0; i < index->count; i++) {
        if (strcmp(index->keys[i], key) == 0) {
            return true;
        }
    }
    return false;
}

static void run_script(const char *dir, const char *name, const struct index *index,
                       struct tally *ret)
{
    char path[PATH_BYTES], reason[REASON_BYTES];
    struct script_item item;
    struct data data = {0};
    snprintf(path, sizeof path, "%s/promql/%s", dir, name);
    struct script *script = script_open(path);
    data_clear(&data);
    while (script && script_next(script, &item)) {
        if (item.kind == SCRIPT_CLEAR) {
            data_clear(&data);
        } else if (item.kind == SCRIPT_LOAD) {
            data_load(&data, &item);
        } else if (!index_has(index, name, item.line)) {
            ret->skipped++;
        } else if (run_case(&data, &item, (reason[0] = 0, reason))) {
            ret->passed++;
        } else {
            ret->failed++;
            printf("promql/%s:%zu: %s: %s\n", name, item.line, item.expr, reason);
        }
    }
    store_free(data.store);
    script_free(script);
}

static int is_script(const struct dirent *entry)
{
    const size_t length = strlen(entry->d_name);
    return length > 5 && strcmp(entry->d_name + length - 5, ".test") == 0;
}

bool conformance_promql(const char *dir, struct tally *ret)
{
    char path[PATH_BYTES];
    struct dirent **entries;
    struct index index = {0};
    snprintf(path, sizeof path, "%s/promql", dir);
    const int count = scandir(path, &entries, is_script, alphasort);
    if (count < 0 || !index_read(dir, &index)) {
        return false;
    }
    for (int i = 0; i < count; i++) {
        run_script(dir, entries[i]->d_name, &index, ret);
        free(entries[i]);
    }
    free(entries);
    free(index.keys);
    return true;
}
