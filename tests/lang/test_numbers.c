/* The numbers of actions, as the checks see them: one edit of a sound policy and what is found, and
 * what a policy's hash stands for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/check.h"
#include "lang/parser.h"
#include "tests/unit.h"

#define SOUND                                                                             \
    "edition 1\n"                                                                         \
    "metric busy ratio\n"                                                                 \
    "metric size replicas by (service, region)\n"                                         \
    "metric bulk bytes by (service)\n"                                                    \
    "metric heat ratio by (node)\n"                                                       \
    "service shop { tier gold }\n"                                                        \
    "channel oncall = log\n"                                                              \
    "action scale(s: service, to: replicas) {\n"                                          \
    "  via exec\n"                                                                        \
    "  reads sum by (service) (size)\n"                                                   \
    "  undo scale(s, to: before)\n"                                                       \
    "  costs 0.12 usd/h per replica\n"                                                    \
    "  timeout 1m\n"                                                                      \
    "}\n"                                                                                 \
    "guard g {\n"                                                                         \
    "  between 2 and 10 replicas of any service, step at most 50% per 1m\n"               \
    "  spend at most 500 usd per 1h, 5000 usd per 1d\n"                                   \
    "  only while max(heat) < 80%\n"                                                      \
    "}\n"                                                                                 \
    "policy load every 15s {\n"                                                           \
    "  when busy > 90% for 1m\n"                                                          \
    "  clear when busy < 50%\n"                                                           \
    "  on missing hold\n"                                                                 \
    "  on stale > 2m hold\n"                                                              \
    "  heal { try scale(shop, to: +50%) verify busy < 50% within 5m else page oncall }\n" \
    "  bound at most 1 of service per 10m\n"                                              \
    "  spend at most 10 usd per 1h\n"                                                     \
    "  cooldown 10m\n"                                                                    \
    "  escalate to oncall when budget exceeded\n"                                         \
    "}\n"

struct setting {
    struct arena arena;
    struct sources sources;
    struct diag_list diags;
    struct program *program;
};

static void setting_text(struct setting *s, const char *text)
{
    char path[] = "/tmp/heal-check-XXXXXX.heal";
    int fd = mkstemps(path, 5);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    memset(s, 0, sizeof *s);
    diag_list_init(&s->diags, &s->arena, &s->sources);
    char *paths[] = {path};
    s->program = parse_program(&s->arena, &s->sources, paths, 1, &s->diags);
    remove(path);
    if (s->diags.errors == 0) {
        check_program(s->program, &s->diags, NULL);
    }
}

static void setting_close(struct setting *s)
{
    sources_release(&s->sources);
    arena_release(&s->arena);
}

/* The sound policy with one edit; the caller frees it. */
static char *edited(const char *from, const char *to)
{
    const char *whole = SOUND, *at = strstr(whole, from);
    assert_non_null(at);
    size_t size = strlen(whole) + strlen(to) + 1;
    char *text = heap_alloc(size);
    snprintf(text, size, "%.*s%s%s", (int)(at - whole), whole, to, at + strlen(from));
    return text;
}

struct edit_case {
    const char *from, *to, *code; /* code NULL: still without findings */
};

static void one_edit_of_a_sound_policy_is_found(void **state)
{
    (void)state;
    static const struct edit_case cases[] = {
        {"edition 1", "edition 1", NULL},
        /* what is read */
        {"reads sum by (service) (size)", "reads size", "H0608"},
        {"reads sum by (service) (size)", "reads sum(size)", "H0608"},
        {"reads sum by (service) (size)", "reads sum by (region) (size)", "H0608"},
        {"reads sum by (service) (size)", "reads bulk", "H0608"},
        {"reads sum by (service) (size)", "reads 5", "H0608"},
        {"reads sum by (service) (size)", "reads size[5m]", "H0608"},
        {"reads sum by (service) (size)", "reads predict_linear(bulk[5m], 60)", "H0608"},
        {"reads sum by (service) (size)", "reads count by (service) (size)", NULL},
        {"reads sum by (service) (size)", "reads sum by (service) (sise)", "H0106"},
        {"reads sum by (service) (size)", "reads", "H0001"},
        {"reads sum by (service) (size)", "reads sum by (service) (size) reads bulk", "H0007"},
        {"reads sum by (service) (size)", "", "H0609"},
        {"to: replicas)", "to: replicas, by: bytes)", "H0608"},
        /* amounts */
        {"to: +50%", "to: -2", NULL},
        {"to: +50%", "to: 4", NULL},
        {"to: +50%", "to: 50%", "H0607"},
        {"to: +50%", "to: +1GiB", "H0607"},
        {"to: +50%", "to: 2 + 2", "H0604"},
        {"to: +50%", "to: +Inf", "H0604"},
        {"to: +50%", "to: size", "H0604"},
        {"to: +50%", "to: before", "H0604"},
        {"scale(s, to: before)", "scale(s, to: +2)", "H0609"},
        {"scale(s, to: before)", "scale(s, to: 4)", NULL},
        {"scale(s, to: before)", "scale(s, to: befor)", "H0603"},
        /* money */
        {"costs 0.12 usd/h per replica", "costs 0.12usd/h per replicas", NULL},
        {"costs 0.12 usd/h per replica", "costs 0 usd", NULL},
        {"costs 0.12 usd/h per replica", "costs 3", "H0610"},
        {"costs 0.12 usd/h per replica", "costs -3 usd", "H0610"},
        {"costs 0.12 usd/h per replica", "costs 3 usd/replicas", "H0610"},
        {"costs 0.12 usd/h per replica", "costs 3 usd per byte", "H0610"},
        {"costs 0.12 usd/h per replica", "costs 3 usd per shop", "H0610"},
        {"costs 0.12 usd/h per replica", "costs Inf usd", "H0610"},
        {"costs 0.12 usd/h per replica", "costs 1 usd costs 2 usd", "H0007"},
        {"costs 0.12 usd/h per replica", "", "H0611"},
        {"500 usd per 1h, ", "500 replicas per 1h, ", "H0011"},
        {"500 usd per 1h, ", "500 usd per 0s, ", "H0504"},
        {"500 usd per 1h, ", "-5 usd per 1h, ", "H0504"},
        {"500 usd per 1h, ", "500 usd/h per 1h, ", "H0011"},
        {"spend at most 500 usd per 1h, ", "", "H0001"},
        {"spend at most 500 usd per 1h, ", "keep at most 5 usd per 1h, ", "H0001"},
        {"spend at most 10 usd", "spend at most 10 usd per 1h, 1 usd per 1m spend at most 5 usd",
         "H0007"},
        {"spend at most 10 usd", "spend at least 10 usd", "H0001"},
        {"budget exceeded", "budget exceeded or budget exceeded", "H0007"},
        {"budget exceeded", "budget overdrawn", "H0801"},
        /* steps */
        {"step at most 50% per 1m", "step at most 2 per 1m", NULL},
        {"step at most 50% per 1m", "step at most 2 replicas per 1m of any service", NULL},
        {"step at most 50% per 1m", "step at most 2 per 1m of any service", "H0011"},
        {"step at most 50% per 1m", "step at most 2/s per 1m", "H0001"},
        {"step at most 50% per 1m", "step at most 2replicas/s per 1m", "H0011"},
        {"step at most 50% per 1m", "step at most 0% per 1m", "H0504"},
        {"step at most 50% per 1m", "step at most -1 per 1m", "H0504"},
        {"step at most 50% per 1m", "step at most 50% per 0s", "H0504"},
        {"step at most 50% per 1m", "step at most 50% per 1m of any shop", "H0107"},
        {"between 2 and 10 replicas of any service, ", "", "H0011"},
        /* what must hold */
        {"max(heat) < 80%", "heat < 80%", "H0301"},
        {"max(heat) < 80%", "max(heat)", "H0210"},
        {"max(heat) < 80%", "max(heat) < 80", "H0204"},
        {"max(heat) < 80%", "max(hest) < 80%", "H0106"},
        {"max(heat) < 80%", "", "H0001"},
        {"only while", "only", "H0001"},
    };
    int failed = 0;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *text = edited(cases[i].from, cases[i].to);
        struct setting s;
        setting_text(&s, text);
        bool found = !cases[i].code && !s.diags.first;
        for (const struct diag *d = s.diags.first; d && cases[i].code; d = d->next) {
            found = found || strcmp(diag_infos[d->code].code, cases[i].code) == 0;
        }
        if (!found) {
            fprintf(stderr, "'%s' gives no %s\n", cases[i].to,
                    cases[i].code ? cases[i].code : "clean text");
            diag_print(&s.diags, DIAG_CONCISE, false, stderr);
            failed++;
        }
        setting_close(&s);
        free(text);
    }
    assert_int_equal(failed, 0);
}

static uint64_t hash_of(const char *from, const char *to)
{
    char *text = edited(from, to);
    struct setting s;
    setting_text(&s, text);
    assert_int_equal(s.diags.errors, 0);
    uint64_t hash = s.program->policies->hash;
    setting_close(&s);
    free(text);
    return hash;
}

static void the_hash_of_a_policy_covers_what_its_actions_read_and_cost(void **state)
{
    (void)state;
    const uint64_t hash = hash_of("edition 1", "edition 1");
    assert_true(hash == hash_of("costs 0.12 usd/h", "costs 0.12usd/h"));
    assert_true(hash == hash_of("only while max(heat) < 80%", "only while max(heat) < 70%"));
    assert_true(hash != hash_of("costs 0.12 usd/h", "costs 0.13 usd/h"));
    assert_true(hash != hash_of("reads sum by", "reads max by"));
    assert_true(hash !=
                hash_of("size replicas by (service, region)", "size replicas by (service)"));
    assert_true(hash != hash_of("spend at most 10 usd", "spend at most 11 usd"));
    assert_true(hash != hash_of("budget exceeded", "budget exceeded or unresolved for 1h"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_edit_of_a_sound_policy_is_found),
        cmocka_unit_test(the_hash_of_a_policy_covers_what_its_actions_read_and_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
