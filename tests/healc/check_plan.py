"""healc plan and healc compile --emit: what is shared, and machine code without anything of the process in it.
QUICK"""
import os
import re
import subprocess
import sys
import tempfile

healc = os.path.join(sys.argv[1], "healc")
passed = failed = 0

POLICIES = """edition 1

pool pods(pod) = up

metric up ratio by (pod)
metric x count by (pod)
metric y count by (pod)
metric z count by (pod)

channel oncall = log

policy high for each pod in pods every 10s {
  about "x is far above its own past"
  when zscore(x, alpha: 0.05) > 3 for 3m
  escalate to oncall
}

policy highest for each pod in pods every 10s {
  about "farther still, and twice as fast"
  when zscore(x, alpha: 0.05) > 6 and deriv(z[1m]) > 2 * deriv(z[5m]) for 3m
  escalate to oncall
}

policy higher for each pod in pods every 10s {
  about "the same operator, together with another"
  when zscore(x, alpha: 0.05) > 3 and (x + y) * 2 - y / 3 > 100 for 3m
  escalate to oncall
}
"""


def run(*args):
    done = subprocess.run([healc, *args], capture_output=True, timeout=60)
    return done.returncode, done.stdout, done.stderr.decode()


def claim(name, ok, got=""):
    global passed, failed
    passed += bool(ok)
    failed += not ok
    if not ok:
        print(f"FAILED {name}: {got}")


with tempfile.TemporaryDirectory() as folder:
    policies = os.path.join(folder, "p.heal")
    with open(policies, "w") as file:
        file.write(POLICIES)
    code, out, err = run("plan", policies)
    text = out.decode()
    claim("plan prints", code == 0, err)
    claim("equal operators of two policies are one", text.count("zscore > 3") == 1, text)
    claim("thresholds on one z-score have one state", text.count("moments alpha 0.05") == 1, text)
    kernels = set(re.findall(r"k_[0-9a-f]{16}", text))
    claim("moments and their thresholds are one kernel, and so is a chain of six; a window is one by itself",
          sorted(text.count(k) for k in kernels) == [1, 1, 3, 3, 6], text)
    code, out, err = run("plan", "--format", "dot", policies)
    dot = out.decode()
    claim("dot is a graph", code == 0 and dot.startswith("digraph") and dot.count("cluster_") == len(kernels), dot)
    claim("a wrong format is refused", run("plan", "--format", "svg", policies)[0] == 2)
    claim("a wrong policy is a finding", run("plan", __file__)[0] == 1)

    code, ll, err = run("compile", policies, "--emit", "ll", "--cpu", "v2")
    if code == 2 and "without LLVM" in err:
        print("skipped: this healc was built without LLVM")
    else:
        ll = ll.decode()
        claim("IR is printed", code == 0, err)
        claim("every kernel of the plan is a function", set(re.findall(r"@(k_[0-9a-f]{16})\(", ll)) == kernels, ll[:400])
        claim("no pointer of the process is in it", "inttoptr" not in ll)
        claim("no fast-math flag is in it",
              not re.search(r"\bf(add|sub|mul|div|neg|cmp) (\w+ )*(fast|nnan|ninf|nsz|arcp|contract|afn|reassoc)\b", ll))
        for cpu in ["v2", "v3", "v4"]:
            objects = []
            for i in range(2):
                path = os.path.join(folder, f"{cpu}.{i}.o")
                code, out, err = run("compile", policies, "--emit", "obj", "--cpu", cpu, "-o", path)
                claim(f"an object for {cpu} is written", code == 0, err)
                objects.append(open(path, "rb").read())
            claim(f"an object for {cpu} is reproducible", objects[0] == objects[1])
            claim(f"an object for {cpu} names its kernels", all(k.encode() in objects[0] for k in kernels))
        code, out, err = run("compile", policies, "--emit", "asm", "--cpu", "v4")
        claim("v4 uses its wide registers", code == 0 and b"%zmm" in out, err)
        code, out, err = run("compile", policies, "--emit", "asm", "--cpu", "v2")
        claim("v2 does not", code == 0 and b"%ymm" not in out, err)
        claim("an unknown CPU is refused", run("compile", policies, "--emit", "obj", "--cpu", "v9")[0] == 2)
        claim("an unknown form is refused", run("compile", policies, "--emit", "exe")[0] == 2)
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
