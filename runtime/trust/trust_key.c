/* Keys and signatures in minisign's formats.
 *
 * A key or signature is one line of base64 below an untrusted comment: "Ed", then for a secret key
 * the key derivation (two NULs: none), "B2" and 48 bytes unused without a password, then the id and
 * the key, then a checksum (zero without a password). A signature is "ED" (of the BLAKE2b-512 of
 * the bytes), the id and 64 bytes; a second one signs those and the trusted comment. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/trust/trust.h"
#include "runtime/trust/trust_file.h"

#define COMMENT_UNTRUSTED "untrusted comment: "
#define COMMENT_TRUSTED   "trusted comment: "

enum {
    PUBLIC_FILE_BYTES = 2 + TRUST_ID_BYTES + TRUST_PUBLIC_BYTES,
    SECRET_FILE_BYTES = 2 + 2 + 2 + 48 + TRUST_ID_BYTES + TRUST_SECRET_BYTES + 32,
    SECRET_ID_AT = 54,
    SIGNATURE_BYTES = 64,
    SIGNATURE_FILE_BYTES = 2 + TRUST_ID_BYTES + SIGNATURE_BYTES,
    PREHASH_BYTES = 64,
};

/* A line of text, without its newline. */
struct line {
    const char *text;
    size_t length;
};

/* Takes one line off the front; every line must end in a newline. */
static bool line_take(const char **text, size_t *left, struct line *ret)
{
    const char *end = memchr(*text, '\n', *left);
    if (end == NULL) {
        return false;
    }
    *ret = (struct line){*text, (size_t)(end - *text)};
    *left -= ret->length + 1;
    *text = end + 1;
    return true;
}

static bool line_starts(const struct line *line, const char *prefix)
{
    return line->length >= strlen(prefix) && memcmp(line->text, prefix, strlen(prefix)) == 0;
}

/* Decodes a line that must be exactly size bytes in the one way base64 writes them. */
static bool line_decode(const struct line *line, uint8_t *ret, size_t size)
{
    size_t length = 0;
    char again[512];
    if (sodium_base642bin(ret, size, line->text, line->length, NULL, &length, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
        length != size || sodium_base64_ENCODED_LEN(size, 1) > sizeof(again)) {
        return false;
    }
    sodium_bin2base64(again, sizeof(again), ret, size, sodium_base64_VARIANT_ORIGINAL);
    return strlen(again) == line->length && memcmp(again, line->text, line->length) == 0;
}

/* Reads a file of an untrusted comment and one line of size bytes. */
static enum status key_file_read(const char *path, uint8_t *ret, size_t size, struct error *error)
{
    char *text = NULL;
    size_t length = 0;
    struct line comment, line;
    CHECK(sodium_init() >= 0);
    TRY(trust_file_read(AT_FDCWD, path, TRUST_KEY_BYTES_MAX, &text, &length, error));
    const char *rest = text;
    size_t left = length;
    bool good = line_take(&rest, &left, &comment) && line_starts(&comment, COMMENT_UNTRUSTED) &&
                line_take(&rest, &left, &line) && left == 0 && line_decode(&line, ret, size);
    sodium_memzero(text, length);
    free(text);
    return good ? STATUS_OK
                : error_set(error, STATUS_PROTOCOL, "'%.200s' is not a key file of minisign", path);
}

enum status trust_public_read(const char *path, struct trust_public *ret, struct error *error)
{
    uint8_t bytes[PUBLIC_FILE_BYTES];
    TRY(key_file_read(path, bytes, sizeof(bytes), error));
    if (memcmp(bytes, "Ed", 2) != 0) {
        return error_set(error, STATUS_PROTOCOL, "'%.200s' is not an Ed25519 public key", path);
    }
    memcpy(ret->id, bytes + 2, sizeof(ret->id));
    memcpy(ret->key, bytes + 2 + TRUST_ID_BYTES, sizeof(ret->key));
    return STATUS_OK;
}

enum status trust_secret_read(const char *path, struct trust_secret *ret, struct error *error)
{
    uint8_t bytes[SECRET_FILE_BYTES], public_key[TRUST_PUBLIC_BYTES];
    struct stat info;
    if (stat(path, &info) == 0 && (info.st_mode & 077) != 0) {
        return error_set(error, STATUS_DENIED,
                         "others may read the key '%.200s'; make it chmod 600", path);
    }
    TRY(key_file_read(path, bytes, sizeof(bytes), error));
    if (memcmp(bytes, "Ed", 2) != 0 || memcmp(bytes + 4, "B2", 2) != 0) {
        return error_set(error, STATUS_PROTOCOL, "'%.200s' is not an Ed25519 secret key", path);
    }
    if (bytes[2] != 0 || bytes[3] != 0) {
        return error_set(error, STATUS_DENIED,
                         "the key '%.200s' has a password; sign with minisign itself", path);
    }
    memcpy(ret->id, bytes + SECRET_ID_AT, sizeof(ret->id));
    memcpy(ret->key, bytes + SECRET_ID_AT + TRUST_ID_BYTES, sizeof(ret->key));
    sodium_memzero(bytes, sizeof(bytes));
    /* The second half is the public key; libsodium makes it again from the seed. */
    struct trust_secret again;
    crypto_sign_seed_keypair(public_key, again.key, ret->key);
    bool good = memcmp(again.key, ret->key, sizeof(ret->key)) == 0;
    trust_secret_wipe(&again);
    return good ? STATUS_OK
                : error_set(error, STATUS_PROTOCOL, "the key '%.200s' is damaged", path);
}

void trust_secret_wipe(struct trust_secret *secret)
{
    sodium_memzero(secret, sizeof(*secret));
}

void trust_public_path(const char *path, char *ret, size_t size)
{
    size_t length = strlen(path);
    if (length > 4 && strcmp(path + length - 4, ".key") == 0) {
        length -= 4;
    }
    snprintf(ret, size, "%.*s.pub", (int)length, path);
}

static enum status key_file_write(const char *path, const char *what, const uint8_t *bytes,
                                  size_t size, const uint8_t *id, unsigned mode,
                                  struct error *error)
{
    char text[TRUST_KEY_BYTES_MAX], line[512];
    struct stat info;
    if (lstat(path, &info) == 0) {
        return error_set(error, STATUS_DENIED, "'%.200s' is there already", path);
    }
    sodium_bin2base64(line, sizeof(line), bytes, size, sodium_base64_VARIANT_ORIGINAL);
    int length = snprintf(text, sizeof(text), COMMENT_UNTRUSTED "%s ", what);
    for (size_t i = TRUST_ID_BYTES; i-- > 0;) {
        length += snprintf(text + length, sizeof(text) - (size_t)length, "%02X", id[i]);
    }
    length += snprintf(text + length, sizeof(text) - (size_t)length, "\n%s\n", line);
    enum status status = trust_file_write(AT_FDCWD, path, text, (size_t)length, mode, error);
    sodium_memzero(text, sizeof(text));
    sodium_memzero(line, sizeof(line));
    return status;
}

enum status trust_pair_make(const char *path, struct error *error)
{
    uint8_t secret[SECRET_FILE_BYTES] = {'E', 'd', 0, 0, 'B', '2'};
    uint8_t public_bytes[PUBLIC_FILE_BYTES] = {'E', 'd'};
    char public_path[4096];
    CHECK(sodium_init() >= 0);
    trust_public_path(path, public_path, sizeof(public_path));
    uint8_t *id = secret + SECRET_ID_AT;
    randombytes_buf(id, TRUST_ID_BYTES);
    memcpy(public_bytes + 2, id, TRUST_ID_BYTES);
    crypto_sign_keypair(public_bytes + 2 + TRUST_ID_BYTES, id + TRUST_ID_BYTES);
    enum status status = key_file_write(path, "heal development secret key", secret, sizeof(secret),
                                        id, 0600, error);
    if (status == STATUS_OK) {
        status = key_file_write(public_path, "heal development public key", public_bytes,
                                sizeof(public_bytes), id, 0644, error);
    }
    sodium_memzero(secret, sizeof(secret));
    return status;
}

static void prehash(const void *bytes, size_t length, uint8_t ret[PREHASH_BYTES])
{
    crypto_generichash(ret, PREHASH_BYTES, bytes, length, NULL, 0);
}

enum status trust_sign(const struct trust_secret *secret, const void *bytes, size_t length,
                       const char *comment, char ret[TRUST_SIGNATURE_BYTES], struct error *error)
{
    uint8_t hash[PREHASH_BYTES], file[SIGNATURE_FILE_BYTES] = {'E', 'D'}, global[SIGNATURE_BYTES];
    uint8_t both[SIGNATURE_BYTES + TRUST_COMMENT_BYTES];
    char first[256], second[256];
    size_t comment_length = strlen(comment);
    CHECK(sodium_init() >= 0);
    if (comment_length >= TRUST_COMMENT_BYTES || strpbrk(comment, "\r\n") != NULL) {
        return error_set(error, STATUS_LIMIT, "a trusted comment is one line below %d bytes",
                         TRUST_COMMENT_BYTES);
    }
    prehash(bytes, length, hash);
    memcpy(file + 2, secret->id, TRUST_ID_BYTES);
    crypto_sign_detached(file + 2 + TRUST_ID_BYTES, NULL, hash, sizeof(hash), secret->key);
    memcpy(both, file + 2 + TRUST_ID_BYTES, SIGNATURE_BYTES);
    memcpy(both + SIGNATURE_BYTES, comment, comment_length);
    crypto_sign_detached(global, NULL, both, SIGNATURE_BYTES + comment_length, secret->key);
    sodium_bin2base64(first, sizeof(first), file, sizeof(file), sodium_base64_VARIANT_ORIGINAL);
    sodium_bin2base64(second, sizeof(second), global, sizeof(global),
                      sodium_base64_VARIANT_ORIGINAL);
    int wrote = snprintf(ret, TRUST_SIGNATURE_BYTES,
                         COMMENT_UNTRUSTED "signature of heal\n%s\n" COMMENT_TRUSTED "%s\n%s\n",
                         first, comment, second);
    CHECK(wrote > 0 && wrote < TRUST_SIGNATURE_BYTES);
    return STATUS_OK;
}

enum status trust_verify(const struct trust_public *key, const void *bytes, size_t length,
                         const char *signature, size_t signature_length, struct error *error)
{
    struct line untrusted, first, trusted, second;
    uint8_t hash[PREHASH_BYTES], file[SIGNATURE_FILE_BYTES], global[SIGNATURE_BYTES];
    uint8_t both[SIGNATURE_BYTES + TRUST_KEY_BYTES_MAX];
    const char *rest = signature;
    size_t left = signature_length;
    CHECK(sodium_init() >= 0);
    if (signature_length > TRUST_KEY_BYTES_MAX || !line_take(&rest, &left, &untrusted) ||
        !line_starts(&untrusted, COMMENT_UNTRUSTED) || !line_take(&rest, &left, &first) ||
        !line_take(&rest, &left, &trusted) || !line_starts(&trusted, COMMENT_TRUSTED) ||
        !line_take(&rest, &left, &second) || left != 0 ||
        !line_decode(&first, file, sizeof(file)) || !line_decode(&second, global, sizeof(global)) ||
        memcmp(file, "ED", 2) != 0) {
        return error_set(error, STATUS_DENIED, "the signature is not one of minisign's");
    }
    if (memcmp(file + 2, key->id, TRUST_ID_BYTES) != 0) {
        return error_set(error, STATUS_DENIED, "the signature is by another key");
    }
    const uint8_t *own = file + 2 + TRUST_ID_BYTES;
    prehash(bytes, length, hash);
    if (crypto_sign_verify_detached(own, hash, sizeof(hash), key->key) != 0) {
        return error_set(error, STATUS_DENIED, "the signature is not of these bytes");
    }
    size_t comment_length = trusted.length - strlen(COMMENT_TRUSTED);
    memcpy(both, own, SIGNATURE_BYTES);
    memcpy(both + SIGNATURE_BYTES, trusted.text + strlen(COMMENT_TRUSTED), comment_length);
    if (crypto_sign_verify_detached(global, both, SIGNATURE_BYTES + comment_length, key->key) !=
        0) {
        return error_set(error, STATUS_DENIED, "the signature's trusted comment was changed");
    }
    return STATUS_OK;
}
