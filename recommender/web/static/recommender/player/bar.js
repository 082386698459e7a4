// The bar: what plays, its buttons, time and volume. On a phone it opens to the whole screen.

import { openPage } from "../page.js";
import { currentSong, next, previous, queue, sound, toggle } from "../player.js";
import { REPEATS } from "./queue.js";

const player = document.querySelector("[data-player]");
const find = (name) => player.querySelector(`[data-${name}]`);
const REPEAT_WORDS = {
  off: gettext("Repeat: off"), all: gettext("Repeat: all"), one: gettext("Repeat: this song"),
};

function showSong() {
  const item = currentSong();
  player.hidden = !item;
  document.documentElement.classList.toggle("has-player", Boolean(item));
  if (!item) return close();
  player.className = `player ${(item.quadrant ?? "").toLowerCase()}`;
  find("now-title").textContent = item.title;
  find("now-title").href = item.pageUrl || "#";
  find("now-artist").textContent = item.artist || gettext("Unknown artist");
  const cover = find("now-cover");
  cover.hidden = !item.coverUrl;
  if (item.coverUrl && cover.getAttribute("src") !== item.coverUrl) cover.src = item.coverUrl;
}

function showQueue() {
  const isEnd = (step) => queue.beside(step, () => true) < 0;
  find("next").disabled = isEnd(1);
  find("shuffle").setAttribute("aria-pressed", String(queue.isShuffled));
  const repeat = find("repeat");
  repeat.setAttribute("aria-pressed", String(queue.repeat !== "off"));
  repeat.setAttribute("aria-label", REPEAT_WORDS[queue.repeat]);
  repeat.title = REPEAT_WORDS[queue.repeat];
  repeat.dataset.repeat = queue.repeat;
}

function showPlaying() {
  const button = find("toggle");
  button.setAttribute("aria-label", sound.isPaused ? gettext("Play") : gettext("Pause"));
  button.querySelector("[data-icon-play]").toggleAttribute("hidden", !sound.isPaused);
  button.querySelector("[data-icon-pause]").toggleAttribute("hidden", sound.isPaused);
}

function showVolume() {
  const { volume, isMuted } = sound.settings;
  find("volume").value = isMuted ? 0 : volume;
  const mute = find("mute");
  mute.setAttribute("aria-pressed", String(isMuted));
  mute.classList.toggle("is-quiet", isMuted || volume === 0);
}

export const toggleMute = () => sound.set({ isMuted: !sound.settings.isMuted });

find("toggle").addEventListener("click", toggle);
find("previous").addEventListener("click", previous);
find("next").addEventListener("click", next);
find("shuffle").addEventListener("click", () => queue.shuffle(!queue.isShuffled));
find("repeat").addEventListener("click", () => {
  queue.setRepeat(REPEATS[(REPEATS.indexOf(queue.repeat) + 1) % REPEATS.length]);
});
find("mute").addEventListener("click", toggleMute);
find("volume").addEventListener("input", (event) => {
  sound.set({ volume: Number(event.target.value), isMuted: false });
});

// --- the whole screen, on a phone ---
const opener = find("open");
const behind = document.querySelectorAll("[data-behind-player]");

function setOpen(isOpen) {
  player.toggleAttribute("data-opened", isOpen);
  document.documentElement.classList.toggle("is-player-open", isOpen);
  opener.setAttribute("aria-expanded", String(isOpen));
  for (const part of behind) part.inert = isOpen;
}

function close() {
  if (!player.hasAttribute("data-opened")) return;
  setOpen(false);
  opener.focus();
}

opener.addEventListener("click", () => {
  setOpen(true);
  find("close").focus();
});
find("close").addEventListener("click", close);
player.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !player.querySelector(":popover-open")) close();
});
matchMedia("(min-width: 48rem)").addEventListener("change", (query) => {
  if (query.matches) close();
});
// The pages are behind the player.
player.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (!link) return;
  event.preventDefault();
  close();
  openPage(link.getAttribute("href"));
});

document.addEventListener("affetti:song", showSong);
document.addEventListener("affetti:broken", () => {
  find("now-artist").textContent = gettext("This file cannot be played.");
});
sound.addEventListener("trouble", ({ detail }) => {
  const offline = detail.isLast ? gettext("No connection. Press play to try again.") : gettext("No connection. Trying again…");
  find("now-artist").textContent = detail.isOffline ? offline : gettext("The server is busy. Trying again…");
});
sound.addEventListener("playing", showSong);
queue.addEventListener("change", () => { showSong(); showQueue(); });
sound.addEventListener("settings", showVolume);
for (const type of ["play", "pause", "ended"]) sound.addEventListener(type, showPlaying);
showSong();
showQueue();
showPlaying();
showVolume();
