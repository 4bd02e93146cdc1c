/* Tokens between lexer and grammar: their values, comments, limits, and what is dropped while the
 * parser recovers from an error. */
#ifndef HEAL_LANG_PARSE_TOKEN_H
#define HEAL_LANG_PARSE_TOKEN_H

#include "lang/parse/parse.h"
#include "lang/parse/policy_grammar.h"

struct token {
    int kind;
    POLICY_YYSTYPE value;
    struct span span;
    size_t length; /* bytes that belong to it */
};

/* policy.l */
void token_open(struct parser *parser);
void token_close(struct parser *parser);
int policy_scan(struct token *token, void *scanner);

/* One function for each sort of token; each returns its kind. */
void token_cut(struct parser *parser, struct token *token, size_t length);
void token_comment(struct parser *parser, const struct token *token);
int token_number(struct parser *parser, struct token *token, const char *text, size_t length);
int token_name(struct parser *parser, struct token *token, const char *text, size_t length,
               int kind);
int token_string(struct parser *parser, struct token *token, const char *text, size_t length);
int token_string_open(struct parser *parser, struct token *token, char quote);
int token_unknown(struct parser *parser, struct token *token);

/* What the grammar calls. */
int policy_yylex(POLICY_YYSTYPE *value, struct span *span, struct parser *parser);
/* A syntax error was reported at the last token: drop what follows up to a clause or an item. */
void token_recover(struct parser *parser);
void token_block_open(struct parser *parser);
void token_block_close(struct parser *parser);

#endif
