/* Rule files and unit tests: any bytes are read or refused, and what is imported holds no NUL and
 * grows with its file only. */
#include <stdlib.h>
#include <string.h>

#include "compiler/rules/importer.h"
#include "compiler/rules/unit_file.h"
#include "runtime/engine/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool template_check(const char *text, char *why, size_t size)
{
    struct template *t;
    struct error error = {""};
    if (template_new(text, &t, &error) != STATUS_OK) {
        memcpy(why, "no", size < 3 ? size : 3);
        return false;
    }
    template_free(t);
    return true;
}

static void import_all(const char *text, size_t size)
{
    static const struct importer_options options = {.interval_ms = 60000};
    struct arena arena = {0};
    struct rules_report report = {0};
    struct importer import;
    const struct rule_file *file = rule_file_read(&arena, "f", text, size, template_check, &report);
    CHECK(file || report.errors > 0);
    importer_init(&import, &options, &report);
    if (file) {
        importer_add_file(&import, file);
        CHECK(strlen(import.text) == import.length);
        CHECK(import.policies + import.signals + import.refused == file->rules);
    }
    importer_release(&import);
    rules_report_release(&report);
    arena_release(&arena);
}

static void unit_all(const char *text, size_t size)
{
    struct arena arena = {0};
    struct rules_report report = {0};
    const struct unit_file *file = unit_file_read(&arena, "f", text, size, &report);
    CHECK(file || report.errors > 0);
    for (const struct unit_test *test = file ? file->tests : NULL; test; test = test->next) {
        for (const struct unit_series *series = test->series; series; series = series->next) {
            struct unit_cursor cursor = {series, 0, 0, 0};
            enum unit_kind kind;
            double value;
            for (int i = 0; i < 1000 && unit_next(&cursor, &kind, &value); i++) {
            }
        }
    }
    rules_report_release(&report);
    arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = heap_alloc(size + 1);
    memcpy(text, data, size);
    import_all(text, size);
    unit_all(text, size);
    free(text);
    return 0;
}
