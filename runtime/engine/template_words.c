/* The functions of templates over names and words: case, hosts, regular expressions. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/engine/regex.h"
#include "runtime/engine/template_internal.h"

/* ---- case ---- */

/* The other case of letters outside of ASCII: Latin-1, Latin Extended-A, Greek, Cyrillic, Armenian.
 * Others stay as they are. */
static uint32_t rune_upper(uint32_t c)
{
    if (c < 0x80) {
        return (uint32_t)toupper((int)c);
    }
    bool extended =
        c >= 0x100 && c <= 0x17F && c != 0x131 && c != 0x138 && c != 0x149 && c != 0x17F;
    bool odd_is_upper = (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E);
    if (extended && c != 0x130 && c != 0x178) {
        return odd_is_upper ? c - (c % 2 == 0) : c - (c % 2 == 1);
    }
    return c == 0xB5                                                  ? 0x39C
           : c == 0xFF                                                ? 0x178
           : c == 0x131                                               ? 'I'
           : c == 0x3C2                                               ? 0x3A3
           : (c >= 0xE0 && c <= 0xFE && c != 0xF7)                    ? c - 32
           : (c >= 0x3B1 && c <= 0x3C9) || (c >= 0x430 && c <= 0x44F) ? c - 32
           : c >= 0x450 && c <= 0x45F                                 ? c - 80
           : c >= 0x561 && c <= 0x586                                 ? c - 48
                                                                      : c;
}

static uint32_t rune_lower(uint32_t c)
{
    if (c < 0x80) {
        return (uint32_t)tolower((int)c);
    }
    bool extended =
        c >= 0x100 && c <= 0x17F && c != 0x131 && c != 0x138 && c != 0x149 && c != 0x17F;
    bool odd_is_upper = (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E);
    if (extended && c != 0x130 && c != 0x178) {
        return odd_is_upper ? c + (c % 2 == 1) : c + (c % 2 == 0);
    }
    return c == 0x130                                                 ? 'i'
           : c == 0x178                                               ? 0xFF
           : (c >= 0xC0 && c <= 0xDE && c != 0xD7)                    ? c + 32
           : (c >= 0x391 && c <= 0x3A9) || (c >= 0x410 && c <= 0x42F) ? c + 32
           : c >= 0x400 && c <= 0x40F                                 ? c + 80
           : c >= 0x531 && c <= 0x556                                 ? c + 48
                                                                      : c;
}

/* What stands between words: blanks, and signs of ASCII but the underscore. */
static bool rune_separates(uint32_t c)
{
    if (c < 0x80) {
        return !isalnum((int)c) && c != '_';
    }
    return c == 0x85 || c == 0xA0 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
           c == 0x202F || c == 0x205F || c == 0x3000;
}

enum letters { LETTERS_UPPER, LETTERS_LOWER, LETTERS_TITLE };

static enum status change_case(struct template_run *run, struct template_text text,
                               enum letters letters, struct template_value *ret)
{
    struct template_out out = {0};
    uint32_t before = ' ';
    for (size_t i = 0; i < text.length;) {
        uint32_t rune, changed;
        i += template_rune(text.bytes + i, text.length - i, &rune);
        changed = letters == LETTERS_UPPER || (letters == LETTERS_TITLE && rune_separates(before))
                      ? rune_upper(rune)
                  : letters == LETTERS_LOWER ? rune_lower(rune)
                                             : rune;
        template_out_rune(&out, changed);
        before = rune;
    }
    return template_take(run, &out, ret);
}

enum status template_call_title(struct template_run *run, const struct template_value *arguments,
                                size_t count, struct template_value *ret)
{
    (void)count;
    return change_case(run, arguments[0].text, LETTERS_TITLE, ret);
}

enum status template_call_to_upper(struct template_run *run, const struct template_value *arguments,
                                   size_t count, struct template_value *ret)
{
    (void)count;
    return change_case(run, arguments[0].text, LETTERS_UPPER, ret);
}

enum status template_call_to_lower(struct template_run *run, const struct template_value *arguments,
                                   size_t count, struct template_value *ret)
{
    (void)count;
    return change_case(run, arguments[0].text, LETTERS_LOWER, ret);
}

/* ---- hosts ---- */

/* host:port or [host]:port; false for anything else, as Go's net.SplitHostPort. */
static bool host_split(struct template_text text, struct template_text *ret_host,
                       struct template_text *ret_port)
{
    const char *p = text.bytes, *end = p + text.length, *colon = NULL;
    for (const char *q = p; q < end; q++) {
        colon = *q == ':' ? q : colon;
    }
    if (colon == NULL) {
        return false;
    }
    *ret_port = (struct template_text){colon + 1, (size_t)(end - colon - 1)};
    if (*p == '[') {
        const char *close = memchr(p, ']', text.length);
        *ret_host = (struct template_text){p + 1, close ? (size_t)(close - p - 1) : 0};
        return close && close + 1 == colon && memchr(p + 1, '[', text.length - 1) == NULL &&
               memchr(close + 1, ']', (size_t)(end - close - 1)) == NULL;
    }
    *ret_host = (struct template_text){p, (size_t)(colon - p)};
    return memchr(p, ':', (size_t)(colon - p)) == NULL && memchr(p, '[', text.length) == NULL &&
           memchr(p, ']', text.length) == NULL;
}

static bool host_is_address(struct template_text host)
{
    char text[INET6_ADDRSTRLEN + 1];
    unsigned char address[16];
    if (host.length >= sizeof text) {
        return false;
    }
    memcpy(text, host.bytes, host.length);
    text[host.length] = '\0';
    return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

enum status template_call_strip_port(struct template_run *run,
                                     const struct template_value *arguments, size_t count,
                                     struct template_value *ret)
{
    struct template_text host, port;
    struct template_out out = {0};
    (void)count;
    if (!host_split(arguments[0].text, &host, &port)) {
        *ret = arguments[0];
        return STATUS_OK;
    }
    template_out_add(&out, host.bytes, host.length);
    return template_take(run, &out, ret);
}

enum status template_call_strip_domain(struct template_run *run,
                                       const struct template_value *arguments, size_t count,
                                       struct template_value *ret)
{
    struct template_text host, port = {"", 0};
    struct template_out out = {0};
    (void)count;
    if (!host_split(arguments[0].text, &host, &port)) {
        host = arguments[0].text;
        port.length = 0;
    }
    if (host_is_address(host)) {
        *ret = arguments[0];
        return STATUS_OK;
    }
    const char *dot = memchr(host.bytes, '.', host.length);
    size_t length = dot ? (size_t)(dot - host.bytes) : host.length;
    bool brackets = port.length > 0 && memchr(host.bytes, ':', length) != NULL;
    template_out_text(&out, brackets ? "[" : "");
    template_out_add(&out, host.bytes, length);
    template_out_text(&out, brackets ? "]" : "");
    if (port.length > 0) {
        template_out_char(&out, ':');
        template_out_add(&out, port.bytes, port.length);
    }
    return template_take(run, &out, ret);
}

enum status template_call_external_url(struct template_run *run,
                                       const struct template_value *arguments, size_t count,
                                       struct template_value *ret)
{
    (void)arguments;
    (void)count;
    *ret = template_value_of(run->data->external_url ? run->data->external_url : "");
    return STATUS_OK;
}

/* The path of the external URL, without query and fragment. */
enum status template_call_path_prefix(struct template_run *run,
                                      const struct template_value *arguments, size_t count,
                                      struct template_value *ret)
{
    const char *url = run->data->external_url ? run->data->external_url : "";
    const char *host = strstr(url, "://"), *path = host ? host + 3 : url;
    struct template_out out = {0};
    (void)arguments;
    (void)count;
    path += host ? strcspn(path, "/?#") : 0;
    template_out_add(&out, path, strcspn(path, "?#"));
    return template_take(run, &out, ret);
}

/* ---- regular expressions ---- */

static struct regex *regex_of(struct template_run *run, struct template_text pattern,
                              const char *before)
{
    char reason[200];
    struct regex *regex = regex_new_search(pattern.bytes, reason, sizeof reason);
    if (regex == NULL) {
        template_call_fail(run, "%serror parsing regexp: %s", before, reason);
    } else if (regex_groups(regex) > REGEX_GROUPS_MAX) {
        template_call_fail(run, "a regular expression of more than %d groups", REGEX_GROUPS_MAX);
        regex_free(regex);
        regex = NULL;
    }
    return regex;
}

enum status template_call_match(struct template_run *run, const struct template_value *arguments,
                                size_t count, struct template_value *ret)
{
    struct regex *regex = regex_of(run, arguments[0].text, "");
    (void)count;
    if (regex == NULL) {
        return STATUS_PROTOCOL;
    }
    struct template_text text = arguments[1].text;
    *ret = template_value_truth(regex_search(regex, text.bytes, text.length, 0, NULL, 0));
    regex_free(regex);
    return STATUS_OK;
}

/* The name behind a $: of word characters, or between braces; 0 where there is none. */
static size_t group_name(struct template_text text, size_t at, struct template_text *ret)
{
    bool brace = at < text.length && text.bytes[at] == '{';
    size_t from = at + brace, end = from;
    while (end < text.length &&
           (isalnum((unsigned char)text.bytes[end]) || text.bytes[end] == '_')) {
        end++;
    }
    if (end == from || (brace && (end >= text.length || text.bytes[end] != '}'))) {
        return 0;
    }
    *ret = (struct template_text){text.bytes + from, end - from};
    return end + brace - at;
}

static void out_group(struct template_out *out, const struct regex *regex,
                      struct template_text name, struct template_text text,
                      const struct regex_span *spans)
{
    char word[128];
    if (name.length >= sizeof word) {
        return;
    }
    memcpy(word, name.bytes, name.length);
    word[name.length] = '\0';
    bool number = strspn(word, "0123456789") == name.length;
    unsigned long group = number ? strtoul(word, NULL, 10) : regex_group_named(regex, word);
    if ((!number && group == 0) || group > regex_groups(regex) || spans[group].start == SIZE_MAX) {
        return;
    }
    template_out_add(out, text.bytes + spans[group].start, spans[group].end - spans[group].start);
}

/* Go's Regexp.Expand: $1, ${1}, $name, $$. */
static void out_expanded(struct template_out *out, const struct regex *regex,
                         struct template_text replacement, struct template_text text,
                         const struct regex_span *spans)
{
    for (size_t i = 0; i < replacement.length;) {
        struct template_text name;
        size_t used = 0;
        if (replacement.bytes[i] == '$' && i + 1 < replacement.length &&
            replacement.bytes[i + 1] == '$') {
            template_out_char(out, '$');
            i += 2;
            continue;
        }
        if (replacement.bytes[i] == '$') {
            used = group_name(replacement, i + 1, &name);
        }
        if (used > 0) {
            out_group(out, regex, name, text, spans);
            i += used + 1;
        } else {
            template_out_char(out, replacement.bytes[i++]);
        }
    }
}

/* Go's ReplaceAllString: an empty match right behind another one is none. */
static void out_replaced(struct template_out *out, const struct regex *regex,
                         struct template_text replacement, struct template_text text)
{
    struct regex_span spans[REGEX_GROUPS_MAX + 1];
    size_t from = 0, last = 0;
    while (from <= text.length && !out->full &&
           regex_search(regex, text.bytes, text.length, from, spans, regex_groups(regex) + 1)) {
        uint32_t rune;
        size_t width =
            from < text.length ? template_rune(text.bytes + from, text.length - from, &rune) : 1;
        template_out_add(out, text.bytes + last, spans[0].start - last);
        if (spans[0].end > last || spans[0].start == 0) {
            out_expanded(out, regex, replacement, text, spans);
        }
        last = spans[0].end;
        from = from + width > last ? from + width : last;
    }
    template_out_add(out, text.bytes + last, text.length - last);
}

enum status template_call_re_replace_all(struct template_run *run,
                                         const struct template_value *arguments, size_t count,
                                         struct template_value *ret)
{
    struct regex *regex = regex_of(run, arguments[0].text, "regexp: ");
    struct template_out out = {0};
    (void)count;
    if (regex == NULL) {
        return STATUS_PROTOCOL;
    }
    out_replaced(&out, regex, arguments[1].text, arguments[2].text);
    regex_free(regex);
    return template_take(run, &out, ret);
}
