"""Actions that go over the network, through the real heald: done once, known after a crash, never guessed."""
import http.server
import json
import threading
import time
from case import run, until
from world import POLICY, PREAMBLE, Quiet, World


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


def claim_a_grant_through_another_connector_does_not_start(folder):
    with World(folder, grants=None, start=False) as world, Api() as api:
        world.configure(grants=grant(api, folder))
        world.start(wait=False)
        assert world.process.wait(20) != 0
        assert "grants 'fix' through http, and its action says via exec" in world.said(), world.said()


run(globals())
