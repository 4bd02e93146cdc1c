/* Marks of keys. */
#include "runtime/ingest/key_mark.h"

#include <string.h>
#include <sys/random.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { LANE = 32, LANES_MAX = 8, SECRET_BYTES = LANE * LANES_MAX };
static _Alignas(64) unsigned char secret[SECRET_BYTES];
static bool drawn;
#ifdef __x86_64__
static bool wide; /* once it is drawn, where the machine has AVX2 */
#endif

static void draw(void)
{
    drawn = true;
    if (getrandom(secret, sizeof secret, 0) != (ssize_t)sizeof secret) {
        for (size_t i = 0; i < sizeof secret;
             i++) { /* where the loader put us is better than none */
            const uint64_t key[2] = {i, (uintptr_t)&secret};
            secret[i] = (unsigned char)XXH3_64bits(key, sizeof key);
        }
    }
#ifdef __x86_64__
    wide = __builtin_cpu_supports("avx2");
#endif
}

#ifdef __x86_64__
#    include <immintrin.h>
#    define AVX2 __attribute__((target("avx2")))

/* As XXH3 takes in long texts: products of halves under the secret, and the text itself. */
AVX2 static inline __m256i take(__m256i sum, const char *at, int lane)
{
    const __m256i text = _mm256_loadu_si256((const __m256i *)(const void *)at);
    const __m256i mixed =
        _mm256_xor_si256(text, _mm256_load_si256((const __m256i *)(const void *)secret + lane));
    const __m256i product = _mm256_mul_epu32(mixed, _mm256_srli_epi64(mixed, 32));
    const __m256i swapped = _mm256_shuffle_epi32(text, 0x4e);
    return _mm256_add_epi64(_mm256_add_epi64(sum, swapped), product);
}

static uint64_t fold(uint64_t a, uint64_t b)
{
    __extension__ const unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* More than one lane and at most LANES_MAX. Lanes from the start and from the end, which may
 * overlap: the sizes of keys cannot be predicted, so none but their power of two decides a branch.
 */
AVX2 static uint64_t hash_wide(const char *p, size_t size)
{
    const char *end = p + size;
    __m256i a = _mm256_setzero_si256(), b = a;
    if (size > 4 * LANE) {
        a = take(a, p + 2 * LANE, 4);
        b = take(b, p + 3 * LANE, 5);
        a = take(a, end - 4 * LANE, 6);
        b = take(b, end - 3 * LANE, 7);
    }
    if (size > 2 * LANE) {
        a = take(a, p + LANE, 2);
        b = take(b, end - 2 * LANE, 3);
    }
    a = take(a, p, 0);
    b = take(b, end - LANE, 1);
    uint64_t sums[4], keys[4];
    _mm256_storeu_si256((__m256i *)(void *)sums, _mm256_add_epi64(a, b));
    memcpy(keys, secret + SECRET_BYTES / 2, sizeof keys);
    const uint64_t hash = fold(sums[0] ^ keys[0], sums[1] ^ keys[1]) +
                          fold(sums[2] ^ keys[2], sums[3] ^ keys[3]) + size;
    return fold(hash ^ keys[0], keys[2] | 1);
}
#endif

/* Any size, on any machine, and the first key of all. */
static uint64_t hash_any(const char *p, size_t size)
{
    if (!drawn) {
        draw();
    }
#ifdef __x86_64__
    if (wide && size > LANE && size <= LANES_MAX * LANE) {
        return hash_wide(p, size);
    }
#endif
    return XXH3_64bits_withSecret(p, size, secret, sizeof secret);
}

uint64_t key_mark_hash(const void *key, size_t size)
{
#ifdef __x86_64__
    if (wide && size > LANE && size <= LANES_MAX * LANE) {
        return hash_wide(key, size);
    }
#endif
    return hash_any(key, size);
}

struct key_mark key_mark(const void *key, size_t size)
{
    return (struct key_mark){key_mark_hash(key, size), (uint32_t)size};
}

bool key_mark_is(const struct key_mark *mark, const void *key)
{
    return key_mark_hash(key, mark->size) == mark->hash;
}
