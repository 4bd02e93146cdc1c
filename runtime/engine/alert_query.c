/* Instant queries of templates. See alert_query.h. */
#include "runtime/engine/alert_query.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lang/check.h"
#include "lang/parser.h"
#include "runtime/engine/eval.h"
#include "runtime/engine/eval_record.h"
#include "runtime/engine/regex.h"

#define EVER_S 1e9

struct answering {
    struct alert_query *query;
    struct instant now;
    struct arena *arena;  /* of what is asked; not of the answer */
    struct store *copies; /* what is selected */
    uint32_t source;
    size_t operators;
    bool past;           /* older samples are asked for */
    const char *refused; /* what it may not ask for */
    struct error *error;
};

/* ---- what may be asked ---- */

static const char *refused_call(enum builtin builtin)
{
    switch ((int)builtin) {
    case BUILTIN_FORECAST:
    case BUILTIN_EWMA:
    case BUILTIN_ZSCORE: return builtin_infos[builtin].text;
    default: return NULL;
    }
}

static const char *past_of(const struct expr *expr)
{
    return expr->kind == EXPR_RANGE || expr->kind == EXPR_SUBQUERY ? "a range"
           : expr->has_offset                                      ? "an offset"
           : expr->at_kind != AT_NONE                              ? "the modifier @"
                                                                   : NULL;
}

/* What it asks for, and how many operators it has. */
static void look(struct expr *expr, void *context)
{
    struct answering *a = context;
    const char *state = expr->kind == EXPR_REACHES ? "reaches"
                        : expr->kind == EXPR_CALL  ? refused_call(expr->call.builtin)
                                                   : NULL;
    const char *past = past_of(expr);
    a->operators++;
    a->past |= past != NULL;
    a->refused = a->refused                                      ? a->refused
                 : state                                         ? state
                 : past && store_limits_of(a->query->store).live ? past
                                                                 : NULL;
    expr_children(expr, look, context);
}

static enum status may_ask(struct answering *a, struct expr *expr)
{
    look(expr, a);
    if (expr->type.kind != VALUE_VECTOR && expr->type.kind != VALUE_SCALAR) {
        return error_set(a->error, STATUS_PROTOCOL, "rule result is not a vector or scalar");
    }
    return a->refused
               ? error_set(a->error, STATUS_DENIED,
                           "a query reads the newest samples only: %s is not there", a->refused)
               : STATUS_OK;
}

/* ---- what it reads ---- */

struct matching_one {
    const struct matcher *matcher;
    struct regex *regex;
};
struct selecting {
    struct answering *a;
    struct matching_one *matchers;
    size_t count, work; /* of one sample that is looked at */
    enum status status;
};

static enum status spend(struct answering *a, size_t work)
{
    struct alert_query *query = a->query;
    if (query->now.ns != a->now.ns) {
        query->now = a->now;
        query->work = 0;
    }
    query->work += work;
    return query->work <= ALERT_QUERY_WORK_MAX
               ? STATUS_OK
               : error_set(a->error, STATUS_LIMIT,
                           "the queries of all alerts at this time read too many series");
}

static bool holds(const struct matching_one *one, const struct store_sample *sample)
{
    const struct matcher *matcher = one->matcher;
    const char *value = strcmp(matcher->label.text, "__name__") == 0
                            ? sample->name
                            : label_set_get(sample->labels, matcher->label.text);
    value = value ? value : "";
    switch (matcher->op) {
    case MATCH_EQ: return strcmp(value, matcher->value) == 0;
    case MATCH_NE: return strcmp(value, matcher->value) != 0;
    case MATCH_RE: return regex_match(one->regex, value);
    case MATCH_NRE: return !regex_match(one->regex, value);
    }
    return false;
}

static enum status copy_sample(struct answering *a, const struct store_sample *sample)
{
    uint32_t series;
    struct label labels[STORE_LABELS_MAX];
    const size_t count = label_set_copy(sample->labels, labels);
    TRY(spend(a, ALERT_QUERY_COPY_WORK));
    TRY(store_series(a->copies, a->source, sample->name, labels, count, &series, a->error));
    if (sample->stale) {
        store_stale(a->copies, series, sample->time);
    } else {
        (void)store_append(a->copies, series, a->now, sample->time, sample->value);
    }
    return STATUS_OK;
}

static bool take_sample(void *context, const struct store_sample *sample)
{
    struct selecting *selecting = context;
    selecting->status = spend(selecting->a, selecting->work);
    bool all = true;
    for (size_t i = 0; i < selecting->count && all; i++) {
        all = holds(&selecting->matchers[i], sample);
    }
    if (all && selecting->status == STATUS_OK) {
        selecting->status = copy_sample(selecting->a, sample);
    }
    return selecting->status == STATUS_OK;
}

static enum status make_matchers(struct answering *a, const struct expr *selector,
                                 struct selecting *ret)
{
    char reason[200];
    size_t count = 0;
    for (const struct matcher *m = selector->selector.matchers; m; m = m->next) {
        count++;
    }
    ret->matchers = arena_alloc(a->arena, count * sizeof *ret->matchers);
    for (const struct matcher *m = selector->selector.matchers; m; m = m->next) {
        struct matching_one *one = &ret->matchers[ret->count++];
        *one = (struct matching_one){.matcher = m};
        if (m->op == MATCH_RE || m->op == MATCH_NRE) {
            one->regex = regex_new(m->value, reason, sizeof reason);
            ret->work += ALERT_QUERY_REGEX_WORK;
            if (!one->regex) {
                return error_set(a->error, STATUS_PROTOCOL, "regular expression '%.100s': %s",
                                 m->value, reason);
            }
        }
    }
    return STATUS_OK;
}

static const char *metric_of(const struct expr *selector)
{
    const char *name = selector->selector.name.text;
    for (const struct matcher *m = selector->selector.matchers; m && !name; m = m->next) {
        name = m->op == MATCH_EQ && strcmp(m->label.text, "__name__") == 0 ? m->value : NULL;
    }
    return name;
}

/* Copies the newest samples of the series that the selector chooses. */
static enum status copy_selected(struct answering *a, const struct expr *selector)
{
    struct selecting selecting = {.a = a, .work = 1};
    enum status status = make_matchers(a, selector, &selecting);
    if (status == STATUS_OK) {
        store_visit(a->query->store, metric_of(selector), a->now, a->past, take_sample, &selecting);
        status = selecting.status;
    }
    for (size_t i = 0; i < selecting.count; i++) {
        regex_free(selecting.matchers[i].regex);
    }
    return status;
}

struct collecting {
    struct answering *a;
    enum status status;
};

static void collect(struct expr *expr, void *context)
{
    struct collecting *collecting = context;
    if (collecting->status == STATUS_OK && expr->kind == EXPR_SELECTOR) {
        collecting->status = copy_selected(collecting->a, expr);
    }
    expr_children(expr, collect, context);
}

/* ---- the answer ---- */

static int compare_texts(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "");
}

/* By name, then by labels: the same order whenever it is asked. */
static int compare_labels(const void *left, const void *right)
{
    const struct template_sample *a = left, *b = right;
    for (size_t i = 0; i < a->label_count && i < b->label_count; i++) {
        int order = compare_texts(a->labels[i].name, b->labels[i].name);
        order = order ? order : compare_texts(a->labels[i].value, b->labels[i].value);
        if (order) {
            return order;
        }
    }
    return (a->label_count > b->label_count) - (a->label_count < b->label_count);
}

/* NaN is last, as sort() has it. */
static int compare_upwards(const void *left, const void *right)
{
    const double a = ((const struct template_sample *)left)->value;
    const double b = ((const struct template_sample *)right)->value;
    return isnan(a) || isnan(b) ? isnan(a) - isnan(b) : (a > b) - (a < b);
}

static int compare_downwards(const void *left, const void *right)
{
    const double a = ((const struct template_sample *)left)->value;
    const double b = ((const struct template_sample *)right)->value;
    return isnan(a) || isnan(b) ? isnan(a) - isnan(b) : (a < b) - (a > b);
}

static struct template_sample sample_of(struct arena *arena, const struct eval_column *column,
                                        size_t slot)
{
    const struct label_set *set = column->labels[slot];
    const char *name = column->names ? column->names[slot] : NULL;
    struct label *labels = arena_alloc(arena, (set->count + 1) * sizeof *labels);
    size_t count = 0;
    if (name) {
        labels[count++] = (struct label){"__name__", arena_strdup(arena, name)};
    }
    for (uint32_t i = 0; i < set->count; i++) {
        const struct label label = label_set_at(set, i);
        labels[count++] =
            (struct label){arena_strdup(arena, label.name), arena_strdup(arena, label.value)};
    }
    return (struct template_sample){labels, count, column->values[slot]};
}

static void read_column(const struct eval_column *column, struct arena *arena,
                        struct template_vector *ret)
{
    ret->samples = arena_alloc(arena, (column->count + 1) * sizeof *ret->samples);
    ret->count = 0;
    for (size_t i = 0; i < column->count; i++) {
        if (column->present[i / 64] >> (i % 64) & 1) {
            ret->samples[ret->count++] = sample_of(arena, column, i);
        }
    }
    qsort(ret->samples, ret->count, sizeof *ret->samples, compare_labels);
    if (column->order != EVAL_UNORDERED) {
        qsort(ret->samples, ret->count, sizeof *ret->samples,
              column->order == EVAL_UPWARDS ? compare_upwards : compare_downwards);
    }
}

static enum status evaluate(struct answering *a, const struct expr *expr, struct arena *arena,
                            struct template_vector *ret)
{
    TRY(spend(a, a->operators * store_stats(a->copies).series));
    struct eval *eval = eval_new(a->copies);
    struct eval_node *node = eval_add(eval, expr, duration_seconds(1), a->error);
    enum status status = node ? STATUS_OK : STATUS_PROTOCOL;
    if (node) {
        store_answered(a->copies, a->source, a->now);
        eval_tick(eval, a->now);
        if (eval_faulted(node)) {
            status = error_set(a->error, STATUS_PROTOCOL,
                               "several series match the same labels: many-to-many");
        } else {
            const struct eval_column column = eval_column(node);
            read_column(&column, arena, ret);
        }
    }
    eval_free(eval);
    return status;
}

/* ---- the question ---- */

static enum status parse(struct answering *a, struct sources *sources, const char *text,
                         struct expr **ret)
{
    struct diag_list diags;
    if (strlen(text) > ALERT_QUERY_BYTES_MAX) {
        return error_set(a->error, STATUS_LIMIT, "a query is longer than %d bytes",
                         ALERT_QUERY_BYTES_MAX);
    }
    diag_list_init(&diags, a->arena, sources);
    const struct source *source = sources_add(sources, "query", text, strlen(text), a->error);
    if (!source) {
        return STATUS_LIMIT;
    }
    *ret = parse_expression(a->arena, source, &diags);
    if (*ret && check_foreign_expression(a->arena, *ret, &diags)) {
        return STATUS_OK;
    }
    const struct diag *diag = diags.first;
    while (diag && diag->severity != SEVERITY_ERROR) {
        diag = diag->next;
    }
    return error_set(a->error, STATUS_PROTOCOL, "%.200s",
                     diag ? diag->message : "it is no expression");
}

static enum status answer(struct answering *a, struct sources *sources, const char *text,
                          struct arena *arena, struct template_vector *ret)
{
    struct expr *expr = NULL;
    struct collecting collecting = {.a = a, .status = STATUS_OK};
    TRY(spend(a, ALERT_QUERY_WORK));
    TRY(parse(a, sources, text, &expr));
    TRY(may_ask(a, expr));
    const struct duration ever = duration_seconds(EVER_S);
    TRY(store_source(a->copies, "query", ever, ever, &a->source, a->error));
    collect(expr, &collecting);
    TRY(collecting.status);
    return evaluate(a, expr, arena, ret);
}

enum status alert_query_answer(void *context, const char *text, struct instant now,
                               struct arena *arena, struct template_vector *ret,
                               struct error *error)
{
    struct arena own = {0};
    struct sources sources = {0};
    const struct alert_query *query = context;
    struct store_limits limits = store_limits_of(query->store);
    limits.series_max = ALERT_QUERY_SERIES_MAX;
    limits.retention = duration_seconds(EVER_S);
    limits.live = false;
    struct answering a = {
        .query = context, .now = now, .arena = &own, .copies = store_new(&limits), .error = error};
    enum status status = answer(&a, &sources, text, arena, ret);
    store_free(a.copies);
    sources_release(&sources);
    arena_release(&own);
    return status;
}
