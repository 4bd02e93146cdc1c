"""A world whose heald runs a signed bundle with machine code."""
import pathlib
import re
import subprocess
from case import program
from world import World


class Bundled(World):
    """Runs a signed bundle with machine code."""

    def __init__(self, folder, cpu="v2", **more):
        super().__init__(folder, start=False, **more)
        self.bundle = self.folder / "app.healb"
        self.yaml.write_text(self.yaml.read_text().replace(f"policies: {self.policies}\n", f"policies: {self.bundle}\n"))
        self.compile(cpu)
        self.start_wanted = True

    def compile(self, cpu="v2", *more):
        for words in (["compile", str(self.policies), "--cpu", cpu, "-o", str(self.bundle), *more],
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
