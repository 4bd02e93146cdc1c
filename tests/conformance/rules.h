/* Rules as people run them, and the unit tests that their authors wrote. */
#ifndef HEAL_TESTS_CONFORMANCE_RULES_H
#define HEAL_TESTS_CONFORMANCE_RULES_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/conformance/tally.h"

/* Of all YAML files below DIR/alert-rules those with this key at the top, in order. */
struct rule_paths {
    char **items;
    size_t count, capacity;
};
bool rule_paths_find(const char *dir, const char *key, struct rule_paths *ret);
void rule_paths_release(struct rule_paths *paths);

/* Every rule below DIR/alert-rules: imported, checked, and loaded into an engine with its file. A
 * line a rule that is not taken. False when the folder is absent. */
bool conformance_rules(const char *dir, struct tally *ret);
/* Every unit-test group below DIR/alert-rules, by the reference evaluator and on machine code.
 * Skipped, and said: groups that pass with the closed windows of Prometheus 2 only. */
bool conformance_groups(const char *dir, struct tally *ret);

#endif
