/* heald's voice: one line an event on standard error, as text or as a JSON object.
 *
 *     log_open("engine", LOG_JSON, LOG_INFO);
 *     log_say(LOG_WARN, "the source %s is silent", name);
 *
 * Control characters are escaped, so that nothing read from outside can forge a line. More than
 * LOG_LINES_MAX lines in a second are counted instead of written; errors always are. */
#ifndef HEAL_RUNTIME_HEALD_LOG_H
#define HEAL_RUNTIME_HEALD_LOG_H

#include "lang/base.h"

enum { LOG_LINES_MAX = 200, LOG_LINE_BYTES = 2048 };
enum log_format { LOG_TEXT, LOG_JSON };
enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_open(const char *role, enum log_format format, enum log_level least);
void log_say(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
