/* Answers of a Kubernetes API server under libFuzzer: any bytes are this object or none, and what
 * is written of an object is JSON of the version that was read. */
#include <stdlib.h>
#include <string.h>

#include "runtime/act/kubernetes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_body(const struct kube_object *object, char *take_body)
{
    json_t *json = json_loads(take_body, JSON_REJECT_DUPLICATES, NULL);
    CHECK(json && strstr(take_body, object->uid) && strstr(take_body, object->version));
    json_decref(json);
    free(take_body);
}

static void check_object(const struct kube_target *target, const char *bytes, size_t size)
{
    static const char key[] = "00000000000000a1-17";
    struct kube_object object;
    struct error error;
    char path[KUBE_PATH_BYTES];
    if (kube_object_parse(target, bytes, size, &object, &error) != STATUS_OK) {
        CHECK(!object.json && error.message[0]);
        return;
    }
    CHECK(object.uid[0] && object.version[0] && !strpbrk(object.uid, " \n\"/"));
    check_body(&object, kube_body_scale(&object, key, 3));
    check_body(&object, kube_body_restart(&object, key, (struct instant){NS_PER_S}));
    check_body(&object, kube_body_schedulable(&object, key, false));
    check_body(&object, kube_body_delete(&object));
    check_body(&object, kube_body_evict(target, &object, "policy/v1"));
    kube_sets_path(target, &object, path);
    CHECK(!strpbrk(path, " \n\"<>"));
    json_t *template = kube_former_template(&object, bytes, size, &error);
    check_body(&object, kube_body_template(&object, key, template ? template : json_object()));
    json_decref(object.json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const targets[] = {
        "namespace=shop,deployment=a", "namespace=shop,statefulset=a", "namespace=shop,daemonset=a",
        "namespace=shop,replicaset=a", "namespace=shop,pod=a",         "node=a"};
    char reason[100];
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        struct kube_target target;
        CHECK(kube_target_parse(targets[i], &target, NULL) == STATUS_OK);
        check_object(&target, (const char *)data, size);
        kube_deletion_confirmed(&target, "u", (const char *)data, size);
    }
    kube_reason((const char *)data, size, reason, sizeof reason);
    for (const char *c = reason; *c; c++) {
        CHECK(*c >= 0x20 && *c < 0x7f);
    }
    return 0;
}
