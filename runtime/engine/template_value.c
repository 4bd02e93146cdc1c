/* Values of templates, and the texts they are made of. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/engine/template_internal.h"

/* ---- text ---- */

struct template_text template_text_of(const char *text)
{
    return (struct template_text){text, strlen(text)};
}

bool template_text_is(struct template_text a, const char *b)
{
    return strlen(b) == a.length && memcmp(a.bytes, b, a.length) == 0;
}

int template_text_order(struct template_text a, struct template_text b)
{
    size_t length = a.length < b.length ? a.length : b.length;
    int order = length ? memcmp(a.bytes, b.bytes, length) : 0;
    return order != 0 ? order : (a.length > b.length) - (a.length < b.length);
}

void template_out_add(struct template_out *out, const char *bytes, size_t length)
{
    if (out->full || length > TEMPLATE_OUTPUT_BYTES_MAX - out->length) {
        out->full = true;
        return;
    }
    if (out->length + length + 1 > out->capacity) {
        out->capacity = 2 * (out->length + length) + 64;
        out->bytes = heap_resize(out->bytes, out->capacity);
    }
    if (length > 0) {
        memcpy(out->bytes + out->length, bytes, length);
    }
    out->length += length;
    out->bytes[out->length] = '\0';
}

void template_out_text(struct template_out *out, const char *text)
{
    template_out_add(out, text, strlen(text));
}

void template_out_char(struct template_out *out, char c)
{
    template_out_add(out, &c, 1);
}

void template_out_printf(struct template_out *out, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    int length = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    CHECK(length >= 0);
    template_out_add(out, text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
}

void template_out_rune(struct template_out *out, uint32_t rune)
{
    if (rune > 0x10FFFF || (rune >= 0xD800 && rune < 0xE000)) {
        rune = 0xFFFD;
    }
    if (rune < 0x80) {
        template_out_char(out, (char)rune);
    } else if (rune < 0x800) {
        template_out_char(out, (char)(0xC0 | (rune >> 6)));
        template_out_char(out, (char)(0x80 | (rune & 0x3F)));
    } else if (rune < 0x10000) {
        template_out_char(out, (char)(0xE0 | (rune >> 12)));
        template_out_char(out, (char)(0x80 | ((rune >> 6) & 0x3F)));
        template_out_char(out, (char)(0x80 | (rune & 0x3F)));
    } else {
        template_out_char(out, (char)(0xF0 | (rune >> 18)));
        template_out_char(out, (char)(0x80 | ((rune >> 12) & 0x3F)));
        template_out_char(out, (char)(0x80 | ((rune >> 6) & 0x3F)));
        template_out_char(out, (char)(0x80 | (rune & 0x3F)));
    }
}

size_t template_rune(const char *text, size_t length, uint32_t *ret)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *p = (const unsigned char *)text;
    size_t count = length == 0         ? 0
                   : p[0] < 0x80       ? 1
                   : (p[0] >> 5) == 6  ? 2
                   : (p[0] >> 4) == 14 ? 3
                   : (p[0] >> 3) == 30 ? 4
                                       : 0;
    uint32_t rune = count == 1   ? p[0]
                    : count == 2 ? p[0] & 0x1F
                    : count == 3 ? p[0] & 0x0F
                    : count == 4 ? p[0] & 0x07
                                 : 0;
    for (size_t i = 1; i < count; i++) {
        if (i >= length || (p[i] & 0xC0) != 0x80) {
            count = 0;
            break;
        }
        rune = (rune << 6) | (p[i] & 0x3F);
    }
    if (count == 0 || rune < least[count] || rune > 0x10FFFF || (rune >= 0xD800 && rune < 0xE000)) {
        *ret = 0xFFFD;
        return 1;
    }
    *ret = rune;
    return count;
}

/* ---- values ---- */

struct template_value template_value_text(const char *bytes, size_t length)
{
    return (struct template_value){.kind = VALUE_TEXT, .text = {bytes, length}};
}

struct template_value template_value_of(const char *text)
{
    return template_value_text(text, strlen(text));
}

struct template_value template_value_int(int64_t integer)
{
    return (struct template_value){.kind = VALUE_INT, .integer = integer};
}

struct template_value template_value_float(double real)
{
    return (struct template_value){.kind = VALUE_FLOAT, .real = real};
}

struct template_value template_value_truth(bool truth)
{
    return (struct template_value){.kind = VALUE_TRUTH, .truth = truth};
}

bool template_value_true(const struct template_value *value)
{
    switch (value->kind) {
    case VALUE_NONE: return false;
    case VALUE_TRUTH: return value->truth;
    case VALUE_INT:
    case VALUE_BYTE:
    case VALUE_INT64:
    case VALUE_SPAN:
    case VALUE_MONTH:
    case VALUE_WEEKDAY: return value->integer != 0;
    case VALUE_FLOAT: return value->real != 0;
    case VALUE_TEXT:
    case VALUE_HTML: return value->text.length > 0;
    case VALUE_LABELS: return value->labels->count > 0;
    case VALUE_ARGUMENTS: return value->list.count > 0;
    case VALUE_SAMPLES: return value->samples.count > 0;
    case VALUE_SAMPLE:
    case VALUE_TIME:
    case VALUE_DATA: return true;
    }
    return false;
}

const char *template_value_type(const struct template_value *value)
{
    switch (value->kind) {
    case VALUE_NONE: return "nil";
    case VALUE_TRUTH: return "bool";
    case VALUE_INT: return "int";
    case VALUE_BYTE: return "uint8";
    case VALUE_INT64: return "int64";
    case VALUE_FLOAT: return "float64";
    case VALUE_TEXT: return "string";
    case VALUE_HTML: return "template.HTML";
    case VALUE_LABELS: return "map[string]string";
    case VALUE_ARGUMENTS: return "map[string]interface {}";
    case VALUE_SAMPLE: return "*template.sample";
    case VALUE_SAMPLES: return "template.queryResult";
    case VALUE_TIME: return "*time.Time";
    case VALUE_SPAN: return "time.Duration";
    case VALUE_MONTH: return "time.Month";
    case VALUE_WEEKDAY: return "time.Weekday";
    case VALUE_DATA:
        return "struct { Labels map[string]string; ExternalLabels map[string]string; "
               "ExternalURL string; Value float64 }";
    }
    return "";
}

bool template_value_is_integer(const struct template_value *value)
{
    return value->kind == VALUE_INT || value->kind == VALUE_BYTE || value->kind == VALUE_INT64 ||
           value->kind == VALUE_SPAN || value->kind == VALUE_MONTH || value->kind == VALUE_WEEKDAY;
}

bool template_value_is_text(const struct template_value *value)
{
    return value->kind == VALUE_TEXT || value->kind == VALUE_HTML;
}

struct template_text template_labels_get(const struct template_labels *labels,
                                         struct template_text name)
{
    for (size_t i = 0; i < labels->count; i++) {
        if (template_text_order(labels->items[i].name, name) == 0) {
            return labels->items[i].value;
        }
    }
    return (struct template_text){"", 0};
}

/* ---- fields and methods ---- */

/* `.arg0`, `.arg1` of what args gave. */
static struct template_value argument_named(const struct template_value *of, const char *name)
{
    char text[32];
    for (size_t i = 0; i < of->list.count; i++) {
        snprintf(text, sizeof text, "arg%zu", i);
        if (strcmp(text, name) == 0) {
            return of->list.items[i];
        }
    }
    return (struct template_value){.kind = VALUE_NONE};
}

static bool field_of_data(const struct template_run *run, const char *name,
                          struct template_value *ret)
{
    if (strcmp(name, "Labels") == 0 || strcmp(name, "ExternalLabels") == 0) {
        *ret = (struct template_value){.kind = VALUE_LABELS,
                                       .labels = name[0] == 'L' ? &run->labels : &run->external};
    } else if (strcmp(name, "ExternalURL") == 0) {
        *ret = template_value_of(run->data->external_url ? run->data->external_url : "");
    } else if (strcmp(name, "Value") == 0) {
        *ret = template_value_float(run->data->value);
    } else {
        return false;
    }
    return true;
}

static bool field_of_sample(const struct template_element *sample, const char *name,
                            struct template_value *ret)
{
    if (strcmp(name, "Labels") == 0) {
        *ret = (struct template_value){.kind = VALUE_LABELS, .labels = &sample->labels};
        return true;
    }
    *ret = template_value_float(sample->value);
    return strcmp(name, "Value") == 0;
}

static bool method_of_time(int64_t ns, const char *name, struct template_value *ret)
{
    struct template_date date = template_date_of(ns);
    const struct {
        const char *name;
        enum template_kind kind;
        int64_t value;
    } methods[] = {
        {"Year", VALUE_INT, date.year},
        {"Month", VALUE_MONTH, date.month},
        {"Day", VALUE_INT, date.day},
        {"Hour", VALUE_INT, date.hour},
        {"Minute", VALUE_INT, date.minute},
        {"Second", VALUE_INT, date.second},
        {"Nanosecond", VALUE_INT, date.nanosecond},
        {"Weekday", VALUE_WEEKDAY, date.weekday},
        {"YearDay", VALUE_INT, date.year_day},
        {"Unix", VALUE_INT64, (ns - date.nanosecond) / NS_PER_S},
        {"UnixMilli", VALUE_INT64,
         (ns - date.nanosecond) / NS_PER_MS + date.nanosecond / NS_PER_MS},
        {"UnixNano", VALUE_INT64, ns},
        {"UTC", VALUE_TIME, ns},
    };
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        if (strcmp(methods[i].name, name) == 0) {
            *ret = (struct template_value){.kind = methods[i].kind, .integer = methods[i].value};
            return true;
        }
    }
    return false;
}

static bool method_of_span(int64_t ns, const char *name, struct template_value *ret)
{
    static const struct {
        const char *name;
        int64_t ns;
        bool whole;
    } methods[] = {{"Seconds", NS_PER_S, false},
                   {"Minutes", 60 * NS_PER_S, false},
                   {"Hours", 3600 * NS_PER_S, false},
                   {"Milliseconds", NS_PER_MS, true},
                   {"Microseconds", NS_PER_MS / 1000, true},
                   {"Nanoseconds", 1, true}};
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        if (strcmp(methods[i].name, name) == 0) {
            int64_t whole = ns / methods[i].ns, rest = ns % methods[i].ns;
            *ret = methods[i].whole
                       ? (struct template_value){.kind = VALUE_INT64, .integer = whole}
                       : template_value_float((double)whole + (double)rest / (double)methods[i].ns);
            return true;
        }
    }
    return false;
}

/* Methods that print: String of all that have one, Format of times. */
static enum status method_prints(struct template_run *run, const struct template_value *of,
                                 const char *name, const struct template_value *arguments,
                                 size_t count, bool *ret_found, struct template_value *ret)
{
    struct template_out out = {0};
    bool stringer = of->kind == VALUE_TIME || of->kind == VALUE_SPAN || of->kind == VALUE_MONTH ||
                    of->kind == VALUE_WEEKDAY;
    bool format = of->kind == VALUE_TIME && strcmp(name, "Format") == 0;
    *ret_found = format || (stringer && strcmp(name, "String") == 0);
    if (!*ret_found) {
        return STATUS_OK;
    }
    if (count != (format ? 1 : 0)) {
        return template_run_fail(run, "wrong number of args for %s: want %d got %zu", name,
                                 format ? 1 : 0, count);
    }
    if (format && arguments[0].kind != VALUE_TEXT) {
        return template_run_fail(run, "wrong type for value; expected string; got %s",
                                 template_value_type(&arguments[0]));
    }
    if (format) {
        template_out_layout(&out, of->integer, arguments[0].text);
    } else {
        enum status status = template_print(run, &out, of);
        if (status != STATUS_OK) {
            free(out.bytes);
            return status;
        }
    }
    return template_take(run, &out, ret);
}

enum status template_field(struct template_run *run, const struct template_value *of,
                           const char *name, const struct template_value *arguments, size_t count,
                           struct template_value *ret)
{
    bool found = false;
    if (of->kind == VALUE_NONE) {
        *ret = *of;
        return STATUS_OK;
    }
    TRY(method_prints(run, of, name, arguments, count, &found, ret));
    if (found) {
        return STATUS_OK;
    }
    bool map = of->kind == VALUE_LABELS || of->kind == VALUE_ARGUMENTS;
    if (map && count > 0) {
        return template_run_fail(run, "%s is not a method but has arguments", name);
    }
    found = map                        ? true
            : of->kind == VALUE_DATA   ? field_of_data(run, name, ret)
            : of->kind == VALUE_SAMPLE ? field_of_sample(of->sample, name, ret)
            : of->kind == VALUE_TIME   ? method_of_time(of->integer, name, ret)
            : of->kind == VALUE_SPAN   ? method_of_span(of->integer, name, ret)
                                       : false;
    if (!found) {
        return template_run_fail(run, "can't evaluate field %s in type %s", name,
                                 template_value_type(of));
    }
    if (count > 0) {
        return template_run_fail(run, "%s has arguments but cannot be invoked as function", name);
    }
    if (of->kind == VALUE_LABELS) {
        struct template_text text = template_labels_get(of->labels, template_text_of(name));
        *ret = template_value_text(text.bytes, text.length);
    } else if (of->kind == VALUE_ARGUMENTS) {
        *ret = argument_named(of, name);
    }
    return STATUS_OK;
}
