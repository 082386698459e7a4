from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from catalog.files import pictures
from catalog.files.pictures import SIZES, ReaderKilledError, cover_of, folder_picture
from mer.errors import AudioCrashError, AudioError, AudioMemoryError, AudioTimeoutError
from tests.catalog.conftest import write_tone
from tests.made_audio import needs_ffmpeg, tones, write
from tests.made_pictures import BLUE, HOSTILE, RED, colour_of, embed, picture

if TYPE_CHECKING:
    from pathlib import Path


def cover(path: Path) -> dict[str, bytes] | None:
    return cover_of(path=path, root=path.parent)


@pytest.mark.parametrize("suffix", [".mp3", ".wav", ".aiff", ".flac", ".ogg", ".opus"])
def test_the_picture_in_the_tags(tmp_path: Path, suffix: str) -> None:
    path = write_tone(tmp_path / f"x{suffix}")
    embed(path, picture())
    found = cover(path)
    assert found is not None
    assert found.keys() == SIZES.keys()
    assert colour_of(found["small"]) == "red"


@needs_ffmpeg
@pytest.mark.parametrize("suffix", [".m4a", ".wma", ".wv"])
def test_the_picture_in_other_containers(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"x{suffix}", tones(3.5))
    embed(path, picture())
    found = cover(path)
    assert found is not None
    assert colour_of(found["large"]) == "red"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_every_picture_is_written_anew_and_small(tmp_path: Path, kind: str) -> None:
    path = write_tone(tmp_path / "x.mp3")
    embed(path, picture(kind, (1500, 1000)))
    found = cover(path)
    assert found is not None
    for name, side in SIZES.items():
        with Image.open(io.BytesIO(found[name])) as opened:
            assert opened.format == "JPEG"
            assert opened.size == (side, round(side * 2 / 3))


def test_nothing_of_the_pictures_own_metadata_is_handed_on(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    exif[0x0112] = 6  # it lies on its side
    path = write_tone(tmp_path / "x.mp3")
    embed(path, picture(size=(300, 200), exif=exif, comment=b"secret"))
    found = cover(path)
    assert found is not None
    assert b"home" not in found["large"]
    assert b"secret" not in found["large"]
    with Image.open(io.BytesIO(found["large"])) as opened:
        assert opened.size == (200, 300)


def test_the_front_cover_is_preferred(tmp_path: Path) -> None:
    path = write_tone(tmp_path / "x.flac")
    embed(path, picture(colour=BLUE), kind=4)
    embed(path, picture(colour=RED), kind=3)
    found = cover(path)
    assert found is not None
    assert colour_of(found["small"]) == "red"


@pytest.mark.parametrize("name", ["cover.jpg", "Folder.PNG", "FRONT.webp"])
def test_the_picture_in_the_folder(tmp_path: Path, name: str) -> None:
    path = write_tone(tmp_path / "x.mp3")
    (tmp_path / name).write_bytes(picture("PNG"))
    found = cover(path)
    assert found is not None
    assert colour_of(found["small"]) == "red"


def test_the_tags_come_before_the_folder_and_the_folder_before_nothing(tmp_path: Path) -> None:
    path = write_tone(tmp_path / "x.mp3")
    (tmp_path / "cover.jpg").write_bytes(picture(colour=BLUE))
    embed(path, HOSTILE["truncated"])
    found = cover(path)
    assert found is not None
    assert colour_of(found["small"]) == "blue"
    embed(path, picture())
    found = cover(path)
    assert found is not None
    assert colour_of(found["small"]) == "red"


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_good_picture_counts_as_none(tmp_path: Path, name: str) -> None:
    path = write_tone(tmp_path / "x.mp3")
    embed(path, HOSTILE[name])
    (tmp_path / "cover.png").write_bytes(HOSTILE[name])
    assert cover(path) is None


def test_a_picture_of_too_many_bytes_is_not_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = picture()
    monkeypatch.setattr(pictures, "MOST_PICTURE_BYTES", len(data) - 1)
    assert pictures._covers(data) is None
    monkeypatch.setattr(pictures, "MOST_PICTURE_BYTES", len(data))
    assert pictures._covers(data) is not None


def test_a_picture_outside_the_library_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(picture())
    path = write_tone(tmp_path / "music" / "x.mp3")
    (path.parent / "cover.jpg").symlink_to(tmp_path / "secret.jpg")
    assert cover(path) is None


def test_a_folder_named_as_a_picture_and_a_file_that_is_gone(tmp_path: Path) -> None:
    path = write_tone(tmp_path / "x.mp3")
    (tmp_path / "cover.jpg").mkdir()
    assert cover(path) is None
    assert folder_picture(tmp_path / "nowhere" / "x.mp3") is None


def test_a_new_picture_in_the_folder_is_seen(tmp_path: Path) -> None:
    path = write_tone(tmp_path / "x.mp3")
    assert folder_picture(path) is None
    (tmp_path / "cover.jpg").write_bytes(picture())
    assert folder_picture(path) == tmp_path / "cover.jpg"


@pytest.mark.parametrize("kind", [AudioCrashError, AudioMemoryError, AudioTimeoutError])
def test_a_reader_that_is_killed_says_nothing_of_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[AudioError]
) -> None:
    run = pictures.run_in_child

    def killed(function: Any, path: Path, **options: Any) -> Any:
        if function is pictures.embedded_cover:
            raise kind(tmp_path, "SIGKILL")
        return run(function, path, **options)

    monkeypatch.setattr(pictures, "run_in_child", killed)
    path = write_tone(tmp_path / "x.mp3")
    with pytest.raises(ReaderKilledError) as raised:
        cover(path)
    assert raised.value.instead is None
    (tmp_path / "cover.png").write_bytes(picture())
    with pytest.raises(ReaderKilledError) as raised:
        cover(path)
    assert raised.value.instead is not None
    assert colour_of(raised.value.instead["small"]) == "red"
