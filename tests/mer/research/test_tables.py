"""Tables, numbers and paragraphs of the result pages."""

from __future__ import annotations

import pytest

from mer.research.tables import (
    LINE_WIDTH,
    Table,
    bullet,
    command_block,
    grid,
    interval,
    markdown,
    number,
    paragraph,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1234, ".123"), (-0.5, "-.500"), (1.0, "1.000"), (10.0, "10.000"), (None, "-")],
)
def test_numbers_have_three_digits_and_no_leading_zero(value: float | None, text: str) -> None:
    assert number(value) == text


def test_a_signed_number_has_a_plus() -> None:
    assert [number(value, signed=True) for value in (0.02, -0.02, 3.0)] == [
        "+.020",
        "-.020",
        "+3.000",
    ]


def test_an_interval_stands_in_brackets() -> None:
    figure = {"estimate": 0.5, "low": -0.25, "high": 1.0, "p": 0.1}
    assert interval(figure) == ".500 [-.250, 1.000]"
    assert interval(figure, signed=True) == "+.500 [-.250, +1.000]"
    assert interval(None) == "-"


def test_a_table_has_a_title_a_head_and_a_line_each_row() -> None:
    assert markdown(Table("Title", ("a", "b"), (("x", 0.5), ("y", "-")))) == [
        "## Title",
        "",
        "| a | b |",
        "|---|---|",
        "| x | .500 |",
        "| y | - |",
        "",
    ]
    assert grid(("a",), [(None,)])[-1] == "| - |"


def test_prose_is_wrapped_and_loses_no_word() -> None:
    text = "word-with-hyphens and `code` " * 30
    for lines in (paragraph(text), bullet(text)):
        assert max(map(len, lines)) <= LINE_WIDTH
        assert " ".join(" ".join(lines).removeprefix("- ").split()) == text.strip()
    assert bullet(text)[1].startswith("  word")
    assert command_block("mer x")[1] == "$ mer x"
