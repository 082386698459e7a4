# ruff: noqa: RUF001 (full-width letters)

from __future__ import annotations

import pytest

from catalog.files.credits import FEATURED, MAIN, Credit, credits_of, lead_key
from catalog.files.names import folded, is_no_artist, is_no_title


def keys(*names: str, known: str = "", **tags: object) -> list[str]:
    found = credits_of(names, is_known=set(known.split()).__contains__, **tags)  # type: ignore[arg-type]
    return [("+" if credit.role == FEATURED else "") + credit.key for credit in found]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("A feat. B", ["a", "+b"]),
        ("A ft. C", ["a", "+c"]),
        ("A (featuring B)", ["a", "+b"]),
        ("A [with B]", ["a", "+b"]),
        ("A; E", ["a", "e"]),
        ("A / E", ["a", "e"]),
        ("Band, The", ["band"]),
        ("Unknown Artist", []),
        ("Various Artists", []),
        ("A & D", ["a & d"]),
    ],
)
def test_what_separates_for_sure(name: str, found: list[str]) -> None:
    assert keys(name) == found


@pytest.mark.parametrize(
    "name",
    [
        *("Simon & Garfunkel", "AC/DC", "Earth, Wind & Fire", "Tyler, The Creator"),
        *("Bob Marley & The Wailers", "Crosby, Stills & Nash", "Sleeping With Sirens"),
        *("Florence + the Machine", "Belle and Sebastian", "10,000 Maniacs"),
    ],
)
def test_names_stay_whole_whatever_is_known(name: str) -> None:
    known = "simon earth tyler crosby bob marley sleeping florence belle ac dc"
    assert keys(name, known=known) == [folded(name)]


def test_what_is_known_separates_the_rest() -> None:
    assert keys("A & D", known="a") == ["a", "d"]
    assert keys("A x D", known="a") == ["a", "d"]
    assert keys("A, B & D", known="a b") == ["a, b & d"]
    assert keys("A, B & D", known="a b d") == ["a", "b", "d"]


def test_ids_and_the_artists_tag_separate() -> None:
    assert keys("A & B feat. C", musicbrainz_ids=["1", "2", "3"]) == ["a", "b", "+c"]
    assert keys("A & B feat. C", artists=["A", "B", "C"]) == ["a", "b", "+c"]
    assert keys("A", "B") == ["a", "b"]
    found = credits_of(["A & B"], musicbrainz_ids=["1", "2"])
    assert found == (Credit("A", MAIN, "1"), Credit("B", MAIN, "2"))


def test_featured_artists_in_the_title() -> None:
    assert keys("A", title="Song (feat. B)") == ["a", "+b"]


@pytest.mark.parametrize(
    "title",
    [
        *("Song (avec B)", "Song (mit B)", "Song (part. B)", "Song (med B)", "Song [con B]"),
        *("Song duet with B", "Song (duet with B)", "Song w/ B", "Song [ft. B]", "Song (w/B)"),
        *(
            "Song ｆｅａｔ. B",
            "Song （ｆｅａｔ．　B）",
            "Song (featuring B) [Remix]",
            "Song (duo avec B)",
        ),
    ],
)
def test_words_for_featured_artists(title: str) -> None:
    assert keys("A", title=title) == keys(title.replace("Song", "A").partition(" [Re")[0])
    assert keys("A", title=title) == ["a", "+b"]


def test_several_featured_artists_in_a_title() -> None:
    assert keys("A", title="Song (featuring B & C)", known="b") == ["a", "+b", "+c"]
    assert keys("A", title="Song (with B; C)") == ["a", "+b", "+c"]
    assert keys("A", title="Song (with You & C)") == ["a", "+you & c"]


@pytest.mark.parametrize(
    "title",
    [
        *("Dancing with Myself", "Con te partirò", "Mit dir", "Avec le temps", "Stay (With Me)"),
        *("Song (Without You)", "Song (Concerto)", "Song (Part 2)", "Song (Part. II)"),
        *("Canzone (Con il nastro rosa)", "Lied (Mit dir allein)", "Song w/o You"),
        *("Song (with a Little Help)", "Chanson (Avec toi)", "Ladida (Mitten)", "Duet with Fate"),
    ],
)
def test_titles_keep_their_words(title: str) -> None:
    assert keys("A", title=title) == ["a"]


def test_what_follows_a_featured_artist_stays_without_a_gap() -> None:
    (credit, featured) = credits_of(["A (feat. B) [Remix]"])
    assert (credit.name, featured.name) == ("A [Remix]", "B")


def test_spellings_of_one_artist() -> None:
    assert folded("Band, The") == folded("The Band") == folded("the  BAND")
    assert folded("Björk") == folded("BJÖRK") == folded("bjork")
    assert folded("Guns N’ Roses") == folded("Guns N' Roses")
    assert folded("Simon and Garfunkel") == folded("Simon & Garfunkel")
    assert folded("The The") == "the"
    assert folded("A") == "a"
    assert len(folded("ﷺ" * 300)) <= 300


def test_lead_key() -> None:
    assert lead_key("A & D") == "a"
    assert lead_key("Bob Marley & The Wailers") == lead_key("Simon & Garfunkel") == ""


@pytest.mark.parametrize(
    "title",
    [
        *("Track 01", "track 1", "Titel 3", "Piste 12", "Дорожка 4", "AUD-20190301-WA0003"),
        *("New Recording 5", "Recording", "Unknown Title", "WhatsApp Audio 2020-01-01", "IMG_1234"),
    ],
)
def test_stand_ins_for_titles(title: str) -> None:
    assert is_no_title(title)


@pytest.mark.parametrize("name", ["01", "1979", "2019-03-01 12.30.22", "audio", "dQw4w9WgXcQ"])
def test_stand_ins_only_in_names_of_files(name: str) -> None:
    assert is_no_title(name, from_name=True)
    assert not is_no_title(name)


@pytest.mark.parametrize(
    "title",
    [
        *("99 Red Balloons", "7 Rings", "Track of My Tears", "Recording Angel", "Voices", "Audio"),
        *("Untouched", "The Sound of Silence", "Song 2 You", "Kukushka", "Facade", "Decade"),
    ],
)
def test_real_titles_are_given_to_the_model(title: str) -> None:
    assert not is_no_title(title)
    assert title == "Audio" or not is_no_title(title, from_name=True)


def test_stand_ins_for_artists() -> None:
    assert all(map(is_no_artist, ("Unknown Artist", "<unknown>", "Various Artists", "VA")))
    assert not any(map(is_no_artist, ("The Unknown", "Vanessa", "Artist", "Various Cruelties")))
