/* Where kernels run: as long as the slots allow it, from tick to tick, and not a tick longer. */
#include <stdio.h>

#include "compiler/code.h"
#include "runtime/code/link.h"
#include "runtime/engine/eval.h"
#include "tests/engine/tree.h"
#include "tests/unit.h"

enum { PODS = 70 };

struct rig {
    struct arena arena;
    struct store *store;
    struct eval *eval;
    struct eval_node *node;
    struct slab *slab;
    uint32_t source, x[PODS], y[PODS];
    double now_s;
};

static struct instant at(double seconds)
{
    return (struct instant){(int64_t)(seconds * 1e9)};
}

static uint32_t series(struct rig *rig, const char *name, size_t pod)
{
    char text[32];
    struct error error;
    uint32_t id = 0;
    snprintf(text, sizeof text, "pod-%zu", pod);
    struct label label = {"pod", text};
    assert_int_equal(store_series(rig->store, rig->source, name, &label, 1, &id, &error),
                     STATUS_OK);
    return id;
}

static size_t use_all(struct rig *rig, bool use)
{
    size_t used = 0;
    for (size_t i = 0; i < slab_count(rig->slab); i++) {
        uint64_t hash;
        size_t size;
        abi_kernel_f *kernel = slab_kernel(rig->slab, i, &hash, &size);
        used += eval_use_code(rig->eval, hash, use ? kernel : NULL);
    }
    return used;
}

/* ewma(x + on(pod) y), one kernel of three nodes: of the pairs of a pod one is the sum. */
static struct expr *mean_of_sum(struct arena *arena)
{
    struct expr *sum = tree_binary(arena, tree_select(arena, "x"), "+", tree_select(arena, "y"));
    tree_on(arena, sum, true, "pod");
    return tree_argument(arena, tree_call(arena, "ewma", sum), "alpha", tree_number(arena, 0.5));
}

/* (x + on(pod) y) * 1: the pairs of a pod are slots of the kernel. */
static struct expr *pairs(struct arena *arena)
{
    struct expr *sum = tree_binary(arena, tree_select(arena, "x"), "+", tree_select(arena, "y"));
    tree_on(arena, sum, true, "pod");
    return tree_binary(arena, sum, "*", tree_number(arena, 1));
}

/* ewma(x or y): the kernel reads a set of its slots twice as long. */
static struct expr *mean_of_either(struct arena *arena)
{
    struct expr *either =
        tree_binary(arena, tree_select(arena, "x"), "or", tree_select(arena, "y"));
    return tree_argument(arena, tree_call(arena, "ewma", either), "alpha", tree_number(arena, 0.5));
}

static struct rig rig_new(struct expr *(*make)(struct arena *), size_t members)
{
    struct rig rig = {.store = store_new(NULL), .now_s = 10};
    struct error error = {""};
    struct code_object *objects;
    size_t count;
    assert_int_equal(store_source(rig.store, "one", duration_seconds(10), duration_seconds(5),
                                  &rig.source, &error),
                     STATUS_OK);
    for (size_t i = 0; i < PODS; i++) {
        rig.x[i] = series(&rig, "x", i);
        rig.y[i] = series(&rig, "y", i);
    }
    rig.eval = eval_new(rig.store);
    rig.node = eval_add(rig.eval, make(&rig.arena), duration_seconds(10), &error);
    assert_non_null(rig.node);
    struct abi_plan *plan = eval_plan(rig.eval);
    assert_int_equal(plan->group_count, 1);
    assert_int_equal(plan->groups[0].member_count, members);
    assert_int_equal(code_compile_plan(plan, &(struct code_options){.cpu = CODE_NATIVE}, &objects,
                                       &count, &error),
                     STATUS_OK);
    rig.slab = slab_new();
    assert_int_equal(slab_add(rig.slab, objects[0].bytes, objects[0].size, &error), STATUS_OK);
    assert_int_equal(slab_link(rig.slab, &error), STATUS_OK);
    code_objects_free(objects, count);
    abi_plan_free(plan);
    return rig;
}

static void rig_free(struct rig *rig)
{
    eval_free(rig->eval);
    slab_free(rig->slab);
    store_free(rig->store);
    arena_release(&rig->arena);
}

/* A tick with x and y of every pod; the mean of pod 0. */
static double tick(struct rig *rig, double x, double y)
{
    rig->now_s += 10;
    for (size_t i = 0; i < PODS; i++) {
        store_append(rig->store, rig->x[i], at(rig->now_s), at(rig->now_s), x);
        store_append(rig->store, rig->y[i], at(rig->now_s), at(rig->now_s), y);
    }
    store_answered(rig->store, rig->source, at(rig->now_s));
    eval_tick(rig->eval, at(rig->now_s));
    struct eval_column column = eval_column(rig->node);
    assert_true(column.present[0] & 1);
    return column.values[0];
}

static void code_and_reference_hand_the_state_to_each_other(void **state)
{
    (void)state;
    struct rig rig = rig_new(mean_of_sum, 3);
    assert_true(tick(&rig, 1, 3) == 4);
    assert_int_equal(eval_code_nodes(rig.eval), 0);
    assert_int_equal(use_all(&rig, true), 1);
    assert_true(tick(&rig, 2, 6) == 6);
    assert_int_equal(eval_code_nodes(rig.eval), 3);
    assert_int_equal(use_all(&rig, false), 1);
    assert_true(tick(&rig, 0, 0) == 3);
    assert_int_equal(eval_code_nodes(rig.eval), 0);
    rig_free(&rig);
}

static void a_hash_that_no_group_has_is_refused(void **state)
{
    (void)state;
    struct rig rig = rig_new(mean_of_sum, 3);
    assert_false(eval_use_code(rig.eval, 1, NULL));
    rig_free(&rig);
}

static void a_join_is_brought_into_the_kernels_order(void **state)
{
    (void)state;
    struct rig rig = rig_new(mean_of_sum, 3);
    struct error error;
    use_all(&rig, true);
    tick(&rig, 1, 1);
    assert_int_equal(eval_code_nodes(rig.eval), 3);
    /* y has a series that x has not: its slots are no longer those of the sum. */
    uint32_t more = series(&rig, "y", PODS);
    store_append(rig.store, more, at(rig.now_s + 1), at(rig.now_s + 1), 1);
    assert_true(tick(&rig, 3, 3) == 4);
    assert_int_equal(eval_code_nodes(rig.eval), 3);
    /* x has it too. */
    uint32_t same = series(&rig, "x", PODS);
    store_append(rig.store, same, at(rig.now_s + 1), at(rig.now_s + 1), 1);
    assert_true(tick(&rig, 2, 2) == 4);
    assert_int_equal(eval_code_nodes(rig.eval), 3);
    /* An operator more is another plan: nothing runs on code until it is given again. */
    assert_non_null(eval_add(rig.eval, tree_select(&rig.arena, "x"), duration_seconds(10), &error));
    assert_true(tick(&rig, 2, 2) == 4);
    assert_int_equal(eval_code_nodes(rig.eval), 0);
    assert_int_equal(use_all(&rig, true), 1);
    assert_true(tick(&rig, 4, 4) == 6);
    assert_int_equal(eval_code_nodes(rig.eval), 3);
    rig_free(&rig);
}

static void several_candidates_at_once_are_left_to_the_reference(void **state)
{
    (void)state;
    struct rig rig = rig_new(pairs, 2);
    struct error error;
    uint32_t id;
    const struct label labels[] = {{"pod", "pod-69"}, {"zone", "b"}};
    use_all(&rig, true);
    tick(&rig, 1, 1);
    assert_int_equal(eval_code_nodes(rig.eval), 2);
    assert_int_equal(store_series(rig.store, rig.source, "y", labels, 2, &id, &error), STATUS_OK);
    assert_true(tick(&rig, 1, 1) == 2);
    assert_int_equal(eval_code_nodes(rig.eval), 2); /* it has no sample yet */
    store_append(rig.store, id, at(rig.now_s + 1), at(rig.now_s + 1), 1);
    assert_true(tick(&rig, 3, 3) == 6);
    assert_int_equal(eval_code_nodes(rig.eval), 0);
    /* Five minutes later it is gone. */
    rig.now_s += 300;
    assert_true(tick(&rig, 2, 2) == 4);
    assert_int_equal(eval_code_nodes(rig.eval), 2);
    rig_free(&rig);
}

static void slots_that_become_one_are_left_to_the_reference(void **state)
{
    (void)state;
    struct rig rig = rig_new(mean_of_either, 2);
    assert_int_equal(use_all(&rig, true), 1);
    assert_true(tick(&rig, 4, 9) == 4);
    assert_int_equal(eval_code_nodes(rig.eval), 0);
    for (size_t i = 0; i < PODS; i++) {
        store_stale(rig.store, rig.x[i], at(rig.now_s));
    }
    rig.now_s += 10;
    eval_tick(rig.eval, at(rig.now_s));
    assert_true(eval_column(rig.node).count == PODS && eval_column(rig.node).values[0] == 6.5);
    rig_free(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(code_and_reference_hand_the_state_to_each_other),
        cmocka_unit_test(a_hash_that_no_group_has_is_refused),
        cmocka_unit_test(a_join_is_brought_into_the_kernels_order),
        cmocka_unit_test(several_candidates_at_once_are_left_to_the_reference),
        cmocka_unit_test(slots_that_become_one_are_left_to_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
