"""Tests of single baselines; `test_architectures` has the tests of all architectures."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from mer.research.architectures.base import BuildOptions, SongBatch, architecture
from mer.research.architectures.baselines import PooledText, StackedFrames
from mer.research.architectures.branches import SongNorm, mean_of_softmaxes
from mer.research.architectures.published_baselines import DelbouysWords, TimeConvolutions

DOCUMENTS = (("rain", "night", "alone"), ("sun", "night", "dance")) * 6


def build(name: str) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        options = BuildOptions(classes=4, text_dim=16, documents=DOCUMENTS)
        return architecture(name).build(options).eval()


def batch(songs: int = 2, n_mels: int = 128, seed: int = 0) -> SongBatch:
    generator = torch.Generator().manual_seed(seed)
    return SongBatch(
        log_mel=torch.randn(songs, n_mels, 34, generator=generator),
        waveform=torch.zeros(songs, 1),
        patches=torch.zeros(songs, 1, 1756),
        patches_mask=torch.ones(songs, 1).bool(),
        has_audio=torch.ones(songs).bool(),
        lyrics=torch.randn(songs, 6, 16, generator=generator),
        lyrics_mask=torch.ones(songs, 6).bool(),
        context=torch.randn(songs, 2, 16, generator=generator),
        context_mask=torch.ones(songs, 2).bool(),
        words=DOCUMENTS[seed : seed + songs],
    )


def depends_on(name: str, **changed: Any) -> bool:
    net, songs = build(name), batch()
    with torch.no_grad():
        return not torch.equal(net(songs).logits, net(songs._replace(**changed)).logits)


@pytest.mark.parametrize("name", ["cnn", "crnn", "transformer"])
def test_audio_baselines_ignore_the_text(name: str) -> None:
    another = batch(seed=1)
    assert depends_on(name, log_mel=another.log_mel)
    assert not depends_on(name, lyrics=another.lyrics, context=another.context)


def test_text_only_ignores_the_audio() -> None:
    another = batch(seed=1)
    assert not depends_on("text-only", log_mel=another.log_mel)
    assert depends_on("text-only", lyrics=another.lyrics)
    assert depends_on("text-only", context=another.context)


@torch.no_grad()
def test_early_concatenation_separates_lyrics_and_context() -> None:
    songs = batch()
    joined = PooledText(16, 8).eval()
    swapped = songs._replace(
        lyrics=songs.context,
        lyrics_mask=songs.context_mask,
        context=songs.lyrics,
        context_mask=songs.lyrics_mask,
    )
    torch.testing.assert_close(joined(songs), joined(swapped))  # one text: a bag of tokens
    net = build("early-concat")
    assert not torch.allclose(net(songs).logits, net(swapped).logits)
    another = batch(seed=1)
    assert depends_on("early-concat", lyrics=another.lyrics)
    assert depends_on("early-concat", context=another.context)


@torch.no_grad()
def test_late_fusion_without_text_is_the_audio_branch() -> None:
    net, songs = build("late-fusion"), batch()
    silent = songs._replace(
        lyrics_mask=~songs.lyrics_mask, context_mask=~songs.context_mask, words=((), ())
    )
    features, _ = net.branches[0](songs)
    logits, affect = net.heads[0](features)
    output = net(silent)
    torch.testing.assert_close(output.logits, logits.log_softmax(dim=1))
    torch.testing.assert_close(output.affect, affect)


def test_the_mean_of_softmaxes() -> None:
    logits = torch.tensor([[[2.0, 0.0, 1.0], [0.0, 3.0, 1.0]]]).expand(2, -1, -1)
    present = torch.tensor([[True, True], [False, True]])
    fused = mean_of_softmaxes(logits, present).exp()
    torch.testing.assert_close(fused[0], logits[0].softmax(dim=1).mean(dim=0))
    torch.testing.assert_close(fused[1], logits[1, 1].softmax(dim=0))


@torch.no_grad()
def test_the_transformer_has_four_frames_a_step() -> None:
    frames = StackedFrames(8)
    songs = batch(1)
    steps, mask = frames(songs)
    assert steps.shape == (1, 9, 8)
    assert mask.all()
    second = songs.log_mel[0, :, 4:8].T.flatten()  # frame by frame, the bands of each
    torch.testing.assert_close(steps[0, 1], frames.project(second))
    last = F.pad(songs.log_mel[0, :, 32:], (0, 2)).T.flatten()
    torch.testing.assert_close(steps[0, 8], frames.project(last))


@torch.no_grad()
def test_delbouys_convolves_along_time() -> None:
    windows = batch(1, n_mels=40)._replace(log_mel=torch.randn(1, 40, 1292))
    states, mask = TimeConvolutions().eval()(windows)
    assert states.shape == (1, 82, 16)
    assert mask.shape == (1, 82)


@torch.no_grad()
def test_delbouys_uses_known_words_in_their_order() -> None:
    torch.manual_seed(0)
    words = DelbouysWords(BuildOptions(classes=4, documents=DOCUMENTS)).eval()
    torch.nn.init.normal_(words.table.vectors)  # six songs give vectors near zero
    songs = batch(2)

    def read(*document: str) -> torch.Tensor:
        features, _ = words(songs._replace(words=(document, ("sun",) * 9)))
        row: torch.Tensor = features[0]
        return row

    torch.testing.assert_close(read("sun", "night"), read("sun", "unheard", "night"))
    assert not torch.allclose(read("sun", "rain", "dance"), read("dance", "rain", "sun"))
    alone, _ = words(batch(1)._replace(words=(("sun", "rain", "dance"),)))
    torch.testing.assert_close(alone[0], read("sun", "rain", "dance"))  # padding has no effect
    assert torch.equal(read("unheard"), words.null)
    assert words(songs._replace(words=(("unheard",), ("sun",))))[1].tolist() == [False, True]


def test_one_song_is_normalised_by_the_running_moments() -> None:
    norm: Any = SongNorm(3).train()
    norm.running_mean.copy_(torch.tensor([1.0, 2.0, 3.0]))
    song = torch.tensor([[1.0, 3.0, 5.0]])
    torch.testing.assert_close(norm(song), torch.tensor([[0.0, 1.0, 2.0]]), atol=1e-4, rtol=0)
    assert norm.running_mean.tolist() == [1.0, 2.0, 3.0]
