#!/usr/bin/env python3
"""QUICK healc import: rule files become policies, what is wrong is named with its place, and nothing is overwritten."""
import pathlib
import subprocess
import sys
import tempfile

BUILD = pathlib.Path(sys.argv[1]).resolve()
HEALC = BUILD / "healc"
passed = failed = 0

GOOD = """groups:
- name: node.rules
  interval: 30s
  rules:
  - record: job:errors:rate5m
    expr: sum by (job) (rate(errors_total[5m]))
  - alert: Too many errors
    expr: |
      job:errors:rate5m
        > 5
    for: 15m
    labels: {severity: page}
    annotations: {summary: "{{ $labels.job }} has {{ $value | humanize }}"}
"""
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    "a%d: &a%d [%s]\n" % (i, i, ", ".join(["*a%d" % (i - 1)] * 10)) for i in range(1, 9))


def rule(text):
    return "groups:\n- name: g\n  rules:\n  - {%s}\n" % text


# name, bytes of the file, exit code, what standard error must hold
WRONG = [
    ("cyclic anchors", "groups: &a [*a]\n", 1, ":1:13: the anchor 'a' holds itself"),
    ("a billion laughs", BOMB, 1, "too many values, with what the aliases stand for"),
    ("a tab", "groups:\n\t- name: g\n", 1, ":2:1: found character that cannot start any token"),
    ("no expression", rule("alert: A"), 1, ":4:5: the field 'expr' must be set"),
    ("alert and record", rule("alert: A, record: b, expr: up"), 1, "only one of 'record' and 'alert'"),
    ("a bad duration", rule("alert: A, expr: up, for: 5 minutes"), 1, ":4:31: 'for': not a duration"),
    ("an unknown field", rule("alert: A, expr: up, severity: x"), 1, ":4:26: unknown field 'severity' in a rule"),
    ("an unknown field of a group", "groups:\n- {name: g, ruls: []}\n", 1, ":2:13: unknown field 'ruls' in a group"),
    ("an invalid label name", rule("alert: A, expr: up, labels: {__name__: x}"), 1, "invalid label name"),
    ("a bad template", rule("alert: A, expr: up, annotations: {s: '{{ $label.x }}'}"), 1,
     ":4:43: the template of 's': line 1 column 4: undefined variable \"$label\""),
    ("an expression that is none", rule("alert: A, expr: 'sum(up'"), 1, ":4:22: alert 'A': expression 1:7: "),
    ("a function that is none", rule("alert: A, expr: 'nope(up)'"), 1, "no stable function of PromQL"),
    ("native histograms", rule("alert: A, expr: 'histogram_count(x) > 1'"), 1, "native histograms"),
    ("an empty file", "", 1, "the file is empty"),
    ("no map", "- a\n", 1, "a rule file is a map"),
    ("two documents", "groups: []\n---\ngroups: []\n", 1, "only one document"),
    ("a group twice", "groups:\n- name: g\n- name: g\n", 1, ":3:3: the group 'g' is there twice"),
    ("a key twice", "groups:\n- name: g\n  name: h\n", 1, ":3:3: the key 'name' is there twice"),
    ("an alias to nothing", "groups: *a\n", 1, ":1:9: no anchor is called 'a'"),
    ("no UTF-8", b"groups:\n- name: \"\xff\"\n", 1, "the text is not UTF-8"),
    ("a NUL byte", b"groups:\n- name: \"a\0b\"\n", 1, "control characters are not allowed"),
    ("a tenant", "groups:\n- {name: g, tenant: '1'}\n", 1, "nothing for the field 'tenant' of VictoriaMetrics"),
    ("nested deeply", "groups: " + "[" * 100 + "]" * 100 + "\n", 1, "nested too deeply"),
]


def check(name, good, words=""):
    global passed, failed
    passed += bool(good)
    failed += not good
    if not good:
        print("FAIL %s: %s" % (name, words))


def run(*arguments, cwd=None):
    return subprocess.run([HEALC, "import", *map(str, arguments)], capture_output=True, text=True, cwd=cwd, timeout=60)


def wrong_inputs(folder):
    for i, (name, content, code, words) in enumerate(WRONG):
        path = folder / ("wrong%d.yml" % i)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        got = run("prometheus", path)
        check(name, got.returncode == code and words in got.stderr, "%d %s" % (got.returncode, got.stderr))
    got = run("prometheus", folder)
    check("a folder", got.returncode == 2 and "Is a directory" in got.stderr, got.stderr)
    got = run("prometheus", folder / "nowhere.yml")
    check("no file", got.returncode == 2 and "No such file" in got.stderr, got.stderr)
    large = folder / "large.yml"
    large.write_text("# " + "x" * (9 << 20))
    got = run("prometheus", large)
    check("a large file", got.returncode == 1 and "larger than 8 MiB" in got.stderr, got.stderr)
    for arguments in [(), ("prometheus",), ("nagios", large), ("prometheus", "--interval", "1.5h", large), ("prometheus", "--nope", large)]:
        check("usage %r" % (arguments,), run(*arguments).returncode == 2)


def printed(folder):
    path = folder / "rules.yml"
    path.write_text(GOOD)
    got = run("prometheus", path)
    text = got.stdout
    check("exit", got.returncode == 0, got.stderr)
    check("edition", text.count("edition 1") == 1 and text.count("channel prometheus = log") == 1, text)
    check("what is needed", "Before one of them may act it needs" in text, text)
    check("a signal", "signal job:errors:rate5m every 30s = sum by (job) (rate(errors_total[5m]))\n" in text, text)
    check("a policy", 'policy Too_many_errors for each series every 30s {\n  label alertname = "Too many errors"\n' in text, text)
    check("an expression as written", "  when\n    job:errors:rate5m\n      > 5\n    for 15m\n" in text, text)
    check("a template", 'annotation summary = "{{ $labels.job }} has {{ $value | humanize }}"' in text, text)
    got = run("prometheus", path, path, "--interval", "15s")
    check("names are unique over the set", "policy Too_many_errors_2 for" in got.stdout and got.stdout.count("channel ") == 1, got.stdout)
    path.write_text(GOOD.replace("  interval: 30s\n", ""))
    check("the default interval", " every 15s " in run("prometheus", path, "--interval", "15s").stdout)
    path.write_text(GOOD.replace("expr: sum by", "expr: nope by"))
    got = run("prometheus", path)
    check("the rest is written", got.returncode == 1 and "policy Too_many" in got.stdout and "signal" not in got.stdout, got.stdout)


def files(folder):
    out = folder / "out"
    (folder / "a").mkdir()
    (folder / "b").mkdir()
    (folder / "a" / "rules.yml").write_text(GOOD)
    (folder / "b" / "rules.yml").write_text(GOOD)
    (folder / "b" / "prometheus.yml").write_text(GOOD)
    paths = ["a/rules.yml", "b/rules.yml", "b/prometheus.yml"]
    got = run("prometheus", *paths, "-o", "out", cwd=folder)
    names = sorted(p.name for p in out.iterdir())
    check("a file each", got.returncode == 0 and names == ["prometheus.heal", "prometheus_2.heal", "rules.heal", "rules_2.heal"],
          "%s %s" % (names, got.stderr))
    check("the channel is imported", 'import "prometheus.heal"' in (out / "rules.heal").read_text())
    check("the channel is declared once", "channel prometheus = log" in (out / "prometheus.heal").read_text())
    check("once more is the same", run("prometheus", *paths, "-o", "out", cwd=folder).returncode == 0)
    mine = "# mine\n"
    (out / "rules.heal").write_text(mine)
    got = run("prometheus", *paths, "-o", "out", cwd=folder)
    check("nothing is overwritten", got.returncode == 2 and "is there already" in got.stderr and (out / "rules.heal").read_text() == mine,
          got.stderr)
    got = run("prometheus", *paths, "-o", "out", "--force", cwd=folder)
    check("--force overwrites", got.returncode == 0 and (out / "rules.heal").read_text() != mine, got.stderr)
    check("nothing is left beside", sorted(p.name for p in out.iterdir()) == names)
    got = run("prometheus", "a/rules.yml", "-o", "a/rules.yml", cwd=folder)
    check("a file is no folder", got.returncode == 2 and "is no folder" in got.stderr, got.stderr)


with tempfile.TemporaryDirectory() as scratch:
    for part in [wrong_inputs, printed, files]:
        place = pathlib.Path(scratch) / part.__name__
        place.mkdir()
        part(place)
print("%d passed, %d failed" % (passed, failed))
sys.exit(failed > 0)
