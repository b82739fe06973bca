"""Runs on a Ray cluster of two nodes: the same files as in this process, whoever dies on the way."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from soundsafe.errors import InputError
from soundsafe.eval.running import ray_backend, run_folder, runner
from soundsafe.eval.running.plan import make_plan

pytestmark = pytest.mark.xdist_group("ray")  # two clusters on one machine get in each other's way

SAME = ("summary.csv", "summary.json", "results.parquet", "quality.csv", "run.json")


@pytest.fixture(scope="module")
def deaths(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ray") / "deaths"


@pytest.fixture(scope="module")
def cluster(installed: Path, deaths: Path) -> Iterator[Any]:
    """Two nodes of one core each; their workers inherit this environment."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(installed))
        patch.setenv("BENCH_FAKE_DEATHS", str(deaths))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        nodes.add_node(num_cpus=1)
        ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")
        yield nodes
        ray.shutdown()
        nodes.shutdown()


def _same(a: Path, b: Path) -> None:
    for name in SAME:
        assert (a / name).read_bytes() == (b / name).read_bytes(), name


def test_a_killed_worker_leaves_no_trace(
    fakes: ModuleType, clips: Path, cluster: Any, deaths: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("BENCH_FAKE_DEATHS", str(deaths))
    plan = make_plan("dying", [fakes.Noise(0.05), "unmarked", "wrong_key"], clips)
    deaths.write_text("2")
    runner.run(plan, tmp_path / "ray", backend="ray", jobs=0)
    assert deaths.read_text() == "0"
    runner.run(plan, tmp_path / "local", jobs=0)
    _same(tmp_path / "ray", tmp_path / "local")


def test_a_worker_that_always_dies_becomes_a_row(
    fakes: ModuleType, clips: Path, cluster: Any, deaths: Path, tmp_path: Path
) -> None:
    deaths.write_text("3")
    plan = make_plan("dying", [fakes.Noise(0.05), "unmarked"], clips, limit=1)
    rows = runner.run(plan, tmp_path / "run", backend="ray", jobs=0).rows
    assert rows.groupby("attack")["status"].first().to_dict() == {
        "noise_0.05": "worker_died",
        "unmarked": "ok",
    }


def test_a_lost_node_leaves_no_trace(fakes: ModuleType, clips: Path, cluster: Any, tmp_path: Path) -> None:
    node = cluster.add_node(num_cpus=1)
    plan = make_plan("slow", ["none", fakes.Noise(0.05), "gain_-3dB", "unmarked"], clips)

    def lose(done: int, total: int) -> None:
        if done >= 6 and node in cluster.worker_nodes:
            cluster.remove_node(node, allow_graceful=False)

    runner.run(plan, tmp_path / "ray", backend="ray", jobs=0, progress=lose)
    assert node not in cluster.worker_nodes
    runner.run(plan, tmp_path / "local", jobs=0)
    _same(tmp_path / "ray", tmp_path / "local")


def test_a_node_with_other_code_is_refused(
    fakes: ModuleType, clips: Path, cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_folder, "environment", lambda: ray_backend.environment() | {"source": "other"})
    plan = make_plan("toy", "none", clips, limit=1)
    with pytest.raises(InputError, match="another source of the code"):
        runner.run(plan, tmp_path / "run", backend="ray", jobs=0)


def test_without_ray(
    fakes: ModuleType, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Any,
    suite_file: Path,
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, "ray", None)
    code, out, errors = command(
        "run", "--suite", suite_file, "--dataset", clips, "--system", "toy", "--backend", "ray", "--out",
        tmp_path / "run",
    )  # fmt: skip
    assert (code, out) == (2, "")
    assert errors == "soundsafe-eval: --backend ray needs Ray: pip install 'soundsafe[ray]'\n"
