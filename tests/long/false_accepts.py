"""EULs read where there is nothing to read: unmarked audio, a wrong key, and both after attacks.

    python tests/long/false_accepts.py --n 100000
    python tests/long/false_accepts.py --searches --n 5000

With `--searches`, `decode` takes each piece whole and searches it for echoes, speed, tempo and pitch, under a
new key for every 16 pieces. Otherwise every second is read at a random offset under a new key for each
piece, as it is or, one piece in sixteen, as if through an equaliser, and a word is looked for in its soft
values however little they promise; `decode` gives up sooner. Prints one JSON document with the tags that
were compared, the analytic bound, and the 95 % bound that the count alone allows (rule of three); exit code 1
where anything was accepted. What is done so far is printed now and then on stderr.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter

import numpy as np

import soundsafe
from soundsafe import attacks, datasets
from soundsafe.cells.code import CellCode
from soundsafe.cells.profile import EUL_SAMPLES
from soundsafe.cells.reading import read_equalised, read_second
from soundsafe.errors import NotMarkable
from soundsafe.message.container import FALSE_ACCEPT

ATTACKS = (
    "none", "gain_-6dB", "mp3_192", "mp3_64", "limiter_drive_6dB", "noise_white_20dB", "lowpass_8000Hz",
    "speed_+5%",
)  # fmt: skip
RATE = 44_100


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--dataset", default="bundled")
    parser.add_argument("--split", help="of the dataset; everything without")
    parser.add_argument(
        "--seconds", type=float, default=8.0, help="of each clip, from a random place; the first, if marked"
    )
    parser.add_argument("--limit-s", type=float, default=float("inf"), help="end after so many seconds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--searches", action="store_true", help="`n` whole decodes instead of EULs")
    asked = parser.parse_args()
    rng = np.random.default_rng(asked.seed)
    clips = [
        audio
        for clip in datasets.load(asked.dataset).clips
        if asked.split in (None, clip.split)
        for audio, rate in [clip.read()]
        if rate == RATE and audio.shape[1] >= 2 * RATE
    ]
    marked: dict[int, np.ndarray] = {}
    euls: Counter[str] = Counter()
    accepted: Counter[str] = Counter()
    tags = 0
    bound = 0.0
    searched = b""
    started = said = time.monotonic()
    while sum(euls.values()) < asked.n and time.monotonic() - started < asked.limit_s:
        number = int(rng.integers(len(clips)))
        length = min(clips[number].shape[1], int(asked.seconds * RATE))
        first = int(rng.integers(clips[number].shape[1] - length + 1))
        audio, state = clips[number][:, first : first + length], "unmarked"
        if rng.integers(2):
            if number not in marked:
                try:
                    whole, payload, owner = clips[number][:, :length], rng.bytes(175), rng.bytes(32)
                    marked[number] = soundsafe.embed(whole, RATE, payload, owner, quality="fast").audio
                except NotMarkable:
                    continue
            audio, state = marked[number], "wrong_key"
        name = ATTACKS[int(rng.integers(len(ATTACKS)))]
        heard = attacks.get(name).apply(np.ascontiguousarray(audio), RATE, rng)
        kind = state if name == "none" else f"attacked_{state}"
        if asked.searches:
            if sum(euls.values()) % 16 == 0:
                searched = rng.bytes(32)
            answer = soundsafe.decode(heard, RATE, searched)
            euls[kind] += 1
            accepted[kind] += answer.ok or answer.id_ok
            bound += answer.false_accept_bound
        else:
            code, start, phase = (
                CellCode(rng.bytes(32)),
                float(rng.uniform(0, EUL_SAMPLES)),
                int(rng.integers(4)),
            )
            read = read_equalised if rng.integers(16) == 0 else read_second
            while (reading := read(heard, start, phase, code)) is not None:
                word, compared = code.read_word(reading.llr)
                short = code.read_short_word(reading.short.llr)
                euls[kind] += 1
                accepted[kind] += word is not None or short.payload is not None
                tags += compared + short.attempts
                start, phase = start + EUL_SAMPLES, (phase + 1) % 4
        if time.monotonic() - said > 60:
            said = time.monotonic()
            sofar = f"{sum(euls.values())} done, {sum(accepted.values())} accepted"
            print(sofar, file=sys.stderr, flush=True)
    n, wrong = sum(euls.values()), sum(accepted.values())
    document = {
        "searches" if asked.searches else "euls": n,
        "of": dict(sorted(euls.items())),
        "accepted": wrong,
        "bound_95": None if wrong else 3 / n,
        **({} if asked.searches else {"tags_compared": tags}),
        "analytic": bound if asked.searches else tags * FALSE_ACCEPT,
        "seed": asked.seed,
        "took_s": round(time.monotonic() - started, 1),
    }
    print(json.dumps(document))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
