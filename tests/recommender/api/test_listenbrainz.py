"""Players submit listens as they do to ListenBrainz; its own client library is one of them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import liblistenbrainz
import pytest
from django.core.servers.basehttp import WSGIRequestHandler
from django.test import Client
from liblistenbrainz.errors import InvalidAuthTokenException, ListenBrainzAPIException

from recommender.models import Listen
from tests.factories import token_secret
from tests.recommender.listening.histories import MOMENT, listenbrainz

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from pytest_django.fixtures import SettingsWrapper
    from pytest_django.live_server_helper import LiveServer

    from catalog.models import Song

SUBMIT, VALIDATE = "/1/submit-listens", "/1/validate-token"


class TestTheClientLibrary:
    pytestmark = pytest.mark.django_db(transaction=True)

    @pytest.fixture
    def library(
        self, user: User, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
    ) -> liblistenbrainz.ListenBrainz:
        # The library closes no connection. A thread of the server would stay, and its connection
        # to PostgreSQL would keep the database of the tests from being deleted.
        monkeypatch.setattr(WSGIRequestHandler, "protocol_version", "HTTP/1.0")
        library = liblistenbrainz.ListenBrainz(api_base_url=live_server.url)
        library.set_auth_token(token_secret(user, "listen"))
        return library

    def test_submits(self, library: liblistenbrainz.ListenBrainz, songs: list[Song]) -> None:
        def listen(song: Song, at: int | None) -> liblistenbrainz.Listen:
            return liblistenbrainz.Listen(
                track_name=song.title, artist_name=song.artist, listened_at=at
            )

        assert library.submit_single_listen(listen(songs[0], MOMENT)) == {"status": "ok"}
        assert library.submit_playing_now(listen(songs[1], None)) == {"status": "ok"}
        many = [listen(song, MOMENT + n) for n, song in enumerate(songs)]
        unknown = liblistenbrainz.Listen(
            track_name="Nothing", artist_name="Nobody", listened_at=MOMENT
        )
        assert library.submit_multiple_listens([*many, unknown]) == {"status": "ok"}
        heard = Listen.objects.order_by("listened_at").values_list("song_id", flat=True)
        assert list(heard) == [song.pk for song in songs]

    def test_tells_what_is_wrong(
        self, library: liblistenbrainz.ListenBrainz, songs: list[Song]
    ) -> None:
        late = liblistenbrainz.Listen(
            track_name="a", artist_name="b", listened_at=int(time.time()) + 10**6
        )
        with pytest.raises(ListenBrainzAPIException) as caught:
            library.submit_single_listen(late)
        assert caught.value.status_code == 400
        assert caught.value.message == "payload, entry 1: its time lies in the future."
        with pytest.raises(InvalidAuthTokenException):
            library.set_auth_token("f" * 64)


def submit(user: User, body: Any, **headers: str) -> Any:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    secret = token_secret(user, "listen")
    sent = {"Authorization": f"Token {secret}", **headers}
    client = Client(raise_request_exception=False)
    return client.post(SUBMIT, text, content_type="text/plain", headers=sent)


def single(**changes: Any) -> dict[str, Any]:
    return {"listen_type": "single", "payload": [listenbrainz("a", "b") | changes]}


WRONG: dict[str, Any] = {
    "no JSON": b"{",
    "no UTF-8": b'{"\xff": 1}',
    "deep": b"[" * 100_000,
    "a list": [],
    "nothing": {},
    "a type that is none": {**single(), "listen_type": "double"},
    "a type that is a list": {**single(), "listen_type": ["single"]},
    "no payload": {"listen_type": "single"},
    "an empty payload": {"listen_type": "import", "payload": []},
    "two as one": {"listen_type": "single", "payload": [listenbrainz("a", "b")] * 2},
    "1001": {"listen_type": "import", "payload": [listenbrainz("a", "b")] * 1001},
    "a text as a listen": {"listen_type": "single", "payload": ["x"]},
    "no time": single(listened_at=None),
    "a time that is a text": single(listened_at="soon"),
    "a time of 400 digits": single(listened_at=10**400),
    "no metadata": single(track_metadata=None),
    "no artist": {"listen_type": "single", "payload": [listenbrainz("", "b")]},
    "one wrong of two": {
        "listen_type": "import",
        "payload": [listenbrainz("Artist 0", "Title 0"), listenbrainz("a", "")],
    },
}


@pytest.mark.django_db
@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_refused_in_listenbrainzs_shape(
    case: str, user: User, songs: list[Song]
) -> None:
    answer = submit(user, WRONG[case])
    assert answer.status_code == 400, answer.content
    body = answer.json()
    assert set(body) == {"code", "error"}
    assert body["code"] == 400
    assert body["error"]
    assert not Listen.objects.exists()


@pytest.mark.django_db
def test_a_skipped_song_is_accepted_and_not_kept(user: User, songs: list[Song]) -> None:
    listen = listenbrainz(songs[0].artist, songs[0].title)
    listen["track_metadata"]["additional_info"]["duration_played"] = 5
    assert submit(user, {"listen_type": "single", "payload": [listen]}).status_code == 200
    assert not Listen.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "length",
    [10**400, -(10**400), True, [1], {"a": 1}, "x"],
    ids=["10^400", "-10^400", "true", "a list", "an object", "a text"],
)
def test_a_length_that_no_song_has_is_passed_over(
    length: Any, user: User, songs: list[Song]
) -> None:
    for name in ("duration_ms", "duration", "duration_played"):
        listen = listenbrainz(songs[0].artist, songs[0].title)
        listen["track_metadata"]["additional_info"][name] = length
        answer = submit(user, {"listen_type": "single", "payload": [listen]})
        assert answer.status_code == 200, answer.content
    assert Listen.objects.get().song_id == songs[0].pk


@pytest.mark.django_db
def test_a_body_that_is_too_large(user: User) -> None:
    answer = submit(user, single(more="x" * 1_100_000))
    assert answer.status_code == 413


@pytest.mark.django_db
def test_tokens(user: User, client: Client, settings: SettingsWrapper) -> None:
    settings.AFFETTI_PUBLIC = False
    listen, read = token_secret(user, "listen"), token_secret(user, "read")
    for secret, valid in ((listen, True), (read, False), ("f" * 64, False), ("x y", False)):
        answer = client.get(VALIDATE, headers={"Authorization": f"Token {secret}"})
        assert (answer.status_code, answer.json()["valid"]) == (200, valid), secret
    valid = client.get(VALIDATE, headers={"Authorization": f"token {listen}"}).json()
    assert valid == {
        "code": 200,
        "message": "Token valid.",
        "valid": True,
        "user_name": "ada",
    }
    assert client.get(VALIDATE).json() == {
        "code": 400,
        "error": "You need to provide an Authorization token.",
    }
    assert client.post(SUBMIT, b"{}", content_type="text/plain").status_code == 401
    for secret, status in (("f" * 64, 401), (read, 403)):
        headers = {"Authorization": f"Token {secret}"}
        answer = client.post(SUBMIT, b"{}", content_type="text/plain", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, status)


@pytest.mark.django_db
def test_submissions_are_counted(user: User, settings: SettingsWrapper) -> None:
    settings.AFFETTI_THROTTLE_RATES = {**settings.AFFETTI_THROTTLE_RATES, "user": "2/min"}
    codes = [submit(user, single()).status_code for _ in range(3)]
    assert codes == [200, 200, 429]
