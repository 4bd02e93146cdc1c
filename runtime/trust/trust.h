/* Whose policies heald believes: Ed25519 signatures in minisign's file formats, over a manifest of
 * a folder.
 *
 *     struct trust_public key;
 *     struct trust_folder folder;
 *     TRY(trust_public_read("/etc/heal/policies.pub", &key, error));
 *     TRY(trust_folder_load("/etc/heal/policies", &key, loaded_serial, &folder, error));
 *     ... folder.files[i].text ...
 *     trust_folder_release(&folder);
 *
 * FOLDER/MANIFEST names each .heal file with its BLAKE2b-256 and carries a serial that only grows;
 * FOLDER/MANIFEST.minisig signs its bytes. The signature is checked before a byte of the manifest
 * is understood, and each file is hashed in the same memory it is used from. */
#ifndef HEAL_RUNTIME_TRUST_TRUST_H
#define HEAL_RUNTIME_TRUST_TRUST_H

#include "lang/base.h"

enum {
    TRUST_FILES_MAX = 4096,
    TRUST_FILE_BYTES_MAX = 4 * 1024 * 1024,
    TRUST_FOLDER_BYTES_MAX = 64 * 1024 * 1024,
    TRUST_MANIFEST_BYTES_MAX = 2 * 1024 * 1024,
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

struct trust_file {
    char *name;
    char *text; /* NUL-terminated */
    size_t length;
    uint8_t hash[TRUST_HASH_BYTES];
};
struct trust_folder {
    uint64_t serial;
    struct trust_file *files; /* by name */
    size_t count;
};

/* Writes MANIFEST and MANIFEST.minisig; the serial is one more than that of the manifest there. */
NODISCARD enum status trust_folder_sign(const char *path, const struct trust_secret *secret,
                                        const char *comment, struct trust_folder *ret,
                                        struct error *error);
/* Loads what the manifest names. STATUS_DENIED: a signature, a hash, a serial below min_serial, a
 * .heal file too many or too few, a link. */
NODISCARD enum status trust_folder_load(const char *path, const struct trust_public *key,
                                        uint64_t min_serial, struct trust_folder *ret,
                                        struct error *error);
void trust_folder_release(struct trust_folder *folder);

#endif
