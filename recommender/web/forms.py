"""Forms of the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms

from recommender.models import Playlist
from recommender.playlists.request import (
    MAX_COUNT,
    MAX_SEED,
    MAX_TEXT_LENGTH,
    PlaylistRequest,
    mood_from_text,
)

if TYPE_CHECKING:
    from django.http import QueryDict


class PlaylistQueryForm(forms.Form):
    """The query of /playlist; `like` and `mood` may stand there several times.

    A mood may have a weight: ``mood=calm:2``.
    """

    text = forms.CharField(max_length=MAX_TEXT_LENGTH, required=False)
    valence = forms.FloatField(min_value=0, max_value=1, required=False)
    arousal = forms.FloatField(min_value=0, max_value=1, required=False)
    history = forms.BooleanField(required=False)
    seed = forms.IntegerField(min_value=0, max_value=MAX_SEED, required=False)
    count = forms.IntegerField(
        min_value=1,
        max_value=MAX_COUNT,
        required=False,
        initial=PlaylistRequest.count.default,
        label="Songs",
    )
    diversity = forms.FloatField(
        min_value=0,
        max_value=1,
        required=False,
        initial=PlaylistRequest.diversity.default,
        label="Variety: best matches to most various",
        widget=forms.NumberInput(attrs={"type": "range", "step": "0.1"}),
    )
    artist_spacing = forms.IntegerField(
        min_value=0,
        max_value=MAX_COUNT,
        required=False,
        initial=PlaylistRequest.artist_spacing.default,
        label="Artist spacing",
    )
    max_per_artist = forms.IntegerField(min_value=1, max_value=MAX_COUNT, required=False)
    exclude_heard_days = forms.IntegerField(min_value=0, max_value=3650, required=False)
    genre = forms.CharField(max_length=200, required=False)
    year_from = forms.IntegerField(min_value=0, max_value=9999, required=False)
    year_to = forms.IntegerField(min_value=0, max_value=9999, required=False)

    TUNING = ("count", "artist_spacing", "diversity", "genre", "year_from", "year_to")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if (cleaned.get("valence") is None) != (cleaned.get("arousal") is None):
            raise forms.ValidationError("Give valence and arousal together, each from 0 to 1.")
        return cleaned

    def request_json(self, query: QueryDict) -> dict[str, Any]:
        """Return what `PlaylistRequest.from_json` takes; call it on a valid form only."""
        plain = {
            name: value for name, value in self.cleaned_data.items() if value not in ("", None)
        }
        valence, arousal = plain.pop("valence", None), plain.pop("arousal", None)
        if valence is not None:
            plain["point"] = {"valence": valence, "arousal": arousal}
        moods = map(mood_from_text, query.getlist("mood"))
        plain["moods"] = [{"name": name, "weight": weight} for name, weight in moods]
        plain["song_ids"] = [
            int(song_id) if song_id.isdecimal() else song_id for song_id in query.getlist("like")
        ]
        return plain


class PlaylistNameForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Playlist
        fields = ("name",)


class SavePlaylistForm(PlaylistNameForm):
    # The longest text, of characters that take twelve in an address, and all the rest.
    query = forms.CharField(max_length=12 * MAX_TEXT_LENGTH + 4000)


class IngestForm(forms.Form):
    path = forms.CharField(
        max_length=1000,
        label="Folder or file",
        help_text="The full path, inside one of the roots.",
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocapitalize": "off"}),
    )
