from __future__ import annotations

import ast
import hmac
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import soundsafe
from soundsafe import keys
from soundsafe.cells.code import CellCode
from soundsafe.errors import InputError
from soundsafe.keys import DEFAULT_KEY, derive, key_id, read_key_file, write_key_file
from soundsafe.message import container, low_rate_code
from soundsafe.tiles.geometry import TileCode

HEX = "0123456789abcdef" * 4


def test_a_written_key_reads_back_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "k"
    old = os.umask(0)
    try:
        write_key_file(path)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert len(text) == 65
    assert text == text.lower()
    assert text.endswith("\n")
    assert read_key_file(path) == bytes.fromhex(text)
    assert len(read_key_file(str(path))) == keys.KEY_BYTES


def test_keys_differ(tmp_path: Path) -> None:
    for name in "ab":
        write_key_file(tmp_path / name)
    assert read_key_file(tmp_path / "a") != read_key_file(tmp_path / "b")


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "k"
    path.write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("k", "link"):
        with pytest.raises(InputError, match="never overwritten"):
            write_key_file(tmp_path / name)
    assert path.read_text() == "precious"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["k", "link"]


def test_a_key_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match="No such file"):
        write_key_file(tmp_path / "missing" / "k")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"cannot write the key file .*: No space left"):
        write_key_file(tmp_path / "k")
    assert list(tmp_path.iterdir()) == []


def test_killed_while_a_key_is_written_it_can_be_written_again(tmp_path: Path) -> None:
    path = tmp_path / "k"
    program = (
        "import os, signal, sys\nfrom soundsafe.keys import write_key_file\n"
        "os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_key_file(sys.argv[1])\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(path)])
    assert killed.returncode == -signal.SIGKILL
    assert not path.exists()
    write_key_file(path)
    assert len(read_key_file(path)) == keys.KEY_BYTES


def test_a_key_where_there_are_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(source: object, target: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    write_key_file(tmp_path / "k")
    before = read_key_file(tmp_path / "k")
    with pytest.raises(InputError, match="never overwritten"):
        write_key_file(tmp_path / "k")
    assert read_key_file(tmp_path / "k") == before
    assert [path.name for path in tmp_path.iterdir()] == ["k"]


@pytest.mark.parametrize("text", [HEX, HEX + "\n", HEX.upper() + "\r\n", f"  {HEX}\n\n"])
def test_blanks_and_capitals_do_no_harm(tmp_path: Path, text: str) -> None:
    (tmp_path / "k").write_bytes(text.encode())
    assert read_key_file(tmp_path / "k").hex() == HEX


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        HEX[:-1].encode(),
        (HEX + "0").encode(),
        b"g" + HEX[1:].encode(),
        b"\xff\xfe" * 40,
        f"{HEX}\n{HEX}\n".encode(),
        b"0x" + HEX[2:].encode(),
        b"0" * 100_000,
    ],
)
def test_malformed_files_are_named_but_not_quoted(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.key"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_key_file(path)
    message = str(caught.value)
    assert str(path) in message
    assert "64 hexadecimal digits" in message
    assert "\n" not in message
    assert HEX[:16] not in message


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(InputError, match="cannot read the key file"):
            read_key_file(path)
    with pytest.raises(InputError, match="cannot read the key file"):
        read_key_file("a\0b")


def test_derivation_is_hkdf_sha256() -> None:
    # RFC 5869 with the hmac module: extract, then expand.
    secret = hmac.digest(b"soundsafe/v1", b"k" * 32, "sha256")
    first = hmac.digest(secret, b"carrier\x01", "sha256")
    second = hmac.digest(secret, first + b"carrier\x02", "sha256")
    assert derive(b"k" * 32, "carrier", 50) == (first + second)[:50]


def test_purposes_and_keys_are_independent() -> None:
    values = {derive(key, purpose, 16) for key in (DEFAULT_KEY, b"a" * 32) for purpose in ("tag", "sync")}
    assert len(values) == 4


@pytest.mark.parametrize(("key", "n"), [(b"", 16), (b"k", 0), (b"k", 8161)])
def test_impossible_requests_are_refused(key: bytes, n: int) -> None:
    with pytest.raises(ValueError, match=r"empty|8160"):
        derive(key, "x", n)


def test_the_default_key_is_fixed() -> None:
    assert DEFAULT_KEY.hex() == "e994c09afccc6011406623a93247a9d96d7c5bb1eb640e9c63032c08b6ea1d1b"


def test_every_secret_is_derived_for_a_purpose_of_its_own() -> None:
    purposes = []
    for path in Path(soundsafe.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "derive":
                purposes.append(ast.literal_eval(node.args[1]))
    assert len(set(purposes)) == len(purposes), "two uses of one derived key"
    carriers = {"cells", "slots", "dither", "pilots", "anchors", "scramble", "tiles"}
    # The bench's network system names a purpose too; whether it is seen here depends on the kind of install.
    assert set(purposes) - {"network"} == carriers | {"tag", "identifier tag", "key id", "parts"} | {
        "hosts",
        "hosts of tiles",
        "named keys",
        "short tag",
    }


def test_a_key_identifier_names_the_key_and_nothing_else() -> None:
    key = bytes(range(32))
    assert key_id(key) == derive(key, "key id", 8).hex()
    assert len({key_id(bytes([i]) * 32) for i in range(50)}) == 50


def test_another_key_knows_nothing_of_where_and_how_bits_lie() -> None:
    one, other = (CellCode(bytes([i]) * 32).geometry for i in (1, 2))
    signs = (one.pilot_sign == other.pilot_sign).float()
    assert float(signs.mean()) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(signs.numel()))
    assert np.mean(one.scramble == other.scramble) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(2040))
    assert one.slot_key != other.slot_key
    assert one.anchor_salt != other.anchor_salt
    assert not np.array_equal(one.bins, other.bins)
    tiles = [TileCode(bytes([i]) * 32).geometry for i in (1, 2)]
    agree = (tiles[0].sign == tiles[1].sign).mean()
    assert agree == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(tiles[0].sign.size))


@pytest.mark.parametrize("right", [True, False])
def test_tags_are_compared_whole_and_in_constant_time(monkeypatch: pytest.MonkeyPatch, right: bool) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return compare_digest(a, b)

    compare_digest = hmac.compare_digest
    key = DEFAULT_KEY if right else b"k" * 32
    word = low_rate_code.encode_identifier(b"x", DEFAULT_KEY)
    block = container.pack(b"x", DEFAULT_KEY)[0]
    monkeypatch.setattr(hmac, "compare_digest", compare)
    opened: Any = container.open_part(block, key)
    found = low_rate_code.decode_identifier(4.0 * (1.0 - 2.0 * word), key)
    assert [len(a) for pair in compared for a in pair] == [8, 8, 5, 5]
    assert (opened is not None, found is not None) == (right, right)
