/* From the lexer's cuts to the grammar's tokens. */
#include "lang/parse/token.h"

#include <math.h>
#include <string.h>

#include "lang/parse/keyword.h"
#include "lang/parser.h"

void token_cut(struct parser *parser, struct token *token, size_t length)
{
    token->span.start = (uint32_t)(parser->source->base + parser->offset);
    parser->offset += length;
    token->span.end = (uint32_t)(parser->source->base + parser->offset);
    token->length = length;
}

bool token_starts_line(const struct parser *parser, size_t offset)
{
    const char *text = parser->source->text;
    while (offset > 0 && (text[offset - 1] == ' ' || text[offset - 1] == '\t')) {
        offset--;
    }
    return offset == 0 || text[offset - 1] == '\n';
}

void token_comment(struct parser *parser, const struct token *token)
{
    struct comment *comment = ARENA_NEW(parser->arena, struct comment);
    comment->span = token->span;
    comment->own_line = token_starts_line(parser, token->span.start - parser->source->base);
    if (parser->last_comment) {
        parser->last_comment->next = comment;
    } else {
        parser->file->comments = comment;
    }
    parser->last_comment = comment;
}

int token_number(struct parser *parser, struct token *token, const char *text, size_t length)
{
    size_t used = length;
    int kind = literal_number(parser, text, length, token->span, &token->value.quantity, &used);
    parser->offset -= length - used;
    token->length = used;
    token->span.end -= (uint32_t)(length - used);
    token->value.quantity.span = token->span;
    return kind;
}

int token_name(struct parser *parser, struct token *token, const char *text, size_t length,
               int kind)
{
    if (kind == 0) {
        const struct keyword *keyword = keyword_find(text, length);
        kind = keyword                                          ? keyword->token
               : aggregate_find(text, length) != AGGREGATE_NONE ? POLICY_AGGREGATE
                                                                : POLICY_IDENT;
    }
    token->value.name = (struct name){arena_strndup(parser->arena, text, length), token->span};
    if (kind == K_INF_NAN) {
        bool nan = text[0] == 'n' || text[0] == 'N';
        token->value.quantity = (struct quantity){nan ? (double)NAN : (double)INFINITY, UNIT_NONE,
                                                  UNIT_NONE, token->value.name.text, token->span};
    }
    if (kind == POLICY_NAMED) {
        token->value.name.span.end--;
    }
    return kind;
}

int token_string(struct parser *parser, struct token *token, const char *text, size_t length)
{
    struct expr *expr = ARENA_NEW(parser->arena, struct expr);
    expr->kind = EXPR_STRING;
    expr->height = 1;
    expr->span = token->span;
    expr->string.text = arena_strndup(parser->arena, text, length);
    expr->string.value = literal_string(parser, text, length, token->span);
    token->value.expr = expr;
    return POLICY_STRING;
}

int token_string_open(struct parser *parser, struct token *token, char quote)
{
    struct diag *diag = diag_add(parser->diags, DIAG_STRING_OPEN, token->span,
                                 "the string that starts here is not closed");
    diag_help(diag, "end it with %c%s", quote, quote == '`' ? "" : " on the same line");
    return token_string(parser, token, "\"\"", 2);
}

int token_unknown(struct parser *parser, struct token *token)
{
    /* The rest of a UTF-8 sequence belongs to the same report. */
    const unsigned char *text = (const unsigned char *)parser->source->text;
    size_t at = token->span.start - parser->source->base;
    if (text[at] >= 0x80 && (text[at] & 0xC0) == 0x80 && at > 0 && text[at - 1] >= 0x80) {
        return POLICY_YYUNDEF;
    }
    size_t end = at + 1;
    while (text[at] >= 0xC0 && (text[end] & 0xC0) == 0x80) {
        end++;
    }
    token->span.end = (uint32_t)(parser->source->base + end);
    if (text[at] == 0) {
        diag_add(parser->diags, DIAG_CHARACTER, token->span, "the text has a NUL byte");
    } else {
        struct diag *diag = diag_add(parser->diags, DIAG_CHARACTER, token->span,
                                     "no token starts with '%.*s'", (int)(end - at), text + at);
        if (text[at] == ';') {
            diag_help(diag, "statements need no semicolon; leave it out");
        } else if (text[at] == '!') {
            diag_help(diag, "write 'unless', or != in a comparison");
        } else if (text[at] == '&' || text[at] == '|') {
            diag_help(diag, "write '%s'", text[at] == '&' ? "and" : "or");
        }
    }
    return POLICY_YYUNDEF;
}

/* ---- the stream the grammar reads ---- */

static int token_next(struct parser *parser, struct token *token)
{
    do {
        token->kind = policy_scan(token, parser->scanner);
    } while (token->kind == POLICY_YYUNDEF);
    return token->kind;
}

static void token_count_brackets(struct parser *parser, const struct token *token)
{
    if (token->kind == '(' || token->kind == '[' || token->kind == '{') {
        parser->depth++;
    } else if ((token->kind == ')' || token->kind == ']' || token->kind == '}') &&
               parser->depth > 0) {
        parser->depth--;
    }
}

/* What a token opens, told by its word: none of the grammar's tables is asked. */
static enum keyword_opens token_opens(const struct parser *parser, const struct token *token)
{
    const char *text = parser->source->text + (token->span.start - parser->source->base);
    size_t length = token->span.end - token->span.start;
    bool word = length > 0 && (text[0] == '_' || (text[0] >= 'a' && text[0] <= 'z'));
    const struct keyword *keyword = word ? keyword_find(text, length) : NULL;
    if (!keyword || (keyword->use != KEYWORD_RESERVED &&
                     !token_starts_line(parser, token->span.start - parser->source->base))) {
        return KEYWORD_OPENS_NOTHING;
    }
    if (parser->skip_by_line &&
        !token_starts_line(parser, token->span.start - parser->source->base)) {
        return KEYWORD_OPENS_NOTHING;
    }
    if (keyword->token == K_SIGNAL && parser->block_count == 0) {
        return KEYWORD_OPENS_ITEM; /* of the file; in a block it is a clause */
    }
    return keyword->opens;
}

/* True when the parser can go on at this token. */
static bool token_ends_skipping(struct parser *parser, const struct token *token)
{
    enum keyword_opens opens = token_opens(parser, token);
    if (token->kind == 0) {
        return true;
    }
    if (opens == KEYWORD_OPENS_ITEM) {
        parser->closing = parser->block_count;
        return true;
    }
    if (parser->block_count == 0) {
        return false;
    }
    bool inside = parser->depth >= parser->block_depth;
    if (token->kind == '}' && parser->depth <= parser->block_depth) {
        return true;
    }
    return inside && opens == KEYWORD_OPENS_CLAUSE &&
           (parser->depth == parser->block_depth || !parser->skip_by_line);
}

static void token_skip(struct parser *parser, struct token *token)
{
    while (!token_ends_skipping(parser, token) && ++parser->tokens <= PARSE_TOKENS_MAX) {
        token_count_brackets(parser, token);
        token_next(parser, token);
    }
    parser->skipping = false;
    parser->skip_by_line = false;
    parser->depth = parser->block_count > 0 ? parser->block_depth : 0;
}

static int token_closing(struct parser *parser, struct span *span)
{
    parser->closing--;
    *span = (struct span){parser->last_span.end, parser->last_span.end};
    parser->last_token = '}';
    return '}';
}

int policy_yylex(POLICY_YYSTYPE *value, struct span *span, struct parser *parser)
{
    struct token token = {0};
    if (parser->start_token) {
        int kind = parser->start_token;
        parser->start_token = 0;
        *span = (struct span){parser->source->base, parser->source->base};
        return kind;
    }
    if (parser->stopped) {
        *span = parser->last_span;
        return 0;
    }
    if (parser->closing > 0) {
        return token_closing(parser, span);
    }
    if (parser->held) {
        parser->held = false;
        token = *parser->held_token;
    } else {
        token_next(parser, &token);
        if (parser->skipping) {
            token_skip(parser, &token);
        }
        if (parser->closing > 0) {
            parser->held = true;
            *parser->held_token = token;
            return token_closing(parser, span);
        }
    }
    token_count_brackets(parser, &token);
    if (parser->depth > PARSE_DEPTH_MAX) {
        parser_stop(parser, token.span, "brackets inside each other", PARSE_DEPTH_MAX);
        token.kind = 0;
    } else if (++parser->tokens > PARSE_TOKENS_MAX) {
        parser_stop(parser, token.span, "tokens", PARSE_TOKENS_MAX);
        token.kind = 0;
    }
    *value = token.value;
    *span = token.span;
    *parser->held_token = token;
    parser->previous_token = parser->last_token;
    parser->last_token = token.kind;
    parser->last_span = token.span;
    return token.kind;
}

void token_recover(struct parser *parser)
{
    const struct token *last = parser->held_token;
    enum keyword_opens opens =
        parser->last_token == '}' ? KEYWORD_OPENS_NOTHING : token_opens(parser, last);
    if (parser->closing > 0 || parser->last_token == 0) {
        return;
    }
    if (opens == KEYWORD_OPENS_ITEM && parser->block_count > 0) {
        /* A block was not closed: the item comes again, after the braces that are missing. */
        parser->closing = parser->block_count;
        parser->held = true;
        parser->depth = 0;
    } else if (opens == KEYWORD_OPENS_NOTHING && parser->last_token != '}') {
        parser->skipping = true;
    }
}

void token_block_open(struct parser *parser)
{
    CHECK(parser->block_count < PARSE_BLOCKS_MAX);
    parser->blocks[parser->block_count++] = parser->block_depth;
    parser->block_depth = parser->depth;
}

void token_block_close(struct parser *parser)
{
    CHECK(parser->block_count > 0);
    parser->depth = parser->block_depth - 1; /* even if brackets inside were left open */
    parser->block_depth = parser->blocks[--parser->block_count];
}
