"""HCMA by its equations: steps, segments, residual, hierarchy, missing modalities."""

from __future__ import annotations

import pytest
import torch

from mer.errors import InputError
from mer.research.architectures.base import BuildOptions, SongBatch
from mer.research.architectures.hcma import (
    ARCHITECTURES,
    N_MELS,
    SEGMENT,
    SIZES,
    TEXT_ORDER,
    ConvNet,
    CrossModalAttention,
    HcmaNetwork,
    average_segments,
)
from mer.research.inputs.front_ends import front_end

TEXT_DIM = 12
SONGS, LYRICS, CONTEXT, FRAMES = 4, 7, 3, 160
STEPS = FRAMES // 32


def network(variant: str = "full", front_end: str = "own") -> HcmaNetwork:
    torch.manual_seed(0)
    made = HcmaNetwork(
        BuildOptions(
            classes=4,
            variant=variant,
            front_end="musicnn" if front_end == "musicnn" else "own",
            text_dim=TEXT_DIM,
            patch_mean=torch.zeros(1756),
            patch_std=torch.ones(1756),
        )
    )
    for name, parameter in made.named_parameters():
        if "null" in name:
            torch.nn.init.normal_(parameter)  # zeros would hide errors
    return made.eval()


def batch() -> SongBatch:
    """Some songs; the second has no audio, the third no text, the last three lyric tokens."""
    generator = torch.Generator().manual_seed(1)
    has_audio = torch.tensor([True, False, True, True])
    lyrics_mask = torch.ones(SONGS, LYRICS, dtype=torch.bool)
    context_mask = torch.ones(SONGS, CONTEXT, dtype=torch.bool)
    lyrics_mask[2], context_mask[2], lyrics_mask[3, 3:] = False, False, False
    patches_mask = has_audio.unsqueeze(1).repeat(1, 5)
    patches_mask[3, 2:] = False
    return SongBatch(
        log_mel=torch.randn(SONGS, N_MELS, FRAMES, generator=generator) * has_audio[:, None, None],
        waveform=torch.zeros(SONGS, 1),
        patches=torch.randn(SONGS, 5, 1756, generator=generator),
        patches_mask=patches_mask,
        has_audio=has_audio,
        lyrics=torch.randn(SONGS, LYRICS, TEXT_DIM, generator=generator),
        lyrics_mask=lyrics_mask,
        context=torch.randn(SONGS, CONTEXT, TEXT_DIM, generator=generator),
        context_mask=context_mask,
        words=((),) * SONGS,
    )


def song(whole: SongBatch, index: int) -> SongBatch:
    """One song of a batch, without the padding of the batch."""
    row = slice(index, index + 1)
    patches, lyrics, context = (
        max(1, int(mask[index].sum()))
        for mask in (whole.patches_mask, whole.lyrics_mask, whole.context_mask)
    )
    return SongBatch(
        log_mel=whole.log_mel[row],
        waveform=whole.waveform[row],
        patches=whole.patches[row, :patches],
        patches_mask=whole.patches_mask[row, :patches],
        has_audio=whole.has_audio[row],
        lyrics=whole.lyrics[row, :lyrics],
        lyrics_mask=whole.lyrics_mask[row, :lyrics],
        context=whole.context[row, :context],
        context_mask=whole.context_mask[row, :context],
        words=((),),
    )


def test_thirty_seconds_are_forty_steps_of_128_channels() -> None:
    rows, entry = front_end("hcma"), ARCHITECTURES["hcma"]
    assert rows.n_mels == N_MELS
    frames = rows.frames(round(entry.window_seconds["paper"] * rows.sample_rate))
    assert frames == 1292
    encoder = ConvNet(SIZES["paper"].filters, SIZES["paper"].width).eval()
    with torch.no_grad():
        maps = encoder.layers(torch.zeros(1, 1, N_MELS, frames))
        assert maps.shape == (1, 128, 1, 40)
        assert encoder(torch.zeros(1, N_MELS, frames)).shape == (1, 40, 256)
    made = [layer.out_channels for layer in encoder.layers if isinstance(layer, torch.nn.Conv2d)]
    assert made == [32, 64, 128, 256, 128]


@pytest.mark.parametrize("heads", [1, 4])
def test_residual_lies_on_the_query_stream(heads: int) -> None:
    attention = CrossModalAttention(16, heads).eval()
    torch.nn.init.zeros_(attention.attention.out.weight)
    torch.nn.init.zeros_(attention.attention.out.bias)
    queries, keys = torch.randn(2, 6, 16), torch.randn(2, 3, 16)
    fused, _ = attention(queries, keys, torch.ones(2, 3, dtype=torch.bool))
    torch.testing.assert_close(fused, torch.nn.functional.layer_norm(queries, (16,)))


def test_long_texts_are_averaged_segment_by_segment() -> None:
    states = torch.randn(2, 300, 5)
    mask = torch.ones(2, 300, dtype=torch.bool)
    mask[1, 130:] = False
    averaged, real = average_segments(states, mask)
    assert averaged.shape == (2, SEGMENT, 5)
    assert real.all()
    whole = [states[0, start : start + SEGMENT] for start in (0, SEGMENT, 2 * SEGMENT)]
    head = torch.stack([segment[:44] for segment in whole]).mean(dim=0)
    torch.testing.assert_close(averaged[0, :44], head)  # 300 tokens: the last segment has 44
    torch.testing.assert_close(averaged[0, 44:], torch.stack([s[44:] for s in whole[:2]]).mean(0))
    torch.testing.assert_close(averaged[1, :2], (states[1, :2] + states[1, 128:130]) / 2)
    torch.testing.assert_close(averaged[1, 2:], states[1, 2:SEGMENT])


def test_segments_count_real_tokens_only() -> None:
    states, mask = torch.randn(1, 200, 5), torch.ones(1, 200, dtype=torch.bool)
    plain, _ = average_segments(states, mask)
    spread = torch.cat([torch.randn(1, 30, 5), states, torch.randn(1, 90, 5)], dim=1)
    padding = [torch.zeros(1, n, dtype=torch.bool) for n in (30, 90)]
    averaged, real = average_segments(spread, torch.cat([padding[0], mask, padding[1]], dim=1))
    torch.testing.assert_close(averaged, plain)
    assert real.all()


def test_short_texts_stay_as_they_are() -> None:
    states, mask = torch.randn(2, 9, 5), torch.ones(2, 9, dtype=torch.bool)
    mask[1] = False
    averaged, real = average_segments(states, mask)
    torch.testing.assert_close(averaged[0], states[0])
    assert torch.equal(real, mask)
    assert (averaged[1] == 0).all()


@pytest.mark.parametrize("front_end", ["own", "musicnn"])
@pytest.mark.parametrize("variant", ["full", "non-hierarchical", "bi-modal"])
def test_attention_rows_sum_to_one_over_real_tokens(variant: str, front_end: str) -> None:
    output = network(variant, front_end)(batch())
    assert output.attention is not None
    assert output.text_mask is not None
    assert output.attention.shape == (SONGS, 4, STEPS, LYRICS + 1)
    assert output.text_mask.shape == (SONGS, LYRICS + 1)
    ignored = ~output.text_mask[:, None, None].expand_as(output.attention)
    assert (output.attention[ignored] == 0).all()
    assert (output.attention[~ignored] > 0).all()
    torch.testing.assert_close(output.attention.sum(dim=3), torch.ones(SONGS, 4, STEPS))
    assert output.text_mask[:, -1].tolist() == [False, False, True, False]


@pytest.mark.parametrize(
    ("variant", "lyrics_come_first"), [("full", True), ("non-hierarchical", False)]
)
def test_hierarchy_is_the_order_of_the_attentions(variant: str, *, lyrics_come_first: bool) -> None:
    """The weights of the first attention do not depend on the keys of the second."""
    net, songs = network(variant), batch()
    other = songs._replace(context=songs.context + torch.randn(TEXT_DIM))
    before, after = net(songs), net(other)
    assert before.attention is not None
    assert after.attention is not None
    assert torch.equal(before.attention, after.attention) == lyrics_come_first
    assert not torch.equal(before.logits[0], after.logits[0])


def test_two_attentions_in_turn() -> None:
    """Z2 = CMA(CMA(audio, lyrics), context), then the mean over steps."""
    net, songs = network(), song(batch(), 0)
    steps = net.audio(songs.log_mel)
    for name, states, mask in (
        ("lyrics", songs.lyrics, songs.lyrics_mask),
        ("context", songs.context, songs.context_mask),
    ):
        steps, _ = net.ask[name](steps, net.text_in[name](states), mask)
    torch.testing.assert_close(net(songs).logits, net.class_head(steps.mean(dim=1)))


def test_without_context_there_are_two_modalities() -> None:
    net, songs = network("bi-modal"), batch()
    other = songs._replace(context=songs.context + 1)
    assert torch.equal(net(songs).logits, net(other).logits)


def test_spliced_sequences_are_padded_to_the_longest() -> None:
    net, songs = network("concat"), song(batch(), 0)
    output = net(songs)
    assert output.attention is None
    assert output.text_mask is None
    width = SIZES["small"].width
    joined = torch.zeros(1, LYRICS, 3 * width)
    joined[:, :STEPS, :width] = net.audio(songs.log_mel)
    joined[:, :LYRICS, width : 2 * width] = net.text_in["lyrics"](songs.lyrics)
    joined[:, :CONTEXT, 2 * width :] = net.text_in["context"](songs.context)
    assert net.splice is not None
    fused = net.splice.project(joined).mean(dim=1)
    torch.testing.assert_close(output.logits, net.class_head(fused))


@pytest.mark.parametrize("front_end", ["own", "musicnn"])
@pytest.mark.parametrize("variant", TEXT_ORDER)
def test_lyrics_reach_the_head_without_audio(variant: str, front_end: str) -> None:
    net, songs = network(variant, front_end), batch()
    other = songs._replace(lyrics=songs.lyrics * -1)
    moved = (net(songs).logits - net(other).logits).abs().amax(dim=1)
    assert moved[1] > 1e-4
    torch.testing.assert_close(moved[2], torch.tensor(0.0))  # it has no lyrics


@pytest.mark.parametrize("front_end", ["own", "musicnn"])
@pytest.mark.parametrize("variant", TEXT_ORDER)
def test_a_null_step_replaces_missing_audio(variant: str, front_end: str) -> None:
    net, songs = network(variant, front_end), batch()
    other = songs._replace(log_mel=songs.log_mel + 1, patches=songs.patches * 2)
    before = net(songs).logits
    torch.testing.assert_close(net(other).logits[1], before[1])
    torch.nn.init.normal_(net.null_audio)
    moved = (net(songs).logits - before).abs().amax(dim=1) > 1e-5
    assert moved.tolist() == [False, True, False, False]


def test_a_title_alone_reaches_the_head() -> None:
    songs = batch()
    songs = songs._replace(lyrics_mask=torch.zeros_like(songs.lyrics_mask))
    other = songs._replace(context=songs.context * -1)
    assert (network()(songs).logits - network()(other).logits).abs().amax(dim=1)[1] > 1e-4


@pytest.mark.parametrize("front_end", ["own", "musicnn"])
@pytest.mark.parametrize("variant", TEXT_ORDER)
def test_padding_and_other_songs_change_nothing(variant: str, front_end: str) -> None:
    net, songs = network(variant, front_end), batch()
    whole = net(songs)
    assert whole.logits.shape == (SONGS, 4)
    assert whole.affect.shape == (SONGS, 2)
    assert ((whole.affect > 0) & (whole.affect < 1)).all()
    for index in range(SONGS):
        alone = net(song(songs, index))
        torch.testing.assert_close(alone.logits[0], whole.logits[index], atol=2e-6, rtol=1e-5)
        torch.testing.assert_close(alone.affect[0], whole.affect[index], atol=2e-6, rtol=1e-5)


def test_unknown_variant_is_refused() -> None:
    with pytest.raises(InputError, match="bi-modal"):
        network("tri-modal")
