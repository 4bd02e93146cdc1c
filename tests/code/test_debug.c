/* What profilers and debuggers are told of linked code is where it lies and where in the policy it
 * comes from. */
#include <elf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/code.h"
#include "lang/check.h"
#include "lang/parser.h"
#include "runtime/code/debug.h"
#include "tests/unit.h"

static const char policy[] = "edition 1\n"
                             "pool pods(pod) = up\n"
                             "metric up ratio by (pod)\n"
                             "metric x count by (pod)\n"
                             "metric y count by (pod)\n"
                             "channel oncall = log\n"
                             "policy high for each pod in pods every 10s {\n"
                             "  about \"x and y\"\n"
                             "  when (x + y) * 2 > 100\n"
                             "    and zscore(x, alpha: 0.05) > 3 for 3m\n"
                             "  escalate to oncall\n"
                             "}\n";

static const char windows[] = "edition 1\n"
                              "pool pods(pod) = up\n"
                              "metric up ratio by (pod)\n"
                              "metric x count by (pod)\n"
                              "channel oncall = log\n"
                              "policy steep for each pod in pods every 10s {\n"
                              "  about \"x grows\"\n"
                              "  when deriv(x[1m]) > 2 * deriv(x[5m]) for 3m\n"
                              "  escalate to oncall\n"
                              "}\n";

/* The kernels of a policy, linked, with their objects. */
static struct slab *slab_of(const char *source)
{
    struct arena arena = {0};
    struct sources sources = {0};
    struct diag_list diags;
    struct error error = {""};
    struct code_object *objects;
    size_t count;
    struct parse_text text = {"team/shop.heal", source, strlen(source)};
    struct slab *slab = slab_new();
    diag_list_init(&diags, &arena, &sources);
    struct program *program = parse_program_texts(&arena, &sources, &text, 1, &diags);
    CHECK(diags.errors == 0 && check_program(program, &diags, &(struct check_options){0}));
    CHECK(code_compile(program, CODE_V2, &objects, &count, &error) == STATUS_OK && count == 1);
    slab_keep(slab);
    CHECK(slab_add(slab, objects[0].bytes, objects[0].size, &error) == STATUS_OK);
    CHECK(slab_link(slab, &error) == STATUS_OK);
    code_objects_free(objects, count);
    sources_release(&sources);
    arena_release(&arena);
    return slab;
}

/* Its only kernel is in lines 9 and 10. */
static struct slab *slab_of_policy(void)
{
    return slab_of(policy);
}

static void name_it(void *ctx, uint64_t hash, char *ret, size_t size)
{
    snprintf(ret, size, "%s%04x\n\x1b", (const char *)ctx, (unsigned)(hash & 0xffff));
}

static char *file_text(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = calloc(1, 65536);
    assert_non_null(file);
    assert_true(fread(text, 1, 65535, file) < 65535);
    fclose(file);
    return text;
}

struct folder {
    char path[64], file[128];
};

static struct folder folder_new(void)
{
    struct folder folder = {.path = "/tmp/heal-debug-XXXXXX"};
    assert_non_null(mkdtemp(folder.path));
    snprintf(folder.file, sizeof folder.file, "%s/perf.map", folder.path);
    return folder;
}

static void a_map_has_each_kernel_at_its_address(void **state)
{
    (void)state;
    struct folder folder = folder_new();
    struct slab *slab = slab_of_policy();
    struct error error = {""};
    char name[] = "high: and @ team/shop.heal:9 ", called[300], want[300];
    int fd, at = 0;
    assert_int_equal(debug_map_open(folder.file, &fd, &error), STATUS_OK);
    for (int round = 0; round < 3; round++) { /* rewritten: no line of the one before is left */
        name[strlen(name) - 1] = '\0';
        char *lines = debug_map_lines(slab, name_it, name);
        assert_int_equal(debug_map_write(fd, lines, &error), STATUS_OK);
        free(lines);
    }
    char *text = file_text(folder.file), *line = text;
    uint64_t before = 0;
    for (size_t i = 0; i < slab_count(slab); i++) {
        uint64_t hash, address, bytes, symbol;
        size_t size, kernel = 0;
        assert_int_equal(sscanf(line, "%" SCNx64 " %" SCNx64 " k_%" SCNx64 " %299[^\n]%n", &address,
                                &bytes, &symbol, called, &at),
                         4);
        while ((uintptr_t)slab_kernel(slab, kernel, &hash, &size) != address) {
            kernel++; /* CHECKs that there is one */
        }
        snprintf(want, sizeof want, "%s%04x??", name, (unsigned)(hash & 0xffff));
        assert_string_equal(called, want);
        assert_true(bytes == size && symbol == hash && address > before);
        before = address;
        line += at + 1;
    }
    assert_true(slab_count(slab) > 0);
    assert_int_equal(*line, '\0');
    free(text);
    assert_int_equal(debug_map_write(fd, "", &error), STATUS_OK);
    text = file_text(folder.file);
    assert_string_equal(text, "");
    free(text);
    close(fd);
    slab_free(slab);
    unlink(folder.file);
    rmdir(folder.path);
}

static void a_map_leaves_no_code_without_a_line(void **state)
{
    (void)state;
    struct slab *slab = slab_of(windows);
    char name[] = "steep ";
    char *lines = debug_map_lines(slab, name_it, name), *line = lines;
    size_t text_size;
    uint64_t address, bytes, end = (uintptr_t)slab_text(slab, &text_size);
    const uint64_t text_end = end + text_size;
    for (; *line; line = strchr(line, '\n') + 1) {
        assert_int_equal(sscanf(line, "%" SCNx64 " %" SCNx64 " ", &address, &bytes), 2);
        assert_true(address >= end && address - end <= LINK_ALIGNMENT_MAX);
        end = address + bytes;
    }
    assert_true(end <= text_end && text_end - end <= LINK_ALIGNMENT_MAX);
    /* Windows are kernels that call, where healc has their functions. */
    assert_int_equal(slab_count(slab) > 2, strstr(lines, " functions of stdlib\n") != NULL);
    free(lines);
    slab_free(slab);
}

static void a_map_replaces_only_a_file_of_its_own_user(void **state)
{
    (void)state;
    struct folder folder = folder_new();
    struct error error = {""};
    struct stat info;
    char victim[128];
    int fd;
    snprintf(victim, sizeof victim, "%s/victim", folder.path);
    FILE *file = fopen(victim, "w");
    assert_non_null(file);
    assert_true(fputs("precious", file) >= 0);
    fclose(file);
    assert_int_equal(symlink(victim, folder.file), 0); /* a link */
    assert_int_equal(debug_map_open(folder.file, &fd, &error), STATUS_DENIED);
    assert_non_null(strstr(error.message, folder.file));
    char *text = file_text(victim);
    assert_string_equal(text, "precious");
    free(text);
    unlink(folder.file);
    assert_int_equal(mkdir(folder.file, 0700), 0); /* a folder */
    assert_int_equal(debug_map_open(folder.file, &fd, &error), STATUS_DENIED);
    rmdir(folder.file);
    /* What an earlier process left, under another name too: that name keeps its content. */
    assert_int_equal(chmod(victim, 0666), 0);
    assert_int_equal(link(victim, folder.file), 0);
    assert_int_equal(debug_map_open(folder.file, &fd, &error), STATUS_OK);
    assert_int_equal(fstat(fd, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(info.st_size, 0);
    text = file_text(victim);
    assert_string_equal(text, "precious");
    free(text);
    close(fd);
    if (geteuid() == 0) { /* another's file */
        assert_int_equal(chown(folder.file, 12345, 12345), 0);
        assert_int_equal(debug_map_open(folder.file, &fd, &error), STATUS_DENIED);
    }
    unlink(folder.file);
    unlink(victim);
    rmdir(folder.path);
}

/* What gdb reads, as its manual says it is laid out. */
struct entry {
    struct entry *next, *prev;
    const uint8_t *bytes;
    uint64_t size;
};
extern struct {
    uint32_t version, action;
    struct entry *relevant, *first;
} __jit_debug_descriptor;

static void objects_are_told_with_their_addresses_until_they_are_forgotten(void **state)
{
    (void)state;
    struct slab *slab = slab_of_policy(), *other = slab_of_policy();
    struct debug_objects *told = debug_objects_tell(slab), *more = debug_objects_tell(other);
    size_t size, text_size;
    const uint8_t *text = slab_text(slab, &text_size);
    Elf64_Ehdr header;
    bool found = false;
    assert_int_equal(__jit_debug_descriptor.version, 1);
    struct entry *last = __jit_debug_descriptor.first, *first = last->next;
    assert_ptr_equal(first->bytes, slab_object(slab, 0, &size));
    assert_int_equal(first->size, size);
    assert_ptr_equal(first->prev, last);
    assert_null(first->next);
    memcpy(&header, first->bytes, sizeof header);
    assert_memory_equal(header.e_ident, ELFMAG, SELFMAG);
    for (size_t i = 0; i < header.e_shnum; i++) {
        Elf64_Shdr s;
        memcpy(&s, first->bytes + header.e_shoff + i * sizeof s, sizeof s);
        bool code = (s.sh_flags & SHF_EXECINSTR) != 0, mapped = (s.sh_flags & SHF_ALLOC) != 0;
        assert_true((s.sh_addr != 0) == mapped);
        if (code) {
            const uint8_t *at = (const uint8_t *)(uintptr_t)s.sh_addr;
            assert_true(at >= text && at + s.sh_size <= text + text_size);
            found = true;
        }
    }
    assert_true(found);
    debug_objects_forget(told);
    assert_ptr_equal(__jit_debug_descriptor.first, last);
    assert_null(last->next);
    debug_objects_forget(more);
    assert_null(__jit_debug_descriptor.first);
    slab_free(slab);
    slab_free(other);
}

static void objects_that_are_not_kept_are_not_told(void **state)
{
    (void)state;
    struct slab *slab = slab_new();
    assert_int_equal(slab_object_count(slab), 0);
    assert_null(debug_objects_tell(slab));
    debug_objects_forget(NULL);
    slab_free(slab);
}

/* In a debugger: a kernel that falls over its columns. */
static int fall(void)
{
    static struct abi_columns columns;
    struct slab *slab = slab_of_policy();
    uint64_t hash;
    size_t size;
    struct debug_objects *told = debug_objects_tell(slab);
    abi_kernel_f *kernel = slab_kernel(slab, 0, &hash, &size);
    int code = kernel(&columns, 0, 64, 0) == 0; /* does not return */
    debug_objects_forget(told);
    slab_free(slab);
    return code;
}

static void gdb_shows_the_line_of_the_policy(void **state)
{
    (void)state;
    char self[512], command[1024], text[16384];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(length > 0);
    self[length] = '\0';
    if (system("gdb --version >/dev/null 2>&1") != 0) {
        print_message("skipped: there is no gdb\n");
        skip();
    }
    snprintf(command, sizeof command,
             "gdb -nx -batch -ex run -ex backtrace -ex 'info line *$pc' --args '%s' fall 2>&1",
             self);
    FILE *gdb = popen(command, "r");
    assert_non_null(gdb);
    size_t got = fread(text, 1, sizeof text - 1, gdb);
    text[got] = '\0';
    pclose(gdb);
    if (strstr(text, "ptrace") || strstr(text, "not being run")) {
        print_message("skipped: gdb cannot run a program here: %s\n", text);
        skip();
    }
    if (!strstr(text, "#0  ") || !strstr(text, " in k_") ||
        !strstr(text, "at team/shop.heal:9\n") || !strstr(text, " of \"team/shop.heal\"") ||
        !strstr(text, " in main (")) {
        fail_msg("gdb says: %s", text);
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "fall") == 0) {
        return fall();
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_has_each_kernel_at_its_address),
        cmocka_unit_test(a_map_leaves_no_code_without_a_line),
        cmocka_unit_test(a_map_replaces_only_a_file_of_its_own_user),
        cmocka_unit_test(objects_are_told_with_their_addresses_until_they_are_forgotten),
        cmocka_unit_test(objects_that_are_not_kept_are_not_told),
        cmocka_unit_test(gdb_shows_the_line_of_the_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
