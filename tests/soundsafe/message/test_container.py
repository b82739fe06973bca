from __future__ import annotations

import dataclasses
import hashlib
import hmac

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundsafe.errors import InputError
from soundsafe.keys import DEFAULT_KEY, derive
from soundsafe.message import container
from soundsafe.message.container import BLOCK, BODY, Part, assemble, cycle_of, open_part, pack, payload_id

KEY = bytes(range(32))


def opened(blocks: list[bytes], key: bytes = KEY) -> list[Part]:
    parts = [open_part(block, key) for block in blocks]
    assert all(parts)
    return [part for part in parts if part]


@given(st.binary(min_size=1, max_size=4096), st.randoms(use_true_random=False))
def test_any_payload_comes_back_from_its_parts_in_any_order(payload: bytes, random: object) -> None:
    parts = opened(pack(payload, KEY))
    random.shuffle(parts)  # type: ignore[attr-defined]
    assert assemble(parts, KEY) == payload
    assert assemble(parts + parts, KEY) == payload


@pytest.mark.parametrize(("length", "count"), [(1, 1), (175, 1), (176, 2), (350, 2), (4095, 24), (4096, 24)])
def test_number_and_size_of_the_blocks(length: int, count: int) -> None:
    blocks = pack(bytes(length), KEY)
    assert [len(b) for b in blocks] == [BLOCK] * count
    assert [part.number for part in opened(blocks)] == list(range(count))


@pytest.mark.parametrize("parts", range(1, 25))
def test_every_part_meets_every_phase_of_stereo(parts: int) -> None:
    euls = np.arange(4 * cycle_of(parts))
    assert len(set(zip(euls % 4, euls % cycle_of(parts) % parts, strict=True))) == 4 * parts
    assert list(euls[:parts] % cycle_of(parts) % parts) == list(range(parts))  # all there from the start


def test_the_layout_is_the_documented_one() -> None:
    payload = b"a payload of two parts" * 10
    second = pack(payload, KEY)[1]
    said = (220).to_bytes(2, "big") + b"\x02" + payload
    sign = hmac.new(derive(KEY, "parts", 32), said, hashlib.sha256).digest()[:8]
    head = b"\x02" + (220).to_bytes(2, "big") + b"\x01" + sign[4:]
    body = payload[175:] + bytes(130)
    assert second[:8] == head
    assert second[16:] == body
    tag = hmac.new(derive(KEY, "tag", 32), head + body, hashlib.sha256).digest()[:8]
    assert second[8:16] == tag
    assert pack(payload, KEY)[0][4:8] == sign[:4]
    assert pack(b"one part", KEY)[0][4:8] == hashlib.sha256(b"one part").digest()[:4]


def test_blocks_of_a_released_version_still_open() -> None:
    # Marks made by a released version decode in every later one: neither layout nor derivation may change.
    block = pack(b"released", DEFAULT_KEY)[0]
    assert block[:16].hex() == "01000800d29eae138d8bb55992454caa"
    heads = [block[:16].hex() for block in pack(bytes(range(200)), DEFAULT_KEY)]
    assert heads == ["0200c800c370a3fb36228a6bd4624c6c", "0200c80128310ef959b69315c83c77bc"]


def earlier(payload: bytes, key: bytes = KEY, prefix: bytes = b"") -> list[bytes]:
    """The blocks that version 1 made of a payload of any length, its parts known by 32 bits of a hash."""
    blocks = []
    for number in range(-(-len(payload) // BODY)):
        head = b"\x01" + len(payload).to_bytes(2, "big") + bytes([number])
        head += prefix or hashlib.sha256(payload).digest()[:4]
        body = payload[number * BODY : (number + 1) * BODY].ljust(BODY, b"\0")
        blocks.append(
            head + hmac.new(derive(key, "tag", 32), head + body, hashlib.sha256).digest()[:8] + body
        )
    return blocks


@given(st.binary(min_size=1, max_size=1000))
def test_parts_of_version_1_still_read(payload: bytes) -> None:
    assert assemble(opened(earlier(payload)), KEY) == payload


def test_version_1_takes_parts_of_two_payloads_for_a_third() -> None:
    # Why there is a version 2. Two payloads whose 32 bits agree with those of the third can be searched for;
    # here they are made to agree.
    first, second = b"a" * 200, b"b" * 200
    third = first[:BODY] + second[BODY:]
    prefix = payload_id(third)[:4]
    a, b = opened(earlier(first, prefix=prefix)), opened(earlier(second, prefix=prefix))
    assert assemble([a[0], b[1]], KEY) == third


@pytest.mark.parametrize("length", [176, 350, 351, 900])
def test_parts_of_two_payloads_are_never_taken_for_a_third(length: int) -> None:
    rng = np.random.default_rng(length)
    a, b = opened(pack(rng.bytes(length), KEY)), opened(pack(rng.bytes(length), KEY))
    for choice in range(1, 2 ** len(a) - 1):
        mixed = [(a, b)[choice >> i & 1][i] for i in range(len(a))]
        assert assemble(mixed, KEY) is None
    # Not even where all but one of the keyed bits agree, in all parts: they are of the whole payload.
    third = a[0].body + b[1].body + b"".join(part.body for part in b[2:])
    alike = [dataclasses.replace(part, sign=a[part.number % 2].sign) for part in [a[0], *b[1:]]]
    assert assemble(alike, KEY) is None
    whole = opened(pack(third[:length], KEY))
    signs = [part.sign for part in whole]
    for number in (0, 1):
        near = bytes([signs[number][0] ^ 1]) + signs[number][1:]
        wrong = [dataclasses.replace(p, sign=near) if p.number % 2 == number else p for p in whole]
        assert assemble(wrong, KEY) is None
    assert assemble(whole, KEY) == third[:length]


def test_parts_of_both_versions_do_not_mix() -> None:
    payload = bytes(range(256))
    old, new = opened(earlier(payload)), opened(pack(payload, KEY))
    assert assemble([old[0], new[1]], KEY) is None
    assert assemble([new[0], old[1]], KEY) is None
    assert assemble([*old, *new], KEY) == payload


def test_what_binds_the_parts_takes_the_key() -> None:
    parts = opened(pack(bytes(300), KEY))
    assert assemble(parts, bytes(32)) is None
    assert all(part.belongs_to(bytes(300), KEY) for part in parts)
    assert not any(part.belongs_to(bytes(301), KEY) for part in parts)


@pytest.mark.parametrize("payload", [b"", bytes(4097)])
def test_payloads_of_no_byte_or_too_many_are_refused(payload: bytes) -> None:
    with pytest.raises(InputError, match="1 to 4096 bytes, not"):
        pack(payload, KEY)


@given(st.integers(0, BLOCK * 8 - 1))
def test_no_bit_can_be_changed(bit: int) -> None:
    block = bytearray(pack(b"x" * 300, KEY)[1])
    block[bit // 8] ^= 1 << bit % 8
    assert open_part(bytes(block), KEY) is None


def test_wrong_keys_and_noise_do_not_open() -> None:
    rng = np.random.default_rng(5)
    block = pack(b"secret", KEY)[0]
    for _ in range(500):
        assert open_part(block, rng.bytes(32)) is None
        assert open_part(rng.bytes(BLOCK), KEY) is None
    assert open_part(bytes(BLOCK), KEY) is None


def authentic(head: bytes) -> bytes:
    body = bytes(BODY)
    tag = hmac.new(derive(KEY, "tag", 32), head + body, hashlib.sha256).digest()[:8]
    return head + tag + body


@pytest.mark.parametrize(
    "head",
    [
        b"\x03\x00\x01\x00abcd",  # a later version
        b"\x02\x00\xaf\x00abcd",  # one part, and yet bound to others
        b"\x01\x00\x00\x00abcd",  # no byte
        b"\x01\x10\x01\x00abcd",  # 4097 bytes
        b"\x01\x00\xaf\x01abcd",  # a part beyond the payload's end
    ],
)
def test_an_authentic_block_that_makes_no_sense_is_no_part(head: bytes) -> None:
    assert open_part(authentic(b"\x01\x00\x01\x00abcd"), KEY) is not None
    assert open_part(authentic(head), KEY) is None


@pytest.mark.parametrize("length", [0, 190, 192])
def test_open_part_refuses_other_lengths(length: int) -> None:
    with pytest.raises(ValueError, match="191"):
        open_part(bytes(length), KEY)


def test_a_missing_part_means_no_payload() -> None:
    parts = opened(pack(bytes(range(256)) * 3, KEY))
    for missing in range(len(parts)):
        assert assemble(parts[:missing] + parts[missing + 1 :], KEY) is None
    assert assemble([], KEY) is None


def test_two_payloads_do_not_mix() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.bytes(500), rng.bytes(500)
    a, b = opened(pack(first, KEY)), opened(pack(second, KEY))
    assert assemble([a[0], b[1], a[2]], KEY) is None
    assert assemble([a[0], *b, a[2]], KEY) == second
    assert assemble([*a, *b], KEY) == first
    assert assemble([*a, *b, b[0]], KEY) == second


def test_what_does_not_match_the_hash_is_refused() -> None:
    assert assemble([Part(3, 0, payload_id(b"abc")[:4], b"abd".ljust(BODY, b"\0"))], KEY) is None
    assert assemble([Part(3, 0, payload_id(b"abc")[:4], b"abc".ljust(BODY, b"\0"))], KEY) == b"abc"


def test_payload_id_is_the_start_of_the_hash() -> None:
    assert payload_id(b"abc").hex() == "ba7816bf8f01cfea"


def test_the_stated_bound_is_that_of_a_64_bit_tag() -> None:
    assert container.FALSE_ACCEPT == 1 / (1 << 64)
