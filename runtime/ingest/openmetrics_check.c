/* The rules of OpenMetrics 1.0 that are about more than one line: families and their names, the
 * grouping and order of samples, what each type demands, histograms as a whole.
 *
 * Sets of label sets and names are kept as 128-bit hashes under a secret seed. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "runtime/ingest/exposition_part.h"
#include "runtime/ingest/lookup.h"
#include "runtime/ingest/text.h"

enum {
    EXEMPLAR_POINTS_MAX = 128,
    SUFFIXES_MAX = 5,
    SCRATCH_BYTES_MAX = 1 << 20,
    SAMPLES_MAX = 10000000 /* of one body */
};

/* What may follow the name of the family in a sample of it; "" is the name alone. */
static const char *const suffixes[EXPOSITION_STATESET + 1][SUFFIXES_MAX] = {
    [EXPOSITION_UNTYPED] = {""},
    [EXPOSITION_COUNTER] = {"_total", "_created"},
    [EXPOSITION_GAUGE] = {""},
    [EXPOSITION_HISTOGRAM] = {"_count", "_sum", "_bucket", "_created"},
    [EXPOSITION_SUMMARY] = {"", "_count", "_sum", "_created"},
    [EXPOSITION_GAUGEHISTOGRAM] = {"_gcount", "_gsum", "_bucket"},
    [EXPOSITION_INFO] = {"_info"},
    [EXPOSITION_STATESET] = {""},
};

struct digest {
    uint64_t low, high;
};

/* A set of digests. */
struct digests {
    struct lookup lookup;
    struct digest *items;
    size_t count, capacity;
};

/* The samples of one label set at one time, of a histogram or gauge histogram. */
struct buckets {
    bool open, has_bucket, has_count, has_sum, has_gsum, negative_bucket, negative_gsum;
    double bound, value, count;
};

struct family {
    struct slice name;
    uint32_t line, column; /* of its first line */
    enum exposition_type type;
    bool open, has_type, has_help, has_unit, sampled;
    struct slice unit;
};

struct strict {
    struct exposition e;
    struct exposition_item item;
    struct family family;
    struct buckets buckets;
    struct digest group; /* of the last sample */
    bool group_timed;
    double group_seconds;
    struct digests names, groups, series; /* series: of this run of the group */
    struct text scratch;
    uint64_t seed;
};

static struct digest digest_of(const struct strict *s, const void *bytes, size_t size)
{
    XXH128_hash_t hash = XXH3_128bits_withSeed(bytes, size, s->seed);
    return (struct digest){hash.low64, hash.high64};
}

static bool digest_same(struct digest a, struct digest b)
{
    return a.low == b.low && a.high == b.high;
}

static bool digests_has(const struct digests *set, struct digest digest)
{
    size_t at = 0;
    uint32_t n;
    while ((n = lookup_next(&set->lookup, digest.low, &at)) != LOOKUP_NONE) {
        if (digest_same(set->items[n], digest)) {
            return true;
        }
    }
    return false;
}

/* False when it was there. */
static bool digests_add(struct digests *set, struct digest digest)
{
    if (digests_has(set, digest)) {
        return false;
    }
    ARRAY_RESERVE(set->items, set->count, set->capacity);
    lookup_add(&set->lookup, digest.low, (uint32_t)set->count);
    set->items[set->count++] = digest;
    return true;
}

static void digests_clear(struct digests *set)
{
    lookup_clear(&set->lookup);
    set->count = 0;
}

static void digests_release(struct digests *set)
{
    lookup_release(&set->lookup);
    free(set->items);
}

/* ---- refusing ---- */

#define REFUSE(s, error, ...)                                                            \
    exposition_refuse(&(s)->e, (s)->item.line, (s)->item.column, STATUS_PROTOCOL, error, \
                      __VA_ARGS__)
#define REFUSE_FAMILY(s, error, ...)                                                         \
    exposition_refuse(&(s)->e, (s)->family.line, (s)->family.column, STATUS_PROTOCOL, error, \
                      __VA_ARGS__)

/* ---- histograms ---- */

static enum status close_buckets(struct strict *s, struct error *error)
{
    const struct buckets *b = &s->buckets;
    const char *why = NULL;
    if (!b->open) {
        return STATUS_OK;
    }
    if (!b->has_bucket || !isinf(b->bound) || b->bound < 0) {
        why = "a histogram has no bucket le=\"+Inf\"";
    } else if (b->has_count && b->count != b->value) {
        why = "the count of a histogram is not the value of its bucket le=\"+Inf\"";
    } else if ((b->has_sum || b->has_gsum) && !b->has_count) {
        why = "a histogram has a sum and no count";
    } else if (b->has_count && !b->has_sum && !b->has_gsum) {
        why = "a histogram has a count and no sum";
    } else if (b->negative_bucket && b->has_sum) {
        why = "a histogram with buckets below zero has a sum";
    } else if (!b->negative_bucket && b->negative_gsum) {
        why = "a gauge histogram without buckets below zero has a sum below zero";
    }
    return why ? REFUSE_FAMILY(s, error, "%s", why) : STATUS_OK;
}

static const struct exposition_label *find_label(const struct exposition_item *item,
                                                 struct slice name)
{
    for (uint32_t i = 0; i < item->label_count; i++) {
        if (item->labels[i].name.size == name.size &&
            memcmp(item->labels[i].name.text, name.text, name.size) == 0) {
            return &item->labels[i];
        }
    }
    return NULL;
}

/* The number a label is; +Inf must be written so. */
static bool label_number(const struct exposition_item *item, const char *name, double *ret)
{
    struct slice slice = {name, (uint32_t)strlen(name)};
    const struct exposition_label *label = find_label(item, slice);
    return label != NULL && exposition_number(label->value.text, label->value.size, ret) &&
           !isnan(*ret) && (!isinf(*ret) || *ret < 0 || slice_is(label->value, "+Inf"));
}

static enum status take_bucket(struct strict *s, struct error *error)
{
    struct buckets *b = &s->buckets;
    double bound = 0;
    if (!label_number(&s->item, "le", &bound)) {
        return REFUSE(s, error, "a bucket needs a label le with a number");
    }
    if (b->has_bucket && bound <= b->bound) {
        return REFUSE(s, error, "the buckets of a histogram are not in order");
    }
    if (s->item.value < b->value) {
        return REFUSE(s, error, "a bucket has less than the one before");
    }
    b->has_bucket = true;
    b->negative_bucket |= bound < 0;
    b->bound = bound;
    b->value = s->item.value;
    return STATUS_OK;
}

static enum status take_histogram(struct strict *s, struct slice suffix, bool fresh,
                                  struct error *error)
{
    struct buckets *b = &s->buckets;
    if (fresh) {
        TRY(close_buckets(s, error));
        *b = (struct buckets){.open = true};
    }
    if (slice_is(suffix, "_bucket")) {
        return take_bucket(s, error);
    }
    if (slice_is(suffix, "_count") || slice_is(suffix, "_gcount")) {
        b->has_count = true;
        b->count = s->item.value;
    } else if (slice_is(suffix, "_sum")) {
        b->has_sum = true;
    } else if (slice_is(suffix, "_gsum")) {
        b->has_gsum = true;
        b->negative_gsum |= s->item.value < 0;
    }
    return STATUS_OK;
}

/* ---- families ---- */

/* A name of the family, with and without each suffix, must be no other family's. */
static enum status claim_names(struct strict *s, struct error *error)
{
    const struct family *f = &s->family;
    bool alone = false;
    for (size_t i = 0; i <= SUFFIXES_MAX; i++) {
        const char *suffix = i < SUFFIXES_MAX ? suffixes[f->type][i] : alone ? NULL : "";
        if (suffix == NULL) {
            continue;
        }
        alone |= suffix[0] == '\0';
        text_clear(&s->scratch);
        text_add(&s->scratch, f->name.text, f->name.size);
        text_add(&s->scratch, suffix, strlen(suffix));
        if (!digests_add(&s->names, digest_of(s, s->scratch.bytes, s->scratch.size))) {
            return REFUSE_FAMILY(s, error, "two families have the name '%.*s%s'",
                                 (int)(f->name.size < 80 ? f->name.size : 80), f->name.text,
                                 suffix);
        }
    }
    return STATUS_OK;
}

static enum status check_unit(struct strict *s, struct error *error)
{
    const struct family *f = &s->family;
    if (f->unit.size == 0) {
        return STATUS_OK;
    }
    if (f->type == EXPOSITION_INFO || f->type == EXPOSITION_STATESET) {
        return REFUSE_FAMILY(s, error, "a family of type %s has no unit",
                             exposition_type_name(f->type));
    }
    const char *end = f->name.text + f->name.size - f->unit.size;
    if (f->name.size <= f->unit.size || memcmp(end, f->unit.text, f->unit.size) != 0 ||
        end[-1] != '_') {
        return REFUSE_FAMILY(s, error, "the name of a family does not end in its unit");
    }
    return STATUS_OK;
}

static enum status close_family(struct strict *s, struct error *error)
{
    if (!s->family.open) {
        return STATUS_OK;
    }
    TRY(claim_names(s, error));
    TRY(check_unit(s, error));
    return close_buckets(s, error);
}

static enum status open_family(struct strict *s, struct error *error)
{
    TRY(close_family(s, error));
    s->family = (struct family){
        .open = true, .name = s->item.name, .line = s->item.line, .column = s->item.column};
    s->buckets = (struct buckets){0};
    digests_clear(&s->groups);
    digests_clear(&s->series);
    return STATUS_OK;
}

static bool same_name(struct slice a, struct slice b)
{
    return a.size == b.size && memcmp(a.text, b.text, a.size) == 0;
}

static enum status take_metadata(struct strict *s, struct error *error)
{
    struct family *f = &s->family;
    if (!f->open || !same_name(f->name, s->item.name)) {
        TRY(open_family(s, error));
    } else if (f->sampled) {
        return REFUSE(s, error, "metadata comes after a sample of its family");
    }
    bool *had = s->item.kind == EXPOSITION_TYPE   ? &f->has_type
                : s->item.kind == EXPOSITION_HELP ? &f->has_help
                                                  : &f->has_unit;
    if (*had) {
        return REFUSE(s, error, "this metadata of the family is there twice");
    }
    *had = true;
    if (s->item.kind == EXPOSITION_TYPE) {
        f->type = s->item.type;
    } else if (s->item.kind == EXPOSITION_UNIT) {
        f->unit = s->item.text;
    }
    return STATUS_OK;
}

/* ---- samples ---- */

/* What a sample of this name has behind the name of the family; false when it is none of it. */
static bool find_suffix(const struct family *f, struct slice name, struct slice *ret)
{
    if (name.size < f->name.size || memcmp(name.text, f->name.text, f->name.size) != 0) {
        return false;
    }
    *ret = (struct slice){name.text + f->name.size, name.size - f->name.size};
    for (size_t i = 0; i < SUFFIXES_MAX && suffixes[f->type][i]; i++) {
        if (slice_is(*ret, suffixes[f->type][i])) {
            return true;
        }
    }
    return false;
}

static int compare_labels(const void *a, const void *b)
{
    const struct slice *x = &(*(const struct exposition_label *const *)a)->name;
    const struct slice *y = &(*(const struct exposition_label *const *)b)->name;
    int order = memcmp(x->text, y->text, x->size < y->size ? x->size : y->size);
    return order ? order : (x->size > y->size) - (x->size < y->size);
}

/* A digest of the labels, in any order, without one of them; behind a name. */
static struct digest digest_labels(struct strict *s, struct slice name, struct slice without)
{
    const struct exposition_label *sorted[EXPOSITION_LABELS_MAX];
    const struct exposition_item *item = &s->item;
    char plain[2 * STORE_LABEL_BYTES_MAX];
    for (uint32_t i = 0; i < item->label_count; i++) {
        sorted[i] = &item->labels[i];
    }
    qsort(sorted, item->label_count, sizeof *sorted, compare_labels);
    text_clear(&s->scratch);
    text_add(&s->scratch, name.text, name.size);
    text_add(&s->scratch, "", 1);
    for (uint32_t i = 0; i < item->label_count; i++) {
        if (!same_name(sorted[i]->name, without)) {
            text_add(&s->scratch, sorted[i]->name.text, sorted[i]->name.size);
            text_add(&s->scratch, "", 1);
            text_add(&s->scratch, plain, exposition_unescape(sorted[i]->value, plain));
            text_add(&s->scratch, "", 1);
        }
    }
    return digest_of(s, s->scratch.bytes, s->scratch.size);
}

/* What tells the groups of a family apart: the labels, without the one that its type adds. */
static struct digest group_of(struct strict *s, struct slice suffix)
{
    static const struct slice none = {"", 0};
    const struct family *f = &s->family;
    struct slice without = none;
    if (f->type == EXPOSITION_INFO) {
        return (struct digest){0, 0};
    }
    if (f->type == EXPOSITION_SUMMARY && suffix.size == 0) {
        without = (struct slice){"quantile", 8};
    } else if (f->type == EXPOSITION_STATESET) {
        without = f->name;
    } else if (slice_is(suffix, "_bucket")) {
        without = (struct slice){"le", 2};
    }
    return digest_labels(s, none, without);
}

static bool is_whole(double value)
{
    return isfinite(value) && value == floor(value);
}

/* The labels and values that a type demands of a sample. */
static const char *wrong_for_type(const struct strict *s, struct slice suffix)
{
    const struct exposition_item *item = &s->item;
    const enum exposition_type type = s->family.type;
    bool counts =
        slice_is(suffix, "_bucket") || slice_is(suffix, "_count") || slice_is(suffix, "_gcount");
    bool adds = counts || slice_is(suffix, "_total") || slice_is(suffix, "_sum");
    double quantile = 0;
    if (type == EXPOSITION_STATESET && !find_label(item, s->family.name)) {
        return "a state needs a label with the name of its family";
    }
    if (counts && !is_whole(item->value)) {
        return "a count is a whole number";
    }
    if (type == EXPOSITION_SUMMARY && suffix.size == 0 &&
        (!label_number(item, "quantile", &quantile) || quantile < 0 || quantile > 1)) {
        return "a sample of a summary needs a label quantile from 0 to 1";
    }
    if (type == EXPOSITION_SUMMARY && suffix.size == 0 && item->value < 0) {
        return "a quantile is not below zero";
    }
    if (type == EXPOSITION_STATESET && item->value != 0 && item->value != 1) {
        return "a state is 0 or 1";
    }
    if (type == EXPOSITION_INFO && item->value != 1) {
        return "an info is 1";
    }
    if ((adds || slice_is(suffix, "_gsum")) && isnan(item->value)) {
        return "a counter is a number";
    }
    return adds && item->value < 0 ? "a counter is not below zero" : NULL;
}

static const char *wrong_exemplar(const struct strict *s, struct slice suffix)
{
    const enum exposition_type type = s->family.type;
    bool histogram = type == EXPOSITION_HISTOGRAM || type == EXPOSITION_GAUGEHISTOGRAM;
    if (!s->item.has_exemplar) {
        return NULL;
    }
    if (!(histogram && slice_is(suffix, "_bucket")) &&
        !(type == EXPOSITION_COUNTER && slice_is(suffix, "_total"))) {
        return "only buckets and totals have exemplars";
    }
    return s->item.exemplar_points > EXEMPLAR_POINTS_MAX
               ? "the labels of an exemplar have more than 128 characters"
               : NULL;
}

/* Samples of a group stand together, and time does not go back in it. */
static const char *wrong_place(struct strict *s, struct digest group, bool again)
{
    const struct exposition_item *item = &s->item;
    if (!again) {
        return digests_add(&s->groups, group) ? NULL
                                              : "the samples of a group do not stand together";
    }
    if (item->has_time != s->group_timed) {
        return "only some samples of a group have a timestamp";
    }
    return item->has_time && item->seconds < s->group_seconds && s->family.type != EXPOSITION_INFO
               ? "timestamps go back within a group"
               : NULL;
}

static enum status take_sample(struct strict *s, struct error *error)
{
    struct slice suffix = {"", 0};
    if (!s->family.open || !find_suffix(&s->family, s->item.name, &suffix)) {
        TRY(open_family(s, error));
        suffix = (struct slice){"", 0};
    }
    const char *why = wrong_for_type(s, suffix);
    why = why ? why : wrong_exemplar(s, suffix);
    if (why) {
        return REFUSE(s, error, "%s", why);
    }
    struct digest group = group_of(s, suffix);
    bool again = s->family.sampled && digest_same(group, s->group);
    why = wrong_place(s, group, again);
    if (why) {
        return REFUSE(s, error, "%s", why);
    }
    if (!again) {
        digests_clear(&s->series);
    }
    bool same_time = again && (!s->item.has_time || s->item.seconds == s->group_seconds);
    bool fresh = digests_add(&s->series, digest_labels(s, s->item.name, (struct slice){"", 0}));
    s->family.sampled = true;
    s->group = group;
    s->group_timed = s->item.has_time;
    s->group_seconds = s->item.has_time ? s->item.seconds : 0;
    if ((s->family.type == EXPOSITION_HISTOGRAM || s->family.type == EXPOSITION_GAUGEHISTOGRAM) &&
        (fresh || !same_time)) {
        return take_histogram(s, suffix, !same_time, error);
    }
    return STATUS_OK;
}

static enum status check_all(struct strict *s, struct error *error)
{
    for (;;) {
        TRY(exposition_next(&s->e, &s->item, error));
        switch (s->item.kind) {
        case EXPOSITION_END: return close_family(s, error);
        case EXPOSITION_SAMPLE: TRY(take_sample(s, error)); break;
        case EXPOSITION_TYPE:
        case EXPOSITION_HELP:
        case EXPOSITION_UNIT: TRY(take_metadata(s, error)); break;
        }
    }
}

enum status openmetrics_check(const char *body, size_t size, struct error *error)
{
    struct strict *s = heap_alloc(sizeof *s);
    exposition_init(&s->e, EXPOSITION_OPENMETRICS, body, size,
                    &(struct exposition_limits){.series = SAMPLES_MAX});
    text_init(&s->scratch, SCRATCH_BYTES_MAX);
    s->seed = lookup_hash("openmetrics", 11);
    enum status status = check_all(s, error);
    digests_release(&s->names);
    digests_release(&s->groups);
    digests_release(&s->series);
    text_release(&s->scratch);
    free(s);
    return status;
}
