"""A world around the real heald: a fake exporter, a recorder that grants run, a receiver of webhooks.

    with World(folder) as world:
        world.bad["a"] = 1                       # app_bad{service="a"} of the exporter
        until(lambda: world.effects("fix"))      # the recorder's lines
        world.record("verified")                 # what the journal says, asked over the socket
"""
import contextlib
import hashlib
import http.client
import http.server
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import threading
import time
from case import BUILD, CAGED, program, until

PREAMBLE = """edition 1
pool services(service) = app_up == 1
channel oncall = webhook("oncall")
metric app_up ratio by (instance, job, service)
metric app_bad ratio by (instance, job, service)
metric app_total count counter by (instance, job, service)
action fix(s: service) { via exec  affects s.errors within 100ms  irreversible  timeout 2s }
action turn(s: service) { via exec  affects s.errors within 100ms  undo turn_back(s)  timeout 2s }
action turn_back(s: service) { via exec  affects s.errors within 100ms  irreversible  timeout 2s }
"""
POLICY = """policy app for each service in services every 100ms {
  about "a fake service is bad"
  risk availability
  impact medium
  signal bad = max by (service) (app_bad)
  when bad > 0.5 for 200ms
  clear when bad < 0.5 for 300ms
  on missing hold
  on stale > 2s notify oncall
  heal {
    try fix(service) verify bad < 0.5 holds 200ms within 3s
    else page oncall
  }
  bound at most 20 of service per 10m
  cooldown 1s
  escalate to oncall when unresolved for 20s
}
"""
GUARD = "edition 1\nguard host { at most 100 actions on any service per 1h }\n"


class Quiet(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass


class Exporter:
    """Serves /metrics as the test says: `text` is called for the body, `how` says how to misbehave."""

    def __init__(self):
        self.text = lambda: ""
        self.how = "well"
        self.requests = 0
        self.gone = threading.Event()
        exporter = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                exporter.requests += 1
                exporter.answer(self)

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def answer(self, handler):
        body = self.text()
        body = body.encode() if isinstance(body, str) else body
        if self.how == "hang":
            self.gone.wait(30)
            return
        if self.how == "refuse":
            handler.send_error(503)
            return
        handler.send_response(200)
        handler.send_header("Content-Type", "text/plain; version=0.0.4")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[:len(body) // 2] if self.how == "half" else body)
        handler.close_connection = True

    def close(self):
        self.gone.set()
        self.server.shutdown()
        self.server.server_close()


class Webhook:
    """Keeps every POST; `status` is what it answers."""

    def __init__(self):
        self.posts = []
        self.status = 204
        self.refused = 0
        self.pause_s = 0
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if hook.pause_s:
                    hook.refused += 1
                    time.sleep(hook.pause_s)
                    return
                if hook.status < 300:
                    hook.posts.append((self.headers["Idempotency-Key"], json.loads(body)))
                else:
                    hook.refused += 1
                self.send_response(hook.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def healc_beside(folder, script=None, heald="heald"):
    """A heald in a folder of its own, with that text in the place of healc, or none; its path."""
    folder = pathlib.Path(folder, "bin")
    folder.mkdir()
    shutil.copy(program(heald), folder / "heald")
    if script:
        (folder / "healc").write_text(script)
        (folder / "healc").chmod(0o755)
    return str(folder / "heald")


class World:
    compile_more = ()  # options of healc compile

    def __init__(self, folder, policies=None, mode="act", extra="", grants=None, heald="heald", env=None,
                 run_ms=0, tick="50ms", interval="100ms", timeout="90ms", start=True, guards="[guards.heal]",
                 scrape_more="", argv_heald=(), state=None):
        self.folder = pathlib.Path(folder)
        self.state = pathlib.Path(state) if state else self.folder / "state"
        self.yaml = self.folder / "heald.yaml"
        self.policies, self.bundle = self.folder / "policies", self.folder / "app.healb"
        self.serial_wanted = "auto"  # of the next bundle
        self.effects_path = self.folder / "effects.log"
        self.log_path = self.folder / "heald.log"
        self.heald_name, self.env, self.argv_heald = heald, env or {}, list(argv_heald)
        self.exporter, self.webhook = Exporter(), Webhook()
        self.bad = {"a": 0}
        self.heals = True  # a fix makes its service good again
        self.exporter.text = self.page
        self.process = None
        self.serial = 0
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.listen = probe.getsockname()[1]
        self.policies.mkdir(exist_ok=True)
        self.write(policies or {"app.heal": PREAMBLE + POLICY})
        self.settings = dict(mode=mode, extra=extra, run_ms=run_ms, tick=tick, interval=interval,
                             timeout=timeout, guards=guards, scrape_more=scrape_more,
                             grants=grants if grants is not None else self.grants(run_ms))
        self.configure()
        self.start_wanted = start

    # ---- files ----

    def grant(self, action, run_ms=0, targets=("service=a", "service=b", "service=c"), unattended=True,
              at_most="{count: 100, per: 1h}", code=0):
        argv = [program("recorder"), str(self.effects_path), action, "{target}", str(run_ms), str(code)]
        return (f"  - action: {action}\n    argv: {json.dumps(argv)}\n    targets: {json.dumps(list(targets))}\n"
                f"    unattended: {'true' if unattended else 'false'}\n    timeout: 2s\n"
                + (f"    at_most: {at_most}\n" if at_most else ""))

    def grants(self, run_ms=0):
        return "".join(self.grant(action, run_ms) for action in ("fix", "turn", "turn_back"))

    def configure(self, **changes):
        self.settings.update(changes)
        s = self.settings
        self.yaml.write_text(
            f"state: {self.state}\npolicies: {self.bundle}\ntrusted_key: {self.folder}/development.pub\n"
            f"listen: 127.0.0.1:{self.listen}\ntick: {s['tick']}\nblind_after: 60s\nhost: {{enabled: false}}\n"
            f"scrape:\n  - job: app\n    targets: [\"http://127.0.0.1:{self.exporter.port}/metrics\"]\n"
            f"    interval: {s['interval']}\n    timeout: {s['timeout']}\n    body_max: 64KiB\n    series_max: 200\n"
            f"{s['scrape_more']}"
            f"channels:\n  oncall: {{webhook: {{url: \"http://127.0.0.1:{self.webhook.port}/oncall\", timeout: 500ms}}}}\n"
            f"guards: {s['guards']}\n" + (f"grants:\n{s['grants']}" if s['grants'] else "")
            + f"default_mode: {s['mode']}\n{s['extra']}")

    def write(self, files, sign=True):
        """Replaces the policies and makes a signed bundle of them."""
        for old in self.policies.iterdir():
            if old.suffix == ".heal":
                old.unlink()
        for name, text in {"guards.heal": GUARD, **files}.items():
            (self.policies / name).write_text(text)
        if sign:
            self.sign()

    def sign(self):
        for arguments in (["compile", str(self.policies), "-o", str(self.bundle), "--serial", self.serial_wanted,
                           *self.compile_more],
                          ["sign", "--key", str(self.folder / "development.key"), str(self.bundle)]):
            got = subprocess.run([program("healc"), *arguments], capture_output=True, text=True)
            assert got.returncode == 0, got.stderr + got.stdout

    @property
    def signature(self):
        return pathlib.Path(f"{self.bundle}.minisig")

    def kept(self):
        """The bundle as it is now, for put()."""
        return self.bundle.read_bytes(), self.signature.read_bytes()

    def put(self, kept):
        self.bundle.write_bytes(kept[0])
        self.signature.write_bytes(kept[1])

    # ---- heald ----

    def start(self, wait=True, env=None):
        self.log = open(self.log_path, "ab")
        self.process = subprocess.Popen([program(self.heald_name), *self.argv_heald, "-c", str(self.yaml)],
                                        stderr=self.log, stdout=self.log,
                                        env={**os.environ, **CAGED, **self.env, **(env or {})})
        if wait:
            until(lambda: self.process.poll() is not None or self.status() is not None, 20)
            assert self.process.poll() is None, self.said()
        return self

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        code = self.process.returncode if self.process else None
        self.process = None
        return code

    def kill_all(self):
        """kill -9 of everything at once."""
        pids = [self.process.pid, *self.pids().values()]
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        until(lambda: not any(alive(pid) for pid in pids))
        self.process = None

    def children(self):
        """(pid, words of the command line) of each child."""
        try:
            children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        except (FileNotFoundError, AttributeError):
            return
        for pid in children.split():
            try:
                yield int(pid), pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except (FileNotFoundError, ProcessLookupError):
                continue

    def pids(self):
        """Of the children that run: their roles are in their command lines."""
        return {words[words.index(b"--role") + 1].decode(): pid for pid, words in self.children() if b"--role" in words}

    def compilers(self):
        """Pids of the compile children: one at most."""
        return [pid for pid, words in self.children() if b"--compile-child" in words]

    def __enter__(self):
        if self.start_wanted:
            self.start()
        return self

    def __exit__(self, kind, *_):
        if kind and not issubclass(kind, KeyboardInterrupt):
            print("---- the end of heald's log\n" + self.said()[-3000:])
        self.stop()
        self.exporter.close()
        self.webhook.close()

    # ---- looking ----

    def page(self):
        return "".join(f'app_up{{service="{s}"}} 1\napp_bad{{service="{s}"}} {self.value(s)}\n' for s in self.bad)

    def value(self, service):
        value = self.bad[service]
        if value == 1 and self.heals and any(f" service={service}" in line for line in self.lines()):
            return 0
        return value

    def lines(self):
        try:
            return self.effects_path.read_text().splitlines()
        except FileNotFoundError:
            return []

    def effects(self, name=None):
        """(time, name, target) of each start of the recorder."""
        found = [line.split() for line in self.lines() if not line.endswith(" ended")]
        return [(int(f[0]), f[3], f[4]) for f in found if name in (None, f[3])]

    def said(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def ask(self, command, **args):
        """One request over the control socket; None if heald does not answer."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(5)
                connection.connect(str(self.state / "control.sock"))
                connection.sendall(json.dumps({"command": command, **args}).encode() + b"\n")
                got = b""
                while not got.endswith(b"\n"):
                    more = connection.recv(1 << 16)
                    if not more:
                        return None
                    got += more
            return json.loads(got)
        except (OSError, ValueError):
            return None

    def status(self):
        got = self.ask("status")
        return got if got and got.get("ok") else None

    def healctl(self, *arguments, timeout=20):
        got = subprocess.run([program("healctl"), "--socket", str(self.state / "control.sock"), "--state",
                              str(self.state), *arguments], capture_output=True, text=True, timeout=timeout)
        return got.returncode, got.stdout, got.stderr

    def records(self, kind=None, **match):
        """What heald says of its journal."""
        found, after = [], 0
        while True:
            answer = self.ask("records", after=after)
            if not answer or not answer.get("records"):
                break
            found += answer["records"]
            after = answer["last"]
        return [r for r in found if kind in (None, r["kind"]) and all(r[k] == v for k, v in match.items())]

    def kinds(self):
        return [r["kind"] for r in self.records() if r["incident"]]

    def source(self):
        status = self.status()
        return next((s for s in status["sources"] if "app" in s["name"]), None) if status else None

    def http(self, path):
        """(code, text) of the listener; (None, why) if it does not answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.listen, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except OSError as why:
            return None, str(why)
        finally:
            connection.close()

    def metric(self, name):
        code, text = self.http("/metrics")
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.M) if code == 200 else None
        return float(found.group(1)) if found else None

    def observed(self):
        source = self.source()
        return bool(source and source["observed"])


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


# ---- the journal, read by another program in another language ----

COLUMNS = ("sequence", "time", "kind", "incident", "action_id", "epoch", "rung", "program_hash", "policy",
           "target", "action", "type", "text")


def journal_rows(path):
    """Every row, after checking that sequences have no gap and that the chain of hashes holds."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        db.text_factory = lambda raw: raw.decode(errors="surrogateescape")
        cursor = db.execute("SELECT * FROM journal ORDER BY sequence")
        names = [column[0] for column in cursor.description]
        rows = cursor.fetchall()
    assert len(names) == len(COLUMNS) + 1, names
    hash_before = hashlib.blake2b(b"heal.journal/1", digest_size=32).digest()
    found = []
    for number, row in enumerate(rows, 1):
        assert row[0] == number, f"row {number} has the sequence {row[0]}"
        out = hash_before
        for name, value in zip(COLUMNS, row):
            if isinstance(value, int):
                out += struct.pack("<q", value)
            else:
                raw = value.encode(errors="surrogateescape")
                out += struct.pack("<Q", len(raw)) + raw
        hash_before = hashlib.blake2b(out, digest_size=32).digest()
        assert hash_before == row[-1], f"the hash of row {number} does not follow"
        found.append(dict(zip(COLUMNS, row)))
    return found
