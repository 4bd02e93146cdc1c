"""Machine code that heald has made: by a caged healc, kept, refused, and never missed."""
import array
import hashlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time
from case import BUILD, CAGED, call, program, run, until
from cbor import decode, encode
from world import POLICY, PREAMBLE, World, alive, healc_beside

HEALC = program("healc")
SLOW = f"#!/bin/sh\n/bin/sleep 1\nexec {HEALC} \"$@\"\n"
HEAD = f"#!{sys.executable}\nimport array, fcntl, os, socket\ns = socket.socket(fileno=3)\n"
IDENTITY = re.search('"(.*)"', pathlib.Path(BUILD, "runtime/bundle/code_identity.h").read_text()).group(1)
REPLY_BYTES, SEALS = 204, 15
FLAGS = set(re.search(r"flags\s*:(.*)", pathlib.Path("/proc/cpuinfo").read_text()).group(1).split())
LEVEL = ("v4" if {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"} <= FLAGS
         else "v3" if {"avx2", "bmi2", "fma"} <= FLAGS else "v2")
HAS_LLVM = b"built without LLVM" not in subprocess.run(
    [HEALC, "compile", "--emit", "asm", os.path.join(os.path.dirname(__file__), "../../examples/memory-leak/policy.heal")],
    capture_output=True).stderr


class Bare(World):
    """A world whose bundle brings no machine code."""
    compile_more = ("--cpu", "none")

    def code(self):
        status = self.status()
        return status and status["code"]

    def starts(self):
        return self.said().count("started the compiler")

    def evaluated_by_code(self):
        return self.status()["evaluator"].startswith("machine code for ")


def incident(world, service):
    """One incident from its begin to its end; its kinds of records."""
    before = len(world.records())
    world.bad[service] = 1
    until(lambda: any(r["kind"] == "closed" for r in world.records()[before:]), 15)
    world.bad[service] = 0
    return [r["kind"] for r in world.records()[before:]]


# ---- making, keeping ----

def claim_code_is_made_and_decisions_stay_the_same(folder):
    with Bare(folder, heald=healc_beside(folder, SLOW)) as world:
        pid = until(lambda: world.compilers())[0]
        os.kill(pid, signal.SIGSTOP)
        world.bad["b"] = 0
        until(lambda: world.status()["policies"][0]["entities"] == 2)
        before = incident(world, "a")
        assert world.code() == "making" and world.status()["evaluator"] == "reference"
        os.kill(pid, signal.SIGCONT)
        until(lambda: world.code() == "made")
        until(world.evaluated_by_code)
        after = incident(world, "b")
        assert after == before and "verified" in before, (before, after)
        until(lambda: not alive(pid))


def claim_the_next_start_takes_what_was_kept_and_starts_no_compiler(folder):
    with Bare(folder) as world:
        until(lambda: world.code() == "made")
        world.stop()
        world.start()
        assert world.code() == "cached" and world.starts() == 1
        until(world.evaluated_by_code)
        assert world.healctl("reload")[0] == 0
        assert world.code() == "cached" and world.starts() == 1
        assert "(code cached)" in world.healctl("status")[1]


def claim_a_damaged_file_is_said_and_made_again(folder):
    with Bare(folder) as world:
        until(lambda: world.code() == "made")
        kept, = (world.state / "code").iterdir()
        good = kept.read_bytes()
        for damaged in (good[:-1] + bytes([good[-1] ^ 1]), good[:100], b""):
            world.stop()
            kept.write_bytes(damaged)
            world.start()
            until(lambda: world.code() == "made")
            until(lambda: kept.exists() and kept.read_bytes() == good)
        assert world.said().count("kept machine code is removed and made again") == 3 and world.starts() == 4


def claim_a_folder_that_others_can_write_is_not_used(folder):
    with Bare(folder, start=False) as world:
        world.state.mkdir()
        (world.state / "code").mkdir()
        (world.state / "code").chmod(0o777)
        world.start()
        until(lambda: world.code() == "made")
        assert not list((world.state / "code").iterdir())
        assert "is not this user's alone" in world.said()


def claim_another_tick_than_healc_assumed_has_its_code_made(folder):
    policy = POLICY.replace(" every 100ms", "").replace("  when bad > 0.5", "  signal mean = avg_over_time(bad[10s])\n"
                                                        "  when bad > 0.5 and mean > 0.1")
    with World(folder, {"app.heal": PREAMBLE + policy}, tick="200ms") as world:
        until(lambda: world.status()["code"] == "made")
    world.configure(tick="1s")
    with world:
        assert world.status()["code"] == "of the bundle"
        assert world.said().count("started the compiler") == 1


def claim_objects_that_are_foreign_or_refused_are_made_anew(folder):
    with World(folder, start=False) as world:
        good = decode(world.bundle.read_bytes())
        junk = b"\x7fELF of nobody knows which machine"
        for changes, said in (({"abi": 4000000000}, "the bundle has no machine code for this CPU"),
                              ({"cpu": "native"}, "the bundle has no machine code for this CPU"),
                              ({"bytes": len(junk), "blake2b": hashlib.blake2b(junk, digest_size=32).digest()},
                               "machine code is not used")):
            rows = [{**row, **changes} for row in good[2]["objects"][:1]]
            bodies = good[3][:len(good[2]["sources"])] + [junk if "bytes" in changes else good[3][-1]]
            world.bundle.write_bytes(encode([*good[:2], {**good[2], "objects": rows}, bodies]))
            assert call(HEALC, "sign", "--key", f"{folder}/development.key", str(world.bundle)).returncode == 0
            world.start()
            until(lambda: world.status()["code"] in ("made", "cached"))
            assert said in world.said(), (changes, world.said())
            world.stop()


def claim_objects_that_fit_need_no_compiler(folder):
    with World(folder) as world:
        assert world.status()["code"] == "of the bundle"
        assert "started the compiler" not in world.said() and not (world.state / "code").exists()


# ---- dying alone ----

def still_acts(world, why, starts=1):
    """heald says why there is no code, has not tried again, and heals."""
    until(lambda: why in (world.code() or ""), 5)
    assert world.code().startswith("no machine code: ") and world.status()["evaluator"] == "reference"
    until(world.observed)
    assert "verified" in incident(world, "a")
    assert world.starts() == starts and world.said().count("the reference evaluator goes on: ") == 1
    assert not world.compilers()


def claim_a_compiler_that_is_killed_dies_alone_until_a_reload(folder):
    with Bare(folder, heald=healc_beside(folder, SLOW)) as world:
        os.kill(until(world.compilers)[0], signal.SIGKILL)
        still_acts(world, "the compiler died of signal 9")
        assert world.healctl("reload")[0] == 0
        until(lambda: world.code() == "made")


def claim_a_compiler_that_hangs_is_killed_in_time_and_nothing_waits_for_it(folder):
    with Bare(folder, heald=healc_beside(folder, "#!/bin/sh\nkill -STOP $$\n", heald="heald_crash")) as world:
        pid = until(world.compilers)[0]
        until(world.observed)
        until(lambda: "the compiler took longer than 5 s" in world.code(), 15)
        until(lambda: not alive(pid))
        still_acts(world, "the compiler took longer than 5 s")


def claim_a_compiler_that_ends_without_an_answer_dies_alone(folder):
    with Bare(folder, heald=healc_beside(folder, "#!/bin/sh\necho the words >&2\nexit 5\n")) as world:
        still_acts(world, "the compiler ended with exit code 5")
        assert "\nthe words\n" in world.said()


def claim_without_a_healc_heald_says_so(folder):
    with Bare(folder, heald=healc_beside(folder)) as world:
        still_acts(world, "there is no healc beside heald", starts=0)


def claim_a_reload_ends_the_compiler_of_the_generation_before(folder):
    with Bare(folder, heald=healc_beside(folder, SLOW)) as world:
        pid = until(world.compilers)[0]
        os.kill(pid, signal.SIGSTOP)
        for number in range(5):
            world.write({"app.heal": PREAMBLE + POLICY + f"# {number}\n"})
            assert world.healctl("reload")[0] == 0
            assert len(world.compilers()) <= 1
        until(lambda: world.code() == "made")
        assert not alive(pid) and len(list((world.state / "code").iterdir())) == 1


def claim_an_engine_that_dies_takes_its_compiler_along_and_the_next_one_asks_again(folder):
    with Bare(folder, heald=healc_beside(folder, SLOW)) as world:
        pid = until(world.compilers)[0]
        os.kill(pid, signal.SIGSTOP)
        os.kill(world.pids()["engine"], signal.SIGKILL)
        until(lambda: not alive(pid))
        until(lambda: world.code() == "made", 15)


def claim_a_stop_does_not_wait_for_the_compiler(folder):
    with Bare(folder, heald=healc_beside(folder, SLOW)) as world:
        pid = until(world.compilers)[0]
        os.kill(pid, signal.SIGSTOP)
        began = time.monotonic()
        assert world.stop() == 0 and time.monotonic() - began < 3 and not alive(pid)


# ---- hostile answers ----

def claim_answers_that_are_wrong_are_refused(folder):
    send = ("def send(good, text=b'', fd=None):\n"
            f"    reply = good.to_bytes(4, 'little') + text.ljust({REPLY_BYTES - 4}, b'\\0')\n"
            "    s.sendmsg([reply], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [fd]))] if fd else [])\n"
            "def sealed(content, size=0, seals=15):\n"
            "    fd = os.memfd_create('x', os.MFD_ALLOW_SEALING)\n"
            "    os.write(fd, content)\n"
            "    size and os.ftruncate(fd, size)\n"
            "    fcntl.fcntl(fd, 1033, seals)\n"
            "    return fd\n")
    wrong = {
        "send(1, fd=sealed(b'garbage'))": "the compiler's answer is refused: ",
        "send(1, fd=sealed(b'x', seals=14))": "not sealed",
        "send(1, fd=sealed(b'x', size=65 << 20))": "more than 67108864",
        "send(1, fd=os.open('/dev/zero', 0))": "not sealed",
        "send(1)": "the compiler says: ",
        "send(0, b'words \\x1b[2J\\n of it' * 9)": "the compiler says: words \\x1b[2J\\x0a of it",
        "s.send(b'short')": "a message of another size",
        "s.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [sealed(b'x')]))])": "of another size",
        "s.send(b'x' * 100000)": "of another size",
    }
    for number, (body, why) in enumerate(wrong.items()):
        inner = os.path.join(folder, str(number))
        os.mkdir(inner)
        with Bare(inner, heald=healc_beside(inner, HEAD + send + body + "\nimport time; time.sleep(0.3)\n")) as world:
            until(lambda: (world.code() or "making") not in ("making", ""))
            assert world.code().startswith("no machine code: "), (body, world.code())
            said = world.code().replace("\x1b", "\\x1b").replace("\n", "\\x0a")
            assert why in said, (body, said)
            assert world.status()["evaluator"] == "reference" and "\x1b" not in world.said()


def answer(request, objects):
    """What a healc of this build would send for the request: bytes of a bundle's objects, and their rows."""
    inner = encode([objects[0], objects[1]])
    key = hashlib.blake2b(IDENTITY.encode() + request, digest_size=32).digest()
    return encode(["heal code", 1, key, hashlib.blake2b(inner, digest_size=32).digest(), len(inner), inner])


class Child:
    """healc --compile-child, asked by hand."""

    def __init__(self, request=None, fd=None, seals=SEALS):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket = ours
        ours.settimeout(60)
        self.process = subprocess.Popen([HEALC, "--compile-child", "none"], env=CAGED, close_fds=False,
                                        preexec_fn=lambda: os.dup2(theirs.fileno(), 3, inheritable=True),
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        theirs.close()
        if request is not None:
            fd = os.memfd_create("request", os.MFD_ALLOW_SEALING)
            os.write(fd, request[:1 << 20])
            for at in range(1 << 20, len(request), 1 << 20):
                os.write(fd, request[at:at + (1 << 20)])
            import fcntl
            fcntl.fcntl(fd, 1033, seals)
        if fd is not None:
            ours.sendmsg([(3).to_bytes(4, "little") + bytes(12)],
                         [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])

    def answer(self):
        """(good, bytes or words, exit code)."""
        message, control, _, _ = self.socket.recvmsg(REPLY_BYTES, socket.CMSG_SPACE(4))
        assert len(message) == REPLY_BYTES, message
        good, text = int.from_bytes(message[:4], "little"), message[4:].rstrip(b"\0").decode()
        if good:
            fd = array.array("i", control[0][2])[0]
            text = os.pread(fd, 1 << 26, 0)
        return good, text, self.process.wait(10)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()


def request_of(files, tick_ns=10**9, cpu="v3", abi=None):
    abi = abi if abi is not None else int(re.search(r"ABI_VERSION = (\d+)", pathlib.Path("runtime/abi.h").read_text()).group(1))
    rows = [{"path": name, "bytes": len(text.encode()), "blake2b": hashlib.blake2b(text.encode(), digest_size=32).digest()}
            for name, text in sorted(files.items())]
    return encode(["heal code request", 1, {"abi": abi, "cpu": cpu, "sources": rows, "tick_ns": tick_ns},
                   [text.encode() for _, text in sorted(files.items())]])


FILES = {"app.heal": PREAMBLE + POLICY}


def asked(request, **more):
    child = Child(request, **more)
    try:
        return child.answer()
    finally:
        child.close()


def claim_the_child_answers_what_a_bundle_would_bring_and_nothing_else(folder):
    request = request_of(FILES)
    good, made, code = asked(request)
    assert good and code == 0, made
    path = pathlib.Path(folder, "app.heal")
    path.write_text(FILES["app.heal"])
    assert call(HEALC, "compile", str(path), "-o", f"{folder}/a.healb").returncode == 0
    bundle = decode(pathlib.Path(folder, "a.healb").read_bytes())
    assert made == answer(request, (bundle[2]["objects"], bundle[3][1:]))
    assert decode(decode(asked(request_of(FILES, cpu="v2"))[1])[5])[0][0]["cpu"] == "v2"
    for wrong, words in ((request_of(FILES, abi=999), "not 999"), (request_of(FILES, cpu="native"), "native"),
                         (request_of({"app.heal": "policy"}), "do not pass the checks"), (b"garbage", "at byte"),
                         (request_of({f"{c}.heal": " " * (4 << 20) for c in "abcde"}), "more than 16777216"),
                         (request + b"x", "at byte")):
        good, said, code = asked(wrong)
        assert not good and words in said and code == 1, (words, said, code)
    good, said, code = asked(request, seals=14)
    assert not good and "not sealed" in said


def claim_a_kernel_that_no_policy_wants_refuses_the_answer(folder):
    other = request_of({"app.heal": PREAMBLE + POLICY.replace("0.5", "0.25")}, cpu=LEVEL)
    rows, bodies = decode(decode(asked(other)[1])[5])
    ours, theirs = os.path.join(folder, "objects"), os.path.join(folder, "request")
    script = HEAD + (
        "import sys\nsys.path.insert(0, %r)\nfrom cbor import encode\nimport hashlib\n"
        "message, control, _, _ = s.recvmsg(16, 64)\n"
        "request = os.pread(array.array('i', control[0][2])[0], 1 << 24, 0)\n"
        "inner = open(%r, 'rb').read()\n"
        "key = hashlib.blake2b(%r + request, digest_size=32).digest()\n"
        "fd = os.memfd_create('x', os.MFD_ALLOW_SEALING)\n"
        "os.write(fd, encode(['heal code', 1, key, hashlib.blake2b(inner, digest_size=32).digest(), len(inner), inner]))\n"
        "fcntl.fcntl(fd, 1033, 15)\n"
        "s.sendmsg([(1).to_bytes(4, 'little') + bytes(%d)],"
        " [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [fd]))])\n"
        % (os.path.dirname(os.path.abspath(__file__)), ours, IDENTITY.encode(), REPLY_BYTES - 4))
    for name, objects, why in (("unwanted", (rows, bodies), "nobody wants the kernel"),
                               ("level", ([{**rows[0], "abi": 99}], bodies), "another ABI or CPU level"),
                               ("no ELF", ([{**rows[0], "bytes": 4, "blake2b": hashlib.blake2b(b"junk", digest_size=32).digest()}],
                                           [b"junk"]), "the compiler's answer is refused")):
        inner = os.path.join(folder, name.replace(" ", ""))
        os.mkdir(inner)
        pathlib.Path(ours).write_bytes(encode(list(objects)))
        with Bare(inner, heald=healc_beside(inner, script)) as world:
            until(lambda: (world.code() or "making") not in ("making", ""))
            assert why in world.code(), (name, world.code())
            assert not (world.state / "code").exists()


def claim_sources_that_are_too_much_for_the_compiler_run_on_the_reference_evaluator(folder):
    comment = "# a line that says nothing\n" * 150000
    with Bare(folder, {"app.heal": PREAMBLE + POLICY, **{f"{c}.heal": comment for c in "abcde"}}) as world:
        still_acts(world, "it cannot be asked for", starts=0)


# ---- the cage ----

def mapped(pid):
    return "LLVM" in pathlib.Path(f"/proc/{pid}/maps").read_text()


def claim_llvm_is_mapped_in_the_compile_child_alone_and_that_is_caged(folder):
    child = Child()
    try:
        status = lambda: pathlib.Path(f"/proc/{child.process.pid}/status").read_text()
        until(lambda: re.search(r"Seccomp:\s+2", status()))
        assert mapped(child.process.pid) == HAS_LLVM and re.search(r"NoNewPrivs:\s+1", status())
        limits = pathlib.Path(f"/proc/{child.process.pid}/limits").read_text()
        assert re.search(r"Max cpu time +280 ", limits) and re.search(r"Max core file size +0 ", limits), limits
        assert not re.search(r"Max address space +unlimited", limits) and re.search(r"Max open files +16 ", limits), limits
    finally:
        child.close()
    with Bare(folder, heald=healc_beside(folder, SLOW)) as world:
        pids = [world.process.pid, *world.pids().values()]
        until(lambda: world.code() == "made")
        until(world.evaluated_by_code)
        assert len(pids) == 4 and not any(mapped(pid) for pid in pids)


def claim_the_child_is_born_with_a_socket_and_nothing_else(folder):
    script = "#!/bin/sh\nls -1 /proc/self/fd >&2\necho \"environment: $(tr '\\0' ' ' </proc/$$/environ).\" >&2\n"
    with Bare(folder, heald=healc_beside(folder, script)) as world:
        until(lambda: "exit code 0" in (world.code() or ""))
        assert "\n0\n1\n2\n3\n4\nenvironment: .\n" in world.said()  # 4 is ls reading that folder


if not HAS_LLVM:
    print("healc was built without LLVM: heald is told so")

    def claim_heald_is_told(folder):
        with Bare(folder) as world:
            until(lambda: "built without LLVM" in (world.code() or ""))
    run({"claim_heald_is_told": claim_heald_is_told})
run(globals())
