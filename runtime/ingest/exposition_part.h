/* What the readers of the two text formats share. Private to exposition*.c and openmetrics*.c. */
#ifndef HEAL_RUNTIME_INGEST_EXPOSITION_PART_H
#define HEAL_RUNTIME_INGEST_EXPOSITION_PART_H

#include "runtime/ingest/exposition.h"

static inline uint32_t column_of(const struct exposition *e, const char *p)
{
    return (uint32_t)(p - e->line_start) + 1;
}
static inline const char *skip_blanks(const char *p)
{
    while (*p == ' ' || *p == '\t') {
        p++;
    }
    return p;
}
bool slice_is(struct slice slice, const char *word);

/* Both refuse at p: what stands there is not what is expected; more than a limit. */
enum status exposition_expected(struct exposition *e, const char *p, struct error *error,
                                const char *what);
enum status exposition_over(struct exposition *e, const char *p, struct error *error,
                            const char *what, size_t limit);
/* Finds the line at `at`; every loop of a reader stops at its line feed. */
enum status exposition_open_line(struct exposition *e, struct error *error);
enum status exposition_check_utf8(struct exposition *e, struct slice slice, struct error *error);
/* The first blank from p on, or the end of the line. */
const char *exposition_word_end(const struct exposition *e, const char *p);
/* A name from p on, perhaps of no bytes; colon: ':' may stand in it. */
struct slice exposition_name(const char *p, bool colon);

/* Powers of ten that a double holds exactly. */
enum { EXPOSITION_POWERS = 23 };
extern const double exposition_powers[EXPOSITION_POWERS];

/* The usual line of either format: the predicted key, a blank, a number of few digits. False, and
 * nothing is read, when the line is another. */
bool exposition_usual(struct exposition *e, struct exposition_item *item);

/* What stands between braces; *p is behind the first, and then behind the last. */
enum status exposition_labels(struct exposition *e, const char **p, struct exposition_item *item,
                              struct error *error);
/* The start of a sample: counts it, and reads name and labels unless they are the predicted ones.
 * *p is then behind them. */
enum status exposition_start(struct exposition *e, const char **p, struct exposition_item *item,
                             struct error *error);
/* A word that names a type of this format. */
bool exposition_type_find(enum exposition_format format, struct slice word,
                          enum exposition_type *ret_type);

/* One line of OpenMetrics 1.0. kind stays EXPOSITION_END at its end. */
enum status openmetrics_line(struct exposition *e, struct exposition_item *item,
                             struct error *error);

#endif
