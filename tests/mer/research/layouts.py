"""Small made-up copies of the official layout of every data set, and ways to damage each."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from mer.research.datasets.crosswalk import ANCHORS, GOEMOTIONS

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """Files of a set and two ways to damage its table.

    `drop` removes a column from the header, or from a row if there is no header; the message then
    contains `missing`. `spoil` writes a bad value into the cell at `place`.
    """

    files: dict[str, str | bytes]
    table: str
    drop: tuple[str, str]
    missing: str
    spoil: tuple[str, str]
    place: str
    tracks: int


def workbook(rows: list[tuple[str, ...]]) -> bytes:
    """A minimal .xlsx with shared strings and, for the first column, inline ones."""
    shared = sorted({cell for row in rows for cell in row[1:]})
    sheet = "".join(
        f'<row r="{number}">'
        + "".join(
            f'<c r="A{number}" t="inlineStr"><is><t>{escape(cell)}</t></is></c>'
            if letter == "A"
            else f'<c r="{letter}{number}" t="s"><v>{shared.index(cell)}</v></c>'
            for letter, cell in zip("ABCD", row, strict=False)
        )
        + "</row>"
        for number, row in enumerate(rows, start=1)
    )
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    strings = "".join(f"<si><t>{escape(text)}</t></si>" for text in shared)
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr(
            "xl/worksheets/sheet1.xml",
            f"<worksheet {space}><sheetData>{sheet}</sheetData></worksheet>",
        )
        archive.writestr("xl/sharedStrings.xml", f"<sst {space}>{strings}</sst>")
    return data.getvalue()


def moody_rows(*, mood: str = "Mood", last: str = "Relaxed") -> bytes:
    return workbook(
        [
            ("A note", "on the set"),
            ("Index", "Artist", "Title", mood),
            ("ML1", "Ada & Co", "One", "happy"),
            ("ML2", "Bo", "Two", "Angry"),
            ("ML3", "Bo", "Three", "sad"),
            ("ML4", "Cy", "Four", last),
        ]
    )


WARRINER = "text/warriner/Ratings_Warriner_et_al.csv"
NORMS = "Word,V.Mean.Sum,A.Mean.Sum,D.Mean.Sum\n" + "".join(
    f"{word},{2 + number},{8 - number},5\n"
    for number, words in enumerate(ANCHORS.values())
    for word in words
)
DEAM_TABLES = "deam/annotations/annotations averaged per song/song_level"
MERGE = "merge/MERGE_Bimodal_Complete"
JAMENDO = "mtg_jamendo/data/splits/split-{}/autotagging_moodtheme-{}.tsv"
JAMENDO_HEADER = "TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS\n"
DEEZER_HEADER = "dzr_sng_id,MSD_sng_id,MSD_track_id,valence,arousal,artist_name,track_name\n"
LABELS = sorted(GOEMOTIONS)
JOY = LABELS.index("joy")


def jamendo_row(number: int, *tags: str) -> str:
    path = f"{number % 100:02d}/{number}.mp3"
    cells = [f"track_{number:07d}", f"artist_{number:06d}", "album_000149", path, "212.7"]
    return "\t".join([*cells, *(f"mood/theme---{tag}" for tag in tags)]) + "\n"


def deezer(folder: str) -> Layout:
    return Layout(
        files={
            f"{folder}/train.csv": f"{DEEZER_HEADER}1,SO1,TR1,-1.5,2.75,Ada,One\n",
            f"{folder}/validation.csv": f"{DEEZER_HEADER}2,SO2,TR2,0.0,0.6,Bo,Two\n",
            f"{folder}/test.csv": f'{DEEZER_HEADER}3,SO3,TR3,1.5,-2.25,Cy,"Three, four"\n',
        },
        table=f"{folder}/train.csv",
        drop=("arousal", "energy"),
        missing="'arousal'",
        spoil=("2.75", "3.5"),
        place="line 2, column arousal",
        tracks=3,
    )


LAYOUTS = {
    "panda4q": Layout(
        files={
            "panda4q/songs.csv": (
                "id,artist,title,quadrant,moods,genres,split,artist_group\n"
                "MT1,Ada,One,Q4,Calm;Peaceful,Jazz,train,ada\n"
            ),
            "panda4q/audio/MT1.opus": b"",
            WARRINER: NORMS,
        },
        table="panda4q/songs.csv",
        drop=("quadrant", "quarter"),
        missing="'quadrant'",
        spoil=("Q4", "Q5"),
        place="line 2, column quadrant",
        tracks=1,
    ),
    "mirex": Layout(
        files={
            "mirex/songs.csv": (
                "id,artist,title,album,year,cluster,category,has_lyrics,split,artist_group\n"
                "001,Ada,One,First,1999,C2,Fun,1,test,ada\n"
            ),
            "mirex/audio/001.opus": b"",
            "mirex/lyrics/001.txt": "A line\n",
            WARRINER: NORMS,
        },
        table="mirex/songs.csv",
        drop=("cluster", "class"),
        missing="'cluster'",
        spoil=("C2", "C6"),
        place="line 2, column cluster",
        tracks=1,
    ),
    "composed": Layout(
        files={
            "composed/songs.csv": (
                "id,file,valence,arousal,quadrant,instrumentation,seed,split\n"
                "1-00000,audio/1-00000.flac,0.75,0.8,Q1,piano,17,train\n"
                "1-00001,audio/1-00001.flac,0.1,0.2,Q3,strings,18,val\n"
            ),
            "composed/audio/1-00000.flac": b"",
            "composed/audio/1-00001.flac": b"",
        },
        table="composed/songs.csv",
        drop=("instrumentation", "band"),
        missing="'instrumentation'",
        spoil=("0.1,0.2,Q3", "0.1,0.2,Q4"),
        place="line 3, column quadrant",
        tracks=2,
    ),
    "merge": Layout(
        files={
            f"{MERGE}/merge_bimodal_complete_metadata.csv": (
                "Audio_Song,Lyric_Song,Quadrant,AllMusic Id,Artist,Title,Moods\n"
                "A001,L001,Q1,MT0000000001,The Ada,One,Happy\n"
                'MT0000004637,L002,Q3,MT0000004637,Bo,"Two, three",Sad\n'
                "A003,L003,Q4,MT0000000003,Cy,Four,Calm\n"
            ),
            f"{MERGE}/merge_bimodal_complete_av_values.csv": (
                "Audio_Song,Lyric_Song,Arousal,Valence\n"
                "A001,L001,0.75,0.9\nMT0000004637,L002,0.2,0.1\nA003,L003,0.3,0.8\n"
            ),
            **{
                f"{MERGE}/tvt_dataframes/tvt_{shares}/tvt_{shares}_{part}_bimodal_complete.csv": (
                    f"Song,Quadrant\n{row}\n"
                )
                for shares in ("70_15_15", "40_30_30")
                for part, row in zip(
                    ("train", "validate", "test"),
                    ("A001,Q1", "MT0000004637,Q3", "L003,Q4"),
                    strict=True,
                )
            },
            f"{MERGE}/audio/Q1/A001.mp3": b"",
            f"{MERGE}/lyrics/Q1/L001.txt": "A line\n",
        },
        table=f"{MERGE}/merge_bimodal_complete_metadata.csv",
        drop=("Quadrant", "Q"),
        missing="'Quadrant'",
        spoil=("A001,L001,Q1", "A001,L001,Q5"),
        place="line 2, column Quadrant",
        tracks=3,
    ),
    "deam": Layout(
        files={
            f"{DEAM_TABLES}/static_annotations_averaged_songs_1_2000.csv": (
                "song_id, valence_mean, valence_std, arousal_mean, arousal_std\n"
                "1000,3.0,0.8,5.0,1.6\n1001,7.0,2.4,9.0,0.0\n"
            ),
            f"{DEAM_TABLES}/static_annotations_averaged_songs_2000_2058.csv": (
                "song_id, valence_mean, valence_std, valence_ max_mean, valence_max_std,"
                " arousal_mean, arousal_std, arousal_max_mean\n"
                "2001,3.0,0.8,5.0,1.4,6.0,0.8,8.6\n"
            ),
            "deam/metadata/metadata_2013.csv": (
                "song_id,file_name,Artist,Song title,start of the segment (min.sec),Genre\n"
                "1000,1000.mp3,\tThe Ada\t,One\t,0.0,Rock\n"
            ),
            "deam/metadata/metadata_2014.csv": (
                "Id,Artist,Album,Track,Genre,segment start,segment end\n"
                "1001,Bo,First,Two,Folk,0,45,sad,slow\n"
            ),
            "deam/metadata/metadata_2015.csv": "id,title,artist,genre\n2001,Three,Cy,Jazz\n,,,\n",
            "deam/MEMD_audio/1001.mp3": b"",
        },
        table=f"{DEAM_TABLES}/static_annotations_averaged_songs_1_2000.csv",
        drop=(" arousal_mean", " energy_mean"),
        missing="'arousal_mean'",
        spoil=("9.0", "9.5"),
        place="line 3, column arousal_mean",
        tracks=3,
    ),
    "emomusic": Layout(
        files={
            "emomusic/annotations/static_annotations.csv": (
                "song_id,mean_arousal,std_arousal,mean_valence,std_valence\n"
                "2,3.0,0.8,5.0,1.6\n3,9,0,1,2.4\n"
            ),
            "emomusic/annotations/songs_info.csv": (
                "song_id,file_name,Artist,Song title,start of the segment (min.sec),"
                "end of the segment (min.sec),Genre,Mediaeval 2013 set\n"
                "2,2.mp3\t,Ada\t,One\t,0.0,0.45,Rock\t,evaluation\t\n"
                "3,3.mp3\t,Bo\t,Two\t,0.0,0.45,Folk\t,development\t\n"
            ),
            "emomusic/clips_45seconds/2.mp3": b"",
        },
        table="emomusic/annotations/static_annotations.csv",
        drop=("mean_valence", "valence"),
        missing="'mean_valence'",
        spoil=("2,3.0", "2,zero"),
        place="line 2, column mean_arousal",
        tracks=2,
    ),
    "pmemo": Layout(
        files={
            "pmemo/annotations/static_annotations.csv": (
                "musicId,Arousal(mean),Valence(mean)\n1,0.4,0.575\n4,1.0,0.0\n"
            ),
            "pmemo/annotations/static_annotations_std.csv": (
                "musicId,Arousal(std),Valence(std)\n1,0.15,0.16\n4,0.1,0.2\n"
            ),
            "pmemo/metadata.csv": (
                "musicId,fileName,title,artist,album,duration,chorus_start_time,chorus_end_time\n"
                '1,1.mp3,One,"Ada, Bo",First,30.0,00:10,00:40\n'
            ),
            "pmemo/chorus/1.mp3": b"",
            "pmemo/lyrics/1.lrc": "[00:01.00]A line\n[00:02.00]Another\n",
        },
        table="pmemo/annotations/static_annotations.csv",
        drop=("Valence(mean)", "Valence"),
        missing="'Valence(mean)'",
        spoil=("0.575", "5.75"),
        place="line 2, column Valence(mean)",
        tracks=2,
    ),
    "emotify": Layout(
        files={
            "emotify/data.csv": (
                "track id, genre, amazement, solemnity, tenderness, nostalgia, calmness, power,"
                " joyful_activation, tension, sadness, mood, liked, disliked, age, gender,"
                " mother tongue\n"
                "1,classical,0,1,0,0,1,0,0,0,0,3,1,0,30,1,English\n"
                "1,classical,0,0,0,0,1,0,0,0,1,2,0,1,41,0,Dutch\n"
                "101,rock,0,0,0,0,0,0,0,0,0,3,0,0,25,1,Dutch\n"
                "202,electronic,1,0,0,0,0,0,1,0,0,4,1,0,25,1,Dutch\n"
            ),
            "emotify/emotifymusic/electronic/2.mp3": b"",
        },
        table="emotify/data.csv",
        drop=(" tension", " stress"),
        missing="'tension'",
        spoil=("101,rock,0", "101,rock,2"),
        place="line 4, column amazement",
        tracks=2,
    ),
    "mtg_jamendo": Layout(
        files={
            JAMENDO.format(number, split): JAMENDO_HEADER + rows
            for number in (0, 1)
            for split, rows in (
                (
                    "train" if number == 0 else "test",
                    jamendo_row(948, "background", "film"),
                ),
                (
                    "validation",
                    jamendo_row(949, "happy"),
                ),
                (
                    "test" if number == 0 else "train",
                    jamendo_row(950, "sad"),
                ),
            )
        }
        | {"mtg_jamendo/audio/48/948.low.mp3": b""},
        table=JAMENDO.format(0, "train"),
        drop=("ARTIST_ID\t", ""),
        missing="'ARTIST_ID'",
        spoil=("mood/theme---film", "genre---rock"),
        place="line 2, column TAGS",
        tracks=3,
    ),
    "emopia": Layout(
        files={
            "emopia/label.csv": (
                "ID,4Q,annotator\nQ1_a_l-c_0,1,A\nQ3_a_l-c_1,3,A\nQ2_xyz_0,2,B\nQ4_new_0,Q4,B\n"
            ),
            "emopia/split/train.csv": "fname,label\nQ1_a_l-c_0,Q1\n",
            "emopia/split/val.csv": "fname,label\nQ2_xyz_0,Q2\n",
            "emopia/split/test.csv": "fname,label\nQ4_other_0,Q4\n",
            "emopia/audio/Q2_xyz_0.wav": b"",
        },
        table="emopia/label.csv",
        drop=("4Q", "Q"),
        missing="'4Q'",
        spoil=("Q2_xyz_0,2", "Q2_xyz_0,5"),
        place="line 4, column 4Q",
        tracks=4,
    ),
    "moodylyrics": Layout(
        files={
            "moodylyrics/ml_balanced.xlsx": moody_rows(),
            "moodylyrics/lyrics/ML2.txt": "A line\n",
            "moodylyrics/audio/ML1.flac": b"",
        },
        table="moodylyrics/ml_balanced.xlsx",
        drop=("", ""),
        missing="'Mood'",
        spoil=("", ""),
        place="line 6, column Mood",
        tracks=4,
    ),
    "msdd": deezer("deezer_mood_detection_dataset"),
    "deezer_va": deezer("deezer_va"),
    "gems_lyrics": Layout(
        files={
            "gems_lyrics/OriginalAnnotations.csv": (
                ",artist,genre,title,album,year,lyrics,Amazement,Calmness,Joyful activation,"
                "Nostalgia,Power,Sadness,Solemnity,Tenderness,Tension\n"
                '0,Ada,Rock,One,First,2002.0,"A line\nAnother",1.0,0.0,3.0,'
                "0.0,0.0,0.0,0.0,0.0,0.0\n"
                "1,Bo,Rock,Two,First,2003.0,None,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0\n"
            )
        },
        table="gems_lyrics/OriginalAnnotations.csv",
        drop=("Joyful activation", "Joy"),
        missing="'Joyful activation'",
        spoil=(",3.0,", ",-3.0,"),
        place="row 2, column Joyful activation",
        tracks=1,
    ),
    "emobank": Layout(
        files={"text/emobank/corpus/emobank.csv": "id,split,V,A,D,text\ne1,dev,3.0,5.0,3.2,Hm.\n"},
        table="text/emobank/corpus/emobank.csv",
        drop=("A,", "B,"),
        missing="'A'",
        spoil=("5.0", "5.1"),
        place="row 2, column A",
        tracks=1,
    ),
    "goemotions": Layout(
        files={
            WARRINER: NORMS,
            "text/goemotions/emotions.txt": "\n".join(LABELS),
            **{
                f"text/goemotions/data/original/{split}.tsv": f"Oh\t{JOY}\t{split}\n"
                for split in ("train", "dev", "test")
            },
        },
        table="text/goemotions/data/original/dev.tsv",
        drop=("\tdev", ""),
        missing="three columns",
        spoil=(str(JOY), "28"),
        place="line 1",
        tracks=3,
    ),
    "poem_sentiment": Layout(
        files={
            "text/poem_sentiment/data/train.tsv": '0\ta "verse,\t-1\n1\tanother\t2\n',
            "text/poem_sentiment/data/dev.tsv": "0\tdark,\t0\n",
            "text/poem_sentiment/data/test.tsv": "0\tlight.\t1\n",
        },
        table="text/poem_sentiment/data/train.tsv",
        drop=("\t-1", ""),
        missing="a label",
        spoil=("\t-1", "\t-2"),
        place="line 1, column 3",
        tracks=3,
    ),
    "warriner": Layout(
        files={WARRINER: NORMS},
        table=WARRINER,
        drop=("A.Mean.Sum", "A"),
        missing="'A.Mean.Sum'",
        spoil=(",2,8,5", ",2,10,5"),
        place="line 2, column A.Mean.Sum",
        tracks=len({word for words in ANCHORS.values() for word in words}),
    ),
}


def write(root: Path, name: str) -> Layout:
    layout = LAYOUTS[name]
    for path, content in layout.files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        (root / path).write_bytes(data)
    return layout
