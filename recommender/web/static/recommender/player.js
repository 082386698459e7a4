// Plays a queue of songs, and goes on while pages are swapped. The parts of the player's bar are
// in player/; they and the pages use what is exported here.

import { isPlayable } from "./player/formats.js";
import { Listening } from "./player/listening.js";
import { Queue } from "./player/queue.js";
import { Sound } from "./player/sound.js";

export { itemOf } from "./player/items.js";

const SAVE_MS = 5000;
const RESTART_SECONDS = 3; // "previous" after so long begins the song again

const player = document.querySelector("[data-player]");
const listening = new Listening(player.dataset);

export const queue = new Queue(document.getElementById("main").dataset.user ?? "");
export const sound = new Sound(player.querySelector("[data-decks]"));

export const currentSong = () => queue.current;

// An item is {songId, durationSeconds, title, artist, audioUrl, mediaType, coverUrl, pageUrl,
// quadrant}, and optionally `transcodedUrl`. Without `start`, the first song that this browser plays begins.
export function playQueue(items, start) {
  leave();
  queue.replace(items, start ?? Math.max(0, items.findIndex(isPlayable)));
  begin();
}

export function playShuffled(items) {
  const playable = [...items.keys()].filter((index) => isPlayable(items[index]));
  queue.isShuffled = true;
  playQueue(items, playable[Math.floor(Math.random() * playable.length)] ?? 0);
}

export function playNext(item) {
  if (queue.current) queue.insertNext(item);
  else playQueue([item]);
}

export function addToQueue(item) {
  if (queue.current) queue.append(item);
  else playQueue([item]);
}

export function playAt(index) {
  if (index === queue.index) return toggle();
  leave();
  queue.go(index);
  begin();
}

export function toggle() {
  if (!queue.current) return;
  if (!sound.isLoaded) begin({ at: sound.seconds, isNoted: restored.isNoted });
  else if (sound.isPaused) sound.play();
  else sound.pause();
}

export function next() {
  const index = queue.beside(1, isPlayable);
  if (index >= 0) playAt(index);
}

export function previous() {
  const index = queue.beside(-1, isPlayable);
  if (sound.seconds > RESTART_SECONDS || index < 0) seek(0);
  else playAt(index);
}

// Play from a moment of the current song on.
export function seek(seconds) {
  if (!queue.current) return;
  const at = Math.max(0, Math.min(seconds, sound.duration || seconds));
  if (!sound.isLoaded) return begin({ at, isNoted: restored.isNoted });
  sound.seek(at);
  tellTime();
}

export function removeAt(index) {
  if (index !== queue.index) return queue.remove(index);
  const beside = queue.beside(1, isPlayable);
  leave();
  queue.remove(index);
  if (beside >= 0 && beside !== index) {
    queue.go(beside > index ? beside - 1 : beside);
    begin();
  } else {
    sound.stop();
    queue.go(queue.items.length ? 0 : -1);
    tellSong();
  }
}

function begin(options = {}) {
  if (!queue.current) return;
  sound.start(queue.current, options);
  listening.begin(options.at ?? 0, options.isNoted);
  tellSong();
}

// The listener leaves the song for another.
function leave() {
  if (queue.current && sound.isLoaded && !sound.isBroken) {
    listening.left(queue.current, sound.seconds, sound.duration);
  }
}

// Which song follows by itself.
function following() {
  return queue.repeat === "one" ? queue.index : queue.beside(1, isPlayable);
}

sound.successor = () => queue.items[following()] ?? null;

function goOn(fade = 0) {
  const index = following();
  if (index < 0) return;
  queue.go(index);
  begin({ fade });
}

function tellSong() {
  const songId = queue.current?.songId ?? null;
  document.dispatchEvent(new CustomEvent("affetti:song", { detail: { songId } }));
}

function tellTime() {
  const { seconds, duration } = sound;
  const detail = { songId: queue.current.songId, seconds, duration };
  document.dispatchEvent(new CustomEvent("affetti:time", { detail }));
}

sound.addEventListener("time", () => {
  if (!queue.current) return;
  listening.at(queue.current, sound.seconds, sound.duration);
  tellTime();
});
sound.addEventListener("handover", ({ detail }) => goOn(detail.fade));
sound.addEventListener("ended", () => goOn());
sound.addEventListener("error", () => {
  const broken = queue.current;
  document.dispatchEvent(new CustomEvent("affetti:broken", { detail: { songId: broken.songId } }));
  const index = queue.beside(1, (item) => isPlayable(item) && item.songId !== broken.songId);
  if (index > queue.index) playAt(index);
});

queue.addEventListener("change", () => sound.forgetSuccessor());

// The song that a reload interrupted is recorded as heard once.
const restored = queue.restore();
const save = () => queue.save(sound.seconds, sound.isLoaded ? listening.isNoted : restored.isNoted);
queue.addEventListener("change", save);
setInterval(() => { if (!sound.isPaused) save(); }, SAVE_MS);
addEventListener("pagehide", save);

sound.seek(restored.seconds);
