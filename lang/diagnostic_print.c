/* Prints reports: with the source and carets, on one line each, or as JSON. */
#include <stdlib.h>
#include <string.h>

#include "lang/diagnostic.h"

enum { PRINT_TAB = 4, PRINT_LINE_MAX = 4096 };

struct palette {
    const char *error, *warning, *place, *bold, *off;
};
static const struct palette palette_plain = {"", "", "", "", ""};
static const struct palette palette_color = {"\x1b[1;31m", "\x1b[1;33m", "\x1b[1;34m", "\x1b[1m",
                                             "\x1b[0m"};

struct printer {
    const struct sources *sources;
    const struct palette *palette;
    FILE *out;
};

static const char *severity_word(const struct diag *diag)
{
    return diag->severity == SEVERITY_ERROR ? "error" : "warning";
}

/* ---- text with tabs, UTF-8 and control characters ---- */

static size_t rune_length(const unsigned char *text, size_t left)
{
    size_t n = text[0] >= 0xF0 ? 4 : text[0] >= 0xE0 ? 3 : text[0] >= 0xC2 ? 2 : 1;
    for (size_t i = 1; i < n; i++) {
        if (i >= left || (text[i] & 0xC0) != 0x80) {
            return 1;
        }
    }
    return n;
}

static uint32_t rune_of(const unsigned char *text, size_t n)
{
    uint32_t rune = n == 1   ? text[0]
                    : n == 2 ? text[0] & 0x1Fu
                    : n == 3 ? text[0] & 0xFu
                             : text[0] & 7u;
    for (size_t i = 1; i < n; i++) {
        rune = rune << 6 | (text[i] & 0x3Fu);
    }
    return rune;
}

/* Columns of a terminal, roughly: combining marks take none, East Asian and emoji two. */
static size_t rune_width(uint32_t rune)
{
    if ((rune >= 0x300 && rune < 0x370) || rune == 0x200B || rune == 0x200D ||
        (rune >= 0xFE00 && rune < 0xFE10)) {
        return 0;
    }
    bool wide = (rune >= 0x1100 && rune < 0x1160) || (rune >= 0x2E80 && rune < 0xA4D0) ||
                (rune >= 0xAC00 && rune < 0xD7A4) || (rune >= 0xF900 && rune < 0xFB00) ||
                (rune >= 0xFF00 && rune < 0xFF61) || (rune >= 0x1F300 && rune < 0x1FB00) ||
                (rune >= 0x20000 && rune < 0x40000);
    return wide ? 2 : 1;
}

/* True for what must not reach a terminal as it is: controls, and marks that turn its direction. */
static bool rune_is_hidden(uint32_t rune)
{
    return rune < 0x20 || (rune >= 0x7F && rune < 0xA0) || (rune >= 0x202A && rune <= 0x202E) ||
           (rune >= 0x2066 && rune <= 0x2069);
}

/* Prints text[length] and returns its width; with out NULL only measures. */
static size_t print_visible(const char *text, size_t length, FILE *out)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t width = 0;
    for (size_t i = 0; i < length;) {
        size_t n = rune_length(p + i, length - i);
        uint32_t rune = rune_of(p + i, n);
        char shown[16];
        if (rune == '\t') {
            snprintf(shown, sizeof shown, "%*s", PRINT_TAB, "");
            width += PRINT_TAB;
        } else if (rune_is_hidden(rune) || (n == 1 && rune >= 0x80)) {
            width += (size_t)snprintf(shown, sizeof shown, rune > 0xFF ? "\\u%04x" : "\\x%02x",
                                      (unsigned)rune);
        } else {
            snprintf(shown, sizeof shown, "%.*s", (int)n, text + i);
            width += rune_width(rune);
        }
        if (out) {
            fputs(shown, out);
        }
        i += n;
    }
    return width;
}

/* ---- full ---- */

struct line {
    const char *text;
    size_t length;
    uint32_t start; /* offset of its first byte */
};

static struct line line_at(struct position position)
{
    const struct source *source = position.source;
    size_t start = source->lines[position.line - 1];
    size_t end = position.line < source->line_count ? source->lines[position.line] : source->length;
    while (end > start && (source->text[end - 1] == '\n' || source->text[end - 1] == '\r')) {
        end--;
    }
    size_t length = end - start < PRINT_LINE_MAX ? end - start : PRINT_LINE_MAX;
    return (struct line){source->text + start, length, source->base + (uint32_t)start};
}

/* Marks of one line: columns of the part of span that lies on it. */
static size_t mark_columns(const struct line *line, struct span span, size_t *ret_width)
{
    size_t from = span.start > line->start ? span.start - line->start : 0;
    size_t to = span.end > line->start ? span.end - line->start : 0;
    from = from < line->length ? from : line->length;
    to = to < line->length ? to : line->length;
    size_t width = to > from ? print_visible(line->text + from, to - from, NULL) : 1;
    *ret_width = width ? width : 1;
    return print_visible(line->text, from, NULL);
}

static void print_marks(const struct printer *p, size_t column, size_t width, char mark,
                        const char *color, const char *words)
{
    fprintf(p->out, "%*s%s", (int)column, "", color);
    for (size_t i = 0; i < width; i++) {
        fputc(mark, p->out);
    }
    fprintf(p->out, "%s%s%s", words ? " " : "", words ? words : "", p->palette->off);
}

static void print_gutter(const struct printer *p, int width, size_t line)
{
    fprintf(p->out, "%s", p->palette->place);
    if (line > 0) {
        fprintf(p->out, " %*zu |", width, line);
    } else {
        fprintf(p->out, " %*s |", width, "");
    }
    fprintf(p->out, "%s", p->palette->off);
}

static void print_source_line(const struct printer *p, int gutter, struct position position)
{
    struct line line = line_at(position);
    print_gutter(p, gutter, position.line);
    fputc(' ', p->out);
    print_visible(line.text, line.length, p->out);
    fputc('\n', p->out);
}

static const char *severity_color(const struct printer *p, const struct diag *diag)
{
    return diag->severity == SEVERITY_ERROR ? p->palette->error : p->palette->warning;
}

/* The carets, and on the same line a label that lies to their right. */
static void print_main_marks(const struct printer *p, int gutter, const struct diag *diag,
                             struct position at, int label)
{
    struct line line = line_at(at);
    size_t width = 0, label_width = 0;
    size_t column = mark_columns(&line, diag->span, &width);
    bool alone = label < 0;
    print_gutter(p, gutter, 0);
    print_marks(p, column + 1, width, '^', severity_color(p, diag), alone ? diag->here : NULL);
    if (!alone) {
        size_t start = mark_columns(&line, diag->labels[label].span, &label_width);
        print_marks(p, start - column - width, label_width, '~', p->palette->place,
                    diag->labels[label].text);
    }
    fputc('\n', p->out);
    if (!alone && diag->here) {
        print_gutter(p, gutter, 0);
        fprintf(p->out, "%*s%s%s%s\n", (int)column + 1, "", severity_color(p, diag), diag->here,
                p->palette->off);
    }
}

static void print_label(const struct printer *p, int gutter, const struct diag *diag, size_t i,
                        struct position main)
{
    struct position at = sources_position(p->sources, diag->labels[i].span.start);
    if (!at.source) {
        return;
    }
    struct line line = line_at(at);
    size_t width = 0, column = mark_columns(&line, diag->labels[i].span, &width);
    if (at.source != main.source) {
        fprintf(p->out, "%s %*s ::: %s%s:%zu:%zu\n", p->palette->place, gutter, "", p->palette->off,
                at.source->path, at.line, at.column);
    }
    if (at.source != main.source || at.line != main.line) {
        print_source_line(p, gutter, at);
    }
    print_gutter(p, gutter, 0);
    print_marks(p, column + 1, width, '~', p->palette->place, diag->labels[i].text);
    fputc('\n', p->out);
}

static int gutter_width(const struct printer *p, const struct diag *diag)
{
    size_t most = sources_position(p->sources, diag->span.start).line;
    for (size_t i = 0; i < diag->label_count; i++) {
        size_t line = sources_position(p->sources, diag->labels[i].span.start).line;
        most = line > most ? line : most;
    }
    return snprintf(NULL, 0, "%zu", most);
}

/* The label that fits on the line of the carets, to their right; -1 when none does. */
static int label_beside(const struct printer *p, const struct diag *diag, struct position at)
{
    for (size_t i = 0; i < diag->label_count; i++) {
        struct position label = sources_position(p->sources, diag->labels[i].span.start);
        if (label.source == at.source && label.line == at.line &&
            diag->labels[i].span.start > diag->span.end) {
            return (int)i;
        }
    }
    return -1;
}

static void print_full(const struct printer *p, const struct diag *diag)
{
    struct position at = sources_position(p->sources, diag->span.start);
    fprintf(p->out, "%s%s[%s]%s%s: %s%s\n", severity_color(p, diag), severity_word(diag),
            diag_infos[diag->code].code, p->palette->off, p->palette->bold, diag->message,
            p->palette->off);
    int gutter = gutter_width(p, diag);
    if (diag->span.end > 0 && at.source) {
        fprintf(p->out, "%s%*s-->%s ", p->palette->place, gutter + 1, "", p->palette->off);
        print_visible(at.source->path, strlen(at.source->path), p->out);
        fprintf(p->out, ":%zu:%zu\n", at.line, at.column);
        print_gutter(p, gutter, 0);
        fputc('\n', p->out);
        print_source_line(p, gutter, at);
        int beside = label_beside(p, diag, at);
        print_main_marks(p, gutter, diag, at, beside);
        for (size_t i = 0; i < diag->label_count; i++) {
            if ((int)i != beside) {
                print_label(p, gutter, diag, i, at);
            }
        }
    }
    if (diag->help) {
        fprintf(p->out, "%s%*s =%s help: %s\n", p->palette->place, gutter + 1, "", p->palette->off,
                diag->help);
    }
    fputc('\n', p->out);
}

/* ---- concise and json ---- */

static void print_concise(const struct printer *p, const struct diag *diag)
{
    struct position at = sources_position(p->sources, diag->span.start);
    if (diag->span.end > 0 && at.source) {
        print_visible(at.source->path, strlen(at.source->path), p->out);
        fprintf(p->out, ":%zu:%zu: ", at.line, at.column);
    }
    fprintf(p->out, "%s%s[%s]%s: %s\n", severity_color(p, diag), severity_word(diag),
            diag_infos[diag->code].code, p->palette->off, diag->message);
}

static void json_string(FILE *out, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t length = strlen(text);
    fputc('"', out);
    for (size_t i = 0; i < length;) {
        size_t n = rune_length(p + i, length - i);
        if (n == 1 && (p[i] < 0x20 || p[i] >= 0x7F)) {
            fprintf(out, "\\u%04x", p[i] >= 0x80 ? 0xFFFDu : (unsigned)p[i]);
        } else if (n == 1 && (p[i] == '"' || p[i] == '\\')) {
            fprintf(out, "\\%c", p[i]);
        } else {
            fwrite(p + i, 1, n, out);
        }
        i += n;
    }
    fputc('"', out);
}

static void json_place(const struct printer *p, struct span span)
{
    struct position at = sources_position(p->sources, span.start);
    struct position end = sources_position(p->sources, span.end);
    if (span.end == 0 || !at.source) {
        fputs("null", p->out);
        return;
    }
    fputs("{\"file\": ", p->out);
    json_string(p->out, at.source->path);
    fprintf(p->out, ", \"line\": %zu, \"column\": %zu, \"end_line\": %zu, \"end_column\": %zu}",
            at.line, at.column, end.line, end.column);
}

static void json_words(FILE *out, const char *key, const char *words)
{
    if (words) {
        fprintf(out, ", \"%s\": ", key);
        json_string(out, words);
    }
}

static void print_json(const struct printer *p, const struct diag *diag)
{
    fprintf(p->out,
            "{\"schema\": \"heal.diag/1\", \"code\": \"%s\", \"slug\": \"%s\", "
            "\"severity\": \"%s\"",
            diag_infos[diag->code].code, diag_infos[diag->code].slug, severity_word(diag));
    json_words(p->out, "message", diag->message);
    fputs(", \"place\": ", p->out);
    json_place(p, diag->span);
    json_words(p->out, "here", diag->here);
    fputs(", \"labels\": [", p->out);
    for (size_t i = 0; i < diag->label_count; i++) {
        fprintf(p->out, "%s{\"place\": ", i ? ", " : "");
        json_place(p, diag->labels[i].span);
        json_words(p->out, "text", diag->labels[i].text);
        fputc('}', p->out);
    }
    fputc(']', p->out);
    json_words(p->out, "help", diag->help);
    fputs("}\n", p->out);
}

static int compare_places(const void *a, const void *b)
{
    const struct diag *x = *(const struct diag *const *)a, *y = *(const struct diag *const *)b;
    return x->span.start != y->span.start ? (x->span.start < y->span.start ? -1 : 1)
                                          : (int)x->code - (int)y->code;
}

void diag_print(const struct diag_list *list, enum diag_format format, bool color, FILE *out)
{
    struct printer printer = {list->sources, color ? &palette_color : &palette_plain, out};
    const struct diag *sorted[DIAGS_MAX];
    size_t count = 0;
    for (const struct diag *diag = list->first; diag; diag = diag->next) {
        CHECK(count < DIAGS_MAX);
        sorted[count++] = diag;
    }
    qsort(sorted, count, sizeof sorted[0], compare_places);
    for (size_t i = 0; i < count; i++) {
        switch (format) {
        case DIAG_FULL: print_full(&printer, sorted[i]); break;
        case DIAG_CONCISE: print_concise(&printer, sorted[i]); break;
        case DIAG_JSON: print_json(&printer, sorted[i]); break;
        }
    }
    size_t all = list->errors + list->warnings;
    if (all > count && format != DIAG_JSON) {
        fprintf(out, "and %zu more\n", all - count);
    }
}
