/* Checks of a grant. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/act/grant_internal.h"
#include "runtime/act/hand.h"

static enum status check_target(const struct grant *grant, const char *target, struct error *error)
{
    if (strlen(target) >= TARGET_BYTES) {
        return error_set(error, STATUS_LIMIT, "grant '%s': a target is too long", grant->action);
    }
    const char *at = target;
    do {
        size_t piece = strcspn(at, ",");
        const char *equals = memchr(at, '=', piece);
        bool ok = equals && grant_is_word(at, (size_t)(equals - at)) &&
                  !memchr(equals + 1, '=', piece - (size_t)(equals - at) - 1);
        if (!ok) {
            return error_set(error, STATUS_DENIED,
                             "grant '%s': target '%s' is not written key=value,key=value",
                             grant->action, target);
        }
        at += piece;
    } while (*at++ == ',');
    return STATUS_OK;
}

static enum status check_parameters(const struct grant *grant, struct error *error)
{
    if (grant->parameter_count > MESSAGE_NUMBERS_MAX) {
        return error_set(error, STATUS_LIMIT, "grant '%s': more than %d parameters", grant->action,
                         MESSAGE_NUMBERS_MAX);
    }
    for (size_t i = 0; i < grant->parameter_count; i++) {
        const struct grant_parameter *p = &grant->parameters[i];
        size_t length;
        if (!isfinite(p->min) || !isfinite(p->max) || p->min > p->max) {
            return error_set(error, STATUS_DENIED, "grant '%s': parameter '%s' has no finite range",
                             grant->action, p->name);
        }
        for (size_t t = 0; t < grant->target_count; t++) {
            if (strcmp(p->name, "target") == 0 ||
                grant_label(grant->targets[t], p->name, strlen(p->name), &length)) {
                return error_set(error, STATUS_DENIED,
                                 "grant '%s': '%s' is a parameter and a label", grant->action,
                                 p->name);
            }
        }
    }
    return STATUS_OK;
}

static enum status check_bounds(const struct grant *grant, struct error *error)
{
    const char *fault = NULL;
    if (grant->timeout.ns <= 0 || grant->timeout.ns > GRANT_TIMEOUT_MAX.ns) {
        fault = "its timeout is not between 0 and 1h";
    } else if (grant->at_most.count == 0 || grant->at_most.count > GRANT_AT_MOST_MAX) {
        fault = "its 'at most' has no count between 1 and 1000";
    } else if (grant->at_most.per.ns <= 0 || grant->at_most.per.ns > GRANT_PER_MAX.ns) {
        fault = "its 'at most' has no span between 0 and 31d";
    } else if (grant->output_max_bytes > GRANT_OUTPUT_MAX) {
        fault = "it keeps more than 1MiB of output";
    } else if (grant->cwd && grant->cwd[0] != '/') {
        fault = "its cwd is not absolute";
    } else if (grant->connector >= CONNECTOR_COUNT) {
        fault = "its connector is not in this version";
    } else if (grant->target_count == 0 || grant->target_count > GRANT_TARGETS_MAX) {
        fault = "it has no targets, or more than 4096";
    } else if (grant->env_count > GRANT_ENV_MAX) {
        fault = "it has more than 64 environment variables";
    }
    return fault ? error_set(error, STATUS_DENIED, "grant '%s': %s", grant->action, fault)
                 : STATUS_OK;
}

static const char *fault_of_argv(const struct grant *grant)
{
    if (grant->argv_count == 0 || grant->argv_count > GRANT_ARGS_MAX) {
        return "it has no arguments, or more than 64";
    }
    return grant->argv[0][0] != '/' || strchr(grant->argv[0], '{')
               ? "its program is not an absolute path"
               : NULL;
}

/* The header of a request is heald's where the request hangs on it. */
static const char *fault_of_header(const struct grant_header *header)
{
    static const char *const own[] = {"Host",       "Content-Length", "Transfer-Encoding",
                                      "Connection", "Expect",         "Idempotency-Key"};
    size_t length = 0;
    while (isalnum((unsigned char)header->name[length]) || header->name[length] == '-') {
        length++;
    }
    if (length == 0 || header->name[length] != '\0' || length > GRANT_HEADER_NAME_MAX) {
        return "a header's name is not letters, digits and '-'";
    }
    for (size_t i = 0; i < ARRAY_LEN(own); i++) {
        if (strcasecmp(own[i], header->name) == 0) {
            return "it sets a header that is heald's own";
        }
    }
    if (!header->value == !header->file || (header->file && header->file[0] != '/')) {
        return "a header has no value, or no file with an absolute path";
    }
    for (const char *c = header->value; c && *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            return "a header's value has a control character";
        }
    }
    return NULL;
}

/* Whom a request reaches is the grant's alone: nothing is filled in before its path. */
static const char *fault_of_url(const char *url)
{
    const char *host = strncmp(url, "http://", 7) == 0    ? url + 7
                       : strncmp(url, "https://", 8) == 0 ? url + 8
                                                          : NULL;
    if (!host || host[0] == '\0' || strchr("/?#", host[0])) {
        return "its URL does not start with http:// or https:// and a host";
    }
    size_t length = strcspn(host, "/?#");
    if (memchr(host, '@', length)) {
        return "its URL holds a user; put what proves who one is into a header's file";
    }
    if (memchr(host, '{', length) || memchr(host, '}', length)) {
        return "the host of its URL has a placeholder";
    }
    return strchr(host, '#') || strpbrk(host, " \t\r\n") ? "its URL has a fragment or a space"
                                                         : NULL;
}

static const char *fault_of_request(const struct grant_request *request)
{
    const char *fault = NULL;
    if (!request || !request->url || request->method >= METHOD_COUNT) {
        return "it has no request";
    }
    if (request->header_count > GRANT_HEADERS_MAX) {
        return "it has more than 32 headers";
    }
    if (request->timeout.ns <= 0) {
        return "its request has no timeout";
    }
    for (size_t i = 0; i < request->header_count && !fault; i++) {
        fault = fault_of_header(&request->headers[i]);
    }
    return fault ? fault : fault_of_url(request->url);
}

/* What the connector takes is there, and what it does not is not. */
static enum status check_takes(const struct grant *grant, struct error *error)
{
    const char *fault = NULL;
    switch (connector_infos[grant->connector].takes) {
    case TAKES_ARGV: fault = grant->request ? "exec takes no request" : fault_of_argv(grant); break;
    case TAKES_TARGET:
        fault = grant->argv_count || grant->request ? "its connector takes no argv and no request"
                                                    : NULL;
        break;
    case TAKES_REQUEST:
        fault =
            grant->argv_count ? "its connector takes no argv" : fault_of_request(grant->request);
        break;
    }
    return fault ? error_set(error, STATUS_DENIED, "grant '%s': %s", grant->action, fault)
                 : STATUS_OK;
}

enum status grant_check(const struct grant *grant, struct error *error)
{
    if (!grant->action || grant->action[0] == '\0' || strlen(grant->action) >= NAME_BYTES) {
        return error_set(error, STATUS_DENIED, "a grant without an action's name");
    }
    TRY(check_bounds(grant, error));
    TRY(check_takes(grant, error));
    for (size_t i = 0; i < grant->env_count; i++) {
        const char *equals = strchr(grant->env[i], '=');
        if (!equals || !grant_is_word(grant->env[i], (size_t)(equals - grant->env[i]))) {
            return error_set(error, STATUS_DENIED, "grant '%s': '%s' is not NAME=value",
                             grant->action, grant->env[i]);
        }
    }
    for (size_t i = 0; i < grant->target_count; i++) {
        struct error why;
        TRY(check_target(grant, grant->targets[i], error));
        if (hand_check(grant, grant->targets[i], &why) != STATUS_OK) {
            return error_set(error, STATUS_DENIED, "grant '%s': %.300s", grant->action,
                             why.message);
        }
    }
    TRY(check_parameters(grant, error));
    /* Every placeholder must have a value in every target. */
    double numbers[MESSAGE_NUMBERS_MAX];
    for (size_t i = 0; i < grant->parameter_count; i++) {
        numbers[i] = grant->parameters[i].max;
    }
    struct grant_command *command = heap_alloc(sizeof *command);
    enum status status = STATUS_OK;
    for (size_t i = 0; i < grant->target_count && status == STATUS_OK; i++) {
        status = grant_fill(grant, i, numbers, command, error);
    }
    free(command);
    return status;
}
