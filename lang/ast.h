/* The tree of a policy file: what the parser builds, the checks annotate and the evaluator reads.
 *
 * Everything lives in the arena of its compilation. Lists are singly linked through `next`, in the
 * order of the source. Fields under "set by the checks" are NULL or zero until check_program() has
 * run without an error; nothing downstream may run before it has. */
#ifndef HEAL_LANG_AST_H
#define HEAL_LANG_AST_H

#include "lang/arena.h"
#include "lang/source.h"
#include "lang/unit.h"
#include "lang/zone.h"

/* A word with its place. text is NULL where the source has none. */
struct name {
    const char *text;
    struct span span;
};
struct name_list {
    struct name name;
    struct name_list *next;
};

/* ---- expressions ---- */

enum operator{
#define OPERATOR(name, text, precedence, kind) OPERATOR_##name,
#include "lang/operator.def"
#undef OPERATOR
    OPERATOR_COUNT
};
enum operator_kind { OPERATOR_SET, OPERATOR_COMPARE, OPERATOR_ARITHMETIC };
struct operator_info {
    const char *text;
    int precedence;
    enum operator_kind kind;
};
extern const struct operator_info operator_infos[OPERATOR_COUNT];

enum builtin {
#define BUILTIN(name, text, arguments, result, dimension, ready) BUILTIN_##name,
#include "stdlib/builtin.def"
#undef BUILTIN
    BUILTIN_COUNT,
    BUILTIN_NONE = BUILTIN_COUNT
};
enum builtin_dimension {
    DIMENSION_SAME,
    DIMENSION_PER_SECOND,
    DIMENSION_NUMBER,
    DIMENSION_SECONDS,
    DIMENSION_RATIO,
    DIMENSION_UNKNOWN
};
struct builtin_info {
    const char *text;
    const char *arguments;
    char result; /* 'v', 's', 't' */
    enum builtin_dimension dimension;
    bool ready;
};
extern const struct builtin_info builtin_infos[BUILTIN_COUNT];
enum builtin builtin_find(const char *name);

enum aggregate {
#define AGGREGATE(name, text, parameter, ready) AGGREGATE_##name,
#include "stdlib/aggregate.def"
#undef AGGREGATE
    AGGREGATE_COUNT_,
    AGGREGATE_NONE = AGGREGATE_COUNT_
};
struct aggregate_info {
    const char *text;
    bool parameter;
    bool ready;
};
extern const struct aggregate_info aggregate_infos[AGGREGATE_COUNT_];
enum aggregate aggregate_find(const char *name, size_t length); /* case does not matter */

enum match_op { MATCH_EQ, MATCH_NE, MATCH_RE, MATCH_NRE };
struct matcher {
    struct name label;
    enum match_op op;
    const char *value;
    struct span span;
    struct matcher *next;
};

enum at_kind { AT_NONE, AT_TIME, AT_START, AT_END };

/* on / ignoring, group_left / group_right, bool of a binary operator */
struct matching {
    bool present; /* on(...) or ignoring(...) was written */
    bool on;
    bool return_bool;
    enum { GROUP_NONE, GROUP_LEFT, GROUP_RIGHT } group;
    struct name_list *labels;
    struct name_list *include; /* group_left(these) */
};

enum expr_kind {
    EXPR_NUMBER,   /* 1, 0x1F, 5m, 90%, 1MiB/min, Inf */
    EXPR_STRING,   /* "x" 'x' `x` */
    EXPR_SELECTOR, /* name{...} offset d @ t; a bare word is one: a signal, an entity or a metric */
    EXPR_RANGE,    /* inner[d] */
    EXPR_SUBQUERY, /* inner[d:step] */
    EXPR_CALL,     /* f(a, b, word: c) */
    EXPR_AGGREGATE,  /* sum by (l) (x) */
    EXPR_BINARY,     /* a op b */
    EXPR_UNARY,      /* -a, +a */
    EXPR_PAREN,      /* (a) */
    EXPR_PERCENT_OF, /* 90% of a */
    EXPR_REACHES,    /* forecast(...) reaches a with (chance >= 85%) */
    EXPR_LIST        /* [a, b], only as a named argument */
};

struct argument {
    struct name name; /* text NULL for a positional one */
    struct expr *value;
    struct argument *next;
};

enum value_kind { VALUE_UNTYPED, VALUE_SCALAR, VALUE_VECTOR, VALUE_RANGE, VALUE_STRING };
enum role { ROLE_MEASUREMENT, ROLE_FORECAST, ROLE_TARGET, ROLE_COUNT };

/* What an expression is; set by the checks. */
struct type {
    enum value_kind kind;
    enum role role;
    bool counter; /* a raw counter: needs rate() or increase() before it is compared */
    bool weak;    /* rests on the name of a metric only */
    struct dimension dimension;
    /* Label shape: exact means the series carry exactly `labels` (NULL: none). Not exact: unknown.
     */
    bool labels_exact;
    struct name_list *labels;
};

/* The series that events() counts: one sample an event; and the one that says events can come. */
#define EVENT_METRIC        "heal_event"
#define EVENT_SOURCE_METRIC "heal_event_source"

enum { WINDOW_DAYS_MAX = 40 }; /* how far back a range or a forecast looks, its offset included */

struct expr {
    enum expr_kind kind;
    unsigned height; /* of the tree: 1 for a leaf; at most PARSE_HEIGHT_MAX */
    struct span span;
    union {
        struct {
            double value; /* in base units: 90% is 0.9, 5m is 300, 1MiB/min is 17476.27 */
            enum unit unit, per;
            const char *text; /* as written */
        } number;
        struct {
            const char *value; /* unescaped, may hold any byte but NUL */
            const char *text;  /* as written, with its quotes */
        } string;
        struct {
            struct name name; /* text NULL: {__name__=~"..."} */
            struct matcher *matchers;
            bool braces; /* {} was written, even if empty */
            /* set by the checks: a bare word that is a signal of the policy */
            struct signal *signal;
            struct metric *metric; /* its declaration, or NULL */
            /* its first recorded signal, where it is no declared metric; or NULL */
            struct recorded *recorded;
        } selector;
        struct {
            struct expr *inner;
            struct duration range;
            struct duration step; /* EXPR_SUBQUERY; 0 means the default */
            const char *range_text, *step_text;
        } range; /* EXPR_RANGE and EXPR_SUBQUERY */
        struct {
            struct name name;
            struct argument *arguments;
            enum builtin builtin; /* set by the checks */
            /* What the call is defined as, where that is an expression of its own: events(). It is
             * walked, checked and evaluated instead of the arguments; NULL for other functions. */
            struct expr *expansion;
        } call;
        struct {
            enum aggregate op;
            struct expr *parameter; /* topk(k, x) */
            struct expr *inner;
            bool grouped, without;
            struct name_list *labels;
        } aggregate;
        struct {
            enum operator op;
            struct expr *left, *right;
            struct matching matching;
        } binary;
        struct {
            bool minus;
            struct expr *inner;
        } unary;
        struct expr *inner; /* EXPR_PAREN */
        struct {
            double ratio;     /* 0.9 */
            const char *text; /* "90%" */
            struct expr *inner;
        } percent_of;
        struct {
            struct expr *forecast; /* an EXPR_CALL; the checks see that it is forecast() */
            struct expr *threshold;
            struct argument *conditions; /* unnamed; each a comparison such as chance >= 85% */
            double chance;               /* set by the checks: at least this, default 0.8 */
        } reaches;
        struct argument *items; /* EXPR_LIST, unnamed */
    };
    /* modifiers of SELECTOR, RANGE and SUBQUERY */
    bool has_offset;
    struct duration offset;
    const char *offset_text;
    enum at_kind at_kind;
    double at; /* seconds since the epoch */
    const char *at_text;

    struct type type; /* set by the checks */
};

/* ---- small pieces of statements ---- */

struct quantity { /* a duration or number with its spelling */
    double value; /* base units; durations in seconds */
    enum unit unit, per;
    const char *text;
    struct span span;
};

/* A count of targets: 3, 10%, min(2, 10%). At least one of the two is set. */
struct amount {
    bool has_count, has_ratio, minimum; /* minimum: both, the smaller wins */
    double count, ratio;
    const char *text; /* canonical */
    struct span span;
};

struct condition {
    struct expr *expr; /* NULL: not written */
    bool has_for;
    struct quantity hold; /* for D / holds D */
    struct span span;
};

/* scale(checkout, to: 3) in a heal block or an undo clause */
struct act_call {
    struct name action;
    struct argument *arguments;
    struct span span;
    struct action *resolved; /* set by the checks */
};

/* ---- declarations ---- */

struct service {
    struct name name;
    struct name tier, owner; /* owner is a string */
    struct name_list *depends;
    struct span span;
    struct service *next;
};

struct pool {
    struct name name;
    struct name_list *keys; /* entity key labels; the last one is the type of its entities */
    struct expr *expr;
    struct expr *ready; /* or NULL */
    struct name domain; /* a label of its series that says what fails together; text NULL: none */
    struct span span;
    struct pool *next;
};

struct channel {
    struct name name;
    struct name kind;      /* log, webhook, ... */
    struct expr *argument; /* EXPR_STRING or NULL */
    struct span span;
    struct channel *next;
};

struct metric {
    struct name name;
    struct quantity unit; /* unit and per only */
    bool counter;
    struct name_list *labels; /* with has_labels: the exact label names */
    bool has_labels;
    struct span span;
    struct metric *next;
};

struct parameter {
    struct name name;
    struct name type; /* an entity type (pod, service, ...) or a unit */
    struct parameter *next;
};

struct affect {
    struct name subject; /* parameter */
    struct name quantity;
    struct affect *next;
};

struct action {
    struct name name;
    struct parameter *parameters; /* the first one is the target */
    struct name connector;        /* "exec", "kubernetes.scale" */
    struct affect *affects;
    struct quantity within; /* of affects */
    struct act_call *undo;
    struct quantity timeout;
    bool irreversible, idempotent, has_within, has_timeout;
    struct span irreversible_span, idempotent_span;
    struct name replaces; /* replaces p */
    struct name reduces;  /* "capacity"; text NULL: it takes none away */
    struct expr *probe;
    struct expr *reads; /* where its number can be read, or NULL */
    bool has_costs;
    struct quantity costs; /* usd, or usd over a time */
    struct name costs_per; /* for each of this of an increase; text NULL: for the whole action */
    double costs_each;     /* set by the checks: how many base units `per` is; 0 without it */
    struct span costs_span;
    struct span span;
    struct action *next;
};

/* at most AMOUNT [actions on any TYPE | of SUBJECT] per D */
enum limit_kind {
    LIMIT_AT_MOST,   /* bound: at most AMOUNT of SUBJECT per D; guard: at most N actions on any TYPE
                        per D */
    LIMIT_BETWEEN,   /* guard: between A and B UNIT of any TYPE */
    LIMIT_KEEP,      /* at least AMOUNT of POOL [ready] */
    LIMIT_STORM,     /* guard: storm above AMOUNT of POOL */
    LIMIT_EXCLUSIVE, /* guard: exclusive on SUBJECT */
    LIMIT_STEP,      /* guard: step at most AMOUNT per D of any TYPE */
    LIMIT_SPEND,     /* guard and policy: spend at most AMOUNT usd per D */
    LIMIT_ONLY_WHILE, /* guard: only while EXPR */
    LIMIT_TOTAL,      /* guard: at most N actions per D */
    LIMIT_DOMAINS,    /* guard: at most N domains of POOL per D */
    LIMIT_NOT_DURING  /* guard: not during A..B in ZONE [for impact above WORD] */
};

/* Local time at which nothing is done. */
struct freeze {
    struct name from, to, zone; /* strings */
    struct name above;          /* impact; text NULL: all */
    struct time_stretch stretch;
    struct zone in;
};
struct limit {
    enum limit_kind kind;
    struct amount amount;
    bool any;              /* "actions on any": each target on its own */
    struct name subject;   /* a pool, or an entity type */
    struct quantity per;   /* window */
    double low, high;      /* BETWEEN */
    enum unit unit;        /* BETWEEN, STEP */
    bool inherits;         /* STEP: unit and type are those of the BETWEEN before it */
    struct expr *only;     /* ONLY_WHILE */
    bool each_domain;      /* AT_MOST of a pool: in each of its domains */
    bool unattended;       /* AT_MOST actions on any: beyond it a person is asked */
    struct freeze *freeze; /* NOT_DURING */
    struct span span;
    struct pool *pool; /* set by the checks; NULL when the subject is a type */
    struct limit *next;
};

struct guard {
    struct name name;
    struct limit *limits;
    struct span span;
    struct guard *next;
};

struct signal {
    struct name name;
    struct expr *expr;
    struct span span;
    struct signal *next;
};

/* A name with its text: a label or an annotation of a policy, a label of a recorded signal. */
enum { POLICY_PAIRS_MAX = 64 }; /* labels, and annotations, of one statement */
struct pair {
    struct name name;
    const char *value; /* label and annotation of a policy: a template where it holds {{ */
    struct span value_span, span;
    struct pair *next;
};

/* A signal of the file: what its expression gives is written, at every `every`, as the series of
 * this name. Several may share a name. */
struct recorded {
    struct name name;
    struct pair *labels; /* replace those of the expression; an empty value removes */
    bool has_every;
    struct quantity every;
    struct expr *expr;
    bool typed, shaped; /* set by the checks: how far they are with its expression */
    struct span span;
    struct recorded *next;
};

enum missing_kind { MISSING_NONE, MISSING_HOLD, MISSING_NOTIFY, MISSING_PROMETHEUS };
struct missing {
    enum missing_kind kind;
    struct quantity than; /* on stale > D */
    struct name channel;  /* notify CHANNEL */
    struct span span;
    struct channel *resolved; /* set by the checks */
};

/* One rung of a ladder. `try A ... then B ... else page C` is three. */
enum rung_kind { RUNG_ACT, RUNG_PAGE };
struct rung {
    enum rung_kind kind;
    struct act_call call; /* ACT */
    bool then;            /* ACT: written then, not try */
    bool approve;         /* approve by [two of] CHANNEL within D */
    bool four_eyes;       /* two of: two people */
    struct name approver;
    struct quantity approve_within;
    struct condition verify; /* ACT: verify C [holds H] within D */
    struct quantity verify_within;
    bool has_verify;
    struct name channel; /* PAGE */
    struct span span;
    struct channel *resolved; /* set by the checks: the approver's or page's channel */
    struct rung *next;
};

/* What speaks for a cause, or against it, when it is true. */
enum { CAUSES_MAX = 16, EVIDENCE_MAX = 16 }; /* of one policy; of one cause */
#define EVIDENCE_TIMES 3.0                   /* where none is written */
struct evidence {
    struct condition is; /* without `for`; expr NULL: origin */
    struct name origin;  /* origin(SERVICE): the trouble seems to come from it; text NULL: is */
    bool against;
    bool has_times;
    struct quantity times; /* how many times likelier, or less likely, it makes the cause */
    struct span span;
    struct evidence *next;
};

/* cause NAME [prior P%] when CONDITION evidence ... | cause NAME [prior P%] otherwise */
struct cause {
    struct name name;
    bool has_prior;
    struct quantity prior;
    struct condition when; /* expr NULL: otherwise */
    struct evidence *evidence;
    struct heal *ladder; /* set by the checks: what heals it */
    struct span span;
    struct cause *next;
};

/* heal CAUSES { RUNGS } | heal CAUSES { plan NAME [effect P%] [risk WORD] { RUNGS } ... }: each
 * plan is one of these, and those of one block follow each other. */
#define PLAN_EFFECT 0.5 /* how likely a plan helps where nothing is written */
struct heal {
    struct name_list *causes; /* NULL: what no other block names */
    struct name plan;         /* text NULL: the block has no plans */
    bool more;                /* a further plan of the block before it */
    bool has_effect;
    struct quantity effect;
    struct name risk;  /* low, medium, high; text NULL: by what its actions are */
    struct span block; /* of the whole block */
    struct rung *rungs;
    struct span span;
    struct heal *next;
};

/* A channel that is told when nobody acknowledged for so long since the first page. */
enum { CLIMB_STEPS_MAX = 8 };
struct climb_step {
    struct name channel;
    struct quantity after;
    struct span span;
    struct channel *resolved; /* set by the checks */
    struct climb_step *next;
};

/* escalate to CHANNEL [then CHANNEL after D]... [repeat every D] [when unresolved for D or
 * confidence < P% or cascading or budget exceeded]; other reasons are refused in this version */
struct escalate {
    bool present;
    struct name channel;
    struct climb_step *steps;
    bool has_repeat;
    struct quantity repeat;
    bool has_unresolved, has_confidence, has_cascading, has_budget, has_unprecedented;
    struct span cascading_span;
    struct quantity unresolved_for, confidence; /* confidence: below it nothing is done */
    struct span span;
    struct channel *resolved; /* set by the checks */
};

struct policy {
    struct name name;
    struct name each; /* for each pod in checkout_pods; NULL: one entity without labels */
    struct name pool;
    bool each_series;    /* for each series: the label sets that `when` gives */
    struct name service; /* for service checkout: one entity, without labels */
    struct span each_span;
    bool has_every;
    struct quantity every;
    const char *about;
    struct span about_span;
    struct name risk, impact;
    struct signal *signals;
    struct pair *labels, *annotations;
    bool has_keep_firing;
    struct quantity keep_firing; /* keep firing for D */
    struct span keep_firing_span;
    struct condition when, clear;
    struct condition resolved_when, abort_when; /* expr NULL: not written */
    bool has_settle;
    struct quantity settle;
    struct span settle_span;
    struct missing on_missing, on_stale;
    struct cause *causes;
    struct heal *heals;
    struct limit *bounds; /* bound ... */
    struct limit *keeps;  /* keep ... */
    struct limit *spends; /* spend at most ... */
    bool has_cooldown;
    struct quantity cooldown, cooldown_max; /* 10m doubling to 6h; cooldown_max.text NULL: flat */
    struct escalate escalate;
    struct span span;
    struct pool *resolved; /* set by the checks */
    uint64_t hash;         /* set by the checks: of the canonical text and all it refers to */
    struct policy *next;
};

/* given SUBJECT ... ; several shapes for one subject apply one after another in time */
enum given_kind {
    GIVEN_IS,       /* s is V                      from the given's start on */
    GIVEN_RAMPS,    /* s ramps A -> B over D       then stays at B */
    GIVEN_MISSING,  /* s is missing                the series is not in its source's answers */
    GIVEN_UNSEEN,   /* s is unseen                 its source does not answer */
    GIVEN_APPROVAL, /* approval [denied] [by PERSON] [after D] */
    GIVEN_ACKNOWLEDGEMENT, /* acknowledgement [after D]: of each incident, after its first page */
    GIVEN_STREAM           /* stream "FILE": samples from a file, from the given's start on */
};
enum { GIVEN_PATH_BYTES_MAX = 255 };
struct given {
    enum given_kind kind;
    struct expr *subject; /* a bare word (signal) or a selector with = matchers only (series) */
    const char *path;     /* STREAM: beside the policy's file */
    double from, to;      /* values in base units */
    const char *from_text, *to_text;
    struct quantity over;
    bool has_at; /* ... at D | from D */
    struct quantity at;
    bool after_action; /* after ACTION: once that action has succeeded */
    struct name action;
    bool denied;     /* APPROVAL */
    struct name who; /* APPROVAL: by */
    struct span span;
    struct given *next;
};

enum expect_kind {
    EXPECT_ACTION,    /* expect scale [on "x"] [before D | after D | at most N times] */
    EXPECT_NO_ACTION, /* expect no rollback | expect no action */
    EXPECT_OUTCOME,   /* expect incident | escalation | approval | verified | resolved | refused */
    EXPECT_NO_OUTCOME
};
struct expect {
    enum expect_kind kind;
    struct name subject; /* action or outcome; "action" is any */
    struct name cause;   /* expect cause NAME: the subject is "cause" */
    const char *on;      /* target text or NULL */
    struct name to;      /* channel of an escalation; without text: any */
    bool has_before, has_after, has_times;
    struct quantity before, after;
    double times; /* at most N times */
    struct span span;
    struct expect *next;
};

struct test {
    const char *title;
    bool has_length;
    struct quantity length; /* test "..." for 4h { */
    struct given *givens;
    struct expect *expects;
    struct span span;
    struct test *next;
};

struct import {
    const char *path; /* as written */
    struct span span;
    struct import *next;
};

/* Top-level statements in source order, for the formatter. */
enum item_kind {
    ITEM_EDITION,
    ITEM_IMPORT,
    ITEM_SERVICE,
    ITEM_POOL,
    ITEM_CHANNEL,
    ITEM_METRIC,
    ITEM_RECORDED,
    ITEM_ACTION,
    ITEM_GUARD,
    ITEM_POLICY,
    ITEM_TEST
};
struct item {
    enum item_kind kind;
    struct span span;
    union {
        int edition;
        struct import *import;
        struct service *service;
        struct pool *pool;
        struct channel *channel;
        struct metric *metric;
        struct recorded *recorded;
        struct action *action;
        struct guard *guard;
        struct policy *policy;
        struct test *test;
    };
    struct item *next;
};

struct comment {
    struct span span; /* from # to the end of its line */
    bool own_line;    /* nothing but blanks before it on its line */
    struct comment *next;
};

struct file {
    const struct source *source;
    struct item *items;
    struct comment *comments; /* in order */
    struct file *next;
};

/* All files of one compilation, as one set of declarations. */
struct program {
    struct arena *arena;
    struct file *files;
    struct service *services;
    struct pool *pools;
    struct channel *channels;
    struct metric *metrics;
    struct recorded *recorded;
    struct action *actions;
    struct guard *guards;
    struct policy *policies;
    struct test *tests;
    uint64_t hash; /* set by the checks */
};

/* How likely the cause is before anything speaks for it: a share of 1. Causes without a prior have
 * what the others leave, in equal parts. */
double cause_prior(const struct policy *policy, const struct cause *cause);
const struct expr *expr_strip(const struct expr *expr); /* without parentheses */
/* A number known now, such as 5, -1, (90%); false when it is not one. */
bool expr_constant(const struct expr *expr, double *ret_value);
/* A duration given to a call by name, in seconds; 0 where it is not given, or not known now. */
double argument_seconds(const struct expr *call, const char *name);

const char *pool_type(const struct pool *pool); /* of its entities: the last key; NULL without */
/* True when the limit speaks about targets of this type; a pool speaks about its entities' type. */
bool limit_covers(const struct limit *limit, const char *type);
/* What the call gives for a parameter of its action, by name or by place; NULL when nothing. */
const struct expr *call_value(const struct act_call *call, const struct parameter *parameter);
/* The second parameter of an action, where it is the only one behind the target; else NULL. */
const struct parameter *action_number(const struct action *action);
/* +50%, -2: relative to what is there. */
bool expr_relative(const struct expr *expr);

/* A between that is about numbers of this parameter's kind; one without a unit is about plain ones.
 */
bool limit_bounds(const struct limit *limit, const struct parameter *parameter);
/* A step limit that is about numbers of this parameter's kind; one without a unit is about all. */
bool limit_steps(const struct limit *limit, const struct parameter *parameter);

/* True when the policy has a heal block with an action: it needs all that law 5 asks for. */
bool policy_acts(const struct policy *policy);

#endif
