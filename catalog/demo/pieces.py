"""The pieces of the demo catalogue: title, artist, genre and intended point of the plane.

Artists and titles are invented. Genres name the style that the ensemble imitates.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final, Literal

from catalog.demo.words import LYRICS
from mer.affect import AffectPoint

LyricsForm = Literal["tag", "lrc", "txt"]


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece; `intended` is the composer's target, not a rating by listeners."""

    title: str
    artist: str
    genre: str
    intended: AffectPoint
    ensemble: str
    lyrics_form: LyricsForm = "tag"

    @property
    def lyrics(self) -> str:
        """The lyrics; empty for an instrumental."""
        return LYRICS.get(self.title, "")

    @property
    def seed(self) -> int:
        """The seed of the composer's random choices; it never changes."""
        return zlib.crc32(f"{self.artist} - {self.title}".encode())


def _piece(
    title: str,
    artist: str,
    genre: str,
    valence: float,
    arousal: float,
    ensemble: str,
    lyrics_form: LyricsForm = "tag",
) -> Piece:
    return Piece(title, artist, genre, AffectPoint(valence, arousal), ensemble, lyrics_form)


PIECES: Final = (
    # Q1: pleasant and excited
    _piece("Every Window Open", "Voltage Orchard", "Dance", 0.92, 0.90, "dance", "lrc"),
    _piece("Lemonade Parade", "The Tin Cormorants", "Ska", 0.90, 0.82, "ska", "txt"),
    _piece("Sunday Rockets", "Paper Aeronauts", "Rock", 0.80, 0.78, "rock", "tag"),
    _piece("Coin Garden", "Pixel Kestrel", "Chiptune", 0.85, 0.88, "chiptune"),
    _piece("Confetti Engine", "Voltage Orchard", "Synth-pop", 0.82, 0.72, "synth pop", "lrc"),
    _piece("High Score Heart", "Pixel Kestrel", "Chiptune", 0.75, 0.75, "chiptune"),
    _piece(
        "Hill Road, Both Feet Off the Pedals", "Paper Aeronauts", "Rock", 0.88, 0.92, "rock", "txt"
    ),
    _piece("Victory Lap for Nobody", "The Winter Foundry Band", "March", 0.70, 0.70, "march"),
    _piece("Kitchen Floor Samba", "Brass Umbrella", "Bossa nova", 0.85, 0.60, "bossa", "tag"),
    _piece("Stomp at the Umbrella Club", "Brass Umbrella", "Swing", 0.80, 0.66, "swing"),
    _piece("Two Left Shoes", "The Tin Cormorants", "Ska", 0.72, 0.62, "ska", "tag"),
    _piece("Neon Picnic", "Voltage Orchard", "Dance", 0.62, 0.82, "dance"),
    _piece("Almost Summer", "Paper Aeronauts", "Synth-pop", 0.65, 0.55, "synth pop", "lrc"),
    # Q2: unpleasant and excited
    _piece("Iron Teeth", "Kilnfire", "Metal", 0.12, 0.95, "metal", "txt"),
    _piece("Burn the Ledger", "Kilnfire", "Metal", 0.20, 0.85, "metal", "tag"),
    _piece("No Signal, No Mercy", "Rustmother", "Industrial", 0.15, 0.82, "industrial"),
    _piece("Shout at the Landlord", "The Tin Cormorants", "Punk", 0.30, 0.93, "punk", "lrc"),
    _piece("Broken Bottle Choir", "Paper Aeronauts", "Punk", 0.38, 0.80, "punk", "txt"),
    _piece(
        "Something on the Stairs", "The Winter Foundry Band", "Soundtrack", 0.18, 0.66, "thriller"
    ),
    _piece("Machine Fever", "Rustmother", "Industrial", 0.28, 0.74, "industrial", "tag"),
    _piece("The Flood Siren", "The Winter Foundry Band", "Soundtrack", 0.10, 0.78, "thriller"),
    _piece("Black Kiln Rising", "Kilnfire", "Metal", 0.32, 0.70, "metal"),
    _piece("Parade of Wolves", "The Winter Foundry Band", "March", 0.35, 0.62, "march"),
    _piece("Slander", "Kilnfire", "Metal", 0.25, 0.90, "metal", "lrc"),
    _piece("Overclocked", "Rustmother", "Techno", 0.42, 0.86, "techno"),
    # Q3: unpleasant and calm
    _piece("The House After", "Odile Marsh", "Ballad", 0.15, 0.15, "ballad", "lrc"),
    _piece("Your Coat Still Hanging", "Harbour Lamps", "Folk", 0.20, 0.25, "folk", "txt"),
    _piece("Ninth of November", "Harbour Lamps", "Slowcore", 0.12, 0.22, "slowcore"),
    _piece("Slow Ferry Blues", "Lowland Ferrymen", "Blues", 0.25, 0.35, "blues", "tag"),
    _piece("Requiem for a Lighthouse", "Saint Ember Choir", "Choral", 0.22, 0.12, "choir", "txt"),
    _piece("Permafrost", "Quiet Cartography", "Dark ambient", 0.18, 0.08, "drone"),
    _piece("Letters to Nobody", "Harbour Lamps", "Folk", 0.30, 0.18, "folk", "lrc"),
    _piece("Rain on the Empty Stand", "Lowland Ferrymen", "Blues", 0.35, 0.28, "blues"),
    _piece("Underpass", "Quiet Cartography", "Dark ambient", 0.28, 0.20, "drone"),
    _piece("What the River Kept", "Lowland Ferrymen", "Blues", 0.32, 0.42, "blues", "tag"),
    _piece("Grey Hours", "Odile Marsh", "Slowcore", 0.38, 0.30, "slowcore"),
    _piece("Ashes, Softly", "Saint Ember Choir", "Chamber music", 0.40, 0.14, "strings"),
    # Q4: pleasant and calm
    _piece("Lullaby for a Paper Boat", "Odile Marsh", "Lullaby", 0.82, 0.12, "music box", "txt"),
    _piece("Morning Has Nowhere to Be", "Harbour Lamps", "Folk", 0.80, 0.28, "folk", "lrc"),
    _piece("Tidepool", "Quiet Cartography", "Ambient", 0.72, 0.08, "ambient"),
    _piece("Honey Hour", "Brass Umbrella", "Bossa nova", 0.85, 0.36, "bossa", "tag"),
    _piece("Cloud Ledger", "Quiet Cartography", "Ambient", 0.62, 0.18, "ambient"),
    _piece("Porch Light", "Harbour Lamps", "Acoustic guitar", 0.74, 0.22, "guitar", "txt"),
    _piece("After the Last Table", "Brass Umbrella", "Lounge", 0.68, 0.30, "lounge"),
    _piece("Evening Psalm", "Saint Ember Choir", "Hymn", 0.70, 0.16, "hymn", "tag"),
    _piece("Small Kindnesses", "Odile Marsh", "Piano ballad", 0.66, 0.24, "piano"),
    _piece("Snow Globe", "Pixel Kestrel", "Lullaby", 0.90, 0.30, "music box"),
    _piece("The Gardener's Theme", "Saint Ember Choir", "Chamber music", 0.78, 0.40, "strings"),
    _piece("Half a Moon, a Whole Harbour", "Brass Umbrella", "Jazz", 0.60, 0.42, "jazz", "lrc"),
)
"""Titles are unique; the order has no meaning."""
