/* The service graph: who calls whom, and what that says about trouble. Pure: no clock, file, socket
 * or random source; times and scores are given.
 *
 * An edge from A to B says that A depends on B (A calls B), so a fault travels from B to A. Cycles
 * are allowed. Services are numbered in the order of their names (bytes), so everything a query
 * returns is the same whatever order the graph was given in, and ties go by name.
 *
 *     struct graph graph;
 *     TRY(graph_build_program(&graph, program, error));
 *     struct graph_impact impact = graph_impact(&graph, graph_find(&graph, "db"), NULL);
 *     size_t count = graph_rank(&graph, seen, scores, GRAPH_THRESHOLD, suspects);
 *     graph_release(&graph);
 *
 * Building allocates; queries do not, save graph_rank() where the C library's qsort() takes a
 * buffer for thousands of suspects. Queries write the graph's scratch: one at a time, hence not
 * const. V is the number of services, E of edges; an array "[V]" has one slot a service, in the
 * order of the numbers, and a service's number must be below V. */
#ifndef HEAL_RUNTIME_ENGINE_GRAPH_H
#define HEAL_RUNTIME_ENGINE_GRAPH_H

#include "lang/ast.h"
#include "lang/base.h"

enum {
    GRAPH_SERVICES_MAX = 4096,
    GRAPH_EDGES_MAX = 65536, /* as given: before edges that are given twice become one */
    GRAPH_NAME_BYTES_MAX =
        255,                /* names of other people's services too, so more than NAME_BYTES_MAX */
    GRAPH_STEPS_MAX = 2000, /* of the walk of a ranking */
};
#define GRAPH_NONE      UINT32_MAX
#define GRAPH_THRESHOLD 3.0  /* the usual limit of a robust z */
#define GRAPH_BACK      0.1  /* how readily a walk turns back, against going on */
#define GRAPH_RESTART   0.01 /* how often it starts anew */

struct graph_edge {
    const char *from, *to; /* from depends on to */
};

/* Neighbours of service s: items[start[s] .. start[s + 1] - 1], ascending. */
struct graph_side {
    uint32_t *start, *items;
};

struct graph {
    uint32_t services, edges;
    const char **names; /* [V], ascending */
    double *weights;    /* [V], of the tier; 1 where none was given */
    struct graph_side dependencies, dependants;
    char *text;         /* the names' bytes */
    uint32_t *seen;     /* scratch [V]: distance from the start of a walk, or GRAPH_NONE */
    uint32_t *via;      /* scratch [V]: where the walk came from */
    uint32_t *queue[3]; /* scratch [V] each */
    uint32_t *calls;    /* scratch [V] */
};

/* Builds the graph of names[name_count] and of all that the edges name; what comes twice counts
 * once. An edge from a service to itself says nothing and is left out. STATUS_LIMIT when there are
 * too many names, services or edges, STATUS_PROTOCOL when a name is empty or too long; then
 * *ret_graph is empty and needs no release. The texts are copied. */
NODISCARD enum status graph_build(struct graph *ret_graph, const char *const *names,
                                  size_t name_count, const struct graph_edge *edges,
                                  size_t edge_count, struct error *error);
/* The same from the services of a checked program (`depends on`, `tier`). */
NODISCARD enum status graph_build_program(struct graph *ret_graph, const struct program *program,
                                          struct error *error);
void graph_release(struct graph *graph); /* zeroed storage is fine too */

/* The service's number, or GRAPH_NONE. O(log V). */
uint32_t graph_find(const struct graph *graph, const char *name);
/* How much a service of this tier weighs: gold 4, silver 2, bronze 1; any other word and NULL 1. */
double graph_tier_weight(const char *tier);

/* All that a service depends on, or all that depend on it, at any distance: ascending numbers into
 * ret[V]; returns how many. The service itself is never among them, even where a cycle leads back
 * to it. O(V + E). */
size_t graph_dependencies(struct graph *graph, uint32_t service, uint32_t *ret);
size_t graph_dependants(struct graph *graph, uint32_t service, uint32_t *ret);

/* How much stands on a service. */
struct graph_impact {
    uint32_t direct;     /* services that call it */
    uint32_t transitive; /* those, and all that depend on them, at any distance */
    uint32_t distance;   /* calls from the farthest of them; 0 when there is none */
    double weight;       /* sum of the weights of all of `transitive` */
};
/* weights[V] >= 0, or NULL for those of the tiers. O(V + E). */
struct graph_impact graph_impact(struct graph *graph, uint32_t service, const double *weights);

/* ---- cascades ---- */

enum graph_state {
    GRAPH_UNKNOWN, /* nothing watches it, or what does is blind */
    GRAPH_HEALTHY,
    GRAPH_FAILING, /* an incident is open */
};
struct graph_health {
    enum graph_state state;
    struct instant since; /* of GRAPH_FAILING */
};

/* What followed what. */
struct graph_cascade {
    uint32_t origin;   /* where it began: the service itself when nothing led to it */
    uint32_t affected; /* services that failed after the origin, by links; 0: no cascade */
    size_t length;     /* of the chain that shows it; 0 without a cascade, else at least 2 */
};
/* The cascade that a failing service is part of. A link leads from failing B to failing A when A
 * depends on B, A began to fail after B, and at most `window` later (0 < since A - since B <=
 * window): the order of events along the calls, as people read an outage. Services that began at
 * the same instant show no order and are not linked. An unknown service between two is looked
 * through, as if its callers called its dependencies themselves; a healthy one is not: what does
 * not fail hands nothing on.
 *
 * The origin is, of those from which links lead to the service, the one that failed first; of those
 * that failed at the same instant, the first by name. ret_chain[V] gets services from the origin to
 * `service`, each linked with the next, the unknown ones between left out; where `service` is the
 * origin, to the one that lies the most links away (then by name). Of several chains one with the
 * fewest links. health[V]; window > 0; a service that is not failing is in no cascade (origin
 * GRAPH_NONE). O(failing * (V + E)). */
struct graph_cascade graph_cascade(struct graph *graph, uint32_t service,
                                   const struct graph_health *health, struct duration window,
                                   uint32_t *ret_chain);

/* ---- ranking ---- */

/* A likely origin, and why. */
struct graph_suspect {
    uint32_t service;
    uint32_t depth;      /* anomalous services behind `seen` on the chain, itself included */
    uint32_t calls;      /* calls on that chain, or on the shortest way where there is no chain */
    uint32_t dependency; /* the worst anomalous service that it depends on, or GRAPH_NONE */
    bool chained;        /* a chain of anomalous (and unknown) services leads to it; else depth 0 */
    bool blind;          /* a service that it calls is unknown */
    double score;        /* as given */
    double weight;       /* 0..1, as below; 0 when not chained */
};
/* Ranks the likely origins of the trouble that shows at `seen`, likeliest first, into ret[V];
 * returns how many: `seen` and its dependencies, where anomalous.
 *
 *   score[V]    >= 0, of any kind (a robust z). NaN is unknown; what is below 0 counts as 0
 *   threshold   > 0, finite; a service is anomalous when score >= threshold, else healthy
 *
 * A fault reaches `seen` from an origin only through services that it disturbs on its way. So a
 * suspect is chained when every service between is anomalous. Where along the chains the origin
 * lies is found as a person would look for it, by a walk: it begins at `seen`, goes along calls to
 * what is anomalous, the more so the more anomalous it is, stays where nothing below explains the
 * trouble, and turns back now and then. With evidence e = ln(score / threshold), 0 for `seen` where
 * it is not anomalous, a step from A leads
 *
 *   to a service B that A calls     in proportion to e(B)
 *   back to a service C calling A   in proportion to GRAPH_BACK * e(C)
 *   nowhere                         in proportion to max(0, e(A) - the largest e(B))
 *
 * and before each step the walk starts anew at `seen` with chance GRAPH_RESTART. The weight of a
 * suspect is the share of the time that the walk spends there, in the long run (power iteration,
 * GRAPH_STEPS_MAX steps or until nothing changes; to nine digits). So the most upstream of a chain
 * comes first, since the walk gathers where it cannot go on; branches compete by their evidence;
 * and what is deep but only barely anomalous does not outrank what is clearly so. The logarithm
 * tames scores (a robust z of a calm series is easily in the thousands and says no more than one of
 * 100), and lets what is barely anomalous weigh barely anything; above 1e12 all weigh the same.
 *
 * First come the chained, by weight; then the anomalous without a chain, weight 0. Ties go by
 * score, then by name. While a service is anomalous a higher score does not lower its own place
 * (tested on random graphs, not proved).
 *
 * An unknown service is never a suspect, has no evidence and adds nothing to the depth (so it never
 * counts as anomalous); nor does it break a chain (so it never counts as healthy): it is looked
 * through, as if its callers called its dependencies themselves, and marks them as blind. `seen`
 * starts the chains whatever its own score, as that there is trouble is given. Of the calls between
 * services on chains, those beyond GRAPH_EDGES_MAX (looking through makes more of them) are left
 * out.
 *
 * Source: MonitorRank (Kim, Sumbaly and Shah 2013: Root cause detection in a service-oriented
 * architecture, SIGMETRICS), whose walk this is, with the restart of personalised PageRank at the
 * front end, and evidence instead of correlation. The restart is rare (a walk has 100 steps in the
 * mean), as it pulls towards `seen`; without any the walk would end up in the deepest corner.
 *
 * Allocates 0.5 MiB and 5 V doubles while it runs. O(GRAPH_STEPS_MAX * (V + E)); where many are
 * unknown, what is looked through below each suspect comes on top. */
size_t graph_rank(struct graph *graph, uint32_t seen, const double *score, double threshold,
                  struct graph_suspect *ret);
/* The chain that graph_rank() means: services from `seen` to the suspect, both included, those
 * unknown too, into ret[V]; returns how many, 0 when no chain leads there. O(V + E). */
size_t graph_rank_chain(struct graph *graph, uint32_t seen, const double *score, double threshold,
                        uint32_t suspect, uint32_t *ret);

#endif
