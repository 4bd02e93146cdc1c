/* A made-up fleet. */
#include "tests/flight/fleet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/check.h"
#include "lang/parser.h"

enum { SOURCES = 4, QUEUE_SOURCE = SOURCES - 1, QUEUES_LATER = 16 /* steps */, MIB = 1 << 20 };
enum { READY, MEMORY, LIMIT, GOOD, BAD, CPU };
#define START_S 1790000000LL

static uint64_t next(struct fleet *fleet)
{
    fleet->random ^= fleet->random << 13;
    fleet->random ^= fleet->random >> 7;
    fleet->random ^= fleet->random << 17;
    return fleet->random >> 11;
}

static unsigned pick(struct fleet *fleet, unsigned of)
{
    return (unsigned)(next(fleet) % of);
}

char *fleet_text(const char *path)
{
    FILE *file = fopen(path, "r");
    size_t capacity = 1 << 20;
    char *text = heap_alloc(capacity);
    if (!file) {
        free(text);
        return NULL;
    }
    text[fread(text, 1, capacity - 1, file)] = '\0';
    fclose(file);
    return text;
}

/* ---- program and engine ---- */

/* The other program acts on half as many errors: the same place, another digit. */
static char *text_of(const struct fleet *fleet)
{
    char *text = heap_strdup(fleet->options.text);
    char *limit = strstr(text, "> 5% for 1m");
    if (fleet->other && limit) {
        limit[2] = '3';
    }
    return text;
}

static const char *const actions[] = {
    "recycle",           "drain", "undrain", "restart_consumers", "use_second_provider",
    "use_first_provider"};

static void add_target(struct fleet *fleet, const char *text)
{
    fleet->targets[fleet->target_count++] = heap_strdup(text);
}

static void make_grants(struct fleet *fleet)
{
    char text[64];
    for (size_t i = 0; i < fleet->options.pods; i++) {
        for (unsigned name = 0; name < FLEET_NAMES; name++) {
            snprintf(text, sizeof text, "namespace=shop,pod=p%zu-%u", i, name);
            add_target(fleet, text);
        }
    }
    for (size_t i = 0; i < fleet->options.queues; i++) {
        snprintf(text, sizeof text, "queue=q%zu", i);
        add_target(fleet, text);
    }
    add_target(fleet, "checkout");
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        fleet->grants[i] = (struct engine_grant){actions[i], (const char *const *)fleet->targets,
                                                 fleet->target_count, true};
    }
}

static struct fleet_program *program_new(struct fleet *fleet)
{
    struct error error = {""};
    struct diag_list diags;
    struct fleet_program *made = heap_alloc(sizeof *made);
    char *text = text_of(fleet);
    const struct parse_text one = {"fleet.heal", text, strlen(text)};
    diag_list_init(&diags, &made->arena, &made->sources);
    made->program = parse_program_texts(&made->arena, &made->sources, &one, 1, &diags);
    bool good =
        diags.errors == 0 && check_program(made->program, &diags, &(struct check_options){0});
    if (!good) {
        diag_print(&diags, DIAG_FULL, false, stderr);
    }
    CHECK(good);
    free(text);
    made->host = (struct engine_host){.grants = fleet->grants,
                                      .grant_count = ARRAY_LEN(actions),
                                      .default_mode = MODE_ACT,
                                      .guarded = true,
                                      .tick = fleet->options.step,
                                      .blind_after = duration_seconds(900),
                                      .external_url = "http://heal.example",
                                      .author = "bob",
                                      .epoch = fleet->epoch};
    made->engine = engine_new(made->program, fleet->store, &made->host, &error);
    CHECK(made->engine != NULL);
    flight_program(fleet->flight, &made->sources, made->program->hash, &made->host);
    return made;
}

static void program_free(struct fleet_program *program)
{
    if (program) {
        engine_free(program->engine);
        sources_release(&program->sources);
        arena_release(&program->arena);
        free(program);
    }
}

void fleet_reload(struct fleet *fleet)
{
    fleet->other = !fleet->other;
    struct fleet_program *made = program_new(fleet);
    engine_adopt(made->engine, fleet->program->engine);
    program_free(fleet->program);
    fleet->program = made;
    fleet->reloads++;
}

/* ---- series ---- */

static void hold(struct fleet *fleet, uint32_t series)
{
    store_hold(fleet->store, series);
    flight_hold(fleet->flight, series);
}

static void let_go(struct fleet *fleet, uint32_t series)
{
    store_let_go(fleet->store, series);
    flight_let_go(fleet->flight, series);
}

static uint32_t series_of(struct fleet *fleet, uint32_t source, const char *name,
                          const struct label *labels, size_t count)
{
    struct error error;
    uint32_t series = 0;
    CHECK(store_series(fleet->store, source, name, labels, count, &series, &error) == STATUS_OK);
    flight_series(fleet->flight, series, source, name, labels, count);
    hold(fleet, series);
    return series;
}

static uint32_t source_of_pod(const struct fleet *fleet, size_t i)
{
    return fleet->sources[i % QUEUE_SOURCE];
}

static void pod_begin(struct fleet *fleet, size_t i)
{
    struct fleet_pod *pod = &fleet->pods[i];
    const uint32_t source = source_of_pod(fleet, i);
    char name[32];
    snprintf(name, sizeof name, "p%zu-%u", i, pod->name);
    const struct label labels[] = {{"namespace", "shop"}, {"pod", name}, {"code", "200"}};
    const struct label bad[] = {labels[0], labels[1], {"code", "500"}};
    static const char *const names[] = {"kube_pod_status_ready",
                                        "container_memory_working_set_bytes",
                                        "kube_pod_container_resource_limits",
                                        "http_requests_total",
                                        "http_requests_total",
                                        "process_cpu_seconds_total"};
    for (int s = 0; s < 6; s++) {
        pod->series[s] = series_of(fleet, source, names[s], s == BAD ? bad : labels,
                                   s == GOOD || s == BAD ? 3 : 2);
    }
}

static void pod_fresh(struct fleet *fleet, size_t i)
{
    struct fleet_pod *pod = &fleet->pods[i];
    pod->memory = (200 + pick(fleet, 100)) * (int64_t)MIB;
    pod->leak = 0;
    pod->good = pod->bad = pod->cpu_ms = 0;
    pod->bad_of = pick(fleet, 4);
    pod->ready = true;
}

/* A pod under another name: the series before end, and may come back much later. */
static void pod_replace(struct fleet *fleet, size_t i)
{
    struct fleet_pod *pod = &fleet->pods[i];
    for (int s = 0; s < 6; s++) {
        let_go(fleet, pod->series[s]);
    }
    pod->name = (pod->name + 1) % FLEET_NAMES;
    pod_fresh(fleet, i);
    pod_begin(fleet, i);
}

static void queue_begin(struct fleet *fleet, size_t i)
{
    static const char *const names[] = {"rabbitmq_queue_consumers",
                                        "rabbitmq_queue_messages_acked_total",
                                        "rabbitmq_queue_messages_ready"};
    char name[32];
    snprintf(name, sizeof name, "q%zu", i);
    const struct label label = {"queue", name};
    for (int s = 0; s < 3; s++) {
        fleet->queues[i].series[s] =
            series_of(fleet, fleet->sources[QUEUE_SOURCE], names[s], &label, 1);
    }
}

/* ---- a life ---- */

static void source_begin(struct fleet *fleet, int i)
{
    static const char *const names[SOURCES] = {"a", "b", "c", "rabbit"};
    struct error error;
    const struct duration interval = fleet->options.step, grace = fleet->options.step;
    CHECK(store_source(fleet->store, names[i], interval, grace, &fleet->sources[i], &error) ==
          STATUS_OK);
    flight_source(fleet->flight, fleet->sources[i], names[i], interval, grace);
    fleet->broken[i] = false;
}

/* It is heard of later than the others. */
static void queues_begin(struct fleet *fleet)
{
    source_begin(fleet, QUEUE_SOURCE);
    for (size_t i = 0; i < fleet->options.queues; i++) {
        queue_begin(fleet, i);
    }
}

static void page_again(struct fleet *fleet)
{
    engine_page_again(fleet->program->engine);
    flight_page_again(fleet->flight);
}

/* The hand has seen a later life: this one becomes the next. */
static void outlive(struct fleet *fleet)
{
    fleet->program->host.epoch = fleet->lives[fleet->life_count - 1].epoch = ++fleet->epoch;
    flight_epoch(fleet->flight, fleet->epoch);
    page_again(fleet);
}

static void life_begin(struct fleet *fleet)
{
    const struct store_limits limits = {.live = true};
    const struct fleet_options *options = &fleet->options;
    CHECK(fleet->life_count < FLEET_LIVES_MAX);
    fleet->lives[fleet->life_count++] = (struct fleet_life){
        .ms = fleet->now.ns / NS_PER_MS, .epoch = fleet->epoch, .first = fleet->record_count};
    if (options->state) {
        const struct flight_options flight = {.state = options->state,
                                              .version = "test",
                                              .segment_bytes = options->segment_bytes,
                                              .plain = options->plain,
                                              .bytes_max = options->bytes_max ? options->bytes_max
                                                                              : 1ULL << 30};
        fleet->flight = flight_open(&flight, fleet->now, fleet->epoch);
    }
    fleet->store = store_new(&limits);
    flight_store(fleet->flight, &limits);
    store_expect(fleet->store, SOURCES);
    flight_expect(fleet->flight, SOURCES);
    fleet->program = program_new(fleet);
    for (size_t i = 0; i < fleet->record_count; i++) {
        engine_restore(fleet->program->engine, &fleet->records[i]);
        flight_restore(fleet->flight, &fleet->records[i]);
    }
    for (int i = 0; i < QUEUE_SOURCE; i++) {
        source_begin(fleet, i);
    }
    for (size_t i = 0; i < options->pods; i++) {
        pod_begin(fleet, i);
    }
    fleet->life_steps = 0;
    page_again(fleet);
}

static void life_end(struct fleet *fleet)
{
    struct fleet_life *life = &fleet->lives[fleet->life_count - 1];
    life->state = flight_state(fleet->flight);
    flight_close(fleet->flight);
    program_free(fleet->program);
    store_free(fleet->store);
}

void fleet_restart(struct fleet *fleet)
{
    life_end(fleet);
    fleet->epoch++;
    life_begin(fleet);
}

struct fleet *fleet_new(const struct fleet_options *options)
{
    struct fleet *fleet = heap_alloc(sizeof *fleet);
    fleet->options = *options;
    fleet->random = options->seed * 0x9E3779B97F4A7C15ULL + 1;
    fleet->now = (struct instant){START_S * NS_PER_S};
    fleet->epoch = 1;
    CHECK(options->pods <= FLEET_PODS_MAX && options->queues <= FLEET_QUEUES_MAX);
    make_grants(fleet);
    for (size_t i = 0; i < options->pods; i++) {
        pod_fresh(fleet, i);
    }
    life_begin(fleet);
    return fleet;
}

void fleet_free(struct fleet *fleet)
{
    life_end(fleet);
    effects_release(&fleet->effects);
    for (size_t i = 0; i < fleet->target_count; i++) {
        free(fleet->targets[i]);
    }
    free(fleet->answers);
    free(fleet->records);
    free(fleet);
}

/* ---- what happens to it ---- */

static void age_pod(struct fleet *fleet, size_t i)
{
    struct fleet_pod *pod = &fleet->pods[i];
    const int64_t answers = 400 + pick(fleet, 200);
    const int64_t bad = answers * pod->bad_of / 1000;
    if (pick(fleet, fleet->options.fault_of) == 0) {
        switch (pick(fleet, 5)) {
        case 0: pod->leak = (1 + pick(fleet, 3)) * (int64_t)MIB; break;
        case 1: pod->bad_of = 60 + pick(fleet, 200); break;
        case 2: pod->ready = false; break;
        case 3: pod_replace(fleet, i); break;
        case 4: pod->bad_of = pick(fleet, 40), pod->ready = true; break;
        }
    }
    pod->good += answers - bad;
    pod->bad += bad;
    pod->cpu_ms += 1000 + pick(fleet, 50) + (pick(fleet, 4000) == 0 ? 90000 : 0);
    pod->memory += pod->leak + (int64_t)pick(fleet, 65536) - 32768;
    if (pod->memory > 1000LL * MIB) { /* the kernel does it */
        pod->memory = 220LL * MIB;
        pod->leak = 0;
    }
}

static void age_queue(struct fleet *fleet, struct fleet_queue *queue)
{
    const int64_t some = 20 + pick(fleet, 30);
    if (pick(fleet, fleet->options.fault_of * 2) == 0) {
        queue->stuck = !queue->stuck;
    }
    if (queue->stuck) {
        queue->ready += some;
    } else {
        queue->acked += some + queue->ready / 2;
        queue->ready -= queue->ready / 2;
    }
}

static void feed(struct fleet *fleet, const struct store_point *points, size_t count)
{
    struct instant time = fleet->now;
    time.ns -= (int64_t)pick(fleet, 1000) * NS_PER_MS; /* scraped a little before the tick */
    store_append_all(fleet->store, fleet->now, time, points, count);
    flight_append_all(fleet->flight, fleet->now, time, points, count);
}

static void feed_one(struct fleet *fleet, uint32_t series, struct instant time, double value)
{
    (void)store_append(fleet->store, series, fleet->now, time, value);
    flight_append(fleet->flight, series, fleet->now, time, value);
}

static void answer(struct fleet *fleet, uint32_t source, bool all)
{
    if (all) {
        store_answered(fleet->store, source, fleet->now);
        flight_answered(fleet->flight, source, fleet->now);
    } else {
        store_heard(fleet->store, source, fleet->now);
        flight_heard(fleet->flight, source, fleet->now);
    }
}

/* Minutes of silence, seldom. */
static bool is_silent(const struct fleet *fleet, size_t s)
{
    return (fleet->steps / 20 * 2654435761u + s * 40503u) % 97 == 0;
}

static void fail(struct fleet *fleet, size_t s)
{
    store_failed(fleet->store, fleet->sources[s], fleet->now);
    flight_failed(fleet->flight, fleet->sources[s], fleet->now);
}

/* Now and then an answer is broken off; the next one may have a pod less, for good. */
static void feed_pods(struct fleet *fleet, size_t s)
{
    struct store_point points[FLEET_PODS_MAX * 6];
    size_t count = 0;
    const bool broken = pick(fleet, 60) == 0;
    if (fleet->broken[s] && pick(fleet, 2) == 0) {
        const size_t pods = fleet->options.pods / QUEUE_SOURCE;
        pod_replace(fleet, s + QUEUE_SOURCE * (pods > 0 ? pick(fleet, (unsigned)pods) : 0));
    }
    fleet->broken[s] = broken;
    for (size_t i = s; i < fleet->options.pods; i += QUEUE_SOURCE) {
        const struct fleet_pod *pod = &fleet->pods[i];
        const double values[] = {pod->ready ? 1 : 0,     (double)pod->memory,
                                 (double)(1024LL * MIB), (double)pod->good,
                                 (double)pod->bad,       (double)pod->cpu_ms / 1000};
        for (int v = 0; v < 6; v++) {
            if (pick(fleet, 2000) != 0) {
                points[count++] = (struct store_point){
                    pod->series[v], pick(fleet, 50) ? 0 : -(int32_t)pick(fleet, 400), values[v]};
            }
        }
    }
    feed(fleet, points, count);
    if (broken) {
        fail(fleet, s);
    } else {
        answer(fleet, fleet->sources[s], pick(fleet, 20) != 0);
    }
}

static void feed_queues(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->options.queues; i++) {
        struct fleet_queue *queue = &fleet->queues[i];
        if (queue->gone_until > fleet->steps) {
            continue;
        }
        if (pick(fleet, 150) == 0) {
            queue->gone_until = fleet->steps + 5 + pick(fleet, 20);
            for (int s = 0; s < 3; s++) {
                store_stale(fleet->store, queue->series[s], fleet->now);
                flight_stale(fleet->flight, queue->series[s], fleet->now);
            }
            continue;
        }
        feed_one(fleet, queue->series[0], fleet->now, 2);
        feed_one(fleet, queue->series[1], fleet->now, (double)queue->acked);
        feed_one(fleet, queue->series[2], fleet->now, (double)queue->ready);
        if (pick(fleet, 400) == 0) { /* again, too late, too early */
            struct instant time = fleet->now;
            time.ns += ((int64_t)pick(fleet, 2000) - 1000) * NS_PER_S;
            feed_one(fleet, queue->series[2], time, (double)queue->ready);
        }
    }
    answer(fleet, fleet->sources[QUEUE_SOURCE], pick(fleet, 2) == 0);
}

static void feed_all(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->options.pods; i++) {
        age_pod(fleet, i);
    }
    for (size_t i = 0; i < fleet->options.queues; i++) {
        age_queue(fleet, &fleet->queues[i]);
    }
    for (size_t s = 0; s < QUEUE_SOURCE; s++) {
        if (is_silent(fleet, s)) {
            fail(fleet, s);
        } else {
            feed_pods(fleet, s);
        }
    }
    if (fleet->life_steps == QUEUES_LATER) {
        queues_begin(fleet);
    }
    if (fleet->life_steps >= QUEUES_LATER && !is_silent(fleet, QUEUE_SOURCE)) {
        feed_queues(fleet);
    }
    store_expire(fleet->store, fleet->now);
    flight_expire(fleet->flight, fleet->now);
}

/* ---- hands and people ---- */

static struct fleet_answer *later(struct fleet *fleet, unsigned steps, enum input_kind kind,
                                  uint64_t id)
{
    ARRAY_RESERVE(fleet->answers, fleet->answer_count, fleet->answer_capacity);
    struct fleet_answer *made = &fleet->answers[fleet->answer_count++];
    *made =
        (struct fleet_answer){.input = {.kind = kind, .id = id}, .step = fleet->steps + 1 + steps};
    return made;
}

static void help(struct fleet *fleet, const char *action, const char *target)
{
    unsigned i = 0;
    if (sscanf(target, "namespace=shop,pod=p%u", &i) == 1 && i < fleet->options.pods) {
        struct fleet_pod *pod = &fleet->pods[i];
        pod->bad_of = strcmp(action, "undrain") == 0 ? pod->bad_of : 1;
        if (strcmp(action, "recycle") == 0) {
            pod_fresh(fleet, i);
        }
    } else if (sscanf(target, "queue=q%u", &i) == 1 && i < fleet->options.queues) {
        fleet->queues[i].stuck = false;
    } else {
        for (size_t p = 0; p < fleet->options.pods; p++) {
            fleet->pods[p].bad_of = fleet->pods[p].bad_of / 4;
        }
    }
}

static void act(struct fleet *fleet, const struct effect *effect)
{
    static const enum outcome outcomes[] = {
        OUTCOME_SUCCEEDED, OUTCOME_SUCCEEDED,     OUTCOME_SUCCEEDED, OUTCOME_SUCCEEDED,
        OUTCOME_SUCCEEDED, OUTCOME_SUCCEEDED,     OUTCOME_FAILED,    OUTCOME_TIMED_OUT,
        OUTCOME_UNKNOWN,   OUTCOME_NEVER_STARTED, OUTCOME_REFUSED};
    const enum outcome outcome = outcomes[pick(fleet, ARRAY_LEN(outcomes))];
    if (pick(fleet, 20) == 0) {
        return; /* nobody ever answers */
    }
    struct fleet_answer *made = later(fleet, pick(fleet, 4), INPUT_RESULT, effect->id);
    made->input.outcome = outcome;
    made->input.ended = instant_add(fleet->now, duration_seconds(1 + pick(fleet, 3)));
    snprintf(made->text, sizeof made->text, "exit %u", outcome == OUTCOME_SUCCEEDED ? 0 : 1);
    if (effect->kind == EFFECT_DISPATCH && outcome == OUTCOME_SUCCEEDED && pick(fleet, 5) != 0) {
        help(fleet, fleet->grants[effect->grant].action, fleet->targets[effect->target]);
    }
}

static void carry_out(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->effects.count; i++) {
        const struct effect *effect = &fleet->effects.items[i];
        switch (effect->kind) {
        case EFFECT_RECORD:
            ARRAY_RESERVE(fleet->records, fleet->record_count, fleet->record_capacity);
            fleet->records[fleet->record_count] = effect->record;
            fleet->records[fleet->record_count].sequence = fleet->record_count + 1;
            fleet->record_count++;
            break;
        case EFFECT_DISPATCH:
        case EFFECT_PROBE: act(fleet, effect); break;
        case EFFECT_NOTIFY:
            later(fleet, pick(fleet, 2), INPUT_NOTIFIED, effect->id)->input.delivered =
                pick(fleet, 10) != 0;
            break;
        }
    }
}

static const char *const people[] = {"root", "ann", "bob", "cho"};

static void say(struct fleet *fleet, unsigned steps, struct input input)
{
    struct fleet_answer *made = later(fleet, steps, input.kind, input.id);
    input.uid = pick(fleet, ARRAY_LEN(people));
    input.who = people[input.uid];
    made->input = input;
    snprintf(made->text, sizeof made->text, "because");
}

static void speak_of(struct fleet *fleet, uint64_t id)
{
    const struct engine *engine = fleet->program->engine;
    struct approval_view view;
    if (engine_approval(engine, id, &view) && pick(fleet, 6) == 0) {
        const uint32_t plan = pick(fleet, 3) == 0 ? 0 : view.plan + (pick(fleet, 9) == 0);
        say(fleet, 0,
            (struct input){
                .kind = pick(fleet, 5) ? INPUT_APPROVE : INPUT_DENY, .id = id, .plan = plan});
    }
    if (pick(fleet, 60) == 0) {
        say(fleet, 0, (struct input){.kind = INPUT_ACKNOWLEDGE, .id = id});
    }
}

static void speak(struct fleet *fleet)
{
    const struct engine *engine = fleet->program->engine;
    for (size_t i = 0; i < engine_incident_count(engine); i++) {
        speak_of(fleet, engine_incident(engine, i).id);
    }
    if (pick(fleet, 400) == 0) {
        say(fleet, 0,
            (struct input){.kind = INPUT_MODE,
                           .policy = "pod_errors",
                           .mode = (enum mode)pick(fleet, MODE_ACT + 1)});
    }
    if (pick(fleet, 100) == 0) { /* who was demoted is given it back */
        say(fleet, 0, (struct input){.kind = INPUT_MODE, .policy = "pod_errors", .mode = MODE_ACT});
        say(fleet, 0, (struct input){.kind = INPUT_MODE, .policy = "pod_memory", .mode = MODE_ACT});
    }
    if (pick(fleet, 1500) == 0) {
        say(fleet, 0, (struct input){.kind = INPUT_STOP});
        say(fleet, 8 + pick(fleet, 8), (struct input){.kind = INPUT_START});
    }
}

/* The answers that are due, in their order. */
static size_t due(struct fleet *fleet, struct fleet_answer *ret, size_t max)
{
    size_t count = 0, kept = 0;
    for (size_t i = 0; i < fleet->answer_count; i++) {
        struct fleet_answer *waiting = &fleet->answers[i];
        if (count < max && waiting->step <= fleet->steps &&
            waiting->input.ended.ns <= fleet->now.ns) {
            ret[count++] = *waiting;
        } else {
            fleet->answers[kept++] = *waiting;
        }
    }
    fleet->answer_count = kept;
    return count;
}

void fleet_step(struct fleet *fleet)
{
    const struct fleet_options *options = &fleet->options;
    struct fleet_answer answers[64];
    struct input inputs[64];
    fleet->now = instant_add(fleet->now, options->step);
    fleet->steps++;
    if (options->restart_of && pick(fleet, options->restart_of) == 0) {
        fleet_restart(fleet);
    }
    if (options->reload_of && pick(fleet, options->reload_of) == 0) {
        fleet_reload(fleet);
    }
    fleet->life_steps++;
    if (pick(fleet, 700) == 0) {
        outlive(fleet);
    } else if (pick(fleet, 100) == 0) {
        page_again(fleet);
    }
    feed_all(fleet);
    const size_t count = due(fleet, answers, ARRAY_LEN(answers));
    for (size_t i = 0; i < count; i++) {
        inputs[i] = answers[i].input;
        inputs[i].who = inputs[i].who ? inputs[i].who : "hand";
        inputs[i].text = answers[i].text;
    }
    flight_step(fleet->flight, fleet->now, inputs, count);
    fleet->effects.count = 0;
    engine_step(fleet->program->engine, fleet->now, inputs, count, &fleet->effects);
    flight_gave(fleet->flight, &fleet->effects);
    carry_out(fleet);
    speak(fleet);
}
