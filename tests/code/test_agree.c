/* Machine code and the reference evaluator give the same bits. */
#include <stdio.h>

#include "tests/code/agree.h"
#include "tests/unit.h"

enum { PAIRS_WANTED = 20000 }; /* fuzz_agree does 100,000 in the long part */

static void code_and_reference_agree_bit_for_bit(void **state)
{
    (void)state;
    struct agree agree = {.seed = 1};
    for (uint64_t set = 0; agree.pairs < PAIRS_WANTED; set++) {
        if (!agree_set(&agree, set)) {
            fail_msg("%s", agree.failure);
        }
    }
    print_message("%zu pairs, %zu slots, %zu kernels of %zu bytes, %.1f nodes a tick on code\n",
                  agree.pairs, agree.slots, agree.kernels, agree.bytes,
                  (double)(agree.nodes_on_code * AGREE_EXPRESSIONS) / (double)agree.pairs);
    /* Most of what is made has code; else this test would compare the reference with itself. */
    assert_true(agree.nodes_on_code * AGREE_EXPRESSIONS > agree.pairs * 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(code_and_reference_agree_bit_for_bit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
