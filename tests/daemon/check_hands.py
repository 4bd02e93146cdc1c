"""Actions that go over the network, through the real heald: done once, known after a crash, never guessed."""
import concurrent.futures
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time
from case import run, until
from world import POLICY, PREAMBLE, Quiet, World

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "act"))
from kube_server import KubeServer  # noqa: E402
from systemd_bus import Bus  # noqa: E402


class Api:
    """Keeps every request; `answer` is what it says: a status, or None for nothing at all."""

    def __init__(self):
        self.requests, self.answer = [], 200
        self.on_request = lambda: None
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                api.requests.append((self.path, self.headers["Idempotency-Key"], self.headers["X-Token"], body))
                if api.answer is None:
                    time.sleep(30)
                    return
                api.on_request()
                self.send_response(api.answer)
                self.send_header("Content-Length", "0")
                self.end_headers()

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


OVER_HTTP = {"app.heal": PREAMBLE.replace("action fix(s: service) { via exec ", "action fix(s: service) { via http ") + POLICY}


def grant(api, folder, idempotent=False, timeout="2s", path="/services/{service}/fix"):
    with open(f"{folder}/token", "w") as file:
        file.write("word of proof\n")
    return (f"  - action: fix\n    connector: http\n    unattended: true\n    timeout: {timeout}\n"
            f"    idempotent: {'true' if idempotent else 'false'}\n    at_most: {{count: 100, per: 1h}}\n"
            f"    targets: [service=a, 'service=b/../c?x']\n    request:\n"
            f"      url: http://127.0.0.1:{api.port}{path}\n      header_files: {{X-Token: {folder}/token}}\n"
            "      body: '{\"service\": \"{service}\", \"by\": \"heald\"}'\n")


def claim_a_request_heals_and_is_sent_once(folder):
    with Api() as api, World(folder, OVER_HTTP, grants=grant(api, folder)) as world:
        until(world.observed)
        api.on_request = lambda: world.bad.update(a=0)
        world.bad["a"] = 1
        until(lambda: world.records("verified"), 15)
        assert len(api.requests) == 1, api.requests
        path, key, token, body = api.requests[0]
        assert path == "/services/a/fix" and token == "word of proof", api.requests
        assert json.loads(body) == {"service": "a", "by": "heald"}
        assert key.startswith("%016x-" % world.records("dispatched")[0]["action_id"]), (key, world.records("dispatched"))
        assert "it answered 200" in world.records("succeeded")[0]["text"]


def claim_an_answer_that_says_nothing_for_sure_goes_to_a_person(folder):
    with Api() as api, World(folder, OVER_HTTP, grants=grant(api, folder)) as world:
        until(world.observed)
        api.answer = 500
        world.bad["a"] = 1
        until(lambda: world.records("unknown"), 15)
        until(lambda: world.records("escalated"), 15)
        time.sleep(1)
        assert len(api.requests) == 1, api.requests
        assert "it may have been done" in world.records("unknown")[0]["text"]


def crash_while_it_is_asked(folder, idempotent):
    """(requests, kinds of records) after kill -9 of all while the receiver was silent, and another start."""
    with Api() as api, World(folder, OVER_HTTP, grants=grant(api, folder, idempotent, timeout="20s")) as world:
        until(world.observed)
        api.answer = None
        world.bad["a"] = 1
        until(lambda: api.requests, 15)
        world.kill_all()
        api.answer = 200
        api.on_request = lambda: world.bad.update(a=0)
        world.start()
        until(lambda: world.records("succeeded") or world.records("unknown"), 15)
        time.sleep(1)
        return list(api.requests), {r["kind"] for r in world.records()}


def claim_after_a_crash_it_is_sent_again_with_its_key_where_granted(folder):
    requests, kinds = crash_while_it_is_asked(folder, True)
    assert len(requests) == 2 and requests[0] == requests[1], requests
    assert "succeeded" in kinds and "unknown" not in kinds, kinds


def claim_after_a_crash_it_is_not_sent_again_elsewhere(folder):
    requests, kinds = crash_while_it_is_asked(folder, False)
    assert len(requests) == 1 and "unknown" in kinds and "succeeded" not in kinds, (requests, kinds)


# Where the actor is killed: whether the first request was sent by then, and what is known of it afterwards. A latch
# without content could once have had one.
POINTS = {"latch-before": (False, "never"), "latch-created": (False, "unknown"), "latch-after": (False, "never"),
          "spawn-after": (False, "never"), "note-after": (False, "noted"), "exit-after": (True, "noted"),
          "result-after": (True, "recorded"), "answer-after": (True, "recorded")}


def kill_at(folder, point, idempotent):
    place = os.path.join(folder, f"{point}-{idempotent}")
    os.mkdir(place)
    mark = os.path.join(place, "state", "crashed")
    with Api() as api, World(place, OVER_HTTP, grants=grant(api, place, idempotent, timeout="5s"), heald="heald_crash",
                             env={"HEAL_CRASH": f"actor:{point}:1", "HEAL_CRASH_MARK": mark}) as world:
        api.on_request = lambda: world.bad.update(a=0)
        until(world.observed)
        world.bad["a"] = 1
        until(lambda: world.records("closed") or world.records("escalated"), 25)
        until(lambda: os.path.exists(mark))
        time.sleep(0.3)
        kinds, keys = [r["kind"] for r in world.records()], [r[1] for r in api.requests]
    sent, known = POINTS[point]
    case = (point, idempotent, kinds, keys)
    again = sent and known == "noted" and idempotent
    assert len(set(keys)) <= 1 and len(keys) == len(set(keys)) + again, case
    if known == "unknown" or (known == "noted" and not idempotent):
        assert "unknown" in kinds and "escalated" in kinds and len(keys) == sent, case
    else:
        assert "unknown" not in kinds and kinds.count("succeeded") == 1 and "verified" in kinds and keys, case
    assert ("dropped" in kinds) == (known == "never"), case


def claim_killed_at_each_durable_step_it_is_known_what_was_done(folder):
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        for job in [pool.submit(kill_at, folder, point, idempotent) for point in POINTS for idempotent in (False, True)]:
            job.result()


def claim_a_grant_of_another_contract_does_not_start(folder):
    more = "    parameters: [{name: grace, min: 0, max: 9}]\n"
    for number, (policies, change, words) in enumerate((
            (None, lambda text: text, "grants 'fix' through http, and its action says via exec"),
            (OVER_HTTP, lambda text: text + more, "grants 'fix' with 1 parameters, and its action has 0 after its target"))):
        place = os.path.join(folder, str(number))
        os.mkdir(place)
        with World(place, policies, start=False) as world, Api() as api:
            world.configure(grants=change(grant(api, place)))
            world.start(wait=False)
            assert world.process.wait(20) != 0
            assert words in world.said(), world.said()


# ---- kubernetes ----

PODS = {"app.heal": """edition 1
pool pods(namespace, pod) = app_up == 1
channel oncall = webhook("oncall")
metric app_up ratio by (instance, job, namespace, pod)
metric app_bad ratio by (instance, job, namespace, pod)
action delete(p: pod) { via kubernetes.delete_pod  affects p.errors within 100ms  irreversible  timeout 5s }
""" + POLICY.replace("each service in services", "each pod in pods").replace("by (service)", "by (namespace, pod)")
    .replace("fix(service)", "delete(pod)").replace("of service per", "of pod per"),
    "guards.heal": "edition 1\nguard host { at most 100 actions on any pod per 1h }\n"}


class Cluster(KubeServer):
    """One pod, and what a deployment would do: a deleted pod comes again, as another and well."""

    def __init__(self):
        super().__init__()
        self.deleted, self.hang = 0, False
        self.create("pods", "shop", {"metadata": {"name": "a"}})

    def delete(self, key, options):
        code, answer = super().delete(key, options)
        self.deleted += 1
        self.create("pods", "shop", {"metadata": {"name": "a"}})
        if self.hang:
            self.lock.release()  # the write is done; its answer never comes
            time.sleep(60)
            self.lock.acquire()
        return code, answer

    def page(self):
        bad = 0 if self.deleted else 1
        return f'app_up{{namespace="shop",pod="a"}} 1\napp_bad{{namespace="shop",pod="a"}} {bad}\n'


def world_of(cluster, folder, **more):
    with open(f"{folder}/token", "w") as file:
        file.write(cluster.token + "\n")
    world = World(folder, PODS, start=False, extra=f"kubernetes: {{server: '{cluster.url}', token_file: {folder}/token}}\n", grants=(
        "  - action: delete\n    connector: kubernetes.delete_pod\n    unattended: true\n    timeout: 5s\n"
        "    at_most: {count: 100, per: 1h}\n    targets: ['namespace=shop,pod=a']\n"), **more)
    world.exporter.text = cluster.page
    return world


def claim_a_pod_is_deleted_once_and_its_successor_left_alone(folder):
    with Cluster() as cluster, world_of(cluster, folder) as world:
        world.start()
        until(lambda: world.records("verified"), 20)
        time.sleep(0.5)
        assert cluster.deleted == 1 and len(cluster.objects) == 1, cluster.writes


def claim_after_a_crash_the_cluster_is_asked_and_the_pod_not_deleted_again(folder):
    with Cluster() as cluster, world_of(cluster, folder) as world:
        cluster.hang = True
        world.start()
        until(lambda: cluster.deleted, 20)
        world.kill_all()
        cluster.hang = False
        world.start()
        until(lambda: world.records("succeeded"), 20)
        assert "the pod is gone" in world.records("succeeded")[0]["text"], world.records("succeeded")
        until(lambda: world.records("verified"), 20)
        assert cluster.deleted == 1, cluster.writes


# ---- systemd ----

UNITS = {"app.heal": """edition 1
pool units(unit) = app_up == 1
channel oncall = webhook("oncall")
metric app_up ratio by (instance, job, unit)
metric app_bad ratio by (instance, job, unit)
action restart(u: unit) { via systemd.restart  affects u.errors within 100ms  irreversible  timeout 10s }
""" + POLICY.replace("each service in services", "each unit in units").replace("by (service)", "by (unit)")
    .replace("fix(service)", "restart(unit)").replace("of service per", "of unit per"),
    "guards.heal": "edition 1\nguard host { at most 100 actions on any unit per 1h }\n"}


def claim_a_unit_is_restarted_and_after_a_crash_its_invocation_tells(folder):
    if not shutil.which("dbus-daemon"):
        print("no dbus-daemon is installed (package dbus-daemon): left out")
        return
    for crash in (False, True):
        place = os.path.join(folder, str(crash))
        os.mkdir(place)
        with Bus(place) as bus:
            bus.serve("silent" if crash else "done")
            restarted = lambda: open(f"{place}/systemd.state").read().split()[1] == "2"
            world = World(place, UNITS, start=False, extra=f"systemd: {{bus: '{bus.address}'}}\n", grants=(
                "  - action: restart\n    connector: systemd.restart\n    unattended: true\n    timeout: 10s\n"
                "    at_most: {count: 100, per: 1h}\n    targets: ['unit=web.service']\n"))
            world.exporter.text = lambda: ('app_up{unit="web.service"} 1\n'
                                           f'app_bad{{unit="web.service"}} {0 if restarted() else 1}\n')
            with world:
                world.start()
                until(restarted, 20)
                if crash:
                    world.kill_all()
                    bus.serve("done")
                    world.start()
                until(lambda: world.records("succeeded"), 20)
                until(lambda: world.records("verified"), 20)
                assert bus.jobs() == ["RestartUnit web.service"], bus.done


# ---- channels ----

PAGE = """policy app for each service in services every 100ms {
  about "a fake service is bad"
  risk availability
  impact %s
  signal bad = max by (service) (app_bad)
  when bad > 0.5 for 200ms
  clear when bad < 0.5 for 300ms
  on missing hold
  escalate to oncall
}
"""


def paged(folder, channel, impact="medium"):
    """The text of the page that was told to such a channel, from within heald's cage."""
    world = World(folder, {"app.heal": PREAMBLE + PAGE % impact}, start=False)
    text = world.yaml.read_text()
    begin = text.index("  oncall: ")
    world.yaml.write_text(text[:begin] + f"  oncall: {channel}\n" + text[text.index("\n", begin) + 1:])
    with world:
        world.start()
        until(world.observed)
        world.bad["a"] = 1
        until(lambda: world.records("notified"), 20)
        world.bad["a"] = 0
        until(lambda: len(world.records("notified")) > 1, 20)  # that it is over is told to whom was paged
        return world.records("escalated")[0]["text"]


def claim_a_page_goes_to_pagerduty_with_the_impact_of_its_policy(folder):
    with open(f"{folder}/key", "w") as file:
        file.write("routing-key\n")
    for impact, severity in (("medium", "warning"), ("critical", "critical")):
        place = os.path.join(folder, impact)
        os.mkdir(place)
        with Api() as api:
            api.answer = 202
            text = paged(place, f"{{pagerduty: {{key_file: {folder}/key, url: 'http://127.0.0.1:{api.port}/v2/enqueue'}}}}", impact)
            event, over = (json.loads(r[3]) for r in api.requests)
        assert over == {"routing_key": "routing-key", "event_action": "resolve", "dedup_key": event["dedup_key"]}, over
        assert event["routing_key"] == "routing-key" and event["event_action"] == "trigger", event
        assert event["payload"]["severity"] == severity and event["payload"]["source"] == "service=a", event
        assert text in event["payload"]["summary"], event


def claim_a_page_goes_by_mail(folder):
    system = "/usr/bin/python3"
    if subprocess.run([system, "-c", "import aiosmtpd"], capture_output=True).returncode != 0:
        print("no SMTP server is installed (package python3-aiosmtpd): left out")
        return
    server = subprocess.Popen([system, str(pathlib.Path(__file__).resolve().parent.parent / "act" / "smtp_server.py"), "plain"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        port = int(server.stdout.readline())
        paged(folder, f"{{email: {{server: '127.0.0.1:{port}', tls: none, from: heald@example.org, to: [oncall@example.org]}}}}")
        out, _ = server.communicate("", timeout=10)
    finally:
        server.kill()
        server.wait()
    told = [json.loads(line) for line in out.splitlines()]
    assert len(told) == 2 and told[0]["to"] == ["oncall@example.org"], told
    assert "Subject: [heald] over: app service=a" in told[1]["mail"], told
    assert "Subject: [heald] app service=a" in told[0]["mail"] and "impact: medium" in told[0]["mail"], told


run(globals())
