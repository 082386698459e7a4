"""The LGFN-style network: time steps, alignment, gate."""

from __future__ import annotations

import pytest
import torch

from mer.research.architectures.base import FrontEndKind, ModelOutput, SongBatch, architecture
from mer.research.architectures.lgfn import (
    SIZES,
    VARIANTS,
    Alignment,
    Gate,
    Lgfn,
    OwnAudio,
    mel_energies,
)
from tests.mer.research.song_batches import EVERYTHING, options, song_batch

SMALL = SIZES["small"]
WIDTH = SMALL.width
KINDS: tuple[FrontEndKind, ...] = ("own", "musicnn")
GATED = [name for name in VARIANTS if name != "concat"]


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def build(variant: str = "full", front_end: FrontEndKind = "own") -> Lgfn:
    network = Lgfn(options(architecture("lgfn"), variant=variant, front_end=front_end)).eval()
    with torch.no_grad():
        for parameter in network.parameters():  # null states too: zeros would hide errors
            parameter.add_(0.05 * torch.randn_like(parameter))
    return network


def songs(*present: tuple[str, ...], front_end: FrontEndKind = "own") -> SongBatch:
    return song_batch(
        architecture("lgfn"),
        max(3, len(present)),
        present=present or [EVERYTHING],
        front_end=front_end,
        frames=160,
    )


@torch.no_grad()
def predict(network: Lgfn, batch: SongBatch) -> ModelOutput:
    return network(batch)  # type: ignore[no-any-return]


# --- audio -------------------------------------------------------------------------------------


def test_the_paper_size_is_a_resnet_18() -> None:
    with torch.device("meta"):
        audio = OwnAudio(SIZES["paper"], waveform=True)
    convolutions = [m for m in audio.resnet.modules() if isinstance(m, torch.nn.Conv2d)]
    assert (
        len(convolutions) - 3 == 17
    )  # without the shortcuts; the eighteenth layer is the classifier
    assert sum(p.numel() for p in audio.resnet.parameters()) == 11_176_512 - 2 * 64 * 49


def test_a_time_step_is_thirty_two_frames() -> None:
    states, energies, mask = OwnAudio(SMALL, waveform=True).eval()(songs())
    assert states.shape == (3, 160 // 32, WIDTH)
    assert energies.shape == (3, 160 // 32, 2)
    assert mask.all()


def test_the_waveform_changes_the_output_only_with_its_branch() -> None:
    batch = songs()
    louder = batch._replace(waveform=batch.waveform.flip(1))
    for waveform in (True, False):
        audio = OwnAudio(SMALL, waveform=waveform).eval()
        with torch.no_grad():
            same = torch.allclose(audio(batch)[0], audio(louder)[0], atol=1e-6)
        assert same is not waveform


def test_flatness_is_zero_for_a_flat_spectrum_and_less_for_a_peak() -> None:
    flat = torch.full((1, 96, 8), 0.7)
    peak = flat.clone()
    peak[:, 3] += 5.0
    torch.testing.assert_close(
        mel_energies(flat, 2), torch.tensor([0.7, 0.0]).expand(1, 2, 2), atol=1e-5, rtol=0
    )
    energy, flatness = mel_energies(peak, 1)[0, 0]
    assert energy > 0.7
    assert flatness < -0.5


def test_energies_follow_the_loudness_of_the_frames() -> None:
    log_mel = torch.zeros(1, 10, 8)
    log_mel[..., 4:] = 2.0
    energies = mel_energies(log_mel, 2)[0, :, 0]
    torch.testing.assert_close(energies, torch.tensor([0.0, 2.0]), atol=1e-5, rtol=0)


def test_a_patch_that_is_masked_between_others_leaves_no_gap() -> None:
    network = build(front_end="musicnn")
    batch = songs(front_end="musicnn")
    patches = torch.randn(3, 4, batch.patches.shape[2])
    holed = torch.tensor([[True, False, True, True]]).expand(3, -1)
    one = predict(network, batch._replace(patches=patches, patches_mask=holed))
    short = batch._replace(patches=patches[:, [0, 2, 3]], patches_mask=holed[:, [0, 2, 3]])
    torch.testing.assert_close(one.logits, predict(network, short).logits)


# --- alignment ---------------------------------------------------------------------------------


def test_the_weights_of_a_step_sum_to_one_over_real_tokens() -> None:
    align = Alignment(12, WIDTH, attend=True)
    mask = torch.ones(2, 6, dtype=torch.bool)
    mask[1, 4:] = False
    aligned, entropy, weights = align(torch.randn(2, 5, WIDTH), torch.randn(2, 6, 12), mask)
    assert aligned.shape == (2, 5, WIDTH)
    assert weights.shape == (2, 1, 5, 7)
    torch.testing.assert_close(weights.sum(dim=3), torch.ones(2, 1, 5))
    assert (weights[1, ..., 4:] == 0).all()
    assert ((entropy >= 0) & (entropy <= 1 + 1e-5)).all()


def test_even_attention_has_entropy_one_and_a_single_token_none() -> None:
    align = Alignment(12, WIDTH, attend=True)
    assert align.attention is not None
    torch.nn.init.zeros_(align.attention.query.weight)
    torch.nn.init.zeros_(align.attention.query.bias)
    mask = torch.tensor([[True] * 6, [True] + [False] * 5])
    _, entropy, _ = align(torch.randn(2, 5, WIDTH), torch.randn(2, 6, 12), mask)
    torch.testing.assert_close(entropy[0], torch.ones(5, 1))
    torch.testing.assert_close(entropy[1], torch.zeros(5, 1))


def test_entropy_has_a_finite_gradient_where_a_token_is_masked() -> None:
    align = Alignment(12, WIDTH, attend=True)
    mask = torch.tensor([[True, True, False]])
    _, entropy, _ = align(torch.randn(1, 2, WIDTH), torch.randn(1, 3, 12), mask)
    entropy.sum().backward()
    for name, parameter in align.named_parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all(), name


def test_the_order_of_the_lyrics_matters_and_the_padding_before_them_does_not() -> None:
    align = Alignment(12, WIDTH, attend=True)
    audio, text = torch.randn(1, 2, WIDTH), torch.randn(1, 4, 12)
    gap = torch.cat([text[:, :2], torch.randn(1, 3, 12), text[:, 2:]], dim=1)
    mask = torch.tensor([[True, True, False, False, False, True, True]])
    before, _, _ = align(audio, text, torch.ones(1, 4, dtype=torch.bool))
    after, _, _ = align(audio, gap, mask)
    torch.testing.assert_close(before, after)
    turned, _, _ = align(audio, text.flip(1), torch.ones(1, 4, dtype=torch.bool))
    assert not torch.allclose(before, turned, atol=1e-3)


def test_without_alignment_every_step_has_the_same_lyrics() -> None:
    align = Alignment(12, WIDTH, attend=False)
    mask = torch.ones(1, 6, dtype=torch.bool)
    aligned, _, weights = align(torch.randn(1, 5, WIDTH), torch.randn(1, 6, 12), mask)
    assert weights is None
    torch.testing.assert_close(aligned, aligned[:, :1].expand_as(aligned))


# --- the gate ----------------------------------------------------------------------------------


@pytest.mark.parametrize("front_end", KINDS)
@pytest.mark.parametrize("variant", GATED)
def test_without_a_text_the_gate_is_one_and_the_mixture_is_the_audio(
    variant: str, front_end: FrontEndKind
) -> None:
    network = build(variant, front_end)
    batch = songs(EVERYTHING, ("audio",), EVERYTHING, front_end=front_end)
    with torch.no_grad():
        steps = network.encode_audio(batch)
        mixed, gate, _ = network.fuse(batch, steps)
    assert gate is not None
    assert (gate[1] == 1).all()
    assert torch.equal(mixed[1], steps.states[1])
    assert not torch.equal(mixed[0], steps.states[0])


@pytest.mark.parametrize("front_end", KINDS)
@pytest.mark.parametrize("variant", GATED)
def test_without_audio_the_gate_is_zero_and_the_mixture_is_the_lyrics(
    variant: str, front_end: FrontEndKind
) -> None:
    network = build(variant, front_end)
    batch = songs(EVERYTHING, ("lyrics",), ("context",), front_end=front_end)
    with torch.no_grad():
        steps = network.encode_audio(batch)
        mixed, gate, _ = network.fuse(batch, steps)
        aligned, _, _ = network.align(steps.states, *batch.text())
    assert gate is not None
    assert (gate[1:] == 0).all()
    assert torch.equal(mixed[1:], aligned[1:])
    assert steps.mask[1:].sum(dim=1).tolist() == [1, 1]


def test_with_both_modalities_the_gate_is_between_zero_and_one() -> None:
    network, batch = build(), songs()
    with torch.no_grad():
        _, gate, _ = network.fuse(batch, network.encode_audio(batch))
    assert gate is not None
    assert gate.shape == (3, 5, WIDTH)
    assert ((gate > 0) & (gate < 1)).all()
    assert gate.std() > 1e-3


def test_readable_gates_are_the_means_of_g() -> None:
    network = build()
    batch = songs(EVERYTHING, ("audio",), ("lyrics",), ("audio", "context"))
    output = predict(network, batch)
    with torch.no_grad():
        _, gate, _ = network.fuse(batch, network.encode_audio(batch))
    assert gate is not None
    torch.testing.assert_close(output.gates["audio"][0], gate[0].mean())
    assert output.gates["audio"][1:3].tolist() == [1.0, 0.0]
    assert output.gates["lyrics"][1:3].tolist() == [0.0, 1.0]
    assert 0 < output.gates["audio"][3] < 1


def test_a_fixed_gate_is_a_half_for_songs_with_both() -> None:
    output = predict(build("no-gate"), songs(EVERYTHING, ("audio",), ("lyrics",)))
    assert output.gates["audio"].tolist() == [0.5, 1.0, 0.0]
    assert not predict(build("concat"), songs()).gates


@pytest.mark.parametrize("what", ["energies", "entropy", "has_lyrics"])
def test_the_gate_depends_on_the_inputs_of_reliability(what: str) -> None:
    network, batch = build(), songs()
    gate = network.mix
    assert isinstance(gate, Gate)
    with torch.no_grad():
        steps = network.encode_audio(batch)
        aligned, entropy, _ = network.align(steps.states, *batch.text())
        there = torch.ones(3, dtype=torch.bool)
        before = gate(steps, aligned, entropy, there, there)
        if what == "energies":
            steps = steps._replace(energies=steps.energies + 3.0)
        after = gate(
            steps,
            aligned,
            entropy * (what != "entropy"),
            there,
            there & (what != "has_lyrics"),
        )
    assert not torch.allclose(before, after, atol=1e-6)


def test_the_inputs_of_the_gate_are_both_modalities_their_product_and_reliabilities() -> None:
    network, batch = build(), songs()
    gate, seen = network.mix, []
    assert isinstance(gate, Gate)
    gate.gate.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    with torch.no_grad():
        steps = network.encode_audio(batch)
        aligned, _, _ = network.align(steps.states, *batch.text())
        _, weights, _ = network.fuse(batch, steps)
    assert weights is not None
    whole = torch.cat([steps.states, aligned, steps.states * aligned], dim=2)
    torch.testing.assert_close(seen[0][..., : 3 * WIDTH], whole)
    reliabilities = seen[0][..., 3 * WIDTH :]
    assert reliabilities.shape == (3, 5, 2)
    assert ((reliabilities > 0) & (reliabilities < 1)).all()
    torch.testing.assert_close(weights, gate.gate(seen[0]).sigmoid())


# --- the head and the ablations ----------------------------------------------------------------


def test_the_output_is_the_mean_over_the_real_steps() -> None:
    network = build(front_end="musicnn")
    batch = songs(front_end="musicnn")
    steps: list[torch.Tensor] = []
    network.affect.register_forward_hook(lambda _, __, output: steps.append(output.sigmoid()))
    output = predict(network, batch)
    for song, length in enumerate(batch.patches_mask.sum(dim=1).tolist()):
        torch.testing.assert_close(output.affect[song], steps[0][song, :length].mean(dim=0))
    assert len(set(batch.patches_mask.sum(dim=1).tolist())) > 1


@pytest.mark.parametrize("variant", VARIANTS[1:])
def test_an_ablation_changes_the_output(variant: str) -> None:
    full, ablated = build(), build(variant)
    shared = {
        name: value
        for name, value in full.state_dict().items()
        if name in ablated.state_dict() and value.shape == ablated.state_dict()[name].shape
    }
    ablated.load_state_dict(shared, strict=False)
    batch = songs()
    assert not torch.allclose(
        predict(full, batch).logits, predict(ablated, batch).logits, atol=1e-5
    )


def test_attention_has_its_null_key_only_without_a_text() -> None:
    output = predict(build(), songs(EVERYTHING, ("audio",)))
    assert output.attention is not None
    assert output.text_mask is not None
    assert output.attention.shape[3] == output.text_mask.shape[1]
    assert output.text_mask[:2, -1].tolist() == [False, True]
    assert predict(build("no-aal"), songs()).attention is None
