/* What lexer, grammar and builders share while one text is parsed. Nothing outside lang/parse and
 * lang/parser.c includes this. */
#ifndef HEAL_LANG_PARSE_PARSE_H
#define HEAL_LANG_PARSE_PARSE_H

#include "lang/ast.h"
#include "lang/diagnostic.h"

enum { PARSE_BLOCKS_MAX = 8, POLICY_STACK_MAX = 10000 };
struct token;

struct parser {
    struct arena *arena;
    struct diag_list *diags;
    const struct source *source;
    void *scanner;
    size_t offset; /* of the lexer in source->text */
    size_t tokens;
    int start_token; /* given out first: chooses file or expression */
    int depth;       /* open brackets */
    int block_depth; /* open brackets just inside the innermost block */
    int blocks[PARSE_BLOCKS_MAX];
    int block_count;
    bool skipping;     /* after an error or a refused clause: drop tokens up to a clause or item */
    bool skip_by_line; /* only a word that starts its line ends the skipping */
    int closing;       /* closing braces still to be invented before the held token */
    bool held;         /* held_token is to be given out next */
    struct token *held_token; /* else: the one given out last */
    bool stopped;             /* a limit was passed: nothing more is read or reported */
    int last_token, previous_token;
    struct span last_span; /* of the token that the grammar saw last */

    /* what is being built */
    struct file *file;
    struct item *last_item;
    struct comment *last_comment;
    struct expr *expr;               /* result of parse_expression */
    struct name metric_name, domain; /* words of the statement at hand */
    struct act_call *call_at_hand;
    struct rung *rung;
    struct service *service;
    struct action *action;
    struct guard *guard;
    struct policy *policy;
    struct heal *heal;
    struct test *test;
    struct given *given;
    struct expect *expect;
    /* last elements of the lists above */
    struct limit *last_guard_limit, *last_bound, *last_keep, *last_spend;
    struct signal *last_signal;
    struct pair *last_label, *last_annotation;
    struct heal *last_heal;
    struct heal *heal_block; /* the first of the block that is open */
    struct cause *last_cause;
    struct evidence *last_evidence; /* of the last cause */
    struct rung *last_rung;
    struct climb_step *last_climb;
    struct given *last_given;
    struct expect *last_expect;
    /* places of clauses that were seen in this block, for "written twice" */
    struct {
        const char *clause;
        struct span span;
    } seen[24];
    int seen_count;
};

/* Stops parsing for a passed limit. */
void parser_stop(struct parser *parser, struct span span, const char *what, long limit);

/* Lists are built as rings: the last element is kept and points at the first. */
#define RING_ADD(last, item)                        \
    ((item)->next = (last) ? (last)->next : (item), \
     (last) ? (void)((last)->next = (item)) : (void)0)
#define RING_OPEN(type, last, ret_first)    \
    do {                                    \
        type *ring_last_ = (last);          \
        (ret_first) = NULL;                 \
        if (ring_last_) {                   \
            (ret_first) = ring_last_->next; \
            ring_last_->next = NULL;        \
        }                                   \
    } while (0)

/* ---- lexer (literal.c, token.c) ---- */

/* A number with what is glued to it, in text[length]; sets ret_used (a slash that is a division is
 * given back) and returns the token. */
int literal_number(struct parser *parser, const char *text, size_t length, struct span span,
                   struct quantity *ret, size_t *ret_used);
/* Value of a quoted string; reports bad escapes. */
const char *literal_string(struct parser *parser, const char *text, size_t length,
                           struct span span);
/* Token of a word. */
int token_word(const char *text, size_t length);
bool token_starts_line(const struct parser *parser, size_t offset);

#endif
