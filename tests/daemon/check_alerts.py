"""Policies for each series and recorded signals in the real heald: told once, over a reload and a kill -9."""
import os
import signal
import time
from case import run, until
from world import World

RULES = """edition 1
channel oncall = webhook("oncall")
signal service:bad:max{team="shop"} every 100ms = max by (service) (app_bad)
policy app_bad for each series every 100ms {
  about "a fake service is bad"
  label severity = "page"
  annotation summary = "a service of the shop is bad"
  when service:bad:max > 0.5 for 300ms
  keep firing for 200ms
  on missing as prometheus
  escalate to oncall
}
"""
FILES = {"app.heal": RULES}


def fires(world, service="a"):
    until(world.observed)
    world.bad[service] = 2
    target = f"service={service},severity=page,team=shop"
    return until(lambda: world.records("opened", target=target), 10)[0]


def claim_an_alert_is_told_once_and_resolved(folder):
    with World(folder, FILES) as world:
        opened = fires(world)
        assert opened["text"] == "a service of the shop is bad", opened
        until(lambda: world.webhook.posts)
        time.sleep(0.5)
        assert len(world.webhook.posts) == 1, world.webhook.posts
        assert "a service of the shop is bad" in str(world.webhook.posts[0][1])
        world.bad["a"] = 0
        until(lambda: world.records("closed", incident=opened["incident"]))
        assert not world.effects()


def claim_a_reload_and_a_killed_engine_tell_nothing_again(folder):
    with World(folder, FILES) as world:
        opened = fires(world)
        until(lambda: world.records("notified"))
        world.write({"app.heal": "# the same rules\n" + RULES})
        assert world.healctl("reload")[0] == 0
        time.sleep(0.5)
        engine = world.pids()["engine"]
        os.kill(engine, signal.SIGKILL)
        until(lambda: world.status() and world.pids().get("engine") not in (None, engine), 20)
        until(world.observed)
        time.sleep(1)
        assert len(world.records("opened")) == 1 and not world.records("closed")
        assert len(world.webhook.posts) == 1, world.webhook.posts
        world.bad["a"] = 0
        until(lambda: world.records("closed", incident=opened["incident"]))


def claim_each_series_is_an_alert_of_its_own(folder):
    with World(folder, FILES) as world:
        world.bad.update(b=0, c=0)
        fires(world)
        fires(world, "b")
        assert len(world.records("opened")) == 2
        world.bad["a"] = 0
        until(lambda: world.records("closed"))
        assert [r["target"] for r in world.records("closed")] == ["service=a,severity=page,team=shop"]


def claim_templates_read_the_labels_and_the_address_of_the_host(folder):
    rules = RULES.replace('"a service of the shop is bad"',
                          '"{{ $labels.service }} in {{ $externalLabels.region }}, see {{ $externalURL }} {{ pathPrefix }}"')
    with World(folder, {"app.heal": rules},
               extra="external_labels: {region: north}\nexternal_url: http://shop.example/heal//\n") as world:
        assert fires(world)["text"] == "a in north, see http://shop.example/heal /heal"


run(globals())
