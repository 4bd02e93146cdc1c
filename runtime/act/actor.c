/* The actor: a column of checks, a latch, a hand. */
#include "runtime/act/actor.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct running {
    bool used, ending;
    bool former;  /* a former actor began it: what became of it is found out */
    bool looking; /* and that has no effect, so that STOP does not end it */
    struct latches *latches;
    uint64_t id;
    size_t grant, target;
    struct instant started;
    void *run;
};

struct actor {
    const struct grant *grants;
    size_t grant_count;
    struct latches *latches;
    const struct act_env *env;
    struct running running[ACTOR_RUNNING_MAX];
    const struct program *guards; /* NULL: none yet, and nothing starts */
    struct past past;
    struct grant_command command; /* scratch of one start */
};

_Static_assert((int)HAND_NOTE_BYTES <= (int)LATCH_NOTE_BYTES, "a note fits into the latch");

static void point_at(const struct actor *actor, enum point point)
{
    if (actor->env->point) {
        actor->env->point(actor->env->context, point);
    }
}

static void answer(const struct actor *actor, const struct message *message)
{
    actor->env->answer(actor->env->context, message);
    point_at(actor, POINT_ANSWER_AFTER);
}

/* ---- caps ---- */

static bool is_action(const struct past_start *start, const void *context)
{
    return strcmp(start->action, context) == 0;
}

static bool cap_reached(const struct actor *actor, const struct grant *grant)
{
    struct duration now = actor->env->uptime(actor->env->context);
    return past_count(&actor->past, now, grant->at_most.per, is_action, grant->action) >=
           grant->at_most.count;
}

static struct past_start start_of(const struct latch_entry *entry, struct duration at)
{
    struct past_start start = {.id = entry->id, .at = at, .undoes = entry->undoes};
    snprintf(start.action, sizeof start.action, "%s", entry->action);
    snprintf(start.target, sizeof start.target, "%s", entry->target);
    return start;
}

/* A latch of this boot is placed by uptime, which no clock step moves; an older one by the wall
 * clock, and one from the future counts as now. */
static bool load_one(void *context, const struct latch_entry *entry)
{
    struct actor *actor = context;
    struct duration now = actor->env->uptime(actor->env->context), at = entry->uptime;
    if (strcmp(entry->boot, actor->env->boot) != 0) {
        int64_t age;
        struct instant wall = actor->env->now(actor->env->context);
        if (__builtin_sub_overflow(wall.ns, entry->time.ns, &age) || age < 0) {
            age = 0;
        }
        at.ns = age < INT64_MAX / 2 ? now.ns - age : INT64_MIN / 2;
    }
    if (at.ns > now.ns) {
        at = now;
    }
    if (at.ns < INT64_MIN / 2) {
        at.ns = INT64_MIN / 2;
    }
    const struct past_start start = start_of(entry, at);
    past_append(&actor->past, &start, now);
    return true;
}

/* What was started within this time is known then. */
static enum status load_past(struct actor *actor, struct duration keep, struct error *error)
{
    past_release(&actor->past);
    actor->past.keep = keep;
    TRY(latch_each(actor->latches, load_one, actor, error));
    past_sort(&actor->past);
    return STATUS_OK;
}

enum status actor_new(const struct grant *grants, size_t grant_count, struct latches *latches,
                      const struct act_env *env, struct actor **ret, struct error *error)
{
    if (grant_count > GRANTS_MAX) {
        return error_set(error, STATUS_LIMIT, "%zu grants, the limit is %d", grant_count,
                         GRANTS_MAX);
    }
    for (size_t i = 0; i < grant_count; i++) {
        TRY(grant_check(&grants[i], error));
    }
    struct actor *actor = heap_alloc(sizeof *actor);
    actor->grants = grants;
    actor->grant_count = grant_count;
    actor->latches = latches;
    actor->env = env;
    latch_set_point(latches, env->point, env->context);
    enum status status = load_past(actor, GRANT_PER_MAX, error);
    if (status != STATUS_OK) {
        actor_free(actor);
        return status;
    }
    *ret = actor;
    return STATUS_OK;
}

void actor_free(struct actor *actor)
{
    if (actor) {
        past_release(&actor->past);
        free(actor);
    }
}

enum status actor_guard(struct actor *actor, const struct program *guards, struct error *error)
{
    const struct duration window = rule_window(guards);
    if (window.ns > actor->past.keep.ns) {
        actor->guards = NULL; /* until all that they count is known */
        TRY(load_past(actor, window, error));
    }
    actor->guards = guards;
    return STATUS_OK;
}

size_t actor_running(const struct actor *actor)
{
    size_t count = 0;
    for (size_t i = 0; i < ACTOR_RUNNING_MAX; i++) {
        count += actor->running[i].used;
    }
    return count;
}

/* ---- refusing ---- */

static struct message answer_to(const struct message *asked, enum message_kind kind)
{
    return (struct message){.kind = kind, .id = asked->id, .epoch = asked->epoch};
}

static void refuse(const struct actor *actor, const struct message *asked, enum refusal refusal,
                   const char *detail)
{
    struct message ret =
        answer_to(asked, asked->kind == MESSAGE_NOTIFY ? MESSAGE_NOTIFIED : MESSAGE_RESULT);
    ret.outcome = OUTCOME_REFUSED;
    ret.refusal = refusal;
    snprintf(ret.text, sizeof ret.text, "%s%s%.400s", refusal_text(refusal), detail[0] ? ": " : "",
             detail);
    answer(actor, &ret);
}

/* Keeps a newer epoch, refuses an older one. true: go on. */
static bool pass_epoch(struct actor *actor, const struct message *asked)
{
    struct error error;
    uint32_t highest = latch_epoch(actor->latches);
    if (asked->epoch < highest) {
        snprintf(error.message, sizeof error.message, "%" PRIu32 ", but %" PRIu32 " was seen",
                 asked->epoch, highest);
        refuse(actor, asked, REFUSAL_STALE, error.message);
        return false;
    }
    if (latch_raise_epoch(actor->latches, asked->epoch, &error) != STATUS_OK) {
        refuse(actor, asked, REFUSAL_STATE, error.message);
        return false;
    }
    return true;
}

/* ---- acting ---- */

static enum refusal judge_numbers(const struct grant *grant, const double *numbers, size_t count)
{
    if (count != grant->parameter_count) {
        return REFUSAL_NUMBERS;
    }
    for (size_t i = 0; i < grant->parameter_count; i++) {
        double number = numbers[i];
        if (!isfinite(number) || number < grant->parameters[i].min ||
            number > grant->parameters[i].max) {
            return REFUSAL_NUMBERS;
        }
    }
    return REFUSAL_NONE;
}

/* What the lists say of an ACT. */
static enum refusal judge_grant(const struct actor *actor, const struct message *asked)
{
    struct instant now = actor->env->now(actor->env->context);
    if (asked->deadline.ns != 0 && now.ns > asked->deadline.ns) {
        return REFUSAL_DEADLINE;
    }
    if (asked->grant >= actor->grant_count) {
        return REFUSAL_GRANT;
    }
    const struct grant *grant = &actor->grants[asked->grant];
    if (asked->target >= grant->target_count) {
        return REFUSAL_TARGET;
    }
    return judge_numbers(grant, asked->numbers, asked->number_count);
}

/* What runs and what ran says of it. ret_slot is free on REFUSAL_NONE. */
static enum refusal judge_load(struct actor *actor, const struct message *asked,
                               struct running **ret_slot)
{
    const struct grant *grant = &actor->grants[asked->grant];
    const char *target = grant->targets[asked->target];
    struct running *slot = NULL;
    for (size_t i = 0; i < ACTOR_RUNNING_MAX; i++) {
        struct running *r = &actor->running[i];
        if (!r->used) {
            slot = slot ? slot : r;
        } else if (r->id == asked->id) {
            return REFUSAL_DUPLICATE;
        } else if (strcmp(actor->grants[r->grant].targets[r->target], target) == 0) {
            return REFUSAL_BUSY;
        }
    }
    if (!slot) {
        return REFUSAL_FULL;
    }
    if (cap_reached(actor, grant)) {
        return REFUSAL_CAP;
    }
    *ret_slot = slot;
    return REFUSAL_NONE;
}

/* What the host's guards say of it. ret_undoes: the start of this actor that it takes back, for
 * which it is free of rates; that the engine calls it an undo is not enough. */
static bool guards_deny(const struct actor *actor, const struct message *asked,
                        uint64_t *ret_undoes, char *ret, size_t size)
{
    const struct act_env *env = actor->env;
    const struct grant *grant = &actor->grants[asked->grant];
    const char *running[ACTOR_RUNNING_MAX];
    struct rule_act act = {.action = grant->action,
                           .target = grant->targets[asked->target],
                           .numbers = asked->numbers,
                           .number_count = asked->number_count,
                           .uptime = env->uptime(env->context),
                           .now = env->now(env->context),
                           .past = &actor->past,
                           .running = running};
    for (size_t i = 0; i < ACTOR_RUNNING_MAX; i++) {
        const struct running *r = &actor->running[i];
        if (r->used) {
            running[act.running_count++] = actor->grants[r->grant].targets[r->target];
        }
    }
    *ret_undoes =
        asked->undo ? rule_undone(actor->guards, &actor->past, act.action, act.target) : 0;
    act.undo = *ret_undoes != 0;
    return rule_denies(actor->guards, &act, ret, size);
}

static void finish(struct actor *actor, struct message *result)
{
    struct error error;
    bool good = utf8_is_valid(result->text); /* what was cut, or came from elsewhere, need not be */
    for (char *c = result->text; !good && *c; c++) {
        *c = (unsigned char)*c < 0x80 ? *c : '?';
    }
    if (latch_finish(actor->latches, result->id, result, &error) != STATUS_OK) {
        /* The answer is still true; only the latch will say UNKNOWN to a later probe. */
        size_t used = strlen(result->text);
        snprintf(result->text + used, sizeof result->text - used, " (%.200s)", error.message);
    }
    answer(actor, result);
}

static enum status take_note(void *context, const char *note, struct error *error)
{
    const struct running *running = context;
    return latch_note(running->latches, running->id, note, error);
}

/* The key holds the time too: ids begin anew when a journal is lost, and other healds have them. */
static struct hand_order order_of(struct actor *actor, const struct latch_entry *entry,
                                  struct running *slot)
{
    const struct grant *grant = &actor->grants[slot->grant];
    struct hand_order order = {.grant = grant,
                               .target = grant->targets[slot->target],
                               .command = &actor->command,
                               .numbers = entry->numbers,
                               .time = entry->time,
                               .note = take_note,
                               .note_context = slot};
    snprintf(order.key, sizeof order.key, "%016" PRIx64 "-%" PRIx64, entry->id,
             (uint64_t)entry->time.ns);
    return order;
}

static void start(struct actor *actor, const struct message *asked, const struct latch_entry *entry,
                  struct running *slot)
{
    const struct act_env *env = actor->env;
    struct error error = {{0}};
    struct message result = answer_to(asked, MESSAGE_RESULT);
    result.started = env->now(env->context);
    *slot = (struct running){.latches = actor->latches,
                             .id = asked->id,
                             .grant = asked->grant,
                             .target = asked->target,
                             .started = result.started};
    enum status status = STATUS_DENIED;
    if (env->stopped(env->context)) {
        result.outcome = OUTCOME_NEVER_STARTED;
        snprintf(result.text, sizeof result.text, "stopped right before its start");
    } else {
        struct hand_order order = order_of(actor, entry, slot);
        status = env->spawn(env->context, &order, &slot->run, &error);
        result.outcome = OUTCOME_FAILED;
        snprintf(result.text, sizeof result.text, "%s", error.message);
    }
    if (status != STATUS_OK) {
        result.ended = env->now(env->context);
        finish(actor, &result);
        return;
    }
    slot->used = true;
    point_at(actor, POINT_SPAWN_AFTER);
}

/* The latch is taken here: from now on this id is spent. */
static void latch_and_start(struct actor *actor, const struct message *asked, uint64_t undoes,
                            struct running *slot)
{
    const struct act_env *env = actor->env;
    const struct grant *grant = &actor->grants[asked->grant];
    struct error error = {{0}};
    if (grant_fill(grant, asked->target, asked->numbers, &actor->command, &error) != STATUS_OK) {
        refuse(actor, asked, REFUSAL_ARGUMENT, error.message);
        return;
    }
    struct latch_entry entry = {.id = asked->id,
                                .epoch = asked->epoch,
                                .time = env->now(env->context),
                                .uptime = env->uptime(env->context),
                                .undoes = undoes};
    snprintf(entry.action, sizeof entry.action, "%s", grant->action);
    snprintf(entry.target, sizeof entry.target, "%s", grant->targets[asked->target]);
    snprintf(entry.boot, sizeof entry.boot, "%s", env->boot);
    snprintf(entry.connector, sizeof entry.connector, "%s", connector_infos[grant->connector].text);
    memcpy(entry.numbers, asked->numbers, sizeof entry.numbers);
    entry.number_count = asked->number_count;
    enum status status = latch_take(actor->latches, &entry, &error);
    if (status != STATUS_OK) {
        refuse(actor, asked, status == STATUS_DENIED ? REFUSAL_DUPLICATE : REFUSAL_STATE,
               error.message);
        return;
    }
    const struct past_start started = start_of(&entry, entry.uptime);
    past_add(&actor->past, &started, entry.uptime);
    start(actor, asked, &entry, slot);
}

static void receive_act(struct actor *actor, const struct message *asked)
{
    struct running *slot = NULL;
    if (asked->id == 0) {
        refuse(actor, asked, REFUSAL_MALFORMED, "an action without an id");
        return;
    }
    if (actor->env->stopped(actor->env->context)) {
        refuse(actor, asked, REFUSAL_STOPPED, "");
        return;
    }
    if (!pass_epoch(actor, asked)) {
        return;
    }
    enum refusal refusal = judge_grant(actor, asked);
    if (refusal == REFUSAL_NONE) {
        refusal = judge_load(actor, asked, &slot);
    }
    if (refusal != REFUSAL_NONE) {
        refuse(actor, asked, refusal, "");
        return;
    }
    char reason[TEXT_BYTES];
    uint64_t undoes;
    if (guards_deny(actor, asked, &undoes, reason, sizeof reason)) {
        refuse(actor, asked, REFUSAL_GUARD, reason);
        return;
    }
    latch_and_start(actor, asked, undoes, slot);
}

/* ---- what became of it ---- */

/* The grant and target that an entry names, if they are still those it was started under. */
static bool find_grant(const struct actor *actor, const struct latch_entry *entry,
                       struct running *ret)
{
    for (size_t i = 0; i < actor->grant_count; i++) {
        const struct grant *grant = &actor->grants[i];
        if (strcmp(grant->action, entry->action) != 0 ||
            strcmp(connector_infos[grant->connector].text, entry->connector) != 0 ||
            judge_numbers(grant, entry->numbers, entry->number_count) != REFUSAL_NONE) {
            continue;
        }
        for (size_t t = 0; t < grant->target_count; t++) {
            if (strcmp(grant->targets[t], entry->target) == 0) {
                ret->grant = i;
                ret->target = t;
                return true;
            }
        }
    }
    return false;
}

static struct running *free_slot(struct actor *actor)
{
    for (size_t i = 0; i < ACTOR_RUNNING_MAX; i++) {
        if (!actor->running[i].used) {
            return &actor->running[i];
        }
    }
    return NULL;
}

/* Has the hand find out what became of an action that a former actor began. true: it is under way,
 * and its RESULT answers. */
static bool resume(struct actor *actor, const struct latch_doubt *doubt, struct message *ret)
{
    const struct act_env *env = actor->env;
    enum connector connector = connector_find(doubt->entry.connector);
    enum hand_resume resumes = connector < CONNECTOR_COUNT ? hand_resumes(connector) : RESUME_NEVER;
    struct running *slot = free_slot(actor);
    if (resumes == RESUME_NEVER) {
        return false;
    }
    if (!doubt->noted) {
        ret->outcome = OUTCOME_NEVER_STARTED;
        snprintf(ret->text, sizeof ret->text, "it ended before anything left this host");
        return false;
    }
    if (!slot || doubt->note[0] == '\0' || (resumes == RESUME_ACTS && env->stopped(env->context))) {
        return false;
    }
    *slot = (struct running){.former = true,
                             .looking = resumes == RESUME_LOOKS,
                             .latches = actor->latches,
                             .id = doubt->entry.id,
                             .started = doubt->entry.time};
    struct error error = {{0}};
    if (!find_grant(actor, &doubt->entry, slot) ||
        grant_fill(&actor->grants[slot->grant], slot->target, doubt->entry.numbers, &actor->command,
                   &error) != STATUS_OK) {
        return false;
    }
    struct hand_order order = order_of(actor, &doubt->entry, slot);
    order.former = doubt->note;
    if (env->spawn(env->context, &order, &slot->run, &error) != STATUS_OK) {
        snprintf(ret->text, sizeof ret->text, "it may have run: %.400s", error.message);
        return false;
    }
    slot->used = true;
    return true;
}

/* A probe of what runs is answered by its RESULT, when it ends. */
static void receive_probe(struct actor *actor, const struct message *asked)
{
    if (!pass_epoch(actor, asked)) {
        return;
    }
    for (size_t i = 0; i < ACTOR_RUNNING_MAX; i++) {
        if (actor->running[i].used && actor->running[i].id == asked->id) {
            return;
        }
    }
    struct message ret = answer_to(asked, MESSAGE_RESULT);
    struct latch_doubt doubt;
    if (!latch_probe(actor->latches, asked->id, &ret, &doubt) || !resume(actor, &doubt, &ret)) {
        answer(actor, &ret);
    }
}

/* Tells the engine the highest epoch, so that it can take a higher one. */
static void receive_hello(struct actor *actor, const struct message *asked)
{
    struct error error;
    if (latch_raise_epoch(actor->latches, asked->epoch, &error) != STATUS_OK) {
        refuse(actor, asked, REFUSAL_STATE, error.message);
        return;
    }
    struct message ret = answer_to(asked, MESSAGE_HELLO);
    ret.epoch = latch_epoch(actor->latches);
    answer(actor, &ret);
}

/* Notifications fail open: neither STOP nor an old epoch keeps one from a person. */
static void receive_notify(struct actor *actor, const struct message *asked)
{
    enum refusal refusal = actor->env->notify(actor->env->context, asked);
    if (refusal != REFUSAL_NONE) {
        refuse(actor, asked, refusal, "");
    }
}

void actor_receive(struct actor *actor, const uint8_t *bytes, size_t size)
{
    struct message asked = {0};
    struct error error;
    if (message_decode(bytes, size, &asked, &error) != STATUS_OK) {
        refuse(actor, &asked, REFUSAL_MALFORMED, error.message);
        return;
    }
    switch (asked.kind) {
    case MESSAGE_HELLO: receive_hello(actor, &asked); return;
    case MESSAGE_ACT: receive_act(actor, &asked); return;
    case MESSAGE_PROBE: receive_probe(actor, &asked); return;
    case MESSAGE_NOTIFY: receive_notify(actor, &asked); return;
    case MESSAGE_RESULT:
    case MESSAGE_NOTIFIED:
    case MESSAGE_KINDS: break;
    }
    refuse(actor, &asked, REFUSAL_MALFORMED, "an answer where a question belongs");
}

void actor_notified(struct actor *actor, uint64_t id, bool delivered, const char *text)
{
    struct message ret = {.kind = MESSAGE_NOTIFIED,
                          .id = id,
                          .epoch = latch_epoch(actor->latches),
                          .delivered = delivered};
    snprintf(ret.text, sizeof ret.text, "%s", text);
    answer(actor, &ret);
}

void actor_step(struct actor *actor)
{
    const struct act_env *env = actor->env;
    bool stopped = actor_running(actor) > 0 && env->stopped(env->context);
    for (size_t i = 0; i < ACTOR_RUNNING_MAX; i++) {
        struct running *r = &actor->running[i];
        struct hand_result hand;
        if (r->used && stopped && !r->ending && !r->looking) {
            r->ending = true;
            env->end(env->context, r->run);
        }
        if (!r->used || !env->poll(env->context, r->run, &hand)) {
            continue;
        }
        struct message result = {.kind = MESSAGE_RESULT,
                                 .id = r->id,
                                 .epoch = latch_epoch(actor->latches),
                                 .outcome = hand.outcome,
                                 .exit_code = hand.exit_code,
                                 .started = r->started,
                                 .ended = env->now(env->context)};
        snprintf(result.text, sizeof result.text, "%s%s", r->ending ? "ended by STOP; " : "",
                 hand.text);
        r->used = false;
        if (r->former && hand.outcome == OUTCOME_UNKNOWN) {
            answer(actor, &result); /* nothing new: a later probe may find more */
        } else {
            finish(actor, &result);
        }
    }
}
