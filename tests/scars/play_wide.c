/* Scars of breadth: a slow tier, several domains, a wave of connections, and a breaker. */
#include <math.h>
#include <string.h>

#include "tests/scars/plays.h"

/* Row 11. Left out: `storm`. What all pods ask is slow for a minute; a pod that restarts leaves its
 * load to the others. Damage: pods restarted. */
size_t play_slow_tier(struct stage *stage)
{
    enum { PODS = 10 };
    static const double away_s = 15;
    const size_t source = stage_source(stage, "tier");
    size_t latency[PODS], up[PODS];
    double back[PODS] = {0};
    for (size_t i = 0; i < PODS; i++) {
        latency[i] = stage_series(stage, source, "pod_latency", "pod=p%zu", i);
        up[i] = stage_series(stage, source, "pod_up", "pod=p%zu", i);
        stage_target(stage, "pod=p%zu", i);
    }
    while (stage_seconds(stage) < 120) {
        const double now = stage_seconds(stage), slow = now >= 10 && now < 70 ? 2 : 0.3;
        size_t ready = 0;
        for (size_t i = 0; i < PODS; i++) {
            ready += now >= back[i];
        }
        for (size_t i = 0; i < PODS; i++) {
            stage->series[up[i]].value = now >= back[i];
            stage->series[latency[i]].value =
                now >= back[i] ? slow * (double)PODS / (double)ready : NAN;
        }
        for (size_t n = stage_step(stage); n > 0; n--) {
            back[stage_number(&stage->acts[stage->act_count - n])] = now + away_s;
        }
    }
    return stage->act_count;
}

/* Row 13. Left out: `at most 1 domains`. Every control plane has an old configuration, and is away
 * for half a minute when it gets the new one. Damage: zones that were without a plane besides one,
 * at the worst moment. */
size_t play_several_domains(struct stage *stage)
{
    enum { ZONES = 3, PLANES = 9 };
    static const double away_s = 30;
    const size_t source = stage_source(stage, "planes");
    size_t up[PLANES], outdated[PLANES], worst = 0;
    double back[PLANES] = {0};
    for (size_t i = 0; i < PLANES; i++) {
        up[i] = stage_series(stage, source, "plane_up", "plane=c%zu,zone=z%zu", i, i % ZONES);
        outdated[i] = stage_series(stage, source, "plane_outdated", "plane=c%zu", i);
        stage_target(stage, "plane=c%zu", i);
    }
    while (stage_seconds(stage) < 60) {
        const double now = stage_seconds(stage);
        bool away[ZONES] = {false};
        for (size_t i = 0; i < PLANES; i++) {
            stage->series[up[i]].value = now >= back[i];
            stage->series[outdated[i]].value = now >= 5 && back[i] == 0;
            away[i % ZONES] |= now < back[i];
        }
        const size_t zones = (size_t)away[0] + away[1] + away[2];
        worst = zones > worst ? zones : worst;
        for (size_t n = stage_step(stage); n > 0; n--) {
            back[stage_number(&stage->acts[stage->act_count - n])] = now + away_s;
        }
    }
    stage_expect(stage, worst >= 1); /* the one zone is worked on */
    return worst - 1;
}

/* Row 14. Left out: pacing by a bound; around: that heal does nothing when its inputs are gone, for
 * the naive policy reads a gateway that repeats the last it heard. Two widenings within ten seconds
 * congest the network, and half of what heal hears falls silent, as it does at 40 s because of
 * others. Damage: acts that went into a congested network, or with another one. */
size_t play_connection_surge(struct stage *stage)
{
    enum { NODES = 6, HEARD = 2 };
    static const double wave_s = 10, congested_s = 30;
    size_t up[NODES], load[NODES], relayed[NODES], damage = 0;
    const size_t gateway = stage_source(stage, "gateway");
    double last = -wave_s, congested = 0, wide[NODES];
    for (size_t i = 0; i < NODES; i++) {
        const size_t own = stage_source(stage, "n%zu", i);
        up[i] = stage_series(stage, gateway, "node_up", "node=n%zu", i);
        load[i] = stage_series(stage, own, "node_load", "node=n%zu", i);
        relayed[i] = stage_series(stage, gateway, "gateway_load", "node=n%zu", i);
        stage_target(stage, "node=n%zu", i);
        wide[i] = INFINITY; /* since when */
    }
    while (stage_seconds(stage) < 90) {
        const double now = stage_seconds(stage);
        congested = now == 40 ? now + congested_s : congested;
        for (size_t i = 0; i < NODES; i++) {
            const bool retries = now < congested && now >= 46;
            stage->series[up[i]].value = 1;
            stage->series[load[i]].value = now < 5 || (now >= wide[i] && !retries) ? 0.4 : 0.95;
            stage->sources[gateway + 1 + i].silent = now < congested && i >= HEARD;
            stage->series[relayed[i]].value = stage->sources[gateway + 1 + i].silent
                                                  ? stage->series[relayed[i]].value
                                                  : stage->series[load[i]].value;
        }
        for (size_t n = stage_step(stage); n > 0; n--) {
            const bool wave = now - last < wave_s;
            damage += wave || now < congested;
            congested = wave ? now + congested_s : congested;
            last = now;
            wide[stage_number(&stage->acts[stage->act_count - n])] = now;
        }
    }
    if (!stage->naive) {
        stage_expect(stage, stage_record(stage, "at most 1 of nodes per 12s"));
        stage_expect(stage, stage->act_count > 2); /* slowly, but they are widened */
    }
    return damage;
}

/* Row 16. Left out: the undo of the cordon. An exporter is wrong about three nodes, which uses up
 * the breaker, and about a fourth. Damage: healthy nodes that are cordoned in the end. */
size_t play_breaker(struct stage *stage)
{
    enum { NODES = 6, ERRING = 4 };
    const size_t source = stage_source(stage, "nodes");
    size_t errors[NODES], cordoned[NODES], damage = 0;
    for (size_t i = 0; i < NODES; i++) {
        errors[i] = stage_series(stage, source, "node_errors", "node=n%zu", i);
        cordoned[i] = stage_series(stage, source, "node_cordoned", "node=n%zu", i);
        stage_target(stage, "node=n%zu", i);
    }
    while (stage_seconds(stage) < 120) {
        for (size_t i = 0; i < ERRING; i++) {
            stage->series[errors[i]].value =
                stage_seconds(stage) >= (i < 3 ? 5 : 10) && stage_seconds(stage) < 60 ? 9 : 0;
        }
        for (size_t n = stage_step(stage); n > 0; n--) {
            const struct stage_act *act = &stage->acts[stage->act_count - n];
            stage->series[cordoned[stage_number(act)]].value = strcmp(act->action, "cordon") == 0;
        }
    }
    for (size_t i = 0; i < NODES; i++) {
        damage += stage->series[cordoned[i]].value > 0;
    }
    stage_expect(stage, stage_record(stage, "guard breaker: at most 3 actions per 1h"));
    return damage;
}
