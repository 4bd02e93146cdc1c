/* fuzz_agree N [SEED]: agreement of machine code and reference evaluator over at least N pairs. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/code/agree.h"

int main(int argc, char **argv)
{
    size_t wanted = argc > 1 ? (size_t)strtoull(argv[1], NULL, 10) : 1000000;
    struct agree agree = {.seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1};
    for (uint64_t set = 0; agree.pairs < wanted; set++) {
        if (!agree_set(&agree, set)) {
            printf("%s\n", agree.failure);
            return 1;
        }
    }
    printf("%zu pairs, %zu slots, %zu kernels: no difference\n", agree.pairs, agree.slots,
           agree.kernels);
    return 0;
}
