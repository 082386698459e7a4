"""The bridge to the real pipeline, untrained: real decoding, real networks, real rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from catalog import analysis
from catalog.analysis import model_version, songs_analyse, text_analyse
from catalog.models import Song, SongEmotion
from catalog.results import embedding_from_bytes
from mer.affect import EMOTIONS
from mer.checkpoint import load, packaged_version, save
from mer.errors import CheckpointError
from mer.prediction import MODALITIES
from tests.catalog.conftest import write_tone
from tests.mer.untrained import save_untrained

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_django.fixtures import SettingsWrapper

    from catalog.models import BackgroundJob

pytestmark = pytest.mark.django_db


@pytest.fixture
def checkpoint(settings: SettingsWrapper, tmp_path: Path) -> Iterator[Path]:
    path = save_untrained(tmp_path / "weights")
    settings.AFFETTI_CHECKPOINT = str(path)
    yield path
    analysis._load.cache_clear()


def test_songs_go_through_the_networks(
    music_dir: Path, ingest: Callable[..., BackgroundJob], checkpoint: Path
) -> None:
    write_tone(music_dir / "One - Sung.mp3").with_suffix(".txt").write_text(
        "oh happy day\nwhen all is well"
    )
    write_tone(music_dir / "Instrumental.flac", hz=300, seconds=9)
    soundfile.write(music_dir / "silent.wav", np.zeros(32_000), 8000)
    ingest()
    ids = list(Song.objects.order_by("relative_path").values_list("pk", flat=True))

    report = songs_analyse(song_ids=ids, worker="w")

    assert (report.analysed, report.failed) == (2, 1)
    assert Song.objects.get(status=Song.Status.FAILED).failure_code == "AUDIO_SILENT"
    instrumental, sung = SongEmotion.objects.order_by("song__relative_path")
    for emotion in (instrumental, sung):
        assert emotion.model_version == checkpoint.stem == model_version()
        assert set(emotion.emotions) == set(EMOTIONS)
        assert set(emotion.gates) == set(MODALITIES)
        assert emotion.timeline
        assert min(emotion.valence_spread, emotion.arousal_spread) > 0
        norm = np.linalg.norm(embedding_from_bytes(emotion.fused_embedding))
        assert norm == pytest.approx(1.0, abs=1e-5)
    assert instrumental.gates["lyrics"] == 0.0 < sung.gates["lyrics"]
    assert instrumental.lyric_lines == []
    assert {line["text"] for line in sung.lyric_lines} == {"oh happy day", "when all is well"}

    assert text_analyse(text="a quiet evening", version=model_version()).gates["audio"] == 0.0


def test_a_checkpoint_is_loaded_once_and_a_new_one_anew(
    settings: SettingsWrapper, checkpoint: Path
) -> None:
    first = analysis.pipeline()
    assert analysis.pipeline() is first

    state, config = load(checkpoint)
    other = save(state, config, {}, checkpoint.parent, "other")
    settings.AFFETTI_CHECKPOINT = str(other)
    assert analysis.pipeline() is not first
    assert analysis.pipeline().model_version == other.stem

    settings.AFFETTI_CHECKPOINT = "no-such-checkpoint"
    with pytest.raises(CheckpointError):
        analysis.pipeline()


def test_the_open_checkpoint_is_chosen_by_its_name(settings: SettingsWrapper) -> None:
    settings.AFFETTI_CHECKPOINT = "affetti-open"
    assert model_version() == packaged_version("affetti-open")
    assert model_version().startswith("affetti-open-")
