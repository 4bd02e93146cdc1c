/* Checks of a grant, and pure substitution into its argument template. */
#include "runtime/act/grant.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_word(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && !(i > 0 && c >= '0' && c <= '9')) {
            return false;
        }
    }
    return length > 0;
}

/* The value of a key in "key=value,key=value"; NULL if it has none. */
static const char *label_value(const char *target, const char *key, size_t key_length,
                               size_t *ret_length)
{
    for (const char *at = target; *at;) {
        size_t piece = strcspn(at, ",");
        if (piece > key_length && at[key_length] == '=' && memcmp(at, key, key_length) == 0) {
            *ret_length = piece - key_length - 1;
            return at + key_length + 1;
        }
        at += piece + (at[piece] == ',');
    }
    return NULL;
}

static enum status check_target(const struct grant *grant, const char *target, struct error *error)
{
    if (strlen(target) >= TARGET_BYTES) {
        return error_set(error, STATUS_LIMIT, "grant '%s': a target is too long", grant->action);
    }
    const char *at = target;
    do {
        size_t piece = strcspn(at, ",");
        const char *equals = memchr(at, '=', piece);
        bool ok = equals && is_word(at, (size_t)(equals - at)) &&
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

static char *print_number(double value, char *ret, size_t size)
{
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(ret, size, "%.*g", digits, value);
        if (strtod(ret, NULL) == value) {
            break;
        }
    }
    if (value == floor(value) && fabs(value) < 1e15) {
        snprintf(ret, size, "%.0f", value);
    }
    return ret;
}

/* What a placeholder stands for: into ret[size]. STATUS_NOT_FOUND: nothing of that name. */
static enum status placeholder(const struct grant *grant, const char *name, size_t length,
                               size_t target, const double *numbers, char *ret, size_t size,
                               bool *ret_number)
{
    const char *text = grant->targets[target];
    *ret_number = false;
    if (length == 6 && memcmp(name, "target", 6) == 0) {
        snprintf(ret, size, "%s", text);
        return STATUS_OK;
    }
    for (size_t i = 0; i < grant->parameter_count; i++) {
        const char *parameter = grant->parameters[i].name;
        if (strlen(parameter) == length && memcmp(parameter, name, length) == 0) {
            print_number(numbers[i], ret, size);
            *ret_number = true;
            return STATUS_OK;
        }
    }
    size_t value_length = 0;
    const char *value = label_value(text, name, length, &value_length);
    if (!value) {
        return STATUS_NOT_FOUND;
    }
    snprintf(ret, size, "%.*s", (int)value_length, value);
    return STATUS_OK;
}

struct filling {
    char *out;
    size_t used;
};

static enum status fill_bytes(const struct grant *grant, struct filling *f, const char *bytes,
                              size_t count, struct error *error)
{
    if (f->used + count >= GRANT_ARG_BYTES) {
        return error_set(error, STATUS_LIMIT, "grant '%s': an argument is longer than %d bytes",
                         grant->action, GRANT_ARG_BYTES - 1);
    }
    memcpy(f->out + f->used, bytes, count);
    f->used += count;
    return STATUS_OK;
}

static enum status fill_value(const struct grant *grant, struct filling *f, const char *name,
                              size_t length, size_t target, const double *numbers,
                              struct error *error)
{
    char value[TARGET_BYTES + 40];
    bool number;
    if (placeholder(grant, name, length, target, numbers, value, sizeof value, &number) !=
        STATUS_OK) {
        return error_set(error, STATUS_NOT_FOUND,
                         "grant '%s': {%.*s} is neither a label of target '%s' nor a parameter",
                         grant->action, (int)length, name, grant->targets[target]);
    }
    number = number && f->used > 0; /* --delta=-5 is no option of its own */
    if (value[0] == '\0' || (value[0] == '-' && !number)) {
        return error_set(error, STATUS_DENIED, "grant '%s': the value of {%.*s} %s", grant->action,
                         (int)length, name, value[0] ? "begins with '-'" : "is empty");
    }
    for (const char *c = value; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            return error_set(error, STATUS_DENIED, "grant '%s': {%.*s} holds a control character",
                             grant->action, (int)length, name);
        }
    }
    return fill_bytes(grant, f, value, strlen(value), error);
}

static enum status fill_argument(const struct grant *grant, const char *template, size_t target,
                                 const double *numbers, char *out, struct error *error)
{
    struct filling f = {out, 0};
    for (const char *at = template; *at;) {
        size_t plain = strcspn(at, "{}");
        TRY(fill_bytes(grant, &f, at, plain, error));
        at += plain;
        if (*at == '\0') {
            break;
        }
        if (at[0] == at[1]) {
            TRY(fill_bytes(grant, &f, at, 1, error));
            at += 2;
            continue;
        }
        size_t length = strcspn(at + 1, "{}");
        if (*at != '{' || at[1 + length] != '}' || !is_word(at + 1, length)) {
            return error_set(error, STATUS_DENIED, "grant '%s': argument '%s' has a stray brace",
                             grant->action, template);
        }
        TRY(fill_value(grant, &f, at + 1, length, target, numbers, error));
        at += length + 2;
    }
    out[f.used] = '\0';
    return STATUS_OK;
}

enum status grant_fill(const struct grant *grant, size_t target, const double *numbers,
                       struct grant_command *ret, struct error *error)
{
    size_t count = grant->argv_count;
    CHECK(target < grant->target_count && count <= GRANT_ARGS_MAX);
    ret->count = count;
    for (size_t i = 0; i < count; i++) {
        ret->argv[i] = ret->text + i * GRANT_ARG_BYTES;
        TRY(fill_argument(grant, grant->argv[i], target, numbers, ret->argv[i], error));
    }
    ret->argv[count] = NULL;
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
                label_value(grant->targets[t], p->name, strlen(p->name), &length)) {
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

/* What the connector takes is there, and what it does not is not. */
static enum status check_takes(const struct grant *grant, struct error *error)
{
    const char *fault = NULL;
    switch (connector_infos[grant->connector].takes) {
    case TAKES_ARGV:
        if (grant->argv_count == 0 || grant->argv_count > GRANT_ARGS_MAX) {
            fault = "it has no arguments, or more than 64";
        } else if (grant->argv[0][0] != '/' || strchr(grant->argv[0], '{')) {
            fault = "its program is not an absolute path";
        }
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
        if (!equals || !is_word(grant->env[i], (size_t)(equals - grant->env[i]))) {
            return error_set(error, STATUS_DENIED, "grant '%s': '%s' is not NAME=value",
                             grant->action, grant->env[i]);
        }
    }
    for (size_t i = 0; i < grant->target_count; i++) {
        TRY(check_target(grant, grant->targets[i], error));
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
