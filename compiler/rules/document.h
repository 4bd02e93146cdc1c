/* A YAML file as a tree with places: of the rule files and unit tests of Prometheus, which use
 * anchors, aliases, merge keys and block scalars.
 *
 *     const struct document_node *root = document_read(&arena, path, text, length, &report);
 *     const struct document_node *groups = document_get(root, "groups");
 *
 * An alias is the node of its anchor once more; merged keys stand among the others. What the tree
 * would be with every alias written out is bounded, so that no file can grow in its reader. */
#ifndef HEAL_COMPILER_RULES_DOCUMENT_H
#define HEAL_COMPILER_RULES_DOCUMENT_H

#include "compiler/rules/report.h"
#include "lang/arena.h"

enum {
    DOCUMENT_BYTES_MAX = 8 * 1024 * 1024,
    DOCUMENT_DEPTH_MAX = 32,     /* lists and maps inside each other */
    DOCUMENT_NODES_MAX = 500000, /* with every alias written out */
    DOCUMENT_KEYS_MAX = 4096,    /* of one map */
    DOCUMENT_ANCHORS_MAX = 10000
};

enum document_kind { DOCUMENT_SCALAR, DOCUMENT_LIST, DOCUMENT_MAP };

struct document_node {
    enum document_kind kind;
    struct rules_place place;
    size_t weight; /* nodes, with every alias written out */
    /* SCALAR */
    const char *text; /* holds no NUL */
    bool plain;       /* without quotes: may be null, a number, a bool */
    bool literal;     /* a block: its first line is the one behind its place */
    /* LIST: items; MAP: items are values, keys beside them */
    const struct document_node **items, **keys;
    size_t count;
};

/* NULL after a report; an empty file is one too. The tree lives in the arena. */
const struct document_node *document_read(struct arena *arena, const char *path, const char *text,
                                          size_t length, struct rules_report *report);
/* The file's text, NUL-terminated, on the heap; NULL after a report. */
char *document_load(const char *path, size_t *ret_length, struct rules_report *report);

/* The value of a key; NULL where it is none, and where node is no map. */
const struct document_node *document_get(const struct document_node *node, const char *key);
/* ~, null, or nothing at all. */
bool document_is_null(const struct document_node *node);

#endif
