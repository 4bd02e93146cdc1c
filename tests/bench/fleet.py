"""A fleet to measure with: 1,000 pods of ten metrics in ten teams, and policies of ten kinds over it.

All from numbers, so that two runs measure the same.
"""
import http.server
import socket
import threading

PODS, TEAMS = 1000, 10
# name, declaration, value of a pod at a time; counters grow
METRICS = [
    ("app_requests_total", "count counter", lambda pod, t: 50.0 * t + pod),
    ("app_errors_total", "count counter", lambda pod, t: 0.25 * t + pod % 7),
    ("app_restarts_total", "count counter", lambda pod, t: pod % 3),
    ("app_memory_bytes", "bytes", lambda pod, t: 3e8 + 1e6 * (pod % 50) + 1000 * ((pod * 7 + t) % 100)),
    ("app_memory_limit_bytes", "bytes", lambda pod, t: 1e9),
    ("app_latency_seconds", "seconds", lambda pod, t: 0.02 + 0.0001 * ((pod * 13 + 17 * t) % 97)),
    ("app_queue_jobs", "count", lambda pod, t: (pod * 31 + 11 * t) % 89),
    ("app_connections", "count", lambda pod, t: 20 + (pod + t) % 31),
    ("app_connections_max", "count", lambda pod, t: 100),
    ("app_ready", "ratio", lambda pod, t: 1),
]
LABELS = "instance, job, pod, team"

# name, risk, signals, condition, its end
KINDS = [
    ("threshold", "performance", ["jobs = max by (pod) (app_queue_jobs{SEL})"], "jobs > 900 for 30s", "jobs < 500 for 1m"),
    (
        "rate",
        "availability",
        [
            "failed = sum by (pod) (rate(app_errors_total{SEL}[5m]))",
            "asked = sum by (pod) (rate(app_requests_total{SEL}[5m]))",
        ],
        "failed / asked > 20% for 1m",
        "failed / asked < 5% for 1m",
    ),
    (
        "average",
        "performance",
        ["latency = max by (pod) (avg_over_time(app_latency_seconds{SEL}[10m]))"],
        "latency > 500ms for 1m",
        "latency < 100ms for 1m",
    ),
    (
        "zscore",
        "performance",
        ["jobs = max by (pod) (app_queue_jobs{SEL})"],
        "zscore(jobs, alpha: 0.05) > 30 for 3s",
        "zscore(jobs, alpha: 0.05) < 2 for 1m",
    ),
    (
        "deriv",
        "capacity",
        ["growth = max by (pod) (deriv(app_memory_bytes{SEL}[10m]))"],
        "growth > 4MiB/s for 1m",
        "growth < 1MiB/s for 1m",
    ),
    (
        "forecast",
        "capacity",
        ["used = sum by (pod) (app_memory_bytes{SEL})", "limit = max by (pod) (app_memory_limit_bytes{SEL})"],
        "forecast(used, in: 10m, lookback: 10m) reaches 95% of limit with (chance >= 90%) for 1m",
        "used < 50% of limit for 1m",
    ),
    (
        "join",
        "capacity",
        ["taken = max by (pod) (app_connections{SEL} / app_connections_max{SEL})"],
        "taken > 90% for 1m",
        "taken < 70% for 1m",
    ),
    (
        "peak",
        "performance",
        ["latency = max by (pod) (max_over_time(app_latency_seconds{SEL}[10m]))"],
        "latency > 2s for 1m",
        "latency < 1s for 1m",
    ),
    (
        "increase",
        "availability",
        ["restarts = max by (pod) (increase(app_restarts_total{SEL}[10m]))"],
        "restarts > 5 for 1m",
        "restarts < 2 for 1m",
    ),
    (
        "share",
        "performance",
        ["mine = sum by (pod) (app_queue_jobs{SEL})"],
        "mine / on () group_left () sum(app_queue_jobs{SEL}) > 50% for 1m",
        "mine / on () group_left () sum(app_queue_jobs{SEL}) < 20% for 1m",
    ),
]

TAIL = """
  on missing hold
  on stale > 1m notify oncall
  heal {
    try restart_pod(pod)
        verify max by (pod) (app_ready{SEL}) == 1 holds 5s within 2m
    else page oncall
  }
  bound at most 2 of pod per 10m
  cooldown 1m doubling to 1h
  escalate to oncall when unresolved for 10m
}
"""


def policies(count):
    """The text of `count` policies that may act, ten kinds over ten teams in turn."""
    parts = ["edition 1\n\n"]
    parts += [f"metric {name} {kind} by ({LABELS})\n" for name, kind, _ in METRICS]
    parts += [f'pool pods_{team}(pod) = app_ready{{team="t{team}"}} == 1\n' for team in range(TEAMS)]
    parts.append(
        "\nchannel oncall = log\n\naction restart_pod(p: pod) {\n  via exec\n  replaces p\n"
        "  affects p.memory, p.errors, p.latency within 1m\n  irreversible\n  timeout 10s\n}\n"
    )
    for i in range(count):
        name, risk, signals, when, clear = KINDS[i % len(KINDS)]
        team = i // len(KINDS) % TEAMS
        text = "".join(f"  signal {signal}\n" for signal in signals)
        text += f"  when {when}\n  clear when {clear}" + TAIL
        parts.append(f'\npolicy {name}_{i} for each pod in pods_{team} {{\n  about "{name} of team {team}"\n')
        parts.append(f"  risk {risk}\n  impact medium\n" + text.replace("SEL", f'team="t{team}"'))
    return "".join(parts)


def body(series, t):
    """What the exporter says at second t: the first `series` of the fleet."""
    lines = []
    for m, (name, kind, value) in enumerate(METRICS):
        lines.append(f"# TYPE {name} {'counter' if 'counter' in kind else 'gauge'}")
        for pod in range(min(PODS, series - m * PODS)):
            lines.append(f'{name}{{pod="pod-{pod}",team="t{pod % TEAMS}"}} {value(pod, t):.10g}')
    return ("\n".join(lines) + "\n").encode()


def events():
    """One policy that decides about a pod now and then."""
    return (
        "edition 1\n\nmetric app_ready ratio by (instance, job, pod)\nmetric app_broken ratio by (instance, job, pod)\n"
        "pool pods(pod) = app_ready == 1\nchannel oncall = log\n\n"
        "action restart_pod(p: pod) {\n  via exec\n  replaces p\n  affects p.errors within 1s\n  irreversible\n"
        '  timeout 10s\n}\n\npolicy broken for each pod in pods {\n  about "the pod is broken"\n  risk availability\n'
        "  impact medium\n  signal broken = max by (pod) (app_broken)\n  when broken > 0.5 for 0s\n"
        "  clear when broken < 0.5\n  on missing hold\n  on stale > 1m hold\n  heal {\n    try restart_pod(pod)\n"
        "        verify broken < 0.5 within 1m\n    else page oncall\n  }\n  bound at most 100 of pod per 1h\n"
        "  cooldown 1s\n  escalate to oncall when unresolved for 1h\n}\n"
    )


def event_body(pods):
    """make(n) for an exporter: pod n of the n-th answer is broken, and no other."""
    ready = "# TYPE app_ready gauge\n" + "".join(f'app_ready{{pod="pod-{i}"}} 1\n' for i in range(pods))
    rows = [f'app_broken{{pod="pod-{i}"}} 0\n' for i in range(pods)]

    def make(n):
        bad = n * 7919 % pods
        changed = rows[:bad] + [rows[bad].replace("} 0", "} 1")] + rows[bad + 1 :]
        return (ready + "# TYPE app_broken gauge\n" + "".join(changed)).encode()

    return make


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Exporter:
    """Serves the fleet on loopback; bodies are made ahead, in a thread of its own."""

    def __init__(self, make):
        exporter = self
        self.make, self.answers = make, 0

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                exporter.answers += 1
                text = exporter.make(exporter.answers)
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                try:
                    self.wfile.write(text)
                except OSError:
                    self.close_connection = True  # too late for the one who asked

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
