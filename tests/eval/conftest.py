from __future__ import annotations

import importlib
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import soundfile

from soundsafe.eval import evaluate

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like a site-packages with an add-on of toy systems and of example attacks in it."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(HERE / "bench_fakes.py", folder / "bench_fakes.py")
    info = folder / "bench_fakes-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bench-fakes\nVersion: 1.0\n")
    names = {"toy": "Toy", "dying": "Dying", "slow": "Slow", "stopping": "Stopping", "deaf": "Deaf"}
    names["failing"] = "Failing"
    lines = [f"{name} = bench_fakes:{cls}" for name, cls in names.items()]
    shutil.copy(HERE / "example_attacks.py", folder / "example_attacks.py")
    lines = ["[soundsafe.systems]", *lines, "[soundsafe.attacks]", "example = example_attacks"]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def fakes(installed: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The toys, importable in this process and in workers."""
    monkeypatch.syspath_prepend(str(installed))
    return importlib.import_module("bench_fakes")


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six short clips of quiet noise in two categories, the last one too loud for the toy."""
    folder = tmp_path_factory.mktemp("clips")
    lines = ["clip,file,category,split,group,lossy"]
    for i in range(6):
        rng = np.random.default_rng(i)
        audio = rng.normal(0, 0.01, (3 * 8000, 2))
        if i == 5:
            audio[100] = 0.95
        soundfile.write(folder / f"c{i}.wav", audio, 8000, subtype="PCM_16")
        lines.append(f"c{i},c{i}.wav,{'speech' if i % 2 else 'music'},test,g{i},no")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def rows(fakes: ModuleType, clips: Path) -> pd.DataFrame:
    """The rows of the toy under several attacks."""
    return evaluate(fakes.Toy(), fakes.attacks(), clips)


@pytest.fixture(scope="session")
def suite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("suite") / "tiny.toml"
    path.write_text('suite = "tiny"\nversion = 3\nattacks = ["gain_-3dB", "gain_+3dB"]\n')
    return path
