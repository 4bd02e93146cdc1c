"""Drives scrape_probe against real HTTP targets, most of them bad, and asks its listener.
QUICK. usage: check_scrape.py BUILD_DIR"""
import gzip
import http.client
import http.server
import os
import shutil
import subprocess
import sys
import threading
import time

TYPE = "text/plain; version=0.0.4"
OPENMETRICS = (b'# TYPE ok counter\n# HELP ok text\nok_total{a="b"} 3 1.5 # {id="x"} 1 2.5\nok_created{a="b"} 1.5e9\n'
               b"# TYPE old gaugehistogram\nold_bucket{le=\"+Inf\"} 1\n# EOF")
BOMB = gzip.compress(b"# " + b"x" * 30_000_000 + b"\n")
EXPLOSION = b"".join(b'e{i="%d"} 1\n' % i for i in range(2000))
CHUNK = b"10000\r\n# " + b"x" * 65533 + b"\n\r\n"
passed = failed = 0
counts = {}
headers_seen = {}


def claim(text, good, shown=""):
    global passed, failed
    if good:
        passed += 1
    else:
        failed += 1
        print(f"FAILED: {text} {shown}")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def send(self, body, status=200, kind=TYPE, length=None, extra=()):
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        for name, value in extra:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        name = self.path.strip("/")
        counts[name] = n = counts.get(name, 0) + 1
        headers_seen[name] = dict(self.headers)
        try:
            getattr(self, "serve_" + name)(n)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def serve_good(self, n):
        self.send(b"# TYPE a counter\na{job=\"x\"} %d\n" % n)

    def serve_gzip(self, n):
        self.send(gzip.compress(b"z 1\n"), extra=[("Content-Encoding", "gzip")])

    def serve_bomb(self, n):
        self.send(BOMB, extra=[("Content-Encoding", "gzip")])

    def serve_hang(self, n):
        time.sleep(8)

    def serve_half(self, n):
        self.send(b"a 1\nb 2\n", length=1000)
        self.close_connection = True

    def serve_cut(self, n):
        self.send(b"a 1\nb 2")

    def serve_gigabyte(self, n):
        self.send_response(200)
        self.send_header("Content-Type", TYPE)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for _ in range(16384):
            self.wfile.write(CHUNK)
        self.wfile.write(b"0\r\n\r\n")

    def serve_declared(self, n):
        self.send(b"", length=1 << 30)
        self.close_connection = True

    def serve_openmetrics(self, n):
        self.send(OPENMETRICS, kind="application/openmetrics-text; version=1.0.0; charset=utf-8")

    def serve_openmetrics_cut(self, n):
        self.send(b"a 1\n", kind="application/openmetrics-text; version=1.0.0")

    def serve_html(self, n):
        self.send(b"<html>\n", kind="text/html")

    def serve_notype(self, n):
        self.send(b"a 1\n", kind=None)

    def serve_redirect(self, n):
        self.send(b"", status=302, extra=[("Location", "/good")])

    def serve_error(self, n):
        self.send(b"a 1\n", status=500)

    def serve_flip(self, n):
        self.send(b"# TYPE f %s\nf 1\nsteady 1\n" % (b"counter" if n % 2 else b"gauge"))

    def serve_explosion(self, n):
        self.send(EXPLOSION)

    def serve_odd(self, n):
        self.send(b"nan NaN\ninf +Inf\nninf -Inf\nhostile{v=\"\\\"} 1 \\n\"} 1\n")

    def serve_garbage(self, n):
        self.send(bytes(range(256)) * 20)

    def serve_empty(self, n):
        self.send(b"")


def run_probe(build, page, seconds, targets, asks):
    args = [os.path.join(build, "scrape_probe"), str(seconds), page] + targets
    probe = subprocess.Popen(args, stdout=subprocess.PIPE)
    port = int(probe.stdout.readline().split()[1])
    lines, answers = [], {}

    def pump():
        for raw in probe.stdout:
            lines.append((time.time(), raw.decode("utf-8").rstrip("\n")))

    thread = threading.Thread(target=pump)
    thread.start()
    time.sleep(seconds * 0.6 if targets else 0.2)  # the listener is there before the port is told
    for method, path in asks:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request(method, path, body=b"x" if method == "POST" else None)
        response = connection.getresponse()
        answers[method, path] = (response.status, response.read().decode())
        connection.close()
    _, status, usage = os.wait4(probe.pid, 0)
    thread.join()
    return status, usage.ru_maxrss, lines, answers


def check_targets(build, port):
    names = [n[6:] for n in dir(Handler) if n.startswith("serve_")]
    targets = [f"{n},http://127.0.0.1:{port}/{n},1000,950,1000000,1000" for n in names]
    targets.append("refused,http://127.0.0.1:1/,1000,950,1000000,1000")
    asks = [("GET", "/metrics"), ("GET", "/livez"), ("GET", "/readyz"), ("HEAD", "/livez"),
            ("POST", "/metrics"), ("DELETE", "/livez"), ("GET", "/nothing")]
    status, rss_kib, lines, answers = run_probe(build, "fresh", 6, targets, asks)
    claim("the probe ends well", status == 0, status)
    claim("a gigabyte does not become memory", rss_kib < 200_000 or "sanitize" in build, rss_kib)

    def of(kind, name):
        return [(t, l) for t, l in lines if l.startswith(f"{kind} {name}/")]

    for name in ["good", "gzip", "flip", "odd", "empty", "openmetrics", "notype"]:
        claim(f"{name} answers", len(of("ANSWERED", name)) >= 4 and not of("FAILED", name),
              (of("ANSWERED", name), of("FAILED", name)))
    reasons = {
        "hang": "Timeout", "half": "", "cut": "line 2, column 4: the last line has no line feed",
        "gigabyte": "the body has more than 1000000 bytes", "bomb": "the body has more than 1000000 bytes",
        "declared": "", "openmetrics_cut": "line 2, column 1: the body has no '# EOF'",
        "html": "content type 'text/html'",
        "redirect": "the target redirects (status 302)", "error": "status 500",
        "explosion": "line 1001, column 1: more than 1000 series", "garbage": "line 1, column 1",
        "refused": "connect",
    }
    for name, reason in reasons.items():
        found = of("FAILED", name)
        claim(f"{name} fails and says why", found and all(reason in l for _, l in found)
              and not of("ANSWERED", name), (found[:2], of("ANSWERED", name)))
        up = [l for _, l in lines if l.startswith("SAMPLE up{") and f'job="{name}"' in l]
        claim(f"up of {name} is 0", up and all(l.endswith(" 0") for l in up), up[:2])
        claim(f"{name} gives no samples", not [l for _, l in lines if l.startswith("SAMPLE ")
              and f'job="{name}"' in l and not l.startswith(("SAMPLE up{", "SAMPLE scrape_"))])
    gaps = [b[0] - a[0] for a, b in zip(of("ANSWERED", "good"), of("ANSWERED", "good")[1:])]
    claim("nobody waits for the one that hangs", gaps and max(gaps) < 1.9, gaps)
    text = [l for _, l in lines]
    claim("clashing labels are set aside", f'SAMPLE a{{exported_job="x",instance="127.0.0.1:{port}",job="good"}} 1' in text)
    flips = [l for l in text if l.startswith("SAMPLE f{")]
    steady = [l for l in text if l.startswith("SAMPLE steady{")]
    claim("a flipping family is refused, its neighbour not", len(flips) == 1 and len(steady) >= 4, (flips, len(steady)))
    taken = {l.split("{")[0][7:] for l in text if 'job="openmetrics"' in l and l.startswith("SAMPLE o")}
    claim("OpenMetrics gives its samples", taken == {"ok_total", "ok_created", "old_bucket"}, taken)
    for name, value in [("nan", "nan"), ("inf", "inf"), ("ninf", "-inf")]:
        claim(f"{name} is a value", any(l.startswith(f"SAMPLE {name}{{") and l.endswith(" " + value) for l in text))
    claim("the scraped samples are counted", any(l.startswith("SAMPLE scrape_samples_scraped{") and 'job="odd"' in l
          and l.endswith(" 4") for l in text))
    claim("the host answers", any(l == "ANSWERED host" for l in text)
          and any(l.startswith("SAMPLE node_memory_MemTotal_bytes{") for l in text))
    accept = headers_seen["good"]
    claim("what is taken is said", "version=0.0.4" in accept.get("Accept", "")
          and accept["Accept"].startswith("application/openmetrics-text;version=1.0.0,")
          and accept.get("X-Prometheus-Scrape-Timeout-Seconds") == "0.95"
          and accept.get("Accept-Encoding") == "gzip", accept)
    check_listener(answers)


def check_listener(answers):
    status, metrics = answers["GET", "/metrics"]
    claim("metrics are served", status == 200 and "heald_engine_ticks_total 1" in metrics
          and 'heald_ingest_scrape_failures_total{reason="timeout"} ' in metrics, metrics[:300])
    if shutil.which("promtool"):
        tool = subprocess.run(["promtool", "check", "metrics"], input=metrics, text=True, capture_output=True)
        claim("promtool accepts the metrics", tool.returncode == 0 and not tool.stdout + tool.stderr,
              tool.stdout + tool.stderr)
    else:
        print("promtool is not installed: its claim is skipped")
    claim("alive", answers["GET", "/livez"] == (200, "all well\n"), answers["GET", "/livez"])
    claim("ready", answers["GET", "/readyz"][0] == 200)
    claim("HEAD has no body", answers["HEAD", "/livez"] == (200, ""))
    claim("POST is refused", answers["POST", "/metrics"][0] == 405, answers["POST", "/metrics"])
    claim("DELETE is refused", answers["DELETE", "/livez"][0] == 405)
    claim("unknown paths are refused", answers["GET", "/nothing"][0] == 404)


def check_pages(build):
    asks = [("GET", "/livez"), ("GET", "/readyz")]
    for page, live, ready in [("unready", 200, 503), ("stale", 503, 503), ("none", 503, 503)]:
        _, _, _, answers = run_probe(build, page, 2.5, [], asks)
        got = (answers["GET", "/livez"][0], answers["GET", "/readyz"][0])
        claim(f"a page that is {page}", got == (live, ready), answers)


def check_refused_targets(build):
    for url in ["ftp://a/", "file:///etc/passwd", "http://u:p@a/", "nonsense://", "http://"]:
        args = [os.path.join(build, "scrape_probe"), "0", "none", f"a,{url},500,450,1000,10"]
        out = subprocess.run(args, capture_output=True, text=True)
        claim(f"{url} is refused", out.returncode == 2 and "ERROR" in out.stdout, out)


def main():
    build = sys.argv[1]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *args: None  # targets are cut off on purpose
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    check_targets(build, server.server_port)
    check_pages(build)
    check_refused_targets(build)
    print(f"{passed} passed, {failed} failed")
    sys.stdout.flush()
    os._exit(1 if failed else 0)


main()
