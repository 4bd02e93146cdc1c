/* Rule files from their documents. */
#include "compiler/rules/rule_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lang/prometheus_duration.h"

struct reader {
    struct arena *arena;
    const char *path;
    rule_template_f *template_check;
    struct rules_report *report;
    struct rule_file *file;
};

#define REPORT(reader, place, ...) \
    rules_report_add((reader)->report, (reader)->path, (place), __VA_ARGS__)

/* ---- durations ---- */

bool rules_duration(const char *text, int64_t *ret_ms, const char **ret_why)
{
    static const char *const whys[] = {[DURATION_GOOD] = "",
                                       [DURATION_EMPTY] = "an empty duration",
                                       [DURATION_WRONG] = "not a duration",
                                       [DURATION_TOO_LONG] = "a duration out of range"};
    const enum duration_reading reading = prometheus_duration(text, ret_ms);
    *ret_why = whys[reading];
    return reading == DURATION_GOOD;
}

/* ---- fields ---- */

/* The text of a scalar, "" for null; NULL after a report. */
static const char *text_of(struct reader *reader, const struct document_node *node,
                           const char *field)
{
    if (node->kind != DOCUMENT_SCALAR) {
        REPORT(reader, node->place, "'%s' is a text", field);
        return NULL;
    }
    return document_is_null(node) ? "" : node->text;
}

static bool duration_field(struct reader *reader, const struct document_node *node,
                           const char *field, bool *ret_has, int64_t *ret_ms)
{
    const char *text = text_of(reader, node, field), *why;
    if (text == NULL || (text[0] == '\0' && document_is_null(node))) {
        return text != NULL;
    }
    if (!rules_duration(text, ret_ms, &why)) {
        REPORT(reader, node->place, "'%s': %s: \"%s\"", field, why, text);
        return false;
    }
    *ret_has = true;
    return true;
}

static bool integer_field(struct reader *reader, const struct document_node *node,
                          const char *field, long *ret)
{
    const char *text = text_of(reader, node, field);
    char *end;
    if (text == NULL || document_is_null(node)) {
        return text != NULL;
    }
    errno = 0;
    *ret = strtol(text, &end, 10);
    if (*end != '\0' || end == text || errno != 0 || *ret < 0 || !node->plain) {
        REPORT(reader, node->place, "'%s' is a whole number, not \"%s\"", field, text);
        return false;
    }
    return true;
}

enum pairs { PAIRS_LABELS, PAIRS_ANNOTATIONS };

static bool template_good(struct reader *reader, const struct document_node *value,
                          const char *name)
{
    char why[300];
    if (reader->template_check(value->text, why, sizeof why)) {
        return true;
    }
    REPORT(reader, value->place, "the template of '%s': %s", name, why);
    return false;
}

static bool pair_good(struct reader *reader, const struct document_node *key,
                      const struct document_node *value, enum pairs pairs, bool templates)
{
    const char *kind = pairs == PAIRS_LABELS ? "label" : "annotation";
    if (value->kind != DOCUMENT_SCALAR) {
        REPORT(reader, value->place, "the %s '%s' is a text", kind, key->text);
        return false;
    }
    /* Any text is a name since Prometheus 3. */
    if (key->text[0] == '\0' || (pairs == PAIRS_LABELS && strcmp(key->text, "__name__") == 0)) {
        REPORT(reader, key->place, "invalid %s name: \"%s\"", kind, key->text);
        return false;
    }
    return !templates || template_good(reader, value, key->text);
}

/* Adds the pairs of a map behind those that are there; one of a name takes its place. */
static bool pairs_field(struct reader *reader, const struct document_node *node, enum pairs pairs,
                        bool templates, struct rule_pair **list)
{
    const char *field = pairs == PAIRS_LABELS ? "labels" : "annotations";
    bool good = true;
    if (document_is_null(node)) {
        return true;
    }
    if (node->kind != DOCUMENT_MAP) {
        REPORT(reader, node->place, "'%s' is a map", field);
        return false;
    }
    for (size_t i = 0; i < node->count; i++) {
        const struct document_node *key = node->keys[i], *value = node->items[i];
        struct rule_pair **at = list;
        if (!pair_good(reader, key, value, pairs, templates)) {
            good = false;
            continue;
        }
        while (*at && strcmp((*at)->name, key->text) != 0) {
            at = &(*at)->next;
        }
        if (*at == NULL) {
            *at = ARENA_NEW(reader->arena, struct rule_pair);
        }
        (*at)->name = key->text;
        (*at)->value = document_is_null(value) ? "" : value->text;
        (*at)->place = value->place;
    }
    return good;
}

/* What a key of a group or rule is; the fields of VictoriaMetrics are HARMLESS where they change
 * no answer, and REFUSED where they do. */
enum field {
    FIELD_UNKNOWN,
    FIELD_NAME,
    FIELD_INTERVAL,
    FIELD_LIMIT,
    FIELD_LABELS,
    FIELD_RULES,
    FIELD_TYPE,
    FIELD_QUERY_OFFSET,
    FIELD_RECORD,
    FIELD_ALERT,
    FIELD_EXPR,
    FIELD_FOR,
    FIELD_KEEP_FIRING_FOR,
    FIELD_ANNOTATIONS,
    FIELD_HARMLESS,
    FIELD_REFUSED
};
struct field_row {
    const char *key;
    enum field field;
};
static const struct field_row group_fields[] = {
    {"name", FIELD_NAME},
    {"interval", FIELD_INTERVAL},
    {"limit", FIELD_LIMIT},
    {"labels", FIELD_LABELS},
    {"rules", FIELD_RULES},
    {"query_offset", FIELD_QUERY_OFFSET},
    {"type", FIELD_TYPE},
    {"concurrency", FIELD_HARMLESS},
    {"eval_alignment", FIELD_HARMLESS},
    {"debug", FIELD_HARMLESS},
    {"headers", FIELD_HARMLESS},
    {"notifier_headers", FIELD_HARMLESS},
    {"update_entries_limit", FIELD_HARMLESS},
    {"partial_response_strategy", FIELD_HARMLESS},
    {"eval_offset", FIELD_REFUSED},
    {"eval_delay", FIELD_REFUSED},
    {"tenant", FIELD_REFUSED},
    {"params", FIELD_REFUSED},
    {"extra_filter_labels", FIELD_REFUSED},
    {"source_tenants", FIELD_REFUSED},
};
static const struct field_row rule_fields[] = {
    {"record", FIELD_RECORD},
    {"alert", FIELD_ALERT},
    {"expr", FIELD_EXPR},
    {"for", FIELD_FOR},
    {"keep_firing_for", FIELD_KEEP_FIRING_FOR},
    {"labels", FIELD_LABELS},
    {"annotations", FIELD_ANNOTATIONS},
    {"debug", FIELD_HARMLESS},
    {"update_entries_limit", FIELD_HARMLESS},
};

static enum field field_find(const struct field_row *rows, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].key, key) == 0) {
            return rows[i].field;
        }
    }
    return FIELD_UNKNOWN;
}

/* ---- rules ---- */

static bool rule_name(struct reader *reader, struct rule *rule, const struct document_node *node,
                      bool records)
{
    const char *text = text_of(reader, node, records ? "record" : "alert");
    if (text == NULL || text[0] == '\0') {
        return text != NULL;
    }
    if (rule->name) {
        REPORT(reader, node->place, "only one of 'record' and 'alert' may be set");
        return false;
    }
    rule->name = text;
    rule->records = records;
    return true;
}

static bool rule_expr(struct reader *reader, struct rule *rule, const struct document_node *node)
{
    rule->expr = text_of(reader, node, "expr");
    rule->expr_place = node->place;
    rule->expr_literal = node->literal;
    return rule->expr != NULL;
}

static bool rule_field(struct reader *reader, struct rule *rule, const struct document_node *key,
                       const struct document_node *node, bool records)
{
    switch (field_find(rule_fields, ARRAY_LEN(rule_fields), key->text)) {
    case FIELD_RECORD: return rule_name(reader, rule, node, true);
    case FIELD_ALERT: return rule_name(reader, rule, node, false);
    case FIELD_EXPR: return rule_expr(reader, rule, node);
    case FIELD_FOR: return duration_field(reader, node, "for", &rule->has_hold, &rule->hold_ms);
    case FIELD_KEEP_FIRING_FOR:
        return duration_field(reader, node, "keep_firing_for", &rule->has_keep_firing,
                              &rule->keep_firing_ms);
    case FIELD_LABELS: return pairs_field(reader, node, PAIRS_LABELS, !records, &rule->labels);
    case FIELD_ANNOTATIONS:
        return pairs_field(reader, node, PAIRS_ANNOTATIONS, true, &rule->annotations);
    case FIELD_HARMLESS: return true;
    case FIELD_UNKNOWN:
    case FIELD_NAME:
    case FIELD_INTERVAL:
    case FIELD_LIMIT:
    case FIELD_RULES:
    case FIELD_TYPE:
    case FIELD_QUERY_OFFSET:
    case FIELD_REFUSED: break;
    }
    REPORT(reader, key->place, "unknown field '%s' in a rule", key->text);
    return false;
}

static bool record_good(struct reader *reader, const struct rule *rule)
{
    const char *field = rule->annotations      ? "annotations"
                        : rule->hold_ms        ? "for"
                        : rule->keep_firing_ms ? "keep_firing_for"
                                               : NULL;
    if (strpbrk(rule->name, "{}")) {
        REPORT(reader, rule->place, "invalid recording rule name: \"%s\"", rule->name);
        return false;
    }
    if (field) {
        REPORT(reader, rule->place, "a recording rule has no '%s'", field);
    }
    return field == NULL;
}

static bool rule_good(struct reader *reader, const struct rule *rule)
{
    if (rule->name == NULL) {
        REPORT(reader, rule->place, "one of 'record' and 'alert' must be set");
        return false;
    }
    if (rule->expr == NULL || rule->expr[strspn(rule->expr, " \t\r\n")] == '\0') {
        REPORT(reader, rule->place, "the field 'expr' must be set in a rule");
        return false;
    }
    return !rule->records || record_good(reader, rule);
}

/* NULL after a report. */
static struct rule *rule_read(struct reader *reader, const struct document_node *node,
                              const struct rule_pair *labels)
{
    struct rule *rule = ARENA_NEW(reader->arena, struct rule);
    bool good = true;
    rule->place = node->place;
    if (node->kind != DOCUMENT_MAP) {
        REPORT(reader, node->place, "a rule is a map");
        return NULL;
    }
    for (struct rule_pair **last = &rule->labels; labels; labels = labels->next) {
        *last = ARENA_NEW(reader->arena, struct rule_pair);
        **last = (struct rule_pair){labels->name, labels->value, labels->place, NULL};
        last = &(*last)->next;
    }
    bool records = document_get(node, "record") != NULL;
    for (size_t i = 0; i < node->count; i++) {
        good = rule_field(reader, rule, node->keys[i], node->items[i], records) && good;
    }
    return good && rule_good(reader, rule) ? rule : NULL;
}

/* ---- groups ---- */

static bool type_good(struct reader *reader, const struct document_node *node)
{
    const char *text = text_of(reader, node, "type");
    if (text && text[0] && strcmp(text, "prometheus") != 0) {
        REPORT(reader, node->place, "rules of type '%s' are not PromQL", text);
        return false;
    }
    return text != NULL;
}

static bool offset_good(struct reader *reader, const struct document_node *node)
{
    bool has = false;
    int64_t ms = 0;
    if (duration_field(reader, node, "query_offset", &has, &ms) && ms == 0) {
        return true;
    }
    if (ms != 0) {
        REPORT(reader, node->place, "heal evaluates no group with a 'query_offset'");
    }
    return false;
}

static bool group_field(struct reader *reader, struct rule_group *group,
                        const struct document_node *key, const struct document_node *node,
                        struct rule_pair **labels)
{
    switch (field_find(group_fields, ARRAY_LEN(group_fields), key->text)) {
    case FIELD_NAME: group->name = text_of(reader, node, "name"); return group->name != NULL;
    case FIELD_INTERVAL:
        return duration_field(reader, node, "interval", &group->has_interval, &group->interval_ms);
    case FIELD_LIMIT: return integer_field(reader, node, "limit", &group->limit);
    case FIELD_LABELS: return pairs_field(reader, node, PAIRS_LABELS, false, labels);
    case FIELD_TYPE: return type_good(reader, node);
    case FIELD_QUERY_OFFSET: return offset_good(reader, node);
    case FIELD_RULES:
    case FIELD_HARMLESS: return true;
    case FIELD_REFUSED:
        REPORT(reader, key->place, "heal has nothing for the field '%s' of VictoriaMetrics",
               key->text);
        return false;
    case FIELD_UNKNOWN:
    case FIELD_RECORD:
    case FIELD_ALERT:
    case FIELD_EXPR:
    case FIELD_FOR:
    case FIELD_KEEP_FIRING_FOR:
    case FIELD_ANNOTATIONS: break;
    }
    REPORT(reader, key->place, "unknown field '%s' in a group", key->text);
    return false;
}

static bool group_rules(struct reader *reader, struct rule_group *group,
                        const struct document_node *node, const struct rule_pair *labels)
{
    struct rule **last = &group->rules;
    if (node == NULL || document_is_null(node)) {
        return true;
    }
    if (node->kind != DOCUMENT_LIST) {
        REPORT(reader, node->place, "'rules' is a list");
        return false;
    }
    for (size_t i = 0; i < node->count; i++) {
        *last = rule_read(reader, node->items[i], labels);
        reader->file->refused += *last == NULL;
        reader->file->rules += *last != NULL;
        last = *last ? &(*last)->next : last;
    }
    return true;
}

static bool group_unique(struct reader *reader, const struct rule_group *group)
{
    for (const struct rule_group *other = reader->file->groups; other; other = other->next) {
        if (strcmp(other->name, group->name) == 0) {
            REPORT(reader, group->place, "the group '%s' is there twice", group->name);
            return false;
        }
    }
    return true;
}

/* NULL after a report: a group with a wrong field is left out as a whole. */
static struct rule_group *group_read(struct reader *reader, const struct document_node *node)
{
    struct rule_group *group = ARENA_NEW(reader->arena, struct rule_group);
    struct rule_pair *labels = NULL;
    bool good = true;
    group->place = node->place;
    if (node->kind != DOCUMENT_MAP) {
        REPORT(reader, node->place, "a group is a map");
        return NULL;
    }
    for (size_t i = 0; i < node->count; i++) {
        good = group_field(reader, group, node->keys[i], node->items[i], &labels) && good;
    }
    if (good && (group->name == NULL || group->name[0] == '\0')) {
        REPORT(reader, group->place, "a group needs a name");
        good = false;
    }
    good = good && group_unique(reader, group);
    return good && group_rules(reader, group, document_get(node, "rules"), labels) ? group : NULL;
}

static void groups_read(struct reader *reader, const struct document_node *node)
{
    struct rule_group **last = &reader->file->groups;
    if (document_is_null(node)) {
        return;
    }
    if (node->kind != DOCUMENT_LIST) {
        REPORT(reader, node->place, "'groups' is a list");
        return;
    }
    for (size_t i = 0; i < node->count; i++) {
        *last = group_read(reader, node->items[i]);
        last = *last ? &(*last)->next : last;
    }
}

struct rule_file *rule_file_read(struct arena *arena, const char *path, const char *text,
                                 size_t length, rule_template_f *template_check,
                                 struct rules_report *report)
{
    struct rule_file *file = ARENA_NEW(arena, struct rule_file);
    struct reader reader = {arena, path, template_check, report, file};
    const struct document_node *root = document_read(arena, path, text, length, report);
    file->path = arena_strdup(arena, path);
    if (root == NULL) {
        return NULL;
    }
    if (root->kind != DOCUMENT_MAP) {
        REPORT(&reader, root->place, "a rule file is a map with the key 'groups'");
        return NULL;
    }
    for (size_t i = 0; i < root->count; i++) {
        bool groups = strcmp(root->keys[i]->text, "groups") == 0;
        if (!groups) {
            REPORT(&reader, root->keys[i]->place, "unknown field '%s' in a rule file",
                   root->keys[i]->text);
        } else {
            groups_read(&reader, root->items[i]);
        }
    }
    return file;
}
