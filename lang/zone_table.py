#!/usr/bin/env python3
"""Writes lang/zone.def from the time zones of the system: their names and the rule (POSIX TZ, the last
line of a TZif file, RFC 9636) that holds for now and later. Zones whose clock is not told by one rule, as
where it follows the moon, are left out."""
import os
import struct
import sys
import time

ROOT = "/usr/share/zoneinfo"


def rule_of(path):
    with open(path, "rb") as file:
        data = file.read()
    if data[:4] != b"TZif" or data[4:5] < b"2":
        return None
    counts = struct.unpack(">6l", data[20:44])
    isutc, isstd, leap, times, types, chars = counts
    second = 44 + times * 5 + types * 6 + chars + leap * 8 + isstd + isutc
    isutc, isstd, leap, times, types, chars = struct.unpack(">6l", data[second + 20:second + 44])
    last = struct.unpack(f">{times}q", data[second + 44:second + 44 + 8 * times])[-1:] if times else ()
    if last and last[0] > time.time() + 15 * 365 * 86400:
        return None
    return data.rstrip(b"\n").rsplit(b"\n", 1)[1].decode()


def main():
    rows = {}
    for folder, folders, files in os.walk(ROOT):
        folders[:] = sorted(d for d in folders if d not in ("posix", "right"))
        for name in sorted(files):
            path = os.path.join(folder, name)
            zone = os.path.relpath(path, ROOT)
            if zone == "UTC" or ("/" in zone and not zone.startswith(("Etc/", "SystemV/"))):
                rule = rule_of(path)
                if rule:
                    rows[zone] = rule
    version = ""
    with open(os.path.join(ROOT, "tzdata.zi"), encoding="utf-8") as file:
        version = file.readline().split()[-1]
    out = [f"/* Written by lang/zone_table.py from tz database {version}. ZONE(name, rule), by name. */",
           "/* clang-format off */"]
    out += [f'ZONE("{name}", "{rows[name]}")' for name in sorted(rows)]
    out += [f'#define ZONE_DATABASE "{version}"', "/* clang-format on */", ""]
    sys.stdout.write("\n".join(out))


main()
