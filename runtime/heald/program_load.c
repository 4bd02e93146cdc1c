/* Sources of a bundle, believed only after they were checked anew. */
#include "runtime/heald/program_load.h"

#include <string.h>

#include "lang/check.h"
#include "lang/diagnostic.h"
#include "lang/parser.h"
#include "runtime/heald/log.h"

/* The first finding, in one line, for the one who asked for the load; all of them go to the log. */
static enum status report_findings(const struct sources *sources, const struct diag_list *diags,
                                   struct error *error)
{
    for (const struct diag *diag = diags->first; diag; diag = diag->next) {
        struct position place = sources_position(sources, diag->span.start);
        log_say(diag->severity == SEVERITY_ERROR ? LOG_ERROR : LOG_WARN, "%s:%zu:%zu: %s: %s",
                place.source ? place.source->path : "?", place.line, place.column,
                diag_infos[diag->code].code, diag->message);
    }
    for (const struct diag *diag = diags->first; diag; diag = diag->next) {
        struct position place = sources_position(sources, diag->span.start);
        if (diag->severity == SEVERITY_ERROR) {
            return error_set(error, STATUS_PROTOCOL, "%s:%zu:%zu: %s: %.250s",
                             place.source ? place.source->path : "?", place.line, place.column,
                             diag_infos[diag->code].code, diag->message);
        }
    }
    return STATUS_OK;
}

enum status program_load(struct arena *arena, struct sources *sources, const struct bundle *bundle,
                         struct program **ret, struct error *error)
{
    struct diag_list diags;
    diag_list_init(&diags, arena, sources);
    struct program *program = parse_program_texts(arena, sources, bundle_texts(arena, bundle),
                                                  bundle->source_count, &diags);
    if (diags.errors == 0) {
        (void)check_program(program, &diags, &(struct check_options){0});
    }
    TRY(report_findings(sources, &diags, error));
    CHECK(diags.errors == 0);
    TRY(bundle_agrees(bundle, program, error));
    *ret = program;
    return STATUS_OK;
}

enum status program_guarded(const struct config *config, const struct bundle *bundle,
                            const struct program *program, bool *ret, struct error *error)
{
    for (size_t i = 0; i < config->guards.count; i++) {
        bool found = false;
        for (size_t s = 0; s < bundle->source_count; s++) {
            found = found || strcmp(bundle->sources[s].path, config->guards.items[i]) == 0;
        }
        if (!found) {
            return error_set(error, STATUS_NOT_FOUND,
                             "the guard file '%s' that heald.yaml names is not in the bundle",
                             config->guards.items[i]);
        }
    }
    *ret = config->guards.count > 0 && program->guards != NULL;
    return STATUS_OK;
}
