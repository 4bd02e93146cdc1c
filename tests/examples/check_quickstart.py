#!/usr/bin/env python3
"""The quickstart heals for real."""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
RUN = ROOT / "examples" / "quickstart" / "run.py"
run = subprocess.run([sys.executable, str(RUN), sys.argv[1]], text=True, capture_output=True, timeout=170)
passed = run.returncode == 0 and "quickstart: healed" in run.stdout
if not passed:
    print(f"FAILED: exit {run.returncode}\n{run.stdout[-3000:]}\n{run.stderr[-3000:]}")
print(f"{passed:d} passed, {not passed:d} failed")
sys.exit(not passed)
