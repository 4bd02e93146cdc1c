/* Waivers: a lint may be allowed at one place, until a day, for a reason. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "lang/lint_internal.h"

/* Days since 1970-01-01 of a proleptic Gregorian date; false for a date that does not exist. */
static bool days_of_date(int year, int month, int day, int64_t *ret_days)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    if (year < 1970 || year > 9999 || month < 1 || month > 12 || day < 1) {
        return false;
    }
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    int length = before[month] - before[month - 1] + (month == 2 && leap);
    if (day > length) {
        return false;
    }
    int past = year - 1;
    int64_t leaps = past / 4 - past / 100 + past / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400);
    *ret_days =
        (int64_t)(year - 1970) * 365 + leaps + before[month - 1] + (month > 2 && leap) + day - 1;
    return true;
}

/* ---- words of a comment ---- */

struct words {
    const char *at, *end;
};

static bool next_word(struct words *words, char *ret, size_t size)
{
    while (words->at < words->end && isspace((unsigned char)*words->at)) {
        words->at++;
    }
    const char *start = words->at;
    while (words->at < words->end && !isspace((unsigned char)*words->at)) {
        words->at++;
    }
    size_t length = (size_t)(words->at - start);
    if (length == 0 || length >= size) {
        return false;
    }
    memcpy(ret, start, length);
    ret[length] = '\0';
    return true;
}

static bool next_is(struct words *words, const char *want)
{
    char word[16];
    return next_word(words, word, sizeof word) && same(word, want);
}

static bool read_date(struct words *words, int64_t *ret_days)
{
    char word[16], tail;
    int year, month, day;
    if (!next_word(words, word, sizeof word) || strlen(word) != 10 ||
        sscanf(word, "%4d-%2d-%2d%c", &year, &month, &day, &tail) != 3) {
        return false;
    }
    return days_of_date(year, month, day, ret_days);
}

/* ---- what a waiver covers ---- */

static uint32_t line_end(const struct source *source, uint32_t offset)
{
    size_t at = offset - source->base;
    const char *newline =
        at < source->length ? memchr(source->text + at, '\n', source->length - at) : NULL;
    return source->base + (uint32_t)(newline ? (size_t)(newline - source->text) : source->length);
}

/* A waiver behind a statement covers its line; one on a line of its own covers the statement that
 * begins next, or the next line inside of one. */
static struct span waiver_covers(const struct file *file, const struct comment *comment)
{
    const struct source *source = file->source;
    if (!comment->own_line) {
        uint32_t start = comment->span.start;
        while (start > source->base && source->text[start - source->base - 1] != '\n') {
            start--;
        }
        return (struct span){start, line_end(source, start)};
    }
    uint32_t next = comment->span.end;
    for (;;) {
        while (next - source->base < source->length &&
               isspace((unsigned char)source->text[next - source->base])) {
            next++;
        }
        if (next - source->base >= source->length || source->text[next - source->base] != '#') {
            break;
        }
        next = line_end(source, next);
    }
    for (const struct item *item = file->items; item; item = item->next) {
        if (item->span.start == next) {
            return item->span;
        }
    }
    return (struct span){next, line_end(source, next)};
}

/* ---- reading ---- */

static void report_form(struct lint *lint, struct span span, const char *what)
{
    struct diag *d = diag_add(lint->diags, DIAG_WAIVER_FORM, span, "%s", what);
    diag_help(d, "write # heal: allow H1003 until 2027-01-01 because REASON");
}

static void read_waiver(struct lint *lint, const struct file *file, const struct comment *comment,
                        int64_t today)
{
    const char *text = file->source->text + (comment->span.start - file->source->base);
    struct words words = {text + 1, text + (comment->span.end - comment->span.start)};
    if (!next_is(&words, "heal:")) {
        return;
    }
    char code[16];
    if (!next_is(&words, "allow") || !next_word(&words, code, sizeof code)) {
        report_form(lint, comment->span, "a waiver allows one code");
        return;
    }
    enum diag_code which = diag_code_find(code);
    if (which == DIAG_COUNT || which < DIAG_FLAPPING || which > DIAG_UNUSED) {
        report_form(lint, comment->span, "only lints (H1001 to H1005) can be allowed");
        return;
    }
    int64_t until;
    if (!next_is(&words, "until") || !read_date(&words, &until)) {
        report_form(lint, comment->span, "a waiver ends on a day");
        return;
    }
    bool because = next_is(&words, "because");
    while (words.at < words.end && isspace((unsigned char)*words.at)) {
        words.at++;
    }
    if (!because || words.at >= words.end) {
        report_form(lint, comment->span, "a waiver has a reason");
        return;
    }
    if (until < today) {
        struct diag *d = diag_add(lint->diags, DIAG_WAIVER_EXPIRED, comment->span,
                                  "this waiver of %s ended %lld day%s ago", code,
                                  (long long)(today - until), today - until == 1 ? "" : "s");
        diag_help(d, "mend what it allows, or give it a later day and a reason that still holds");
        return;
    }
    struct waiver *waiver = ARENA_NEW(lint->arena, struct waiver);
    *waiver = (struct waiver){.code = which,
                              .span = comment->span,
                              .covers = waiver_covers(file, comment),
                              .next = lint->waivers};
    lint->waivers = waiver;
}

void waivers_read(struct lint *lint, struct instant today)
{
    static const int64_t ns_per_day = 86400 * NS_PER_S;
    for (const struct file *file = lint->program->files; file; file = file->next) {
        for (const struct comment *c = file->comments; c; c = c->next) {
            read_waiver(lint, file, c, today.ns / ns_per_day);
        }
    }
}

bool waived(struct lint *lint, enum diag_code code, struct span span)
{
    bool found = false;
    for (struct waiver *w = lint->waivers; w; w = w->next) {
        if (w->code == code && span.start >= w->covers.start && span.start <= w->covers.end) {
            w->used = true;
            found = true;
        }
    }
    return found;
}

void waivers_unused(struct lint *lint)
{
    for (const struct waiver *w = lint->waivers; w; w = w->next) {
        if (!w->used) {
            struct diag *d = diag_add(lint->diags, DIAG_WAIVER_UNUSED, w->span,
                                      "this waiver of %s waives nothing", diag_infos[w->code].code);
            diag_help(d, "remove it");
        }
    }
}
