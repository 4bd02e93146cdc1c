/* Scars of the closed loop: what is done comes back as what is seen. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/scars/plays.h"

/* Row 5. By hand: that a policy stops whose targets go on failing is built in. A machine that is
 * moved breaks its new host, and with it the machine that was there. Damage: hosts broken by
 * moves. */
enum { HOSTS = 12, MOVE_S = 3 };

struct cluster {
    size_t host[HOSTS]; /* of each machine */
    bool broken[HOSTS];
    size_t next, damage;
};

static bool cluster_up(const struct cluster *cluster, size_t vm)
{
    return !cluster->broken[cluster->host[vm]];
}

static void cluster_move(struct cluster *cluster, size_t vm)
{
    if (cluster->next < HOSTS) {
        cluster->host[vm] = cluster->next;
        cluster->broken[cluster->next++] = true;
        cluster->damage++;
    }
}

static size_t spread_by_hand(struct cluster *cluster)
{
    for (int second = 0; second < 300; second += MOVE_S) {
        for (size_t vm = 0; vm < HOSTS; vm++) {
            if (!cluster_up(cluster, vm)) {
                cluster_move(cluster, vm);
                break;
            }
        }
    }
    return cluster->damage;
}

size_t play_healing_spreads(struct stage *stage)
{
    struct cluster cluster = {.next = 1};
    for (size_t i = 0; i < HOSTS; i++) {
        cluster.host[i] = i;
    }
    if (!stage) {
        cluster.broken[0] = true;
        return spread_by_hand(&cluster);
    }
    const size_t source = stage_source(stage, "fleet");
    for (size_t i = 0; i < HOSTS; i++) {
        (void)stage_series(stage, source, "vm_up", "vm=v%zu", i);
        stage_target(stage, "vm=v%zu", i);
    }
    while (stage_seconds(stage) < 300) {
        cluster.broken[0] = stage_seconds(stage) >= 5;
        for (size_t i = 0; i < HOSTS; i++) {
            stage->series[i].value = cluster_up(&cluster, i);
        }
        for (size_t n = stage_step(stage); n > 0; n--) {
            cluster_move(&cluster, stage_number(&stage->acts[stage->act_count - n]));
        }
    }
    return cluster.damage;
}

/* Row 6. Around: a remedy that does not help is not verified, and is taken back; the naive policy
 * verifies that there are replicas. Each replica takes memory of its own, and memory is what is
 * acted on. Damage: replicas beyond the six that a person would allow. The naive policy under a
 * guard, between.heal or step.heal, stays within it. */
enum { CACHE_LIMIT = 6 };

static size_t run_cache(struct stage *stage)
{
    const double gib = 1073741824;
    const size_t source = stage_source(stage, "cache");
    const size_t memory = stage_series(stage, source, "cache_memory", "service=cache");
    const size_t replicas = stage_series(stage, source, "cache_replicas", "service=cache");
    double most = 0;
    stage_target(stage, "service=cache");
    stage->series[replicas].value = 4;
    while (stage_seconds(stage) < 300) {
        const double warm = stage_seconds(stage) >= 5 ? 2.2 : 0;
        stage->series[memory].value = (warm + 0.5 * stage->series[replicas].value) * gib;
        if (stage_step(stage) > 0) {
            stage->series[replicas].value = stage->acts[stage->act_count - 1].number;
            most = fmax(most, stage->series[replicas].value);
        }
    }
    stage_expect(stage, most > 4);
    return most > (double)CACHE_LIMIT ? (size_t)most - CACHE_LIMIT : 0;
}

static size_t run_cache_guarded(struct stage *stage, const char *path, const char *words)
{
    struct stage *guarded = heap_alloc(sizeof *guarded);
    stage_init(guarded, path, true);
    const size_t damage = run_cache(guarded);
    stage_expect(stage, !guarded->failed && stage_record(guarded, words));
    stage_release(guarded);
    free(guarded);
    return damage;
}

size_t play_runaway_scaling(struct stage *stage)
{
    if (stage->naive) {
        return run_cache(stage);
    }
    return run_cache(stage) +
           run_cache_guarded(stage, "tests/scars/runaway-scaling/between.heal",
                             "of any service: 7 is outside") +
           run_cache_guarded(stage, "tests/scars/runaway-scaling/step.heal",
                             "step at most 1 replicas per 10s");
}

/* Row 7. Left out: `at most 1 unattended actions`. The standby's cache is cold: it is slow six
 * seconds after it took over. Damage: failovers after the first. */
size_t play_flip_flop_failover(struct stage *stage)
{
    const size_t latency = stage_series(stage, stage_source(stage, "db"), "db_latency", "db=main");
    double taken = -1000;
    stage_target(stage, "service=db");
    while (stage_seconds(stage) < 300) {
        const double since = stage_seconds(stage) - taken;
        stage->series[latency].value = stage_seconds(stage) < 10 || since < 6 ? 0.3 : 3;
        if (stage_step(stage) > 0) {
            taken = stage_seconds(stage);
        }
    }
    stage_expect(stage, stage->act_count > 0);
    return stage->act_count - 1;
}

/* Row 8. Left out: the effect windows of the actions. A node that was rebooted is not ready for
 * twelve seconds; one that was reset has a bad GPU until it is rebooted. Damage: actions after the
 * first reboot. */
size_t play_own_reboot(struct stage *stage)
{
    const size_t source = stage_source(stage, "nodes");
    const size_t ready = stage_series(stage, source, "node_ready", "node=n0");
    const size_t errors = stage_series(stage, source, "gpu_errors", "node=n0");
    double rebooted = -1000;
    bool bad = false;
    stage_target(stage, "node=n0");
    while (stage_seconds(stage) < 300) {
        const double now = stage_seconds(stage);
        bad = bad || now == 5;
        stage->series[ready].value = now - rebooted > 12;
        stage->series[errors].value = bad ? 50 : 0;
        for (size_t n = stage_step(stage); n > 0; n--) {
            const bool reboot = strcmp(stage->acts[stage->act_count - n].action, "reboot") == 0;
            rebooted = reboot ? now : -1000;
            bad = !reboot;
        }
    }
    stage_expect(stage, stage->act_count > 0);
    return stage->act_count - 1;
}

/* Row 9. Around: the third time a person is asked, when twice nothing was gained; the naive policy
 * takes the five seconds until the pod is back for a gain. Other pods of the node end each minute.
 * Damage: evictions after the second, of one night of ten minutes. */
size_t play_evict_reschedule_evict(struct stage *stage)
{
    const size_t usage = stage_series(stage, stage_source(stage, "nodes"), "node_usage", "node=n0");
    double evicted = -1000;
    stage_target(stage, "node=n0");
    while (stage_seconds(stage) < 600) {
        const double now = stage_seconds(stage);
        const bool quiet = now < 5 || fmod(now, 60) >= 50;
        stage->series[usage].value = quiet || now - evicted < 5 ? 0.4 : 0.95;
        if (stage_step(stage) > 0) {
            evicted = now;
        }
    }
    stage_expect(stage, stage->act_count > 0);
    return stage->act_count > 2 ? stage->act_count - 2 : 0;
}

/* Row 10. Left out: `doubling`, and a verify as long as the unit needs to end again. It runs six
 * seconds after each start, whoever starts it; each 40 s somebody else does too. Damage: restarts
 * after the second, in four hours. */
size_t play_flat_retry(struct stage *stage)
{
    const size_t up = stage_series(stage, stage_source(stage, "units"), "unit_up", "unit=u0");
    double started = 0;
    stage_target(stage, "unit=u0");
    while (stage_seconds(stage) < 4 * 3600) {
        const double now = stage_seconds(stage);
        started = fmod(now, 40) == 0 ? now : started;
        stage->series[up].value = now - started < 6;
        if (stage_step(stage) > 0) {
            started = now;
        }
    }
    stage_expect(stage, stage->act_count > 0);
    return stage->act_count > 2 ? stage->act_count - 2 : 0;
}

/* Row 19. Around: what was done is remembered by policy, target and action; the naive policy has
 * one target for all deployments. Restarts never help the first one, and would help the second,
 * which fails later. Damage: deployments not restarted that a restart would have mended. */
size_t play_shared_record(struct stage *stage)
{
    enum { WEB, API };
    const size_t source = stage_source(stage, "shop");
    (void)stage_series(stage, source, "failing", "deployment=web,shop=main");
    (void)stage_series(stage, source, "failing", "deployment=api,shop=main");
    stage_target(stage, "deployment=web");
    stage_target(stage, "deployment=api");
    stage_target(stage, "shop=main");
    bool mended = false;
    while (stage_seconds(stage) < 240) {
        const double now = stage_seconds(stage);
        stage->series[WEB].value = (now >= 5 && now < 25) || (now >= 60 && now < 80) || now >= 180;
        stage->series[API].value = now >= 120 && now < 170 && !mended;
        for (size_t n = stage_step(stage); n > 0; n--) {
            const char *target = stage->acts[stage->act_count - n].target;
            mended = mended || (now >= 120 && strcmp(target, "deployment=web") != 0);
        }
    }
    return !mended;
}
