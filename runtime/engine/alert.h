/* The alerts of a policy for each series: Prometheus' alerting rule over one node.
 *
 *     struct alert_rule *rule = alert_rule_new(policy, node, &settings, error);
 *     alert_rule_step(rule, now);       // at its turn within the tick
 *     for each alert of rule->alerts ...
 *
 * Each label set that is present is an alert: pending from its first evaluation on, firing once it
 * was there for `hold`. One that is gone is forgotten, or fires on for `keep`. A tick costs the
 * words of the node's bits and the alerts there are, not the series. */
#ifndef HEAL_RUNTIME_ENGINE_ALERT_H
#define HEAL_RUNTIME_ENGINE_ALERT_H

#include "runtime/engine/alert_text.h"
#include "runtime/engine/eval_record.h"

#define ALERTS_NAME           "ALERTS"
#define ALERTS_FOR_STATE_NAME "ALERTS_FOR_STATE"
enum { ALERTS_MAX = 1000000 }; /* of one policy; an evaluation that gives more fails */

struct alert {
    const char *name;               /* of its series, or NULL */
    const struct label_set *entity; /* the labels of its series */
    struct alert_labels labels;     /* with the policy's own: its identity */
    bool firing;
    struct instant active_at, keep_since; /* keep_since ns 0: its series is there */
    double value;
    uint64_t incident; /* the caller's; 0: none yet */
    /* of the rule */
    size_t slot; /* of its series, or SIZE_MAX */
    uint64_t stamp;
    double next_value;
    uint32_t series[2]; /* ALERTS and ALERTS_FOR_STATE, held; UINT32_MAX: not made yet */
    bool series_firing; /* the state that series[0] says */
};

struct alert_rule_settings {
    struct duration every, hold, keep;
    bool as_prometheus;                  /* presence alone decides */
    const struct alert_outside *outside; /* must outlive the rule */
};

struct alert_rule {
    const struct policy *policy;
    struct store *store;
    struct eval_node *node;
    struct alert_rule_settings settings;
    struct alert_texts *texts;
    struct alert **alerts; /* in the order in which they began */
    size_t count, capacity;
    size_t firing;      /* of them */
    uint64_t *resolved; /* incidents whose alert has ended: the caller takes them out */
    size_t resolved_count, resolved_capacity;
    struct instant last, first; /* evaluations; ns 0: never */
    bool ran;                   /* evaluated at this step */
    bool failed;                /* the last evaluation gave no result */
    uint64_t failures;          /* evaluations that gave none */
    size_t unknown_count;       /* slots at the last evaluation; 0 as prometheus */
    /* its own */
    struct alert **at; /* alert of each slot of the node, or NULL */
    size_t slots;
    uint64_t generation, stamp;
    struct table_of_alerts *table;
    struct alert_labels scratch;
    bool recorded; /* ALERTS and ALERTS_FOR_STATE are written */
    struct recorder recorder;
};

NODISCARD enum status alert_rule_new(const struct policy *policy, struct store *store,
                                     struct eval_node *node,
                                     const struct alert_rule_settings *settings,
                                     struct alert_rule **ret, struct error *error);
void alert_rule_free(struct alert_rule *rule);
/* From now on the series ALERTS and ALERTS_FOR_STATE are written. */
NODISCARD enum status alert_rule_record(struct alert_rule *rule, struct error *error);
/* Evaluates when `every` is due. */
void alert_rule_step(struct alert_rule *rule, struct instant now);
/* Takes over the alerts of another rule of the same policy, over the same store. */
void alert_rule_adopt(struct alert_rule *rule, struct alert_rule *from);
/* What is told of an alert. */
struct alert_about alert_about(const struct alert *alert, struct instant now);

#endif
