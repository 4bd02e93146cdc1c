"""The actor of the real heald judges the host's guards by itself, from its own copy of the signed bundle.
QUICK: whatever the engine decides, and whatever it has forgotten."""
import os
import pathlib
import random
import signal
import socket
import struct
import subprocess
import time
from case import CAGED, program, run, until
from world import GUARD, POLICY, PREAMBLE, World

ONE = GUARD.replace("at most 100 ", "at most 1 ")
FORBIDDEN = "a guard of the host forbids it: guard host: at most 1 actions on any service per 1h: 1 in the window"


def heals_once(world):
    until(world.observed)
    world.bad["a"] = 1
    until(lambda: world.records("closed"), 20)
    assert len(world.effects()) == 1, world.effects()


def is_refused(world, words):
    """The engine dispatches, and nothing starts."""
    before = len(world.effects())
    world.bad["a"], world.heals = 1, False
    refused = until(lambda: [r for r in world.records("refused") if r["action_id"]], 20)
    assert words in refused[0]["text"], refused
    assert world.records("dispatched")[-1]["action_id"] == refused[0]["action_id"], world.records()
    assert len(world.effects()) == before, world.effects()


def says(world, words, seconds=10):
    until(lambda: words in world.said(), seconds)


def claim_a_new_guard_holds_before_the_engine_knows_of_it(folder):
    with World(folder) as world:
        heals_once(world)
        assert f"the guards of serial {world.status()['serial']} hold" in world.said()
        serial = world.status()["serial"]
        world.write({"guards.heal": ONE, "app.heal": PREAMBLE + POLICY})
        says(world, f"the guards of serial {serial + 1} hold")
        assert world.status()["serial"] == serial
        is_refused(world, FORBIDDEN)


def claim_what_the_engine_forgot_the_actor_counts(folder):
    with World(folder, {"guards.heal": ONE, "app.heal": PREAMBLE + POLICY}) as world:
        heals_once(world)
        world.stop()
        for path in [*world.state.glob("journal.db*"), *world.state.glob("memory.db*")]:
            path.unlink()
        world.start()
        until(world.observed)
        is_refused(world, FORBIDDEN)


def claim_without_a_bundle_it_can_check_it_starts_nothing(folder):
    with World(folder) as world:
        until(world.observed)
        kept = world.kept()
        world.put((kept[0][:-1] + b"x", kept[1]))
        says(world, "the guards were not loaded, the ones before go on: ")
        heals_once(world)
        actor = world.pids()["actor"]
        os.kill(actor, signal.SIGKILL)
        until(lambda: world.pids().get("actor") not in (None, actor))
        says(world, "the guards were not loaded, nothing will start: ")
        is_refused(world, "a guard of the host forbids it: the actor has none")
        until(lambda: world.webhook.posts)  # people are told all the same


def claim_an_older_bundle_loosens_nothing(folder):
    with World(folder) as world:
        until(world.observed)
        first = world.kept()
        serial = world.status()["serial"]
        world.write({"guards.heal": ONE, "app.heal": PREAMBLE + POLICY})
        says(world, f"the guards of serial {serial + 1} hold")
        world.put(first)
        says(world, "older")
        heals_once(world)
        is_refused(world, FORBIDDEN)


# As runtime/act/message.c writes it.
MESSAGE = struct.Struct("<IIIQIHHI4dqIHIIQq64s256s96sIIIiqq1400s")
MAGIC, VERSION, BYTES, ACT, RESULT = 0x6c616568, 3, 2048, 1, 4


class Hostile:
    """A real actor with this test for its parent and its engine."""

    def __init__(self, world):
        (world.state / "actions").mkdir(parents=True, exist_ok=True)
        effective = subprocess.run([program("heald"), "-n", "-c", str(world.yaml)], capture_output=True, check=True).stdout
        config = os.memfd_create("heald.yaml")
        os.write(config, effective)
        self.parent, parent = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.peer, peer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        clock = f"{time.time_ns()} {time.clock_gettime_ns(time.CLOCK_BOOTTIME)} {boot}"
        slots = {12: peer.fileno(), 15: parent.fileno(), 16: config}

        def place():
            high = {slot: os.dup(fd) for slot, fd in slots.items()}
            for slot, fd in high.items():
                os.dup2(fd, slot)

        self.process = subprocess.Popen([program("heald"), "--role", "actor"], pass_fds=list(slots), preexec_fn=place,
                                        stderr=subprocess.DEVNULL, env={**os.environ, **CAGED, "HEAL_CLOCK": clock})
        for end in (parent, peer):
            end.close()
        os.close(config)
        for end in (self.parent, self.peer):
            end.settimeout(20)
        self.parent.recv(64)  # it is ready

    def act(self, id, grant, target, undo):
        """The text of the answer."""
        none = (0,) * 5
        self.peer.send(MESSAGE.pack(MAGIC, VERSION, ACT, id, 1, grant, target, 0, *none, undo, *none, b"", b"", b"", *none, 0,
                                    b"").ljust(BYTES, b"\0"))
        got = MESSAGE.unpack(self.peer.recv(BYTES)[:MESSAGE.size])
        assert got[:4] == (MAGIC, VERSION, RESULT, id), got[:4]
        return got[-1].rstrip(b"\0").decode()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.parent.close()
        self.peer.close()


def claim_a_hostile_engine_starts_no_more_than_the_guard_allows(folder):
    with World(folder, {"guards.heal": ONE, "app.heal": PREAMBLE + POLICY}, start=False) as world:
        dice, forbidden, actor = random.Random(5), 0, Hostile(world)
        try:
            actor.act(1, 1, 0, False)
            for id in range(2, 401):
                if id % 50 == 0:
                    actor.kill()
                    actor = Hostile(world)
                said = actor.act(id, dice.randrange(3), dice.randrange(3), dice.random() < 0.5)
                forbidden += "a guard of the host forbids it" in said
        finally:
            actor.kill()
        done = [(name, target) for _, name, target in world.effects()]
        for target in ("service=a", "service=b", "service=c"):
            names = [name for name, of in done if of == target]
            assert len(names) == 1 or names == ["turn", "turn_back"], done
        assert ("turn_back", "service=a") in done, done  # which was free, once
        assert forbidden == 400 - len(done), (forbidden, done)


run(globals())
