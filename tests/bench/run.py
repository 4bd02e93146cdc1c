#!/usr/bin/env python3
"""The figures of the spine: run.py BUILD_FOLDER [check|eval|heald|usual|idle|start|latency|ingest|flight|code|rules|million]...

Every line: figure, target, measured, OK or MISSED, and the CPU time of one fixed loop of this machine taken
right then, so that figures of other days and machines can be compared. Exit 0 when everything ran, whatever
the figures; a bench is no test.
"""
import json
import os
import pathlib
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import fleet
import rules

CHECK_ROUNDS = 9
DAEMON_SETTLE_S, DAEMON_MEASURE_S = 6, 30
LATENCY_SETTLE_S, LATENCY_MEASURE_S = 3, 40
SYNCS = 200
EVENT_PODS = 10000
SERIES, IDLE_SERIES, IDLE_POLICIES = 10000, 100, 5
FIGURES = ("check", "eval", "heald", "usual", "idle", "start", "latency", "ingest", "flight")
PROMETHEUS_SETTLE_S, PROMETHEUS_MEASURE_S = 6, 20
PROMETHEUS_SCRAPE_NS = 2200  # of CPU a scraped sample, Prometheus 2.42
RULE_SIZES = ((10000, 10, 15), (10000, 100, 15), (100000, 10, 15))  # series, rules, seconds between Prometheus' evaluations
BY_NAME = FIGURES + ("code", "rules", "million")  # minutes each: asked for by name


class Failure(Exception):
    """The bench could not run."""


class Bench:
    def __init__(self, build, folder):
        self.build, self.folder = build, folder

    def call(self, name, *arguments):
        got = subprocess.run([str(self.build / name), *map(str, arguments)], capture_output=True, text=True)
        if got.returncode != 0:
            raise Failure(f"{name} {' '.join(map(str, arguments))}: {got.stdout[-2000:]}{got.stderr[-2000:]}")
        return got.stdout

    def yardstick(self):
        return float(self.call("bench_yardstick"))

    def line(self, figure, target, measured, ok):
        verdict = "" if ok is None else "OK" if ok else "MISSED"
        print(f"{figure:<58} {target:>10}  {measured:<44} {verdict:<6} yardstick {self.yardstick():.0f} ms", flush=True)

    # ---- healc check ----

    def check(self):
        path = self.folder / "thousand.heal"
        path.write_text(fleet.policies(1000))
        times = []
        for _ in range(CHECK_ROUNDS):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            self.call("healc", "check", path)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        took = statistics.median(times)
        self.line("healc check, 1,000 policies, CPU", "< 1 s", f"{took:.3f} s", took < 1)

    # ---- the reference evaluator ----

    def eval(self):
        for arguments, figure in (
            ([], "evaluator, z-score policy, 100,000 entities, to C by hand"),
            (["--engine"], "the same as one engine step, with its 'for'"),
        ):
            got = json.loads(self.call("bench_eval", *arguments))
            measured = f"{got['ratio']:.2f} x ({got['eval_ns']:.2f} to {got['hand_ns']:.2f} ns an entity)"
            self.line(figure, "<= 4 x", measured, got["ratio"] <= 4)

    # ---- samples on their way in ----

    def prometheus(self):
        """Nanoseconds of CPU a sample of a real Prometheus that scrapes the lines of bench_ingest; what it was once without one."""
        if not shutil.which("prometheus"):
            return PROMETHEUS_SCRAPE_NS, "2.2 us, measured once"
        lines = self.call("bench_ingest", "body").encode()
        exporter, folder = fleet.Exporter(lambda n: lines), self.folder / "prometheus"
        folder.mkdir()
        (folder / "p.yml").write_text("global: {scrape_interval: 1s}\nscrape_configs: [{job_name: shop, static_configs: "
                                      f"[{{targets: ['127.0.0.1:{exporter.port}']}}]}}]\n")
        process = subprocess.Popen(["prometheus", f"--config.file={folder}/p.yml", f"--storage.tsdb.path={folder}/data",
                                    f"--web.listen-address=127.0.0.1:{fleet.free_port()}", "--log.level=error"])
        try:
            time.sleep(PROMETHEUS_SETTLE_S)
            before, answers = cpu_of(process.pid), exporter.answers
            time.sleep(PROMETHEUS_MEASURE_S)
            used, answers = cpu_of(process.pid) - before, exporter.answers - answers
        finally:
            process.terminate()
            process.wait()
            exporter.stop()
        if answers < PROMETHEUS_MEASURE_S / 2:
            raise Failure(f"Prometheus scraped {answers} times")
        return used / answers / lines.count(b"} ") * 1e9, "measured now"

    def ingest(self):
        theirs, when = self.prometheus()
        got = json.loads(self.call("bench_ingest"))
        lines = f"{got['line_bytes']} bytes a line"
        self.line("text, a sample: parsed, to a scan for line feeds", "<= 1.5 x",
                  f"{got['parse'] / got['scan']:.2f} x ({got['parse']:.1f} to {got['scan']:.1f} ns; {lines})", got["parse"] <= 1.5 * got["scan"])
        self.line("text, a sample: parse, hash and look-up to prediction", ">= 10 x",
                  f"{got['hash'] / got['parse']:.1f} x ({got['hash']:.0f} to {got['parse']:.1f} ns)", got["hash"] >= 10 * got["parse"])
        ratio = theirs / got["scrape"]
        print(f"a scraped sample in Prometheus, whole process: {theirs:.0f} ns ({when})")
        self.line("scrape, a sample to the store, to Prometheus", ">= 50 x",
                  f"{ratio:.0f} x ({got['scrape']:.1f} ns: {got['intake']:.1f} ingest, {got['drain']:.1f} engine)", ratio >= 50)
        self.line("remote write, samples a second on one core, in ingest", ">= 8 M",
                  f"{1e3 / got['write']:.1f} M ({got['write']:.0f} ns; snappy alone {got['snappy']:.0f}, nanopb {got['nanopb']:.0f})", got["write"] <= 125)
        self.line("remote write, to the store", "", f"{1e3 / got['receive']:.1f} M ({got['receive']:.0f} ns)", None)
        scraped, sent = (got[kind] + got["store_bytes"] - got["sample_bytes"] for kind in ("text_bytes", "write_bytes"))
        self.line("a series beside its samples: scraped", "<= 300 B",
                  f"{scraped} B ({got['text_bytes']} in ingest, {got['store_bytes'] - got['sample_bytes']} in the engine)", scraped <= 300)
        self.line("a series beside its samples: sent", "<= 300 B", f"{sent} B ({got['write_bytes']} in ingest)", sent <= 300)

    # ---- what is recorded ----

    def flight(self):
        """The flight recorder: bytes and CPU a sample, beside the store's own CPU for the same sample."""
        got = json.loads(self.call("bench_flight", self.folder))
        for kind, what, bytes_most, ratio_most in (
            ("same", "values that stand still", 0.01, 0.5),
            ("usual", "a usual mix", 2, 1.5),
            ("count", "counters", 3.5, None),
            ("noise", "noise, all bits", 10, None),
        ):
            part = got[kind]
            ratio = part["ns"] / part["store_ns"]
            self.line(f"flight recorder, {what}: bytes a sample", f"<= {bytes_most:g} B", f"{part['bytes']:.2f} B", part["bytes"] <= bytes_most)
            self.line(f"flight recorder, {what}: CPU, to the store's", f"<= {ratio_most:g} x" if ratio_most else "",
                      f"{ratio:.2f} x ({part['ns']:.1f} to {part['store_ns']:.1f} ns)", ratio <= ratio_most if ratio_most else None)
        self.line("flight recorder: a series that is born", "", f"{got['birth_bytes']:.0f} B", None)

    def code(self):
        print(self.call("bench_code"), end="")
        print(self.call("bench_window"), end="")
        print(f"yardstick {self.yardstick():.0f} ms")

    # ---- a million series ----

    def million(self):
        """A million active series under a hundred rules at a tick of 1 s."""
        subprocess.run([sys.executable, pathlib.Path(__file__).parent / "million.py", self.build], check=True)

    # ---- rules of Prometheus ----

    def rules(self):
        if not shutil.which("prometheus"):
            raise Failure("there is no prometheus")
        print("threshold, rate[5m], avg_over_time[10m], predict_linear[30m] in turn; CPU for a rule, a series and an evaluation.")
        print(f"Scraped every {rules.SCRAPE_S} s; heald ticks every 1 s. Windows have at most {rules.SAMPLES_MAX} samples where full ones have 20, 40 and 120: "
              "Prometheus' cost grows with them, heald's does not, so ratios are at least these.")
        for series, count, every_s in RULE_SIZES:
            self.rules_of(rules.Run(self, Daemon, cpu_of, series, count, every_s), every_s)

    def rules_of(self, run, every_s):
        if run.missed or run.failed or run.seen < run.series or run.evaluated < run.count or run.ticked < rules.MEASURE_S / 2:
            raise Failure(f"Prometheus missed {run.missed:.0f} of its evaluations, {run.failed:.0f} failed, {run.evaluated:.0f} were made; "
                          f"heald sees {run.seen:.0f} series in {run.ticked:.0f} ticks")
        name = f"{run.series:,} series, {run.count} rules"
        print(f"{name}: {rules.MEASURE_S} s of CPU: heald {run.heald_s:.2f} s for {run.ticked:.0f} ticks, {1e3 * run.tick_s:.2f} ms each; "
              f"Prometheus {run.theirs_s:.2f} s for {run.evaluated / run.count:.0f} evaluations, {run.idle_s:.2f} s without rules")
        for what, target, (ours, theirs) in (("whole processes", 1000, run.whole_ns()), ("a tick alone", 10000, run.rule_ns())):
            self.line(f"{name}: {what}, to Prometheus", f">= {target:,} x",
                      f"{theirs / ours:,.0f} x ({ours:.2f} to {theirs:.0f} ns)", theirs >= target * ours)

    # ---- the daemon ----

    def heald(self):
        self.load("1s", "hard: scraped every 1 s")

    def usual(self):
        self.load("15s", "usual: scraped every 15 s")

    def load(self, interval, name):
        bodies = [fleet.body(SERIES, t) for t in range(60)]
        with Daemon(self, fleet.policies(100), "1s", interval, lambda n: bodies[n % len(bodies)]) as daemon:
            time.sleep(DAEMON_SETTLE_S)
            before, began = daemon.cpu(), time.monotonic()
            time.sleep(DAEMON_MEASURE_S)
            after, took = daemon.cpu(), time.monotonic() - began
            metrics = daemon.metrics()
            pss = daemon.pss()
        if metrics["heald_series"] < SERIES or metrics["heald_ticks_total"] < DAEMON_MEASURE_S:
            raise Failure(f"heald saw {metrics['heald_series']} series in {metrics['heald_ticks_total']} ticks")
        used = {role: 100 * (after[role] - before[role]) / took for role in after}
        total = sum(used.values())
        self.line(f"heald, {name}: PSS", "< 100 MiB", f"{sum(pss.values()):.1f} MiB ({words(pss)})", sum(pss.values()) < 100)
        self.line(f"heald, {name}: CPU of one core", "< 2 %", f"{total:.2f} % ({words(used)})", total < 2)
        full = json.loads(self.call("bench_tick", self.folder / "policies" / "bench.heal", self.body_file(), interval[:-1]))
        whole = total + (full["tick_ms"] - full["young_ms"]) / 10
        self.line(
            f"heald, {name}: CPU, windows full",
            "< 2 %",
            f"{whole:.2f} % (tick {full['tick_ms']:.2f} ms; young {full['young_ms']:.2f})",
            whole < 2,
        )
        more = full["grown_bytes"] / 2**20
        self.line(
            f"heald, {name}: PSS, windows full",
            "< 100 MiB",
            f"{sum(pss.values()) + more:.1f} MiB ({more:.1f} MiB more)",
            sum(pss.values()) + more < 100,
        )
        self.line(
            f"heald, {name}: memory, windows full",
            "",
            f"{full['series_bytes']:.0f} bytes a series, {full['policy_bytes'] / 1024:.0f} KiB a policy",
            None,
        )
        ingest = (after["ingest"] - before["ingest"]) / (took / int(interval[:-1])) / SERIES * 1e9
        self.line(
            f"heald, {name}: a sample, scrape to store",
            "",
            f"{ingest:.0f} ns in ingest, {full['append_ns']:.0f} ns to append",
            None,
        )

    def idle(self):
        """A bundle's machine code and nothing to do: what heald costs a host that is well."""
        text = fleet.body(IDLE_SERIES, 0)
        with Daemon(self, fleet.policies(IDLE_POLICIES), "1s", "15s", lambda n: text, series=IDLE_SERIES) as daemon:
            time.sleep(DAEMON_SETTLE_S)
            pss, llvm = daemon.pss(), daemon.mapped("LLVM")
        whole = sum(pss.values())
        self.line("heald, idle, 5 policies on a bundle: PSS", "< 40 MiB", f"{whole:.1f} MiB ({words(pss)})", whole < 40)
        self.line("heald, idle: processes that map LLVM", "none", ", ".join(llvm) or "none", not llvm)

    def body_file(self):
        path = self.folder / "body.txt"
        path.write_bytes(fleet.body(SERIES, 0))
        return path

    def start(self):
        text = fleet.body(SERIES, 0)
        with Daemon(self, fleet.policies(1000), "1s", "1s", lambda n: text) as daemon:
            self.line("heald, 1,000 policies: start until it sees the fleet", "", f"{daemon.started_s:.2f} s", None)
            time.sleep(3)
            tick, pss = daemon.metrics()["heald_tick_cpu_seconds"], sum(daemon.pss().values())
            self.line("heald, 1,000 policies: a young tick; PSS", "", f"{tick * 1e3:.1f} ms; {pss:.1f} MiB", None)

    # ---- from a decision to the journal ----

    def latency(self):
        self.decide(self.folder / "state", f"of a disk whose bare fdatasync has a p99 of {self.bare_sync():.1f} ms")
        memory = pathlib.Path("/dev/shm")
        if memory.is_dir():
            folder = pathlib.Path(tempfile.mkdtemp(prefix="heal-bench-", dir=memory))
            try:
                self.decide(folder / "state", "in memory: heal's own part")
            finally:
                shutil.rmtree(folder)

    def bare_sync(self):
        """p99 in ms of one page written and synced, as the best a journal could do here."""
        times = []
        with open(self.folder / "bare", "wb", buffering=0) as file:
            for i in range(SYNCS):
                began = time.perf_counter()
                os.pwrite(file.fileno(), bytes(4096), i % 64 * 4096)
                os.fdatasync(file.fileno())
                times.append((time.perf_counter() - began) * 1e3)
                time.sleep(0.01)
        return sorted(times)[len(times) * 99 // 100]

    def decide(self, state, where):
        with Daemon(self, fleet.events(), "50ms", "100ms", fleet.event_body(EVENT_PODS), state) as daemon:
            time.sleep(LATENCY_SETTLE_S)
            before = daemon.metrics()
            time.sleep(LATENCY_MEASURE_S)
            after = daemon.metrics()
        key = "heald_commit_seconds_bucket"
        counts = [(bound, after[key][bound] - before[key][bound]) for bound in after[key]]
        total = counts[-1][1]
        opened = after["heald_incidents_opened_total"] - before["heald_incidents_opened_total"]
        if opened < 200:
            raise Failure(f"only {opened:.0f} decisions in {total:.0f} commits")
        p99 = float(next(bound for bound, count in counts if count >= 0.99 * total))
        within = dict(counts)["0.005"] / total
        print(f"decisions journalled over {EVENT_PODS:,} entities, on a journal {where}:")
        self.line(
            f"  after the end of the step, {opened:.0f} decisions, p99",
            "<= 5 ms",
            f"<= {p99 * 1e3:g} ms ({100 * within:.1f} % of {total:.0f} commits within 5 ms)",
            p99 <= 0.005,
        )


def cpu_of(pid):
    """Seconds of CPU of a process."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def words(parts):
    return ", ".join(f"{name} {value:.2f}" for name, value in parts.items())


class Daemon:
    """A real heald over the fleet's exporter, in a folder of its own."""

    def __init__(self, bench, policies, tick, interval, make, state=None, series=SERIES, host=True):
        self.series, self.host = series, host
        self.bench, self.folder, self.state = bench, bench.folder, state or bench.folder / "state"
        self.exporter = fleet.Exporter(make)
        self.listen = fleet.free_port()
        self.start(policies, tick, interval)

    def start(self, policies, tick, interval):
        for path in (self.state, self.folder / "policies"):
            shutil.rmtree(path, ignore_errors=True)
        (self.folder / "policies").mkdir()
        (self.folder / "policies" / "bench.heal").write_text(policies)
        bundle = self.folder / "bench.healb"
        self.bench.call("healc", "compile", self.folder / "policies", "-o", bundle)
        self.bench.call("healc", "sign", "--key", self.folder / "bench.key", bundle)
        config = self.folder / "heald.yaml"
        config.write_text(
            f"state: {self.state}\npolicies: {bundle}\ntrusted_key: {self.folder}/bench.pub\n"
            f"listen: 127.0.0.1:{self.listen}\ntick: {tick}\n"
            f'scrape:\n  - job: fleet\n    targets: ["http://127.0.0.1:{self.exporter.port}/metrics"]\n'
            f"    interval: {interval}\n    timeout: {interval if interval != '15s' else '5s'}\n    series_max: {max(50000, 2 * self.series)}\n"
            f"host: {{enabled: {str(self.host).lower()}}}\n"
            "channels:\n  oncall: {log: {}}\n  prometheus: {log: {}}\n"
        )
        self.log = open(self.folder / "heald.log", "w+", encoding="utf-8")
        self.process = subprocess.Popen([str(self.bench.build / "heald"), "-c", str(config)], stdout=self.log, stderr=self.log)

    def __enter__(self):
        began = time.monotonic()
        while time.monotonic() - began < 20 and self.process.poll() is None:
            try:
                if self.metrics()["heald_series"] > self.series / 2:
                    self.started_s = time.monotonic() - began
                    return self
            except (OSError, KeyError):
                pass
            time.sleep(0.05)
        self.__exit__(None, None, None)
        self.log.seek(0)
        raise Failure(f"heald does not see the fleet: {self.log.read()[-3000:]}")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.exporter.stop()

    def metrics(self):
        """Name -> value; of a histogram, name_bucket -> {bound: value}."""
        found = {}
        with urllib.request.urlopen(f"http://127.0.0.1:{self.listen}/metrics", timeout=5) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith("#"):
                    continue
                name, value = line.rsplit(" ", 1)
                if "_bucket{le=" in name:
                    base, bound = name[:-2].split('{le="')
                    found.setdefault(base, {})[bound] = float(value)
                else:
                    found[name] = float(value)
        return found

    def processes(self):
        """Role -> pid: the parent and its children, by their command lines."""
        found = {"parent": self.process.pid}
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for pid in map(int, children):
            words_of = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            role = words_of[words_of.index(b"--role") + 1].decode() if b"--role" in words_of else str(pid)
            found[role] = pid
        return found

    def cpu(self):
        """Seconds of CPU since each process began, to the nanosecond where the kernel says."""
        found = {}
        for role, pid in self.processes().items():
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            found[role] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            try:
                found[role] = int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
            except OSError:
                pass
        return found

    def cpu_of_threads(self):
        """Seconds of CPU of each process, all its threads."""
        found = {}
        for role, pid in self.processes().items():
            threads = pathlib.Path(f"/proc/{pid}/task").iterdir()
            found[role] = sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9
        return found

    def mapped(self, name):
        """Roles that map a file with that in its name."""
        return [role for role, pid in self.processes().items() if name in pathlib.Path(f"/proc/{pid}/maps").read_text()]

    def pss(self):
        """MiB of each process; what they share is counted once among them."""
        found = {}
        for role, pid in self.processes().items():
            for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    found[role] = int(line.split()[1]) / 1024
        return found


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    build = pathlib.Path(sys.argv[1]).resolve()
    names = sys.argv[2:] or list(FIGURES)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="heal-bench-"))
    bench = Bench(build, folder)
    try:
        for name in names:
            if name not in BY_NAME:
                raise Failure(f"there is no figure '{name}'; there are {', '.join(BY_NAME)}")
            getattr(bench, name)()
    except Failure as failure:
        sys.exit(f"bench: {failure}")
    finally:
        shutil.rmtree(folder)


main()
