/* A flight recording run again. */
#include "runtime/flight/replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/check.h"
#include "lang/parser.h"

/* A program with what it borrows. */
struct replay_program {
    struct arena arena;
    struct sources sources;
    struct program *program;
    struct engine_host host;
    struct engine *engine;
};

struct replay {
    struct replay_hooks hooks;
    struct replay_result result;
    struct flight_reader reader;
    struct replay_program *program;
    struct store *store;
    struct effects effects;
    /* Texts of the program to come. */
    struct arena texts_arena;
    struct parse_text *texts;
    size_t text_count, text_capacity;
    uint32_t source_count;
    uint32_t *holds; /* by series: how often it is held by what was recorded */
    size_t holds_capacity;
    struct instant now; /* of the last step */
    bool stepped, unjudged;
};

struct replay *replay_new(const struct replay_hooks *hooks)
{
    struct replay *replay = heap_alloc(sizeof *replay);
    replay->hooks = hooks ? *hooks : (struct replay_hooks){0};
    replay->reader.folder_fd = -1;
    return replay;
}

static void program_free(struct replay_program *program)
{
    if (program) {
        engine_free(program->engine);
        sources_release(&program->sources);
        arena_release(&program->arena);
        free(program);
    }
}

void replay_free(struct replay *replay)
{
    if (replay) {
        program_free(replay->program);
        store_free(replay->store);
        flight_reader_release(&replay->reader);
        effects_release(&replay->effects);
        arena_release(&replay->texts_arena);
        free(replay->texts);
        free(replay->holds);
        free(replay);
    }
}

struct replay_result replay_result(const struct replay *replay)
{
    return replay->result;
}

/* An event that heald would not have recorded here. */
static enum status misplaced(const struct replay *replay, const struct flight_event *event,
                             const char *what, struct error *error)
{
    return error_set(error, STATUS_PROTOCOL,
                     "segment %" PRIu32 ", in the frame at byte %zu: an event '%s' that cannot be: "
                     "%.200s",
                     replay->reader.segment, replay->reader.frame_at,
                     flight_kind_texts[event->kind], what);
}

/* ---- programs ---- */

/* The texts live as long as the program's own copies are not made. */
static enum status take_text(struct replay *replay, const struct flight_event *event,
                             struct error *error)
{
    if (replay->text_count == SOURCES_MAX) {
        return misplaced(replay, event, "too many texts", error);
    }
    ARRAY_RESERVE(replay->texts, replay->text_count, replay->text_capacity);
    replay->texts[replay->text_count++] = (struct parse_text){
        .name = arena_strdup(&replay->texts_arena, event->name),
        .text = arena_strndup(&replay->texts_arena, event->text, event->length),
        .length = event->length,
    };
    return STATUS_OK;
}

static const char *keep(struct arena *arena, const char *text)
{
    return text ? arena_strdup(arena, text) : NULL;
}

static void keep_host(struct replay_program *program, const struct engine_host *host)
{
    struct arena *arena = &program->arena;
    struct engine_grant *grants = arena_alloc(arena, (host->grant_count + 1) * sizeof *grants);
    struct engine_mode *modes = arena_alloc(arena, (host->mode_count + 1) * sizeof *modes);
    struct label *labels = arena_alloc(arena, (host->external_count + 1) * sizeof *labels);
    for (size_t i = 0; i < host->grant_count; i++) {
        const char **targets =
            arena_alloc(arena, (host->grants[i].target_count + 1) * sizeof *targets);
        grants[i] = host->grants[i];
        grants[i].action = keep(arena, host->grants[i].action);
        for (size_t t = 0; t < grants[i].target_count; t++) {
            targets[t] = keep(arena, host->grants[i].targets[t]);
        }
        grants[i].targets = targets;
    }
    for (size_t i = 0; i < host->mode_count; i++) {
        modes[i] = (struct engine_mode){keep(arena, host->modes[i].policy), host->modes[i].mode};
    }
    for (size_t i = 0; i < host->external_count; i++) {
        labels[i] = (struct label){keep(arena, host->external[i].name),
                                   keep(arena, host->external[i].value)};
    }
    program->host = *host;
    program->host.grants = grants;
    program->host.modes = modes;
    program->host.external = labels;
    program->host.external_url = keep(arena, host->external_url);
    program->host.author = keep(arena, host->author);
}

static enum status parse(struct replay *replay, struct replay_program *program,
                         const struct flight_event *event, struct error *error)
{
    struct diag_list diags;
    diag_list_init(&diags, &program->arena, &program->sources);
    program->program = parse_program_texts(&program->arena, &program->sources, replay->texts,
                                           replay->text_count, &diags);
    if (diags.errors == 0) {
        (void)check_program(program->program, &diags, &(struct check_options){0});
    }
    for (const struct diag *diag = diags.first; diag; diag = diag->next) {
        if (diag->severity == SEVERITY_ERROR) {
            return misplaced(replay, event, diag->message, error);
        }
    }
    if (program->program->hash != event->hash) {
        return misplaced(replay, event,
                         "its policies mean something else to this heal than to the one that "
                         "recorded them",
                         error);
    }
    keep_host(program, event->host);
    return STATUS_OK;
}

static enum status make_engine(struct replay *replay, struct replay_program *program,
                               const struct flight_event *event, struct error *error)
{
    TRY(parse(replay, program, event, error));
    program->engine = engine_new(program->program, replay->store, &program->host, error);
    if (!program->engine) {
        return STATUS_LIMIT;
    }
    if (replay->hooks.engine) {
        replay->hooks.engine(replay->hooks.context, program->engine);
    }
    return STATUS_OK;
}

static enum status take_program(struct replay *replay, const struct flight_event *event,
                                struct error *error)
{
    struct replay_program *next = heap_alloc(sizeof *next);
    enum status status = make_engine(replay, next, event, error);
    if (status != STATUS_OK) {
        program_free(next);
        return status;
    }
    if (replay->program) {
        engine_adopt(next->engine, replay->program->engine);
        program_free(replay->program);
    }
    replay->program = next;
    replay->text_count = 0;
    arena_release(&replay->texts_arena);
    replay->result.programs++;
    return STATUS_OK;
}

/* ---- the store ---- */

static bool is_live(const struct replay *replay, uint32_t series)
{
    return store_series_live(replay->store, series);
}

static enum status take_source(struct replay *replay, const struct flight_event *event,
                               struct error *error)
{
    uint32_t source;
    TRY(store_source(replay->store, event->name, event->interval, event->grace, &source, error));
    if (source != event->number) {
        return misplaced(replay, event, "it has another place in the store", error);
    }
    replay->source_count = source >= replay->source_count ? source + 1 : replay->source_count;
    return STATUS_OK;
}

static enum status take_series(struct replay *replay, const struct flight_event *event,
                               struct error *error)
{
    uint32_t series;
    TRY(store_series(replay->store, event->number, event->name, event->labels, event->count,
                     &series, error));
    return series == event->series
               ? STATUS_OK
               : misplaced(replay, event, "it has another place in the store", error);
}

static enum status take_hold(struct replay *replay, const struct flight_event *event,
                             struct error *error)
{
    if (event->series >= replay->holds_capacity) {
        const size_t was = replay->holds_capacity;
        replay->holds_capacity = event->series + event->series / 4 + 64;
        replay->holds = heap_resize(replay->holds, replay->holds_capacity * sizeof *replay->holds);
        memset(replay->holds + was, 0, (replay->holds_capacity - was) * sizeof *replay->holds);
    }
    uint32_t *holds = &replay->holds[event->series];
    if (event->kind == FLIGHT_HOLD && *holds < UINT16_MAX) {
        ++*holds;
        store_hold(replay->store, event->series);
    } else if (event->kind == FLIGHT_LET_GO && *holds > 0) {
        --*holds;
        store_let_go(replay->store, event->series);
    } else {
        return misplaced(replay, event, "it is held too often, or not at all", error);
    }
    return STATUS_OK;
}

static enum status take_points(struct replay *replay, const struct flight_event *event,
                               struct error *error)
{
    for (size_t i = 0; i < event->count; i++) {
        if (!is_live(replay, event->points[i].series)) {
            return misplaced(replay, event, "there is no such series", error);
        }
    }
    if (event->kind == FLIGHT_SAMPLE) {
        (void)store_append(replay->store, event->series, event->now, event->time, event->value);
    } else {
        store_append_all(replay->store, event->now, event->time, event->points, event->count);
    }
    replay->result.samples += event->count;
    return STATUS_OK;
}

/* ---- steps ---- */

static void note_effects(struct replay *replay)
{
    struct replay_result *result = &replay->result;
    result->given_records = 0;
    for (size_t i = 0; i < replay->effects.count; i++) {
        result->given_records += replay->effects.items[i].kind == EFFECT_RECORD;
    }
    result->records += result->given_records;
    result->hash = flight_hash(result->hash, &replay->effects);
}

/* Whether the last step gave what the recording says: hash and records of a GAVE, else nothing. */
static bool judge(struct replay *replay, const struct flight_event *gave)
{
    struct replay_result *result = &replay->result;
    bool same = true;
    if (replay->unjudged) {
        replay->unjudged = result->unjudged = false;
        result->recorded_records = gave ? gave->count : 0;
        result->recorded = gave ? gave->hash : result->recorded;
        same = result->hash == result->recorded && (gave || replay->effects.count == 0);
        const bool more =
            !replay->hooks.step ||
            replay->hooks.step(replay->hooks.context, replay->now, &replay->effects, same);
        result->end = !same ? REPLAY_DIFFERS : !more ? REPLAY_STOPPED : result->end;
        same = same && more;
    }
    return same;
}

static enum status take_step(struct replay *replay, const struct flight_event *event,
                             struct error *error)
{
    if (replay->stepped && event->now.ns < replay->now.ns) {
        return misplaced(replay, event, "time goes back", error);
    }
    if (!replay->stepped) {
        replay->result.first = event->now;
    }
    replay->effects.count = 0;
    engine_step(replay->program->engine, event->now, event->inputs, event->count, &replay->effects);
    replay->now = replay->result.last = event->now;
    replay->stepped = replay->unjudged = replay->result.unjudged = true;
    replay->result.steps++;
    note_effects(replay);
    return STATUS_OK;
}

/* ---- events ---- */

/* What must be there before such an event can be. */
static const char *missing(const struct replay *replay, const struct flight_event *event)
{
    switch (event->kind) {
    case FLIGHT_STORE: return replay->store ? "there is a store already" : NULL;
    case FLIGHT_RESTORE:
        return !replay->program ? "there is no program" : replay->stepped ? "it is late" : NULL;
    case FLIGHT_EPOCH:
    case FLIGHT_PAGE_AGAIN:
    case FLIGHT_STEP: return replay->program ? NULL : "there is no program";
    case FLIGHT_GAVE: return replay->stepped ? NULL : "there was no step";
    case FLIGHT_SERIES:
    case FLIGHT_ANSWERED:
    case FLIGHT_HEARD:
    case FLIGHT_FAILED:
        return event->number < replay->source_count ? NULL : "there is no such source";
    case FLIGHT_HOLD:
    case FLIGHT_LET_GO:
    case FLIGHT_STALE:
        return replay->store && is_live(replay, event->series) ? NULL : "there is no such series";
    case FLIGHT_PROGRAM:
    case FLIGHT_EXPECT:
    case FLIGHT_SOURCE:
    case FLIGHT_SAMPLE:
    case FLIGHT_POINTS:
    case FLIGHT_EXPIRE: return replay->store ? NULL : "there is no store";
    case FLIGHT_SEGMENT:
    case FLIGHT_TEXT:
    case FLIGHT_NOW:
    case FLIGHT_END:
    case FLIGHT_KINDS: break;
    }
    return NULL;
}

static enum status apply(struct replay *replay, const struct flight_event *event,
                         struct error *error)
{
    switch (event->kind) {
    case FLIGHT_STORE: replay->store = store_new(&event->limits); break;
    case FLIGHT_TEXT: return take_text(replay, event, error);
    case FLIGHT_PROGRAM: return take_program(replay, event, error);
    case FLIGHT_RESTORE:
        engine_restore(replay->program->engine, event->record);
        replay->result.restored++;
        break;
    case FLIGHT_EPOCH: replay->program->host.epoch = replay->result.epoch = event->epoch; break;
    case FLIGHT_EXPECT: store_expect(replay->store, event->number); break;
    case FLIGHT_SOURCE: return take_source(replay, event, error);
    case FLIGHT_SERIES: return take_series(replay, event, error);
    case FLIGHT_HOLD:
    case FLIGHT_LET_GO: return take_hold(replay, event, error);
    case FLIGHT_SAMPLE:
    case FLIGHT_POINTS: return take_points(replay, event, error);
    case FLIGHT_STALE: store_stale(replay->store, event->series, event->time); break;
    case FLIGHT_ANSWERED: store_answered(replay->store, event->number, event->time); break;
    case FLIGHT_HEARD: store_heard(replay->store, event->number, event->time); break;
    case FLIGHT_FAILED: store_failed(replay->store, event->number, event->time); break;
    case FLIGHT_EXPIRE: store_expire(replay->store, event->now); break;
    case FLIGHT_PAGE_AGAIN: engine_page_again(replay->program->engine); break;
    case FLIGHT_STEP: return take_step(replay, event, error);
    case FLIGHT_NOW:
    case FLIGHT_GAVE:
    case FLIGHT_END:
    case FLIGHT_SEGMENT:
    case FLIGHT_KINDS: break;
    }
    return STATUS_OK;
}

/* One event; *ret_more is false when it was the last. */
static enum status take(struct replay *replay, const struct flight_event *event, bool *ret_more,
                        struct error *error)
{
    const char *what = missing(replay, event);
    if (what) {
        return misplaced(replay, event, what, error);
    }
    const bool gave = event->kind == FLIGHT_GAVE;
    if (gave && !replay->unjudged) {
        return misplaced(replay, event, "no step came before it", error);
    }
    if (!judge(replay, gave ? event : NULL)) {
        *ret_more = false;
        return STATUS_OK;
    }
    if (event->kind == FLIGHT_END) {
        replay->result.end = event->name[0] ? REPLAY_ENDED : REPLAY_WHOLE;
        snprintf(replay->result.why, sizeof replay->result.why, "%.390s", event->name);
        *ret_more = false;
        return STATUS_OK;
    }
    return apply(replay, event, error);
}

/* The last step, when nothing is on file behind it. */
static void end_open(struct replay *replay)
{
    replay->result.end = replay->reader.cut ? REPLAY_CUT : REPLAY_OPEN;
    if (replay->unjudged && replay->hooks.step) {
        (void)replay->hooks.step(replay->hooks.context, replay->now, &replay->effects, true);
    }
}

static enum status run(struct replay *replay, struct error *error)
{
    struct flight_event event;
    bool more = true;
    while (more) {
        enum status status = flight_next(&replay->reader, &event, error);
        replay->result.epoch = replay->result.epoch ? replay->result.epoch : replay->reader.epoch;
        memcpy(replay->result.version, replay->reader.version, sizeof replay->result.version);
        if (status == STATUS_NOT_FOUND) {
            end_open(replay);
            return STATUS_OK;
        }
        TRY(status);
        TRY(take(replay, &event, &more, error));
    }
    return STATUS_OK;
}

enum status replay_life(struct replay *replay, const char *state, int64_t life_ms,
                        struct error *error)
{
    TRY(flight_reader_open(&replay->reader, state, life_ms, error));
    return run(replay, error);
}

enum status replay_bytes(struct replay *replay, const uint8_t *bytes, size_t length,
                         struct error *error)
{
    flight_reader_bytes(&replay->reader, bytes, length);
    return run(replay, error);
}
