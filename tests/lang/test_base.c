/* Words every file uses: durations print as a policy writes them, distances suggest, arenas zero
 * and align. */
#include <math.h>

#include "lang/arena.h"
#include "lang/source.h"
#include "lang/unit.h"
#include "tests/unit.h"

static void duration_prints_as_a_policy_writes_it(void **state)
{
    (void)state;
    static const struct {
        int64_t ns;
        const char *text;
    } cases[] = {{0, "0s"},
                 {90 * 60 * NS_PER_S, "1h30m"},
                 {250 * NS_PER_MS, "250ms"},
                 {-NS_PER_S, "-1s"},
                 {INT64_MIN, "-106751d23h47m16s854ms"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[64];
        assert_string_equal(duration_print((struct duration){cases[i].ns}, text, sizeof text),
                            cases[i].text);
    }
}

static void edit_distance_counts_swaps_as_one(void **state)
{
    (void)state;
    assert_int_equal(edit_distance("polciy", "policy"), 1);
    assert_int_equal(edit_distance("", "abc"), 3);
    assert_int_equal(edit_distance("same", "same"), 0);
    assert_int_equal(edit_distance("used", "limit"), 5);
}

static void a_quantity_prints_as_people_write_it(void **state)
{
    (void)state;
    struct dimension bytes = dimension_of_unit(UNIT_BYTES, UNIT_NONE);
    struct dimension seconds = dimension_of_unit(UNIT_SECONDS, UNIT_NONE);
    struct dimension ratio = dimension_of_unit(UNIT_RATIO, UNIT_NONE);
    struct dimension speed = dimension_divide(bytes, seconds);
    const struct {
        double value;
        struct dimension dimension;
        const char *text;
    } cases[] = {{71827456, bytes, "68.5MiB"},     {512, bytes, "512B"},
                 {0.875, ratio, "87.5%"},          {5400, seconds, "1h30m"},
                 {1e-5, seconds, "1e-05s"},        {12.5, speed, "12.5"},
                 {(double)INFINITY, bytes, "inf"}, {3, (struct dimension){0}, "3"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[64];
        assert_string_equal(quantity_print(cases[i].value, cases[i].dimension, text, sizeof text),
                            cases[i].text);
    }
}

static void arena_alloc_gives_zeroed_aligned_memory(void **state)
{
    (void)state;
    struct arena arena = {0};
    for (size_t size = 1; size < 200000; size = size * 3 + 1) {
        unsigned char *p = arena_alloc(&arena, size);
        assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++) {
            assert_int_equal(p[i], 0);
            p[i] = 0xFF;
        }
    }
    arena_release(&arena);
}

static void a_place_has_its_line_and_column_in_code_points(void **state)
{
    (void)state;
    struct sources sources = {0};
    const struct source *a = sources_add(&sources, "a", "x\n\xc3\xa4\xc3\xb6z\n", 7, NULL);
    const struct source *b = sources_add(&sources, "b", "", 0, NULL);
    struct position p = sources_position(&sources, a->base + 6);
    assert_ptr_equal(p.source, a);
    assert_int_equal(p.line, 2);
    assert_int_equal(p.column, 3);
    assert_ptr_equal(sources_position(&sources, b->base).source, b);
    assert_null(sources_position(&sources, 0).source);
    assert_null(sources_position(&sources, UINT32_MAX).source);
    sources_release(&sources);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(duration_prints_as_a_policy_writes_it),
        cmocka_unit_test(edit_distance_counts_swaps_as_one),
        cmocka_unit_test(a_quantity_prints_as_people_write_it),
        cmocka_unit_test(arena_alloc_gives_zeroed_aligned_memory),
        cmocka_unit_test(a_place_has_its_line_and_column_in_code_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
