/* Rings of samples against a plain list that is searched from the front. */
#include "runtime/engine/column.h"
#include "tests/unit.h"

enum { KEPT_MAX = 3000, WINDOW_ROUNDS = 400 };

static unsigned next(unsigned *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

struct list {
    int64_t times[KEPT_MAX];
    double values[KEPT_MAX];
    size_t count;
};

static void window_matches(const struct ring *ring, const struct list *list, int64_t start,
                           int64_t end)
{
    static int64_t times[KEPT_MAX];
    static double values[KEPT_MAX];
    size_t first = list->count - ring->count, n = 0;
    size_t got = ring_window(ring, start, end, times, values);
    for (size_t i = first; i < list->count; i++) {
        if (list->times[i] > start && list->times[i] <= end && !is_stale(list->values[i])) {
            assert_true(n < got && times[n] == list->times[i] && values[n] == list->values[i]);
            n++;
        }
    }
    assert_int_equal(got, n);
    uint32_t until = 0;
    while (until < ring->count && list->times[first + until] <= end) {
        until++;
    }
    assert_int_equal(ring_until(ring, end), until);
}

static void a_window_is_what_a_search_from_the_front_finds(void **state)
{
    (void)state;
    static struct list list;
    struct slab pool = RING_POOL;
    const uint64_t bits = STALE_BITS;
    double marker;
    unsigned seed = 5;
    memcpy(&marker, &bits, sizeof marker);
    for (unsigned pace = 1; pace < 40; pace += 6) {
        struct ring ring = {0};
        int64_t now = -100000;
        list.count = 0;
        for (unsigned i = 0; i < KEPT_MAX; i++) {
            /* even, with bursts of the same millisecond and gaps of hours */
            now += i % 97 == 0 ? 3600000 : i % 13 == 0 ? 0 : (int64_t)(next(&seed) % pace * 500);
            double value = next(&seed) % 50 == 0 && pace > 1 ? marker : (double)i;
            list.times[list.count] = now;
            list.values[list.count++] = value;
            ring_append(&pool, &ring, now, value, 600000);
            if (i % (KEPT_MAX / WINDOW_ROUNDS) == 0) {
                int64_t end = now - (int64_t)(next(&seed) % 900000) + 60000;
                window_matches(&ring, &list, end - (int64_t)(next(&seed) % 700000), end);
            }
        }
        ring_release(&ring);
    }
    assert_int_equal(pool.taken, 0);
    slab_release(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_is_what_a_search_from_the_front_finds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
