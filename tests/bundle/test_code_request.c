/* Requests for code and their answers: what was written is read, and nothing else is. */
#include <stdlib.h>
#include <string.h>

#include "runtime/bundle/code_request.h"
#include "tests/unit.h"

static struct bundle_source sources[] = {{.path = "b.heal", .text = "edition 1\n", .length = 10},
                                         {.path = "a.heal", .text = "", .length = 0}};

struct written {
    uint8_t *bytes;
    size_t length;
    uint8_t key[CODE_KEY_BYTES];
};

static struct written request_of(uint64_t tick_ns, enum bundle_cpu cpu, uint32_t abi)
{
    struct error error;
    struct code_request request = {tick_ns, abi, cpu, sources, ARRAY_LEN(sources)};
    struct written w;
    assert_int_equal(code_request_write(&request, &w.bytes, &w.length, &error), STATUS_OK);
    code_request_key(w.bytes, w.length, w.key);
    return w;
}

static void request_that_was_written_is_read(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct code_request got;
    struct error error;
    struct written w = request_of(50 * NS_PER_MS, BUNDLE_V4, 7);
    assert_int_equal(code_request_read(&arena, w.bytes, w.length, &got, &error), STATUS_OK);
    assert_int_equal(got.tick_ns, 50 * NS_PER_MS);
    assert_int_equal(got.cpu, BUNDLE_V4);
    assert_int_equal(got.abi, 7);
    assert_int_equal(got.source_count, 2);
    assert_string_equal(got.sources[0].path, "a.heal");
    assert_memory_equal(got.sources[1].text, "edition 1\n", 10);
    arena_release(&arena);
    free(w.bytes);
}

static void key_is_another_for_each_thing_that_code_depends_on(void **state)
{
    (void)state;
    struct written same = request_of(1, BUNDLE_V3, 1), again = request_of(1, BUNDLE_V3, 1);
    struct written others[4] = {request_of(2, BUNDLE_V3, 1), request_of(1, BUNDLE_V2, 1),
                                request_of(1, BUNDLE_V3, 2)};
    sources[1].text = " ", sources[1].length = 1;
    others[3] = request_of(1, BUNDLE_V3, 1);
    sources[1].text = "", sources[1].length = 0;
    assert_memory_equal(same.key, again.key, CODE_KEY_BYTES);
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        assert_memory_not_equal(same.key, others[i].key, CODE_KEY_BYTES);
        free(others[i].bytes);
    }
    free(same.bytes);
    free(again.bytes);
}

/* A reader's memory is given back whatever it says. */
static enum status read_request(const void *bytes, size_t length, struct error *error)
{
    struct arena arena = {0};
    struct code_request got;
    enum status status = code_request_read(&arena, bytes, length, &got, error);
    arena_release(&arena);
    return status;
}

static void request_of_another_shape_is_refused(void **state)
{
    (void)state;
    struct error error;
    struct code_request request = {1, 1, BUNDLE_NATIVE, sources, ARRAY_LEN(sources)};
    uint8_t *bytes = NULL;
    size_t length = 0;
    assert_int_equal(code_request_write(&request, &bytes, &length, &error), STATUS_PROTOCOL);
    request.cpu = BUNDLE_V3, request.tick_ns = 0;
    assert_int_equal(code_request_write(&request, &bytes, &length, &error), STATUS_PROTOCOL);
    struct written w = request_of(1, BUNDLE_V3, 1);
    for (size_t cut = 0; cut < w.length; cut++) {
        assert_int_not_equal(read_request(w.bytes, cut, &error), STATUS_OK);
    }
    free(w.bytes);
}

static void request_larger_than_the_limit_is_refused_by_writer_and_reader(void **state)
{
    (void)state;
    struct error error;
    char *text = heap_alloc(BUNDLE_SOURCE_BYTES_MAX);
    struct bundle_source large[5];
    struct code_request request = {1, 1, BUNDLE_V3, large, ARRAY_LEN(large)};
    static const char *const names[] = {"a.heal", "b.heal", "c.heal", "d.heal", "e.heal"};
    uint8_t *bytes = NULL;
    size_t length = 0;
    memset(text, ' ', BUNDLE_SOURCE_BYTES_MAX);
    for (size_t i = 0; i < ARRAY_LEN(large); i++) {
        large[i] = (struct bundle_source){
            .path = names[i], .text = text, .length = BUNDLE_SOURCE_BYTES_MAX};
    }
    assert_int_equal(code_request_write(&request, &bytes, &length, &error), STATUS_LIMIT);
    request.source_count = 3;
    assert_int_equal(code_request_write(&request, &bytes, &length, &error), STATUS_OK);
    free(bytes);
    free(text);
    bytes = heap_alloc(CODE_REQUEST_BYTES_MAX + 1);
    assert_int_equal(read_request(bytes, CODE_REQUEST_BYTES_MAX + 1, &error), STATUS_LIMIT);
    free(bytes);
}

/* ---- answers ---- */

static struct written answer_of(const uint8_t key[CODE_KEY_BYTES])
{
    static uint64_t kernels[] = {1, UINT64_MAX};
    struct bundle_object objects[] = {{.cpu = BUNDLE_V3,
                                       .abi = 1,
                                       .kernels = kernels,
                                       .kernel_count = 2,
                                       .bytes = "code",
                                       .length = 4},
                                      {.cpu = BUNDLE_V3,
                                       .abi = 1,
                                       .kernels = kernels,
                                       .kernel_count = 1,
                                       .bytes = "more code",
                                       .length = 9}};
    struct bundle bundle = {.objects = objects, .object_count = 2};
    struct written w;
    struct error error;
    memcpy(w.key, key, CODE_KEY_BYTES);
    assert_int_equal(code_answer_write(key, &bundle, &w.bytes, &w.length, &error), STATUS_OK);
    return w;
}

static enum status read_answer(const struct written *w, size_t length, struct error *error)
{
    struct arena arena = {0};
    struct bundle got = {0};
    enum status status = code_answer_read(&arena, w->bytes, length, w->key, &got, error);
    if (status == STATUS_OK) {
        assert_int_equal(got.object_count, 2);
        assert_int_equal(got.objects[0].length + got.objects[1].length, 13);
        assert_int_equal(got.source_count, 0);
    }
    arena_release(&arena);
    return status;
}

static void answer_with_any_bit_flipped_is_refused(void **state)
{
    (void)state;
    static const uint8_t key[CODE_KEY_BYTES] = {1, 2, 3};
    struct error error;
    struct written w = answer_of(key);
    assert_int_equal(read_answer(&w, w.length, &error), STATUS_OK);
    for (size_t bit = 0; bit < w.length * 8; bit++) {
        w.bytes[bit / 8] = (uint8_t)(w.bytes[bit / 8] ^ (1 << bit % 8));
        if (read_answer(&w, w.length, &error) == STATUS_OK) {
            fail_msg("bit %zu", bit);
        }
        w.bytes[bit / 8] = (uint8_t)(w.bytes[bit / 8] ^ (1 << bit % 8));
    }
    for (size_t cut = 0; cut < w.length; cut++) {
        assert_int_not_equal(read_answer(&w, cut, &error), STATUS_OK);
    }
    free(w.bytes);
}

static void answer_to_another_request_is_refused(void **state)
{
    (void)state;
    static const uint8_t key[CODE_KEY_BYTES] = {1, 2, 3};
    struct error error;
    struct written w = answer_of(key);
    w.key[31] ^= 1;
    assert_int_equal(read_answer(&w, w.length, &error), STATUS_DENIED);
    assert_non_null(strstr(error.message, "another request"));
    free(w.bytes);
}

static void garbage_is_no_answer(void **state)
{
    (void)state;
    struct error error;
    uint32_t random = 1;
    for (size_t round = 0; round < 2000; round++) {
        uint8_t bytes[300];
        size_t length = round % sizeof bytes;
        for (size_t i = 0; i < length; i++) {
            random = random * 1664525 + 1013904223;
            bytes[i] = (uint8_t)(random >> 24);
        }
        struct written w = {.bytes = bytes, .length = length};
        assert_int_not_equal(read_answer(&w, length, &error), STATUS_OK);
        assert_int_not_equal(read_request(bytes, length, &error), STATUS_OK);
    }
    struct written large = {.bytes = heap_alloc(CODE_ANSWER_BYTES_MAX + 1)};
    assert_int_equal(read_answer(&large, CODE_ANSWER_BYTES_MAX + 1, &error), STATUS_LIMIT);
    free(large.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_that_was_written_is_read),
        cmocka_unit_test(key_is_another_for_each_thing_that_code_depends_on),
        cmocka_unit_test(request_of_another_shape_is_refused),
        cmocka_unit_test(request_larger_than_the_limit_is_refused_by_writer_and_reader),
        cmocka_unit_test(answer_with_any_bit_flipped_is_refused),
        cmocka_unit_test(answer_to_another_request_is_refused),
        cmocka_unit_test(garbage_is_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
