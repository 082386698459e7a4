"""What the recommender learns of one listener from feedback, for that listener alone.

``calibration``  how the listener's plane differs from the catalogue's
``taste``        what the listener likes
``evidence``     how much each song is liked by feedback and listens
``profile``      all of it, for the songs of a snapshot
"""

from recommender.personal.calibration import FEWEST, Calibration, distances_after
from recommender.personal.profile import Corrections, Profile, profile_of, songs_at
from recommender.personal.taste import Taste

__all__ = [
    "FEWEST",
    "Calibration",
    "Corrections",
    "Profile",
    "Taste",
    "distances_after",
    "profile_of",
    "songs_at",
]
