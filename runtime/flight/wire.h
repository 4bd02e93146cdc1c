/* Numbers and texts as bytes: how a flight recording is written and read.
 *
 *     wire_put_number(&out, 300);                 // LEB128: 7 bits a byte, the least first
 *     wire_put_text(&out, "up");                  // length, bytes, NUL
 *     ...
 *     uint64_t n = wire_number(&in, UINT32_MAX);  // 0, and in.bad, where it is larger or not there
 *     const char *text = wire_text(&in, 1024);    // of the bytes read; never NULL
 *
 * A reader never looks beyond its end; after the first thing that is not as it must be it is bad
 * and stays so. */
#ifndef HEAL_RUNTIME_FLIGHT_WIRE_H
#define HEAL_RUNTIME_FLIGHT_WIRE_H

#include "lang/base.h"

enum { WIRE_NUMBER_BYTES_MAX = 10 };

struct wire_out {
    uint8_t *bytes;
    size_t length, capacity;
};
/* Room for size bytes more. */
void wire_reserve(struct wire_out *out, size_t size);
void wire_put_byte(struct wire_out *out, uint8_t byte);
void wire_put_number(struct wire_out *out, uint64_t number);
/* Near zero is short, whichever sign. */
void wire_put_signed(struct wire_out *out, int64_t number);
void wire_put_bits(struct wire_out *out, uint64_t bits); /* eight bytes, the least first */
void wire_put_double(struct wire_out *out, double value);
void wire_put_text(struct wire_out *out, const char *text);
void wire_put_bytes(struct wire_out *out, const char *bytes, size_t length); /* without a NUL */
void wire_release(struct wire_out *out);

struct wire_in {
    const uint8_t *at, *end;
    bool bad;
};
uint8_t wire_byte(struct wire_in *in);
uint64_t wire_number(struct wire_in *in, uint64_t max);
int64_t wire_signed(struct wire_in *in);
uint64_t wire_bits(struct wire_in *in);
double wire_double(struct wire_in *in);
bool wire_bool(struct wire_in *in);
/* At most max bytes without its NUL, and none of them a NUL. */
const char *wire_text(struct wire_in *in, size_t max);
const char *wire_text_length(struct wire_in *in, size_t max, size_t *ret_length);

/* For those who keep a place of their own in the bytes. */
uint64_t wire_zigzag(int64_t number);
int64_t wire_unzigzag(uint64_t number);

#endif
