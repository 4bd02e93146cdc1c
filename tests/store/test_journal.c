/* The journal: durable, whole or nothing, and never a different history than the one written. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/store/journal.h"
#include "tests/unit.h"

static char folder[64];
static char path[128];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/heal-journal-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/j.db", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    umount(folder); /* if a test that mounts one failed */
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static uint64_t seed = 1;
static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * 0x2545f4914f6cdd1dULL;
}

static void random_text(char *ret, size_t size)
{
    size_t length = next_random() % 4 == 0 ? size - 1 : next_random() % size;
    for (size_t i = 0; i < length; i++) {
        ret[i] = (char)(1 + next_random() % 255);
    }
    memset(ret + length, 0, size - length);
}

static struct record random_record(void)
{
    struct record r = {.time = {(int64_t)next_random()},
                       .kind = (enum record_kind)(next_random() % RECORD_KINDS),
                       .incident = next_random() % 5,
                       .action_id = next_random(),
                       .epoch = (uint32_t)next_random(),
                       .rung = (uint32_t)next_random(),
                       .program_hash = next_random()};
    random_text(r.policy, sizeof r.policy);
    random_text(r.target, sizeof r.target);
    random_text(r.action, sizeof r.action);
    random_text(r.type, sizeof r.type);
    random_text(r.text, sizeof r.text);
    return r;
}

static struct journal *must_open(void)
{
    struct journal *journal = NULL;
    struct error error = {{0}};
    if (journal_open(path, &journal, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    return journal;
}

static void must_append(struct journal *journal, struct record *records, size_t count)
{
    struct error error = {{0}};
    if (journal_append(journal, records, count, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
}

struct expected {
    const struct record *records;
    size_t count, seen;
    uint64_t incident;
    bool same;
};

static bool compare(void *context, const struct record *record)
{
    struct expected *e = context;
    while (e->incident && e->seen < e->count && e->records[e->seen].incident != e->incident) {
        e->seen++;
    }
    e->same =
        e->same && e->seen < e->count && memcmp(&e->records[e->seen], record, sizeof *record) == 0;
    e->seen++;
    return true;
}

static void random_records_come_back_as_they_were_also_after_reopening(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    struct record *records = calloc(COUNT, sizeof *records);
    for (size_t i = 0; i < COUNT; i++) {
        records[i] = random_record();
    }
    struct journal *journal = must_open();
    for (size_t i = 0; i < COUNT; i += 3) {
        must_append(journal, records + i, 3);
        assert_int_equal(records[i + 2].sequence, i + 3);
        if (i == 150) {
            journal_close(journal);
            journal = must_open();
        }
    }
    for (uint64_t incident = 0; incident < 5; incident++) {
        struct expected e = {records, COUNT, 0, incident, true};
        assert_int_equal(journal_scan(journal, 1, incident, compare, &e, NULL), STATUS_OK);
        assert_true(e.same);
        assert_true(incident || e.seen == COUNT);
    }
    struct expected tail = {records + 200, 100, 0, 0, true};
    assert_int_equal(journal_scan(journal, 201, 0, compare, &tail, NULL), STATUS_OK);
    assert_true(tail.same && tail.seen == 100);
    journal_close(journal);
    free(records);
}

static void a_second_heald_is_refused_by_name(void **state)
{
    (void)state;
    struct journal *first = must_open(), *second = NULL;
    struct error error = {{0}};
    assert_int_equal(journal_open(path, &second, &error), STATUS_DENIED);
    assert_non_null(strstr(error.message, "another heald"));
    journal_close(first);
    second = must_open();
    journal_close(second);
}

static void rows_can_be_neither_changed_nor_deleted(void **state)
{
    (void)state;
    struct journal *journal = must_open();
    struct record record = random_record();
    must_append(journal, &record, 1);
    journal_close(journal);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_not_equal(sqlite3_exec(db, "UPDATE journal SET epoch=1", 0, 0, 0), SQLITE_OK);
    assert_int_not_equal(sqlite3_exec(db, "DELETE FROM journal", 0, 0, 0), SQLITE_OK);
    /* Whoever drops the trigger first is still found by the schema and by the chain. */
    assert_int_equal(sqlite3_exec(db, "DROP TRIGGER journal_no_update", 0, 0, 0), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE journal SET epoch=epoch-1", 0, 0, 0), SQLITE_OK);
    sqlite3_close(db);
    struct error error = {{0}};
    assert_int_equal(journal_open(path, &journal, &error), STATUS_PROTOCOL);
}

struct file {
    uint8_t *bytes;
    size_t size;
};

static struct file read_all(const char *name)
{
    struct file ret = {NULL, 0};
    FILE *f = fopen(name, "rb");
    if (f) {
        ret.bytes = malloc(1 << 20);
        ret.size = fread(ret.bytes, 1, 1 << 20, f);
        fclose(f);
    }
    return ret;
}

static void write_all(const char *name, const struct file *file)
{
    FILE *f = fopen(name, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(file->bytes, 1, file->size, f), file->size);
    fclose(f);
}

static char *name_of(const char *suffix)
{
    static char name[160];
    snprintf(name, sizeof name, "%s%s", path, suffix);
    return name;
}

/* Flips bits of one of the files and asserts: refused, or the same history. Returns the refusals.
 */
static size_t flip(const char *victim, size_t stride, const struct record *records, size_t count)
{
    static const char *const suffixes[] = {"", "-wal", ".head"};
    struct file files[3];
    size_t refused = 0;
    struct file *target = NULL;
    for (int i = 0; i < 3; i++) {
        files[i] = read_all(name_of(suffixes[i]));
        if (strcmp(suffixes[i], victim) == 0) {
            target = &files[i];
        }
    }
    assert_true(target && target->size > 0);
    for (size_t at = 0; at < target->size; at += stride) {
        uint8_t bit = (uint8_t)(1u << next_random() % 8);
        target->bytes[at] ^= bit;
        for (int i = 0; i < 3; i++) {
            if (files[i].bytes) {
                write_all(name_of(suffixes[i]), &files[i]);
            } else {
                unlink(name_of(suffixes[i]));
            }
        }
        target->bytes[at] ^= bit;
        struct journal *journal = NULL;
        struct error error = {{0}};
        enum status status = journal_open(path, &journal, &error);
        if (status != STATUS_OK) {
            assert_true(error.message[0]);
            refused++;
            continue;
        }
        struct expected e = {records, count, 0, 0, true};
        enum status scanned = journal_scan(journal, 1, 0, compare, &e, &error);
        if (scanned != STATUS_OK || !e.same || e.seen != count) {
            fail_msg("flip at %zu of '%s': %s, %zu of %zu records", at, victim, error.message,
                     e.seen, count);
        }
        journal_close(journal);
    }
    for (int i = 0; i < 3; i++) {
        if (files[i].bytes) {
            write_all(name_of(suffixes[i]), &files[i]);
        }
        free(files[i].bytes);
    }
    return refused;
}

enum { FLIP_RECORDS = 12 };

static void a_flipped_bit_is_refused_or_changes_nothing(void **state)
{
    (void)state;
    struct record records[FLIP_RECORDS];
    struct journal *journal = must_open();
    for (int i = 0; i < FLIP_RECORDS; i++) {
        records[i] = random_record();
        must_append(journal, &records[i], 1);
    }
    journal_close(journal);
    size_t in_table = flip("", 13, records, FLIP_RECORDS);
    size_t in_note = flip(".head", 1, records, FLIP_RECORDS);
    assert_true(in_table > 200);
    assert_int_equal(in_note, 64);
    print_message("flips refused: %zu in the table, %zu in the note\n", in_table, in_note);
}

static void a_flipped_bit_in_the_log_loses_nothing_unseen(void **state)
{
    (void)state;
    struct record *records = mmap(NULL, sizeof *records * FLIP_RECORDS, PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct journal *journal = must_open();
        for (int i = 0; i < FLIP_RECORDS; i++) {
            records[i] = random_record();
            must_append(journal, &records[i], 1);
        }
        kill(getpid(), SIGKILL);
    }
    int wait_status;
    waitpid(pid, &wait_status, 0);
    assert_true(WIFSIGNALED(wait_status));
    size_t refused = flip("-wal", 211, records, FLIP_RECORDS);
    print_message("flips refused: %zu in the log\n", refused);
    assert_true(refused > 50);
    munmap(records, sizeof *records * FLIP_RECORDS);
}

struct shared {
    volatile uint64_t acknowledged;
    volatile uint64_t hash;
};

static bool count_visit(void *context, const struct record *record)
{
    uint64_t *seen = context;
    *seen = record->sequence;
    return true;
}

static _Noreturn void append_until_killed(struct shared *shared)
{
    struct journal *journal = NULL;
    if (journal_open(path, &journal, NULL) != STATUS_OK) {
        _exit(3);
    }
    for (;;) {
        struct record batch[3] = {random_record(), random_record(), random_record()};
        if (journal_append(journal, batch, 3, NULL) != STATUS_OK) {
            _exit(4);
        }
        shared->acknowledged = batch[2].sequence;
    }
}

static void a_kill_at_any_moment_loses_no_acknowledged_record(void **state)
{
    (void)state;
    struct shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int round = 0; round < 60; round++) {
        seed = (uint64_t)round + 77;
        pid_t pid = fork();
        if (pid == 0) {
            append_until_killed(shared);
        }
        usleep((useconds_t)(next_random() % 30000));
        kill(pid, SIGKILL);
        int wait_status;
        waitpid(pid, &wait_status, 0);
        assert_true(WIFSIGNALED(wait_status));
        struct journal *journal = must_open();
        assert_true(journal_last(journal) >= shared->acknowledged);
        assert_int_equal(journal_last(journal) % 3, 0);
        uint64_t seen = 0;
        assert_int_equal(journal_scan(journal, 1, 0, count_visit, &seen, NULL), STATUS_OK);
        assert_int_equal(seen, journal_last(journal));
        journal_close(journal);
    }
    print_message("60 kills, %" PRIu64 " records acknowledged\n", shared->acknowledged);
    assert_true(shared->acknowledged > 0);
    munmap(shared, sizeof *shared);
}

static void die_at(void *context, enum point point)
{
    if (point == *(enum point *)context) {
        kill(getpid(), SIGKILL);
    }
}

static void a_kill_at_each_point_keeps_all_or_none_of_the_append(void **state)
{
    (void)state;
    uint64_t before = 0;
    for (enum point point = POINT_JOURNAL_BEGIN; point <= POINT_JOURNAL_NOTED; point++) {
        pid_t pid = fork();
        if (pid == 0) {
            struct journal *journal = must_open();
            struct record batch[2] = {random_record(), random_record()};
            journal_set_point(journal, die_at, &point);
            must_append(journal, batch, 2);
            _exit(5);
        }
        int wait_status;
        waitpid(pid, &wait_status, 0);
        assert_true(WIFSIGNALED(wait_status));
        struct journal *journal = must_open();
        uint64_t durable = point >= POINT_JOURNAL_COMMITTED ? 2 : 0;
        assert_int_equal(journal_last(journal), before + durable);
        before = journal_last(journal);
        journal_close(journal);
    }
}

static void a_full_disk_is_an_error_and_leaves_nothing_half_written(void **state)
{
    (void)state;
    struct journal *journal = must_open();
    struct record record = random_record();
    must_append(journal, &record, 1);
    struct rlimit old, small = {0, 0};
    getrlimit(RLIMIT_FSIZE, &old);
    struct stat wal;
    assert_int_equal(stat(name_of("-wal"), &wal), 0);
    small = (struct rlimit){(rlim_t)wal.st_size + 9000, old.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    uint64_t last = 1;
    struct error error = {{0}};
    bool refused = false;
    for (int i = 0; i < 50 && !refused; i++) {
        struct record batch[4] = {random_record(), random_record(), random_record(),
                                  random_record()};
        enum status status = journal_append(journal, batch, 4, &error);
        refused = status != STATUS_OK;
        assert_true(!refused || status == STATUS_IO);
        last = refused ? last : batch[3].sequence;
    }
    setrlimit(RLIMIT_FSIZE, &old);
    assert_true(refused);
    assert_int_equal(journal_last(journal), last);
    /* With room again it goes on, or says that it must be opened again; never a hole. */
    enum status again = journal_append(journal, &record, 1, &error);
    if (again == STATUS_OK) {
        assert_int_equal(record.sequence, last + 1);
        last++;
    }
    journal_close(journal);
    journal = must_open();
    assert_int_equal(journal_last(journal), last);
    journal_close(journal);
}

static void a_disk_without_room_refuses_and_goes_on_once_there_is_room(void **state)
{
    (void)state;
    if (mount("none", folder, "tmpfs", 0, "size=400k") != 0) {
        print_message("skipped: needs the right to mount a small file system\n");
        skip();
    }
    struct journal *journal = must_open();
    struct record record = random_record();
    must_append(journal, &record, 1);
    char filler[100];
    snprintf(filler, sizeof filler, "%s/filler", folder);
    int fd = open(filler, O_CREAT | O_WRONLY, 0600);
    static const char zeros[4096];
    while (write(fd, zeros, sizeof zeros) > 0) {
    }
    close(fd);
    struct record batch[JOURNAL_APPEND_MAX / 64];
    for (size_t i = 0; i < ARRAY_LEN(batch); i++) {
        batch[i] = random_record();
    }
    struct error error = {{0}};
    assert_int_equal(journal_append(journal, batch, ARRAY_LEN(batch), &error), STATUS_IO);
    assert_non_null(strstr(error.message, "full"));
    assert_int_equal(journal_last(journal), 1);
    assert_int_equal(batch[0].sequence, 0);
    unlink(filler);
    must_append(journal, batch, ARRAY_LEN(batch));
    uint64_t seen = 0;
    assert_int_equal(journal_scan(journal, 1, 0, count_visit, &seen, NULL), STATUS_OK);
    assert_int_equal(seen, 1 + ARRAY_LEN(batch));
    journal_close(journal);
    journal = must_open();
    assert_int_equal(journal_last(journal), 1 + ARRAY_LEN(batch));
    journal_close(journal);
    umount(folder);
}

static void a_repair_keeps_the_good_prefix_and_the_damaged_file(void **state)
{
    (void)state;
    enum { COUNT = 60 };
    struct record records[COUNT];
    struct journal *journal = must_open();
    for (int i = 0; i < COUNT; i++) {
        records[i] = random_record();
    }
    snprintf(records[40].text, sizeof records[40].text, "the needle of forty");
    must_append(journal, records, COUNT);
    journal_close(journal);
    struct journal_repair repair;
    assert_int_equal(journal_repair(path, (struct instant){5}, &repair, NULL), STATUS_OK);
    assert_false(repair.damaged);
    struct file file = read_all(path);
    uint8_t *needle = memmem(file.bytes, file.size, "needle of forty", 15);
    assert_non_null(needle);
    *needle ^= 1;
    write_all(path, &file);
    assert_int_equal(journal_open(path, &journal, NULL), STATUS_PROTOCOL);
    struct error error = {{0}};
    if (journal_repair(path, (struct instant){6}, &repair, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    assert_true(repair.damaged && repair.kept == 40 && repair.noted == COUNT);
    struct file aside = read_all(repair.aside);
    assert_int_equal(aside.size, file.size);
    assert_memory_equal(aside.bytes, file.bytes, file.size);
    free(aside.bytes);
    free(file.bytes);
    journal = must_open();
    assert_int_equal(journal_last(journal), repair.kept + 1);
    struct expected e = {records, (size_t)repair.kept, 0, 0, true};
    records[repair.kept] = (struct record){0};
    assert_int_equal(journal_scan(journal, 1, 0, compare, &e, NULL), STATUS_OK);
    assert_int_equal(e.seen, repair.kept + 1); /* the last one tells of the repair */
    journal_close(journal);
}

static void an_older_copy_or_a_lost_file_is_refused(void **state)
{
    (void)state;
    struct journal *journal = must_open();
    struct record record = random_record();
    must_append(journal, &record, 1);
    journal_close(journal);
    struct file old = read_all(path);
    journal = must_open();
    must_append(journal, &record, 1);
    journal_close(journal);
    write_all(path, &old);
    free(old.bytes);
    struct error error = {{0}};
    assert_int_equal(journal_open(path, &journal, &error), STATUS_PROTOCOL);
    assert_non_null(strstr(error.message, "its end is lost"));
    unlink(path);
    assert_int_equal(journal_open(path, &journal, &error), STATUS_PROTOCOL);
    assert_non_null(strstr(error.message, "is gone"));
}

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void an_append_costs_little(void **state)
{
    (void)state;
    enum { COMMITS = 300 };
    struct journal *journal = must_open();
    double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < COMMITS; i++) {
        struct record record = {.kind = RECORD_INTENT, .action_id = (uint64_t)i};
        snprintf(record.text, sizeof record.text, "memory of worker reaches its limit within 2m");
        must_append(journal, &record, 1);
    }
    wall = (seconds(CLOCK_MONOTONIC) - wall) / (double)COMMITS;
    cpu = (seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) / (double)COMMITS;
    print_message("append: %.0f us wall, %.0f us CPU per commit\n", wall * 1e6, cpu * 1e6);
    journal_close(journal);
    assert_true(cpu < 0.01);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        T(random_records_come_back_as_they_were_also_after_reopening),
        T(a_second_heald_is_refused_by_name),
        T(rows_can_be_neither_changed_nor_deleted),
        T(a_flipped_bit_is_refused_or_changes_nothing),
        T(a_flipped_bit_in_the_log_loses_nothing_unseen),
        T(a_kill_at_any_moment_loses_no_acknowledged_record),
        T(a_kill_at_each_point_keeps_all_or_none_of_the_append),
        T(a_full_disk_is_an_error_and_leaves_nothing_half_written),
        T(a_disk_without_room_refuses_and_goes_on_once_there_is_room),
        T(a_repair_keeps_the_good_prefix_and_the_damaged_file),
        T(an_older_copy_or_a_lost_file_is_refused),
        T(an_append_costs_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
