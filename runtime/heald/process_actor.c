/* The actor process: holds the credentials, does what its own grants allow, tells people. Decides
 * nothing. */
#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/act/act_host.h"
#include "runtime/act/actor.h"
#include "runtime/act/voice.h"
#include "runtime/heald/actor_guards.h"
#include "runtime/heald/grant_list.h"
#include "runtime/heald/log.h"
#include "runtime/heald/process.h"
#ifdef HEAL_CRASH_POINTS
#    include "tests/fault/crash_point.h"
#endif

struct actor_process {
    const struct config *config;
    const struct clock_anchor *clock;
    struct grant_list grants;
    struct actor_guards guards;
    struct voice_channel *channels;
    struct latches *latches;
    struct act_host host;
    struct actor *actor;
    struct voice *voice;
    bool peer;
};

/* ---- heald.yaml to what the actor loads itself ---- */

static struct voice_channel channel_of(const struct config_channel *from)
{
    struct voice_channel to = {.name = from->name, .kind = config_channel_kind(from)};
    switch (to.kind) {
    case CHANNEL_LOG:
    case CHANNEL_COUNT: break;
    case CHANNEL_WEBHOOK:
        to.url = from->webhook.url;
        to.timeout = from->webhook.timeout;
        break;
    case CHANNEL_SLACK:
        to.url_file = from->slack.url_file;
        to.timeout = from->slack.timeout;
        break;
    case CHANNEL_PAGERDUTY:
        to.url = from->pagerduty.url;
        to.key_file = from->pagerduty.key_file;
        to.timeout = from->pagerduty.timeout;
        break;
    case CHANNEL_EMAIL:
        to.email.server = from->email.server;
        to.email.tls = (enum voice_tls)from->email.tls;
        to.email.from = from->email.from;
        to.email.to = (const char *const *)from->email.to.items;
        to.email.to_count = from->email.to.count;
        to.email.user = from->email.user;
        to.email.password_file = from->email.password_file;
        to.ca_file = from->email.ca_file;
        to.timeout = from->email.timeout;
        break;
    case CHANNEL_ALERTMANAGER:
        to.url = from->alertmanager.url;
        to.ends_after = from->alertmanager.ends_after;
        to.authorization_file = from->alertmanager.authorization_file;
        to.ca_file = from->alertmanager.ca_file;
        to.timeout = from->alertmanager.timeout;
        break;
    }
    return to;
}

static enum status load_channels(struct actor_process *process, voice_log_f *log,
                                 voice_done_f *done, struct error *error)
{
    const struct config *config = process->config;
    process->channels = heap_alloc(config->channels_count * sizeof *process->channels);
    for (size_t i = 0; i < config->channels_count; i++) {
        const struct config_channel *from = &config->channels[i];
        process->channels[i] = channel_of(from);
    }
    return voice_new(process->channels, config->channels_count, NULL, log, done, process,
                     &process->voice, error);
}

/* ---- the world's side ---- */

/* The time of the other processes, whatever became of the wall's since heald started. */
static struct instant actor_now(void *context)
{
    return clock_now(((struct actor_process *)((struct act_host *)context)->user)->clock);
}

static void send_answer(void *context, const struct message *message)
{
    struct actor_process *process = ((struct act_host *)context)->user;
    uint8_t bytes[MESSAGE_BYTES];
    message_encode(message, bytes);
    if (!process->peer ||
        send(PROCESS_FD_PEER, bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        log_say(LOG_WARN, "an answer for the engine was not sent; it will ask");
    }
}

static enum refusal take_notice(void *context, const struct message *message)
{
    struct act_host *host = context;
    struct actor_process *process = host->user;
    return voice_send(process->voice, message, host->env.uptime(host));
}

static void say_notice(void *context, const char *channel, const struct message *message)
{
    (void)context;
    log_say(LOG_WARN, "[%s] %s%s%s: %s", channel, message->policy, message->object[0] ? " " : "",
            message->object, message->text);
}

static void notice_done(void *context, uint64_t id, bool delivered, const char *text)
{
    struct actor_process *process = context;
    actor_notified(process->actor, id, delivered, text);
}

/* ---- the loop ---- */

static void take_peer(struct actor_process *process)
{
    uint8_t bytes[MESSAGE_BYTES + 1];
    while (process->peer) {
        ssize_t got = recv(PROCESS_FD_PEER, bytes, sizeof bytes, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (got <= 0) {
            log_say(LOG_WARN, "the engine is gone; running actions end as they will");
            process->peer = false;
            return;
        }
        actor_receive(process->actor, bytes, (size_t)got);
    }
}

static void renew_guards(struct actor_process *process)
{
    actor_guards_renew(&process->guards, process->actor, process->host.env.uptime(&process->host));
}

/* False when the parent is gone. */
static bool take_parent(struct actor_process *process)
{
    struct error error;
    enum status status = process_wait_peer(0, &error);
    process->peer = process->peer || status == STATUS_OK;
    return status != STATUS_NOT_FOUND;
}

static int actor_loop(struct actor_process *process, int signals)
{
    for (;;) {
        struct pollfd fds[] = {
            {.fd = process->peer ? PROCESS_FD_PEER : -1, .events = POLLIN},
            {.fd = signals, .events = POLLIN},
            {.fd = PROCESS_FD_PARENT, .events = POLLIN},
            {.fd = process->host.epoll_fd, .events = POLLIN},
            {.fd = voice_fd(process->voice), .events = POLLIN},
        };
        bool busy = actor_running(process->actor) > 0 || voice_waiting(process->voice) > 0;
        if (poll(fds, ARRAY_LEN(fds), busy ? ACTOR_STEP_MS : 1000) < 0 && errno != EINTR) {
            log_say(LOG_ERROR, "cannot wait: %s", strerror(errno));
            return 1;
        }
        renew_guards(process);
        take_peer(process);
        actor_step(process->actor);
        voice_step(process->voice, process->host.env.uptime(&process->host));
        if (fds[1].revents) {
            return 0;
        }
        if (fds[2].revents && !take_parent(process)) {
            return 0;
        }
    }
}

static enum status actor_open(struct actor_process *process, struct error *error)
{
    TRY(grant_list_load(process->config, &process->grants, error));
    TRY(latch_open(process->config->state, &process->latches, error));
    const struct config_kubernetes *kubernetes = &process->config->kubernetes;
    const struct hand_settings hands = {.kubernetes = {.server = kubernetes->server,
                                                       .ca_file = kubernetes->ca_file,
                                                       .token_file = kubernetes->token_file,
                                                       .timeout = kubernetes->timeout},
                                        .systemd_bus = process->config->systemd.bus};
    TRY(act_host_open(process->config->state, &hands, &process->host, error));
    process->host.user = process;
    process->host.env.now = actor_now;
    process->host.env.answer = send_answer;
    process->host.env.notify = take_notice;
#ifdef HEAL_CRASH_POINTS
    crash_point_open("actor");
    process->host.env.point = crash_point;
#endif
    TRY(load_channels(process, say_notice, notice_done, error));
    TRY(actor_new(process->grants.items, process->grants.count, process->latches,
                  &process->host.env, &process->actor, error));
    process->guards.config = process->config;
    renew_guards(process);
    return STATUS_OK;
}

int process_actor_main(const struct process_start *start)
{
    struct actor_process *process = heap_alloc(sizeof *process);
    struct error error;
    char report[SANDBOX_REPORT_BYTES];
    int signals = process_signals(false);
    if (signals < 0 || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        log_say(LOG_ERROR, "cannot start: %s", strerror(errno));
        return 1;
    }
    process->config = start->config;
    process->clock = &start->clock;
    process->peer = true;
    if (process_cage(start, report, &error) != STATUS_OK ||
        actor_open(process, &error) != STATUS_OK) {
        log_say(LOG_ERROR, "%s", error.message);
        return PROCESS_EXIT_REFUSED;
    }
    process_ready();
    int code = actor_loop(process, signals);
    actor_free(process->actor);
    actor_guards_release(&process->guards);
    voice_free(process->voice);
    latch_close(process->latches);
    act_host_close(&process->host);
    grant_list_release(&process->grants);
    free(process->channels);
    free(process);
    return code;
}
