"""`soundsafe-eval peer`: published systems, installed each in an environment of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from soundsafe.console import print_json, say, tell, write
from soundsafe.errors import InputError, NotMarkable
from soundsafe.eval.commands.options import Json

__all__ = ["peer"]

peer = typer.Typer(help="Install and list published systems, to measure them beside this one.")


@peer.command()
def install(
    name: Annotated[str, typer.Argument(help="A peer, or the environment that several share.")],
    python: Annotated[
        str, typer.Option(help="Python to make the environment with.", show_default="this one")
    ] = sys.executable,
) -> None:
    """Make a peer's environment with pins that are known to work, and try it."""
    from soundsafe.eval.systems import peer_install
    from soundsafe.eval.systems.peer_catalogue import PEERS

    environment = peer_install.environment_of(name)
    folder = peer_install.install(environment, python, say)
    tell(str(folder))
    trial = name if name in PEERS else next(p.name for p in PEERS.values() if p.environment == name)
    try:
        tell(peer_install.tried(trial))
    except InputError as error:  # its weights are still missing
        say(str(error))
    except (NotMarkable, RuntimeError) as error:
        say(f"installed, but it does not work: {error}")
        raise typer.Exit(1) from None


@peer.command("list")
def listing(as_json: Json = False) -> None:
    """List peers: what each carries, whether it checks what it reads, and what is missing."""
    from soundsafe.eval.systems.peer_catalogue import ENVIRONMENTS, PEERS
    from soundsafe.eval.systems.registry import get

    items = []
    for facts in PEERS.values():
        missing, version = "", None
        try:
            version = get(facts.name).describe().get("version")
        except InputError as error:
            missing = str(error)
        items.append(
            {
                "peer": facts.name,
                "environment": facts.environment,
                "licence": ENVIRONMENTS[facts.environment].licence,
                "payload_bits": facts.payload_bits,
                "any_bits": facts.any_bits,
                "checked": facts.checked,
                "keyed": facts.keyed,
                "strength": facts.strength or "scale",
                "version": version,
                "missing": missing,
            }
        )
    if as_json:
        print_json(items)
        return
    for item in items:
        bits = f"{item['payload_bits']} bits" if item["payload_bits"] else "presence"
        state = f"version {item['version']}" if item["version"] else f"missing: {item['missing']}"
        checks = "checked" if item["checked"] else "unchecked"
        write(f"{item['peer']:<22}  {bits:<8}  {checks:<9}  {item['licence']:<16}  {state}\n")


@peer.command()
def equal(
    name: Annotated[str, typer.Argument(help="A system, not only a peer.")],
    to: Annotated[str, typer.Option(help="The Zimtohrli distance, or a system that has it.")],
    option: Annotated[str, typer.Option(help="What is moved; larger must mean stronger.")] = "scale",
    dataset: Annotated[str, typer.Option(help="Name of a dataset, or a folder of audio.")] = "bundled",
    split: Annotated[str, typer.Option(help="Split to tune on; 'all' for everything.")] = "train",
    limit: Annotated[int | None, typer.Option(help="The first so many clips.")] = None,
    seconds: Annotated[float | None, typer.Option(help="The first so many seconds of each clip.")] = None,
    as_json: Json = False,
) -> None:
    """Find how strong a system must be for marks as far from the original as another's."""
    from soundsafe import datasets
    from soundsafe.eval.running.equal_distance import distance_of, strength_at

    clips = datasets.load(dataset, split=None if split == "all" else split).clips[:limit]
    if not clips:
        raise InputError(f"{dataset} has no clips in split {split}")
    try:
        wanted = float(to)
    except ValueError:
        wanted = distance_of(to, clips, seconds)
        say(f"{to}: distance {wanted:.3g}")
    if not 0 < wanted < 1:
        raise InputError(f"--to {to}: a distance above 0 and below 1 is needed")
    found = strength_at(name, wanted, clips, option=option, seconds=seconds)
    if as_json:
        print_json({"system": found.system, "distance": found.distance, "wanted": wanted})
    else:
        write(f"{found.system}\n")
        say(f"distance {found.distance:.3g}, wanted {wanted:.3g}, {len(clips)} clips")


@peer.command()
def weights(
    name: Annotated[str, typer.Argument(help="A peer whose package brings no weights.")],
    path: Annotated[Path, typer.Argument(help="The file or folder of its weights.")],
    sha256: Annotated[str, typer.Option(help="What they must be; without it, what is there.")] = "",
) -> None:
    """Say where a peer's weights lie; later runs refuse others in their place."""
    from soundsafe.eval.systems.peer_catalogue import PEERS
    from soundsafe.eval.systems.peer_places import keep_weights

    needing = [p.name for p in PEERS.values() if p.weights]
    if name not in needing:
        raise InputError(f"{name} takes no weights: {', '.join(needing)} do")
    tell(f"{name}: {keep_weights(name, path, sha256).sha256}")
