#!/usr/bin/env python3
"""A million active series under a hundred rules at a tick of 1 s: million.py BUILD_FOLDER [SERIES [RULES]]

Twenty targets serve the series of ten metrics, half of them counters; heald scrapes each every 15 s and evaluates
RULES policies of four kinds, each over all series of one metric. Printed after a minute and a half: late ticks, the
CPU of a tick and of each process, memory, bytes a series. A bench is no test.
"""
import http.server
import os
import pathlib
import shutil
import signal
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

BUILD = pathlib.Path(sys.argv[1]).resolve()
SERIES = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
RULES = int(sys.argv[3]) if len(sys.argv) > 3 else 100
TARGETS, METRICS, SETTLE_S, MEASURE_S = 20, 10, 60, 30


def metric(m):
    return f"requests_{m}_total" if m % 2 else f"memory_{m}_bytes"


def body(target):
    lines = []
    for m in range(METRICS):
        lines.append(f"# TYPE {metric(m)} {'counter' if m % 2 else 'gauge'}\n")
        for i in range(SERIES // TARGETS // METRICS):
            lines.append(f'{metric(m)}{{namespace="shop",node="node-{target}",pod="service-{i % 50}-{target:02}{i:06}"}} {1e6 + i}\n')
    return "".join(lines).encode()


class Answer(http.server.BaseHTTPRequestHandler):
    bodies = {}
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        text = self.bodies[int(self.path.strip("/"))]
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


def condition(rule):
    m, span = rule % METRICS, rule // METRICS % 10 + 1
    if m % 2:
        return f"rate({metric(m)}[{span}m]) > 1000000"
    kind = rule // METRICS % 3
    return (f"{metric(m)} > {span}e12", f"avg_over_time({metric(m)}[{span}m]) > 1e12",
            f"predict_linear({metric(m)}[{3 * span}m], 3600) > 1e12")[kind]


def policies():
    parts = ["edition 1\nchannel oncall = log\n"]
    for rule in range(RULES):
        parts.append(f"policy rule_{rule} for each series every 1s {{\n  about \"bench\"\n  when {condition(rule)} for 30s\n"
                     "  on missing as prometheus\n  escalate to oncall\n}\n")
    return "".join(parts)


def metrics(port):
    found = {}
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        for line in answer.read().decode().splitlines():
            if not line.startswith("#") and "{" not in line:
                name, value = line.rsplit(" ", 1)
                found[name] = float(value)
    return found


def processes(parent):
    found = {"parent": parent}
    for pid in map(int, pathlib.Path(f"/proc/{parent}/task/{parent}/children").read_text().split()):
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        found[words[words.index(b"--role") + 1].decode() if b"--role" in words else str(pid)] = pid
    return found


def usage(parent):
    found = {}
    for role, pid in processes(parent).items():
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        resident = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
        found[role] = ((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), resident)
    return found


def main(folder):
    Answer.bodies = {t: body(t) for t in range(TARGETS)}
    servers = [Server(("127.0.0.1", 0), Answer) for _ in range(TARGETS)]  # an instance is an address and a port
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    with Server(("127.0.0.1", 0), Answer) as free:
        port = free.server_address[1]
    (folder / "bench.heal").write_text(policies())
    for command in (["compile", folder / "bench.heal", "-o", folder / "bench.healb"],
                    ["sign", "--key", folder / "bench.key", folder / "bench.healb"]):
        subprocess.run([BUILD / "healc", *command], check=True, capture_output=True)
    targets = ", ".join(f'"http://127.0.0.1:{servers[t].server_address[1]}/{t}"' for t in range(TARGETS))
    (folder / "heald.yaml").write_text(
        f"state: {folder}/state\npolicies: {folder}/bench.healb\ntrusted_key: {folder}/bench.pub\n"
        f"listen: 127.0.0.1:{port}\ntick: 1s\nhost: {{enabled: false}}\nscrape:\n  - job: fleet\n    targets: [{targets}]\n"
        "    interval: 15s\n    timeout: 14s\n    body_max: 64MiB\n    series_max: 200000\nchannels:\n  oncall: {log: {}}\n")
    with open(folder / "log", "w+", encoding="utf-8") as log:
        heald = subprocess.Popen([BUILD / "heald", "-c", folder / "heald.yaml"], stdout=log, stderr=log)
        try:
            time.sleep(SETTLE_S)
            before, was, began = usage(heald.pid), metrics(port), time.monotonic()
            time.sleep(MEASURE_S)
            after, now, took = usage(heald.pid), metrics(port), time.monotonic() - began
            for name in sorted(now):
                if any(part in name for part in ("tick", "late", "lost", "series", "store")):
                    print(f"  {name} {now[name]:g}")
            print(f"  samples lost while measured: {now['heald_feed_lost_total'] - was['heald_feed_lost_total']:.0f}")
            ticks = now["heald_ticks_total"] - was["heald_ticks_total"]
            print(f"{now['heald_series']:.0f} series, {RULES} rules: {ticks:.0f} ticks in {took:.0f} s")
            for role, (cpu, resident) in after.items():
                print(f"  {role:<8} {100 * (cpu - before[role][0]) / took:6.2f} % of a core, {resident / 2**20:8.1f} MiB resident, "
                      f"{resident / SERIES:6.0f} bytes a series")
        finally:
            heald.send_signal(signal.SIGTERM)
            try:
                heald.wait(30)
            except subprocess.TimeoutExpired:
                heald.kill()
            log.seek(0)
            print("".join(log.read().splitlines(True)[-12:]), end="")
    for server in servers:
        server.shutdown()


if __name__ == "__main__":
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="heal"))
    try:
        main(scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
