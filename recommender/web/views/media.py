"""What players load of a song: its audio and its cover."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.core.exceptions import BadRequest
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from catalog.errors import FileUnusableError, PathError, machine_errors_raise, store_errors_raise
from catalog.files.pictures import SIZES
from recommender import selectors
from recommender.auth import takes_token
from recommender.media.answers import audio_response, cover_response, transcoded_response
from recommender.media.transcoding import TARGETS
from recommender.models import Scope
from recommender.throttles import throttled

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

_DEFAULT_SIZE: Final = "large"


@throttled("stream")
@takes_token(Scope.LISTEN)
@require_safe
def song_audio(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Answer with the song's own file, or in the format that `as` names."""
    target = request.GET.get("as", "")
    if target and target not in TARGETS:
        raise BadRequest
    song = get_object_or_404(selectors.song_files(), pk=pk)
    if not song.has_audio:
        raise Http404(gettext("This song has no audio: it is known from a table alone."))
    try:
        if target:
            return transcoded_response(request, song, target)
        return audio_response(request, song)
    except (PathError, FileUnusableError, OSError) as error:
        store_errors_raise(error)
        machine_errors_raise(error)
        raise Http404(gettext("The file of this song is not there.")) from error


@throttled("covers")
@takes_token(Scope.LISTEN)
@require_safe
def song_cover(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Answer with a picture for every song, in the size that `size` names."""
    size = request.GET.get("size", _DEFAULT_SIZE)
    if size not in SIZES:
        raise BadRequest
    song = get_object_or_404(selectors.song_files(), pk=pk)
    return cover_response(request, song, size)
