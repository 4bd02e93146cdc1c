/* The shared page, under a sequence lock. */
#include "runtime/ingest/page.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_TRIES = 100 };
#define PAGE_MAGIC 0x3165676170616568ULL
#define PAGE_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

struct shared {
    uint64_t magic;
    _Atomic uint64_t sequence; /* odd while it is written; 0 before the first time */
    uint64_t ready;
    int64_t heartbeat;
    uint32_t health_size, metrics_size;
    char health[PAGE_HEALTH_BYTES_MAX];
    char metrics[PAGE_METRICS_BYTES_MAX];
};

struct page {
    struct shared *shared;
};

int page_create(struct error *error)
{
    uint64_t magic = PAGE_MAGIC;
    int fd = memfd_create("heal-page", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        error_set(error, STATUS_IO, "cannot create a page: %s", strerror(errno));
        return -1;
    }
    if (ftruncate(fd, (off_t)sizeof(struct shared)) != 0 ||
        pwrite(fd, &magic, sizeof magic, 0) != (ssize_t)sizeof magic ||
        fcntl(fd, F_ADD_SEALS, PAGE_SEALS) != 0) {
        error_set(error, STATUS_IO, "cannot size and seal a page: %s", strerror(errno));
        close(fd);
        return -1;
    }
    return fd;
}

enum status page_attach(int fd, struct page **ret_page, struct error *error)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & PAGE_SEALS) != PAGE_SEALS || fstat(fd, &st) != 0 ||
        st.st_size != (off_t)sizeof(struct shared)) {
        return error_set(error, STATUS_PROTOCOL,
                         "the page is not a sealed memory file of its size");
    }
    void *map = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        return error_set(error, STATUS_IO, "cannot map the page: %s", strerror(errno));
    }
    struct page *page = heap_alloc(sizeof *page);
    page->shared = map;
    *ret_page = page;
    return STATUS_OK;
}

void page_free(struct page *page)
{
    if (page) {
        munmap(page->shared, sizeof *page->shared);
        free(page);
    }
}

enum status page_publish(struct page *page, const struct page_head *head, const char *health,
                         size_t health_size, const char *metrics, size_t metrics_size)
{
    struct shared *shared = page->shared;
    bool fits = health_size <= PAGE_HEALTH_BYTES_MAX && metrics_size <= PAGE_METRICS_BYTES_MAX;
    uint64_t sequence = atomic_load_explicit(&shared->sequence, memory_order_relaxed) | 1;
    atomic_store_explicit(&shared->sequence, sequence, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    shared->ready = head->ready;
    shared->heartbeat = head->heartbeat.ns;
    if (fits) {
        shared->health_size = (uint32_t)health_size;
        shared->metrics_size = (uint32_t)metrics_size;
        memcpy(shared->health, health, health_size);
        memcpy(shared->metrics, metrics, metrics_size);
    }
    atomic_store_explicit(&shared->sequence, sequence + 1, memory_order_release);
    return fits ? STATUS_OK : STATUS_LIMIT;
}

static void copy_text(struct text *ret, const char *from, uint32_t size, size_t most)
{
    if (ret) {
        text_clear(ret);
        text_add(ret, from, size < most ? size : most);
    }
}

enum status page_read(const struct page *page, struct page_head *ret_head, struct text *ret_health,
                      struct text *ret_metrics)
{
    const volatile struct shared *shared = page->shared;
    for (int i = 0; i < READ_TRIES; i++) {
        uint64_t before = atomic_load_explicit(&page->shared->sequence, memory_order_acquire);
        if (before == 0) {
            return STATUS_NOT_FOUND;
        }
        if ((before & 1) == 0) {
            ret_head->ready = shared->ready != 0;
            ret_head->heartbeat.ns = shared->heartbeat;
            copy_text(ret_health, page->shared->health, shared->health_size, PAGE_HEALTH_BYTES_MAX);
            copy_text(ret_metrics, page->shared->metrics, shared->metrics_size,
                      PAGE_METRICS_BYTES_MAX);
            atomic_thread_fence(memory_order_acquire);
            if (atomic_load_explicit(&page->shared->sequence, memory_order_relaxed) == before) {
                return STATUS_OK;
            }
        }
        sched_yield();
    }
    return STATUS_PROTOCOL;
}
