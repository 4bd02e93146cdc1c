/* Blocks of one size, and numbers by hash, against what was put in. */
#include "runtime/engine/id_table.h"
#include "runtime/engine/slab.h"
#include "tests/unit.h"

enum { BLOCKS = 3000, ROUNDS = 60000, IDS = 5000 };

static unsigned next(unsigned *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void blocks_do_not_overlap_and_all_memory_is_given_back(void **state)
{
    (void)state;
    static struct {
        uint32_t *block;
        uint16_t place;
        uint32_t mark;
    } taken[BLOCKS];
    int owner;
    unsigned seed = 3;
    for (uint32_t size = 8; size <= 200; size += 64) {
        struct slab slab = {.size = size, .owner = &owner};
        size_t count = 0, most = 0;
        for (uint32_t round = 0; round < ROUNDS; round++) {
            /* grows, then shrinks */
            const size_t i = count ? next(&seed) % count : 0;
            if (count < BLOCKS &&
                (count == 0 || next(&seed) % 100 < (round < ROUNDS / 2 ? 60 : 40))) {
                taken[count].block = slab_take(&slab, &taken[count].place);
                taken[count].mark = round;
                for (uint32_t w = 0; w < size / 4; w++) {
                    taken[count].block[w] = round;
                }
                assert_int_equal((uintptr_t)taken[count].block % 8, 0);
                count++;
            } else {
                for (uint32_t w = 0; w < size / 4; w++) {
                    assert_int_equal(taken[i].block[w], taken[i].mark);
                }
                assert_ptr_equal(slab_owner(taken[i].block, taken[i].place), &owner);
                slab_give(taken[i].block, taken[i].place);
                taken[i] = taken[--count];
            }
            assert_int_equal(slab.taken, count);
            most = slab.bytes > most ? slab.bytes : most;
        }
        assert_true(most < (BLOCKS + 2) * (size_t)size * 3 + 4 * SLAB_CHUNK_BYTES);
        while (count > 0) {
            count--;
            slab_give(taken[count].block, taken[count].place);
        }
        assert_int_equal(slab.bytes, 0);
        slab_release(&slab);
    }
}

static void whole_lines_start_where_lines_do(void **state)
{
    (void)state;
    struct slab slab = {.size = SLAB_LINE};
    for (size_t i = 0; i < 1000; i++) {
        uint16_t place;
        assert_int_equal((uintptr_t)slab_take(&slab, &place) % SLAB_LINE, 0);
    }
    assert_true(slab.bytes < 1000 * SLAB_LINE * 5 / 4);
    slab_release(&slab);
}

static uint64_t hash_of(uint32_t id)
{
    return (uint64_t)(id / 3) * 0x9e3779b97f4a7c15ULL >> 20; /* three of each, and ends of runs */
}

static bool has(const struct id_table *table, uint32_t id)
{
    size_t cursor = SIZE_MAX;
    uint32_t found;
    size_t times = 0;
    while ((found = id_table_next(table, hash_of(id), &cursor)) != ID_NONE) {
        times += found == id;
    }
    assert_true(times < 2);
    return times == 1;
}

static void a_table_has_what_was_added_and_not_removed(void **state)
{
    (void)state;
    static bool there[IDS];
    struct id_table table = {0};
    unsigned seed = 9;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        const uint32_t id = next(&seed) % IDS;
        assert_int_equal(has(&table, id), there[id]);
        if (there[id]) {
            id_table_remove(&table, hash_of(id), id);
        } else {
            id_table_add(&table, hash_of(id), id);
        }
        there[id] = !there[id];
    }
    for (uint32_t id = 0; id < IDS; id++) {
        assert_int_equal(has(&table, id), there[id]);
        if (there[id]) {
            id_table_remove(&table, hash_of(id), id);
        }
    }
    assert_int_equal(table.count, 0);
    assert_true(id_table_bytes(&table) <= IDS * 12);
    id_table_release(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_do_not_overlap_and_all_memory_is_given_back),
        cmocka_unit_test(whole_lines_start_where_lines_do),
        cmocka_unit_test(a_table_has_what_was_added_and_not_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
