/* Reads a flight recording. */
#include "runtime/flight/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

#include "runtime/flight/flight.h"
#include "runtime/flight/folder.h"
#include "runtime/flight/reader_event.h"

/* Where it is: "0001790000000123.0002.flight, at byte 70123". */
static enum status wrong(const struct flight_reader *reader, size_t at, const char *what,
                         struct error *error)
{
    char name[FLIGHT_NAME_BYTES] = "the recording";
    if (reader->folder_fd >= 0) {
        flight_file_name(&(struct flight_file){reader->life_ms, reader->segment, 0}, name);
    }
    return error_set(error, STATUS_PROTOCOL, "%s, at byte %zu: %s", name, at, what);
}

/* ---- segments ---- */

static enum status file_read(struct flight_reader *reader, int fd, const char *name,
                             struct error *error)
{
    const size_t max = (size_t)FLIGHT_SEGMENT_BYTES_MAX + FLIGHT_FRAME_BYTES_MAX + (1 << 20);
    size_t capacity = 1 << 16;
    ssize_t n = 0;
    free(reader->file);
    reader->file = heap_alloc(capacity);
    reader->length = 0;
    while ((n = read(fd, reader->file + reader->length, capacity - reader->length)) > 0) {
        reader->length += (size_t)n;
        if (reader->length > max) {
            return error_set(error, STATUS_LIMIT, "%s has more than %zu bytes", name, max);
        }
        if (reader->length == capacity) {
            capacity *= 2;
            reader->file = heap_resize(reader->file, capacity);
        }
    }
    reader->bytes = reader->file;
    return n == 0 ? STATUS_OK
                  : error_set(error, STATUS_IO, "cannot read %s: %s", name, strerror(errno));
}

static enum status segment_open(struct flight_reader *reader, struct error *error)
{
    char name[FLIGHT_NAME_BYTES];
    flight_file_name(&(struct flight_file){reader->life_ms, reader->segment, 0}, name);
    const int fd = openat(reader->folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        return error_set(error, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO,
                         "cannot open %s: %s", name, strerror(errno));
    }
    enum status status = file_read(reader, fd, name, error);
    close(fd);
    reader->at = 0;
    return status;
}

enum status flight_reader_open(struct flight_reader *reader, const char *state, int64_t life_ms,
                               struct error *error)
{
    struct flight_files files;
    flight_reader_bytes(reader, NULL, 0);
    TRY(flight_folder_open(state, false, &reader->folder_fd, error));
    TRY(flight_folder_list(reader->folder_fd, &files, error));
    for (size_t i = 0; i < files.count; i++) {
        const struct flight_file *file = &files.items[i];
        if (file->life_ms == life_ms) {
            reader->gap = reader->gap || file->segment != reader->segments;
            reader->segments += !reader->gap;
        }
    }
    flight_files_release(&files);
    reader->life_ms = life_ms;
    if (reader->segments > 0) {
        return segment_open(reader, error);
    }
    return reader->gap ? error_set(error, STATUS_PROTOCOL, "the first segment is missing")
                       : error_set(error, STATUS_NOT_FOUND, "there is no recording of that life");
}

void flight_reader_bytes(struct flight_reader *reader, const uint8_t *bytes, size_t length)
{
    *reader = (struct flight_reader){.folder_fd = -1, .bytes = bytes, .length = length};
    reader->items = heap_alloc(POINTS_MAX * sizeof *reader->items);
}

void flight_reader_release(struct flight_reader *reader)
{
    if (reader->folder_fd >= 0) {
        close(reader->folder_fd);
    }
    free(reader->file);
    free(reader->unpacked);
    free(reader->items);
    points_release(&reader->points);
    arena_release(&reader->arena);
    *reader = (struct flight_reader){.folder_fd = -1};
}

/* ---- frames ---- */

static uint32_t number32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static enum status unpack(struct flight_reader *reader, const uint8_t *content, size_t stored,
                          size_t length, struct error *error)
{
    free(reader->unpacked);
    reader->unpacked = heap_alloc(length);
    const size_t got = ZSTD_decompress(reader->unpacked, length, content, stored);
    if (ZSTD_isError(got) || got != length) {
        return wrong(reader, reader->at, "a frame that cannot be unpacked", error);
    }
    reader->in = (struct wire_in){reader->unpacked, reader->unpacked + length, false};
    return STATUS_OK;
}

/* A reader that looks for faults of its own has other things to do than to guess checksums. */
static bool is_intact(uint64_t checksum, uint64_t stored)
{
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    (void)checksum, (void)stored;
    return true;
#else
    return checksum == stored;
#endif
}

/* What a file system leaves of a file that grew when the host lost its power. */
static bool is_empty(const uint8_t *bytes, size_t length)
{
    size_t at = 0;
    while (at < length && bytes[at] == 0) {
        at++;
    }
    return at == length;
}

static enum status frame_read(struct flight_reader *reader, struct error *error)
{
    const uint8_t *head = reader->bytes + reader->at, *content = head + FLIGHT_FRAME_HEAD_BYTES;
    const size_t left = reader->length - reader->at;
    if (left < FLIGHT_FRAME_HEAD_BYTES || is_empty(head, left)) {
        reader->cut = left > 0;
        return STATUS_NOT_FOUND;
    }
    const size_t stored = number32(head), length = number32(head + 4);
    if (!is_intact((uint32_t)XXH3_64bits_withSeed(head, 8, reader->checksum), number32(head + 8))) {
        return wrong(reader, reader->at, "a frame whose length is damaged", error);
    }
    if (stored == 0 || stored > FLIGHT_FRAME_BYTES_MAX || length > FLIGHT_FRAME_BYTES_MAX) {
        return wrong(reader, reader->at, "a frame of an impossible length", error);
    }
    if (left - FLIGHT_FRAME_HEAD_BYTES < stored) {
        reader->cut = true;
        return STATUS_NOT_FOUND;
    }
    const uint64_t checksum = XXH3_64bits_withSeed(content, stored, reader->checksum);
    if (!is_intact(checksum, number32(head + 12) | (uint64_t)number32(head + 16) << 32)) {
        return wrong(reader, reader->at, "a frame whose checksum is another one: it is damaged",
                     error);
    }
    reader->checksum = checksum;
    reader->frame_at = reader->at;
    reader->in = (struct wire_in){content, content + stored, false};
    if (length > 0) {
        TRY(unpack(reader, content, stored, length, error));
    }
    reader->at += FLIGHT_FRAME_HEAD_BYTES + stored;
    return STATUS_OK;
}

/* The first frame of a segment has its SEGMENT. */
static enum status segment_read(struct flight_reader *reader, struct error *error)
{
    struct flight_event event;
    if (reader->length < FLIGHT_MAGIC_BYTES) {
        reader->cut = true;
        return STATUS_NOT_FOUND;
    }
    if (memcmp(reader->bytes, FLIGHT_MAGIC, FLIGHT_MAGIC_BYTES) != 0) {
        return wrong(reader, 0, "this is no flight recording of heal", error);
    }
    reader->at = FLIGHT_MAGIC_BYTES;
    TRY(frame_read(reader, error));
    if (!reader_event(reader, &event) || event.kind != FLIGHT_SEGMENT ||
        event.number != reader->segment) {
        return wrong(reader, reader->frame_at, "a segment of another format or place", error);
    }
    if (reader->begun && (event.time.ns != reader->start.ns || event.epoch != reader->epoch)) {
        return wrong(reader, reader->frame_at, "a segment of another life", error);
    }
    reader->begun = true;
    reader->start = event.time;
    reader->epoch = event.epoch;
    snprintf(reader->version, sizeof reader->version, "%s", event.name);
    return STATUS_OK;
}

/* STATUS_NOT_FOUND: nothing follows. */
static enum status frame_next(struct flight_reader *reader, struct error *error)
{
    if (reader->at == 0) {
        return segment_read(reader, error);
    }
    enum status status = frame_read(reader, error);
    const bool last = reader->segment + 1 >= reader->segments;
    if (status != STATUS_NOT_FOUND || (last && !reader->gap)) {
        return status;
    }
    if (reader->cut || last) {
        return wrong(reader, reader->at,
                     last ? "the segment behind it is missing, and others are not"
                          : "it is cut off, and yet others follow",
                     error);
    }
    reader->segment++;
    TRY(segment_open(reader, error));
    return segment_read(reader, error);
}

enum status flight_next(struct flight_reader *reader, struct flight_event *ret, struct error *error)
{
    while (reader->in.at == reader->in.end) {
        TRY(frame_next(reader, error));
    }
    if (!reader_event(reader, ret) || ret->kind == FLIGHT_SEGMENT) {
        return wrong(reader, reader->frame_at, "a frame that heal does not write", error);
    }
    return STATUS_OK;
}
