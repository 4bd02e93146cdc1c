/* Ranks the origins of troubles that come on standard input, for rca.py. Lines of fields between
 * tabs:
 *
 *     service NAME            edge FROM TO         the graph, before all else
 *     base NAME VALUE...      undisturbed values of the service, until others are given
 *     rows NAME VALUE...      its values in the trouble; an empty VALUE is a gap
 *     rank KEY SEEN           ranks, prints, and forgets the rows
 *
 * For each rank three lines, the names likeliest first:
 *
 *     KEY seen SCORE          of the service where the trouble shows; nan when unknown
 *     KEY heal NAME...        graph_rank()
 *     KEY score NAME...       the same suspects by nothing but their scores */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/engine/graph.h"
#include "tests/accuracy/robust.h"

struct run {
    const char **names;
    size_t name_count, name_capacity;
    struct graph_edge *edges;
    size_t edge_count, edge_capacity;
    bool built;
    struct graph graph;
    struct robust *usual; /* [services], as all below */
    double *scores;
    struct graph_suspect *suspects;
    double *values; /* of one line */
    size_t value_count, value_capacity;
};

_Noreturn static void give_up(const char *why, const char *what)
{
    fprintf(stderr, "accuracy_rca: %s '%s'\n", why, what);
    exit(2);
}

static void build(struct run *run)
{
    struct error error;
    if (graph_build(&run->graph, run->names, run->name_count, run->edges, run->edge_count,
                    &error) != STATUS_OK) {
        give_up("no graph:", error.message);
    }
    size_t slots = run->graph.services + (size_t)1;
    run->usual = heap_alloc(slots * sizeof *run->usual);
    run->scores = heap_alloc(slots * sizeof *run->scores);
    run->suspects = heap_alloc(slots * sizeof *run->suspects);
    for (uint32_t s = 0; s < run->graph.services; s++) {
        run->usual[s] = (struct robust){(double)NAN, (double)NAN};
        run->scores[s] = (double)NAN;
    }
    run->built = true;
}

static char *field(char **rest)
{
    char *text = strsep(rest, "\t");
    if (!text) {
        give_up("a field is missing in", "the line");
    }
    return text;
}

static uint32_t service_of(struct run *run, const char *name)
{
    if (!run->built) {
        build(run);
    }
    uint32_t service = graph_find(&run->graph, name);
    if (service == GRAPH_NONE) {
        give_up("no such service:", name);
    }
    return service;
}

static void read_values(struct run *run, char *rest)
{
    run->value_count = 0;
    for (char *text; (text = strsep(&rest, "\t"));) {
        char *end;
        ARRAY_RESERVE(run->values, run->value_count, run->value_capacity);
        run->values[run->value_count++] = *text ? strtod(text, &end) : (double)NAN;
        if (*text && *end) {
            give_up("no number:", text);
        }
    }
}

static void print_rank(struct run *run, const char *key, uint32_t seen)
{
    size_t count = graph_rank(&run->graph, seen, run->scores, GRAPH_THRESHOLD, run->suspects);
    printf("%s\tseen\t%.17g\n%s\theal", key, run->scores[seen], key);
    for (size_t i = 0; i < count; i++) {
        printf("\t%s", run->graph.names[run->suspects[i].service]);
    }
    printf("\n%s\tscore", key);
    for (size_t i = 0; i < count; i++) {
        size_t best = i;
        for (size_t k = i; k < count; k++) {
            const struct graph_suspect *a = &run->suspects[k], *b = &run->suspects[best];
            best =
                a->score > b->score || (a->score == b->score && a->service < b->service) ? k : best;
        }
        struct graph_suspect first = run->suspects[best];
        run->suspects[best] = run->suspects[i];
        run->suspects[i] = first;
        printf("\t%s", run->graph.names[first.service]);
    }
    printf("\n");
    for (uint32_t s = 0; s < run->graph.services; s++) {
        run->scores[s] = (double)NAN;
    }
}

static void add_service(struct run *run, const char *name)
{
    ARRAY_RESERVE(run->names, run->name_count, run->name_capacity);
    run->names[run->name_count++] = heap_strdup(name);
}

static void add_edge(struct run *run, const char *from, const char *to)
{
    ARRAY_RESERVE(run->edges, run->edge_count, run->edge_capacity);
    run->edges[run->edge_count++] = (struct graph_edge){heap_strdup(from), heap_strdup(to)};
}

static void take_line(struct run *run, char *line)
{
    char *rest = line;
    const char *word = field(&rest), *name = field(&rest);
    if (strcmp(word, "service") == 0 && !run->built) {
        add_service(run, name);
    } else if (strcmp(word, "edge") == 0 && !run->built) {
        add_edge(run, name, field(&rest));
    } else if (strcmp(word, "base") == 0) {
        uint32_t s = service_of(run, name);
        read_values(run, rest);
        run->usual[s] = robust_of(run->values, run->value_count);
    } else if (strcmp(word, "rows") == 0) {
        uint32_t s = service_of(run, name);
        read_values(run, rest);
        run->scores[s] = robust_score(&run->usual[s], run->values, run->value_count);
    } else if (strcmp(word, "rank") == 0) {
        print_rank(run, name, service_of(run, field(&rest)));
    } else {
        give_up("no such word, or not here:", word);
    }
}

static void release(struct run *run)
{
    for (size_t i = 0; i < run->name_count; i++) {
        free((void *)(uintptr_t)run->names[i]);
    }
    for (size_t i = 0; i < run->edge_count; i++) {
        free((void *)(uintptr_t)run->edges[i].from);
        free((void *)(uintptr_t)run->edges[i].to);
    }
    graph_release(&run->graph);
    free(run->names);
    free(run->edges);
    free(run->usual);
    free(run->scores);
    free(run->suspects);
    free(run->values);
}

int main(void)
{
    struct run run = {0};
    char *line = NULL;
    size_t size = 0;
    for (ssize_t length; (length = getline(&line, &size, stdin)) > 0;) {
        line[strcspn(line, "\n")] = '\0';
        take_line(&run, line);
    }
    free(line);
    release(&run);
    return 0;
}
