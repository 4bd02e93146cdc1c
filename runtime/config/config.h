/* heald.yaml: what a host lets heald do, as one structure.
 *
 *     struct config config;
 *     struct config_report report = {0};
 *     if (!config_load("/etc/heal/heald.yaml", &config, &report)) { ... report.text ... }
 *     config_release(&config);
 *     config_report_release(&report);
 *
 * Strict: an unknown or repeated key, a wrong type and a value out of range are errors with their
 * place, and all of them are reported. Every key is a row of config.def, which drives the reader,
 * the printer and the documentation. Everything is heap-owned by the struct config. */
#ifndef HEAL_RUNTIME_CONFIG_CONFIG_H
#define HEAL_RUNTIME_CONFIG_CONFIG_H

#include "lang/connector.h"

enum {
    CONFIG_BYTES_MAX = 1024 * 1024,
    CONFIG_DEPTH_MAX = 16,
    CONFIG_NODES_MAX = 20000,
    CONFIG_ERRORS_MAX = 100,
    CONFIG_TEXT_MAX = 4096,        /* one scalar */
    CONFIG_LABEL_BYTES_MAX = 1024, /* name or value of an external label */
};

enum config_mode { CONFIG_SHADOW, CONFIG_ASK, CONFIG_ACT };
enum config_log_format { CONFIG_LOG_TEXT, CONFIG_LOG_JSON };
enum config_log_level { CONFIG_ERROR, CONFIG_WARN, CONFIG_INFO, CONFIG_DEBUG };

/* Every part begins with this: whether it was written, and where. */
struct config_head {
    bool present;
    uint32_t line, column;
};

struct config_strings {
    char **items;
    size_t count;
};

struct config_log {
    struct config_head head;
    int format; /* enum config_log_format */
    int level;  /* enum config_log_level */
};

struct config_flight {
    struct config_head head;
    uint64_t bytes_max; /* 0: nothing is recorded */
};

/* User names; "none" stays the user heald was started as. */
struct config_users {
    struct config_head head;
    char *ingest, *engine, *actor;
};

struct config_scrape {
    struct config_head head;
    char *job;
    struct config_strings targets; /* http:// or https:// URLs */
    struct duration interval, timeout;
    uint64_t body_max_bytes, series_max;
};

struct config_remote_write {
    struct config_head head;
    char *name, *path;
    char *token_file; /* NULL: no token is asked for */
    struct duration interval, grace;
    uint64_t body_max_bytes, series_max, labels_max, label_bytes_max;
};

struct config_events {
    struct config_head head;
    bool enabled;
    char *token_file; /* NULL: no token is asked for */
};

/* One of pidfile, exe and cmdline is set, the others are NULL. */
struct config_process {
    struct config_head head;
    char *name, *pidfile, *exe, *cmdline;
};

struct config_host {
    struct config_head head;
    bool enabled;
    struct duration interval;
    struct config_strings cgroups;
    struct config_process *processes;
    size_t processes_count;
};

struct config_channel_log {
    struct config_head head;
};
struct config_webhook {
    struct config_head head;
    char *url;
    struct duration timeout;
};
struct config_slack {
    struct config_head head;
    char *url_file;
    struct duration timeout;
};
struct config_pagerduty {
    struct config_head head;
    char *key_file, *url;
    struct duration timeout;
};
struct config_email {
    struct config_head head;
    char *server;
    int tls; /* enum voice_tls */
    char *from;
    struct config_strings to;
    char *user, *password_file, *ca_file; /* NULL: none */
    struct duration timeout;
};
struct config_alertmanager {
    struct config_head head;
    char *url;
    struct duration ends_after;
    char *authorization_file, *ca_file; /* NULL: none */
    struct duration timeout;
};
/* Where escalations go: one of the kinds is present. */
struct config_channel {
    struct config_head head;
    char *name;
    struct config_channel_log log;
    struct config_webhook webhook;
    struct config_slack slack;
    struct config_pagerduty pagerduty;
    struct config_email email;
    struct config_alertmanager alertmanager;
};

struct config_env {
    struct config_head head;
    char *name, *value;
};

/* The range a number must be in, both ends included. */
struct config_parameter {
    struct config_head head;
    char *name;
    uint64_t min, max;
};

struct config_at_most {
    struct config_head head;
    uint64_t count;
    struct duration per;
};

struct config_header {
    struct config_head head;
    char *name, *value;
};

struct config_header_file {
    struct config_head head;
    char *name, *file;
};

struct config_request {
    struct config_head head;
    int method;                 /* enum request_method */
    char *url, *body, *ca_file; /* body, ca_file: NULL is none */
    struct config_header *headers;
    size_t headers_count;
    struct config_header_file *header_files;
    size_t header_files_count;
    struct duration timeout;
};

/* The envelope of one action: which program, for whom, how long, how often. */
struct config_grant {
    struct config_head head;
    char *action;
    int connector;                 /* enum connector */
    struct config_strings argv;    /* of exec */
    struct config_request request; /* of http */
    struct config_strings targets; /* canonical texts: "namespace=shop,pod=a" */
    bool unattended, idempotent;
    char *cwd;
    struct config_env *env;
    size_t env_count;
    struct duration timeout;
    uint64_t memory_max_bytes, output_max_bytes;
    struct config_parameter *parameters;
    size_t parameters_count;
    struct config_at_most at_most;
};

struct config_kubernetes {
    struct config_head head;
    char *server, *ca_file, *token_file;
    struct duration timeout;
};

struct config_systemd {
    struct config_head head;
    char *bus;
};

struct config_external_label {
    struct config_head head;
    char *name, *value;
};

struct config_policy_mode {
    struct config_head head;
    char *name;
    int mode; /* enum config_mode */
};

struct config {
    struct config_head head;
    char *state, *policies, *trusted_key, *control;
    char *control_group; /* NULL: none */
    char *listen;        /* "none" or ADDRESS:PORT */
    struct duration tick, blind_after;
    struct config_external_label *external_labels;
    size_t external_labels_count;
    char *external_url; /* NULL: none */
    struct config_log log;
    struct config_flight flight;
    struct config_users users;
    struct config_scrape *scrape;
    size_t scrape_count;
    struct config_remote_write *remote_write;
    size_t remote_write_count;
    struct config_events events;
    struct config_host host;
    struct config_channel *channels;
    size_t channels_count;
    struct config_strings guards;
    struct config_grant *grants;
    size_t grants_count;
    struct config_kubernetes kubernetes;
    struct config_systemd systemd;
    int default_mode; /* enum config_mode */
    struct config_policy_mode *policies_mode;
    size_t policies_mode_count;
};

/* One finding a line: "heald.yaml:12:5: error: unknown key 'intervall' in scrape[0]; ...". */
struct config_report {
    char *text; /* NULL: nothing to report */
    size_t length, capacity;
    size_t errors;
};

/* Reads and checks a file. False with the report filled; *ret is then empty and need not be
 * released. */
NODISCARD bool config_load(const char *path, struct config *ret, struct config_report *report);
/* The same from memory; name stands for the file in the report. */
NODISCARD bool config_parse(const char *name, const char *text, size_t length, struct config *ret,
                            struct config_report *report);
void config_release(struct config *config);
void config_report_release(struct config_report *report);

/* The effective configuration as YAML that parses again to the same; the caller frees it. With
 * redact, URLs lose user, password and query, which is all that may then differ. */
char *config_print(const struct config *config, bool redact);
/* The page docs/heald.yaml.md, written from config.def; the caller frees it. */
char *config_print_docs(void);

/* The one kind of a channel that is written; CHANNEL_COUNT when it is not one. */
enum channel_kind config_channel_kind(const struct config_channel *channel);

/* The mode the host allows a policy. */
enum config_mode config_mode_of(const struct config *config, const char *policy);
/* "shadow", "ask", "act" */
const char *config_mode_text(enum config_mode mode);

#endif
