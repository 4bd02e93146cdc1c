"""The systemd hand against a real systemd, the first process of a container: ./dev test systemd.

The container has a root filesystem of its own, /usr of this host to read, no network, and a few units. What is in it is
made anew each time and removed at the end. Never start an init system in less than that."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

BUILD = os.path.abspath(sys.argv[1])

FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nmessagebus:x:100:100::/nonexistent:/usr/sbin/nologin\nnobody:x:65534:65534::/:/usr/sbin/nologin\n",
    "etc/group": "root:x:0:\nmessagebus:x:100:\nnogroup:x:65534:\n",
    "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "etc/os-release": "ID=heal-test\n",
    "etc/systemd/system/heal.target": "[Unit]\nRequires=trial.service dbus.socket basic.target\nAfter=basic.target\n",
    "etc/systemd/system/trial.service": "[Unit]\nRequires=dbus.socket\nAfter=dbus.socket basic.target\n[Service]\nType=oneshot\n"
                                        "ExecStart=/bin/sh /trial.sh\nStandardOutput=file:/out/log\nStandardError=file:/out/log\n"
                                        "ExecStopPost=/bin/systemctl poweroff --force\n",
    "etc/systemd/system/web.service": "[Service]\nExecStart=/bin/sleep 1000\nExecReload=/bin/true\n",
    "etc/systemd/system/broken.service": "[Service]\nType=oneshot\nExecStart=/bin/false\n",
    "etc/systemd/system/slow.service": "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sleep 1\n",
    "etc/systemd/system/stuck.service": "[Service]\nType=oneshot\nExecStart=/bin/sleep 1000\n",
    "etc/systemd/system/fixed.service": "[Unit]\nRefuseManualStart=yes\n[Service]\nExecStart=/bin/sleep 1000\n",
}

# name, verb, unit, timeout in ms, more arguments
TRIALS = [
    ("start", "start", "web.service", 5000, ""),
    ("start again", "start", "web.service", 5000, ""),
    ("restart", "restart", "web.service", 5000, ""),
    ("reload", "reload", "web.service", 5000, ""),
    ("former restart", "restart", "web.service", 3000, 'former="$(cat /out/note)"'),
    ("stop", "stop", "web.service", 5000, ""),
    ("stop again", "stop", "web.service", 5000, ""),
    ("reload what is down", "reload", "web.service", 5000, ""),
    ("broken", "restart", "broken.service", 5000, ""),
    ("slow", "start", "slow.service", 5000, ""),
    ("stuck", "start", "stuck.service", 1000, ""),
    ("against the stuck job", "stop", "stuck.service", 3000, ""),
    ("missing", "restart", "missing.service", 5000, ""),
    ("refused", "start", "fixed.service", 5000, ""),
    ("own", "restart", "trial.service", 5000, ""),
]
EXPECTED = {
    "start": ("succeeded", "active"), "start again": ("succeeded", "active already"), "restart": ("succeeded", "the unit is active"),
    "reload": ("succeeded", ""), "former restart": ("succeeded", "another than before"), "stop": ("succeeded", "inactive"),
    "stop again": ("succeeded", "inactive already"), "reload what is down": ("failed", "nothing to reload"),
    "broken": ("failed", "ended as failed"), "slow": ("succeeded", "active"), "stuck": ("timed_out", "its job had not ended; it goes on"),
    "against the stuck job": ("failed", "TransactionIsDestructive"), "missing": ("failed", "not-found"),
    "refused": ("failed", ""), "own": ("refused", "heald's own"),
}


def script():
    lines = ["set -u"]
    for name, verb, unit, timeout, more in TRIALS:
        lines.append(f"/heal/hand_probe connector=systemd.{verb} target=unit={unit} bus=unix:path=/run/dbus/system_bus_socket "
                     f"timeout_ms={timeout} {more} </dev/null >/out/last 2>&1")
        lines.append(f"echo '== {name}' >>/out/said; cat /out/last >>/out/said")
        if name == "restart":
            lines.append("sed -n 's/^note //p' /out/last >/out/note")
    return "\n".join(lines) + "\n"


def main():
    with tempfile.TemporaryDirectory(prefix="heal-nspawn-") as folder:
        root, out = pathlib.Path(folder, "root"), pathlib.Path(folder, "out")
        for place in ("usr", "var", "tmp", "run", "proc", "sys", "dev", "out", "heal", "root"):
            (root / place).mkdir(parents=True)
        out.mkdir()
        for name in ("bin", "sbin", "lib", "lib64"):
            (root / name).symlink_to(f"usr/{name}")
        for path, text in {**FILES, "trial.sh": script()}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        got = subprocess.run(
            ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network", "--console=pipe", "--machine=heal-test",
             f"--directory={root}", "--bind-ro=/usr", f"--bind-ro={BUILD}:/heal", f"--bind={out}:/out", "--boot", "--",
             "systemd.unit=heal.target", "systemd.show_status=no"], stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
        said = (out / "said").read_text() if (out / "said").exists() else ""
        if not said:
            print(got.stdout.decode()[-3000:], got.stderr.decode()[-3000:])
            print((out / "log").read_text() if (out / "log").exists() else "the trial did not start")
            print("0 passed, 1 failed")
            return 1
    failed = 0
    blocks = dict(block.split("\n", 1) for block in said.split("== ")[1:])
    for name, (outcome, words) in EXPECTED.items():
        lines = blocks.get(name, "nothing").splitlines()
        good = lines and lines[-1].startswith(outcome + ": ") and words in lines[-1]
        failed += not good
        print(f"{'ok    ' if good else 'FAILED'} {name}: {lines[-1] if lines else ''}")
    print(f"{len(EXPECTED) - failed} passed, {failed} failed")
    return 1 if failed else 0


if not shutil.which("systemd-nspawn") or os.getuid() != 0:
    print("systemd-nspawn (package systemd-container) and root are needed to start a container")
    sys.exit(2)
sys.exit(main())
