/* Text to tree: one file, one expression, or a set of files with their imports. */
#include "lang/parser.h"

#include <string.h>

#include "lang/parse/token.h"

/* Every stretch of bytes that is not UTF-8 is one report; the lexer then sees bytes only. */
static bool parse_bytes(const struct source *source, struct diag_list *diags)
{
    const unsigned char *text = (const unsigned char *)source->text;
    bool good = true;
    for (size_t i = 0; i < source->length;) {
        size_t n = text[i] == 0 ? 0 : utf8_length(text + i, source->length - i);
        if (n > 0) {
            i += n;
            continue;
        }
        size_t start = i;
        while (i < source->length &&
               (text[i] == 0 || utf8_length(text + i, source->length - i) == 0)) {
            i++;
        }
        struct span span = {source->base + (uint32_t)start, source->base + (uint32_t)i};
        diag_add(diags, DIAG_CHARACTER, span,
                 text[start] == 0 ? "the text has a NUL byte" : "the text is not UTF-8 here");
        good = false;
    }
    return good;
}

static void parser_run(struct parser *parser, int start_token)
{
    struct token held = {0};
    parser->held_token = &held;
    parser->start_token = start_token;
    parser->file = ARENA_NEW(parser->arena, struct file);
    parser->file->source = parser->source;
    if (!parse_bytes(parser->source, parser->diags)) {
        return;
    }
    token_open(parser);
    size_t errors = parser->diags->errors;
    bool accepted = policy_yyparse(parser) == 0;
    CHECK(accepted || parser->diags->errors > errors);
    token_close(parser);
    parser->held_token = NULL;
}

struct file *parse_file(struct arena *arena, const struct source *source, struct diag_list *diags)
{
    struct parser parser = {.arena = arena, .diags = diags, .source = source};
    parser_run(&parser, POLICY_FILE);
    return parser.file;
}

struct expr *parse_expression(struct arena *arena, const struct source *source,
                              struct diag_list *diags)
{
    struct parser parser = {.arena = arena, .diags = diags, .source = source};
    size_t errors = diags->errors;
    parser_run(&parser, POLICY_EXPRESSION);
    return diags->errors > errors ? NULL : parser.expr;
}

/* ---- a set of files ---- */

struct joiner {
    struct arena *arena;
    struct sources *sources;
    struct diag_list *diags;
    const struct parse_text *texts; /* NULL: files are read from the disk */
    size_t text_count;
    struct program *program;
    struct file **last_file;
    struct service **service;
    struct pool **pool;
    struct channel **channel;
    struct metric **metric;
    struct recorded **recorded;
    struct action **action;
    struct guard **guard;
    struct policy **policy;
    struct test **test;
};

/* path relative to the file that imports it, without "./" and "dir/.." */
static const char *path_join(struct arena *arena, const char *from, const char *path)
{
    const char *slash = strrchr(from, '/');
    char *joined = path[0] == '/' || !slash
                       ? arena_strdup(arena, path)
                       : arena_printf(arena, "%.*s%s", (int)(slash + 1 - from), from, path);
    char *out = joined, *start = joined;
    for (char *in = joined; *in;) {
        size_t n = strcspn(in, "/");
        bool named = out - start >= 3 ? strncmp(out - 3, "../", 3) != 0 : out > start + 1;
        if ((n == 1 && in[0] == '.') || (n == 0 && in != joined)) {
            in += n + (in[n] == '/');
        } else if (n == 2 && in[0] == '.' && in[1] == '.' && named && out > start) {
            for (out--; out > start && out[-1] != '/'; out--) {
            }
            in += n + (in[n] == '/');
        } else {
            n += in[n] == '/';
            memmove(out, in, n);
            out += n;
            in += n;
        }
    }
    *out = '\0';
    return joined;
}

static bool source_is_read(const struct joiner *joiner, const char *path)
{
    for (const struct file *file = joiner->program->files; file; file = file->next) {
        if (strcmp(file->source->path, path) == 0) {
            return true;
        }
    }
    return false;
}

static const struct source *source_open(const struct joiner *joiner, const char *path,
                                        struct error *error)
{
    if (!joiner->texts) {
        return sources_read(joiner->sources, path, error);
    }
    for (size_t i = 0; i < joiner->text_count; i++) {
        const struct parse_text *text = &joiner->texts[i];
        if (strcmp(text->name, path) == 0) {
            return sources_add(joiner->sources, path, text->text, text->length, error);
        }
    }
    error_set(error, STATUS_NOT_FOUND, "there is no file '%s' in the set", path);
    return NULL;
}

static void file_read(struct joiner *joiner, const char *path, struct span span)
{
    struct error error = {{0}};
    if (source_is_read(joiner, path)) {
        return;
    }
    const struct source *source = source_open(joiner, path, &error);
    if (!source) {
        diag_add(joiner->diags, DIAG_SOURCE_UNREADABLE, span, "%s", error.message);
        return;
    }
    struct file *file = parse_file(joiner->arena, source, joiner->diags);
    *joiner->last_file = file;
    joiner->last_file = &file->next;
}

#define JOIN(list) (*joiner->list = item->list, joiner->list = &item->list->next)

static void join_file(struct joiner *joiner, const struct file *file)
{
    for (struct item *item = file->items; item; item = item->next) {
        switch (item->kind) {
        case ITEM_EDITION: break;
        case ITEM_IMPORT:
            file_read(joiner, path_join(joiner->arena, file->source->path, item->import->path),
                      item->import->span);
            break;
        case ITEM_SERVICE: JOIN(service); break;
        case ITEM_POOL: JOIN(pool); break;
        case ITEM_CHANNEL: JOIN(channel); break;
        case ITEM_METRIC: JOIN(metric); break;
        case ITEM_RECORDED: JOIN(recorded); break;
        case ITEM_ACTION: JOIN(action); break;
        case ITEM_GUARD: JOIN(guard); break;
        case ITEM_POLICY: JOIN(policy); break;
        case ITEM_TEST: JOIN(test); break;
        }
    }
}

static struct joiner joiner_of(struct arena *arena, struct sources *sources,
                               struct diag_list *diags)
{
    struct program *program = ARENA_NEW(arena, struct program);
    program->arena = arena;
    return (struct joiner){.arena = arena,
                           .sources = sources,
                           .diags = diags,
                           .program = program,
                           .last_file = &program->files,
                           .service = &program->services,
                           .pool = &program->pools,
                           .channel = &program->channels,
                           .metric = &program->metrics,
                           .recorded = &program->recorded,
                           .action = &program->actions,
                           .guard = &program->guards,
                           .policy = &program->policies,
                           .test = &program->tests};
}

static struct program *join_files(struct joiner *joiner)
{
    for (struct file *file = joiner->program->files; file; file = file->next) {
        join_file(joiner, file);
    }
    return joiner->program;
}

struct program *parse_program(struct arena *arena, struct sources *sources, char *const *paths,
                              size_t path_count, struct diag_list *diags)
{
    struct joiner joiner = joiner_of(arena, sources, diags);
    for (size_t i = 0; i < path_count; i++) {
        file_read(&joiner, path_join(arena, "", paths[i]), (struct span){0, 0});
    }
    return join_files(&joiner);
}

struct program *parse_program_texts(struct arena *arena, struct sources *sources,
                                    const struct parse_text *texts, size_t text_count,
                                    struct diag_list *diags)
{
    struct joiner joiner = joiner_of(arena, sources, diags);
    joiner.texts = texts;
    joiner.text_count = text_count;
    for (size_t i = 0; i < text_count; i++) {
        file_read(&joiner, texts[i].name, (struct span){0, 0});
    }
    return join_files(&joiner);
}
