"""Ten lines with the client: make a playlist for a mood and print it."""

import sys

from affetti_client import AuthenticatedClient
from affetti_client.api.playlists import playlists_create
from affetti_client.models import Error, PlaylistInput

address, token = sys.argv[1:]
client = AuthenticatedClient(address, token, prefix="Token")
wanted = PlaylistInput.from_dict({"moods": ["calm"], "count": 5, "min_match": 0})
made = playlists_create.sync(client=client, body=wanted)
if made is None or isinstance(made, Error):
    sys.exit(f"No playlist: {made and made.message}")
for entry in made.entries:
    print(entry.song.artist, "-", entry.song.title)
