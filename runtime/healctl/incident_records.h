/* The records of an incident, from the journal itself, or from heald while it holds the journal. */
#ifndef HEAL_RUNTIME_HEALCTL_INCIDENT_RECORDS_H
#define HEAL_RUNTIME_HEALCTL_INCIDENT_RECORDS_H

#include "runtime/engine/record.h"
#include "runtime/healctl/command.h"

struct incident_records {
    struct record *items;
    size_t count, capacity;
};
/* False after a report, with the exit code in *ret_code. */
bool incident_records_find(const struct options *options, uint64_t incident,
                           struct incident_records *ret, int *ret_code);
void incident_records_release(struct incident_records *records);

/* As heald gives it, for show_record(). */
json_t *record_to_json(const struct record *record);

#endif
