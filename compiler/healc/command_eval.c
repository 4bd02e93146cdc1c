/* healc eval: one expression over samples from files. */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lang/check.h"
#include "lang/parser.h"
#include "runtime/data/data.h"
#include "runtime/engine/eval.h"

int command_eval(int argc, char **argv);

enum { STEPS_MAX = 11000, FILES_MAX = 256, EXIT_FINDINGS = 1, EXIT_CANNOT = 2 };
enum format { FORMAT_TABLE, FORMAT_CSV, FORMAT_JSON };

static const char usage[] =
    "usage: healc eval EXPR --data FILE... [--name METRIC]\n"
    "           [--at TIME | --from TIME --to TIME --step DURATION] [--format table|csv|json]\n"
    "\n"
    "Evaluates EXPR over samples from OpenMetrics text (with timestamps) or CSV files.\n"
    "TIME is seconds since 1970 or RFC 3339; without one, the newest sample's time.\n"
    "DURATION is seconds or such as 30s, 5m, 1h.\n";

struct options {
    const char *expr, *name;
    const char *files[FILES_MAX];
    size_t file_count;
    bool has_at, range;
    struct instant from, to;
    struct duration step;
    enum format format;
};

struct row {
    struct instant time;
    const char *name;
    const struct label_set *labels;
    double value;
    bool unknown;
};
struct run {
    struct options options;
    struct arena arena;
    struct sources sources;
    struct diag_list diags;
    struct store *store;
    struct eval *eval;
    struct eval_node *node;
    struct data data;
    struct row *rows;
    size_t row_count, row_capacity;
    size_t unknown_count; /* slots without a value, because it is not known yet */
    bool scalar;
};

static int cannot(const char *message)
{
    fprintf(stderr, "healc eval: %s\n", message);
    return EXIT_CANNOT;
}

/* ---- options ---- */

static bool parse_step(const char *text, struct duration *ret)
{
    double total = 0;
    char *end;
    do {
        double n = strtod(text, &end);
        if (end == text || !(n >= 0)) {
            return false;
        }
        size_t unit = strspn(end, "msdh");
        double scale = unit == 0 || strncmp(end, "s", unit) == 0    ? 1
                       : strncmp(end, "ms", unit) == 0 && unit == 2 ? 0.001
                       : strncmp(end, "m", unit) == 0               ? 60
                       : strncmp(end, "h", unit) == 0               ? 3600
                       : strncmp(end, "d", unit) == 0               ? 86400
                                                                    : 0;
        total += n * scale;
        text = end + unit;
        if (scale == 0) {
            return false;
        }
    } while (*text);
    *ret = duration_seconds(total);
    return total > 0 && total < 1e9;
}

static bool parse_format(const char *text, enum format *ret)
{
    static const char *const names[] = {"table", "csv", "json"};
    for (int i = 0; i < (int)ARRAY_LEN(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret = (enum format)i;
            return true;
        }
    }
    return false;
}

static int take_option(struct options *o, int option, const char *value)
{
    bool ok = true;
    switch (option) {
    case 'd':
        ok = o->file_count < FILES_MAX;
        if (ok) {
            o->files[o->file_count++] = value;
        }
        break;
    case 'n': o->name = value; break;
    case 'a':
        ok = data_time(value, &o->from);
        o->to = o->from;
        o->has_at = true;
        break;
    case 'f': ok = data_time(value, &o->from); break;
    case 't': ok = data_time(value, &o->to); break;
    case 's':
        ok = parse_step(value, &o->step);
        o->range = true;
        break;
    case 'o': ok = parse_format(value, &o->format); break;
    default: ok = false;
    }
    if (!ok && value) {
        fprintf(stderr, "healc eval: '%s' is not understood\n", value);
    }
    return ok ? 0 : EXIT_CANNOT;
}

static int parse_options(struct options *o, int argc, char **argv)
{
    static const struct option longs[] = {
        {"data", required_argument, NULL, 'd'},   {"name", required_argument, NULL, 'n'},
        {"at", required_argument, NULL, 'a'},     {"from", required_argument, NULL, 'f'},
        {"to", required_argument, NULL, 't'},     {"step", required_argument, NULL, 's'},
        {"format", required_argument, NULL, 'o'}, {0}};
    int option, seen[128] = {0};
    optind = 1;
    while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (take_option(o, option, optarg) != 0) {
            fputs(usage, stderr);
            return EXIT_CANNOT;
        }
        seen[option & 127] = 1;
    }
    o->expr = optind < argc ? argv[optind++] : NULL;
    for (; optind < argc && o->file_count < FILES_MAX && o->file_count > 0; optind++) {
        o->files[o->file_count++] = argv[optind]; /* --data a b c */
    }
    if (!o->expr || o->file_count == 0 || optind < argc || seen['f'] != seen['t'] ||
        seen['f'] != seen['s'] || (seen['a'] && seen['f'])) {
        fputs(usage, stderr);
        return EXIT_CANNOT;
    }
    if (o->range && (o->to.ns < o->from.ns || (o->to.ns - o->from.ns) / o->step.ns >= STEPS_MAX)) {
        return cannot("--to is before --from, or there are more than 11000 steps");
    }
    return 0;
}

/* ---- running ---- */

static int compile(struct run *run)
{
    struct error error = {""};
    diag_list_init(&run->diags, &run->arena, &run->sources);
    const struct source *source = sources_add(&run->sources, "expression", run->options.expr,
                                              strlen(run->options.expr), &error);
    if (!source) {
        return cannot(error.message);
    }
    struct expr *expr = parse_expression(&run->arena, source, &run->diags);
    if (!expr || !check_expression(&run->arena, expr, &run->diags)) {
        diag_print(&run->diags, DIAG_FULL, isatty(STDERR_FILENO) == 1, stderr);
        return EXIT_FINDINGS;
    }
    struct duration every = run->options.range ? run->options.step : duration_seconds(60);
    run->node = eval_add(run->eval, expr, every, &error);
    if (!run->node) {
        fprintf(stderr, "healc eval: %s\n", error.message);
        return EXIT_FINDINGS;
    }
    return 0;
}

static int read_files(struct run *run)
{
    struct error error = {""};
    for (size_t i = 0; i < run->options.file_count; i++) {
        uint32_t source;
        /* A file stands for a source that always answers. */
        if (store_source(run->store, run->options.files[i], duration_seconds(1e9),
                         duration_seconds(0), &source, &error) != STATUS_OK ||
            data_read(&run->data, run->store, source, run->options.files[i], run->options.name,
                      &error) != STATUS_OK) {
            return cannot(error.message);
        }
    }
    data_sort(&run->data);
    return 0;
}

static void collect(struct run *run, struct instant now)
{
    struct eval_column c = eval_column(run->node);
    run->scalar = c.scalar;
    run->unknown_count = 0;
    for (size_t i = 0; i < c.count; i++) {
        bool present = c.present[i / 64] >> (i % 64) & 1;
        run->unknown_count += !present && (c.unknown[i / 64] >> (i % 64) & 1);
        if (present) {
            ARRAY_RESERVE(run->rows, run->row_count, run->row_capacity);
            run->rows[run->row_count++] =
                (struct row){.time = now,
                             .name = c.names ? c.names[i] : NULL,
                             .labels = c.labels[i],
                             .value = c.values[i],
                             .unknown = c.unknown[i / 64] >> (i % 64) & 1};
        }
    }
}

/* Ticks through the times; before each, the samples up to it are appended. */
static int evaluate(struct run *run)
{
    struct options *o = &run->options;
    size_t next = 0;
    if (run->data.count == 0) {
        return cannot("there are no samples");
    }
    if (!o->has_at && !o->range) {
        o->from = o->to = run->data.samples[run->data.count - 1].time;
    }
    o->step.ns = o->range ? o->step.ns : 1;
    for (uint32_t i = 0; i < store_stats(run->store).sources; i++) {
        store_answered(run->store, i, o->from); /* before any sample: nothing ends by it */
    }
    for (struct instant now = o->from; now.ns <= o->to.ns; now.ns += o->step.ns) {
        for (; next < run->data.count && run->data.samples[next].time.ns <= now.ns; next++) {
            const struct data_sample *s = &run->data.samples[next];
            store_append(run->store, s->series, now, s->time, s->value);
        }
        eval_tick(run->eval, now);
        if (eval_stats(run->eval).many_to_many > 0) {
            fprintf(stderr,
                    "healc eval: several series match the same labels at %.3f: write on(), "
                    "ignoring(), group_left or group_right\n",
                    instant_to_seconds(now));
            return EXIT_FINDINGS;
        }
        collect(run, now);
    }
    return 0;
}

/* ---- printing ---- */

static const char *value_text(double value, char *ret, size_t size)
{
    if (isnan(value) || isinf(value)) {
        snprintf(ret, size, "%s", isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
        return ret;
    }
    for (int digits = 15; digits <= 17; digits++) { /* the shortest that reads back the same */
        snprintf(ret, size, "%.*g", digits, value);
        if (strtod(ret, NULL) == value) {
            break;
        }
    }
    return ret;
}

static void print_table(const struct run *run)
{
    char labels[8192], value[40];
    for (size_t i = 0; i < run->row_count; i++) {
        const struct row *row = &run->rows[i];
        label_set_print(row->labels, labels, sizeof labels);
        bool bare = row->labels->count == 0 && (row->name || run->scalar);
        printf("%s%s", row->name ? row->name : "", bare ? "" : labels);
        printf("%s%s", row->name || !bare ? "  " : "", value_text(row->value, value, sizeof value));
        if (run->options.range) {
            printf("  @%.3f", instant_to_seconds(row->time));
        }
        puts(row->unknown ? "  unknown" : "");
    }
}

static void print_csv_field(const char *text)
{
    bool quote = strpbrk(text, ",\"\n") != NULL;
    fputs(quote ? "\"" : "", stdout);
    for (; *text; text++) {
        fputs(*text == '"' ? "\"" : "", stdout);
        putchar(*text);
    }
    fputs(quote ? "\"" : "", stdout);
}

static void print_csv(const struct run *run)
{
    char labels[8192], value[40];
    puts("timestamp,series,value");
    for (size_t i = 0; i < run->row_count; i++) {
        const struct row *row = &run->rows[i];
        char series[9300];
        snprintf(series, sizeof series, "%s%s", row->name ? row->name : "",
                 label_set_print(row->labels, labels, sizeof labels));
        printf("%.3f,", instant_to_seconds(row->time));
        print_csv_field(series);
        printf(",%s\n", value_text(row->value, value, sizeof value));
    }
}

static json_t *json_point(const struct row *row)
{
    char value[40];
    return json_pack("[f,s]", instant_to_seconds(row->time),
                     value_text(row->value, value, sizeof value));
}

static json_t *json_metric(const struct row *row)
{
    json_t *metric = json_object();
    if (row->name) {
        json_object_set_new(metric, "__name__", json_string(row->name));
    }
    for (size_t i = 0; i < row->labels->count; i++) {
        const struct label label = label_set_at(row->labels, i);
        json_object_set_new(metric, label.name, json_string(label.value));
    }
    return metric;
}

static int compare_rows(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    if (x->labels != y->labels) {
        return x->labels->hash != y->labels->hash ? (x->labels->hash < y->labels->hash ? -1 : 1)
                                                  : (x->labels < y->labels ? -1 : 1);
    }
    int names = strcmp(x->name ? x->name : "", y->name ? y->name : "");
    return names ? names : x->time.ns < y->time.ns ? -1 : x->time.ns > y->time.ns;
}

/* Rows of one series stand together after sorting: a matrix of them. */
static json_t *json_matrix(const struct run *run)
{
    json_t *result = json_array(), *values = NULL;
    qsort(run->rows, run->row_count, sizeof *run->rows, compare_rows);
    for (size_t i = 0; i < run->row_count; i++) {
        const struct row *row = &run->rows[i];
        if (i == 0 || row->labels != row[-1].labels || row->name != row[-1].name) {
            values = json_array();
            json_array_append_new(
                result, json_pack("{s:o,s:o}", "metric", json_metric(row), "values", values));
        }
        json_array_append_new(values, json_point(row));
    }
    return result;
}

static json_t *json_vector(const struct run *run)
{
    json_t *result = json_array();
    for (size_t i = 0; i < run->row_count; i++) {
        json_array_append_new(result, json_pack("{s:o,s:o}", "metric", json_metric(&run->rows[i]),
                                                "value", json_point(&run->rows[i])));
    }
    return result;
}

static void print_json(const struct run *run)
{
    const char *type = run->options.range ? "matrix" : run->scalar ? "scalar" : "vector";
    json_t *result = run->options.range ? (run->row_count ? json_matrix(run) : json_array())
                     : run->scalar && run->row_count ? json_point(&run->rows[0])
                                                     : json_vector(run);
    json_t *root = json_pack("{s:s,s:o}", "resultType", type, "result", result);
    json_dumpf(root, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(root);
}

static int run_all(struct run *run)
{
    int code = compile(run);
    code = code ? code : read_files(run);
    code = code ? code : evaluate(run);
    if (code == 0) {
        switch (run->options.format) {
        case FORMAT_TABLE: print_table(run); break;
        case FORMAT_CSV: print_csv(run); break;
        case FORMAT_JSON: print_json(run); break;
        }
        if (run->unknown_count > 0) {
            fprintf(stderr,
                    "healc eval: %zu series are unknown at the last time: too little history (a "
                    "detector learns over --from --to --step), or not a number\n",
                    run->unknown_count);
        }
        if (fflush(stdout) != 0) {
            code = cannot("cannot write the result");
        }
    }
    return code;
}

int command_eval(int argc, char **argv)
{
    struct run run = {0};
    int code = parse_options(&run.options, argc, argv);
    if (code != 0) {
        return code;
    }
    run.store = store_new(NULL);
    run.eval = eval_new(run.store);
    code = run_all(&run);
    free(run.rows);
    data_release(&run.data);
    eval_free(run.eval);
    store_free(run.store);
    sources_release(&run.sources);
    arena_release(&run.arena);
    return code;
}
