"""How many bits each critical band carries, and in which cells: integers and hashes from quantised features.

Three steps, each a pure function of its arguments: significance of the bands, bits for each band, slots
``(bin, frame)``. Nothing is drawn at random; where values tie, SHA-256 decides, so that every machine and
every Python process comes to the same answer.

The rules are the seed profile's to the letter. What the rules `ROBUST` change is an argument: they measure
significance on integer levels in dB (a few tens) instead of thresholds truncated to integers (mostly 0), and
they rank cells by a keyed hash instead of their magnitude (``ranking="keyed"``).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "SCALE",
    "AdaptiveBitAllocator",
    "PerceptualSignificanceMetric",
    "Slot",
    "expand_allocation_to_slots",
    "keyed_ranks",
]

SCALE = 1_000_000
"""Sum, but for rounding down, of all significances; also steps per unit of a quantised magnitude."""

Slot = tuple[int, int]
"""A cell that carries a bit: (bin, frame)."""

# One halving of a softmax weight for each 2^16 of its argument, which lies in 0 ... 500,000.
_SOFTMAX_STEP = 1 << 16
_MAGNITUDE_LIMIT = 2**62


def _tie_key(text: str, seed: int | None) -> int:
    data = text if seed is None else f"{text}_{seed}"
    return int(hashlib.sha256(data.encode()).hexdigest()[:8], 16)


@dataclass(frozen=True)
class PerceptualSignificanceMetric:
    """Significance of each band from its quantised thresholds: the lower the threshold, the more.

    With a = int(median over frames) + `eps` for each band:

    - ``inverse``: 1000000 // (a + 1);
    - ``log_inverse``: max(1, 1000000 // (1000 ln(a + 1) + 1));
    - ``softmax``: x = 1000000 // (a + 1), then 2^20 times 2^(x / 65536) relative to the largest, where 2^
      between whole powers is a straight line (integers only; at least 1).

    Values are truncated to integers first: thresholds below 1 all weigh the same.

    Args:
        eps: added to every divisor, at least 1.
        method: ``inverse``, ``log_inverse`` or ``softmax``.
        use_median: median over frames, else mean.

    Raises:
        ValueError: an unknown method, or an `eps` below 1.

    Example:
        >>> PerceptualSignificanceMetric().compute([[0, 0], [8, 8]]).tolist()
        [833331, 166666]
    """

    eps: int = 1
    method: str = "inverse"
    use_median: bool = True

    def __post_init__(self) -> None:
        if self.method not in ("inverse", "log_inverse", "softmax"):
            raise ValueError(f"method must be inverse, log_inverse or softmax, not {self.method!r}")
        if self.eps < 1:
            raise ValueError("eps must be at least 1")

    def compute(self, quantized_band_thr_bt: ArrayLike) -> NDArray[np.int64]:
        """The significance of each band.

        Args:
            quantized_band_thr_bt: thresholds ``[bands, frames]``, finite and not negative.

        Returns:
            ``[bands]``, int64, at least 0; their sum is about, and never above, 1,000,000.

        Raises:
            ValueError: another shape, or values that are negative or not finite.
        """
        q = np.ascontiguousarray(quantized_band_thr_bt, dtype=np.float64)
        if q.ndim != 2 or 0 in q.shape:
            raise ValueError(f"quantised thresholds must be [bands, frames], not {q.shape}")
        if not np.isfinite(q).all() or (q < 0).any():
            raise ValueError("quantised thresholds must be finite and not negative")
        centre = np.median(q, axis=1) if self.use_median else np.mean(q, axis=1)
        agg = np.minimum(centre, 2.0**52).astype(np.int64) + self.eps
        if self.method == "log_inverse":
            sig = np.maximum(1, SCALE // (np.log(agg + 1.0) * 1000 + 1)).astype(np.int64)
        else:
            sig = SCALE // (agg + 1)
            if self.method == "softmax":
                sig = _integer_softmax(sig)
        return sig * SCALE // (int(sig.sum()) + self.eps)


def _integer_softmax(x: NDArray[np.int64]) -> NDArray[np.int64]:
    halvings, rest = np.divmod(x.max() - x, _SOFTMAX_STEP)
    weight = ((1 << 20) * (2 * _SOFTMAX_STEP - rest) // (2 * _SOFTMAX_STEP)) >> halvings
    return np.maximum(weight, 1)


@dataclass(frozen=True)
class AdaptiveBitAllocator:
    """Shares a number of bits among bands; the sum is exact.

    Strategies:

    - ``optimal``: in proportion to significance, rounded down; what remains goes one bit at a time to the
      bands in descending order of their tie keys, round after round;
    - ``proportional``: the same shares, but the first round in descending order of what rounding took;
    - ``threshold``: as ``optimal``, but in proportion to the quantised thresholds themselves (loud bands
      hide more).

    A band's tie key is the first 32 bits of SHA-256 of ``{band}_{significance}_{threshold}``, followed by
    ``_{seed}`` unless `seed` is None (thresholds truncated to integers; 0 where none are given). What the
    maximum cuts off joins the remainder, and what the minimum adds is taken back, one bit at a time, in
    ascending order of the keys.

    Args:
        total_bits: to share, at least 0.
        allocation_strategy: ``optimal``, ``proportional`` or ``threshold``.
        min_bits_per_band: each band gets at least as many.
        max_bits_per_band: each band gets at most as many.
        seed: 32 bits that break ties differently, or None.

    Raises:
        ValueError: an unknown strategy, or limits that contradict each other.

    Example:
        >>> AdaptiveBitAllocator(10).allocate_bits([833331, 166666])["bits_per_band"].tolist()
        [8, 2]
    """

    total_bits: int
    allocation_strategy: str = "optimal"
    min_bits_per_band: int = 0
    max_bits_per_band: int = 1_000_000
    seed: int | None = None

    def __post_init__(self) -> None:
        known = ("optimal", "proportional", "threshold")
        if self.allocation_strategy not in known:
            raise ValueError(f"allocation_strategy must be one of {known}, not {self.allocation_strategy!r}")
        if self.total_bits < 0 or not 0 <= self.min_bits_per_band <= self.max_bits_per_band:
            raise ValueError("bits must not be negative, and the minimum not above the maximum")

    def allocate_bits(
        self,
        significance_b: ArrayLike,
        quantized_thr_b: ArrayLike | None = None,
        *,
        capacity_b: ArrayLike | None = None,
    ) -> dict[str, NDArray[np.int64]]:
        """How many bits each band carries.

        Args:
            significance_b: ``[bands]``, integers of at least 0.
            quantized_thr_b: ``[bands]``, finite and not negative; the ``threshold`` strategy needs them.
            capacity_b: ``[bands]``, how many cells a band has: a maximum of its own, and no minimum above it.

        Returns:
            ``bits_per_band``, ``significance`` and ``tie_keys``, each int64 ``[bands]``; the first sums to
            `total_bits`.

        Raises:
            ValueError: shapes that differ, negative values, or limits that leave no room for `total_bits`.
        """
        sig = [int(s) for s in np.asarray(significance_b).reshape(-1)]
        bands = len(sig)
        thr = [0.0] * bands if quantized_thr_b is None else [float(q) for q in np.asarray(quantized_thr_b)]
        if bands == 0 or len(thr) != bands:
            raise ValueError(f"{bands} significances and {len(thr)} thresholds do not go together")
        if min(sig) < 0 or not all(0 <= q < np.inf for q in thr):
            raise ValueError("significances and thresholds must be finite and not negative")
        if self.allocation_strategy == "threshold" and quantized_thr_b is None:
            raise ValueError("the threshold strategy needs quantized_thr_b")

        keys = np.array([_tie_key(f"{b}_{sig[b]}_{int(thr[b])}", self.seed) for b in range(bands)])
        low, high = self._limits(bands, capacity_b)
        weights = [int(q * SCALE) for q in thr] if self.allocation_strategy == "threshold" else sig
        # Python integers: no product overflows, whatever the weights.
        shares = [divmod(w * self.total_bits, sum(weights) + 1) for w in weights]
        bits = np.clip([whole for whole, _ in shares], low, high)

        descending = np.argsort(-keys, kind="stable")
        order = descending
        if self.allocation_strategy == "proportional":
            rests = [rest for _, rest in shares]
            order = np.array(sorted(descending, key=lambda b: -rests[b]))
        bits = _hand_out(bits, self.total_bits - int(bits.sum()), high, order, descending)
        bits = _take_back(bits, int(bits.sum()) - self.total_bits, low, descending[::-1])
        return {"bits_per_band": bits, "significance": np.array(sig, dtype=np.int64), "tie_keys": keys}

    def _limits(self, bands: int, capacity: ArrayLike | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        high = np.full(bands, self.max_bits_per_band, dtype=np.int64)
        if capacity is not None:
            high = np.minimum(high, np.asarray(capacity, dtype=np.int64))
        low = np.minimum(self.min_bits_per_band, high)
        if not low.sum() <= self.total_bits <= high.sum():
            raise ValueError(
                f"{self.total_bits} bits do not fit: these limits hold from {low.sum()} to {high.sum()}"
            )
        return low, high


def _hand_out(
    bits: NDArray[np.int64],
    left: int,
    high: NDArray[np.int64],
    first: NDArray[np.int64],
    later: NDArray[np.int64],
) -> NDArray[np.int64]:
    """One bit to each band that has room, in the order `first`, then always in the order `later`."""
    bits, order = bits.copy(), first
    while left > 0:
        for band in order:
            if left and bits[band] < high[band]:
                bits[band] += 1
                left -= 1
        order = later
        # Whole rounds at once: the same result as one by one.
        open_bands = np.flatnonzero(bits < high)
        if left > 0 and open_bands.size:
            rounds = min(left // open_bands.size, int((high - bits)[open_bands].min()))
            bits[open_bands] += rounds
            left -= rounds * open_bands.size
    return bits


def _take_back(
    bits: NDArray[np.int64], excess: int, low: NDArray[np.int64], order: NDArray[np.int64]
) -> NDArray[np.int64]:
    """One bit from each band above its minimum, in `order`, round after round: handing out from below."""
    return -_hand_out(-bits, excess, -low, order, order)


def expand_allocation_to_slots(
    mag_ft: ArrayLike,
    band_indices_f: ArrayLike,
    bits_per_band: ArrayLike,
    per_frame_weight_bt: ArrayLike | None = None,
    seed: int | None = None,
    quantize_magnitude: bool = True,
    *,
    ranking: str = "magnitude",
) -> list[Slot]:
    """The cells that carry the bits: each cell at most once, band by band, frame by frame.

    Args:
        mag_ft: magnitudes ``[bins, frames]``, finite and not negative.
        band_indices_f: the band of each bin, ``[bins]``.
        bits_per_band: ``[bands]``; a band with more bits than cells fills all its cells, and the list is
            shorter.
        per_frame_weight_bt: how a band's bits are shared among frames, ``[bands, frames]``, at least 0,
            counted in millionths; None: evenly. Rounded down; what remains goes to frames in ascending order
            of SHA-256 of ``{band}_{frame}`` (with ``_{seed}``), round after round, to frames of weight 0
            last.
        seed: ends every hashed text, unless None.
        quantize_magnitude: rank by int64(magnitude * 1e6), else by int64(magnitude).
        ranking: ``magnitude``: in a frame, the band's bins of largest magnitude, in descending order, ties in
            ascending order of SHA-256 of ``{bin}_{magnitude}_{frame}_{band}`` (with ``_{seed}``); where all
            bins of the band are wanted, in order of frequency. ``keyed``: in ascending order of a hash of
            `seed`, bin and frame; magnitudes then do not matter.

    Returns:
        Slots (bin, frame).

    Raises:
        ValueError: shapes that do not go together, or values outside what is said here.

    Example:
        >>> expand_allocation_to_slots([[1.0, 3.0], [2.0, 1.0]], [0, 0], [2])
        [(1, 0), (0, 1)]
    """
    mag = np.asarray(mag_ft, dtype=np.float64)
    band_of = np.asarray(band_indices_f, dtype=np.int64)
    bits = np.asarray(bits_per_band, dtype=np.int64)
    if ranking not in ("magnitude", "keyed"):
        raise ValueError(f"ranking must be magnitude or keyed, not {ranking!r}")
    if mag.ndim != 2 or band_of.shape != mag.shape[:1] or bits.ndim != 1:
        raise ValueError(f"shapes {mag.shape}, {band_of.shape} and {bits.shape} do not go together")
    if not np.isfinite(mag).all() or (mag < 0).any() or (bits < 0).any():
        raise ValueError("magnitudes and bits must be finite and not negative")
    frames = mag.shape[1]
    weights = np.ones((len(bits), frames)) if per_frame_weight_bt is None else np.asarray(per_frame_weight_bt)
    if weights.shape != (len(bits), frames) or not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError(f"weights must be [{len(bits)} bands, {frames} frames], finite and not negative")

    ranks = keyed_ranks(mag.shape, f"slots_{seed}") if ranking == "keyed" else None
    whole = np.minimum(mag * (SCALE if quantize_magnitude else 1), _MAGNITUDE_LIMIT).astype(np.int64)
    slots: list[Slot] = []
    for band in np.flatnonzero(bits):
        bins = np.flatnonzero(band_of == band)
        wanted = _bits_per_frame(int(bits[band]), weights[band], bins.size, int(band), seed)
        for t in np.flatnonzero(wanted):
            k = int(wanted[t])
            if ranks is not None:
                chosen = bins[np.argsort(ranks[bins, t], kind="stable")[:k]]
            else:
                chosen = _loudest(bins, whole[bins, t], k, int(t), int(band), seed)
            slots.extend((int(f), int(t)) for f in chosen)
    return slots


def _bits_per_frame(
    bits: int, weight_t: NDArray[np.float64], room: int, band: int, seed: int | None
) -> NDArray[np.int64]:
    """A band's bits in each frame, ``[frames]``, none above `room`; all full where `bits` exceeds them."""
    frames = len(weight_t)
    if bits >= frames * room:
        return np.full(frames, room, dtype=np.int64)
    weights = np.array([int(w * SCALE) for w in weight_t])
    total = max(int(weights.sum()), 1)
    given = np.minimum([int(w) * bits // total for w in weights], room)
    if given.sum() < bits:
        keys = np.array([_tie_key(f"{band}_{t}", seed) for t in range(frames)])
        order = np.argsort(keys, kind="stable")
        for most in (np.where(weights > 0, room, 0), np.full(frames, room)):
            left = min(bits, int(most.sum())) - int(given.sum())
            given = _hand_out(given, left, most, order, order)
    return given


def _loudest(
    bins: NDArray[np.int64], whole: NDArray[np.int64], k: int, t: int, band: int, seed: int | None
) -> NDArray[np.int64]:
    """`k` of a band's `bins` by quantised magnitude, the loudest first."""
    if k >= bins.size:
        return bins
    counts = dict(zip(*np.unique(whole, return_counts=True), strict=True))

    def place(i: int) -> tuple[int, int]:
        m = int(whole[i])
        # Hashing only where it decides.
        return -m, _tie_key(f"{bins[i]}_{m}_{t}_{band}", seed) if counts[m] > 1 else 0

    return bins[sorted(range(bins.size), key=place)[:k]]


def keyed_ranks(shape: tuple[int, int], label: str) -> NDArray[np.uint64]:
    """A 64-bit rank for each cell: SHAKE-256 of a label, frame by frame.

    The frames of a longer signal continue those of a shorter one.

    Args:
        shape: bins and frames.
        label: text that is hashed; it holds the seed.

    Returns:
        ``[bins, frames]``, 0 to 2^64 - 1.

    Example:
        >>> bool((keyed_ranks((4, 3), "a")[:, :2] == keyed_ranks((4, 2), "a")).all())
        True
    """
    bins, frames = shape
    stream = hashlib.shake_256(label.encode()).digest(8 * bins * frames)
    return np.frombuffer(stream, dtype="<u8").reshape(frames, bins).T
