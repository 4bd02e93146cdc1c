/* Whose bytes heald believes: Ed25519 signatures in minisign's file formats.
 *
 *     struct trust_public key;
 *     TRY(trust_public_read("/etc/heal/team.pub", &key, error));
 *     TRY(trust_verify(&key, bytes, length, signature, signature_length, error));
 *     ... only now a byte is understood ...
 */
#ifndef HEAL_RUNTIME_TRUST_TRUST_H
#define HEAL_RUNTIME_TRUST_TRUST_H

#include "lang/base.h"

enum {
    TRUST_KEY_BYTES_MAX = 1024, /* a key file; also a signature file */
    TRUST_COMMENT_BYTES = 256,
    TRUST_SIGNATURE_BYTES = 768,
    TRUST_ID_BYTES = 8,
    TRUST_PUBLIC_BYTES = 32,
    TRUST_SECRET_BYTES = 64,
    TRUST_HASH_BYTES = 32,
};

struct trust_public {
    uint8_t id[TRUST_ID_BYTES];
    uint8_t key[TRUST_PUBLIC_BYTES];
};
struct trust_secret {
    uint8_t id[TRUST_ID_BYTES];
    uint8_t key[TRUST_SECRET_BYTES];
};

/* Makes a key pair: path (0600, without a password, as minisign -W) and the same with .pub instead
 * of .key beside it. Neither may exist. */
NODISCARD enum status trust_pair_make(const char *path, struct error *error);
/* Refuses a file that others than its owner may read. Wipe the key with trust_secret_wipe. */
NODISCARD enum status trust_secret_read(const char *path, struct trust_secret *ret,
                                        struct error *error);
NODISCARD enum status trust_public_read(const char *path, struct trust_public *ret,
                                        struct error *error);
void trust_secret_wipe(struct trust_secret *secret);
/* The path of the public key beside path into ret[size]. */
void trust_public_path(const char *path, char *ret, size_t size);

/* Writes a signature file's text, NUL-terminated, into ret. comment: one line. */
NODISCARD enum status trust_sign(const struct trust_secret *secret, const void *bytes,
                                 size_t length, const char *comment,
                                 char ret[TRUST_SIGNATURE_BYTES], struct error *error);
/* STATUS_DENIED unless signature (text of a file) is of these bytes and by this key. */
NODISCARD enum status trust_verify(const struct trust_public *key, const void *bytes, size_t length,
                                   const char *signature, size_t signature_length,
                                   struct error *error);

#endif
