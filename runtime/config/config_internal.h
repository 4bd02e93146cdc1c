/* What the files of runtime/config share: the report, fallbacks, and the checks across keys. */
#ifndef HEAL_RUNTIME_CONFIG_CONFIG_INTERNAL_H
#define HEAL_RUNTIME_CONFIG_CONFIG_INTERNAL_H

#include "runtime/config/config_key.h"

struct config_reader {
    const char *name; /* of the file */
    struct config_report *report;
};

/* Adds "NAME:LINE:COLUMN: error: ..." to the report. */
void config_fail(struct config_reader *reader, size_t line, size_t column, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/* Questions about more than one key; part's position is where they are asked. */
void config_check(struct config_reader *reader, const struct config *config);

#endif
