/* Marks of keys: one byte makes another mark, at every size and place. */
#include <string.h>

#include "runtime/ingest/key_mark.h"
#include "tests/unit.h"

enum { SIZE_MAX_HERE = 400 };

static void a_key_that_differs_in_one_byte_or_in_size_has_another_mark(void **state)
{
    (void)state;
    char key[SIZE_MAX_HERE + 1], other[SIZE_MAX_HERE + 1];
    for (size_t i = 0; i < sizeof key; i++) {
        key[i] = (char)('a' + i % 26);
    }
    for (size_t size = 1; size <= SIZE_MAX_HERE; size++) {
        const struct key_mark mark = key_mark(key, size);
        memcpy(other, key, sizeof key);
        assert_true(key_mark_is(&mark, other));
        assert_int_equal(mark.size, size);
        assert_true(key_mark_hash(key, size - 1) != mark.hash);
        for (size_t i = 0; i < size; i++) {
            other[i] ^= 1;
            assert_false(key_mark_is(&mark, other));
            other[i] = (char)(key[i] ^ 0x40);
            assert_false(key_mark_is(&mark, other));
            other[i] = key[i];
        }
    }
}

/* Words that are exchanged, and differences that a sum would take for none. */
static void exchanged_words_make_another_mark(void **state)
{
    (void)state;
    char key[SIZE_MAX_HERE], other[SIZE_MAX_HERE];
    for (size_t i = 0; i < sizeof key; i++) {
        key[i] = (char)('A' + i * 7 % 50);
    }
    for (size_t size = 16; size <= sizeof key; size += 5) {
        const struct key_mark mark = key_mark(key, size);
        for (size_t a = 0; a + 8 <= size; a += 4) {
            for (size_t b = a + 8; b + 8 <= size; b += 4) {
                memcpy(other, key, sizeof key);
                memcpy(other + a, key + b, 8);
                memcpy(other + b, key + a, 8);
                assert_int_equal(key_mark_is(&mark, other), memcmp(key, other, size) == 0);
                memcpy(other, key, sizeof key);
                other[a]++;
                other[b]--;
                assert_false(key_mark_is(&mark, other));
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_that_differs_in_one_byte_or_in_size_has_another_mark),
        cmocka_unit_test(exchanged_words_make_another_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
