/* Bounds count exactly, round towards fewer actions, and never open early. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/engine/ledger.h"
#include "tests/unit.h"

static uint64_t seed;
static uint64_t random_next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static struct instant at(double seconds)
{
    return (struct instant){(int64_t)(seconds * (double)NS_PER_S)};
}

static void ledger_counts_what_a_plain_loop_counts(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b", "c"};
    enum { SPENT = 3000 };
    for (seed = 1; seed < 20;) {
        uint64_t round = seed;
        struct ledger ledger = {.keep = duration_seconds(3600)};
        struct {
            double t;
            int policy, target, type;
        } *spent = calloc(SPENT, sizeof *spent);
        double t = 1e9;
        for (int i = 0; i < SPENT; i++) {
            t += (double)(random_next() % 30);
            int p = (int)(random_next() % 3), g = (int)(random_next() % 3),
                y = (int)(random_next() % 3);
            spent[i].t = t;
            spent[i].policy = p;
            spent[i].target = g;
            spent[i].type = y;
            assert_true(
                ledger_spend(&ledger, &(struct ledger_entry){.time = at(t),
                                                             .policy = ledger_name(names[p]),
                                                             .target = ledger_name(names[g]),
                                                             .type = ledger_name(names[y])}));
            double now = t + (double)(random_next() % 100);
            double window = 1 + (double)(random_next() % 3600);
            int wp = (int)(random_next() % 4) - 1, wg = (int)(random_next() % 4) - 1,
                wy = (int)(random_next() % 4) - 1;
            size_t expected = 0;
            for (int j = 0; j <= i; j++) {
                expected += spent[j].t > now - window && (wp < 0 || wp == spent[j].policy) &&
                            (wg < 0 || wg == spent[j].target) && (wy < 0 || wy == spent[j].type);
            }
            struct ledger_query query = {
                .policy = wp < 0 ? 0 : ledger_name(names[wp]),
                .target = wg < 0 ? 0 : ledger_name(names[wg]),
                .type = wy < 0 ? 0 : ledger_name(names[wy]),
                .window = duration_seconds(window),
            };
            assert_int_equal(ledger_count(&ledger, at(now), query), expected);
        }
        free(spent);
        ledger_release(&ledger);
        seed = round + 1;
    }
}

static void amounts_round_towards_fewer_actions(void **state)
{
    (void)state;
    struct amount tenth = {.has_ratio = true, .ratio = 0.1};
    struct amount both = {
        .has_count = true, .count = 2, .has_ratio = true, .ratio = 0.1, .minimum = true};
    struct amount keep = {.has_ratio = true, .ratio = 0.8};
    assert_true(amount_at_most(&tenth, 30) == 3);
    assert_true(amount_at_most(&tenth, 29) == 2);
    assert_true(amount_at_most(&tenth, 9) == 0);
    assert_true(amount_at_most(&tenth, NAN) == 0);
    assert_true(amount_at_most(&both, 1000) == 2);
    assert_true(amount_at_most(&both, 10) == 1);
    assert_true(amount_at_least(&keep, 10) == 8);
    assert_true(amount_at_least(&keep, 11) == 9);
    assert_true(amount_at_least(&keep, NAN) == INFINITY);
    for (int population = 0; population < 2000; population++) {
        for (int percent = 1; percent <= 100; percent++) {
            struct amount amount = {.has_ratio = true, .ratio = percent / 100.0};
            assert_true(amount_at_most(&amount, population) == population * percent / 100);
            assert_true(amount_at_least(&amount, population) == (population * percent + 99) / 100);
        }
    }
}

static void a_population_never_counts_larger_than_it_was_in_the_window(void **state)
{
    (void)state;
    for (seed = 1; seed < 50;) {
        uint64_t round = seed;
        struct population population = {0};
        size_t sizes[2000];
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
            sizes[i] = random_next() % 5 == 0 ? random_next() % 100 : (i ? sizes[i - 1] : 5);
            population_note(&population, at(1000.0 + (double)i), sizes[i]);
            size_t window = 1 + random_next() % 100;
            size_t smallest = sizes[i];
            for (size_t j = i; j + window > i && j < ARRAY_LEN(sizes); j--) {
                smallest = sizes[j] < smallest ? sizes[j] : smallest;
            }
            assert_true(population_smallest(&population, at(1000.0 + (double)i),
                                            duration_seconds((double)window)) <= smallest);
        }
        seed = round + 1;
    }
    struct population none = {0};
    assert_int_equal(population_smallest(&none, at(5), duration_seconds(10)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ledger_counts_what_a_plain_loop_counts),
        cmocka_unit_test(amounts_round_towards_fewer_actions),
        cmocka_unit_test(a_population_never_counts_larger_than_it_was_in_the_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
