/* Strings and label sets of the store: equal ones are one.
 *
 * Those that nobody holds any more are freed by store_sweep(), which the store calls when series
 * are forgotten, between ticks. Names that programs wrote stay. */
#include <stdlib.h>
#include <xxhash.h>

#include "runtime/engine/column.h"

struct string {
    uint32_t index, holders;
    bool pinned;
    char text[];
};

static struct string *string_of(const char *text)
{
    return (struct string *)(uintptr_t)(text - offsetof(struct string, text));
}

/* ---- strings ---- */

static struct string *string_find(const struct store *store, const char *text, uint64_t hash)
{
    size_t cursor = SIZE_MAX;
    uint32_t at;
    while ((at = id_table_next(&store->string_table, hash, &cursor)) != SLOT_NONE) {
        if (strcmp(store->strings[at]->text, text) == 0) {
            return store->strings[at];
        }
    }
    return NULL;
}

static struct string *string_get(struct store *store, const char *text)
{
    const size_t size = strlen(text) + 1;
    const uint64_t hash = XXH3_64bits(text, size - 1);
    struct string *string = string_find(store, text, hash);
    if (string) {
        return string;
    }
    string = heap_alloc(sizeof *string + size);
    memcpy(string->text, text, size);
    if (store->free_string_count > 0) {
        string->index = store->free_strings[--store->free_string_count];
    } else {
        ARRAY_RESERVE(store->strings, store->string_count, store->string_capacity);
        string->index = (uint32_t)store->string_count++;
    }
    store->strings[string->index] = string;
    store->stats.bytes += sizeof *string + size + 2 * sizeof(void *);
    id_table_add(&store->string_table, hash, string->index);
    return string;
}

const char *store_string(struct store *store, const char *text)
{
    struct string *string = string_get(store, text);
    string->pinned = true;
    return string->text;
}

const char *store_string_known(const struct store *store, const char *text)
{
    const struct string *string = string_find(store, text, XXH3_64bits(text, strlen(text)));
    return string ? string->text : NULL;
}

static void string_drop(struct store *store, const char *text)
{
    struct string *string = string_of(text);
    CHECK(string->holders > 0);
    if (--string->holders > 0 || string->pinned) {
        return;
    }
    const size_t size = strlen(text) + 1;
    id_table_remove(&store->string_table, XXH3_64bits(text, size - 1), string->index);
    ARRAY_RESERVE(store->free_strings, store->free_string_count, store->free_string_capacity);
    store->free_strings[store->free_string_count++] = string->index;
    store->strings[string->index] = NULL;
    store->stats.bytes -= sizeof *string + size + 2 * sizeof(void *);
    free(string);
}

/* ---- pairs ---- */

static uint64_t pair_hash(const char *name, const char *value)
{
    const char *key[2] = {name, value};
    return XXH3_64bits(key, sizeof key);
}

/* Of interned strings. */
static uint32_t pair_get(struct store *store, const char *name, const char *value)
{
    const uint64_t hash = pair_hash(name, value);
    size_t cursor = SIZE_MAX;
    uint32_t at;
    while ((at = id_table_next(&store->pair_table, hash, &cursor)) != ID_NONE) {
        if (store->pairs[at].label.name == name && store->pairs[at].label.value == value) {
            return at;
        }
    }
    if (store->free_pair_count > 0) {
        at = store->free_pairs[--store->free_pair_count];
    } else {
        ARRAY_RESERVE(store->pairs, store->pair_count, store->pair_capacity);
        at = (uint32_t)store->pair_count++;
    }
    store->pairs[at] = (struct label_pair){.label = {name, value}};
    string_of(name)->holders++;
    string_of(value)->holders++;
    store->stats.bytes += sizeof *store->pairs + sizeof(struct id_slot);
    id_table_add(&store->pair_table, hash, at);
    return at;
}

static void pair_drop(struct store *store, uint32_t at)
{
    struct label_pair *pair = &store->pairs[at];
    CHECK(pair->holders > 0);
    if (--pair->holders > 0) {
        return;
    }
    id_table_remove(&store->pair_table, pair_hash(pair->label.name, pair->label.value), at);
    string_drop(store, pair->label.name);
    string_drop(store, pair->label.value);
    *pair = (struct label_pair){0};
    ARRAY_RESERVE(store->free_pairs, store->free_pair_count, store->free_pair_capacity);
    store->free_pairs[store->free_pair_count++] = at;
    store->stats.bytes -= sizeof *store->pairs + sizeof(struct id_slot);
}

/* ---- the table of sets ---- */

/* Of the numbers of its pairs. */
static uint64_t pairs_hash(const uint32_t *pairs, size_t count)
{
    return XXH3_64bits(pairs, count * sizeof *pairs);
}

static size_t set_home(const struct store *store, const uint32_t *pairs, size_t count)
{
    return (size_t)((pairs_hash(pairs, count) >> 32) * store->set_capacity >> 32);
}

static size_t set_next(const struct store *store, size_t at)
{
    return at + 1 == store->set_capacity ? 0 : at + 1;
}

/* Where the set is, or where it would be. */
static size_t set_place(const struct store *store, const uint32_t *pairs, size_t count)
{
    size_t at = set_home(store, pairs, count);
    for (; store->sets[at]; at = set_next(store, at)) {
        if (store->sets[at]->count == count &&
            memcmp(store->sets[at]->pairs, pairs, count * sizeof *pairs) == 0) {
            break;
        }
    }
    return at;
}

/* A quarter more each time: there may be a million. */
static void sets_reserve(struct store *store)
{
    enum { SETS_FIRST = 16 };
    if ((store->set_count + 1) * 6 <= store->set_capacity * 5) {
        return;
    }
    struct label_set **old = store->sets;
    const size_t capacity = store->set_capacity;
    store->set_capacity += capacity / 4 + SETS_FIRST;
    store->sets = heap_alloc(store->set_capacity * sizeof(struct label_set *));
    for (size_t i = 0; i < capacity; i++) {
        if (old[i]) {
            store->sets[set_place(store, old[i]->pairs, old[i]->count)] = old[i];
        }
    }
    free(old);
}

static size_t set_distance(const struct store *store, size_t from, size_t to)
{
    return to >= from ? to - from : to + store->set_capacity - from;
}

/* Entries behind the gap that hash before it move up (Knuth 6.4, algorithm R). */
static void set_remove(struct store *store, const struct label_set *set)
{
    size_t gap = set_place(store, set->pairs, set->count);
    CHECK(store->sets[gap] == set);
    store->sets[gap] = NULL;
    for (size_t at = set_next(store, gap); store->sets[at]; at = set_next(store, at)) {
        const size_t home = set_home(store, store->sets[at]->pairs, store->sets[at]->count);
        if (set_distance(store, home, at) >= set_distance(store, gap, at)) {
            store->sets[gap] = store->sets[at];
            store->sets[at] = NULL;
            gap = at;
        }
    }
    store->set_count--;
}

/* ---- sets ---- */

static int compare_labels(const void *a, const void *b)
{
    return strcmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

/* Sets of one slab have the same size, in eights. */
static size_t set_slab(size_t count)
{
    return (count + 1) / 2;
}

static size_t set_bytes(size_t count)
{
    return sizeof(struct label_set) + set_slab(count) * 2 * sizeof(uint32_t);
}

/* Most sets are held as soon as they are made. There is room for as many as stay. */
static void floating_forget_held(struct store *store)
{
    size_t kept = 0;
    for (size_t i = 0; i < store->floating_count; i++) {
        struct label_set *set = store->floating[i];
        set->floating = set->holders == 0;
        store->floating[kept] = set;
        kept += set->floating;
    }
    store->floating_count = kept;
    if (kept >= store->floating_capacity / 2) {
        store->floating_capacity = 2 * store->floating_capacity + 256;
        store->floating =
            heap_resize(store->floating, store->floating_capacity * sizeof(struct label_set *));
    }
}

/* Nobody holds it: the next sweep looks at it. */
static void set_floats(struct store *store, struct label_set *set)
{
    if (!set->floating) {
        set->floating = true;
        if (store->floating_count == store->floating_capacity) {
            floating_forget_held(store);
        }
        store->floating[store->floating_count++] = set;
    }
}

static struct label_set *set_new(struct store *store, const uint32_t *pairs, size_t count)
{
    uint16_t place;
    struct slab *slab = &store->set_slabs[set_slab(count)];
    slab->owner = store;
    slab->size = (uint32_t)set_bytes(count);
    struct label_set *set = slab_take(slab, &place);
    *set = (struct label_set){.hash = HASH_INIT, .place = place, .count = (uint8_t)count};
    for (size_t i = 0; i < count; i++) {
        const struct label label = store->pairs[pairs[i]].label;
        store->pairs[pairs[i]].holders++;
        set->pairs[i] = pairs[i];
        set->hash = hash_bytes(set->hash, label.name, strlen(label.name) + 1);
        set->hash = hash_bytes(set->hash, label.value, strlen(label.value) + 1);
    }
    store->stats.bytes += slab->size + sizeof(struct label_set *);
    set_floats(store, set);
    return set;
}

/* The pairs of the labels, which are sorted. */
static const struct label_set *intern_pairs(struct store *store, const uint32_t *pairs,
                                            size_t count)
{
    sets_reserve(store);
    struct label_set **at = &store->sets[set_place(store, pairs, count)];
    if (!*at) {
        *at = set_new(store, pairs, count);
        store->set_count++;
    }
    return *at;
}

const struct label_set *store_intern(struct store *store, const struct label *labels, size_t count)
{
    struct label sorted[STORE_LABELS_MAX];
    uint32_t pairs[STORE_LABELS_MAX];
    size_t used = 0;
    CHECK(count <= STORE_LABELS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (labels[i].value && labels[i].value[0] != '\0') {
            sorted[used++] = labels[i];
        }
    }
    qsort(sorted, used, sizeof *sorted, compare_labels);
    for (size_t i = 0; i < used; i++) {
        const char *name = string_get(store, sorted[i].name)->text;
        pairs[i] = pair_get(store, name, string_get(store, sorted[i].value)->text);
    }
    return intern_pairs(store, pairs, used);
}

const struct label_set *store_project(struct store *store, const struct label_set *set,
                                      const char *const *names, size_t count, bool keep)
{
    uint32_t kept[STORE_LABELS_MAX];
    size_t used = 0;
    for (size_t i = 0; i < set->count; i++) {
        const char *name = store->pairs[set->pairs[i]].label.name;
        bool named = false;
        for (size_t j = 0; j < count && !named; j++) {
            named = strcmp(names[j], name) == 0;
        }
        if (named == keep) {
            kept[used++] = set->pairs[i];
        }
    }
    return used == set->count ? set : intern_pairs(store, kept, used);
}

void label_set_hold(const struct label_set *set)
{
    ((struct label_set *)(uintptr_t)set)->holders++;
}

void label_set_drop(struct store *store, const struct label_set *held)
{
    struct label_set *set = (struct label_set *)(uintptr_t)held;
    CHECK(set->holders > 0);
    if (--set->holders == 0) {
        set_floats(store, set);
    }
}

static void set_free(struct store *store, struct label_set *set)
{
    set_remove(store, set);
    for (size_t i = 0; i < set->count; i++) {
        pair_drop(store, set->pairs[i]);
    }
    store->stats.bytes -= set_bytes(set->count) + sizeof(struct label_set *);
    slab_give(set, set->place);
}

void store_sweep(struct store *store)
{
    for (size_t i = 0; i < store->floating_count; i++) {
        struct label_set *set = store->floating[i];
        set->floating = false;
        if (set->holders == 0) {
            set_free(store, set);
        }
    }
    free(store->floating);
    store->floating = NULL;
    store->floating_count = store->floating_capacity = 0;
}

void intern_free(struct store *store)
{
    for (size_t i = 0; i < ARRAY_LEN(store->set_slabs); i++) {
        slab_release(&store->set_slabs[i]);
    }
    for (size_t i = 0; i < store->string_count; i++) {
        free(store->strings[i]);
    }
    free(store->sets);
    free(store->floating);
    free(store->pairs);
    free(store->free_pairs);
    free(store->strings);
    free(store->free_strings);
    id_table_release(&store->pair_table);
    id_table_release(&store->string_table);
}

/* ---- reading ---- */

static const struct label_pair *pairs_of(const struct label_set *set)
{
    const struct store *store = slab_owner(set, set->place);
    return store->pairs;
}

struct label label_set_at(const struct label_set *set, size_t i)
{
    return pairs_of(set)[set->pairs[i]].label;
}

size_t label_set_copy(const struct label_set *set, struct label *ret)
{
    const struct label_pair *pairs = pairs_of(set);
    for (size_t i = 0; i < set->count; i++) {
        ret[i] = pairs[set->pairs[i]].label;
    }
    return set->count;
}

const char *label_set_get(const struct label_set *set, const char *name)
{
    const struct label_pair *pairs = pairs_of(set);
    for (size_t i = 0; i < set->count; i++) {
        const struct label *label = &pairs[set->pairs[i]].label;
        if (strcmp(label->name, name) == 0) {
            return label->value;
        }
    }
    return NULL;
}

static void print_byte(char *ret, size_t size, size_t *used, char byte)
{
    if (*used + 1 < size) {
        ret[(*used)++] = byte;
        ret[*used] = '\0';
    }
}

char *label_set_print(const struct label_set *set, char *ret, size_t size)
{
    size_t used = 0;
    if (size == 0) {
        return ret;
    }
    ret[0] = '\0';
    print_byte(ret, size, &used, '{');
    for (size_t i = 0; i < set->count; i++) {
        const struct label label = label_set_at(set, i);
        for (const char *p = label.name; *p; p++) {
            print_byte(ret, size, &used, *p);
        }
        print_byte(ret, size, &used, '=');
        print_byte(ret, size, &used, '"');
        for (const char *p = label.value; *p; p++) {
            if (*p == '"' || *p == '\\' || *p == '\n') {
                print_byte(ret, size, &used, '\\');
            }
            print_byte(ret, size, &used, *p == '\n' ? 'n' : *p);
        }
        print_byte(ret, size, &used, '"');
        if (i + 1 < set->count) {
            print_byte(ret, size, &used, ',');
        }
    }
    print_byte(ret, size, &used, '}');
    return ret;
}
