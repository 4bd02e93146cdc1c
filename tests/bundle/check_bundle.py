"""Bundles from outside: made, signed, verified, inspected and run; read by another program in another language.
QUICK"""
import hashlib
import json
import math
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "daemon"))
from cbor import decode, encode
from case import BUILD, call, program, run, until
from world import GUARD, POLICY, PREAMBLE, World

HEALC = program("healc")
HAS_MINISIGN = shutil.which("minisign") is not None


# ---- a shop of policies ----

FILES = {"guards.heal": GUARD, "app/app.heal": 'import "../lib/base.heal"\n' + POLICY, "lib/base.heal": PREAMBLE}
FILES["app/app.heal"] = "edition 1\n" + FILES["app/app.heal"]


class Shop:
    def __init__(self, folder, name="shop"):
        self.folder = pathlib.Path(folder)
        self.sources = self.folder / name
        self.bundle = self.folder / f"{name}.healb"
        self.signature = self.folder / f"{name}.healb.minisig"
        self.key, self.public = self.folder / "team.key", self.folder / "team.pub"
        for path, text in FILES.items():
            (self.sources / path).parent.mkdir(parents=True, exist_ok=True)
            (self.sources / path).write_text(text)

    def healc(self, *arguments, expect=0):
        got = call(HEALC, *map(str, arguments), env={"HOME": str(self.folder)})
        said = (got.stdout + got.stderr).decode()
        assert got.returncode == expect, f"healc {arguments}: {got.returncode}\n{said}"
        return said

    def compile(self, *arguments, expect=0):
        return self.healc("compile", self.sources, "-o", self.bundle, *arguments, expect=expect)

    def sign(self):
        return self.healc("sign", "--key", self.key, self.bundle)

    def verify(self, expect=0):
        return self.healc("verify", "--key", self.public, self.bundle, expect=expect)

    def change(self, change):
        """Rewrites what the manifest says, well-formed, and signs it: a hostile or broken signer."""
        parts = decode(self.bundle.read_bytes())
        change(parts[2])
        self.bundle.write_bytes(encode(parts))
        self.sign()


def claim_a_bundle_is_compiled_signed_verified_and_inspected(folder):
    shop = Shop(folder)
    said = shop.compile()
    assert "serial 1, 1 policies, 3 sources" in said, said
    assert "made the key" in shop.sign() and "good" in shop.verify()
    text = shop.healc("inspect", shop.bundle)
    for words in ("app: at most 120 actions per 1h", "reads app_bad, app_up", "may start fix", "fix(s: service) via exec",
                  "timeout 2s", "lib/base.heal", "was not verified"):
        assert words in text, (words, text)
    if HAS_MINISIGN:
        subprocess.run(["minisign", "-q", "-V", "-p", str(shop.public), "-m", str(shop.bundle)], check=True)


def claim_minisign_signs_what_healc_believes(folder):
    if not HAS_MINISIGN:
        return
    shop = Shop(folder)
    shop.compile()
    call("minisign", "-G", "-W", "-p", str(shop.public), "-s", str(shop.key))
    assert call("minisign", "-S", "-W", "-s", str(shop.key), "-m", str(shop.bundle)).returncode == 0
    shop.verify()


def claim_another_program_reads_the_same_and_writes_the_same_bytes(folder):
    shop = Shop(folder)
    shop.compile("--name", "web-1", "--serial", "41")
    data = shop.bundle.read_bytes()
    magic, version, manifest, sections = parts = decode(data)
    assert encode(parts) == data and (magic, version) == ("heal bundle", 2)
    assert [s["path"] for s in manifest["sources"]] == sorted(FILES)
    for source, section in zip(manifest["sources"], sections):
        assert section.decode() == FILES[source["path"]] and source["bytes"] == len(section)
        assert hashlib.blake2b(section, digest_size=32).digest() == source["blake2b"]
    said = json.loads(shop.healc("inspect", "--format", "json", shop.bundle))
    assert (said["name"], said["serial"], said["verified"]) == ("web-1", 41, False)
    policy, shown = manifest["policies"][0], said["policies"][0]
    for key in ("name", "acts", "metrics", "actions", "ns_per_entity", "bytes_per_entity", "actions_per_hour",
                "actions_per_day"):
        assert policy[key] == shown[key], key
    assert policy["hash"] == int(shown["hash"], 16) and policy["text"].hex() == shown["text_blake2b"]
    action, shown = manifest["actions"][0], said["envelope"][0]
    assert [[p["name"], p["type"]] for p in shown["parameters"]] == action["parameters"]
    for key in ("name", "via", "undo", "idempotent", "irreversible", "timeout_ns"):
        assert action[key] == shown[key], key


def claim_the_same_sources_name_and_serial_are_the_same_bytes(folder):
    a, b = Shop(folder), Shop(os.path.join(folder, "elsewhere", "deep"), "other")
    b.folder.mkdir(exist_ok=True)
    a.compile("--name", "x", "--serial", "3")
    os.utime(b.sources / "guards.heal", (1, 1))
    files = [str(b.sources / p) for p in sorted(FILES, reverse=True)]
    b.healc("compile", *files, "-o", b.bundle, "--name", "x", "--serial", "3")
    assert a.bundle.read_bytes() == b.bundle.read_bytes()
    # As seen from inside, and with what an import brings in left unnamed.
    got = subprocess.run([HEALC, "compile", "guards.heal", "app/../app/app.heal", "-o", "x.healb", "--serial", "3"],
                         cwd=b.sources, capture_output=True)
    assert got.returncode == 0 and (b.sources / "x.healb").read_bytes() == a.bundle.read_bytes(), got
    others = [p for p in pathlib.Path(BUILD).parent.glob("build*/healc") if p.parent != pathlib.Path(BUILD)]
    for other in others:  # of another compiler, where there is one
        out = a.folder / "again.healb"
        out.unlink(missing_ok=True)
        got = call(str(other), "compile", str(a.sources), "-o", str(out), "--name", "x", "--serial", "3",
                   env={"ASAN_OPTIONS": "detect_leaks=0"})
        if b"no verb" not in got.stderr:
            assert got.returncode == 0 and out.read_bytes() == a.bundle.read_bytes(), other
    print(f"compared with {len(others)} other builds")


def claim_a_serial_grows_by_itself_or_is_as_told(folder):
    shop = Shop(folder)
    for arguments, serial in (([], 1), ([], 2), (["--serial", "9"], 9), (["--serial", "auto"], 10),
                              (["--serial", "4"], 4), (["--serial", str(2**63 - 1)], 2**63 - 1)):
        assert f"serial {serial}," in shop.compile(*arguments)
    assert "larger than" in shop.compile(expect=2)


def claim_what_cannot_be_a_bundle_is_not_written(folder):
    shop = Shop(folder)
    out = shop.bundle
    for arguments, code, words in (
            ([shop.sources], 2, "name the bundle"),
            ([shop.sources, "-o", "x.tar"], 2, "name the bundle"),
            (["-o", out], 2, "missing"),
            ([folder + "/nothing", "-o", out], 2, "nothing"),
            ([shop.sources, "-o", out, "--serial", "0"], 2, "--serial"),
            ([shop.sources, "-o", out, "--serial", "-1"], 2, "--serial"),
            ([shop.sources, "-o", out, "--serial", "1x"], 2, "--serial"),
            ([shop.sources, "-o", out, "--serial", str(2**63)], 2, "--serial"),
            ([shop.sources, "-o", out, "--name", "a/b"], 2, "name"),
            ([shop.sources, "-o", out, "--name", "\x1b[31m"], 2, "not clean"),
            ([shop.sources, "-o", out, "--cpu", "v9"], 2, "--cpu"),
            ([shop.sources, "-o", out, "--what"], 2, "what"),
            ([shop.sources / "app/app.heal", "-o", folder + "/no/x.healb"], 2, "cannot write")):
        said = shop.healc("compile", *arguments, expect=code)
        assert words in said and not out.exists(), (arguments, said)
    (shop.sources / "bad.heal").write_text("edition 1\npolicy p {\n")
    assert "no bundle is written" in shop.compile(expect=1) and not out.exists()
    (shop.sources / "bad.heal").unlink()
    (shop.sources / "a b.heal").write_text("edition 1\n")
    assert "not the path of a source" in shop.compile(expect=2) and not out.exists()
    (shop.sources / "a b.heal").unlink()
    out.write_text("dear diary")
    assert "is no bundle" in shop.compile(expect=2) and out.read_text() == "dear diary"


def claim_warnings_are_said_and_do_not_stop_a_bundle(folder):
    shop = Shop(folder)
    assert "warning[" in shop.compile() and shop.bundle.exists()


def claim_only_a_bundle_is_signed(folder):
    shop = Shop(folder)
    shop.bundle.write_bytes(b"\x84kheal bundle\x03")
    assert "format 3" in shop.healc("sign", "--key", shop.key, shop.bundle, expect=2)
    assert not shop.signature.exists()
    for verb, key in (("sign", shop.key), ("verify", shop.public)):
        said = shop.healc(verb, "--key", key, f"{shop.sources}/", expect=2)
        assert f"healc compile {shop.sources}/ -o {shop.sources}.healb && healc sign --key team.key" in said, said


def claim_verify_says_why_it_refuses(folder):
    shop, other = Shop(folder), Shop(os.path.join(folder, "b"))
    shop.compile()
    assert "not signed" in (shop.sign(), shop.signature.unlink(), shop.verify(expect=1))[2]
    shop.sign()
    good, signature = shop.bundle.read_bytes(), shop.signature.read_bytes()
    for at in range(0, len(good), 97):
        shop.bundle.write_bytes(good[:at] + bytes([good[at] ^ 0x20]) + good[at + 1:])
        assert "not of these bytes" in shop.verify(expect=1)
    for bytes_, words in ((good[:-1], "not of these bytes"), (good + b"\0", "not of these bytes"), (b"", "not of these"),
                          (bytes(8000), "not of these bytes")):
        shop.bundle.write_bytes(bytes_)
        assert words in shop.verify(expect=1)
    shop.bundle.write_bytes(good)
    for bytes_, words in ((b"", "not signed"), (signature[:-1], "not one of minisign's"), (signature * 2, "not one of"),
                          (b"x" * 900, "not one of")):
        shop.signature.write_bytes(bytes_)
        assert words in shop.verify(expect=1)
    shop.signature.write_bytes(bytes(100000))
    assert "larger than" in shop.verify(expect=2)
    shop.signature.unlink()
    os.symlink(shop.public, shop.signature)
    assert "symbolic link" in shop.verify(expect=2)
    shop.signature.unlink()
    shop.signature.write_bytes(signature)
    shop.compile()  # anew, with the signature of the one before
    assert "not of these bytes" in shop.verify(expect=1)
    other.compile()
    other.sign()
    assert "another key" in shop.healc("verify", "--key", shop.public, other.bundle, expect=1)
    assert "cannot open" in shop.healc("verify", "--key", shop.public, folder + "/none.healb", expect=2)
    assert "cannot open" in shop.healc("verify", shop.bundle, expect=2)  # no key of one's own yet
    assert "one bundle" in shop.healc("verify", expect=2)


def lies():
    """What a signer may change in a manifest, and what is said of it."""
    def policy(key, value):
        return lambda m: m["policies"][0].update({key: value})

    def action(key, value):
        return lambda m: m["actions"][0].update({key: value})
    yield policy("actions_per_hour", 1.0), "its bounds"
    yield policy("actions_per_day", math.inf), "its bounds"
    yield policy("bytes_per_entity", 1), "its bounds"
    yield policy("hash", 1), "its hash"
    yield policy("text", bytes(32)), "hash of its text"
    yield policy("acts", False), "whether it acts"
    yield policy("metrics", []), "metrics"
    yield policy("actions", []), "actions it may start"
    yield policy("name", "other"), "'other'"
    yield action("via", "other"), "'fix'"
    yield action("idempotent", True), "'fix'"
    yield action("irreversible", False), "'fix'"
    yield action("timeout_ns", 1), "'fix'"
    yield action("undo", "fix"), "'fix'"
    yield action("parameters", []), "'fix'"
    yield action("parameters", [["s", "pod"]]), "'fix'"
    yield lambda m: m.update(policies=[]), "0 policies"
    yield lambda m: m.update(actions=[dict(m["actions"][0], name="another"), *m["actions"]]), "2 actions"
    yield lambda m: m["sources"][2].update(path="lib/other.heal"), "do not pass"


def claim_a_signed_manifest_that_lies_is_refused(folder):
    shop = Shop(folder)
    shop.compile()
    good = shop.bundle.read_bytes()
    shop.sign()
    for number, (lie, words) in enumerate(lies()):
        shop.bundle.write_bytes(good)
        shop.change(lie)
        said = shop.verify(expect=1)
        assert words in said, (number, words, said)


def claim_inspect_lets_nothing_of_a_bundle_reach_the_terminal_raw(folder):
    shop = Shop(folder)
    shop.compile()

    def hostile(manifest):
        manifest["policies"][0]["metrics"] = ["a\\x1b", "\u00e9\u202egpj.exe", "\U0001f600\u2028"]
        manifest["actions"][0]["via"] = "exec\u200b"
    shop.change(hostile)
    for form in ("text", "json"):
        said = shop.healc("inspect", "--format", form, shop.bundle)
        assert all(0x20 <= ord(c) < 0x7f or c == "\n" for c in said), said
    for dirty in ("a\x1b[31m", "a\nb", "a\x9b31m", "\x7f"):
        parts = decode(shop.bundle.read_bytes())
        parts[2]["actions"][0]["via"] = dirty
        (shop.folder / "d.healb").write_bytes(encode(parts))
        assert "not clean UTF-8" in shop.healc("inspect", shop.folder / "d.healb", expect=1)


def claim_what_is_out_of_order_twice_or_too_much_is_refused(folder):
    shop = Shop(folder)
    shop.compile()
    good = shop.bundle.read_bytes()

    def refused(words, change):
        parts = decode(good)
        change(parts[2], parts[3])
        (shop.folder / "bad.healb").write_bytes(encode(parts))
        said = shop.healc("inspect", shop.folder / "bad.healb", expect=1)
        assert words in said, (words, said)

    def swap_sources(manifest, sections):
        manifest["sources"][0:2] = manifest["sources"][1::-1]
        sections[0:2] = sections[1::-1]

    def twice(manifest, sections):
        manifest["sources"].insert(0, manifest["sources"][0])
        sections.insert(0, sections[0])
    order = "twice or out of order"
    refused(order, swap_sources)
    refused(order, twice)
    refused("not what the manifest says", lambda m, s: s.__setitem__(slice(0, 2), s[1::-1]) or
            [m["sources"][i].update(bytes=len(s[i])) for i in (0, 1)])
    for name in ("policies", "actions"):
        for more in (dict(name="a"), {}):  # behind one that it belongs before; itself again
            refused(order, lambda m, s: m[name].append({**m[name][0], **more}))
    refused(order, lambda m, s: m["policies"][0]["metrics"].reverse())
    refused("not in the envelope", lambda m, s: m["policies"][0].update(actions=["fix", "other"]))
    refused("more than 4096", lambda m, s: m["policies"][0].update(metrics=[f"m{i:04}" for i in range(4097)]))
    refused("longer than 4096", lambda m, s: m["actions"][0].update(via="v" * 4097))
    refused("cut off", lambda m, s: m.update(  # past the 4 MiB of a manifest
        actions=[{**m["actions"][0], "name": f"a{i:04}", "via": "v" * 4000} for i in range(1100)]))
    refused("as many items", lambda m, s: s.append(b""))
    refused("as many items", lambda m, s: m.update(created=1))
    refused("not the word 'serial'", lambda m, s: m.update(serjal=m.pop("serial")))
    refused("the author's name is not that of an account", lambda m, s: m.update(author="an n"))


def claim_inspect_refuses_what_is_no_bundle(folder):
    shop = Shop(folder)
    shop.compile()
    good = shop.bundle.read_bytes()
    for data in (b"", b"\x84", b"MZ" * 400, b"\x9b" + b"\xff" * 8, b"\x81" * 100000, b"\x9f" * 100000, good[:-1],
                 good + b"\0", good.replace(b"heal bundle", b"heal bundl3"),
                 b"\x9f" + good[1:] + b"\xff", b"\xd9\xd9\xf7" + good):
        (shop.folder / "bad.healb").write_bytes(data)
        assert "not a bundle of heal" in shop.healc("inspect", shop.folder / "bad.healb", expect=1)
    with open(shop.folder / "bad.healb", "wb") as sparse:
        sparse.truncate(200 << 20)
    assert "larger than" in shop.healc("inspect", shop.folder / "bad.healb", expect=2)
    assert "--format" in shop.healc("inspect", "--format", "xml", shop.bundle, expect=2)
    assert "cannot open" in shop.healc("inspect", folder + "/none.healb", expect=2)


# ---- heald ----

def reload(world):
    code, out, err = world.healctl("reload")
    return code, out + err


def claim_heald_acts_on_a_bundle_and_reloads_only_newer_ones(folder):
    with World(folder) as world:
        assert world.status()["serial"] == 1
        until(world.observed)
        world.bad["a"] = 1
        until(lambda: "dispatched" in world.kinds())
        world.write({"app.heal": PREAMBLE + POLICY.replace("cooldown 1s", "cooldown 2s")})
        code, said = reload(world)
        assert code == 0 and world.status()["serial"] == 2, said
        second = world.kept()
        assert reload(world)[0] == 0, "the same one again is no older one"

        def refused(words):
            code, said = reload(world)
            assert code != 0 and words in said, (code, said)
            assert world.status()["serial"] == 2
        world.serial_wanted = "1"
        world.sign()
        refused("older than 2")
        world.serial_wanted = "3"
        world.sign()
        third = world.kept()
        world.signature.unlink()
        refused("not signed")
        world.signature.write_bytes(second[1])
        refused("not of these bytes")
        world.put((third[0][:-7], third[1]))
        refused("not of these bytes")
        parts = decode(third[0])
        parts[2]["policies"][0]["actions_per_hour"] = 1.0
        world.bundle.write_bytes(encode(parts))
        assert call(HEALC, "sign", "--key", str(world.folder / "development.key"), str(world.bundle)).returncode == 0
        refused("its bounds")
        world.bundle.unlink()
        refused("cannot open")
        world.put(third)
        assert reload(world)[0] == 0 and world.status()["serial"] == 3


def claim_a_restart_takes_no_bundle_older_than_one_that_ran(folder):
    with World(folder, start=False) as world:
        old = world.kept()
        world.sign()
        world.start()
        assert world.status()["serial"] == 2
        world.stop()
        world.put(old)
        world.start(wait=False)
        until(lambda: "serial 1 is older than 2, which was loaded" in world.said(), 20)
        assert world.status() is None
        world.stop()
        world.serial_wanted = "2"
        world.sign()
        world.start()
        assert world.status()["serial"] == 2


def claim_heald_ignores_objects_it_does_not_know(folder):
    with World(folder, start=False) as world:
        parts = decode(world.bundle.read_bytes())
        blob = b"\x7fELF of nobody knows which machine"
        parts[2]["objects"] = [{"abi": 4000000000, "cpu": "v4", "bytes": len(blob), "kernels": [1, 2**64 - 1],
                                "blake2b": hashlib.blake2b(blob, digest_size=32).digest()}]
        parts[3][len(parts[2]["sources"]):] = [blob]
        world.bundle.write_bytes(encode(parts))
        assert call(HEALC, "sign", "--key", str(world.folder / "development.key"), str(world.bundle)).returncode == 0
        world.start()
        assert world.status()["serial"] == 1


run(globals())
