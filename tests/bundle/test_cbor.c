/* Deterministic CBOR: the examples of RFC 8949 in one form each, and nothing else. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/bundle/cbor.h"
#include "tests/unit.h"

struct bytes {
    uint8_t at[4096];
    size_t length;
};

static struct bytes from_hex(const char *hex)
{
    struct bytes bytes = {.length = strlen(hex) / 2};
    for (size_t i = 0; i < bytes.length; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        bytes.at[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return bytes;
}

typedef void value_f(struct cbor *cbor, void *value);
static void code_uint(struct cbor *cbor, void *value)
{
    cbor_uint(cbor, value, UINT64_MAX);
}
static void code_double(struct cbor *cbor, void *value)
{
    cbor_double(cbor, value);
}
static void code_text(struct cbor *cbor, void *value)
{
    cbor_text(cbor, value, 64);
}
static void code_bool(struct cbor *cbor, void *value)
{
    cbor_bool(cbor, value);
}
static void code_view4(struct cbor *cbor, void *value)
{
    cbor_view(cbor, value, 4);
}
static void code_list(struct cbor *cbor, void *value)
{
    size_t *count = value;
    cbor_items(cbor, NULL, count, 30, 1, 1);
}

static void written_is(value_f *code, void *value, const char *hex)
{
    struct cbor cbor;
    struct error error;
    struct bytes wanted = from_hex(hex);
    uint8_t *bytes = NULL;
    size_t length = 0;
    cbor_write(&cbor, 1000, &error);
    code(&cbor, value);
    assert_int_equal(cbor_take(&cbor, &bytes, &length), STATUS_OK);
    assert_int_equal(length, wanted.length);
    assert_memory_equal(bytes, wanted.at, length);
    free(bytes);
}

/* room: at least as large as any value; gives the status. */
static enum status read_from(value_f *code, const struct bytes *bytes, void *ret)
{
    struct cbor cbor;
    struct arena arena = {0};
    struct error error;
    /* On the heap and exactly as long, so that a sanitizer sees a byte too many. */
    uint8_t *exact = heap_alloc(bytes->length + (bytes->length == 0));
    memcpy(exact, bytes->at, bytes->length);
    cbor_read(&cbor, exact, bytes->length, &arena, &error);
    code(&cbor, ret);
    enum status status = cbor_end(&cbor);
    arena_release(&arena);
    free(exact);
    return status;
}

static void numbers_are_those_of_the_standard(void **state)
{
    static const struct {
        uint64_t value;
        const char *hex;
    } rows[] = {{0, "00"},
                {1, "01"},
                {23, "17"},
                {24, "1818"},
                {255, "18ff"},
                {256, "190100"},
                {1000, "1903e8"},
                {65535, "19ffff"},
                {65536, "1a00010000"},
                {1000000, "1a000f4240"},
                {1000000000000, "1b000000e8d4a51000"},
                {UINT64_MAX, "1bffffffffffffffff"}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t value = rows[i].value, got = 0;
        struct bytes bytes = from_hex(rows[i].hex);
        written_is(code_uint, &value, rows[i].hex);
        assert_int_equal(read_from(code_uint, &bytes, &got), STATUS_OK);
        assert_int_equal(got, value);
    }
}

static void doubles_are_those_of_the_standard(void **state)
{
    static const struct {
        double value;
        const char *hex;
    } rows[] = {{0.0, "f90000"},
                {1.0, "f93c00"},
                {1.1, "fb3ff199999999999a"},
                {1.5, "f93e00"},
                {65504.0, "f97bff"},
                {65505.0, "fa477fe100"},
                {100000.0, "fa47c35000"},
                {3.4028234663852886e+38, "fa7f7fffff"},
                {1.0e+300, "fb7e37e43c8800759c"},
                {5.960464477539063e-8, "f90001"},
                {0.00006103515625, "f90400"},
                {0.000060975551605224609375, "f903ff"},
                {1.401298464324817e-45, "fa00000001"},
                {4.9e-324, "fb0000000000000001"},
                {INFINITY, "f97c00"}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        double value = rows[i].value, got = -1;
        struct bytes bytes = from_hex(rows[i].hex);
        written_is(code_double, &value, rows[i].hex);
        assert_int_equal(read_from(code_double, &bytes, &got), STATUS_OK);
        assert_memory_equal(&got, &value, sizeof(value));
    }
}

static void other_forms_are_refused(void **state)
{
    static const struct {
        value_f *code;
        const char *hex;
    } rows[] = {
        {code_uint, ""},
        {code_uint, "1817"},
        {code_uint, "1900ff"},
        {code_uint, "1a0000ffff"},
        {code_uint, "18"},
        {code_uint, "1b00000000ffffffff"},
        {code_uint, "1c"},
        {code_uint, "1f"},
        {code_uint, "20"},
        {code_uint, "c001"},
        {code_uint, "0000"},
        {code_uint, "f90000"},
        {code_double, "fa3f800000"}, /* 1.0 fits in half the bytes */
        {code_double, "fb3ff0000000000000"},
        {code_double, "f98000"},             /* minus zero */
        {code_double, "f97e00"},             /* NaN */
        {code_double, "f9fc00"},             /* minus infinity */
        {code_double, "fa7f800000"},         /* infinity in four bytes */
        {code_double, "fb7ff0000000000001"}, /* a NaN with a payload */
        {code_double, "f93c"},
        {code_double, "01"},
        {code_text, "61"},
        {code_text, "6100"},
        {code_text, "610a"},
        {code_text, "617f"},
        {code_text, "62c285"}, /* a control character above ASCII */
        {code_text, "62c080"},
        {code_text, "63eda080"},
        {code_text, "63e09fbf"},
        {code_text, "64f08fbfbf"},
        {code_text, "64f4908080"},
        {code_text, "61c3"},
        {code_text, "7f6161ff"},
        {code_text, "4161"},
        {code_text, "7bffffffffffffffff61"},
        {code_bool, "f6"},
        {code_bool, "00"},
        {code_view4, "4301020304"},
        {code_view4, "44010203"},
        {code_view4, "5f4401020304ff"},
        {code_view4, "6461626364"},
        {code_list, "9fff"},
        {code_list, "9bffffffffffffffff"},
        {code_list, "9a00100000"},
        {code_list, "181f"},
        {code_list, "98200000"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bytes bytes = from_hex(rows[i].hex);
        union {
            uint64_t number;
            double real;
            const void *pointer;
            bool yes;
            size_t count;
        } value = {0};
        if (read_from(rows[i].code, &bytes, &value) == STATUS_OK) {
            fail_msg("'%s' was accepted", rows[i].hex);
        }
    }
}

static void every_half_float_reads_as_what_writes_it_or_not_at_all(void **state)
{
    (void)state;
    for (unsigned half = 0; half <= UINT16_MAX; half++) {
        char hex[8];
        double value = -1;
        snprintf(hex, sizeof(hex), "f9%04x", half);
        struct bytes bytes = from_hex(hex);
        bool good = read_from(code_double, &bytes, &value) == STATUS_OK;
        assert_int_equal(good, half <= 0x7c00); /* from zero to infinity */
        if (good) {
            written_is(code_double, &value, hex);
        }
    }
}

static void any_double_is_read_as_it_was_written(void **state)
{
    uint64_t seed = 88172645463325252;
    (void)state;
    for (int i = 0; i < 200000; i++) {
        struct cbor cbor;
        struct error error;
        struct bytes bytes = {.length = 0};
        uint8_t *made = NULL;
        double value, got = -1;
        seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
        /* All widths: the low bits of the fraction are often gone. */
        uint64_t bits = (seed >> 1) & (i % 3 == 0 ? ~0ULL : i % 3 == 1 ? ~0ULL << 29 : ~0ULL << 42);
        memcpy(&value, &bits, sizeof(value));
        if (isnan(value)) {
            continue;
        }
        cbor_write(&cbor, 16, &error);
        cbor_double(&cbor, &value);
        assert_int_equal(cbor_take(&cbor, &made, &bytes.length), STATUS_OK);
        memcpy(bytes.at, made, bytes.length);
        free(made);
        assert_int_equal(read_from(code_double, &bytes, &got), STATUS_OK);
        assert_memory_equal(&got, &value, sizeof(value));
    }
}

static void a_writer_stops_at_its_limit_and_what_has_no_form_is_refused(void **state)
{
    struct cbor cbor;
    struct error error;
    uint8_t *bytes = NULL;
    size_t length = 0;
    double nan = NAN, below = -1;
    const char *dirty = "a\nb";
    const void *view = "abcdef";
    (void)state;
    cbor_write(&cbor, 6, &error);
    cbor_view(&cbor, &view, 6);
    assert_int_equal(cbor_take(&cbor, &bytes, &length), STATUS_LIMIT);
    cbor_write(&cbor, 60, &error);
    cbor_double(&cbor, &nan);
    assert_int_equal(cbor_take(&cbor, &bytes, &length), STATUS_PROTOCOL);
    cbor_write(&cbor, 60, &error);
    cbor_double(&cbor, &below);
    assert_int_equal(cbor_take(&cbor, &bytes, &length), STATUS_PROTOCOL);
    cbor_write(&cbor, 60, &error);
    cbor_text(&cbor, &dirty, 10);
    assert_int_equal(cbor_take(&cbor, &bytes, &length), STATUS_PROTOCOL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_those_of_the_standard),
        cmocka_unit_test(doubles_are_those_of_the_standard),
        cmocka_unit_test(other_forms_are_refused),
        cmocka_unit_test(every_half_float_reads_as_what_writes_it_or_not_at_all),
        cmocka_unit_test(any_double_is_read_as_it_was_written),
        cmocka_unit_test(a_writer_stops_at_its_limit_and_what_has_no_form_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
