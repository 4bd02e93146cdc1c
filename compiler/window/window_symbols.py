#!/usr/bin/env python3
"""The names of the kernels of windows: window_symbols.py WINDOW_DEF ABI_H OUTPUT

One #define a row of stdlib/window.def, WINDOW_SYMBOL_TEXT, k_ and the sixteen digits of abi_window_hash()."""
import pathlib
import re
import sys

definitions, abi, output = map(pathlib.Path, sys.argv[1:4])
version = re.search(r"ABI_VERSION = (\d+)", abi.read_text()).group(1)
lines = []
for text in re.findall(r"^WINDOW\(\w+,\s*(\w+),", definitions.read_text(), re.M):
    value = 0xCBF29CE484222325
    for byte in f"window {text} {version}".encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    lines.append(f'#define WINDOW_SYMBOL_{text} "k_{value:016x}"\n')
output.parent.mkdir(parents=True, exist_ok=True)
output.write_text("".join(lines))
