/* What profilers and debuggers are told of linked code. It only tells: nothing comes back.
 *
 * perf reads a map of symbols, /tmp/perf-PID.map, a line a kernel. gdb reads the objects, which
 * hold the addresses of their sections and line tables, through the interface it has for programs
 * that make code (__jit_debug_descriptor).
 *
 *     TRY(debug_map_open(path, &fd, error));             before a cage
 *     slab_keep(slab);                                   before slab_link()
 *     TRY(debug_map_write(fd, debug_map_lines(slab, name, ctx), error));
 *     struct debug_objects *told = debug_objects_tell(slab);
 *     debug_objects_forget(told);                        before slab_free()
 */
#ifndef HEAL_RUNTIME_CODE_DEBUG_H
#define HEAL_RUNTIME_CODE_DEBUG_H

#include "runtime/code/link.h"

enum { DEBUG_NAME_BYTES = 256, DEBUG_PATH_BYTES = 64 };

/* Where perf looks for the map of a process. */
void debug_map_path(long pid, char ret[DEBUG_PATH_BYTES]);
/* A new file, 0600. What stands there is replaced if it is a file of this user's, left by a process
 * of the same pid; STATUS_DENIED for anything else: a link, a folder, another's file. */
NODISCARD enum status debug_map_open(const char *path, int *ret_fd, struct error *error);
/* The lines of a slab, by address, the heap's: of each kernel, and of what lies between them, which
 * are functions that they call and that have no names. name writes what a kernel is called; control
 * characters in it become '?'. */
typedef void debug_name_f(void *ctx, uint64_t hash, char *ret, size_t size);
char *debug_map_lines(const struct slab *slab, debug_name_f *name, void *ctx);
/* The whole map anew. */
NODISCARD enum status debug_map_write(int fd, const char *lines, struct error *error);

/* Registers the kept objects of a slab with a debugger that is there, or comes later; NULL when
 * there are none. The slab must live until debug_objects_forget(). */
struct debug_objects;
struct debug_objects *debug_objects_tell(const struct slab *slab);
void debug_objects_forget(struct debug_objects *told);

#endif
