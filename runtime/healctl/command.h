/* healctl's commands: each asks heald and shows the answer. */
#ifndef HEAL_RUNTIME_HEALCTL_COMMAND_H
#define HEAL_RUNTIME_HEALCTL_COMMAND_H

#include <stdio.h>

#include "runtime/api/control.h"

struct options {
    const char *command, *argument;
    const char *second;          /* argument; NULL: not given */
    char *const *more;           /* arguments behind it, NULL at the end */
    const char *socket;          /* path */
    const char *state;           /* folder of the STOP file; NULL: not known */
    const char *why;             /* NULL: not said */
    const char *plan;            /* approve: the one that is meant; NULL: what is asked */
    const char *policy, *target; /* NULL: any */
    int64_t limit;               /* 0: heald's own */
    const char *text, *time;     /* of an event; NULL: not said */
    const char *listen;          /* heald's listener; NULL: not known */
    const char *token_file;      /* of events; NULL: none */
    bool json, all, follow, annotations;
    struct duration timeout;
};

/* Each returns the exit code, enum control_code. */
int command_status(const struct options *options);
int command_incidents(const struct options *options);
int command_alerts(const struct options *options);
int command_explain(const struct options *options);
int command_replay(const struct options *options);
int command_answer(const struct options *options);
int command_mode(const struct options *options);
int command_stop(const struct options *options);
int command_start(const struct options *options);
int command_reload(const struct options *options);
int command_history(const struct options *options);
int command_outcomes(const struct options *options);
int command_event(const struct options *options);
int command_top(const struct options *options);
int command_tail(const struct options *options);

/* Sends the request (taken over). Returns the answer, or NULL with the exit code in *ret_code after
 * saying why. Negative answers are said too, and in JSON printed. */
json_t *ask(const struct options *options, json_t *take_request, int *ret_code);

/* Text from heald for a terminal: control characters escaped, cut to width columns' worth of code
 * points (0: not cut) and padded to it. */
void show_to(FILE *out, const char *text, int width);
void show(const char *text, int width); /* to standard output */
/* Prints a table of objects; columns are keys with their widths, the last is not padded. */
struct column {
    const char *key, *title;
    int width;
};
void show_table(const json_t *rows, const struct column *columns, size_t count);
/* The text of a key, or "". */
const char *text_of(const json_t *object, const char *key);
/* The whole number of a key, or 0. */
int64_t integer_of(const json_t *object, const char *key);
/* A number, or its text. */
void show_id(const json_t *value, int width);
/* Prints an answer as one line of JSON. */
void show_json(const json_t *value);
/* "2026-11-28 14:03:07" in local time; "-" without. */
void show_date(const json_t *value);
/* "14:03:07" in local time from RFC 3339 text or seconds since 1970; "-" without. */
void show_time(const json_t *value);
/* One record as a line of the timeline. */
/* What is known of actions, rows as of outcomes; NULL: nothing is shown. */
void show_learned(const json_t *rows);
void show_record(const json_t *record);

#endif
