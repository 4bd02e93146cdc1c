/* The memory of incidents is what the journal says, however it was interrupted, locked, damaged or
 * taken away; nothing of it is ever the journal's loss. */
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "runtime/store/memory.h"
#include "tests/unit.h"

enum { INCIDENTS = 40, START_S = 1700000000 };

static char folder[64], journal_path[128], path[128];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/heal-memory-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(journal_path, sizeof journal_path, "%s/journal.db", folder);
    snprintf(path, sizeof path, "%s/memory.db", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    umount(folder); /* if a test that mounts one failed */
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static uint64_t seed = 1;
static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * 0x2545f4914f6cdd1dULL;
}

static struct journal *must_open(void)
{
    struct journal *journal = NULL;
    struct error error = {{0}};
    if (journal_open(journal_path, &journal, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    return journal;
}

/* ---- stories: what is written, and what should be remembered of it ---- */

struct action {
    uint64_t id;
    const char *name;
    enum record_kind result;
    bool undo, judged;
};

struct story {
    uint64_t id;
    const char *policy, *target, *cause;
    struct action actions[4];
    size_t action_count;
    bool open, closed;
};

struct book {
    struct journal *journal;
    struct story stories[INCIDENTS];
    struct instant now;
    uint64_t next_action;
    struct learning *learning; /* told directly */
    uint64_t outcomes;
};

static void append(struct book *book, const struct story *story, enum record_kind kind,
                   const struct action *action, const char *text)
{
    struct error error = {{0}};
    struct record record = {.time = book->now, .kind = kind, .epoch = 1};
    if (story) {
        record.incident = story->id;
        snprintf(record.policy, sizeof record.policy, "%s", story->policy);
        snprintf(record.target, sizeof record.target, "%s", story->target);
        snprintf(record.type, sizeof record.type, "pod");
    }
    if (action) {
        record.action_id = action->id;
        snprintf(record.action, sizeof record.action, "%s", action->name);
    }
    snprintf(record.text, sizeof record.text, "%s", text);
    if (journal_append(book->journal, &record, 1, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    book->now.ns += (int64_t)(next_random() % (3600 * (uint64_t)NS_PER_S));
}

static void judge(struct book *book, struct story *story, struct action *action,
                  enum record_kind kind)
{
    action->result = kind;
    action->judged = true;
    if (!action->undo && kind != RECORD_UNDONE) {
        char class[LEARN_CLASS_BYTES];
        learn_class("pod", story->cause, class);
        learn_outcome(book->learning, &(struct learn_key){story->policy, class, action->name},
                      book->now,
                      kind == RECORD_VERIFIED     ? LEARN_VERIFIED
                      : kind == RECORD_UNVERIFIED ? LEARN_UNVERIFIED
                                                  : LEARN_FAILED);
        book->outcomes++;
    }
    append(book, story, kind, action, "as it went");
}

static void act(struct book *book, struct story *story)
{
    static const char *const names[] = {"scale", "recycle"};
    static const enum record_kind ends[] = {RECORD_SUCCEEDED, RECORD_TIMED_OUT, RECORD_UNKNOWN,
                                            RECORD_DROPPED,   RECORD_REFUSED,   RECORD_FAILED};
    const bool undo = story->action_count > 0 && next_random() % 3 == 0;
    struct action *action = &story->actions[story->action_count++];
    *action = (struct action){.id = 1ULL << 32 | ++book->next_action,
                              .name = names[next_random() % 2],
                              .result = RECORD_INTENT,
                              .undo = undo};
    append(book, story, RECORD_INTENT, action, undo ? "undo: scale" : "scale");
    if (next_random() % 6 > 0) {
        action->result = RECORD_DISPATCHED;
        append(book, story, RECORD_DISPATCHED, action, undo ? "undo: scale" : "scale");
    }
    const enum record_kind end = ends[next_random() % ARRAY_LEN(ends)];
    if (end == RECORD_FAILED) {
        judge(book, story, action, end);
        return;
    }
    action->result = end;
    append(book, story, end, action, "as it went");
    if (end == RECORD_SUCCEEDED && action->undo) {
        judge(book, story, action, RECORD_UNDONE);
    } else if (end == RECORD_SUCCEEDED && next_random() % 5 > 0) {
        judge(book, story, action, next_random() % 2 ? RECORD_VERIFIED : RECORD_UNVERIFIED);
    }
}

static void go_on(struct book *book, struct story *story)
{
    char text[TEXT_BYTES];
    if (story->closed) {
        return;
    }
    if (!story->open) {
        story->open = true;
        append(book, story, RECORD_OPENED, NULL, "it leaks");
        append(book, story, RECORD_CONCLUDED, NULL, "when used > 1; used = 2");
        return;
    }
    if (story->action_count == 0 && story->cause[0] && next_random() % 2) {
        snprintf(text, sizeof text, "cause %s, 80%% sure: leak 80%%; surge 20%%", story->cause);
        append(book, story, RECORD_CONCLUDED, NULL, text);
        act(book, story);
    } else if (story->action_count > 0 && story->action_count < 4 && next_random() % 3) {
        act(book, story);
    } else if (story->action_count > 0 && next_random() % 2) {
        /* A guard refuses the next action; the one before is the last that was done. */
        append(book, story, RECORD_REFUSED, &story->actions[story->action_count - 1], "a guard");
        story->closed = true;
        append(book, story, RECORD_CLOSED, NULL, "clear");
    }
}

static struct book book_new(void)
{
    static const char *const policies[] = {"leak", "surge"}, *const causes[] = {"a", "b"},
                             *const targets[] = {"pod=a", "pod=b", "pod=c"};
    struct book book = {
        .journal = must_open(), .now = {START_S * NS_PER_S}, .learning = learning_new()};
    for (size_t i = 0; i < INCIDENTS; i++) {
        book.stories[i] = (struct story){.id = i + 1,
                                         .policy = policies[next_random() % 2],
                                         .cause = causes[next_random() % 2],
                                         .target = targets[next_random() % 3]};
    }
    append(&book, NULL, RECORD_STARTED, NULL, "epoch 1");
    return book;
}

static void write_some(struct book *book, size_t steps)
{
    for (size_t i = 0; i < steps; i++) {
        go_on(book, &book->stories[next_random() % INCIDENTS]);
    }
}

static void book_free(struct book *book)
{
    learning_free(book->learning);
    journal_close(book->journal);
}

/* ---- asking ---- */

static struct instant clock_ = {1};

/* Rests until everything is taken in; the news that came. */
static const char *catch_up(struct memory_db *memory, const struct journal *journal)
{
    static char news[TEXT_BYTES];
    news[0] = '\0';
    for (int i = 0; i < 1000 && (memory_state(memory).behind > 0 || i == 0); i++) {
        clock_.ns += 60 * NS_PER_S;
        const char *new = memory_rest(memory, clock_);
        if (new) {
            snprintf(news, sizeof news, "%s", new);
        }
    }
    assert_int_equal(memory_state(memory).applied, journal_last(journal));
    return news;
}

struct told {
    struct memory_incident *items;
    char (*texts)[8][TEXT_BYTES];
    size_t count;
};

static void keep(void *context, const struct memory_incident *incident)
{
    struct told *told = context;
    const char *const from[] = {incident->policy, incident->target, incident->cause,
                                incident->ended,  incident->text,   incident->last};
    for (size_t i = 0; i < ARRAY_LEN(from); i++) {
        snprintf(told->texts[told->count][i], TEXT_BYTES, "%s", from[i]);
    }
    told->items[told->count++] = *incident;
}

static struct told history(struct memory_db *memory, const char *policy, const char *target,
                           size_t limit)
{
    struct error error = {{0}};
    struct told told = {calloc(INCIDENTS, sizeof *told.items),
                        calloc(INCIDENTS, sizeof *told.texts), 0};
    const struct memory_query query = {policy, target, limit};
    if (memory_history(memory, &query, keep, &told, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    return told;
}

static void told_free(struct told *told)
{
    free(told->items);
    free(told->texts);
}

static void expect_story(const struct memory_incident *got, char texts[8][TEXT_BYTES],
                         const struct story *story)
{
    assert_string_equal(texts[0], story->policy);
    assert_string_equal(texts[1], story->target);
    assert_string_equal(texts[2], story->action_count > 0 ? story->cause : "");
    assert_string_equal(texts[3], story->closed ? "clear" : "");
    assert_string_equal(texts[4], "it leaks");
    assert_true((got->closed.ns != 0) == story->closed);
    assert_int_equal(got->action_count, story->action_count);
    for (size_t i = 0; i < story->action_count; i++) {
        const struct action *action = &story->actions[i];
        assert_string_equal(got->actions[i].action, action->name);
        assert_string_equal(got->actions[i].result, record_infos[action->result].text);
        assert_true(got->actions[i].undo == action->undo);
    }
}

/* What is remembered is the book, by every question. */
static void expect_book(struct memory_db *memory, const struct book *book)
{
    static const char *const policies[] = {NULL, "leak", "surge"}, *const targets[] = {
                                                                       NULL, "pod=a", "pod=b",
                                                                       "pod=c"};
    for (size_t p = 0; p < ARRAY_LEN(policies); p++) {
        for (size_t t = 0; t < ARRAY_LEN(targets); t++) {
            struct told told = history(memory, policies[p], targets[t], INCIDENTS);
            size_t expected = 0;
            for (size_t i = 0; i < INCIDENTS; i++) {
                const struct story *story = &book->stories[i];
                expected += story->open &&
                            (!policies[p] || strcmp(policies[p], story->policy) == 0) &&
                            (!targets[t] || strcmp(targets[t], story->target) == 0);
            }
            assert_int_equal(told.count, expected);
            for (size_t i = 0; i < told.count; i++) {
                assert_true(i == 0 || told.items[i - 1].opened.ns >= told.items[i].opened.ns);
                expect_story(&told.items[i], told.texts[i], &book->stories[told.items[i].id - 1]);
            }
            told_free(&told);
        }
    }
    const struct learning *learning = memory_learning(memory);
    assert_int_equal(learn_count(learning), learn_count(book->learning));
    for (size_t i = 0; i < learn_count(book->learning); i++) {
        const struct learn_key key = learn_key_at(book->learning, i);
        const struct learned told = learn_of(book->learning, &key, book->now),
                             known = learn_of(learning, &key, book->now);
        assert_memory_equal(&told, &known, sizeof told);
    }
}

/* All tables as text. */
static char *dump(void)
{
    static const char *const queries[] = {"SELECT * FROM incidents ORDER BY id",
                                          "SELECT * FROM actions ORDER BY id",
                                          "SELECT * FROM outcomes ORDER BY sequence",
                                          "SELECT * FROM models ORDER BY policy, class, action",
                                          "SELECT sequence, hex(hash) FROM applied"};
    sqlite3 *db = NULL;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
        sqlite3_stmt *stmt = NULL;
        assert_int_equal(sqlite3_prepare_v2(db, queries[i], -1, &stmt, NULL), SQLITE_OK);
        while (sqlite3_step(stmt) == SQLITE_ROW) {
            for (int c = 0; c < sqlite3_column_count(stmt); c++) {
                const char *value = (const char *)sqlite3_column_text(stmt, c);
                fprintf(out, "%s|", value ? value : "NULL");
            }
            fputc('\n', out);
        }
        sqlite3_finalize(stmt);
    }
    sqlite3_close(db);
    fclose(out);
    return text;
}

static void expect_outcomes(const struct book *book)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT (SELECT count(*) FROM outcomes), sum(verified + "
                                        "unverified + failed) FROM models",
                                        -1, &stmt, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int64(stmt, 0), book->outcomes);
    assert_int_equal(sqlite3_column_int64(stmt, 1), book->outcomes);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
}

/* ---- claims ---- */

static void what_is_remembered_is_what_the_journal_says_however_it_was_interrupted(void **state)
{
    (void)state;
    for (int round = 0; round < 8; round++) {
        char *step_by_step, *at_once;
        struct book book = book_new();
        struct memory_db *memory = memory_new(path, book.journal);
        for (int i = 0; i < 30; i++) {
            write_some(&book, next_random() % 20);
            catch_up(memory, book.journal);
            if (next_random() % 5 == 0) {
                memory_free(memory);
                memory = memory_new(path, book.journal);
                catch_up(memory, book.journal);
            }
            expect_book(memory, &book);
        }
        assert_true(book.outcomes > 10);
        assert_int_equal(memory_state(memory).rebuilds, 0);
        expect_outcomes(&book);
        step_by_step = dump();
        memory_free(memory);
        assert_int_equal(unlink(path), 0);
        memory = memory_new(path, book.journal); /* thrown away, and made anew */
        catch_up(memory, book.journal);
        expect_book(memory, &book);
        at_once = dump();
        assert_string_equal(step_by_step, at_once);
        free(step_by_step);
        free(at_once);
        memory_free(memory);
        book_free(&book);
        remove_folder(NULL);
        make_folder(NULL);
    }
}

static void one_rest_takes_a_bounded_piece(void **state)
{
    (void)state;
    struct book book = book_new();
    while (journal_last(book.journal) < 2 * MEMORY_RECORDS_MAX + 10) {
        append(&book, &book.stories[0], RECORD_PLANNED, NULL, "scale");
    }
    struct memory_db *memory = memory_new(path, book.journal);
    for (uint64_t n = 1; n <= 3; n++) {
        assert_null(memory_rest(memory, clock_));
        const uint64_t most = n * MEMORY_RECORDS_MAX, last = journal_last(book.journal);
        assert_int_equal(memory_state(memory).applied, most < last ? most : last);
    }
    assert_int_equal(memory_state(memory).behind, 0);
    memory_free(memory);
    book_free(&book);
}

/* Ways to spoil a file; each answers whether there is anything to notice. */
static void execute(const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) {
        fail_msg("%s", message);
    }
    sqlite3_close(db);
}

static void overwrite(size_t from, size_t count)
{
    const int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    for (size_t i = 0; i < count; i++) {
        const uint8_t byte = (uint8_t)next_random();
        assert_int_equal(pwrite(fd, &byte, 1, (off_t)(from + i)), 1);
    }
    close(fd);
}

static void spoil(int how)
{
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    const size_t size = (size_t)info.st_size;
    switch (how) {
    case 0: overwrite(0, 100); break;
    case 1: overwrite(4096, size - 4096); break;
    case 2: assert_int_equal(truncate(path, (off_t)(size - 4096)), 0); break;
    case 3: assert_int_equal(truncate(path, (off_t)(size / 2 + 13)), 0); break;
    case 4: execute("PRAGMA user_version = 2"); break;
    case 5: execute("PRAGMA application_id = 7"); break;
    case 6: execute("DROP TABLE actions"); break;
    case 7: execute("UPDATE applied SET sequence = sequence - 1"); break;
    case 8: execute("UPDATE applied SET sequence = sequence + 1"); break;
    case 9: execute("UPDATE applied SET hash = x'00'"); break;
    case 10: execute("DELETE FROM applied"); break;
    case 11: execute("UPDATE outcomes SET result = 'nonsense'"); break;
    default: execute("ALTER TABLE incidents RENAME COLUMN cause TO why"); break;
    }
}

static void a_spoiled_file_is_put_aside_and_rebuilt_and_a_person_hears_of_it(void **state)
{
    (void)state;
    char aside[160];
    snprintf(aside, sizeof aside, "%s.aside", path);
    struct book book = book_new();
    write_some(&book, 400);
    for (int how = 0; how < 13; how++) {
        struct memory_db *memory = memory_new(path, book.journal);
        catch_up(memory, book.journal);
        char *before = dump();
        memory_free(memory);
        spoil(how);
        memory = memory_new(path, book.journal);
        const char *news = catch_up(memory, book.journal);
        if (!strstr(news, "put aside") || !strstr(news, "rebuilt")) {
            fail_msg("spoiled in way %d: told '%s'", how, news);
        }
        assert_int_equal(memory_state(memory).rebuilds, 1);
        assert_int_equal(access(aside, F_OK), 0);
        assert_string_equal(memory_state(memory).trouble, "");
        expect_book(memory, &book);
        char *after = dump();
        assert_string_equal(before, after);
        free(before);
        free(after);
        memory_free(memory);
        assert_int_equal(unlink(aside), 0);
    }
    book_free(&book);
}

static void a_file_that_is_no_database_is_put_aside(void **state)
{
    (void)state;
    struct book book = book_new();
    write_some(&book, 100);
    const int fd = open(path, O_WRONLY | O_CREAT, 0600);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(write(fd, "no database\n", 12), 12);
    }
    close(fd);
    struct memory_db *memory = memory_new(path, book.journal);
    assert_non_null(strstr(catch_up(memory, book.journal), "put aside"));
    expect_book(memory, &book);
    memory_free(memory);
    book_free(&book);
}

static void the_memory_of_another_journal_is_not_taken(void **state)
{
    (void)state;
    struct book one = book_new();
    write_some(&one, 100);
    struct memory_db *memory = memory_new(path, one.journal);
    catch_up(memory, one.journal);
    memory_free(memory);
    book_free(&one);
    char command[256];
    snprintf(command, sizeof command, "rm %s*", journal_path);
    assert_int_equal(system(command), 0);
    struct book other = book_new();
    write_some(&other, 300);
    memory = memory_new(path, other.journal);
    assert_non_null(strstr(catch_up(memory, other.journal), "not one of this journal"));
    expect_book(memory, &other);
    memory_free(memory);
    book_free(&other);
}

static void pages_spoiled_while_it_is_open_are_noticed(void **state)
{
    (void)state;
    struct book book = book_new();
    write_some(&book, 400);
    struct memory_db *memory = memory_new(path, book.journal);
    catch_up(memory, book.journal);
    memory_free(memory);
    memory = memory_new(path, book.journal);
    catch_up(memory, book.journal);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    overwrite(4096, (size_t)info.st_size - 4096);
    execute("PRAGMA cache_size"); /* nothing: another program looks at it */
    write_some(&book, 200);
    catch_up(memory, book.journal);
    memory_free(memory); /* whatever its cache still had: a new life sees the file */
    memory = memory_new(path, book.journal);
    catch_up(memory, book.journal);
    expect_book(memory, &book);
    memory_free(memory);
    book_free(&book);
}

static void a_locked_file_is_written_later_and_nobody_waits(void **state)
{
    (void)state;
    struct book book = book_new();
    write_some(&book, 100);
    struct memory_db *memory = memory_new(path, book.journal);
    catch_up(memory, book.journal);
    sqlite3 *other = NULL;
    assert_int_equal(sqlite3_open_v2(path, &other, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    write_some(&book, 100);
    const uint64_t applied = memory_state(memory).applied;
    size_t told = 0;
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < 100; i++) {
        clock_.ns += NS_PER_S;
        told += memory_rest(memory, clock_) != NULL;
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    assert_true(to.tv_sec - from.tv_sec < 5);
    assert_int_equal(told, 1); /* once, not at every try */
    assert_non_null(strstr(memory_state(memory).trouble, "locked"));
    assert_int_equal(memory_state(memory).applied, applied);
    /* 100 s, a try each 5 s */
    assert_true(memory_state(memory).failures >= 15 && memory_state(memory).failures <= 21);
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
    catch_up(memory, book.journal);
    assert_string_equal(memory_state(memory).trouble, "");
    assert_int_equal(memory_state(memory).rebuilds, 0);
    expect_book(memory, &book);
    memory_free(memory);
    book_free(&book);
}

static void a_reader_of_the_file_does_not_stop_it(void **state)
{
    (void)state;
    struct book book = book_new();
    write_some(&book, 100);
    struct memory_db *memory = memory_new(path, book.journal);
    catch_up(memory, book.journal);
    sqlite3 *other = NULL;
    assert_int_equal(sqlite3_open_v2(path, &other, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN; SELECT count(*) FROM incidents", NULL, NULL, NULL),
                     SQLITE_OK);
    write_some(&book, 100);
    assert_string_equal(catch_up(memory, book.journal), "");
    expect_book(memory, &book);
    sqlite3_close(other);
    memory_free(memory);
    book_free(&book);
}

static void a_full_disk_puts_it_off_and_nothing_is_lost(void **state)
{
    (void)state;
    struct book book = book_new();
    write_some(&book, 60);
    struct memory_db *memory = memory_new(path, book.journal);
    catch_up(memory, book.journal);
    write_some(&book, 400);
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    char wal[160];
    struct stat info;
    snprintf(wal, sizeof wal, "%s-wal", path);
    assert_int_equal(stat(wal, &info), 0);
    small = (struct rlimit){(rlim_t)info.st_size + 5000, old.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    const char *news = NULL;
    for (int i = 0; i < 10 && !news; i++) {
        clock_.ns += 60 * NS_PER_S;
        news = memory_rest(memory, clock_);
    }
    setrlimit(RLIMIT_FSIZE, &old);
    assert_non_null(news);
    assert_non_null(strstr(news, "cannot be written now"));
    assert_true(memory_state(memory).behind > 0);
    catch_up(memory, book.journal);
    assert_int_equal(memory_state(memory).rebuilds, 0);
    expect_book(memory, &book);
    memory_free(memory);
    book_free(&book);
}

static void a_full_file_system_puts_it_off_and_the_journal_goes_on(void **state)
{
    (void)state;
    char place[200];
    snprintf(place, sizeof place, "%s/small", folder);
    assert_int_equal(mkdir(place, 0700), 0);
    if (mount("none", place, "tmpfs", 0, "size=100k") != 0) {
        print_message("skipped: needs the right to mount a small file system\n");
        skip();
    }
    char there[220];
    snprintf(there, sizeof there, "%s/memory.db", place);
    struct book book = book_new();
    write_some(&book, 1200);
    struct memory_db *memory = memory_new(there, book.journal);
    const char *news = NULL;
    for (int i = 0; i < 100 && !news; i++) {
        clock_.ns += 60 * NS_PER_S;
        news = memory_rest(memory, clock_);
    }
    assert_non_null(news);
    assert_non_null(strstr(news, "full"));
    write_some(&book, 50); /* the journal takes on */
    assert_int_equal(mount("none", place, "tmpfs", MS_REMOUNT, "size=8m"), 0);
    catch_up(memory, book.journal);
    expect_book(memory, &book);
    memory_free(memory);
    umount(place);
    book_free(&book);
}

static void a_link_is_not_followed(void **state)
{
    (void)state;
    char elsewhere[160];
    snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", folder);
    struct book book = book_new();
    assert_int_equal(symlink(elsewhere, path), 0);
    struct memory_db *memory = memory_new(path, book.journal);
    clock_.ns += 60 * NS_PER_S;
    assert_non_null(memory_rest(memory, clock_));
    assert_true(memory_state(memory).behind > 0);
    assert_int_equal(access(elsewhere, F_OK), -1);
    struct error error = {{0}};
    const struct memory_query query = {NULL, NULL, 1};
    assert_int_equal(memory_history(memory, &query, keep, NULL, &error), STATUS_IO);
    assert_non_null(strstr(error.message, "cannot be read now"));
    memory_free(memory);
    book_free(&book);
}

static void a_limit_is_kept_and_the_newest_come_first(void **state)
{
    (void)state;
    struct book book = book_new();
    write_some(&book, 500);
    struct memory_db *memory = memory_new(path, book.journal);
    catch_up(memory, book.journal);
    struct told all = history(memory, NULL, NULL, INCIDENTS), few = history(memory, NULL, NULL, 5);
    assert_int_equal(few.count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(few.items[i].id, all.items[i].id);
    }
    told_free(&all);
    told_free(&few);
    memory_free(memory);
    book_free(&book);
}

/* An act that is taken back is of no use, once, whatever was planned since. */
static void abort_an_act(bool judged)
{
    struct book book = book_new();
    struct story story = {.id = 1, .policy = "leak", .target = "pod=a", .cause = ""};
    struct action action = {.id = 7, .name = "scale"}, planned = {.id = 7, .name = "recycle"};
    append(&book, &story, RECORD_OPENED, NULL, "opened");
    append(&book, &story, RECORD_INTENT, &action, "scale(pod=a)");
    append(&book, &story, RECORD_DISPATCHED, &action, "scale(pod=a)");
    append(&book, &story, RECORD_SUCCEEDED, &action, "");
    if (judged) {
        judge(&book, &story, &action, RECORD_UNVERIFIED);
    }
    append(&book, &story, RECORD_ABORTED, &planned, "abort when errors > 5%");
    struct memory_db *memory = memory_new(path, book.journal);
    (void)catch_up(memory, book.journal);
    const struct learn_key scale = {"leak", "pod", "scale"}, recycle = {"leak", "pod", "recycle"};
    assert_int_equal(learn_of(memory_learning(memory), &scale, book.now).unverified, 1);
    assert_int_equal(learn_of(memory_learning(memory), &recycle, book.now).unverified, 0);
    memory_free(memory);
    book_free(&book);
}

static void an_abort_is_an_outcome_of_what_was_done(void **state)
{
    (void)state;
    abort_an_act(false);
}

static void an_abort_is_no_outcome_of_what_was_judged(void **state)
{
    (void)state;
    abort_an_act(true);
}

/* What one record costs, for docs/architecture.md: `test_store_memory cost`. */
static int print_cost(void)
{
    make_folder(NULL);
    struct book book = book_new();
    const size_t count = 20000;
    for (size_t i = 0; journal_last(book.journal) < count; i++) {
        go_on(&book, &book.stories[i % INCIDENTS]);
        if (i % (40 * INCIDENTS) == 0) { /* the same incidents once more, under new numbers */
            for (size_t k = 0; k < INCIDENTS; k++) {
                book.stories[k].id += INCIDENTS;
                book.stories[k].action_count = 0;
                book.stories[k].open = book.stories[k].closed = false;
            }
        }
    }
    struct memory_db *memory = memory_new(path, book.journal);
    struct timespec from, to;
    double worst = 0, sum = 0;
    while (memory_state(memory).behind > 0 || sum == 0) {
        clock_gettime(CLOCK_MONOTONIC, &from);
        const char *news = memory_rest(memory, clock_);
        clock_gettime(CLOCK_MONOTONIC, &to);
        const double took =
            (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
        worst = fmax(worst, took);
        sum += took;
        if (news) {
            puts(news);
        }
    }
    printf("%.1f us a record, the longest rest %.1f ms\n",
           1e6 * sum / (double)memory_state(memory).applied, 1e3 * worst);
    memory_free(memory);
    book_free(&book);
    return remove_folder(NULL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
#define CLAIM(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
        CLAIM(what_is_remembered_is_what_the_journal_says_however_it_was_interrupted),
        CLAIM(one_rest_takes_a_bounded_piece),
        CLAIM(a_spoiled_file_is_put_aside_and_rebuilt_and_a_person_hears_of_it),
        CLAIM(a_file_that_is_no_database_is_put_aside),
        CLAIM(the_memory_of_another_journal_is_not_taken),
        CLAIM(pages_spoiled_while_it_is_open_are_noticed),
        CLAIM(a_locked_file_is_written_later_and_nobody_waits),
        CLAIM(a_reader_of_the_file_does_not_stop_it),
        CLAIM(a_full_disk_puts_it_off_and_nothing_is_lost),
        CLAIM(a_full_file_system_puts_it_off_and_the_journal_goes_on),
        CLAIM(a_link_is_not_followed),
        CLAIM(a_limit_is_kept_and_the_newest_come_first),
        CLAIM(an_abort_is_an_outcome_of_what_was_done),
        CLAIM(an_abort_is_no_outcome_of_what_was_judged),
    };
    if (argc == 2 && strcmp(argv[1], "cost") == 0) {
        return print_cost();
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
