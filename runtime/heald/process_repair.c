/* heald --repair-journal: what a person decides when a journal does not verify. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/heald/process.h"
#include "runtime/heald/process_state.h"
#include "runtime/store/journal.h"

/* What root wrote anew belongs to the engine's user again. */
static enum status give_back(const char *path, const struct stat *owner, struct error *error)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", ".head", ".lock"};
    char name[JOURNAL_PATH_BYTES + 16];
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        if (lchown(name, owner->st_uid, owner->st_gid) != 0 && errno != ENOENT) {
            return error_set(error, STATUS_IO, "cannot give '%s' back to its owner: %s", name,
                             strerror(errno));
        }
    }
    return STATUS_OK;
}

/* The highest epoch the actor has seen; 0: none, or it cannot be read. */
static uint32_t actor_epoch(const struct config *config)
{
    char path[JOURNAL_PATH_BYTES];
    unsigned epoch = 0;
    snprintf(path, sizeof path, "%s/actions/EPOCH", config->state);
    FILE *file = fopen(path, "re");
    if (file) {
        epoch = fscanf(file, "%u", &epoch) == 1 ? epoch : 0;
        fclose(file);
    }
    return epoch;
}

/* The lost records may have been whole lives of the engine, whose ids the actor knows: the next
 * life must come after them. */
static enum status note_epoch(const struct config *config, const char *path, struct instant now,
                              struct error *error)
{
    struct journal *journal = NULL;
    struct record record = {.time = now, .kind = RECORD_STARTED, .epoch = actor_epoch(config)};
    snprintf(record.text, sizeof record.text, "repaired; the actor has seen epoch %" PRIu32,
             record.epoch);
    TRY(journal_open(path, &journal, error));
    enum status status = journal_append(journal, &record, 1, error);
    journal_close(journal);
    return status;
}

static enum status repair(const struct config *config, struct journal_repair *ret,
                          struct error *error)
{
    char path[JOURNAL_PATH_BYTES];
    struct stat owner;
    struct clock_anchor clock;
    int lock_fd = -1;
    int length = snprintf(path, sizeof path, "%s/journal.db", config->state);
    if (length < 0 || (size_t)length >= sizeof path) {
        return error_set(error, STATUS_LIMIT, "the path of the state folder is too long");
    }
    if (stat(path, &owner) != 0) {
        return error_set(error, STATUS_NOT_FOUND, "there is no journal '%s': %s", path,
                         strerror(errno));
    }
    clock_start(&clock);
    TRY(process_state_open(config, &lock_fd, error));
    umask(077);
    enum status status = journal_repair(path, clock_now(&clock), ret, error);
    if (status == STATUS_OK && ret->damaged) {
        status = note_epoch(config, path, clock_now(&clock), error);
    }
    if (status == STATUS_OK) {
        status = give_back(path, &owner, error);
    }
    close(lock_fd);
    return status;
}

int process_repair_main(const struct config *config)
{
    struct journal_repair done;
    struct error error;
    if (repair(config, &done, &error) != STATUS_OK) {
        fprintf(stderr, "heald: the journal was not repaired: %s\n", error.message);
        return 1;
    }
    if (!done.damaged) {
        printf("the journal is whole, %" PRIu64 " records; nothing was changed\n", done.kept);
    } else {
        printf("the journal was damaged: %s\n", done.damage);
        printf("kept %" PRIu64 " records of %" PRIu64 "; the damaged one lies in %s\n", done.kept,
               done.noted > done.kept ? done.noted : done.kept, done.aside);
        puts("actions whose records were lost are not known to heald any more; the latches below "
             "actions/ still are");
    }
    return fflush(stdout) != 0;
}
