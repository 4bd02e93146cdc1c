/* Rules as policies: what `healc import prometheus` prints.
 *
 *     struct importer import;
 *     importer_init(&import, &options, &report);
 *     importer_add_file(&import, file);     // for each file; import.text grows
 *     importer_release(&import);
 *
 * An alerting rule becomes a policy for each series that only notifies, a recording rule a recorded
 * signal, in the order of the file. Expressions are those of the rule but for what promql.h
 * rewrites. A rule that heal cannot express is a report. */
#ifndef HEAL_COMPILER_RULES_IMPORTER_H
#define HEAL_COMPILER_RULES_IMPORTER_H

#include "compiler/rules/rule_file.h"

enum {
    IMPORTER_POLICIES_MAX = 20000,
    IMPORTER_NAME_BYTES_MAX = NAME_BYTES_MAX - 7 /* of a policy; room for _alert, _99999 */
};

/* The channel of what is imported, and what a file must begin with to have it. */
extern const char importer_channel[];

/* Whether heal takes a statement behind importer_channel; else why not. */
typedef bool importer_check_f(const char *text, char *why, size_t size);

struct importer_options {
    int64_t interval_ms;      /* of groups that have none */
    bool one_interval;        /* of all groups */
    importer_check_f *check;  /* NULL: only the expression is parsed */
    const char *channel_file; /* imported for the channel; NULL: the channel is declared */
};

struct importer_name {
    const char *name;
    unsigned next; /* the number behind the next one of this name */
};
struct importer_refused { /* an alert that was left out */
    const char *name;
    struct importer_refused *next;
};
struct importer {
    struct importer_options options;
    struct rules_report *report;
    struct arena arena;
    struct importer_name *names; /* heap */
    size_t name_count, name_capacity;
    char *text; /* heap: of all files so far */
    size_t length, capacity;
    size_t policies, signals, refused;
    struct importer_refused *refused_alerts;
};

void importer_init(struct importer *import, const struct importer_options *options,
                   struct rules_report *report);
/* Adds the policies of the file to import->text. */
void importer_add_file(struct importer *import, const struct rule_file *file);
/* Forgets the text, not the names: the next file is a text of its own. */
void importer_clear(struct importer *import);
void importer_release(struct importer *import);

#endif
