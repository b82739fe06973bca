"""The two codes of one second: 191 bytes in, 2040 bits out, at the same rate.

`rs_encode_255_191` is the Reed-Solomon code of the original design (64 parity bytes: it puts right up to 32
wrong bytes, or 64 erased ones, or any mix where twice the wrong plus the erased are at most 64), interleaved
to depth 4.
`SoftCode` is a low-density parity-check code of the same size that reads soft values.

Both give candidates, not proofs: whether the bytes are a payload is decided by the authentication tag inside
them (`soundsafe.message.container`).
"""

from __future__ import annotations

import hashlib
import threading
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np
import reedsolo
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

if TYPE_CHECKING:
    from ldpc import BpDecoder

__all__ = [
    "INTERLEAVE_DEPTH",
    "MAX_ITERATIONS",
    "K",
    "N",
    "SoftCode",
    "deinterleave_bytes",
    "interleave_bytes",
    "rs_correct_255_191",
    "rs_decode_255_191",
    "rs_encode_255_191",
]

N = 2040
"""Coded bits of one second: 255 bytes."""

K = 1528
"""Message bits of one second: 191 bytes."""

INTERLEAVE_DEPTH = 4

_RS_N, _RS_K = 255, 191


@lru_cache(maxsize=1)
def _reed_solomon() -> reedsolo.RSCodec:
    return reedsolo.RSCodec(_RS_N - _RS_K, nsize=_RS_N)


def rs_encode_255_191(msg_bytes: bytes) -> bytes:
    """The systematic RS(255,191) codeword over GF(256), field polynomial 0x11d.

    Reed and Solomon, "Polynomial codes over certain finite fields", J. SIAM 8, 1960.

    Args:
        msg_bytes: 191 bytes.

    Returns:
        255 bytes: the message, then 64 of parity.

    Raises:
        ValueError: a message of another length.

    Example:
        >>> word = rs_encode_255_191(bytes(range(191)))
        >>> len(word), word[:191] == bytes(range(191))
        (255, True)
    """
    if len(msg_bytes) != _RS_K:
        raise ValueError(f"RS(255,191) encodes {_RS_K} bytes, not {len(msg_bytes)}")
    return bytes(_reed_solomon().encode(msg_bytes))


def rs_decode_255_191(code_bytes: bytes) -> bytes:
    """The message nearest to 255 received bytes; `rs_correct_255_191` says more of it.

    Args:
        code_bytes: 255 bytes, at most 32 of them wrong.

    Returns:
        The 191 bytes.

    Raises:
        ValueError: a word of another length, or one that no codeword is near enough to.

    Example:
        >>> word = bytearray(rs_encode_255_191(bytes(191)))
        >>> word[:32] = b"x" * 32
        >>> rs_decode_255_191(bytes(word)) == bytes(191)
        True
    """
    found = rs_correct_255_191(code_bytes)
    if found is None:
        raise ValueError("more than 32 of the 255 bytes are wrong")
    return found[0]


def rs_correct_255_191(word: bytes, erasures: list[int] | None = None) -> tuple[bytes, int] | None:
    """The message nearest to 255 received bytes, of which some may be known to be worthless.

    Args:
        word: 255 bytes.
        erasures: positions, 0 to 254, each once, whose bytes are worthless.

    Returns:
        The 191 bytes and how many of the 255 were put right; None where twice the wrong bytes plus the erased
        exceed 64.

    Raises:
        ValueError: a word of another length.

    Example:
        >>> word = bytearray(rs_encode_255_191(bytes(191)))
        >>> word[:32] = b"x" * 32
        >>> rs_correct_255_191(bytes(word)) == (bytes(191), 32)
        True
    """
    if len(word) != _RS_N:
        raise ValueError(f"RS(255,191) decodes {_RS_N} bytes, not {len(word)}")
    if erasures is not None and len(erasures) > _RS_N - _RS_K:
        return None
    try:
        message, codeword, _ = _reed_solomon().decode(word, erase_pos=erasures)
    except reedsolo.ReedSolomonError:
        return None
    corrected = sum(a != b for a, b in zip(word, codeword, strict=True))
    return bytes(message), corrected


@lru_cache(maxsize=8)
def _interleaving(length: int, depth: int) -> NDArray[np.int64]:
    # Row by row into `depth` rows, out column by column; a last, shorter row is allowed.
    columns = -(-length // depth)
    grid = np.arange(columns * depth).reshape(depth, columns).T.reshape(-1)
    return grid[grid < length]


def interleave_bytes(data: bytes, depth: int = INTERLEAVE_DEPTH) -> bytes:
    """Bytes written into rows and read by columns, so that neighbours come from different rows.

    Args:
        data: bytes of any number.
        depth: number of rows, at least 1.

    Returns:
        The same bytes in another order.

    Raises:
        ValueError: a `depth` below 1.

    Example:
        >>> interleave_bytes(b"abcdefgh", depth=4)
        b'acegbdfh'
    """
    if depth < 1:
        raise ValueError(f"the depth of interleaving is at least 1, not {depth}")
    return np.frombuffer(data, np.uint8)[_interleaving(len(data), depth)].tobytes()


def deinterleave_bytes(data: bytes, depth: int = INTERLEAVE_DEPTH) -> bytes:
    """The inverse of `interleave_bytes`.

    Args:
        data: interleaved bytes.
        depth: number of rows, at least 1, as they were interleaved.

    Returns:
        The bytes in their first order.

    Raises:
        ValueError: a `depth` below 1.

    Example:
        >>> deinterleave_bytes(interleave_bytes(b"abcdefgh"))
        b'abcdefgh'
    """
    if depth < 1:
        raise ValueError(f"the depth of interleaving is at least 1, not {depth}")
    out = np.empty(len(data), np.uint8)
    out[_interleaving(len(data), depth)] = np.frombuffer(data, np.uint8)
    return out.tobytes()


MAX_ITERATIONS = 60
"""Rounds of belief propagation before a word is given up."""

_LLR_LIMIT = 15.0
"""Soft values are clipped here: beyond it, tanh rounds to 1 and the decoder's messages to infinity."""

_COLUMN_WEIGHTS = ((11, 280), (4, 100), (3, 1210), (2, 450))
"""(weight, columns) of the parity-check matrix, in the order of the columns."""


def _progressive_edges(weights: list[int], checks: int, seed: bytes) -> NDArray[np.uint8]:
    """A parity-check matrix ``[checks, len(weights)]`` grown by progressive edge growth.

    Each edge of a column goes to a check as far away as possible in the graph so far, among those to one of
    least weight, among those by the next 32 bits of SHAKE-256(seed): integers throughout, so the same
    everywhere and always (Hu, Eleftheriou and Arnold, IEEE Trans. Inf. Theory 51, 2005). Columns should come
    in ascending weight.
    """
    draws = np.frombuffer(hashlib.shake_256(seed).digest(4 * sum(weights)), "<u4").tolist()
    draws.reverse()
    everything = (1 << checks) - 1
    of_weight = [everything]  # for each weight the checks that have it, as a bit set
    near = [1 << c for c in range(checks)]  # the checks that share a column with this one, likewise
    matrix = np.zeros((checks, len(weights)), np.uint8)
    for column, edges in enumerate(weights):
        mine = 0
        for _ in range(edges):
            far = everything & ~_near_side(near, mine, everything)
            weight = next(w for w, having in enumerate(of_weight) if having & far)
            lightest = of_weight[weight] & far
            for _ in range(draws.pop() % lightest.bit_count()):
                lightest &= lightest - 1
            chosen = lightest & -lightest
            if weight + 1 == len(of_weight):
                of_weight.append(0)
            of_weight[weight] ^= chosen
            of_weight[weight + 1] |= chosen
            mine |= chosen
            matrix[chosen.bit_length() - 1, column] = 1
        for c in np.flatnonzero(matrix[:, column]).tolist():
            near[c] |= mine
    return matrix


def _near_side(near: list[int], start: int, everything: int) -> int:
    """The checks to avoid: none for no start, else all but the last reached from it, or all ever reached."""
    if not start:
        return 0
    reached = frontier = start
    while True:
        rest = everything & ~reached
        grown = reached
        # Neighbourhood is mutual: whichever side is smaller is asked for it.
        if rest.bit_count() < frontier.bit_count():
            while rest:
                low = rest & -rest
                if near[low.bit_length() - 1] & frontier:
                    grown |= low
                rest ^= low
        else:
            while frontier and grown != everything:
                low = frontier & -frontier
                grown |= near[low.bit_length() - 1]
                frontier ^= low
        if grown == everything:
            return reached
        if grown == reached:
            return grown
        frontier, reached = grown & ~reached, grown


def _solve_parity(matrix: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """The columns that serve as parity bits, one for each row, and the rows solved for them.

    Gauss-Jordan elimination over GF(2) on packed rows, taking columns from the right. Raises ValueError if
    the rows are dependent.
    """
    checks, n = matrix.shape
    rows = np.packbits(matrix, axis=1)
    pivots = np.full(checks, -1, np.int64)
    done = 0
    for column in range(n - 1, -1, -1):
        bit = (rows[:, column >> 3] >> (7 - (column & 7))) & 1
        candidates = np.flatnonzero(bit[done:])
        if candidates.size == 0:
            continue
        pivot = done + int(candidates[0])
        if pivot != done:
            rows[[done, pivot]] = rows[[pivot, done]]
            bit[[done, pivot]] = bit[[pivot, done]]
        bit[done] = 0
        rows[bit.astype(bool)] ^= rows[done]
        pivots[done] = column
        done += 1
        if done == checks:
            return pivots, np.unpackbits(rows, axis=1)[:, :n]
    raise ValueError("the parity-check matrix has dependent rows")


class SoftCode:
    """A systematic low-density parity-check code, n = 2040, k = 1528, read by belief propagation.

    The matrix is fixed: it is a part of the format. It is made when first needed (well under a second) and
    shared by all objects, which may be used from any thread.

    Share of words decoded (400 words each; one CPU core;
    `python tests/soundsafe/message/test_coding.py 400`), by the share of wrong hard
    decisions. AWGN: antipodal values in white noise of known level. BSC: signs alone.
    Erased: AWGN, and 10 % of the values lost on top of the errors.

    ============  =====  =====  =====  =====  =====  =====  =====  =====
    errors         2 %    3 %   3.5 %   4 %   4.4 %   5 %   5.5 %   6 %
    ============  =====  =====  =====  =====  =====  =====  =====  =====
    AWGN          1.000  1.000  1.000  1.000  1.000  0.980  0.885  0.560
    BSC           0.998  0.708  0.260  0.052  0      0      0      0
    AWGN, erased  1.000  0.873  0.573  0.170  0.040  0.003  0      0
    ms a word      1.3    1.7    2.0    2.3    2.8    3.8    5.3    6.9
    ============  =====  =====  =====  =====  =====  =====  =====  =====

    (Time of a decoded word, AWGN; one that fails takes 20 ms.) Columns of weight 3 alone decode 0.99 of the
    words at 4.4 %, 0.89 at 5 % and 0.55 at 5.5 %: the irregular weights are worth half a per cent of errors.

    Example:
        >>> message = np.arange(1528) % 3 == 0
        >>> soft = 4.0 * (1.0 - 2.0 * SoftCode().encode(message.astype(int)))
        >>> soft[::40] *= -1
        >>> decoded, converged, _ = SoftCode().decode(soft)
        >>> converged, bool((decoded == message).all())
        (True, True)
    """

    @cached_property
    def matrix(self) -> NDArray[np.uint8]:
        """The parity-check matrix ``[512, 2040]`` of 0 and 1; the last 512 columns are the parity bits."""
        return _code()[0]

    def encode(self, bits: NDArray[np.integer]) -> NDArray[np.uint8]:
        """The codeword of a message, which it starts with.

        Args:
            bits: ``[1528]``, 0 or 1.

        Returns:
            ``[2040]``, 0 or 1.

        Raises:
            ValueError: another shape, or other values.
        """
        message = np.asarray(bits)
        if message.shape != (K,) or not np.isin(message, (0, 1)).all():
            raise ValueError(f"the soft code encodes {K} bits of 0 and 1")
        message = message.astype(np.uint8)
        parity = (_code()[1] @ message.astype(np.float32)).astype(np.int64) & 1
        return np.concatenate([message, parity.astype(np.uint8)])

    def decode(self, llr: NDArray[np.floating]) -> tuple[NDArray[np.uint8], bool, int]:
        """The message nearest to soft decisions.

        Args:
            llr: ``[2040]``, ln(P(bit = 0) / P(bit = 1)): positive for 0, and 0 (or NaN) for a bit of which
                nothing is known.

        Returns:
            The message ``[1528]``; whether the bits belong to some codeword (otherwise they are the best
            guess); and the rounds used, 0 to 60.

        Raises:
            ValueError: another shape.
        """
        soft = np.nan_to_num(np.asarray(llr, np.float64), nan=0.0, posinf=_LLR_LIMIT, neginf=-_LLR_LIMIT)
        if soft.shape != (N,):
            raise ValueError(f"the soft code decodes {N} soft values, not {soft.shape}")
        hard = (soft < 0).astype(np.uint8)
        decoder, checks = _decoder()
        syndrome = ((checks @ hard) & 1).astype(np.uint8)
        if not syndrome.any():
            return hard[:K], True, 0
        with _lock:
            decoder.update_channel_probs(1.0 / (1.0 + np.exp(np.minimum(np.abs(soft), _LLR_LIMIT))))
            error = decoder.decode(syndrome)
            converged, rounds = bool(decoder.converge), int(decoder.iter)
        return (hard ^ error.astype(np.uint8))[:K], converged, rounds

    def beliefs(self, llr: NDArray[np.floating], rounds: int = 6) -> NDArray[np.float64]:
        """Soft decisions after some rounds of belief propagation, converged or not.

        Args:
            llr: ``[2040]``, as for `decode`.
            rounds: at least 1.

        Returns:
            ``[2040]``, on the scale of `llr`.
        """
        soft = np.clip(np.nan_to_num(np.asarray(llr, np.float64)), -_LLR_LIMIT, _LLR_LIMIT)
        hard = (soft < 0).astype(np.uint8)
        decoder, checks = _decoder()
        syndrome = ((checks @ hard) & 1).astype(np.uint8)
        if not syndrome.any():  # the decoder would do nothing, and answer for the word before
            return soft
        with _lock:
            decoder.update_channel_probs(1.0 / (1.0 + np.exp(np.abs(soft))))
            decoder.max_iter = rounds
            decoder.decode(syndrome)
            decoder.max_iter = MAX_ITERATIONS
            right = np.asarray(decoder.log_prob_ratios, np.float64)
        return np.nan_to_num(right, posinf=_LLR_LIMIT, neginf=-_LLR_LIMIT) * (1.0 - 2.0 * hard)


_lock = threading.Lock()


@lru_cache(maxsize=1)
def _code() -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The parity-check matrix ``[512, 2040]`` and the map ``[512, 1528]`` from message to parity bits."""
    ascending = [weight for weight, count in reversed(_COLUMN_WEIGHTS) for _ in range(count)]
    matrix = _progressive_edges(ascending, N - K, b"soundsafe soft code 1")[:, ::-1]
    pivots, solved = _solve_parity(np.ascontiguousarray(matrix))
    others = np.setdiff1d(np.arange(N), pivots)
    return np.ascontiguousarray(matrix[:, np.r_[others, pivots]]), solved[:, others].astype(np.float32)


@lru_cache(maxsize=1)
def _decoder() -> tuple[BpDecoder, csr_matrix]:
    from ldpc import BpDecoder  # half a second, which short words do without

    checks = csr_matrix(_code()[0])
    decoder = BpDecoder(checks, error_rate=0.05, max_iter=MAX_ITERATIONS, bp_method="product_sum")
    return decoder, checks.astype(np.int32)
