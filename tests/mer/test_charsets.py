"""What a wrong code page spoils is mended, and good text is left alone."""

# ruff: noqa: RUF001 (letters of other scripts are the matter here)

from __future__ import annotations

import pytest

from mer.lyrics import decode_unknown, mend
from tests.mer.mojibake import CLEAN, SPOILED

# Of the strings of each page, each as the only text of its file. The misses are known limits:
# Turkish words with one or two letters that differ could be Icelandic.
MENDED = {
    "cp1250": 44,
    "cp1251": 15,
    "utf-8": 20,
    "cp1253": 13,
    "cp1254": 12,
    "koi8_r": 12,
    "gbk": 11,
    "big5": 10,
    "cp932": 12,
    "cp949": 12,
}
DECODED = MENDED | {"big5": 12, "cp949": 11}


def read_as_cp1252(data: bytes) -> str:
    """Decode as players do: the bytes that Windows-1252 leaves open are control codes."""
    return "".join(bytes([b]).decode("cp1252", "ignore") or chr(b) for b in data)


@pytest.mark.parametrize("page", SPOILED)
@pytest.mark.parametrize("read", [lambda data: data.decode("latin-1"), read_as_cp1252])
def test_titles_in_a_wrong_code_page_are_mended(page, read):
    texts = SPOILED[page]
    failed = [text for text in texts if mend([read(text.encode(page))])[0] != [text]]
    assert len(texts) - len(failed) >= MENDED[page], failed


@pytest.mark.parametrize("page", [page for page in SPOILED if page != "utf-8"])
def test_bytes_of_a_code_page_are_decoded(page):
    texts = SPOILED[page]
    failed = [text for text in texts if decode_unknown(text.encode(page))[0] != text]
    assert len(texts) - len(failed) >= DECODED[page], failed


@pytest.mark.parametrize("text", CLEAN)
def test_good_text_is_left_alone(text):
    assert mend([text]) == ([text], "")


def test_good_western_bytes_are_western():
    texts = []
    for text in CLEAN:
        try:
            texts.append((text, text.encode("cp1252")))
        except UnicodeEncodeError:
            continue
    assert len(texts) > 150
    assert {text: decode_unknown(data)[0] for text, data in texts} == {t: t for t, _ in texts}


def test_the_texts_of_a_file_help_each_other():
    title, artist = (text.encode("cp1254").decode("latin-1") for text in ("Dağlar", "Barış Manço"))
    assert mend([title, artist, "Ben Bilirim"]) == (
        ["Dağlar", "Barış Manço", "Ben Bilirim"],
        "cp1254",
    )
    spoiled = "Gdzie jesteś, moja mała?".encode("cp1250").decode("latin-1")
    assert mend([spoiled, "Björk"]) == (["Gdzie jesteś, moja mała?", "Björk"], "cp1250")


def test_dashes_and_quotes_read_as_latin_1_are_mended():
    assert mend(["Krawczyk \x96 Parostatek", "Don\x92t"])[0] == ["Krawczyk – Parostatek", "Don’t"]


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("iso8859_2", "Ještě jednou, Františku, život je krásný"),
        ("iso8859_2", "Wszyscy chcą kochać, śpiewać i żyć"),
        ("cp1257", "Tu esi mano širdyje, mano mylimas žmogau, kodėl tylėjai"),
        ("cp1257", "Pūt, vējiņi, dzen laiviņu, aizdzen mani Kurzemē"),
    ],
)
def test_other_pages_of_central_europe_and_the_baltic(page, text):
    assert mend([text.encode(page).decode("latin-1")])[0] == [text]
    assert decode_unknown(text.encode(page))[0] == text
