/* Aggregations and classic histograms: which slots of a child make one of the result's, and their
 * value. */
#include <math.h>
#include <stdlib.h>

#include "runtime/engine/eval_keys.h"

/* ---- slots ---- */

/* Groups of the child's slots become slots; without a bucket label the name stays until the end. */
static void group_slots(struct eval_node *node, bool keep, bool named)
{
    const struct eval_node *child = node->in[0];
    struct keys keys = {0};
    node->left = heap_resize(node->left, (child->count + 1) * sizeof *node->left);
    for (size_t i = 0; i < child->count; i++) {
        const struct label_set *labels;
        const char *name = slot_key(node, child, i, keep, &labels);
        name = named ? child->names[i] : name;
        size_t known = keys.count;
        node->left[i] = keys_add(&keys, labels, name);
        if (keys.count > known) {
            node_add(node, labels, name, name && (named || child->drops[i]));
        }
    }
    keys_release(&keys);
}

/* The members of each of count groups, in the order of the child's slots; scratch for the largest.
 */
static void members_build(struct eval_node *node, size_t count)
{
    struct membership *m = &node->members;
    const size_t slots = node->in[0]->count;
    size_t largest = 0;
    m->starts = heap_resize(m->starts, (count + 2) * sizeof *m->starts);
    m->slots = heap_resize(m->slots, (slots + 1) * sizeof *m->slots);
    memset(m->starts, 0, (count + 2) * sizeof *m->starts);
    for (size_t i = 0; i < slots; i++) {
        m->starts[node->left[i] + 2]++;
    }
    for (size_t g = 2; g < count + 2; g++) {
        largest = m->starts[g] > largest ? m->starts[g] : largest;
        m->starts[g] += m->starts[g - 1];
    }
    for (size_t i = 0; i < slots; i++) { /* starts[g + 1] walks to the end of g */
        m->slots[m->starts[node->left[i] + 1]++] = (uint32_t)i;
    }
    node->order = heap_resize(node->order, (2 * largest + 1) * sizeof *node->order);
}

void aggregate_slots(struct eval_node *node)
{
    group_slots(node, !node->p.without, false);
    if (node->p.aggregate == AGGREGATE_QUANTILE) {
        members_build(node, node->count);
    } else {
        aggregate_index(node);
    }
}

void pick_slots(struct eval_node *node)
{
    const struct eval_node *child = node->in[0];
    struct keys keys = {0};
    copy_slots(node, child, true, false);
    node->left = heap_resize(node->left, (child->count + 1) * sizeof *node->left);
    for (size_t i = 0; i < child->count; i++) {
        const struct label_set *labels;
        const char *name = slot_key(node, child, i, !node->p.without, &labels);
        node->left[i] = keys_add(&keys, labels, name);
    }
    node->group_count = keys.count;
    members_build(node, keys.count);
    keys_release(&keys);
}

/* The upper bound that le says; NaN when it is no number. */
static double bucket_bound(const struct label_set *labels)
{
    const char *text = label_set_get(labels, "le");
    char *end = NULL;
    double bound = text ? strtod(text, &end) : NAN;
    return end && *end == '\0' && end != text ? bound : NAN;
}

struct bucket {
    double bound;
    uint32_t slot;
};
static int compare_buckets(const void *a, const void *b)
{
    const struct bucket *x = a, *y = b;
    if (x->bound != y->bound && !(isnan(x->bound) && isnan(y->bound))) {
        return isnan(x->bound) || x->bound > y->bound ? 1 : -1;
    }
    return x->slot < y->slot ? -1 : x->slot > y->slot;
}

/* Buckets of a histogram upwards; slots without a bound come last. */
static void sort_buckets(struct eval_node *node, struct bucket *buckets, size_t start, size_t end)
{
    const struct eval_node *child = node->in[0];
    for (size_t i = start; i < end; i++) {
        const uint32_t slot = node->members.slots[i];
        buckets[i - start] = (struct bucket){bucket_bound(child->labels[slot]), slot};
    }
    qsort(buckets, end - start, sizeof *buckets, compare_buckets);
    for (size_t i = start; i < end; i++) {
        node->members.slots[i] = buckets[i - start].slot;
        node->bounds[i] = buckets[i - start].bound;
    }
}

void histogram_slots(struct eval_node *node)
{
    const size_t slots = node->in[0]->count;
    group_slots(node, false, true);
    members_build(node, node->count);
    node->bounds = heap_resize(node->bounds, (slots + 1) * sizeof *node->bounds);
    struct bucket *buckets = heap_alloc((slots + 1) * sizeof *buckets);
    for (size_t g = 0; g < node->count; g++) {
        sort_buckets(node, buckets, node->members.starts[g], node->members.starts[g + 1]);
    }
    free(buckets);
}

/* ---- aggregations ---- */

static void sum_add(struct eval_node *node, uint32_t g, double value)
{
    kernel_sum_add(&node->sums[g], value);
}

/* Mean of a group: a plain sum until it overflows, then incremental (count goes negative). */
static void mean_add(struct eval_node *node, uint32_t g, double value)
{
    struct kernel_sum *sum = &node->sums[g];
    double count = fabs(node->counts[g]);
    if (node->counts[g] > 0) {
        struct kernel_sum next = *sum;
        kernel_sum_add(&next, value);
        if (!isinf(next.sum)) {
            *sum = next;
            return;
        }
        *sum = (struct kernel_sum){sum->sum / (count - 1), sum->error / (count - 1)};
        node->counts[g] = -count;
    }
    double keep = (count - 1) / count;
    *sum = (struct kernel_sum){keep * sum->sum, keep * sum->error};
    kernel_sum_add(sum, value / count);
}

/* Mean and sum of squared deviations (Welford 1962), in sum and error. */
static void spread_add(struct eval_node *node, uint32_t g, double value)
{
    struct kernel_sum *spread = &node->sums[g];
    double delta = value - spread->sum;
    spread->sum += delta / node->counts[g];
    spread->error += delta * (value - spread->sum);
}

static void aggregate_add(struct eval_node *node, uint32_t g, double value)
{
    double *best = &node->sums[g].sum;
    if (node->counts[g] == 0) {
        node->counts[g] = 1;
        node->sums[g] = (struct kernel_sum){value, isfinite(value) ? 0 : NAN};
        if (node->p.aggregate != AGGREGATE_STDDEV && node->p.aggregate != AGGREGATE_STDVAR) {
            node->sums[g].error = 0;
        }
        return;
    }
    node->counts[g] += node->counts[g] > 0 ? 1 : -1;
    switch ((int)node->p.aggregate) {
    case AGGREGATE_SUM: sum_add(node, g, value); break;
    case AGGREGATE_AVG: mean_add(node, g, value); break;
    case AGGREGATE_STDDEV:
    case AGGREGATE_STDVAR: spread_add(node, g, value); break;
    case AGGREGATE_MAX: *best = *best < value || isnan(*best) ? value : *best; break;
    case AGGREGATE_MIN: *best = *best > value || isnan(*best) ? value : *best; break;
    default: break; /* count, group */
    }
}

static double aggregate_result(const struct eval_node *node, size_t g)
{
    const struct kernel_sum *sum = &node->sums[g];
    double count = node->counts[g];
    switch ((int)node->p.aggregate) {
    case AGGREGATE_SUM: return sum->sum + sum->error;
    case AGGREGATE_AVG:
        return count < 0 ? sum->sum + sum->error : sum->sum / count + sum->error / count;
    case AGGREGATE_COUNT: return count;
    case AGGREGATE_GROUP: return 1;
    case AGGREGATE_STDVAR: return sum->error / count;
    case AGGREGATE_STDDEV: return sqrt(sum->error / count);
    default: return sum->sum;
    }
}

/* NaN is below all numbers. */
static int compare_values(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    if (isnan(x) || isnan(y)) {
        return (isnan(y) != 0) - (isnan(x) != 0);
    }
    return x < y ? -1 : x > y;
}

static void quantiles(struct eval_node *node)
{
    const struct eval_node *child = node->in[0];
    const double q = node->in[1]->values[0];
    for (size_t g = 0; g < node->count; g++) {
        size_t n = 0;
        for (uint32_t i = node->members.starts[g]; i < node->members.starts[g + 1]; i++) {
            const uint32_t slot = node->members.slots[i];
            if (bit_get(child->present, slot)) {
                node->order[n++] = child->values[slot];
            }
        }
        if (n > 0) {
            qsort(node->order, n, sizeof *node->order, compare_values);
            node->own[g] = kernel_quantile(q, node->order, n);
        }
    }
}

void run_aggregate(struct eval_node *node)
{
    const struct eval_node *child = node->in[0];
    const bool quantile = node->p.aggregate == AGGREGATE_QUANTILE;
    bits_fill(node->present, node->count, false);
    bits_fill(node->unknown, node->count, quantile && bit_get(node->in[1]->unknown, 0));
    for (size_t g = 0; g < node->count; g++) {
        node->counts[g] = 0;
    }
    for (size_t i = 0; i < child->count; i++) {
        if (bit_get(child->present, i)) {
            aggregate_add(node, node->left[i], child->values[i]);
        }
        if (bit_get(child->unknown, i)) {
            bit_set(node->unknown, node->left[i]);
        }
    }
    for (size_t g = 0; g < node->count; g++) {
        if (node->counts[g] != 0) {
            node->own[g] = aggregate_result(node, g);
            bit_set(node->present, g);
        }
    }
    if (quantile) {
        quantiles(node);
    }
}

/* ---- topk, bottomk ---- */

/* Whether slot a of the child is chosen before slot b: of equals the one that stands first. */
static bool chosen_before(const struct eval_node *node, uint32_t a, uint32_t b)
{
    const double x = node->in[0]->values[a], y = node->in[0]->values[b];
    if (isnan(x) || isnan(y)) {
        return isnan(x) && isnan(y) ? a < b : !isnan(x);
    }
    return x == y ? a < b : node->p.aggregate == AGGREGATE_TOPK ? x > y : x < y;
}

static void sift_down(const struct eval_node *node, uint32_t *heap, size_t count, size_t at)
{
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        child += child + 1 < count && chosen_before(node, heap[child], heap[child + 1]);
        if (!chosen_before(node, heap[at], heap[child])) {
            return;
        }
        uint32_t slot = heap[at];
        heap[at] = heap[child];
        heap[child] = slot;
    }
}

/* The best k of the members, in a heap whose first is the worst of them. */
static size_t pick_group(struct eval_node *node, size_t g, size_t k, uint32_t *heap)
{
    const uint64_t *present = node->in[0]->present;
    size_t count = 0;
    for (uint32_t i = node->members.starts[g]; i < node->members.starts[g + 1]; i++) {
        const uint32_t slot = node->members.slots[i];
        if (!bit_get(present, slot)) {
            continue;
        }
        if (count < k) {
            heap[count++] = slot;
            for (size_t at = count / 2; count == k && at-- > 0;) {
                sift_down(node, heap, count, at);
            }
        } else if (chosen_before(node, slot, heap[0])) {
            heap[0] = slot;
            sift_down(node, heap, count, 0);
        }
    }
    return count;
}

void run_pick(struct eval_node *node)
{
    const struct eval_node *child = node->in[0];
    const double k = node->in[1]->values[0];
    uint32_t *heap = (uint32_t *)(void *)node->order;
    const size_t most = k >= 1 ? k < (double)EVAL_SLOTS_MAX ? (size_t)k : EVAL_SLOTS_MAX : 0;
    node->values = child->values;
    bits_fill(node->present, node->count, false);
    bits_fill(node->unknown, node->count, false);
    const bool undecided = isnan(k) || bit_get(node->in[1]->unknown, 0);
    for (size_t g = 0; g < node->group_count; g++) {
        bool unknown = undecided;
        for (uint32_t i = node->members.starts[g]; i < node->members.starts[g + 1]; i++) {
            unknown |= bit_get(child->unknown, node->members.slots[i]);
        }
        size_t count = most > 0 ? pick_group(node, g, most, heap) : 0;
        for (size_t i = 0; i < count; i++) {
            bit_set(node->present, heap[i]);
        }
        for (uint32_t i = node->members.starts[g]; unknown && i < node->members.starts[g + 1];
             i++) { /* who is chosen depends on all */
            bit_set(node->unknown, node->members.slots[i]);
        }
    }
    node->eval->many_to_many += k != k;
    node->faulted |= k != k;
}

/* ---- classic histograms ---- */

/* The present buckets of a histogram, those of equal bounds as one. */
static size_t buckets_read(struct eval_node *node, size_t g, double *bound, double *count)
{
    const struct eval_node *child = node->in[0];
    size_t n = 0;
    for (uint32_t i = node->members.starts[g]; i < node->members.starts[g + 1]; i++) {
        const uint32_t slot = node->members.slots[i];
        if (!bit_get(child->present, slot) || isnan(node->bounds[i])) {
            continue;
        }
        if (n > 0 && bound[n - 1] == node->bounds[i]) {
            count[n - 1] += child->values[slot];
        } else {
            bound[n] = node->bounds[i];
            count[n++] = child->values[slot];
        }
    }
    return n;
}

void run_histogram(struct eval_node *node)
{
    const struct eval_node *child = node->in[0];
    bool unknown = false;
    for (size_t i = 1; i < node->in_count; i++) {
        unknown |= bit_get(node->in[i]->unknown, 0);
    }
    bits_fill(node->present, node->count, false);
    bits_fill(node->unknown, node->count, unknown);
    for (size_t g = 0; g < node->count; g++) {
        const uint32_t start = node->members.starts[g], end = node->members.starts[g + 1];
        double *bound = node->order, *count = node->order + (end - start);
        for (uint32_t i = start; i < end; i++) {
            if (bit_get(child->unknown, node->members.slots[i])) {
                bit_set(node->unknown, g);
            }
        }
        size_t n = buckets_read(node, g, bound, count);
        if (n > 0) {
            bit_set(node->present, g);
            const double x = node->in[1]->values[0];
            node->own[g] = node->p.fraction ? kernel_histogram_fraction(x, node->in[2]->values[0],
                                                                        bound, count, n)
                                            : kernel_histogram_quantile(x, bound, count, n);
        }
    }
}
