"""The parts of the documents that mirror a table of the code, made from the table itself."""
import pathlib
import re

import grammar

ROOT = grammar.ROOT


def rows(path, macro, count):
    """The arguments of each MACRO(...) row of a .def file; strings that stand side by side are one."""
    text = re.sub(r"/\*.*?\*/", "", (ROOT / path).read_text(encoding="utf-8"), flags=re.S)
    found = []
    for row in re.findall(rf"^{macro}\((.*?)\)\s*$", text, flags=re.M | re.S):
        cells = [""]
        for string, comma, word in re.findall(r'"((?:[^"\\]|\\.)*)"|(,)|([^",\s][^",]*)', row):
            if comma:
                cells.append("")
            else:
                cells[-1] += string or word.strip()
        assert len(cells) == count, f"{path}: {row}"
        found.append(cells)
    return found


def table(head, body):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(r) + " |" for r in body]) + "\n"


def code(text):
    return f"`{text}`"


def keywords():
    uses = {
        "RESERVED": "Reserved: never a metric, signal or name",
        "CONTEXT": "Contextual: a word only where the grammar wants it",
        "PROMQL": "Of PromQL, in any case of letters: never a bare metric",
        "PROMQL_NAME": "Of PromQL, in any case of letters: a metric may be called so",
        "REFUSED": "Of later versions: refused by name (H0801)",
    }
    found = rows("lang/parse/keyword.def", "KEYWORD", 4)
    return table(["use", "words"],
                 [[words, " ".join(code(r[1]) for r in found if r[2] == use)] for use, words in uses.items()])


def units():
    return table(["unit", "of", "one is"],
                 [[code(r[1]), r[2].lower(), f"{r[3]}"] for r in rows("lang/unit.def", "UNIT", 4)])


def operators():
    kinds = {"SET": "set", "COMPARE": "comparison", "ARITHMETIC": "arithmetic"}
    return table(["operator", "binds", "kind"],
                 [[code(r[1]), r[2], kinds[r[3]]] for r in rows("lang/operator.def", "OPERATOR", 4)])


def aggregations():
    return table(["aggregation", "parameter", "evaluated"],
                 [[code(r[1]), "yes" if r[2] == "1" else "", "yes" if r[3] == "1" else "no: H0802"]
                  for r in rows("stdlib/aggregate.def", "AGGREGATE", 4)])


def functions():
    dimensions = {"SAME": "of its argument", "PER_SECOND": "of its argument, per second", "NUMBER": "number",
                  "SECONDS": "seconds", "RATIO": "ratio", "UNKNOWN": "unknown"}
    results = {"v": "vector", "s": "scalar", "t": "string"}
    body = []
    for r in rows("stdlib/builtin.def", "BUILTIN", 6):
        words = {"v": "vector", "r": "range", "s": "scalar", "t": "string", "w": "word"}
        letters, _, named = r[2].partition(":")
        needed, _, optional = letters.partition("|")
        arguments = [words.get(c, "...") for c in needed] + [f"[{words[c]}]" for c in optional]
        arguments += [n + ":" for n in named.split(",") if n]
        body.append([code(r[1]), ", ".join(arguments), results[r[3]], dimensions[r[4]],
                     "yes" if r[5] == "1" else "no: H0802"])
    return table(["function", "arguments", "result", "dimension", "evaluated"], body)


def diagnostics(folder="docs/diagnostics"):
    return table(["code", "severity", "title"],
                 [[f"[{r[1]}]({folder}/{r[1]}.md)", r[2].lower(), r[4]]
                  for r in rows("lang/diagnostic.def", "DIAGNOSTIC", 5)])


def states():
    return table(["state", "heal has something under way"],
                 [[code(r[1]), "" if r[2] == "1" else "yes"]
                  for r in rows("runtime/engine/incident.def", "INCIDENT", 3)])


def records():
    return table(["kind", "as healctl writes it"],
                 [[code(r[1]), r[2]] for r in rows("runtime/engine/record.def", "RECORD", 3)])


def refusals():
    return table(["name", "the answer begins"],
                 [[r[0].lower(), code(r[1])] for r in rows("runtime/act/refusal.def", "REFUSAL", 2) if r[1]])


def connectors():
    return table(["connector", "what it does"],
                 [[code(r[1]), r[4]] for r in rows("lang/connector.def", "CONNECTOR", 5)])


def channels():
    return table(["kind", "what it does"],
                 [[code(r[1]), r[2]] for r in rows("lang/channel.def", "CHANNEL", 3)])


def points():
    text = (ROOT / "runtime/store/point.def").read_text(encoding="utf-8")
    found = re.findall(r'^POINT\(\w+,\s*"([^"]+)"\)\s*/\*\s*(.*?)\s*\*/', text, flags=re.M)
    return table(["step", "where the process is"], [[code(a), b] for a, b in found])


def healctl():
    return table(["command", "what it does"],
                 [[code(f"healctl {r[1]} {r[2]}".strip()), r[4]]
                  for r in rows("runtime/healctl/command.def", "COMMAND", 5)])


def verbs():
    return table(["verb", "what it does"],
                 [[code(f"healc {r[0]} {r[1]}".replace("|", "\\|")), r[2]]
                  for r in rows("compiler/healc/command.def", "COMMAND", 4)])


def templates():
    return table(["function", "parameters"],
                 [[code(r[0]), r[1].replace("*", "\\*")] for r in rows("runtime/engine/template_function.def", "FUNCTION", 4)])


def remote_refusals():
    return table(["reason", "the sample is"], [[code(r[1]), r[2]] for r in rows("runtime/ingest/remote.def", "REMOTE_REFUSAL", 3)])


def scrape_failures():
    return " ".join(code(r[1]) for r in rows("runtime/ingest/scrape.def", "SCRAPE_FAILURE", 2)) + "\n"


def remote_refusals():
    return table(["reason", "the sample is"], [[code(r[1]), r[2]] for r in rows("runtime/ingest/remote.def", "REMOTE_REFUSAL", 3)])


def grammar_block():
    return "```ebnf\n" + grammar.ebnf() + "```\n"


# The parts of a document: between <!-- table NAME --> and <!-- end -->.
PARTS = {
    "remote-refusals": remote_refusals,
    "grammar": grammar_block, "keywords": keywords, "units": units, "operators": operators,
    "aggregations": aggregations, "functions": functions, "diagnostics": diagnostics, "states": states,
    "records": records, "refusals": refusals, "connectors": connectors, "channels": channels, "points": points, "healctl": healctl, "verbs": verbs,
    "scrape-failures": scrape_failures, "templates": templates, "remote-refusals": remote_refusals,
}
