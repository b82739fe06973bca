"""What published systems are, as far as the bench must know: data alone, nothing of theirs.

A peer lives in an environment of its own, since their packages ask for versions that clash. Several peers may
share one. The pins below are versions that were tried together: `soundsafe-eval peer install NAME` asks for
exactly them.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ENVIRONMENTS", "PEERS", "Environment", "Peer"]


@dataclass(frozen=True)
class Environment:
    """Packages that one or more peers need.

    Attributes:
        name: of its folder, and, in capitals, of the variable that names another Python
            (`SOUNDSAFE_PYTHON_PERTH`).
        distribution: the package that holds the system; its version is the peer's.
        steps: arguments of pip, one call after the other. A step of its own stands where a package asks for
            versions that it does not need.
        pythons: the oldest and the newest Python that the pins have been made for.
        licence: of the system's code, as it states it.
    """

    name: str
    distribution: str
    steps: tuple[tuple[str, ...], ...]
    pythons: tuple[tuple[int, int], tuple[int, int]] = ((3, 10), (3, 12))
    licence: str = ""


@dataclass(frozen=True)
class Peer:
    """One published system.

    Attributes:
        rate: at which it works, in Hz; None: at any.
        payload_bits: that a clip carries; 0 where it only says that the mark is there. Where
            `any_bits`, this is the default, and the option `bits` sets another number.
        checked: it says itself whether what it read is right; otherwise every reading is a message.
        keyed: it reads nothing with another key.
        minimum_s: shorter audio it cannot mark.
        strength: the option that makes its mark stronger; '' where it has none, then `scale` multiplies
            what it adds. `default`: its value in the package; 0 where that is not known or means less when
            larger.
        weights: what must be given beside the package, '' where the package holds it.
        method: its name inside the package, where that holds several.
        about: whose it is and what, in a few words.
    """

    name: str
    environment: str
    rate: int | None
    payload_bits: int
    checked: bool = False
    keyed: bool = False
    any_bits: bool = False
    minimum_s: float = 0.1
    strength: str = ""
    default: float = 0.0
    weights: str = ""
    method: str = ""
    about: str = ""


# The build for CPUs lies at pytorch.org; where pip finds one, this takes it.
_TORCH = ("torch==2.13.0",)

ENVIRONMENTS = {
    e.name: e
    for e in (
        Environment(
            "perth", "resemble-perth",
            (_TORCH, ("resemble-perth==1.0.1", "librosa==0.11.0", "torchaudio==2.11.1", "pyyaml==6.0.4",
                      "numpy==2.4.6", "setuptools<81")),
            ((3, 11), (3, 13)), "MIT",
        ),
        # Its own pins (torch 2.7.1, matplotlib, scikit-learn ...) are those of its training.
        Environment(
            "aware", "aware",
            (_TORCH, ("numpy==1.26.4", "librosa==0.10.2.post1", "resampy==0.4.3", "webrtcvad-wheels",
                      "pyyaml==6.0.4", "setuptools<81"), ("--no-deps", "aware==2.0.1")),
            ((3, 9), (3, 12)), "MIT",
        ),
        Environment(
            "afiles", "the-a-files", (("the-a-files==2.0.1",),), ((3, 10), (3, 12)), "GPL-3.0-or-later"
        ),
        Environment(
            "voicesign", "voicesign", (("voicesign==0.3.1", "numpy<3"),), ((3, 10), (3, 14)), "BUSL-1.1"
        ),
        Environment(
            "audioseal", "audioseal", (_TORCH, ("audioseal==0.2.0", "numpy<3")), ((3, 10), (3, 13)), "MIT"
        ),
        Environment("wavmark", "wavmark", (_TORCH, ("wavmark==0.0.3", "numpy<3")), ((3, 10), (3, 13)), "MIT"),
        Environment(
            "silentcipher", "silentcipher", (_TORCH, ("silentcipher==1.0.5", "numpy<3")),
            ((3, 10), (3, 12)), "MIT",
        ),
        # It is no package: its code lies beside its weights.
        Environment(
            "timbre", "torch",
            (_TORCH, ("torchaudio==2.11.1", "librosa==0.11.0", "numpy<3", "soundfile", "pyyaml==6.0.4")),
            ((3, 11), (3, 13)), "MIT",
        ),
    )
}  # fmt: skip

# Name, method, keyed, strength and its default, as the package's own cards and constructors have them.
_A_FILES = (
    ("dsss", "DSSS_METHOD", True, "alpha", 0.05),
    ("iss", "IMPROVED_SPREAD_SPECTRUM_METHOD", True, "strength", 0.05),
    ("qim", "QIM_METHOD", True, "step_scale", 0.1),
    ("echo", "ECHO_METHOD", False, "alpha", 0.2),
    ("bf-echo", "BACKWARD_FORWARD_ECHO_METHOD", False, "alpha", 0.1),
    ("ts-echo", "TIME_SPREAD_ECHO_METHOD", True, "alpha", 0.1),
    ("phase", "PHASE_CODING_METHOD", False, "", 0.0),
    ("ipc", "IMPROVED_PHASE_CODING_METHOD", False, "", 0.0),
    ("patchwork", "PATCHWORK_MULTILAYER_METHOD", False, "", 0.0),
    ("fsvc", "FSVC_METHOD", False, "delta", 3.5793656),
    ("norm-space", "NORM_SPACE_METHOD", False, "delta", 0.05),
    ("sync-dwt-dct", "SYNC_DWT_DCT_METHOD", False, "step_scale", 0.5),
    ("histogram", "HISTOGRAM_METHOD", False, "threshold", 2.0),
    ("lfam", "LOW_FREQUENCY_AMPLITUDE_METHOD", False, "margin", 0.3),
    ("blind-svd", "BLIND_SVD_METHOD", False, "quantization_coefficient", 0.1),
    ("lwt", "LWT_METHOD", False, "threshold", 0.05),
    ("emd", "EMD_METHOD", False, "step_scale", 0.2),
    ("dct-b1", "DCT_B1_METHOD", True, "", 0.0),
    ("dct-delta-lsb", "DCT_DELTA_LSB_METHOD", False, "delta_value", 0.05),
    ("dwt-lsb", "DWT_LSB_METHOD", False, "step_scale", 0.5),
    ("w-dwt-lsb", "WIRELESS_DWT_LSB_METHOD", False, "", 0.0),
    ("le-ga", "LEARNABLE_EMBEDDING_GA_METHOD", False, "embedding_strength", 0.005),
    ("fgas", "FGAS_METHOD", True, "epsilon", 0.02),
    ("lsb", "LSB_METHOD", False, "", 0.0),
    ("fbs-lsb", "FBSMethod", False, "", 0.0),
    ("pfi", "PRIME_FACTOR_INTERPOLATE", False, "", 0.0),
    ("pee", "REVERSIBLE_PEE_METHOD", False, "threshold", 8),
    ("aac-stc", "AAC_STC_METHOD", False, "", 0.0),
)

PEERS = {
    p.name: p
    for p in (
        Peer("perth", "perth", 32_000, 0, checked=True, about="Resemble AI's Perth, presence alone"),
        Peer("aware", "aware", 16_000, 20, minimum_s=1.0, strength="tolerance_db",
             about="AWARE, 20 bits a clip"),
        Peer("aware-segments", "aware", 16_000, 20, minimum_s=1.2, strength="tolerance_db",
             about="AWARE, 20 bits in each second"),
        Peer("voicesign", "voicesign", 44_100, 0, checked=True, keyed=True, minimum_s=0.2,
             strength="EMBED_STRENGTH", default=0.04, about="VoiceSign, presence of a key's mark"),
        Peer("audioseal", "audioseal", 16_000, 16,
             weights="the folder of generator_base.pth and detector_base.pth", about="Meta's AudioSeal"),
        Peer("wavmark", "wavmark", 16_000, 16, checked=True, minimum_s=1.1, weights="the file of the model",
             about="WavMark"),
        Peer("silentcipher", "silentcipher", 44_100, 40, checked=True, minimum_s=1.0,
             weights="the folder of the 44.1 kHz model, with hparams.yaml", about="Sony's SilentCipher"),
        Peer("timbre", "timbre", 22_050, 30, minimum_s=1.0,
             weights="the folder watermarking_model, with the checkpoint in results/ckpt/pth",
             about="Timbre watermarking"),
        *(
            Peer(f"afiles-{name}", "afiles", 16_000, 16, keyed=keyed, any_bits=True, minimum_s=1.0,
                 strength=strength, default=default, method=method,
                 about=f"The A-Files, {method.removesuffix('_METHOD').lower().replace('_', ' ')}")
            for name, method, keyed, strength, default in _A_FILES
        ),
    )
}  # fmt: skip
