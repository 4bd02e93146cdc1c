/* healctl top: operators by their share of the time of evaluation. */
#include <inttypes.h>

#include "runtime/healctl/command.h"

enum { OPERATOR_WIDTH = 32, PLACE_WIDTH = 28 };

static void show_operator(const json_t *row)
{
    printf("%5.1f%%  %9.1f  %8" PRId64 "  ", json_number_value(json_object_get(row, "share")) * 100,
           json_number_value(json_object_get(row, "ns_per_slot")),
           (int64_t)json_integer_value(json_object_get(row, "slots")));
    show(text_of(row, "by"), 9);
    fputs("  ", stdout);
    show(text_of(row, "operator"), OPERATOR_WIDTH);
    fputs("  ", stdout);
    bool last = text_of(row, "policy")[0] == '\0';
    show(text_of(row, "place"), last ? 0 : PLACE_WIDTH);
    fputs(last ? "" : "  ", stdout);
    show(text_of(row, "policy"), 0);
    fputs("\n", stdout);
}

static void show_operators(const json_t *answer)
{
    size_t index = 0;
    json_t *row = NULL;
    printf("%" PRId64 " ticks were timed, one in %" PRId64 "\n",
           (int64_t)json_integer_value(json_object_get(answer, "ticks")),
           (int64_t)json_integer_value(json_object_get(answer, "every")));
    if (json_array_size(json_object_get(answer, "operators")) == 0) {
        return;
    }
    printf("\n%6s  %9s  %8s  %-9s  %-*s  %-*s  %s\n", "SHARE", "NS/SLOT", "SLOTS", "BY",
           OPERATOR_WIDTH, "OPERATOR", PLACE_WIDTH, "PLACE", "POLICY");
    json_array_foreach(json_object_get(answer, "operators"), index, row)
    {
        show_operator(row);
    }
}

int command_top(const struct options *options)
{
    int code = CONTROL_OK;
    json_t *answer = ask(options, json_pack("{s:s}", "command", "top"), &code);
    if (answer == NULL) {
        return code;
    }
    if (options->json) {
        show_json(answer);
    } else {
        show_operators(answer);
    }
    json_decref(answer);
    return CONTROL_OK;
}
