"""healc test with recorded streams: how they are played, and what is refused.
QUICK"""
import os
import subprocess
import sys
import tempfile

HEALC = os.path.join(os.path.abspath(sys.argv[1]), "healc")
passed = failed = 0

POLICY = """edition 1
metric x ratio by (w)
metric up ratio by (w)
pool ws(w) = up
channel oncall = log
action fix(t: w) {{
  via exec
  affects t.x within 5s
  irreversible
  timeout 5s
}}
policy high for each w in ws every 10s {{
  about "x is high"
  when x > 90% for 30s
  clear when x < 50% for 20s
  on missing hold
  on stale > 1m notify oncall
  heal {{
    try fix(w)
        verify x < 50% holds 20s within 2m
    else page oncall
  }}
  bound at most 2 of ws per 20m
  cooldown 10m
  escalate to oncall when unresolved for 30m
}}
test "t" {length}{{
{body}
}}
"""


def claim(name, ok, got):
    global passed, failed
    passed += bool(ok)
    failed += not ok
    if not ok:
        print(f"FAILED {name}: {got}")


def rows(metric, label, values, step=10, start=5000):
    """One sample a step; None is a hole."""
    return "".join(f'{metric}{{w="{label}"}} {value} {start + i * step}\n'
                   for i, value in enumerate(values) if value is not None)


def test(body, files, length=""):
    """The test's outcome and its output."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {"p.heal": POLICY.format(body=body, length=length), **files}.items():
            os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
            with open(os.path.join(folder, name), "w") as file:
                file.write(text)
        done = subprocess.run([HEALC, "test", "-v", os.path.join(folder, "p.heal")], capture_output=True, text=True,
                              timeout=60)
        return done.returncode, done.stdout + done.stderr


N = 60
UP = rows("up", "a", [1] * N) + rows("up", "b", [1] * N)
LOW = rows("x", "b", [0.2] * N)
HIGH = rows("x", "a", [0.2] * 12 + [0.95] * (N - 12))
STREAM = UP + LOW + HIGH

got = test('given stream "s.om"\nexpect fix on "w=a" after 2m20s before 2m40s\nexpect no action on "w=b"', {"s.om": STREAM})
claim("the first sample is the start of the test, and the fault is seen when it was recorded", got[0] == 0, got)
got = test('given stream "s.om" at 5m\nexpect fix after 7m20s before 7m40s', {"s.om": STREAM})
claim("a stream may begin later", got[0] == 0, got)
got = test('given stream "s.om"\ngiven after fix x{w="a"} is 0.1\nexpect verified\nexpect resolved', {"s.om": STREAM})
claim("a series given after the action takes the place of the stream's", got[0] == 0, got)
got = test('given stream "s.om"\nexpect no verified\nexpect escalation', {"s.om": STREAM})
claim("without it the fault goes on", got[0] == 0, got)
got = test('given stream "rec/x.csv"\ngiven stream "rec/up.csv"\nexpect fix after 2m20s before 2m40s', {
    "rec/x.csv": "timestamp,w,value\n" + "".join(f"{5000 + i * 10},a,{0.2 if i < 12 else 0.95}\n" for i in range(N)),
    "rec/up.csv": "timestamp,w,value\n" + "".join(f"{5000 + i * 10},a,1\n" for i in range(N))})
claim("tables of values are streams too, in a folder below", got[0] == 0, got)

holes = rows("x", "a", [0.2] * 12 + [0.95, 0.95, None, None, None, None] * 8)
got = test('given stream "s.om"\nexpect no action', {"s.om": UP + LOW + holes})
claim("a series that is absent while its stream goes on is missing after one step", got[0] == 0, got)
got = test('given stream "s.om"\nexpect fix', {"s.om": UP + LOW + rows("x", "a", [0.2] * 4 + [0.95] * 20, step=30)})
claim("a series with a longer step than its stream is not absent between its samples", got[0] == 0, got)
got = test('given stream "s.om"\ngiven x{w="b"} is unseen at 1m\nexpect no action\nexpect escalation', {"s.om": STREAM})
claim("a series that is unseen silences its whole stream", got[0] == 0, got)
got = test('given stream "s.om"\ngiven x{w="a"} is missing at 1m\nexpect no action', {"s.om": STREAM})
claim("a series that is given as missing is not played", got[0] == 0, got)
got = test('given stream "s.om"\nexpect escalation after 10m', {"s.om": STREAM}, "for 14m ")
claim("after its end a stream does not answer", got[0] == 0, got)
got = test('given stream "s.om"\nexpect no action on "w=c"\nexpect fix on "w-1"', {"s.om": STREAM})
claim("the inventory is the stream's, not one made up", got[0] == 1 and "expected fix on w-1" in got[1], got)

for name, files, wanted in [
    ("a stream that is not there", {}, "s.om: No such file or directory"),
    ("a line that is no sample", {"s.om": STREAM + "x{w=\n"}, f"s.om:{STREAM.count(chr(10)) + 1}: "),
    ("a stream that no policy reads", {"s.om": 'y{w="a"} 1 1\n'}, "s.om: no policy of the test's file reads"),
    ("a stream without samples", {"s.om": "# EOF\n"}, "s.om: the stream has no samples"),
]:
    got = test('given stream "s.om"\nexpect no action', files)
    claim(f"{name} fails with its place", got[0] == 1 and wanted in got[1] and "p.heal:" in got[1], got)
got = test('given stream "s.om"\ngiven stream "t.om"\nexpect no action', {"s.om": STREAM, "t.om": LOW})
claim("two streams cannot give one series", got[0] == 1 and "t.om:1: 'x' is already given" in got[1], got)
many = {f"s{i}.om": f'up{{w="n{i}"}} 1 1\n' for i in range(17)}
got = test("".join(f'given stream "{name}"\n' for name in many) + "expect no action", many)
claim("a test gives at most 16 streams", got[0] == 1 and "more than 16 streams" in got[1], got)
for path in ("/s.om", "../s.om", "a//s.om", "s.json", "s", ""):
    got = test(f'given stream "{path}"\nexpect no action', {})
    claim(f"the path '{path}' is refused", got[0] == 1 and "H0705" in got[1], got)
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
