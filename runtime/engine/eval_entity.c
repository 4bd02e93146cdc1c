/* Entities of a pool, and conditions read per entity. */
#include <stdlib.h>

#include "runtime/engine/eval_node.h"

#define GONE_NS    (3600 * NS_PER_S)
#define FOREVER_MS 4000000000000LL /* before all times, and still an instant in nanoseconds */
enum { ENTITIES_MAX = 2000000, LARGEST_MINUTES = 61, MINUTE_MS = 60000 };

struct eval_entities {
    struct eval *eval;
    struct eval_node *node; /* NULL: one entity without labels */
    const char *keys[EVAL_NAMES_MAX];
    size_t key_count;
    size_t count, capacity;
    const struct label_set **labels;
    int64_t *gone_ns; /* when it was last live */
    uint64_t *live, *before, *reused;
    struct table table;
    uint32_t *map; /* slot of the node -> entity, SLOT_NONE until it is first present */
    bool map_same;
    uint64_t map_generation, generation;
    uint32_t next_free; /* where the search for a slot to use again goes on within a tick */
    bool complete, ticked;
    size_t live_count;
    int64_t minutes[LARGEST_MINUTES]; /* which minute a bucket is of */
    size_t largest[LARGEST_MINUTES];
};

struct operand {
    struct eval_node *node;
    uint32_t *slots, *entities; /* pairs */
    size_t count, slot_capacity, entity_capacity;
    bool same; /* slot i is entity i */
    uint64_t seen_node, seen_entities;
};
struct eval_watch {
    struct eval *eval;
    struct eval_entities *entities;
    struct operand operands[EVAL_OPERANDS_MAX];
    size_t operand_count;
    struct reach { /* a selector below the watch, and how far back its samples are relied on */
        struct eval_node *selector; /* NULL: all below a subquery or @ */
        int64_t back_ms;
    } *reaches;
    size_t reach_count, reach_capacity;
    bool reached; /* reaches are known: at the first tick, when every operator is added */
    uint64_t *yes, *unknown, *one_yes, *one_unknown, *sure;
    size_t capacity;
};

/* ---- entities ---- */

static void *grow(void *p, size_t old, size_t count, size_t size)
{
    p = heap_resize(p, count * size);
    memset((char *)p + old * size, 0, (count - old) * size);
    return p;
}

static void entities_reserve(struct eval_entities *e, size_t wanted)
{
    if (wanted <= e->capacity) {
        return;
    }
    size_t old = e->capacity, capacity = old ? old : 64;
    while (capacity < wanted) {
        capacity *= 2;
    }
    size_t old_words = BIT_WORDS(old), words = BIT_WORDS(capacity);
    e->labels = grow(e->labels, old, capacity, sizeof *e->labels);
    e->gone_ns = grow(e->gone_ns, old, capacity, sizeof *e->gone_ns);
    e->live = grow(e->live, old_words, words, sizeof *e->live);
    e->before = grow(e->before, old_words, words, sizeof *e->before);
    e->reused = grow(e->reused, old_words, words, sizeof *e->reused);
    e->capacity = capacity;
}

static uint32_t entities_find(const struct eval_entities *e, const struct label_set *labels)
{
    size_t cursor = SIZE_MAX;
    uint32_t at;
    while ((at = table_next(&e->table, labels->hash, &cursor)) != SLOT_NONE) {
        if (e->labels[at] == labels) {
            return at;
        }
    }
    return SLOT_NONE;
}

/* Inventory slots of the entity that was there before are without an entity again. */
static void map_forget(struct eval_entities *e, uint32_t entity)
{
    for (size_t i = 0; i < e->node->count; i++) {
        e->map[i] = e->map[i] == entity ? SLOT_NONE : e->map[i];
    }
}

/* A slot gone for an hour, else a new one; SLOT_NONE when there are too many. */
static uint32_t entities_place(struct eval_entities *e)
{
    for (; e->next_free < e->count; e->next_free++) {
        uint32_t i = e->next_free;
        if (!bit_get(e->live, i) && !bit_get(e->before, i) && !bit_get(e->reused, i) &&
            e->eval->now.ns - e->gone_ns[i] > GONE_NS) {
            table_remove(&e->table, e->labels[i]->hash, i);
            label_set_drop(e->eval->store, e->labels[i]);
            bit_set(e->reused, i);
            map_forget(e, i);
            return i;
        }
    }
    if (e->count >= ENTITIES_MAX) {
        return SLOT_NONE;
    }
    entities_reserve(e, e->count + 1);
    return (uint32_t)e->count++;
}

static uint32_t entities_add(struct eval_entities *e, const struct label_set *labels)
{
    uint32_t at = entities_find(e, labels);
    if (at != SLOT_NONE) {
        return at;
    }
    at = entities_place(e);
    if (at != SLOT_NONE) {
        e->labels[at] = labels;
        label_set_hold(labels);
        e->gone_ns[at] = e->eval->now.ns;
        table_add(&e->table, labels->hash, at);
        e->generation++;
    }
    return at;
}

static const struct label_set *key_of(const struct eval_entities *e, const struct label_set *labels)
{
    return store_project(e->eval->store, labels, e->keys, e->key_count, true);
}

static void map_build(struct eval_entities *e)
{
    const struct eval_node *node = e->node;
    e->map = heap_resize(e->map, (node->count + 1) * sizeof *e->map);
    for (size_t i = 0; i < node->count; i++) {
        e->map[i] = entities_find(e, key_of(e, node->labels[i]));
    }
    e->map_generation = node->generation;
}

/* Entities seen for the first time, in the order of the inventory. */
static bool map_complete(struct eval_entities *e)
{
    const struct eval_node *node = e->node;
    bool all = true;
    for (size_t i = 0; i < node->count; i++) {
        if (e->map[i] == SLOT_NONE && bit_get(node->present, i)) {
            e->map[i] = entities_add(e, key_of(e, node->labels[i]));
            all &= e->map[i] != SLOT_NONE;
        }
    }
    e->map_same = node->count == e->count;
    for (size_t i = 0; i < node->count && e->map_same; i++) {
        e->map_same = e->map[i] == i;
    }
    return all;
}

static void live_collect(struct eval_entities *e)
{
    const struct eval_node *node = e->node;
    const size_t words = BIT_WORDS(e->count);
    if (words == 0) {
        return; /* no entity was ever there, and no memory for one */
    }
    if (e->map_same) {
        memcpy(e->live, node->present, words * sizeof *e->live);
        return;
    }
    memset(e->live, 0, words * sizeof *e->live);
    for (size_t i = 0; i < node->count; i++) {
        if (e->map[i] != SLOT_NONE && bit_get(node->present, i)) {
            bit_set(e->live, e->map[i]);
        }
    }
}

/* Counts the living, and notes the time for those that have just gone. */
static void live_count(struct eval_entities *e)
{
    e->live_count = 0;
    for (size_t w = 0; w < BIT_WORDS(e->count); w++) {
        e->live_count += (size_t)__builtin_popcountll(e->live[w]);
        for (uint64_t gone = e->before[w] & ~e->live[w]; gone; gone &= gone - 1) {
            e->gone_ns[w * 64 + (size_t)__builtin_ctzll(gone)] = e->eval->now.ns;
        }
    }
    if (e->complete) {
        int64_t minute = e->eval->now_ms / MINUTE_MS;
        size_t at = (size_t)(minute % LARGEST_MINUTES + LARGEST_MINUTES) % LARGEST_MINUTES;
        size_t largest = e->minutes[at] == minute ? e->largest[at] : 0;
        e->minutes[at] = minute;
        e->largest[at] = e->live_count > largest ? e->live_count : largest;
    }
}

void entities_tick(struct eval_entities *e)
{
    const size_t words = BIT_WORDS(e->count);
    bool room = true;
    if (words > 0) {
        memcpy(e->before, e->live, words * sizeof *e->live);
        memset(e->reused, 0, words * sizeof *e->reused);
    }
    e->ticked = true;
    e->next_free = 0;
    if (!e->node) {
        e->live[0] = 1;
        e->complete = true;
        live_count(e);
        return;
    }
    if (e->map_generation != e->node->generation) {
        map_build(e);
        e->map_same = false;
    }
    uint64_t unknown = 0;
    for (size_t w = 0; w < BIT_WORDS(e->node->count); w++) {
        unknown |= e->node->unknown[w];
    }
    if (!e->map_same || e->node->count != e->count) {
        room = map_complete(e);
    }
    live_collect(e);
    e->complete = !e->node->blind && unknown == 0 && room;
    live_count(e);
}

static bool keys_copy(struct eval_entities *e, const struct name_list *list, struct error *error)
{
    for (; list; list = list->next) {
        if (e->key_count == EVAL_NAMES_MAX) {
            error_set(error, STATUS_LIMIT, "a pool has more than %d keys", EVAL_NAMES_MAX);
            return false;
        }
        e->keys[e->key_count++] = store_string(e->eval->store, list->name.text);
    }
    return true;
}

struct eval_entities *eval_entities_new(struct eval *eval, const struct pool *pool,
                                        struct duration every, struct error *error)
{
    struct eval_entities *e = heap_alloc(sizeof *e);
    e->eval = eval;
    e->generation = 1;
    memset(e->minutes, 0xff, sizeof e->minutes);
    if (pool) {
        e->node = eval_add_unnamed(eval, pool->expr, every, error);
        if (!e->node || !keys_copy(e, pool->keys, error)) {
            entities_free(e);
            return NULL;
        }
    } else {
        entities_add(e, store_intern(eval->store, NULL, 0));
    }
    ARRAY_RESERVE(eval->entities, eval->entities_count, eval->entities_capacity);
    eval->entities[eval->entities_count++] = e;
    return e;
}

struct eval_entities *eval_entities_one(struct eval *eval, const char *label, const char *value)
{
    struct eval_entities *e = heap_alloc(sizeof *e);
    e->eval = eval;
    e->generation = 1;
    memset(e->minutes, 0xff, sizeof e->minutes);
    e->keys[e->key_count++] = store_string(eval->store, label);
    entities_add(e, store_intern(eval->store, &(struct label){label, value}, 1));
    ARRAY_RESERVE(eval->entities, eval->entities_count, eval->entities_capacity);
    eval->entities[eval->entities_count++] = e;
    return e;
}

void entities_free(struct eval_entities *e)
{
    for (size_t i = 0; i < e->count; i++) {
        label_set_drop(e->eval->store, e->labels[i]);
    }
    free(e->labels);
    free(e->gone_ns);
    free(e->live);
    free(e->before);
    free(e->reused);
    free(e->map);
    table_release(&e->table);
    free(e);
}

bool entities_same(const struct eval_entities *a, const struct eval_entities *b)
{
    if ((a->node == NULL) != (b->node == NULL) || a->key_count != b->key_count ||
        (a->node ? a->node->hash != b->node->hash : a->labels[0] != b->labels[0])) {
        return false;
    }
    for (size_t i = 0; i < a->key_count; i++) {
        if (a->keys[i] != b->keys[i]) {
            return false;
        }
    }
    return true;
}

void entities_adopt(struct eval_entities *now, struct eval_entities *before)
{
    table_clear(&now->table);
    for (size_t i = 0; i < now->count; i++) {
        label_set_drop(now->eval->store, now->labels[i]);
    }
    now->count = 0;
    entities_reserve(now, before->count);
    for (size_t i = 0; i < before->count; i++) {
        now->labels[i] = before->labels[i];
        label_set_hold(now->labels[i]);
        now->gone_ns[i] = before->gone_ns[i];
        table_add(&now->table, now->labels[i]->hash, (uint32_t)i);
    }
    now->count = before->count;
    if (now->count > 0) {
        memcpy(now->live, before->live, BIT_WORDS(now->count) * sizeof *now->live);
    }
    memcpy(now->minutes, before->minutes, sizeof now->minutes);
    memcpy(now->largest, before->largest, sizeof now->largest);
    now->live_count = before->live_count;
    now->complete = before->complete;
    now->map_generation = 0;
    now->map_same = false;
    now->generation++;
}

size_t eval_entities_count(const struct eval_entities *e)
{
    return e->count;
}
const uint64_t *eval_entities_live(const struct eval_entities *e)
{
    return e->live;
}
const uint64_t *eval_entities_reused(const struct eval_entities *e)
{
    return e->reused;
}
const struct label_set *eval_entities_labels(const struct eval_entities *e, size_t slot)
{
    CHECK(slot < e->count);
    return e->labels[slot];
}
bool eval_entities_complete(const struct eval_entities *e)
{
    return e->ticked && e->complete;
}
size_t eval_entities_live_count(const struct eval_entities *e)
{
    return e->live_count;
}

size_t eval_entities_largest(const struct eval_entities *e)
{
    int64_t minute = e->eval->now_ms / MINUTE_MS;
    size_t largest = 0;
    for (size_t i = 0; i < LARGEST_MINUTES; i++) {
        if (e->minutes[i] >= 0 && e->minutes[i] > minute - LARGEST_MINUTES &&
            e->largest[i] > largest) {
            largest = e->largest[i];
        }
    }
    return largest;
}

/* ---- watches ---- */

/* `a or b` is several operands; with on() or ignoring() it is one. */
static bool watch_operands(struct eval_watch *watch, const struct expr *expr, struct duration every,
                           int depth, struct error *error)
{
    expr = strip_parens(expr);
    if (depth < EVAL_DEPTH_MAX && expr->kind == EXPR_BINARY && expr->binary.op == OPERATOR_OR &&
        !expr->binary.matching.present) {
        return watch_operands(watch, expr->binary.left, every, depth + 1, error) &&
               watch_operands(watch, expr->binary.right, every, depth + 1, error);
    }
    if (watch->operand_count == EVAL_OPERANDS_MAX) {
        error_set(error, STATUS_LIMIT, "more than %d operands of 'or'", EVAL_OPERANDS_MAX);
        return false;
    }
    struct eval_node *node = eval_add_unnamed(watch->eval, expr, every, error);
    watch->operands[watch->operand_count] = (struct operand){.node = node};
    watch->operand_count += node != NULL;
    return node != NULL;
}

static int64_t node_back_ms(const struct eval_node *node);

/* Of all that is evaluated below a subquery or @, at most. */
static int64_t sub_back_ms(const struct eval *sub)
{
    int64_t back = sub->store->lookback_ms;
    for (size_t i = 0; i < sub->node_count && back < FOREVER_MS; i++) {
        const struct eval_node *node = sub->nodes[i];
        const bool recorded =
            node->kind == NODE_SELECT && eval_write_count(sub->root, node->p.metric) > 0;
        back += node_back_ms(node) + (node->sub ? sub_back_ms(sub_eval(node->sub)) : 0);
        back = recorded ? FOREVER_MS : back; /* not looked through: then nothing is new enough */
    }
    return back < FOREVER_MS ? back : FOREVER_MS;
}

static int64_t node_back_ms(const struct eval_node *node)
{
    const int64_t offset_ms = node->p.offset.ns > 0 ? node->p.offset.ns / NS_PER_MS : 0;
    switch (node->kind) {
    case NODE_WINDOW:
    case NODE_FORECAST: return node->p.range.ns / NS_PER_MS + offset_ms;
    case NODE_PAST: return offset_ms;
    case NODE_AT: return FOREVER_MS;
    case NODE_NUMBER:
    case NODE_TIME:
    case NODE_SELECT:
    case NODE_SAMPLED:
    case NODE_REACHES:
    case NODE_BINARY:
    case NODE_SET:
    case NODE_AGGREGATE:
    case NODE_PICK:
    case NODE_COUNT_VALUES:
    case NODE_HISTOGRAM:
    case NODE_RENAME:
    case NODE_END:
    case NODE_MATH:
    case NODE_SCALAR:
    case NODE_VECTOR:
    case NODE_TIMESTAMP:
    case NODE_SORT:
    case NODE_LABELS:
    case NODE_ABSENT:
    case NODE_EWMA:
    case NODE_MOMENTS:
    case NODE_ZSCORE:
    case NODE_ZSCORE_COMPARE:
    case NODE_STEP: return 0;
    }
    return 0;
}

/* How far back what is below a node is relied on: 0 is not below, else one more. Children stand
 * before their parents, so one pass from the end marks all. */
static void mark_below(const struct eval *eval, int64_t *below)
{
    for (size_t i = eval->node_count; i-- > 0;) {
        const struct eval_node *node = eval->nodes[i];
        int64_t back = below[i] + node_back_ms(node);
        back = back < FOREVER_MS ? back : FOREVER_MS;
        for (size_t j = 0; below[i] && j < node->in_count; j++) {
            int64_t *child = &below[node->in[j]->index];
            *child = back > *child ? back : *child;
        }
    }
}

/* What a recorded signal is made of is relied on too, as old as its evaluation may be. True when
 * that was news. */
static bool mark_recorded(const struct eval *eval, const struct eval_node *select, int64_t *below)
{
    bool news = false;
    for (size_t i = 0; i < eval->record_count; i++) {
        struct duration every;
        const struct eval_node *child = record_reads(eval, i, select->p.metric, &every);
        int64_t back = below[select->index] + every.ns / NS_PER_MS;
        if (child && back > below[child->index]) {
            below[child->index] = back;
            news = true;
        }
    }
    return news;
}

/* A signal that reads itself never comes to an end: it remembers everything. */
static void mark_all(const struct eval *eval, int64_t *below)
{
    enum { ROUNDS_MAX = 64 };
    bool news = true;
    for (int round = 0; news; round++) {
        mark_below(eval, below);
        news = false;
        for (size_t i = 0; i < eval->node_count; i++) {
            bool select = below[i] && eval->nodes[i]->kind == NODE_SELECT;
            if (select && round == ROUNDS_MAX) {
                below[i] = FOREVER_MS;
            } else if (select) {
                news |= mark_recorded(eval, eval->nodes[i], below);
            }
        }
    }
}

static void watch_reaches(struct eval_watch *watch)
{
    struct eval *eval = watch->eval;
    int64_t *below = heap_alloc(eval->node_count * sizeof *below);
    for (size_t j = 0; j < watch->operand_count; j++) {
        below[watch->operands[j].node->index] = 1;
    }
    mark_all(eval, below);
    for (size_t i = 0; i < eval->node_count; i++) {
        struct eval_node *node = eval->nodes[i];
        if (below[i] && (node->kind == NODE_SELECT || node->sub)) {
            int64_t back = below[i] - 1;
            back += node->sub ? node_back_ms(node) + sub_back_ms(sub_eval(node->sub)) : 0;
            ARRAY_RESERVE(watch->reaches, watch->reach_count, watch->reach_capacity);
            watch->reaches[watch->reach_count++] =
                (struct reach){node->sub ? NULL : node, back < FOREVER_MS ? back : FOREVER_MS};
        }
    }
    watch->reached = true;
    free(below);
}

struct eval_watch *eval_watch_new(struct eval *eval, struct eval_entities *entities,
                                  const struct expr *expr, struct duration every,
                                  struct error *error)
{
    struct eval_watch *watch = heap_alloc(sizeof *watch);
    watch->eval = eval;
    watch->entities = entities;
    if (!watch_operands(watch, expr, every, 0, error)) {
        watch_free(watch);
        return NULL;
    }
    ARRAY_RESERVE(eval->watches, eval->watch_count, eval->watch_capacity);
    eval->watches[eval->watch_count++] = watch;
    return watch;
}

void watch_free(struct eval_watch *watch)
{
    for (size_t i = 0; i < watch->operand_count; i++) {
        free(watch->operands[i].slots);
        free(watch->operands[i].entities);
    }
    free(watch->reaches);
    free(watch->yes);
    free(watch->unknown);
    free(watch->one_yes);
    free(watch->one_unknown);
    free(watch->sure);
    free(watch);
}

static void pair_add(struct operand *operand, uint32_t slot, uint32_t entity)
{
    ARRAY_RESERVE(operand->slots, operand->count, operand->slot_capacity);
    ARRAY_RESERVE(operand->entities, operand->count, operand->entity_capacity);
    operand->slots[operand->count] = slot;
    operand->entities[operand->count++] = entity;
}

/* True when labels has every key; then one look-up finds the entity. */
static bool has_all_keys(const struct eval_entities *e, const struct label_set *labels)
{
    for (size_t i = 0; i < e->key_count; i++) {
        if (!label_set_get(labels, e->keys[i])) {
            return false;
        }
    }
    return true;
}

/* key: the entity's keys that the slot carries. */
static bool key_matches(const struct label_set *entity, const struct label_set *key)
{
    for (size_t i = 0; i < key->count; i++) {
        const struct label label = label_set_at(key, i);
        const char *value = label_set_get(entity, label.name);
        if (!value || strcmp(value, label.value) != 0) {
            return false;
        }
    }
    return true;
}

static void operand_pairs(const struct eval_entities *e, struct operand *operand)
{
    const struct eval_node *node = operand->node;
    operand->count = 0;
    operand->same = node->count == e->count;
    for (uint32_t i = 0; i < node->count; i++) {
        const struct label_set *key = key_of(e, node->labels[i]);
        uint32_t entity = entities_find(e, key);
        if (entity != SLOT_NONE) {
            pair_add(operand, i, entity);
        } else if (!has_all_keys(e, key)) {
            for (uint32_t j = 0; j < e->count; j++) {
                if (key_matches(e->labels[j], key)) {
                    pair_add(operand, i, j);
                }
            }
        }
    }
    operand->same &= operand->count == e->count;
    for (size_t i = 0; i < operand->count && operand->same; i++) {
        operand->same = operand->slots[i] == i && operand->entities[i] == i;
    }
    operand->seen_node = node->generation;
    operand->seen_entities = e->generation;
}

static void watch_reserve(struct eval_watch *watch)
{
    if (watch->capacity >= watch->entities->capacity && watch->yes) {
        return;
    }
    size_t old = BIT_WORDS(watch->capacity), words = BIT_WORDS(watch->entities->capacity) + 1;
    uint64_t **all[] = {&watch->yes, &watch->unknown, &watch->one_yes, &watch->one_unknown,
                        &watch->sure};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        *all[i] = grow(*all[i], old, words, sizeof **all[i]);
    }
    watch->capacity = watch->entities->capacity;
}

/* Truth of one operand per entity, into one_yes and one_unknown. */
static void operand_read(struct eval_watch *watch, const struct operand *operand)
{
    const struct eval_node *node = operand->node;
    const size_t count = watch->entities->count, words = BIT_WORDS(count);
    if (operand->same) {
        memcpy(watch->one_yes, node->present, words * sizeof *watch->one_yes);
        memcpy(watch->one_unknown, node->unknown, words * sizeof *watch->one_unknown);
    } else {
        memset(watch->one_yes, 0, words * sizeof *watch->one_yes);
        memset(watch->one_unknown, 0, words * sizeof *watch->one_unknown);
        for (size_t i = 0; i < operand->count; i++) {
            if (bit_get(node->present, operand->slots[i])) {
                bit_set(watch->one_yes, operand->entities[i]);
            }
            if (bit_get(node->unknown, operand->slots[i])) {
                bit_set(watch->one_unknown, operand->entities[i]);
            }
        }
    }
    for (size_t w = 0; node->blind && w < words; w++) {
        watch->one_unknown[w] =
            w + 1 < words || count % 64 == 0 ? UINT64_MAX : (1ULL << (count % 64)) - 1;
    }
}

void watch_tick(struct eval_watch *watch)
{
    watch_reserve(watch);
    if (!watch->reached) {
        watch_reaches(watch);
    }
    const size_t words = BIT_WORDS(watch->entities->count);
    for (size_t w = 0; w < words; w++) {
        watch->yes[w] = watch->unknown[w] = watch->sure[w] = 0;
    }
    for (size_t i = 0; i < watch->operand_count; i++) {
        struct operand *operand = &watch->operands[i];
        if (operand->seen_node != operand->node->generation ||
            operand->seen_entities != watch->entities->generation) {
            operand_pairs(watch->entities, operand);
        }
        operand_read(watch, operand);
        for (size_t w = 0; w < words; w++) {
            watch->yes[w] |= watch->one_yes[w];
            watch->unknown[w] |= watch->one_unknown[w];
            watch->sure[w] |= watch->one_yes[w] & ~watch->one_unknown[w];
        }
    }
    for (size_t w = 0; w < words; w++) {
        watch->unknown[w] &= ~watch->sure[w];
    }
}

const uint64_t *eval_watch_yes(const struct eval_watch *watch)
{
    return watch->yes;
}
const uint64_t *eval_watch_unknown(const struct eval_watch *watch)
{
    return watch->unknown;
}

bool eval_watch_value(const struct eval_watch *watch, size_t slot, double *ret_value)
{
    for (size_t i = 0; i < watch->operand_count; i++) {
        const struct operand *operand = &watch->operands[i];
        for (size_t j = 0; j < operand->count; j++) {
            if (operand->entities[j] == slot &&
                bit_get(operand->node->present, operand->slots[j])) {
                *ret_value = operand->node->values[operand->slots[j]];
                return true;
            }
        }
    }
    return false;
}

bool eval_watch_single(const struct eval_watch *watch, size_t slot, double *ret_value)
{
    for (size_t i = 0; i < watch->operand_count; i++) {
        const struct operand *operand = &watch->operands[i];
        size_t found = 0;
        for (size_t j = 0; j < operand->count; j++) {
            const uint32_t at = operand->slots[j];
            if (operand->entities[j] != slot) {
                continue;
            }
            if (bit_get(operand->node->unknown, at)) {
                return false;
            }
            if (bit_get(operand->node->present, at)) {
                *ret_value = operand->node->values[at];
                found++;
            }
        }
        if (operand->node->blind || found > 1) {
            return false;
        }
        if (found == 1) {
            return true;
        }
    }
    return false;
}

bool eval_watch_faulted(const struct eval_watch *watch)
{
    bool faulted = false;
    for (size_t i = 0; i < watch->operand_count; i++) {
        faulted |= watch->operands[i].node->faulted;
    }
    return faulted;
}

bool eval_watch_chance(const struct eval_watch *watch, size_t slot, double *ret_chance)
{
    for (size_t i = 0; i < watch->operand_count; i++) {
        const struct operand *operand = &watch->operands[i];
        for (size_t j = 0; j < operand->count && operand->node->chance; j++) {
            double chance = operand->node->chance[operand->slots[j]];
            if (operand->entities[j] == slot && chance == chance) {
                *ret_chance = chance;
                return true;
            }
        }
    }
    return false;
}

/* False when the series is plainly another entity's: it has one of the keys, with another value. */
static bool series_concerns(const struct eval_entities *entities, size_t slot,
                            const struct label_set *labels)
{
    const struct label_set *own = eval_entities_labels(entities, slot);
    for (uint32_t i = 0; i < own->count; i++) {
        const struct label label = label_set_at(own, i);
        const char *value = label_set_get(labels, label.name);
        if (value && strcmp(value, label.value) != 0) {
            return false;
        }
    }
    return true;
}

struct instant eval_watch_oldest_sample(const struct eval_watch *watch, size_t slot)
{
    const struct store *store = watch->eval->store;
    int64_t now = watch->eval->now_ms, oldest = now;
    for (size_t i = 0; i < watch->reach_count; i++) {
        const struct eval_node *node = watch->reaches[i].selector;
        for (size_t j = 0; node && j < node->count; j++) {
            int64_t t = store->time_ms[node->left[j]];
            if (bit_get(node->present, j) && t < oldest &&
                series_concerns(watch->entities, slot, node->labels[j])) {
                oldest = t;
            }
        }
        int64_t begin = now - watch->reaches[i].back_ms + 1;
        if (watch->reaches[i].back_ms > 0 && begin < oldest) {
            oldest = begin;
        }
    }
    return (struct instant){oldest * NS_PER_MS};
}
