"""The codes of the tile layer: a low-rate code for the payload's blocks, and one for the identifier.

The payload's block (191 bytes) is an irregular repeat-accumulate word (Jin, Khandekar and McEliece, Int.
Symp. Turbo Codes 2000), systematic and of any length: parity bit i is the running sum of message bits drawn
by SHAKE-256. It is read by belief propagation; the authentication tag in the block decides.

The identifier (64 bits) and its own tag of `TAG_BITS` make a word of a rate-1/4 convolutional code of
constraint length 11, ended by zeros (generators 2327, 2353, 2671, 3175 octal: Proakis, Digital
Communications, table of rate-1/4 codes of maximum free distance), read by the Viterbi algorithm: exact for so
short a message. Of its likeliest words the one with the right tag is taken.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack

from soundsafe.aliases import Bits, Floats
from soundsafe.keys import derive
from soundsafe.message.coding import K
from soundsafe.message.container import payload_id

if TYPE_CHECKING:
    from ldpc import BpDecoder

__all__ = [
    "IDENTIFIER_BITS",
    "IDENTIFIER_FALSE_ACCEPT",
    "decode_identifier",
    "decode_payload",
    "encode_identifier",
    "encode_payload",
]

TAG_BITS = 40
"""Bits of the identifier's authentication tag."""

IDENTIFIER_FALSE_ACCEPT = 2.0**-TAG_BITS
"""Chance that one attempt to read an identifier succeeds where there is none."""

_MEMORY = 10
_GENERATORS = (0o2327, 0o2353, 0o2671, 0o3175)
_MESSAGE = 64 + TAG_BITS

IDENTIFIER_BITS = len(_GENERATORS) * (_MESSAGE + _MEMORY)
"""Bits of the identifier's word."""

_FEW, _MANY = 3, 14
"""Uses of most message bits, and of as many of the first ones as fill the checks."""

_CHECK_EDGES = 3
_ROUNDS = 200
_LIMIT = 15.0
_lock = threading.Lock()


@lru_cache(maxsize=4)
def _edges(n: int) -> NDArray[np.int64]:
    """Message bits ``[n - K, _CHECK_EDGES]`` that each parity bit adds to the one before."""
    checks = n - K
    total = checks * _CHECK_EDGES
    heavy = max(0, min(K, round((total - _FEW * K) / (_MANY - _FEW))))
    degree = np.full(K, _FEW)
    degree[:heavy] = _MANY
    slots = np.resize(np.repeat(np.arange(K), degree), total)
    draws = np.frombuffer(hashlib.shake_256(b"soundsafe low-rate code 1").digest(8 * total), "<u8")
    rows = slots[np.argsort(draws, kind="stable")].reshape(checks, _CHECK_EDGES)
    # A message bit twice in one check would cancel: swap such places with the next check's.
    for _ in range(50):
        ordered = np.sort(rows, axis=1)
        bad = np.flatnonzero((np.diff(ordered, axis=1) == 0).any(axis=1))
        if not len(bad):
            break
        for row in bad:
            other = (row * 7919 + 13) % checks
            rows[row, 0], rows[other, 1] = rows[other, 1], rows[row, 0]
    return rows


def encode_payload(block: bytes, n: int) -> Bits:
    """The word ``[n]`` of a block of 191 bytes; it starts with the block's bits. Raises ValueError if n <=
    1528."""
    message = np.unpackbits(np.frombuffer(block, np.uint8))
    if len(message) != K or n <= K:
        raise ValueError(f"the low-rate code takes {K // 8} bytes and makes more than {K} bits")
    parity = np.cumsum(message[_edges(n)].sum(axis=1)) % 2
    return np.concatenate([message, parity.astype(np.uint8)])


@lru_cache(maxsize=2)
def _decoder(n: int) -> tuple[BpDecoder, csr_matrix]:
    from ldpc import BpDecoder  # half a second, which short words do without

    rows = _edges(n)
    checks = len(rows)
    left = csr_matrix(
        (np.ones(rows.size), (np.repeat(np.arange(checks), rows.shape[1]), rows.reshape(-1))), (checks, K)
    )
    i = np.arange(checks)
    right = csr_matrix((np.ones(2 * checks - 1), (np.r_[i, i[1:]], np.r_[i, i[:-1]])), (checks, checks))
    matrix = csr_matrix(hstack([left, right]).astype(np.uint8))
    matrix.data %= 2
    matrix.eliminate_zeros()
    return BpDecoder(matrix, error_rate=0.1, max_iter=_ROUNDS, bp_method="product_sum"), matrix.astype(
        np.int32
    )


def decode_payload(llr: Floats) -> tuple[bytes, bool]:
    """The block of 191 bytes nearest to soft values ``[n]`` (positive for 0; 0: erased), and whether it is a
    word."""
    soft = np.clip(np.nan_to_num(llr), -_LIMIT, _LIMIT)
    hard = (soft < 0).astype(np.uint8)
    decoder, matrix = _decoder(len(soft))
    syndrome = ((matrix @ hard) & 1).astype(np.uint8)
    with _lock:
        decoder.update_channel_probs(1.0 / (1.0 + np.exp(np.abs(soft))))
        error = decoder.decode(syndrome)
        converged = bool(decoder.converge)
    return np.packbits((hard ^ error.astype(np.uint8))[:K]).tobytes(), converged


def _identifier_tag(identifier: bytes, key: bytes) -> bytes:
    return hmac.digest(derive(key, "identifier tag", 32), identifier, "sha256")[: TAG_BITS // 8]


@lru_cache(maxsize=1)
def _outputs() -> Bits:
    """Output bits ``[states, 2, 4]``; a state's highest bit is the newest."""
    register = np.arange(2 << _MEMORY)  # newest bit first: input, then the state
    parity = np.array([[bin(int(r) & g).count("1") & 1 for g in _GENERATORS] for r in register], np.uint8)
    return parity.reshape(2, 1 << _MEMORY, len(_GENERATORS)).transpose(1, 0, 2)


def _convolve(bits: Bits) -> Bits:
    state, out = 0, []
    table = _outputs()
    for b in [*bits.tolist(), *[0] * _MEMORY]:
        out.append(table[state, b])
        state = (b << (_MEMORY - 1)) | (state >> 1)
    return np.concatenate(out)


def encode_identifier(payload: bytes, key: bytes) -> Bits:
    """The word ``[IDENTIFIER_BITS]`` of the payload's identifier."""
    ident = payload_id(payload)
    message = np.frombuffer(ident + _identifier_tag(ident, key), np.uint8)
    return _convolve(np.unpackbits(message))


def decode_identifier(llr: Floats, key: bytes, candidates: int = 1) -> bytes | None:
    """The identifier (8 bytes) that soft values ``[IDENTIFIER_BITS]`` authenticate as under `key`, or None.

    The tags of the likeliest `candidates` are tried: as many attempts.
    """
    for message in _likeliest(llr, candidates):
        ident, tag = message[:8], message[8:]
        if hmac.compare_digest(tag, _identifier_tag(ident, key)):
            return ident
    return None


def _likeliest(llr: Floats, count: int) -> list[bytes]:
    """The `count` likeliest messages, best first, by the parallel list Viterbi algorithm (Seshadri and
    Sundberg, IEEE Trans. Commun. 42, 1994)."""
    gain = np.asarray(llr, np.float64).reshape(-1, len(_GENERATORS))
    branch = (1.0 - 2.0 * _outputs().astype(np.float64)).reshape(-1, len(_GENERATORS)) @ gain.T
    branch = branch.reshape(1 << _MEMORY, 2, -1)  # [state, input, step]
    half = 1 << (_MEMORY - 1)
    metric = np.full((1 << _MEMORY, count), -np.inf)
    metric[0, 0] = 0.0
    back = np.zeros((len(gain), 1 << _MEMORY, count), np.uint16)
    for step in range(len(gain)):
        # State s goes to (input, s >> 1): the two that meet differ in the lowest bit.
        arriving = (metric[:, :, None] + branch[:, None, :, step]).reshape(half, 2 * count, 2)
        if step >= _MESSAGE:
            arriving[:, :, 1] = -np.inf
        kept = np.argpartition(-arriving, count - 1, axis=1)[:, :count]  # [s >> 1, candidate, input]
        metric = np.take_along_axis(arriving, kept, 1).transpose(2, 0, 1).reshape(-1, count)
        back[step] = kept.transpose(2, 0, 1).reshape(-1, count)
    which = np.argsort(-metric[0], kind="stable")
    state, bits = np.zeros(count, np.int64), []
    for step in range(len(gain) - 1, -1, -1):
        bits.append(state >> (_MEMORY - 1))
        low, which = np.divmod(back[step, state, which].astype(np.int64), count)
        state = ((state << 1) & ((1 << _MEMORY) - 1)) | low
    messages = np.packbits(np.array(bits[::-1][:_MESSAGE], np.uint8), axis=0).T
    return [message.tobytes() for message in messages]
