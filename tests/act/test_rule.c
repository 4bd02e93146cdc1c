/* The host's guards against a hostile engine: whatever it asks and says, over restarts and boots,
 * no start exceeds what an independent recount allows, and none is refused that it allows. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/act/actor.h"
#include "tests/act/guards.h"
#include "tests/unit.h"

static uint64_t seed = 11;
static uint64_t draw(uint64_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return ((seed * 0x2545f4914f6cdd1dULL) >> 11) % below;
}

static const char contracts[] =
    "edition 1\n"
    "pool pods(namespace, pod) = pod_up == 1\n"
    "pool services(service) = service_up == 1\n"
    "metric pod_up ratio by (namespace, pod)\n"
    "metric service_up ratio by (service)\n"
    "action restart(p: pod) { via exec  affects p.errors within 1m  irreversible  timeout 9s }\n"
    "action resize(p: pod, to: GiB) {\n"
    "  via exec  affects p.errors within 1m  irreversible  timeout 9s }\n"
    "action drain(s: service) {\n"
    "  via exec  affects s.errors within 1m  undo admit(s)  timeout 9s }\n"
    "action admit(s: service) {\n"
    "  via exec  affects s.errors within 1m  undo drain(s)  timeout 9s }\n"
    "action call(s: service, wait: s) {\n"
    "  via exec  affects s.errors within 1m  irreversible  timeout 9s }\n";

enum { RESTART, RESIZE, DRAIN, ADMIT, CALL, ACTIONS, TARGETS = 3 };
static const char *const names[ACTIONS] = {"restart", "resize", "drain", "admit", "call"};
static const int undo_of[ACTIONS] = {-1, -1, ADMIT, DRAIN, -1};
static const bool on_pods[ACTIONS] = {true, true, false, false, false};
static const bool numbered[ACTIONS] = {false, true, false, false, true};
static const char *const pods[TARGETS] = {"namespace=shop,pod=a", "namespace=shop,pod=b",
                                          "namespace=till,pod=a"};
static const char *const services[TARGETS] = {"service=till", "service=checkout", "service=a,b"};
static const char *const argv[] = {"/bin/true"};
static struct grant grants[ACTIONS];

static void make_grants(void)
{
    for (int i = 0; i < ACTIONS; i++) {
        grants[i] = (struct grant){.action = names[i],
                                   .connector = CONNECTOR_EXEC,
                                   .argv = argv,
                                   .argv_count = 1,
                                   .targets = on_pods[i] ? pods : services,
                                   .target_count = on_pods[i] ? TARGETS : 2,
                                   .parameters = {{"to", 0, 1e12}},
                                   .parameter_count = numbered[i],
                                   .timeout = {9 * NS_PER_S},
                                   .at_most = {1000, {NS_PER_S}}};
    }
}

/* ---- the world ---- */

static struct {
    int64_t now_ns, boot_at_ns; /* uptime is what lies between */
    char boot[16];
    bool fails; /* to spawn */
    size_t spawned, notices;
    struct message last;
} w;
static int running_token;

static struct instant fake_now(void *context)
{
    (void)context;
    return (struct instant){w.now_ns};
}
static struct duration fake_uptime(void *context)
{
    (void)context;
    return (struct duration){w.now_ns - w.boot_at_ns};
}
static bool fake_stopped(void *context)
{
    (void)context;
    return false;
}
static enum status fake_spawn(void *context, const struct hand_order *order, void **ret,
                              struct error *error)
{
    (void)context;
    (void)order;
    w.spawned++;
    *ret = &running_token;
    return w.fails ? error_set(error, STATUS_IO, "no process") : STATUS_OK;
}
static bool fake_poll(void *context, void *run, struct hand_result *ret)
{
    (void)context;
    (void)run;
    *ret = (struct hand_result){.outcome = OUTCOME_SUCCEEDED};
    return true;
}
static void fake_end(void *context, void *run)
{
    (void)context;
    (void)run;
}
static enum refusal fake_notify(void *context, const struct message *message)
{
    (void)context;
    (void)message;
    w.notices++;
    return REFUSAL_NONE;
}
static void fake_answer(void *context, const struct message *message)
{
    (void)context;
    w.last = *message;
}
static const struct act_env env = {.now = fake_now,
                                   .uptime = fake_uptime,
                                   .boot = w.boot,
                                   .stopped = fake_stopped,
                                   .spawn = fake_spawn,
                                   .poll = fake_poll,
                                   .end = fake_end,
                                   .notify = fake_notify,
                                   .answer = fake_answer};

static char folder[64];
static struct guards *guards;
static struct latches *latches;
static struct actor *actor;
static uint64_t next_id;

static void live(void)
{
    struct error error = {{0}};
    if (latch_open(folder, &latches, &error) != STATUS_OK ||
        actor_new(grants, ACTIONS, latches, &env, &actor, &error) != STATUS_OK ||
        (guards && actor_guard(actor, guards->program, &error) != STATUS_OK)) {
        fail_msg("%s", error.message);
    }
}

static void die(void)
{
    actor_free(actor);
    latch_close(latches);
}

/* limits: NULL for an actor without guards. */
static void world_open(const char *limits)
{
    char text[4096];
    memset(&w, 0, sizeof w);
    w.now_ns = 1700000000 * NS_PER_S; /* Tuesday 22:13:20 UTC */
    w.boot_at_ns = w.now_ns - 1000 * NS_PER_S;
    snprintf(w.boot, sizeof w.boot, "boot 0");
    snprintf(folder, sizeof folder,
             access("/dev/shm", W_OK) == 0 ? "/dev/shm/heal-XXXXXX" : "/tmp/heal-XXXXXX");
    assert_non_null(mkdtemp(folder));
    make_grants();
    snprintf(text, sizeof text, "%sguard host {\n%s\n}\n", contracts, limits ? limits : "");
    guards = limits ? guards_of(text) : NULL;
    next_id = 1;
    live();
}

static void world_close(void)
{
    char command[96];
    die();
    if (guards) {
        guards_free(guards);
    }
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

/* True when it was started. */
static bool ask(int action, uint16_t target, double number, bool undo)
{
    struct message act = {.kind = MESSAGE_ACT,
                          .id = next_id++,
                          .epoch = 1,
                          .grant = (uint16_t)action,
                          .target = target,
                          .number_count = numbered[action],
                          .numbers = {numbered[action] ? number : 0},
                          .undo = undo};
    uint8_t bytes[MESSAGE_BYTES];
    const size_t before = w.spawned;
    message_encode(&act, bytes);
    w.last = (struct message){0};
    actor_receive(actor, bytes, sizeof bytes);
    return w.spawned > before;
}

/* Refused by the guard, and the text says why. */
static void assert_forbidden(bool started, const char *words)
{
    assert_false(started);
    assert_int_equal(w.last.outcome, OUTCOME_REFUSED);
    assert_int_equal(w.last.refusal, REFUSAL_GUARD);
    if (!strstr(w.last.text, words)) {
        fail_msg("'%s' is not in: %s", words, w.last.text);
    }
}

static void pass(int64_t seconds)
{
    w.now_ns += seconds * NS_PER_S;
    actor_step(actor);
}

static void restart(bool boot)
{
    static int boots;
    die();
    if (boot) {
        w.boot_at_ns = w.now_ns - 5 * NS_PER_S;
        snprintf(w.boot, sizeof w.boot, "boot %d", ++boots % 1000);
    }
    live();
}

/* ---- the recount ---- */

enum { LIMITS_MAX = 6, STARTS_MAX = 2000, DEPTH = 2000 };
enum kind { ON_ANY, OF_TYPE, TOTAL, EXCLUSIVE, BETWEEN, FREEZE, KINDS };
struct rule {
    enum kind kind;
    bool pods;
    int count;
    int64_t window_ns;
    int64_t low, high; /* of the number; seconds of the day */
};
struct start {
    int action, target;
    int64_t at_ns;
    bool free;
};
static struct {
    struct rule rules[LIMITS_MAX];
    size_t rule_count, start_count;
    struct start starts[STARTS_MAX];
    int stacks[2][TARGETS][DEPTH]; /* what stands on a target */
    size_t depths[2][TARGETS];
    bool running[2][TARGETS];
} model;

static size_t counted(const struct rule *rule, int action, int target)
{
    size_t count = 0;
    const int64_t slack = rule->window_ns / 10 < 2 * NS_PER_S ? rule->window_ns / 10 : 2 * NS_PER_S;
    for (size_t i = 0; i < model.start_count; i++) {
        const struct start *s = &model.starts[i];
        bool same_type = on_pods[s->action] == on_pods[action];
        bool in = w.now_ns - s->at_ns < rule->window_ns - slack;
        bool about = rule->kind == TOTAL || (same_type && rule->kind == OF_TYPE) ||
                     (same_type && s->target == target);
        count += in && about && !s->free;
    }
    return count;
}

static bool rule_allows(const struct rule *rule, int action, int target, double number, bool free)
{
    const int64_t second = w.now_ns / NS_PER_S % 86400;
    const bool other = !on_pods[action] == rule->pods;
    bool same_runs = false;
    switch (rule->kind) {
    case ON_ANY:
    case OF_TYPE: return free || other || counted(rule, action, target) < (size_t)rule->count;
    case TOTAL: return free || counted(rule, action, target) < (size_t)rule->count;
    case EXCLUSIVE:
        for (int t = 0; t < TARGETS; t++) {
            same_runs = same_runs || model.running[on_pods[action]][t];
        }
        return free || other || !same_runs;
    case BETWEEN: /* GiB of any pod */
        return action != RESIZE || (number >= (double)rule->low * 1073741824.0 &&
                                    number <= (double)rule->high * 1073741824.0);
    case FREEZE:
        return free || (rule->low < rule->high ? second < rule->low || second >= rule->high
                                               : second < rule->low && second >= rule->high);
    case KINDS: break;
    }
    return false;
}

/* Where on the target's list the start is that this takes back; -1: there is none. */
static int standing(int action, int target)
{
    int at = (int)model.depths[on_pods[action]][target] - 1;
    while (at >= 0 && undo_of[model.stacks[on_pods[action]][target][at]] != action) {
        at--;
    }
    return at;
}

static void draw_rules(char *text, size_t size)
{
    static const int windows_s[] = {10, 60, 300, 3600, 86400};
    size_t used = 0;
    memset(&model, 0, sizeof model);
    model.rule_count = 1 + draw(LIMITS_MAX);
    for (size_t i = 0; i < model.rule_count; i++) {
        struct rule *rule = &model.rules[i];
        const int window = windows_s[draw(ARRAY_LEN(windows_s))];
        *rule = (struct rule){.kind = (enum kind)draw(KINDS),
                              .pods = draw(2),
                              .count = (int)(1 + draw(6)),
                              .window_ns = window * NS_PER_S};
        const char *type = rule->pods ? "pod" : "service", *pool = rule->pods ? "pods" : "services";
        char one[160] = "";
        switch (rule->kind) {
        case ON_ANY:
            snprintf(one, sizeof one, "at most %d actions on any %s per %ds", rule->count, type,
                     window);
            break;
        case OF_TYPE:
            snprintf(one, sizeof one,
                     draw(2) ? "at most %d of %s per %ds" : "at most min(%d, 100%%) of %s per %ds",
                     rule->count, pool, window);
            break;
        case TOTAL:
            snprintf(one, sizeof one, "at most %d actions per %ds", rule->count, window);
            break;
        case EXCLUSIVE: snprintf(one, sizeof one, "exclusive on %s", type); break;
        case BETWEEN:
            rule->low = (int64_t)draw(4);
            rule->high = rule->low + 1 + (int64_t)draw(4);
            snprintf(one, sizeof one, "between %d and %d GiB of any pod", (int)rule->low,
                     (int)rule->high);
            break;
        case FREEZE:
            rule->low = (int64_t)draw(24) * 3600;
            rule->high = (rule->low + (int64_t)(1 + draw(6)) * 3600) % 86400;
            snprintf(one, sizeof one, "not during \"%02d:00\"..\"%02d:00\" in \"UTC\"",
                     (int)(rule->low / 3600), (int)(rule->high / 3600));
            break;
        case KINDS: break;
        }
        used += (size_t)snprintf(text + used, size - used, "  %s\n", one);
        assert_true(used < size);
    }
}

static void note(int action, int target, bool free)
{
    const int side = on_pods[action];
    model.starts[model.start_count++] = (struct start){action, target, w.now_ns, free};
    if (free) {
        const int at = standing(action, target);
        int *stack = model.stacks[side][target];
        model.depths[side][target]--;
        for (size_t i = (size_t)at; i < model.depths[side][target]; i++) {
            stack[i] = stack[i + 1];
        }
    } else {
        model.stacks[side][target][model.depths[side][target]++] = action;
    }
    model.running[side][target] = !w.fails;
}

static void no_start_exceeds_a_guard_and_none_is_refused_that_holds(void **state)
{
    (void)state;
    enum { ROUNDS = 150, ASKS = 300 };
    size_t started = 0, forbidden = 0, freed = 0, restarts = 0, lied = 0;
    for (int round = 0; round < ROUNDS; round++) {
        char limits[2048];
        draw_rules(limits, sizeof limits);
        world_open(limits);
        for (int i = 0; i < ASKS; i++) {
            if (draw(20) == 0) {
                restart(draw(3) == 0);
                memset(model.running, 0, sizeof model.running); /* died with it */
                restarts++;
            }
            if (draw(3) > 0) {
                pass(draw(40) == 0 ? (int64_t)draw(20000) : (int64_t)draw(15));
                memset(model.running, 0, sizeof model.running);
            }
            const int action = (int)draw(ACTIONS);
            const uint16_t target = (uint16_t)draw(on_pods[action] ? TARGETS : 2);
            const double number = (double)draw(9) * 1073741824.0;
            const bool undo = draw(2), free = undo && standing(action, target) >= 0;
            const bool busy = model.running[on_pods[action]][target];
            bool allowed = true;
            for (size_t r = 0; r < model.rule_count; r++) {
                allowed = allowed && rule_allows(&model.rules[r], action, target, number, free);
            }
            w.fails = draw(10) == 0;
            const bool did = ask(action, target, number, undo);
            if (did != (allowed && !busy)) {
                fail_msg("round %d, ask %d: %s of %s %s, under\n%s%s", round, i, names[action],
                         grants[action].targets[target], did ? "started" : "refused", limits,
                         w.last.text);
            }
            assert_true(did || w.last.refusal == (busy ? REFUSAL_BUSY : REFUSAL_GUARD));
            if (did) {
                note(action, target, free);
            }
            started += did;
            freed += did && free;
            lied += did && undo && !free;
            forbidden += !did && !busy;
        }
        world_close();
    }
    print_message("%zu started, %zu of them undos, %zu called undos and counted, %zu forbidden, "
                  "%zu restarts\n",
                  started, freed, lied, forbidden, restarts);
    assert_true(started > 3000 && freed > 100 && lied > 100 && forbidden > 3000 && restarts > 1000);
}

/* ---- one at a time ---- */

static void without_guards_nothing_starts_and_people_are_told(void **state)
{
    (void)state;
    world_open(NULL);
    assert_forbidden(ask(RESTART, 0, 0, false), "has none");
    assert_forbidden(ask(ADMIT, 0, 0, true), "has none");
    struct message notice = {.kind = MESSAGE_NOTIFY, .id = 1, .epoch = 1, .text = "help"};
    uint8_t bytes[MESSAGE_BYTES];
    message_encode(&notice, bytes);
    actor_receive(actor, bytes, sizeof bytes);
    assert_int_equal(w.notices, 1);
    assert_int_equal(w.spawned, 0);
    world_close();
}

/* A program whose files hold no guard is not one under which anything is done. */
static void policies_without_a_guard_are_none(void **state)
{
    (void)state;
    world_open("at most 9 actions per 1h");
    struct guards *bare = guards_of(contracts);
    struct error error;
    assert_int_equal(actor_guard(actor, bare->program, &error), STATUS_OK);
    assert_forbidden(ask(RESTART, 0, 0, false), "has none");
    world_close();
    guards_free(bare);
}

static void what_was_started_is_kept_over_restarts_and_boots(void **state)
{
    (void)state;
    world_open("at most 2 actions on any pod per 1h");
    assert_true(ask(RESTART, 0, 0, false));
    restart(false);
    assert_true(ask(RESIZE, 0, 1e9, false)); /* another grant, the same target */
    restart(true);
    assert_forbidden(ask(RESTART, 0, 0, false),
                     "a guard of the host forbids it: guard host: at most 2 actions on any pod per "
                     "1h: 2 in the window");
    assert_true(ask(RESTART, 1, 0, false));
    pass(3600);
    assert_true(ask(RESTART, 0, 0, false));
    world_close();
}

static void an_undo_is_free_once_for_each_start(void **state)
{
    (void)state;
    world_open("at most 1 of services per 1h\nexclusive on service");
    assert_true(ask(DRAIN, 0, 0, false));
    assert_forbidden(ask(ADMIT, 1, 0, true), "at most 1 of services"); /* not what was drained */
    assert_forbidden(ask(CALL, 1, 5, true), "at most 1 of services");
    pass(1);
    assert_forbidden(ask(ADMIT, 0, 0, false), "at most 1 of services"); /* nobody says undo */
    restart(true);
    assert_true(ask(ADMIT, 0, 0, true));
    pass(1);
    assert_forbidden(ask(ADMIT, 0, 0, true), "at most 1 of services");
    assert_forbidden(ask(DRAIN, 0, 0, true),
                     "at most 1 of services"); /* of an undo there is none */
    world_close();
}

static void each_undo_takes_back_one_start(void **state)
{
    (void)state;
    world_open("at most 2 actions per 1h");
    assert_true(ask(DRAIN, 0, 0, false));
    pass(1);
    assert_true(ask(DRAIN, 0, 0, false));
    pass(1);
    assert_true(ask(ADMIT, 0, 0, true));
    pass(1);
    restart(false);
    assert_true(ask(ADMIT, 0, 0, true));
    pass(1);
    assert_forbidden(ask(ADMIT, 0, 0, true), "at most 2 actions per 1h");
    world_close();
    world_open("at most 2 actions per 1h");
    assert_true(ask(DRAIN, 0, 0, false));
    pass(1);
    assert_true(
        ask(CALL, 0, 1, false)); /* by another incident: it stands, and is in nobody's way */
    pass(1);
    restart(true);
    assert_true(ask(ADMIT, 0, 0, true));
    pass(1);
    assert_forbidden(ask(ADMIT, 0, 0, true), "at most 2 actions per 1h");
    world_close();
}

static void a_range_holds_for_numbers_of_its_unit_and_for_undos(void **state)
{
    (void)state;
    world_open("between 1 and 4 GiB of any pod\nbetween 2s and 3s of any service");
    assert_forbidden(ask(RESIZE, 0, 5 * 1073741824.0, false), "between");
    assert_forbidden(ask(RESIZE, 0, 5 * 1073741824.0, true), "between");
    assert_true(ask(RESIZE, 0, 4 * 1073741824.0, false));
    assert_forbidden(ask(CALL, 0, 1.5, false), "is outside");
    assert_true(ask(CALL, 0, 2, false));
    world_close();
}

static void a_freeze_binds_unless_it_asks_for_an_impact(void **state)
{
    (void)state;
    world_open("not during \"22:00\"..\"23:00\" in \"UTC\"");
    assert_forbidden(ask(RESTART, 0, 0, false), "not during \"22:00\"..\"23:00\" in UTC");
    pass(3600);
    assert_true(ask(RESTART, 0, 0, false));
    world_close();
    world_open("not during \"22:00\"..\"23:00\" in \"UTC\" for impact above low");
    assert_true(ask(RESTART, 0, 0, false));
    world_close();
}

static void what_needs_an_inventory_is_left_to_the_engine(void **state)
{
    (void)state;
    world_open("at most 10% of pods per 1h\nat most 1 unattended actions on any pod per 1h\n"
               "storm above 1% of pods");
    for (int i = 0; i < 5; i++) {
        assert_true(ask(RESTART, 0, 0, false));
        pass(1);
    }
    world_close();
}

static void what_the_policies_do_not_have_is_forbidden(void **state)
{
    (void)state;
    world_open("at most 9 actions per 1h");
    grants[RESTART].action = "reboot";
    assert_forbidden(ask(RESTART, 0, 0, false), "no action reboot");
    make_grants();
    grants[RESIZE].parameter_count = 0;
    struct message act = {.kind = MESSAGE_ACT, .id = 90, .epoch = 1, .grant = RESIZE};
    uint8_t bytes[MESSAGE_BYTES];
    message_encode(&act, bytes);
    actor_receive(actor, bytes, sizeof bytes);
    assert_forbidden(w.spawned > 0, "another count of numbers");
    world_close();
}

/* Longer than the actor remembers without being told: it reads its latches again. */
static void a_longer_window_counts_what_was_before_it(void **state)
{
    (void)state;
    world_open("at most 9 actions per 1h");
    assert_true(ask(RESTART, 0, 0, false));
    pass(35 * 86400);
    assert_true(ask(RESTART, 1, 0, false));
    pass(1);
    char text[2048];
    snprintf(text, sizeof text, "%sguard host { at most 1 actions on any pod per 40d }\n",
             contracts);
    struct guards *longer = guards_of(text);
    struct error error;
    assert_int_equal(actor_guard(actor, longer->program, &error), STATUS_OK);
    assert_forbidden(ask(RESTART, 0, 0, false), "per 40d: 1 in the window");
    assert_true(ask(RESTART, 2, 0, false));
    pass(6 * 86400);
    assert_true(ask(RESTART, 0, 0, false));
    world_close();
    guards_free(longer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_start_exceeds_a_guard_and_none_is_refused_that_holds),
        cmocka_unit_test(without_guards_nothing_starts_and_people_are_told),
        cmocka_unit_test(policies_without_a_guard_are_none),
        cmocka_unit_test(what_was_started_is_kept_over_restarts_and_boots),
        cmocka_unit_test(an_undo_is_free_once_for_each_start),
        cmocka_unit_test(each_undo_takes_back_one_start),
        cmocka_unit_test(a_range_holds_for_numbers_of_its_unit_and_for_undos),
        cmocka_unit_test(a_freeze_binds_unless_it_asks_for_an_impact),
        cmocka_unit_test(what_needs_an_inventory_is_left_to_the_engine),
        cmocka_unit_test(what_the_policies_do_not_have_is_forbidden),
        cmocka_unit_test(a_longer_window_counts_what_was_before_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
