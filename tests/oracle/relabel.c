/* label_replace() and label_join(): the same items under other labels. */
#include <stdlib.h>
#include <string.h>

#include "tests/oracle/evaluate_part.h"

enum { TEXT_BYTES = 1024, GROUPS = 4 };

static const char *string_of(const struct expr *call, size_t at)
{
    const struct expr *argument = oracle_argument(call, at);
    return argument ? argument->string.value : NULL;
}

static const char *label_of(const struct oracle_item *item, const char *label)
{
    if (strcmp(label, "__name__") != 0) {
        return oracle_labels_get(&item->labels, label);
    }
    return item->name ? item->name : "";
}

/* An empty value takes the label away. A name that is written stays. */
static void set_label(struct oracle *oracle, struct oracle_item *item, const char *label,
                      const char *value)
{
    if (strcmp(label, "__name__") == 0) {
        item->name = value[0] ? oracle_text(oracle, value) : NULL;
        item->drop = false;
        return;
    }
    const struct name_list only = {.name.text = label};
    item->labels = oracle_project(&item->labels, &only, false);
    oracle_labels_add(&item->labels, label, oracle_text(oracle, value));
}

static void put_text(char *ret, const char *from, size_t length)
{
    const size_t used = strlen(ret);
    CHECK(used + length < TEXT_BYTES);
    memcpy(ret + used, from, length);
    ret[used + length] = '\0';
}

/* $1 and ${1} are groups of the regular expression, $$ is a dollar. Tests write no others. */
static void expand(const char *replacement, const char *source, const regmatch_t *groups, char *ret)
{
    ret[0] = '\0';
    for (const char *at = replacement; *at; at++) {
        const bool braces = at[0] == '$' && at[1] == '{';
        const char digit = at[0] == '$' ? at[1 + braces] : '\0';
        if (at[0] == '$' && at[1] == '$') {
            put_text(ret, at++, 1);
        } else if (digit >= '0' && digit <= '9') {
            const int group = digit - '0' + (digit != '0'); /* past the one around all of it */
            if (group < GROUPS && groups[group].rm_so >= 0) {
                put_text(ret, source + groups[group].rm_so,
                         (size_t)(groups[group].rm_eo - groups[group].rm_so));
            }
            at += 1 + 2 * braces;
        } else {
            put_text(ret, at, 1);
        }
    }
}

static void replace(struct oracle *oracle, const struct expr *call, struct oracle_item *item)
{
    const char *source = label_of(item, string_of(call, 3));
    regmatch_t groups[GROUPS];
    char text[TEXT_BYTES];
    if (regexec(oracle_regex(oracle, string_of(call, 4)), source, GROUPS, groups, 0) == 0) {
        expand(string_of(call, 2), source, groups, text);
        set_label(oracle, item, string_of(call, 1), text);
    }
}

static void join(struct oracle *oracle, const struct expr *call, struct oracle_item *item)
{
    char text[TEXT_BYTES] = "";
    for (size_t i = 3; string_of(call, i); i++) {
        const char *value = label_of(item, string_of(call, i));
        const char *between = i > 3 ? string_of(call, 2) : "";
        put_text(text, between, strlen(between));
        put_text(text, value, strlen(value));
    }
    set_label(oracle, item, string_of(call, 1), text);
}

bool oracle_relabel(struct oracle *oracle, const struct expr *call, struct when when,
                    struct oracle_vector *ret)
{
    const struct oracle_vector *from = oracle_eval(oracle, oracle_argument(call, 0), when);
    if (!from) {
        return false;
    }
    oracle_inherit(ret, from);
    for (size_t i = 0; i < from->count; i++) {
        struct oracle_item item = from->items[i];
        if (oracle_is_call(call, "label_join")) {
            join(oracle, call, &item);
        } else {
            replace(oracle, call, &item);
        }
        oracle_put(ret, &item);
    }
    oracle_settle(ret);
    return true;
}
