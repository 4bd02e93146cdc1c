/* Random policies under random guards in random worlds: answers that come late, twice or never,
 * silent sources, people, kills and reloads. A recount of its own, from what was sent, what came of
 * it and what could be seen, says whether a bound, cooldown, budget or exclusion was ever passed.
 *
 *     test_engine_bounds               600 programs of seed 1
 *     test_engine_bounds 100000 7      as many of another seed; a line tells what was seen */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/engine/recount.h"
#include "tests/engine/world.h"
#include "tests/unit.h"

enum { INPUTS_MAX = 64 };

struct pending { /* an answer on its way */
    int due;
    size_t act;
    enum outcome outcome;
};

struct bounds {
    struct random_program program;
    struct world world;
    struct engine_grant grants[ACT_COUNT];
    struct engine_mode modes[RANDOM_POLICIES_MAX];
    char names[RANDOM_POLICIES_MAX][NAME_BYTES];
    uint64_t random, seed;
    struct recount count;
    double x[RANDOM_ENTITIES], n[RANDOM_ENTITIES], read[RANDOM_ENTITIES], heat;
    bool unseen[RANDOM_ENTITIES], heat_unseen;
    uint32_t place[RANDOM_ENTITIES], number[RANDOM_ENTITIES];
    uint32_t zones, heats, heat_series;
    struct pending pending[INPUTS_MAX];
    size_t pending_count;
};

struct seen { /* what the runs came to, so that they prove something */
    size_t programs, acts, undos, approved, doubtful, restarts, reloads, full[RANDOM_KINDS];
};

static const char *const shop[] = {"service=shop"};

/* ---- the world ---- */

static void grants_begin(struct bounds *b)
{
    for (int i = 0; i < ACT_COUNT; i++) {
        b->grants[i] = b->world.grant;
        b->grants[i].action = random_action_texts[i];
        b->grants[i].unattended = b->program.unattended[i];
    }
    b->grants[ACT_GROW].targets = b->grants[ACT_SHED].targets = shop;
    b->grants[ACT_GROW].target_count = b->grants[ACT_SHED].target_count = 1;
    for (size_t i = 0; i < b->program.policy_count; i++) {
        snprintf(b->names[i], sizeof b->names[i], "p%zu", i);
        b->modes[i] = (struct engine_mode){b->names[i], (enum mode)b->program.policies[i].mode};
    }
    b->world.host.grants = b->grants;
    b->world.host.grant_count = ACT_COUNT;
    b->world.host.modes = b->modes;
    b->world.host.mode_count = b->program.policy_count;
    world_reload(&b->world); /* with the modes */
}

static uint32_t series(struct bounds *b, uint32_t source, const char *metric,
                       const struct label *labels, size_t count)
{
    uint32_t id;
    struct error error;
    assert_int_equal(store_series(b->world.store, source, metric, labels, count, &id, &error),
                     STATUS_OK);
    return id;
}

static void bounds_begin(struct bounds *b, uint64_t seed)
{
    struct error error;
    memset(b, 0, sizeof *b);
    b->seed = seed;
    b->random = seed * 0xD1342543DE82EF95ULL | 1;
    random_program_make(&b->program, seed);
    recount_begin(&b->count, &b->program);
    world_init(&b->world, b->program.text, RANDOM_ENTITIES);
    const struct duration second = duration_seconds(1);
    assert_int_equal(store_source(b->world.store, "zones", second, second, &b->zones, &error),
                     STATUS_OK);
    assert_int_equal(store_source(b->world.store, "heat", second, second, &b->heats, &error),
                     STATUS_OK);
    b->heat_series = series(b, b->heats, "heat", NULL, 0);
    for (int i = 0; i < RANDOM_ENTITIES; i++) {
        char name[16], zone[16];
        snprintf(name, sizeof name, "e%d", i);
        snprintf(zone, sizeof zone, "z%d", i % RANDOM_ZONES);
        const struct label labels[] = {{"w", name}, {"z", zone}};
        b->place[i] = series(b, b->zones, "place", labels, 2);
        b->number[i] = series(b, b->world.sources_of[i], "n", labels, 1);
        b->x[i] = 0.2;
        b->n[i] = 1 + random_below(&b->random, 9);
    }
    grants_begin(b);
}

static void feed(struct bounds *b)
{
    struct store *store = b->world.store;
    const struct instant at = instant_add(b->world.now, duration_seconds(1));
    for (int i = 0; i < RANDOM_ENTITIES; i++) {
        if (!b->count.gone[i]) {
            (void)store_append(store, b->place[i], at, at, 1);
        }
        b->count.population[b->count.now + 1] += !b->count.gone[i];
        if (!b->unseen[i]) {
            (void)store_append(store, b->number[i], at, at, b->n[i]);
            b->read[i] = b->n[i];
            b->count.x_read[i] = b->x[i];
            b->count.x_at[i] = b->count.now + 1;
        }
    }
    store_answered(store, b->zones, at);
    if (b->heat_unseen) {
        store_failed(store, b->heats, at);
    } else {
        (void)store_append(store, b->heat_series, at, at, b->heat);
        b->count.heat_read = b->heat;
        b->count.heat_at = b->count.now + 1;
        store_answered(store, b->heats, at);
    }
}

static void events(struct bounds *b)
{
    static const double levels[] = {0.2, 0.2, 0.55, 0.93, 0.93, 0.97, 0.99};
    for (int i = 0; i < RANDOM_ENTITIES; i++) {
        if (random_below(&b->random, 12) == 0) {
            b->x[i] = levels[random_below(&b->random, (int)ARRAY_LEN(levels))];
        }
        if (random_below(&b->random, 60) == 0) { /* another hand */
            b->n[i] = 1 + random_below(&b->random, 9);
        }
        b->unseen[i] = random_below(&b->random, 60) == 0;
        b->count.gone[i] = random_below(&b->random, b->count.gone[i] ? 8 : 150) == 0
                               ? !b->count.gone[i]
                               : b->count.gone[i];
    }
    b->heat_unseen = random_below(&b->random, 40) == 0;
    if (random_below(&b->random, 25) == 0) {
        b->heat = random_below(&b->random, 3) == 0 ? 0.8 : 0.2;
    }
}

/* ---- inputs ---- */

static struct known *known_of(struct bounds *b, uint64_t incident)
{
    assert_true(incident < RECOUNT_INCIDENTS_MAX);
    return &b->count.known[incident];
}

static size_t answers(struct bounds *b, struct input *inputs)
{
    size_t count = 0;
    for (size_t i = 0; i < b->pending_count;) {
        const struct pending pending = b->pending[i];
        if (pending.due > b->count.now) {
            i++;
            continue;
        }
        struct act *act = &b->count.acts[pending.act];
        inputs[count++] = (struct input){.kind = INPUT_RESULT,
                                         .id = act->id,
                                         .outcome = pending.outcome,
                                         .ended = b->world.now,
                                         .text = ""};
        act->answered = true;
        b->pending[i] = b->pending[--b->pending_count];
    }
    return count;
}

static void word(struct bounds *b, struct input *ret)
{
    static const char *const people[] = {"ann", "bob"};
    const size_t open = engine_incident_count(b->world.engine);
    const int who = random_below(&b->random, 2);
    *ret = (struct input){.who = people[who], .uid = 1001 + (uint32_t)who, .text = "because"};
    ret->id = open > 0
                  ? engine_incident(b->world.engine, (size_t)random_below(&b->random, (int)open)).id
                  : 1;
    switch (random_below(&b->random, 12)) {
    case 0:
        if (random_below(&b->random, 4) == 0) {
            const int policy = random_below(&b->random, (int)b->program.policy_count);
            const int ceiling = b->program.policies[policy].mode;
            ret->kind = INPUT_MODE;
            ret->policy = b->names[policy];
            b->count.mode[policy] =
                random_below(&b->random, 3) ? ceiling : random_below(&b->random, ceiling + 1);
            ret->mode = (enum mode)b->count.mode[policy];
            break;
        }
        ret->kind = INPUT_DENY;
        break;
    case 1: ret->kind = INPUT_ACKNOWLEDGE; break;
    case 2:
        ret->kind = INPUT_STOP;
        b->count.stopped = true;
        break;
    case 3:
    case 4:
    case 5:
        ret->kind = INPUT_START;
        b->count.stopped = false;
        break;
    default:
        ret->kind = INPUT_APPROVE;
        known_of(b, ret->id)->yes |= (unsigned)known_of(b, ret->id)->asked << who;
        break;
    }
}

/* ---- what comes out ---- */

static void wrong(const struct bounds *b, const struct act *act, const char *what)
{
    printf("%s\n", b->program.text);
    for (size_t i = 0; i < b->world.record_count; i++) {
        const struct record *record = &b->world.records[i];
        printf("%4.0f %s %s %s %s: %s\n", (double)(record->time.ns / NS_PER_S - 1700000000),
               record->policy, record_infos[record->kind].text, record->target, record->action,
               record->text);
    }
    (void)fflush(stdout);
    fail_msg("seed %" PRIu64 ", tick %d: %s of object %d by p%d: %s", b->seed, act->at,
             random_action_texts[act->action], act->object, act->policy, what);
}

static void judge(struct bounds *b, struct known *known, struct seen *seen)
{
    const struct act *act = &b->count.acts[b->count.act_count - 1];
    const char *what = recount_passed(&b->count, known, seen->full);
    if (what) {
        wrong(b, act, what);
    }
    seen->acts += !act->undo;
    seen->undos += act->undo;
    seen->approved += act->approved;
}

static int policy_of(const struct record *record)
{
    return record->policy[1] - '0';
}

/* What was said of the last act of an incident. */
static void take_record(struct bounds *b, const struct record *record)
{
    const bool good = record->kind == RECORD_VERIFIED;
    const bool useless = record->kind == RECORD_UNVERIFIED || record->kind == RECORD_ABORTED;
    struct known *known = known_of(b, record->incident);
    if (record->kind == RECORD_ASKED || record->kind == RECORD_DENIED) {
        known->asked = record->kind == RECORD_ASKED;
        known->yes = 0; /* it was for another question */
    }
    const bool ended = known->ended;
    known->ended = ended || good || useless || record->kind == RECORD_FAILED ||
                   record->kind == RECORD_DROPPED || record->kind == RECORD_RESOLVED;
    if (known->acts == 0 || (!good && !useless && record->kind != RECORD_FAILED) ||
        (record->kind == RECORD_FAILED && known->undo) ||
        (record->kind == RECORD_ABORTED && ended)) {
        return;
    }
    struct judged *judged = &b->count.judged[policy_of(record)][known->object];
    judged->at = b->count.now;
    judged->failures = good ? 0 : judged->failures + 1;
    if (record->kind != RECORD_FAILED && !known->undo) {
        judged->useless[known->action] = good ? 0 : judged->useless[known->action] + 1;
    }
}

static void take_answer(struct bounds *b, size_t at, struct seen *seen)
{
    static const enum outcome others[] = {OUTCOME_FAILED, OUTCOME_TIMED_OUT, OUTCOME_NEVER_STARTED,
                                          OUTCOME_UNKNOWN, OUTCOME_REFUSED};
    const struct act *act = &b->count.acts[at];
    const enum outcome outcome = random_below(&b->random, 6)
                                     ? OUTCOME_SUCCEEDED
                                     : others[random_below(&b->random, (int)ARRAY_LEN(others))];
    if (outcome == OUTCOME_SUCCEEDED && act->action == ACT_SCALE) {
        b->n[act->object] = act->given;
    }
    if (outcome == OUTCOME_SUCCEEDED && act->object != RANDOM_SHOP &&
        random_below(&b->random, 3) == 0) {
        b->x[act->object] = 0.2;
    }
    if (random_below(&b->random, 12) == 0) {
        seen->doubtful++; /* no answer */
        return;
    }
    const int late = random_below(&b->random, 5) ? 1 : random_below(&b->random, 16);
    for (int times = random_below(&b->random, 10) ? 1 : 2; times > 0; times--) {
        assert_true(b->pending_count < INPUTS_MAX / 2);
        b->pending[b->pending_count++] =
            (struct pending){b->count.now + late + 3 * (times - 1), at,
                             times == 1 ? outcome : others[random_below(&b->random, 5)]};
    }
}

static void take_dispatch(struct bounds *b, const struct effect *effect,
                          const struct record *record, struct seen *seen)
{
    assert_int_equal(record->kind, RECORD_DISPATCHED);
    assert_true(b->count.act_count < RECOUNT_ACTS_MAX);
    struct known *known = known_of(b, record->incident);
    struct act *act = &b->count.acts[b->count.act_count++];
    *act = (struct act){
        .at = b->count.now,
        .object = effect->grant == ACT_GROW || effect->grant == ACT_SHED ? RANDOM_SHOP
                                                                         : (int)effect->target,
        .policy = policy_of(record),
        .action = (enum random_action)effect->grant,
        .undo = strncmp(record->text, "undo: ", 6) == 0,
        .approved = known->yes != 0,
        .by_two = known->yes == 3,
        .id = effect->id,
    };
    if (act->action == ACT_SCALE) {
        act->before = b->read[act->object];
        act->given = effect->numbers[0];
    }
    for (size_t i = 0; i + 1 < b->count.act_count; i++) {
        if (b->count.acts[i].id == act->id) {
            wrong(b, act, "an id twice");
        }
    }
    judge(b, known, seen);
    known->yes = 0;
    known->asked = false;
    known->acts++;
    known->undo = act->undo;
    if (!act->undo) {
        known->object = act->object;
        known->action = act->action;
        known->ended = false;
    }
    take_answer(b, b->count.act_count - 1, seen);
}

static void take_effects(struct bounds *b, struct seen *seen)
{
    const struct effects *effects = &b->world.effects;
    for (size_t i = 0; i < effects->count; i++) {
        const struct effect *effect = &effects->items[i];
        if (effect->kind == EFFECT_RECORD) {
            take_record(b, &effect->record);
        } else if (effect->kind == EFFECT_DISPATCH) {
            take_dispatch(b, effect, &effects->items[i - 1].record, seen);
        } else if (effect->kind == EFFECT_PROBE && random_below(&b->random, 4)) {
            for (size_t a = 0; a < b->count.act_count; a++) {
                if (b->count.acts[a].id == effect->id) {
                    assert_true(b->pending_count < INPUTS_MAX / 2);
                    b->pending[b->pending_count++] =
                        (struct pending){b->count.now + 1, a, OUTCOME_UNKNOWN};
                }
            }
        }
    }
}

static void tick(struct bounds *b, struct seen *seen)
{
    struct input inputs[INPUTS_MAX];
    events(b);
    size_t count = answers(b, inputs);
    for (int words = random_below(&b->random, 3); words > 0; words--) {
        word(b, &inputs[count++]);
    }
    feed(b);
    b->count.now++;
    world_step(&b->world, b->x, b->unseen, inputs, count);
    take_effects(b, seen);
    if (random_below(&b->random, 40) == 0) {
        b->count.rose = b->count.now;
        world_restart(&b->world); /* an approval does not outlive who asked */
        for (size_t i = 0; i < RECOUNT_INCIDENTS_MAX; i++) {
            b->count.known[i].yes = 0;
            b->count.known[i].asked = false;
        }
        seen->restarts++;
    } else if (random_below(&b->random, 40) == 0) {
        world_reload(&b->world);
        seen->reloads++;
    }
}

static void run(struct bounds *b, uint64_t seed, struct seen *seen)
{
    bounds_begin(b, seed);
    for (int i = 0; i < RECOUNT_TICKS_MAX; i++) {
        tick(b, seen);
    }
    world_release(&b->world);
    seen->programs++;
}

static size_t programs = 600;
static uint64_t first_seed = 1;

static void no_program_passes_a_limit(void **state)
{
    static const char *const kinds[RANDOM_KINDS] = {"bounds",     "of services", "in each domain",
                                                    "on any",     "in total",    "domains",
                                                    "unattended", NULL,          NULL,
                                                    NULL,         NULL,          NULL,
                                                    "budgets",    NULL,          NULL};
    (void)state;
    struct seen seen = {0};
    struct bounds *b = heap_alloc(sizeof *b);
    for (size_t i = 0; i < programs; i++) {
        run(b, first_seed * 1000003 + i, &seen);
    }
    free(b);
    print_message("%zu programs: %zu acts, %zu of them approved, %zu undos, %zu without an answer, "
                  "%zu restarts, %zu reloads; no limit passed; reached to the full:",
                  seen.programs, seen.acts, seen.approved, seen.undos, seen.doubtful, seen.restarts,
                  seen.reloads);
    for (int i = 0; i < RANDOM_KINDS; i++) {
        if (kinds[i]) {
            print_message(" %s %zu", kinds[i], seen.full[i]);
            assert_true(programs < 500 || seen.full[i] > programs / 100);
        }
    }
    print_message("\n");
    assert_true(programs < 500 || (seen.acts > 2 * programs && seen.undos > programs / 10 &&
                                   seen.approved > programs / 10 && seen.restarts > programs));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_program_passes_a_limit)};
    programs = argc > 1 ? strtoul(argv[1], NULL, 10) : programs;
    first_seed = argc > 2 ? strtoul(argv[2], NULL, 10) : first_seed;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
