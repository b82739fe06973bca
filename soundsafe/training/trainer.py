"""The loop: seconds of audio in, checkpoints and tables out.

A run's folder holds ``last.safetensors`` (written after each epoch that stayed finite), ``log.csv`` (one row
a step), ``validation.csv`` (one row an epoch and attack), ``tensorboard`` (the log, and the spread of each
layer's gradient norms in each epoch) and, at the end of each phase, ``phase_A`` and so on with
``model.safetensors``, ``table.csv`` and plots. Each step's data, bits and channel come from one generator,
whose state is in the checkpoint: a resumed run does what an uninterrupted one does.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from soundsafe.errors import InputError
from soundsafe.models import matched_layers
from soundsafe.training.board import Board
from soundsafe.training.checkpoint import (
    build_model,
    read_checkpoint,
    restore_optimizer,
    same_run,
    write_atomically,
    write_checkpoint,
)
from soundsafe.training.config import TrainConfig
from soundsafe.training.devices import Step, first_process, launched
from soundsafe.training.evaluation import evaluate, stabilities
from soundsafe.training.plots import images
from soundsafe.training.schedules import PHASES, learning_rate, phase_at
from soundsafe.training.step import draw_bits

__all__ = ["SHOWN", "Diverged", "train_network"]

SHOWN = ("loss", "byte_loss", "perc", "stability", "w_stab", "byte_acc", "payload_ok")
"""What the progress display shows of each step."""

_HISTORY = 50
_RECENT = 5
_EXPLOSION = 20.0


class Diverged(InputError):
    """The loss or a gradient stopped being finite, or rose far above where it was.

    Example:
        >>> raise Diverged("step 7: loss nan")
        Traceback (most recent call last):
            ...
        soundsafe.training.trainer.Diverged: step 7: loss nan
    """


def train_network(
    cfg: TrainConfig,
    train: torch.Tensor,
    validation: torch.Tensor,
    out: Path,
    resume: bool = False,
    report: Callable[[float, dict[str, float]], None] | None = None,
    stop_after: int | None = None,
    groups: Sequence[int] | None = None,
) -> list[dict[str, Any]]:
    """Train the network on seconds of audio, validate it on others.

    With several devices the first process alone reports, writes and returns rows.

    Args:
        cfg: what to train, and how long.
        train: seconds ``[n, 44100]``, float32 in [-1, 1].
        validation: other seconds, of the same kind.
        out: the run's folder, see the module.
        resume: go on from the checkpoint in `out`.
        report: gets the share done, 0 to 1, and the figures of ``SHOWN`` after each step.
        stop_after: end early after that many steps in all, to be resumed.
        groups: of each second of `validation`, for intervals: seconds of a clip belong together.

    Returns:
        The last validation's row, see `soundsafe.training.evaluation.evaluate`.

    Raises:
        InputError: `out` holds a run that is not to be resumed or is another.
        Diverged: training came apart; the last good checkpoint stays.

    Example:
        >>> import tempfile
        >>> cfg, seconds = TrainConfig(steps=10, batch=1, evaluate_every=1), 0.1 * torch.randn(2, 44_100)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     rows = train_network(cfg, seconds, seconds[:1], Path(folder), stop_after=1)
        >>> rows[0]["attack"], 0.0 <= rows[0]["ber"] <= 1.0
        ('none', True)
    """
    data_hash = hashlib.sha256(train.numpy().tobytes() + validation.numpy().tobytes()).hexdigest()
    last = out / "last.safetensors"
    if not resume and last.exists() and first_process():
        raise InputError(f"{out} holds a run: give --resume or another folder")
    fabric = launched(cfg)
    model = build_model(cfg)
    plain = torch.optim.Adam(model.parameters(), lr=cfg.learning_rate)
    module, optimizer = fabric.setup(Step(model, cfg), plain)
    rng = np.random.default_rng(cfg.seed)
    layers = matched_layers(model, cfg.sn_layers)
    start, log, table = 0, _Table(out / "log.csv"), _Table(out / "validation.csv")
    if resume:
        checkpoint = read_checkpoint(last)
        same_run(checkpoint, cfg, data_hash)
        model.load_state_dict(checkpoint.weights)
        restore_optimizer(plain, checkpoint)
        rng.bit_generator.state = checkpoint.rng
        start = checkpoint.step
        log.load(start)
        table.load(start)
    board = Board(out / "tensorboard", start) if fabric.is_global_zero else None
    share = cfg.batch // fabric.world_size
    mine = slice(fabric.global_rank * share, (fabric.global_rank + 1) * share)
    rows: list[dict[str, Any]] = []
    begin = np.zeros(len(validation))
    if fabric.is_global_zero:
        begin = stabilities(build_model(cfg), validation, cfg)
        if not resume and np.isfinite(begin).all():  # else the first step says what is wrong
            first = evaluate(build_model(cfg), validation, cfg, begin, groups)
            table.rows = [{"step": 0, "phase": phase_at(0.0), **row} for row in first]
    if resume and fabric.is_global_zero:
        rows = [row for row in table.rows if row["step"] == start]
    shown = start
    for step in range(start, min(cfg.steps, stop_after or cfg.steps)):
        epoch = step / cfg.steps
        module.train()
        # Every process draws for the whole batch and takes its own seconds.
        x = train[torch.from_numpy(rng.integers(0, len(train), cfg.batch))]
        bits = draw_bits(cfg.batch, cfg, rng)
        rngs = [np.random.default_rng(seed) for seed in rng.integers(2**63, size=cfg.batch)]
        result = module(fabric.to_device(x[mine]), fabric.to_device(bits[mine]), epoch, rngs[mine])
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(cfg, epoch)
        optimizer.zero_grad()
        fabric.backward(result["loss"])
        norms = {f"grad/{name}": _norm(layer) for name, layer in layers.items()}
        norm = float(
            fabric.clip_gradients(module, optimizer, max_norm=cfg.clip_norm, error_if_nonfinite=False)
        )
        names = (*SHOWN, "inv")
        means = fabric.all_reduce(torch.stack([result[n].detach().float().cpu() for n in names]))
        figures = dict(zip(names, means.tolist(), strict=True))
        _check(figures["loss"], norm, [row["loss"] for row in log.rows[-_HISTORY:]], step, last)
        optimizer.step()
        log.rows.append({"step": step + 1, "phase": phase_at(epoch), **figures, "grad_norm": norm, **norms})
        if report is not None and fabric.is_global_zero:
            report((step + 1) / cfg.steps, figures)
        done = step + 1
        ending = [name for name, (_, end) in PHASES.items() if epoch < end <= done / cfg.steps]
        if done % cfg.evaluate_every == 0 or ending or done == cfg.steps:
            if board is None:  # the first process alone evaluates and writes
                fabric.barrier()
                continue
            rows = evaluate(model, validation, cfg, begin, groups)
            table.rows += [{"step": done, "phase": phase_at(epoch), **row} for row in rows]
            state = dict(rng.bit_generator.state)
            for name in ending:
                folder = out / f"phase_{name}"
                write_checkpoint(folder / "model.safetensors", model, plain, cfg, data_hash, done, state)
                size = {"payload_bytes": cfg.rs_payload_bytes}
                ended = _Table(
                    folder / "table.csv", [{"phase": name, "step": done, **size, **row} for row in rows]
                )
                ended.save()
                plots = images(
                    pd.DataFrame(ended.rows), pd.DataFrame(log.rows), name, pd.DataFrame(table.rows)
                )
                for file, data in plots.items():
                    write_atomically(folder / file, data)
            out.mkdir(parents=True, exist_ok=True)
            log.save()
            table.save()
            write_checkpoint(last, model, plain, cfg, data_hash, done, state)
            board.add([row for row in log.rows if row["step"] > shown])
            shown = done
            fabric.barrier()
    if board is not None:
        board.close()
    return rows


def _norm(layer: torch.nn.Module) -> float:
    grads = [p.grad.detach().norm() for p in layer.parameters() if p.grad is not None]
    return float(torch.stack(grads).norm()) if grads else 0.0


def _check(loss: float, norm: float, before: list[float], step: int, last: Path) -> None:
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise Diverged(f"step {step + 1}: loss {loss}, gradient norm {norm}; {_kept(last)}")
    usual = float(np.median(before)) if len(before) == _HISTORY else math.inf
    now = float(np.median([*before[1 - _RECENT :], loss]))  # one second of near silence is no divergence
    if now > _EXPLOSION * usual:
        raise Diverged(f"step {step + 1}: loss {now:.3g} after a median of {usual:.3g}; {_kept(last)}")


def _kept(last: Path) -> str:
    return f"the last good checkpoint is {last}" if last.exists() else "no checkpoint was written yet"


class _Table:
    """Rows that are written whole, by atomic rename."""

    def __init__(self, path: Path, rows: list[dict[str, Any]] | None = None) -> None:
        self.path, self.rows = path, rows or []

    def load(self, step: int) -> None:
        frame = pd.read_csv(self.path)
        self.rows = frame[frame["step"] <= step].to_dict("records")

    def save(self) -> None:
        write_atomically(self.path, pd.DataFrame(self.rows).to_csv(index=False).encode())
