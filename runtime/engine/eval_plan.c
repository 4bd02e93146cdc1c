/* The plan: a view of the evaluator's graph, and which nodes become one kernel.
 *
 * Engine and compiler both make it, from graphs that may hold more than the group in question, so
 * nothing of a group depends on the order in which nodes were added. */
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "runtime/engine/eval_node.h"
#include "stdlib/window.h"

/* ---- nodes ---- */

static const char *kind_text(const struct eval_node *node)
{
    switch (node->kind) {
    case NODE_NUMBER: return "number";
    case NODE_TIME: return "time";
    case NODE_SELECT: return "select";
    case NODE_SAMPLED: return "sampled";
    case NODE_PAST: return "offset";
    case NODE_WINDOW: return "window";
    case NODE_FORECAST: return "forecast";
    case NODE_REACHES: return "reaches";
    case NODE_BINARY:
    case NODE_SET: return operator_infos[node->p.op].text;
    case NODE_AGGREGATE: return aggregate_infos[node->p.aggregate].text;
    case NODE_PICK: return aggregate_infos[node->p.aggregate].text;
    case NODE_COUNT_VALUES: return "count_values";
    case NODE_RENAME: return node->p.minus ? "negate" : "rename";
    case NODE_END: return "rename";
    case NODE_ABSENT: return "absent";
    case NODE_MATH: return kernel_math_infos[node->p.math].text;
    case NODE_SCALAR: return "scalar";
    case NODE_VECTOR: return "vector";
    case NODE_TIMESTAMP: return "timestamp";
    case NODE_SORT: return node->p.descending ? "sort_desc" : "sort";
    case NODE_LABELS: return node->p.join ? "label_join" : "label_replace";
    case NODE_HISTOGRAM: return node->p.fraction ? "histogram_fraction" : "histogram_quantile";
    case NODE_AT: return "@";
    case NODE_EWMA: return "ewma";
    case NODE_MOMENTS: return "moments";
    case NODE_ZSCORE: return "zscore";
    case NODE_ZSCORE_COMPARE: return "zscore compare";
    case NODE_STEP: return "step";
    }
    return "";
}

void node_text(const struct eval_node *node, char *ret, size_t size)
{
    const struct node_parameters *p = &node->p;
    char duration[32];
    switch ((int)node->kind) {
    case NODE_NUMBER: snprintf(ret, size, "%.17g", p->number); break;
    case NODE_SELECT:
        snprintf(ret, size, "%s%s", p->metric ? p->metric : "", p->matcher_count ? "{...}" : "");
        break;
    case NODE_WINDOW:
        snprintf(ret, size, "%s [%s]", kernel_window_infos[p->window].text,
                 duration_print(p->range, duration, sizeof duration));
        break;
    case NODE_EWMA:
    case NODE_MOMENTS: snprintf(ret, size, "%s alpha %g", kind_text(node), p->number); break;
    case NODE_ZSCORE_COMPARE:
        snprintf(ret, size, "zscore %s%s %g", operator_infos[p->op].text,
                 p->return_bool ? " bool" : "", p->bound);
        break;
    default: snprintf(ret, size, "%s%s", kind_text(node), p->return_bool ? " bool" : "");
    }
    for (unsigned char *c = (unsigned char *)ret; *c; c++) { /* a metric may be called anything */
        *c = *c < 0x20 || *c == 0x7f ? '?' : *c;
    }
}

static enum abi_kind binary_kind(enum operator op)
{
    switch ((int)op) {
    case OPERATOR_ADD: return ABI_ADD;
    case OPERATOR_SUB: return ABI_SUBTRACT;
    case OPERATOR_MUL: return ABI_MULTIPLY;
    case OPERATOR_DIV: return ABI_DIVIDE;
    case OPERATOR_AND: return ABI_AND;
    case OPERATOR_UNLESS: return ABI_UNLESS;
    default: return operator_infos[op].kind == OPERATOR_COMPARE ? ABI_COMPARE : ABI_OTHER;
    }
}

static enum abi_kind kind_of(const struct eval_node *node)
{
    switch ((int)node->kind) {
    case NODE_NUMBER: return ABI_NUMBER;
    case NODE_BINARY:
    case NODE_SET: return binary_kind(node->p.op);
    case NODE_RENAME: return node->p.minus ? ABI_NEGATE : ABI_RENAME;
    case NODE_END: return ABI_RENAME;
    case NODE_WINDOW: return ABI_WINDOW;
    case NODE_EWMA: return ABI_EWMA;
    case NODE_MOMENTS: return ABI_MOMENTS;
    case NODE_ZSCORE: return ABI_ZSCORE;
    case NODE_ZSCORE_COMPARE: return ABI_ZSCORE_COMPARE;
    default: return ABI_OTHER;
    }
}

static enum abi_compare compare_of(enum operator op)
{
    switch ((int)op) {
    case OPERATOR_EQ: return ABI_EQ;
    case OPERATOR_NE: return ABI_NE;
    case OPERATOR_LE: return ABI_LE;
    case OPERATOR_LT: return ABI_LT;
    case OPERATOR_GE: return ABI_GE;
    default: return ABI_GT;
    }
}

/* All samples of the lookback are read at every tick: as many as the policy takes of a signal, or
 * of a series one a second. */
static uint32_t forecast_ns(const struct eval_node *node)
{
    enum { CALL_NS = 200, SAMPLE_NS = 20 };
    const struct duration every = node->in[0]->p.every;
    int64_t samples = node->p.range.ns / (every.ns > 0 ? every.ns : NS_PER_S) + 1;
    return samples < (UINT32_MAX - CALL_NS) / SAMPLE_NS ? CALL_NS + SAMPLE_NS * (uint32_t)samples
                                                        : UINT32_MAX;
}

/* Upper ends of what was measured of the reference evaluator for one slot, in nanoseconds. */
static uint32_t node_ns(const struct eval_node *node)
{
    switch ((int)node->kind) {
    case NODE_FORECAST: return forecast_ns(node);
    case NODE_WINDOW: return 200; /* only what came and went is read */
    case NODE_SAMPLED:
    case NODE_PAST:
    case NODE_REACHES: return 100;
    case NODE_SET:
    case NODE_AGGREGATE: return 20;
    case NODE_PICK:
    case NODE_HISTOGRAM:
    case NODE_COUNT_VALUES: return 60;
    case NODE_MATH: return 30;
    case NODE_EWMA:
    case NODE_MOMENTS:
    case NODE_ZSCORE: return 12;
    default: return 4;
    }
}

static uint32_t node_bytes(const struct eval_node *node)
{
    enum { COLUMN_BYTES = 26 }; /* labels, name, whether it goes, value, two bits */
    switch ((int)node->kind) {
    case NODE_SELECT: return COLUMN_BYTES + 12;
    case NODE_SAMPLED: return COLUMN_BYTES + 16; /* newest, held, lane */
    case NODE_BINARY: {
        const bool scalar = node->in[0]->scalar || node->in[1]->scalar;
        return scalar ? COLUMN_BYTES + 1 : COLUMN_BYTES + 25;
    }
    case NODE_SET: return COLUMN_BYTES + 25;
    case NODE_REACHES: return COLUMN_BYTES + 34;
    case NODE_EWMA: return COLUMN_BYTES + 18;
    case NODE_MOMENTS: return COLUMN_BYTES + 26;
    case NODE_FORECAST: return COLUMN_BYTES + (uint32_t)sizeof(struct kernel_forecast);
    case NODE_AGGREGATE: return COLUMN_BYTES + 28;
    case NODE_PICK:
    case NODE_HISTOGRAM:
    case NODE_COUNT_VALUES: return COLUMN_BYTES + 40;
    default: return COLUMN_BYTES;
    }
}

static void view_node(struct abi_plan *plan, const struct eval_node *node)
{
    struct abi_node *view = &plan->nodes[node->index];
    *view = (struct abi_node){.kind = kind_of(node),
                              .hash = node->hash,
                              .input_count = (uint32_t)node->in_count,
                              .compare = compare_of(node->p.op),
                              .return_bool = node->p.return_bool,
                              .scalar = node->scalar,
                              .outside = node->outside,
                              .number = node->p.number,
                              .bound = node->p.bound,
                              .window = (uint32_t)node->p.window,
                              .group = ABI_NONE,
                              .span = node->span,
                              .bytes_per_slot = node_bytes(node),
                              .ns_per_slot = node_ns(node)};
    for (size_t i = 0; i < node->in_count; i++) {
        view->input[i] = (uint32_t)node->in[i]->index;
        bool again = i == 1 && node->in[0] == node->in[1];
        plan->nodes[view->input[i]].readers += !again;
    }
    node_text(node, view->text, sizeof view->text);
}

/* ---- groups ---- */

static bool has_code(const struct abi_plan *plan, const struct abi_node *node)
{
    if (node->kind == ABI_AND || node->kind == ABI_UNLESS) {
        return !plan->nodes[node->input[0]].scalar && !plan->nodes[node->input[1]].scalar;
    }
    if (node->kind == ABI_WINDOW && node->input_count > 1 && !plan->nodes[node->input[1]].scalar) {
        return false;
    }
    return node->kind != ABI_OTHER && node->kind != ABI_NUMBER && !node->scalar;
}

/* Moments with several readers: all of them become one kernel. */
static bool fans_out(const struct abi_node *node)
{
    return node->kind == ABI_MOMENTS && node->readers > 1 && node->readers <= ABI_FAN_MAX;
}

/* The group that a reader belongs to whatever reads it, or ABI_NONE. */
static uint32_t fan_of(const struct abi_plan *plan, const struct abi_node *node)
{
    bool reads = node->kind == ABI_ZSCORE || node->kind == ABI_ZSCORE_COMPARE;
    return reads && fans_out(&plan->nodes[node->input[0]]) ? node->input[0] : ABI_NONE;
}

struct joining {
    uint32_t *joined; /* [node]: the node that its group is named by, or ABI_NONE */
    uint32_t *reader; /* [node]: the group of its readers so far */
    uint32_t *size;   /* [node]: members of the group named by it */
    bool *alone;      /* [node]: its readers are in several groups, or in none */
};

static uint32_t group_for(const struct abi_plan *plan, const struct joining *j, size_t i)
{
    const struct abi_node *node = &plan->nodes[i];
    uint32_t fan = fan_of(plan, node);
    if (fan != ABI_NONE) {
        return fan;
    }
    bool joins = !node->outside && !j->alone[i] && j->reader[i] != ABI_NONE &&
                 node->kind != ABI_WINDOW && j->size[j->reader[i]] < ABI_MEMBERS_MAX;
    return joins ? j->reader[i] : (uint32_t)i;
}

/* A node joins the group of its readers when all of them are in one and nobody else reads it.
 * Readers stand behind it, so one pass from the end does. */
static void join_groups(const struct abi_plan *plan, uint32_t *joined)
{
    struct joining j = {.joined = joined,
                        .reader = heap_alloc((plan->node_count + 1) * sizeof *j.reader),
                        .size = heap_alloc((plan->node_count + 1) * sizeof *j.size),
                        .alone = heap_alloc(plan->node_count + 1)};
    for (size_t i = 0; i < plan->node_count; i++) {
        j.reader[i] = ABI_NONE;
    }
    for (size_t i = plan->node_count; i-- > 0;) {
        const struct abi_node *node = &plan->nodes[i];
        joined[i] = ABI_NONE;
        if (has_code(plan, node)) {
            joined[i] = group_for(plan, &j, i);
            j.size[joined[i]]++;
        }
        for (uint32_t k = 0; k < node->input_count; k++) {
            uint32_t in = node->input[k];
            bool same = joined[i] != ABI_NONE && node->kind != ABI_WINDOW &&
                        (j.reader[in] == ABI_NONE || j.reader[in] == joined[i]);
            j.alone[in] |= !same;
            j.reader[in] = joined[i];
        }
    }
    free(j.reader);
    free(j.size);
    free(j.alone);
}

struct collecting {
    struct abi_plan *plan;
    struct abi_group *group;
    const uint32_t *joined;
    uint32_t *mark; /* [node]: root + 1 of the last group that has seen it */
    uint32_t root;  /* that the group is named by */
};

/* Members in the order of a walk from the root, inputs first: the same in every plan. */
static void collect(struct collecting *c, uint32_t at)
{
    if (c->mark[at] == c->root + 1) {
        return;
    }
    c->mark[at] = c->root + 1;
    if (c->joined[at] != c->root) {
        c->group->inputs[c->group->input_count++] = at;
        return;
    }
    const struct abi_node *node = &c->plan->nodes[at];
    for (uint32_t i = 0; i < node->input_count; i++) {
        collect(c, node->input[i]);
    }
    c->group->members[c->group->member_count++] = at;
}

/* By content, so in the same order in every plan. */
static int compare_readers(const void *a, const void *b)
{
    const struct abi_node *x = *(const struct abi_node *const *)a,
                          *y = *(const struct abi_node *const *)b;
    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

/* All that read the moments which the group is named by. */
static void collect_readers(struct collecting *c)
{
    const struct abi_plan *plan = c->plan;
    const struct abi_node *readers[ABI_FAN_MAX];
    size_t count = 0;
    for (size_t i = c->root + 1; i < plan->node_count; i++) {
        if (c->joined[i] == c->root) {
            CHECK(count < ABI_FAN_MAX);
            readers[count++] = &plan->nodes[i];
        }
    }
    qsort(readers, count, sizeof(const struct abi_node *), compare_readers);
    for (size_t i = 0; i < count; i++) {
        c->group->members[c->group->member_count++] = (uint32_t)(readers[i] - plan->nodes);
    }
}

static uint32_t state_columns(enum abi_kind kind)
{
    switch ((int)kind) {
    case ABI_EWMA: return 2;
    case ABI_MOMENTS: return 4;
    default: return 0;
    }
}

static uint32_t value_columns(const struct abi_node *node)
{
    switch ((int)node->kind) {
    case ABI_NUMBER: return 0;
    case ABI_MOMENTS: return 4;
    default: return node->scalar ? 2 : 3;
    }
}

/* By enum abi_window. */
static void number_window(struct abi_group *group)
{
    group->input_column[0] = ABI_WINDOW_TILES;
    if (group->input_count > 1) {
        group->input_column[1] = ABI_WINDOW_ARGUMENT;
    }
    group->state[0] = ABI_WINDOW_STATES;
    group->stored[0] = group->root_column = ABI_WINDOW_VALUES;
    group->column_count = ABI_WINDOW_COLUMNS;
}

static void number_columns(const struct abi_plan *plan, struct abi_group *group)
{
    uint32_t next = 0;
    if (plan->nodes[group->members[0]].kind == ABI_WINDOW) {
        number_window(group);
        return;
    }
    for (uint32_t i = 0; i < group->input_count; i++) {
        const struct abi_node *input = &plan->nodes[group->inputs[i]];
        uint32_t count = value_columns(input);
        group->input_column[i] = count ? next : ABI_NONE;
        next += count;
    }
    for (uint32_t i = 0; i < group->member_count; i++) {
        uint32_t count = state_columns(plan->nodes[group->members[i]].kind);
        group->state[i] = count ? next : ABI_NONE;
        next += count;
    }
    for (uint32_t i = 0; i < group->member_count; i++) {
        const bool stored = i > group->run_at || i + 1 == group->member_count;
        group->stored[i] = stored ? next : ABI_NONE;
        next += stored ? value_columns(&plan->nodes[group->members[i]]) : 0;
    }
    group->root_column = group->stored[group->member_count - 1];
    group->column_count = next;
}

static uint32_t find_scores(const struct abi_plan *plan, const struct abi_group *group)
{
    for (uint32_t i = group->run_at + 1; i < group->member_count; i++) {
        if (abi_is_score(&plan->nodes[group->members[i]])) {
            return i;
        }
    }
    return ABI_NONE;
}

/* Filters and renames hand their operand's values on. */
static uint32_t find_alias(const struct collecting *c)
{
    uint32_t at = c->root;
    while (c->joined[at] == c->root) {
        const struct abi_node *node = &c->plan->nodes[at];
        if (node->kind == ABI_RENAME || node->kind == ABI_AND || node->kind == ABI_UNLESS) {
            at = node->input[0];
        } else if (node->kind == ABI_COMPARE && !node->return_bool) {
            at = c->plan->nodes[node->input[0]].scalar ? node->input[1] : node->input[0];
        } else {
            return ABI_NONE;
        }
    }
    return at;
}

static uint64_t hash_number(uint64_t hash, uint64_t number)
{
    return XXH3_64bits_withSeed(&number, sizeof number, hash);
}

/* FNV-1a of "window TEXT VERSION", as compiler/window/window_symbols.py has it. */
uint64_t abi_window_hash(uint32_t window)
{
    char name[80];
    int length = snprintf(name, sizeof name, "window %s %d", kernel_window_infos[window].text,
                          (int)ABI_VERSION);
    CHECK(length > 0 && (size_t)length < sizeof name);
    return hash_bytes(HASH_INIT, name, (size_t)length);
}

static uint64_t group_hash(const struct abi_plan *plan, const struct abi_group *group)
{
    const struct abi_node *first = &plan->nodes[group->members[0]];
    if (first->kind == ABI_WINDOW) {
        return abi_window_hash(first->window);
    }
    uint64_t hash = hash_number(ABI_VERSION, (uint64_t)group->member_count << 32);
    for (uint32_t i = 0; i < group->member_count; i++) {
        hash = hash_number(hash, plan->nodes[group->members[i]].hash);
    }
    for (uint32_t i = 0; i < group->input_count; i++) {
        hash = hash_number(hash, plan->nodes[group->inputs[i]].hash);
    }
    return hash;
}

/* A group of renames only computes nothing. */
static bool computes(const struct abi_plan *plan, const struct abi_group *group)
{
    for (uint32_t i = 0; i < group->member_count; i++) {
        if (plan->nodes[group->members[i]].kind != ABI_RENAME) {
            return true;
        }
    }
    return false;
}

static void group_release(struct abi_group *group)
{
    free(group->members);
    free(group->state);
    free(group->stored);
    free(group->inputs);
    free(group->input_column);
}

static void add_group(struct collecting *c, size_t *capacity)
{
    enum { INPUTS_MAX = 2 * ABI_MEMBERS_MAX };
    struct abi_group group = {.members = heap_alloc(ABI_MEMBERS_MAX * sizeof(uint32_t)),
                              .state = heap_alloc(ABI_MEMBERS_MAX * sizeof(uint32_t)),
                              .stored = heap_alloc(ABI_MEMBERS_MAX * sizeof(uint32_t)),
                              .inputs = heap_alloc(INPUTS_MAX * sizeof(uint32_t)),
                              .input_column = heap_alloc(INPUTS_MAX * sizeof(uint32_t))};
    c->group = &group;
    collect(c, c->root);
    group.run_at = group.member_count - 1;
    if (fans_out(&c->plan->nodes[c->root])) {
        collect_readers(c);
    }
    number_columns(c->plan, &group);
    if (group.column_count > ABI_COLUMNS_MAX || !computes(c->plan, &group)) {
        group_release(&group);
        return;
    }
    group.alias = find_alias(c);
    group.scores = find_scores(c->plan, &group);
    group.hash = group_hash(c->plan, &group);
    for (uint32_t i = 0; i < group.member_count; i++) {
        c->plan->nodes[group.members[i]].group = (uint32_t)c->plan->group_count;
    }
    ARRAY_RESERVE(c->plan->groups, c->plan->group_count, *capacity);
    c->plan->groups[c->plan->group_count++] = group;
}

struct abi_plan *eval_plan(const struct eval *eval)
{
    struct abi_plan *plan = heap_alloc(sizeof *plan);
    uint32_t *joined = heap_alloc((eval->node_count + 1) * sizeof *joined);
    uint32_t *mark = heap_alloc((eval->node_count + 1) * sizeof *mark);
    size_t capacity = 0;
    plan->nodes = heap_alloc((eval->node_count + 1) * sizeof *plan->nodes);
    plan->node_count = eval->node_count;
    for (size_t i = 0; i < eval->node_count; i++) {
        view_node(plan, eval->nodes[i]);
    }
    join_groups(plan, joined);
    for (uint32_t i = 0; i < plan->node_count; i++) {
        if (joined[i] == i) {
            struct collecting c = {.plan = plan, .joined = joined, .mark = mark, .root = i};
            add_group(&c, &capacity);
        }
    }
    free(joined);
    free(mark);
    return plan;
}

void abi_plan_free(struct abi_plan *plan)
{
    for (size_t i = 0; plan && i < plan->group_count; i++) {
        group_release(&plan->groups[i]);
    }
    if (plan) {
        free(plan->groups);
        free(plan->nodes);
    }
    free(plan);
}
