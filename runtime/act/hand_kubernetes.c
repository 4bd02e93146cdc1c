/* The Kubernetes hand: reads an object, judges it, and writes what its version still allows.
 *
 * Every write holds the uid and version that it is true of, so that the API server does it at most
 * once, however often it is sent. When an answer does not say what became of one, the object does:
 * it bears the action's key, or is gone. What neither says is unknown. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/act/hand_internal.h"
#include "runtime/act/kubernetes.h"
#include "runtime/act/secret.h"

#define BACK_OFF_FIRST (200 * NS_PER_MS)
#define BACK_OFF_MAX   (10 * NS_PER_S)
#define TRY_LEAST      (100 * NS_PER_MS) /* a try in less would only hide what the last one said */

enum { CONFLICTS_MAX = 8, ANSWER_MAX = 4 << 20, REASON_BYTES = 200 };

enum stage { STAGE_READ, STAGE_SETS, STAGE_WRITE };

struct kube_run {
    struct hand_run base;
    struct transfers *transfers;
    const struct kubernetes_settings *settings;
    enum connector connector;
    struct kube_target target;
    struct kube_object object; /* as it was read last */
    char key[HAND_KEY_BYTES];
    struct instant time;
    int64_t number;
    hand_note_f *note;
    void *note_context;
    struct duration deadline, next_at;
    unsigned waits, conflicts;
    enum stage stage;
    struct transfer *transfer;
    json_t *former_template;
    bool old_eviction; /* policy/v1beta1 */
    bool ending, looking;
    bool doubt; /* a write may have been done: of the uid, version and generation below */
    char uid[KUBE_ID_BYTES], version[KUBE_ID_BYTES];
    int64_t generation;
    char noted[HAND_NOTE_BYTES]; /* the last note */
    char said[HAND_TEXT_BYTES - 50];
};

/* What comes next. */
enum next { NEXT_READ, NEXT_SETS, NEXT_WRITE, NEXT_WAIT, NEXT_DONE, NEXT_FAILED, NEXT_NEVER };

static void say(struct kube_run *run, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void say(struct kube_run *run, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(run->said, sizeof run->said, fmt, args);
    va_end(args);
}

static bool is_of_pod(const struct kube_run *run)
{
    return run->target.kind == KUBE_POD;
}

static void run_free(struct kube_run *run)
{
    transfer_free(run->transfer);
    json_decref(run->object.json);
    json_decref(run->former_template);
    free(run);
}

static bool finish(struct kube_run *run, enum outcome outcome, struct hand_result *ret)
{
    hand_ended(ret, outcome, run->said);
    run_free(run);
    return true;
}

static bool give_up(struct kube_run *run, struct hand_result *ret)
{
    return finish(run, run->doubt ? OUTCOME_UNKNOWN : OUTCOME_FAILED, ret);
}

/* ---- requests ---- */

static enum status start_request(struct kube_run *run, const char *method, const char *path,
                                 const char *type, const char *body, struct duration uptime,
                                 struct error *error)
{
    const struct kubernetes_settings *settings = run->settings;
    char url[TRANSFER_URL_BYTES], token[SECRET_BYTES], bearer[SECRET_BYTES + 32], typed[80];
    const char *lines[4] = {"Accept: application/json", "Expect:"};
    size_t count = 2;
    int64_t left = run->deadline.ns - uptime.ns;
    if (settings->token_file) {
        TRY(secret_read(settings->token_file, token, error));
        snprintf(bearer, sizeof bearer, "Authorization: Bearer %s", token);
        lines[count++] = bearer;
    }
    if (type) {
        snprintf(typed, sizeof typed, "Content-Type: application/%s", type);
        lines[count++] = typed;
    }
    if ((size_t)snprintf(url, sizeof url, "%s%s", settings->server, path) >= sizeof url) {
        return error_set(error, STATUS_LIMIT, "the URL of the API server is too long");
    }
    const struct transfer_request request = {
        .method = method,
        .url = url,
        .body = body,
        .body_bytes = body ? strlen(body) : 0,
        .lines = lines,
        .line_count = count,
        .ca_file = settings->ca_file,
        .timeout = {left < settings->timeout.ns ? left : settings->timeout.ns},
        .answer_max = ANSWER_MAX};
    return transfer_start(run->transfers, &request, uptime, &run->transfer, error);
}

static enum status start_read(struct kube_run *run, struct duration uptime, struct error *error)
{
    char path[KUBE_PATH_BYTES];
    kube_path(&run->target, path);
    return start_request(run, "GET", path, NULL, NULL, uptime, error);
}

static enum status start_sets(struct kube_run *run, struct duration uptime, struct error *error)
{
    char path[KUBE_PATH_BYTES];
    kube_sets_path(&run->target, &run->object, path);
    return start_request(run, "GET", path, NULL, NULL, uptime, error);
}

struct write {
    const char *method, *type, *more; /* more: behind the object's path */
    char *body;
};

static struct write write_of(struct kube_run *run)
{
    const struct kube_object *object = &run->object;
    static const char *const merge = "merge-patch+json";
    switch (run->connector) {
    case CONNECTOR_KUBERNETES_SCALE:
        return (struct write){"PATCH", merge, "", kube_body_scale(object, run->key, run->number)};
    case CONNECTOR_KUBERNETES_ROLLOUT_RESTART:
        return (struct write){"PATCH", merge, "", kube_body_restart(object, run->key, run->time)};
    case CONNECTOR_KUBERNETES_ROLLOUT_UNDO:
        return (struct write){
            "PATCH", "json-patch+json", "",
            kube_body_template(object, run->key, json_incref(run->former_template))};
    case CONNECTOR_KUBERNETES_CORDON:
    case CONNECTOR_KUBERNETES_UNCORDON:
        return (struct write){
            "PATCH", merge, "",
            kube_body_schedulable(object, run->key,
                                  run->connector == CONNECTOR_KUBERNETES_UNCORDON)};
    case CONNECTOR_KUBERNETES_DELETE_POD:
        return (struct write){"DELETE", "json", "", kube_body_delete(object)};
    case CONNECTOR_KUBERNETES_EVICT_POD:
        return (struct write){"POST", "json", "/eviction",
                              kube_body_evict(&run->target, object,
                                              run->old_eviction ? "policy/v1beta1" : "policy/v1")};
    case CONNECTOR_EXEC:
    case CONNECTOR_HTTP:
    case CONNECTOR_SYSTEMD_RESTART:
    case CONNECTOR_SYSTEMD_START:
    case CONNECTOR_SYSTEMD_STOP:
    case CONNECTOR_SYSTEMD_RELOAD:
    case CONNECTOR_COUNT: break;
    }
    check_failed("a connector of Kubernetes", __FILE__, __LINE__);
}

/* The note comes first: what is written without one would be unknown after a crash. */
static enum status start_write(struct kube_run *run, struct duration uptime, struct error *error)
{
    char note[HAND_NOTE_BYTES], path[KUBE_PATH_BYTES + 100];
    const struct kube_object *object = &run->object;
    snprintf(note, sizeof note, "uid %s version %s generation %" PRId64, object->uid,
             object->version, object->generation);
    if (strcmp(note, run->noted) != 0) {
        TRY(run->note(run->note_context, note, error));
        memcpy(run->noted, note, sizeof run->noted);
    }
    memcpy(run->uid, object->uid, sizeof run->uid);
    memcpy(run->version, object->version, sizeof run->version);
    run->generation = object->generation;
    struct write write = write_of(run);
    kube_path(&run->target, path);
    size_t used = strlen(path);
    snprintf(path + used, sizeof path - used, "%s%s", write.more,
             write.method[0] == 'P' ? "?fieldManager=heald" : "");
    enum status status =
        start_request(run, write.method, path, write.type, write.body, uptime, error);
    free(write.body);
    return status;
}

/* ---- what was read ---- */

static bool is_same_version(const struct kube_run *run)
{
    return strcmp(run->object.version, run->version) == 0;
}

/* Of what nobody has touched for this action yet. */
static enum next judge_fresh(struct kube_run *run)
{
    const struct kube_object *object = &run->object;
    switch (run->connector) {
    case CONNECTOR_KUBERNETES_SCALE:
        say(run, "it has %" PRId64 " replicas already", run->number);
        return object->replicas == run->number ? NEXT_DONE : NEXT_WRITE;
    case CONNECTOR_KUBERNETES_CORDON:
        say(run, "the node was cordoned before, and not by this action");
        return object->unschedulable ? NEXT_FAILED : NEXT_WRITE;
    case CONNECTOR_KUBERNETES_UNCORDON:
        say(run, "the node is not cordoned");
        return object->unschedulable ? NEXT_WRITE : NEXT_DONE;
    case CONNECTOR_KUBERNETES_DELETE_POD:
    case CONNECTOR_KUBERNETES_EVICT_POD:
        say(run, "the pod was ending before this action");
        return object->deleting ? NEXT_FAILED : NEXT_WRITE;
    case CONNECTOR_KUBERNETES_ROLLOUT_UNDO: return NEXT_SETS;
    case CONNECTOR_KUBERNETES_ROLLOUT_RESTART: return NEXT_WRITE;
    case CONNECTOR_EXEC:
    case CONNECTOR_HTTP:
    case CONNECTOR_SYSTEMD_RESTART:
    case CONNECTOR_SYSTEMD_START:
    case CONNECTOR_SYSTEMD_STOP:
    case CONNECTOR_SYSTEMD_RELOAD:
    case CONNECTOR_COUNT: break;
    }
    check_failed("a connector of Kubernetes", __FILE__, __LINE__);
}

/* After a write of which nothing is known. */
static enum next judge_doubt(struct kube_run *run)
{
    const struct kube_object *object = &run->object;
    if (is_of_pod(run)) {
        if (object->deleting || strcmp(object->uid, run->uid) != 0) {
            say(run, object->deleting ? "the pod is ending" : "the pod is gone");
            return NEXT_DONE;
        }
        return NEXT_WRITE; /* the same deletion of the same pod: at most once */
    }
    if (strcmp(object->uid, run->uid) != 0) {
        say(run, "another object has its name by now");
        return NEXT_FAILED;
    }
    if (!is_same_version(run) && object->generation != run->generation) {
        say(run, "it was changed meanwhile, and bears no mark of this action");
        return NEXT_FAILED;
    }
    if (is_same_version(run)) {
        return NEXT_WRITE; /* what was sent and what will be exclude each other */
    }
    run->doubt = false; /* what was sent needs a version that is past */
    return judge_fresh(run);
}

/* Of an action that a former actor began: nothing is changed. */
static enum next judge_former(struct kube_run *run)
{
    const struct kube_object *object = &run->object;
    if (is_of_pod(run) && (object->deleting || strcmp(object->uid, run->uid) != 0)) {
        say(run, object->deleting ? "the pod is ending" : "the pod is gone");
        return NEXT_DONE;
    }
    if (is_same_version(run)) {
        say(run, "nothing has changed since, and what was sent could still arrive");
        return NEXT_WAIT;
    }
    bool same = strcmp(object->uid, run->uid) == 0 &&
                (is_of_pod(run) || object->generation == run->generation);
    say(run, same ? "it was not done, and what was sent is void by now"
                  : "it was changed meanwhile, and bears no mark of this action");
    return same ? NEXT_NEVER : NEXT_FAILED;
}

static enum next judge_object(struct kube_run *run)
{
    if (!is_of_pod(run) && strcmp(run->object.key, run->key) == 0) {
        say(run, "it bears the mark of this action");
        return NEXT_DONE;
    }
    return run->looking ? judge_former(run) : run->doubt ? judge_doubt(run) : judge_fresh(run);
}

/* ---- answers ---- */

static void say_status(struct kube_run *run, const struct transfer_answer *answer)
{
    char reason[REASON_BYTES];
    if (!answer->answered) {
        say(run, answer->sent ? "no whole answer came: %s" : "nothing was sent: %s", answer->fault);
        return;
    }
    kube_reason(answer->body, answer->body_bytes, reason, sizeof reason);
    if (answer->redirect[0]) {
        message_escape(answer->redirect, strlen(answer->redirect), reason, sizeof reason);
        say(run, "it answered %ld and points to %s, where no request is sent", answer->status,
            reason);
        return;
    }
    say(run, "it answered %ld%s%s%s", answer->status, answer->cut ? " and too much" : "",
        reason[0] ? ": " : "", reason);
}

static bool is_yes(const struct transfer_answer *answer)
{
    return answer->answered && !answer->cut && answer->status >= 200 && answer->status < 300;
}

/* Whether asking the same again may be of use. */
static bool is_passing(const struct transfer_answer *answer)
{
    return !answer->answered || answer->status >= 500 || answer->status == 429 ||
           answer->status == 408;
}

static enum next take_read(struct kube_run *run, const struct transfer_answer *answer)
{
    struct error error;
    say_status(run, answer);
    if (answer->answered && answer->status == 404 && is_of_pod(run) &&
        (run->doubt || run->looking)) {
        say(run, "the pod is gone");
        return NEXT_DONE;
    }
    if (!is_yes(answer)) {
        return is_passing(answer) ? NEXT_WAIT : NEXT_FAILED;
    }
    json_decref(run->object.json);
    if (kube_object_parse(&run->target, answer->body, answer->body_bytes, &run->object, &error) !=
        STATUS_OK) {
        say(run, "%.200s", error.message);
        return NEXT_FAILED;
    }
    return judge_object(run);
}

static enum next take_sets(struct kube_run *run, const struct transfer_answer *answer)
{
    struct error error;
    say_status(run, answer);
    if (!is_yes(answer)) {
        return is_passing(answer) ? NEXT_WAIT : NEXT_FAILED;
    }
    json_decref(run->former_template);
    run->former_template =
        kube_former_template(&run->object, answer->body, answer->body_bytes, &error);
    if (!run->former_template) {
        say(run, "%.200s", error.message);
        return NEXT_FAILED;
    }
    return NEXT_WRITE;
}

/* A yes is believed when it shows the object as it was asked for. */
static bool is_confirmed(const struct kube_run *run, const struct transfer_answer *answer)
{
    struct kube_object after;
    if (is_of_pod(run)) {
        return kube_deletion_confirmed(&run->target, run->uid, answer->body, answer->body_bytes);
    }
    if (kube_object_parse(&run->target, answer->body, answer->body_bytes, &after, NULL) !=
        STATUS_OK) {
        return false;
    }
    json_decref(after.json);
    return strcmp(after.uid, run->uid) == 0 && strcmp(after.key, run->key) == 0;
}

static enum next take_write(struct kube_run *run, const struct transfer_answer *answer)
{
    say_status(run, answer);
    if (is_yes(answer) && is_confirmed(run, answer)) {
        return NEXT_DONE;
    }
    if (!answer->answered && !answer->sent) {
        return NEXT_WAIT;
    }
    if (!answer->answered || answer->status >= 500 || answer->status < 300) {
        run->doubt = true; /* the object tells */
        return NEXT_WAIT;
    }
    if (answer->status == 409) {
        return ++run->conflicts <= CONFLICTS_MAX ? NEXT_READ : NEXT_FAILED;
    }
    if (answer->status == 400 && run->connector == CONNECTOR_KUBERNETES_EVICT_POD &&
        !run->old_eviction) {
        run->old_eviction = true;
        return NEXT_READ;
    }
    return answer->status == 429 || answer->status == 408 ? NEXT_WAIT : NEXT_FAILED;
}

/* Whether there is time to ask again; then it is set. */
static bool ask_later(struct kube_run *run, struct duration uptime, int64_t asked_s)
{
    int64_t wait = BACK_OFF_FIRST, left = run->deadline.ns - uptime.ns;
    for (unsigned i = 0; i < run->waits && wait < BACK_OFF_MAX; i++) {
        wait *= 2;
    }
    run->waits++;
    if (asked_s > left / NS_PER_S) {
        size_t used = strlen(run->said);
        snprintf(run->said + used, sizeof run->said - used,
                 "; it wants %" PRId64 " s to pass, which the timeout does not have", asked_s);
        return false;
    }
    wait = asked_s * NS_PER_S > wait ? asked_s * NS_PER_S : wait;
    wait = wait < BACK_OFF_MAX || asked_s > 0 ? wait : BACK_OFF_MAX;
    run->next_at.ns = uptime.ns + wait;
    run->stage = STAGE_READ;
    return wait + TRY_LEAST < left;
}

static bool go_on(struct kube_run *run, enum next next, int64_t asked_s, struct duration uptime,
                  struct hand_result *ret)
{
    run->next_at = uptime;
    switch (next) {
    case NEXT_READ: run->stage = STAGE_READ; return false;
    case NEXT_SETS: run->stage = STAGE_SETS; return false;
    case NEXT_WRITE:
        run->stage = run->connector == CONNECTOR_KUBERNETES_ROLLOUT_UNDO && !run->former_template
                         ? STAGE_SETS
                         : STAGE_WRITE;
        return false;
    case NEXT_WAIT: return ask_later(run, uptime, asked_s) ? false : give_up(run, ret);
    case NEXT_DONE: return finish(run, OUTCOME_SUCCEEDED, ret);
    case NEXT_FAILED: return give_up(run, ret);
    case NEXT_NEVER: return finish(run, OUTCOME_NEVER_STARTED, ret);
    }
    check_failed("a next is one of seven", __FILE__, __LINE__);
}

static bool take_answer(struct kube_run *run, const struct transfer_answer *answer,
                        struct duration uptime, struct hand_result *ret)
{
    int64_t asked_s = answer->answered ? answer->retry_after_s : 0;
    enum next next = run->stage == STAGE_READ   ? take_read(run, answer)
                     : run->stage == STAGE_SETS ? take_sets(run, answer)
                                                : take_write(run, answer);
    transfer_free(run->transfer);
    run->transfer = NULL;
    return go_on(run, next, asked_s, uptime, ret);
}

/* ---- the hand ---- */

static enum status kube_check(const struct grant *grant, const char *target, struct error *error)
{
    struct kube_target parsed;
    bool scales = grant->connector == CONNECTOR_KUBERNETES_SCALE;
    TRY(kube_target_parse(target, &parsed, error));
    TRY(kube_target_suits(grant->connector, &parsed, error));
    return grant->parameter_count == (scales ? 1 : 0)
               ? STATUS_OK
               : error_set(error, STATUS_DENIED, "%s takes %s",
                           connector_infos[grant->connector].text,
                           scales ? "one parameter, the replicas" : "no parameter");
}

static bool take_former(struct kube_run *run, const char *note)
{
    _Static_assert(KUBE_ID_BYTES == 64, "the lengths below");
    run->looking = run->doubt = true;
    return sscanf(note, "uid %63s version %63s generation %" SCNd64, run->uid, run->version,
                  &run->generation) == 3;
}

static enum status kube_start(struct hands *hands, const struct hand_order *order,
                              struct duration uptime, struct hand_run **ret, struct error *error)
{
    const struct grant *grant = order->grant;
    if (!hands->settings.kubernetes.server) {
        return error_set(error, STATUS_DENIED, "heald.yaml has no 'kubernetes'");
    }
    TRY(kube_check(grant, order->target, error));
    double number = grant->parameter_count ? order->numbers[0] : 0;
    if (number != floor(number) || number < 0 || number > 1e6) {
        return error_set(error, STATUS_DENIED, "%g is no number of replicas", number);
    }
    struct kube_run *run = heap_alloc(sizeof *run);
    *run = (struct kube_run){.transfers = hands->transfers,
                             .settings = &hands->settings.kubernetes,
                             .connector = grant->connector,
                             .time = order->time,
                             .number = (int64_t)number,
                             .note = order->note,
                             .note_context = order->note_context,
                             .deadline = {uptime.ns + grant->timeout.ns},
                             .next_at = uptime};
    memcpy(run->key, order->key, sizeof run->key);
    enum status status = kube_target_parse(order->target, &run->target, error);
    if (status == STATUS_OK && order->former && !take_former(run, order->former)) {
        status = error_set(error, STATUS_PROTOCOL, "its note cannot be read");
    }
    if (status != STATUS_OK) {
        run_free(run);
        return status;
    }
    *ret = &run->base;
    return STATUS_OK;
}

static bool ask(struct kube_run *run, struct duration uptime)
{
    struct error error;
    enum status status = run->stage == STAGE_READ   ? start_read(run, uptime, &error)
                         : run->stage == STAGE_SETS ? start_sets(run, uptime, &error)
                                                    : start_write(run, uptime, &error);
    if (status != STATUS_OK) {
        say(run, "%.250s", error.message);
    }
    return status == STATUS_OK;
}

static bool kube_step(struct hand_run *base, struct duration uptime, struct hand_result *ret)
{
    struct kube_run *run = (struct kube_run *)base;
    transfers_step(run->transfers, uptime);
    if (!run->transfer) {
        bool over = run->ending || uptime.ns >= run->deadline.ns;
        bool due = !over && uptime.ns >= run->next_at.ns;
        return over || (due && !ask(run, uptime)) ? give_up(run, ret) : false;
    }
    const struct transfer_answer *answer = transfer_answer(run->transfer);
    if (answer) {
        return take_answer(run, answer, uptime, ret);
    }
    if (run->ending) {
        run->doubt = run->doubt || (run->stage == STAGE_WRITE && transfer_sent(run->transfer));
        say(run, "no answer had come");
        return give_up(run, ret);
    }
    return false; /* the transfer keeps the time */
}

static void kube_end(struct hand_run *base, struct duration uptime)
{
    (void)uptime;
    ((struct kube_run *)base)->ending = true;
}

const struct hand hand_kubernetes = {.check = kube_check,
                                     .start = kube_start,
                                     .step = kube_step,
                                     .end = kube_end,
                                     .resumes = RESUME_LOOKS};
