"""What `decode` found, in words: which payload, where, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from soundsafe.result import Decoded, FoundPayload

__all__ = ["clock", "decoded_lines", "odds", "printable", "where"]

_MOST_RANGES = 6


def odds(bound: float) -> str:
    """A false-accept bound in words.

    Args:
        bound: of the probability that audio without the key's mark gives such an answer, in [0, 1].

    Returns:
        A part of a sentence.

    Example:
        >>> odds(3.2e-16), odds(0.004), odds(0.9)
        ('fewer than 1 in 10^15', 'fewer than 1 in 249', 'every second one or more')
    """
    if bound >= 0.5:
        return "every second one or more"
    if bound <= 0:
        return "fewer than 1 in 10^18"
    if bound > 1e-6:
        return f"fewer than 1 in {math.floor(1 / bound - 1e-9)}"
    return f"fewer than 1 in 10^{math.floor(-math.log10(bound))}"


def clock(seconds: float) -> str:
    """A place in audio: seconds, from two minutes on minutes and seconds.

    Example:
        >>> clock(7.96), clock(754.2), clock(3700.0)
        ('8.0', '12:34', '1:01:40')
    """
    if seconds < 119.95:
        return f"{seconds:.1f}"
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def where(ranges: Sequence[tuple[float, float]]) -> str:
    """Stretches of audio, such as `0.0-8.0 s, 12:34-12:40`; '' for none.

    Example:
        >>> where([(0.0, 8.0), (754.2, 760.0)])
        '0.0-8.0 s, 12:34-12:40'
    """
    texts = []
    for start, end in ranges[:_MOST_RANGES]:
        unit = "" if end >= 119.95 else " s"
        texts.append(f"{clock(start)}-{clock(end)}{unit}")
    if len(ranges) > _MOST_RANGES:
        texts.append(f"and {len(ranges) - _MOST_RANGES} more")
    return ", ".join(texts)


def printable(payload: bytes) -> str | None:
    """The payload as text; None where it is not UTF-8, or would act on a terminal."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None


def decoded_lines(result: Decoded) -> Iterator[str]:
    """What a detection found, a line each.

    Args:
        result: of `soundsafe.decode`.

    Yields:
        Payloads in hexadecimal and as text, where they are, how sure that is, and what was done to the audio.
    """
    read = sum(eul.ok for eul in result.euls)
    if result.ok and result.payload is not None:
        found = result.payloads or (FoundPayload(result.payload, read, ()),)
        for number, each in enumerate(found):
            yield f"{'another payload' if number else 'payload'}: {each.payload.hex()}"
            if (text := printable(each.payload)) is not None:
                yield f"text: {text}"
            if each.key_id:
                yield f"key: {each.key_id}"
            whole = f"{each.euls} of {len(result.euls)} seconds"
            places = where(each.ranges)
            if not places:
                yield f"where: all over it ({result.layer} layer), {whole} by themselves"
            else:
                yield f"where: {places} ({whole})"
        for warning in result.warnings:
            yield f"warning: {warning}"
    elif result.id_ok:
        yield f"the payload cannot be read; its identifier is {result.id_hex}"
        yield "lookup --id-hex finds the payload of an identifier in a registry"
    elif read:
        yield f"a mark was found, but not all of its payload: {read} of {len(result.euls)} seconds read"
        yield f"where: {where([(eul.start_s, eul.start_s + 1) for eul in result.euls if eul.ok])}"
    else:
        yield f"no mark found (score {result.score:.1f})"
        return
    yield f"sure: of unmarked audio, {odds(result.false_accept_bound)} would give such an answer"
    if (result.tempo, result.pitch) != (1.0, 1.0):
        factors = f"tempo times {result.tempo:.5f}, pitch times {result.pitch:.5f}"
        yield f"changed: {factors} ({result.layer} layer)"
