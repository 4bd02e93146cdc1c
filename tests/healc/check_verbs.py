#!/usr/bin/env python3
"""healc as a person and a pipeline meet it: verbs, formats and exit codes. QUICK"""
import json
import pathlib
import subprocess
import sys
import tempfile

HEALC = pathlib.Path(sys.argv[1]).resolve() / "healc"
ROOT = pathlib.Path(__file__).resolve().parents[2]
GOOD = ROOT / "tests/policies/check/no-bound.good.heal"
BAD = ROOT / "tests/policies/check/no-bound.bad.heal"
WARNS = ROOT / "tests/policies/check/no-about.bad.heal"
passed = failed = 0


def claim(what, holds, seen=""):
    global passed, failed
    if holds:
        passed += 1
    else:
        failed += 1
        print(f"FAILED {what}\n{seen}")


def healc(*arguments, text=None):
    return subprocess.run([str(HEALC), *map(str, arguments)], input=text, text=True, capture_output=True, timeout=60)


def exits(what, code, *arguments, says="", text=None):
    run = healc(*arguments, text=text)
    output = run.stdout + run.stderr
    claim(f"{what}: exit {code}", run.returncode == code, f"exit {run.returncode}: {output}")
    claim(f"{what}: says '{says}'", says in output, output)
    return run


def exit_codes():
    exits("a sound policy", 0, "check", GOOD, says="0 errors")
    exits("a policy with an error", 1, "check", BAD, says="error[H0401]")
    exits("a warning of lint", 1, "lint", WARNS, says="warning[H1003]")
    exits("no verb", 2, says="Usage: healc VERB")
    exits("help", 0, "--help", says="Exit codes: 0 clean, 1 findings, 2 could not run, 3 internal")
    exits("the version", 0, "--version", says="healc ")
    exits("an unknown verb", 2, "chekc", says="did you mean 'check'?")
    exits("help of a verb", 0, "help", "fmt", says="fmt [--check]")
    exits("nothing to check", 2, "check", says="a file or folder is missing")
    exits("an unknown format", 2, "check", "--format", "xml", GOOD)
    exits("an unknown option", 2, "check", "--frobnicate", GOOD)
    exits("a page", 0, "explain", "h0401", says="# H0401")
    exits("all pages", 0, "explain", says="H1008")
    exits("no such page", 2, "explain", "H9999", says="no diagnostic has the code 'H9999'")
    exits("eval without data", 2, "eval", "up")
    exits("eval of nonsense", 1, "eval", "up +", "--data", ROOT / "examples/memory-leak/leak.om", says="H0001")


def formats():
    full = exits("full", 1, "check", "--format", "full", BAD, says="= help: write 'bound at most")
    claim("full shows the line and a caret", " | " in full.stdout and "^" in full.stdout, full.stdout)
    concise = exits("concise", 1, "check", "--format", "concise", BAD, says=": error[H0401]: ")
    first = concise.stdout.splitlines()[0]
    claim("concise is path:line:column", first.split(":")[0].endswith(".heal") and first.split(":")[1].isdigit(), first)
    lines = [line for line in healc("check", "--format", "json", BAD).stdout.splitlines() if line.startswith("{")]
    findings = [json.loads(line) for line in lines]
    claim("json is one object a line", any(f.get("code") == "H0401" for f in findings), str(findings))
    claim("json names its schema", all(f.get("schema", "").startswith("heal.") for f in findings), str(findings))
    claim("no colour where there is no terminal", "\x1b" not in full.stdout)
    colour = healc("check", "--color", "always", BAD)
    claim("colour where it is asked for", "\x1b[" in colour.stdout, colour.stdout)


def bounds():
    run = healc("check", GOOD)
    claim("check prints the worst case", "at most" in run.stdout and "per 1h" in run.stdout and "bytes" in run.stdout, run.stdout)


WINDOWS = """edition 1
channel oncall = log
signal job:errors:rate5m every 30s = sum by (job) (rate(errors_total[5m]))
policy a for each series every 1m {
  about "a"
  signal slow = job:errors:rate5m / 2
  when rate(errors_total[1h]) > 3 and on (job) max_over_time(slow[1h]) > 1
  on missing as prometheus
  escalate to oncall
}
policy b for each series every 1m {
  about "b"
  when max_over_time(rate(errors_total[5m])[1d:5m]) > 1 and rate(errors_total[10m] offset 1h) > 0
  on missing as prometheus
  escalate to oncall
}
policy c for each series every 1m {
  about "c"
  when up == 0
  on missing as prometheus
  escalate to oncall
}
"""


def windows():
    def bytes_of(reach_s, interval_s):
        rows = reach_s // interval_s
        return 12 * (rows + rows // 32 + 6)
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "w.heal"
        file.write_text(WINDOWS, encoding="utf-8")
        lines = healc("check", file).stdout.splitlines()
        slow, grid, below = bytes_of(3600, 60), bytes_of(86400 + 300, 300), bytes_of(300, 15)
        for line in (f"signal job:errors:rate5m: samples of windows {below} bytes a series",
                     f"samples of windows {bytes_of(3600, 15) + slow} bytes for one series of each of 2 selectors",
                     f"samples of windows {grid + below + bytes_of(4200, 15)} bytes for one series of each of 3 selectors",
                     f"samples of all windows: {bytes_of(4200, 15) + slow + grid + below} bytes for one series of each of 4 "
                     "selectors, an estimate with a sample of a series each 15s"):
            claim(f"check prints '{line}'", any(found.endswith(line) for found in lines), "\n".join(lines))
        claim("a policy without windows has nothing to say of them", any(line.startswith("c: ") and line.endswith("an evaluation")
                                                                        for line in lines), "\n".join(lines))
        listed = healc("check", "--windows", "--scrape-interval", "1m30s", file).stdout
        line = f"  errors_total: back 1h10m each 1m30s: {bytes_of(4200, 90) // 12} samples, {bytes_of(4200, 90)} bytes a series\n"
        claim("--windows lists each selector, --scrape-interval is heard", line in listed, listed)
        claim("a subquery is listed with its step", f"  rate(errors_total[5m]) each 5m: back 1d5m each 5m: {grid // 12} samples" in listed, listed)
        for wrong in ("0", "x", "-1s", "1s1m", ""):
            exits(f"--scrape-interval {wrong}", 2, "check", "--scrape-interval", wrong, file, says="is a duration such as 30s")


def formatting():
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "p.heal"
        file.write_text("edition 1\nchannel   a=log # here\n", encoding="utf-8")
        exits("fmt --check of an unformatted file", 1, "fmt", "--check", file, says="p.heal")
        exits("fmt --diff", 1, "fmt", "--diff", file, says="+channel a = log")
        exits("fmt", 0, "fmt", file)
        claim("fmt keeps the comment", file.read_text(encoding="utf-8").endswith("channel a = log  # here\n"), file.read_text())
        exits("fmt again finds nothing to do", 0, "fmt", "--check", file)
        file.write_text("edition 1\nchannel = = log\n", encoding="utf-8")
        exits("fmt of what does not parse", 1, "fmt", file, says="H0001")
        claim("and the file is as it was", file.read_text(encoding="utf-8") == "edition 1\nchannel = = log\n")
    run = healc("fmt", "-", text="edition 1\nchannel   a=log\n")
    claim("fmt - reads standard input and writes standard output", run.stdout == "edition 1\n\nchannel a = log\n", repr(run.stdout))


exit_codes()
formats()
bounds()
windows()
formatting()
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
