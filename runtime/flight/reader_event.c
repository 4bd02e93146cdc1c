/* From the bytes of a frame to an event: every number has its range, every text its length. */
#include "runtime/flight/reader_event.h"

#include <stdio.h>
#include <string.h>

static const char *text(struct flight_reader *reader, size_t max)
{
    return wire_text(&reader->in, max);
}

static uint32_t number(struct flight_reader *reader, uint32_t max)
{
    return (uint32_t)wire_number(&reader->in, max);
}

static uint32_t series(struct flight_reader *reader)
{
    return number(reader, POINTS_SERIES_MAX - 1);
}

static uint32_t source(struct flight_reader *reader)
{
    return number(reader, STORE_SOURCES_MAX - 1);
}

static struct duration span(struct flight_reader *reader)
{
    return (struct duration){(int64_t)wire_number(&reader->in, FLIGHT_NS_MAX)};
}

static struct duration signed_span(struct flight_reader *reader)
{
    const int64_t ns = wire_signed(&reader->in);
    reader->in.bad = reader->in.bad || ns < 0 || ns > FLIGHT_NS_MAX;
    return (struct duration){reader->in.bad ? 0 : ns};
}

/* So many milliseconds after the last one, and a rest. */
static struct instant time_of(struct flight_reader *reader)
{
    const int64_t ms = wire_signed(&reader->in), rest = wire_signed(&reader->in);
    int64_t ns = 0;
    reader->in.bad = reader->in.bad || __builtin_mul_overflow(ms, NS_PER_MS, &ns) ||
                     __builtin_add_overflow(ns, rest, &ns) ||
                     __builtin_add_overflow(ns, reader->time.ns, &ns) || ns < 0 ||
                     ns > FLIGHT_NS_MAX;
    reader->time.ns = reader->in.bad ? reader->time.ns : ns;
    return reader->time;
}

/* ---- what the engine is ---- */

static void take_segment(struct flight_reader *reader, struct flight_event *event)
{
    reader->in.bad = number(reader, UINT32_MAX) != FLIGHT_FORMAT || reader->in.bad;
    event->number = number(reader, UINT32_MAX);
    event->time.ns = span(reader).ns;
    event->epoch = number(reader, UINT32_MAX);
    event->name = text(reader, FLIGHT_WORD_BYTES_MAX);
}

static void take_store(struct flight_reader *reader, struct flight_event *event)
{
    event->limits.series_max = number(reader, STORE_SERIES_MAX);
    event->limits.retention = signed_span(reader);
    event->limits.lookback = signed_span(reader);
    event->limits.future_max = signed_span(reader);
    event->limits.closed_windows = wire_bool(&reader->in);
    event->limits.live = wire_bool(&reader->in);
}

static enum mode mode_of(struct flight_reader *reader)
{
    return (enum mode)number(reader, MODE_ACT);
}

/* How many items follow, of at least `bytes` each. */
static size_t items(struct flight_reader *reader, uint32_t max, size_t bytes)
{
    const size_t count = number(reader, max);
    reader->in.bad = reader->in.bad || count > (size_t)(reader->in.end - reader->in.at) / bytes;
    return reader->in.bad ? 0 : count;
}

static void take_grants(struct flight_reader *reader, struct engine_host *host)
{
    host->grant_count = items(reader, FLIGHT_GRANTS_MAX, 4);
    struct engine_grant *grants =
        arena_alloc(&reader->arena, (host->grant_count + 1) * sizeof *grants);
    host->grants = grants;
    for (size_t i = 0; i < host->grant_count && !reader->in.bad; i++) {
        grants[i].action = text(reader, FLIGHT_WORD_BYTES_MAX);
        grants[i].unattended = wire_bool(&reader->in);
        grants[i].target_count = items(reader, FLIGHT_TARGETS_MAX, 2);
        const char **targets =
            arena_alloc(&reader->arena, (grants[i].target_count + 1) * sizeof *targets);
        grants[i].targets = targets;
        for (size_t t = 0; t < grants[i].target_count; t++) {
            targets[t] = text(reader, FLIGHT_WORD_BYTES_MAX);
        }
    }
}

static void take_modes(struct flight_reader *reader, struct engine_host *host)
{
    host->mode_count = items(reader, FLIGHT_MODES_MAX, 3);
    struct engine_mode *modes = arena_alloc(&reader->arena, (host->mode_count + 1) * sizeof *modes);
    host->modes = modes;
    for (size_t i = 0; i < host->mode_count; i++) {
        modes[i].policy = text(reader, FLIGHT_WORD_BYTES_MAX);
        modes[i].mode = mode_of(reader);
    }
}

static const char *text_or_none(struct flight_reader *reader)
{
    const bool there = wire_bool(&reader->in);
    const char *word = text(reader, FLIGHT_WORD_BYTES_MAX);
    return there ? word : NULL;
}

static void take_outside(struct flight_reader *reader, struct engine_host *host)
{
    host->external_count = items(reader, FLIGHT_EXTERNAL_MAX, 4);
    struct label *labels = arena_alloc(&reader->arena, (host->external_count + 1) * sizeof *labels);
    host->external = labels;
    for (size_t i = 0; i < host->external_count; i++) {
        labels[i].name = text(reader, STORE_LABEL_BYTES_MAX);
        labels[i].value = text(reader, STORE_LABEL_BYTES_MAX);
    }
    host->external_url = text_or_none(reader);
    host->author = text_or_none(reader);
}

static void take_program(struct flight_reader *reader, struct flight_event *event)
{
    struct engine_host *host = &reader->host;
    *host = (struct engine_host){0};
    event->hash = wire_bits(&reader->in);
    take_grants(reader, host);
    take_modes(reader, host);
    host->default_mode = mode_of(reader);
    host->guarded = wire_bool(&reader->in);
    host->rehearsal = wire_bool(&reader->in);
    host->tick = span(reader);
    host->blind_after = span(reader);
    take_outside(reader, host);
    host->epoch = number(reader, UINT32_MAX);
    event->host = host;
}

static enum record_kind record_kind_of(struct flight_reader *reader)
{
    const char *word = text(reader, NAME_BYTES_MAX);
    enum record_kind kind = 0;
    while (kind < RECORD_KINDS && strcmp(record_infos[kind].text, word) != 0) {
        kind++;
    }
    reader->in.bad = reader->in.bad || kind == RECORD_KINDS;
    return reader->in.bad ? 0 : kind;
}

static void copy(struct flight_reader *reader, char *ret, size_t size)
{
    snprintf(ret, size, "%s", text(reader, size - 1));
}

static void take_record(struct flight_reader *reader, struct flight_event *event)
{
    struct record *record = &reader->record;
    *record = (struct record){.sequence = wire_number(&reader->in, INT64_MAX)};
    record->time = time_of(reader);
    record->kind = record_kind_of(reader);
    record->incident = wire_number(&reader->in, UINT64_MAX);
    record->action_id = wire_number(&reader->in, UINT64_MAX);
    record->epoch = number(reader, UINT32_MAX);
    record->rung = number(reader, UINT32_MAX);
    record->program_hash = wire_bits(&reader->in);
    copy(reader, record->policy, sizeof record->policy);
    copy(reader, record->target, sizeof record->target);
    copy(reader, record->action, sizeof record->action);
    copy(reader, record->type, sizeof record->type);
    copy(reader, record->text, sizeof record->text);
    event->record = record;
}

/* ---- what it is fed ---- */

static void take_series(struct flight_reader *reader, struct flight_event *event)
{
    event->series = series(reader);
    event->number = source(reader);
    event->name = text(reader, STORE_LABEL_BYTES_MAX);
    event->count = number(reader, STORE_LABELS_MAX);
    for (size_t i = 0; i < event->count; i++) {
        reader->labels[i].name = text(reader, STORE_LABEL_BYTES_MAX);
        reader->labels[i].value = text(reader, STORE_LABEL_BYTES_MAX);
    }
    event->labels = reader->labels;
}

static void take_points(struct flight_reader *reader, struct flight_event *event)
{
    event->time = time_of(reader);
    event->now = reader->now;
    event->count = points_take(&reader->points, &reader->in, reader->items);
    event->points = reader->items;
    if (event->kind == FLIGHT_SAMPLE && !reader->in.bad) {
        reader->in.bad = event->count != 1 || reader->items[0].ms != 0;
        event->series = reader->items[0].series;
        event->value = reader->items[0].value;
    }
}

static void take_step(struct flight_reader *reader, struct flight_event *event)
{
    event->now = event->time = reader->now;
    event->count = items(reader, FLIGHT_INPUTS_MAX, 15);
    struct input *inputs = arena_alloc(&reader->arena, (event->count + 1) * sizeof *inputs);
    for (size_t i = 0; i < event->count && !reader->in.bad; i++) {
        inputs[i].kind = (enum input_kind)number(reader, INPUT_START);
        inputs[i].id = wire_number(&reader->in, UINT64_MAX);
        inputs[i].outcome = (enum outcome)number(reader, OUTCOME_COUNT - 1);
        inputs[i].delivered = wire_bool(&reader->in);
        inputs[i].ended = time_of(reader);
        inputs[i].who = text(reader, FLIGHT_WORD_BYTES_MAX);
        inputs[i].text = text(reader, FLIGHT_WORD_BYTES_MAX);
        inputs[i].uid = number(reader, UINT32_MAX);
        inputs[i].plan = number(reader, UINT32_MAX);
        inputs[i].policy = text_or_none(reader);
        inputs[i].mode = mode_of(reader);
        reader->in.bad = reader->in.bad || (inputs[i].kind == INPUT_MODE && !inputs[i].policy);
    }
    event->inputs = inputs;
}

static void take_source(struct flight_reader *reader, struct flight_event *event)
{
    event->number = source(reader);
    event->name = text(reader, FLIGHT_WORD_BYTES_MAX);
    event->interval = signed_span(reader);
    event->grace = signed_span(reader);
}

static void take(struct flight_reader *reader, struct flight_event *event)
{
    switch (event->kind) {
    case FLIGHT_SEGMENT: take_segment(reader, event); break;
    case FLIGHT_STORE: take_store(reader, event); break;
    case FLIGHT_TEXT:
        event->name = text(reader, FLIGHT_PATH_BYTES_MAX);
        event->text = wire_text_length(&reader->in, FLIGHT_TEXT_BYTES_MAX, &event->length);
        break;
    case FLIGHT_PROGRAM: take_program(reader, event); break;
    case FLIGHT_RESTORE: take_record(reader, event); break;
    case FLIGHT_EPOCH: event->epoch = number(reader, UINT32_MAX); break;
    case FLIGHT_NOW: event->time = reader->now = time_of(reader); break;
    case FLIGHT_EXPECT: event->number = number(reader, STORE_SOURCES_MAX); break;
    case FLIGHT_SOURCE: take_source(reader, event); break;
    case FLIGHT_SERIES: take_series(reader, event); break;
    case FLIGHT_HOLD:
    case FLIGHT_LET_GO: event->series = series(reader); break;
    case FLIGHT_SAMPLE:
    case FLIGHT_POINTS: take_points(reader, event); break;
    case FLIGHT_STALE: event->series = series(reader), event->time = time_of(reader); break;
    case FLIGHT_ANSWERED:
    case FLIGHT_HEARD:
    case FLIGHT_FAILED: event->number = source(reader), event->time = time_of(reader); break;
    case FLIGHT_EXPIRE: event->now = event->time = reader->now; break;
    case FLIGHT_PAGE_AGAIN: break;
    case FLIGHT_STEP: take_step(reader, event); break;
    case FLIGHT_GAVE:
        event->count = number(reader, UINT32_MAX);
        event->hash = wire_bits(&reader->in);
        break;
    case FLIGHT_END: event->name = text(reader, FLIGHT_WORD_BYTES_MAX); break;
    case FLIGHT_KINDS: reader->in.bad = true; break;
    }
}

bool reader_event(struct flight_reader *reader, struct flight_event *ret)
{
    const uint8_t kind = wire_byte(&reader->in);
    arena_release(&reader->arena);
    reader->arena = (struct arena){0};
    *ret =
        (struct flight_event){.kind = kind < FLIGHT_KINDS ? (enum flight_kind)kind : FLIGHT_KINDS};
    take(reader, ret);
    return !reader->in.bad;
}
