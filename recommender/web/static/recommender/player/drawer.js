// The queue's drawer: the songs to come, in an order that can be changed with mouse, finger or keys.

import { playAt, queue, removeAt, sound } from "../player.js";
import { shownNumber, songCount } from "../shown.js";

const drawer = document.querySelector("[data-drawer]");
const opener = document.querySelector("[data-open-drawer]");
const list = drawer.querySelector("[data-queue]");
const row = drawer.querySelector("template");
const said = drawer.querySelector("[data-said]");
const crossfade = drawer.querySelector("[data-crossfade]");
const crossfadeWords = drawer.querySelector("[data-crossfade-words]");

// Of the buttons of a row, by their attribute.
const LABELS = {
  "row-title": gettext("Play %(title)s"),
  "next-up": gettext("Play next: %(title)s"),
  up: gettext("Move up: %(title)s"),
  down: gettext("Move down: %(title)s"),
  remove: gettext("Remove %(title)s"),
};

export function toggleDrawer() {
  if (drawer.hidden) open();
  else close();
}

function open() {
  drawer.hidden = false;
  opener.setAttribute("aria-expanded", "true");
  draw();
  drawer.querySelector("[data-close-drawer]").focus();
  list.querySelector("[aria-current]")?.scrollIntoView({ block: "center" });
}

function close() {
  drawer.hidden = true;
  opener.setAttribute("aria-expanded", "false");
  opener.focus();
}

const rowOf = (element) => element.closest("[data-row]");
const positionOf = (element) => [...list.children].indexOf(rowOf(element));

function draw() {
  if (drawer.hidden) return;
  list.replaceChildren(...queue.items.map(drawRow));
  drawer.querySelector("[data-count]").textContent = songCount(queue.items.length);
}

function drawRow(item, index) {
  const element = row.content.firstElementChild.cloneNode(true);
  const title = element.querySelector("[data-row-title]");
  title.textContent = item.title;
  element.querySelector("[data-row-artist]").textContent = item.artist || gettext("Unknown artist");
  if (item.quadrant) element.classList.add(item.quadrant.toLowerCase());
  if (index === queue.index) element.setAttribute("aria-current", "true");
  for (const [name, label] of Object.entries(LABELS)) {
    const text = interpolate(label, { title: item.title }, true);
    element.querySelector(`[data-${name}]`).setAttribute("aria-label", text);
  }
  element.querySelector("[data-up]").disabled = index === 0;
  element.querySelector("[data-down]").disabled = index === queue.items.length - 1;
  const place = index - queue.index;
  element.querySelector("[data-next-up]").disabled = place === 0 || place === 1;
  return element;
}

function move(from, to, name) {
  const { title } = queue.items[from];
  queue.move(from, to);
  const shown = { title, place: shownNumber(to + 1), count: shownNumber(queue.items.length) };
  said.textContent = interpolate(gettext("%(title)s: place %(place)s of %(count)s"), shown, true);
  const button = list.children[to].querySelector(`[data-${name}]`);
  (button.disabled ? list.children[to].querySelector("[data-row-title]") : button).focus();
}

function remove(index) {
  const { title } = queue.items[index];
  removeAt(index);
  said.textContent = interpolate(gettext("%(title)s is removed"), { title }, true);
  const beside = list.children[Math.min(index, list.children.length - 1)];
  (beside?.querySelector("[data-remove]") ?? drawer.querySelector("[data-close-drawer]")).focus();
}

list.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const index = positionOf(button);
  if (button.matches("[data-row-title]")) playAt(index);
  else if (button.matches("[data-up]")) move(index, index - 1, "up");
  else if (button.matches("[data-down]")) move(index, index + 1, "down");
  else if (button.matches("[data-next-up]")) {
    move(index, index < queue.index ? queue.index : queue.index + 1, "next-up");
  } else if (button.matches("[data-remove]")) remove(index);
});
list.addEventListener("keydown", (event) => {
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (!step || !event.altKey) return;
  const from = positionOf(event.target);
  if (!queue.items[from + step]) return;
  event.preventDefault();
  move(from, from + step, "row-title");
});

// --- dragging ---
list.addEventListener("pointerdown", (event) => {
  const handle = event.target.closest("[data-handle]");
  if (!handle || event.button) return;
  const dragged = rowOf(handle);
  const from = positionOf(dragged);
  handle.setPointerCapture(event.pointerId);
  dragged.classList.add("is-dragged");

  const follow = ({ clientY }) => {
    const over = [...list.children].find((other) => {
      const { top, bottom } = other.getBoundingClientRect();
      return other !== dragged && clientY >= top && clientY < bottom;
    });
    if (!over) return;
    if (positionOf(over) < positionOf(dragged)) over.before(dragged);
    else over.after(dragged);
    handle.setPointerCapture(event.pointerId); // a moved element loses it
  };
  const end = () => {
    handle.removeEventListener("pointermove", follow);
    dragged.classList.remove("is-dragged");
    const to = positionOf(dragged);
    if (to !== from) queue.move(from, to);
  };
  handle.addEventListener("pointermove", follow);
  handle.addEventListener("pointerup", end, { once: true });
  handle.addEventListener("pointercancel", end, { once: true });
});

opener.addEventListener("click", toggleDrawer);
drawer.querySelector("[data-close-drawer]").addEventListener("click", close);
drawer.querySelector("[data-clear]").addEventListener("click", () => {
  queue.clear();
  said.textContent = gettext("The songs to come are removed");
});
drawer.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  event.stopPropagation();
  close();
});

function showCrossfade() {
  const seconds = sound.settings.crossfade;
  crossfade.value = seconds;
  const words = ngettext("%(count)s second", "%(count)s seconds", seconds);
  const off = gettext("off");
  crossfadeWords.textContent = seconds ? `${shownNumber(seconds)} s` : off;
  const told = seconds ? interpolate(words, { count: shownNumber(seconds) }, true) : off;
  crossfade.setAttribute("aria-valuetext", told);
}
crossfade.addEventListener("input", () => sound.set({ crossfade: Number(crossfade.value) }));
sound.addEventListener("settings", showCrossfade);
showCrossfade();

queue.addEventListener("change", draw);
document.addEventListener("affetti:song", () => {
  if (!queue.current) drawer.hidden = true;
});
