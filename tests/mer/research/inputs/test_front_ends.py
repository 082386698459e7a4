"""Every front end against librosa, and batches against one by one."""

from __future__ import annotations

from typing import Literal

import librosa
import numpy as np
import pytest
import torch

from mer.audio import patches as audio
from mer.errors import InputError, ShapeError
from mer.research.inputs.front_ends import FRONT_ENDS, FrontEnd, front_end

EVERY = pytest.mark.parametrize("name", FRONT_ENDS)


def music(samples: int, sample_rate: int, songs: int = 1, seed: int = 0) -> torch.Tensor:
    """Return gliding tones over noise, with a silent start: (songs, samples)."""
    generator = torch.Generator().manual_seed(seed)
    time = torch.arange(samples, dtype=torch.float64) / sample_rate
    pitch = torch.rand(songs, 1, generator=generator, dtype=torch.float64) * 800 + 100
    tones = torch.sin(6.283 * pitch * time + 40 * torch.sin(3 * time)) * (0.1 + 0.5 * (time % 1))
    noise = 0.05 * torch.randn(songs, samples, generator=generator, dtype=torch.float64)
    return ((tones + noise) * (time > 0.1)).float()


def by_librosa(waveform: np.ndarray, row: FrontEnd) -> np.ndarray:
    """Compute the same in double precision."""
    samples = waveform.astype(np.float64)
    if row.pre_emphasis:
        samples = librosa.effects.preemphasis(samples, coef=row.pre_emphasis, zi=np.zeros(1))
    power = librosa.feature.melspectrogram(
        y=samples,
        sr=row.sample_rate,
        n_fft=row.n_fft,
        win_length=row.win_length,
        hop_length=row.hop_length,
        window=row.window,
        n_mels=row.n_mels,
        fmin=row.fmin,
        fmax=row.fmax,
        norm=row.norm,
        htk=row.scale == "htk",
    )
    if row.log == "db":
        return librosa.power_to_db(power * row.gain, ref=1.0, amin=row.offset, top_db=None)
    logarithm = np.log if row.log == "ln" else np.log10
    return logarithm(power * row.gain + row.offset)


@EVERY
def test_equals_librosa(name: str) -> None:
    row = FRONT_ENDS[name]
    waveform = music(row.sample_rate + 77, row.sample_rate)
    ours = row.log_mel(waveform)[0].numpy()
    np.testing.assert_allclose(ours, by_librosa(waveform[0].numpy(), row), rtol=0, atol=1e-3)


@pytest.mark.parametrize("norm", ["slaney", None])
def test_equals_librosa_in_what_no_row_uses(norm: Literal["slaney"] | None) -> None:
    row = FrontEnd(16_000, 1024, 800, 400, 40, 50.0, 7000.0, "test", norm=norm, scale="htk")
    waveform = music(16_000, row.sample_rate)
    np.testing.assert_allclose(
        row.log_mel(waveform)[0], by_librosa(waveform[0].numpy(), row), rtol=0, atol=1e-3
    )


@EVERY
def test_a_batch_equals_one_by_one(name: str) -> None:
    row = FRONT_ENDS[name]
    waveforms = music(row.sample_rate // 2, row.sample_rate, songs=3)
    together = row.log_mel(waveforms)
    alone = torch.cat([row.log_mel(waveform[None]) for waveform in waveforms])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-4)
    assert not torch.allclose(together[0], together[1], atol=0.1)


@EVERY
@pytest.mark.parametrize("samples", [1, 219, 220, 1023, 1024, 5000])
def test_shapes(name: str, samples: int) -> None:
    row = FRONT_ENDS[name]
    answer = row.log_mel(torch.zeros(2, samples))
    assert answer.shape == (2, row.n_mels, 1 + samples // row.hop_length)
    assert answer.shape[2] == row.frames(samples)
    assert answer.isfinite().all()


@EVERY
def test_no_band_is_empty(name: str) -> None:
    """A band narrower than the distance of two bins would always be 0."""
    row = FRONT_ENDS[name]
    noise = 0.1 * torch.randn(1, row.sample_rate, generator=torch.Generator().manual_seed(1))
    silence = row.log_mel(torch.zeros(1, 1)).min()
    assert (row.log_mel(noise).mean(dim=2) > silence + 0.5).all()


def test_musicnn_equals_the_front_end_of_the_encoder() -> None:
    row = front_end("musicnn")
    waveform = music(50_000, row.sample_rate)
    expected = audio.log_mel(waveform[0].numpy())
    np.testing.assert_allclose(row.log_mel(waveform)[0], expected, rtol=0, atol=1e-4)


def test_two_seconds_of_li_are_198_whole_windows() -> None:
    """198 x 96 is the input that the paper prints [Li, section 4.1]; centring adds the ends."""
    row = front_end("li")
    assert 1 + (2 * row.sample_rate - row.win_length) // row.hop_length == 198
    assert row.frames(2 * row.sample_rate) == 201


def test_pre_emphasis_starts_from_silence() -> None:
    row = front_end("li")
    impulse = torch.zeros(1, 1)
    impulse[0, 0] = 0.5
    padded = torch.zeros(1, 2)
    padded[0] = torch.tensor([0.5, 0.475])  # 0.5 and then 0 after pre-emphasis
    torch.testing.assert_close(row.log_mel(impulse), row.log_mel(padded), rtol=0, atol=1e-4)


def test_half_precision_and_autocast_still_compute_in_float32() -> None:
    row = front_end("wang")
    waveforms = music(8000, row.sample_rate).half()
    expected = row.log_mel(waveforms.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(row.log_mel(waveforms), expected, rtol=0, atol=0)


def test_use_in_inference_mode_does_not_break_training() -> None:
    row = FrontEnd(8000, 256, 256, 128, 20, 0.0, 4000.0, "test")
    waveforms = music(2000, row.sample_rate)
    with torch.inference_mode():
        row.log_mel(waveforms)
    waveforms.requires_grad_()
    row.log_mel(waveforms).sum().backward()  # type: ignore[no-untyped-call]
    assert waveforms.grad is not None
    assert waveforms.grad.isfinite().all()


@pytest.mark.parametrize("shape", [(100,), (2, 1, 100), (2, 0)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"waveforms must be \(songs, samples\)"):
        front_end("li").log_mel(torch.zeros(shape))


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(InputError, match=r"'lee'; there are li, li_wide, wang, gujar, hcma"):
        front_end("lee")


@EVERY
def test_every_row_states_its_source(name: str) -> None:
    assert FRONT_ENDS[name].source


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@EVERY
def test_cuda_equals_the_cpu(name: str) -> None:
    row = FRONT_ENDS[name]
    waveforms = music(row.sample_rate, row.sample_rate, songs=2)
    on_device = row.log_mel(waveforms.cuda())
    assert on_device.is_cuda
    torch.testing.assert_close(on_device.cpu(), row.log_mel(waveforms), rtol=0, atol=1e-3)
