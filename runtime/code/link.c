/* See link.h. Every number of the object is checked where it is read; what was checked is kept in
 * own structures, so nothing is read twice. */
#include "runtime/code/link.h"

#include <elf.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MFD_EXEC
#    define MFD_EXEC 0x0010U
#endif

enum { HASH_DIGITS = 16, AREA_TEXT = 0, AREA_RODATA = 1, AREAS = 2 };
#define SECTION_NONE  UINT32_MAX
#define SECTION_DEBUG (UINT32_MAX - 1) /* passed over, and its relocations with it */

struct section {       /* one that is kept */
    size_t from, size; /* in the object */
    size_t offset;     /* in its area */
    int area;
    uint32_t index; /* of its header */
};
struct relocation {
    uint32_t section, target; /* kept sections of the object */
    uint32_t type;
    size_t offset; /* in section */
    int64_t addend;
};
struct object {
    uint8_t *bytes;
    size_t size;
    struct section sections[LINK_SECTIONS_MAX];
    uint32_t section_count;
    struct relocation *relocations;
    size_t relocation_count, relocation_capacity;
};
struct kernel {
    uint64_t hash;
    size_t offset, size; /* in the text area */
};
struct slab {
    struct object *objects;
    size_t object_count, object_capacity;
    struct kernel *kernels;
    size_t kernel_count, kernel_capacity;
    size_t area_bytes[AREAS];
    size_t text_mapped, mapped; /* bytes; rodata stands behind text */
    uint8_t *memory;
    bool keep; /* the objects, after they are linked */
};

/* ---- reading ---- */

struct reading {
    const uint8_t *bytes;
    size_t size;
    Elf64_Ehdr header;
    Elf64_Shdr sections[LINK_SECTIONS_MAX];
    uint32_t kept[LINK_SECTIONS_MAX]; /* index in the object, SECTION_NONE or SECTION_DEBUG */
    uint32_t symtab, strtab;          /* 0: none */
    Elf64_Sym *symbols;
    size_t symbol_count;
    struct slab *slab;
    struct object *object;
    struct error *error;
};

static enum status refuse(const struct reading *r, const char *reason)
{
    return error_set(r->error, STATUS_PROTOCOL, "object refused: %s", reason);
}

static bool within(const struct reading *r, uint64_t offset, uint64_t size)
{
    return offset <= r->size && size <= r->size - offset;
}

static enum status read_header(struct reading *r)
{
    Elf64_Ehdr *h = &r->header;
    static const uint8_t ident[EI_NIDENT] = {ELFMAG0,    ELFMAG1,     ELFMAG2,   ELFMAG3,
                                             ELFCLASS64, ELFDATA2LSB, EV_CURRENT};
    if (r->size > LINK_OBJECT_BYTES_MAX) {
        return refuse(r, "it is larger than the limit");
    }
    if (r->size < sizeof *h) {
        return refuse(r, "it is shorter than an ELF header");
    }
    memcpy(h, r->bytes, sizeof *h);
    if (memcmp(h->e_ident, ident, sizeof ident) != 0) {
        return refuse(r, "it is not ELF64, little endian");
    }
    if (h->e_type != ET_REL || h->e_machine != EM_X86_64 || h->e_version != EV_CURRENT) {
        return refuse(r, "it is not a relocatable object for x86-64");
    }
    if (h->e_ehsize != sizeof *h || h->e_shentsize != sizeof(Elf64_Shdr) || h->e_entry != 0 ||
        h->e_phoff != 0 || h->e_phnum != 0 || h->e_phentsize != 0 || h->e_flags != 0) {
        return refuse(r, "its header has fields that objects do not have");
    }
    if (h->e_shnum == 0 || h->e_shnum > LINK_SECTIONS_MAX || h->e_shstrndx >= h->e_shnum) {
        return refuse(r, "its number of sections is out of range");
    }
    if (!within(r, h->e_shoff, (uint64_t)h->e_shnum * sizeof(Elf64_Shdr))) {
        return refuse(r, "its section table is outside of it");
    }
    memcpy(r->sections, r->bytes + h->e_shoff, h->e_shnum * sizeof(Elf64_Shdr));
    return STATUS_OK;
}

/* A text of a string table, or NULL when it does not end inside. */
static const char *string_at(const struct reading *r, uint32_t table, uint64_t offset)
{
    const Elf64_Shdr *s = &r->sections[table];
    if (offset >= s->sh_size ||
        !memchr(r->bytes + s->sh_offset + offset, 0, (size_t)(s->sh_size - offset))) {
        return NULL;
    }
    return (const char *)r->bytes + s->sh_offset + offset;
}

static enum status keep_section(struct reading *r, uint32_t index, int area)
{
    const Elf64_Shdr *s = &r->sections[index];
    uint64_t align = s->sh_addralign ? s->sh_addralign : 1;
    if ((align & (align - 1)) != 0 || align > LINK_ALIGNMENT_MAX) {
        return refuse(r, "a section's alignment is not a power of two up to 64");
    }
    size_t start = (r->slab->area_bytes[area] + align - 1) & ~(size_t)(align - 1);
    if (s->sh_size > LINK_SLAB_BYTES_MAX / 2 - start) {
        return error_set(r->error, STATUS_LIMIT, "objects refused: more than %d bytes of code",
                         LINK_SLAB_BYTES_MAX / 2);
    }
    r->kept[index] = r->object->section_count;
    r->object->sections[r->object->section_count++] = (struct section){.from = (size_t)s->sh_offset,
                                                                       .size = (size_t)s->sh_size,
                                                                       .offset = start,
                                                                       .area = area,
                                                                       .index = index};
    r->slab->area_bytes[area] = start + (size_t)s->sh_size;
    return STATUS_OK;
}

/* What debuggers read. It is not mapped, so nothing in it can matter to the code. */
static bool is_debug(const Elf64_Shdr *s, const char *name)
{
    static const char *const names[] = {".debug_abbrev", ".debug_frame", ".debug_info",
                                        ".debug_line", ".debug_str"};
    bool known = false;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        known = known || strcmp(names[i], name) == 0;
    }
    return known && (s->sh_flags & ~(uint64_t)(SHF_MERGE | SHF_STRINGS)) == 0;
}

static enum status read_progbits(struct reading *r, uint32_t index)
{
    const Elf64_Shdr *s = &r->sections[index];
    const char *name = string_at(r, r->header.e_shstrndx, s->sh_name);
    const uint64_t constant = SHF_ALLOC | SHF_MERGE | SHF_STRINGS;
    if (s->sh_link != 0 || s->sh_info != 0) {
        return refuse(r, "a section of code or constants links to another");
    }
    if (strcmp(name, ".text") == 0 && s->sh_flags == (SHF_ALLOC | SHF_EXECINSTR)) {
        return keep_section(r, index, AREA_TEXT);
    }
    if (strncmp(name, ".rodata", 7) == 0 && (s->sh_flags & ~constant) == 0 &&
        (s->sh_flags & SHF_ALLOC)) {
        return keep_section(r, index, AREA_RODATA);
    }
    if (is_debug(s, name)) {
        r->kept[index] = SECTION_DEBUG;
        return STATUS_OK;
    }
    if (strcmp(name, ".note.GNU-stack") == 0 && s->sh_flags == 0 && s->sh_size == 0) {
        return STATUS_OK;
    }
    return error_set(r->error, STATUS_PROTOCOL, "object refused: a section '%.40s' is not known",
                     name);
}

static enum status read_section(struct reading *r, uint32_t index)
{
    const Elf64_Shdr *s = &r->sections[index];
    r->kept[index] = SECTION_NONE;
    if (index == 0) {
        static const Elf64_Shdr zero;
        return memcmp(s, &zero, sizeof zero) == 0 ? STATUS_OK
                                                  : refuse(r, "its section 0 is not empty");
    }
    if (s->sh_type == SHT_NOBITS || !within(r, s->sh_offset, s->sh_size)) {
        return refuse(r, "a section has no bytes inside of it");
    }
    if (s->sh_addr != 0 || !string_at(r, r->header.e_shstrndx, s->sh_name)) {
        return refuse(r, "a section has an address, or no name");
    }
    switch (s->sh_type) {
    case SHT_PROGBITS: return read_progbits(r, index);
    case SHT_STRTAB: return s->sh_flags == 0 ? STATUS_OK : refuse(r, "a string table has flags");
    case SHT_SYMTAB:
        if (r->symtab || s->sh_flags != 0 || s->sh_entsize != sizeof(Elf64_Sym) ||
            s->sh_size % sizeof(Elf64_Sym) != 0 || s->sh_link >= r->header.e_shnum ||
            r->sections[s->sh_link].sh_type != SHT_STRTAB) {
            return refuse(r, "its symbol table is malformed");
        }
        r->symtab = index;
        r->strtab = s->sh_link;
        return STATUS_OK;
    case SHT_RELA: return STATUS_OK; /* when all sections are known */
    default: return refuse(r, "a section is of a kind that kernels do not have");
    }
}

static enum status read_sections(struct reading *r)
{
    const Elf64_Shdr *names = &r->sections[r->header.e_shstrndx];
    if (names->sh_type != SHT_STRTAB || !within(r, names->sh_offset, names->sh_size)) {
        return refuse(r, "it has no section names");
    }
    for (uint32_t i = 0; i < r->header.e_shnum; i++) {
        TRY(read_section(r, i));
    }
    return r->symtab ? STATUS_OK : refuse(r, "it has no symbols");
}

/* The kept section that an index of the object means; SECTION_NONE where it is another. */
static uint32_t kept_of(const struct reading *r, uint32_t index)
{
    uint32_t kept = index < r->header.e_shnum ? r->kept[index] : SECTION_NONE;
    return kept == SECTION_DEBUG ? SECTION_NONE : kept;
}

/* ---- symbols ---- */

static bool kernel_name(const char *name, uint64_t *ret)
{
    uint64_t hash = 0;
    if (strncmp(name, "k_", 2) != 0 || strlen(name) != 2 + HASH_DIGITS) {
        return false;
    }
    for (const char *c = name + 2; *c; c++) {
        const char *digits = "0123456789abcdef", *at = strchr(digits, *c);
        if (!at) {
            return false;
        }
        hash = hash << 4 | (uint64_t)(at - digits);
    }
    *ret = hash;
    return true;
}

static enum status read_kernel(struct reading *r, const Elf64_Sym *symbol, const char *name)
{
    uint64_t hash;
    uint32_t kept = kept_of(r, symbol->st_shndx);
    const struct section *section = kept == SECTION_NONE ? NULL : &r->object->sections[kept];
    if (!kernel_name(name, &hash)) {
        return error_set(r->error, STATUS_PROTOCOL,
                         "object refused: the symbol '%.40s' is not the name of a kernel", name);
    }
    if (!section || section->area != AREA_TEXT || ELF64_ST_TYPE(symbol->st_info) != STT_FUNC ||
        symbol->st_other != STV_DEFAULT || symbol->st_value >= section->size ||
        symbol->st_size == 0 || symbol->st_size > section->size - symbol->st_value) {
        return refuse(r, "a kernel is not a function inside its code");
    }
    if (r->slab->kernel_count == LINK_KERNELS_MAX) {
        return error_set(r->error, STATUS_LIMIT, "objects refused: more than %d kernels",
                         LINK_KERNELS_MAX);
    }
    ARRAY_RESERVE(r->slab->kernels, r->slab->kernel_count, r->slab->kernel_capacity);
    r->slab->kernels[r->slab->kernel_count++] =
        (struct kernel){hash, section->offset + (size_t)symbol->st_value, (size_t)symbol->st_size};
    return STATUS_OK;
}

static enum status read_symbols(struct reading *r)
{
    const Elf64_Shdr *table = &r->sections[r->symtab];
    r->symbol_count = (size_t)table->sh_size / sizeof(Elf64_Sym);
    r->symbols = heap_alloc((size_t)table->sh_size + 1);
    memcpy(r->symbols, r->bytes + table->sh_offset, (size_t)table->sh_size);
    for (size_t i = 0; i < r->symbol_count; i++) {
        const Elf64_Sym *symbol = &r->symbols[i];
        const char *name = string_at(r, r->strtab, symbol->st_name);
        int bind = ELF64_ST_BIND(symbol->st_info), type = ELF64_ST_TYPE(symbol->st_info);
        if (!name) {
            return refuse(r, "a symbol has no name");
        }
        if (i == 0) {
            continue; /* the null symbol; a relocation against it is refused */
        }
        if (bind == STB_GLOBAL) {
            TRY(read_kernel(r, symbol, name));
        } else if (bind != STB_LOCAL || symbol->st_shndx == SHN_UNDEF ||
                   (type != STT_SECTION && type != STT_FILE && type != STT_NOTYPE)) {
            return refuse(r, "a symbol is of a kind that kernels do not have");
        }
    }
    return STATUS_OK;
}

/* ---- relocations ---- */

static size_t relocation_width(uint32_t type)
{
    switch (type) {
    case R_X86_64_PC32:
    case R_X86_64_PLT32: return 4;
    case R_X86_64_64: return 8;
    default: return 0;
    }
}

static enum status read_relocation(struct reading *r, uint32_t kept, const Elf64_Rela *rela)
{
    const struct section *section = &r->object->sections[kept];
    uint32_t type = (uint32_t)ELF64_R_TYPE(rela->r_info);
    uint64_t at = ELF64_R_SYM(rela->r_info);
    size_t width = relocation_width(type);
    if (width == 0) {
        return error_set(r->error, STATUS_PROTOCOL,
                         "object refused: a relocation of type %u is not PC32, PLT32 or 64", type);
    }
    if (rela->r_offset > section->size || width > section->size - rela->r_offset) {
        return refuse(r, "a relocation is outside of its section");
    }
    if (at == 0 || at >= r->symbol_count) {
        return refuse(r, "a relocation is against no symbol");
    }
    const Elf64_Sym *symbol = &r->symbols[at];
    uint32_t target = kept_of(r, symbol->st_shndx);
    if (target == SECTION_NONE || symbol->st_value > r->object->sections[target].size) {
        return refuse(r, "a relocation is against something outside of the object");
    }
    if (rela->r_addend > LINK_OBJECT_BYTES_MAX || rela->r_addend < -LINK_OBJECT_BYTES_MAX) {
        return refuse(r, "the addend of a relocation is out of range");
    }
    struct object *object = r->object;
    ARRAY_RESERVE(object->relocations, object->relocation_count, object->relocation_capacity);
    object->relocations[object->relocation_count++] =
        (struct relocation){.section = kept,
                            .target = target,
                            .type = type,
                            .offset = (size_t)rela->r_offset,
                            .addend = rela->r_addend + (int64_t)symbol->st_value};
    return STATUS_OK;
}

static enum status read_relocations(struct reading *r, uint32_t index)
{
    const Elf64_Shdr *s = &r->sections[index];
    uint32_t kept = kept_of(r, s->sh_info);
    bool debug = s->sh_info < r->header.e_shnum && r->kept[s->sh_info] == SECTION_DEBUG;
    if ((kept == SECTION_NONE && !debug) || s->sh_link != r->symtab ||
        s->sh_entsize != sizeof(Elf64_Rela) || s->sh_size % sizeof(Elf64_Rela) != 0 ||
        (s->sh_flags & ~(uint64_t)SHF_INFO_LINK) != 0) {
        return refuse(r, "its relocations are malformed");
    }
    for (uint64_t at = 0; at < s->sh_size && !debug; at += sizeof(Elf64_Rela)) {
        Elf64_Rela rela;
        memcpy(&rela, r->bytes + s->sh_offset + at, sizeof rela);
        TRY(read_relocation(r, kept, &rela));
    }
    return STATUS_OK;
}

static enum status read_object(struct reading *r)
{
    TRY(read_header(r));
    TRY(read_sections(r));
    TRY(read_symbols(r));
    for (uint32_t i = 0; i < r->header.e_shnum; i++) {
        if (r->sections[i].sh_type == SHT_RELA) {
            TRY(read_relocations(r, i));
        }
    }
    return STATUS_OK;
}

/* ---- the slab ---- */

struct slab *slab_new(void)
{
    struct slab *slab = heap_alloc(sizeof *slab);
    slab->area_bytes[AREA_TEXT] =
        LINK_ALIGNMENT_MAX; /* -fsanitize=function reads before a function */
    return slab;
}

static void objects_release(struct slab *slab)
{
    for (size_t i = 0; i < slab->object_count; i++) {
        free(slab->objects[i].bytes);
        free(slab->objects[i].relocations);
    }
    free(slab->objects);
    slab->objects = NULL;
    slab->object_count = slab->object_capacity = 0;
}

void slab_free(struct slab *slab)
{
    if (!slab) {
        return;
    }
    if (slab->memory) {
        munmap(slab->memory, slab->mapped);
    }
    objects_release(slab);
    free(slab->kernels);
    free(slab);
}

enum status slab_add(struct slab *slab, const uint8_t *bytes, size_t size, struct error *error)
{
    CHECK(!slab->memory);
    struct object object = {0};
    struct reading r = {
        .bytes = bytes, .size = size, .slab = slab, .object = &object, .error = error};
    const struct slab before = *slab;
    enum status status = read_object(&r);
    free(r.symbols);
    if (status != STATUS_OK) {
        free(object.relocations);
        slab->kernel_count = before.kernel_count;
        memcpy(slab->area_bytes, before.area_bytes, sizeof slab->area_bytes);
        return status;
    }
    object.bytes = heap_alloc(size);
    object.size = size;
    memcpy(object.bytes, bytes, size);
    ARRAY_RESERVE(slab->objects, slab->object_count, slab->object_capacity);
    slab->objects[slab->object_count++] = object;
    return STATUS_OK;
}

static size_t section_at(const struct slab *slab, const struct section *section)
{
    return section->offset + (section->area == AREA_RODATA ? slab->text_mapped : 0);
}

static enum status relocate(const struct slab *slab, const struct object *object,
                            const struct relocation *relocation, uint8_t *write,
                            struct error *error)
{
    size_t place = section_at(slab, &object->sections[relocation->section]) + relocation->offset;
    size_t target = section_at(slab, &object->sections[relocation->target]);
    CHECK(place + relocation_width(relocation->type) <= slab->mapped);
    if (relocation->type == R_X86_64_64) {
        uint64_t value = (uint64_t)(uintptr_t)slab->memory + target + (uint64_t)relocation->addend;
        memcpy(write + place, &value, sizeof value);
        return STATUS_OK;
    }
    int64_t value = (int64_t)target + relocation->addend - (int64_t)place;
    if (value != (int32_t)value) {
        return error_set(error, STATUS_PROTOCOL, "object refused: a relocation is out of reach");
    }
    memcpy(write + place, &(int32_t){(int32_t)value}, sizeof(int32_t));
    return STATUS_OK;
}

static enum status fill(const struct slab *slab, uint8_t *write, struct error *error)
{
    for (size_t i = 0; i < slab->object_count; i++) {
        const struct object *object = &slab->objects[i];
        for (uint32_t j = 0; j < object->section_count; j++) {
            const struct section *section = &object->sections[j];
            memcpy(write + section_at(slab, section), object->bytes + section->from, section->size);
        }
        for (size_t j = 0; j < object->relocation_count; j++) {
            TRY(relocate(slab, object, &object->relocations[j], write, error));
        }
    }
    return STATUS_OK;
}

static int compare_kernel(const void *a, const void *b)
{
    const struct kernel *x = a, *y = b;
    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

static enum status sort_kernels(struct slab *slab, struct error *error)
{
    qsort(slab->kernels, slab->kernel_count, sizeof *slab->kernels, compare_kernel);
    for (size_t i = 1; i < slab->kernel_count; i++) {
        if (slab->kernels[i].hash == slab->kernels[i - 1].hash) {
            return error_set(error, STATUS_PROTOCOL, "objects refused: two kernels are k_%016llx",
                             (unsigned long long)slab->kernels[i].hash);
        }
    }
    return STATUS_OK;
}

static size_t pages(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (bytes + page - 1) / page * page;
}

/* Writes through one mapping, drops it, then maps the pages as they stay. */
static enum status map_file(struct slab *slab, int fd, struct error *error)
{
    const size_t rodata = slab->mapped - slab->text_mapped;
    uint8_t *write = mmap(NULL, slab->mapped, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (write == MAP_FAILED) {
        return error_set(error, STATUS_IO, "cannot map memory for code");
    }
    enum status status = fill(slab, write, error);
    munmap(write, slab->mapped);
    TRY(status);
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        return error_set(error, STATUS_IO, "cannot seal the memory of code");
    }
    if (mmap(slab->memory, slab->text_mapped, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, fd,
             0) == MAP_FAILED ||
        (rodata > 0 && mmap(slab->memory + slab->text_mapped, rodata, PROT_READ,
                            MAP_SHARED | MAP_FIXED, fd, (off_t)slab->text_mapped) == MAP_FAILED)) {
        return error_set(error, STATUS_IO, "this system does not let code be mapped");
    }
    return STATUS_OK;
}

static int file_new(void)
{
    int fd = memfd_create("heal-code", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
    return fd >= 0 ? fd : memfd_create("heal-code", MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

static enum status map(struct slab *slab, struct error *error)
{
    slab->text_mapped = pages(slab->area_bytes[AREA_TEXT]);
    slab->mapped = slab->text_mapped + pages(slab->area_bytes[AREA_RODATA]);
    void *reserved =
        mmap(NULL, slab->mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (reserved == MAP_FAILED) {
        return error_set(error, STATUS_IO, "no room for %zu bytes of code", slab->mapped);
    }
    slab->memory = reserved;
    int fd = file_new();
    enum status status = fd < 0 || ftruncate(fd, (off_t)slab->mapped) != 0
                             ? error_set(error, STATUS_IO, "cannot make memory for code")
                             : map_file(slab, fd, error);
    if (fd >= 0) {
        close(fd);
    }
    return status;
}

/* Tells an object of its own, in the headers of its sections, where they are mapped. */
static void set_addresses(const struct slab *slab, struct object *object)
{
    Elf64_Ehdr header;
    memcpy(&header, object->bytes, sizeof header);
    for (uint32_t i = 0; i < object->section_count; i++) {
        uint64_t address = (uintptr_t)slab->memory + section_at(slab, &object->sections[i]);
        size_t at = header.e_shoff + object->sections[i].index * sizeof(Elf64_Shdr);
        memcpy(object->bytes + at + offsetof(Elf64_Shdr, sh_addr), &address, sizeof address);
    }
}

void slab_keep(struct slab *slab)
{
    CHECK(!slab->memory);
    slab->keep = true;
}

size_t slab_object_count(const struct slab *slab)
{
    return slab->memory ? slab->object_count : 0;
}

const uint8_t *slab_object(const struct slab *slab, size_t index, size_t *ret_size)
{
    CHECK(index < slab_object_count(slab));
    *ret_size = slab->objects[index].size;
    return slab->objects[index].bytes;
}

enum status slab_link(struct slab *slab, struct error *error)
{
    CHECK(!slab->memory);
    if (slab->kernel_count == 0) {
        return error_set(error, STATUS_PROTOCOL, "objects refused: there is no kernel in them");
    }
    TRY(sort_kernels(slab, error));
    enum status status = map(slab, error);
    for (size_t i = 0; i < slab->object_count && slab->keep && status == STATUS_OK; i++) {
        set_addresses(slab, &slab->objects[i]);
    }
    if (!slab->keep || status != STATUS_OK) {
        objects_release(slab);
    }
    if (status != STATUS_OK) {
        slab->kernel_count = 0; /* nothing can be found in what is not mapped */
    }
    return status;
}

abi_kernel_f *slab_kernel(const struct slab *slab, size_t index, uint64_t *ret_hash,
                          size_t *ret_size)
{
    CHECK(slab->memory && index < slab->kernel_count);
    const struct kernel *kernel = &slab->kernels[index];
    *ret_hash = kernel->hash;
    *ret_size = kernel->size;
    return (abi_kernel_f *)(uintptr_t)(slab->memory + kernel->offset);
}

abi_kernel_f *slab_find(const struct slab *slab, uint64_t hash)
{
    const struct kernel key = {.hash = hash};
    const struct kernel *found =
        slab->kernel_count
            ? bsearch(&key, slab->kernels, slab->kernel_count, sizeof key, compare_kernel)
            : NULL;
    CHECK(!found || slab->memory);
    return found ? (abi_kernel_f *)(uintptr_t)(slab->memory + found->offset) : NULL;
}

size_t slab_count(const struct slab *slab)
{
    return slab->kernel_count;
}

size_t slab_bytes(const struct slab *slab)
{
    return slab->mapped;
}

const uint8_t *slab_text(const struct slab *slab, size_t *ret_size)
{
    CHECK(slab->memory);
    *ret_size = slab->area_bytes[AREA_TEXT];
    return slab->memory;
}
