/* What is known of one source: its series, the types of its families, and the answer being taken.
 *
 * An answer is taken whole or not at all: a malformed body, a limit or a full feed makes it a
 * failure and none of its samples reaches the engine. With either come the source's own series: up,
 * scrape_duration_seconds and scrape_samples_scraped.
 *
 *     intake_new(writer, &options, &intake, error);
 *     outcome = intake_answer(intake, body, size, now, took, error);
 *     intake_fail(intake, now, took, "connection refused");       // there was no body
 *
 * Labels: job and instance are added; a label of the exporter with such a name becomes
 * exported_job. A series that is twice in a body is counted and its first sample taken, as
 * Prometheus does. A family whose TYPE differs from its last one is counted and its samples of this
 * answer are refused; the new type is the one expected from then on. A TYPE may be there again, and
 * behind samples of its family. */
#ifndef HEAL_RUNTIME_INGEST_INTAKE_H
#define HEAL_RUNTIME_INGEST_INTAKE_H

#include "lang/base.h"
#include "runtime/ingest/exposition.h"
#include "runtime/ingest/feed.h"

struct intake_options {
    uint32_t id;                     /* below FEED_SOURCES_MAX, unique in the feed */
    const char *name;                /* of the source, unique */
    const char *job, *instance;      /* copied */
    struct duration interval, grace; /* of the source, as store_source() takes them */
    struct exposition_limits limits;
};

enum intake_outcome { INTAKE_ANSWERED, INTAKE_SYNTAX, INTAKE_LIMIT, INTAKE_FEED_FULL };

struct intake_stats {
    uint64_t answers, samples;    /* that reached the feed */
    uint64_t duplicates;          /* samples of a series that was in the body before */
    uint64_t type_flips, refused; /* families, and their samples */
    uint64_t lost;                /* samples dropped because the feed was full */
    uint64_t predicted;           /* samples whose labels were not parsed again */
    size_t series;                /* known now */
};

struct intake;
NODISCARD enum status intake_new(struct feed_writer *feed, const struct intake_options *options,
                                 struct intake **ret_intake, struct error *error);
void intake_free(struct intake *intake);

/* Tells a reader that has just attached that this source exists; cheap when it knows. */
void intake_announce(struct intake *intake);

/* The body of one answer. error holds the reason unless INTAKE_ANSWERED. */
enum intake_outcome intake_answer(struct intake *intake, enum exposition_format format,
                                  const char *body, size_t size, struct instant now,
                                  struct duration took, struct error *error);
/* The source gave no body that could be read. */
void intake_fail(struct intake *intake, struct instant now, struct duration took,
                 const char *reason);

const struct intake_stats *intake_stats(const struct intake *intake);
/* The TYPE of a family in the last answer that had it; untyped when unknown. */
enum exposition_type intake_type(const struct intake *intake, const char *family);

#endif
