"""Wang's architecture, equation by equation."""

from __future__ import annotations

import pytest
import torch

from mer.research.architectures.base import BuildOptions, ModelOutput, SongBatch, architecture
from mer.research.architectures.wang import (
    INFONCE_WEIGHT,
    SIZES,
    VARIANTS,
    BidirectionalAttention,
    Contrast,
    Heads,
    JointEncoder,
    MelGrid,
    Wang,
    with_null,
)
from tests.mer.research.song_batches import EVERYTHING, options, song_batch

SMALL = SIZES["small"]
WIDTH = SMALL.width


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def build(variant: str = "full") -> Wang:
    network = Wang(options(architecture("wang"), variant=variant)).eval()
    with torch.no_grad():
        for parameter in network.parameters():  # null states too: zeros would hide errors
            parameter.add_(0.05 * torch.randn_like(parameter))
    return network


def songs(*present: tuple[str, ...]) -> SongBatch:
    return song_batch(architecture("wang"), max(3, len(present)), present=present or [EVERYTHING])


@torch.no_grad()
def predict(network: Wang, batch: SongBatch) -> ModelOutput:
    return network(batch)  # type: ignore[no-any-return]


def encoder_input(network: Wang, batch: SongBatch) -> tuple[torch.Tensor, torch.Tensor]:
    """The input of eq. 19 and its mask."""
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    assert network.joint.encoder is not None
    handle = network.joint.encoder.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append((args[0], kwargs["src_key_padding_mask"])),
        with_kwargs=True,
    )
    predict(network, batch)
    handle.remove()
    return seen[0]


# --- eqs. 1-5 ----------------------------------------------------------------------------------


def test_the_paper_size_is_a_resnet_50() -> None:
    with torch.device("meta"):
        grid = MelGrid(SIZES["paper"])
    convolutions = [m for m in grid.resnet.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(convolutions) - 4 == 49  # without shortcuts; the fiftieth layer is the classifier
    assert sum(p.numel() for p in grid.parameters()) == 23_508_032 - 2 * 64 * 49  # 1 channel, not 3
    assert grid.width == 2048


def test_positions_are_the_cells_of_the_last_stage() -> None:
    batch = songs()
    cells, audio_mask = MelGrid(SMALL).eval()(batch)
    height, width = (-(-size // 32) for size in batch.log_mel.shape[1:])
    assert cells.shape == (3, height * width, SMALL.channels[-1])
    assert audio_mask.all()


def test_songs_without_audio_stay_out_of_the_batch_statistics() -> None:
    one = MelGrid(SMALL).train()
    other = MelGrid(SMALL).train()
    other.load_state_dict(one.state_dict())
    batch = songs(EVERYTHING, ("lyrics",), EVERYTHING)
    cells, audio_mask = one(batch)
    keep = batch._replace(log_mel=batch.log_mel[::2], has_audio=batch.has_audio[::2])
    expected, _ = other(keep)
    torch.testing.assert_close(cells[::2], expected)
    assert audio_mask.any(dim=1).tolist() == [True, False, True]
    for name, value in one.state_dict().items():
        torch.testing.assert_close(value, other.state_dict()[name])


def test_only_empty_songs_get_a_null_state() -> None:
    states, null = torch.randn(2, 3, 4), torch.full((4,), 7.0)
    mask = torch.tensor([[False, True, False], [False, False, False]])
    filled, real = with_null(states, mask, null)
    assert torch.equal(filled[0], states[0])
    assert torch.equal(filled[1, 0], null)
    assert real.tolist() == [[False, True, False], [True, False, False]]


# --- eqs. 6-14 ---------------------------------------------------------------------------------


def parts() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two songs with seven tokens, the last two padding in the second, and four cells."""
    text_mask = torch.ones(2, 7, dtype=torch.bool)
    text_mask[1, 5:] = False
    audio_mask = torch.ones(2, 4, dtype=torch.bool)
    return torch.randn(2, 7, WIDTH), text_mask, torch.randn(2, 4, WIDTH), audio_mask


def test_outputs_have_the_length_of_their_queries_and_rows_sum_to_one() -> None:
    cross = BidirectionalAttention(SMALL).eval()
    text, text_mask, audio, audio_mask = parts()
    to_text, over_audio = cross.text_asks(text, audio, audio_mask)
    to_audio, over_text = cross.audio_asks(audio, text, text_mask)
    assert to_text.shape == text.shape
    assert to_audio.shape == audio.shape
    assert over_audio.shape == (2, SMALL.heads, 7, 5)
    assert over_text.shape == (2, SMALL.heads, 4, 8)
    for weights, mask in ((over_audio, audio_mask), (over_text, text_mask)):
        real = (weights[..., :-1] * mask[:, None, None]).sum(dim=3)
        torch.testing.assert_close(real, torch.ones_like(real))


def test_g1_is_the_mean_over_text_and_g2_over_audio() -> None:
    cross = BidirectionalAttention(SMALL).eval()
    text, text_mask, audio, audio_mask = parts()
    g1, g2, _ = cross(text, text_mask, audio, audio_mask)
    assert g1.shape == g2.shape == (2, WIDTH)
    to_text, _ = cross.text_asks(text, audio, audio_mask)
    to_audio, _ = cross.audio_asks(audio, text, text_mask)
    torch.testing.assert_close(g1[1], to_text[1, :5].mean(dim=0))
    torch.testing.assert_close(g2, to_audio.mean(dim=1))


# --- eqs. 15-19 --------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["full", "no-cross-attention", "no-self-attention"])
def test_the_input_of_the_encoder_is_text_and_audio_along_time(variant: str) -> None:
    batch = songs()
    tokens = batch.text()[1].shape[1]
    cells = MelGrid(SMALL).eval()(batch)[0].shape[1]
    both, hidden = encoder_input(build(variant), batch)
    assert both.shape == (3, tokens + cells, WIDTH)
    assert torch.equal(hidden, torch.cat([~batch.text()[1], torch.zeros(3, cells).bool()], dim=1))


def test_modality_types_are_added_to_the_input_of_the_encoder() -> None:
    network, batch = build("no-self-attention"), songs()
    tokens = batch.text()[1].shape[1]
    with torch.no_grad():
        before, _ = encoder_input(network, batch)
        network.joint.types[0] += 1.0
        network.joint.types[1] -= 2.0
        after, _ = encoder_input(network, batch)
    torch.testing.assert_close(after[:, :tokens], before[:, :tokens] + 1.0)
    torch.testing.assert_close(after[:, tokens:], before[:, tokens:] - 2.0)


def test_self_attention_stays_within_its_modality() -> None:
    text, text_mask, audio, audio_mask = parts()
    joint = JointEncoder(SMALL, self_attention=True, transformer=True).eval()
    seen: list[torch.Tensor] = []
    assert joint.encoder is not None
    joint.encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    with torch.no_grad():
        joint(text, text_mask, audio, audio_mask)
        joint(text, text_mask, audio + torch.randn_like(audio), audio_mask)
    torch.testing.assert_close(seen[0][:, :7], seen[1][:, :7])
    assert not torch.allclose(seen[0][:, 7:], seen[1][:, 7:], atol=1e-3)


def test_without_the_transformer_the_summary_is_the_plain_mean() -> None:
    text, text_mask, audio, audio_mask = parts()
    joint = JointEncoder(SMALL, self_attention=False, transformer=False)
    pooled = joint(text, text_mask, audio, audio_mask)[1]
    positions = torch.cat([text[1, :5] + joint.types[0], audio[1] + joint.types[1]])
    torch.testing.assert_close(pooled, positions.mean(dim=0))


# --- eqs. 20-23 --------------------------------------------------------------------------------


def test_logits_are_averaged_by_default_and_softmaxes_summed_literally() -> None:
    first, second = torch.randn(5, 6), torch.randn(5, 6)
    for literal in (False, True):
        heads = Heads(6, SMALL, 4, literal=literal).eval()
        parts = [
            classify(hidden(x).relu())
            for classify, hidden, x in zip(
                heads.classify, heads.hidden, (first, second), strict=True
            )
        ]
        logits, affect = heads(first, second)
        if literal:
            assert heads.combine is not None
            expected = heads.combine(parts[0].softmax(dim=1) + parts[1].softmax(dim=1))
        else:
            expected = (parts[0] + parts[1]) / 2
        torch.testing.assert_close(logits, expected)
        assert affect.shape == (5, 2)


def test_the_inputs_of_the_two_heads_are_g1_and_g2() -> None:
    network, seen = build(), []
    network.heads.register_forward_pre_hook(lambda _, args: seen.extend(args))
    assert network.cross is not None
    network.cross.register_forward_hook(lambda _, __, output: seen.extend(output[:2]))
    predict(network, songs())
    g1, g2, first, second = seen
    torch.testing.assert_close(first[:, WIDTH:], g1)
    torch.testing.assert_close(second[:, WIDTH:], g2)
    torch.testing.assert_close(first[:, :WIDTH], second[:, :WIDTH])


def test_without_cross_attention_the_heads_use_the_summary_only() -> None:
    network, seen = build("no-cross-attention"), []
    network.heads.register_forward_pre_hook(lambda _, args: seen.extend(args))
    output = predict(network, songs())
    assert seen[0].shape == (3, WIDTH)
    assert torch.equal(seen[0], seen[1])
    assert output.attention is None
    assert output.text_mask is None


@pytest.mark.parametrize("variant", [name for name in VARIANTS[1:] if name != "infonce"])
def test_an_ablation_changes_the_output(variant: str) -> None:
    torch.manual_seed(1)
    full = Wang(options(architecture("wang"))).eval()
    ablated = Wang(options(architecture("wang"), variant=variant)).eval()
    shared = {
        name: value
        for name, value in full.state_dict().items()
        if name in ablated.state_dict() and value.shape == ablated.state_dict()[name].shape
    }
    ablated.load_state_dict(shared, strict=False)
    batch = songs()
    assert not torch.allclose(
        predict(full, batch).logits, predict(ablated, batch).logits, atol=1e-4
    )


# --- the auxiliary loss ------------------------------------------------------------------------


def test_infonce_is_small_for_matching_pairs() -> None:
    contrast = Contrast(WIDTH, WIDTH, WIDTH)
    contrast.audio.load_state_dict(contrast.text.state_dict())
    states, mask = torch.randn(6, 3, WIDTH), torch.ones(6, 3, dtype=torch.bool)
    matched = contrast(states, mask, states, mask)
    shuffled = contrast(states, mask, states.roll(1, dims=0), mask)
    assert 0 <= matched < shuffled
    assert shuffled > torch.tensor(6.0).log()


def test_infonce_leaves_out_songs_that_lack_a_modality() -> None:
    contrast = Contrast(WIDTH, WIDTH, WIDTH)
    text, audio = torch.randn(4, 3, WIDTH), torch.randn(4, 2, WIDTH)
    text_mask, audio_mask = torch.ones(4, 3, dtype=torch.bool), torch.ones(4, 2, dtype=torch.bool)
    text_mask[3] = False
    expected = contrast(text[:3], text_mask[:3], audio[:3], audio_mask[:3])
    torch.testing.assert_close(contrast(text, text_mask, audio, audio_mask), expected)
    text_mask[1:] = False
    assert contrast(text, text_mask, audio, audio_mask) == 0


def test_only_its_variant_has_the_auxiliary_loss_with_its_weight() -> None:
    assert not predict(build(), songs()).auxiliary
    network = build("infonce")
    losses: list[torch.Tensor] = []
    assert network.contrast is not None
    network.contrast.register_forward_hook(lambda _, __, output: losses.append(output))
    output = predict(network, songs())
    torch.testing.assert_close(output.auxiliary["infonce"], INFONCE_WEIGHT * losses[0])
    assert losses[0] > 0


def test_the_key_of_an_absent_text_is_the_null_token() -> None:
    output = predict(build(), songs(EVERYTHING, ("audio",)))
    assert output.attention is not None
    assert output.text_mask is not None
    assert output.text_mask[1].tolist() == [False] * (output.text_mask.shape[1] - 1) + [True]
    assert (output.attention[1, ..., -1] == 1).all()
    assert (output.attention[0, ..., -1] == 0).all()


def test_text_of_any_width_is_accepted() -> None:
    network = Wang(BuildOptions(classes=3, text_dim=768)).eval()
    batch = songs()
    wider = batch._replace(lyrics=torch.randn(3, 9, 768), context=torch.randn(3, 5, 768))
    wider = wider._replace(
        lyrics_mask=torch.ones(3, 9, dtype=torch.bool),
        context_mask=torch.ones(3, 5, dtype=torch.bool),
    )
    assert predict(network, wider).logits.shape == (3, 3)
