"""A small API server of Kubernetes in memory: deployments, statefulsets, daemonsets, replica sets, pods, nodes, with
versions, uids, generations, merge and JSON patches, preconditions, evictions and disruption budgets. It is trusted only
as far as the real one agrees: check_kubernetes.py runs against both.

    with KubeServer() as server: ... server.url, server.token"""
import copy
import http.server
import json
import re
import threading
import urllib.parse

KINDS = {"deployments": ("apps/v1", "Deployment"), "statefulsets": ("apps/v1", "StatefulSet"),
         "daemonsets": ("apps/v1", "DaemonSet"), "replicasets": ("apps/v1", "ReplicaSet"), "pods": ("v1", "Pod"),
         "nodes": ("v1", "Node"), "namespaces": ("v1", "Namespace"), "poddisruptionbudgets": ("policy/v1beta1", "PodDisruptionBudget")}
PATH = re.compile(r"/(?:api/v1|apis/apps/v1|apis/policy/v1beta1)(?:/namespaces/([^/]+))?/([a-z]+)(?:/([^/]+))?(?:/(eviction|status))?$")


class Refused(Exception):
    def __init__(self, code, reason, message, retry_after=None):
        super().__init__(message)
        self.code, self.retry_after = code, retry_after
        self.body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason, "code": code}


def merge(into, patch):
    """RFC 7386."""
    for key, value in patch.items():
        if value is None:
            into.pop(key, None)
        elif isinstance(value, dict):
            if not isinstance(into.get(key), dict):
                into[key] = {}
            merge(into[key], value)
        else:
            into[key] = value


def json_patch(document, operations):
    """Of RFC 6902: test, add and replace."""
    for operation in operations:
        parts = [p.replace("~1", "/").replace("~0", "~") for p in operation["path"].split("/")[1:]]
        at = document
        for part in parts[:-1]:
            at = at[part]
        if operation["op"] == "test":
            if at.get(parts[-1]) != operation["value"]:
                raise Refused(422, "Invalid", "the server rejected our request due to an error in our request")
        else:
            at[parts[-1]] = operation["value"]


class KubeServer:
    def __init__(self, token="token-1"):
        self.objects, self.version, self.lock, self.token = {}, 100, threading.RLock(), token
        self.writes = []  # (method, path) of what was done
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {}
                try:
                    if self.headers["Authorization"] != f"Bearer {outer.token}":
                        raise Refused(401, "Unauthorized", "Unauthorized")
                    with outer.lock:
                        code, answer = outer.handle(self.command, self.path, self.headers.get("Content-Type", ""),
                                                    json.loads(body) if body else None)
                except Refused as refused:
                    code, answer = refused.code, refused.body
                    if refused.retry_after:
                        headers["Retry-After"] = str(refused.retry_after)
                data = json.dumps(answer).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def stamp(self, thing):
        self.version += 1
        thing["metadata"]["resourceVersion"] = str(self.version)
        return thing

    def handle(self, method, path, content_type, body):
        url = urllib.parse.urlsplit(path)
        query = urllib.parse.parse_qs(url.query)
        match = PATH.match(url.path)
        if not match or match.group(2) not in KINDS:
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        space, plural, name, sub = match.groups()
        key = (plural, space or "", name)
        if method == "POST" and sub == "eviction":
            return self.evict(key, body)
        if method == "POST":
            return self.create(plural, space or "", body)
        if method == "GET" and name is None:
            return self.list(plural, space or "", query)
        if key not in self.objects:
            raise Refused(404, "NotFound", f'{plural} "{name}" not found')
        if method == "GET":
            return 200, self.objects[key]
        if method == "DELETE":
            return self.delete(key, body or {})
        if method == "PATCH":
            return self.patch(key, content_type, body)
        if method == "PUT":
            return self.replace(key, body)
        raise Refused(405, "MethodNotAllowed", "the server does not allow this method")

    def create(self, plural, space, body):
        key = (plural, space, body["metadata"]["name"])
        if key in self.objects:
            raise Refused(409, "AlreadyExists", f'{plural} "{key[2]}" already exists')
        thing = copy.deepcopy(body)
        thing["apiVersion"], thing["kind"] = KINDS[plural]
        thing["metadata"]["uid"] = f"uid-{self.version:08x}-{plural}"
        if space:
            thing["metadata"]["namespace"] = space
        if plural not in ("pods", "nodes", "namespaces"):
            thing["metadata"]["generation"] = 1
        self.objects[key] = self.stamp(thing)
        return 201, thing

    def list(self, plural, space, query):
        wanted = dict(p.split("=") for p in query.get("labelSelector", [""])[0].split(",") if p)
        items = [o for (k, s, _), o in self.objects.items() if k == plural and s == space
                 and all(o["metadata"].get("labels", {}).get(n) == v for n, v in wanted.items())]
        return 200, {"kind": KINDS[plural][1] + "List", "apiVersion": KINDS[plural][0],
                     "metadata": {"resourceVersion": str(self.version)}, "items": items}

    def update(self, key, thing):
        """Stores what a patch or a PUT made of the object."""
        before = self.objects[key]
        if thing["metadata"].get("resourceVersion") not in (None, before["metadata"]["resourceVersion"]):
            raise Refused(409, "Conflict", f'Operation cannot be fulfilled on {key[0]} "{key[2]}": the object has been '
                                           "modified; please apply your changes to the latest version and try again")
        if thing["metadata"].get("uid") not in (None, before["metadata"]["uid"]):
            raise Refused(409, "Conflict", "Precondition failed: UID in precondition does not match")
        if "generation" in before["metadata"] and thing.get("spec") != before.get("spec"):
            thing["metadata"]["generation"] = before["metadata"]["generation"] + 1
        self.writes.append(("PATCH", key))
        self.objects[key] = self.stamp(thing) if thing != before else thing
        return 200, self.objects[key]

    def patch(self, key, content_type, body):
        thing = copy.deepcopy(self.objects[key])
        if content_type == "application/merge-patch+json":
            merge(thing, body)
        elif content_type == "application/json-patch+json":
            json_patch(thing, body)
        else:
            raise Refused(415, "UnsupportedMediaType", "the body of the request was in an unknown format")
        return self.update(key, thing)

    def replace(self, key, body):
        return self.update(key, copy.deepcopy(body))

    def delete(self, key, options):
        metadata = self.objects[key]["metadata"]
        for name, value in options.get("preconditions", {}).items():
            if metadata[name] != value:
                raise Refused(409, "Conflict", f"the {name} in the precondition ({value}) does not match that in record ({metadata[name]})")
        self.writes.append(("DELETE", key))
        if metadata.get("finalizers"):
            metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
            self.stamp(self.objects[key])
            return 200, self.objects[key]
        gone = self.objects.pop(key)
        return 200, gone if key[0] == "pods" else {"kind": "Status", "apiVersion": "v1", "status": "Success",
                                                   "details": {"name": key[2], "uid": gone["metadata"]["uid"]}}

    def evict(self, key, body):
        if body["apiVersion"] != "policy/v1beta1":  # as the 1.20 of Debian
            raise Refused(400, "BadRequest", 'no kind "Eviction" is registered for version "policy/v1" in scheme')
        if key not in self.objects:
            raise Refused(404, "NotFound", f'pods "{key[2]}" not found')
        labels = self.objects[key]["metadata"].get("labels", {})
        for (plural, space, _), budget in self.objects.items():
            if plural == "poddisruptionbudgets" and space == key[1] and budget["spec"]["selector"]["matchLabels"].items() <= labels.items() \
                    and budget.get("status", {}).get("disruptionsAllowed", 0) < 1:
                raise Refused(429, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.")
        self.delete(key, body.get("deleteOptions", {}))
        return 201, {"kind": "Status", "apiVersion": "v1", "status": "Success"}
