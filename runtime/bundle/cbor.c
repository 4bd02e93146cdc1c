/* Deterministic CBOR. */
#include "runtime/bundle/cbor.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first three bits of a head. */
enum major { MAJOR_UINT = 0, MAJOR_BYTES = 2, MAJOR_TEXT = 3, MAJOR_ARRAY = 4, MAJOR_MAP = 5 };
enum {
    HEAD_BYTES_MAX = 9,
    BYTE_FALSE = 0xf4,
    BYTE_TRUE = 0xf5,
    BYTE_HALF = 0xf9,
    BYTE_SINGLE = 0xfa,
    BYTE_DOUBLE = 0xfb,
};

void cbor_read(struct cbor *cbor, const void *bytes, size_t length, struct arena *arena,
               struct error *error)
{
    *cbor =
        (struct cbor){.reads = true, .error = error, .start = bytes, .at = bytes, .arena = arena};
    cbor->end = length > 0 ? cbor->at + length : cbor->at;
}

void cbor_write(struct cbor *cbor, size_t limit_bytes, struct error *error)
{
    *cbor = (struct cbor){.error = error, .limit_bytes = limit_bytes};
}

bool cbor_good(const struct cbor *cbor)
{
    return cbor->status == STATUS_OK;
}

void cbor_refuse(struct cbor *cbor, enum status status, const char *fmt, ...)
{
    char words[sizeof(cbor->error->message)];
    va_list args;
    if (!cbor_good(cbor)) {
        return;
    }
    va_start(args, fmt);
    vsnprintf(words, sizeof(words), fmt, args);
    va_end(args);
    cbor->status = error_set(cbor->error, status, "%s", words);
}

/* What is wrong with the bytes at a place. */
static void refuse_here(struct cbor *cbor, const char *what)
{
    cbor_refuse(cbor, STATUS_PROTOCOL, "%s at byte %zu", what, (size_t)(cbor->at - cbor->start));
}

enum status cbor_end(struct cbor *cbor)
{
    CHECK(cbor->reads);
    if (cbor_good(cbor) && cbor->at != cbor->end) {
        refuse_here(cbor, "there is more after the end");
    }
    return cbor->status;
}

enum status cbor_take(struct cbor *cbor, uint8_t **ret, size_t *ret_length)
{
    CHECK(!cbor->reads);
    if (!cbor_good(cbor)) {
        free(cbor->bytes);
        cbor->bytes = NULL;
        return cbor->status;
    }
    *ret = cbor->bytes;
    *ret_length = cbor->length;
    return STATUS_OK;
}

/* ---- bytes ---- */

static void put(struct cbor *cbor, const void *bytes, size_t length)
{
    if (!cbor_good(cbor) || length == 0) {
        return;
    }
    if (length > cbor->limit_bytes || cbor->length > cbor->limit_bytes - length) {
        cbor_refuse(cbor, STATUS_LIMIT, "larger than %zu bytes", cbor->limit_bytes);
        return;
    }
    if (cbor->length + length > cbor->capacity) {
        size_t wanted = cbor->length + length;
        cbor->capacity = wanted > 2 * cbor->capacity ? wanted : 2 * cbor->capacity;
        cbor->bytes = heap_resize(cbor->bytes, cbor->capacity);
    }
    memcpy(cbor->bytes + cbor->length, bytes, length);
    cbor->length += length;
}

/* The next length bytes, or NULL after a refusal. */
static const uint8_t *take(struct cbor *cbor, uint64_t length)
{
    if (!cbor_good(cbor)) {
        return NULL;
    }
    if (length > (uint64_t)(cbor->end - cbor->at)) {
        refuse_here(cbor, "cut off");
        return NULL;
    }
    const uint8_t *bytes = cbor->at;
    cbor->at += length;
    return bytes;
}

/* Writes number big-endian after a first byte; gives the length of both. */
static size_t head_make(uint8_t ret[HEAD_BYTES_MAX], enum major major, uint64_t number)
{
    uint8_t top = (uint8_t)(major << 5);
    if (number < 24) {
        ret[0] = (uint8_t)(top | number);
        return 1;
    }
    unsigned step = number <= UINT8_MAX    ? 0
                    : number <= UINT16_MAX ? 1
                    : number <= UINT32_MAX ? 2
                                           : 3;
    size_t width = (size_t)1 << step;
    ret[0] = (uint8_t)(top | (24 + step));
    for (size_t i = 0; i < width; i++) {
        ret[1 + i] = (uint8_t)(number >> (8 * (width - 1 - i)));
    }
    return 1 + width;
}

static uint64_t number_read(const uint8_t *bytes, size_t width)
{
    uint64_t number = 0;
    for (size_t i = 0; i < width; i++) {
        number = number << 8 | bytes[i];
    }
    return number;
}

/* A head of this kind and what its number is. */
static uint64_t head_take(struct cbor *cbor, enum major major)
{
    uint8_t again[HEAD_BYTES_MAX];
    const uint8_t *first = take(cbor, 1);
    if (!first) {
        return 0;
    }
    unsigned low = *first & 31U;
    cbor->at = first; /* where a refusal points to */
    if (*first >> 5 != (unsigned)major) {
        refuse_here(cbor, "another kind of value than the format has");
        return 0;
    }
    if (low > 27) {
        refuse_here(cbor, "a length that is not definite");
        return 0;
    }
    size_t width = low < 24 ? 0 : (size_t)1 << (low - 24);
    const uint8_t *head = take(cbor, 1 + width);
    if (!head) {
        return 0;
    }
    uint64_t number = low < 24 ? low : number_read(head + 1, width);
    if (head_make(again, major, number) != 1 + width) {
        cbor->at = first;
        refuse_here(cbor, "a number that is longer than needed");
        return 0;
    }
    return number;
}

static void head_put(struct cbor *cbor, enum major major, uint64_t number)
{
    uint8_t head[HEAD_BYTES_MAX];
    put(cbor, head, head_make(head, major, number));
}

/* ---- values ---- */

void cbor_uint(struct cbor *cbor, uint64_t *value, uint64_t max)
{
    if (cbor->reads) {
        *value = head_take(cbor, MAJOR_UINT);
    }
    if (*value > max) {
        cbor_refuse(cbor, STATUS_LIMIT, "the number %llu is larger than %llu",
                    (unsigned long long)*value, (unsigned long long)max);
    }
    if (!cbor->reads) {
        head_put(cbor, MAJOR_UINT, *value);
    }
}

void cbor_bool(struct cbor *cbor, bool *value)
{
    uint8_t byte = *value ? BYTE_TRUE : BYTE_FALSE;
    if (!cbor->reads) {
        put(cbor, &byte, 1);
        return;
    }
    const uint8_t *got = take(cbor, 1);
    *value = got && *got == BYTE_TRUE;
    if (got && *got != BYTE_TRUE && *got != BYTE_FALSE) {
        cbor->at = got;
        refuse_here(cbor, "neither true nor false");
    }
}

static double half_to_double(uint16_t half)
{
    int exponent = half >> 10 & 31;
    double fraction = half & 1023;
    if (exponent == 31) {
        return fraction > 0 ? (double)NAN : (double)INFINITY;
    }
    return exponent == 0 ? ldexp(fraction, -24) : ldexp(fraction + 1024, exponent - 25);
}

/* False when no half float is exactly this value, which is not below zero. */
static bool double_to_half(double value, uint16_t *ret)
{
    int exponent = 0;
    if (isinf(value)) {
        *ret = 0x7c00;
        return true;
    }
    if (value > 65504) {
        return false;
    }
    double fraction = frexp(value, &exponent); /* in [0.5, 1) */
    bool tiny = value < 0x1p-14;               /* below the normal ones; zero too */
    double scaled = tiny ? ldexp(value, 24) : ldexp(fraction, 11);
    if (scaled != floor(scaled)) {
        return false;
    }
    *ret = (uint16_t)(tiny ? (unsigned)scaled
                           : ((unsigned)(exponent + 14) << 10) + ((unsigned)scaled - 1024));
    return true;
}

static size_t double_make(uint8_t ret[HEAD_BYTES_MAX], double value)
{
    uint16_t half = 0;
    uint64_t bits = 0;
    uint32_t single_bits = 0;
    float single = (float)value;
    size_t width = 8;
    if (double_to_half(value, &half)) {
        width = 2;
        bits = half;
    } else if ((double)single == value) {
        width = 4;
        memcpy(&single_bits, &single, sizeof(single));
        bits = single_bits;
    } else {
        memcpy(&bits, &value, sizeof(value));
    }
    ret[0] = width == 2 ? BYTE_HALF : width == 4 ? BYTE_SINGLE : BYTE_DOUBLE;
    for (size_t i = 0; i < width; i++) {
        ret[1 + i] = (uint8_t)(bits >> (8 * (width - 1 - i)));
    }
    return 1 + width;
}

static double double_take(struct cbor *cbor)
{
    uint8_t again[HEAD_BYTES_MAX];
    const uint8_t *first = take(cbor, 1);
    if (!first) {
        return 0;
    }
    cbor->at = first;
    if (*first < BYTE_HALF || *first > BYTE_DOUBLE) {
        refuse_here(cbor, "not a floating-point number");
        return 0;
    }
    size_t width = (size_t)2 << (*first - BYTE_HALF);
    const uint8_t *got = take(cbor, 1 + width);
    if (!got) {
        return 0;
    }
    uint64_t bits = number_read(got + 1, width);
    uint32_t single_bits = (uint32_t)bits;
    float single;
    double value;
    memcpy(&single, &single_bits, sizeof(single));
    memcpy(&value, &bits, sizeof(value));
    value = width == 2 ? half_to_double((uint16_t)bits) : width == 4 ? (double)single : value;
    if (isnan(value) || signbit(value) || double_make(again, value) != 1 + width ||
        memcmp(again, got, 1 + width) != 0) {
        cbor->at = first;
        refuse_here(cbor, "a floating-point number that is not in its shortest form");
        return 0;
    }
    return value;
}

void cbor_double(struct cbor *cbor, double *value)
{
    uint8_t bytes[HEAD_BYTES_MAX];
    if (cbor->reads) {
        *value = double_take(cbor);
    } else if (isnan(*value) || signbit(*value)) {
        cbor_refuse(cbor, STATUS_PROTOCOL, "a bound that is no number");
    } else {
        put(cbor, bytes, double_make(bytes, *value));
    }
}

/* The bytes of one well-formed character that is no control character, or 0 (RFC 3629). */
static size_t character_bytes(const uint8_t *text, size_t left)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t first = text[0];
    if (first < 0x80) {
        return first >= 0x20 && first != 0x7f;
    }
    size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || length > left) {
        return 0;
    }
    uint32_t point = first & (0x7fU >> length);
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
        point = point << 6 | (text[i] & 0x3fU);
    }
    bool good = point >= least[length] && point <= 0x10ffff && point >= 0xa0 &&
                (point < 0xd800 || point > 0xdfff);
    return good ? length : 0;
}

static bool text_is_clean(const uint8_t *text, size_t length)
{
    for (size_t i = 0, n; i < length; i += n) {
        n = character_bytes(text + i, length - i);
        if (n == 0) {
            return false;
        }
    }
    return true;
}

void cbor_text(struct cbor *cbor, const char **value, size_t max)
{
    size_t length = 0;
    const uint8_t *bytes = NULL;
    if (cbor->reads) {
        *value = "";
        uint64_t wanted = head_take(cbor, MAJOR_TEXT);
        bytes = take(cbor, wanted);
        length = bytes ? (size_t)wanted : 0;
    } else {
        bytes = (const uint8_t *)*value;
        length = strlen(*value);
    }
    if (!bytes) {
        return;
    }
    if (length > max) {
        cbor_refuse(cbor, STATUS_LIMIT, "a text is longer than %zu bytes", max);
    } else if (!text_is_clean(bytes, length)) {
        cbor_refuse(cbor, STATUS_PROTOCOL, "a text is not clean UTF-8");
    } else if (cbor->reads) {
        *value = arena_strndup(cbor->arena, (const char *)bytes, length);
    } else {
        head_put(cbor, MAJOR_TEXT, length);
        put(cbor, bytes, length);
    }
}

void cbor_word(struct cbor *cbor, const char *word)
{
    size_t length = strlen(word);
    if (!cbor->reads) {
        head_put(cbor, MAJOR_TEXT, length);
        put(cbor, word, length);
        return;
    }
    uint64_t wanted = head_take(cbor, MAJOR_TEXT);
    const uint8_t *got = take(cbor, wanted);
    if (got && (wanted != length || memcmp(got, word, length) != 0)) {
        cbor->at = got;
        cbor_refuse(cbor, STATUS_PROTOCOL, "not the word '%s' at byte %zu", word,
                    (size_t)(cbor->at - cbor->start));
    }
}

void cbor_bytes(struct cbor *cbor, uint8_t *value, size_t size)
{
    const void *view = value;
    cbor_view(cbor, &view, size);
    if (cbor->reads && view) {
        memcpy(value, view, size);
    }
}

void cbor_view(struct cbor *cbor, const void **value, size_t length)
{
    if (!cbor->reads) {
        head_put(cbor, MAJOR_BYTES, length);
        put(cbor, *value, length);
        return;
    }
    uint64_t wanted = head_take(cbor, MAJOR_BYTES);
    if (cbor_good(cbor) && wanted != length) {
        refuse_here(cbor, "not as many bytes as there should be");
    }
    *value = take(cbor, length);
}

/* ---- arrays and maps ---- */

static void exactly(struct cbor *cbor, enum major major, size_t count)
{
    if (!cbor->reads) {
        head_put(cbor, major, count);
    } else if (head_take(cbor, major) != count) {
        refuse_here(cbor, "not as many items as there should be");
    }
}

void cbor_array(struct cbor *cbor, size_t count)
{
    exactly(cbor, MAJOR_ARRAY, count);
}

void cbor_map(struct cbor *cbor, size_t count)
{
    exactly(cbor, MAJOR_MAP, count);
}

void *cbor_items(struct cbor *cbor, void *items, size_t *count, size_t max, size_t min_bytes,
                 size_t item_size)
{
    uint64_t wanted = cbor->reads ? head_take(cbor, MAJOR_ARRAY) : *count;
    if (wanted > max) {
        cbor_refuse(cbor, STATUS_LIMIT, "a list has %llu items, more than %zu",
                    (unsigned long long)wanted, max);
    }
    if (!cbor->reads) {
        head_put(cbor, MAJOR_ARRAY, wanted);
        return items;
    }
    /* Before memory is taken: that many items cannot be in the bytes that are left. */
    if (cbor_good(cbor) && wanted > (uint64_t)(cbor->end - cbor->at) / min_bytes) {
        refuse_here(cbor, "cut off");
    }
    *count = cbor_good(cbor) ? (size_t)wanted : 0;
    return *count > 0 ? arena_alloc(cbor->arena, *count * item_size) : NULL;
}
