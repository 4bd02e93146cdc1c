/* Nothing that was not signed by the key is believed, and minisign agrees. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/trust/trust.h"
#include "runtime/trust/trust_file.h"
#include "tests/unit.h"

static char base[] = "/tmp/heal_trust_XXXXXX";
static char key_path[64], public_path[64];
static const char words[] = "policy a {}\n";

static size_t path_read(const char *path, char *ret, size_t size)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t length = fread(ret, 1, size, file);
    fclose(file);
    return length;
}

/* A fresh folder with a key pair. */
static int fresh(void **state)
{
    struct error error;
    char command[256];
    (void)state;
    if (strstr(base, "XXXXXX") != NULL && mkdtemp(base) == NULL) {
        return -1;
    }
    snprintf(key_path, sizeof(key_path), "%s/d.key", base);
    snprintf(public_path, sizeof(public_path), "%s/d.pub", base);
    snprintf(command, sizeof(command), "rm -rf %s/*", base);
    return system(command) == 0 && trust_pair_make(key_path, &error) == STATUS_OK ? 0 : -1;
}

static void sign(char ret[TRUST_SIGNATURE_BYTES])
{
    struct trust_secret secret;
    struct error error;
    assert_int_equal(trust_secret_read(key_path, &secret, &error), STATUS_OK);
    assert_int_equal(trust_sign(&secret, words, strlen(words), "test", ret, &error), STATUS_OK);
    trust_secret_wipe(&secret);
}

static enum status verify(const char *text, const char *signature, struct error *error)
{
    struct trust_public key;
    assert_int_equal(trust_public_read(public_path, &key, error), STATUS_OK);
    return trust_verify(&key, text, strlen(words), signature, strlen(signature), error);
}

static void trust_refuses_every_single_flipped_bit(void **state)
{
    (void)state;
    char signature[TRUST_SIGNATURE_BYTES], text[sizeof(words)];
    struct error error;
    sign(signature);
    memcpy(text, words, sizeof(words));
    assert_int_equal(verify(text, signature, &error), STATUS_OK);
    for (size_t bit = 0; bit < strlen(words) * 8; bit++) {
        text[bit / 8] = (char)(text[bit / 8] ^ (1 << bit % 8));
        assert_int_not_equal(verify(text, signature, &error), STATUS_OK);
        text[bit / 8] = (char)(text[bit / 8] ^ (1 << bit % 8));
    }
    /* The first line of a signature file is the untrusted comment: nobody's promise. */
    size_t length = strlen(signature), from = strcspn(signature, "\n");
    for (size_t bit = from * 8; bit < length * 8; bit++) {
        signature[bit / 8] = (char)(signature[bit / 8] ^ (1 << bit % 8));
        if (verify(words, signature, &error) == STATUS_OK) {
            fail_msg("bit %zu of the signature", bit);
        }
        signature[bit / 8] = (char)(signature[bit / 8] ^ (1 << bit % 8));
    }
}

static void trust_refuses_another_key_and_other_shapes_of_a_signature(void **state)
{
    (void)state;
    char signature[TRUST_SIGNATURE_BYTES], twice[2 * TRUST_SIGNATURE_BYTES];
    struct error error;
    sign(signature);
    snprintf(twice, sizeof(twice), "%s%s", signature, signature);
    assert_int_not_equal(verify(words, twice, &error), STATUS_OK);
    assert_non_null(strstr(error.message, "not one of minisign's"));
    assert_int_not_equal(verify(words, "", &error), STATUS_OK);
    assert_non_null(strstr(error.message, "not one of minisign's"));
    assert_int_equal(fresh(NULL), 0);
    assert_int_equal(verify(words, signature, &error), STATUS_DENIED);
    assert_non_null(strstr(error.message, "another key"));
}

static void trust_reads_only_regular_files_of_a_bounded_size(void **state)
{
    (void)state;
    static const struct {
        const char *command, *expected;
    } rows[] = {{"true", "cannot open"},
                {"ln -s d.pub f", "symbolic link"},
                {"mkdir f", "not a regular file"},
                {"mkfifo f", "not a regular file"},
                {"truncate -s 5M f", "larger than"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char command[256], path[64], *text = NULL;
        size_t length = 0;
        struct error error = {""};
        assert_int_equal(fresh(NULL), 0);
        snprintf(command, sizeof(command), "cd %s && %s", base, rows[i].command);
        snprintf(path, sizeof(path), "%s/f", base);
        assert_int_equal(system(command), 0);
        assert_int_not_equal(trust_file_read(AT_FDCWD, path, 4096, &text, &length, &error),
                             STATUS_OK);
        assert_non_null(strstr(error.message, rows[i].expected));
    }
}

static void trust_and_minisign_agree_both_ways(void **state)
{
    (void)state;
    char command[1200], signature[TRUST_KEY_BYTES_MAX], other[128];
    struct error error;
    struct trust_public key;
    if (system("command -v minisign >/dev/null 2>&1") != 0) {
        print_message("minisign is not installed: skipped\n");
        skip();
    }
    sign(signature);
    snprintf(command, sizeof(command),
             "cd %s && printf 'policy a {}\\n' > a && printf '%%s' '%s' > a.minisig && "
             "minisign -q -V -p d.pub -m a",
             base, signature);
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
        cmocka_unit_test_setup(trust_refuses_every_single_flipped_bit, fresh),
        cmocka_unit_test_setup(trust_refuses_another_key_and_other_shapes_of_a_signature, fresh),
        cmocka_unit_test_setup(trust_reads_only_regular_files_of_a_bounded_size, fresh),
        cmocka_unit_test_setup(trust_and_minisign_agree_both_ways, fresh),
        cmocka_unit_test_setup(trust_keeps_the_secret_key_to_its_owner, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, leave);
}
