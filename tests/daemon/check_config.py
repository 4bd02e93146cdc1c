"""heald -n: names the line of every mistake, and prints what parses again.
QUICK"""
import os
from case import call, program, run

HEALD = program("heald")

BAD = [
    ("tick: 1s\nscrape:\n  - job: a\n    targets: [http://h/m]\n    intervall: 5s\n", 5, "did you mean 'interval'?"),
    ("state: /s\ntick: soon\n", 2, "is not a duration"),
    ("tick: 1s\ntick: 2s\n", 2, "is repeated"),
    ("log:\n  level: info\n  format: xml\n", 3, "text|json"),
    ("state: /s\n\nscrape: {job: a}\n", 3, "expected a list"),
    ("grants:\n  - action: restart\n    targets: [worker=a]\n    at_most: {count: 1, per: 1h}\n", 2, "'argv' is missing"),
    ("grants:\n  - action: restart\n    argv: [restart.sh]\n    targets: [worker=a]\n    at_most: {count: 1, per: 1h}\n", 3, "absolute path"),
    ("grants:\n  - {action: r, argv: [/bin/sh, -c, 'rm {target}'], targets: [a=b], at_most: {count: 1, per: 1h}}\n", 2, "to a shell"),
    ("state: /s\ndefault_mode: act\n", 1, "at least one guard"),
    ("a: &b 1\nc: *b\n", 1, "anchors"),
    ("tick: 1s\n  bad: indent\n", 2, "not YAML"),
    ("policies_mode:\n  leak: kill\n", 2, "shadow|ask|act"),
    ("tick: 1s\nlisten: 127.0.0.1:99999\n", 2, "ADDRESS:PORT"),
    ("tick: 1s\npolicies: /etc/heal/shop/\n", 2, "healc compile /etc/heal/shop/ -o /etc/heal/shop.healb && "
                                                "healc sign --key team.key /etc/heal/shop.healb"),
    ("external_labels:\n  region: " + "x" * 1025 + "\n", 2, "'region' is longer than 1024 bytes"),
    ("external_labels:\n  ? " + "x" * 1025 + "\n  : a\n", 3, "is longer than 1024 bytes"),
    ("policies: /etc/heal/MANIFEST\n", 1, "is no bundle of policies"),
]


def claim_each_kind_of_mistake_names_its_line(folder):
    path = os.path.join(folder, "heald.yaml")
    for text, line, expected in BAD:
        with open(path, "w") as file:
            file.write(text)
        got = call(HEALD, "-n", "-c", path)
        errors = got.stderr.decode()
        assert got.returncode == 1 and got.stdout == b"", (text, got)
        assert f"{path}:{line}:" in errors and expected in errors, (text, errors)


def claim_all_mistakes_are_reported_at_once(folder):
    path = os.path.join(folder, "heald.yaml")
    with open(path, "w") as file:
        file.write("tik: 1s\nlog: {level: x}\nlisten: x\n")
    assert call(HEALD, "-n", "-c", path).stderr.count(b": error: ") == 3


def claim_what_is_printed_parses_again_to_the_same(folder):
    path, again = os.path.join(folder, "heald.yaml"), os.path.join(folder, "again.yaml")
    with open(path, "w") as file:
        file.write("channels:\n  oncall: {webhook: {url: 'http://u:geheim@h/p?token=geheim'}}\n"
                   "  chat: {slack: {url_file: /etc/heal/slack}}\n  pager: {pagerduty: {key_file: /etc/heal/key}}\n"
                   "  mail: {email: {server: 'mail.example:587', from: heald@example.org, to: [a@example.org],\n"
                   "    user: heald, password_file: /etc/heal/mail}}\n"
                   "  am: {alertmanager: {url: 'http://u:geheim@h:9093', ends_after: 2h}}\n"
                   "grants:\n  - action: restart\n    argv: [/usr/bin/r, '{target}']\n"
                   "    targets: ['worker=leaky']\n    unattended: true\n    memory_max: 64MiB\n"
                   "    at_most: {count: 3, per: 1h30m}\n"
                   "  - action: drain\n    connector: http\n    targets: ['pool=a']\n    at_most: {count: 3, per: 1h}\n"
                   "    request: {url: 'https://h/{pool}?key=geheim', method: DELETE, body: '{\"a\": \"{pool}\"}',\n"
                   "      headers: {X-A: b}, header_files: {Authorization: /etc/heal/token}}\n"
                   "  - action: cordon\n    connector: kubernetes.cordon\n    targets: ['node=n1']\n"
                   "    at_most: {count: 3, per: 1h}\nkubernetes: {}\nguards: [g.heal]\ndefault_mode: act\n"
                   "external_labels: {region: north, 'zone': 'a b'}\nexternal_url: https://heal.example/x\n")
    first = call(HEALD, "-n", "-c", path)
    assert first.returncode == 0, first.stderr
    assert b'external_labels:\n  "region": "north"\n  "zone": "a b"\nexternal_url: "https://heal.example/x"\n' in first.stdout
    assert b"geheim" not in first.stdout and b"left out above" in first.stdout
    with open(again, "wb") as file:
        file.write(first.stdout)
    second = call(HEALD, "-n", "-c", again)
    drop = lambda text: [line for line in text.splitlines() if not line.startswith(b"#")]
    assert drop(first.stdout) == drop(second.stdout), second


def claim_a_missing_file_and_wrong_use_are_told_apart(folder):
    assert call(HEALD, "-n", "-c", os.path.join(folder, "none")).returncode == 1
    assert call(HEALD, "--nonsense").returncode == 2
    assert call(HEALD, "extra").returncode == 2
    assert call(HEALD, "--role", "nobody").returncode == 2
    assert call(HEALD, "--version").stdout.startswith(b"heald ")
    assert b"usage" in call(HEALD, "-h").stdout


def claim_a_role_without_its_parent_is_refused(folder):
    assert call(HEALD, "--role", "engine").returncode == 78


run(globals())
