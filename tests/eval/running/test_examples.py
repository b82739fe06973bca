"""Clips of a run marked again: the same audio that the run had, from whatever systems are at hand."""

from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from soundsafe import datasets
from soundsafe.errors import InputError
from soundsafe.eval import evaluate
from soundsafe.eval.analysis.stored import read_run, run_document
from soundsafe.eval.running import examples, seeds
from soundsafe.eval.running.audio_store import digest_of_audio
from soundsafe.eval.systems.interface import Found, Marked, SimpleSystem


class _Own(SimpleSystem):
    name, payload_bytes = "own", 1

    def embed(self, audio: Any, rate: int, payload: bytes, key: bytes) -> Marked:
        return Marked(0.999 * audio)

    def decode(self, audio: Any, rate: int, key: bytes) -> Found:
        return Found(False, None)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two registered systems and one given as an object."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    evaluate(["spread-spectrum", "null", _Own()], ["none", "unmarked"], limit=1, seconds=3, out=folder)
    return folder


def _document(run: Path) -> dict[str, Any]:
    return dict(json.loads((run / "run.json").read_text()))


@pytest.mark.slow
def test_marked_again_it_holds_the_runs_payload(run: Path) -> None:
    document = _document(run)
    (clip,) = document["configuration"]["clips"]
    system = examples.system_of(run, run_document(document), "spread-spectrum")
    (again,) = examples.mark_again(run_document(document), system, [clip])
    assert again.marked.shape == again.clean.shape == (again.clean.shape[0], 3 * again.rate)
    seed = document["seed"]
    found = system.decode(again.marked, again.rate, seeds.bench_key(seed))
    assert found.payload == seeds.payload_of(seed, clip, system.payload_bytes)
    with pytest.raises(InputError, match="clip elsewhere of the run is not in dataset bundled"):
        examples.mark_again(run_document(document), system, ["elsewhere"])


@pytest.mark.slow
def test_another_system_by_now_does_not_mark_again(run: Path) -> None:
    document = _document(run)
    (clip,) = document["configuration"]["clips"]
    system = examples.system_of(run, run_document(document), "spread-spectrum")
    document["systems"]["spread-spectrum"] |= {"version": "0", "amount_db": 9.0}
    with pytest.raises(InputError, match=r"as the run did: its .*amount_db.* are not the run's") as caught:
        examples.mark_again(run_document(document), system, [clip])
    assert "minimum_s" not in str(caught.value)


@pytest.mark.slow
def test_what_can_be_marked_again_is_where_something_else_cannot(command: Any, tmp_path: Path) -> None:
    """One clip's file is another one by now, and one system another one: the rest can be heard."""
    data, folder = tmp_path / "data", tmp_path / "run"
    data.mkdir()
    for i, clip in enumerate(datasets.load("bundled").clips[:2]):
        audio, rate = clip.read()
        soundfile.write(data / f"c{i}.wav", audio[:, : 3 * rate].T, rate)
    evaluate(["spread-spectrum", "qim"], ["none", "unmarked"], data, out=folder)
    document = _document(folder)
    document["systems"]["qim"]["step"] = 1.0
    (folder / "run.json").write_text(json.dumps(document))
    with (data / "c0.wav").open("ab") as file:
        file.write(b"more")
    page, report = tmp_path / "page.html", tmp_path / "r.html"
    lines = [
        f"{data / 'c0.wav'} is not the file that the run had as c0",
        "qim cannot mark again as the run did: its step is not the run's",
    ]
    for words in (("listen", folder, "--out", page), ("report", folder, "--audio", 2, "--html", report)):
        code, _, err = command(*words)
        assert (code, sorted(err.splitlines())) == (0, sorted(f"left out: {line}" for line in lines))
    (key,) = (folder / "listening").glob("*.json")
    heard = {(c["clip"], c["condition"]) for c in json.loads(key.read_text())["conditions"].values()}
    assert heard == {("c1", name) for name in ("spread-spectrum", "reference", "anchor")}
    assert "qim cannot mark again" in report.read_text()


@pytest.mark.slow
def test_systems_of_one_name_in_two_runs_are_two_conditions(
    run: Path, command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = tmp_path / "again"
    evaluate(["null", "spread-spectrum"], ["none", "unmarked"], limit=1, seconds=3, seed=1, out=again)
    code, out, _ = command("listen", run, again, "--clips", 1, "--out", tmp_path / "page.html", "--json")
    assert code == 0
    key = json.loads((run / "listening" / f"{json.loads(out)['test']}.json").read_text())
    systems = [f"{name} ({of})" for of in ("run", "again") for name in ("null", "spread-spectrum")]
    assert sorted(key["systems"]) == sorted(systems)
    conditions = sorted(c["condition"] for c in key["conditions"].values())
    assert conditions == sorted([*systems, "anchor", "reference"])
    code, _, _ = command("report", run, again, "--audio", 1, "--html", tmp_path / "r.html")
    assert code == 0
    text = (tmp_path / "r.html").read_text()
    for name in ("spread-spectrum (run)", "spread-spectrum (again)"):
        assert f">{name}, " in text


def test_facts_are_the_manifests_wherever_the_file_lies(tmp_path: Path) -> None:
    audio, rate = datasets.load("bundled").clips[0].read()
    (tmp_path / "data" / "sub").mkdir(parents=True)
    for name in ("sub/x.wav", "y.wav"):
        soundfile.write(tmp_path / "data" / name, audio[:, : 3 * rate].T, rate)
    (tmp_path / "data" / "manifest.csv").write_text(
        "clip,file,genre,license\nx, sub/x.wav ,march,MIT\ny, y.wav,waltz,CC0-1.0\n"
    )
    run = tmp_path / "run"
    evaluate(["null"], ["none", "unmarked"], tmp_path / "data", out=run)
    facts = examples.clip_facts(run_document(_document(run)))
    assert [(f["clip"], f["genre"], f["license"], f["category"]) for f in facts] == [
        ("x", "march", "MIT", "all"), ("y", "waltz", "CC0-1.0", "all"),
    ]  # fmt: skip


@pytest.mark.slow
def test_what_cannot_mark_again_is_left_out_and_named(run: Path, command: Any, tmp_path: Path) -> None:
    line = "own is not registered as a system: it cannot mark again"
    code, _, err = command("report", run, "--audio", 1, "--html", tmp_path / "r.html")
    assert (code, err) == (0, f"left out: {line}\n")
    text = (tmp_path / "r.html").read_text()
    assert text.count("<audio") == 3  # original, marked, difference; null marks nothing
    assert f"Not to be heard here: {line}." in text
    code, _, err = command("listen", run, "--clips", 1, "--out", tmp_path / "page.html")
    assert (code, err) == (0, f"left out: {line}\n")
    assert (tmp_path / "page.html").stat().st_size > 10_000


def test_a_run_of_peers_that_are_gone_is_one_line(
    run: Path, command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    evaluate([_Own()], ["none", "unmarked"], limit=1, seconds=2, out=folder)
    for name in ("run.json", "summary.json"):
        text = (folder / name).read_text().replace('"own"', '"wavmark"')
        (folder / name).write_text(text)
    rows = pd.read_parquet(folder / "results.parquet").assign(system="wavmark")
    rows.to_parquet(folder / "results.parquet")
    monkeypatch.setenv("SOUNDSAFE_PYTHON_WAVMARK", str(tmp_path / "nowhere"))
    for arguments in (("report", folder, "--audio", 1, "--html", tmp_path / "r.html"), ("listen", folder)):
        code, out, err = command(*arguments)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert "wavmark is not installed: soundsafe-eval peer install wavmark" in err
    assert not (tmp_path / "r.html").exists()


@pytest.mark.slow
def test_a_networks_checkpoint_lies_beside_its_run(tmp_path: Path, run: Path) -> None:
    pytest.importorskip("safetensors")
    import torch

    from soundsafe.eval.systems.network import NetworkSystem
    from soundsafe.training.checkpoint import build_model, write_checkpoint
    from soundsafe.training.config import TrainConfig

    config = TrainConfig(rs_payload_bytes=2, sn_enable=False)
    model = build_model(config)
    state = dict(np.random.default_rng(0).bit_generator.state)
    path = tmp_path / "phase_A" / "model.safetensors"
    path.parent.mkdir()
    write_checkpoint(path, model, torch.optim.Adam(model.parameters()), config, "0" * 64, 5, state)
    made = NetworkSystem("network-A", path)
    folder = path.parent / "run"
    evaluate([made], ["none", "unmarked"], limit=1, seconds=2, out=folder)
    document = _document(folder)
    system = examples.system_of(folder, run_document(document), "network-A")
    (clip,) = document["configuration"]["clips"]
    (again,) = examples.mark_again(run_document(document), system, [clip])
    payload = seeds.payload_of(document["seed"], clip, 2)
    key = seeds.bench_key(document["seed"])
    np.testing.assert_array_equal(again.marked, made.embed(again.clean, again.rate, payload, key).audio)

    write_checkpoint(path, model, torch.optim.Adam(model.parameters()), config, "0" * 64, 6, state)
    with pytest.raises(InputError, match="another checkpoint than the run's"):
        examples.system_of(folder, run_document(document), "network-A")
    shutil.move(path, tmp_path / "elsewhere")
    with pytest.raises(InputError, match="its checkpoint is not at"):
        examples.system_of(folder, run_document(document), "network-A")


@pytest.mark.slow
def test_attacked_again_it_is_the_audio_that_the_run_read(tmp_path: Path) -> None:
    attacks = ["none", "unmarked", "noise_white_5dB", "tempo_signalsmith_+5%", "cut_0.1s"]
    evaluate(["spread-spectrum"], attacks, limit=1, seconds=3, out=tmp_path / "run")
    stored = read_run(tmp_path / "run")
    (clip,) = stored.frame["clip"].unique()
    # The other two move the audio by no one figure, and versions play in step.
    assert examples.telling_attack(stored.frame, "spread-spectrum", clip) == "noise_white_5dB"
    system = examples.system_of(tmp_path / "run", stored.document, "spread-spectrum")
    (marked,) = examples.mark_again(stored.document, system, [clip])
    heard = examples.attack_again(stored.document, marked, "noise_white_5dB", stored.frame)
    rows, n = stored.frame[stored.frame["attack"] == "noise_white_5dB"], marked.rate
    assert digest_of_audio(heard.attacked) == rows["attacked_sha256"].iloc[0]
    assert (heard.outcome == "still reads") is bool(rows["clip_ok"].iloc[0])
    coded = examples.attack_again(stored.document, marked, "mp3_128", stored.frame).attacked
    assert coded is not None
    assert np.corrcoef(coded[0, :n], marked.marked[0, :n])[0, 1] > 0.98  # moved back by the codec's delay
    found = examples.mp3_distance(stored.document)
    assert found is not None
    assert 1e-5 < found[0] < 1e-3
    assert found[1] == 1
    assert stored.times.seconds is not None
    assert 0 < stored.times.seconds < 600
    assert datetime.fromisoformat(stored.times.finished).tzinfo is not None


def test_the_telling_attack_is_the_one_at_the_edge() -> None:
    clips = {"mp3_320": (1, 1), "mp3_128": (0, 1), "mp3_64": (0, 0), "unmarked": (0, 0)}
    rows = pd.DataFrame(
        [
            {
                "system": "s",
                "status": "ok",
                "attack": a,
                "clip": c,
                "clip_ok": bool(ok),
                "payload_ok": bool(ok),
            }
            for a, oks in clips.items()
            for c, ok in zip("xy", oks, strict=True)
        ]
    )
    assert examples.telling_attack(rows, "s", "x") == "mp3_128"
    assert examples.telling_attack(rows, "s", "y") == "mp3_64"
    assert examples.telling_attack(rows[rows["attack"] == "mp3_320"], "s", "x") == "mp3_320"
    assert examples.telling_attack(rows[rows["attack"] == "unmarked"], "s", "x") == ""
