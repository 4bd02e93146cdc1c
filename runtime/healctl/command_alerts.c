/* healctl alerts: what fires and what is pending, a page of heald's at a time. */
#include <inttypes.h>
#include <string.h>

#include "runtime/healctl/command.h"

enum { STATE_WIDTH = 7, VALUE_WIDTH = 12, POLICY_WIDTH = 28 };

static void show_value(const json_t *value)
{
    char text[32];
    if (json_is_number(value)) {
        snprintf(text, sizeof(text), "%.6g", json_number_value(value));
        show(text, VALUE_WIDTH);
    } else {
        show(json_is_string(value) ? json_string_value(value) : "-", VALUE_WIDTH);
    }
}

static void show_labels(const json_t *labels)
{
    const char *name = NULL, *comma = "";
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)labels, name, value)
    {
        if (strcmp(name, "alertname") != 0) {
            fputs(comma, stdout);
            show(name, 0);
            fputs("=", stdout);
            show(json_is_string(value) ? json_string_value(value) : "-", 0);
            comma = ",";
        }
    }
}

static void show_annotations(const json_t *annotations)
{
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)annotations, name, value)
    {
        fputs("    ", stdout);
        show(name, 0);
        fputs(": ", stdout);
        show(json_is_string(value) ? json_string_value(value) : "-", 0);
        fputs("\n", stdout);
    }
}

static void show_alert(const json_t *alert)
{
    show(text_of(alert, "state"), STATE_WIDTH);
    fputs("  ", stdout);
    show_date(json_object_get(alert, "since"));
    fputs("  ", stdout);
    show_value(json_object_get(alert, "value"));
    fputs("  ", stdout);
    show(text_of(alert, "policy"), POLICY_WIDTH);
    fputs("  ", stdout);
    show_labels(json_object_get(alert, "labels"));
    fputs("\n", stdout);
    show_annotations(json_object_get(alert, "annotations"));
}

static void show_alerts(const json_t *answer)
{
    size_t index = 0;
    json_t *alert = NULL;
    const int64_t more = integer_of(answer, "more");
    if (json_array_size(json_object_get(answer, "alerts")) == 0) {
        puts("no alerts");
        return;
    }
    printf("%" PRId64 " firing, %" PRId64 " pending\n\n%-*s  %-19s  %-*s  %-*s  %s\n",
           integer_of(answer, "firing"), integer_of(answer, "pending"), STATE_WIDTH, "STATE",
           "SINCE", VALUE_WIDTH, "VALUE", POLICY_WIDTH, "POLICY", "LABELS");
    json_array_foreach(json_object_get(answer, "alerts"), index, alert)
    {
        show_alert(alert);
    }
    if (more > 0) {
        printf("and %" PRId64 " more; --all shows them\n", more);
    }
}

static json_t *ask_page(const struct options *options, int64_t after, int *ret_code)
{
    return ask(options,
               json_pack("{s:s, s:I, s:b}", "command", "alerts", "after", (json_int_t)after,
                         "annotations", (int)(options->annotations || options->json)),
               ret_code);
}

/* Asks for the pages behind the answer and adds their alerts to it. The exit code. */
static int ask_others(const struct options *options, json_t *answer)
{
    int code = CONTROL_OK;
    while (code == CONTROL_OK && integer_of(answer, "more") > 0) {
        const int64_t last = integer_of(answer, "last");
        json_t *page = ask_page(options, last, &code);
        if (page == NULL) {
            return code;
        }
        const int64_t next = integer_of(page, "last");
        json_array_extend(json_object_get(answer, "alerts"), json_object_get(page, "alerts"));
        json_object_set_new(answer, "last", json_integer(next));
        json_object_set_new(answer, "more",
                            json_integer(next > last ? integer_of(page, "more") : 0));
        json_decref(page);
    }
    return code;
}

int command_alerts(const struct options *options)
{
    int code = CONTROL_OK;
    json_t *answer = ask_page(options, 0, &code);
    if (answer != NULL && options->all) {
        code = ask_others(options, answer);
    }
    if (answer != NULL && code == CONTROL_OK && options->json) {
        show_json(answer);
    } else if (answer != NULL && code == CONTROL_OK) {
        show_alerts(answer);
    }
    json_decref(answer);
    return code;
}
