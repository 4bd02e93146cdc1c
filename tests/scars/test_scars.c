/* Twenty scars: each happened to somebody. For each a world, the naive policy that does the damage
 * when its guard is taken away, and heal's refusal in the same world, with the reason it gives.
 *
 * One line a scar, in the order of the table. A scar that is not refused is printed as NOT, and
 * fails; so does one whose naive side does no damage, for it shows nothing. With a part of a name
 * as its argument it prints the journals of those scars too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lang/check.h"
#include "lang/parser.h"
#include "tests/scars/plays.h"
#include "tests/unit.h"

/* name     what happened, as people call it
 * folder   of policy.heal and naive.heal; NULL: between engine and effect, no policy
 * hand     no naive policy: the play has a loop of its own
 * play     the world
 * damage   what is counted
 * spare    as much heal needs to see before it can know
 * says     what heal's record says, NULL: no incident opens
 * code     loop.heal of the folder must be refused with it; NULL: nothing in the text shows it */
struct scar {
    const char *name, *folder;
    bool hand;
    play_f *play;
    const char *damage;
    size_t spare;
    const char *says, *code;
};

static const struct scar scars[] = {
    {"missing read as zero", "missing-read-as-zero", false, play_missing_read_as_zero,
     "workers taken away at peak", 0, "policy idle cannot see", NULL},
    {"half-read inventory", "half-read-inventory", false, play_half_read_inventory,
     "healthy servers ended", 0, "at most 10% of servers per 1h is less than one of 3", NULL},
    {"idle because the network is broken", "idle-because-cut-off", false, play_idle_because_cut_off,
     "times made smaller while cut off", 0, "takes capacity away, and network has trouble", NULL},
    {"one bad sample", "one-bad-sample", false, play_one_bad_sample, "healthy nodes restarted", 0,
     NULL, NULL},
    {"healing spreads the fault", "healing-spreads", true, play_healing_spreads,
     "hosts broken by moves", 4, "what heals may spread", NULL},
    {"runaway scaling", "runaway-scaling", false, play_runaway_scaling, "replicas too many", 0,
     "the action did not help in time", "H0905"},
    {"flip-flop failover", "flip-flop-failover", false, play_flip_flop_failover,
     "failovers after the first", 0, "no further action without a person", NULL},
    {"own reboot seen as failure", "own-reboot-seen-as-failure", false, play_own_reboot,
     "resets and reboots after the first", 0, "may be the effect of reboot of policy gpu_bad",
     NULL},
    {"evict, reschedule, evict", "evict-reschedule-evict", false, play_evict_reschedule_evict,
     "evictions after the second", 0, "did not help this target twice in a row", NULL},
    {"flat retry", "flat-retry", false, play_flat_retry, "restarts after the second", 0,
     "cooldown of the target after 2 unverified actions", NULL},
    {"probes kill a slow tier", "probes-kill-a-slow-tier", false, play_slow_tier,
     "pods of a slow tier restarted", 0, "storm above 30% of pods: 10 of 10 fail at once", NULL},
    {"empty selector means everything", "empty-selector", false, play_empty_selector,
     "disks erased", 0, NULL, NULL},
    {"several failure domains at once", "several-domains-at-once", false, play_several_domains,
     "zones away besides one", 0, "would be number 2", NULL},
    {"connection surge after scaling", "connection-surge", false, play_connection_surge,
     "acts into a congested network", 0, "heal's own inputs are gone", NULL},
    {"stale plan applied", NULL, true, play_stale_plan, "old plans over new ones", 0, "stale epoch",
     NULL},
    {"breaker blocks recovery", "breaker-blocks-recovery", false, play_breaker,
     "healthy nodes left cordoned", 0, "undo: uncordon(node=n0)", NULL},
    {"condition long gone", "condition-long-gone", false, play_condition_long_gone,
     "drains ten minutes late", 0, "approved, but the trigger no longer holds", NULL},
    {"in-doubt after a crash", "in-doubt-after-a-crash", true, play_in_doubt,
     "needless reboots, blocked nodes", 0, "what became of the action is not known", NULL},
    {"shared record", "shared-record", false, play_shared_record, "deployments left broken", 0,
     "did not help this target twice in a row", NULL},
    {"assumed success", "assumed-success", false, play_assumed_success, "successes that were none",
     0, "the action did not help in time", NULL},
};

static bool journals; /* are printed: one scar is looked at */

static size_t play_file(const struct scar *scar, const char *file, struct stage *stage)
{
    char path[128];
    snprintf(path, sizeof path, "tests/scars/%s/%s", scar->folder, file);
    stage_init(stage, path, strcmp(file, "naive.heal") == 0);
    const size_t damage = scar->play(stage);
    for (size_t i = 0; journals && i < stage->world.record_count; i++) {
        const struct record *record = &stage->world.records[i];
        printf("  %-11s %5.0f s  %-12s %-16s %s\n", file,
               duration_to_seconds(instant_sub(record->time, stage->began)),
               record_infos[record->kind].text, record->target, record->text);
    }
    return damage;
}

/* What it does without the guard; false when the world did not come to it. */
static bool play_naive(const struct scar *scar, size_t *ret_damage)
{
    if (scar->hand) {
        *ret_damage = scar->play(NULL);
        return true;
    }
    struct stage *stage = heap_alloc(sizeof *stage);
    *ret_damage = play_file(scar, "naive.heal", stage);
    const bool done = !stage->failed;
    stage_release(stage);
    free(stage);
    return done;
}

/* The same under heal; what heal says about it into said: "" when it does not say it. */
static bool play_heal(const struct scar *scar, size_t *ret_damage, char said[TEXT_BYTES])
{
    struct stage *stage = heap_alloc(sizeof *stage);
    said[0] = '\0';
    if (!scar->folder) {
        *ret_damage = scar->play(stage);
        const bool alone = !stage->failed;
        snprintf(said, TEXT_BYTES, "%s", strstr(stage->said, scar->says) ? stage->said : "");
        free(stage);
        return alone;
    }
    *ret_damage = play_file(scar, "policy.heal", stage);
    const struct record *record = scar->says ? stage_record(stage, scar->says) : NULL;
    if (record) {
        snprintf(said, TEXT_BYTES, "%s", record->text);
    } else if (!scar->says && world_count(&stage->world, RECORD_OPENED) == 0) {
        snprintf(said, TEXT_BYTES, "no incident opens");
    }
    const bool done = !stage->failed;
    stage_release(stage);
    free(stage);
    return done;
}

/* Whether the compiler refuses loop.heal with the scar's code, and with no other. */
static bool refused_by_compiler(const struct scar *scar)
{
    char path[128];
    char *paths[] = {path};
    struct arena arena = {0};
    struct sources sources = {0};
    struct diag_list diags;
    snprintf(path, sizeof path, "tests/scars/%s/loop.heal", scar->folder);
    diag_list_init(&diags, &arena, &sources);
    struct program *program = parse_program(&arena, &sources, paths, 1, &diags);
    if (diags.errors == 0) {
        (void)check_program(program, &diags, &(struct check_options){0});
    }
    bool refused = diags.errors > 0;
    for (const struct diag *diag = diags.first; diag; diag = diag->next) {
        refused = refused && diag->code == diag_code_find(scar->code);
    }
    sources_release(&sources);
    arena_release(&arena);
    return refused;
}

static bool show(const struct scar *scar)
{
    char said[TEXT_BYTES], cost[32] = "none";
    size_t naive, heal;
    const bool played = play_naive(scar, &naive), held = play_heal(scar, &heal, said);
    const bool refused = played && held && naive > scar->spare && heal <= scar->spare && said[0] &&
                         (!scar->code || refused_by_compiler(scar));
    if (heal > 0) {
        snprintf(cost, sizeof cost, "%zu", heal);
    }
    char damage[64];
    snprintf(damage, sizeof damage, "%zu %s", naive, scar->damage);
    printf("%s%-35s naive: %-41s heal: %s: \"%.100s\"\n", refused ? "" : "NOT ", scar->name, damage,
           cost, said);
    (void)fflush(stdout);
    return refused;
}

int main(int argc, char **argv)
{
    size_t refused = 0, shown = 0;
    if (chdir(HEAL_ROOT) != 0) {
        perror(HEAL_ROOT);
        return 2;
    }
    journals = argc > 1;
    for (size_t i = 0; i < ARRAY_LEN(scars); i++) {
        if (argc < 2 || strstr(scars[i].name, argv[1])) {
            shown++;
            refused += show(&scars[i]);
        }
    }
    printf("%zu of %zu\n", refused, shown);
    return refused == shown && shown > 0 ? 0 : 1;
}
