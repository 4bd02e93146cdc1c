/* Templates: any text is parsed or refused, and expands within its limits. */
#include <stdlib.h>
#include <string.h>

#include "runtime/engine/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum status answer(void *context, const char *text, struct instant now, struct arena *arena,
                          struct template_vector *ret, struct error *error)
{
    static const struct label labels[] = {{"__name__", "q"}, {"instance", "b"}};
    (void)context;
    (void)now;
    if (text[0] == '!') {
        return error_set(error, STATUS_PROTOCOL, "refused");
    }
    ret->samples = arena_alloc(arena, 2 * sizeof *ret->samples);
    ret->samples[0] = ret->samples[1] = (struct template_sample){labels, 2, 1.5};
    ret->count = 2;
    return STATUS_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct label labels[] = {{"instance", "a:80"}, {"job", "b<&>\"'\n\xff"}};
    static char text[4096];
    struct template_data with = {.labels = labels,
                                 .label_count = 2,
                                 .external_url = "http://h:1/p",
                                 .alert_name = "A",
                                 .value = 1234.5,
                                 .query = answer};
    struct template *t;
    struct error error;
    char *source = heap_alloc(size + 1);
    memcpy(source, data, size);
    if (template_new(source, &t, &error) == STATUS_OK) {
        enum status status = template_run(t, &with, text, sizeof text, &error);
        CHECK(strlen(text) < sizeof text);
        CHECK(status == STATUS_OK || strncmp(text, "<error expanding template: ", 27) == 0);
        template_free(t);
    }
    free(source);
    return 0;
}
