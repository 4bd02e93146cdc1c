"""Claims about whole programs: each function named claim_... is one; run(globals()) tells the result."""
import os
import subprocess
import sys
import tempfile
import time
import traceback

# In a sanitized build the leak check at exit traces the process, which a cage rightly kills.
CAGED = {"ASAN_OPTIONS": "detect_leaks=0"}
BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build")


def program(name):
    path = os.path.join(BUILD, name)
    if not os.path.exists(path):
        print(f"{name} is not in this build")
        sys.exit(1)
    return path


def call(*argv, env=None, timeout=30, input=None):
    return subprocess.run(argv, capture_output=True, timeout=timeout, input=input,
                          env={**os.environ, **(env or {})})


def until(what, seconds=10):
    """Waits until what() is true and returns it."""
    end = time.monotonic() + seconds
    while True:
        got = what()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError("did not happen in time")
        time.sleep(0.02)


def run(names):
    passed = failed = 0
    for name, claim in list(names.items()):
        if not name.startswith("claim_"):
            continue
        try:
            with tempfile.TemporaryDirectory(prefix="heal") as folder:
                claim(folder)
            passed += 1
        except Exception:
            failed += 1
            print(f"FAILED {name[6:]}")
            traceback.print_exc(file=sys.stdout)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
