/* Selectors whose series die and are born again at other places of the store. */
#include "runtime/engine/eval.h"
#include "tests/engine/tree.h"
#include "tests/unit.h"

struct world {
    struct arena arena;
    struct store *store;
    struct eval *eval;
    uint32_t source;
};

static struct instant at(int seconds)
{
    return (struct instant){seconds * NS_PER_S};
}

static void world_init(struct world *w)
{
    struct error error;
    *w = (struct world){.store = store_new(NULL)};
    w->eval = eval_new(w->store);
    assert_int_equal(store_source(w->store, "one", duration_seconds(10), duration_seconds(5),
                                  &w->source, &error),
                     STATUS_OK);
}

static void world_release(struct world *w)
{
    eval_free(w->eval);
    store_free(w->store);
    arena_release(&w->arena);
}

static void put(struct world *w, int t, const char *pod, const char *zone, double value)
{
    const struct label labels[] = {{"pod", pod}, {"zone", zone}};
    struct error error;
    uint32_t id;
    assert_int_equal(store_series(w->store, w->source, "x", labels, 2, &id, &error), STATUS_OK);
    assert_int_equal(store_append(w->store, id, at(t), at(t), value), APPEND_OK);
}

static void tick(struct world *w, int t)
{
    store_answered(w->store, w->source, at(t));
    store_expire(w->store, at(t));
    eval_tick(w->eval, at(t));
}

static double value_of(const struct eval_node *node, const char *pod)
{
    const struct eval_column c = eval_column(node);
    for (size_t i = 0; i < c.count; i++) {
        if ((c.present[i / 64] >> i % 64 & 1) != 0 &&
            strcmp(label_set_get(c.labels[i], "pod"), pod) == 0) {
            return c.values[i];
        }
    }
    return -1;
}

/* Series that lie side by side are read as one piece of the store; no longer when the first of them
 * comes again elsewhere. */
static void a_first_series_born_again_elsewhere_leaves_the_others_theirs(void **state)
{
    (void)state;
    struct world w;
    struct error error;
    world_init(&w);
    struct expr *x = tree_select(&w.arena, "x");
    tree_matching(&w.arena, x, "zone", MATCH_EQ, "a");
    const struct eval_node *node = eval_add(w.eval, x, duration_seconds(10), &error);
    assert_non_null(node);
    put(&w, 0, "first", "a", 1);
    put(&w, 0, "second", "a", 2);
    put(&w, 0, "other", "b", 3);
    tick(&w, 0);
    for (int t = 10; t <= 400; t += 10) { /* the others are forgotten */
        put(&w, t, "second", "a", 2);
        tick(&w, t);
    }
    put(&w, 410, "first", "a", 4); /* at the place of the third */
    put(&w, 410, "second", "a", 5);
    tick(&w, 410);
    assert_true(value_of(node, "first") == 4);
    assert_true(value_of(node, "second") == 5);
    world_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_first_series_born_again_elsewhere_leaves_the_others_theirs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
