/* The processes of heald and what they are born with.
 *
 * One binary: the parent executes itself once a role (heald --role ROLE). Each child finds its
 * descriptors in fixed slots, the effective configuration in one of them, the clock in the
 * environment. A role's main begins so:
 *
 *     int process_engine_main(const struct process_start *start)
 *     {
 *         ... open what is needed ...
 *         TRY(process_cage(start, report, &error));
 *         process_ready();
 *         ... loop: poll PROCESS_FD_PEER, PROCESS_FD_WAKE, PROCESS_FD_PARENT ...
 *     }
 *
 * When the engine or the actor dies, the other lives on: its PROCESS_FD_PEER reports the end of
 * the stream, and the parent sends a fresh end over PROCESS_FD_PARENT, which process_wait_peer()
 * puts in the slot of the old one. When PROCESS_FD_PARENT itself ends, the parent is gone or stops
 * heald: end.
 *
 * SIGTERM: end in an orderly way, within PROCESS_STOP_MS. SIGHUP reaches the engine only: reload.
 * Both are blocked when a role's main starts; take them by signalfd. */
#ifndef HEAL_RUNTIME_HEALD_PROCESS_H
#define HEAL_RUNTIME_HEALD_PROCESS_H

#include "runtime/config/config.h"
#include "runtime/heald/clock.h"
#include "runtime/sandbox/sandbox.h"

enum process_role { PROCESS_INGEST, PROCESS_ENGINE, PROCESS_ACTOR, PROCESS_ROLES };

/* Open in all children, except where said. */
enum {
    PROCESS_FD_FEED = 10,    /* ingest, engine: memfd of the feed ring */
    PROCESS_FD_PAGE = 11,    /* ingest, engine: memfd of the status page */
    PROCESS_FD_PEER = 12,    /* engine, actor: SOCK_SEQPACKET to each other */
    PROCESS_FD_WAKE = 13,    /* ingest, engine: eventfd, written when the feed has news */
    PROCESS_FD_CONTROL = 14, /* engine: the listening control socket */
    PROCESS_FD_PARENT = 15,  /* SOCK_SEQPACKET to the parent */
    PROCESS_FD_CONFIG = 16,  /* memfd: the effective configuration as YAML */
    PROCESS_FD_END
};

enum {
    PROCESS_STOP_MS = 5000,
    PROCESS_BACK_OFF_LEAST_MS = 100,
    PROCESS_BACK_OFF_MOST_MS = 30000,
    PROCESS_STEADY_MS = 60000, /* alive for so long: the back-off starts anew */
    PROCESS_EXIT_REFUSED = 78, /* a child that ends so before it is ready ends heald */
};

struct process_start {
    enum process_role role;
    const struct config *config;
    struct clock_anchor clock;
};

/* Roles' mains return their exit code. */
int process_ingest_main(const struct process_start *start);
int process_engine_main(const struct process_start *start);
int process_actor_main(const struct process_start *start);

/* "ingest", "engine", "actor" */
extern const char *const process_role_texts[PROCESS_ROLES];

/* Applies the role's cage with the configuration's user and folders; logs and returns its report.
 */
NODISCARD enum status process_cage(const struct process_start *start,
                                   char ret[SANDBOX_REPORT_BYTES], struct error *error);
/* A signalfd of SIGTERM and SIGINT, and of SIGHUP where a reload is understood; -1 with errno. */
int process_signals(bool reload);
/* Tells the parent that this child works. */
void process_ready(void);
/* Waits for a fresh peer and puts it into PROCESS_FD_PEER. STATUS_LIMIT: none came in time;
 * STATUS_NOT_FOUND: the parent is gone or stops heald, end. It does not look at signals. */
NODISCARD enum status process_wait_peer(int timeout_ms, struct error *error);
/* Puts a peer that came with a message into PROCESS_FD_PEER. */
NODISCARD enum status process_take_peer(int take_fd, struct error *error);

/* The parent: everything from here until the end. Returns the exit code. */
int process_parent_main(const struct config *config);
/* A person's command: repairs a journal that heald refuses, while no heald runs. Returns the exit
 * code. */
int process_repair_main(const struct config *config);
/* A child: takes what the parent left and calls its role's main. */
int process_child_main(enum process_role role);

#endif
