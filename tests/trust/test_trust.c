/* Nothing that was not signed by the key is loaded, and minisign agrees. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/trust/trust.h"
#include "tests/unit.h"

static char base[] = "/tmp/heal_trust_XXXXXX";
static char folder_path[64], key_path[64], public_path[64];

static void path_write(const char *path, const void *bytes, size_t length)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    fclose(file);
}

static size_t path_read(const char *path, char *ret, size_t size)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t length = fread(ret, 1, size, file);
    fclose(file);
    return length;
}

static const char *in_folder(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", folder_path, name);
    return path;
}

static enum status sign(struct error *error)
{
    struct trust_secret secret;
    struct trust_folder folder;
    assert_int_equal(trust_secret_read(key_path, &secret, error), STATUS_OK);
    enum status status = trust_folder_sign(folder_path, &secret, "test", &folder, error);
    if (status == STATUS_OK) {
        trust_folder_release(&folder);
    }
    return status;
}

static enum status load(uint64_t min_serial, struct error *error)
{
    struct trust_public key;
    struct trust_folder folder;
    assert_int_equal(trust_public_read(public_path, &key, error), STATUS_OK);
    enum status status = trust_folder_load(folder_path, &key, min_serial, &folder, error);
    if (status == STATUS_OK) {
        trust_folder_release(&folder);
    }
    return status;
}

/* A fresh signed folder with two policies. */
static int fresh(void **state)
{
    struct error error;
    char command[256];
    (void)state;
    if (strstr(base, "XXXXXX") != NULL && mkdtemp(base) == NULL) {
        return -1;
    }
    snprintf(folder_path, sizeof(folder_path), "%s/p", base);
    snprintf(key_path, sizeof(key_path), "%s/d.key", base);
    snprintf(public_path, sizeof(public_path), "%s/d.pub", base);
    snprintf(command, sizeof(command), "rm -rf %s/*; mkdir %s", base, folder_path);
    if (system(command) != 0 || trust_pair_make(key_path, &error) != STATUS_OK) {
        return -1;
    }
    path_write(in_folder("a.heal"), "policy a {}\n", 12);
    path_write(in_folder("b.heal"), "policy b {}\n", 12);
    path_write(in_folder("notes.txt"), "unsigned", 8);
    return sign(&error) == STATUS_OK ? 0 : -1;
}

static void trust_loads_what_was_signed_and_the_serial_grows(void **state)
{
    (void)state;
    struct error error;
    struct trust_public key;
    struct trust_folder folder;
    assert_int_equal(trust_public_read(public_path, &key, &error), STATUS_OK);
    assert_int_equal(trust_folder_load(folder_path, &key, 1, &folder, &error), STATUS_OK);
    assert_int_equal(folder.serial, 1);
    assert_int_equal(folder.count, 2);
    assert_string_equal(folder.files[1].name, "b.heal");
    assert_string_equal(folder.files[1].text, "policy b {}\n");
    trust_folder_release(&folder);
    assert_int_equal(load(2, &error), STATUS_DENIED);
    assert_non_null(strstr(error.message, "older"));
    assert_int_equal(sign(&error), STATUS_OK);
    assert_int_equal(load(2, &error), STATUS_OK);
}

static void trust_refuses_every_single_flipped_bit(void **state)
{
    (void)state;
    static const char *const names[] = {"MANIFEST", "MANIFEST.minisig", "a.heal"};
    for (size_t n = 0; n < ARRAY_LEN(names); n++) {
        char bytes[2048];
        struct error error;
        size_t length = path_read(in_folder(names[n]), bytes, sizeof(bytes));
        /* The first line of a signature file is the untrusted comment: nobody's promise. */
        size_t from = n == 1 ? (size_t)((char *)memchr(bytes, '\n', length) - bytes) : 0;
        for (size_t bit = from * 8; bit < length * 8; bit++) {
            bytes[bit / 8] = (char)(bytes[bit / 8] ^ (1 << bit % 8));
            path_write(in_folder(names[n]), bytes, length);
            if (load(0, &error) == STATUS_OK) {
                fail_msg("bit %zu of %s", bit, names[n]);
            }
            bytes[bit / 8] = (char)(bytes[bit / 8] ^ (1 << bit % 8));
        }
        path_write(in_folder(names[n]), bytes, length);
        assert_int_equal(load(0, &error), STATUS_OK);
    }
}

static void trust_refuses_other_shapes_of_a_folder(void **state)
{
    (void)state;
    static const struct {
        const char *command, *expected;
    } rows[] = {
        {"rm MANIFEST.minisig", "MANIFEST.minisig"},
        {": > MANIFEST.minisig", "not one of minisign's"},
        {"rm MANIFEST", "MANIFEST"},
        {"rm b.heal", "missing"},
        {"echo x > c.heal", "'c.heal' is not in the manifest"},
        {"cp a.heal t; mv b.heal a.heal; mv t b.heal", "'a.heal' is not what was signed"},
        {"mv a.heal t; ln -s t a.heal", "symbolic link"},
        {"rm a.heal; mkdir a.heal", "not a regular file"},
        {"rm a.heal; mkfifo a.heal", "not a regular file"},
        {"truncate -s 5M a.heal", "larger than"},
        {"mv MANIFEST t; ln -s t MANIFEST", "symbolic link"},
        {"cat MANIFEST.minisig MANIFEST.minisig > t; mv t MANIFEST.minisig",
         "not one of minisign's"},
        {"cp ../d.pub k; rm ../d.*; touch ../new", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char command[256];
        struct error error = {""};
        assert_int_equal(fresh(NULL), 0);
        snprintf(command, sizeof(command), "cd %s && { %s; }", folder_path, rows[i].command);
        assert_int_equal(system(command), 0);
        if (rows[i].expected == NULL) { /* another key pair in its place */
            assert_int_equal(trust_pair_make(key_path, &error), STATUS_OK);
        }
        assert_int_not_equal(load(0, &error), STATUS_OK);
        if (strstr(error.message, rows[i].expected ? rows[i].expected : "another key") == NULL) {
            fail_msg("%s: %s", rows[i].command, error.message);
        }
    }
}

static void trust_and_minisign_agree_both_ways(void **state)
{
    (void)state;
    char command[512], signature[TRUST_KEY_BYTES_MAX], other[128];
    struct error error;
    struct trust_public key;
    if (system("command -v minisign >/dev/null 2>&1") != 0) {
        print_message("minisign is not installed: skipped\n");
        skip();
    }
    snprintf(command, sizeof(command), "minisign -q -V -p %s -m %s/MANIFEST", public_path,
             folder_path);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof(command),
             "cd %s && minisign -G -W -p m.pub -s m.key >/dev/null && printf hello > m && "
             "minisign -S -W -s m.key -m m >/dev/null && chmod 600 m.key",
             base);
    assert_int_equal(system(command), 0);
    snprintf(other, sizeof(other), "%s/m.pub", base);
    assert_int_equal(trust_public_read(other, &key, &error), STATUS_OK);
    snprintf(other, sizeof(other), "%s/m.minisig", base);
    size_t length = path_read(other, signature, sizeof(signature));
    assert_int_equal(trust_verify(&key, "hello", 5, signature, length, &error), STATUS_OK);
    assert_int_equal(trust_verify(&key, "hellp", 5, signature, length, &error), STATUS_DENIED);
    struct trust_secret secret;
    snprintf(other, sizeof(other), "%s/m.key", base);
    assert_int_equal(trust_secret_read(other, &secret, &error), STATUS_OK);
}

static void trust_keeps_the_secret_key_to_its_owner(void **state)
{
    (void)state;
    struct stat info;
    struct error error;
    struct trust_secret secret;
    assert_int_equal(stat(key_path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(chmod(key_path, 0640), 0);
    assert_int_equal(trust_secret_read(key_path, &secret, &error), STATUS_DENIED);
    assert_int_equal(trust_pair_make(key_path, &error), STATUS_DENIED);
}

static int leave(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", base);
    return system(command) == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(trust_loads_what_was_signed_and_the_serial_grows, fresh),
        cmocka_unit_test_setup(trust_refuses_every_single_flipped_bit, fresh),
        cmocka_unit_test_setup(trust_refuses_other_shapes_of_a_folder, fresh),
        cmocka_unit_test_setup(trust_and_minisign_agree_both_ways, fresh),
        cmocka_unit_test_setup(trust_keeps_the_secret_key_to_its_owner, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, leave);
}
