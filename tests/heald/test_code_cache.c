/* The folder of machine code: whole files of this user's alone, and only so many. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/heald/code_cache.h"
#include "tests/unit.h"

static char state_path[] = "/tmp/heal_code_XXXXXX";
static char folder[64];

static int setup(void **state)
{
    (void)state;
    if (strstr(state_path, "XXXXXX") != NULL && mkdtemp(state_path) == NULL) {
        return -1;
    }
    snprintf(folder, sizeof(folder), "%s/code", state_path);
    return 0;
}

static int clear(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s/* %s/*.d", state_path, state_path);
    return system(command);
}

static int leave(void **state)
{
    return clear(state) == 0 && rmdir(state_path) == 0 ? 0 : -1;
}

static uint8_t *key_of(uint8_t first)
{
    static uint8_t key[CODE_KEY_BYTES];
    key[0] = first;
    return key;
}

static enum status write_one(uint8_t first, struct error *error)
{
    return code_cache_write(state_path, key_of(first), &first, 1, error);
}

static enum status read_one(uint8_t first, struct error *error)
{
    uint8_t *bytes = NULL;
    size_t length = 0;
    enum status status = code_cache_read(state_path, key_of(first), &bytes, &length, error);
    if (status == STATUS_OK) {
        assert_int_equal(length, 1);
        assert_int_equal(bytes[0], first);
    }
    free(bytes);
    return status;
}

/* The path of the file of a key. */
static const char *path_of(uint8_t first)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%02x%062d.code", folder, first, 0);
    return path;
}

static void cache_keeps_what_was_written_for_its_user_alone(void **state)
{
    (void)state;
    struct error error;
    struct stat info;
    assert_int_equal(read_one(1, &error), STATUS_NOT_FOUND);
    assert_int_equal(write_one(1, &error), STATUS_OK);
    assert_int_equal(read_one(1, &error), STATUS_OK);
    assert_int_equal(read_one(2, &error), STATUS_NOT_FOUND);
    assert_int_equal(stat(folder, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_int_equal(stat(path_of(1), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    code_cache_drop(state_path, key_of(1));
    assert_int_equal(read_one(1, &error), STATUS_NOT_FOUND);
}

static void cache_believes_no_folder_or_file_that_others_can_touch(void **state)
{
    (void)state;
    struct error error;
    assert_int_equal(write_one(1, &error), STATUS_OK);
    assert_int_equal(chmod(path_of(1), 0620), 0);
    assert_int_equal(read_one(1, &error), STATUS_DENIED);
    assert_int_equal(chmod(path_of(1), 0600), 0);
    assert_int_equal(chmod(folder, 0770), 0);
    assert_int_equal(read_one(1, &error), STATUS_DENIED);
    assert_int_equal(write_one(2, &error), STATUS_DENIED);
    assert_non_null(strstr(error.message, "remove it"));
    assert_int_equal(chmod(folder, 0700), 0);
    assert_int_equal(read_one(1, &error), STATUS_OK);
    if (geteuid() == 0) {
        assert_int_equal(chown(path_of(1), 12345, (gid_t)-1), 0);
        assert_int_equal(read_one(1, &error), STATUS_DENIED);
        assert_int_equal(chown(folder, 12345, (gid_t)-1), 0);
        assert_int_equal(write_one(2, &error), STATUS_DENIED);
    }
}

static void cache_follows_no_link(void **state)
{
    (void)state;
    char command[700];
    struct error error;
    assert_int_equal(write_one(1, &error), STATUS_OK);
    snprintf(command, sizeof(command), "cd %s && mv code code.d && ln -s code.d code", state_path);
    assert_int_equal(system(command), 0);
    assert_int_not_equal(read_one(1, &error), STATUS_OK);
    assert_int_not_equal(write_one(1, &error), STATUS_OK);
    snprintf(command, sizeof(command), "cd %s && rm code && mv code.d code", state_path);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof(command), "mv %s %s/x && ln -s x %s", path_of(1), folder, path_of(1));
    assert_int_equal(system(command), 0);
    assert_int_not_equal(read_one(1, &error), STATUS_OK);
}

static size_t files(void)
{
    size_t count = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        count += entry->d_name[0] != '.';
    }
    closedir(dir);
    return count;
}

static void age(uint8_t first, time_t seconds)
{
    const struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
    assert_int_equal(utimensat(AT_FDCWD, path_of(first), times, 0), 0);
}

static void cache_lets_the_least_recently_used_go(void **state)
{
    (void)state;
    struct error error;
    for (uint8_t i = 0; i < CODE_CACHE_FILES_MAX; i++) {
        assert_int_equal(write_one(i, &error), STATUS_OK);
        age(i, 1000 + i);
    }
    assert_int_equal(read_one(0, &error), STATUS_OK); /* used: now 1 is the oldest */
    assert_int_equal(write_one(100, &error), STATUS_OK);
    assert_int_equal(files(), CODE_CACHE_FILES_MAX);
    assert_int_equal(read_one(1, &error), STATUS_NOT_FOUND);
    assert_int_equal(read_one(0, &error), STATUS_OK);
    assert_int_equal(read_one(2, &error), STATUS_OK);
    assert_int_equal(read_one(100, &error), STATUS_OK);
}

static void cache_clears_halves_of_files_away(void **state)
{
    (void)state;
    struct error error;
    char path[300];
    assert_int_equal(write_one(1, &error), STATUS_OK);
    snprintf(path, sizeof(path), "%s.new", path_of(2));
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(write_one(3, &error), STATUS_OK);
    assert_int_equal(files(), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(cache_keeps_what_was_written_for_its_user_alone, clear),
        cmocka_unit_test_setup(cache_believes_no_folder_or_file_that_others_can_touch, clear),
        cmocka_unit_test_setup(cache_follows_no_link, clear),
        cmocka_unit_test_setup(cache_lets_the_least_recently_used_go, clear),
        cmocka_unit_test_setup(cache_clears_halves_of_files_away, clear),
    };
    return cmocka_run_group_tests(tests, setup, leave);
}
