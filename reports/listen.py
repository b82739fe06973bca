"""A blind listening test: a page to listen with, and the statistics of the answers that come back.

The page is one file that a listener opens from disk. It holds, for each clip, an ABX test of every system
(which of A and B is X?) and a MUSHRA-style rating (ITU-R BS.1534-3: hidden reference, 3.5 kHz anchor, all
conditions side by side, looped, of equal loudness). Conditions bear codes in the page and in its answers.
Which code is which stands in the key, which stays with whoever made the test. The browser draws the order.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from scipy import optimize, signal, stats

from soundsafe.errors import InputError
from soundsafe.eval.analysis.sound import integrated_loudness
from soundsafe.eval.analysis.stats import MIN_GROUPS, holm
from soundsafe.eval.analysis.stored import Example
from soundsafe.eval.rows import Json
from soundsafe.reports import format as fmt
from soundsafe.reports.axes import fitting
from soundsafe.reports.cells import name_cell
from soundsafe.reports.html import colour_css, environment, read_template, script_json, script_source
from soundsafe.reports.load import distinct
from soundsafe.reports.model import Block, Column, Figure, Section, Table, TableCell, Text
from soundsafe.reports.sound import flac
from soundsafe.reports.svg import Point, strips

__all__ = [
    "Abx", "Answers", "Key", "Rating", "Scores", "Test", "abx_d_prime", "make", "read_answers", "read_key",
    "scores", "section",
]  # fmt: skip

ANCHOR_HZ, _SLOPE_HZ = 3500.0, 450.0
REFERENCE, ANCHOR = "reference", "anchor"
FORMAT = 1
LONGEST_S = 12.0
"""What is heard of each clip, from its start."""

_SCREEN_BELOW, _SCREEN_SHARE = 90.0, 0.15
_ALL = -1


@dataclass(frozen=True)
class Test:
    """The page, and the key without which its answers say nothing. `id` tells the test from all others."""

    id: str
    page: bytes
    key: dict[str, Json]


def anchor(audio: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """The low anchor: [channels, samples] through a low-pass at 3.5 kHz, without phase shift.

    As BS.1534 asks: within 0.1 dB up to 3.5 kHz, 25 dB down at 4 kHz, 50 dB at 4.5 kHz. Its mid anchor, at
    7 kHz, is left out.
    """
    if rate <= 2 * (ANCHOR_HZ + _SLOPE_HZ):
        return audio
    taps, beta = signal.kaiserord(60.0, _SLOPE_HZ / (rate / 2))
    low = signal.firwin(taps | 1, ANCHOR_HZ + _SLOPE_HZ / 2, window=("kaiser", beta), fs=rate)
    return signal.oaconvolve(audio, low[None], mode="full", axes=1)[
        :, len(low) // 2 : len(low) // 2 + audio.shape[1]
    ].astype(np.float32)


def matched(
    audio: Mapping[str, NDArray[np.float32]], rate: int, reference: str
) -> dict[str, NDArray[np.float32]]:
    """All at the reference's loudness (ITU-R BS.1770), then all turned down alike where one would clip."""
    wanted = integrated_loudness(audio[reference], rate)
    out = {}
    for name, x in audio.items():
        level = integrated_loudness(x, rate)
        gain = 10 ** ((wanted - level) / 20) if math.isfinite(wanted) and math.isfinite(level) else 1.0
        out[name] = (x * np.float32(gain)).astype(np.float32)
    peak = max((float(np.abs(x).max()) for x in out.values() if x.size), default=0.0)
    if peak > 0.999:
        out = {name: (x * np.float32(0.999 / peak)).astype(np.float32) for name, x in out.items()}
    return out


def make(examples: Sequence[Example], *, trials: int, rng: np.random.Generator, title: str = "") -> Test:
    """The page and the key of a test.

    Args:
        examples: marked clips; those of one clip share their original and differ in `system`.
        trials: ABX trials of each clip and system.
        rng: draws the codes of the conditions.
        title: shown on the page.

    Raises:
        InputError: nothing to listen to, clips of one name that differ, or two conditions of one name.
    """
    by_clip: dict[str, list[Example]] = defaultdict(list)
    for x in examples:
        by_clip[x.clip].append(x)
    if not by_clip:
        raise InputError("no clips to listen to")
    clips: list[Json] = []
    conditions: dict[str, Json] = {}
    for number, (clip, marked) in enumerate(by_clip.items(), start=1):
        first = marked[0]
        n = round(LONGEST_S * first.rate)
        audio = {REFERENCE: first.clean[:, :n], ANCHOR: anchor(first.clean[:, :n], first.rate)}
        for x in marked:
            if x.rate != first.rate or not np.array_equal(x.clean, first.clean):
                raise InputError(f"clip {clip} is not the same in all runs")
            if x.system in audio:
                raise InputError(f"clip {clip} has two conditions named {x.system}")
            audio[x.system] = x.marked[:, :n]
        level = matched(audio, first.rate, REFERENCE)
        names = list(level)
        codes = {name: f"{rng.integers(16**8):08x}" for name in names}
        order = rng.permutation(len(names))
        conditions |= {code: {"clip": clip, "condition": name} for name, code in codes.items()}
        clips.append({
            "name": f"Clip {number}",
            "reference": codes[REFERENCE],
            "tested": [codes[x.system] for x in marked],
            "conditions": [codes[names[i]] for i in order],
            "audio": {
                codes[names[i]]: base64.b64encode(flac(level[names[i]], first.rate)).decode() for i in order
            },
        })  # fmt: skip
    identity = hashlib.sha256(json.dumps([conditions, clips]).encode()).hexdigest()[:16]
    data = {"format": FORMAT, "test": identity, "trials": trials, "title": title, "clips": clips}
    script = read_template("listen.js")
    page = environment().get_template("listen.html.j2").render(
        title=title or "Listening test",
        colours=Markup(colour_css()),
        css=Markup(read_template("listen.css")),
        data=script_json(data),
        script=Markup(script),
        script_hash=script_source(script),
    )  # fmt: skip
    systems = list(dict.fromkeys(x.system for x in examples))
    key: dict[str, Json] = {
        "format": FORMAT, "test": identity, "systems": list(systems), "conditions": conditions,
        "trials": trials,
    }  # fmt: skip
    return Test(identity, page.encode(), key)


@dataclass(frozen=True)
class Answers:
    """One listener's answers to the test of this id, as the page saved them."""

    test: str
    listener: str
    abx: tuple[Mapping[str, object], ...]
    ratings: tuple[Mapping[str, object], ...]


def read_answers(text: str, where: str) -> Answers:
    """One listener's answers as the page saved them.

    Raises:
        InputError: not such a file; `where` names it.
    """
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InputError(f"{where} holds no answers of a listening test") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT or not isinstance(found.get("test"), str):
        raise InputError(f"{where} holds no answers of a listening test")
    for part in ("abx", "ratings"):
        if not isinstance(found.get(part), list) or not all(isinstance(a, dict) for a in found[part]):
            raise InputError(f"{where} is damaged: `{part}` is no list of answers")
    name = str(found.get("listener") or "")
    return Answers(found["test"], name, tuple(found["abx"]), tuple(found["ratings"]))


@dataclass(frozen=True)
class Key:
    """Which code is which: the clip and the condition of each; `systems` in the order of the test."""

    test: str
    systems: tuple[str, ...]
    conditions: Mapping[str, tuple[str, str]]

    def of(self, answer: Mapping[str, object]) -> tuple[str, str] | None:
        """Clip and condition that an answer is about; None where its code is none of the test's."""
        return self.conditions.get(str(answer.get("condition")))


def read_key(text: str, where: str) -> Key:
    """The key of a test.

    Raises:
        InputError: not such a file; `where` names it.
    """
    try:
        item = json.loads(text)
        conditions = {code: (c["clip"], c["condition"]) for code, c in item["conditions"].items()}
        return Key(str(item["test"]), tuple(map(str, item.get("systems", ()))), conditions)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{where} is damaged") from error


@dataclass(frozen=True)
class Abx:
    """How often X was told, of how many; p one-sided and exact; share and d' with 95 % limits."""

    system: str
    listener: str
    right: int
    trials: int
    p: float
    share: float
    share_ci95: tuple[float, float]
    d_prime: float
    d_prime_ci95: tuple[float, float]


@dataclass(frozen=True)
class Rating:
    """Mean rating of a condition and its mean difference to the hidden reference, from 0 to 100.

    Each listener's are averaged first: intervals and p are over `listeners`. `values`: all `ratings`.
    """

    condition: str
    listeners: int
    ratings: int
    mean: float
    mean_ci95: tuple[float, float] | None
    difference: float | None
    difference_ci95: tuple[float, float] | None
    p: float | None
    values: tuple[float, ...]


def abx_d_prime(share: float) -> float:
    """d' of an unbiased observer who is right in this share of ABX trials (independent observations).

    Macmillan and Creelman (2005), "Detection Theory", chapter 9: p = Φ(d'/√2) Φ(d'/2) + Φ(−d'/√2) Φ(−d'/2).
    0 at chance or below, infinite at 1.
    """
    if share <= 0.5:
        return 0.0
    if share >= 1:
        return math.inf

    def excess(d: float) -> float:
        a, b = d / math.sqrt(2), d / 2
        return float(stats.norm.cdf(a) * stats.norm.cdf(b) + stats.norm.cdf(-a) * stats.norm.cdf(-b)) - share

    return float(optimize.brentq(excess, 0.0, 20.0))


def _abx(system: str, listener: str, right: int, trials: int) -> Abx:
    test = stats.binomtest(right, trials, 0.5, alternative="greater")
    limits = stats.binomtest(right, trials, 0.5).proportion_ci(0.95, "exact")
    low, high = float(limits.low), float(limits.high)
    share = right / trials
    return Abx(
        system, listener, right, trials, float(test.pvalue), share, (low, high), abx_d_prime(share),
        (abx_d_prime(low), abx_d_prime(high)),
    )  # fmt: skip


def _interval(values: NDArray[np.float64]) -> tuple[float, float] | None:
    if len(values) < MIN_GROUPS:
        return None
    reach = (
        float(stats.t.ppf(0.975, len(values) - 1)) * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    )
    return float(values.mean()) - reach, float(values.mean()) + reach


def _rated(listener: Answers, key: Key) -> dict[str, dict[str, float]]:
    """One listener's answers as clip → condition → rating."""
    clips: dict[str, dict[str, float]] = defaultdict(dict)
    for a in listener.ratings:
        known, value = key.of(a), fmt.number(a.get("rating"))
        if known and value is not None and 0 <= value <= 100:
            clip, condition = known
            clips[clip][condition] = value
    return dict(clips)


def _rating(condition: str, kept: Sequence[Mapping[str, Mapping[str, float]]]) -> Rating | None:
    """The figures of a condition from each listener's ratings; None where nobody rated it."""
    rated = [own for clips in kept if (own := [c for c in clips.values() if condition in c])]
    if not rated:
        return None
    values = [[c[condition] for c in own] for own in rated]
    pairs = [[c[condition] - c[REFERENCE] for c in own if REFERENCE in c] for own in rated]
    means = np.array([np.mean(own) for own in values])
    differences = np.array([np.mean(own) for own in pairs if own and condition != REFERENCE])
    p = None
    if len(differences) >= MIN_GROUPS:
        p = float(stats.wilcoxon(differences, zero_method="pratt").pvalue) if differences.any() else 1.0
    return Rating(
        condition,
        len(rated),
        sum(map(len, values)),
        float(means.mean()),
        _interval(means),
        float(differences.mean()) if len(differences) else None,
        _interval(differences),
        p,
        tuple(v for own in values for v in own),
    )


def _fails(clips: Mapping[str, Mapping[str, float]]) -> bool:
    """BS.1534-3's post-screening: the hidden reference below 90 in more than 15 % of the clips."""
    found = [c[REFERENCE] for c in clips.values() if REFERENCE in c]
    return bool(found) and sum(v < _SCREEN_BELOW for v in found) > _SCREEN_SHARE * len(found)


@dataclass(frozen=True)
class Scores:
    """The statistics of all listeners' answers to one test.

    `abx`: for all listeners of a system together, then each. `screened`: names of listeners whose ratings
    were left out. `names`: of all of them, those without one numbered.
    """

    listeners: int
    abx: tuple[Abx, ...]
    ratings: tuple[Rating, ...]
    screened: tuple[str, ...]
    names: tuple[str, ...] = ()


def scores(answers: Sequence[Answers], key: Key) -> Scores:
    """The statistics of all listeners' answers to one test.

    Raises:
        InputError: answers to another test.
    """
    for a in answers:
        if a.test != key.test:
            raise InputError(f"answers of test {a.test}, but the key is that of test {key.test}")
    names = distinct([a.listener or f"listener {i}" for i, a in enumerate(answers, start=1)])
    counts: dict[tuple[str, int], list[int]] = {}
    for number, listener in enumerate(answers):
        for trial in listener.abx:
            known, x, answer = key.of(trial), trial.get("x"), trial.get("answer")
            if known is None or x not in ("A", "B") or answer not in ("A", "B"):
                continue
            for who in (_ALL, number):
                held = counts.setdefault((known[1], who), [0, 0])
                held[0] += x == answer
                held[1] += 1
    abx = [
        _abx(system, "" if who == _ALL else names[who], *n)
        for (system, who), n in sorted(counts.items(), key=lambda i: (i[0][1] != _ALL, i[0]))
    ]
    rated = [_rated(listener, key) for listener in answers]
    screened = [name for name, clips in zip(names, rated, strict=True) if _fails(clips)]
    kept = [clips for clips in rated if not _fails(clips)]
    conditions = (REFERENCE, *key.systems, ANCHOR)
    ratings = [r for condition in conditions if (r := _rating(condition, kept)) is not None]
    return Scores(len(answers), tuple(abx), tuple(ratings), tuple(screened), tuple(names))


def _p(value: float | None) -> TableCell:
    return TableCell(fmt.DASH if value is None else "<0.0001" if value < 1e-4 else f"{value:.2g}", value)


def _range(limits: tuple[float, float] | None, digits: int = 1) -> str:
    if limits is None:
        return fmt.DASH
    return " … ".join("∞" if math.isinf(v) else fmt.decibel(v, digits) for v in limits)


def _abx_table(result: Scores) -> Table:
    """One line for all listeners together, then one for each."""
    systems = list(dict.fromkeys(a.system for a in result.abx))
    by = {(a.listener, a.system): a for a in result.abx}
    pooled = [by["", system] for system in systems]
    adjusted = dict(zip(systems, holm([a.p for a in pooled]).tolist(), strict=True))
    columns = [Column("Listener")]
    for system in systems:
        columns += [
            Column("right", True, system),
            Column("right %", True, system, "50 % is guessing; exact 95 % interval"),
            Column("d'", True, system, "how far apart the two sound, in units of the listener's own noise"),
            Column("p", True, system, "exact, one-sided; of all listeners: adjusted over systems (Holm)"),
        ]
    rows = []
    for name in ("", *result.names):
        if not any((name, system) in by for system in systems):
            continue
        cells = [name_cell(name or "all")]
        for system in systems:
            a = by.get((name, system))
            if a is None:
                cells += [TableCell(fmt.DASH)] * 4
                continue
            d = "∞" if math.isinf(a.d_prime) else fmt.decibel(a.d_prime, 2)
            known = a.d_prime if math.isfinite(a.d_prime) else None
            cells += [
                TableCell(f"{a.right} of {a.trials}", a.right),
                TableCell(fmt.percent(a.share), a.share, None, fmt.interval(a.share_ci95)),
                TableCell(d, known, None, _range(a.d_prime_ci95, 2)),
                _p(a.p if name else adjusted[system]),
            ]
        rows.append(tuple(cells))
    caption = (
        "ABX: how often listeners told which of original and marked was played. Exact one-sided binomial "
        "test, as if trials were independent."
    )
    return Table("abx", caption, tuple(columns), tuple(rows))


def section(result: Scores) -> Section:
    """The listening test's section of a report, from `scores`."""
    n = result.listeners
    blocks: list[Block] = [Text(f"{n} listener{'' if n == 1 else 's'}, blind, in an order drawn for each.")]
    abx, ratings = result.abx, result.ratings
    if abx:
        blocks.append(_abx_table(result))
    if ratings:
        rated = []
        for r in ratings:
            rated.append(
                (
                    name_cell(r.condition),
                    TableCell(str(r.listeners), r.listeners),
                    TableCell(str(r.ratings), r.ratings),
                    TableCell(fmt.decibel(r.mean), r.mean),
                    TableCell(_range(r.mean_ci95)),
                    TableCell(fmt.decibel(r.difference), r.difference),
                    TableCell(_range(r.difference_ci95)),
                    _p(r.p),
                )
            )
        heads = (
            Column("Condition"), Column("Listeners", True), Column("Ratings", True), Column("Mean", True),
            Column("95 %"), Column("Minus reference", True), Column("95 % "), Column("p", True),
        )  # fmt: skip
        caption = (
            "Ratings from 0 to 100 beside a hidden reference and a 3.5 kHz anchor; differences within "
            "listener and clip. Each listener's are averaged first: Student's t intervals and Wilcoxon's "
            "signed-rank test (Pratt's zeros) are over listeners, for these clips; none below "
            f"{MIN_GROUPS} listeners."
        )
        blocks.append(Table("ratings", caption, heads, tuple(rated)))
        lines = [
            (r.condition, i, [Point(v, tip=f"{r.condition}: {v:g}") for v in r.values])
            for i, r in enumerate(ratings)
        ]
        data = tuple((r.condition, v) for r in ratings for v in r.values)
        axis = fitting([0.0, 100.0], "rating")
        caption = "Every rating, with medians."
        alt = "Strip plot of ratings by condition."
        blocks.append(Figure("rated", caption, alt, strips(lines, axis), ("condition", "rating"), data))
    if result.screened:
        blocks.append(
            Text(
                "Left out of the ratings, for rating the hidden reference below 90 in more than 15 % of "
                "the clips: "
                + ", ".join(result.screened) + ".",
                "note",
            )
        )  # fmt: skip
    if not abx and not ratings:
        blocks.append(Text("The answers hold nothing that can be counted.", "note"))
    return Section("listening", "Listening test", tuple(blocks))
