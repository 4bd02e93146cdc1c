"""heald --debug-code: the map for perf is of what is mapped, gdb sees the policy's lines, a reload renews both.
QUICK"""
import os
import re
import shutil
import stat
import subprocess
from bundled import Bundled, without_llvm
from case import run, until
from world import POLICY, PREAMBLE, World

LINE = 1 + PREAMBLE.count("\n") + POLICY[:POLICY.index("when bad")].count("\n")


def inside(world):
    """The map's kernels, once each is within the one range of code there is."""
    def told():
        kernels, mapped = world.kernels(), world.mapped()
        whole = kernels and len(mapped) == 1
        return kernels if whole and all(mapped[0][0] <= at < at + size <= mapped[0][1] for at, size, _ in kernels) else None
    return until(told)


def claim_the_map_is_of_what_is_mapped_and_a_reload_renews_it(folder):
    if without_llvm():
        print("skipped: this healc was built without LLVM")
        return
    with Bundled(folder, argv_heald=["--debug-code"]) as world:
        path = world.map()
        try:
            info = path.stat()
            assert stat.S_ISREG(info.st_mode) and stat.S_IMODE(info.st_mode) == 0o600 and info.st_uid == os.getuid()
            first = inside(world)
            assert any(re.fullmatch(rf"k_[0-9a-f]{{16}} app: > @ app\.heal:{LINE}", name) for *_, name in first), first
            world.write({"app.heal": "\n" + PREAMBLE + POLICY.replace("bad > 0.5", "bad > 0.75")}, sign=False)
            world.compile()
            assert world.healctl("reload")[0] == 0
            until(lambda: any(name.endswith(f"app: > @ app.heal:{LINE + 1}") for *_, name in inside(world)))
            second = inside(world)
            assert not {name for *_, name in first} & {name for *_, name in second if " > " in name}, second
            world.bundle.write_bytes(world.bundle.read_bytes() + b"!")  # refused: nothing is renewed
            assert world.healctl("reload")[0] == 1 and inside(world) == second
            world.bundle.unlink()
            world.compile("none", "--serial", "9")
            assert world.healctl("reload")[0] == 0
            until(lambda: "machine code is made" in world.said())  # here, as the bundle has none; told all the same
            assert {name for *_, name in inside(world)} == {name for *_, name in second}
        finally:
            path.unlink()


def claim_gdb_sees_the_policys_line_in_the_engine(folder):
    if without_llvm() or not shutil.which("gdb"):
        print("skipped: this healc was built without LLVM" if without_llvm() else "skipped: there is no gdb")
        return
    with Bundled(folder, argv_heald=["--debug-code"]) as world:
        path = world.map()
        try:
            for round in range(2):  # what a reload unregistered is not there twice
                at, name = next((at, name) for at, _, name in inside(world) if ": > @" in name)
                got = subprocess.run(["gdb", "-nx", "-batch", "-p", str(world.pids()["engine"]), "-ex", f"info symbol {at + 4}",
                                      "-ex", f"info line *{at + 4}"], capture_output=True, text=True, timeout=60)
                if "ptrace" in got.stderr:
                    print("skipped: gdb cannot attach here:", got.stderr.splitlines()[-1])
                    return
                assert f"{name.split()[0]} + 4 in section .text" in got.stdout, got
                assert f'Line {LINE + round} of "app.heal"' in got.stdout, got
                world.write({"app.heal": "\n" + PREAMBLE + POLICY}, sign=False)
                world.compile()
                assert world.healctl("reload")[0] == 0
        finally:
            path.unlink()


def claim_without_the_option_nothing_is_written(folder):
    with World(folder) as world:
        assert not os.path.exists(f"/tmp/perf-{world.pids()['engine']}.map")
        assert "perf" not in world.said()


run(globals())
