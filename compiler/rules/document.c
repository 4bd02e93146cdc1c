/* YAML files to trees, through the events of libyaml. */
#include "compiler/rules/document.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct anchor {
    const char *name;
    const struct document_node *node; /* NULL while it is not complete */
};

struct builder {
    struct arena *arena;
    const char *path;
    struct rules_report *report;
    yaml_parser_t yaml;
    yaml_event_t event;
    struct anchor *anchors; /* heap */
    size_t anchor_count, anchor_capacity;
    size_t events, depth;
};

static const struct document_node *build(struct builder *b);

static struct rules_place place_of(yaml_mark_t mark)
{
    return (struct rules_place){mark.line + 1, mark.column + 1};
}

static void *fail(struct builder *b, struct rules_place place, const char *words)
{
    rules_report_add(b->report, b->path, place, "%s", words);
    return NULL;
}

static bool refuse(struct builder *b, struct rules_place place, const char *words)
{
    return fail(b, place, words) != NULL;
}

/* The next event; false after a report. */
static bool advance(struct builder *b)
{
    yaml_event_delete(&b->event);
    if (yaml_parser_parse(&b->yaml, &b->event)) {
        return true;
    }
    struct rules_place place = place_of(b->yaml.problem_mark);
    const char *problem = b->yaml.problem ? b->yaml.problem : "this is no YAML";
    if (b->yaml.error == YAML_READER_ERROR) {
        rules_report_add(b->report, b->path, (struct rules_place){0},
                         "the text is not UTF-8: %s at byte %zu", problem, b->yaml.problem_offset);
    } else if (b->yaml.context) {
        rules_report_add(b->report, b->path, place, "%s %s", problem, b->yaml.context);
    } else {
        rules_report_add(b->report, b->path, place, "%s", problem);
    }
    return false;
}

/* ---- anchors ---- */

static struct anchor *anchor_find(struct builder *b, const char *name)
{
    for (size_t i = b->anchor_count; i > 0; i--) {
        if (strcmp(b->anchors[i - 1].name, name) == 0) {
            return &b->anchors[i - 1];
        }
    }
    return NULL;
}

/* Notes the anchor of the node that begins here; its index, or SIZE_MAX where it has none. */
static bool anchor_open(struct builder *b, const yaml_char_t *name, size_t *ret)
{
    *ret = SIZE_MAX;
    if (name == NULL) {
        return true;
    }
    if (b->anchor_count >= DOCUMENT_ANCHORS_MAX) {
        return refuse(b, place_of(b->event.start_mark), "too many anchors");
    }
    ARRAY_RESERVE(b->anchors, b->anchor_count, b->anchor_capacity);
    *ret = b->anchor_count;
    b->anchors[b->anchor_count++] =
        (struct anchor){arena_strdup(b->arena, (const char *)name), NULL};
    return true;
}

static const struct document_node *alias(struct builder *b)
{
    const char *name = (const char *)b->event.data.alias.anchor;
    const struct anchor *anchor = anchor_find(b, name);
    if (anchor && anchor->node) {
        return anchor->node;
    }
    rules_report_add(b->report, b->path, place_of(b->event.start_mark),
                     anchor ? "the anchor '%s' holds itself" : "no anchor is called '%s'", name);
    return NULL;
}

/* ---- nodes ---- */

static struct document_node *node_new(struct builder *b, enum document_kind kind)
{
    struct document_node *node = ARENA_NEW(b->arena, struct document_node);
    node->kind = kind;
    node->place = place_of(b->event.start_mark);
    node->weight = 1;
    return node;
}

static const struct document_node *scalar(struct builder *b)
{
    struct document_node *node = node_new(b, DOCUMENT_SCALAR);
    const char *text = (const char *)b->event.data.scalar.value;
    size_t length = b->event.data.scalar.length;
    if (strlen(text) != length) {
        return fail(b, node->place, "a text with a NUL byte");
    }
    node->text = arena_strndup(b->arena, text, length);
    node->plain = b->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    node->literal = b->event.data.scalar.style == YAML_LITERAL_SCALAR_STYLE;
    return node;
}

/* Room for one more item, and its key. */
static void reserve(struct builder *b, struct document_node *node)
{
    if (node->count > 0 && (node->count & (node->count - 1)) != 0) {
        return;
    }
    size_t room = node->count ? 2 * node->count : 1;
    const struct document_node **items = arena_alloc(b->arena, room * sizeof *items);
    const struct document_node **keys = arena_alloc(b->arena, room * sizeof *keys);
    if (node->count > 0) {
        memcpy(items, node->items, node->count * sizeof *items);
        memcpy(keys, node->keys, node->count * sizeof *keys);
    }
    node->items = items;
    node->keys = keys;
}

static bool append(struct builder *b, struct document_node *node, const struct document_node *key,
                   const struct document_node *item)
{
    if (key && node->count >= DOCUMENT_KEYS_MAX) {
        return refuse(b, item->place, "too many keys in one map");
    }
    reserve(b, node);
    node->keys[node->count] = key;
    node->items[node->count++] = item;
    node->weight += item->weight;
    if (node->weight > DOCUMENT_NODES_MAX) {
        return fail(b, item->place, "too many values, with what the aliases stand for");
    }
    return true;
}

static const struct document_node *list(struct builder *b)
{
    struct document_node *node = node_new(b, DOCUMENT_LIST);
    while (advance(b)) {
        if (b->event.type == YAML_SEQUENCE_END_EVENT) {
            return node;
        }
        const struct document_node *item = build(b);
        if (!item || !append(b, node, NULL, item)) {
            return NULL;
        }
    }
    return NULL;
}

static bool is_merge(const struct document_node *key)
{
    return key->plain && strcmp(key->text, "<<") == 0;
}

/* Keys of `from` that the map does not have yet. */
static bool merge_map(struct builder *b, struct document_node *node,
                      const struct document_node *from, struct rules_place place)
{
    if (from->kind != DOCUMENT_MAP) {
        return refuse(b, place, "only maps can be merged with '<<'");
    }
    for (size_t i = 0; i < from->count; i++) {
        if (!document_get(node, from->keys[i]->text) &&
            !append(b, node, from->keys[i], from->items[i])) {
            return false;
        }
    }
    return true;
}

static bool merge(struct builder *b, struct document_node *node, const struct document_node *from,
                  struct rules_place place)
{
    if (from->kind != DOCUMENT_LIST) {
        return merge_map(b, node, from, place);
    }
    for (size_t i = 0; i < from->count; i++) {
        if (!merge_map(b, node, from->items[i], place)) {
            return false;
        }
    }
    return true;
}

/* One key with its value; what is merged waits, for own keys win. */
static bool map_entry(struct builder *b, struct document_node *node,
                      const struct document_node **ret_merged, struct rules_place *ret_place)
{
    const struct document_node *key = build(b), *value;
    if (!key) {
        return false;
    }
    if (key->kind != DOCUMENT_SCALAR) {
        return refuse(b, key->place, "a key that is no text");
    }
    if (!is_merge(key) && document_get(node, key->text)) {
        rules_report_add(b->report, b->path, key->place, "the key '%s' is there twice", key->text);
        return false;
    }
    if (is_merge(key) && *ret_merged) {
        return refuse(b, key->place, "'<<' is there twice; merge a list of maps");
    }
    value = advance(b) ? build(b) : NULL;
    if (!value) {
        return false;
    }
    if (is_merge(key)) {
        *ret_merged = value;
        *ret_place = key->place;
        return true;
    }
    return append(b, node, key, value);
}

static const struct document_node *map(struct builder *b)
{
    struct document_node *node = node_new(b, DOCUMENT_MAP);
    const struct document_node *merged = NULL;
    struct rules_place place = {0};
    while (advance(b)) {
        if (b->event.type == YAML_MAPPING_END_EVENT) {
            return !merged || merge(b, node, merged, place) ? node : NULL;
        }
        if (!map_entry(b, node, &merged, &place)) {
            return NULL;
        }
    }
    return NULL;
}

/* The node of the event that was read last. */
static const struct document_node *build(struct builder *b)
{
    enum yaml_event_type_e type = b->event.type;
    const yaml_char_t *name =
        type == YAML_SCALAR_EVENT           ? b->event.data.scalar.anchor
        : type == YAML_SEQUENCE_START_EVENT ? b->event.data.sequence_start.anchor
        : type == YAML_MAPPING_START_EVENT  ? b->event.data.mapping_start.anchor
                                            : NULL;
    const struct document_node *node = NULL;
    size_t anchor;
    if (++b->events > DOCUMENT_NODES_MAX) {
        return fail(b, place_of(b->event.start_mark), "too many values");
    }
    if (b->depth >= DOCUMENT_DEPTH_MAX) {
        return fail(b, place_of(b->event.start_mark), "nested too deeply");
    }
    if (type == YAML_ALIAS_EVENT) {
        return alias(b);
    }
    if (!anchor_open(b, name, &anchor)) {
        return NULL;
    }
    b->depth++;
    node = type == YAML_SCALAR_EVENT           ? scalar(b)
           : type == YAML_SEQUENCE_START_EVENT ? list(b)
           : type == YAML_MAPPING_START_EVENT  ? map(b)
                                               : NULL;
    b->depth--;
    if (node && anchor != SIZE_MAX) {
        b->anchors[anchor].node = node;
    }
    return node;
}

/* The first document, and that no second one follows. */
static const struct document_node *build_only(struct builder *b)
{
    const struct document_node *root = NULL;
    while (advance(b)) {
        switch (b->event.type) {
        case YAML_STREAM_END_EVENT:
            return root ? root : fail(b, (struct rules_place){0}, "the file is empty");
        case YAML_DOCUMENT_START_EVENT:
            if (root) {
                return fail(b, place_of(b->event.start_mark),
                            "only one document is read of a file");
            }
            if (!advance(b) || !(root = build(b))) {
                return NULL;
            }
            break;
        case YAML_NO_EVENT:
        case YAML_STREAM_START_EVENT:
        case YAML_DOCUMENT_END_EVENT:
        case YAML_ALIAS_EVENT:
        case YAML_SCALAR_EVENT:
        case YAML_SEQUENCE_START_EVENT:
        case YAML_SEQUENCE_END_EVENT:
        case YAML_MAPPING_START_EVENT:
        case YAML_MAPPING_END_EVENT: break;
        }
    }
    return NULL;
}

const struct document_node *document_read(struct arena *arena, const char *path, const char *text,
                                          size_t length, struct rules_report *report)
{
    struct builder b = {.arena = arena, .path = path, .report = report};
    if (length > DOCUMENT_BYTES_MAX) {
        return fail(&b, (struct rules_place){0}, "the file is larger than 8 MiB");
    }
    if (length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        text += 3;
        length -= 3;
    }
    CHECK(yaml_parser_initialize(&b.yaml));
    yaml_parser_set_encoding(&b.yaml, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b.yaml, (const unsigned char *)text, length);
    const struct document_node *root = build_only(&b);
    if (root && document_is_null(root)) {
        root = fail(&b, (struct rules_place){0}, "the file is empty");
    }
    yaml_event_delete(&b.event);
    yaml_parser_delete(&b.yaml);
    free(b.anchors);
    return root;
}

char *document_load(const char *path, size_t *ret_length, struct rules_report *report)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        rules_report_add(report, path, (struct rules_place){0}, "cannot open the file: %s",
                         strerror(errno));
        return NULL;
    }
    char *text = heap_alloc(DOCUMENT_BYTES_MAX + 2);
    *ret_length = fread(text, 1, DOCUMENT_BYTES_MAX + 1, file);
    int problem = ferror(file) ? errno : 0;
    fclose(file);
    if (problem) {
        rules_report_add(report, path, (struct rules_place){0}, "cannot read the file: %s",
                         strerror(problem));
        free(text);
        return NULL;
    }
    text[*ret_length] = '\0';
    return heap_resize(text, *ret_length + 1);
}

const struct document_node *document_get(const struct document_node *node, const char *key)
{
    for (size_t i = 0; node && node->kind == DOCUMENT_MAP && i < node->count; i++) {
        if (strcmp(node->keys[i]->text, key) == 0) {
            return node->items[i];
        }
    }
    return NULL;
}

bool document_is_null(const struct document_node *node)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; node->kind == DOCUMENT_SCALAR && node->plain && i < ARRAY_LEN(words); i++) {
        if (strcmp(node->text, words[i]) == 0) {
            return true;
        }
    }
    return false;
}
