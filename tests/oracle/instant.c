/* Functions of one value at a time, by libm in long double and by counting days. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/oracle/evaluate_part.h"

#define NEAR 1e-15L /* of the value: what another's libm may make of it */

/* ---- dates ---- */

enum { SECONDS_A_DAY = 86400 };
#define DATE_MAX 1e11 /* seconds: years are counted one by one */

struct date {
    long second, weekday, year, month, day, of_year, days_in_month;
};

static bool is_leap(long year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static struct date date_of(double seconds)
{
    static const long lengths[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const long days = (long)floor(trunc(seconds) / (double)SECONDS_A_DAY);
    struct date date = {.second = (long)trunc(seconds) - days * SECONDS_A_DAY,
                        .weekday = ((days % 7) + 11) % 7, /* the first was a Thursday */
                        .year = 1970};
    long rest = days;
    for (; rest < 0; rest += 365 + is_leap(date.year)) {
        date.year--;
    }
    for (; rest >= 365 + is_leap(date.year); date.year++) {
        rest -= 365 + is_leap(date.year);
    }
    date.of_year = rest + 1;
    for (;; date.month++) {
        date.days_in_month = lengths[date.month] + (date.month == 1 && is_leap(date.year));
        if (rest < date.days_in_month) {
            break;
        }
        rest -= date.days_in_month;
    }
    date.month++;
    date.day = rest + 1;
    return date;
}

/* How a far or odd time is told is not written. */
static struct number calendar(const char *text, struct number x)
{
    if (!number_is_exact(x) || !isfinite(x.value) || fabs(x.value) > DATE_MAX) {
        return number_any();
    }
    const struct date date = date_of(x.value);
#define IS(name) (strcmp(text, name) == 0)
    const long result = IS("minute")          ? date.second / 60 % 60
                        : IS("hour")          ? date.second / 3600
                        : IS("day_of_week")   ? date.weekday
                        : IS("day_of_month")  ? date.day
                        : IS("day_of_year")   ? date.of_year
                        : IS("days_in_month") ? date.days_in_month
                        : IS("month")         ? date.month
                                              : date.year;
#undef IS
    return number_exact((double)result);
}

static bool is_calendar(const char *text)
{
    static const char *const names[] = {"minute",       "hour",        "day_of_week",
                                        "day_of_month", "day_of_year", "days_in_month",
                                        "month",        "year"};
    bool is = false;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        is |= strcmp(text, names[i]) == 0;
    }
    return is;
}

/* ---- real functions ---- */

struct real_function {
    const char *text;
    long double (*of)(long double);
    bool steady; /* grows or falls all the way: an error of x is one between the ends */
};

static long double degrees(long double x)
{
    return x * 180 / acosl(-1);
}

static long double radians(long double x)
{
    return x * acosl(-1) / 180;
}

static const struct real_function real_functions[] = {
    {"sqrt", sqrtl, true},   {"exp", expl, true},     {"ln", logl, true},
    {"log2", log2l, true},   {"log10", log10l, true}, {"sin", sinl, false},
    {"cos", cosl, false},    {"tan", tanl, false},    {"asin", asinl, true},
    {"acos", acosl, true},   {"atan", atanl, true},   {"sinh", sinhl, true},
    {"cosh", coshl, false},  {"tanh", tanhl, true},   {"asinh", asinhl, true},
    {"acosh", acoshl, true}, {"atanh", atanhl, true}, {"deg", degrees, true},
    {"rad", radians, true},
};

static const struct real_function *real_function(const char *text)
{
    for (size_t i = 0; i < ARRAY_LEN(real_functions); i++) {
        if (strcmp(real_functions[i].text, text) == 0) {
            return &real_functions[i];
        }
    }
    return NULL;
}

static struct number real(const struct real_function *f, struct number x)
{
    const long double value = f->of(x.value);
    const long double size = fabsl(value);
    if (number_is_exact(x)) {
        const bool plain = isfinite((double)value) && size > 1e-300L;
        return plain                                   ? number_near(value, NEAR * size)
               : value != 0 && isfinite((double)value) ? number_near(value, 1e-310L)
                                                       : number_exact((double)value);
    }
    const long double low = f->of(x.value - x.slack), high = f->of(x.value + x.slack);
    if (number_is_any(x) || !f->steady || !isfinite((double)low) || !isfinite((double)high)) {
        return number_any();
    }
    return number_near(value, fmaxl(fabsl(low - value), fabsl(high - value)) + NEAR * size);
}

/* ---- steps ---- */

/* Go's math.Max: an infinity beats NaN, and 0 is more than -0. */
static double larger(double a, double b)
{
    if (a == INFINITY || b == INFINITY) {
        return INFINITY;
    }
    if (isnan(a) || isnan(b)) {
        return NAN;
    }
    return a == 0 && b == 0 ? (signbit(a) ? b : a) : a > b ? a : b;
}

static double smaller(double a, double b)
{
    return -larger(-a, -b);
}

/* Either is in reach of its own slack, so the result is in reach of the larger one. */
static struct number clamped(const char *text, struct number x, struct number a, struct number b)
{
    const bool both = strcmp(text, "clamp") == 0;
    const bool least = both || strcmp(text, "clamp_min") == 0;
    const struct number most = both ? b : a;
    double value = x.value;
    long double slack = fmaxl(x.slack, a.slack);
    if (both || !least) {
        value = smaller(most.value, value);
    }
    if (least) {
        value = larger(a.value, value);
    }
    slack = both ? fmaxl(slack, b.slack) : slack;
    return slack > 0 && !isfinite(value) ? number_any() : (struct number){value, slack};
}

/* Halves upwards; to the nearest multiple of a, which Prometheus divides by its inverse. */
static struct number rounded(struct number x, struct number to)
{
    const double inverse = 1.0 / to.value;
    const double value = floor(x.value * inverse + 0.5) / inverse;
    const bool sure = number_is_exact(x) && number_is_exact(to);
    return sure ? number_exact(value) : number_any();
}

static struct number step(const char *text, struct number x)
{
    const double v = x.value;
    if (strcmp(text, "abs") == 0) {
        return (struct number){fabs(v), x.slack};
    }
    if (!number_is_exact(x)) {
        return number_any();
    }
    return number_exact(strcmp(text, "ceil") == 0    ? ceil(v)
                        : strcmp(text, "floor") == 0 ? floor(v)
                        : v > 0                      ? 1
                        : v < 0                      ? -1
                                                     : v);
}

static bool is_clamp(const char *text)
{
    return strncmp(text, "clamp", 5) == 0;
}

static bool is_math(const char *text)
{
    return real_function(text) || is_calendar(text) || is_clamp(text) ||
           strcmp(text, "round") == 0 || strcmp(text, "abs") == 0 || strcmp(text, "ceil") == 0 ||
           strcmp(text, "floor") == 0 || strcmp(text, "sgn") == 0;
}

static struct number math(const char *text, struct number x, const struct number *scalars)
{
    const struct real_function *f = real_function(text);
    return f                            ? real(f, x)
           : is_calendar(text)          ? calendar(text, x)
           : is_clamp(text)             ? clamped(text, x, scalars[0], scalars[1])
           : strcmp(text, "round") == 0 ? rounded(x, scalars[0])
                                        : step(text, x);
}

/* ---- arguments ---- */

const struct oracle_item *oracle_scalar(struct oracle *oracle, const struct expr *expr,
                                        struct when when, struct oracle_vector *ret)
{
    const struct oracle_vector *scalar = oracle_eval(oracle, expr, when);
    if (!scalar) {
        return NULL;
    }
    oracle_inherit(ret, scalar);
    CHECK(scalar->scalar && scalar->count == 1);
    return &scalar->items[0];
}

/* hour() is of the time it is. */
static void now_vector(struct when when, struct oracle_vector *ret)
{
    oracle_put(ret, &(struct oracle_item){.number = number_exact((double)when_ms(when) / 1e3),
                                          .present = true});
}

static bool over_values(struct oracle *oracle, const struct expr *call, struct when when,
                        struct oracle_vector *ret)
{
    const char *text = call->call.name.text;
    struct number scalars[2] = {number_exact(1), number_exact(0)};
    struct oracle_item together = {0};
    for (size_t i = 0; i < ARRAY_LEN(scalars); i++) {
        const struct expr *argument = oracle_argument(call, i + 1);
        const struct oracle_item *scalar =
            argument ? oracle_scalar(oracle, argument, when, ret) : NULL;
        if (scalar) {
            scalars[i] = scalar->number;
            together.unknown |= scalar->unknown;
            together.doubtful |= scalar->doubtful;
        }
    }
    const struct expr *x = oracle_argument(call, 0);
    const struct oracle_vector *from = x ? oracle_eval(oracle, x, when) : NULL;
    if (!from && x) {
        return false;
    }
    for (size_t i = 0; from && i < from->count; i++) {
        oracle_put(ret, &from->items[i]);
    }
    if (from) {
        oracle_inherit(ret, from);
    } else {
        now_vector(when, ret);
    }
    const bool two = strcmp(text, "clamp") == 0;
    const struct truth none = number_compare(OPERATOR_GT, scalars[0], scalars[1]);
    for (size_t i = 0; i < ret->count; i++) {
        struct oracle_item *item = &ret->items[i];
        item->number = math(text, item->number, scalars);
        item->unknown |= together.unknown;
        item->doubtful |= together.doubtful || (two && none.doubtful);
        item->present &= !(two && none.is_true); /* nothing is between them */
    }
    oracle_give_up_names(ret);
    return true;
}

/* ---- between scalars and vectors ---- */

/* The one value that is there, else NaN. */
static bool scalar_of(struct oracle *oracle, const struct expr *call, struct when when,
                      struct oracle_vector *ret)
{
    const struct oracle_vector *from = oracle_eval(oracle, oracle_argument(call, 0), when);
    struct oracle_item item = {.present = true, .number = number_exact(NAN)};
    size_t present = 0;
    for (size_t i = 0; from && i < from->count; i++) {
        item.unknown |= from->items[i].unknown;
        item.doubtful |= from->items[i].doubtful;
        if (from->items[i].present) {
            item.number = present++ == 0 ? from->items[i].number : number_exact(NAN);
        }
    }
    ret->scalar = true;
    oracle_put(ret, &item);
    if (from) {
        oracle_inherit(ret, from);
    }
    return from != NULL;
}

static bool vector_of(struct oracle *oracle, const struct expr *call, struct when when,
                      struct oracle_vector *ret)
{
    const struct oracle_item *scalar = oracle_scalar(oracle, oracle_argument(call, 0), when, ret);
    if (scalar) {
        oracle_put(ret, scalar);
    }
    return scalar != NULL;
}

/* Of a selector the times of its samples; of anything else the time it is evaluated. */
static bool timestamps(struct oracle *oracle, const struct expr *call, struct when when,
                       struct oracle_vector *ret)
{
    const struct expr *x = oracle_argument(call, 0);
    const struct oracle_vector *from = oracle_eval(oracle, x, when);
    if (!from) {
        return false;
    }
    oracle_inherit(ret, from);
    if (x->kind == EXPR_SELECTOR && !x->selector.signal) {
        oracle_select(oracle, x, true, when, ret);
    } else {
        for (size_t i = 0; i < from->count; i++) {
            oracle_put(ret, &from->items[i]);
            ret->items[i].number = number_exact((double)when_ms(when) / 1e3);
        }
    }
    oracle_give_up_names(ret);
    return true;
}

static bool same(struct oracle *oracle, const struct expr *call, struct when when,
                 struct oracle_vector *ret)
{
    const struct oracle_vector *from = oracle_eval(oracle, oracle_argument(call, 0), when);
    for (size_t i = 0; from && i < from->count; i++) {
        oracle_put(ret, &from->items[i]);
    }
    if (from) {
        oracle_inherit(ret, from);
    }
    return from != NULL;
}

static bool absent(struct oracle *oracle, const struct expr *call, struct when when,
                   struct oracle_vector *ret)
{
    const struct expr *of = oracle_argument(call, 0);
    const struct oracle_vector *from = oracle_eval(oracle, of, when);
    if (from) {
        oracle_absent(of, from, ret);
        oracle_inherit(ret, from);
    }
    return from != NULL;
}

bool oracle_instant(struct oracle *oracle, const struct expr *call, struct when when,
                    struct oracle_vector *ret)
{
    const char *text = call->call.name.text;
    if (is_math(text)) {
        return over_values(oracle, call, when, ret);
    }
    if (strcmp(text, "time") == 0) {
        oracle_put_scalar(ret, number_exact((double)when_ms(when) / 1000));
        return true;
    }
    if (strcmp(text, "pi") == 0) {
        oracle_put_scalar(ret, number_exact((double)acosl(-1)));
        return true;
    }
    return strcmp(text, "scalar") == 0      ? scalar_of(oracle, call, when, ret)
           : strcmp(text, "vector") == 0    ? vector_of(oracle, call, when, ret)
           : strcmp(text, "timestamp") == 0 ? timestamps(oracle, call, when, ret)
           : strcmp(text, "absent") == 0    ? absent(oracle, call, when, ret)
           : strncmp(text, "sort", 4) == 0  ? same(oracle, call, when, ret)
                                            : false;
}
