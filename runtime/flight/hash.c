/* The running hash of effects: field by field, so that it is the same whatever built the program.
 */
#include <string.h>
#include <xxhash.h>

#include "runtime/flight/event.h"
#include "runtime/flight/wire.h"

const char *const flight_kind_texts[FLIGHT_KINDS] = {
#define EVENT(name, text) [FLIGHT_##name] = text,
#include "runtime/flight/event.def"
#undef EVENT
};

void flight_put_record(struct wire_out *out, const struct record *record)
{
    wire_put_text(out, record_infos[record->kind].text);
    wire_put_number(out, record->incident);
    wire_put_number(out, record->action_id);
    wire_put_number(out, record->epoch);
    wire_put_number(out, record->rung);
    wire_put_bits(out, record->program_hash);
    wire_put_text(out, record->policy);
    wire_put_text(out, record->target);
    wire_put_text(out, record->action);
    wire_put_text(out, record->type);
    wire_put_text(out, record->text);
}

static void put_record(struct wire_out *out, const struct record *record)
{
    wire_put_signed(out, record->time.ns);
    flight_put_record(out, record);
}

static void put_effect(struct wire_out *out, const struct effect *effect)
{
    wire_put_byte(out, (uint8_t)effect->kind);
    switch (effect->kind) {
    case EFFECT_RECORD: put_record(out, &effect->record); break;
    case EFFECT_PROBE: wire_put_number(out, effect->id); break;
    case EFFECT_DISPATCH:
        wire_put_number(out, effect->id);
        wire_put_number(out, effect->grant);
        wire_put_number(out, effect->target);
        wire_put_signed(out, effect->timeout.ns);
        for (uint32_t i = 0; i < effect->number_count; i++) {
            wire_put_double(out, effect->numbers[i]);
        }
        break;
    case EFFECT_NOTIFY:
        wire_put_number(out, effect->id);
        wire_put_number(out, effect->record.incident);
        wire_put_signed(out, effect->record.time.ns);
        wire_put_text(out, effect->record.policy);
        wire_put_text(out, effect->record.target);
        wire_put_text(out, effect->record.text);
        wire_put_text(out, effect->channel ? effect->channel : "");
        wire_put_byte(out, effect->resolved);
        break;
    }
}

static uint64_t hash_of(uint64_t before, struct wire_out *out)
{
    const uint64_t hash = XXH3_64bits_withSeed(out->bytes, out->length, before);
    wire_release(out);
    return hash;
}

uint64_t flight_hash(uint64_t before, const struct effects *effects)
{
    struct wire_out out = {0};
    if (effects->count == 0) {
        return before;
    }
    for (size_t i = 0; i < effects->count; i++) {
        put_effect(&out, &effects->items[i]);
    }
    return hash_of(before, &out);
}

uint64_t flight_hash_record(uint64_t before, const struct record *record)
{
    struct wire_out out = {0};
    put_record(&out, record);
    return hash_of(before, &out);
}

const char *flight_record_difference(const struct record *a, const struct record *b)
{
    return a->time.ns != b->time.ns             ? "time"
           : a->kind != b->kind                 ? "kind"
           : a->incident != b->incident         ? "incident"
           : a->action_id != b->action_id       ? "action_id"
           : a->epoch != b->epoch               ? "epoch"
           : a->rung != b->rung                 ? "rung"
           : a->program_hash != b->program_hash ? "program_hash"
           : strcmp(a->policy, b->policy) != 0  ? "policy"
           : strcmp(a->target, b->target) != 0  ? "target"
           : strcmp(a->action, b->action) != 0  ? "action"
           : strcmp(a->type, b->type) != 0      ? "type"
           : strcmp(a->text, b->text) != 0      ? "text"
                                                : NULL;
}
