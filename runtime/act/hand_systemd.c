/* The systemd hand: one job of one unit, over the bus.
 *
 * The unit is read, noted, and its job asked for; JobRemoved says how it ended, and the unit is
 * read again. Where no answer came the unit's InvocationID tells whether it was started anew since.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-bus.h>

#include "runtime/act/hand_internal.h"
#include "runtime/act/systemd_unit.h"

#define SYSTEMD   "org.freedesktop.systemd1"
#define MANAGER   SYSTEMD ".Manager"
#define UNIT      SYSTEMD ".Unit"
#define ROOT_PATH "/org/freedesktop/systemd1"
#define LOOK_EACH ((struct duration){500 * NS_PER_MS})

enum { PATH_BYTES = 512, PROCESS_MAX = 256 };

enum verb { VERB_RESTART, VERB_START, VERB_STOP, VERB_RELOAD };
static const char *const members[] = {"RestartUnit", "StartUnit", "StopUnit", "ReloadUnit"};

enum stage {
    STAGE_READ,  /* the unit, before anything */
    STAGE_JOB,   /* asked for, or running */
    STAGE_AFTER, /* it ended: the unit is read again */
    STAGE_LOOK   /* nobody said how it ended: the unit is read again and again */
};

struct systemd_run {
    struct hand_run base;
    const char *address;
    int epoll_fd;
    sd_bus *bus;
    enum verb verb;
    char name[UNIT_NAME_BYTES], path[PATH_BYTES], job[PATH_BYTES];
    char ended_job[PATH_BYTES], result[UNIT_WORD_BYTES]; /* of the last JobRemoved of this unit */
    char invocation[UNIT_INVOCATION_BYTES];              /* before: as noted */
    struct systemd_unit unit;
    enum stage stage;
    struct duration deadline, look_at, now;
    hand_note_f *note;
    void *note_context;
    bool asked;   /* a job may have been asked for */
    bool former;  /* by a former actor */
    bool reading; /* a read is under way */
    bool fresh;   /* a read has come */
    bool ended;   /* the outcome is known */
    bool ending;
    enum outcome outcome;
    char said[HAND_TEXT_BYTES - 50];
};

static void say(struct systemd_run *run, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void say(struct systemd_run *run, const char *fmt, ...)
{
    char text[HAND_TEXT_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    message_escape(text, message_fits(text, strlen(text), sizeof run->said), run->said,
                   sizeof run->said);
}

static void conclude(struct systemd_run *run, enum outcome outcome)
{
    run->ended = true;
    run->outcome = outcome;
}

/* Where no more can be found out. */
static void give_up(struct systemd_run *run)
{
    bool runs_on = run->stage == STAGE_JOB && run->job[0] && !run->ending;
    conclude(run, runs_on ? OUTCOME_TIMED_OUT : run->asked ? OUTCOME_UNKNOWN : OUTCOME_FAILED);
}

static void look_later(struct systemd_run *run)
{
    run->stage = STAGE_LOOK;
    run->look_at.ns = run->now.ns + LOOK_EACH.ns;
}

static void close_bus(struct systemd_run *run)
{
    if (run->bus && run->epoll_fd >= 0) {
        int fd = sd_bus_get_fd(run->bus);
        if (fd >= 0) {
            epoll_ctl(run->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        }
    }
    run->bus = sd_bus_close_unref(run->bus);
    run->reading = false;
}

/* The bus is gone or makes no sense: without a job nothing happened, else the unit tells. */
static void lose_bus(struct systemd_run *run, int why)
{
    close_bus(run);
    say(run, "the bus is gone: %s", strerror(why < 0 ? -why : why));
    if (!run->asked) {
        give_up(run);
        return;
    }
    look_later(run);
}

/* ---- reading a unit ---- */

static bool is_refused(struct systemd_run *run, sd_bus_message *m)
{
    const sd_bus_error *error = sd_bus_message_get_error(m);
    if (!error) {
        return false;
    }
    say(run, "%s: %s", error->name ? error->name : "an error",
        error->message ? error->message : "");
    return true;
}

/* Whether the error is one by which systemd or the bus refuses: then there is no job. */
static bool is_no(sd_bus_message *m)
{
    static const char *const lost[] = {SD_BUS_ERROR_NO_REPLY, SD_BUS_ERROR_TIMEOUT,
                                       SD_BUS_ERROR_DISCONNECTED};
    const sd_bus_error *error = sd_bus_message_get_error(m);
    for (size_t i = 0; i < ARRAY_LEN(lost); i++) {
        if (!error->name || strcmp(error->name, lost[i]) == 0) {
            return false;
        }
    }
    return strncmp(error->name, SYSTEMD ".", strlen(SYSTEMD ".")) == 0 ||
           strncmp(error->name, "org.freedesktop.DBus.Error.", 27) == 0;
}

/* A read that fails: before anything it is the end, later it is tried again. */
static void read_failed(struct systemd_run *run)
{
    run->reading = false;
    if (!run->asked) {
        conclude(run, OUTCOME_FAILED);
        return;
    }
    look_later(run);
}

static int on_unit(sd_bus_message *m, void *context, sd_bus_error *error)
{
    struct systemd_run *run = context;
    (void)error;
    run->reading = false;
    if (is_refused(run, m)) {
        read_failed(run);
    } else if (!systemd_unit_read(m, &run->unit)) {
        say(run, "systemd answered with something else than a unit");
        read_failed(run);
    } else {
        run->fresh = true;
    }
    return 0;
}

static int on_path(sd_bus_message *m, void *context, sd_bus_error *error)
{
    struct systemd_run *run = context;
    const char *path = NULL;
    (void)error;
    if (is_refused(run, m)) {
        read_failed(run);
        return 0;
    }
    if (sd_bus_message_read(m, "o", &path) < 0 || strlen(path) >= sizeof run->path) {
        say(run, "systemd answered with something else than a unit");
        read_failed(run);
        return 0;
    }
    snprintf(run->path, sizeof run->path, "%s", path);
    int r = sd_bus_call_method_async(run->bus, NULL, SYSTEMD, run->path,
                                     "org.freedesktop.DBus.Properties", "GetAll", on_unit, run, "s",
                                     UNIT);
    if (r < 0) {
        lose_bus(run, r);
    }
    return 0;
}

static void start_reading(struct systemd_run *run)
{
    run->reading = true;
    run->fresh = false;
    int r = sd_bus_call_method_async(run->bus, NULL, SYSTEMD, ROOT_PATH, MANAGER, "LoadUnit",
                                     on_path, run, "s", run->name);
    if (r < 0) {
        lose_bus(run, r);
    }
}

/* ---- the job ---- */

static void take_end_of_job(struct systemd_run *run)
{
    if (run->stage != STAGE_JOB || !run->job[0] || strcmp(run->job, run->ended_job) != 0) {
        return;
    }
    if (strcmp(run->result, "done") != 0) {
        say(run, "its job ended as %s", run->result);
        conclude(run, OUTCOME_FAILED);
        return;
    }
    run->stage = STAGE_AFTER;
    start_reading(run);
}

/* It may come before the answer that names the job. */
static int on_job_removed(sd_bus_message *m, void *context, sd_bus_error *error)
{
    struct systemd_run *run = context;
    uint32_t id = 0;
    const char *job = NULL, *unit = NULL, *result = NULL;
    (void)error;
    if (sd_bus_message_read(m, "uoss", &id, &job, &unit, &result) >= 0 &&
        (strcmp(unit, run->name) == 0 || strcmp(unit, run->unit.id) == 0) && run->asked) {
        snprintf(run->ended_job, sizeof run->ended_job, "%s", job);
        snprintf(run->result, sizeof run->result, "%s", result);
        take_end_of_job(run);
    }
    return 0;
}

static int on_job(sd_bus_message *m, void *context, sd_bus_error *error)
{
    struct systemd_run *run = context;
    const char *job = NULL;
    (void)error;
    if (is_refused(run, m)) {
        if (is_no(m)) {
            conclude(run, OUTCOME_FAILED);
        } else {
            look_later(run);
        }
        return 0;
    }
    if (sd_bus_message_read(m, "o", &job) < 0 || strlen(job) >= sizeof run->job) {
        say(run, "systemd answered with something else than a job");
        look_later(run);
        return 0;
    }
    snprintf(run->job, sizeof run->job, "%s", job);
    say(run, "its job had not ended");
    take_end_of_job(run);
    return 0;
}

/* Mode "fail": no job of another is taken away for this one. */
static void ask_for_job(struct systemd_run *run)
{
    char note[HAND_NOTE_BYTES];
    struct error error;
    snprintf(note, sizeof note, "invocation %s state %s",
             run->unit.invocation[0] ? run->unit.invocation : "none", run->unit.active);
    if (run->note(run->note_context, note, &error) != STATUS_OK) {
        say(run, "%.200s", error.message);
        conclude(run, OUTCOME_FAILED);
        return;
    }
    memcpy(run->invocation, run->unit.invocation, sizeof run->invocation);
    run->asked = true;
    run->stage = STAGE_JOB;
    say(run, "systemd had not answered");
    int r = sd_bus_call_method_async(run->bus, NULL, SYSTEMD, ROOT_PATH, MANAGER,
                                     members[run->verb], on_job, run, "ss", run->name, "fail");
    if (r < 0) {
        lose_bus(run, r);
    }
}

/* ---- what was read ---- */

static bool is_active(const struct systemd_run *run)
{
    return strcmp(run->unit.active, "active") == 0 || strcmp(run->unit.active, "reloading") == 0;
}

static bool is_down(const struct systemd_run *run)
{
    return strcmp(run->unit.active, "inactive") == 0 || strcmp(run->unit.active, "failed") == 0;
}

static bool is_another_invocation(const struct systemd_run *run)
{
    return run->unit.invocation[0] && strcmp(run->unit.invocation, run->invocation) != 0;
}

static void judge_before(struct systemd_run *run)
{
    if (systemd_unit_is_own(run->unit.id)) {
        say(run, "%s is heald's own, or what it speaks over", run->unit.id);
        conclude(run, OUTCOME_FAILED);
    } else if (strcmp(run->unit.load, "loaded") != 0) {
        say(run, "the unit is %s", run->unit.load);
        conclude(run, OUTCOME_FAILED);
    } else if (run->verb == VERB_RELOAD && !is_active(run)) {
        say(run, "the unit is %s: there is nothing to reload", run->unit.active);
        conclude(run, OUTCOME_FAILED);
    } else if ((run->verb == VERB_START && is_active(run)) ||
               (run->verb == VERB_STOP && is_down(run))) {
        say(run, "the unit is %s already", run->unit.active);
        conclude(run, OUTCOME_SUCCEEDED);
    } else {
        ask_for_job(run);
    }
}

/* Whether the unit shows what the action does. A reload shows nothing. */
static bool is_done(const struct systemd_run *run)
{
    switch (run->verb) {
    case VERB_RESTART:
    case VERB_START: return is_another_invocation(run);
    case VERB_STOP: return is_down(run);
    case VERB_RELOAD: return false;
    }
    return false;
}

/* systemd says that the job is done; the unit must say so too. */
static void judge_after(struct systemd_run *run)
{
    if (run->verb == VERB_RELOAD || is_done(run)) {
        say(run, "the unit is %s%s%s", run->unit.active,
            run->unit.invocation[0] ? ", invocation " : "", run->unit.invocation);
        conclude(run, OUTCOME_SUCCEEDED);
        return;
    }
    say(run, "its job is said to be done, and the unit is %s in the same invocation",
        run->unit.active);
    conclude(run, OUTCOME_UNKNOWN);
}

static void judge_look(struct systemd_run *run)
{
    if (!run->unit.has_job && is_done(run)) {
        say(run, "the unit is %s, and its invocation another than before", run->unit.active);
        conclude(run, OUTCOME_SUCCEEDED);
        return;
    }
    if (run->verb == VERB_RELOAD && !run->unit.has_job) {
        say(run, "a reload leaves no trace");
        conclude(run, OUTCOME_UNKNOWN);
        return;
    }
    say(run, run->unit.has_job ? "the unit has a job" : "the unit is as it was before");
    run->look_at.ns = run->now.ns + LOOK_EACH.ns;
}

static void judge(struct systemd_run *run)
{
    run->fresh = false;
    switch (run->stage) {
    case STAGE_READ: judge_before(run); return;
    case STAGE_AFTER: judge_after(run); return;
    case STAGE_LOOK: judge_look(run); return;
    case STAGE_JOB: return;
    }
}

/* ---- the bus ---- */

static int on_answered(sd_bus_message *m, void *context, sd_bus_error *error)
{
    struct systemd_run *run = context;
    (void)error;
    if (!run->ended && !run->asked && is_refused(run, m)) {
        conclude(run, OUTCOME_FAILED); /* without signals the end of a job would not be seen */
    }
    return 0;
}

static int open_bus(struct systemd_run *run)
{
    int r = sd_bus_new(&run->bus);
    r = r < 0 ? r : sd_bus_set_address(run->bus, run->address);
    r = r < 0 ? r : sd_bus_set_bus_client(run->bus, 1);
    r = r < 0 ? r
              : sd_bus_set_method_call_timeout(run->bus, (uint64_t)(GRANT_TIMEOUT_MAX.ns / 1000));
    r = r < 0 ? r : sd_bus_start(run->bus);
    r = r < 0 ? r
              : sd_bus_match_signal_async(run->bus, NULL, SYSTEMD, ROOT_PATH, MANAGER, "JobRemoved",
                                          on_job_removed, on_answered, run);
    r = r < 0 ? r
              : sd_bus_call_method_async(run->bus, NULL, SYSTEMD, ROOT_PATH, MANAGER, "Subscribe",
                                         on_answered, run, "");
    int fd = r < 0 ? r : sd_bus_get_fd(run->bus);
    if (fd >= 0 && run->epoll_fd >= 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        r = epoll_ctl(run->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
    }
    return fd < 0 ? fd : r;
}

static void drive(struct systemd_run *run)
{
    int r = 1;
    for (int i = 0; run->bus && !run->ended && r > 0 && i < PROCESS_MAX; i++) {
        r = sd_bus_process(run->bus, NULL);
        if (r < 0) {
            lose_bus(run, r);
        } else if (run->fresh && !run->ended) {
            judge(run);
        }
    }
}

static enum status systemd_check(const struct grant *grant, const char *target, struct error *error)
{
    char name[UNIT_NAME_BYTES];
    TRY(systemd_unit_name(target, name, error));
    return grant->parameter_count == 0 ? STATUS_OK
                                       : error_set(error, STATUS_DENIED, "%s takes no parameter",
                                                   connector_infos[grant->connector].text);
}

/* ---- the hand ---- */

static bool take_former(struct systemd_run *run, const char *note)
{
    run->former = run->asked = true;
    run->stage = STAGE_LOOK;
    if (sscanf(note, "invocation %32s state", run->invocation) != 1) {
        return false;
    }
    if (strcmp(run->invocation, "none") == 0) {
        run->invocation[0] = '\0';
    }
    return true;
}

static enum status systemd_start(struct hands *hands, const struct hand_order *order,
                                 struct duration uptime, struct hand_run **ret, struct error *error)
{
    struct systemd_run *run = heap_alloc(sizeof *run);
    *run = (struct systemd_run){
        .address = hands->settings.systemd_bus,
        .epoll_fd = hands->settings.epoll_fd,
        .verb = (enum verb)(order->grant->connector - CONNECTOR_SYSTEMD_RESTART),
        .deadline = {uptime.ns + order->grant->timeout.ns},
        .now = uptime,
        .look_at = uptime,
        .note = order->note,
        .note_context = order->note_context};
    enum status status = systemd_unit_name(order->target, run->name, error);
    if (status == STATUS_OK && order->former && !take_former(run, order->former)) {
        status = error_set(error, STATUS_PROTOCOL, "its note cannot be read");
    }
    if (status != STATUS_OK) {
        free(run);
        return status;
    }
    say(run, "systemd had not answered");
    *ret = &run->base;
    return STATUS_OK;
}

/* Connects, and reads the unit where that is due. */
static void begin(struct systemd_run *run)
{
    bool due =
        run->stage == STAGE_READ || (run->stage == STAGE_LOOK && run->now.ns >= run->look_at.ns);
    if (run->reading || !due) {
        return;
    }
    int r = run->bus ? 0 : open_bus(run);
    if (r < 0) {
        lose_bus(run, r);
        return;
    }
    start_reading(run);
}

static bool systemd_step(struct hand_run *base, struct duration uptime, struct hand_result *ret)
{
    struct systemd_run *run = (struct systemd_run *)base;
    run->now = uptime;
    if (!run->ended) {
        begin(run);
        drive(run);
    }
    if (!run->ended && (run->ending || uptime.ns >= run->deadline.ns)) {
        give_up(run);
    }
    if (!run->ended) {
        return false;
    }
    memset(ret, 0, sizeof *ret);
    ret->outcome = run->outcome;
    snprintf(ret->text, sizeof ret->text, "%s%s", run->said,
             run->outcome == OUTCOME_UNKNOWN     ? "; it may have been done"
             : run->outcome == OUTCOME_TIMED_OUT ? "; it goes on"
                                                 : "");
    close_bus(run);
    free(run);
    return true;
}

static void systemd_end(struct hand_run *base, struct duration uptime)
{
    (void)uptime;
    ((struct systemd_run *)base)->ending = true;
}

const struct hand hand_systemd = {.check = systemd_check,
                                  .start = systemd_start,
                                  .step = systemd_step,
                                  .end = systemd_end,
                                  .resumes = RESUME_LOOKS};
