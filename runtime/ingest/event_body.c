/* Events from JSON. */
#include "runtime/ingest/event_body.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/ingest/text.h"

enum { DEPTH_MAX = 8 };

/* What is wrong, with the number of the event it is wrong in. */
struct place {
    size_t number; /* from 1 */
    struct error *error;
};

PRINTF_LIKE(2, 3)
static enum status wrong(const struct place *place, const char *fmt, ...)
{
    char why[300];
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, sizeof why, fmt, args);
    va_end(args);
    return error_set(place->error, STATUS_PROTOCOL, "event %zu: %s", place->number, why);
}

/* ---- times ---- */

static bool digits_of(const char *text, size_t count, int *ret)
{
    *ret = 0;
    for (size_t i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        *ret = 10 * *ret + (text[i] - '0');
    }
    return true;
}

/* Fraction and zone of RFC 3339: "", ".25Z", "+01:00". */
static bool read_zone(const char *text, int64_t *ms)
{
    if (*text == '.') {
        int64_t weight = 100;
        for (text++; *text >= '0' && *text <= '9'; text++, weight /= 10) {
            *ms += weight * (*text - '0');
        }
    }
    if (*text == 'Z' || *text == 'z') {
        return text[1] == '\0';
    }
    int hours, minutes;
    if ((*text != '+' && *text != '-') || strlen(text) != 6 || text[3] != ':' ||
        !digits_of(text + 1, 2, &hours) || !digits_of(text + 4, 2, &minutes) || hours > 23 ||
        minutes > 59) {
        return false;
    }
    const int64_t away = (hours * 60 + minutes) * 60000LL;
    *ms += *text == '+' ? -away : away;
    return true;
}

static bool read_rfc3339(const char *text, int64_t *ret_ms)
{
    struct tm tm = {0};
    /* strptime() would take blanks and signs that the standard does not. */
    for (size_t i = 0; i < 19; i++) {
        static const char form[] = "dddd-dd-ddtdd:dd:dd";
        const bool digit = text[i] >= '0' && text[i] <= '9';
        const bool t = text[i] == 'T' || text[i] == 't' || text[i] == ' ';
        if (form[i] == 'd' ? !digit : form[i] == 't' ? !t : text[i] != form[i]) {
            return false;
        }
    }
    char whole[20];
    snprintf(whole, sizeof whole, "%.19s", text);
    whole[10] = 'T';
    const char *end = strptime(whole, "%Y-%m-%dT%H:%M:%S", &tm);
    if (end == NULL || *end != '\0') {
        return false;
    }
    *ret_ms = (int64_t)timegm(&tm) * 1000;
    return read_zone(text + 19, ret_ms);
}

static enum status read_time(const struct place *place, const json_t *value, struct instant now,
                             struct event *event)
{
    const int64_t now_ms = now.ns / NS_PER_MS;
    event->ms = now_ms;
    event->timed = value != NULL;
    if (!value) {
        return STATUS_OK;
    }
    if (json_is_number(value)) {
        const double seconds = json_number_value(value);
        if (!(fabs(seconds) < 1e11)) {
            return wrong(place, "'time' in seconds since 1970 is out of range; is it in "
                                "milliseconds or nanoseconds?");
        }
        event->ms = (int64_t)floor(seconds * 1000 + 0.5);
    } else if (!json_is_string(value) || !read_rfc3339(json_string_value(value), &event->ms)) {
        return wrong(place, "'time' is neither RFC 3339, such as 2026-11-28T14:03:07Z, nor seconds "
                            "since 1970");
    }
    if (event->ms > now_ms + EVENT_FUTURE_MAX_S * 1000LL) {
        return wrong(place, "'time' is %.0f s ahead of this host's clock, at most %d s are taken",
                     (double)(event->ms - now_ms) / 1000, EVENT_FUTURE_MAX_S);
    }
    if (event->ms < now_ms - EVENT_AGE_MAX_S * 1000LL) {
        return wrong(place, "'time' is %.0f s ago, at most %d s are taken",
                     (double)(now_ms - event->ms) / 1000, EVENT_AGE_MAX_S);
    }
    return STATUS_OK;
}

/* ---- texts ---- */

/* A text without control characters: it is shown to people. */
static bool is_plain(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            return false;
        }
    }
    return true;
}

static enum status read_kind(const struct place *place, const json_t *value, const char **ret)
{
    *ret = json_string_value(value);
    if (!value) {
        return wrong(place, "'kind' is missing, such as \"kind\": \"deploy\"");
    }
    if (!*ret || (*ret)[0] == '\0' || strlen(*ret) > EVENT_KIND_BYTES_MAX || !is_plain(*ret)) {
        return wrong(place, "'kind' is a text of 1 to %d bytes without control characters",
                     EVENT_KIND_BYTES_MAX);
    }
    return STATUS_OK;
}

static enum status read_text(const struct place *place, const json_t *value, struct event *event)
{
    const char *text = json_string_value(value);
    if (value && (!text || strlen(text) > EVENT_TEXT_BYTES_MAX || !is_plain(text))) {
        return wrong(place, "'text' is a text of at most %d bytes without control characters",
                     EVENT_TEXT_BYTES_MAX);
    }
    event->text = text ? heap_strdup(text) : NULL;
    return STATUS_OK;
}

static enum status check_label(const struct place *place, const char *name, const json_t *value)
{
    const char *text = json_string_value(value);
    if (!text_label_name_valid(name, strlen(name)) || strncmp(name, "__", 2) == 0) {
        return wrong(place,
                     "'%.100s' is no name of a label: letters, digits and '_', not a digit "
                     "first, nor '__'",
                     is_plain(name) ? name : "(not shown)");
    }
    if (strcmp(name, "kind") == 0) {
        return wrong(place, "the label 'kind' is that of the event; leave it out of 'labels'");
    }
    if (!text || text[0] == '\0' || !is_plain(text)) {
        return wrong(
            place, "the label '%.100s' is a text, not empty and without control characters", name);
    }
    return STATUS_OK;
}

static enum status read_labels(const struct place *place, const char *kind, json_t *labels,
                               struct event *event)
{
    const char *name;
    json_t *value;
    if (labels && !json_is_object(labels)) {
        return wrong(place, "'labels' is an object of texts, such as {\"service\": \"checkout\"}");
    }
    if (json_object_size(labels) > EVENT_LABELS_MAX) {
        return wrong(place, "%zu labels, at most %d are taken", json_object_size(labels),
                     EVENT_LABELS_MAX);
    }
    json_object_foreach(labels, name, value)
    {
        TRY(check_label(place, name, value));
    }
    json_t *set = labels ? json_copy(labels) : json_object();
    json_object_set_new(set, "kind", json_string(kind));
    event->set = json_dumps(set, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(set);
    CHECK(event->set != NULL);
    if (strlen(event->set) > EVENT_SET_BYTES_MAX) {
        return wrong(place, "kind and labels are %zu bytes of JSON, at most %d are taken",
                     strlen(event->set), EVENT_SET_BYTES_MAX);
    }
    return STATUS_OK;
}

/* ---- events ---- */

static enum status check_keys(const struct place *place, json_t *object)
{
    static const char *const keys[] = {"kind", "time", "labels", "text"};
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        const char *nearest = NULL;
        unsigned least = 3;
        bool known = false;
        for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
            const unsigned distance = edit_distance(name, keys[i]);
            known |= distance == 0;
            nearest = distance < least ? keys[i] : nearest;
            least = distance < least ? distance : least;
        }
        if (!known && nearest) {
            return wrong(place, "there is no key '%.60s'; did you mean '%s'?",
                         is_plain(name) ? name : "(not shown)", nearest);
        }
        if (!known) {
            return wrong(place, "there is no key '%.60s'; an event has kind, time, labels and text",
                         is_plain(name) ? name : "(not shown)");
        }
    }
    return STATUS_OK;
}

static enum status read_event(const struct place *place, json_t *object, struct instant now,
                              struct event *ret)
{
    const char *kind;
    if (!json_is_object(object)) {
        return wrong(place, "an event is an object, such as {\"kind\": \"deploy\"}");
    }
    TRY(check_keys(place, object));
    TRY(read_kind(place, json_object_get(object, "kind"), &kind));
    TRY(read_time(place, json_object_get(object, "time"), now, ret));
    TRY(read_text(place, json_object_get(object, "text"), ret));
    return read_labels(place, kind, json_object_get(object, "labels"), ret);
}

static enum status read_all(json_t *root, struct instant now, struct event ret[EVENT_COUNT_MAX],
                            size_t *count, struct error *error)
{
    const bool many = json_is_array(root);
    const size_t size = many ? json_array_size(root) : 1;
    if (!many && !json_is_object(root)) {
        return error_set(error, STATUS_PROTOCOL, "the body is one event or an array of events");
    }
    if (size == 0 || size > EVENT_COUNT_MAX) {
        return error_set(error, STATUS_LIMIT, "a body has 1 to %d events, this one %zu",
                         EVENT_COUNT_MAX, size);
    }
    while (*count < size) {
        const struct place place = {*count + 1, error};
        struct event *event = &ret[(*count)++];
        *event = (struct event){0};
        TRY(read_event(&place, many ? json_array_get(root, place.number - 1) : root, now, event));
    }
    return STATUS_OK;
}

/* Whether brackets nest no deeper than an event's do: asked before the parser recurses. */
static bool is_shallow(const char *text, size_t size)
{
    unsigned depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < size; i++) {
        if (quoted && text[i] == '\\') {
            i++; /* and what it escapes */
        } else if (text[i] == '"') {
            quoted = !quoted;
        } else if (!quoted && (text[i] == '{' || text[i] == '[')) {
            if (++depth > DEPTH_MAX) {
                return false;
            }
        } else if (!quoted && (text[i] == '}' || text[i] == ']')) {
            depth -= depth > 0;
        }
    }
    return true;
}

enum status event_body_read(const char *body, size_t size, struct instant now,
                            struct event ret[EVENT_COUNT_MAX], size_t *ret_count,
                            struct error *error)
{
    json_error_t problem;
    *ret_count = 0;
    if (!is_shallow(body, size)) {
        return error_set(error, STATUS_LIMIT, "brackets are nested more than %d deep", DEPTH_MAX);
    }
    json_t *root = json_loadb(body, size, JSON_REJECT_DUPLICATES, &problem);
    if (!root) {
        return error_set(error, STATUS_PROTOCOL, "the body is no JSON: line %d, column %d: %.150s",
                         problem.line, problem.column,
                         is_plain(problem.text) ? problem.text : "bytes that are not shown");
    }
    size_t count = 0;
    const enum status status = read_all(root, now, ret, &count, error);
    json_decref(root);
    if (status != STATUS_OK) {
        events_release(ret, count);
        return status;
    }
    *ret_count = count;
    return STATUS_OK;
}

void events_release(struct event *events, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(events[i].set);
        free(events[i].text);
        events[i] = (struct event){0};
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

size_t event_set_labels(const char *set, size_t size, struct label ret[EVENT_LABELS_MAX + 1],
                        json_t **ret_json)
{
    const char *name;
    json_t *value;
    size_t count = 0;
    *ret_json =
        size <= EVENT_SET_BYTES_MAX ? json_loadb(set, size, JSON_REJECT_DUPLICATES, NULL) : NULL;
    if (!json_is_object(*ret_json) || json_object_size(*ret_json) > EVENT_LABELS_MAX + 1) {
        return 0;
    }
    json_object_foreach(*ret_json, name, value)
    {
        const char *text = json_string_value(value);
        if (!text || text[0] == '\0' || !text_label_name_valid(name, strlen(name))) {
            return 0;
        }
        ret[count++] = (struct label){name, text};
    }
    qsort(ret, count, sizeof *ret, by_name);
    return count;
}
