/* The scraped text format under libFuzzer: any bytes are samples or an error with a place; and a
 * second reading, with each key predicted, says the same as the first. The first byte chooses the
 * format. */
#include <string.h>

#include "lang/base.h"
#include "runtime/ingest/exposition.h"

enum { SAMPLES_MAX = 2000 };

struct sample {
    struct slice key;
    double value;
    struct instant time;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Samples of a body; with those of an earlier reading, predicted one after the other. */
static size_t read_all(enum exposition_format format, const char *body, size_t size,
                       const struct sample *known, size_t known_count, struct sample *ret,
                       enum status *ret_status)
{
    struct exposition exposition;
    struct exposition_item item;
    struct error error = {""};
    size_t items = 0, count = 0;
    exposition_init(&exposition, format, body, size, NULL);
    for (;;) {
        const struct slice key = count < known_count ? known[count].key : (struct slice){"", 0};
        exposition.predicted = key_mark(key.text, key.size);
        *ret_status = exposition_next(&exposition, &item, &error);
        if (*ret_status != STATUS_OK || item.kind == EXPOSITION_END) {
            break;
        }
        CHECK(++items <= size);
        if (item.kind == EXPOSITION_SAMPLE && count < SAMPLES_MAX) {
            CHECK(known_count == 0 || count >= known_count || item.predicted);
            ret[count++] = (struct sample){item.key, item.value,
                                           item.has_time ? item.time : (struct instant){1}};
        }
    }
    CHECK(*ret_status == STATUS_OK || error.message[0] != '\0');
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sample first[SAMPLES_MAX], second[SAMPLES_MAX];
    enum status status, status_again;
    if (size == 0) {
        return 0;
    }
    const enum exposition_format format = data[0] & 1 ? EXPOSITION_TEXT : EXPOSITION_OPENMETRICS;
    const char *body = (const char *)data + 1;
    size_t count = read_all(format, body, size - 1, NULL, 0, first, &status);
    CHECK(read_all(format, body, size - 1, first, count, second, &status_again) == count);
    CHECK(status == status_again);
    for (size_t i = 0; i < count; i++) {
        CHECK(first[i].key.text == second[i].key.text && first[i].key.size == second[i].key.size);
        CHECK(memcmp(&first[i].value, &second[i].value, sizeof(double)) == 0);
        CHECK(first[i].time.ns == second[i].time.ns);
    }
    return 0;
}
