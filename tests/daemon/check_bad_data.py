"""Bad data never acts: every claim feeds one kind of it to the real heald, and shows before or after that the
same policy does act on clean data."""
import time
from case import run, until
from world import GUARD, POLICY, PREAMBLE, World

CALM = 1.0  # seconds of bad data: several holds of the policy


def clean_acts(world):
    """The positive control: clean data makes exactly this policy act."""
    before = len(world.effects())
    world.exporter.how, world.exporter.text = "well", world.page
    world.bad["a"] = 0
    until(lambda: world.observed() and not world.status()["incidents_open"])
    world.heals = False
    world.bad["a"] = 1
    until(lambda: len(world.effects()) > before, 15)


def calm(world, seconds=CALM):
    """Nothing happens for a while, and heald lives."""
    before, ticks = len(world.effects()), world.metric("heald_ticks_total")
    epoch = world.status()["epoch"]
    time.sleep(seconds)
    assert len(world.effects()) == before, f"it acted: {world.lines()}"
    assert world.status()["epoch"] == epoch, "the engine was started again"
    assert world.metric("heald_ticks_total") > ticks, "it does not tick"


def policy_state(world):
    return world.status()["policies"][0]["state"]


def feed(folder, text, seconds=CALM, **options):
    """A world in which the page is text() from the start; nothing acts, then the control does."""
    world = World(folder, **options)
    world.exporter.text = text
    with world:
        until(lambda: world.exporter.requests > 2)
        calm(world, seconds)
        yield world
        clean_acts(world)


def value_never_acts(folder, value, why):
    for world in feed(folder, lambda: f'app_up{{service="a"}} 1\napp_bad{{service="a"}} {value}\n'):
        assert why(world), (world.status(), world.said()[-800:])


def claim_not_a_number_never_acts(folder):
    value_never_acts(folder, "NaN", lambda world: not world.records("opened"))


def claim_infinity_of_the_wrong_sign_never_acts(folder):
    value_never_acts(folder, "-Inf", lambda world: not world.records("opened"))


def claim_a_share_of_nothing_never_acts(folder):
    """0 / 0 and 1 / 0 are no more than a half."""
    share = POLICY.replace("max by (service) (app_bad)", "max by (service) (app_bad) / max by (service) (app_up - 1)")
    with World(folder, {"app.heal": PREAMBLE + share}) as world:
        until(world.observed)
        calm(world)
        assert not world.effects() and not world.records("opened"), world.records()
        world.exporter.text = lambda: 'app_up{service="a"} 1\napp_bad{service="a"} 1\n'
        calm(world)
        assert not world.effects(), "1 / 0 was acted on"


def claim_a_missing_series_never_acts_and_the_policy_is_unknown(folder):
    for world in feed(folder, lambda: 'app_up{service="a"} 1\n'):
        assert not world.records("opened")


def claim_a_value_that_is_no_number_is_refused_with_its_line(folder):
    for world in feed(folder, lambda: 'app_up{service="a"} 1\napp_bad{service="a"} lots\n'):
        assert not world.observed()
        assert "2" in world.source()["error"], world.source()


def claim_a_source_that_hangs_is_not_acted_on(folder):
    with World(folder) as world:
        until(world.observed)
        world.bad["a"], world.exporter.how = 1, "hang"
        until(lambda: not world.observed())
        calm(world)
        assert "tim" in world.source()["error"].lower(), world.source()
        assert policy_state(world) == "unknown", world.status()
        assert world.healctl("status")[0] == 1
        clean_acts(world)


def claim_half_a_body_is_not_acted_on(folder):
    with World(folder) as world:
        until(world.observed)
        world.bad["a"], world.exporter.how = 1, "half"
        until(lambda: not world.observed())
        calm(world)
        assert world.source()["error"], world.source()
        clean_acts(world)


def claim_an_error_page_is_not_acted_on(folder):
    with World(folder) as world:
        until(world.observed)
        world.bad["a"], world.exporter.how = 1, "refuse"
        until(lambda: not world.observed())
        calm(world)
        assert "503" in world.source()["error"], world.source()
        clean_acts(world)


def claim_an_exporter_that_went_down_while_bad_is_not_acted_on(folder):
    with World(folder, {"app.heal": PREAMBLE + POLICY.replace("for 200ms\n  clear", "for 600ms\n  clear")}) as world:
        until(world.observed)
        world.bad["a"] = 1
        time.sleep(0.25)
        world.exporter.server.shutdown()
        world.exporter.server.server_close()
        until(lambda: not world.observed())
        calm(world)
        assert "connect" in world.source()["error"].lower(), world.source()
        assert any("cannot see" in r["text"] for r in until(lambda: world.records("escalated"), 10))
        until(lambda: any("cannot see" in body.get("text", "") for _, body in world.webhook.posts), 10)


def claim_a_bad_value_that_vanished_is_not_acted_on(folder):
    slow = PREAMBLE + POLICY.replace("for 200ms\n  clear", "for 600ms\n  clear")
    with World(folder, {"app.heal": slow}) as world:
        until(world.observed)
        world.bad["a"] = 1
        time.sleep(0.3)
        world.exporter.text = lambda: 'app_up{service="a"} 1\n'
        calm(world)
        assert not world.records("opened")
        world.exporter.text = world.page
        until(world.effects)


COUNTER = PREAMBLE + POLICY.replace("max by (service) (app_bad)", "sum by (service) (rate(app_total[1s]))") \
    .replace("bad > 0.5", "bad > 50").replace("bad < 0.5", "bad < 50")


def claim_a_counter_reset_is_no_burst(folder):
    began = time.time()
    rate = {"per_s": 10, "base": 1e6, "from": began}

    def text():
        total = rate["base"] + (time.time() - rate["from"]) * rate["per_s"]
        return f'app_up{{service="a"}} 1\n# TYPE app_total counter\napp_total{{service="a"}} {total}\n'
    world = World(folder, {"app.heal": COUNTER})
    world.exporter.text = text
    with world:
        until(world.observed)
        time.sleep(1.5)
        for _ in range(4):
            rate.update({"base": 0, "from": time.time()})
            calm(world, 0.6)
        assert not world.records("opened"), world.records()
        rate.update({"base": 0, "from": time.time(), "per_s": 1000})
        until(world.effects, 15)


def claim_a_series_that_flips_its_type_is_not_acted_on_as_another(folder):
    kind = {"type": "counter", "value": 1}

    def text():
        kind["value"] += 1000
        return (f'app_up{{service="a"}} 1\n# TYPE app_total {kind["type"]}\n'
                f'app_total{{service="a"}} {kind["value"] if kind["type"] == "counter" else 3}\n')
    world = World(folder, {"app.heal": COUNTER.replace("for 200ms\n  clear", "for 3s\n  clear")})
    world.exporter.text = text
    with world:
        until(world.observed)
        for _ in range(10):
            time.sleep(0.2)
            kind["type"] = "gauge" if kind["type"] == "counter" else "counter"
        assert not world.effects(), world.records()
        kind["type"] = "counter"
        until(world.effects, 15)


KEEP = PREAMBLE.replace("pool services(service) = app_up == 1", "pool services(service) = app_up == 1\n    ready app_up == 1")


def claim_a_shrinking_inventory_does_not_loosen_a_bound(folder):
    """keep counts against the largest inventory that was seen, not against what is left of it."""
    policy = POLICY.replace("  cooldown", "  keep at least 80% of services ready\n  cooldown")
    with World(folder, {"app.heal": KEEP + policy}) as world:
        world.bad.update({name: 0 for name in ("b", "c", "d", "e")})
        until(lambda: world.status()["policies"][0]["entities"] == 5)
        del world.bad["c"], world.bad["d"], world.bad["e"]
        world.bad["a"] = 1
        until(lambda: world.records("refused"))
        calm(world)
        assert "services" in world.records("refused")[0]["text"], world.records("refused")


HOSTILE = {
    "a quote": 'x"y', "a line end": "x\ny", "an option": "-rf", "a list": "a,b=c", "a path out": "$(reboot)",
    "ten kilobytes": "x" * 10240, "a space": "a b", "a template": "{target}", "nothing": "",
    "letters that look alike": "\u0430", "a control character": "a\x01b",
}


def escape(value):
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def claim_hostile_label_values_are_never_acted_on(folder):
    def text():
        return "".join(f'app_up{{service="{escape(v)}"}} 1\napp_bad{{service="{escape(v)}"}} 1\n'
                       for v in HOSTILE.values() if len(v) < 1000) + world.page()
    targets = json_targets(v for v in HOSTILE.values() if v.isascii() and v.isprintable() and 0 < len(v) < 200)
    world = World(folder)
    world.exporter.text = text
    with world:
        until(world.observed)
        until(lambda: len(world.records("opened")) >= 5, 10)
        calm(world)
        assert not world.effects(), world.lines()
        assert any("characters that a target's name cannot have" in r["text"] for r in world.records("escalated"))
        status = world.healctl("incidents")
        assert status[0] == 0 and "\x01" not in status[1], status
        world.bad["a"] = 1
        until(lambda: world.effects(), 15)
        assert {target for _, _, target in world.effects()} == {"service=a"}
    assert targets


def json_targets(values):
    return [f"service={value}" for value in values]


def claim_a_label_of_ten_kilobytes_is_refused_and_said(folder):
    value = HOSTILE["ten kilobytes"]
    for world in feed(folder, lambda: f'app_up{{service="{value}"}} 1\napp_bad{{service="{value}"}} 1\n'):
        assert not world.records("opened")
        source = world.source()
        assert source["error"] or (world.metric("heald_series_refused_total") or 0) > 0, (source, world.http("/metrics"))


def claim_bytes_that_are_not_utf8_are_refused_with_their_place(folder):
    for world in feed(folder, lambda: b'app_up{service="a"} 1\napp_bad{service="\xff\xfe"} 1\n'):
        assert not world.observed() and not world.records("opened")
        assert "2" in world.source()["error"] and "UTF-8" in world.source()["error"], world.source()


def claim_a_series_that_is_given_twice_is_not_acted_on(folder):
    for world in feed(folder, lambda: 'app_up{service="a"} 1\napp_bad{service="a"} 0\napp_bad{service="a"} 1\n'):
        assert not world.records("opened"), world.records()


def claim_a_body_over_its_limit_is_refused_and_said(folder):
    filler = "".join(f"filler_{i} 1\n" for i in range(6000))
    for world in feed(folder, lambda: world_page_bad() + filler):
        assert not world.observed() and not world.records("opened")
        assert "larger than" in world.source()["error"], world.source()


def world_page_bad():
    return 'app_up{service="a"} 1\napp_bad{service="a"} 1\n'


def claim_more_series_than_the_limit_are_refused_and_said(folder):
    more = "".join(f'filler{{n="{i}"}} 1\n' for i in range(400))
    for world in feed(folder, lambda: world_page_bad() + more):
        assert not world.observed() and not world.records("opened")
        assert "200" in world.source()["error"], world.source()


def claim_samples_of_the_past_and_of_the_future_are_not_acted_on(folder):
    for offset in (-7200, +7200):
        inner = f"{folder}/{offset}"
        __import__("os").mkdir(inner)

        def text():
            at = int((time.time() + offset) * 1000)
            return f'app_up{{service="a"}} 1\napp_bad{{service="a"}} 1 {at}\n'
        for world in feed(inner, text):
            assert not world.records("opened"), world.records()
            if offset > 0:
                assert world.metric("heald_samples_future_total") > 0, world.http("/metrics")


def claim_a_time_that_stands_still_is_not_acted_on_for_ever(folder):
    """An exporter that repeats one old sample: the value grows stale and is not seen any more."""
    slow = PREAMBLE + POLICY.replace("for 200ms\n  clear", "for 1s\n  clear")
    at = int(time.time() * 1000) - 6 * 60 * 1000
    for world in feed(folder, lambda: f'app_up{{service="a"}} 1\napp_bad{{service="a"}} 1 {at}\n', policies={"app.heal": slow}):
        assert not world.records("opened"), world.records()


def claim_no_inventory_is_no_reason_to_act_and_no_end_of_an_incident(folder):
    with World(folder) as world:
        world.heals = False
        until(world.observed)
        world.bad["a"] = 1
        until(world.effects)
        world.exporter.how = "refuse"
        until(lambda: not world.observed())
        calm(world, 1.5)
        assert not world.records("closed"), world.records()


def claim_a_wall_clock_that_stepped_between_runs_neither_freezes_nor_acts_twice(folder):
    """heald's time never goes back: what was spent before the step counts after it."""
    for name, step in (("back", -86400), ("ahead", 86400)):
        inner = f"{folder}/{name}"
        __import__("os").mkdir(inner)
        once = PREAMBLE + POLICY.replace("at most 20 of service", "at most 1 of services").replace("cooldown 1s", "cooldown 5s")
        with World(inner, {"app.heal": once}, heald="heald_crash") as world:
            world.heals = False
            until(world.observed)
            world.bad["a"] = 1
            until(world.effects)
            until(lambda: world.records("escalated"), 10)
            world.stop()
            world.env["HEAL_CLOCK_STEP_S"] = str(step)
            world.start()
            until(world.observed)
            ticks = world.metric("heald_ticks_total")
            until(lambda: world.metric("heald_ticks_total") > ticks + 5)
            world.bad["b"] = 1
            if name == "back":
                assert "behind the journal" in world.said()
                until(lambda: world.records("refused", target="service=b"), 10)
                assert len(world.effects()) == 1, world.lines()
            else:
                until(lambda: len(world.effects()) == 2, 15)
            assert not world.records("unknown") and world.http("/readyz")[0] == 200


run(globals())
