/* Questions about more than one key of heald.yaml. */
#include <stdio.h>
#include <string.h>

#include "runtime/config/config_internal.h"

#define FAIL(head, ...) config_fail(reader, (head)->line, (head)->column, __VA_ARGS__)

static bool strings_equal(const struct config_strings *a, const struct config_strings *b,
                          const char **ret_shared)
{
    for (size_t i = 0; i < a->count; i++) {
        for (size_t k = a == b ? i + 1 : 0; k < b->count; k++) {
            if (strcmp(a->items[i], b->items[k]) == 0) {
                *ret_shared = a->items[i];
                return true;
            }
        }
    }
    return false;
}

static void check_scrapes(struct config_reader *reader, const struct config *config)
{
    const char *shared = NULL;
    for (size_t i = 0; i < config->scrape_count; i++) {
        const struct config_scrape *scrape = &config->scrape[i];
        if (scrape->timeout.ns > scrape->interval.ns) {
            FAIL(&scrape->head, "the timeout is longer than the interval in scrape[%zu]", i);
        }
        for (size_t k = 0; k <= i; k++) {
            if (k < i && strcmp(config->scrape[k].job, scrape->job) == 0) {
                FAIL(&scrape->head, "the job '%.80s' is in scrape[%zu] already", scrape->job, k);
            }
            if (strings_equal(&config->scrape[k].targets, &scrape->targets, &shared)) {
                FAIL(&scrape->head, "the target '%.80s' is listed twice", shared);
            }
        }
    }
}

/* Whoever may write samples may make policies act. */
static bool is_loopback(const char *listen)
{
    return strncmp(listen, "127.", 4) == 0 || strncmp(listen, "[::1]:", 6) == 0;
}

static void check_remote_writes(struct config_reader *reader, const struct config *config)
{
    static const char *const taken[] = {"/livez", "/readyz", "/metrics", "/api/v1/events"};
    for (size_t i = 0; i < config->remote_write_count; i++) {
        const struct config_remote_write *write = &config->remote_write[i];
        if (strcmp(config->listen, "none") == 0) {
            FAIL(&write->head, "remote_write[%zu] needs 'listen'", i);
        } else if (write->token_file == NULL && !is_loopback(config->listen)) {
            FAIL(&write->head, "remote_write[%zu] needs 'token_file': '%.80s' is not loopback", i,
                 config->listen);
        }
        if (strcmp(write->name, "events") == 0) {
            FAIL(&write->head, "the name 'events' is heald's own");
        }
        for (size_t k = 0; k < ARRAY_LEN(taken); k++) {
            if (strcmp(taken[k], write->path) == 0) {
                FAIL(&write->head, "the path '%s' is heald's own", taken[k]);
            }
        }
        for (size_t k = 0; k < i; k++) {
            if (strcmp(config->remote_write[k].name, write->name) == 0) {
                FAIL(&write->head, "the name '%.80s' is in remote_write[%zu] already", write->name,
                     k);
            }
            if (strcmp(config->remote_write[k].path, write->path) == 0) {
                FAIL(&write->head, "the path '%.80s' is in remote_write[%zu] already", write->path,
                     k);
            }
        }
    }
}

/* Whoever may tell of events may have a policy find a cause. */
static void check_events(struct config_reader *reader, const struct config *config)
{
    const struct config_events *events = &config->events;
    if (events->enabled && strcmp(config->listen, "none") == 0) {
        FAIL(&events->head, "events need 'listen'");
    } else if (events->enabled && events->token_file == NULL && !is_loopback(config->listen)) {
        FAIL(&events->head, "events need 'token_file': '%.80s' is not loopback", config->listen);
    }
}

static void check_host(struct config_reader *reader, const struct config *config)
{
    for (size_t i = 0; i < config->host.processes_count; i++) {
        const struct config_process *process = &config->host.processes[i];
        if ((process->pidfile != NULL) + (process->exe != NULL) + (process->cmdline != NULL) != 1) {
            FAIL(&process->head, "host.processes[%zu] needs one of pidfile, exe and cmdline", i);
        }
        for (size_t k = 0; k < i; k++) {
            if (strcmp(config->host.processes[k].name, process->name) == 0) {
                FAIL(&process->head, "the process '%.80s' is listed twice", process->name);
            }
        }
    }
    for (size_t i = 0; i < config->host.cgroups.count; i++) {
        if (strstr(config->host.cgroups.items[i], "..") != NULL) {
            FAIL(&config->host.head, "host.cgroups[%zu] may not contain '..'", i);
        }
    }
}

static void check_channels(struct config_reader *reader, const struct config *config)
{
    for (size_t i = 0; i < config->channels_count; i++) {
        const struct config_channel *channel = &config->channels[i];
        if (channel->log.head.present == channel->webhook.head.present) {
            FAIL(&channel->head, "the channel '%.80s' needs one of log and webhook", channel->name);
        }
    }
}

static bool is_shell(const char *program)
{
    static const char *const shells[] = {"sh",  "bash", "dash",    "ash",  "ksh", "mksh",
                                         "zsh", "csh",  "busybox", "tcsh", "fish"};
    const char *slash = strrchr(program, '/');
    for (size_t i = 0; i < ARRAY_LEN(shells); i++) {
        if (strcmp(slash != NULL ? slash + 1 : program, shells[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Whether the command is a shell that is given text to run: sh -c, env bash -ec, busybox sh -c. */
static bool runs_shell_text(const struct config_strings *argv)
{
    bool shell = false;
    for (size_t i = 0; i < argv->count; i++) {
        const char *text = argv->items[i];
        if (shell && text[0] == '-' && text[1] != '-' && strchr(text, 'c') != NULL) {
            return true;
        }
        shell = shell || is_shell(text);
    }
    return false;
}

static void check_grants(struct config_reader *reader, const struct config *config)
{
    const char *shared = NULL;
    for (size_t i = 0; i < config->grants_count; i++) {
        const struct config_grant *grant = &config->grants[i];
        if (runs_shell_text(&grant->argv)) {
            FAIL(&grant->head,
                 "grants[%zu] gives text to a shell; name the program itself, or a script file", i);
        }
        for (size_t p = 0; p < grant->parameters_count; p++) {
            if (grant->parameters[p].min > grant->parameters[p].max) {
                FAIL(&grant->parameters[p].head, "the parameter '%.80s' has min above max",
                     grant->parameters[p].name);
            }
        }
        for (size_t k = 0; k <= i; k++) {
            if (strcmp(config->grants[k].action, grant->action) == 0 &&
                strings_equal(&config->grants[k].targets, &grant->targets, &shared)) {
                FAIL(&grant->head, "the action '%.80s' is granted twice for the target '%.80s'",
                     grant->action, shared);
            }
        }
    }
}

static void check_guards(struct config_reader *reader, const struct config *config)
{
    const char *shared = NULL;
    bool acts = config->default_mode == CONFIG_ACT;
    const struct config_head *place = &config->head;
    for (size_t i = 0; i < config->policies_mode_count; i++) {
        if (config->policies_mode[i].mode == CONFIG_ACT && !acts) {
            acts = true;
            place = &config->policies_mode[i].head;
        }
    }
    if (acts && config->guards.count == 0) {
        FAIL(place, "mode act needs at least one guard file in 'guards'");
    }
    if (strings_equal(&config->guards, &config->guards, &shared)) {
        FAIL(&config->head, "the guard file '%.80s' is listed twice", shared);
    }
}

static void check_external_labels(struct config_reader *reader, const struct config *config)
{
    for (size_t i = 0; i < config->external_labels_count; i++) {
        const struct config_external_label *label = &config->external_labels[i];
        if (strlen(label->name) > CONFIG_LABEL_BYTES_MAX) {
            FAIL(&label->head, "the name of the external label '%.80s' is longer than %d bytes",
                 label->name, CONFIG_LABEL_BYTES_MAX);
        }
        if (strlen(label->value) > CONFIG_LABEL_BYTES_MAX) {
            FAIL(&label->head, "the value of the external label '%.80s' is longer than %d bytes",
                 label->name, CONFIG_LABEL_BYTES_MAX);
        }
    }
}

void config_check(struct config_reader *reader, const struct config *config)
{
    check_external_labels(reader, config);
    check_scrapes(reader, config);
    check_remote_writes(reader, config);
    check_events(reader, config);
    check_host(reader, config);
    check_channels(reader, config);
    check_grants(reader, config);
    check_guards(reader, config);
}

enum config_mode config_mode_of(const struct config *config, const char *policy)
{
    for (size_t i = 0; i < config->policies_mode_count; i++) {
        if (strcmp(config->policies_mode[i].name, policy) == 0) {
            return (enum config_mode)config->policies_mode[i].mode;
        }
    }
    return (enum config_mode)config->default_mode;
}

const char *config_mode_text(enum config_mode mode)
{
    switch (mode) {
    case CONFIG_SHADOW: return "shadow";
    case CONFIG_ASK: return "ask";
    case CONFIG_ACT: return "act";
    }
    check_failed("a mode is one of three", __FILE__, __LINE__);
    return "";
}
