/* A child's standard error. */
#include "runtime/heald/process_words.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum status words_open(struct words *words, int *ret_child_fd, struct error *error)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0) {
        return error_set(error, STATUS_IO, "cannot make a pipe: %s", strerror(errno));
    }
    /* A child's writes must not be cut off by our reading flag. */
    fcntl(fds[1], F_SETFL, 0);
    words->fd = fds[0];
    words->length = 0;
    *ret_child_fd = fds[1];
    return STATUS_OK;
}

void words_read(struct words *words)
{
    char buffer[4096];
    ssize_t length = -1;
    for (int reads = 0; words->fd >= 0 && reads < WORDS_READS_MAX &&
                        (length = read(words->fd, buffer, sizeof(buffer))) > 0;
         reads++) {
        size_t keep = (size_t)length < WORDS_BYTES - 1 ? (size_t)length : WORDS_BYTES - 1;
        size_t over =
            words->length + keep > WORDS_BYTES - 1 ? words->length + keep - (WORDS_BYTES - 1) : 0;
        memmove(words->text, words->text + over, words->length - over);
        memcpy(words->text + words->length - over, buffer + length - keep, keep);
        words->length += keep - over;
        words->text[words->length] = '\0';
        ssize_t wrote = write(STDERR_FILENO, buffer, (size_t)length);
        (void)wrote;
    }
    if (length == 0 && words->fd >= 0) {
        close(words->fd);
        words->fd = -1;
    }
}

void words_close(struct words *words)
{
    words_read(words);
    if (words->fd >= 0) {
        close(words->fd);
        words->fd = -1;
    }
}

const char *words_last(struct words *words)
{
    while (words->length > 0 && words->text[words->length - 1] == '\n') {
        words->text[--words->length] = '\0';
    }
    const char *line = words->length > 0 ? strrchr(words->text, '\n') : NULL;
    return words->length == 0 ? "nothing" : line != NULL ? line + 1 : words->text;
}
