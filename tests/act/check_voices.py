"""Channels against recorders, a real Alertmanager and a real SMTP server: what each is told, and how often.
QUICK"""
import email
import email.policy
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import threading
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "daemon"))
from case import call, program, run, until  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
PROBE = program("voice_probe")
SYSTEM_PYTHON = "/usr/bin/python3"  # where the packages of Debian are
NASTY = 'namespace=shop,pod=<!channel> & "x" \\ é'


class Helper:
    """A program that prints its port, then a line of JSON for each thing it was told."""

    def __init__(self, file, *arguments, python=sys.executable):
        self.process = subprocess.Popen([python, str(HERE / file), *arguments], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def told(self):
        out, _ = self.process.communicate("", timeout=20)
        return [json.loads(line) for line in out.splitlines()]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def tell(**values):
    values = {"policy": "web_memory", "object": "namespace=shop,pod=a", "text": "memory grows", "incident": "12",
              "key": "heal-1-2", "time_s": "1500000000", "impact": "3", **values}
    got = call(PROBE, *(f"{name}={value}" for name, value in values.items()))
    assert got.returncode == 0, got
    return got.stdout.decode()


def secret(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w") as file:
        file.write(text + "\n")
    return path


def certificate(folder):
    cert, key = os.path.join(folder, "cert"), os.path.join(folder, "key")
    if not shutil.which("openssl"):
        return None
    made = call("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert)
    return (cert, key) if made.returncode == 0 else None


# ---- slack ----

def claim_slack_gets_plain_text_and_is_asked_again_where_that_helps(folder):
    with Helper("receiver.py") as receiver:
        outcomes = []
        for script in ("200", "500,200", "429:1,200", "404", "redirect", "hang,200", "half,200"):
            url_file = secret(folder, "url", f"http://127.0.0.1:{receiver.port}/s/{script}?token=geheim")
            outcomes.append(tell(kind="slack", url_file=url_file, object=NASTY, text="a <b> & c"))
            assert "geheim" not in outcomes[-1] and str(receiver.port) not in outcomes[-1]
        told = receiver.told()
    assert [o.split(":")[0] for o in outcomes] == ["told", "told", "told", "not told", "not told", "told", "told"], outcomes
    asked = [t["path"].split("?")[0][3:] for t in told]
    assert [asked.count(s) for s in ("200", "500,200", "429:1,200", "404", "redirect", "hang,200", "half,200")] == \
        [1, 2, 2, 1, 1, 2, 2], asked
    for t in told:
        body = json.loads(t["body"])
        assert list(body) == ["text"] and t["headers"]["Content-Type"] == "application/json"
        assert body["text"] == '*web_memory* namespace=shop,pod=&lt;!channel&gt; &amp; "x" \\ é\na &lt;b&gt; &amp; c', body


def claim_a_file_that_is_missing_is_named_and_waited_for(folder):
    path = os.path.join(folder, "url")
    said = tell(kind="slack", url_file=path)
    assert said.startswith("not told") and f"cannot open '{path}'" in said and "4 attempts" in said, said
    for text in ("", "a\nb", "x" * 5000):
        secret(folder, "url", text)
        said = tell(kind="slack", url_file=path)
        assert said.startswith("not told") and path in said and "xxx" not in said, said
    with Helper("receiver.py") as receiver:
        os.unlink(path)
        threading.Timer(0.1, secret, (folder, "url", f"http://127.0.0.1:{receiver.port}/s/200")).start()
        assert "told" in tell(kind="slack", url_file=path)


# ---- pagerduty ----

def claim_pagerduty_gets_one_alert_an_incident_and_its_end(folder):
    key = secret(folder, "key", "routing-key-1")
    with Helper("receiver.py") as receiver:
        ask = dict(kind="pagerduty", key_file=key, url=f"http://127.0.0.1:{receiver.port}/s/202")
        for impact in range(5):
            assert tell(**ask, impact=impact).startswith("told")
        assert tell(**ask, resolved=1).startswith("told")
        assert tell(**ask, incident=13).startswith("told")
        assert tell(**ask, object="namespace=shop,pod=b").startswith("told")
        assert tell(**ask, text="é" * 690).startswith("told")
        assert tell(**{**ask, "url": f"http://127.0.0.1:{receiver.port}/s/429:1,202"}).startswith("told")
        assert tell(**{**ask, "url": f"http://127.0.0.1:{receiver.port}/s/400"}).startswith("not told")
        events = [json.loads(t["body"]) for t in receiver.told()]
    assert len(events) == 12
    assert [e["payload"]["severity"] for e in events[:5]] == ["error", "info", "warning", "error", "critical"]
    first, over = events[3], events[5]
    assert first["event_action"] == "trigger" and first["routing_key"] == "routing-key-1"
    assert first["payload"]["summary"] == "web_memory namespace=shop,pod=a: memory grows"
    assert first["payload"]["source"] == "namespace=shop,pod=a"
    assert first["payload"]["timestamp"] == "2017-07-14T02:40:00.000Z"
    assert over == {"routing_key": "routing-key-1", "event_action": "resolve", "dedup_key": first["dedup_key"]}
    keys = {events[i]["dedup_key"] for i in (3, 6, 7)}
    assert len(keys) == 3 and all(len(k) < 255 for k in keys), keys
    clipped = events[8]["payload"]["summary"]
    assert len(clipped.encode()) <= 1000 and clipped.endswith("éé"), clipped


# ---- alertmanager ----

def claim_alertmanager_is_told_what_names_the_alert_and_when_it_ends(folder):
    with Helper("receiver.py") as receiver:
        word = secret(folder, "word", "Bearer abc")
        ask = dict(kind="alertmanager", url=f"http://127.0.0.1:{receiver.port}/", ends_after_s=3600, authorization_file=word)
        assert tell(**ask).startswith("told")
        assert tell(**ask, resolved=1, time_s=1500000600).startswith("told")
        told = receiver.told()
    assert [(t["method"], t["path"], t["headers"]["Authorization"]) for t in told] == \
        [("POST", "/api/v2/alerts", "Bearer abc")] * 2, told
    (firing,), (over,) = (json.loads(t["body"]) for t in told)
    labels = {"alertname": "web_memory", "job": "heald", "namespace": "shop", "pod": "a", "impact": "high"}
    assert firing["labels"] == over["labels"] == labels
    assert firing["startsAt"] == "2017-07-14T02:40:00.000Z" and firing["endsAt"] == "2017-07-14T03:40:00.000Z"
    assert "startsAt" not in over and over["endsAt"] == "2017-07-14T02:50:00.000Z"
    assert firing["annotations"] == {"summary": "memory grows", "incident": "12"}


def claim_a_real_alertmanager_takes_it_and_knows_when_it_is_over(folder):
    binary = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if not binary:
        print("no Alertmanager is installed (package prometheus-alertmanager): left out")
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = os.path.join(folder, "alertmanager.yml")
    with open(config, "w") as file:
        file.write("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    log = open(os.path.join(folder, "log"), "w")
    server = subprocess.Popen([binary, f"--config.file={config}", f"--storage.path={folder}/data", "--cluster.listen-address=",
                               f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def alerts():
        with opener.open(f"http://127.0.0.1:{port}/api/v2/alerts?active=true") as answer:
            return json.load(answer)

    def ready():
        try:
            return opener.open(f"http://127.0.0.1:{port}/-/ready").status == 200
        except OSError:
            return False

    try:
        until(ready, 20)
        now = call("date", "+%s").stdout.decode().strip()
        ask = dict(kind="alertmanager", url=f"http://127.0.0.1:{port}", ends_after_s=3600)
        for number, target in enumerate((NASTY, "service=a", "")):
            said = tell(**ask, object=target, time_s=now, policy=f"p{number}")
            assert said.startswith("told"), said
        found = {a["labels"]["alertname"]: a for a in alerts()}
        assert set(found) == {"p0", "p1", "p2"}, found
        assert found["p0"]["labels"]["pod"] == NASTY.split("pod=")[1]
        assert found["p1"]["status"]["state"] == "active" and found["p1"]["annotations"]["summary"] == "memory grows"
        assert tell(**ask, object="service=a", time_s=now, policy="p1", resolved=1).startswith("told")
        until(lambda: {a["labels"]["alertname"] for a in alerts()} == {"p0", "p2"}, 10)
    finally:
        server.terminate()
        server.wait()
        log.close()


# ---- email ----

def mail_helper(*arguments):
    if call(SYSTEM_PYTHON, "-c", "import aiosmtpd").returncode != 0:
        print("no SMTP server is installed (package python3-aiosmtpd): left out")
        return None
    return Helper("smtp_server.py", *arguments, python=SYSTEM_PYTHON)


def parsed(told):
    return email.message_from_string(told["mail"], policy=email.policy.default)


PLAIN = {"kind": "email", "tls": 2, "from": "heald@example.org", "to": "oncall@example.org", "timeout_ms": 5000}


def claim_a_mail_says_it_all_and_stays_within_its_lines(folder):
    server = mail_helper("plain")
    if not server:
        return
    with server:
        text = "first\n.\n..\nmemory of é grows " + "x" * 1200
        ask = {**PLAIN, "server": f"127.0.0.1:{server.port}", "also_to": "lead@example.org"}
        assert tell(**ask, text=text, object="pod=a\r\nBcc: evil@example.org\r\n\r\nx", key="k\r\nX: y").startswith("told")
        assert tell(**ask, resolved=1).startswith("told")
        told = server.told()
    assert len(told) == 2 and told[0]["from"] == "heald@example.org"
    assert told[0]["to"] == ["oncall@example.org", "lead@example.org"] and not told[0]["tls"]
    assert max(len(line) for line in told[0]["mail"].split("\r\n")) < 998
    mail, over = parsed(told[0]), parsed(told[1])
    assert mail["To"] == "oncall@example.org, lead@example.org" and mail["From"] == "heald <heald@example.org>"
    assert mail["Bcc"] is None and mail["X"] is None and "\n" not in mail["Subject"], dict(mail)
    assert mail["Subject"].startswith("[heald] web_memory pod=a") and mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"].datetime.isoformat() == "2017-07-14T02:40:00+00:00"
    body = next(p for p in mail.walk() if p.get_content_type() == "text/plain").get_content()
    assert body.replace("\r\n", "\n").startswith(text + "\n\npolicy: web_memory\n"), body
    assert "impact: high" in body and "incident: 12" in body
    assert over["Subject"] == "[heald] over: web_memory namespace=shop,pod=a"
    assert re.fullmatch(r"<heal-12-[0-9a-f]{16}@heald.invalid>", over["References"])


def claim_a_mail_is_encrypted_or_not_sent(folder):
    files = certificate(folder)
    server = mail_helper(*files) if files else None
    if not server:
        print("neither openssl nor an SMTP server: left out")
        return
    password = secret(folder, "password", "word of proof")
    with server:
        ask = {**PLAIN, "server": f"127.0.0.1:{server.port}", "user": "user", "password_file": password}
        assert tell(**{**ask, "tls": 0}).startswith("not told")  # a certificate that nobody vouches for
        said = tell(**{**ask, "tls": 0, "ca_file": files[0]})
        assert said.startswith("told"), said
        wrong = secret(folder, "wrong", "guess")
        said = tell(**{**ask, "tls": 0, "ca_file": files[0], "password_file": wrong})
        assert said.startswith("not told") and "1 attempts" in said and "guess" not in said, said
        told = server.told()
    assert len(told) == 1 and told[0]["tls"] and told[0]["login"], told
    plain = mail_helper("plain")
    with plain:
        said = tell(**{**ask, "tls": 0, "server": f"127.0.0.1:{plain.port}"})
        assert said.startswith("not told"), said
        assert plain.told() == []


def claim_a_no_for_good_is_one_and_a_no_for_now_is_not(folder):
    for word, outcome, lines in (("refuse", "not told", 1), ("later", "told", 2)):
        server = mail_helper(word)
        if not server:
            return
        with server:
            said = tell(**PLAIN, server=f"127.0.0.1:{server.port}")
            told = server.told()
        assert said.startswith(outcome) and len(told) == lines, (said, told)


def claim_one_wrong_address_keeps_nobody_from_being_told(folder):
    server = mail_helper("half")
    if not server:
        return
    with server:
        said = tell(**PLAIN, server=f"127.0.0.1:{server.port}", also_to="lead@example.org")
        told = server.told()
    assert said.startswith("told") and [t["to"] for t in told] == [["lead@example.org"]], (said, told)


def claim_an_smtp_server_that_hangs_or_lies_is_given_up(folder):
    for greeting in (b"", b"HTTP/1.1 200 OK\r\n\r\n", b"220 hi\r\n" + b"x" * 200000):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            open_ones = []

            def serve():
                while True:
                    try:
                        connection, _ = listener.accept()
                        open_ones.append(connection)
                        connection.sendall(greeting)
                    except OSError:
                        return
            threading.Thread(target=serve, daemon=True).start()
            said = tell(**{**PLAIN, "timeout_ms": 300}, server=f"127.0.0.1:{listener.getsockname()[1]}")
            assert said.startswith("not told"), (greeting[:20], said)
            for connection in open_ones:
                connection.close()


run(globals())
