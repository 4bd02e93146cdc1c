/* An incident is unprecedented when it is farther from the past than the past is from itself: by
 * the definition, for random pasts; and it is said what is far. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/engine/precedent.h"
#include "tests/unit.h"

static uint64_t seed;
static uint64_t random_next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static double random_share(void)
{
    return (double)(random_next() >> 11) * 0x1p-53;
}

static struct precedent_case random_case(size_t signals)
{
    static const char *const causes[] = {"", "leak", "surge"};
    struct precedent_case seen = {.signal_count = signals,
                                  .open = 1 + (uint32_t)(random_next() % 3)};
    snprintf(seen.cause, sizeof seen.cause, "%s", causes[random_next() % 3]);
    for (size_t i = 0; i < signals; i++) {
        seen.values[i] = random_next() % 9 == 0 ? (double)NAN
                         : random_next() % 7 == 0
                             ? 1e6 * random_share()
                             : 100 * (double)(i + 1) + 30 * random_share() * (double)(i % 3);
    }
    return seen;
}

/* ---- the definition, slowly ---- */

static int by_size(const void *a, const void *b)
{
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_size);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

struct past {
    struct precedent_case cases[PRECEDENT_PAST_MAX + 64];
    size_t from, count;
};

static double feature(const struct precedent_case *seen, size_t i)
{
    return i == PRECEDENT_SIGNALS_MAX ? seen->open : seen->values[i];
}

static double scale(const struct past *past, size_t i)
{
    double values[PRECEDENT_PAST_MAX + 64];
    size_t n = 0;
    for (size_t c = past->from; c < past->count; c++) {
        if (isfinite(feature(&past->cases[c], i))) {
            values[n++] = feature(&past->cases[c], i);
        }
    }
    if (n == 0) {
        return 0;
    }
    const double middle = median(values, n);
    for (size_t c = 0; c < n; c++) {
        values[c] = fabs(values[c] - middle);
    }
    const double least = i == PRECEDENT_SIGNALS_MAX ? 1 : fabs(middle) / 20;
    const double mad = 1.4826 * median(values, n);
    return mad > least ? mad : least;
}

static double between(const struct past *past, const double *scales, const struct precedent_case *a,
                      const struct precedent_case *b)
{
    double sum = strcmp(a->cause, b->cause) == 0 ? 0 : PRECEDENT_FAR * PRECEDENT_FAR;
    (void)past;
    for (size_t i = 0; i <= PRECEDENT_SIGNALS_MAX; i++) {
        if (i < a->signal_count || i == PRECEDENT_SIGNALS_MAX) {
            const double x = feature(a, i), y = feature(b, i);
            double d = fabs(x - y) / scales[i];
            if (!isfinite(x) || !isfinite(y)) {
                d = isfinite(x) || isfinite(y) ? PRECEDENT_FAR : 0;
            } else if (x == y) {
                d = 0;
            }
            d = d > PRECEDENT_FAR ? PRECEDENT_FAR : d;
            sum += d * d;
        }
    }
    return sqrt(sum);
}

static double from_past(const struct past *past, const double *scales,
                        const struct precedent_case *seen, size_t without)
{
    double all[PRECEDENT_PAST_MAX + 64];
    size_t n = 0;
    for (size_t c = past->from; c < past->count; c++) {
        if (c != without) {
            all[n++] = between(past, scales, seen, &past->cases[c]);
        }
    }
    qsort(all, n, sizeof *all, by_size);
    return (all[0] + all[1] + all[2]) / 3;
}

static void a_judgment_is_that_of_the_definition(void **state)
{
    (void)state;
    static struct past past;
    size_t yes = 0, no = 0;
    for (seed = 1; seed < 30;) {
        const uint64_t round = seed;
        const size_t signals = round % (PRECEDENT_SIGNALS_MAX + 1);
        struct precedent *precedent = precedent_new();
        struct precedent_signal names[PRECEDENT_SIGNALS_MAX];
        for (size_t i = 0; i < PRECEDENT_SIGNALS_MAX; i++) {
            names[i] = (struct precedent_signal){"used", {.known = false}};
        }
        past = (struct past){0};
        const size_t many = round % 5 == 0 ? PRECEDENT_PAST_MAX + 60 : 5 + round * 2;
        for (size_t c = 0; c < many; c++) {
            past.cases[past.count++] = random_case(signals);
            precedent_add(precedent, &past.cases[c]);
        }
        past.from = past.count > PRECEDENT_PAST_MAX ? past.count - PRECEDENT_PAST_MAX : 0;
        assert_int_equal(precedent_count(precedent), past.count - past.from);
        double scales[PRECEDENT_SIGNALS_MAX + 1], own[PRECEDENT_PAST_MAX];
        for (size_t i = 0; i <= PRECEDENT_SIGNALS_MAX; i++) {
            scales[i] = i < signals || i == PRECEDENT_SIGNALS_MAX ? scale(&past, i) : 0;
        }
        const size_t n = past.count - past.from;
        for (size_t c = 0; c < n; c++) {
            own[c] = from_past(&past, scales, &past.cases[past.from + c], past.from + c);
        }
        qsort(own, n, sizeof *own, by_size);
        const double threshold = own[(size_t)ceil(0.95 * (double)n) - 1];
        for (int t = 0; t < 20; t++) {
            const struct precedent_case seen = random_case(signals);
            struct precedent_judgment judgment;
            precedent_judge(precedent, &seen, names, &judgment);
            const double d = from_past(&past, scales, &seen, SIZE_MAX);
            assert_true(fabs(judgment.distance - d) < 1e-9);
            assert_true(fabs(judgment.threshold - threshold) < 1e-9);
            assert_true(judgment.unprecedented == (judgment.distance > judgment.threshold));
            assert_true(judgment.unprecedented == (judgment.text[0] != '\0'));
            yes += judgment.unprecedented;
            no += !judgment.unprecedented;
        }
        precedent_free(precedent);
        seed = round + 1;
    }
    assert_true(yes > 20 && no > 20);
}

static void one_that_happened_three_times_has_precedents(void **state)
{
    (void)state;
    for (seed = 1; seed < 60;) {
        const uint64_t round = seed;
        struct precedent *precedent = precedent_new();
        const struct precedent_signal names[4] = {{"a", {0}}, {"b", {0}}, {"c", {0}}, {"d", {0}}};
        const struct precedent_case seen = random_case(4);
        for (size_t c = 0; c < 40; c++) {
            const struct precedent_case other = random_case(4);
            precedent_add(precedent, c % 10 == 3 ? &seen : &other);
        }
        struct precedent_judgment judgment;
        precedent_judge(precedent, &seen, names, &judgment);
        assert_true(!judgment.unprecedented && judgment.distance == 0);
        precedent_free(precedent);
        seed = round + 1;
    }
}

static void too_few_are_no_precedent(void **state)
{
    (void)state;
    struct precedent *precedent = precedent_new();
    struct precedent_case seen = {.signal_count = 1, .values = {7}, .open = 1};
    const struct precedent_signal name = {"used", {.known = false}};
    struct precedent_judgment judgment;
    for (size_t i = 0; i < PRECEDENT_LEAST; i++) {
        precedent_judge(precedent, &seen, &name, &judgment);
        assert_true(judgment.unprecedented);
        assert_string_equal(judgment.text, "fewer than 5 incidents are remembered");
        precedent_add(precedent, &seen);
    }
    precedent_judge(precedent, &seen, &name, &judgment);
    assert_false(judgment.unprecedented);
    seen.signal_count = 2; /* another text of the policy: its past is another one */
    precedent_judge(precedent, &seen, &name, &judgment);
    assert_true(judgment.unprecedented);
    precedent_add(precedent, &seen);
    assert_int_equal(precedent_count(precedent), 1);
    precedent_free(precedent);
}

/* Twenty incidents with rps in 300..450 on a leak, alone or two at once. */
static struct precedent *usual_past(void)
{
    struct precedent *precedent = precedent_new();
    for (int i = 0; i < 20; i++) {
        precedent_add(precedent, &(struct precedent_case){.signal_count = 2,
                                                          .values = {300 + 150.0 * i / 19, 0.5},
                                                          .cause = "leak",
                                                          .open = 1 + (uint32_t)(i % 2)});
    }
    return precedent;
}

static void it_is_said_what_is_far(void **state)
{
    (void)state;
    const struct precedent_signal names[] = {
        {"rps", dimension_divide(dimension_of_unit(unit_find("req", 3), UNIT_NONE),
                                 dimension_of_unit(unit_find("s", 1), UNIT_NONE))},
        {"used", {.known = true, .ratio = true}}};
    static const struct {
        struct precedent_case seen;
        const char *text;
    } rows[] = {
        {{2, {12, 0.5}, "leak", 1}, "rps = 12req/s where 308req/s to 434req/s was usual"},
        {{2, {(double)NAN, 0.5}, "leak", 1},
         "rps is not seen where 308req/s to 434req/s was usual"},
        {{2, {380, 0.5}, "surge", 1}, "cause surge in 0 of 20 incidents"},
        {{2, {380, 0.5}, "", 1}, "no cause in 0 of 20 incidents"},
        {{2, {380, 0.9}, "leak", 1}, "used = 90% where 50% was usual"},
        {{2, {380, 0.5}, "leak", 30}, "incidents open = 30 where 1 to 2 was usual"},
        {{2, {380, 0.5}, "leak", 2}, ""},
        {{2, {301, 0.5}, "leak", 1}, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct precedent *precedent = usual_past();
        struct precedent_judgment judgment;
        precedent_judge(precedent, &rows[i].seen, names, &judgment);
        if (strncmp(judgment.text, "rps", 3) != 0) {
            assert_string_equal(judgment.text, rows[i].text);
        } else { /* the ends are ranks of the past; the words around them are what is told */
            assert_non_null(strstr(judgment.text, i == 0 ? "rps = 12" : "rps is not seen where 3"));
            assert_non_null(strstr(judgment.text, " was usual"));
        }
        assert_true(judgment.unprecedented == (rows[i].text[0] != '\0'));
        precedent_free(precedent);
    }
}

static void one_strange_incident_does_not_make_others_usual(void **state)
{
    (void)state;
    const struct precedent_signal names[2] = {{"rps", {0}}, {"used", {0}}};
    struct precedent *precedent = usual_past();
    precedent_add(precedent, &(struct precedent_case){2, {1e6, 0.5}, "leak", 1});
    const struct precedent_case seen = {2, {5e5, 0.5}, "leak", 1};
    struct precedent_judgment judgment;
    precedent_judge(precedent, &seen, names, &judgment);
    assert_true(judgment.unprecedented);
    precedent_free(precedent);
}

static void a_case_comes_back_from_its_text_bit_for_bit(void **state)
{
    (void)state;
    char text[TEXT_BYTES], again[TEXT_BYTES];
    struct precedent_case read;
    for (seed = 3; seed < 400;) {
        const uint64_t round = seed;
        struct precedent_case seen = random_case(round % (PRECEDENT_SIGNALS_MAX + 1));
        for (size_t i = 0; i < seen.signal_count; i++) {
            const uint64_t bits = random_next();
            if (round % 2) {
                memcpy(&seen.values[i], &bits, sizeof bits);
            }
        }
        precedent_print(&seen, text);
        assert_true(precedent_read(text, &read));
        assert_true(read.open == seen.open && read.signal_count == seen.signal_count);
        assert_string_equal(read.cause, seen.cause);
        for (size_t i = 0; i < seen.signal_count; i++) {
            assert_true(isfinite(seen.values[i])
                            ? memcmp(&read.values[i], &seen.values[i], sizeof(double)) == 0
                            : isnan(read.values[i]));
        }
        precedent_print(&read, again);
        assert_string_equal(text, again);
        seed = round + 1;
    }
    struct precedent_case longest = {.signal_count = PRECEDENT_SIGNALS_MAX, .open = UINT32_MAX};
    memset(longest.cause, 'x', NAME_BYTES_MAX);
    for (size_t i = 0; i < PRECEDENT_SIGNALS_MAX; i++) {
        longest.values[i] = -DBL_MAX;
    }
    precedent_print(&longest, text);
    assert_true(precedent_read(text, &read));
}

static void nonsense_is_no_case(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "seen",
                                        "seen ",
                                        "seen 1",
                                        "seen x - 1",
                                        "seen 1 - 1x",
                                        "seen 1 -  1",
                                        "seen 1 - inf",
                                        "seen -1 -",
                                        "seen 1 - nan",
                                        "seen 1 - 1 ",
                                        "seen 99999999999 -",
                                        "seen 1  1",
                                        "seen 1 - --1",
                                        "seen 1 - 1e999",
                                        "seen 1 - 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"};
    struct precedent_case read;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (precedent_read(texts[i], &read)) {
            fail_msg("'%s' was taken for a case", texts[i]);
        }
    }
}

/* One compiler's answer for another's: a fused or reordered operation would show. */
static void the_bits_are_the_same_on_every_machine(void **state)
{
    (void)state;
    uint64_t hash = HASH_INIT;
    struct precedent *precedent = precedent_new();
    struct precedent_signal names[8];
    seed = 4;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        names[i] = (struct precedent_signal){"x", {.known = false}};
    }
    for (int i = 0; i < 300; i++) {
        const struct precedent_case seen = random_case(ARRAY_LEN(names));
        struct precedent_judgment judgment;
        precedent_judge(precedent, &seen, names, &judgment);
        precedent_add(precedent, &seen);
        hash = hash_bytes(hash, &judgment.distance, sizeof judgment.distance);
        hash = hash_bytes(hash, &judgment.threshold, sizeof judgment.threshold);
        hash = hash_bytes(hash, judgment.text, strlen(judgment.text));
    }
    precedent_free(precedent);
    assert_int_equal(hash, 0x65d0b5718ccab85c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_judgment_is_that_of_the_definition),
        cmocka_unit_test(one_that_happened_three_times_has_precedents),
        cmocka_unit_test(too_few_are_no_precedent),
        cmocka_unit_test(it_is_said_what_is_far),
        cmocka_unit_test(one_strange_incident_does_not_make_others_usual),
        cmocka_unit_test(a_case_comes_back_from_its_text_bit_for_bit),
        cmocka_unit_test(nonsense_is_no_case),
        cmocka_unit_test(the_bits_are_the_same_on_every_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
