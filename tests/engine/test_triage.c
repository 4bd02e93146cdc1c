/* Where there is room for one action only, the incident that matters most has it. */
#include <stdio.h>
#include <string.h>

#include "runtime/engine/engine_internal.h"
#include "tests/engine/world.h"
#include "tests/unit.h"

#define HEAD                                                                        \
    "edition 1\n"                                                                   \
    "metric x ratio by (w)\n"                                                       \
    "metric up ratio by (w)\n"                                                      \
    "pool ws(w) = up ready up == 1\n"                                               \
    "channel oncall = log\n"                                                        \
    "guard house { at most 1 of ws per 1m }\n"                                      \
    "action fix(t: w) { via exec affects t.x within 4s irreversible timeout 3s }\n" \
    "action cool(t: w) { via exec affects t.x within 4s irreversible timeout 3s }\n"

#define POLICY(name, when, action, words)                                               \
    "policy " name " for each w in ws every 1s {\n" words "  when " when " for 2s\n"    \
    "  clear when x < 50% for 2s\n"                                                     \
    "  on missing hold\n"                                                               \
    "  on stale > 1m notify oncall\n"                                                   \
    "  heal { try " action "(w) verify x < 50% holds 1s within 5s else page oncall }\n" \
    "  bound at most 10 of ws per 1m\n"                                                 \
    "  cooldown 10s\n}\n"

/* Which action is the first one, on which target; entity 0 is at 92%, the others at 97%. */
static void first_of(const char *text, size_t entities, const char *action, const char *target)
{
    struct world world;
    struct engine_grant grants[2];
    double x[WORLD_ENTITIES_MAX];
    const struct record *first = NULL;
    world_init(&world, text, entities);
    grants[0] = grants[1] = world.grant;
    grants[1].action = "cool";
    world.host.grants = grants;
    world.host.grant_count = 2;
    for (int i = 0; i < 10; i++) {
        for (size_t k = 0; k < entities; k++) {
            x[k] = i == 0 ? 0.2 : k == 0 ? 0.92 : 0.97;
        }
        world_step(&world, x, NULL, NULL, 0);
    }
    for (size_t i = 0; i < world.record_count && !first; i++) {
        first = world.records[i].kind == RECORD_DISPATCHED ? &world.records[i] : NULL;
    }
    assert_int_equal(world_count(&world, RECORD_DISPATCHED), 1);
    assert_string_equal(first->action, action);
    assert_string_equal(first->target, target);
    world_release(&world);
}

static void the_larger_impact_goes_first(void **state)
{
    (void)state;
    first_of(HEAD POLICY("small", "x > 90%", "fix", "impact low\n")
                 POLICY("great", "x > 95%", "cool", "impact critical\n"),
             2, "cool", "w=e1");
    first_of(HEAD POLICY("great", "x > 90%", "fix", "impact critical\n")
                 POLICY("small", "x > 95%", "cool", "impact low\n"),
             2, "fix", "w=e0");
    /* Not said is medium. */
    first_of(HEAD POLICY("small", "x > 90%", "fix", "impact low\n")
                 POLICY("plain", "x > 95%", "cool", ""),
             2, "cool", "w=e1");
}

/* shop stands on db: db weighs 4 + 1, shop 1. */
static void then_what_more_services_stand_on(void **state)
{
    (void)state;
#define SERVICE(name, w, action)                                                              \
    "policy " name "_down for service " name " every 1s {\n"                                  \
    "  when max(x{w=\"" w "\"}) > 90% for 2s\n"                                               \
    "  clear when max(x{w=\"" w "\"}) < 50% for 2s\n"                                         \
    "  on missing hold\n  on stale > 1m notify oncall\n"                                      \
    "  heal { try " action "(db) verify max(x) < 50% holds 1s within 5s else page oncall }\n" \
    "  bound at most 10 of service per 1m\n  cooldown 10s\n}\n"
    struct world world;
    world_init(&world,
               HEAD "service db { tier gold }\nservice shop { depends on db }\n"
                    "action turn(s: service) { via exec irreversible timeout 3s }\n" SERVICE(
                        "shop", "e1", "turn") SERVICE("db", "e0", "turn"),
               2);
    for (int i = 0; i < 6; i++) {
        world_step(&world, (const double[]){i ? 0.95 : 0.2, i ? 0.95 : 0.2}, NULL, NULL, 0);
    }
    const struct record *first = NULL;
    for (size_t i = 0; i < world.record_count && !first; i++) {
        first = world.records[i].kind == RECORD_REFUSED ? &world.records[i] : NULL;
    }
    assert_non_null(first); /* no grant names it: whoever is refused first was first */
    assert_string_equal(first->policy, "db_down");
    world_release(&world);
}

static void then_what_affects_more(void **state)
{
    (void)state;
    first_of(HEAD POLICY("few", "x < 95% and x > 90%", "fix", "")
                 POLICY("many", "x > 95%", "cool", ""),
             3, "cool", "w=e1");
}

static void then_the_kind_of_risk(void **state)
{
    (void)state;
    first_of(HEAD POLICY("room", "x < 95% and x > 90%", "fix", "risk capacity\n")
                 POLICY("there", "x > 95%", "cool", "risk availability\n"),
             2, "cool", "w=e1");
}

static void then_the_oldest(void **state)
{
    (void)state;
    first_of(HEAD POLICY("a", "x < 95% and x > 90%", "fix", "") POLICY("b", "x > 95%", "cool", ""),
             2, "fix", "w=e0");
}

static void a_trigger_looks_ahead_as_far_as_its_forecasts(void **state)
{
    (void)state;
    struct world world;
    world_init(&world,
               HEAD POLICY("now", "x > 90%", "fix", "") POLICY(
                   "far", "forecast(s, in: 2h, lookback: 1h) reaches 90%", "fix", "signal s = x\n")
                   POLICY("soon", "near > 90%", "fix",
                          "signal near = forecast(x, in: 10m, lookback: 1h)\n"),
               1);
    double lead[3] = {-1, -1, -1};
    size_t i = 0;
    for (const struct policy *p = world.program->policies; p; p = p->next) {
        assert_true(i < ARRAY_LEN(lead));
        lead[i++] = duration_to_seconds(triage_of(p).lead);
    }
    assert_true(lead[0] == 0 && lead[1] == 7200 && lead[2] == 600);
    world_release(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_larger_impact_goes_first),
        cmocka_unit_test(then_what_more_services_stand_on),
        cmocka_unit_test(then_what_affects_more),
        cmocka_unit_test(then_the_kind_of_risk),
        cmocka_unit_test(then_the_oldest),
        cmocka_unit_test(a_trigger_looks_ahead_as_far_as_its_forecasts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
