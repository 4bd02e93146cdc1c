"""The systemd hand against a systemd of its own on a bus of its own, that hangs, dies and lies.
QUICK"""
import os
import pathlib
import shutil
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "daemon"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from case import call, program, run  # noqa: E402
from systemd_bus import Bus  # noqa: E402

PROBE = program("hand_probe")


def act(on, verb="restart", unit="web.service", **more):
    arguments = {"connector": f"systemd.{verb}", "target": f"unit={unit}", "bus": on.address, "timeout_ms": 3000, **more}
    got = call(PROBE, *(f"{name}={value}" for name, value in arguments.items()), input=b"")
    assert got.returncode == 0, got
    lines = got.stdout.decode().splitlines()
    outcome, _, text = lines[-1].partition(": ")
    return outcome, text, [line[5:] for line in lines if line.startswith("note ")]


def claim_each_verb_does_its_job_once(folder):
    with Bus(folder) as bus:
        for mode in ("done", "early", "slow", "other"):
            bus.serve(mode)
            for verb, unit, member in (("restart", "web.service", "RestartUnit"), ("reload", "web.service", "ReloadUnit"),
                                       ("start", "idle.service", "StartUnit"), ("stop", "idle.service", "StopUnit")):
                before = len(bus.done)
                outcome, text, notes = act(bus, verb, unit)
                assert outcome == "succeeded" and len(notes) == 1, (mode, verb, text)
                assert notes[0].startswith("invocation "), notes
            assert bus.jobs()[before:] == ["RestartUnit web.service", "ReloadUnit web.service", "StartUnit idle.service",
                                           "StopUnit idle.service"], bus.done
            bus.done.clear()


def claim_what_is_so_already_or_cannot_be_is_said_and_nothing_done(folder):
    with Bus(folder) as bus:
        bus.serve("done")
        for verb, unit, outcome, words in (
                ("start", "web.service", "succeeded", "active already"), ("stop", "idle.service", "succeeded", "inactive already"),
                ("reload", "idle.service", "failed", "nothing to reload"), ("restart", "missing.service", "failed", "not-found"),
                ("restart", "absent.service", "failed", "NoSuchUnit"), ("restart", "alias.service", "failed", "heald's own"),
                ("stop", "dbus.service", "refused", "heald's own"), ("restart", "init.scope", "refused", "names no unit"),
                ("restart", "-.mount", "refused", "names no unit"), ("restart", "multi-user.target", "refused", "names no unit"),
                ("restart", "../web.service", "refused", "names no unit"), ("restart", "web@.service", "refused", "names no unit"),
                ("restart", "-web.service", "refused", "names no unit"), ("restart", ".service", "refused", "names no unit"),
                ("restart", "a b.service", "refused", "names no unit"), ("restart", "x" * 250 + ".service", "refused", "")):
            got = act(bus, verb, unit)
            assert got[0] == outcome and words in got[1] and not got[2], (verb, unit, got)
        assert "names no unit" in act(bus, target="service=web.service")[1]
        assert bus.jobs() == []


def claim_a_systemd_that_fails_hangs_or_lies_is_judged_right(folder):
    with Bus(folder) as bus:
        for mode, outcome, words, effects in (
                ("failed", "failed", "ended as failed", 1), ("error", "failed", "TransactionIsDestructive", 0),
                ("hang", "timed_out", "its job had not ended; it goes on", 0), ("lie", "unknown", "in the same invocation", 0),
                ("silent", "unknown", "had not answered", 1), ("never", "unknown", "had not answered", 0),
                ("garbage", "unknown", "as it was before", 0), ("die-first", "unknown", "", 0)):
            bus.done.clear()
            bus.serve(mode)
            got = act(bus, timeout_ms=1200)
            assert got[0] == outcome and words in got[1], (mode, got)
            assert len(bus.jobs()) == effects, (mode, bus.done)
        # It does it and dies; another one, which remembers, says what became of it.
        bus.done.clear()
        bus.serve("die")
        server = bus.server

        def successor():
            server.wait()
            bus.done += server.stdout.read().splitlines()
            bus.server = None
            bus.serve("done")
        helper = threading.Thread(target=successor)
        helper.start()
        got = act(bus, timeout_ms=8000)
        helper.join()
        assert got[0] == "succeeded" and "another than before" in got[1], got
        assert bus.jobs() == ["RestartUnit web.service"], bus.done


def claim_stop_ends_the_waiting_and_says_what_is_not_known(folder):
    with Bus(folder) as bus:
        bus.serve("never")
        process = subprocess.Popen([PROBE, "connector=systemd.restart", "target=unit=web.service", f"bus={bus.address}",
                                    "timeout_ms=20000"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline().startswith("note ")
        out, _ = process.communicate("stop\n", timeout=5)
        assert out.startswith("unknown: "), out


def claim_without_a_bus_or_a_systemd_nothing_was_done(folder):
    with Bus(folder) as bus:
        got = act(bus, timeout_ms=1000)
        assert got[0] == "failed" and not got[2], got
        got = act(bus, bus="unix:path=/no/such/bus", timeout_ms=1000)
        assert got[0] == "failed" and "the bus is gone" in got[1], got
        got = act(bus, bus="nonsense", timeout_ms=1000)
        assert got[0] == "failed", got
        silent = os.path.join(folder, "silent")
        import socket
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(silent)
            listener.listen()
            got = act(bus, bus=f"unix:path={silent}", timeout_ms=600)
            assert got[0] == "failed" and not got[2], got


def claim_a_former_job_is_looked_for_and_none_is_asked_for(folder):
    with Bus(folder) as bus:
        bus.serve("done")
        notes = {verb: act(bus, verb, unit)[2][-1] for verb, unit in (("restart", "web.service"), ("start", "idle.service"),
                                                                      ("stop", "idle.service"), ("reload", "web.service"))}
        before = len(bus.jobs())
        bus.serve("done")
        for verb, unit, outcome in (("restart", "web.service", "succeeded"), ("stop", "idle.service", "succeeded"),
                                    ("reload", "web.service", "unknown")):
            got = act(bus, verb, unit, former=notes[verb], timeout_ms=1200)
            assert got[0] == outcome and not got[2], (verb, got)
        assert len(bus.jobs()) == before
        # As it was before: it never came, or could still come.
        bus.serve("done")
        fresh = act(bus, "restart", "web.service")[2][-1]
        assert act(bus, "restart", "web.service", former=fresh)[0] == "succeeded"
        starts = int(open(f"{folder}/systemd.state").read().split()[1])
        same = f"invocation 01{starts:02x}" + "00" * 14 + " state active"
        got = act(bus, "restart", "web.service", former=same, timeout_ms=1200)
        assert got[0] == "unknown" and "as it was before" in got[1], got
        assert act(bus, former="nonsense")[0] == "refused"


if not shutil.which("dbus-daemon"):
    print("no dbus-daemon is installed (package dbus-daemon): left out")
    sys.exit(0)
run(globals())
