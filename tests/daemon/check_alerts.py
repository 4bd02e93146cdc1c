"""Policies for each series and recorded signals in the real heald: told once, over a reload and a kill -9."""
import json
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


MANY = """edition 1
channel oncall = webhook("oncall")
signal sum_of_bad every 100ms = sum(app_bad)
signal twice:bad{service=""} every 100ms = app_bad
policy slow for each series every 100ms {
  about "slow"
  label severity = "ticket"
  annotation summary = "{{ $labels.service }}: {{ $value }}"
  annotation others = "{{ query \\"count(app_up)\\" | first | value }}"
  annotation past = "{{ query \\"rate(app_up[5m])\\" | first | value }}"
  when app_bad > 0.5 for 1h
  on missing as prometheus
  escalate to oncall
}
policy fast for each series every 100ms {
  about "fast"
  annotation "line" = "a\\u001b[2Jb"
  when app_bad > 1.5
  on missing as prometheus
  escalate to oncall
}
policy product for each series every 100ms {
  about "two of one side"
  when app_up * on () group_left () (app_bad > 1.5) > 0
  on missing as prometheus
  escalate to oncall
}
"""


def asked(world, **args):
    answer = world.ask("alerts", **args)
    assert answer["ok"], answer
    return answer


def claim_healctl_tells_alerts_firing_first_with_what_they_say(folder):
    with World(folder, {"app.heal": MANY}) as world:
        until(world.observed)
        assert world.healctl("alerts")[:2] == (0, "no alerts\n")
        world.bad.update(a=1.0, b=2.0)
        until(lambda: asked(world)["pending"] == 2 and asked(world)["firing"] == 3)
        code, text, _ = world.healctl("alerts")
        lines = text.splitlines()
        assert code == 0 and lines[0] == "3 firing, 2 pending" and lines[2].split() == ["STATE", "SINCE", "VALUE", "POLICY", "LABELS"]
        rows = [line.split() for line in lines[3:]]
        assert [(r[0], r[3], r[4]) for r in rows if r[4] != "product"] == [
            ("firing", "2", "fast"), ("pending", "1", "slow"), ("pending", "2", "slow")], text
        assert "severity=ticket" in rows[-1][5] and "service=b" in rows[-1][5] and "alertname" not in text
        text = world.healctl("alerts", "--annotations")[1]
        assert "\n    summary: a: 1\n" in text and "\x1b" not in text and "\\x1b[2J" in text, text
        answer = json.loads(world.healctl("-o", "json", "alerts")[1])
        assert abs(answer["alerts"][0]["since"] - time.time()) < 30
        assert answer["alerts"][-1] == {**answer["alerts"][-1], "policy": "slow", "state": "pending", "value": 2.0, "incident": 0}
        annotations = answer["alerts"][-1]["annotations"]
        assert annotations["summary"] == "b: 2" and annotations["others"] == "2", annotations
        assert "newest samples only: a range is not there" in annotations["past"], annotations
        assert answer["alerts"][0]["incident"] in {r["incident"] for r in world.records("opened")}
        assert answer["alerts"][-1]["labels"]["alertname"] == "slow" and answer["more"] == 0 and answer["last"] == 5
        assert "annotations" not in asked(world)["alerts"][0]
        until(lambda: world.metric('heald_alerts{state="firing"}') == 3 and world.metric('heald_alerts{state="pending"}') == 2)


def claim_alerts_come_a_page_at_a_time(folder):
    with World(folder, {"app.heal": MANY}, start=False) as world:
        world.yaml.write_text(world.yaml.read_text().replace("series_max: 200", "series_max: 5000"))
        world.start()
        world.bad.update({f"s{i:04}": 1.0 for i in range(700)})
        until(lambda: asked(world)["pending"] == 700, 20)
        text = world.healctl("alerts")[1]
        assert text.endswith("\nand 200 more; --all shows them\n") and text.count("\npending ") == 500
        answer = asked(world, after=500)
        assert len(answer["alerts"]) == 200 and answer["last"] == 700 and answer["more"] == 0
        text = world.healctl("alerts", "--all")[1]
        assert len(set(text.splitlines())) == 703 and " more" not in text
        assert len(json.loads(world.healctl("-o", "json", "--all", "alerts")[1])["alerts"]) == 700
        for after in (700, 701, 10**18, -1, "x", None):
            assert len(asked(world, after=after)["alerts"]) == (500 if after in (-1, "x", None) else 0)


def claim_failed_evaluations_are_counted_and_named(folder):
    with World(folder, {"app.heal": MANY}) as world:
        until(world.observed)
        signals = {s["name"]: s for s in until(world.status)["signals"]}
        until(lambda: {s["name"]: s for s in world.status()["signals"]}["sum_of_bad"]["series"] == 1)
        assert signals["twice:bad"]["failed"] == 0
        world.bad.update(a=2.0, b=2.0)

        def product():
            return {p["name"]: p for p in world.status()["policies"]}["product"]
        until(lambda: product()["ambiguous"] and product()["failed"] > 0)
        until(lambda: {s["name"]: s for s in world.status()["signals"]}["twice:bad"]["failed"] > 0)
        text = world.healctl("status")[1]
        assert "several series match where one may: product\n" in text and "SIGNAL" in text, text
        for name in ("alert_evaluation_failures", "signal_evaluation_failures", "many_to_many"):
            until(lambda: world.metric(f"heald_{name}_total") > 0)
        counted = world.metric("heald_many_to_many_total")
        world.bad.update(a=0, b=0)
        until(lambda: not product()["ambiguous"])
        assert "several series match" not in world.healctl("status")[1]
        world.write({"app.heal": RULES})
        assert world.healctl("reload")[0] == 0
        until(lambda: len(world.status()["policies"]) == 1)
        time.sleep(0.3)
        assert world.metric("heald_many_to_many_total") >= counted
        assert world.metric("heald_signal_evaluation_failures_total") > 0
        assert world.metric("heald_label_sets") > 2 and world.metric("heald_label_strings") > 4


run(globals())
