"""The parent: one daemon a state folder, restarts, hand-over of sockets, an orderly end.
QUICK"""
import json
import os
import signal
import socket
import stat
import subprocess
import threading
import time
from case import CAGED, call, program, run, until

HEALD = program("heald_roles")


class Daemon:
    def __init__(self, folder, env=None, extra=""):
        self.state = os.path.join(folder, "state")
        self.path = os.path.join(folder, "heald.yaml")
        with open(self.path, "w") as file:
            file.write(f"state: {self.state}\n{extra}")
        self.process = subprocess.Popen([HEALD, "-c", self.path], stderr=subprocess.PIPE,
                                        env={**os.environ, **CAGED, **(env or {})})
        self.lines = []
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stderr:
            self.lines.append(line.decode())

    def said(self, text):
        return any(text in line for line in list(self.lines))

    def pid(self, role):
        found = [line for line in self.lines if f"started the {role}, pid " in line]
        return int(found[-1].split("pid ")[1]) if found else None

    def ask(self, request, raw=None):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(10)
        connection.connect(os.path.join(self.state, "control.sock"))
        connection.sendall(raw if raw is not None else json.dumps(request).encode() + b"\n")
        got = b""
        while not got.endswith(b"\n"):
            more = connection.recv(65536)
            if not more:
                break
            got += more
        connection.close()
        return json.loads(got)

    def status(self):
        return self.ask({"command": "status"})

    def __enter__(self):
        until(lambda: self.said("parent: ready") or self.process.poll() is not None)
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(10)
        finally:
            self.process.kill()
            self.reader.join(5)


def claim_it_starts_says_what_it_dropped_and_ends_in_order(folder):
    with Daemon(folder) as heald:
        answer = heald.status()
        assert answer["ok"] and abs(answer["now_ns"] / 1e9 - time.time()) < 5
        for role in ("ingest", "engine", "actor", "parent"):
            assert heald.said(f"{role}: user: "), heald.lines
            assert heald.said(f"{role}: system calls: filtered") or heald.said("NOT filtered")
        mode = os.stat(os.path.join(heald.state, "control.sock")).st_mode
        assert stat.S_IMODE(mode) == 0o660
        assert stat.S_IMODE(os.stat(heald.state).st_mode) == 0o700
        began = time.monotonic()
        heald.process.terminate()
        assert heald.process.wait(10) == 0 and time.monotonic() - began < 4
    assert not os.path.exists(os.path.join(heald.state, "control.sock"))


def claim_a_second_daemon_on_one_state_folder_is_refused(folder):
    with Daemon(folder) as heald:
        got = call(HEALD, "-c", heald.path, env=CAGED)
        assert got.returncode == 1, got
        assert f"another heald (pid {heald.process.pid})".encode() in got.stderr
        assert heald.status()["ok"]


def claim_a_dead_engine_or_actor_comes_back_with_a_fresh_peer(folder):
    with Daemon(folder) as heald:
        until(lambda: heald.status()["pongs"] > 3)
        for role, other in (("engine", "actor"), ("actor", "engine")):
            old, kept = heald.pid(role), heald.pid(other)
            os.kill(old, signal.SIGKILL)
            until(lambda: heald.pid(role) != old)
            before = until(lambda: heald.said("died") and alive(heald))["pongs"]
            until(lambda: heald.status()["pongs"] > before + 3)
            assert heald.pid(other) == kept and os.path.exists(f"/proc/{kept}")


def alive(heald):
    try:
        return heald.status()
    except (OSError, ValueError):
        return None


def claim_the_last_words_of_the_dead_are_kept(folder):
    with Daemon(folder) as heald:
        try:
            heald.ask({"command": "crash"})
        except (OSError, ValueError):
            pass
        until(lambda: heald.said("its last words"))
        line = [text for text in heald.lines if "its last words" in text][0]
        assert "signal 6" in line and "asked to crash" in line, line
        until(lambda: alive(heald))


def claim_each_role_becomes_its_user_for_good(folder):
    if os.getuid() != 0:
        print("not root: users are not tested")
        return
    os.chmod(folder, 0o755)
    with Daemon(folder, extra="users: {ingest: nobody, engine: daemon, actor: bin}\n") as heald:
        until(lambda: alive(heald) and alive(heald)["pongs"] > 3)
        for role, name in (("ingest", "nobody"), ("engine", "daemon"), ("actor", "bin")):
            with open(f"/proc/{heald.pid(role)}/status") as file:
                ids = [line.split()[1:] for line in file if line.startswith(("Uid:", "Gid:"))]
            assert all(len(set(four)) == 1 and four[0] != "0" for four in ids), (role, ids)
            assert heald.said(f"{role}: user: {name}")
        pids = [heald.pid(role) for role in ("ingest", "engine", "actor")]
        heald.process.kill()
        heald.process.wait()
        until(lambda: not any(running(pid) for pid in pids))


def running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().split(")")[1].split()[0] != "Z"
    except OSError:
        return False


def claim_hangup_reaches_the_engine(folder):
    with Daemon(folder) as heald:
        heald.process.send_signal(signal.SIGHUP)
        until(lambda: heald.status()["reloads"] == 1)


def claim_a_stubborn_child_is_killed(folder):
    with Daemon(folder, {"ROLES_STUBBORN": "1"}) as heald:
        began = time.monotonic()
        heald.process.terminate()
        assert heald.process.wait(12) == 0 and time.monotonic() - began >= 4.5
    assert heald.said("killed")


def claim_a_child_that_refuses_at_the_start_ends_heald(folder):
    with Daemon(folder, {"ROLES_REFUSE": "1"}) as heald:
        assert heald.process.wait(10) == 1
    assert heald.said("refused as asked")


def claim_no_child_outlives_a_killed_parent(folder):
    with Daemon(folder) as heald:
        pids = [heald.pid(role) for role in ("ingest", "engine", "actor")]
        heald.process.kill()
        heald.process.wait()
        until(lambda: not any(running(pid) for pid in pids))


def claim_garbage_on_the_control_socket_is_answered_and_dropped(folder):
    with Daemon(folder) as heald:
        for raw in (b"\n", b"[1]\n", b"{\"command\":1}\n", b"{\"a\":1,\"a\":2}\n", b"\xff\xfe\n",
                    b"{\"command\":\"" + b"x" * 40 + b"\"}\n", b"[" * 60000 + b"\n",
                    b"x" * 70000 + b"\n", b"{\"command\":\"nope\"}\n", b"{\"a\":\"\\u0000\"}\n"):
            answer = heald.ask(None, raw)
            assert answer["ok"] is False and answer["code"] == 2, (raw[:40], answer)
        assert len(heald.ask({"command": "large"})["text"]) == 3000000
        silent = []
        for _ in range(50):
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(os.path.join(heald.state, "control.sock"))
            silent.append(connection)
        time.sleep(0.2)
        assert heald.status()["ok"]
        many = b'{"command":"nope"}\n' * 2000
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(10)
        connection.connect(os.path.join(heald.state, "control.sock"))
        connection.sendall(many)
        got = b""
        while got.count(b"\n") < 2000:
            got += connection.recv(65536)


run(globals())
