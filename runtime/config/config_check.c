/* Questions about more than one key of heald.yaml. */
#include <stdio.h>
#include <string.h>

#include "lang/connector.h"
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

enum channel_kind config_channel_kind(const struct config_channel *channel)
{
    const bool present[CHANNEL_COUNT] = {
        [CHANNEL_LOG] = channel->log.head.present,
        [CHANNEL_WEBHOOK] = channel->webhook.head.present,
        [CHANNEL_SLACK] = channel->slack.head.present,
        [CHANNEL_PAGERDUTY] = channel->pagerduty.head.present,
        [CHANNEL_EMAIL] = channel->email.head.present,
        [CHANNEL_ALERTMANAGER] = channel->alertmanager.head.present,
    };
    enum channel_kind found = CHANNEL_COUNT;
    for (enum channel_kind i = 0; i < CHANNEL_COUNT; i++) {
        if (present[i] && found != CHANNEL_COUNT) {
            return CHANNEL_COUNT;
        }
        found = present[i] ? i : found;
    }
    return found;
}

static bool is_address(const char *text)
{
    const char *at = strchr(text, '@');
    return at != NULL && at != text && at[1] != '\0' && text[0] != '-' &&
           strpbrk(text, " \t<>,;:\"\\()") == NULL && strchr(at + 1, '@') == NULL;
}

/* A line of a mail has less than 998 bytes. */
#define ADDRESSES_BYTES_MAX 900

static void check_email(struct config_reader *reader, const struct config_email *email)
{
    size_t bytes = 0;
    if (strcmp(email->server, "none") == 0) {
        FAIL(&email->head, "'server' of an email is HOST:PORT");
    }
    if (!is_address(email->from)) {
        FAIL(&email->head, "'%.80s' is not an address, such as heald@example.org", email->from);
    }
    for (size_t i = 0; i < email->to.count; i++) {
        bytes += strlen(email->to.items[i]) + 2;
        if (!is_address(email->to.items[i])) {
            FAIL(&email->head, "'%.80s' is not an address, such as oncall@example.org",
                 email->to.items[i]);
        }
    }
    if (bytes + strlen(email->from) > ADDRESSES_BYTES_MAX) {
        FAIL(&email->head, "the addresses of an email are longer than %d bytes together",
             ADDRESSES_BYTES_MAX);
    }
    if ((email->user == NULL) != (email->password_file == NULL)) {
        FAIL(&email->head, "an email needs both of user and password_file, or none");
    }
}

static void check_channels(struct config_reader *reader, const struct config *config)
{
    for (size_t i = 0; i < config->channels_count; i++) {
        const struct config_channel *channel = &config->channels[i];
        if (config_channel_kind(channel) == CHANNEL_COUNT) {
            FAIL(&channel->head,
                 "the channel '%.80s' needs one of log, webhook, slack, pagerduty, email and "
                 "alertmanager",
                 channel->name);
        }
        if (channel->email.head.present) {
            check_email(reader, &channel->email);
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

/* What a connector takes, and what it does not. */
static void check_takes(struct config_reader *reader, const struct config_grant *grant, size_t i)
{
    const struct connector_info *info = &connector_infos[grant->connector];
    const struct {
        const char *key;
        bool written, taken;
    } keys[] = {
        {"argv", grant->argv.count > 0, info->takes == TAKES_ARGV},
        {"env", grant->env_count > 0, info->takes == TAKES_ARGV},
        {"request", grant->request.head.present, info->takes == TAKES_REQUEST},
    };
    for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
        if (keys[k].written && !keys[k].taken) {
            FAIL(&grant->head, "the connector %s takes no '%s' in grants[%zu]", info->text,
                 keys[k].key, i);
        } else if (keys[k].taken && !keys[k].written && strcmp(keys[k].key, "env") != 0) {
            FAIL(&grant->head, "the key '%s' is missing in grants[%zu], whose connector is %s",
                 keys[k].key, i, info->text);
        }
    }
}

static void check_grants(struct config_reader *reader, const struct config *config)
{
    const char *shared = NULL;
    for (size_t i = 0; i < config->grants_count; i++) {
        const struct config_grant *grant = &config->grants[i];
        check_takes(reader, grant, i);
        if (connector_infos[grant->connector].hand == HAND_KUBERNETES &&
            !config->kubernetes.head.present) {
            FAIL(&grant->head, "grants[%zu] needs 'kubernetes': its connector is %s", i,
                 connector_infos[grant->connector].text);
        }
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

/* Its paths are appended as they are. */
static void check_kubernetes(struct config_reader *reader, const struct config_kubernetes *kube)
{
    const char *host = kube->head.present ? strstr(kube->server, "://") + 3 : "";
    if (strpbrk(host, "/?#@") != NULL) {
        FAIL(&kube->head, "'server' of kubernetes is a URL without a path, query or user");
    } else if (kube->head.present && strncmp(kube->server, "http:", 5) == 0 && !is_loopback(host)) {
        FAIL(&kube->head, "'server' of kubernetes is https:// unless it is loopback: the token "
                          "would be sent in the clear");
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
    check_kubernetes(reader, &config->kubernetes);
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
