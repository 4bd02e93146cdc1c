/* What a manifest says of a program, and whether it is so. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "lang/check.h"
#include "lang/needs.h"
#include "lang/print.h"
#include "runtime/bundle/bundle.h"

static int by_policy_name(const void *a, const void *b)
{
    return strcmp(((const struct bundle_policy *)a)->name, ((const struct bundle_policy *)b)->name);
}

static int by_action_name(const void *a, const void *b)
{
    return strcmp(((const struct bundle_action *)a)->name, ((const struct bundle_action *)b)->name);
}

static struct bundle_policy describe_policy(struct arena *arena, const struct policy *policy,
                                            const struct policy_needs *needs)
{
    struct policy_bounds bounds = policy_bounds_of(policy);
    struct arena scratch = {0};
    struct bundle_policy described = {
        .name = policy->name.text,
        .hash = policy->hash,
        .acts = policy_acts(policy),
        .actions_per_hour = bounds.actions_per_hour,
        .actions_per_day = bounds.actions_per_day,
        .bytes_per_entity = bounds.bytes_per_entity,
        .ns_per_entity = bounds.ns_per_entity,
        .metrics = needs->metrics,
        .metric_count = needs->metric_count,
        .actions = arena_alloc(arena, needs->action_count * sizeof(*described.actions)),
        .action_count = needs->action_count,
    };
    for (size_t i = 0; i < needs->action_count; i++) {
        described.actions[i] = needs->actions[i]->name.text;
    }
    const char *text = print_policy(&scratch, policy);
    crypto_generichash(described.text_hash, sizeof(described.text_hash),
                       (const unsigned char *)text, strlen(text), NULL, 0);
    arena_release(&scratch);
    return described;
}

static struct bundle_action describe_action(struct arena *arena, const struct action *action)
{
    struct bundle_action described = {
        .name = action->name.text,
        .connector = action->connector.text ? action->connector.text : "",
        .undo = action->undo ? action->undo->action.text : "",
        .timeout_ns =
            action->has_timeout ? (uint64_t)duration_seconds(action->timeout.value).ns : 0,
        .idempotent = action->idempotent,
        .irreversible = action->irreversible,
    };
    for (const struct parameter *p = action->parameters; p; p = p->next) {
        described.parameter_count++;
    }
    described.parameters =
        arena_alloc(arena, described.parameter_count * sizeof(*described.parameters));
    size_t i = 0;
    for (const struct parameter *p = action->parameters; p; p = p->next) {
        described.parameters[i++] = (struct bundle_parameter){p->name.text, p->type.text};
    }
    return described;
}

static void envelope_add(struct arena *arena, struct bundle *bundle, const struct action *action)
{
    for (size_t i = 0; i < bundle->action_count; i++) {
        if (strcmp(bundle->actions[i].name, action->name.text) == 0) {
            return;
        }
    }
    bundle->actions[bundle->action_count++] = describe_action(arena, action);
}

void bundle_describe(struct arena *arena, const struct program *program, struct bundle *bundle)
{
    size_t policies = 0, actions = 0;
    CHECK(sodium_init() >= 0);
    for (const struct policy *p = program->policies; p; p = p->next) {
        policies++;
    }
    for (const struct action *a = program->actions; a; a = a->next) {
        actions++;
    }
    bundle->policies = arena_alloc(arena, policies * sizeof(*bundle->policies));
    bundle->actions = arena_alloc(arena, actions * sizeof(*bundle->actions));
    bundle->policy_count = bundle->action_count = 0;
    for (const struct policy *p = program->policies; p; p = p->next) {
        struct policy_needs needs = policy_needs_of(arena, p);
        for (size_t i = 0; i < needs.action_count; i++) {
            envelope_add(arena, bundle, needs.actions[i]);
        }
        bundle->policies[bundle->policy_count++] = describe_policy(arena, p, &needs);
    }
    qsort(bundle->policies, bundle->policy_count, sizeof(*bundle->policies), by_policy_name);
    qsort(bundle->actions, bundle->action_count, sizeof(*bundle->actions), by_action_name);
}

/* ---- agreement ---- */

static bool names_same(const char *const *a, size_t a_count, const char *const *b, size_t b_count)
{
    bool same = a_count == b_count;
    for (size_t i = 0; i < a_count && same; i++) {
        same = strcmp(a[i], b[i]) == 0;
    }
    return same;
}

/* NULL when they are the same. */
static const char *policy_difference(const struct bundle_policy *a, const struct bundle_policy *b)
{
    if (a->hash != b->hash) {
        return "its hash";
    }
    if (memcmp(a->text_hash, b->text_hash, sizeof(a->text_hash)) != 0) {
        return "the hash of its text";
    }
    if (a->acts != b->acts) {
        return "whether it acts";
    }
    if (a->actions_per_hour < b->actions_per_hour || a->actions_per_hour > b->actions_per_hour ||
        a->actions_per_day < b->actions_per_day || a->actions_per_day > b->actions_per_day ||
        a->bytes_per_entity != b->bytes_per_entity || a->ns_per_entity != b->ns_per_entity) {
        return "its bounds";
    }
    if (!names_same(a->metrics, a->metric_count, b->metrics, b->metric_count)) {
        return "the metrics it reads";
    }
    return names_same(a->actions, a->action_count, b->actions, b->action_count)
               ? NULL
               : "the actions it may start";
}

static bool action_same(const struct bundle_action *a, const struct bundle_action *b)
{
    bool same = strcmp(a->name, b->name) == 0 && strcmp(a->connector, b->connector) == 0 &&
                strcmp(a->undo, b->undo) == 0 && a->timeout_ns == b->timeout_ns &&
                a->idempotent == b->idempotent && a->irreversible == b->irreversible &&
                a->parameter_count == b->parameter_count;
    for (size_t i = 0; i < a->parameter_count && same; i++) {
        same = strcmp(a->parameters[i].name, b->parameters[i].name) == 0 &&
               strcmp(a->parameters[i].type, b->parameters[i].type) == 0;
    }
    return same;
}

static enum status agree_policies(const struct bundle *says, const struct bundle *is,
                                  struct error *error)
{
    if (says->policy_count != is->policy_count) {
        return error_set(error, STATUS_DENIED,
                         "the manifest names %zu policies, the sources have %zu",
                         says->policy_count, is->policy_count);
    }
    for (size_t i = 0; i < is->policy_count; i++) {
        const struct bundle_policy *claimed = &says->policies[i], *found = &is->policies[i];
        if (strcmp(claimed->name, found->name) != 0) {
            return error_set(error, STATUS_DENIED,
                             "the manifest names the policy '%.100s', the sources '%.100s'",
                             claimed->name, found->name);
        }
        const char *difference = policy_difference(claimed, found);
        if (difference) {
            return error_set(error, STATUS_DENIED,
                             "of the policy '%.100s' the manifest says otherwise than the sources: "
                             "%s",
                             found->name, difference);
        }
    }
    return STATUS_OK;
}

static enum status agree(const struct bundle *says, const struct bundle *is, struct error *error)
{
    TRY(agree_policies(says, is, error));
    if (says->action_count != is->action_count) {
        return error_set(error, STATUS_DENIED,
                         "the manifest's envelope has %zu actions, the sources use %zu",
                         says->action_count, is->action_count);
    }
    for (size_t i = 0; i < is->action_count; i++) {
        if (!action_same(&says->actions[i], &is->actions[i])) {
            return error_set(error, STATUS_DENIED,
                             "of the action '%.100s' the manifest's envelope says otherwise than "
                             "the sources",
                             is->actions[i].name);
        }
    }
    return STATUS_OK;
}

enum status bundle_agrees(const struct bundle *bundle, const struct program *program,
                          struct error *error)
{
    struct arena arena = {0};
    struct bundle again = {0};
    bundle_describe(&arena, program, &again);
    enum status status = agree(bundle, &again, error);
    arena_release(&arena);
    return status;
}
