"""When a change has come to rest, and which folders are then ingested."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from pathlib import Path

HOLD_SECONDS: Final = 60.0
"""A folder in which files go on changing is ingested after this, without those files."""
GATHER_SECONDS: Final = 2.0
"""What settles in a folder within this time is ingested together."""


class Settling:
    """Paths that changed, until two looks at each, `seconds` apart, see the same.

    `look` gets a path and what it returned for it before, None at first. It returns anything that
    differs while the path changes.
    """

    def __init__(
        self, look: Callable[[Path, object], object], *, seconds: float, clock: Callable[[], float]
    ) -> None:
        self._look, self._seconds, self._clock = look, seconds, clock
        self._seen: dict[Path, tuple[object, float]] = {}

    @property
    def pending(self) -> Collection[Path]:
        """The paths that have not settled."""
        return self._seen.keys()

    def touch(self, path: Path) -> None:
        """Take note of a change; one of a path that has not settled is seen at its next look."""
        if path not in self._seen:
            self._seen[path] = (self._look(path, None), self._clock())

    def settled(self) -> list[Path]:
        """Look again at what is due; return the paths that have settled, and forget them."""
        now, settled = self._clock(), []
        for path, (before, at) in list(self._seen.items()):
            if now - at < self._seconds:
                continue
            seen = self._look(path, before)
            if seen == before:
                settled.append(path)
                del self._seen[path]
            else:
                self._seen[path] = (seen, now)
        return settled

    def forget(self) -> None:
        """Forget all."""
        self._seen.clear()


class Gathering:
    """Scopes with settled changes, until it is time to ingest them; all relative to one root."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ready: dict[Path, tuple[float, float]] = {}

    def add(self, scope: Path) -> None:
        """Add a folder or file of which something has settled."""
        now = self._clock()
        first, _ = self._ready.get(scope, (now, now))
        self._ready[scope] = (first, now)

    def due(self, pending: Iterable[Path]) -> list[Path]:
        """Return the scopes in which nothing is pending any more, or that have waited long.

        They are kept until `done` names them.
        """
        now = self._clock()
        busy: set[Path] = set()
        for path in pending:
            busy.update((path, *path.parents))
        return [
            scope
            for scope, (first, last) in self._ready.items()
            if now - first >= HOLD_SECONDS or (scope not in busy and now - last >= GATHER_SECONDS)
        ]

    def done(self, scope: Path) -> None:
        """Forget the scopes at and below one that is ingested."""
        for one in [one for one in self._ready if one.is_relative_to(scope)]:
            del self._ready[one]

    def forget(self) -> None:
        """Forget all."""
        self._ready.clear()


def outermost(paths: Iterable[Path]) -> list[Path]:
    """Return the paths that are not inside another of them, in order."""
    kept: list[Path] = []
    for path in sorted(set(paths), key=lambda path: path.parts):
        if not (kept and path.is_relative_to(kept[-1])):
            kept.append(path)
    return kept


def merged(paths: Iterable[Path], *, most: int) -> list[Path]:
    """Return at most `most` paths that hold all of the relative `paths`, and little more.

    The deepest are widened to their parents first. `most` is at least 1.
    """
    kept = outermost(paths)
    while len(kept) > max(1, most):
        deepest = max(len(path.parts) for path in kept)
        kept = outermost(path.parent if len(path.parts) == deepest else path for path in kept)
    return kept
