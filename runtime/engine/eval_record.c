/* Steps within a tick, and series that heal itself writes. */
#include "runtime/engine/eval_record.h"

#include <stdlib.h>
#include <xxhash.h>

#include "runtime/engine/eval_node.h"

/* ---- steps ---- */

enum status eval_step_add(struct eval *eval, struct eval_node *child, eval_step_f *step,
                          void *context, struct error *error)
{
    if (eval->node_count >= EVAL_NODES_MAX) {
        return error_set(error, STATUS_LIMIT, "more than %d distinct operators", EVAL_NODES_MAX);
    }
    code_free(eval); /* the plan is another one now */
    struct eval_node *node = heap_alloc(sizeof *node);
    *node = (struct eval_node){.eval = eval,
                               .index = eval->node_count,
                               .kind = NODE_STEP,
                               .span = child->span,
                               .in = {child},
                               .in_count = 1,
                               .step = step,
                               .step_context = context};
    const uint64_t place[2] = {(uint64_t)NODE_STEP, node->index}; /* two steps are never equal */
    node->hash = XXH3_64bits_withSeed(place, sizeof place, child->hash);
    ARRAY_RESERVE(eval->nodes, eval->node_count, eval->node_capacity);
    eval->nodes[eval->node_count++] = node;
    return STATUS_OK;
}

/* Series that a step has just made are slots of the nodes behind it at this very tick. */
void step_run(struct eval_node *node)
{
    struct eval *eval = node->eval;
    const uint64_t generation = eval->store->generation;
    node->step(node->step_context, eval->now);
    /* Nodes that run early have the slots of those behind them yet to come. */
    if (node->index >= eval->early && eval->store->generation != generation) {
        for (size_t i = node->index + 1; i < eval->node_count; i++) {
            node_slots(eval->nodes[i]);
        }
        code_decide(eval);
    }
}

static struct write *write_of(struct eval *eval, const char *name)
{
    for (size_t i = 0; i < eval->write_count; i++) {
        if (eval->writes[i].name == name) {
            return &eval->writes[i];
        }
    }
    ARRAY_RESERVE(eval->writes, eval->write_count, eval->write_capacity);
    eval->writes[eval->write_count] = (struct write){.name = name};
    return &eval->writes[eval->write_count++];
}

void eval_writes(struct eval *eval, const char *name)
{
    name = store_string(eval->store, name);
    struct write *write = write_of(eval, name);
    write->steps++;
    eval->write_steps++;
    for (size_t i = write->seen; i < eval->node_count; i++) {
        struct eval_node *node = eval->nodes[i];
        if (node->kind == NODE_SELECT && (!node->p.metric || node->p.metric == name)) {
            node->gathers = true; /* its values must outlast what the step writes */
            node->built = false;
        }
    }
    write->seen = eval->node_count;
}

uint32_t eval_write_count(const struct eval *eval, const char *name)
{
    if (!name) {
        return eval->write_steps;
    }
    for (size_t i = 0; i < eval->write_count; i++) {
        if (strcmp(eval->writes[i].name, name) == 0) {
            return eval->writes[i].steps;
        }
    }
    return 0;
}

bool eval_reads(const struct eval *eval, const char *name)
{
    for (size_t i = 0; i < eval->node_count; i++) {
        const struct eval_node *node = eval->nodes[i];
        if (node->kind == NODE_SELECT && (!node->p.metric || strcmp(node->p.metric, name) == 0)) {
            return true;
        }
    }
    for (size_t i = 0; i < eval->sub_count; i++) {
        if (eval_reads(sub_eval(eval->subs[i]), name)) {
            return true;
        }
    }
    return false;
}

bool eval_faulted(const struct eval_node *node)
{
    return node->faulted;
}

uint64_t eval_generation(const struct eval_node *node)
{
    return node->generation;
}

/* ---- what a step writes ---- */

enum status recorder_init(struct recorder *recorder, struct store *store, struct error *error)
{
    /* It answers whenever heal does. */
    const struct duration always = {INT64_MAX / 4};
    *recorder = (struct recorder){.store = store};
    size_t sources = store->source_count;
    TRY(store_source(store, RECORD_SOURCE, always, always, &recorder->source, error));
    if (store->source_count > sources) {
        store->own_sources++;
        store_answered(store, recorder->source, (struct instant){0});
    }
    return STATUS_OK;
}

static void let_go_before(struct recorder *recorder)
{
    for (size_t i = 0; i < recorder->before_count; i++) {
        store_let_go(recorder->store, recorder->before[i]);
    }
    recorder->before_count = 0;
}

void recorder_release(struct recorder *recorder)
{
    if (recorder->store) {
        let_go_before(recorder);
    }
    free(recorder->now);
    free(recorder->before);
    free(recorder->marks);
    *recorder = (struct recorder){0};
}

bool recorder_series(struct recorder *recorder, const char *name, const struct label *labels,
                     size_t count, uint32_t *ret_series)
{
    struct error error;
    return store_series(recorder->store, recorder->source, name, labels, count, ret_series,
                        &error) == STATUS_OK;
}

void recorder_add(struct recorder *recorder, uint32_t series, double value)
{
    ARRAY_RESERVE(recorder->now, recorder->now_count, recorder->now_capacity);
    recorder->now[recorder->now_count++] = (struct written){series, value};
}

static bool same_as_before(const struct recorder *recorder)
{
    bool same = recorder->now_count == recorder->before_count;
    for (size_t i = 0; i < recorder->now_count && same; i++) {
        same = recorder->now[i].series == recorder->before[i];
    }
    return same;
}

static void reserve_marks(struct recorder *recorder)
{
    const size_t words = BIT_WORDS(recorder->store->series_count);
    if (words > recorder->mark_words) {
        recorder->marks = heap_resize(recorder->marks, words * 2 * sizeof *recorder->marks);
        memset(recorder->marks + recorder->mark_words, 0,
               (words * 2 - recorder->mark_words) * sizeof *recorder->marks);
        recorder->mark_words = words * 2;
    }
}

static void clear_marks(struct recorder *recorder)
{
    for (size_t i = 0; i < recorder->now_count; i++) {
        bit_clear(recorder->marks, recorder->now[i].series);
    }
}

/* False when a series is there twice. */
static bool mark_now(struct recorder *recorder)
{
    reserve_marks(recorder);
    for (size_t i = 0; i < recorder->now_count; i++) {
        if (bit_get(recorder->marks, recorder->now[i].series)) {
            clear_marks(recorder);
            return false;
        }
        bit_set(recorder->marks, recorder->now[i].series);
    }
    return true;
}

/* Unless another step has written it at this very time: then it goes on. */
static void end_series(const struct recorder *recorder, uint32_t series, struct instant now)
{
    if (ring_newest_ms(&recorder->store->series[series].ring) < instant_to_ms(now)) {
        store_stale(recorder->store, series, now);
    }
}

/* What was written before and is not now ends; what is written now is held. */
static void replace_before(struct recorder *recorder, struct instant now)
{
    for (size_t i = 0; i < recorder->before_count; i++) {
        if (!bit_get(recorder->marks, recorder->before[i])) {
            end_series(recorder, recorder->before[i], now);
        }
    }
    for (size_t i = 0; i < recorder->now_count; i++) {
        store_hold(recorder->store, recorder->now[i].series);
    }
    let_go_before(recorder);
    for (size_t i = 0; i < recorder->now_count; i++) {
        ARRAY_RESERVE(recorder->before, recorder->before_count, recorder->before_capacity);
        recorder->before[recorder->before_count++] = recorder->now[i].series;
    }
}

bool recorder_end(struct recorder *recorder, struct instant now)
{
    const bool same = same_as_before(recorder), good = same || mark_now(recorder);
    for (size_t i = 0; i < recorder->now_count && good; i++) {
        const struct written *written = &recorder->now[i];
        (void)store_append(recorder->store, written->series, now, now, written->value);
    }
    if (good && !same) {
        replace_before(recorder, now);
        clear_marks(recorder);
    }
    recorder->now_count = 0;
    return good;
}

void recorder_adopt(struct recorder *recorder, struct recorder *from)
{
    CHECK(recorder->store == from->store && recorder->before_count == 0);
    free(recorder->before);
    recorder->before = from->before;
    recorder->before_count = from->before_count;
    recorder->before_capacity = from->before_capacity;
    from->before = NULL;
    from->before_count = from->before_capacity = 0;
}

void recorder_retire(struct recorder *recorder, struct instant now)
{
    for (size_t i = 0; i < recorder->before_count; i++) {
        store_stale(recorder->store, recorder->before[i], now);
    }
    let_go_before(recorder);
}

/* ---- recorded signals ---- */

struct eval_record {
    struct eval *eval;
    struct eval_node *child;
    const char *name;
    struct label labels[POLICY_PAIRS_MAX]; /* given ones; an empty value removes */
    size_t label_count;
    struct duration every;
    struct instant last; /* ns 0: never */
    uint64_t hash;
    struct recorder recorder;
    uint32_t *series; /* of each slot of the child, held; SLOT_NONE until it is first present */
    size_t slots;
    uint64_t generation; /* of the child, that series is for */
    bool doubts;         /* some series is marked as doubtful */
    uint64_t failures, refused;
};

static void doubt(struct eval_record *record, size_t slot, bool doubtful)
{
    struct series *series = &record->eval->store->series[record->series[slot]];
    record->eval->store->doubtful_count += (size_t)doubtful - (size_t)series->doubtful;
    series->doubtful = doubtful;
}

static void forget_slots(struct eval_record *record)
{
    for (size_t i = 0; i < record->slots; i++) {
        if (record->series[i] != SLOT_NONE) {
            doubt(record, i, false);
            store_let_go(record->eval->store, record->series[i]);
        }
    }
    record->slots = 0;
}

static void map_slots(struct eval_record *record)
{
    const struct eval_node *child = record->child;
    if (record->generation == child->generation) {
        return;
    }
    forget_slots(record);
    record->series = heap_resize(record->series, (child->count + 1) * sizeof *record->series);
    for (size_t i = 0; i < child->count; i++) {
        record->series[i] = SLOT_NONE;
    }
    record->slots = child->count;
    record->generation = child->generation;
}

/* The labels of the slot, with those given in their place. */
static bool result_labels(const struct eval_record *record, const struct label_set *from,
                          struct label ret[STORE_LABELS_MAX], size_t *ret_count)
{
    size_t count = 0;
    for (size_t i = 0; i < from->count; i++) {
        const struct label label = label_set_at(from, i);
        bool given = false;
        for (size_t j = 0; j < record->label_count && !given; j++) {
            given = strcmp(record->labels[j].name, label.name) == 0;
        }
        if (!given) {
            ret[count++] = label;
        }
    }
    for (size_t j = 0; j < record->label_count; j++) {
        if (record->labels[j].value[0] == '\0') {
            continue;
        }
        if (count == STORE_LABELS_MAX) {
            return false;
        }
        ret[count++] = record->labels[j];
    }
    *ret_count = count;
    return true;
}

static uint32_t series_of(struct eval_record *record, size_t slot)
{
    struct label labels[STORE_LABELS_MAX];
    size_t count;
    uint32_t *series = &record->series[slot];
    if (*series == SLOT_NONE) {
        if (result_labels(record, record->child->labels[slot], labels, &count) &&
            recorder_series(&record->recorder, record->name, labels, count, series)) {
            store_hold(record->eval->store, *series);
        } else {
            *series = SLOT_NONE;
            record->refused++;
        }
    }
    return *series;
}

static void gather(struct eval_record *record)
{
    const struct eval_node *child = record->child;
    for (size_t w = 0; w < BIT_WORDS(child->count); w++) {
        for (uint64_t bits = child->present[w]; bits; bits &= bits - 1) {
            size_t slot = w * 64 + (size_t)__builtin_ctzll(bits);
            uint32_t series = series_of(record, slot);
            if (series != SLOT_NONE) {
                recorder_add(&record->recorder, series, child->values[slot]);
            }
        }
    }
}

/* What is unknown below is unknown where the signal is read. */
static void note_unknown(struct eval_record *record)
{
    const struct eval_node *child = record->child;
    uint64_t unknown = child->blind;
    for (size_t w = 0; w < BIT_WORDS(child->count); w++) {
        unknown |= child->unknown[w];
    }
    if (!unknown && !record->doubts) {
        return;
    }
    record->doubts = unknown != 0;
    for (size_t i = 0; i < record->slots; i++) {
        if (record->series[i] != SLOT_NONE) {
            doubt(record, i, child->blind || bit_get(child->unknown, i));
        }
    }
}

static void record_step(void *context, struct instant now)
{
    struct eval_record *record = context;
    if (record->last.ns != 0 && now.ns - record->last.ns < record->every.ns) {
        return;
    }
    record->last = now;
    map_slots(record);
    if (record->child->faulted) {
        record->failures++;
        return;
    }
    gather(record);
    if (!recorder_end(&record->recorder, now)) {
        record->failures++;
        record->eval->many_to_many++;
        return;
    }
    note_unknown(record);
}

static uint64_t record_hash(const struct eval_record *record)
{
    uint64_t hash = hash_bytes(record->child->hash, record->name, strlen(record->name) + 1);
    hash = hash_bytes(hash, &record->every.ns, sizeof record->every.ns);
    for (size_t i = 0; i < record->label_count; i++) {
        hash = hash_bytes(hash, record->labels[i].name, strlen(record->labels[i].name) + 1);
        hash = hash_bytes(hash, record->labels[i].value, strlen(record->labels[i].value) + 1);
    }
    return hash;
}

enum status eval_record_add(struct eval *eval, const struct recorded *recorded,
                            struct duration every, struct error *error)
{
    struct eval_node *child = eval_add(eval, recorded->expr, every, error);
    if (!child) {
        return STATUS_LIMIT;
    }
    struct eval_record *record = heap_alloc(sizeof *record);
    record->eval = eval;
    record->child = child;
    record->name = store_string(eval->store, recorded->name.text);
    record->every = every;
    ARRAY_RESERVE(eval->records, eval->record_count, eval->record_capacity);
    eval->records[eval->record_count++] = record;
    for (const struct pair *p = recorded->labels; p; p = p->next) {
        CHECK(record->label_count < POLICY_PAIRS_MAX);
        record->labels[record->label_count++] =
            (struct label){store_string(eval->store, p->name.text), p->value};
    }
    record->hash = record_hash(record);
    TRY(recorder_init(&record->recorder, eval->store, error));
    eval_writes(eval, record->name);
    return eval_step_add(eval, child, record_step, record, error);
}

const struct eval_node *record_reads(const struct eval *eval, size_t index, const char *metric,
                                     struct duration *ret_every)
{
    const struct eval_record *record = eval->records[index];
    *ret_every = record->every;
    return !metric || metric == record->name ? record->child : NULL;
}

void records_free(struct eval *eval)
{
    for (size_t i = 0; i < eval->record_count; i++) {
        struct eval_record *record = eval->records[i];
        forget_slots(record);
        recorder_release(&record->recorder);
        free(record->series);
        free(record);
    }
    free(eval->records);
    free(eval->writes);
}

static struct eval_record *unclaimed(const struct eval *before, uint64_t hash)
{
    for (size_t i = 0; i < before->record_count; i++) {
        struct eval_record *record = before->records[i];
        if (record->hash == hash && record->last.ns != 0) {
            return record;
        }
    }
    return NULL;
}

void records_adopt(struct eval *now, struct eval *before)
{
    for (size_t i = 0; i < now->record_count; i++) {
        struct eval_record *record = now->records[i];
        struct eval_record *from = unclaimed(before, record->hash);
        if (from) {
            recorder_adopt(&record->recorder, &from->recorder);
            record->last = from->last;
            record->failures = from->failures;
            record->refused = from->refused;
            from->last = (struct instant){0};
        }
    }
    for (size_t i = 0; i < before->record_count; i++) {
        forget_slots(before->records[i]);
        recorder_retire(&before->records[i]->recorder, now->now);
    }
}

size_t eval_record_count(const struct eval *eval)
{
    return eval->record_count;
}

struct eval_record_view eval_record(const struct eval *eval, size_t index)
{
    CHECK(index < eval->record_count);
    const struct eval_record *record = eval->records[index];
    return (struct eval_record_view){.name = record->name,
                                     .series = record->recorder.before_count,
                                     .failures = record->failures,
                                     .refused = record->refused};
}
