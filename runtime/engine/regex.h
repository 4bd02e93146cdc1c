/* Regular expressions of matchers: RE2 syntax, always over the whole text. */
#ifndef HEAL_RUNTIME_ENGINE_REGEX_H
#define HEAL_RUNTIME_ENGINE_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { REGEX_BYTES_MAX = 4096, REGEX_MEMORY_BYTES_MAX = 8 * 1024 * 1024 };

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

#ifdef __cplusplus
}
#endif

#endif
