/* The engine's own state, shared by the files of the engine itself: engine.c, engine_new.c,
 * incident.c, cause.c,
 * cascade.c, triage.c, plan.c, choice.c, reading.c, guard.c, guard_spend.c, guard_domain.c,
 * guard_wide.c, remember.c, rollback.c, approval.c, mode.c, notice.c, group.c, climb.c, inhibit.c,
 * restore.c, engine_alert.c. */
#ifndef HEAL_RUNTIME_ENGINE_ENGINE_INTERNAL_H
#define HEAL_RUNTIME_ENGINE_ENGINE_INTERNAL_H

#include "runtime/engine/alert.h"
#include "runtime/engine/alert_query.h"
#include "runtime/engine/amounts.h"
#include "runtime/engine/approval.h"
#include "runtime/engine/climb.h"
#include "runtime/engine/engine.h"
#include "runtime/engine/graph.h"
#include "runtime/engine/learn.h"
#include "runtime/engine/ledger.h"
#include "runtime/engine/mode.h"
#include "runtime/engine/precedent.h"

enum {
    RUNGS_MAX = 16,
    LADDERS_MAX = RUNGS_MAX + CAUSES_MAX + 1,
    RUNGS_ROOM = RUNGS_MAX + LADDERS_MAX, /* each ladder's end with it */
    DONE_MAX = RUNGS_MAX,
    POLICY_SIGNALS_MAX = 64,
    ENGINE_NOTICES_MAX = 1024,
    ENGINE_WINDOWS_MAX =
        256,               /* groups of pages that are collected at once; others are not grouped */
    TOLD_CHANNELS_MAX = 8, /* of one incident, that hear when it is over */
    TOLD_AS_MAX = 8        /* pages of others that named one incident */
};

enum incident_state {
#define INCIDENT(name, text, idle) STATE_##name,
#include "runtime/engine/incident.def"
#undef INCIDENT
    INCIDENT_STATES
};

enum truth { TRUTH_FALSE, TRUTH_TRUE, TRUTH_UNKNOWN };

#define SLOT_NONE SIZE_MAX

struct pool_run {
    const struct pool *pool; /* NULL: one entity without labels */
    struct eval_entities *entities;
    struct eval_watch *ready; /* NULL where the pool has no `ready` */
    struct population population;
    struct eval_entities *domains; /* the same with their failure domain; NULL: the pool has none */
    struct pool domain_pool;       /* what these are read by */
    struct name_list *domain_keys;
};

struct cause_run {
    const struct cause *cause;
    struct eval_watch *when; /* NULL: otherwise */
    struct eval_watch *evidence[EVIDENCE_MAX];
    size_t evidence_count;
    double prior;
    uint32_t ladder; /* the first of its block */
};

struct ladder_run {
    const struct heal *heal;
    uint32_t rung; /* its first */
};

/* What decides which incident is worked first; see triage.c. */
struct triage {
    int impact;           /* more is worse */
    double weight;        /* of its service and all that stand on it, by tier; 0: of none */
    int risk;             /* less is worse */
    struct duration lead; /* how far the trigger looks ahead */
};

struct policy_run {
    const struct policy *policy;
    struct triage triage;
    uint32_t service;        /* in the engine's graph; GRAPH_NONE: of none */
    enum mode mode, ceiling; /* ceiling: what the host gives */
    struct pool_run *pool;
    struct alert_rule *alerts;           /* for each series; else NULL */
    struct eval_watch *when, *clear;     /* NULL where not written, and for each series */
    struct eval_watch *resolved, *abort; /* NULL where not written */
    struct eval_watch *signals[POLICY_SIGNALS_MAX];
    struct eval_watch *verify[RUNGS_ROOM];
    struct eval_watch *reads[RUNGS_ROOM]; /* the number of the target; NULL: not said where */
    bool on_entity[RUNGS_ROOM];           /* of reads: the target is the entity, else a service */
    const struct rung *rungs[RUNGS_ROOM]; /* ladder behind ladder, NULL at the end of each */
    struct cause_run causes[CAUSES_MAX];
    struct ladder_run ladders[LADDERS_MAX];
    size_t rung_count, signal_count, cause_count, ladder_count;
    struct duration every, hold, clear_hold, resolved_hold, abort_hold, settle;
    struct instant settled;      /* before it nothing opens */
    struct precedent *precedent; /* its past incidents; NULL: nothing asks about them */
    bool backlog;                /* for each series: incidents wait to be opened or closed */
    size_t bound;                /* for each series: open incidents that have their alert */
    bool as_prometheus;          /* on missing as prometheus: membership alone decides */
    bool ran;                    /* evaluated at this step */
    struct instant last;         /* ns 0: never */
    size_t open;                 /* incidents */
    /* per entity slot */
    size_t slots;
    struct instant *pending_since; /* ns 0: not pending */
    struct incident **incident_at;
    uint64_t *busy; /* bit: pending or with an incident */
    /* what could not be seen */
    struct instant unknown_since; /* ns 0: all seen */
    size_t unknown_count;
    bool missing_told, stale_told, blind_told;
};

struct incident {
    uint64_t id;
    struct policy_run *run; /* NULL: its policy is gone */
    size_t slot;            /* SLOT_NONE: the entity is not in the inventory */
    enum incident_state state;
    struct instant opened, since; /* since: in this state */
    struct instant deadline;      /* ns 0: none */
    struct instant true_since; /* verify or clear held without a break since; ns 0: does not hold */
    struct instant clear_since;
    struct instant ended; /* of the last action */
    uint64_t action_id;
    uint32_t rung;
    uint32_t cause;   /* from 1; 0: not decided, or the policy has none */
    uint32_t plan;    /* a ladder, from 1; 0: not chosen, or there is no choice */
    uint32_t notices; /* sent so far */
    bool alerting;    /* for each series: bound to its alert */
    bool probed, unresolved_told, cascade_told, bound_told, budget_told, last_unknown;
    bool intent_only; /* restored from an INTENT that was never dispatched */
    bool undo_owed;   /* the verify failed, and the undo is not yet intended */
    bool aborting;    /* what was done is being taken back */
    uint32_t taken_back;
    struct done {
        uint32_t rung;
        struct amounts amounts;
    } done[DONE_MAX]; /* acts that took place and are not undone, oldest first */
    size_t done_count;
    struct instant abort_since, resolved_since; /* ns 0: does not hold */
    struct approval approval;
    struct climb climb;
    uint64_t told[TOLD_CHANNELS_MAX]; /* names of the channels that were told; 0: none */
    uint64_t told_as[TOLD_AS_MAX];    /* incidents in whose pages it was named, the last first */
    bool told_own;                    /* by a page of its own */
    char withheld[TEXT_BYTES];        /* the page that is inhibited; "": none */
    struct precedent_case *seen; /* when it opened; NULL: nothing asks, or it is not on record */
    char cause_name[NAME_BYTES]; /* "": none was chosen */
    uint64_t program_hash;
    uint64_t reason;           /* hash of the last recorded refusal */
    struct amounts amounts;    /* of the last act that was not an undo */
    struct instant owed_since; /* the undo waits to be read; ns 0: it does not */
    char policy[NAME_BYTES], target[TARGET_BYTES], type[NAME_BYTES], action[NAME_BYTES];
    char acts_on[TARGET_BYTES], acts_type[NAME_BYTES]; /* of the action: it may be a service */
    char channel[NAME_BYTES];                          /* where its pages go */
    char text[TEXT_BYTES];
};

/* What heal did to a target: cooldown with back-off, the window in which its effects show, and how
 * often each action ended without a verified improvement, in a row. */
enum { USELESS_MAX = 2, USELESS_DAYS = 1 }; /* then a person is asked, for so long */
struct memory {
    uint64_t policy, target, type;
    struct instant cooldown_until, effect_until;
    struct instant acted;                    /* the last act began, or ended */
    char by[NAME_BYTES], action[NAME_BYTES]; /* the policy; its last act, "" before one */
    unsigned failures;
    struct remedy {
        uint64_t action; /* 0: none */
        unsigned useless;
        struct instant last;
    } remedies[RUNGS_MAX];
};
enum judgment {
    JUDGED_VERIFIED,
    JUDGED_USELESS,
    JUDGED_FAILED, /* it did not happen */
    JUDGED_OPEN    /* not known: it was over before the verify said so */
};

/* A page on its way: kept until it is delivered. */
struct notice {
    uint64_t id;
    struct record record;
    char channel[NAME_BYTES];
    struct instant next; /* sent (again) at; ns 0: now */
    unsigned tries;
    uint64_t group;   /* what may go out in one page; 0: it is a page of its own */
    bool collected;   /* it waits for others of its group */
    unsigned folded;  /* others for which there was no room */
    uint64_t carrier; /* the notice in which it goes out; 0: itself */
};

/* So long pages of a group are collected. */
struct page_window {
    uint64_t group;
    struct instant until;
};

struct engine {
    const struct program *program;
    struct store *store;
    const struct engine_host *host;
    struct eval *eval;
    struct pool_run **pools;
    size_t pool_count;
    struct policy_run **policies;
    size_t policy_count;
    struct incident **incidents; /* oldest first */
    size_t incident_count, incident_capacity;
    struct graph graph; /* of the program's services */
    struct cascading {
        bool wanted;                 /* some policy escalates when cascading */
        struct graph_health *health; /* [services] */
        struct graph_health *below;  /* scratch [services] */
        uint32_t *chain;             /* scratch [services] */
    } cascading;
    struct incident **order; /* scratch of triage_order() */
    size_t order_capacity;
    struct memory *memories;
    size_t memory_count, memory_capacity;
    struct standing *standings;
    size_t standing_count, standing_capacity;
    struct notice *notices[ENGINE_NOTICES_MAX]; /* on their way, oldest first; then free ones */
    struct notice *notice_room;                 /* [ENGINE_NOTICES_MAX] where they lie */
    size_t notice_count;
    struct page_window windows[ENGINE_WINDOWS_MAX];
    size_t window_count;
    struct ledger ledger;
    struct learning *learning;
    struct while_run {
        const struct guard *guard;
        const struct limit *limit;
        struct eval_watch *watch;
    } *whiles; /* only while of the guards */
    size_t while_count, while_capacity;
    struct alert_outside outside;
    struct alert_query query;
    struct instant now, before; /* before: the step before, or the last record restored */
    bool stopped, stepped;
    char stopped_by[NAME_BYTES];
    uint64_t next_incident, next_action, next_notice;
    struct engine_counters counters;
};

#define UNDO_WORD "undo: " /* how the text of an undo's records begins */

/* What a plan lacks to be carried out. */
enum lack {
    LACK_NOTHING,
    LACK_READING, /* what is there is not known */
    LACK_NEWS,    /* nor read since heal last changed it */
    LACK_CHANGE,  /* a step that rounds to nothing: the next rung is tried */
    LACK_SENSE    /* below zero, or an undo of what another hand has changed */
};

/* An action about to be taken, resolved to plain values. */
struct plan {
    const struct action *action;
    char target[TARGET_BYTES], type[NAME_BYTES];
    char text[TEXT_BYTES]; /* scale("x", to: 3) */
    double numbers[ENGINE_NUMBERS_MAX];
    uint32_t number_count, grant, grant_target;
    bool granted, unattended, undo;
    bool gated; /* it needs a person's approval */
    struct amounts amounts;
    enum lack lack;
    char why[TEXT_BYTES]; /* it lacks it */
};

enum refusal {
    REFUSAL_NONE,
    REFUSAL_WAIT,   /* not now: a cooldown, a busy target; tried again at every tick */
    REFUSAL_BOUND,  /* the policy's own bound: a person is told, tried again at every tick */
    REFUSAL_BUDGET, /* what may be spent; see budget_refused() */
    REFUSAL_DENY    /* a guard, a grant, an inventory: a person is told and the incident is held */
};

/* engine.c */
struct effect *engine_effect(struct effects *effects, enum effect_kind kind);
void engine_record(struct engine *engine, struct effects *effects, enum record_kind kind,
                   const struct incident *incident, const char *fmt, ...) PRINTF_LIKE(5, 6);
static inline struct instant engine_after(const struct engine *engine, double seconds)
{
    return instant_add(engine->now, duration_seconds(seconds));
}
enum truth engine_truth(const struct eval_watch *watch, const uint64_t *live, size_t slot);
/* The truth of one of the policy's own conditions. */
enum truth policy_truth(const struct policy_run *run, const struct eval_watch *watch, size_t slot);
struct policy_run *policy_run_named(const struct engine *engine, const char *name);
bool engine_policy_resize(struct policy_run *run);
const char *pool_run_type(const struct pool_run *pool); /* of its entities; "" without a pool */
/* The canonical text of an entity; false when a label's value cannot be a target's name. */
bool engine_target_text(const struct pool_run *pool, size_t slot, char *ret, size_t size);

/* incident.c */
extern const char *const incident_texts[INCIDENT_STATES];
struct incident *incident_new(struct engine *engine, struct policy_run *run, size_t slot,
                              uint64_t id);
void incident_open(struct engine *engine, struct policy_run *run, size_t slot,
                   struct effects *effects);
void incident_enter(struct engine *engine, struct incident *incident, enum incident_state state);
void incident_step(struct engine *engine, struct incident *incident, struct effects *effects);
void incident_remove(struct engine *engine, struct incident *incident);
void incident_close(struct engine *engine, struct incident *incident, struct effects *effects,
                    const char *reason);
/* Of a policy that only notifies: a person is told, and it is held. */
void incident_hand_over(struct engine *engine, struct incident *incident, struct effects *effects);
/* It stands before the first rung of a ladder. */
static inline bool incident_begins(const struct incident *incident)
{
    return incident->rung == 0 || !incident->run->rungs[incident->rung - 1];
}
/* A person is told why, and nothing more is done until it clears. */
void incident_hold(struct engine *engine, struct incident *incident, struct effects *effects,
                   const char *reason);
void incident_escalate(struct engine *engine, struct incident *incident, struct effects *effects,
                       const char *fmt, ...) PRINTF_LIKE(4, 5);
/* A page to this channel. */
void incident_page(struct engine *engine, struct incident *incident, struct effects *effects,
                   const char *channel, const char *fmt, ...) PRINTF_LIKE(5, 6);
void incident_result(struct engine *engine, struct incident *incident, const struct input *input,
                     struct effects *effects);
/* Records a refusal once, not at every tick. True when it is news. */
bool incident_refuse(struct engine *engine, struct incident *incident, struct effects *effects,
                     const char *reason);

/* Remembers what the end of the last action says of the next one. */
void incident_judge(struct engine *engine, struct incident *incident, enum judgment judgment);
/* Undoes the act of the rung; where it has no undo, goes on to the next one. */
void incident_undo(struct engine *engine, struct incident *incident, struct effects *effects);
/* Waits for the actor's answer; without one asks once, and then it is unknown. */
void incident_await(struct engine *engine, struct incident *incident, struct effects *effects);

/* rollback.c */
void done_push(struct incident *incident, uint32_t rung);
void done_pop(struct incident *incident, uint32_t rung);
/* `abort when` has held long enough, and something was done that is not under way. */
bool rollback_due(struct engine *engine, struct incident *incident);
/* Whether what was done last is judged by that: not where it was judged before, and something else
 * may be planned now. */
bool rollback_judges(const struct incident *incident);
void rollback_begin(struct engine *engine, struct incident *incident, struct effects *effects);
void rollback_step(struct engine *engine, struct incident *incident, struct effects *effects);
/* `resolved when`: recovered, whatever the ladder would do next. */
void resolved_step(struct engine *engine, struct incident *incident, struct effects *effects);

/* choice.c */
/* Where the block of the incident's cause has plans: chooses one, and records why. */
void choose_plan(struct engine *engine, struct incident *incident, struct effects *effects);
/* From a CHOSEN record. */
void plan_restore(struct incident *incident, const struct record *record);

/* experience.c */
void experience_new(struct engine *engine);
void experience_free(struct engine *engine);
/* Takes over what `before` knows; policies go by name. */
void experience_adopt(struct engine *engine, struct engine *before);
/* Notes what came of an act. */
void experience_learn(struct engine *engine, const struct incident *incident, const char *action,
                      struct instant time, enum judgment judgment);
/* How likely one of the plan's acts helps, by what is written and what came of them so far. */
struct tries {
    uint64_t all, helped;
};
double experience_effect(const struct engine *engine, const struct incident *incident,
                         const struct heal *heal, struct tries *ret);
/* Notes what is seen of an incident that opens, where its policy asks for precedents. */
void experience_open(struct engine *engine, struct incident *incident, struct effects *effects);
void experience_restore(struct incident *incident, const struct record *record); /* MEASURED */
void experience_close(struct engine *engine, const struct incident *incident);
/* True, and why, when the policy asks for precedents and the incident has none. */
bool experience_strange(const struct incident *incident, char *ret, size_t size);

/* approval.c */
/* What makes the plan need a person's word; NULL when it needs none. */
const char *approval_cause(struct engine *engine, const struct incident *incident,
                           const struct rung *rung, const struct plan *plan);
/* Asks a person for the plan of this rung; why: approval_cause(). */
void approval_ask(struct engine *engine, struct incident *incident, const struct rung *rung,
                  const struct plan *plan, const char *why, struct effects *effects);
/* incident NULL: there is none of that id. */
void incident_answer(struct engine *engine, struct incident *incident, bool approve,
                     const struct input *input, struct effects *effects);
/* All who must approve did, and nothing was done yet. */
bool approval_given(const struct incident *incident);
/* It was given for exactly this plan, and its time is not over. One that was given and does not
 * cover the plan is recorded and dropped. */
bool approval_covers(struct engine *engine, struct incident *incident, const struct plan *plan,
                     const char *why, struct effects *effects);
/* From an ASKED record: only who was told comes back. */
void approval_restore(struct incident *incident, const struct record *record);
/* It is used, or its trigger is gone: it covers nothing more. */
void approval_drop(struct incident *incident);

/* cause.c */
NODISCARD enum status causes_add(struct engine *engine, struct policy_run *run,
                                 struct error *error);
/* Before the first rung, of a policy with causes: chooses the cause and its ladder, and records
 * why. False when nothing may be done: then a person was told. */
bool cause_decide(struct engine *engine, struct incident *incident, struct effects *effects);
/* The incident is on the ladder of the cause at this place of its policy's list. */
void cause_set(struct incident *incident, size_t cause);
/* From a CONCLUDED record; others say nothing of it. */
void cause_restore(struct incident *incident, const struct record *record);

/* cascade.c */
#define CASCADE_WORD "cascading: " /* how a page begins that tells of one */
NODISCARD enum status cascade_new(struct engine *engine, struct error *error);
void cascade_free(struct engine *engine);
/* Tells, once an incident, that services which stand on its own began to fail after it. */
void cascades_step(struct engine *engine, struct effects *effects);
/* The service from which the trouble of this one seems to come, by the graph and by which services
 * have an incident; GRAPH_NONE where no chain shows one. ret_blind: some service it stands on is
 * watched by no policy, or by one that cannot see. */
uint32_t cascade_origin(struct engine *engine, uint32_t service, bool *ret_blind);

/* triage.c */
/* More is worse; NULL, where nothing is written, is medium. */
int triage_impact(const char *word);
struct triage triage_of(const struct policy *policy);
/* All incidents, the one to be worked first first; the engine's own, until the next call. */
struct incident **triage_order(struct engine *engine);

/* engine_alert.c */
NODISCARD enum status alerts_add(struct engine *engine, struct policy_run *run,
                                 struct error *error);
/* When all is added: the series ALERTS are written if something reads them. */
NODISCARD enum status alerts_record(struct engine *engine, struct error *error);
/* True when there is something to do at this step. */
bool alerts_due(const struct policy_run *run);
void alerts_step(struct engine *engine, struct policy_run *run, struct effects *effects);

/* climb.c */
#define CLIMB_WORD "not acknowledged for " /* how a page begins that a ladder of channels sends */
/* A page was sent: the ladder begins, unless it has, or somebody acknowledged. */
void climb_begin(struct incident *incident, struct instant now);
/* It is held anew: what was acknowledged is not any more. */
void climb_anew(struct incident *incident);
void climb_end(struct incident *incident);
void climbs_step(struct engine *engine, struct effects *effects);
/* INPUT_ACKNOWLEDGE. */
void climb_acknowledge(struct engine *engine, const struct input *input, struct effects *effects);
/* From an ESCALATED or ACKNOWLEDGED record. */
void climb_restore(struct incident *incident, const struct record *record);

/* group.c */
/* A new page: it goes out at once, or waits for the end of its group's window. */
void group_join(struct engine *engine, struct notice *notice);
/* There is no room for another page: whether one of its group that waits counts it. */
bool group_fold(struct engine *engine, const struct record *record, const char *channel);
/* It is sent for the first time: one that was collected takes the others of its group along. */
void group_gather(struct engine *engine, struct notice *leader);
/* What this notice carried goes out by itself. */
void group_release(struct engine *engine, uint64_t carrier);
/* The channel was told of the incident. */
void told_note(struct incident *incident, const char *channel);
#define TOLD_WITH_WORD "in one page with incident "
void told_text(const struct notice *leader, const struct notice *carried, char *ret, size_t size);
/* From a NOTIFIED record. */
void told_restore(struct incident *incident, const struct record *record);
/* The incident is over: the channels that were told hear it. */
void incident_resolved(struct engine *engine, struct incident *incident, const char *reason,
                       struct effects *effects);
/* What began it is not delivered yet, or others of its page are open. */
bool resolved_waits(const struct engine *engine, const struct notice *notice);

/* inhibit.c */
/* Whether the page is withheld; then it is recorded. */
bool inhibited(struct engine *engine, struct incident *incident, const char *reason,
               struct effects *effects);
/* Sends what is not inhibited any more. */
void inhibitions_step(struct engine *engine, struct effects *effects);
/* From an INHIBITED record. */
void inhibit_restore(struct incident *incident, const struct record *record);

/* mode.c */
/* An action of the policy was judged: bad when it failed or was not verified. */
void mode_judge(struct engine *engine, const char *policy, uint64_t program_hash, bool bad);
/* Takes a step down where the judgments of this step ask for it, and tells a person. */
void modes_step(struct engine *engine, struct effects *effects);
/* INPUT_MODE. */
void mode_set(struct engine *engine, const struct input *input, struct effects *effects);
/* Who or what gave the policy its mode; "": the host. */
const char *mode_why(const struct engine *engine, const char *policy);
/* From a DEMOTED or PROMOTED record. */
void mode_restore(struct engine *engine, const struct record *record);
void modes_adopt(struct engine *engine, const struct engine *before);

/* notice.c */
/* Where what concerns the policy as a whole is told: `escalate to`, else the first `else page`. "":
 * nowhere. */
const char *policy_channel(const struct policy_run *run);
uint64_t notice_id(struct engine *engine); /* of a page that belongs to no incident */
/* A NOTIFIED record of a page that belongs to no incident. */
void notice_told(struct engine *engine, const struct record *record);
void engine_notify(struct engine *engine, const struct record *record, const char *channel,
                   uint64_t id);
void notices_init(struct engine *engine);
/* Forgets the index-th notice. */
void notice_remove(struct engine *engine, size_t index);
void notices_send(struct engine *engine, struct effects *effects);
void notice_delivered(struct engine *engine, const struct input *input, struct effects *effects);

/* plan.c */
/* outer: for an undo, the call it takes back; else NULL. False when target or numbers are not
 * known. */
NODISCARD bool plan_make(const struct engine *engine, const struct incident *incident,
                         const struct act_call *call, const struct act_call *outer,
                         struct plan *ret_plan);

/* reading.c */
enum reading { READING_NONE, READING_KNOWN, READING_UNKNOWN, READING_OLD };
/* Watches what the action of the rung reads, if it says where. */
NODISCARD enum status reading_add(struct engine *engine, struct policy_run *run, size_t rung,
                                  struct error *error);
/* What the number of the target of the incident's rung is now; *ret_value is set with
 * READING_KNOWN. READING_NONE: its action does not say where. */
enum reading reading_of(const struct engine *engine, const struct incident *incident,
                        const struct plan *plan, double *ret_value);
/* An undo that cannot be read yet, or would be too far a step for now, stays owed for a while. */
bool undo_may_wait(const struct engine *engine, struct incident *incident, const struct plan *plan);
/* What the one number of an action measures; BASE_QUANTITIES where there is no such number. */
enum base_quantity action_quantity(const struct action *action);

/* guard_spend.c */
#define BUDGET_WORD "budget exceeded: " /* how a refusal by a spend limit begins */
NODISCARD enum status whiles_add(struct engine *engine, struct error *error);
/* step at most ... of a guard. */
bool step_denies(const struct engine *engine, const struct limit *limit, const struct plan *plan,
                 char *ret_reason, size_t size);
/* A step guard denies, and would allow the same when the window has moved on. */
bool step_passes_later(const struct engine *engine, const struct plan *plan);
/* only while ... of a guard: false or unknown. */
bool while_waits(const struct engine *engine, char *ret_reason, size_t size);
/* spend at most ... of the guards and of the policy. */
bool budget_denies(const struct engine *engine, const struct policy *policy,
                   const struct plan *plan, char *ret_reason, size_t size);
/* Records a refusal by a spend limit; a person is told once, where `budget exceeded` is a reason to
 * escalate, or nobody would be told later. */
void budget_refused(struct engine *engine, struct incident *incident, struct effects *effects,
                    const char *reason);

/* The incident's action is, or was last, on this target. */
bool incident_acts_on(const struct incident *incident, const char *target, const char *type);
/* The same from the text of an INTENT or DISPATCHED record. */
void incident_restore_target(struct incident *incident, const struct record *record);

/* guard.c */
enum refusal plan_refusal(struct engine *engine, const struct incident *incident,
                          const struct plan *plan, char *ret_reason, size_t size);
struct duration ledger_window_of(const struct program *program);

struct pool_run *pool_run_of(struct engine *engine, const struct pool *pool);

/* guard_domain.c */
NODISCARD enum status domains_add(struct engine *engine, struct pool_run *run,
                                  struct duration every, struct error *error);
/* at most AMOUNT of POOL per D in each domain; over all policies where policy is NULL. */
bool each_domain_denies(struct engine *engine, const struct limit *limit,
                        const struct policy *policy, const struct plan *plan, char *reason,
                        size_t size);
/* at most N domains of POOL per D */
bool domains_deny(struct engine *engine, const struct limit *limit, const struct plan *plan,
                  char *reason, size_t size);
/* at most N actions per D */
bool total_denies(const struct engine *engine, const struct limit *limit, char *reason,
                  size_t size);
/* at most N unattended actions on any TYPE per D: the next one needs a person. */
bool unattended_spent(const struct engine *engine, const struct plan *plan);

/* guard_wide.c */
/* Nothing is done now, whatever the target. */
bool wide_waits(struct engine *engine, const struct incident *incident, const struct plan *plan,
                char *ret, size_t size);

/* remember.c */
/* When heal last did something to the target, under whichever policy; long ago when it never did.
 */
struct instant target_acted(const struct engine *engine, const char *target, const char *type);
/* The act of heal in whose effect window the target is; NULL: in none. */
const struct memory *target_effect(const struct engine *engine, const char *target,
                                   const char *type);
void plan_spend(struct engine *engine, const struct incident *incident, const struct plan *plan);
/* The same from the record of a dispatched act, undos included. */
void record_spend(struct engine *engine, const struct record *record, bool undo);
struct memory *memory_of(struct engine *engine, const char *policy, const char *target,
                         const char *type, bool make);
const struct action *action_named(const struct program *program, const char *name);
/* An action began: its effects may show until the end of its window, or of an earlier longer one.
 */
void memory_act(struct memory *memory, const struct action *action, struct instant time);
/* What the end of an action says of the next one: the cooldown from `time` on, doubled for each
 * failure, and whether the action is of use to the target. */
void memory_judge(struct memory *memory, const struct policy *policy, const char *action,
                  struct instant time, enum judgment judgment);
/* The action ended USELESS_MAX times in a row without a verified improvement of the target. */
bool memory_useless(const struct memory *memory, const char *action, struct instant now);

#endif
