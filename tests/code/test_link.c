/* The linker takes what the compiler makes and refuses what it does not know. */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compiler/code.h"
#include "runtime/code/link.h"
#include "runtime/engine/eval.h"
#include "tests/engine/tree.h"
#include "tests/unit.h"

#ifndef PR_SET_MDWE
#    define PR_SET_MDWE              65
#    define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

/* One object with a z-score comparison and an arithmetic chain with constants. placed: each
 * operator stands in a line of its own, every other one in a file of its own. */
static struct code_object *object_placed(size_t *ret_count, bool placed)
{
    struct arena arena = {0};
    struct error error = {""};
    struct store *store = store_new(NULL);
    struct eval *eval = eval_new(store);
    struct expr *z = tree_binary(&arena, tree_zscore(&arena, tree_select(&arena, "x"), 0.05), ">",
                                 tree_number(&arena, 3));
    struct expr *chain = tree_binary(
        &arena, tree_binary(&arena, tree_select(&arena, "y"), "*", tree_number(&arena, 0.37)), "+",
        tree_number(&arena, 11.5));
    assert_non_null(eval_add(eval, z, duration_seconds(1), &error));
    assert_non_null(eval_add(eval, chain, duration_seconds(1), &error));
    struct abi_plan *plan = eval_plan(eval);
    struct code_object *objects;
    for (size_t i = 0; i < plan->node_count && placed; i++) {
        plan->nodes[i].path = i % 2 ? "team/shop.heal" : "house.heal";
        plan->nodes[i].line = (uint32_t)(100 + i);
    }
    assert_int_equal(code_compile_plan(plan, &(struct code_options){.cpu = CODE_V2}, &objects,
                                       ret_count, &error),
                     STATUS_OK);
    assert_int_equal(*ret_count, 1);
    assert_int_equal(objects[0].hash_count, 2);
    abi_plan_free(plan);
    eval_free(eval);
    store_free(store);
    arena_release(&arena);
    return objects;
}

/* As the compiler makes them: with line tables. */
static struct code_object *object_new(size_t *ret_count)
{
    return object_placed(ret_count, true);
}

/* The chain of object_new() on one block: 64 values y, present where even. */
static bool run_chain(const struct slab *slab)
{
    double y[64], own[64];
    uint64_t present = 0x5555555555555555ULL, unknown = 0, out[2] = {0, 1};
    const struct abi_columns columns = {{y, &present, &unknown, own, &out[0], &out[1]}};
    bool good = false;
    for (size_t i = 0; i < 64; i++) {
        y[i] = (double)i;
    }
    for (size_t i = 0; i < slab_count(slab); i++) {
        uint64_t hash;
        size_t size;
        abi_kernel_f *kernel = slab_kernel(slab, i, &hash, &size);
        if (slab_find(slab, hash) != kernel || slab_find(slab, hash + 1)) {
            return false;
        }
        if (size < 300) { /* the chain is the short one */
            good = kernel(&columns, 0, 64, 0) != 0 && out[0] == present && out[1] == 0;
            for (size_t j = 0; j < 64 && good; j++) {
                good = own[j] == y[j] * 0.37 + 11.5;
            }
        }
    }
    return good;
}

static enum status try_link(const uint8_t *bytes, size_t size, bool *ret_ran, struct error *error)
{
    struct slab *slab = slab_new();
    enum status status = slab_add(slab, bytes, size, error);
    status = status == STATUS_OK ? slab_link(slab, error) : status;
    if (status == STATUS_OK && ret_ran) {
        *ret_ran = run_chain(slab);
    }
    slab_free(slab);
    return status;
}

static void an_object_links_and_its_kernels_run(void **state)
{
    (void)state;
    size_t count;
    bool ran = false;
    struct error error;
    struct code_object *objects = object_new(&count);
    assert_int_equal(try_link(objects[0].bytes, objects[0].size, &ran, &error), STATUS_OK);
    assert_true(ran);
    code_objects_free(objects, count);
}

static Elf64_Shdr section(const uint8_t *bytes, uint32_t type, size_t skip, size_t *ret_at)
{
    Elf64_Ehdr header;
    Elf64_Shdr found = {0};
    memcpy(&header, bytes, sizeof header);
    for (size_t i = 0; i < header.e_shnum; i++) {
        size_t at = header.e_shoff + i * sizeof found;
        memcpy(&found, bytes + at, sizeof found);
        if (found.sh_type == type && skip-- == 0) {
            *ret_at = at;
            return found;
        }
    }
    fail_msg("no section of type %u", type);
    return found;
}

/* A section by its name, and where its header stands. */
static Elf64_Shdr section_named(const uint8_t *bytes, const char *name, size_t *ret_at)
{
    Elf64_Ehdr header;
    Elf64_Shdr names, found;
    memcpy(&header, bytes, sizeof header);
    memcpy(&names, bytes + header.e_shoff + header.e_shstrndx * sizeof names, sizeof names);
    for (size_t i = 1; i < header.e_shnum; i++) {
        *ret_at = header.e_shoff + i * sizeof found;
        memcpy(&found, bytes + *ret_at, sizeof found);
        if (strcmp((const char *)bytes + names.sh_offset + found.sh_name, name) == 0) {
            return found;
        }
    }
    fail_msg("no section '%s'", name);
    return names;
}

/* What a flip that was let through has hit: bytes of code, constants or debug information, a
 * relocation, a symbol or how the sections lie; never the header. */
static char region(const uint8_t *bytes, size_t at)
{
    Elf64_Ehdr header;
    memcpy(&header, bytes, sizeof header);
    if (at < sizeof header) {
        return 'h';
    }
    for (size_t i = 1; i < header.e_shnum; i++) {
        Elf64_Shdr s;
        memcpy(&s, bytes + header.e_shoff + i * sizeof s, sizeof s);
        if (at >= s.sh_offset && at < s.sh_offset + s.sh_size) {
            return s.sh_type == SHT_PROGBITS ? 'c'
                   : s.sh_type == SHT_RELA   ? 'r'
                   : s.sh_type == SHT_SYMTAB ? 's'
                                             : 'n';
        }
    }
    return at >= header.e_shoff ? 't' : 'p';
}

static void every_flipped_bit_is_refused_or_harmless_to_the_linker(void **state)
{
    (void)state;
    size_t count, refused = 0, taken[128] = {0};
    struct error error;
    struct code_object *objects = object_new(&count);
    const size_t size = objects[0].size;
    uint8_t *bytes = malloc(size); /* exactly, so that a sanitizer sees the byte behind */
    for (size_t bit = 0; bit < size * 8; bit++) {
        memcpy(bytes, objects[0].bytes, size);
        bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        if (try_link(bytes, size, NULL, &error) == STATUS_OK) {
            taken[(size_t)region(objects[0].bytes, bit / 8)]++;
        } else {
            assert_true(error.message[0]);
            refused++;
        }
    }
    print_message("%zu flips: %zu refused; taken: code %zu, relocations %zu, symbols %zu, "
                  "names %zu, table %zu, padding %zu, header %zu\n",
                  size * 8, refused, taken['c'], taken['r'], taken['s'], taken['n'], taken['t'],
                  taken['p'], taken['h']);
    assert_int_equal(taken['h'], 0);
    assert_true(refused > size);
    free(bytes);
    code_objects_free(objects, count);
}

static void a_truncated_object_is_refused(void **state)
{
    (void)state;
    size_t count;
    struct error error;
    struct code_object *objects = object_new(&count);
    for (size_t size = 0; size < objects[0].size; size++) {
        uint8_t *bytes = malloc(size + 1);
        memcpy(bytes, objects[0].bytes, size);
        assert_int_not_equal(try_link(bytes, size, NULL, &error), STATUS_OK);
        free(bytes);
    }
    code_objects_free(objects, count);
}

static void refused_with(const uint8_t *bytes, size_t size, const char *words)
{
    struct error error = {""};
    assert_int_not_equal(try_link(bytes, size, NULL, &error), STATUS_OK);
    if (!strstr(error.message, words)) {
        fail_msg("'%s' does not say '%s'", error.message, words);
    }
}

static void other_relocations_sections_and_symbols_are_refused_by_name(void **state)
{
    (void)state;
    size_t count, at;
    struct code_object *objects = object_new(&count);
    const size_t size = objects[0].size;
    uint8_t *bytes = malloc(size);
#define FRESH() memcpy(bytes, objects[0].bytes, size)
    Elf64_Shdr rela = section(objects[0].bytes, SHT_RELA, 0, &at);
    Elf64_Rela entry;
    FRESH();
    memcpy(&entry, bytes + rela.sh_offset, sizeof entry);
    entry.r_info = ELF64_R_INFO(ELF64_R_SYM(entry.r_info), R_X86_64_GOTPCREL);
    memcpy(bytes + rela.sh_offset, &entry, sizeof entry);
    refused_with(bytes, size, "relocation of type 9");
    FRESH();
    memcpy(&entry, bytes + rela.sh_offset, sizeof entry);
    entry.r_offset = UINT64_MAX - 2;
    memcpy(bytes + rela.sh_offset, &entry, sizeof entry);
    refused_with(bytes, size, "outside of its section");
    FRESH();
    Elf64_Shdr text = section(bytes, SHT_PROGBITS, 0, &at);
    text.sh_flags |= SHF_WRITE;
    memcpy(bytes + at, &text, sizeof text);
    refused_with(bytes, size, "is not known");
    FRESH();
    text = section(bytes, SHT_PROGBITS, 0, &at);
    text.sh_offset = UINT64_MAX - 8;
    memcpy(bytes + at, &text, sizeof text);
    refused_with(bytes, size, "no bytes inside");
    FRESH();
    Elf64_Shdr symbols = section(bytes, SHT_SYMTAB, 0, &at);
    Elf64_Sym last;
    size_t last_at = symbols.sh_offset + symbols.sh_size - sizeof last;
    memcpy(&last, bytes + last_at, sizeof last);
    last.st_shndx = SHN_UNDEF;
    memcpy(bytes + last_at, &last, sizeof last);
    refused_with(bytes, size, "not a function inside");
    FRESH();
    memcpy(&last, bytes + last_at, sizeof last);
    Elf64_Shdr strings;
    Elf64_Ehdr header;
    memcpy(&header, bytes, sizeof header);
    memcpy(&strings, bytes + header.e_shoff + symbols.sh_link * sizeof strings, sizeof strings);
    bytes[strings.sh_offset + last.st_name] = 's';
    refused_with(bytes, size, "is not the name of a kernel");
#undef FRESH
    free(bytes);
    code_objects_free(objects, count);
}

static void debug_information_changes_no_byte_of_code(void **state)
{
    (void)state;
    size_t counts[2], text_size[2], at;
    const uint8_t *text[2];
    struct slab *slabs[2];
    struct code_object *objects[2];
    struct error error;
    for (int placed = 0; placed < 2; placed++) {
        objects[placed] = object_placed(&counts[placed], placed);
        slabs[placed] = slab_new();
        assert_int_equal(
            slab_add(slabs[placed], objects[placed][0].bytes, objects[placed][0].size, &error),
            STATUS_OK);
        assert_int_equal(slab_link(slabs[placed], &error), STATUS_OK);
        text[placed] = slab_text(slabs[placed], &text_size[placed]);
    }
    (void)section_named(objects[1][0].bytes, ".debug_line", &at);
    assert_true(objects[1][0].size > objects[0][0].size);
    assert_int_equal(slab_bytes(slabs[0]), slab_bytes(slabs[1]));
    assert_int_equal(text_size[0], text_size[1]);
    assert_memory_equal(text[0], text[1], text_size[0]);
    for (int placed = 0; placed < 2; placed++) {
        slab_free(slabs[placed]);
        code_objects_free(objects[placed], counts[placed]);
    }
}

/* The last symbol of a section; 0 when there is none. */
static size_t symbol_of(const uint8_t *bytes, size_t section_index)
{
    size_t at, found = 0;
    const Elf64_Shdr table = section(bytes, SHT_SYMTAB, 0, &at);
    for (size_t i = 1; i < table.sh_size / sizeof(Elf64_Sym); i++) {
        Elf64_Sym symbol;
        memcpy(&symbol, bytes + table.sh_offset + i * sizeof symbol, sizeof symbol);
        found = symbol.st_shndx == section_index ? i : found;
    }
    return found;
}

static void sections_beside_the_known_ones_are_refused(void **state)
{
    (void)state;
    size_t count, at, line_at;
    struct code_object *objects = object_new(&count);
    const size_t size = objects[0].size;
    uint8_t *bytes = malloc(size);
    Elf64_Ehdr header;
    Elf64_Shdr names, line = section_named(objects[0].bytes, ".debug_line", &line_at);
    memcpy(&header, objects[0].bytes, sizeof header);
    memcpy(&names, objects[0].bytes + header.e_shoff + header.e_shstrndx * sizeof names,
           sizeof names);
#define FRESH() memcpy(bytes, objects[0].bytes, size)
    FRESH(); /* an unknown name */
    bytes[names.sh_offset + line.sh_name + strlen(".debug_")] = 'L';
    refused_with(bytes, size, "a section '.debug_Line' is not known");
    FRESH(); /* a known one that would be mapped, or run */
    line.sh_flags = SHF_ALLOC;
    memcpy(bytes + line_at, &line, sizeof line);
    refused_with(bytes, size, "a section '.debug_line' is not known");
    line.sh_flags = SHF_EXECINSTR;
    memcpy(bytes + line_at, &line, sizeof line);
    refused_with(bytes, size, "a section '.debug_line' is not known");
    FRESH(); /* code that would read it */
    Elf64_Shdr rela = section_named(bytes, ".rela.text", &at);
    Elf64_Rela entry;
    size_t symbol = symbol_of(bytes, (line_at - header.e_shoff) / sizeof line);
    assert_true(symbol > 0);
    memcpy(&entry, bytes + rela.sh_offset, sizeof entry);
    entry.r_info = ELF64_R_INFO(symbol, R_X86_64_PC32);
    entry.r_addend = 0;
    memcpy(bytes + rela.sh_offset, &entry, sizeof entry);
    refused_with(bytes, size, "against something outside");
    FRESH(); /* relocations of a section that is neither */
    rela = section_named(bytes, ".rela.debug_line", &at);
    rela.sh_info = header.e_shstrndx;
    memcpy(bytes + at, &rela, sizeof rela);
    refused_with(bytes, size, "relocations are malformed");
#undef FRESH
    free(bytes);
    code_objects_free(objects, count);
}

static void the_same_kernel_twice_is_refused(void **state)
{
    (void)state;
    size_t count;
    struct error error;
    struct code_object *objects = object_new(&count);
    struct slab *slab = slab_new();
    assert_int_equal(slab_add(slab, objects[0].bytes, objects[0].size, &error), STATUS_OK);
    assert_int_equal(slab_add(slab, objects[0].bytes, objects[0].size, &error), STATUS_OK);
    assert_int_equal(slab_link(slab, &error), STATUS_PROTOCOL);
    assert_non_null(strstr(error.message, "two kernels"));
    slab_free(slab);
    code_objects_free(objects, count);
}

/* Lines of /proc/self/maps; fails where one is writable and executable. */
static size_t maps(void)
{
    char line[512];
    size_t count = 0;
    FILE *file = fopen("/proc/self/maps", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        assert_null(strstr(line, " rwx"));
        count++;
    }
    fclose(file);
    return count;
}

static void thousands_of_reloads_leave_nothing_behind(void **state)
{
    (void)state;
    size_t count, before = 0;
    struct error error;
    struct code_object *objects = object_new(&count);
    for (int i = 0; i < 3000; i++) {
        bool ran = false;
        assert_int_equal(try_link(objects[0].bytes, objects[0].size, &ran, &error), STATUS_OK);
        assert_true(ran);
        if (i == 10) {
            before = maps();
        }
    }
    assert_true(maps() <= before + 2);
    code_objects_free(objects, count);
}

/* Under memory-deny-write-execute; a kernel without it (before 6.3) skips. */
static void code_is_mapped_where_memory_may_never_gain_execution(void **state)
{
    (void)state;
    size_t count;
    int status;
    struct code_object *objects = object_new(&count);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        bool ran = false;
        if (prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) != 0) {
            _exit(77);
        }
        enum status linked = try_link(objects[0].bytes, objects[0].size, &ran, NULL);
        _exit(linked == STATUS_OK && ran ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    code_objects_free(objects, count);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        print_message("skipped: this kernel has no PR_SET_MDWE\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_links_and_its_kernels_run),
        cmocka_unit_test(every_flipped_bit_is_refused_or_harmless_to_the_linker),
        cmocka_unit_test(a_truncated_object_is_refused),
        cmocka_unit_test(other_relocations_sections_and_symbols_are_refused_by_name),
        cmocka_unit_test(debug_information_changes_no_byte_of_code),
        cmocka_unit_test(sections_beside_the_known_ones_are_refused),
        cmocka_unit_test(the_same_kernel_twice_is_refused),
        cmocka_unit_test(thousands_of_reloads_leave_nothing_behind),
        cmocka_unit_test(code_is_mapped_where_memory_may_never_gain_execution),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
