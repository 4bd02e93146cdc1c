/* Where the trouble of a service comes from, as evidence for a cause. */
#include <stdio.h>
#include <string.h>

#include "tests/engine/play.h"
#include "tests/unit.h"

/* shop stands on db, and on cache; x of entity 0 is the shop's, of 1 the database's. */
#define SHOP(watched)                                                                     \
    "edition 1\nmetric x ratio by (w)\nmetric up ratio by (w)\nchannel oncall = log\n"    \
    "service db { tier gold }\nservice shop { depends on db }\n"                          \
    "action fix(s: service) { via exec irreversible timeout 3s }\n"                       \
    "action wait(s: service) { via exec irreversible timeout 3s }\n" watched              \
    "policy shop_slow for service shop every 1s {\n"                                      \
    "  when max(x{w=\"e0\"}) > 90% for 4s\n  clear when max(x{w=\"e0\"}) < 50% for 2s\n"  \
    "  on missing hold\n  on stale > 1m hold\n"                                           \
    "  cause own prior 50% when max(x{w=\"e0\"}) > 0%\n"                                  \
    "  cause database prior 50% when max(x{w=\"e0\"}) > 0%\n"                             \
    "    evidence origin(db) times 9\n"                                                   \
    "  heal own { try fix(shop) verify max(x) < 50% within 5s else page oncall }\n"       \
    "  heal database { try wait(shop) verify max(x) < 50% within 5s else page oncall }\n" \
    "  bound at most 10 of service per 1m\n  cooldown 5s\n}\n"
#define DB                                                                             \
    "policy db_slow for service db every 1s {\n  when max(x{w=\"e1\"}) > 90% for 1s\n" \
    "  escalate to oncall\n}\n"

static const char *concluded(struct play *play, const char *text, double shop, double db)
{
    play_init(play, text, 2);
    play->x[0] = shop;
    play->x[1] = db;
    play_on(play, 8);
    for (size_t i = play->world.record_count; i > 0; i--) {
        const struct record *record = &play->world.records[i - 1];
        if (record->kind == RECORD_CONCLUDED && strncmp(record->text, "cause ", 6) == 0) {
            return record->text;
        }
    }
    fail_msg("no cause was chosen");
    return "";
}

static void trouble_below_speaks_for_its_cause(void **state)
{
    (void)state;
    struct play play;
    const char *text = concluded(&play, SHOP(DB), 0.95, 0.95);
    assert_memory_equal(text, "cause database, 90% sure: ", 26);
    assert_non_null(strstr(text, "for it origin(db)"));
    world_release(&play.world);
}

static void without_trouble_below_it_does_not(void **state)
{
    (void)state;
    struct play play;
    const char *text = concluded(&play, SHOP(DB), 0.95, 0.2);
    assert_memory_equal(text, "cause own, 50% sure: ", 21);
    assert_null(strstr(text, "origin"));
    world_release(&play.world);
}

static void what_nobody_watches_is_not_seen(void **state)
{
    (void)state;
    struct play play;
    const char *text = concluded(&play, SHOP(""), 0.95, 0.95);
    assert_memory_equal(text, "cause own, 50% sure: ", 21);
    assert_non_null(strstr(text, "for it origin(db) (not seen)"));
    world_release(&play.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trouble_below_speaks_for_its_cause),
        cmocka_unit_test(without_trouble_below_it_does_not),
        cmocka_unit_test(what_nobody_watches_is_not_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
