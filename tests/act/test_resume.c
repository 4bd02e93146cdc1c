/* What became of an action whose actor died: the hand that can find out is asked, and what has no
 * note was never begun. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/act/actor.h"
#include "tests/act/guards.h"
#include "tests/unit.h"

static char folder[64];
static const char *const targets[] = {"pool=a", "pool=b"};
static const char *const argv[] = {"/bin/true"};
static const struct grant_request request = {
    .method = METHOD_POST, .url = "http://h/{pool}/{to}", .timeout = {NS_PER_S}};
static struct grant grants[2]; /* http, exec */

/* The world: a hand that notes, and does not end by itself. */
static struct {
    bool stopped, dies_before_note, hold;
    size_t spawned, resumed, ended, answers;
    char former[HAND_NOTE_BYTES], first_key[HAND_KEY_BYTES], key[HAND_KEY_BYTES];
    double number;
    enum outcome outcome; /* of what was resumed */
    enum status start;    /* of a resumption */
    struct message last;
} w;

static struct instant fake_now(void *context)
{
    (void)context;
    return (struct instant){1700000000 * NS_PER_S};
}
static struct duration fake_uptime(void *context)
{
    (void)context;
    return (struct duration){1000 * NS_PER_S};
}
static bool fake_stopped(void *context)
{
    (void)context;
    return w.stopped;
}
static enum status fake_spawn(void *context, const struct hand_order *order, void **ret,
                              struct error *error)
{
    (void)context;
    snprintf(w.key, sizeof w.key, "%s", order->key);
    *ret = &w;
    if (order->former) {
        w.resumed++;
        snprintf(w.former, sizeof w.former, "%s", order->former);
        w.number = order->numbers[0];
        return w.start == STATUS_OK ? STATUS_OK : error_set(error, w.start, "it will not");
    }
    w.spawned++;
    snprintf(w.first_key, sizeof w.first_key, "%s", order->key);
    if (order->grant->connector == CONNECTOR_HTTP && !w.dies_before_note) {
        assert_int_equal(order->note(order->note_context, "first", error), STATUS_OK);
        assert_int_equal(order->note(order->note_context, "request 1", error), STATUS_OK);
    }
    return STATUS_OK;
}
static bool fake_poll(void *context, void *run, struct hand_result *ret)
{
    (void)context;
    (void)run;
    *ret = (struct hand_result){.outcome = w.outcome, .text = "found out \xc3"};
    return !w.hold;
}
static void fake_end(void *context, void *run)
{
    (void)context;
    (void)run;
    w.ended++;
    w.hold = false;
}
static void fake_answer(void *context, const struct message *message)
{
    (void)context;
    w.answers++;
    w.last = *message;
}
static const struct act_env env = {.now = fake_now,
                                   .uptime = fake_uptime,
                                   .boot = "this boot",
                                   .stopped = fake_stopped,
                                   .spawn = fake_spawn,
                                   .poll = fake_poll,
                                   .end = fake_end,
                                   .answer = fake_answer};

/* Guards that forbid nothing of this. */
static const char open_guards[] =
    "edition 1\n"
    "pool pods(pod) = pod_up == 1\n"
    "metric pod_up ratio by (pod)\n"
    "action drain(p: pod, to: number) {\n"
    "  via http  affects p.errors within 1m  irreversible  timeout 2s }\n"
    "action run(p: pod, to: number) {\n"
    "  via exec  affects p.errors within 1m  irreversible  timeout 2s }\n"
    "guard host { at most 1000000 actions per 1s }\n";

static struct guards *guards;
static struct latches *latches;
static struct actor *actor;

static void live(void)
{
    struct error error = {{0}};
    if (latch_open(folder, &latches, &error) != STATUS_OK ||
        actor_new(grants, 2, latches, &env, &actor, &error) != STATUS_OK ||
        actor_guard(actor, guards->program, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
}

static void die(void)
{
    actor_free(actor);
    latch_close(latches);
}

static int open_world(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/heal-resume-XXXXXX");
    memset(&w, 0, sizeof w);
    w.hold = true;
    w.outcome = OUTCOME_SUCCEEDED;
    for (int i = 0; i < 2; i++) {
        grants[i] = (struct grant){.action = i ? "run" : "drain",
                                   .connector = i ? CONNECTOR_EXEC : CONNECTOR_HTTP,
                                   .argv = argv,
                                   .argv_count = (size_t)i,
                                   .request = i ? NULL : &request,
                                   .targets = targets,
                                   .target_count = 2,
                                   .parameters = {{"to", 0, 100}},
                                   .parameter_count = 1,
                                   .timeout = {5 * NS_PER_S},
                                   .at_most = {100, {NS_PER_S}}};
    }
    assert_non_null(mkdtemp(folder));
    guards = guards_of(open_guards);
    live();
    return 0;
}

static int close_world(void **state)
{
    char command[96];
    (void)state;
    die();
    guards_free(guards);
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static void tell(enum message_kind kind, uint64_t id, uint16_t grant)
{
    struct message message = {.kind = kind, .id = id, .epoch = 1, .grant = grant, .target = 1};
    uint8_t bytes[MESSAGE_BYTES];
    if (kind == MESSAGE_ACT) {
        message.number_count = 1;
        message.numbers[0] = 2.5;
    }
    message_encode(&message, bytes);
    actor_receive(actor, bytes, sizeof bytes);
}

static void act_and_die(uint64_t id, uint16_t grant)
{
    tell(MESSAGE_ACT, id, grant);
    assert_int_equal(actor_running(actor), 1);
    die();
    live();
}

static void write_to_latch(uint64_t id, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/actions/%016" PRIx64, folder, id);
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void a_hand_that_notes_is_asked_with_what_it_was_given(void **state)
{
    (void)state;
    act_and_die(7, 0);
    tell(MESSAGE_PROBE, 7, 0);
    assert_int_equal(w.answers, 0); /* it answers when it knows */
    assert_string_equal(w.former, "request 1");
    assert_true(w.number == 2.5);
    assert_string_equal(w.key, w.first_key);
    assert_int_equal(strncmp(w.key, "0000000000000007-", 17), 0);
    tell(MESSAGE_PROBE, 7, 0); /* while it is asked */
    assert_int_equal(w.resumed, 1);
    w.hold = false;
    actor_step(actor);
    assert_int_equal(w.last.outcome, OUTCOME_SUCCEEDED);
    assert_int_equal(w.last.id, 7);
    tell(MESSAGE_PROBE, 7, 0); /* it is on record now */
    assert_int_equal(w.resumed, 1);
    assert_int_equal(w.last.outcome, OUTCOME_SUCCEEDED);
    tell(MESSAGE_ACT, 7, 0);
    assert_int_equal(w.last.refusal, REFUSAL_DUPLICATE);
    assert_int_equal(w.spawned, 1);
}

static void what_is_not_known_is_asked_again(void **state)
{
    (void)state;
    act_and_die(7, 0);
    w.hold = false;
    w.outcome = OUTCOME_UNKNOWN;
    for (size_t i = 1; i <= 3; i++) {
        tell(MESSAGE_PROBE, 7, 0);
        actor_step(actor);
        assert_int_equal(w.last.outcome, OUTCOME_UNKNOWN);
        assert_int_equal(w.resumed, i);
    }
    w.start = STATUS_DENIED;
    tell(MESSAGE_PROBE, 7, 0);
    assert_int_equal(w.last.outcome, OUTCOME_UNKNOWN);
    assert_non_null(strstr(w.last.text, "it will not"));
    w.start = STATUS_OK;
    w.outcome = OUTCOME_FAILED;
    tell(MESSAGE_PROBE, 7, 0);
    actor_step(actor);
    assert_int_equal(w.last.outcome, OUTCOME_FAILED);
}

static void without_a_note_nothing_was_begun(void **state)
{
    (void)state;
    w.dies_before_note = true;
    act_and_die(7, 0);
    tell(MESSAGE_PROBE, 7, 0);
    assert_int_equal(w.last.outcome, OUTCOME_NEVER_STARTED);
    write_to_latch(7, "{\"note\":\"reque"); /* torn: it was never durable */
    tell(MESSAGE_PROBE, 7, 0);
    assert_int_equal(w.last.outcome, OUTCOME_NEVER_STARTED);
    write_to_latch(7, "\n"); /* damaged: something was noted */
    tell(MESSAGE_PROBE, 7, 0);
    assert_int_equal(w.last.outcome, OUTCOME_UNKNOWN);
    assert_int_equal(w.resumed, 0);
    tell(MESSAGE_ACT, 7, 0);
    assert_int_equal(w.last.refusal, REFUSAL_DUPLICATE);
}

static void a_torn_line_does_not_hide_what_comes_after(void **state)
{
    (void)state;
    act_and_die(7, 0);
    write_to_latch(7, "{\"outcome\":\"suc");
    w.hold = false;
    tell(MESSAGE_PROBE, 7, 0);
    actor_step(actor);
    assert_int_equal(w.last.outcome, OUTCOME_SUCCEEDED);
    die();
    live();
    tell(MESSAGE_PROBE, 7, 0);
    assert_int_equal(w.last.outcome, OUTCOME_SUCCEEDED);
    assert_int_equal(w.resumed, 1);
}

static void notes_end_where_only_the_result_has_room(void **state)
{
    (void)state;
    act_and_die(7, 0);
    char note[LATCH_NOTE_BYTES] = "";
    memset(note, 'n', sizeof note - 1);
    struct error error;
    size_t count = 0;
    while (latch_note(latches, 7, note, &error) == STATUS_OK) {
        assert_true(++count < 100);
    }
    assert_non_null(strstr(error.message, "full"));
    assert_true(count > 10);
    die();
    live(); /* it can still be read */
    w.hold = false;
    tell(MESSAGE_PROBE, 7, 0);
    assert_string_equal(w.former, note);
    actor_step(actor);
    die();
    live();
    tell(MESSAGE_PROBE, 7, 0);
    assert_int_equal(w.last.outcome, OUTCOME_SUCCEEDED);
    assert_string_equal(w.last.text, "found out ?");
    assert_int_equal(w.resumed, 1);
}

static void a_program_is_never_asked(void **state)
{
    (void)state;
    act_and_die(7, 1);
    tell(MESSAGE_PROBE, 7, 1);
    assert_int_equal(w.last.outcome, OUTCOME_UNKNOWN);
    assert_int_equal(w.resumed, 0);
}

static void another_grant_is_not_asked(void **state)
{
    (void)state;
    act_and_die(7, 1); /* it ran a program */
    grants[1].connector = CONNECTOR_HTTP;
    grants[1].argv_count = 0;
    grants[1].request = &request;
    die();
    live();
    tell(MESSAGE_PROBE, 7, 1);
    assert_int_equal(w.last.outcome, OUTCOME_UNKNOWN);
    act_and_die(8, 0);
    grants[0].target_count = 1; /* and its target is granted no longer */
    tell(MESSAGE_PROBE, 8, 0);
    assert_int_equal(w.last.outcome, OUTCOME_UNKNOWN);
    grants[0].target_count = 2;
    grants[0].parameters[0].max = 1; /* nor is its number */
    tell(MESSAGE_PROBE, 8, 0);
    assert_int_equal(w.last.outcome, OUTCOME_UNKNOWN);
    assert_int_equal(w.resumed, 0);
}

static void nothing_is_sent_again_under_stop(void **state)
{
    (void)state;
    act_and_die(7, 0);
    w.stopped = true;
    tell(MESSAGE_PROBE, 7, 0);
    assert_int_equal(w.last.outcome, OUTCOME_UNKNOWN);
    assert_int_equal(w.resumed, 0);
    w.stopped = false;
    tell(MESSAGE_PROBE, 7, 0);
    assert_int_equal(w.resumed, 1);
    w.stopped = true;
    actor_step(actor);
    assert_int_equal(w.ended, 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)
    const struct CMUnitTest tests[] = {
        T(a_hand_that_notes_is_asked_with_what_it_was_given),
        T(what_is_not_known_is_asked_again),
        T(without_a_note_nothing_was_begun),
        T(a_torn_line_does_not_hide_what_comes_after),
        T(notes_end_where_only_the_result_has_room),
        T(a_program_is_never_asked),
        T(another_grant_is_not_asked),
        T(nothing_is_sent_again_under_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
