/* Readers of sample files: what they take and what they refuse, with the place. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/data/data.h"
#include "tests/unit.h"

static enum status read_text(struct data *data, struct store *store, const char *ending,
                             const char *text, struct error *error)
{
    char path[] = "/tmp/heal_data_XXXXXX.csv";
    uint32_t source = 0;
    size_t cut = strlen(path) - 4;
    int fd = mkstemps(path, 4);
    assert_true(fd >= 0);
    close(fd);
    char named[64];
    snprintf(named, sizeof named, "%.*s%s", (int)cut, path, ending);
    assert_int_equal(rename(path, named), 0);
    FILE *file = fopen(named, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(
        store_source(store, "f", duration_seconds(1), duration_seconds(1), &source, error),
        STATUS_OK);
    enum status status = data_read(data, store, source, named, "m", error);
    unlink(named);
    return status;
}

static void times_are_read_in_every_documented_form(void **state)
{
    (void)state;
    const struct {
        const char *text;
        int64_t ms;
    } rows[] = {{"1396310400", 1396310400000},
                {"1396310400.25", 1396310400250},
                {"1396310400250", 1396310400250},
                {"2014-04-01 00:00:00", 1396310400000},
                {"2014-04-01T00:00:00Z", 1396310400000},
                {"2014-04-01T02:00:00.5+02:00", 1396310400500},
                {"2014-03-31T22:30:00-01:30", 1396310400000}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct instant t;
        assert_true(data_time(rows[i].text, &t));
        assert_int_equal(t.ns, rows[i].ms * NS_PER_MS);
    }
    const char *const bad[] = {"",      "x",   "2014-13-01 00:00:00",  "2014-04-01",
                               "1e300", "nan", "2014-04-01T00:00:00Zx"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct instant t;
        assert_false(data_time(bad[i], &t));
    }
}

static void samples_of_both_formats_are_read(void **state)
{
    (void)state;
    struct store *store = store_new(NULL);
    struct data data = {0};
    struct error error;
    assert_int_equal(read_text(&data, store, ".csv",
                               "timestamp,pod,value\r\n2,a,1.5\r\n1,\"b,\"\"c\",NaN\r\n", &error),
                     STATUS_OK);
    assert_int_equal(read_text(&data, store, ".om",
                               "# TYPE y gauge\ny{pod=\"a\\\"\\n\",b=\"\"} +Inf 3.5 # {} 1\n"
                               "y 4 0.001\n# EOF\n",
                               &error),
                     STATUS_OK);
    data_sort(&data);
    assert_int_equal(data.count, 4);
    assert_int_equal(data.samples[0].time.ns, NS_PER_MS);
    assert_true(isnan(data.samples[1].value) && data.samples[2].value == 1.5);
    assert_true(isinf(data.samples[3].value) && data.samples[3].time.ns == 3500 * NS_PER_MS);
    data_release(&data);
    store_free(store);
}

static void bad_data_is_refused_with_its_line(void **state)
{
    (void)state;
    const struct {
        const char *ending, *text, *want;
    } rows[] = {
        {".om", "x 1 1\nx{a=1} 1 2\n", ":2: expected a label value"},
        {".om", "x 1\n", ":1: expected a timestamp"},
        {".om", "x one 1\n", ":1: expected a number"},
        {".om", "x{a=\"b\" 1 1\n", ":1: expected ',' or '}'"},
        {".om", "x{a=\"b", ":1: expected a label value"},
        {".om", "x{", ":1: expected a label"},
        {".om", "x{a=\"1\",a=\"2\"} 1 1\n", ":1: series 'x' has the label 'a' twice"},
        {".om", "1x 1 1\n", ":1: expected a metric name"},
        {".om", "x 1 1 2\n", ":1: unexpected text"},
        {".csv", "time,value\n", ":1: expected a header"},
        {".csv", "timestamp,value\n1,2\n1,2,3\n", ":3: the number of fields"},
        {".csv", "timestamp,a,value\n1,\"x\"y,2\n", ":2: the number of fields"},
        {".csv", "timestamp,value\nsoon,2\n", ":2: the first field"},
        {".csv", "timestamp,value\n1,many\n", ":2: the last field"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct store *store = store_new(NULL);
        struct data data = {0};
        struct error error = {""};
        assert_int_equal(read_text(&data, store, rows[i].ending, rows[i].text, &error),
                         STATUS_PROTOCOL);
        if (!strstr(error.message, rows[i].want)) {
            fail_msg("row %zu: %s", i, error.message);
        }
        data_release(&data);
        store_free(store);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read_in_every_documented_form),
        cmocka_unit_test(samples_of_both_formats_are_read),
        cmocka_unit_test(bad_data_is_refused_with_its_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
