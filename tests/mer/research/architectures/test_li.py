"""Li by its equations: time axis, positions, attention, literal block, missing modalities."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mer.errors import InputError
from mer.research.architectures.base import BuildOptions, SongBatch
from mer.research.architectures.blocks import sinusoidal_positions
from mer.research.architectures.li import (
    ARCHITECTURES,
    N_MELS,
    SIZES,
    VARIANTS,
    FrameEncoder,
    LiNetwork,
    LyricTokens,
)
from mer.research.inputs.front_ends import front_end

TEXT_DIM = 12
SONGS, LYRICS, CONTEXT = 4, 7, 3


def network(variant: str = "full", front_end: str = "own") -> LiNetwork:
    torch.manual_seed(0)
    made = LiNetwork(
        BuildOptions(
            classes=8,
            variant=variant,
            front_end="musicnn" if front_end == "musicnn" else "own",
            text_dim=TEXT_DIM,
            patch_mean=torch.zeros(1756),
            patch_std=torch.ones(1756),
        )
    )
    for null in (made.null_audio, made.block.attention.null):
        torch.nn.init.normal_(null)  # zeros would hide errors
    return made.eval()


def batch(frames: int = 20) -> SongBatch:
    """Some songs; the second has no audio, the third no text, the last three lyric tokens."""
    generator = torch.Generator().manual_seed(1)
    has_audio = torch.tensor([True, False, True, True])
    lyrics_mask = torch.ones(SONGS, LYRICS, dtype=torch.bool)
    context_mask = torch.ones(SONGS, CONTEXT, dtype=torch.bool)
    lyrics_mask[2], context_mask[2], lyrics_mask[3, 3:] = False, False, False
    context_mask[0, 1:] = False  # padding between context and lyrics
    return SongBatch(
        log_mel=torch.randn(SONGS, N_MELS, frames, generator=generator) * has_audio[:, None, None],
        waveform=torch.zeros(SONGS, 1),
        patches=torch.randn(SONGS, 5, 1756, generator=generator),
        patches_mask=has_audio.unsqueeze(1).expand(-1, 5),
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
    lyrics = max(1, int(whole.lyrics_mask[index].sum()))
    context = max(1, int(whole.context_mask[index].sum()))
    return SongBatch(
        log_mel=whole.log_mel[row],
        waveform=whole.waveform[row],
        patches=whole.patches[row],
        patches_mask=whole.patches_mask[row],
        has_audio=whole.has_audio[row],
        lyrics=whole.lyrics[row, :lyrics],
        lyrics_mask=whole.lyrics_mask[row, :lyrics],
        context=whole.context[row, :context],
        context_mask=whole.context_mask[row, :context],
        words=((),),
    )


def other_sound(whole: SongBatch) -> SongBatch:
    return whole._replace(log_mel=whole.log_mel.flip(2) * 2 + 1)


def test_front_end_and_window_are_table_1() -> None:
    rows, entry = front_end("li"), ARCHITECTURES["li"]
    assert rows.n_mels == N_MELS
    for seconds in entry.window_seconds.values():
        assert rows.frames(round(seconds * rows.sample_rate)) == 198


@pytest.mark.parametrize("frames", [1, 5, 198])
def test_convolutions_keep_every_frame(frames: int) -> None:
    encoder = FrameEncoder(SIZES["small"].channels, 16).eval()
    assert encoder(torch.randn(2, N_MELS, frames)).shape == (2, frames, 16)


def test_paper_size_is_the_resolution_table() -> None:
    encoder = FrameEncoder(SIZES["paper"].channels, SIZES["paper"].width)
    kernels = [
        (layer.kernel_size, layer.out_channels)
        for layer in encoder.layers
        if isinstance(layer, torch.nn.Conv2d)
    ]
    assert kernels == [((3, 3), 32), ((5, 3), 64), ((7, 3), 128), ((9, 3), 256)]
    bands = [N_MELS]
    maps = torch.zeros(1, 1, N_MELS, 3)
    for layer in encoder.layers:
        maps = layer(maps)
        if isinstance(layer, torch.nn.MaxPool2d):
            bands.append(maps.shape[2])
    assert bands == [40, 20, 10, 5, 2]
    assert encoder.project.out_features == 512
    assert SIZES["paper"].heads == 8


def test_the_receptive_field_is_four_frames_to_each_side() -> None:
    """Four convolutions of three frames, without pooling over time."""
    encoder = FrameEncoder(SIZES["small"].channels, 16).eval()
    sound = torch.randn(1, N_MELS, 21)
    changed = sound.clone()
    changed[:, :, 10] += 5.0
    moved = (encoder(sound) - encoder(changed)).abs().amax(dim=(0, 2)) > 1e-6
    assert moved.nonzero().flatten().tolist() == list(range(6, 15))


def test_tokens_are_projection_plus_position() -> None:
    tokens = LyricTokens(TEXT_DIM, 8)
    mask = torch.tensor([[True, False, False, True, True]])
    states = torch.randn(1, 5, TEXT_DIM)
    expected = tokens.project(states[0, mask[0]]) + sinusoidal_positions(3, 8)
    torch.testing.assert_close(tokens(states, mask)[0, mask[0]], expected)


@pytest.mark.parametrize(("variant", "is_ordered"), [("full", True), ("no-positions", False)])
def test_only_positions_encode_the_order_of_words(variant: str, *, is_ordered: bool) -> None:
    net, songs = network(variant), batch()
    turned = songs._replace(lyrics=songs.lyrics.flip(1), lyrics_mask=songs.lyrics_mask.flip(1))
    difference = (net(songs).logits - net(turned).logits)[0].abs().max()
    assert (difference > 1e-5) == is_ordered


@pytest.mark.parametrize("front_end", ["own", "musicnn"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_attention_rows_sum_to_one_over_real_tokens(variant: str, front_end: str) -> None:
    output = network(variant, front_end)(batch())
    assert output.attention is not None
    assert output.text_mask is not None
    queries = 5 if front_end == "musicnn" else 20
    assert output.attention.shape == (SONGS, 4, queries, CONTEXT + LYRICS + 1)
    assert output.text_mask.shape == (SONGS, CONTEXT + LYRICS + 1)
    ignored = ~output.text_mask[:, None, None].expand_as(output.attention)
    assert (output.attention[ignored] == 0).all()
    assert (output.attention[~ignored] > 0).all()
    torch.testing.assert_close(output.attention.sum(dim=3), torch.ones(SONGS, 4, queries))
    words = torch.tensor([True, True, False, True]) & (variant != "no-lyrics")
    torch.testing.assert_close(output.text_mask[:, -1], ~words)


def pooled(net: LiNetwork, songs: SongBatch) -> Tensor:
    """Input of the head, v of eq. 7."""
    seen: list[Tensor] = []
    handle = net.features.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    net(songs)
    handle.remove()
    return seen[0]


def test_literal_block_is_eq_6_of_the_words_alone() -> None:
    """v is W_o of a weighted mean of projected words; the audio affects the weights only."""
    net, songs = network("no-residual"), song(batch(), 0)
    weights = net(songs).attention
    assert weights is not None
    attention = net.block.attention
    states, mask = songs.text()
    values = attention.value(net.tokens(states, mask)).unflatten(2, (4, -1)).transpose(1, 2)
    mixture = (weights[..., :-1] @ values).transpose(1, 2).flatten(2)
    torch.testing.assert_close(pooled(net, songs), attention.out(mixture).mean(dim=1))


@pytest.mark.parametrize(("variant", "depends_on_audio"), [("full", True), ("no-residual", False)])
def test_with_equal_words_only_the_residual_depends_on_audio(
    variant: str, *, depends_on_audio: bool
) -> None:
    net, songs = network(variant), song(batch(), 0)
    songs = songs._replace(
        lyrics=songs.lyrics[:, :1],
        lyrics_mask=songs.lyrics_mask[:, :1],
        context_mask=torch.zeros_like(songs.context_mask),
    )
    difference = (net(songs).logits - net(other_sound(songs)).logits).abs().max()
    assert (difference > 1e-3) == depends_on_audio


def test_block_is_post_norm() -> None:
    block = network().block
    for layer in (block.attention.out, block.feed_forward[-1]):
        for parameter in layer.parameters():
            torch.nn.init.zeros_(parameter)
    frames, tokens = torch.randn(2, 6, 64), torch.randn(2, 3, 64)
    fused, _ = block(frames, tokens, torch.ones(2, 3, dtype=torch.bool))
    once = torch.nn.functional.layer_norm(frames, (64,))
    torch.testing.assert_close(fused, torch.nn.functional.layer_norm(once, (64,)))


@pytest.mark.parametrize("front_end", ["own", "musicnn"])
def test_words_reach_the_head_without_audio(front_end: str) -> None:
    net, songs = network(front_end=front_end), batch()
    other = songs._replace(lyrics=songs.lyrics * -1)
    moved = (net(songs).logits - net(other).logits).abs().amax(dim=1)
    assert moved[1] > 1e-4
    torch.testing.assert_close(moved[2], torch.tensor(0.0))  # it has no words


@pytest.mark.parametrize("front_end", ["own", "musicnn"])
def test_a_null_frame_replaces_missing_audio(front_end: str) -> None:
    net, songs = network(front_end=front_end), batch()
    other = songs._replace(log_mel=songs.log_mel + 1, patches=songs.patches * 2)
    before = net(songs).logits
    torch.testing.assert_close(net(other).logits[1], before[1])
    torch.nn.init.normal_(net.null_audio)
    moved = (net(songs).logits - before).abs().amax(dim=1) > 1e-5
    assert moved.tolist() == [False, True, False, False]


def test_without_words_only_the_audio_matters() -> None:
    net, songs = network("no-lyrics"), batch()
    other = songs._replace(lyrics=songs.lyrics * -1, context=songs.context + 1)
    assert torch.equal(net(songs).logits, net(other).logits)
    assert not torch.equal(net(songs).logits[0], net(other_sound(songs)).logits[0])


@pytest.mark.parametrize("front_end", ["own", "musicnn"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_padding_and_other_songs_change_nothing(variant: str, front_end: str) -> None:
    net, songs = network(variant, front_end), batch()
    whole = net(songs)
    assert whole.logits.shape == (SONGS, 8)
    assert whole.affect.shape == (SONGS, 2)
    assert ((whole.affect > 0) & (whole.affect < 1)).all()
    for index in range(SONGS):
        alone = net(song(songs, index))
        torch.testing.assert_close(alone.logits[0], whole.logits[index], atol=2e-6, rtol=1e-5)
        torch.testing.assert_close(alone.affect[0], whole.affect[index], atol=2e-6, rtol=1e-5)


def test_unknown_variant_is_refused() -> None:
    with pytest.raises(InputError, match="no-residual"):
        network("no-words")
