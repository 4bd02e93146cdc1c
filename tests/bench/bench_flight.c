/* What it costs to record what the engine is fed: bench_flight FOLDER.
 *
 * SERIES series answer every 15 s with values of a kind; each answer is appended to a store, then
 * to a flight recording on a real file, with a step behind it. CPU time of this process, the
 * kernel's writes included; medians of ROUNDS. Prints one JSON object, for each kind bytes a sample
 * (of the file), nanoseconds a sample of the recorder, and of the store that it stands beside:
 *
 *   same      every value is the one before
 *   usual     of ten series four stand still, three count (odd amounts), one grows steadily, two
 * are measurements of three digits count     all count noise     all 52 bits of every value are
 * others: nothing can be expected
 *
 * and bytes of a birth: one series with five labels. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/flight/flight.h"
#include "tests/bench/measure.h"

enum { SERIES = 10000, ROUNDS = 101, WARM_UP = 10, BATCH = 4000 };

enum kind { SAME, USUAL, COUNT, NOISE, KINDS };
static const char *const kind_names[KINDS] = {"same", "usual", "count", "noise"};

struct contest {
    struct store *store;
    struct flight *flight;
    struct store_point points[SERIES];
    double values[SERIES];
    struct instant now;
    uint64_t random;
};

static uint64_t next(struct contest *c)
{
    c->random ^= c->random << 13;
    c->random ^= c->random >> 7;
    c->random ^= c->random << 17;
    return c->random >> 11;
}

static double value_of(struct contest *c, enum kind kind, size_t i)
{
    const size_t part = kind == COUNT ? 4 : i % 10;
    if (kind == SAME || (kind == USUAL && part < 4)) {
        return c->values[i];
    }
    if (kind == NOISE) {
        return (double)next(c) / 0x1p53;
    }
    return part < 7   ? c->values[i] + (double)(next(c) % 500)
           : part < 8 ? c->values[i] + 15
                      : (double)(next(c) % 1000) / 1000;
}

static void births(struct contest *c)
{
    struct error error;
    uint32_t source;
    const struct duration interval = duration_seconds(15);
    CHECK(store_source(c->store, "fleet", interval, interval, &source, &error) == STATUS_OK);
    flight_source(c->flight, source, "fleet", interval, interval);
    for (size_t i = 0; i < SERIES; i++) {
        char code[8], item[32], pod[32], zone[16];
        snprintf(code, sizeof code, "%zu", i % 5 * 100 + 100);
        snprintf(item, sizeof item, "/api/v1/item%zu", i / 5 % 40);
        snprintf(pod, sizeof pod, "shop-%zu-7d9f", i / 200);
        snprintf(zone, sizeof zone, "eu-%zu", i % 3);
        const struct label labels[] = {{"code", code},
                                       {"handler", item},
                                       {"method", i % 2 ? "GET" : "POST"},
                                       {"pod", pod},
                                       {"zone", zone}};
        const char *name = i % 2 ? "http_requests_total" : "http_request_duration_seconds_count";
        CHECK(store_series(c->store, source, name, labels, 5, &c->points[i].series, &error) ==
              STATUS_OK);
        flight_series(c->flight, c->points[i].series, source, name, labels, 5);
        c->values[i] = (double)(1000 * i);
    }
    flight_step(c->flight, c->now, NULL, 0);
}

static void answer(struct contest *c, enum kind kind, double *ret_store, double *ret_flight)
{
    for (size_t i = 0; i < SERIES; i++) {
        c->points[i].value = c->values[i] = value_of(c, kind, i);
    }
    c->now = instant_add(c->now, duration_seconds(15));
    const double began = cpu_ns();
    for (size_t i = 0; i < SERIES; i += BATCH) {
        const size_t count = SERIES - i < BATCH ? SERIES - i : BATCH;
        store_append_all(c->store, c->now, c->now, c->points + i, count);
    }
    const double stored = cpu_ns();
    for (size_t i = 0; i < SERIES; i += BATCH) {
        const size_t count = SERIES - i < BATCH ? SERIES - i : BATCH;
        flight_append_all(c->flight, c->now, c->now, c->points + i, count);
    }
    flight_step(c->flight, c->now, NULL, 0);
    *ret_store = (stored - began) / (double)SERIES;
    *ret_flight = (cpu_ns() - stored) / (double)SERIES;
}

static void run(struct contest *c, enum kind kind)
{
    static double stored[ROUNDS], recorded[ROUNDS];
    double ignored[2];
    for (int i = 0; i < WARM_UP; i++) {
        answer(c, kind, &ignored[0], &ignored[1]);
    }
    const uint64_t before = flight_state(c->flight).bytes;
    for (int i = 0; i < ROUNDS; i++) {
        answer(c, kind, &stored[i], &recorded[i]);
    }
    const uint64_t bytes = flight_state(c->flight).bytes - before;
    printf("\"%s\": {\"bytes\": %.3f, \"ns\": %.2f, \"store_ns\": %.2f}, ", kind_names[kind],
           (double)bytes / (double)(ROUNDS * SERIES), median(recorded, ROUNDS),
           median(stored, ROUNDS));
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: bench_flight FOLDER\n");
        return 2;
    }
    struct contest *c = heap_alloc(sizeof *c);
    const struct store_limits limits = {.live = true};
    c->now = (struct instant){1790000000LL * NS_PER_S};
    c->random = 0x9E3779B97F4A7C15ULL;
    c->store = store_new(&limits);
    c->flight =
        flight_open(&(struct flight_options){.state = argv[1], .bytes_max = 1ULL << 30}, c->now, 1);
    flight_store(c->flight, &limits);
    births(c);
    const uint64_t born = flight_state(c->flight).bytes;
    printf("{");
    for (int kind = 0; kind < KINDS; kind++) {
        run(c, (enum kind)kind);
    }
    const struct flight_state state = flight_state(c->flight);
    printf("\"birth_bytes\": %.1f, \"on\": %s}\n", (double)born / (double)SERIES,
           state.on ? "true" : "false");
    flight_close(c->flight);
    store_free(c->store);
    free(c);
    return state.on ? 0 : 1;
}
