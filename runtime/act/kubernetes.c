/* Targets, paths, objects and bodies of Kubernetes. */
#include "runtime/act/kubernetes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/act/message.h"

#define REVISION "deployment.kubernetes.io/revision"

static const struct {
    const char *label, *api, *kind, *plural;
} kinds[KUBE_KINDS] = {
    [KUBE_DEPLOYMENT] = {"deployment", "apps/v1", "Deployment", "deployments"},
    [KUBE_STATEFULSET] = {"statefulset", "apps/v1", "StatefulSet", "statefulsets"},
    [KUBE_DAEMONSET] = {"daemonset", "apps/v1", "DaemonSet", "daemonsets"},
    [KUBE_REPLICASET] = {"replicaset", "apps/v1", "ReplicaSet", "replicasets"},
    [KUBE_POD] = {"pod", "v1", "Pod", "pods"},
    [KUBE_NODE] = {"node", "v1", "Node", "nodes"},
};

/* ---- targets ---- */

/* A DNS subdomain (RFC 1123): nothing in it means anything to a path. */
static bool is_name(const char *text, size_t length)
{
    bool edge = true;
    for (size_t i = 0; i < length; i++) {
        bool alnum = (text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '0' && text[i] <= '9');
        if (!alnum && (edge || (text[i] != '-' && text[i] != '.'))) {
            return false;
        }
        edge = text[i] == '.';
    }
    return length > 0 && length < KUBE_NAME_BYTES && text[length - 1] != '-' &&
           text[length - 1] != '.';
}

static enum status take_label(const char *at, size_t piece, struct kube_target *ret,
                              struct error *error)
{
    size_t key = strcspn(at, "=,"), length = key < piece ? piece - key - 1 : 0;
    const char *value = at + key + 1;
    if (!is_name(value, length)) {
        return error_set(error, STATUS_DENIED, "'%.*s' holds no name of Kubernetes", (int)piece,
                         at);
    }
    if (key == 9 && memcmp(at, "namespace", 9) == 0 && !ret->space[0]) {
        snprintf(ret->space, sizeof ret->space, "%.*s", (int)length, value);
        return STATUS_OK;
    }
    for (int i = 0; i < KUBE_KINDS; i++) {
        if (strlen(kinds[i].label) == key && memcmp(at, kinds[i].label, key) == 0 &&
            !ret->name[0]) {
            ret->kind = (enum kube_kind)i;
            snprintf(ret->name, sizeof ret->name, "%.*s", (int)length, value);
            return STATUS_OK;
        }
    }
    return error_set(error, STATUS_DENIED,
                     "the label '%.*s' says nothing to Kubernetes, or more than once", (int)key,
                     at);
}

enum status kube_target_parse(const char *text, struct kube_target *ret, struct error *error)
{
    memset(ret, 0, sizeof *ret);
    for (const char *at = text; *at;) {
        size_t piece = strcspn(at, ",");
        TRY(take_label(at, piece, ret, error));
        at += piece + (at[piece] == ',');
    }
    if (!ret->name[0]) {
        return error_set(error, STATUS_DENIED,
                         "'%.200s' names no deployment, statefulset, daemonset, replicaset, pod or "
                         "node",
                         text);
    }
    return (ret->kind == KUBE_NODE) == !ret->space[0]
               ? STATUS_OK
               : error_set(error, STATUS_DENIED, "'%.200s' %s", text,
                           ret->space[0] ? "is a node, which has no namespace"
                                         : "has no namespace");
}

enum status kube_target_suits(enum connector connector, const struct kube_target *target,
                              struct error *error)
{
#define ON(kind) (1u << KUBE_##kind)
    static const unsigned suits[CONNECTOR_COUNT] = {
        [CONNECTOR_KUBERNETES_SCALE] = ON(DEPLOYMENT) | ON(STATEFULSET) | ON(REPLICASET),
        [CONNECTOR_KUBERNETES_ROLLOUT_RESTART] = ON(DEPLOYMENT) | ON(STATEFULSET) | ON(DAEMONSET),
        [CONNECTOR_KUBERNETES_ROLLOUT_UNDO] = ON(DEPLOYMENT),
        [CONNECTOR_KUBERNETES_DELETE_POD] = ON(POD),
        [CONNECTOR_KUBERNETES_EVICT_POD] = ON(POD),
        [CONNECTOR_KUBERNETES_CORDON] = ON(NODE),
        [CONNECTOR_KUBERNETES_UNCORDON] = ON(NODE),
    };
#undef ON
    char wanted[120] = "";
    for (size_t i = 0; i < KUBE_KINDS; i++) {
        if (suits[connector] >> i & 1u) {
            size_t used = strlen(wanted);
            snprintf(wanted + used, sizeof wanted - used, "%s%s", used ? ", " : "", kinds[i].label);
        }
    }
    return suits[connector] >> target->kind & 1u
               ? STATUS_OK
               : error_set(error, STATUS_DENIED, "%s is for a %s, not for a %s",
                           connector_infos[connector].text, wanted, kinds[target->kind].label);
}

static size_t put_collection(const struct kube_target *target, enum kube_kind kind,
                             char ret[KUBE_PATH_BYTES])
{
    const char *root = strchr(kinds[kind].api, '/') ? "apis" : "api";
    return (size_t)snprintf(ret, KUBE_PATH_BYTES, "/%s/%s%s%s/%s", root, kinds[kind].api,
                            target->space[0] ? "/namespaces/" : "", target->space,
                            kinds[kind].plural);
}

void kube_path(const struct kube_target *target, char ret[KUBE_PATH_BYTES])
{
    size_t used = put_collection(target, target->kind, ret);
    snprintf(ret + used, KUBE_PATH_BYTES - used, "/%s", target->name);
}

/* ---- objects ---- */

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static bool take_text(const json_t *object, const char *key, char *ret, size_t size)
{
    const char *text = text_at(object, key);
    snprintf(ret, size, "%s", text);
    return text[0] && strlen(text) < size;
}

/* Printable and short, as uids and versions are: they go into notes. */
static bool take_id(const json_t *object, const char *key, char ret[KUBE_ID_BYTES])
{
    bool good = take_text(object, key, ret, KUBE_ID_BYTES);
    for (const char *c = ret; *c; c++) {
        bool word = (*c >= '0' && *c <= '9') || ((*c | 0x20) >= 'a' && (*c | 0x20) <= 'z');
        good = good && (word || *c == '-');
    }
    return good;
}

static json_t *parse(const char *bytes, size_t count)
{
    return json_loadb(bytes, count, JSON_REJECT_DUPLICATES, NULL);
}

static bool is_target(const json_t *json, const struct kube_target *target)
{
    const json_t *metadata = json_object_get(json, "metadata");
    return strcmp(text_at(json, "kind"), kinds[target->kind].kind) == 0 &&
           strcmp(text_at(json, "apiVersion"), kinds[target->kind].api) == 0 &&
           strcmp(text_at(metadata, "name"), target->name) == 0 &&
           strcmp(text_at(metadata, "namespace"), target->space) == 0;
}

enum status kube_object_parse(const struct kube_target *target, const char *bytes, size_t count,
                              struct kube_object *ret, struct error *error)
{
    memset(ret, 0, sizeof *ret);
    json_t *json = parse(bytes, count);
    const json_t *metadata = json_object_get(json, "metadata"),
                 *spec = json_object_get(json, "spec"),
                 *replicas = json_object_get(spec, "replicas"),
                 *annotations = json_object_get(metadata, "annotations");
    if (!json_is_object(json) || !is_target(json, target) || !take_id(metadata, "uid", ret->uid) ||
        !take_id(metadata, "resourceVersion", ret->version)) {
        json_decref(json);
        return error_set(error, STATUS_PROTOCOL, "it answered with something else than the %s",
                         kinds[target->kind].label);
    }
    take_text(annotations, KUBE_ANNOTATION, ret->key, sizeof ret->key);
    ret->generation = json_integer_value(json_object_get(metadata, "generation"));
    ret->deleting = text_at(metadata, "deletionTimestamp")[0] != '\0';
    ret->unschedulable = json_is_true(json_object_get(spec, "unschedulable"));
    ret->replicas = json_is_integer(replicas) ? json_integer_value(replicas) : -1;
    ret->json = json;
    return STATUS_OK;
}

bool kube_deletion_confirmed(const struct kube_target *target, const char *uid, const char *bytes,
                             size_t count)
{
    json_t *json = parse(bytes, count);
    const json_t *metadata = json_object_get(json, "metadata");
    const char *told = text_at(json_object_get(json, "details"), "uid");
    bool status = strcmp(text_at(json, "kind"), "Status") == 0 &&
                  strcmp(text_at(json, "status"), "Success") == 0 &&
                  (!told[0] || strcmp(told, uid) == 0);
    bool pod = is_target(json, target) && strcmp(text_at(metadata, "uid"), uid) == 0;
    json_decref(json);
    return status || pod;
}

void kube_reason(const char *bytes, size_t count, char *ret, size_t size)
{
    json_t *json = parse(bytes, count);
    const char *message = text_at(json, "message");
    size_t fits = message_fits(message, strlen(message), size);
    message_escape(message, fits, ret, size);
    json_decref(json);
}

/* ---- the revision before ---- */

static size_t put_escaped(char *ret, size_t size, const char *text)
{
    size_t used = 0;
    for (const char *c = text; *c && used + 4 < size; c++) {
        bool plain = (*c >= '0' && *c <= '9') || ((*c | 0x20) >= 'a' && (*c | 0x20) <= 'z') ||
                     *c == '-' || *c == '.' || *c == '_';
        used +=
            (size_t)snprintf(ret + used, size - used, plain ? "%c" : "%%%02X", (unsigned char)*c);
    }
    return used;
}

/* A selector that is too long is left out: owners are what counts. */
void kube_sets_path(const struct kube_target *target, const struct kube_object *deployment,
                    char ret[KUBE_PATH_BYTES])
{
    char selector[KUBE_PATH_BYTES / 2] = "";
    size_t used = 0;
    json_t *labels = json_object_get(
        json_object_get(json_object_get(deployment->json, "spec"), "selector"), "matchLabels");
    for (void *at = json_object_iter(labels); at; at = json_object_iter_next(labels, at)) {
        char pair[200];
        const char *value = json_string_value(json_object_iter_value(at));
        snprintf(pair, sizeof pair, "%s%.80s=%.80s", used ? "," : "", json_object_iter_key(at),
                 value ? value : "");
        used += put_escaped(selector + used, sizeof selector - used, pair);
    }
    bool whole = used + 8 < sizeof selector;
    used = put_collection(target, KUBE_REPLICASET, ret);
    snprintf(ret + used, KUBE_PATH_BYTES - used, "?limit=500%s%s",
             whole && selector[0] ? "&labelSelector=" : "", whole ? selector : "");
}

static int64_t revision_of(const json_t *object)
{
    const json_t *metadata = json_object_get(object, "metadata");
    const char *text = text_at(json_object_get(metadata, "annotations"), REVISION);
    return text[0] >= '0' && text[0] <= '9' ? strtoll(text, NULL, 10) : 0;
}

static bool is_owned(const json_t *set, const char *uid)
{
    size_t i;
    const json_t *owner;
    json_array_foreach(json_object_get(json_object_get(set, "metadata"), "ownerReferences"), i,
                       owner)
    {
        if (strcmp(text_at(owner, "uid"), uid) == 0) {
            return true;
        }
    }
    return false;
}

json_t *kube_former_template(const struct kube_object *deployment, const char *bytes, size_t count,
                             struct error *error)
{
    json_t *list = parse(bytes, count);
    const json_t *items = json_object_get(list, "items"), *set, *found = NULL;
    bool more = text_at(json_object_get(list, "metadata"), "continue")[0] != '\0';
    int64_t current = revision_of(deployment->json), best = 0;
    size_t i;
    if (!json_is_array(items) || more || current <= 0) {
        error_set(error, STATUS_PROTOCOL, "%s",
                  current <= 0 ? "the deployment has no revision"
                  : more       ? "there are more than 500 replica sets"
                               : "it answered with something else than replica sets");
        json_decref(list);
        return NULL;
    }
    json_array_foreach(items, i, set)
    {
        int64_t revision = revision_of(set);
        if (is_owned(set, deployment->uid) && revision < current && revision > best) {
            best = revision;
            found = set;
        }
    }
    json_t *template = json_object_get(json_object_get(found, "spec"), "template");
    json_t *ret = json_is_object(template) ? json_deep_copy(template) : NULL;
    json_t *labels = json_object_get(json_object_get(ret, "metadata"), "labels");
    json_object_del(labels, "pod-template-hash"); /* of the replica set, not of the deployment */
    if (!ret) {
        error_set(error, STATUS_NOT_FOUND, "there is no revision before %lld", (long long)current);
    }
    json_decref(list);
    return ret;
}

/* ---- bodies ---- */

static char *dump(json_t *take_json)
{
    char *ret = take_json ? json_dumps(take_json, JSON_COMPACT) : NULL;
    json_decref(take_json);
    CHECK(ret); /* all of it came from JSON, or is ASCII */
    return ret;
}

/* A merge patch of the object as it was read, marked with the action. */
static json_t *merge(const struct kube_object *object, const char *key, json_t *take_spec)
{
    return json_pack("{s:{s:s, s:s, s:{s:s}}, s:o}", "metadata", "uid", object->uid,
                     "resourceVersion", object->version, "annotations", KUBE_ANNOTATION, key,
                     "spec", take_spec);
}

char *kube_body_scale(const struct kube_object *object, const char *key, int64_t replicas)
{
    return dump(merge(object, key, json_pack("{s:I}", "replicas", (json_int_t)replicas)));
}

char *kube_body_restart(const struct kube_object *object, const char *key, struct instant time)
{
    char text[40] = "";
    struct tm parts;
    time_t seconds = (time_t)(time.ns / NS_PER_S);
    if (gmtime_r(&seconds, &parts)) {
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    }
    return dump(merge(object, key,
                      json_pack("{s:{s:{s:{s:s}}}}", "template", "metadata", "annotations",
                                "kubectl.kubernetes.io/restartedAt", text)));
}

char *kube_body_schedulable(const struct kube_object *object, const char *key, bool schedulable)
{
    return dump(merge(
        object, key, json_pack("{s:o}", "unschedulable", schedulable ? json_null() : json_true())));
}

char *kube_body_template(const struct kube_object *object, const char *key, json_t *take_template)
{
    json_t *metadata = json_object_get(object->json, "metadata");
    json_t *annotations = json_object_get(metadata, "annotations");
    annotations = json_is_object(annotations) ? json_deep_copy(annotations) : json_object();
    json_object_set_new(annotations, KUBE_ANNOTATION, json_string(key));
    return dump(json_pack("[{s:s, s:s, s:s}, {s:s, s:s, s:s}, {s:s, s:s, s:o}, {s:s, s:s, s:o}]",
                          "op", "test", "path", "/metadata/uid", "value", object->uid, "op",
                          "replace", "path", "/metadata/resourceVersion", "value", object->version,
                          "op", "add", "path", "/metadata/annotations", "value", annotations, "op",
                          "replace", "path", "/spec/template", "value", take_template));
}

static json_t *delete_options(const struct kube_object *object)
{
    return json_pack("{s:s, s:s, s:{s:s, s:s}}", "apiVersion", "v1", "kind", "DeleteOptions",
                     "preconditions", "uid", object->uid, "resourceVersion", object->version);
}

char *kube_body_delete(const struct kube_object *object)
{
    return dump(delete_options(object));
}

char *kube_body_evict(const struct kube_target *target, const struct kube_object *object,
                      const char *api_version)
{
    return dump(json_pack("{s:s, s:s, s:{s:s, s:s}, s:o}", "apiVersion", api_version, "kind",
                          "Eviction", "metadata", "name", target->name, "namespace", target->space,
                          "deleteOptions", delete_options(object)));
}
