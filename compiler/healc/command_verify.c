/* healc verify [--key PUB] FILE.healb: whether a heald with this key would believe a bundle. */
#include <getopt.h>
#include <stdio.h>

#include "compiler/healc/key.h"
#include "compiler/healc/option.h"
#include "lang/check.h"
#include "lang/parser.h"
#include "runtime/bundle/bundle.h"

/* The sources must pass the checks of this healc and be what the manifest says. */
static enum status verify_sources(struct arena *arena, const struct bundle *bundle,
                                  struct error *error)
{
    struct sources sources = {0};
    struct diag_list diags;
    diag_list_init(&diags, arena, &sources);
    struct program *program = parse_program_texts(arena, &sources, bundle_texts(arena, bundle),
                                                  bundle->source_count, &diags);
    if (diags.errors == 0) {
        (void)check_program(program, &diags, &(struct check_options){0});
    }
    enum status status = STATUS_OK;
    if (diags.errors > 0) {
        diag_print(&diags, DIAG_FULL, false, stdout);
        status = error_set(error, STATUS_DENIED, "its sources do not pass the checks");
    } else {
        status = bundle_agrees(bundle, program, error);
    }
    sources_release(&sources);
    return status;
}

static int verify(const char *path, const struct bundle_files *files,
                  const struct trust_public *key)
{
    struct arena arena = {0};
    struct bundle bundle;
    struct error error;
    enum status status = bundle_open(&arena, files->bytes, files->length, files->signature,
                                     files->signature_length, key, 0, &bundle, &error);
    if (status == STATUS_OK) {
        status = verify_sources(&arena, &bundle, &error);
    }
    if (status == STATUS_OK) {
        printf("%s: good: %s, serial %llu, %zu policies, %zu sources, %zu objects\n", path,
               bundle.name, (unsigned long long)bundle.serial, bundle.policy_count,
               bundle.source_count, bundle.object_count);
    } else {
        printf("%s: refused: %s\n", path, error.message);
    }
    arena_release(&arena);
    return status == STATUS_OK ? HEALC_OK : HEALC_FINDINGS;
}

int command_verify(int argc, char **argv)
{
    static const struct option options[] = {{"key", required_argument, NULL, 'k'},
                                            {NULL, 0, NULL, 0}};
    const char *key_path = NULL;
    char secret_path[4096], default_path[4096];
    struct trust_public key;
    struct bundle_files files;
    struct error error;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == '?') {
            return HEALC_FAILED;
        }
        key_path = optarg;
    }
    if (optind + 1 != argc) {
        return option_fail(argv[0], "one bundle is verified");
    }
    if (!key_path) {
        if (!key_default_path(argv[0], false, secret_path, sizeof(secret_path))) {
            return HEALC_FAILED;
        }
        trust_public_path(secret_path, default_path, sizeof(default_path));
        key_path = default_path;
    }
    if (bundle_path_check(argv[optind], &error) != STATUS_OK ||
        trust_public_read(key_path, &key, &error) != STATUS_OK ||
        bundle_files_read(argv[optind], &files, &error) != STATUS_OK) {
        return option_fail(argv[0], "%s", error.message);
    }
    int code = verify(argv[optind], &files, &key);
    bundle_files_release(&files);
    return code;
}
