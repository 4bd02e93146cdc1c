/* The engine process: feed in, step, journal, then hand effects to the actor. No exec, no network.
 *
 * Records are durable before what they announce leaves this process; INTENT and DISPATCHED each by
 * a commit of their own. A journal that cannot be written ends the process: nothing is done that is
 * not on record. */
#include "runtime/heald/process_engine.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "runtime/act/message.h"
#include "runtime/heald/engine_debug.h"
#include "runtime/heald/engine_events.h"
#include "runtime/heald/log.h"

enum {
    ENGINE_MMAP_BYTES = 256 << 10,
    ENGINE_MEMORY_SHARE = 8 /* of a tick, the part that catching up may take */
};
#ifdef HEAL_CRASH_POINTS
#    include "tests/fault/crash_point.h"
#endif

static void append_own(struct engine_process *process, enum record_kind kind, const char *text);
static void hello(struct engine_process *process);

/* ---- inputs ---- */

struct waiting_input *engine_input_add(struct engine_process *process, enum input_kind kind,
                                       uint64_t id, const char *who, const char *text)
{
    if (process->input_count == ENGINE_INPUTS_MAX) {
        log_say(LOG_ERROR, "more than %d words wait for one tick; one is dropped",
                ENGINE_INPUTS_MAX);
        return NULL;
    }
    struct waiting_input *waiting = &process->inputs[process->input_count++];
    waiting->input = (struct input){.kind = kind, .id = id};
    snprintf(waiting->who, sizeof waiting->who, "%s", who ? who : "");
    snprintf(waiting->text, sizeof waiting->text, "%.*s", TEXT_BYTES - 1, text ? text : "");
    waiting->input.who = waiting->who;
    waiting->input.text = waiting->text;
    return waiting;
}

static void forget_unanswered(struct engine_process *process, uint64_t id)
{
    for (size_t i = 0; i < process->unanswered_count; i++) {
        if (process->unanswered[i] == id) {
            process->unanswered[i] = process->unanswered[--process->unanswered_count];
            return;
        }
    }
}

/* The actor has seen a later life than this journal knows of: the journal was put back or taken
 * away. This life becomes the next one, or nothing it asks for would ever be done, and no id is
 * used twice. */
static void outlive(struct engine_process *process, uint32_t seen)
{
    char text[TEXT_BYTES];
    if (seen <= process->epoch || seen == UINT32_MAX) {
        return;
    }
    log_say(LOG_WARN, "the actor has seen epoch %u, the journal only %u", seen, process->epoch);
    process->epoch = seen + 1;
    process->generation->host.epoch = process->epoch;
    flight_epoch(process->flight, process->epoch);
    snprintf(text, sizeof text, "epoch %u, boot %s", process->epoch, process->start->clock.boot);
    append_own(process, RECORD_STARTED, text);
    hello(process);
}

static void take_message(struct engine_process *process, const struct message *message)
{
    struct waiting_input *waiting;
    if (message->kind == MESSAGE_RESULT) {
        forget_unanswered(process, message->id);
        waiting = engine_input_add(process, INPUT_RESULT, message->id, "actor", message->text);
        if (waiting) {
            waiting->input.outcome = message->outcome;
            waiting->input.ended = instant_add(message->ended, process->skew);
        }
    } else if (message->kind == MESSAGE_HELLO) {
        outlive(process, message->epoch);
    } else if (message->kind == MESSAGE_NOTIFIED) {
        waiting = engine_input_add(process, INPUT_NOTIFIED, message->id, "actor", message->text);
        if (waiting) {
            waiting->input.delivered = message->delivered;
        }
        if (!message->delivered) {
            log_say(LOG_WARN, "a notification was not delivered: %s", message->text);
        }
    }
}

static void drain_peer(struct engine_process *process)
{
    uint8_t bytes[MESSAGE_BYTES];
    struct message message;
    struct error error;
    while (process->peer) {
        ssize_t got = recv(PROCESS_FD_PEER, bytes, sizeof bytes, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (got <= 0) {
            log_say(LOG_WARN, "the actor is gone; waiting for the next one");
            process->peer = false;
            return;
        }
        if (message_decode(bytes, (size_t)got, &message, &error) != STATUS_OK) {
            log_say(LOG_ERROR, "the actor sent nonsense: %s", error.message);
            continue;
        }
        take_message(process, &message);
    }
}

/* ---- effects ---- */

static void send_message(struct engine_process *process, const struct message *message)
{
    uint8_t bytes[MESSAGE_BYTES];
    message_encode(message, bytes);
    if (!process->peer ||
        send(PROCESS_FD_PEER, bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        log_say(LOG_WARN, "a message for the actor was not sent: %s",
                process->peer ? strerror(errno) : "there is no actor");
    }
}

static void send_act(struct engine_process *process, const struct effect *effect)
{
    struct message message = {
        .kind = MESSAGE_ACT,
        .id = effect->id,
        .epoch = process->epoch,
        .grant = (uint16_t)effect->grant,
        .target = (uint16_t)effect->target,
        .number_count = effect->number_count,
        .deadline = {process->now.ns - process->skew.ns + effect->timeout.ns},
        .undo = effect->undo,
    };
    memcpy(message.numbers, effect->numbers, sizeof message.numbers);
    send_message(process, &message);
    if (process->unanswered_count < ENGINE_UNANSWERED_MAX) { /* beyond: the core's deadline asks */
        process->unanswered[process->unanswered_count++] = effect->id;
    }
}

static void send_probe(struct engine_process *process, uint64_t id)
{
    send_message(process,
                 &(struct message){.kind = MESSAGE_PROBE, .id = id, .epoch = process->epoch});
}

static enum impact impact_of(const struct program *program, const char *policy)
{
    for (const struct policy *p = program->policies; p; p = p->next) {
        if (strcmp(p->name.text, policy) != 0 || !p->impact.text) {
            continue;
        }
        for (enum impact i = IMPACT_LOW; i < IMPACT_COUNT; i++) {
            if (strcmp(p->impact.text, impact_text(i)) == 0) {
                return i;
            }
        }
    }
    return IMPACT_NONE;
}

static void send_notice(struct engine_process *process, const struct effect *effect)
{
    const struct config *config = process->start->config;
    struct message message = {
        .kind = MESSAGE_NOTIFY,
        .id = effect->id,
        .epoch = process->epoch,
        .resolved = effect->resolved,
        .impact = impact_of(process->generation->program, effect->record.policy),
        .incident = effect->record.incident,
        .time = effect->record.time,
    };
    snprintf(message.policy, sizeof message.policy, "%s", effect->record.policy);
    snprintf(message.object, sizeof message.object, "%s", effect->record.target);
    /* The same at every try, and another for every page of every heald that ever was. */
    snprintf(message.key, sizeof message.key, "heal-%lld-%llx", (long long)effect->record.time.ns,
             (unsigned long long)effect->id);
    snprintf(message.text, sizeof message.text, "%s", effect->record.text);
    for (size_t i = 0; i < config->channels_count; i++) {
        if (strcmp(config->channels[i].name, effect->channel) == 0) {
            message.channel = (uint16_t)i;
            send_message(process, &message);
            return;
        }
    }
    /* A page of a policy that names no channel: the log is the place of last resort. */
    log_say(LOG_WARN, "page of %s%s%s: %s", effect->record.policy,
            effect->record.target[0] ? " for " : "", effect->record.target, effect->record.text);
    struct waiting_input *waiting =
        engine_input_add(process, INPUT_NOTIFIED, effect->id, "log", "");
    if (waiting) {
        waiting->input.delivered = true;
    }
}

static bool commits_alone(enum record_kind kind)
{
    return kind == RECORD_INTENT || kind == RECORD_DISPATCHED;
}

/* Appends effects[from..] that are records, up to one that must be durable by itself; returns the
 * first not taken. */
static size_t commit(struct engine_process *process, size_t from)
{
    struct effect *items = process->effects.items;
    struct record records[64];
    size_t count = 0, i = from;
    while (i < process->effects.count && items[i].kind == EFFECT_RECORD &&
           count < ARRAY_LEN(records)) {
        if (count > 0 && commits_alone(items[i].record.kind)) {
            break;
        }
        records[count++] = items[i++].record;
        if (commits_alone(records[count - 1].kind)) {
            break;
        }
    }
    struct error error;
    if (journal_append(process->journal, records, count, &error) != STATUS_OK) {
        log_say(LOG_ERROR, "the journal takes nothing more, so nothing is done: %s", error.message);
        process->failed = true;
    }
    return i;
}

static void log_record(const struct record *record)
{
    log_say(record->kind == RECORD_ESCALATED ? LOG_WARN : LOG_INFO, "%s%s%s%s%s: %s",
            record_infos[record->kind].text, record->policy[0] ? " " : "", record->policy,
            record->target[0] ? " " : "", record->target, record->text);
}

const double commit_bounds_s[COMMIT_BUCKETS] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025,
                                                0.005,  0.01,    0.025,  0.05,  0.1};

static void note_commit(struct commit_times *times, struct duration took)
{
    size_t bucket = 0;
    while (bucket < COMMIT_BUCKETS && duration_to_seconds(took) > commit_bounds_s[bucket]) {
        bucket++;
    }
    times->counts[bucket]++;
    times->sum.ns += took.ns;
    times->worst = took.ns > times->worst.ns ? took : times->worst;
}

static void carry_out(struct engine_process *process)
{
    const struct duration before = clock_elapsed(NULL);
    struct duration durable = {0};
    for (size_t i = 0; i < process->effects.count && !process->failed;) {
        const struct effect *effect = &process->effects.items[i];
        switch (effect->kind) {
        case EFFECT_RECORD: {
            size_t next = commit(process, i);
            durable = clock_elapsed(NULL);
            for (; i < next && !process->failed; i++) {
                log_record(&process->effects.items[i].record);
            }
            break;
        }
        case EFFECT_DISPATCH: send_act(process, effect), i++; break;
        case EFFECT_PROBE: send_probe(process, effect->id), i++; break;
        case EFFECT_NOTIFY: send_notice(process, effect), i++; break;
        }
    }
    if (durable.ns != 0 && !process->failed) {
        note_commit(&process->commits, (struct duration){durable.ns - before.ns});
    }
}

/* ---- stop ---- */

enum status engine_stop(struct engine_process *process, bool stop, const char *who, const char *why,
                        struct error *error)
{
    if (stop) {
        int fd = open(process->stop_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0 || dprintf(fd, "stopped by %s: %s\n", who, why) < 0 || fsync(fd) != 0) {
            int code = errno;
            if (fd >= 0) {
                close(fd);
            }
            return error_set(error, STATUS_IO, "cannot write '%s': %s", process->stop_path,
                             strerror(code));
        }
        close(fd);
    } else if (unlink(process->stop_path) != 0 && errno != ENOENT) {
        return error_set(error, STATUS_IO, "cannot remove '%s': %s", process->stop_path,
                         strerror(errno));
    }
    (void)engine_input_add(process, stop ? INPUT_STOP : INPUT_START, 0, who, why);
    return STATUS_OK;
}

/* The file and the engine agree: a file that appeared stops; one that vanished without `healctl
 * start` comes back. */
static void watch_stop(struct engine_process *process)
{
    struct error error;
    bool there = access(process->stop_path, F_OK) == 0;
    bool stopped = engine_stopped(process->generation->engine);
    if (there && !stopped) {
        (void)engine_input_add(process, INPUT_STOP, 0, "the file STOP", "");
    } else if (!there && stopped && process->input_count == 0) {
        log_say(LOG_WARN, "the file STOP is gone, but only healctl start lifts a stop");
        if (engine_stop(process, true, "the engine", "restored", &error) != STATUS_OK) {
            log_say(LOG_ERROR, "%s", error.message);
        }
    }
}

/* ---- start and reload ---- */

struct restoring {
    struct engine *engine;
    struct flight *flight;
    uint32_t epoch;
    uint64_t serial; /* the highest that was loaded */
    struct instant last;
};

/* What note_loaded wrote: "serial 7, ...". */
static uint64_t loaded_serial(const struct record *record)
{
    static const char head[] = "serial ";
    return record->kind == RECORD_LOADED && strncmp(record->text, head, strlen(head)) == 0
               ? strtoull(record->text + strlen(head), NULL, 10)
               : 0;
}

static bool restore_record(void *context, const struct record *record)
{
    struct restoring *restoring = context;
    if (restoring->engine) {
        engine_restore(restoring->engine, record);
        flight_restore(restoring->flight, record);
    }
    if (record->epoch > restoring->epoch) {
        restoring->epoch = record->epoch;
    }
    if (record->time.ns > restoring->last.ns) {
        restoring->last = record->time;
    }
    uint64_t serial = loaded_serial(record);
    restoring->serial = serial > restoring->serial ? serial : restoring->serial;
    return true;
}

static void append_own(struct engine_process *process, enum record_kind kind, const char *text)
{
    struct error error;
    struct record record = {.time = process->now, .kind = kind, .epoch = process->epoch};
    snprintf(record.text, sizeof record.text, "%s", text);
    if (journal_append(process->journal, &record, 1, &error) != STATUS_OK) {
        log_say(LOG_ERROR, "the journal takes nothing more: %s", error.message);
        process->failed = true;
        return;
    }
    log_record(&record);
}

static void note_loaded(struct engine_process *process)
{
    char text[TEXT_BYTES];
    snprintf(text, sizeof text, "serial %llu, %zu policies, hash %016llx",
             (unsigned long long)process->generation->serial,
             engine_policy_count(process->generation->engine),
             (unsigned long long)process->generation->program->hash);
    append_own(process, RECORD_LOADED, text);
}

enum status engine_reload(struct engine_process *process, struct error *error)
{
    struct generation *next;
    enum status status = generation_load(process->start->config, process->store, process->epoch,
                                         process->generation->serial, &next, error);
    if (status != STATUS_OK) {
        process->reload_failures++;
        if (status ==
            STATUS_LIMIT) { /* it may have been half made: the store remembers its metrics */
            flight_stop(process->flight, "a reload failed while its engine was made");
        }
        log_say(LOG_ERROR, "the policies were not reloaded, the ones before go on: %s",
                error->message);
        return status;
    }
    engine_adopt(next->engine, process->generation->engine);
    flight_program(process->flight, &next->sources, next->program->hash, &next->host);
    generation_free(process->generation);
    process->generation = next;
    process->reloads++;
    note_loaded(process);
    engine_compile_begin(process);
    return STATUS_OK;
}

/* The feed tells of its sources one by one. An inventory is complete only once all of them spoke:
 * after a restart, what no source has told of yet is not gone. */
static size_t sources_of(const struct config *config)
{
    size_t count = config->host.enabled + config->events.enabled + config->remote_write_count;
    for (size_t i = 0; i < config->scrape_count; i++) {
        count += config->scrape[i].targets.count;
    }
    return count;
}

/* The clock, and never before what is on record. */
static void begin_time(struct engine_process *process, struct instant last)
{
    char behind[64];
    process->now = clock_now(&process->start->clock);
    if (process->now.ns < last.ns) {
        /* Later than all that is on record, so that lives do not share a time. */
        last = instant_add(last, (struct duration){NS_PER_MS});
        process->skew = instant_sub(last, process->now);
        process->now = last;
        duration_print(process->skew, behind, sizeof behind);
        log_say(LOG_WARN, "the clock is %s behind the journal; heal's time goes on from there",
                behind);
    }
}

/* A recording that cannot be made is told, and the engine goes on. */
static void watch_flight(struct engine_process *process)
{
    const struct flight_state state = flight_state(process->flight);
    if (process->flight && !state.on && !process->flight_told) {
        process->flight_told = true;
        log_say(LOG_WARN,
                "the flight recording of this life has ended: %s; what comes cannot be replayed",
                state.why);
    }
}

static void open_flight(struct engine_process *process, const struct store_limits *limits)
{
    const struct config *config = process->start->config;
    const struct flight_options options = {.state = config->state,
                                           .version = HEAL_VERSION,
                                           .bytes_max = config->flight.bytes_max,
                                           .disk_free_min = FLIGHT_DISK_FREE_MIN};
    if (config->flight.bytes_max > 0) {
        process->flight = flight_open(&options, process->now, process->epoch);
        flight_store(process->flight, limits);
        flight_expect(process->flight, sources_of(config));
        flight_program(process->flight, &process->generation->sources,
                       process->generation->program->hash, &process->generation->host);
        watch_flight(process);
    }
}

/* The memory of incidents takes in what the journal has more, when everything of the tick is done;
 * a long backlog in pieces, so that no tick is late for it. */
static void remember(struct engine_process *process)
{
    const struct instant begun = {clock_elapsed(NULL).ns};
    const int64_t most = process->start->config->tick.ns / ENGINE_MEMORY_SHARE;
    uint64_t applied;
    do {
        applied = memory_state(process->memory).applied;
        const char *news = memory_rest(process->memory, process->now);
        if (news) {
            log_say(LOG_WARN, "%s", news);
        }
    } while (memory_state(process->memory).applied > applied &&
             memory_state(process->memory).behind > 0 && clock_elapsed(NULL).ns - begun.ns < most);
}

/* Events are on record before anything is decided by them. */
static void keep_events(struct engine_process *process)
{
    struct error error;
    if (journal_append(process->journal, process->events, process->event_count, &error) !=
        STATUS_OK) {
        log_say(LOG_ERROR, "the journal takes nothing more: %s", error.message);
        process->failed = true;
    }
    process->event_count = 0;
}

static void take_event(void *ctx, const struct label_set *labels, struct instant time)
{
    struct engine_process *process = ctx;
    if (++process->events_seen > ENGINE_EVENTS_MAX) {
        return;
    }
    struct record *record = &process->events[process->event_count];
    *record = (struct record){.time = process->now, .epoch = process->epoch};
    process->event_count += engine_event_record(labels, time, record);
    if (process->event_count == ENGINE_EVENTS_BATCH) {
        keep_events(process);
    }
}

/* What the feed has, and the events of it into the journal. */
static void take_feed(struct engine_process *process)
{
    process->events_seen = 0;
    engine_feed_drain(&process->feed, PROCESS_FD_FEED, process->now);
    keep_events(process);
    if (process->events_seen > ENGINE_EVENTS_MAX) {
        log_say(LOG_WARN, "%zu events in one tick, more than %d: a restart forgets the others",
                process->events_seen, ENGINE_EVENTS_MAX);
    }
}

static enum status open_state(struct engine_process *process, struct error *error)
{
    const struct config *config = process->start->config;
    char path[4096];
    struct restoring restoring = {0};
    snprintf(path, sizeof path, "%s/journal.db", config->state);
    snprintf(process->stop_path, sizeof process->stop_path, "%s/STOP", config->state);
    enum status status = journal_open(path, &process->journal, error);
    if (status == STATUS_PROTOCOL) {
        log_say(LOG_ERROR, "nothing is done with a journal that does not verify; a person may run "
                           "heald --repair-journal");
    }
    TRY(status);
#ifdef HEAL_CRASH_POINTS
    crash_point_open("engine");
    journal_set_point(process->journal, crash_point, NULL);
#endif
    TRY(journal_scan(process->journal, 1, 0, restore_record, &restoring, error));
    process->epoch = restoring.epoch + 1;
    begin_time(process, restoring.last);
    const struct store_limits limits = {.live = true};
    process->store = store_new(&limits);
    store_expect(process->store, sources_of(config));
    TRY(generation_load(config, process->store, process->epoch, restoring.serial,
                        &process->generation, error));
    open_flight(process, &limits);
    restoring.engine = process->generation->engine;
    restoring.flight = process->flight;
    TRY(journal_scan(process->journal, 1, 0, restore_record, &restoring, error));
    snprintf(path, sizeof path, "%s/memory.db", config->state);
    process->memory = memory_new(path, process->journal);
    remember(process); /* a large file is looked through before the first tick is due */
    if (config->events.enabled) {
        TRY(engine_events_restore(process->journal, process->store, process->flight, process->now,
                                  error));
    }
    TRY(engine_feed_open(&process->feed, PROCESS_FD_FEED, process->store, error));
    process->feed.skew = process->skew;
    process->feed.flight = process->flight;
    process->feed.event = take_event;
    process->feed.event_ctx = process;
    TRY(page_attach(PROCESS_FD_PAGE, &process->page, error));
    process->control = control_new(PROCESS_FD_CONTROL, error);
    return process->control ? STATUS_OK : STATUS_IO;
}

/* ---- the loop ---- */

static struct duration cpu_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (struct duration){time.tv_sec * NS_PER_S + time.tv_nsec};
}

/* How many of the inputs that wait are given to this tick. What ended after it is for the next one:
 * an end must not become earlier than it was, for what was seen since is judged by it. */
static size_t inputs_due(const struct engine_process *process, size_t room)
{
    size_t count = 0;
    while (count < process->input_count && count < room &&
           process->inputs[count].input.ended.ns <= process->now.ns) {
        count++;
    }
    return count;
}

static void tick(struct engine_process *process, uint64_t expirations)
{
    struct input inputs[64];
    struct duration cpu = cpu_now();
    struct instant slot =
        clock_ticks_next(&process->ticks, expirations, clock_now(&process->start->clock));
    struct instant now = instant_add(slot, process->skew);
    process->now = now.ns > process->now.ns ? now : process->now;
    watch_stop(process);
    take_feed(process);
    if (process->failed) {
        return;
    }
    store_expire(process->store, process->now);
    flight_expire(process->flight, process->now);
    size_t count = inputs_due(process, ARRAY_LEN(inputs));
    for (size_t i = 0; i < count; i++) {
        inputs[i] = process->inputs[i].input;
    }
    process->effects.count = 0;
    flight_step(process->flight, process->now, inputs, count);
    engine_step(process->generation->engine, process->now, inputs, count, &process->effects);
    flight_gave(process->flight, &process->effects);
    process->input_count -= count;
    memmove(process->inputs, process->inputs + count,
            process->input_count * sizeof *process->inputs);
    for (size_t i = 0; i < process->input_count; i++) { /* the words moved with them */
        process->inputs[i].input.who = process->inputs[i].who;
        process->inputs[i].input.text = process->inputs[i].text;
    }
    process->last_step_cpu = (struct duration){cpu_now().ns - cpu.ns};
    carry_out(process);
    engine_face_publish(process);
    journal_rest(process->journal);
    remember(process);
    watch_flight(process);
}

/* A fresh actor knows only the latches of the one before: what that one did not answer is asked
 * for at once. The old socket is closed, so no ACT on it can start any more. */
static void hello(struct engine_process *process)
{
    process->peer = true;
    send_message(process, &(struct message){.kind = MESSAGE_HELLO, .epoch = process->epoch});
    for (size_t i = 0; i < process->unanswered_count; i++) {
        send_probe(process, process->unanswered[i]);
    }
    engine_page_again(process->generation->engine);
    flight_page_again(process->flight);
}

/* False when the process should end. */
static bool take_signals(struct engine_process *process, int signals)
{
    struct signalfd_siginfo info;
    struct error error;
    while (read(signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo != SIGHUP) {
            return false;
        }
        if (engine_reload(process, &error) != STATUS_OK) {
            continue; /* said in the log; the policies before go on */
        }
    }
    return true;
}

static void take_peer(struct engine_process *process, int take_fd)
{
    struct error error;
    if (process_take_peer(take_fd, &error) != STATUS_OK) {
        log_say(LOG_ERROR, "%s", error.message);
        return;
    }
    hello(process);
}

static bool take_parent(struct engine_process *process)
{
    struct process_message message;
    struct error error;
    int fd = -1;
    enum status status =
        handover_receive(PROCESS_FD_PARENT, &message, sizeof message, MSG_DONTWAIT, &fd, &error);
    if (status != STATUS_OK) {
        return status != STATUS_NOT_FOUND;
    }
    switch (message.kind) {
    case PROCESS_PEER: take_peer(process, fd); break;
    case PROCESS_COMPILER: engine_compile_socket(process, message.number, fd); break;
    case PROCESS_COMPILER_ENDED: engine_compile_ended(process, &message); break;
    case PROCESS_READY:
    case PROCESS_COMPILE: break; /* only children say so */
    }
    return true;
}

static int engine_loop(struct engine_process *process, int signals, int timer)
{
    while (!process->failed) {
        struct pollfd fds[] = {
            {.fd = timer, .events = POLLIN},
            {.fd = signals, .events = POLLIN},
            {.fd = PROCESS_FD_PARENT, .events = POLLIN},
            {.fd = process->peer ? PROCESS_FD_PEER : -1, .events = POLLIN},
            {.fd = control_fd(process->control), .events = POLLIN},
            {.fd = process->compile.socket_fd, .events = POLLIN},
        };
        uint64_t expirations = 0;
        if (poll(fds, ARRAY_LEN(fds), 1000) < 0 && errno != EINTR) {
            log_say(LOG_ERROR, "cannot wait: %s", strerror(errno));
            return 1;
        }
        if (fds[3].revents) {
            drain_peer(process);
        }
        if (fds[1].revents && !take_signals(process, signals)) {
            return 0;
        }
        if (fds[5].revents) {
            engine_compile_answer(process);
        }
        if (fds[2].revents && !take_parent(process)) {
            return 0;
        }
        if (fds[4].revents) {
            engine_face_poll(process);
        }
        if (fds[0].revents && read(timer, &expirations, sizeof expirations) > 0) {
            process->ticks_late += expirations - 1;
            tick(process, expirations);
        }
    }
    return 1;
}

static int timer_of(struct duration period)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct timespec every = {period.ns / NS_PER_S, period.ns % NS_PER_S};
    struct itimerspec spec = {.it_interval = every, .it_value = {0, 1}};
    return fd >= 0 && timerfd_settime(fd, 0, &spec, NULL) == 0 ? fd : -1;
}

int process_engine_main(const struct process_start *start)
{
    /* Room for samples is large, and mostly untouched at first: each piece has pages of its own,
     * which are given back, and none is zeroed that was used before. */
    mallopt(M_MMAP_THRESHOLD, ENGINE_MMAP_BYTES);
    struct engine_process *process = heap_alloc(sizeof *process);
    struct error error;
    process->start = start;
    engine_compile_init(&process->compile);
    process->inputs = heap_alloc(ENGINE_INPUTS_MAX * sizeof *process->inputs);
    process->page_text = heap_alloc(METRICS_BYTES);
    process->events = heap_alloc(ENGINE_EVENTS_BATCH * sizeof *process->events);
    int signals = process_signals(true);
    clock_ticks_start(&process->ticks, start->config->tick, clock_now(&start->clock));
    int timer = timer_of(start->config->tick);
    if (signals < 0 || timer < 0) {
        log_say(LOG_ERROR, "cannot start: %s", strerror(errno));
        return 1;
    }
    engine_debug_open();
    if (process_cage(start, process->sandbox, &error) != STATUS_OK ||
        open_state(process, &error) != STATUS_OK) {
        log_say(LOG_ERROR, "%s", error.message);
        return PROCESS_EXIT_REFUSED;
    }
    char text[TEXT_BYTES];
    snprintf(text, sizeof text, "epoch %u, boot %s", process->epoch, start->clock.boot);
    append_own(process, RECORD_STARTED, text);
    note_loaded(process);
    engine_compile_begin(process);
    hello(process);
    process_ready();
    int code = engine_loop(process, signals, timer);
    engine_feed_close(&process->feed);
    flight_close(process->flight);
    engine_compile_release(&process->compile);
    control_free(process->control);
    memory_free(process->memory);
    journal_close(process->journal);
    generation_free(process->generation);
    store_free(process->store);
    page_free(process->page);
    free(process->page_text);
    free(process->events);
    effects_release(&process->effects);
    free(process->inputs);
    free(process);
    return code;
}
