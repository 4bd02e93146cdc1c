/* Numbers and texts as bytes. */
#include "runtime/flight/wire.h"

#include <stdlib.h>
#include <string.h>

void wire_reserve(struct wire_out *out, size_t size)
{
    if (out->capacity - out->length < size) {
        out->capacity = 2 * out->capacity + size + 64;
        out->bytes = heap_resize(out->bytes, out->capacity);
    }
}

void wire_put_byte(struct wire_out *out, uint8_t byte)
{
    wire_reserve(out, 1);
    out->bytes[out->length++] = byte;
}

void wire_put_number(struct wire_out *out, uint64_t number)
{
    wire_reserve(out, WIRE_NUMBER_BYTES_MAX);
    for (; number >= 0x80; number >>= 7) {
        out->bytes[out->length++] = (uint8_t)(number | 0x80);
    }
    out->bytes[out->length++] = (uint8_t)number;
}

uint64_t wire_zigzag(int64_t number)
{
    return (uint64_t)number << 1 ^ (number < 0 ? UINT64_MAX : 0);
}

int64_t wire_unzigzag(uint64_t number)
{
    return (int64_t)(number >> 1 ^ (number & 1 ? UINT64_MAX : 0));
}

void wire_put_signed(struct wire_out *out, int64_t number)
{
    wire_put_number(out, wire_zigzag(number));
}

void wire_put_bits(struct wire_out *out, uint64_t bits)
{
    wire_reserve(out, sizeof bits);
    for (size_t i = 0; i < sizeof bits; i++) {
        out->bytes[out->length++] = (uint8_t)(bits >> 8 * i);
    }
}

void wire_put_double(struct wire_out *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    wire_put_bits(out, bits);
}

void wire_put_text(struct wire_out *out, const char *text)
{
    wire_put_bytes(out, text, strlen(text));
}

void wire_put_bytes(struct wire_out *out, const char *bytes, size_t length)
{
    wire_put_number(out, length);
    wire_reserve(out, length + 1);
    if (length > 0) {
        memcpy(out->bytes + out->length, bytes, length);
    }
    out->length += length;
    out->bytes[out->length++] = '\0';
}

void wire_release(struct wire_out *out)
{
    free(out->bytes);
    *out = (struct wire_out){0};
}

/* ---- reading ---- */

static size_t left(const struct wire_in *in)
{
    return in->bad ? 0 : (size_t)(in->end - in->at);
}

uint8_t wire_byte(struct wire_in *in)
{
    in->bad = in->bad || in->at == in->end;
    return in->bad ? 0 : *in->at++;
}

uint64_t wire_number(struct wire_in *in, uint64_t max)
{
    uint64_t number = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        const uint8_t byte = wire_byte(in);
        const uint64_t part = byte & 0x7f;
        if (in->bad || (shift == 63 && part > 1)) {
            break;
        }
        number |= part << shift;
        if (!(byte & 0x80)) {
            in->bad = number > max;
            return in->bad ? 0 : number;
        }
    }
    in->bad = true;
    return 0;
}

int64_t wire_signed(struct wire_in *in)
{
    return wire_unzigzag(wire_number(in, UINT64_MAX));
}

uint64_t wire_bits(struct wire_in *in)
{
    uint64_t bits = 0;
    if (left(in) < sizeof bits) {
        in->bad = true;
        return 0;
    }
    for (size_t i = 0; i < sizeof bits; i++) {
        bits |= (uint64_t)*in->at++ << 8 * i;
    }
    return bits;
}

double wire_double(struct wire_in *in)
{
    const uint64_t bits = wire_bits(in);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

bool wire_bool(struct wire_in *in)
{
    const uint8_t byte = wire_byte(in);
    in->bad = in->bad || byte > 1;
    return byte == 1;
}

const char *wire_text_length(struct wire_in *in, size_t max, size_t *ret_length)
{
    const size_t length = wire_number(in, max);
    const char *text = (const char *)in->at;
    if (left(in) <= length || memchr(text, '\0', length + 1) != text + length) {
        in->bad = true;
        *ret_length = 0;
        return "";
    }
    in->at += length + 1;
    *ret_length = length;
    return text;
}

const char *wire_text(struct wire_in *in, size_t max)
{
    size_t length;
    return wire_text_length(in, max, &length);
}
