/* The bytes of a bundle. One function an item of the format, for both directions (cbor.h). */
#include "runtime/bundle/bundle.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/bundle/bundle_part.h"
#include "runtime/trust/trust_file.h"

#define BUNDLE_MAGIC "heal bundle"

const char *const bundle_cpu_words[BUNDLE_CPUS] = {"v2", "v3", "v4", "native"};

/* The least bytes an item can have in a file, for the counts that a reader believes. */
enum {
    POLICY_BYTES_MIN = 128,
    ACTION_BYTES_MIN = 69,
    SOURCE_BYTES_MIN = 60,
    OBJECT_BYTES_MIN = 71,
    PARAMETER_BYTES_MIN = 5,
    NAME_BYTES_MIN = 2,
};

static void hash_of(const void *bytes, size_t length, uint8_t ret[TRUST_HASH_BYTES])
{
    crypto_generichash(ret, TRUST_HASH_BYTES, bytes, length, NULL, 0);
}

/* ---- what names may look like ---- */

static bool is_bundle_name(const char *name)
{
    return name[0] != '\0' && name[0] != '.' && name[0] != '-' &&
           name[strspn(
               name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")] == '\0';
}

/* Relative, printable, without ".", ".." and empty parts, and a .heal file. */
static bool is_source_path(const char *path)
{
    size_t length = strlen(path);
    if (length <= 5 || strcmp(path + length - 5, ".heal") != 0) {
        return false;
    }
    for (const char *p = path; *p != '\0'; p++) {
        if ((unsigned char)*p <= 0x20 || *p == 0x7f || *p == '\\') {
            return false;
        }
    }
    for (const char *part = path;; part++) {
        size_t n = strcspn(part, "/");
        if (n == 0 || part[0] == '.') {
            return false;
        }
        part += n;
        if (*part == '\0') {
            return true;
        }
    }
}

static void refuse_order(struct cbor *cbor, const char *what, const char *name)
{
    cbor_refuse(cbor, STATUS_PROTOCOL, "the %s '%.100s' is there twice or out of order", what,
                name);
}

/* A name that somebody gave: never empty. */
static void code_name(struct cbor *cbor, const char **name)
{
    cbor_text(cbor, name, BUNDLE_TEXT_BYTES_MAX);
    if (cbor_good(cbor) && (*name)[0] == '\0') {
        cbor_refuse(cbor, STATUS_PROTOCOL, "an empty name");
    }
}

/* Names, each once, in order. */
static void code_names(struct cbor *cbor, const char ***names, size_t *count, size_t max,
                       const char *what)
{
    *names = cbor_items(cbor, *names, count, max, NAME_BYTES_MIN, sizeof(**names));
    for (size_t i = 0; i < *count && cbor_good(cbor); i++) {
        code_name(cbor, &(*names)[i]);
        if (cbor_good(cbor) && i > 0 && strcmp((*names)[i - 1], (*names)[i]) >= 0) {
            refuse_order(cbor, what, (*names)[i]);
        }
    }
}

/* ---- the manifest; keys in the order of RFC 8949, 4.2.1: shorter ones first ---- */

static void code_action(struct cbor *cbor, struct bundle_action *action)
{
    cbor_map(cbor, 7);
    cbor_key(cbor, "via");
    cbor_text(cbor, &action->connector, BUNDLE_TEXT_BYTES_MAX);
    cbor_key(cbor, "name");
    code_name(cbor, &action->name);
    cbor_key(cbor, "undo");
    cbor_text(cbor, &action->undo, BUNDLE_TEXT_BYTES_MAX);
    cbor_key(cbor, "idempotent");
    cbor_bool(cbor, &action->idempotent);
    cbor_key(cbor, "parameters");
    action->parameters =
        cbor_items(cbor, action->parameters, &action->parameter_count, BUNDLE_PARAMETERS_MAX,
                   PARAMETER_BYTES_MIN, sizeof(*action->parameters));
    for (size_t i = 0; i < action->parameter_count && cbor_good(cbor); i++) {
        cbor_array(cbor, 2);
        code_name(cbor, &action->parameters[i].name);
        code_name(cbor, &action->parameters[i].type);
    }
    cbor_key(cbor, "timeout_ns");
    cbor_uint(cbor, &action->timeout_ns, INT64_MAX);
    cbor_key(cbor, "irreversible");
    cbor_bool(cbor, &action->irreversible);
}

static void code_actions(struct cbor *cbor, struct bundle *bundle)
{
    bundle->actions = cbor_items(cbor, bundle->actions, &bundle->action_count, BUNDLE_ACTIONS_MAX,
                                 ACTION_BYTES_MIN, sizeof(*bundle->actions));
    for (size_t i = 0; i < bundle->action_count && cbor_good(cbor); i++) {
        code_action(cbor, &bundle->actions[i]);
        if (i > 0 && cbor_good(cbor) &&
            strcmp(bundle->actions[i - 1].name, bundle->actions[i].name) >= 0) {
            refuse_order(cbor, "action", bundle->actions[i].name);
        }
    }
}

static void code_policy(struct cbor *cbor, struct bundle_policy *policy)
{
    cbor_map(cbor, 10);
    cbor_key(cbor, "acts");
    cbor_bool(cbor, &policy->acts);
    cbor_key(cbor, "hash");
    cbor_uint(cbor, &policy->hash, UINT64_MAX);
    cbor_key(cbor, "name");
    code_name(cbor, &policy->name);
    cbor_key(cbor, "text");
    cbor_bytes(cbor, policy->text_hash, sizeof(policy->text_hash));
    cbor_key(cbor, "actions");
    code_names(cbor, &policy->actions, &policy->action_count, BUNDLE_ACTIONS_MAX, "action");
    cbor_key(cbor, "metrics");
    code_names(cbor, &policy->metrics, &policy->metric_count, BUNDLE_METRICS_MAX, "metric");
    cbor_key(cbor, "ns_per_entity");
    cbor_uint(cbor, &policy->ns_per_entity, INT64_MAX);
    cbor_key(cbor, "actions_per_day");
    cbor_double(cbor, &policy->actions_per_day);
    cbor_key(cbor, "actions_per_hour");
    cbor_double(cbor, &policy->actions_per_hour);
    cbor_key(cbor, "bytes_per_entity");
    cbor_uint(cbor, &policy->bytes_per_entity, INT64_MAX);
}

static bool has_action(const struct bundle *bundle, const char *name)
{
    for (size_t low = 0, high = bundle->action_count; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, bundle->actions[middle].name);
        if (order == 0) {
            return true;
        }
        low = order > 0 ? middle + 1 : low;
        high = order > 0 ? high : middle;
    }
    return false;
}

static void code_policies(struct cbor *cbor, struct bundle *bundle)
{
    bundle->policies = cbor_items(cbor, bundle->policies, &bundle->policy_count,
                                  BUNDLE_POLICIES_MAX, POLICY_BYTES_MIN, sizeof(*bundle->policies));
    for (size_t i = 0; i < bundle->policy_count && cbor_good(cbor); i++) {
        struct bundle_policy *policy = &bundle->policies[i];
        code_policy(cbor, policy);
        if (i > 0 && cbor_good(cbor) && strcmp(policy[-1].name, policy->name) >= 0) {
            refuse_order(cbor, "policy", policy->name);
        }
        for (size_t a = 0; a < policy->action_count && cbor_good(cbor); a++) {
            if (!has_action(bundle, policy->actions[a])) {
                cbor_refuse(cbor, STATUS_PROTOCOL, "the action '%.100s' is not in the envelope",
                            policy->actions[a]);
            }
        }
    }
}

void bundle_part_length(struct cbor *cbor, size_t *length, size_t max)
{
    uint64_t value = *length;
    cbor_uint(cbor, &value, max);
    *length = cbor_good(cbor) ? (size_t)value : 0;
}

void bundle_part_sources(struct cbor *cbor, struct bundle *bundle)
{
    size_t total = 0;
    bundle->sources = cbor_items(cbor, bundle->sources, &bundle->source_count, BUNDLE_SOURCES_MAX,
                                 SOURCE_BYTES_MIN, sizeof(*bundle->sources));
    for (size_t i = 0; i < bundle->source_count && cbor_good(cbor); i++) {
        struct bundle_source *source = &bundle->sources[i];
        cbor_map(cbor, 3);
        cbor_key(cbor, "path");
        cbor_text(cbor, &source->path, BUNDLE_PATH_BYTES_MAX);
        cbor_key(cbor, "bytes");
        bundle_part_length(cbor, &source->length, BUNDLE_SOURCE_BYTES_MAX);
        cbor_key(cbor, "blake2b");
        cbor_bytes(cbor, source->hash, sizeof(source->hash));
        total += source->length;
        if (cbor_good(cbor) && !is_source_path(source->path)) {
            cbor_refuse(cbor, STATUS_PROTOCOL, "'%.100s' is not the path of a source",
                        source->path);
        } else if (cbor_good(cbor) && i > 0 && strcmp(source[-1].path, source->path) >= 0) {
            refuse_order(cbor, "source", source->path);
        } else if (total > BUNDLE_SOURCES_BYTES_MAX) {
            cbor_refuse(cbor, STATUS_LIMIT, "the sources are larger than %d bytes together",
                        BUNDLE_SOURCES_BYTES_MAX);
        }
    }
}

void bundle_part_cpu(struct cbor *cbor, enum bundle_cpu *cpu)
{
    const char *word = cbor->reads ? "" : bundle_cpu_words[*cpu];
    cbor_text(cbor, &word, BUNDLE_NAME_BYTES_MAX);
    for (size_t i = 0; i < ARRAY_LEN(bundle_cpu_words) && cbor_good(cbor); i++) {
        if (strcmp(word, bundle_cpu_words[i]) == 0) {
            *cpu = (enum bundle_cpu)i;
            return;
        }
    }
    cbor_refuse(cbor, STATUS_PROTOCOL, "'%.60s' is no CPU level", word);
}

static void code_kernels(struct cbor *cbor, struct bundle_object *object)
{
    object->kernels = cbor_items(cbor, object->kernels, &object->kernel_count, BUNDLE_KERNELS_MAX,
                                 1, sizeof(*object->kernels));
    for (size_t i = 0; i < object->kernel_count && cbor_good(cbor); i++) {
        cbor_uint(cbor, &object->kernels[i], UINT64_MAX);
    }
}

/* By CPU level, then by ABI, then by content. */
static int object_order(const void *a, const void *b)
{
    const struct bundle_object *x = a, *y = b;
    if (x->cpu != y->cpu) {
        return x->cpu < y->cpu ? -1 : 1;
    }
    if (x->abi != y->abi) {
        return x->abi < y->abi ? -1 : 1;
    }
    return memcmp(x->hash, y->hash, sizeof(x->hash));
}

void bundle_part_abi(struct cbor *cbor, uint32_t *abi)
{
    uint64_t value = *abi;
    cbor_uint(cbor, &value, UINT32_MAX);
    *abi = cbor_good(cbor) ? (uint32_t)value : 0;
}

void bundle_part_objects(struct cbor *cbor, struct bundle *bundle)
{
    bundle->objects = cbor_items(cbor, bundle->objects, &bundle->object_count, BUNDLE_OBJECTS_MAX,
                                 OBJECT_BYTES_MIN, sizeof(*bundle->objects));
    for (size_t i = 0; i < bundle->object_count && cbor_good(cbor); i++) {
        struct bundle_object *object = &bundle->objects[i];
        cbor_map(cbor, 5);
        cbor_key(cbor, "abi");
        bundle_part_abi(cbor, &object->abi);
        cbor_key(cbor, "cpu");
        bundle_part_cpu(cbor, &object->cpu);
        cbor_key(cbor, "bytes");
        bundle_part_length(cbor, &object->length, BUNDLE_BYTES_MAX);
        cbor_key(cbor, "blake2b");
        cbor_bytes(cbor, object->hash, sizeof(object->hash));
        cbor_key(cbor, "kernels");
        code_kernels(cbor, object);
        if (i > 0 && cbor_good(cbor) && object_order(object - 1, object) >= 0) {
            cbor_refuse(cbor, STATUS_PROTOCOL, "object %zu is there twice or out of order", i + 1);
        }
    }
}

static void code_author(struct cbor *cbor, struct bundle *bundle)
{
    bundle->author = bundle->author ? bundle->author : "";
    cbor_text(cbor, &bundle->author, BUNDLE_AUTHOR_BYTES_MAX);
    if (cbor_good(cbor) && bundle->author[0] != '\0' && !is_bundle_name(bundle->author)) {
        cbor_refuse(cbor, STATUS_PROTOCOL,
                    "the author's name is not that of an account: letters, digits, _, . and -");
    }
}

static void code_manifest(struct cbor *cbor, struct bundle *bundle)
{
    cbor_map(cbor, 7);
    cbor_key(cbor, "name");
    cbor_text(cbor, &bundle->name, BUNDLE_NAME_BYTES_MAX);
    if (cbor_good(cbor) && !is_bundle_name(bundle->name)) {
        cbor_refuse(cbor, STATUS_PROTOCOL,
                    "the bundle's name is not of letters, digits, _, . "
                    "and -");
    }
    cbor_key(cbor, "author");
    code_author(cbor, bundle);
    cbor_key(cbor, "serial");
    cbor_uint(cbor, &bundle->serial, INT64_MAX);
    if (cbor_good(cbor) && bundle->serial == 0) {
        cbor_refuse(cbor, STATUS_PROTOCOL, "the bundle's serial is 0");
    }
    cbor_key(cbor, "actions");
    code_actions(cbor, bundle);
    cbor_key(cbor, "objects");
    bundle_part_objects(cbor, bundle);
    cbor_key(cbor, "sources");
    bundle_part_sources(cbor, bundle);
    cbor_key(cbor, "policies");
    code_policies(cbor, bundle);
}

void bundle_part_bounded(struct cbor *cbor, struct bundle *bundle,
                         void (*code)(struct cbor *, struct bundle *))
{
    const uint8_t *end = cbor->end;
    bool cut = cbor->reads && (size_t)(end - cbor->at) > BUNDLE_MANIFEST_BYTES_MAX;
    size_t before = cbor->length;
    if (cut) {
        cbor->end = cbor->at + BUNDLE_MANIFEST_BYTES_MAX;
    }
    code(cbor, bundle);
    cbor->end = end;
    if (!cbor->reads && cbor->length - before > BUNDLE_MANIFEST_BYTES_MAX) {
        cbor_refuse(cbor, STATUS_LIMIT, "the manifest is larger than %d bytes",
                    BUNDLE_MANIFEST_BYTES_MAX);
    }
}

/* The bytes of one section. */
static void code_section(struct cbor *cbor, const void **bytes, size_t length,
                         const uint8_t hash[TRUST_HASH_BYTES], const char *what)
{
    uint8_t found[TRUST_HASH_BYTES];
    cbor_view(cbor, bytes, length);
    if (cbor->reads && cbor_good(cbor)) {
        hash_of(*bytes, length, found);
        if (memcmp(found, hash, sizeof(found)) != 0) {
            cbor_refuse(cbor, STATUS_PROTOCOL, "%.100s is not what the manifest says", what);
        }
    }
}

void bundle_part_sections(struct cbor *cbor, struct bundle *bundle)
{
    cbor_array(cbor, bundle->source_count + bundle->object_count);
    for (size_t i = 0; i < bundle->source_count && cbor_good(cbor); i++) {
        struct bundle_source *source = &bundle->sources[i];
        code_section(cbor, &source->text, source->length, source->hash, source->path);
    }
    for (size_t i = 0; i < bundle->object_count && cbor_good(cbor); i++) {
        struct bundle_object *object = &bundle->objects[i];
        code_section(cbor, &object->bytes, object->length, object->hash, "an object");
    }
}

static void code_bundle(struct cbor *cbor, struct bundle *bundle)
{
    uint64_t format = BUNDLE_FORMAT;
    cbor_array(cbor, 4);
    cbor_word(cbor, BUNDLE_MAGIC);
    cbor_uint(cbor, &format, UINT64_MAX);
    if (cbor_good(cbor) && format != BUNDLE_FORMAT) {
        cbor_refuse(cbor, STATUS_PROTOCOL, "format %llu is not known here, only %d",
                    (unsigned long long)format, BUNDLE_FORMAT);
    }
    bundle_part_bounded(cbor, bundle, code_manifest);
    bundle_part_sections(cbor, bundle);
}

/* ---- whole bundles ---- */

static int source_order(const void *a, const void *b)
{
    return strcmp(((const struct bundle_source *)a)->path, ((const struct bundle_source *)b)->path);
}

/* An empty array may be NULL, which qsort must not see. */
static void sort(void *items, size_t count, size_t size, int (*compare)(const void *, const void *))
{
    if (count > 1) {
        qsort(items, count, size, compare);
    }
}

void bundle_part_prepare(struct bundle *bundle)
{
    CHECK(sodium_init() >= 0);
    for (size_t i = 0; i < bundle->source_count; i++) {
        struct bundle_source *source = &bundle->sources[i];
        hash_of(source->text, source->length, source->hash);
    }
    for (size_t i = 0; i < bundle->object_count; i++) {
        struct bundle_object *object = &bundle->objects[i];
        hash_of(object->bytes, object->length, object->hash);
    }
    sort(bundle->sources, bundle->source_count, sizeof(*bundle->sources), source_order);
    sort(bundle->objects, bundle->object_count, sizeof(*bundle->objects), object_order);
}

enum status bundle_write(struct bundle *bundle, uint8_t **ret, size_t *ret_length,
                         struct error *error)
{
    struct cbor cbor;
    bundle_part_prepare(bundle);
    cbor_write(&cbor, BUNDLE_BYTES_MAX, error);
    code_bundle(&cbor, bundle);
    return cbor_take(&cbor, ret, ret_length);
}

enum status bundle_read(struct arena *arena, const void *bytes, size_t length, struct bundle *ret,
                        struct error *error)
{
    struct cbor cbor;
    struct error inner = {{0}};
    struct bundle bundle = {.name = ""};
    CHECK(sodium_init() >= 0);
    if (length > BUNDLE_BYTES_MAX) {
        return error_set(error, STATUS_LIMIT, "the bundle is larger than %d bytes",
                         BUNDLE_BYTES_MAX);
    }
    cbor_read(&cbor, bytes, length, arena, &inner);
    code_bundle(&cbor, &bundle);
    enum status status = cbor_end(&cbor);
    if (status != STATUS_OK) {
        return error_set(error, status, "not a bundle of heal: %.300s", inner.message);
    }
    *ret = bundle;
    return STATUS_OK;
}

enum status bundle_open(struct arena *arena, const void *bytes, size_t length,
                        const char *signature, size_t signature_length,
                        const struct trust_public *key, uint64_t min_serial, struct bundle *ret,
                        struct error *error)
{
    struct bundle bundle;
    if (signature_length == 0) {
        return error_set(error, STATUS_DENIED, "the bundle is not signed");
    }
    TRY(trust_verify(key, bytes, length, signature, signature_length, error));
    TRY(bundle_read(arena, bytes, length, &bundle, error));
    if (bundle.serial < min_serial) {
        return error_set(error, STATUS_DENIED,
                         "the bundle's serial %llu is older than %llu, which was loaded",
                         (unsigned long long)bundle.serial, (unsigned long long)min_serial);
    }
    *ret = bundle;
    return STATUS_OK;
}

struct parse_text *bundle_texts(struct arena *arena, const struct bundle *bundle)
{
    struct parse_text *texts = arena_alloc(arena, bundle->source_count * sizeof(*texts));
    for (size_t i = 0; i < bundle->source_count; i++) {
        const struct bundle_source *source = &bundle->sources[i];
        texts[i] = (struct parse_text){source->path, source->text, source->length};
    }
    return texts;
}

/* ---- files ---- */

enum status bundle_files_read(const char *path, struct bundle_files *ret, struct error *error)
{
    struct bundle_files files = {0};
    char beside[4096];
    if ((size_t)snprintf(beside, sizeof(beside), "%s" BUNDLE_SIGNATURE_SUFFIX, path) >=
        sizeof(beside)) {
        return error_set(error, STATUS_LIMIT, "the path '%.100s...' is too long", path);
    }
    TRY(trust_file_read(AT_FDCWD, path, BUNDLE_BYTES_MAX, &files.bytes, &files.length, error));
    enum status status = trust_file_read(AT_FDCWD, beside, TRUST_KEY_BYTES_MAX, &files.signature,
                                         &files.signature_length, error);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        bundle_files_release(&files);
        return status;
    }
    *ret = files;
    return STATUS_OK;
}

void bundle_files_release(struct bundle_files *files)
{
    free(files->bytes);
    free(files->signature);
    *files = (struct bundle_files){0};
}
