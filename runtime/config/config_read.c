/* heald.yaml into struct config: libyaml's document, walked along the rows of config.def. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "runtime/config/config_internal.h"

struct yaml_reader {
    struct config_reader base;
    yaml_document_t *document;
};

/* Where in the file's structure a node is, for messages: " in grants[2].env". */
struct where {
    char text[160];
};

static void report_append(struct config_report *report, const char *text)
{
    size_t length = strlen(text);
    while (report->length + length + 2 > report->capacity) {
        report->capacity = report->capacity ? 2 * report->capacity : 1024;
        report->text = heap_resize(report->text, report->capacity);
    }
    memcpy(report->text + report->length, text, length + 1);
    report->length += length;
}

void config_fail(struct config_reader *reader, size_t line, size_t column, const char *fmt, ...)
{
    char head[512], message[1024];
    va_list args;
    if (reader->report->errors++ >= CONFIG_ERRORS_MAX) {
        return;
    }
    va_start(args, fmt);
    vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    for (char *p = message; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) {
            *p = '?';
        }
    }
    snprintf(head, sizeof(head), "%.300s:%zu:%zu: error: ", reader->name, line, column);
    report_append(reader->report, head);
    report_append(reader->report, message);
    report_append(reader->report, "\n");
}

static void node_fail(struct yaml_reader *reader, const yaml_node_t *node,
                      const struct where *where, const char *message)
{
    config_fail(&reader->base, node->start_mark.line + 1, node->start_mark.column + 1, "%s%s%s",
                message, where->text[0] != '\0' ? " in " : "", where->text);
}

static struct where where_key(const struct where *where, const char *name)
{
    struct where ret;
    snprintf(ret.text, sizeof(ret.text), "%.120s%s%.36s", where->text,
             where->text[0] != '\0' ? "." : "", name);
    return ret;
}

static struct where where_item(const struct where *where, size_t index)
{
    struct where ret;
    snprintf(ret.text, sizeof(ret.text), "%.120s[%zu]", where->text, index);
    return ret;
}

/* The text of a scalar. NULL with a report when it is no scalar, or one that no key may have. */
static const char *scalar_text(struct yaml_reader *reader, const yaml_node_t *node,
                               const struct where *where)
{
    if (node->type != YAML_SCALAR_NODE) {
        node_fail(reader, node, where,
                  node->type == YAML_MAPPING_NODE ? "expected one value, found a mapping"
                                                  : "expected one value, found a list");
        return NULL;
    }
    const char *text = (const char *)node->data.scalar.value;
    size_t length = node->data.scalar.length;
    if (length > CONFIG_TEXT_MAX) {
        node_fail(reader, node, where, "the value is longer than 4096 bytes");
        return NULL;
    }
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            node_fail(reader, node, where, "control characters are not allowed in a value");
            return NULL;
        }
    }
    if (node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
        (length == 0 || strcmp(text, "~") == 0 || strcmp(text, "null") == 0)) {
        node_fail(reader, node, where, "the value is empty; leave the key out to have its default");
        return NULL;
    }
    return text;
}

static void scalar_into(struct yaml_reader *reader, const struct config_key *key,
                        const yaml_node_t *node, void *field, const struct where *where)
{
    struct error error;
    const char *text = scalar_text(reader, node, where);
    if (text != NULL && config_scalar_read(key, text, field, &error) != STATUS_OK) {
        node_fail(reader, node, where, error.message);
    }
}

/* Whether a list or mapping of size items is within the row's range; reports otherwise. */
static bool count_allowed(struct yaml_reader *reader, const struct config_key *key,
                          const yaml_node_t *node, size_t size, const struct where *where)
{
    uint64_t least = 0, most = 0;
    config_range_counts(key, &least, &most);
    if (size >= least && size <= most) {
        return true;
    }
    char message[120];
    snprintf(message, sizeof(message), "%zu items where %s are allowed", size, key->range);
    node_fail(reader, node, where, message);
    return false;
}

static bool is_sequence(struct yaml_reader *reader, const yaml_node_t *node,
                        const struct where *where)
{
    if (node->type != YAML_SEQUENCE_NODE) {
        node_fail(reader, node, where, "expected a list");
        return false;
    }
    return true;
}

static void strings_into(struct yaml_reader *reader, const struct config_key *key,
                         const yaml_node_t *node, struct config_strings *field,
                         const struct where *where)
{
    if (!is_sequence(reader, node, where)) {
        return;
    }
    size_t size = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    if (!count_allowed(reader, key, node, size, where) || size == 0) {
        return;
    }
    field->items = heap_alloc(size * sizeof(*field->items));
    for (size_t i = 0; i < size; i++) {
        struct error error;
        struct where here = where_item(where, i);
        yaml_node_t *item =
            yaml_document_get_node(reader->document, node->data.sequence.items.start[i]);
        const char *text = scalar_text(reader, item, &here);
        if (text != NULL && config_item_check(key, i, text, &error) != STATUS_OK) {
            node_fail(reader, item, &here, error.message);
        } else if (text != NULL) {
            field->items[field->count++] = heap_strdup(text);
        }
    }
}

static void part_into(struct yaml_reader *reader, enum config_part part, const yaml_node_t *node,
                      void *base, const struct where *where);

static void list_into(struct yaml_reader *reader, const struct config_key *key,
                      const yaml_node_t *node, struct config_items *field,
                      const struct where *where)
{
    if (!is_sequence(reader, node, where)) {
        return;
    }
    size_t size = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    if (!count_allowed(reader, key, node, size, where) || size == 0) {
        return;
    }
    field->items = heap_alloc(size * config_part_bytes[key->child]);
    field->count = size;
    for (size_t i = 0; i < size; i++) {
        struct where here = where_item(where, i);
        part_into(reader, key->child,
                  yaml_document_get_node(reader->document, node->data.sequence.items.start[i]),
                  (char *)field->items + i * config_part_bytes[key->child], &here);
    }
}

/* Whether an earlier pair of the mapping has the same key; reports it. */
static bool is_repeated(struct yaml_reader *reader, const yaml_node_t *mapping,
                        const yaml_node_pair_t *pair, const struct where *where)
{
    const yaml_node_t *name = yaml_document_get_node(reader->document, pair->key);
    for (yaml_node_pair_t *p = mapping->data.mapping.pairs.start; p < pair; p++) {
        const yaml_node_t *other = yaml_document_get_node(reader->document, p->key);
        if (other->type == YAML_SCALAR_NODE &&
            other->data.scalar.length == name->data.scalar.length &&
            memcmp(other->data.scalar.value, name->data.scalar.value, name->data.scalar.length) ==
                0) {
            char message[160];
            snprintf(message, sizeof(message),
                     "the key '%.80s' is repeated; it is first in line %zu",
                     (const char *)name->data.scalar.value, other->start_mark.line + 1);
            node_fail(reader, name, where, message);
            return true;
        }
    }
    return false;
}

static void map_into(struct yaml_reader *reader, const struct config_key *key,
                     const yaml_node_t *node, struct config_items *field, const struct where *where)
{
    if (node->type != YAML_MAPPING_NODE) {
        node_fail(reader, node, where, "expected a mapping");
        return;
    }
    yaml_node_pair_t *pairs = node->data.mapping.pairs.start;
    size_t size = (size_t)(node->data.mapping.pairs.top - pairs);
    if (!count_allowed(reader, key, node, size, where) || size == 0) {
        return;
    }
    const struct config_key *name_key = config_key_find(key->child, ":");
    const struct config_key *value_key = config_key_find(key->child, "");
    field->items = heap_alloc(size * config_part_bytes[key->child]);
    field->count = size;
    for (size_t i = 0; i < size; i++) {
        char *base = (char *)field->items + i * config_part_bytes[key->child];
        const yaml_node_t *name = yaml_document_get_node(reader->document, pairs[i].key);
        const yaml_node_t *value = yaml_document_get_node(reader->document, pairs[i].value);
        const char *text = scalar_text(reader, name, where);
        if (text == NULL || is_repeated(reader, node, &pairs[i], where)) {
            continue;
        }
        struct where here = where_key(where, text);
        scalar_into(reader, name_key, name, base + name_key->offset, where);
        if (value_key != NULL) {
            struct config_head *head = (struct config_head *)base;
            *head = (struct config_head){true, (uint32_t)value->start_mark.line + 1,
                                         (uint32_t)value->start_mark.column + 1};
            scalar_into(reader, value_key, value, base + value_key->offset, &here);
        } else {
            part_into(reader, key->child, value, base, &here);
        }
    }
}

static void value_into(struct yaml_reader *reader, const struct config_key *key,
                       const yaml_node_t *node, char *base, const struct where *where)
{
    void *field = base + key->offset;
    if (config_kind_is_scalar(key->kind)) {
        scalar_into(reader, key, node, field, where);
    } else if (config_kind_is_strings(key->kind)) {
        strings_into(reader, key, node, field, where);
    } else if (key->kind == KIND_LIST) {
        list_into(reader, key, node, field, where);
    } else if (key->kind == KIND_MAP) {
        map_into(reader, key, node, field, where);
    } else {
        part_into(reader, key->child, node, field, where);
    }
}

/* Reports an unknown key with the nearest known one. */
static void unknown_key(struct yaml_reader *reader, enum config_part part, const yaml_node_t *node,
                        const char *text, const struct where *where)
{
    const char *nearest = NULL;
    unsigned least = 3;
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        if (key->part == part && key->name[0] != '\0' && key->name[0] != ':' &&
            edit_distance(text, key->name) < least) {
            least = edit_distance(text, key->name);
            nearest = key->name;
        }
    }
    config_fail(&reader->base, node->start_mark.line + 1, node->start_mark.column + 1,
                nearest != NULL ? "unknown key '%.80s'%s%s; did you mean '%s'?"
                                : "unknown key '%.80s'%s%s",
                text, where->text[0] != '\0' ? " in " : "", where->text, nearest);
}

/* Gives a field its fallback. "$state/" is resolved in the root, where state is read before. */
static void fallback_into(const struct config_key *key, char *base)
{
    char text[CONFIG_TEXT_MAX + 64];
    struct error error = {""};
    const char *fallback = key->fallback;
    if (strncmp(fallback, "$state/", 7) == 0) {
        const struct config *config = (const struct config *)(void *)base;
        snprintf(text, sizeof(text), "%s/%s", config->state != NULL ? config->state : "",
                 fallback + 7);
        fallback = text;
    }
    CHECK(config_scalar_read(key, fallback, base + key->offset, &error) == STATUS_OK);
}

static void part_fallbacks(struct yaml_reader *reader, enum config_part part, char *base,
                           const uint64_t *seen, const yaml_node_t *node, const struct where *where)
{
    static const uint64_t none[4] = {0};
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        bool written = (seen[i / 64] >> (i % 64) & 1) != 0;
        if (key->part != part || written || key->name[0] == ':' || key->name[0] == '\0') {
            continue;
        }
        if (key->fallback == NULL) {
            char message[120];
            snprintf(message, sizeof(message), "the key '%s' is missing", key->name);
            node_fail(reader, node, where, message);
        } else if (config_kind_is_scalar(key->kind) && key->fallback[0] != '\0') {
            fallback_into(key, base);
        } else if (key->kind == KIND_SECTION) {
            part_fallbacks(reader, key->child, base + key->offset, none, node, where);
        }
    }
}

static void part_into(struct yaml_reader *reader, enum config_part part, const yaml_node_t *node,
                      void *base, const struct where *where)
{
    uint64_t seen[4] = {0};
    _Static_assert(sizeof(seen) * 8 >= 64 * 4, "a bit for every row");
    CHECK(config_key_count <= 256);
    if (node->type != YAML_MAPPING_NODE) {
        node_fail(reader, node, where, "expected a mapping of keys");
        return;
    }
    *(struct config_head *)base = (struct config_head){true, (uint32_t)node->start_mark.line + 1,
                                                       (uint32_t)node->start_mark.column + 1};
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *name = yaml_document_get_node(reader->document, pair->key);
        const char *text = scalar_text(reader, name, where);
        if (text == NULL || is_repeated(reader, node, pair, where)) {
            continue;
        }
        const struct config_key *key =
            text[0] != ':' && text[0] != '\0' ? config_key_find(part, text) : NULL;
        if (key == NULL) {
            unknown_key(reader, part, name, text, where);
            continue;
        }
        struct where here = where_key(where, text);
        seen[(size_t)(key - config_keys) / 64] |= 1ULL << ((size_t)(key - config_keys) % 64);
        value_into(reader, key, yaml_document_get_node(reader->document, pair->value), base, &here);
    }
    part_fallbacks(reader, part, base, seen, node, where);
}

static void parser_fail(struct config_reader *reader, const yaml_parser_t *parser)
{
    config_fail(reader, parser->problem_mark.line + 1, parser->problem_mark.column + 1,
                "this is not YAML: %s%s%s", parser->problem != NULL ? parser->problem : "unknown",
                parser->context != NULL ? " " : "", parser->context != NULL ? parser->context : "");
}

/* One event of the first pass: what YAML has and heald.yaml does not. False ends the pass. */
static bool event_allowed(struct config_reader *reader, const yaml_event_t *event, size_t *depth,
                          size_t *nodes, size_t *documents)
{
    const char *problem = NULL;
    const yaml_char_t *anchor = NULL, *tag = NULL;
    switch (event->type) {
    case YAML_ALIAS_EVENT: problem = "aliases (*name) are not allowed"; break;
    case YAML_SCALAR_EVENT: anchor = event->data.scalar.anchor, tag = event->data.scalar.tag; break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = event->data.sequence_start.anchor, tag = event->data.sequence_start.tag;
        ++*depth;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = event->data.mapping_start.anchor, tag = event->data.mapping_start.tag;
        ++*depth;
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT: --*depth; break;
    case YAML_DOCUMENT_START_EVENT:
        problem = ++*documents > 1 ? "only one document is allowed in a file" : NULL;
        break;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT: break;
    }
    problem = anchor != NULL                ? "anchors (&name) are not allowed"
              : tag != NULL                 ? "tags (!name) are not allowed"
              : *depth > CONFIG_DEPTH_MAX   ? "nested too deeply"
              : ++*nodes > CONFIG_NODES_MAX ? "too many values"
                                            : problem;
    if (problem != NULL) {
        config_fail(reader, event->start_mark.line + 1, event->start_mark.column + 1, "%s",
                    problem);
    }
    return problem == NULL;
}

static bool events_allowed(struct config_reader *reader, const char *text, size_t length)
{
    yaml_parser_t parser;
    size_t depth = 0, nodes = 0, documents = 0;
    bool go = true, good = true;
    CHECK(yaml_parser_initialize(&parser));
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
    while (go) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            parser_fail(reader, &parser);
            good = false;
            break;
        }
        good = event_allowed(reader, &event, &depth, &nodes, &documents);
        go = good && event.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return good;
}

static void document_read(struct config_reader *reader, const char *text, size_t length,
                          struct config *ret)
{
    yaml_parser_t parser;
    yaml_document_t document;
    CHECK(yaml_parser_initialize(&parser));
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
    if (!yaml_parser_load(&parser, &document)) {
        parser_fail(reader, &parser);
        yaml_parser_delete(&parser);
        return;
    }
    struct yaml_reader yaml = {*reader, &document};
    struct where where = {""};
    yaml_node_t *root = yaml_document_get_root_node(&document);
    if (root == NULL) {
        config_fail(reader, 1, 1, "the file is empty");
    } else {
        part_into(&yaml, PART_root, root, ret, &where);
    }
    yaml_document_delete(&document);
    yaml_parser_delete(&parser);
}

bool config_parse(const char *name, const char *text, size_t length, struct config *ret,
                  struct config_report *report)
{
    struct config_reader reader = {name, report};
    size_t before = report->errors;
    *ret = (struct config){0};
    if (length > CONFIG_BYTES_MAX) {
        config_fail(&reader, 1, 1, "the file is larger than 1 MiB");
        return false;
    }
    if (events_allowed(&reader, text, length)) {
        document_read(&reader, text, length, ret);
    }
    if (report->errors == before) {
        config_check(&reader, ret);
    }
    if (report->errors > before) {
        config_release(ret);
        return false;
    }
    return true;
}

bool config_load(const char *path, struct config *ret, struct config_report *report)
{
    struct config_reader reader = {path, report};
    FILE *file = fopen(path, "re");
    *ret = (struct config){0};
    if (file == NULL) {
        config_fail(&reader, 0, 0, "cannot open the file: %s", strerror(errno));
        return false;
    }
    char *text = heap_alloc(CONFIG_BYTES_MAX + 2);
    size_t length = fread(text, 1, CONFIG_BYTES_MAX + 1, file);
    bool bad = ferror(file) != 0;
    fclose(file);
    if (bad) {
        config_fail(&reader, 0, 0, "cannot read the file");
    }
    bool good = !bad && config_parse(path, text, length, ret, report);
    free(text);
    return good;
}

static void part_release(enum config_part part, char *base)
{
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        if (key->part != part) {
            continue;
        }
        void *field = base + key->offset;
        if (key->kind <= KIND_LISTEN) {
            free(*(char **)field);
        } else if (config_kind_is_strings(key->kind)) {
            struct config_strings *strings = field;
            for (size_t k = 0; k < strings->count; k++) {
                free(strings->items[k]);
            }
            free(strings->items);
        } else if (key->kind == KIND_LIST || key->kind == KIND_MAP) {
            struct config_items *items = field;
            for (size_t k = 0; k < items->count; k++) {
                part_release(key->child, (char *)items->items + k * config_part_bytes[key->child]);
            }
            free(items->items);
        } else if (key->child != PART_none) {
            part_release(key->child, field);
        }
    }
}

void config_release(struct config *config)
{
    part_release(PART_root, (char *)config);
    *config = (struct config){0};
}

void config_report_release(struct config_report *report)
{
    free(report->text);
    *report = (struct config_report){0};
}
