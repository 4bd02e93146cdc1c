/* Numbers of acts: their arithmetic, and their text in the records. */
#include "runtime/engine/amounts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FROM_WORD  " from "
#define COSTS_WORD ", costs "

char *number_print(double value, char *ret)
{
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(ret, NUMBER_BYTES, "%.*g", digits, value);
        if (strtod(ret, NULL) == value) {
            break;
        }
    }
    return ret;
}

double money_round(double usd)
{
    char text[NUMBER_BYTES];
    snprintf(text, sizeof text, "%.12g", usd);
    return strtod(text, NULL);
}

char *amounts_print(const struct amounts *amounts, char *ret, size_t size)
{
    char number[NUMBER_BYTES];
    size_t used = 0;
    ret[0] = '\0';
    if (amounts->read) {
        used = (size_t)snprintf(ret, size, FROM_WORD "%s", number_print(amounts->before, number));
    }
    if (used < size && amounts->once > 0) {
        used += (size_t)snprintf(ret + used, size - used, COSTS_WORD "%s usd",
                                 number_print(amounts->once, number));
    }
    if (used < size && amounts->hourly > 0) {
        snprintf(ret + used, size - used, COSTS_WORD "%s usd/h",
                 number_print(amounts->hourly, number));
    }
    return ret;
}

static void parse_costs(const char *text, struct amounts *ret)
{
    while ((text = strstr(text, COSTS_WORD))) {
        char *end;
        double money = strtod(text + sizeof COSTS_WORD - 1, &end);
        bool hourly = strncmp(end, " usd/h", 6) == 0;
        if (isfinite(money) && strncmp(end, " usd", 4) == 0) {
            *(hourly ? &ret->hourly : &ret->once) = money;
        }
        text = end;
    }
}

/* The last argument of the call, which ends at close. */
static bool parse_last(const char *text, const char *close, double *ret)
{
    const char *at = close;
    while (at > text && at[-1] != ' ' && at[-1] != '(') {
        at--;
    }
    char *end;
    *ret = strtod(at, &end);
    return at > text && at[-1] == ' ' && end == close && end > at && isfinite(*ret);
}

struct amounts amounts_parse(const char *text)
{
    struct amounts amounts = {0};
    const char *close = strchr(text, ')');
    if (!close) {
        return amounts;
    }
    if (strncmp(close + 1, FROM_WORD, sizeof FROM_WORD - 1) == 0) {
        const char *from = close + sizeof FROM_WORD;
        char *end;
        amounts.before = strtod(from, &end);
        amounts.read =
            end > from && isfinite(amounts.before) && parse_last(text, close, &amounts.given);
    }
    parse_costs(close, &amounts);
    return amounts;
}

bool call_target(const char *text, char *ret, size_t size)
{
    const char *open = strchr(text, '(');
    size_t length = open ? strcspn(open + 1, " )") : 0;
    if (length == 0 || length >= size) {
        return false;
    }
    length -= open[length] == ',';
    snprintf(ret, size, "%.*s", (int)length, open + 1);
    return length > 0;
}

/* 10% of 30 is 3, although 0.1 * 30 is a little more in doubles. */
static double snap(double value)
{
    double nearest = nearbyint(value);
    return fabs(value - nearest) <= 1e-9 * fmax(1.0, fabs(value)) ? nearest : value;
}

enum step amount_step(double now, double by, bool share, bool whole, bool positive, double *ret)
{
    double change = share ? snap(by * now) : by;
    double then = now + change;
    if (whole) {
        then = snap(then);
        then = change > 0 ? floor(then) : ceil(then);
    }
    *ret = then;
    if (!isfinite(then) || change == 0 || (change > 0 ? then <= now : then >= now)) {
        return STEP_NONE;
    }
    return positive && then < 0 ? STEP_BELOW_ZERO : STEP_TAKEN;
}
