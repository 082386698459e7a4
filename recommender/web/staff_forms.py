"""Forms of the pages of staff."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from catalog.ingest.editing import CORRECTABLE
from catalog.ingest.libraries import LibrarySettings
from catalog.models import Library, Song
from catalog.tagwriting.plan import LEAST_DEFAULT
from catalog.tagwriting.plan import Choice as TagChoice
from recommender.models import Role
from recommender.web.managing import TAG_FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.utils.functional import _StrPromise


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
