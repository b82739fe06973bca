"""A step that takes too long ends, and what was there before comes back."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import pytest

from soundsafe.eval.running import limits
from soundsafe.eval.running.limits import TimedOut, time_limit


def test_what_takes_too_long_is_stopped() -> None:
    def work() -> None:
        with time_limit(0.1):
            try:
                time.sleep(60)
            except Exception:  # as code of others may have it
                time.sleep(60)

    started = time.monotonic()
    with pytest.raises(TimedOut, match=r"longer than 0\.1 s"):
        work()
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("seconds", [None, 60.0])
def test_what_is_quick_is_left_alone_and_nothing_stays_behind(seconds: float | None) -> None:
    before = signal.getsignal(signal.SIGALRM)
    with time_limit(seconds):
        pass
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_thread_has_no_limit() -> None:
    done: list[bool] = []

    def work() -> None:
        with time_limit(0.01):
            time.sleep(0.1)
        done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]


def test_a_process_that_heeds_no_signal_is_ended() -> None:
    program = (
        "import signal\n"
        f"from {limits.__name__} import time_limit\n"
        f"import {limits.__name__} as limits\n"
        "limits._GRACE_S = 0.2\n"
        "with time_limit(0.2, end_process=True):\n"
        "    signal.signal(signal.SIGALRM, signal.SIG_IGN)\n"
        "    import time; time.sleep(60)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=50).returncode == 1
