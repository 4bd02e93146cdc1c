/* The rows of config.def, and how a scalar of each kind is read. */
#include "runtime/config/config_key.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/connector.h"
#include "lang/unit.h"
#include "runtime/bundle/bundle.h"

/* "exec|..." */
static const char connector_choices[] =
#define CONNECTOR(name, text, hand, takes, doc) "|" text
#include "lang/connector.def"
#undef CONNECTOR
    ;
#define CONNECTOR_CHOICES (connector_choices + 1)

/* "POST|..." */
static const char request_methods[] =
#define METHOD(name) "|" #name
    REQUEST_METHODS(METHOD)
#undef METHOD
    ;
#define METHOD_CHOICES (request_methods + 1)

/* The root part is struct config itself. */
#define config_root config
const struct config_key config_keys[] = {
#define KEY(part, field, name, kind, fallback, range, child, doc)                   \
    {PART_##part, KIND_##kind, PART_##child, offsetof(struct config_##part, field), \
     name,        fallback,    range,        doc},
#include "runtime/config/config.def"
#undef KEY
};
const size_t config_key_count = ARRAY_LEN(config_keys);

const size_t config_part_bytes[PART_none] = {
    [PART_root] = sizeof(struct config),
    [PART_external_label] = sizeof(struct config_external_label),
    [PART_log] = sizeof(struct config_log),
    [PART_flight] = sizeof(struct config_flight),
    [PART_users] = sizeof(struct config_users),
    [PART_scrape] = sizeof(struct config_scrape),
    [PART_remote_write] = sizeof(struct config_remote_write),
    [PART_events] = sizeof(struct config_events),
    [PART_host] = sizeof(struct config_host),
    [PART_process] = sizeof(struct config_process),
    [PART_channel] = sizeof(struct config_channel),
    [PART_channel_log] = sizeof(struct config_channel_log),
    [PART_webhook] = sizeof(struct config_webhook),
    [PART_slack] = sizeof(struct config_slack),
    [PART_pagerduty] = sizeof(struct config_pagerduty),
    [PART_email] = sizeof(struct config_email),
    [PART_alertmanager] = sizeof(struct config_alertmanager),
    [PART_grant] = sizeof(struct config_grant),
    [PART_request] = sizeof(struct config_request),
    [PART_header] = sizeof(struct config_header),
    [PART_header_file] = sizeof(struct config_header_file),
    [PART_env] = sizeof(struct config_env),
    [PART_parameter] = sizeof(struct config_parameter),
    [PART_at_most] = sizeof(struct config_at_most),
    [PART_systemd] = sizeof(struct config_systemd),
    [PART_kubernetes] = sizeof(struct config_kubernetes),
    [PART_policy_mode] = sizeof(struct config_policy_mode),
};

const struct config_key *config_key_find(enum config_part part, const char *name)
{
    for (size_t i = 0; i < config_key_count; i++) {
        if (config_keys[i].part == part && strcmp(config_keys[i].name, name) == 0) {
            return &config_keys[i];
        }
    }
    return NULL;
}

/* Reads digits at *text and moves it past them. */
static bool digits_read(const char **text, uint64_t *ret)
{
    char *end = NULL;
    if (!isdigit((unsigned char)**text)) {
        return false;
    }
    errno = 0;
    *ret = strtoull(*text, &end, 10);
    *text = end;
    return errno == 0 && *ret <= (uint64_t)INT64_MAX;
}

static bool count_read(const char *text, uint64_t *ret)
{
    return digits_read(&text, ret) && *text == '\0';
}

/* 15s, 1h30m, 250ms: whole numbers with units of time. */
static bool duration_read(const char *text, uint64_t *ret_ns)
{
    uint64_t total = 0;
    if (*text == '\0') {
        return false;
    }
    while (*text != '\0') {
        uint64_t number = 0, piece = 0;
        if (!digits_read(&text, &number)) {
            return false;
        }
        size_t length = 0;
        while (isalpha((unsigned char)text[length])) {
            length++;
        }
        enum unit unit = unit_find(text, length);
        if (unit == UNIT_NONE || unit_infos[unit].base != BASE_SECONDS || length > 3) {
            return false;
        }
        uint64_t scale = (uint64_t)(unit_infos[unit].scale * 1e3 + 0.5) * NS_PER_MS;
        if (__builtin_mul_overflow(number, scale, &piece) ||
            __builtin_add_overflow(total, piece, &total) || total > (uint64_t)INT64_MAX) {
            return false;
        }
        text += length;
    }
    *ret_ns = total;
    return true;
}

static bool size_read(const char *text, uint64_t *ret_bytes)
{
    uint64_t number = 0;
    if (!digits_read(&text, &number)) {
        return false;
    }
    enum unit unit = unit_find(text, strlen(text));
    if (unit == UNIT_NONE || unit_infos[unit].base != BASE_BYTES) {
        return false;
    }
    return !__builtin_mul_overflow(number, (uint64_t)unit_infos[unit].scale, ret_bytes);
}

static bool number_read(enum config_kind kind, const char *text, uint64_t *ret)
{
    return kind == KIND_DURATION ? duration_read(text, ret)
           : kind == KIND_SIZE   ? size_read(text, ret)
                                 : count_read(text, ret);
}

/* Splits "least..most" and reads both ends with the row's own kind. */
static void range_read(const struct config_key *key, enum config_kind kind, uint64_t *ret_least,
                       uint64_t *ret_most)
{
    char least[32];
    const char *dots = strstr(key->range, "..");
    CHECK(dots != NULL && (size_t)(dots - key->range) < sizeof(least));
    snprintf(least, sizeof(least), "%.*s", (int)(dots - key->range), key->range);
    CHECK(number_read(kind, least, ret_least) && number_read(kind, dots + 2, ret_most));
}

void config_range_counts(const struct config_key *key, uint64_t *ret_least, uint64_t *ret_most)
{
    range_read(key, KIND_COUNT, ret_least, ret_most);
}

static enum status number_field_read(const struct config_key *key, const char *text, void *field,
                                     struct error *error)
{
    static const char *const examples[] = {[KIND_COUNT] = "a whole number, such as 100",
                                           [KIND_SIZE] = "a size, such as 64MiB",
                                           [KIND_DURATION] = "a duration, such as 15s or 1h30m"};
    uint64_t value = 0, least = 0, most = 0;
    if (!number_read(key->kind, text, &value)) {
        return error_set(error, STATUS_PROTOCOL, "'%.80s' is not %s", text, examples[key->kind]);
    }
    range_read(key, key->kind, &least, &most);
    if (value < least || value > most) {
        return error_set(error, STATUS_LIMIT, "%.80s is out of range: '%s' is %s", text, key->name,
                         key->range);
    }
    memcpy(field, &value, sizeof(value)); /* a duration is one int64_t, never above its limit */
    return STATUS_OK;
}

static enum status choice_read(const struct config_key *key, const char *text, int *field,
                               struct error *error)
{
    const char *word = key->range;
    for (int i = 0; word != NULL; i++) {
        size_t length = strcspn(word, "|");
        if (strlen(text) == length && strncmp(word, text, length) == 0) {
            *field = i;
            return STATUS_OK;
        }
        word = word[length] == '|' ? word + length + 1 : NULL;
    }
    return error_set(error, STATUS_PROTOCOL, "'%.80s' is not one of %s", text, key->range);
}

static bool is_name(const char *text)
{
    size_t i = 0;
    while (isalnum((unsigned char)text[i]) || text[i] == '_') {
        i++;
    }
    return i > 0 && text[i] == '\0' && !isdigit((unsigned char)text[0]);
}

static bool is_word(const char *text)
{
    return text[0] != '\0' && strpbrk(text, " \t") == NULL;
}

static bool is_url(const char *text)
{
    const char *rest = strncmp(text, "http://", 7) == 0    ? text + 7
                       : strncmp(text, "https://", 8) == 0 ? text + 8
                                                           : "";
    return rest[0] != '\0' && strchr("/?#:", rest[0]) == NULL && is_word(text);
}

static bool is_path(const char *text)
{
    return text[0] == '/' && strstr(text, "/../") == NULL;
}

static bool is_listen(const char *text)
{
    uint64_t port = 0;
    const char *colon = strrchr(text, ':');
    return strcmp(text, "none") == 0 || (is_word(text) && colon != NULL && colon != text &&
                                         count_read(colon + 1, &port) && port <= 65535);
}

static bool is_policy_file(const char *text)
{
    size_t length = strlen(text);
    return length > 5 && strcmp(text + length - 5, ".heal") == 0 && strchr(text, '/') == NULL &&
           text[0] != '.';
}

/* "key=value,key=value", keys as labels, values not empty. */
static bool is_target(const char *text)
{
    while (true) {
        size_t key =
            strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
        if (key == 0 || isdigit((unsigned char)text[0]) || text[key] != '=') {
            return false;
        }
        size_t value = strcspn(text + key + 1, ",");
        if (value == 0 || text[key + 1] == '-') {
            return false;
        }
        text += key + 1 + value;
        if (*text == '\0') {
            return true;
        }
        text++;
    }
}

/* Placeholders are {NAME}; another brace is a slip. */
static bool has_good_braces(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '}') {
            return false;
        }
        if (*text == '{') {
            size_t length = strcspn(text + 1, "{}");
            if (length == 0 || text[length + 1] != '}' || isdigit((unsigned char)text[1]) ||
                strspn(text + 1,
                       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") !=
                    length) {
                return false;
            }
            text += length + 1;
        }
    }
    return true;
}

static enum status text_check(enum config_kind kind, const char *text, struct error *error)
{
    bool good = true;
    const char *wanted = "";
    switch (kind) {
    case KIND_WORD: good = is_word(text), wanted = "a word without spaces"; break;
    case KIND_NAME: good = is_name(text), wanted = "a name of letters, digits and _"; break;
    case KIND_PATH: good = is_path(text), wanted = "an absolute path without '..'"; break;
    case KIND_BUNDLE:
        if (is_path(text)) {
            return bundle_path_check(text, error);
        }
        good = false, wanted = "an absolute path without '..'";
        break;
    case KIND_URLS:
    case KIND_URL:
        good = is_url(text), wanted = "a URL that starts with http:// or https://";
        break;
    case KIND_LISTEN: good = is_listen(text), wanted = "ADDRESS:PORT or none"; break;
    case KIND_FILES:
        good = is_policy_file(text), wanted = "the name of a .heal file in the bundle";
        break;
    case KIND_TARGETS:
        good = is_target(text), wanted = "a target, such as namespace=shop,pod=a";
        break;
    case KIND_TEXT:
    case KIND_BOOL:
    case KIND_COUNT:
    case KIND_SIZE:
    case KIND_DURATION:
    case KIND_CHOICE:
    case KIND_STRINGS:
    case KIND_ARGV:
    case KIND_SECTION:
    case KIND_OPTIONAL:
    case KIND_LIST:
    case KIND_MAP: break;
    }
    if (!good) {
        return error_set(error, STATUS_PROTOCOL, "'%.80s' is not %s", text, wanted);
    }
    return STATUS_OK;
}

enum status config_item_check(const struct config_key *key, size_t index, const char *text,
                              struct error *error)
{
    if (key->kind == KIND_ARGV && !has_good_braces(text)) {
        return error_set(error, STATUS_PROTOCOL,
                         "'%.80s' has a brace that is not a placeholder such as {target}", text);
    }
    if (key->kind == KIND_ARGV && index == 0 && (!is_path(text) || strchr(text, '{') != NULL)) {
        return error_set(error, STATUS_PROTOCOL,
                         "the program '%.80s' is not an absolute path without placeholders", text);
    }
    return text_check(key->kind, text, error);
}

enum status config_scalar_read(const struct config_key *key, const char *text, void *field,
                               struct error *error)
{
    switch (key->kind) {
    case KIND_BOOL:
        if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0) {
            return error_set(error, STATUS_PROTOCOL, "'%.80s' is not true or false", text);
        }
        *(bool *)field = text[0] == 't';
        return STATUS_OK;
    case KIND_COUNT:
    case KIND_SIZE:
    case KIND_DURATION: return number_field_read(key, text, field, error);
    case KIND_CHOICE: return choice_read(key, text, field, error);
    case KIND_TEXT:
    case KIND_WORD:
    case KIND_NAME:
    case KIND_PATH:
    case KIND_BUNDLE:
    case KIND_URL:
    case KIND_LISTEN: {
        TRY(text_check(key->kind, text, error));
        char **place = field;
        free(*place);
        *place = heap_strdup(text);
        return STATUS_OK;
    }
    case KIND_STRINGS:
    case KIND_URLS:
    case KIND_FILES:
    case KIND_ARGV:
    case KIND_TARGETS:
    case KIND_SECTION:
    case KIND_OPTIONAL:
    case KIND_LIST:
    case KIND_MAP: break;
    }
    check_failed("a part is not a scalar", __FILE__, __LINE__);
    return STATUS_PROTOCOL;
}
