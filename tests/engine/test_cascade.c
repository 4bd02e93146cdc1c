/* A service fails, and then what stands on it: the incident where it began tells, once. */
#include <stdio.h>
#include <string.h>

#include "tests/engine/world.h"
#include "tests/unit.h"

#define HEAD                     \
    "edition 1\n"                \
    "metric x ratio by (w)\n"    \
    "metric up ratio by (w)\n"   \
    "channel oncall = log\n"     \
    "service db { tier gold }\n" \
    "service api { depends on db }\n"

#define POLICY(service, w)                                         \
    "policy " service "_down for service " service " every 1s {\n" \
    "  when max(x{w=\"" w "\"}) > 90% for 2s\n"                    \
    "  clear when max(x{w=\"" w "\"}) < 50% for 2s\n"              \
    "  escalate to oncall when unresolved for 1d or cascading\n}\n"

#define DIRECT  HEAD "service shop { depends on db }\n" POLICY("db", "e0") POLICY("shop", "e1")
#define THROUGH HEAD "service shop { depends on api }\n" POLICY("db", "e0") POLICY("shop", "e1")

static const char direct_text[] = "cascading: db -> shop; 1 that stands on it failed after it";

/* db fails at `db` seconds, shop at `shop`; 0: not at all. */
static void play(struct world *world, const char *text, int seconds, int db, int shop)
{
    world_init(world, text, 2);
    for (int t = 1; t <= seconds; t++) {
        const double x[2] = {db && t >= db ? 0.95 : 0.2, shop && t >= shop ? 0.95 : 0.2};
        world_step(world, x, NULL, NULL, 0);
    }
}

static const struct record *escalated(const struct world *world)
{
    const struct record *found = NULL;
    for (size_t i = 0; i < world->record_count; i++) {
        found = world->records[i].kind == RECORD_ESCALATED ? &world->records[i] : found;
    }
    return found;
}

static void what_stands_on_it_fails_and_one_page_is_sent(void **state)
{
    (void)state;
    struct world world;
    play(&world, DIRECT, 200, 10, 70);
    assert_int_equal(world_count(&world, RECORD_OPENED), 2);
    assert_int_equal(world_count(&world, RECORD_ESCALATED), 1);
    assert_string_equal(escalated(&world)->policy, "db_down");
    assert_string_equal(escalated(&world)->text, direct_text);
    world_release(&world);
}

static void an_incident_says_how_much_stands_on_its_service(void **state)
{
    (void)state;
    struct world world;
    const char *last = NULL;
    play(&world, THROUGH, 20, 10, 0);
    for (size_t i = 0; i < world.record_count; i++) {
        last = world.records[i].kind == RECORD_CONCLUDED ? world.records[i].text : last;
    }
    assert_non_null(last);
    assert_string_equal(last, "when max(x{w=\"e0\"}) > 90%; 2 services stand on db");
    world_release(&world);
}

static void what_nobody_watches_is_looked_through(void **state)
{
    (void)state;
    struct world world;
    play(&world, THROUGH, 200, 10, 70);
    assert_int_equal(world_count(&world, RECORD_ESCALATED), 1);
    assert_string_equal(escalated(&world)->text, direct_text);
    world_release(&world);
}

static void in_another_order_or_much_later_it_is_no_cascade(void **state)
{
    (void)state;
    static const int times[][2] = {{70, 10}, {10, 0}, {0, 10}, {10, 10}, {10, 1000}};
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        struct world world;
        play(&world, DIRECT, 1100, times[i][0], times[i][1]);
        assert_true(world_count(&world, RECORD_OPENED) > 0);
        assert_int_equal(world_count(&world, RECORD_ESCALATED), 0);
        world_release(&world);
    }
}

static void it_is_told_once_also_over_a_restart(void **state)
{
    (void)state;
    struct world world;
    play(&world, DIRECT, 100, 10, 70);
    assert_int_equal(world_count(&world, RECORD_ESCALATED), 1);
    const char *held = engine_incident(world.engine, 0).state;
    world_restart(&world);
    for (int t = 0; t < 60; t++) {
        world_step(&world, (const double[]){0.95, 0.95}, NULL, NULL, 0);
    }
    assert_int_equal(world_count(&world, RECORD_ESCALATED), 1);
    assert_int_equal(engine_incident_count(world.engine), 2);
    assert_string_equal(engine_incident(world.engine, 0).state, held);
    world_release(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_stands_on_it_fails_and_one_page_is_sent),
        cmocka_unit_test(an_incident_says_how_much_stands_on_its_service),
        cmocka_unit_test(what_nobody_watches_is_looked_through),
        cmocka_unit_test(in_another_order_or_much_later_it_is_no_cascade),
        cmocka_unit_test(it_is_told_once_also_over_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
