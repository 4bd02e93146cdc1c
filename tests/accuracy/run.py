#!/usr/bin/env python3
"""How often heal is right, on data of others: run.py BUILD_FOLDER [KIND...] [DIR].

The data is read where it is: DIR, or the folder that HEAL_DATASETS names, or datasets in the folder that HEAL_SHARED
names (../shared). Exit 0 whatever the figures, and where there is no data, which is said; a figure is no test."""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import rca

KINDS = {"rca": rca.run}


def main(build, *words):
    kinds = [word for word in words if word in KINDS] or list(KINDS)
    others = [word for word in words if word not in KINDS]
    if len(others) > 1:
        sys.exit(f"usage: run.py BUILD_FOLDER [{'|'.join(KINDS)}]... [DIR]")
    shared = pathlib.Path(os.environ.get("HEAL_SHARED", "../shared"))
    folder = pathlib.Path(others[0] if others else os.environ.get("HEAL_DATASETS") or shared / "datasets")
    for kind in kinds:
        if not KINDS[kind](pathlib.Path(build).resolve(), folder / kind):
            print(f"{kind}: no data at {folder / kind}: nothing was measured")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])
