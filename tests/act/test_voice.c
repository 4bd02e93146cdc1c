/* Webhooks against a receiver that misbehaves: told at least once, never for ever, never
 * redirected. */
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/act/voice.h"
#include "tests/unit.h"

enum { FLAKY, BUSY, HANG, REDIRECT, NO, DOWN, HALF, ENDLESS, OK, NOBODY, CHANNELS };
static const char *const paths[CHANNELS] = {"flaky", "busy", "hang",    "redirect", "no",
                                            "down",  "half", "endless", "ok",       "nobody"};
static char urls[CHANNELS][64];
static struct voice_channel channels[CHANNELS + 1];
static char results[CHANNELS + 1][300];
static int delivered[CHANNELS + 1];

static struct duration uptime(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (struct duration){t.tv_sec * NS_PER_S + t.tv_nsec};
}

static void on_done(void *context, uint64_t id, bool ok, const char *text)
{
    (void)context;
    assert_true(id <= CHANNELS && results[id][0] == '\0'); /* once each */
    snprintf(results[id], sizeof results[id], "%s", text);
    delivered[id] = ok;
}

static void on_log(void *context, const char *channel, const struct message *message)
{
    (void)context;
    assert_string_equal(channel, "log");
    assert_string_equal(message->text, "memory of a worker");
}

static pid_t start_recorder(int *to, FILE **from)
{
    int in[2], out[2];
    assert_true(pipe(in) == 0 && pipe(out) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[1]);
        execlp("python3", "python3", HEAL_ROOT "/tests/act/recorder.py", (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    *to = in[1];
    *from = fdopen(out[0], "r");
    return pid;
}

static void misbehaving_receivers_are_told_at_least_once_and_block_nothing(void **state)
{
    (void)state;
    int to;
    FILE *from;
    pid_t pid = start_recorder(&to, &from);
    char line[4096];
    assert_non_null(fgets(line, sizeof line, from));
    int port = (int)strtol(line, NULL, 10);
    for (int i = 0; i < CHANNELS; i++) {
        snprintf(urls[i], sizeof urls[i], "http://127.0.0.1:%d/%s", i == NOBODY ? 1 : port,
                 paths[i]);
        channels[i] =
            (struct voice_channel){.name = paths[i], .kind = CHANNEL_WEBHOOK, .url = urls[i]};
    }
    channels[CHANNELS] = (struct voice_channel){.name = "log", .kind = CHANNEL_LOG};
    struct voice_limits limits = {{700 * NS_PER_MS}, {50 * NS_PER_MS}, {10 * NS_PER_S}, 4};
    struct voice *voice;
    assert_int_equal(
        voice_new(channels, CHANNELS + 1, &limits, on_log, on_done, NULL, &voice, NULL), STATUS_OK);
    struct message m = {.kind = MESSAGE_NOTIFY, .incident = 12, .time = {1500000000}};
    snprintf(m.policy, sizeof m.policy, "worker_memory");
    snprintf(m.object, sizeof m.object, "pod=\xff\"a");
    snprintf(m.key, sizeof m.key, "worker_memory\r\nX-Evil: 1");
    snprintf(m.text, sizeof m.text, "memory of a worker");
    for (int i = 0; i <= CHANNELS; i++) {
        m.id = (uint64_t)i;
        m.channel = (uint16_t)i;
        assert_int_equal(voice_send(voice, &m, uptime()), REFUSAL_NONE);
    }
    assert_string_equal(results[CHANNELS], "logged");
    m.channel = CHANNELS + 1;
    assert_int_equal(voice_send(voice, &m, uptime()), REFUSAL_CHANNEL);
    struct duration start = uptime(), longest = {0};
    while (voice_waiting(voice) && uptime().ns - start.ns < 15 * NS_PER_S) {
        struct pollfd fd = {voice_fd(voice), POLLIN, 0};
        poll(&fd, 1, 20);
        struct duration before = uptime();
        voice_step(voice, before);
        int64_t took = uptime().ns - before.ns;
        longest.ns = took > longest.ns ? took : longest.ns;
    }
    assert_int_equal(voice_waiting(voice), 0);
    static const int expected[CHANNELS] = {
        [FLAKY] = 1, [BUSY] = 1, [HANG] = 1, [HALF] = 1, [ENDLESS] = 1, [OK] = 1};
    for (int i = 0; i < CHANNELS; i++) {
        if (delivered[i] != expected[i]) {
            fail_msg("%s: %s", paths[i], results[i]);
        }
        assert_null(strstr(results[i], "127.0.0.1"));
    }
    assert_non_null(strstr(results[FLAKY], "attempt 2"));
    assert_non_null(strstr(results[REDIRECT], "1 attempts: it answered 307"));
    assert_non_null(strstr(results[NO], "1 attempts: it answered 403"));
    assert_non_null(strstr(results[DOWN], "4 attempts: it answered 503"));
    print_message("longest step %.1f ms\n", (double)longest.ns / 1e6);
    assert_true(longest.ns < 200 * NS_PER_MS);
    voice_free(voice);
    close(to);
    int counts[CHANNELS] = {0};
    while (fgets(line, sizeof line, from)) {
        assert_null(strstr(line, "GET-FOLLOWED"));
        for (int i = 0; i < CHANNELS; i++) {
            size_t length = strlen(paths[i]);
            counts[i] += line[0] == '/' && strncmp(line + 1, paths[i], length) == 0 &&
                         line[1 + length] == ' ';
        }
        json_t *json = json_loads(strchr(line, '{'), 0, NULL);
        assert_string_equal(json_string_value(json_object_get(json, "schema")),
                            "heal.notification/1");
        assert_string_equal(json_string_value(json_object_get(json, "incident")), "12");
        assert_string_equal(json_string_value(json_object_get(json, "time")), "1.500000000");
        json_decref(json);
    }
    print_message("asked: flaky %d, busy %d, hang %d, half %d\n", counts[FLAKY], counts[BUSY],
                  counts[HANG], counts[HALF]);
    assert_true(counts[FLAKY] == 2 && counts[BUSY] == 2 && counts[HANG] == 2 && counts[HALF] == 2);
    assert_true(counts[REDIRECT] == 1 && counts[OK] == 1 && counts[DOWN] == 4 &&
                counts[NOBODY] == 0);
    fclose(from);
    waitpid(pid, NULL, 0);
}

static void the_queue_is_bounded(void **state)
{
    (void)state;
    struct voice *voice;
    struct voice_channel one = {
        .name = "ok", .kind = CHANNEL_WEBHOOK, .url = "http://127.0.0.1:1/"};
    struct message m = {.kind = MESSAGE_NOTIFY};
    assert_int_equal(voice_new(&one, 1, NULL, on_log, on_done, NULL, &voice, NULL), STATUS_OK);
    for (int i = 0; i < VOICE_QUEUE_MAX; i++) {
        assert_int_equal(voice_send(voice, &m, uptime()), REFUSAL_NONE);
    }
    assert_int_equal(voice_send(voice, &m, uptime()), REFUSAL_FULL);
    voice_free(voice);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(misbehaving_receivers_are_told_at_least_once_and_block_nothing),
        cmocka_unit_test(the_queue_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
