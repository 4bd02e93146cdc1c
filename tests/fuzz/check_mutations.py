"""Configurations and control requests with random damage: refused with a place, or taken; never a crash.
QUICK"""
import json
import os
import random
import re
import socket
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "daemon"))
from case import CAGED, call, program, run, until
from world import World

ROUNDS = 600
PIECES = [b"", b"\0", b"\xff\xfe", b": ", b"\n", b"\n\t", b"- ", b"&a ", b"*a", b"!!binary ", b"{", b"[", b"]", b"}", b'"', b"'",
          b"|", b"99999999999999999999", b"-1", b"1e999", b"null", b"~", b"<<: *a", b"0x", b"\xf0\x9f\x92\xa9", b"%", b"@",
          b"state: /\n", b"{{", b"{target}", b"#", b"---\n", b"...\n", b"? ", b"x" * 5000]


def damage(choose, text):
    """A few cuts, repetitions and foreign pieces."""
    for _ in range(choose.randint(1, 4)):
        at = choose.randrange(len(text) + 1)
        to = min(len(text), at + choose.choice((0, 1, 1, 3, 10, 60)))
        what = choose.randrange(4)
        if what == 0:
            text = text[:at] + text[to:]
        elif what == 1:
            text = text[:at] + text[at:to] * choose.choice((2, 2, 50)) + text[to:]
        elif what == 2:
            text = text[:at] + choose.choice(PIECES) + text[to:]
        elif at < len(text):
            text = text[:at] + bytes([text[at] ^ 1 << choose.randrange(8)]) + text[at + 1:]
    return text


def claim_a_damaged_configuration_is_refused_with_its_line_or_taken(folder):
    world = World(folder)
    good = world.yaml.read_bytes()
    path = os.path.join(folder, "damaged.yaml")
    refused = 0
    for seed in range(ROUNDS):
        text = damage(random.Random(seed), good)
        with open(path, "wb") as file:
            file.write(text)
        got = call(program("heald"), "-n", "-c", path, env=CAGED)
        assert got.returncode in (0, 1), (seed, got.returncode, got.stderr[-600:])
        if got.returncode == 1:
            refused += 1
            first = got.stderr.decode(errors="replace").splitlines()[0]
            assert re.match(r".*damaged\.yaml(:\d+(:\d+)?)?: error: .", first), (seed, first)
        else:
            with open(path, "wb") as file:
                file.write(got.stdout)
            again = call(program("heald"), "-n", "-c", path, env=CAGED)
            assert again.returncode == 0 and again.stdout == got.stdout, (seed, again.stderr)
    assert ROUNDS // 4 < refused < ROUNDS, refused
    world.__exit__(None)


def claim_a_damaged_request_is_refused_and_the_engine_lives(folder):
    with World(folder, mode="ask") as world:
        until(world.observed)
        epoch = world.status()["epoch"]
        requests = [json.dumps(r).encode() for r in (
            {"command": "status"}, {"command": "explain", "id": 1}, {"command": "records", "after": 0},
            {"command": "history", "policy": "app", "target": "service=a", "limit": 5}, {"command": "outcomes", "policy": "app"},
            {"command": "approve", "id": 1}, {"command": "incidents", "all": True}, {"command": "deny", "id": 1, "why": "no"})]
        for seed in range(ROUNDS):
            choose = random.Random(seed)
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(5)
                connection.connect(str(world.state / "control.sock"))
                try:
                    connection.sendall(damage(choose, choose.choice(requests)).replace(b"\n", b" ") + b"\n")
                    got = b""
                    while not got.endswith(b"\n"):
                        more = connection.recv(1 << 16)
                        if not more:
                            break
                        got += more
                except (BrokenPipeError, ConnectionResetError):
                    continue
                assert not got or "ok" in json.loads(got), (seed, got[:200])
        assert world.status()["epoch"] == epoch and not world.effects()


run(globals())
