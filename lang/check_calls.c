/* Calls of functions: how many arguments, of which kind, under which names, and what comes out. */
#include <stdio.h>

#include "lang/check_internal.h"

/* One row of builtin.def, read: "v|s", "vttt*", "v:in,lookback". */
struct signature {
    const char *letters; /* of the positional arguments, '|' and '*' among them */
    size_t required, most;
    bool repeats;
    const char *named; /* "in,lookback,season" or NULL */
};

static struct signature signature_of(const struct builtin_info *info)
{
    struct signature s = {.letters = info->arguments};
    bool optional = false;
    const char *c = info->arguments;
    for (; *c && *c != ':'; c++) {
        if (*c == '|') {
            optional = true;
        } else if (*c == '*') {
            s.repeats = true;
            s.required--; /* the repeated one may be left out */
        } else {
            s.most++;
            s.required += !optional;
        }
    }
    s.named = *c == ':' ? c + 1 : NULL;
    return s;
}

static char letter_at(const struct signature *s, size_t index)
{
    char last = 'v';
    for (const char *c = s->letters; *c && *c != ':'; c++) {
        if (*c == '|' || *c == '*') {
            continue;
        }
        last = *c;
        if (index-- == 0) {
            break;
        }
    }
    return last;
}

static enum value_kind kind_of_letter(char letter)
{
    return letter == 'r'   ? VALUE_RANGE
           : letter == 's' ? VALUE_SCALAR
           : letter == 't' ? VALUE_STRING
                           : VALUE_VECTOR;
}

static bool argument_kind(const struct scope *scope, const struct expr *call,
                          const struct expr *value, enum value_kind want)
{
    enum value_kind have = value->type.kind;
    if (have == want) {
        return true;
    }
    const char *name = call->call.name.text, *text = expr_text(scope->check, value);
    struct diag *d =
        diag_add(scope->check->diags, DIAG_VALUE_KIND, value->span,
                 "%s() takes %s here, this is %s", name, kind_text(want), kind_text(have));
    if (want == VALUE_RANGE && have == VALUE_VECTOR) {
        diag_help(d, "write %s(%s[5m])", name, same(text, "it") ? "NAME" : text);
    } else if (want == VALUE_VECTOR && have == VALUE_RANGE) {
        diag_help(d, "remove the [...], or take avg_over_time(...) of it");
    } else if (want == VALUE_SCALAR && have == VALUE_VECTOR) {
        diag_help(d, "write a number here");
    } else {
        diag_help(d, "write %s", kind_text(want));
    }
    return false;
}

static bool argument_counts(const struct scope *scope, const struct expr *expr,
                            const struct signature *s, size_t count)
{
    if (count >= s->required && (s->repeats || count <= s->most)) {
        return true;
    }
    size_t want = count < s->required ? s->required : s->most;
    struct diag *d =
        diag_add(scope->check->diags, DIAG_ARGUMENT_COUNT, expr->span,
                 "%s() takes %s%zu argument%s, here %s %zu", expr->call.name.text,
                 s->repeats || (s->required != s->most && count < s->required) ? "at least "
                 : s->required != s->most                                      ? "at most "
                                                                               : "",
                 want, want == 1 ? "" : "s", count == 1 ? "is" : "are", count);
    diag_help(d, count < want ? "add what is missing" : "remove what is too much");
    return false;
}

/* ---- named arguments ---- */

static bool named_exists(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *c = list; c; c = strchr(c, ',') ? strchr(c, ',') + 1 : NULL) {
        if (strncmp(c, name, length) == 0 && (c[length] == ',' || c[length] == '\0')) {
            return true;
        }
    }
    return false;
}

static const struct argument *named_find(const struct expr *call, const char *name)
{
    for (const struct argument *a = call->call.arguments; a; a = a->next) {
        if (same(a->name.text, name)) {
            return a;
        }
    }
    return NULL;
}

static bool named_known(const struct scope *scope, const struct expr *expr,
                        const struct argument *arg, const struct signature *s)
{
    const char *function = expr->call.name.text, *name = arg->name.text;
    struct diag *d = NULL;
    if (!s->named || !named_exists(s->named, name)) {
        d = diag_add(scope->check->diags, DIAG_NAMED_ARGUMENT, arg->name.span,
                     "%s() has no argument '%s:'", function, name);
        if (s->named) {
            diag_help(d, "its named arguments are %s", s->named);
        } else {
            diag_help(d, "remove '%s:', %s() takes its arguments by place", name, function);
        }
    } else if (named_find(expr, name) != arg) {
        d = diag_add(scope->check->diags, DIAG_NAMED_ARGUMENT, arg->name.span,
                     "'%s:' is given twice", name);
        diag_help(d, "remove one of them");
    }
    return !d;
}

/* Named arguments are constants: a duration above zero, or a weight between 0 and 1. */
static bool named_value(const struct scope *scope, const struct argument *arg)
{
    const char *name = arg->name.text;
    double value;
    bool constant = expr_constant(arg->value, &value);
    bool weight = same(name, "alpha");
    struct dimension dimension = arg->value->type.dimension;
    bool seconds =
        dimension.known && dimension_equal(dimension, dimension_of_unit(UNIT_SECONDS, UNIT_NONE));
    bool share = expr_bare(arg->value) || (dimension.known && dimension.ratio);
    bool fits =
        weight ? constant && share && value > 0 && value <= 1 : constant && seconds && value > 0;
    if (!fits) {
        struct diag *d = diag_add(scope->check->diags, DIAG_NAMED_ARGUMENT, arg->value->span,
                                  weight ? "'%s:' is a number above 0 and up to 1"
                                         : "'%s:' is a duration above zero",
                                  name);
        diag_help(d, weight ? "write %s: 0.1" : "write %s: 2h", name);
    }
    return fits;
}

static bool named_needed(const struct scope *scope, const struct expr *expr)
{
    enum builtin b = expr->call.builtin;
    const char *need = b == BUILTIN_FORECAST                      ? "in"
                       : b == BUILTIN_EWMA || b == BUILTIN_ZSCORE ? "alpha"
                                                                  : NULL;
    if (!need || named_find(expr, need)) {
        return true;
    }
    struct diag *d = diag_add(scope->check->diags, DIAG_NAMED_ARGUMENT, expr->span,
                              "%s() needs '%s:'", expr->call.name.text, need);
    diag_help(d, same(need, "in") ? "say how far ahead: in: 2h"
                                  : "say how fast it forgets: alpha: 0.1");
    return false;
}

static bool arguments_fit(const struct scope *scope, const struct expr *expr,
                          const struct signature *s)
{
    size_t count = 0;
    bool fits = true;
    for (const struct argument *a = expr->call.arguments; a; a = a->next) {
        if (a->name.text) {
            bool season = same(a->name.text, "season");
            if (!named_known(scope, expr, a, s)) {
                fits = false;
            } else if (season) {
                struct diag *d =
                    diag_add(scope->check->diags, DIAG_FUNCTION_NOT_READY, a->name.span,
                             "forecasts with seasons are not in this version");
                diag_help(d, "remove 'season:'");
                fits = false;
            } else {
                fits = named_value(scope, a) && fits;
            }
            continue;
        }
        bool typed = a->value->type.kind != VALUE_UNTYPED;
        fits = fits && typed;
        if (typed && (count < s->most || s->repeats)) {
            fits =
                argument_kind(scope, expr, a->value, kind_of_letter(letter_at(s, count))) && fits;
        }
        count++;
    }
    return argument_counts(scope, expr, s, count) && named_needed(scope, expr) && fits;
}

/* ---- results ---- */

/* The vector a function is about: its first vector or range argument. */
static const struct expr *subject_of(const struct expr *expr)
{
    for (const struct argument *a = expr->call.arguments; a; a = a->next) {
        if (!a->name.text &&
            (a->value->type.kind == VALUE_VECTOR || a->value->type.kind == VALUE_RANGE)) {
            return a->value;
        }
    }
    return expr->call.arguments && !expr->call.arguments->name.text ? expr->call.arguments->value
                                                                    : NULL;
}

static const struct metric *metric_below(const struct expr *expr)
{
    while (expr->kind == EXPR_RANGE || expr->kind == EXPR_SUBQUERY || expr->kind == EXPR_PAREN) {
        expr = expr->kind == EXPR_PAREN ? expr->inner : expr->range.inner;
    }
    return expr->kind == EXPR_SELECTOR ? expr->selector.metric : NULL;
}

static bool wants_counter(enum builtin builtin)
{
    return builtin == BUILTIN_RATE || builtin == BUILTIN_INCREASE || builtin == BUILTIN_IRATE;
}

static void rate_of_gauge(const struct scope *scope, const struct expr *expr,
                          const struct expr *subject)
{
    const struct metric *metric = metric_below(subject);
    if (!wants_counter(expr->call.builtin) || !metric || metric->counter) {
        return;
    }
    struct diag *d = diag_add(scope->check->diags, DIAG_RATE_OF_GAUGE, expr->span,
                              "%s() reads each fall as a reset, and '%s' is not declared a counter",
                              expr->call.name.text, metric->name.text);
    if (metric->span.end) {
        diag_label(d, metric->name.span, "declared here");
    }
    diag_help(d, "use deriv(...) for a gauge, or declare the metric as counter");
    scope_soften(scope, d, false);
}

static struct dimension result_dimension(enum builtin_dimension rule, const struct expr *subject)
{
    struct dimension unknown = {0}, same_as = subject ? subject->type.dimension : unknown;
    struct dimension seconds = dimension_of_unit(UNIT_SECONDS, UNIT_NONE);
    switch (rule) {
    case DIMENSION_SAME: return same_as;
    case DIMENSION_PER_SECOND: {
        struct dimension d = dimension_divide(same_as, seconds);
        d.ratio = false; /* CPU seconds a second count cores, not shares */
        return same_as.known ? d : unknown;
    }
    case DIMENSION_NUMBER: return dimension_of_unit(UNIT_COUNT, UNIT_NONE);
    case DIMENSION_SECONDS: return seconds;
    case DIMENSION_RATIO: return dimension_of_unit(UNIT_RATIO, UNIT_NONE);
    case DIMENSION_UNKNOWN: return unknown;
    }
    return unknown;
}

static bool keeps_counter(enum builtin builtin)
{
    return builtin == BUILTIN_MAX_OVER_TIME || builtin == BUILTIN_MIN_OVER_TIME ||
           builtin == BUILTIN_AVG_OVER_TIME || builtin == BUILTIN_LAST_OVER_TIME;
}

/* Seconds that a range looks back, its offsets included. */
static double range_back(const struct expr *range)
{
    const struct expr *inner = expr_strip(range->range.inner);
    double offset = range->has_offset ? duration_to_seconds(range->offset) : 0;
    offset += inner->has_offset ? duration_to_seconds(inner->offset) : 0;
    return duration_to_seconds(range->range.range) + (offset > 0 ? offset : 0);
}

/* A forecast is from now on. */
static void forecast_at(const struct scope *scope, const struct expr *call)
{
    const struct expr *x = call->call.arguments ? expr_strip(call->call.arguments->value) : NULL;
    if (call->call.builtin == BUILTIN_FORECAST && x && x->at_kind != AT_NONE) {
        struct diag *d = diag_add(scope->check->diags, DIAG_FORM_NOT_READY, x->span,
                                  "a forecast of another time than now is not in this version");
        diag_help(d, "remove '@', or use offset, such as x offset 1h");
    }
}

static bool has_argument(const struct expr *call, const char *name)
{
    for (const struct argument *a = call->call.arguments; a; a = a->next) {
        if (same(a->name.text, name)) {
            return true;
        }
    }
    return false;
}

/* Windows keep their samples; how many days of them has a limit. */
static void windows_fit(const struct scope *scope, const struct expr *call)
{
    for (const struct argument *a = call->call.arguments; a; a = a->next) {
        const struct expr *value = expr_strip(a->value);
        double back = 0;
        if (value->kind == EXPR_RANGE || value->kind == EXPR_SUBQUERY) {
            back = range_back(value);
        } else if (call->call.builtin == BUILTIN_FORECAST && same(a->name.text, "lookback")) {
            back = expr_constant(value, &back) ? back : 0;
        } else if (call->call.builtin == BUILTIN_FORECAST && same(a->name.text, "in")) {
            back = expr_constant(value, &back) ? 4 * back : 0; /* without a lookback */
        }
        bool written = !same(a->name.text, "in") || !has_argument(call, "lookback");
        if (written && back > (double)WINDOW_DAYS_MAX * 86400) {
            struct diag *d = diag_add(scope->check->diags, DIAG_TOO_LARGE, a->value->span,
                                      "a window reaches back at most %d days, this one %.4g",
                                      WINDOW_DAYS_MAX, back / 86400);
            diag_help(d, "write a shorter one, such as %dd", WINDOW_DAYS_MAX);
        }
    }
}

/* What is wrong with an events() that has no definition: the first of its arguments that does not
 * fit, or what it lacks. */
static void report_events(const struct scope *scope, const struct expr *call)
{
    static const char example[] = "write events(deploy, service: checkout, within: 6h)";
    const struct argument *wrong = NULL;
    size_t kinds = 0;
    for (const struct argument *a = call->call.arguments; a && !wrong; a = a->next) {
        const bool within = same(a->name.text, "within");
        const bool text = expr_word(a->value) != NULL ||
                          (a->value->kind == EXPR_STRING && a->value->string.value[0] != '\0');
        kinds += !a->name.text;
        wrong = (within ? text || named_find(call, "within") != a : !text) || kinds > 1 ? a : NULL;
    }
    const struct argument *within = named_find(call, "within");
    wrong = !wrong && kinds == 1 ? within : wrong; /* no duration, or not above zero */
    const char *why = wrong && same(wrong->name.text, "within")
                          ? "'within:' is a duration above zero, written once"
                      : wrong && !wrong->name.text
                          ? "events() takes one kind of events, a word or a string"
                      : wrong      ? "a label of events() is a word or a string"
                      : kinds == 0 ? "events() needs a kind of events"
                                   : "events() needs 'within:'";
    struct diag *d = diag_add(scope->check->diags, DIAG_NAMED_ARGUMENT,
                              wrong ? wrong->value->span : call->span, "%s", why);
    diag_help(d, "%s", example);
}

static void type_events(const struct scope *scope, struct expr *expr)
{
    if (!expr->call.expansion) {
        report_events(scope, expr);
        return;
    }
    if (expr->call.expansion->type.kind != VALUE_UNTYPED) {
        expr->type.kind = VALUE_VECTOR;
        expr->type.role = ROLE_MEASUREMENT;
        expr->type.dimension = dimension_of_unit(UNIT_COUNT, UNIT_NONE);
    }
}

void type_call(const struct scope *scope, struct expr *expr)
{
    enum builtin builtin = expr->call.builtin;
    if (builtin == BUILTIN_NONE || !builtin_infos[builtin].ready) {
        return; /* said by the names */
    }
    if (builtin == BUILTIN_EVENTS) {
        type_events(scope, expr);
        return;
    }
    const struct builtin_info *info = &builtin_infos[builtin];
    struct signature signature = signature_of(info);
    if (!arguments_fit(scope, expr, &signature)) {
        return;
    }
    windows_fit(scope, expr);
    forecast_at(scope, expr);
    const struct expr *subject = subject_of(expr);
    if (subject) {
        rate_of_gauge(scope, expr, subject);
    }
    expr->type.kind = kind_of_letter(info->result);
    expr->type.dimension = result_dimension(info->dimension, subject);
    expr->type.weak = subject && subject->type.weak && expr->type.dimension.known;
    expr->type.counter = subject && subject->type.counter && keeps_counter(builtin);
    bool ahead = builtin == BUILTIN_FORECAST || builtin == BUILTIN_PREDICT_LINEAR;
    expr->type.role = ahead ? ROLE_FORECAST : subject ? subject->type.role : ROLE_MEASUREMENT;
}

/* ---- forecast(...) reaches ... ---- */

static const double chance_default = 0.8;

static void report_reaches(const struct scope *scope, struct span span, const char *message,
                           const char *help)
{
    struct diag *d = diag_add(scope->check->diags, DIAG_REACHES, span, "%s", message);
    diag_help(d, "%s", help);
}

static bool read_chance(const struct scope *scope, struct expr *expr, const struct expr *condition)
{
    const struct expr *c = expr_strip(condition);
    bool at_least =
        c->kind == EXPR_BINARY && (c->binary.op == OPERATOR_GE || c->binary.op == OPERATOR_GT);
    const char *word = at_least ? expr_word(expr_strip(c->binary.left)) : NULL;
    double value;
    if (!same(word, "chance") || !expr_constant(c->binary.right, &value)) {
        report_reaches(scope, condition->span, "the condition of a forecast is its chance",
                       "write with (chance >= 85%)");
        return false;
    }
    if (!(value > 0 && value < 1)) {
        report_reaches(scope, c->binary.right->span, "a chance is more than 0% and less than 100%",
                       "write chance >= 85%");
        return false;
    }
    expr->reaches.chance = value;
    return true;
}

void type_reaches(const struct scope *scope, struct expr *expr)
{
    struct expr *forecast = expr->reaches.forecast, *threshold = expr->reaches.threshold;
    const struct expr *call = expr_strip(forecast);
    expr->reaches.chance = chance_default;
    bool fits = true;
    if (call->kind != EXPR_CALL || call->call.builtin != BUILTIN_FORECAST) {
        report_reaches(scope, forecast->span, "only a forecast reaches a limit ahead of time",
                       "write forecast(NAME, in: 2h) reaches ...");
        fits = false;
    }
    size_t count = 0;
    for (struct argument *a = expr->reaches.conditions; a; a = a->next) {
        fits = read_chance(scope, expr, a->value) && fits;
        count++;
    }
    if (count > 1) {
        report_reaches(scope, expr->span, "a forecast has one chance",
                       "keep one of the conditions");
        fits = false;
    }
    if (!fits || forecast->type.kind == VALUE_UNTYPED || threshold->type.kind == VALUE_UNTYPED) {
        return;
    }
    if (threshold->type.kind != VALUE_VECTOR && threshold->type.kind != VALUE_SCALAR) {
        report_reaches(scope, threshold->span, "a forecast reaches a number or a signal",
                       "write a limit, such as 90% of limit");
        return;
    }
    if (!expr_bare(threshold) &&
        !dimension_equal(forecast->type.dimension, threshold->type.dimension)) {
        char left[128], right[128];
        dimension_print(forecast->type.dimension, left, sizeof left);
        dimension_print(threshold->type.dimension, right, sizeof right);
        struct diag *d = diag_add(scope->check->diags, DIAG_DIMENSION, expr->span,
                                  "a forecast of %s never reaches %s", left, right);
        diag_label(d, forecast->span, "%s", left);
        diag_label(d, threshold->span, "%s", right);
        diag_help(d, "write the limit in %s", left);
        scope_soften(scope, d, forecast->type.weak || threshold->type.weak);
        return;
    }
    expr->type = forecast->type;
    expr->type.kind = VALUE_VECTOR;
}
