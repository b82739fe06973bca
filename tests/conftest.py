"""One thread for each worker, here and in the processes that tests start; the bench's command."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
from hypothesis import settings

pytest_plugins = ("stored_runs",)  # from tests/fixtures: what tests in more than one folder share

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

settings.register_profile("tests", deadline=None)  # machines stall
settings.load_profile("tests")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background job ignores interrupts, and so would the processes that tests start and interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run `soundsafe-eval` in this process: (exit code, stdout, stderr)."""
    from soundsafe.eval.commands import cli

    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            cli.main([str(a) for a in arguments])
        out = capsys.readouterr()
        return int(stop.value.code or 0), out.out, out.err

    return call
