/* The key that verbs use when none is named. */
#include "compiler/healc/key.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool key_default_path(const char *verb, bool make, char *ret, size_t size)
{
    const char *home = getenv("HOME");
    if (home == NULL || home[0] != '/') {
        fprintf(stderr, "healc %s: HOME is not set; name the key with --key FILE\n", verb);
        return false;
    }
    static const char *const folders[] = {"/.config", "/.config/heal"};
    for (size_t i = 0; i < ARRAY_LEN(folders) && make; i++) {
        snprintf(ret, size, "%s%s", home, folders[i]);
        if (mkdir(ret, 0700) != 0 && errno != EEXIST) {
            fprintf(stderr, "healc %s: cannot make '%s': %s\n", verb, ret, strerror(errno));
            return false;
        }
    }
    snprintf(ret, size, "%s/.config/heal/development.key", home);
    return true;
}

bool key_secret(const char *verb, const char *path, struct trust_secret *ret)
{
    struct error error;
    char public_path[4096];
    trust_public_path(path, public_path, sizeof(public_path));
    if (access(path, F_OK) != 0) {
        if (trust_pair_make(path, &error) != STATUS_OK) {
            fprintf(stderr, "healc %s: %s\n", verb, error.message);
            return false;
        }
        printf("made the key %s, public key %s\n", path, public_path);
    }
    if (trust_secret_read(path, ret, &error) != STATUS_OK) {
        fprintf(stderr, "healc %s: %s\n", verb, error.message);
        return false;
    }
    return true;
}
