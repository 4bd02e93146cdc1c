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
    while ((at = table_next(&store->string_table, hash, &cursor)) != SLOT_NONE) {
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
    table_add(&store->string_table, hash, string->index);
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
    table_remove(&store->string_table, XXH3_64bits(text, size - 1), string->index);
    ARRAY_RESERVE(store->free_strings, store->free_string_count, store->free_string_capacity);
    store->free_strings[store->free_string_count++] = string->index;
    store->strings[string->index] = NULL;
    store->stats.bytes -= sizeof *string + size + 2 * sizeof(void *);
    free(string);
}

/* ---- sets ---- */

static int compare_labels(const void *a, const void *b)
{
    return strcmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

/* Of the interned strings' addresses. */
static uint64_t labels_hash(const struct label *labels, size_t count)
{
    return XXH3_64bits(labels, count * sizeof *labels);
}

static size_t set_bytes(size_t count)
{
    return sizeof(struct label_set) + count * sizeof(struct label) + 3 * sizeof(void *);
}

/* Nobody holds it: the next sweep looks at it. */
static void set_floats(struct store *store, struct label_set *set)
{
    if (!set->floating) {
        set->floating = true;
        ARRAY_RESERVE(store->floating, store->floating_count, store->floating_capacity);
        store->floating[store->floating_count++] = set;
    }
}

static struct label_set *set_new(struct store *store, const struct label *labels, size_t count,
                                 uint64_t hash)
{
    struct label_set *set = heap_alloc(sizeof *set + count * sizeof *labels);
    set->count = (uint32_t)count;
    set->hash = HASH_INIT; /* of the text, so that it is the same in every process */
    for (size_t i = 0; i < count; i++) {
        set->labels[i] = labels[i];
        string_of(labels[i].name)->holders++;
        string_of(labels[i].value)->holders++;
        set->hash = hash_bytes(set->hash, labels[i].name, strlen(labels[i].name) + 1);
        set->hash = hash_bytes(set->hash, labels[i].value, strlen(labels[i].value) + 1);
    }
    if (store->free_set_count > 0) {
        set->index = store->free_sets[--store->free_set_count];
    } else {
        ARRAY_RESERVE(store->sets, store->set_count, store->set_capacity);
        set->index = (uint32_t)store->set_count++;
    }
    store->sets[set->index] = set;
    store->stats.bytes += set_bytes(count);
    table_add(&store->set_table, hash, set->index);
    set_floats(store, set);
    return set;
}

/* The labels are interned strings, sorted. */
static const struct label_set *intern_sorted(struct store *store, const struct label *labels,
                                             size_t count)
{
    const uint64_t hash = labels_hash(labels, count);
    size_t cursor = SIZE_MAX;
    uint32_t at;
    while ((at = table_next(&store->set_table, hash, &cursor)) != SLOT_NONE) {
        const struct label_set *set = store->sets[at];
        if (set->count == count &&
            (count == 0 || memcmp(set->labels, labels, count * sizeof *labels) == 0)) {
            return set;
        }
    }
    return set_new(store, labels, count, hash);
}

const struct label_set *store_intern(struct store *store, const struct label *labels, size_t count)
{
    struct label sorted[STORE_LABELS_MAX];
    size_t used = 0;
    CHECK(count <= STORE_LABELS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (labels[i].value && labels[i].value[0] != '\0') {
            sorted[used++] = (struct label){string_get(store, labels[i].name)->text,
                                            string_get(store, labels[i].value)->text};
        }
    }
    qsort(sorted, used, sizeof *sorted, compare_labels);
    return intern_sorted(store, sorted, used);
}

const struct label_set *store_project(struct store *store, const struct label_set *set,
                                      const char *const *names, size_t count, bool keep)
{
    struct label kept[STORE_LABELS_MAX];
    size_t used = 0;
    for (size_t i = 0; i < set->count; i++) {
        bool named = false;
        for (size_t j = 0; j < count && !named; j++) {
            named = strcmp(names[j], set->labels[i].name) == 0;
        }
        if (named == keep) {
            kept[used++] = set->labels[i];
        }
    }
    return used == set->count ? set : intern_sorted(store, kept, used);
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
    table_remove(&store->set_table, labels_hash(set->labels, set->count), set->index);
    for (size_t i = 0; i < set->count; i++) {
        string_drop(store, set->labels[i].name);
        string_drop(store, set->labels[i].value);
    }
    ARRAY_RESERVE(store->free_sets, store->free_set_count, store->free_set_capacity);
    store->free_sets[store->free_set_count++] = set->index;
    store->sets[set->index] = NULL;
    store->stats.bytes -= set_bytes(set->count);
    free(set);
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
    store->floating_count = 0;
}

void intern_free(struct store *store)
{
    for (size_t i = 0; i < store->set_count; i++) {
        free(store->sets[i]);
    }
    for (size_t i = 0; i < store->string_count; i++) {
        free(store->strings[i]);
    }
    free(store->sets);
    free(store->free_sets);
    free(store->floating);
    free(store->strings);
    free(store->free_strings);
    table_release(&store->set_table);
    table_release(&store->string_table);
}

/* ---- reading ---- */

const char *label_set_get(const struct label_set *set, const char *name)
{
    for (size_t i = 0; i < set->count; i++) {
        if (strcmp(set->labels[i].name, name) == 0) {
            return set->labels[i].value;
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
        for (const char *p = set->labels[i].name; *p; p++) {
            print_byte(ret, size, &used, *p);
        }
        print_byte(ret, size, &used, '=');
        print_byte(ret, size, &used, '"');
        for (const char *p = set->labels[i].value; *p; p++) {
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
