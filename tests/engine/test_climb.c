/* Ladders of channels: who is told next, until somebody says that it is seen. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/engine/world.h"
#include "tests/unit.h"

#define HEAD                          \
    "edition 1\n"                     \
    "metric x ratio by (w)\n"         \
    "metric up ratio by (w)\n"        \
    "pool ws(w) = up ready up == 1\n" \
    "channel oncall = log\n"          \
    "channel boss = log\n"            \
    "channel all_hands = log\n"

#define LADDER                                                                            \
    "  escalate to oncall then boss after 10s then all_hands after 30s repeat every 1m\n" \
    "}\n"

static const char notifies[] = HEAD "policy high for each w in ws every 1s {\n"
                                    "  when x > 90% for 0s\n"
                                    "  clear when x < 50% for 0s\n"
                                    "  on missing hold\n" LADDER;
static const char acts[] = HEAD
    "action fix(t: w) { via exec affects t.x within 1s irreversible timeout 3s }\n"
    "policy high for each w in ws every 1s {\n"
    "  when x > 90% for 0s\n"
    "  clear when x < 50% for 0s\n"
    "  on missing hold\n"
    "  on stale > 1m notify oncall\n"
    "  heal { try fix(w) approve by oncall within 10s verify x < 50% holds 1s within 2s else page "
    "oncall }\n"
    "  bound at most 1000000 of ws per 1s\n"
    "  cooldown 1s\n" LADDER;

enum { ENTITIES = 3 };
static const double ill[ENTITIES] = {0.95, 0.2, 0.2}, well[ENTITIES] = {0.2, 0.2, 0.2};

static void on(struct world *world, const double *x, int seconds)
{
    for (int i = 0; i < seconds; i++) {
        world_step(world, x, NULL, NULL, 0);
    }
}

static size_t pages_to(const struct world *world, const char *channel)
{
    size_t count = 0;
    for (size_t i = 0; i < world->record_count; i++) {
        count += world->records[i].kind == RECORD_ESCALATED &&
                 strcmp(world->records[i].action, channel) == 0;
    }
    return count;
}

static void acknowledge(struct world *world, uint64_t id)
{
    world_step(world, ill, NULL,
               &(struct input){
                   .kind = INPUT_ACKNOWLEDGE, .id = id, .who = "ann", .uid = 1001, .text = "mine"},
               1);
}

static void an_acknowledgement_is_of_an_open_incident_that_was_told_and_once(void **state)
{
    (void)state;
    struct world world;
    char why[TEXT_BYTES];
    world_init(&world, notifies, ENTITIES);
    on(&world, well, 2);
    struct input word = {.kind = INPUT_ACKNOWLEDGE, .id = 1, .who = "ann", .uid = 1001};
    assert_false(engine_may_acknowledge(world.engine, &word, why, sizeof why));
    assert_string_equal(why, "no incident 1 is open");
    on(&world, ill, 2);
    assert_true(engine_may_acknowledge(world.engine, &word, why, sizeof why));
    assert_false(engine_incident(world.engine, 0).acknowledged);
    acknowledge(&world, 1);
    assert_true(engine_incident(world.engine, 0).acknowledged);
    assert_false(engine_may_acknowledge(world.engine, &word, why, sizeof why));
    assert_string_equal(why, "incident 1 is acknowledged");
    acknowledge(&world, 1);
    assert_int_equal(world_count(&world, RECORD_ACKNOWLEDGED), 1);
    world_release(&world);
}

static void what_only_asks_was_told_to_nobody_else_and_climbs_when_it_is_held(void **state)
{
    (void)state;
    struct world world;
    world_init(&world, acts, ENTITIES);
    on(&world, well, 2);
    on(&world, ill, 8); /* asked */
    assert_int_equal(world_count(&world, RECORD_ASKED), 1);
    assert_int_equal(world_count(&world, RECORD_ESCALATED), 0);
    while (world_count(&world, RECORD_DENIED) == 0) {
        on(&world, ill, 1);
    }
    assert_int_equal(pages_to(&world, "oncall"), 1); /* held */
    on(&world, ill, 9);
    assert_int_equal(pages_to(&world, "boss"), 0);
    on(&world, ill, 1);
    assert_int_equal(pages_to(&world, "boss"), 1);
    world_release(&world);
}

/* Acknowledged when it asked, then approved and refused by the actor: held anew, and told anew. */
static void what_was_acknowledged_climbs_again_once_it_is_held_anew(void **state)
{
    (void)state;
    struct world world;
    world_init(&world, acts, ENTITIES);
    on(&world, well, 2);
    on(&world, ill, 3);
    world_step(&world, ill, NULL,
               &(struct input){.kind = INPUT_APPROVE, .id = 1, .who = "ann", .uid = 1001}, 1);
    const struct effect *act = world_effect(&world, EFFECT_DISPATCH);
    assert_non_null(act);
    acknowledge(&world, 1); /* the question told a person */
    world_step(&world, ill, NULL,
               &(struct input){.kind = INPUT_RESULT, .id = act->id, .outcome = OUTCOME_REFUSED}, 1);
    assert_int_equal(pages_to(&world, "oncall"), 1);
    assert_false(engine_incident(world.engine, 0).acknowledged);
    on(&world, ill, 30);
    assert_int_equal(pages_to(&world, "boss"), 1);
    assert_int_equal(pages_to(&world, "all_hands"), 1);
    world_release(&world);
}

/* What an incident's ladder must have told, from its first page on. */
struct expected {
    uint64_t incident;
    struct instant first, end; /* end: acknowledged or closed at this step; ns 0: neither */
    size_t pages;
};

static const struct {
    int after;
    const char *channel;
} ladder[] = {{0, "oncall"},      {10, "boss"},       {30, "all_hands"}, {90, "all_hands"},
              {150, "all_hands"}, {210, "all_hands"}, {270, "all_hands"}};

static struct expected *expected_of(struct expected *all, size_t count, uint64_t incident)
{
    for (size_t i = 0; i < count; i++) {
        if (all[i].incident == incident) {
            return &all[i];
        }
    }
    return NULL;
}

static void follow(struct expected *all, size_t *count, const struct record *record)
{
    struct expected *one = expected_of(all, *count, record->incident);
    if (record->kind == RECORD_ACKNOWLEDGED || record->kind == RECORD_CLOSED) {
        one->end = one->end.ns ? one->end : record->time;
    } else if (record->kind == RECORD_ESCALATED) {
        if (!one) {
            one = &all[(*count)++];
            *one = (struct expected){.incident = record->incident, .first = record->time};
        }
        assert_true(one->end.ns == 0 || record->time.ns < one->end.ns);
        assert_true(one->pages < ARRAY_LEN(ladder));
        assert_int_equal(record->time.ns, one->first.ns + ladder[one->pages].after * NS_PER_S);
        assert_string_equal(record->action, ladder[one->pages].channel);
        one->pages++;
    }
}

static void who_is_told_when_follows_the_ladder_over_random_words_and_restarts(void **state)
{
    (void)state;
    size_t pages = 0, ends = 0, restarts = 0;
    for (unsigned round = 1; round <= 60; round++) {
        struct world world;
        unsigned seed = round;
        struct expected all[200];
        size_t count = 0;
        double x[ENTITIES] = {0.2, 0.2, 0.2};
        world_init(&world, notifies, ENTITIES);
        for (int t = 0; t < 300; t++) {
            const size_t from = world.record_count;
            for (size_t i = 0; i < ENTITIES; i++) {
                x[i] = rand_r(&seed) % 100 == 0 ? (x[i] > 0.5 ? 0.2 : 0.95) : x[i];
            }
            if (rand_r(&seed) % 50 == 0) {
                world_restart(&world);
                restarts++;
            } else if (rand_r(&seed) % 50 == 0) {
                world_reload(&world);
            }
            const size_t open = engine_incident_count(world.engine);
            const bool speaks = open > 0 && rand_r(&seed) % 100 == 0;
            const struct input word = {
                .kind = INPUT_ACKNOWLEDGE,
                .id = speaks ? engine_incident(world.engine, (size_t)rand_r(&seed) % open).id : 0,
                .who = "ann",
                .uid = 1001};
            world_step(&world, x, NULL, &word, speaks);
            for (size_t i = from; i < world.record_count; i++) {
                follow(all, &count, &world.records[i]);
            }
            for (size_t i = 0; i < count; i++) { /* nothing was left out */
                const size_t next = all[i].pages;
                assert_true(all[i].end.ns != 0 || next == ARRAY_LEN(ladder) ||
                            world.now.ns < all[i].first.ns + ladder[next].after * NS_PER_S);
            }
        }
        for (size_t i = 0; i < count; i++) {
            pages += all[i].pages;
            ends += all[i].end.ns != 0;
        }
        world_release(&world);
    }
    print_message("%zu pages, %zu ended, %zu restarts\n", pages, ends, restarts);
    assert_true(pages > 500 && ends > 100 && restarts > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_acknowledgement_is_of_an_open_incident_that_was_told_and_once),
        cmocka_unit_test(what_only_asks_was_told_to_nobody_else_and_climbs_when_it_is_held),
        cmocka_unit_test(what_was_acknowledged_climbs_again_once_it_is_held_anew),
        cmocka_unit_test(who_is_told_when_follows_the_ladder_over_random_words_and_restarts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
