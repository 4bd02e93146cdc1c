/* The pure core: one step. Reading truths, what a policy sees at a tick, views. */
#include "runtime/engine/engine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/engine/engine_internal.h"

const char *const mode_texts[3] = {
    [MODE_SHADOW] = "shadow", [MODE_ASK] = "ask", [MODE_ACT] = "act"};

#define BLIND_AFTER_DEFAULT_S 900.0

/* ---- effects ---- */

struct effect *engine_effect(struct effects *effects, enum effect_kind kind)
{
    ARRAY_RESERVE(effects->items, effects->count, effects->capacity);
    struct effect *effect = &effects->items[effects->count++];
    memset(effect, 0, sizeof *effect);
    effect->kind = kind;
    return effect;
}

void effects_release(struct effects *effects)
{
    free(effects->items);
    *effects = (struct effects){0};
}

void engine_record(struct engine *engine, struct effects *effects, enum record_kind kind,
                   const struct incident *incident, const char *fmt, ...)
{
    struct record *record = &engine_effect(effects, EFFECT_RECORD)->record;
    record->time = engine->now;
    record->kind = kind;
    record->epoch = engine->host->epoch;
    if (incident) {
        record->incident = incident->id;
        record->action_id = incident->action_id;
        record->rung = incident->rung;
        record->program_hash = incident->program_hash;
        snprintf(record->policy, sizeof record->policy, "%s", incident->policy);
        snprintf(record->target, sizeof record->target, "%s", incident->target);
        snprintf(record->type, sizeof record->type, "%s", incident->type);
        snprintf(record->action, sizeof record->action, "%s", incident->action);
    }
    va_list args;
    va_start(args, fmt);
    vsnprintf(record->text, sizeof record->text, fmt, args);
    va_end(args);
}

/* ---- reading truths ---- */

static bool bit(const uint64_t *words, size_t slot)
{
    return words[slot / 64] >> (slot % 64) & 1;
}

enum truth engine_truth(const struct eval_watch *watch, const uint64_t *live, size_t slot)
{
    if (!bit(live, slot) || bit(eval_watch_unknown(watch), slot)) {
        return TRUTH_UNKNOWN;
    }
    return bit(eval_watch_yes(watch), slot) ? TRUTH_TRUE : TRUTH_FALSE;
}

enum truth policy_truth(const struct policy_run *run, const struct eval_watch *watch, size_t slot)
{
    const uint64_t *live = eval_entities_live(run->pool->entities);
    if (run->as_prometheus && bit(live, slot)) {
        return bit(eval_watch_yes(watch), slot) ? TRUTH_TRUE : TRUTH_FALSE;
    }
    return engine_truth(watch, live, slot);
}

/* Names that may stand in an argv: anything else in a label is data that is never acted on. */
static bool target_value_safe(const char *value)
{
    if (value[0] == '\0' || value[0] == '-') {
        return false;
    }
    for (const char *c = value; *c; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                     (*c >= '0' && *c <= '9') || strchr("._:/@+-", *c) != NULL;
        if (!plain) {
            return false;
        }
    }
    return true;
}

const char *pool_run_type(const struct pool_run *pool)
{
    const char *type = pool->pool ? pool_type(pool->pool) : NULL;
    return type ? type : "";
}

bool engine_target_text(const struct pool_run *pool, size_t slot, char *ret, size_t size)
{
    size_t used = 0;
    bool safe = true;
    ret[0] = '\0';
    if (!pool->pool) {
        return true;
    }
    const struct label_set *labels = eval_entities_labels(pool->entities, slot);
    for (const struct name_list *key = pool->pool->keys; key; key = key->next) {
        const char *value = label_set_get(labels, key->name.text);
        safe = safe && value && target_value_safe(value);
        int n = snprintf(ret + used, size - used, "%s%s=%s", used ? "," : "", key->name.text,
                         value ? value : "");
        if (n < 0 || (size_t)n >= size - used) {
            return false;
        }
        used += (size_t)n;
    }
    return safe;
}

/* ---- one policy, one tick ---- */

struct policy_run *policy_run_named(const struct engine *engine, const char *name)
{
    for (size_t i = 0; i < engine->policy_count; i++) {
        if (strcmp(engine->policies[i]->policy->name.text, name) == 0) {
            return engine->policies[i];
        }
    }
    return NULL;
}

bool engine_policy_resize(struct policy_run *run)
{
    size_t slots = eval_entities_count(run->pool->entities);
    if (slots <= run->slots) {
        return false;
    }
    size_t words = (slots + 63) / 64, old_words = (run->slots + 63) / 64;
    run->pending_since = heap_resize(run->pending_since, slots * sizeof *run->pending_since);
    run->incident_at = heap_resize(run->incident_at, slots * sizeof(struct incident *));
    run->busy = heap_resize(run->busy, words * sizeof *run->busy);
    memset(run->pending_since + run->slots, 0, (slots - run->slots) * sizeof *run->pending_since);
    for (size_t i = run->slots; i < slots; i++) {
        run->incident_at[i] = NULL;
    }
    memset(run->busy + old_words, 0, (words - old_words) * sizeof *run->busy);
    run->slots = slots;
    return true;
}

/* A slot that another entity took over: what was pending is forgotten, its incident loses its
 * place. */
static void drop_reused(struct policy_run *run)
{
    const uint64_t *reused = eval_entities_reused(run->pool->entities);
    for (size_t w = 0; w < (run->slots + 63) / 64; w++) {
        for (uint64_t bits = reused[w]; bits; bits &= bits - 1) {
            size_t slot = w * 64 + (size_t)__builtin_ctzll(bits);
            if (run->incident_at[slot]) {
                run->incident_at[slot]->slot = SLOT_NONE;
                run->incident_at[slot] = NULL;
            }
            run->pending_since[slot] = (struct instant){0};
            run->busy[w] &= ~(1ULL << (slot % 64));
        }
    }
}

/* `settle`: for so long after an act on the target, whichever policy did it, nothing opens. */
static bool target_settled(struct engine *engine, const struct policy_run *run, size_t slot)
{
    char target[TARGET_BYTES];
    return run->settle.ns == 0 || !engine_target_text(run->pool, slot, target, sizeof target) ||
           engine->now.ns - target_acted(engine, target, pool_run_type(run->pool)).ns >=
               run->settle.ns;
}

static void step_slot(struct engine *engine, struct policy_run *run, size_t slot, bool yes,
                      size_t *opened, struct effects *effects)
{
    if (run->incident_at[slot]) {
        return;
    }
    uint64_t *busy = &run->busy[slot / 64];
    if (!yes) {
        run->pending_since[slot] = (struct instant){0};
        *busy &= ~(1ULL << (slot % 64));
        return;
    }
    if (run->pending_since[slot].ns == 0) {
        run->pending_since[slot] = engine->now;
        *busy |= 1ULL << (slot % 64);
    }
    if (engine->now.ns - run->pending_since[slot].ns >= run->hold.ns &&
        *opened < INCIDENT_OPEN_MAX_PER_TICK) {
        if (!target_settled(engine, run, slot)) { /* its time begins anew */
            run->pending_since[slot] = engine->now;
            return;
        }
        ++*opened;
        incident_open(engine, run, slot, effects);
    }
}

static void step_slots(struct engine *engine, struct policy_run *run, struct effects *effects)
{
    const uint64_t *live = eval_entities_live(run->pool->entities);
    const uint64_t *yes = eval_watch_yes(run->when);
    const uint64_t *unknown = eval_watch_unknown(run->when);
    size_t words = (run->slots + 63) / 64, unknown_count = 0, opened = 0;
    const bool settling = engine->now.ns < run->settled.ns;
    for (size_t w = 0; w < words; w++) {
        uint64_t unseen = run->as_prometheus ? 0 : unknown[w];
        uint64_t fires = settling ? 0 : yes[w] & ~unseen & live[w];
        unknown_count += (size_t)__builtin_popcountll(unseen & live[w]);
        for (uint64_t bits = fires | run->busy[w]; bits; bits &= bits - 1) {
            size_t slot = w * 64 + (size_t)__builtin_ctzll(bits);
            step_slot(engine, run, slot, fires >> (slot % 64) & 1, &opened, effects);
        }
    }
    run->unknown_count = unknown_count;
}

/* Incidents whose entity was not in the inventory (after a restart or a reload) look for it again.
 */
static void bind_incidents(struct engine *engine, struct policy_run *run)
{
    const uint64_t *live = eval_entities_live(run->pool->entities);
    for (size_t i = 0; i < engine->incident_count; i++) {
        struct incident *incident = engine->incidents[i];
        if (incident->run != run || incident->slot != SLOT_NONE) {
            continue;
        }
        for (size_t slot = 0; slot < run->slots; slot++) {
            char text[TARGET_BYTES];
            if (bit(live, slot) && !run->incident_at[slot] &&
                engine_target_text(run->pool, slot, text, sizeof text) &&
                strcmp(text, incident->target) == 0) {
                incident->slot = slot;
                run->incident_at[slot] = incident;
                run->busy[slot / 64] |= 1ULL << (slot % 64);
                break;
            }
        }
    }
}

static void policy_notice(struct engine *engine, struct policy_run *run, const char *channel,
                          const char *text, struct effects *effects)
{
    struct record *record = &engine_effect(effects, EFFECT_RECORD)->record;
    record->time = engine->now;
    record->kind = RECORD_ESCALATED;
    record->epoch = engine->host->epoch;
    record->program_hash = run->policy->hash;
    snprintf(record->policy, sizeof record->policy, "%s", run->policy->name.text);
    snprintf(record->action, sizeof record->action, "%s", channel ? channel : "");
    snprintf(record->text, sizeof record->text, "%s", text);
    struct record copy = *record;
    engine->counters.escalated++;
    engine_notify(engine, &copy, channel, notice_id(engine));
}

/* on missing, on stale, and blind_after: what to say when the policy cannot see. */
static void step_unseen(struct engine *engine, struct policy_run *run, struct effects *effects)
{
    const struct policy *policy = run->policy;
    bool seen = run->as_prometheus ||
                (run->unknown_count == 0 && eval_entities_complete(run->pool->entities));
    if (seen) {
        run->unknown_since = (struct instant){0};
        run->missing_told = run->stale_told = run->blind_told = false;
        return;
    }
    if (run->unknown_since.ns == 0) {
        run->unknown_since = engine->now;
    }
    double seconds = duration_to_seconds(instant_sub(engine->now, run->unknown_since));
    double blind_after = engine->host->blind_after.ns > 0
                             ? duration_to_seconds(engine->host->blind_after)
                             : BLIND_AFTER_DEFAULT_S;
    char text[TEXT_BYTES], age[64];
    duration_print(instant_sub(engine->now, run->unknown_since), age, sizeof age);
    if (run->unknown_count > 0) {
        snprintf(text, sizeof text, "policy %s cannot see: %zu of its targets unknown for %s",
                 policy->name.text, run->unknown_count, age);
    } else {
        snprintf(text, sizeof text, "policy %s cannot see its targets' inventory for %s",
                 policy->name.text, age);
    }
    if (policy->on_missing.kind == MISSING_NOTIFY && !run->missing_told && seconds > 0) {
        run->missing_told = true;
        policy_notice(engine, run, policy->on_missing.channel.text, text, effects);
    }
    if (policy->on_stale.kind == MISSING_NOTIFY && !run->stale_told &&
        seconds >= policy->on_stale.than.value) {
        run->stale_told = true;
        policy_notice(engine, run, policy->on_stale.channel.text, text, effects);
    }
    if (!run->blind_told && seconds >= blind_after) {
        run->blind_told = true;
        policy_notice(engine, run, policy->escalate.present ? policy->escalate.channel.text : NULL,
                      text, effects);
    }
}

static void step_policy(struct engine *engine, struct policy_run *run, struct effects *effects)
{
    if (run->last.ns == 0) {
        run->settled = instant_add(engine->now, run->settle);
    }
    run->last = engine->now;
    run->ran = true;
    if (run->alerts) {
        alerts_step(engine, run, effects);
        step_unseen(engine, run, effects);
        return;
    }
    engine_policy_resize(run);
    drop_reused(run);
    bind_incidents(engine, run);
    if (run->when) {
        step_slots(engine, run, effects);
    }
    step_unseen(engine, run, effects);
}

/* ---- the step ---- */

static struct incident *incident_by_id(struct engine *engine, uint64_t id)
{
    for (size_t i = 0; i < engine->incident_count; i++) {
        if (engine->incidents[i]->id == id) {
            return engine->incidents[i];
        }
    }
    return NULL;
}

static struct incident *incident_by_action(struct engine *engine, uint64_t action_id)
{
    for (size_t i = 0; i < engine->incident_count; i++) {
        if (engine->incidents[i]->action_id == action_id) {
            return engine->incidents[i];
        }
    }
    return NULL;
}

static void apply_input(struct engine *engine, const struct input *input, struct effects *effects)
{
    struct incident *incident;
    switch (input->kind) {
    case INPUT_RESULT:
        if (input->id != 0 && (incident = incident_by_action(engine, input->id))) {
            incident_result(engine, incident, input, effects);
        }
        break;
    case INPUT_NOTIFIED: notice_delivered(engine, input, effects); break;
    case INPUT_APPROVE:
    case INPUT_DENY:
        incident_answer(engine, incident_by_id(engine, input->id), input->kind == INPUT_APPROVE,
                        input, effects);
        break;
    case INPUT_ACKNOWLEDGE: climb_acknowledge(engine, input, effects); break;
    case INPUT_MODE: mode_set(engine, input, effects); break;
    case INPUT_STOP:
    case INPUT_START:
        engine->stopped = input->kind == INPUT_STOP;
        snprintf(engine->stopped_by, sizeof engine->stopped_by, "%s",
                 input->who ? input->who : "?");
        engine_record(engine, effects, engine->stopped ? RECORD_STOPPED : RECORD_RESUMED, NULL,
                      "by %s%s%.300s", engine->stopped_by,
                      input->text && input->text[0] ? ": " : "", input->text ? input->text : "");
        break;
    }
}

static void note_populations(struct engine *engine)
{
    for (size_t i = 0; i < engine->pool_count; i++) {
        struct pool_run *pool = engine->pools[i];
        if (pool->pool && eval_entities_complete(pool->entities)) {
            population_note(&pool->population, engine->now,
                            eval_entities_live_count(pool->entities));
        }
    }
}

void engine_step(struct engine *engine, struct instant now, const struct input *inputs,
                 size_t count, struct effects *effects)
{
    CHECK(now.ns >= 0 && now.ns >= engine->now.ns);
    engine->before = engine->now;
    engine->now = now;
    engine->counters.ticks++;
    for (size_t i = 0; i < count; i++) {
        apply_input(engine, &inputs[i], effects);
    }
    eval_tick(engine->eval, now);
    note_populations(engine);
    for (size_t i = 0; i < engine->policy_count; i++) {
        struct policy_run *run = engine->policies[i];
        run->ran = false;
        bool due = run->last.ns == 0 || now.ns - run->last.ns >= run->every.ns;
        if (run->alerts ? alerts_due(run) : due) {
            step_policy(engine, run, effects);
        }
    }
    struct incident **order = triage_order(engine);
    for (size_t i = 0, open = engine->incident_count; i < open; i++) {
        if (!order[i]->run || order[i]->run->ran) {
            incident_step(engine, order[i], effects); /* it may close, and be gone */
        }
    }
    cascades_step(engine, effects);
    inhibitions_step(engine, effects);
    climbs_step(engine, effects);
    modes_step(engine, effects);
    notices_send(engine, effects);
    engine->stepped = true;
}

/* ---- views ---- */

size_t engine_incident_count(const struct engine *engine)
{
    return engine->incident_count;
}

struct incident_view engine_incident(const struct engine *engine, size_t index)
{
    CHECK(index < engine->incident_count);
    const struct incident *incident = engine->incidents[index];
    return (struct incident_view){
        .id = incident->id,
        .policy = incident->policy,
        .target = incident->target,
        .state = incident_texts[incident->state],
        .action = incident->action,
        .text = incident->text,
        .acknowledged = incident->climb.acknowledged,
        .plan = incident->state == STATE_ASKED ? incident->approval.name : "",
        .opened = incident->opened,
    };
}

size_t engine_policy_count(const struct engine *engine)
{
    return engine->policy_count;
}

struct policy_view engine_policy(const struct engine *engine, size_t index)
{
    CHECK(index < engine->policy_count);
    const struct policy_run *run = engine->policies[index];
    return (struct policy_view){
        .name = run->policy->name.text,
        .mode = run->mode,
        .ceiling = run->ceiling,
        .mode_why = mode_why(engine, run->policy->name.text),
        .entities =
            run->alerts ? run->alerts->count : eval_entities_live_count(run->pool->entities),
        .open = run->open,
        .observed = engine->stepped && run->unknown_since.ns == 0,
        .ambiguous = run->alerts ? run->alerts->failed : run->when && eval_watch_faulted(run->when),
        .failed = run->alerts ? run->alerts->failures : 0,
    };
}

bool engine_use_code(struct engine *engine, uint64_t hash, abi_kernel_f *kernel)
{
    return eval_use_code(engine->eval, hash, kernel);
}

void engine_time(struct engine *engine, eval_clock_f *clock, void *ctx)
{
    eval_time(engine->eval, clock, ctx);
}

bool engine_wants_code(struct engine *engine, uint64_t hash)
{
    return eval_wants_code(engine->eval, hash);
}

size_t engine_lacks_code(struct engine *engine)
{
    return eval_lacks_code(engine->eval);
}

bool engine_stopped(const struct engine *engine)
{
    return engine->stopped;
}

const struct eval *engine_eval(const struct engine *engine)
{
    return engine->eval;
}

struct engine_counters engine_counters(const struct engine *engine)
{
    return engine->counters;
}
