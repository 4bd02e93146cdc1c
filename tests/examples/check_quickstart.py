#!/usr/bin/env python3
"""The quickstart heals for real: from a signed folder, and from a signed bundle on machine code."""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
RUN = ROOT / "examples" / "quickstart" / "run.py"
passed = failed = 0
for what, arguments in {"from a signed folder": [], "from a signed bundle": ["--bundle"]}.items():
    run = subprocess.run([sys.executable, str(RUN), sys.argv[1], *arguments], text=True, capture_output=True, timeout=170)
    if run.returncode == 0 and "quickstart: healed" in run.stdout:
        passed += 1
    else:
        failed += 1
        print(f"FAILED {what}: exit {run.returncode}\n{run.stdout[-3000:]}\n{run.stderr[-3000:]}")
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
