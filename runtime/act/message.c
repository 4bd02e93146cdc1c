/* The wire form of messages: little-endian, fixed places, no padding that could carry anything. */
#include "runtime/act/message.h"

#include <stdio.h>
#include <string.h>

enum { MAGIC = 0x6c616568, VERSION = 3 };

static const char *const outcome_texts[OUTCOME_COUNT] = {
    [OUTCOME_NONE] = "none",       [OUTCOME_SUCCEEDED] = "succeeded",
    [OUTCOME_FAILED] = "failed",   [OUTCOME_TIMED_OUT] = "timed_out",
    [OUTCOME_UNKNOWN] = "unknown", [OUTCOME_NEVER_STARTED] = "never_started",
    [OUTCOME_REFUSED] = "refused",
};
static const char *const refusal_texts[REFUSAL_COUNT] = {
#define REFUSAL(name, text) [REFUSAL_##name] = text,
#include "runtime/act/refusal.def"
#undef REFUSAL
};

const char *outcome_text(enum outcome outcome)
{
    return outcome_texts[outcome];
}

const char *refusal_text(enum refusal refusal)
{
    return refusal_texts[refusal];
}

const char *impact_text(enum impact impact)
{
    static const char *const texts[IMPACT_COUNT] = {"", "low", "medium", "high", "critical"};
    return texts[impact];
}

/* One cursor for both ways, so that the two can never disagree on a place. */
struct wire {
    uint8_t *bytes;
    size_t at;
    bool writing, bad;
};

static void wire_u64(struct wire *w, uint64_t *value, size_t width)
{
    CHECK(w->at + width <= MESSAGE_BYTES);
    uint64_t read = 0;
    for (size_t i = 0; i < width; i++) {
        uint8_t *byte = &w->bytes[w->at++];
        if (w->writing) {
            *byte = (uint8_t)(*value >> (8 * i));
        }
        read |= (uint64_t)*byte << (8 * i);
    }
    *value = read;
}

static uint64_t wire_number(struct wire *w, uint64_t value, size_t width)
{
    wire_u64(w, &value, width);
    return value;
}

/* An enumerator or a count below limit. */
static uint32_t wire_below(struct wire *w, uint32_t value, uint32_t limit)
{
    uint64_t got = wire_number(w, value, 4);
    w->bad = w->bad || got >= limit;
    return got < limit ? (uint32_t)got : 0;
}

static void wire_text(struct wire *w, char *text, size_t size)
{
    CHECK(w->at + size <= MESSAGE_BYTES);
    uint8_t *bytes = w->bytes + w->at;
    w->at += size;
    if (w->writing) {
        const char *end = memchr(text, '\0', size);
        CHECK(end);
        memset(bytes, 0, size);
        memcpy(bytes, text, (size_t)(end - text));
        return;
    }
    const uint8_t *end = memchr(bytes, '\0', size);
    if (!end) {
        w->bad = true;
        return;
    }
    for (const uint8_t *rest = end; rest < bytes + size; rest++) {
        w->bad = w->bad || *rest;
    }
    memcpy(text, bytes, size);
}

static void wire_message(struct wire *w, struct message *m)
{
    w->bad = w->bad || wire_number(w, MAGIC, 4) != MAGIC || wire_number(w, VERSION, 4) != VERSION;
    m->kind = (enum message_kind)wire_below(w, m->kind, MESSAGE_KINDS);
    m->id = wire_number(w, m->id, 8);
    m->epoch = (uint32_t)wire_number(w, m->epoch, 4);
    m->grant = (uint16_t)wire_number(w, m->grant, 2);
    m->target = (uint16_t)wire_number(w, m->target, 2);
    m->number_count = wire_below(w, m->number_count, MESSAGE_NUMBERS_MAX + 1);
    for (int i = 0; i < MESSAGE_NUMBERS_MAX; i++) {
        uint64_t bits;
        memcpy(&bits, &m->numbers[i], sizeof bits);
        wire_u64(w, &bits, 8);
        memcpy(&m->numbers[i], &bits, sizeof bits);
    }
    m->deadline.ns = (int64_t)wire_number(w, (uint64_t)m->deadline.ns, 8);
    m->undo = wire_below(w, m->undo, 2) == 1;
    m->channel = (uint16_t)wire_number(w, m->channel, 2);
    m->resolved = wire_below(w, m->resolved, 2) == 1;
    m->impact = (enum impact)wire_below(w, m->impact, IMPACT_COUNT);
    m->incident = wire_number(w, m->incident, 8);
    m->time.ns = (int64_t)wire_number(w, (uint64_t)m->time.ns, 8);
    wire_text(w, m->policy, sizeof m->policy);
    wire_text(w, m->object, sizeof m->object);
    wire_text(w, m->key, sizeof m->key);
    m->outcome = (enum outcome)wire_below(w, m->outcome, OUTCOME_COUNT);
    m->refusal = (enum refusal)wire_below(w, m->refusal, REFUSAL_COUNT);
    m->delivered = wire_below(w, m->delivered, 2) == 1;
    m->exit_code = (int32_t)(uint32_t)wire_number(w, (uint32_t)m->exit_code, 4);
    m->started.ns = (int64_t)wire_number(w, (uint64_t)m->started.ns, 8);
    m->ended.ns = (int64_t)wire_number(w, (uint64_t)m->ended.ns, 8);
    wire_text(w, m->text, sizeof m->text);
}

void message_encode(const struct message *message, uint8_t ret[MESSAGE_BYTES])
{
    struct message copy = *message;
    struct wire w = {.bytes = ret, .writing = true};
    memset(ret, 0, MESSAGE_BYTES);
    wire_message(&w, &copy);
    CHECK(!w.bad);
}

enum status message_decode(const uint8_t *bytes, size_t size, struct message *ret,
                           struct error *error)
{
    if (size != MESSAGE_BYTES) {
        return error_set(error, STATUS_PROTOCOL, "a message of %zu bytes, not %d", size,
                         MESSAGE_BYTES);
    }
    uint8_t copy[MESSAGE_BYTES];
    struct message message;
    struct wire w = {.bytes = copy};
    memcpy(copy, bytes, sizeof copy);
    memset(&message, 0, sizeof message);
    wire_message(&w, &message);
    for (; w.at < MESSAGE_BYTES; w.at++) {
        w.bad = w.bad || copy[w.at];
    }
    if (w.bad) {
        return error_set(error, STATUS_PROTOCOL,
                         "a message with a wrong version, a field out of range, or bytes to spare");
    }
    *ret = message;
    return STATUS_OK;
}

static size_t escape_one(unsigned char c, char ret[5])
{
    if (c == '\n' || c == '\t' || c == '\\') {
        return (size_t)snprintf(ret, 5, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : '\\');
    }
    return (size_t)snprintf(ret, 5, c >= 0x20 && c < 0x7f ? "%c" : "\\x%02x", c);
}

size_t message_fits(const char *bytes, size_t count, size_t size)
{
    char one[5];
    size_t fits = 0, used = 0;
    while (fits < count && (used += escape_one((unsigned char)bytes[fits], one)) < size) {
        fits++;
    }
    return fits;
}

void message_escape(const char *bytes, size_t count, char *ret, size_t size)
{
    CHECK(size > 0);
    char one[5];
    size_t used = 0, from = count;
    while (from > 0) {
        size_t length = escape_one((unsigned char)bytes[from - 1], one);
        if (used + length >= size) {
            break;
        }
        used += length;
        from--;
    }
    used = 0;
    for (; from < count; from++) {
        size_t length = escape_one((unsigned char)bytes[from], one);
        memcpy(ret + used, one, length);
        used += length;
    }
    ret[used] = '\0';
}
