// Keys that work everywhere but where one types, or where a control has a use for them.

import { next, previous, seek, sound, toggle, currentSong } from "../player.js";
import { toggleMute } from "./bar.js";
import { toggleDrawer } from "./drawer.js";

const KEY = "affetti.keys";
const SEEK_SECONDS = 5;
const VOLUME_STEP = 0.05;
const TYPING = "input:not([type=range], [type=checkbox], [type=radio]), textarea, select, [contenteditable]";
const OWN_KEYS = "input, button, summary, a, dialog, [role=application], [role=slider]";

const help = document.querySelector("[data-keys-help]");
const isOn = document.querySelector("[data-keys-on]");

const volumeBy = (step) => {
  const volume = Math.max(0, Math.min(1, sound.settings.volume + step));
  sound.set({ volume, isMuted: false });
};

// By key; those that controls and scrolling use are left to what has the focus.
const LETTERS = {
  n: next,
  p: previous,
  m: toggleMute,
  q: toggleDrawer,
};
const SHARED = {
  " ": toggle,
  ArrowLeft: () => seek(sound.seconds - SEEK_SECONDS),
  ArrowRight: () => seek(sound.seconds + SEEK_SECONDS),
};
const SHIFTED = {
  ArrowUp: () => volumeBy(VOLUME_STEP),
  ArrowDown: () => volumeBy(-VOLUME_STEP),
};

function actionOf(event) {
  const { key, shiftKey, target } = event;
  if (key === "?") return () => help.showModal();
  if (!currentSong()) return null;
  if (key.toLowerCase() in LETTERS && !shiftKey) return LETTERS[key.toLowerCase()];
  if (target.closest(OWN_KEYS)) return null;
  return (shiftKey ? SHIFTED : SHARED)[key];
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (!isOn.checked || event.target.closest(TYPING) || help.open) return;
  const action = actionOf(event);
  if (!action) return;
  event.preventDefault();
  action();
});

try {
  isOn.checked = localStorage.getItem(KEY) !== "off";
} catch {
  // The browser keeps nothing.
}
isOn.addEventListener("change", () => {
  try {
    localStorage.setItem(KEY, isOn.checked ? "on" : "off");
  } catch {
    // As above.
  }
});
document.querySelector("[data-show-keys]").addEventListener("click", () => help.showModal());
