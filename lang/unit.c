/* Units and the arithmetic of dimensions. */
#include "lang/unit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const struct unit_info unit_infos[UNIT_COUNT_] = {
#define UNIT(name, text, base, scale) [UNIT_##name] = {text, BASE_##base, scale},
#include "lang/unit.def"
#undef UNIT
};

enum unit unit_find(const char *text, size_t length)
{
    for (int i = 0; i < UNIT_COUNT_; i++) {
        if (strlen(unit_infos[i].text) == length && memcmp(unit_infos[i].text, text, length) == 0) {
            return (enum unit)i;
        }
    }
    return UNIT_NONE;
}

static bool base_has_power(enum base_quantity base)
{
    return base != BASE_RATIO && base != BASE_COUNT;
}

struct dimension dimension_of_unit(enum unit unit, enum unit per)
{
    struct dimension d = {.known = unit != UNIT_NONE};
    if (unit != UNIT_NONE) {
        enum base_quantity base = unit_infos[unit].base;
        d.ratio = base == BASE_RATIO && per == UNIT_NONE;
        d.power[base] = base_has_power(base);
    }
    if (per != UNIT_NONE) {
        d.known = true;
        d.power[unit_infos[per].base] -= base_has_power(unit_infos[per].base);
    }
    return d;
}

bool dimension_equal(struct dimension a, struct dimension b)
{
    return !a.known || !b.known || memcmp(a.power, b.power, sizeof a.power) == 0;
}

static struct dimension dimension_combine(struct dimension a, struct dimension b, int sign)
{
    struct dimension d = {.known = a.known && b.known};
    for (int i = 0; i < BASE_QUANTITIES; i++) {
        d.power[i] = (int8_t)(a.power[i] + sign * b.power[i]);
    }
    return d;
}

struct dimension dimension_multiply(struct dimension a, struct dimension b)
{
    struct dimension d = dimension_combine(a, b, 1);
    d.ratio = d.known && a.ratio && b.ratio;
    return d;
}

struct dimension dimension_divide(struct dimension a, struct dimension b)
{
    struct dimension d = dimension_combine(a, b, -1);
    bool any = false, top = false;
    for (int i = 0; i < BASE_QUANTITIES; i++) {
        any = any || d.power[i] != 0;
        top = top || a.power[i] != 0;
    }
    d.ratio = d.known && !any && (top || a.ratio); /* bytes / bytes is a share */
    return d;
}

char *dimension_print(struct dimension d, char *ret, size_t size)
{
    static const char *const names[BASE_QUANTITIES] = {
        [BASE_RATIO] = "ratio",  [BASE_BYTES] = "bytes", [BASE_SECONDS] = "seconds",
        [BASE_REQUESTS] = "req", [BASE_USD] = "usd",     [BASE_REPLICAS] = "replicas",
        [BASE_COUNT] = "count",
    };
    char top[80] = "", bottom[80] = "";
    for (int i = 0; i < BASE_QUANTITIES; i++) {
        char *side = d.power[i] > 0 ? top : bottom;
        for (int n = d.power[i] > 0 ? d.power[i] : -d.power[i]; n > 0; n--) {
            size_t used = strlen(side);
            snprintf(side + used, sizeof top - used, "%s%s", used ? "*" : "", names[i]);
        }
    }
    if (!d.known) {
        snprintf(ret, size, "unknown");
    } else if (!top[0] && !bottom[0]) {
        snprintf(ret, size, "%s", d.ratio ? "ratio" : "number");
    } else {
        snprintf(ret, size, "%s%s%s", top[0] ? top : "1", bottom[0] ? "/" : "", bottom);
    }
    return ret;
}

static bool dimension_is(struct dimension d, enum base_quantity base)
{
    for (int i = 0; i < BASE_QUANTITIES; i++) {
        if (d.power[i] != (i == (int)base)) {
            return false;
        }
    }
    return d.known;
}

char *quantity_print(double value, struct dimension d, char *ret, size_t size)
{
    static const enum unit bytes[] = {UNIT_TIB, UNIT_GIB, UNIT_MIB, UNIT_KIB};
    if (!isfinite(value)) {
        snprintf(ret, size, "%g", value);
    } else if (d.known && d.ratio) {
        snprintf(ret, size, "%.4g%%", 100 * value);
    } else if (dimension_is(d, BASE_BYTES)) {
        for (size_t i = 0; i < ARRAY_LEN(bytes); i++) {
            if (fabs(value) >= unit_infos[bytes[i]].scale) {
                snprintf(ret, size, "%.4g%s", value / unit_infos[bytes[i]].scale,
                         unit_infos[bytes[i]].text);
                return ret;
            }
        }
        snprintf(ret, size, "%.4gB", value);
    } else if (dimension_is(d, BASE_SECONDS) && fabs(value) < 1e9) {
        struct duration duration = duration_seconds(value);
        bool fine = fabs(value) < 1e-3;
        if (fine) {
            snprintf(ret, size, "%.4gs", value);
        } else {
            duration_print(duration, ret, size);
        }
    } else {
        snprintf(ret, size, "%.6g", value);
    }
    return ret;
}
