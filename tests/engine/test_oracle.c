/* The evaluator, tick by tick, against the definitional oracle, which walks the whole history at
 * each: random expressions with all of their parts over random worlds, where series are born, end
 * and come again, sources fall silent and break off, samples are late, early and twice.
 *
 *     test_engine_oracle [long] [SEED [WORLD]]      one world, to look at a difference again
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/print.h"
#include "runtime/engine/eval.h"
#include "tests/oracle/evaluate.h"
#include "tests/oracle/generate.h"
#include "tests/unit.h"

enum {
    WORLDS_QUICK = 60,
    WORLDS_LONG = 2000,
    TICKS = 36,
    EXPRESSIONS = 12,
    DEPTH = 4,
    PARTS_MAX = 1000,
    PODS = 9,
    VERSIONS = 3,
    BUCKET_PODS = 3,
    BOUNDS = 5,
    SOURCES = 3,
    STEP_S = 10,
    GRACE_S = 5,
    LOOKBACK_S = 60
};

static uint64_t seed = 1;
static size_t world_count = WORLDS_QUICK, only_world = SIZE_MAX;

/* ---- a world ---- */

struct series {
    uint32_t id;
    size_t at; /* in the history */
    const char *name;
    struct label labels[2];
    size_t label_count, source, pod;
    bool born;
    double level;
};

enum { SERIES = GENERATE_METRICS * PODS + PODS * VERSIONS + 3 + 1 + BUCKET_PODS * BOUNDS };
struct world {
    struct dice dice;
    struct arena arena;
    struct store *store;
    struct eval *eval;
    struct history history;
    struct oracle *oracle;
    struct duration every;
    uint32_t sources[SOURCES];
    bool silent[SOURCES], alive[PODS];
    unsigned version[PODS];
    struct series series[SERIES];
    size_t series_count;
    unsigned kind; /* of values */
    bool live;
    bool forgets;  /* series that are long gone */
    bool reloaded; /* before this tick */
    struct instant now;
    const struct expr *exprs[PARTS_MAX]; /* parts before what they are part of */
    struct eval_node *nodes[PARTS_MAX];
    size_t expr_count;
};

struct tally {
    size_t compared, doubtful, near, present, unknown, blind;
};

static const char *const pods[PODS] = {"pod-0", "pod-1", "pod-2", "pod-3", "pod-4",
                                       "pod-5", "pod-6", "pod-7", "pod-8"};
static const char *const zones[3] = {"a", "b", "c"};
static const char *const bounds[BOUNDS] = {"0.5", "1", "5.0", "+Inf", "none"};
static const char *const versions[VERSIONS] = {"v1", "v2", "v3"};

static void series_add(struct world *w, const char *name, size_t source, size_t pod,
                       const struct label *labels, size_t count)
{
    CHECK(w->series_count < SERIES);
    struct series *s = &w->series[w->series_count++];
    *s = (struct series){
        .name = name, .label_count = count, .source = source, .pod = pod, .level = (double)pod};
    if (count > 0) {
        memcpy(s->labels, labels, count * sizeof *labels);
    }
}

static void world_series(struct world *w)
{
    for (size_t pod = 0; pod < PODS; pod++) {
        for (size_t m = 0; m < GENERATE_METRICS; m++) {
            const struct label labels[] = {{"pod", pods[pod]}, {"zone", zones[pod % 3]}};
            if (m < 3 || pod % 4 == 1) {
                series_add(w, generate_metrics[m], m / 2, pod, labels, 2);
            }
        }
        for (size_t v = 0; v < VERSIONS; v++) {
            const struct label labels[] = {{"pod", pods[pod]}, {"v", versions[v]}};
            series_add(w, "info", 2, pod, labels, 2);
        }
    }
    for (size_t z = 0; z < 3; z++) {
        const struct label label = {"zone", zones[z]};
        series_add(w, "limit", 2, PODS, &label, 1);
    }
    for (size_t pod = 0; pod < BUCKET_PODS; pod++) {
        for (size_t b = 0; b < BOUNDS; b++) {
            const struct label labels[] = {{"pod", pods[pod]}, {"le", bounds[b]}};
            series_add(w, "bucket", 1, pod, labels, 2);
        }
    }
    series_add(w, "quota", 0, PODS, NULL, 0);
}

/* Every part of an expression that is a value of its own. */
static void world_add(struct world *w, const struct expr *expr)
{
    struct error error = {""};
    if (!expr) {
        return;
    }
    switch (expr->kind) {
    case EXPR_BINARY:
        world_add(w, expr->binary.left);
        world_add(w, expr->binary.right);
        break;
    case EXPR_AGGREGATE:
        world_add(w, expr->aggregate.parameter);
        world_add(w, expr->aggregate.inner);
        break;
    case EXPR_UNARY: world_add(w, expr->unary.inner); break;
    case EXPR_PAREN: world_add(w, expr->inner); break;
    case EXPR_PERCENT_OF: world_add(w, expr->percent_of.inner); break;
    case EXPR_RANGE:
    case EXPR_SUBQUERY: world_add(w, expr->range.inner); return;
    case EXPR_SELECTOR:
        world_add(w, expr->selector.signal ? expr->selector.signal->expr : NULL);
        break;
    case EXPR_CALL:
        for (const struct argument *a = expr->call.arguments; a; a = a->next) {
            world_add(w, a->value);
        }
        break;
    case EXPR_REACHES:
        world_add(w, expr->reaches.forecast);
        world_add(w, expr->reaches.threshold);
        break;
    case EXPR_NUMBER:
    case EXPR_STRING: return;
    case EXPR_LIST: CHECK(false);
    }
    CHECK(w->expr_count < PARTS_MAX);
    w->exprs[w->expr_count] = expr;
    w->nodes[w->expr_count] = eval_add(w->eval, expr, w->every, &error);
    if (!w->nodes[w->expr_count++]) {
        fail_msg("refused: %s", error.message);
    }
}

typedef bool is_f(const struct expr *expr);

/* Whether some part of the expression is so. */
static bool some_part(const struct expr *expr, is_f *is)
{
    bool any = false;
    if (!expr || is(expr)) {
        return expr != NULL;
    }
    switch (expr->kind) {
    case EXPR_BINARY: return some_part(expr->binary.left, is) || some_part(expr->binary.right, is);
    case EXPR_AGGREGATE:
        return some_part(expr->aggregate.parameter, is) || some_part(expr->aggregate.inner, is);
    case EXPR_UNARY: return some_part(expr->unary.inner, is);
    case EXPR_PAREN: return some_part(expr->inner, is);
    case EXPR_PERCENT_OF: return some_part(expr->percent_of.inner, is);
    case EXPR_SUBQUERY:
    case EXPR_RANGE: return some_part(expr->range.inner, is);
    case EXPR_SELECTOR: return expr->selector.signal && some_part(expr->selector.signal->expr, is);
    case EXPR_CALL:
        for (const struct argument *a = expr->call.arguments; a; a = a->next) {
            any |= some_part(a->value, is);
        }
        return any;
    case EXPR_REACHES:
        return some_part(expr->reaches.forecast, is) || some_part(expr->reaches.threshold, is);
    case EXPR_NUMBER:
    case EXPR_STRING:
    case EXPR_LIST: return false;
    }
    return false;
}

/* A mean or a side is forgotten with its series; what is known from samples is not. */
static bool remembers(const struct expr *expr)
{
    return expr->kind == EXPR_REACHES ||
           (expr->kind == EXPR_CALL && (strcmp(expr->call.name.text, "ewma") == 0 ||
                                        strcmp(expr->call.name.text, "zscore") == 0));
}

static const struct expr *some_expr(struct world *w)
{
    const struct expr *expr;
    do {
        const int depth = 1 + (int)below(&w->dice, DEPTH);
        expr = one_in(&w->dice, 4) ? generate_expression(&w->arena, &w->dice, TASTE_ALL)
                                   : generate_any(&w->arena, &w->dice, depth);
    } while (w->forgets && some_part(expr, remembers));
    return expr;
}

static void world_open(struct world *w, uint64_t number)
{
    static const char *const names[SOURCES] = {"one", "two", "three"};
    struct dice dice = {seed * 0x2545f4914f6cdd1dULL + number};
    const struct store_limits limits = {.lookback = duration_seconds(LOOKBACK_S),
                                        .live = one_in(&dice, 2)};
    const struct duration interval = duration_seconds(STEP_S), grace = duration_seconds(GRACE_S);
    *w = (struct world){.dice = dice,
                        .store = store_new(&limits),
                        .history.lookback_ms = LOOKBACK_S * 1000,
                        .now = {1700000000LL * NS_PER_S}};
    w->eval = eval_new(w->store);
    w->every = duration_seconds(one_in(&w->dice, 3) ? 25 : STEP_S);
    w->kind = below(&w->dice, 6);
    w->live = limits.live;
    w->forgets = one_in(&w->dice, 3);
    for (size_t i = 0; i < SOURCES; i++) {
        assert_int_equal(store_source(w->store, names[i], interval, grace, &w->sources[i], NULL),
                         STATUS_OK);
        history_source(&w->history, interval, grace);
        w->silent[i] = one_in(&w->dice, 8);
    }
    for (size_t i = 0; i < PODS; i++) {
        w->alive[i] = !one_in(&w->dice, 3);
        w->version[i] = below(&w->dice, VERSIONS);
    }
    world_series(w);
    w->oracle = oracle_new(&w->history, w->every, limits.live);
    for (size_t i = 0; i < EXPRESSIONS; i++) {
        world_add(w, some_expr(w));
    }
}

static void world_close(struct world *w)
{
    oracle_free(w->oracle);
    history_release(&w->history);
    eval_free(w->eval);
    store_free(w->store);
    arena_release(&w->arena);
}

/* ---- what happens ---- */

static double next_value(struct world *w, struct series *s)
{
    struct dice *d = &w->dice;
    switch (w->kind) {
    case 0: s->level = one_in(d, 12) ? below(d, 3) : s->level + below(d, 5); break; /* counter */
    case 1: s->level = below(d, 8); break;
    case 2: s->level += (double)below(d, 2001) / 1000 - 1; break;
    case 3: return one_in(d, 30) ? generate_sample(d) : (double)below(d, 100) / 7;
    case 4: return generate_sample(d);
    default: s->level += 3.25; break; /* a line */
    }
    return s->level;
}

static void series_sample(struct world *w, struct series *s, int64_t shift_ms, double value)
{
    struct error error = {""};
    const struct instant time = {w->now.ns + shift_ms * NS_PER_MS};
    if (store_series(w->store, w->sources[s->source], s->name, s->labels, s->label_count, &s->id,
                     &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    s->at = history_series(&w->history, s->source, s->name, s->labels, s->label_count);
    (void)store_append(w->store, s->id, w->now, time, value);
    history_sample(&w->history, s->at, w->now, time, value);
}

static bool is_given(struct world *w, const struct series *s)
{
    if (s->pod < PODS && !w->alive[s->pod]) {
        return false;
    }
    if (strcmp(s->name, "info") == 0 &&
        strcmp(s->labels[1].value, versions[w->version[s->pod]]) != 0) {
        return one_in(&w->dice, 40); /* two versions at once */
    }
    return !one_in(&w->dice, 20);
}

static void source_samples(struct world *w, size_t source)
{
    for (size_t i = 0; i < w->series_count; i++) {
        struct series *s = &w->series[i];
        if (s->source != source || !is_given(w, s)) {
            continue;
        }
        const int64_t shift_ms = one_in(&w->dice, 8) ? (int64_t)below(&w->dice, 5000) - 3000 : 0;
        const double value = strcmp(s->name, "info") == 0 && w->kind != 4 ? 1 : next_value(w, s);
        series_sample(w, s, shift_ms, value);
        if (one_in(&w->dice, 25)) {
            series_sample(w, s, shift_ms, 1e6); /* again at the same time: dropped */
        }
        if (one_in(&w->dice, 25)) {
            series_sample(w, s, shift_ms - 7000, -1e6); /* older: dropped */
        }
    }
}

static void world_feed(struct world *w)
{
    for (size_t i = 0; i < PODS; i++) {
        w->alive[i] ^= one_in(&w->dice, w->alive[i] ? 25 : 10);
        w->version[i] = one_in(&w->dice, 20) ? below(&w->dice, VERSIONS) : w->version[i];
    }
    for (size_t i = 0; i < SOURCES; i++) {
        w->silent[i] ^= one_in(&w->dice, w->silent[i] ? 4 : 20);
        if (!w->silent[i]) {
            source_samples(w, i);
            store_answered(w->store, w->sources[i], w->now);
            history_answered(&w->history, i, w->now);
        } else if (one_in(&w->dice, 6)) {
            source_samples(w, i);
            store_failed(w->store, w->sources[i], w->now);
            history_failed(&w->history, i);
        }
    }
}

/* The same expressions again, in a new evaluator that takes over from the one before. */
static void world_reload(struct world *w)
{
    struct error error = {""};
    struct eval *next = eval_new(w->store);
    for (size_t i = 0; i < w->expr_count; i++) {
        w->nodes[i] = eval_add(next, w->exprs[i], w->every, &error);
        assert_non_null(w->nodes[i]);
    }
    eval_adopt(next, w->eval);
    eval_free(w->eval);
    w->eval = next;
}

/* ---- the comparison ---- */

static bool bit(const uint64_t *words, size_t i)
{
    return words[i / 64] >> (i % 64) & 1;
}

/* What the evaluator says of a label set: its slots together. */
struct said {
    size_t present;
    bool unknown;
    double value;
};

static bool is_of(const struct eval_column *c, size_t slot, const struct oracle_item *item)
{
    const char *name = c->names ? c->names[slot] : NULL;
    const struct label_set *labels = c->labels[slot];
    bool same = (!name && !item->name) || (name && item->name && strcmp(name, item->name) == 0);
    same &= labels->count == item->labels.count;
    for (size_t i = 0; i < labels->count && same; i++) {
        const struct label label = label_set_at(labels, i);
        same = strcmp(label.name, item->labels.items[i].name) == 0 &&
               strcmp(label.value, item->labels.items[i].value) == 0;
    }
    return same;
}

static struct said said_of(const struct eval_column *c, const struct oracle_item *item, bool *seen)
{
    struct said said = {0};
    for (size_t i = 0; i < c->count; i++) {
        if (!is_of(c, i, item)) {
            continue;
        }
        seen[i] = true;
        said.unknown |= bit(c->unknown, i);
        if (bit(c->present, i)) {
            said.value = c->values[i];
            said.present++;
        }
    }
    return said;
}

static void describe(const struct oracle_item *item, char *ret, size_t size)
{
    size_t used = (size_t)snprintf(ret, size, "%s{", item->name ? item->name : "");
    for (size_t i = 0; i < item->labels.count && used < size; i++) {
        used += (size_t)snprintf(ret + used, size - used, "%s=%s ", item->labels.items[i].name,
                                 item->labels.items[i].value);
    }
}

static void differ(struct world *w, uint64_t number, size_t at, const struct oracle_item *item,
                   const struct said *said, const char *what)
{
    char place[300] = "";
    if (item) {
        describe(item, place, sizeof place);
    }
    history_print(&w->history, stderr);
    fprintf(stderr, "every %.0f s%s%s%s, tick %zu: %s\n", duration_to_seconds(w->every),
            w->live ? ", live" : "", w->forgets ? ", forgets" : "", w->reloaded ? ", reloaded" : "",
            w->history.tick_count - 1, print_expr(&w->arena, w->exprs[at]));
    for (size_t i = at > 8 ? at - 8 : 0; i <= at; i++) {
        const struct signal *signal =
            w->exprs[i]->kind == EXPR_SELECTOR ? w->exprs[i]->selector.signal : NULL;
        fprintf(stderr, "%s: %s", i < at ? "before it" : "it", print_expr(&w->arena, w->exprs[i]));
        fprintf(stderr, "%s%s\n", signal ? ", a signal: " : "",
                signal ? print_expr(&w->arena, signal->expr) : "");
    }
    if (item && said) {
        fprintf(stderr, "evaluator: present %zu, unknown %d, %.17g (%a)\n", said->present,
                said->unknown, said->value, said->value);
        fprintf(stderr, "oracle:    present %d, unknown %d, %.17g (%a), slack %Lg\n", item->present,
                item->unknown, item->number.value, item->number.value, item->number.slack);
    }
    fail_msg("seed %llu world %llu tick %zu: %s: %s %s", (unsigned long long)seed,
             (unsigned long long)number, w->history.tick_count - 1,
             print_expr(&w->arena, w->exprs[at]), what, place);
}

static void compare_item(struct world *w, uint64_t number, size_t at,
                         const struct oracle_item *item, const struct said *said,
                         struct tally *tally)
{
    tally->compared++;
    /* A series that is forgotten is no partner any more whose other side would be unknown. */
    if (item->doubtful || (w->forgets && item->unknown && !said->unknown)) {
        tally->doubtful++;
        return;
    }
    if (said->unknown != item->unknown) {
        differ(w, number, at, item, said, "unknown differs at");
    }
    if (said->present != item->present) {
        differ(w, number, at, item, said, "presence differs at");
    }
    if (said->present && !number_agrees(item->number, said->value)) {
        differ(w, number, at, item, said, "value differs at");
    }
    tally->present += item->present && !item->unknown;
    tally->unknown += item->unknown;
    tally->near += item->present && !number_is_exact(item->number);
}

static void compare(struct world *w, uint64_t number, size_t at, struct tally *tally)
{
    const struct eval_column c = eval_column(w->nodes[at]);
    const struct oracle_vector *v = oracle_at(w->oracle, w->exprs[at], w->history.tick_count - 1);
    if (v && w->forgets && c.blind && !v->blind) {
        tally->blind++; /* all that it ever had is forgotten, and it is not sure of more */
        return;
    }
    if (!v || v->scalar != c.scalar || (v->blind != c.blind && !v->wild)) {
        differ(w, number, at, NULL, NULL, !v ? "no answer" : "scalar or blind differs");
        return;
    }
    if (v->blind) { /* no slot can be relied on */
        tally->blind++;
        return;
    }
    if (v->wild) {
        tally->compared++;
        tally->doubtful++;
        return;
    }
    bool *seen = heap_alloc(c.count + 1);
    for (size_t i = 0; i < v->count; i++) {
        const struct said said = said_of(&c, &v->items[i], seen);
        compare_item(w, number, at, &v->items[i], &said, tally);
    }
    for (size_t i = 0; i < c.count; i++) {
        if (!seen[i] && (bit(c.present, i) || bit(c.unknown, i))) {
            char text[300];
            fprintf(stderr, "%s\n", label_set_print(c.labels[i], text, sizeof text));
            differ(w, number, at, NULL, NULL, "a label set only the evaluator has");
        }
    }
    free(seen);
}

static void world_run(uint64_t number, struct tally *tally)
{
    static struct world w;
    world_open(&w, number);
    /* What a store that is not live has from before the first evaluation. */
    for (unsigned past = w.live || one_in(&w.dice, 2) ? 0 : below(&w.dice, 12); past > 0; past--) {
        w.now.ns += STEP_S * NS_PER_S;
        world_feed(&w);
    }
    for (size_t tick = 0; tick < TICKS; tick++) {
        w.now.ns += STEP_S * NS_PER_S;
        w.now.ns += one_in(&w.dice, 30) ? 45 * NS_PER_S : 0; /* it slept */
        world_feed(&w);
        /* Often as old as the samples, so that windows end where samples are. */
        const int64_t later_ms = one_in(&w.dice, 3) ? 0 : (int64_t)below(&w.dice, 4000);
        const struct instant now = {w.now.ns + later_ms * NS_PER_MS};
        w.reloaded = one_in(&w.dice, 30);
        if (w.reloaded) {
            world_reload(&w);
        }
        if (w.forgets) {
            store_expire(w.store, now);
        }
        eval_tick(w.eval, now);
        history_tick(&w.history, now);
        for (size_t i = 0; i < w.expr_count; i++) {
            compare(&w, number, i, tally);
        }
    }
    world_close(&w);
}

static void the_evaluator_is_its_definition(void **state)
{
    (void)state;
    struct tally tally = {0};
    for (size_t i = 0; i < world_count; i++) {
        if (only_world == SIZE_MAX || only_world == i) {
            world_run(i, &tally);
        }
    }
    print_message("seed %llu: %zu label sets compared, %zu present (%zu by their size only), "
                  "%zu unknown, %zu doubtful, %zu columns blind\n",
                  (unsigned long long)seed, tally.compared, tally.present, tally.near,
                  tally.unknown, tally.doubtful, tally.blind);
    /* An oracle in doubt finds nothing. */
    assert_true(only_world != SIZE_MAX || tally.doubtful * 8 < tally.compared);
    assert_true(only_world != SIZE_MAX || tally.present * 5 > tally.compared);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_evaluator_is_its_definition)};
    int at = 1;
    if (argc > at && strcmp(argv[at], "long") == 0) {
        world_count = WORLDS_LONG;
        at++;
    }
    seed = argc > at ? strtoull(argv[at], NULL, 10) : seed;
    if (argc > at + 1) {
        only_world = (size_t)strtoull(argv[at + 1], NULL, 10);
        world_count = only_world + 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
