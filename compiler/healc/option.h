/* Options that several verbs share, files of folders, and the exit codes of healc. */
#ifndef HEAL_COMPILER_HEALC_OPTION_H
#define HEAL_COMPILER_HEALC_OPTION_H

#include "lang/diagnostic.h"

enum healc_exit { HEALC_OK, HEALC_FINDINGS, HEALC_FAILED, HEALC_INTERNAL };

#define COMMAND(name, usage, summary, details) int command_##name(int argc, char **argv);
#include "compiler/healc/command.def"
#undef COMMAND

/* full, concise or json; false after a message to standard error. */
bool option_format(const char *text, enum diag_format *ret);

/* auto, always or never (NULL is auto); auto asks whether out is a terminal and NO_COLOR is not
 * set. False after a message. */
bool option_color(const char *text, FILE *out, bool *ret);

/* Prints "healc VERB: words" and where to read on; gives HEALC_FAILED. */
int option_fail(const char *verb, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Whether a file that was named (not imported) could not be read: then a verb could not run. */
bool source_is_missing(const struct diag_list *diags);

/* Usage of one verb to out. */
void option_usage(const char *verb, FILE *out);

/* Paths of policies: files as given, folders walked for *.heal in the order of their names. */
struct paths {
    char **items;
    size_t count, capacity;
};
enum { PATHS_MAX = 4096, PATHS_DEPTH_MAX = 32 };
bool paths_add(struct paths *paths, const char *path, struct error *error);
void paths_release(struct paths *paths);

/* Parses and checks; findings go to standard error. NULL, with the exit code of the verb in
 * ret_code, when there is an error. The program lives in the arena. */
struct program;
struct program *paths_program(const struct paths *paths, struct arena *arena,
                              struct sources *sources, int *ret_code);

/* healc compile --emit: the machine code as ll, asm or obj, once the paths are known. output NULL:
 * standard output. */
int compile_emit(const char *verb, const struct paths *paths, const char *form, const char *cpu,
                 const char *output);

#endif
