"""A gate against regressions: a run is compared with reviewed figures, clip by clip.

`make_baseline` condenses a run to counts for each clip and attack: small enough to review, and enough for a
paired test. A run fails on

- a significant fall of payload success, of clip success or of a parity, or a significant rise of BER;
- clip success that falls by more than half of at least four clips, significant or not: a few clips, each
  one trial, can lose everything without a p-value that small;
- any false accept, or a clip of which a control was not read;
- clips, attacks, EULs or figures of the baseline that it does not hold;
- a clip that ended in an error where the baseline's did not.

Significant means at a family-wise error of 0.001 over all tests (Bonferroni; the rule of lost clips is none
of them), and larger than a margin that nobody would mind (`MARGINS`): with enough EULs even a harmless
change is significant.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from xml.etree import ElementTree

import numpy as np
import pandas as pd

from soundsafe.errors import InputError
from soundsafe.eval.analysis.environments import remark
from soundsafe.eval.analysis.stats import fall_of_clips, paired_rise, stratified_shift
from soundsafe.eval.analysis.summary import quality_rows
from soundsafe.eval.documents import from_item, rounded, to_item
from soundsafe.eval.frames import measured_ber
from soundsafe.eval.rows import CONTROLS, Check, Figure, GateResult, Json, control_of

__all__ = [
    "FORMAT", "Baseline", "ClipCounts", "check", "few_clips", "github_annotations", "junit", "make_baseline",
    "read_baseline", "suites_of",
]  # fmt: skip

FORMAT = 1
FAMILY_ERROR = 0.001
MARGINS = {
    "payload_success": 0.02, "clip_success": 0.02, "parity_slots": 0.02, "seed_parity": 0.02,
    "parity_frames": 0.01, "ber": 0.001,
}  # fmt: skip
"""How much each figure may fall (BER: rise), as a difference of means."""

_FEWEST_CLIPS = 4
_MOST_CLIPS_LOST = 0.5
"""Of at least so many clips, the share that may be lost whatever a test says."""

_NO_ERROR = ("ok", "refused")
_MEANS = ("parity_frames", "ber")
_FEWEST_BITS = 1000.0


@dataclass(frozen=True)
class ClipCounts:
    """One clip under one attack: numbers of EULs (`euls` in all), and means over them.

    `clip_success` is 1 or 0; what the system does not have is None; `errors` counts EULs whose step failed.
    """

    euls: int
    payload_success: int
    clip_success: int
    parity_frames: Figure
    ber: Figure
    parity_slots: int | None
    seed_parity: int | None
    errors: int = 0

    def figure(self, metric: str) -> Figure:
        """The figure of a metric of `MARGINS`."""
        return {
            "payload_success": self.payload_success,
            "clip_success": self.clip_success,
            "parity_slots": self.parity_slots,
            "seed_parity": self.seed_parity,
            "parity_frames": self.parity_frames,
            "ber": self.ber,
        }[metric]


Clips = Mapping[str, ClipCounts]


@dataclass(frozen=True)
class Baseline:
    """Reviewed figures: by system, attack and clip, and the configuration of the run that they are of.

    `keyless`: systems without a key, for which there is no wrong one. `numeric`: what the last bits of its
    audio depend on, {} where that is not known.
    """

    systems: Mapping[str, Mapping[str, Clips]]
    configuration: Mapping[str, Json]
    keyless: tuple[str, ...] = ()
    numeric: Mapping[str, Json] = field(default_factory=dict)

    def to_json(self) -> dict[str, Json]:
        """The document of a baseline's file."""

        def item(counts: ClipCounts) -> Json:
            return {k: v for k, v in to_item(counts).items() if k != "errors" or v}

        systems: dict[str, Json] = {
            system: {a: {clip: item(c) for clip, c in clips.items()} for a, clips in attacks.items()}
            for system, attacks in self.systems.items()
        }
        more: dict[str, Json] = {"keyless": list(self.keyless)} if self.keyless else {}
        if self.numeric:
            more["numeric"] = dict(self.numeric)
        return {"format": FORMAT, "configuration": dict(self.configuration), **more, "systems": systems}


def suites_of(baseline: Baseline) -> list[str]:
    """Names of the suites of the run that a baseline was made of."""
    found = baseline.configuration.get("suites")
    items = [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
    return [str(item.get("suite")) for item in items]


def _counts(rows: pd.DataFrame) -> ClipCounts:
    """One clip under one attack."""

    def mean(name: str) -> Figure:
        values = rows[name].dropna()
        return float(values.mean()) if len(values) else None

    def number(name: str) -> int | None:
        values = rows[name].dropna()
        return int(values.sum()) if len(values) else None

    return rounded(
        ClipCounts(
            euls=len(rows),
            payload_success=int(rows["payload_ok"].sum()),
            clip_success=int(bool(rows["clip_ok"].iloc[0])),
            parity_frames=mean("parity_frames"),
            ber=mean("ber"),
            parity_slots=number("parity_slots"),
            seed_parity=number("seed_parity"),
            errors=int((~rows["status"].isin(_NO_ERROR)).sum()),
        )
    )


def make_baseline(
    rows: pd.DataFrame, configuration: Mapping[str, Json], numeric: Mapping[str, Json] = MappingProxyType({})
) -> Baseline:
    """The baseline of a run: `rows` are its rows, `configuration` that of its `run.json`, `numeric` what
    `soundsafe.eval.analysis.environments.numeric` finds there.

    Raises:
        InputError: no row is of an attack.
    """
    figures: dict[str, dict[str, Clips]] = {}
    rows = rows.assign(ber=measured_ber(rows))
    for (system, attack), part in rows.groupby(["system", "attack"], sort=False):
        if control_of(str(attack)):
            continue
        clips = {str(clip): _counts(r) for clip, r in part.groupby("clip", sort=False)}
        figures.setdefault(str(system), {})[str(attack)] = clips
    if not figures:
        raise InputError("the run holds no attack: there is nothing to judge others by")
    kept: dict[str, Json] = {k: configuration.get(k) for k in ("split", "suites", "seed", "seconds")}
    # A folder's path means nothing on another machine.
    kept["dataset"] = Path(str(configuration.get("dataset", ""))).name
    controls = rows.assign(kind=rows["attack"].map(control_of)).groupby("system")["kind"].agg(set)
    keyless = (str(s) for s, kinds in controls.items() if "unmarked" in kinds and "wrong_key" not in kinds)
    return Baseline(figures, kept, tuple(keyless), numeric)


def _sound(value: object, level: int = 0) -> bool:
    """Whether `systems` of a baseline's file is as `Baseline` has it: system, attack, clip, figures."""
    if not isinstance(value, dict) or not value:
        return False
    if level < 3:
        return all(_sound(item, level + 1) for item in value.values())
    euls, hits = value.get("euls"), value.get("payload_success")
    if not isinstance(euls, int) or not isinstance(hits, int) or not 0 <= hits <= euls or not euls:
        return False
    figures = [value.get(m, math.nan) for m in MARGINS]
    return all(f is None or (isinstance(f, (int, float)) and math.isfinite(f)) for f in figures)


def read_baseline(path: Path) -> Baseline:
    """A baseline file.

    Raises:
        InputError: missing, or not a baseline of this format.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or 'cannot be read'}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not a baseline: soundsafe-eval baseline RUN writes one") from error
    if (
        not isinstance(data, dict)
        or data.get("format") != FORMAT
        or not isinstance(data.get("systems"), dict)
    ):
        raise InputError(f"{path} is no baseline of format {FORMAT}: soundsafe-eval baseline RUN writes one")
    if not data["systems"]:
        raise InputError(f"{path} holds no figures: soundsafe-eval baseline RUN writes some")
    if not _sound(data["systems"]):
        raise InputError(f"{path} is damaged: soundsafe-eval baseline RUN writes one")
    systems = {
        system: {
            attack: {clip: from_item(ClipCounts, item) for clip, item in clips.items()}
            for attack, clips in attacks.items()
        }
        for system, attacks in data["systems"].items()
    }
    configuration = data.get("configuration")
    keyless, numeric = data.get("keyless"), data.get("numeric")
    return Baseline(
        systems,
        configuration if isinstance(configuration, dict) else {},
        tuple(map(str, keyless)) if isinstance(keyless, list) else (),
        numeric if isinstance(numeric, dict) else {},
    )


def few_clips(systems: Mapping[str, Mapping[str, Sized]]) -> list[str]:
    """A line where an attack has so few clips that losing all of them may pass, else none."""
    few = {
        (system, attack): len(clips)
        for system, attacks in systems.items()
        for attack, clips in attacks.items()
        if len(clips) < _FEWEST_CLIPS
    }
    if not few:
        return []
    least = min(few.values())
    more = f" and {len(few) - 1} more" if len(few) > 1 else ""
    clips = f"{least} clip{'s are' if least > 1 else ' is'} too few ({next(iter(few))[1]}{more})"
    return [
        f"{clips}: no fall of clip success can be significant, one of payload success only over many "
        f"seconds; use at least {_FEWEST_CLIPS}"
    ]


def _less(new: ClipCounts, old: ClipCounts) -> bool:
    """Whether a clip has fewer EULs than the baseline's, or lacks a figure that the baseline has; what ended
    in an error is told apart."""
    lacking = not new.errors and any(new.figure(m) is None and old.figure(m) is not None for m in MARGINS)
    return new.euls < old.euls or lacking


def _unread(mine: pd.DataFrame, attacks: Mapping[str, Clips], keyless: bool) -> str:
    """Which controls of a system's clips were not read; empty where all were. Clips that ended in errors when
    the baseline was made are let off."""
    failed = {clip for held in attacks.values() for clip, counts in held.items() if counts.errors}
    clips = [c for c in dict.fromkeys(clip for held in attacks.values() for clip in held) if c not in failed]
    kinds = mine["attack"].map(control_of)
    for kind in CONTROLS[:1] if keyless else CONTROLS:
        its = mine[kinds == kind]
        sound = its["status"].isin(_NO_ERROR).groupby(its["clip"].astype(str)).all()
        if lacking := [clip for clip in clips if not sound.get(clip, False)]:
            return f"{kind} was not read of {len(lacking)} of {len(clips)} clips, {lacking[0]} first"
    return ""


@dataclass(frozen=True)
class _Test:
    """One figure of the baseline's clips against the run's; `lost`: more than half of enough clips."""

    system: str
    attack: str
    metric: str
    baseline: float
    run: float
    worse_by: float
    p: float
    lost: bool = False


def _tested(
    system: str, attack: str, metric: str, old: Sequence[ClipCounts], new: Sequence[ClipCounts]
) -> _Test | None:
    """The test of one metric over pairs of clips; None where no pair has it."""
    pairs = [
        (o, n, before, after)
        for o, n in zip(old, new, strict=True)
        if (before := o.figure(metric)) is not None and (after := n.figure(metric)) is not None
    ]
    if not pairs:
        return None
    a, b = np.array([p[2] for p in pairs]), np.array([p[3] for p in pairs])
    if metric not in _MEANS:
        whole = metric == "clip_success"
        tried = np.array([1 if whole else o.euls for o, _, _, _ in pairs])
        tried_now = np.array([1 if whole else n.euls for _, n, _, _ in pairs])
        difference, p = stratified_shift(a, tried, b, tried_now)
        if whole:  # each clip is one trial: exact
            p = fall_of_clips(int(np.sum(a > b)), int(np.sum(b > a)))
        lost = whole and len(pairs) >= _FEWEST_CLIPS and -difference > _MOST_CLIPS_LOST
        shares = float(a.sum() / tried.sum()), float(b.sum() / tried_now.sum())
        return _Test(system, attack, metric, *shares, worse_by=-difference, p=p, lost=lost)
    if metric == "ber":
        # Error rates change by factors; the smallest rate that a clip's bits can tell from none is added.
        least = 1 / _FEWEST_BITS
        p = paired_rise(np.log(a + least), np.log(b + least), noise=0.1)
        worse = b.mean() - a.mean()
    else:
        p = paired_rise(-a, -b, noise=0.01)
        worse = a.mean() - b.mean()
    return _Test(system, attack, metric, float(a.mean()), float(b.mean()), worse_by=float(worse), p=p)


def _verdict(test: _Test, level: float) -> Check:
    """Whether a figure fell (BER: rose) significantly and by more than anybody would mind, or was lost."""
    failed = (test.p < level and test.worse_by > MARGINS[test.metric]) or test.lost
    sign = "rose" if test.metric == "ber" else "fell"
    rule = "; more than half of the clips, which fails whatever p is" if test.lost else ""
    message = (
        f"{test.metric} {sign} from {test.baseline:.4g} to {test.run:.4g} (p = {test.p:.1g}{rule})"
        if failed
        else ""
    )
    return Check(
        test.system, test.attack, test.metric, not failed, test.baseline, test.run, test.worse_by, test.p,
        message,
    )  # fmt: skip


def _missing(system: str, attack: str, part: pd.DataFrame, clips: Clips, held: Clips) -> list[Check]:
    """What a run lacks of the baseline's clips under one attack, and which of its clips ended in errors."""
    out = []
    absent = [clip for clip, old in clips.items() if clip not in held or _less(held[clip], old)]
    if absent:
        text = f"the run lacks all or part of {len(absent)} of {len(clips)} clips, {absent[0]} first"
        there = len(clips) - len(absent)
        out.append(Check(system, attack, "coverage", False, len(clips), there, len(absent), message=text))
    broken = [c for c, n in held.items() if n.errors > (clips[c].errors if c in clips else 0)]
    if broken:
        first = part[part["clip"].astype(str) == broken[0]]
        first = first[~first["status"].isin(_NO_ERROR)].iloc[0]
        text = f"{len(broken)} clips ended in an error, {broken[0]} first: {first['status']}"
        out.append(Check(system, attack, "errors", False, 0, len(broken), len(broken), message=text))
    return out


def _controls(rows: pd.DataFrame, baseline: Baseline) -> Check:
    """That nothing was accepted which bears no mark, and that every control was read."""
    found = [r for r in quality_rows(rows) if r.category == "all"]
    accepts, euls = sum(r.false_accepts for r in found), sum(r.unmarked_euls for r in found)
    unread = {
        name: _unread(rows[rows["system"] == name], its, name in baseline.keyless)
        for name, its in baseline.systems.items()
    }
    untested = "".join(f"; {name}: {text}" for name, text in unread.items() if text)
    ok = accepts == 0 and euls > 0 and not untested
    message = "" if ok else f"{accepts} false accepts in {euls} seconds without the mark{untested}"
    return Check("", "controls", "false_accepts", ok, 0, accepts, accepts, message=message)


def check(
    rows: pd.DataFrame, baseline: Baseline, numeric: Mapping[str, Json] = MappingProxyType({})
) -> GateResult:
    """Test a run against a baseline.

    Args:
        rows: the run's (`soundsafe.eval.read_rows`).
        baseline: from `read_baseline` or `make_baseline`.
        numeric: of the run, as the baseline has it; where both are known and differ, a remark says so.

    Returns:
        The verdict: first the check of the controls, then what the run lacks, then the tests of figures.
    """
    compared: dict[str, dict[str, list[str]]] = {}
    tests: list[_Test] = []
    missing: list[Check] = []
    controls = _controls(rows, baseline)
    rows = rows.assign(ber=measured_ber(rows))
    for system, attacks in baseline.systems.items():
        mine = rows[rows["system"] == system]
        for attack, clips in attacks.items():
            part = mine[mine["attack"] == attack]
            held = {str(clip): _counts(r) for clip, r in part.groupby("clip", sort=False)}
            missing += _missing(system, attack, part, clips, held)
            names = [clip for clip in clips if clip in held]
            if not names:
                continue
            compared.setdefault(system, {})[attack] = names
            old, new = [clips[c] for c in names], [held[c] for c in names]
            found = (_tested(system, attack, metric, old, new) for metric in MARGINS)
            tests += [test for test in found if test is not None]
    level = FAMILY_ERROR / max(1, len(tests))
    checks = [controls, *missing, *(_verdict(test, level) for test in tests)]
    return GateResult(
        ok=all(c.ok for c in checks),
        level=level,
        false_accepts=int(controls.run),
        checks=tuple(rounded(c) for c in checks),
        remarks=(*few_clips(compared), *remark("the baseline's", baseline.numeric, numeric)),
    )


_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped."""


def _xml(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)


def junit(result: GateResult) -> bytes:
    """The result of `check` as a JUnit XML document, one test case for each check."""
    checks = result.checks
    failed = [c for c in checks if not c.ok]
    suite = ElementTree.Element(
        "testsuite", name="soundsafe-eval gate", tests=str(len(checks)), failures=str(len(failed))
    )
    for c in checks:
        name = ".".join(part for part in (c.system, c.attack) if part)
        case = ElementTree.SubElement(suite, "testcase", classname=_xml(name), name=_xml(c.metric))
        if not c.ok:
            ElementTree.SubElement(case, "failure", message=_xml(c.message))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _escaped(text: str, more: str = "") -> str:
    """Text as GitHub's workflow commands take it: percent-encoded where a character means something."""
    for character in "%\r\n" + more:
        text = text.replace(character, f"%{ord(character):02X}")
    return text


def github_annotations(result: GateResult, path: str = "") -> list[str]:
    """Lines that GitHub's runners show beside the code: an error for each failed check of `check`'s result.

    `path`: the baseline's file, on which they appear.
    """
    out = []
    for c in result.checks:
        if not c.ok:
            what = " ".join(part for part in ("gate:", c.system, c.attack, c.metric) if part)
            where = f"file={_escaped(path, ':,')}," if path else ""
            out.append(f"::error {where}title={_escaped(what, ':,')}::{_escaped(c.message)}")
    return out
