/* healc plan: the operators of policies, equal ones once, with what they cost at worst and which
 * become one kernel of machine code. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/code.h"
#include "compiler/healc/option.h"
#include "lang/arena.h"
#include "runtime/abi.h"

static unsigned long long group_name(const struct abi_plan *plan, const struct abi_node *node)
{
    return (unsigned long long)plan->groups[node->group].hash;
}

static void print_text(const struct abi_plan *plan)
{
    uint64_t bytes = 0, ns = 0;
    size_t shared = 0, on_code = 0;
    printf("%6s %8s %8s %7s  %-18s %s\n", "node", "ns/slot", "B/slot", "readers", "kernel",
           "operator (inputs) @ where it stands first");
    for (size_t i = 0; i < plan->node_count; i++) {
        const struct abi_node *node = &plan->nodes[i];
        char kernel[32] = "-", inputs[40] = "";
        if (node->group != ABI_NONE) {
            snprintf(kernel, sizeof kernel, "k_%016llx", group_name(plan, node));
        }
        if (node->input_count == 1) {
            snprintf(inputs, sizeof inputs, " (%u)", node->input[0]);
        } else if (node->input_count == 2) {
            snprintf(inputs, sizeof inputs, " (%u, %u)", node->input[0], node->input[1]);
        }
        printf("%6zu %8u %8u %7u  %-18s %s%s%s%s @ %s:%u\n", i, node->ns_per_slot,
               node->bytes_per_slot, node->readers, kernel, node->text, inputs,
               node->scalar ? " scalar" : "", node->outside ? " *" : "",
               node->path ? node->path : "?", node->line);
        bytes += node->scalar ? 0 : node->bytes_per_slot;
        ns += node->scalar ? 0 : node->ns_per_slot;
        shared += node->readers > 1;
        on_code += node->group != ABI_NONE;
    }
    printf(
        "%zu operators, %zu with several readers; %zu in %zu kernels; at worst %llu ns and %llu "
        "bytes a slot, with a sample of each series a second and without the room for samples (* "
        "read by the engine)\n",
        plan->node_count, shared, on_code, plan->group_count, (unsigned long long)ns,
        (unsigned long long)bytes);
}

/* Labels of dot: a quote and a backslash are escaped. */
static void print_label(const char *text)
{
    for (const char *c = text; *c; c++) {
        printf(*c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
    }
}

static void print_dot_node(const struct abi_plan *plan, size_t i)
{
    printf("  n%zu [label=\"", i);
    print_label(plan->nodes[i].text);
    printf("\"%s];\n", plan->nodes[i].outside ? ", penwidth=2" : "");
}

static void print_dot(const struct abi_plan *plan)
{
    printf("digraph plan {\n  rankdir=BT;\n  node [shape=box];\n");
    for (size_t g = 0; g < plan->group_count; g++) {
        printf("  subgraph cluster_%zu {\n  label=\"k_%016llx\";\n", g,
               (unsigned long long)plan->groups[g].hash);
        for (uint32_t i = 0; i < plan->groups[g].member_count; i++) {
            print_dot_node(plan, plan->groups[g].members[i]);
        }
        printf("  }\n");
    }
    for (size_t i = 0; i < plan->node_count; i++) {
        const struct abi_node *node = &plan->nodes[i];
        if (node->group == ABI_NONE) {
            print_dot_node(plan, i);
        }
        for (uint32_t j = 0; j < node->input_count; j++) {
            printf("  n%u -> n%zu;\n", node->input[j], i);
        }
    }
    printf("}\n");
}

static int plan_paths(const char *verb, const struct paths *paths, bool dot)
{
    struct arena arena = {0};
    struct sources sources = {0};
    struct error error;
    int code = HEALC_OK;
    const struct program *program = paths_program(paths, &arena, &sources, &code);
    if (program) {
        struct abi_plan *plan = abi_plan_new(program, duration_seconds(CODE_TICK_SECONDS), &error);
        if (plan) {
            (dot ? print_dot : print_text)(plan);
        } else {
            fprintf(stderr, "healc %s: %s\n", verb, error.message);
            code = HEALC_FAILED;
        }
        abi_plan_free(plan);
    }
    sources_release(&sources);
    arena_release(&arena);
    return code;
}

int command_plan(int argc, char **argv)
{
    static const struct option options[] = {{"format", required_argument, NULL, 'f'},
                                            {NULL, 0, NULL, 0}};
    struct paths paths = {0};
    struct error error;
    bool dot = false;
    int code = HEALC_OK;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == '?') {
            return HEALC_FAILED;
        }
        dot = strcmp(optarg, "dot") == 0;
        if (!dot && strcmp(optarg, "text") != 0) {
            return option_fail(argv[0], "--format is text or dot, not '%s'", optarg);
        }
    }
    if (optind == argc) {
        return option_fail(argv[0], "a file or folder is missing");
    }
    for (int i = optind; i < argc && code == HEALC_OK; i++) {
        if (!paths_add(&paths, argv[i], &error)) {
            code = option_fail(argv[0], "%s", error.message);
        }
    }
    if (code == HEALC_OK && paths.count == 0) {
        code = option_fail(argv[0], "no *.heal file is there");
    }
    code = code == HEALC_OK ? plan_paths(argv[0], &paths, dot) : code;
    paths_release(&paths);
    return code;
}
