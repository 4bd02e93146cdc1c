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
    lines = POLICIES.splitlines()
    shared = 1 + min(i for i, line in enumerate(lines) if "zscore" in line)
    chain = 1 + min(i for i, line in enumerate(lines) if "y / 3" in line)
    claim("an operator of two policies stands where it does first",
          re.search(rf"zscore > 3 .*@ {policies}:{shared}$", text, re.M), text)
    claim("one of the second policy stands there", re.search(rf"/ .*@ {policies}:{chain}$", text, re.M), text)
    code, out, err = run("plan", "--format", "dot", policies)
    dot = out.decode()
    claim("dot is a graph", code == 0 and dot.startswith("digraph") and dot.count("cluster_") == len(kernels), dot)
    claim("a wrong format is refused", run("plan", "--format", "svg", policies)[0] == 2)
    claim("a wrong policy is a finding", run("plan", __file__)[0] == 1)
    empty = os.path.join(folder, "empty")
    os.mkdir(empty)
    for words in (["plan"], ["compile", "--emit", "ll"]):
        for what, path in (("no file", os.path.join(folder, "none.heal")), ("a folder without policies", empty)):
            code, out, err = run(*words, path)
            claim(f"{' '.join(words)} of {what} could not run", code == 2 and not out and err, (code, err))
    long = os.path.join(folder, "long.heal")
    with open(long, "w") as file:
        file.write(POLICIES.replace("zscore(x, alpha: 0.05) > 3 for", "avg_over_time(x[1h]) > forecast(x, in: 10m, lookback: 1h) for"))
    strange = os.path.join(folder, "strange.heal")
    with open(strange, "w") as file:
        file.write(POLICIES.replace("zscore(x, alpha: 0.05) > 3 for", r'{__name__="a\x1b[2J\nb"} > 3 for'))
    code, out, err = run("plan", strange)
    claim("a strange name of a metric is one line, and plain", code == 0 and b"a?[2J?b" in out, (code, out, err))
    costs = {name: int(ns) for ns, name in re.findall(r"^ +\d+ +(\d+) +\d+ .*? (avg_over_time|forecast) ",
                                                      run("plan", long)[1].decode(), re.M)}
    claim("a forecast costs by the samples of its lookback, a window by what comes and goes",
          3600 <= costs["forecast"] <= 100000 and costs["avg_over_time"] < 1000, costs)

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
        lined = subprocess.run(["readelf", "--debug-dump=decodedline", path], capture_output=True).stdout.decode()
        rows = {int(row) for row in re.findall(r"^p\.heal\s+(\d+)\s", lined, re.M)}
        claim("an object tells the lines its operators stand in", {shared, chain} <= rows, lined)
        code, out, err = run("compile", policies, "--emit", "asm", "--cpu", "v4")
        claim("v4 uses its wide registers", code == 0 and b"%zmm" in out, err)
        code, out, err = run("compile", policies, "--emit", "asm", "--cpu", "v2")
        claim("v2 does not", code == 0 and b"%ymm" not in out, err)
        claim("an unknown CPU is refused", run("compile", policies, "--emit", "obj", "--cpu", "v9")[0] == 2)
        for what, args, words in (
                ("an output that cannot be made", ["-o", os.path.join(folder, "none", "x")], "none/x': No such file"),
                ("an output that is full", ["-o", "/dev/full"], "'/dev/full': No space left"),
                ("an output that is a policy", ["-o", policies], "would be a policy"),
                ("several CPUs", ["--cpu", "v2", "--cpu", "v3"], "one --cpu"),
                ("no CPU", ["--cpu", "none"], "--cpu is native, v2, v3 or v4, not 'none'")):
            code, out, err = run("compile", policies, "--emit", "ll", *args)
            claim(f"{what} is refused with the reason", code == 2 and words in err and not out, (code, err))
        claim("no policy was written over", open(policies).read() == POLICIES)
        for form, has in (("ll", b"define i64 @k_"), ("asm", b"\nk_"), ("obj", b"\x7fELF")):
            code, out, err = run("compile", policies, "--emit", form, "--cpu", "native")
            claim(f"{form} for this machine", code == 0 and has in out, err)
        claim("an unknown form is refused", run("compile", policies, "--emit", "exe")[0] == 2)
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
