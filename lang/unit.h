/* Dimensions: what a number measures, as powers of base quantities.
 *
 *     struct dimension speed = dimension_divide(bytes, seconds);
 *     dimension_equal(speed, other)
 *
 * A ratio and a plain number are both without powers; `ratio` tells 0.9 from 90%. */
#ifndef HEAL_LANG_UNIT_H
#define HEAL_LANG_UNIT_H

#include "lang/base.h"

enum base_quantity {
    BASE_RATIO, /* no power of its own: sets dimension.ratio */
    BASE_BYTES,
    BASE_SECONDS,
    BASE_REQUESTS,
    BASE_USD,
    BASE_REPLICAS,
    BASE_COUNT, /* like RATIO without power: things counted */
    BASE_QUANTITIES
};

enum unit {
#define UNIT(name, text, base, scale) UNIT_##name,
#include "lang/unit.def"
#undef UNIT
    UNIT_COUNT_,
    UNIT_NONE = UNIT_COUNT_ /* a bare number: takes the dimension of its context */
};

struct unit_info {
    const char *text;
    enum base_quantity base;
    double scale;
};
extern const struct unit_info unit_infos[UNIT_COUNT_];

/* UNIT_NONE when text[length] names no unit. Case matters. */
enum unit unit_find(const char *text, size_t length);

struct dimension {
    bool known; /* false: could be anything */
    bool ratio; /* a share of one: 90% */
    int8_t power[BASE_QUANTITIES];
};

struct dimension dimension_of_unit(enum unit unit, enum unit per); /* per may be UNIT_NONE */
bool dimension_equal(struct dimension a, struct dimension b);      /* unknown equals all */
struct dimension dimension_multiply(struct dimension a, struct dimension b);
struct dimension dimension_divide(struct dimension a, struct dimension b);
/* "bytes", "bytes/seconds", "ratio", "number", "unknown" into ret[size]; returns ret. */
char *dimension_print(struct dimension d, char *ret, size_t size);

/* A value the way people write it: 68.5MiB, 90%, 1h30m, 250ms, 12.5; into ret[size]; returns ret.
 */
char *quantity_print(double value, struct dimension d, char *ret, size_t size);

#endif
