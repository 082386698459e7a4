"""Forms of the pages."""

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

from catalog.ingest.editing import CORRECTABLE
from catalog.ingest.libraries import LibrarySettings
from catalog.keys import key_find, key_name
from catalog.models import EmotionCorrection, Library, Song
from catalog.tagwriting.plan import LEAST_DEFAULT
from catalog.tagwriting.plan import Choice as TagChoice
from mer.prediction import KEYS
from recommender.feedback import FeedbackKind
from recommender.models import AppPassword, Playlist, Role, Scope, Station, Token
from recommender.moods import mood_find
from recommender.names import NameForm
from recommender.playlists import FIELDS
from recommender.playlists.kinds import Choice, Flag, MusicalKey, Number, Text, WholeNumber
from recommender.playlists.request import MAX_TEXT_LENGTH
from recommender.terms import shown, told
from recommender.web.managing import TAG_FIELDS
from recommender.web.presentation import big_moods

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from django.utils.functional import _StrPromise

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


class WatchingForm(forms.Form):
    """How a library is watched and scanned."""

    watch = forms.ChoiceField(
        choices=Library.Watch.choices,
        required=False,
        label=_("Watch for changes"),
        help_text=_("Events for disks of this machine; looking again for network folders."),
    )
    rescan_hours = forms.TypedChoiceField(
        choices=lambda: list(_RESCAN_HOURS.items()),
        required=False,
        coerce=int,
        empty_value=None,
        label=_("Scan everything"),
        help_text=_("Finds what watching missed."),
    )

    def clean_watch(self) -> str:
        return str(self.cleaned_data["watch"] or Library.Watch.OFF)


class AddMusicForm(WatchingForm):
    """A folder that was chosen, in its stored form, or a path that was typed."""

    folder = forms.CharField(max_length=2000, required=False, widget=forms.HiddenInput)
    path = forms.CharField(
        max_length=1000,
        required=False,
        label=_("Folder or file"),
        help_text=_(
            "The full path on the machine that runs Affetti, or the address of a store that its "
            "settings name, such as s3://bucket/folder."
        ),
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocapitalize": "off"}),
    )
    accept_empty = forms.BooleanField(required=False)
    """Most of the files are gone for good; the page of the job that found so asks for it."""

    field_order = ("folder", "path", "watch", "rescan_hours", "accept_empty")

    @property
    def library_fields(self) -> list[forms.BoundField]:
        """What is chosen of a new library."""
        return [self["watch"], self["rescan_hours"]]

    def clean(self) -> dict[str, Any]:
        data = dict(super().clean() or {})
        if not data.get("folder") and not data.get("path") and not self.errors:
            self.add_error("path", gettext("Choose a folder, or enter its path."))
        return data


class LibraryForm(WatchingForm):
    """What staff choose of a library."""

    name = forms.CharField(max_length=200, label=_("Name"))
    is_writable = forms.BooleanField(
        required=False,
        label=_("Moods, tempo and key may be written into its files"),
        help_text=_("Nothing is written before staff do so under Write tags."),
    )
    field_order = ("name", "watch", "rescan_hours", "is_writable")

    def __init__(self, library: Library, *args: Any, **options: Any) -> None:
        self.library = library
        initial = {
            "name": library.name,
            "watch": library.watch,
            "rescan_hours": library.rescan_hours,
            "is_writable": library.is_writable,
        }
        prefix = f"library-{library.pk}"
        super().__init__(*args, **{**options, "initial": initial, "prefix": prefix})
        self.fields["watch"].required = True
        if not library.has_audio:  # a table has nothing to watch or scan
            for name in ("watch", "rescan_hours", "is_writable"):
                del self.fields[name]
            return
        hours: dict[int | str, _StrPromise | str] = {**_RESCAN_HOURS}
        if library.rescan_hours and library.rescan_hours not in hours:
            own = gettext("Every %(hours)d hours") % {"hours": library.rescan_hours}
            hours[library.rescan_hours] = own
        self.fields["rescan_hours"].choices = list(hours.items())  # type: ignore[attr-defined]

    def chosen(self) -> LibrarySettings:
        """Return what was chosen in a form that is valid."""
        unwatched = {"watch": Library.Watch.OFF, "rescan_hours": None}
        return LibrarySettings(**{**unwatched, **self.cleaned_data})


class _NamesSelect(forms.Select):
    """A choice of names of the site's own, which no browser translates."""

    def create_option(self, name: str, value: Any, *args: Any, **options: Any) -> dict[str, Any]:
        option = super().create_option(name, value, *args, **options)
        if value:
            option["attrs"]["translate"] = "no"
        return option


class TagsForm(forms.Form):
    """Which tags to write into which files."""

    library = forms.TypedChoiceField(
        required=False, coerce=int, empty_value=None, label=_("Library"), widget=_NamesSelect
    )
    folder = forms.CharField(
        max_length=2000,
        required=False,
        label=_("Folder"),
        help_text=_("Inside the library, such as Artist/Album. Empty: all folders."),
    )
    tag = forms.MultipleChoiceField(
        choices=TAG_FIELDS.items(),
        initial=list(TAG_FIELDS),
        widget=forms.CheckboxSelectMultiple,
        label=_("Tags"),
    )
    least = forms.FloatField(
        min_value=0,
        max_value=1,
        initial=LEAST_DEFAULT,
        widget=forms.NumberInput(attrs={"step": "any"}),
        label=_("Minimum mood confidence"),
        help_text=_("From 0 to 1. The nearest mood is written in any case."),
    )
    may_overwrite = forms.BooleanField(
        required=False,
        label=_("Overwrite manual edits"),
        help_text=_("Otherwise moods and keys that a person set stay. Their tempo always stays."),
    )
    is_touched = forms.BooleanField(
        required=False,
        label=_("Update the modified date"),
        help_text=_("Some players read a file again only if its date is new."),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        open_ones = Library.objects.filter(
            is_writable=True, is_going=False, kind=Library.Kind.FOLDER
        )
        names = list(open_ones.values_list("pk", "name"))
        self.has_libraries = bool(names)
        choices = [("", _("All writable libraries")), *names]
        self.fields["library"].choices = choices  # type: ignore[attr-defined]

    def chosen(self) -> TagChoice:
        """Return what was chosen in a form that is valid."""
        data = self.cleaned_data
        return TagChoice(
            libraries=() if data["library"] is None else (data["library"],),
            fields=tuple(name for name in TAG_FIELDS if name in data["tag"]),
            least=data["least"],
            may_overwrite=data["may_overwrite"],
            is_touched=data["is_touched"],
            folder=data["folder"],
        )


class CatalogueForm(forms.Form):
    """A catalogue file, CSV or JSONL."""

    file = forms.FileField(
        max_length=200,
        label=_("Table, CSV or JSONL"),
        widget=forms.FileInput(attrs={"accept": ".csv,.jsonl"}),
    )

    def clean(self) -> dict[str, Any]:
        data = dict(super().clean() or {})
        file = data.get("file")
        if file is None:
            return data
        kind = file.name.rpartition(".")[2].lower()
        if kind not in {"csv", "jsonl"}:
            raise forms.ValidationError(gettext("Choose a file that ends with .csv or .jsonl."))
        # A byte that is no UTF-8 becomes half of a surrogate pair, which is refused with its row.
        return {"kind": kind, "text": file.read().decode("utf-8", "surrogateescape")}


class TableForm(CatalogueForm):
    """A table of songs without audio, and the library that it is."""

    name = forms.CharField(max_length=200, required=False, label=_("Name"))
    accept_empty = forms.BooleanField(required=False)

    def clean(self) -> dict[str, Any]:
        file = self.cleaned_data.get("file")
        given = {name: self.cleaned_data.get(name) for name in ("name", "accept_empty")}
        data = super().clean()
        if file is None:
            return data
        given["name"] = given["name"] or file.name.rpartition(".")[0]
        return {**data, **given}


_RESCAN_HOURS: Final[dict[int | str, _StrPromise]] = {
    "": _("Only when you scan"),
    1: _("Every hour"),
    6: _("Every 6 hours"),
    24: _("Every day"),
    168: _("Every week"),
}


class UploadForm(forms.Form):
    """What the address of a piece says of it."""

    upload = forms.UUIDField()
    name = forms.CharField(max_length=500, strip=False, required=False)
    size = forms.IntegerField(min_value=0, max_value=2**62, required=False)
    offset = forms.IntegerField(min_value=0, max_value=2**62, required=False)

    def clean(self) -> dict[str, Any]:
        data = dict(super().clean() or {})
        return {**data, "size": data.get("size") or 0, "offset": data.get("offset") or 0}


class SelectedSongsForm(forms.Form):
    """Songs that were ticked, or all that the query finds."""

    song = forms.TypedMultipleChoiceField(coerce=int, required=False)
    all = forms.BooleanField(required=False)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        sent = self.data.getlist("song") if hasattr(self.data, "getlist") else []
        numbers = [one for one in sent if one.isdecimal() and len(one) < 19]
        self.fields["song"].choices = [(one, one) for one in numbers]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data = dict(super().clean() or {})
        if not data.get("song") and not data.get("all"):
            raise forms.ValidationError(gettext("Select songs first."))
        return data


class CorrectSongsForm(forms.ModelForm):  # type: ignore[type-arg]
    """New texts for many songs; an empty field keeps what each song has."""

    prefix = "new"
    no_year = forms.BooleanField(required=False, label=_("Clear the year"))
    no_album = forms.BooleanField(required=False, label=_("Clear the album"))

    class Meta:
        model = Song
        fields = CORRECTABLE
        labels: ClassVar = {
            "title": _("Title"),
            "artist": _("Artist"),
            "album": _("Album"),
            "genre": _("Genre"),
            "year": _("Year"),
        }

    def changes(self) -> dict[str, str | int | None]:
        """Return the fields to be changed with their new values."""
        data = self.cleaned_data
        changes = {name: data[name] for name in CORRECTABLE if data[name] not in ("", None)}
        if data["no_year"]:
            changes["year"] = None
        if data["no_album"]:
            changes["album"] = ""
        return changes


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Role.choices)


class InvitationForm(forms.Form):
    note = forms.CharField(
        max_length=100, required=False, label=_("Note"), help_text=_("Only staff see it.")
    )
    role = forms.TypedChoiceField(coerce=Role, label=_("Role"))
    days = forms.TypedChoiceField(
        coerce=int,
        label=_("Valid for"),
        choices=[(1, _("a day")), (7, _("a week")), (30, _("30 days"))],
        initial=7,
    )

    def __init__(self, *args: Any, roles: Iterable[Role], **options: Any) -> None:
        super().__init__(*args, **options)
        choices = [(role.value, role.label) for role in roles]
        self.fields["role"].choices = choices  # type: ignore[attr-defined]
