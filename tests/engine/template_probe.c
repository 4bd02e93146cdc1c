/* Expands templates for check_templates.py: each argument behind the first three is one.
 *
 *     template_probe VALUE 'name=value,...' 'external=value,...' TEMPLATE...
 *
 * A line each: "parse " or "run ", and the text between quotes. query answers the metric q. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/engine/template.h"

enum { LABELS_MAX = 16, TEXT_BYTES = 64 * 1024 };

static enum status answer(void *context, const char *text, struct instant now, struct arena *arena,
                          struct template_vector *ret, struct error *error)
{
    static const struct label b[] = {{"__name__", "q"}, {"instance", "b"}};
    static const struct label a[] = {{"__name__", "q"}, {"instance", "a"}};
    (void)context;
    (void)now;
    if (strcmp(text, "nope") == 0) {
        return STATUS_OK;
    }
    if (strcmp(text, "q") != 0) {
        return error_set(error, STATUS_PROTOCOL, "only q and nope are known here");
    }
    ret->samples = arena_alloc(arena, 2 * sizeof *ret->samples);
    ret->samples[0] = (struct template_sample){a, 2, 2};
    ret->samples[1] = (struct template_sample){b, 2, 7.5};
    ret->count = 2;
    return STATUS_OK;
}

static size_t labels_read(char *text, struct label *ret)
{
    size_t count = 0;
    for (char *end, *name = text; *name && count < LABELS_MAX; name = end) {
        end = name + strcspn(name, ",");
        end += *end ? (*end = '\0', 1) : 0;
        char *value = strchr(name, '=');
        if (value) {
            *value++ = '\0';
            ret[count++] = (struct label){name, value};
        }
    }
    return count;
}

static void print_quoted(const char *word, const char *text)
{
    printf("%s \"", word);
    for (; *text; text++) {
        if (*text == '\n') {
            printf("\\n");
        } else if (*text == '\t') {
            printf("\\t");
        } else {
            printf(*text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
        }
    }
    printf("\"\n");
}

int main(int argc, char **argv)
{
    struct label labels[LABELS_MAX], external[LABELS_MAX];
    static char text[TEXT_BYTES];
    char name[16];
    if (argc < 4) {
        return 2;
    }
    struct template_data data = {.labels = labels,
                                 .label_count = labels_read(argv[2], labels),
                                 .external = external,
                                 .external_count = labels_read(argv[3], external),
                                 .alert_name = name,
                                 .value = strtod(argv[1], NULL),
                                 .query = answer};
    for (int i = 4; i < argc; i++) {
        struct template *t;
        struct error error;
        snprintf(name, sizeof name, "A%d", i - 4);
        if (template_new(argv[i], &t, &error) != STATUS_OK) {
            print_quoted("parse", error.message);
            continue;
        }
        /* After an error, too, the text says what Prometheus would say. */
        enum status status = template_run(t, &data, text, sizeof text, &error);
        CHECK(status == STATUS_OK || strncmp(text, "<error", 6) == 0);
        print_quoted("run", text);
        template_free(t);
    }
    return 0;
}
