/* libcurl's multi interface on an epoll descriptor. */
#include "runtime/act/transfer.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

struct transfers {
    CURLM *multi;
    int epoll_fd;
    struct duration now, timer_at; /* timer_at.ns < 0: curl wants no timer */
};

struct transfer {
    struct transfers *transfers;
    CURL *easy; /* NULL: ended */
    struct curl_slist *lines, *recipients;
    curl_mime *mime;
    size_t answer_max;
    struct transfer_answer answer;
};

/* ---- curl's wishes ---- */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *known)
{
    struct transfers *transfers = context;
    (void)easy;
    struct epoll_event event = {.data.fd = fd};
    event.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(transfers->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    } else if (epoll_ctl(transfers->epoll_fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) !=
               0) {
        return -1;
    } else {
        curl_multi_assign(transfers->multi, fd, transfers);
    }
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *context)
{
    struct transfers *transfers = context;
    (void)multi;
    transfers->timer_at.ns = timeout_ms < 0 ? -1 : transfers->now.ns + timeout_ms * NS_PER_MS;
    return 0;
}

static size_t on_answer(char *bytes, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    struct transfer_answer *answer = &transfer->answer;
    size_t more = size * count, room = transfer->answer_max - answer->body_bytes;
    answer->cut = more > room;
    size_t take = answer->cut ? room : more;
    answer->body = heap_resize(answer->body, answer->body_bytes + take + 1);
    memcpy(answer->body + answer->body_bytes, bytes, take);
    answer->body_bytes += take;
    answer->body[answer->body_bytes] = '\0';
    return take;
}

/* ---- all transfers ---- */

enum status transfers_new(struct transfers **ret, struct error *error)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return error_set(error, STATUS_IO, "libcurl cannot start");
    }
    struct transfers *transfers = heap_alloc(sizeof *transfers);
    transfers->timer_at.ns = -1;
    transfers->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    transfers->multi = curl_multi_init();
    if (transfers->epoll_fd < 0 || !transfers->multi) {
        transfers_free(transfers);
        return error_set(error, STATUS_IO, "cannot prepare transfers: %s", strerror(errno));
    }
    curl_multi_setopt(transfers->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(transfers->multi, CURLMOPT_SOCKETDATA, transfers);
    curl_multi_setopt(transfers->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(transfers->multi, CURLMOPT_TIMERDATA, transfers);
    *ret = transfers;
    return STATUS_OK;
}

void transfers_free(struct transfers *transfers)
{
    if (transfers) {
        curl_multi_cleanup(transfers->multi);
        if (transfers->epoll_fd >= 0) {
            close(transfers->epoll_fd);
        }
        free(transfers);
    }
}

int transfers_fd(const struct transfers *transfers)
{
    return transfers->epoll_fd;
}

/* Scheme, host and path: what a query holds may be a secret. */
static void take_redirect(CURL *easy, struct transfer_answer *answer)
{
    char *url = NULL;
    curl_easy_getinfo(easy, CURLINFO_REDIRECT_URL, &url);
    if (url) {
        snprintf(answer->redirect, sizeof answer->redirect, "%.*s", (int)strcspn(url, "?#"), url);
    }
}

static void take_answer(struct transfer *transfer, CURLcode code)
{
    struct transfer_answer *answer = &transfer->answer;
    curl_off_t retry_after = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &answer->status);
    curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &retry_after);
    answer->retry_after_s = retry_after;
    answer->sent = transfer_sent(transfer);
    answer->answered = code == CURLE_OK || (code == CURLE_WRITE_ERROR && answer->cut);
    if (!answer->answered) {
        snprintf(answer->fault, sizeof answer->fault, "%.100s", curl_easy_strerror(code));
    }
    take_redirect(transfer->easy, answer);
}

static void end_easy(struct transfer *transfer)
{
    if (transfer->easy) {
        curl_multi_remove_handle(transfer->transfers->multi, transfer->easy);
        curl_easy_cleanup(transfer->easy);
        transfer->easy = NULL;
    }
}

static void drive(struct transfers *transfers)
{
    struct epoll_event events[16];
    int running;
    int count = epoll_wait(transfers->epoll_fd, events, (int)ARRAY_LEN(events), 0);
    for (int i = 0; i < count; i++) {
        int mask = (events[i].events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) |
                   (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                   (events[i].events & EPOLLERR ? CURL_CSELECT_ERR : 0);
        curl_multi_socket_action(transfers->multi, events[i].data.fd, mask, &running);
    }
    if (transfers->timer_at.ns >= 0 && transfers->now.ns >= transfers->timer_at.ns) {
        transfers->timer_at.ns = -1;
        curl_multi_socket_action(transfers->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
}

void transfers_step(struct transfers *transfers, struct duration uptime)
{
    transfers->now = uptime;
    drive(transfers);
    CURLMsg *ended;
    int left;
    while ((ended = curl_multi_info_read(transfers->multi, &left))) {
        struct transfer *transfer = NULL;
        curl_easy_getinfo(ended->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        CHECK(ended->msg == CURLMSG_DONE && transfer && transfer->easy == ended->easy_handle);
        take_answer(transfer, ended->data.result);
        end_easy(transfer);
    }
}

/* ---- one ---- */

#define SET(option, value) (bad |= curl_easy_setopt(easy, option, value) != CURLE_OK)

static bool set_request(CURL *easy, const struct transfer_request *request)
{
    int bad = 0;
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1); /* a stream refused is sent again */
    SET(CURLOPT_CUSTOMREQUEST, request->method);
    if (request->body) {
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_bytes);
        SET(CURLOPT_COPYPOSTFIELDS, request->body);
    }
    return bad == 0;
}

static bool set_mail(CURL *easy, struct transfer *transfer, const struct transfer_mail *mail)
{
    int bad = 0;
    for (size_t i = 0; i < mail->to_count; i++) {
        transfer->recipients = curl_slist_append(transfer->recipients, mail->to[i]);
    }
    transfer->mime = curl_mime_init(easy);
    curl_mimepart *part = curl_mime_addpart(transfer->mime);
    bad |= curl_mime_data(part, mail->text, CURL_ZERO_TERMINATED) != CURLE_OK;
    bad |= curl_mime_type(part, "text/plain; charset=utf-8") != CURLE_OK;
    bad |= curl_mime_encoder(part, "quoted-printable") != CURLE_OK;
    SET(CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    SET(CURLOPT_MAIL_FROM, mail->from);
    SET(CURLOPT_MAIL_RCPT, transfer->recipients);
    SET(CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1L); /* one address that is wrong keeps it from no other */
    SET(CURLOPT_MIMEPOST, transfer->mime);
    SET(CURLOPT_USE_SSL, (long)(mail->tls_required ? CURLUSESSL_ALL : CURLUSESSL_NONE));
    if (mail->user) {
        SET(CURLOPT_USERNAME, mail->user);
        SET(CURLOPT_PASSWORD, mail->password ? mail->password : "");
    }
    return bad == 0;
}

static bool set_up(CURL *easy, struct transfer *transfer, const struct transfer_request *request)
{
    int bad = 0;
    long timeout_ms = (long)(request->timeout.ns / NS_PER_MS);
    for (size_t i = 0; i < request->line_count; i++) {
        transfer->lines = curl_slist_append(transfer->lines, request->lines[i]);
    }
    SET(CURLOPT_URL, request->url);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_FRESH_CONNECT, 1L);
    SET(CURLOPT_FORBID_REUSE, 1L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TIMEOUT_MS, timeout_ms > 0 ? timeout_ms : 1L);
    SET(CURLOPT_HTTPHEADER, transfer->lines);
    SET(CURLOPT_USERAGENT, "heald");
    SET(CURLOPT_WRITEFUNCTION, on_answer);
    SET(CURLOPT_WRITEDATA, transfer);
    SET(CURLOPT_PRIVATE, transfer);
    if (request->ca_file) {
        SET(CURLOPT_CAINFO, request->ca_file);
    }
    return bad == 0 &&
           (request->mail ? set_mail(easy, transfer, request->mail) : set_request(easy, request));
}

enum status transfer_start(struct transfers *transfers, const struct transfer_request *request,
                           struct duration uptime, struct transfer **ret, struct error *error)
{
    CHECK(!request->mail == !!request->method && request->line_count <= TRANSFER_LINES_MAX);
    struct transfer *transfer = heap_alloc(sizeof *transfer);
    transfer->transfers = transfers;
    transfers->now = uptime;
    transfer->answer_max = request->answer_max ? request->answer_max : TRANSFER_ANSWER_MAX;
    transfer->answer.body = heap_alloc(1);
    transfer->easy = curl_easy_init();
    if (!transfer->easy || !set_up(transfer->easy, transfer, request) ||
        curl_multi_add_handle(transfers->multi, transfer->easy) != CURLM_OK) {
        transfer_free(transfer);
        return error_set(error, STATUS_IO, "its URL cannot be used");
    }
    *ret = transfer;
    return STATUS_OK;
}

const struct transfer_answer *transfer_answer(const struct transfer *transfer)
{
    return transfer->easy ? NULL : &transfer->answer;
}

/* curl is about to send from the end of its handshakes on. */
bool transfer_sent(const struct transfer *transfer)
{
    curl_off_t until_send_us = 0;
    long request_bytes = 0;
    if (!transfer->easy) {
        return transfer->answer.sent;
    }
    curl_easy_getinfo(transfer->easy, CURLINFO_PRETRANSFER_TIME_T, &until_send_us);
    curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &request_bytes);
    return until_send_us > 0 || request_bytes > 0;
}

void transfer_free(struct transfer *transfer)
{
    if (transfer) {
        end_easy(transfer);
        curl_mime_free(transfer->mime);
        curl_slist_free_all(transfer->lines);
        curl_slist_free_all(transfer->recipients);
        free(transfer->answer.body);
        free(transfer);
    }
}
