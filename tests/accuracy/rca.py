"""Root causes: troubles whose origin is known (the PetShop data), ranked by accuracy_rca.

DIR/SCENARIO holds graph.csv (a 1 in row A, column B: A calls B), noissue/metrics.csv.gz, and for each issue
train|test/ISSUE with metrics.csv.gz and target.json. The score of a service is the mean robust |z| of the issue's
rows against the undisturbed ones, on the metric and statistic on which the trouble is seen."""
import csv
import gzip
import json
import pathlib
import subprocess

WINDOW_ROWS = 5      # of a normal window, as the issues have
WINDOW_STEPS = 10    # normal windows in the second half of the undisturbed rows
THRESHOLD = 3.0      # GRAPH_THRESHOLD
COLUMNS = ("top-1", "top-3", "Avg@5", "MRR")
# What the data's own page reports: of the same 26 issues, except where it says otherwise.
REPORTED = {
    "low_traffic": [("reported: by z", (None, 0.846, None, None)),
                    ("reported: leaves first", (None, 0.462, None, None)),
                    ("reported: log z by depth", (None, 0.538, None, None)),
                    ("reported: anomalous, no anomalous callee (all of the origin's issues)", (0.231, 0.538, None, None))],
    "high_traffic": [("reported: by z", (None, 0.308, None, None)),
                     ("reported: leaves first", (None, 0.154, None, None)),
                     ("reported: log z by depth", (None, 0.231, None, None)),
                     ("reported: anomalous, no anomalous callee (all of the origin's issues)", (0.192, 0.385, None, None))],
    "all": [("reported: by z", (0.115, 0.577, 0.477, 0.371)),
            ("reported: leaves first", (0.077, 0.308, 0.300, 0.221)),
            ("reported: log z by depth", (0.154, 0.385, 0.331, 0.285)),
            ("reported: anomalous, no anomalous callee (all 68 of the origin)", (0.265, 0.471, None, None))],
}


class Metrics:
    """Texts of the cells of one file, by (node, metric, statistic)."""

    def __init__(self, path):
        with gzip.open(path, "rt", encoding="utf-8", newline="") as handle:
            rows = list(csv.reader(handle))
        values = rows[4:]  # node, metric, statistic, the name of the time
        self.rows = len(values)
        self.cells = {key: [row[i] for row in values] for i, key in enumerate(zip(*rows[:3])) if i > 0}

    def of(self, node, metric, statistic):
        return self.cells.get((node, metric, statistic), [])


class Scenario:
    def __init__(self, folder):
        self.name = folder.name
        with open(folder / "graph.csv", encoding="utf-8", newline="") as handle:
            rows = list(csv.reader(handle))
        self.services = rows[0][1:]
        self.edges = [(row[0], to) for row in rows[1:] for to, cell in zip(self.services, row[1:]) if float(cell or 0)]
        self.normal = Metrics(folder / "noissue" / "metrics.csv.gz")
        self.issues = [(path.parent, json.loads(path.read_text(encoding="utf-8")))
                       for path in sorted(folder.glob("*/*/target.json"))]


def put(lines, word, service, cells):
    lines.append("\t".join([word, service] + cells))


def issue_lines(scenario, signal, lines):
    """All issues that are seen on the signal, against all undisturbed rows."""
    for service in scenario.services:
        put(lines, "base", service, scenario.normal.of(service, *signal))
    for folder, words in scenario.issues:
        target = words["target"]
        if (target["metric"], target["agg"]) != signal:
            continue
        metrics = Metrics(folder / "metrics.csv.gz")
        for service in scenario.services:
            put(lines, "rows", service, metrics.of(service, *signal))
        lines.append(f"rank\t{folder.parent.name}/{folder.name}\t{target['node']}")


def normal_lines(scenario, signal, seen, lines):
    """Windows of the second half of the undisturbed rows, against the first."""
    half = scenario.normal.rows // 2
    for service in scenario.services:
        put(lines, "base", service, scenario.normal.of(service, *signal)[:half])
    for step in range(WINDOW_STEPS):
        start = half + step * (scenario.normal.rows - half) // WINDOW_STEPS
        for service in scenario.services:
            put(lines, "rows", service, scenario.normal.of(service, *signal)[start:start + WINDOW_ROWS])
        lines.append(f"rank\tnormal/{'/'.join(signal)}/{step}\t{seen}")


def rank(build, scenario):
    """{key: {"seen": score, "heal": names, "score": names}} of all issues and normal windows."""
    lines = [f"service\t{name}" for name in scenario.services] + [f"edge\t{a}\t{b}" for a, b in scenario.edges]
    targets = [words["target"] for _, words in scenario.issues]
    for signal in sorted({(t["metric"], t["agg"]) for t in targets}):
        issue_lines(scenario, signal, lines)
        for seen in sorted({t["node"] for t in targets}):
            normal_lines(scenario, signal, seen, lines)
    done = subprocess.run([build / "accuracy_rca"], input="\n".join(lines) + "\n", capture_output=True, text=True,
                          check=True)
    answers = {}
    for line in done.stdout.splitlines():
        key, word, *rest = line.split("\t")
        answers.setdefault(key, {})[word] = float(rest[0]) if word == "seen" else rest
    return answers


def place(names, truth):
    return names.index(truth) + 1 if truth in names else None


def figures(places):
    """top-1, top-3, the mean of top-1 to top-5, the mean of 1/place."""
    top = [sum(1 for p in places if p and p <= k) / len(places) for k in range(1, 6)]
    return top[0], top[2], sum(top) / 5, sum(1 / p for p in places if p) / len(places)


def gated(answer):
    """What heal names when it is asked only where the service itself is anomalous."""
    return answer["heal"] if answer["seen"] >= THRESHOLD else []


METHODS = (("heal", lambda answer: answer["heal"]),
           ("heal, where what is seen is anomalous", gated),
           ("by the same scores alone", lambda answer: answer["score"]))


def line(label, numbers):
    return f"  {label:<70}" + "".join("      -" if n is None else f"  {n:5.3f}" for n in numbers)


def tell(name, places, quiet):
    """One block: the methods, what is reported, and the normal windows for which nothing was named."""
    print(f"{name}, {len(places['heal'])} issues".ljust(72) + "".join(f"  {c:>5}" for c in COLUMNS))
    for label, _ in METHODS:
        print(line(label, figures(places[label])))
    for label, numbers in REPORTED.get(name, []):
        print(line(label, numbers))
    for label, _ in METHODS[:2]:
        print(f"  specificity of {quiet[label].count(True)} in {len(quiet[label])} normal windows: {label}".ljust(72)
              + f"  {sum(quiet[label]) / len(quiet[label]):5.3f}")


def run(build, folder, predictions=None):
    """Prints the figures; True when there was something to measure. predictions: a file for score_rca.py."""
    scenarios = [Scenario(path.parent) for path in sorted(folder.glob("*/graph.csv"))]
    if not scenarios:
        return False
    all_places, all_quiet, told = {m: [] for m, _ in METHODS}, {m: [] for m, _ in METHODS}, {}
    for scenario in scenarios:
        answers = rank(build, scenario)
        places, quiet = {}, {}
        for method, names_of in METHODS:
            places[method] = []
            for path, words in scenario.issues:
                names = names_of(answers[f"{path.parent.name}/{path.name}"])
                places[method].append(place(names, words["root_cause"]["node"]))
                if method == "heal":
                    told[path.relative_to(folder).as_posix()] = names
            quiet[method] = [not names_of(answers[key]) for key in sorted(answers) if key.startswith("normal/")]
            all_places[method] += places[method]
            all_quiet[method] += quiet[method]
        tell(scenario.name, places, quiet)
    tell("all", all_places, all_quiet)
    if predictions:
        pathlib.Path(predictions).write_text(json.dumps(told), encoding="utf-8")
    return True
