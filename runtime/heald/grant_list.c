/* From heald.yaml's grants to the actor's. */
#include "runtime/heald/grant_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const *env_of(const struct config_grant *from)
{
    char **env = heap_alloc(from->env_count * sizeof *env);
    for (size_t i = 0; i < from->env_count; i++) {
        size_t size = strlen(from->env[i].name) + strlen(from->env[i].value) + 2;
        env[i] = heap_alloc(size);
        snprintf(env[i], size, "%s=%s", from->env[i].name, from->env[i].value);
    }
    return (const char *const *)env;
}

static const struct grant_request *request_of(const struct config_request *from)
{
    if (!from->head.present) {
        return NULL;
    }
    struct grant_request *request = heap_alloc(sizeof *request);
    struct grant_header *headers =
        heap_alloc((from->headers_count + from->header_files_count) * sizeof *headers);
    *request = (struct grant_request){.method = (enum request_method)from->method,
                                      .url = from->url,
                                      .body = from->body,
                                      .ca_file = from->ca_file,
                                      .headers = headers,
                                      .timeout = from->timeout};
    for (size_t i = 0; i < from->headers_count; i++) {
        headers[request->header_count++] =
            (struct grant_header){.name = from->headers[i].name, .value = from->headers[i].value};
    }
    for (size_t i = 0; i < from->header_files_count; i++) {
        headers[request->header_count++] = (struct grant_header){
            .name = from->header_files[i].name, .file = from->header_files[i].file};
    }
    return request;
}

static struct grant grant_of(const struct config_grant *from)
{
    struct grant grant = {
        .action = from->action,
        .connector = (enum connector)from->connector,
        .argv = (const char *const *)from->argv.items,
        .argv_count = from->argv.count,
        .request = request_of(&from->request),
        .targets = (const char *const *)from->targets.items,
        .target_count = from->targets.count,
        .parameter_count = from->parameters_count,
        .unattended = from->unattended,
        .idempotent = from->idempotent,
        .cwd = from->cwd,
        .env = env_of(from),
        .env_count = from->env_count,
        .timeout = from->timeout,
        .memory_max_bytes = from->memory_max_bytes,
        .output_max_bytes = from->output_max_bytes,
        .at_most = {(uint32_t)from->at_most.count, from->at_most.per},
    };
    CHECK(from->parameters_count <= MESSAGE_NUMBERS_MAX);
    for (size_t i = 0; i < from->parameters_count; i++) {
        grant.parameters[i] =
            (struct grant_parameter){from->parameters[i].name, (double)from->parameters[i].min,
                                     (double)from->parameters[i].max};
    }
    return grant;
}

enum status grant_list_load(const struct config *config, struct grant_list *ret,
                            struct error *error)
{
    struct grant_list list = {.items = heap_alloc(config->grants_count * sizeof *list.items)};
    for (; list.count < config->grants_count; list.count++) {
        list.items[list.count] = grant_of(&config->grants[list.count]);
    }
    for (size_t i = 0; i < list.count; i++) {
        enum status status = grant_check(&list.items[i], error);
        if (status != STATUS_OK) {
            grant_list_release(&list);
            return status;
        }
    }
    *ret = list;
    return STATUS_OK;
}

void grant_list_release(struct grant_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        for (size_t e = 0; e < list->items[i].env_count; e++) {
            free((void *)(uintptr_t)list->items[i].env[e]);
        }
        free((void *)(uintptr_t)list->items[i].env);
        if (list->items[i].request) {
            free((void *)(uintptr_t)list->items[i].request->headers);
            free((void *)(uintptr_t)list->items[i].request);
        }
    }
    free(list->items);
    *list = (struct grant_list){0};
}
