/* The http hand against a receiver that hangs, lies, refuses and sends too much or too little:
 * nothing is done twice unless the grant allows it, and what may have been done is never called
 * failed. */
#include <jansson.h>
#include <string.h>

#include "runtime/act/act_host.h"
#include "tests/act/helper.h"

static const char *const targets[] = {"namespace=shop,pod=a"};

/* What a hand was given and what became of it. */
struct told {
    size_t notes;
    char note[HAND_NOTE_BYTES];
    bool note_fails;
};

static enum status take_note(void *context, const char *note, struct error *error)
{
    struct told *told = context;
    if (told->note_fails) {
        return error_set(error, STATUS_IO, "no space left");
    }
    told->notes++;
    snprintf(told->note, sizeof told->note, "%s", note);
    return STATUS_OK;
}

struct trial {
    const char *url;
    bool idempotent;
    struct duration timeout, try_timeout;
    const char *ca_file, *former;
    int64_t stop_after_ms; /* 0: never */
};

static unsigned keys;

/* One attempt under way: what it was ordered, and the run of it. */
struct attempt {
    struct grant_request request;
    struct grant grant;
    struct hand_order order;
    struct hand_run *run; /* NULL: ended */
    struct hand_result result;
    int64_t began_ns, stop_at_ns, took_ns;
    bool done;
};

static struct hands *open_hands(void)
{
    struct error error = {{0}};
    struct hands *hands = NULL;
    if (hands_new(&(struct hand_settings){.epoll_fd = -1}, &hands, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    return hands;
}

static void begin(struct hands *hands, const struct trial *trial, struct told *told,
                  struct attempt *ret)
{
    static struct grant_command command;
    struct error error = {{0}};
    memset(ret, 0, sizeof *ret);
    ret->request = (struct grant_request){.method = METHOD_POST,
                                          .url = trial->url,
                                          .body = "{\"pod\": \"{pod}\"}",
                                          .ca_file = trial->ca_file,
                                          .timeout = trial->try_timeout};
    ret->grant = (struct grant){.action = "restart",
                                .connector = CONNECTOR_HTTP,
                                .request = &ret->request,
                                .targets = targets,
                                .target_count = 1,
                                .timeout = trial->timeout,
                                .idempotent = trial->idempotent,
                                .at_most = {1000, {NS_PER_S}}};
    ret->order = (struct hand_order){.grant = &ret->grant,
                                     .target = targets[0],
                                     .command = &command,
                                     .former = trial->former,
                                     .note = take_note,
                                     .note_context = told};
    snprintf(ret->order.key, sizeof ret->order.key, "key-%u", keys++);
    if (grant_check(&ret->grant, &error) != STATUS_OK ||
        grant_fill(&ret->grant, 0, NULL, &command, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    ret->began_ns = uptime_now().ns;
    ret->stop_at_ns =
        trial->stop_after_ms ? ret->began_ns + trial->stop_after_ms * NS_PER_MS : INT64_MAX;
    if (hand_start(hands, &ret->order, uptime_now(), &ret->run, &error) != STATUS_OK) {
        ret->result.outcome = OUTCOME_REFUSED;
        snprintf(ret->result.text, sizeof ret->result.text, "%s", error.message);
        ret->done = true;
    }
}

/* Steps it once. */
static void move(struct attempt *attempt)
{
    if (!attempt->done && uptime_now().ns > attempt->stop_at_ns) {
        hand_end(attempt->run, uptime_now());
    }
    if (!attempt->done && hand_step(attempt->run, uptime_now(), &attempt->result)) {
        attempt->took_ns = uptime_now().ns - attempt->began_ns;
        attempt->done = true;
    }
}

static struct hand_result attempt(const struct trial *trial, struct told *told)
{
    struct hands *hands = open_hands();
    struct attempt one;
    begin(hands, trial, told, &one);
    while (!one.done) {
        move(&one);
        usleep(2000);
    }
    hands_free(hands);
    return one.result;
}

enum { ONCE = 0, AGAIN = 1 };

static const struct row {
    const char *script;
    int idempotent;
    enum outcome outcome;
    int requests;
    const char *text;
} rows[] = {
    {"200", ONCE, OUTCOME_SUCCEEDED, 1, "it answered 200: said 200"},
    {"204", ONCE, OUTCOME_SUCCEEDED, 1, "204"},
    {"404", ONCE, OUTCOME_FAILED, 1, "it answered 404"},
    {"400", AGAIN, OUTCOME_FAILED, 1, "it answered 400"},
    {"redirect", ONCE, OUTCOME_FAILED, 1, "/elsewhere, where no request is sent"},
    {"redirect", AGAIN, OUTCOME_FAILED, 1, "307"},
    {"500", ONCE, OUTCOME_UNKNOWN, 1, "it answered 500: said 500; it may have been done"},
    {"502", ONCE, OUTCOME_UNKNOWN, 1, "502"},
    {"500,200", AGAIN, OUTCOME_SUCCEEDED, 2, "200"},
    {"500,504,200", AGAIN, OUTCOME_SUCCEEDED, 3, "200"},
    {"500,404", AGAIN, OUTCOME_UNKNOWN, 2, "404"}, /* the first may have been done */
    {"503", ONCE, OUTCOME_FAILED, 1, "503"},
    {"429", ONCE, OUTCOME_FAILED, 1, "429"},
    {"429:1", ONCE, OUTCOME_FAILED, 1, "429"},
    {"429:1,200", AGAIN, OUTCOME_SUCCEEDED, 2, "200"},
    {"503:1,408,425,200", AGAIN, OUTCOME_SUCCEEDED, 4, "200"},
    {"429:3600,200", AGAIN, OUTCOME_FAILED, 1, "it wants 3600 s to pass"},
    {"drop", ONCE, OUTCOME_UNKNOWN, 1, "no whole answer came"},
    {"drop,200", AGAIN, OUTCOME_SUCCEEDED, 2, "200"},
    {"half", ONCE, OUTCOME_UNKNOWN, 1, "no whole answer came"},
    {"half,200", AGAIN, OUTCOME_SUCCEEDED, 2, "200"},
    {"garbage", ONCE, OUTCOME_UNKNOWN, 1, "it may have been done"},
    {"hang", ONCE, OUTCOME_UNKNOWN, 1, "no whole answer came"},
    {"hang,200", AGAIN, OUTCOME_SUCCEEDED, 2, "200"},
    {"huge", ONCE, OUTCOME_SUCCEEDED, 1, "it answered 200 and too much"},
    {"100,200", ONCE, OUTCOME_UNKNOWN, 1, ""},
};

static void answers_are_judged_and_nothing_is_done_twice(void **state)
{
    (void)state;
    struct helper helper = helper_start("receiver.py", NULL, NULL);
    char url[160], line[8192];
    unsigned first = keys;
    static struct attempt attempts[ARRAY_LEN(rows)];
    static struct told told[ARRAY_LEN(rows)];
    struct hands *hands = open_hands();
    size_t done = 0;
    int64_t longest_ns = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) { /* all at once: none waits for another */
        snprintf(url, sizeof url, "http://127.0.0.1:%d/s/%s/{pod}", helper.port, rows[i].script);
        const struct trial trial = {.url = url,
                                    .idempotent = rows[i].idempotent,
                                    .timeout = {5 * NS_PER_S},
                                    .try_timeout = {700 * NS_PER_MS}};
        begin(hands, &trial, &told[i], &attempts[i]);
    }
    while (done < ARRAY_LEN(rows)) {
        int64_t before = uptime_now().ns;
        done = 0;
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
            move(&attempts[i]);
            done += attempts[i].done;
        }
        longest_ns = uptime_now().ns - before > longest_ns ? uptime_now().ns - before : longest_ns;
        usleep(2000);
    }
    hands_free(hands);
    print_message("longest round of steps %.1f ms\n", (double)longest_ns / 1e6);
    assert_true(longest_ns < 300 * NS_PER_MS);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct hand_result *result = &attempts[i].result;
        assert_true(attempts[i].took_ns < 6 * NS_PER_S);
        if (result->outcome != rows[i].outcome || !strstr(result->text, rows[i].text)) {
            fail_msg("%s: outcome %s: %s", rows[i].script, outcome_text(result->outcome),
                     result->text);
        }
        assert_null(strstr(result->text, "secret"));
        assert_int_equal(told[i].notes, 1); /* before anything is sent, and once */
    }
    helper_end(&helper);
    int counts[ARRAY_LEN(rows)] = {0};
    while (fgets(line, sizeof line, helper.from)) {
        json_t *json = json_loads(line, 0, NULL);
        const char *key = json_string_value(json_object_get(json, "key"));
        assert_null(strstr(json_string_value(json_object_get(json, "path")), "elsewhere"));
        assert_string_equal(json_string_value(json_object_get(json, "body")), "{\"pod\":\"a\"}");
        assert_int_equal(strncmp(key, "key-", 4), 0);
        counts[(unsigned)strtoul(key + 4, NULL, 10) - first]++;
        json_decref(json);
    }
    fclose(helper.from);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (counts[i] != rows[i].requests) {
            fail_msg("%s: %d requests", rows[i].script, counts[i]);
        }
    }
}

static void who_cannot_be_reached_was_sent_nothing(void **state)
{
    (void)state;
    struct told told = {0};
    struct trial trial = {.url = "http://127.0.0.1:1/x",
                          .timeout = {900 * NS_PER_MS},
                          .try_timeout = {300 * NS_PER_MS}};
    int64_t before = uptime_now().ns;
    struct hand_result result = attempt(&trial, &told);
    assert_int_equal(result.outcome, OUTCOME_FAILED);
    assert_non_null(strstr(result.text, "nothing was sent"));
    assert_true(uptime_now().ns - before >= 500 * NS_PER_MS); /* it was tried again */
    trial.url = "http://no-such-host.invalid/x";
    result = attempt(&trial, &told);
    assert_int_equal(result.outcome, OUTCOME_FAILED);
    told.note_fails = true;
    trial.url = "http://127.0.0.1:1/x";
    result = attempt(&trial, &told);
    assert_int_equal(result.outcome, OUTCOME_FAILED);
    assert_non_null(strstr(result.text, "no space left"));
}

static void stop_ends_it_and_says_what_is_not_known(void **state)
{
    (void)state;
    struct helper helper = helper_start("receiver.py", NULL, NULL);
    char url[160], line[8192];
    struct told told = {0};
    snprintf(url, sizeof url, "http://127.0.0.1:%d/s/hang", helper.port);
    struct trial trial = {.url = url,
                          .timeout = {20 * NS_PER_S},
                          .try_timeout = {20 * NS_PER_S},
                          .idempotent = true,
                          .stop_after_ms = 500};
    int64_t before = uptime_now().ns;
    struct hand_result result = attempt(&trial, &told);
    assert_int_equal(result.outcome, OUTCOME_UNKNOWN);
    assert_true(uptime_now().ns - before < 2 * NS_PER_S);
    trial.url = "http://127.0.0.1:1/x";
    result = attempt(&trial, &told);
    assert_int_equal(result.outcome, OUTCOME_FAILED);
    helper_end(&helper);
    assert_non_null(fgets(line, sizeof line, helper.from));
    assert_null(fgets(line, sizeof line, helper.from));
    fclose(helper.from);
}

static void a_former_request_is_sent_again_only_where_that_is_granted(void **state)
{
    (void)state;
    struct helper helper = helper_start("receiver.py", NULL, NULL);
    char url[160], other[160], line[8192];
    struct told told = {0}, none = {0};
    snprintf(url, sizeof url, "http://127.0.0.1:%d/s/200", helper.port);
    snprintf(other, sizeof other, "http://127.0.0.1:%d/s/200/other", helper.port);
    struct trial trial = {
        .url = url, .timeout = {5 * NS_PER_S}, .try_timeout = {NS_PER_S}, .idempotent = true};
    assert_int_equal(attempt(&trial, &told).outcome, OUTCOME_SUCCEEDED);
    trial.former = told.note;
    assert_int_equal(attempt(&trial, &none).outcome, OUTCOME_SUCCEEDED);
    trial.idempotent = false;
    struct hand_result result = attempt(&trial, &none);
    assert_int_equal(result.outcome, OUTCOME_REFUSED);
    assert_non_null(strstr(result.text, "idempotent"));
    trial.idempotent = true;
    trial.url = other;
    result = attempt(&trial, &none);
    assert_int_equal(result.outcome, OUTCOME_REFUSED);
    assert_non_null(strstr(result.text, "another request"));
    helper_end(&helper);
    int requests = 0;
    while (fgets(line, sizeof line, helper.from)) {
        requests++;
    }
    fclose(helper.from);
    assert_int_equal(requests, 2);
}

static void a_certificate_that_is_not_trusted_is_told_nothing(void **state)
{
    (void)state;
    char folder[] = "/tmp/heal-tls-XXXXXX", command[512], cert[64], key[64], url[64], line[8192];
    assert_non_null(mkdtemp(folder));
    snprintf(cert, sizeof cert, "%s/cert", folder);
    snprintf(key, sizeof key, "%s/key", folder);
    snprintf(command, sizeof command,
             "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext "
             "subjectAltName=IP:127.0.0.1 -keyout %s -out %s 2>/dev/null",
             key, cert);
    if (system(command) != 0) {
        print_message("openssl is not installed; left out\n");
        skip();
    }
    struct helper helper = helper_start("receiver.py", cert, key);
    struct told told = {0};
    snprintf(url, sizeof url, "https://127.0.0.1:%d/s/200", helper.port);
    struct trial trial = {
        .url = url, .timeout = {900 * NS_PER_MS}, .try_timeout = {800 * NS_PER_MS}};
    struct hand_result result = attempt(&trial, &told);
    assert_int_equal(result.outcome, OUTCOME_FAILED);
    assert_non_null(strstr(result.text, "nothing was sent"));
    trial.ca_file = cert;
    trial.timeout.ns = 10 * NS_PER_S;
    result = attempt(&trial, &told);
    if (result.outcome != OUTCOME_SUCCEEDED) {
        fail_msg("%s", result.text);
    }
    helper_end(&helper);
    assert_non_null(fgets(line, sizeof line, helper.from));
    assert_null(fgets(line, sizeof line, helper.from));
    fclose(helper.from);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_judged_and_nothing_is_done_twice),
        cmocka_unit_test(who_cannot_be_reached_was_sent_nothing),
        cmocka_unit_test(stop_ends_it_and_says_what_is_not_known),
        cmocka_unit_test(a_former_request_is_sent_again_only_where_that_is_granted),
        cmocka_unit_test(a_certificate_that_is_not_trusted_is_told_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
