/* Random programs that act, and what each of their limits says. */
#include "tests/engine/random_policy.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *const random_action_texts[ACT_COUNT] = {"fix", "turn", "back", "scale", "grow", "shed"};
static const char *const impacts[] = {"low", "medium", "high", "critical"};

int random_below(uint64_t *random, int below)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return (int)(*random * 0x2545F4914F6CDD1DULL >> 33) % below;
}

static int pick(struct random_program *program, int below)
{
    return random_below(&program->random, below);
}

static int within(struct random_program *program, int low, int high)
{
    return low + pick(program, high - low + 1);
}

__attribute__((format(printf, 2, 3))) static void put(struct random_program *program,
                                                      const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const int length =
        vsnprintf(program->text + program->used, sizeof program->text - program->used, fmt, args);
    va_end(args);
    CHECK(length >= 0 && program->used + (size_t)length < sizeof program->text);
    program->used += (size_t)length;
}

/* ---- limits ---- */

static struct random_limit *limit_new(struct random_program *program, enum random_kind kind,
                                      int policy)
{
    CHECK(program->limit_count < RANDOM_LIMITS_MAX);
    struct random_limit *limit = &program->limits[program->limit_count++];
    *limit = (struct random_limit){.kind = kind, .policy = policy};
    limit->count = within(program, 1, 4);
    limit->per_s = within(program, 3, 60);
    return limit;
}

static void put_at_most(struct random_program *program, struct random_limit *limit)
{
    if (limit->kind == RANDOM_OF_SERVICE) {
        put(program, "at most %d of service per %ds", limit->count, limit->per_s);
        return;
    }
    const char *subject = pick(program, 2) ? "ws" : "w";
    if (limit->kind == RANDOM_AT_MOST && pick(program, 3) == 0) {
        limit->percent = within(program, 2, 9) * 10;
        if (pick(program, 2)) {
            put(program, "at most min(%d, %d%%) of ws", limit->count, limit->percent);
        } else {
            limit->count = 1000;
            put(program, "at most %d%% of ws", limit->percent);
        }
    } else {
        put(program, "at most %d of %s", limit->count,
            limit->kind == RANDOM_EACH_DOMAIN ? "ws" : subject);
    }
    put(program, " per %ds%s", limit->per_s,
        limit->kind == RANDOM_EACH_DOMAIN ? " in each domain" : "");
}

static void put_freeze(struct random_program *program, struct random_limit *limit)
{
    const int from = pick(program, 2);
    limit->low = 60 * from;
    limit->high = limit->low + 60;
    limit->count = within(program, 0, 2);
    put(program, "  not during \"22:%d\"..\"22:%d\" in \"UTC\" for impact above %s\n", 13 + from,
        14 + from, impacts[limit->count]);
}

static void put_guard_limit(struct random_program *program, enum random_kind kind)
{
    struct random_limit *limit = limit_new(program, kind, -1);
    const int count = limit->count, per = limit->per_s;
    switch (kind) {
    case RANDOM_AT_MOST:
    case RANDOM_OF_SERVICE:
    case RANDOM_EACH_DOMAIN:
        put(program, "  ");
        put_at_most(program, limit);
        put(program, "\n");
        break;
    case RANDOM_ON_ANY: put(program, "  at most %d actions on any w per %ds\n", count, per); break;
    case RANDOM_TOTAL: put(program, "  at most %d actions per %ds\n", count, per); break;
    case RANDOM_DOMAINS:
        limit->count = 1;
        put(program, "  at most 1 domains of ws per %ds\n", per);
        break;
    case RANDOM_UNATTENDED:
        put(program, "  at most %d unattended actions on any w per %ds\n", count, per);
        break;
    case RANDOM_BETWEEN:
        limit->low = within(program, 1, 3);
        limit->high = within(program, 5, 8);
        put(program, "  between %d and %d replicas of any w\n", limit->low, limit->high);
        break;
    case RANDOM_STEP:
        put(program, "  step at most %dreplicas per %ds of any w\n", count, per);
        break;
    case RANDOM_EXCLUSIVE: put(program, "  exclusive on w\n"); break;
    case RANDOM_STORM:
        limit->count = within(program, 1, 3);
        put(program, "  storm above %d of ws\n", limit->count);
        break;
    case RANDOM_KEEP:
        limit->count = within(program, 2, 4);
        put(program, "  keep at least %d of ws ready\n", limit->count);
        break;
    case RANDOM_SPEND:
        put(program, "  spend at most %d.%d usd per %ds\n", count / 10, count % 10, per);
        break;
    case RANDOM_ONLY_WHILE: put(program, "  only while max(heat) < 50%%\n"); break;
    case RANDOM_FREEZE: put_freeze(program, limit); break;
    case RANDOM_KINDS: break;
    }
}

static void put_guards(struct random_program *program)
{
    put(program, "guard host {\n");
    for (int kind = 0; kind < RANDOM_KINDS; kind++) {
        if (pick(program, 5) == 0) {
            put_guard_limit(program, (enum random_kind)kind);
        }
    }
    put(program, "  at most 1000 actions per 1h\n}\n");
}

/* ---- actions and policies ---- */

static void put_actions(struct random_program *program)
{
    for (int i = 0; i < ACT_COUNT; i++) {
        program->unattended[i] = pick(program, 5) != 0;
    }
    program->window_s = pick(program, 9);
    put(program,
        "action fix(t: w) { via exec affects t.x within %ds irreversible timeout 3s costs 0.1 usd "
        "}\n",
        program->window_s);
    put(program, "action turn(t: w) { via exec undo back(t) timeout 3s costs 0.1 usd }\n");
    put(program, "action back(t: w) { via exec undo turn(t) timeout 3s costs 0.1 usd }\n");
    put(program, "action scale(t: w, to: replicas) { via exec reads n undo scale(t, to: before) "
                 "timeout 3s costs 0.1 usd }\n");
    put(program, "action grow(s: service) { via exec irreversible timeout 3s costs 0.1 usd }\n");
    put(program, "action shed(s: service) { via exec undo grow(s) timeout 3s costs 0.1 usd }\n");
}

static void put_call(struct random_program *program, enum random_action action)
{
    switch (action) {
    case ACT_SCALE:
        put(program, "scale(w, to: %s%d)", pick(program, 3) ? "+" : "-", within(program, 1, 3));
        break;
    case ACT_GROW:
    case ACT_SHED: put(program, "%s(shop)", random_action_texts[action]); break;
    case ACT_FIX:
    case ACT_TURN:
    case ACT_BACK:
    case ACT_COUNT: put(program, "%s(w)", random_action_texts[action]); break;
    }
}

static void put_rungs(struct random_program *program, const struct random_policy *policy)
{
    static const enum random_action of_entity[] = {ACT_FIX, ACT_TURN, ACT_SCALE,
                                                   ACT_FIX, ACT_GROW, ACT_SHED};
    const int rungs = within(program, 1, 3);
    for (int i = 0; i < rungs; i++) {
        const enum random_action action = policy->service ? (pick(program, 2) ? ACT_GROW : ACT_SHED)
                                          : policy->aborts && i == 0
                                              ? ACT_TURN
                                              : of_entity[pick(program, (int)ARRAY_LEN(of_entity))];
        put(program, "    %s ", i == 0 ? "try" : "then");
        put_call(program, action);
        if (policy->approve[action]) {
            put(program, " approve by %soncall within %ds", policy->two ? "two of " : "",
                within(program, 10, 30));
        }
        put(program, " verify %s < 50%% holds %ds within %ds\n", policy->service ? "max(x)" : "x",
            within(program, 1, 2),
            within(program, program->window_s > 4 ? program->window_s : 4, 9));
    }
    put(program, "    else page oncall\n");
}

static void put_heal(struct random_program *program, const struct random_policy *policy)
{
    const char *value = policy->service ? "max(x)" : "x";
    switch (pick(program, 3)) {
    case 0:
        put(program, "  heal {\n");
        put_rungs(program, policy);
        put(program, "  }\n");
        break;
    case 1:
        put(program, "  cause great when %s > 95%%\n  cause small otherwise\n  heal great {\n",
            value);
        put_rungs(program, policy);
        put(program, "  }\n  heal small {\n");
        put_rungs(program, policy);
        put(program, "  }\n");
        break;
    default:
        put(program, "  heal {\n  plan a effect %d%% {\n", within(program, 30, 80));
        put_rungs(program, policy);
        put(program, "  }\n  plan b effect %d%% risk low {\n", within(program, 30, 80));
        put_rungs(program, policy);
        put(program, "  }\n  }\n");
        break;
    }
}

static void put_bounds(struct random_program *program, int at)
{
    put(program, "  bound ");
    put_at_most(program,
                limit_new(program, pick(program, 3) ? RANDOM_AT_MOST : RANDOM_EACH_DOMAIN, at));
    put(program, ", ");
    put_at_most(program, limit_new(program, RANDOM_OF_SERVICE, at));
    put(program, "\n");
    if (pick(program, 4) == 0) {
        struct random_limit *limit = limit_new(program, RANDOM_KEEP, at);
        put(program, "  keep at least %d of ws ready\n", limit->count);
    }
    if (pick(program, 4) == 0) {
        struct random_limit *limit = limit_new(program, RANDOM_SPEND, at);
        put(program, "  spend at most 0.%d usd per %ds\n", limit->count, limit->per_s);
    }
}

static void put_policy(struct random_program *program, int at)
{
    struct random_policy *policy = &program->policies[at];
    policy->service = pick(program, 4) == 0;
    policy->mode = pick(program, 8) ? 2 : pick(program, 2);
    policy->impact = pick(program, 4);
    policy->two = pick(program, 3) == 0;
    policy->cooldown_s = within(program, program->window_s > 5 ? program->window_s : 5, 20);
    policy->cooldown_max_s = pick(program, 2) ? policy->cooldown_s * 4 : policy->cooldown_s;
    for (int i = 0; i < ACT_COUNT; i++) {
        policy->approve[i] = pick(program, 6) == 0;
    }
    const char *value = policy->service ? "max(x)" : "x";
    put(program, "policy p%d %s every 1s {\n", at,
        policy->service ? "for service shop" : "for each w in ws");
    put(program, "  impact %s\n", impacts[policy->impact]);
    put(program, "  when %s > 90%% for %ds\n", value, pick(program, 3));
    put(program, "  clear when %s < 50%% for %ds\n", value, pick(program, 3));
    put(program, "  on missing hold\n  on stale > 1m hold\n");
    policy->aborts = !policy->service && pick(program, 4) == 0;
    if (policy->aborts) {
        put(program, "  abort when %s > 98%% for %ds\n", value, within(program, 1, 3));
    }
    if (pick(program, 5) == 0) {
        put(program, "  resolved when %s < 60%% for %ds\n", value, within(program, 1, 3));
    }
    if (pick(program, 5) == 0) {
        put(program, "  settle %ds\n", within(program, 1, 9));
    }
    put_heal(program, policy);
    put_bounds(program, at);
    put(program, "  cooldown %ds", policy->cooldown_s);
    if (policy->cooldown_max_s > policy->cooldown_s) {
        put(program, " doubling to %ds", policy->cooldown_max_s);
    }
    put(program, "\n}\n");
}

void random_program_make(struct random_program *program, uint64_t seed)
{
    memset(program, 0, sizeof *program);
    program->random = seed * 0x9E3779B97F4A7C15ULL | 1;
    (void)pick(program, 2);
    put(program, "edition 1\n"
                 "metric x ratio by (w)\nmetric up ratio by (w)\nmetric place ratio by (w, z)\n"
                 "metric n replicas by (w)\nmetric heat ratio\n"
                 "pool ws(w) = place ready up == 1 domain z\n"
                 "service shop { tier gold }\nchannel oncall = log\n");
    put_actions(program);
    program->policy_count = (size_t)within(program, 1, RANDOM_POLICIES_MAX);
    put_guards(program);
    for (size_t i = 0; i < program->policy_count; i++) {
        put_policy(program, (int)i);
    }
}
