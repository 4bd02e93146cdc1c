"""Numbers of actions in the real heald: a step from what is scraped, its undo and its price, over kill -9."""
from case import program, run, until
from world import POLICY, PREAMBLE, World

GROW = PREAMBLE + """metric app_size replicas by (instance, job, service)
action grow(s: service, to: replicas) {
  via exec
  reads max by (service) (app_size)
  affects s.errors within 100ms
  undo grow(s, to: before)
  timeout 2s
  costs 6 usd/h per replica
}
""" + POLICY.replace("fix(service)", "grow(service, to: +50%)").replace(
    "cooldown 1s", "spend at most 2 usd per 10m cooldown 1s").replace(
    "unresolved for 20s", "unresolved for 60s or budget exceeded")


class Sized(World):
    """Services of a size: what the recorder was last told, else 4; `hand` is another hand's."""

    def __init__(self, folder):
        self.hand = {}
        argv = [program("recorder"), f"{folder}/effects.log", "grow", "{target}:{to}"]
        grant = (f"  - action: grow\n    argv: {argv}\n    targets: [\"service=a\", \"service=b\"]\n"
                 "    unattended: true\n    timeout: 2s\n    at_most: {count: 100, per: 1h}\n"
                 "    parameters: [{name: to, min: 1, max: 100}]\n").replace("'", '"')
        super().__init__(folder, {"app.heal": GROW}, grants=grant)
        self.heals = False

    def told(self, service="a"):
        return [int(target.split(":")[1]) for _, _, target in self.effects("grow")
                if target.startswith(f"service={service}:")]

    def page(self):
        sizes = {s: self.hand.get(s) or (self.told(s) or [4])[-1] for s in self.bad}
        return super().page() + "".join(f'app_size{{service="{s}"}} {n}\n' for s, n in sizes.items())


def claim_a_step_is_undone_to_what_was_there_after_kill_9(folder):
    with Sized(folder) as world:
        until(world.observed)
        world.bad["a"] = 1
        until(lambda: world.records("succeeded"), 15)
        world.kill_all()
        world.start()
        until(lambda: len(world.told()) == 2, 30)
        assert world.told() == [6, 4], world.told()
        texts = [r["text"] for r in world.records("dispatched")]
        assert texts == ["grow(service=a, 6) from 4, costs 12 usd/h", "undo: grow(service=a, 4) from 6"], texts


def claim_what_another_hand_has_set_is_left_alone(folder):
    with Sized(folder) as world:
        until(world.observed)
        world.bad["a"] = 1
        until(world.told, 15)
        world.hand["a"] = 9
        until(lambda: world.records("escalated"), 20)
        assert world.told() == [6], world.told()
        why = world.records("escalated")[0]["text"]
        assert why == "service=a is at 9 now, not the 6 that heal gave it: nothing is touched", why


def claim_money_that_was_spent_stays_spent_after_kill_9(folder):
    with Sized(folder) as world:
        until(world.observed)
        world.bad["a"] = 1
        until(world.told, 15)
        world.kill_all()
        world.bad["b"] = 1
        world.start()
        until(lambda: any("budget exceeded" in r["text"] for r in world.records("escalated")), 30)
        assert not world.told("b")
        why = next(r["text"] for r in world.records("escalated") if r["target"] == "service=b")
        assert why == "budget exceeded: spend at most 2 usd per 10m: 2 usd after 2 usd in the window", why


run(globals())
