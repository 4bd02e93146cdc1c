/* What the Kubernetes hand says to an API server, and what it understands of the answers: targets,
 * paths, objects, bodies. Pure; the answers are hostile.
 *
 *     TRY(kube_target_parse("namespace=shop,deployment=checkout", &target, error));
 *     kube_path(&target, path);           "/apis/apps/v1/namespaces/shop/deployments/checkout"
 *     TRY(kube_object_parse(&target, answer, bytes, &object, error)); */
#ifndef HEAL_RUNTIME_ACT_KUBERNETES_H
#define HEAL_RUNTIME_ACT_KUBERNETES_H

#include <jansson.h>

#include "lang/connector.h"

enum {
    KUBE_NAME_BYTES = 254,
    KUBE_ID_BYTES = 64, /* of a uid or a resourceVersion */
    KUBE_PATH_BYTES = 800,
    KUBE_KEY_BYTES = 64
};
#define KUBE_ANNOTATION "heal.dev/action-id"

enum kube_kind {
    KUBE_DEPLOYMENT,
    KUBE_STATEFULSET,
    KUBE_DAEMONSET,
    KUBE_REPLICASET,
    KUBE_POD,
    KUBE_NODE,
    KUBE_KINDS
};

struct kube_target {
    enum kube_kind kind;
    char space[KUBE_NAME_BYTES]; /* namespace; "" of a node */
    char name[KUBE_NAME_BYTES];
};

/* From "namespace=shop,pod=a", "node=n1" and the like: these labels and no others, with values that
 * are names of Kubernetes. */
NODISCARD enum status kube_target_parse(const char *text, struct kube_target *ret,
                                        struct error *error);
/* Whether the connector acts on targets of that kind; the error names those that it does. */
NODISCARD enum status kube_target_suits(enum connector connector, const struct kube_target *target,
                                        struct error *error);
void kube_path(const struct kube_target *target, char ret[KUBE_PATH_BYTES]);

/* What was read of an object. */
struct kube_object {
    char uid[KUBE_ID_BYTES], version[KUBE_ID_BYTES];
    char key[KUBE_KEY_BYTES]; /* of the last action that heal marked it with; "" */
    int64_t generation;       /* of its specification; 0: it has none */
    bool deleting, unschedulable;
    int64_t replicas; /* that it should have; -1: it does not say */
    json_t *json;     /* of the caller: json_decref */
};

/* STATUS_PROTOCOL: no JSON, or not this object of this kind. */
NODISCARD enum status kube_object_parse(const struct kube_target *target, const char *bytes,
                                        size_t count, struct kube_object *ret, struct error *error);

/* Whether the answer to a deletion or eviction says that it was this pod and that it is done. */
bool kube_deletion_confirmed(const struct kube_target *target, const char *uid, const char *bytes,
                             size_t count);

/* Why, as an API server says it: the message of a Status, escaped; "" when there is none. */
void kube_reason(const char *bytes, size_t count, char *ret, size_t size);

/* Path and query of the replica sets that may be the former ones of a deployment. */
void kube_sets_path(const struct kube_target *target, const struct kube_object *deployment,
                    char ret[KUBE_PATH_BYTES]);
/* The pod template of the revision before the deployment's, from a list of replica sets; the
 * caller's. NULL: there is none, or the list cannot be understood; the error says which. */
json_t *kube_former_template(const struct kube_object *deployment, const char *bytes, size_t count,
                             struct error *error);

/* The body of a write, to be freed by the caller. Each holds the version it is true of, so that it
 * is done at most once, however often it is sent. */
char *kube_body_scale(const struct kube_object *object, const char *key, int64_t replicas);
char *kube_body_restart(const struct kube_object *object, const char *key, struct instant time);
char *kube_body_schedulable(const struct kube_object *object, const char *key, bool schedulable);
char *kube_body_template(const struct kube_object *object, const char *key, json_t *take_template);
char *kube_body_delete(const struct kube_object *object);
/* apiVersion: "policy/v1", or "policy/v1beta1" before Kubernetes 1.22. */
char *kube_body_evict(const struct kube_target *target, const struct kube_object *object,
                      const char *api_version);

#endif
