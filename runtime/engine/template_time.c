/* Times and durations of templates, as Go prints them. All times are UTC. */
#include <stdio.h>
#include <string.h>

#include "lang/zone.h"
#include "runtime/engine/template_internal.h"

const char *const template_months[12] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};
const char *const template_weekdays[7] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                          "Thursday", "Friday", "Saturday"};

struct template_date template_date_of(int64_t ns)
{
    struct template_date date;
    int64_t seconds = ns / NS_PER_S, rest = ns % NS_PER_S;
    if (rest < 0) {
        rest += NS_PER_S;
        seconds--;
    }
    int64_t days = seconds / 86400, second = seconds % 86400;
    if (second < 0) {
        second += 86400;
        days--;
    }
    const struct civil civil = civil_of_days(days);
    date.year = civil.year;
    date.month = civil.month;
    date.day = civil.day;
    date.weekday = civil.weekday;
    date.year_day = civil.year_day;
    date.hour = (int)(second / 3600);
    date.minute = (int)(second / 60 % 60);
    date.second = (int)(second % 60);
    date.nanosecond = (int32_t)rest;
    return date;
}

/* The digits of a fraction of a second; none for zero when trimmed. */
static void out_fraction(struct template_out *out, int32_t ns, size_t digits, char point, bool trim)
{
    char text[16];
    snprintf(text, sizeof text, "%09d", (int)ns);
    size_t length = digits < 9 ? digits : 9;
    while (trim && length > 0 && text[length - 1] == '0') {
        length--;
    }
    if (length > 0) {
        template_out_char(out, point);
        template_out_add(out, text, length);
    }
}

void template_out_time(struct template_out *out, int64_t ns)
{
    template_out_layout(out, ns, template_text_of("2006-01-02 15:04:05.999999999 -0700 MST"));
}

/* The parts of Go's reference time, longer ones before their beginnings. */
enum part {
    PART_MONTH,
    PART_MONTH_SHORT,
    PART_MONTH_ZERO,
    PART_MONTH_NUMBER,
    PART_WEEKDAY,
    PART_WEEKDAY_SHORT,
    PART_YEAR_DAY,
    PART_DAY_ZERO,
    PART_DAY_BLANK,
    PART_DAY,
    PART_HOUR,
    PART_HOUR_12_ZERO,
    PART_HOUR_12,
    PART_MINUTE_ZERO,
    PART_MINUTE,
    PART_SECOND_ZERO,
    PART_SECOND,
    PART_YEAR,
    PART_YEAR_SHORT,
    PART_UPPER_PM,
    PART_LOWER_PM,
    PART_ZONE,
    PART_ZONE_ISO,
    PART_ZONE_COLON,
    PART_ZONE_HOURS,
    PART_ZONE_NAME
};
static const struct {
    const char *text;
    enum part part;
} parts[] = {
    {"January", PART_MONTH},
    {"Jan", PART_MONTH_SHORT},
    {"Monday", PART_WEEKDAY},
    {"Mon", PART_WEEKDAY_SHORT},
    {"MST", PART_ZONE_NAME},
    {"2006", PART_YEAR},
    {"-07:00", PART_ZONE_COLON},
    {"-0700", PART_ZONE},
    {"-07", PART_ZONE_HOURS},
    {"Z07:00", PART_ZONE_ISO},
    {"Z0700", PART_ZONE_ISO},
    {"Z07", PART_ZONE_ISO},
    {"002", PART_YEAR_DAY},
    {"01", PART_MONTH_ZERO},
    {"02", PART_DAY_ZERO},
    {"03", PART_HOUR_12_ZERO},
    {"04", PART_MINUTE_ZERO},
    {"05", PART_SECOND_ZERO},
    {"06", PART_YEAR_SHORT},
    {"15", PART_HOUR},
    {"_2", PART_DAY_BLANK},
    {"PM", PART_UPPER_PM},
    {"pm", PART_LOWER_PM},
    {"1", PART_MONTH_NUMBER},
    {"2", PART_DAY},
    {"3", PART_HOUR_12},
    {"4", PART_MINUTE},
    {"5", PART_SECOND},
};

static void out_part(struct template_out *out, const struct template_date *date, enum part part)
{
    int twelve = date->hour % 12 == 0 ? 12 : date->hour % 12;
    const char *month = template_months[date->month - 1];
    const char *weekday = template_weekdays[date->weekday];
    switch (part) {
    case PART_MONTH: template_out_text(out, month); break;
    case PART_MONTH_SHORT: template_out_add(out, month, 3); break;
    case PART_MONTH_ZERO: template_out_printf(out, "%02d", date->month); break;
    case PART_MONTH_NUMBER: template_out_printf(out, "%d", date->month); break;
    case PART_WEEKDAY: template_out_text(out, weekday); break;
    case PART_WEEKDAY_SHORT: template_out_add(out, weekday, 3); break;
    case PART_YEAR_DAY: template_out_printf(out, "%03d", date->year_day); break;
    case PART_DAY_ZERO: template_out_printf(out, "%02d", date->day); break;
    case PART_DAY_BLANK: template_out_printf(out, "%2d", date->day); break;
    case PART_DAY: template_out_printf(out, "%d", date->day); break;
    case PART_HOUR: template_out_printf(out, "%02d", date->hour); break;
    case PART_HOUR_12_ZERO: template_out_printf(out, "%02d", twelve); break;
    case PART_HOUR_12: template_out_printf(out, "%d", twelve); break;
    case PART_MINUTE_ZERO: template_out_printf(out, "%02d", date->minute); break;
    case PART_MINUTE: template_out_printf(out, "%d", date->minute); break;
    case PART_SECOND_ZERO: template_out_printf(out, "%02d", date->second); break;
    case PART_SECOND: template_out_printf(out, "%d", date->second); break;
    case PART_YEAR: template_out_printf(out, "%04lld", (long long)date->year); break;
    case PART_YEAR_SHORT: template_out_printf(out, "%02d", (int)(date->year % 100)); break;
    case PART_UPPER_PM: template_out_text(out, date->hour >= 12 ? "PM" : "AM"); break;
    case PART_LOWER_PM: template_out_text(out, date->hour >= 12 ? "pm" : "am"); break;
    case PART_ZONE: template_out_text(out, "+0000"); break;
    case PART_ZONE_ISO: template_out_text(out, "Z"); break;
    case PART_ZONE_COLON: template_out_text(out, "+00:00"); break;
    case PART_ZONE_HOURS: template_out_text(out, "+00"); break;
    case PART_ZONE_NAME: template_out_text(out, "UTC"); break;
    }
}

/* .000, .999, ,000 behind which no digit stands; how long it is, or 0. */
static size_t fraction_at(struct template_text layout, size_t at)
{
    char point = layout.bytes[at], digit = at + 1 < layout.length ? layout.bytes[at + 1] : '\0';
    size_t end = at + 1;
    if ((point != '.' && point != ',') || (digit != '0' && digit != '9')) {
        return 0;
    }
    while (end < layout.length && layout.bytes[end] == digit) {
        end++;
    }
    bool more = end < layout.length && layout.bytes[end] >= '0' && layout.bytes[end] <= '9';
    return more ? 0 : end - at;
}

void template_out_layout(struct template_out *out, int64_t ns, struct template_text layout)
{
    struct template_date date = template_date_of(ns);
    for (size_t i = 0; i < layout.length;) {
        size_t used = fraction_at(layout, i), found = ARRAY_LEN(parts);
        if (used > 0) {
            out_fraction(out, date.nanosecond, used - 1, layout.bytes[i],
                         layout.bytes[i + 1] == '9');
            i += used;
            continue;
        }
        for (size_t k = 0; k < ARRAY_LEN(parts) && found == ARRAY_LEN(parts); k++) {
            size_t length = strlen(parts[k].text);
            found =
                length <= layout.length - i && memcmp(layout.bytes + i, parts[k].text, length) == 0
                    ? k
                    : found;
        }
        if (found < ARRAY_LEN(parts)) {
            out_part(out, &date, parts[found].part);
            i += strlen(parts[found].text);
        } else {
            template_out_char(out, layout.bytes[i++]);
        }
    }
}

/* 1.5 with a unit: the whole part, and the digits of rest that are not zero at the end. */
static void out_decimal(struct template_out *out, uint64_t n, uint64_t unit, const char *name)
{
    template_out_printf(out, "%llu", (unsigned long long)(n / unit));
    if (n % unit != 0) {
        template_out_char(out, '.');
    }
    for (uint64_t rest = n % unit; rest != 0;) {
        unit /= 10;
        template_out_char(out, (char)('0' + rest / unit));
        rest %= unit;
    }
    template_out_text(out, name);
}

void template_out_span(struct template_out *out, int64_t ns)
{
    uint64_t n = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns, second = (uint64_t)NS_PER_S;
    if (n == 0) {
        template_out_text(out, "0s");
        return;
    }
    template_out_text(out, ns < 0 ? "-" : "");
    if (n < second) {
        uint64_t unit = n < 1000 ? 1 : n < 1000000 ? 1000 : 1000000;
        out_decimal(out, n, unit, unit == 1 ? "ns" : unit == 1000 ? "\xC2\xB5s" : "ms");
        return;
    }
    uint64_t minutes = n / (60 * second);
    if (minutes >= 60) {
        template_out_printf(out, "%lluh", (unsigned long long)(minutes / 60));
    }
    if (minutes > 0) {
        template_out_printf(out, "%llum", (unsigned long long)(minutes % 60));
    }
    out_decimal(out, n % (60 * second), second, "s");
}
