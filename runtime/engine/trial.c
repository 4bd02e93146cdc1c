/* A policy's own test: givens to samples, the engine on a virtual clock, expectations over its
 * records. */
#include "runtime/engine/trial.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/engine/engine.h"
#include "runtime/engine/trial_judge.h"
#include "runtime/engine/trial_metric.h"

enum {
    TRIAL_EPOCH_S = 1704067200, /* 2024-01-01T00:00:00Z, a Monday */
    TRIAL_MARGIN_S = 1800,      /* after the last time the test names */
    TRIAL_ENTITIES_MAX = 256,
    TRIAL_SERIES_MAX = 4096,
    TRIAL_KEYS_MAX = 16,
    TRIAL_NAMES_MAX = 256,
    TRIAL_UID = 1000 /* of the people in a test */
};

/* One stream of samples: a signal of one entity, a series, or an entity of a made-up inventory. */
struct stream {
    char metric[128];
    struct label labels[STORE_LABELS_MAX];
    size_t label_count;
    const struct expr *subject; /* NULL: always 1 */
    const struct given *shapes[TRIAL_NAMES_MAX];
    size_t shape_count;
    uint32_t source, series;
    struct recording *recording; /* NULL, or the recorded stream whose series this is */
};

struct pool_swap { /* what a made-up inventory replaces while the test runs */
    struct pool *pool;
    struct expr *expr, *ready;
};

struct rehearsal {
    const struct test *test;
    struct program view; /* only the policies of the test's file */
    struct arena arena;
    struct store *store;
    struct stream *streams;
    size_t stream_count;
    struct recording recordings[TRIAL_STREAMS_MAX];
    size_t recording_count;
    struct engine_override overrides[TRIAL_NAMES_MAX];
    size_t override_count;
    struct pool_swap swaps[TRIAL_NAMES_MAX];
    size_t swap_count;
    struct duration step;
    struct { /* when an action last succeeded, for `after ACTION` */
        const char *action;
        struct instant at;
    } done[TRIAL_NAMES_MAX];
    size_t done_count;
    struct instant now;
    struct input inputs[TRIAL_NAMES_MAX];
    size_t input_count;
    struct {
        uint64_t incident;
        struct instant at;
        const struct given *given;
        bool done;
    } answers[TRIAL_NAMES_MAX];
    size_t answer_count;
};

static struct instant trial_start(void)
{
    return (struct instant){TRIAL_EPOCH_S * NS_PER_S};
}

/* ---- which policies, how long, how fine ---- */

static bool same_file(const struct program *program, struct span a, struct span b)
{
    for (const struct file *file = program->files; file; file = file->next) {
        uint32_t start = file->source->base, end = start + (uint32_t)file->source->length;
        if (a.start >= start && a.start <= end) {
            return b.start >= start && b.start <= end;
        }
    }
    return false;
}

static void choose_policies(struct rehearsal *rehearsal, const struct program *program)
{
    rehearsal->view = *program;
    rehearsal->view.policies = NULL;
    struct policy **last = &rehearsal->view.policies;
    for (const struct policy *policy = program->policies; policy; policy = policy->next) {
        if (same_file(program, rehearsal->test->span, policy->span)) {
            struct policy *copy = ARENA_NEW(&rehearsal->arena, struct policy);
            *copy = *policy;
            copy->next = NULL;
            *last = copy;
            last = &copy->next;
        }
    }
}

static struct duration choose_step(const struct program *view)
{
    double step = 0;
    for (const struct policy *policy = view->policies; policy; policy = policy->next) {
        double every = policy->has_every ? policy->every.value : 15;
        step = step == 0 || every < step ? every : step;
    }
    for (const struct recorded *recorded = view->recorded; recorded; recorded = recorded->next) {
        double every = recorded->has_every ? recorded->every.value : 15;
        step = step == 0 || every < step ? every : step;
    }
    return duration_seconds(step == 0 ? 15 : step);
}

static struct duration choose_length(const struct rehearsal *rehearsal)
{
    const struct test *test = rehearsal->test;
    double last = 0;
    struct instant stop = trial_start();
    if (test->has_length) {
        return duration_seconds(test->length.value);
    }
    for (const struct given *given = test->givens; given; given = given->next) {
        double end = (given->has_at ? given->at.value : 0) +
                     (given->kind == GIVEN_RAMPS ? given->over.value : 0);
        last = end > last ? end : last;
    }
    for (const struct expect *expect = test->expects; expect; expect = expect->next) {
        last = expect->has_before && expect->before.value > last ? expect->before.value : last;
        last = expect->has_after && expect->after.value > last ? expect->after.value : last;
    }
    for (size_t i = 0; i < rehearsal->recording_count; i++) {
        struct instant end = recording_end(&rehearsal->recordings[i]);
        stop = end.ns > stop.ns ? end : stop;
    }
    struct duration recorded = instant_sub(stop, trial_start());
    struct duration named = duration_seconds(last);
    if (rehearsal->recording_count == 0) {
        return duration_seconds(last + (double)TRIAL_MARGIN_S);
    }
    return recorded.ns > named.ns ? recorded : named;
}

/* ---- givens to streams ---- */

static const struct signal *signal_named(const struct program *view, const char *name)
{
    for (const struct policy *policy = view->policies; policy; policy = policy->next) {
        for (const struct signal *signal = policy->signals; signal; signal = signal->next) {
            if (strcmp(signal->name.text, name) == 0) {
                return signal;
            }
        }
    }
    return NULL;
}

static const struct pool *pool_of_signal(const struct program *view, const struct signal *signal)
{
    for (const struct policy *policy = view->policies; policy; policy = policy->next) {
        for (const struct signal *s = policy->signals; s; s = s->next) {
            if (s == signal) {
                return policy->resolved;
            }
        }
    }
    return NULL;
}

static bool inventory_is_given(const struct rehearsal *rehearsal, const struct pool *pool)
{
    for (const struct given *given = rehearsal->test->givens; given; given = given->next) {
        if (given->subject && given->subject->kind == EXPR_SELECTOR &&
            expr_names_metric(pool->expr, given->subject->selector.name.text)) {
            return true;
        }
    }
    for (size_t i = 0; i < rehearsal->recording_count; i++) {
        const struct recording *recording = &rehearsal->recordings[i];
        for (size_t s = 0; s < recording->series_count; s++) {
            const char *name = store_series_name(rehearsal->store, recording->series[s].id);
            if (expr_names_metric(pool->expr, name)) {
                return true;
            }
        }
    }
    return false;
}

static const char *matcher_value(const struct expr *subject, const char *label)
{
    for (const struct matcher *m = subject ? subject->selector.matchers : NULL; m; m = m->next) {
        if (strcmp(m->label.text, label) == 0) {
            return m->value;
        }
    }
    return NULL;
}

static struct stream *stream_add(struct rehearsal *rehearsal, const char *metric)
{
    if (rehearsal->stream_count >= TRIAL_SERIES_MAX) {
        return NULL;
    }
    struct stream *stream = &rehearsal->streams[rehearsal->stream_count++];
    snprintf(stream->metric, sizeof stream->metric, "%s", metric);
    return stream;
}

static struct stream *stream_find(struct rehearsal *rehearsal, const char *metric,
                                  const struct label *labels, size_t count)
{
    for (size_t i = 0; i < rehearsal->stream_count; i++) {
        struct stream *stream = &rehearsal->streams[i];
        bool equal = strcmp(stream->metric, metric) == 0 && stream->label_count == count;
        for (size_t l = 0; equal && l < count; l++) {
            equal = strcmp(stream->labels[l].name, labels[l].name) == 0 &&
                    strcmp(stream->labels[l].value, labels[l].value) == 0;
        }
        if (equal) {
            return stream;
        }
    }
    struct stream *stream = stream_add(rehearsal, metric);
    if (stream) {
        memcpy(stream->labels, labels, count * sizeof *labels);
        stream->label_count = count;
    }
    return stream;
}

static bool stream_shape(struct rehearsal *rehearsal, const char *metric,
                         const struct label *labels, size_t count, const struct given *given)
{
    struct stream *stream = stream_find(rehearsal, metric, labels, count);
    if (!stream || stream->shape_count == TRIAL_NAMES_MAX) {
        return false;
    }
    stream->subject = given->subject;
    stream->shapes[stream->shape_count++] = given;
    return true;
}

/* The label tuples of a made-up inventory: those the givens write, or KEY-1. */
static size_t pool_tuples(struct rehearsal *rehearsal, const struct pool *pool,
                          struct label (*ret)[TRIAL_KEYS_MAX], size_t max)
{
    size_t count = 0, keys = 0;
    for (const struct name_list *key = pool ? pool->keys : NULL; key; key = key->next) {
        keys++;
    }
    if (keys == 0 || keys > TRIAL_KEYS_MAX) {
        return 0;
    }
    for (const struct given *given = rehearsal->test->givens; given && count < max;
         given = given->next) {
        size_t k = 0;
        for (const struct name_list *key = pool->keys; key && given->subject; key = key->next) {
            const char *value = matcher_value(given->subject, key->name.text);
            if (!value) {
                break;
            }
            ret[count][k++] = (struct label){key->name.text, value};
        }
        bool seen = k < keys;
        for (size_t i = 0; i < count && !seen; i++) {
            seen = true;
            for (size_t j = 0; j < keys; j++) {
                seen = seen && strcmp(ret[i][j].value, ret[count][j].value) == 0;
            }
        }
        count += !seen;
    }
    if (count == 0) {
        size_t k = 0;
        for (const struct name_list *key = pool->keys; key; key = key->next) {
            ret[0][k++] = (struct label){key->name.text,
                                         arena_printf(&rehearsal->arena, "%s-1", key->name.text)};
        }
        count = 1;
    }
    return count;
}

static bool add_signal_given(struct rehearsal *rehearsal, const struct given *given,
                             const struct signal *signal)
{
    const char *metric = arena_printf(&rehearsal->arena, "heal_test:%s", signal->name.text);
    const struct pool *pool = pool_of_signal(&rehearsal->view, signal);
    bool known = false;
    for (size_t i = 0; i < rehearsal->override_count; i++) {
        known = known || rehearsal->overrides[i].signal == signal;
    }
    if (!known) {
        if (rehearsal->override_count == TRIAL_NAMES_MAX) {
            return false;
        }
        rehearsal->overrides[rehearsal->override_count++] =
            (struct engine_override){signal, metric};
    }
    size_t keys = 0;
    struct label(*tuples)[TRIAL_KEYS_MAX] =
        arena_alloc(&rehearsal->arena, TRIAL_ENTITIES_MAX * sizeof *tuples);
    for (const struct name_list *key = pool ? pool->keys : NULL; key; key = key->next) {
        keys++;
    }
    if (given->subject->selector.matchers || keys == 0) {
        struct label labels[STORE_LABELS_MAX];
        size_t count = 0;
        for (const struct matcher *m = given->subject->selector.matchers;
             m && count < STORE_LABELS_MAX; m = m->next) {
            labels[count++] = (struct label){m->label.text, m->value};
        }
        return stream_shape(rehearsal, metric, labels, count, given);
    }
    size_t count = pool_tuples(rehearsal, pool, tuples, TRIAL_ENTITIES_MAX - 1);
    for (size_t i = 0; i < count; i++) {
        if (!stream_shape(rehearsal, metric, tuples[i], keys, given)) {
            return false;
        }
    }
    return true;
}

static bool add_given(struct rehearsal *rehearsal, const struct given *given)
{
    if (!given->subject) {
        return true;
    }
    const char *name = given->subject->selector.name.text;
    const struct signal *signal = signal_named(&rehearsal->view, name);
    if (signal) {
        return add_signal_given(rehearsal, given, signal);
    }
    struct label labels[STORE_LABELS_MAX];
    size_t count = 0;
    for (const struct matcher *m = given->subject->selector.matchers; m && count < STORE_LABELS_MAX;
         m = m->next) {
        labels[count++] = (struct label){m->label.text, m->value};
    }
    return stream_shape(rehearsal, name, labels, count, given);
}

static bool limits_name(const struct limit *limit, const struct pool *pool)
{
    while (limit && limit->pool != pool) {
        limit = limit->next;
    }
    return limit != NULL;
}

/* Pools that only guards speak of stay as they are: empty, unless the givens fill them. */
static bool pool_is_used(const struct program *view, const struct pool *pool)
{
    for (const struct policy *policy = view->policies; policy; policy = policy->next) {
        if (policy->resolved == pool || limits_name(policy->bounds, pool) ||
            limits_name(policy->keeps, pool)) {
            return true;
        }
    }
    return false;
}

/* A pool that no given speaks of gets an inventory of its own, all of it ready. */
static bool add_inventory(struct rehearsal *rehearsal, struct pool *pool)
{
    if (inventory_is_given(rehearsal, pool)) {
        return true;
    }
    struct label(*tuples)[TRIAL_KEYS_MAX] =
        arena_alloc(&rehearsal->arena, TRIAL_ENTITIES_MAX * sizeof *tuples);
    size_t keys = 0, count = pool_tuples(rehearsal, pool, tuples, TRIAL_ENTITIES_MAX - 1);
    for (const struct name_list *key = pool->keys; key; key = key->next) {
        keys++;
    }
    const char *metric = arena_printf(&rehearsal->arena, "heal_test:pool:%s", pool->name.text);
    for (size_t i = 0; i < count; i++) {
        if (!stream_find(rehearsal, metric, tuples[i], keys)) {
            return false;
        }
    }
    struct expr *selector = ARENA_NEW(&rehearsal->arena, struct expr);
    selector->kind = EXPR_SELECTOR;
    selector->span = pool->span;
    selector->selector.name = (struct name){metric, pool->span};
    selector->type = (struct type){.kind = VALUE_VECTOR};
    if (rehearsal->swap_count == TRIAL_NAMES_MAX) {
        return false;
    }
    rehearsal->swaps[rehearsal->swap_count++] = (struct pool_swap){pool, pool->expr, pool->ready};
    pool->expr = selector;
    if (pool->ready) {
        pool->ready = selector;
    }
    return true;
}

/* ---- samples ---- */

static bool shape_start(const struct rehearsal *rehearsal, const struct given *given,
                        struct instant *ret)
{
    *ret = trial_start();
    if (given->has_at) {
        *ret = instant_add(*ret, duration_seconds(given->at.value));
    }
    if (!given->after_action) {
        return true;
    }
    for (size_t i = 0; i < rehearsal->done_count; i++) {
        if (strcmp(rehearsal->done[i].action, given->action.text) == 0) {
            *ret = rehearsal->done[i].at;
            if (given->has_at) {
                *ret = instant_add(*ret, duration_seconds(given->at.value));
            }
            return true;
        }
    }
    return false;
}

/* The shape that holds at t: of those begun, the one that began last. */
static const struct given *shape_at(const struct rehearsal *rehearsal, const struct stream *stream,
                                    struct instant t, struct instant *ret_start)
{
    const struct given *best = NULL;
    for (size_t i = 0; i < stream->shape_count; i++) {
        struct instant start;
        if (shape_start(rehearsal, stream->shapes[i], &start) && start.ns <= t.ns &&
            (!best || start.ns >= ret_start->ns)) {
            best = stream->shapes[i];
            *ret_start = start;
        }
    }
    return best;
}

static double shape_value(const struct given *shape, struct duration elapsed)
{
    if (shape->kind != GIVEN_RAMPS) {
        return shape->from;
    }
    double part = shape->over.value > 0 ? duration_to_seconds(elapsed) / shape->over.value : 1;
    return shape->from + (shape->to - shape->from) * fmin(part, 1);
}

/* A given of a series that a recording has: the recording plays the rest and answers. */
static void feed_recorded(struct rehearsal *rehearsal, struct stream *stream)
{
    struct instant start = {0};
    const struct given *shape = shape_at(rehearsal, stream, rehearsal->now, &start);
    if (!shape) {
        return;
    }
    recording_mute(stream->recording, stream->series);
    if (shape->kind == GIVEN_UNSEEN) {
        recording_silence(stream->recording);
    } else if (shape->kind != GIVEN_MISSING) {
        double value = shape_value(shape, instant_sub(rehearsal->now, start));
        (void)store_append(rehearsal->store, stream->series, rehearsal->now, rehearsal->now, value);
    }
}

static void feed_stream(struct rehearsal *rehearsal, struct stream *stream)
{
    struct instant start = {0};
    const struct given *shape = shape_at(rehearsal, stream, rehearsal->now, &start);
    double value = 1;
    if (stream->recording) { /* its own source has nothing to say, and says so */
        store_answered(rehearsal->store, stream->source, rehearsal->now);
        feed_recorded(rehearsal, stream);
        return;
    }
    if (stream->shape_count > 0 && (!shape || shape->kind == GIVEN_MISSING)) {
        store_answered(rehearsal->store, stream->source, rehearsal->now);
        return;
    }
    if (shape && shape->kind == GIVEN_UNSEEN) {
        store_failed(rehearsal->store, stream->source, rehearsal->now);
        return;
    }
    if (shape) {
        value = shape_value(shape, instant_sub(rehearsal->now, start));
    }
    (void)store_append(rehearsal->store, stream->series, rehearsal->now, rehearsal->now, value);
    store_answered(rehearsal->store, stream->source, rehearsal->now);
}

/* The recording that has the series of the stream, if one has. */
static struct recording *recording_of(struct rehearsal *rehearsal, struct stream *stream)
{
    struct error ignored;
    for (size_t i = 0; i < rehearsal->recording_count; i++) {
        struct recording *recording = &rehearsal->recordings[i];
        if (store_series(rehearsal->store, recording->source, stream->metric, stream->labels,
                         stream->label_count, &stream->series, &ignored) == STATUS_OK) {
            return recording;
        }
    }
    return NULL;
}

static enum status open_stream(struct rehearsal *rehearsal, struct stream *stream,
                               struct error *error)
{
    enum status status = store_series(rehearsal->store, stream->source, stream->metric,
                                      stream->labels, stream->label_count, &stream->series, error);
    if (status == STATUS_DENIED) { /* another source has it, and only recordings share series */
        stream->recording = recording_of(rehearsal, stream);
        return stream->recording ? STATUS_OK : status;
    }
    return status;
}

static enum status open_streams(struct rehearsal *rehearsal, struct error *error)
{
    for (size_t i = 0; i < rehearsal->stream_count; i++) {
        struct stream *stream = &rehearsal->streams[i];
        char name[64];
        snprintf(name, sizeof name, "given-%zu", i);
        TRY(store_source(rehearsal->store, name, rehearsal->step, rehearsal->step, &stream->source,
                         error));
        TRY(open_stream(rehearsal, stream, error));
    }
    return STATUS_OK;
}

/* A stream that no policy reads would let every test pass that expects nothing to happen. */
static bool recording_is_read(const struct rehearsal *rehearsal, const struct recording *recording)
{
    for (size_t i = 0; i < recording->series_count; i++) {
        const char *name = store_series_name(rehearsal->store, recording->series[i].id);
        if (policies_name_metric(rehearsal->view.policies, name) ||
            guards_name_metric(rehearsal->view.guards, name) ||
            recorded_name_metric(rehearsal->view.recorded, name)) {
            return true;
        }
    }
    return false;
}

static enum status load_streams(struct rehearsal *rehearsal, const struct trial_reader *reader,
                                struct error *error)
{
    for (const struct given *given = rehearsal->test->givens; given; given = given->next) {
        char name[64];
        uint32_t source;
        if (given->kind != GIVEN_STREAM) {
            continue;
        }
        if (!reader || rehearsal->recording_count == TRIAL_STREAMS_MAX) {
            return error_set(error, STATUS_LIMIT, "the test gives more than %d streams",
                             reader ? TRIAL_STREAMS_MAX : 0);
        }
        struct recording *recording = &rehearsal->recordings[rehearsal->recording_count++];
        snprintf(name, sizeof name, "stream-%zu", rehearsal->recording_count);
        TRY(store_source(rehearsal->store, name, rehearsal->step, rehearsal->step, &source, error));
        TRY(reader->load(reader->context, given, rehearsal->store, source, recording, error));
        struct instant start =
            instant_add(trial_start(), duration_seconds(given->has_at ? given->at.value : 0));
        TRY(recording_open(recording, source, start, rehearsal->step, given->path, error));
        if (!recording_is_read(rehearsal, recording)) {
            return error_set(error, STATUS_PROTOCOL,
                             "%.300s: no policy of the test's file reads a metric of the stream",
                             given->path);
        }
    }
    return STATUS_OK;
}

/* ---- what the engine did ---- */

static struct input *input_add(struct rehearsal *rehearsal)
{
    if (rehearsal->input_count == TRIAL_NAMES_MAX) {
        return NULL;
    }
    struct input *input = &rehearsal->inputs[rehearsal->input_count++];
    *input = (struct input){.who = "the test", .uid = TRIAL_UID, .text = ""};
    return input;
}

static bool is_answered(const struct rehearsal *rehearsal, const struct given *given,
                        uint64_t incident)
{
    for (size_t i = 0; i < rehearsal->answer_count; i++) {
        if (rehearsal->answers[i].given == given && rehearsal->answers[i].incident == incident) {
            return true;
        }
    }
    return false;
}

/* A question is answered each time, the first page of an incident once. */
static void note_answer(struct rehearsal *rehearsal, const struct record *record)
{
    for (const struct given *given = rehearsal->test->givens; given; given = given->next) {
        const bool wanted = record->kind == RECORD_ASKED
                                ? given->kind == GIVEN_APPROVAL
                                : given->kind == GIVEN_ACKNOWLEDGEMENT &&
                                      !is_answered(rehearsal, given, record->incident);
        if (wanted && rehearsal->answer_count < TRIAL_NAMES_MAX) {
            size_t n = rehearsal->answer_count++;
            rehearsal->answers[n].incident = record->incident;
            rehearsal->answers[n].given = given;
            rehearsal->answers[n].at =
                instant_add(rehearsal->now, duration_seconds(given->has_at ? given->at.value : 0));
        }
    }
}

static void note_done(struct rehearsal *rehearsal, const char *action)
{
    for (size_t i = 0; i < rehearsal->done_count; i++) {
        if (strcmp(rehearsal->done[i].action, action) == 0) {
            rehearsal->done[i].at = rehearsal->now;
            return;
        }
    }
    if (rehearsal->done_count < TRIAL_NAMES_MAX) {
        rehearsal->done[rehearsal->done_count].action = arena_strdup(&rehearsal->arena, action);
        rehearsal->done[rehearsal->done_count++].at = rehearsal->now;
    }
}

static void note_record(struct rehearsal *rehearsal, struct trial *trial,
                        const struct record *record)
{
    if (trial->event_count >= TRIAL_EVENTS_MAX) {
        return;
    }
    ARRAY_RESERVE(trial->events, trial->event_count, trial->event_capacity);
    struct trial_event *event = &trial->events[trial->event_count++];
    event->at = instant_sub(record->time, trial_start());
    event->kind = record->kind;
    memcpy(event->action, record->action, sizeof event->action);
    memcpy(event->target, record->target, sizeof event->target);
    memcpy(event->policy, record->policy, sizeof event->policy);
    memcpy(event->text, record->text, sizeof event->text);
    if (record->kind == RECORD_ASKED || (record->kind == RECORD_ESCALATED && record->incident)) {
        note_answer(rehearsal, record);
    } else if (record->kind == RECORD_SUCCEEDED) {
        note_done(rehearsal, record->action);
    }
}

static void take_effects(struct rehearsal *rehearsal, struct trial *trial,
                         const struct effects *effects)
{
    rehearsal->input_count = 0;
    for (size_t i = 0; i < effects->count; i++) {
        const struct effect *effect = &effects->items[i];
        struct input *input;
        switch (effect->kind) {
        case EFFECT_RECORD: note_record(rehearsal, trial, &effect->record); break;
        case EFFECT_DISPATCH:
            if ((input = input_add(rehearsal))) {
                input->kind = INPUT_RESULT;
                input->id = effect->id;
                input->outcome = OUTCOME_SUCCEEDED;
                input->ended = rehearsal->now;
            }
            break;
        case EFFECT_PROBE: break;
        case EFFECT_NOTIFY:
            if ((input = input_add(rehearsal))) {
                input->kind = INPUT_NOTIFIED;
                input->id = effect->id;
                input->delivered = true;
            }
            break;
        }
    }
}

static void give_answers(struct rehearsal *rehearsal)
{
    for (size_t i = 0; i < rehearsal->answer_count; i++) {
        struct input *input;
        if (!rehearsal->answers[i].done && rehearsal->answers[i].at.ns <= rehearsal->now.ns &&
            (input = input_add(rehearsal))) {
            const struct given *given = rehearsal->answers[i].given;
            input->kind = given->kind == GIVEN_ACKNOWLEDGEMENT ? INPUT_ACKNOWLEDGE
                          : given->denied                      ? INPUT_DENY
                                                               : INPUT_APPROVE;
            input->id = rehearsal->answers[i].incident;
            input->who = given->who.text ? given->who.text : input->who;
            rehearsal->answers[i].done = true;
        }
    }
}

/* ---- the run ---- */

static enum status rehearse(struct rehearsal *rehearsal, struct trial *trial, struct error *error)
{
    struct engine_host host = {
        .default_mode = MODE_ACT,
        .guarded = true,
        .rehearsal = true,
        .tick = rehearsal->step,
        .overrides = rehearsal->overrides,
        .override_count = rehearsal->override_count,
        .epoch = 1,
    };
    struct engine *engine = engine_new(&rehearsal->view, rehearsal->store, &host, error);
    if (!engine) {
        return STATUS_LIMIT;
    }
    struct effects effects = {0};
    rehearsal->now = trial_start();
    struct instant end = instant_add(rehearsal->now, trial->length);
    while (rehearsal->now.ns <= end.ns && trial->ticks < TRIAL_TICKS_MAX) {
        for (size_t i = 0; i < rehearsal->stream_count; i++) {
            feed_stream(rehearsal, &rehearsal->streams[i]);
        }
        for (size_t i = 0; i < rehearsal->recording_count; i++) {
            recording_play(&rehearsal->recordings[i], rehearsal->store, rehearsal->now);
        }
        give_answers(rehearsal);
        effects.count = 0;
        engine_step(engine, rehearsal->now, rehearsal->inputs, rehearsal->input_count, &effects);
        take_effects(rehearsal, trial, &effects);
        trial->ticks++;
        rehearsal->now = instant_add(rehearsal->now, rehearsal->step);
    }
    effects_release(&effects);
    engine_free(engine);
    return STATUS_OK;
}

static enum status prepare(struct rehearsal *rehearsal, struct program *program,
                           const struct trial_reader *reader, struct error *error)
{
    choose_policies(rehearsal, program);
    rehearsal->step = choose_step(&rehearsal->view);
    rehearsal->now = trial_start();
    TRY(load_streams(rehearsal, reader, error));
    for (const struct given *given = rehearsal->test->givens; given; given = given->next) {
        if (!add_given(rehearsal, given)) {
            return error_set(error, STATUS_LIMIT, "the test gives more than %d series",
                             TRIAL_SERIES_MAX);
        }
    }
    for (struct pool *pool = program->pools; pool; pool = pool->next) {
        if (pool_is_used(&rehearsal->view, pool) && !add_inventory(rehearsal, pool)) {
            return error_set(error, STATUS_LIMIT, "the test gives more than %d series",
                             TRIAL_SERIES_MAX);
        }
    }
    return open_streams(rehearsal, error);
}

enum status trial_run(struct program *program, const struct test *test,
                      const struct trial_reader *reader, struct trial *ret_trial,
                      struct error *error)
{
    struct rehearsal *rehearsal = heap_alloc(sizeof *rehearsal);
    rehearsal->test = test;
    rehearsal->store = store_new(&(struct store_limits){.series_max = TRIAL_SERIES_MAX});
    rehearsal->streams = heap_alloc(TRIAL_SERIES_MAX * sizeof *rehearsal->streams);
    enum status status = prepare(rehearsal, program, reader, error);
    if (status == STATUS_OK) {
        ret_trial->length = choose_length(rehearsal);
        status = rehearse(rehearsal, ret_trial, error);
    }
    for (size_t i = 0; i < rehearsal->swap_count; i++) {
        rehearsal->swaps[i].pool->expr = rehearsal->swaps[i].expr;
        rehearsal->swaps[i].pool->ready = rehearsal->swaps[i].ready;
    }
    for (const struct expect *expect = test->expects; status == STATUS_OK && expect;
         expect = expect->next) {
        trial_judge(ret_trial, expect);
    }
    for (size_t i = 0; i < rehearsal->recording_count; i++) {
        recording_release(&rehearsal->recordings[i]);
    }
    store_free(rehearsal->store);
    arena_release(&rehearsal->arena);
    free(rehearsal->streams);
    free(rehearsal);
    return status;
}

void trial_release(struct trial *trial)
{
    free(trial->events);
    free(trial->failures);
    *trial = (struct trial){0};
}
