/* A bundle is believed whole or not at all: signatures, every flipped bit, and a hostile signer. */
#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lang/check.h"
#include "runtime/bundle/bundle.h"
#include "tests/unit.h"

static const char guards_text[] = "edition 1\n"
                                  "pool services(service) = app_up == 1\n"
                                  "guard host { at most 100 actions on any service per 1h }\n";
static const char policy_text[] = "edition 1\n"
                                  "import \"../guards.heal\"\n"
                                  "channel oncall = webhook(\"oncall\")\n"
                                  "metric app_up ratio by (instance, job, service)\n"
                                  "metric app_bad ratio by (instance, job, service)\n"
                                  "action turn(s: service) { via exec  affects s.errors within 1s  "
                                  "undo turn_back(s)  timeout 2s }\n"
                                  "action turn_back(s: service) { via exec  affects s.errors "
                                  "within 1s  irreversible  idempotent  timeout 1s }\n"
                                  "policy app for each service in services every 1s {\n"
                                  "  about \"a service is bad\"\n"
                                  "  risk availability\n"
                                  "  impact medium\n"
                                  "  signal bad = max by (service) (app_bad)\n"
                                  "  when bad > 0.5 for 2s\n"
                                  "  clear when bad < 0.5 for 3s\n"
                                  "  on missing hold\n"
                                  "  on stale > 20s notify oncall\n"
                                  "  heal {\n"
                                  "    try turn(service) verify bad < 0.5 holds 2s within 30s\n"
                                  "    else page oncall\n"
                                  "  }\n"
                                  "  bound at most 7 of service per 9m\n"
                                  "  cooldown 1m\n"
                                  "  escalate to oncall when unresolved for 20m\n"
                                  "}\n"
                                  "policy watch every 1s {\n"
                                  "  about \"nothing is done\"\n"
                                  "  signal all = sum({__name__=~\"app_.*\", job=\"x\"})\n"
                                  "  when all > 3 for 1m\n"
                                  "  on missing hold\n"
                                  "  escalate to oncall\n"
                                  "}\n";
static const uint8_t object_a[] = "\177ELF kernels of v3", object_b[] = "\177ELF of another ABI";

/* The sources as bundle and program; the arena holds both. */
struct made {
    struct arena arena;
    struct sources sources;
    struct bundle bundle;
    struct program *program;
    uint8_t *bytes;
    size_t length;
};

static struct program *program_of(struct arena *arena, struct sources *sources,
                                  const struct bundle *bundle)
{
    struct diag_list diags;
    diag_list_init(&diags, arena, sources);
    struct program *program = parse_program_texts(arena, sources, bundle_texts(arena, bundle),
                                                  bundle->source_count, &diags);
    if (diags.errors > 0 || !check_program(program, &diags, &(struct check_options){0})) {
        diag_print(&diags, DIAG_FULL, false, stderr);
        fail_msg("the reference sources have errors");
    }
    return program;
}

/* swapped: sources and objects are handed over in another order. */
static void make(struct made *made, bool swapped)
{
    struct error error;
    *made = (struct made){.bundle = {.name = "reference", .serial = 7}};
    struct bundle *bundle = &made->bundle;
    bundle->source_count = bundle->object_count = 2;
    bundle->sources = arena_alloc(&made->arena, 2 * sizeof(*bundle->sources));
    bundle->objects = arena_alloc(&made->arena, 2 * sizeof(*bundle->objects));
    bundle->sources[0] = (struct bundle_source){
        .path = "guards.heal", .text = guards_text, .length = strlen(guards_text)};
    bundle->sources[1] = (struct bundle_source){
        .path = "shop/app.heal", .text = policy_text, .length = strlen(policy_text)};
    uint64_t *kernels = arena_alloc(&made->arena, 3 * sizeof(*kernels));
    kernels[0] = UINT64_MAX, kernels[1] = 5, kernels[2] = 300;
    bundle->objects[0] = (struct bundle_object){.cpu = BUNDLE_V3,
                                                .abi = 1,
                                                .kernels = kernels,
                                                .kernel_count = 3,
                                                .bytes = object_a,
                                                .length = sizeof(object_a)};
    bundle->objects[1] = (struct bundle_object){
        .cpu = BUNDLE_V3, .abi = UINT32_MAX, .bytes = object_b, .length = sizeof(object_b)};
    made->program = program_of(&made->arena, &made->sources, bundle);
    bundle_describe(&made->arena, made->program, bundle);
    if (swapped) {
        struct bundle_source source = bundle->sources[0];
        struct bundle_object object = bundle->objects[0];
        bundle->sources[0] = bundle->sources[1], bundle->sources[1] = source;
        bundle->objects[0] = bundle->objects[1], bundle->objects[1] = object;
    }
    assert_int_equal(bundle_write(bundle, &made->bytes, &made->length, &error), STATUS_OK);
}

static void unmake(struct made *made)
{
    free(made->bytes);
    sources_release(&made->sources);
    arena_release(&made->arena);
}

/* A key that is the same in every run. */
static void keys(unsigned number, struct trust_secret *secret, struct trust_public *public_key)
{
    uint8_t seed[crypto_sign_SEEDBYTES] = {(uint8_t)number};
    assert_true(sodium_init() >= 0);
    memset(secret->id, (int)number, sizeof(secret->id));
    memcpy(public_key->id, secret->id, sizeof(secret->id));
    crypto_sign_seed_keypair(public_key->key, secret->key, seed);
}

static size_t sign(const void *bytes, size_t length, char ret[TRUST_SIGNATURE_BYTES])
{
    struct trust_secret secret;
    struct trust_public public_key;
    struct error error;
    keys(1, &secret, &public_key);
    assert_int_equal(trust_sign(&secret, bytes, length, "test", ret, &error), STATUS_OK);
    return strlen(ret);
}

static enum status open_with(unsigned key, const void *bytes, size_t length, const char *signature,
                             size_t signature_length, uint64_t min_serial, struct error *error)
{
    struct trust_secret secret;
    struct trust_public public_key;
    struct arena arena = {0};
    struct bundle bundle;
    keys(key, &secret, &public_key);
    enum status status = bundle_open(&arena, bytes, length, signature, signature_length,
                                     &public_key, min_serial, &bundle, error);
    arena_release(&arena);
    return status;
}

/* ---- the format ---- */

static void what_is_written_is_read_and_agrees_with_its_sources(void **state)
{
    struct made made;
    struct arena arena = {0};
    struct sources sources = {0};
    struct bundle got;
    struct error error;
    (void)state;
    make(&made, false);
    assert_int_equal(bundle_read(&arena, made.bytes, made.length, &got, &error), STATUS_OK);
    assert_string_equal(got.name, "reference");
    assert_int_equal(got.serial, 7);
    assert_int_equal(got.policy_count, 2);
    const struct bundle_policy *app = &got.policies[0], *watch = &got.policies[1];
    assert_string_equal(app->name, "app");
    assert_true(app->acts);
    assert_true(app->actions_per_hour >= 7 && isfinite(app->actions_per_day));
    assert_int_equal(app->metric_count, 2);
    assert_string_equal(app->metrics[0], "app_bad");
    assert_string_equal(app->metrics[1], "app_up");
    assert_int_equal(app->action_count, 2);
    assert_false(watch->acts);
    assert_int_equal(watch->action_count, 0);
    assert_int_equal(watch->metric_count, 1);
    assert_string_equal(watch->metrics[0], "{__name__=~\"app_.*\"}");
    assert_int_equal(got.action_count, 2);
    assert_string_equal(got.actions[0].name, "turn");
    assert_string_equal(got.actions[0].connector, "exec");
    assert_string_equal(got.actions[0].undo, "turn_back");
    assert_string_equal(got.actions[0].parameters[0].type, "service");
    assert_int_equal(got.actions[0].timeout_ns, 2 * NS_PER_S);
    assert_true(got.actions[1].irreversible && got.actions[1].idempotent);
    assert_int_equal(got.objects[0].kernels[0], UINT64_MAX);
    assert_memory_equal(got.objects[1].bytes, object_b, sizeof(object_b));
    assert_int_equal(bundle_agrees(&got, program_of(&arena, &sources, &got), &error), STATUS_OK);
    sources_release(&sources);
    arena_release(&arena);
    unmake(&made);
}

static void the_order_of_files_makes_no_difference(void **state)
{
    struct made a, b;
    (void)state;
    make(&a, false);
    make(&b, true);
    assert_int_equal(a.length, b.length);
    assert_memory_equal(a.bytes, b.bytes, a.length);
    unmake(&a);
    unmake(&b);
}

/* Names as short as they may be, in numbers: the counts a reader believes are not too strict. */
static void the_smallest_items_are_read(void **state)
{
    enum { ITEMS = 3000 };
    struct arena arena = {0};
    struct bundle bundle = {.name = "a", .serial = 1}, got;
    struct error error;
    uint8_t *bytes;
    size_t length;
    (void)state;
    bundle.actions = arena_alloc(&arena, ITEMS * sizeof(*bundle.actions));
    bundle.policies = arena_alloc(&arena, ITEMS * sizeof(*bundle.policies));
    bundle.objects = arena_alloc(&arena, ITEMS * sizeof(*bundle.objects));
    bundle.sources = arena_alloc(&arena, ITEMS * sizeof(*bundle.sources));
    for (size_t i = 0; i < ITEMS; i++) {
        char *name = arena_printf(&arena, "%c%c", (char)(' ' + i / 90), (char)(' ' + i % 90));
        bundle.actions[i] = (struct bundle_action){.name = name, .connector = "", .undo = ""};
        bundle.policies[i] = (struct bundle_policy){.name = name};
        bundle.objects[i] =
            (struct bundle_object){.bytes = arena_printf(&arena, "%zu", i), .length = 4};
        bundle.sources[i] = (struct bundle_source){.path = arena_printf(&arena, "%zx.heal", i)};
    }
    bundle.action_count = bundle.policy_count = bundle.source_count = bundle.object_count = ITEMS;
    for (size_t i = 0; i < 4; i++) { /* alone, and with the others behind */
        assert_int_equal(bundle_write(&bundle, &bytes, &length, &error), STATUS_OK);
        assert_int_equal(bundle_read(&arena, bytes, length, &got, &error), STATUS_OK);
        free(bytes);
        bundle.source_count = i == 0 ? 0 : bundle.source_count;
        bundle.objects = i == 1 ? NULL : bundle.objects;
        bundle.object_count = i == 1 ? 0 : bundle.object_count;
        bundle.policy_count = i == 2 ? 0 : bundle.policy_count;
    }
    arena_release(&arena);
}

static void what_a_reader_would_refuse_is_not_written(void **state)
{
    static const struct {
        const char *name, *path, *says;
    } rows[] = {
        {"a", "b.heal", NULL},
        {"a", "b/c/d.heal", NULL},
        {"", "b.heal", "name"},
        {".a", "b.heal", "name"},
        {"-a", "b.heal", "name"},
        {"a/b", "b.heal", "name"},
        {"a b", "b.heal", "name"},
        {"a\033[31m", "b.heal", "clean"},
        {"a", "", "path"},
        {"a", ".heal", "path"},
        {"a", "b", "path"},
        {"a", "/b.heal", "path"},
        {"a", "../b.heal", "path"},
        {"a", "b/../c.heal", "path"},
        {"a", "b//c.heal", "path"},
        {"a", "./b.heal", "path"},
        {"a", "b/.c.heal", "path"},
        {"a", "b c.heal", "path"},
        {"a", "b\\c.heal", "path"},
        {"a", "b\n.heal", "clean"},
        {"a", "guards.heal", "twice"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct error error = {{0}};
        uint8_t *bytes = NULL;
        size_t length;
        struct bundle_source sources[] = {{.path = "guards.heal", .text = "", .length = 0},
                                          {.path = rows[i].path, .text = "", .length = 0}};
        struct bundle bundle = {
            .name = rows[i].name, .serial = 1, .sources = sources, .source_count = 2};
        enum status status = bundle_write(&bundle, &bytes, &length, &error);
        if ((status == STATUS_OK) != (rows[i].says == NULL) ||
            (rows[i].says && !strstr(error.message, rows[i].says))) {
            fail_msg("'%s' '%s': %s", rows[i].name, rows[i].path, error.message);
        }
        free(bytes);
    }
}

static void values_without_bounds_are_not_written(void **state)
{
    struct bundle_policy policy = {.name = "p"};
    struct bundle_action action = {.name = "a", .connector = "", .undo = ""};
    const char *twice[] = {"m", "m"}, *unknown[] = {"b"};
    struct error error;
    uint8_t *bytes;
    size_t length;
    (void)state;
    for (int i = 0; i < 8; i++) {
        struct bundle_policy changed = policy;
        struct bundle bundle = {.name = "x",
                                .serial = 1,
                                .policies = &changed,
                                .policy_count = 1,
                                .actions = &action,
                                .action_count = 1};
        switch (i) {
        case 0: changed.actions_per_day = NAN; break;
        case 1: changed.actions_per_hour = -1; break;
        case 2: changed.name = ""; break;
        case 3: changed.metrics = twice, changed.metric_count = 2; break;
        case 4: changed.actions = unknown, changed.action_count = 1; break;
        case 5: changed.ns_per_entity = UINT64_MAX; break;
        case 6: bundle.serial = 0; break;
        case 7: bundle.serial = UINT64_MAX; break;
        }
        assert_int_not_equal(bundle_write(&bundle, &bytes, &length, &error), STATUS_OK);
    }
}

/* ---- trust ---- */

static void every_flipped_bit_of_bytes_or_signature_is_refused(void **state)
{
    struct made made;
    struct error error;
    char signature[TRUST_SIGNATURE_BYTES];
    (void)state;
    make(&made, false);
    size_t length = sign(made.bytes, made.length, signature);
    assert_int_equal(open_with(1, made.bytes, made.length, signature, length, 7, &error),
                     STATUS_OK);
    for (size_t bit = 0; bit < made.length * 8; bit++) {
        made.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (open_with(1, made.bytes, made.length, signature, length, 7, &error) != STATUS_DENIED) {
            fail_msg("bit %zu of the bundle", bit);
        }
        made.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    /* The first line of a signature is minisign's untrusted comment: nobody's promise. */
    for (size_t bit = strcspn(signature, "\n") * 8; bit < length * 8; bit++) {
        signature[bit / 8] = (char)(signature[bit / 8] ^ (1 << bit % 8));
        if (open_with(1, made.bytes, made.length, signature, length, 7, &error) != STATUS_DENIED) {
            fail_msg("bit %zu of the signature", bit);
        }
        signature[bit / 8] = (char)(signature[bit / 8] ^ (1 << bit % 8));
    }
    unmake(&made);
}

static void what_is_unsigned_older_foreign_or_cut_is_refused(void **state)
{
    struct made made;
    struct error error;
    char signature[TRUST_SIGNATURE_BYTES];
    (void)state;
    make(&made, false);
    size_t length = sign(made.bytes, made.length, signature);
    assert_int_equal(open_with(1, made.bytes, made.length, NULL, 0, 0, &error), STATUS_DENIED);
    assert_non_null(strstr(error.message, "not signed"));
    assert_int_equal(open_with(2, made.bytes, made.length, signature, length, 0, &error),
                     STATUS_DENIED);
    assert_non_null(strstr(error.message, "another key"));
    assert_int_equal(open_with(1, made.bytes, made.length, signature, length, 8, &error),
                     STATUS_DENIED);
    assert_non_null(strstr(error.message, "older than 8"));
    for (size_t cut = 0; cut < made.length; cut += 13) {
        assert_int_equal(open_with(1, made.bytes, cut, signature, length, 0, &error),
                         STATUS_DENIED);
    }
    for (size_t cut = 0; cut < length; cut++) {
        assert_int_equal(open_with(1, made.bytes, made.length, signature, cut, 0, &error),
                         STATUS_DENIED);
    }
    /* Signed by the right key, and still not of this format. */
    made.bytes[13] = BUNDLE_FORMAT + 1;
    length = sign(made.bytes, made.length, signature);
    assert_int_equal(open_with(1, made.bytes, made.length, signature, length, 0, &error),
                     STATUS_PROTOCOL);
    assert_non_null(strstr(error.message, "format 3"));
    length = sign("", 0, signature);
    assert_int_equal(open_with(1, "", 0, signature, length, 0, &error), STATUS_PROTOCOL);
    unmake(&made);
}

/* ---- a hostile signer: the reader alone ---- */

/* What a manifest may say without the sources knowing better: its own name and
 * serial, what files are called, opaque objects. */
static bool only_unprovable(const struct bundle *a, const struct bundle *b)
{
    bool differs = strcmp(a->name, b->name) != 0 || a->serial != b->serial ||
                   a->object_count != b->object_count;
    if (differs) {
        return true;
    }
    for (size_t i = 0; i < a->object_count; i++) {
        const struct bundle_object *x = &a->objects[i], *y = &b->objects[i];
        differs =
            differs || x->cpu != y->cpu || x->abi != y->abi || x->kernel_count != y->kernel_count;
        for (size_t k = 0; k < x->kernel_count && !differs; k++) {
            differs = x->kernels[k] != y->kernels[k];
        }
    }
    for (size_t i = 0; i < a->source_count; i++) {
        differs = differs || strcmp(a->sources[i].path, b->sources[i].path) != 0;
    }
    return differs;
}

/* Reads bytes of a heap block of exactly their length. Accepted bytes must be what a writer makes
 * of them, and memory must stay within a multiple of theirs. True when they were accepted. */
static bool read_bounded(const uint8_t *bytes, size_t length, const struct made *made)
{
    struct arena arena = {0};
    struct bundle got;
    struct error error;
    uint8_t *exact = heap_alloc(length + (length == 0)), *again = NULL;
    size_t again_length = 0;
    memcpy(exact, bytes, length);
    bool good = bundle_read(&arena, exact, length, &got, &error) == STATUS_OK;
    assert_true(arena.total_bytes <= 32 * length + 256 * 1024);
    if (good) {
        assert_int_equal(bundle_write(&got, &again, &again_length, &error), STATUS_OK);
        assert_int_equal(again_length, length);
        assert_memory_equal(again, exact, length);
        if (bundle_agrees(&got, made->program, &error) == STATUS_OK &&
            (length != made->length || memcmp(exact, made->bytes, length) != 0)) {
            assert_true(only_unprovable(&got, &made->bundle));
        }
    }
    free(again);
    free(exact);
    arena_release(&arena);
    return good;
}

static void a_flipped_bit_that_still_reads_is_seen_against_the_sources(void **state)
{
    struct made made;
    size_t accepted = 0;
    (void)state;
    make(&made, false);
    uint8_t *bytes = heap_alloc(made.length);
    memcpy(bytes, made.bytes, made.length);
    for (size_t bit = 0; bit < made.length * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        accepted += read_bounded(bytes, made.length, &made);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_true(accepted > 100); /* or the claim is empty */
    for (size_t cut = 0; cut < made.length; cut++) {
        assert_false(read_bounded(bytes, cut, &made));
    }
    free(bytes);
    unmake(&made);
}

static uint64_t seed = 88172645463325252;
static size_t below(size_t limit)
{
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return (size_t)(seed >> 11) % limit;
}

/* Replaces, inserts, takes out or repeats a piece; gives the new length, at most size. */
static size_t mutate(uint8_t *bytes, size_t length, size_t size)
{
    static const uint8_t heads[] = {0x00, 0x17, 0x18, 0x1b, 0x1f, 0x20, 0x3b, 0x40, 0x58,
                                    0x5b, 0x5f, 0x60, 0x78, 0x7b, 0x7f, 0x80, 0x98, 0x9a,
                                    0x9b, 0x9f, 0xa0, 0xb8, 0xbb, 0xbf, 0xc0, 0xd8, 0xf4,
                                    0xf5, 0xf6, 0xf7, 0xf9, 0xfa, 0xfb, 0xff};
    size_t at = below(length), n = 1 + below(12);
    switch (below(5)) {
    case 0: bytes[at] = heads[below(sizeof(heads))]; break;
    case 1: bytes[at] = (uint8_t)below(256); break;
    case 2: /* out */
        n = n < length - at ? n : length - at;
        memmove(bytes + at, bytes + at + n, length - at - n);
        length -= n;
        break;
    case 3: /* twice */
        n = n < length - at ? n : length - at;
        if (length + n <= size) {
            memmove(bytes + at + n, bytes + at, length - at);
            length += n;
        }
        break;
    case 4: /* a giant number from here on */
        for (size_t i = at; i < length && i < at + n; i++) {
            bytes[i] = i == at ? heads[below(sizeof(heads))] : 0xff;
        }
        break;
    }
    return length > 0 ? length : 1;
}

static void random_changes_never_get_past_the_reader(void **state)
{
    struct made made;
    (void)state;
    make(&made, false);
    size_t size = made.length + 64;
    uint8_t *bytes = heap_alloc(size);
    for (int i = 0; i < 100000; i++) {
        size_t length = made.length;
        memcpy(bytes, made.bytes, length);
        for (size_t times = 1 + below(3); times > 0; times--) {
            length = mutate(bytes, length, size);
        }
        (void)read_bounded(bytes, length, &made);
    }
    free(bytes);
    unmake(&made);
}

static void giant_counts_and_deep_nesting_are_refused_at_every_place(void **state)
{
    static const uint8_t giants[][9] = {
        {0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
        {0x7b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
        {0x9b, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00},
        {0xbb, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00},
        {0x9a, 0x00, 0x00, 0x0f, 0xff, 0x00, 0x00, 0x00, 0x00},
        {0x99, 0x10, 0x00, 0x99, 0x10, 0x00, 0x99, 0x10, 0x00},
        {0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81},
        {0xa1, 0xa1, 0xa1, 0xa1, 0xa1, 0xa1, 0xa1, 0xa1, 0xa1},
    };
    struct made made;
    (void)state;
    make(&made, false);
    uint8_t *bytes = heap_alloc(made.length + 9);
    for (size_t at = 0; at < made.length; at++) {
        for (size_t g = 0; g < ARRAY_LEN(giants); g++) {
            memcpy(bytes, made.bytes, at); /* in place of what stands there */
            memcpy(bytes + at, giants[g], 9);
            memcpy(bytes + at + 9, made.bytes + at, made.length - at);
            assert_false(read_bounded(bytes, made.length + 9, &made));
            size_t tail = made.length - at > 9 ? made.length - at - 9 : 0;
            memcpy(bytes + at + 9, made.bytes + made.length - tail, tail);
            /* Inside a hash these are bytes like any others: read, and seen against the sources. */
            (void)read_bounded(bytes, at + 9 + tail, &made);
        }
    }
    free(bytes);
    unmake(&made);
    static const uint8_t nests[] = {0x81, 0x9f, 0xa1, 0xbf, 0xc1, 0x5f, 0x7f};
    enum { DEEP = 4 * 1024 * 1024 };
    uint8_t *deep = heap_alloc(DEEP);
    for (size_t i = 0; i < ARRAY_LEN(nests); i++) {
        memset(deep, nests[i], DEEP);
        assert_false(read_bounded(deep, DEEP, &made));
    }
    free(deep);
}

/* A hostile manifest of as many short names as fit: the worst a reader's memory can be made to. */
static void memory_is_bounded_by_the_manifest_even_for_a_hostile_one(void **state)
{
    struct arena arena = {0}, reading = {0};
    struct bundle bundle = {.name = "x", .serial = 1}, got;
    struct error error;
    uint8_t *bytes;
    size_t length;
    (void)state;
    const char **names = arena_alloc(&arena, BUNDLE_METRICS_MAX * sizeof(*names));
    for (size_t i = 0; i < BUNDLE_METRICS_MAX; i++) {
        names[i] = arena_printf(&arena, "%c%c", (char)(' ' + i / 90), (char)(' ' + i % 90));
    }
    bundle.policy_count = 320;
    bundle.policies = arena_alloc(&arena, bundle.policy_count * sizeof(*bundle.policies));
    for (size_t i = 0; i < bundle.policy_count; i++) {
        bundle.policies[i] = (struct bundle_policy){
            .name = names[i], .metrics = names, .metric_count = BUNDLE_METRICS_MAX};
    }
    assert_int_equal(bundle_write(&bundle, &bytes, &length, &error), STATUS_OK);
    assert_true(length > BUNDLE_MANIFEST_BYTES_MAX / 2);
    assert_int_equal(bundle_read(&reading, bytes, length, &got, &error), STATUS_OK);
    assert_true(reading.total_bytes < 16 * (size_t)BUNDLE_MANIFEST_BYTES_MAX);
    free(bytes);
    arena_release(&reading);
    arena_release(&arena);
}

static void a_manifest_past_its_limit_is_neither_written_nor_read(void **state)
{
    struct arena arena = {0};
    struct bundle bundle = {.name = "x", .serial = 1}, got;
    struct error error;
    uint8_t *bytes = NULL;
    size_t length;
    (void)state;
    char *text = arena_alloc(&arena, BUNDLE_TEXT_BYTES_MAX + 1);
    memset(text, 'a', BUNDLE_TEXT_BYTES_MAX);
    bundle.action_count = 1100;
    bundle.actions = arena_alloc(&arena, bundle.action_count * sizeof(*bundle.actions));
    for (size_t i = 0; i < bundle.action_count; i++) {
        bundle.actions[i] = (struct bundle_action){
            .name = arena_printf(&arena, "a%04zu", i), .connector = text, .undo = ""};
    }
    assert_int_equal(bundle_write(&bundle, &bytes, &length, &error), STATUS_LIMIT);
    bundle.action_count = 900;
    assert_int_equal(bundle_write(&bundle, &bytes, &length, &error), STATUS_OK);
    assert_int_equal(bundle_read(&arena, bytes, length, &got, &error), STATUS_OK);
    free(bytes);
    text[BUNDLE_TEXT_BYTES_MAX - 1] = '\0';
    char *long_text = arena_printf(&arena, "%sbb", text);
    bundle.actions[0].connector = long_text;
    assert_int_equal(bundle_write(&bundle, &bytes, &length, &error), STATUS_LIMIT);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_and_agrees_with_its_sources),
        cmocka_unit_test(the_order_of_files_makes_no_difference),
        cmocka_unit_test(the_smallest_items_are_read),
        cmocka_unit_test(what_a_reader_would_refuse_is_not_written),
        cmocka_unit_test(values_without_bounds_are_not_written),
        cmocka_unit_test(every_flipped_bit_of_bytes_or_signature_is_refused),
        cmocka_unit_test(what_is_unsigned_older_foreign_or_cut_is_refused),
        cmocka_unit_test(a_flipped_bit_that_still_reads_is_seen_against_the_sources),
        cmocka_unit_test(random_changes_never_get_past_the_reader),
        cmocka_unit_test(giant_counts_and_deep_nesting_are_refused_at_every_place),
        cmocka_unit_test(memory_is_bounded_by_the_manifest_even_for_a_hostile_one),
        cmocka_unit_test(a_manifest_past_its_limit_is_neither_written_nor_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
