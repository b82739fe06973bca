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
from collections.abc import Mapping, Sized
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd

from soundsafe.errors import InputError
from soundsafe.eval.analysis.stats import paired_rise, stratified_shift
from soundsafe.eval.analysis.summary import quality_rows
from soundsafe.eval.rows import CONTROLS, control_of, from_frame_value, measured_ber

__all__ = ["FORMAT", "check", "few_clips", "github_annotations", "junit", "make_baseline", "read_baseline"]

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


def _counts(rows: pd.DataFrame) -> dict[str, Any]:
    """One clip under one attack: numbers and sums."""
    out: dict[str, Any] = {
        "euls": len(rows),
        "payload_success": int(rows["payload_ok"].sum()),
        "clip_success": int(bool(rows["clip_ok"].iloc[0])),
    }
    for name in _MEANS:
        values = rows[name].dropna()
        out[name] = float(values.mean()) if len(values) else None
    for name in ("parity_slots", "seed_parity"):
        values = rows[name].dropna()
        out[name] = int(values.sum()) if len(values) else None
    if errors := int((~rows["status"].isin(_NO_ERROR)).sum()):
        out["errors"] = errors
    return dict(from_frame_value(out))


def make_baseline(rows: pd.DataFrame, run: dict[str, Any]) -> dict[str, Any]:
    """The baseline of a run: `rows` are its rows, `run` its `run.json`.

    Raises:
        InputError: no row is of an attack.
    """
    figures: dict[str, Any] = {}
    rows = rows.assign(ber=measured_ber(rows))
    for (system, attack), part in rows.groupby(["system", "attack"], sort=False):
        if control_of(str(attack)):
            continue
        clips = {str(clip): _counts(r) for clip, r in part.groupby("clip", sort=False)}
        figures.setdefault(str(system), {})[str(attack)] = clips
    if not figures:
        raise InputError("the run holds no attack: there is nothing to judge others by")
    configuration = run.get("configuration", {})
    kept = {k: configuration.get(k) for k in ("split", "suites", "seed", "seconds")}
    # A folder's path means nothing on another machine.
    kept["dataset"] = Path(str(configuration.get("dataset", ""))).name
    return {"format": FORMAT, "configuration": kept, "systems": figures}


def _sound(value: Any, level: int = 0) -> bool:
    """Whether `systems` of a baseline is as `make_baseline` has it: system, attack, clip, figures."""
    if not isinstance(value, dict) or not value:
        return False
    if level < 3:
        return all(_sound(item, level + 1) for item in value.values())
    euls, hits = value.get("euls"), value.get("payload_success")
    if not isinstance(euls, int) or not isinstance(hits, int) or not 0 <= hits <= euls or not euls:
        return False
    figures = [value.get(m, math.nan) for m in MARGINS]
    return all(f is None or (isinstance(f, (int, float)) and math.isfinite(f)) for f in figures)


def read_baseline(path: Path) -> dict[str, Any]:
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
    return data


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


def _less(new: dict[str, Any], old: dict[str, Any]) -> bool:
    """Whether a clip has fewer EULs than the baseline's, or lacks a figure that the baseline has."""
    return new["euls"] < old["euls"] or any(new[m] is None and old[m] is not None for m in MARGINS)


def _unread(mine: pd.DataFrame, attacks: dict[str, Any]) -> str:
    """Which controls of a system's clips were not read; empty where all were. Clips that ended in errors when
    the baseline was made are let off."""
    clips = [*dict.fromkeys(clip for held in attacks.values() for clip in held)]
    clips = [c for c in clips if not any("errors" in held.get(c, {}) for held in attacks.values())]
    kinds = mine["attack"].map(control_of)
    for kind in CONTROLS:
        its = mine[kinds == kind]
        sound = its["status"].isin(_NO_ERROR).groupby(its["clip"].astype(str)).all()
        if lacking := [clip for clip in clips if not sound.get(clip, False)]:
            return f"{kind} was not read of {len(lacking)} of {len(clips)} clips, {lacking[0]} first"
    return ""


def _share_test(name: str, old: list[dict[str, Any]], new: list[dict[str, Any]]) -> dict[str, Any] | None:
    pairs = [(o, n) for o, n in zip(old, new, strict=True) if o[name] is not None and n[name] is not None]
    if not pairs:
        return None
    size = [(1, 1) if name == "clip_success" else (o["euls"], n["euls"]) for o, n in pairs]
    a, b = [o[name] for o, _ in pairs], [n[name] for _, n in pairs]
    before, after = [s[0] for s in size], [s[1] for s in size]
    difference, p = stratified_shift(a, before, b, after)
    return {
        "baseline": sum(a) / sum(before),
        "run": sum(b) / sum(after),
        "worse_by": -difference,
        "p": p,
        "lost": name == "clip_success" and len(pairs) >= _FEWEST_CLIPS and -difference > _MOST_CLIPS_LOST,
    }


def _mean_test(name: str, old: list[dict[str, Any]], new: list[dict[str, Any]]) -> dict[str, Any] | None:
    pairs = [(o[name], n[name]) for o, n in zip(old, new, strict=True)]
    pairs = [(o, n) for o, n in pairs if o is not None and n is not None]
    if not pairs:
        return None
    a, b = np.array(pairs).T
    if name == "ber":
        # Error rates change by factors; the smallest rate that a clip's bits can tell from none is added.
        least = 1 / _FEWEST_BITS
        p = paired_rise(np.log(a + least), np.log(b + least), noise=0.1)
        worse = b.mean() - a.mean()
    else:
        p = paired_rise(-a, -b, noise=0.01)
        worse = a.mean() - b.mean()
    return {"baseline": a.mean(), "run": b.mean(), "worse_by": worse, "p": p}


def check(rows: pd.DataFrame, baseline: dict[str, Any]) -> dict[str, Any]:
    """Test a run against a baseline.

    Returns:
        `ok`, `false_accepts`, `level` (of each single test), `checks`: a list of dicts with `system`,
        `attack`, `metric`, `ok`, `baseline`, `run`, `worse_by`, `p` and `message`, and `remarks`: lines on
        what cannot be told (`few_clips`).
    """
    compared: dict[str, dict[str, list[str]]] = {}
    tests: list[dict[str, Any]] = []
    missing: list[dict[str, Any]] = []
    rows = rows.assign(ber=measured_ber(rows))
    for system, attacks in baseline["systems"].items():
        mine = rows[rows["system"] == system]
        for attack, clips in attacks.items():
            part = mine[mine["attack"] == attack]
            held = {str(clip): _counts(r) for clip, r in part.groupby("clip", sort=False)}
            absent = [clip for clip, old in clips.items() if clip not in held or _less(held[clip], old)]
            head = {"system": system, "attack": attack}
            if absent:
                text = f"the run lacks all or part of {len(absent)} of {len(clips)} clips, {absent[0]} first"
                missing.append(
                    head | {"metric": "coverage", "ok": False, "baseline": len(clips)}
                    | {"run": len(clips) - len(absent), "worse_by": len(absent), "p": None, "message": text}
                )  # fmt: skip
            broken = [c for c, n in held.items() if n.get("errors", 0) > clips.get(c, {}).get("errors", 0)]
            if broken:
                first = part[part["clip"].astype(str) == broken[0]]
                first = first[~first["status"].isin(_NO_ERROR)].iloc[0]
                text = f"{len(broken)} clips ended in an error, {broken[0]} first: {first['status']}"
                missing.append(
                    head | {"metric": "errors", "ok": False, "baseline": 0, "run": len(broken)}
                    | {"worse_by": len(broken), "p": None, "message": text}
                )  # fmt: skip
            names = [clip for clip in clips if clip in held]
            if not names:
                continue
            compared.setdefault(system, {})[attack] = names
            old, new = [clips[c] for c in names], [held[c] for c in names]
            for metric in MARGINS:
                test = _mean_test if metric in _MEANS else _share_test
                result = test(metric, old, new)
                if result is not None:
                    tests.append(head | {"metric": metric} | result)
    level = FAMILY_ERROR / max(1, len(tests))
    for t in tests:
        significant = t["p"] < level and t["worse_by"] > MARGINS[t["metric"]]
        lost = t.pop("lost", False)
        t["ok"] = not (significant or lost)
        sign = "rose" if t["metric"] == "ber" else "fell"
        rule = "; more than half of the clips, which fails whatever p is" if lost else ""
        t["message"] = (
            f"{t['metric']} {sign} from {t['baseline']:.4g} to {t['run']:.4g} (p = {t['p']:.1g}{rule})"
            if not t["ok"]
            else ""
        )
    controls = [r for r in quality_rows(rows) if r["category"] == "all"]
    accepts, euls = (sum(r[name] for r in controls) for name in ("false_accepts", "unmarked_euls"))
    unread = {
        name: _unread(rows[rows["system"] == name], attacks) for name, attacks in baseline["systems"].items()
    }
    untested = "".join(f"; {name}: {text}" for name, text in unread.items() if text)
    ok = accepts == 0 and euls > 0 and not untested
    false = {
        "system": "", "attack": "controls", "metric": "false_accepts", "ok": ok, "baseline": 0,
        "run": accepts, "worse_by": accepts, "p": None,
        "message": "" if ok else f"{accepts} false accepts in {euls} EULs without the mark{untested}",
    }  # fmt: skip
    checks = [false, *missing, *tests]
    return {
        "ok": all(c["ok"] for c in checks),
        "level": level,
        "false_accepts": accepts,
        "checks": [from_frame_value(c) for c in checks],
        "remarks": few_clips(compared),
    }


_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped."""


def _xml(text: Any) -> str:
    return _NO_XML.sub("\ufffd", str(text))


def junit(result: dict[str, Any]) -> bytes:
    """The result of `check` as a JUnit XML document, one test case for each check."""
    checks = result["checks"]
    failed = [c for c in checks if not c["ok"]]
    suite = ElementTree.Element(
        "testsuite", name="soundsafe-eval gate", tests=str(len(checks)), failures=str(len(failed))
    )
    for c in checks:
        name = ".".join(part for part in (c["system"], c["attack"]) if part)
        case = ElementTree.SubElement(suite, "testcase", classname=_xml(name), name=_xml(c["metric"]))
        if not c["ok"]:
            ElementTree.SubElement(case, "failure", message=_xml(c["message"]))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _escaped(text: str, more: str = "") -> str:
    """Text as GitHub's workflow commands take it: percent-encoded where a character means something."""
    for character in "%\r\n" + more:
        text = text.replace(character, f"%{ord(character):02X}")
    return text


def github_annotations(result: dict[str, Any], path: str = "") -> list[str]:
    """Lines that GitHub's runners show beside the code: an error for each failed check of `check`'s result.

    `path`: the baseline's file, on which they appear.
    """
    out = []
    for c in result["checks"]:
        if not c["ok"]:
            what = " ".join(part for part in ("gate:", c["system"], c["attack"], c["metric"]) if part)
            where = f"file={_escaped(path, ':,')}," if path else ""
            out.append(f"::error {where}title={_escaped(what, ':,')}::{_escaped(str(c['message']))}")
    return out
