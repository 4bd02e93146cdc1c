/* One source: from the body of an answer to records in the feed. */
#include "runtime/ingest/intake.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/ingest/source_series.h"
#include "runtime/ingest/text.h"

enum {
    INTAKE_FAMILIES_EXTRA = 10000, /* families may have no series */
    LABEL_SCRATCH_BYTES = FEED_RECORD_BYTES_MAX
};

/* The series every source has of its own; keys end in a line feed. */
enum { OWN_UP, OWN_DURATION, OWN_SAMPLES, OWN_COUNT };
static const char *const own_keys[OWN_COUNT] = {
    [OWN_UP] = "up\n",
    [OWN_DURATION] = "scrape_duration_seconds\n",
    [OWN_SAMPLES] = "scrape_samples_scraped\n",
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

/* A sample whose time is too far from the answer's to be a point. */
struct far_sample {
    uint32_t number;
    struct instant time;
    double value;
};

struct intake {
    struct source_series series;
    char *job, *instance;
    struct exposition_limits limits;
    struct family *families;
    size_t family_count, family_capacity;
    struct lookup by_family;
    uint32_t first, last; /* entries of the first and the newest sample */
    size_t family_expect;
    struct feed_point *staged;
    size_t staged_count, staged_capacity;
    struct far_sample *far;
    size_t far_count, far_capacity;
    uint32_t round;
    size_t taken;                                   /* series of this answer */
    bool late_flip;                                 /* a type changed behind samples */
    uint64_t duplicates, refused, flips, predicted; /* of this answer */
    struct intake_stats stats;
    struct exposition_item item;
    char scratch[LABEL_SCRATCH_BYTES];
};

/* Whole milliseconds at or before t, as the store counts them. */
static int64_t instant_ms(struct instant t)
{
    return t.ns / NS_PER_MS - (t.ns % NS_PER_MS < 0);
}

/* ---- families ---- */

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

/* The identity of the item's series into buffer; its size, 0 when over a limit. */
static size_t encode_item(struct intake *in, const struct exposition_item *item, void *buffer,
                          size_t size)
{
    struct label labels[STORE_LABELS_MAX];
    size_t count = 0, used = 0;
    const char *name = keep_text(in, &used, "", item->name.text, item->name.size);
    for (uint32_t i = 0; i < item->label_count; i++) {
        const struct exposition_label *from = &item->labels[i];
        if (from->value.size > 0) {
            labels[count].name = keep_text(in, &used, "", from->name.text, from->name.size);
            char *value = in->scratch + used;
            size_t plain = exposition_unescape(from->value, value);
            value[plain] = '\0';
            used += plain + 1;
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
    return feed_encode_series(name, labels, count, buffer, size);
}

static size_t encode_key(void *ctx, struct slice key, void *buffer, size_t size)
{
    struct exposition_item item;
    exposition_read_key(key, &item);
    return encode_item(ctx, &item, buffer, size);
}

/* ---- life ---- */

static struct slice own_key(size_t i)
{
    return (struct slice){own_keys[i], (uint32_t)strcspn(own_keys[i], "\n")};
}

static enum status add_own_series(struct intake *in, struct error *error)
{
    for (size_t i = 0; i < OWN_COUNT; i++) {
        struct slice key = own_key(i);
        size_t size = encode_key(in, key, in->series.encoded, sizeof in->series.encoded);
        if (size == 0 || source_series_add(&in->series, key, size) == SOURCE_SERIES_NONE) {
            return error_set(error, STATUS_LIMIT, "the labels of source '%.100s' are too long",
                             in->series.name);
        }
    }
    return STATUS_OK;
}

static enum status check_texts(const struct intake_options *options, struct error *error)
{
    const char *const texts[] = {options->job, options->instance};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        size_t size = strnlen(texts[i], FEED_TEXT_BYTES_MAX + 1);
        bool needed = i == 0;
        if (size > FEED_TEXT_BYTES_MAX || (needed && size == 0) ||
            text_utf8_check(texts[i], size) != size) {
            return error_set(error, STATUS_LIMIT,
                             "a source needs a job and an instance of UTF-8 text of at most %d "
                             "bytes",
                             FEED_TEXT_BYTES_MAX);
        }
    }
    return STATUS_OK;
}

static enum status intake_init(struct intake *in, struct feed_writer *feed,
                               const struct intake_options *options, struct error *error)
{
    struct source_options source = {options->id, options->name, options->interval, options->grace};
    struct exposition defaults;
    TRY(check_texts(options, error));
    TRY(source_series_init(&in->series, feed, &source, encode_key, in, error));
    in->job = heap_strdup(options->job);
    in->instance = heap_strdup(options->instance);
    exposition_init(&defaults, EXPOSITION_TEXT, "", 0, &options->limits);
    in->limits = defaults.limits;
    in->first = SOURCE_SERIES_NONE;
    return add_own_series(in, error);
}

enum status intake_new(struct feed_writer *feed, const struct intake_options *options,
                       struct intake **ret_intake, struct error *error)
{
    struct intake *in = heap_alloc(sizeof *in);
    enum status status = intake_init(in, feed, options, error);
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
    for (size_t i = 0; i < in->family_count; i++) {
        free(in->families[i].name);
    }
    source_series_release(&in->series);
    lookup_release(&in->by_family);
    free(in->families);
    free(in->staged);
    free(in->far);
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
        in->late_flip |= family->sampled == in->round;
    }
    return STATUS_OK;
}

/* The series of a sample whose key is not the expected one. */
static uint32_t resolve(struct intake *in, struct exposition *e, const struct exposition_item *item,
                        struct error *error)
{
    struct source_series *series = &in->series;
    uint32_t n = source_series_find(series, item->key);
    if (n != SOURCE_SERIES_NONE) {
        return n;
    }
    size_t size = encode_item(in, item, series->encoded, sizeof series->encoded);
    if (size == 0) {
        (void)exposition_refuse(e, item->line, item->column, STATUS_LIMIT, error,
                                "the labels of this series are too long");
        return SOURCE_SERIES_NONE;
    }
    n = source_series_identify(series, size);
    if (n != SOURCE_SERIES_NONE) {
        return n;
    }
    uint32_t family = family_of(in, item->name);
    n = family == LOOKUP_NONE ? LOOKUP_NONE : source_series_add(series, item->key, size);
    if (n == SOURCE_SERIES_NONE) {
        (void)exposition_refuse(e, item->line, item->column, STATUS_LIMIT, error,
                                "no more series can be numbered");
        return SOURCE_SERIES_NONE;
    }
    series->items[n].family = family;
    return n;
}

static void stage_at(struct intake *in, uint32_t number, struct instant time, double value,
                     struct instant now)
{
    int64_t ms = instant_ms(time) - instant_ms(now);
    if (ms == (int32_t)ms) {
        MANY_RESERVE(in->staged, in->staged_count, in->staged_capacity);
        in->staged[in->staged_count++] = (struct feed_point){number, (int32_t)ms, value};
    } else {
        ARRAY_RESERVE(in->far, in->far_count, in->far_capacity);
        in->far[in->far_count++] = (struct far_sample){number, time, value};
    }
}

static void stage(struct intake *in, uint32_t n, const struct exposition_item *item,
                  struct instant now)
{
    struct source_entry *entry = &in->series.items[n];
    if (entry->seen == in->round) {
        in->duplicates++;
        return;
    }
    entry->seen = in->round;
    in->taken++;
    if (entry->generation != in->series.generation) {
        source_series_note(&in->series, n, item->key);
    }
    struct family *family = &in->families[entry->family];
    family->sampled = in->round;
    if (family->refused == in->round) {
        in->refused++;
        return;
    }
    if (item->has_time) {
        stage_at(in, entry->number, item->time, item->value, now);
    } else {
        MANY_RESERVE(in->staged, in->staged_count, in->staged_capacity);
        in->staged[in->staged_count++] = (struct feed_point){entry->number, 0, item->value};
    }
}

/* The entry that should come now. */
static uint32_t expected_entry(const struct intake *in)
{
    uint32_t n = in->last == SOURCE_SERIES_NONE ? in->first : in->series.items[in->last].next;
    return n < in->series.count ? n : SOURCE_SERIES_NONE;
}

static void remember_order(struct intake *in, uint32_t n)
{
    if (in->last == SOURCE_SERIES_NONE) {
        in->first = n;
    } else {
        in->series.items[in->last].next = n;
    }
}

static enum status take_sample(struct intake *in, struct exposition *e,
                               const struct exposition_item *item, uint32_t expected,
                               struct instant now, struct error *error)
{
    uint32_t n = item->predicted ? expected : resolve(in, e, item, error);
    if (n == SOURCE_SERIES_NONE) {
        return e->refused;
    }
    in->predicted += item->predicted;
    if (!item->predicted && in->series.items[n].seen != in->round) {
        remember_order(in, n);
    }
    in->last = n;
    stage(in, n, item, now);
    return STATUS_OK;
}

static uint32_t predict(const struct intake *in, struct exposition *e)
{
    uint32_t n = expected_entry(in);
    source_series_mark(&in->series, n, &e->predicted);
    return n;
}

static void begin(struct intake *in)
{
    in->round++;
    in->staged_count = in->far_count = in->taken = 0;
    in->last = SOURCE_SERIES_NONE;
    in->family_expect = 0;
    in->duplicates = in->refused = in->flips = in->predicted = 0;
    in->late_flip = false;
    source_series_forget_noted(&in->series);
    for (size_t i = 0; i < OWN_COUNT; i++) {
        in->series.items[i].seen = in->round;
    }
}

/* Takes back samples of families whose type changed behind them. */
static void unstage_refused(struct intake *in)
{
    struct lookup refused = {0};
    for (uint32_t i = OWN_COUNT; i < in->series.count; i++) {
        const struct source_entry *entry = &in->series.items[i];
        if (entry->seen == in->round && in->families[entry->family].refused == in->round) {
            lookup_add(&refused, lookup_hash(&entry->number, sizeof entry->number), entry->number);
        }
    }
    size_t kept = 0;
    for (size_t i = 0; i < in->staged_count; i++) {
        const uint32_t number = in->staged[i].series;
        size_t at = 0;
        uint32_t n;
        do {
            n = lookup_next(&refused, lookup_hash(&number, sizeof number), &at);
        } while (n != LOOKUP_NONE && n != number);
        if (n == LOOKUP_NONE) {
            in->staged[kept++] = in->staged[i];
        }
    }
    in->refused += in->staged_count - kept;
    in->staged_count = kept;
    in->far_count = 0; /* one that is so far away is worth nothing here */
    lookup_release(&refused);
}

static enum status take_body(struct intake *in, enum exposition_format format, const char *body,
                             size_t size, struct instant now, struct error *error)
{
    struct exposition e;
    exposition_init(&e, format, body, size, &in->limits);
    do {
        uint32_t expected = predict(in, &e);
        TRY(exposition_next(&e, &in->item, error));
        switch (in->item.kind) {
        case EXPOSITION_SAMPLE: TRY(take_sample(in, &e, &in->item, expected, now, error)); break;
        case EXPOSITION_TYPE: TRY(take_type(in, &e, &in->item, error)); break;
        case EXPOSITION_HELP:
        case EXPOSITION_UNIT:
        case EXPOSITION_END: break;
        }
    } while (in->item.kind != EXPOSITION_END);
    if (in->late_flip) {
        unstage_refused(in);
    }
    return STATUS_OK;
}

/* ---- forgetting ---- */

static void rebuild_families(struct intake *in)
{
    lookup_clear(&in->by_family);
    for (size_t i = 0; i < in->family_count; i++) {
        lookup_add(&in->by_family, in->families[i].hash, (uint32_t)i);
    }
}

/* Takes back what a refused body added, so that bad bodies do not fill the memory. */
static void take_back(struct intake *in, size_t series_before, size_t families_before)
{
    source_series_cut(&in->series, series_before);
    if (in->family_count > families_before) {
        while (in->family_count > families_before) {
            free(in->families[--in->family_count].name);
        }
        rebuild_families(in);
    }
}

/* When the feed is full: what was defined stays, so that a large first answer gets through in
 * pieces, but not without end. */
static void take_back_unsent(struct intake *in, size_t series_before, size_t families_before)
{
    const struct source_series *series = &in->series;
    size_t keep = series->count;
    while (keep > series_before && series->items[keep - 1].generation != series->generation) {
        keep--;
    }
    if (keep > 2 * in->limits.series + OWN_COUNT) {
        keep = series_before;
    }
    bool all = keep == series_before;
    take_back(in, keep, all ? families_before : in->family_count);
}

static bool is_seen(void *ctx, uint32_t n)
{
    const struct intake *in = ctx;
    return in->series.items[n].seen == in->round;
}

static void moved(void *ctx, uint32_t from, uint32_t to)
{
    struct intake *in = ctx;
    in->first = in->first == from ? to : in->first;
}

/* Drops the families that no series and no TYPE of the answer needs. */
static void sweep_families(struct intake *in)
{
    uint32_t *map = heap_alloc((in->family_count + 1) * sizeof *map);
    size_t kept = 0;
    for (size_t i = OWN_COUNT; i < in->series.count; i++) {
        map[in->series.items[i].family] = 1;
    }
    for (size_t i = 0; i < in->family_count; i++) {
        bool keep = map[i] != 0 || in->families[i].typed == in->round;
        map[i] = (uint32_t)kept;
        if (keep) {
            in->families[kept++] = in->families[i];
        } else {
            free(in->families[i].name);
        }
    }
    in->family_count = kept;
    for (size_t i = OWN_COUNT; i < in->series.count; i++) {
        in->series.items[i].family = map[in->series.items[i].family];
    }
    rebuild_families(in);
    free(map);
}

/* Drops the series that were not in the answer just sent. */
static void sweep(struct intake *in)
{
    if (in->taken + OWN_COUNT < in->series.count) {
        if (in->first < in->series.count && !is_seen(in, in->first)) {
            in->first = SOURCE_SERIES_NONE;
        }
        source_series_sweep(&in->series, is_seen, moved, in);
        sweep_families(in);
    }
}

/* ---- sending ---- */

void intake_announce(struct intake *in)
{
    source_series_announce(&in->series);
}

static enum status define_own(struct intake *in)
{
    for (uint32_t i = 0; i < OWN_COUNT; i++) {
        TRY(source_series_define(&in->series, i, own_key(i)));
    }
    return STATUS_OK;
}

static enum status write_own(struct intake *in, struct instant now, struct duration took, bool up)
{
    const double values[OWN_COUNT] = {[OWN_UP] = up,
                                      [OWN_DURATION] = duration_to_seconds(took),
                                      [OWN_SAMPLES] = up ? (double)in->taken : 0};
    for (size_t i = 0; i < OWN_COUNT; i++) {
        TRY(feed_write_sample(in->series.feed, in->series.items[i].number, now, values[i]));
    }
    return STATUS_OK;
}

static enum status write_answer(struct intake *in, struct instant now, struct duration took)
{
    struct feed_writer *feed = in->series.feed;
    TRY(feed_write_points(feed, now, in->staged, in->staged_count));
    for (size_t i = 0; i < in->far_count; i++) {
        const struct far_sample *far = &in->far[i];
        TRY(feed_write_sample(feed, far->number, far->time, far->value));
    }
    TRY(write_own(in, now, took, true));
    return feed_write_answered(feed, in->series.id, now);
}

void intake_fail(struct intake *in, struct instant now, struct duration took, const char *reason)
{
    char safe[FEED_TEXT_BYTES_MAX / 2];
    size_t size = strnlen(reason, sizeof safe - 1);
    memcpy(safe, reason, size);
    safe[text_utf8_check(safe, size)] = '\0';
    struct feed_writer *feed = in->series.feed;
    intake_announce(in);
    feed_urgent(feed, true);
    bool own = source_series_announced(&in->series) && define_own(in) == STATUS_OK;
    if (own && (write_own(in, now, took, false) != STATUS_OK ||
                feed_write_failed(feed, in->series.id, now, safe) != STATUS_OK)) {
        /* Not even this fits. The engine sees a source that does not answer, which is the truth. */
        feed_rollback(feed);
    }
    feed_commit(feed);
    feed_urgent(feed, false);
}

static void keep_types(struct intake *in)
{
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
    in->stats.samples += in->staged_count + in->far_count;
    in->stats.duplicates += in->duplicates;
    in->stats.refused += in->refused;
    in->stats.type_flips += in->flips;
    in->stats.predicted += in->predicted;
}

/* All of the body, under one generation of the feed: what its reader knows is looked up while the
 * body is read. Readers attach rarely, so the second time it is that. */
static enum status take_answer(struct intake *in, enum exposition_format format, const char *body,
                               size_t size, struct instant now, struct error *error)
{
    enum { TIMES_MAX = 3 };
    for (int i = 0; i < TIMES_MAX; i++) {
        begin(in);
        intake_announce(in);
        const uint32_t generation = in->series.generation;
        TRY(take_body(in, format, body, size, now, error));
        intake_announce(in);
        if (in->series.generation == generation) {
            break;
        }
    }
    return STATUS_OK;
}

static bool send_answer(struct intake *in, struct instant now, struct duration took)
{
    const bool sent = source_series_announced(&in->series) && define_own(in) == STATUS_OK &&
                      source_series_define_noted(&in->series) == STATUS_OK &&
                      write_answer(in, now, took) == STATUS_OK;
    source_series_forget_noted(&in->series);
    return sent;
}

enum intake_outcome intake_answer(struct intake *in, enum exposition_format format,
                                  const char *body, size_t size, struct instant now,
                                  struct duration took, struct error *error)
{
    struct error why;
    struct feed_writer *feed = in->series.feed;
    size_t series_before = in->series.count, families_before = in->family_count;
    enum status status = take_answer(in, format, body, size, now, &why);
    if (status != STATUS_OK) {
        take_back(in, series_before, families_before);
        intake_fail(in, now, took, why.message);
        error_set(error, status, "%s", why.message);
        return status == STATUS_LIMIT ? INTAKE_LIMIT : INTAKE_SYNTAX;
    }
    if (!send_answer(in, now, took)) {
        uint64_t lost = in->staged_count + in->far_count;
        feed_rollback(feed);
        feed_lost(feed, lost);
        in->stats.lost += lost;
        take_back_unsent(in, series_before, families_before);
        in->stats.series = in->series.count;
        error_set(error, STATUS_LIMIT, "the feed to the engine is full");
        intake_fail(in, now, took, "the feed to the engine is full");
        return INTAKE_FEED_FULL;
    }
    feed_commit(feed);
    keep_types(in);
    count_answer(in);
    sweep(in);
    in->stats.series = in->series.count;
    return INTAKE_ANSWERED;
}
