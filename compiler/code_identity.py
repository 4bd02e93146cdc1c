#!/usr/bin/env python3
"""code_identity.py OUT ROOT VERSION FILE...: one hash of all that decides what machine code is made of a plan."""
import hashlib
import pathlib
import sys

out, root, version = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
digest = hashlib.blake2b(version.encode(), digest_size=16)
for path in sorted(map(pathlib.Path, sys.argv[4:])):
    content = path.read_bytes()
    digest.update(f"\n{path.relative_to(root)} {len(content)}\n".encode() + content)
text = f'#define CODE_IDENTITY "{digest.hexdigest()}"\n'
out.parent.mkdir(parents=True, exist_ok=True)
if not out.exists() or out.read_text(encoding="utf-8") != text:
    out.write_text(text, encoding="utf-8")
