/* The queue of notifications and how often each is tried. */
#include "runtime/act/voice.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/act/voice_letter.h"

#define BACK_OFF_MAX (60 * NS_PER_S)

struct job {
    bool used;
    struct message message;
    unsigned attempts;
    struct duration next_at, give_up_at;
    struct transfer *transfer; /* not NULL: under way */
    char fault[300];           /* of the last attempt */
};

struct voice {
    const struct voice_channel *channels;
    size_t channel_count;
    struct voice_limits limits;
    voice_log_f *log;
    voice_done_f *done;
    void *context;
    struct transfers *transfers;
    struct duration now;
    size_t under_way;
    struct job jobs[VOICE_QUEUE_MAX];
};

/* ---- jobs ---- */

static void job_clear(struct voice *voice, struct job *job)
{
    voice->under_way -= job->transfer != NULL;
    transfer_free(job->transfer);
    memset(job, 0, sizeof *job);
}

static void job_done(struct voice *voice, struct job *job, bool delivered)
{
    char text[500];
    const char *name = voice->channels[job->message.channel].name;
    if (delivered) {
        snprintf(text, sizeof text, "told %.64s, attempt %u", name, job->attempts);
    } else {
        snprintf(text, sizeof text, "could not tell %.64s in %u attempts: %s", name, job->attempts,
                 job->fault);
    }
    uint64_t id = job->message.id;
    job_clear(voice, job);
    voice->done(voice->context, id, delivered, text);
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

static void job_start(struct voice *voice, struct job *job)
{
    const struct voice_channel *channel = &voice->channels[job->message.channel];
    struct voice_letter letter;
    struct error error = {{0}};
    job->attempts++;
    enum status status = voice_letter_write(channel, &job->message, &letter, &error);
    if (status == STATUS_OK) {
        letter.request.timeout = channel->timeout.ns > 0 ? channel->timeout : voice->limits.attempt;
        status =
            transfer_start(voice->transfers, &letter.request, voice->now, &job->transfer, &error);
        voice_letter_release(&letter);
    }
    if (status == STATUS_OK) {
        voice->under_way++;
        return;
    }
    snprintf(job->fault, sizeof job->fault, "%.280s", error.message);
    job_again(voice, job, 0); /* a file may be put right */
}

/* A redirect is a no as well. */
static bool is_yes(const struct transfer_answer *answer)
{
    return answer->answered && answer->status >= 200 && answer->status < 300;
}

/* Of SMTP 5xx is for good; of HTTP it is not, and half an answer is none. */
static bool may_become_yes(enum channel_kind kind, const struct transfer_answer *answer)
{
    if (kind == CHANNEL_EMAIL) {
        return answer->status < 500;
    }
    return !answer->answered || answer->status >= 500 || answer->status == 408 ||
           answer->status == 429;
}

static void job_ended(struct voice *voice, struct job *job, const struct transfer_answer *answer)
{
    enum channel_kind kind = voice->channels[job->message.channel].kind;
    bool yes = is_yes(answer), again = may_become_yes(kind, answer);
    int64_t retry_after_s = answer->retry_after_s;
    if (answer->answered) {
        snprintf(job->fault, sizeof job->fault, "it answered %ld", answer->status);
    } else if (kind == CHANNEL_EMAIL && answer->status > 0) {
        snprintf(job->fault, sizeof job->fault, "%s, and it answered %ld", answer->fault,
                 answer->status);
    } else { /* half an answer is no answer: tell it again */
        snprintf(job->fault, sizeof job->fault, "%s", answer->fault);
    }
    transfer_free(job->transfer);
    job->transfer = NULL;
    voice->under_way--;
    if (again && !yes) {
        job_again(voice, job, retry_after_s);
    } else {
        job_done(voice, job, yes);
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
    struct voice *voice = heap_alloc(sizeof *voice);
    voice->channels = channels;
    voice->channel_count = count;
    voice->limits = limits ? *limits : VOICE_LIMITS_DEFAULT;
    voice->log = log;
    voice->done = done;
    voice->context = context;
    enum status status = transfers_new(&voice->transfers, error);
    if (status != STATUS_OK) {
        voice_free(voice);
        return status;
    }
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
    transfers_free(voice->transfers);
    free(voice);
}

enum refusal voice_send(struct voice *voice, const struct message *message, struct duration uptime)
{
    if (message->channel >= voice->channel_count) {
        return REFUSAL_CHANNEL;
    }
    const struct voice_channel *channel = &voice->channels[message->channel];
    if (channel->kind == CHANNEL_LOG) {
        voice->log(voice->context, channel->name, message);
        voice->done(voice->context, message->id, true, "logged");
        return REFUSAL_NONE;
    }
    for (size_t i = 0; i < VOICE_QUEUE_MAX; i++) {
        struct job *job = &voice->jobs[i];
        if (!job->used) {
            job->used = true;
            job->message = *message;
            job->next_at = uptime;
            job->give_up_at.ns = uptime.ns + voice->limits.give_up.ns;
            return REFUSAL_NONE;
        }
    }
    return REFUSAL_FULL;
}

void voice_step(struct voice *voice, struct duration uptime)
{
    voice->now = uptime;
    for (size_t i = 0; i < VOICE_QUEUE_MAX && voice->under_way < VOICE_PARALLEL_MAX; i++) {
        struct job *job = &voice->jobs[i];
        if (job->used && !job->transfer && job->next_at.ns <= uptime.ns) {
            job_start(voice, job);
        }
    }
    transfers_step(voice->transfers, uptime);
    for (size_t i = 0; i < VOICE_QUEUE_MAX; i++) {
        struct job *job = &voice->jobs[i];
        const struct transfer_answer *answer =
            job->transfer ? transfer_answer(job->transfer) : NULL;
        if (answer) {
            job_ended(voice, job, answer);
        }
    }
}

int voice_fd(const struct voice *voice)
{
    return transfers_fd(voice->transfers);
}

size_t voice_waiting(const struct voice *voice)
{
    size_t count = 0;
    for (size_t i = 0; i < VOICE_QUEUE_MAX; i++) {
        count += voice->jobs[i].used;
    }
    return count;
}
