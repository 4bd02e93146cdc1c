/* Filling in the templates of a grant: arguments, URLs, bodies. Pure substitution. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/act/grant_internal.h"

bool grant_is_word(const char *text, size_t length)
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

const char *grant_label(const char *target, const char *key, size_t key_length, size_t *ret_length)
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

/* ---- values ---- */

/* How a value is written where its placeholder stands. */
enum fill_kind {
    FILL_ARGUMENT, /* as it is; never the beginning of an option */
    FILL_URL,      /* what could end a part of a URL is escaped */
    FILL_TEXT      /* as it is: a string of JSON, escaped when it is written */
};

struct filling {
    const struct grant *grant;
    const char *target;
    const double *numbers;
    enum fill_kind kind;
    char *out;
    size_t used, size;
};

static const double *find_number(const struct filling *f, const char *name, size_t length)
{
    for (size_t i = 0; i < f->grant->parameter_count; i++) {
        const char *parameter = f->grant->parameters[i].name;
        if (strlen(parameter) == length && memcmp(parameter, name, length) == 0) {
            return &f->numbers[i];
        }
    }
    return NULL;
}

/* What a placeholder stands for, into ret. STATUS_NOT_FOUND: nothing of that name. */
static enum status find_value(const struct filling *f, const char *name, size_t length,
                              char ret[TARGET_BYTES + 40], bool *ret_number)
{
    const size_t size = TARGET_BYTES + 40;
    const double *number = find_number(f, name, length);
    *ret_number = number != NULL;
    if (number) {
        print_number(*number, ret, size);
        return STATUS_OK;
    }
    if (length == 6 && memcmp(name, "target", 6) == 0) {
        snprintf(ret, size, "%s", f->target);
        return STATUS_OK;
    }
    size_t value_length = 0;
    const char *value = grant_label(f->target, name, length, &value_length);
    if (!value) {
        return STATUS_NOT_FOUND;
    }
    snprintf(ret, size, "%.*s", (int)value_length, value);
    return STATUS_OK;
}

static enum status fill_bytes(struct filling *f, const char *bytes, size_t count,
                              struct error *error)
{
    static const char *const what[] = {"an argument", "the URL", "a text of the body"};
    if (f->used + count >= f->size) {
        return error_set(error, STATUS_LIMIT, "grant '%s': %s is longer than %zu bytes",
                         f->grant->action, what[f->kind], f->size - 1);
    }
    memcpy(f->out + f->used, bytes, count);
    f->used += count;
    return STATUS_OK;
}

/* Only the unreserved characters of RFC 3986 stay. */
static enum status fill_escaped(struct filling *f, const char *value, struct error *error)
{
    for (const unsigned char *c = (const unsigned char *)value; *c; c++) {
        char escaped[4];
        bool plain = grant_is_word((const char *)c, 1) || (*c >= '0' && *c <= '9') || *c == '-' ||
                     *c == '.' || *c == '~';
        snprintf(escaped, sizeof escaped, plain ? "%c" : "%%%02X", *c);
        TRY(fill_bytes(f, escaped, strlen(escaped), error));
    }
    return STATUS_OK;
}

static enum status fill_value(struct filling *f, const char *name, size_t length,
                              struct error *error)
{
    char value[TARGET_BYTES + 40];
    bool number;
    if (find_value(f, name, length, value, &number) != STATUS_OK) {
        return error_set(error, STATUS_NOT_FOUND,
                         "grant '%s': {%.*s} is neither a label of target '%s' nor a parameter",
                         f->grant->action, (int)length, name, f->target);
    }
    /* --delta=-5 is no option of its own. */
    bool option = value[0] == '-' && f->kind == FILL_ARGUMENT && !(number && f->used > 0);
    if (value[0] == '\0' || option) {
        return error_set(error, STATUS_DENIED, "grant '%s': the value of {%.*s} %s",
                         f->grant->action, (int)length, name,
                         value[0] ? "begins with '-'" : "is empty");
    }
    for (const char *c = value; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            return error_set(error, STATUS_DENIED, "grant '%s': {%.*s} holds a control character",
                             f->grant->action, (int)length, name);
        }
    }
    if (f->kind == FILL_TEXT && !utf8_is_valid(value)) {
        return error_set(error, STATUS_DENIED, "grant '%s': {%.*s} is not UTF-8", f->grant->action,
                         (int)length, name);
    }
    return f->kind == FILL_URL ? fill_escaped(f, value, error)
                               : fill_bytes(f, value, strlen(value), error);
}

/* ---- templates ---- */

static enum status fill_template(struct filling *f, const char *template, struct error *error)
{
    f->used = 0;
    for (const char *at = template; *at;) {
        size_t plain = strcspn(at, "{}");
        TRY(fill_bytes(f, at, plain, error));
        at += plain;
        if (*at == '\0') {
            break;
        }
        if (at[0] == at[1]) {
            TRY(fill_bytes(f, at, 1, error));
            at += 2;
            continue;
        }
        size_t length = strcspn(at + 1, "{}");
        if (*at != '{' || at[1 + length] != '}' || !grant_is_word(at + 1, length)) {
            return error_set(error, STATUS_DENIED, "grant '%s': '%s' has a stray brace",
                             f->grant->action, template);
        }
        TRY(fill_value(f, at + 1, length, error));
        at += length + 2;
    }
    f->out[f->used] = '\0';
    return STATUS_OK;
}

static enum status fill_argv(struct filling *f, struct grant_command *ret, struct error *error)
{
    const struct grant *grant = f->grant;
    CHECK(grant->argv_count <= GRANT_ARGS_MAX);
    f->kind = FILL_ARGUMENT;
    f->size = GRANT_ARG_BYTES;
    ret->count = grant->argv_count;
    for (size_t i = 0; i < ret->count; i++) {
        f->out = ret->argv[i] = ret->text + i * GRANT_ARG_BYTES;
        TRY(fill_template(f, grant->argv[i], error));
    }
    ret->argv[ret->count] = NULL;
    return STATUS_OK;
}

/* One dot or two, written as they are or escaped. */
static bool is_dots(const char *segment, size_t length)
{
    size_t dots = 0;
    for (size_t i = 0; i < length; dots++) {
        if (segment[i] == '.') {
            i++;
        } else if (i + 2 < length && segment[i] == '%' && segment[i + 1] == '2' &&
                   (segment[i + 2] | 0x20) == 'e') {
            i += 3;
        } else {
            return false;
        }
    }
    return dots == 1 || dots == 2;
}

/* A value must not climb to another path. */
static enum status check_path(const struct filling *f, const char *url, struct error *error)
{
    const char *path = strstr(url, "://");
    size_t end = path ? strcspn(path + 3, "?#") : 0;
    for (size_t at = 0; at < end;) {
        size_t length = strcspn(path + 3 + at, "/?#");
        if (is_dots(path + 3 + at, length)) {
            return error_set(error, STATUS_DENIED, "grant '%s': its URL has the segment '%.*s'",
                             f->grant->action, (int)length, path + 3 + at);
        }
        at += length + 1;
    }
    return STATUS_OK;
}

static enum status fill_url(struct filling *f, struct grant_command *ret, struct error *error)
{
    f->kind = FILL_URL;
    f->out = ret->url;
    f->size = GRANT_URL_BYTES;
    TRY(fill_template(f, f->grant->request->url, error));
    return check_path(f, ret->url, error);
}

/* ---- bodies ---- */

/* A string that is one parameter's placeholder and nothing else is that number. */
static const double *whole_number(const struct filling *f, const char *text)
{
    size_t length = strlen(text);
    bool placeholder = length > 2 && text[0] == '{' && text[length - 1] == '}';
    return placeholder ? find_number(f, text + 1, length - 2) : NULL;
}

static enum status fill_string(struct filling *f, const json_t *string, json_t **ret,
                               struct error *error)
{
    const char *text = json_string_value(string);
    const double *number = whole_number(f, text);
    if (number) {
        bool whole = *number == floor(*number) && fabs(*number) < 1e15;
        *ret = whole ? json_integer((json_int_t)*number) : json_real(*number);
        return STATUS_OK;
    }
    TRY(fill_template(f, text, error));
    *ret = json_string(f->out);
    return STATUS_OK;
}

static enum status fill_json(struct filling *f, const json_t *value, json_t **ret,
                             struct error *error);

static enum status fill_object(struct filling *f, const json_t *object, json_t *ret,
                               struct error *error)
{
    void *at = json_object_iter((json_t *)(uintptr_t)object);
    for (; at; at = json_object_iter_next((json_t *)(uintptr_t)object, at)) {
        const char *key = json_object_iter_key(at);
        json_t *inner = NULL;
        if (strpbrk(key, "{}")) {
            return error_set(error, STATUS_DENIED,
                             "grant '%s': the key '%.80s' of its body has a brace, and only texts "
                             "are filled in",
                             f->grant->action, key);
        }
        TRY(fill_json(f, json_object_iter_value(at), &inner, error));
        json_object_set_new(ret, key, inner);
    }
    return STATUS_OK;
}

static enum status fill_array(struct filling *f, const json_t *array, json_t *ret,
                              struct error *error)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        json_t *inner = NULL;
        TRY(fill_json(f, json_array_get(array, i), &inner, error));
        json_array_append_new(ret, inner);
    }
    return STATUS_OK;
}

/* ret is the caller's, NULL on an error. The tree is that of the grant: no value can change it. */
static enum status fill_json(struct filling *f, const json_t *value, json_t **ret,
                             struct error *error)
{
    enum status status = STATUS_OK;
    if (json_is_string(value)) {
        return fill_string(f, value, ret, error);
    }
    if (json_is_object(value)) {
        *ret = json_object();
        status = fill_object(f, value, *ret, error);
    } else if (json_is_array(value)) {
        *ret = json_array();
        status = fill_array(f, value, *ret, error);
    } else {
        *ret = json_deep_copy(value);
    }
    if (status != STATUS_OK) {
        json_decref(*ret);
        *ret = NULL;
    }
    return status;
}

static enum status fill_body(const struct filling *filling, struct grant_command *ret,
                             struct error *error)
{
    const struct grant *grant = filling->grant;
    const char *template = grant->request->body;
    char scratch[GRANT_BODY_BYTES];
    struct filling f = *filling;
    json_error_t fault;
    ret->body_bytes = 0;
    ret->body[0] = '\0';
    if (!template) {
        return STATUS_OK;
    }
    json_t *tree = json_loads(template, JSON_REJECT_DUPLICATES, &fault), *filled = NULL;
    if (!tree) {
        return error_set(error, STATUS_DENIED, "grant '%s': its body is not JSON: %s",
                         grant->action, fault.text);
    }
    f.kind = FILL_TEXT;
    f.out = scratch;
    f.size = sizeof scratch;
    enum status status = fill_json(&f, tree, &filled, error);
    json_decref(tree);
    TRY(status);
    ret->body_bytes = json_dumpb(filled, ret->body, sizeof ret->body - 1, JSON_COMPACT);
    json_decref(filled);
    if (ret->body_bytes == 0 || ret->body_bytes >= sizeof ret->body) {
        ret->body_bytes = 0;
        return error_set(error, STATUS_LIMIT, "grant '%s': its body is longer than %d bytes",
                         grant->action, GRANT_BODY_BYTES - 1);
    }
    ret->body[ret->body_bytes] = '\0';
    return STATUS_OK;
}

enum status grant_fill(const struct grant *grant, size_t target, const double *numbers,
                       struct grant_command *ret, struct error *error)
{
    CHECK(target < grant->target_count);
    struct filling f = {.grant = grant, .target = grant->targets[target], .numbers = numbers};
    switch (connector_infos[grant->connector].takes) {
    case TAKES_TARGET: return STATUS_OK;
    case TAKES_ARGV: return fill_argv(&f, ret, error);
    case TAKES_REQUEST: TRY(fill_url(&f, ret, error)); return fill_body(&f, ret, error);
    }
    check_failed("a connector takes something", __FILE__, __LINE__);
}
