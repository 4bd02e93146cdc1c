/* The functions that Prometheus adds to templates: queries, names, numbers for people. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lang/prometheus_duration.h"
#include "runtime/engine/template_internal.h"

/* ---- queries ---- */

static enum status vector_value(struct template_run *run, const struct template_vector *vector,
                                struct template_value *ret)
{
    const struct template_element **items = NULL;
    if (vector->count < TEMPLATE_MEMORY_BYTES_MAX / sizeof(struct template_element)) {
        items = template_run_alloc(run, (vector->count + 1) * sizeof *items);
    }
    for (size_t i = 0; items && i < vector->count; i++) {
        const struct template_sample *sample = &vector->samples[i];
        struct template_element *element = template_run_alloc(run, sizeof *element);
        if (element == NULL) {
            items = NULL;
            break;
        }
        element->labels = template_labels_make(run, sample->labels, sample->label_count);
        element->value = sample->value;
        items[i] = element;
    }
    if (items == NULL) {
        return template_call_fail(run, "the answer takes more than %d bytes",
                                  TEMPLATE_MEMORY_BYTES_MAX);
    }
    *ret = (struct template_value){.kind = VALUE_SAMPLES};
    ret->samples.items = items;
    ret->samples.count = vector->count;
    return STATUS_OK;
}

enum status template_call_query(struct template_run *run, const struct template_value *arguments,
                                size_t count, struct template_value *ret)
{
    struct template_vector vector = {0};
    struct error error = {""};
    (void)count;
    if (run->data->query == NULL) {
        return template_call_fail(run, "there is nothing here that answers queries");
    }
    if (++run->queries > TEMPLATE_QUERIES_MAX) {
        return template_call_fail(run, "more than %d queries", TEMPLATE_QUERIES_MAX);
    }
    if (run->data->query(run->data->query_context, arguments[0].text.bytes, run->data->now,
                         &run->arena, &vector, &error) != STATUS_OK) {
        return template_call_fail(run, "%s", error.message);
    }
    return vector_value(run, &vector, ret);
}

enum status template_call_first(struct template_run *run, const struct template_value *arguments,
                                size_t count, struct template_value *ret)
{
    (void)count;
    if (arguments[0].kind == VALUE_NONE || arguments[0].samples.count == 0) {
        return template_call_fail(run, "first() called on vector with no elements");
    }
    *ret = (struct template_value){.kind = VALUE_SAMPLE, .sample = arguments[0].samples.items[0]};
    return STATUS_OK;
}

static enum status sample_there(struct template_run *run, const struct template_value *sample)
{
    return sample->kind == VALUE_NONE
               ? template_call_fail(run, "runtime error: invalid memory address or nil pointer "
                                         "dereference")
               : STATUS_OK;
}

enum status template_call_label(struct template_run *run, const struct template_value *arguments,
                                size_t count, struct template_value *ret)
{
    (void)count;
    TRY(sample_there(run, &arguments[1]));
    struct template_text text =
        template_labels_get(&arguments[1].sample->labels, arguments[0].text);
    *ret = template_value_text(text.bytes, text.length);
    return STATUS_OK;
}

enum status template_call_value(struct template_run *run, const struct template_value *arguments,
                                size_t count, struct template_value *ret)
{
    (void)count;
    TRY(sample_there(run, &arguments[0]));
    *ret = template_value_float(arguments[0].sample->value);
    return STATUS_OK;
}

enum status template_call_strvalue(struct template_run *run, const struct template_value *arguments,
                                   size_t count, struct template_value *ret)
{
    (void)count;
    TRY(sample_there(run, &arguments[0]));
    struct template_text text =
        template_labels_get(&arguments[0].sample->labels, template_text_of("__value__"));
    *ret = template_value_text(text.bytes, text.length);
    return STATUS_OK;
}

/* Stable: a merge of halves, so that equal labels keep their order. */
static void samples_sort(const struct template_element **items,
                         const struct template_element **room, size_t count,
                         struct template_text by)
{
    if (count < 2) {
        return;
    }
    size_t half = count / 2, left = 0, right = half;
    samples_sort(items, room, half, by);
    samples_sort(items + half, room, count - half, by);
    for (size_t i = 0; i < count; i++) {
        bool take_left = right >= count ||
                         (left < half &&
                          template_text_order(template_labels_get(&items[left]->labels, by),
                                              template_labels_get(&items[right]->labels, by)) <= 0);
        room[i] = items[take_left ? left++ : right++];
    }
    memcpy(items, room, count * sizeof *items);
}

enum status template_call_sort_by_label(struct template_run *run,
                                        const struct template_value *arguments, size_t count,
                                        struct template_value *ret)
{
    (void)count;
    *ret = (struct template_value){.kind = VALUE_SAMPLES};
    if (arguments[1].kind == VALUE_NONE || arguments[1].samples.count == 0) {
        return STATUS_OK;
    }
    size_t n = arguments[1].samples.count;
    const struct template_element **items = template_run_alloc(run, 2 * n * sizeof *items);
    if (items == NULL) {
        return template_call_fail(run, "it takes more than %d bytes", TEMPLATE_MEMORY_BYTES_MAX);
    }
    memcpy(items, arguments[1].samples.items, n * sizeof *items);
    samples_sort(items, items + n, n, arguments[0].text);
    ret->samples.items = items;
    ret->samples.count = n;
    return STATUS_OK;
}

enum status template_call_args(struct template_run *run, const struct template_value *arguments,
                               size_t count, struct template_value *ret)
{
    (void)run;
    *ret = (struct template_value){.kind = VALUE_ARGUMENTS};
    ret->list.items = arguments; /* of the run's arena, as the answer is */
    ret->list.count = count;
    return STATUS_OK;
}

enum status template_call_tmpl(struct template_run *run, const struct template_value *arguments,
                               size_t count, struct template_value *ret)
{
    struct template_out out = {0}, *outer = run->out;
    const struct template_body *body = template_body_find(run->t, arguments[0].text.bytes);
    (void)count;
    if (body == NULL) {
        return template_call_fail(run, "template \"%s\" not defined", arguments[0].text.bytes);
    }
    run->out = &out;
    enum status status = template_body_run(run, body, arguments[1]);
    run->out = outer;
    if (status != STATUS_OK) {
        free(out.bytes);
        return status;
    }
    TRY(template_take(run, &out, ret));
    ret->kind = VALUE_HTML;
    return STATUS_OK;
}

enum status template_call_safe_html(struct template_run *run,
                                    const struct template_value *arguments, size_t count,
                                    struct template_value *ret)
{
    (void)run;
    (void)count;
    *ret = arguments[0];
    ret->kind = VALUE_HTML;
    return STATUS_OK;
}

/* ---- numbers for people ---- */

static bool text_is_float(const char *text)
{
    const char *p = text + (*text == '+' || *text == '-');
    static const char *const words[] = {"inf", "infinity", "nan"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcasecmp(p, words[i]) == 0) {
            return i < 2 || p == text;
        }
    }
    bool hex = p[0] == '0' && (p[1] == 'x' || p[1] == 'X');
    return (isdigit((unsigned char)p[0]) || p[0] == '.') && (!hex || strpbrk(p, "pP") != NULL);
}

static enum status float_of_text(struct template_run *run, struct template_text text, double *ret)
{
    char *end = NULL;
    bool good = strlen(text.bytes) == text.length && text_is_float(text.bytes);
    *ret = good ? strtod(text.bytes, &end) : 0;
    if (!good || *end != '\0') {
        return template_call_fail(run, "strconv.ParseFloat: parsing \"%s\": invalid syntax",
                                  text.bytes);
    }
    if (isinf(*ret) && strpbrk(text.bytes, "iI") == NULL) {
        return template_call_fail(run, "strconv.ParseFloat: parsing \"%s\": value out of range",
                                  text.bytes);
    }
    return STATUS_OK;
}

static enum status float_of(struct template_run *run, const struct template_value *value,
                            double *ret)
{
    if (value->kind == VALUE_FLOAT) {
        *ret = value->real;
    } else if (value->kind == VALUE_TEXT) {
        return float_of_text(run, value->text, ret);
    } else if (value->kind == VALUE_INT || value->kind == VALUE_INT64) {
        *ret = (double)value->integer;
    } else if (value->kind == VALUE_SPAN) {
        *ret = (double)(value->integer / NS_PER_S) +
               (double)(value->integer % NS_PER_S) / (double)NS_PER_S;
    } else {
        return template_call_fail(run, "can't convert %s to float",
                                  value->kind == VALUE_NONE ? "<nil>" : template_value_type(value));
    }
    return STATUS_OK;
}

/* %.4g as Go prints it, with a sign before an infinity. */
static void out_four(struct template_out *out, double real)
{
    if (isnan(real)) {
        template_out_text(out, "NaN");
    } else if (isinf(real)) {
        template_out_text(out, real > 0 ? "+Inf" : "-Inf");
    } else {
        template_out_printf(out, "%.4g", real);
    }
}

/* Divides, or multiplies, by a step until the number reads well. */
static void out_scaled(struct template_out *out, double v, double step, const char *const *prefixes,
                       size_t count, const char *unit)
{
    const char *prefix = "";
    bool large = step > 1 && fabs(v) >= 1;
    double factor = fabs(step);
    for (size_t i = 0; i < count && (large ? fabs(v) >= factor : fabs(v) < 1); i++) {
        prefix = prefixes[i];
        v = large ? v / factor : v * factor;
    }
    out_four(out, v);
    template_out_text(out, prefix);
    template_out_text(out, unit);
}

static const char *const prefixes_large[] = {"k", "M", "G", "T", "P", "E", "Z", "Y"};
static const char *const prefixes_small[] = {"m", "u", "n", "p", "f", "a", "z", "y"};
static const char *const prefixes_1024[] = {"ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"};

enum status template_call_humanize(struct template_run *run, const struct template_value *arguments,
                                   size_t count, struct template_value *ret)
{
    struct template_out out = {0};
    double v = 0;
    (void)count;
    TRY(float_of(run, &arguments[0], &v));
    if (v == 0 || !isfinite(v)) {
        out_four(&out, v);
    } else if (fabs(v) >= 1) {
        out_scaled(&out, v, 1000, prefixes_large, 8, "");
    } else {
        out_scaled(&out, v, -1000, prefixes_small, 8, "");
    }
    return template_take(run, &out, ret);
}

enum status template_call_humanize_1024(struct template_run *run,
                                        const struct template_value *arguments, size_t count,
                                        struct template_value *ret)
{
    struct template_out out = {0};
    double v = 0;
    (void)count;
    TRY(float_of(run, &arguments[0], &v));
    if (fabs(v) <= 1 || !isfinite(v)) {
        out_four(&out, v);
    } else {
        out_scaled(&out, v, 1024, prefixes_1024, 8, "");
    }
    return template_take(run, &out, ret);
}

/* A second or longer: days to minutes with whole seconds, else four digits. */
static void out_long_duration(struct template_out *out, double v)
{
    const char *sign = v < 0 ? "-" : "";
    v = fabs(v);
    /* Go's conversion of what does not fit is the least number. */
    int64_t n = v < 9223372036854775808.0 ? (int64_t)v : INT64_MIN;
    long long seconds = n % 60, minutes = n / 60 % 60, hours = n / 3600 % 24, days = n / 86400;
    if (days != 0) {
        template_out_printf(out, "%s%lldd %lldh %lldm %llds", sign, days, hours, minutes, seconds);
    } else if (hours != 0) {
        template_out_printf(out, "%s%lldh %lldm %llds", sign, hours, minutes, seconds);
    } else if (minutes != 0) {
        template_out_printf(out, "%s%lldm %llds", sign, minutes, seconds);
    } else {
        template_out_text(out, sign);
        out_four(out, v);
        template_out_char(out, 's');
    }
}

enum status template_call_humanize_duration(struct template_run *run,
                                            const struct template_value *arguments, size_t count,
                                            struct template_value *ret)
{
    struct template_out out = {0};
    double v = 0;
    (void)count;
    TRY(float_of(run, &arguments[0], &v));
    if (!isfinite(v)) {
        out_four(&out, v);
    } else if (v == 0) {
        out_four(&out, v);
        template_out_char(&out, 's');
    } else if (fabs(v) >= 1) {
        out_long_duration(&out, v);
    } else {
        out_scaled(&out, v, -1000, prefixes_small, 8, "s");
    }
    return template_take(run, &out, ret);
}

enum status template_call_humanize_percentage(struct template_run *run,
                                              const struct template_value *arguments, size_t count,
                                              struct template_value *ret)
{
    struct template_out out = {0};
    double v = 0;
    (void)count;
    TRY(float_of(run, &arguments[0], &v));
    out_four(&out, v * 100);
    template_out_char(&out, '%');
    return template_take(run, &out, ret);
}

/* ---- times ---- */

/* To the millisecond, as Prometheus keeps times. */
static enum status time_of(struct template_run *run, double v, int64_t *ret)
{
    double ns = v * 1e9;
    if (!isfinite(v)) {
        return template_call_fail(run, "value is NaN or Inf");
    }
    if (ns >= 9223372036854775808.0 || ns < -9223372036854775808.0) {
        struct template_out text = {0};
        template_out_float(&text, v);
        enum status status = template_call_fail(
            run, "%s cannot be represented as a nanoseconds timestamp since it overflows int64",
            text.bytes);
        free(text.bytes);
        return status;
    }
    *ret = (int64_t)ns / NS_PER_MS * NS_PER_MS;
    return STATUS_OK;
}

enum status template_call_humanize_timestamp(struct template_run *run,
                                             const struct template_value *arguments, size_t count,
                                             struct template_value *ret)
{
    struct template_out out = {0};
    int64_t ns = 0;
    double v = 0;
    (void)count;
    TRY(float_of(run, &arguments[0], &v));
    if (!isfinite(v)) {
        out_four(&out, v);
    } else {
        TRY(time_of(run, v, &ns));
        template_out_time(&out, ns);
    }
    return template_take(run, &out, ret);
}

enum status template_call_to_time(struct template_run *run, const struct template_value *arguments,
                                  size_t count, struct template_value *ret)
{
    double v = 0;
    (void)count;
    *ret = (struct template_value){.kind = VALUE_TIME};
    TRY(float_of(run, &arguments[0], &v));
    return time_of(run, v, &ret->integer);
}

enum status template_call_to_duration(struct template_run *run,
                                      const struct template_value *arguments, size_t count,
                                      struct template_value *ret)
{
    double v = 0;
    (void)count;
    TRY(float_of(run, &arguments[0], &v));
    if (!(fabs(v * 1e9) < 9223372036854775808.0)) {
        return template_call_fail(run, "it is no duration of less than 292 years");
    }
    *ret = (struct template_value){.kind = VALUE_SPAN, .integer = (int64_t)(v * 1e9)};
    return STATUS_OK;
}

enum status template_call_now(struct template_run *run, const struct template_value *arguments,
                              size_t count, struct template_value *ret)
{
    (void)arguments;
    (void)count;
    *ret = template_value_float((double)(run->data->now.ns / NS_PER_MS) / 1000.0);
    return STATUS_OK;
}

static enum status duration_of(struct template_run *run, struct template_text text, int64_t *ret)
{
    int64_t ms;
    switch (prometheus_duration(text.bytes, &ms)) {
    case DURATION_EMPTY: return template_call_fail(run, "empty duration string");
    case DURATION_WRONG:
        return template_call_fail(run, "not a valid duration string: \"%s\"", text.bytes);
    case DURATION_TOO_LONG: return template_call_fail(run, "duration out of range");
    case DURATION_GOOD: break;
    }
    *ret = ms * NS_PER_MS;
    return STATUS_OK;
}

enum status template_call_parse_duration(struct template_run *run,
                                         const struct template_value *arguments, size_t count,
                                         struct template_value *ret)
{
    int64_t ns = 0;
    (void)count;
    TRY(duration_of(run, arguments[0].text, &ns));
    *ret = template_value_float((double)ns / (double)NS_PER_S);
    return STATUS_OK;
}

enum status template_call_parse_duration_time(struct template_run *run,
                                              const struct template_value *arguments, size_t count,
                                              struct template_value *ret)
{
    (void)count;
    *ret = (struct template_value){.kind = VALUE_SPAN};
    return duration_of(run, arguments[0].text, &ret->integer);
}
