/* Seeds for tests/fuzz/fuzz_flight.c: flight_seeds FOLDER writes short recordings of a small fleet,
 * uncompressed, since nobody mutates what is compressed. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/flight/fleet.h"

enum { SEEDS = 6, STEPS = 24 };

static const char small[] =
    "edition 1\n"
    "pool pods(namespace, pod) = kube_pod_status_ready ready kube_pod_status_ready == 1\n"
    "channel oncall = log\n"
    "metric kube_pod_status_ready ratio by (namespace, pod)\n"
    "metric container_memory_working_set_bytes bytes by (namespace, pod)\n"
    "action recycle(p: pod) { via exec irreversible timeout 1m }\n"
    "policy p for each pod in pods every 15s {\n"
    "  about \"a\" risk capacity impact high\n"
    "  when container_memory_working_set_bytes > 240MiB for 15s\n"
    "  clear when container_memory_working_set_bytes < 200MiB\n"
    "  on missing hold on stale > 4m notify oncall\n"
    "  heal { try recycle(pod) verify container_memory_working_set_bytes < 200MiB within 1m\n"
    "    else page oncall }\n"
    "  bound at most 2 of pods per 1m cooldown 1m\n"
    "}\n";

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: flight_seeds FOLDER\n");
        return 2;
    }
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct fleet *fleet = fleet_new(&(struct fleet_options){.text = small,
                                                                .state = argv[1],
                                                                .seed = seed,
                                                                .plain = true,
                                                                .pods = 3 + seed % 3,
                                                                .queues = seed % 2,
                                                                .step = duration_seconds(15),
                                                                .fault_of = 10,
                                                                .restart_of = 9,
                                                                .reload_of = 6});
        for (int i = 0; i < STEPS; i++) {
            fleet_step(fleet);
        }
        fleet_free(fleet);
    }
    return 0;
}
