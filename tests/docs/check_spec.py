"""Examples of the documents compile, tables are those of the code, links resolve: check_spec.py BUILD
QUICK

    ```heal                 a whole file; must pass healc check
    ```heal error H0203     must give exactly this code, and no other error
    ```promql               one expression a line, each compiled as a signal
    ```promql error H0802   each line must give exactly this code
    ```yaml                 a heald.yaml; must pass heald -n

Tests inside of whole files run too.
A block whose first line is "# fragment of a policy" (or an action, a guard, a test, a file) is put where it
belongs in wrap.heal's file: what that file says about the same thing makes room for it.
UPDATE=1 writes the tables anew."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import tables

ROOT = tables.ROOT
HEALC, HEALD = (os.path.abspath(os.path.join(sys.argv[1], name)) for name in ("healc", "heald"))
WRAP = (HERE / "wrap.heal").read_text(encoding="utf-8")
DOCUMENTS = [p for p in (ROOT / "README.md", ROOT / "SPEC.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md")))]
PAGES = sorted((ROOT / "docs/diagnostics").glob("*.md"))
passed = failed = 0


def claim(ok, what):
    global passed, failed
    passed += bool(ok)
    failed += not ok
    if not ok:
        print(f"FAILED {what}")


# ---- examples ----

def blocks(path):
    """(line, words of the fence, text) of each fenced block."""
    found, fence, start, lines = [], None, 0, []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if line.startswith("```"):
            if fence is None:
                fence, start, lines = line[3:].split(), number, []
            else:
                found.append((start, fence, "\n".join(lines) + "\n"))
                fence = None
        elif fence is not None:
            lines.append(line)
    claim(fence is None, f"{path.name}: a fence is not closed")
    return found


def sections(text):
    """The wrapping file as (key, text): a block's clauses are lines of their own."""
    return [(m.group(0).split("(")[0], m.group(0)) for m in re.finditer(r"^\S[^\n]*(?:\n[ }][^\n]*)*\n(?:}\n)?", text, re.M)]


def key(line):
    """What a clause or statement is about: two of one key do not stand together."""
    words = line.replace("(", " ").split()
    if not words:
        return None
    if words[0] in ("signal", "metric", "pool", "channel", "action", "policy", "guard", "test"):
        return words[0] + " " + words[1]
    if words[0] in ("on", "clear"):
        return " ".join(words[:2])
    return {"undo": "irreversible", "then": "heal", "expect": "expect", "given": "given"}.get(words[0], words[0])


def clauses(body, indent):
    """Lines of a block joined to clauses."""
    out = []
    for line in body:
        deeper = line.startswith(" " * (indent + 1)) or line.strip() in ("}",)
        if out and (deeper or not line.strip()):
            out[-1].append(line)
        else:
            out.append([line])
    return out


def put(kind, text):
    """wrap.heal with the fragment where it belongs."""
    lines = WRAP.split("\n")
    if kind == "file":
        own = {key(line) for line in text.split("\n") if line and line[0] not in " #}"}
        kept, keep = [], True
        for line in lines:
            if line and line[0] not in " }":
                keep = key(line) not in own or key(line) == "edition"
            if keep:
                kept.append(line)
        return "\n".join(kept) + "\n" + text
    start = next(i for i, line in enumerate(lines) if line.startswith(kind + " "))
    end = next(i for i in range(start, len(lines)) if lines[i] == "}")
    own = {key(line) for line in text.split("\n") if line and line[0] not in " #}"}
    body = [c for c in clauses(lines[start + 1:end], 4) if key(c[0]) not in own]
    inner = [line for clause in body for line in clause]
    return "\n".join([*lines[:start + 1], *inner, *("    " + line for line in text.rstrip("\n").split("\n")), *lines[end:]])


def codes(text, folder):
    """Codes of the errors that healc check reports."""
    path = os.path.join(folder, "example.heal")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    done = subprocess.run([HEALC, "check", "--format", "concise", path], capture_output=True, text=True, timeout=60)
    found = re.findall(r": error\[(H\d{4})\]", done.stdout)
    if done.returncode not in (0, 1) or (done.returncode == 0) != (not found):
        found.append(f"exit {done.returncode}")
    return found, done.stdout + done.stderr


def check_example(place, fence, text, folder):
    wanted = [fence[2]] if len(fence) == 3 and fence[1] == "error" else []
    claim(len(fence) == 1 or wanted, f"{place}: ```{' '.join(fence)} is no known fence")
    if fence[0] == "promql":
        for line in text.split("\n"):
            if line.split("#")[0].strip():
                got, said = codes(put("policy", "signal example = " + line), folder)
                claim(sorted(set(got)) == wanted, f"{place}: {line.strip()}: {got or 'no error'}, not {wanted or 'none'}\n{said}")
        return
    first, _, rest = text.partition("\n")
    if fence[0] == "yaml":
        path = os.path.join(folder, "heald.yaml")
        pathlib.Path(path).write_text(text, encoding="utf-8")
        done = subprocess.run([HEALD, "-n", "-c", path], capture_output=True, text=True, timeout=60)
        claim(done.returncode == 0, f"{place}: heald -n says {done.stderr}")
        return
    kind = re.match(r"# fragment of an? (\w+)$", first)
    got, said = codes(put(kind.group(1), rest) if kind else text, folder)
    claim(sorted(set(got)) == wanted, f"{place}: {got or 'no error'}, not {wanted or 'none'}\n{said}")
    if not kind and not wanted and re.search(r"^test ", text, flags=re.M):
        path = os.path.join(folder, "example.heal")
        done = subprocess.run([HEALC, "test", path], capture_output=True, text=True, timeout=60)
        claim(done.returncode == 0, f"{place}: its tests fail\n{done.stdout}")


# ---- tables ----

def check_tables(path):
    text = path.read_text(encoding="utf-8")

    def fresh(match):
        name = match.group(1)
        claim(name in tables.PARTS, f"{path.name}: no table is called '{name}'")
        return f"<!-- table {name} -->\n{tables.PARTS[name]()}<!-- end -->" if name in tables.PARTS else match.group(0)

    now = re.sub(r"<!-- table (\S+) -->\n.*?<!-- end -->", fresh, text, flags=re.S)
    if now != text and os.environ.get("UPDATE"):
        path.write_text(now, encoding="utf-8")
        text = now
    claim(now == text, f"{path.name}: a table is not that of the code; UPDATE=1 writes it anew")
    return set(re.findall(r"<!-- table (\S+) -->", text))


# ---- links ----

def anchors(path):
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    heads = re.findall(r"^#+ (.*)$", text, flags=re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in heads}


def check_links(path):
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        where = (path.parent / file).resolve() if file else path
        claim(where.exists(), f"{path.name}: the link {target} leads nowhere")
        if anchor and where.exists():
            claim(anchor in anchors(where), f"{path.name}: {target}: no such heading")


# ---- commands ----

def check_commands(path):
    """Every `healc VERB` and `healctl COMMAND` that a document tells people to type is there."""
    known = {"healc": {r[0] for r in tables.rows("compiler/healc/command.def", "COMMAND", 4)} | {"help"},
             "healctl": {r[1] for r in tables.rows("runtime/healctl/command.def", "COMMAND", 5)}}
    text = path.read_text(encoding="utf-8")
    for program, word in re.findall(r"(?:`|\$ )(healc|healctl) ([a-z]+)", text):
        claim(word in known[program], f"{path.name}: there is no '{program} {word}'")


def main():
    shown = set()
    with tempfile.TemporaryDirectory(prefix="heal") as folder:
        got, said = codes(WRAP, folder)
        claim(not got, f"wrap.heal itself: {got}\n{said}")
        for path in DOCUMENTS:
            claim(path.exists(), f"{path.name} is missing")
            if not path.exists():
                continue
            shown |= check_tables(path)
            check_links(path)
            check_commands(path)
            for line, fence, text in blocks(path):
                if fence and fence[0] in ("heal", "promql", "yaml"):
                    check_example(f"{path.name}:{line}", fence, text, folder)
    for path in [*PAGES, *sorted((ROOT / "examples").glob("*/README.md"))]:
        check_links(path)
    for name in tables.PARTS:
        claim(name in shown, f"no document shows the table '{name}'")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
