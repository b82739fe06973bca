import json

import pandas as pd
import pytest

from soundsafe.eval.cli import main


def test_phases_become_one_table_and_plots(tmp_path, capsys):
    for n, phase in enumerate("AB"):
        (tmp_path / f"phase_{phase}").mkdir()
        rows = [
            {"phase": phase, "step": n, "attack": a, "ber": 0.4 - 0.1 * n, "payload_ok": 0.0, "snr_db": 30.0,
             "stability": 1.0, "parity_frames": 0.9}
            for a in ("none", "mp3_128")
        ]  # fmt: skip
        pd.DataFrame(rows).to_csv(tmp_path / f"phase_{phase}" / "table.csv", index=False)
    log = {"step": [1, 2], "stability": [3.0, 1.0], "w_stab": [0.05, 0.1], "grad/a": [1.0, 2.0]}
    pd.DataFrame(log).to_csv(tmp_path / "log.csv", index=False)
    with pytest.raises(SystemExit) as end:
        main(["phases", str(tmp_path), "--json"])
    assert end.value.code in (0, None)
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [(r["phase"], r["attack"]) for r in rows] == [
        ("A", "none"), ("A", "mp3_128"), ("B", "none"), ("B", "mp3_128")
    ]  # fmt: skip
    assert rows[2]["ber"] == pytest.approx(0.3)
    assert len(pd.read_csv(tmp_path / "phases.csv")) == 4
    for name in ("ber", "parity", "stability", "w_stab", "gradient_norms"):
        assert (tmp_path / f"{name}.png").read_bytes()[:4] == b"\x89PNG"


def test_a_folder_without_phases_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["phases", str(tmp_path)])
    assert end.value.code == 2
    assert "no phase" in capsys.readouterr().err
