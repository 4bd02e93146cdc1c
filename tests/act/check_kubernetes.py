"""The Kubernetes hand against an API server, through a proxy that loses, delays, doubles and lies.

Runs against the small server of kube_server.py, or, with HEAL_KUBE_APISERVER=FILE (and etcd in the PATH), against the
real kube-apiserver: ./dev test kubernetes."""
import concurrent.futures
import http.client
import http.server
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "daemon"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from case import call, program, run, until  # noqa: E402
from kube_server import KINDS, KubeServer  # noqa: E402

PROBE = program("hand_probe")
REAL = os.environ.get("HEAL_KUBE_APISERVER")
MARK = "heal.dev/action-id"
numbers = itertools.count(1)


# ---- the server, small or real ----

class RealServer:
    """etcd and kube-apiserver on loopback, with one token that may do anything."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="heal-kube-")
        self.token = "token-1"
        ports = [free_port() for _ in range(3)]
        etcd = shutil.which("etcd")
        assert etcd, "etcd is not in the PATH (package etcd-server)"
        with open(f"{self.folder}/tokens", "w") as file:
            file.write(f'{self.token},admin,1,"system:masters"\n')
        subprocess.run(["openssl", "genrsa", "-out", f"{self.folder}/sa.key", "2048"], check=True, capture_output=True)
        self.log = open(f"{self.folder}/log", "w")
        self.running = [subprocess.Popen(
            [etcd, f"--data-dir={self.folder}/etcd", f"--listen-client-urls=http://127.0.0.1:{ports[0]}",
             f"--advertise-client-urls=http://127.0.0.1:{ports[0]}", f"--listen-peer-urls=http://127.0.0.1:{ports[1]}"],
            stdout=self.log, stderr=self.log, env={**os.environ, "ETCD_UNSUPPORTED_ARCH": ""})]
        self.running.append(subprocess.Popen(
            [REAL, f"--etcd-servers=http://127.0.0.1:{ports[0]}", f"--secure-port={ports[2]}", "--bind-address=127.0.0.1",
             f"--cert-dir={self.folder}/certs", f"--token-auth-file={self.folder}/tokens", "--authorization-mode=RBAC",
             "--service-account-issuer=https://heal.invalid", f"--service-account-key-file={self.folder}/sa.key",
             f"--service-account-signing-key-file={self.folder}/sa.key", "--disable-admission-plugins=ServiceAccount",
             "--service-cluster-ip-range=10.255.0.0/24"], stdout=self.log, stderr=self.log))
        self.url = f"https://127.0.0.1:{ports[2]}"
        until(lambda: os.path.exists(f"{self.folder}/certs/apiserver.crt"), 60)
        until(self.ready, 60)

    def ready(self):
        try:
            return ask(self, "GET", "/readyz")[0] == 200
        except OSError:
            return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.running):
            process.terminate()
            process.wait()
        self.log.close()
        shutil.rmtree(self.folder)


def free_port():
    import socket
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def connect(url):
    import ssl
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "http":
        return http.client.HTTPConnection(parts.netloc, timeout=30)
    return http.client.HTTPSConnection(parts.netloc, timeout=30, context=ssl._create_unverified_context())


def ask(server, method, path, body=None, content_type="application/json"):
    connection = connect(server.url)
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None,
                           {"Authorization": f"Bearer {server.token}", "Content-Type": content_type})
        answer = connection.getresponse()
        data = answer.read()
        return answer.status, json.loads(data) if data[:1] == b"{" else data
    finally:
        connection.close()


# ---- the proxy ----

class Proxy:
    """Forwards to the server; fault(method, path, n) of the n-th request says what goes wrong with it, before it is
    forwarded (a word) or after (after:WORD)."""

    def __init__(self, server):
        self.server, self.fault, self.before = server, lambda *_: None, lambda *_: None
        self.seen, self.elsewhere = [], 0
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def answer(self, status, data, length=None, headers=()):
                self.send_response(status)
                self.send_header("Content-Length", str(len(data) if length is None else length))
                for name, value in headers:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def wrong(self, word):
                code, _, after = word.partition(":")
                if word == "hang":
                    time.sleep(8)
                elif word == "half":
                    self.answer(200, b'{"kind": "Depl', length=5000)
                elif word == "huge":
                    self.answer(200, b"", length=1 << 30)
                    try:
                        while True:
                            self.wfile.write(b" " * 65536)
                    except OSError:
                        pass
                elif word == "garbage":
                    self.wfile.write(b"SSH-2.0-nothing\r\n")
                elif word == "nonsense":
                    self.answer(200, b'["a list"]')
                elif word == "other":
                    self.answer(200, json.dumps({"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {
                        "name": "other", "namespace": "shop", "uid": "u", "resourceVersion": "1"}}).encode())
                elif word == "redirect":
                    self.answer(307, b"", headers=[("Location", f"http://127.0.0.1:{proxy.port}/elsewhere")])
                elif code.isdigit():
                    self.answer(int(code), json.dumps({"kind": "Status", "message": f"said {code}"}).encode(),
                                headers=[("Retry-After", after)] if after else [])
                self.close_connection = True

            def serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.path == "/elsewhere":
                    proxy.elsewhere += 1
                proxy.seen.append((self.command, self.path))
                word = proxy.fault(self.command, self.path, len(proxy.seen))
                if word and not word.startswith("after:"):
                    return self.wrong(word)
                proxy.before(self.command, self.path)
                connection = connect(proxy.server.url)
                try:
                    connection.request(self.command, self.path, body or None, {
                        n: v for n, v in self.headers.items() if n in ("Authorization", "Content-Type", "Accept")})
                    answer = connection.getresponse()
                    data = answer.read()
                finally:
                    connection.close()
                if word:
                    return self.wrong(word[6:])
                headers = [("Retry-After", answer.getheader("Retry-After"))] if answer.getheader("Retry-After") else []
                self.answer(answer.status, data, headers=headers)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.port = self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    def writes(self):
        return [s for s in self.seen if s[0] != "GET"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()


# ---- objects ----

PODS = "/api/v1/namespaces/shop/pods"
APPS = "/apis/apps/v1/namespaces/shop"
CONTAINER = {"name": "main", "image": "example.invalid/main:1"}


def template(image="example.invalid/main:1"):
    return {"metadata": {"labels": {"app": "checkout"}}, "spec": {"containers": [{"name": "main", "image": image}]}}


def create(server, path, body):
    code, answer = ask(server, "POST", path, body)
    assert code == 201, (code, answer)
    return answer


def workload(server, plural, name, revision=None, replicas=2):
    spec = {"selector": {"matchLabels": {"app": "checkout"}}, "template": template("example.invalid/main:2")}
    if plural != "daemonsets":
        spec["replicas"] = replicas
    if plural == "statefulsets":
        spec["serviceName"] = "checkout"
    annotations = {"deployment.kubernetes.io/revision": str(revision)} if revision else {}
    return create(server, f"{APPS}/{plural}", {"apiVersion": "apps/v1", "kind": KINDS[plural][1], "metadata": {
        "name": name, "annotations": annotations}, "spec": spec})


def replica_set(server, owner, name, revision, image):
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": owner["metadata"]["name"],
                 "uid": owner["metadata"]["uid"], "controller": True}
    made = template(image)
    made["metadata"]["labels"]["pod-template-hash"] = name
    return create(server, f"{APPS}/replicasets", {"metadata": {
        "name": name, "labels": {"app": "checkout"}, "annotations": {"deployment.kubernetes.io/revision": str(revision)},
        "ownerReferences": [reference]}, "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "checkout"}}, "template": made}})


def pod(server, name, labels=None):
    return create(server, PODS, {"metadata": {"name": name, "labels": labels or {}}, "spec": {"containers": [CONTAINER]}})


def node(server, name):
    return create(server, "/api/v1/nodes", {"metadata": {"name": name}, "spec": {}})


class Thing:
    """An object that one connector can act on, and how often it was acted on."""

    def __init__(self, server, connector):
        self.server, self.connector, self.name = server, connector, f"t{next(numbers)}"
        self.more = {}
        if connector in ("delete_pod", "evict_pod"):
            self.path, self.target = f"{PODS}/{self.name}", f"namespace=shop,pod={self.name}"
            self.made = pod(server, self.name)
        elif connector in ("cordon", "uncordon"):
            self.path, self.target = f"/api/v1/nodes/{self.name}", f"node={self.name}"
            self.made = node(server, self.name)
            if connector == "uncordon":
                self.patch({"spec": {"unschedulable": True}})
        else:
            self.path, self.target = f"{APPS}/deployments/{self.name}", f"namespace=shop,deployment={self.name}"
            self.made = workload(server, "deployments", self.name, revision=3)
        if connector == "scale":
            self.more = {"number": 5}
        if connector == "rollout_undo":
            for revision in (1, 2, 3):
                replica_set(server, self.made, f"{self.name}-{revision}", revision, f"example.invalid/old:{revision}")
        self.before = self.now()

    def patch(self, body):
        code, answer = ask(self.server, "PATCH", self.path, body, "application/merge-patch+json")
        assert code == 200, answer
        return answer

    def now(self):
        code, answer = ask(self.server, "GET", self.path)
        return answer if code == 200 else None

    def effects(self):
        """How often the action was done; a second time would show."""
        now = self.now()
        if self.connector in ("delete_pod", "evict_pod"):
            return int(now is None or now["metadata"]["uid"] != self.made["metadata"]["uid"] or "deletionTimestamp" in now["metadata"])
        if self.connector in ("cordon", "uncordon"):
            return int(now["spec"].get("unschedulable", False) != self.before["spec"].get("unschedulable", False))
        return now["metadata"]["generation"] - self.before["metadata"]["generation"]


CONNECTORS = ("scale", "rollout_restart", "rollout_undo", "delete_pod", "evict_pod", "cordon", "uncordon")


def act(proxy, thing, **more):
    """(outcome, text, notes) of one run of the hand."""
    arguments = {"connector": f"kubernetes.{thing.connector}", "target": thing.target, "server": f"http://127.0.0.1:{proxy.port}",
                 "key": "00000000000000a1-17", "time_s": "1700000000", **thing.more, **more}
    got = call(PROBE, *(f"{name}={value}" for name, value in arguments.items()))
    assert got.returncode == 0, got
    lines = got.stdout.decode().splitlines()
    outcome, _, text = lines[-1].partition(": ")
    return outcome, text, [line[5:] for line in lines if line.startswith("note ")]


class Bench:
    def __init__(self, server, folder):
        self.server, self.token_file = server, os.path.join(folder, "token")
        with open(self.token_file, "w") as file:
            file.write(server.token + "\n")

    def try_it(self, connector, fault=None, before=None, thing=None, **more):
        with Proxy(self.server) as proxy:
            thing = thing or Thing(self.server, connector)
            proxy.fault = fault or proxy.fault
            proxy.before = before or proxy.before
            outcome, text, notes = act(proxy, thing, **{"token_file": self.token_file, **more})
            assert proxy.elsewhere == 0
            return outcome, text, notes, thing, proxy


def at_once(one, arguments):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for job in [pool.submit(one, *a) for a in arguments]:
            job.result()


# ---- claims ----

def each_action_is_done_once_and_marked(bench):
    for connector in CONNECTORS:
        outcome, text, notes, thing, proxy = bench.try_it(connector)
        assert outcome == "succeeded" and thing.effects() == 1, (connector, outcome, text)
        # An eviction is asked for a second time where the server is too old for its first words.
        assert len(notes) == 1 and len(proxy.writes()) in ((1, 2) if connector == "evict_pod" else (1,)), (connector, notes, proxy.seen)
        assert notes[0].startswith(f"uid {thing.made['metadata']['uid']} version "), notes
        now = thing.now()
        if now:
            assert now["metadata"]["annotations"][MARK] == "00000000000000a1-17", now
        if connector == "scale":
            assert now["spec"]["replicas"] == 5
        if connector == "rollout_restart":
            assert now["spec"]["template"]["metadata"]["annotations"] == {"kubectl.kubernetes.io/restartedAt": "2023-11-14T22:13:20Z"}
        if connector == "rollout_undo":
            assert now["spec"]["template"]["spec"]["containers"][0]["image"] == "example.invalid/old:2", now["spec"]
            assert now["spec"]["template"]["metadata"]["labels"] == {"app": "checkout"}


def the_mark_keeps_an_action_from_being_done_again(bench):
    for connector in ("scale", "rollout_restart", "rollout_undo", "cordon"):
        thing = Thing(bench.server, connector)
        assert bench.try_it(connector, thing=thing)[0] == "succeeded"
        outcome, text, _, _, proxy = bench.try_it(connector, thing=thing)
        assert outcome == "succeeded" and "bears the mark" in text and not proxy.writes() and thing.effects() == 1, text


WORDS = ("hang", "half", "drop", "garbage", "nonsense", "other", "500", "503:1", "429:1", "409", "404", "403", "redirect", "huge",
         "after:drop", "after:half", "after:hang", "after:500", "after:503", "after:garbage", "after:other", "after:huge")


def whatever_goes_wrong_once_is_judged_right(bench):
    """One fault at one request of an action: what it says is what happened, and never twice."""
    for connector in ("scale", "rollout_restart", "delete_pod", "cordon", "rollout_undo"):
        clean = len(bench.try_it(connector)[4].seen)
        reads = connector in ("rollout_restart", "delete_pod")

        def one(at, word):
            outcome, text, _, thing, proxy = bench.try_it(
                connector, fault=lambda m, p, n: word if n == at else None, try_ms=400, timeout_ms=6000)
            effects, case = thing.effects(), (connector, at, word, text)
            assert effects <= 1, case
            assert outcome in ("succeeded", "failed", "unknown"), case
            assert outcome != "succeeded" or effects == 1, case
            assert outcome != "failed" or effects == 0, case
            write = at == clean
            final = word in ("404", "403", "redirect") or (word in ("409", "nonsense", "other", "after:other") and not write)
            if "huge" in word and not write:  # too much, or too slow: then it is asked again
                final = outcome == "failed"
            # What the object can tell is not unknown; a read that fails once is asked again.
            assert outcome == ("failed" if final else "succeeded"), case
            assert "said" in text or outcome == "succeeded" or "too much" in text or word in ("redirect", "other", "nonsense", "after:other"), case
        at_once(one, [(at, word) for at in range(1 if reads else clean, clean + 1) for word in WORDS])


def what_goes_wrong_for_ever_is_not_known_or_not_done(bench):
    def one(word, expected):
        # From the write on, so that the object cannot be asked either.
        started = time.monotonic()
        outcome, text, _, thing, _ = bench.try_it("rollout_restart", fault=lambda m, p, n: word if n > 1 else None,
                                                  try_ms=300, timeout_ms=1500)
        assert outcome == expected, (word, outcome, text)
        assert thing.effects() == (1 if word == "after:drop" or word == "after:500" else 0), word
        assert time.monotonic() - started < 5
    at_once(one, (("hang", "unknown"), ("drop", "unknown"), ("after:drop", "unknown"), ("500", "unknown"),
                           ("after:500", "unknown"), ("429:1", "failed"), ("409", "failed"), ("other", "unknown")))
    outcome, text, _, thing, proxy = bench.try_it("scale", fault=lambda *_: "429:3600", timeout_ms=1500)
    assert outcome == "failed" and "it wants 3600 s to pass" in text and len(proxy.seen) == 1, text


def a_change_by_another_is_read_and_judged_again(bench):
    changed = []

    def before(thing, times):
        def hook(method, path):
            if method == "PATCH" and len(changed) < times:
                changed.append(path)
                thing.patch({"metadata": {"labels": {"by": f"another-{len(changed)}"}}})
        return hook
    for connector in ("rollout_restart", "cordon", "rollout_undo"):
        changed.clear()
        thing = Thing(bench.server, connector)
        outcome, text, notes, _, proxy = bench.try_it(connector, thing=thing, before=before(thing, 3))
        assert outcome == "succeeded" and thing.effects() == 1 and len(proxy.writes()) == 4 == len(notes), (text, proxy.seen)
        assert thing.now()["metadata"]["labels"]["by"] == "another-3"
    changed.clear()
    thing = Thing(bench.server, "scale")
    outcome, text, _, _, proxy = bench.try_it("scale", thing=thing, before=before(thing, 100))
    assert outcome == "failed" and "409" in text and len(proxy.writes()) == 9 and thing.effects() == 0, text


def a_lost_write_after_a_change_by_another_is_not_done_twice(bench):
    """The write is lost on its way back, and somebody changes the specification before it is asked again."""
    thing = Thing(bench.server, "rollout_restart")

    def fault(method, path, n):
        if n == 3:
            thing.patch({"metadata": {"annotations": {MARK: None}}, "spec": {"replicas": 7}})
        return "after:drop" if method == "PATCH" else None
    outcome, text, _, _, proxy = bench.try_it("rollout_restart", thing=thing, fault=fault)
    assert outcome == "unknown" and "changed meanwhile" in text and len(proxy.writes()) == 1, (outcome, text, proxy.seen)


def another_pod_of_the_same_name_is_left_alone(bench):
    thing = Thing(bench.server, "delete_pod")
    made = []

    def before(method, path):
        if method == "DELETE" and not made:
            assert ask(bench.server, "DELETE", thing.path + "?gracePeriodSeconds=0")[0] == 200
            made.append(pod(bench.server, thing.name))
    # The first answer is lost: the pod that it asked for is gone, and the new one is not touched.
    outcome, text, _, _, proxy = bench.try_it("delete_pod", thing=thing, before=before,
                                              fault=lambda m, p, n: "after:drop" if m == "DELETE" else None)
    assert outcome == "succeeded" and "gone" in text, (outcome, text)
    assert thing.now()["metadata"]["uid"] == made[0]["metadata"]["uid"]


def an_eviction_waits_for_its_budget(bench):
    budgets = "/apis/policy/v1beta1/namespaces/shop/poddisruptionbudgets"
    labels = {"app": f"a{next(numbers)}"}
    create(bench.server, budgets, {"metadata": {"name": labels["app"]}, "spec": {"minAvailable": 1, "selector": {"matchLabels": labels}}})
    thing = Thing(bench.server, "evict_pod")
    thing.patch({"metadata": {"labels": labels}})
    # A pod that runs: one that never started needs no budget.
    ask(bench.server, "PATCH", thing.path + "/status", {"status": {"phase": "Running", "conditions": [
        {"type": "Ready", "status": "True"}]}}, "application/merge-patch+json")
    outcome, text, _, _, proxy = bench.try_it("evict_pod", thing=thing, timeout_ms=1500)
    assert outcome == "failed" and "disruption budget" in text and thing.effects() == 0, text
    assert len(proxy.writes()) >= 3
    assert ask(bench.server, "DELETE", f"{budgets}/{labels['app']}")[0] == 200
    assert bench.try_it("evict_pod", thing=thing)[0] == "succeeded" and thing.effects() == 1


def what_was_so_before_is_said(bench):
    thing = Thing(bench.server, "cordon")
    thing.patch({"spec": {"unschedulable": True}})
    outcome, text, _, _, proxy = bench.try_it("cordon", thing=thing)
    assert outcome == "failed" and "cordoned before" in text and not proxy.writes(), text
    thing = Thing(bench.server, "scale")
    outcome, text, _, _, proxy = bench.try_it("scale", thing=thing, number=2)
    assert outcome == "succeeded" and "2 replicas already" in text and not proxy.writes(), text
    thing = Thing(bench.server, "uncordon")
    thing.patch({"spec": {"unschedulable": None}})
    outcome, text, _, _, proxy = bench.try_it("uncordon", thing=thing)
    assert outcome == "succeeded" and not proxy.writes(), text
    for connector in ("delete_pod", "scale"):
        thing = Thing(bench.server, connector)
        ask(bench.server, "DELETE", thing.path + "?gracePeriodSeconds=0")
        outcome, text, _, _, proxy = bench.try_it(connector, thing=thing)
        assert outcome == "failed" and "not found" in text, text
    thing = Thing(bench.server, "rollout_restart")
    thing.connector = "rollout_undo"
    outcome, text, _, _, _ = bench.try_it("rollout_undo", thing=thing)
    assert outcome == "failed" and "no revision before 3" in text, text
    for plural, word in (("statefulsets", "statefulset"), ("daemonsets", "daemonset")):
        thing = Thing(bench.server, "rollout_restart")
        made = workload(bench.server, plural, thing.name)
        thing.path, thing.target, thing.before = f"{APPS}/{plural}/{thing.name}", f"namespace=shop,{word}={thing.name}", made
        assert bench.try_it("rollout_restart", thing=thing)[0] == "succeeded" and thing.effects() == 1


def a_former_action_is_looked_for_and_nothing_is_written(bench):
    for connector in ("rollout_restart", "delete_pod"):
        thing = Thing(bench.server, connector)
        done = bench.try_it(connector, thing=thing)
        outcome, text, notes, _, proxy = bench.try_it(connector, thing=thing, former=done[2][-1])
        assert outcome == "succeeded" and not proxy.writes() and not notes, text
        # Its write never arrived, and cannot any more.
        thing = Thing(bench.server, connector)
        now = thing.now()["metadata"]
        note = f"uid {now['uid']} version {now['resourceVersion']} generation {now.get('generation', 0)}"
        thing.patch({"metadata": {"labels": {"by": "another"}}})
        outcome, text, _, _, proxy = bench.try_it(connector, thing=thing, former=note)
        assert outcome == "never_started" and "void" in text and not proxy.writes(), (outcome, text)
        # It could still arrive.
        thing = Thing(bench.server, connector)
        now = thing.now()["metadata"]
        note = f"uid {now['uid']} version {now['resourceVersion']} generation {now.get('generation', 0)}"
        outcome, text, _, _, proxy = bench.try_it(connector, thing=thing, former=note, timeout_ms=700)
        assert outcome == "unknown" and not proxy.writes() and len(proxy.seen) > 1, (outcome, text)
    thing = Thing(bench.server, "rollout_restart")
    now = thing.now()["metadata"]
    note = f"uid {now['uid']} version {now['resourceVersion']} generation {now['generation']}"
    thing.patch({"spec": {"replicas": 9}})
    outcome, text, _, _, proxy = bench.try_it("rollout_restart", thing=thing, former=note)
    assert outcome == "unknown" and not proxy.writes(), (outcome, text)
    assert bench.try_it("rollout_restart", thing=thing, former="nonsense")[0] == "refused"


def who_it_is_not_is_told(bench):
    wrong = bench.token_file + ".wrong"
    with open(wrong, "w") as file:
        file.write("nobody\n")
    outcome, text, _, thing, proxy = bench.try_it("scale", token_file=wrong)
    assert outcome == "failed" and "401" in text and "nobody" not in text, text
    outcome, text, _, _, proxy = bench.try_it("scale", token_file=bench.token_file + ".missing")
    assert outcome == "failed" and "cannot open" in text and not proxy.seen, text
    outcome, text, _, _, _ = bench.try_it("scale", server="http://127.0.0.1:1", timeout_ms=700)
    assert outcome == "failed" and "nothing was sent" in text, text


def targets_that_are_no_names_are_refused(bench):
    for connector, target in (("scale", "namespace=shop,deployment=../../secrets/x"), ("scale", "namespace=a/b,deployment=x"),
                              ("scale", "deployment=x"), ("scale", "namespace=shop"), ("cordon", "namespace=shop,node=n"),
                              ("scale", "namespace=shop,pod=x"), ("delete_pod", "namespace=shop,deployment=x"),
                              ("delete_pod", "namespace=shop,pod=X"), ("delete_pod", "namespace=shop,pod=a%2fb"),
                              ("delete_pod", "cluster=c,namespace=shop,pod=a"), ("delete_pod", "namespace=shop,pod=a,pod=b"),
                              ("delete_pod", "namespace=shop,pod=."), ("delete_pod", "namespace=shop,pod=" + "a" * 254)):
        thing = Thing(bench.server, "scale")
        thing.connector, thing.target = connector, target
        thing.more = {"number": 1} if connector == "scale" else {}
        outcome, text, _, _, proxy = bench.try_it(connector, thing=thing)
        assert outcome == "refused" and not proxy.seen, (target, outcome, text)
    thing = Thing(bench.server, "scale")
    thing.more = {}
    assert "one parameter" in bench.try_it("scale", thing=thing)[1]


CLAIMS = [each_action_is_done_once_and_marked, the_mark_keeps_an_action_from_being_done_again, whatever_goes_wrong_once_is_judged_right,
          what_goes_wrong_for_ever_is_not_known_or_not_done, a_change_by_another_is_read_and_judged_again,
          a_lost_write_after_a_change_by_another_is_not_done_twice, another_pod_of_the_same_name_is_left_alone,
          an_eviction_waits_for_its_budget, what_was_so_before_is_said, a_former_action_is_looked_for_and_nothing_is_written,
          who_it_is_not_is_told, targets_that_are_no_names_are_refused]


def with_server(claim):
    def with_one(folder):
        server = state["server"]
        claim(Bench(server, folder))
    return with_one


state = {}
with (RealServer() if REAL else KubeServer()) as the_server:
    state["server"] = the_server
    code, answer = ask(the_server, "POST", "/api/v1/namespaces", {"metadata": {"name": "shop"}})
    assert code in (201, 409), answer
    run({f"claim_{claim.__name__}": with_server(claim) for claim in CLAIMS})
