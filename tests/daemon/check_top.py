"""Where the time of evaluation goes: /metrics and healctl top agree, by operator, code and reference.
QUICK"""
import json
import re
from bundled import Bundled, without_llvm
from case import run, until
from world import POLICY, PREAMBLE, healc_beside

LINE = 1 + PREAMBLE.count("\n") + POLICY[:POLICY.index("when bad")].count("\n")


def times(world):
    """{(kernel, operator, by): seconds} of /metrics."""
    text = world.http("/metrics")[1]
    rows = re.findall(r'^heald_kernel_seconds_total\{kernel="(\w*)",operator="([^"]*)",by="(\w*)"\} (\S+)$', text, re.M)
    assert len(rows) == len(re.findall(r"^heald_kernel_seconds_total", text, re.M)), text
    return {row[:3]: float(row[3]) for row in rows}


def top(world):
    code, out, err = world.healctl("-o", "json", "top")
    assert code == 0, err
    return json.loads(out)


def same_sample(world):
    """top's answer, where no other tick was timed between it and /metrics."""
    answer = top(world)
    told = {row["kernel"] for row in answer["operators"]}
    return answer if told == {kernel for kernel, _, _ in times(world)} - {""} else None


def check(world, by):
    """Times are there; healctl tells the same operators, their shares are all there is."""
    until(lambda: (world.metric("heald_kernel_samples_total") or 0) >= 2 and world.observed())
    answer = until(lambda: same_sample(world))
    assert answer["every"] == 64 and answer["ticks"] >= 2, answer
    rows = answer["operators"]
    share = sum(row["share"] for row in rows) + answer["other_seconds"] / max(1e-9, rows[0]["seconds"] / rows[0]["share"])
    assert abs(share - 1) < 1e-6, answer
    assert all(a["seconds"] >= b["seconds"] for a, b in zip(rows, rows[1:])), rows
    assert ("", "other", "") in times(world)
    assert by <= {row["by"] for row in rows}, rows
    assert all(row["kernel"].startswith("k_") == (row["by"] == "code") for row in rows), rows
    return rows


def claim_the_reference_evaluators_operators_have_their_time_and_place(folder):
    # No healc beside it: it would make kernels.
    with Bundled(folder, cpu="none", heald=healc_beside(folder)) as world:
        rows = check(world, {"reference"})
        threshold = next(row for row in rows if row["operator"] == ">" and row["by"] == "reference")
        assert threshold["place"] == f"app.heal:{LINE}" and threshold["policy"] == "app", threshold
        assert threshold["slots"] == 1 and threshold["ns_per_slot"] > 0, threshold
        code, out, err = world.healctl("top")
        assert code == 0 and out.startswith(f"{top(world)['ticks']} ticks were timed, one in 64\n"), (out, err)
        assert re.search(rf"^ *[\d.]+% +[\d.]+ +1  reference  > +app\.heal:{LINE} +app$", out, re.M), out
        before = world.metric("heald_kernel_samples_total")
        until(lambda: world.metric("heald_kernel_samples_total") > before)
        assert world.metric("heald_ticks_total") >= 64 * (world.metric("heald_kernel_samples_total") - 1)


def claim_kernels_have_theirs(folder):
    if without_llvm():
        print("skipped: this healc was built without LLVM")
        return
    with Bundled(folder, tick="10ms") as world:
        rows = check(world, {"code", "reference"})
        assert any(row["by"] == "code" and row["place"] == f"app.heal:{LINE}" for row in rows), rows


run(globals())
