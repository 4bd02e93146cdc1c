/* The exec hand's cage, on real processes. */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/act/act_host.h"
#include "tests/act/guards.h"
#include "tests/unit.h"

static struct duration clock_now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (struct duration){t.tv_sec * NS_PER_S + t.tv_nsec};
}

static const char *const one_target[] = {"namespace=shop,pod=a b;$(id)"};

static struct grant shell_grant(const char *const *argv, size_t count)
{
    return (struct grant){.action = "once",
                          .connector = CONNECTOR_EXEC,
                          .argv = argv,
                          .argv_count = count,
                          .targets = one_target,
                          .target_count = 1,
                          .timeout = {5 * NS_PER_S},
                          .at_most = {1000, {NS_PER_S}}};
}

static struct hand_result run_grant(const struct grant *grant)
{
    static struct grant_command command;
    struct error error = {{0}};
    struct hands *hands = NULL;
    struct hand_run *run = NULL;
    struct hand_result result;
    const struct hand_order order = {.grant = grant, .command = &command};
    if (grant_check(grant, &error) != STATUS_OK ||
        grant_fill(grant, 0, NULL, &command, &error) != STATUS_OK ||
        hands_new(&(struct hand_settings){.epoll_fd = -1}, &hands, &error) != STATUS_OK ||
        hand_start(hands, &order, clock_now(CLOCK_BOOTTIME), &run, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    while (!hand_step(run, clock_now(CLOCK_BOOTTIME), &result)) {
        usleep(2000);
    }
    hands_free(hands);
    return result;
}

/* A shell only as the program under test: the hand itself knows none. */
static struct hand_result run_script(const char *script, struct duration timeout, size_t output_max)
{
    const char *const argv[] = {"/bin/sh", "-c", script};
    struct grant grant = shell_grant(argv, 3);
    grant.timeout = timeout;
    grant.output_max_bytes = output_max;
    return run_grant(&grant);
}

static const struct duration five = {5 * NS_PER_S};

/* What the scripts of this test start, and no other's on this host: sleep SECONDS.PID. */
static size_t sleepers(int seconds)
{
    char command[80];
    int count = 0;
    snprintf(command, sizeof command, "pgrep -x -c -f 'sleep %d.%d'", seconds, getpid());
    FILE *out = popen(command, "r");
    assert_non_null(out);
    assert_int_equal(fscanf(out, "%d", &count), 1);
    pclose(out);
    return (size_t)count;
}

/* A process that was killed is gone once it is scheduled again, which takes a busy machine a while.
 */
static void wait_for_no_sleepers(int seconds)
{
    for (int tries = 0; sleepers(seconds) > 0; tries++) {
        assert_true(tries < 200);
        usleep(20000);
    }
}

static void results_say_how_it_ended(void **state)
{
    (void)state;
    struct hand_result r = run_script("echo done; exit 0", five, 0);
    assert_int_equal(r.outcome, OUTCOME_SUCCEEDED);
    assert_string_equal(r.text, "done");
    r = run_script("printf 'a\\033[31m\\\\' >&2; exit 7", five, 0);
    assert_int_equal(r.outcome, OUTCOME_FAILED);
    assert_int_equal(r.exit_code, 7);
    assert_string_equal(r.text, "a\\x1b[31m\\\\");
    r = run_script("kill -9 $$", five, 0);
    assert_int_equal(r.outcome, OUTCOME_FAILED);
    assert_int_equal(r.exit_code, -9);
    const char *const missing[] = {"/no/such/program"};
    struct grant grant = shell_grant(missing, 1);
    r = run_grant(&grant);
    assert_int_equal(r.outcome, OUTCOME_FAILED);
    assert_non_null(strstr(r.text, "cannot execute '/no/such/program': No such file"));
    const char *const there[] = {"/bin/true"};
    grant = shell_grant(there, 1);
    grant.cwd = "/no/such/folder";
    r = run_grant(&grant);
    assert_non_null(strstr(r.text, "cannot enter the folder"));
}

static void a_timeout_ends_the_whole_group_even_if_it_ignores_sigterm(void **state)
{
    (void)state;
    struct duration before = clock_now(CLOCK_BOOTTIME);
    char script[200];
    snprintf(script, sizeof script,
             "trap '' TERM; (trap '' TERM; exec sleep 97.%d) & while :; do sleep 0.05; done",
             getpid());
    struct hand_result r = run_script(script, (struct duration){200 * NS_PER_MS}, 0);
    int64_t took = clock_now(CLOCK_BOOTTIME).ns - before.ns;
    assert_int_equal(r.outcome, OUTCOME_TIMED_OUT);
    assert_int_equal(r.exit_code, -9);
    assert_true(took > 2 * NS_PER_S && took < 4 * NS_PER_S);
    wait_for_no_sleepers(97);
}

static void a_flood_of_output_is_drained_and_only_its_end_is_kept(void **state)
{
    (void)state;
    struct hand_result r =
        run_script("head -c 50000000 /dev/zero | tr '\\0' x; echo the end", five, 64);
    assert_int_equal(r.outcome, OUTCOME_SUCCEEDED);
    assert_int_equal(strlen(r.text), 64 - 1);
    assert_non_null(strstr(r.text, "xthe end"));
    r = run_script("yes heal", (struct duration){300 * NS_PER_MS}, 1 << 20);
    assert_int_equal(r.outcome, OUTCOME_TIMED_OUT);
    assert_true(strlen(r.text) < HAND_TEXT_BYTES);
}

static void a_hog_of_memory_or_disk_fails_alone(void **state)
{
    (void)state;
    const char *const argv[] = {"/usr/bin/python3", "-S", "-c", "b'x' * (1 << 30)"};
    struct grant grant = shell_grant(argv, 4);
    grant.memory_max_bytes = 200 << 20;
    struct hand_result r = run_grant(&grant);
    assert_int_equal(r.outcome, OUTCOME_FAILED);
    assert_non_null(strstr(r.text, "MemoryError"));
    r = run_script(
        "f=$(mktemp); head -c 80000000 /dev/zero > $f; s=$?; stat -c %s $f; rm $f; exit $s", five,
        0);
    assert_int_equal(r.outcome, OUTCOME_FAILED);
    assert_non_null(strstr(r.text, "67108864"));
}

static void a_fork_bomb_is_gone_with_its_group(void **state)
{
    (void)state;
    char script[300];
    snprintf(script, sizeof script,
             "b() {{ sleep 0.02; b & b & wait; }}; ulimit -u 300 2>/dev/null; "
             "for i in 1 2 3 4 5 6 7 8; do sleep 98.%d & done; b 2>/dev/null",
             getpid());
    struct hand_result r = run_script(script, (struct duration){250 * NS_PER_MS}, 0);
    assert_int_equal(r.outcome, OUTCOME_TIMED_OUT);
    wait_for_no_sleepers(98);
}

static void nothing_of_the_actor_reaches_the_child(void **state)
{
    (void)state;
    setenv("SECRET_TOKEN", "x", 1);
    int leak = open("/dev/null", O_RDONLY); /* not close-on-exec */
    assert_true(leak > 2);
    const char *const env_argv[] = {"/usr/bin/env"};
    const char *const env[] = {"REGION=eu"};
    struct grant grant = shell_grant(env_argv, 1);
    grant.env = env;
    grant.env_count = 1;
    struct hand_result r = run_grant(&grant);
    assert_string_equal(r.text,
                        "REGION=eu\\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
                        "/sbin:/bin\\nLANG=C.UTF-8");
    r = run_script("ls /proc/self/fd | tr '\\n' ' '; pwd; umask", five, 0);
    assert_string_equal(r.text, "0 1 2 3 /\\n0077"); /* 3 is ls reading that folder */
    r = run_script(
        "grep -E 'NoNewPrivs|SigBlk|SigIgn' /proc/self/status; readlink /proc/self/fd/0; "
        "[ \"$(ps -o sid= -p $$ | tr -d ' ')\" = $$ ] && echo leader",
        five, 0);
    assert_non_null(strstr(r.text, "SigBlk:\\t0000000000000000\\nSigIgn:\\t0000000000000000\\n"));
    assert_non_null(strstr(r.text, "NoNewPrivs:\\t1\\n/dev/null"));
    assert_non_null(strstr(r.text, "leader"));
    close(leak);
}

static void a_value_is_one_argument_whatever_it_holds(void **state)
{
    (void)state;
    const char *const argv[] = {"/usr/bin/printf", "<%s>", "{pod}", "x{namespace}{{}}", "{target}"};
    struct grant grant = shell_grant(argv, 5);
    struct hand_result r = run_grant(&grant);
    assert_string_equal(r.text, "<a b;$(id)><xshop{}><namespace=shop,pod=a b;$(id)>");
    const char *const numbers[] = {"/usr/bin/printf", "<%s>", "x{n}", "--d={d}", "{i}"};
    grant = shell_grant(numbers, 5);
    grant.parameter_count = 3;
    grant.parameters[0] = (struct grant_parameter){"n", 0, 1};
    grant.parameters[1] = (struct grant_parameter){"d", -10, 10};
    grant.parameters[2] = (struct grant_parameter){"i", -10, 1e12};
    static struct grant_command command;
    const double values[] = {0.1, -2.5, 1e12}, negative[] = {0.1, 1, -3};
    assert_int_equal(grant_fill(&grant, 0, values, &command, NULL), STATUS_OK);
    assert_string_equal(command.argv[2], "x0.1");
    assert_string_equal(command.argv[3], "--d=-2.5");
    assert_string_equal(command.argv[4], "1000000000000");
    assert_int_equal(grant_fill(&grant, 0, negative, &command, NULL), STATUS_DENIED);
}

/* ---- the whole actor on this host ---- */

static struct message last;
static void on_answer(void *context, const struct message *message)
{
    (void)context;
    last = *message;
}

static void pump(struct act_host *host, struct actor *actor)
{
    last.kind = MESSAGE_KINDS;
    while (last.kind == MESSAGE_KINDS) {
        struct pollfd fd = {host->epoll_fd, POLLIN, 0};
        poll(&fd, 1, ACTOR_STEP_MS);
        actor_step(actor);
    }
}

static void a_real_actor_acts_answers_and_obeys_the_stop_file(void **state)
{
    (void)state;
    char folder[] = "/tmp/heal-act-XXXXXX", stop[64], command[64];
    assert_non_null(mkdtemp(folder));
    static const char *const argv_true[] = {"/bin/true"}, *const argv_sleep[] = {"/bin/sleep",
                                                                                 "96"};
    struct grant grants[2] = {shell_grant(argv_true, 1), shell_grant(argv_sleep, 2)};
    grants[1].action = "long";
    grants[1].timeout.ns = 60 * NS_PER_S;
    struct act_host host;
    struct latches *latches = NULL;
    struct actor *actor;
    struct error error = {{0}};
    if (act_host_open(folder, &(struct hand_settings){0}, &host, &error) != STATUS_OK ||
        latch_open(folder, &latches, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    host.env.answer = on_answer;
    assert_int_equal(actor_new(grants, 2, latches, &host.env, &actor, &error), STATUS_OK);
    struct guards *guards =
        guards_of("edition 1\n"
                  "pool pods(pod) = pod_up == 1\n"
                  "metric pod_up ratio by (pod)\n"
                  "action once(p: pod) { via exec  affects p.errors within 1m  irreversible"
                  "  timeout 5s }\n"
                  "action long(p: pod) { via exec  affects p.errors within 1m  irreversible"
                  "  timeout 60s }\n"
                  "guard host { at most 1000000 actions per 1s }\n");
    assert_int_equal(actor_guard(actor, guards->program, &error), STATUS_OK);
    enum { ROUNDS = 100 };
    uint8_t bytes[MESSAGE_BYTES];
    struct message act = {.kind = MESSAGE_ACT, .epoch = 1};
    struct duration start = clock_now(CLOCK_BOOTTIME);
    for (int i = 0; i < ROUNDS; i++) {
        act.id++;
        message_encode(&act, bytes);
        actor_receive(actor, bytes, sizeof bytes);
        pump(&host, actor);
        assert_int_equal(last.outcome, OUTCOME_SUCCEEDED);
    }
    print_message("round trip of /bin/true: %.2f ms\n",
                  (double)(clock_now(CLOCK_BOOTTIME).ns - start.ns) / 1e6 / (double)ROUNDS);
    act.id++;
    act.grant = 1;
    message_encode(&act, bytes);
    actor_receive(actor, bytes, sizeof bytes);
    snprintf(stop, sizeof stop, "%s/STOP", folder);
    close(open(stop, O_CREAT | O_WRONLY, 0600));
    start = clock_now(CLOCK_BOOTTIME);
    pump(&host, actor);
    assert_true(clock_now(CLOCK_BOOTTIME).ns - start.ns < NS_PER_S);
    assert_int_equal(last.outcome, OUTCOME_FAILED);
    assert_non_null(strstr(last.text, "ended by STOP"));
    act.id++;
    message_encode(&act, bytes);
    actor_receive(actor, bytes, sizeof bytes);
    assert_int_equal(last.refusal, REFUSAL_STOPPED);
    act.kind = MESSAGE_PROBE;
    act.id = 5;
    message_encode(&act, bytes);
    actor_receive(actor, bytes, sizeof bytes);
    assert_int_equal(last.outcome, OUTCOME_SUCCEEDED);
    actor_free(actor);
    guards_free(guards);
    latch_close(latches);
    act_host_close(&host);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_say_how_it_ended),
        cmocka_unit_test(a_timeout_ends_the_whole_group_even_if_it_ignores_sigterm),
        cmocka_unit_test(a_flood_of_output_is_drained_and_only_its_end_is_kept),
        cmocka_unit_test(a_hog_of_memory_or_disk_fails_alone),
        cmocka_unit_test(a_fork_bomb_is_gone_with_its_group),
        cmocka_unit_test(nothing_of_the_actor_reaches_the_child),
        cmocka_unit_test(a_value_is_one_argument_whatever_it_holds),
        cmocka_unit_test(a_real_actor_acts_answers_and_obeys_the_stop_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
