"""healc test: people who approve, acknowledge, and take a mode away.
QUICK"""
import os
import subprocess
import sys
import tempfile

HEALC = os.path.abspath(os.path.join(sys.argv[1], "healc"))
POLICY = """edition 1
channel oncall = log
channel boss = log
metric app_bad ratio by (w)
metric app_up ratio by (w)
pool ws(w) = app_up == 1
action fix(t: w) {{ via exec irreversible timeout 3s }}
policy high for each w in ws every 15s {{
  about "x"
  when app_bad > 50% for 1m
  clear when app_bad < 40% for 1m
  on missing hold
  on stale > 2m notify oncall
  heal {{
    try fix(w) {approve} verify app_bad < 40% holds 1m within 5m
    else page oncall
  }}
  bound at most 10 of w per 1h
  cooldown 10m
  escalate to oncall {ladder}
}}
test "t" for 2h {{
  given app_bad{{w="a"}} is 60% at 1m
  {body}
}}
"""
MANY = ", ".join(f'app_bad{{w="{w}"}} is 60% at 1m' for w in "abc")
TWO = "approve by two of oncall within 10m"
passed = failed = 0


def claim(name, expected, body, approve="", ladder="", said=""):
    global passed, failed
    with tempfile.TemporaryDirectory(prefix="heal") as folder:
        path = os.path.join(folder, "p.heal")
        with open(path, "w", encoding="utf-8") as file:
            file.write(POLICY.format(approve=approve, ladder=ladder, body=body))
        got = subprocess.run([HEALC, "test", path], capture_output=True, text=True, timeout=30)
    ok = got.returncode == expected and said in got.stdout + got.stderr
    passed += ok
    failed += not ok
    if not ok:
        print(f"FAILED {name}: exit {got.returncode}\n{got.stdout}{got.stderr}")


claim("two people", 0, "given approval by ann after 1m, approval by bob after 3m\n"
      "expect approval before 3m, fix after 5m, no fix before 5m, no refused", TWO)
claim("one person twice", 0, "given approval by ann after 1m, approval by ann after 3m\nexpect refused, no action", TWO)
claim("one person of two", 0, "given approval after 1m\nexpect no action, escalation", TWO)
claim("one of two says no", 0, "given approval by ann after 1m, approval denied by bob after 2m\nexpect no action", TWO)
claim("one is enough", 0, "given approval by ann\nexpect fix before 3m", "approve by oncall within 10m")
claim("the claim can fail", 1, "given approval by ann\nexpect fix", TWO, said="expected fix: it did not come")
claim("three people", 1, "expect fix", "approve by three of oncall within 10m", said="write 'approve by two of oncall'")
claim("acts that do not help cost a mode", 0, f"given {MANY}\nexpect demoted before 10m, demoted at most 1 times")
claim("two that do not help cost none", 0, 'given app_bad{w="b"} is 60% at 1m\nexpect no demoted')
claim("the boss is told", 0, "expect escalation to boss after 17m before 20m", ladder="then boss after 10m")
claim("not when somebody looks", 0, "given acknowledgement after 5m\nexpect acknowledged, no escalation to boss",
      ladder="then boss after 10m")
claim("and again", 0, "expect escalation to boss after 1h50m", ladder="then boss after 10m repeat every 5m")
claim("a channel that is not there", 1, "expect escalation to bos", said="did you mean 'boss'")
claim("what goes to no channel", 1, "expect incident to boss", said="'incident' goes to no channel")
claim("a missing page names its channel", 1, "expect escalation to boss", said="expected escalation to boss: it did not come")
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
