"""kill -9 at every durable step of engine and actor, then at random: no effect twice, no record lost, no end
without a person who knows, and the memory of incidents says what the journal says. `check_crash.py BUILD quick` does the few points that matter most."""
import concurrent.futures
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "daemon"))
from case import until
from check_memory import same_as_journal
from world import POLICY, PREAMBLE, World, alive, journal_rows

WORLDS = 6  # at a time: they mostly wait
QUICK = len(sys.argv) > 2 and sys.argv[2] == "quick"

TURN = POLICY.replace("try fix(service) verify bad < 0.5 holds 200ms within 3s",
                      "try turn(service) verify bad < 0.5 holds 200ms within 1s")
PAGE = """policy app for each service in services every 100ms {
  about "a fake service is bad"
  risk availability
  impact medium
  signal bad = max by (service) (app_bad)
  when bad > 0.5 for 200ms
  clear when bad < 0.5 for 300ms
  on missing hold
  escalate to oncall
}
"""
# What happens in each scenario when nothing is killed, and what its world needs.
SCENARIOS = {
    "act": (POLICY, True, ("succeeded", "verified", "closed")),
    "undo": (TURN, False, ("succeeded", "unverified", "undone", "escalated", "notified")),
    "page": (PAGE, False, ("escalated", "notified")),
}


class Watcher:
    """Remembers every record that heald has ever shown."""

    def __init__(self, world):
        self.world, self.shown = world, []

    def look(self):
        answer = self.world.ask("records", after=len(self.shown))
        if answer and answer.get("ok"):
            self.shown += answer["records"]
        return [r["kind"] for r in self.shown]


def settled(shown):
    """Every incident is closed or with a person, and every page was delivered."""
    kinds = [r["kind"] for r in shown]
    if "opened" not in kinds or kinds.count("notified") < kinds.count("escalated"):
        return False
    for incident in {r["incident"] for r in shown if r["incident"]}:
        own = [r["kind"] for r in shown if r["incident"] == incident]
        last = max((own[::-1].index(k) * -1 for k in ("dispatched", "intent", "dropped") if k in own), default=-999)
        after = own[len(own) - 1 + last + 1:] if last > -999 else own
        if "closed" not in own and "escalated" not in after:
            return False
    return True


def judge(world, shown):
    """What must hold of the files that are left, whatever was killed."""
    rows = journal_rows(world.state / "journal.db")
    for record, row in zip(shown, rows):
        assert (record["sequence"], record["kind"], record["incident"], record["text"]) == \
            (row["sequence"], row["kind"], row["incident"], row["text"]), f"{record} was shown, {row} is there"
    assert len(rows) >= len(shown), f"{len(shown)} records were shown, {len(rows)} are there"
    dispatched = [r["action_id"] for r in rows if r["kind"] == "dispatched"]
    assert len(set(dispatched)) == len(dispatched), "an action id was dispatched twice"
    latches = {int(name, 16) for name in os.listdir(world.state / "actions") if len(name) == 16}
    assert latches <= set(dispatched), "something was started that was never on record"
    for action in ("fix", "turn", "turn_back"):
        effects = world.effects(action)
        of_it = [r for r in rows if r["kind"] == "dispatched" and r["action"] == action]
        assert len(effects) <= len(of_it), f"{action}: {len(effects)} effects of {len(of_it)} dispatches"
        done = [r for r in rows if r["kind"] == "succeeded" and r["action"] == action]
        assert len(effects) >= len(done), f"{action}: {len(done)} are said to be done, {len(effects)} were"
    assert len(world.effects("turn")) <= len(world.effects("turn_back")) + 1, "done again without its undo"
    assert len(world.effects()) <= len(latches), f"{len(world.effects())} effects of {len(latches)} latches"
    same_as_journal(world, behind=64)
    posts = {(post[0]) for post in world.webhook.posts}
    for row in rows:
        if row["kind"] == "escalated":
            key = f"{row['incident'] << 8 | (row['rung'] & 255):016x}"
            assert key in posts, f"{row['text']!r} never reached the webhook ({key} is not among {posts})"
    for incident in {r["incident"] for r in rows if r["incident"]}:
        own = [r["kind"] for r in rows if r["incident"] == incident]
        if "unknown" in own:
            assert "escalated" in own[own.index("unknown"):], f"unknown, and nobody was told: {own}"
            again = [k for k in own[own.index("unknown"):] if k == "dispatched"]
            assert not again, f"an unknown action was tried again: {own}"
    return rows


def play(scenario, env=None, disturb=None, seconds=30, **options):
    """One incident in a world of its own; returns (rows, whether the mark of the crash is there, kinds)."""
    policy, heals, _ = SCENARIOS[scenario]
    with tempfile.TemporaryDirectory(prefix="heal") as folder:
        mark = os.path.join(folder, "state", "crashed")
        world = World(folder, {"app.heal": PREAMBLE + policy}, heald="heald_crash",
                      env={"HEAL_CRASH_MARK": mark, **(env or {})}, **options)
        with world:
            world.heals = heals
            watcher = Watcher(world)
            world.bad["a"] = 1  # a disturbance may put it off
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                if disturb:
                    disturb(world)
                watcher.look()
                if settled(watcher.shown):
                    break
                time.sleep(0.02)
            assert settled(watcher.shown), f"no end: {watcher.look()}"
            children = list(world.pids().values())
            world.stop()
            assert not any(alive(pid) for pid in children), "a child outlived heald"
            return judge(world, watcher.shown), os.path.exists(mark)


def trace(scenario):
    """How often each process comes to each point when nothing is killed: {(process, point): count}."""
    with tempfile.TemporaryDirectory(prefix="heal") as folder:
        # The engine may only write below the state folder, and trace files are opened in the cage.
        state = pathlib.Path(folder) / "state"
        world = World(folder, {"app.heal": PREAMBLE + SCENARIOS[scenario][0]}, heald="heald_crash",
                      env={"HEAL_CRASH_TRACE": str(state)})
        with world:
            world.heals = SCENARIOS[scenario][1]
            watcher = Watcher(world)
            world.bad["a"] = 1
            until(lambda: set(SCENARIOS[scenario][2]) <= set(watcher.look()), 20)
            until(lambda: (watcher.look(), settled(watcher.shown))[1], 20)
            counts = {}
            for process in ("engine", "actor"):
                for point in (state / process).read_text().split():
                    counts[process, point] = counts.get((process, point), 0) + 1
            world.stop()
            judge(world, watcher.shown)
            return counts


def at_point(scenario, process, point, count):
    rows, crashed = play(scenario, {"HEAL_CRASH": f"{process}:{point}:{count}"})
    return rows, crashed


def outcome(rows):
    kinds = [r["kind"] for r in rows]
    words = [k for k in ("dropped", "unknown", "failed", "refused", "unverified", "undone", "verified", "closed",
                         "escalated") if k in kinds]
    return ",".join(words)


def sweep(passed, failed):
    jobs = []
    with concurrent.futures.ThreadPoolExecutor(WORLDS) as pool:
        for scenario in SCENARIOS if not QUICK else ("act",):
            counts = trace(scenario)
            for (process, point), most in sorted(counts.items()):
                chosen = range(1, most + 1)
                if QUICK:
                    if process == "engine" and point in ("journal-begin", "journal-noted"):
                        continue
                    chosen = range(1, most + 1) if process == "actor" else [most // 2 + 1]
                for count in chosen:
                    jobs.append((scenario, process, point, count,
                                 pool.submit(at_point, scenario, process, point, count)))
        table = {}
        for scenario, process, point, count, job in jobs:
            row = table.setdefault((scenario, process, point), [0, 0, set()])
            try:
                rows, crashed = job.result()
                row[0] += 1
                row[1] += crashed
                row[2].add(outcome(rows))
                passed.append(1)
            except Exception as fault:
                failed.append(1)
                print(f"FAILED {scenario}: {process} killed at {point}, time {count}: {fault}")
                if not isinstance(fault, AssertionError):
                    traceback.print_exception(fault)
        for (scenario, process, point), (done, crashed, ends) in table.items():
            print(f"{scenario:5} {process:7} {point:18} {done:3} times, {crashed:3} killed there   {' | '.join(sorted(ends))}")


def at_random(seed):
    """Kills processes, and heald as a whole, at random times of one incident."""
    choose = random.Random(seed)
    scenario = choose.choice(("act", "act", "undo", "page"))
    kills = [(choose.choice(("engine", "engine", "actor", "actor", "ingest", "all", "parent")),
              choose.uniform(0.0, 1.5)) for _ in range(choose.choice((1, 1, 2, 3)))]
    began = time.monotonic()
    done = []

    def disturb(world):
        while kills and time.monotonic() - began > kills[0][1] + 1.2 * len(done):
            victim, _ = kills.pop(0)
            done.append(victim)
            pids = world.pids()
            if victim == "all":
                world.kill_all()
                world.start()
            elif victim == "parent":
                world.process.kill()
                world.process.wait()
                until(lambda: not any(alive(pid) for pid in pids.values()), 10)
                world.start()
            elif victim in pids:
                os.kill(pids[victim], signal.SIGKILL)
    rows, _ = play(scenario, disturb=disturb, seconds=40, run_ms=choose.choice((0, 0, 100, 400)))
    return scenario, done, rows


def random_kills(passed, failed):
    rounds = 3 if QUICK else 40
    with concurrent.futures.ThreadPoolExecutor(WORLDS) as pool:
        jobs = [(seed, pool.submit(at_random, seed)) for seed in range(1, rounds + 1)]
        ends = {}
        for seed, job in jobs:
            try:
                scenario, done, rows = job.result()
                ends.setdefault(scenario, []).append(outcome(rows))
                passed.append(1)
            except Exception as fault:
                failed.append(1)
                print(f"FAILED at random, seed {seed}: {fault}")
                if not isinstance(fault, AssertionError):
                    traceback.print_exception(fault)
    for scenario, words in sorted(ends.items()):
        print(f"{scenario:5} at random          {len(words):3} rounds   {' | '.join(sorted(set(words)))}")


# ---- every n-th system call ----

def at_call(role, number):
    """The engine or actor dies at its number-th system call of a kind, once, while an incident runs."""
    tracer = []

    def disturb(world):
        pid = world.pids().get(role)
        if tracer or not pid:
            return
        world.bad["a"] = 0
        tracer.append(subprocess.Popen(["strace", "-qq", "-e", f"trace={CALLS}", "-e",
                                        f"inject={CALLS}:signal=KILL:when={number}", "-o", "/dev/null", "-p", str(pid)],
                                       stderr=subprocess.DEVNULL))
        time.sleep(0.3)
        world.bad["a"] = 1
    try:
        rows, _ = play("act", disturb=disturb)
        return rows, tracer[0].poll() is not None
    finally:
        for process in tracer:
            process.kill()
            process.wait()


# The calls that touch disk, peer and children: others cannot change what survives.
CALLS = "openat,pwrite64,write,fsync,fdatasync,sendto,sendmsg,recvfrom,clone,clone3,vfork,wait4,waitid,renameat"


def every_call(passed, failed):
    if QUICK or not shutil.which("strace"):
        print("every n-th system call: " + ("not in the quick part" if QUICK else "skipped, there is no strace"))
        return
    began = time.monotonic()
    hit = tried = 0
    with concurrent.futures.ThreadPoolExecutor(WORLDS) as pool:
        for batch in range(0, 96, WORLDS * 2):
            if time.monotonic() - began > 55:
                break
            jobs = [(role, n, pool.submit(at_call, role, n))
                    for n in range(batch // 2 + 1, batch // 2 + 1 + WORLDS) for role in ("engine", "actor")]
            for role, number, job in jobs:
                tried += 1
                try:
                    hit += job.result()[1]
                    passed.append(1)
                except Exception as fault:
                    failed.append(1)
                    print(f"FAILED {role} killed at call {number}: {fault}")
    print(f"act   at the n-th call   {tried:3} times, {hit:3} killed there")


def main():
    passed, failed = [], []
    began = time.monotonic()
    if len(sys.argv) > 5:  # one point: check_crash.py BUILD SCENARIO PROCESS POINT COUNT
        for row in at_point(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]))[0]:
            print(row["sequence"], row["time"], row["kind"], row["incident"], row["text"])
        return
    sweep(passed, failed)
    random_kills(passed, failed)
    every_call(passed, failed)
    print(f"the sweep took {time.monotonic() - began:.0f} s")
    print(f"{len(passed)} passed, {len(failed)} failed")
    sys.exit(1 if failed else 0)


main()
