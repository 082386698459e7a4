"""Gujar, equation by equation; `test_architectures` has the tests of all architectures."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from mer.research.architectures.base import BuildOptions, SongBatch
from mer.research.architectures.branches import AttentionPool, BiGru
from mer.research.architectures.gujar import (
    TEMPERATURE,
    BilinearFusion,
    Crnn,
    build,
    consistency_loss,
    infonce_loss,
)
from mer.research.architectures.gujar import WIDTHS as SIZES

DOCUMENTS = (("rain", "night", "alone"), ("sun", "night", "dance")) * 6
PAIR = torch.tensor([[True, True]])


def options(variant: str = "full", size: str = "small") -> BuildOptions:
    assert size in ("small", "paper")
    return BuildOptions(
        classes=4,
        size="paper" if size == "paper" else "small",
        variant=variant,
        text_dim=16,
        documents=DOCUMENTS,
    )


def network(variant: str = "full", size: str = "small") -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build(options(variant, size)).eval()


def batch(songs: int = 3, frames: int = 32, seed: int = 0) -> SongBatch:
    generator = torch.Generator().manual_seed(seed)

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    return SongBatch(
        log_mel=noise(songs, 128, frames),
        waveform=torch.zeros(songs, 1),
        patches=torch.zeros(songs, 1, 1756),
        patches_mask=torch.ones(songs, 1).bool(),
        has_audio=torch.ones(songs).bool(),
        lyrics=noise(songs, 6, 16),
        lyrics_mask=torch.ones(songs, 6).bool(),
        context=noise(songs, 2, 16),
        context_mask=torch.ones(songs, 2).bool(),
        words=DOCUMENTS[seed : seed + songs],
    )


def without_text(songs: SongBatch, song: int) -> SongBatch:
    lyrics, context = songs.lyrics_mask.clone(), songs.context_mask.clone()
    lyrics[song] = context[song] = False
    words = tuple(() if row == song else spoken for row, spoken in enumerate(songs.words))
    return songs._replace(lyrics_mask=lyrics, context_mask=context, words=words)


def without_audio(songs: SongBatch, song: int) -> SongBatch:
    has_audio, log_mel = songs.has_audio.clone(), songs.log_mel.clone()
    has_audio[song] = False
    log_mel[song] = 0
    return songs._replace(has_audio=has_audio, log_mel=log_mel)


def with_other(songs: SongBatch, modality: str) -> SongBatch:
    another = batch(seed=1)
    names = {"audio": ["log_mel"], "text": ["lyrics", "context", "words"]}[modality]
    return songs._replace(**{name: getattr(another, name) for name in names})


# --- widths at the paper's size ------------------------------------------------------------------


@torch.no_grad()
def test_the_papers_widths() -> None:
    net = network(size="paper")
    text = net.text.encoder
    assert text.width == 128 + 300 + 256 == 684
    assert text.mlp[0].in_features == 684
    assert net.concat.in_features == 1024
    first, second = net.head.trunk[0], net.head.trunk[4]
    assert (first.in_features, first.out_features, second.out_features) == (768, 256, 128)
    assert net.audio(batch(1))[0].shape == net.text(batch(1))[0].shape == (1, 512)


@torch.no_grad()
def test_four_pools_of_128_by_256_leave_sixteen_steps_of_256() -> None:
    crnn = Crnn(options(), SIZES["paper"]).eval()
    states, mask = crnn.stem(batch(1, frames=256))
    assert states.shape == (1, 16, 256)
    assert mask.all()
    assert crnn.rnn(states, mask).shape == (1, 256)


# --- the parts -----------------------------------------------------------------------------------


def test_attention_pooling_is_the_papers() -> None:
    torch.manual_seed(0)
    pool: Any = AttentionPool(5, 4)
    words = torch.randn(1, 3, 5)
    hidden, _, question = pool.score
    scores = [
        question.weight[0] @ torch.tanh(hidden.weight @ word + hidden.bias) for word in words[0]
    ]
    weights = torch.stack(scores).exp() / torch.stack(scores).exp().sum()
    pooled = pool(words, torch.ones(1, 3).bool())
    torch.testing.assert_close(pooled[0], weights @ words[0])
    assert torch.equal(pool(words, torch.zeros(1, 3).bool()), torch.zeros(1, 5))


def test_the_gru_skips_what_the_mask_drops() -> None:
    torch.manual_seed(0)
    gru = BiGru(3, 2).eval()
    states = torch.randn(1, 4, 3)
    kept = torch.tensor([[True, False, True, True]])
    torch.testing.assert_close(gru(states, kept), gru(states[:, [0, 2, 3]], kept[:, [0, 2, 3]]))


def test_alphas_are_the_bilinear_compatibilities() -> None:
    torch.manual_seed(0)
    fusion = BilinearFusion(4)
    torch.nn.init.normal_(fusion.audio.weight)
    torch.nn.init.normal_(fusion.text.weight)
    torch.nn.init.normal_(fusion.bias)
    audio, text = torch.randn(2, 1, 4)
    e_audio = audio[0] @ fusion.audio.weight @ text[0] + fusion.bias[0]
    e_text = text[0] @ fusion.text.weight @ audio[0] + fusion.bias[1]
    alpha = e_audio.exp() / (e_audio.exp() + e_text.exp())
    fused, alphas = fusion(audio, text, PAIR)
    torch.testing.assert_close(alphas, torch.stack([alpha, 1 - alpha]).unsqueeze(0))
    torch.testing.assert_close(fused, alpha * audio + (1 - alpha) * text)


@torch.no_grad()
def test_a_missing_modality_has_alpha_zero_exactly() -> None:
    gates = network()(without_audio(without_text(batch(), 0), 1)).gates
    assert (gates["audio"][0], gates["lyrics"][0]) == (1, 0)
    assert (gates["audio"][1], gates["lyrics"][1]) == (0, 1)
    assert 0 < gates["audio"][2] < 1
    torch.testing.assert_close(gates["audio"] + gates["lyrics"], torch.ones(3))


# --- losses --------------------------------------------------------------------------------------


def test_consistency_is_the_angle_of_songs_that_have_both() -> None:
    audio = torch.tensor([[1.0, 0.0], [2.0, 0.0], [1.0, 0.0]])
    text = torch.tensor([[3.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    songs = torch.eye(3).bool()
    for song, expected in enumerate((0.0, 1.0, 2.0)):
        assert consistency_loss(audio, text, songs[song]).item() == pytest.approx(expected)
    assert consistency_loss(audio, text, ~songs[2]).item() == pytest.approx(0.5)
    assert consistency_loss(audio, text, torch.zeros(3).bool()) == 0


def test_infonce_contrasts_songs_that_have_both() -> None:
    rows = torch.eye(3)
    both = torch.tensor([True, True, False])
    alike = math.log(1 + math.exp(-1 / TEMPERATURE))
    assert infonce_loss(rows, rows, both).item() == pytest.approx(alike, abs=1e-6)
    swapped = infonce_loss(rows, rows[[1, 0, 2]], both).item()
    assert swapped == pytest.approx(1 / TEMPERATURE, rel=1e-4)
    assert infonce_loss(rows, rows, torch.tensor([True, False, False])) == 0


def test_the_loss_is_weighted_and_ignores_songs_with_one_modality() -> None:
    net = network()
    whole = batch()
    audio, _ = net.audio(whole)
    text, _ = net.text(whole)
    distances = 1 - torch.cosine_similarity(audio, text)
    torch.testing.assert_close(net(whole).auxiliary["consistency"], 0.1 * distances.mean())
    partial = net(without_audio(without_text(whole, 0), 1)).auxiliary["consistency"]
    torch.testing.assert_close(partial, 0.1 * distances[2])


def test_variants_of_the_loss() -> None:
    assert not network("no-consistency")(batch()).auxiliary
    full, contrast = (
        network(variant)(batch()).auxiliary["consistency"]
        for variant in ("full", "infonce-consistency")
    )
    assert not torch.isclose(full, contrast)


# --- variants ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("variant", "ignored"), [("audio-only", "text"), ("text-only", "audio")])
@torch.no_grad()
def test_one_modality_ignores_the_other(variant: str, ignored: str) -> None:
    net, songs = network(variant), batch()
    before = net(songs).logits
    assert torch.equal(before, net(with_other(songs, ignored)).logits)
    used = "audio" if ignored == "text" else "text"
    assert not torch.allclose(before, net(with_other(songs, used)).logits)


@pytest.mark.parametrize(
    ("variant", "width"), [("no-tfidf", 556), ("no-word2vec", 384), ("no-bert", 428)]
)
def test_an_omitted_view_has_no_parameters(variant: str, width: int) -> None:
    net = network(variant)
    assert net.text.encoder.mlp[0].in_features == width


@torch.no_grad()
def test_each_view_of_the_text_changes_the_output() -> None:
    views = {
        "no-tfidf": {"word2vec", "bert"},
        "no-word2vec": {"tfidf", "bert"},
        "no-bert": {"tfidf", "word2vec"},
    }
    for variant, kept in views.items():
        net, songs = network(variant), batch()
        before = net.text(songs)[0]
        another = with_other(songs, "text")
        words = net.text(songs._replace(words=another.words))[0]
        tokens = net.text(songs._replace(lyrics=another.lyrics))[0]
        assert torch.equal(before, words) != bool(kept & {"tfidf", "word2vec"})
        assert torch.equal(before, tokens) != ("bert" in kept)


@torch.no_grad()
def test_late_fusion_is_the_mean_of_the_present_softmaxes() -> None:
    net = network("late-fusion")
    songs = without_audio(without_text(batch(), 0), 1)
    alone = [head(branch(songs)[0]) for branch, head in zip(net.branches, net.heads, strict=True)]
    audio, text = (logits.softmax(dim=1) for logits, _ in alone)
    output = net(songs)
    expected = torch.stack([audio[0], text[1], (audio[2] + text[2]) / 2])
    torch.testing.assert_close(output.logits.softmax(dim=1), expected)
    torch.testing.assert_close(output.affect[2], (alone[0][1][2] + alone[1][1][2]) / 2)
    torch.testing.assert_close(output.affect[0], alone[0][1][0])


def test_the_vocabulary_comes_from_the_given_songs() -> None:
    net = network()
    text = net.text.encoder
    assert text.table.words == ("night", "alone", "dance", "rain", "sun")
    expected = torch.tensor([math.log(12 / 13)] + [math.log(12 / 7)] * 4)
    torch.testing.assert_close(text.table.idf, expected)


def test_one_song_can_be_trained_on() -> None:
    net = network().train()
    output = net(batch(1))
    output.logits.sum().backward()
    assert output.logits.isfinite().all()
