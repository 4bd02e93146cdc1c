"""healctl against a server of the test's own: every exit code, hostile answers, silence.
QUICK"""
import json
import os
import socket
import threading
from case import call, program, run

HEALCTL = program("healctl")


class Server:
    """Answers each request by answers[command]: an object, bytes, or None for silence."""

    def __init__(self, folder, answers):
        self.path = os.path.join(folder, "s")
        self.requests = []
        self.answers = answers
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(8)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        held = []
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            line = connection.makefile("rb").readline()
            request = json.loads(line)
            self.requests.append(request)
            answer = self.answers[request["command"]]
            if callable(answer):
                answer = answer(request)
            if answer is None:
                held.append(connection)
                continue
            try:
                connection.sendall(answer if isinstance(answer, bytes) else json.dumps(answer).encode() + b"\n")
            except OSError:
                pass
            connection.close()

    def ctl(self, *argv, **more):
        return call(HEALCTL, "--socket", self.path, *argv, **more)


STATUS = {"ok": True, "version": "0.1", "pid": 7, "epoch": 2, "stopped": False, "evaluator": "reference", "code": "making",
          "policies": [{"name": "leak", "mode": "act", "state": "quiet", "entities": 3, "open": 1}],
          "sources": [{"name": "a", "observed": True, "last_answer": "2026-01-01T00:00:01Z", "error": ""}],
          "tick_ms": 1000, "series": 9, "incidents_open": 1, "journal_records": 5, "sandbox": ["x: y"]}
RECORD = {"sequence": 4, "time": "2026-01-01T10:00:00.5Z", "kind": "succeeded", "word": "done", "text": "restarted",
          "action": "restart", "target": "worker=a"}
TOP = {"ok": True, "ticks": 3, "every": 64, "other_seconds": 0.5, "operators": [
    {"kernel": "k_00", "operator": "and +4", "by": "code", "seconds": 1.5, "share": 0.75, "ns_per_slot": 2.25, "slots": 1000,
     "policy": "leak", "place": "a.heal:7"}]}
ALERT = {"policy": "leak", "state": "firing", "since": 1.5e9, "value": 0.25, "labels": {"alertname": "leak", "worker": "a"},
         "annotations": {"summary": "it leaks"}, "incident": 3}
ALERTS = {"ok": True, "firing": 1, "pending": 0, "alerts": [ALERT], "last": 1, "more": 0}
PAST = {"id": 3, "policy": "leak", "target": "worker=a", "type": "worker", "cause": "surge", "opened": 1.5e9, "closed": 1.5e9 + 61,
        "took_seconds": 61.0, "ended": "clear", "last": "closed", "text": "grows",
        "actions": [{"action": "scale", "result": "unverified", "undo": False, "begun": 1.5e9, "ended": 1.5e9},
                    {"action": "shrink", "result": "undone", "undo": True, "begun": 1.5e9, "ended": 1.5e9}]}
OUTCOME = {"policy": "leak", "class": "worker, surge", "action": "scale", "verified": 3, "unverified": 1, "failed": 2, "weight": 2.5,
           "mean": 0.625, "low": 0.25, "high": 0.875, "last": 1.5e9}
HOSTILE = "a\x1b[2J\x07\r\nb\u202e\u009b"


def claim_good_answers_are_shown_and_exit_0(folder):
    server = Server(folder, {
        "status": STATUS,
        "incidents": {"ok": True, "incidents": [{"id": 3, "policy": "leak", "target": "worker=a", "state": "open",
                                                 "opened": "2026-01-01T00:00:00Z", "text": "grows", "action": "restart"}]},
        "explain": {"ok": True, "id": 3, "policy": "leak", "target": "worker=a", "state": "closed", "records": [RECORD], "learned": [OUTCOME]},
        "approve": {"ok": True}, "deny": {"ok": True}, "stop": {"ok": True}, "start": {"ok": True},
        "reload": {"ok": True, "text": "3 policies"}, "records": {"ok": True, "records": [RECORD], "last": 4},
        "top": TOP, "alerts": ALERTS, "history": {"ok": True, "incidents": [PAST], "behind": 2},
        "outcomes": {"ok": True, "outcomes": [OUTCOME], "behind": 0},
        "mode": {"ok": True, "policy": "leak", "mode": "ask", "ceiling": "act", "why": "by ann"}})
    for argv, expected in ((["status"], b"leak"), (["status"], b"evaluator reference (code making)"), (["incidents"], b"worker=a"), (["explain", "3"], b"restarted"), (["explain", "3"], b"what is known now: "),
                           (["approve", "3"], b"approved"), (["deny", "3", "--why", "no"], b"denied"),
                           (["mode", "leak"], b"leak: ask; heald.yaml gives act; by ann"),
                           (["mode", "leak", "act", "--why", "x"], b"set"),
                           (["approve", "3", "--plan", "0123abcd"], b"approved"),
                           (["stop"], b"stopped"), (["start"], b"started"), (["reload"], b"3 policies"),
                           (["tail"], b"done"), (["alerts"], b"  0.25          leak                          worker=a\n"),
                           (["alerts", "--annotations"], b"\n    summary: it leaks\n"),
                           (["history"], b"  surge         scale unverified, undo by shrink undone; clear\n2 records of the journal are still"),
                           (["history", "--policy", "leak", "--target", "worker=a", "--limit", "7"], b"  1m1s       leak  "),
                           (["outcomes"], b"  62.5%   25.0% to  87.5%         3         1       2  2017-"),
                           (["top"], b"\n 75.0%        2.2      1000  code       and +4 ")):
        got = server.ctl(*argv)
        assert got.returncode == 0 and expected in got.stdout and got.stderr == b"", (argv, got)
        got = server.ctl("-o", "json", *argv)
        assert got.returncode == 0, (argv, got)
        assert isinstance(json.loads(got.stdout), dict)
    sent = {request["command"]: request for request in server.requests}
    assert sent["history"] == {"command": "history", "policy": "leak", "target": "worker=a", "limit": 7}
    assert sent["explain"]["id"] == 3 and sent["deny"]["why"] == "no"


def claim_negative_answers_have_their_codes(folder):
    server = Server(folder, {
        "status": {**STATUS, "stopped": True, "stopped_by": "root"},
        "approve": {"ok": False, "code": 1, "error": "nothing to approve"},
        "explain": {"ok": False, "code": 4, "error": "no incident 9"},
        "deny": {"ok": False, "code": 5, "error": "not allowed"},
        "reload": {"ok": False, "code": 77, "error": "strange"}})
    for argv, code, text in ((["approve", "1"], 1, b"nothing to approve"), (["explain", "9"], 4, b"no incident 9"),
                             (["deny", "1"], 5, b"not allowed"), (["reload"], 1, b"strange")):
        got = server.ctl(*argv)
        assert got.returncode == code and text in got.stderr, (argv, got)
    got = server.ctl("status")
    assert got.returncode == 1 and b"STOPPED" in got.stdout and b"root" in got.stdout
    server.answers["status"] = {**STATUS, "sources": [{"name": "a", "observed": False, "error": "refused"}]}
    assert server.ctl("status").returncode == 1


def claim_wrong_use_exits_2(folder):
    for argv in ([], ["nonsense"], ["explain"], ["explain", "1", "2"], ["status", "x"], ["-o", "xml", "status"],
                 ["--timeout", "-1", "status"], ["history", "--limit", "0"],
                 ["history", "--limit", "1001"], ["history", "--limit", "x"], ["--bogus"], ["-c", os.path.join(folder, "none"), "status"]):
        assert call(HEALCTL, *argv).returncode == 2, argv
    assert b"did you mean 'status'" in call(HEALCTL, "statsu").stderr
    assert call(HEALCTL, "--help").returncode == 0


def claim_an_absent_or_silent_or_broken_heald_exits_3(folder):
    assert call(HEALCTL, "--socket", os.path.join(folder, "none"), "status").returncode == 3
    server = Server(folder, {"status": None})
    got = server.ctl("--timeout", "0.3", "status", timeout=5)
    assert got.returncode == 3 and b"in time" in got.stderr
    for answer in (b"", b"hello\n", b"[]\n", b"{}\n", b'{"ok":1}\n', b'{"ok":true}', b"\xff\xff\n",
                   b'{"ok":true,"ok":false}\n', b"[" * 100000 + b"\n", b"x" * (17 << 20)):
        server.answers["status"] = answer
        got = server.ctl("status")
        assert got.returncode == 3 and got.stderr, (answer[:20], got)


def claim_hostile_text_cannot_drive_the_terminal(folder):
    record = {key: HOSTILE if isinstance(value, str) else value for key, value in RECORD.items()}
    server = Server(folder, {
        "status": {**STATUS, "version": HOSTILE, "sandbox": [HOSTILE, 1, None],
                   "policies": [{"name": HOSTILE, "mode": [], "state": {}, "entities": "x"}, 5, None]},
        "incidents": {"ok": True, "incidents": [{"id": HOSTILE, "text": HOSTILE, "opened": HOSTILE}]},
        "explain": {"ok": True, "policy": HOSTILE, "target": HOSTILE, "state": 3, "records": [record, 1, None], "learned": [record, 1, None]},
        "records": {"ok": True, "records": [record], "last": "x"},
        "top": {**TOP, "operators": [{**TOP["operators"][0], "operator": HOSTILE, "place": HOSTILE, "policy": HOSTILE,
                                      "by": HOSTILE, "share": "x", "slots": {}}, 5, None]},
        "alerts": {"ok": True, "firing": "x", "pending": {}, "more": 7, "last": HOSTILE, "alerts": [
            {"policy": HOSTILE, "state": HOSTILE, "since": HOSTILE, "value": HOSTILE, "labels": {HOSTILE: HOSTILE, "b": []},
             "annotations": {HOSTILE: HOSTILE, "c": 1}}, 5, None, {"labels": [], "annotations": "x"}]},
        "history": {"ok": True, "behind": HOSTILE, "incidents": [
            {**{key: HOSTILE if isinstance(value, str) else value for key, value in PAST.items()}, "took_seconds": 1e300},
            {"actions": [{"action": HOSTILE, "result": HOSTILE, "undo": HOSTILE}, 5, None], "took_seconds": HOSTILE}, 5, None]},
        "outcomes": {"ok": True, "outcomes": [{**OUTCOME, "policy": HOSTILE, "class": HOSTILE, "action": HOSTILE, "mean": 1e300,
                                              "low": HOSTILE, "last": HOSTILE}, 5, None]},
        "approve": {"ok": False, "code": 1, "error": HOSTILE}})
    for argv in (["history"], ["outcomes"], ["top"], ["status"], ["alerts"], ["alerts", "--all"], ["incidents"], ["explain", HOSTILE[:3]], ["tail"], ["approve", "1"],
                 ["-o", "json", "tail"]):
        got = server.ctl(*argv)
        assert got.returncode in (0, 1), (argv, got)
        for bad in (b"\x1b", b"\x07", b"\r", "\u202e".encode(), "\u009b".encode()):
            assert bad not in got.stdout + got.stderr, (argv, got)


def claim_all_alerts_are_asked_for_until_there_are_no_more(folder):
    def alerts(request):
        after = request["after"]
        return {**ALERTS, "firing": 3, "alerts": [{**ALERT, "policy": f"p{after}", "annotations": {}}], "last": after + 1, "more": 2 - after}
    server = Server(folder, {"alerts": alerts})
    assert b"\nand 2 more; --all shows them\n" in server.ctl("alerts").stdout
    got = server.ctl("--all", "alerts")
    assert [line.split()[4] for line in got.stdout.splitlines()[3:]] == [b"p0", b"p1", b"p2"], got
    assert [r["annotations"] for r in server.requests] == [False] * 4
    assert len(json.loads(server.ctl("-o", "json", "--all", "alerts").stdout)["alerts"]) == 3
    server.answers["alerts"] = lambda request: {**ALERTS, "more": 9, "last": 1}
    assert server.ctl("--all", "alerts").stdout.count(b"worker=a") == 2
    server.answers["alerts"] = lambda request: ALERTS | {"more": 1} if request["after"] == 0 else None
    assert server.ctl("--timeout", "0.3", "--all", "alerts").returncode == 3


def claim_times_out_of_range_are_shown_as_none(folder):
    server = Server(folder, {"records": {"ok": True, "last": 1, "records": [
        {**RECORD, "time": time} for time in (1e300, -1e300, "9999999-01-01T00:00:00Z", "soon", None, 1.5e9)]}})
    assert server.ctl("tail").returncode == 0


def claim_follow_shows_what_comes_and_ends_with_heald(folder):
    state = {"calls": 0}

    def records(request):
        state["calls"] += 1
        if state["calls"] > 3:
            return b""
        assert request.get("after", state["calls"] - 1) == state["calls"] - 1 or state["calls"] == 1
        return {"ok": True, "last": state["calls"], "records": [{**RECORD, "text": f"record {state['calls']}"}]}
    server = Server(folder, {"records": records})
    got = server.ctl("tail", "-f")
    assert got.returncode == 3
    assert [line[-8:] for line in got.stdout.split(b"\n")[:3]] == [b"record 1", b"record 2", b"record 3"]


def claim_stop_works_without_heald(folder):
    path, state = os.path.join(folder, "heald.yaml"), os.path.join(folder, "state")
    with open(path, "w") as file:
        file.write(f"state: {state}\n")
    assert call(HEALCTL, "-c", path, "stop").returncode == 3
    os.mkdir(state)
    got = call(HEALCTL, "-c", path, "stop", "--why", "fire")
    assert got.returncode == 0 and b"STOP" in got.stdout, got
    with open(os.path.join(state, "STOP")) as file:
        assert file.read() == "fire\n"
    assert call(HEALCTL, "--socket", "/nonexistent", "stop").returncode == 3


run(globals())
