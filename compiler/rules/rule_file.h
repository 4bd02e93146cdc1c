/* Rule files of Prometheus and VictoriaMetrics, read as Prometheus reads them: unknown fields,
 * names and durations that it refuses are refused here.
 *
 *     struct rule_file *file = rule_file_read(&arena, path, text, length, &options, &report);
 *     for (group in file->groups) for (rule in group->rules) ...
 *
 * A rule that is wrong is a report and left out; the others are read. */
#ifndef HEAL_COMPILER_RULES_RULE_FILE_H
#define HEAL_COMPILER_RULES_RULE_FILE_H

#include "compiler/rules/document.h"

struct rule_pair {
    const char *name, *value;
    struct rules_place place; /* of the value */
    struct rule_pair *next;
};

struct rule {
    bool records; /* a recording rule */
    const char *name, *expr;
    struct rules_place place;      /* of the rule */
    struct rules_place expr_place; /* of its expression's text */
    bool expr_literal;             /* its lines are those of the file, from the next one on */
    bool has_hold, has_keep_firing;
    int64_t hold_ms, keep_firing_ms;
    struct rule_pair *labels, *annotations; /* those of the group among the labels */
    struct rule *next;
};

struct rule_group {
    const char *name;
    struct rules_place place;
    bool has_interval;
    int64_t interval_ms;
    long limit; /* 0: none */
    struct rule *rules;
    struct rule_group *next;
};

struct rule_file {
    const char *path;
    struct rule_group *groups;
    size_t rules, refused;
};

/* Whether text is a template; else why not. The reader knows no templates itself. */
typedef bool rule_template_f(const char *text, char *why, size_t size);

struct rule_file *rule_file_read(struct arena *arena, const char *path, const char *text,
                                 size_t length, rule_template_f *template_check,
                                 struct rules_report *report);

/* 1h30m as Prometheus reads it: whole numbers, larger units first, each once; "0". False with the
 * reason in ret_why. */
bool rules_duration(const char *text, int64_t *ret_ms, const char **ret_why);

#endif
