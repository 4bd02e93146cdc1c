/* Arbitrary bytes as a flight recording, checksums taken as right: what the reader accepts is
 * within its ranges, and what is run again never breaks program, store or engine. Steps and jumps
 * of time are bounded here; a recording may be as long as its file. */
#include <stdlib.h>

#include "runtime/flight/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEPS_MAX = 64, EVENTS_MAX = 20000, JUMP_S_MAX = 7200 };

struct bounds {
    uint64_t steps;
    struct instant last;
};

/* Whether it is worth running: all events are read, none is too much work. */
static bool is_bounded(const uint8_t *data, size_t size)
{
    struct flight_reader reader;
    struct flight_event event;
    struct error error = {""};
    struct bounds bounds = {0};
    size_t events = 0;
    bool good = true;
    flight_reader_bytes(&reader, data, size);
    enum status status = STATUS_OK;
    while (good && (status = flight_next(&reader, &event, &error)) == STATUS_OK) {
        CHECK(event.kind < FLIGHT_KINDS && event.kind != FLIGHT_SEGMENT);
        CHECK(event.time.ns >= 0 && event.time.ns <= FLIGHT_NS_MAX);
        CHECK(event.now.ns >= 0 && event.now.ns <= FLIGHT_NS_MAX);
        CHECK(event.count <= POINTS_MAX || event.kind == FLIGHT_GAVE);
        if (event.kind == FLIGHT_STEP) {
            const struct duration jump = instant_sub(event.now, bounds.last);
            good = bounds.steps == 0 || jump.ns <= JUMP_S_MAX * NS_PER_S;
            bounds.last = event.now;
            good = good && ++bounds.steps <= STEPS_MAX;
        }
        good = good && ++events <= EVENTS_MAX;
    }
    CHECK(!good || status == STATUS_NOT_FOUND || error.message[0] != '\0');
    flight_reader_release(&reader);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error = {""};
    if (is_bounded(data, size)) {
        struct replay *replay = replay_new(NULL);
        enum status status = replay_bytes(replay, data, size, &error);
        CHECK(status == STATUS_OK || error.message[0] != '\0');
        CHECK(replay_result(replay).steps <= STEPS_MAX);
        replay_free(replay);
    }
    return 0;
}
