"""Bundles written from the catalogue, and taken into one."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext

from catalog import analysis
from catalog.bundles.entries import Entry, EntryError, entry_of, entry_read, row_of
from catalog.bundles.files import BundleReader, BundleWriter, key_names
from catalog.errors import BundleError
from catalog.files.fingerprint import is_fingerprinting_there, is_same_sound
from catalog.models import Song, SongEmotion
from catalog.recordings import SAME_SECONDS, SAME_SHARE, recordings_link, song_fingerprint
from catalog.results import Batch, batch_store_together
from catalog.work.queue import songs_claim, songs_release, songs_waiting
from mer.files import written_aside
from mer.prediction import MODES, TempoAndKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from django.db.models import QuerySet

_ENTRIES_AT_ONCE: Final = 200
_MOST_COMPARED: Final = 20
"""Songs of one artist and title that are compared by their sound."""


@dataclass(slots=True)
class ImportReport:
    """Numbers of entries: taken by the same audio, by the same sound, for no song, damaged."""

    same_audio: int = 0
    same_sound: int = 0
    unmatched: int = 0
    damaged: int = 0


def emotions_exported(version: str) -> QuerySet[SongEmotion]:
    """Return the analyses by a version that a bundle has: of songs that have not changed since."""
    emotions = SongEmotion.objects.filter(
        model_version=version, song__is_available=True, song__status=Song.Status.ANALYSED
    )
    return emotions.select_related("song__library").defer("song__lyrics").order_by("pk")


def bundle_export(
    *,
    path: Path,
    with_fingerprints: bool = False,
    on_entry: Callable[[], object] = lambda: None,
) -> int:
    """Write the analyses by the model version of here to a file; return how many.

    `with_fingerprints` makes those that are missing, by which other copies of a recording are
    found. The file appears whole or not at all. OSError if it cannot be written.
    """
    version, count = analysis.model_version(), 0
    with written_aside(path) as part, part.open("wb") as file:
        writer = BundleWriter(file, model_version=version)
        for emotion in _exported(version):
            if with_fingerprints:
                emotion.song.fingerprint = song_fingerprint(emotion.song)
            writer.add(entry_of(emotion))
            count += 1
            on_entry()
        writer.close()
    return count


def _exported(version: str) -> Iterator[SongEmotion]:
    """Yield the analyses of `emotions_exported`; between two of them no query is open."""
    chosen, after = emotions_exported(version), 0
    while page := list(chosen.filter(pk__gt=after)[:_ENTRIES_AT_ONCE]):
        yield from page
        after = page[-1].pk


def bundle_open(path: Path, *, is_trusted: bool = False) -> BundleReader:
    """Return a bundle that may be taken; BundleError says why it may not.

    One that another key has signed is accepted only if `is_trusted`.
    """
    bundle = BundleReader(path)
    if bundle.model_version != analysis.model_version():
        raise BundleError(
            "BUNDLE_MODEL",
            gettext("The bundle is of model %(version)s; this installation uses %(here)s.")
            % {"version": bundle.model_version, "here": analysis.model_version()},
        )
    if not bundle.is_signed and not is_trusted:
        is_altered = bundle.key in key_names()
        raise BundleError(
            "BUNDLE_SIGNATURE",
            gettext("The bundle was altered after it was signed. Export it again.")
            if is_altered
            else gettext(
                "The bundle is signed by another key. Set the same AFFETTI_BUNDLE_KEY on both "
                "machines and export it again, or say that you trust it."
            ),
        )
    return bundle


def bundle_import(
    *, bundle: BundleReader, on_entries: Callable[[int], object] = lambda _: None
) -> ImportReport:
    """Take the analyses of a bundle for the songs that wait for one.

    A song gets the entry with its audio, the one with its texts if there are several. Else it gets
    one of its artist and title, about its length, and the same sound by its fingerprint. Songs that
    a worker analyses at the moment are left to it.
    """
    report, have_others = ImportReport(), False
    for lines in bundle.batches(_ENTRIES_AT_ONCE):
        entries = list(_read(lines, report))
        have_others |= _take(entries, bundle.model_version, report)
        on_entries(len(lines))
    if have_others:
        # Now that each song has the entry with its texts, if there is one.
        for lines in bundle.batches(_ENTRIES_AT_ONCE):
            _take_others(list(_read(lines, ImportReport())), bundle.model_version, report)
    if report.same_audio + report.same_sound:
        recordings_link(model_version=bundle.model_version)
    return report


def _read(lines: Iterable[dict[str, Any]], report: ImportReport) -> Iterator[Entry]:
    for line in lines:
        try:
            yield entry_read(line)
        except EntryError:
            report.damaged += 1


def _take(entries: list[Entry], version: str, report: ImportReport) -> bool:
    """Store entries of waiting songs; return whether others have the audio, but not the texts."""
    matched, others, used = _by_audio(entries)
    report.same_audio += len(matched)
    rest = [entry for entry in entries if id(entry) not in used]
    by_sound = _by_sound(rest, matched | others) if is_fingerprinting_there() else {}
    report.same_sound += len(by_sound)
    report.unmatched += len(rest) - len({id(entry) for entry in by_sound.values()})
    _store(matched | by_sound, version, report)
    return bool(others)


def _take_others(entries: list[Entry], version: str, report: ImportReport) -> None:
    _, others, _ = _by_audio(entries)
    report.same_audio += len(others)
    _store(others, version, report)


def _by_audio(entries: list[Entry]) -> tuple[dict[int, Entry], dict[int, Entry], set[int]]:
    """Return the entries by waiting song with the same audio, and the ids of all of these.

    First those with the same texts, then, for further songs, those with others.
    """
    matched: dict[int, Entry] = {}
    others: dict[int, Entry] = {}
    used: set[int] = set()
    by_hash: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.audio_sha256:
            by_hash.setdefault(entry.audio_sha256, []).append(entry)
    for song in songs_waiting().filter(audio_sha256__in=by_hash):
        found = by_hash[song.audio_sha256]
        used |= {id(entry) for entry in found}
        same = [entry for entry in found if entry.input_sha256 == song.input_sha256]
        (matched if same else others)[song.pk] = (same or found)[-1]
    return matched, others, used


def _by_sound(entries: list[Entry], taken: Mapping[int, Entry]) -> dict[int, Entry]:
    """Return the entry of each waiting song that is the same recording, as `recordings_link`."""
    found: dict[int, Entry] = {}
    comparable = [e for e in entries if e.fingerprint and e.recording_key and e.duration_seconds]
    keys = {entry.recording_key for entry in comparable}
    waiting = songs_waiting().filter(recording_key__in=keys).exclude(pk__in=taken)
    if not keys or not waiting.exists():
        return found
    for entry in comparable:
        seconds = entry.duration_seconds or 0.0
        margin = max(SAME_SECONDS, SAME_SHARE * seconds)
        alike = waiting.filter(
            recording_key=entry.recording_key,
            duration_seconds__range=(seconds - margin, seconds + margin),
        ).exclude(pk__in=found)
        for song in alike.select_related("library").order_by("pk")[:_MOST_COMPARED]:
            own = song_fingerprint(song)
            if own and is_same_sound(own, entry.fingerprint):
                found[song.pk] = entry
    return found


def _store(matched: dict[int, Entry], version: str, report: ImportReport) -> None:
    """Write the entries for the songs that can be claimed; a worker may have taken some."""
    left, worker = list(matched), f"import@{socket.gethostname()}#{os.getpid()}"
    while left:
        songs = songs_claim(song_ids=left, worker=worker)
        if not songs:
            break
        batch = Batch(worker, version)
        rows = [row_of(matched[song.pk], song, version) for song in songs]
        batch.estimates = {song.pk: _estimate(matched[song.pk]) for song in songs}
        batch_store_together(batch, rows)
        left = [pk for pk in left if pk not in {song.pk for song in songs}]
    songs_release(song_ids=list(matched), worker=worker)


def _estimate(entry: Entry) -> TempoAndKey:
    values, key = entry.estimates, entry.estimates["estimated_key"]
    return TempoAndKey(
        values["estimated_bpm"],
        values["tempo_confidence"],
        None if key is None else key % 12,
        "" if key is None else MODES[key // 12],
        values["key_confidence"],
    )
