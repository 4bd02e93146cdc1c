/* What a caged process must still be able to do. */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/sandbox/sandbox.h"
#include "tests/unit.h"

/* Runs work in a caged child; returns its exit code, or 1000 and the signal. */
static int in_cage(const struct sandbox *sandbox, int (*work)(const void *), const void *argument)
{
    int wait_status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        char report[SANDBOX_REPORT_BYTES];
        struct error error;
        if (sandbox_apply(sandbox, report, &error) != STATUS_OK) {
            fprintf(stderr, "%s\n", error.message);
            _exit(99);
        }
        _exit(work(argument));
    }
    assert_int_equal(waitpid(pid, &wait_status, 0), pid);
    return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 1000 + WTERMSIG(wait_status);
}

static size_t count_bytes(char *bytes, size_t size, size_t count, void *total)
{
    (void)bytes;
    *(size_t *)total += size * count;
    return size * count;
}

static int fetch(const void *url)
{
    size_t total = 0;
    CURL *curl = curl_easy_init();
    curl_easy_setopt(curl, CURLOPT_URL, (const char *)url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 5000L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, count_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &total);
    CURLcode code = curl_easy_perform(curl);
    return code != CURLE_OK ? (int)code : total == 5 ? 0 : 98;
}

static void cage_of_ingest_lets_curl_resolve_and_fetch(void **state)
{
    static const char answer[] = "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    static const char *const reads[] = {"/etc", "/usr", "/lib", "/lib64", "/proc", "/run"};
    const struct sandbox sandbox = {
        .role = SANDBOX_INGEST, .read_paths = reads, .read_count = ARRAY_LEN(reads)};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    char url[64], request[1024];
    (void)state;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 4), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    snprintf(url, sizeof(url), "http://localhost:%u/", ntohs(address.sin_port));
    pid_t server = fork();
    if (server == 0) {
        while (true) {
            int fd = accept(listener, NULL, NULL);
            if (recv(fd, request, sizeof(request), 0) > 0) {
                send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL);
            }
            close(fd);
        }
    }
    assert_int_equal(in_cage(&sandbox, fetch, url), 0);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    close(listener);
}

static int keep_journal(const void *folder)
{
    char path[128];
    sqlite3 *db = NULL;
    snprintf(path, sizeof(path), "%s/journal.db", (const char *)folder);
    int bad = sqlite3_open(path, &db);
    bad |= sqlite3_exec(db,
                        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t(a);"
                        "BEGIN IMMEDIATE; INSERT INTO t VALUES(1); COMMIT;"
                        "PRAGMA wal_checkpoint(TRUNCATE); VACUUM;",
                        NULL, NULL, NULL);
    return bad | sqlite3_close(db);
}

static void cage_of_the_engine_lets_sqlite_keep_a_journal(void **state)
{
    char folder[] = "/tmp/heal_cage_XXXXXX", command[64];
    (void)state;
    assert_non_null(mkdtemp(folder));
    const char *const writes[] = {folder}, *const reads[] = {"/etc", "/usr"};
    const struct sandbox sandbox = {.role = SANDBOX_ENGINE,
                                    .read_paths = reads,
                                    .read_count = ARRAY_LEN(reads),
                                    .write_paths = writes,
                                    .write_count = 1};
    assert_int_equal(in_cage(&sandbox, keep_journal, folder), 0);
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

static int run_program(const void *script)
{
    pid_t pid = fork();
    int wait_status = 0;
    if (pid == 0) {
        execl("/usr/bin/python3", "python3", "-c", (const char *)script, (char *)NULL);
        _exit(97);
    }
    return waitpid(pid, &wait_status, 0) == pid && WIFEXITED(wait_status) ? WEXITSTATUS(wait_status)
                                                                          : 96;
}

static void cage_of_the_actor_lets_granted_programs_work(void **state)
{
    const struct sandbox sandbox = {.role = SANDBOX_ACTOR};
    (void)state;
    if (access("/usr/bin/python3", X_OK) != 0) {
        skip();
    }
    assert_int_equal(
        in_cage(
            &sandbox, run_program,
            "import http.server, subprocess, threading, urllib.request, tempfile, os, signal\n"
            "s = http.server.ThreadingHTTPServer(('127.0.0.1', 0), "
            "http.server.SimpleHTTPRequestHandler)\n"
            "threading.Thread(target=s.serve_forever, daemon=True).start()\n"
            "o = urllib.request.build_opener(urllib.request.ProxyHandler({}))\n"
            "assert o.open('http://localhost:%d/' % s.server_port).status == 200\n"
            "p = subprocess.Popen(['/bin/sleep', '60'], start_new_session=True)\n"
            "os.killpg(p.pid, signal.SIGTERM); p.wait()\n"
            "f = tempfile.NamedTemporaryFile(); f.write(b'x'); f.flush(); os.fsync(f.fileno())\n"
            "assert subprocess.run(['/bin/sh', '-c', 'ls / | wc -l']).returncode == 0\n"),
        0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cage_of_ingest_lets_curl_resolve_and_fetch),
        cmocka_unit_test(cage_of_the_engine_lets_sqlite_keep_a_journal),
        cmocka_unit_test(cage_of_the_actor_lets_granted_programs_work),
    };
    curl_global_init(CURL_GLOBAL_ALL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
