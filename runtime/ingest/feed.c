/* The writing side of the feed, and its memory. */
#include "runtime/ingest/feed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/ingest/feed_layout.h"

#define FEED_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

struct feed_writer {
    struct feed_header *header;
    unsigned char *ring;
    size_t bytes;
    uint64_t head;   /* staged */
    uint64_t commit; /* published */
    uint32_t generation;
    int wake_fd;
    bool wake, urgent;
    uint64_t lost;
    uint32_t *free_numbers;
    size_t free_count, free_capacity;
    uint32_t number_next;
};

static bool size_valid(size_t bytes)
{
    return bytes >= FEED_BYTES_MIN && bytes <= FEED_BYTES_MAX && (bytes & (bytes - 1)) == 0;
}

int feed_create(size_t bytes, struct error *error)
{
    if (!size_valid(bytes)) {
        error_set(error, STATUS_LIMIT, "a feed has a power of two of bytes from %d to %d, not %zu",
                  FEED_BYTES_MIN, FEED_BYTES_MAX, bytes);
        return -1;
    }
    int fd = memfd_create("heal-feed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        error_set(error, STATUS_IO, "cannot create a feed: %s", strerror(errno));
        return -1;
    }
    uint64_t magic = FEED_MAGIC;
    if (ftruncate(fd, (off_t)(bytes + FEED_HEADER_BYTES)) != 0 ||
        pwrite(fd, &magic, sizeof magic, 0) != (ssize_t)sizeof magic ||
        fcntl(fd, F_ADD_SEALS, FEED_SEALS) != 0) {
        error_set(error, STATUS_IO, "cannot size and seal a feed: %s", strerror(errno));
        close(fd);
        return -1;
    }
    return fd;
}

enum status feed_map(int fd, struct feed_header **ret_header, size_t *ret_bytes,
                     struct error *error)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & FEED_SEALS) != FEED_SEALS || fstat(fd, &st) != 0) {
        return error_set(error, STATUS_PROTOCOL, "the feed is not a sealed memory file");
    }
    if (st.st_size <= FEED_HEADER_BYTES || !size_valid((size_t)st.st_size - FEED_HEADER_BYTES)) {
        return error_set(error, STATUS_PROTOCOL, "the feed has %lld bytes, which no feed has",
                         (long long)st.st_size);
    }
    void *map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        return error_set(error, STATUS_IO, "cannot map the feed: %s", strerror(errno));
    }
    *ret_bytes = (size_t)st.st_size - FEED_HEADER_BYTES;
    *ret_header = map;
    if (((struct feed_header *)map)->magic != FEED_MAGIC) {
        munmap(map, (size_t)st.st_size);
        return error_set(error, STATUS_PROTOCOL, "the feed does not start with its magic number");
    }
    return STATUS_OK;
}

void feed_unmap(struct feed_header *header, size_t bytes)
{
    munmap(header, bytes + FEED_HEADER_BYTES);
}

enum status feed_writer_new(int fd, int wake_fd, struct feed_writer **ret_writer,
                            struct error *error)
{
    struct feed_header *header = NULL;
    size_t bytes = 0;
    TRY(feed_map(fd, &header, &bytes, error));
    struct feed_writer *writer = heap_alloc(sizeof *writer);
    writer->header = header;
    writer->ring = (unsigned char *)header + FEED_HEADER_BYTES;
    writer->bytes = bytes;
    writer->wake_fd = wake_fd;
    writer->head = writer->commit = atomic_load(&header->head);
    *ret_writer = writer;
    return STATUS_OK;
}

void feed_writer_free(struct feed_writer *writer)
{
    if (writer) {
        feed_unmap(writer->header, writer->bytes);
        free(writer->free_numbers);
        free(writer);
    }
}

bool feed_number_take(struct feed_writer *writer, uint32_t *ret_number)
{
    if (writer->free_count > 0) {
        *ret_number = writer->free_numbers[--writer->free_count];
        return true;
    }
    if (writer->number_next == FEED_SERIES_MAX) {
        return false;
    }
    *ret_number = writer->number_next++;
    return true;
}

void feed_number_give(struct feed_writer *writer, uint32_t number)
{
    CHECK(number < writer->number_next);
    ARRAY_RESERVE(writer->free_numbers, writer->free_count, writer->free_capacity);
    writer->free_numbers[writer->free_count++] = number;
}

void feed_urgent(struct feed_writer *writer, bool urgent)
{
    writer->urgent = urgent;
}

static void put(struct feed_writer *writer, const void *data, size_t size)
{
    size_t at = (size_t)writer->head & (writer->bytes - 1);
    size_t first = writer->bytes - at < size ? writer->bytes - at : size;
    memcpy(writer->ring + at, data, first);
    memcpy(writer->ring, (const char *)data + first, size - first);
    writer->head += size;
}

/* Starts a record with room for its payload. */
static enum status put_prefix(struct feed_writer *writer, enum feed_kind kind, size_t payload)
{
    size_t need = (FEED_PREFIX_BYTES + payload + 7) & ~(size_t)7;
    uint64_t used =
        writer->head - atomic_load_explicit(&writer->header->tail, memory_order_acquire);
    size_t keep = writer->urgent ? 0 : FEED_URGENT_BYTES;
    if (need > FEED_RECORD_BYTES_MAX || used > writer->bytes ||
        need + keep > writer->bytes - used) {
        return STATUS_LIMIT;
    }
    uint32_t prefix[2] = {(uint32_t)need, (uint32_t)kind};
    put(writer, prefix, sizeof prefix);
    return STATUS_OK;
}

static void put_padding(struct feed_writer *writer)
{
    static const unsigned char zero[8];
    put(writer, zero, (size_t)(-writer->head & 7));
}

static void put_text(struct feed_writer *writer, const char *text, size_t size)
{
    uint32_t length = (uint32_t)size;
    put(writer, &length, sizeof length);
    put(writer, text, size);
    put(writer, "", 1);
    put_padding(writer);
}

enum status feed_write_source(struct feed_writer *writer, uint32_t source, const char *name,
                              struct duration interval, struct duration grace)
{
    struct {
        uint64_t source;
        int64_t interval, grace;
    } fixed = {source, interval.ns, grace.ns};
    size_t size = strlen(name);
    if (size > FEED_TEXT_BYTES_MAX) {
        return STATUS_LIMIT;
    }
    TRY(put_prefix(writer, FEED_SOURCE, sizeof fixed + 4 + size + 1));
    put(writer, &fixed, sizeof fixed);
    put_text(writer, name, size);
    return STATUS_OK;
}

enum status feed_write_series(struct feed_writer *writer, uint32_t series, uint32_t source,
                              const void *encoded, size_t size)
{
    uint32_t fixed[2] = {series, source};
    TRY(put_prefix(writer, FEED_SERIES, sizeof fixed + size));
    put(writer, fixed, sizeof fixed);
    put(writer, encoded, size);
    put_padding(writer);
    return STATUS_OK;
}

enum status feed_write_sample(struct feed_writer *writer, uint32_t series, struct instant time,
                              double value)
{
    struct {
        uint64_t series;
        int64_t time;
        double value;
    } sample = {series, time.ns, value};
    TRY(put_prefix(writer, FEED_SAMPLE, sizeof sample));
    put(writer, &sample, sizeof sample);
    return STATUS_OK;
}

enum status feed_write_points(struct feed_writer *writer, struct instant time,
                              const struct feed_point *points, size_t count)
{
    while (count > 0) {
        uint64_t some = count < FEED_POINTS_MAX ? count : FEED_POINTS_MAX;
        uint64_t fixed[2] = {(uint64_t)time.ns, some};
        size_t size = some * sizeof *points;
        TRY(put_prefix(writer, FEED_POINTS, sizeof fixed + size));
        put(writer, fixed, sizeof fixed);
        put(writer, points, size);
        points += some;
        count -= some;
    }
    return STATUS_OK;
}

static enum status write_number_time(struct feed_writer *writer, enum feed_kind kind,
                                     uint64_t number, int64_t time)
{
    uint64_t fixed[2] = {number, (uint64_t)time};
    TRY(put_prefix(writer, kind, sizeof fixed));
    put(writer, fixed, sizeof fixed);
    return STATUS_OK;
}

enum status feed_write_stale(struct feed_writer *writer, uint32_t series, struct instant time)
{
    return write_number_time(writer, FEED_STALE, series, time.ns);
}

enum status feed_write_answered(struct feed_writer *writer, uint32_t source, struct instant time)
{
    TRY(write_number_time(writer, FEED_ANSWERED, source, time.ns));
    writer->wake = true;
    return STATUS_OK;
}

enum status feed_write_heard(struct feed_writer *writer, uint32_t source, struct instant time)
{
    TRY(write_number_time(writer, FEED_HEARD, source, time.ns));
    writer->wake = true;
    return STATUS_OK;
}

enum status feed_write_failed(struct feed_writer *writer, uint32_t source, struct instant time,
                              const char *reason)
{
    uint64_t fixed[2] = {source, (uint64_t)time.ns};
    size_t size = strnlen(reason, FEED_TEXT_BYTES_MAX);
    TRY(put_prefix(writer, FEED_FAILED, sizeof fixed + 4 + size + 1));
    put(writer, fixed, sizeof fixed);
    put_text(writer, reason, size);
    writer->wake = true;
    return STATUS_OK;
}

enum status feed_write_forget(struct feed_writer *writer, uint32_t series)
{
    return write_number_time(writer, FEED_FORGET, series, 0);
}

void feed_lost(struct feed_writer *writer, uint64_t samples)
{
    writer->lost += samples;
}

static void wake_reader(struct feed_writer *writer)
{
    uint64_t one = 1;
    if (writer->wake && writer->wake_fd >= 0) {
        /* A full pipe or counter already wakes the reader. */
        ssize_t ignored = write(writer->wake_fd, &one, sizeof one);
        (void)ignored;
    }
    writer->wake = false;
}

void feed_commit(struct feed_writer *writer)
{
    if (writer->lost > 0 && write_number_time(writer, FEED_LOST, writer->lost, 0) == STATUS_OK) {
        writer->lost = 0;
    }
    writer->commit = writer->head;
    atomic_store_explicit(&writer->header->head, writer->head, memory_order_release);
    wake_reader(writer);
}

void feed_rollback(struct feed_writer *writer)
{
    writer->head = writer->commit;
    writer->wake = false;
}

uint32_t feed_writer_generation(struct feed_writer *writer)
{
    uint32_t asked = atomic_load_explicit(&writer->header->generation, memory_order_acquire);
    if (asked != writer->generation) {
        bool urgent = writer->urgent;
        CHECK(writer->head == writer->commit);
        writer->urgent = true;
        if (write_number_time(writer, FEED_RESYNC, asked, 0) == STATUS_OK) {
            writer->generation = asked;
            feed_commit(writer);
        }
        writer->urgent = urgent;
    }
    return writer->generation;
}

static bool encode_text(const char *text, unsigned char *buffer, size_t size, size_t *used)
{
    size_t length = strlen(text);
    if (length > FEED_TEXT_BYTES_MAX || *used + 4 + length + 1 > size) {
        return false;
    }
    uint32_t length32 = (uint32_t)length;
    memcpy(buffer + *used, &length32, 4);
    memcpy(buffer + *used + 4, text, length + 1);
    *used += 4 + length + 1;
    return true;
}

size_t feed_encode_series(const char *name, const struct label *labels, size_t count, void *buffer,
                          size_t size)
{
    size_t used = 4;
    uint32_t count32 = (uint32_t)count;
    if (count > FEED_LABELS_MAX || size < used) {
        return 0;
    }
    memcpy(buffer, &count32, 4);
    if (!encode_text(name, buffer, size, &used)) {
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (!encode_text(labels[i].name, buffer, size, &used) ||
            !encode_text(labels[i].value, buffer, size, &used)) {
            return 0;
        }
    }
    return used + 16 > FEED_RECORD_BYTES_MAX ? 0 : used;
}
