"""Forms of the pages."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth.forms import UserCreationForm
from django.urls import reverse_lazy
from django.utils import timezone

from catalog.models import EmotionCorrection
from recommender.feedback import FeedbackKind
from recommender.models import Playlist, Scope, Station, Token
from recommender.moods import mood_find
from recommender.names import NameForm
from recommender.playlists import FIELDS
from recommender.playlists.kinds import Choice, Flag, Number, Text, WholeNumber
from recommender.playlists.request import MAX_TEXT_LENGTH

if TYPE_CHECKING:
    from collections.abc import Iterable

    from recommender.playlists.fields import Field


def form_of(fields: Iterable[Field[Any]]) -> type[forms.Form]:
    """Return a form with an input for each field; what it is sent `PlaylistRequest` checks."""
    return type("FieldsForm", (forms.Form,), {field.word: _input(field) for field in fields})


def _input(field: Field[Any]) -> forms.Field:
    common: Any = {"label": field.label, "initial": field.default, "required": False}
    match field.kind:
        case WholeNumber(low, high):
            return forms.IntegerField(min_value=low, max_value=high, **common)
        case Number(low, high):
            # A slider has no place for a default of none.
            kind = {"placeholder": "any"} if field.default is None else {"type": "range"}
            number = forms.NumberInput(attrs={"step": "0.1", **kind})
            return forms.FloatField(min_value=low, max_value=high, widget=number, **common)
        case Text(longest):
            attrs = {"data-facets-url": reverse_lazy("api:facets")} if field.name == "genre" else {}
            widget = forms.TextInput(attrs=attrs)
            return forms.CharField(max_length=longest, widget=widget, **common)
        case Choice(options):
            named = [(name, words.capitalize()) for name, words in options.items()]
            return forms.ChoiceField(choices=named, **common)
        case Flag():
            return forms.BooleanField(**common)
    raise TypeError(f"{field.name}: no single input holds {field.kind.limits()}")


# Whole numbers first: two of their inputs share a line.
PlaylistTuningForm = form_of(
    sorted(
        (field for field in FIELDS.values() if field.is_tuning),
        key=lambda field: not isinstance(field.kind, WholeNumber),
    )
)


class PlaylistNameForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Playlist
        fields = ("name",)


class SavePlaylistForm(PlaylistNameForm):
    # The longest text, of characters that take twelve in an address, and all the rest.
    query = forms.CharField(max_length=12 * MAX_TEXT_LENGTH + 4000)


class StationForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Station
        fields = ("name", "schedule", "weekday", "hour", "time_zone", "fresh_versions")


class VersionForm(forms.Form):
    version = forms.IntegerField(min_value=1)


class SignUpForm(NameForm, UserCreationForm):  # type: ignore[type-arg]
    may_be_reserved = False


class TokenForm(forms.ModelForm):  # type: ignore[type-arg]
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices,
        widget=forms.CheckboxSelectMultiple,
        label="It may",
        initial=[Scope.READ, Scope.LISTEN, Scope.PLAYLISTS],
    )
    expires_at = forms.DateField(
        label="Last day",
        required=False,
        help_text="Empty: it does not end.",
        widget=forms.DateInput(attrs={"type": "date"}),
    )

    class Meta:
        model = Token
        fields = ("name", "scopes", "expires_at")
        widgets = {"name": forms.TextInput(attrs={"placeholder": "Phone", "autocomplete": "off"})}

    def clean_expires_at(self) -> datetime | None:
        """Return the end of the day; it must be after now."""
        day = self.cleaned_data["expires_at"]
        if day is None:
            return None
        try:
            end = datetime.combine(day, time.max, tzinfo=UTC)
        except OverflowError:
            raise forms.ValidationError("Choose an earlier day.") from None
        if end <= timezone.now():
            raise forms.ValidationError("Choose a day that is not past.")
        return end


class DeletionForm(forms.Form):
    password = forms.CharField(
        max_length=4096,
        strip=False,
        label="Your password",
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class RatingForm(forms.Form):
    stars = forms.IntegerField(min_value=1, max_value=5)


class PlaceForm(forms.Form):
    """Where a song belongs: a mood by its button, or both sliders."""

    valence = forms.FloatField(min_value=0, max_value=1, required=False)
    arousal = forms.FloatField(min_value=0, max_value=1, required=False)
    mood = forms.CharField(max_length=100, required=False)

    def clean(self) -> dict[str, Any]:
        """Return valence and arousal, also where a mood was chosen."""
        data = dict(super().clean() or {})
        name = data.pop("mood", "")
        if name:
            mood = mood_find(name)
            if mood is None:
                raise forms.ValidationError({"mood": "There is no such mood."})
            return {**data, "valence": mood.valence, "arousal": mood.arousal}
        for axis in ("valence", "arousal"):
            if data.get(axis) is None and axis not in self.errors:
                self.add_error(axis, "Choose a place or a mood.")
        return data


class CorrectionForm(PlaceForm):
    note = forms.CharField(
        max_length=EmotionCorrection._meta.get_field("note").max_length, required=False
    )


class FeedbackKindForm(forms.Form):
    kind = forms.ChoiceField(choices=[(kind, kind) for kind in FeedbackKind], required=False)


class IngestForm(forms.Form):
    path = forms.CharField(
        max_length=1000,
        label="Folder or file",
        help_text="The full path, inside one of the roots.",
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocapitalize": "off"}),
    )
    accept_empty = forms.BooleanField(
        required=False,
        label="Most of the files are gone for good",
        help_text="Only to confirm it. Otherwise an ingest that finds more than half of the files "
        "gone stops, because a disk may be missing.",
    )
