/* High churn: pods die and are replaced at every tick, and the store forgets them. An evaluator
 * that lived through all of it, and one that is reloaded now and then, say the same as one made
 * anew; and what nobody holds any more is freed.
 *
 *     test_engine_churn [long] [SEED] */
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/check.h"
#include "lang/parser.h"
#include "runtime/engine/column.h"
#include "runtime/engine/eval.h"
#include "tests/oracle/generate.h"
#include "tests/unit.h"

enum {
    TICKS_QUICK = 700,
    TICKS_LONG = 12000,
    PODS = 24,
    BOUNDS = 3,
    VERSIONS = 2,
    SOURCES = 2,
    STEP_S = 10,
    FRESH_EVERY = 25, /* ticks */
    RELOAD_EVERY = 15,
    EXPRESSIONS_MAX = 80,
    DEATHS = 12, /* one pod in so many dies at a tick */
};
#define NEAR 1e-12

static uint64_t seed = 1;
static size_t tick_count = TICKS_QUICK;

/* One or more of each kind of operator. What remembers more than samples is compared with the
 * reloaded evaluator only. */
struct wanted {
    const char *text;
    bool remembers;
    bool cancels; /* its value may be the small difference of large things */
};
static const struct wanted wanteds[] = {
    {"x", 0, 0},
    {"x offset 20s", 0, 0},
    {"{__name__=~\"x|y\", zone=\"a\"}", 0, 0},
    {"-x + 1", 0, 0},
    {"x > 150", 0, 0},
    {"x + y", 0, 0},
    {"x > bool y", 0, 0},
    {"x == ignoring (zone) y", 0, 0},
    {"x * on (pod) group_left (v) info", 0, 0},
    {"x / on (zone) group_left sum by (zone) (y)", 0, 0},
    {"info * on (pod) group_right x", 0, 0},
    {"x and y > 150", 0, 0},
    {"x unless on (pod) info", 0, 0},
    {"x or on (pod) y", 0, 0},
    {"sum by (zone) (x)", 0, 0},
    {"avg without (pod) (x)", 0, 0},
    {"count by (pod) (x)", 0, 0},
    {"max(x)", 0, 0},
    {"min by (__name__) ({__name__=~\"x|y\"})", 0, 0},
    {"group by (zone) (x)", 0, 0},
    {"stddev by (zone) (x)", 0, 1},
    {"quantile by (zone) (0.9, x)", 0, 0},
    {"topk by (zone) (2, x)", 0, 0},
    {"bottomk(3, y)", 0, 0},
    {"count_values by (zone) (\"value\", round(x, 50))", 0, 0},
    {"rate(c[40s])", 0, 0},
    {"increase(c[1m] offset 10s)", 0, 0},
    {"irate(c[30s])", 0, 0},
    {"avg_over_time(x[1m])", 0, 0},
    {"sum_over_time(x[35s])", 0, 0},
    {"max_over_time(x[1m])", 0, 0},
    {"min_over_time(x[45s])", 0, 0},
    {"last_over_time(x[1m])", 0, 0},
    {"count_over_time({__name__=~\"x|y\"}[30s])", 0, 0},
    {"quantile_over_time(0.5, x[1m])", 0, 0},
    {"stddev_over_time(x[1m])", 0, 1},
    {"deriv(x[1m])", 0, 1},
    {"predict_linear(x[1m], 60)", 0, 1},
    {"changes(x[1m])", 0, 0},
    {"absent(x{pod=\"nobody\"})", 0, 0},
    {"absent_over_time(x[10s])", 0, 0},
    {"abs(x - 150)", 0, 0},
    {"clamp(x, 120, 160)", 0, 0},
    {"hour(x)", 0, 0},
    {"timestamp(x)", 0, 0},
    {"scalar(sum(x)) + y", 0, 0},
    {"vector(scalar(max(x)))", 0, 0},
    {"sort(x)", 0, 0},
    {"label_replace(x, \"short\", \"$1\", \"pod\", \"pod-(.*)\")", 0, 0},
    {"label_join(rate(c[40s]), \"__name__\", \"_\", \"__name__\", \"zone\")", 0, 0},
    {"histogram_quantile(0.9, bucket)", 0, 0},
    {"histogram_quantile(0.5, sum by (le) (bucket))", 0, 0},
    {"histogram_fraction(0, 2, bucket)", 0, 0},
    {"sum(sum by (zone) (avg_over_time(x[1m]) > 100))", 0, 0},
    {"max_over_time(sum by (zone) (x)[1m:10s])", 0, 0},
    {"avg_over_time(rate(c[30s])[1m:20s])", 0, 1},
    {"ewma(x, alpha: 0.3)", 1, 0},
    {"zscore(x, alpha: 0.3)", 1, 1},
    {"zscore(x, alpha: 0.3) > 1", 1, 0},
    {"forecast(x, in: 1m, lookback: 2m)", 0, 1},
    {"forecast(x, in: 1m, lookback: 2m) reaches 300", 1, 1},
};
_Static_assert(ARRAY_LEN(wanteds) <= EXPRESSIONS_MAX, "room for all");

struct pod {
    char name[24], zone[2];
    size_t version;
    double count; /* of a counter */
};
struct judge { /* an evaluator and its nodes */
    struct eval *eval;
    struct eval_node *nodes[ARRAY_LEN(wanteds)];
};
struct world {
    struct dice dice;
    struct arena arena;
    struct store *store;
    uint32_t sources[SOURCES];
    struct pod pods[PODS];
    size_t born;
    struct instant now;
    struct expr *exprs[ARRAY_LEN(wanteds)];
    struct judge lived, reloaded;
    size_t compared, present;
};

/* ---- the world ---- */

static struct expr *parsed(struct arena *arena, const char *text)
{
    struct sources sources = {0};
    struct diag_list diags;
    struct error error = {""};
    diag_list_init(&diags, arena, &sources);
    const struct source *source = sources_add(&sources, "churn", text, strlen(text), &error);
    struct expr *expr = source ? parse_expression(arena, source, &diags) : NULL;
    if (!expr || !check_expression(arena, expr, &diags)) {
        fail_msg("%s", text);
    }
    sources_release(&sources);
    return expr;
}

static struct judge judge_new(struct world *w)
{
    struct judge judge = {.eval = eval_new(w->store)};
    for (size_t i = 0; i < ARRAY_LEN(wanteds); i++) {
        struct error error = {""};
        judge.nodes[i] = eval_add(judge.eval, w->exprs[i], duration_seconds(STEP_S), &error);
        if (!judge.nodes[i]) {
            fail_msg("%s: %s", wanteds[i].text, error.message);
        }
    }
    return judge;
}

/* Mostly somebody new; now and then one that was there before. */
static void pod_born(struct world *w, struct pod *pod)
{
    static const char zones[] = "abc";
    const size_t number =
        one_in(&w->dice, 3) && w->born > 0
            ? w->born - 1 - below(&w->dice, (unsigned)(w->born < 60 ? w->born : 60))
            : w->born++;
    *pod = (struct pod){.version = below(&w->dice, VERSIONS)};
    snprintf(pod->name, sizeof pod->name, "pod-%zu", number);
    pod->zone[0] = zones[number % 3];
    for (const struct pod *other = w->pods; other < w->pods + PODS; other++) {
        if (other != pod && strcmp(other->name, pod->name) == 0) {
            pod->name[0] = '\0'; /* it is there: nobody */
        }
    }
}

static void world_open(struct world *w)
{
    static const char *const names[SOURCES] = {"one", "two"};
    const struct store_limits limits = {.lookback = duration_seconds(60)};
    *w = (struct world){
        .dice = {seed}, .store = store_new(&limits), .now = {1700000000LL * NS_PER_S}};
    for (size_t i = 0; i < SOURCES; i++) {
        assert_int_equal(store_source(w->store, names[i], duration_seconds(STEP_S),
                                      duration_seconds(5), &w->sources[i], NULL),
                         STATUS_OK);
    }
    for (size_t i = 0; i < PODS; i++) {
        pod_born(w, &w->pods[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(wanteds); i++) {
        w->exprs[i] = parsed(&w->arena, wanteds[i].text);
    }
    w->lived = judge_new(w);
    w->reloaded = judge_new(w);
}

static void world_close(struct world *w)
{
    eval_free(w->lived.eval);
    eval_free(w->reloaded.eval);
    store_free(w->store);
    arena_release(&w->arena);
}

static void sample(struct world *w, size_t source, const char *name, const struct label *labels,
                   double value)
{
    uint32_t id;
    struct error error = {""};
    if (store_series(w->store, w->sources[source], name, labels, 2, &id, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    store_append(w->store, id, w->now, w->now, value);
}

static void pod_samples(struct world *w, struct pod *pod, size_t source)
{
    static const char *const bounds[BOUNDS] = {"1", "5", "+Inf"};
    static const char *const versions[VERSIONS] = {"v1", "v2"};
    const struct label labels[] = {{"pod", pod->name}, {"zone", pod->zone}};
    /* No two are equal: of those topk() may choose either. */
    const double value = 100 + (double)below(&w->dice, 100U << 23) / (1U << 23);
    if (source == 0) {
        pod->count += below(&w->dice, 20);
        sample(w, 0, "x", labels, value);
        sample(w, 0, "c", labels, pod->count);
        return;
    }
    const struct label version[] = {{"pod", pod->name}, {"v", versions[pod->version]}};
    sample(w, 1, "y", labels, value);
    sample(w, 1, "info", version, 1);
    for (size_t i = 0; i < BOUNDS; i++) {
        const struct label bucket[] = {{"pod", pod->name}, {"le", bounds[i]}};
        sample(w, 1, "bucket", bucket, (double)(i + 1) * 10);
    }
}

static void world_feed(struct world *w)
{
    for (size_t i = 0; i < PODS; i++) {
        if (one_in(&w->dice, DEATHS) || w->pods[i].name[0] == '\0') {
            pod_born(w, &w->pods[i]);
        }
    }
    for (size_t s = 0; s < SOURCES; s++) {
        if (one_in(&w->dice, 20)) {
            continue; /* it is silent */
        }
        for (size_t i = 0; i < PODS; i++) {
            if (w->pods[i].name[0] != '\0') {
                pod_samples(w, &w->pods[i], s);
            }
        }
        store_answered(w->store, w->sources[s], w->now);
    }
}

/* ---- the comparison ---- */

/* What is said of one label set. */
struct said {
    const struct label_set *labels;
    const char *name;
    size_t present;
    bool unknown;
    double value;
};

static int by_labels(const void *a, const void *b)
{
    const struct said *x = a, *y = b;
    if (x->labels != y->labels) {
        return (uintptr_t)x->labels < (uintptr_t)y->labels ? -1 : 1;
    }
    return (uintptr_t)x->name < (uintptr_t)y->name ? -1 : x->name != y->name;
}

static bool bit(const uint64_t *words, size_t i)
{
    return words[i / 64] >> (i % 64) & 1;
}

/* All that is present or unknown, by label set; equal sets of one store are one pointer. */
static size_t said_all(const struct eval_column *c, struct said *ret)
{
    size_t count = 0, kept = 0;
    for (size_t i = 0; i < c->count; i++) {
        if (bit(c->present, i) || bit(c->unknown, i)) {
            ret[count++] = (struct said){.labels = c->labels[i],
                                         .name = c->names ? c->names[i] : NULL,
                                         .present = bit(c->present, i),
                                         .unknown = bit(c->unknown, i),
                                         .value = bit(c->present, i) ? c->values[i] : 0};
        }
    }
    qsort(ret, count, sizeof *ret, by_labels);
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && by_labels(&ret[kept - 1], &ret[i]) == 0) {
            ret[kept - 1].present += ret[i].present;
            ret[kept - 1].unknown |= ret[i].unknown;
            ret[kept - 1].value += ret[i].value; /* at most one is there */
        } else {
            ret[kept++] = ret[i];
        }
    }
    return kept;
}

static bool same_value(const struct wanted *wanted, double a, double b)
{
    const double size = fabs(a) + fabs(b) + (wanted->cancels ? 1e3 : 0);
    return a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= NEAR * size;
}

/* Label sets that are unknown and not there may be forgotten by one and not yet by the other. */
static bool matters(const struct said *said)
{
    return said->present > 0;
}

static void differ(const struct world *w, const char *who, size_t at, const struct said *a,
                   const struct said *b)
{
    char text[200];
    const struct said *some = a ? a : b;
    fail_msg("seed %llu at %.0f s: %s and one made anew: %s: %s%s: present %zu and %zu, unknown %d "
             "and %d, %.17g and %.17g",
             (unsigned long long)seed, (double)w->now.ns / 1e9 - 1700000000, who, wanteds[at].text,
             some->name ? some->name : "", label_set_print(some->labels, text, sizeof text),
             a ? a->present : 0, b ? b->present : 0, a && a->unknown, b && b->unknown,
             a ? a->value : 0, b ? b->value : 0);
}

static void compare_node(struct world *w, const char *who, size_t at, const struct judge *judge,
                         const struct judge *other)
{
    const struct eval_column c = eval_column(judge->nodes[at]), d = eval_column(other->nodes[at]);
    struct said *a = heap_alloc((c.count + 1) * sizeof *a);
    struct said *b = heap_alloc((d.count + 1) * sizeof *b);
    const size_t a_count = said_all(&c, a), b_count = said_all(&d, b);
    assert_int_equal(c.blind, d.blind);
    for (size_t i = 0, j = 0; i < a_count || j < b_count;) {
        const int order = i == a_count ? 1 : j == b_count ? -1 : by_labels(&a[i], &b[j]);
        if (order != 0) {
            const struct said *alone = order < 0 ? &a[i++] : &b[j++];
            if (matters(alone)) {
                differ(w, who, at, order < 0 ? alone : NULL, order < 0 ? NULL : alone);
            }
            continue;
        }
        w->compared++;
        w->present += a[i].present;
        /* A point of a grid was evaluated with what was known then. */
        const bool grid = strchr(wanteds[at].text, ':') && strchr(wanteds[at].text, '[');
        if (a[i].present != b[j].present || (a[i].unknown != b[j].unknown && !grid) ||
            !same_value(&wanteds[at], a[i].value, b[j].value)) {
            differ(w, who, at, &a[i], &b[j]);
        }
        i++;
        j++;
    }
    free(a);
    free(b);
}

static void compare(struct world *w)
{
    struct judge fresh = judge_new(w);
    eval_tick(fresh.eval, w->now);
    for (size_t i = 0; i < ARRAY_LEN(wanteds); i++) {
        if (wanteds[i].remembers) {
            compare_node(w, "the reloaded one", i, &w->reloaded, &w->lived);
        } else {
            compare_node(w, "the one that lived", i, &w->lived, &fresh);
            compare_node(w, "the reloaded one", i, &w->reloaded, &fresh);
        }
    }
    eval_free(fresh.eval);
}

static void reload(struct world *w)
{
    struct judge next = judge_new(w);
    eval_adopt(next.eval, w->reloaded.eval);
    eval_free(w->reloaded.eval);
    w->reloaded = next;
}

/* ---- the tests ---- */

/* What is held at most over some ticks. */
struct held {
    size_t store_bytes, sets, strings, slots, heap;
};

static void held_note(const struct world *w, struct held *held)
{
    const struct store *store = w->store;
    const struct held now = {.store_bytes = store_stats(store).bytes,
                             .sets = store->set_count,
                             .strings = store->string_count - store->free_string_count,
                             .slots = eval_stats(w->lived.eval).slots,
                             .heap = mallinfo2().uordblks};
#define LARGER(field) held->field = now.field > held->field ? now.field : held->field
    LARGER(store_bytes);
    LARGER(sets);
    LARGER(strings);
    LARGER(slots);
    LARGER(heap);
#undef LARGER
}

/* What doubles when it is full may still do so once. */
static bool grew(const char *what, size_t before, size_t after)
{
    const bool grew = after > before + before / (strcmp(what, "heap") == 0 ? 4 : 8);
    if (grew) {
        print_message("%s: %zu, and %zu after all was replaced many times\n", what, before, after);
    }
    return grew;
}

static void an_evaluator_that_lived_through_churn_says_what_a_new_one_does(void **state)
{
    (void)state;
    static struct world w;
    struct held early = {0}, late = {0};
    world_open(&w);
    for (size_t tick = 0; tick < tick_count; tick++) {
        w.now.ns += STEP_S * NS_PER_S;
        world_feed(&w);
        store_expire(w.store, w.now);
        if (tick % RELOAD_EVERY == RELOAD_EVERY - 1) {
            reload(&w);
        }
        eval_tick(w.lived.eval, w.now);
        eval_tick(w.reloaded.eval, w.now);
        if (tick % FRESH_EVERY == FRESH_EVERY - 1) {
            compare(&w);
        }
        if (tick >= tick_count / 3) { /* all have been replaced often */
            held_note(&w, tick < tick_count / 3 * 2 ? &early : &late);
        }
    }
    const struct store_stats stats = store_stats(w.store);
    print_message("%llu series born, %llu died; %zu label sets compared, %zu present; %zu bytes in "
                  "the store, %zu sets, %zu strings, %zu slots, %zu bytes of heap\n",
                  (unsigned long long)stats.born, (unsigned long long)stats.died, w.compared,
                  w.present, late.store_bytes, late.sets, late.strings, late.slots, late.heap);
    assert_true(stats.died > tick_count * 8);
    assert_true(w.present * 2 > w.compared && w.compared > tick_count * 10);
    assert_false(grew("bytes of the store", early.store_bytes, late.store_bytes));
    assert_false(grew("label sets", early.sets, late.sets));
    assert_false(grew("strings", early.strings, late.strings));
    assert_false(grew("slots", early.slots, late.slots));
    assert_false(grew("heap", early.heap, late.heap));
    world_close(&w);
}

/* All series are replaced over and over: nothing of those before is left. */
static void what_nobody_holds_is_freed(void **state)
{
    (void)state;
    static struct world w;
    size_t sets[2] = {0}, bytes[2] = {0};
    world_open(&w);
    for (size_t round = 0; round < 40; round++) {
        for (size_t i = 0; i < PODS; i++) {
            snprintf(w.pods[i].name, sizeof w.pods[i].name, "pod-%zu-%zu", round, i);
        }
        for (size_t tick = 0; tick < 30; tick++) {
            w.now.ns += STEP_S * NS_PER_S;
            for (size_t s = 0; s < SOURCES; s++) {
                for (size_t i = 0; i < PODS; i++) {
                    pod_samples(&w, &w.pods[i], s);
                }
                store_answered(w.store, w.sources[s], w.now);
            }
            store_expire(w.store, w.now);
            eval_tick(w.lived.eval, w.now);
            eval_tick(w.reloaded.eval, w.now);
        }
        reload(&w);
        sets[round >= 20] += w.store->set_count;
        bytes[round >= 20] += store_stats(w.store).bytes;
    }
    assert_false(grew("label sets", sets[0], sets[1]));
    assert_false(grew("bytes of the store", bytes[0], bytes[1]));
    world_close(&w);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_evaluator_that_lived_through_churn_says_what_a_new_one_does),
        cmocka_unit_test(what_nobody_holds_is_freed),
    };
    int at = 1;
    if (argc > at && strcmp(argv[at], "long") == 0) {
        tick_count = TICKS_LONG;
        at++;
    }
    seed = argc > at ? strtoull(argv[at], NULL, 10) : seed;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
