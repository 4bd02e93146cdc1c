/* One cause, one page; what stands on trouble is not told besides; what was told is told to be
 * over. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/engine/world.h"
#include "tests/unit.h"

#define HEAD                          \
    "edition 1\n"                     \
    "metric x ratio by (w)\n"         \
    "metric up ratio by (w)\n"        \
    "pool ws(w) = up ready up == 1\n" \
    "channel oncall = log\n"          \
    "channel boss = log\n"

static const char grouped[] = HEAD "policy high for each w in ws every 1s {\n"
                                   "  when x > 90% for 0s\n"
                                   "  clear when x < 50% for 0s\n"
                                   "  on missing hold\n"
                                   "  escalate to oncall then boss after 20s\n"
                                   "}\n";

#define OF(service, w)                                             \
    "policy " service "_down for service " service " every 1s {\n" \
    "  when max(x{w=\"" w "\"}) > 90% for 0s\n"                    \
    "  clear when max(x{w=\"" w "\"}) < 50% for 0s\n"              \
    "  escalate to oncall\n}\n"

static const char services[] = HEAD
    "service db { tier gold }\nservice api { depends on db }\nservice shop { depends on api }\n"
    "service mail { depends on db }\nservice alone { tier gold }\n" OF("db", "e0") OF("api", "e1")
        OF("shop", "e2") OF("mail", "e3") OF("alone", "e4");
enum { SERVICES = 5 };
static const char *const names[SERVICES] = {"db_down", "api_down", "shop_down", "mail_down",
                                            "alone_down"};
static const bool stands[SERVICES][SERVICES] = {[1] = {[0] = true}, /* stands[a][b]: a on b */
                                                [2] = {[0] = true, [1] = true},
                                                [3] = {[0] = true}};

enum { ENTITIES_MAX = 40, INCIDENTS_MAX = 4000, SENT_MAX = 20000 };

/* What an actor saw: every page, and which of them it delivered. */
struct sent {
    uint64_t id, incident;
    struct instant at;
    char channel[NAME_BYTES], text[TEXT_BYTES];
    bool resolved, again;
};
struct play {
    struct world world;
    double x[ENTITIES_MAX];
    struct input told[ENTITIES_MAX * 4];
    size_t told_count;
    struct sent *sent;
    size_t sent_count;
    unsigned seed, lost_percent; /* pages of which no delivery is heard */
};

static void start(struct play *play, const char *text, size_t entities, unsigned seed)
{
    memset(play, 0, sizeof *play);
    play->seed = seed;
    play->sent = calloc(SENT_MAX, sizeof *play->sent);
    assert_non_null(play->sent);
    for (size_t i = 0; i < entities; i++) {
        play->x[i] = 0.2;
    }
    world_init(&play->world, text, entities);
}

static void end(struct play *play)
{
    free(play->sent);
    world_release(&play->world);
}

static unsigned pick(struct play *play, unsigned below)
{
    return (unsigned)rand_r(&play->seed) % below;
}

static void hear(struct play *play, const struct effect *effect)
{
    assert_true(play->sent_count < SENT_MAX);
    struct sent *sent = &play->sent[play->sent_count];
    *sent = (struct sent){.id = effect->id,
                          .incident = effect->record.incident,
                          .at = play->world.now,
                          .resolved = effect->resolved};
    snprintf(sent->channel, sizeof sent->channel, "%s", effect->channel);
    snprintf(sent->text, sizeof sent->text, "%s", effect->record.text);
    for (size_t i = 0; i < play->sent_count; i++) {
        sent->again |= play->sent[i].id == sent->id;
    }
    play->sent_count++;
    if (pick(play, 100) >= play->lost_percent && play->told_count < ARRAY_LEN(play->told)) {
        play->told[play->told_count++] =
            (struct input){.kind = INPUT_NOTIFIED, .id = effect->id, .delivered = true};
    }
}

static void step(struct play *play)
{
    const size_t count = play->told_count;
    world_step(&play->world, play->x, NULL, play->told, count);
    play->told_count = 0;
    for (size_t i = 0; i < play->world.effects.count; i++) {
        if (play->world.effects.items[i].kind == EFFECT_NOTIFY) {
            hear(play, &play->world.effects.items[i]);
        }
    }
}

static void on(struct play *play, int seconds)
{
    for (int i = 0; i < seconds; i++) {
        step(play);
    }
}

static size_t count_of(const struct play *play, enum record_kind kind)
{
    return world_count(&play->world, kind);
}

/* ---- groups ---- */

static void the_first_is_told_at_once_and_what_follows_in_one_page(void **state)
{
    (void)state;
    struct play play;
    start(&play, grouped, 10, 1);
    step(&play);
    play.x[0] = 0.95;
    step(&play);
    assert_int_equal(play.sent_count, 1);
    for (size_t i = 1; i < 8; i++) {
        play.x[i] = 0.95;
        step(&play);
    }
    assert_int_equal(play.sent_count, 1);
    on(&play, 18); /* 30 s after the first, the boss of the first besides */
    assert_int_equal(play.sent_count, 2);
    assert_string_equal(play.sent[1].channel, "boss");
    on(&play, 5);
    assert_int_equal(play.sent_count, 3);
    assert_string_equal(play.sent[2].text,
                        "7 pages of policy high (w=e1, w=e2, w=e3 and 4 more): high");
    step(&play);
    size_t told = 0;
    for (size_t i = 0; i < play.world.record_count; i++) {
        told += play.world.records[i].kind == RECORD_NOTIFIED &&
                strcmp(play.world.records[i].action, "oncall") == 0;
    }
    assert_int_equal(told, 8);
    end(&play);
}

static void a_page_that_waits_is_sent_before_it_is_said_to_be_over(void **state)
{
    (void)state;
    struct play play;
    start(&play, grouped, 3, 1);
    step(&play);
    play.x[0] = 0.95;
    step(&play);
    play.x[1] = 0.95;
    step(&play);
    play.x[1] = 0.2; /* over before its page went out */
    on(&play, 8);
    assert_int_equal(play.sent_count, 3);
    assert_int_equal(play.sent[1].incident, 2);
    assert_false(play.sent[1].resolved);
    assert_int_equal(play.sent[2].incident, 2);
    assert_true(play.sent[2].resolved);
    end(&play);
}

static void it_is_over_when_all_of_its_page_are_over(void **state)
{
    (void)state;
    struct play play;
    start(&play, grouped, 4, 1);
    step(&play);
    for (size_t i = 0; i < 4; i++) {
        play.x[i] = 0.95;
        step(&play);
    }
    on(&play, 60); /* told: 1 alone, and 2, 3, 4 in the page of 2 */
    play.x[1] = 0.2;
    const size_t before = play.sent_count;
    on(&play, 20);
    assert_int_equal(play.sent_count, before); /* 3 and 4 are not over */
    play.x[2] = play.x[3] = 0.2;
    on(&play, 20);
    size_t over = 0;
    for (size_t i = before; i < play.sent_count; i++) {
        assert_true(play.sent[i].resolved);
        assert_int_equal(play.sent[i].incident, 2);
        over++;
    }
    assert_int_equal(over, 2); /* oncall and boss */
    end(&play);
}

static const struct record *notified_with(const struct play *play, uint64_t leader, size_t *at)
{
    char head[64];
    snprintf(head, sizeof head, "in one page with incident %llu: ", (unsigned long long)leader);
    for (; *at < play->world.record_count; ++*at) {
        const struct record *record = &play->world.records[*at];
        if (record->kind == RECORD_NOTIFIED && strncmp(record->text, head, strlen(head)) == 0) {
            ++*at;
            return record;
        }
    }
    return NULL;
}

static bool is_open(const struct play *play, uint64_t incident)
{
    for (size_t i = 0; i < engine_incident_count(play->world.engine); i++) {
        if (engine_incident(play->world.engine, i).id == incident) {
            return true;
        }
    }
    return false;
}

/* Nothing is said to be over while something of its page is open, nor before it was told. */
static void check_over(const struct play *play, const struct sent *over)
{
    size_t at = 0, told = 0;
    assert_false(is_open(play, over->incident));
    for (const struct record *record; (record = notified_with(play, over->incident, &at));) {
        assert_false(is_open(play, record->incident));
    }
    for (size_t i = 0; i < play->world.record_count; i++) {
        const struct record *record = &play->world.records[i];
        told += record->kind == RECORD_NOTIFIED && record->incident == over->incident &&
                strcmp(record->action, over->channel) == 0;
    }
    assert_true(told > 0);
}

/* Every decision to tell ends in a delivery, on its channel. */
static void check_all_told(const struct play *play)
{
    for (size_t i = 0; i < play->world.record_count; i++) {
        const struct record *page = &play->world.records[i];
        if (page->kind != RECORD_ESCALATED && page->kind != RECORD_OVER) {
            continue;
        }
        bool told = false;
        for (size_t k = i; k < play->world.record_count && !told; k++) {
            const struct record *record = &play->world.records[k];
            told = record->kind == RECORD_NOTIFIED && record->incident == page->incident &&
                   record->rung == page->rung && strcmp(record->action, page->action) == 0;
        }
        assert_true(told);
    }
}

static void nothing_is_lost_or_told_twice_over_random_illness_lost_words_and_restarts(void **state)
{
    (void)state;
    size_t pages = 0, sent = 0, overs = 0;
    for (unsigned seed = 1; seed <= 30; seed++) {
        struct play play;
        const size_t entities = 4 + seed % 30;
        struct instant last = {0}, restarted = {0}; /* windows are not kept over a restart */
        bool closed = false;
        start(&play, grouped, entities, seed);
        play.lost_percent = seed % 3 * 20;
        for (int t = 0; t < 400; t++) {
            for (size_t i = 0; i < entities; i++) {
                play.x[i] = t > 250                ? 0.2
                            : pick(&play, 60) == 0 ? (play.x[i] > 0.5 ? 0.2 : 0.95)
                                                   : play.x[i];
            }
            if (seed % 2 && pick(&play, 60) == 0) {
                play.told_count = 0;
                world_restart(&play.world);
                restarted = play.world.now;
            }
            const size_t from = play.sent_count, before = count_of(&play, RECORD_CLOSED);
            step(&play);
            closed = count_of(&play, RECORD_CLOSED) > before; /* what waits goes out early then */
            for (size_t i = from; i < play.sent_count; i++) {
                const struct sent *one = &play.sent[i];
                if (one->resolved) {
                    check_over(&play, one);
                } else if (!one->again && strcmp(one->channel, "oncall") == 0) {
                    assert_true(closed || one->at.ns - last.ns >= 30 * NS_PER_S ||
                                one->at.ns - restarted.ns <= 60 * NS_PER_S);
                    last = closed ? (struct instant){0} : one->at;
                }
            }
        }
        play.lost_percent = 0;
        while (play.told_count > 0 || count_of(&play, RECORD_NOTIFIED) == 0) {
            step(&play);
        }
        on(&play, 4000); /* what was lost is tried again */
        assert_int_equal(engine_incident_count(play.world.engine), 0);
        check_all_told(&play);
        pages += count_of(&play, RECORD_ESCALATED);
        sent += play.sent_count;
        overs += count_of(&play, RECORD_OVER);
        end(&play);
    }
    print_message("%zu decisions to tell, %zu pages with all tries, %zu ends\n", pages, sent,
                  overs);
    assert_true(pages > 2000 && overs > 500);
}

/* ---- what stands on trouble ---- */

static void what_stands_on_trouble_that_a_person_knows_is_not_told_until_that_is_over(void **state)
{
    (void)state;
    struct play play;
    start(&play, services, SERVICES, 1);
    step(&play);
    play.x[0] = 0.95;
    step(&play);
    play.x[2] = 0.95; /* the shop, through api, which is well */
    on(&play, 10);
    assert_int_equal(count_of(&play, RECORD_OPENED), 2);
    assert_int_equal(count_of(&play, RECORD_ESCALATED), 1);
    assert_int_equal(count_of(&play, RECORD_INHIBITED), 1);
    const struct record *inhibited = NULL;
    for (size_t i = 0; i < play.world.record_count; i++) {
        inhibited =
            play.world.records[i].kind == RECORD_INHIBITED ? &play.world.records[i] : inhibited;
    }
    assert_string_equal(inhibited->text, "by incident 1 of policy db_down: shop_down");
    world_restart(&play.world);
    on(&play, 10);
    assert_int_equal(count_of(&play, RECORD_ESCALATED), 1);
    play.x[0] = 0.2;
    on(&play, 2);
    assert_int_equal(count_of(&play, RECORD_ESCALATED), 2);
    assert_int_equal(count_of(&play, RECORD_CLOSED), 1);
    end(&play);
}

/* In mode shadow the plan for the database is only recorded. */
static void trouble_of_which_nobody_knows_withholds_nothing(void **state)
{
    (void)state;
    struct play play;
    start(
        &play,
        HEAD
        "service db { tier gold }\nservice api { depends on db }\n"
        "action fix(s: service) { via exec affects s.errors within 1s irreversible timeout 3s }\n"
        "policy db_down for service db every 1s {\n"
        "  when max(x{w=\"e0\"}) > 90% for 1s\n"
        "  clear when max(x{w=\"e0\"}) < 50% for 1s\n"
        "  on missing hold\n"
        "  on stale > 1m notify oncall\n"
        "  heal { try fix(db) verify max(x{w=\"e0\"}) < 50% holds 1s within 5s else page oncall }\n"
        "  bound at most 1 of service per 1m\n"
        "  cooldown 10s\n}\n" OF("api", "e1"),
        2, 1);
    play.world.host.default_mode = MODE_SHADOW;
    world_reload(&play.world);
    step(&play);
    play.x[0] = 0.95;
    on(&play, 5);
    assert_string_equal(engine_incident(play.world.engine, 0).state, "shadow");
    play.x[1] = 0.95;
    on(&play, 5);
    assert_int_equal(count_of(&play, RECORD_INHIBITED), 0);
    assert_int_equal(count_of(&play, RECORD_ESCALATED), 1);
    end(&play);
}

struct known {
    uint64_t id;
    size_t service;
    struct instant opened;
    bool told, open;
};

static void note(struct known *all, size_t *count, const struct record *record)
{
    if (record->kind == RECORD_OPENED) {
        struct known *one = &all[(*count)++];
        assert_true(*count < INCIDENTS_MAX);
        *one = (struct known){.id = record->incident, .opened = record->time, .open = true};
        while (strcmp(names[one->service], record->policy) != 0) {
            one->service++;
        }
    } else if (record->kind == RECORD_CLOSED) {
        for (size_t i = 0; i < *count; i++) {
            all[i].open = all[i].open && all[i].id != record->incident;
        }
    }
}

static bool is_inhibited(const struct known *all, size_t count, const struct known *of)
{
    for (size_t i = 0; i < count; i++) {
        if (all[i].open && all[i].told && all[i].opened.ns < of->opened.ns &&
            stands[of->service][all[i].service]) {
            return true;
        }
    }
    return false;
}

static bool was_paged(const struct world *world, uint64_t incident)
{
    for (size_t i = world->record_count; i > 0; i--) {
        if (world->records[i - 1].kind == RECORD_ESCALATED &&
            world->records[i - 1].incident == incident) {
            return true;
        }
    }
    return false;
}

static void who_is_told_follows_the_graph_over_random_illness_and_restarts(void **state)
{
    (void)state;
    size_t withheld = 0, released = 0, opened = 0;
    struct known *all = calloc(INCIDENTS_MAX, sizeof *all);
    assert_non_null(all);
    for (unsigned seed = 1; seed <= 60; seed++) {
        struct play play;
        size_t count = 0;
        start(&play, services, SERVICES, seed);
        for (int t = 0; t < 300; t++) {
            const size_t from = play.world.record_count;
            for (size_t i = 0; i < SERVICES; i++) {
                play.x[i] = pick(&play, 15) == 0 ? (play.x[i] > 0.5 ? 0.2 : 0.95) : play.x[i];
            }
            if (pick(&play, 40) == 0) {
                play.told_count = 0;
                world_restart(&play.world);
            } else if (pick(&play, 40) == 0) {
                world_reload(&play.world);
            }
            step(&play);
            for (size_t i = from; i < play.world.record_count; i++) {
                note(all, &count, &play.world.records[i]);
                withheld += play.world.records[i].kind == RECORD_INHIBITED;
            }
            for (size_t i = 0; i < count; i++) { /* in the order in which they opened */
                if (!all[i].open) {
                    continue;
                }
                const bool before = all[i].told;
                all[i].told = all[i].told || !is_inhibited(all, count, &all[i]);
                released += !before && all[i].told && all[i].opened.ns < play.world.now.ns;
                assert_int_equal(was_paged(&play.world, all[i].id), all[i].told);
            }
        }
        opened += count;
        end(&play);
    }
    free(all);
    print_message("%zu opened, %zu withheld, %zu told later\n", opened, withheld, released);
    assert_true(opened > 2000 && withheld > 300 && released > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_is_told_at_once_and_what_follows_in_one_page),
        cmocka_unit_test(a_page_that_waits_is_sent_before_it_is_said_to_be_over),
        cmocka_unit_test(it_is_over_when_all_of_its_page_are_over),
        cmocka_unit_test(nothing_is_lost_or_told_twice_over_random_illness_lost_words_and_restarts),
        cmocka_unit_test(what_stands_on_trouble_that_a_person_knows_is_not_told_until_that_is_over),
        cmocka_unit_test(trouble_of_which_nobody_knows_withholds_nothing),
        cmocka_unit_test(who_is_told_follows_the_graph_over_random_illness_and_restarts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
