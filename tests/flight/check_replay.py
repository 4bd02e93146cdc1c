"""healctl replay of what the real heald recorded: after it healed, after kill -9, reloads and restarts, of damaged and
missing recordings; and a heald that goes on when it can record no more."""
import json
import os
import pathlib
import re
import subprocess
import sys
import time
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "daemon"))
from case import CAGED, call, program, run, until
from world import POLICY, PREAMBLE, World, journal_rows


def healed(world, service="a"):
    """The id of an incident that heald healed."""
    until(world.observed)
    before = {r["incident"] for r in world.records("closed")}
    world.bad[service] = 1
    return until(lambda: {r["incident"] for r in world.records("closed")} - before, 15).pop()


def recordings(world):
    return sorted((world.state / "flight").glob("*.flight"))


def count(world, incident):
    return len([r for r in world.records() if r["incident"] == incident])


def bit_for_bit(world, incident, records=None):
    code, out, err = world.healctl("replay", str(incident))
    assert code == 0, (code, out, err)
    lines = out.splitlines()
    verdict = re.fullmatch(rf"incident {incident} replayed bit for bit: (\d+) records, hash [0-9a-f]{{16}}", lines[-1])
    assert verdict and int(verdict[1]) == len(lines) - 1, out
    assert all(line.startswith("same   ") for line in lines[:-1]), out
    assert records is None or int(verdict[1]) == records, (records, out)
    return lines[-1]


def claim_a_healed_incident_is_replayed_while_heald_runs_and_after(folder):
    with World(folder) as world:
        incident = healed(world)
        records = count(world, incident)
        assert records >= 8, records
        now = bit_for_bit(world, incident, records)
        told = world.healctl("explain", str(incident))[1].splitlines()[1:]
        explained = [line for line in told if not line.startswith("what is known now: ")]
        assert len(explained) == len(told) - 1, told
        shown = [line[7:] for line in world.healctl("replay", str(incident))[1].splitlines()[:-1]]
        assert shown == explained, (shown, explained)
        code, out, err = world.healctl("replay", "--all")
        assert code == 0 and len(out.splitlines()) == 1 and "bit for bit" in out, (out, err)
        world.stop()
        assert bit_for_bit(world, incident, records) == now
        code, out, _ = world.healctl("replay", str(incident), "--json")
        answer = json.loads(out)
        assert code == 0 and answer["same"] and len(answer["records"]) == records, out
        assert answer["hash"] in now and all(r["same"] for r in answer["records"]), out
        journal_rows(world.state / "journal.db")
        world.start()  # the journal is as heald left it


def claim_incidents_over_kills_reloads_and_restarts_are_replayed(folder):
    with World(folder, mode="ask") as world:
        until(world.observed)
        world.bad["a"] = 1
        incident = until(lambda: world.records("asked"), 10)[0]["incident"]
        world.kill_all()
        world.start()
        until(world.observed)
        other = POLICY.replace("bad > 0.5 for 200ms", "bad > 0.6 for 200ms")
        until(lambda: len(world.records("asked")) == 2, 10)
        world.write({"app.heal": PREAMBLE + other + POLICY.replace("policy app ", "policy second ").replace(
            "bad > 0.5 for", "bad > 0.99 for")})
        assert world.healctl("reload")[0] == 0
        world.stop()
        world.start()
        until(world.observed)
        bit_for_bit(world, incident)
        world.bad["a"] = 0
        until(lambda: not world.ask("incidents")["incidents"], 10)
        world.configure(mode="act")
        world.stop()
        world.start()
        last = healed(world, "b")
        world.kill_all()
        assert len(recordings(world)) == 4, recordings(world)
        bit_for_bit(world, incident)
        bit_for_bit(world, last)
        code, out, err = world.healctl("replay", "--all")
        assert code == 0 and out.count("bit for bit") == 4, (code, out, err)


def claim_events_that_a_restart_gives_back_are_replayed(folder):
    policy = POLICY.replace("when bad > 0.5 for 200ms", "when bad > 0.5 and on () events(deploy, within: 10m) > 0 for 200ms")
    with World(folder, {"app.heal": PREAMBLE + policy}, extra="events: {enabled: true}\n") as world:
        until(world.observed)
        got = call(program("healctl"), "event", "deploy", "service=a", "--listen", f"127.0.0.1:{world.listen}")
        assert got.returncode == 0, got.stderr
        until(lambda: world.records("event"))
        world.kill_all()
        world.start()
        incident = healed(world)
        bit_for_bit(world, incident)
        code, out, err = world.healctl("replay", "--all")
        assert code == 0 and out.count("bit for bit") == 2, (code, out, err)


def claim_what_is_not_as_it_was_is_told(folder):
    with World(folder) as world:
        incident = healed(world)
        world.stop()
        path, = recordings(world)
        whole = path.read_bytes()
        for at in range(9, len(whole), len(whole) // 23):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1:])
            code, out, err = world.healctl("replay", "--all")
            assert code == 1 and re.search(r"at byte \d+: ", out), (at, code, out, err)
            code, out, err = world.healctl("replay", str(incident))
            assert (code == 3 and f"incident {incident} cannot be replayed" in err) or code == 0, (at, code, out, err)
        for at in (len(whole) // 3, 5, 0):
            path.write_bytes(whole[:at])
            code, out, err = world.healctl("replay", str(incident))
            assert code == 3 and "cut off" in err, (at, code, out, err)
        path.write_bytes(b"journal of something else" * 100)
        code, _, err = world.healctl("replay", str(incident))
        assert code == 3 and "no flight recording of heal" in err, err
        path.unlink()
        code, _, err = world.healctl("replay", str(incident))
        assert code == 3 and "there is no flight recording" in err, err
        code, _, err = world.healctl("replay", "4711")
        assert code == 4 and "no incident 4711" in err, err
        assert world.healctl("replay")[0] == 2 and world.healctl("replay", "x")[0] == 2
        assert world.healctl("replay", "1", "--all")[0] == 2


def claim_a_journal_that_says_otherwise_is_told(folder):
    """The recording of one heald beside the journal of another, to which the same happened later."""
    with World(folder) as world:
        incident = healed(world)
        world.stop()
        path, = recordings(world)
        kept = path.read_bytes()
        for name in world.state.iterdir():
            if name.name.startswith("journal") or name.name in ("epoch", "actions"):
                subprocess.run(["rm", "-rf", str(name)], check=True)
        path.unlink()
        world.effects_path.unlink()
        world.bad["a"] = 0
        world.start()
        assert healed(world) == incident
        world.stop()
        for other in recordings(world):
            other.unlink()
        path.write_bytes(kept)
        code, out, err = world.healctl("replay", str(incident))
        assert code == 1, (code, out, err)
        assert out.startswith("OTHER  ") and "expected time" in out and "did not replay bit for bit" in out, out


def claim_without_recordings_it_says_why(folder):
    with World(folder, extra="flight: {bytes: 0B}\n") as world:
        incident = healed(world)
        assert not (world.state / "flight").exists()
        assert "no flight recording: off" in world.healctl("status")[1]
        assert world.metric("heald_flight_recording") == 0
        code, _, err = world.healctl("replay", str(incident))
        assert code == 3 and "there is no flight recording" in err, err


def claim_a_limit_ends_the_recording_and_not_the_healing(folder):
    with World(folder, extra="flight: {bytes: 8KiB}\n") as world:
        incident = healed(world)
        assert world.status()["flight"]["on"], world.status()["flight"]
        until(lambda: not world.status()["flight"]["on"], 60)
        later = healed(world, "b")
        assert "limit" in world.status()["flight"]["why"] and "cannot be replayed" in world.said()
        assert world.metric("heald_flight_recording") == 0 and world.metric("heald_flight_bytes") <= 8 << 10
        assert sum(path.stat().st_size for path in recordings(world)) <= 8 << 10
        bit_for_bit(world, incident)
        code, out, err = world.healctl("replay", str(later))
        assert code == 3 and "the recording ended at" in err and "limit" in err, (code, out, err)
        first = recordings(world)
        world.stop()
        world.start()
        until(world.observed)
        assert world.status()["flight"]["on"] and not set(first) & set(recordings(world)), "the oldest goes"
        code, out, err = world.healctl("replay", str(incident))
        assert code == 3 and "before the oldest recording" in err, (code, out, err)


def claim_a_full_disk_ends_the_recording_and_not_the_healing(folder):
    disk = os.path.join(folder, "state", "flight")
    os.makedirs(disk)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=66m,mode=0700", "tmpfs", disk], capture_output=True).returncode != 0:
        print("skipped: a full disk (this user cannot mount a tmpfs)")
        return
    try:
        with World(folder) as world:
            incident = healed(world)
            assert world.status()["flight"]["on"], world.said()
            filler = os.open(os.path.join(disk, "filler"), os.O_WRONLY | os.O_CREAT)
            try:
                while True:
                    os.write(filler, b"x" * 65536)
            except OSError:
                pass
            until(lambda: not world.status()["flight"]["on"], 20)
            later = healed(world, "b")
            assert "flight recording of this life has ended" in world.said()
            bit_for_bit(world, incident)
            assert world.healctl("replay", str(later))[0] == 3
    finally:
        subprocess.run(["umount", "-l", disk], capture_output=True)


def claim_a_folder_of_somebody_else_is_not_written_to(folder):
    state = pathlib.Path(folder, "state")
    (state / "flight").mkdir(parents=True)
    (state / "flight").chmod(0o777)
    with World(folder) as world:
        healed(world)
        assert not recordings(world) and "not this user's alone" in world.status()["flight"]["why"]


run(globals())
