/* Setting up: the watches of policies, pools and guards over the evaluator; and taking all of it
 * down. */
#include <stdlib.h>
#include <string.h>

#include "runtime/engine/engine_internal.h"

static struct pool_run *pool_run_new(struct engine *engine, const struct pool *pool,
                                     struct duration every, struct error *error)
{
    for (size_t i = 0; i < engine->pool_count; i++) {
        if (engine->pools[i]->pool == pool) {
            return engine->pools[i];
        }
    }
    struct pool_run *run = heap_alloc(sizeof *run);
    engine->pools = heap_resize(engine->pools, (engine->pool_count + 1) * sizeof run);
    engine->pools[engine->pool_count++] = run;
    run->pool = pool;
    run->entities = eval_entities_new(engine->eval, pool, every, error);
    if (!run->entities) {
        return NULL;
    }
    if (pool && pool->ready) {
        run->ready = eval_watch_new(engine->eval, run->entities, pool->ready, every, error);
    }
    if (pool && pool->domain.text && domains_add(engine, run, every, error) != STATUS_OK) {
        return NULL;
    }
    return !pool || !pool->ready || run->ready ? run : NULL;
}

static enum mode mode_of(const struct engine_host *host, const char *policy)
{
    for (size_t i = 0; i < host->mode_count; i++) {
        if (strcmp(host->modes[i].policy, policy) == 0) {
            return host->modes[i].mode;
        }
    }
    return host->default_mode;
}

static enum status add_rungs(struct engine *engine, struct policy_run *run, struct error *error)
{
    size_t count = 0;
    for (const struct heal *heal = run->policy->heals; heal; heal = heal->next) {
        for (size_t i = 0; i < run->cause_count; i++) {
            if (run->causes[i].cause->ladder == heal) {
                run->causes[i].ladder = (uint32_t)run->ladder_count;
            }
        }
        CHECK(run->ladder_count < LADDERS_MAX);
        run->ladders[run->ladder_count++] =
            (struct ladder_run){.heal = heal, .rung = (uint32_t)run->rung_count};
        for (const struct rung *rung = heal->rungs; rung; rung = rung->next) {
            if (count++ == RUNGS_MAX) {
                return error_set(error, STATUS_LIMIT, "policy '%s' has more than %d steps",
                                 run->policy->name.text, RUNGS_MAX);
            }
            run->rungs[run->rung_count] = rung;
            if (rung->kind == RUNG_ACT) {
                CHECK(rung->has_verify && rung->call.resolved);
                run->verify[run->rung_count] = eval_watch_new(engine->eval, run->pool->entities,
                                                              rung->verify.expr, run->every, error);
                if (!run->verify[run->rung_count]) {
                    return STATUS_LIMIT;
                }
                TRY(reading_add(engine, run, run->rung_count, error));
            }
            run->rung_count++;
        }
        CHECK(run->rung_count < RUNGS_ROOM);
        run->rungs[run->rung_count++] = NULL;
    }
    return STATUS_OK;
}

static enum status add_conditions(struct engine *engine, struct policy_run *run,
                                  struct error *error)
{
    const struct policy *policy = run->policy;
    const struct {
        const struct condition *condition;
        struct eval_watch **watch;
    } list[] = {{&policy->when, &run->when},
                {&policy->clear, &run->clear},
                {&policy->resolved_when, &run->resolved},
                {&policy->abort_when, &run->abort}};
    for (size_t i = 0; i < ARRAY_LEN(list); i++) {
        const struct expr *expr = list[i].condition->expr;
        if (expr && !(*list[i].watch = eval_watch_new(engine->eval, run->pool->entities, expr,
                                                      run->every, error))) {
            return STATUS_LIMIT;
        }
    }
    for (const struct signal *signal = policy->signals;
         signal && run->signal_count < POLICY_SIGNALS_MAX; signal = signal->next) {
        struct eval_watch *watch =
            eval_watch_new(engine->eval, run->pool->entities, signal->expr, run->every, error);
        if (!watch) {
            return STATUS_LIMIT;
        }
        run->signals[run->signal_count++] = watch;
    }
    return STATUS_OK;
}

/* Without a time of its own: three evaluations. */
static struct duration hold_of(const struct policy_run *run, const struct condition *condition)
{
    return condition->has_for ? duration_seconds(condition->hold.value)
                              : (struct duration){2 * run->every.ns};
}

static enum status policy_run_new(struct engine *engine, const struct policy *policy,
                                  struct error *error)
{
    struct policy_run *run = heap_alloc(sizeof *run);
    engine->policies = heap_resize(engine->policies, (engine->policy_count + 1) * sizeof run);
    engine->policies[engine->policy_count++] = run;
    if (strlen(policy->name.text) >= NAME_BYTES) {
        return error_set(error, STATUS_LIMIT, "the policy name '%.64s...' is longer than %d bytes",
                         policy->name.text, NAME_BYTES - 1);
    }
    run->policy = policy;
    run->mode = run->ceiling = mode_of(engine->host, policy->name.text);
    run->triage = triage_of(policy);
    run->service =
        policy->service.text ? graph_find(&engine->graph, policy->service.text) : GRAPH_NONE;
    if (run->service != GRAPH_NONE) {
        run->triage.weight = engine->graph.weights[run->service] +
                             graph_impact(&engine->graph, run->service, NULL).weight;
    }
    run->every = policy->has_every ? duration_seconds(policy->every.value) : engine->host->tick;
    run->hold = policy->when.has_for  ? duration_seconds(policy->when.hold.value)
                : policy_acts(policy) ? (struct duration){2 * run->every.ns}
                                      : (struct duration){0};
    run->as_prometheus = policy->on_missing.kind == MISSING_PROMETHEUS && !policy_acts(policy);
    run->clear_hold =
        policy->clear.has_for ? duration_seconds(policy->clear.hold.value) : (struct duration){0};
    run->precedent = policy->escalate.has_unprecedented ? precedent_new() : NULL;
    run->resolved_hold = hold_of(run, &policy->resolved_when);
    run->abort_hold = hold_of(run, &policy->abort_when);
    run->settle =
        policy->has_settle ? duration_seconds(policy->settle.value) : (struct duration){0};
    run->pool = pool_run_new(engine, policy->resolved, run->every, error);
    if (!run->pool) {
        return STATUS_LIMIT;
    }
    if (policy->each_series) {
        return policy->when.expr ? alerts_add(engine, run, error) : STATUS_OK;
    }
    TRY(add_conditions(engine, run, error));
    TRY(causes_add(engine, run, error));
    return add_rungs(engine, run, error);
}

/* Pools that only guards speak about need an inventory too. */
static enum status add_guard_pools(struct engine *engine, struct error *error)
{
    for (const struct guard *guard = engine->program->guards; guard; guard = guard->next) {
        for (const struct limit *limit = guard->limits; limit; limit = limit->next) {
            if (limit->pool && !pool_run_new(engine, limit->pool, engine->host->tick, error)) {
                return STATUS_LIMIT;
            }
        }
    }
    for (const struct policy *policy = engine->program->policies; policy; policy = policy->next) {
        const struct limit *lists[] = {policy->bounds, policy->keeps};
        for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
            for (const struct limit *limit = lists[i]; limit; limit = limit->next) {
                if (limit->pool && !pool_run_new(engine, limit->pool, engine->host->tick, error)) {
                    return STATUS_LIMIT;
                }
            }
        }
    }
    return STATUS_OK;
}

static enum status add_recorded(struct engine *engine, const struct recorded *recorded,
                                struct error *error)
{
    struct duration every =
        recorded->has_every ? duration_seconds(recorded->every.value) : engine->host->tick;
    return eval_record_add(engine->eval, recorded, every, error);
}

/* Recorded signals and policies in the order of the source: that of their evaluation. */
static enum status add_statements(struct engine *engine, struct error *error)
{
    const struct policy *policy = engine->program->policies;
    const struct recorded *recorded = engine->program->recorded;
    while (policy || recorded) {
        if (recorded && (!policy || recorded->span.start < policy->span.start)) {
            TRY(add_recorded(engine, recorded, error));
            recorded = recorded->next;
        } else {
            TRY(policy_run_new(engine, policy, error));
            policy = policy->next;
        }
    }
    return STATUS_OK;
}

struct engine *engine_new(const struct program *program, struct store *store,
                          const struct engine_host *host, struct error *error)
{
    CHECK(host->tick.ns > 0);
    struct engine *engine = heap_alloc(sizeof *engine);
    engine->program = program;
    engine->store = store;
    engine->host = host;
    engine->eval = eval_new(store);
    for (size_t i = 0; i < host->override_count; i++) {
        eval_override(engine->eval, host->overrides[i].signal, host->overrides[i].metric);
    }
    notices_init(engine);
    experience_new(engine);
    engine->ledger.keep = ledger_window_of(program);
    engine->query = (struct alert_query){.store = store};
    engine->outside = (struct alert_outside){.labels = host->external,
                                             .label_count = host->external_count,
                                             .url = host->external_url,
                                             .query = alert_query_answer,
                                             .query_context = &engine->query};
    if (cascade_new(engine, error) != STATUS_OK || add_statements(engine, error) != STATUS_OK ||
        add_guard_pools(engine, error) != STATUS_OK || whiles_add(engine, error) != STATUS_OK ||
        alerts_record(engine, error) != STATUS_OK) {
        engine_free(engine);
        return NULL;
    }
    return engine;
}

void engine_free(struct engine *engine)
{
    if (!engine) {
        return;
    }
    for (size_t i = 0; i < engine->incident_count; i++) {
        free(engine->incidents[i]->seen);
        free(engine->incidents[i]);
    }
    experience_free(engine);
    for (size_t i = 0; i < engine->policy_count; i++) {
        alert_rule_free(engine->policies[i]->alerts);
        free(engine->policies[i]->pending_since);
        free(engine->policies[i]->incident_at);
        free(engine->policies[i]->busy);
        free(engine->policies[i]);
    }
    for (size_t i = 0; i < engine->pool_count; i++) {
        free(engine->pools[i]->domain_keys);
        free(engine->pools[i]);
    }
    free(engine->incidents);
    free(engine->order);
    cascade_free(engine);
    free(engine->policies);
    free(engine->pools);
    free(engine->memories);
    free(engine->standings);
    free(engine->whiles);
    free(engine->notice_room);
    ledger_release(&engine->ledger);
    eval_free(engine->eval);
    free(engine);
}
