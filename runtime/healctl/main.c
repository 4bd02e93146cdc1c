/* healctl: asks heald over its control socket. */
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/config/config.h"
#include "runtime/healctl/command.h"

#define CONFIG_DEFAULT "/etc/heal/heald.yaml"
#define STATE_DEFAULT  "/var/lib/heald"

static const struct command {
    const char *text, *argument;
    int (*run)(const struct options *);
    const char *help;
} commands[] = {
#define COMMAND(name, text, argument, run, help) {text, argument, run, help},
#include "runtime/healctl/command.def"
#undef COMMAND
};

static void usage(FILE *out)
{
    fputs("usage: healctl [options] COMMAND\n\nAsks heald over its control socket.\n\n", out);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        fprintf(out, "  %-9s %-13s %s\n", commands[i].text, commands[i].argument, commands[i].help);
    }
    fputs(
        "\noptions:\n"
        "  --socket PATH    heald's control socket (also HEAL_SOCKET)\n"
        "  -c FILE          heald.yaml that names it (default " CONFIG_DEFAULT ")\n"
        "  --state FOLDER   state folder, for stop without heald and for replay\n"
        "  -o json|text     how to print; --json is -o json\n"
        "  -f, --follow     tail: go on with what comes\n"
        "  --all            incidents: closed ones too; alerts: all of them; tail: from the first\n"
        "                   record; replay: everything, not one incident\n"
        "  --annotations    alerts: with their annotations\n"
        "  --why TEXT       stop, deny, ack, mode: the reason that is kept\n"
        "  --plan HASH      approve: the plan that is meant, as incidents shows it; another one is "
        "not approved\n"
        "  --policy NAME    history, outcomes: of this policy\n"
        "  --target TEXT    history: of this target, as 'healctl incidents' names it\n"
        "  --limit N        history: at most so many, the newest first (default 50, up to 1000)\n"
        "  --text TEXT      event: words for people, in heald's log\n"
        "  --time TIME      event: when it was, in RFC 3339 or seconds since 1970 (default: now)\n"
        "  --listen A:P     event: heald's listener; else the one in heald.yaml\n"
        "  --token FILE     event: the file of its bearer token; else the one in heald.yaml\n"
        "  --timeout S      seconds to wait for an answer (default 5)\n"
        "  --version, -h, --help\n"
        "\n"
        "examples:\n"
        "  healctl status\n"
        "  healctl explain 7\n"
        "  healctl replay 7\n"
        "  healctl approve 7 --plan 3fa9c1d2\n"
        "  healctl mode leak act --why 'the limit was wrong'\n"
        "  healctl history --policy checkout_memory --limit 10\n"
        "  healctl deny 7 --why 'not during the sale'\n"
        "  healctl event deploy service=checkout --text 'release 4.2'\n"
        "  healctl stop --why 'I am on it'\n"
        "\n"
        "exit codes: 0 yes, 1 no (not well, nothing to approve, decided otherwise), 2 wrong use, 3 "
        "heald\n  does not answer, or nothing to replay from, 4 no such thing, 5 not allowed\n",
        out);
}

enum {
    OPTION_SOCKET = 256,
    OPTION_STATE,
    OPTION_ALL,
    OPTION_ANNOTATIONS,
    OPTION_WHY,
    OPTION_PLAN,
    OPTION_JSON,
    OPTION_POLICY,
    OPTION_TARGET,
    OPTION_LIMIT,
    OPTION_TEXT,
    OPTION_TIME,
    OPTION_LISTEN,
    OPTION_TOKEN,
    OPTION_TIMEOUT,
    OPTION_VERSION
};

struct settings {
    struct options options;
    const char *config_path;
    bool help, version;
};

static bool timeout_read(const char *text, struct duration *ret)
{
    char *end = NULL;
    double seconds = strtod(text, &end);
    if (end == text || *end != '\0' || !(seconds > 0 && seconds <= 3600)) {
        fprintf(stderr, "healctl: '%s' is no number of seconds up to 3600\n", text);
        return false;
    }
    *ret = duration_seconds(seconds);
    return true;
}

static bool limit_read(const char *text, int64_t *ret)
{
    char *end = NULL;
    const long long limit = strtoll(text, &end, 10);
    *ret = limit;
    if (end == text || *end != '\0' || limit < 1 || limit > 1000) {
        fprintf(stderr, "healctl: '%s' is no number of incidents from 1 to 1000\n", text);
        return false;
    }
    return true;
}

static bool options_read(int argc, char **argv, struct settings *settings)
{
    static const struct option longs[] = {{"socket", required_argument, NULL, OPTION_SOCKET},
                                          {"state", required_argument, NULL, OPTION_STATE},
                                          {"all", no_argument, NULL, OPTION_ALL},
                                          {"annotations", no_argument, NULL, OPTION_ANNOTATIONS},
                                          {"follow", no_argument, NULL, 'f'},
                                          {"why", required_argument, NULL, OPTION_WHY},
                                          {"plan", required_argument, NULL, OPTION_PLAN},
                                          {"json", no_argument, NULL, OPTION_JSON},
                                          {"policy", required_argument, NULL, OPTION_POLICY},
                                          {"target", required_argument, NULL, OPTION_TARGET},
                                          {"limit", required_argument, NULL, OPTION_LIMIT},
                                          {"text", required_argument, NULL, OPTION_TEXT},
                                          {"time", required_argument, NULL, OPTION_TIME},
                                          {"listen", required_argument, NULL, OPTION_LISTEN},
                                          {"token", required_argument, NULL, OPTION_TOKEN},
                                          {"timeout", required_argument, NULL, OPTION_TIMEOUT},
                                          {"version", no_argument, NULL, OPTION_VERSION},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    struct options *options = &settings->options;
    for (int c = getopt_long(argc, argv, "c:o:fh", longs, NULL); c != -1;
         c = getopt_long(argc, argv, "c:o:fh", longs, NULL)) {
        switch (c) {
        case 'c': settings->config_path = optarg; break;
        case 'o':
            options->json = strcmp(optarg, "json") == 0;
            if (!options->json && strcmp(optarg, "text") != 0) {
                fprintf(stderr, "healctl: -o is json or text\n");
                return false;
            }
            break;
        case 'f': options->follow = true; break;
        case 'h': settings->help = true; break;
        case OPTION_SOCKET: options->socket = optarg; break;
        case OPTION_STATE: options->state = optarg; break;
        case OPTION_ALL: options->all = true; break;
        case OPTION_ANNOTATIONS: options->annotations = true; break;
        case OPTION_WHY: options->why = optarg; break;
        case OPTION_PLAN: options->plan = optarg; break;
        case OPTION_JSON: options->json = true; break;
        case OPTION_POLICY: options->policy = optarg; break;
        case OPTION_TARGET: options->target = optarg; break;
        case OPTION_TEXT: options->text = optarg; break;
        case OPTION_TIME: options->time = optarg; break;
        case OPTION_LISTEN: options->listen = optarg; break;
        case OPTION_TOKEN: options->token_file = optarg; break;
        case OPTION_LIMIT:
            if (!limit_read(optarg, &options->limit)) {
                return false;
            }
            break;
        case OPTION_VERSION: settings->version = true; break;
        case OPTION_TIMEOUT:
            if (!timeout_read(optarg, &options->timeout)) {
                return false;
            }
            break;
        default: return false;
        }
    }
    return true;
}

static const struct command *command_find(int argc, char **argv, struct options *options)
{
    const char *nearest = NULL;
    unsigned least = 3;
    if (optind >= argc) {
        fprintf(stderr, "healctl: which command?\n");
        return NULL;
    }
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        const struct command *command = &commands[i];
        if (strcmp(command->text, argv[optind]) == 0) {
            const char first = command->argument[0]; /* '[': it may be left out */
            const int given = argc - optind - 1, wanted = first != '\0' && first != '[';
            const int most = strstr(command->argument, "...")
                                 ? INT_MAX
                                 : wanted + (strchr(command->argument, '[') != NULL);
            if (given < wanted || given > most) {
                fprintf(stderr,
                        most > 0 ? "healctl: %s needs %s%s\n"
                                 : "healctl: %s takes no argument%s%s\n",
                        command->text, wanted && most == wanted ? "one " : "", command->argument);
                return NULL;
            }
            options->command = command->text;
            options->argument = given > 0 ? argv[optind + 1] : NULL;
            options->second = given > 1 ? argv[optind + 2] : NULL;
            options->more = given > 0 ? argv + optind + 2 : NULL;
            return command;
        }
        if (edit_distance(command->text, argv[optind]) < least) {
            least = edit_distance(command->text, argv[optind]);
            nearest = command->text;
        }
    }
    fprintf(stderr,
            nearest != NULL ? "healctl: there is no command '%s'; did you mean '%s'?\n"
                            : "healctl: there is no command '%s'\n",
            argv[optind], nearest);
    return NULL;
}

/* Fills in where heald is: --socket, HEAL_SOCKET, below --state, then the configuration. False
 * after a report. */
static bool find_heald(struct settings *settings, struct config *config)
{
    static char own_socket[4200];
    struct options *options = &settings->options;
    struct config_report report = {0};
    const char *path = settings->config_path != NULL ? settings->config_path : CONFIG_DEFAULT;
    if (options->socket == NULL) {
        options->socket = getenv("HEAL_SOCKET");
    }
    if (options->socket == NULL && options->state != NULL && settings->config_path == NULL) {
        snprintf(own_socket, sizeof own_socket, "%s/control.sock", options->state);
        options->socket = own_socket;
    }
    const bool event = strcmp(options->command, "event") == 0;
    bool needed = settings->config_path != NULL ||
                  (event ? options->listen == NULL : options->socket == NULL);
    if (needed && (settings->config_path != NULL || access(path, F_OK) == 0)) {
        if (!config_load(path, config, &report)) {
            fputs(report.text, stderr);
            config_report_release(&report);
            return false;
        }
        options->listen = options->listen != NULL ? options->listen : config->listen;
        options->token_file =
            options->token_file != NULL ? options->token_file : config->events.token_file;
        options->socket = options->socket != NULL ? options->socket : config->control;
        options->state = options->state != NULL ? options->state : config->state;
    }
    if (options->socket == NULL) {
        options->socket = STATE_DEFAULT "/control.sock";
        options->state = options->state != NULL ? options->state : STATE_DEFAULT;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct settings settings = {.options.timeout = {5 * NS_PER_S}};
    struct config config = {0};
    if (!options_read(argc, argv, &settings)) {
        usage(stderr);
        return CONTROL_USAGE;
    }
    if (settings.help || settings.version) {
        if (settings.version) {
            printf("healctl %s\n", HEAL_VERSION);
        } else {
            usage(stdout);
        }
        return CONTROL_OK;
    }
    const struct command *command = command_find(argc, argv, &settings.options);
    if (command == NULL) {
        return CONTROL_USAGE;
    }
    int code = find_heald(&settings, &config) ? command->run(&settings.options) : CONTROL_USAGE;
    config_release(&config);
    if (fflush(stdout) != 0 && code == CONTROL_OK) {
        code = CONTROL_NEGATIVE;
    }
    return code;
}
