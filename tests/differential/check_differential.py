"""The same rules over the same samples: every firing and resolved edge of a real Prometheus and of the real heald.

A Prometheus 2.42 scrapes an exporter, evaluates the rules of cases.py, tells a recorder of its alerts and writes its samples
to a heald that runs the same rules as `healc import prometheus` makes them. 2.42 has closed windows where heald follows
Prometheus 3: samples and evaluations are kept apart in phase, so that no sample is exactly as old as a window.
"""
import collections
import datetime
import http.server
import json
import math
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "daemon"))
import cases  # noqa: E402
from case import program, until  # noqa: E402
from world import Quiet, World  # noqa: E402

RUN_S, SETTLE_S = 75, 3
STARTS = 12
CANDIDATES = 40  # of groups and of scrape jobs: each has a phase of its own
APART_S = 1.5  # an evaluation interval, and remote write's delay
SUM_SLACK = 1e-9  # of values that Prometheus reckons for that time
PHASE = "- name: phase\n  interval: 1s\n  rules:\n  - {alert: Phase, expr: vector(1), for: 2s}\n"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def serve(handle):
    """A server that answers with handle(path, body) -> (status, text)."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def answer(self):
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            status, text = handle(self.path, body)
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = answer

    server = Quiet(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server


class Prometheus:
    """A real one in a folder with rules.yml; each job scrapes the same exporter by another path."""

    def __init__(self, folder, jobs, exporter, more):
        self.folder = folder
        text = "global: {scrape_interval: 1s, evaluation_interval: 1s}\n" + f"rule_files: [{folder}/rules.yml]\nscrape_configs:\n"
        for job in jobs:
            text += f"  - {{job_name: {job}, params: {{of: [{job}]}}, static_configs: [{{targets: ['127.0.0.1:{exporter}']}}]}}\n"
        (folder / "prometheus.yml").write_text(text + more)
        self.port = free_port()
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn", "--rules.alert.resend-delay=1h"],
            stdout=open(folder / "prometheus.log", "ab"), stderr=subprocess.STDOUT)

    def ask(self, path, **arguments):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(arguments)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def away(phase, wanted):
    """How far two phases of a second are apart."""
    return abs((phase - wanted + 0.5) % 1 - 0.5)


def choose(folder, exporter, wanted):
    """A job that is scraped half a second from `wanted`, and a group that is evaluated then: each has a phase of its own."""
    groups = [f"g{k}" for k in range(CANDIDATES)]
    jobs = [f"w{k}" for k in range(CANDIDATES)]
    (folder / "rules.yml").write_text("groups:\n" + "".join(
        f"- {{name: {group}, interval: 1s, rules: [{{record: 'a:a', expr: vector(1), labels: {{g: {group}}}}}]}}\n" for group in groups))
    prometheus = Prometheus(folder, jobs, exporter, "")
    try:
        time.sleep(8)  # targets are there after five
        times = {r["metric"]["job"]: float(r["value"][1]) % 1 for r in prometheus.ask("query", query="timestamp(up)")["result"]}
        written = {r["metric"]["g"]: float(r["value"][1]) % 1 for r in prometheus.ask("query", query="timestamp(a:a)")["result"]}
    finally:
        prometheus.stop()
    assert min(len(times), len(written)) > CANDIDATES / 2, (times, written)
    group = min(written, key=lambda g: away(written[g], wanted))
    job = min(times, key=lambda j: away(times[j], wanted + 0.5))
    return job, group, times[job], written[group]


class Alertmanager:
    """(alertname, labels) -> {start: [text, end]}, as Prometheus tells it."""

    def __init__(self):
        self.alerts = collections.defaultdict(dict)
        self.server = serve(self.take)
        self.port = self.server.server_address[1]

    def take(self, path, body):
        now = time.time()
        for alert in json.loads(body):
            labels = {name: value for name, value in alert["labels"].items() if name != "alertname"}
            key = alert["labels"]["alertname"], ",".join(f"{n}={labels[n]}" for n in sorted(labels))
            end = seconds(alert["endsAt"])
            told = self.alerts[key].setdefault(seconds(alert["startsAt"]), [alert["annotations"].get("summary", ""), None])
            if end <= now + 1:
                told[1] = end
        return 200, ""

    def edges(self):
        """(alertname, labels) -> [(time, "firing" or "resolved", text)]."""
        found = {}
        for key, alerts in list(self.alerts.items()):
            found[key] = []
            for start, (text, end) in sorted(alerts.items()):
                found[key].append((start, "firing", text))
                if end:
                    found[key].append((end, "resolved", ""))
        return found


def edges_of(world):
    found = collections.defaultdict(list)
    for record in world.records():
        if record["kind"] in ("opened", "closed"):
            kind, text = ("firing", record["text"]) if record["kind"] == "opened" else ("resolved", "")
            found[record["policy"], record["target"]].append((record["time"], kind, text))
    return found


def imported(folder, text):
    """The policies that healc makes of a rule file."""
    rules, out = folder / "imported.yml", folder / "imported"
    rules.write_text(text)
    got = subprocess.run([program("healc"), "import", "prometheus", str(rules), "-o", str(out), "--force"], capture_output=True, text=True)
    assert got.returncode == 0, got.stderr
    return {path.name: path.read_text() for path in out.iterdir()}


def start_heald(folder):
    """A heald with the rules, whose remote write is open; and the phase of its evaluations.

    Subqueries are evaluated at whole seconds: neither evaluations nor samples may be near them.
    """
    files = imported(folder, cases.rule_file("all") + PHASE)
    extra = "remote_write:\n  - {name: prometheus, interval: 1s, grace: 20s, series_max: 5000}\n"
    for attempt in range(STARTS):
        (folder / f"world{attempt}").mkdir()
        world = World(folder / f"world{attempt}", files, tick="1s", grants="", extra=extra, start=False)
        world.yaml.write_text(world.yaml.read_text().replace("channels:\n", "channels:\n  prometheus: {log: {}}\n"))
        world.start()
        opened = until(lambda: world.records("opened", policy="Phase"), 20)[0]
        phase = opened["time"] % 1
        if min(away(phase, 0), away(phase, 0.5)) > 0.12:
            return world, phase
        close(world)
        time.sleep(0.23)
    raise AssertionError("heald's evaluations are at whole or half seconds each time")


def close(world):
    world.stop()
    world.exporter.close()
    world.webhook.close()


def asked(prometheus, name, labels, at):
    """The values that the expression has at that time, of the alert's labels."""
    result = prometheus.ask("query", query=cases.ALERTS[name][0], time=f"{math.floor(at * 1000) / 1000:.3f}")["result"]
    wanted = dict(label.split("=", 1) for label in labels.split(",") if label)
    return [float(r["value"][1]) for r in result
            if all(wanted.get(n) == v for n, v in r["metric"].items() if n != "__name__")]


def values_differ(prometheus, key, edge, other):
    """What is wrong with the text of a firing edge of heald beside Prometheus', or None."""
    name, labels = key
    at, _, text = edge
    how = cases.ALERTS[name][1]
    if how == cases.READS or text == other[2]:
        return None
    words, value = text.rsplit(" ", 1)
    if how == cases.SAME or words != other[2].rsplit(" ", 1)[0]:
        return f"heald says '{text}', Prometheus '{other[2]}'"
    values = [float(other[2].rsplit(" ", 1)[1])] if how == cases.NEAR else asked(prometheus, name, labels, at)
    if any(abs(float(value) - v) <= SUM_SLACK * abs(v) for v in values):
        return None
    return f"heald says {value}, Prometheus for {at:.3f} {values}"


def compare(prometheus, theirs, ours, first, cut):
    """The differences, and how many edges agree."""
    differences, agree = [], 0
    for key in sorted(set(theirs) | set(ours)):
        a, b = theirs.get(key, []), ours.get(key, [])
        for i in range(max(len(a), len(b))):
            edge = a[i] if i < len(a) else b[i]
            where = f"{key[0]}{{{key[1]}}}: edge {i + 1}"
            if i >= len(a) or i >= len(b):
                if edge[0] <= cut:
                    only = "Prometheus" if i < len(a) else "heald"
                    differences.append(f"{where}, {edge[1]} at {edge[0] - first:.3f} s: only of {only}")
                    break
                continue
            early = max(a[i][0], b[i][0]) < first  # nothing is there yet, and each has begun when it has
            if a[i][1] != b[i][1] or abs(a[i][0] - b[i][0]) > APART_S and not early:
                differences.append(f"{where}: Prometheus {a[i][1]} at {a[i][0] - first:.3f} s, heald {b[i][1]} at {b[i][0] - first:.3f} s")
                break
            wrong = values_differ(prometheus, key, b[i], a[i]) if a[i][1] == "firing" else None
            if wrong:
                differences.append(f"{where}, firing at {b[i][0] - first:.3f} s: {wrong}")
            else:
                agree += 1
    return differences, agree


class Exported:
    """The pages of cases.py, for the one job that is asked for; the others get something to be timed with."""

    def __init__(self):
        self.page, self.answers, self.path, self.first = cases.Page(), 0, None, None
        self.server = serve(self.answer)
        self.port = self.server.server_address[1]

    def answer(self, path, _):
        if path != self.path:
            return 200, "timed 1\n"
        self.first = self.first or time.time()
        text = self.page.answer(self.answers)
        self.answers += 1
        return (200, text) if text else (503, "")


def start_prometheus(folder, exporter, manager, world, phase):
    """One that evaluates the rules when heald does, with samples half a second old, and writes to heald."""
    job, group, scraped, evaluated = choose(folder, exporter.port, phase)
    print(f"evaluations {evaluated - phase:+.3f} s, samples {scraped - phase:+.3f} s from those of heald")
    assert away(scraped, phase + 0.5) < 0.15 and away(evaluated, phase) < 0.15, (phase, scraped, evaluated)
    shutil.rmtree(folder / "data")
    (folder / "rules.yml").write_text(cases.rule_file(group))
    exporter.path = f"/metrics?of={job}"
    return Prometheus(folder, [job], exporter.port, (
        f"alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{manager.port}']}}]}}]}}\nremote_write:\n"
        f"  - url: http://127.0.0.1:{world.listen}/api/v1/write\n"
        "    write_relabel_configs: [{source_labels: [__name__], regex: 'ALERTS.*|.*:.*', action: drop}]\n"
        "    queue_config: {batch_send_deadline: 50ms, min_shards: 1, max_shards: 1}\n"))


def tell(differences, agree, ours, theirs):
    """The result; true when all is well."""
    silent = [name for name in cases.ALERTS if not any(key[0] == name for key in theirs)]
    differences += [f"{name}: Prometheus has no edge" for name in silent]
    for line in differences:
        print(f"FAILED {line}")
    apart = sorted(a[0] - b[0] for key in theirs for a, b in zip(ours.get(key, []), theirs[key]) if a[1] == b[1])
    if apart:
        print(f"half of heald's edges come {1000 * apart[len(apart) // 2]:.0f} ms or more after Prometheus'")
    print(f"{agree} edges of {len(cases.ALERTS)} rules agree")
    print(f"{agree} passed, {len(differences)} failed")
    return bool(agree and not differences)


def run(folder):
    exporter, manager = Exported(), Alertmanager()
    world, phase = start_heald(folder)
    prometheus = None
    try:
        (folder / "prometheus").mkdir()
        prometheus = start_prometheus(folder / "prometheus", exporter, manager, world, phase)
        time.sleep(RUN_S)
        cut = time.time()
        time.sleep(SETTLE_S)
        ours = {key: edges for key, edges in edges_of(world).items() if key[0] != "Phase"}
        theirs = manager.edges()
        differences, agree = compare(prometheus, theirs, ours, exporter.first, cut)
    finally:
        if prometheus:
            prometheus.stop()
        close(world)
        exporter.server.server_close()
        manager.server.server_close()
    return tell(differences, agree, ours, theirs)


with tempfile.TemporaryDirectory(prefix="heal") as scratch:
    well = run(pathlib.Path(scratch))
sys.exit(0 if well else 1)
