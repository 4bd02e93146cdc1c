/* Recorded signals between kernels: what code computes of them, the reference evaluator does too.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "compiler/code.h"
#include "runtime/code/link.h"
#include "runtime/engine/eval_record.h"
#include "tests/engine/tree.h"
#include "tests/unit.h"

enum { PODS = 150, TICKS = 400, NODES = 6 };

struct side {
    struct store *store;
    struct eval *eval;
    struct eval_node *nodes[NODES];
    uint32_t source, x[PODS];
};

static struct arena A;

static struct instant at(int tick)
{
    return (struct instant){tick * 10 * NS_PER_S};
}

static uint64_t seed = 0x9E3779B97F4A7C15ULL;

static unsigned pick(unsigned n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)((seed >> 11) % n);
}

static struct expr *scaled(const char *name, double factor, double limit)
{
    struct expr *product = tree_binary(&A, tree_select(&A, name), "*", tree_number(&A, factor));
    return tree_binary(&A, product, ">", tree_number(&A, limit));
}

static struct expr *mean(const char *name)
{
    struct expr *call = tree_call(&A, "ewma", tree_select(&A, name));
    return tree_argument(&A, call, "alpha", tree_number(&A, 0.25));
}

static struct expr *together(const char *a, const char *b)
{
    struct expr *sum = tree_binary(&A, tree_select(&A, a), "+", tree_select(&A, b));
    return tree_binary(&A, tree_on(&A, sum, true, "pod"), "*", tree_number(&A, 3));
}

static void add(struct side *side, size_t *count, struct expr *expr)
{
    struct error error = {""};
    side->nodes[*count] = eval_add(side->eval, expr, duration_seconds(10), &error);
    assert_non_null(side->nodes[*count]);
    ++*count;
}

static void record(struct side *side, const char *name, struct expr *expr, double every)
{
    struct error error = {""};
    struct recorded recorded = {.name.text = name, .expr = expr};
    assert_int_equal(eval_record_add(side->eval, &recorded, duration_seconds(every), &error),
                     STATUS_OK);
}

static void side_open(struct side *side)
{
    struct error error;
    size_t count = 0;
    side->store = store_new(NULL);
    side->eval = eval_new(side->store);
    assert_int_equal(store_source(side->store, "s", duration_seconds(10), duration_seconds(5),
                                  &side->source, &error),
                     STATUS_OK);
    for (size_t i = 0; i < PODS; i++) {
        char text[32];
        snprintf(text, sizeof text, "pod-%zu", i);
        struct label label = {"pod", text};
        assert_int_equal(
            store_series(side->store, side->source, "x", &label, 1, &side->x[i], &error),
            STATUS_OK);
    }
    add(side, &count, scaled("rec", 2, 5)); /* before: of the last time */
    record(side, "rec", scaled("x", 1.5, 4), 10);
    add(side, &count, scaled("rec", 2, 5));
    add(side, &count, mean("rec"));
    record(side, "rec2", together("rec", "x"), 20);
    add(side, &count, together("rec2", "rec"));
    add(side, &count, mean("rec2"));
    add(side, &count, together("rec", "x"));
    assert_int_equal(count, NODES);
}

static struct slab *compile(struct eval *eval)
{
    struct error error = {""};
    struct code_object *objects;
    size_t count;
    struct abi_plan *plan = eval_plan(eval);
    assert_true(plan->group_count >= NODES);
    assert_int_equal(code_compile_plan(plan, &(struct code_options){.cpu = CODE_NATIVE}, &objects,
                                       &count, &error),
                     STATUS_OK);
    struct slab *slab = slab_new();
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(slab_add(slab, objects[i].bytes, objects[i].size, &error), STATUS_OK);
    }
    assert_int_equal(slab_link(slab, &error), STATUS_OK);
    code_objects_free(objects, count);
    abi_plan_free(plan);
    return slab;
}

static void use(struct eval *eval, const struct slab *slab, bool some)
{
    for (size_t i = 0; i < slab_count(slab); i++) {
        uint64_t hash;
        size_t size;
        abi_kernel_f *kernel = slab_kernel(slab, i, &hash, &size);
        assert_true(eval_use_code(eval, hash, some && pick(3) == 0 ? NULL : kernel));
    }
}

static bool bit(const uint64_t *words, size_t i)
{
    return words[i / 64] >> (i % 64) & 1;
}

static void same_columns(const struct eval_node *a, const struct eval_node *b)
{
    struct eval_column x = eval_column(a), y = eval_column(b);
    assert_int_equal(x.count, y.count);
    for (size_t i = 0; i < x.count; i++) {
        assert_int_equal(bit(x.present, i), bit(y.present, i));
        assert_int_equal(bit(x.unknown, i), bit(y.unknown, i));
        if (bit(x.present, i)) {
            assert_memory_equal(&x.values[i], &y.values[i], sizeof(double));
        }
    }
}

static void code_and_reference_agree_bit_for_bit_over_recorded_signals(void **state)
{
    (void)state;
    struct side sides[2];
    size_t in_code = 0;
    side_open(&sides[0]);
    side_open(&sides[1]);
    struct slab *slab = compile(sides[1].eval);
    for (int tick = 1; tick <= TICKS; tick++) {
        unsigned known = tick < 100 ? (unsigned)tick + 1 : PODS; /* births go on for long */
        for (size_t i = 0; i < known; i++) {
            double value = pick(1000) / 100.0;
            for (size_t s = 0; s < 2 && value > 1; s++) {
                store_append(sides[s].store, sides[s].x[i], at(tick), at(tick), value);
            }
        }
        for (size_t s = 0; s < 2; s++) {
            if (tick % 37 != 0) {
                store_answered(sides[s].store, sides[s].source, at(tick));
            }
        }
        if (tick % 10 == 1) {
            use(sides[1].eval, slab, tick % 30 == 1);
        }
        eval_tick(sides[0].eval, at(tick));
        eval_tick(sides[1].eval, at(tick));
        for (size_t n = 0; n < NODES; n++) {
            same_columns(sides[0].nodes[n], sides[1].nodes[n]);
        }
        in_code += eval_code_nodes(sides[1].eval);
    }
    assert_true(in_code > (size_t)TICKS * NODES);
    for (size_t s = 0; s < 2; s++) {
        assert_true(eval_record(sides[s].eval, 1).series > PODS / 4);
        eval_free(sides[s].eval);
        store_free(sides[s].store);
    }
    slab_free(slab);
    arena_release(&A);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(code_and_reference_agree_bit_for_bit_over_recorded_signals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
