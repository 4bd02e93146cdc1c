/* Approvals: for one plan, by the people who were asked for, until a deadline, once. */
#include <math.h>
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
    "action fix(t: w) { via exec affects t.x within 1s irreversible timeout 3s }\n"

#define POLICY(approve)                                                                  \
    HEAD "policy high for each w in ws every 1s {\n"                                     \
         "  when x > 90% for 0s\n"                                                       \
         "  clear when x < 50% for 0s\n"                                                 \
         "  on missing hold\n"                                                           \
         "  on stale > 1m notify oncall\n"                                               \
         "  heal { try fix(w) " approve " verify x < 50% holds 1s within 2s\n"           \
         "         then fix(w) " approve " verify x < 50% holds 1s within 2s else page " \
         "oncall }\n"                                                                    \
         "  bound at most 1000000 of ws per 1s\n"                                        \
         "  cooldown 2s\n}\n"

#define BY_MODE POLICY("")
#define BY_ONE  POLICY("approve by oncall within 10s")
#define BY_TWO  POLICY("approve by two of oncall within 10s")

static const double high[2] = {0.95, 0.2}, low[2] = {0.2, 0.2};

static void start(struct world *world, const char *text)
{
    world_init(world, text, 2);
    world->host.author = "eve";
    world_step(world, low, NULL, NULL, 0);
}

/* Steps until a person is asked. */
static struct approval_view ask(struct world *world, uint64_t *ret_incident)
{
    struct approval_view view;
    for (int i = 0; i < 20; i++) {
        world_step(world, high, NULL, NULL, 0);
        for (size_t k = 0; k < engine_incident_count(world->engine); k++) {
            *ret_incident = engine_incident(world->engine, k).id;
            if (engine_approval(world->engine, *ret_incident, &view)) {
                return view;
            }
        }
    }
    fail_msg("nobody was asked");
    return view;
}

static void say(struct world *world, enum input_kind kind, uint64_t id, uint32_t plan,
                const char *who, uint32_t uid)
{
    world_step(world, high, NULL,
               &(struct input){.kind = kind, .id = id, .plan = plan, .who = who, .uid = uid}, 1);
}

static bool dispatched(const struct world *world)
{
    return world_effect(world, EFFECT_DISPATCH) != NULL;
}

static const struct record *last(const struct world *world, enum record_kind kind)
{
    for (size_t i = world->record_count; i > 0; i--) {
        if (world->records[i - 1].kind == kind) {
            return &world->records[i - 1];
        }
    }
    fail_msg("no record %s", record_infos[kind].text);
    return NULL;
}

static void the_question_shows_the_plan_and_the_page_how_to_answer(void **state)
{
    (void)state;
    struct world world;
    uint64_t id;
    char name[16], said[64];
    start(&world, BY_ONE);
    const struct approval_view view = ask(&world, &id);
    assert_string_equal(view.text, "fix(w=e0)");
    assert_int_equal(view.until.ns, world.now.ns + 10 * NS_PER_S);
    snprintf(name, sizeof name, "%08x", view.plan);
    snprintf(said, sizeof said, "plan %s: fix(w=e0): ", name);
    assert_string_equal(engine_incident(world.engine, 0).plan, name);
    assert_non_null(strstr(last(&world, RECORD_ASKED)->text, said));
    snprintf(said, sizeof said, "healctl approve %d --plan %s", (int)id, name);
    assert_non_null(strstr(world_effect(&world, EFFECT_NOTIFY)->record.text, said));
    world_release(&world);
}

static void another_plan_is_refused_and_the_one_asked_is_named(void **state)
{
    (void)state;
    struct world world;
    uint64_t id;
    char why[TEXT_BYTES], said[64];
    start(&world, BY_ONE);
    const struct approval_view view = ask(&world, &id);
    snprintf(said, sizeof said, "the plan asked for is now %08x, fix(w=e0)", view.plan);
    const struct input wrong = {
        .kind = INPUT_APPROVE, .id = id, .plan = view.plan ^ 1, .who = "ann", .uid = 1001};
    assert_false(engine_may_approve(world.engine, &wrong, why, sizeof why));
    assert_string_equal(why, said);
    say(&world, INPUT_APPROVE, id, view.plan ^ 1, "ann", 1001);
    assert_false(dispatched(&world));
    assert_non_null(strstr(last(&world, RECORD_REFUSED)->text, said));
    assert_non_null(strstr(last(&world, RECORD_REFUSED)->text, "by ann"));
    say(&world, INPUT_APPROVE, id, view.plan, "ann", 1001);
    assert_true(dispatched(&world));
    world_release(&world);
}

static void an_approval_that_was_used_is_refused_and_recorded_when_it_comes_again(void **state)
{
    (void)state;
    struct world world;
    uint64_t id;
    start(&world, BY_ONE);
    const struct approval_view view = ask(&world, &id);
    say(&world, INPUT_APPROVE, id, view.plan, "ann", 1001);
    assert_true(dispatched(&world));
    const uint64_t action = world_effect(&world, EFFECT_DISPATCH)->id;
    say(&world, INPUT_APPROVE, id, view.plan, "ann", 1001);
    assert_non_null(strstr(last(&world, RECORD_REFUSED)->text, "it awaits no approval: it is"));
    world_step(&world, high, NULL,
               &(struct input){.kind = INPUT_RESULT, .id = action, .outcome = OUTCOME_FAILED}, 1);
    const struct approval_view again =
        ask(&world, &id); /* the next rung: the same act, asked anew */
    assert_string_equal(again.text, view.text);
    assert_int_not_equal(again.plan, view.plan);
    say(&world, INPUT_APPROVE, id, view.plan, "ann", 1001);
    assert_false(dispatched(&world));
    say(&world, INPUT_APPROVE, 77, view.plan, "ann", 1001);
    assert_non_null(strstr(last(&world, RECORD_REFUSED)->text, "no incident 77 is open"));
    world_release(&world);
}

static void an_approval_ends_with_its_deadline_also_when_it_was_given(void **state)
{
    (void)state;
    struct world world;
    uint64_t id;
    start(&world, BY_ONE);
    const struct approval_view view = ask(&world, &id);
    const struct input words[2] = {
        {.kind = INPUT_STOP, .who = "bob", .uid = 1002},
        {.kind = INPUT_APPROVE, .id = id, .plan = view.plan, .who = "ann", .uid = 1001}};
    world_step(&world, high, NULL, words, 2);
    world.now = instant_add(world.now, duration_seconds(10));
    world_step(&world, high, NULL, &(struct input){.kind = INPUT_START, .who = "bob"}, 1);
    assert_false(dispatched(&world));
    assert_non_null(strstr(last(&world, RECORD_REFUSED)->text, "ended before it could be used"));
    assert_string_equal(engine_incident(world.engine, 0).state, "asked");
    world_release(&world);
}

static void an_approval_for_another_cause_to_ask_is_asked_anew(void **state)
{
    (void)state;
    struct world world;
    uint64_t id;
    world_init(&world, BY_MODE, 2);
    world.host.default_mode = MODE_ASK;
    world_reload(&world);
    const struct approval_view view = ask(&world, &id);
    const struct input words[2] = {
        {.kind = INPUT_STOP, .who = "bob", .uid = 1002},
        {.kind = INPUT_APPROVE, .id = id, .plan = view.plan, .who = "ann", .uid = 1001}};
    world_step(&world, high, NULL, words, 2);
    world.grant.unattended = false; /* irreversible, and not granted as unattended any more */
    world_reload(&world);
    world_step(&world, high, NULL, &(struct input){.kind = INPUT_START, .who = "bob"}, 1);
    assert_false(dispatched(&world));
    assert_non_null(strstr(last(&world, RECORD_REFUSED)->text, "the plan is now another one"));
    assert_true(engine_approval(world.engine, id, &(struct approval_view){0}));
    world_release(&world);
}

static void two_people_must_approve_and_neither_the_author_nor_root_is_one(void **state)
{
    (void)state;
    struct world world;
    uint64_t id;
    start(&world, BY_TWO);
    const struct approval_view view = ask(&world, &id);
    assert_int_equal(view.wanted, 2);
    static const struct {
        const char *who, *refused;
        uint32_t uid;
    } yes[] = {{"root", "root does not say who it is", 0},
               {"eve", "eve is the author", 1003},
               {"ann", NULL, 1001},
               {"ann", "ann has approved it; another person must", 1001},
               {"eve", "eve is the author", 1003},
               {"root", "root does not say who it is", 0}};
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        say(&world, INPUT_APPROVE, id, view.plan, yes[i].who, yes[i].uid);
        assert_false(dispatched(&world));
        if (yes[i].refused) {
            assert_non_null(strstr(last(&world, RECORD_REFUSED)->text, yes[i].refused));
        } else {
            assert_string_equal(last(&world, RECORD_APPROVED)->text, "1 of 2, by ann");
        }
    }
    say(&world, INPUT_APPROVE, id, 0, "bob", 1002);
    assert_true(dispatched(&world));
    assert_string_equal(last(&world, RECORD_APPROVED)->text, "by bob");
    world_release(&world);
}

static void where_one_is_enough_the_author_may_approve(void **state)
{
    (void)state;
    struct world world;
    uint64_t id;
    start(&world, BY_ONE);
    (void)ask(&world, &id);
    say(&world, INPUT_APPROVE, id, 0, "eve", 1003);
    assert_true(dispatched(&world));
    world_release(&world);
}

static void one_no_ends_what_two_must_approve(void **state)
{
    (void)state;
    struct world world;
    uint64_t id;
    start(&world, BY_TWO);
    (void)ask(&world, &id);
    say(&world, INPUT_APPROVE, id, 0, "ann", 1001);
    say(&world, INPUT_DENY, id, 0, "bob", 1002);
    say(&world, INPUT_APPROVE, id, 0, "bob", 1002);
    assert_false(dispatched(&world));
    assert_string_equal(engine_incident(world.engine, 0).state, "held");
    world_release(&world);
}

/* ---- any order of things ---- */

/* What a person who watches from outside knows: the last question of each incident, and who said
 * yes to it since. */
enum { ASKS_MAX = 8, INTERLEAVINGS = 100000, INTERLEAVINGS_QUICK = 6000 };
static size_t interleavings = INTERLEAVINGS_QUICK;
struct watched {
    uint64_t incident;
    uint32_t plan, epoch;
    struct instant asked;
    char text[64], why[64];
    bool yes[4];
    bool used;
};
struct watcher {
    struct watched asks[ASKS_MAX]; /* a ring */
    size_t count;
    uint32_t old_plans[64]; /* asked before, to be played again */
    size_t old_count;
    double within;
    unsigned wanted;
    size_t dispatches, gated, answers;
};

static const struct {
    const char *who;
    uint32_t uid;
    bool counts_of_two;
} people[4] = {{"ann", 1001, true}, {"bob", 1002, true}, {"eve", 1003, false}, {"root", 0, false}};

static struct watched *watched_of(struct watcher *watcher, uint64_t incident)
{
    for (size_t i = watcher->count; i > 0 && i + ASKS_MAX > watcher->count; i--) {
        struct watched *ask = &watcher->asks[(i - 1) % ASKS_MAX];
        if (ask->incident == incident) {
            return ask;
        }
    }
    return NULL;
}

static void watch_words(struct watcher *watcher, const struct world *world,
                        const struct input *inputs, const size_t *persons, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct watched *ask = watched_of(watcher, inputs[i].id);
        /* The words are heard at the step that is to come, one second on. */
        if (inputs[i].kind == INPUT_APPROVE && ask && ask->epoch == world->host.epoch &&
            (inputs[i].plan == 0 || inputs[i].plan == ask->plan) &&
            (watcher->wanted == 1 || people[persons[i]].counts_of_two) &&
            world->now.ns + NS_PER_S < ask->asked.ns + (int64_t)(watcher->within * NS_PER_S)) {
            ask->yes[persons[i]] = true;
        }
    }
}

/* By mode: an act is gated by what mode and grant say now, which is what the question must say. */
static void watch_effects(struct watcher *watcher, const struct world *world, bool by_mode)
{
    const bool gated = !by_mode || world->host.default_mode == MODE_ASK || !world->grant.unattended;
    for (size_t i = 0; i < world->effects.count; i++) {
        const struct record *record = &world->effects.items[i].record;
        if (world->effects.items[i].kind == EFFECT_RECORD && record->kind == RECORD_ASKED) {
            struct watched *ask = &watcher->asks[watcher->count++ % ASKS_MAX];
            *ask = (struct watched){
                .incident = record->incident, .epoch = record->epoch, .asked = world->now};
            ask->plan = (uint32_t)strtoul(record->text + strlen("plan "), NULL, 16);
            snprintf(ask->text, sizeof ask->text, "%.9s", record->text + strlen("plan 01234567: "));
            snprintf(ask->why, sizeof ask->why, "%s",
                     record->text + strlen("plan 01234567: fix(w=e0): "));
            for (size_t p = 0; p < ARRAY_LEN(watcher->old_plans); p++) {
                assert_int_not_equal(watcher->old_plans[p], ask->plan); /* each has its own */
            }
            watcher->old_plans[watcher->old_count++ % ARRAY_LEN(watcher->old_plans)] = ask->plan;
        }
        if (world->effects.items[i].kind != EFFECT_RECORD || record->kind != RECORD_INTENT) {
            continue;
        }
        watcher->dispatches++;
        if (!gated) {
            continue;
        }
        struct watched *ask = watched_of(watcher, record->incident);
        assert_non_null(ask);
        unsigned yes = 0;
        for (size_t p = 0; p < ARRAY_LEN(people); p++) {
            yes += ask->yes[p];
        }
        assert_true(yes >= watcher->wanted);
        assert_false(ask->used);
        assert_int_equal(ask->epoch, world->host.epoch);
        assert_true(world->now.ns < ask->asked.ns + (int64_t)(watcher->within * NS_PER_S));
        assert_string_equal(ask->text, record->text);
        assert_true(!by_mode ||
                    strcmp(ask->why, "it did not help this target twice in a row") == 0 ||
                    strcmp(ask->why, world->grant.unattended
                                         ? "mode ask"
                                         : "irreversible, and not granted as unattended") == 0);
        ask->used = true;
        watcher->gated++;
    }
}

/* One random word, maybe of somebody who plays an old plan again. */
static size_t some_words(struct watcher *watcher, struct world *world, unsigned *seed,
                         struct input *inputs, size_t *persons)
{
    size_t count = 0;
    while (count < 3 && rand_r(seed) % 2) {
        const size_t person = (size_t)rand_r(seed) % ARRAY_LEN(people);
        struct input *input = &inputs[count];
        *input = (struct input){.who = people[person].who, .uid = people[person].uid, .text = ""};
        const size_t open = engine_incident_count(world->engine);
        input->id = open > 0 && rand_r(seed) % 8
                        ? engine_incident(world->engine, (size_t)rand_r(seed) % open).id
                        : (uint64_t)rand_r(seed) % 4;
        struct approval_view asked;
        const unsigned which = (unsigned)rand_r(seed) % 4;
        input->plan = which < 2 && engine_approval(world->engine, input->id, &asked) ? asked.plan
                      : which == 2
                          ? watcher->old_plans[(size_t)rand_r(seed) % ARRAY_LEN(watcher->old_plans)]
                          : 0;
        const unsigned kind = (unsigned)rand_r(seed) % 16;
        input->kind = kind < 10   ? INPUT_APPROVE
                      : kind < 11 ? INPUT_DENY
                      : kind < 13 ? INPUT_STOP
                                  : INPUT_START;
        persons[count++] = person;
    }
    watcher->answers += count;
    return count;
}

/* One life of an incident: something happens at each of its steps. */
static void interleave(struct watcher *watcher, struct world *world, bool by_mode, unsigned *seed)
{
    struct input result = {.kind = INPUT_START};
    bool has_result = false;
    world->record_count = 0;
    for (unsigned step = 0; step < 8; step++) {
        struct input inputs[5];
        size_t persons[5] = {0};
        size_t count = some_words(watcher, world, seed, inputs, persons);
        switch (rand_r(seed) % 24) {
        case 0:
            world_restart(world);
            has_result = false;
            break;
        case 1:
            world->grant.unattended = rand_r(seed) % 2;
            world->host.default_mode = rand_r(seed) % 2 ? MODE_ASK : MODE_ACT;
            world_reload(world);
            break;
        case 2: world->now = instant_add(world->now, duration_seconds(watcher->within - 2)); break;
        }
        watch_words(watcher, world, inputs, persons, count);
        if (has_result) {
            inputs[count++] = result;
        }
        const bool unseen[2] = {rand_r(seed) % 10 == 0, false};
        world_step(world, step < 7 && rand_r(seed) % 8 ? high : low, unseen, inputs, count);
        watch_effects(watcher, world, by_mode);
        const struct effect *act = world_effect(world, EFFECT_DISPATCH);
        has_result = act != NULL;
        result = (struct input){.kind = INPUT_RESULT,
                                .id = act ? act->id : 0,
                                .outcome = rand_r(seed) % 2 ? OUTCOME_SUCCEEDED : OUTCOME_FAILED,
                                .ended = world->now};
    }
}

static void in_any_order_nothing_gated_starts_without_an_approval_of_its_own(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double within;
        unsigned wanted;
    } kinds[] = {{BY_MODE, 900, 1}, {BY_ONE, 10, 1}, {BY_TWO, 10, 2}};
    const size_t each = interleavings / ARRAY_LEN(kinds) + 1;
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        struct world world;
        struct watcher watcher = {.within = kinds[k].within, .wanted = kinds[k].wanted};
        unsigned seed = 42 + (unsigned)k;
        start(&world, kinds[k].text);
        for (size_t i = 0; i < each; i++) {
            interleave(&watcher, &world, k == 0, &seed);
        }
        print_message("%zu words, %zu acts, %zu of them approved\n", watcher.answers,
                      watcher.dispatches, watcher.gated);
        assert_true(watcher.gated > each / 100); /* the claim is not empty */
        world_release(&world);
    }
}

/* long: as many as the claim is about. */
int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "long") == 0) {
        interleavings = INTERLEAVINGS;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_question_shows_the_plan_and_the_page_how_to_answer),
        cmocka_unit_test(another_plan_is_refused_and_the_one_asked_is_named),
        cmocka_unit_test(an_approval_that_was_used_is_refused_and_recorded_when_it_comes_again),
        cmocka_unit_test(an_approval_ends_with_its_deadline_also_when_it_was_given),
        cmocka_unit_test(an_approval_for_another_cause_to_ask_is_asked_anew),
        cmocka_unit_test(two_people_must_approve_and_neither_the_author_nor_root_is_one),
        cmocka_unit_test(where_one_is_enough_the_author_may_approve),
        cmocka_unit_test(one_no_ends_what_two_must_approve),
        cmocka_unit_test(in_any_order_nothing_gated_starts_without_an_approval_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
