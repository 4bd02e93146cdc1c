/* The pure core: step(state, now, inputs) -> effects.
 *
 *     struct engine *engine = engine_new(program, store, &host, &error);
 *     engine_restore(engine, &record);  ...every record of the journal, in order...
 *     store_append(store, ...);                                  // samples are inputs too
 *     engine_step(engine, now, inputs, count, &effects);
 *     for each effect in order: RECORD: commit durably; DISPATCH, PROBE, NOTIFY: hand to the actor
 *
 * The engine reads no clock, file or socket. The same records, samples, inputs and times give the
 * same effects. A DISPATCH always stands after its INTENT and DISPATCHED records in the list; the
 * caller must not pass it on before both are durable. */
#ifndef HEAL_RUNTIME_ENGINE_ENGINE_H
#define HEAL_RUNTIME_ENGINE_ENGINE_H

#include "lang/ast.h"
#include "runtime/abi.h"
#include "runtime/engine/eval.h"
#include "runtime/engine/outcome.h"
#include "runtime/engine/record.h"

enum mode { MODE_SHADOW, MODE_ASK, MODE_ACT };
extern const char *const mode_texts[3];

/* What the host grants. A policy may use an action on a target only if a grant names both. */
struct engine_grant {
    const char *action;
    const char *const *targets; /* canonical texts: "namespace=shop,pod=a" */
    size_t target_count;
    bool unattended; /* an irreversible act needs no approval */
};
struct engine_mode {
    const char *policy;
    enum mode mode;
};

/* A signal read from a metric of its own instead of its expression: the givens of a test. */
struct engine_override {
    const struct signal *signal;
    const char *metric;
};

/* The host's side of the bargain; borrowed, must outlive the engine. */
struct engine_host {
    const struct engine_grant *grants;
    size_t grant_count;
    const struct engine_mode *modes;
    size_t mode_count;
    enum mode default_mode;
    bool guarded; /* the guard files the host names are part of the program; else nothing is acted
                     on */
    struct duration tick;        /* policies without `every` */
    struct duration blind_after; /* 15m when 0 */
    bool rehearsal; /* a policy's own tests: every action is granted, unattended, on every target */
    const struct engine_override *overrides;
    size_t override_count;
    const struct label *external; /* labels that templates read as $externalLabels */
    size_t external_count;
    const char *external_url; /* NULL: "" */
    const char *author; /* of the policies: does not count where two must approve; NULL: not said */
    uint32_t epoch;     /* of this life of the engine; grows with every start */
};

enum {
    ENGINE_NUMBERS_MAX = 4,
    ENGINE_INCIDENTS_MAX = 65536,
    INCIDENT_OPEN_MAX_PER_TICK = 1000,
    INCIDENT_CLOSE_MAX_PER_TICK = 1000 /* for each series */
};

enum input_kind {
    INPUT_RESULT,      /* of a DISPATCH or PROBE: id, outcome, text */
    INPUT_NOTIFIED,    /* of a NOTIFY: id, delivered, text */
    INPUT_APPROVE,     /* id: incident; plan, who, uid, text */
    INPUT_DENY,        /* id: incident; who, text */
    INPUT_ACKNOWLEDGE, /* id: incident; who, text */
    INPUT_MODE,        /* policy, mode, who, text: why */
    INPUT_STOP,        /* who, text */
    INPUT_START        /* who, text */
};
struct input {
    enum input_kind kind;
    uint64_t id;
    enum outcome outcome;
    bool delivered;
    struct instant ended; /* RESULT: when the effect ended */
    const char *who, *text;
    uint32_t uid;  /* of the person, as the kernel says; 0 is root, who may be anybody */
    uint32_t plan; /* APPROVE: the plan that is meant, as engine_approval() tells it; 0: what is
                      asked now */
    const char *policy; /* MODE */
    enum mode mode;     /* MODE */
};

enum effect_kind { EFFECT_RECORD, EFFECT_DISPATCH, EFFECT_PROBE, EFFECT_NOTIFY };
struct effect {
    enum effect_kind kind;
    struct record record;   /* RECORD; for NOTIFY: incident, policy, target, text and time */
    uint64_t id;            /* action id, or notification id */
    uint32_t grant, target; /* DISPATCH: indices into the host's grants */
    double numbers[ENGINE_NUMBERS_MAX];
    uint32_t number_count;
    struct duration timeout;
    bool undo;           /* DISPATCH */
    const char *channel; /* NOTIFY: the policy's name for it */
    bool resolved;       /* NOTIFY: the incident is over, of which the channel was told */
};
struct effects {
    struct effect *items;
    size_t count, capacity;
};
void effects_release(struct effects *effects);

struct engine;
/* The program is checked and outlives the engine, as do store and host. */
struct engine *engine_new(const struct program *program, struct store *store,
                          const struct engine_host *host, struct error *error);
void engine_free(struct engine *engine);

/* Takes over the operator state, ledger, cooldowns and incidents of `before` (same store): a
 * reload. Incidents whose policy is gone or changed are abandoned with a page at the next step.
 * before stays valid and is freed by the caller. */
void engine_adopt(struct engine *engine, struct engine *before);

/* Feeds one record of the journal, oldest first, before the first step. */
void engine_restore(struct engine *engine, const struct record *record);

/* Inputs are applied in order, then one tick is evaluated at now (never earlier than the step
 * before). */
void engine_step(struct engine *engine, struct instant now, const struct input *inputs,
                 size_t count, struct effects *effects);

/* The one who delivers pages is a new one: those not yet delivered go out again at the next step.
 */
void engine_page_again(struct engine *engine);

/* What a person is asked of an incident. False when nothing is. The text lives until the next step.
 */
struct approval_view {
    uint32_t plan; /* of this question alone, never 0; people see it as eight hexadecimal digits */
    const char *text; /* restart_pod(pod=a) */
    struct instant until;
    unsigned wanted, given; /* people */
};
bool engine_approval(const struct engine *engine, uint64_t incident, struct approval_view *ret);
/* Answers of INPUT_APPROVE and INPUT_DENY are seen in the effects; this asks beforehand whether a
 * yes (id, plan, who, uid) would count, and if not, why. */
bool engine_may_approve(const struct engine *engine, const struct input *input, char *ret_why,
                        size_t size);

/* The same of INPUT_ACKNOWLEDGE (id): somebody was told of the incident, and nobody acknowledged
 * it.
 */
bool engine_may_acknowledge(const struct engine *engine, const struct input *input, char *ret_why,
                            size_t size);
/* The same of INPUT_MODE (policy, mode, text). A mode is never above the host's, and needs a
 * reason.
 */
bool engine_may_set_mode(const struct engine *engine, const struct input *input, char *ret_why,
                         size_t size);

struct incident_view {
    uint64_t id;
    const char *policy, *target, *state, *action, *text;
    bool acknowledged;
    const char *plan; /* that a person is asked for, eight digits; "": none */
    struct instant opened;
};
/* Open incidents, oldest first. */
size_t engine_incident_count(const struct engine *engine);
struct incident_view engine_incident(const struct engine *engine, size_t index);

/* Alerts of policies for each series, pending and firing: by policy, in the order in which they
 * began. Valid until the next step. */
struct alert_view {
    const char *policy;
    const struct label_set *labels; /* of the series, without the policy's own */
    bool firing;
    struct instant active_at;
    double value;
    uint64_t incident;             /* of a firing one; 0 where there was no room for it */
    const struct alert_rule *rule; /* the engine's own */
    const struct alert *alert;
};
size_t engine_alert_count(const struct engine *engine);
size_t engine_alerts_firing(const struct engine *engine); /* how many of them */
struct alert_view engine_alert(const struct engine *engine, size_t index);
/* Those that are firing, or (firing false) pending, in the same order, without the first `skip`: at
 * most max of them. */
size_t engine_alerts_find(const struct engine *engine, bool firing, size_t skip,
                          struct alert_view *ret, size_t max);
/* Its labels with the policy's own (alertname among them), sorted by name; false behind the last.
 */
bool alert_view_label(const struct alert_view *view, size_t at, struct label *ret_label);
bool engine_alert_label(const struct engine *engine, size_t index, size_t at,
                        struct label *ret_label);
/* The text of its at-th annotation into ret[size]; returns the name, NULL behind the last. */
const char *alert_view_annotation(const struct engine *engine, const struct alert_view *view,
                                  size_t at, char *ret, size_t size);
const char *engine_alert_annotation(const struct engine *engine, size_t index, size_t at, char *ret,
                                    size_t size);

struct policy_view {
    const char *name;
    enum mode mode;       /* as it is now */
    enum mode ceiling;    /* as the host gives it */
    const char *mode_why; /* who or what set it; "": the host's holds. Until the next step */
    size_t entities, open;
    bool observed;   /* at the last tick no live entity was unknown */
    bool ambiguous;  /* the last evaluation of `when`: several series matched where one may, or are
                        one alert */
    uint64_t failed; /* for each series: evaluations without a result, as by equal labels */
};
size_t engine_policy_count(const struct engine *engine);
struct policy_view engine_policy(const struct engine *engine, size_t index);

/* Machine code for a group of operators (runtime/abi.h), from the next step on. False when no
 * policy has the group. The kernel must stay mapped as long as the engine lives, or until another
 * one takes its place. */
bool engine_use_code(struct engine *engine, uint64_t hash, abi_kernel_f *kernel);
bool engine_wants_code(struct engine *engine, uint64_t hash); /* whether a policy has the group */
size_t engine_lacks_code(struct engine *engine);              /* groups without a kernel */

/* Has the time of its operators taken by this clock, see eval_time(). */
void engine_time(struct engine *engine, eval_clock_f *clock, void *ctx);

bool engine_stopped(const struct engine *engine);
const struct eval *engine_eval(const struct engine *engine);
struct engine_counters {
    uint64_t ticks, opened, closed, dispatched, refused, escalated, dropped_incidents;
};
struct engine_counters engine_counters(const struct engine *engine);

#endif
