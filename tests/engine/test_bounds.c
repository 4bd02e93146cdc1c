/* Random policies under random guards in random worlds: answers that come late, twice or never,
 * silent sources, people, kills and reloads. A recount of its own, from what was sent, what came of
 * it and what could be seen, says whether a bound, cooldown, budget or exclusion was ever passed.
 *
 *     test_engine_bounds               2000 programs of seed 1
 *     test_engine_bounds 100000 7      as many of another seed; a line tells what was seen */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/engine/random_policy.h"
#include "tests/engine/world.h"
#include "tests/unit.h"

enum {
    TICKS = 110,
    ACTS_MAX = 2048,
    INCIDENTS_MAX = 1024,
    INPUTS_MAX = 64,
    FLIGHT_S = RANDOM_TIMEOUT_S + 6, /* for sure; a restart asks at once, and waits ten seconds */
    LATE_TICKS = 5,                  /* a silence as short as this may be lateness */
    BEGIN_S = 20                     /* a world begins at 22:13:20 */
};

struct act { /* as it was sent */
    int at, object, policy;
    enum random_action action;
    bool undo, answered, approved, by_two;
    double before, given;
    uint64_t id;
};

struct known { /* of an incident */
    size_t acts;
    bool undo; /* its last act */
    int object;
    enum random_action action;
    bool asked;
    unsigned yes; /* who said so since it was asked, a bit each; nothing was done since */
};

struct judged { /* of a policy and an object */
    int at;     /* INT32_MIN: never */
    int failures;
    int useless[ACT_COUNT]; /* in a row */
};

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
    int now; /* ticks */
    double x[RANDOM_ENTITIES], n[RANDOM_ENTITIES], read[RANDOM_ENTITIES], heat;
    double x_read[RANDOM_ENTITIES], heat_read; /* what was last told */
    int x_at[RANDOM_ENTITIES], heat_at;        /* when */
    bool unseen[RANDOM_ENTITIES], gone[RANDOM_ENTITIES], heat_unseen, stopped;
    int population[TICKS + 1]; /* at each tick */
    int rose;                  /* the engine, after this tick */
    uint32_t place[RANDOM_ENTITIES], number[RANDOM_ENTITIES];
    uint32_t zones, heats, heat_series;
    struct act acts[ACTS_MAX];
    size_t act_count;
    struct known known[INCIDENTS_MAX];
    struct judged judged[RANDOM_POLICIES_MAX][RANDOM_OBJECTS];
    int mode[RANDOM_POLICIES_MAX]; /* as the host or a person set it; what heal takes away is less
                                    */
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
    b->grants[ACT_GROW].targets = shop;
    b->grants[ACT_GROW].target_count = 1;
    for (size_t i = 0; i < b->program.policy_count; i++) {
        snprintf(b->names[i], sizeof b->names[i], "p%zu", i);
        b->mode[i] = b->program.policies[i].mode;
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
    for (size_t p = 0; p < RANDOM_POLICIES_MAX; p++) {
        for (size_t o = 0; o < RANDOM_OBJECTS; o++) {
            b->judged[p][o].at = INT32_MIN / 2;
        }
    }
    grants_begin(b);
}

static void feed(struct bounds *b)
{
    struct store *store = b->world.store;
    const struct instant at = instant_add(b->world.now, duration_seconds(1));
    for (int i = 0; i < RANDOM_ENTITIES; i++) {
        if (!b->gone[i]) {
            (void)store_append(store, b->place[i], at, at, 1);
        }
        b->population[b->now + 1] += !b->gone[i];
        if (!b->unseen[i]) {
            (void)store_append(store, b->number[i], at, at, b->n[i]);
            b->read[i] = b->n[i];
            b->x_read[i] = b->x[i];
            b->x_at[i] = b->now + 1;
        }
    }
    store_answered(store, b->zones, at);
    if (b->heat_unseen) {
        store_failed(store, b->heats, at);
    } else {
        (void)store_append(store, b->heat_series, at, at, b->heat);
        b->heat_read = b->heat;
        b->heat_at = b->now + 1;
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
        b->gone[i] = random_below(&b->random, b->gone[i] ? 8 : 150) == 0 ? !b->gone[i] : b->gone[i];
    }
    b->heat_unseen = random_below(&b->random, 40) == 0;
    if (random_below(&b->random, 25) == 0) {
        b->heat = random_below(&b->random, 3) == 0 ? 0.8 : 0.2;
    }
}

/* ---- inputs ---- */

static struct known *known_of(struct bounds *b, uint64_t incident)
{
    assert_true(incident < INCIDENTS_MAX);
    return &b->known[incident];
}

static size_t answers(struct bounds *b, struct input *inputs)
{
    size_t count = 0;
    for (size_t i = 0; i < b->pending_count;) {
        const struct pending pending = b->pending[i];
        if (pending.due > b->now) {
            i++;
            continue;
        }
        struct act *act = &b->acts[pending.act];
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
            b->mode[policy] =
                random_below(&b->random, 3) ? ceiling : random_below(&b->random, ceiling + 1);
            ret->mode = (enum mode)b->mode[policy];
            break;
        }
        ret->kind = INPUT_DENY;
        break;
    case 1: ret->kind = INPUT_ACKNOWLEDGE; break;
    case 2:
        ret->kind = INPUT_STOP;
        b->stopped = true;
        break;
    case 3:
    case 4:
    case 5:
        ret->kind = INPUT_START;
        b->stopped = false;
        break;
    default:
        ret->kind = INPUT_APPROVE;
        known_of(b, ret->id)->yes |= (unsigned)known_of(b, ret->id)->asked << who;
        break;
    }
}

/* ---- the recount ---- */

static void wrong(const struct bounds *b, const struct act *act, const char *what)
{
    print_message("%s\n", b->program.text);
    for (size_t i = 0; i < b->world.record_count; i++) {
        const struct record *record = &b->world.records[i];
        print_message("%4.0f %s %s %s %s: %s\n", (double)(record->time.ns / NS_PER_S - 1700000000),
                      record->policy, record_infos[record->kind].text, record->target,
                      record->action, record->text);
    }
    fail_msg("seed %" PRIu64 ", tick %d: %s of object %d by p%d: %s", b->seed, act->at,
             random_action_texts[act->action], act->object, act->policy, what);
}

static bool in_flight(const struct bounds *b, const struct act *act)
{
    return !act->answered && b->now - act->at <= FLIGHT_S;
}

/* Acts that count with the last one, itself among them. */
static int count_in(const struct bounds *b, const struct random_limit *limit)
{
    const struct act *last = &b->acts[b->act_count - 1];
    bool zones[RANDOM_ZONES] = {false};
    int count = 0;
    for (size_t i = b->act_count; i-- > 0 && b->acts[i].at > b->now - limit->per_s;) {
        const struct act *act = &b->acts[i];
        const bool same_type = (act->object == RANDOM_SHOP) == (last->object == RANDOM_SHOP);
        if (act->undo || (limit->policy >= 0 && act->policy != limit->policy) ||
            (limit->kind != RANDOM_TOTAL && limit->kind != RANDOM_SPEND && !same_type)) {
            continue;
        }
        switch (limit->kind) {
        case RANDOM_EACH_DOMAIN:
            count += act->object % RANDOM_ZONES == last->object % RANDOM_ZONES;
            break;
        case RANDOM_ON_ANY: count += act->object == last->object; break;
        case RANDOM_UNATTENDED: count += act->object == last->object && !act->approved; break;
        case RANDOM_DOMAINS:
            count += !zones[act->object % RANDOM_ZONES];
            zones[act->object % RANDOM_ZONES] = true;
            break;
        default: count++; break;
        }
    }
    return count;
}

static double changed_in(const struct bounds *b, const struct random_limit *limit)
{
    const struct act *last = &b->acts[b->act_count - 1];
    double sum = 0;
    for (size_t i = b->act_count; i-- > 0 && b->acts[i].at > b->now - limit->per_s;) {
        const struct act *act = &b->acts[i];
        if (act->object == last->object && act->action == ACT_SCALE) {
            sum += fabs(act->given - act->before);
        }
    }
    return sum;
}

/* Entities that are there and not acted on for sure. */
static int ready(const struct bounds *b)
{
    bool away[RANDOM_OBJECTS] = {false};
    int count = 0;
    for (size_t i = 0; i < b->act_count; i++) {
        away[b->acts[i].object] |= in_flight(b, &b->acts[i]);
    }
    for (int i = 0; i < RANDOM_ENTITIES; i++) {
        count += !away[i] && !b->gone[i];
    }
    return count;
}

/* The smallest of the window, since the engine rose: it remembers no inventories. */
static int population(const struct bounds *b, const struct random_limit *limit)
{
    int smallest = b->population[b->now];
    for (int t = b->now; t > b->rose && t > b->now - limit->per_s; t--) {
        smallest = b->population[t] < smallest ? b->population[t] : smallest;
    }
    return smallest;
}

static int failing(const struct bounds *b)
{
    bool watched = false;
    int count = 0;
    for (size_t i = 0; i < b->program.policy_count; i++) {
        watched |= !b->program.policies[i].service;
    }
    for (int i = 0; watched && i < RANDOM_ENTITIES; i++) {
        count += !b->gone[i] && b->x_at[i] == b->now && b->x_read[i] > 0.9;
    }
    return count;
}

static bool others_in_flight(const struct bounds *b, bool same_object)
{
    const struct act *last = &b->acts[b->act_count - 1];
    for (size_t i = 0; i + 1 < b->act_count; i++) {
        const struct act *act = &b->acts[i];
        if (in_flight(b, act) && (act->object == last->object) == same_object &&
            (same_object || act->object != RANDOM_SHOP)) {
            return true;
        }
    }
    return false;
}

/* NULL, or how the limit was passed by the last act. */
static const char *passes(const struct bounds *b, const struct random_limit *limit,
                          struct seen *seen)
{
    const struct act *act = &b->acts[b->act_count - 1];
    const bool service = act->object == RANDOM_SHOP;
    const bool own = limit->policy < 0 || limit->policy == act->policy;
    int count, allowed = limit->count;
    if (!own) {
        return NULL;
    }
    switch (limit->kind) {
    case RANDOM_BETWEEN: /* of undos too */
        return act->action == ACT_SCALE && !(act->given >= limit->low && act->given <= limit->high)
                   ? "between"
                   : NULL;
    case RANDOM_STEP:
        return act->action == ACT_SCALE && changed_in(b, limit) > limit->count + 1e-6 ? "step"
                                                                                      : NULL;
    case RANDOM_KEEP: /* an undo on what left the pool takes nothing from it */
        return !service && !b->gone[act->object] && ready(b) < limit->count ? "keep" : NULL;
    default: break;
    }
    if (act->undo) {
        return NULL;
    }
    switch (limit->kind) {
    case RANDOM_AT_MOST:
        if (limit->percent > 0) {
            const int share = limit->percent * population(b, limit) / 100;
            allowed = share < allowed ? share : allowed;
        }
        break;
    case RANDOM_OF_SERVICE:
    case RANDOM_EACH_DOMAIN:
    case RANDOM_ON_ANY:
    case RANDOM_TOTAL:
    case RANDOM_DOMAINS:
    case RANDOM_SPEND: break;
    case RANDOM_UNATTENDED:
        if (service || act->approved) {
            return NULL;
        }
        break;
    case RANDOM_EXCLUSIVE: return !service && others_in_flight(b, false) ? "exclusive" : NULL;
    case RANDOM_STORM: return !service && failing(b) > limit->count ? "storm" : NULL;
    case RANDOM_ONLY_WHILE:
        return b->now - b->heat_at > LATE_TICKS || b->heat_read >= 0.5 ? "only while" : NULL;
    case RANDOM_FREEZE: {
        const int second = BEGIN_S + b->now;
        return second >= limit->low && second < limit->high &&
                       b->program.policies[act->policy].impact > limit->count
                   ? "not during"
                   : NULL;
    }
    case RANDOM_BETWEEN:
    case RANDOM_STEP:
    case RANDOM_KEEP:
    case RANDOM_KINDS: return NULL;
    }
    const bool concerns = limit->kind == RANDOM_TOTAL || limit->kind == RANDOM_SPEND ||
                          service == (limit->kind == RANDOM_OF_SERVICE);
    if (!concerns) {
        return NULL;
    }
    count = count_in(b, limit);
    seen->full[limit->kind] += count == allowed;
    return count > allowed ? "more than the limit allows" : NULL;
}

static bool high(const struct bounds *b, int entity)
{
    return b->now - b->x_at[entity] <= LATE_TICKS && b->x_read[entity] > 0.9;
}

/* The trigger, true of a target that is seen. */
static bool triggered(const struct bounds *b, const struct act *act)
{
    bool any = false;
    for (int i = 0; i < RANDOM_ENTITIES; i++) {
        any = any || high(b, i);
    }
    return act->object == RANDOM_SHOP ? any : high(b, act->object);
}

/* A fix of another policy may show in what is seen. */
static bool in_window(const struct bounds *b)
{
    const struct act *last = &b->acts[b->act_count - 1];
    for (size_t i = 0; i + 1 < b->act_count; i++) {
        const struct act *act = &b->acts[i];
        if (act->action == ACT_FIX && act->object == last->object && act->policy != last->policy &&
            b->now - act->at < b->program.window_s) {
            return true;
        }
    }
    return false;
}

static const char *passes_rule(const struct bounds *b, const struct known *known)
{
    const struct act *act = &b->acts[b->act_count - 1];
    const struct random_policy *policy = &b->program.policies[act->policy];
    const struct judged *judged = &b->judged[act->policy][act->object];
    if (b->stopped) {
        return "stopped";
    }
    if (act->undo) {
        return known->acts == 0 ? "an undo of nothing" : NULL;
    }
    if (others_in_flight(b, true)) {
        return "two acts on one target";
    }
    const bool irreversible = act->action == ACT_FIX || act->action == ACT_GROW;
    const int mode = b->mode[act->policy];
    const bool gated = mode < 2 || policy->approve[act->action] ||
                       judged->useless[act->action] >= 2 ||
                       (irreversible && !b->program.unattended[act->action]);
    if (mode == 0) {
        return "mode shadow";
    }
    if (gated && !act->approved) {
        return "nobody approved";
    }
    if (policy->approve[act->action] && policy->two && !act->by_two) {
        return "one person approved";
    }
    if (in_window(b)) {
        return "in the effect window of another policy's action";
    }
    if (act->object != RANDOM_SHOP && b->gone[act->object]) {
        return "the target is not in the inventory";
    }
    if (!triggered(b, act)) {
        return "the trigger is not true";
    }
    int cooldown = policy->cooldown_s;
    for (int i = 1; i < judged->failures && cooldown < policy->cooldown_max_s; i++) {
        cooldown *= 2;
    }
    cooldown = cooldown < policy->cooldown_max_s ? cooldown : policy->cooldown_max_s;
    return known->acts == 0 && b->now < judged->at + cooldown ? "cooldown" : NULL;
}

static void judge(struct bounds *b, struct known *known, struct seen *seen)
{
    const struct act *act = &b->acts[b->act_count - 1];
    const char *what = passes_rule(b, known);
    for (size_t i = 0; !what && i < b->program.limit_count; i++) {
        what = passes(b, &b->program.limits[i], seen);
    }
    if (what) {
        wrong(b, act, what);
    }
    seen->acts += !act->undo;
    seen->undos += act->undo;
    seen->approved += act->approved;
}

/* ---- what comes out ---- */

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
    if (known->acts == 0 || (!good && !useless && record->kind != RECORD_FAILED) ||
        (record->kind == RECORD_FAILED && known->undo)) {
        return;
    }
    struct judged *judged = &b->judged[policy_of(record)][known->object];
    judged->at = b->now;
    judged->failures = good ? 0 : judged->failures + 1;
    if (record->kind != RECORD_FAILED && !known->undo) {
        judged->useless[known->action] = good ? 0 : judged->useless[known->action] + 1;
    }
}

static void take_answer(struct bounds *b, size_t at, struct seen *seen)
{
    static const enum outcome others[] = {OUTCOME_FAILED, OUTCOME_TIMED_OUT, OUTCOME_NEVER_STARTED,
                                          OUTCOME_UNKNOWN, OUTCOME_REFUSED};
    const struct act *act = &b->acts[at];
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
            (struct pending){b->now + late + 3 * (times - 1), at,
                             times == 1 ? outcome : others[random_below(&b->random, 5)]};
    }
}

static void take_dispatch(struct bounds *b, const struct effect *effect,
                          const struct record *record, struct seen *seen)
{
    assert_int_equal(record->kind, RECORD_DISPATCHED);
    assert_true(b->act_count < ACTS_MAX);
    struct known *known = known_of(b, record->incident);
    struct act *act = &b->acts[b->act_count++];
    *act = (struct act){
        .at = b->now,
        .object = effect->grant == ACT_GROW ? RANDOM_SHOP : (int)effect->target,
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
    for (size_t i = 0; i + 1 < b->act_count; i++) {
        if (b->acts[i].id == act->id) {
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
    }
    take_answer(b, b->act_count - 1, seen);
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
            for (size_t a = 0; a < b->act_count; a++) {
                if (b->acts[a].id == effect->id) {
                    assert_true(b->pending_count < INPUTS_MAX / 2);
                    b->pending[b->pending_count++] =
                        (struct pending){b->now + 1, a, OUTCOME_UNKNOWN};
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
    b->now++;
    world_step(&b->world, b->x, b->unseen, inputs, count);
    take_effects(b, seen);
    if (random_below(&b->random, 40) == 0) {
        b->rose = b->now;
        world_restart(&b->world); /* an approval does not outlive who asked */
        for (size_t i = 0; i < INCIDENTS_MAX; i++) {
            b->known[i].yes = 0;
            b->known[i].asked = false;
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
    for (int i = 0; i < TICKS; i++) {
        tick(b, seen);
    }
    world_release(&b->world);
    seen->programs++;
}

static size_t programs = 2000;
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
            assert_true(programs < 1000 || seen.full[i] > programs / 100);
        }
    }
    print_message("\n");
    assert_true(programs < 1000 || (seen.acts > 2 * programs && seen.undos > programs / 10 &&
                                    seen.approved > programs / 10 && seen.restarts > programs));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_program_passes_a_limit)};
    programs = argc > 1 ? strtoul(argv[1], NULL, 10) : programs;
    first_seed = argc > 2 ? strtoul(argv[2], NULL, 10) : first_seed;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
