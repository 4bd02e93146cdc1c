/* What healc check says of the memory of windows is what the evaluator makes room for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/kept.h"
#include "runtime/engine/eval_node.h"
#include "tests/engine/world.h"
#include "tests/unit.h"

#define TAIL " on missing as prometheus escalate to oncall }\n"

/* Rows of all samples of the evaluator and those below it. */
static uint64_t rows_of(const struct eval *eval)
{
    uint64_t rows = 0;
    for (size_t i = 0; i < eval->node_count; i++) {
        const struct samples *samples = eval->nodes[i]->state.samples;
        if (samples && samples->slab_count > 0) {
            rows += (uint64_t)samples->tiles[0].rows;
        }
    }
    for (size_t i = 0; i < eval->sub_count; i++) {
        rows += rows_of(sub_eval(eval->subs[i]));
    }
    return rows;
}

/* text: what stands before and behind `when` of a policy for each series. */
static void agrees(const char *text, size_t selectors)
{
    struct world world;
    double x[] = {1, 1};
    char whole[4096];
    snprintf(whole, sizeof whole, "channel oncall = log\n%s", text);
    world_init(&world, whole, 2);
    world_step(&world, x, NULL, NULL, 0);
    world_step(&world, x, NULL, NULL, 0);
    struct kept_list list = {.arena = &world.arena, .scrape_s = 1};
    kept_of_program(&list, world.program);
    const uint64_t rows = rows_of(engine_eval(world.engine));
    if (list.count != selectors || kept_bytes(&list) != rows * KEPT_SAMPLE_BYTES) {
        for (const struct kept *kept = list.first; kept; kept = kept->next) {
            print_error("%s: %llu\n", kept->text, (unsigned long long)kept_samples(kept));
        }
        fail_msg("%s: %zu selectors with %llu bytes, room for %llu samples", text, list.count,
                 (unsigned long long)kept_bytes(&list), (unsigned long long)rows);
    }
    world_release(&world);
}

#define SERIES "policy p for each series every 10s { about \"a\" "

static void the_estimate_is_the_room_that_is_made(void **state)
{
    (void)state;
    agrees(SERIES "when x > 0" TAIL, 0);
    agrees(SERIES "when rate(x[5m]) >= 0" TAIL, 1);
    agrees(SERIES "when rate(x[5m]) >= 0 and max_over_time(x[1h] offset 1h) > 0" TAIL, 1);
    agrees(SERIES "when rate(x[5m]) >= 0 and rate(x{w=\"e0\"}[2h]) >= 0" TAIL, 2);
    agrees(SERIES
           "signal s = x * 2 when max_over_time(s[30m]) > 0 and max_over_time(s[7m]) > 0" TAIL,
           1);
    agrees(SERIES "signal s = x * 2 signal t = s + 1 when max_over_time(t[3h]) > 0" TAIL, 1);
    agrees(SERIES "when max_over_time(x[1h:1m] offset 5m) > 0" TAIL, 1);
    agrees(SERIES "when max_over_time(rate(x[5m])[1h:]) >= 0 and rate(x[5m]) >= 0" TAIL, 3);
    agrees(SERIES "when max_over_time(max_over_time(rate(x[5m])[10m:30s])[1h:]) >= 0" TAIL, 3);
    agrees(SERIES "signal s = rate(x[5m]) when max_over_time(s[1h]) >= 0 and "
                  "max_over_time((s * 2)[1h:1m]) >= 0" TAIL,
           4);
    agrees(SERIES
           "when forecast(x, in: 1h, lookback: 3h) reaches 9 or max_over_time(x[4h]) > 0" TAIL,
           1);
}

static void policies_share_what_they_read(void **state)
{
    (void)state;
    agrees(SERIES "when rate(x[5m]) >= 0" TAIL
                  "policy q for each series every 1m { about \"a\" when rate(x[2h]) >= 0" TAIL,
           1);
    agrees(SERIES "signal s = x * 2 when max_over_time(s[30m]) > 0" TAIL
                  "policy q for each series every 10s { about \"a\" signal r = x * 2 "
                  "when max_over_time(r[1h]) > 0" TAIL
                  "policy r for each series every 1m { about \"a\" signal r = x * 2 "
                  "when max_over_time(r[1h]) > 0" TAIL,
           2);
}

static void offsets_and_recorded_signals_are_counted(void **state)
{
    (void)state;
    struct world world;
    world_init(&world,
               "channel oncall = log\n"
               "signal a:b every 30s = rate(x[5m])\n" SERIES
               "when x offset 1h > 0 and x{w=\"e0\"} offset 30m > 0 and avg_over_time(a:b[1h]) > 0 "
               "and a:b offset 1h > 0" TAIL,
               1);
    struct kept_list list = {.arena = &world.arena, .scrape_s = 15};
    kept_of_program(&list, world.program);
    static const struct {
        const char *text;
        uint64_t samples;
    } want[] = {{"x", 20 + 6},
                {"x, by offset", 260 + 8 + 6},
                {"a:b", 120 + 3 + 6},
                {"a:b, by offset", 130 + 4 + 6}};
    const struct kept *kept = list.first;
    for (size_t i = 0; i < ARRAY_LEN(want); i++, kept = kept->next) {
        assert_non_null(kept);
        assert_string_equal(kept->text, want[i].text);
        assert_int_equal(kept_samples(kept), want[i].samples);
    }
    assert_null(kept);
    world_release(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_estimate_is_the_room_that_is_made),
        cmocka_unit_test(policies_share_what_they_read),
        cmocka_unit_test(offsets_and_recorded_signals_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
