// The media keys and the lock screen of the device.

import { currentSong, next, previous, seek, sound, toggle } from "../player.js";

const SKIP_SECONDS = 10;
const session = navigator.mediaSession;

function showSong() {
  const item = currentSong();
  if (!item) {
    session.metadata = null;
    return;
  }
  const { title, artist, coverUrl } = item;
  const artwork = coverUrl ? [{ src: new URL(coverUrl, location.href).href }] : [];
  session.metadata = new MediaMetadata({ title, artist, artwork });
}

function showPosition() {
  const { duration, seconds } = sound;
  if (!duration) return;
  session.setPositionState({ duration, position: Math.min(seconds, duration), playbackRate: 1 });
}

const ACTIONS = {
  play: toggle,
  pause: () => sound.pause(),
  previoustrack: previous,
  nexttrack: next,
  seekbackward: ({ seekOffset }) => seek(sound.seconds - (seekOffset || SKIP_SECONDS)),
  seekforward: ({ seekOffset }) => seek(sound.seconds + (seekOffset || SKIP_SECONDS)),
  seekto: ({ seekTime }) => seek(seekTime),
};

if (session) {
  for (const [name, act] of Object.entries(ACTIONS)) {
    try {
      session.setActionHandler(name, act);
    } catch {
      // A browser that does not know this action.
    }
  }
  document.addEventListener("affetti:song", showSong);
  for (const type of ["play", "pause"]) {
    sound.addEventListener(type, () => {
      session.playbackState = sound.isPaused ? "paused" : "playing";
      showPosition();
    });
  }
  sound.addEventListener("durationchange", showPosition);
  document.addEventListener("affetti:time", showPosition);
}
