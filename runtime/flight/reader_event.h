/* From the bytes of a frame to an event. Only reader.c includes this. */
#ifndef HEAL_RUNTIME_FLIGHT_READER_EVENT_H
#define HEAL_RUNTIME_FLIGHT_READER_EVENT_H

#include "runtime/flight/reader.h"

/* Takes the next event from reader->in; false where it is not one that is written. */
bool reader_event(struct flight_reader *reader, struct flight_event *ret);

#endif
