/* The manifest of a folder of policies: written and signed, verified and loaded.
 *
 *     heal manifest 1
 *     serial 7
 *     <BLAKE2b-256, 64 hexadecimal digits>  name.heal
 *
 * by name, one line a file. It is canonical: what was read is written again and must be the same
 * bytes. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/trust/trust.h"
#include "runtime/trust/trust_file.h"

#define MANIFEST       "MANIFEST"
#define SIGNATURE      "MANIFEST.minisig"
#define MANIFEST_FIRST "heal manifest 1\n"

enum { NAME_BYTES_MAX = 200, HEX_BYTES = 2 * TRUST_HASH_BYTES };

static bool is_policy_name(const char *name)
{
    size_t length = strlen(name);
    return length > 5 && strcmp(name + length - 5, ".heal") == 0 && name[0] != '.';
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct trust_file *)a)->name, ((const struct trust_file *)b)->name);
}

static enum status name_add(struct trust_folder *folder, size_t *capacity, const char *name,
                            struct error *error)
{
    if (strlen(name) > NAME_BYTES_MAX) {
        return error_set(error, STATUS_LIMIT, "the name '%.60s...' is longer than %d bytes", name,
                         NAME_BYTES_MAX);
    }
    for (const char *p = name; *p != '\0'; p++) {
        if ((unsigned char)*p <= 0x20 || *p == 0x7f || *p == '/') {
            return error_set(error, STATUS_DENIED,
                             "a policy file has a space or control character in its name");
        }
    }
    if (folder->count >= TRUST_FILES_MAX) {
        return error_set(error, STATUS_LIMIT, "more than %d policy files", TRUST_FILES_MAX);
    }
    ARRAY_RESERVE(folder->files, folder->count, *capacity);
    folder->files[folder->count++] = (struct trust_file){.name = heap_strdup(name)};
    return STATUS_OK;
}

/* The names of the .heal files that are there, sorted. */
static enum status names_list(int folder_fd, struct trust_folder *ret, struct error *error)
{
    size_t capacity = 0;
    enum status status = STATUS_OK;
    int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        if (fd >= 0) {
            close(fd);
        }
        return error_set(error, STATUS_IO, "cannot list the folder: %s", strerror(errno));
    }
    for (struct dirent *entry = readdir(dir); entry != NULL && status == STATUS_OK;
         entry = readdir(dir)) {
        if (is_policy_name(entry->d_name)) {
            status = name_add(ret, &capacity, entry->d_name, error);
        }
    }
    closedir(dir);
    if (status == STATUS_OK && ret->count > 0) {
        qsort(ret->files, ret->count, sizeof(*ret->files), by_name);
    }
    return status;
}

/* Reads each named file once, and hashes the memory it is in. */
static enum status files_read(int folder_fd, struct trust_folder *folder, struct error *error)
{
    size_t total = 0;
    for (size_t i = 0; i < folder->count; i++) {
        struct trust_file *file = &folder->files[i];
        TRY(trust_file_read(folder_fd, file->name, TRUST_FILE_BYTES_MAX, &file->text, &file->length,
                            error));
        total += file->length;
        if (total > TRUST_FOLDER_BYTES_MAX) {
            return error_set(error, STATUS_LIMIT, "the policies are larger than %d bytes together",
                             TRUST_FOLDER_BYTES_MAX);
        }
        crypto_generichash(file->hash, sizeof(file->hash), (const unsigned char *)file->text,
                           file->length, NULL, 0);
    }
    return STATUS_OK;
}

/* The manifest's bytes for what is in the folder; the caller frees them. */
static char *manifest_write(const struct trust_folder *folder, size_t *ret_length)
{
    size_t room = 128 + folder->count * (HEX_BYTES + NAME_BYTES_MAX + 8);
    char *text = heap_alloc(room);
    size_t length = (size_t)snprintf(text, room, MANIFEST_FIRST "serial %llu\n",
                                     (unsigned long long)folder->serial);
    for (size_t i = 0; i < folder->count; i++) {
        char hex[HEX_BYTES + 1];
        sodium_bin2hex(hex, sizeof(hex), folder->files[i].hash, TRUST_HASH_BYTES);
        length +=
            (size_t)snprintf(text + length, room - length, "%s  %s\n", hex, folder->files[i].name);
    }
    *ret_length = length;
    return text;
}

/* The serial of a manifest's text; 0 when it has none. */
static uint64_t manifest_serial(const char *text)
{
    size_t first = strlen(MANIFEST_FIRST);
    char *end = NULL;
    if (strncmp(text, MANIFEST_FIRST, first) != 0 || strncmp(text + first, "serial ", 7) != 0) {
        return 0;
    }
    errno = 0;
    uint64_t serial = strtoull(text + first + 7, &end, 10);
    return errno == 0 && *end == '\n' && serial < (uint64_t)INT64_MAX ? serial : 0;
}

static enum status folder_open(const char *path, int *ret_fd, struct error *error)
{
    CHECK(sodium_init() >= 0);
    *ret_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *ret_fd >= 0 ? STATUS_OK
                        : error_set(error, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO,
                                    "cannot open the folder '%.200s': %s", path, strerror(errno));
}

static enum status sign_at(int folder_fd, const struct trust_secret *secret, const char *comment,
                           struct trust_folder *folder, struct error *error)
{
    char signature[TRUST_SIGNATURE_BYTES];
    char *text = NULL, *before = NULL;
    size_t length = 0;
    TRY(names_list(folder_fd, folder, error));
    TRY(files_read(folder_fd, folder, error));
    enum status status =
        trust_file_read(folder_fd, MANIFEST, TRUST_MANIFEST_BYTES_MAX, &before, &length, error);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        return status;
    }
    folder->serial = (before != NULL ? manifest_serial(before) : 0) + 1;
    free(before);
    text = manifest_write(folder, &length);
    status = trust_sign(secret, text, length, comment, signature, error);
    if (status == STATUS_OK) {
        status = trust_file_write(folder_fd, MANIFEST, text, length, 0644, error);
    }
    if (status == STATUS_OK) {
        status = trust_file_write(folder_fd, SIGNATURE, signature, strlen(signature), 0644, error);
    }
    free(text);
    return status;
}

enum status trust_folder_sign(const char *path, const struct trust_secret *secret,
                              const char *comment, struct trust_folder *ret, struct error *error)
{
    int fd = -1;
    struct trust_folder folder = {0};
    TRY(folder_open(path, &fd, error));
    enum status status = sign_at(fd, secret, comment, &folder, error);
    close(fd);
    if (status == STATUS_OK) {
        *ret = folder;
    } else {
        trust_folder_release(&folder);
    }
    return status;
}

/* The manifest's bytes, once its signature holds. */
static enum status manifest_verified(int folder_fd, const struct trust_public *key, char **ret_text,
                                     size_t *ret_length, struct error *error)
{
    char *signature = NULL;
    size_t signature_length = 0;
    TRY(trust_file_read(folder_fd, MANIFEST, TRUST_MANIFEST_BYTES_MAX, ret_text, ret_length,
                        error));
    enum status status = trust_file_read(folder_fd, SIGNATURE, TRUST_KEY_BYTES_MAX, &signature,
                                         &signature_length, error);
    if (status == STATUS_OK) {
        status = trust_verify(key, *ret_text, *ret_length, signature, signature_length, error);
    }
    free(signature);
    if (status != STATUS_OK) {
        free(*ret_text);
        *ret_text = NULL;
    }
    return status;
}

static bool folder_has(const struct trust_folder *folder, const char *name, size_t length)
{
    for (size_t i = 0; i < folder->count; i++) {
        if (strlen(folder->files[i].name) == length &&
            memcmp(folder->files[i].name, name, length) == 0) {
            return true;
        }
    }
    return false;
}

/* Says what differs between the manifest and what is there, by the first line that is not there. */
static enum status manifest_differs(const char *manifest, const struct trust_folder *folder,
                                    struct error *error)
{
    for (size_t i = 0; i < folder->count; i++) {
        char hex[HEX_BYTES + 1], line[HEX_BYTES + NAME_BYTES_MAX + 8], named[NAME_BYTES_MAX + 8];
        sodium_bin2hex(hex, sizeof(hex), folder->files[i].hash, TRUST_HASH_BYTES);
        snprintf(line, sizeof(line), "\n%s  %s\n", hex, folder->files[i].name);
        snprintf(named, sizeof(named), "  %s\n", folder->files[i].name);
        if (strstr(manifest, line) == NULL) {
            return error_set(error, STATUS_DENIED,
                             strstr(manifest, named) != NULL
                                 ? "the policy file '%.200s' is not what was signed"
                                 : "the policy file '%.200s' is not in the manifest",
                             folder->files[i].name);
        }
    }
    for (const char *line = strchr(manifest, '\n'); line && line[1];
         line = strchr(line + 1, '\n')) {
        const char *name = line + 1 + HEX_BYTES + 2;
        size_t length = strcspn(line + 1, "\n");
        if (length <= HEX_BYTES + 2 || strncmp(name - 2, "  ", 2) != 0) {
            continue; /* a line of the head */
        }
        length -= HEX_BYTES + 2;
        if (!folder_has(folder, name, length)) {
            return error_set(error, STATUS_DENIED,
                             "the policy file '%.*s' of the manifest is missing",
                             (int)(length < NAME_BYTES_MAX ? length : NAME_BYTES_MAX), name);
        }
    }
    return error_set(error, STATUS_DENIED, "the manifest is not that of its policy files");
}

static enum status load_at(int folder_fd, const struct trust_public *key, uint64_t min_serial,
                           struct trust_folder *folder, struct error *error)
{
    char *manifest = NULL, *again = NULL;
    size_t length = 0, again_length = 0;
    TRY(manifest_verified(folder_fd, key, &manifest, &length, error));
    folder->serial = manifest_serial(manifest);
    enum status status = STATUS_OK;
    if (folder->serial == 0) {
        status = error_set(error, STATUS_PROTOCOL, "the manifest has no serial");
    } else if (folder->serial < min_serial) {
        status = error_set(error, STATUS_DENIED,
                           "the manifest's serial %llu is older than %llu, which was loaded",
                           (unsigned long long)folder->serial, (unsigned long long)min_serial);
    }
    if (status == STATUS_OK) {
        status = names_list(folder_fd, folder, error);
    }
    if (status == STATUS_OK) {
        status = files_read(folder_fd, folder, error);
    }
    if (status == STATUS_OK) {
        again = manifest_write(folder, &again_length);
        if (again_length != length || memcmp(again, manifest, length) != 0) {
            status = manifest_differs(manifest, folder, error);
        }
    }
    free(again);
    free(manifest);
    return status;
}

enum status trust_folder_load(const char *path, const struct trust_public *key, uint64_t min_serial,
                              struct trust_folder *ret, struct error *error)
{
    int fd = -1;
    struct trust_folder folder = {0};
    TRY(folder_open(path, &fd, error));
    enum status status = load_at(fd, key, min_serial, &folder, error);
    close(fd);
    if (status == STATUS_OK) {
        *ret = folder;
    } else {
        trust_folder_release(&folder);
    }
    return status;
}

void trust_folder_release(struct trust_folder *folder)
{
    for (size_t i = 0; i < folder->count; i++) {
        free(folder->files[i].name);
        free(folder->files[i].text);
    }
    free(folder->files);
    *folder = (struct trust_folder){0};
}
