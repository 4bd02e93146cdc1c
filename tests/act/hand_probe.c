/* Has one hand do one action: hand_probe NAME=VALUE... Prints its notes, one a line as "note TEXT",
 * then "OUTCOME: TEXT". Ends it as STOP does where a line comes in. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtime/act/hand.h"

static struct duration uptime(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (struct duration){t.tv_sec * NS_PER_S + t.tv_nsec};
}

static enum status on_note(void *context, const char *note, struct error *error)
{
    (void)context;
    (void)error;
    printf("note %s\n", note);
    fflush(stdout);
    return STATUS_OK;
}

static const char *value_of(int argc, char **argv, const char *name)
{
    size_t length = strlen(name);
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], name, length) == 0 && argv[i][length] == '=') {
            return argv[i] + length + 1;
        }
    }
    return NULL;
}

static void run_to_its_end(struct hand_run *run)
{
    struct hand_result result;
    struct pollfd input = {.fd = 0, .events = POLLIN};
    while (!hand_step(run, uptime(), &result)) {
        if (poll(&input, input.fd < 0 ? 0 : 1, 2) > 0) {
            char line[16];
            if (read(0, line, sizeof line) > 0) {
                hand_end(run, uptime());
            }
            input.fd = -1;
        }
    }
    printf("%s: %s\n", outcome_text(result.outcome), result.text);
}

int main(int argc, char **argv)
{
#define VALUE(name)  value_of(argc, argv, name)
#define NUMBER(name) (VALUE(name) ? strtoll(VALUE(name), NULL, 10) : 0)
    const char *target = VALUE("target") ? VALUE("target") : "";
    const double number = (double)NUMBER("number");
    struct hand_settings settings = {
        .epoll_fd = -1,
        .kubernetes = {VALUE("server"),
                       VALUE("ca_file"),
                       VALUE("token_file"),
                       {(VALUE("try_ms") ? NUMBER("try_ms") : 1000) * NS_PER_MS}},
        .systemd_bus = VALUE("bus") ? VALUE("bus") : ""};
    struct grant grant = {
        .action = "probed",
        .connector = connector_find(VALUE("connector") ? VALUE("connector") : ""),
        .targets = &target,
        .target_count = 1,
        .parameters = {{"number", 0, 1e6}},
        .parameter_count = VALUE("number") != NULL,
        .timeout = {(VALUE("timeout_ms") ? NUMBER("timeout_ms") : 5000) * NS_PER_MS},
        .at_most = {1, {NS_PER_S}}};
    struct hand_order order = {.grant = &grant,
                               .target = target,
                               .numbers = &number,
                               .time = {NUMBER("time_s") * NS_PER_S},
                               .former = VALUE("former"),
                               .note = on_note};
    struct error error = {{0}};
    struct hands *hands = NULL;
    struct hand_run *run = NULL;
    snprintf(order.key, sizeof order.key, "%s", VALUE("key") ? VALUE("key") : "key-1");
    if (grant_check(&grant, &error) != STATUS_OK ||
        hands_new(&settings, &hands, &error) != STATUS_OK ||
        hand_start(hands, &order, uptime(), &run, &error) != STATUS_OK) {
        printf("refused: %s\n", error.message);
    } else {
        run_to_its_end(run);
    }
    hands_free(hands);
    return 0;
}
