/* What the files of templates share: tokens, nodes, values, the state of a run. Only template*.c
 * include this. */
#ifndef HEAL_RUNTIME_ENGINE_TEMPLATE_INTERNAL_H
#define HEAL_RUNTIME_ENGINE_TEMPLATE_INTERNAL_H

#include "runtime/engine/template.h"

/* ---- text: a string with its length, which may hold any byte but is never changed ---- */

struct template_text {
    const char *bytes;
    size_t length;
};
struct template_text template_text_of(const char *text);
bool template_text_is(struct template_text a, const char *b);
int template_text_order(struct template_text a, struct template_text b);

/* A growing text; heap. `full` is set once it would pass TEMPLATE_OUTPUT_BYTES_MAX, and nothing is
 * added then. */
struct template_out {
    char *bytes;
    size_t length, capacity;
    bool full;
};
void template_out_add(struct template_out *out, const char *bytes, size_t length);
void template_out_text(struct template_out *out, const char *text);
void template_out_char(struct template_out *out, char c);
void template_out_printf(struct template_out *out, const char *fmt, ...) PRINTF_LIKE(2, 3);
void template_out_rune(struct template_out *out, uint32_t rune);
/* The rune at text[0..length), 1..4 bytes long; a wrong byte is U+FFFD of length 1. */
size_t template_rune(const char *text, size_t length, uint32_t *ret);

/* ---- tokens ---- */

enum template_token_kind {
    TOKEN_TEXT,
    TOKEN_OPEN,  /* {{ */
    TOKEN_CLOSE, /* }} */
    TOKEN_SPACE,
    TOKEN_ASSIGN,  /* = */
    TOKEN_DECLARE, /* := */
    TOKEN_PIPE,
    TOKEN_LEFT,  /* ( */
    TOKEN_RIGHT, /* ) */
    TOKEN_CHAR,  /* any other sign, such as a comma */
    TOKEN_STRING,
    TOKEN_RAW_STRING,
    TOKEN_CHARACTER, /* 'x' */
    TOKEN_NUMBER,
    TOKEN_BOOL,
    TOKEN_FIELD,    /* .name */
    TOKEN_VARIABLE, /* $ or $name */
    TOKEN_IDENTIFIER,
    TOKEN_DOT,
    TOKEN_NIL,
    TOKEN_BLOCK,
    TOKEN_BREAK,
    TOKEN_CONTINUE,
    TOKEN_DEFINE,
    TOKEN_ELSE,
    TOKEN_END,
    TOKEN_IF,
    TOKEN_RANGE,
    TOKEN_TEMPLATE,
    TOKEN_WITH,
    TOKEN_EOF
};
struct template_token {
    enum template_token_kind kind;
    uint32_t at, length;
};
struct template_tokens {
    const char *text;
    struct template_token *items; /* heap; the last one is TOKEN_EOF */
    size_t count, capacity;
};
NODISCARD enum status template_lex(const char *text, struct template_tokens *ret,
                                   struct error *error);
/* Writes "line L column C: words". */
enum status template_fail(struct error *error, const char *text, size_t at, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/* ---- nodes ---- */

enum template_node_kind {
    NODE_TEXT,
    NODE_ACTION,
    NODE_IF,
    NODE_WITH,
    NODE_RANGE,
    NODE_TEMPLATE,
    NODE_BREAK,
    NODE_CONTINUE,
    NODE_PIPE,
    NODE_COMMAND,
    NODE_NUMBER,
    NODE_STRING,
    NODE_BOOL,
    NODE_NIL,
    NODE_DOT,
    NODE_FIELD,
    NODE_VARIABLE,
    NODE_CHAIN,
    NODE_IDENTIFIER
};

struct template_word {
    const char *text;
    struct template_word *next;
};

struct template_number {
    bool is_int, is_float;
    bool as_float; /* an untyped constant of this spelling is a float */
    int64_t integer;
    double real;
};

struct template_node {
    enum template_node_kind kind;
    uint32_t at, end; /* in the template's text */
    uint32_t place;   /* what an error names: of a chain of fields the first one behind its head */
    struct template_node *next;
    union {
        struct template_text text; /* TEXT, STRING */
        struct template_number number;
        bool flag;
        struct {
            struct template_node *pipe; /* may be NULL in TEMPLATE */
            struct template_node *list, *other;
            const char *name; /* TEMPLATE */
        } control;            /* ACTION, IF, WITH, RANGE, TEMPLATE */
        struct {
            struct template_word *variables;
            bool assign;
            struct template_node *commands;
        } pipe;
        struct template_node *arguments; /* COMMAND */
        struct {
            const char *name;                         /* VARIABLE with its $, IDENTIFIER */
            struct template_word *fields;             /* FIELD, VARIABLE, CHAIN */
            struct template_node *operand;            /* CHAIN */
            const struct template_function *function; /* IDENTIFIER */
        } word;
    };
};

struct template_body {
    const char *name;
    struct template_node *list;
    struct template_body *next;
};

struct template
{
    struct arena arena;
    const char *text;
    struct template_body *bodies; /* the first one is the template itself, named "" */
};
const struct template_body *template_body_find(const struct template *t, const char *name);
/* Fills bodies from t->text. */
NODISCARD enum status template_parse(struct template *t, struct error *error);
/* A constant's value, as Go reads one. False when the spelling is wrong. */
bool template_number_read(const char *text, size_t length, struct template_number *ret);
/* A quoted string or character with its escapes, into the arena. False when it is wrong. */
bool template_unquote(struct arena *arena, struct template_text quoted, struct template_text *ret);

/* ---- values ---- */

enum template_kind {
    VALUE_NONE, /* no value at all: missing, nil */
    VALUE_TRUTH,
    VALUE_INT,
    VALUE_BYTE,
    VALUE_INT64, /* what methods of times give */
    VALUE_FLOAT,
    VALUE_TEXT,
    VALUE_HTML, /* text that is marked as safe */
    VALUE_LABELS,
    VALUE_ARGUMENTS, /* of args: arg0, arg1, ... */
    VALUE_SAMPLE,
    VALUE_SAMPLES,
    VALUE_TIME,
    VALUE_SPAN, /* a Go time.Duration */
    VALUE_MONTH,
    VALUE_WEEKDAY,
    VALUE_DATA /* the dot of the whole */
};

struct template_label {
    struct template_text name, value;
};
struct template_labels { /* sorted by name */
    struct template_label *items;
    size_t count;
};
struct template_value {
    enum template_kind kind;
    union {
        bool truth;
        int64_t integer; /* all kinds of integers; TIME and SPAN: nanoseconds */
        double real;
        struct template_text text;
        const struct template_labels *labels;
        struct {
            const struct template_value *items;
            size_t count;
        } list; /* ARGUMENTS */
        const struct template_element *sample;
        struct {
            const struct template_element *const *items;
            size_t count;
        } samples;
    };
};
struct template_element {
    struct template_labels labels;
    double value;
};

struct template_value template_value_text(const char *bytes, size_t length);
struct template_value template_value_of(const char *text);
struct template_value template_value_int(int64_t integer);
struct template_value template_value_float(double real);
struct template_value template_value_truth(bool truth);
/* What `if` asks. */
bool template_value_true(const struct template_value *value);
/* Go's name of its type. */
const char *template_value_type(const struct template_value *value);
bool template_value_is_integer(const struct template_value *value);
bool template_value_is_text(const struct template_value *value);
/* "" where there is none. */
struct template_text template_labels_get(const struct template_labels *labels,
                                         struct template_text name);

/* ---- the state of a run ---- */

enum { TEMPLATE_MESSAGE_BYTES = 1024 };

struct template_variable {
    const char *name;
    struct template_value value;
};
struct template_run {
    const struct template *t;
    const struct template_data *data;
    const struct template_body *body; /* which one is executed */
    const struct template_node *node; /* where it is, for errors */
    struct arena arena;
    struct template_out *out;
    struct template_labels labels, external;
    struct template_variable variables[TEMPLATE_VARIABLES_MAX];
    size_t variable_first, variable_count; /* those before `first` belong to the caller */
    size_t steps, calls, queries;
    char message[TEMPLATE_MESSAGE_BYTES]; /* what went wrong */
};

/* The run fails at its node: "template: NAME:1:20: executing ... at <...>: words". */
enum status template_run_fail(struct template_run *run, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A function fails; the caller of it adds which one and where. */
enum status template_call_fail(struct template_run *run, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Memory of the run, or NULL after an error. */
void *template_run_alloc(struct template_run *run, size_t size);
/* Takes what out holds as a value of the run and releases out. */
NODISCARD enum status template_take(struct template_run *run, struct template_out *out,
                                    struct template_value *ret);
/* Expands a body with the dot into out. */
NODISCARD enum status template_body_run(struct template_run *run, const struct template_body *body,
                                        struct template_value dot);
/* Value of a pipeline; its variables are set. */
NODISCARD enum status template_pipe(struct template_run *run, const struct template_value *dot,
                                    const struct template_node *pipe, struct template_value *ret);
NODISCARD enum status template_step(struct template_run *run, const struct template_node *node);
NODISCARD enum status template_variable_push(struct template_run *run, const char *name,
                                             struct template_value value);
NODISCARD enum status template_variable_set(struct template_run *run, const char *name,
                                            struct template_value value);
struct template_labels template_labels_make(struct template_run *run, const struct label *labels,
                                            size_t count);

/* ---- functions ---- */

typedef enum status template_function_f(struct template_run *run,
                                        const struct template_value *arguments, size_t count,
                                        struct template_value *ret);
struct template_function {
    const char *name;
    const char *parameters; /* a letter each, '*' behind the last when it may come any number of
                               times */
    template_function_f *call;
    bool lazy; /* `and`, `or`: the arguments are evaluated one after another */
};
const struct template_function *template_function_find(const char *name, size_t length);
#define FUNCTION(name, parameters, lazy, function) template_function_f template_call_##function;
#include "runtime/engine/template_function.def"
#undef FUNCTION

/* Fields and methods of a value: .Labels, .Year. */
NODISCARD enum status template_field(struct template_run *run, const struct template_value *of,
                                     const char *name, const struct template_value *arguments,
                                     size_t count, struct template_value *ret);

/* ---- Go's fmt ---- */

/* As fmt.Print prints one operand. */
NODISCARD enum status template_print(struct template_run *run, struct template_out *out,
                                     const struct template_value *value);
NODISCARD enum status template_printf(struct template_run *run, struct template_out *out,
                                      struct template_text format,
                                      const struct template_value *arguments, size_t count);
void template_out_float(struct template_out *out, double real); /* as %v */
void template_out_quoted(struct template_out *out, struct template_text text);

/* "2006-01-02 15:04:05.999 +0000 UTC" */
void template_out_time(struct template_out *out, int64_t ns);
void template_out_layout(struct template_out *out, int64_t ns, struct template_text layout);
void template_out_span(struct template_out *out, int64_t ns); /* 1h30m0s */
struct template_date {
    int64_t year;
    int month, day, hour, minute, second, weekday, year_day;
    int32_t nanosecond;
};
struct template_date template_date_of(int64_t ns);
extern const char *const template_months[12], *const template_weekdays[7];

#endif
