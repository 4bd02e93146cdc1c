/* healc compile POLICY... -o FILE.healb: checked policies as one file to sign.
 *
 * Sources are named by their place below the deepest folder that holds them all, so a bundle does
 * not tell where it was made and is the same wherever that is. Before a byte is written the sources
 * are read again out of the bundle's own memory, as heald will: what does not stand alone is an
 * error here, not there. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "compiler/healc/option.h"
#include "lang/check.h"
#include "lang/lint.h"
#include "lang/parser.h"
#include "runtime/bundle/bundle.h"
#include "runtime/trust/trust_file.h"
#ifdef HEAL_CODE
#    include "compiler/code.h"
#endif

struct compile_run {
    const char *out, *name, *author;
    uint64_t serial;        /* 0: one more than the file's that is there */
    bool cpus[BUNDLE_CPUS]; /* levels to make objects for */
    const char *cpu_text;   /* the last one named */
    size_t cpu_count;       /* named */
    struct paths paths;
    struct arena arena;
    struct sources read;    /* as named by the caller; what reports point to */
    struct sources bundled; /* as named in the bundle */
    struct bundle bundle;
#ifdef HEAL_CODE
    const char *emit;
    struct code_object *made[BUNDLE_CPUS];
    size_t made_count[BUNDLE_CPUS];
#endif
};

/* ---- arguments ---- */

static const struct option compile_options[] = {{"name", required_argument, NULL, 'n'},
                                                {"author", required_argument, NULL, 'a'},
                                                {"serial", required_argument, NULL, 's'},
                                                {"cpu", required_argument, NULL, 'c'},
                                                {"output", required_argument, NULL, 'o'},
#ifdef HEAL_CODE
                                                {"emit", required_argument, NULL, 'e'},
#endif
                                                {NULL, 0, NULL, 0}};

static bool read_serial(const char *text, uint64_t *ret)
{
    char *end = NULL;
    if (strcmp(text, "auto") == 0) {
        *ret = 0;
        return true;
    }
    errno = 0;
    *ret = strtoull(text, &end, 10);
    return errno == 0 && text[0] >= '1' && text[0] <= '9' && *end == '\0' &&
           *ret <= (uint64_t)INT64_MAX;
}

static bool read_cpu(struct compile_run *run, const char *text)
{
    run->cpu_text = text;
    run->cpu_count++;
    for (size_t i = 0; i < BUNDLE_CPUS; i++) {
        if (strcmp(text, bundle_cpu_words[i]) == 0) {
            run->cpus[i] = true;
            return true;
        }
    }
    return strcmp(text, "none") == 0;
}

static int read_options(int argc, char **argv, struct compile_run *run)
{
    for (int option; (option = getopt_long(argc, argv, "o:", compile_options, NULL)) != -1;) {
        switch (option) {
        case 'o': run->out = optarg; break;
        case 'n': run->name = optarg; break;
        case 'a': run->author = optarg; break;
        case 's':
            if (!read_serial(optarg, &run->serial)) {
                return option_fail(argv[0], "--serial is a number from 1 or auto, not '%s'",
                                   optarg);
            }
            break;
        case 'c':
            if (!read_cpu(run, optarg)) {
                return option_fail(argv[0], "--cpu is v2, v3, v4, native or none, not '%s'",
                                   optarg);
            }
            break;
#ifdef HEAL_CODE
        case 'e': run->emit = optarg; break;
#endif
        default: return HEALC_FAILED;
        }
    }
    return HEALC_OK;
}

/* Whether machine code is to be shown instead of a bundle made. */
static bool emits(const struct compile_run *run)
{
#ifdef HEAL_CODE
    return run->emit != NULL;
#else
    (void)run;
    return false;
#endif
}

/* The output's name without folder and suffix. */
static const char *name_of(struct arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    return arena_strndup(arena, base, strlen(base) - strlen(BUNDLE_SUFFIX));
}

static int read_arguments(int argc, char **argv, struct compile_run *run)
{
    struct error error;
    int code = read_options(argc, argv, run);
    if (code != HEALC_OK) {
        return code;
    }
    if (emits(run) && run->cpu_count > 1) {
        return option_fail(argv[0], "--emit takes one --cpu");
    }
    if (!emits(run) && (!run->out || bundle_path_check(run->out, &error) != STATUS_OK)) {
        return option_fail(argv[0], "name the bundle with -o FILE" BUNDLE_SUFFIX);
    }
    if (optind == argc) {
        return option_fail(argv[0], "a file or folder is missing");
    }
    for (int i = optind; i < argc; i++) {
        if (!paths_add(&run->paths, argv[i], &error)) {
            return option_fail(argv[0], "%s", error.message);
        }
    }
    if (!emits(run)) {
        run->bundle.name = run->name ? run->name : name_of(&run->arena, run->out);
        run->bundle.author = run->author;
    }
    return run->paths.count > 0 ? HEALC_OK : option_fail(argv[0], "no *.heal file is there");
}

/* The serial of the bundle that stands where the new one goes, 0 when there is none. Anything else
 * that stands there is not overwritten. */
static enum status serial_before(struct compile_run *run, uint64_t *ret, struct error *error)
{
    struct bundle_files files;
    struct bundle before;
    *ret = 0;
    enum status status = bundle_files_read(run->out, &files, error);
    if (status == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    TRY(status);
    status = bundle_read(&run->arena, files.bytes, files.length, &before, error);
    *ret = status == STATUS_OK ? before.serial : 0;
    bundle_files_release(&files);
    return status == STATUS_OK ? STATUS_OK
                               : error_set(error, STATUS_DENIED,
                                           "'%.200s' is there and is no bundle of heal", run->out);
}

/* ---- sources ---- */

static struct program *check_sources(struct compile_run *run, struct diag_list *diags)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    diag_list_init(diags, &run->arena, &run->read);
    struct program *program =
        parse_program(&run->arena, &run->read, run->paths.items, run->paths.count, diags);
    if (diags->errors == 0 && check_program(program, diags, &(struct check_options){0})) {
        lint_program(program, diags,
                     (struct instant){(int64_t)now.tv_sec * NS_PER_S + now.tv_nsec});
    }
    diag_print(diags, DIAG_FULL, false, stdout);
    return program;
}

/* The length of the deepest folder that two absolute paths share, with its slash. */
static size_t folder_shared(const char *a, const char *b)
{
    size_t shared = 0;
    for (size_t i = 0; a[i] != '\0' && a[i] == b[i]; i++) {
        shared = a[i] == '/' ? i + 1 : shared;
    }
    return shared;
}

static enum status gather_sources(struct compile_run *run, const struct program *program,
                                  struct error *error)
{
    struct bundle *bundle = &run->bundle;
    size_t files = 0, shared = 0;
    for (const struct file *f = program->files; f; f = f->next) {
        files++;
    }
    bundle->sources = arena_alloc(&run->arena, files * sizeof(*bundle->sources));
    for (const struct file *f = program->files; f; f = f->next) {
        char absolute[PATH_MAX];
        if (!realpath(f->source->path, absolute)) {
            return error_set(error, STATUS_IO, "cannot find '%.200s' again: %s", f->source->path,
                             strerror(errno));
        }
        struct bundle_source *source = &bundle->sources[bundle->source_count++];
        source->path = arena_strdup(&run->arena, absolute);
        source->text = f->source->text;
        source->length = f->source->length;
        size_t here = folder_shared(bundle->sources[0].path, source->path);
        shared = bundle->source_count == 1 || here < shared ? here : shared;
    }
    for (size_t i = 0; i < bundle->source_count; i++) {
        bundle->sources[i].path += shared;
    }
    return STATUS_OK;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct bundle_source *)a)->path, ((const struct bundle_source *)b)->path);
}

/* The program of the bundle's own memory; NULL after its reports were printed. */
static struct program *read_again(struct compile_run *run)
{
    struct diag_list diags;
    diag_list_init(&diags, &run->arena, &run->bundled);
    qsort(run->bundle.sources, run->bundle.source_count, sizeof(*run->bundle.sources), by_path);
    struct program *program =
        parse_program_texts(&run->arena, &run->bundled, bundle_texts(&run->arena, &run->bundle),
                            run->bundle.source_count, &diags);
    if (diags.errors == 0 && check_program(program, &diags, &(struct check_options){0})) {
        return program;
    }
    diag_print(&diags, DIAG_FULL, false, stdout);
    return NULL;
}

/* ---- objects ---- */

#ifdef HEAL_CODE
_Static_assert((int)CODE_V2 == (int)BUNDLE_V2 && (int)CODE_V3 == (int)BUNDLE_V3 &&
                   (int)CODE_V4 == (int)BUNDLE_V4 && (int)CODE_NATIVE == (int)BUNDLE_NATIVE,
               "the compiler's CPU levels are the bundle's");

/* Views of what the compiler made, which run keeps. */
static void bundle_objects(struct compile_run *run)
{
    struct bundle *bundle = &run->bundle;
    size_t count = 0;
    for (size_t cpu = 0; cpu < BUNDLE_CPUS; cpu++) {
        count += run->made_count[cpu];
    }
    bundle->objects = arena_alloc(&run->arena, count * sizeof(*bundle->objects));
    for (size_t cpu = 0; cpu < BUNDLE_CPUS; cpu++) {
        for (size_t i = 0; i < run->made_count[cpu]; i++) {
            const struct code_object *made = &run->made[cpu][i];
            bundle->objects[bundle->object_count++] =
                (struct bundle_object){.cpu = (enum bundle_cpu)made->cpu,
                                       .abi = made->abi,
                                       .kernels = made->hashes,
                                       .kernel_count = made->hash_count,
                                       .bytes = made->bytes,
                                       .length = made->size};
        }
    }
}

/* Without --cpu for the level of most machines, and not at all where this healc has no LLVM. */
static enum status make_objects(struct compile_run *run, const struct program *program,
                                struct error *error)
{
    run->cpus[BUNDLE_V3] = run->cpus[BUNDLE_V3] || !run->cpu_text;
    for (size_t cpu = 0; cpu < BUNDLE_CPUS; cpu++) {
        enum status status = STATUS_OK;
        if (run->cpus[cpu]) {
            status = code_compile(program, (enum code_cpu)cpu, &run->made[cpu],
                                  &run->made_count[cpu], error);
        }
        if (status != STATUS_OK && (status != STATUS_DENIED || run->cpu_text)) {
            return status;
        }
    }
    bundle_objects(run);
    return STATUS_OK;
}

static void free_objects(struct compile_run *run)
{
    for (size_t cpu = 0; cpu < BUNDLE_CPUS; cpu++) {
        code_objects_free(run->made[cpu], run->made_count[cpu]);
    }
}
#else
static enum status make_objects(struct compile_run *run, const struct program *program,
                                struct error *error)
{
    (void)program;
    for (size_t cpu = 0; cpu < BUNDLE_CPUS; cpu++) {
        if (run->cpus[cpu]) {
            return error_set(error, STATUS_NOT_FOUND,
                             "this healc makes no machine code; leave --cpu away, or --cpu none");
        }
    }
    return STATUS_OK;
}

static void free_objects(struct compile_run *run)
{
    (void)run;
}
#endif

/* ---- the verb ---- */

static enum status write_bundle(struct compile_run *run, struct error *error)
{
    uint8_t *bytes = NULL;
    size_t length = 0;
    TRY(bundle_write(&run->bundle, &bytes, &length, error));
    enum status status =
        trust_file_write(AT_FDCWD, run->out, (const char *)bytes, length, 0644, error);
    free(bytes);
    if (status == STATUS_OK) {
        printf("%s: %s, serial %llu, %zu policies, %zu sources, %zu objects, %zu bytes\n", run->out,
               run->bundle.name, (unsigned long long)run->bundle.serial, run->bundle.policy_count,
               run->bundle.source_count, run->bundle.object_count, length);
        if (run->bundle.object_count == 0) {
            printf("sources only, no machine code: heald evaluates the sources\n");
        }
    }
    return status;
}

static enum status make_bundle(struct compile_run *run, const struct program *program,
                               struct error *error)
{
    bundle_describe(&run->arena, program, &run->bundle);
    TRY(make_objects(run, program, error));
    return write_bundle(run, error);
}

static int compile(struct compile_run *run)
{
    struct diag_list diags;
    struct error error;
    uint64_t before = 0;
    if (serial_before(run, &before, &error) != STATUS_OK) {
        return option_fail("compile", "%s", error.message);
    }
    run->bundle.serial = run->serial > 0 ? run->serial : before + 1;
    const struct program *program = check_sources(run, &diags);
    if (diags.errors > 0) {
        printf("%zu errors: no bundle is written\n", diags.errors);
        return source_is_missing(&diags) ? HEALC_FAILED : HEALC_FINDINGS;
    }
    if (gather_sources(run, program, &error) != STATUS_OK) {
        return option_fail("compile", "%s", error.message);
    }
    const struct program *alone = read_again(run);
    if (!alone) {
        printf("the files do not stand alone in a bundle: no bundle is written\n");
        return HEALC_FINDINGS;
    }
    return make_bundle(run, alone, &error) == STATUS_OK
               ? HEALC_OK
               : option_fail("compile", "%s", error.message);
}

int command_compile(int argc, char **argv)
{
    struct compile_run run = {0};
    int code = read_arguments(argc, argv, &run);
    if (code == HEALC_OK) {
#ifdef HEAL_CODE
        code = emits(&run) ? compile_emit(argv[0], &run.paths, run.emit, run.cpu_text, run.out)
                           : compile(&run);
#else
        code = compile(&run);
#endif
    }
    free_objects(&run);
    sources_release(&run.read);
    sources_release(&run.bundled);
    paths_release(&run.paths);
    arena_release(&run.arena);
    return code;
}
