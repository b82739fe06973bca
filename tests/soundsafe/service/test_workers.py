from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from soundsafe.errors import InputError
from soundsafe.keys import read_key_file
from soundsafe.service import workers
from soundsafe.service.workers import CallFailed, Worker


@pytest.fixture(scope="module")
def worker() -> Worker:
    return Worker()


def test_calls_run_in_another_process_that_is_kept(worker: Worker) -> None:
    first = worker.call(os.getpid)
    assert first != os.getpid()
    assert worker.call(os.getpid) == first
    assert worker.call(sum, [1, 2, 3]) == 6


def test_errors_of_input_come_back_and_others_as_one_line(worker: Worker) -> None:
    with pytest.raises(InputError, match="cannot read the key file nowhere"):
        worker.call(read_key_file, "nowhere")
    with pytest.raises(CallFailed, match=r"internal error at workers\.py:\d+: ZeroDivisionError"):
        worker.call(divmod, 1, 0)
    with pytest.raises(CallFailed, match="No such file"):
        worker.call(os.stat, "/nowhere/at/all")


def test_a_process_that_cannot_start_costs_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*arguments: object, **more: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    fresh = Worker()
    with monkeypatch.context() as patched:
        patched.setattr(workers._CONTEXT.Process, "start", none)
        with pytest.raises(CallFailed, match=r"could not start \(Too many open files\)"):
            fresh.call(os.getpid)
    assert fresh.call(sum, [1, 2]) == 3
    fresh.close()


def test_a_crash_costs_one_call(worker: Worker) -> None:
    before = worker.call(os.getpid)
    with pytest.raises(CallFailed, match=r"crashed \(SIGABRT\)"):
        worker.call(os.abort)
    with pytest.raises(CallFailed, match=r"crashed \(exit code 7\)"):
        worker.call(os._exit, 7)
    assert worker.call(os.getpid) != before


def test_a_call_that_takes_too_long_is_ended(worker: Worker) -> None:
    with pytest.raises(CallFailed, match=r"no answer in 0\.3 s") as caught:
        worker.call(time.sleep, 60, timeout=0.3)
    assert caught.value.timed_out
    assert worker.call(len, "abc", timeout=60) == 3


def test_longer_than_the_system_can_wait(worker: Worker) -> None:
    assert worker.call(len, "abc", timeout=1e9) == 3


def test_what_ends_the_parent_does_not_end_a_call(worker: Worker) -> None:
    pid = worker.call(os.getpid)
    for number in (signal.SIGINT, signal.SIGTERM):  # as a terminal or a supervisor sends it to all
        assert worker.call(os.kill, pid, number) is None
    assert worker.call(os.getpid) == pid


def test_a_program_ends_without_closing_its_workers() -> None:
    program = (
        "import os\nfrom soundsafe.service.workers import Worker\n"
        "if __name__ == '__main__':\n    w = Worker(); w.call(os.getpid)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0


def test_stop_ends_a_call_in_another_thread() -> None:
    worker = Worker()
    worker.call(os.getpid)
    failures: list[CallFailed] = []

    def call() -> None:
        try:
            worker.call(time.sleep, 60)
        except CallFailed as error:
            failures.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    worker.stop()
    thread.join(30)
    assert not thread.is_alive()
    assert len(failures) == 1
    with pytest.raises(CallFailed, match="stopped"):
        worker.call(os.getpid)
    worker.close()


def test_a_worker_ends_with_the_process_that_made_it() -> None:
    program = (
        "import os, time\nfrom soundsafe.service.workers import Worker\n"
        "if __name__ == '__main__':\n"
        "    w = Worker(); print(w.call(os.getpid), flush=True); w.call(time.sleep, 60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
        parent.wait(30)
    end = time.monotonic() + 30
    while _alive(child) and time.monotonic() < end:
        time.sleep(0.02)
    assert not _alive(child)


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_call_that_takes_all_memory_costs_itself() -> None:
    pytest.importorskip("resource")
    worker = Worker(memory=1 << 29)
    try:
        with pytest.raises(CallFailed, match="out of memory"):
            worker.call(bytearray, 1 << 30)
        assert worker.call(len, b"abc") == 3
    finally:
        worker.close()
