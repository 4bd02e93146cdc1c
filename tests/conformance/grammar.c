/* Expressions that must be accepted or refused: of the expression editor's grammar tests, and of
 * the compliance project, whose templates stand for several queries each. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/rules/document.h"
#include "runtime/engine/eval.h"
#include "tests/conformance/promql.h"
#include "tests/conformance/script.h"

enum { PATH_BYTES = 1024, QUERY_BYTES = 4096, REASON_BYTES = 600, VARIANTS_MAX = 8 };

/* ---- the editor's grammar: syntax only ---- */

static bool parses(const char *text, char *reason)
{
    struct arena arena = {0};
    const bool good = script_syntax(&arena, text, reason, REASON_BYTES);
    arena_release(&arena);
    return good;
}

bool conformance_grammar(const char *dir, struct tally *ret)
{
    char path[PATH_BYTES], line[65536], reason[REASON_BYTES];
    snprintf(path, sizeof path, "%s/promql/grammar.jsonl", dir);
    FILE *file = fopen(path, "r");
    for (int n = 1; file && fgets(line, sizeof line, file); n++) {
        json_t *json = json_loads(line, 0, NULL);
        const char *expr = json_string_value(json_object_get(json, "expr"));
        const char *expect = json_string_value(json_object_get(json, "expect"));
        reason[0] = '\0';
        const bool parsed = expr && parses(expr, reason);
        if (!expr || !expect || strncmp(reason, "H080", 4) == 0) { /* refused by name */
            ret->skipped++;
        } else if (parsed == (strcmp(expect, "valid") == 0)) {
            ret->passed++;
        } else {
            ret->failed++;
            printf("promql/grammar.jsonl:%d: %s: %s\n", n, expr,
                   reason[0] ? reason : "not refused");
        }
        json_decref(json);
    }
    return file && fclose(file) == 0;
}

/* ---- the compliance queries: everything up to the evaluator ---- */

/* What a template's argument stands for. */
static const struct {
    const char *name;
    const char *values[16];
} arguments[] = {
    {"range", {"1s", "15s", "1m", "5m", "15m", "1h"}},
    {"offset", {"1m", "5m", "10m"}},
    {"quantile", {"-0.5", "0.1", "0.5", "0.75", "0.95", "0.99", "1", "1.5"}},
    {"simpleAggrOp", {"sum", "avg", "max", "min", "count", "stddev", "stdvar"}},
    {"topBottomOp", {"topk", "bottomk"}},
    {"simpleTimeAggrOp",
     {"sum", "avg", "max", "min", "count", "stddev", "stdvar", "absent", "last", "present"}},
    {"simpleMathFunc", {"abs", "ceil", "floor", "exp", "sqrt", "ln", "log2", "log10", "round"}},
    {"dateFunc",
     {"day_of_month", "day_of_week", "days_in_month", "hour", "minute", "month", "year"}},
    {"clampFunc", {"clamp_min", "clamp_max"}},
    {"instantRateFunc", {"irate", "idelta"}},
    {"extrapolatedRateFunc", {"rate", "delta", "increase"}},
    {"arithBinOp", {"+", "-", "*", "/", "%", "^"}},
    {"compBinOp", {"==", "!=", "<", ">", "<=", ">="}},
    {"binOp", {"+", "-", "*", "/", "%", "^", "==", "!=", "<", ">", "<=", ">="}},
};

static bool accepted(const char *text, char *reason)
{
    struct arena arena = {0};
    struct error error = {""};
    struct store *store = store_new(NULL);
    struct eval *eval = eval_new(store);
    struct expr *expr = script_expr(&arena, text, reason, REASON_BYTES);
    const bool good = expr && eval_add(eval, expr, duration_seconds(60), &error);
    if (expr && !good) {
        snprintf(reason, REASON_BYTES, "%s", error.message);
    }
    eval_free(eval);
    store_free(store);
    arena_release(&arena);
    return good;
}

static void judge(const char *query, bool refused, struct tally *ret)
{
    char reason[REASON_BYTES] = "";
    const bool good = accepted(query, reason);
    if (good && refused) { /* then data would show it, of which there is none here */
        ret->skipped++;
    } else if (good != refused) {
        ret->passed++;
    } else {
        ret->failed++;
        printf("promql/compliance-queries.yml: %s: %s\n", query, reason);
    }
}

/* Puts in every value of the first argument, and goes on with the rest. */
static void expand(const char *query, bool refused, int depth, struct tally *ret)
{
    const char *begin = strstr(query, "{{."), *end = begin ? strstr(begin, "}}") : NULL;
    size_t a = 0;
    if (!end) {
        judge(query, refused, ret);
        return;
    }
    const size_t length = (size_t)(end - begin) - 3;
    while (a < ARRAY_LEN(arguments) && (strlen(arguments[a].name) != length ||
                                        strncmp(arguments[a].name, begin + 3, length) != 0)) {
        a++;
    }
    if (a == ARRAY_LEN(arguments) || depth == VARIANTS_MAX) {
        ret->skipped++;
        return;
    }
    for (const char *const *value = arguments[a].values; *value; value++) {
        char next[QUERY_BYTES];
        snprintf(next, sizeof next, "%.*s%s%s", (int)(begin - query), query, *value, end + 2);
        expand(next, refused, depth + 1, ret);
    }
}

bool conformance_compliance(const char *dir, struct tally *ret)
{
    char path[PATH_BYTES];
    struct arena arena = {0};
    struct rules_report report = {0};
    size_t length;
    snprintf(path, sizeof path, "%s/promql/compliance-queries.yml", dir);
    char *text = document_load(path, &length, &report);
    const struct document_node *root =
        text ? document_read(&arena, path, text, length, &report) : NULL;
    const struct document_node *cases = document_get(root, "test_cases");
    for (size_t i = 0; cases && cases->kind == DOCUMENT_LIST && i < cases->count; i++) {
        const struct document_node *query = document_get(cases->items[i], "query");
        const struct document_node *fails = document_get(cases->items[i], "should_fail");
        if (query && query->text) {
            expand(query->text, fails && fails->text && strcmp(fails->text, "true") == 0, 0, ret);
        }
    }
    free(text);
    rules_report_release(&report);
    arena_release(&arena);
    return cases != NULL;
}
