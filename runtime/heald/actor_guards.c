/* Guards from a signed bundle to an actor. */
#include "runtime/heald/actor_guards.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/bundle/bundle.h"
#include "runtime/heald/log.h"
#include "runtime/heald/program_load.h"
#include "runtime/trust/trust.h"

struct guard_set {
    struct arena arena;
    struct sources sources;
    struct program *program;
    uint64_t serial;
};

static void set_free(struct guard_set *set)
{
    if (set) {
        sources_release(&set->sources);
        arena_release(&set->arena);
        free(set);
    }
}

static int64_t time_ns(struct timespec time)
{
    return (int64_t)time.tv_sec * NS_PER_S + time.tv_nsec;
}

static struct actor_guard_file look(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        return (struct actor_guard_file){0};
    }
    return (struct actor_guard_file){.device = info.st_dev,
                                     .inode = info.st_ino,
                                     .size = (uint64_t)info.st_size,
                                     .modified_ns = time_ns(info.st_mtim),
                                     .changed_ns = time_ns(info.st_ctim)};
}

/* True when one of them is another than at the last look. */
static bool changed(struct actor_guards *guards)
{
    char signature[CONFIG_TEXT_MAX + sizeof BUNDLE_SIGNATURE_SUFFIX];
    snprintf(signature, sizeof signature, "%s%s", guards->config->policies,
             BUNDLE_SIGNATURE_SUFFIX);
    const struct actor_guard_file files[ACTOR_GUARD_FILES] = {
        look(guards->config->policies), look(signature), look(guards->config->trusted_key)};
    if (memcmp(files, guards->files, sizeof files) == 0) {
        return false;
    }
    memcpy(guards->files, files, sizeof files);
    return true;
}

static enum status build(const struct actor_guards *guards, const struct bundle_files *files,
                         struct guard_set *set, struct error *error)
{
    const struct config *config = guards->config;
    struct trust_public key;
    struct bundle bundle;
    bool guarded;
    TRY(trust_public_read(config->trusted_key, &key, error));
    TRY(bundle_open(&set->arena, files->bytes, files->length, files->signature,
                    files->signature_length, &key, guards->serial, &bundle, error));
    TRY(program_load(&set->arena, &set->sources, &bundle, &set->program, error));
    TRY(program_guarded(config, &bundle, set->program, &guarded, error));
    if (!guarded) {
        set->program->guards = NULL; /* those of files that the host does not name */
    }
    set->serial = bundle.serial;
    return STATUS_OK;
}

static enum status load(struct actor_guards *guards, struct actor *actor, struct error *error)
{
    struct bundle_files files;
    TRY(bundle_files_read(guards->config->policies, &files, error));
    struct guard_set *set = heap_alloc(sizeof *set);
    enum status status = build(guards, &files, set, error);
    bundle_files_release(&files);
    if (status != STATUS_OK) {
        set_free(set);
        return status;
    }
    status = actor_guard(actor, set->program, error);
    set_free(guards->set); /* the actor has the new ones, or none */
    guards->set = status == STATUS_OK ? set : NULL;
    if (status != STATUS_OK) {
        set_free(set);
        return status;
    }
    guards->serial = set->serial;
    return STATUS_OK;
}

void actor_guards_renew(struct actor_guards *guards, struct actor *actor, struct duration uptime)
{
    const bool again = !guards->set && guards->tried &&
                       uptime.ns - guards->tried_at.ns >= ACTOR_GUARD_RETRY_S * NS_PER_S;
    if (!changed(guards) && guards->tried && !again) {
        return;
    }
    struct error error;
    guards->tried = true;
    guards->tried_at = uptime;
    if (load(guards, actor, &error) == STATUS_OK) {
        log_say(LOG_INFO, "the guards of serial %llu hold", (unsigned long long)guards->serial);
    } else {
        log_say(LOG_ERROR, "the guards were not loaded, %s: %s",
                guards->set ? "the ones before go on" : "nothing will start", error.message);
    }
}

void actor_guards_release(struct actor_guards *guards)
{
    set_free(guards->set);
    guards->set = NULL;
}
