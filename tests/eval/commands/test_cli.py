"""The command as users and scripts meet it: outputs, exit codes, one line for what is wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from soundsafe import plugins
from soundsafe.eval.commands.listing import _LISTS
from soundsafe.eval.running import runner
from soundsafe.eval.running.plan import make_plan

# The tests of one finished run: one worker makes it.
SHARED = pytest.mark.xdist_group("finished run")
START = "from soundsafe.eval.commands.cli import main; main()"


@pytest.fixture
def base(fakes: ModuleType, clips: Path, suite_file: Path) -> list[object]:
    return ["run", "--suite", suite_file, "--dataset", clips, "--system", "toy", "--jobs", 1]


@pytest.fixture(scope="module")
def one_run(
    installed: Path, clips: Path, suite_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str, str]:
    """A finished run of all clips, and what it said on stdout and stderr."""
    out = tmp_path_factory.mktemp("finished") / "run"
    arguments = ["run", "--suite", suite_file, "--dataset", clips, "--system", "toy", "--out", out]
    done = subprocess.run(
        [sys.executable, "-c", START, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(installed)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return out, done.stdout, done.stderr


@pytest.fixture
def finished(one_run: tuple[Path, str, str], tmp_path: Path) -> Path:
    return Path(shutil.copytree(one_run[0], tmp_path / "run"))


@SHARED
@pytest.mark.slow
def test_a_run_from_end_to_end(
    one_run: tuple[Path, str, str], finished: Path, base: list[object], command: Any
) -> None:
    out, text, errors = one_run
    assert "gain_-3dB" in text
    assert "Zimtohrli" in text
    assert "Traceback" not in errors
    names = {p.name for p in out.iterdir()}
    assert {"results.parquet", "summary.csv", "summary.json", "run.json", "timing.csv", "plots"} <= names
    assert {"ber.png", "ber.svg", "payload_success.png"} <= {p.name for p in (out / "plots").iterdir()}
    rows = pd.read_parquet(out / "results.parquet")
    assert len(rows) == 6 * 7 * 3
    assert set(rows["suite"]) == {"tiny"}
    assert not [p for p in out.rglob("*") if p.name.startswith(".") and p.name != ".lock"]

    code, text, errors = command(*base, "--out", finished)
    assert code == 2
    assert text == ""
    assert errors.count("\n") == 1
    assert "--resume" in errors
    assert "--force" in errors
    code, text, _ = command(*base, "--out", finished, "--resume", "--json")
    assert code == 0
    document = json.loads(text)
    assert list(document) == ["rows", "quality", "parity_by_band", "breakdown", "by_lossy"]
    assert document == json.loads((out / "summary.json").read_text())
    for name in ("summary.csv", "results.parquet", "run.json", "plots/ber.png", "plots/ber.svg"):
        assert (out / name).read_bytes() == (finished / name).read_bytes(), name


@SHARED
@pytest.mark.slow
def test_failures_are_named_on_stderr(one_run: tuple[Path, str, str]) -> None:
    assert "refused in 4 cells (c5): too loud to be marked" in one_run[2]


BAD: list[tuple[str, list[str], str]] = [
    ("unknown suite", ["--suite", "nothing"], "unknown suite nothing"),
    ("missing suite file", ["--suite", "/no/such.toml"], "/no/such.toml"),
    ("unknown system", ["--system", "nobody"], "unknown system nobody"),
    ("missing folder", ["--dataset", "/no/such/folder"], "no such folder"),
    ("a file as dataset", ["--dataset", "{clips}/c0.wav"], "not a folder"),
    ("empty folder", ["--dataset", "{tmp}"], "no audio files"),
    ("unknown split", ["--split", "nowhere"], "no clip in split"),
    ("no clips", ["--limit", "0"], "--limit 0"),
    ("not a number", ["--limit", "x"], "--limit"),
    ("negative seconds", ["--seconds", "-3"], "--seconds -3"),
    ("no workers", ["--jobs", "0"], "--jobs 0"),
    ("unknown option", ["--fast"], "--fast"),
    ("out is a file", ["--out", "{clips}/c0.wav"], "not a folder"),
    ("out below a file", ["--out", "{clips}/c0.wav/run"], "c0.wav"),
    ("both resume and force", ["--resume", "--force"], "give one of them"),
    ("nothing to resume", ["--resume"], "run: no such folder to go on in"),
    ("nothing to resume there", ["--resume", "--out", "{tmp}"], "holds no run to go on with"),
]


@pytest.mark.parametrize(("arguments", "text"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_bad_usage_is_one_line_and_exit_2(
    base: list[object], command: Any, clips: Path, tmp_path: Path, arguments: list[str], text: str
) -> None:
    given = [a.format(clips=clips, tmp=tmp_path) for a in arguments]
    code, out, errors = command(*base, "--out", tmp_path / "run", *given)
    assert code == 2
    assert out == ""
    lines = errors.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("soundsafe-eval: ")
    assert text in lines[0]
    assert not (tmp_path / "run" / "summary.csv").exists()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc")
def test_a_folder_in_which_none_can_be_made(base: list[object], command: Any) -> None:
    code, out, errors = command(*base, "--out", "/proc/x")
    assert (code, out) == (2, "")
    assert errors == "soundsafe-eval: /proc/x cannot be written to: give --out another name\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_read_only_folder(base: list[object], command: Any, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    code, _, errors = command(*base, "--out", tmp_path / "run")
    tmp_path.chmod(0o700)
    assert code == 2
    assert errors.count("\n") == 1


@SHARED
@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["run"], "--suite"),
        (["list", "planets"], "'kind': 'planets' is not one of 'suites'"),
        (["dance"], "dance"),
        (["gate", "/no/run", "--baseline", "/no/file"], "/no/run"),
        (["gate", "{run}", "--baseline", "/no/file"], "/no/file"),
        (["gate", "{run}", "--baseline", "{run}/summary.json"], "no baseline"),
        (["gate", "{run}", "--baseline", "{run}/summary.csv"], "not a baseline"),
        (["baseline", "/no/run"], "/no/run"),
        (["baseline", "{run}", "--out", "{run}/no/folder.json"], "not a folder"),
        (["compare", "{run}", "/no/run"], "/no/run"),
        (["compare"], "RUN_A"),
        (["compare", "{run}"], "RUN_B"),
    ],
)
def test_bad_usage_of_the_other_commands(
    finished: Path, command: Any, arguments: list[str], text: str
) -> None:
    code, out, errors = command(*[a.format(run=finished) for a in arguments])
    assert code == 2
    assert out == ""
    assert len(errors.strip().splitlines()) == 1
    assert text in errors


@SHARED
@pytest.mark.slow
def test_damaged_results(finished: Path, command: Any) -> None:
    (finished / "results.parquet").write_bytes(b"PAR1 no")
    code, _, errors = command("compare", finished, finished)
    assert code == 2
    assert "damaged" in errors
    (finished / "results.parquet").unlink()
    code, _, errors = command("compare", finished, finished)
    assert code == 2
    assert "--resume" in errors


@SHARED
@pytest.mark.slow
@pytest.mark.parametrize("content", ["[]", '{"configuration": []}', "[" * 100_000])
def test_damaged_run_json(finished: Path, command: Any, tmp_path: Path, content: str) -> None:
    (finished / "run.json").write_text(content)
    code, out, errors = command("baseline", finished, "--out", tmp_path / "b.json")
    assert (code, out, errors.count("\n")) == (2, "", 1)
    assert "run.json" in errors
    assert "internal error" not in errors


def test_what_nobody_expected_is_one_line(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("two\nlines")

    monkeypatch.setitem(_LISTS, "suites", fail)
    code, out, errors = command("list", "suites")
    assert (code, out) == (2, "")
    assert re.fullmatch(
        r"soundsafe-eval: internal error at test_cli.py:\d+: RuntimeError: two\\nlines\n", errors
    )


@pytest.mark.parametrize("arguments", [["list", "planets"], ["compare", "/no/run", "/no"], ["report", "x"]])
def test_errors_as_json(command: Any, arguments: list[str]) -> None:
    code, out, errors = command(*arguments, "--json")
    assert code == 2
    assert errors == f"soundsafe-eval: {json.loads(out)['error']}\n"


def test_no_command(command: Any) -> None:
    code, out, errors = command()
    assert (code, out) == (2, "")
    assert errors.startswith("soundsafe-eval: name a command: run, list, ")
    assert errors.count("\n") == 1


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device")
@pytest.mark.parametrize("kind", ["datasets", "attacks"])  # shorter and longer than a buffer
def test_an_answer_that_cannot_be_written(kind: str) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", START, "list", kind, "--json"],
            stdout=full, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert done.returncode == 2
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("stderr", ["full", "closed"])
def test_bad_input_stays_2_where_nobody_can_be_told(stderr: str) -> None:
    program = "import os; os.dup2(os.open('/dev/full', os.O_WRONLY), 2); " if stderr == "full" else ""
    if stderr == "closed":
        program = "import sys; sys.stderr = None; "  # as Python has it where descriptor 2 is closed
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        [sys.executable, "-c", program + START, "gate", "/nowhere", "--baseline", "/x"], env=buffered
    )
    assert done.returncode == 2


def test_an_answer_that_nobody_reads() -> None:
    program = f"import sys; sys.stdout = None; {START}"
    done = subprocess.run(
        [sys.executable, "-c", program, "list", "datasets"], stderr=subprocess.PIPE, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


@SHARED
@pytest.mark.slow
def test_documents_do_not_share_a_file(finished: Path, command: Any, tmp_path: Path) -> None:
    path = tmp_path / "r.html"
    code, out, errors = command("report", finished, "--html", path, "--pdf", tmp_path / "." / "r.html")
    assert (code, out, errors.count("\n")) == (2, "", 1)
    assert "a file of its own" in errors
    assert not path.exists()


KEYS = {
    "attacks": {"attack", "family", "params", "changes_length", "differentiable", "source", "licence"},
    "suites": {"suite", "version", "attacks"},
    "systems": {"system"},
    "datasets": {"dataset"},
    "metrics": {"metric", "unit", "description"},
}


@pytest.mark.parametrize("kind", list(KEYS))
def test_lists(fakes: ModuleType, command: Any, kind: str) -> None:
    code, text, _ = command("list", kind, "--json")
    assert code == 0
    items = json.loads(text)
    assert items
    assert all(KEYS[kind] <= set(item) for item in items)
    code, text, _ = command("list", kind)
    assert code == 0
    lines = text.splitlines()
    assert len(lines) == 1 + len(items)  # the heads
    names = [str(next(iter(item.values()))) for item in items]
    shown = [line.split()[0] for line in lines[1:]]
    assert sorted(shown) == sorted(names) if kind == "systems" else shown == names


def test_a_plain_class_of_a_plugin_is_listed_and_shown(
    command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugins, "_MODULES", {})
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv(plugins.VARIABLE, "")
    file = tmp_path / "listed_plugin.py"
    file.write_text(
        'class Mine:\n    """Hides a byte."""\n    name, payload_bytes = "mine", 1\n'
        "    def embed(self, audio, rate, payload, key): ...\n"
        "    def decode(self, audio, rate, key): ...\n"
    )
    try:
        assert command("list", "systems", "mine", "--plugin", file)[1].splitlines()[1].split() == [
            "mine", "1", "bytes", "Hides", "a", "byte"
        ]  # fmt: skip
        code, text, _ = command("show", "system", "mine", "--plugin", file)
        assert (code, "description: Hides a byte" in text) == (0, True)
    finally:
        sys.modules.pop("listed_plugin", None)


def test_systems_that_can_be_run_are_listed_first(command: Any) -> None:
    _heads, *lines = command("list", "systems")[1].splitlines()
    names = [line.split()[0] for line in lines]
    installed = ["not installed" not in line for line in lines]
    assert installed == sorted(installed, reverse=True)
    assert names[0] == "soundsafe"
    assert names.index("soundsafe-seed") < names.index("null") < names.index("audioseal")


def test_add_on_systems_are_listed(fakes: ModuleType, command: Any) -> None:
    names = [item["system"] for item in json.loads(command("list", "systems", "--json")[1])]
    assert {"soundsafe", "toy", "deaf"} <= set(names)


@pytest.mark.slow
def test_another_package_brings_system_and_attacks(installed: Path, clips: Path, tmp_path: Path) -> None:
    """Both by entry points alone, found by the command and by its workers."""
    suite = tmp_path / "mine.toml"
    names = '"example_hum_20dB", "example_second_opinion+then+gain_-3dB"'
    suite.write_text(f'suite = "mine"\nversion = 1\nattacks = [{names}]\n')
    arguments = ["run", "--suite", suite, "--dataset", clips, "--system", "toy", "--limit", 1, "--jobs", 1]
    done = subprocess.run(
        [sys.executable, "-c", START, *map(str, arguments), "--out", str(tmp_path / "run"), "--json"],
        env=os.environ | {"PYTHONPATH": str(installed)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = {r["attack"]: r for r in json.loads(done.stdout)["rows"] if r["category"] == "all"}
    assert rows["example_hum_20dB"]["params"] == {"snr_db": 20}
    assert rows["example_hum_20dB"]["clip_success"] == 1
    assert rows["example_second_opinion+then+gain_-3dB"]["clip_success"] == 1


def test_version_and_help(command: Any) -> None:
    code, text, _ = command("--version")
    assert code == 0
    assert text.split() == ["soundsafe-eval", version("soundsafe")]
    for arguments, words in (
        ([], ("run", "Show the version")),
        (["run"], ("soundsafe by default",)),
        (["compare"], ("RUN_A", "RUN_B")),
    ):
        code, text, _ = command(*arguments, "--help")
        assert code == 0
        assert all(word in text for word in words), text


@SHARED
@pytest.mark.slow
def test_gate_passes_a_run_against_itself(finished: Path, command: Any, tmp_path: Path) -> None:
    file, report = tmp_path / "base.json", tmp_path / "junit.xml"
    assert command("baseline", finished, "--out", file)[0] == 0
    assert command("baseline", finished, "--out", file)[0] == 2
    assert command("baseline", finished, "--out", file, "--force", "--json")[0] == 0
    assert str(tmp_path) not in file.read_text()
    code, text, _ = command("gate", finished, "--baseline", file, "--junit", report, "--json")
    assert code == 0
    result = json.loads(text)
    assert result["ok"]
    assert result["false_accepts"] == 0
    assert 'failures="0"' in report.read_text()


@SHARED
@pytest.mark.slow
def test_few_clips_are_named_by_gate_and_baseline(finished: Path, command: Any, tmp_path: Path) -> None:
    rows = pd.read_parquet(finished / "results.parquet")
    rows[rows["clip"].isin(["c0", "c1", "c2"])].to_parquet(finished / "results.parquet")
    file = tmp_path / "base.json"
    for arguments in (["baseline", finished, "--out", file], ["gate", finished, "--baseline", file]):
        code, _, errors = command(*arguments)
        assert code == 0
        assert errors.startswith("3 clips are too few (none and 2 more): no fall of clip success")
        assert errors.count("\n") == 1


@SHARED
@pytest.mark.slow
def test_power_of_a_baseline(finished: Path, command: Any, tmp_path: Path) -> None:
    file = tmp_path / "base.json"
    assert command("baseline", finished, "--out", file)[0] == 0
    code, text, _ = command("power", file, "--fall", "0.2", "--json")
    document = json.loads(text)
    assert (code, document["fall"]) == (0, 0.2)
    assert {r["attack"] for r in document["rows"]} == {"none", "gain_-3dB", "gain_+3dB"}
    assert all(r["clips_evenly"] <= r["clips_whole_clips"] for r in document["rows"])
    code, text, _ = command("power", file, "--fall", "0.2")
    assert code == 0
    assert "gain_-3dB" in text
    assert "20 points" in text
    assert command("power", tmp_path / "none.json")[0] == 2
    assert command("power", file, "--fall", "1.5")[0] == 2


@SHARED
@pytest.mark.slow
def test_compare_a_run_with_itself(finished: Path, command: Any) -> None:
    code, text, _ = command("compare", finished, finished, "--json")
    assert code == 0
    rows = json.loads(text)["rows"]
    assert {r["attack"] for r in rows} == {"none", "gain_-3dB", "gain_+3dB"}
    assert all(r["difference"] == 0 and r["p_holm"] == 1 for r in rows)
    assert "gain_-3dB" in command("compare", finished, finished)[1]


@pytest.mark.slow
def test_a_run_in_which_everything_fails(
    installed: Path, fakes: ModuleType, clips: Path, suite_file: Path, tmp_path: Path, command: Any
) -> None:
    """Nothing read is bad input; read but not marked, the answer is no. The rows stay in both cases."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/bad.wav").write_bytes(b"RIFF not audio")
    base = ["run", "--suite", suite_file, "--dataset", tmp_path / "data", "--system", "toy", "--jobs", 1]
    code, text, errors = command(*base, "--out", tmp_path / "run")
    assert (code, text, errors.count("\n")) == (2, "", 1)
    assert "no clip could be read: " in errors
    assert "bad.wav: not readable as audio" in errors
    assert set(pd.read_parquet(tmp_path / "run/results.parquet")["status"]) == {"read_failed"}
    assert json.loads((tmp_path / "run/run.json").read_text())["state"] == "finished"
    code, text, _ = command(*base, "--out", tmp_path / "run", "--resume", "--json")
    assert code == 2
    assert list(json.loads(text)) == ["error"]

    shutil.copy(clips / "c5.wav", tmp_path / "data")  # too loud to be marked
    code, text, errors = command(*base, "--out", tmp_path / "loud")
    assert code == 1
    assert "nan" not in text
    assert "read_failed in 7 cells (bad):" in errors
    assert "refused in 4 cells (c5):" in errors
    assert errors.endswith("soundsafe-eval: no clip could be marked\n")
    code, text, _ = command(*base, "--out", tmp_path / "loud", "--resume", "--json")
    assert code == 1
    assert json.loads(text) == json.loads((tmp_path / "loud/summary.json").read_text())


@pytest.mark.slow
def test_a_system_that_never_ran_is_bad_input_with_its_traceback(
    installed: Path, fakes: ModuleType, clips: Path, suite_file: Path, tmp_path: Path, command: Any
) -> None:
    base = [
        "run",
        "--suite",
        suite_file,
        "--dataset",
        clips,
        "--system",
        "failing",
        "--jobs",
        1,
        "--limit",
        1,
    ]
    code, text, errors = command(*base, "--out", tmp_path / "run")
    assert (code, text) == (2, "")
    assert (
        "no cell of failing ran: embed_failed: ZeroDivisionError: division by zero (bench_fakes.py:" in errors
    )
    assert errors.count("\n") == 1
    said = (tmp_path / "run" / "errors.txt").read_text()
    assert said.count("Traceback (most recent call last)") == 4  # unmarked audio could be read
    code, _, errors = command(*base, "--out", tmp_path / "run", "--resume", "--debug", "--cell-timeout", 60)
    assert code == 2
    assert "Traceback (most recent call last)" in errors
    assert command(*base, "--out", tmp_path / "x", "--cell-timeout", 0)[0] == 2


def _midway(installed: Path, folder: Path, arguments: list[object], stderr: int) -> subprocess.Popen[str]:
    """The command in a process of its own, once the system `stopping` has decoded more than six times."""
    stop = folder / "decodes"
    process = subprocess.Popen(
        [sys.executable, "-c", START, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(installed), "BENCH_FAKE_STOP": str(stop)},
        stdout=subprocess.DEVNULL, stderr=stderr, text=True,
    )  # fmt: skip
    end = time.monotonic() + 240
    while not (stop.exists() and stop.stat().st_size > 6) and time.monotonic() < end:
        assert process.poll() is None
        time.sleep(0.02)
    return process


@pytest.mark.slow
def test_kill_9_and_resume(
    installed: Path, fakes: ModuleType, clips: Path, suite_file: Path, tmp_path: Path
) -> None:
    """The real thing: a run killed in the middle, its workers gone with it, then finished."""
    arguments = ["run", "--suite", suite_file, "--dataset", clips, "--system", "stopping", "--limit", "3"]
    out = tmp_path / "run"
    process = _midway(installed, tmp_path, [*arguments, "--out", out], subprocess.DEVNULL)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert sum(p.read_bytes().count(b"\n") for p in out.glob("store/*.jsonl")) >= 3
    assert not (out / "summary.csv").exists()
    plan = make_plan("stopping", str(suite_file), clips, limit=3)
    runner.run(plan, out, jobs=0, resume=True)
    calm = runner.run(plan, tmp_path / "calm", jobs=0).folder
    for name in ("summary.csv", "summary.json", "results.parquet", "run.json"):
        assert (out / name).read_bytes() == (calm / name).read_bytes(), name


@pytest.mark.slow
def test_sigterm_is_an_interrupt(
    installed: Path, fakes: ModuleType, clips: Path, suite_file: Path, tmp_path: Path
) -> None:
    """One line, the same exit code, nothing left running, and a run that can be gone on with."""
    arguments = ["run", "--suite", suite_file, "--dataset", clips, "--system", "stopping", "--limit", "2"]
    out = tmp_path / "run"
    process = _midway(installed, tmp_path, [*arguments, "--jobs", "1", "--out", out], subprocess.PIPE)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=240)  # ends when the last worker has closed its stderr
    assert errors == "soundsafe-eval: interrupted; a run goes on with --resume\n"
    assert process.returncode == 143
    assert not (out / "summary.csv").exists()
    plan = make_plan("stopping", str(suite_file), clips, limit=2)
    assert set(runner.run(plan, out, jobs=0, resume=True).rows["status"]) == {"ok"}


HEAVY = {"torch", "pandas", "scipy", "matplotlib", "pyarrow", "jinja2", "typst"}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["run", "--help"], 0),
        (["--version"], 0),
        *((["list", kind], 0) for kind in KEYS),
        (["lst"], 2),
        (["run"], 2),
        (["run", "--suite", "nothing"], 2),
        (["run", "--suite", "gain", "--out", "/dev/null"], 2),
        (["gate", "x"], 2),
        (["report", "x", "--audio", "-1"], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_help_lists_and_usage_errors_load_little(tmp_path: Path, arguments: list[str], code: int) -> None:
    """Below 120 MB, and without the modules that take longest. Seconds depend on the machine: not asked."""
    program = f"""
import sys
from soundsafe.eval.commands.cli import main
try:
    main({arguments!r})
except SystemExit as end:
    code = end.code or 0
status = open("/proc/self/status").read()  # getrusage tells of the process that forked, too
with open({str(tmp_path / "answer")!r}, "w") as file:
    print(code, status.split("VmHWM:")[1].split()[0], *sys.modules, file=file)
"""
    subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    ended, kilobytes, *modules = (tmp_path / "answer").read_text().split()
    assert int(ended) == code
    assert not HEAVY & set(modules)
    assert int(kilobytes) < 120_000
