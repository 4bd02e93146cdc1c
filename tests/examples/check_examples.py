"""The examples: canonical, without findings, deciding on their streams what they say they decide.
QUICK"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EXAMPLES = os.path.join(ROOT, "examples")
HEALC, HEALD = (os.path.join(os.path.abspath(sys.argv[1]), name) for name in ("healc", "heald"))
UPDATE = bool(os.environ.get("UPDATE"))  # writes decisions.txt anew
STREAM_BYTES_MAX = 200 * 1000
NAMES = ["cache-node-down", "certificate-expiry", "connection-pool", "disk-filling", "error-burn",
         "flash-crowd", "memory-leak",
         "noisy-neighbour", "replica-lag", "runaway-process", "stuck-queue"]
passed = failed = 0


def claim(name, ok, got=""):
    global passed, failed
    passed += bool(ok)
    failed += not ok
    if not ok:
        print(f"FAILED {name}: {got}")


def call(*args):
    done = subprocess.run(args, capture_output=True, text=True, timeout=60, cwd=EXAMPLES)
    return done.returncode, done.stdout + done.stderr


def clean(folder):
    """Canonical text, no errors, no lints, and all tests pass."""
    for verb in (["fmt", "--check"], ["check"], ["lint"]):
        code, text = call(HEALC, *verb, folder)
        claim(f"{folder}: healc {verb[0]} has nothing to say", code == 0 and "warning[" not in text, text)
    code, text = call(HEALC, "test", folder)
    claim(f"{folder}: all tests pass", code == 0 and text.endswith(" 0 failed\n"), text)


def complete(folder):
    """A healing on a stream, a case where nothing may happen, and bad data on which nothing is done."""
    with open(os.path.join(EXAMPLES, folder, "policy.heal")) as file:
        tests = file.read().split('\ntest "')[1:]
    claim(f"{folder}: every test plays a stream", all("given stream" in test for test in tests))
    claim(f"{folder}: one test heals", any("expect verified" in test for test in tests))
    claim(f"{folder}: one test lets be", any(re.search("expect no (incident|action)", test) for test in tests))
    bad = [test for test in tests if re.search(r"is (missing|unseen|NaN)\b", test)]
    claim(f"{folder}: no test acts on bad data", bad and all("expect no action" in test for test in bad))
    for name in os.listdir(os.path.join(EXAMPLES, folder)):
        if name.endswith((".om", ".csv")):
            size = os.path.getsize(os.path.join(EXAMPLES, folder, name))
            claim(f"{folder}/{name} is small", size < STREAM_BYTES_MAX, size)


def decisions(folder):
    path = os.path.join(EXAMPLES, folder, "decisions.txt")
    code, text = call(HEALC, "test", "--decisions", folder)
    if UPDATE:
        with open(path, "w") as file:
            file.write(text)
    wanted = open(path).read() if os.path.exists(path) else ""
    claim(f"{folder}: decides what decisions.txt says", code == 0 and text == wanted, text)


def turned(text, test):
    """The policy with the expectations of its n-th test turned into their opposites."""
    parts = text.split('\ntest "')
    lines = parts[test + 1].split("\n")
    for i, line in enumerate(lines):
        if line.startswith("  expect no "):
            lines[i] = "  expect " + line[len("  expect no "):]
        elif line.startswith("  expect ") and " at most " not in line:
            lines[i] = "  expect no " + line[len("  expect "):]
    parts[test + 1] = "\n".join(lines)
    return '\ntest "'.join(parts)


def tests_can_fail(folder):
    with open(os.path.join(EXAMPLES, folder, "policy.heal")) as file:
        text = file.read()
    with tempfile.TemporaryDirectory() as copy:
        shutil.copytree(os.path.join(EXAMPLES, folder), copy, dirs_exist_ok=True)
        count = text.count('\ntest "')
        for test in range(count):
            with open(os.path.join(copy, "policy.heal"), "w") as file:
                file.write(turned(text, test))
            code, out = call(HEALC, "test", copy)
            claim(f"{folder}: test {test + 1} fails when it expects the opposite",
                  code == 1 and out.endswith(f"{count - 1} passed, 1 failed\n"), out)


def streams_are_generated():
    with tempfile.TemporaryDirectory() as copy:
        shutil.copy(os.path.join(EXAMPLES, "make_streams.py"), copy)
        for name in NAMES:
            os.mkdir(os.path.join(copy, name))
        done = subprocess.run([sys.executable, os.path.join(copy, "make_streams.py")], timeout=60)
        claim("make_streams.py runs", done.returncode == 0)
        for name in NAMES:
            for stream in sorted(os.listdir(os.path.join(EXAMPLES, name))):
                if stream.endswith(".om"):
                    new = os.path.join(copy, name, stream)
                    same = os.path.exists(new) and open(new).read() == open(os.path.join(EXAMPLES, name, stream)).read()
                    claim(f"{name}/{stream} is what make_streams.py writes", same)


def configurations():
    for name in NAMES:
        path = os.path.join(EXAMPLES, name, "heald.yaml.example")
        if os.path.exists(path):
            code, text = call(HEALD, "-n", "-c", path)
            claim(f"{name}: heald takes heald.yaml.example", code == 0, text)


found = sorted(name for name in os.listdir(EXAMPLES) if os.path.exists(os.path.join(EXAMPLES, name, "policy.heal")))
claim("the ten examples are there", found == NAMES, found)
clean("quickstart/policies")
for name in found:
    clean(name)
    complete(name)
    decisions(name)
    tests_can_fail(name)
    claim(f"{name}: says what it shows", os.path.exists(os.path.join(EXAMPLES, name, "README.md")))
streams_are_generated()
configurations()
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
