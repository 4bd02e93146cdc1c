/* Requests of grants: whatever a label holds, it stays the value that it is; and grants that could
 * do more than they say do not load. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/act/grant.h"
#include "tests/unit.h"

static uint64_t seed = 11;
static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (seed * 0x2545f4914f6cdd1dULL) >> 11;
}

static const char *one_target[1];

static struct grant request_grant(const struct grant_request *request)
{
    return (struct grant){.action = "drain",
                          .connector = CONNECTOR_HTTP,
                          .request = request,
                          .targets = one_target,
                          .target_count = 1,
                          .parameters = {{"grace", 0, 1e9}},
                          .parameter_count = 1,
                          .timeout = {NS_PER_S},
                          .at_most = {1, {NS_PER_S}}};
}

static const struct grant_request drain = {
    .method = METHOD_POST,
    .url = "https://lb.example/v1/pools/{pool}/drain?why={pool}&for={grace}",
    .body =
        "{\"pool\": \"{pool}\", \"why\": [\"{{{pool}}} since {grace}\"], \"grace\": \"{grace}\"}",
    .timeout = {NS_PER_S}};

static unsigned hex_digit(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

/* Undoes %XX; ret has room for text. */
static void decode(const char *text, size_t length, char *ret)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '%') {
            *ret++ = (char)(hex_digit(text[i + 1]) << 4 | hex_digit(text[i + 2]));
            i += 2;
        } else {
            *ret++ = text[i];
        }
    }
    *ret = '\0';
}

/* A value of a label, mostly of what means something to URLs, JSON and headers. */
static void random_value(char *ret, size_t length, bool utf8)
{
    static const char special[] = "/?#&=%.:;@\"\\'{}[]<> +-~_$!*()|^`,ab7";
    for (size_t i = 0; i < length; i++) {
        char c = special[next_random() % (sizeof special - 1)];
        c = next_random() % 8 == 0 && !utf8 ? (char)(0x80 | next_random()) : c;
        ret[i] = c == ',' ? 'x' : c;
    }
    ret[length] = '\0';
}

static void a_value_never_becomes_another_part_of_a_url(void **state)
{
    (void)state;
    static struct grant_command command;
    struct grant_request request = drain;
    request.body = NULL;
    size_t denied = 0;
    for (int i = 0; i < 20000; i++) {
        char value[64], target[80], segment[256], query[256];
        double grace = (double)(next_random() % 1000);
        random_value(value, 1 + next_random() % 40, false);
        snprintf(target, sizeof target, "pool=%s", value);
        one_target[0] = target;
        struct grant grant = request_grant(&request);
        enum status status = grant_fill(&grant, 0, &grace, &command, NULL);
        if (strcmp(value, ".") == 0 || strcmp(value, "..") == 0) {
            denied += status == STATUS_DENIED;
            continue;
        }
        assert_int_equal(status, STATUS_OK);
        const char *head = "https://lb.example/v1/pools/", *at = command.url + strlen(head);
        assert_int_equal(strncmp(command.url, head, strlen(head)), 0);
        size_t length = strcspn(at, "/?#&= ");
        decode(at, length, segment);
        assert_string_equal(segment, value);
        assert_int_equal(strncmp(at + length, "/drain?why=", 11), 0);
        at += length + 11;
        length = strcspn(at, "/?#&= ");
        decode(at, length, query);
        assert_string_equal(query, value);
        char rest[32];
        snprintf(rest, sizeof rest, "&for=%.0f", grace);
        assert_string_equal(at + length, rest);
    }
    assert_true(denied > 0);
}

static void a_value_never_becomes_more_than_a_text_of_json(void **state)
{
    (void)state;
    static struct grant_command command;
    for (int i = 0; i < 20000; i++) {
        char value[64], target[80], why[128];
        double grace = (double)(next_random() % 1000) / 2;
        random_value(value, 1 + next_random() % 40, true);
        snprintf(target, sizeof target, "pool=%s.", value); /* never dots alone */
        one_target[0] = target;
        struct grant grant = request_grant(&drain);
        if (strspn(value, ".") == strlen(value)) {
            continue;
        }
        assert_int_equal(grant_fill(&grant, 0, &grace, &command, NULL), STATUS_OK);
        json_t *json = json_loadb(command.body, command.body_bytes, JSON_REJECT_DUPLICATES, NULL);
        assert_int_equal(json_object_size(json), 3);
        assert_string_equal(json_string_value(json_object_get(json, "pool")), target + 5);
        const json_t *list = json_object_get(json, "why");
        snprintf(why, sizeof why, "{%s} since %g", target + 5, grace);
        assert_int_equal(json_array_size(list), 1);
        assert_string_equal(json_string_value(json_array_get(list, 0)), why);
        assert_true(json_number_value(json_object_get(json, "grace")) == grace);
        json_decref(json);
    }
    double grace = 1;
    one_target[0] = "pool=\xff\xfe";
    struct grant grant = request_grant(&drain);
    assert_int_equal(grant_fill(&grant, 0, &grace, &command, NULL), STATUS_DENIED);
}

static void requests_that_could_do_more_than_they_say_do_not_load(void **state)
{
    (void)state;
    static const struct grant_header split[] = {{"X-A\r\nHost", "b", NULL}},
                                     own[] = {{"host", "evil", NULL}},
                                     key[] = {{"idempotency-key", "1", NULL}},
                                     evil[] = {{"X-A", "b\r\nX-B: c", NULL}},
                                     both[] = {{"X-A", "b", "/f"}},
                                     near[] = {{"X-A", NULL, "file"}};
    one_target[0] = "pool=a,climb=..";
    static const struct {
        const char *url, *body;
        const struct grant_header *headers;
        const char *expected;
    } rows[] = {
        {"ftp://h/", NULL, NULL, "does not start with http"},
        {"https://{pool}/x", NULL, NULL, "the host of its URL"},
        {"https://h{pool}/x", NULL, NULL, "the host of its URL"},
        {"https://user:word@h/x", NULL, NULL, "holds a user"},
        {"https:///x", NULL, NULL, "and a host"},
        {"https://h/x#y", NULL, NULL, "a fragment"},
        {"https://h/a b", NULL, NULL, "a fragment or a space"},
        {"https://h/{pool", NULL, NULL, "stray brace"},
        {"https://h/{node}", NULL, NULL, "neither a label"},
        {"https://h/v1/{climb}/x", NULL, NULL, "the segment '..'"},
        {"https://h/v1/%2e{climb}", NULL, NULL, NULL}, /* three dots are a name */
        {"https://h/v1/%2E%2e/x", NULL, NULL, "the segment"},
        {"https://h/x", "{\"a\": ", NULL, "not JSON"},
        {"https://h/x", "plain", NULL, "not JSON"},
        {"https://h/x", "{\"{pool}\": 1}", NULL, "the key '{pool}'"},
        {"https://h/x", "{\"a\": \"{node}\"}", NULL, "neither a label"},
        {"https://h/x", "{\"a\": 1, \"a\": 2}", NULL, "not JSON"},
        {"https://h/x", NULL, split, "a header's name"},
        {"https://h/x", NULL, own, "heald's own"},
        {"https://h/x", NULL, key, "heald's own"},
        {"https://h/x", NULL, evil, "a control character"},
        {"https://h/x", NULL, both, "no value, or no file"},
        {"https://h/x", NULL, near, "no value, or no file"},
        {"https://h/x?a={pool}", "{\"a\": [\"{pool}\", null, 1.5, {}]}", NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct grant_request request = drain;
        struct error error = {{0}};
        request.url = rows[i].url;
        request.body = rows[i].body;
        request.headers = rows[i].headers;
        request.header_count = rows[i].headers != NULL;
        struct grant grant = request_grant(&request);
        enum status status = grant_check(&grant, &error);
        if ((status == STATUS_OK) != (rows[i].expected == NULL) ||
            (rows[i].expected && !strstr(error.message, rows[i].expected))) {
            fail_msg("%s %s: %s", rows[i].url, rows[i].body ? rows[i].body : "", error.message);
        }
    }
    struct grant grant = request_grant(NULL);
    assert_int_equal(grant_check(&grant, NULL), STATUS_DENIED);
    static const char *const argv[] = {"/bin/true"};
    grant = request_grant(&drain);
    grant.argv = argv, grant.argv_count = 1;
    one_target[0] = "pool=a";
    assert_int_equal(grant_check(&grant, NULL), STATUS_DENIED);
    grant.connector = CONNECTOR_EXEC;
    assert_int_equal(grant_check(&grant, NULL), STATUS_DENIED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_never_becomes_another_part_of_a_url),
        cmocka_unit_test(a_value_never_becomes_more_than_a_text_of_json),
        cmocka_unit_test(requests_that_could_do_more_than_they_say_do_not_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
