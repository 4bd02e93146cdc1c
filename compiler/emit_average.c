/* Exponential averages: kernel_ewma(), kernel_moments(), kernel_zscore() and
 * kernel_zscore_compare() of stdlib/column.c, eight slots at a time. They are made for
 * each policy, not once with healc as windows are: what they are over stays in registers, and the
 * comparisons behind them cost a few instructions. */
#include <float.h>
#include <math.h>

#include "compiler/emit.h"
#include "stdlib/kernel.h"

/* x - mean, to be counted as 0 where it is too small to matter. NaN stays. */
struct step {
    LLVMValueRef d, size, counts; /* x - mean, its magnitude, lanes that are not 0 */
};

static struct step step_from(struct emit *emit, LLVMValueRef mean, LLVMValueRef x)
{
    struct step s = {.d = LLVMBuildFSub(emit->builder, x, mean, "")};
    s.size = emit_fabs(emit, s.d);
    s.counts =
        LLVMBuildFCmp(emit->builder, LLVMRealUGE, s.size, emit_real(emit, KERNEL_STEP_MIN), "");
    return s;
}

static LLVMValueRef or_zero(struct emit *emit, LLVMValueRef counts, LLVMValueRef value)
{
    return LLVMBuildSelect(emit->builder, counts, value, emit_real(emit, 0), "");
}

/* The product of d and something finite: one masked instruction where there are such. */
static LLVMValueRef step_times(struct emit *emit, const struct step *s, LLVMValueRef factor)
{
    return or_zero(emit, s->counts, LLVMBuildFMul(emit->builder, factor, s->d, ""));
}

/* Present, and what becomes of it stays a number: only such samples are folded in. */
static LLVMValueRef folded(struct emit *emit, const struct emit_lane *x, LLVMValueRef becomes)
{
    LLVMValueRef good = emit_test(emit, LLVMRealOLE, becomes, emit_real(emit, DBL_MAX));
    return LLVMBuildAnd(emit->builder, x->present, good, "");
}

/* The block that the builder leaves for a rare one, and what either brings back. */
struct detour {
    LLVMBasicBlockRef before, rare, behind;
};

static struct detour detour(struct emit *emit, LLVMValueRef bits, const char *name)
{
    struct detour d = {.before = LLVMGetInsertBlock(emit->builder)};
    d.behind = emit_unless(emit, bits, UINT8_MAX, name);
    d.rare = LLVMGetInsertBlock(emit->builder);
    return d;
}

static LLVMValueRef either(struct emit *emit, struct detour *d, LLVMValueRef common,
                           LLVMValueRef rare)
{
    LLVMValueRef phi = LLVMBuildPhi(emit->builder, LLVMTypeOf(common), "");
    LLVMAddIncoming(phi, &common, &d->before, 1);
    LLVMAddIncoming(phi, &rare, &d->rare, 1);
    return phi;
}

struct emit_lane emit_ewma(struct emit *emit, const struct abi_node *node, uint32_t member)
{
    LLVMBuilderRef b = emit->builder;
    const struct emit_lane *x = &emit->lanes[node->input[0]];
    const uint32_t mean_at = emit->group->state[member], begun_at = mean_at + 1;
    LLVMValueRef mean = emit_load_reals(emit, mean_at), begun = emit_load_bits(emit, begun_at);
    const struct step s = step_from(emit, mean, x->value);
    LLVMValueRef step = step_times(emit, &s, emit_real(emit, node->number));
    LLVMValueRef next = LLVMBuildFAdd(b, mean, step, "");
    LLVMValueRef active = folded(emit, x, emit_fabs(emit, next));
    struct detour rare = detour(emit, LLVMBuildAnd(b, active, begun, ""), "beginning");
    LLVMValueRef first = emit_choose(emit, begun, next, or_zero(emit, s.counts, s.d));
    first = emit_choose(emit, active, first, mean);
    LLVMValueRef started = LLVMBuildOr(b, begun, active, "");
    emit_store_bits(emit, begun_at, started);
    emit_end(emit, rare.behind);
    mean = either(emit, &rare, next, first);
    begun = either(emit, &rare, begun, started);
    emit_store_reals(emit, mean_at, mean);
    LLVMValueRef waiting = LLVMBuildAnd(b, x->present, LLVMBuildNot(b, begun, ""), "");
    return (struct emit_lane){.value = mean,
                              .present = LLVMBuildAnd(b, x->present, begun, ""),
                              .unknown = LLVMBuildOr(b, x->unknown, waiting, "")};
}

/* ---- moments ---- */

struct moments {
    uint32_t at; /* first column: mean, variance, history, ripe */
    LLVMValueRef mean, variance, ripe;
};

/* Some slot has no sample, or is young: its history grows, its first sample is its mean. */
static void fold_some(struct emit *emit, const struct moments *m, const struct step *s,
                      LLVMValueRef active, LLVMValueRef *mean, LLVMValueRef *variance)
{
    LLVMBuilderRef b = emit->builder;
    LLVMValueRef history = emit_load_bytes(emit, m->at + 2);
    LLVMValueRef least = emit_byte(emit, KERNEL_HISTORY_MIN);
    LLVMValueRef first = LLVMBuildICmp(b, LLVMIntEQ, history, emit_byte(emit, 0), "");
    LLVMValueRef young = LLVMBuildICmp(b, LLVMIntULT, history, least, "");
    LLVMValueRef more = LLVMBuildAdd(b, history, emit_byte(emit, 1), "");
    more = LLVMBuildSelect(b, young, more, history, "");
    LLVMValueRef grown = emit_choose(emit, active, more, history);
    LLVMValueRef full = LLVMBuildICmp(b, LLVMIntUGE, grown, least, "");
    emit_store_bytes(emit, m->at + 2, grown);
    emit_store_bits(
        emit, m->at + 3,
        LLVMBuildOr(b, m->ripe, LLVMBuildAnd(b, emit_bits(emit, full), active, ""), ""));
    *mean = LLVMBuildSelect(b, first, or_zero(emit, s->counts, s->d), *mean, "");
    *variance = LLVMBuildSelect(b, first, emit_real(emit, KERNEL_SPREAD_MIN), *variance, "");
    *mean = emit_choose(emit, active, *mean, m->mean);
    *variance = emit_choose(emit, active, *variance, m->variance);
}

LLVMValueRef emit_nan(struct emit *emit, LLVMValueRef value, LLVMValueRef present)
{
    LLVMValueRef none = LLVMBuildFSub(emit->builder, value, value, ""); /* NaN, else 0 */
    LLVMValueRef odd = emit_test(emit, LLVMRealUNE, none, emit_real(emit, 0));
    return LLVMBuildAnd(emit->builder, odd, present, "");
}

/* Mostly all eight slots are present, ripe and ordinary, and nothing has to be chosen. */
struct emit_lane emit_moments(struct emit *emit, const struct abi_node *node, uint32_t member)
{
    LLVMBuilderRef b = emit->builder;
    const struct emit_lane *x = &emit->lanes[node->input[0]];
    struct moments m = {.at = emit->group->state[member]};
    m.mean = emit_load_reals(emit, m.at);
    m.variance = emit_load_reals(emit, m.at + 1);
    m.ripe = emit_load_bits(emit, m.at + 3);
    const struct step s = step_from(emit, m.mean, x->value);
    LLVMValueRef step = step_times(emit, &s, emit_real(emit, node->number));
    LLVMValueRef spread = LLVMBuildFAdd(b, m.variance, LLVMBuildFMul(b, step, s.d, ""), "");
    LLVMValueRef mean = LLVMBuildFAdd(b, m.mean, step, "");
    LLVMValueRef variance = LLVMBuildFMul(b, emit_real(emit, 1 - node->number), spread, "");
    LLVMValueRef least = emit_real(emit, KERNEL_SPREAD_MIN);
    LLVMValueRef more = LLVMBuildFCmp(b, LLVMRealOGT, variance, least, "");
    variance = LLVMBuildSelect(b, more, variance, least, "");
    LLVMValueRef active = folded(emit, x, spread), some_mean = mean, some_variance = variance;
    LLVMValueRef square = step_times(emit, &s, s.size);
    struct detour rare = detour(emit, LLVMBuildAnd(b, active, m.ripe, ""), "some");
    fold_some(emit, &m, &s, active, &some_mean, &some_variance);
    LLVMValueRef ripe = LLVMBuildAnd(b, x->present, m.ripe, "");
    LLVMValueRef young = LLVMBuildAnd(b, x->present, LLVMBuildNot(b, m.ripe, ""), "");
    LLVMValueRef unknown = LLVMBuildOr(b, x->unknown, young, "");
    LLVMValueRef nan = emit_nan(emit, s.d, ripe);
    LLVMValueRef unsure = LLVMBuildOr(b, unknown, nan, "");
    emit_end(emit, rare.behind);
    mean = either(emit, &rare, mean, some_mean);
    variance = either(emit, &rare, variance, some_variance);
    struct emit_lane lane = {.value = s.d,
                             .counts = s.counts,
                             .variance = m.variance,
                             .square = square,
                             .present =
                                 either(emit, &rare, LLVMConstInt(emit->i8, UINT8_MAX, 0), ripe),
                             .unknown = either(emit, &rare, x->unknown, unknown),
                             .unsure = either(emit, &rare, x->unknown, unsure),
                             .nan = either(emit, &rare, LLVMConstInt(emit->i8, 0, 0), nan)};
    emit_store_reals(emit, m.at, mean);
    emit_store_reals(emit, m.at + 1, variance);
    return lane;
}

/* ---- z-scores ---- */

LLVMValueRef emit_deviation(struct emit *emit, const struct emit_lane *moments)
{
    return moments->counts ? or_zero(emit, moments->counts, moments->value) : moments->value;
}

LLVMValueRef emit_score(struct emit *emit, const struct emit_lane *moments)
{
    return LLVMBuildFDiv(emit->builder, emit_deviation(emit, moments),
                         emit_sqrt(emit, moments->variance), "z");
}

/* k |k| v: what d |d| is compared with, instead of z with k. */
static LLVMValueRef bound_of(struct emit *emit, double k, LLVMValueRef variance)
{
    return LLVMBuildFMul(emit->builder, emit_real(emit, k * fabs(k)), variance, "");
}

/* Bits where z op k. */
static LLVMValueRef beyond(struct emit *emit, const struct abi_node *node,
                           const struct emit_lane *moments)
{
    return emit_test(emit, emit_predicate(node->compare), moments->square,
                     bound_of(emit, node->bound, moments->variance));
}

/* Where a comparison lets z through, z itself is not made here: few are, see emit_score(). */
struct emit_lane emit_zscore(struct emit *emit, const struct abi_node *node)
{
    LLVMBuilderRef b = emit->builder;
    const struct emit_lane *moments = &emit->lanes[node->input[0]];
    struct emit_lane lane = {.present = moments->present, .unknown = moments->unknown};
    if (node->kind == ABI_ZSCORE) {
        lane.value = emit_score(emit, moments);
        return lane;
    }
    lane.unknown = moments->unsure;
    if (node->return_bool) {
        lane.present = LLVMBuildAnd(b, moments->present, LLVMBuildNot(b, moments->nan, ""), "");
        lane.value = emit_bool(emit, node->compare, moments->square,
                               bound_of(emit, node->bound, moments->variance));
    } else {
        lane.present = LLVMBuildAnd(b, moments->present, beyond(emit, node, moments), "");
    }
    return lane;
}

/* ---- moments with several readers ---- */

/* Comparisons that point the same way. When the loosest lets nothing through, none does: as the
 * variance is never below 0, a product with a larger bound is never smaller. */
struct family {
    bool (*has)(const struct abi_node *node);
    LLVMRealPredicate strict, equal; /* true where unordered: then each is asked */
    double sign;                     /* of bounds, so that the loosest is the least */
    uint32_t members[ABI_FAN_MAX], count;
    double loosest;
    bool all_strict;
};

static bool is_filter(const struct abi_node *node)
{
    return node->kind == ABI_ZSCORE_COMPARE && !node->return_bool && !isnan(node->bound);
}

static bool is_up(const struct abi_node *node)
{
    return is_filter(node) && (node->compare == ABI_GT || node->compare == ABI_GE);
}

static bool is_down(const struct abi_node *node)
{
    return is_filter(node) && (node->compare == ABI_LT || node->compare == ABI_LE);
}

struct fan {
    struct family families[2]; /* of no or several members */
    uint32_t first;            /* member of a family, or ABI_NONE */
    bool scored;               /* z itself is among what is stored */
};

static const struct abi_node *member_node(const struct emit *emit, uint32_t member)
{
    return &emit->plan->nodes[emit->group->members[member]];
}

static void find_family(const struct emit *emit, struct family *family)
{
    family->loosest = INFINITY;
    family->all_strict = true;
    for (uint32_t i = emit->group->run_at + 1; i < emit->group->member_count; i++) {
        const struct abi_node *node = member_node(emit, i);
        if (family->has(node)) {
            family->members[family->count++] = i;
            family->loosest = fmin(family->loosest, family->sign * node->bound);
            family->all_strict &= node->compare == ABI_GT || node->compare == ABI_LT;
        }
    }
    family->loosest *= family->sign;
    family->count = family->count < 2 ? 0 : family->count;
}

static struct fan find_fan(const struct emit *emit)
{
    struct fan fan = {
        .families = {{.has = is_up, .strict = LLVMRealUGT, .equal = LLVMRealUGE, .sign = 1},
                     {.has = is_down, .strict = LLVMRealULT, .equal = LLVMRealULE, .sign = -1}},
        .first = ABI_NONE};
    for (size_t i = 0; i < ARRAY_LEN(fan.families); i++) {
        find_family(emit, &fan.families[i]);
        if (fan.families[i].count > 0 && fan.first == ABI_NONE) {
            fan.first = fan.families[i].members[0];
        }
    }
    for (uint32_t i = emit->group->run_at + 1; i < emit->group->member_count; i++) {
        fan.scored |= member_node(emit, i)->kind == ABI_ZSCORE;
    }
    return fan;
}

static bool in_family(const struct fan *fan, const struct abi_node *node)
{
    return (fan->families[0].count > 0 && is_up(node)) ||
           (fan->families[1].count > 0 && is_down(node));
}

/* Slots that some member of the family may let through. */
static LLVMValueRef maybe(struct emit *emit, const struct family *family,
                          const struct emit_lane *moments)
{
    LLVMValueRef passes =
        emit_test(emit, family->all_strict ? family->strict : family->equal, moments->square,
                  bound_of(emit, family->loosest, moments->variance));
    return LLVMBuildAnd(emit->builder, passes, moments->present, "");
}

/* Members outside of families, each by itself. Returns where z is wanted. */
static LLVMValueRef others(struct emit *emit, const struct fan *fan, LLVMValueRef *any)
{
    LLVMBuilderRef b = emit->builder;
    const struct abi_group *group = emit->group;
    LLVMValueRef wanted = LLVMConstInt(emit->i8, 0, 0);
    for (uint32_t i = group->run_at + 1; i < group->member_count; i++) {
        const struct abi_node *node = member_node(emit, i);
        if (in_family(fan, node)) {
            continue;
        }
        emit_debug_place(emit, node);
        struct emit_lane lane = emit_zscore(emit, node);
        if (node->kind == ABI_ZSCORE) {
            emit_store_reals(emit, group->stored[group->scores], lane.value);
        } else if (node->return_bool) {
            emit_store_reals(emit, group->stored[i], lane.value);
        } else {
            wanted = LLVMBuildOr(b, wanted, lane.present, "");
        }
        emit_store_bits(emit, group->stored[i] + 1, lane.present);
        emit_store_bits(emit, group->stored[i] + 2, lane.unknown);
        *any = LLVMBuildOr(b, *any, lane.present, "");
    }
    return wanted;
}

/* Every member of a family where it may matter. */
static void each_of(struct emit *emit, const struct family *family, LLVMValueRef maybe_bits)
{
    const struct abi_group *group = emit->group;
    for (uint32_t i = 0; i < family->count; i++) {
        const struct abi_node *node = member_node(emit, family->members[i]);
        emit_debug_place(emit, node);
        LLVMValueRef is_true = beyond(emit, node, &emit->lanes[node->input[0]]);
        emit_store_bits(emit, group->stored[family->members[i]] + 1,
                        LLVMBuildAnd(emit->builder, is_true, maybe_bits, ""));
    }
}

static LLVMValueRef fan_body(struct emit *emit, const struct fan *fan)
{
    LLVMBuilderRef b = emit->builder;
    const struct abi_group *group = emit->group;
    const struct emit_lane *moments = &emit->lanes[group->members[group->run_at]];
    LLVMValueRef any = LLVMConstInt(emit->i8, 0, 0), bits[ARRAY_LEN(fan->families)];
    LLVMValueRef wanted = others(emit, fan, &any);
    for (size_t i = 0; i < ARRAY_LEN(fan->families); i++) {
        bits[i] = fan->families[i].count ? maybe(emit, &fan->families[i], moments)
                                         : LLVMConstInt(emit->i8, 0, 0);
        wanted = LLVMBuildOr(b, wanted, bits[i], "");
    }
    if (fan->first != ABI_NONE) {
        emit_store_bits(emit, group->stored[fan->first] + 2, moments->unsure);
    }
    LLVMBasicBlockRef behind = emit_unless(emit, wanted, 0, "passes");
    for (size_t i = 0; i < ARRAY_LEN(fan->families); i++) {
        each_of(emit, &fan->families[i], bits[i]);
    }
    if (!fan->scored && group->scores != ABI_NONE) {
        emit_store_reals(emit, group->stored[group->scores], emit_score(emit, moments));
    }
    emit_end(emit, behind);
    return LLVMBuildOr(b, any, wanted, "");
}

/* Words of the families' bits, 64 slots at once: present is none until somebody passes; unknown is
 * the same for all. */
static void family_words(struct emit *emit, const struct fan *fan, bool before)
{
    const struct abi_group *group = emit->group;
    LLVMValueRef word = LLVMConstInt(emit->i64, 0, 0);
    emit->word = emit->i64;
    if (!before && fan->first != ABI_NONE) {
        word = emit_load_bits(emit, group->stored[fan->first] + 2);
    }
    for (size_t i = 0; i < ARRAY_LEN(fan->families); i++) {
        for (uint32_t j = 0; j < fan->families[i].count; j++) {
            uint32_t member = fan->families[i].members[j];
            if (before || member != fan->first) {
                emit_store_bits(emit, group->stored[member] + (before ? 1 : 2), word);
            }
        }
    }
    emit->word = emit->i8;
}

LLVMValueRef emit_fan(struct emit *emit)
{
    const struct fan fan = find_fan(emit);
    LLVMValueRef lo = LLVMGetParam(emit->function, 1), hi = LLVMGetParam(emit->function, 2);
    struct emit_loop blocks = emit_loop_begin(emit, lo, hi, ABI_BLOCK, emit->i64);
    LLVMValueRef slot = emit->slot, byte = emit->byte;
    LLVMValueRef end = LLVMBuildNSWAdd(emit->builder, slot, blocks.step, "");
    family_words(emit, &fan, true);
    struct emit_loop loop = emit_loop_begin(emit, slot, end, EMIT_LANES, emit->i8);
    emit_members(emit, emit->group->run_at + 1);
    LLVMValueRef any = emit_loop_end(emit, &loop, fan_body(emit, &fan));
    emit->slot = slot;
    emit->byte = byte;
    family_words(emit, &fan, false);
    return emit_loop_end(emit, &blocks, any);
}
