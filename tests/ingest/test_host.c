/* The host's metrics on made trees, hostile ones too, and on the real one. */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/ingest/exposition.h"
#include "runtime/ingest/host.h"
#include "tests/unit.h"

static char tree[64];

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *place)
{
    (void)st;
    (void)kind;
    (void)place;
    return remove(path);
}

static int make_tree(void **state)
{
    (void)state;
    snprintf(tree, sizeof tree, "%s", "/tmp/heal-host-XXXXXX");
    return mkdtemp(tree) ? 0 : -1;
}

static int drop_tree(void **state)
{
    (void)state;
    return nftw(tree, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Makes the file and the folders above it. */
static void put(const char *name, const char *bytes, size_t size)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", tree, name);
    for (char *slash = path + strlen(tree) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        (void)mkdir(path, 0755);
        *slash = '/';
    }
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static void put_text(const char *name, const char *text)
{
    put(name, text, strlen(text));
}

struct rig {
    int fd;
    struct feed_writer *writer;
    struct host *host;
    struct text text;
};

static void rig_open(struct rig *rig, bool made, const struct process_selector *selectors,
                     size_t count)
{
    struct error error = {""};
    char proc[100], sys[100];
    snprintf(proc, sizeof proc, "%s/proc", tree);
    snprintf(sys, sizeof sys, "%s/sys", tree);
    struct host_options options = {.source = 1,
                                   .instance = "me",
                                   .interval = {NS_PER_S},
                                   .proc = made ? proc : NULL,
                                   .sys = made ? sys : NULL,
                                   .root = made ? tree : NULL,
                                   .selectors = selectors,
                                   .selector_count = count};
    rig->fd = feed_create(1 << 22, &error);
    assert_int_equal(feed_writer_new(rig->fd, -1, &rig->writer, &error), STATUS_OK);
    assert_int_equal(host_new(rig->writer, &options, &rig->host, &error), STATUS_OK);
    text_init(&rig->text, HOST_TEXT_BYTES_MAX);
}

static void rig_close(struct rig *rig)
{
    host_free(rig->host);
    feed_writer_free(rig->writer);
    text_release(&rig->text);
    close(rig->fd);
}

/* Collects, checks that the text is a good exposition, and ends it with a zero byte. */
static size_t collect(struct rig *rig)
{
    static struct exposition_item item;
    struct exposition e;
    struct error error = {""};
    size_t samples = 0;
    host_collect(rig->host, &rig->text);
    exposition_init(&e, EXPOSITION_TEXT, rig->text.bytes ? rig->text.bytes : "", rig->text.size,
                    NULL);
    do {
        if (exposition_next(&e, &item, &error) != STATUS_OK) {
            fail_msg("%s", error.message);
        }
        samples += item.kind == EXPOSITION_SAMPLE;
    } while (item.kind != EXPOSITION_END);
    text_add(&rig->text, "", 1);
    return samples;
}

static void has(const struct rig *rig, const char *line)
{
    if (strstr(rig->text.bytes, line) == NULL) {
        fail_msg("no line %s in\n%s", line, rig->text.bytes);
    }
}

static void a_made_tree_gives_its_numbers(void **state)
{
    (void)state;
    struct rig rig;
    char pidfile[100];
    snprintf(pidfile, sizeof pidfile, "%s/app.pid", tree);
    const struct process_selector selectors[] = {
        {.name = "by-pid", .pidfile = pidfile},
        {.name = "by-line", .cmdline = "java -jar evil"},
        {.name = "gone", .exe = "/no/such"},
    };
    put_text("proc/stat", "cpu  300 0 0 0\ncpu0 100 200 300 400 500 600 700 800 0 0\n"
                          "intr 1\nbtime 1700000000\n");
    put_text("proc/loadavg", "0.25 0.50 1.75 1/100 1\n");
    put_text("proc/meminfo", "MemTotal:  1000 kB\nActive(anon):  2 kB\nHugePages_Total:   3\n");
    put_text("proc/pressure/cpu", "some avg10=0.00 total=1500000\n");
    put_text("proc/pressure/memory", "some avg10=0.00 total=1\nfull avg10=0.00 total=2000000\n");
    put_text("proc/diskstats",
             "8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n7 0 loop0 1 2 3 4 5 6 7 8 9 10 11\n");
    put_text("proc/net/dev",
             "Inter-| x\n face |bytes\n  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n");
    put_text("proc/self/mounts",
             "/dev/a / ext4 rw 0 0\nproc /proc proc rw 0 0\n"
             "/dev/b /with\\040blank\\134\"q xfs ro 0 0\nnfs:/x / nfs4 rw 0 0\n");
    put_text("with blank\\\"q/x", "");
    put_text("app.pid", "42\n");
    put_text("proc/42/stat",
             "42 (a) R )\" (x) S 1 1 1 0 -1 0 0 0 0 0 150 50 0 0 20 0 1 0 500 9999 7 0\n");
    put_text("proc/42/fd/0", "");
    put_text("proc/42/fd/1", "");
    put("proc/43/cmdline", "java\0-jar\0evil\"\n\0", 16);
    put_text("proc/43/stat", "43 (java) S 1 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 100 9999 5 0\n");
    put("proc/44/cmdline", "java\0-jar\0evil\0", 15);
    put_text("proc/44/stat", "44 (java) Z 1 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 100 9999 5 0\n");
    put_text("sys/fs/cgroup/cgroup.controllers", "cpu memory\n");
    put_text("sys/fs/cgroup/a.slice/b\"c/memory.current", "4096\n");
    put_text("sys/fs/cgroup/a.slice/b\"c/memory.max", "max\n");
    put_text("sys/fs/cgroup/a.slice/b\"c/cpu.stat", "usage_usec 2500000\nuser_usec 1\n");
    rig_open(&rig, true, selectors, 3);
    collect(&rig);
    has(&rig, "node_cpu_seconds_total{cpu=\"0\",mode=\"steal\"} 8\n");
    has(&rig, "node_boot_time_seconds 1700000000\n");
    has(&rig, "node_load15 1.75\n");
    has(&rig, "node_memory_MemTotal_bytes 1024000\n");
    has(&rig, "node_memory_Active_anon_bytes 2048\n");
    has(&rig, "node_memory_HugePages_Total 3\n");
    has(&rig, "node_pressure_cpu_waiting_seconds_total 1.5\n");
    has(&rig, "node_pressure_memory_stalled_seconds_total 2\n");
    has(&rig, "node_disk_read_bytes_total{device=\"sda\"} 1536\n");
    has(&rig, "node_network_transmit_bytes_total{device=\"eth0\"} 9\n");
    has(&rig, "node_filesystem_size_bytes{device=\"/dev/a\",fstype=\"ext4\",mountpoint=\"/\"} ");
    has(&rig, "fstype=\"xfs\",mountpoint=\"/with blank\\\\\\\"q\"} ");
    has(&rig, "heal_process_up{process=\"by-pid\"} 1\n");
    has(&rig, "heal_process_cpu_seconds_total{process=\"by-pid\"} 2\n");
    has(&rig, "heal_process_open_fds{process=\"by-pid\"} 2\n");
    has(&rig, "heal_process_start_time_seconds{process=\"by-pid\"} 1700000005\n");
    has(&rig, "heal_process_up{process=\"by-line\"} 1\n");
    has(&rig, "heal_process_up{process=\"gone\"} 0\n");
    has(&rig, "heal_cgroup_memory_bytes{cgroup=\"/a.slice/b\\\"c\"} 4096\n");
    has(&rig, "heal_cgroup_memory_limit_bytes{cgroup=\"/a.slice/b\\\"c\"} +Inf\n");
    has(&rig, "heal_cgroup_cpu_seconds_total{cgroup=\"/a.slice/b\\\"c\"} 2.5\n");
    assert_null(strstr(rig.text.bytes, "loop0"));
    assert_null(strstr(rig.text.bytes, "nfs"));
    assert_null(strstr(rig.text.bytes, "resident_memory_bytes{process=\"gone\"}"));
    rig_close(&rig);
}

static void cgroups_of_version_1_are_read(void **state)
{
    (void)state;
    struct rig rig;
    put_text("sys/fs/cgroup/memory/app/memory.usage_in_bytes", "5\n");
    put_text("sys/fs/cgroup/memory/app/memory.limit_in_bytes", "9223372036854771712\n");
    put_text("sys/fs/cgroup/cpuacct/app/cpuacct.usage", "3000000000\n");
    rig_open(&rig, true, NULL, 0);
    assert_int_equal(collect(&rig), 3);
    has(&rig, "heal_cgroup_memory_bytes{cgroup=\"/app\"} 5\n");
    has(&rig, "heal_cgroup_memory_limit_bytes{cgroup=\"/app\"} +Inf\n");
    has(&rig, "heal_cgroup_cpu_seconds_total{cgroup=\"/app\"} 3\n");
    rig_close(&rig);
}

static void an_empty_tree_gives_nothing(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, true, NULL, 0);
    assert_int_equal(collect(&rig), 0);
    rig_close(&rig);
}

static void damaged_files_never_give_a_bad_exposition(void **state)
{
    (void)state;
    static const char *const files[] = {"proc/stat",        "proc/meminfo",
                                        "proc/diskstats",   "proc/net/dev",
                                        "proc/loadavg",     "proc/42/stat",
                                        "proc/self/mounts", "proc/42/cmdline",
                                        "proc/pressure/io", "sys/fs/cgroup/x/cpu.stat"};
    static const char alphabet[] = "cpu0 btime:()\\\"\n\t1239-.eE\xff\xc3 kB/some total=ext4 sda";
    const struct process_selector selector = {.name = "a\"\n\\", .cmdline = "c"};
    uint64_t seed = 7;
    struct rig rig;
    put_text("sys/fs/cgroup/cgroup.controllers", "");
    rig_open(&rig, true, &selector, 1);
    for (int i = 0; i < 300; i++) {
        for (size_t f = 0; f < ARRAY_LEN(files); f++) {
            char bytes[400];
            for (size_t b = 0; b < sizeof bytes; b++) {
                seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
                bytes[b] = alphabet[(seed >> 33) % (sizeof alphabet)];
            }
            put(files[f], bytes, sizeof bytes);
        }
        (void)collect(&rig);
    }
    rig_close(&rig);
}

static void the_real_host_is_read_and_taken(void **state)
{
    (void)state;
    struct rig rig;
    char exe[400];
    ssize_t size = readlink("/proc/self/exe", exe, sizeof exe - 1);
    assert_true(size > 0);
    exe[size] = '\0';
    const struct process_selector selector = {.name = "me", .exe = exe};
    rig_open(&rig, false, &selector, 1);
    assert_in_range(collect(&rig), 50, 50000);
    has(&rig, "heal_process_up{process=\"me\"} 1\n");
    has(&rig, "heal_process_open_fds{process=\"me\"} ");
    (void)host_step(rig.host, (struct instant){1700000000 * NS_PER_S});
    assert_int_equal(host_stats(rig.host)->failures, 0);
    assert_in_range(host_stats(rig.host)->series, 50, 50000);
    rig_close(&rig);
}

static void selectors_that_are_ambiguous_are_refused(void **state)
{
    (void)state;
    struct error error = {""};
    struct feed_writer *writer;
    struct host *host;
    int fd = feed_create(1 << 20, &error);
    assert_int_equal(feed_writer_new(fd, -1, &writer, &error), STATUS_OK);
    const struct process_selector rows[][2] = {
        {{.name = "a"}, {.name = "b", .exe = "x"}},
        {{.name = "a", .exe = "x", .cmdline = "y"}, {.name = "b", .exe = "x"}},
        {{.name = "a", .cmdline = ""}, {.name = "b", .exe = "x"}},
        {{.name = "a", .exe = "x"}, {.name = "a", .exe = "y"}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct host_options options = {
            .interval = {NS_PER_S}, .selectors = rows[i], .selector_count = 2};
        assert_int_not_equal(host_new(writer, &options, &host, &error), STATUS_OK);
    }
    feed_writer_free(writer);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_made_tree_gives_its_numbers, make_tree, drop_tree),
        cmocka_unit_test_setup_teardown(cgroups_of_version_1_are_read, make_tree, drop_tree),
        cmocka_unit_test_setup_teardown(an_empty_tree_gives_nothing, make_tree, drop_tree),
        cmocka_unit_test_setup_teardown(damaged_files_never_give_a_bad_exposition, make_tree,
                                        drop_tree),
        cmocka_unit_test(the_real_host_is_read_and_taken),
        cmocka_unit_test(selectors_that_are_ambiguous_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
