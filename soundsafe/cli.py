"""The command `soundsafe`: embed, decode, batch, lookup, serve, info, keygen, train.

Exit codes: 0 done; 1 the answer is no (no mark found, audio that cannot be marked); 2 bad input or usage,
with one line on stderr and never a traceback; 130 and 143 interrupted. With ``--json`` stdout holds exactly
one JSON document: the result, or ``{"error": ...}``. Everything else goes to stderr: warnings, and on a
terminal the progress of whatever takes more than two seconds.
"""

from __future__ import annotations

import math
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from soundsafe import console, keys
from soundsafe.console import print_json, progress, tell, write
from soundsafe.errors import InputError, reason, unknown
from soundsafe.files.audio_file import AudioReader, check_output
from soundsafe.files.standard_streams import DASH, input_file, output_file
from soundsafe.message.container import BODY, MAX_PAYLOAD
from soundsafe.streams.layers import layers_of
from soundsafe.streams.strength import strength_of

if TYPE_CHECKING:
    from soundsafe.service.batch import Summary

__all__ = ["app", "main"]

_MOST_LINES = 60
"""Files of a batch that are printed, the others are in its tables."""

_PUBLIC_KEY = "no key file: the public default key gives detection, but no security"
_SHOWN_PACKAGES = ("numpy", "torch", "soundfile", "ldpc", "reedsolo", "lameenc")

app = typer.Typer(
    name="soundsafe",
    help="Put a payload into audio so that it survives, and read it back from the audio alone.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

KeyFile = Annotated[
    Path | None,
    typer.Option(metavar="F", help="Key file (soundsafe keygen); the public default key without."),
]
Quality = Annotated[str, typer.Option(metavar="NAME", help="How hard to work: fast, default or best.")]
Layers = Annotated[
    str, typer.Option(metavar="NAMES", help="eul: seconds alone. eul,tile: tiles too, for tempo and pitch.")
]
Model = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE",
        help="A network through whose map the mark lies: steps, or a file of soundsafe train steps. decode "
        "tries steps by itself.",
    ),
]
Code = Annotated[
    str, typer.Option(metavar="NAME", help="ldpc, read from soft decisions, or rs, Reed-Solomon (255,191).")
]
Strength = Annotated[
    str,
    typer.Option(
        metavar="NAME|DB",
        help="quiet, default, strong, or decibels against the default, -6 to 6: stronger survives more and is"
        " heard sooner.",
    ),
]
PayloadHex = Annotated[str | None, typer.Option(metavar="HEX", help="Payload in hexadecimal.")]
PayloadFile = Annotated[Path | None, typer.Option(metavar="F", help="Payload: a file's bytes.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else there.")]


Source = Annotated[
    Path, typer.Argument(metavar="LIST_OR_DIR", help="A folder, or a list of files, one a line.")
]
Out = Annotated[Path, typer.Option(metavar="DIR", help="Folder for what is made.")]
Jobs = Annotated[int, typer.Option(metavar="J", min=1, max=256, help="Files at a time.")]

batch = typer.Typer(help="Mark or read many files; resumable.", no_args_is_help=False, rich_markup_mode=None)
app.add_typer(batch, name="batch")


def _version(wanted: bool) -> None:
    if wanted:
        tell(f"soundsafe {installed_version('soundsafe')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Put a payload into audio so that it survives, and read it back from the audio alone."""


@app.command()
def embed(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Audio or video, 8-192 kHz; -: stdin.")],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="Marked audio: .wav or .flac; -: WAV on stdout.")
    ],
    payload_hex: PayloadHex = None,
    payload_file: PayloadFile = None,
    message: Annotated[str | None, typer.Option(metavar="TEXT", help="Payload: text, as UTF-8.")] = None,
    key_file: KeyFile = None,
    quality: Quality = "default",
    layers: Layers = "eul,tile",
    strength: Strength = "default",
    code: Code = "ldpc",
    model: Model = None,
    as_json: Json = False,
) -> None:
    """Mark IN with a payload of 1 to 4096 bytes, verify it, and write OUT."""
    payload = _payload(payload_hex, payload_file, message)
    key = _key(key_file)
    chosen, strength_db = layers_of(layers), strength_of(strength)
    if as_json and target == DASH:
        raise InputError("OUT is standard output: --json needs it for the answer")
    with input_file(source) as audio, output_file(target) as marked:
        check_output(audio, marked)
        AudioReader(audio, tags=False).close()  # what cannot be read is refused before the codec is loaded
        with progress("loading") as update:
            import soundsafe
            from soundsafe.cells.learned import profile_of

            result = soundsafe.embed_file(
                audio,
                marked,
                payload,
                key,
                quality=quality,
                layers=chosen,
                strength=strength_db,
                profile=profile_of(model, code),
                progress=update,
            )
    for warning in result.warnings:
        _say(f"warning: {_as_asked(warning, audio, marked)}")
    _public_key_note(key_file)
    if as_json:
        print_json(result.to_json())
    else:
        show = _say if target == DASH else tell
        show(
            f"{_shown(target, marked)}: {len(payload)} bytes, read back from {result.euls_verified} of"
            f" {result.euls} seconds (SNR {_decimal(result.snr_db)} dB, NMR {_decimal(result.nmr_db)} dB,"
            f" Zimtohrli distance {1e5 * result.zimtohrli:.1f}e-5, margin {_decimal(result.margin_db)} dB,"
            f" {result.seconds:.1f} s of work)"
        )


@app.command()
def decode(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="Audio or video, 8-192 kHz; -: stdin.")],
    key_file: Annotated[
        list[Path] | None,
        typer.Option(metavar="F", help="Key file; may be given again, then each key is tried."),
    ] = None,
    model: Model = None,
    as_json: Json = False,
) -> None:
    """Read the payloads from FILE; exit code 1 where there is none."""
    tried = [_key(path) for path in key_file] if key_file else [keys.DEFAULT_KEY]
    with input_file(source) as audio:
        with AudioReader(audio, tags=False) as reader:
            for warning in reader.warnings:
                _say(f"warning: {_as_asked(warning, audio)}")
        with progress("loading") as update:
            import soundsafe
            from soundsafe.cells.learned import profile_of
            from soundsafe.console.answers import decoded_lines
            from soundsafe.result import of_several_keys

            profile = profile_of(model)
            results = [soundsafe.decode_file(audio, key, profile=profile, progress=update) for key in tried]
    result = results[0] if len(tried) == 1 else of_several_keys(results, [keys.key_id(key) for key in tried])
    _public_key_note(key_file[0] if key_file else None)
    if as_json:
        print_json(result.to_json())
    else:
        for line in decoded_lines(result):
            tell(line)
    if not result.ok:
        raise typer.Exit(1)


@batch.command("embed")
def batch_embed(
    source: Source,
    out: Out,
    payload_hex: PayloadHex = None,
    payload_file: PayloadFile = None,
    message: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Payload: text; {NAME}: a column, a tag, file or name.")
    ] = None,
    payloads: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="Columns: file, and payload_hex, message, strength or others."),
    ] = None,
    key_file: KeyFile = None,
    quality: Quality = "default",
    layers: Layers = "eul,tile",
    strength: Strength = "default",
    jobs: Jobs = 1,
    as_json: Json = False,
) -> None:
    """Mark many files into a folder with a registry; exit code 1 where one failed; resumable."""
    from soundsafe.service.batch import embed_all, gather
    from soundsafe.service.payloads import Payloads, read_table

    table = {} if payloads is None else read_table(payloads, complete=message is None, warn=_say)
    if message is not None and (payload_hex, payload_file) == (None, None):
        plan = Payloads(template=message, table=table)
    elif payloads is not None:
        if (payload_hex, payload_file) != (None, None):
            raise InputError("--payloads goes with --message or alone")
        plan = Payloads(table=table)
    else:
        plan = Payloads(fixed=_payload(payload_hex, payload_file, message))
    key, chosen, strength_db = _key(key_file), layers_of(layers), strength_of(strength)
    strengths = {file: strength_of(row["strength"]) for file, row in table.items() if row.get("strength")}
    items = gather(source, out, _say)
    from soundsafe.cells.settings import QUALITIES

    if quality not in QUALITIES:
        raise InputError(unknown("quality", quality, QUALITIES))
    with progress() as update:
        summary = embed_all(
            items,
            out,
            plan,
            key,
            quality=quality,
            layers=chosen,
            strength_db=strength_db,
            strengths=strengths,
            jobs=jobs,
            progress=update,
            failed=_failed,
        )
    _public_key_note(key_file)
    _end_batch(summary, summary.marked, "marked", out, as_json)


@batch.command("decode")
def batch_decode(
    source: Source, out: Out, key_file: KeyFile = None, jobs: Jobs = 1, as_json: Json = False
) -> None:
    """Read many files; exit code 1 where one has no mark or failed; goes on where it stopped."""
    from soundsafe.console.screen import lines_of, screen
    from soundsafe.service.batch import RESULTS, decode_all, gather
    from soundsafe.service.batch_table import found_lines, write_csv

    key = _key(key_file)
    items = gather(source, out, _say)
    with progress() as update:
        summary = decode_all(items, out, key, jobs=jobs, progress=update, failed=_failed)
    table = write_csv(out / RESULTS)
    _public_key_note(key_file)
    if not as_json:
        rows, left = found_lines(out / RESULTS, _MOST_LINES)
        for line in lines_of(screen(), ("file", "answer", "seconds", "payload"), rows, {2}):
            write(line)
        if left:
            tell(f"and {left} more in {table}")
    _end_batch(summary, summary.marked, "with a mark", out, as_json)


@app.command()
def lookup(
    registry: Annotated[Path, typer.Argument(metavar="REGISTRY", help="A registry, or a batch's --out.")],
    payload_hex: PayloadHex = None,
    message: Annotated[str | None, typer.Option(metavar="TEXT", help="Payload: text, as UTF-8.")] = None,
    id_hex: Annotated[str | None, typer.Option(metavar="HEX", help="Identifier that decode shows.")] = None,
    file: Annotated[Path | None, typer.Option(metavar="F", help="A marked file, known by its bytes.")] = None,
    key_file: Annotated[
        Path | None, typer.Option(metavar="F", help="Key file: marks of this key alone; of any key without.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the marks that a registry holds, all that fit; exit code 1 where none does."""
    from soundsafe.service.registry import lookup as search

    payload = None if (payload_hex, message) == (None, None) else _payload(payload_hex, None, message)
    key = None if key_file is None else keys.read_key_file(key_file)
    marks = search(registry, payload=payload, id_hex=id_hex, file=file, key=key)
    if as_json:
        print_json({"marks": [mark.to_json() for mark in marks]})
    for mark in () if as_json else marks:
        tell(
            f"{mark.output}: payload {mark.payload_hex}, id {mark.payload_id}, key {mark.key_id},"
            f" from {mark.file}, {mark.marked_at}"
        )
    if not marks:
        _say("no such mark in the registry")
        raise typer.Exit(1)


@app.command()
def serve(
    host: Annotated[str, typer.Option(metavar="NAME", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="0: any that is free.")] = 8000,
    key_file: KeyFile = None,
    max_mb: Annotated[float, typer.Option(min=0.001, help="Largest upload, in MB.")] = 100.0,
    max_seconds: Annotated[float, typer.Option(min=1.0, help="Longest audio, in seconds.")] = 600.0,
    timeout: Annotated[
        float, typer.Option(min=1.0, help="Longest upload, work and download, in seconds each.")
    ] = 300.0,
    max_waiting: Annotated[int, typer.Option(min=1, help="Most requests at a time.")] = 1024,
    jobs: Jobs = 1,
) -> None:
    """Embed and decode by upload over HTTP; needs the extra serve. SIGTERM ends it gracefully."""
    key = _key(key_file)
    try:
        from soundsafe.service import serve as service
    except ImportError as error:
        raise InputError(
            f"serve needs more packages ({error.name}): pip install 'soundsafe[serve]'"
        ) from None
    _public_key_note(key_file)
    for name, value in (("max-mb", max_mb), ("max-seconds", max_seconds), ("timeout", timeout)):
        if not math.isfinite(value):
            raise InputError(f"--{name} {value:g}: a finite number is needed")
    if host not in service.LOOPBACK:
        _say(f"whoever reaches {host} can read and write marks under this key")
    limits = service.Limits(
        megabytes=max_mb, audio_seconds=max_seconds, timeout=timeout, waiting=max_waiting, jobs=jobs
    )
    service.serve(key, host, port, limits, lambda address: _say(f"listening on {address}"))


@app.command()
def info(
    source: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="What this file is and how much fits into it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show capacity, profile, model and versions."""
    document: dict[str, Any] = {"version": installed_version("soundsafe")}
    if source is not None:
        with input_file(source) as audio, AudioReader(audio) as reader:
            file = reader.info
            for warning in reader.warnings:
                _say(f"warning: {_as_asked(warning, audio)}")
        euls = int(file.seconds)
        document["file"] = {
            "path": _shown(source, audio),
            "rate": file.rate,
            "channels": file.channels,
            "seconds": round(file.seconds, 3),
            "format": file.format,
            "subtype": file.subtype,
            "tags": {name: list(values) for name, values in file.tags.items()},
            "euls": euls,
            "largest_payload_bytes": min(MAX_PAYLOAD, euls * BODY),
        }
    from soundsafe.cells.learned import MODELS
    from soundsafe.cells.profile import EUL_SAMPLES, ROBUST
    from soundsafe.cells.settings import QUALITIES
    from soundsafe.stft import RATE
    from soundsafe.tiles.geometry import ROBUST_TILES

    document |= {
        "profile": {"name": ROBUST.name, "version": ROBUST.version, "digest": ROBUST.digest},
        "tile_profile": {
            "name": ROBUST_TILES.name,
            "version": ROBUST_TILES.version,
            "digest": ROBUST_TILES.digest,
        },
        "code": ROBUST.code,
        "models": sorted(MODELS),
        "model": None,
        "capacity_bytes_per_eul": BODY,
        "eul_seconds": EUL_SAMPLES / RATE,
        "max_payload_bytes": MAX_PAYLOAD,
        "qualities": list(QUALITIES),
        "packages": {name: installed_version(name) for name in _SHOWN_PACKAGES},
    }
    if as_json:
        print_json(document)
        return
    if source is not None:
        for line in _room(document["file"]):
            tell(line)
        return
    shown = {**document, "model": "none, but where embed --model names one"}
    for name, value in shown.items():
        if isinstance(value, dict):
            value = ", ".join(f"{k} {v}" for k, v in value.items() if v != {})
        elif isinstance(value, list):
            value = ", ".join(value)
        tell(f"{name.replace('_', ' ')}: {value}")


_CHANNELS = {1: "mono", 2: "stereo"}


def _room(file: dict[str, Any]) -> Iterator[str]:
    """What fits into a file, and what it is."""
    euls, most = file["euls"], file["largest_payload_bytes"]
    if euls:
        every = f"; up to {BODY} are repeated in each of its {euls} seconds" if euls > 1 else ""
        yield f"{file['path']}: room for a payload of 1 to {most} bytes{every}"
    else:
        yield f"{file['path']}: no room: a mark needs at least one second"
    channels = _CHANNELS.get(file["channels"], f"{file['channels']} channels")
    yield (
        f"audio: {file['seconds']:.3f} s, {file['rate']} Hz, {channels}, {file['format']} {file['subtype']}"
    )
    for name, values in file["tags"].items():
        yield f"{name}: {', '.join(values)}"


@app.command()
def keygen(
    path: Annotated[
        Path, typer.Argument(metavar="FILE", help="A new file; an old one is never overwritten.")
    ],
    main: Annotated[
        Path | None,
        typer.Option("--from-key", metavar="F", help="Derive the key from this key file,"),
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="TEXT", help="for the recipient or release of this name.")
    ] = None,
) -> None:
    """Make a secret key and keep it in FILE, mode 0600: a new one, or a recipient's, derived from a main key.

    A registry knows keys by the identifier that is shown: lookup --key-file FILE lists a recipient's marks.
    """
    if (main is None) != (name is None):
        raise InputError("--from-key and --name go together")
    key = secrets.token_bytes(keys.KEY_BYTES)
    if main is not None and name is not None:
        key = keys.named_key(keys.read_key_file(main), name)
    keys.write_key_file(path, key)
    what = "a new key" if name is None else f"the key of {name!r}, identifier {keys.key_id(key)}"
    tell(f"{path}: {what}, readable by you alone")


@app.command()
def train(
    what: Annotated[
        str, typer.Argument(metavar="NAME|FILE", help="carrier, steps, smoke, small, large, or a file.")
    ],
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of audio; always needed.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Output folder; networks need one.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a run stopped.")] = False,
) -> None:
    """Fit the carrier's lattice steps, or train a network, on a folder's train split.

    steps: the map for embed --model; smoke, small, large or a file: the network that conceals a message.
    """
    if resume and what in ("carrier", "steps"):
        raise InputError(f"training {what} takes minutes and starts afresh: --resume is for other networks")
    with progress() as update:
        if what == "carrier":
            from soundsafe.training.command import train_carrier

            lines = train_carrier(data, out, update)
        elif what == "steps":
            from soundsafe.training.map_command import train_map

            lines = train_map(data, out, update)
        else:
            from soundsafe.training.network_command import train_from_folder

            lines = train_from_folder(what, data, out, resume, update)
    for line in lines:
        tell(line)


def _payload(payload_hex: str | None, payload_file: Path | None, message: str | None) -> bytes:
    given = [value for value in (payload_hex, payload_file, message) if value is not None]
    if len(given) != 1:
        raise InputError("give the payload once: --payload-hex HEX, --payload-file F or --message TEXT")
    if payload_hex is not None:
        if not re.fullmatch(r"([0-9a-fA-F]{2})*", payload_hex):
            raise InputError("--payload-hex needs an even number of hexadecimal digits and nothing else")
        payload, name = bytes.fromhex(payload_hex), "--payload-hex"
    elif payload_file is not None:
        name = str(payload_file)
        try:
            with open(payload_file, "rb") as file:
                payload = file.read(MAX_PAYLOAD + 1)
        except (OSError, ValueError) as error:
            raise InputError(f"cannot read the payload file {payload_file}: {reason(error)}") from None
    else:
        assert message is not None
        try:
            payload, name = message.encode(), "--message"
        except UnicodeEncodeError:
            raise InputError("--message is not valid text: use --payload-hex or --payload-file") from None
    if not payload:
        raise InputError(f"{name} is empty: a payload has 1 to {MAX_PAYLOAD} bytes")
    if len(payload) > MAX_PAYLOAD:
        size = f"{len(payload)} bytes" if payload_file is None else "too many bytes"
        raise InputError(f"{name} has {size}: a payload has 1 to {MAX_PAYLOAD} bytes")
    return payload


def _key(path: Path | None) -> bytes:
    if path is None:
        return keys.DEFAULT_KEY
    key = keys.read_key_file(path)
    mode = path.stat().st_mode & 0o777
    if os.name == "posix" and mode & 0o077:
        _say(f"{path} can be read by others (mode {mode:o}): chmod 600 keeps it secret")
    return key


def _shown(path: Path, file: Path) -> str:
    """`path` as it is shown; `file`: what stands for it where it is `-`."""
    return str(path) if path != DASH else file.stem


def _as_asked(text: str, *files: Path) -> str:
    """`text` without the folder in which standard streams are kept."""
    for file in files:
        if file.stem.startswith("standard "):
            text = text.replace(f"{file.parent}{os.sep}", "")
    return text


def _public_key_note(path: Path | None) -> None:
    if path is None:
        _say(_PUBLIC_KEY)


def _failed(_share: float, line: str) -> None:
    _say(line)


def _end_batch(summary: Summary, good: int, kind: str, out: Path, as_json: bool) -> None:
    if as_json:
        print_json(summary.to_json())
    else:
        skipped = f", {summary.skipped} skipped as no audio" if summary.skipped else ""
        tell(
            f"{out}: {good} of {summary.files} files {kind}, {summary.failed} failed,"
            f" {summary.kept} done before{skipped} ({summary.seconds:.1f} s)"
        )
    if good < summary.files:
        raise typer.Exit(1)


def _decimal(value: float | None) -> str:
    return "unknown" if value is None or math.isnan(value) else f"{value:.1f}"


def _say(text: str) -> None:
    console.say(text, "soundsafe: ")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code (`arguments`: those of the process)."""
    console.run(console.Command("soundsafe", lambda: app, quiet_libraries=True), arguments)


if __name__ == "__main__":
    main()
