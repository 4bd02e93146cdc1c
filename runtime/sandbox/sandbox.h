/* The cage of a process: what it gives up once it has opened what it needs.
 *
 *     struct sandbox sandbox = {.role = SANDBOX_ENGINE, .user = "heal",
 *                               .write_paths = paths, .write_count = 1};
 *     char report[SANDBOX_REPORT_BYTES];
 *     TRY(sandbox_apply(&sandbox, report, error));     // one line an item, what lacks included
 *
 * In order: no core dumps, the user, no new privileges, Landlock, seccomp. What the kernel does not
 * have is said in the report; what it has and refuses is an error. There is no way back. Threads
 * made before are caged too. */
#ifndef HEAL_RUNTIME_SANDBOX_SANDBOX_H
#define HEAL_RUNTIME_SANDBOX_SANDBOX_H

#include "lang/base.h"

enum { SANDBOX_REPORT_BYTES = 1024, SANDBOX_PATHS_MAX = 32 };

enum sandbox_role {
    SANDBOX_PARENT,  /* starts and ends processes, which inherit its cage */
    SANDBOX_INGEST,  /* network; no programs, no files written */
    SANDBOX_ENGINE,  /* files of the state folder; no network, no programs */
    SANDBOX_ACTOR,   /* runs granted programs and calls webhooks */
    SANDBOX_COMPILE, /* memory and its open socket; no files, network, programs, threads */
    SANDBOX_ROLES
};

/* "parent", "ingest", "engine", "actor", "compile" */
extern const char *const sandbox_role_texts[SANDBOX_ROLES];

struct sandbox {
    enum sandbox_role role;
    const char *user; /* NULL or "none": stays */
    /* Landlock: folders and files below which the process may read; read and write. Ignored for the
     * parent and the actor, whose programs would inherit it. Missing ones are skipped. */
    const char *const *read_paths;
    size_t read_count;
    const char *const *write_paths;
    size_t write_count;
};

NODISCARD enum status sandbox_apply(const struct sandbox *sandbox, char ret[SANDBOX_REPORT_BYTES],
                                    struct error *error);

/* The version of Landlock the kernel has; 0: none. */
int sandbox_landlock_version(void);

/* Tries each forbidden thing in a caged child of its own and calls line(ctx, name, outcome) with
 * "denied", "killed", "unsupported" or "ALLOWED". Returns how many were allowed. */
typedef void sandbox_line_f(void *ctx, const char *name, const char *outcome);
int sandbox_probe(enum sandbox_role role, sandbox_line_f *line, void *ctx);

#endif
