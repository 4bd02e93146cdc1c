/* The actor against a hostile engine: whatever it is told, ids start once, caps hold, only granted
 * targets are touched, nothing starts after STOP or for an old epoch; across restarts and crashes
 * too. */
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/act/actor.h"
#include "tests/act/guards.h"
#include "tests/unit.h"

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    /* Durability is not what these tests measure: memory is quicker. */
    snprintf(folder, sizeof folder,
             access("/dev/shm", W_OK) == 0 ? "/dev/shm/heal-XXXXXX" : "/tmp/heal-XXXXXX");
    assert_non_null(mkdtemp(folder));
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static uint64_t seed = 7;
static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (seed * 0x2545f4914f6cdd1dULL) >> 11;
}

static const char *const argv_template[] = {"/bin/touch", "{pod}", "--grace={grace}"};
static const char *const argv_plain[] = {"/bin/true", "{target}"};
static const char *const targets_a[] = {"namespace=shop,pod=a", "namespace=shop,pod=b", "pod=-rf"};
static const char *const targets_b[] = {"namespace=shop,pod=a", "unit=nginx"};
/* pod=-rf may not load; it is used where a grant must be refused. */
static const struct grant grants[] = {
    {.action = "restart",
     .connector = CONNECTOR_EXEC,
     .argv = argv_template,
     .argv_count = 3,
     .targets = targets_a,
     .target_count = 2,
     .parameters = {{"grace", 0, 60}},
     .parameter_count = 1,
     .timeout = {5 * NS_PER_S},
     .at_most = {5, {60 * NS_PER_S}}},
    {.action = "drain",
     .connector = CONNECTOR_EXEC,
     .argv = argv_plain,
     .argv_count = 2,
     .targets = targets_b,
     .target_count = 2,
     .timeout = {5 * NS_PER_S},
     .at_most = {3, {20 * NS_PER_S}}},
};

enum { EFFECTS_MAX = 20000, IDS = 3000 };
struct effect {
    uint64_t id;
    int64_t at_ns;
    int grant, target;
};

/* The recording world; shared with forked children, so that a killed actor's effects still count.
 */
struct world {
    int64_t now_ns, uptime_ns;
    bool stopped, message_open;
    uint32_t highest_epoch;
    struct message asked; /* under way */
    size_t effects_count, answers, running, violations;
    struct effect effects[EFFECTS_MAX];
    struct message last;
    enum point die_at;
    bool die;
    bool slow; /* children do not end by themselves */
    bool end_asked;
};
static struct world *w;

static struct instant fake_now(void *context)
{
    (void)context;
    return (struct instant){w->now_ns};
}
static struct duration fake_uptime(void *context)
{
    (void)context;
    return (struct duration){w->uptime_ns};
}
static bool fake_stopped(void *context)
{
    (void)context;
    return w->stopped;
}
static enum status fake_spawn(void *context, const struct hand_order *order, void **ret,
                              struct error *error)
{
    (void)context;
    const struct grant *grant = order->grant;
    const struct grant_command *command = order->command;
    int number = (int)(grant - grants);
    bool listed = false;
    const char *value = command->argv[1];
    for (size_t i = 0; i < grant->target_count; i++) {
        listed = listed || strcmp(value, grant->targets[i]) == 0 ||
                 (number == 0 && strcmp(value, i == 0 ? "a" : "b") == 0);
    }
    w->violations += !listed || w->stopped || w->asked.epoch < w->highest_epoch;
    w->violations += number < 0 || number > 1 || w->effects_count >= EFFECTS_MAX;
    struct effect *effect = &w->effects[w->effects_count++];
    *effect = (struct effect){w->asked.id, w->uptime_ns, number, w->asked.target};
    if (next_random() % 10 == 0) {
        return error_set(error, STATUS_IO, "no process"); /* the effect counts all the same */
    }
    *ret = effect;
    return STATUS_OK;
}
static bool fake_poll(void *context, void *run, struct hand_result *ret)
{
    (void)context;
    (void)run;
    if ((w->slow && !w->end_asked) || next_random() % 3) {
        return false;
    }
    *ret = (struct hand_result){.outcome = (enum outcome)(1 + next_random() % 3)};
    return true;
}
static void fake_end(void *context, void *run)
{
    (void)context;
    (void)run;
    w->end_asked = true;
}
static enum refusal fake_notify(void *context, const struct message *message)
{
    (void)context;
    return message->channel > 1 ? REFUSAL_CHANNEL : REFUSAL_NONE;
}
static void fake_answer(void *context, const struct message *message)
{
    (void)context;
    uint8_t bytes[MESSAGE_BYTES];
    struct message back;
    message_encode(message, bytes);
    w->violations += message_decode(bytes, sizeof bytes, &back, NULL) != STATUS_OK;
    w->violations += message->outcome == OUTCOME_REFUSED && message->text[0] == '\0';
    w->answers++;
    w->last = *message;
}
static void fake_point(void *context, enum point point)
{
    (void)context;
    if (w->die && point == w->die_at) {
        kill(getpid(), SIGKILL);
    }
}
static const struct act_env env = {.now = fake_now,
                                   .uptime = fake_uptime,
                                   .boot = "this boot",
                                   .stopped = fake_stopped,
                                   .spawn = fake_spawn,
                                   .poll = fake_poll,
                                   .end = fake_end,
                                   .notify = fake_notify,
                                   .answer = fake_answer,
                                   .point = fake_point};

static int make_world(void **state)
{
    w = mmap(NULL, sizeof *w, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    w->now_ns = 1700000000 * NS_PER_S;
    w->uptime_ns = 1000 * NS_PER_S;
    return make_folder(state);
}
static int remove_world(void **state)
{
    munmap(w, sizeof *w);
    return remove_folder(state);
}

/* Guards that forbid nothing of this. */
static const char open_guards[] =
    "edition 1\n"
    "pool pods(namespace, pod) = pod_up == 1\n"
    "metric pod_up ratio by (namespace, pod)\n"
    "action restart(p: pod, grace: s) { via exec  affects p.errors within 1m  irreversible  "
    "timeout 2s }\n"
    "action drain(p: pod) { via exec  affects p.errors within 1m  irreversible  timeout 2s }\n"
    "guard host { at most 1000000 actions per 1s }\n";

struct rig {
    struct guards *guards;
    struct latches *latches;
    struct actor *actor;
};
static struct rig rig_open(void)
{
    struct rig rig = {.guards = guards_of(open_guards)};
    struct error error = {{0}};
    if (latch_open(folder, &rig.latches, &error) != STATUS_OK ||
        actor_new(grants, 2, rig.latches, &env, &rig.actor, &error) != STATUS_OK ||
        actor_guard(rig.actor, rig.guards->program, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    return rig;
}
static void rig_close(struct rig *rig)
{
    actor_free(rig->actor);
    latch_close(rig->latches);
    guards_free(rig->guards);
}
static void tell(struct rig *rig, const struct message *message)
{
    uint8_t bytes[MESSAGE_BYTES];
    message_encode(message, bytes);
    w->asked = *message;
    actor_receive(rig->actor, bytes, sizeof bytes);
    w->highest_epoch = latch_epoch(rig->latches);
}

static struct message random_message(uint32_t epoch)
{
    struct message m = {.kind = next_random() % 8
                                    ? MESSAGE_ACT
                                    : (enum message_kind)(next_random() % MESSAGE_KINDS),
                        .id = next_random() % IDS,
                        .epoch = epoch - (uint32_t)(next_random() % 8 == 0 && epoch > 0),
                        .grant = (uint16_t)(next_random() % 3),
                        .target = (uint16_t)(next_random() % 3),
                        .channel = (uint16_t)(next_random() % 4)};
    m.number_count = m.grant == 0 ? 1 : 0;
    m.numbers[0] = (double)(next_random() % 60);
    switch (next_random() % 20) {
    case 0: m.numbers[0] = NAN; break;
    case 1: m.numbers[0] = INFINITY; break;
    case 2: m.numbers[0] = 1e9; break;
    case 3: m.number_count = (uint32_t)(next_random() % 5); break;
    case 4: m.deadline.ns = w->now_ns - 1 + (int64_t)(next_random() % 3); break;
    case 5: m.grant = (uint16_t)next_random(); break;
    case 6: m.target = (uint16_t)next_random(); break;
    }
    return m;
}

static void assert_effects_are_lawful(void)
{
    static unsigned per_id[IDS];
    memset(per_id, 0, sizeof per_id);
    assert_int_equal(w->violations, 0);
    for (size_t i = 0; i < w->effects_count; i++) {
        assert_true(w->effects[i].id > 0 && w->effects[i].id < IDS);
        assert_int_equal(per_id[w->effects[i].id]++, 0);
        const struct grant *grant = &grants[w->effects[i].grant];
        size_t in_window = 0;
        for (size_t j = i + 1; j-- > 0;) {
            in_window += w->effects[j].grant == w->effects[i].grant &&
                         w->effects[i].at_ns - w->effects[j].at_ns < grant->at_most.per.ns;
        }
        assert_true(in_window <= grant->at_most.count);
    }
}

static void a_hostile_engine_gets_no_more_than_the_grants(void **state)
{
    (void)state;
    enum { MESSAGES = 100000 };
    struct rig rig = rig_open();
    uint32_t epoch = 1;
    size_t restarts = 0;
    for (int i = 0; i < MESSAGES; i++) {
        uint64_t dice = next_random() % 2000;
        size_t answers = w->answers, running = actor_running(rig.actor);
        epoch += dice == 0;
        if (dice == 1) {
            w->stopped = !w->stopped;
        } else if (dice < 4) {
            rig_close(&rig); /* the actor dies with its children, another comes */
            rig = rig_open();
            restarts++;
            continue;
        } else if (dice < 100) {
            uint8_t bytes[MESSAGE_BYTES];
            struct message m = random_message(epoch);
            message_encode(&m, bytes);
            for (int n = 0; n < 4; n++) {
                bytes[next_random() % 120] = (uint8_t)next_random();
            }
            struct message told = {0};
            bool ok = message_decode(bytes, sizeof bytes, &told, NULL) == STATUS_OK;
            told.epoch = ok && told.epoch > epoch + 1 ? epoch : told.epoch;
            told.id %= IDS;
            if (ok) {
                tell(&rig, &told);
            } else {
                actor_receive(rig.actor, bytes, dice == 5 ? dice : sizeof bytes);
                assert_int_equal(w->answers, answers + 1);
                assert_int_equal(w->last.refusal, REFUSAL_MALFORMED);
            }
        } else {
            struct message m = random_message(epoch);
            tell(&rig, &m);
            bool started = actor_running(rig.actor) > running;
            bool later = m.kind == MESSAGE_NOTIFY || m.kind == MESSAGE_PROBE;
            assert_true(w->answers == answers + 1 || started || later);
        }
        w->uptime_ns += (int64_t)(next_random() % (NS_PER_S / 2));
        w->now_ns +=
            next_random() % 50 ? NS_PER_S / 4 : -(int64_t)(next_random() % 3600) * NS_PER_S;
        actor_step(rig.actor);
    }
    rig_close(&rig);
    print_message("%d messages, %zu restarts, %zu effects, %zu answers\n", (int)MESSAGES, restarts,
                  w->effects_count, w->answers);
    assert_true(w->effects_count > 300 && restarts > 20);
    assert_effects_are_lawful();
}

static void a_kill_at_any_point_starts_nothing_twice_and_hides_nothing(void **state)
{
    (void)state;
    uint32_t epoch = 1;
    uint64_t id = 1;
    size_t deaths = 0;
    for (enum point point = POINT_EPOCH_BEFORE; point < POINT_COUNT; point++) {
        for (int round = 0; round < 6; round++, id++, epoch += 2) {
            struct message act = {.kind = MESSAGE_ACT, .id = id, .epoch = epoch, .grant = 1};
            size_t before = w->effects_count;
            w->uptime_ns += 30 * NS_PER_S;
            w->die = true;
            w->die_at = point;
            pid_t pid = fork();
            if (pid == 0) {
                struct rig rig = rig_open();
                tell(&rig, &act);
                for (int i = 0; i < 200; i++) {
                    actor_step(rig.actor);
                }
                _exit(0);
            }
            int wait_status;
            waitpid(pid, &wait_status, 0);
            deaths += WIFSIGNALED(wait_status);
            w->die = false;
            bool effect = w->effects_count > before;
            struct rig rig = rig_open();
            struct message probe = {.kind = MESSAGE_PROBE, .id = id, .epoch = epoch + 1};
            tell(&rig, &probe);
            enum outcome outcome = w->last.outcome;
            /* Never started is only said of what never was, and then it can never become. */
            assert_true(!effect || outcome != OUTCOME_NEVER_STARTED);
            assert_true(point > POINT_LATCH_BEFORE || outcome == OUTCOME_NEVER_STARTED ||
                        point < POINT_EPOCH_BEFORE);
            tell(&rig, &act);
            assert_int_equal(w->last.refusal, REFUSAL_STALE);
            act.epoch = epoch + 1;
            if (outcome != OUTCOME_NEVER_STARTED) {
                tell(&rig, &act);
                assert_true(w->last.refusal == REFUSAL_DUPLICATE);
            }
            rig_close(&rig);
        }
    }
    print_message("%zu deaths, %zu effects\n", deaths, w->effects_count);
    assert_true(deaths >= 50);
    assert_effects_are_lawful();
}

static void stop_ends_what_runs_and_starts_nothing(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    w->slow = true;
    struct message act = {.kind = MESSAGE_ACT, .id = 9, .epoch = 1, .grant = 1};
    while (actor_running(rig.actor) == 0) {
        act.id++;
        w->uptime_ns += 10 * NS_PER_S;
        tell(&rig, &act);
    }
    act.id++;
    tell(&rig, &act);
    assert_int_equal(w->last.refusal, REFUSAL_BUSY);
    w->stopped = true;
    tell(&rig, &act);
    assert_int_equal(w->last.refusal, REFUSAL_STOPPED);
    for (int i = 0; i < 100 && actor_running(rig.actor); i++) {
        actor_step(rig.actor);
    }
    assert_true(w->end_asked && actor_running(rig.actor) == 0);
    assert_non_null(strstr(w->last.text, "ended by STOP"));
    rig_close(&rig);
}

static void a_damaged_epoch_or_latch_stops_the_actor_with_its_name(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    struct message act = {.kind = MESSAGE_ACT, .id = 77, .epoch = 3, .grant = 1};
    tell(&rig, &act);
    rig_close(&rig);
    char command[200];
    snprintf(command, sizeof command, "cd %s/actions && sed -i s/epoch/epoxy/ 000000000000004d",
             folder);
    assert_int_equal(system(command), 0);
    struct latches *latches;
    struct actor *actor;
    struct error error = {{0}};
    assert_int_equal(latch_open(folder, &latches, &error), STATUS_OK);
    assert_int_equal(actor_new(grants, 2, latches, &env, &actor, &error), STATUS_PROTOCOL);
    assert_non_null(strstr(error.message, "000000000000004d"));
    struct message ret = {0};
    struct latch_doubt doubt;
    assert_false(latch_probe(latches, 77, &ret, &doubt));
    assert_int_equal(ret.outcome, OUTCOME_UNKNOWN);
    latch_close(latches);
    snprintf(command, sizeof command, "echo x > %s/actions/EPOCH", folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(latch_open(folder, &latches, &error), STATUS_PROTOCOL);
}

static void grants_that_could_do_more_than_they_say_do_not_load(void **state)
{
    (void)state;
    struct error error = {{0}};
    static const char *const relative[] = {"touch"}, *const filled[] = {"/bin/{pod}"},
                             *const stray[] = {"/bin/x", "{pod"},
                             *const unknown[] = {"/bin/x", "{node}"}, *const bad_target[] = {"pod"},
                             *const two_equals[] = {"pod=a=b"}, *const control[] = {"pod=a\nb"},
                             *const empty_value[] = {"pod="};
    assert_int_equal(grant_check(&grants[0], &error), STATUS_OK);
    struct grant g[14];
    for (size_t i = 0; i < ARRAY_LEN(g); i++) {
        g[i] = grants[0];
    }
    g[0].target_count = 3; /* pod=-rf */
    g[1].argv = relative, g[1].argv_count = 1;
    g[2].argv = filled, g[2].argv_count = 1;
    g[3].argv = stray, g[3].argv_count = 2;
    g[4].argv = unknown, g[4].argv_count = 2;
    g[5].targets = bad_target, g[5].target_count = 1;
    g[6].targets = two_equals, g[6].target_count = 1;
    g[7].targets = control, g[7].target_count = 1;
    g[8].targets = empty_value, g[8].target_count = 1;
    g[9].at_most.count = 0;
    g[10].timeout.ns = 0;
    g[11].connector = CONNECTOR_COUNT;
    g[12].parameters[0].max = INFINITY;
    g[13].target_count = 0;
    for (size_t i = 0; i < ARRAY_LEN(g); i++) {
        error.message[0] = '\0';
        if (grant_check(&g[i], &error) == STATUS_OK) {
            fail_msg("grant %zu loads", i);
        }
        assert_non_null(strstr(error.message, "restart"));
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, make_world, remove_world)
    const struct CMUnitTest tests[] = {
        T(a_hostile_engine_gets_no_more_than_the_grants),
        T(a_kill_at_any_point_starts_nothing_twice_and_hides_nothing),
        T(stop_ends_what_runs_and_starts_nothing),
        T(a_damaged_epoch_or_latch_stops_the_actor_with_its_name),
        T(grants_that_could_do_more_than_they_say_do_not_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
