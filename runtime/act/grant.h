/* A grant: what the host allows the actor to do, and nothing beyond it. The arguments of a command
 * are a template, an array and never a shell line. In it {target} is the target's whole text, {pod}
 * the value of its label pod, {grace} the number of that parameter, {{ and }} are braces.
 *
 *     grant restart: argv {"/usr/bin/systemctl", "restart", "{unit}"}, targets {"unit=nginx"}
 *
 * A value can hold anything a label can; it is one argument whatever it holds, and one that begins
 * with '-' is refused, so that no target can become an option.
 *
 * A request is a template too, filled in by the same words. In its URL a value is escaped, so that
 * it never becomes another segment of the path or part of the query, and nothing is filled in
 * before the path. Its body is JSON; placeholders stand in its texts, and a text that is one
 * parameter's placeholder and nothing else becomes that number.
 *
 *     grant drain: POST https://lb.example/pools/{pool}/drain, body {"grace": "{grace}"} */
#ifndef HEAL_RUNTIME_ACT_GRANT_H
#define HEAL_RUNTIME_ACT_GRANT_H

#include "lang/connector.h"
#include "runtime/act/message.h"

enum {
    GRANTS_MAX = 1024,
    GRANT_ARGS_MAX = 64,
    GRANT_ARG_BYTES = 1024, /* of one argument once filled in, with its NUL */
    GRANT_TARGETS_MAX = 4096,
    GRANT_ENV_MAX = 64,
    GRANT_AT_MOST_MAX = 1000,
    GRANT_OUTPUT_MAX = 1 << 20,
    GRANT_URL_BYTES = 2048, /* once filled in */
    GRANT_BODY_BYTES = 16 << 10,
    GRANT_HEADERS_MAX = 32,
    GRANT_HEADER_NAME_MAX = 100
};
#define GRANT_TIMEOUT_MAX ((struct duration){3600 * NS_PER_S})
#define GRANT_PER_MAX     ((struct duration){31 * 86400 * NS_PER_S})

struct grant_parameter {
    const char *name;
    double min, max; /* both included */
};

struct grant_header {
    const char *name, *value;
    const char *file; /* instead of a value: read at each try */
};

struct grant_request {
    enum request_method method;
    const char *url;     /* http or https */
    const char *body;    /* NULL: none */
    const char *ca_file; /* NULL: what the system trusts */
    const struct grant_header *headers;
    size_t header_count;
    struct duration timeout; /* of one try; at most what is left of the grant's */
};

/* The strings belong to whoever loaded the configuration and live as long as the actor. */
struct grant {
    const char *action; /* name, shorter than NAME_BYTES */
    enum connector connector;
    const char *const *argv; /* where the connector takes one */
    size_t argv_count;
    const struct grant_request *request; /* where the connector takes one, else NULL */
    const char *const *targets;          /* canonical texts: "key=value,key=value" */
    size_t target_count;
    struct grant_parameter parameters[MESSAGE_NUMBERS_MAX];
    size_t parameter_count;
    bool unattended,
        idempotent;  /* doing it twice does what doing it once does: a request may be sent again */
    const char *cwd; /* NULL: "/" */
    const char *const *env; /* "NAME=value", beside the fixed PATH and LANG */
    size_t env_count;
    struct duration timeout;
    uint64_t memory_max_bytes; /* of address space; 0: the default */
    size_t output_max_bytes;   /* what is kept of it; 0: the default */
    struct {
        uint32_t count;
        struct duration per;
    } at_most;
};

/* What a grant says, filled in: argv[count] points into text, or URL and body of a request. */
struct grant_command {
    size_t count;
    char *argv[GRANT_ARGS_MAX + 1];
    char text[GRANT_ARGS_MAX * GRANT_ARG_BYTES];
    char url[GRANT_URL_BYTES], body[GRANT_BODY_BYTES];
    size_t body_bytes;
};

/* What must hold before any grant is used; the first fault is told with the action's name. */
NODISCARD enum status grant_check(const struct grant *grant, struct error *error);

/* Fills in what the connector takes. STATUS_DENIED: a value is empty, has a control character, or
 * is not what may stand in its place. STATUS_LIMIT: what came of it is too long. */
NODISCARD enum status grant_fill(const struct grant *grant, size_t target, const double *numbers,
                                 struct grant_command *ret, struct error *error);

/* The value of a key in a target, "key=value,key=value", which is not ended; NULL if it has none.
 */
const char *grant_label(const char *target, const char *key, size_t key_length, size_t *ret_length);

#endif
