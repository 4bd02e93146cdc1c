/* healc sign [--key FILE] FOLDER: signs a folder of policies, with a key made on first use. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "compiler/healc/option.h"
#include "runtime/trust/trust.h"

enum { SIGN_OK = 0, SIGN_USAGE = 2, SIGN_FAILED = 2 };

/* ~/.config/heal/development.key; the folders are made. */
static bool default_key_path(char *ret, size_t size)
{
    const char *home = getenv("HOME");
    if (home == NULL || home[0] != '/') {
        fprintf(stderr, "healc sign: HOME is not set; name the key with --key FILE\n");
        return false;
    }
    static const char *const folders[] = {"/.config", "/.config/heal"};
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        snprintf(ret, size, "%s%s", home, folders[i]);
        if (mkdir(ret, 0700) != 0 && errno != EEXIST) {
            fprintf(stderr, "healc sign: cannot make '%s': %s\n", ret, strerror(errno));
            return false;
        }
    }
    snprintf(ret, size, "%s/.config/heal/development.key", home);
    return true;
}

static int sign_folder(const char *folder_path, const char *key_path)
{
    struct trust_secret secret;
    struct trust_folder folder;
    struct error error;
    char public_path[4096], comment[64];
    trust_public_path(key_path, public_path, sizeof(public_path));
    if (access(key_path, F_OK) != 0) {
        if (trust_pair_make(key_path, &error) != STATUS_OK) {
            fprintf(stderr, "healc sign: %s\n", error.message);
            return SIGN_FAILED;
        }
        printf("made the key %s, public key %s\n", key_path, public_path);
    }
    if (trust_secret_read(key_path, &secret, &error) != STATUS_OK) {
        fprintf(stderr, "healc sign: %s\n", error.message);
        return SIGN_FAILED;
    }
    snprintf(comment, sizeof(comment), "timestamp:%lld\tfile:MANIFEST\thashed",
             (long long)time(NULL));
    enum status status = trust_folder_sign(folder_path, &secret, comment, &folder, &error);
    trust_secret_wipe(&secret);
    if (status != STATUS_OK) {
        fprintf(stderr, "healc sign: %s\n", error.message);
        return SIGN_FAILED;
    }
    printf("signed %zu policy file%s in %s, serial %llu, with %s\n", folder.count,
           folder.count == 1 ? "" : "s", folder_path, (unsigned long long)folder.serial, key_path);
    trust_folder_release(&folder);
    return SIGN_OK;
}

int command_sign(int argc, char **argv)
{
    const char *folder = NULL, *key = NULL;
    char path[4096];
    bool usage = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--key") == 0 && i + 1 < argc) {
            key = argv[++i];
        } else if (argv[i][0] == '-' || folder != NULL) {
            usage = true;
        } else {
            folder = argv[i];
        }
    }
    if (usage || folder == NULL) {
        fprintf(stderr, "usage: healc sign [--key FILE] FOLDER\n");
        return SIGN_USAGE;
    }
    if (key == NULL && !default_key_path(path, sizeof(path))) {
        return SIGN_FAILED;
    }
    return sign_folder(folder, key != NULL ? key : path);
}
