/* The queue of notifications and their way over HTTP. */
#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "runtime/act/voice.h"

#define BACK_OFF_MAX (60 * NS_PER_S)

struct job {
    bool used;
    uint64_t id;
    size_t channel;
    unsigned attempts;
    struct duration next_at, give_up_at;
    char *body;
    struct curl_slist *headers;
    CURL *easy; /* not NULL: under way */
    size_t answer_bytes;
    char fault[120]; /* of the last attempt */
};

struct voice {
    const struct voice_channel *channels;
    size_t channel_count;
    struct voice_limits limits;
    voice_log_f *log;
    voice_done_f *done;
    void *context;
    CURLM *multi;
    int epoll_fd;
    struct duration now, timer_at; /* timer_at.ns < 0: curl wants no timer */
    size_t under_way;
    struct job jobs[VOICE_QUEUE_MAX];
};

/* ---- curl's wishes ---- */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *known)
{
    struct voice *voice = context;
    (void)easy;
    struct epoll_event event = {.data.fd = fd};
    event.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(voice->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    } else if (epoll_ctl(voice->epoll_fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) != 0) {
        return -1;
    } else {
        curl_multi_assign(voice->multi, fd, voice);
    }
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *context)
{
    struct voice *voice = context;
    (void)multi;
    voice->timer_at.ns = timeout_ms < 0 ? -1 : voice->now.ns + timeout_ms * NS_PER_MS;
    return 0;
}

static size_t on_answer(char *bytes, size_t size, size_t count, void *context)
{
    struct job *job = context;
    (void)bytes;
    job->answer_bytes += size * count;
    return job->answer_bytes > VOICE_ANSWER_MAX ? 0 : size * count;
}

/* ---- jobs ---- */

static void job_clear(struct voice *voice, struct job *job)
{
    if (job->easy) {
        curl_multi_remove_handle(voice->multi, job->easy);
        curl_easy_cleanup(job->easy);
        voice->under_way--;
    }
    curl_slist_free_all(job->headers);
    free(job->body);
    memset(job, 0, sizeof *job);
}

static void job_done(struct voice *voice, struct job *job, bool delivered)
{
    char text[300];
    const char *name = voice->channels[job->channel].name;
    if (delivered) {
        snprintf(text, sizeof text, "told %.64s, attempt %u", name, job->attempts);
    } else {
        snprintf(text, sizeof text, "could not tell %.64s in %u attempts: %s", name, job->attempts,
                 job->fault);
    }
    uint64_t id = job->id;
    job_clear(voice, job);
    voice->done(voice->context, id, delivered, text);
}

static bool set_up(CURL *easy, struct voice *voice, struct job *job)
{
    const char *url = voice->channels[job->channel].url;
    struct duration own = voice->channels[job->channel].timeout;
    long timeout_ms = (long)((own.ns > 0 ? own : voice->limits.attempt).ns / NS_PER_MS);
    int bad = 0;
    bad |= curl_easy_setopt(easy, CURLOPT_URL, url) != CURLE_OK;
    bad |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") != CURLE_OK;
    bad |= curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) != CURLE_OK;
    bad |= curl_easy_setopt(easy, CURLOPT_PROXY, "") != CURLE_OK;
    bad |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) != CURLE_OK;
    bad |= curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms) != CURLE_OK;
    bad |= curl_easy_setopt(easy, CURLOPT_POSTFIELDS, job->body) != CURLE_OK;
    bad |= curl_easy_setopt(easy, CURLOPT_HTTPHEADER, job->headers) != CURLE_OK;
    bad |= curl_easy_setopt(easy, CURLOPT_USERAGENT, "heald") != CURLE_OK;
    bad |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer) != CURLE_OK;
    bad |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, job) != CURLE_OK;
    bad |= curl_easy_setopt(easy, CURLOPT_PRIVATE, job) != CURLE_OK;
    return bad == 0;
}

static void job_start(struct voice *voice, struct job *job)
{
    CURL *easy = curl_easy_init();
    job->attempts++;
    job->answer_bytes = 0;
    if (easy && set_up(easy, voice, job) && curl_multi_add_handle(voice->multi, easy) == CURLM_OK) {
        job->easy = easy;
        voice->under_way++;
        return;
    }
    curl_easy_cleanup(easy);
    snprintf(job->fault, sizeof job->fault, "its URL cannot be used");
    job_done(voice, job, false);
}

/* The next attempt, or the end. wait_s is what the receiver asked for. */
static void job_again(struct voice *voice, struct job *job, int64_t wait_s)
{
    int64_t wait = voice->limits.back_off.ns;
    for (unsigned i = 1; i < job->attempts && wait < BACK_OFF_MAX; i++) {
        wait *= 2;
    }
    wait = wait < BACK_OFF_MAX ? wait : BACK_OFF_MAX;
    if (wait_s > 0 && wait_s < 86400 && wait_s * NS_PER_S > wait) {
        wait = wait_s * NS_PER_S;
    }
    job->next_at.ns = voice->now.ns + wait;
    if (wait_s >= 86400 || job->attempts >= voice->limits.attempts_max ||
        job->next_at.ns > job->give_up_at.ns) {
        job_done(voice, job, false);
    }
}

static void job_ended(struct voice *voice, struct job *job, CURLcode code)
{
    long http = 0;
    curl_off_t retry_after = 0;
    curl_easy_getinfo(job->easy, CURLINFO_RESPONSE_CODE, &http);
    curl_easy_getinfo(job->easy, CURLINFO_RETRY_AFTER, &retry_after);
    curl_multi_remove_handle(voice->multi, job->easy);
    curl_easy_cleanup(job->easy);
    job->easy = NULL;
    voice->under_way--;
    bool too_long = code == CURLE_WRITE_ERROR && job->answer_bytes > VOICE_ANSWER_MAX;
    if (code != CURLE_OK && !too_long) {
        snprintf(job->fault, sizeof job->fault, "%.100s", curl_easy_strerror(code));
        job_again(voice, job, 0); /* half an answer is no answer: tell it again */
        return;
    }
    snprintf(job->fault, sizeof job->fault, "it answered %ld", http);
    if (http >= 200 && http < 300) {
        job_done(voice, job, true);
    } else if (http >= 500 || http == 408 || http == 429) {
        job_again(voice, job, retry_after);
    } else {
        job_done(voice, job, false); /* a redirect, or a no that stays a no */
    }
}

/* ---- the voice ---- */

enum status voice_new(const struct voice_channel *channels, size_t count,
                      const struct voice_limits *limits, voice_log_f *log, voice_done_f *done,
                      void *context, struct voice **ret, struct error *error)
{
    if (count > VOICE_CHANNELS_MAX) {
        return error_set(error, STATUS_LIMIT, "%zu channels, the limit is %d", count,
                         VOICE_CHANNELS_MAX);
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return error_set(error, STATUS_IO, "libcurl cannot start");
    }
    struct voice *voice = heap_alloc(sizeof *voice);
    voice->channels = channels;
    voice->channel_count = count;
    voice->limits = limits ? *limits : VOICE_LIMITS_DEFAULT;
    voice->log = log;
    voice->done = done;
    voice->context = context;
    voice->timer_at.ns = -1;
    voice->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    voice->multi = curl_multi_init();
    if (voice->epoll_fd < 0 || !voice->multi) {
        voice_free(voice);
        return error_set(error, STATUS_IO, "cannot make a voice: %s", strerror(errno));
    }
    curl_multi_setopt(voice->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(voice->multi, CURLMOPT_SOCKETDATA, voice);
    curl_multi_setopt(voice->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(voice->multi, CURLMOPT_TIMERDATA, voice);
    *ret = voice;
    return STATUS_OK;
}

void voice_free(struct voice *voice)
{
    if (!voice) {
        return;
    }
    for (size_t i = 0; i < VOICE_QUEUE_MAX; i++) {
        job_clear(voice, &voice->jobs[i]);
    }
    curl_multi_cleanup(voice->multi);
    if (voice->epoll_fd >= 0) {
        close(voice->epoll_fd);
    }
    free(voice);
}

static struct curl_slist *make_headers(const struct message *message)
{
    char key[MESSAGE_KEY_BYTES], line[MESSAGE_KEY_BYTES + 40];
    message_escape(message->key, strlen(message->key), key, sizeof key);
    struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/json");
    list = curl_slist_append(list, "Expect:");
    snprintf(line, sizeof line, "Idempotency-Key: %016" PRIx64, message->id);
    list = curl_slist_append(list, line);
    snprintf(line, sizeof line, "X-Heal-Dedup: %s", key);
    return curl_slist_append(list, line);
}

enum refusal voice_send(struct voice *voice, const struct message *message, struct duration uptime)
{
    if (message->channel >= voice->channel_count) {
        return REFUSAL_CHANNEL;
    }
    const struct voice_channel *channel = &voice->channels[message->channel];
    if (channel->kind == VOICE_LOG) {
        voice->log(voice->context, channel->name, message);
        voice->done(voice->context, message->id, true, "logged");
        return REFUSAL_NONE;
    }
    for (size_t i = 0; i < VOICE_QUEUE_MAX; i++) {
        struct job *job = &voice->jobs[i];
        if (!job->used) {
            *job = (struct job){.used = true,
                                .id = message->id,
                                .channel = message->channel,
                                .next_at = uptime,
                                .give_up_at = {uptime.ns + voice->limits.give_up.ns},
                                .body = voice_json(message),
                                .headers = make_headers(message)};
            CHECK(job->body && job->headers);
            return REFUSAL_NONE;
        }
    }
    return REFUSAL_FULL;
}

static void drive(struct voice *voice)
{
    struct epoll_event events[16];
    int running;
    int count = epoll_wait(voice->epoll_fd, events, (int)ARRAY_LEN(events), 0);
    for (int i = 0; i < count; i++) {
        int mask = (events[i].events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) |
                   (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                   (events[i].events & EPOLLERR ? CURL_CSELECT_ERR : 0);
        curl_multi_socket_action(voice->multi, events[i].data.fd, mask, &running);
    }
    if (voice->timer_at.ns >= 0 && voice->now.ns >= voice->timer_at.ns) {
        voice->timer_at.ns = -1;
        curl_multi_socket_action(voice->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
}

void voice_step(struct voice *voice, struct duration uptime)
{
    voice->now = uptime;
    for (size_t i = 0; i < VOICE_QUEUE_MAX && voice->under_way < VOICE_PARALLEL_MAX; i++) {
        struct job *job = &voice->jobs[i];
        if (job->used && !job->easy && job->next_at.ns <= uptime.ns) {
            job_start(voice, job);
        }
    }
    drive(voice);
    CURLMsg *ended;
    int left;
    while ((ended = curl_multi_info_read(voice->multi, &left))) {
        struct job *job = NULL;
        curl_easy_getinfo(ended->easy_handle, CURLINFO_PRIVATE, (char **)&job);
        CHECK(ended->msg == CURLMSG_DONE && job && job->easy == ended->easy_handle);
        job_ended(voice, job, ended->data.result);
    }
}

int voice_fd(const struct voice *voice)
{
    return voice->epoll_fd;
}

size_t voice_waiting(const struct voice *voice)
{
    size_t count = 0;
    for (size_t i = 0; i < VOICE_QUEUE_MAX; i++) {
        count += voice->jobs[i].used;
    }
    return count;
}
