/* The rows of config.def as data, and scalars as text: what the reader, the printer and the
 * documentation share. */
#ifndef HEAL_RUNTIME_CONFIG_CONFIG_KEY_H
#define HEAL_RUNTIME_CONFIG_CONFIG_KEY_H

#include "runtime/config/config.h"

enum config_part {
    PART_root,
    PART_external_label,
    PART_log,
    PART_flight,
    PART_users,
    PART_scrape,
    PART_remote_write,
    PART_events,
    PART_host,
    PART_process,
    PART_channel,
    PART_channel_log,
    PART_webhook,
    PART_slack,
    PART_pagerduty,
    PART_email,
    PART_alertmanager,
    PART_grant,
    PART_request,
    PART_header,
    PART_header_file,
    PART_env,
    PART_parameter,
    PART_at_most,
    PART_kubernetes,
    PART_systemd,
    PART_policy_mode,
    PART_none
};

enum config_kind {
    /* scalars */
    KIND_TEXT,
    KIND_WORD,   /* no spaces */
    KIND_NAME,   /* [A-Za-z_][A-Za-z0-9_]* */
    KIND_PATH,   /* absolute */
    KIND_BUNDLE, /* absolute, NAME.healb */
    KIND_URL,    /* http:// or https:// */
    KIND_LISTEN, /* none or ADDRESS:PORT */
    KIND_BOOL,
    KIND_COUNT,
    KIND_SIZE,
    KIND_DURATION,
    KIND_CHOICE,
    /* lists of scalars */
    KIND_STRINGS,
    KIND_URLS,
    KIND_FILES, /* names without a folder, ending in .heal */
    KIND_ARGV,
    KIND_TARGETS,
    /* parts */
    KIND_SECTION,  /* always there, with its fallbacks */
    KIND_OPTIONAL, /* there when written */
    KIND_LIST,
    KIND_MAP,
};

struct config_key {
    enum config_part part;
    enum config_kind kind;
    enum config_part child;
    size_t offset;
    const char *name, *fallback, *range, *doc;
};
extern const struct config_key config_keys[];
extern const size_t config_key_count;
extern const size_t config_part_bytes[PART_none];

static inline bool config_kind_is_scalar(enum config_kind kind)
{
    return kind <= KIND_CHOICE;
}
static inline bool config_kind_is_strings(enum config_kind kind)
{
    return kind >= KIND_STRINGS && kind <= KIND_TARGETS;
}

/* The generic view of a LIST or MAP field. */
struct config_items {
    void *items;
    size_t count;
};

/* The row of a key of a part; NULL when there is none. */
const struct config_key *config_key_find(enum config_part part, const char *name);

/* Reads a scalar of the row's kind into the field. The message says what is wrong with it. */
enum status config_scalar_read(const struct config_key *key, const char *text, void *field,
                               struct error *error);
/* One item of a list of scalars; whether it is allowed. */
enum status config_item_check(const struct config_key *key, size_t index, const char *text,
                              struct error *error);
/* "least..most" of a row whose range counts items. */
void config_range_counts(const struct config_key *key, uint64_t *ret_least, uint64_t *ret_most);

#endif
