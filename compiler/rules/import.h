/* Rules as policies: what `healc import prometheus` prints.
 *
 *     struct import import;
 *     import_init(&import, &options, &report);
 *     import_file(&import, file);     // for each file; import.text grows
 *     import_release(&import);
 *
 * An alerting rule becomes a policy for each series that only notifies, a recording rule a recorded
 * signal, in the order of the file. Expressions are those of the rule but for what promql.h
 * rewrites. A rule that heal cannot express is a report. */
#ifndef HEAL_COMPILER_RULES_IMPORT_H
#define HEAL_COMPILER_RULES_IMPORT_H

#include "compiler/rules/rule_file.h"

enum { IMPORT_POLICIES_MAX = 20000, IMPORT_NAME_BYTES_MAX = 200 };

/* The channel of what is imported, and what a file must begin with to have it. */
extern const char import_channel[];

/* Whether heal takes a statement behind import_channel; else why not. */
typedef bool import_check_f(const char *text, char *why, size_t size);

struct import_options {
    int64_t interval_ms;      /* of groups that have none */
    bool one_interval;        /* of all groups */
    import_check_f *check;    /* NULL: only the expression is parsed */
    const char *channel_file; /* imported for the channel; NULL: the channel is declared */
};

struct import_name {
    const char *name;
    unsigned next; /* the number behind the next one of this name */
};
struct import_refused { /* an alert that was left out */
    const char *name;
    struct import_refused *next;
};
struct import {
    struct import_options options;
    struct rules_report *report;
    struct arena arena;
    struct import_name *names; /* heap */
    size_t name_count, name_capacity;
    char *text; /* heap: of all files so far */
    size_t length, capacity;
    size_t policies, signals, refused;
    struct import_refused *refused_alerts;
};

void import_init(struct import *import, const struct import_options *options,
                 struct rules_report *report);
/* Adds the policies of the file to import->text. */
void import_file(struct import *import, const struct rule_file *file);
/* Forgets the text, not the names: the next file is a text of its own. */
void import_clear(struct import *import);
void import_release(struct import *import);

#endif
