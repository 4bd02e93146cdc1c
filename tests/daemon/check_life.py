"""The life of the real heald, driven from outside: approvals, stop, reload, restart, damage, pages, metrics."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
from case import BUILD, program, run, until
from world import GUARD, POLICY, PREAMBLE, World, alive, journal_rows

ONE = PREAMBLE + POLICY.replace("at most 20 of service per", "at most 1 of services per")


def asked(world):
    """The id of the incident that awaits a word."""
    until(world.observed)
    world.bad["a"] = 1
    return str(until(lambda: world.records("asked"), 10)[0]["incident"])


def acts(world, service="b"):
    before = len(world.effects())
    world.bad[service] = 1
    until(lambda: len(world.effects()) > before, 15)


# ---- approvals ----

def claim_an_approval_lets_it_act_once_and_only_once(folder):
    with World(folder, mode="ask") as world:
        incident = asked(world)
        until(lambda: world.webhook.posts)
        assert not world.effects()
        code, out, err = world.healctl("approve", incident)
        assert code == 0 and "approved" in out, (code, out, err)
        until(lambda: world.records("closed"), 10)
        assert len(world.effects()) == 1
        code, out, err = world.healctl("approve", incident)
        assert code == 4 and "no incident" in err, (code, out, err)
        explained = world.healctl("explain", incident)[1]
        assert "asked" in explained and re.search(r"approved .*by \w", explained), explained


def claim_approving_twice_says_that_nothing_is_awaited(folder):
    with World(folder, mode="ask", run_ms=1500) as world:
        incident = asked(world)
        assert world.healctl("approve", incident)[0] == 0
        until(world.effects)
        code, _, err = world.healctl("approve", incident)
        assert code == 1 and "awaits no approval" in err, (code, err)
        time.sleep(0.5)
        assert len(world.effects()) == 1


def claim_a_denied_action_is_held_and_a_person_is_told(folder):
    with World(folder, mode="ask") as world:
        incident = asked(world)
        code, out, _ = world.healctl("deny", incident, "--why", "not today")
        assert code == 0, out
        until(lambda: world.records("escalated"))
        assert "not today" in world.records("denied")[0]["text"]
        time.sleep(0.5)
        assert not world.effects() and world.ask("incidents")["incidents"][0]["state"] == "held"


def claim_an_approval_that_does_not_come_in_time_is_held(folder):
    policy = POLICY.replace("try fix(service)", "try fix(service) approve by oncall within 10s")
    with World(folder, {"app.heal": PREAMBLE + policy}) as world:
        incident = asked(world)
        until(lambda: world.records("escalated"), 20)
        assert "no approval in time" in world.records("denied")[0]["text"]
        code, _, err = world.healctl("approve", incident)
        assert code == 1 and "held" in err, (code, err)
        assert not world.effects()


def claim_an_approval_is_worth_nothing_once_the_trigger_is_gone(folder):
    policy = POLICY.replace("bad < 0.5 for 300ms", "bad < 0.5 for 10s")
    with World(folder, {"app.heal": PREAMBLE + policy}, mode="ask") as world:
        incident = asked(world)
        world.bad["a"] = 0
        time.sleep(0.4)
        assert world.healctl("approve", incident)[0] == 0
        until(lambda: [r for r in world.records("refused") if "no longer holds" in r["text"]])
        assert not world.effects()


# ---- stop ----

def claim_stop_ends_a_running_child_and_blocks_until_start(folder):
    with World(folder, run_ms=1700) as world:
        until(world.observed)
        world.heals = False
        world.bad["a"] = 1
        until(world.effects)
        code, out, _ = world.healctl("stop", "--why", "maintenance")
        assert code == 0 and "stopped" in out
        until(lambda: any("STOP" in r["text"] for r in world.records() if r["action_id"]), 5)
        time.sleep(1.8)
        assert not [line for line in world.lines() if line.endswith("ended")], "the child went on"
        assert world.healctl("status")[0] == 1
        world.bad["b"] = 1
        until(lambda: [r for r in world.records("refused", target="service=b")])
        assert "maintenance" in world.records("stopped")[0]["text"]
        for again in ("restart", "reload", "kill"):
            if again == "restart":
                world.stop()
                world.start()
            elif again == "reload":
                assert world.healctl("reload")[0] == 0
            else:
                world.kill_all()
                world.start()
            assert world.status()["stopped"], again
        (world.state / "STOP").unlink()
        until(lambda: (world.state / "STOP").exists())
        assert world.status()["stopped"] and "healctl start" in world.said()
        until(world.observed)
        assert len(world.effects()) == 1, world.lines()
        assert world.healctl("start")[0] == 0
        assert not (world.state / "STOP").exists()
        until(lambda: len(world.effects()) > 1, 15)
        assert not world.status()["stopped"]


def claim_a_stop_file_by_hand_stops_within_a_tick(folder):
    with World(folder) as world:
        until(world.observed)
        (world.state / "STOP").write_text("")
        until(lambda: world.status()["stopped"], 2)
        world.bad["a"] = 1
        until(lambda: world.records("refused"), 10)
        time.sleep(0.5)
        assert not world.effects()


def claim_stop_works_without_heald_and_holds_at_its_start(folder):
    with World(folder) as world:
        world.stop()
        code, out, _ = world.healctl("stop")
        assert code == 0 and (world.state / "STOP").exists(), out
        world.start()
        until(lambda: world.status()["stopped"])


# ---- reload ----

def claim_a_reload_swaps_the_policies_whole(folder):
    with World(folder) as world:
        until(world.observed)
        serial = world.status()["serial"]
        world.write({"app.heal": PREAMBLE + POLICY.replace("policy app", "policy other")})
        assert world.healctl("reload")[0] == 0
        assert [p["name"] for p in world.status()["policies"]] == ["other"]
        world.write({"app.heal": PREAMBLE + POLICY})
        os.kill(world.process.pid, signal.SIGHUP)
        until(lambda: [p["name"] for p in world.status()["policies"]] == ["app"])
        assert world.status()["serial"] == serial + 2
        acts(world)


def claim_a_bundle_that_is_not_right_is_refused_and_the_policies_before_go_on(folder):
    with World(folder) as world:
        until(world.observed)
        first = world.kept()

        def refused(*words):
            code, _, err = world.healctl("reload")
            assert code == 1 and all(word in err for word in words), (words, err)
            assert [p["name"] for p in world.status()["policies"]] == ["app"]
        world.write({"app.heal": PREAMBLE + POLICY.replace("0.5", "0.4")})
        second = world.kept()
        world.put((second[0], first[1]))
        refused("not of these bytes")
        world.put((second[0][:-1] + b"x", second[1]))
        refused("not of these bytes")
        world.signature.unlink()
        refused("not signed")
        world.put(second)
        subprocess.run([program("healc"), "sign", "--key", f"{folder}/other.key", str(world.bundle)],
                       capture_output=True, check=True)
        refused("another key")
        (world.policies / "guards.heal").rename(world.policies / "other.heal")
        world.sign()
        refused("guards.heal")
        world.bundle.unlink()
        world.bundle.mkdir()
        refused("not a regular file")
        world.bundle.rmdir()
        world.put(second)
        assert world.healctl("reload")[0] == 0
        world.put(first)
        refused("older")
        until(lambda: world.metric("heald_reload_failures_total") >= 7)
        acts(world)


def claim_what_was_spent_outlives_a_reload(folder):
    with World(folder, {"app.heal": ONE}) as world:
        until(world.observed)
        acts(world, "a")
        until(lambda: world.records("closed"))
        world.write({"app.heal": ONE + "# one more line\n"})
        assert world.healctl("reload")[0] == 0
        world.bad["b"] = 1
        until(lambda: world.records("refused", target="service=b"))
        time.sleep(0.5)
        assert len(world.effects()) == 1


def claim_a_running_incident_outlives_a_reload(folder):
    with World(folder, run_ms=1000) as world:
        until(world.observed)
        world.bad["a"] = 1
        world.heals = False
        until(world.effects)
        world.write({"app.heal": PREAMBLE + POLICY + "# the same policy\n"})
        assert world.healctl("reload")[0] == 0
        until(lambda: world.records("succeeded"), 10)
        world.bad["a"] = 0
        until(lambda: world.records("verified"), 10)
        until(lambda: world.records("closed"), 10)
        assert len(world.effects()) == 1


def sanitized():
    cache = pathlib.Path(BUILD, "CMakeCache.txt")
    return cache.exists() and re.search(r"HEAL_SANITIZE:STRING=\w", cache.read_text()) is not None


def resident(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1))


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def mappings(pid):
    return len(pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines())


def claim_hundreds_of_reloads_grow_nothing_and_miss_no_tick(folder):
    if sanitized():
        print("skipped: hundreds of reloads (a sanitizer keeps what is freed)")
        return
    with World(folder, tick="100ms", interval="200ms", timeout="190ms") as world:
        until(world.observed)
        world.serial_wanted = str(world.status()["serial"])
        bundles = [world.kept()]
        world.write({"app.heal": PREAMBLE + POLICY + POLICY.replace("policy app", "policy other").replace("0.5", "0.25")})
        bundles.append(world.kept())
        pids = world.pids()

        def reload(times):
            """How many ticks were missed meanwhile."""
            late = world.metric("heald_ticks_late_total")
            for number in range(times):
                world.put(bundles[number % 2])
                assert world.healctl("reload")[0] == 0
            time.sleep(0.3)  # the page is published with the next tick
            return world.metric("heald_ticks_late_total") - late
        reload(100)
        before = {role: (resident(pid), descriptors(pid), mappings(pid)) for role, pid in pids.items()}
        # A machine that is busy with others may keep the engine from its ticks, but not three times over.
        assert any(reload(200) == 0 for _ in range(3)), "ticks were missed"
        assert world.pids() == pids and world.status()["code"] == "of the bundle"
        for role, pid in pids.items():
            assert resident(pid) < before[role][0] + 3000, (role, before[role], resident(pid))
            assert descriptors(pid) <= before[role][1] + 1, (role, before[role], descriptors(pid))
            assert mappings(pid) <= before[role][2] + 2, (role, before[role], mappings(pid))


# ---- modes and bounds ----

def claim_shadow_does_nothing_and_says_what_it_would_do(folder):
    with World(folder, mode="shadow") as world:
        until(world.observed)
        world.bad["a"] = 1
        until(lambda: [r for r in world.records("planned") if "shadow: would fix(service=a)" in r["text"]])
        time.sleep(0.5)
        assert not world.effects() and "dispatched" not in world.kinds()
        assert not os.listdir(world.state / "actions") or os.listdir(world.state / "actions") == ["EPOCH"]


def claim_a_bound_holds_over_kill_9_of_everything(folder):
    with World(folder, {"app.heal": ONE}) as world:
        until(world.observed)
        acts(world, "a")
        world.kill_all()
        world.start()
        until(world.observed)
        world.bad["b"] = 1
        until(lambda: world.records("refused", target="service=b"), 10)
        time.sleep(0.5)
        assert len(world.effects()) == 1, world.lines()
        assert "at most 1 of services" in world.records("refused", target="service=b")[0]["text"]


def claim_the_actor_holds_the_hosts_cap_by_itself(folder):
    with World(folder, start=True) as world:
        pass
    inner = os.path.join(folder, "inner")
    os.mkdir(inner)
    world = World(inner, start=True)
    world.configure(grants=world.grant("fix", at_most="{count: 1, per: 1h}"))
    with world:
        until(world.observed)
        acts(world, "a")
        world.bad["b"] = 1
        until(lambda: [r for r in world.records("escalated", target="service=b")], 10)
        assert len(world.effects()) == 1
        assert "cap" in world.records("refused", target="service=b")[0]["text"].lower() \
            or "at most" in world.records("refused", target="service=b")[0]["text"], world.records("refused")


# ---- what does not start ----

def not_started(world, *words):
    world.start(wait=False)
    until(lambda: world.process.poll() is not None, 15)
    code, said = world.process.returncode, world.said()
    world.process = None
    assert code == 1 and all(word in said for word in words), (code, words, said[-1500:])


def claim_a_second_heald_on_the_same_folder_is_refused(folder):
    with World(folder) as world:
        got = subprocess.run([program("heald"), "-c", str(world.yaml)], capture_output=True, text=True, timeout=20)
        assert got.returncode == 1 and "another heald" in got.stderr, got.stderr
        assert world.status()


def claim_what_is_not_signed_does_not_start(folder):
    with World(folder, start=False) as world:
        world.bundle.write_bytes(world.bundle.read_bytes() + b" ")
        not_started(world, "not of these bytes")
        world.signature.unlink()
        not_started(world, "the bundle is not signed")


def claim_a_folder_of_policies_does_not_start_and_the_way_to_a_bundle_is_said(folder):
    with World(folder, start=False) as world:
        world.yaml.write_text(world.yaml.read_text().replace(f"policies: {world.bundle}", f"policies: {world.policies}"))
        not_started(world, f"healc compile {world.policies} -o {world.policies}.healb", "healc sign --key team.key")


def claim_a_guard_file_that_is_not_there_is_named(folder):
    with World(folder, start=False, guards="[host.heal]") as world:
        not_started(world, "host.heal")


def claim_a_channel_that_heald_yaml_lacks_is_named(folder):
    with World(folder, {"app.heal": PREAMBLE.replace("channel oncall", "channel nights = webhook(\"nights\")\nchannel oncall")
                        + POLICY}, start=False) as world:
        not_started(world, "nights", "heald.yaml")


def claim_a_mode_for_a_policy_that_is_not_there_is_named(folder):
    with World(folder, start=False, extra="policies_mode: {ap: act}\n") as world:
        not_started(world, "'ap'")


def claim_a_grant_for_an_action_that_is_not_there_is_said(folder):
    world = World(folder)
    world.configure(grants=world.grants() + world.grant("fixx"))
    with world:
        until(world.observed)
        assert "fixx" in world.said() and "warn" in next(l for l in world.said().splitlines() if "fixx" in l)
        acts(world, "a")


# ---- damage ----

def claim_a_damaged_journal_refuses_and_a_person_repairs_it(folder):
    with World(folder) as world:
        until(world.observed)
        acts(world, "a")
        until(lambda: world.records("closed"))
        world.stop()
        path = world.state / "journal.db"
        rows = journal_rows(path)
        raw = bytearray(path.read_bytes())
        at = raw.rindex(b"fix(service=a)")
        raw[at:at + 3] = b"fax"
        path.write_bytes(raw)
        not_started(world, "journal", "--repair-journal")
        assert len(world.effects()) == 1
        got = subprocess.run([program("heald"), "--repair-journal", "-c", str(world.yaml)], capture_output=True, text=True)
        assert got.returncode == 0 and "kept" in got.stdout, (got.returncode, got.stdout, got.stderr)
        aside = re.search(r"(/\S+\.damaged-\d+)", got.stdout)
        assert aside and pathlib.Path(aside.group(1)).read_bytes() == bytes(raw)
        kept = journal_rows(path)
        assert [r["text"] for r in kept[:-2]] == [r["text"] for r in rows[:len(kept) - 2]]
        assert "repaired" in kept[-1]["text"] and kept[-1]["epoch"] == 1
        world.start()
        until(world.observed)
        acts(world, "b")
        again = subprocess.run([program("heald"), "--repair-journal", "-c", str(world.yaml)], capture_output=True, text=True)
        assert again.returncode == 1 and "another heald" in again.stderr, again
        world.stop()
        whole = subprocess.run([program("heald"), "--repair-journal", "-c", str(world.yaml)], capture_output=True, text=True)
        assert whole.returncode == 0 and "whole" in whole.stdout, whole


def claim_a_journal_that_was_taken_away_starts_a_later_life(folder):
    with World(folder) as world:
        until(world.observed)
        acts(world, "a")
        world.stop()
        world.start()
        world.stop()
        for path in world.state.glob("journal.db*"):
            path.unlink()
        world.start()
        until(lambda: world.status()["epoch"] == 3)
        until(world.observed)
        acts(world, "b")
        assert not world.records("refused"), world.records()


def claim_a_journal_that_lost_its_end_refuses(folder):
    with World(folder) as world:
        until(world.observed)
        world.stop()
        copy = (world.state / "journal.db").read_bytes()
        world.start()
        until(world.observed)
        acts(world, "a")
        world.stop()
        (world.state / "journal.db").write_bytes(copy)
        not_started(world, "journal")


def claim_a_full_disk_acts_on_nothing_and_says_so(folder):
    disk = os.path.join(folder, "disk")
    os.mkdir(disk)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True).returncode != 0:
        print("skipped: a full disk (this user cannot mount a tmpfs)")
        return
    try:
        with World(folder, state=os.path.join(disk, "state")) as world:
            until(world.observed)
            filler = os.open(os.path.join(disk, "filler"), os.O_WRONLY | os.O_CREAT)
            try:
                while True:
                    os.write(filler, b"x" * 4096)
            except OSError:
                pass
            world.bad["a"] = 1
            until(lambda: "nothing is done" in world.said() or "No space" in world.said(), 10)
            time.sleep(1)
            assert not world.effects(), world.lines()
            os.close(filler)
            os.unlink(os.path.join(disk, "filler"))
            until(lambda: world.effects(), 40)
            world.stop()
            journal_rows(world.state / "journal.db")
    finally:
        subprocess.run(["umount", "-l", disk], capture_output=True)


# ---- pages ----

def claim_a_page_reaches_a_webhook_that_was_down(folder):
    with World(folder, mode="ask") as world:
        world.webhook.status = 503
        asked(world)
        until(lambda: world.webhook.refused, 10)
        assert not world.webhook.posts
        world.webhook.status = 204
        until(lambda: world.webhook.posts, 30)
        body = world.webhook.posts[0][1]
        assert body["policy"] == "app" and "service=a" in json.dumps(body), body


def claim_a_webhook_that_hangs_is_given_up_after_its_timeout_and_tried_again(folder):
    with World(folder, mode="ask") as world:
        world.webhook.pause_s = 8
        asked(world)
        until(lambda: world.webhook.refused >= 2, 5)
        world.webhook.pause_s = 0
        until(lambda: world.webhook.posts, 15)


# ---- readiness and metrics ----

def claim_metrics_are_what_promtool_takes(folder):
    if not shutil.which("promtool"):
        print("skipped: promtool is not installed")
        return
    with World(folder, mode="ask") as world:
        asked(world)
        world.healctl("reload")
        code, text = world.http("/metrics")
        assert code == 200
        got = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
        assert got.returncode == 0 and not got.stderr and not got.stdout, got
        assert world.metric("heald_incidents_open") == 1


def claim_readiness_waits_for_the_sources_and_ends_with_the_engine(folder):
    world = World(folder)
    world.exporter.how = "hang"
    with world:
        until(lambda: world.http("/livez")[0] == 200)
        code, text = world.http("/readyz")
        assert code == 503 and "source" in text, (code, text)
        world.exporter.how = "well"
        until(lambda: world.http("/readyz")[0] == 200)
        for _ in range(5):  # the back-off doubles: the last one leaves time to look
            pid = world.pids()["engine"]
            os.kill(pid, signal.SIGKILL)
            until(lambda: world.pids().get("engine", pid) == pid or not alive(pid))
            if _ < 4:
                until(lambda: world.pids().get("engine", pid) != pid, 20)
        until(lambda: world.http("/readyz")[0] == 503, 3)
        until(lambda: world.http("/readyz")[0] == 200, 30)


# ---- healctl and the control socket ----

def claim_healctl_exits_as_documented(folder):
    with World(folder, mode="ask") as world:
        until(world.observed)
        assert world.healctl("status")[0] == 0
        assert world.healctl("no-such")[0] == 2
        assert world.healctl("explain", "x")[0] == 2
        assert world.healctl("explain", "99")[0] == 4
        assert world.healctl("approve", "99")[0] == 4
        incident = asked(world)
        assert world.healctl("explain", incident)[0] == 0
        assert world.healctl("approve", incident)[0] == 0
        until(lambda: world.records("closed"), 10)
        for command in (["status"], ["incidents", "--all"], ["explain", incident], ["tail"]):
            code, out, _ = world.healctl("-o", "json", *command)
            assert code == 0 and all(json.loads(line) is not None for line in ([out] if command != ["tail"] else out.splitlines()))
        world.stop()
        assert world.healctl("status")[0] == 3


def raw(world, data, wait=True):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(world.state / "control.sock"))
        try:
            connection.sendall(data)
            return connection.recv(1 << 16) if wait else b""
        except OSError:
            return b""


def claim_nonsense_on_the_control_socket_disturbs_nothing(folder):
    with World(folder) as world:
        until(world.observed)
        epoch, late = world.status()["epoch"], world.metric("heald_ticks_late_total")
        for data in (b"\n", b"garbage\n", b"{\n", b"[" * 100000 + b"\n", b"\0" * 1000 + b"\n", b"{}\n", b"[]\n", b"1\n",
                     b'{"command": 5}\n', b'{"command": "status", "command": "stop"}\n', b'{"command": "no"}\n',
                     b'{"command": "explain", "id": -1}\n', b'{"command": "explain", "id": 1e999}\n',
                     b'{"command": "records", "after": 99999999999999999999}\n', b"\xff\xfe\n", b"x" * 1000000 + b"\n"):
            got = raw(world, data)
            assert not got or json.loads(got)["ok"] is False, (data[:60], got[:200])
        raw(world, b'{"command": "sta', wait=False)
        held = []
        for _ in range(100):
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(1)
            try:
                connection.connect(str(world.state / "control.sock"))
                connection.sendall(b'{"command"')
            except OSError:
                pass
            held.append(connection)
        ticks = world.metric("heald_ticks_total")
        until(lambda: world.metric("heald_ticks_total") > ticks + 5, 5)
        for connection in held:
            connection.close()
        until(world.status)
        assert world.status()["epoch"] == epoch and not world.status()["stopped"]
        assert world.metric("heald_ticks_late_total") < late + 20
        acts(world, "a")


def claim_an_idle_heald_uses_little_and_leaves_no_zombies(folder):
    with World(folder, tick="1s", interval="1s") as world:
        until(world.observed)

        def used():
            total = 0
            for pid in [world.process.pid, *world.pids().values()]:
                fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
                total += int(fields[11]) + int(fields[12])
            return total / os.sysconf("SC_CLK_TCK")
        before = used()
        time.sleep(3)
        assert used() - before < 0.15, f"{used() - before} s of CPU in 3 s"
        world.bad["a"] = 1
        until(world.effects, 10)
        time.sleep(0.5)
        children = pathlib.Path(f"/proc/{world.pids()['actor']}/task/{world.pids()['actor']}/children").read_text()
        assert not children.strip(), f"the actor's children: {children}"


run(globals())
