/* Arbitrary bytes as a bundle, as a hostile signer would sign them: what the reader accepts is what
 * a writer makes of it, memory stays within a multiple of the bytes, and a bundle that agrees with
 * its sources is the one that the compiler makes of them. The same bytes are also tried as the text
 * of a signature. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "lang/check.h"
#include "runtime/bundle/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct trust_secret secret;
static struct trust_public public;

static void keys_make(void)
{
    static const uint8_t seed[crypto_sign_SEEDBYTES] = {7};
    _Static_assert(sizeof secret.key == crypto_sign_SECRETKEYBYTES, "keys are those of sodium");
    CHECK(sodium_init() >= 0 && crypto_sign_seed_keypair(public.key, secret.key, seed) == 0);
}

/* The bytes of the bundle again, from what was read. */
static void write_again(struct bundle *bundle, const uint8_t *data, size_t size)
{
    struct error error;
    uint8_t *again = NULL;
    size_t length = 0;
    CHECK(bundle_write(bundle, &again, &length, &error) == STATUS_OK);
    CHECK(length == size && memcmp(again, data, size) == 0);
    free(again);
}

static void check_sources(struct bundle *bundle, const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct sources sources = {0};
    struct diag_list diags;
    struct error error = {""};
    diag_list_init(&diags, &arena, &sources);
    struct program *program = parse_program_texts(&arena, &sources, bundle_texts(&arena, bundle),
                                                  bundle->source_count, &diags);
    if (diags.errors == 0 && check_program(program, &diags, &(struct check_options){0}) &&
        bundle_agrees(bundle, program, &error) == STATUS_OK) {
        bundle_describe(&arena, program, bundle);
        write_again(bundle, data, size);
    }
    sources_release(&sources);
    arena_release(&arena);
}

static enum status open_signed(struct arena *arena, const uint8_t *data, size_t size,
                               struct bundle *ret)
{
    struct error error;
    char signature[TRUST_SIGNATURE_BYTES];
    CHECK(trust_sign(&secret, data, size, "fuzz", signature, &error) == STATUS_OK);
    return bundle_open(arena, data, size, signature, strlen(signature), &public, 0, ret, &error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    struct arena arena = {0};
    struct bundle bundle, other;
    struct error error;
    if (!ready) {
        keys_make();
        ready = true;
    }
    enum status status = bundle_read(&arena, data, size, &bundle, &error);
    CHECK(arena.total_bytes <= 32 * size + 256 * 1024);
    CHECK(status == STATUS_OK || error.message[0] != '\0');
    if (status == STATUS_OK) {
        write_again(&bundle, data, size);
        check_sources(&bundle, data, size);
    }
    arena_release(&arena);
    CHECK(open_signed(&arena, data, size, &other) == status);
    CHECK(trust_verify(&public, "x", 1, (const char *)data, size, &error) != STATUS_OK);
    arena_release(&arena);
    return 0;
}
