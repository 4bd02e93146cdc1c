/* healc inspect FILE.healb: what a bundle says of itself. Nothing is verified here, and nothing
 * that it says reaches the terminal unescaped. */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/healc/option.h"
#include "runtime/bundle/bundle.h"

enum { HEX_BYTES = 2 * TRUST_HASH_BYTES + 1, SHOWN_HASH_BYTES = 16 };

static const char *hex_of(const uint8_t hash[TRUST_HASH_BYTES], char ret[HEX_BYTES])
{
    for (size_t i = 0; i < TRUST_HASH_BYTES; i++) {
        snprintf(ret + 2 * i, 3, "%02x", hash[i]);
    }
    return ret;
}

/* ---- text ---- */

/* Printable ASCII as it is, the rest as \xNN. */
static void say(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p == '\\' || *p < 0x20 || *p > 0x7e) {
            printf("\\x%02x", *p);
        } else {
            putchar(*p);
        }
    }
}

static void say_names(const char *head, const char *const *names, size_t count)
{
    printf("    %s", head);
    for (size_t i = 0; i < count; i++) {
        fputs(i > 0 ? ", " : " ", stdout);
        say(names[i]);
    }
    fputs(count > 0 ? "\n" : " nothing\n", stdout);
}

static void text_policy(const struct bundle_policy *policy)
{
    char hex[HEX_BYTES];
    fputs("  ", stdout);
    say(policy->name);
    if (!policy->acts) {
        printf(": notifies only");
    } else if (isfinite(policy->actions_per_hour)) {
        printf(": at most %g actions per 1h, %g per 1d", policy->actions_per_hour,
               policy->actions_per_day);
    } else {
        printf(": actions bounded by a share of the pool only");
    }
    printf("; per entity %" PRIu64 " bytes, %" PRIu64 " ns an evaluation\n",
           policy->bytes_per_entity, policy->ns_per_entity);
    say_names("reads", policy->metrics, policy->metric_count);
    if (policy->acts) {
        say_names("may start", policy->actions, policy->action_count);
    }
    printf("    hash %016" PRIx64 ", text %.*s\n", policy->hash, SHOWN_HASH_BYTES,
           hex_of(policy->text_hash, hex));
}

static void text_action(const struct bundle_action *action)
{
    fputs("  ", stdout);
    say(action->name);
    for (size_t i = 0; i < action->parameter_count; i++) {
        fputs(i > 0 ? ", " : "(", stdout);
        say(action->parameters[i].name);
        fputs(": ", stdout);
        say(action->parameters[i].type);
    }
    printf("%s via ", action->parameter_count > 0 ? ")" : "()");
    say(action->connector);
    if (action->undo[0] != '\0') {
        fputs(", undo ", stdout);
        say(action->undo);
    }
    printf("%s%s", action->irreversible ? ", irreversible" : "",
           action->idempotent ? ", idempotent" : "");
    if (action->timeout_ns > 0) {
        char timeout[64];
        duration_print((struct duration){(int64_t)action->timeout_ns}, timeout, sizeof(timeout));
        printf(", timeout %s", timeout);
    }
    putchar('\n');
}

static void text_bundle(const struct bundle *bundle, const struct bundle_files *files)
{
    char hex[HEX_BYTES];
    say(bundle->name);
    printf(", serial %" PRIu64 ", format %d, %zu bytes, %s\n", bundle->serial, BUNDLE_FORMAT,
           files->length,
           files->signature ? "with a signature that was not verified (healc verify)"
                            : "without a signature");
    if (bundle->author[0] != '\0') {
        fputs("author: ", stdout);
        say(bundle->author);
        fputs("\n", stdout);
    }
    printf("policies: %zu\n", bundle->policy_count);
    for (size_t i = 0; i < bundle->policy_count; i++) {
        text_policy(&bundle->policies[i]);
    }
    printf("envelope: %zu actions\n", bundle->action_count);
    for (size_t i = 0; i < bundle->action_count; i++) {
        text_action(&bundle->actions[i]);
    }
    printf("sources: %zu\n", bundle->source_count);
    for (size_t i = 0; i < bundle->source_count; i++) {
        fputs("  ", stdout);
        say(bundle->sources[i].path);
        printf("  %zu bytes, %.*s\n", bundle->sources[i].length, SHOWN_HASH_BYTES,
               hex_of(bundle->sources[i].hash, hex));
    }
    printf("objects: %zu\n", bundle->object_count);
    for (size_t i = 0; i < bundle->object_count; i++) {
        const struct bundle_object *object = &bundle->objects[i];
        printf("  %s, abi %" PRIu32 ", %zu kernels, %zu bytes, %.*s\n",
               bundle_cpu_words[object->cpu], object->abi, object->kernel_count, object->length,
               SHOWN_HASH_BYTES, hex_of(object->hash, hex));
    }
}

/* ---- JSON ---- */

static json_t *json_names(const char *const *names, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(array, json_string(names[i]));
    }
    return array;
}

/* Sixteen digits: a number of 64 bits is not safe in JSON. */
static json_t *json_hash(uint64_t hash)
{
    char text[32];
    snprintf(text, sizeof(text), "%016" PRIx64, hash);
    return json_string(text);
}

/* null when no count is static */
static json_t *json_bound(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *json_policy(const struct bundle_policy *policy)
{
    char hex[HEX_BYTES];
    return json_pack(
        "{s:s, s:o, s:s, s:b, s:o, s:o, s:I, s:I, s:o, s:o}", "name", policy->name, "hash",
        json_hash(policy->hash), "text_blake2b", hex_of(policy->text_hash, hex), "acts",
        policy->acts, "actions_per_hour", json_bound(policy->actions_per_hour), "actions_per_day",
        json_bound(policy->actions_per_day), "bytes_per_entity",
        (json_int_t)policy->bytes_per_entity, "ns_per_entity", (json_int_t)policy->ns_per_entity,
        "metrics", json_names(policy->metrics, policy->metric_count), "actions",
        json_names(policy->actions, policy->action_count));
}

static json_t *json_action(const struct bundle_action *action)
{
    json_t *parameters = json_array();
    for (size_t i = 0; i < action->parameter_count; i++) {
        json_array_append_new(parameters,
                              json_pack("{s:s, s:s}", "name", action->parameters[i].name, "type",
                                        action->parameters[i].type));
    }
    return json_pack("{s:s, s:s, s:o, s:s, s:b, s:b, s:I}", "name", action->name, "via",
                     action->connector, "parameters", parameters, "undo", action->undo,
                     "idempotent", action->idempotent, "irreversible", action->irreversible,
                     "timeout_ns", (json_int_t)action->timeout_ns);
}

static json_t *json_object_section(const struct bundle_object *object)
{
    char hex[HEX_BYTES];
    json_t *kernels = json_array();
    for (size_t i = 0; i < object->kernel_count; i++) {
        json_array_append_new(kernels, json_hash(object->kernels[i]));
    }
    return json_pack("{s:s, s:I, s:I, s:s, s:o}", "cpu", bundle_cpu_words[object->cpu], "abi",
                     (json_int_t)object->abi, "bytes", (json_int_t)object->length, "blake2b",
                     hex_of(object->hash, hex), "kernels", kernels);
}

static json_t *json_bundle(const struct bundle *bundle, const struct bundle_files *files)
{
    char hex[HEX_BYTES];
    json_t *policies = json_array(), *actions = json_array(), *sources = json_array(),
           *objects = json_array();
    for (size_t i = 0; i < bundle->policy_count; i++) {
        json_array_append_new(policies, json_policy(&bundle->policies[i]));
    }
    for (size_t i = 0; i < bundle->action_count; i++) {
        json_array_append_new(actions, json_action(&bundle->actions[i]));
    }
    for (size_t i = 0; i < bundle->source_count; i++) {
        const struct bundle_source *source = &bundle->sources[i];
        json_array_append_new(sources, json_pack("{s:s, s:I, s:s}", "path", source->path, "bytes",
                                                 (json_int_t)source->length, "blake2b",
                                                 hex_of(source->hash, hex)));
    }
    for (size_t i = 0; i < bundle->object_count; i++) {
        json_array_append_new(objects, json_object_section(&bundle->objects[i]));
    }
    return json_pack("{s:s, s:s, s:s, s:I, s:i, s:I, s:b, s:b, s:o, s:o, s:o, s:o}", "schema",
                     "heal.bundle/1", "name", bundle->name, "author", bundle->author, "serial",
                     (json_int_t)bundle->serial, "format", BUNDLE_FORMAT, "bytes",
                     (json_int_t)files->length, "has_signature", files->signature != NULL,
                     "verified", false, "policies", policies, "envelope", actions, "sources",
                     sources, "objects", objects);
}

static void print_json(const struct bundle *bundle, const struct bundle_files *files)
{
    json_t *json = json_bundle(bundle, files);
    char *text = json ? json_dumps(json, JSON_ENSURE_ASCII | JSON_INDENT(2)) : NULL;
    CHECK(text != NULL);
    printf("%s\n", text);
    free(text);
    json_decref(json);
}

static int inspect(const char *path, const struct bundle_files *files, bool json)
{
    struct arena arena = {0};
    struct bundle bundle;
    struct error error;
    enum status status = bundle_read(&arena, files->bytes, files->length, &bundle, &error);
    if (status != STATUS_OK) {
        printf("%s: ", path);
        say(error.message);
        putchar('\n');
    } else if (json) {
        print_json(&bundle, files);
    } else {
        text_bundle(&bundle, files);
    }
    arena_release(&arena);
    return status == STATUS_OK ? HEALC_OK : HEALC_FINDINGS;
}

int command_inspect(int argc, char **argv)
{
    static const struct option options[] = {{"format", required_argument, NULL, 'f'},
                                            {NULL, 0, NULL, 0}};
    bool json = false;
    struct bundle_files files;
    struct error error;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == '?') {
            return HEALC_FAILED;
        }
        json = strcmp(optarg, "json") == 0;
        if (!json && strcmp(optarg, "text") != 0) {
            return option_fail(argv[0], "--format is text or json, not '%s'", optarg);
        }
    }
    if (optind + 1 != argc) {
        return option_fail(argv[0], "one bundle is inspected");
    }
    if (bundle_files_read(argv[optind], &files, &error) != STATUS_OK) {
        return option_fail(argv[0], "%s", error.message);
    }
    int code = inspect(argv[optind], &files, json);
    bundle_files_release(&files);
    return code;
}
