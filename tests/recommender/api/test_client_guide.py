"""The commands of docs/client-guide.md work, in their order, on a server that runs."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from recommender.models import Listen, Playlist, SongFeedback, Token
from tests.places import ROOT
from tests.recommender.api.calls import World

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
PAGE = (ROOT / "docs/client-guide.md").read_text()
ADDRESS = "http://127.0.0.1:8000"


def test_the_guide(live_server: LiveServer, music_dir: Path, tmp_path: Path) -> None:
    world = World(music_dir)
    commands = "\n".join(re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
    calls = re.findall(r"\bcurl .*", commands)
    assert len(calls) >= 20
    # Without -f, curl would take an error for a success.
    assert [call for call in calls if not call.startswith("curl -fsS ")] == []
    assert ADDRESS in commands
    script = f"set -euo pipefail\n{commands.replace(ADDRESS, live_server.url)}\necho; echo done"
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.endswith("done\n"), (done.stdout[-500:], done.stderr)
    assert (tmp_path / "playlist.m3u8").read_text().startswith("#EXTM3U")
    assert list(Playlist.objects.values_list("name", flat=True)) == ["Sunday"]
    assert Listen.objects.filter(user=world.admin, seconds_played=120).count() == 1
    said = SongFeedback.objects.get(user=world.admin)
    assert (said.liked_at is not None, said.stars) == (True, 4)
    assert not Token.objects.exists(), "the guide revokes its token"
