/* heald.yaml under libFuzzer: any bytes are refused with a report, or print to what parses to the
 * same. */
#include <stdlib.h>
#include <string.h>

#include "runtime/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *printed(const char *text, size_t length)
{
    struct config config;
    struct config_report report = {0};
    char *ret = NULL;
    if (config_parse("fuzz.yaml", text, length, &config, &report)) {
        ret = config_print(&config, false);
        config_release(&config);
    } else {
        CHECK(report.errors > 0 && report.text);
    }
    config_report_release(&report);
    return ret;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *once = printed((const char *)data, size);
    if (once) {
        char *twice = printed(once, strlen(once));
        CHECK(twice && strcmp(once, twice) == 0);
        free(twice);
        free(once);
    }
    return 0;
}
