"""The actor of the real heald judges the host's guards by itself, from its own copy of the signed bundle.
QUICK: whatever the engine decides, and whatever it has forgotten."""
import os
import signal
from case import run, until
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


run(globals())
