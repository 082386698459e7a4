"""Log-mel front ends of the papers, one row of `FRONT_ENDS` each, in batches on CPU or GPU.

Where a paper gives no detail, a row has librosa's defaults: frames centred on zero-padded audio,
power spectra, Slaney's mel scale and bands of unit area.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

import torch
import torch.nn.functional as F

from mer.audio.patches import MUSICNN, mel_filter_bank
from mer.errors import InputError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

_QUANTISATION: Final = 1e-8
"""Mel power of the rounding of 16-bit samples, -80 dB. Below it there is only rounding noise."""


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """A log-mel front end as data.

    Parameters
    ----------
    sample_rate : int
        In hertz.
    n_fft, win_length, hop_length : int
        In samples. A window shorter than `n_fft` is centred in it.
    n_mels : int
    fmin, fmax : float
        Lower edge of the lowest band and upper edge of the highest, in hertz.
    source : str
        The paper, and the choices that are ours.
    window : {'hann', 'hamming'}
        Periodic.
    pre_emphasis : float in [0, 1)
        ``y[n] = x[n] - pre_emphasis * x[n - 1]``, with ``x[-1] = 0``. 0 means no pre-emphasis.
    log : {'ln', 'log10', 'db'}
        Logarithm of ``gain * power + offset``. ``db`` is ten times the decimal logarithm of
        ``max(gain * power, offset)``.
    gain, offset : float
        More than 0.
    norm : {'slaney', None}
        Bands of unit area, or of unit height.
    scale : {'slaney', 'htk'}
        Mel scale.
    """

    sample_rate: int
    n_fft: int
    win_length: int
    hop_length: int
    n_mels: int
    fmin: float
    fmax: float
    source: str
    window: Literal["hann", "hamming"] = "hann"
    pre_emphasis: float = 0.0
    log: Literal["ln", "log10", "db"] = "ln"
    gain: float = 1.0
    offset: float = 1e-6
    norm: Literal["slaney"] | None = "slaney"
    scale: Literal["slaney", "htk"] = "slaney"

    def frames(self, samples: int) -> int:
        """Return the number of frames of a waveform with `samples` samples."""
        return 1 + samples // self.hop_length

    def log_mel(self, waveforms: Tensor) -> Tensor:
        """Log-mel spectrograms, computed in float32 on the device of the waveforms.

        Parameters
        ----------
        waveforms : (songs, samples) float Tensor
            Mono, at `sample_rate`, in [-1, 1]; at least one sample.

        Returns
        -------
        (songs, n_mels, frames) float32 Tensor
            ``1 + samples // hop_length`` frames.

        Raises
        ------
        ShapeError
            If `waveforms` does not have two axes or has no sample.
        """
        if waveforms.ndim != 2 or not waveforms.shape[1]:
            raise ShapeError(f"waveforms must be (songs, samples), got {tuple(waveforms.shape)}")
        window, bank = _window_and_bank(self, waveforms.device)
        with torch.autocast(waveforms.device.type, enabled=False):  # powers need float32
            samples = waveforms.float()
            if self.pre_emphasis:
                samples = samples - self.pre_emphasis * F.pad(samples[:, :-1], (1, 0))
            spectrum = torch.stft(
                samples,
                self.n_fft,
                self.hop_length,
                self.win_length,
                window,
                center=True,
                pad_mode="constant",
                return_complex=True,
            )
            power = spectrum.real.square() + spectrum.imag.square()
            return self._logarithm(bank @ power)

    def _logarithm(self, power: Tensor) -> Tensor:
        power = power * self.gain
        if self.log == "ln":
            return torch.log(power + self.offset)
        if self.log == "log10":
            return torch.log10(power + self.offset)
        return 10.0 * torch.log10(power.clamp(min=self.offset))


@functools.lru_cache(maxsize=64)
def _window_and_bank(front_end: FrontEnd, device: torch.device) -> tuple[Tensor, Tensor]:
    """Window (win_length,) and filter bank (n_mels, n_fft / 2 + 1), cached for each device."""
    bank = mel_filter_bank(
        front_end.sample_rate,
        front_end.n_fft,
        front_end.n_mels,
        fmin=front_end.fmin,
        fmax=front_end.fmax,
        norm=front_end.norm,
        scale=front_end.scale,
    )
    make = torch.hann_window if front_end.window == "hann" else torch.hamming_window
    # A tensor created in inference mode cannot take part in autograd later.
    with torch.inference_mode(mode=False):
        window = make(front_end.win_length, periodic=True, dtype=torch.float64)
        return window.float().to(device), bank.T.contiguous().to(device)


FRONT_ENDS: Final[Mapping[str, FrontEnd]] = MappingProxyType(
    {
        "li": FrontEnd(
            sample_rate=22_050,
            n_fft=1024,
            win_length=551,
            hop_length=220,
            n_mels=40,
            fmin=25.0,
            fmax=8000.0,
            window="hamming",
            pre_emphasis=0.95,
            source="[Li, eq. 1 and table 1]: 25 ms every 10 ms; frames are rounded to samples here",
        ),
        "li_wide": FrontEnd(
            sample_rate=22_050,
            n_fft=1024,
            win_length=551,
            hop_length=220,
            n_mels=96,
            fmin=0.0,
            fmax=11_025.0,
            window="hamming",
            pre_emphasis=0.95,
            source="[Li, section 4.1]: 96 bands, which contradicts table 1; the range is ours",
        ),
        "wang": FrontEnd(
            sample_rate=22_050,
            n_fft=2048,
            win_length=2048,
            hop_length=512,
            n_mels=128,
            fmin=0.0,
            fmax=11_025.0,
            log="db",
            offset=_QUANTISATION,
            source="[Wang, eq. 3] has a mel image U and no number; all numbers are ours",
        ),
        "gujar": FrontEnd(
            sample_rate=22_050,
            n_fft=2048,
            win_length=2048,
            hop_length=512,
            n_mels=128,
            fmin=20.0,
            fmax=8000.0,
            log="db",
            offset=_QUANTISATION,
            source="[Gujar]: a hop of 512 samples and 23 ms, hence the rate; the floor is ours",
        ),
        "hcma": FrontEnd(
            sample_rate=44_100,
            n_fft=1024,
            win_length=1024,
            hop_length=1024,
            n_mels=40,
            fmin=0.0,
            fmax=22_050.0,
            source="[HCMA], after Delbouys et al. (2018): no overlap; rate and logarithm are ours",
        ),
        "lgfn": FrontEnd(
            sample_rate=16_000,
            n_fft=1024,
            win_length=1024,
            hop_length=512,
            n_mels=96,
            fmin=0.0,
            fmax=8000.0,
            source="ours: only the abstract of [LGFN] is public, and it has no number",
        ),
        "musicnn": FrontEnd(
            sample_rate=MUSICNN.sample_rate,
            n_fft=MUSICNN.n_fft,
            win_length=MUSICNN.n_fft,
            hop_length=MUSICNN.hop_length,
            n_mels=MUSICNN.n_mels,
            fmin=0.0,
            fmax=MUSICNN.sample_rate / 2,
            log="log10",
            gain=MUSICNN.gain,
            offset=1.0,
            source="Pons & Serra (2019), with the numbers of `mer.audio.patches.MUSICNN`",
        ),
    }
)
"""Every front end by name; an architecture's `mel_preset` is one of these names."""


def front_end(name: str) -> FrontEnd:
    """Look a front end up.

    Raises
    ------
    InputError
        If there is no front end of that name. The message lists the known names.
    """
    if name not in FRONT_ENDS:
        raise InputError(f"no front end is called {name!r}; there are {', '.join(FRONT_ENDS)}")
    return FRONT_ENDS[name]
