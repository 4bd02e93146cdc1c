/* One source: from the body of an answer to records in the feed. */
#include "runtime/ingest/intake.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/ingest/lookup.h"
#include "runtime/ingest/text.h"

enum {
    INTAKE_FAMILIES_EXTRA = 10000, /* families may have no series */
    ENCODED_BYTES_MAX = FEED_RECORD_BYTES_MAX,
    LABEL_SCRATCH_BYTES = FEED_RECORD_BYTES_MAX
};

/* The series every source has of its own. */
enum { OWN_UP, OWN_DURATION, OWN_SAMPLES, OWN_COUNT };
static const char *const own_names[OWN_COUNT] = {
    [OWN_UP] = "up",
    [OWN_DURATION] = "scrape_duration_seconds",
    [OWN_SAMPLES] = "scrape_samples_scraped",
};

struct series {
    char *key; /* as written, then the encoded identity, in one allocation */
    uint32_t key_size, encoded_size;
    uint64_t key_hash, encoded_hash;
    uint32_t number; /* in the feed */
    uint32_t family;
    uint32_t generation; /* of the feed, plus one, under which it was sent; 0 is never */
    uint32_t seen;       /* round of its last sample */
    uint32_t position;   /* in the order of the last answer */
};

struct family {
    char *name;
    uint64_t hash;
    enum exposition_type type, type_new;
    uint32_t typed;   /* round of its TYPE line */
    uint32_t refused; /* round in which its type flipped */
    uint32_t sampled; /* round of its last sample */
    bool known;       /* it has had a TYPE */
};

struct staged {
    uint32_t series;
    struct instant time;
    double value;
};

struct intake {
    struct feed_writer *feed;
    uint32_t id;
    uint32_t generation; /* plus one, under which the source was announced; 0 is never */
    char *name, *job, *instance;
    struct duration interval, grace;
    struct exposition_limits limits;
    struct series *series;
    size_t series_count, series_capacity;
    struct family *families;
    size_t family_count, family_capacity;
    struct lookup by_key, by_identity, by_family;
    uint32_t *order, *order_next; /* series of the last answer and of this one */
    size_t order_count, order_next_count, order_capacity, order_next_capacity;
    size_t expect; /* place in order of the next sample, if nothing has changed */
    size_t family_expect;
    struct staged *staged;
    size_t staged_count, staged_capacity;
    uint32_t round;
    uint64_t duplicates, refused, flips, predicted; /* of this answer */
    struct intake_stats stats;
    struct exposition_item item;
    char scratch[LABEL_SCRATCH_BYTES];
    unsigned char encoded[ENCODED_BYTES_MAX];
};

/* ---- series and families ---- */

static struct series *add_series(struct intake *in, struct slice key, size_t encoded_size,
                                 uint32_t family)
{
    uint32_t number;
    if (!feed_number_take(in->feed, &number)) {
        return NULL;
    }
    ARRAY_RESERVE(in->series, in->series_count, in->series_capacity);
    struct series *series = &in->series[in->series_count];
    *series = (struct series){.key = heap_alloc(key.size + encoded_size),
                              .key_size = key.size,
                              .encoded_size = (uint32_t)encoded_size,
                              .number = number,
                              .family = family};
    if (key.size > 0) {
        memcpy(series->key, key.text, key.size);
        series->key_hash = lookup_hash(key.text, key.size);
        lookup_add(&in->by_key, series->key_hash, (uint32_t)in->series_count);
    }
    memcpy(series->key + key.size, in->encoded, encoded_size);
    series->encoded_hash = lookup_hash(in->encoded, encoded_size);
    lookup_add(&in->by_identity, series->encoded_hash, (uint32_t)in->series_count);
    in->series_count++;
    return series;
}

static uint32_t find_key(const struct intake *in, struct slice key)
{
    uint64_t hash = lookup_hash(key.text, key.size);
    size_t at = 0;
    uint32_t n;
    while ((n = lookup_next(&in->by_key, hash, &at)) != LOOKUP_NONE) {
        const struct series *series = &in->series[n];
        if (series->key_size == key.size && memcmp(series->key, key.text, key.size) == 0) {
            break;
        }
    }
    return n;
}

static uint32_t find_identity(const struct intake *in, size_t size)
{
    uint64_t hash = lookup_hash(in->encoded, size);
    size_t at = 0;
    uint32_t n;
    while ((n = lookup_next(&in->by_identity, hash, &at)) != LOOKUP_NONE) {
        const struct series *series = &in->series[n];
        if (series->encoded_size == size &&
            memcmp(series->key + series->key_size, in->encoded, size) == 0) {
            break;
        }
    }
    return n;
}

static uint32_t find_family(const struct intake *in, const char *name, size_t size)
{
    uint64_t hash = lookup_hash(name, size);
    size_t at = 0;
    uint32_t n;
    while ((n = lookup_next(&in->by_family, hash, &at)) != LOOKUP_NONE) {
        const char *known = in->families[n].name;
        if (strlen(known) == size && memcmp(known, name, size) == 0) {
            break;
        }
    }
    return n;
}

static uint32_t add_family(struct intake *in, struct slice name)
{
    uint32_t n = (uint32_t)in->family_count;
    if (n >= in->limits.series + INTAKE_FAMILIES_EXTRA) {
        return LOOKUP_NONE;
    }
    ARRAY_RESERVE(in->families, in->family_count, in->family_capacity);
    struct family *family = &in->families[in->family_count++];
    *family = (struct family){.name = heap_alloc(name.size + 1u),
                              .hash = lookup_hash(name.text, name.size)};
    memcpy(family->name, name.text, name.size);
    lookup_add(&in->by_family, family->hash, n);
    return n;
}

static bool drop_suffix(struct slice *name, const char *suffix)
{
    size_t size = strlen(suffix);
    if (name->size <= size || memcmp(name->text + name->size - size, suffix, size) != 0) {
        return false;
    }
    name->size -= (uint32_t)size;
    return true;
}

/* Whether samples of the type have more behind the name of their family. */
static bool has_suffixes(enum exposition_type type)
{
    return type != EXPOSITION_UNTYPED && type != EXPOSITION_GAUGE && type != EXPOSITION_STATESET;
}

/* The family whose TYPE rules a sample of this name. */
static uint32_t family_of(struct intake *in, struct slice name)
{
    static const char *const suffixes[] = {"_bucket",  "_sum",    "_count", "_total",
                                           "_created", "_gcount", "_gsum",  "_info"};
    uint32_t n = find_family(in, name.text, name.size);
    if (n != LOOKUP_NONE) {
        return n;
    }
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        struct slice base = name;
        if (drop_suffix(&base, suffixes[i])) {
            n = find_family(in, base.text, base.size);
            if (n != LOOKUP_NONE && in->families[n].typed != 0 &&
                has_suffixes(in->families[n].type_new)) {
                return n;
            }
        }
    }
    return add_family(in, name);
}

/* ---- labels ---- */

static const char *keep_text(struct intake *in, size_t *used, const char *prefix, const char *text,
                             size_t size)
{
    size_t prefix_size = strlen(prefix);
    CHECK(*used + prefix_size + size + 1 <= sizeof in->scratch);
    char *start = in->scratch + *used;
    memcpy(start, prefix, prefix_size);
    memcpy(start + prefix_size, text, size);
    start[prefix_size + size] = '\0';
    *used += prefix_size + size + 1;
    return start;
}

static bool has_label(const struct label *labels, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(labels[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Renames a scraped label that has the name of one of ours; labels[0..count) are all of them. */
static void set_aside(struct intake *in, size_t *used, struct label *labels, size_t count,
                      const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(labels[i].name, name) == 0) {
            const char *renamed = name;
            do {
                renamed = keep_text(in, used, "exported_", renamed, strlen(renamed));
            } while (has_label(labels, count, renamed));
            labels[i].name = renamed;
            return;
        }
    }
}

static void sort_labels(struct label *labels, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct label label = labels[i];
        size_t j = i;
        for (; j > 0 && strcmp(labels[j - 1].name, label.name) > 0; j--) {
            labels[j] = labels[j - 1];
        }
        labels[j] = label;
    }
}

/* The identity of the item's series into in->encoded; its size, 0 when over a limit. */
static size_t encode_item(struct intake *in, const struct exposition_item *item)
{
    struct label labels[STORE_LABELS_MAX];
    size_t count = 0, used = 0;
    const char *name = keep_text(in, &used, "", item->name.text, item->name.size);
    for (uint32_t i = 0; i < item->label_count; i++) {
        const struct exposition_label *from = &item->labels[i];
        if (from->value.size > 0) {
            labels[count].name = keep_text(in, &used, "", from->name.text, from->name.size);
            char *value = in->scratch + used;
            size_t size = exposition_unescape(from->value, value);
            value[size] = '\0';
            used += size + 1;
            labels[count++].value = value;
        }
    }
    set_aside(in, &used, labels, count, "job");
    set_aside(in, &used, labels, count, "instance");
    labels[count++] = (struct label){"job", in->job};
    if (in->instance[0] != '\0') {
        labels[count++] = (struct label){"instance", in->instance};
    }
    sort_labels(labels, count);
    return feed_encode_series(name, labels, count, in->encoded, sizeof in->encoded);
}

/* ---- life ---- */

static enum status add_own_series(struct intake *in, struct error *error)
{
    static const struct slice no_key = {"", 0};
    struct exposition_item *item = &in->item;
    for (size_t i = 0; i < OWN_COUNT; i++) {
        item->name = (struct slice){own_names[i], (uint32_t)strlen(own_names[i])};
        item->label_count = 0;
        size_t size = encode_item(in, item);
        if (size == 0 || !add_series(in, no_key, size, LOOKUP_NONE)) {
            return error_set(error, STATUS_LIMIT, "the labels of source '%.100s' are too long",
                             in->name);
        }
    }
    return STATUS_OK;
}

enum status intake_new(struct feed_writer *feed, const struct intake_options *options,
                       struct intake **ret_intake, struct error *error)
{
    if (options->id >= FEED_SOURCES_MAX) {
        return error_set(error, STATUS_LIMIT, "more than %d sources", FEED_SOURCES_MAX);
    }
    const char *const texts[] = {options->name, options->job, options->instance};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        size_t size = strnlen(texts[i], FEED_TEXT_BYTES_MAX + 1);
        bool needed = i < 2;
        if (size > FEED_TEXT_BYTES_MAX || (needed && size == 0) ||
            text_utf8_check(texts[i], size) != size) {
            return error_set(error, STATUS_LIMIT,
                             "a source needs a name, a job and an instance of UTF-8 text of at "
                             "most %d bytes",
                             FEED_TEXT_BYTES_MAX);
        }
    }
    if (options->interval.ns <= 0 || options->grace.ns < 0) {
        return error_set(error, STATUS_LIMIT, "source '%.100s' has no interval", options->name);
    }
    struct intake *in = heap_alloc(sizeof *in);
    in->feed = feed;
    in->id = options->id;
    in->name = heap_strdup(options->name);
    in->job = heap_strdup(options->job);
    in->instance = heap_strdup(options->instance);
    in->interval = options->interval;
    in->grace = options->grace;
    struct exposition defaults;
    exposition_init(&defaults, EXPOSITION_TEXT, "", 0, &options->limits);
    in->limits = defaults.limits;
    enum status status = add_own_series(in, error);
    if (status != STATUS_OK) {
        intake_free(in);
        return status;
    }
    *ret_intake = in;
    return STATUS_OK;
}

void intake_free(struct intake *in)
{
    if (!in) {
        return;
    }
    for (size_t i = 0; i < in->series_count; i++) {
        feed_number_give(in->feed, in->series[i].number);
        free(in->series[i].key);
    }
    for (size_t i = 0; i < in->family_count; i++) {
        free(in->families[i].name);
    }
    lookup_release(&in->by_key);
    lookup_release(&in->by_identity);
    lookup_release(&in->by_family);
    free(in->series);
    free(in->families);
    free(in->order);
    free(in->order_next);
    free(in->staged);
    free(in->name);
    free(in->job);
    free(in->instance);
    free(in);
}

const struct intake_stats *intake_stats(const struct intake *in)
{
    return &in->stats;
}

enum exposition_type intake_type(const struct intake *in, const char *family)
{
    uint32_t n = find_family(in, family, strlen(family));
    return n == LOOKUP_NONE ? EXPOSITION_UNTYPED : in->families[n].type;
}

/* ---- taking an answer ---- */

static enum status take_type(struct intake *in, struct exposition *e,
                             const struct exposition_item *item, struct error *error)
{
    uint32_t n = LOOKUP_NONE;
    if (in->family_expect < in->family_count) {
        const char *name = in->families[in->family_expect].name;
        if (strncmp(name, item->name.text, item->name.size) == 0 && name[item->name.size] == 0) {
            n = (uint32_t)in->family_expect;
        }
    }
    if (n == LOOKUP_NONE) {
        n = find_family(in, item->name.text, item->name.size);
        n = n == LOOKUP_NONE ? add_family(in, item->name) : n;
    }
    if (n == LOOKUP_NONE) {
        return exposition_refuse(e, item->line, item->column, STATUS_LIMIT, error,
                                 "more than %zu families", in->limits.series);
    }
    in->family_expect = n + 1u;
    struct family *family = &in->families[n];
    bool flips = family->typed == in->round ? family->type_new != item->type
                                            : family->known && family->type != item->type;
    family->typed = in->round;
    family->type_new = item->type;
    if (flips && family->refused != in->round) {
        family->refused = in->round;
        in->flips++;
    }
    return STATUS_OK;
}

/* The series of a sample whose key is not the expected one. */
static uint32_t resolve(struct intake *in, struct exposition *e, const struct exposition_item *item,
                        struct error *error)
{
    uint32_t n = find_key(in, item->key);
    if (n != LOOKUP_NONE) {
        return n;
    }
    size_t size = encode_item(in, item);
    if (size == 0) {
        (void)exposition_refuse(e, item->line, item->column, STATUS_LIMIT, error,
                                "the labels of this series are too long");
        return LOOKUP_NONE;
    }
    n = find_identity(in, size);
    if (n != LOOKUP_NONE) {
        return n;
    }
    uint32_t family = family_of(in, item->name);
    if (family == LOOKUP_NONE || !add_series(in, item->key, size, family)) {
        (void)exposition_refuse(e, item->line, item->column, STATUS_LIMIT, error,
                                "no more series can be numbered");
        return LOOKUP_NONE;
    }
    return (uint32_t)in->series_count - 1;
}

static void stage(struct intake *in, uint32_t n, const struct exposition_item *item,
                  struct instant now)
{
    struct series *series = &in->series[n];
    if (series->seen == in->round) {
        in->duplicates++;
        return;
    }
    series->seen = in->round;
    ARRAY_RESERVE(in->order_next, in->order_next_count, in->order_next_capacity);
    in->order_next[in->order_next_count++] = n;
    struct family *family = &in->families[series->family];
    family->sampled = in->round;
    if (family->refused == in->round) {
        in->refused++;
        return;
    }
    ARRAY_RESERVE(in->staged, in->staged_count, in->staged_capacity);
    in->staged[in->staged_count++] =
        (struct staged){n, item->has_time ? item->time : now, item->value};
}

static enum status take_sample(struct intake *in, struct exposition *e,
                               const struct exposition_item *item, struct instant now,
                               struct error *error)
{
    uint32_t n = item->predicted ? in->order[in->expect] : resolve(in, e, item, error);
    if (n == LOOKUP_NONE) {
        return e->refused;
    }
    in->predicted += item->predicted;
    in->expect = item->predicted ? in->expect + 1 : in->series[n].position + 1u;
    stage(in, n, item, now);
    return STATUS_OK;
}

static void predict(const struct intake *in, struct exposition *e)
{
    e->predicted.size = 0;
    if (in->expect < in->order_count) {
        const struct series *series = &in->series[in->order[in->expect]];
        e->predicted = (struct slice){series->key, series->key_size};
    }
}

static void begin(struct intake *in)
{
    in->round++;
    in->staged_count = in->order_next_count = 0;
    in->expect = in->family_expect = 0;
    in->duplicates = in->refused = in->flips = in->predicted = 0;
    for (size_t i = 0; i < OWN_COUNT; i++) {
        in->series[i].seen = in->round;
    }
}

/* Samples of a family whose type changed behind them. */
static void unstage_refused(struct intake *in)
{
    size_t kept = 0;
    for (size_t i = 0; i < in->staged_count && in->flips > 0; i++) {
        const struct family *family = &in->families[in->series[in->staged[i].series].family];
        if (family->refused != in->round) {
            in->staged[kept++] = in->staged[i];
        }
    }
    if (in->flips > 0) {
        in->refused += in->staged_count - kept;
        in->staged_count = kept;
    }
}

static enum status take_body(struct intake *in, enum exposition_format format, const char *body,
                             size_t size, struct instant now, struct error *error)
{
    struct exposition e;
    exposition_init(&e, format, body, size, &in->limits);
    do {
        predict(in, &e);
        TRY(exposition_next(&e, &in->item, error));
        switch (in->item.kind) {
        case EXPOSITION_SAMPLE: TRY(take_sample(in, &e, &in->item, now, error)); break;
        case EXPOSITION_TYPE: TRY(take_type(in, &e, &in->item, error)); break;
        case EXPOSITION_HELP:
        case EXPOSITION_UNIT:
        case EXPOSITION_END: break;
        }
    } while (in->item.kind != EXPOSITION_END);
    unstage_refused(in);
    return STATUS_OK;
}

/* ---- forgetting ---- */

static void rebuild_lookups(struct intake *in)
{
    lookup_clear(&in->by_key);
    lookup_clear(&in->by_identity);
    lookup_clear(&in->by_family);
    for (size_t i = 0; i < in->series_count; i++) {
        const struct series *series = &in->series[i];
        if (series->key_size > 0) {
            lookup_add(&in->by_key, series->key_hash, (uint32_t)i);
        }
        lookup_add(&in->by_identity, series->encoded_hash, (uint32_t)i);
    }
    for (size_t i = 0; i < in->family_count; i++) {
        lookup_add(&in->by_family, in->families[i].hash, (uint32_t)i);
    }
}

/* Takes back what a refused body added, so that bad bodies do not fill the memory. */
static void take_back(struct intake *in, size_t series_before, size_t families_before)
{
    if (in->series_count == series_before && in->family_count == families_before) {
        return;
    }
    while (in->series_count > series_before) {
        struct series *series = &in->series[--in->series_count];
        feed_number_give(in->feed, series->number);
        free(series->key);
    }
    while (in->family_count > families_before) {
        free(in->families[--in->family_count].name);
    }
    rebuild_lookups(in);
}

/* When the feed is full: what was defined stays, so that a large first answer gets through in
 * pieces, but not without end. */
static void take_back_unsent(struct intake *in, size_t series_before, size_t families_before)
{
    size_t keep = in->series_count;
    while (keep > series_before && in->series[keep - 1].generation != in->generation) {
        keep--;
    }
    if (keep > 2 * in->limits.series + OWN_COUNT) {
        keep = series_before;
    }
    bool all = keep == series_before;
    take_back(in, keep, all ? families_before : in->family_count);
}

/* Renumbers: map[old] is the new index or LOOKUP_NONE. */
static void apply_map(struct intake *in, const uint32_t *series_map, const uint32_t *family_map)
{
    for (size_t i = 0; i < in->order_count; i++) {
        in->order[i] = series_map[in->order[i]];
        CHECK(in->order[i] != LOOKUP_NONE);
    }
    for (size_t i = OWN_COUNT; i < in->series_count; i++) {
        in->series[i].family = family_map[in->series[i].family];
    }
}

/* Tells the engine that a number is free; the series may come back under another. */
static bool forget_series(struct intake *in, struct series *series)
{
    if (series->generation == in->generation &&
        feed_write_forget(in->feed, series->number) != STATUS_OK) {
        return false;
    }
    feed_number_give(in->feed, series->number);
    free(series->key);
    return true;
}

/* Drops the series and families that were not in the answer just sent. */
static void sweep(struct intake *in)
{
    if (in->order_count + OWN_COUNT == in->series_count) {
        return;
    }
    uint32_t *series_map = heap_alloc(in->series_count * sizeof *series_map);
    uint32_t *family_map = heap_alloc((in->family_count + 1) * sizeof *family_map);
    size_t kept = 0;
    for (size_t i = 0; i < in->series_count; i++) {
        bool keep = in->series[i].seen == in->round || !forget_series(in, &in->series[i]);
        series_map[i] = keep ? (uint32_t)kept : LOOKUP_NONE;
        if (keep) {
            if (i >= OWN_COUNT) {
                family_map[in->series[i].family] = 1;
            }
            in->series[kept++] = in->series[i];
        }
    }
    in->series_count = kept;
    kept = 0;
    for (size_t i = 0; i < in->family_count; i++) {
        bool keep = family_map[i] != 0 || in->families[i].typed == in->round;
        family_map[i] = (uint32_t)kept;
        if (keep) {
            in->families[kept++] = in->families[i];
        } else {
            free(in->families[i].name);
        }
    }
    in->family_count = kept;
    apply_map(in, series_map, family_map);
    rebuild_lookups(in);
    free(series_map);
    free(family_map);
    feed_commit(in->feed);
}

/* ---- sending ---- */

void intake_announce(struct intake *in)
{
    uint32_t generation = feed_writer_generation(in->feed) + 1;
    if (in->generation == generation) {
        return;
    }
    feed_urgent(in->feed, true);
    if (feed_write_source(in->feed, in->id, in->name, in->interval, in->grace) == STATUS_OK) {
        in->generation = generation;
    }
    feed_commit(in->feed);
    feed_urgent(in->feed, false);
}

static enum status define(struct intake *in, struct series *series)
{
    if (series->generation == in->generation) {
        return STATUS_OK;
    }
    TRY(feed_write_series(in->feed, series->number, in->id, series->key + series->key_size,
                          series->encoded_size));
    series->generation = in->generation;
    feed_commit(in->feed);
    return STATUS_OK;
}

static enum status define_all(struct intake *in)
{
    for (size_t i = 0; i < OWN_COUNT; i++) {
        TRY(define(in, &in->series[i]));
    }
    for (size_t i = 0; i < in->staged_count; i++) {
        TRY(define(in, &in->series[in->staged[i].series]));
    }
    return STATUS_OK;
}

static enum status write_own(struct intake *in, struct instant now, struct duration took, bool up)
{
    const double values[OWN_COUNT] = {[OWN_UP] = up,
                                      [OWN_DURATION] = duration_to_seconds(took),
                                      [OWN_SAMPLES] = up ? (double)in->order_next_count : 0};
    for (size_t i = 0; i < OWN_COUNT; i++) {
        TRY(feed_write_sample(in->feed, in->series[i].number, now, values[i]));
    }
    return STATUS_OK;
}

static enum status write_answer(struct intake *in, struct instant now, struct duration took)
{
    for (size_t i = 0; i < in->staged_count; i++) {
        const struct staged *s = &in->staged[i];
        TRY(feed_write_sample(in->feed, in->series[s->series].number, s->time, s->value));
    }
    TRY(write_own(in, now, took, true));
    return feed_write_answered(in->feed, in->id, now);
}

static bool announced(const struct intake *in)
{
    return in->generation == feed_writer_generation(in->feed) + 1;
}

void intake_fail(struct intake *in, struct instant now, struct duration took, const char *reason)
{
    char safe[FEED_TEXT_BYTES_MAX / 2];
    size_t size = strnlen(reason, sizeof safe - 1);
    memcpy(safe, reason, size);
    safe[text_utf8_check(safe, size)] = '\0';
    intake_announce(in);
    feed_urgent(in->feed, true);
    bool own = announced(in);
    for (size_t i = 0; i < OWN_COUNT && own; i++) {
        own = define(in, &in->series[i]) == STATUS_OK;
    }
    if (own && (write_own(in, now, took, false) != STATUS_OK ||
                feed_write_failed(in->feed, in->id, now, safe) != STATUS_OK)) {
        /* Not even this fits. The engine sees a source that does not answer, which is the truth. */
        feed_rollback(in->feed);
    }
    feed_commit(in->feed);
    feed_urgent(in->feed, false);
}

/* The order of this answer is the one to expect from the next. */
static void keep_order(struct intake *in)
{
    uint32_t *order = in->order;
    size_t capacity = in->order_capacity;
    in->order = in->order_next;
    in->order_count = in->order_next_count;
    in->order_capacity = in->order_next_capacity;
    in->order_next = order;
    in->order_next_capacity = capacity;
    for (size_t i = 0; i < in->order_count; i++) {
        in->series[in->order[i]].position = (uint32_t)i;
    }
    for (size_t i = 0; i < in->family_count; i++) {
        struct family *family = &in->families[i];
        if (family->typed == in->round) {
            family->type = family->type_new;
            family->known = true;
        }
    }
}

static void count_answer(struct intake *in)
{
    in->stats.answers++;
    in->stats.samples += in->staged_count;
    in->stats.duplicates += in->duplicates;
    in->stats.refused += in->refused;
    in->stats.type_flips += in->flips;
    in->stats.predicted += in->predicted;
}

enum intake_outcome intake_answer(struct intake *in, enum exposition_format format,
                                  const char *body, size_t size, struct instant now,
                                  struct duration took, struct error *error)
{
    struct error why;
    size_t series_before = in->series_count, families_before = in->family_count;
    begin(in);
    enum status status = take_body(in, format, body, size, now, &why);
    if (status != STATUS_OK) {
        take_back(in, series_before, families_before);
        intake_fail(in, now, took, why.message);
        error_set(error, status, "%s", why.message);
        return status == STATUS_LIMIT ? INTAKE_LIMIT : INTAKE_SYNTAX;
    }
    intake_announce(in);
    if (!announced(in) || define_all(in) != STATUS_OK || write_answer(in, now, took) != STATUS_OK) {
        feed_rollback(in->feed);
        feed_lost(in->feed, in->staged_count);
        in->stats.lost += in->staged_count;
        take_back_unsent(in, series_before, families_before);
        in->stats.series = in->series_count;
        error_set(error, STATUS_LIMIT, "the feed to the engine is full");
        intake_fail(in, now, took, "the feed to the engine is full");
        return INTAKE_FEED_FULL;
    }
    feed_commit(in->feed);
    keep_order(in);
    count_answer(in);
    sweep(in);
    in->stats.series = in->series_count;
    return INTAKE_ANSWERED;
}
