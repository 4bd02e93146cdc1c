"""What a caged process must not do is denied, in every role, or said to be unsupported.
QUICK"""
from case import CAGED, call, program, run

HEALD = program("heald")
LEAST = {"parent": 7, "ingest": 14, "engine": 16, "actor": 7, "compile": 20}


def claim_every_forbidden_thing_is_refused_in_every_role(folder):
    for role, least in LEAST.items():
        got = call(HEALD, "--sandbox-probe", role, env=CAGED)
        lines = got.stdout.decode().splitlines()
        assert got.returncode == 0 and len(lines) >= least, (role, got)
        for line in lines:
            outcome = line.split()[-1]
            assert outcome in ("denied", "killed") or (
                outcome == "unsupported" and ("shadow" in line or "/tmp" in line)), (role, line)


def claim_the_worst_calls_end_the_process(folder):
    text = call(HEALD, "--sandbox-probe", "ingest", env=CAGED).stdout.decode()
    for name in ("run a program", "trace a process", "mount", "load bpf", "set up io_uring"):
        assert any(line.startswith(name) and line.endswith("killed") for line in text.splitlines()), name


run(globals())
