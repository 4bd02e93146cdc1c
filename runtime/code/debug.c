/* See debug.h. The interface of gdb is its own ("JIT Compilation Interface" in its manual): two
 * symbols by name, a list of symbol files, a function with a breakpoint on it. */
#include "runtime/code/debug.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- perf ---- */

void debug_map_path(long pid, char ret[DEBUG_PATH_BYTES])
{
    snprintf(ret, DEBUG_PATH_BYTES, "/tmp/perf-%ld.map", pid);
}

/* O_EXCL makes what comes between harmless: then there is no file, and no wrong one. */
enum status debug_map_open(const char *path, int *ret_fd, struct error *error)
{
    struct stat there;
    if (lstat(path, &there) == 0) {
        if (!S_ISREG(there.st_mode) || there.st_uid != geteuid()) {
            return error_set(error, STATUS_DENIED,
                             "'%s' is there and is no file of this user; remove it", path);
        }
        if (unlink(path) != 0) {
            return error_set(error, STATUS_IO, "cannot replace '%s': %s", path, strerror(errno));
        }
    }
    *ret_fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return *ret_fd >= 0
               ? STATUS_OK
               : error_set(error, STATUS_IO, "cannot make '%s': %s", path, strerror(errno));
}

static void make_plain(char *text)
{
    for (unsigned char *c = (unsigned char *)text; *c; c++) {
        *c = *c < 0x20 || *c == 0x7f ? '?' : *c;
    }
}

struct range {
    uintptr_t at;
    size_t size;
    uint64_t hash;
};

static int compare_range(const void *a, const void *b)
{
    const struct range *x = a, *y = b;
    return x->at < y->at ? -1 : x->at > y->at;
}

static struct range *ranges_of(const struct slab *slab)
{
    const size_t count = slab_count(slab);
    struct range *ranges = heap_alloc((count + 1) * sizeof *ranges);
    for (size_t i = 0; i < count; i++) {
        ranges[i].at = (uintptr_t)slab_kernel(slab, i, &ranges[i].hash, &ranges[i].size);
    }
    if (count > 0) {
        qsort(ranges, count, sizeof *ranges, compare_range);
    }
    return ranges;
}

/* From what was named so far up to `end`; what only aligns is nothing. */
static size_t gap_line(char *ret, size_t room, uintptr_t from, uintptr_t end)
{
    return from + LINK_ALIGNMENT_MAX < end
               ? (size_t)snprintf(ret, room, "%" PRIxPTR " %zx functions of stdlib\n", from,
                                  (size_t)(end - from))
               : 0;
}

char *debug_map_lines(const struct slab *slab, debug_name_f *name, void *ctx)
{
    enum { LINE_BYTES = DEBUG_NAME_BYTES + 64 };
    const size_t count = slab_count(slab);
    char *lines = heap_alloc((2 * count + 1) * LINE_BYTES), called[DEBUG_NAME_BYTES];
    size_t length = 0, text_size;
    uintptr_t from = (uintptr_t)slab_text(slab, &text_size), end = from + text_size;
    struct range *ranges = ranges_of(slab);
    for (size_t i = 0; i < count; i++) {
        const struct range *range = &ranges[i];
        called[0] = '\0';
        name(ctx, range->hash, called, sizeof called);
        make_plain(called);
        length += gap_line(lines + length, LINE_BYTES, from, range->at);
        length +=
            (size_t)snprintf(lines + length, LINE_BYTES, "%" PRIxPTR " %zx k_%016" PRIx64 "%s%s\n",
                             range->at, range->size, range->hash, called[0] ? " " : "", called);
        from = range->at + range->size > from ? range->at + range->size : from;
    }
    gap_line(lines + length, LINE_BYTES, from, end);
    free(ranges);
    return lines;
}

enum status debug_map_write(int fd, const char *lines, struct error *error)
{
    const size_t length = strlen(lines);
    size_t done = 0;
    bool good = ftruncate(fd, 0) == 0;
    while (good && done < length) {
        ssize_t n = pwrite(fd, lines + done, length - done, (off_t)done);
        good = n > 0 || (n < 0 && errno == EINTR);
        done += n > 0 ? (size_t)n : 0;
    }
    return good ? STATUS_OK
                : error_set(error, STATUS_IO, "cannot write the map of symbols: %s",
                            strerror(errno));
}

/* ---- gdb ---- */

struct jit_code_entry {
    struct jit_code_entry *next_entry, *prev_entry;
    const char *symfile_addr;
    uint64_t symfile_size;
};
struct jit_descriptor {
    uint32_t version, action_flag;
    struct jit_code_entry *relevant_entry, *first_entry;
};
enum { JIT_NOACTION, JIT_REGISTER, JIT_UNREGISTER };

/* The names are gdb's. */
extern struct jit_descriptor __jit_debug_descriptor;
void __jit_debug_register_code(void);

struct jit_descriptor __jit_debug_descriptor = {.version = 1};

/* gdb puts a breakpoint here. */
__attribute__((noinline)) void __jit_debug_register_code(void)
{
    __asm__ volatile("" ::: "memory");
}

static void tell(struct jit_code_entry *entry, uint32_t action)
{
    __jit_debug_descriptor.relevant_entry = entry;
    __jit_debug_descriptor.action_flag = action;
    __jit_debug_register_code();
    __jit_debug_descriptor.action_flag = JIT_NOACTION;
}

static void entry_add(struct jit_code_entry *entry)
{
    entry->next_entry = __jit_debug_descriptor.first_entry;
    if (entry->next_entry) {
        entry->next_entry->prev_entry = entry;
    }
    __jit_debug_descriptor.first_entry = entry;
    tell(entry, JIT_REGISTER);
}

static void entry_remove(struct jit_code_entry *entry)
{
    if (entry->next_entry) {
        entry->next_entry->prev_entry = entry->prev_entry;
    }
    if (entry->prev_entry) {
        entry->prev_entry->next_entry = entry->next_entry;
    } else {
        __jit_debug_descriptor.first_entry = entry->next_entry;
    }
    tell(entry, JIT_UNREGISTER);
}

struct debug_objects {
    size_t count;
    struct jit_code_entry entries[];
};

struct debug_objects *debug_objects_tell(const struct slab *slab)
{
    const size_t count = slab_object_count(slab);
    if (count == 0) {
        return NULL;
    }
    struct debug_objects *told = heap_alloc(sizeof *told + count * sizeof told->entries[0]);
    told->count = count;
    for (size_t i = 0; i < count; i++) {
        size_t size;
        told->entries[i].symfile_addr = (const char *)slab_object(slab, i, &size);
        told->entries[i].symfile_size = size;
        entry_add(&told->entries[i]);
    }
    return told;
}

void debug_objects_forget(struct debug_objects *told)
{
    for (size_t i = 0; told && i < told->count; i++) {
        entry_remove(&told->entries[i]);
    }
    free(told);
}
