/* OpenMetrics text under libFuzzer: any bytes are samples or an error with a place, and what the
 * strict check takes a scrape takes too. */
#include "lang/base.h"
#include "runtime/ingest/exposition.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *body = (const char *)data;
    struct exposition exposition;
    struct exposition_item item;
    struct error error = {""}, strict_error = {""};
    enum status status;
    size_t items = 0;
    exposition_init(&exposition, EXPOSITION_OPENMETRICS, body, size, NULL);
    while ((status = exposition_next(&exposition, &item, &error)) == STATUS_OK &&
           item.kind != EXPOSITION_END) {
        CHECK(++items <= size);
    }
    CHECK(status == STATUS_OK || error.message[0] != '\0');
    bool strict = openmetrics_check(body, size, &strict_error) == STATUS_OK;
    CHECK(strict ? status != STATUS_PROTOCOL : strict_error.message[0] != '\0');
    return 0;
}
