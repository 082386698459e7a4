"""The text encoder's adapter: training data, trained layers, and its file."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from mer.encoders.text import TextEncoder
from mer.errors import CheckpointCorruptError
from mer.research.datasets.base import AffectLabels, Track
from mer.research.house import text_adaptation
from mer.research.house.mixture import SONG_SETS, TEXT_SETS, Plane
from mer.research.house.text_adaptation import ADAPTER_SETS, AdapterRecipe, AdapterTrainer, adapter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mer.research.datasets.base import Split

PLANE = Plane(
    words=((0.5, 0.2), (0.5, 0.2)),
    emobank=((0.5, 0.1), (0.5, 0.1)),
    deezer=((0.5, 0.2), (0.5, 0.2)),
)
RECIPE = AdapterRecipe(epochs=6, rank=4, first_layer=4, batch_texts=4)
SENTENCES = (
    ("The whole street is dancing and laughing in the sun", 0.9, 0.9),
    ("They scream at each other and break the door", 0.1, 0.9),
    ("She buried her son on a grey morning", 0.1, 0.1),
    ("A warm bath and a quiet evening", 0.9, 0.1),
    ("party", 0.9, 0.9),
    ("terror", 0.1, 0.9),
    ("grief", 0.1, 0.1),
    ("rest", 0.9, 0.1),
)


def text(
    index: int,
    dataset: str = "warriner",
    split: Split = "train",
    labels: AffectLabels | None = None,
) -> Track:
    sentence, valence, arousal = SENTENCES[index % len(SENTENCES)]
    labels = labels or AffectLabels(valence=valence, arousal=arousal)
    return Track(dataset, str(index), split, labels, lyrics=sentence)


TEXTS = [text(index) for index in range(len(SENTENCES))]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Full precision, so that sums can be compared, and full speed from the second step."""
    monkeypatch.setattr(text_adaptation, "_precision", lambda: torch.float32)
    monkeypatch.setattr(text_adaptation, "_WARM_UP", 1)


def made(texts: Sequence[Track] = TEXTS, recipe: AdapterRecipe = RECIPE) -> AdapterTrainer:
    return AdapterTrainer(recipe, TextEncoder.from_pretrained(), texts, PLANE)


@torch.no_grad()
def error(trainer: AdapterTrainer) -> float:
    """Of all texts, without dropout."""
    trainer.network.eval()
    trainer.head.eval()
    return trainer._error(torch.arange(len(trainer._tokens))).item()


@pytest.fixture(scope="module")
def finished() -> tuple[AdapterTrainer, float, dict[str, torch.Tensor]]:
    """Trainer after its last epoch, its error before the first, and the corrections."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_adaptation, "_precision", lambda: torch.float32)
        patch.setattr(text_adaptation, "_WARM_UP", 1)
        trainer = made()
        before = error(trainer)
        return trainer, before, trainer.train()


Finished = tuple[AdapterTrainer, float, dict[str, torch.Tensor]]


class TestTraining:
    def test_it_learns_how_texts_feel(self, finished: Finished) -> None:
        trainer, before, _ = finished
        assert error(trainer) < 0.7 * before

    def test_corrections_are_of_the_upper_layers_and_of_the_rank(self, finished: Finished) -> None:
        _, _, correction = finished
        assert {name.split(".")[2] for name in correction} == {"4", "5"}
        assert len(correction) == 2 * 2 * 6  # layers, down and up, linear layers of each
        for name, part in correction.items():
            assert part.any(), name
            assert part.dtype == torch.float32
            assert not part.requires_grad
            assert min(part.shape) == 4

    def test_the_encoder_under_them_stays_as_it_was(
        self, finished: Finished, minilm: TextEncoder
    ) -> None:
        trainer, _, _ = finished
        kept = {
            name.replace(".linear.", "."): part
            for name, part in trainer.network.state_dict().items()
        }
        for name, part in minilm.network.state_dict().items():
            assert torch.equal(kept[name], part), name
        open_to_training = {id(p) for p in trainer.network.parameters() if p.requires_grad}
        assert open_to_training | {id(p) for p in trainer.head.parameters()} == {
            id(p) for p in trainer.parameters
        }

    @torch.no_grad()
    def test_an_adapted_encoder_reads_as_the_trained_one(self, finished: Finished) -> None:
        trainer, _, correction = finished
        trainer.network.eval()
        words = [track.lyrics or "" for track in TEXTS]
        tokens = TextEncoder.from_pretrained().adapt(correction).encode(words)
        mask = tokens.mask.unsqueeze(-1)
        means = (tokens.states * mask).sum(dim=1) / mask.sum(dim=1)
        torch.testing.assert_close(means, trainer._read(trainer._tokens), rtol=0, atol=1e-5)

    def test_the_same_recipe_gives_the_same_corrections(self) -> None:
        recipe = replace(RECIPE, epochs=1, first_layer=5)
        one, same = (made(recipe=recipe).train() for _ in range(2))
        other = made(recipe=replace(recipe, seed=1)).train()
        assert one.keys() == same.keys() == other.keys()
        assert all(torch.equal(one[name], same[name]) for name in one)
        assert any(not torch.equal(one[name], other[name]) for name in one)


class TestSteps:
    def test_an_epoch_has_every_text_once_and_batches_are_of_like_lengths(self) -> None:
        trainer = made([text(index) for index in range(14)])
        batches = [batch.tolist() for batch in trainer._batches()]
        assert sorted(index for batch in batches for index in batch) == list(range(14))
        assert sorted(map(len, batches)) == [2, 4, 4, 4]
        lengths = sorted(sorted(len(trainer._tokens[i]) for i in batch) for batch in batches)
        assert all(one[-1] <= other[0] for one, other in itertools.pairwise(lengths))

    def test_padding_changes_nothing(self) -> None:
        trainer = made()
        trainer.network.eval()
        with torch.no_grad():
            together = trainer._read(trainer._tokens)
            for row, tokens in zip(together, trainer._tokens, strict=True):
                torch.testing.assert_close(trainer._read([tokens])[0], row, rtol=0, atol=1e-5)

    def test_what_is_not_labelled_costs_nothing(self) -> None:
        verse = text(0, "poem_sentiment", labels=AffectLabels(polarity=1))
        comment = text(1, "goemotions", labels=AffectLabels())
        joyful = AffectLabels(emotions=(0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0))
        trainer = made([verse, comment, text(2, "goemotions", labels=joyful)])
        trainer.network.eval()
        trainer.head.eval()
        with torch.no_grad():
            unlabelled = trainer._error(torch.tensor([1]))
            of_valence, of_emotions = (trainer._error(torch.tensor([i])) for i in (0, 2))
            before = [of_valence, of_emotions]
            trainer.head[-1].bias[1] += 3  # arousal, that no text has
            after = [trainer._error(torch.tensor([i])) for i in (0, 2)]
            trainer.head[-1].bias[0] += 3
            moved = trainer._error(torch.tensor([0]))
        assert unlabelled == 0
        assert before == after
        assert min(before) > 0
        assert moved != before[0]

    def test_the_processor_decides_the_precision(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.undo()
        for capabilities, precision in (
            ({}, torch.float32),
            ({"amx_bf16": False, "avx512_bf16": False}, torch.float32),
            ({"avx512_bf16": True}, torch.bfloat16),
            ({"amx_bf16": True}, torch.bfloat16),
        ):
            monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=capabilities: found)
            assert text_adaptation._precision() == precision

    def test_half_precision_learns_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(text_adaptation, "_precision", lambda: torch.bfloat16)
        correction = made(recipe=replace(RECIPE, epochs=1, first_layer=5)).train()
        assert {part.dtype for part in correction.values()} == {torch.float32}
        assert all(part.isfinite().all() and part.any() for part in correction.values())


class TestEncoder:
    def test_corrections_change_what_is_read(self, finished: Finished, minilm: TextEncoder) -> None:
        adapted = TextEncoder.from_pretrained().adapt(finished[2])
        before, after = (one.encode(["grief", "party"]) for one in (minilm, adapted))
        assert (before.states - after.states).abs().max() > 0.01
        assert torch.equal(before.offsets, after.offsets)
        assert not after.states.requires_grad

    def test_an_empty_one_changes_nothing(self, minilm: TextEncoder) -> None:
        adapted = TextEncoder.from_pretrained().adapt({})
        before, after = (one.encode(["grief", "party"]).states for one in (minilm, adapted))
        assert torch.equal(before, after)

    def test_corrections_of_another_encoder_are_refused(self, finished: Finished) -> None:
        foreign = {name.replace("layer.5", "layer.11"): p for name, p in finished[2].items()}
        with pytest.raises(CheckpointCorruptError, match="not of this text encoder"):
            TextEncoder.from_pretrained().adapt(foreign)

    def test_tokens_are_those_that_are_encoded(self, minilm: TextEncoder) -> None:
        words = ["party", "A warm bath and a quiet evening", "la " * 300]
        tokens = minilm.tokenize(words, 96)
        lengths = minilm.encode(words, max_tokens=96).mask.sum(dim=1).tolist()
        assert [len(text) for text in tokens] == lengths == [3, 9, 96]
        assert {text[0] for text in tokens} == {101}  # [CLS]
        assert {text[-1] for text in tokens} == {102}  # [SEP]


class Stub:
    """Stands for the trainer: notes what it was given."""

    trained: list[tuple[AdapterRecipe, list[str]]]

    def __init__(
        self, recipe: AdapterRecipe, encoder: object, texts: Sequence[Track], plane: Plane
    ) -> None:
        assert encoder == "encoder"
        Stub.trained.append((recipe, [f"{t.dataset} {t.split} {t.track_id}" for t in texts]))

    def train(self) -> dict[str, torch.Tensor]:
        return {"a.up": torch.full((3, 2), float(len(Stub.trained))), "a.down": torch.ones(2, 3)}


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> type[Stub]:
    Stub.trained = []
    monkeypatch.setattr(text_adaptation, "AdapterTrainer", Stub)
    monkeypatch.setattr(text_adaptation.TextEncoder, "from_pretrained", lambda: "encoder")
    return Stub


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


class TestKeeping:
    def test_what_was_written_is_read(self, stub: type[Stub], tmp_path: Path) -> None:
        folder = tmp_path / "deep" / "work"
        first = adapter(TEXTS, PLANE, folder)
        again = adapter(TEXTS, PLANE, folder)
        assert same(first, again)
        assert same(first, {"a.up": torch.ones(3, 2), "a.down": torch.ones(2, 3)})
        assert len(stub.trained) == 1
        (path,) = folder.iterdir()
        assert path.name.startswith("text-adapter-")
        assert path.suffix == ".safetensors"

    def test_the_shipped_recipe_is_the_default(self, stub: type[Stub], tmp_path: Path) -> None:
        adapter(TEXTS, PLANE, tmp_path)
        adapter(TEXTS, PLANE, tmp_path, AdapterRecipe())
        assert [recipe for recipe, _ in stub.trained] == [AdapterRecipe()]

    def test_another_recipe_plane_or_text_is_trained_anew(
        self, stub: type[Stub], tmp_path: Path
    ) -> None:
        first = adapter(TEXTS, PLANE, tmp_path, RECIPE)
        relabelled = replace(TEXTS[0], labels=AffectLabels(valence=0.2, arousal=0.2))
        others = [
            (TEXTS, PLANE, replace(RECIPE, seed=1)),
            (TEXTS, PLANE, replace(RECIPE, rank=5)),
            (TEXTS, replace(PLANE, words=((0.4, 0.2), (0.5, 0.2))), RECIPE),
            (TEXTS[1:], PLANE, RECIPE),
            ([replace(TEXTS[0], lyrics="else"), *TEXTS[1:]], PLANE, RECIPE),
            ([relabelled, *TEXTS[1:]], PLANE, RECIPE),
        ]
        for number, (texts, plane, recipe) in enumerate(others, start=2):
            assert adapter(texts, plane, tmp_path, recipe)["a.up"][0, 0] == number
        assert same(adapter(TEXTS, PLANE, tmp_path, RECIPE), first)
        assert len(list(tmp_path.iterdir())) == len(stub.trained) == 7

    def test_training_texts_alone_enter(self, stub: type[Stub], tmp_path: Path) -> None:
        splits: tuple[Split, ...] = ("train", "val", "test")
        tracks = [
            text(index, dataset, split)
            for index, dataset in enumerate((*SONG_SETS, *TEXT_SETS))
            for split in splits
        ]
        adapter(tracks, PLANE, tmp_path)
        ((_, entered),) = stub.trained
        assert {name.rpartition(" ")[0] for name in entered} == {
            f"{dataset} train" for dataset in ADAPTER_SETS
        }
        assert not set(ADAPTER_SETS) & {*SONG_SETS, "mood_words", "deezer_va", "gems_lyrics"}
        adapter([t for t in tracks if t.split == "train"], PLANE, tmp_path)
        adapter([t for t in tracks if t.dataset in ADAPTER_SETS], PLANE, tmp_path)
        assert len(stub.trained) == 1  # the rest is not even looked at

    def test_an_interrupted_write_is_not_read(
        self, stub: type[Stub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def killed(tensors: object, path: Path) -> None:
            path.write_bytes(b"half")
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(text_adaptation, "save_file", killed)
            with pytest.raises(KeyboardInterrupt):
                adapter(TEXTS, PLANE, tmp_path)
        assert adapter(TEXTS, PLANE, tmp_path)["a.up"][0, 0] == 2
        assert len(stub.trained) == 2
