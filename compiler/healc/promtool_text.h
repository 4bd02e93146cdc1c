/* What unit tests compare, as texts: alerts and samples are written alike, sorted, and equal when
 * their texts are.
 *
 *     struct words words = {0};
 *     words_add(&words, "{");
 *     words_pair(&words, "job", "a", true);
 *     texts_take(&texts, &words);             // words are empty again */
#ifndef HEAL_COMPILER_HEALC_PROMTOOL_TEXT_H
#define HEAL_COMPILER_HEALC_PROMTOOL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* A text that grows. */
struct words {
    char *bytes; /* heap */
    size_t length, capacity;
};
void words_add(struct words *words, const char *text);
/* name="value", behind a comma unless it is the first. */
void words_pair(struct words *words, const char *name, const char *value, bool first);

/* A set of texts. */
struct texts {
    char **items; /* heap */
    size_t count, capacity;
};
void texts_take(struct texts *texts, struct words *words);
void texts_sort(struct texts *texts);
bool texts_equal(const struct texts *a, const struct texts *b); /* both sorted */
void texts_join(const struct texts *texts, struct words *words);
void texts_release(struct texts *texts);

#endif
