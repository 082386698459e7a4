"""``python -m mer`` as a user runs it."""

from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys

import pytest

from mer.affect import GEMS
from mer.cli import main
from mer.pipeline import EmotionPipeline
from mer.prediction import LyricLine
from tests.mer.untrained import save_untrained, write_tone
from tests.mer.verses import VERSES


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="module")
def weights(folder):
    return str(save_untrained(folder))


@pytest.fixture(scope="module")
def tone(folder):
    return str(write_tone(folder / "tone.wav", 7, 400))


@pytest.fixture(scope="module")
def broken(folder):
    path = folder / "broken.wav"
    path.write_bytes(b"no audio here" * 100)
    return str(path)


def analyze(weights, *arguments):
    return main(["analyze", "--device", "cpu", "--model", weights, *arguments])


def test_json_holds_what_is_promised(weights, tone, folder, capsys):
    lyrics = folder / "lyrics.lrc"
    lyrics.write_text("[00:01.00]Far from home")
    code = analyze(
        weights, tone, "--lyrics", str(lyrics), "--title", "T", "--artist", "A", "--json"
    )
    out, err = capsys.readouterr()
    (line,) = out.splitlines()
    found = json.loads(line)
    assert code == 0
    assert err == ""
    assert list(found) == [
        "path",
        "model_version",
        "valence",
        "arousal",
        "valence_spread",
        "arousal_spread",
        "quadrant",
        "quadrants",
        "emotions",
        "confidence",
        "ambiguous",
        "gates",
        "alone",
        "timeline",
        "lyric_lines",
        "felt",
        "kinds",
        "novelty",
        "unfamiliar",
        "valence_interval",
        "arousal_interval",
        "lyrics_language",
        "lyrics_withheld",
    ]
    assert found["path"] == tone
    assert list(found["quadrants"]) == ["Q1", "Q2", "Q3", "Q4"]
    assert len(found["emotions"]) == 8
    assert min(found["gates"].values()) > 0
    assert list(found["timeline"][0]) == ["start_seconds", "valence", "arousal"]


def test_withheld_lyrics_are_told(weights, tone, folder, capsys):
    path = folder / "german.txt"
    path.write_text("\n".join(VERSES["de"]), encoding="utf-8")
    assert analyze(weights, tone, "--lyrics", str(path)) == 0
    end = "; Lyrics in German were not used: the model was trained on English lyrics\n"
    printed = capsys.readouterr().out
    assert printed.endswith(end)
    assert "; by audio 1.00; " in printed
    assert analyze(weights, tone, "--lyrics", str(path), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["lyrics_language"], found["lyrics_withheld"]) == ("de", True)
    assert found["gates"]["lyrics"] == 0.0


def test_a_text_in_another_language_is_predicted_with_a_warning(weights, capsys):
    assert analyze(weights, "--text", "Ich bin so traurig und allein") == 0
    printed = capsys.readouterr().out
    assert printed.endswith("; the text is in German, the model was trained on English\n")
    assert "; by lyrics 1.00; " in printed


def test_what_listeners_feel_and_unfamiliar_music_are_told(weights, tone, monkeypatch, capsys):
    predict = EmotionPipeline.predict_prepared

    def full(self, songs):
        felt = dict(zip(GEMS, (0.1, 0, 0.3, 0.4, 0, 0, 0.2, 0, 0), strict=True))
        more = {"felt": felt, "kinds": {"band": 0.2, "solo piano": 0.8}, "novelty": 0.9}
        return [dataclasses.replace(found, **more) for found in predict(self, songs)]

    monkeypatch.setattr(EmotionPipeline, "predict_prepared", full)
    assert analyze(weights, tone) == 0
    assert capsys.readouterr().out.endswith(
        "; listeners would feel nostalgia 40%, tenderness 30%, joy 20%; solo piano 80%; "
        "unlike the music that the model was trained on: a guess\n"
    )


def test_the_embedding_comes_when_asked_for(weights, tone, capsys):
    assert analyze(weights, tone, "--json", "--embedding") == 0
    assert len(json.loads(capsys.readouterr().out)["fused_embedding"]) == 256


def test_words_are_placed_on_the_plane(weights, capsys):
    assert analyze(weights, "--json", "--text", "slow rain\nin the evening") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["text"] == "slow rain\nin the evening"
    assert found["timeline"] == []
    assert analyze(weights, "--text", "slow rain\nin the evening") == 0
    assert capsys.readouterr().out.startswith("slow rain in the evening: valence 0.")


def test_lyric_lines_are_named(weights, monkeypatch, capsys):
    text = "Rain all night\nFar from home\n\nRain all night"
    assert analyze(weights, "--json", "--text", text) == 0
    named = json.loads(capsys.readouterr().out)["lyric_lines"]
    assert {(line["line"], line["text"]) for line in named} == {
        (0, "Rain all night"), (1, "Far from home"),
    }  # fmt: skip
    for line in named:
        assert list(line) == ["line", "text", "valence", "arousal", "shift"]
        assert line["shift"] == pytest.approx(math.hypot(line["valence"], line["arousal"]))


@pytest.mark.parametrize(
    ("lines", "end"),
    [
        (((-0.043, 0.018),), '; most by "line 0" (valence -0.04, arousal +0.02)'),
        (
            ((-0.043, 0.018), (0.008, 0.008), (0.0, 0.01)),
            ', "line 1" (valence +0.01, arousal +0.01)',
        ),
        (((0.006, -0.006),), "by lyrics 1.00"),
        ((), "by lyrics 1.00"),
    ],
)
def test_at_most_two_lines_that_can_be_seen_are_printed(weights, lines, end, monkeypatch, capsys):
    predict = EmotionPipeline.predict_text
    named = tuple(LyricLine(i, f"line {i}", *added) for i, added in enumerate(lines))
    monkeypatch.setattr(
        EmotionPipeline,
        "predict_text",
        lambda pipeline, words: dataclasses.replace(predict(pipeline, words), lyric_lines=named),
    )
    assert analyze(weights, "--text", "Rain") == 0
    assert f"{end}; listeners would feel " in capsys.readouterr().out


def test_a_bad_file_is_one_line_and_the_others_go_on(weights, tone, broken, capsys):
    missing = f"{broken}.none.mp3"
    assert analyze(weights, "--json", broken, tone, missing, tone) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["path"] for line in lines] == [broken, tone, missing, tone]
    assert list(lines[0]) == ["path", "code", "message"]
    assert lines[0]["code"] == "AUDIO_CORRUPT"
    assert lines[2]["code"].startswith("AUDIO_")
    assert lines[1]["valence"] == pytest.approx(lines[3]["valence"], abs=1e-5)


def test_without_json_errors_go_to_stderr(weights, tone, broken, capsys):
    assert analyze(weights, broken, tone) == 1
    out, err = capsys.readouterr()
    assert out.startswith(f"{tone}: valence 0.")
    assert out.count("\n") == 1
    assert f"mer: AUDIO_CORRUPT: {broken}" in err


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("No lyrics found for this song", "a note that there are no lyrics"),
        ("[Music]\n[Applause]", "descriptions of sounds, no words"),
        ("Am G\nC F\nAm G\nC F", "a chord sheet"),
    ],
)
def test_what_is_no_lyrics_is_refused_with_the_reason(weights, tone, folder, capsys, text, reason):
    path = folder / "none.txt"
    path.write_text(text)
    assert analyze(weights, tone, "--json", "--lyrics", str(path)) == 1
    failure = json.loads(capsys.readouterr().out)
    assert failure["code"] == "LYRICS_REFUSED"
    assert f"none.txt: holds {reason};" in failure["message"]


def test_what_a_page_wrote_around_lyrics_is_taken_out(weights, tone, folder, capsys):
    path = folder / "page.txt"
    path.write_text("12 ContributorsFar Away Lyrics\nFar from home\nYou might also like\n4Embed")
    assert analyze(weights, tone, "--json", "--lyrics", str(path)) == 0
    lines = json.loads(capsys.readouterr().out)["lyric_lines"]
    assert {line["text"] for line in lines} <= {"Far from home"}


def test_bad_lyrics_fail_the_file(weights, tone, folder, capsys):
    path = folder / "lyrics.bin"
    path.write_bytes(b"\x00\x01")
    assert analyze(weights, tone, "--json", "--lyrics", str(path)) == 1
    assert json.loads(capsys.readouterr().out)["code"] == "LYRICS_UNREADABLE"


def test_a_path_that_no_terminal_can_say_is_printed(weights, folder, capsys):
    odd = str(write_tone(folder / "a\udcff.wav", 4, 300))
    assert analyze(weights, odd, "--json") == 0
    assert json.loads(capsys.readouterr().out)["path"] == odd
    assert analyze(weights, odd) == 0
    assert "a\\udcff.wav: valence" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["dance"],
        ["analyze"],
        ["analyze", "a.wav", "--text", "b"],
        ["analyze", "--text", "b", "--title", "c"],
        ["analyze", "a.wav", "b.wav", "--title", "c"],
        ["analyze", "a.wav", "b.wav", "--lyrics", "c"],
        ["analyze", "a.wav", "--embedding"],
        ["analyze", "a.wav", "--device", "tpu"],
    ],
)
def test_a_wrong_command_line_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "usage: python -m mer" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["analyze", "--model", "nobody", "--text", "a"], "CHECKPOINT_UNREADABLE"),
        (["analyze", "--model", "none.safetensors", "--text", "a"], "CHECKPOINT_UNREADABLE"),
    ],
)
def test_a_failure_is_one_line(arguments, code, capsys):
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"mer: {code}: ")
    assert err.count("\n") == 1


def test_a_blank_text_is_one_line(weights, capsys):
    assert analyze(weights, "--text", " ") == 1
    assert capsys.readouterr().err.startswith("mer: INPUT_INVALID: ")


def test_as_a_process_it_writes_json_alone(weights, tone):
    command = [sys.executable, "-m", "mer", "analyze", "--model", weights, "--json", tone, tone]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [json.loads(line)["path"] for line in done.stdout.splitlines()] == [tone, tone]
    assert "Traceback" not in done.stderr


def test_a_closed_pipe_is_no_traceback(weights, tone):
    command = [sys.executable, "-m", "mer", "analyze", "--model", weights, tone]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    _, err = process.communicate()
    assert process.returncode == 1
    assert err == ""


def test_evaluate_wants_a_table(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["evaluate"])
    assert stop.value.code == 2
    assert "--csv" in capsys.readouterr().err


def test_evaluate_measures_a_table_of_ones_own(tmp_path, capsys):
    write_tone(tmp_path / "a.wav", 4, 220)
    table = tmp_path / "songs.csv"
    table.write_text("path,quadrant\na.wav,Q1\n")
    assert main(["evaluate", "--csv", str(table), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["quadrant"]["songs"] == 1
    table.write_text("path,quadrant\na.wav,Q1\nb.wav,Q2\n")
    assert main(["evaluate", "--csv", str(table)]) == 1
    assert "skipped: AUDIO" in capsys.readouterr().out
