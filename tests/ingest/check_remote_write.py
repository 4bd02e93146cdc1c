"""Remote write from a real Prometheus, and from senders that do wrong, to the real receiver and the real heald.

A Prometheus scrapes an exporter and writes to the receiver (scrape_probe prints what an engine would read) and to a
heald: every sample it has must arrive at both, and a series that ends must end.
"""
import collections
import http.client
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

BUILD = sys.argv[1]
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "daemon"))
from case import until  # noqa: E402
from world import POLICY, PREAMBLE, World  # noqa: E402

STALE = struct.pack("<Q", 0x7FF0000000000002)
RUN_S = 14
passed = failed = 0


def claim(name, good, seen=""):
    global passed, failed
    passed += bool(good)
    failed += not good
    if not good:
        print(f"failed: {name}: {str(seen)[:1500]}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# ---- a sender in a few lines ----


def varint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def series(labels, samples):
    """labels: name -> value; samples: (ms, value or eight bytes)."""
    out = b"".join(field(1, field(1, n.encode()) + field(2, v.encode())) for n, v in sorted(labels.items()))
    for ms, value in samples:
        raw = value if isinstance(value, bytes) else struct.pack("<d", value)
        out += field(2, b"\x09" + raw + b"\x10" + varint(ms))
    return field(1, out)


def snappy(data):
    """A block of literals: no compression, but the format."""
    out = varint(len(data))
    for i in range(0, len(data), 60):
        part = data[i : i + 60]
        out += bytes([(len(part) - 1) << 2]) + part
    return out


def post(port, body, path="/api/v1/write", pack=True, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    fields = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
    fields.update({name.replace("_", "-"): value for name, value in headers.items()})
    try:
        connection.request("POST", path, body=snappy(body) if pack else body, headers=fields)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


# ---- the receiver ----


class Probe:
    """scrape_probe with receivers; what its engine would read."""

    def __init__(self, seconds, *receivers):
        self.process = subprocess.Popen([f"{BUILD}/scrape_probe", str(seconds), "fresh", *receivers], stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline().split()[1])
        self.lines = []
        self.thread = threading.Thread(target=self.pump)
        self.thread.start()

    def pump(self):
        for raw in self.process.stdout:
            self.lines.append(raw.decode("utf-8").rstrip("\n"))

    def end(self):
        code = self.process.wait()
        self.thread.join()
        return code

    def samples(self):
        """series -> [(ms, value or "STALE")], but those of this host."""
        found = collections.defaultdict(list)
        for line, after in zip(self.lines, self.lines[1:]):
            kind, _, rest = line.partition(" ")
            if kind == "SAMPLE" and after.startswith("TIME "):
                name, value = rest.rsplit(" ", 1)
                found[name].append((int(after[5:]), float(value)))
            elif kind == "STALE":
                found[rest].append((int(after[5:]), "STALE"))
        return {name: all_of for name, all_of in found.items() if 'job="host"' not in name}


class Exporter:
    """Values that differ each time, and a series that leaves."""

    def __init__(self):
        self.count = 0
        self.leaves_at = 6
        exporter = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                exporter.count += 1
                body = exporter.body().encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/openmetrics-text; version=1.0.0")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def body(self):
        n = self.count
        text = "# TYPE shop_orders counter\n# HELP shop_orders Orders.\n"
        text += "".join(f'shop_orders_total{{item="i{i}"}} {n * i} # {{trace="t{n}"}} 1\n' for i in range(200))
        text += '# TYPE shop_odd gauge\nshop_odd{v="nan"} NaN\nshop_odd{v="inf"} -Inf\nshop_odd{v="€"} 0.1\n'
        if n < self.leaves_at:
            text += f"# TYPE shop_leaves gauge\nshop_leaves {n}\n"
        return text + "# EOF\n"


# ---- a real Prometheus ----


def start_prometheus(folder, exporter, port, writes):
    config = f"global: {{scrape_interval: 1s}}\nscrape_configs:\n  - job_name: shop\n    static_configs: [{{targets: ['127.0.0.1:{exporter}']}}]\nremote_write:\n"
    for url, more in writes:
        config += f"  - url: {url}\n    send_exemplars: true\n    metadata_config: {{send_interval: 2s}}\n{more}"
    (folder / "prometheus.yml").write_text(config)
    return subprocess.Popen(
        ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
         f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn", "--enable-feature=exemplar-storage"],
        stdout=open(folder / "prometheus.log", "wb"), stderr=subprocess.STDOUT)


def printed(metric):
    """A label set as the probe prints it."""
    labels = ",".join(f'{name}="{value}"' for name, value in sorted(metric.items()) if name != "__name__")
    return f"{metric['__name__']}{{{labels}}}"


def samples_of(port):
    """All that Prometheus itself has of the job."""
    query = urllib.parse.quote('{job="shop"}[10m]')
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?query={query}", timeout=10) as answer:
        got = json.load(answer)
    return {printed(r["metric"]): [(round(t * 1000), float(v)) for t, v in r["values"]] for r in got["data"]["result"]}


def same(a, b):
    return a[0] == b[0] and (a[1] == b[1] or (a[1] != a[1] and b[1] != b[1] and b[1] != "STALE"))


def check_prometheus(folder):
    exporter, port = Exporter(), free_port()
    probe = Probe(RUN_S + 8, "remote,/api/v1/write,5000,8000000")
    token = folder / "token"
    token.write_text("a secret\n")
    extra = f"remote_write:\n  - {{name: prometheus, token_file: {token}, interval: 1s, grace: 10s, series_max: 5000}}\n"
    (folder / "world").mkdir()
    with World(folder / "world", extra=extra, mode="shadow") as world:
        heald = f"    authorization: {{credentials: a secret}}\n"
        process = start_prometheus(folder, exporter.port, port, [
            (f"http://127.0.0.1:{probe.port}/api/v1/write", ""),
            (f"http://127.0.0.1:{world.listen}/api/v1/write", heald)])
        try:
            time.sleep(RUN_S)
            exporter.server.shutdown()
            exporter.server.server_close()
            time.sleep(1.5)
            has = samples_of(port)
        finally:
            process.send_signal(signal.SIGTERM)  # it sends what is left before it ends
            process.wait(30)
        time.sleep(0.3)
        code, metrics = world.http("/metrics")
        statuses = {s["name"]: s for s in world.status()["sources"]}
    claim("the probe ends well", probe.end() == 0)
    found = probe.samples()
    rounds = len(has.get(f'shop_orders_total{{instance="127.0.0.1:{exporter.port}",item="i7",job="shop"}}', []))
    claim("Prometheus has samples", len(has) > 200 and rounds > RUN_S / 2, (len(has), rounds))
    missing = [(name, sample) for name, all_of in has.items() for sample in all_of
               if not any(same(sample, other) for other in found.get(name, []))]
    claim("every sample that Prometheus has arrives", not missing, (len(missing), missing[:5], list(found)[:3]))
    orders = [name for name in has if name.startswith("shop_")]
    ended = [name for name in orders if [v for _, v in found.get(name, [])][-1:] == ["STALE"]]
    claim("all series end with a stale marker", sorted(ended) == sorted(orders), (len(ended), len(orders)))
    leaves = next((found[name] for name in found if name.startswith("shop_leaves{")), [])
    claim("a series that leaves ends then", leaves and leaves[-1][1] == "STALE" and len(leaves) < rounds, leaves)
    claim("nothing comes twice", all(len({t for t, _ in s}) == len(s) and s == sorted(s, key=lambda x: x[0]) for s in found.values()))
    count = sum(len(s) for name, s in found.items() if 'job="shop"' in name)

    def metric(name):
        return next((int(line.rsplit(" ", 1)[1]) for line in metrics.splitlines() if line.startswith(f'heald_ingest_remote_{name}{{')), None)

    claim("heald takes as many", code == 200 and metric("samples_total") == count, (metric("samples_total"), count))
    claim("exemplars and metadata are counted", metric("exemplars_total") > 0 and metric("metadata_total") > 0,
          (metric("exemplars_total"), metric("metadata_total")))
    claim("nothing is refused", 'heald_ingest_remote_refused_total{reason="out_of_order",source="prometheus"} 0' in metrics, metrics[-1500:])
    claim("the sender is a source", "prometheus" in statuses, statuses)
    if shutil.which("promtool"):
        tool = subprocess.run(["promtool", "check", "metrics"], input=metrics, text=True, capture_output=True)
        claim("promtool accepts the counters", tool.returncode == 0 and "heald_ingest_remote" not in tool.stdout + tool.stderr,
              tool.stdout + tool.stderr)


# ---- senders that do wrong ----


def check_wrong():
    probe = Probe(6, "remote,/api/v1/write,3,100000")
    ms = int(time.time() * 1000)
    good = series({"__name__": "a", "x": "1"}, [(ms, 1.0)])
    rows = [
        ("a good one", good, {}, 204),
        ("the same again", good, {}, 204),
        ("an older one", series({"__name__": "a", "x": "1"}, [(ms - 1, 1.0)]), {}, 400),
        ("another value", series({"__name__": "a", "x": "1"}, [(ms, 2.0)]), {}, 400),
        ("the future", series({"__name__": "a", "x": "1"}, [(ms + 3_600_000, 2.0)]), {}, 400),
        ("no name", series({"x": "1"}, [(ms, 2.0)]), {}, 400),
        ("a long label", series({"__name__": "b", "x": "y" * 2000}, [(ms, 2.0)]), {}, 400),
        ("a truncated body", good[:-3], {}, 400),
        ("no snappy", b"\xff\xff\xff\xff\xff\xff", {"pack": False}, 400),
        ("a bomb", b"\xff\xff\xff\xff\x0f" + bytes(1000), {"pack": False}, 413),
        ("a large body", bytes(200_000), {}, 413),
        ("gzip", good, {"Content_Encoding": "gzip"}, 415),
        ("remote write 2.0", good, {"Content_Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request"}, 415),
        ("half of it is good", series({"x": "1"}, [(ms, 2.0)]) + series({"__name__": "c"}, [(ms, 3.0)]), {}, 400),
        ("too many series", b"".join(series({"__name__": f"m{i}"}, [(ms, 1.0)]) for i in range(9)), {}, 400),
        ("it still lives", series({"__name__": "a", "x": "1"}, [(ms + 5, 1.5), (ms + 6, STALE)]), {}, 204),
    ]
    for name, body, more, wanted in rows:
        code, text = post(probe.port, body, **more)
        claim(f"{name} is answered with {wanted}", code == wanted and (code == 204 or text), (code, text))
    connection = http.client.HTTPConnection("127.0.0.1", probe.port, timeout=5)
    connection.request("GET", "/api/v1/write")
    answer = connection.getresponse()
    claim("GET is refused", answer.status == 405 and answer.headers["Allow"] == "POST", answer.status)
    connection.close()
    with socket.create_connection(("127.0.0.1", probe.port)) as half:  # and goes away in the middle
        half.sendall(b"POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\nabc")
    claim("the probe ends well", probe.end() == 0)
    found = probe.samples()
    claim("what was good has arrived", found.get('a{x="1"}') == [(ms, 1.0), (ms + 5, 1.5), (ms + 6, "STALE")] and found.get("c{}") == [(ms, 3.0)]
          and len(found) == 3, found)
    claim("the sender is heard at its newest sample", f"HEARD /api/v1/write {ms}" in probe.lines)


# ---- what heald does with it ----


class Sender(threading.Thread):
    """Sends app_bad of service a every 100 ms, while it may."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.value, self.silent, self.ended = port, 0.0, False, False
        self.start()

    def run(self):
        while not self.ended:
            if not self.silent:
                try:
                    post(self.port, series({"__name__": "app_bad", "instance": "i", "job": "app", "service": "a"},
                                           [(int(time.time() * 1000), self.value)]), path="/w")
                except OSError:
                    pass
            time.sleep(0.1)


def check_policy(folder):
    token = folder / "token"
    token.write_text("another\n")
    extra = ("remote_write:\n  - {name: sender, path: /w, interval: 100ms, grace: 500ms}\n"
             f"  - {{name: other, path: /other, token_file: {token}}}\n")
    with World(folder, {"app.heal": PREAMBLE + POLICY}, extra=extra) as world:
        world.exporter.text = lambda: 'app_up{service="a"} 1\n'
        sender = Sender(world.listen)
        try:
            until(lambda: world.status()["policies"][0]["state"] not in ("unknown", "starting"), 15)
            sender.silent = True
            sender.value = 1.0

            def unknown():
                return world.status()["policies"][0]["state"] == "unknown"

            until(unknown, 10)
            claim("a sender that is silent makes its policies unknown", not world.effects(), world.status())
            sender.silent = False
            until(world.effects, 15)
            claim("what it sends makes a policy act", True)
            post(world.listen, series({"x": "1"}, [(int(time.time() * 1000), 1.0)]), path="/w")
            claim("what is refused is said", until(lambda: "remote write sender: samples refused so far, labels 1" in world.said()))
            claim("a token that is asked for is needed", post(world.listen, b"", path="/other")[0] == 401)
        finally:
            sender.ended = True


def main():
    if not shutil.which("prometheus"):
        print("prometheus is not installed: its claims are skipped")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="heal-remote-"))
    try:
        check_wrong()
        (folder / "policy").mkdir()
        check_policy(folder / "policy")
        if shutil.which("prometheus"):
            check_prometheus(folder)
    finally:
        shutil.rmtree(folder)
    print(f"{passed} passed, {failed} failed")
    sys.stdout.flush()
    os._exit(1 if failed else 0)


main()
