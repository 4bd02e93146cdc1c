/* From a signed bundle to an engine. */
#include "runtime/heald/engine_program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/connector.h"
#include "runtime/bundle/bundle.h"
#include "runtime/heald/clock.h"
#include "runtime/heald/engine_code.h"
#include "runtime/heald/engine_debug.h"
#include "runtime/heald/engine_events.h"
#include "runtime/heald/log.h"
#include "runtime/heald/program_load.h"
#include "runtime/trust/trust.h"

static bool channel_known(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->channels_count; i++) {
        if (strcmp(config->channels[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static enum status check_channels(const struct config *config, const struct program *program,
                                  struct error *error)
{
    for (const struct channel *channel = program->channels; channel; channel = channel->next) {
        if (!channel_known(config, channel->name.text)) {
            return error_set(error, STATUS_NOT_FOUND,
                             "the policies' channel '%s' is not among the channels of heald.yaml",
                             channel->name.text);
        }
    }
    return STATUS_OK;
}

/* The URL as templates read it: as in Prometheus its path ends without a slash. */
static const char *external_url(struct arena *arena, const char *url)
{
    const char *authority = strstr(url, "://");
    CHECK(authority != NULL);
    const size_t path_end = (size_t)(authority - url) + strcspn(authority, "?#");
    size_t kept = path_end;
    while (url[kept - 1] == '/') {
        kept--;
    }
    char *ret = arena_alloc(arena, strlen(url) + 1);
    memcpy(ret, url, kept);
    memcpy(ret + kept, url + path_end, strlen(url + path_end) + 1);
    return ret;
}

static void fill_outside(struct generation *generation, const struct config *config)
{
    struct engine_host *host = &generation->host;
    const size_t count = config->external_labels_count;
    struct label *labels = arena_alloc(&generation->arena, count * sizeof *labels);
    for (size_t i = 0; i < count; i++) {
        labels[i] =
            (struct label){config->external_labels[i].name, config->external_labels[i].value};
    }
    host->external = labels;
    host->external_count = count;
    host->external_url = config->external_url != NULL
                             ? external_url(&generation->arena, config->external_url)
                             : NULL;
}

static void fill_host(struct generation *generation, const struct config *config, uint32_t epoch)
{
    struct engine_host *host = &generation->host;
    struct engine_grant *grants =
        arena_alloc(&generation->arena, config->grants_count * sizeof *grants);
    struct engine_mode *modes =
        arena_alloc(&generation->arena, config->policies_mode_count * sizeof *modes);
    for (size_t i = 0; i < config->grants_count; i++) {
        const struct config_grant *grant = &config->grants[i];
        grants[i] = (struct engine_grant){
            .action = grant->action,
            .targets = (const char *const *)grant->targets.items,
            .target_count = grant->targets.count,
            .unattended = grant->unattended,
        };
    }
    for (size_t i = 0; i < config->policies_mode_count; i++) {
        modes[i] = (struct engine_mode){config->policies_mode[i].name,
                                        (enum mode)config->policies_mode[i].mode};
    }
    _Static_assert((int)CONFIG_SHADOW == (int)MODE_SHADOW && (int)CONFIG_ASK == (int)MODE_ASK &&
                       (int)CONFIG_ACT == (int)MODE_ACT,
                   "the modes of heald.yaml are the engine's");
    host->grants = grants;
    host->grant_count = config->grants_count;
    host->modes = modes;
    host->mode_count = config->policies_mode_count;
    host->default_mode = (enum mode)config->default_mode;
    host->tick = config->tick;
    host->blind_after = config->blind_after;
    host->epoch = epoch;
    fill_outside(generation, config);
}

/* A mode given to a policy that is not there is a slip of the pen that would leave one in shadow.
 */
static enum status check_modes(const struct config *config, const struct program *program,
                               struct error *error)
{
    for (size_t i = 0; i < config->policies_mode_count; i++) {
        bool found = false;
        for (const struct policy *policy = program->policies; policy; policy = policy->next) {
            found = found || strcmp(policy->name.text, config->policies_mode[i].name) == 0;
        }
        if (!found) {
            return error_set(error, STATUS_NOT_FOUND,
                             "policies_mode of heald.yaml names '%s', which is no policy",
                             config->policies_mode[i].name);
        }
    }
    return STATUS_OK;
}

/* A grant may be wider than the policies of the day, but it may also be a slip of the pen. */
static void warn_of_grants(const struct config *config, const struct program *program)
{
    for (size_t i = 0; i < config->grants_count; i++) {
        bool found = false;
        for (const struct action *a = program->actions; a; a = a->next) {
            found = found || strcmp(a->name.text, config->grants[i].action) == 0;
        }
        if (!found) {
            log_say(LOG_WARN, "heald.yaml grants '%s', which is no action of the policies",
                    config->grants[i].action);
        }
    }
}

/* What an action is carried out with and with how many numbers is part of its contract: another
 * grant is not of what was checked. */
static enum status check_contract(const struct config_grant *grant, const struct action *action,
                                  struct error *error)
{
    const char *text = connector_infos[grant->connector].text;
    size_t numbers = 0;
    for (const struct parameter *p = action->parameters; p; p = p->next) {
        numbers += p != action->parameters; /* the first is the target */
    }
    if (strcmp(action->connector.text, text) != 0) {
        return error_set(error, STATUS_DENIED,
                         "heald.yaml grants '%s' through %s, and its action says via %s",
                         grant->action, text, action->connector.text);
    }
    return numbers == grant->parameters_count
               ? STATUS_OK
               : error_set(error, STATUS_DENIED,
                           "heald.yaml grants '%s' with %zu parameters, and its action has %zu "
                           "after its target",
                           grant->action, grant->parameters_count, numbers);
}

static enum status check_contracts(const struct config *config, const struct program *program,
                                   struct error *error)
{
    for (size_t i = 0; i < config->grants_count; i++) {
        for (const struct action *action = program->actions; action; action = action->next) {
            if (strcmp(action->name.text, config->grants[i].action) == 0) {
                TRY(check_contract(&config->grants[i], action, error));
            }
        }
    }
    return STATUS_OK;
}

static enum status build(struct generation *generation, const struct config *config,
                         struct store *store, const struct bundle *bundle, uint32_t epoch,
                         struct error *error)
{
    generation->serial = bundle->serial;
    TRY(program_load(&generation->arena, &generation->sources, bundle, &generation->program,
                     error));
    fill_host(generation, config, epoch);
    TRY(program_guarded(config, bundle, generation->program, &generation->host.guarded, error));
    TRY(check_channels(config, generation->program, error));
    TRY(check_modes(config, generation->program, error));
    TRY(engine_events_check(config, generation->program, &generation->arena, error));
    TRY(check_contracts(config, generation->program, error));
    warn_of_grants(config, generation->program);
    generation->host.author = bundle->author[0] != '\0' ? bundle->author : NULL;
    generation->engine = engine_new(generation->program, store, &generation->host, error);
    if (!generation->engine) {
        return STATUS_LIMIT;
    }
    engine_time(generation->engine, clock_elapsed, NULL);
    generation->slab = engine_code_use(generation->engine, bundle);
    engine_debug_linked(generation, generation->slab);
    return STATUS_OK;
}

static enum status build_verified(struct generation *generation, const struct config *config,
                                  struct store *store, uint32_t epoch, uint64_t min_serial,
                                  const struct bundle_files *files, struct error *error)
{
    struct trust_public key;
    struct bundle bundle;
    TRY(trust_public_read(config->trusted_key, &key, error));
    TRY(bundle_open(&generation->arena, files->bytes, files->length, files->signature,
                    files->signature_length, &key, min_serial, &bundle, error));
    return build(generation, config, store, &bundle, epoch, error);
}

enum status generation_load(const struct config *config, struct store *store, uint32_t epoch,
                            uint64_t min_serial, struct generation **ret, struct error *error)
{
    struct bundle_files files;
    TRY(bundle_files_read(config->policies, &files, error));
    struct generation *generation = heap_alloc(sizeof *generation);
    enum status status =
        build_verified(generation, config, store, epoch, min_serial, &files, error);
    bundle_files_release(&files);
    if (status != STATUS_OK) {
        generation_free(generation);
        return status;
    }
    *ret = generation;
    return STATUS_OK;
}

void generation_free(struct generation *generation)
{
    if (generation) {
        engine_free(generation->engine);
        engine_debug_unlinked(generation->slab);
        engine_debug_unlinked(generation->made);
        slab_free(generation->slab);
        slab_free(generation->made);
        sources_release(&generation->sources);
        arena_release(&generation->arena);
        free(generation);
    }
}
