"""Forms of the pages of listeners, and those that all pages share."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django import forms
from django.contrib.auth.forms import PasswordChangeForm, SetPasswordForm, UserCreationForm
from django.core.validators import MaxValueValidator, MinValueValidator
from django.urls import reverse_lazy
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from catalog.keys import key_find, key_name
from catalog.models import EmotionCorrection
from mer.prediction import KEYS
from recommender.feedback import FeedbackKind
from recommender.models import AppPassword, Playlist, Scope, Station, Token
from recommender.moods import mood_find
from recommender.names import NameForm
from recommender.playlists import FIELDS
from recommender.playlists.kinds import Choice, Flag, MusicalKey, Number, Text, WholeNumber
from recommender.playlists.request import MAX_TEXT_LENGTH
from recommender.terms import shown, told
from recommender.web.presentation import big_moods

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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
            # A slider has no place for a default of none, and a box takes any number.
            typed, slider = (
                {"placeholder": _("any"), "step": "any"},
                {"type": "range", "step": "0.1"},
            )
            number = forms.NumberInput(attrs=typed if field.default is None else slider)
            return forms.FloatField(min_value=low, max_value=high, widget=number, **common)
        case MusicalKey():
            return _KeyField(choices=_keys_shown, **common)
        case Text(longest):
            attrs = {"data-facets-url": reverse_lazy("api:facets")} if field.name == "genre" else {}
            widget = forms.TextInput(attrs=attrs)
            return forms.CharField(max_length=longest, widget=widget, **common)
        case Choice(options):
            return forms.ChoiceField(choices=partial(_options_shown, options), **common)
        case Flag():
            return forms.BooleanField(**common)
    raise TypeError(f"{field.name}: no single input holds {field.kind.limits()}")


class _KeyField(forms.ChoiceField):
    """A key by its name; an address may hold it in other spellings, or several keys."""

    def prepare_value(self, value: Any) -> Any:
        names = [_key_written(part.strip()) for part in str(value or "").split(",")]
        written = ", ".join(names)
        if len(names) > 1:
            several = written, ", ".join(map(str, map(shown, names)))
            self.choices = [*_keys_shown(), several]
        return written


def _key_written(word: str) -> str:
    code = key_find(word)
    return word if code is None else key_name(code)


def _keys_shown() -> list[tuple[str, str]]:
    names = [" ".join(key) for key in KEYS]
    return [("", gettext("any")), *((name, shown(name)) for name in names)]


def _options_shown(options: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(name, capfirst(told(words))) for name, words in options.items()]


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


# The longest text, of characters that take twelve in an address, and all the rest.
_MAX_QUERY: Final = 12 * MAX_TEXT_LENGTH + 4000


class SavePlaylistForm(PlaylistNameForm):
    query = forms.CharField(max_length=_MAX_QUERY)


class EditForm(forms.Form):
    edit = forms.CharField(max_length=60)


class EditQueryForm(EditForm):
    query = forms.CharField(max_length=_MAX_QUERY)


class PlaylistSortForm(forms.Form):
    sort = forms.ChoiceField(
        choices=[("", _("Newest first")), ("name", _("By name")), ("length", _("Longest first"))],
        required=False,
        label=_("Sort by"),
    )


class StationForm(forms.ModelForm):  # type: ignore[type-arg]
    takes_weaker = forms.BooleanField(required=False, label=_("Weaker matches too"))

    class Meta:
        model = Station
        fields = ("name", "schedule", "weekday", "hour", "time_zone", "fresh_versions")
        labels: ClassVar = {
            "name": _("Name"),
            "weekday": _("Weekday"),
            "hour": _("Hour"),
            "time_zone": _("Time zone"),
            "fresh_versions": _("Leave out the songs of so many last versions"),
        }

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["schedule"].label = _("New songs come")
        self.fields["fresh_versions"].help_text = ""


class NewStationForm(forms.Form):
    """What a new station plays: moods, words, or both."""

    mood = forms.MultipleChoiceField(
        choices=lambda: [(name, capfirst(shown(name))) for name, _ in big_moods()],
        required=False,
    )
    text = forms.CharField(
        max_length=MAX_TEXT_LENGTH,
        required=False,
        label=_("Words, an artist or the title of a song"),
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "placeholder": _("Rainy morning, slow jazz")}
        ),
    )
    name = forms.CharField(
        max_length=Station._meta.get_field("name").max_length,
        required=False,
        label=_("Name (optional)"),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    schedule = forms.ChoiceField(
        choices=Station.Schedule.choices, required=False, label=_("New songs come")
    )
    takes_weaker = forms.BooleanField(required=False, label=_("Weaker matches too"))

    def __init__(self, *args: Any, **options: Any) -> None:
        # On the home page another form has words, too.
        super().__init__(*args, **{**options, "auto_id": "id_station_%s"})

    @property
    def moods(self) -> list[tuple[str, str, bool]]:
        """The moods that are offered, each with its quadrant and whether it is chosen."""
        chosen = self["mood"].value() or ()
        return [(name, quadrant, name in chosen) for name, quadrant in big_moods()]

    def clean(self) -> dict[str, Any]:
        data = dict(super().clean() or {})
        if not self.errors and not data["mood"] and not data["text"]:
            self.add_error(None, gettext("Choose a mood, or say in words what it should play."))
        return data


class VersionForm(forms.Form):
    version = forms.IntegerField(min_value=1)


_PASSWORD_HELP: Final = _("At least 8 characters, and no common password.")


class OwnPasswordForm(PasswordChangeForm):
    """A new password for whoever knows the old one; what is wrong with it is said when it is."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        _password_fields_word(self, "new_password")


class NewPasswordForm(SetPasswordForm):  # type: ignore[type-arg]
    """A new password for whoever has a link."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        _password_fields_word(self, "new_password")


def _password_fields_word(form: forms.BaseForm, name: str) -> None:
    form.fields[f"{name}1"].help_text = _PASSWORD_HELP
    form.fields[f"{name}2"].label = _("Password again")
    form.fields[f"{name}2"].help_text = ""


class NewAccountForm(NameForm, UserCreationForm):  # type: ignore[type-arg]
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # What is wrong is said when it is wrong.
        self.fields["username"].help_text = ""
        _password_fields_word(self, "password")


class SignUpForm(NewAccountForm):
    may_be_reserved = False


class FirstAdminForm(NewAccountForm):
    code = forms.CharField(
        max_length=100,
        label=_("Setup code"),
        help_text=_("It was printed with this page's address when Affetti was started."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    field_order = ("code", "username", "password1", "password2")

    def code_hide(self) -> None:
        """Keep a code that is known to be right out of sight."""
        self.fields["code"].widget = forms.HiddenInput()


class AppPasswordForm(forms.ModelForm):  # type: ignore[type-arg]
    def __init__(self, *args: Any, **options: Any) -> None:
        # On its page another form has a name, too.
        super().__init__(*args, **{**options, "auto_id": "id_app_%s"})

    class Meta:
        model = AppPassword
        fields = ("name",)
        labels: ClassVar = {"name": _("Name of the player")}
        help_texts: ClassVar = {"name": ""}  # the words above the form say what it is for
        widgets = {
            "name": forms.TextInput(attrs={"placeholder": "Symfonium", "autocomplete": "off"})
        }


class TokenForm(forms.ModelForm):  # type: ignore[type-arg]
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices,
        widget=forms.CheckboxSelectMultiple,
        label=_("It may"),
        initial=[Scope.READ, Scope.LISTEN, Scope.PLAYLISTS],
    )
    expires_at = forms.DateField(
        label=_("Last day"),
        required=False,
        help_text=_("Empty: it does not end."),
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )

    class Meta:
        model = Token
        fields = ("name", "scopes", "expires_at")
        labels: ClassVar = {"name": _("Name")}
        widgets = {
            "name": forms.TextInput(attrs={"placeholder": _("Phone"), "autocomplete": "off"})
        }

    def clean_expires_at(self) -> datetime | None:
        """Return the end of the day; it must be after now."""
        day = self.cleaned_data["expires_at"]
        if day is None:
            return None
        try:
            end = datetime.combine(day, time.max, timezone.get_current_timezone()).astimezone(UTC)
        except OverflowError:
            raise forms.ValidationError(gettext("Choose an earlier day.")) from None
        if end <= timezone.now():
            raise forms.ValidationError(gettext("Choose a day that is not past."))
        return end


class DeletionForm(forms.Form):
    password = forms.CharField(
        max_length=4096,
        strip=False,
        label=_("Your password"),
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def name_ask(self) -> None:
        """Ask for the name in place of the password, of whoever comes by single sign-on."""
        field = self.fields["password"]
        field.label = _("Your user name, to confirm it")
        field.widget = forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})


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
                raise forms.ValidationError({"mood": gettext("There is no such mood.")})
            return {**data, "valence": mood.valence, "arousal": mood.arousal}
        for axis in ("valence", "arousal"):
            if data.get(axis) is None and axis not in self.errors:
                self.add_error(axis, gettext("Choose a place or a mood."))
        return data


class CorrectionForm(PlaceForm):
    note = forms.CharField(
        max_length=EmotionCorrection._meta.get_field("note").max_length, required=False
    )


class DayForm(forms.Form):
    # Days from which and to which every time zone can be reckoned.
    day = forms.DateField(
        required=False,
        validators=[MinValueValidator(date(1900, 1, 1)), MaxValueValidator(date(2999, 12, 31))],
    )


class FeedbackKindForm(forms.Form):
    kind = forms.ChoiceField(choices=[(kind, kind) for kind in FeedbackKind], required=False)


class UploadForm(forms.Form):
    """What the address of a piece says of it."""

    upload = forms.UUIDField()
    name = forms.CharField(max_length=500, strip=False, required=False)
    size = forms.IntegerField(min_value=0, max_value=2**62, required=False)
    offset = forms.IntegerField(min_value=0, max_value=2**62, required=False)

    def clean(self) -> dict[str, Any]:
        data = dict(super().clean() or {})
        return {**data, "size": data.get("size") or 0, "offset": data.get("offset") or 0}
