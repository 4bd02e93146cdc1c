"""Seeds of fuzz_remote_write: requests as senders write them. remote_write_seeds.py FOLDER"""
import pathlib
import struct
import sys


def varint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def label(name, value):
    return field(1, field(1, name) + field(2, value))


def sample(ms, value):
    return field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + varint(ms))


MS = 1700000000000
usual = field(1, label(b"__name__", b"a") + label(b"b", b"1") + sample(MS, 1.5) + sample(MS + 1, 0.0))
seeds = {
    "usual": usual,
    "two": usual + field(1, label(b"__name__", b"c") + sample(MS, 2)) + usual,
    "behind": field(1, sample(MS, 1) + label(b"__name__", b"a")),
    "more": field(1, label(b"__name__", b"a") + sample(MS, 1) + field(3, b"\x0a\x00") + field(4, b"\x18\x01")),
    "metadata": field(3, b"\x08\x01" + field(2, b"a_total") + field(4, b"help") + field(5, b"s")),
    "short": field(1, label(b"__name__", b"a") + field(2, b"\x10\x05") + field(2, b"")),
    "unknown": field(1, label(b"__name__", b"a") + field(9, b"x") + sample(MS, 1)) + field(7, b"y"),
}
for name, body in seeds.items():
    pathlib.Path(sys.argv[1], name).write_bytes(body)
