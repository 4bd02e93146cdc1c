/* Names, UTF-8 and escapes of the text formats. Text is a pointer and a length; it has no end mark.
 */
#ifndef HEAL_RUNTIME_INGEST_TEXT_H
#define HEAL_RUNTIME_INGEST_TEXT_H

#include "lang/base.h"

/* Bytes that may stand in a metric name; a label name has no ':'. */
bool text_is_name_start(unsigned char c);
bool text_is_name(unsigned char c);
bool text_metric_name_valid(const char *text, size_t size);
bool text_label_name_valid(const char *text, size_t size);

/* Index of the first byte that is not well-formed UTF-8 (Unicode 15, table 3-7), or size. */
size_t text_utf8_check(const char *text, size_t size);

/* A growing text with a limit: past it, `full` is set and the text no longer grows. */
struct text {
    char *bytes; /* heap; not ended by a zero byte */
    size_t size, capacity, limit;
    bool full;
};
void text_init(struct text *text, size_t limit);
void text_release(struct text *text);
void text_clear(struct text *text); /* keeps the memory */
void text_add(struct text *text, const char *bytes, size_t size);
void text_print(struct text *text, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A label value: \\, \" and \n escaped; bytes that are not UTF-8 become U+FFFD. */
void text_add_escaped(struct text *text, const char *bytes, size_t size);
/* A value as short as it can be read back: NaN, +Inf, -Inf, whole numbers without a point. */
void text_add_number(struct text *text, double value);

#endif
