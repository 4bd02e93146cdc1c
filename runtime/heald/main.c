/* heald: the daemon. Options, then one of: check, probe, a child's role, the parent. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/heald/engine_debug.h"
#include "runtime/heald/grant_list.h"
#include "runtime/heald/process.h"

#define CONFIG_DEFAULT "/etc/heal/heald.yaml"

enum {
    EXIT_USAGE = 2,
    OPTION_ROLE = 256,
    OPTION_PROBE,
    OPTION_REPAIR,
    OPTION_DEBUG,
    OPTION_VERSION
};

enum task { TASK_RUN, TASK_CHECK, TASK_REPAIR };

static void usage(FILE *out)
{
    fputs("usage: heald [-c FILE] [-n]\n"
          "\n"
          "Watches metrics, and does what signed policies say and the configuration grants. Runs "
          "in the\n"
          "foreground and logs to standard error; ends in order on SIGTERM, reloads policies on "
          "SIGHUP.\n"
          "\n"
          "  -c FILE               configuration (default " CONFIG_DEFAULT ")\n"
          "  -n                    check it, print it with every default, and end\n"
          "  --repair-journal      put a damaged journal aside, go on from its good part, and end\n"
          "  --sandbox-probe ROLE  try what parent, ingest, engine, actor or compile must not do\n"
          "  --debug-code          tell perf (/tmp/perf-PID.map) and gdb of the machine code\n"
          "  --version             print the version\n"
          "  -h, --help            this text\n"
          "\n"
          "exit codes: 0 ended in order, 1 could not start or was forced to end, 2 wrong use\n",
          out);
}

static void probe_line(void *ctx, const char *name, const char *outcome)
{
    (void)ctx;
    printf("%-26s %s\n", name, outcome);
}

static int probe(const char *name)
{
    for (int role = 0; role < SANDBOX_ROLES; role++) {
        if (strcmp(sandbox_role_texts[role], name) == 0) {
            setvbuf(stdout, NULL, _IONBF, 0);
            return sandbox_probe((enum sandbox_role)role, probe_line, NULL) == 0 ? 0 : 1;
        }
    }
    fprintf(stderr, "heald: there is no role '%s'\n", name);
    return EXIT_USAGE;
}

static int run_role(const char *name)
{
    for (int role = 0; role < PROCESS_ROLES; role++) {
        if (strcmp(process_role_texts[role], name) == 0) {
            return process_child_main((enum process_role)role);
        }
    }
    fprintf(stderr, "heald: there is no role '%s'\n", name);
    return EXIT_USAGE;
}

static int run(const char *path, enum task task)
{
    struct config config;
    struct config_report report = {0};
    int code = 0;
    if (!config_load(path, &config, &report)) {
        fputs(report.text, stderr);
        if (report.errors > CONFIG_ERRORS_MAX) {
            fprintf(stderr, "heald: %zu more errors\n", report.errors - CONFIG_ERRORS_MAX);
        }
        config_report_release(&report);
        return 1;
    }
    struct grant_list grants;
    struct error error;
    if (grant_list_load(&config, &grants, &error) != STATUS_OK) {
        fprintf(stderr, "%s: error: %s\n", path, error.message);
        config_release(&config);
        return 1;
    }
    grant_list_release(&grants);
    if (task == TASK_REPAIR) {
        code = process_repair_main(&config);
    } else if (task == TASK_CHECK) {
        char *text = config_print(&config, true);
        code = fputs(text, stdout) < 0 || fflush(stdout) != 0;
        free(text);
    } else {
        code = process_parent_main(&config);
    }
    config_release(&config);
    return code;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"role", required_argument, NULL, OPTION_ROLE},
        {"sandbox-probe", required_argument, NULL, OPTION_PROBE},
        {"repair-journal", no_argument, NULL, OPTION_REPAIR},
        {"debug-code", no_argument, NULL, OPTION_DEBUG},
        {"version", no_argument, NULL, OPTION_VERSION},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0}};
    const char *path = CONFIG_DEFAULT;
    enum task task = TASK_RUN;
    for (int c = getopt_long(argc, argv, "c:nh", options, NULL); c != -1;
         c = getopt_long(argc, argv, "c:nh", options, NULL)) {
        switch (c) {
        case 'c': path = optarg; break;
        case 'n': task = TASK_CHECK; break;
        case 'h': usage(stdout); return 0;
        case OPTION_ROLE: return run_role(optarg);
        case OPTION_REPAIR: task = TASK_REPAIR; break;
        case OPTION_PROBE: return probe(optarg);
        case OPTION_DEBUG: CHECK(setenv(ENGINE_DEBUG_VARIABLE, "1", 1) == 0); break;
        case OPTION_VERSION: printf("heald %s\n", HEAL_VERSION); return 0;
        default: usage(stderr); return EXIT_USAGE;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "heald: '%s' is no option\n", argv[optind]);
        usage(stderr);
        return EXIT_USAGE;
    }
    return run(path, task);
}
