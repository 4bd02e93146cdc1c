/* Reports about files of rules. */
#include "compiler/rules/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add(struct rules_report *report, const char *text, size_t length)
{
    if (report->length + length + 1 > report->capacity) {
        report->capacity = 2 * (report->length + length) + 256;
        report->text = heap_resize(report->text, report->capacity);
    }
    memcpy(report->text + report->length, text, length);
    report->length += length;
    report->text[report->length] = '\0';
}

static void add_escaped(struct rules_report *report, const char *text)
{
    char escaped[8];
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7F) {
            snprintf(escaped, sizeof escaped, "\\x%02x", (unsigned char)*text);
            add(report, escaped, strlen(escaped));
        } else {
            add(report, text, 1);
        }
    }
}

void rules_report_add(struct rules_report *report, const char *path, struct rules_place place,
                      const char *fmt, ...)
{
    char words[RULES_REPORT_BYTES_MAX], where[64];
    va_list args;
    if (report->errors++ >= RULES_REPORTS_MAX) {
        return;
    }
    va_start(args, fmt);
    vsnprintf(words, sizeof words, fmt, args);
    va_end(args);
    snprintf(where, sizeof where, place.line ? ":%zu:%zu: " : ": ", place.line, place.column);
    add_escaped(report, path);
    add(report, where, strlen(where));
    add_escaped(report, words);
    add(report, "\n", 1);
}

void rules_report_release(struct rules_report *report)
{
    free(report->text);
    *report = (struct rules_report){0};
}
