/* The flight recorder: events into frames, frames into segments. */
#include "runtime/flight/flight.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/flight/flight_file.h"
#include "runtime/flight/points.h"
#include "runtime/flight/wire.h"

/* What an engine is fed and nobody records would be another life when it is run again. Who adds a
 * field writes it here, reads it in reader_event.c (replay.c keeps the host's), compares a record's
 * in hash.c, and counts FLIGHT_FORMAT up. */
#if UINTPTR_MAX == UINT64_MAX
_Static_assert(sizeof(struct engine_host) == 120, "every field of the host is recorded");
_Static_assert(sizeof(struct engine_grant) == 32, "every field of a grant is recorded");
_Static_assert(sizeof(struct input) == 72, "every field of an input is recorded");
_Static_assert(sizeof(struct record) == 1016, "every field of a record is recorded");
_Static_assert(sizeof(struct store_limits) == 40, "every limit of the store is recorded");
#endif

struct flight {
    struct flight_file_writer file;
    struct wire_out out; /* events of the frame to come */
    struct points points;
    struct instant time; /* the last that was written */
    struct instant now;
    bool now_told, wordy; /* wordy: the frame to come has texts */
    struct flight_state state;
};

/* What could not be written is lost; why stands in the file where that still can be written. */
static void end(struct flight *flight, enum status status, const char *why)
{
    if (flight->state.on) {
        flight->state.on = false;
        snprintf(flight->state.why, sizeof flight->state.why, "%s", why);
        if (status != STATUS_IO) {
            flight_file_end(&flight->file, status == STATUS_OK ? "" : flight->state.why);
        }
    }
    flight_file_close(&flight->file);
    wire_release(&flight->out);
    points_release(&flight->points);
}

static void flush(struct flight *flight)
{
    struct error error;
    if (!flight->state.on || flight->out.length == 0) {
        return;
    }
    const bool pack = flight->wordy && flight->out.length >= FLIGHT_PACK_BYTES_MIN;
    enum status status =
        flight_file_write(&flight->file, flight->out.bytes, flight->out.length, pack, &error);
    if (status != STATUS_OK) {
        end(flight, status, error.message);
        return;
    }
    flight->state.bytes = flight->file.bytes;
    flight->out.length = 0;
    flight->wordy = false;
}

static bool has_texts(enum flight_kind kind)
{
    return kind == FLIGHT_TEXT || kind == FLIGHT_PROGRAM || kind == FLIGHT_RESTORE ||
           kind == FLIGHT_SOURCE || kind == FLIGHT_SERIES;
}

/* False when nothing is recorded. */
static bool begin(struct flight *flight, enum flight_kind kind)
{
    if (!flight || !flight->state.on) {
        return false;
    }
    if (flight->out.length >= FLIGHT_FRAME_BYTES) {
        flush(flight);
    }
    if (flight->state.on) {
        wire_put_byte(&flight->out, (uint8_t)kind);
        flight->wordy = flight->wordy || has_texts(kind);
    }
    return flight->state.on;
}

/* By how many milliseconds it is later than the last one, and the rest. */
static void put_time(struct flight *flight, struct instant time)
{
    const int64_t later = time.ns - flight->time.ns;
    wire_put_signed(&flight->out, later / NS_PER_MS);
    wire_put_signed(&flight->out, later % NS_PER_MS);
    flight->time = time;
}

static void tell_now(struct flight *flight, struct instant now)
{
    if (flight && !(flight->now_told && flight->now.ns == now.ns) && begin(flight, FLIGHT_NOW)) {
        put_time(flight, now);
        flight->now = now;
        flight->now_told = true;
    }
}

struct flight *flight_open(const struct flight_options *options, struct instant now, uint32_t epoch)
{
    struct error error;
    struct flight *flight = heap_alloc(sizeof *flight);
    flight->state.on = true;
    flight->state.since = now;
    enum status status = flight_file_open(&flight->file, options, now, epoch, &error);
    if (status != STATUS_OK) {
        end(flight, status, error.message);
    }
    return flight;
}

void flight_close(struct flight *flight)
{
    if (flight) {
        flush(flight);
        end(flight, STATUS_OK, "its life is over");
        free(flight);
    }
}

void flight_stop(struct flight *flight, const char *why)
{
    if (flight) {
        flush(flight);
        end(flight, STATUS_LIMIT, why);
    }
}

struct flight_state flight_state(const struct flight *flight)
{
    return flight ? flight->state : (struct flight_state){.why = "off"};
}

/* ---- what the engine is ---- */

void flight_store(struct flight *flight, const struct store_limits *limits)
{
    if (begin(flight, FLIGHT_STORE)) {
        wire_put_number(&flight->out, limits->series_max);
        wire_put_signed(&flight->out, limits->retention.ns);
        wire_put_signed(&flight->out, limits->lookback.ns);
        wire_put_signed(&flight->out, limits->future_max.ns);
        wire_put_byte(&flight->out, limits->closed_windows);
        wire_put_byte(&flight->out, limits->live);
    }
}

static void put_host(struct wire_out *out, const struct engine_host *host)
{
    wire_put_number(out, host->grant_count);
    for (size_t i = 0; i < host->grant_count; i++) {
        const struct engine_grant *grant = &host->grants[i];
        wire_put_text(out, grant->action);
        wire_put_byte(out, grant->unattended);
        wire_put_number(out, grant->target_count);
        for (size_t t = 0; t < grant->target_count; t++) {
            wire_put_text(out, grant->targets[t]);
        }
    }
    wire_put_number(out, host->mode_count);
    for (size_t i = 0; i < host->mode_count; i++) {
        wire_put_text(out, host->modes[i].policy);
        wire_put_byte(out, (uint8_t)host->modes[i].mode);
    }
    wire_put_byte(out, (uint8_t)host->default_mode);
    wire_put_byte(out, host->guarded);
    wire_put_byte(out, host->rehearsal);
    wire_put_number(out, (uint64_t)host->tick.ns);
    wire_put_number(out, (uint64_t)host->blind_after.ns);
    wire_put_number(out, host->external_count);
    for (size_t i = 0; i < host->external_count; i++) {
        wire_put_text(out, host->external[i].name);
        wire_put_text(out, host->external[i].value);
    }
    wire_put_byte(out, host->external_url != NULL);
    wire_put_text(out, host->external_url ? host->external_url : "");
    wire_put_byte(out, host->author != NULL);
    wire_put_text(out, host->author ? host->author : "");
    wire_put_number(out, host->epoch);
}

void flight_program(struct flight *flight, const struct sources *sources, uint64_t hash,
                    const struct engine_host *host)
{
    CHECK(host->override_count == 0);
    for (size_t i = 0; i < sources->count; i++) {
        if (begin(flight, FLIGHT_TEXT)) {
            wire_put_text(&flight->out, sources->items[i]->path);
            wire_put_bytes(&flight->out, sources->items[i]->text, sources->items[i]->length);
        }
    }
    if (begin(flight, FLIGHT_PROGRAM)) {
        wire_put_bits(&flight->out, hash);
        put_host(&flight->out, host);
    }
}

void flight_restore(struct flight *flight, const struct record *record)
{
    if (begin(flight, FLIGHT_RESTORE)) {
        struct wire_out *out = &flight->out;
        wire_put_number(out, record->sequence);
        put_time(flight, record->time);
        flight_put_record(out, record);
    }
}

void flight_epoch(struct flight *flight, uint32_t epoch)
{
    if (begin(flight, FLIGHT_EPOCH)) {
        wire_put_number(&flight->out, epoch);
    }
}

/* ---- what it is fed ---- */

void flight_expect(struct flight *flight, size_t sources)
{
    if (begin(flight, FLIGHT_EXPECT)) {
        wire_put_number(&flight->out, sources);
    }
}

void flight_source(struct flight *flight, uint32_t source, const char *name,
                   struct duration interval, struct duration grace)
{
    if (begin(flight, FLIGHT_SOURCE)) {
        wire_put_number(&flight->out, source);
        wire_put_text(&flight->out, name);
        wire_put_signed(&flight->out, interval.ns);
        wire_put_signed(&flight->out, grace.ns);
    }
}

void flight_series(struct flight *flight, uint32_t series, uint32_t source, const char *name,
                   const struct label *labels, size_t count)
{
    if (begin(flight, FLIGHT_SERIES)) {
        wire_put_number(&flight->out, series);
        wire_put_number(&flight->out, source);
        wire_put_text(&flight->out, name);
        wire_put_number(&flight->out, count);
        for (size_t i = 0; i < count; i++) {
            wire_put_text(&flight->out, labels[i].name);
            wire_put_text(&flight->out, labels[i].value);
        }
    }
}

/* An event that has one number. */
static void put_event(struct flight *flight, enum flight_kind kind, uint32_t number)
{
    if (begin(flight, kind)) {
        wire_put_number(&flight->out, number);
    }
}

void flight_hold(struct flight *flight, uint32_t series)
{
    put_event(flight, FLIGHT_HOLD, series);
}

void flight_let_go(struct flight *flight, uint32_t series)
{
    put_event(flight, FLIGHT_LET_GO, series);
}

void flight_append(struct flight *flight, uint32_t series, struct instant now, struct instant time,
                   double value)
{
    tell_now(flight, now);
    if (begin(flight, FLIGHT_SAMPLE)) {
        put_time(flight, time);
        points_put(&flight->points, &flight->out, &(struct store_point){series, 0, value}, 1);
        flight->state.samples++;
    }
}

void flight_append_all(struct flight *flight, struct instant now, struct instant time,
                       const struct store_point *points, size_t count)
{
    tell_now(flight, now);
    for (size_t from = 0; from < count; from += POINTS_MAX) {
        const size_t some = count - from < POINTS_MAX ? count - from : POINTS_MAX;
        if (begin(flight, FLIGHT_POINTS)) {
            put_time(flight, time);
            points_put(&flight->points, &flight->out, points + from, some);
            flight->state.samples += some;
        }
    }
}

/* An event that has a number and a time. */
static void put_timed(struct flight *flight, enum flight_kind kind, uint32_t number,
                      struct instant time)
{
    if (begin(flight, kind)) {
        wire_put_number(&flight->out, number);
        put_time(flight, time);
    }
}

void flight_stale(struct flight *flight, uint32_t series, struct instant time)
{
    put_timed(flight, FLIGHT_STALE, series, time);
}

void flight_answered(struct flight *flight, uint32_t source, struct instant time)
{
    put_timed(flight, FLIGHT_ANSWERED, source, time);
}

void flight_heard(struct flight *flight, uint32_t source, struct instant time)
{
    put_timed(flight, FLIGHT_HEARD, source, time);
}

void flight_failed(struct flight *flight, uint32_t source, struct instant time)
{
    put_timed(flight, FLIGHT_FAILED, source, time);
}

void flight_expire(struct flight *flight, struct instant now)
{
    tell_now(flight, now);
    (void)begin(flight, FLIGHT_EXPIRE);
}

void flight_page_again(struct flight *flight)
{
    (void)begin(flight, FLIGHT_PAGE_AGAIN);
}

/* ---- steps ---- */

void flight_step(struct flight *flight, struct instant now, const struct input *inputs,
                 size_t count)
{
    tell_now(flight, now);
    if (!begin(flight, FLIGHT_STEP)) {
        return;
    }
    wire_put_number(&flight->out, count);
    for (size_t i = 0; i < count; i++) {
        const struct input *input = &inputs[i];
        wire_put_byte(&flight->out, (uint8_t)input->kind);
        wire_put_number(&flight->out, input->id);
        wire_put_byte(&flight->out, (uint8_t)input->outcome);
        wire_put_byte(&flight->out, input->delivered);
        put_time(flight, input->ended);
        wire_put_text(&flight->out, input->who ? input->who : "");
        wire_put_text(&flight->out, input->text ? input->text : "");
        wire_put_number(&flight->out, input->uid);
        wire_put_number(&flight->out, input->plan);
        wire_put_byte(&flight->out, input->policy != NULL);
        wire_put_text(&flight->out, input->policy ? input->policy : "");
        wire_put_byte(&flight->out, (uint8_t)input->mode);
    }
    flight->state.steps++;
    flush(flight);
}

void flight_gave(struct flight *flight, const struct effects *effects)
{
    uint64_t records = 0;
    if (!flight || !flight->state.on || effects->count == 0) {
        return;
    }
    for (size_t i = 0; i < effects->count; i++) {
        records += effects->items[i].kind == EFFECT_RECORD;
    }
    flight->state.hash = flight_hash(flight->state.hash, effects);
    if (begin(flight, FLIGHT_GAVE)) {
        wire_put_number(&flight->out, records);
        wire_put_bits(&flight->out, flight->state.hash);
        flight->state.records += records;
        flush(flight);
    }
}
