/* The functions of text/template itself: logic, comparison, indexing, printing, escaping. */
#include <stdlib.h>
#include <string.h>

#include "runtime/engine/template_internal.h"

static const struct template_function functions[] = {
#define FUNCTION(name, parameters, lazy, function) \
    {name, parameters, template_call_##function, lazy},
#include "runtime/engine/template_function.def"
#undef FUNCTION
};

const struct template_function *template_function_find(const char *name, size_t length)
{
    for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
        if (strlen(functions[i].name) == length && memcmp(functions[i].name, name, length) == 0) {
            return &functions[i];
        }
    }
    return NULL;
}

/* ---- logic ---- */

enum status template_call_not(struct template_run *run, const struct template_value *arguments,
                              size_t count, struct template_value *ret)
{
    (void)run;
    (void)count;
    *ret = template_value_truth(!template_value_true(&arguments[0]));
    return STATUS_OK;
}

/* The evaluator decides; these are for a last argument that comes down the pipe alone. */
enum status template_call_and(struct template_run *run, const struct template_value *arguments,
                              size_t count, struct template_value *ret)
{
    (void)run;
    *ret = arguments[count - 1];
    return STATUS_OK;
}

enum status template_call_or(struct template_run *run, const struct template_value *arguments,
                             size_t count, struct template_value *ret)
{
    return template_call_and(run, arguments, count, ret);
}

/* ---- comparison ---- */

enum basic { BASIC_NONE, BASIC_TRUTH, BASIC_INTEGER, BASIC_UNSIGNED, BASIC_FLOAT, BASIC_TEXT };

static enum basic basic_of(const struct template_value *value)
{
    return value->kind == VALUE_TRUTH         ? BASIC_TRUTH
           : value->kind == VALUE_BYTE        ? BASIC_UNSIGNED
           : template_value_is_integer(value) ? BASIC_INTEGER
           : value->kind == VALUE_FLOAT       ? BASIC_FLOAT
           : template_value_is_text(value)    ? BASIC_TEXT
                                              : BASIC_NONE;
}

static bool both_integer(enum basic a, enum basic b)
{
    return (a == BASIC_INTEGER || a == BASIC_UNSIGNED) &&
           (b == BASIC_INTEGER || b == BASIC_UNSIGNED);
}

static bool same_basic(const struct template_value *a, const struct template_value *b)
{
    switch (basic_of(a)) {
    case BASIC_TRUTH: return a->truth == b->truth;
    case BASIC_INTEGER:
    case BASIC_UNSIGNED: return a->integer == b->integer;
    case BASIC_FLOAT: return a->real == b->real;
    case BASIC_TEXT: return template_text_order(a->text, b->text) == 0;
    case BASIC_NONE: break;
    }
    return false;
}

static enum status compare_equal(struct template_run *run, const struct template_value *a,
                                 const struct template_value *b, bool *ret)
{
    enum basic x = basic_of(a), y = basic_of(b);
    *ret = false;
    if (both_integer(x, y)) {
        *ret = a->integer == b->integer;
    } else if (a->kind == VALUE_NONE || b->kind == VALUE_NONE) {
        *ret = a->kind == b->kind;
    } else if (x != y) {
        return template_call_fail(run, "incompatible types for comparison");
    } else if (x == BASIC_NONE && a->kind == VALUE_SAMPLE && b->kind == VALUE_SAMPLE) {
        *ret = a->sample == b->sample;
    } else if (x == BASIC_NONE) {
        return template_call_fail(run, "non-comparable type %s", template_value_type(a));
    } else {
        *ret = same_basic(a, b);
    }
    return STATUS_OK;
}

static enum status compare_less(struct template_run *run, const struct template_value *a,
                                const struct template_value *b, bool *ret)
{
    enum basic x = basic_of(a), y = basic_of(b);
    if (x == BASIC_NONE || y == BASIC_NONE) {
        return template_call_fail(run, "invalid type for comparison");
    }
    if (both_integer(x, y)) {
        *ret = a->integer < b->integer;
    } else if (x != y) {
        return template_call_fail(run, "incompatible types for comparison");
    } else if (x == BASIC_TRUTH) {
        return template_call_fail(run, "invalid type for comparison");
    } else {
        *ret = x == BASIC_FLOAT ? a->real < b->real : template_text_order(a->text, b->text) < 0;
    }
    return STATUS_OK;
}

static enum status compare_at_most(struct template_run *run, const struct template_value *a,
                                   const struct template_value *b, bool *ret)
{
    TRY(compare_less(run, a, b, ret));
    return *ret ? STATUS_OK : compare_equal(run, a, b, ret);
}

enum status template_call_eq(struct template_run *run, const struct template_value *arguments,
                             size_t count, struct template_value *ret)
{
    bool equal = false;
    if (count < 2) {
        return template_call_fail(run, "missing argument for comparison");
    }
    for (size_t i = 1; i < count && !equal; i++) {
        TRY(compare_equal(run, &arguments[0], &arguments[i], &equal));
    }
    *ret = template_value_truth(equal);
    return STATUS_OK;
}

enum status template_call_ne(struct template_run *run, const struct template_value *arguments,
                             size_t count, struct template_value *ret)
{
    bool equal = false;
    (void)count;
    TRY(compare_equal(run, &arguments[0], &arguments[1], &equal));
    *ret = template_value_truth(!equal);
    return STATUS_OK;
}

enum status template_call_lt(struct template_run *run, const struct template_value *arguments,
                             size_t count, struct template_value *ret)
{
    bool less = false;
    (void)count;
    TRY(compare_less(run, &arguments[0], &arguments[1], &less));
    *ret = template_value_truth(less);
    return STATUS_OK;
}

enum status template_call_le(struct template_run *run, const struct template_value *arguments,
                             size_t count, struct template_value *ret)
{
    bool at_most = false;
    (void)count;
    TRY(compare_at_most(run, &arguments[0], &arguments[1], &at_most));
    *ret = template_value_truth(at_most);
    return STATUS_OK;
}

/* In Go gt is "not le": NaN is greater than everything. */
enum status template_call_gt(struct template_run *run, const struct template_value *arguments,
                             size_t count, struct template_value *ret)
{
    TRY(template_call_le(run, arguments, count, ret));
    ret->truth = !ret->truth;
    return STATUS_OK;
}

enum status template_call_ge(struct template_run *run, const struct template_value *arguments,
                             size_t count, struct template_value *ret)
{
    TRY(template_call_lt(run, arguments, count, ret));
    ret->truth = !ret->truth;
    return STATUS_OK;
}

/* ---- len, index, slice ---- */

enum status template_call_len(struct template_run *run, const struct template_value *arguments,
                              size_t count, struct template_value *ret)
{
    const struct template_value *of = &arguments[0];
    (void)count;
    if (of->kind == VALUE_NONE) {
        return template_call_fail(run, "len of nil pointer");
    }
    if (!template_value_is_text(of) && of->kind != VALUE_LABELS && of->kind != VALUE_ARGUMENTS &&
        of->kind != VALUE_SAMPLES) {
        return template_call_fail(run, "len of type %s", template_value_type(of));
    }
    *ret = template_value_int((int64_t)(template_value_is_text(of)    ? of->text.length
                                        : of->kind == VALUE_LABELS    ? of->labels->count
                                        : of->kind == VALUE_ARGUMENTS ? of->list.count
                                                                      : of->samples.count));
    return STATUS_OK;
}

static enum status index_number(struct template_run *run, const struct template_value *index,
                                size_t limit, size_t *ret)
{
    if (index->kind == VALUE_NONE) {
        return template_call_fail(run, "cannot index slice/array with nil");
    }
    if (!template_value_is_integer(index)) {
        return template_call_fail(run, "cannot index slice/array with type %s",
                                  template_value_type(index));
    }
    if (index->integer < 0 || (uint64_t)index->integer > limit) {
        return template_call_fail(run, "index out of range: %lld", (long long)index->integer);
    }
    *ret = (size_t)index->integer;
    return STATUS_OK;
}

static enum status index_one(struct template_run *run, const struct template_value *of,
                             const struct template_value *index, struct template_value *ret)
{
    bool map = of->kind == VALUE_LABELS || of->kind == VALUE_ARGUMENTS;
    size_t length = of->kind == VALUE_SAMPLES ? of->samples.count : 0, at = 0;
    length = template_value_is_text(of) ? of->text.length : length;
    if (of->kind == VALUE_NONE) {
        return template_call_fail(run, "index of untyped nil");
    }
    if (map && index->kind != VALUE_TEXT) {
        return template_call_fail(run, "value has type %s; should be string",
                                  template_value_type(index));
    }
    if (map) {
        return template_field(run, of, index->text.bytes, NULL, 0, ret);
    }
    if (of->kind != VALUE_SAMPLES && !template_value_is_text(of)) {
        return template_call_fail(run, "can't index item of type %s", template_value_type(of));
    }
    TRY(index_number(run, index, length, &at));
    if (at == length) {
        return template_call_fail(run, "reflect: %s index out of range",
                                  of->kind == VALUE_SAMPLES ? "slice" : "string");
    }
    *ret = of->kind == VALUE_SAMPLES
               ? (struct template_value){.kind = VALUE_SAMPLE, .sample = of->samples.items[at]}
               : (struct template_value){.kind = VALUE_BYTE,
                                         .integer = (unsigned char)of->text.bytes[at]};
    return STATUS_OK;
}

enum status template_call_index(struct template_run *run, const struct template_value *arguments,
                                size_t count, struct template_value *ret)
{
    struct template_value of = arguments[0];
    *ret = of;
    for (size_t i = 1; i < count; i++) {
        TRY(index_one(run, &of, &arguments[i], ret));
        of = *ret;
    }
    return of.kind == VALUE_NONE && count == 1 ? template_call_fail(run, "index of untyped nil")
                                               : STATUS_OK;
}

enum status template_call_slice(struct template_run *run, const struct template_value *arguments,
                                size_t count, struct template_value *ret)
{
    const struct template_value *of = &arguments[0];
    bool text = of->kind == VALUE_TEXT;
    size_t length = text ? of->text.length : of->samples.count, at[3];
    if (of->kind == VALUE_NONE) {
        return template_call_fail(run, "slice of untyped nil");
    }
    if (count > 4) {
        return template_call_fail(run, "too many slice indexes: %zu", count - 1);
    }
    if (!text && of->kind != VALUE_SAMPLES) {
        return template_call_fail(run, "can't slice item of type %s", template_value_type(of));
    }
    if (text && count == 4) {
        return template_call_fail(run, "cannot 3-index slice a string");
    }
    at[0] = 0;
    at[1] = length;
    for (size_t i = 1; i < count; i++) {
        TRY(index_number(run, &arguments[i], length, &at[i - 1]));
    }
    if (at[0] > at[1] || (count == 4 && at[1] > at[2])) {
        return template_call_fail(run, "invalid slice index: %zu > %zu",
                                  at[0] > at[1] ? at[0] : at[1], at[0] > at[1] ? at[1] : at[2]);
    }
    *ret = *of;
    if (text) {
        /* Fields and keys end with a NUL, so a slice is a copy. */
        struct template_out out = {0};
        template_out_add(&out, of->text.bytes + at[0], at[1] - at[0]);
        return template_take(run, &out, ret);
    }
    ret->samples.items += at[0];
    ret->samples.count = at[1] - at[0];
    return STATUS_OK;
}

enum status template_call_call(struct template_run *run, const struct template_value *arguments,
                               size_t count, struct template_value *ret)
{
    (void)count;
    (void)ret;
    return arguments[0].kind == VALUE_NONE ? template_call_fail(run, "call of nil")
                                           : template_call_fail(run, "non-function of type %s",
                                                                template_value_type(&arguments[0]));
}

/* ---- printing ---- */

static enum status print_all(struct template_run *run, struct template_out *out,
                             const struct template_value *arguments, size_t count, bool lines,
                             const char *none)
{
    for (size_t i = 0; i < count; i++) {
        bool space = i > 0 && (lines || (!template_value_is_text(&arguments[i]) &&
                                         !template_value_is_text(&arguments[i - 1])));
        template_out_text(out, space ? " " : "");
        if (arguments[i].kind == VALUE_NONE) {
            template_out_text(out, none);
        } else {
            TRY(template_print(run, out, &arguments[i]));
        }
    }
    template_out_text(out, lines ? "\n" : "");
    return STATUS_OK;
}

/* Gives what was printed, or frees it. */
static enum status printed(struct template_run *run, struct template_out *out, enum status status,
                           struct template_value *ret)
{
    if (status != STATUS_OK) {
        free(out->bytes);
        return status;
    }
    return template_take(run, out, ret);
}

enum status template_call_print(struct template_run *run, const struct template_value *arguments,
                                size_t count, struct template_value *ret)
{
    struct template_out out = {0};
    return printed(run, &out, print_all(run, &out, arguments, count, false, "<nil>"), ret);
}

enum status template_call_println(struct template_run *run, const struct template_value *arguments,
                                  size_t count, struct template_value *ret)
{
    struct template_out out = {0};
    return printed(run, &out, print_all(run, &out, arguments, count, true, "<nil>"), ret);
}

enum status template_call_printf(struct template_run *run, const struct template_value *arguments,
                                 size_t count, struct template_value *ret)
{
    struct template_out out = {0};
    return printed(run, &out,
                   template_printf(run, &out, arguments[0].text, arguments + 1, count - 1), ret);
}

/* ---- escaping ---- */

typedef void escape_f(struct template_out *out, struct template_text text);

static enum status escape_all(struct template_run *run, const struct template_value *arguments,
                              size_t count, escape_f *escape, struct template_value *ret)
{
    struct template_out plain = {0}, out = {0};
    enum status status = print_all(run, &plain, arguments, count, false, "<no value>");
    if (status == STATUS_OK) {
        escape(&out, (struct template_text){plain.bytes ? plain.bytes : "", plain.length});
    }
    free(plain.bytes);
    return printed(run, &out, status, ret);
}

static void escape_html(struct template_out *out, struct template_text text)
{
    for (size_t i = 0; i < text.length; i++) {
        char c = text.bytes[i];
        const char *escaped = c == '"'    ? "&#34;"
                              : c == '\'' ? "&#39;"
                              : c == '&'  ? "&amp;"
                              : c == '<'  ? "&lt;"
                              : c == '>'  ? "&gt;"
                              : c == '\0' ? "\xEF\xBF\xBD"
                                          : NULL;
        if (escaped) {
            template_out_text(out, escaped);
        } else {
            template_out_char(out, c);
        }
    }
}

static void escape_js(struct template_out *out, struct template_text text)
{
    for (size_t i = 0; i < text.length; i++) {
        char c = text.bytes[i];
        if (c == '\\' || c == '\'' || c == '"') {
            template_out_printf(out, "\\%c", c);
        } else if (c == '<' || c == '>' || c == '&' || c == '=' || (unsigned char)c < 0x20) {
            template_out_printf(out, "\\u%04X", (unsigned char)c);
        } else {
            template_out_char(out, c);
        }
    }
}

static void escape_url(struct template_out *out, struct template_text text)
{
    for (size_t i = 0; i < text.length; i++) {
        char c = text.bytes[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_' || c == '.' || c == '~';
        if (plain || c == ' ') {
            template_out_char(out, c == ' ' ? '+' : c);
        } else {
            template_out_printf(out, "%%%02X", (unsigned char)c);
        }
    }
}

enum status template_call_html(struct template_run *run, const struct template_value *arguments,
                               size_t count, struct template_value *ret)
{
    return escape_all(run, arguments, count, escape_html, ret);
}

enum status template_call_js(struct template_run *run, const struct template_value *arguments,
                             size_t count, struct template_value *ret)
{
    return escape_all(run, arguments, count, escape_js, ret);
}

enum status template_call_urlquery(struct template_run *run, const struct template_value *arguments,
                                   size_t count, struct template_value *ret)
{
    return escape_all(run, arguments, count, escape_url, ret);
}

enum status template_call_url_query_escape(struct template_run *run,
                                           const struct template_value *arguments, size_t count,
                                           struct template_value *ret)
{
    return escape_all(run, arguments, count, escape_url, ret);
}

static enum status link_of(struct template_run *run, const struct template_value *expression,
                           int tab, struct template_value *ret)
{
    struct template_out out = {0};
    template_out_text(&out, "/graph?g0.expr=");
    escape_url(&out, expression->text);
    template_out_printf(&out, "&g0.tab=%d", tab);
    return template_take(run, &out, ret);
}

enum status template_call_graph_link(struct template_run *run,
                                     const struct template_value *arguments, size_t count,
                                     struct template_value *ret)
{
    (void)count;
    return link_of(run, &arguments[0], 0, ret);
}

enum status template_call_table_link(struct template_run *run,
                                     const struct template_value *arguments, size_t count,
                                     struct template_value *ret)
{
    (void)count;
    return link_of(run, &arguments[0], 1, ret);
}
