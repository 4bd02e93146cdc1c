/* Scars between engine and effect, with the real actor and its latches: an old plan, a cap, and
 * what is in doubt after a crash. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/act/actor.h"
#include "tests/act/guards.h"
#include "tests/scars/plays.h"
#include "tests/unit.h"

enum { SERVERS = 10 };

/* An actor acts under guards only: these leave it room. */
static const char loose[] =
    "edition 1\n"
    "metric up count by (server, name)\n"
    "pool servers(server) = up\n"
    "pool names(name) = up\n"
    "action terminate(s: server) { via exec irreversible timeout 5s }\n"
    "action publish(n: name, plan: number) { via exec irreversible timeout 5s }\n"
    "guard host { at most 1000 actions per 1h }\n";

/* What the actor's hand writes into, and what it was answered. */
struct hand {
    char folder[64];
    struct latches *latches;
    struct actor *actor;
    struct guards *guards;
    size_t started;
    double plan; /* the number of the last command */
    struct message answer;
};

static struct instant on_now(void *context)
{
    (void)context;
    return (struct instant){1700000000LL * NS_PER_S};
}
static struct duration on_uptime(void *context)
{
    (void)context;
    return duration_seconds(1000);
}
static bool on_stopped(void *context)
{
    (void)context;
    return false;
}
static enum status on_spawn(void *context, const struct hand_order *order, void **ret,
                            struct error *error)
{
    struct hand *hand = context;
    (void)error;
    hand->started++;
    hand->plan = order->grant->parameter_count > 0 ? order->numbers[0] : 0;
    *ret = hand;
    return STATUS_OK;
}
static bool on_poll(void *context, void *run, struct hand_result *ret)
{
    (void)context;
    (void)run;
    *ret = (struct hand_result){.outcome = OUTCOME_SUCCEEDED};
    return true;
}
static void on_end(void *context, void *run)
{
    (void)context;
    (void)run;
}
static enum refusal on_notify(void *context, const struct message *message)
{
    (void)context;
    (void)message;
    return REFUSAL_NONE;
}
static void on_answer(void *context, const struct message *message)
{
    struct hand *hand = context;
    hand->answer = *message;
}

static void folder_make(char folder[64])
{
    snprintf(folder, 64, "%s",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm/heal-XXXXXX" : "/tmp/heal-XXXXXX");
    assert_non_null(mkdtemp(folder));
}

static void folder_remove(const char *folder)
{
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

static void hand_open(struct hand *hand, const struct grant *grant, struct act_env *env)
{
    struct error error;
    *env = (struct act_env){.context = hand,
                            .now = on_now,
                            .uptime = on_uptime,
                            .boot = "this boot",
                            .stopped = on_stopped,
                            .spawn = on_spawn,
                            .poll = on_poll,
                            .end = on_end,
                            .notify = on_notify,
                            .answer = on_answer};
    folder_make(hand->folder);
    assert_int_equal(latch_open(hand->folder, &hand->latches, &error), STATUS_OK);
    hand->guards = guards_of(loose);
    if (actor_new(grant, 1, hand->latches, env, &hand->actor, &error) != STATUS_OK ||
        actor_guard(hand->actor, hand->guards->program, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
}

static void hand_close(struct hand *hand)
{
    actor_free(hand->actor);
    guards_free(hand->guards);
    latch_close(hand->latches);
    folder_remove(hand->folder);
}

static void hand_ask(struct hand *hand, const struct message *message)
{
    uint8_t bytes[MESSAGE_BYTES];
    message_encode(message, bytes);
    actor_receive(hand->actor, bytes, sizeof bytes);
    actor_step(hand->actor);
}

size_t actor_starts_under_cap(char *ret_refusal, size_t size)
{
    static const char *const argv[] = {"/bin/true", "{server}"};
    char texts[SERVERS][16];
    const char *targets[SERVERS];
    for (size_t i = 0; i < SERVERS; i++) {
        snprintf(texts[i], sizeof texts[i], "server=s%zu", i);
        targets[i] = texts[i];
    }
    const struct grant grant = {.action = "terminate",
                                .connector = CONNECTOR_EXEC,
                                .argv = argv,
                                .argv_count = 2,
                                .targets = targets,
                                .target_count = SERVERS,
                                .timeout = duration_seconds(5),
                                .at_most = {1, duration_seconds(3600)}};
    struct act_env env;
    struct hand hand = {0};
    hand_open(&hand, &grant, &env);
    for (uint16_t i = 0; i < SERVERS; i++) {
        hand_ask(&hand, &(struct message){
                            .kind = MESSAGE_ACT, .id = (uint64_t)i + 1, .epoch = 1, .target = i});
    }
    snprintf(ret_refusal, size, "%.400s", hand.answer.text);
    hand_close(&hand);
    return hand.started;
}

/* Row 15. By hand: no policy sees an epoch. Two engines have written the plan of a name: the new
 * one, in epoch 2, plan 8; then the delayed message of the old one, plan 7, comes. By hand it is
 * carried out as it comes. Damage: old plans over new ones. */
size_t play_stale_plan(struct stage *stage)
{
    static const struct message messages[] = {
        {.kind = MESSAGE_ACT, .id = 1, .epoch = 1, .number_count = 1, .numbers = {6}},
        {.kind = MESSAGE_ACT, .id = 3, .epoch = 2, .number_count = 1, .numbers = {8}},
        {.kind = MESSAGE_ACT, .id = 2, .epoch = 1, .number_count = 1, .numbers = {7}},
    };
    static const char *const argv[] = {"/bin/true", "{plan}"};
    static const char *const targets[] = {"name=shop"};
    static const struct grant grant = {.action = "publish",
                                       .connector = CONNECTOR_EXEC,
                                       .argv = argv,
                                       .argv_count = 2,
                                       .targets = targets,
                                       .target_count = 1,
                                       .parameters = {{"plan", 0, 100}},
                                       .parameter_count = 1,
                                       .timeout = {5 * NS_PER_S},
                                       .at_most = {100, {3600 * NS_PER_S}}};
    double plan = 0, newest = 0;
    struct act_env env;
    struct hand hand = {0};
    size_t damage = 0;
    hand_open(&hand, &grant, &env);
    for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
        if (stage) {
            hand_ask(&hand, &messages[i]);
            plan = hand.plan;
        } else {
            plan = messages[i].numbers[0];
        }
        damage += plan < newest;
        newest = plan > newest ? plan : newest;
    }
    if (stage) {
        snprintf(stage->said, sizeof stage->said, "%.400s", hand.answer.text);
        stage_expect(stage, hand.started == 2 && newest == 8);
    }
    hand_close(&hand);
    return damage;
}

/* ---- in doubt ---- */

/* Row 18. By hand: that a restart asks the actor's latch, and never does again what is in doubt, is
 * built in. A node hangs and is rebooted, and is well; heald is killed before it hears of it, and
 * the actor before it could write the end down. Later another node hangs. By hand, what was begun
 * is begun again, and the other waits for it. Damage: reboots of a healthy node, and nodes that
 * hang and are not rebooted. */
struct nodes {
    bool hangs[2];
    size_t damage;
};

static void nodes_reboot(struct nodes *nodes, size_t node)
{
    nodes->damage += !nodes->hangs[node];
    nodes->hangs[node] = false;
}

static size_t doubt_by_hand(void)
{
    struct nodes nodes = {{true, false}, 0};
    nodes_reboot(&nodes, 0);
    nodes_reboot(&nodes, 0); /* heald is back: what was begun and not ended is begun again */
    nodes.hangs[1] = true;   /* and waits for the end of that, which nobody will ever tell */
    return nodes.damage + nodes.hangs[1];
}

struct doubt {
    struct latches *latches;
    struct nodes nodes;
    struct stage *stage;
};

/* The latch is taken before the effect, as the actor does. */
static void doubt_act(struct doubt *doubt, const struct stage_act *act)
{
    struct error error;
    struct latch_entry entry = {.id = act->id, .epoch = 1, .boot = "this boot"};
    snprintf(entry.action, sizeof entry.action, "%s", act->action);
    snprintf(entry.target, sizeof entry.target, "%s", act->target);
    if (latch_take(doubt->latches, &entry, &error) == STATUS_OK) {
        nodes_reboot(&doubt->nodes, stage_number(act));
    }
}

static void doubt_probe(struct doubt *doubt, uint64_t id)
{
    struct message answer = {0};
    struct latch_doubt known;
    (void)latch_probe(doubt->latches, id, &answer, &known);
    stage_input(doubt->stage,
                (struct input){.kind = INPUT_RESULT, .id = id, .outcome = answer.outcome});
}

size_t play_in_doubt(struct stage *stage)
{
    if (!stage) {
        return doubt_by_hand();
    }
    char folder[64];
    struct error error;
    struct doubt doubt = {.stage = stage};
    folder_make(folder);
    assert_int_equal(latch_open(folder, &doubt.latches, &error), STATUS_OK);
    const size_t source = stage_source(stage, "nodes");
    for (size_t i = 0; i < 2; i++) {
        (void)stage_series(stage, source, "node_hangs", "node=n%zu", i);
        stage_target(stage, "node=n%zu", i);
    }
    stage->mute = true;
    bool crashed = false;
    while (stage_seconds(stage) < 90) {
        doubt.nodes.hangs[0] = doubt.nodes.hangs[0] || stage_seconds(stage) == 5;
        doubt.nodes.hangs[1] = doubt.nodes.hangs[1] || stage_seconds(stage) == 20;
        for (size_t i = 0; i < 2; i++) {
            stage->series[i].value = doubt.nodes.hangs[i];
        }
        const size_t acts = stage_step(stage);
        for (size_t n = acts; n > 0; n--) {
            doubt_act(&doubt, &stage->acts[stage->act_count - n]);
        }
        for (size_t i = 0; i < stage->world.effects.count; i++) {
            if (stage->world.effects.items[i].kind == EFFECT_PROBE) {
                doubt_probe(&doubt, stage->world.effects.items[i].id);
            }
        }
        if (acts > 0 && !crashed) {
            world_restart(&stage->world);
            crashed = true;
        }
    }
    stage_expect(stage, crashed);
    latch_close(doubt.latches);
    folder_remove(folder);
    return doubt.nodes.damage + doubt.nodes.hangs[0] + doubt.nodes.hangs[1];
}
