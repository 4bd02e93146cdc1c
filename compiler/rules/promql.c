/* PromQL to heal: where both would read a text differently, and what is not PromQL. */
#include "compiler/rules/promql.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/parse/keyword.h"
#include "lang/parser.h"

enum { PROMQL_NUMBER_MAX = 400 };

/* A place in the new text and the one it comes from. */
struct mark {
    size_t to, from;
};

struct rewriter {
    struct arena *arena;
    const char *text;
    size_t at;
    char *out; /* heap */
    size_t length, capacity;
    struct mark *marks; /* heap: where something was put in or taken out */
    size_t mark_count, mark_capacity;
    unsigned brackets, braces;
    bool labels; /* between the parentheses of by (...) and its like */
    struct promql *ret;
    struct promql_change **last;
};

/* ---- output ---- */

static void put(struct rewriter *r, const char *text, size_t length)
{
    if (r->length + length + 1 > r->capacity) {
        r->capacity = 2 * (r->length + length) + 64;
        r->out = heap_resize(r->out, r->capacity);
    }
    memcpy(r->out + r->length, text, length);
    r->length += length;
    r->out[r->length] = '\0';
}

static void mark(struct rewriter *r)
{
    ARRAY_RESERVE(r->marks, r->mark_count, r->mark_capacity);
    r->marks[r->mark_count++] = (struct mark){r->length, r->at};
}

/* Copies what stands from here to `end`. */
static void copy(struct rewriter *r, size_t end)
{
    put(r, r->text + r->at, end - r->at);
    r->at = end;
}

/* Writes other words for what stands from here to `end`, and says so once for each sentence. */
static void replace(struct rewriter *r, size_t end, const char *with, const char *change)
{
    const struct promql_change *said = r->ret->changes;
    mark(r);
    put(r, with, strlen(with));
    r->at = end;
    mark(r);
    while (said && strcmp(said->text, change) != 0) {
        said = said->next;
    }
    if (said == NULL) {
        *r->last = ARENA_NEW(r->arena, struct promql_change);
        (*r->last)->text = arena_strdup(r->arena, change);
        r->last = &(*r->last)->next;
    }
}

static struct rules_place place_in(const char *text, size_t at)
{
    struct rules_place place = {1, 1};
    for (size_t i = 0; i < at && text[i]; i++) {
        place.column++;
        if (text[i] == '\n') {
            place.line++;
            place.column = 1;
        }
    }
    return place;
}

static bool refuse(struct rewriter *r, size_t at, const char *fmt, const char *what)
{
    r->ret->place = place_in(r->text, at);
    r->ret->why = arena_printf(r->arena, "%s%s%s", fmt, what ? " " : "", what ? what : "");
    return false;
}

/* ---- words ---- */

static bool word_is(const char *text, size_t length, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(words[i]) == length && strncasecmp(words[i], text, length) == 0) {
            return true;
        }
    }
    return false;
}

/* Behind blanks and comments. */
static size_t skip_blank(const char *text, size_t at)
{
    for (;;) {
        at += strspn(text + at, " \t\r\n");
        if (text[at] != '#') {
            return at;
        }
        at += strcspn(text + at, "\n");
    }
}

/* A metric whose name heal takes for a word of its own. */
static void rewrite_metric(struct rewriter *r, size_t end, const char *name)
{
    size_t next = skip_blank(r->text, end);
    const char *change = arena_printf(
        r->arena, "the metric '%s' is written with braces, for the bare name means something else",
        name);
    if (r->text[next] != '{') {
        replace(r, end, arena_printf(r->arena, "{__name__=\"%s\"}", name), change);
        return;
    }
    bool empty = r->text[skip_blank(r->text, next + 1)] == '}';
    replace(r, next + 1, arena_printf(r->arena, "{__name__=\"%s\"%s", name, empty ? "" : ", "),
            change);
    r->braces++;
}

static void read_word(struct rewriter *r)
{
    static const char *const grouping[] = {"by",       "without",    "on",
                                           "ignoring", "group_left", "group_right"};
    static const char *const operators[] = {"and",  "or",     "unless", "atan2",
                                            "bool", "offset", "inf",    "nan"};
    const char *word = r->text + r->at;
    size_t length = 0;
    while (isalnum((unsigned char)word[length]) || word[length] == '_' ||
           (word[length] == ':' && r->brackets == 0)) {
        length++;
    }
    size_t end = r->at + length, next = skip_blank(r->text, end);
    bool call = r->text[next] == '(';
    if (word_is(word, length, grouping, ARRAY_LEN(grouping))) {
        r->labels = call;
    } else if (!call && !r->labels && r->braces == 0 && r->brackets == 0 &&
               !word_is(word, length, operators, ARRAY_LEN(operators))) {
        const char *name = arena_strndup(r->arena, word, length);
        if (!keyword_is_bare_metric(name)) {
            rewrite_metric(r, end, name);
            return;
        }
    }
    copy(r, end);
}

/* ---- numbers ---- */

static bool is_duration(const char *text)
{
    static const char *const units[] = {"ms", "s", "m", "h", "d", "w", "y"};
    while (*text) {
        size_t digits = strspn(text, "0123456789"), letters = strspn(text + digits, "smhdwy");
        if (digits == 0 || !word_is(text + digits, letters, units, ARRAY_LEN(units))) {
            return false;
        }
        text += digits + letters;
    }
    return true;
}

static bool is_hex(const char *text)
{
    return text[0] == '0' && (text[1] == 'x' || text[1] == 'X') && text[2] &&
           text[2 + strspn(text + 2, "0123456789abcdefABCDEF")] == '\0';
}

static bool is_decimal(const char *text)
{
    size_t whole = strspn(text, "0123456789"), part = 0;
    text += whole;
    if (*text == '.') {
        part = strspn(++text, "0123456789");
        text += part;
    }
    if (whole + part == 0) {
        return false;
    }
    if (*text == 'e' || *text == 'E') {
        text++;
        text += *text == '+' || *text == '-';
        whole = strspn(text, "0123456789");
        text += whole;
    }
    return *text == '\0' && whole + part > 0;
}

/* What PromQL would read as octal: 010 is 8. */
static bool is_octal(const char *text)
{
    return text[0] == '0' && text[1] && text[strspn(text, "01234567")] == '\0';
}

/* The number that begins here: where it ends, and the text without underscores. */
static size_t number_cut(const struct rewriter *r, char *ret)
{
    const char *text = r->text + r->at;
    bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    size_t i = 0, n = 0;
    for (; isalnum((unsigned char)text[i]) || text[i] == '_' || text[i] == '.' ||
           ((text[i] == '+' || text[i] == '-') && i > 0 && !hex &&
            (text[i - 1] == 'e' || text[i - 1] == 'E') && isdigit((unsigned char)text[i + 1]));
         i++) {
        if (text[i] != '_' && n < PROMQL_NUMBER_MAX) {
            ret[n++] = text[i];
        }
    }
    ret[n] = '\0';
    return r->at + i;
}

static bool read_number(struct rewriter *r)
{
    char number[PROMQL_NUMBER_MAX + 1];
    size_t end = number_cut(r, number);
    bool duration = is_duration(number);
    if (!duration && !is_hex(number) && !is_decimal(number)) {
        return refuse(
            r, r->at, "this is no number of PromQL:",
            arena_strndup(r->arena, r->text + r->at, end - r->at < 60 ? end - r->at : 60));
    }
    if (is_octal(number)) {
        char decimal[32];
        snprintf(decimal, sizeof decimal, "%llu", strtoull(number, NULL, 8));
        replace(r, end, decimal,
                "a number that begins with 0 is octal in PromQL, and written decimal");
    } else if (strlen(number) != end - r->at) {
        replace(r, end, number, "numbers are written without underscores");
    } else {
        copy(r, end);
    }
    if (r->text[end] == '%') {
        replace(r, end, " ", "a blank stands before '%', which behind a number is a percentage");
    } else if (r->text[end] == '/' && isalpha((unsigned char)number[strlen(number) - 1])) {
        replace(r, end, " ", "a blank stands before '/', which behind a unit makes a rate");
    }
    return true;
}

/* ---- the rest ---- */

static bool read_string(struct rewriter *r)
{
    size_t end = r->at + 1;
    char quote = r->text[r->at];
    while (r->text[end] && r->text[end] != quote) {
        end += r->text[end] == '\\' && quote != '`' && r->text[end + 1] ? 2 : 1;
    }
    if (r->text[end] == '\0') {
        return refuse(r, r->at, "the string that starts here is not closed", NULL);
    }
    copy(r, end + 1);
    return true;
}

static void read_sign(struct rewriter *r)
{
    char c = r->text[r->at];
    r->brackets += c == '[' ? 1 : c == ']' && r->brackets > 0 ? -1U : 0;
    r->braces += c == '{' ? 1 : c == '}' && r->braces > 0 ? -1U : 0;
    r->labels &= c != ')';
    copy(r, r->at + 1);
}

static bool rewrite(struct rewriter *r)
{
    bool good = true;
    put(r, "", 0);
    while (good && r->text[r->at]) {
        char c = r->text[r->at];
        if (isspace((unsigned char)c) || c == '#') {
            copy(r, skip_blank(r->text, r->at));
        } else if (c == '"' || c == '\'' || c == '`') {
            good = read_string(r);
        } else if (isdigit((unsigned char)c) ||
                   (c == '.' && isdigit((unsigned char)r->text[r->at + 1]))) {
            good = read_number(r);
        } else if (isalpha((unsigned char)c) || c == '_' || (c == ':' && r->brackets == 0)) {
            read_word(r);
        } else {
            read_sign(r);
        }
    }
    return good;
}

/* Where in the given text an offset of the new one is. */
static size_t mark_back(const struct rewriter *r, size_t at)
{
    struct mark last = {0, 0};
    for (size_t i = 0; i < r->mark_count && r->marks[i].to <= at; i++) {
        last = r->marks[i];
    }
    return last.from + (at - last.to);
}

/* ---- what is not PromQL ---- */

struct foreign {
    const char *what;
    struct span span;
};

static bool foreign_in(const struct expr *expr, struct foreign *ret);

static bool foreign_is(const struct expr *expr, const char *what, struct foreign *ret)
{
    *ret = (struct foreign){what, expr->span};
    return true;
}

static bool foreign_call(const struct expr *expr, struct foreign *ret)
{
    enum builtin builtin = builtin_find(expr->call.name.text);
    const char *name = expr->call.name.text;
    if (strncmp(name, "histogram_", 10) == 0 && strcmp(name, "histogram_quantile") != 0) {
        return foreign_is(expr, "a function of native histograms, which heal does not have", ret);
    }
    if (builtin == BUILTIN_NONE) {
        return foreign_is(expr, "no stable function of PromQL has this name", ret);
    }
    if (strchr(builtin_infos[builtin].arguments, ':')) {
        return foreign_is(expr, "this is a function of heal, not of PromQL", ret);
    }
    for (const struct argument *a = expr->call.arguments; a; a = a->next) {
        if (a->name.text ? foreign_is(a->value, "PromQL has no named arguments", ret)
                         : foreign_in(a->value, ret)) {
            return true;
        }
    }
    return false;
}

/* What only heal has. */
static bool foreign_in(const struct expr *expr, struct foreign *ret)
{
    CHECK(expr); /* the parser reported no error */
    switch (expr->kind) {
    case EXPR_NUMBER:
    case EXPR_STRING:
    case EXPR_SELECTOR: return false;
    case EXPR_RANGE:
    case EXPR_SUBQUERY: return foreign_in(expr->range.inner, ret);
    case EXPR_CALL: return foreign_call(expr, ret);
    case EXPR_AGGREGATE:
        return (expr->aggregate.parameter && foreign_in(expr->aggregate.parameter, ret)) ||
               foreign_in(expr->aggregate.inner, ret);
    case EXPR_BINARY:
        return foreign_in(expr->binary.left, ret) || foreign_in(expr->binary.right, ret);
    case EXPR_UNARY: return foreign_in(expr->unary.inner, ret);
    case EXPR_PAREN: return foreign_in(expr->inner, ret);
    case EXPR_PERCENT_OF: return foreign_is(expr, "PromQL has no percentages", ret);
    case EXPR_REACHES: return foreign_is(expr, "PromQL has no 'reaches'", ret);
    case EXPR_LIST: return foreign_is(expr, "PromQL has no lists", ret);
    }
    return false;
}

/* By heal's own parser; true when it is an expression of PromQL. */
static bool parses(struct rewriter *r)
{
    struct sources sources = {0};
    struct arena arena = {0};
    struct diag_list diags;
    struct error error;
    struct foreign foreign;
    bool good = false;
    diag_list_init(&diags, &arena, &sources);
    const struct source *source = sources_add(&sources, "", r->out, r->length, &error);
    CHECK(source);
    const struct expr *expr = parse_expression(&arena, source, &diags);
    if (diags.errors > 0 || expr == NULL) {
        const struct diag *diag = diags.first;
        while (diag && diag->severity != SEVERITY_ERROR) {
            diag = diag->next;
        }
        size_t at = diag && diag->span.end ? diag->span.start - source->base : 0;
        refuse(r, mark_back(r, at), diag ? diag->message : "this is no expression", NULL);
    } else if (foreign_in(expr, &foreign)) {
        refuse(r, mark_back(r, foreign.span.start - source->base), foreign.what, NULL);
    } else {
        good = true;
    }
    sources_release(&sources);
    arena_release(&arena);
    return good;
}

bool promql_read(struct arena *arena, const char *text, struct promql *ret)
{
    struct rewriter r = {.arena = arena, .text = text, .ret = ret, .last = &ret->changes};
    *ret = (struct promql){0};
    bool good = strlen(text) <= PROMQL_BYTES_MAX
                    ? rewrite(&r) && parses(&r)
                    : refuse(&r, 0, "an expression of more than 64 KiB", NULL);
    if (good) {
        ret->text = arena_strndup(arena, r.out, r.length);
    }
    free(r.out);
    free(r.marks);
    return good;
}
