"""Deterministic CBOR once more, from RFC 8949 and docs/bundle.md alone."""
import struct


def encode(value):
    def head(major, number):
        if number < 24:
            return bytes([major << 5 | number])
        for step, width in enumerate((1, 2, 4, 8)):
            if number < 1 << 8 * width:
                return bytes([major << 5 | 24 + step]) + number.to_bytes(width, "big")
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return head(0, value)
    if isinstance(value, float):
        for code, first in (("e", b"\xf9"), ("f", b"\xfa"), ("d", b"\xfb")):
            try:
                packed = struct.pack(">" + code, value)
            except OverflowError:
                continue
            if struct.unpack(">" + code, packed)[0] == value:
                return first + packed
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(encode, value))
    pairs = sorted((encode(k), encode(v)) for k, v in value.items())
    return head(5, len(pairs)) + b"".join(k + v for k, v in pairs)


def decode(data):
    def item(at):
        first = data[at]
        major, low = first >> 5, first & 31
        if major == 7:
            if first in (0xf4, 0xf5):
                return first == 0xf5, at + 1
            width, code = {0xf9: (2, "e"), 0xfa: (4, "f"), 0xfb: (8, "d")}[first]
            return struct.unpack(">" + code, data[at + 1:at + 1 + width])[0], at + 1 + width
        width = 0 if low < 24 else 1 << low - 24
        number = low if low < 24 else int.from_bytes(data[at + 1:at + 1 + width], "big")
        at += 1 + width
        if major == 0:
            return number, at
        if major in (2, 3):
            piece = data[at:at + number]
            return piece if major == 2 else piece.decode(), at + number
        found = []
        for _ in range(number * (2 if major == 5 else 1)):
            one, at = item(at)
            found.append(one)
        return (found if major == 4 else dict(zip(found[::2], found[1::2]))), at

    value, end = item(0)
    assert end == len(data)
    return value
