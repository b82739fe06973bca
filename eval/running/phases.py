"""The networks of a training run's phases, marked, attacked and read by the bench: a run for each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from soundsafe import attacks
from soundsafe.errors import InputError
from soundsafe.eval.analysis.phases import NO_RUN, PHASES, is_training, suite_table
from soundsafe.eval.frames import table_bytes
from soundsafe.eval.rows import PhaseRow, QualityRow, SummaryRow, control_of
from soundsafe.eval.running import runner
from soundsafe.eval.running.plan import make_plan
from soundsafe.eval.running.store import write_atomically
from soundsafe.eval.systems.network import NetworkSystem
from soundsafe.stft import RATE

__all__ = ["SECONDS", "evaluate_phases"]

SECONDS = 4.0
"""Of each clip in an evaluation of phases: the network has seconds and nothing longer."""


def _delay(attack: str) -> int | None:
    """Samples at 44.1 kHz by which an attack (of two channels) moves the seconds; None: no one figure."""
    return 0 if control_of(attack) else attacks.get(attack).delay_samples(RATE)


def evaluate_phases(
    run: Path,
    suite: str,
    *,
    limit: int | None = None,
    seconds: float = SECONDS,
    jobs: int = 0,
    force: bool = False,
    say: Callable[[str], None] = lambda line: None,
    finished: Callable[[runner.Result], None] = lambda result: None,
) -> list[PhaseRow]:
    """Run a suite on each phase's network and return one row for each phase and attack.

    The bundled dataset's test split, the first `limit` clips, the first `seconds` of each. Each run lies in
    ``phase_X/run``; one that is there and alike is gone on with, another refused unless `force`. What it
    says of the phase is written to ``phase_X/suite.csv`` too.

    `say` is called with what goes on, `finished` is given each phase's run.

    Raises:
        InputError: no training run, a checkpoint missing or not one, safetensors missing, an unknown suite,
            or a run in the way.
    """
    if not is_training(run):
        raise InputError(f"{run}: {NO_RUN}")
    chosen = attacks.suite(suite)
    plans = {}
    for name in PHASES:  # all of them are looked at before any work
        path = run / f"phase_{name}" / "model.safetensors"
        if not path.is_file():
            raise InputError(f"{path} is missing: finish the training (soundsafe train ... --resume)")
        system = NetworkSystem(f"network-{name}", path)
        plans[name] = system, make_plan(system, chosen, "bundled", limit=limit, seconds=seconds)
    for line in dict.fromkeys(line for _, plan in plans.values() for line in plan.left_out):
        say(f"left out: {line}")
    rows: list[PhaseRow] = []
    for name, (system, plan) in plans.items():
        say(f"phase {name}, step {system.step}: {len(plan.clips)} clips, {len(plan.cells)} attacks")
        folder = run / f"phase_{name}" / "run"
        resume = not force and (folder / "run.json").exists()
        try:
            result = runner.run(plan, folder, jobs=jobs, resume=resume, force=force)
        except InputError as error:
            # The runner's advice names an option that this command does not have.
            raise InputError(str(error).removesuffix(", --out goes elsewhere")) from None
        finished(result)
        sound = next(q for q in result.summary.quality if q.category == "all")
        mine = [_row(name, system.step, row, sound) for row in result.summary.rows if row.category == "all"]
        write_atomically(run / f"phase_{name}" / "suite.csv", table_bytes(suite_table(mine)))
        rows += mine
    return rows


def _row(phase: str, step: int, row: SummaryRow, sound: QualityRow) -> PhaseRow:
    return PhaseRow(
        phase=phase,
        step=step,
        suite=row.suite,
        attack=row.attack,
        delay_samples=_delay(row.attack),
        clips=row.clips,
        euls=row.euls,
        failed_euls=row.failed_euls,
        ber=row.ber,
        ber_ci95=row.ber_ci95,
        payload_success=row.payload_success,
        payload_success_ci95=row.payload_success_ci95,
        clip_success=row.clip_success,
        clip_success_ci95=row.clip_success_ci95,
        parity_frames=row.parity_frames,
        snr_db=sound.snr_db,
        zimtohrli=sound.zimtohrli,
    )
