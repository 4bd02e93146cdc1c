#!/usr/bin/env python3
"""What the grant lets heald run: restart.py FOLDER NAME ends the worker; its supervisor starts it again.

Succeeds once another process of that name has written its pid.
"""
import os
import pathlib
import signal
import sys
import time


def read_pid(pidfile):
    try:
        return int(pidfile.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        return None


def main():
    pidfile = pathlib.Path(sys.argv[1]) / f"{sys.argv[2]}.pid"
    before = read_pid(pidfile)
    if before is None:
        sys.exit(f"no worker is called {sys.argv[2]}")
    os.kill(before, signal.SIGTERM)
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline:
        now = read_pid(pidfile)
        if now not in (None, before):
            print(f"restarted {sys.argv[2]}: pid {before} -> {now}")
            return
        time.sleep(0.05)
    sys.exit(f"{sys.argv[2]} did not come back")


main()
