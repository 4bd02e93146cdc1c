/* Zones by POSIX TZ rules (IEEE Std 1003.1, chapter 8.3), and stretches of local time. */
#include "lang/zone.h"

#include <string.h>

enum { DAY_S = 86400, WEEK_S = 7 * DAY_S };

static const struct {
    const char *name, *rule;
} zones[] = {
#define ZONE(name, rule) {name, rule},
#include "lang/zone.def"
#undef ZONE
};

/* ---- the calendar (Hinnant 2013) ---- */

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

struct civil civil_of_days(int64_t days)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    const int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
    const int64_t of_era = z - era * 146097;
    const int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    const int64_t month = (5 * of_year + 2) / 153;
    struct civil ret = {.day = (int)(of_year - (153 * month + 2) / 5 + 1),
                        .month = (int)(month < 10 ? month + 3 : month - 9),
                        .weekday = (int)(((days % 7) + 11) % 7)};
    ret.year = year + era * 400 + (ret.month <= 2);
    ret.year_day = before[ret.month - 1] + ret.day + (ret.month > 2 && is_leap(ret.year) ? 1 : 0);
    return ret;
}

int64_t civil_days(int64_t year, int month, int day)
{
    const int64_t y = month <= 2 ? year - 1 : year, era = (y >= 0 ? y : y - 399) / 400;
    const int64_t of_era = y - era * 400;
    const int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* ---- the rules of the table ---- */

static const char *skip_name(const char *at)
{
    if (*at == '<') {
        return strchr(at, '>') + 1;
    }
    while ((*at >= 'A' && *at <= 'Z') || (*at >= 'a' && *at <= 'z')) {
        at++;
    }
    return at;
}

static int read_number(const char **at)
{
    int value = 0;
    while (**at >= '0' && **at <= '9') {
        value = value * 10 + *(*at)++ - '0';
    }
    return value;
}

/* [+-]hh[:mm[:ss]] in seconds. */
static int read_time(const char **at)
{
    const int sign = **at == '-' ? -1 : 1;
    *at += **at == '-' || **at == '+';
    int seconds = 3600 * read_number(at);
    for (int unit = 60; **at == ':'; unit /= 60) {
        ++*at;
        seconds += unit * read_number(at);
    }
    return sign * seconds;
}

/* ,Mm.w.d[/time] */
static struct zone_rule read_rule(const char **at)
{
    struct zone_rule rule = {.second = 2 * 3600};
    CHECK((*at)[0] == ',' && (*at)[1] == 'M');
    *at += 2;
    rule.month = read_number(at);
    ++*at;
    rule.week = read_number(at);
    ++*at;
    rule.weekday = read_number(at);
    if (**at == '/') {
        ++*at;
        rule.second = read_time(at);
    }
    return rule;
}

static void read_zone(const char *rule, struct zone *zone)
{
    const char *at = skip_name(rule);
    zone->standard = -read_time(&at);
    if (*at == '\0') {
        return;
    }
    zone->has_summer = true;
    at = skip_name(at);
    zone->summer = zone->standard + 3600;
    if (*at != ',') {
        zone->summer = -read_time(&at);
    }
    zone->start = read_rule(&at);
    zone->end = read_rule(&at);
    CHECK(*at == '\0');
}

bool zone_find(const char *name, struct zone *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(zones); i++) {
        if (strcmp(zones[i].name, name) == 0) {
            *ret = (struct zone){.name = zones[i].name};
            read_zone(zones[i].rule, ret);
            return true;
        }
    }
    return false;
}

const char *zone_name(size_t i)
{
    return i < ARRAY_LEN(zones) ? zones[i].name : NULL;
}

/* Seconds since 1970 of the local clock at which the rule comes in that year. */
static int64_t rule_at(const struct zone_rule *rule, int64_t year)
{
    int64_t first = civil_days(year, rule->month, 1);
    int64_t day = first + (rule->weekday - civil_of_days(first).weekday + 7) % 7;
    day += 7 * (rule->week - 1);
    const int64_t next =
        rule->month == 12 ? civil_days(year + 1, 1, 1) : civil_days(year, rule->month + 1, 1);
    day -= day >= next ? 7 : 0; /* the fifth of four is the last */
    return day * DAY_S + rule->second;
}

static int64_t days_of(int64_t seconds)
{
    return seconds >= 0 ? seconds / DAY_S : -((-seconds + DAY_S - 1) / DAY_S);
}

int64_t zone_local(const struct zone *zone, int64_t utc)
{
    int64_t local = utc + zone->standard;
    if (!zone->has_summer) {
        return local;
    }
    const int64_t year = civil_of_days(days_of(local)).year;
    const int64_t start = rule_at(&zone->start, year) - zone->standard;
    const int64_t end = rule_at(&zone->end, year) - zone->summer;
    const bool summer = start < end ? utc >= start && utc < end : utc >= start || utc < end;
    return summer ? utc + zone->summer : local;
}

/* ---- stretches ---- */

struct mark {
    enum stretch_kind kind;
    int64_t at;
};

/* In the pattern 0 is a digit, a a letter, and any other character itself. */
static bool looks_like(const char *text, const char *pattern)
{
    for (; *pattern; pattern++, text++) {
        const bool digit = *text >= '0' && *text <= '9';
        const bool letter = (*text >= 'A' && *text <= 'Z') || (*text >= 'a' && *text <= 'z');
        if (*pattern == '0' ? !digit : *pattern == 'a' ? !letter : *text != *pattern) {
            return false;
        }
    }
    return *text == '\0';
}

static int number_at(const char *text)
{
    return read_number(&text);
}

/* HH:MM as seconds of the day; below 0: there is no such time. */
static int read_clock(const char *text)
{
    const int hour = number_at(text), minute = number_at(text + 3);
    return hour < 24 && minute < 60 ? 3600 * hour + 60 * minute : -1;
}

static int read_weekday(const char *text)
{
    static const char *const weekdays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    for (int i = 0; i < 7; i++) {
        if (memcmp(weekdays[i], text, 3) == 0) {
            return i;
        }
    }
    return -1;
}

static bool read_mark(const char *text, struct mark *ret)
{
    if (looks_like(text, "00:00")) {
        *ret = (struct mark){STRETCH_DAILY, read_clock(text)};
        return ret->at >= 0;
    }
    if (looks_like(text, "aaa 00:00")) {
        const int weekday = read_weekday(text), clock = read_clock(text + 4);
        *ret = (struct mark){STRETCH_WEEKLY, DAY_S * weekday + clock};
        return weekday >= 0 && clock >= 0;
    }
    const bool year = looks_like(text, "0000-00-00");
    if (!year && !looks_like(text, "00-00")) {
        return false;
    }
    const char *rest = year ? text + 5 : text;
    const int month = number_at(rest), day = number_at(rest + 3);
    /* 2000 had a 29th of February */
    const int64_t days = civil_days(year ? number_at(text) : 2000, month < 1 ? 1 : month, day);
    *ret =
        year ? (struct mark){STRETCH_ONCE, days} : (struct mark){STRETCH_YEARLY, 100 * month + day};
    return month >= 1 && month <= 12 && day >= 1 && civil_of_days(days).month == month;
}

bool stretch_read(const char *from, const char *to, struct time_stretch *ret)
{
    struct mark a, b;
    if (!read_mark(from, &a) || !read_mark(to, &b) || a.kind != b.kind) {
        return false;
    }
    *ret = (struct time_stretch){a.kind, a.at, b.at};
    const bool times = a.kind == STRETCH_DAILY || a.kind == STRETCH_WEEKLY;
    return times ? a.at != b.at : a.kind == STRETCH_YEARLY || a.at <= b.at;
}

/* From `from` until before `to`, around the turn of the day, week or year. */
static bool around(int64_t at, int64_t from, int64_t to)
{
    return from <= to ? at >= from && at < to : at >= from || at < to;
}

bool stretch_holds(const struct time_stretch *stretch, int64_t local)
{
    const int64_t day = days_of(local), second = local - day * DAY_S;
    const struct civil civil = civil_of_days(day);
    switch (stretch->kind) {
    case STRETCH_DAILY: return around(second, stretch->from, stretch->to);
    case STRETCH_WEEKLY:
        return around((int64_t)civil.weekday * DAY_S + second, stretch->from, stretch->to);
    case STRETCH_YEARLY:
        return around(100 * civil.month + civil.day, stretch->from, stretch->to + 1);
    case STRETCH_ONCE: return day >= stretch->from && day <= stretch->to;
    }
    return true;
}
