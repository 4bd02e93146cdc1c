/* Scars of sight: what is missing, half read, cut off, wrong once, empty, old or assumed. */
#include <math.h>
#include <string.h>

#include "tests/scars/plays.h"

/* Row 1. Around: heal takes nothing silent for zero, not even behind `or vector(0)`; the naive
 * policy reads a scaler between, which answers 0 for what it cannot ask. At the peak the workers'
 * exporter falls silent. Damage: workers taken away while they are needed. */
size_t play_missing_read_as_zero(struct stage *stage)
{
    enum { WORKERS = 10 };
    size_t requests[WORKERS], damage = 0;
    const size_t exporter = stage_source(stage, "exporter");
    for (size_t i = 0; i < WORKERS; i++) {
        requests[i] = stage_series(stage, exporter, "requests_served", "worker=w%zu", i);
    }
    const size_t other = stage_source(stage, "other");
    const size_t scaler = stage_series(stage, other, "scaler_requests", "job=shop");
    const size_t replicas = stage_series(stage, other, "shop_replicas", "service=shop");
    stage_target(stage, "service=shop");
    stage->series[replicas].value = WORKERS;
    while (stage_seconds(stage) < 60) {
        const bool silent = stage_seconds(stage) >= 10 && stage_seconds(stage) < 40;
        for (size_t i = 0; i < WORKERS; i++) {
            stage->series[requests[i]].value = 500; /* the peak, all the time */
        }
        stage->sources[exporter].silent = silent;
        stage->series[scaler].value = silent ? 0 : 500 * WORKERS;
        if (stage_step(stage) > 0) {
            const double to = stage->acts[stage->act_count - 1].number;
            damage += (size_t)(stage->series[replicas].value - to);
            stage->series[replicas].value = to;
        }
    }
    return damage;
}

/* Row 2. Left out: the bound as a share of the register. The register is half migrated, and seven
 * of ten servers are not in it. Damage: healthy servers ended. Under heal the actor is asked too,
 * by an engine that would end them all: its own cap holds without a policy. */
size_t play_half_read_inventory(struct stage *stage)
{
    enum { SERVERS = 10, READ = 3 };
    const size_t fleet = stage_source(stage, "fleet"), registry = stage_source(stage, "register");
    size_t running[SERVERS], registered[SERVERS], damage = 0;
    for (size_t i = 0; i < SERVERS; i++) {
        running[i] = stage_series(stage, fleet, "running", "server=s%zu", i);
        registered[i] = stage_series(stage, registry, "registered", "server=s%zu", i);
        stage->series[running[i]].value = stage->series[registered[i]].value = 1;
        stage_target(stage, "server=s%zu", i);
    }
    while (stage_seconds(stage) < 60) {
        for (size_t i = READ; i < SERVERS; i++) {
            stage->series[registered[i]].value = stage_seconds(stage) >= 10 ? NAN : 1;
        }
        for (size_t n = stage_step(stage); n > 0; n--) {
            stage->series[running[stage_number(&stage->acts[stage->act_count - n])]].value = 0;
            damage++;
        }
    }
    if (!stage->naive) {
        char refusal[TEXT_BYTES];
        const size_t started = actor_starts_under_cap(refusal, sizeof refusal);
        damage += started - 1; /* one is what the grant allows */
        stage_expect(stage, started == 1 && strstr(refusal, "at most reached"));
    }
    return damage;
}

/* Row 3. Left out: `reduces capacity` of the action, and with it the second signal. The network
 * loses packets, so the web tier has nothing to do. Damage: workers taken away meanwhile. */
size_t play_idle_because_cut_off(struct stage *stage)
{
    const size_t source = stage_source(stage, "web");
    const size_t cpu = stage_series(stage, source, "web_cpu", "web=w0");
    const size_t requests = stage_series(stage, source, "web_requests", "web=w0");
    const size_t loss =
        stage_series(stage, stage_source(stage, "network"), "packet_loss", "link=core");
    size_t damage = 0;
    stage_target(stage, "service=web");
    while (stage_seconds(stage) < 90) {
        const bool cut = stage_seconds(stage) >= 10 && stage_seconds(stage) < 60;
        stage->series[loss].value = cut ? 0.3 : 0;
        stage->series[cpu].value = cut ? 0.05 : 0.6;
        stage->series[requests].value = cut ? 4 : 900;
        for (size_t n = stage_step(stage); n > 0; n--) {
            damage += cut && strcmp(stage->acts[stage->act_count - n].action, "shrink") == 0;
        }
    }
    return damage;
}

/* Row 4. Around: three evaluations in a row are the default of a policy that acts; the naive one
 * lets one sample live for a minute in a window. Damage: nodes restarted, none of them faulty. */
size_t play_one_bad_sample(struct stage *stage)
{
    enum { NODES = 214 };
    const size_t source = stage_source(stage, "exporter");
    for (size_t i = 0; i < NODES; i++) {
        (void)stage_series(stage, source, "gpu_errors", "node=n%zu", i);
        stage_target(stage, "node=n%zu", i);
    }
    while (stage_seconds(stage) < 90) {
        for (size_t i = 0; i < NODES; i++) {
            stage->series[i].value = stage_seconds(stage) == 20 ? 99 : 0;
        }
        (void)stage_step(stage);
    }
    return stage->act_count;
}

/* Row 12. Around: an empty pool has no entities. The naive policy selects all but what is kept, and
 * the list of those is read empty. Damage: disks erased. */
size_t play_empty_selector(struct stage *stage)
{
    enum { DISKS = 8 };
    const size_t machines = stage_source(stage, "machines"), lists = stage_source(stage, "lists");
    size_t present[DISKS], kept[DISKS];
    for (size_t i = 0; i < DISKS; i++) {
        present[i] = stage_series(stage, machines, "disk_present", "disk=d%zu", i);
        kept[i] = stage_series(stage, lists, "disk_kept", "disk=d%zu", i);
        stage->series[present[i]].value = 1;
        stage_target(stage, "disk=d%zu", i);
    }
    while (stage_seconds(stage) < 60) {
        for (size_t i = 0; i < DISKS; i++) {
            stage->series[kept[i]].value = stage_seconds(stage) >= 10 ? NAN : 1;
        }
        for (size_t n = stage_step(stage); n > 0; n--) {
            stage->series[present[stage_number(&stage->acts[stage->act_count - n])]].value = 0;
        }
    }
    return stage->act_count;
}

/* Row 17. Around: the trigger is read again after a yes; the naive one is true for a quarter of an
 * hour after the last pressure. The yes comes ten minutes late. Damage: drains of a node that is
 * not under pressure. */
size_t play_condition_long_gone(struct stage *stage)
{
    const size_t pressure =
        stage_series(stage, stage_source(stage, "node"), "node_pressure", "node=n0");
    size_t damage = 0;
    stage_target(stage, "node=n0");
    while (stage_seconds(stage) < 700) {
        const bool pressed = stage_seconds(stage) >= 5 && stage_seconds(stage) < 30;
        stage->series[pressure].value = pressed ? 0.95 : 0.7;
        if (stage_seconds(stage) == 600) {
            const struct record *asked = stage_record(stage, "drain(node=n0)");
            stage_expect(stage, asked != NULL);
            stage_input(stage, (struct input){.kind = INPUT_APPROVE,
                                              .id = asked ? asked->incident : 0,
                                              .who = "ann",
                                              .uid = 1000});
        }
        damage += stage_step(stage) > 0 && !pressed;
    }
    return damage;
}

/* Row 20. Around: each act is verified by an observation; the naive policy observes what is true
 * all along. The reboot is answered with success, and nothing happens. Damage: records that say
 * verified of a node that is not ready. */
size_t play_assumed_success(struct stage *stage)
{
    const size_t source = stage_source(stage, "node");
    const size_t ready = stage_series(stage, source, "node_ready", "node=n0");
    const size_t registered = stage_series(stage, source, "node_registered", "node=n0");
    stage_target(stage, "node=n0");
    stage->series[registered].value = 1;
    while (stage_seconds(stage) < 60) {
        stage->series[ready].value = stage_seconds(stage) < 5;
        (void)stage_step(stage);
    }
    stage_expect(stage, stage->act_count > 0);
    return world_count(&stage->world, RECORD_VERIFIED);
}
