"""What the bench measures, as values: rows, and everything that is made of them.

A `Row` is what one system did to one second of one clip under one attack. Summaries, comparisons and gates
are functions of rows and have a type each. `soundsafe.eval.documents` writes them as JSON and CSV and reads
them back, `soundsafe.eval.frames` puts rows into a table; nothing else knows how they are stored.

Shares and rates lie in [0, 1], times are in seconds. A figure that was not measured is NaN in a row and None
in everything made of rows; 0 is always a figure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

__all__ = [
    "CONTROLS", "EUL_S", "FALSE_POSITIVE_RATES", "GOODPUT_BITS", "JOIN", "NAN", "QUALITY", "RAN",
    "Attacked", "BandRow", "BreakdownRow", "Check", "ComparisonRow", "Figure", "GateResult", "HistoryRow",
    "Interval", "Json", "Measured", "PhaseRow", "PowerRow", "Quality", "QualityRow", "Row", "Summary",
    "SummaryRow", "control_of", "real",
]  # fmt: skip

NAN = float("nan")

EUL_S = 1.0
"""Length of an EUL in seconds: EUL number i of a marked clip starts at i seconds."""

JOIN = "+then+"
"""`soundsafe.attacks.JOIN`, known without importing every attack."""

GOODPUT_BITS = (16, 40, 128)
"""Payloads at which systems of unequal payload are compared: `goodput_16_bps` and so on."""

FALSE_POSITIVE_RATES = {"1e2": 1e-2, "1e3": 1e-3, "1e6": 1e-6}
"""By the ending of their name in a summary: `detection_1e2` and so on."""

CONTROLS = ("unmarked", "wrong_key")
"""Attacks after which no mark should be found; a real attack may follow (`unmarked+then+mp3_128`)."""

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Figure: TypeAlias = float | None
Interval: TypeAlias = tuple[float, float] | None
"""(low, high) at 95 %; None where too little is known for one."""


RAN = ("ok", "refused")
"""Statuses of cells that count: a step that a system refuses is its failure, any other that ends in an error
did not run, and says nothing of the system."""


def control_of(attack: str) -> str:
    """The control that an attack's name begins with, or '' for a real attack.

    >>> control_of("unmarked+then+mp3_128"), control_of("mp3_128")
    ('unmarked', '')
    """
    head = attack.partition(JOIN)[0]
    return head if head in CONTROLS else ""


def real(attack: str) -> bool:
    """Whether an attack is done to marked audio that is read with its own key."""
    return not control_of(attack)


@dataclass(frozen=True)
class Quality:
    """What marking did to a clip, original against marked; see `soundsafe.eval.metrics.quality`."""

    snr_db: float = NAN
    zimtohrli: float = NAN
    visqol: float = NAN
    nmr_db: float = NAN
    lufs_difference: float = NAN
    clipped_samples: float = NAN
    silence_peak: float = NAN
    pesq: float = NAN
    stoi: float = NAN


QUALITY = tuple(Quality.__dataclass_fields__)
"""Columns measured once for each marked clip, original against marked."""


@dataclass(frozen=True)
class Measured:
    """What was measured of one second of a clip after one attack; what belongs to the clip is repeated.

    Attributes:
        eul: index of the second in the marked audio.
        status: `ok`, or the step that failed; `message` says why.
        markable: the system said of no such second that it could not mark it.
        ber: bit errors over coded bits, in [0, 1]; 0.5 where the second was not found or a step failed; says
            nothing where the system has no coded `bits`, see `soundsafe.eval.frames.measured_ber`.
        bits: coded bits of a second; 0 where the system has none.
        payload_ok: the second gave the payload by itself (controls: gave anything at all).
        clip_ok: the clip did, combining allowed.
        combined: how many seconds were combined for it.
        start_s: where the detector found the second.
        parity_frames: share of frames whose features are equal, in the system's own unit; of the default
            system that is alive or dead, one step a band and second.
        parity_3db: share of frames whose levels are equal in steps of 3 dB, whatever the system's unit.
        parity_bands: share of frames whose feature is equal, for each band, joined by commas; '' for none.
        time_to_payload_s: seconds of audio needed for the payload; infinite where it never comes.
        bit_accuracy: share of the message's bits that the clip gave rightly, found or not; NaN where a system
            does not tell its bits. `log10_p`: how likely that is by guessing.
        iou: where a system says which samples are marked, their overlap with those that are.
        prefix_s: shortest beginning of the audio that gives the payload by itself, where somebody asked;
            infinite where all of it does not.
    """

    eul: int
    status: str = "ok"
    message: str = ""
    markable: bool = True
    ber: float = 0.5
    bits: int = 0
    payload_ok: bool = False
    clip_ok: bool = False
    id_ok: bool = False
    combined: int = 0
    score: float = NAN
    code: str = ""
    layer: str = ""
    start_s: float = NAN
    corrected_bytes: float = NAN
    erasures: float = NAN
    offset_error_samples: float = NAN
    parity_frames: float = NAN
    parity_bits: float = NAN
    parity_slots: float = NAN
    seed_parity: float = NAN
    parity_bands: str = ""
    speed: float = NAN
    tempo: float = NAN
    pitch: float = NAN
    time_to_payload_s: float = NAN
    clip_s: float = NAN
    bit_accuracy: float = NAN
    log10_p: float = NAN
    iou: float = NAN
    parity_3db: float = NAN
    prefix_s: float = NAN


@dataclass(frozen=True)
class Attacked:
    """The audio that a system was given to read, and what the attack left of the sound before it.

    Attributes:
        attacked_sha256: of its samples (`soundsafe.eval.running.audio_store.digest_of_audio`); '' where the
            attack failed.
        attacked_si_snr_db: scale-invariant ratio of the audio before the attack to what the attack changed,
            over the samples that both have; NaN where an attack's delay is not known, and where it changed
            nothing but the level.
        attacked_zimtohrli: perceptual distance of the same, of the mean of the channels, where asked for.
    """

    attacked_sha256: str = ""
    attacked_si_snr_db: float = NAN
    attacked_zimtohrli: float = NAN


@dataclass(frozen=True)
class _Case:
    """What a row is of."""

    system: str
    suite: str
    attack: str
    family: str
    params: str
    clip: str
    category: str
    group: str
    lossy: str


@dataclass(frozen=True)
class Row(Attacked, Quality, Measured, _Case):
    """One second of one clip, marked by one system, after one attack: a row of `results.parquet`.

    The columns are those of what it is made of: `_Case`, `Measured`, `Quality` (what marking did to the
    clip), `Attacked` (what the attack did to it).

    Attributes:
        suite: names of the suites that ask for the attack, joined by commas.
        params: the attack's parameters as JSON.
        group: clips of one group come from one source, and fail together.
        lossy: `yes` or `no` where the manifest says whether the clip was coded lossily before, else ''.
        payload_bytes: what a clip was given to carry, in whole bytes; `payload_bits` to the bit.
    """

    payload_bytes: int = 0
    payload_bits: int = 0


@dataclass(frozen=True)
class SummaryRow:
    """The figures of one system under one attack on the clips of one category (`all`: of every one).

    A step that the system refused counts as a failure: nothing decoded, detected below everything else, no
    parity. A cell that ended in another error did not run and is in no figure. Intervals are clustered by
    `group`. For `unmarked` and `wrong_key`, `payload_success` and `clip_success` are shares
    of false accepts.

    Attributes:
        payload_bits: what a clip was given to carry.
        seconds: the clips' length together, before any attack.
        failed_euls: seconds beside `euls` that are in no figure, since a step of their cell failed.
        refused_euls: seconds among `euls` that the system refused to mark or read.
        time_to_payload_s: the median over clips, None where half of them never give the payload.
        time_to_payload_by: `prefixes` where beginnings of the audio were read by themselves, on equal terms
            for all systems, else `seconds`; goodput is of the same times.
        goodput_16_bps: (also 40, 128) bits of a payload of 16 per second of audio until a clip gives it.
        detection_1e2: (also 1e3, 1e6) share of clips that score above the threshold of that false-positive
            rate, found on `detection_unmarked_clips` unmarked clips, attacked in the same way where the run
            has them (`detection_calibration`); None where these are fewer than the inverse of the rate.
        detection_1e2_ci95: (also 1e3, 1e6) of that share.
        detection_1e2_fpr_ci95: (also 1e3, 1e6) of the false-positive rate that the threshold really has.
        detection_extrapolated: rates among these, as `1e3,1e6`, whose threshold is of a fitted tail, since
            somebody asked; '' for none.
        offset_error_samples: the median distance.
        bit_accuracy: mean share of the message's bits that clips gave rightly, found or not.
        log10_p: median of how likely that is by guessing.
        iou: mean overlap of the samples said to be marked and those that are.
    """

    system: str
    suite: str
    attack: str
    params: Mapping[str, Json]
    category: str
    clips: int = 0
    euls: int = 0
    payload_bits: int | None = None
    seconds: Figure = None
    groups: int = 0
    failed_euls: int = 0
    refused_euls: int = 0
    ber: Figure = None
    ber_ci95: Interval = None
    payload_success: Figure = None
    payload_success_ci95: Interval = None
    clip_success: Figure = None
    clip_success_ci95: Interval = None
    time_to_payload_s: Figure = None
    goodput_bps: Figure = None
    goodput_16_bps: Figure = None
    goodput_40_bps: Figure = None
    goodput_128_bps: Figure = None
    capacity_bits: Figure = None
    auc: Figure = None
    detection_1e2: Figure = None
    detection_1e3: Figure = None
    detection_1e6: Figure = None
    detection_unmarked_clips: int = 0
    detection_calibration: str | None = None
    parity_frames: Figure = None
    parity_bits: Figure = None
    parity_slots: Figure = None
    seed_parity: Figure = None
    offset_error_samples: Figure = None
    bit_accuracy: Figure = None
    log10_p: Figure = None
    iou: Figure = None
    parity_3db: Figure = None
    detection_1e2_ci95: Interval = None
    detection_1e3_ci95: Interval = None
    detection_1e6_ci95: Interval = None
    detection_1e2_fpr_ci95: Interval = None
    detection_1e3_fpr_ci95: Interval = None
    detection_1e6_fpr_ci95: Interval = None
    detection_extrapolated: str = ""
    time_to_payload_by: str | None = None

    def goodput_at(self, bits: int) -> Figure:
        """Goodput with no more than 16, 40 or 128 bits of the payload counted."""
        return {16: self.goodput_16_bps, 40: self.goodput_40_bps, 128: self.goodput_128_bps}[bits]

    def success(self, whole_clips: bool) -> tuple[Figure, Interval]:
        """How often the payload came back, by whole clips or by seconds alone, with its interval."""
        if whole_clips:
            return self.clip_success, self.clip_success_ci95
        return self.payload_success, self.payload_success_ci95


@dataclass(frozen=True)
class QualityRow:
    """What one system's marking did to the clips of one category: means, the worst, and the false accepts.

    `lufs_difference` is averaged, and its worst taken, without its sign. `false_accepts` counts seconds
    accepted in `unmarked` and `wrong_key` audio (attacked or not), and clips accepted without any such second
    (by combining, or by the ID alone), out of `unmarked_euls`.
    """

    system: str
    category: str
    clips: int = 0
    snr_db: Figure = None
    snr_db_worst: Figure = None
    zimtohrli: Figure = None
    zimtohrli_worst: Figure = None
    visqol: Figure = None
    visqol_worst: Figure = None
    nmr_db: Figure = None
    nmr_db_worst: Figure = None
    lufs_difference: Figure = None
    lufs_difference_worst: Figure = None
    clipped_samples: Figure = None
    clipped_samples_worst: Figure = None
    silence_peak: Figure = None
    silence_peak_worst: Figure = None
    pesq: Figure = None
    pesq_worst: Figure = None
    stoi: Figure = None
    stoi_worst: Figure = None
    unmarked_euls: int = 0
    false_accepts: int = 0


@dataclass(frozen=True)
class BandRow:
    """Parity by critical band under one attack: shares of frames, from the lowest band to the highest."""

    system: str
    suite: str
    attack: str
    euls: int
    bands: tuple[float, ...] = ()


@dataclass(frozen=True)
class BreakdownRow:
    """Where a sweep of an attack's strength breaks a system down.

    `payload_breaks_at` and `clip_breaks_at`: the strengths at which success crosses one half, between
    `values` by linear interpolation; empty where it crosses nowhere.
    """

    system: str
    suite: str
    sweep: str
    parameter: str
    values: tuple[float, ...] = ()
    payload_success: tuple[Figure, ...] = ()
    payload_breaks_at: tuple[float, ...] = ()
    clip_success: tuple[Figure, ...] = ()
    clip_breaks_at: tuple[float, ...] = ()


@dataclass(frozen=True)
class Summary:
    """The document `summary.json`. In `by_lossy` a row's category says whether its clips were coded lossily
    before (`yes` or `no`); it is stored as `lossy`."""

    rows: tuple[SummaryRow, ...] = ()
    quality: tuple[QualityRow, ...] = ()
    parity_by_band: tuple[BandRow, ...] = ()
    breakdown: tuple[BreakdownRow, ...] = ()
    by_lossy: tuple[SummaryRow, ...] = ()


@dataclass(frozen=True)
class ComparisonRow:
    """Run B against run A under one attack, over the seconds that both hold.

    Seconds: `difference` is B's payload success minus A's, `p_clustered` its exact p-value by flipping the
    signs of whole groups, None below five groups and for systems that read no second by itself. `only_a` and
    `only_b` count seconds that decode in one run alone; `p_mcnemar` takes them as independent and decides
    nothing: where clips fail as a whole it is far too small.

    Clips: `clip_difference` is B's clip success minus A's over the clips that both hold, `clips_only_a` and
    `clips_only_b` count those that succeed in one run alone, `p_clips` is the exact p-value by groups
    (McNemar's test where each clip is a group of its own).

    `p_holm` and `p_clips_holm` are these p-values adjusted over all tests of a comparison together. `auc_a`
    and `auc_b`: how well each run's score tells the attacked clips from its own unmarked ones. `verdict`:
    `better`, `worse`, `mixed` (seconds and clips differ, in opposite ways) or `within noise`.
    """

    system: str
    attack: str
    clips: int
    euls: int
    payload_success_a: float
    payload_success_b: float
    difference: float
    difference_ci95: Interval
    only_a: int
    only_b: int
    p_mcnemar: float
    p_clustered: Figure
    ber_a: Figure
    ber_b: Figure
    p_holm: Figure = None
    clip_success_a: Figure = None
    clip_success_b: Figure = None
    clip_difference: Figure = None
    clips_only_a: int = 0
    clips_only_b: int = 0
    p_clips: Figure = None
    p_clips_holm: Figure = None
    auc_a: Figure = None
    auc_b: Figure = None
    bit_accuracy_a: Figure = None
    bit_accuracy_b: Figure = None
    verdict: str = "within noise"


@dataclass(frozen=True)
class HistoryRow:
    """One attack's figures in one of several runs; `change` is payload success minus that of the run before
    that has this attack, None in the first."""

    system: str
    attack: str
    run: str
    commit: str | None
    clips: int
    euls: int
    payload_success: Figure
    clip_success: Figure
    ber: Figure
    parity_slots: Figure
    change: Figure = None


@dataclass(frozen=True)
class PowerRow:
    """What a gate with some baseline sees under one attack.

    `smallest_fall_…`: of payload success, over the baseline's own clips, for a fall that is spread evenly or
    takes whole clips; `clips_…`: how many clips like them see a given fall. None: no fall, or no number of
    clips that was looked at.
    """

    system: str
    attack: str
    clips: int
    euls: int
    payload_success: float
    smallest_fall_evenly: Figure
    clips_evenly: int | None
    smallest_fall_whole_clips: Figure
    clips_whole_clips: int | None


@dataclass(frozen=True)
class Check:
    """One test of a gate. `p` is None where something is counted and nothing tested."""

    system: str
    attack: str
    metric: str
    ok: bool
    baseline: float
    run: float
    worse_by: float
    p: Figure = None
    message: str = ""


@dataclass(frozen=True)
class GateResult:
    """What a gate says of a run: `level` is that of each single test, `remarks` are lines on what cannot be
    told."""

    ok: bool
    level: float
    false_accepts: int
    checks: tuple[Check, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class PhaseRow:
    """A suite's attack on the network of one phase of a training run.

    `delay_samples`: by which the attack moves the seconds; None where no one figure tells.
    """

    phase: str
    step: int
    suite: str
    attack: str
    delay_samples: int | None
    clips: int
    euls: int
    failed_euls: int
    ber: Figure
    ber_ci95: Interval
    payload_success: Figure
    payload_success_ci95: Interval
    clip_success: Figure
    clip_success_ci95: Interval
    parity_frames: Figure
    snr_db: Figure
    zimtohrli: Figure
