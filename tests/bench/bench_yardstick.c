/* A loop whose speed only the machine decides: 100 million dependent multiplications. Prints the
 * milliseconds of CPU it took. */
#include <stdint.h>
#include <stdio.h>
#include <time.h>

int main(void)
{
    struct timespec before, after;
    volatile uint64_t seed = 1;
    uint64_t x = seed;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    for (int i = 0; i < 100000000; i++) {
        x = x * 6364136223846793005ULL + 1442695040888963407ULL;
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    seed = x;
    printf("%.1f\n", (double)(after.tv_sec - before.tv_sec) * 1e3 +
                         (double)(after.tv_nsec - before.tv_nsec) / 1e6);
    return 0;
}
