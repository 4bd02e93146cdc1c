"""healc eval over small files: values, formats, exit codes.
QUICK"""
import json
import os
import subprocess
import sys
import tempfile

healc = os.path.join(sys.argv[1], "healc")
passed = failed = 0


def run(*args):
    done = subprocess.run([healc, "eval", *args], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def claim(name, ok, got):
    global passed, failed
    passed += ok
    failed += not ok
    if not ok:
        print(f"FAILED {name}: {got}")


with tempfile.TemporaryDirectory() as folder:
    def path(name, text):
        with open(os.path.join(folder, name), "w") as file:
            file.write(text)
        return os.path.join(folder, name)

    om = path("x.om", 'x{pod="a"} 1 1000\nx{pod="b"} 2 1000\nx{pod="a"} 5 1060\nx{pod="b"} 2.5 1060\n# EOF\n')
    csv = path("cpu-1.csv", "timestamp,value\n" + "".join(
        f"2014-04-01 00:{i:02}:00,{i % 2 + (50 if i == 59 else 0)}\n" for i in range(60)))
    bad = path("bad.om", "x 1 1\nx{a=b} 1 2\n")

    got = run("rate(x[5m]) > 0.01", "--data", om)
    claim("a filter keeps what passes it", got[:2] == (0, '{pod="a"}  0.016666666666666666\n'), got)
    got = run("sum(x)", "--data", om, "--format", "json", "--at", "1000")
    claim("json is that of Prometheus", got[0] == 0 and json.loads(got[1]) == {
        "resultType": "vector", "result": [{"metric": {}, "value": [1000, "3"]}]}, got)
    got = run("x", "--data", om, "--from", "1000", "--to", "1060", "--step", "1m", "--format", "json")
    claim("a range is a matrix of both series", got[0] == 0 and sorted(
        [p[1] for p in s["values"]] for s in json.loads(got[1])["result"]) == [["1", "5"], ["2", "2.5"]], got)
    got = run("zscore(cpu_1, alpha: 0.1) > 10", "--data", csv, "--format", "csv", "--from",
              "2014-04-01T00:00:00Z", "--to", "2014-04-01T00:59:00Z", "--step", "1m")
    claim("the outlier alone stands out", got[0] == 0 and got[1].count("\n") == 2 and
          got[1].splitlines()[1].startswith("1396313940.000,{},"), got)
    got = run("x", "--data", om, "--at", "1361")
    claim("a series ends after the lookback", got[:2] == (0, ""), got)
    got = run("x * on() x", "--data", om)
    claim("an ambiguous match is an error", got[0] == 1 and "group_left" in got[2], got)
    got = run("x", "--data", bad)
    claim("bad data is refused with its line", got[0] == 2 and "bad.om:2: " in got[2], got)
    got = run("x +", "--data", om)
    claim("bad expressions are reported", got[0] == 1 and "error[H" in got[2], got)
    got = run("histogram_sum(x)", "--data", om)
    claim("what is not ready is refused by name", got[0] == 1 and "histogram_sum" in got[2], got)
    got = run("x", "--data", os.path.join(folder, "none.om"))
    claim("a missing file cannot be read", got[0] == 2 and "none.om" in got[2], got)

print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
