// The buttons of pages that play: what they start, and what they show.

import { onElement } from "../page.js";
import { currentSong, playQueue, playShuffled, queue, sound, toggle } from "../player.js";
import { formatName, isPlayable } from "./formats.js";
import { itemOf } from "./items.js";

// Show on a button, and on its row of a list, whether its song is the current one and plays.
function mark(button) {
  const isCurrent = Number(button.dataset.songId) === currentSong()?.songId;
  const isPlaying = isCurrent && !sound.isPaused;
  button.closest("[data-entry]")?.classList.toggle("is-playing", isCurrent);
  button.setAttribute("aria-pressed", String(isPlaying));
  showPause(button, isPlaying);
}

const showPause = (button, isPlaying) => {
  button.querySelector("[data-icon-play]")?.toggleAttribute("hidden", isPlaying);
  button.querySelector("[data-icon-pause]")?.toggleAttribute("hidden", !isPlaying);
};

function markAll() {
  document.querySelectorAll("[data-play]").forEach(mark);
  document.querySelectorAll("[data-play-all]").forEach(markList);
}
queue.addEventListener("change", markAll);
for (const type of ["play", "pause"]) sound.addEventListener(type, markAll);
document.addEventListener("affetti:song", markAll);
document.addEventListener("affetti:broken", ({ detail }) => {
  for (const button of document.querySelectorAll(`[data-play][data-song-id="${detail.songId}"]`)) {
    button.closest("[data-entry]")?.classList.add("is-broken");
  }
});

// What is hidden, such as what the filters of a list leave out, is not queued.
const pageButtons = () => [...document.querySelectorAll("#main [data-play]")]
  .filter((button) => !button.closest("[hidden]"));

const isBanned = (button) => button.closest(".is-banned") !== null;
const isLiked = (button) => Boolean(button.closest("[data-entry]")
  ?.querySelector('[data-mark="like"] [aria-pressed="true"]'));

// The songs of the button's list, each once, without banned ones; or the liked ones of them.
function listItems(button, only) {
  const panel = button.closest("[data-panel]");
  const buttons = pageButtons().filter((one) => one.closest(".entries") && !isBanned(one)
    && (!panel || panel.contains(one)) && (only !== "liked" || isLiked(one)));
  return [...new Map(buttons.map((one) => [one.dataset.songId, itemOf(one)])).values()];
}

// The queue is of a list when it holds every song of it, and one of them is current.
function isQueued(items) {
  const ids = new Set(items.map((item) => item.songId));
  if (!ids.has(currentSong()?.songId)) return false;
  queue.items.forEach((item) => ids.delete(item.songId));
  return ids.size === 0;
}

// The button of a list that plays pauses it.
function markList(button) {
  const isPlaying = !sound.isPaused && isQueued(listItems(button, button.dataset.playAll));
  const words = button.querySelector("[data-play-words]");
  words.dataset.words ??= words.textContent;
  words.textContent = isPlaying ? gettext("Pause") : words.dataset.words;
  showPause(button, isPlaying);
}

onElement("[data-play]", (button) => {
  const item = itemOf(button);
  if (!isPlayable(item)) {
    const note = document.createElement("p");
    note.className = "unplayable";
    const format = formatName(item.mediaType);
    note.textContent =
      interpolate(gettext("This browser does not play %(format)s."), { format }, true);
    (button.closest("[data-entry]") ?? button.nextElementSibling)?.append(note);
  }
  mark(button);
  button.addEventListener("click", () => {
    if (item.songId === currentSong()?.songId) return toggle();
    const buttons = pageButtons();
    playQueue(buttons.map(itemOf), buttons.indexOf(button));
  });
});

onElement("[data-play-all]", (button) => {
  markList(button);
  button.addEventListener("click", () => {
    const items = listItems(button, button.dataset.playAll); // none of songs without audio
    if (isQueued(items) && !sound.hasEnded) toggle();
    else if (items.length) playQueue(items);
  });
});
onElement("[data-shuffle-all]", (button) => {
  button.addEventListener("click", () => {
    const items = listItems(button, button.dataset.shuffleAll);
    if (items.length) playShuffled(items);
  });
});
