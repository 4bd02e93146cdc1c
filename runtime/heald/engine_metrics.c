/* Readiness and metrics, on the page that the listener serves. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/engine/eval_record.h"
#include "runtime/heald/engine_costs.h"
#include "runtime/heald/log.h"
#include "runtime/heald/process_engine.h"

struct page_text {
    char *bytes;
    size_t used;
};

PRINTF_LIKE(5, 6)
static void metric(struct page_text *page, const char *name, const char *type, const char *help,
                   const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    size_t room = METRICS_BYTES - page->used;
    int n = snprintf(page->bytes + page->used, room, "# HELP %s %s\n# TYPE %s %s\n", name, help,
                     name, type);
    if (n > 0 && (size_t)n < room) {
        int m = vsnprintf(page->bytes + page->used + n, room - (size_t)n, fmt, args);
        if (m > 0 && (size_t)(n + m) < room) {
            page->used += (size_t)(n + m);
        }
    }
    va_end(args);
}

/* What is summed over the policies of the day, as a counter that a reload does not set back. */
static uint64_t steady(struct steady_count *count, uint64_t now)
{
    count->gone += now < count->last ? count->last - now : 0;
    count->last = now;
    return count->gone + now;
}

static uint64_t alert_failures(const struct engine *engine)
{
    uint64_t failures = 0;
    for (size_t i = 0; i < engine_policy_count(engine); i++) {
        failures += engine_policy(engine, i).failed;
    }
    return failures;
}

static uint64_t signal_failures(const struct eval *eval)
{
    uint64_t failures = 0;
    for (size_t i = 0; i < eval_record_count(eval); i++) {
        failures += eval_record(eval, i).failures;
    }
    return failures;
}

static uint64_t signals_refused(const struct eval *eval)
{
    uint64_t refused = 0;
    for (size_t i = 0; i < eval_record_count(eval); i++) {
        refused += eval_record(eval, i).refused;
    }
    return refused;
}

static void counters(struct engine_process *process, struct page_text *page)
{
    const struct engine *engine = process->generation->engine;
    const struct eval *eval = engine_eval(engine);
    struct engine_counters c = engine_counters(engine);
    struct store_stats s = store_stats(process->store);
    const struct {
        const char *name, *help;
        uint64_t value;
    } rows[] = {
        {"heald_ticks_total", "Steps of the engine.", c.ticks},
        {"heald_ticks_late_total", "Ticks that were due while one was running.",
         process->ticks_late},
        {"heald_incidents_opened_total", "Incidents opened.", c.opened},
        {"heald_incidents_closed_total", "Incidents closed.", c.closed},
        {"heald_incidents_dropped_total", "Incidents not opened because too many were.",
         c.dropped_incidents},
        {"heald_actions_dispatched_total", "Actions handed to the actor.", c.dispatched},
        {"heald_actions_refused_total", "Actions that a bound, guard, grant or stop refused.",
         c.refused},
        {"heald_escalations_total", "Pages to people.", c.escalated},
        {"heald_alert_evaluation_failures_total",
         "Evaluations of policies for each series that gave no result, as by equal labels.",
         steady(&process->alert_failures, alert_failures(engine))},
        {"heald_signal_evaluation_failures_total",
         "Evaluations of recorded signals that gave no result, as by equal labels.",
         steady(&process->signal_failures, signal_failures(eval))},
        {"heald_signal_series_refused_total",
         "Series of recorded signals that the store did not take, a count an evaluation.",
         steady(&process->signals_refused, signals_refused(eval))},
        {"heald_many_to_many_total",
         "Times that several series of one side matched where one may: the result is unknown.",
         steady(&process->many_to_many, eval_stats(eval).many_to_many)},
        {"heald_reloads_total", "Policy reloads that took.", process->reloads},
        {"heald_reload_failures_total", "Policy reloads that were refused.",
         process->reload_failures},
        {"heald_samples_total", "Samples taken into the store.", s.appended},
        {"heald_samples_duplicate_total", "Samples with a time seen before.", s.duplicate},
        {"heald_samples_out_of_order_total", "Samples older than their series.", s.out_of_order},
        {"heald_samples_future_total", "Samples too far ahead of the clock.", s.future},
        {"heald_series_refused_total", "Series refused by a limit or another owner.",
         s.refused + process->feed.refused},
        {"heald_feed_lost_total", "Samples ingest dropped because the feed was full.",
         process->feed.lost},
        {"heald_feed_broken_total", "Times the feed could not be read.", process->feed.broken},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        metric(page, rows[i].name, "counter", rows[i].help, "%s %llu\n", rows[i].name,
               (unsigned long long)rows[i].value);
    }
}

static void commit_histogram(const struct commit_times *times, struct page_text *page)
{
    char text[2048];
    size_t used = 0;
    uint64_t count = 0;
    for (size_t i = 0; i <= COMMIT_BUCKETS; i++) {
        char bound[24] = "+Inf";
        if (i < COMMIT_BUCKETS) {
            snprintf(bound, sizeof bound, "%g", commit_bounds_s[i]);
        }
        count += times->counts[i];
        used += (size_t)snprintf(text + used, sizeof text - used,
                                 "heald_commit_seconds_bucket{le=\"%s\"} %llu\n", bound,
                                 (unsigned long long)count);
        CHECK(used < sizeof text);
    }
    metric(page, "heald_commit_seconds", "histogram",
           "From the end of a step until all its records were journalled.",
           "%sheald_commit_seconds_sum %.9f\nheald_commit_seconds_count %llu\n", text,
           duration_to_seconds(times->sum), (unsigned long long)count);
}

static void kernel_times(const struct engine_process *process, struct page_text *page)
{
    const struct generation *generation = process->generation;
    char lines[ENGINE_COSTS_BYTES];
    engine_costs_lines(generation, lines);
    metric(page, "heald_kernel_seconds_total", "counter",
           "Time of operators in the ticks that were timed, those that took longest by name.", "%s",
           lines);
    metric(page, "heald_kernel_samples_total", "counter",
           "Ticks in which operators were timed since the policies were loaded.",
           "heald_kernel_samples_total %llu\n",
           (unsigned long long)eval_costs(engine_eval(generation->engine))->ticks);
}

static void memory(const struct engine_process *process, struct page_text *page)
{
    struct store_stats s = store_stats(process->store);
    metric(page, "heald_series", "gauge", "Series in the store.", "heald_series %zu\n", s.series);
    metric(page, "heald_label_sets", "gauge", "Different label sets in the store.",
           "heald_label_sets %zu\n", s.label_sets);
    metric(page, "heald_label_strings", "gauge", "Different names and values of labels in it.",
           "heald_label_strings %zu\n", s.strings);
    metric(page, "heald_store_bytes", "gauge",
           "Memory of the store: series, label sets, strings and samples kept outside of windows.",
           "heald_store_bytes %zu\n", s.bytes);
    metric(page, "heald_evaluator_bytes", "gauge",
           "Memory of the operators of the policies, samples of windows included.",
           "heald_evaluator_bytes %zu\n",
           eval_stats(engine_eval(process->generation->engine)).bytes);
}

static void incidents_memory(const struct engine_process *process, struct page_text *page)
{
    const struct memory_state state = memory_state(process->memory);
    metric(page, "heald_memory_records_behind", "gauge",
           "Records of the journal that the memory of incidents has not taken in.",
           "heald_memory_records_behind %llu\n", (unsigned long long)state.behind);
    metric(page, "heald_memory_rebuilds_total", "counter",
           "Times the memory of incidents was put aside and rebuilt.",
           "heald_memory_rebuilds_total %llu\n", (unsigned long long)state.rebuilds);
    metric(page, "heald_memory_failures_total", "counter",
           "Times the memory of incidents could not be written.",
           "heald_memory_failures_total %llu\n", (unsigned long long)state.failures);
}

static void alerts(const struct engine *engine, struct page_text *page)
{
    const size_t firing = engine_alerts_firing(engine);
    metric(page, "heald_alerts", "gauge", "Alerts of policies for each series, by state.",
           "heald_alerts{state=\"pending\"} %zu\nheald_alerts{state=\"firing\"} %zu\n",
           engine_alert_count(engine) - firing, firing);
}

static void flight(const struct engine_process *process, struct page_text *page)
{
    const struct flight_state state = flight_state(process->flight);
    metric(page, "heald_flight_recording", "gauge",
           "1 while all that the engine is fed is recorded, for healctl replay.",
           "heald_flight_recording %d\n", state.on);
    metric(page, "heald_flight_bytes", "gauge", "Bytes of the recording of this life.",
           "heald_flight_bytes %llu\n", (unsigned long long)state.bytes);
}

static void gauges(struct engine_process *process, struct page_text *page)
{
    const struct engine *engine = process->generation->engine;
    size_t modes[3] = {0}, code = eval_code_nodes(engine_eval(engine));
    for (size_t i = 0; i < engine_policy_count(engine); i++) {
        modes[engine_policy(engine, i).mode]++;
    }
    metric(page, "heald_build_info", "gauge", "The version of heald.",
           "heald_build_info{version=\"%s\"} 1\n", HEAL_VERSION);
    metric(page, "heald_operators", "gauge", "Operators of the policies, by what computes them.",
           "heald_operators{by=\"code\"} %zu\nheald_operators{by=\"reference\"} %zu\n", code,
           eval_stats(engine_eval(engine)).nodes - code);
    metric(page, "heald_epoch", "gauge", "Lives of the engine on this journal.", "heald_epoch %u\n",
           process->epoch);
    metric(page, "heald_stopped", "gauge", "1 while nothing may be acted on.", "heald_stopped %d\n",
           engine_stopped(engine));
    metric(page, "heald_incidents_open", "gauge", "Incidents open now.",
           "heald_incidents_open %zu\n", engine_incident_count(engine));
    metric(page, "heald_policies", "gauge", "Policies loaded, by mode.",
           "heald_policies{mode=\"shadow\"} %zu\nheald_policies{mode=\"ask\"} %zu\n"
           "heald_policies{mode=\"act\"} %zu\n",
           modes[MODE_SHADOW], modes[MODE_ASK], modes[MODE_ACT]);
    alerts(engine, page);
    flight(process, page);
    memory(process, page);
    metric(page, "heald_tick_cpu_seconds", "gauge", "CPU time of the last step.",
           "heald_tick_cpu_seconds %.9f\n", duration_to_seconds(process->last_step_cpu));
    kernel_times(process, page);
    commit_histogram(&process->commits, page);
    metric(page, "heald_commit_seconds_max", "gauge", "The longest such time.",
           "heald_commit_seconds_max %.9f\n", duration_to_seconds(process->commits.worst));
    metric(page, "heald_journal_records", "gauge", "Records in the journal.",
           "heald_journal_records %llu\n", (unsigned long long)journal_last(process->journal));
    incidents_memory(process, page);
}

void engine_face_publish(struct engine_process *process)
{
    struct page_text page = {.bytes = process->page_text};
    struct page_head head = {.ready = store_warm(process->store) && process->peer,
                             .heartbeat = {process->now.ns - process->skew.ns}};
    const char *health = !process->peer                ? "the actor is gone\n"
                         : !store_warm(process->store) ? "a source has not answered yet\n"
                         : engine_stopped(process->generation->engine) ? "ready; stopped\n"
                                                                       : "ready\n";
    counters(process, &page);
    gauges(process, &page);
    if (page_publish(process->page, &head, health, strlen(health), page.bytes, page.used) !=
        STATUS_OK) {
        log_say(LOG_WARN, "the page of metrics is too long");
    }
}
