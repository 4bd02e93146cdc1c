/* What is wrong with files of rules: "path:line:column: words", a line each, in the order found.
 *
 *     struct rules_report report = {0};
 *     rules_report_add(&report, path, place, "unknown field '%s'", name);
 *     fputs(report.text ? report.text : "", stderr);
 *     rules_report_release(&report); */
#ifndef HEAL_COMPILER_RULES_REPORT_H
#define HEAL_COMPILER_RULES_REPORT_H

#include "lang/base.h"

enum { RULES_REPORTS_MAX = 500, RULES_REPORT_BYTES_MAX = 1000 };

/* From 1; line 0 is the file as a whole. */
struct rules_place {
    size_t line, column;
};

struct rules_report {
    char *text; /* heap; NULL while it is empty */
    size_t length, capacity;
    size_t errors; /* all of them; the text holds at most RULES_REPORTS_MAX */
};

/* Control characters in the words are printed as escapes. */
void rules_report_add(struct rules_report *report, const char *path, struct rules_place place,
                      const char *fmt, ...) PRINTF_LIKE(4, 5);
void rules_report_release(struct rules_report *report);

#endif
