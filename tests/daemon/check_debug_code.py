"""heald --debug-code: the map for perf is of what is mapped, gdb sees the policy's lines, a reload renews both.
QUICK"""
import os
import pathlib
import re
import shutil
import stat
import subprocess
from case import program, run, until
from world import POLICY, PREAMBLE, World

LINE = 1 + PREAMBLE.count("\n") + POLICY[:POLICY.index("when bad")].count("\n")


class Bundled(World):
    """Runs a signed bundle with machine code."""

    def __init__(self, folder, **more):
        super().__init__(folder, start=False, **more)
        self.bundle = self.folder / "app.healb"
        self.yaml.write_text(self.yaml.read_text().replace(f"policies: {self.policies}\n", f"policies: {self.bundle}\n"))
        self.compile()
        self.start_wanted = True

    def compile(self, cpu="v2"):
        for words in (["compile", str(self.policies), "--cpu", cpu, "-o", str(self.bundle)],
                      ["sign", "--key", str(self.folder / "development.key"), str(self.bundle)]):
            got = subprocess.run([program("healc"), *words], capture_output=True, text=True)
            assert got.returncode == 0, got.stdout + got.stderr

    def kernels(self):
        """(address, size, name) of each line of the engine's map."""
        return [(int(m[1], 16), int(m[2], 16), m[3])
                for m in re.finditer(r"^([0-9a-f]+) ([0-9a-f]+) (.*)\n", self.map().read_text(), re.M)]

    def map(self):
        return pathlib.Path(f"/tmp/perf-{self.pids()['engine']}.map")

    def mapped(self):
        """Where code of a generation is mapped to run."""
        text = pathlib.Path(f"/proc/{self.pids()['engine']}/maps").read_text()
        return [(int(m[1], 16), int(m[2], 16)) for m in re.finditer(r"^(\w+)-(\w+) r-xs .*heal-code", text, re.M)]


def without_llvm():
    got = subprocess.run([program("healc"), "compile", "--emit", "ll", "examples/disk-filling/policy.heal"],
                         capture_output=True, text=True)
    return got.returncode != 0


def inside(world):
    """The map's kernels, each within the one range of code there is."""
    (start, end), = until(lambda: len(world.mapped()) == 1 and world.mapped())
    kernels = world.kernels()
    assert kernels and all(start <= at and 0 < size <= end - at for at, size, _ in kernels), (kernels, start, end)
    return kernels


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
            second = inside(world)
            assert any(name.endswith(f"app: > @ app.heal:{LINE + 1}") for *_, name in second), second
            assert not {name for *_, name in first} & {name for *_, name in second if " > " in name}, second
            world.compile("none")
            assert world.healctl("reload")[0] == 0
            assert path.read_text() == "" and not world.mapped()
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
