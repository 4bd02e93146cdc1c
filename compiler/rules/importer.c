/* Prints rules as policies and recorded signals. */
#include "compiler/rules/importer.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/rules/promql.h"
#include "lang/parse/keyword.h"

const char importer_channel[] = "channel prometheus = log\n";

static const char needs[] = "# They only notify. Before one of them may act it needs: 'for each "
                            "ENTITY in POOL' instead of 'for each series',\n"
                            "# and that pool; 'clear when'; 'on missing' and 'on stale' with what "
                            "to do then; 'heal { try ACTION(...) verify ... }'\n"
                            "# with an action that is declared; 'bound' and 'cooldown'.\n";

/* ---- output ---- */

static void add_bytes(struct importer *import, const char *text, size_t length)
{
    if (import->length + length + 1 > import->capacity) {
        import->capacity = 2 * (import->length + length) + 1024;
        import->text = heap_resize(import->text, import->capacity);
    }
    memcpy(import->text + import->length, text, length);
    import->length += length;
    import->text[import->length] = '\0';
}

static void add(struct importer *import, const char *text)
{
    add_bytes(import, text, strlen(text));
}

static void put_comment(struct importer *import, const char *indent, const char *text)
{
    add(import, indent);
    add(import, "# ");
    for (; *text; text++) {
        add_bytes(import, (unsigned char)*text < 0x20 || *text == 0x7F ? " " : text, 1);
    }
    add(import, "\n");
}

static void put_string(struct importer *import, const char *text)
{
    char code[8];
    add(import, "\"");
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') {
            add_bytes(import, "\\", 1);
            add_bytes(import, text, 1);
        } else if (*text == '\n' || *text == '\t') {
            add(import, *text == '\n' ? "\\n" : "\\t");
        } else if ((unsigned char)*text < 0x20 || *text == 0x7F) {
            snprintf(code, sizeof code, "\\x%02x", (unsigned char)*text);
            add(import, code);
        } else {
            add_bytes(import, text, 1);
        }
    }
    add(import, "\"");
}

static void put_duration(struct importer *import, int64_t ms)
{
    char text[64];
    add(import, duration_print((struct duration){ms * NS_PER_MS}, text, sizeof text));
}

static void put_label(struct importer *import, const char *name)
{
    if (keyword_is_bare_label(name)) {
        add(import, name);
    } else {
        put_string(import, name);
    }
}

/* The lines of an expression, indented where no string goes over a line end. False where it is one
 * line behind which more may stand. */
static bool put_expression(struct importer *import, const char *text)
{
    text += strspn(text, " \t\r\n");
    size_t length = strlen(text);
    while (length > 0 && isspace((unsigned char)text[length - 1])) {
        length--;
    }
    bool lines = memchr(text, '\n', length) || memchr(text, '#', length);
    bool indent = lines && !memchr(text, '`', length);
    add(import, lines ? "\n" : " ");
    for (size_t i = 0, n; i < length; i += n) {
        const char *end = memchr(text + i, '\n', length - i);
        n = end ? (size_t)(end - text) - i + 1 : length - i;
        add(import, indent && text[i] != '\n' ? "    " : "");
        add_bytes(import, text + i, n);
    }
    return lines;
}

/* ---- names ---- */

static struct importer_name *name_find(struct importer *import, const char *name)
{
    for (size_t i = 0; i < import->name_count; i++) {
        if (strcmp(import->names[i].name, name) == 0) {
            return &import->names[i];
        }
    }
    return NULL;
}

static const char *name_add(struct importer *import, const char *name)
{
    ARRAY_RESERVE(import->names, import->name_count, import->name_capacity);
    import->names[import->name_count++] = (struct importer_name){name, 2};
    return name;
}

/* What heal may call a policy, from the name of an alert. */
static const char *name_clean(struct importer *import, const char *alert)
{
    char name[IMPORTER_NAME_BYTES_MAX + 16];
    size_t n = 0;
    if (!isalpha((unsigned char)alert[0]) && alert[0] != '_') {
        n = (size_t)snprintf(name, sizeof name, "alert_");
    }
    for (; *alert && n < IMPORTER_NAME_BYTES_MAX; alert++) {
        bool good = isascii((unsigned char)*alert) && isalnum((unsigned char)*alert);
        if (good || n == 0 || name[n - 1] != '_') {
            name[n++] = good ? *alert : '_';
        }
    }
    name[n] = '\0';
    if (keyword_find(name, n)) {
        snprintf(name + n, sizeof name - n, "_alert");
    }
    return arena_strdup(&import->arena, name);
}

/* A name that no policy of the set has: NAME, NAME_2, ... */
static const char *name_unique(struct importer *import, const char *alert)
{
    const char *base = name_clean(import, alert), *name = base;
    struct importer_name *known = name_find(import, base);
    while (known && name_find(import, name)) {
        name = arena_printf(&import->arena, "%s_%u", base, known->next++);
    }
    return name_add(import, name);
}

/* ---- rules ---- */

static void put_pairs(struct importer *import, const struct rule_pair *pair, const char *word)
{
    for (; pair; pair = pair->next) {
        if (strcmp(word, "label") == 0 && strcmp(pair->name, "alertname") == 0) {
            continue; /* Prometheus gives it the name of the alert, whatever stands here */
        }
        add(import, "  ");
        add(import, word);
        add(import, " ");
        put_label(import, pair->name);
        add(import, " = ");
        put_string(import, pair->value);
        add(import, "\n");
    }
}

static void put_changes(struct importer *import, const struct promql *promql)
{
    for (const struct promql_change *change = promql->changes; change; change = change->next) {
        put_comment(import, "", change->text);
    }
}

static void put_policy(struct importer *import, const struct rule *rule,
                       const struct promql *promql, int64_t interval_ms)
{
    const char *name = name_unique(import, rule->name);
    put_changes(import, promql);
    add(import, "policy ");
    add(import, name);
    add(import, " for each series every ");
    put_duration(import, interval_ms);
    add(import, " {\n");
    if (strcmp(name, rule->name) != 0) {
        add(import, "  label alertname = ");
        put_string(import, rule->name);
        add(import, "\n");
    }
    put_pairs(import, rule->labels, "label");
    put_pairs(import, rule->annotations, "annotation");
    add(import, "  when");
    bool lines = put_expression(import, promql->text);
    if (rule->hold_ms > 0) {
        add(import, lines ? "\n    for " : " for ");
        put_duration(import, rule->hold_ms);
    }
    if (rule->keep_firing_ms > 0) {
        add(import, "\n  keep firing for ");
        put_duration(import, rule->keep_firing_ms);
    }
    add(import, "\n  on missing as prometheus\n  escalate to prometheus\n}\n\n");
    import->policies++;
}

static void put_signal(struct importer *import, const struct rule *rule,
                       const struct promql *promql, int64_t interval_ms)
{
    put_changes(import, promql);
    add(import, "signal ");
    if (keyword_is_bare_metric(rule->name) && !keyword_find(rule->name, strlen(rule->name))) {
        add(import, rule->name);
    } else {
        put_string(import, rule->name);
    }
    for (const struct rule_pair *label = rule->labels; label; label = label->next) {
        add(import, label == rule->labels ? "{" : ", ");
        put_label(import, label->name);
        add(import, "=");
        put_string(import, label->value);
        add(import, label->next ? "" : "}");
    }
    add(import, " every ");
    put_duration(import, interval_ms);
    add(import, " =");
    put_expression(import, promql->text);
    add(import, "\n\n");
    import->signals++;
}

/* Where in the file a place of the expression is: its line where the text is a block. */
static struct rules_place expression_place(const struct rule *rule, struct rules_place place)
{
    if (rule->expr_literal) {
        return (struct rules_place){rule->expr_place.line + place.line, place.column};
    }
    return rule->expr_place;
}

static void refuse_rule(struct importer *import, const struct rule_file *file,
                        const struct rule *rule, struct rules_place place, const char *why)
{
    rules_report_add(import->report, file->path, place, "%s '%s': %s",
                     rule->records ? "record" : "alert", rule->name, why);
    import->refused++;
    if (!rule->records) {
        struct importer_refused *refused = ARENA_NEW(&import->arena, struct importer_refused);
        *refused = (struct importer_refused){arena_strdup(&import->arena, rule->name),
                                             import->refused_alerts};
        import->refused_alerts = refused;
    }
}

/* Takes back what was printed from `start` on when heal does not take it. */
static void check_rule(struct importer *import, const struct rule_file *file,
                       const struct rule *rule, size_t start)
{
    char why[400];
    struct arena arena = {0};
    const char *text = arena_printf(&arena, "%s%s", importer_channel, import->text + start);
    if (import->options.check && !import->options.check(text, why, sizeof why)) {
        import->length = start;
        import->text[start] = '\0';
        import->policies -= !rule->records;
        import->signals -= rule->records;
        refuse_rule(import, file, rule, rule->expr_place, why);
    }
    arena_release(&arena);
}

static void add_rule(struct importer *import, const struct rule_file *file, const struct rule *rule,
                     int64_t interval_ms)
{
    struct promql promql;
    size_t start = import->length;
    if (!promql_read(&import->arena, rule->expr, &promql)) {
        refuse_rule(import, file, rule, expression_place(rule, promql.place),
                    arena_printf(&import->arena, "expression %zu:%zu: %s", promql.place.line,
                                 promql.place.column, promql.why));
        return;
    }
    if (import->name_count >= IMPORTER_POLICIES_MAX) {
        refuse_rule(import, file, rule, rule->place, "there are too many policies");
        return;
    }
    if (rule->records) {
        put_signal(import, rule, &promql, interval_ms);
    } else {
        put_policy(import, rule, &promql, interval_ms);
    }
    check_rule(import, file, rule, start);
}

static void add_group(struct importer *import, const struct rule_file *file,
                      const struct rule_group *group)
{
    char text[128], every[64];
    int64_t interval_ms = group->interval_ms > 0 && !import->options.one_interval
                              ? group->interval_ms
                              : import->options.interval_ms;
    snprintf(text, sizeof text, ", every %s",
             duration_print((struct duration){interval_ms * NS_PER_MS}, every, sizeof every));
    put_comment(import, "",
                arena_printf(&import->arena, "group %s%s", group->name,
                             group->rules ? text : ", without rules"));
    if (group->limit > 0) {
        snprintf(text, sizeof text,
                 "its limit of %ld alerts or series is not kept: heal's own limits hold",
                 group->limit);
        put_comment(import, "", text);
    }
    add(import, "\n");
    for (const struct rule *rule = group->rules; rule; rule = rule->next) {
        add_rule(import, file, rule, interval_ms);
    }
}

void importer_add_file(struct importer *import, const struct rule_file *file)
{
    bool first = import->length == 0;
    const char *name = strrchr(file->path, '/');
    put_comment(
        import, "",
        arena_printf(&import->arena, "Policies imported from %s.", name ? name + 1 : file->path));
    add(import, needs);
    add(import, first ? "edition 1\n\n" : "\n");
    if (first && import->options.channel_file) {
        add(import, "import ");
        put_string(import, import->options.channel_file);
        add(import, "\n\n");
    } else if (first) {
        add(import, importer_channel);
        add(import, "\n");
    }
    for (const struct rule_group *group = file->groups; group; group = group->next) {
        add_group(import, file, group);
    }
}

void importer_init(struct importer *import, const struct importer_options *options,
                   struct rules_report *report)
{
    *import = (struct importer){.options = *options, .report = report};
}

void importer_clear(struct importer *import)
{
    import->length = 0;
}

void importer_release(struct importer *import)
{
    free(import->names);
    free(import->text);
    arena_release(&import->arena);
    *import = (struct importer){0};
}
