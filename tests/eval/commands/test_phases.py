import json
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from soundsafe.eval.analysis.stored import read_rows
from soundsafe.eval.commands import drawing
from soundsafe.eval.commands.cli import main
from soundsafe.eval.running import phases
from soundsafe.training import TrainConfig
from soundsafe.training.checkpoint import build_model, write_checkpoint


def _training(tmp_path):
    for n, phase in enumerate("AB"):
        (tmp_path / f"phase_{phase}").mkdir()
        rows = [
            {"phase": phase, "step": n, "attack": a, "ber": 0.4 - 0.1 * n, "payload_ok": 0.0, "snr_db": 30.0,
             "stability": 1.0, "parity_frames": 0.9}
            for a in ("none", "mp3_128")
        ]  # fmt: skip
        pd.DataFrame(rows).to_csv(tmp_path / f"phase_{phase}" / "table.csv", index=False)
    log = {"step": [0, 1], "phase": ["A", "B"], "stability": [3.0, 1.0], "w_stab": [0.05, 0.1],
           "grad/a": [1.0, 2.0], "loss": [2.0, 1.0]}  # fmt: skip
    pd.DataFrame(log).to_csv(tmp_path / "log.csv", index=False)


@pytest.mark.slow
def test_phases_become_one_table_and_plots(tmp_path, capsys):
    _training(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["phases", str(tmp_path), "--json"])
    assert end.value.code in (0, None)
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [(r["phase"], r["attack"]) for r in rows] == [
        ("A", "none"), ("A", "mp3_128"), ("B", "none"), ("B", "mp3_128")
    ]  # fmt: skip
    assert rows[2]["ber"] == pytest.approx(0.3)
    assert len(pd.read_csv(tmp_path / "phases.csv")) == 4
    for name in ("ber", "parity", "losses", "stability", "w_stab", "gradient_norms"):
        images = [(tmp_path / part / f"{name}.png").read_bytes() for part in ("", "phase_A", "phase_B")]
        assert all(image[:4] == b"\x89PNG" for image in images)
        assert len(set(images)) == 3, name


@pytest.mark.slow
def test_what_the_bench_measured_stands_beside_what_training_did(tmp_path, capsys):
    _training(tmp_path)
    for phase in "AB":
        path = tmp_path / f"phase_{phase}" / "table.csv"
        table = pd.read_csv(path).head(1)
        more = {"payload_bytes": 1, "seconds": 115, "stability_start": 20.0, "stability_share": 0.04,
                "stability_share_low": 0.02, "stability_share_high": 0.07}  # fmt: skip
        table.assign(**more).to_csv(path, index=False)
        rows = {"phase": phase, "step": table["step"].iloc[0], "attack": ["none", "mp3_192"],
                "ber": [0.1, 0.2], "payload_ok": [1.0, 0.5], "parity_frames": [0.9, 0.8]}  # fmt: skip
        pd.DataFrame(rows).to_csv(tmp_path / f"phase_{phase}" / "suite.csv", index=False)
    assert _run(tmp_path) == 0
    shown = capsys.readouterr().out
    assert "phase B: 1 byte a second; stability 4.0 % of its start (95 %: 2.0 to 7.0; goal 5)" in shown
    table = pd.read_csv(tmp_path / "phases.csv")
    assert list(table["attack"]) == ["none", "mp3_192", "held_out"] * 2
    assert table["stable"].all()
    assert list(table["stability_share"]) == [0.04] * 6
    assert (tmp_path / "payload.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.slow
def test_what_was_not_measured_is_null(tmp_path, capsys):
    _training(tmp_path)
    table = pd.read_csv(tmp_path / "phase_A" / "table.csv").assign(snr_db=[float("inf"), float("nan")])
    table.to_csv(tmp_path / "phase_A" / "table.csv", index=False)
    assert _run(tmp_path, "--json") == 0
    rows = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)["rows"]
    assert [r["snr_db"] for r in rows] == [None, None, 30.0, 30.0]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("phase_A/table.csv", b"", "phase_A/table.csv is empty"),
        ("phase_A/table.csv", b"phase,step\nA,1\n", "phase_A/table.csv lacks the columns attack"),
        ("phase_A/table.csv", b"phase,step,attack,ber\n", "phase_A/table.csv holds no rows"),
        ("phase_A/table.csv", b"phase,step,attack,ber\nA,1,none,low\n", "ber"),
        ("phase_A/table.csv", b"phase,step,attack,ber\nB,1,none,0\n", "twice"),
        ("log.csv", b"\xff\xfe", "log.csv is empty or not a table"),
        ("log.csv", None, "log.csv: No such file"),
    ],
)
def test_damaged_training_is_one_line_and_writes_nothing(tmp_path, capsys, name, content, says):
    _training(tmp_path)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    before = set(tmp_path.iterdir())
    assert _run(tmp_path) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert set(tmp_path.iterdir()) == before


def test_a_folder_without_phases_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["phases", str(tmp_path)])
    assert end.value.code == 2
    assert "no phase" in capsys.readouterr().err


def _run(*arguments):
    with pytest.raises(SystemExit) as end:
        main(["phases", *map(str, arguments)])
    return end.value.code or 0


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The checkpoints of a training run, of networks that have learned nothing."""
    pytest.importorskip("safetensors")
    out = tmp_path_factory.mktemp("trained") / "run"
    for phase, step in (("A", 3), ("B", 6), ("C", 10)):
        cfg = TrainConfig(rs_payload_bytes=1, steps=10, seed=step, sn_enable=False)
        model = build_model(cfg)
        state = dict(np.random.default_rng(0).bit_generator.state)
        path = out / f"phase_{phase}" / "model.safetensors"
        write_checkpoint(path, model, torch.optim.Adam(model.parameters()), cfg, "0" * 64, step, state)
    return out


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "few.toml"
    path.write_text('suite = "few"\nversion = 1\ndescription = "-"\nattacks = ["gain_-3dB", "shift_10"]\n')
    return path


@pytest.fixture
def drawn(monkeypatch):
    """One clip of one second, in this process; the folders that would have been drawn in."""
    whole, folders = phases.evaluate_phases, []

    def few(run, suite, **options):
        return whole(run, suite, **options | {"limit": 1, "seconds": 1.0, "jobs": 0})

    monkeypatch.setattr(phases, "evaluate_phases", few)
    monkeypatch.setattr(drawing, "draw", lambda summary, rows, folder: folders.append(folder))
    return folders


@pytest.mark.slow
def test_a_suite_is_run_on_the_network_of_each_phase(trained, suite, drawn, capsys):
    assert _run(trained, "--suite", suite) == 0
    shown = capsys.readouterr().out
    assert "the sync pattern is found, else from sample 0" in shown
    assert "kept" in shown
    assert "+10" in shown
    table = pd.read_csv(trained / "phases_suite.csv")
    assert list(table["phase"].unique()) == ["A", "B", "C"]
    assert list(table["step"].unique()) == [3, 6, 10]
    first = table[table["phase"] == "A"].set_index("attack")
    marked = {a for a in first.index if not a.startswith("unmarked")}
    assert marked == {"none", "wrong_key", "gain_-3dB", "shift_10"}
    assert first.loc["shift_10", "delay_samples"] == 10
    assert first.loc["none", "clips"] == 1
    assert drawn == [trained / f"phase_{phase}" / "run" for phase in "ABC"]
    for phase in "ABC":
        folder = trained / f"phase_{phase}" / "run"
        rows = read_rows(folder)
        mine = table[table["phase"] == phase].set_index("attack")
        for attack, part in rows.groupby("attack"):
            assert mine.loc[attack, "ber"] == pytest.approx(part["ber"].mean(), abs=1e-5)
            assert set(part["bits"]) == {520}
        assert rows["parity_frames"].notna().any()
        told = json.loads((folder / "run.json").read_text())["systems"][f"network-{phase}"]
        assert "sync pattern" in told["alignment"]
        suite_rows = pd.read_csv(trained / f"phase_{phase}" / "suite.csv").set_index("attack")
        assert suite_rows.loc["none", "ber"] == mine.loc["none", "ber"]
    # The same again goes on with what is there; another suite is not mixed in.
    stored = [trained / f"phase_{p}" / "run" / "results.parquet" for p in "ABC"]
    before = [path.read_bytes() for path in stored]
    assert _run(trained, "--suite", suite, "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["rows"]) == len(table)
    assert [path.read_bytes() for path in stored] == before
    suite.write_text('suite = "other"\nversion = 1\ndescription = "-"\nattacks = ["polarity"]\n')
    assert _run(trained, "--suite", suite) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert "--force starts afresh" in line
    assert "--out" not in line


def test_what_cannot_be_evaluated_is_refused_in_one_line_before_any_work(trained, suite, tmp_path, capsys):
    part = tmp_path / "part"
    shutil.copytree(trained / "phase_A", part / "phase_A", ignore=lambda folder, names: ["run"])
    for arguments, said in (
        ((trained, "--suite", "nonsense"), "nonsense"),
        ((tmp_path / "nowhere", "--suite", suite), "no phase of a training run"),
        ((tmp_path, "--suite", suite), "no phase of a training run"),
        ((part, "--suite", suite), "phase_B"),
        ((trained, "--force"), "--suite"),
    ):
        assert _run(*arguments) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
    assert not (part / "phase_A" / "run").exists()


def test_without_the_extra_the_line_names_it(trained, suite, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    assert _run(trained, "--suite", suite) == 2
    error = capsys.readouterr().err
    assert "soundsafe[train]" in error
    assert error.count("\n") == 1
