"""The grammar of lang/parse/policy.y as EBNF, production by production: grammar.py prints it.

SPEC.md holds exactly this text; check_spec.py compares. Actions, precedences and the rules that only
catch errors are left out; tokens are written as their text."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
LITERALS = {
    "POLICY_IDENT": "NAME", "POLICY_METRIC": "METRIC", "POLICY_NAMED": "NAMED",
    "POLICY_AGGREGATE": "AGGREGATE", "POLICY_STRING": "STRING", "POLICY_NUMBER": "NUMBER",
    "POLICY_PERCENT": "PERCENT", "POLICY_DURATION": "DURATION", "POLICY_QUANTITY": "QUANTITY",
    "POLICY_EQ": "'=='", "POLICY_NE": "'!='", "POLICY_RE": "'=~'", "POLICY_NRE": "'!~'",
    "POLICY_LE": "'<='", "POLICY_GE": "'>='", "POLICY_ARROW": "'->'", "POLICY_TRIM": "'</'",
    "K_REFUSED": "REFUSED", "K_INF_NAN": "INF_NAN",
}


def symbol(token):
    if token in LITERALS:
        return LITERALS[token]
    if token.startswith("K_"):
        return f"'{token[2:].lower()}'"
    return token


def rules():
    text = (ROOT / "lang/parse/policy.y").read_text(encoding="utf-8").split("\n%%\n")[1]
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    while True:  # actions, innermost braces first; quoted braces are tokens
        less = re.sub(r"(?<!')\{[^{}]*\}(?!')", " ", text)
        if less == text:
            break
        text = less
    tokens = re.findall(r"'[^']+'|%\w+|\w+:|\||;|\w+", text)
    name, alternatives, found, skip = None, [], [], False
    for token in tokens:
        if skip:
            skip = False
        elif token == "%prec":
            skip = True
        elif token == "%empty":
            pass
        elif token.endswith(":") and not token.startswith("'"):
            name, alternatives = token[:-1], [[]]
        elif token == "|":
            alternatives.append([])
        elif token == ";":
            found.append((name, alternatives))
        else:
            alternatives[-1].append(token)
    return found


def ebnf():
    lines = []
    for name, alternatives in rules():
        if name == "start":
            alternatives = [a[1:] for a in alternatives]
        written = [" ".join(symbol(t) for t in a) for a in alternatives if a != ["error"] and "error" not in a]
        empty = "" in written
        written = [w for w in dict.fromkeys(written) if w]
        if not written:
            written, empty = ["(empty)"], False
        lead = f"{name} = "
        line, rows = lead + ("[ " if empty else ""), []
        for i, alternative in enumerate(written):
            piece = ("" if i == 0 else "| ") + alternative
            if len(line) + len(piece) > 100 and i:
                rows.append(line.rstrip())
                line = "    "
            line += piece + " "
        rows.append(line + ("] ;" if empty else ";"))
        lines += rows
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(ebnf(), end="")
