/* The engine's face: answers over the control socket. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/engine/eval_record.h"
#include "runtime/heald/engine_alerts.h"
#include "runtime/heald/engine_costs.h"
#include "runtime/heald/engine_json.h"
#include "runtime/heald/engine_memory.h"
#include "runtime/heald/engine_oversight.h"
#include "runtime/heald/log.h"
#include "runtime/heald/process_engine.h"

enum { RECORDS_ANSWER_MAX = 2000, INCIDENTS_ANSWER_MAX = 1000 };

/* ---- JSON of what there is ---- */

static json_t *record_json(const struct record *record)
{
    json_t *object = json_object();
    json_object_set_new(object, "sequence", json_integer((json_int_t)record->sequence));
    json_object_set_new(object, "time", json_time(record->time));
    json_object_set_new(object, "kind", json_text(record_infos[record->kind].text));
    json_object_set_new(object, "word", json_text(record_infos[record->kind].word));
    json_object_set_new(object, "incident", json_integer((json_int_t)record->incident));
    json_object_set_new(object, "policy", json_text(record->policy));
    json_object_set_new(object, "target", json_text(record->target));
    json_object_set_new(object, "action", json_text(record->action));
    json_object_set_new(object, "action_id", json_integer((json_int_t)record->action_id));
    json_object_set_new(object, "text", json_text(record->text));
    /* All there is, so that who runs it again can compare: numbers of JSON may be doubles. */
    json_object_set_new(object, "time_ns", json_sprintf("%lld", (long long)record->time.ns));
    json_object_set_new(object, "epoch", json_integer((json_int_t)record->epoch));
    json_object_set_new(object, "rung", json_integer((json_int_t)record->rung));
    json_object_set_new(object, "program",
                        json_sprintf("%016llx", (unsigned long long)record->program_hash));
    json_object_set_new(object, "type", json_text(record->type));
    return object;
}

struct collecting {
    json_t *records;
    size_t max;
    uint64_t last;
    struct record first;
    bool any;
    const char *state;
    struct judged_actions judged;
};

static bool collect_record(void *context, const struct record *record)
{
    struct collecting *collecting = context;
    if (!collecting->any) {
        collecting->any = true;
        collecting->first = *record;
    }
    collecting->last = record->sequence;
    if (record->kind == RECORD_CLOSED) {
        collecting->state = "closed";
    }
    engine_judged_add(&collecting->judged, record);
    json_array_append_new(collecting->records, record_json(record));
    return json_array_size(collecting->records) < collecting->max;
}

static const struct incident_view *open_incident(const struct engine_process *process, uint64_t id,
                                                 struct incident_view *ret)
{
    const struct engine *engine = process->generation->engine;
    for (size_t i = 0; i < engine_incident_count(engine); i++) {
        *ret = engine_incident(engine, i);
        if (ret->id == id) {
            return ret;
        }
    }
    return NULL;
}

/* ---- the commands ---- */

static json_t *policies_json(const struct engine *engine)
{
    json_t *policies = json_array();
    for (size_t i = 0; i < engine_policy_count(engine); i++) {
        struct policy_view view = engine_policy(engine, i);
        json_array_append_new(
            policies,
            json_pack("{s:o, s:s, s:s, s:o, s:s, s:I, s:I, s:I, s:b}", "name", json_text(view.name),
                      "mode", mode_texts[view.mode], "ceiling", mode_texts[view.ceiling], "why",
                      json_text(view.mode_why), "state",
                      view.observed ? (view.open ? "incident" : "ok") : "unknown", "entities",
                      (json_int_t)view.entities, "open", (json_int_t)view.open, "failed",
                      (json_int_t)view.failed, "ambiguous", (int)view.ambiguous));
    }
    return policies;
}

static json_t *signals_json(const struct eval *eval)
{
    json_t *signals = json_array();
    for (size_t i = 0; i < eval_record_count(eval); i++) {
        struct eval_record_view view = eval_record(eval, i);
        json_array_append_new(
            signals, json_pack("{s:o, s:I, s:I, s:I}", "name", json_text(view.name), "series",
                               (json_int_t)view.series, "failed", (json_int_t)view.failures,
                               "refused", (json_int_t)view.refused));
    }
    return signals;
}

static json_t *sources_json(const struct engine_process *process)
{
    json_t *sources = json_array();
    for (size_t i = 0; i < process->feed.source_count; i++) {
        const struct intake_source *source = &process->feed.sources[i];
        if (source->known) {
            bool observed = store_source_observed(process->store, source->store_id, process->now);
            json_array_append_new(sources, json_pack("{s:o, s:b, s:o, s:o}", "name",
                                                     json_text(source->name), "observed", observed,
                                                     "last_answer", json_time(source->last_answer),
                                                     "error", json_text(source->error)));
        }
    }
    return sources;
}

static json_t *modes_json(const struct engine *engine)
{
    json_int_t counts[3] = {0};
    for (size_t i = 0; i < engine_policy_count(engine); i++) {
        counts[engine_policy(engine, i).mode]++;
    }
    return json_pack("{s:I, s:I, s:I}", "shadow", counts[MODE_SHADOW], "ask", counts[MODE_ASK],
                     "act", counts[MODE_ACT]);
}

static json_t *sandbox_json(const struct engine_process *process)
{
    json_t *lines = json_array();
    for (const char *line = process->sandbox; *line;) {
        size_t length = strcspn(line, "\n");
        json_array_append_new(lines, json_stringn(line, length));
        line += length + (line[length] == '\n');
    }
    return lines;
}

/* Which evaluator computes: code for some operators still leaves the others to the reference. */
static json_t *evaluator_json(const struct engine *engine)
{
    size_t code = eval_code_nodes(engine_eval(engine)), all = eval_stats(engine_eval(engine)).nodes;
    return code > 0 ? json_sprintf("machine code for %zu of %zu operators", code, all)
                    : json_string("reference");
}

/* The flight recording of this life. */
static json_t *flight_json(const struct engine_process *process)
{
    const struct flight_state state = flight_state(process->flight);
    return json_pack("{s:b, s:o, s:o, s:I, s:I}", "on", (int)state.on, "why", json_text(state.why),
                     "since", json_time(state.since), "bytes", (json_int_t)state.bytes, "bytes_max",
                     (json_int_t)process->start->config->flight.bytes_max);
}

static json_t *answer_status(struct engine_process *process, const struct control_request *request)
{
    (void)request;
    const struct engine *engine = process->generation->engine;
    json_t *answer = json_object();
    json_object_set_new(answer, "version", json_string(HEAL_VERSION));
    json_object_set_new(answer, "pid", json_integer(getpid()));
    json_object_set_new(answer, "epoch", json_integer(process->epoch));
    json_object_set_new(answer, "serial", json_integer((json_int_t)process->generation->serial));
    json_object_set_new(answer, "mode_counts", modes_json(engine));
    json_object_set_new(
        answer, "stopped",
        json_boolean(engine_stopped(engine) || access(process->stop_path, F_OK) == 0));
    json_object_set_new(answer, "evaluator", evaluator_json(engine));
    json_object_set_new(answer, "code", json_text(process->compile.text));
    json_object_set_new(answer, "tick_ms",
                        json_integer(process->start->config->tick.ns / NS_PER_MS));
    json_object_set_new(answer, "series",
                        json_integer((json_int_t)store_stats(process->store).series));
    json_object_set_new(answer, "incidents_open",
                        json_integer((json_int_t)engine_incident_count(engine)));
    json_object_set_new(answer, "journal_records",
                        json_integer((json_int_t)journal_last(process->journal)));
    json_object_set_new(answer, "flight", flight_json(process));
    json_object_set_new(answer, "memory", engine_memory_json(process->memory));
    json_object_set_new(answer, "policies", policies_json(engine));
    json_object_set_new(answer, "signals", signals_json(engine_eval(engine)));
    json_object_set_new(answer, "sources", sources_json(process));
    json_object_set_new(answer, "sandbox", sandbox_json(process));
    return answer;
}

static json_t *incident_json(const struct incident_view *view)
{
    return json_pack("{s:I, s:o, s:o, s:s, s:o, s:o, s:o, s:s, s:b}", "id", (json_int_t)view->id,
                     "policy", json_text(view->policy), "target", json_text(view->target), "state",
                     view->state, "opened", json_time(view->opened), "text", json_text(view->text),
                     "action", json_text(view->action), "plan", view->plan, "acknowledged",
                     (int)view->acknowledged);
}

struct closed_list {
    json_t *incidents;
    const struct engine_process *process;
};

static bool collect_closed(void *context, const struct record *record)
{
    struct closed_list *list = context;
    struct incident_view view;
    if (record->kind == RECORD_OPENED && !open_incident(list->process, record->incident, &view)) {
        view = (struct incident_view){.id = record->incident,
                                      .policy = record->policy,
                                      .target = record->target,
                                      .state = "closed",
                                      .action = "",
                                      .plan = "",
                                      .text = record->text,
                                      .opened = record->time};
        json_array_append_new(list->incidents, incident_json(&view));
    }
    return json_array_size(list->incidents) < INCIDENTS_ANSWER_MAX;
}

static json_t *answer_incidents(struct engine_process *process,
                                const struct control_request *request)
{
    struct error error;
    const struct engine *engine = process->generation->engine;
    json_t *incidents = json_array();
    for (size_t i = 0;
         i < engine_incident_count(engine) && json_array_size(incidents) < INCIDENTS_ANSWER_MAX;
         i++) {
        struct incident_view view = engine_incident(engine, i);
        json_array_append_new(incidents, incident_json(&view));
    }
    if (json_is_true(json_object_get(request->args, "all")) &&
        json_array_size(incidents) < INCIDENTS_ANSWER_MAX) {
        struct closed_list list = {incidents, process};
        if (journal_scan(process->journal, 1, 0, collect_closed, &list, &error) != STATUS_OK) {
            json_decref(incidents);
            return control_error(CONTROL_NEGATIVE, "%s", error.message);
        }
    }
    return json_pack("{s:o}", "incidents", incidents);
}

static json_t *answer_explain(struct engine_process *process, const struct control_request *request)
{
    struct error error;
    struct incident_view view;
    uint64_t id = request_id(request);
    if (id == 0) {
        return control_error(CONTROL_USAGE, "explain needs the id of an incident");
    }
    struct collecting collecting = {
        .records = json_array(), .max = RECORDS_ANSWER_MAX, .state = "open"};
    if (journal_scan(process->journal, 1, id, collect_record, &collecting, &error) != STATUS_OK) {
        json_decref(collecting.records);
        return control_error(CONTROL_NEGATIVE, "%s", error.message);
    }
    if (!collecting.any) {
        json_decref(collecting.records);
        return control_error(CONTROL_NOT_FOUND, "there is no incident %llu",
                             (unsigned long long)id);
    }
    const char *state = open_incident(process, id, &view) ? view.state : collecting.state;
    return json_pack(
        "{s:I, s:o, s:o, s:s, s:o, s:o}", "id", (json_int_t)id, "policy",
        json_text(collecting.first.policy), "target", json_text(collecting.first.target), "state",
        state, "records", collecting.records, "learned",
        engine_learned_json(process->memory, process->now, &collecting.first, &collecting.judged));
}

static json_t *answer_stop(struct engine_process *process, const struct control_request *request)
{
    struct error error;
    bool stop = strcmp(request->command, "stop") == 0;
    if (engine_stop(process, stop, request->user, request_why(request), &error) != STATUS_OK) {
        return control_error(CONTROL_NEGATIVE, "%s", error.message);
    }
    return json_pack("{s:s}", "text",
                     stop ? "stopped: nothing is acted on until healctl start" : "started");
}

static json_t *answer_reload(struct engine_process *process, const struct control_request *request)
{
    (void)request;
    struct error error;
    if (engine_reload(process, &error) != STATUS_OK) {
        return control_error(CONTROL_NEGATIVE, "not reloaded, the policies before go on: %s",
                             error.message);
    }
    return json_pack("{s:s}", "text", "reloaded");
}

static json_t *answer_alerts(struct engine_process *process, const struct control_request *request)
{
    return engine_alerts_json(process->generation->engine, request->args);
}

static json_t *answer_top(struct engine_process *process, const struct control_request *request)
{
    (void)request;
    return engine_costs_json(process->generation);
}

static json_t *answer_records(struct engine_process *process, const struct control_request *request)
{
    struct error error;
    const json_t *after = json_object_get(request->args, "after");
    const json_t *latest = json_object_get(request->args, "latest");
    uint64_t last = journal_last(process->journal), from = 1;
    if (json_is_integer(after) && json_integer_value(after) >= 0) {
        from = (uint64_t)json_integer_value(after) + 1;
    } else if (json_is_integer(latest) && json_integer_value(latest) > 0 &&
               (uint64_t)json_integer_value(latest) < last) {
        from = last - (uint64_t)json_integer_value(latest) + 1;
    }
    struct collecting collecting = {
        .records = json_array(), .max = RECORDS_ANSWER_MAX, .last = from - 1};
    if (from <= last &&
        journal_scan(process->journal, from, 0, collect_record, &collecting, &error) != STATUS_OK) {
        json_decref(collecting.records);
        return control_error(CONTROL_NEGATIVE, "%s", error.message);
    }
    return json_pack("{s:o, s:I}", "records", collecting.records, "last",
                     (json_int_t)collecting.last);
}

static json_t *answer_history(struct engine_process *process, const struct control_request *request)
{
    return engine_history_json(process->memory, request->args);
}

static json_t *answer_outcomes(struct engine_process *process,
                               const struct control_request *request)
{
    return engine_outcomes_json(process->memory, process->now, request->args);
}

static json_t *answer(const struct control_request *request, void *ctx)
{
    static const struct {
        const char *command;
        json_t *(*answer)(struct engine_process *, const struct control_request *);
        bool changes;
    } commands[] = {
        {"status", answer_status, false},
        {"incidents", answer_incidents, false},
        {"explain", answer_explain, false},
        {"records", answer_records, false},
        {"approve", engine_decision_json, true},
        {"deny", engine_decision_json, true},
        {"ack", engine_acknowledge_json, true},
        {"mode", engine_mode_json, false},
        {"stop", answer_stop, true},
        {"start", answer_stop, true},
        {"reload", answer_reload, true},
        {"top", answer_top, false},
        {"alerts", answer_alerts, false},
        {"history", answer_history, false},
        {"outcomes", answer_outcomes, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(request->command, commands[i].command) == 0) {
            if (commands[i].changes) {
                log_say(LOG_INFO, "%s asks: %s", request->user, request->command);
            }
            return commands[i].answer(ctx, request);
        }
    }
    return control_error(CONTROL_USAGE, "there is no command '%s'", request->command);
}

void engine_face_poll(struct engine_process *process)
{
    (void)control_poll(process->control, answer, process);
}
