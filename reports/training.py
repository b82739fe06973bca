"""Sections on a training run: a section across its rollout phases, and one for each of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from soundsafe.errors import InputError
from soundsafe.eval.analysis.phases import STABLE, phase_table, read_table
from soundsafe.reports import format as fmt
from soundsafe.reports.axes import decades, fitting, share_axis
from soundsafe.reports.cells import name_cell, share_level
from soundsafe.reports.model import (
    Beside,
    Block,
    Column,
    Figure,
    Folded,
    Report,
    Section,
    Table,
    TableCell,
    Text,
    Tile,
    Tiles,
    Verdict,
    Verdicts,
)  # fmt: skip
from soundsafe.reports.svg import Axis, Panel, Point, Series, dots, field, lines

__all__ = ["STABLE", "Training", "phase_sections", "read_training", "training_report"]

_PLACES = 200
"""Points of a line: the mean of a stretch of steps each."""

_NEEDED = ("step", "phase", "stability", "w_stab")


@dataclass(frozen=True)
class Training:
    """`table`: a row for each phase and attack (`eval.phases.phase_table`). `log`: one for each step."""

    name: str
    table: pd.DataFrame
    log: pd.DataFrame

    @property
    def phases(self) -> list[str]:
        return [str(p) for p in dict.fromkeys(self.table["phase"])]

    def steps(self, phase: str | None = None) -> pd.DataFrame:
        return self.log if phase is None else self.log[self.log["phase"] == phase]

    def share(self, phase: str) -> tuple[float | None, float | None, float | None]:
        """Held-out stability loss at a phase's end as a share of that of step 0, and its 95 % interval."""
        low, high = (_last(self, phase, f"stability_share_{end}") for end in ("low", "high"))
        return _last(self, phase, "stability_share"), low, high

    def share_text(self, phase: str) -> str:
        """`share` in words."""
        share, low, high = self.share(phase)
        if share is None:
            return "not measured against its start"
        return f"{fmt.percent(share)} % of the start (95 %: {fmt.percent(low)} to {fmt.percent(high)})"


def read_training(folder: Path) -> Training:
    """The folder of `soundsafe train`.

    Raises:
        InputError: no phase in it, or a table that is missing or damaged.
    """
    table, log = phase_table(folder), read_table(folder / "log.csv", _NEEDED)
    if "payload_ok" not in table:
        raise InputError(f"{folder}: its phases' tables lack the column payload_ok")
    return Training(folder.resolve().name or "training", table, log)


def _line(steps: pd.Series, values: pd.Series, name: str, index: int) -> Series | None:
    """Means of stretches of steps, so that a long run stays readable."""
    known = pd.DataFrame({"x": steps, "y": values}).replace([np.inf, -np.inf], np.nan).dropna()
    if not len(known):
        return None
    size = math.ceil(len(known) / _PLACES)
    means = known.groupby(np.arange(len(known)) // size).mean()
    places = [(float(x), float(y)) for x, y in means.itertuples(index=False)]
    return Series(name, index, tuple(Point(x, y, tip=f"{name}, step {x:.0f}: {y:.4g}") for x, y in places))


def _panel(
    title: str, found: Sequence[Series | None], *, log: bool = False, reference: float | None = None
) -> Panel | None:
    series = tuple(s for s in found if s is not None)
    points = [p for s in series for p in s.points if p is not None]
    if not points:
        return None
    values = [p.y for p in points] + ([] if reference is None else [reference])
    y: Axis = decades(values, "") if log else fitting(values, "", zero=True)
    x = fitting([p.x for p in points], "step", most=5)
    return Panel(title, x, y, series, marks=len(points) <= 24, reference=reference)


def _curves(t: Training, phase: str | None) -> Figure | None:
    """Stability, its weight, loss and gradient norms over the steps of a phase, or of the run."""
    part = t.steps(phase)
    steps = part["step"]
    start = _last(t, t.phases[-1], "stability_start")
    limit = None if start is None else STABLE * start
    gradients = part.filter(like="grad/")
    stability = _line(steps, part["stability"], "stability loss", 0)
    panels = [
        _panel("Stability loss", [stability], log=True, reference=limit),
        _panel("Weight of the stability loss", [_line(steps, part["w_stab"], "w_stab", 1)]),
    ]
    if "loss" in part:
        panels.append(_panel("Loss, all terms", [_line(steps, part["loss"], "loss", 2)]))
    if gradients.shape[1]:
        found = [
            _line(steps, gradients.quantile(q, axis=1), name, 3 + i)
            for i, (q, name) in enumerate(((0.0, "smallest"), (0.5, "median layer"), (1.0, "largest")))
        ]
        panels.append(_panel("Gradient norms of the normalised layers", found, log=True))
    kept = [p for p in panels if p is not None]
    if not kept:
        return None
    where = "Over the whole run" if phase is None else f"Phase {phase}"
    line = (
        f" The dashed line: {100 * STABLE:.0f} % of the stability loss's start on held-out audio."
        if limit
        else ""
    )
    if (part["stability"] == 0).any():
        line += " Steps without any loss of stability stand at the lower end."
    data = tuple(
        (p.title, s.name, q.x, q.y) for p in kept for s in p.series for q in s.points if q is not None
    )
    return Figure(
        f"training-{'all' if phase is None else phase.lower()}",
        f"{where}, step by step.{line}",
        "Line charts over training steps: " + ", ".join(p.title for p in kept),
        lines(kept, height=150),
        ("chart", "line", "step", "value"),
        data,
    )


def _field(
    t: Training,
    column: str,
    title: str,
    name: str,
    text: Callable[[float], str],
    level: Callable[[float], int],
) -> Figure:
    """A figure of each attack at the end of each phase, as a field."""
    attacks = [str(a) for a in dict.fromkeys(t.table["attack"])]
    keys = zip(t.table["phase"].astype(str), t.table["attack"].astype(str), strict=True)
    held = dict(zip(keys, map(fmt.number, t.table[column].astype(float)), strict=True))
    cells: list[list[tuple[int, str, str] | None]] = []
    data = []
    for a in attacks:
        line: list[tuple[int, str, str] | None] = []
        for phase in t.phases:
            value = held.get((phase, a))
            data.append((phase, a, value))
            tip = "" if value is None else f"phase {phase}, {a}: {text(value)} %"
            line.append(None if value is None else (level(value), text(value), tip))
        cells.append(line)
    return Figure(
        f"training-{name}",
        f"{title} at the end of each phase, in per cent; the stronger the colour, the worse.",
        f"Field of {len(attacks)} attacks by {len(t.phases)} phases: {title.lower()}. The tables of the "
        "phases hold the same figures.",
        field(attacks, [(f"phase {p}", k) for k, p in enumerate(t.phases)], cells, width=560),
        ("phase", "attack", column),
        tuple(data),
    )


def _errors(t: Training) -> Figure:
    """Bit errors by attack and phase; half of the bits wrong is guessing."""
    return _field(t, "ber", "Bit error rate", "ber", fmt.ber, lambda v: share_level(max(0.0, 1 - 2 * v)))


def _payload(t: Training) -> Figure:
    """Share of seconds that decode, by attack and phase."""
    return _field(t, "payload_ok", "Seconds that decode", "payload", fmt.whole_percent, share_level)


def _parity(t: Training) -> Figure | None:
    if "parity_frames" not in t.table:
        return None
    shares = [(p, fmt.number(_last(t, p, "parity_frames"))) for p in t.phases]
    points = tuple(
        None if v is None else Point(v, tip=f"phase {p}: {fmt.percent(v)} % of frames") for p, v in shares
    )
    if not any(points):
        return None
    return Figure(
        "training-parity",
        "Allocator parity at the end of each phase: share of frames whose quantised features are equal in "
        "original and marked audio.",
        f"Dot plot of parity for {len(shares)} phases.",
        dots([f"phase {p}" for p, _ in shares], [Series("parity", 0, points)], share_axis("frames")),
        ("phase", "parity_frames"),
        tuple(shares),
    )


def _last(t: Training, phase: str, column: str) -> float | None:
    """A figure of the end of a phase that is the same for all attacks."""
    if column not in t.table:
        return None
    values = t.table.loc[t.table["phase"] == phase, column].tolist()
    return fmt.number(float(values[0])) if values else None


def _number(value: float | None, digits: int = 3) -> TableCell:
    return TableCell(fmt.DASH if value is None else f"{value:.{digits}g}", value)


def _interval(low: float | None, high: float | None) -> TableCell:
    known = low is not None and high is not None
    return TableCell(f"{fmt.percent(low)} to {fmt.percent(high)}" if known else fmt.DASH)


def _share(value: float | None) -> TableCell:
    return TableCell(fmt.percent(value), value)


def _across(t: Training) -> Table:
    columns = (
        Column("Phase"), Column("Step", True), Column("Stability loss, held out", True),
        Column("Of the start %", True, help="of the same seconds with the untrained network"),
        Column("95 %", True),
        Column("w_stab", True, help="at the phase's last step"), Column("Parity, frames %", True),
        Column("SNR, dB", True), Column("BER, no attack %", True), Column("BER, worst %", True),
        Column("Worst attack"),
    )  # fmt: skip
    rows = []
    for phase in t.phases:
        mine = t.table[t.table["phase"] == phase]
        steps = t.steps(phase)
        clean = mine.loc[mine["attack"] == "none", "ber"]
        worst = mine.loc[mine["ber"].idxmax()] if mine["ber"].notna().any() else None
        step = int(mine["step"].iloc[0])
        rows.append((
            name_cell(phase), TableCell(fmt.count(step), step), _number(_last(t, phase, "stability"), 4),
            _share(t.share(phase)[0]), _interval(*t.share(phase)[1:]),
            _number(float(steps["w_stab"].iloc[-1]) if len(steps) else None),
            _share(_last(t, phase, "parity_frames")), TableCell(*_decibel(_last(t, phase, "snr_db"))),
            _ber(float(clean.iloc[0]) if len(clean) else None),
            _ber(None if worst is None else float(worst["ber"])),
            name_cell(fmt.DASH if worst is None else worst["attack"]),
        ))  # fmt: skip
    caption = "The phases side by side, each measured at its end on audio that was not trained on."
    return Table("phases", caption, columns, tuple(rows))


def _decibel(value: float | None) -> tuple[str, float | None]:
    return fmt.decibel(value), value


def _ber(value: float | None) -> TableCell:
    return TableCell(fmt.ber(value), fmt.number(value))


def _layers(t: Training) -> Table | None:
    names = [c for c in t.log.columns if c.startswith("grad/")]
    if not names:
        return None
    columns = [Column("Layer")]
    for p in t.phases:
        columns += [Column("median", True, f"Phase {p}"), Column("largest", True, f"Phase {p}")]
    rows = []
    for name in names:
        cells = [name_cell(name.removeprefix("grad/"))]
        for p in t.phases:
            values = t.steps(p)[name].dropna()
            cells += [_number(fmt.number(float(v))) if len(values) else TableCell(fmt.DASH)
                      for v in ((values.median(), values.max()) if len(values) else (0.0, 0.0))]  # fmt: skip
        rows.append(tuple(cells))
    caption = "Gradient norm of each spectrally normalised layer, over the steps of each phase."
    return Table("gradients", caption, tuple(columns), tuple(rows), pdf=len(rows) <= 40)


def _verdicts(t: Training) -> Verdicts:
    stable, kept, read = [], [], []
    for p in t.phases:
        share = t.share(p)[0]
        stable.append(Verdict(None if share is None else share <= STABLE, t.share_text(p)))
        value = _last(t, p, "parity_frames")
        kept.append(Verdict(None if value is None else value >= 1, f"{fmt.percent(value)} % of frames"))
        clean = t.table.loc[(t.table["phase"] == p) & (t.table["attack"] == "none"), "payload_ok"]
        ok = fmt.number(float(clean.iloc[0])) if len(clean) else None
        read.append(Verdict(None if ok is None else ok >= 1, f"{fmt.percent(ok)} % of seconds, unattacked"))
    return Verdicts(
        "training-verdicts",
        "What a rollout should show at the end of each phase.",
        tuple(f"phase {p}" for p in t.phases),
        (
            (f"Stability loss at most {100 * STABLE:.0f} %", tuple(stable)),
            ("Allocator parity", tuple(kept)),
            ("Payload reads back", tuple(read)),
        ),
    )


def _phase(t: Training, phase: str) -> Section:
    mine, steps = t.table[t.table["phase"] == phase], t.steps(phase)
    if len(steps):
        low, high = (fmt.count(int(v)) for v in (steps["step"].iloc[0], steps["step"].iloc[-1]))
        span, weights = f"{low}–{high}", steps["w_stab"]
        weight = f"{weights.iloc[0]:.2g}–{weights.iloc[-1]:.2g}".replace("-", "−")
    else:
        span = weight = fmt.DASH
    goal = f"goal: at most {100 * STABLE:.0f} %"
    tiles = Tiles((
        Tile("steps", span),
        Tile("of the stability loss's start", f"{fmt.percent(t.share(phase)[0])} %", goal),
        Tile("w_stab", weight),
        Tile("frames with equal features", f"{fmt.percent(_last(t, phase, 'parity_frames'))} %"),
        Tile("SNR, dB", fmt.decibel(_last(t, phase, "snr_db"))),
    ))  # fmt: skip
    rows = tuple(
        (name_cell(r.attack), _ber(float(r.ber)), _share(fmt.number(float(r.payload_ok))))
        for r in mine.itertuples()
    )
    columns = (Column("Attack"), Column("BER %", True), Column("Seconds that decode %", True))
    curves = _curves(t, phase)
    blocks: list[Block] = [tiles, *([curves] if curves else [])]
    caption = f"Phase {phase}: bit errors and payload by attack."
    blocks += [
        Table(f"phase-{phase.lower()}", caption, columns, rows),
        Text(f"From `log.csv` and, in `phase_{phase}`, `table.csv` and `suite.csv`.", "source"),
    ]
    return Section(f"phase-{phase.lower()}-section", f"Phase {phase}", tuple(blocks))


def phase_sections(t: Training) -> list[Section]:
    """One section across the phases, made to be read in two minutes; closed, one for each that has ended."""
    across: list[Block] = [_verdicts(t)]
    if len(t.table) > 1:  # one cell is in the table below
        across.append(Beside((_errors(t), _payload(t)), (1, 1)))
    curves = _curves(t, None)
    across += [*([curves] if curves is not None else []), _across(t)]
    more = [b for b in (_parity(t), _layers(t)) if b is not None]
    if more:
        across.append(Folded("Parity of each phase, gradient norm of each layer", tuple(more)))
    across.append(Text(f"The same as a table: `soundsafe-eval phases {t.name}`.", "source"))
    title = f"Training: phases of {t.name}"
    phases = (replace(_phase(t, p), folded=True, gist="step by step, and every attack") for p in t.phases)
    return [Section("training", title, tuple(across)), *phases]


def training_report(t: Training, title: str | None = None) -> Report:
    """The report of a training run alone."""
    facts = (("Phases", ", ".join(t.phases)), ("Steps", fmt.count(int(t.log["step"].max()))))
    return Report(
        title or "How the training went",
        f"{t.name}: stability, parity and bit errors by phase",
        tuple(phase_sections(t)),
        facts,
    )
