/* struct config as YAML, and config.def as a page. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/config/config_key.h"

struct writer {
    char *text;
    size_t length, capacity;
    bool redact;
    bool redacted;
};

static void put(struct writer *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void put(struct writer *w, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    size_t need = (size_t)vsnprintf(NULL, 0, fmt, args) + 1;
    va_end(args);
    while (w->length + need > w->capacity) {
        w->capacity = w->capacity ? 2 * w->capacity : 4096;
        w->text = heap_resize(w->text, w->capacity);
    }
    vsnprintf(w->text + w->length, w->capacity - w->length, fmt, again);
    va_end(again);
    w->length += need - 1;
}

/* The code point at *text, which is valid UTF-8 since libyaml read it; moves past it. */
static uint32_t code_point(const unsigned char **text)
{
    const unsigned char *p = *text;
    int more = p[0] >= 0xf0 ? 3 : p[0] >= 0xe0 ? 2 : p[0] >= 0xc0 ? 1 : 0;
    uint32_t ret = more == 0 ? p[0] : p[0] & (0x3fu >> more);
    for (int i = 1; i <= more && p[i] != '\0'; i++) {
        ret = ret << 6 | (p[i] & 0x3fu);
        *text = p + i;
    }
    *text += 1;
    return ret;
}

/* Double-quoted; what is not printable ASCII is escaped, so that no line folds. */
static void put_quoted(struct writer *w, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    put(w, "\"");
    while (*p != '\0') {
        uint32_t c = code_point(&p);
        if (c == '"' || c == '\\') {
            put(w, "\\%c", (int)c);
        } else if (c >= 0x20 && c < 0x7f) {
            put(w, "%c", (int)c);
        } else if (c <= 0xffff) {
            put(w, "\\u%04x", c);
        } else {
            put(w, "\\U%08x", c);
        }
    }
    put(w, "\"");
}

/* scheme://host:port/path of a URL: without user, password, query and fragment. */
static void put_url(struct writer *w, const char *url)
{
    char shown[CONFIG_TEXT_MAX + 1];
    const char *host = strstr(url, "://");
    if (!w->redact || host == NULL) {
        put_quoted(w, url);
        return;
    }
    host += 3;
    const char *authority_end = host + strcspn(host, "/?#");
    const char *at = memrchr(host, '@', (size_t)(authority_end - host));
    const char *from = at != NULL ? at + 1 : host;
    snprintf(shown, sizeof(shown), "%.*s%.*s", (int)(host - url), url, (int)strcspn(from, "?#"),
             from);
    w->redacted = w->redacted || strcmp(shown, url) != 0;
    put_quoted(w, shown);
}

static void put_size(struct writer *w, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB"};
    size_t unit = 0;
    while (unit + 1 < ARRAY_LEN(units) && bytes != 0 && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    put(w, "%llu%s", (unsigned long long)bytes, units[unit]);
}

static void put_choice(struct writer *w, const char *range, int index)
{
    for (; index > 0; index--) {
        range = strchr(range, '|') + 1;
    }
    put(w, "%.*s", (int)strcspn(range, "|"), range);
}

static void put_scalar(struct writer *w, const struct config_key *key, const void *field)
{
    char buffer[64];
    switch (key->kind) {
    case KIND_URL: put_url(w, *(char *const *)field); break;
    case KIND_TEXT:
    case KIND_WORD:
    case KIND_NAME:
    case KIND_PATH:
    case KIND_BUNDLE:
    case KIND_LISTEN: put_quoted(w, *(char *const *)field); break;
    case KIND_BOOL: put(w, "%s", *(const bool *)field ? "true" : "false"); break;
    case KIND_COUNT: put(w, "%llu", (unsigned long long)*(const uint64_t *)field); break;
    case KIND_SIZE: put_size(w, *(const uint64_t *)field); break;
    case KIND_DURATION:
        put(w, "%s", duration_print(*(const struct duration *)field, buffer, sizeof(buffer)));
        break;
    case KIND_CHOICE: put_choice(w, key->range, *(const int *)field); break;
    case KIND_STRINGS:
    case KIND_URLS:
    case KIND_FILES:
    case KIND_ARGV:
    case KIND_TARGETS:
    case KIND_SECTION:
    case KIND_OPTIONAL:
    case KIND_LIST:
    case KIND_MAP: check_failed("a part is not a scalar", __FILE__, __LINE__);
    }
}

static void put_strings(struct writer *w, const struct config_key *key,
                        const struct config_strings *strings)
{
    put(w, " [");
    for (size_t i = 0; i < strings->count; i++) {
        put(w, "%s", i > 0 ? ", " : "");
        if (key->kind == KIND_URLS) {
            put_url(w, strings->items[i]);
        } else {
            put_quoted(w, strings->items[i]);
        }
    }
    put(w, "]\n");
}

static void put_part(struct writer *w, enum config_part part, const char *base, int indent,
                     bool first_in_line);

static void put_list(struct writer *w, const struct config_key *key,
                     const struct config_items *items, int indent)
{
    put(w, items->count == 0 ? " []\n" : "\n");
    for (size_t i = 0; i < items->count; i++) {
        put(w, "%*s- ", indent, "");
        put_part(w, key->child, (const char *)items->items + i * config_part_bytes[key->child],
                 indent + 2, true);
    }
}

static void put_map(struct writer *w, const struct config_key *key,
                    const struct config_items *items, int indent)
{
    const struct config_key *name = config_key_find(key->child, ":");
    const struct config_key *value = config_key_find(key->child, "");
    put(w, items->count == 0 ? " {}\n" : "\n");
    for (size_t i = 0; i < items->count; i++) {
        const char *base = (const char *)items->items + i * config_part_bytes[key->child];
        put(w, "%*s", indent + 2, "");
        put_scalar(w, name, base + name->offset);
        put(w, value != NULL ? ": " : ":\n");
        if (value != NULL) {
            put_scalar(w, value, base + value->offset);
            put(w, "\n");
        } else {
            put_part(w, key->child, base, indent + 4, false);
        }
    }
}

static bool part_has_keys(enum config_part part)
{
    for (size_t i = 0; i < config_key_count; i++) {
        if (config_keys[i].part == part) {
            return true;
        }
    }
    return false;
}

static bool is_unset(const struct config_key *key, const char *base)
{
    const void *field = base + key->offset;
    return (key->kind <= KIND_LISTEN && *(char *const *)field == NULL) ||
           (config_kind_is_strings(key->kind) && key->range[0] != '0' &&
            ((const struct config_strings *)field)->count == 0) ||
           (key->kind == KIND_OPTIONAL && !((const struct config_head *)field)->present) ||
           key->name[0] == ':';
}

static void put_part(struct writer *w, enum config_part part, const char *base, int indent,
                     bool first_in_line)
{
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        if (key->part != part || is_unset(key, base)) {
            continue;
        }
        const void *field = base + key->offset;
        put(w, "%*s%s:", first_in_line ? 0 : indent, "", key->name);
        first_in_line = false;
        if (config_kind_is_scalar(key->kind)) {
            put(w, " ");
            put_scalar(w, key, field);
            put(w, "\n");
        } else if (config_kind_is_strings(key->kind)) {
            put_strings(w, key, field);
        } else if (key->kind == KIND_LIST) {
            put_list(w, key, field, indent);
        } else if (key->kind == KIND_MAP) {
            put_map(w, key, field, indent);
        } else {
            put(w, part_has_keys(key->child) ? "\n" : " {}\n");
            put_part(w, key->child, field, indent + 2, false);
        }
    }
}

char *config_print(const struct config *config, bool redact)
{
    struct writer w = {.redact = redact};
    put_part(&w, PART_root, (const char *)config, 0, false);
    if (w.redacted) {
        put(&w, "# Users, passwords and queries of URLs are left out above.\n");
    }
    return w.text;
}

static void put_doc_part(struct writer *w, enum config_part part, const char *prefix)
{
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        char name[200];
        if (key->part != part) {
            continue;
        }
        const char *own = key->name[0] == ':'    ? "NAME"
                          : key->name[0] == '\0' ? "NAME: value"
                                                 : key->name;
        snprintf(name, sizeof(name), "%s%s%s", prefix, prefix[0] != '\0' ? "." : "", own);
        const char *fallback = key->fallback == NULL      ? "required"
                               : key->fallback[0] == '\0' ? ""
                                                          : key->fallback;
        put(w, "| `%s` | %s | ", name, fallback);
        for (const char *p = key->range; *p != '\0'; p++) {
            put(w, *p == '|' ? ", " : "%c", *p);
        }
        put(w, " | %s |\n", key->doc);
        if (key->child != PART_none) {
            char inner[220];
            snprintf(inner, sizeof(inner), "%s%s", name,
                     key->kind == KIND_LIST  ? "[]"
                     : key->kind == KIND_MAP ? ".NAME"
                                             : "");
            put_doc_part(w, key->child, inner);
        }
    }
}

char *config_print_docs(void)
{
    struct writer w = {0};
    put(&w, "# heald.yaml\n\n"
            "Strict YAML: an unknown or repeated key, a wrong type and a value out of range are\n"
            "errors with their line. Anchors, aliases and tags are not allowed. Durations are\n"
            "written `15s`, `1h30m`, `250ms`; sizes `64MiB`, `10kB`. `heald -n -c FILE` checks a\n"
            "file and prints what holds, with every default. This page is written from\n"
            "`runtime/config/config.def`.\n\n"
            "| key | default | range | meaning |\n|---|---|---|---|\n");
    put_doc_part(&w, PART_root, "");
    return w.text;
}
