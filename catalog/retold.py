"""Sentences that are stored in English and shown in the language of the reader.

Workers write them, and a list that is kept may be read by others. So a sentence is composed in
English of messages that `kept` has registered. `retold` finds the message again and translates it.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

from django.utils.translation import get_language, gettext, gettext_noop

if TYPE_CHECKING:
    from collections.abc import Callable

RAW: Final = frozenset(
    {
        *("title", "name", "names", "word", "right", "texts", "path", "start", "folder"),
        *("reason", "strerror", "version", "ids"),
    }
)
"""Placeholders that stand for what others wrote, which has no translation."""
LISTS: Final = frozenset({"nouns", "constraints", "change"})
"""Placeholders that stand for several words or messages: "a, b" or "a, b and c"."""
NO_WORDS: Final = frozenset({"filter"})
"""Placeholders that stand for a message: a word alone is the name of a genre or an artist."""
_COMMA: Final = re.compile(r", (?![^“]*”)")
"""Between two of a list; not in a name within quotation marks."""
_messages: dict[str, re.Pattern[str]] = {}


def kept(message: str) -> str:
    """Register an English message, marked by `gettext_noop`, and return it.

    Its placeholders have the form ``%(name)s``. Their values are translated if they are words that
    `retold` is told of, or messages themselves; those named in `RAW` stay, and those named in
    `LISTS` are taken apart if each part is known.
    """
    parts = re.split(r"%\((\w+)\)s", message)
    pattern = "".join(
        re.escape(part.replace("%%", "%")) if n % 2 == 0 else f"(?P<{part}>.+?)"
        for n, part in enumerate(parts)
    )
    _messages[message] = re.compile(pattern, re.DOTALL)
    _ordered.cache_clear()
    return message


@cache
def _ordered() -> list[tuple[str, re.Pattern[str]]]:
    """Return the messages, first those with the longest text beside their placeholders."""

    def length(one: tuple[str, re.Pattern[str]]) -> int:
        return len(re.sub(r"%\(\w+\)s", "", one[0]))

    return sorted(_messages.items(), key=length, reverse=True)


def is_english() -> bool:
    """Return whether the reader's language is the one in which sentences are stored."""
    return (get_language() or "en").startswith("en")


def retold(sentence: str, shown: Callable[[str], str] = str) -> str:
    """Return a sentence made of a registered message in the language of the reader.

    `shown` translates single words. What is neither a word nor a message is returned as it is.
    """
    if not sentence or is_english():
        return sentence
    told = _retold(get_language() or "", sentence, shown)
    return sentence if told is None else told


@lru_cache(maxsize=4096)
def _retold(language: str, sentence: str, shown: Callable[[str], str]) -> str | None:
    """Return a word or a message in the current language; None if a sentence is neither."""
    if (word := shown(sentence)) != sentence:
        return word
    for message, pattern in _ordered():
        if match := pattern.fullmatch(sentence):
            values = {
                name: _value_told(language, name, value, shown)
                for name, value in match.groupdict().items()
            }
            return gettext(message) % values if values else gettext(message)
    return None


def _value_told(language: str, name: str, value: str, shown: Callable[[str], str]) -> str:
    if name in RAW:
        return value
    if name in NO_WORDS:
        shown = str
    told = _list_told(language, value, shown) if name in LISTS else None
    if told is None:
        told = _retold(language, value, shown)
    return value if told is None else told


def _list_told(language: str, listed: str, shown: Callable[[str], str]) -> str | None:
    """Return a list in the current language; None if one of its parts is not known."""
    parts = _COMMA.split(listed)
    told = [_retold(language, part, shown) for part in parts]
    if None not in told:
        return ", ".join(one for one in told if one is not None)
    before, joint, last = parts.pop().rpartition(" and ")
    if not joint:
        return None
    ends = [_retold(language, part, shown) for part in (*parts, before, last)]
    known = [one for one in ends if one is not None]
    if len(known) < len(ends):
        return None
    first = ", ".join(known[:-1])
    return gettext("%(first)s and %(last)s") % {"first": first, "last": known[-1]}


# Why a file or a job failed, and what an ingest notes: many places and `mer` write it.
# `tests/recommender/test_stored.py` finds what is missing here.
for _message in (
    gettext_noop("it changed while it was read; ingest again when it is written"),
    gettext_noop("it cannot be read (%(reason)s); check its rights"),
    gettext_noop("it is no regular file any more"),
    gettext_noop("%(size)s bytes is more than AFFETTI_MAX_FILE_BYTES (%(most)s)"),
    gettext_noop("its %(field)s is not a finite number; write its tags again, or convert it"),
    gettext_noop(
        "its %(field)s is not a finite number; a damaged file may be the cause: convert it"
    ),
    gettext_noop(
        "reading it raised %(reason)s; the file is probably damaged: convert it to another format, "
        "or write its tags again"
    ),
    gettext_noop(
        "its analysis failed %(count)s times (%(reason)s); the file is probably damaged: convert "
        "it to another format, then ingest its folder again"
    ),
    gettext_noop(
        "the database refuses its tags, lyrics or length (%(reason)s); write its tags again"
    ),
    gettext_noop("the file has changed since it was catalogued; ingest its folder again"),
    gettext_noop(
        "It was started %(count)s times without progress. Look for the cause in the worker's log "
        "(memory, disk, database), then ask for it again"
    ),
    gettext_noop("%(path)s: there is no such file or folder any more; check the disk"),
    gettext_noop("%(path)s: is empty or absent"),
    gettext_noop("%(path)s: has lost more than half of its files"),
    gettext_noop(
        "%(what)s: %(gone)s of %(count)s songs are gone at once, and none was marked as gone. If a "
        "disk is not mounted, mount it and ingest again. If the files are gone for good, confirm "
        "it: --accept-empty, accept_empty of the API, or the button on the page of the job"
    ),
    # Of stores.
    gettext_noop(
        "the store did not send it whole in %(count)s tries (%(reason)s); it is tried again at the "
        "next ingest"
    ),
    gettext_noop(
        "the store refuses this object alone (%(reason)s); allow reading it, or take it out of the "
        "archive"
    ),
    gettext_noop(
        "it cannot be copied to this disk under its name (%(reason)s); give it another one"
    ),
    gettext_noop(
        "%(path)s: what reads such stores is not installed; run pip install --constraint "
        "constraints.txt --editable '.[store]', or install the package of fsspec for this protocol"
    ),
    gettext_noop(
        "%(path)s: the store refuses it (%(reason)s); check the credentials in "
        "AFFETTI_STORE_OPTIONS or in the environment, and that they may list and read"
    ),
    gettext_noop(
        "%(path)s: the store does not answer (%(reason)s); check the network and the address of "
        "the store; it is tried again"
    ),
    gettext_noop("%(path)s: there is no such bucket; correct AFFETTI_STORES, or make the bucket"),
    gettext_noop("%(path)s: is in no store of the settings; add its store to AFFETTI_STORES"),
    # Of tags that are written.
    gettext_noop("it is larger than %(most)s MB; tags of such files are not written"),
    gettext_noop("tags cannot be written into this kind of file"),
    gettext_noop("its tags cannot be read (%(reason)s), so none are written"),
    gettext_noop("another tag would change (%(names)s), so none are written"),
    gettext_noop("the file does not take the tag %(name)s"),
    gettext_noop("writing its tags would change too much of it, so none are written"),
    # Of paths.
    gettext_noop("%(path)s…: the path is longer than %(most)s bytes; shorten its names"),
    gettext_noop("%(path)s: there is no such file (%(name)s)"),
    gettext_noop("%(path)s: leads out of its library; copy the file into the library"),
    gettext_noop("%(title)s: has no audio; it is known from a table alone"),
    gettext_noop("%(path)s: cannot be opened (%(strerror)s)"),
    gettext_noop("%(path)s: is no regular file"),
    gettext_noop(
        "%(path)s: not inside a catalogue root (%(names)s); name a folder inside one, or add a "
        "root to AFFETTI_CATALOG_ROOTS"
    ),
    gettext_noop(
        "%(path)s: there is no such file or folder here (%(strerror)s); check the name, and the "
        "rights of the folders above it"
    ),
    gettext_noop("%(start)s: cannot be read (%(strerror)s); check its rights"),
    gettext_noop("cannot be read (%(reason)s)"),
    gettext_noop("is a link to a folder that is not followed: %(why)s"),
    gettext_noop("is a link to %(path)s, which holds the library %(name)s; ingest it by its name"),
    # Of sound, as sentences without a subject: "its file" may be before them.
    gettext_noop("cannot be decoded"),
    gettext_noop("cannot be read (%(reason)s); convert it to another format"),
    gettext_noop("cannot be opened: %(reason)s"),
    gettext_noop("needs more than %(size)s GiB of memory to read; convert it to another format"),
    gettext_noop("was not read within %(seconds)s s; convert it to another format"),
    gettext_noop("ends the decoder (%(reason)s); convert it to another format"),
    gettext_noop("is damaged: only %(seconds)s s of %(stated)s s decode"),
    gettext_noop("has no supported suffix; use one of %(names)s"),
    gettext_noop("is not a regular file"),
    gettext_noop("is empty (0 bytes)"),
    gettext_noop("is larger than %(size)s GiB"),
    gettext_noop("has a header of %(channels)s channels at %(rate)s Hz"),
    gettext_noop("contains no samples"),
    gettext_noop("lasts %(seconds)s s; at least %(least)s s are needed"),
    gettext_noop("lasts %(hours)s h; at most %(most)s h are read"),
    gettext_noop("is silent but for %(seconds)s s; at least %(least)s s are needed"),
    gettext_noop("is silent in every part that was decoded"),
    gettext_noop("is silent, or nothing of it decodes"),
    gettext_noop("holds audio of an unknown codec; convert it to another format"),
    gettext_noop("contains no audio stream"),
    gettext_noop("holds a film; only music is read"),
    gettext_noop("is not audio, or too damaged to open"),
    gettext_noop("contains samples that are not finite or far too large; export it again"),
    # Notes of an ingest.
    gettext_noop("%(path)s: is a link; %(folder)s is ingested too"),
    gettext_noop("%(path)s: this folder vanished during the scan"),
    gettext_noop("%(path)s: is still being written; taken when it has stopped changing"),
    gettext_noop("%(path)s: staff removed this song; put it back under Songs, Removed"),
    gettext_noop("%(path)s: tags not read: %(reason)s; tried again at the next ingest"),
    gettext_noop("%(count)s songs are left out now (.affettiignore, .nomedia, system)"),
    gettext_noop("%(name)s: cue sheets are not read; %(title)s is one song, not its tracks"),
    gettext_noop("%(path)s: the lyrics in the tags ignored: %(why)s"),
    gettext_noop("%(path)s: %(name)s ignored: %(why)s"),
    # The same, as kept with the song.
    gettext_noop("the lyrics in the tags ignored: %(why)s"),
    gettext_noop("the lyrics of LRCLIB ignored: %(why)s"),
    gettext_noop("%(name)s ignored: %(why)s"),
    gettext_noop("more than %(most)s bytes"),
    gettext_noop("lyrics larger than %(most)s bytes; give the song words alone"),
    gettext_noop("not a text file; save the lyrics as UTF-8 text"),
    gettext_noop("unknown text encoding; save the lyrics as UTF-8 text"),
    gettext_noop("cannot read the lyrics (%(reason)s)"),
    gettext_noop("a web page, not lyrics"),
    gettext_noop("descriptions of sounds, no words"),
    gettext_noop("a note that there are no lyrics"),
    gettext_noop("a chord sheet"),
    gettext_noop("a speech recogniser's usual error"),
    gettext_noop("an advertisement"),
    gettext_noop("one phrase in a loop, as speech recognition writes it"),
    gettext_noop("nothing in it is sung"),
):
    kept(_message)
