#!/usr/bin/env python3
"""QUICK healc test FILE.yml: promtool's unit tests on heal's engine; where promtool is there, it gives the same verdicts."""
import pathlib
import shutil
import subprocess
import sys
import tempfile

BUILD = pathlib.Path(sys.argv[1]).resolve()
HEALC = BUILD / "healc"
passed = failed = 0

# Sampled every 30s and evaluated every minute, off the edges of windows: versions 2 and 3 agree.
RULES = """groups:
- name: record
  interval: 5m
  rules:
  - record: job:errors:rate
    expr: sum by (job) (rate(errors_total[5m]))
    labels: {team: shop}
- name: alerts
  rules:
  - alert: Too many errors
    expr: job:errors:rate > 0.2
    for: 3m
    labels: {severity: page, where: "{{ $externalLabels.site }}"}
    annotations: {summary: "{{ $labels.job }}: {{ $value | humanize }} \\"errors\\"", nothing: "{{ with query `sum(errors_total)` }}{{ . | first | value }}{{ end }}"}
  - alert: Down
    expr: up == 0
    keep_firing_for: 2m
    annotations: {x: "{{ $value }}"}
  - alert: Down
    expr: up == 2
  - record: errors:least
    expr: sum(min_over_time(errors_total[3m30s:1m]))
  - record: errors:most
    expr: sum(max_over_time(errors_total[3m30s:1m]))
"""
TEST = """rule_files: ["ru*.yml"]
evaluation_interval: 1m
group_eval_order: [record, alerts]
tests:
- name: errors
  interval: 30s
  external_labels: {site: eu}
  input_series:
  - {series: 'errors_total{job="a"}', values: '0+30x30'}
  - {series: 'errors_total{job="b"}', values: '0+3x30'}
  alert_rule_test:
  - {eval_time: 3m, alertname: Too many errors}
  - eval_time: 5m
    alertname: Too many errors
    exp_alerts:
    - exp_labels: {job: a, team: shop, severity: page, where: eu}
      exp_annotations: {summary: 'a: 1 "errors"', nothing: '330'}
  - {eval_time: 5m30s, alertname: None}
  promql_expr_test:
  - expr: job:errors:rate
    eval_time: 10m
    exp_samples:
    - {labels: 'job:errors:rate{job="a", team="shop"}', value: 1}
    - {labels: 'job:errors:rate{job="b", team="shop"}', value: 0.1}
  - {expr: 'sum(errors_total) / 2', eval_time: 10m15s, exp_samples: [{labels: '{}', value: 330}]}
  - {expr: 'errors_total > 1e6', eval_time: 1m}
  - {expr: 'errors:least', eval_time: 10m, exp_samples: [{labels: 'errors:least', value: 462}]}
  - {expr: 'errors:most', eval_time: 10m, exp_samples: [{labels: 'errors:most', value: 660}]}
  - {expr: 'count by (alertstate) (ALERTS)', eval_time: 2m, exp_samples: [{labels: '{alertstate="pending"}', value: 1}]}
- name: up
  interval: 1m
  input_series:
  - {series: 'up{job="a"}', values: '1 0 0 1x5 stale'}
  - {series: 'up{job="b"}', values: '_x3 2 _x9'}
  alert_rule_test:
  - {eval_time: 0, alertname: Down}
  - eval_time: 2m
    alertname: Down
    exp_alerts: [{exp_labels: {job: a}, exp_annotations: {x: '0'}}]
  - eval_time: 4m
    alertname: Down
    exp_alerts: [{exp_labels: {job: a}, exp_annotations: {x: '0'}}, {exp_labels: {job: b}}]
  - eval_time: 6m
    alertname: Down
    exp_alerts: [{exp_labels: {job: b}}]
  - {eval_time: 12m, alertname: Down}
"""
CASES = 14

# What is changed in TEST, and what a line of the failure must hold.
WRONG = [
    ("severity: page, where", "severity: other, where", 'severity="other"'),
    ("'a: 1 \"errors\"'", "'a: 2 \"errors\"'", "a: 1 "),
    ("- {eval_time: 3m, alertname: Too many errors}", "- {eval_time: 6m, alertname: Too many errors}", "expected nothing, got {"),
    ("team=\"shop\"}', value: 1}", "team=\"shop\"}', value: 2}", 'team="shop"} 2; '),
    ("value: 330", "value: 331", "expected {} 331, got {} 330"),
    ("expr: 'errors_total > 1e6'", "expr: 'errors_total > 1'", "expected nothing, got {"),
    ("- {eval_time: 12m, alertname: Down}", "- {eval_time: 7m, alertname: Down}", 'job="b"'),
    ("exp_annotations: {x: '0'}}, {exp_labels: {job: b}}]", "exp_annotations: {x: '1'}}, {exp_labels: {job: b}}]", 'x="1"'),
]


def check(name, good, words=""):
    global passed, failed
    passed += bool(good)
    failed += not good
    if not good:
        print("FAIL %s: %s" % (name, words))


def run(folder, test, rules=RULES):
    (folder / "rules.yml").write_text(rules)
    (folder / "test.yml").write_text(test)
    ours = subprocess.run([HEALC, "test", folder / "test.yml"], capture_output=True, text=True, timeout=60)
    theirs = None
    if shutil.which("promtool"):
        theirs = subprocess.run(["promtool", "test", "rules", folder / "test.yml"], capture_output=True, text=True, timeout=60)
    return ours, theirs


def main(folder):
    ours, theirs = run(folder, TEST)
    check("all pass", ours.returncode == 0 and ours.stdout == "%d passed, 0 failed\n" % CASES, ours.stdout + ours.stderr)
    check("promtool agrees", theirs is None or theirs.returncode == 0, theirs and theirs.stdout + theirs.stderr)
    for before, after, words in WRONG:
        assert before in TEST, before
        ours, theirs = run(folder, TEST.replace(before, after))
        lines = ours.stdout.splitlines()
        check("wrong: " + after, ours.returncode == 1 and len(lines) == 2 and words in lines[0] and lines[0].startswith("FAIL ")
              and lines[1] == "%d passed, 1 failed" % (CASES - 1), ours.stdout + ours.stderr)
        check("promtool agrees: " + after, theirs is None or theirs.returncode == 1)
    ours, _ = run(folder, TEST, RULES.replace("expr: up == 2", "expr: nope(up)"))
    check("a refused rule fails its cases", ours.returncode == 1 and "no stable function" in ours.stderr
          and "a rule of this name was refused" in ours.stdout, ours.stdout + ours.stderr)
    ours, _ = run(folder, "tests: {}\n")
    check("a wrong file", ours.returncode == 2 and "test.yml:1:8: this is a list" in ours.stderr, ours.stderr)
    fuzzy = """fuzzy_compare: %s
tests:
- input_series: [{series: a, values: '0.1'}, {series: b, values: '0.2'}]
  promql_expr_test: [{expr: a + on () b, eval_time: 0, exp_samples: [{labels: '{}', value: 0.3}]}]
"""
    check("exact", run(folder, fuzzy % "false")[0].returncode == 1)
    check("fuzzy: one ulp", run(folder, fuzzy % "true")[0].returncode == 0)
    starts = """tests:
- start_timestamp: %s
  interval: 1m
  input_series: [{series: a, values: '1 2 3'}]
  promql_expr_test: [{expr: time() + sum(a), eval_time: 1m, exp_samples: [{labels: '{}', value: 1000000062}]}]
"""
    for start in ["1000000000", "2001-09-09T01:46:40Z"]:
        ours, _ = run(folder, starts % start)
        check("a start", ours.returncode == 0, ours.stdout + ours.stderr)
    # Two subqueries on one grid over what rules before them write, one of them read before it is written. Without
    # the order promtool takes the groups in any.
    chain = """groups:
- name: base
  rules:
  - {record: "x:base", expr: x > 0}
  - {record: "x:above", expr: "x:base > bool last_over_time(x:mean[65m])"}
- name: grid
  rules:
  - {record: "x:mean", expr: "avg_over_time((x:base >= 0)[7d:1h])"}
  - {record: "x:spread", expr: "stddev_over_time((x:base >= 0)[7d:1h])"}
"""
    cases = """rule_files: [rules.yml]
evaluation_interval: 5m
group_eval_order: [base, grid]
tests:
- interval: 5m
  input_series: [{series: 'x{a="b"}', values: '100x130'}]
  promql_expr_test:
  - {expr: "x:mean", eval_time: 10h, exp_samples: [{labels: 'x:mean{a="b"}', value: 100}]}
  - {expr: "x:spread", eval_time: 10h, exp_samples: [{labels: 'x:spread{a="b"}', value: 0}]}
  - {expr: "x:above", eval_time: 10h, exp_samples: [{labels: 'x:above{a="b"}', value: 0}]}
  - {expr: "x:mean", eval_time: 0, exp_samples: [{labels: 'x:mean{a="b"}', value: 100}]}
"""
    ours, theirs = run(folder, cases, chain)
    check("subqueries over recorded signals", ours.returncode == 0, ours.stdout + ours.stderr)
    check("promtool agrees on them", theirs is None or theirs.returncode == 0, theirs and theirs.stdout + theirs.stderr)
    old = """evaluation_interval: 1m
tests:
- input_series: [{series: a, values: '1'}]
  promql_expr_test: [{expr: a, eval_time: 5m, exp_samples: [{labels: a, value: 1}]}]
"""
    check("open windows", run(folder, old)[0].returncode == 1)
    closed = subprocess.run([HEALC, "test", "--closed-windows", folder / "test.yml"], capture_output=True, text=True)
    check("closed windows, where they are asked for", closed.returncode == 0, closed.stdout + closed.stderr)
    asked = subprocess.run([HEALC, "test", "--closed-windows", folder], capture_output=True, text=True)
    check("closed windows of a policy", asked.returncode == 2 and "unit tests of rules" in asked.stderr, asked.stderr)


with tempfile.TemporaryDirectory() as scratch:
    main(pathlib.Path(scratch))
print("%d passed, %d failed" % (passed, failed))
sys.exit(failed > 0)
