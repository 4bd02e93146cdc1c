/* Queries of templates: an expression, evaluated once over a store. */
#include "runtime/engine/template_query.h"

#include <string.h>

#include "lang/check.h"
#include "lang/parser.h"
#include "runtime/engine/eval.h"

/* What lives as long as one query. */
struct query {
    struct arena arena;
    struct sources sources;
    struct diag_list diags;
    struct eval *eval;
};

static enum status query_fail(const struct query *query, struct error *error)
{
    const struct diag *diag = query->diags.first;
    while (diag && diag->severity != SEVERITY_ERROR) {
        diag = diag->next;
    }
    return error_set(error, STATUS_PROTOCOL, "%.300s",
                     diag ? diag->message : "it is no expression");
}

static enum status query_add(struct query *query, const char *text, struct eval_node **ret,
                             struct error *error)
{
    const struct source *source = sources_add(&query->sources, "query", text, strlen(text), error);
    struct expr *expr = source ? parse_expression(&query->arena, source, &query->diags) : NULL;
    if (!expr || !check_expression(&query->arena, expr, &query->diags)) {
        return query_fail(query, error);
    }
    if (expr->type.kind != VALUE_VECTOR && expr->type.kind != VALUE_SCALAR) {
        return error_set(error, STATUS_PROTOCOL, "rule result is not a vector or scalar");
    }
    *ret = eval_add(query->eval, expr, duration_seconds(60), error);
    return *ret ? STATUS_OK : STATUS_DENIED;
}

/* Labels of one slot, with its name; the strings are the store's. */
static void sample_read(const struct eval_column *column, size_t slot, struct arena *arena,
                        struct template_sample *ret)
{
    const struct label_set *set = column->labels[slot];
    const char *name = column->names ? column->names[slot] : NULL;
    struct label *labels = arena_alloc(arena, ((size_t)set->count + 1) * sizeof *labels);
    size_t count = 0;
    if (name) {
        labels[count++] = (struct label){"__name__", name};
    }
    for (uint32_t i = 0; i < set->count; i++) {
        labels[count++] = set->labels[i];
    }
    *ret = (struct template_sample){labels, count, column->values[slot]};
}

static void query_read(const struct eval_node *node, struct arena *arena,
                       struct template_vector *ret)
{
    struct eval_column column = eval_column(node);
    size_t count = 0;
    for (size_t i = 0; i < column.count; i++) {
        count += column.present[i / 64] >> (i % 64) & 1;
    }
    *ret = (struct template_vector){0};
    if (count > TEMPLATE_SAMPLES_MAX) {
        count = TEMPLATE_SAMPLES_MAX;
    }
    ret->samples = arena_alloc(arena, (count + 1) * sizeof *ret->samples);
    for (size_t i = 0; i < column.count && ret->count < count; i++) {
        if (column.present[i / 64] >> (i % 64) & 1) {
            sample_read(&column, i, arena, &ret->samples[ret->count++]);
        }
    }
}

enum status template_query(void *context, const char *text, struct instant now, struct arena *arena,
                           struct template_vector *ret, struct error *error)
{
    struct query query = {0};
    struct eval_node *node = NULL;
    if (strlen(text) > TEMPLATE_QUERY_BYTES_MAX) {
        return error_set(error, STATUS_LIMIT, "a query of more than %d bytes",
                         TEMPLATE_QUERY_BYTES_MAX);
    }
    diag_list_init(&query.diags, &query.arena, &query.sources);
    query.eval = eval_new(context);
    enum status status = query_add(&query, text, &node, error);
    if (status == STATUS_OK) {
        eval_tick(query.eval, now);
        query_read(node, arena, ret);
    }
    eval_free(query.eval);
    sources_release(&query.sources);
    arena_release(&query.arena);
    return status;
}
