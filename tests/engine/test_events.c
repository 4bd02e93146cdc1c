/* events() is the number of events with these labels that came within a time: zero where none did,
 * and unknown while nobody could have told of one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/check.h"
#include "lang/parser.h"
#include "lang/print.h"
#include "runtime/engine/eval.h"
#include "tests/unit.h"

enum { LABEL_SETS = 6, EVENTS_MAX = 4000, INTERVAL_S = 5, TICKS = 1200, TICK_S = 2 };

static uint64_t seed;
static uint64_t random_next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static struct instant at(double seconds)
{
    return (struct instant){(int64_t)(seconds * 1e9)};
}

static struct expr *must_parse(struct arena *arena, struct sources *sources, const char *text)
{
    struct diag_list diags;
    struct error error = {""};
    diag_list_init(&diags, arena, sources);
    const struct source *source = sources_add(sources, text, text, strlen(text), &error);
    struct expr *expr = source ? parse_expression(arena, source, &diags) : NULL;
    if (!expr || !check_expression(arena, expr, &diags)) {
        fail_msg("'%s' was not read", text);
    }
    return expr;
}

/* kind deploy or campaign; service a, b or none */
static const char *const kinds[] = {"deploy", "campaign"}, *const services[] = {"a", "b", ""};

struct event_world {
    struct store *store;
    uint32_t source, up, series[LABEL_SETS];
    bool heard; /* at all */
    double heard_at;
    struct {
        double t;
        unsigned set;
    } events[EVENTS_MAX];
    size_t count;
};

static void begin(struct event_world *world)
{
    struct error error;
    *world = (struct event_world){.store = store_new(NULL)};
    assert_int_equal(store_source(world->store, "events", duration_seconds(INTERVAL_S),
                                  duration_seconds(INTERVAL_S), &world->source, &error),
                     STATUS_OK);
    store_expect(world->store, 1);
    assert_int_equal(
        store_series(world->store, world->source, EVENT_SOURCE_METRIC, NULL, 0, &world->up, &error),
        STATUS_OK);
}

static void add_event(struct event_world *world, double now, unsigned set)
{
    struct error error;
    const struct label labels[] = {{"kind", kinds[set % 2]}, {"service", services[set / 2]}};
    assert_int_equal(store_series(world->store, world->source, EVENT_METRIC, labels,
                                  labels[1].value[0] ? 2 : 1, &world->series[set], &error),
                     STATUS_OK);
    assert_int_equal(store_append(world->store, world->series[set], at(now), at(now), 1),
                     APPEND_OK);
    world->events[world->count].t = now;
    world->events[world->count++].set = set;
}

static void hear(struct event_world *world, double now)
{
    assert_int_equal(store_append(world->store, world->up, at(now), at(now), 1), APPEND_OK);
    store_heard(world->store, world->source, at(now));
    world->heard = true;
    world->heard_at = now;
}

struct question {
    const char *text;
    const char *kind, *service; /* NULL: any */
    double within;
    const struct eval_node *node;
};

/* The only item of a vector: 'p'resent with its value, 'u'nknown, or 'n'othing. */
static char item(const struct eval_node *node, double *ret)
{
    const struct eval_column c = eval_column(node);
    char found = 'n';
    for (size_t i = 0; i < c.count; i++) {
        if (c.unknown[i / 64] >> i % 64 & 1) {
            return 'u';
        }
        if (c.present[i / 64] >> i % 64 & 1) {
            assert_int_equal(found, 'n');
            found = 'p';
            *ret = c.values[i];
        }
    }
    return found;
}

static void expect(const struct event_world *world, const struct question *question, double now)
{
    double value = -1, count = 0;
    const char said = item(question->node, &value);
    for (size_t i = 0; i < world->count; i++) {
        const double t = world->events[i].t;
        const char *kind = kinds[world->events[i].set % 2];
        const char *service = services[world->events[i].set / 2];
        count += t > now - question->within && t <= now && strcmp(kind, question->kind) == 0 &&
                 (!question->service || strcmp(service, question->service) == 0);
    }
    const bool observed = world->heard && now - world->heard_at <= 2 * INTERVAL_S;
    if (!observed) {
        if (said != 'u') {
            fail_msg("%s at %g: %c %g, nobody could have told", question->text, now, said, value);
        }
    } else if (said != 'p' || value != count) {
        fail_msg("%s at %g: %c %g, there were %g", question->text, now, said, value, count);
    }
}

static void events_are_counted_by_definition_and_unknown_while_none_can_come(void **state)
{
    (void)state;
    for (seed = 1; seed <= 12;) {
        const uint64_t round = seed;
        static struct event_world world;
        struct question questions[] = {
            {"events(deploy, within: 1m)", "deploy", NULL, 60, NULL},
            {"events(deploy, service: a, within: 5m)", "deploy", "a", 300, NULL},
            {"events(\"deploy\", service: \"b\", within: 10m)", "deploy", "b", 600, NULL},
            {"events(campaign, within: 30m)", "campaign", NULL, 1800, NULL},
            {"events(other, within: 30m)", "other", NULL, 1800, NULL},
        };
        struct arena arena = {0};
        struct sources sources = {0};
        struct error error;
        begin(&world);
        struct eval *eval = eval_new(world.store);
        for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
            questions[i].node = eval_add(eval, must_parse(&arena, &sources, questions[i].text),
                                         duration_seconds(TICK_S), &error);
            assert_non_null(questions[i].node);
        }
        double silent_until = (double)(random_next() % 20);
        for (int tick = 0; tick < TICKS; tick++) {
            const double now = 1000 + tick * TICK_S;
            if (random_next() % 100 == 0) { /* ingest is away */
                silent_until = now - 1000 + (double)(random_next() % 200);
            }
            if (now - 1000 >= silent_until) {
                for (unsigned set = 0; set < LABEL_SETS; set++) {
                    if (random_next() % 60 == 0 && world.count < EVENTS_MAX) {
                        add_event(&world, now, set);
                    }
                }
                hear(&world, now);
            }
            eval_tick(eval, at(now));
            for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
                expect(&world, &questions[i], now);
            }
        }
        assert_true(world.count > 50);
        eval_free(eval);
        store_free(world.store);
        sources_release(&sources);
        arena_release(&arena);
        seed = round + 1;
    }
}

static void what_was_written_is_printed(void **state)
{
    (void)state;
    static const char *const texts[] = {"events(deploy, service: a, within: 6h) > 0",
                                        "sum(events(\"a b\", within: 30m) + 1)"};
    struct arena arena = {0};
    struct sources sources = {0};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        assert_string_equal(print_expr(&arena, must_parse(&arena, &sources, texts[i])), texts[i]);
    }
    sources_release(&sources);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_counted_by_definition_and_unknown_while_none_can_come),
        cmocka_unit_test(what_was_written_is_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
