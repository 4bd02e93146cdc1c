"""What the real heald remembers of incidents, and that no damage to it is ever more than that."""
import contextlib
import json
import os
import pathlib
import random
import re
import sqlite3
import subprocess
import time
from case import CAGED, program, run, until
from world import POLICY, PREAMBLE, World, journal_rows

TURN = POLICY.replace("try fix(service) verify bad < 0.5 holds 200ms within 3s",
                      "try turn(service) verify bad < 0.5 holds 200ms within 1s")


def healed(world, service="a"):
    """One incident from its begin to its end: the service is good again once it was fixed."""
    closed, fixed = len(world.records("closed")), len(world.effects("fix"))
    world.heals = False
    until(world.observed)
    world.bad[service] = 1
    until(lambda: len(world.effects("fix")) > fixed, 20)
    world.bad[service] = 0
    until(lambda: len(world.records("closed")) > closed, 20)


def history(world, **args):
    answer = world.ask("history", **args)
    assert answer and answer["ok"], answer
    return answer


def caught_up(world):
    return until(lambda: (world.status() or {}).get("memory", {}).get("behind") == 0, 20)


def same_as_journal(world, behind=0):
    """The memory's file says what another program finds in the journal, but for the last records, `behind` of them at
    most; returns its incidents."""
    rows = journal_rows(world.state / "journal.db")
    with contextlib.closing(sqlite3.connect(f"file:{world.state}/memory.db?mode=ro", uri=True)) as db:
        incidents = db.execute("SELECT id, policy, target, opened_ns, closed_ns FROM incidents ORDER BY id").fetchall()
        actions = db.execute("SELECT id, action, result FROM actions ORDER BY id").fetchall()
        outcomes = db.execute("SELECT sequence, result FROM outcomes ORDER BY sequence").fetchall()
        applied = db.execute("SELECT sequence FROM applied").fetchone()[0]
    assert len(rows) - behind <= applied <= len(rows), (applied, len(rows))
    rows = rows[:applied]
    closed = {r["incident"]: r["time"] for r in rows if r["kind"] == "closed"}
    opened = [r for r in rows if r["kind"] == "opened"]
    assert incidents == [(r["incident"], r["policy"], r["target"], r["time"], closed.get(r["incident"])) for r in opened]
    last = {}
    for r in rows:
        if r["action_id"] and r["kind"] in ("intent", "dispatched", "dropped", "succeeded", "failed", "timed_out", "unknown",
                                            "verified", "unverified", "undone"):
            last[r["action_id"]] = (r["action"], r["kind"])
    assert actions == [(i, *last[i]) for i in sorted(last)]
    undos = {r["action_id"] for r in rows if r["kind"] == "intent" and r["text"].startswith("undo: ")}
    assert outcomes == [(r["sequence"], r["kind"]) for r in rows
                        if r["kind"] in ("verified", "unverified", "failed") and r["action_id"] not in undos]
    return incidents


# ---- what is told ----

def claim_history_and_outcomes_tell_what_was_done_and_how_it_ended(folder):
    with World(folder) as world:
        code, out, _ = world.healctl("history")
        assert code == 0 and "no incidents are remembered" in out, out
        healed(world)
        caught_up(world)
        code, out, err = world.healctl("history")
        assert code == 0 and err == "", (code, err)
        line = next(line for line in out.splitlines() if "service=a" in line)
        assert re.search(r"^1 +20\d\d-\d\d-\d\d \d\d:\d\d:\d\d  \S+ +app +service=a +- +fix verified; clear$", line), out
        got = history(world)["incidents"]
        assert len(got) == 1 and got[0]["ended"] == "clear" and got[0]["last"] == "closed", got
        assert [(a["action"], a["result"], a["undo"]) for a in got[0]["actions"]] == [("fix", "verified", False)]
        assert 0 < got[0]["took_seconds"] < 20 and got[0]["closed"] > got[0]["opened"]
        assert json.loads(world.healctl("history", "--json")[1])["incidents"] == got
        code, out, _ = world.healctl("outcomes")
        assert code == 0 and re.search(r"^app +service +fix +66\.7%  +22\.\d% to +97\.\d%  +1 +0 +0  20\d\d-", out, re.M), out
        row = world.ask("outcomes")["outcomes"][0]
        assert (row["verified"], row["unverified"], row["failed"]) == (1, 0, 0)
        assert abs(row["mean"] - 2 / 3) < 1e-3 and row["low"] < row["mean"] < row["high"]


def claim_what_did_not_help_and_its_undo_are_told_apart(folder):
    with World(folder, {"app.heal": PREAMBLE + TURN}) as world:
        world.heals = False
        until(world.observed)
        world.bad["a"] = 1
        until(lambda: world.records("escalated"), 20)
        caught_up(world)
        got = history(world)["incidents"][0]
        assert [(a["action"], a["result"], a["undo"]) for a in got["actions"]] == \
            [("turn", "unverified", False), ("turn_back", "undone", True)], got
        assert got["closed"] is None and got["took_seconds"] is None and got["ended"] == ""
        out = world.healctl("history")[1]
        assert "turn unverified, undo by turn_back undone; open, escalated" in out, out
        rows = world.ask("outcomes")["outcomes"]
        assert [(r["action"], r["verified"], r["unverified"]) for r in rows] == [("turn", 0, 1)], rows


def claim_questions_are_narrowed_by_policy_target_and_limit(folder):
    with World(folder) as world:
        world.bad["b"] = 0
        healed(world, "a")
        healed(world, "b")
        caught_up(world)
        targets = lambda **args: [i["target"] for i in history(world, **args)["incidents"]]
        assert targets() == ["service=b", "service=a"]  # the newest first
        assert targets(limit=1) == ["service=b"] and targets(target="service=a") == ["service=a"]
        assert targets(policy="app") == targets() and targets(policy="other") == []
        assert targets(policy="app", target="service=c") == []
        assert world.ask("outcomes", policy="other")["outcomes"] == []
        for bad in ({"limit": 0}, {"limit": 1001}, {"limit": "5"}, {"limit": -1}, {"policy": 7}, {"target": ["a"]}):
            answer = world.ask("history", **bad)
            assert answer["ok"] is False and answer["code"] == 2, (bad, answer)
        assert world.ask("outcomes", policy=1)["code"] == 2
        assert world.healctl("history", "--limit", "1001")[0] == 2


def claim_names_from_labels_do_no_harm_to_questions(folder):
    with World(folder) as world:
        healed(world)
        caught_up(world)
        for text in ("' OR 1=1 --", "%", "service=_", "*", "a\x1b[2J"):
            assert history(world, target=text)["incidents"] == []
            assert history(world, policy=text)["incidents"] == []
        assert len(history(world)["incidents"]) == 1


# ---- kept, and made anew ----

def claim_it_is_the_journals_after_restarts_kills_and_reloads(folder):
    with World(folder) as world:
        healed(world)
        world.stop()
        world.start()
        healed(world)
        assert world.ask("reload")["ok"]
        world.kill_all()
        world.start()
        healed(world)
        caught_up(world)
        assert len(history(world)["incidents"]) == 3
        assert world.ask("outcomes")["outcomes"][0]["verified"] == 3
        assert world.status()["memory"]["rebuilds"] == 0
        world.stop()
        assert len(same_as_journal(world)) == 3


def claim_a_file_that_was_taken_away_is_made_anew(folder):
    with World(folder) as world:
        healed(world)
        caught_up(world)
        before = history(world)["incidents"]
        world.stop()
        for path in world.state.glob("memory.db*"):
            path.unlink()
        world.start()
        caught_up(world)
        assert history(world)["incidents"] == before
        world.stop()
        same_as_journal(world)


def damage_header(path):
    with open(path, "r+b") as file:
        file.write(b"x" * 100)


def damage_pages(path):
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(random.Random(7).randbytes(path.stat().st_size - 4096))


def damage_end(path):
    os.truncate(path, path.stat().st_size - 4096)


def damage_version(path):
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")


def damage_place(path):
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE applied SET sequence = 1000000")


def claim_a_damaged_file_is_put_aside_rebuilt_and_a_person_is_told(folder):
    with World(folder) as world:
        healed(world)
        caught_up(world)
        before = history(world)["incidents"]
        for damage in (damage_header, damage_pages, damage_end, damage_version, damage_place):
            world.stop()
            damage(world.state / "memory.db")
            told = world.said().count("put aside")
            world.start()
            caught_up(world)
            assert world.said().count("put aside") == told + 1, damage
            assert (world.state / "memory.db.aside").exists()
            assert world.status()["memory"]["rebuilds"] == 1, damage
            assert "put aside and rebuilt" in world.healctl("status")[1]
            assert until(lambda: world.metric("heald_memory_rebuilds_total")) == 1
            assert history(world)["incidents"] == before, damage
        assert len(world.effects()) == 1  # what is remembered anew is not done anew
        healed(world)
        assert len(world.effects()) == 2
        world.stop()
        same_as_journal(world)


def claim_a_locked_file_stops_nothing_and_is_written_later(folder):
    with World(folder) as world:
        healed(world)
        caught_up(world)
        db = sqlite3.connect(world.state / "memory.db", isolation_level=None)
        db.execute("BEGIN IMMEDIATE")
        late = world.metric("heald_ticks_late_total") or 0
        healed(world)  # decides and acts as ever
        memory = world.status()["memory"]
        assert memory["behind"] > 0 and "locked" in memory["trouble"], memory
        assert "records behind" in world.healctl("status")[1]
        assert world.said().count("cannot be written now") == 1
        assert len(world.effects()) == 2
        assert (world.metric("heald_ticks_late_total") or 0) <= late + 5
        db.execute("ROLLBACK")
        db.close()
        caught_up(world)
        assert world.status()["memory"]["trouble"] == ""
        assert len(history(world)["incidents"]) == 2
        world.stop()
        same_as_journal(world)


def claim_a_file_that_cannot_be_made_stops_nothing(folder):
    world = World(folder, start=False)
    world.state.mkdir()
    (world.state / "memory.db").mkdir()
    with world:
        world.start()
        healed(world)
        assert len(world.effects()) == 1
        answer = world.ask("history")
        assert answer["ok"] is False and "cannot be read now" in answer["error"], answer
        assert world.healctl("history")[0] == 1
        assert "cannot be written now" in world.said()
        (world.state / "memory.db").rmdir()
        caught_up(world)
        assert len(history(world)["incidents"]) == 1


def claim_damage_while_it_runs_stops_nothing(folder):
    with World(folder) as world:
        healed(world)
        caught_up(world)
        damage_pages(world.state / "memory.db")
        healed(world)
        healed(world)
        assert len(world.effects()) == 3
        world.stop()
        world.start()
        caught_up(world)
        assert len(history(world)["incidents"]) == 3
        assert world.ask("outcomes")["outcomes"][0]["verified"] == 3
        world.stop()
        same_as_journal(world)


# ---- the journal ----

def claim_a_second_heald_on_the_folder_is_refused_and_the_first_goes_on(folder):
    with World(folder) as world:
        until(world.observed)
        second = subprocess.run([program("heald"), "-c", str(world.yaml)], capture_output=True, text=True, timeout=20,
                                env={**os.environ, **CAGED})
        assert second.returncode != 0 and f"another heald (pid {world.process.pid}) works in" in second.stderr, second
        healed(world)
        assert len(world.effects()) == 1
        world.stop()
        same_as_journal(world)


def claim_a_journal_that_lost_its_end_is_repaired_by_a_person_and_remembered_anew(folder):
    with World(folder) as world:
        healed(world)
        healed(world)
        caught_up(world)
        rows = len(world.records())
        world.stop()
        with contextlib.closing(sqlite3.connect(world.state / "journal.db")) as db, db:
            db.execute("DROP TRIGGER journal_no_delete")
            db.execute("DELETE FROM journal WHERE sequence > ?", (rows - 3,))
        world.start(wait=False)
        until(lambda: world.process.poll() is not None, 20)
        assert "does not verify" in world.said() and "--repair-journal" in world.said(), world.said()[-2000:]
        assert len(world.effects()) == 2
        got = subprocess.run([program("heald"), "--repair-journal", "-c", str(world.yaml)], capture_output=True, text=True,
                             timeout=20, env={**os.environ, **CAGED})
        assert got.returncode == 0 and "the journal was damaged: " in got.stdout and "the damaged one lies in" in got.stdout, got
        world.bad["a"] = 0
        world.start()
        caught_up(world)
        assert "not one of this journal" in world.said()
        assert world.status()["memory"]["rebuilds"] == 1
        time.sleep(0.5)
        assert len(world.effects()) == 2
        world.stop()
        same_as_journal(world)


def claim_a_journal_that_another_program_holds_is_not_started_on_and_nothing_is_lost(folder):
    with World(folder) as world:
        healed(world)
        shown = world.records()
        world.stop()
        db = sqlite3.connect(world.state / "journal.db", isolation_level=None)
        db.execute("PRAGMA locking_mode=EXCLUSIVE")
        db.execute("BEGIN EXCLUSIVE")
        world.bad["a"] = 1
        world.start(wait=False)
        until(lambda: world.process.poll() is not None, 20)
        assert "the journal: " in world.said() and "locked" in world.said(), world.said()[-2000:]
        assert len(world.effects()) == 1
        db.execute("ROLLBACK")
        db.close()
        world.bad["a"] = 0
        world.start()
        assert world.records()[:len(shown)] == shown
        healed(world)
        caught_up(world)
        world.stop()
        same_as_journal(world)


def claim_nobody_else_writes_the_journal_of_a_heald_that_runs(folder):
    with World(folder) as world:
        healed(world)
        with contextlib.closing(sqlite3.connect(world.state / "journal.db", timeout=0.1)) as db:
            try:
                db.execute("INSERT INTO journal SELECT sequence + 1000, time_ns, kind, incident, action_id, epoch, rung,"
                           " program_hash, policy, target, action, type, text, hash FROM journal LIMIT 1")
                raise AssertionError("it was written")
            except sqlite3.OperationalError as why:
                assert "locked" in str(why), why
        healed(world)
        caught_up(world)
        world.stop()
        same_as_journal(world)


def claim_rubbish_behind_the_log_of_a_killed_heald_costs_nothing(folder):
    with World(folder) as world:
        healed(world)
        shown = world.records()
        world.kill_all()
        with open(world.state / "journal.db-wal", "ab") as wal:
            wal.write(random.Random(3).randbytes(10000))
        world.start()
        assert world.records()[:len(shown)] == shown
        healed(world)
        assert len(world.effects()) == 2
        caught_up(world)
        world.stop()
        same_as_journal(world)


if __name__ == "__main__":
    run(globals())
