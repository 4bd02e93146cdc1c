#!/usr/bin/env python3
"""Turns docs/diagnostics/H*.md into C string literals for `healc explain`: {"H0203", "..."}, a row a page."""
import pathlib
import sys


def literal(text):
    lines = text.splitlines(keepends=True) or [""]
    quoted = (
        line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t") for line in lines
    )
    return "\n    ".join(f'"{line}"' for line in quoted)


def main():
    folder, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    out.parent.mkdir(parents=True, exist_ok=True)
    pages = sorted(folder.glob("H*.md"))
    rows = [f'{{"{page.stem}",\n    {literal(page.read_text(encoding="utf-8"))}}},\n' for page in pages]
    out.write_text("".join(rows) or '{"", ""},\n', encoding="utf-8")


main()
