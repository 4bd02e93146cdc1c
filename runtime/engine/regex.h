/* Regular expressions in RE2 syntax: of matchers, always over the whole text; of templates,
 * anywhere in it. */
#ifndef HEAL_RUNTIME_ENGINE_REGEX_H
#define HEAL_RUNTIME_ENGINE_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { REGEX_BYTES_MAX = 4096, REGEX_GROUPS_MAX = 32, REGEX_MEMORY_BYTES_MAX = 8 * 1024 * 1024 };

struct regex;
/* NULL and the reason in error[size] when the pattern is wrong or too large. */
struct regex *regex_new(const char *pattern, char *error, size_t size);
bool regex_match(const struct regex *regex, const char *text);
/* Whether the pattern matches all of text; then the replacement with its groups $1, ${1}, $name and
 * ${name} put in ($$ is a dollar, what did not match is empty), cut to size, as Go's
 * Regexp.Expand() has it. */
bool regex_expand(const struct regex *regex, const char *text, const char *replacement, char *ret,
                  size_t size);
void regex_free(struct regex *regex);

/* As Go's regexp: a dot is no line end, and the expression is searched for. */
struct regex *regex_new_search(const char *pattern, char *error, size_t size);
/* Half-open spans in text; of a group that took no part both are SIZE_MAX. */
struct regex_span {
    size_t start, end;
};
/* The leftmost match from `from` on; spans[0] is the whole, then the groups, count of them. */
bool regex_search(const struct regex *regex, const char *text, size_t length, size_t from,
                  struct regex_span *spans, size_t count);
size_t regex_groups(const struct regex *regex);                        /* without the whole */
size_t regex_group_named(const struct regex *regex, const char *name); /* 0: no such group */

#ifdef __cplusplus
}
#endif

#endif
