"""Many uploads at once to a service on loopback: no answer lost or mixed up, memory bounded.

    python tests/long/uploads.py --n 1000

Starts `soundsafe serve` itself. Every upload carries a payload of its own, and its answer must name it.
Prints one JSON document with the memory of the service and all its workers, before and at most (Linux).
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import soundfile

import soundsafe
from soundsafe import datasets


def make_uploads(distinct: int) -> dict[bytes, bytes]:
    """Short marked files by their payload."""
    audio, rate = next(clip for clip in datasets.load("bundled").clips if clip.clip == "rock").read()
    made = {}
    for i in range(distinct):
        payload = f"upload {i}".encode()
        marked = soundsafe.embed(
            audio[:1, i * rate // 8 :][:, :rate], rate, payload, quality="fast", layers=("eul",)
        )
        file = io.BytesIO()
        soundfile.write(file, marked.audio.T, rate, format="FLAC")
        made[payload] = file.getvalue()
    return made


def resident_mb(pid: int) -> float:
    """Memory of a process and all below it."""
    above: dict[int, int] = {}
    size_of: dict[int, float] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                text = (folder / "status").read_text()
            except OSError:
                continue
            above[int(folder.name)] = int(re.search(r"PPid:\s+(\d+)", text)[1])
            size = re.search(r"VmRSS:\s+(\d+)", text)
            size_of[int(folder.name)] = int(size[1]) / 1024 if size else 0.0

    def below(one: int) -> bool:
        return one == pid or (one in above and below(above[one]))

    return sum(size for one, size in size_of.items() if below(one))


async def ask(address: str, uploads: list[tuple[bytes, bytes]], pid: int) -> dict[str, float]:
    """All at once; the figures of it."""
    limits = httpx.Limits(max_connections=len(uploads))
    peak = 0.0
    async with httpx.AsyncClient(base_url=address, timeout=3600, limits=limits) as client:

        async def one(payload: bytes, body: bytes) -> bool:
            answer = await client.post("/decode", content=body)
            return answer.status_code == 200 and answer.json()["payload_hex"] == payload.hex()

        tasks = [asyncio.create_task(one(*upload)) for upload in uploads]
        while not all(task.done() for task in tasks):
            peak = max(peak, resident_mb(pid))
            await asyncio.wait(tasks, timeout=0.5)
        right = [task.exception() is None and task.result() for task in tasks]
        figures = (await client.get("/metrics")).text
    counted = re.search(r'answers_total\{path="/decode",status="200"\} (\d+)', figures)
    return {"right": sum(right), "answered": int(counted[1]) if counted else 0, "peak_mb": round(peak)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--distinct", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--most-mb", type=int, default=500, help="more than before that the service may take")
    asked = parser.parse_args()
    made = list(make_uploads(asked.distinct).items())
    uploads = [made[i % len(made)] for i in range(asked.n)]
    command = [sys.executable, "-m", "soundsafe.cli", "serve", "--port", "0", "--jobs", str(asked.jobs)]
    command += ["--max-waiting", str(asked.n)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as service:
        assert service.stderr is not None
        address = ""
        for line in service.stderr:
            if found := re.search(r"listening on (\S+)", line):
                address = found[1]
                break
        assert address, "the service did not start"
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
        try:
            # One upload first: afterwards all is loaded.
            asyncio.run(ask(address, uploads[:1], service.pid))
            idle = round(resident_mb(service.pid))
            started = time.monotonic()
            figures = asyncio.run(ask(address, uploads, service.pid))
            took = time.monotonic() - started
        finally:
            service.send_signal(signal.SIGTERM)
            code = service.wait(60)
    figures["answered"] -= 1
    done = {"uploads": asked.n, **figures, "before_mb": idle, "took_s": round(took, 1), "exit_code": code}
    print(json.dumps(done))
    right = figures["right"] == figures["answered"] == asked.n and code == 0
    sys.exit(0 if right and figures["peak_mb"] <= idle + asked.most_mb else 1)


if __name__ == "__main__":
    main()
