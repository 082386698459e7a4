"""Service, API, page and command take the same requests and refuse the same ones."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command
from django.http import QueryDict
from django.urls import reverse

from catalog.models import Song
from recommender.errors import PlaylistRequestError
from recommender.exports import FORMATS
from recommender.feedback import song_like
from recommender.history import listen_record
from recommender.index import index_snapshot
from recommender.management.commands import playlist as command
from recommender.management.commands import playlist_docs
from recommender.playlists import FIELDS, PlaylistRequest, playlist_generate
from recommender.playlists.constraints import CONSTRAINTS, allowed_rows, relaxable
from recommender.playlists.fields import Group
from recommender.playlists.kinds import Choice, Flag, Ids, MusicalKey, Number, Text, WholeNumber
from recommender.playlists.target_kinds import Names, SeedSongs
from recommender.web.queries import query_request
from tests.factories import SongEmotionFactory, UserFactory
from tests.places import ROOT

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.test import Client
    from rest_framework.test import APIClient

    from recommender.exports import ExportFormat
    from recommender.playlists.constraints import Constraint
    from recommender.playlists.fields import Field

pytestmark = pytest.mark.django_db

UNFIT = {"SONG_NOT_FOUND", "HISTORY_EMPTY", "NO_SONG_MATCHES"}
CALM = {"moods": [{"name": "calm", "weight": 1.0}]}
BODIES: list[tuple[dict[str, Any], dict[str, Any] | str]] = [
    # null is the default
    *(({"text": "x", name: None}, {"text": "x"}) for name in FIELDS if name != "text"),
    ({"song_ids": [{"id": 3, "weight": -2}]}, {"song_ids": [{"id": 3, "weight": -2.0}]}),
    ({"journey": ["now", "calm"]}, {"journey": [{"history": True}, {"mood": "calm"}]}),
    ({"box": {"arousal": [0, 0.4]}}, {"box": {"valence": [0.0, 1.0], "arousal": [0.0, 0.4]}}),
    ({"journey": ["calm"]}, {"journey": [{"history": True}, {"mood": "calm"}]}),
    ({"text": "x", "weights": {"text": 2}}, {"text": "x", "weights": {"text": 2.0}}),
    ({"moods": ["calm"], "text": None}, CALM),
    ({"contrast": "bright_sound_sad_words"}, {"contrast": "bright_sound_sad_words"}),
    ({"contrast": "loud"}, "contrast"),
    ({"contrast": ""}, "moods"),
    ({"text": "x", "words_weight": 0}, {"text": "x", "words_weight": 0.0}),
    ({"text": "x", "words_weight": 1.5}, "words_weight"),
    ({"words_weight": 1}, "moods"),
    ({"moods": [{"name": "calm", "weight": None}]}, CALM),
    # text is stripped, and empty text is the default
    ({"moods": ["calm"], "text": ""}, CALM),
    ({"moods": ["calm"], "text": "  "}, CALM),
    ({"moods": ["calm"], "genre": " "}, CALM),
    ({"text": " by the sea\n"}, {"text": "by the sea"}),
    ({"text": "sad " * 499 + "days" + " "}, {"text": "sad " * 499 + "days"}),
    ({"text": "x" * 2001}, "text"),
    ({"text": "x\0y"}, "text"),
    ({"text": ""}, "moods"),
    # a whole number
    ({"text": "x", "count": 5}, {"text": "x", "count": 5}),
    ({"text": "x", "count": 5.0}, {"text": "x", "count": 5}),
    ({"text": "x", "count": 5.5}, "count"),
    ({"text": "x", "count": 0}, "count"),
    ({"text": "x", "count": 201}, "count"),
    ({"text": "x", "count": 20}, {"text": "x"}),
    ({"song_ids": [3.0]}, {"song_ids": [3]}),
    ({"song_ids": [0]}, "song_ids"),
    ({"song_ids": [2**63]}, "song_ids"),
    # a number
    ({"text": "x", "diversity": 1}, {"text": "x", "diversity": 1.0}),
    ({"text": "x", "diversity": 1.01}, "diversity"),
    ({"point": {"valence": 0, "arousal": 1}}, {"point": {"valence": 0.0, "arousal": 1.0}}),
    ({"point": {"valence": 2, "arousal": 1}}, "point"),
    ({"point": {"valence": 0.5}}, "point"),
    # the weight of a mood
    *(
        ({"moods": [{"name": "sad", "weight": w}]}, {"moods": [{"name": "sad", "weight": w}]})
        for w in (0.005, 0.5, 100.0, -1.0)
    ),
    *(({"moods": [{"name": "sad", "weight": w}]}, "moods") for w in (0, -100.5, 100.5)),
    ({"moods": ["calm"] * 11}, "moods"),
    # fields that contradict each other
    ({"text": "x", "year_from": 2001, "year_to": 2000}, "year_from"),
    ({"text": "x", "year_from": 2001, "decade": 1990}, "year_from"),
    ({"text": "x", "decade": 1995}, "decade"),
    ({"text": "x", "seconds_from": 90, "seconds_to": 60}, "seconds_from"),
    # a key
    ({"text": "x", "key": "8a"}, {"text": "x", "key": "A minor"}),
    ({"text": "x", "key": "F\u266fm"}, {"text": "x", "key": "F# minor"}),
    ({"text": "x", "key": " "}, {"text": "x"}),
    ({"text": "x", "key": "A"}, "key"),
    ({}, "moods"),
]
JSON_ONLY: list[tuple[object, str]] = [
    # Words have no types: there "5" is 5.
    ({"text": "x", "count": "5"}, "count"),
    ({"text": "x", "count": True}, "count"),
    ({"text": "x", "diversity": "1"}, "diversity"),
    ({"text": "x", "diversity": True}, "diversity"),
    ({"history": "true"}, "history"),
    ({"history": 1}, "history"),
    ({"text": 3}, "text"),
    ({"moods": [["calm", 1]]}, "moods"),
    ({"moods": [""]}, "moods"),
    ({"song_ids": ["3"]}, "song_ids"),
    ({"text": "\ud800"}, "text"),
]


def field_of(error: PlaylistRequestError) -> str:
    return str(error.details["field"]).partition(".")[0]


def from_service(body: object) -> dict[str, Any] | str:
    try:
        return PlaylistRequest.from_json(body).to_json()
    except PlaylistRequestError as error:
        return field_of(error)


def from_api(api: APIClient, body: object) -> dict[str, Any] | str:
    response = api.post("/api/v1/playlists/", json.dumps(body), content_type="application/json")
    answer = response.json()
    if response.status_code != 400:
        # The songs of the test may not do for the request; reading it has succeeded.
        assert "request" in answer or answer["code"] in UNFIT
        return answer.get("request") or PlaylistRequest.from_json(body).to_json()
    details = answer["details"]
    if "field" in details:
        return str(details["field"])
    ((name, problems),) = details.items()
    assert isinstance(problems.popitem()[1] if isinstance(problems, dict) else problems, list)
    return str(name)


def words_of(body: dict[str, Any]) -> dict[str, list[str]]:
    """Return a body as the words that stand in an address."""
    words: dict[str, list[str]] = {}
    for name, value in body.items():
        if name == "point":
            words |= {part: [str(number)] for part, number in (value or {}).items()}
        elif name == "last_target":
            words |= {f"last_{part}": [str(number)] for part, number in (value or {}).items()}
        elif name == "box":
            for axis, (low, high) in (value or {}).items():
                words |= {f"{axis}_from": [str(low)], f"{axis}_to": [str(high)]}
        elif name == "moods":
            moods = [{"name": mood} if isinstance(mood, str) else mood for mood in value or []]
            words["mood"] = [
                mood["name"] if mood.get("weight") is None else f"{mood['name']}:{mood['weight']}"
                for mood in moods
            ]
        elif name == "weights":
            words["weight"] = [f"{field}:{weight}" for field, weight in (value or {}).items()]
        elif isinstance(value, list):
            words[FIELDS[name].word] = [
                f"{one['id']}:{one['weight']}" if isinstance(one, dict) else str(one)
                for one in value
            ]
        else:
            words[FIELDS[name].word] = ["" if value is None else str(value)]
    return words


def from_page(words: dict[str, list[str]]) -> dict[str, Any] | str:
    query = QueryDict(mutable=True)
    for name, given in words.items():
        query.setlist(name, given)
    try:
        return query_request(query).to_json()
    except PlaylistRequestError as error:
        return field_of(error)


def from_command(words: dict[str, list[str]]) -> dict[str, Any] | str:
    parser = command.Command().create_parser("manage.py", "playlist")
    arguments: list[str] = []
    for name, given in words.items():
        if name == "history":
            given = [word for word in given if word]
        if given:
            arguments += [f"--{name.replace('_', '-')}", *given]
    try:
        return PlaylistRequest.from_words(
            command._words(vars(parser.parse_args(arguments)))
        ).to_json()
    except PlaylistRequestError as error:
        return field_of(error)


@pytest.mark.parametrize(("body", "expected"), BODIES, ids=lambda value: str(value)[:60])
def test_every_interface_reads_the_same(
    api: APIClient,
    songs: list[Song],
    fake_pipeline: object,
    body: dict[str, Any],
    expected: dict[str, Any] | str,
) -> None:
    assert from_service(body) == expected
    assert from_api(api, body) == expected
    assert from_page(words_of(body)) == expected
    assert from_command(words_of(body)) == expected


@pytest.mark.parametrize(("body", "field"), JSON_ONLY, ids=str)
def test_json_has_types(api: APIClient, body: dict[str, Any], field: str) -> None:
    assert from_service(body) == field
    assert from_api(api, body) == field


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"mood": ["calm"], "count": ["5"]}, {**CALM, "count": 5}),
        ({"mood": ["calm"], "count": [" 5.0 "]}, {**CALM, "count": 5}),
        ({"mood": ["calm"], "count": ["many"]}, "count"),
        ({"mood": ["calm"], "count": ["5.5"]}, "count"),
        ({"mood": ["calm"], "diversity": ["nan"]}, "diversity"),
        ({"mood": ["calm:much"]}, "moods"),
        ({"like": ["3", "x"]}, "song_ids"),
        ({"valence": ["0.5"], "arousal": [""]}, "point"),
        ({"mood": ["calm"], "valence": [""], "arousal": [""]}, CALM),
    ],
)
def test_words_are_read_the_same(words: dict[str, list[str]], expected: object) -> None:
    assert from_page(words) == expected
    assert from_command({name: given for name, given in words.items() if any(given)}) == expected


def test_names_are_unique() -> None:
    own = [field for constraint in CONSTRAINTS for field in constraint.fields()]
    base = [field for field in FIELDS.values() if field.group is not Group.CONSTRAINT]
    assert len(FIELDS) == len(own) + len(base)
    inputs = [name for field in FIELDS.values() for name in field.inputs]
    assert len(inputs) == len(set(inputs))
    assert all(field.help and not field.help.endswith(".") for field in FIELDS.values())


@pytest.mark.parametrize("field", FIELDS.values(), ids=list(FIELDS))
def test_every_field_is_everywhere(client: Client, songs: list[Song], field: Field[Any]) -> None:
    schema = json.loads(client.get("/api/schema/?format=json").content)
    assert field.name in schema["components"]["schemas"]["PlaylistInput"]["properties"]
    options = command.Command().create_parser("manage.py", "playlist")._option_string_actions
    assert all(f"--{name.replace('_', '-')}" in options for name in field.inputs)
    assert f"`{field.name}`" in playlist_docs.fields_table()
    if field.is_tuning:
        page = client.get("/playlist?mood=calm&seed=1").content.decode()
        assert f'name="{field.word}"' in page
        assert str(field.label) in page
        if isinstance(field.kind, WholeNumber):
            assert f'min="{field.kind.low}" max="{field.kind.high}"' in page


PROXIES = {"SeedSongs": "song_ids", "RefusedNames": "artists", "KnownParts": "contrast"}
"""Constraints without a field of their own, and the target that they follow from."""


class TestConstraints:
    @pytest.mark.parametrize("constraint", CONSTRAINTS, ids=lambda one: type(one).__name__)
    def test_default_allows_every_song(self, songs: list[Song], constraint: Constraint) -> None:
        request = PlaylistRequest.from_json(CALM)
        assert constraint.is_active(request) == constraint.is_by_default
        assert allowed_rows(index_snapshot(), request, None)[0].all()
        assert all(field.group is Group.CONSTRAINT for field in constraint.fields())

    @pytest.mark.parametrize("constraint", CONSTRAINTS, ids=lambda one: type(one).__name__)
    def test_a_value_makes_it_active_and_is_a_mask(
        self, songs: list[Song], user: User, constraint: Constraint
    ) -> None:
        for field in constraint.fields() or [FIELDS[PROXIES[type(constraint).__name__]]]:
            value = {
                Text: "polka",
                Number: 0.5,
                WholeNumber: 7,
                Ids: [songs[0].pk],
                SeedSongs: [songs[0].pk],
                Names: [{"name": songs[0].artist, "weight": -1}],
                Flag: True,
                MusicalKey: "8A",
                Choice: "bright_sound_sad_words",
            }[type(field.kind)]
            value = {"decade": 1990, "language": "fr"}.get(field.name, value)
            request = PlaylistRequest.from_json({**CALM, field.name: value})
            assert constraint.is_active(request) != constraint.is_by_default
            if constraint.is_by_default:
                continue  # the value ends it; tests/recommender/test_without_audio.py
            allowed = constraint.allowed(index_snapshot(), request, user)
            assert (allowed.shape, allowed.dtype) == ((len(songs),), bool)
            assert allowed_rows(index_snapshot(), request, user)[1] == [constraint.noun]
            relaxed, nouns = allowed_rows(index_snapshot(), request, user, [constraint])
            assert (relaxed.all(), nouns) == (True, [])
            assert (constraint in relaxable(request)) == bool(constraint.relaxed_at)

    def test_what_each_masks(self, user: User) -> None:
        first, second, third = (
            SongEmotionFactory(
                song__genre=genre,
                song__year=year,
                song__duration_seconds=seconds,
                song__bpm=bpm,
                confidence=confidence,
            ).song
            for genre, year, seconds, bpm, confidence in (
                ("Rock; Indie", 1999, 100.0, 120.0, 0.5),
                ("jazz", None, None, None, 0.7),
                ("INDIE", 2005, 300.0, 90.0, 0.9),
            )
        )
        listen_record(user=user, song_id=third.pk)
        Song.objects.filter(pk=first.pk).update(language="fr", is_explicit=True)
        Song.objects.filter(pk=second.pk).update(language="en", is_explicit=False)
        minor = {"estimated_key": 9 + 12, "key_confidence": 0.9}
        Song.objects.filter(pk=first.pk).update(**minor)
        Song.objects.filter(pk=third.pk).update(**minor | {"key_confidence": 0.2})
        song_like(user=user, song_id=second.pk)
        for body, kept in [
            ({"liked_only": True}, {second}),
            ({"language": "French"}, {first}),
            ({"language": "eng"}, {second}),
            ({"language": "yo"}, set()),
            ({"not_explicit": True}, {second, third}),
            ({"genre": "indie"}, {first, third}),
            ({"genre": "ind"}, set()),
            ({"genre": "indei"}, {first, third}),
            ({"decade": 1990}, {first}),
            ({"seconds_from": 200}, {third}),
            ({"seconds_to": 200}, {first}),
            ({"tempo_from": 100, "tempo_to": 130}, {first}),
            ({"key": "A minor"}, {first}),
            ({"key": "a-Moll"}, {first}),
            ({"key": "8B"}, set()),
            ({"library_ids": [second.library_id]}, {second}),
            ({"min_confidence": 0.6}, {second, third}),
            ({"never_heard": True}, {first, second}),
            ({"year_from": 2000}, {third}),
            ({"year_from": 0}, {first, third}),
            ({"year_to": 2000}, {first}),
            ({"exclude_song_ids": [second.pk, 10**6]}, {first, third}),
            ({"exclude_heard_days": 1}, {first, second}),
            ({"song_ids": [first.pk]}, {second, third}),
        ]:
            request = PlaylistRequest.from_json({**CALM, **body})
            snapshot = index_snapshot()
            allowed, _ = allowed_rows(snapshot, request, user)
            assert set(snapshot.song_ids[allowed].tolist()) == {song.pk for song in kept}, body
        assert allowed_rows(
            snapshot, PlaylistRequest.from_json({**CALM, "exclude_heard_days": 1}), None
        )[0].all()

    def test_the_error_names_those_that_took_part(self, songs: list[Song]) -> None:
        request = PlaylistRequest.from_json({**CALM, "genre": "polka", "year_to": 2000})
        with pytest.raises(PlaylistRequestError, match="constraints: genre, years; ask for less"):
            playlist_generate(request=request)


@pytest.mark.parametrize("export", FORMATS.values(), ids=list(FORMATS))
class TestFormats:
    def test_is_declared(self, export: ExportFormat) -> None:
        assert FORMATS[export.suffix] is export
        assert export.name
        assert export.media_type.count("/") == 1

    def test_api_and_page_serve_it(
        self, client: Client, user: User, songs: list[Song], export: ExportFormat
    ) -> None:
        client.force_login(user)
        body = {"moods": ["calm"], "count": 3, "seed": 1, "name": "Mine"}
        made = client.post("/api/v1/playlists/", body, "application/json").json()
        kept = reverse("api:playlist-export", kwargs={"pk": made["id"], "suffix": export.suffix})
        assert kept == f"/api/v1/playlists/{made['id']}/export.{export.suffix}"
        drawn = f"/playlist.{export.suffix}?mood=calm&count=3&seed=1"
        for address, page in (
            (kept, f"/playlists/{made['id']}"),
            (drawn, drawn.replace(f".{export.suffix}", "")),
        ):
            response = client.get(address)
            assert response["Content-Type"] == f"{export.media_type}; charset=utf-8"
            assert f".{export.suffix}" in response["Content-Disposition"]
            for entry in made["entries"]:
                assert entry["song"]["audio_url"] in response.content.decode()
            shown = client.get(page).content.decode()
            assert f'href="{address.replace("&", "&amp;")}"' in shown
            assert f"Export {export.name}" in shown

    def test_command_and_schema_have_it(
        self,
        client: Client,
        songs: list[Song],
        monkeypatch: pytest.MonkeyPatch,
        export: ExportFormat,
    ) -> None:
        monkeypatch.setattr(command, "_absolute_path", lambda song: f"/music/{song.pk}.flac")
        out = io.StringIO()
        words = ["--mood", "calm", "--min-match", "0", "--format", export.suffix]
        call_command("playlist", *words, stdout=out)
        assert all(f"/music/{song.pk}.flac" in out.getvalue() for song in songs)
        paths = json.loads(client.get("/api/schema/?format=json").content)["paths"]
        operation = paths[f"/api/v1/playlists/{{id}}/export.{export.suffix}"]["get"]
        assert list(operation["responses"]["200"]["content"]) == [export.media_type]
        assert export.name in operation["summary"]


@pytest.mark.parametrize("page", playlist_docs.PAGES, ids=lambda page: page.path)
def test_docs_are_current(page: playlist_docs.Page) -> None:
    text = (ROOT / page.path).read_text()
    assert page.filled(text) == text, "run: python manage.py playlist_docs"


def test_command_writes_the_docs(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playlist_docs, "ROOT", tmp_path)
    for page in playlist_docs.PAGES:
        path = tmp_path / page.path
        path.parent.mkdir(exist_ok=True)
        text = (ROOT / page.path).read_text()
        path.write_text(text.replace("`--year-from", "`--since"))
    call_command("playlist_docs", stdout=io.StringIO())
    for page in playlist_docs.PAGES:
        assert (tmp_path / page.path).read_text() == (ROOT / page.path).read_text()


def test_exclusions_of_the_command(songs: list[Song]) -> None:
    user = UserFactory(username="ann")
    listen_record(user=user, song_id=songs[0].pk)

    def ids(*arguments: object) -> set[int]:
        out = io.StringIO()
        words = ["--mood", "calm", "--min-match", "0", "--format", "json", *map(str, arguments)]
        call_command("playlist", *words, stdout=out)
        return {entry["song_id"] for entry in json.loads(out.getvalue())["entries"]}

    everything = {song.pk for song in songs}
    excluded = [songs[1].pk, songs[2].pk]
    assert ids("--exclude-song-ids", *excluded) == everything - set(excluded)
    assert ids("--exclude-song-ids", f"{excluded[0]},{excluded[1]}") == everything - set(excluded)
    heard = ids("--exclude-heard-days", 7, "--listener", "ann", "--relax", "false")
    assert heard == everything - {songs[0].pk}
    with pytest.raises(CommandError, match="--listener"):
        ids("--exclude-heard-days", 7)
