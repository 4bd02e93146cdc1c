/* What heald answers, for eyes: escaped, aligned, in local time. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/healctl/command.h"

const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

int64_t integer_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* Bytes of the character at text; 0 when it must be escaped. Jansson gives valid UTF-8. */
static size_t character_bytes(const unsigned char *text)
{
    if (text[0] < 0x20 || text[0] == 0x7f || (text[0] == 0xc2 && text[1] < 0xa0)) {
        return 0; /* C0, DEL, C1 */
    }
    if (text[0] == 0xe2 && ((text[1] == 0x80 && text[2] >= 0x8b && text[2] <= 0xaf) ||
                            (text[1] == 0x81 && text[2] >= 0xa0 && text[2] <= 0xaf))) {
        return 0; /* invisible, and what turns the direction of writing */
    }
    return text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : text[0] >= 0xc0 ? 2 : 1;
}

void show_to(FILE *out, const char *text, int width)
{
    const unsigned char *p = (const unsigned char *)text;
    int columns = 0;
    while (*p != '\0' && (width == 0 || columns < width)) {
        size_t bytes = character_bytes(p);
        if (bytes == 0) {
            columns += fprintf(out, "\\x%02x", *p);
            p += 1;
            while ((*p & 0xc0) == 0x80) {
                columns += fprintf(out, "%02x", *p);
                p++;
            }
        } else {
            fwrite(p, 1, bytes, out);
            p += bytes;
            columns++;
        }
    }
    if (width > 0) {
        fprintf(out, "%*s", columns < width ? width - columns : 0, "");
    }
}

void show(const char *text, int width)
{
    show_to(stdout, text, width);
}

void show_json(const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENSURE_ASCII);
    CHECK(text != NULL);
    puts(text);
    free(text);
    fflush(stdout);
}

static bool seconds_of(const json_t *value, time_t *ret)
{
    struct tm parts = {0};
    if (json_is_number(value)) {
        double seconds = json_number_value(value);
        *ret = (time_t)seconds;
        return isfinite(seconds) && fabs(seconds) < 1e11;
    }
    const char *text = json_string_value(value);
    const char *rest = text != NULL ? strptime(text, "%Y-%m-%dT%H:%M:%S", &parts) : NULL;
    if (rest == NULL || strchr(rest, 'Z') == NULL) {
        return false;
    }
    *ret = timegm(&parts);
    return true;
}

/* As the local clock has it; false when it is no time. */
static bool parts_of(const json_t *value, struct tm *ret)
{
    time_t seconds = 0;
    return seconds_of(value, &seconds) && localtime_r(&seconds, ret) != NULL;
}

void show_time(const json_t *value)
{
    struct tm parts;
    char text[32] = "-       ";
    if (parts_of(value, &parts)) {
        strftime(text, sizeof(text), "%H:%M:%S", &parts);
    }
    fputs(text, stdout);
}

void show_date(const json_t *value)
{
    struct tm parts;
    char text[32] = "-                  ";
    if (parts_of(value, &parts)) {
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &parts);
    }
    fputs(text, stdout);
}

void show_id(const json_t *value, int width)
{
    char text[32];
    if (json_is_integer(value)) {
        snprintf(text, sizeof(text), "%" PRId64, (int64_t)json_integer_value(value));
        show(text, width);
    } else {
        show(json_is_string(value) ? json_string_value(value) : "-", width);
    }
}

void show_table(const json_t *rows, const struct column *columns, size_t count)
{
    size_t index = 0;
    json_t *row = NULL;
    for (size_t i = 0; i < count; i++) {
        show(columns[i].title, i + 1 < count ? columns[i].width : 0);
        fputs(i + 1 < count ? "  " : "\n", stdout);
    }
    json_array_foreach((json_t *)(uintptr_t)rows, index, row)
    {
        for (size_t i = 0; i < count; i++) {
            const json_t *value = json_object_get(row, columns[i].key);
            int width = i + 1 < count ? columns[i].width : 0;
            if (strcmp(columns[i].key, "opened") == 0 ||
                strcmp(columns[i].key, "last_answer") == 0) {
                show_time(value);
            } else if (json_is_boolean(value)) {
                show(json_is_true(value) ? "yes" : "no", width);
            } else {
                show_id(value, width);
            }
            fputs(i + 1 < count ? "  " : "\n", stdout);
        }
    }
}

void show_record(const json_t *record)
{
    show_time(json_object_get(record, "time"));
    fputs("  ", stdout);
    show(text_of(record, "word")[0] != '\0' ? text_of(record, "word") : text_of(record, "kind"),
         13);
    if (text_of(record, "action")[0] != '\0') {
        show(text_of(record, "action"), 0);
        fputs(text_of(record, "target")[0] != '\0' || text_of(record, "text")[0] != '\0' ? "  "
                                                                                         : "",
              stdout);
    }
    if (text_of(record, "target")[0] != '\0') {
        fputs("[", stdout);
        show(text_of(record, "target"), 0);
        fputs("]  ", stdout);
    }
    show(text_of(record, "text"), 0);
    fputs("\n", stdout);
    fflush(stdout);
}
