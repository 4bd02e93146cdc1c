"""The same rules over the same series in a real Prometheus and in heald: CPU of each for a rule, a series, an evaluation.

Two Prometheus run, one with the rules and one without, and a heald with what `healc import` makes of them; all scrape one
exporter; heald does not read its own host, as Prometheus does not. No two rules share a selector, and none fires.
"""
import pathlib
import shutil
import subprocess
import time
import urllib.request

import fleet

SCRAPE_S, SETTLE_S, MEASURE_S, TICKS = 15, 330, 90, 30
SAMPLES_MAX = (SETTLE_S + MEASURE_S) // SCRAPE_S  # of a window; full ones have 20, 40 and 120
BODIES = SAMPLES_MAX + 10
KINDS = (
    "load_total{{rule!='{i}'}} > 1e15",
    "rate(load_total{{rule!='{i}'}}[5m]) > 1e15",
    "avg_over_time(load_total{{rule!='{i}'}}[10m]) > 1e15",
    "predict_linear(load_total{{rule!='{i}'}}[30m], 3600) > 1e18",
)


def rule_file(count):
    text = "groups:\n- name: load\n  rules:\n"
    for i in range(count):
        text += f"  - alert: Load{i}\n    expr: \"{KINDS[i % len(KINDS)].format(i=i)}\"\n    for: 1m\n"
    return text


def body(series, n):
    """A counter of each of so many pods at the n-th scrape."""
    lines = [f'load_total{{pod="pod-{i}",team="t{i % 97}"}} {(i % 211 + 1) * n + (i * 7 + n * n) % 13}' for i in range(series)]
    return ("# TYPE load_total counter\n" + "\n".join(lines) + "\n").encode()


def make_body(series):
    """Of any time: scrapers that come together read the same."""
    bodies = [body(series, n) for n in range(BODIES)]
    begun = time.time()
    return lambda _: bodies[min(int((time.time() - begun) / SCRAPE_S), BODIES - 1)]


class Prometheus:
    def __init__(self, folder, exporter, rules, every_s):
        folder.mkdir()
        self.folder, self.port = folder, fleet.free_port()
        (folder / "rules.yml").write_text(rules)
        (folder / "p.yml").write_text(
            f"global: {{scrape_interval: {SCRAPE_S}s, evaluation_interval: {every_s}s}}\nrule_files: [{folder}/rules.yml]\n"
            f"scrape_configs: [{{job_name: fleet, static_configs: [{{targets: ['127.0.0.1:{exporter}']}}]}}]\n")
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={folder}/p.yml", f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=error"])

    def metrics(self):
        """Sums over all labels."""
        found = {}
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith("prometheus_"):
                    name, value = line.rsplit(" ", 1)
                    name = name.split("{")[0]
                    found[name] = found.get(name, 0) + float(value)
        return found

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder)


class Run:
    """What one size gave: seconds of CPU, and evaluations of a rule over a series."""

    def __init__(self, bench, daemon_of, cpu_of, series, count, every_s):
        self.series, self.count = series, count
        text = rule_file(count)
        policies = imported(bench, text)
        with daemon_of(bench, policies, "1s", f"{SCRAPE_S}s", make_body(series), series=series, host=False) as daemon:
            theirs = Prometheus(bench.folder / "with", daemon.exporter.port, text, every_s)
            idle = Prometheus(bench.folder / "without", daemon.exporter.port, "groups: []\n", every_s)
            try:
                time.sleep(SETTLE_S)
                self.window(daemon, theirs, idle, cpu_of)
                time.sleep(1)
                self.ticks(daemon)
            finally:
                theirs.stop()
                idle.stop()

    def window(self, daemon, theirs, idle, cpu_of):
        def cpus():
            return sum(daemon.cpu_of_threads().values()), cpu_of(theirs.process.pid), cpu_of(idle.process.pid)

        told, metrics, before = daemon.metrics(), theirs.metrics(), cpus()
        time.sleep(MEASURE_S)
        after, now, later = cpus(), theirs.metrics(), daemon.metrics()
        self.heald_s, self.theirs_s, self.idle_s = (b - a for a, b in zip(before, after))
        self.ticked = later["heald_ticks_total"] - told["heald_ticks_total"]
        self.evaluated = now["prometheus_rule_evaluations_total"] - metrics["prometheus_rule_evaluations_total"]
        self.missed = now["prometheus_rule_group_iterations_missed_total"] - metrics["prometheus_rule_group_iterations_missed_total"]
        self.failed = now["prometheus_rule_evaluation_failures_total"]
        self.seen = later["heald_series"]

    def ticks(self, daemon):
        times = []
        for _ in range(TICKS):
            times.append(daemon.metrics()["heald_tick_cpu_seconds"])
            time.sleep(1)
        self.tick_s = sum(times) / len(times)

    def whole_ns(self):
        """(heald, Prometheus) for a rule, a series and an evaluation, all that the processes do among it."""
        return (1e9 * self.heald_s / (self.ticked * self.count * self.series),
                1e9 * self.theirs_s / (self.evaluated * self.series))

    def rule_ns(self):
        """The same of evaluation alone: a tick of heald; what rules add to a Prometheus."""
        return (1e9 * self.tick_s / (self.count * self.series),
                1e9 * (self.theirs_s - self.idle_s) / (self.evaluated * self.series))


def imported(bench, text):
    path = bench.folder / "load.yml"
    path.write_text(text)
    return bench.call("healc", "import", "prometheus", "--interval", "1s", path)
