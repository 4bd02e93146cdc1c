/* What a child says on its standard error: passed on, and the end of it kept. */
#ifndef HEAL_RUNTIME_HEALD_PROCESS_WORDS_H
#define HEAL_RUNTIME_HEALD_PROCESS_WORDS_H

#include "lang/base.h"

enum { WORDS_BYTES = 400, WORDS_READS_MAX = 64 /* at once: a flood holds nobody up */ };

struct words {
    int fd; /* -1 */
    char text[WORDS_BYTES];
    size_t length;
};

/* Opens the pipe; *ret_child_fd is the child's end, for the caller to close. */
NODISCARD enum status words_open(struct words *words, int *ret_child_fd, struct error *error);
/* Passes on what is there; closes at the end of it. */
void words_read(struct words *words);
/* Reads what is left and closes. */
void words_close(struct words *words);
/* The last line that was said. */
const char *words_last(struct words *words);

#endif
