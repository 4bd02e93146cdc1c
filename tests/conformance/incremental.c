#include "tests/conformance/incremental.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/healc/rules_check.h"
#include "compiler/rules/promql.h"
#include "compiler/rules/rule_file.h"
#include "runtime/engine/eval.h"
#include "runtime/engine/regex.h"
#include "tests/conformance/rules.h"
#include "tests/conformance/script.h"

enum {
    SELECTORS_MAX = 64,
    NAMES_MAX = 24,
    PER_SELECTOR = 5,
    SERIES_MAX = SELECTORS_MAX * PER_SELECTOR,
    TICKS = 36,
    FRESH_EVERY = 9,
    STEP_S = 60,
    REASON_BYTES = 600,
    BEGIN_S = 1700000000
};
#define SAME 1e-12 /* relative, of the largest value at hand */

/* ---- chance ---- */

static unsigned roll(uint64_t *state, unsigned below)
{
    *state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(*state >> 33) % below;
}

/* ---- what an expression asks for ---- */

struct asked {
    const struct expr *selectors[SELECTORS_MAX];
    size_t selector_count;
    const char *names[NAMES_MAX]; /* labels */
    size_t name_count;
};

static void ask_name(struct asked *asked, const char *name)
{
    for (size_t i = 0; i < asked->name_count; i++) {
        if (strcmp(asked->names[i], name) == 0) {
            return;
        }
    }
    if (asked->name_count < NAMES_MAX && strcmp(name, "__name__") != 0) {
        asked->names[asked->name_count++] = name;
    }
}

static void ask_names(struct asked *asked, const struct name_list *list)
{
    for (; list; list = list->next) {
        ask_name(asked, list->name.text);
    }
}

static void ask(struct asked *asked, const struct expr *expr)
{
    if (!expr) {
        return;
    }
    switch (expr->kind) {
    case EXPR_SELECTOR:
        if (asked->selector_count < SELECTORS_MAX) {
            asked->selectors[asked->selector_count++] = expr;
        }
        for (const struct matcher *m = expr->selector.matchers; m; m = m->next) {
            ask_name(asked, m->label.text);
        }
        break;
    case EXPR_RANGE:
    case EXPR_SUBQUERY: ask(asked, expr->range.inner); break;
    case EXPR_CALL:
        for (const struct argument *a = expr->call.arguments; a; a = a->next) {
            ask(asked, a->value);
        }
        break;
    case EXPR_AGGREGATE:
        ask_names(asked, expr->aggregate.labels);
        ask(asked, expr->aggregate.parameter);
        ask(asked, expr->aggregate.inner);
        break;
    case EXPR_BINARY:
        ask_names(asked, expr->binary.matching.labels);
        ask_names(asked, expr->binary.matching.include);
        ask(asked, expr->binary.left);
        ask(asked, expr->binary.right);
        break;
    case EXPR_UNARY: ask(asked, expr->unary.inner); break;
    case EXPR_PAREN: ask(asked, expr->inner); break;
    case EXPR_PERCENT_OF: ask(asked, expr->percent_of.inner); break;
    case EXPR_NUMBER:
    case EXPR_STRING:
    case EXPR_REACHES:
    case EXPR_LIST: break;
    }
}

/* ---- series that a selector matches ---- */

static bool holds(const struct matcher *m, const char *value)
{
    char reason[200];
    if (m->op == MATCH_EQ || m->op == MATCH_NE) {
        return (strcmp(value, m->value) == 0) == (m->op == MATCH_EQ);
    }
    struct regex *regex = regex_new(m->value, reason, sizeof reason);
    const bool matches = regex && regex_match(regex, value);
    regex_free(regex);
    return matches == (m->op == MATCH_RE);
}

static bool all_hold(const struct expr *selector, const char *label, const char *value)
{
    for (const struct matcher *m = selector->selector.matchers; m; m = m->next) {
        if (strcmp(m->label.text, label) == 0 && !holds(m, value)) {
            return false;
        }
    }
    return true;
}

/* A value of the label that all matchers take, one of the pattern's own where there is one; NULL
 * when none was found. */
static const char *value_for(struct arena *arena, const struct expr *selector, const char *label,
                             uint64_t *dice)
{
    static const char *const usual[] = {"a", "b", "c", "1", "0.5", "10", "+Inf", "", "true"};
    static const char *const bounds[] = {"0.1", "0.5", "1", "5", "+Inf"};
    if (strcmp(label, "le") == 0) {
        return bounds[roll(dice, ARRAY_LEN(bounds))];
    }
    for (const struct matcher *m = selector->selector.matchers; m; m = m->next) {
        if (strcmp(m->label.text, label) != 0 || m->op == MATCH_NE || m->op == MATCH_NRE) {
            continue;
        }
        char *copy = arena_strdup(arena, m->value), *save = NULL;
        for (char *part = strtok_r(copy, "|()^$", &save); part && m->op == MATCH_RE;
             part = strtok_r(NULL, "|()^$", &save)) {
            char *plain = part;
            for (char *from = part; *from; from++) { /* ".+" is nothing, "\\." a dot */
                if (*from == '\\') {
                    continue;
                }
                *plain = *from;
                plain += strchr(".+*?[]", *from) == NULL || (from > part && from[-1] == '\\');
            }
            *plain = '\0';
            if (all_hold(selector, label, part) && roll(dice, 3) > 0) {
                return part;
            }
        }
        if (m->op == MATCH_EQ) {
            return m->value;
        }
    }
    const size_t first = roll(dice, 3);
    for (size_t i = 0; i < ARRAY_LEN(usual); i++) {
        const char *value = usual[(first + i) % ARRAY_LEN(usual)];
        if (all_hold(selector, label, value)) {
            return value;
        }
    }
    return NULL;
}

struct fed {
    uint32_t id;
    bool counter, exists;
    double value;
    const char *name;
    struct label labels[NAMES_MAX + 1];
    size_t label_count;
};

/* False when its matchers contradict each other, or want what was not found. */
static bool make_series(struct arena *arena, const struct asked *asked, const struct expr *selector,
                        uint64_t *dice, struct fed *ret)
{
    *ret = (struct fed){.name = selector->selector.name.text};
    ret->name = ret->name ? ret->name : value_for(arena, selector, "__name__", dice);
    for (size_t i = 0; i < asked->name_count; i++) {
        const char *value = value_for(arena, selector, asked->names[i], dice);
        if (!value) {
            return false;
        }
        ret->labels[ret->label_count++] = (struct label){asked->names[i], value};
    }
    const size_t length = ret->name ? strlen(ret->name) : 0;
    ret->counter = length > 6 && (strcmp(ret->name + length - 6, "_total") == 0 ||
                                  strcmp(ret->name + length - 6, "bucket") == 0);
    return length > 0;
}

/* ---- a world ---- */

struct world {
    struct arena *arena;
    struct store *store;
    uint32_t source;
    struct fed series[SERIES_MAX];
    size_t count;
    uint64_t dice;
};

static void world_feed(struct world *w, double now_s)
{
    const struct instant now = {(int64_t)(now_s * 1e9)};
    for (size_t i = 0; i < w->count; i++) {
        struct fed *s = &w->series[i];
        if (roll(&w->dice, 12) == 0) { /* born, or silent for this time */
            s->exists = !s->exists;
        }
        if (!s->exists || store_series(w->store, w->source, s->name, s->labels, s->label_count,
                                       &s->id, NULL) != STATUS_OK) {
            continue;
        }
        const double step = (double)roll(&w->dice, 1000) / 10;
        s->value = s->counter ? (roll(&w->dice, 20) == 0 ? 0 : s->value + step)
                              : (roll(&w->dice, 4) == 0 ? 0 : step - 20);
        (void)store_append(w->store, s->id, now, now, s->value);
    }
    store_answered(w->store, w->source, now);
    store_expire(w->store, now);
}

static bool bit(const uint64_t *words, size_t i)
{
    return words[i / 64] >> (i % 64) & 1;
}

static bool same_name(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool same_value(double a, double b, double scale)
{
    return a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= SAME * scale;
}

/* What is there of one is there of the other, with the same value. */
static bool same_columns(const struct eval_node *kept, const struct eval_node *fresh, size_t *seen,
                         char *reason)
{
    const struct eval_column a = eval_column(kept), b = eval_column(fresh);
    double scale = 1;
    size_t present[2] = {0, 0}, found = 0;
    for (size_t j = 0; j < b.count; j++) {
        present[1] += bit(b.present, j);
        scale = bit(b.present, j) && isfinite(b.values[j]) && fabs(b.values[j]) > scale
                    ? fabs(b.values[j])
                    : scale;
    }
    for (size_t i = 0; i < a.count; i++) {
        present[0] += bit(a.present, i);
        for (size_t j = 0; j < b.count && bit(a.present, i); j++) {
            found += bit(b.present, j) && a.labels[i] == b.labels[j] &&
                     same_name(a.names ? a.names[i] : NULL, b.names ? b.names[j] : NULL) &&
                     same_value(a.values[i], b.values[j], scale);
        }
    }
    *seen += present[1];
    snprintf(reason, REASON_BYTES, "%zu series incrementally, %zu anew, %zu the same", present[0],
             present[1], found);
    return present[0] == present[1] && found == present[0];
}

/* Ambiguous in the data: of several candidates none is there, whoever looks. */
static bool run_world(struct world *w, struct expr *expr, size_t *seen, char *reason)
{
    struct error error = {""};
    struct eval *eval = eval_new(w->store);
    const struct eval_node *kept = eval_add(eval, expr, duration_seconds(STEP_S), &error);
    bool good = kept != NULL;
    snprintf(reason, REASON_BYTES, "%s", error.message);
    for (int t = 0; t < TICKS && good; t++) {
        const double now_s = (double)BEGIN_S + (double)t * (double)STEP_S;
        world_feed(w, now_s);
        eval_tick(eval, (struct instant){(int64_t)(now_s * 1e9)});
        if (t % FRESH_EVERY == FRESH_EVERY - 1) {
            struct eval *anew = eval_new(w->store);
            const struct eval_node *fresh = eval_add(anew, expr, duration_seconds(STEP_S), &error);
            eval_tick(anew, (struct instant){(int64_t)(now_s * 1e9)});
            good = same_columns(kept, fresh, seen, reason);
            eval_free(anew);
        }
    }
    eval_free(eval);
    return good;
}

static bool run_expr(const char *text, size_t number, size_t *seen, char *reason)
{
    static struct world world;
    struct arena arena = {0};
    struct asked asked = {0};
    struct promql promql = {0};
    world = (struct world){.arena = &arena, .dice = number * 0x9e3779b97f4a7c15ULL + 1};
    struct expr *expr = promql_read(&arena, text, &promql)
                            ? script_expr(&arena, promql.text, reason, REASON_BYTES)
                            : NULL;
    bool good = expr != NULL;
    if (expr) {
        ask(&asked, expr);
        world.store = store_new(&(struct store_limits){.retention = duration_seconds(4e9)});
        good = store_source(world.store, "all", duration_seconds(STEP_S), duration_seconds(STEP_S),
                            &world.source, NULL) == STATUS_OK;
        for (size_t i = 0; i < asked.selector_count * PER_SELECTOR; i++) {
            world.count += make_series(&arena, &asked, asked.selectors[i / PER_SELECTOR],
                                       &world.dice, &world.series[world.count]);
        }
        good = good && run_world(&world, expr, seen, reason);
        store_free(world.store);
    }
    arena_release(&arena);
    return good;
}

/* ---- all rules ---- */

static void run_file(const char *path, struct tally *ret)
{
    struct arena arena = {0};
    struct rules_report report = {0};
    size_t length;
    char *text = document_load(path, &length, &report);
    const struct rule_file *file =
        text ? rule_file_read(&arena, path, text, length, rules_check_template, &report) : NULL;
    for (const struct rule_group *group = file ? file->groups : NULL; group; group = group->next) {
        for (const struct rule *rule = group->rules; rule; rule = rule->next) {
            char reason[REASON_BYTES] = "";
            size_t seen = 0;
            const size_t number = (size_t)(ret->passed + ret->failed + ret->skipped);
            if (!run_expr(rule->expr, number, &seen, reason)) {
                ret->failed++;
                printf("%s:%zu: %s: %s\n", path, rule->place.line, rule->name, reason);
            } else {
                ret->passed += seen > 0;
                ret->skipped += seen == 0;
            }
        }
    }
    free(text);
    rules_report_release(&report);
    arena_release(&arena);
}

bool conformance_incremental(const char *dir, struct tally *ret)
{
    struct rule_paths paths = {0};
    const bool found = rule_paths_find(dir, "groups", &paths);
    for (size_t i = 0; i < paths.count; i++) {
        run_file(paths.items[i], ret);
    }
    rule_paths_release(&paths);
    return found;
}
