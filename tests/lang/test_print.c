/* The formatter: for random programs of every statement and expression, printing is a fixed point,
 * and the tree that comes back has the same canonical text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/parser.h"
#include "lang/print.h"
#include "tests/unit.h"

static uint64_t seed = 0x9E3779B97F4A7C15ULL;
static FILE *out;

static unsigned pick(unsigned n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)((seed >> 11) % n);
}

#define ONE_OF(...)                            \
    ((const char *const[]){__VA_ARGS__})[pick( \
        (unsigned)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)))]

static void put(const char *text)
{
    fputs(text, out);
}

/* Blanks, line ends and comments between tokens: what the formatter has to put in order. */
static void gap(void)
{
    put(ONE_OF(" ", " ", " ", "  ", "\n   ", "\t", " # a note\n", "\n\n# own line\n"));
}

static void expr(int depth);

static void selector(void)
{
    put(ONE_OF("used", "limit", "http:rate5m", "sum", "ready", "start", "up", "policy_x"));
    put(ONE_OF("", "", "{}", "{a=\"b\"}", "{ by = 'x\\ty' , \"a b\" !~ `c\\d`, }"));
}

static void binary(int depth)
{
    expr(depth);
    gap();
    const char *op =
        ONE_OF("and", "OR", "unless", "+", "-", "*", "/", "%", "^", "atan2", "==", "<=");
    put(op);
    put(ONE_OF("", "", "", " on (a, b)", " ignoring (by)"));
    gap();
    expr(depth);
}

static void expr(int depth)
{
    if (depth <= 0) {
        put(ONE_OF("1", "0x1F", "5m", "90%", "1MiB/min", "Inf", "nan", "'s'", "3usd"));
        return;
    }
    switch (pick(11)) {
    case 0: binary(depth - 1); break;
    case 1:
        put(ONE_OF("-", "+"));
        expr(depth - 1);
        break;
    case 2:
        put("(");
        expr(depth - 1);
        put(")");
        break;
    case 3:
        put("rate(");
        selector();
        put("[5m] offset -1h)");
        break;
    case 4:
        put(ONE_OF("sum", "Max", "avg by (a, on)", "count without ()"));
        put("(");
        expr(depth - 1);
        put(")");
        break;
    case 5:
        put("topk(3, ");
        expr(depth - 1);
        put(") by (pod,)");
        break;
    case 6:
        put("10% of ");
        expr(depth - 1);
        break;
    case 7:
        put("(forecast(");
        expr(depth - 1);
        put(", in: 2h, season: [daily, weekly]) reaches ");
        expr(0);
        put(ONE_OF("", " with (chance >= 85%)"));
        put(")");
        break;
    case 8:
        put("(");
        expr(depth - 1);
        put(")[1h:");
        put(ONE_OF("", "5m"));
        put("] @ end()");
        break;
    default: selector(); break;
    }
}

static void policy(void)
{
    put("policy p for each pod in pods every 15s {");
    for (unsigned i = pick(4); i > 0; i--) {
        gap();
        put("signal s = ");
        expr(4);
    }
    gap();
    put("when ");
    expr(4);
    put(" for 5m");
    gap();
    put("risk capacity on missing hold on stale > 2m notify ops");
    gap();
    put("heal { try act(s, to: +50%) approve by ");
    put(ONE_OF("ops", "two of ops"));
    put(" within 5m verify ");
    expr(2);
    put(" holds 2m within 5m");
    gap();
    put("then undo(x) else page ops }");
    gap();
    put("bound at most min(3, 10%) of pods per 1h, at most 2 of pod per 1d");
    gap();
    put("keep at least 80% of pods ready cooldown 5m doubling to 1h escalate to ops");
    put(ONE_OF("", " then boss after 10m",
               " then boss after 10m then all after 1h repeat every 5m"));
    put(ONE_OF("", " when unresolved for 5m", " when cascading or budget exceeded"));
    put(ONE_OF("", " spend at most 3usd per 1h, 5 usd per 1d"));
    gap();
    put("}");
}

static void alert(void)
{
    put("policy p for each series every 1d { label severity=\"a\" label 'odd name' = `{{ x }}`");
    gap();
    put("annotation label = \"{{ $value }}\\n\" when ");
    expr(3);
    gap();
    put("keep firing for 5m label annotation = '' on missing as prometheus escalate to ops }");
}

static void recorded(void)
{
    put("signal ");
    put(ONE_OF("job:errors:rate5m", "up", "every", "\"when\"", "'sum'", "a:b "));
    put(ONE_OF("", "{}", "{team=\"a\"}", "{ 'odd name' = `b` , by=\"\", }"));
    put(ONE_OF("", " every 1m"));
    put(" = ");
    expr(4);
}

static void item(void)
{
    switch (pick(11)) {
    case 0: put("import \"a\\\"b.heal\""); break;
    case 1: put("service s { tier gold depends on a, b owner \"me\\n\" }"); break;
    case 2:
        put("pool pods(ns, pod) = ");
        expr(3);
        put(" ready up == 1 domain node");
        break;
    case 3: put(ONE_OF("channel c = log", "channel c = webhook(\"x\")")); break;
    case 4: put(ONE_OF("metric m bytes", "metric m:n req/s counter by (a, on)")); break;
    case 5:
        put("action a(s: service, to: replicas) { via exec affects s.cpu, s.mem within 2m ");
        put("irreversible timeout 5s idempotent replaces s undo a(s, to: before) costs 0.12 usd/h "
            "per replica reads ");
        expr(1);
        put(" probe ");
        expr(3);
        put("}");
        break;
    case 6:
        put("guard g { at most 3 actions on any pod per 1h, between 1 and 9 GiB of any pod ");
        put(ONE_OF("", ", step at most 50% per 1m", "step at most 1GiB per 1h"));
        gap();
        put("step at most 2 replicas per 5m of any service only while ");
        expr(2);
        put(ONE_OF(" ", ", ", "\n"));
        put("spend at most 500 usd per 1h, 5000usd per 1d}");
        break;
    case 7:
        put("test \"t\" for 1h { given a is 3 usd/h, b{c='d'} ramps 1GiB -> -2 over 1h at 5m");
        gap();
        put("given stream 'rec/a \"b\".om' at 5m, stream is 3, stream \"c.csv\" ");
        gap();
        put("expect no act, act on \"x\" before 1h at most 3 times given approval denied after 3m "
            "}");
        break;
    case 8: alert(); break;
    case 9: recorded(); break;
    default: policy(); break;
    }
    gap();
}

static void random_programs_print_to_a_fixed_point_with_the_same_comments(void **state)
{
    (void)state;
    for (int round = 0; round < 3000; round++) {
        char *text = NULL;
        size_t size = 0;
        out = open_memstream(&text, &size);
        put(ONE_OF("", "edition 1\n", "# head\nedition 1 # one\n"));
        for (unsigned n = pick(5) + 1; n > 0; n--) {
            item();
        }
        fclose(out);
        struct arena arena = {0};
        struct sources sources = {0};
        struct diag_list diags;
        diag_list_init(&diags, &arena, &sources);
        struct file *first =
            parse_file(&arena, sources_add(&sources, "a", text, size, NULL), &diags);
        char *once = print_file(&arena, first);
        struct file *second =
            parse_file(&arena, sources_add(&sources, "b", once, strlen(once), NULL), &diags);
        if (diags.errors > 0) {
            print_error("%s\n----\n%s\n%s\n", text, once, diags.first->message);
        }
        assert_int_equal(diags.errors, 0);
        assert_string_equal(print_file(&arena, second), once);
        size_t comments = 0, items = 0;
        for (struct comment *c = first->comments; c; c = c->next, comments++) {
        }
        for (struct comment *c = second->comments; c; c = c->next, comments--) {
        }
        assert_int_equal(comments, 0);
        struct item *b = second->items;
        for (struct item *a = first->items; a; a = a->next, b = b->next, items++) {
            assert_non_null(b);
            assert_int_equal(a->kind, b->kind);
            if (a->kind == ITEM_POLICY) {
                assert_string_equal(print_policy(&arena, a->policy),
                                    print_policy(&arena, b->policy));
            }
        }
        assert_null(b);
        sources_release(&sources);
        arena_release(&arena);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_programs_print_to_a_fixed_point_with_the_same_comments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
