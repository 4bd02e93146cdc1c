/* Policies for each series: alerts as Prometheus has them, through the whole engine. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/engine/world.h"
#include "tests/unit.h"

#define HEAD "channel oncall = log\n"
#define TAIL " on missing as prometheus escalate to oncall }\n"

static void step(struct world *world, const double *x)
{
    world_step(world, x, NULL, NULL, 0);
}

static void steps(struct world *world, const double *x, int count)
{
    for (int i = 0; i < count; i++) {
        step(world, x);
    }
}

/* A reload: the same program in a new engine that takes over. */
static void reload(struct world *world)
{
    struct error error = {""};
    struct engine *engine = engine_new(world->program, world->store, &world->host, &error);
    assert_non_null(engine);
    engine_adopt(engine, world->engine);
    engine_free(world->engine);
    world->engine = engine;
}

/* The alert of entity e<i>, or SIZE_MAX. */
static size_t alert_of(const struct world *world, size_t entity)
{
    char name[16];
    snprintf(name, sizeof name, "e%zu", entity);
    for (size_t i = 0; i < engine_alert_count(world->engine); i++) {
        const char *w = label_set_get(engine_alert(world->engine, i).labels, "w");
        if (w && strcmp(w, name) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

static const char *label_of(const struct world *world, size_t alert, const char *name)
{
    struct label label;
    for (size_t i = 0; engine_alert_label(world->engine, alert, i, &label); i++) {
        if (strcmp(label.name, name) == 0) {
            return label.value;
        }
    }
    return NULL;
}

static size_t open_count(const struct world *world)
{
    return engine_incident_count(world->engine);
}

/* ---- the state machine ---- */

/* AlertingRule.Eval of Prometheus 3 for one label set, in whole seconds. */
struct model {
    bool active, firing;
    long active_at, keep_since; /* -1: its series is there */
};

static void model_step(struct model *m, bool present, long now, long hold, long keep)
{
    if (present && !m->active) {
        *m = (struct model){.active = true, .active_at = now, .keep_since = -1};
    }
    if (!m->active) {
        return;
    }
    if (present) {
        m->keep_since = -1;
        m->firing = m->firing || now - m->active_at >= hold;
        return;
    }
    if (m->firing && keep > 0) {
        m->keep_since = m->keep_since < 0 ? now : m->keep_since;
        if (now - m->keep_since < keep) {
            return;
        }
    }
    m->active = m->firing = false;
}

static uint64_t seed;

static unsigned pick(unsigned n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)((seed >> 11) % n);
}

enum { ENTITIES = 24, ROUNDS = 400 };

static void compare(const struct world *world, const struct model *models, const double *values)
{
    size_t active = 0, firing = 0;
    for (size_t i = 0; i < ENTITIES; i++) {
        size_t at = alert_of(world, i);
        active += models[i].active;
        firing += models[i].firing;
        assert_int_equal(at != SIZE_MAX, models[i].active);
        if (at == SIZE_MAX) {
            continue;
        }
        struct alert_view alert = engine_alert(world->engine, at);
        assert_int_equal(alert.firing, models[i].firing);
        assert_int_equal(alert.active_at.ns / NS_PER_S, models[i].active_at);
        assert_int_equal(alert.incident != 0, models[i].firing);
        assert_true(alert.value == values[i]);
    }
    assert_int_equal(engine_alert_count(world->engine), active);
    assert_int_equal(open_count(world), firing);
}

static void play(long hold, long keep, long every, unsigned flip)
{
    char text[400];
    snprintf(text, sizeof text,
             HEAD "policy p for each series every %lds { about \"a\" when x > 0.5 for %lds "
                  "keep firing for %lds" TAIL,
             every, hold, keep);
    struct world world;
    struct model models[ENTITIES] = {0};
    double x[ENTITIES] = {0}, values[ENTITIES] = {0};
    world_init(&world, text, ENTITIES);
    long last = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < ENTITIES; i++) {
            bool there = x[i] > 0.5;
            there = pick(flip) == 0 ? !there : there;
            x[i] = there ? 1 + pick(100) : 0;
        }
        step(&world, x);
        long now = (long)(world.now.ns / NS_PER_S);
        if (last == 0 || now - last >= every) {
            last = now;
            for (size_t i = 0; i < ENTITIES; i++) {
                model_step(&models[i], x[i] > 0.5, now, hold, keep);
                values[i] = x[i] > 0.5 ? x[i] : values[i];
            }
        }
        compare(&world, models, values);
        if (pick(40) == 0) {
            reload(&world);
            compare(&world, models, values);
        }
    }
    assert_int_equal(world_count(&world, RECORD_OPENED),
                     world_count(&world, RECORD_CLOSED) + open_count(&world));
    assert_int_equal(world_count(&world, RECORD_ESCALATED), world_count(&world, RECORD_OPENED));
    world_release(&world);
}

static void alerts_go_as_in_prometheus_over_random_presence_and_reloads(void **state)
{
    (void)state;
    static const long holds[] = {0, 1, 3, 10}, keeps[] = {0, 1, 4}, everys[] = {1, 3};
    seed = 0x9E3779B97F4A7C15ULL;
    for (size_t h = 0; h < ARRAY_LEN(holds); h++) {
        for (size_t k = 0; k < ARRAY_LEN(keeps); k++) {
            for (size_t e = 0; e < ARRAY_LEN(everys); e++) {
                play(holds[h], keeps[k], everys[e], 2 + pick(8));
            }
        }
    }
}

/* ---- labels ---- */

static void labels_of_the_policy_replace_add_and_remove(void **state)
{
    (void)state;
    struct world world;
    double x[] = {1, 0};
    world_init(&world,
               HEAD "policy p for each series { about \"a\" when x > 0.5 label w = \"z\" "
                    "label severity = \"page\" label gone = \"\"" TAIL
                    "policy q for each series { about \"a\" when x > 0.5 label w = \"\" "
                    "label alertname = \"A {{ name\"" TAIL,
               2);
    step(&world, x);
    assert_int_equal(engine_alert_count(world.engine), 2);
    assert_string_equal(label_of(&world, 0, "w"), "z");
    assert_string_equal(label_of(&world, 0, "severity"), "page");
    assert_string_equal(label_of(&world, 0, "alertname"), "p");
    assert_null(label_of(&world, 0, "gone"));
    assert_null(label_of(&world, 1, "w"));
    assert_string_equal(label_of(&world, 1, "alertname"), "A {{ name");
    struct label label;
    assert_true(engine_alert_label(world.engine, 0, 2, &label));
    assert_false(engine_alert_label(world.engine, 0, 3, &label));
    assert_string_equal(engine_alert(world.engine, 0).policy, "p");
    assert_string_equal(label_set_get(engine_alert(world.engine, 0).labels, "w"), "e0");
    world_release(&world);
}

static void two_series_with_the_same_labels_fail_the_evaluation_and_alerts_stay(void **state)
{
    (void)state;
    struct world world;
    double one[] = {1, 0}, both[] = {3, 1}, other[] = {0, 5}, none[] = {0, 0};
    world_init(&world,
               HEAD
               "policy p for each series { about \"a\" when x > 0.5 for 3s label w = \"all\"" TAIL,
               2);
    step(&world, one);
    struct instant began = world.now;
    step(&world, both);
    assert_int_equal(engine_policy(world.engine, 0).failed, 1);
    assert_true(engine_policy(world.engine, 0).ambiguous);
    assert_int_equal(engine_alert_count(world.engine), 1);
    assert_true(engine_alert(world.engine, 0).value == 1);
    step(&world, other); /* another series, the same alert */
    assert_false(engine_policy(world.engine, 0).ambiguous);
    assert_int_equal(engine_alert(world.engine, 0).active_at.ns, began.ns);
    assert_true(engine_alert(world.engine, 0).value == 5);
    step(&world, one);
    assert_true(engine_alert(world.engine, 0).firing);
    steps(&world, both, 5);
    assert_int_equal(open_count(&world), 1);
    step(&world, none);
    assert_int_equal(engine_alert_count(world.engine), 0);
    assert_int_equal(open_count(&world), 0);
    step(&world, both); /* what would begin together begins not at all */
    assert_int_equal(engine_alert_count(world.engine), 0);
    assert_int_equal(engine_policy(world.engine, 0).failed, 7);
    world_release(&world);
}

static void series_that_differ_in_their_name_only_fail_the_evaluation(void **state)
{
    (void)state;
    struct world world;
    double low[] = {0}, high[] = {1};
    world_init(&world,
               HEAD "policy p for each series { about \"a\" when {__name__=~\"x|up\"} > 0.5" TAIL,
               1);
    step(&world, low);
    assert_int_equal(engine_alert_count(world.engine), 1);
    assert_int_equal(engine_policy(world.engine, 0).failed, 0);
    step(&world, high);
    assert_int_equal(engine_policy(world.engine, 0).failed, 1);
    assert_int_equal(engine_alert_count(world.engine), 1);
    world_release(&world);
}

static void an_evaluation_that_matches_many_to_many_fails_and_alerts_stay(void **state)
{
    (void)state;
    struct world world;
    double low[] = {1, 0, 0}, high[] = {1, 1, 0};
    world_init(&world,
               HEAD "policy p for each series { about \"a\" "
                    "when vector_one * on () group_left (w) (x > 0.5)" TAIL
                    "signal vector_one = vector_two\nsignal vector_two = sum(up)\n",
               3);
    steps(&world, low, 4);
    assert_int_equal(engine_alert_count(world.engine), 1);
    step(&world, high);
    assert_int_equal(engine_policy(world.engine, 0).failed, 1);
    assert_true(engine_policy(world.engine, 0).ambiguous);
    assert_int_equal(engine_alert_count(world.engine), 1);
    step(&world, low);
    assert_false(engine_policy(world.engine, 0).ambiguous);
    world_release(&world);
}

static void a_policy_with_a_pool_says_that_its_condition_was_ambiguous(void **state)
{
    (void)state;
    struct world world;
    double low[] = {1, 0, 0}, high[] = {1, 1, 0};
    world_init(&world,
               HEAD
               "pool all(w) = x >= 0\npolicy p for each w in all { about \"a\" risk availability "
               "impact low when sum(up) * on () group_left (w) (x > 0.5) > 0" TAIL,
               3);
    steps(&world, low, 2);
    assert_false(engine_policy(world.engine, 0).ambiguous);
    step(&world, high);
    assert_true(engine_policy(world.engine, 0).ambiguous);
    step(&world, low);
    assert_false(engine_policy(world.engine, 0).ambiguous);
    world_release(&world);
}

/* The w of each alert that is found, in a row. */
static const char *found(const struct world *world, bool firing, size_t skip, size_t max,
                         char ret[64])
{
    struct alert_view views[8];
    assert_true(max <= ARRAY_LEN(views));
    const size_t count = engine_alerts_find(world->engine, firing, skip, views, max);
    ret[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(views[i].firing, firing);
        const size_t used = strlen(ret);
        snprintf(ret + used, 64 - used, "%s%s ", views[i].policy,
                 label_set_get(views[i].labels, "w"));
    }
    return ret;
}

static void alerts_are_found_by_state_a_page_at_a_time(void **state)
{
    (void)state;
    struct world world;
    char text[64];
    double two[] = {1, 0, 1, 0}, all[] = {1, 1, 1, 1}, one[] = {0, 0, 1, 0};
    world_init(&world,
               HEAD "policy p for each series { about \"a\" when x > 0.5 for 3s" TAIL
                    "policy none for each series { about \"a\" when x > 9" TAIL
                    "policy q for each series { about \"a\" when x > 0.5 for 1h" TAIL,
               4);
    steps(&world, two, 3);
    step(&world, all);
    assert_int_equal(engine_alert_count(world.engine), 8);
    assert_int_equal(engine_alerts_firing(world.engine), 2);
    assert_string_equal(found(&world, true, 0, 8, text), "pe0 pe2 ");
    assert_string_equal(found(&world, true, 1, 8, text), "pe2 ");
    assert_string_equal(found(&world, true, 2, 8, text), "");
    assert_string_equal(found(&world, false, 0, 8, text), "pe1 pe3 qe0 qe2 qe1 qe3 ");
    assert_string_equal(found(&world, false, 1, 3, text), "pe3 qe0 qe2 ");
    assert_string_equal(found(&world, false, 6, 8, text), "");
    reload(&world);
    assert_int_equal(engine_alerts_firing(world.engine), 2);
    step(&world, one);
    assert_int_equal(engine_alerts_firing(world.engine), 1);
    assert_string_equal(found(&world, true, 0, 8, text), "pe2 ");
    world_release(&world);
}

static void a_number_is_an_alert_without_labels(void **state)
{
    (void)state;
    struct world world;
    double x[] = {1};
    world_init(&world, HEAD "policy p for each series { about \"a\" when 1" TAIL, 1);
    step(&world, x);
    assert_int_equal(engine_alert_count(world.engine), 1);
    assert_int_equal(engine_alert(world.engine, 0).labels->count, 0);
    assert_true(engine_alert(world.engine, 0).firing);
    world_release(&world);
}

/* ---- what is not seen ---- */

static void as_prometheus_what_is_not_seen_lasts_for_the_lookback(void **state)
{
    (void)state;
    struct world world;
    double x[] = {1, 1};
    bool unseen[] = {true, false};
    world_init(&world, HEAD "policy p for each series { about \"a\" when x > 0.5 for 10s" TAIL, 2);
    steps(&world, x, 2);
    for (int i = 0; i < 299; i++) {
        world_step(&world, x, unseen, NULL, 0);
    }
    assert_int_equal(open_count(&world), 2);
    world_step(&world, x, unseen, NULL, 0);
    assert_int_equal(open_count(&world), 1);
    world_release(&world);
}

static void otherwise_unknown_begins_nothing_and_ends_nothing(void **state)
{
    (void)state;
    struct world world;
    double x[] = {1, 1}, low[] = {0, 0}, one[] = {1, 0};
    bool unseen[] = {true, true};
    world_init(&world,
               HEAD "policy p for each series { about \"a\" when x > 0.5 for 5s "
                    "escalate to oncall }\n",
               2);
    steps(&world, x, 6);
    assert_int_equal(open_count(&world), 2);
    for (int i = 0; i < 600; i++) {
        world_step(&world, x, unseen, NULL, 0);
    }
    assert_int_equal(open_count(&world), 2);
    assert_false(engine_policy(world.engine, 0).observed);
    step(&world, low);
    assert_int_equal(engine_alert_count(world.engine), 0);
    steps(&world, one, 2);
    assert_int_equal(engine_alert_count(world.engine), 1);
    for (int i = 0; i < 10; i++) { /* out of sight after the grace: not pending any more */
        world_step(&world, one, (bool[]){true, false}, NULL, 0);
    }
    assert_int_equal(engine_alert_count(world.engine), 0);
    assert_int_equal(open_count(&world), 0);
    world_release(&world);
}

/* ---- incidents ---- */

static void a_firing_alert_is_told_once_with_its_summary(void **state)
{
    (void)state;
    struct world world;
    double x[] = {1, 0}, low[] = {0, 0};
    world_init(&world,
               HEAD "policy p for each series { about \"the about\" when x > 0.5 for 2s "
                    "annotation description = \"d\" annotation summary = \"it burns\" "
                    "label severity = \"page\"" TAIL,
               2);
    steps(&world, x, 2);
    assert_null(world_effect(&world, EFFECT_NOTIFY));
    step(&world, x);
    const struct effect *told = world_effect(&world, EFFECT_NOTIFY);
    assert_non_null(told);
    assert_string_equal(told->channel, "oncall");
    assert_string_equal(told->record.text, "it burns");
    assert_string_equal(told->record.target, "severity=page,w=e0");
    assert_string_equal(engine_incident(world.engine, 0).text, "it burns");
    struct input delivered = {.kind = INPUT_NOTIFIED, .id = told->id, .delivered = true};
    world_step(&world, x, NULL, &delivered, 1);
    steps(&world, x, 200);
    assert_int_equal(world_count(&world, RECORD_ESCALATED), 1);
    char text[100];
    assert_string_equal(engine_alert_annotation(world.engine, 0, 0, text, sizeof text),
                        "description");
    assert_string_equal(text, "d");
    assert_null(engine_alert_annotation(world.engine, 0, 2, text, sizeof text));
    step(&world, low);
    assert_int_equal(open_count(&world), 0);
    assert_int_equal(world_count(&world, RECORD_CLOSED), 1);
    world_release(&world);
}

static void long_labels_are_cut_and_still_tell_alerts_apart(void **state)
{
    (void)state;
    struct world world;
    double x[] = {1, 1};
    char text[1000], filler[301];
    memset(filler, 'a', 300);
    filler[300] = '\0';
    snprintf(text, sizeof text,
             HEAD "policy p for each series { about \"a\" when x > 0.5 label a = \"%s\"" TAIL,
             filler);
    world_init(&world, text, 2);
    step(&world, x);
    assert_int_equal(open_count(&world), 2);
    assert_string_not_equal(engine_incident(world.engine, 0).target,
                            engine_incident(world.engine, 1).target);
    world_release(&world);
}

static void after_a_restart_a_firing_alert_goes_on_and_is_not_told_again(void **state)
{
    (void)state;
    struct world world;
    double x[] = {1, 1}, one[] = {1, 0};
    world_init(&world, HEAD "policy p for each series { about \"a\" when x > 0.5 for 5s" TAIL, 2);
    step(&world, x);
    struct instant began = world.now;
    steps(&world, x, 6);
    assert_int_equal(open_count(&world), 2);
    world_restart(&world);
    assert_int_equal(open_count(&world), 2);
    step(&world, one);
    assert_int_equal(engine_alert_count(world.engine), 1);
    assert_true(engine_alert(world.engine, 0).firing);
    assert_int_equal(engine_alert(world.engine, 0).active_at.ns, began.ns);
    assert_true(engine_alert(world.engine, 0).incident != 0);
    assert_int_equal(open_count(&world), 2);
    steps(&world, one, 299); /* windows may still be empty: what is gone is not yet resolved */
    assert_int_equal(open_count(&world), 2);
    steps(&world, one, 2);
    assert_int_equal(open_count(&world), 1);
    assert_int_equal(world_count(&world, RECORD_OPENED), 2);
    assert_int_equal(world_count(&world, RECORD_ESCALATED), 2);
    world_release(&world);
}

static void a_storm_is_told_and_ended_a_part_a_tick(void **state)
{
    (void)state;
    enum { SERIES = 2500 };
    struct world world;
    struct error error;
    static uint32_t ids[SERIES];
    uint32_t source;
    world_init(&world, HEAD "policy p for each series every 1m { about \"a\" when y > 0.5" TAIL, 0);
    assert_int_equal(
        store_source(world.store, "s", duration_seconds(1), duration_seconds(1), &source, &error),
        STATUS_OK);
    for (size_t i = 0; i < SERIES; i++) {
        char name[16];
        snprintf(name, sizeof name, "e%zu", i);
        struct label label = {"w", name};
        assert_int_equal(store_series(world.store, source, "y", &label, 1, &ids[i], &error),
                         STATUS_OK);
    }
    static const size_t open[] = {1000, 2000, 2500, 2500}, left[] = {1500, 500, 0, 0};
    for (int second = 0; second < 65; second++) {
        world.now = instant_add(world.now, duration_seconds(1));
        for (size_t i = 0; i < SERIES; i++) {
            (void)store_append(world.store, ids[i], world.now, world.now, second < 60);
        }
        store_answered(world.store, source, world.now);
        world.effects.count = 0;
        engine_step(world.engine, world.now, NULL, 0, &world.effects);
        if (second < 4) {
            assert_int_equal(open_count(&world), open[second]);
        } else if (second >= 60 && second < 64) {
            assert_int_equal(open_count(&world), left[second - 60]);
            assert_int_equal(engine_alert_count(world.engine), 0);
        }
    }
    assert_int_equal(engine_counters(world.engine).closed, SERIES);
    world_release(&world);
}

/* ---- templates ---- */

static void texts_are_templates_over_the_series_and_its_value_now(void **state)
{
    (void)state;
    struct world world;
    double x[] = {2}, more[] = {1500};
    world_init(&world,
               HEAD "policy p for each series { about \"a\" when x > 0.5 "
                    "label of = \"{{ $labels.w }}-{{ .Labels.__name__ }}\" "
                    "annotation summary = \"{{ $labels.w }} is {{ $value | humanize }}\" "
                    "annotation bad = \"{{ query \\\"up\\\" }}\"" TAIL,
               1);
    step(&world, x);
    assert_string_equal(label_of(&world, 0, "of"), "e0-x");
    assert_string_equal(engine_incident(world.engine, 0).text, "e0 is 2");
    struct instant began = world.now;
    step(&world, more);
    char text[200];
    assert_string_equal(engine_alert_annotation(world.engine, 0, 0, text, sizeof text), "summary");
    assert_string_equal(text, "e0 is 1.5k");
    engine_alert_annotation(world.engine, 0, 1, text, sizeof text);
    assert_non_null(strstr(text, "<error expanding template:"));
    assert_int_equal(engine_alert(world.engine, 0).active_at.ns, began.ns);
    world_release(&world);
}

static void annotations_ask_the_store_and_labels_may_not(void **state)
{
    (void)state;
    struct world world;
    double x[] = {2, 0.25};
    char text[300];
    world_init(&world,
               HEAD "policy p for each series { about \"a\" when x > 0.5 "
                    "label of = \"{{ query \\\"up\\\" | len }}\" annotation summary = "
                    "\"{{ with printf \\\"min by (w) (x{w!='%s'})\\\" $labels.w | query }}"
                    "{{ . | first | label \\\"w\\\" }} is {{ . | first | value }}{{ end }}\" " TAIL,
               2);
    step(&world, x);
    assert_string_equal(engine_incident(world.engine, 0).text, "e1 is 0.25");
    x[1] = 0.5;
    step(&world, x);
    engine_alert_annotation(world.engine, 0, 0, text, sizeof text);
    assert_string_equal(text, "e1 is 0.5");
    assert_non_null(
        strstr(label_of(&world, 0, "of"), "there is nothing here that answers queries"));
    world_release(&world);
}

static void an_alert_whose_labels_change_with_its_value_is_another_one(void **state)
{
    (void)state;
    struct world world;
    double x[] = {1, 1};
    world_init(&world,
               HEAD "policy p for each series { about \"a\" when x > 0.5 for 3s "
                    "label level = \"{{ if gt $value 10.0 }}high{{ end }}\"" TAIL
                    "policy q for each series { about \"a\" when ALERTS{alertname=\"p\"}" TAIL,
               2);
    for (int i = 0; i < 20; i++) {
        x[0] = i % 3 == 0 ? 20 : 1;
        step(&world, x);
        if (i > 4) {
            assert_false(engine_alert(world.engine, 0).firing !=
                             engine_alert(world.engine, 1).firing &&
                         engine_alert(world.engine, 0).incident == 0 &&
                         engine_alert(world.engine, 1).incident == 0);
        }
        size_t first = alert_of(&world, 0);
        assert_false(engine_alert(world.engine, first).firing);
        const char *level = label_of(&world, first, "level");
        assert_int_equal(level != NULL, x[0] > 10);
    }
    assert_int_equal(open_count(&world), 1 + 2); /* e1, and q of both */
    world_release(&world);
}

static void a_policy_with_a_bad_template_is_not_loaded(void **state)
{
    (void)state;
    struct world world;
    struct error error = {""};
    world_init(&world, HEAD "policy p for each series { about \"a\" when x > 0.5" TAIL, 1);
    struct pair bad = {.name.text = "summary", .value = "{{ $labels.", .next = NULL};
    world.program->policies->annotations = &bad;
    assert_null(engine_new(world.program, world.store, &world.host, &error));
    assert_non_null(strstr(error.message, "summary"));
    world.program->policies->annotations = NULL;
    world_release(&world);
}

/* ---- the series ALERTS ---- */

static bool store_has(const struct world *world, const char *name)
{
    for (uint32_t i = 1; i <= store_stats(world->store).series; i++) { /* the first is nobody's */
        if (strcmp(store_series_name(world->store, i), name) == 0) {
            return true;
        }
    }
    return false;
}

static void alerts_are_series_only_where_something_reads_them(void **state)
{
    (void)state;
    struct world world;
    double x[] = {1, 0};
    world_init(&world, HEAD "policy p for each series { about \"a\" when x > 0.5" TAIL, 2);
    steps(&world, x, 2);
    assert_false(store_has(&world, "ALERTS"));
    world_release(&world);
    world_init(&world,
               HEAD "policy p for each series { about \"a\" when x > 0.5" TAIL
                    "signal n = count(ALERTS)\n",
               2);
    steps(&world, x, 2);
    assert_true(store_has(&world, "ALERTS"));
    assert_true(store_has(&world, "ALERTS_FOR_STATE"));
    world_release(&world);
}

static void a_policy_behind_reads_the_alerts_of_this_tick_one_before_those_of_the_last(void **state)
{
    (void)state;
    struct world world;
    double x[] = {1, 0}, low[] = {0, 0};
    world_init(&world,
               HEAD "policy before for each series { about \"a\" "
                    "when count by (alertstate) (ALERTS{alertname=\"p\"}) > 0" TAIL
                    "policy p for each series { about \"a\" when x > 0.5 for 2s "
                    "label team = \"shop\"" TAIL "policy behind for each series { about \"a\" "
                    "when ALERTS{alertname=\"p\", team=\"shop\"}" TAIL
                    "policy since for each series { about \"a\" "
                    "when ALERTS_FOR_STATE{alertname=\"p\"}" TAIL,
               2);
    step(&world, x); /* p, behind, since */
    struct instant began = world.now;
    assert_int_equal(engine_alert_count(world.engine), 3);
    assert_string_equal(label_set_get(engine_alert(world.engine, 1).labels, "alertstate"),
                        "pending");
    assert_true(engine_alert(world.engine, 2).value == (double)(began.ns / NS_PER_S));
    step(&world, x); /* and before */
    assert_int_equal(engine_alert_count(world.engine), 4);
    step(&world, x); /* p fires */
    assert_int_equal(engine_alert_count(world.engine), 4);
    assert_string_equal(label_set_get(engine_alert(world.engine, 0).labels, "alertstate"),
                        "pending");
    assert_string_equal(label_set_get(engine_alert(world.engine, 2).labels, "alertstate"),
                        "firing");
    step(&world, low); /* only before is left: it sees the firing one */
    assert_int_equal(engine_alert_count(world.engine), 1);
    assert_string_equal(engine_alert(world.engine, 0).policy, "before");
    step(&world, low);
    assert_int_equal(engine_alert_count(world.engine), 0);
    world_release(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alerts_go_as_in_prometheus_over_random_presence_and_reloads),
        cmocka_unit_test(labels_of_the_policy_replace_add_and_remove),
        cmocka_unit_test(two_series_with_the_same_labels_fail_the_evaluation_and_alerts_stay),
        cmocka_unit_test(series_that_differ_in_their_name_only_fail_the_evaluation),
        cmocka_unit_test(an_evaluation_that_matches_many_to_many_fails_and_alerts_stay),
        cmocka_unit_test(a_policy_with_a_pool_says_that_its_condition_was_ambiguous),
        cmocka_unit_test(alerts_are_found_by_state_a_page_at_a_time),
        cmocka_unit_test(a_number_is_an_alert_without_labels),
        cmocka_unit_test(as_prometheus_what_is_not_seen_lasts_for_the_lookback),
        cmocka_unit_test(otherwise_unknown_begins_nothing_and_ends_nothing),
        cmocka_unit_test(a_firing_alert_is_told_once_with_its_summary),
        cmocka_unit_test(long_labels_are_cut_and_still_tell_alerts_apart),
        cmocka_unit_test(after_a_restart_a_firing_alert_goes_on_and_is_not_told_again),
        cmocka_unit_test(a_storm_is_told_and_ended_a_part_a_tick),
        cmocka_unit_test(texts_are_templates_over_the_series_and_its_value_now),
        cmocka_unit_test(annotations_ask_the_store_and_labels_may_not),
        cmocka_unit_test(an_alert_whose_labels_change_with_its_value_is_another_one),
        cmocka_unit_test(a_policy_with_a_bad_template_is_not_loaded),
        cmocka_unit_test(alerts_are_series_only_where_something_reads_them),
        cmocka_unit_test(
            a_policy_behind_reads_the_alerts_of_this_tick_one_before_those_of_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
