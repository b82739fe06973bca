"""`peer install` from nothing, into a folder that goes again, and what came back from each peer's test mark.

    python tests/long/peer_install.py perth voicesign afiles aware

Fails where an environment was not made, a mark was not found, or a bit was read wrongly. Prints one JSON
document.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time

GOOD = re.compile(r": (mark found|(\d+) of \2 bits read back)$")


def installed(name: str, folder: str) -> dict[str, object]:
    """What the command said last, how long it took, and whether all came back."""
    start = time.monotonic()
    command = "from soundsafe.eval.commands.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", command, "peer", "install", name],
        capture_output=True, text=True, check=False, env=os.environ | {"SOUNDSAFE_PEERS": folder},
    )  # fmt: skip
    last = (done.stdout.splitlines() or done.stderr.splitlines() or [""])[-1]
    seconds = round(time.monotonic() - start)
    good = not done.returncode and GOOD.search(last) is not None
    return {"peer": name, "said": last, "seconds": seconds, "good": good}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("peers", nargs="+")
    found = []
    for name in parser.parse_args().peers:
        with tempfile.TemporaryDirectory(prefix="soundsafe-peers-") as folder:
            found.append(installed(name, folder))
    print(json.dumps(found, indent=1))
    return 0 if all(item["good"] for item in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
