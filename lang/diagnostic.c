/* The list of reports, and the pages that explain them. Printing is in diagnostic_print.c. */
#include "lang/diagnostic.h"

#include <stdarg.h>
#include <string.h>
#include <strings.h>

const struct diag_info diag_infos[DIAG_COUNT] = {
#define DIAGNOSTIC(name, code, severity, slug, title) \
    [DIAG_##name] = {#code, SEVERITY_##severity, slug, title},
#include "lang/diagnostic.def"
#undef DIAGNOSTIC
};

void diag_list_init(struct diag_list *list, struct arena *arena, const struct sources *sources)
{
    *list = (struct diag_list){.arena = arena, .sources = sources};
    list->last = &list->first;
}

/* Control characters and escape sequences of a policy never reach a terminal: \n, \t or \x1b. */
static char *diag_escape(struct arena *arena, const char *text)
{
    static const char hex[] = "0123456789abcdef";
    size_t length = strlen(text);
    char *ret = arena_alloc(arena, 4 * length + 1);
    char *out = ret;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        bool c1 =
            c == 0xC2 && (unsigned char)text[i + 1] >= 0x80 && (unsigned char)text[i + 1] < 0xA0;
        if (c == '\n' || c == '\t') {
            *out++ = '\\';
            *out++ = c == '\n' ? 'n' : 't';
        } else if (c < 0x20 || c == 0x7F || c1) {
            c = c1 ? (unsigned char)text[++i] : c;
            *out++ = '\\';
            *out++ = 'x';
            *out++ = hex[c >> 4];
            *out++ = hex[c & 15];
        } else {
            *out++ = (char)c;
        }
    }
    *out = '\0';
    return ret;
}

static const char *diag_words(struct arena *arena, const char *fmt, va_list args) PRINTF_LIKE(2, 0);
static const char *diag_words(struct arena *arena, const char *fmt, va_list args)
{
    char words[1024];
    vsnprintf(words, sizeof words, fmt, args);
    return diag_escape(arena, words);
}

static bool diag_is_known(const struct diag_list *list, enum diag_code code, struct span span)
{
    for (const struct diag *diag = list->first; diag; diag = diag->next) {
        if (diag->code == code && diag->span.start == span.start && diag->span.end == span.end) {
            return true;
        }
    }
    return false;
}

struct diag *diag_add(struct diag_list *list, enum diag_code code, struct span span,
                      const char *fmt, ...)
{
    struct diag *diag = ARENA_NEW(list->arena, struct diag);
    diag->code = code;
    diag->severity = diag_infos[code].severity;
    diag->span = span;
    diag->list = list;
    va_list args;
    va_start(args, fmt);
    diag->message = diag_words(list->arena, fmt, args);
    va_end(args);
    bool known = diag_is_known(list, code, span) && span.end > 0;
    if (known) {
        diag->list = NULL;
        return diag;
    }
    *(diag->severity == SEVERITY_ERROR ? &list->errors : &list->warnings) += 1;
    if (list->kept < DIAGS_MAX) {
        *list->last = diag;
        list->last = &diag->next;
        list->kept++;
    }
    return diag;
}

/* The arena of a report that may be in no list: its words are then not kept. */
#define DIAG_SET(field)                                         \
    do {                                                        \
        if (diag->list) {                                       \
            va_list args;                                       \
            va_start(args, fmt);                                \
            (field) = diag_words(diag->list->arena, fmt, args); \
            va_end(args);                                       \
        }                                                       \
    } while (0)

struct diag *diag_label(struct diag *diag, struct span span, const char *fmt, ...)
{
    if (diag->label_count < DIAG_LABELS_MAX) {
        diag->labels[diag->label_count].span = span;
        DIAG_SET(diag->labels[diag->label_count].text);
        diag->label_count += diag->list != NULL;
    }
    return diag;
}

struct diag *diag_here(struct diag *diag, const char *fmt, ...)
{
    DIAG_SET(diag->here);
    return diag;
}

struct diag *diag_help(struct diag *diag, const char *fmt, ...)
{
    DIAG_SET(diag->help);
    return diag;
}

void diag_lower(struct diag *diag)
{
    if (diag->severity == SEVERITY_ERROR) {
        diag->severity = SEVERITY_WARNING;
        if (diag->list) {
            diag->list->errors--;
            diag->list->warnings++;
        }
    }
}

enum diag_code diag_code_find(const char *code)
{
    for (int i = 0; i < DIAG_COUNT; i++) {
        if (strcasecmp(diag_infos[i].code, code) == 0) {
            return (enum diag_code)i;
        }
    }
    return DIAG_COUNT;
}

static const struct {
    const char *code, *text;
} diag_pages[] = {
#include "lang/diagnostic_pages.inc"
};

const char *diag_page(enum diag_code code)
{
    for (size_t i = 0; i < ARRAY_LEN(diag_pages); i++) {
        if (strcmp(diag_pages[i].code, diag_infos[code].code) == 0) {
            return diag_pages[i].text;
        }
    }
    return diag_infos[code].title;
}
