/* What heal learns is what a recount over all outcomes gives: whatever their order, however many
 * keys there are, and never less for one more success. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/engine/beta.h"
#include "runtime/engine/learn.h"
#include "tests/unit.h"

enum { DAY_S = 24 * 3600 };

static uint64_t seed;
static uint64_t random_next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static struct instant day(double days)
{
    return (struct instant){(int64_t)(days * (double)DAY_S * (double)NS_PER_S)};
}

struct outcome_at {
    double day;
    unsigned key;
    enum learn_result result;
};

static struct learn_key key_of(unsigned i)
{
    static const char *const policies[] = {"a", "ab"}, *const classes[] = {"pod", "pod, leak"},
                             *const actions[] = {"scale", "recycle"};
    return (struct learn_key){policies[i & 1], classes[i >> 1 & 1], actions[i >> 2 & 1]};
}

static void tell(struct learning *learning, const struct outcome_at *outcome)
{
    const struct learn_key key = key_of(outcome->key);
    learn_outcome(learning, &key, day(outcome->day), outcome->result);
}

/* By definition: every outcome weighs half after each half-life. */
static void recount(const struct outcome_at *outcomes, size_t count, unsigned key, double now,
                    double ret[2], uint64_t ret_counts[3])
{
    ret[0] = ret[1] = 0;
    memset(ret_counts, 0, 3 * sizeof *ret_counts);
    for (size_t i = 0; i < count; i++) {
        if (outcomes[i].key == key) {
            ret_counts[outcomes[i].result]++;
            if (outcomes[i].result != LEARN_FAILED) {
                ret[outcomes[i].result] += exp2(-(now - outcomes[i].day) / 30);
            }
        }
    }
}

static void what_is_learned_is_the_recount(void **state)
{
    (void)state;
    enum { OUTCOMES = 400 };
    static struct outcome_at outcomes[OUTCOMES];
    for (seed = 1; seed < 40;) {
        const uint64_t round = seed;
        struct learning *learning = learning_new();
        double now = 20000;
        for (size_t i = 0; i < OUTCOMES; i++) {
            now += (double)(random_next() % 1000) / 100 * (double)(random_next() % 3 == 0);
            /* some are told late */
            const double late = random_next() % 5 == 0 ? (double)(random_next() % 90) : 0;
            outcomes[i] = (struct outcome_at){now - late, (unsigned)(random_next() % 8),
                                              (enum learn_result)(random_next() % 3)};
            tell(learning, &outcomes[i]);
            const unsigned k = (unsigned)(random_next() % 8);
            const double asked = now + (double)(random_next() % 100);
            const struct learn_key key = key_of(k);
            const struct learned learned = learn_of(learning, &key, day(asked));
            double weight[2];
            uint64_t counts[3];
            recount(outcomes, i + 1, k, asked, weight, counts);
            const double mean = (1 + weight[0]) / (2 + weight[0] + weight[1]);
            assert_true(fabs(learned.mean - mean) < 1e-9);
            assert_true(fabs(learned.weight - weight[0] - weight[1]) < 1e-8);
            assert_true(learned.verified == counts[0] && learned.unverified == counts[1] &&
                        learned.failed == counts[2]);
            assert_true(0 <= learned.low && learned.low <= learned.mean &&
                        learned.mean <= learned.high && learned.high <= 1);
        }
        learning_free(learning);
        seed = round + 1;
    }
}

static void one_more_success_never_lowers_the_mean_nor_a_failure_raises_it(void **state)
{
    (void)state;
    for (seed = 1; seed < 200;) {
        const uint64_t round = seed;
        struct learning *learning = learning_new();
        const struct learn_key key = key_of(0);
        double last = 20000;
        for (int i = 0; i < 60; i++) {
            /* far back too: a weight that hardly counts must not count the wrong way by rounding */
            const double back = (double)(random_next() % 8) * (double)(random_next() % 200);
            const bool good = random_next() % 2;
            const struct learned before = learn_of(learning, &key, day(last));
            learn_outcome(learning, &key, day(last - back),
                          good ? LEARN_VERIFIED : LEARN_UNVERIFIED);
            const struct learned after = learn_of(learning, &key, day(last));
            assert_true(good ? after.mean >= before.mean : after.mean <= before.mean);
            last += (double)(random_next() % 100) / 10;
        }
        learning_free(learning);
        seed = round + 1;
    }
}

static void the_order_of_outcomes_of_one_time_does_not_matter(void **state)
{
    (void)state;
    enum { OUTCOMES = 60 };
    for (seed = 1; seed < 100;) {
        const uint64_t round = seed;
        struct outcome_at outcomes[OUTCOMES];
        struct learning *one = learning_new(), *other = learning_new();
        for (size_t i = 0; i < OUTCOMES; i++) { /* ten at each of six times */
            outcomes[i] =
                (struct outcome_at){20000 + (double)(i / 10) * 11.7, (unsigned)(random_next() % 8),
                                    (enum learn_result)(random_next() % 3)};
            tell(one, &outcomes[i]);
        }
        for (size_t i = 0; i < OUTCOMES; i++) {
            const size_t ten = i / 10 * 10, j = ten + random_next() % 10;
            const struct outcome_at kept = outcomes[i];
            outcomes[i] = outcomes[j];
            outcomes[j] = kept;
        }
        for (size_t i = 0; i < OUTCOMES; i++) {
            tell(other, &outcomes[i]);
        }
        for (unsigned k = 0; k < 8; k++) {
            const struct learn_key key = key_of(k);
            const struct learned a = learn_of(one, &key, day(20100)),
                                 b = learn_of(other, &key, day(20100));
            assert_memory_equal(&a, &b, sizeof a); /* to the last bit */
        }
        learning_free(one);
        learning_free(other);
        seed = round + 1;
    }
}

static void nothing_known_is_the_prior(void **state)
{
    (void)state;
    struct learning *learning = learning_new();
    const struct learn_key key = key_of(3);
    struct learned learned = learn_of(learning, &key, day(20000));
    assert_true(learned.mean == 0.5 && learned.weight == 0 && learned.last.ns == 0);
    assert_true(fabs(learned.low - 0.05) < 1e-3 && fabs(learned.high - 0.95) < 1e-3);
    learn_outcome(learning, &key, day(20000), LEARN_FAILED);
    learned = learn_of(learning, &key, day(20000));
    assert_true(learned.mean == 0.5 && learned.failed == 1);
    learn_outcome(learning, &key, day(20000), LEARN_VERIFIED);
    assert_true(learn_of(learning, &key, day(20000)).mean == 2.0 / 3);
    assert_true(fabs(learn_of(learning, &key, day(20030)).weight - 0.5) < 1e-12); /* half of it */
    assert_true(fabs(learn_of(learning, &key, day(90000)).mean - 0.5) < 1e-12);   /* forgotten */
    learning_free(learning);
}

static void memory_is_bounded_and_the_oldest_is_forgotten(void **state)
{
    (void)state;
    struct learning *learning = learning_new();
    char name[NAME_BYTES];
    for (int i = 0; i < LEARN_KEYS_MAX + 500; i++) {
        snprintf(name, sizeof name, "policy%d", i);
        learn_outcome(learning, &(struct learn_key){name, "pod", "scale"}, day(20000 + i / 100.0),
                      LEARN_VERIFIED);
        if (i == LEARN_KEYS_MAX - 1) { /* the first one becomes the newest */
            learn_outcome(learning, &(struct learn_key){"policy0", "pod", "scale"},
                          day(20000 + i / 100.0), LEARN_VERIFIED);
        }
    }
    assert_int_equal(learn_count(learning), LEARN_KEYS_MAX);
    uint64_t found = 0;
    for (int i = 0; i < LEARN_KEYS_MAX + 500; i++) {
        snprintf(name, sizeof name, "policy%d", i);
        const struct learn_key key = {name, "pod", "scale"};
        const bool there = learn_of(learning, &key, day(21000)).verified > 0;
        assert_true(there == (i == 0 || i > 500));
        found += there;
    }
    assert_int_equal(found, LEARN_KEYS_MAX);
    learning_free(learning);
}

static void plans_are_compared_as_a_person_reads_them(void **state)
{
    (void)state;
    const struct learned a = {.mean = 0.70004}, b = {.mean = 0.69996}, c = {.mean = 0.71};
    assert_true(learned_compare(&a, &b) == 0 && learned_compare(&b, &a) == 0);
    assert_true(learned_compare(&c, &a) > 0 && learned_compare(&a, &c) < 0);
}

/* The part of Beta(a, b) below x, by Simpson in long double. */
static double below(double a, double b, double x)
{
    enum { STEPS = 20000 };
    long double sum[2] = {0, 0};
    const double ends[2] = {x, 1};
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i <= STEPS; i++) {
            const long double t = (long double)ends[k] * i / (long double)STEPS;
            const long double y = powl(t, (long double)a - 1) * powl(1 - t, (long double)b - 1);
            sum[k] += y * (i == 0 || i == STEPS ? 1 : i % 2 ? 4 : 2) * (long double)ends[k];
        }
    }
    return (double)(sum[0] / sum[1]);
}

static void an_interval_has_its_share_of_the_distribution(void **state)
{
    (void)state;
    static const double cases[][2] = {{1, 1},   {2, 1},     {1, 2},    {1, 40},
                                      {40, 1},  {3, 3},     {1.5, 9},  {20.25, 7},
                                      {90, 10}, {300, 200}, {1, 1000}, {5, 900}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        double low, high;
        beta_interval(cases[i][0], cases[i][1], 0.9, &low, &high);
        assert_true(fabs(below(cases[i][0], cases[i][1], low) - 0.05) < 0.002);
        assert_true(fabs(below(cases[i][0], cases[i][1], high) - 0.95) < 0.002);
    }
}

static void powers_and_logarithms_are_those_of_two(void **state)
{
    (void)state;
    for (seed = 9; seed != 0;) {
        for (int i = 0; i < 20000; i++) {
            const double x = ((double)(random_next() >> 11) * 0x1p-53 - 0.5) * 1900;
            assert_true(fabs(power_of_two(x) / exp2(x) - 1) < 1e-9);
            const double y = exp2(x);
            assert_true(fabs(log_of_two(y) - log2(y)) < 1e-9 * fmax(1, fabs(x)));
        }
        seed = 0;
    }
}

/* One compiler's answer for another's: a fused or reordered operation would show. */
static void the_bits_are_the_same_on_every_machine(void **state)
{
    (void)state;
    uint64_t hash = HASH_INIT;
    seed = 4;
    for (int i = 0; i < 3000; i++) {
        const double a = 1 + (double)(random_next() % 1000003) / 4096;
        const double b = 1 + (double)(random_next() % 1000003) / 4096;
        double results[4];
        beta_interval(a, b, 0.9, &results[0], &results[1]);
        results[2] = beta_mean(a, b);
        results[3] = power_of_two(a - b);
        hash = hash_bytes(hash, results, sizeof results);
    }
    assert_int_equal(hash, 0xe4c425de98f42a80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_learned_is_the_recount),
        cmocka_unit_test(one_more_success_never_lowers_the_mean_nor_a_failure_raises_it),
        cmocka_unit_test(the_order_of_outcomes_of_one_time_does_not_matter),
        cmocka_unit_test(nothing_known_is_the_prior),
        cmocka_unit_test(memory_is_bounded_and_the_oldest_is_forgotten),
        cmocka_unit_test(plans_are_compared_as_a_person_reads_them),
        cmocka_unit_test(an_interval_has_its_share_of_the_distribution),
        cmocka_unit_test(powers_and_logarithms_are_those_of_two),
        cmocka_unit_test(the_bits_are_the_same_on_every_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
