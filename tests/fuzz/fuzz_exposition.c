/* The scraped text format under libFuzzer: any bytes are samples or an error with a place. */
#include "lang/base.h"
#include "runtime/ingest/exposition.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct exposition exposition;
    struct exposition_item item;
    struct error error = {""};
    enum status status;
    size_t items = 0;
    exposition_init(&exposition, EXPOSITION_TEXT, (const char *)data, size, NULL);
    while ((status = exposition_next(&exposition, &item, &error)) == STATUS_OK &&
           item.kind != EXPOSITION_END) {
        CHECK(++items <= size);
    }
    CHECK(status == STATUS_OK || error.message[0] != '\0');
    return 0;
}
