/* Time zones and the calendar, for what is said in the time of a place: `not during "Fri
 * 16:00".."Mon 08:00" in "Europe/Berlin"`. Pure: the rules of the tz database are a table of heal's
 * own (zone.def), so that a policy means the same on every host and in every replay.
 *
 * The table has the rule that holds for now and later. Of times before a zone's last change of its
 * law the answer may be an hour wrong; zones whose clock no single rule tells are not in it. */
#ifndef HEAL_LANG_ZONE_H
#define HEAL_LANG_ZONE_H

#include "lang/base.h"

/* A date of the proleptic Gregorian calendar. */
struct civil {
    int64_t year;
    int month, day; /* from 1 */
    int weekday;    /* 0: Sunday */
    int year_day;   /* from 1 */
};
struct civil civil_of_days(int64_t days); /* since 1970-01-01 */
int64_t civil_days(int64_t year, int month, int day);

enum { ZONE_COUNT_MAX = 1024 };
struct zone_rule {
    int month, week, weekday; /* week 5: the last one of the month; weekday 0: Sunday */
    int second;               /* of that day, in the time that ends; may be beyond it */
};
struct zone {
    const char *name;
    int standard, summer; /* seconds to add to UTC */
    bool has_summer;
    struct zone_rule start, end; /* of summer time */
};
/* False where the table has no zone of that name. */
NODISCARD bool zone_find(const char *name, struct zone *ret);
/* The names, for suggestions: NULL behind the last. */
const char *zone_name(size_t i);

/* Seconds of the local clock since 1970-01-01 00:00 of that clock. */
int64_t zone_local(const struct zone *zone, int64_t utc);

/* A stretch of local time that comes again every week ("Fri 16:00".."Mon 08:00"), every day
 * ("22:00".."06:00"), every year ("12-24".."01-02"), or never ("2026-12-24".."2027-01-02"). Times
 * of day end before the end; a day that is an end is in it wholly. */
enum stretch_kind { STRETCH_DAILY, STRETCH_WEEKLY, STRETCH_YEARLY, STRETCH_ONCE };
struct time_stretch {
    enum stretch_kind kind;
    int64_t from, to; /* seconds of the day, of the week from Sunday, day of the year as MMDD, days
                         since 1970 */
};
/* False: one of them is no such time, or they are of two kinds, or nothing is between them. */
NODISCARD bool stretch_read(const char *from, const char *to, struct time_stretch *ret);
bool stretch_holds(const struct time_stretch *stretch, int64_t local);

#endif
