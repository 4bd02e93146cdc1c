/* heald.yaml is read strictly, printed back the same, and documented from its table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/config/config_key.h"
#include "tests/unit.h"

static char *reported(const char *text)
{
    struct config config;
    struct config_report report = {0};
    bool good = config_parse("heald.yaml", text, strlen(text), &config, &report);
    assert_int_equal(good, report.errors == 0);
    if (good) {
        config_release(&config);
    }
    return report.text != NULL ? report.text : heap_strdup("");
}

static void config_reports_each_mistake_with_its_place_and_a_suggestion(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
    } rows[] = {
        {"scrape:\n  - job: a\n    targets: [http://h/m]\n    intervall: 5s\n",
         "heald.yaml:4:5: error: unknown key 'intervall' in scrape[0]; did you mean 'interval'?\n"},
        {"tick: fast\n",
         "heald.yaml:1:7: error: 'fast' is not a duration, such as 15s or 1h30m in tick\n"},
        {"tick: 1h\n", "heald.yaml:1:7: error: 1h is out of range: 'tick' is 10ms..1m in tick\n"},
        {"tick: 1s\nlog: {}\ntick: 2s\n",
         "heald.yaml:3:1: error: the key 'tick' is repeated; it is first in line 1\n"},
        {"scrape: yes\n", "heald.yaml:1:9: error: expected a list in scrape\n"},
        {"log: [a]\n", "heald.yaml:1:6: error: expected a mapping of keys in log\n"},
        {"log:\n  level: loud\n",
         "heald.yaml:2:10: error: 'loud' is not one of error|warn|info|debug in log.level\n"},
        {"scrape:\n  - job: a\n",
         "heald.yaml:2:5: error: the key 'targets' is missing in scrape[0]\n"},
        {"a: &x 1\nb: *x\n", "heald.yaml:1:4: error: anchors (&name) are not allowed\n"},
        {"tick: !!str 1s\n", "heald.yaml:1:7: error: tags (!name) are not allowed\n"},
        {"---\ntick: 1s\n---\ntick: 1s\n",
         "heald.yaml:3:1: error: only one document is allowed in a file\n"},
        {"tick: [1s\n", "this is not YAML"},
        {"", "heald.yaml:1:1: error: the file is empty\n"},
        {"[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]\n", "nested too deeply"},
        {"state: var/lib\n", "'var/lib' is not an absolute path without '..' in state"},
        {"state: \"/a\\nb\"\n", "control characters are not allowed in a value"},
        {"policies: policies.healb\n", "is not an absolute path without '..' in policies"},
        {"tick:\n", "the value is empty"},
        {"default_mode: act\n", "mode act needs at least one guard file in 'guards'"},
        {"policies_mode:\n  leak: act\n",
         "heald.yaml:2:9: error: mode act needs at least one guard"},
        {"channels:\n  x: {}\n",
         "heald.yaml:2:6: error: the channel 'x' needs one of log, webhook, slack"},
        {"channels:\n  x: {webhook: {url: 'ftp://a'}}\n", "is not a URL that starts with"},
        {"grants: [{action: a, argv: [prog], targets: [a=b], at_most: {count: 3, per: 1h}}]\n",
         "the program 'prog' is not an absolute path"},
        {"grants: [{action: a, argv: [/bin/sh, -c, x], targets: [a=b], at_most: {count: 3, per: "
         "1h}}]\n",
         "gives text to a shell"},
        {"grants: [{action: a, argv: [/usr/bin/env, bash, -ec, x], targets: [a=b], at_most: "
         "{count: 3, per: 1h}}]\n",
         "gives text to a shell"},
        {"grants: [{action: a, argv: [/bin/p, '{a'], targets: [a=b], at_most: {count: 3, per: "
         "1h}}]\n",
         "has a brace"},
        {"grants: [{action: a, argv: [/bin/p, '{}'], targets: [a=b], at_most: {count: 3, per: "
         "1h}}]\n",
         "has a brace"},
        {"grants: [{action: a, argv: [/bin/p], targets: [ab], at_most: {count: 3, per: 1h}}]\n",
         "'ab' is not a target"},
        {"grants: [{action: a, argv: [/bin/p], targets: ['a=-rf'], at_most: {count: 3, per: "
         "1h}}]\n",
         "is not a target"},
        {"grants: [{action: a, argv: [/bin/p], targets: [a=b]}]\n", "the key 'at_most' is missing"},
        {"grants: [{action: a, argv: [/bin/p], targets: [], at_most: {count: 3, per: 1h}}]\n",
         "0 items where 1..64 are allowed"},
        {"grants: [{action: a, argv: [/bin/p], targets: [a=b], at_most: {count: 3, per: 1h}}, "
         "{action: a, argv: [/bin/q], "
         "targets: [a=b], at_most: {count: 3, per: 1h}}]\n",
         "granted twice"},
        {"grants: [{action: a, connector: shell, argv: [/bin/p], targets: [a=b], at_most: {count: "
         "3, per: 1h}}]\n",
         "'shell' is not one of exec"},
        {"grants: [{action: a, connector: http, targets: [a=b], at_most: {count: 3, per: 1h}}]\n",
         "the key 'request' is missing in grants[0], whose connector is http"},
        {"grants: [{action: a, connector: http, argv: [/bin/p], request: {url: 'http://h/'}, "
         "targets: [a=b], at_most: {count: 3, per: 1h}}]\n",
         "the connector http takes no 'argv' in grants[0]"},
        {"grants: [{action: a, argv: [/bin/p], request: {url: 'http://h/'}, targets: [a=b], "
         "at_most: {count: 3, per: 1h}}]\n",
         "the connector exec takes no 'request' in grants[0]"},
        {"grants: [{action: a, connector: http, request: {url: 'http://h/', method: GET}, "
         "targets: [a=b], at_most: {count: 3, per: 1h}}]\n",
         "'GET' is not one of POST|PUT|PATCH|DELETE"},
        {"listen: none\nremote_write: [{name: a}]\n",
         "heald.yaml:2:16: error: remote_write[0] needs 'listen'\n"},
        {"listen: 0.0.0.0:9469\nremote_write: [{name: a}]\n",
         "heald.yaml:2:16: error: remote_write[0] needs 'token_file': '0.0.0.0:9469' is not "
         "loopback\n"},
        {"listen: none\nevents: {enabled: true}\n",
         "heald.yaml:2:9: error: events need 'listen'\n"},
        {"listen: 0.0.0.0:9469\nevents: {enabled: true}\n",
         "heald.yaml:2:9: error: events need 'token_file': '0.0.0.0:9469' is not loopback\n"},
        {"remote_write: [{name: events}]\n",
         "heald.yaml:1:16: error: the name 'events' is heald's own\n"},
        {"remote_write: [{name: a, path: /api/v1/events}]\n",
         "heald.yaml:1:16: error: the path '/api/v1/events' is heald's own\n"},
        {"remote_write: [{name: a}, {name: b}]\n",
         "heald.yaml:1:27: error: the path '/api/v1/write' is in remote_write[0] already\n"},
        {"remote_write: [{name: a}, {name: a, path: /b}]\n",
         "heald.yaml:1:27: error: the name 'a' is in remote_write[0] already\n"},
        {"remote_write: [{name: a, path: /metrics}]\n",
         "heald.yaml:1:16: error: the path '/metrics' is heald's own\n"},
        {"scrape: [{job: a, targets: [http://h/m], interval: 1s}]\n",
         "the timeout is longer than the interval"},
        {"host: {processes: [{name: a, exe: /a, pidfile: /b}]}\n",
         "needs one of pidfile, exe and cmdline"},
        {"guards: [../a.heal]\n", "is not the name of a .heal file"},
        {"host: {enabled: yes}\n", "'yes' is not true or false in host.enabled"},
        {"tick: 99999999999999999999s\n", "is not a duration"},
        {"external_labels: {1a: x}\n", "'1a' is not a name of letters, digits and _"},
        {"external_labels: {a: x, a: y}\n", "the key 'a' is repeated"},
        {"external_labels: [a]\n", "expected a mapping in external_labels"},
        {"external_url: shop.example\n", "is not a URL that starts with"},
        {"listen: localhost\n", "is not ADDRESS:PORT or none"},
        {"grants: [{action: a, connector: kubernetes.cordon, targets: [node=n], at_most: {count: "
         "3, "
         "per: 1h}}]\n",
         "grants[0] needs 'kubernetes': its connector is kubernetes.cordon"},
        {"kubernetes: {server: 'https://h/x'}\n", "is a URL without a path"},
        {"kubernetes: {server: 'http://h'}\n", "is https:// unless it is loopback"},
        {"channels: {a: {}}\n", "the channel 'a' needs one of log, webhook, slack, pagerduty"},
        {"channels: {a: {log: {}, slack: {url_file: /a}}}\n", "the channel 'a' needs one of"},
        {"channels: {a: {slack: {}}}\n", "the key 'url_file' is missing"},
        {"channels: {a: {email: {server: h, from: a@b, to: [a@b]}}}\n", "is not ADDRESS:PORT"},
        {"channels: {a: {email: {server: none, from: a@b, to: [a@b]}}}\n", "is HOST:PORT"},
        {"channels: {a: {email: {server: 'h:25', from: a, to: [a@b]}}}\n",
         "'a' is not an address, such as heald@example.org"},
        {"channels: {a: {email: {server: 'h:25', from: a@b, to: ['a@b>, c@d']}}}\n",
         "is not an address, such as oncall@example.org"},
        {"channels: {a: {email: {server: 'h:25', from: a@b, to: []}}}\n", "0 items where 1..16"},
        {"channels: {a: {email: {server: 'h:25', from: a@b, to: [a@b], user: x}}}\n",
         "needs both of user and password_file"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *text = reported(rows[i].text);
        if (strstr(text, rows[i].expected) == NULL) {
            fail_msg("for\n%s\nexpected %s\nfound    %s", rows[i].text, rows[i].expected, text);
        }
        free(text);
    }
}

static void config_reports_all_mistakes_of_a_file(void **state)
{
    (void)state;
    char *text = reported("tik: 1s\nlisten: x\nlog: {format: xml}\nscrape: [{}]\n");
    size_t lines = 0;
    for (const char *p = text; *p != '\0'; p++) {
        lines += *p == '\n';
    }
    assert_int_equal(lines, 5);
    free(text);
}

static uint64_t seed = 1;
static unsigned roll(unsigned below)
{
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(seed >> 33) % below;
}

struct text {
    char bytes[65536];
    size_t length;
};
static void add(struct text *text, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void add(struct text *text, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    text->length += (size_t)vsnprintf(text->bytes + text->length,
                                      sizeof(text->bytes) - text->length, fmt, args);
    va_end(args);
    assert_true(text->length < sizeof(text->bytes));
}

static void add_scalar(struct text *text, const struct config_key *key)
{
    static const char *const words[] = {"a",       "'b c'",        "\"q\\\"\\\\\"",
                                        "'#x: y'", "\u00e9\u4e2d", "'1'"};
    unsigned n = roll(100000);
    switch (key->kind) {
    case KIND_TEXT: add(text, "%s", words[roll(ARRAY_LEN(words))]); break;
    case KIND_WORD:
    case KIND_NAME: add(text, "n%u", n); break;
    case KIND_PATH: add(text, "\"/p/%u \\u2028\"", n); break;
    case KIND_BUNDLE: add(text, "\"/p/%u \\u2028.healb\"", n); break;
    case KIND_URLS:
    case KIND_URL: add(text, "http://u:p@h%u:1/x?q=%u#f", n, n); break;
    case KIND_LISTEN: add(text, roll(6) == 0 ? "none" : "'[::1]:%u'", n % 65536); break;
    case KIND_BOOL: add(text, "%s", roll(2) ? "true" : "false"); break;
    case KIND_COUNT: add(text, "%u", 1 + n % 1000); break;
    case KIND_SIZE: add(text, n % 2 ? "1MiB" : "1048576B"); break;
    case KIND_DURATION: add(text, "%us%ums", 1 + n % 9, n % 1000); break;
    case KIND_CHOICE: add(text, "%.*s", (int)strcspn(key->range, "|"), key->range); break;
    case KIND_STRINGS: add(text, "%s", words[roll(ARRAY_LEN(words))]); break;
    case KIND_FILES: add(text, "g%u.heal", n); break;
    case KIND_ARGV: add(text, "\"/a/%u\"", n); break;
    case KIND_TARGETS: add(text, "'k=v%u,l=%u'", n, n); break;
    case KIND_SECTION:
    case KIND_OPTIONAL:
    case KIND_LIST:
    case KIND_MAP: fail();
    }
}

static void add_part(struct text *text, enum config_part part);

static void add_value(struct text *text, const struct config_key *key)
{
    if (config_kind_is_scalar(key->kind)) {
        add_scalar(text, key);
    } else if (config_kind_is_strings(key->kind) || key->kind == KIND_LIST) {
        add(text, "[");
        for (unsigned i = 0, n = 1 + roll(3); i < n; i++) {
            if (key->kind == KIND_LIST) {
                add_part(text, key->child);
            } else {
                add_scalar(text, key);
            }
            add(text, ",");
        }
        add(text, "]");
    } else if (key->kind == KIND_MAP) {
        add(text, "{");
        for (unsigned i = 0, n = roll(3); i < n; i++) {
            add(text, "m%u: ", roll(100000));
            const struct config_key *value = config_key_find(key->child, "");
            if (value != NULL) {
                add_value(text, value);
            } else {
                add_part(text, key->child);
            }
            add(text, ",");
        }
        add(text, "}");
    } else {
        add_part(text, key->child);
    }
}

/* What stands beside a connector: argv and env of exec, request of http. */
static bool suits_connector(const char *key, bool http)
{
    return (strcmp(key, "argv") != 0 && strcmp(key, "env") != 0 && strcmp(key, "request") != 0) ||
           (strcmp(key, "request") == 0) == http;
}

/* A random part: required keys always; of the alternatives of process, channel and grant just one.
 */
static void add_part(struct text *text, enum config_part part)
{
    static const char *const kinds[] = {"log", "webhook", "slack", "pagerduty", "alertmanager"};
    unsigned alternative = roll(2);
    const struct config_key *kind = config_key_find(PART_channel, kinds[roll(ARRAY_LEN(kinds))]);
    add(text, "{");
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        bool wanted = key->fallback == NULL || roll(2);
        if (key->part != part) {
            continue;
        }
        if (part == PART_channel) {
            wanted = key == kind;
        } else if (part == PART_grant && strcmp(key->name, "connector") == 0) {
            add(text, alternative ? "connector: http, " : "connector: exec, ");
            continue;
        } else if (part == PART_grant && !suits_connector(key->name, alternative)) {
            continue;
        } else if (part == PART_grant) {
            wanted = wanted || strcmp(key->name, alternative ? "request" : "argv") == 0;
        } else if (part == PART_process && key->fallback != NULL) {
            wanted = strcmp(key->name, alternative ? "exe" : "cmdline") == 0;
        } else if (part == PART_scrape && strcmp(key->name, "timeout") == 0) {
            continue;
        } else if (part == PART_kubernetes && strcmp(key->name, "server") == 0) {
            continue;
        } else if (part == PART_scrape && strcmp(key->name, "interval") == 0) {
            add(text, "interval: 1m, ");
            continue;
        }
        if (part == PART_remote_write && strncmp(key->name, "label", 5) == 0) {
            add(text, strcmp(key->name, "labels_max") == 0 ? "labels_max: 30, "
                                                           : "label_bytes_max: 200B, ");
            continue;
        }
        if (part == PART_parameter && strcmp(key->name, "max") == 0) {
            add(text, "max: 1000000000, ");
            continue;
        }
        if (wanted && key->name[0] != ':' && key->name[0] != '\0') {
            add(text, "%s: ", key->name);
            add_value(text, key);
            add(text, ", ");
        }
    }
    add(text, "}");
}

static void config_printed_parses_again_to_the_same(void **state)
{
    (void)state;
    unsigned parsed = 0;
    for (int round = 0; round < 400; round++) {
        struct config config, again;
        struct config_report report = {0};
        struct text *text = heap_alloc(sizeof(*text));
        add_part(text, PART_root);
        if (!config_parse("r.yaml", text->bytes, text->length, &config, &report)) {
            /* Only what chance repeats may be wrong with it. */
            if (strstr(report.text, "twice") == NULL && strstr(report.text, "already") == NULL &&
                strstr(report.text, "needs 'listen'") == NULL &&
                strstr(report.text, "events need 'listen'") == NULL) {
                fail_msg("%s\n%s", text->bytes, report.text);
            }
            config_report_release(&report);
            free(text);
            continue;
        }
        parsed++;
        for (int redact = 0; redact < 2; redact++) {
            char *first = config_print(&config, redact);
            if (!config_parse("again.yaml", first, strlen(first), &again, &report)) {
                fail_msg("%s\n%s", first, report.text);
            }
            char *second = config_print(&again, redact);
            if (redact == 0) {
                assert_string_equal(first, second);
            } else {
                assert_null(strstr(first, "u:p@"));
                assert_null(strstr(first, "q="));
            }
            config_release(&again);
            free(first);
            free(second);
        }
        config_release(&config);
        free(text);
    }
    assert_true(parsed > 250);
}

static void config_survives_every_single_byte_change(void **state)
{
    (void)state;
    static const char text[] =
        "tick: 1s\nscrape:\n  - {job: a, targets: [http://h/m]}\nchannels:\n  x: {log: {}}\n"
        "grants:\n  - action: r\n    argv: [/bin/p, \"{target}\"]\n    targets: [w=1]\n"
        "    at_most: {count: 3, per: 1h}\n    env: {A: b}\nguards: [g.heal]\npolicies_mode: {p: "
        "act}\n";
    for (size_t i = 0; i + 1 < sizeof(text); i++) {
        for (unsigned c = 0; c < 256; c += i % 2 ? 5 : 3) {
            char changed[sizeof(text)];
            struct config config;
            struct config_report report = {0};
            memcpy(changed, text, sizeof(text));
            changed[i] = (char)c;
            if (config_parse("h.yaml", changed, sizeof(text) - 1, &config, &report)) {
                config_release(&config);
            } else {
                assert_true(report.errors > 0 && report.text != NULL);
            }
            config_report_release(&report);
        }
    }
}

static void config_page_is_the_table(void **state)
{
    (void)state;
    char *page = config_print_docs();
    if (getenv("UPDATE") != NULL) {
        FILE *file = fopen(HEAL_ROOT "/docs/heald.yaml.md", "w");
        assert_non_null(file);
        fputs(page, file);
        fclose(file);
    }
    char *kept = heap_alloc(1 << 20);
    FILE *file = fopen(HEAL_ROOT "/docs/heald.yaml.md", "r");
    assert_non_null(file);
    size_t length = fread(kept, 1, (1 << 20) - 1, file);
    kept[length] = '\0';
    fclose(file);
    assert_string_equal(page, kept);
    free(kept);
    free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(config_reports_each_mistake_with_its_place_and_a_suggestion),
        cmocka_unit_test(config_reports_all_mistakes_of_a_file),
        cmocka_unit_test(config_printed_parses_again_to_the_same),
        cmocka_unit_test(config_survives_every_single_byte_change),
        cmocka_unit_test(config_page_is_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
