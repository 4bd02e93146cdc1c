/* Bundles: policies as one file that a heald can trust (docs/bundle.md).
 *
 *     struct bundle bundle;
 *     TRY(bundle_open(&arena, bytes, length, signature, signature_length, &key, min_serial,
 *                     &bundle, error));
 *     ... parse bundle.sources[i] and check the program ...
 *     TRY(bundle_agrees(&bundle, program, error));
 *
 * FILE.healb is deterministic CBOR: a manifest, then the sources and objects the manifest names
 * with their length and BLAKE2b-256. Its signature stands beside it in FILE.healb.minisig, over the
 * raw bytes, and is checked before a byte is parsed. The same sources, name and serial are the same
 * bytes. The manifest is a claim: whoever loads the sources makes it again and compares. */
#ifndef HEAL_RUNTIME_BUNDLE_BUNDLE_H
#define HEAL_RUNTIME_BUNDLE_BUNDLE_H

#include "lang/ast.h"
#include "lang/parser.h"
#include "runtime/trust/trust.h"

#define BUNDLE_SUFFIX           ".healb"
#define BUNDLE_SIGNATURE_SUFFIX ".minisig"

enum {
    BUNDLE_FORMAT = 2,
    BUNDLE_BYTES_MAX = 128 * 1024 * 1024,
    BUNDLE_MANIFEST_BYTES_MAX = 4 * 1024 * 1024,
    BUNDLE_SOURCES_BYTES_MAX = 64 * 1024 * 1024,
    BUNDLE_SOURCE_BYTES_MAX = 4 * 1024 * 1024,
    BUNDLE_SOURCES_MAX = 4096,
    BUNDLE_POLICIES_MAX = 4096,
    BUNDLE_ACTIONS_MAX = 4096,
    BUNDLE_PARAMETERS_MAX = 64,
    BUNDLE_METRICS_MAX = 4096, /* of one policy */
    BUNDLE_OBJECTS_MAX = 16384,
    BUNDLE_KERNELS_MAX = 4096, /* of one object */
    BUNDLE_TEXT_BYTES_MAX = 4096,
    BUNDLE_NAME_BYTES_MAX = 64, /* of the bundle */
    BUNDLE_AUTHOR_BYTES_MAX = 63,
    BUNDLE_PATH_BYTES_MAX = 200,
};

/* CPU levels of objects: word and meaning are the compiler's. */
enum bundle_cpu { BUNDLE_V2, BUNDLE_V3, BUNDLE_V4, BUNDLE_NATIVE, BUNDLE_CPUS };

struct bundle_parameter {
    const char *name, *type;
};
/* One row of the envelope: what the policies may ask of a host at all. */
struct bundle_action {
    const char *name, *connector;
    const char *undo;                    /* the action that takes it back; "" for none */
    struct bundle_parameter *parameters; /* the first one is the target */
    size_t parameter_count;
    uint64_t timeout_ns; /* 0: none is written */
    bool idempotent, irreversible;
};
struct bundle_policy {
    const char *name;
    uint64_t hash;                       /* of it and all it refers to (struct policy) */
    uint8_t text_hash[TRUST_HASH_BYTES]; /* BLAKE2b-256 of its canonical text */
    bool acts;
    double actions_per_hour, actions_per_day; /* INFINITY when no count is static */
    uint64_t bytes_per_entity, ns_per_entity;
    const char **metrics; /* what it reads */
    size_t metric_count;
    const char **actions; /* rows of the envelope it may use */
    size_t action_count;
};
struct bundle_source {
    const char *path; /* relative, a .heal file */
    const void *text; /* length bytes, borrowed, not NUL-terminated */
    size_t length;
    uint8_t hash[TRUST_HASH_BYTES];
};
struct bundle_object {
    enum bundle_cpu cpu;
    uint32_t abi;
    uint64_t *kernels; /* their hashes */
    size_t kernel_count;
    const void *bytes; /* borrowed; opaque here */
    size_t length;
    uint8_t hash[TRUST_HASH_BYTES];
};
struct bundle {
    const char *name;
    const char
        *author; /* who answers for the policies; "" or, to be written, NULL: nobody is said */
    uint64_t serial;
    struct bundle_policy *policies; /* these four: sorted, each once */
    size_t policy_count;
    struct bundle_action *actions;
    size_t action_count;
    struct bundle_source *sources;
    size_t source_count;
    struct bundle_object *objects;
    size_t object_count;
};

/* ---- making one ---- */

/* Fills policies and actions from a program that was checked without an error; the arena's. */
void bundle_describe(struct arena *arena, const struct program *program, struct bundle *bundle);
/* Sorts sources and objects and hashes them; refuses names and sizes that a reader would refuse.
 * The bytes are the heap's. */
NODISCARD enum status bundle_write(struct bundle *bundle, uint8_t **ret, size_t *ret_length,
                                   struct error *error);

/* ---- reading one ---- */

/* The signature and the serial of bytes from outside, then bundle_read. STATUS_DENIED for a
 * signature that is not there (length 0), not of these bytes or not by this key, and for a serial
 * below min_serial. */
NODISCARD enum status bundle_open(struct arena *arena, const void *bytes, size_t length,
                                  const char *signature, size_t signature_length,
                                  const struct trust_public *key, uint64_t min_serial,
                                  struct bundle *ret, struct error *error);
/* Without a signature: for whoever only looks. Believes nothing: every byte accepted is one that
 * bundle_write would have written. ret borrows bytes. */
NODISCARD enum status bundle_read(struct arena *arena, const void *bytes, size_t length,
                                  struct bundle *ret, struct error *error);
/* STATUS_DENIED, and what differs, unless the manifest says of the program of its sources exactly
 * what bundle_describe says. */
NODISCARD enum status bundle_agrees(const struct bundle *bundle, const struct program *program,
                                    struct error *error);
/* The sources for parse_program_texts; the arena's, the texts borrowed. */
struct parse_text *bundle_texts(struct arena *arena, const struct bundle *bundle);

/* ---- files ---- */

/* STATUS_DENIED, and how to make one, unless the path names a bundle: by its suffix. */
NODISCARD enum status bundle_path_check(const char *path, struct error *error);
/* Both files; the signature is NULL, length 0, where there is none. The caller frees them. */
struct bundle_files {
    char *bytes, *signature;
    size_t length, signature_length;
};
NODISCARD enum status bundle_files_read(const char *path, struct bundle_files *ret,
                                        struct error *error);
void bundle_files_release(struct bundle_files *files);

extern const char *const bundle_cpu_words[BUNDLE_CPUS];

#endif
