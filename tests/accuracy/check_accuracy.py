"""The accuracy runner: on a made-up trouble, without data, and on the data of others where it is there.
QUICK"""
import gzip
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(sys.argv[1]).resolve()
DATASETS = pathlib.Path(os.environ.get("HEAL_DATASETS") or ROOT / os.environ.get("HEAL_SHARED", "../shared") / "datasets")
SERVICES = ["api", "cache", "db", "web"]
CALLS = {("web", "api"), ("web", "cache"), ("api", "db")}
passed = failed = 0


def claim(name, ok, got=""):
    global passed, failed
    passed += bool(ok)
    failed += not ok
    if not ok:
        print(f"FAILED {name}: {got}")


def run(*args, **environment):
    done = subprocess.run([sys.executable, ROOT / "tests/accuracy/run.py", BUILD, *args], capture_output=True, text=True,
                          timeout=100, cwd=ROOT, env={**os.environ, **environment})
    return done.returncode, done.stdout + done.stderr


def metrics(path, services, rows):
    """rows of {service: latency}; a service that is missing has an empty cell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["microservice," + ",".join(services), "metric" + ",latency" * len(services),
             "statistic" + ",Average" * len(services), "unix_timestamp" + "," * len(services)]
    lines += [f"{300 * i}.0," + ",".join(str(row.get(s, "")) for s in services) for i, row in enumerate(rows)]
    with gzip.open(path, "wt", encoding="utf-8") as handle:
        handle.write("\n".join(lines) + "\n")


def make_up(folder):
    """A database grows slow, and all who call it with it; the cache is slow too, a little."""
    matrix = ["," + ",".join(SERVICES)] + [
        a + "," + ",".join("1.0" if (a, b) in CALLS else "0.0" for b in SERVICES) for a in SERVICES]
    (folder / "made_up").mkdir(parents=True)
    (folder / "made_up/graph.csv").write_text("\n".join(matrix) + "\n", encoding="utf-8")
    normal = [{s: 1 + 0.01 * ((i * (7 + k)) % 11) for k, s in enumerate(SERVICES)} for i in range(100)]
    for i in range(0, 100, 5):
        del normal[i]["db"]
    metrics(folder / "made_up/noissue/metrics.csv.gz", SERVICES, normal)
    trouble = [{"web": 2, "api": 2.1, "db": 2.2, "cache": 1.3} for _ in range(5)]
    del trouble[2]["db"]
    metrics(folder / "made_up/test/issue_1/metrics.csv.gz", SERVICES[::-1], trouble)
    (folder / "made_up/test/issue_1/target.json").write_text(json.dumps(
        {"target": {"node": "web", "metric": "latency", "agg": "Average", "timestamp": 600},
         "root_cause": {"node": "db", "metric": None}}), encoding="utf-8")


def on_made_up(folder):
    make_up(folder / "rca")
    code, text = run("rca", str(folder))
    claim("a made-up trouble is measured", code == 0 and "made_up, 1 issues" in text, text)
    claim("its origin is the first that is named", re.search(r"^  heal  +1.000  1.000  1.000  1.000$", text, re.M), text)
    claim("nothing is named in quiet windows", re.search(r"specificity of 10 in 10 normal windows: heal ", text), text)
    code, other = run(HEAL_DATASETS=str(folder))
    claim("the folder may come by the environment", code == 0 and other == text, other)


def without_data(folder):
    code, text = run("rca", str(folder / "nothing"))
    claim("without data it says so, and all is well", code == 0 and "nothing was measured" in text, text)
    code, text = run("rca", "one", "two")
    claim("too many words are refused", code != 0 and "usage" in text, text)


def on_real_data(folder):
    data = DATASETS / "rca"
    if not data.is_dir():
        print(f"accuracy: no data at {data}: skipped")
        return
    sys.path.insert(0, str(ROOT / "tests/accuracy"))
    import rca
    saved = sys.stdout
    with open(folder / "figures", "w", encoding="utf-8") as sys.stdout:
        rca.run(BUILD, data, folder / "told.json")
    sys.stdout = saved
    text = (folder / "figures").read_text(encoding="utf-8")
    heal = re.findall(r"^  heal  +([\d.]+)  ([\d.]+)  ([\d.]+)  ([\d.]+)$", text, re.M)
    claim("figures of each scenario and of all", len(heal) == len(list(data.glob("*/graph.csv"))) + 1, text)
    scorer = DATASETS / "score_rca.py"
    if heal and scorer.exists():
        done = subprocess.run([sys.executable, scorer, "--data", data, "--predictions", folder / "told.json"],
                              capture_output=True, text=True, timeout=100)
        told = re.search(r"^all .*top-1 ([\d.]+)  top-3 ([\d.]+)  Avg@5 ([\d.]+)  MRR ([\d.]+)", done.stdout, re.M)
        claim("the data's own scorer says the same", told and told.groups() == heal[-1], done.stdout + done.stderr + text)


with tempfile.TemporaryDirectory() as scratch:
    scratch = pathlib.Path(scratch)
    on_made_up(scratch)
    without_data(scratch)
    on_real_data(scratch)
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
