"""Which version of the model serves, while another one may be on its way.

A new checkpoint analyses the songs again, one row of `SongEmotion` beside the other. The former
version serves until the new one has covered enough songs, or until staff switch. Nothing of the
former version is deleted then, so they can switch back.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone
from django.utils.translation import gettext

from catalog.errors import VersionError
from catalog.models import ModelVersion, Song, SongEmotion
from mer.checkpoint import packaged_path
from mer.files import written_aside

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.models import QuerySet

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class VersionState:
    """A version as staff see it; `coverage` is its share of the songs that any version covers."""

    name: str
    songs: int
    """The songs that it could recommend now."""
    coverage: float
    is_serving: bool
    is_held: bool
    is_requested: bool
    created_at: datetime
    served_at: datetime | None


def emotions_visible(*, model_version: str) -> QuerySet[SongEmotion]:
    """Return the emotions, by one model version, of the songs that may be recommended."""
    return SongEmotion.objects.filter(
        Q(song__status=Song.Status.ANALYSED) | Q(song__keeps_emotion=True),
        model_version=model_version,
        song__is_available=True,
    )


def version_serving() -> ModelVersion | None:
    """Return the version that serves; None before the first song is analysed."""
    return ModelVersion.objects.filter(is_serving=True).first()


def version_register(name: str, *, checkpoint: str) -> ModelVersion:
    """Record a version when it is first used.

    If none serves yet, or one that has analysed no song, the one that has analysed most begins to.
    """
    known = ModelVersion.objects.filter(name=name).first()
    serving = version_serving()
    is_of_use = serving is not None and (
        serving.name == name or SongEmotion.objects.filter(model_version=serving.name).exists()
    )
    if known is not None and known.checkpoint == checkpoint and is_of_use:
        return known
    with transaction.atomic():
        version, _ = ModelVersion.objects.select_for_update().update_or_create(
            name=name, defaults={"checkpoint": checkpoint}
        )
        if not is_of_use:
            former = _most_used().first() or name
            _serve(
                ModelVersion.objects.get_or_create(
                    name=former, defaults={"checkpoint": checkpoint}
                )[0]
            )
            version.refresh_from_db()
    return version


def version_states() -> list[VersionState]:
    """Return every version, the one that serves first, then the newest."""
    covered = _covered_songs()
    states = [_state(version, covered) for version in ModelVersion.objects.all()]
    return sorted(states, key=lambda state: not state.is_serving)


def version_coverage(name: str) -> float:
    """Return the share of the songs that some version covers and that `name` covers, too."""
    songs = emotions_visible(model_version=name).count()
    return songs / (_covered_songs() or songs or 1)


def version_request(name: str) -> ModelVersion:
    """Record that staff want `name` to serve, in place of what they wanted before.

    For the version that serves, only a former request is withdrawn.
    Raises `VersionError` as `version_switch`.
    """
    with transaction.atomic():
        version = _of_use(name)
        version_request_withdraw()
        if not version.is_serving:
            version.requested_at = timezone.now()
            version.save(update_fields=["requested_at"])
    return version


def version_requested() -> ModelVersion | None:
    """Return the version that staff want to serve and that does not yet."""
    return ModelVersion.objects.filter(requested_at__isnull=False).first()


def version_request_withdraw() -> None:
    """Forget what staff want to serve."""
    ModelVersion.objects.filter(requested_at__isnull=False).update(requested_at=None)


def version_switch(name: str) -> ModelVersion:
    """Let `name` serve; lists and pages of every process follow within a second.

    Raises `VersionError` if the version is unknown or covers no song.
    """
    with transaction.atomic():
        version = _of_use(name)
        version_request_withdraw()
        _serve(version)
    return version


def _of_use(name: str) -> ModelVersion:
    """Return the locked version; raise `VersionError` if its lists would be empty."""
    version = ModelVersion.objects.select_for_update().filter(name=name).first()
    if version is None:
        raise VersionError(
            "VERSION_UNKNOWN",
            gettext("no model version %(name)r has analysed songs") % {"name": name},
        )
    is_empty = not emotions_visible(model_version=name).exists()
    if is_empty and _covered_songs():
        raise VersionError(
            "VERSION_EMPTY",
            gettext("%(name)s covers no song that is here; lists would be empty") % {"name": name},
        )
    return version


def version_hold(name: str, *, is_held: bool) -> None:
    """Say whether a version may begin to serve without staff."""
    ModelVersion.objects.filter(name=name).update(is_held=is_held)


def version_former() -> ModelVersion:
    """Return the version that served before the one that serves; VersionError if there is none."""
    former = (
        ModelVersion.objects.filter(is_serving=False, served_at__isnull=False)
        .order_by("-served_at")
        .first()
    )
    if former is None:
        raise VersionError("VERSION_NO_FORMER", gettext("no other model version has served yet"))
    return former


def kept_checkpoint(name: str) -> Path:
    """Return where the copy of a version's packaged checkpoint is, if there is one."""
    return Path(settings.AFFETTI_CHECKPOINTS_DIR) / f"{name}.safetensors"


def checkpoint_keep(checkpoint: str) -> None:
    """Copy a packaged checkpoint: the next release brings another one in its place.

    Until that one has analysed enough songs, the former serves and needs its file. A disk that is
    full costs the copy, and no more.
    """
    if checkpoint.endswith(".safetensors"):
        return  # staff's own file, which no release replaces
    packaged = packaged_path(checkpoint)
    kept = kept_checkpoint(packaged.stem)
    if kept.exists():
        return
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        for suffix in (".json", ".safetensors"):  # the second one means that both are here
            with written_aside(kept.with_suffix(suffix)) as part:
                shutil.copyfile(packaged.with_suffix(suffix), part)
    except OSError as error:
        logger.warning("%s is not copied to %s (%s)", packaged.name, kept.parent, error.strerror)


def version_delete(name: str) -> int:
    """Forget a version and all that it said; return the number of songs it had analysed.

    Raises `VersionError` for the version that serves, or an unknown one.
    """
    with transaction.atomic():
        version = ModelVersion.objects.select_for_update().filter(name=name).first()
        if version is None:
            raise VersionError(
                "VERSION_UNKNOWN",
                gettext("no model version %(name)r has analysed songs") % {"name": name},
            )
        if version.is_serving:
            raise VersionError(
                "VERSION_SERVES",
                gettext("%(name)s serves; switch to another one first") % {"name": name},
            )
        version.delete()
        rows = SongEmotion.objects.filter(model_version=name)
        count = rows.count()
        rows.delete()
    for suffix in (".safetensors", ".json"):
        kept_checkpoint(name).with_suffix(suffix).unlink(missing_ok=True)
    return count


def _most_used() -> QuerySet[SongEmotion, Any]:
    """Return the names of versions, that of the most emotions first."""
    counted = SongEmotion.objects.order_by().values("model_version").annotate(songs=Count("pk"))
    return counted.order_by("-songs").values_list("model_version", flat=True)


def _serve(version: ModelVersion) -> None:
    if version.is_serving:
        return
    ModelVersion.objects.filter(is_serving=True).update(is_serving=False)
    version.is_serving, version.served_at = True, timezone.now()
    version.save(update_fields=["is_serving", "served_at"])


def _covered_songs() -> int:
    """Return the number of songs that at least one version could recommend."""
    songs = Song.objects.filter(
        Q(status=Song.Status.ANALYSED) | Q(keeps_emotion=True), is_available=True
    )
    return songs.filter(emotions__isnull=False).distinct().count()


def _state(version: ModelVersion, covered: int) -> VersionState:
    songs = emotions_visible(model_version=version.name).count()
    return VersionState(
        name=version.name,
        songs=songs,
        coverage=songs / (covered or songs or 1),
        is_serving=version.is_serving,
        is_held=version.is_held,
        is_requested=version.requested_at is not None,
        created_at=version.created_at,
        served_at=version.served_at,
    )
