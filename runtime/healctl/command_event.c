/* healctl event: one POST to heald's listener. */
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/healctl/command.h"

enum { ANSWER_BYTES = 1024, URL_BYTES = 400, HEADER_BYTES = 1100, STATUS_NO_CONTENT = 204 };

struct answer {
    char text[ANSWER_BYTES];
    size_t length;
};

static size_t take_answer(char *bytes, size_t size, size_t count, void *ctx)
{
    struct answer *answer = ctx;
    const size_t all = size * count, room = sizeof answer->text - 1 - answer->length;
    memcpy(answer->text + answer->length, bytes, all < room ? all : room);
    answer->length += all < room ? all : room;
    return all;
}

static json_t *text_json(const char *text)
{
    json_t *string = json_string(text);
    if (string == NULL) {
        fputs("healctl: what is not UTF-8 cannot be sent\n", stderr);
    }
    return string;
}

/* service=checkout */
static bool add_label(json_t *labels, const char *argument)
{
    const char *equals = strchr(argument, '=');
    char name[128];
    if (equals == NULL || equals == argument || (size_t)(equals - argument) >= sizeof name) {
        fprintf(stderr, "healctl: '%s' is no LABEL=VALUE\n", argument);
        return false;
    }
    snprintf(name, sizeof name, "%.*s", (int)(equals - argument), argument);
    json_t *value = text_json(equals + 1);
    return value != NULL && json_object_set_new(labels, name, value) == 0;
}

/* A number of seconds as such; anything else is heald's to read. */
static json_t *time_json(const char *text)
{
    char *end = NULL;
    const double seconds = strtod(text, &end);
    return end != text && *end == '\0' ? json_real(seconds) : text_json(text);
}

/* NULL after a report. */
static char *body_of(const struct options *options)
{
    json_t *event = json_object(), *labels = json_object();
    bool good = json_object_set_new(event, "kind", text_json(options->argument)) == 0;
    for (char *const *more = options->more; good && *more != NULL; more++) {
        good = add_label(labels, *more);
    }
    good = json_object_set_new(event, "labels", labels) == 0 && good;
    if (good && options->text != NULL) {
        good = json_object_set_new(event, "text", text_json(options->text)) == 0;
    }
    if (good && options->time != NULL) {
        good = json_object_set_new(event, "time", time_json(options->time)) == 0;
    }
    char *body = good ? json_dumps(event, JSON_COMPACT) : NULL;
    json_decref(event);
    return body;
}

/* The first line of the token's file as a header; false after a report. */
static bool header_of(const char *path, char ret[HEADER_BYTES])
{
    char token[HEADER_BYTES - 64] = "";
    FILE *file = fopen(path, "re");
    const bool got = file != NULL && fgets(token, sizeof token, file) != NULL;
    if (file != NULL) {
        fclose(file);
    }
    token[strcspn(token, "\r\n")] = '\0';
    if (!got || token[0] == '\0') {
        fprintf(stderr, "healctl: no token can be read from '%s'\n", path);
        return false;
    }
    snprintf(ret, HEADER_BYTES, "Authorization: Bearer %s", token);
    memset(token, 0, sizeof token);
    return true;
}

static int exit_code(long status)
{
    return status == STATUS_NO_CONTENT ? CONTROL_OK
           : status == 401             ? CONTROL_DENIED
           : status == 404             ? CONTROL_NOT_FOUND
           : status == 503             ? CONTROL_NEGATIVE
                                       : CONTROL_USAGE;
}

static int say(const struct options *options, long status, const struct answer *answer)
{
    const int code = exit_code(status);
    if (options->json) {
        json_t *text = json_string(answer->text);
        json_t *all = json_pack("{s:b, s:I, s:o}", "ok", code == CONTROL_OK, "status",
                                (json_int_t)status, "text", text ? text : json_string(""));
        show_json(all);
        json_decref(all);
    } else if (code == CONTROL_OK) {
        puts("taken");
    } else {
        fputs("healctl: ", stderr);
        if (status == 404 || status == 405) {
            fputs("heald takes no events: heald.yaml needs events: {enabled: true}", stderr);
        } else {
            show_to(stderr, answer->text[0] != '\0' ? answer->text : "heald says no", 0);
        }
        fputs("\n", stderr);
    }
    return code;
}

static int post(const struct options *options, const char *body, struct curl_slist *headers)
{
    char url[URL_BYTES];
    long status = 0;
    struct answer answer = {.length = 0};
    CURL *curl = curl_easy_init();
    CHECK(curl != NULL);
    snprintf(url, sizeof url, "http://%.300s/api/v1/events", options->listen);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(options->timeout.ns / NS_PER_MS));
    const CURLcode result = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    if (result != CURLE_OK) {
        fprintf(stderr, "healctl: heald's listener at %s does not answer: %s\n", options->listen,
                curl_easy_strerror(result));
        return CONTROL_UNREACHABLE;
    }
    while (answer.length > 0 && answer.text[answer.length - 1] == '\n') {
        answer.text[--answer.length] = '\0';
    }
    return say(options, status, &answer);
}

int command_event(const struct options *options)
{
    char header[HEADER_BYTES] = "";
    if (options->listen == NULL || strcmp(options->listen, "none") == 0) {
        fprintf(stderr, "healctl: heald's listener is not known (-c or --listen)\n");
        return CONTROL_USAGE;
    }
    if (options->token_file != NULL && !header_of(options->token_file, header)) {
        return CONTROL_USAGE;
    }
    char *body = body_of(options);
    if (body == NULL) {
        return CONTROL_USAGE;
    }
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    headers = header[0] != '\0' ? curl_slist_append(headers, header) : headers;
    const int code = post(options, body, headers);
    curl_slist_free_all(headers);
    memset(header, 0, sizeof header);
    free(body);
    return code;
}
