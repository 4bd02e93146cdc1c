/* healc sign [--key FILE] FILE.healb: signs a bundle, with a key made on first use. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "compiler/healc/key.h"
#include "compiler/healc/option.h"
#include "runtime/bundle/bundle.h"
#include "runtime/trust/trust.h"
#include "runtime/trust/trust_file.h"

/* What minisign writes for a trusted comment. */
static void comment_of(const char *path, char *ret, size_t size)
{
    const char *slash = strrchr(path, '/');
    snprintf(ret, size, "timestamp:%lld\tfile:%s\thashed", (long long)time(NULL),
             slash ? slash + 1 : path);
}

/* Only a bundle is signed: a name that ends in .healb is no promise about the bytes. */
static enum status sign_bytes(const char *path, const struct bundle_files *files,
                              const struct trust_secret *secret, const char *key_path,
                              struct error *error)
{
    struct arena arena = {0};
    struct bundle bundle;
    char signature[TRUST_SIGNATURE_BYTES], comment[TRUST_COMMENT_BYTES], beside[4096];
    enum status status = bundle_read(&arena, files->bytes, files->length, &bundle, error);
    if (status == STATUS_OK) {
        comment_of(path, comment, sizeof(comment));
        status = trust_sign(secret, files->bytes, files->length, comment, signature, error);
    }
    if (status == STATUS_OK) {
        snprintf(beside, sizeof(beside), "%s" BUNDLE_SIGNATURE_SUFFIX, path);
        status = trust_file_write(AT_FDCWD, beside, signature, strlen(signature), 0644, error);
    }
    if (status == STATUS_OK) {
        printf("signed %s (%s, serial %llu, %zu %s) with %s\n", path, bundle.name,
               (unsigned long long)bundle.serial, bundle.policy_count,
               bundle.policy_count == 1 ? "policy" : "policies", key_path);
    }
    arena_release(&arena);
    return status;
}

static enum status sign_bundle(const char *path, const struct trust_secret *secret,
                               const char *key_path, struct error *error)
{
    struct bundle_files files;
    TRY(bundle_files_read(path, &files, error));
    enum status status = sign_bytes(path, &files, secret, key_path, error);
    bundle_files_release(&files);
    return status;
}

int command_sign(int argc, char **argv)
{
    const char *path = NULL, *key = NULL;
    char default_path[4096];
    struct trust_secret secret;
    struct error error;
    bool usage = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--key") == 0 && i + 1 < argc) {
            key = argv[++i];
        } else if (argv[i][0] == '-' || path != NULL) {
            usage = true;
        } else {
            path = argv[i];
        }
    }
    if (usage || path == NULL) {
        fprintf(stderr, "usage: healc sign [--key FILE] FILE.healb\n");
        return HEALC_FAILED;
    }
    if (bundle_path_check(path, &error) != STATUS_OK) {
        return option_fail(argv[0], "%s", error.message);
    }
    if (key == NULL && !key_default_path(argv[0], true, default_path, sizeof(default_path))) {
        return HEALC_FAILED;
    }
    key = key ? key : default_path;
    if (!key_secret(argv[0], key, &secret)) {
        return HEALC_FAILED;
    }
    enum status status = sign_bundle(path, &secret, key, &error);
    trust_secret_wipe(&secret);
    if (status != STATUS_OK) {
        fprintf(stderr, "healc sign: %s\n", error.message);
        return HEALC_FAILED;
    }
    return HEALC_OK;
}
