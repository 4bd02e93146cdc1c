/* Parts of the bundle's format that requests for code and their answers have too. One function an
 * item, for both directions (cbor.h). */
#ifndef HEAL_RUNTIME_BUNDLE_BUNDLE_PART_H
#define HEAL_RUNTIME_BUNDLE_BUNDLE_PART_H

#include "runtime/bundle/bundle.h"
#include "runtime/bundle/cbor.h"

/* Sorts sources and objects, and hashes them, before they are written. */
void bundle_part_prepare(struct bundle *bundle);
void bundle_part_cpu(struct cbor *cbor, enum bundle_cpu *cpu);
void bundle_part_abi(struct cbor *cbor, uint32_t *abi);
void bundle_part_length(struct cbor *cbor, size_t *length, size_t max);
void bundle_part_sources(struct cbor *cbor, struct bundle *bundle);
void bundle_part_objects(struct cbor *cbor, struct bundle *bundle);
/* A reader of a list sees no more than a manifest may be long, so that the list cannot take more
 * memory than a named multiple of that. */
void bundle_part_bounded(struct cbor *cbor, struct bundle *bundle,
                         void (*code)(struct cbor *, struct bundle *));
/* The bytes of the sources, then of the objects; a reader checks their hashes. */
void bundle_part_sections(struct cbor *cbor, struct bundle *bundle);

#endif
