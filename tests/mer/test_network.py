"""The house network: missing modalities, padding, gates and shapes."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch

from mer import network as affetti
from mer.batches import AffettiBatch, AffettiConfig, AffettiOutput, collate
from mer.errors import ShapeError
from mer.network import AffettiNetwork
from mer.research.datasets.base import AffectLabels, Track
from mer.research.house import kinds

CONFIG = AffettiConfig(audio_dim=12, text_dim=10, descriptor_dim=2, text_width=8, components=4)
PRESENCE = [
    (audio, lyrics, context)
    for audio in (True, False)
    for lyrics in (True, False)
    for context in (True, False)
    if audio or lyrics or context
]


def fit_to(network: AffettiNetwork, songs: list[torch.Tensor]) -> None:
    """Fit the statistics to songs of one kind of music."""
    pooled = torch.stack([torch.cat([s.mean(dim=0), s.std(dim=0, correction=0)]) for s in songs])
    track = Track("mirex", "1", "train", AffectLabels())
    kinds.fit(network.statistics, pooled, [track] * len(songs), CONFIG.descriptor_dim)


@pytest.fixture(scope="module")
def network() -> AffettiNetwork:
    torch.manual_seed(0)
    network = AffettiNetwork(CONFIG)
    fit_to(network, [torch.randn(5, 12) * 3 + 1 for _ in range(40)])
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)  # null tokens too: zeros would hide mistakes
    return network.eval()


def batch(songs: int = 4, patches: int = 5, tokens: int = 7) -> AffettiBatch:
    generator = torch.Generator().manual_seed(1)
    return AffettiBatch(
        torch.randn(songs, patches, 12, generator=generator),
        torch.ones(songs, patches, dtype=torch.bool),
        torch.randn(songs, tokens, 10, generator=generator),
        torch.ones(songs, tokens, dtype=torch.bool),
        torch.randn(songs, 3, 10, generator=generator),
        torch.ones(songs, 3, dtype=torch.bool),
    )


def present(whole: AffettiBatch, presence: tuple[bool, bool, bool]) -> AffettiBatch:
    audio, lyrics, context = presence
    return whole._replace(
        audio_mask=whole.audio_mask & audio,
        lyrics_mask=whole.lyrics_mask & lyrics,
        context_mask=whole.context_mask & context,
    )


def assert_same(one: AffettiOutput, other: AffettiOutput) -> None:
    for name, left, right in zip(one._fields, one, other, strict=True):
        torch.testing.assert_close(left, right, atol=2e-6, rtol=1e-5, msg=lambda m, n=name: n + m)


@pytest.mark.parametrize("presence", PRESENCE)
def test_gates_weigh_what_is_there(
    network: AffettiNetwork, presence: tuple[bool, bool, bool]
) -> None:
    output = network(present(batch(), presence))
    there = torch.tensor(presence)
    torch.testing.assert_close(output.gates.sum(dim=1), torch.ones(4))
    assert (output.gates[:, ~there] == 0).all()
    assert (output.gates[:, there] > 0).all()
    torch.testing.assert_close(output.fused_embedding.norm(dim=1), torch.ones(4))


def test_shapes_and_ranges(network: AffettiNetwork) -> None:
    output = network(batch(songs=2))
    assert output.fused_embedding.shape == (2, 256)
    assert output.quadrant_logits.shape == (2, 4)
    assert output.cluster_logits.shape == (2, 5)
    assert output.emotion_logits.shape == (2, 8)
    assert output.affect.shape == (2, 2)
    assert ((output.affect > 0) & (output.affect < 1)).all()


@pytest.mark.parametrize("presence", PRESENCE)
def test_what_a_missing_modality_holds_does_not_matter(
    network: AffettiNetwork, presence: tuple[bool, bool, bool]
) -> None:
    whole = present(batch(), presence)
    other = whole._replace(
        **{
            name: getattr(whole, name) * 50 + 7
            for name, there in zip(("audio", "lyrics", "context"), presence, strict=True)
            if not there
        }
    )
    assert_same(network(whole), network(other))


def test_padding_changes_nothing(network: AffettiNetwork) -> None:
    whole = batch()
    generator = torch.Generator().manual_seed(2)
    padded = {}
    for name in ("audio", "lyrics", "context"):
        states, mask = getattr(whole, name), getattr(whole, f"{name}_mask")
        junk = torch.randn(4, 3, states.shape[-1], generator=generator) * 9
        padded[name] = torch.cat([states, junk], dim=1)
        padded[f"{name}_mask"] = torch.cat([mask, torch.zeros(4, 3, dtype=torch.bool)], dim=1)
    assert_same(network(whole), network(AffettiBatch(**padded)))


def test_one_song_alone_is_as_in_company(network: AffettiNetwork) -> None:
    whole = batch()
    whole.lyrics_mask[1] = False
    whole.audio_mask[2] = False
    together = network(whole)
    for song in range(4):
        alone = network(AffettiBatch(*(part[song : song + 1] for part in whole)))
        assert_same(alone, AffettiOutput(*(part[song : song + 1] for part in together)))


def test_lyrics_change_the_prediction_from_audio(network: AffettiNetwork) -> None:
    whole = batch()
    silent = network(present(whole, (True, False, False))).fused_embedding
    sung = network(present(whole, (True, True, False))).fused_embedding
    assert (silent - sung).abs().max() > 1e-3


@pytest.mark.parametrize("presence", PRESENCE)
def test_every_member_gives_a_missing_modality_exactly_nothing(
    network: AffettiNetwork, presence: tuple[bool, bool, bool]
) -> None:
    sure = copy.deepcopy(network)
    with torch.no_grad():
        sure.gate.weight *= 100
        sure.gate.bias += torch.where(torch.tensor(presence), 0.0, 50.0)  # towards what is missing
    known = sure.states(present(batch(), presence))
    gates = sure.weigh(known)
    assert known.present.tolist() == [list(presence)] * 4
    assert (gates[..., ~torch.tensor(presence)] == 0).all()
    torch.testing.assert_close(gates.sum(dim=-1), torch.ones(4, 4))


@pytest.mark.parametrize("presence", PRESENCE)
def test_likeness_needs_lyrics_and_context(
    network: AffettiNetwork, presence: tuple[bool, bool, bool]
) -> None:
    likeness = network.states(present(batch(), presence)).cues[:, 1]
    assert likeness.shape == (4,)
    assert ((likeness != 0) if presence[1] and presence[2] else (likeness == 0)).all()


def likeness_of(context: torch.Tensor, lyrics: torch.Tensor) -> float:
    """Mean cosine of the best matched tokens of one song."""
    config = dataclasses.replace(CONFIG, text_dim=context.shape[1])
    mean, deviation = affetti._LIKENESS
    batch = collate([None], [lyrics], [context], config)
    return float(affetti._likeness(batch)) * deviation + mean


def test_likeness_is_of_the_three_tokens_that_are_met_best() -> None:
    context, away = torch.eye(8)[:5], torch.eye(8)[5:]
    assert likeness_of(context, torch.cat([2 * context[:3], away])) == pytest.approx(1)
    assert likeness_of(context, torch.cat([context[:2], away])) == pytest.approx(2 / 3)
    assert likeness_of(context, away) == pytest.approx(0, abs=1e-6)
    assert likeness_of(context[:1], -context[:1]) == pytest.approx(-1)
    halfway = (context[0] + away[0])[None]
    assert likeness_of(context, halfway) == pytest.approx(0.5**0.5 / 3)


def test_padding_is_not_met() -> None:
    network = AffettiNetwork(CONFIG).eval()
    generator = torch.Generator().manual_seed(1)
    short, long = (torch.randn(n, CONFIG.text_dim, generator=generator) for n in (2, 9))
    alone = network.cues(collate([None], [short], [short], CONFIG))
    beside = collate([None] * 2, [short, long], [short, long], CONFIG)
    torch.testing.assert_close(network.cues(beside)[:1], alone)


def test_cues_have_a_limit(network: AffettiNetwork) -> None:
    loud = batch()._replace(audio=torch.full_like(batch().audio, 1e4))
    assert (network.cues(loud)[:, 0] == affetti._CUE_LIMIT).all()


def test_audio_is_the_odder_the_farther_it_lies_from_the_training_songs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(affetti, "_CUE_LIMIT", 100.0)
    network = AffettiNetwork(CONFIG).eval()
    generator = torch.Generator().manual_seed(1)
    songs = [torch.randn(5, CONFIG.audio_dim, generator=generator) for _ in range(40)]
    fit_to(network, songs)
    away = [songs[0] + by for by in (0.0, 2.0, 4.0, 8.0)]
    away_batch = collate(away, [None] * 4, [None] * 4, CONFIG)
    odd = network.cues(away_batch)[:, 0]
    assert (odd.diff() > 0).all()
    novelty = network(away_batch).novelty[:, 0]
    assert (novelty.diff() > 0).all()
    assert novelty[0] < 0.5 < novelty[-1]
    trained = network.cues(collate(songs, [None] * 40, [None] * 40, CONFIG))[:, 0]
    assert float(trained.mean()) == pytest.approx(0, abs=1e-4)
    assert float(trained.std()) == pytest.approx(1, abs=1e-4)
    deaf = collate([None], [songs[0][:, : CONFIG.text_dim]], [None], CONFIG)
    assert float(network.cues(deaf)[0, 0]) == 0
    assert float(network(deaf).novelty) == 0
    assert network(deaf).kinds.tolist() == [[0.0] * len(CONFIG.kinds)]


def test_gates_see_states_and_their_products(network: AffettiNetwork) -> None:
    share = 64
    known = network.states(batch())
    audio, lyrics, context = known.states.unbind(dim=2)
    products = torch.cat([audio * lyrics, audio * context, lyrics * context], dim=-1) * share**0.5
    seen = torch.cat([known.states.flatten(2), products], dim=-1)
    scores = seen @ network.gate.weight + network.gate.bias
    torch.testing.assert_close(network.scores(known), scores)
    scores = scores + known.cues @ network.doubt.weight + network.doubt.bias
    torch.testing.assert_close(network.weigh(known), scores.softmax(dim=-1))


def test_doubt_is_of_the_cues(network: AffettiNetwork) -> None:
    doubtful = copy.deepcopy(network)
    with torch.no_grad():
        doubtful.doubt.weight.zero_()
        doubtful.doubt.weight[:, 0, 0] = -1.0  # odd audio
        doubtful.doubt.weight[:, 1, 1] = 1.0  # likeness of lyrics
    known = doubtful.states(batch())
    plain = doubtful.weigh(known._replace(cues=torch.zeros(4, 2)))
    odd = doubtful.weigh(known._replace(cues=torch.tensor([[2.0, 0.0]] * 4)))
    own = doubtful.weigh(known._replace(cues=torch.tensor([[0.0, 2.0]] * 4)))
    assert (odd[..., 0] < plain[..., 0]).all()
    assert (own[..., 1] > plain[..., 1]).all()


def test_members_are_states_weighted_and_classified(network: AffettiNetwork) -> None:
    known = network.states(batch())
    assert known.states.shape == (4, 4, 3, 64)
    torch.testing.assert_close(known.states.norm(dim=-1), torch.ones(4, 4, 3))
    gates = network.weigh(known)
    summed = (gates.unsqueeze(-1) * known.states).sum(dim=2)
    assert_same(network.members(batch()), network.classify(summed, gates))
    assert_same(network.classify(5 * summed, gates), network.classify(summed, gates))
    alone = network.classify(known.states[:, :, 0], gates)
    by_itself = network.members(present(batch(), (True, False, False)))
    torch.testing.assert_close(alone.fused_embedding, by_itself.fused_embedding)
    torch.testing.assert_close(alone.affect, by_itself.affect)


def test_members_are_averaged_and_share_the_embedding(network: AffettiNetwork) -> None:
    whole, members = network(batch()), network.members(batch())
    assert members.fused_embedding.shape == (4, 4, 64)
    torch.testing.assert_close(whole.quadrant_logits, members.quadrant_logits.mean(dim=0))
    torch.testing.assert_close(whole.fused_embedding[:, 64:128], members.fused_embedding[1] / 2)
    assert (members.cluster_logits[0] - members.cluster_logits[1]).abs().max() > 1e-3


def test_texts_are_dropped_at_their_own_rate() -> None:
    torch.manual_seed(0)
    config = dataclasses.replace(CONFIG, dropout=0.9, text_dropout=0.0)
    network = AffettiNetwork(config).train()
    words = present(batch(), (False, True, False))
    first, again = (network.members(words, are_texts=True).fused_embedding for _ in range(2))
    torch.testing.assert_close(first, again)
    first, again = (network.members(words).fused_embedding for _ in range(2))
    assert (first - again).abs().max() > 1e-2


def test_strange_audio_is_followed_only_so_far(network: AffettiNetwork) -> None:
    whole = present(batch(), (True, False, False))
    loud, louder = (
        network(whole._replace(audio=torch.full_like(whole.audio, value))) for value in (1e4, 1e6)
    )
    assert_same(loud, louder)


def test_calibration_is_part_of_the_output(network: AffettiNetwork) -> None:
    config = AffettiConfig(
        audio_dim=12,
        text_dim=10,
        descriptor_dim=2,
        text_width=8,
        components=4,
        quadrant_temperatures=(2.0,) * 8,
        affect_scale=(3.0, 1.0),
        affect_shift=(0.0, 0.5),
    )
    calibrated = AffettiNetwork(config).eval()
    calibrated.load_state_dict(network.state_dict())
    plain, output = network(batch()), calibrated(batch())
    torch.testing.assert_close(output.quadrant_logits * 2, plain.quadrant_logits)
    valence, arousal = plain.affect.logit().unbind(dim=1)
    torch.testing.assert_close(output.affect[:, 0], torch.sigmoid(valence * 3))
    torch.testing.assert_close(output.affect[:, 1], torch.sigmoid(arousal + 0.5))


def test_felt_shares_are_given_only_where_they_were_calibrated() -> None:
    plain = AffettiNetwork(CONFIG).eval()
    assert plain(batch()).felt.shape == (4, 0)
    rated = AffettiNetwork(
        dataclasses.replace(CONFIG, felt_blend=0.3, felt_scale=(2.0,) * 9, felt_shift=(-1.0,) * 9)
    ).eval()
    output = rated(batch())
    torch.testing.assert_close(output.felt, torch.sigmoid(2 * output.gems_logits - 1))


def test_collate_pads_and_marks_what_is_missing(network: AffettiNetwork) -> None:
    whole = batch()
    audio = [whole.audio[0], None, whole.audio[2, :2]]
    lyrics = [whole.lyrics[0], whole.lyrics[1, :4], None]
    context = [None, None, None]
    collated = collate(audio, lyrics, context, CONFIG)
    assert collated.audio_mask.sum(dim=1).tolist() == [5, 0, 2]
    assert collated.lyrics_mask.sum(dim=1).tolist() == [7, 4, 0]
    assert not collated.context_mask.any()
    alone = network(collate([None], [whole.lyrics[1, :4]], [None], CONFIG))
    together = network(collated)
    assert_same(alone, AffettiOutput(*(part[1:2] for part in together)))


def test_nothing_at_all_is_an_error(network: AffettiNetwork) -> None:
    with pytest.raises(ShapeError, match="neither audio, lyrics nor context"):
        network(present(batch(), (False, False, False)))


def test_wrong_width_is_an_error(network: AffettiNetwork) -> None:
    with pytest.raises(ShapeError, match="widths"):
        network(batch()._replace(audio=torch.zeros(4, 5, 11)))
