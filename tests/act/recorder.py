"""A receiver of webhooks that misbehaves by the path it is asked for; prints its port, then one line a
request: PATH KEY BODY. It ends with its standard input."""
import http.server, os, sys, threading, time

seen = {}


class Receiver(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer(200)
        os.write(1, b"GET-FOLLOWED\n")

    def answer(self, code, *headers):
        self.send_response(code)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        key = (self.path, self.headers["Idempotency-Key"])
        seen[key] = seen.get(key, 0) + 1
        os.write(1, f"{self.path} {key[1]} {body.decode()}\n".encode())
        first = seen[key] == 1
        if self.path == "/flaky":
            self.answer(500 if first else 204)
        elif self.path == "/busy" and first:
            self.answer(429, ("Retry-After", "1"))
        elif self.path == "/hang" and first:
            time.sleep(5)
        elif self.path == "/redirect":
            self.answer(307, ("Location", "/ok"))
        elif self.path == "/no":
            self.answer(403)
        elif self.path == "/down":
            self.answer(503)
        elif self.path == "/half" and first:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"x" * 10)
            self.wfile.flush()
            self.close_connection = True
        elif self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"x" * 65536)
            except OSError:
                pass
        else:
            self.answer(200)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
server.daemon_threads = True
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
os._exit(0)
