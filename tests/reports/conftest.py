"""Stored runs made up from a few numbers: what a report is given, without a codec."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from soundsafe.eval.analysis.summary import (
    band_rows,
    breakdown_rows,
    quality_rows,
    summary_json,
    summary_rows,
)
from soundsafe.eval.rows import Row, control_of, to_frame

Attack = tuple[str, str, dict[str, Any], float]

CORE: tuple[Attack, ...] = (
    ("none", "control", {}, 0.0),
    ("unmarked", "unmarked", {}, 9.0),
    ("wrong_key", "wrong_key", {}, 9.0),
    ("gain_-3dB", "gain", {"db": -3}, 0.05),
    ("gain_+3dB", "gain", {"db": 3}, 0.1),
    ("mp3_64", "mp3", {"kbps": 64}, 3.0),
    ("mp3_96", "mp3", {"kbps": 96}, 1.9),
    ("mp3_128", "mp3", {"kbps": 128}, 1.0),
    ("mp3_192", "mp3", {"kbps": 192}, 0.4),
    ("aac_128", "aac", {"kbps": 128}, 0.9),
    ("limiter_-3dB", "limiter", {"below_peak_db": 3}, 0.3),
    ("noise_white_20dB", "noise", {"colour": "white", "snr_db": 20}, 2.2),
    ("noise_white_30dB", "noise", {"colour": "white", "snr_db": 30}, 1.1),
    ("noise_white_40dB", "noise", {"colour": "white", "snr_db": 40}, 0.4),
    ("tempo_signalsmith_+5%", "tempo", {"percent": 5}, 3.4),
    ("tempo_signalsmith_-5%", "tempo", {"percent": -5}, 3.4),
    ("pitch_signalsmith_+5%", "pitch", {"factor": 1.05}, 3.8),
)


def made_rows(
    systems: Sequence[tuple[str, float, int]],
    attacks: Sequence[Attack] = CORE,
    clips: Sequence[tuple[str, str]] = tuple((f"clip_{i}", ("music", "speech")[i % 2]) for i in range(8)),
    *,
    euls: int = 6,
    seed: int = 0,
    suite: str = "core",
) -> pd.DataFrame:
    """Rows of systems (name, strength, payload bytes) against attacks of some severity: strength pays."""
    rng = np.random.default_rng(seed)
    rows = []
    for system, strength, payload in systems:
        for number, (clip, category) in enumerate(clips):
            hardness = rng.normal(0, 0.3)
            marking = {
                "snr_db": 30 - 2 * strength + rng.normal(0, 1),
                "zimtohrli": 4e-5 + 2e-5 * rng.random(),
                "lufs_difference": 0.01 * rng.random(),
                "clipped_samples": 0.0,
                "silence_peak": 0.0,
            }
            for attack, family, params, severity in attacks:
                control = bool(control_of(attack))
                margin = strength - severity - hardness
                bers = np.clip(0.5 / (1 + np.exp(3 * (margin + rng.normal(0, 0.2, euls)))), 0, 0.5)
                bers = np.full(euls, 0.5) if control else np.where(bers < 2e-4, 0.0, bers)
                ok = (bers < 0.1) & (not control)
                clip_ok = bool(ok.any())
                first = float(np.argmax(ok) + 1) if clip_ok else np.inf
                for i in range(euls):
                    rows.append(
                        Row(
                            system,
                            suite,
                            attack,
                            family,
                            json.dumps(params),
                            clip,
                            category,
                            f"g{number}",
                            "no",
                            i,
                            ber=float(bers[i]),
                            bits=2040,
                            payload_ok=bool(ok[i]),
                            clip_ok=clip_ok,
                            id_ok=clip_ok,
                            score=float(
                                rng.normal(0, 1) if control else 5 * max(0.0, margin) + rng.normal(0, 1)
                            ),
                            code="ldpc",
                            layer="eul",
                            start_s=float(i),
                            corrected_bytes=0.0,
                            erasures=0.0,
                            offset_error_samples=np.nan if control else 0.0,
                            parity_frames=np.nan if control else float(1 - 0.02 * severity * rng.random()),
                            parity_slots=np.nan if control else float(severity < 2),
                            seed_parity=np.nan if control else 1.0,
                            parity_bits=np.nan if control else float(severity < 3),
                            parity_bands=""
                            if control or system == "null"
                            else ",".join(f"{v:.4g}" for v in 1 - 0.05 * severity * rng.random(24)),
                            speed=1.0,
                            tempo=1.0,
                            pitch=1.0,
                            time_to_payload_s=np.nan if control else first,
                            payload_bytes=payload,
                            clip_s=float(euls),
                            **marking,
                        )
                    )
    return to_frame(rows)


def store(folder: Path, rows: pd.DataFrame, **document: Any) -> Path:
    """A run's folder with these rows, their summary, and the rest of what a run leaves."""
    folder.mkdir(parents=True, exist_ok=True)
    rows.to_parquet(folder / "results.parquet", index=False)
    summary = {"rows": summary_rows(rows), "quality": quality_rows(rows), "parity_by_band": band_rows(rows)}
    summary["breakdown"] = breakdown_rows(summary["rows"])
    (folder / "summary.json").write_bytes(summary_json(summary))
    systems = list(dict.fromkeys(rows["system"]))
    found = {
        "versions": {"soundsafe": "0.1.0", "numpy": "2.4.6"},
        "commit": "c0ffee" * 6 + "c0ff",
        "source": "abcd" * 4,
        "machine": {"system": "Linux", "cores": 2},
        "seed": 0,
        "state": "finished",
        "systems": {s: {"version": "0.1.0", "payload_bytes": 175} for s in systems},
        "configuration": {
            "systems": systems,
            "dataset": "bundled",
            "split": "test",
            "seed": 0,
            "seconds": None,
            "suites": [{"suite": "core", "version": 1}],
            "clips": {c: "0123456789abcdef" for c in rows["clip"].unique()},
            "attacks": list(dict.fromkeys(rows["attack"])),
        },
    }
    (folder / "run.json").write_text(json.dumps(found | document))
    timing = rows.drop_duplicates(["system", "clip", "attack"])[
        ["system", "clip", "category", "attack", "clip_s"]
    ]
    timing = timing.assign(audio_s=timing["clip_s"], embed_s=0.5, attack_s=0.1, decode_s=0.25)
    timing.to_csv(folder / "timing.csv", index=False)
    return folder


@pytest.fixture(scope="session")
def make_rows() -> Callable[..., pd.DataFrame]:
    return made_rows


@pytest.fixture(scope="session")
def make_run() -> Callable[..., Path]:
    return store


@pytest.fixture(scope="session")
def four_systems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The core suite with four systems."""
    systems = [("soundsafe", 3.0, 175), ("perth", 1.5, 4), ("spread-spectrum", 2.2, 2), ("null", -9.0, 0)]
    return store(tmp_path_factory.mktemp("runs") / "core", made_rows(systems))
