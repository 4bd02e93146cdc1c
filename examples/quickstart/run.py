#!/usr/bin/env python3
"""The main job, for real, on this host: run.py BUILD_FOLDER

Two real workers run under a small supervisor. `leaky` really leaks memory and would die at its limit;
`ledger` fails a part of its requests, and a guard keeps the last ledger running. heald scrapes both and
reads /proc, forecasts the leak, restarts `leaky` before the limit and verifies the recovery; for `ledger`
it meets the guard and tells a person instead. Exit 0 only if that is what happened.
"""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
LIMIT_MIB = 128
LEAK_MIB_PER_S = 3.0
TIME_LIMIT_S = 110
DIED_AT_LIMIT = 77


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Supervisor:
    """Starts a worker again whenever it ends, as init would, and remembers how each one ended."""

    def __init__(self, folder, name, arguments):
        self.endings = []
        self.stopping = False
        pidfile = str(folder / f"{name}.pid")
        self.command = [sys.executable, str(HERE / "worker.py"), name, "--pidfile", pidfile, *arguments]
        self.process = subprocess.Popen(self.command)
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        while True:
            code = self.process.wait()
            if self.stopping:
                return
            self.endings.append(code)
            self.process = subprocess.Popen(self.command)

    def stop(self):
        self.stopping = True
        self.process.kill()
        self.process.wait()


class Demo:
    def __init__(self, build, folder):
        self.build, self.folder = build, folder
        self.socket = folder / "state" / "control.sock"
        self.ports = {name: free_port() for name in ("leaky", "ledger", "listen")}
        self.workers = {}
        self.heald = None
        self.tail = None

    def say(self, text):
        print(f"quickstart: {text}", flush=True)

    def program(self, name, *arguments, **options):
        return subprocess.run([str(self.build / name), *arguments], text=True, **options)

    def prepare(self):
        policies = self.folder / "policies"
        shutil.copytree(HERE / "policies", policies)
        text = (HERE / "heald.yaml.in").read_text(encoding="utf-8")
        for key, value in {
            "@FOLDER@": self.folder,
            "@EXAMPLE@": HERE,
            "@PYTHON@": sys.executable,
            "@PORT@": self.ports["listen"],
            "@LEAKY_PORT@": self.ports["leaky"],
            "@LEDGER_PORT@": self.ports["ledger"],
        }.items():
            text = text.replace(key, str(value))
        (self.folder / "heald.yaml").write_text(text, encoding="utf-8")
        self.say("the policies are checked, tested, compiled and signed with a development key")
        self.program("healc", "test", str(policies), check=True)
        self.program("healc", "compile", str(policies), "-o", f"{policies}.healb", check=True)
        self.program("healc", "sign", "--key", str(self.folder / "development.key"), f"{policies}.healb", check=True)
        self.program("heald", "-n", "-c", str(self.folder / "heald.yaml"), check=True, stdout=subprocess.DEVNULL)

    def start(self):
        self.workers["leaky"] = Supervisor(
            self.folder,
            "leaky",
            ["--port", str(self.ports["leaky"]), "--limit-mib", str(LIMIT_MIB), "--leak-mib-per-s", str(LEAK_MIB_PER_S)],
        )
        self.workers["ledger"] = Supervisor(
            self.folder, "ledger", ["--port", str(self.ports["ledger"]), "--error-ratio", "0.4"]
        )
        while not all((self.folder / f"{name}.pid").exists() for name in self.workers):
            time.sleep(0.05)
        self.say(f"leaky leaks about {LEAK_MIB_PER_S:.0f} MiB/s and dies at {LIMIT_MIB} MiB; ledger fails 40% of its requests")
        log = open(self.folder / "heald.log", "w", encoding="utf-8")
        self.heald = subprocess.Popen(
            [str(self.build / "heald"), "-c", str(self.folder / "heald.yaml")], stderr=log, stdout=log
        )
        deadline = time.monotonic() + 20
        while self.program("healctl", "--socket", str(self.socket), "status", capture_output=True).returncode not in (0, 1):
            if time.monotonic() > deadline or self.heald.poll() is not None:
                sys.stderr.write((self.folder / "heald.log").read_text(encoding="utf-8"))
                sys.exit("quickstart: heald did not start")
            time.sleep(0.1)
        self.say("heald runs; what it sees, concludes and does:")
        self.tail = subprocess.Popen([str(self.build / "healctl"), "--socket", str(self.socket), "tail", "-f"])

    def records(self):
        got = self.program(
            "healctl", "--socket", str(self.socket), "-o", "json", "tail", capture_output=True
        )
        if got.returncode != 0:
            return []
        records = []
        for line in got.stdout.splitlines():
            answer = json.loads(line)
            records += answer["records"] if "records" in answer else [answer]
        return records

    def wait(self):
        """Until the leak's incident is closed and the ledger's reached a person; returns their records."""
        deadline = time.monotonic() + TIME_LIMIT_S
        while time.monotonic() < deadline and self.heald.poll() is None:
            leak = [r for r in self.records() if r.get("policy") == "worker_memory"]
            errors = [r for r in self.records() if r.get("policy") == "worker_errors"]
            if any(r["kind"] == "closed" for r in leak) and any(r["kind"] == "notified" for r in errors):
                return leak, errors
            if DIED_AT_LIMIT in self.workers["leaky"].endings:
                break
            time.sleep(0.5)
        return None, None

    def explain(self, records):
        incident = next(r["incident"] for r in records if r["kind"] == "opened")
        print()
        self.program("healctl", "--socket", str(self.socket), "explain", str(incident))

    def stop(self):
        for process in (self.tail, self.heald):
            if process and process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    process.kill()
        for worker in self.workers.values():
            worker.stop()

    def judge(self, leak, errors):
        if leak is None:
            sys.stderr.write((self.folder / "heald.log").read_text(encoding="utf-8"))
            return "the worker was not healed in time"
        if self.workers["leaky"].endings != [0]:
            return f"leaky ended with {self.workers['leaky'].endings}, not by one clean restart"
        if self.workers["ledger"].endings:
            return "ledger was restarted, although the guard forbids it"
        kinds = [r["kind"] for r in leak]
        if not all(kind in kinds for kind in ("opened", "concluded", "dispatched", "succeeded", "verified")):
            return f"a step is missing from the leak's history: {kinds}"
        if any(r["kind"] == "dispatched" for r in errors):
            return "an action on ledger was dispatched"
        return None


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="heal-quickstart-"))
    demo = Demo(build, folder)
    started = time.monotonic()
    try:
        demo.prepare()
        demo.start()
        leak, errors = demo.wait()
        time.sleep(0.5)
        if demo.tail:
            demo.tail.terminate()
        if leak:
            demo.explain(leak)
            demo.explain(errors)
        print()
    finally:
        demo.stop()
    fault = demo.judge(leak, errors)
    if fault:
        demo.say(f"FAILED: {fault} (the files are in {folder})")
        sys.exit(1)
    shutil.rmtree(folder)
    demo.say(
        f"healed: leaky was restarted once, before its limit of {LIMIT_MIB} MiB, and the recovery was verified; "
        f"ledger was left to a person ({time.monotonic() - started:.0f} s)"
    )


main()
