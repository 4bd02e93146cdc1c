#!/usr/bin/env python3
"""A worker for the quickstart: serves Prometheus metrics over HTTP and, if told so, really leaks memory.

usage: worker.py NAME --port N --pidfile FILE [--limit-mib N --leak-mib-per-s X] [--error-ratio X]

The limit is real: past it the process gets no more memory and dies with status 77, as one that the
kernel kills would.
"""
import argparse
import http.server
import os
import random
import resource
import signal
import sys
import threading
import time

DIED_AT_LIMIT = 77


class Worker:
    def __init__(self, options):
        self.options = options
        self.leaked = []
        self.requests = 0
        self.errors = 0
        self.random = random.Random(7)

    def leak(self):
        """Allocates and touches memory that is never given back, a little at a time, with some noise."""
        while True:
            time.sleep(0.1)
            size = int(self.options.leak_mib_per_s * 0.1 * self.random.uniform(0.6, 1.4) * (1 << 20))
            try:
                block = bytearray(size)
                block[::4096] = b"x" * len(range(0, size, 4096))
                self.leaked.append(block)
            except MemoryError:
                self.leaked.clear()
                os.write(2, f"{self.options.name}: died at its memory limit\n".encode())
                os._exit(DIED_AT_LIMIT)

    def serve_requests(self):
        while True:
            time.sleep(0.05)
            self.requests += 1
            self.errors += self.random.random() < self.options.error_ratio

    def metrics(self):
        label = f'{{process="{self.options.name}"}}'
        lines = [
            "# HELP worker_requests_total Requests served.",
            "# TYPE worker_requests_total counter",
            f"worker_requests_total{label} {self.requests}",
            "# HELP worker_errors_total Requests that failed.",
            "# TYPE worker_errors_total counter",
            f"worker_errors_total{label} {self.errors}",
            "# HELP worker_ready 1 when the worker takes requests.",
            "# TYPE worker_ready gauge",
            f"worker_ready{label} 1",
        ]
        if self.options.limit_mib:
            lines += [
                "# HELP worker_memory_limit_bytes The worker dies when it needs more memory than this.",
                "# TYPE worker_memory_limit_bytes gauge",
                f"worker_memory_limit_bytes{label} {self.options.limit_mib << 20}",
            ]
        return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pidfile", required=True)
    parser.add_argument("--limit-mib", type=int, default=0)
    parser.add_argument("--leak-mib-per-s", type=float, default=0.0)
    parser.add_argument("--error-ratio", type=float, default=0.0)
    worker = Worker(parser.parse_args())

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = worker.metrics().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", worker.options.port), Handler)
    if worker.options.limit_mib:
        limit = worker.options.limit_mib << 20
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    temporary = worker.options.pidfile + ".new"
    with open(temporary, "w", encoding="ascii") as file:
        file.write(f"{os.getpid()}\n")
    os.rename(temporary, worker.options.pidfile)
    threading.Thread(target=worker.serve_requests, daemon=True).start()
    if worker.options.leak_mib_per_s:
        threading.Thread(target=worker.leak, daemon=True).start()
    server.serve_forever()


main()
