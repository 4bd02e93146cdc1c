"""A receiver of requests whose path says how it answers: /s/A,B,... answers the first request of an Idempotency-Key
with A, the next with B, the last one for ever. Prints its port, then one line of JSON a request. Ends with its input.

  200, 404, ...   that status           429:2, 503:2  with Retry-After
  hang            no answer             drop          the connection is closed without one
  half            half a body           huge          a body without end
  garbage         no HTTP               redirect      307 to /elsewhere

With a certificate and a key as arguments it speaks TLS."""
import http.server, json, os, ssl, sys, threading, time

seen = {}


class Receiver(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, code, body=b"", length=None, **headers):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        key = (self.path, self.headers["Idempotency-Key"])
        seen[key] = seen.get(key, 0) + 1
        os.write(1, (json.dumps({"method": self.command, "path": self.path, "key": key[1], "body": body.decode(),
                                 "headers": dict(self.headers.items())}) + "\n").encode())
        steps = self.path.split("?")[0].split("/")[2].split(",") if self.path.startswith("/s/") else ["200"]
        step = steps[min(seen[key], len(steps)) - 1]
        self.close_connection = True
        code, _, after = step.partition(":")
        if step == "hang":
            time.sleep(30)
        elif step == "half":
            self.answer(200, b"x" * 10, length=1000)
        elif step == "huge":
            self.answer(200, b"", length=1 << 30)
            try:
                while True:
                    self.wfile.write(b"x" * 65536)
            except OSError:
                pass
        elif step == "garbage":
            self.wfile.write(b"220 who are you\r\n")
        elif step == "redirect":
            self.answer(307, Location=f"http://127.0.0.1:{server.server_address[1]}/elsewhere?token=secret")
        elif after:
            self.answer(int(code), Retry_After=after)
        elif step != "drop":
            self.answer(int(code), b"said " + code.encode())

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


server = Server(("127.0.0.1", 0), Receiver)
if len(sys.argv) > 2:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
os._exit(0)
