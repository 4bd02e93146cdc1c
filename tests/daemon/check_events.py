"""Events posted to the real heald: what they decide, that they are kept, and what is no event."""
import http.client
import json
import re
import subprocess
import time
from case import program, run, until
from world import POLICY, PREAMBLE, World, journal_rows

CAUSES = PREAMBLE + POLICY.replace("""  heal {
    try fix(service) verify bad < 0.5 holds 200ms within 3s
    else page oncall
  }
""", """  cause bad_deploy when events(deploy, service: a, within: 10m) > 0
  cause other otherwise
  heal bad_deploy {
    try turn(service) verify bad < 0.5 holds 200ms within 3s
    else page oncall
  }
  heal other {
    try fix(service) verify bad < 0.5 holds 200ms within 3s
    else page oncall
  }
""")
ON = "events: {enabled: true}\n"


def world_of(folder, extra=ON, **more):
    return World(folder, {"app.heal": CAUSES}, extra=extra, **more)


def post(world, body, path="/api/v1/events", method="POST", **headers):
    """(status, text) of a POST; a body that is no text is sent as JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", world.listen, timeout=10)
    body = body if isinstance(body, (str, bytes)) else json.dumps(body)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def events(world):
    return world.records("event")


def cause(world, service="a"):
    """What an incident of the service concludes; the service is good again afterwards."""
    before, closed = len(world.records("intent")), len(world.records("closed"))
    until(world.observed)
    world.bad[service] = 1
    until(lambda: len(world.records("intent")) > before, 20)
    world.bad[service] = 0
    until(lambda: len(world.records("closed")) > closed, 20)
    concluded = [r["text"] for r in world.records("concluded") if r["text"].startswith("cause ")]
    return re.match(r"cause (\w+),", concluded[-1]).group(1)


# ---- what they decide ----

def claim_an_event_is_a_cause_and_without_one_there_is_another(folder):
    with world_of(folder) as world:
        world.heals = False
        assert cause(world) == "other"
        assert post(world, {"kind": "deploy", "labels": {"service": "b"}}) == (204, "")
        assert post(world, {"kind": "campaign", "labels": {"service": "a"}}) == (204, "")
        until(lambda: len(events(world)) == 2)
        assert cause(world) == "other"
        assert post(world, {"kind": "deploy", "labels": {"service": "a", "version": "4.2"}, "text": "release"})[0] == 204
        record = until(lambda: events(world)[2:])[0]
        assert record["action"] == "deploy", record
        assert re.match(r'\{"kind":"deploy","service":"a","version":"4.2"\} \d{13}$', record["text"]), record
        assert cause(world) == "bad_deploy"
        assert [r["action"] for r in world.records("intent")] == ["fix", "fix", "turn"]
        assert 'event {"kind":"deploy","service":"a","version":"4.2"}: release' in world.said()
        assert world.metric("heald_ingest_events_total") == 3


def claim_events_outlive_restarts_and_kills(folder):
    with world_of(folder) as world:
        world.heals = False
        until(world.observed)
        assert post(world, {"kind": "deploy", "labels": {"service": "a"}})[0] == 204
        until(lambda: events(world))
        world.kill_all()
        world.start()
        assert cause(world) == "bad_deploy"
        world.stop()
        world.start()
        assert cause(world) == "bad_deploy"
        assert len(events(world)) == 1  # none is told twice
        world.stop()
        journal_rows(world.state / "journal.db")


def claim_old_events_count_after_a_restart_as_long_as_the_window_is(folder):
    policies = {"app.heal": CAUSES.replace("within: 10m", "within: 6h")}
    with World(folder, policies, extra=ON) as world:
        world.heals = False
        until(world.observed)
        assert post(world, {"kind": "deploy", "time": time.time() - 8 * 3600, "labels": {"service": "a"}})[0] == 204
        until(lambda: events(world))
        assert cause(world) == "other"
        assert post(world, {"kind": "deploy", "time": time.time() - 5 * 3600, "labels": {"service": "a"}})[0] == 204
        until(lambda: len(events(world)) == 2)
        assert cause(world) == "bad_deploy"
        world.stop()
        world.start()
        assert cause(world) == "bad_deploy"
        world.stop()
        world.write({"app.heal": CAUSES.replace("within: 10m", "within: 4h")})
        world.start()
        assert cause(world) == "other"


def claim_a_policy_that_a_reload_brings_counts_what_came_before_it(folder):
    with World(folder, extra=ON) as world:
        world.heals = False
        until(world.observed)
        for ago in (3 * 3600, 1):
            assert post(world, {"kind": "deploy", "time": time.time() - ago, "labels": {"service": "a", "n": str(ago)}})[0] == 204
        until(lambda: len(events(world)) == 2)
        time.sleep(0.5)
        world.write({"app.heal": CAUSES.replace("within: 10m) > 0", "within: 6h) >= 2")})
        assert world.ask("reload")["ok"]
        assert cause(world) == "bad_deploy"


def claim_an_event_reaches_an_engine_that_was_killed_over_it(folder):
    import os
    import signal
    with world_of(folder) as world:
        until(world.observed)
        engine = world.pids()["engine"]
        os.kill(engine, signal.SIGSTOP)
        assert post(world, {"kind": "deploy", "labels": {"service": "a"}})[0] == 204
        os.kill(engine, signal.SIGKILL)
        until(lambda: world.pids().get("engine") not in (None, engine) and world.status(), 20)
        until(lambda: events(world), 20)
        time.sleep(1)
        assert len(events(world)) == 1
        assert world.status()["memory"]["trouble"] == ""


def claim_a_policy_that_asks_a_host_without_events_is_refused(folder):
    with world_of(folder, extra="", start=False) as world:
        world.start(wait=False)
        until(lambda: world.process.poll() is not None, 20)
        assert "asks for events, and heald.yaml takes none: it needs events: {enabled: true}" in world.said(), world.said()


def claim_without_events_the_path_is_none(folder):
    with World(folder) as world:
        assert post(world, {"kind": "deploy"})[0] == 405
        code, _, err = world.healctl("event", "deploy", "--listen", f"127.0.0.1:{world.listen}")
        assert code == 2 and "takes no events" in err, (code, err)


def claim_no_other_source_tells_of_events(folder):
    with world_of(folder) as world:
        page = world.page
        world.exporter.text = lambda: page() + 'heal_event{kind="deploy",service="a"} 1\nheal_event_source 1\n'
        world.heals = False
        until(world.observed)
        time.sleep(0.5)
        assert cause(world) == "other"
        assert events(world) == []
        assert post(world, {"kind": "deploy", "labels": {"service": "a"}})[0] == 204
        until(lambda: events(world))
        assert cause(world) == "bad_deploy"
        assert world.metric("heald_series_refused_total") >= 2


# ---- when ----

def claim_the_same_event_again_is_one_and_two_without_times_are_two(folder):
    with world_of(folder) as world:
        now = round(time.time(), 3)
        timed = {"kind": "deploy", "time": now, "labels": {"service": "a"}}
        for _ in range(3):
            assert post(world, timed)[0] == 204
        assert post(world, [timed, timed])[0] == 204
        until(lambda: events(world))
        assert post(world, [{"kind": "x"}, {"kind": "x"}, {"kind": "x"}])[0] == 204
        until(lambda: len(events(world)) >= 4)
        time.sleep(0.3)
        times = [int(r["text"].rsplit(" ", 1)[1]) for r in events(world)]
        assert len(times) == 4 and times[0] == int(now * 1000 + 0.5), times
        assert times[2] == times[1] + 1 and times[3] == times[2] + 1, times
        assert world.metric("heald_ingest_events_repeated_total") == 4


def claim_times_are_read_in_both_forms_and_bounded(folder):
    with world_of(folder) as world:
        now = time.time()
        form = lambda t, zone="Z", add=0: time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(t + add)) + zone
        for number, at in enumerate((now - 80000, form(now - 70000), form(now - 60000, ".25Z"), form(now - 50000, "+02:00", 7200),
                                     form(now - 40000, "-00:30", -1800), int(now - 30000), now + 20)):
            assert post(world, {"kind": "k", "time": at}) == (204, ""), at
            until(lambda: len(events(world)) == number + 1)
        times = [int(r["text"].rsplit(" ", 1)[1]) for r in events(world)]
        for got, ago in zip(times, (80000, 70000, 60000, 50000, 40000, 30000, -20)):
            assert abs(got / 1000 - (now - ago)) < 1.01, (got, ago)
        assert times[2] % 1000 == 250
        for at, why in ((now + 120, "ahead of this host's clock"), (now - 90000, "ago, at most 86400 s"),
                        (now * 1000, "is it in milliseconds"), (form(now + 120), "ahead"), (form(now - 90000), "ago"),
                        ("yesterday", "neither RFC 3339"), ("2026-13-01T00:00:00Z", "neither"), ("2026-11-28", "neither"),
                        (form(now, ""), "neither"), (form(now, "+1:00"), "neither"), (form(now, "Zz"), "neither"),
                        (True, "neither"), ([], "neither"), (None, "neither")):
            code, text = post(world, {"kind": "k", "time": at})
            assert code == 400 and text.startswith("event 1: ") and why in text, (at, code, text)
        code, text = post(world, {"kind": "k", "time": now - 10})
        assert code == 400 and "newer; send them in the order of their times" in text, text
        time.sleep(0.3)
        assert len(events(world)) == 7


# ---- what is no event ----

LONG = "x" * 64
BAD = [
    ("", 400, "no JSON"), ("hello", 400, "no JSON"), ("{", 400, "no JSON: line 1"), ("[" * 5000, 400, "nested"),
    ('{"labels":' * 4000, 400, "nested"), ("7", 400, "no JSON"), ('"deploy"', 400, "no JSON"), (b"\xff\xfe", 400, "no JSON"),
    ('{"kind":"a"} x', 400, "no JSON"), ('{"kind":"a","kind":"b"}', 400, "no JSON"), ('{"kind":"a\\u0000b"}', 400, "no JSON"),
    ("[]", 400, "1 to 100 events, this one 0"), ([{"kind": "a"}] * 101, 400, "1 to 100 events, this one 101"),
    ("{}", 400, "'kind' is missing"), ({"kind": 7}, 400, "'kind' is a text"), ({"kind": ""}, 400, "'kind' is a text"),
    ({"kind": LONG}, 400, "1 to 63 bytes"), ({"kind": "a\x1b[2J"}, 400, "control characters"),
    ({"kind": "a", "label": {}}, 400, "did you mean 'labels'?"), ({"kind": "a", "nonsense": 1}, 400, "there is no key 'nonsense'"),
    ({"kind": "a", "labels": []}, 400, "'labels' is an object"), ({"kind": "a", "labels": {"x": 7}}, 400, "label 'x' is a text"),
    ({"kind": "a", "labels": {"x": ""}}, 400, "not empty"), ({"kind": "a", "labels": {"x": "a\nb"}}, 400, "control characters"),
    ({"kind": "a", "labels": {"1x": "y"}}, 400, "no name of a label"), ({"kind": "a", "labels": {"a-b": "y"}}, 400, "no name of a label"),
    ({"kind": "a", "labels": {"__name__": "y"}}, 400, "no name of a label"), ({"kind": "a", "labels": {"": "y"}}, 400, "no name of a label"),
    ({"kind": "a", "labels": {"kind": "y"}}, 400, "leave it out"), ({"kind": "a", "labels": {"x": "y" * 500}}, 400, "bytes of JSON"),
    ({"kind": "a", "labels": {f"l{i}": "y" for i in range(17)}}, 400, "17 labels, at most 16"),
    ({"kind": "a", "text": 7}, 400, "'text' is a text"), ({"kind": "a", "text": "x" * 201}, 400, "at most 200 bytes"),
    ({"kind": "a", "text": "a\x07"}, 400, "control characters"), ([{"kind": "a"}, 5], 400, "event 2: an event is an object"),
    ([{"kind": "a"}, {"kind": "b", "labels": {"x": 1}}], 400, "event 2: the label"),
    (json.dumps({"kind": "a", "text": "x" * (64 << 10)}), 413, "at most 64 KiB"), (" " * (200 << 10), 413, "at most 64 KiB"),
]


def claim_what_is_no_event_is_refused_with_its_reason_and_nothing_of_it_is_taken(folder):
    with world_of(folder) as world:
        until(world.observed)
        for body, code, why in BAD:
            got = post(world, body)
            assert got[0] == code and why in got[1], (str(body)[:80], got)
            assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", got[1]), got
        time.sleep(0.3)
        assert events(world) == [] and world.metric("heald_ingest_events_total") == 0
        assert world.metric('heald_ingest_events_failures_total{reason="malformed"}') == sum(code == 400 for _, code, _ in BAD)
        for headers, code in (({"Content-Type": "text/plain"}, 415), ({"Content-Encoding": "gzip"}, 415),
                              ({"Content-Type": "application/json; charset=utf-8"}, 204)):
            assert post(world, {"kind": "a"}, **headers)[0] == code, headers
        for method in ("GET", "PUT", "DELETE"):
            assert post(world, "", method=method)[0] == 405, method
        until(lambda: len(events(world)) == 1)
        world.bad["a"] = 1
        until(lambda: world.effects("fix"))  # it decides as ever


def claim_a_hundred_events_are_taken_whole(folder):
    with world_of(folder) as world:
        for i in range(3):
            assert post(world, [{"kind": "k", "labels": {"n": str(n)}, "time": time.time()} for n in range(100)])[0] == 204
        until(lambda: len(events(world)) == 300)
        assert world.metric("heald_ingest_events_series") == 100


def claim_label_sets_without_end_are_forgotten_and_cost_nothing(folder):
    with world_of(folder) as world:
        until(world.observed)
        for i in range(25):
            assert post(world, [{"kind": "k", "labels": {"n": f"{i}-{n}"}} for n in range(100)])[0] == 204
            time.sleep(0.06)
        until(lambda: len(events(world)) == 2500)
        assert world.metric("heald_ingest_events_series") <= 1000
        world.bad["a"] = 1
        until(lambda: world.effects("fix"))


def claim_only_who_has_the_token_may_tell(folder):
    token = f"{folder}/token"
    with open(token, "w") as file:
        file.write("s3cret\n")
    with world_of(folder, extra=f"events: {{enabled: true, token_file: {token}}}\n") as world:
        assert post(world, {"kind": "a"})[0] == 401
        assert post(world, {"kind": "a"}, Authorization="Bearer wrong")[0] == 401
        assert post(world, {"kind": "a"}, Authorization="Bearer s3cret")[0] == 204
        listen = f"127.0.0.1:{world.listen}"
        code, _, err = world.healctl("event", "deploy", "--listen", listen)
        assert code == 5 and "token" in err, (code, err)
        assert world.healctl("-c", str(world.yaml), "event", "deploy")[0] == 0
        until(lambda: len(events(world)) == 2)
        assert "s3cret" not in world.said()


def claim_a_listener_for_all_needs_a_token(folder):
    world = world_of(folder, start=False)
    world.yaml.write_text(world.yaml.read_text().replace("listen: 127.0.0.1", "listen: 0.0.0.0"))
    got = subprocess.run([program("heald"), "-n", "-c", str(world.yaml)], capture_output=True, text=True)
    assert got.returncode != 0 and "events need 'token_file'" in got.stderr + got.stdout, got
    world.yaml.write_text(re.sub("listen: .*", "listen: none", world.yaml.read_text()))
    got = subprocess.run([program("heald"), "-n", "-c", str(world.yaml)], capture_output=True, text=True)
    assert got.returncode != 0 and "events need 'listen'" in got.stderr + got.stdout, got


# ---- healctl ----

def claim_healctl_tells_an_event(folder):
    with world_of(folder) as world:
        listen = ("--listen", f"127.0.0.1:{world.listen}")
        code, out, err = world.healctl(*listen, "event", "deploy", "service=a", "note=x=y", "--text", "4.2", "--time", str(time.time() - 60))
        assert (code, out, err) == (0, "taken\n", ""), (code, out, err)
        record = until(lambda: events(world))[0]
        assert record["text"].startswith('{"kind":"deploy","note":"x=y","service":"a"} '), record
        until(lambda: re.search(r'  event +deploy +\{"kind":"deploy"', world.healctl("tail", "--all")[1]))
        assert json.loads(world.healctl(*listen, "--json", "event", "deploy")[1]) == {"ok": True, "status": 204, "text": ""}
        for argv in (["event"], ["event", "deploy", "service"], ["event", "deploy", "=x"], ["event", "deploy", "a-b=c"],
                     ["event", "deploy", "--time", "never"], ["event", ""]):
            code, out, err = world.healctl(*listen, *argv)
            assert code == 2 and err.startswith("healctl: "), (argv, code, out, err)
        assert world.healctl("--listen", "127.0.0.1:1", "event", "deploy")[0] == 3


if __name__ == "__main__":
    run(globals())
