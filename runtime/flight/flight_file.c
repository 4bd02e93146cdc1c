/* Segments of a flight recording as they are written. */
#include "runtime/flight/flight_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

enum { PACK_LEVEL = 1, END_BYTES = 512 /* room for the word that ends it */ };

/* ---- room ---- */

/* The oldest segment of an earlier life goes; false when there is none. */
static bool remove_oldest(struct flight_file_writer *writer)
{
    char name[FLIGHT_NAME_BYTES];
    if (writer->older_gone == writer->older.count) {
        return false;
    }
    const struct flight_file *file = &writer->older.items[writer->older_gone++];
    flight_file_name(file, name);
    (void)unlinkat(writer->folder_fd, name, 0);
    writer->older_bytes -= file->bytes;
    return true;
}

/* A recording without its first segments is of no use. */
static void remove_rest_of_oldest(struct flight_file_writer *writer)
{
    while (writer->older_gone > 0 && writer->older_gone < writer->older.count &&
           writer->older.items[writer->older_gone].life_ms ==
               writer->older.items[writer->older_gone - 1].life_ms) {
        (void)remove_oldest(writer);
    }
}

static enum status make_room(struct flight_file_writer *writer, uint64_t wanted,
                             struct error *error)
{
    const uint64_t max = writer->options.bytes_max;
    while (writer->bytes + writer->older_bytes + wanted > max && remove_oldest(writer)) {
    }
    remove_rest_of_oldest(writer);
    if (writer->bytes + wanted > max) {
        return error_set(error, STATUS_LIMIT, "its limit of %" PRIu64 " bytes is reached", max);
    }
    return STATUS_OK;
}

static bool disk_has_room(const struct flight_file_writer *writer, uint64_t *ret_free)
{
    struct statvfs info;
    *ret_free = UINT64_MAX;
    if (fstatvfs(writer->folder_fd, &info) == 0) {
        *ret_free = (uint64_t)info.f_bavail * info.f_frsize;
    }
    return *ret_free >= writer->options.disk_free_min;
}

/* From time to time: the journal must never find the disk full of recordings. */
static enum status look_at_disk(struct flight_file_writer *writer, struct error *error)
{
    uint64_t left;
    if (writer->looked && writer->bytes - writer->looked_at < FLIGHT_LOOK_BYTES) {
        return STATUS_OK;
    }
    writer->looked = true;
    writer->looked_at = writer->bytes;
    while (!disk_has_room(writer, &left) && remove_oldest(writer)) {
        remove_rest_of_oldest(writer);
    }
    if (left < writer->options.disk_free_min) {
        return error_set(error, STATUS_LIMIT,
                         "the disk has %" PRIu64 " MiB left, less than %" PRIu64 " MiB", left >> 20,
                         writer->options.disk_free_min >> 20);
    }
    return STATUS_OK;
}

/* ---- bytes ---- */

static int64_t monotonic_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000 + time.tv_nsec / NS_PER_MS;
}

/* All of it, or the file is as it was before. */
static enum status write_all(struct flight_file_writer *writer, const uint8_t *bytes, size_t length,
                             struct error *error)
{
    const int64_t before = monotonic_ms();
    for (size_t done = 0; done < length;) {
        const ssize_t n = write(writer->fd, bytes + done, length - done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            const int code = n < 0 ? errno : ENOSPC;
            (void)!ftruncate(writer->fd, (off_t)writer->segment_at);
            return error_set(error, STATUS_IO, "it cannot be written: %s", strerror(code));
        }
        done += (size_t)n;
    }
    writer->segment_at += length;
    writer->bytes += length;
    const int64_t took = monotonic_ms() - before;
    return took <= FLIGHT_SLOW_MS
               ? STATUS_OK
               : error_set(error, STATUS_LIMIT, "the disk took %" PRId64 " ms for a write", took);
}

static void put_number32(uint8_t *at, uint32_t number)
{
    for (size_t i = 0; i < sizeof number; i++) {
        at[i] = (uint8_t)(number >> 8 * i);
    }
}

/* Compresses into the frame behind its head; 0 where that is no gain. */
static size_t pack(struct flight_file_writer *writer, const uint8_t *content, size_t length)
{
    const size_t room = ZSTD_compressBound(length);
    wire_reserve(&writer->frame, FLIGHT_FRAME_HEAD_BYTES + room);
    if (!writer->packer) {
        writer->packer = ZSTD_createCCtx();
    }
    const size_t packed =
        writer->packer
            ? ZSTD_compressCCtx(writer->packer, writer->frame.bytes + FLIGHT_FRAME_HEAD_BYTES, room,
                                content, length, PACK_LEVEL)
            : 0;
    return ZSTD_isError(packed) || packed >= length ? 0 : packed;
}

static void make_frame(struct flight_file_writer *writer, const uint8_t *content, size_t length,
                       bool wanted)
{
    struct wire_out *frame = &writer->frame;
    frame->length = 0;
    const size_t packed = wanted && !writer->options.plain ? pack(writer, content, length) : 0;
    if (packed == 0) {
        wire_reserve(frame, FLIGHT_FRAME_HEAD_BYTES + length);
        memcpy(frame->bytes + FLIGHT_FRAME_HEAD_BYTES, content, length);
    }
    const size_t stored = packed ? packed : length;
    put_number32(frame->bytes, (uint32_t)stored);
    put_number32(frame->bytes + 4, packed ? (uint32_t)length : 0);
    frame->length = FLIGHT_FRAME_HEAD_BYTES + stored;
}

/* The checksum is of what is stored, so that nothing damaged is ever unpacked. */
static enum status put_frame(struct flight_file_writer *writer, struct error *error)
{
    struct wire_out *frame = &writer->frame;
    const uint64_t checksum =
        XXH3_64bits_withSeed(frame->bytes + FLIGHT_FRAME_HEAD_BYTES,
                             frame->length - FLIGHT_FRAME_HEAD_BYTES, writer->checksum);
    put_number32(frame->bytes + 8,
                 (uint32_t)XXH3_64bits_withSeed(frame->bytes, 8, writer->checksum));
    put_number32(frame->bytes + 12, (uint32_t)checksum);
    put_number32(frame->bytes + 16, (uint32_t)(checksum >> 32));
    TRY(write_all(writer, frame->bytes, frame->length, error));
    writer->checksum = checksum;
    return STATUS_OK;
}

static enum status write_frame(struct flight_file_writer *writer, struct error *error)
{
    TRY(make_room(writer, writer->frame.length + END_BYTES, error));
    TRY(look_at_disk(writer, error));
    return put_frame(writer, error);
}

/* ---- segments ---- */

static enum status file_make(struct flight_file_writer *writer, struct error *error)
{
    char name[FLIGHT_NAME_BYTES];
    enum { TRIES = 1000 };
    for (int i = 0; i < TRIES; i++) {
        flight_file_name(&writer->file, name);
        writer->fd = openat(writer->folder_fd, name,
                            O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (writer->fd >= 0 || errno != EEXIST || writer->file.segment > 0) {
            break;
        }
        writer->file.life_ms++; /* the journal is an older copy of itself, or was taken away */
    }
    return writer->fd >= 0
               ? STATUS_OK
               : error_set(error, STATUS_IO, "cannot make '%s': %s", name, strerror(errno));
}

static enum status segment_begin(struct flight_file_writer *writer, struct error *error)
{
    struct wire_out content = {0};
    TRY(file_make(writer, error));
    writer->segment_at = 0;
    TRY(write_all(writer, (const uint8_t *)FLIGHT_MAGIC, FLIGHT_MAGIC_BYTES, error));
    wire_put_byte(&content, FLIGHT_SEGMENT);
    wire_put_number(&content, FLIGHT_FORMAT);
    wire_put_number(&content, writer->file.segment);
    wire_put_number(&content, (uint64_t)writer->start.ns);
    wire_put_number(&content, writer->epoch);
    wire_put_text(&content, writer->options.version ? writer->options.version : "");
    make_frame(writer, content.bytes, content.length, false);
    wire_release(&content);
    return write_frame(writer, error);
}

static enum status segment_next(struct flight_file_writer *writer, struct error *error)
{
    close(writer->fd);
    writer->fd = -1;
    if (++writer->file.segment == FLIGHT_SEGMENTS_MAX) {
        return error_set(error, STATUS_LIMIT, "it has more than %d segments", FLIGHT_SEGMENTS_MAX);
    }
    return segment_begin(writer, error);
}

static uint64_t segment_bytes(const struct flight_options *options)
{
    uint64_t bytes = options->segment_bytes ? options->segment_bytes : options->bytes_max / 8;
    bytes = bytes < FLIGHT_SEGMENT_BYTES_MIN && !options->segment_bytes ? FLIGHT_SEGMENT_BYTES_MIN
                                                                        : bytes;
    return bytes < FLIGHT_SEGMENT_BYTES_MAX ? bytes : FLIGHT_SEGMENT_BYTES_MAX;
}

enum status flight_file_open(struct flight_file_writer *writer,
                             const struct flight_options *options, struct instant start,
                             uint32_t epoch, struct error *error)
{
    *writer = (struct flight_file_writer){.options = *options,
                                          .start = start,
                                          .epoch = epoch,
                                          .folder_fd = -1,
                                          .fd = -1,
                                          .file.life_ms = start.ns / NS_PER_MS};
    writer->options.segment_bytes = segment_bytes(options);
    TRY(flight_folder_open(options->state, true, &writer->folder_fd, error));
    TRY(flight_folder_list(writer->folder_fd, &writer->older, error));
    for (size_t i = 0; i < writer->older.count; i++) {
        writer->older_bytes += writer->older.items[i].bytes;
    }
    return segment_begin(writer, error);
}

enum status flight_file_write(struct flight_file_writer *writer, const uint8_t *content,
                              size_t length, bool wanted, struct error *error)
{
    CHECK(length > 0);
    if (length > FLIGHT_FRAME_BYTES_MAX) {
        return error_set(error, STATUS_LIMIT, "one frame has more than %d bytes",
                         FLIGHT_FRAME_BYTES_MAX);
    }
    if (writer->segment_at >= writer->options.segment_bytes) {
        TRY(segment_next(writer, error));
    }
    make_frame(writer, content, length, wanted);
    return write_frame(writer, error);
}

void flight_file_end(struct flight_file_writer *writer, const char *why)
{
    struct error error;
    struct wire_out content = {0};
    if (writer->fd < 0) {
        return;
    }
    wire_put_byte(&content, FLIGHT_END);
    wire_put_text(&content, why);
    CHECK(content.length + FLIGHT_FRAME_HEAD_BYTES <= END_BYTES);
    make_frame(writer, content.bytes, content.length, false);
    wire_release(&content);
    (void)!put_frame(writer, &error);
}

void flight_file_close(struct flight_file_writer *writer)
{
    if (writer->fd >= 0) {
        close(writer->fd);
    }
    if (writer->folder_fd >= 0) {
        close(writer->folder_fd);
    }
    writer->fd = writer->folder_fd = -1;
    ZSTD_freeCCtx(writer->packer);
    writer->packer = NULL;
    wire_release(&writer->frame);
    flight_files_release(&writer->older);
}
