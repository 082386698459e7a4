"""MusiCNN against its original, and what becomes of a damaged or missing package."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from mer.encoders import musicnn as encoders
from mer.encoders.musicnn import AUDIO_EMBEDDING_DIM, MusicnnEncoder
from mer.errors import CheckpointCorruptError, EncoderMissingError, ShapeError
from mer.files import package_folder
from tests.places import DATA

if TYPE_CHECKING:
    from pathlib import Path

MUSICNN_GOLDEN = DATA / "musicnn_golden.npz"


@pytest.fixture(scope="module")
def log_mel() -> torch.Tensor:
    return 2 * torch.rand(3, 187, 96, generator=torch.Generator().manual_seed(0))


class TestMusicnn:
    @pytest.mark.data
    @pytest.mark.skipif(not MUSICNN_GOLDEN.is_file(), reason="no ../shared/data")
    def test_equals_the_original_implementation(self, musicnn: MusicnnEncoder) -> None:
        golden = np.load(MUSICNN_GOLDEN)
        output = musicnn(torch.from_numpy(golden["log_mel"]))
        np.testing.assert_allclose(output.tags, golden["tags"], rtol=0, atol=1e-5)
        for layer in ("penultimate", "mean_pool"):
            np.testing.assert_allclose(getattr(output, layer), golden[layer], rtol=0, atol=1e-4)
        # Values up to 98: the original is itself 4.5e-4 from its own result in double precision.
        # With AVX-512 the port is within 1e-4 of it; other instruction sets sum in other orders.
        np.testing.assert_allclose(output.max_pool, golden["max_pool"], rtol=2e-5, atol=1e-4)

    @pytest.mark.parametrize(("variant", "left"), [("MSD_musicnn", 64), ("MTT_musicnn", 316)])
    def test_filters_left_out_change_nothing(
        self, variant: str, left: int, log_mel: torch.Tensor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fewer = MusicnnEncoder.from_pretrained(variant)
        monkeypatch.setattr(encoders, "_TINY_REACH", -1.0)
        whole = MusicnnEncoder.from_pretrained(variant)
        for encoder, filters in ((fewer, left), (whole, 561)):
            assert sum(len(conv.bias) for conv in encoder.front_convs) == filters
            assert len(encoder.computed) == filters + 192
        loud = torch.cat([log_mel, 4 * log_mel])  # up to the largest log-mel
        torch.testing.assert_close(fewer.embed(loud), whole.embed(loud), rtol=1e-5, atol=2e-4)

    def test_embed_lays_the_outputs_side_by_side(
        self, musicnn: MusicnnEncoder, log_mel: torch.Tensor
    ) -> None:
        output, embedded = musicnn(log_mel), musicnn.embed(log_mel)
        assert embedded.shape == (3, AUDIO_EMBEDDING_DIM)
        parts = torch.split(embedded, [200, 753, 753, 50], dim=1)
        for part, expected in zip(
            parts,
            (output.penultimate, output.mean_pool, output.max_pool, output.tags),
            strict=True,
        ):
            torch.testing.assert_close(part, expected, rtol=0, atol=0)
        assert ((output.tags > 0) & (output.tags < 1)).all()
        assert (output.max_pool >= output.mean_pool - 1e-4).all()

    def test_a_patch_alone_equals_the_patch_among_others(
        self, musicnn: MusicnnEncoder, log_mel: torch.Tensor
    ) -> None:
        together = musicnn.embed(log_mel)
        alone = torch.cat([musicnn.embed(patch[None]) for patch in log_mel])
        torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-4)

    def test_micro_batches_only_bound_memory(
        self, musicnn: MusicnnEncoder, log_mel: torch.Tensor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        expected = musicnn.embed(log_mel)
        monkeypatch.setattr(encoders, "_CPU_CHUNK", 3)
        torch.testing.assert_close(musicnn.embed(log_mel), expected, rtol=1e-5, atol=1e-4)

    def test_is_frozen(self, musicnn: MusicnnEncoder, log_mel: torch.Tensor) -> None:
        assert not musicnn.training
        assert not any(parameter.requires_grad for parameter in musicnn.parameters())
        assert not musicnn.embed(log_mel.requires_grad_()).requires_grad

    def test_keeps_float32_convolutions_whole_on_cuda_and_nowhere_else(
        self, musicnn: MusicnnEncoder, log_mel: torch.Tensor
    ) -> None:
        seen = []
        hook = musicnn.front_convs[0].register_forward_hook(
            lambda *_: seen.append(torch.backends.cudnn.allow_tf32)
        )
        before = torch.backends.cudnn.allow_tf32
        musicnn(log_mel[:1])
        hook.remove()
        assert seen == [False]
        assert torch.backends.cudnn.allow_tf32 is before

    @pytest.mark.gpu
    @pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
    def test_cuda_equals_the_cpu(self, musicnn: MusicnnEncoder, log_mel: torch.Tensor) -> None:
        on_device = MusicnnEncoder.from_pretrained().to("cuda").embed(log_mel.cuda()).cpu()
        torch.testing.assert_close(on_device, musicnn.embed(log_mel), rtol=1e-4, atol=1e-3)

    @pytest.mark.parametrize("shape", [(187, 96), (2, 96, 187), (2, 186, 96), (1, 2, 187, 96)])
    def test_other_shapes_are_refused(
        self, musicnn: MusicnnEncoder, shape: tuple[int, ...]
    ) -> None:
        with pytest.raises(ShapeError, match=r"log_mel must be \(patches, 187, 96\)"):
            musicnn(torch.zeros(shape))

    def test_the_magnatagatune_variant_loads(self, log_mel: torch.Tensor) -> None:
        other = MusicnnEncoder.from_pretrained("MTT_musicnn")
        assert other.embed(log_mel).shape == (3, AUDIO_EMBEDDING_DIM)

    def test_an_unknown_variant_is_named(self) -> None:
        with pytest.raises(EncoderMissingError, match="'MSD_vgg'"):
            MusicnnEncoder.from_pretrained("MSD_vgg")

    def test_the_package_is_not_imported(self) -> None:
        code = (
            "import sys; from mer.encoders.musicnn import MusicnnEncoder; "
            "MusicnnEncoder.from_pretrained(); "
            "sys.exit('musicnn' in sys.modules or 'transformers' in sys.modules)"
        )
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

    def test_a_missing_package_gives_the_command_that_mends_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "path", [])
        with pytest.raises(EncoderMissingError, match=r"pip install --no-deps musicnn==0\.1\.0"):
            MusicnnEncoder.from_pretrained()

    @pytest.mark.parametrize("damage", ["truncated", "of another network"])
    def test_a_damaged_package_is_found(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
    ) -> None:
        source = "MSD_musicnn" if damage == "truncated" else "MSD_vgg"
        folder = tmp_path / "musicnn/MSD_musicnn"
        shutil.copytree(package_folder("musicnn", "") / source, folder)
        (tmp_path / "musicnn/__init__.py").touch()
        if damage == "truncated":
            data = folder / ".data-00000-of-00001"
            data.write_bytes(data.read_bytes()[:-5_000_000])
        monkeypatch.syspath_prepend(tmp_path)
        with pytest.raises(CheckpointCorruptError, match=str(tmp_path)):
            MusicnnEncoder.from_pretrained()


def test_a_full_card_takes_fewer_patches_at_once(musicnn, monkeypatch):
    log_mel = torch.rand(5, 187, 96, generator=torch.Generator().manual_seed(4))
    expected = musicnn.embed(log_mel)
    compute, sizes = musicnn._forward_chunk, []

    def small_card(part):
        sizes.append(len(part))
        if len(part) > 1:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return compute(part)

    monkeypatch.setattr(musicnn, "_forward_chunk", small_card)
    monkeypatch.setattr(encoders, "_CPU_CHUNK", 4)
    assert torch.equal(musicnn.embed(log_mel), expected)
    assert sizes == [4, 2, 1, 1, 1, 1, 1]


def test_a_card_too_small_for_one_patch_says_so(musicnn, monkeypatch):
    def full(part):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(musicnn, "_forward_chunk", full)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        musicnn.embed(torch.zeros(2, 187, 96))
