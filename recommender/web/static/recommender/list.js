// A list: its rows play next or later, its ribbon and its dots lead to rows, its chips filter them.

import { notify, onElement } from "./page.js";
import { addToQueue, itemOf, playNext } from "./player.js";
import { shownNumber } from "./shown.js";

function queueButton(selector, add, text) {
  onElement(selector, (button) => {
    button.addEventListener("click", () => {
      const item = itemOf(button.closest("[data-entry]").querySelector("[data-play]"));
      add(item);
      notify(interpolate(text, { title: item.title }, true));
    });
  });
}
queueButton("[data-play-next]", playNext, gettext("%(title)s plays next."));
queueButton("[data-add-to-queue]", addToQueue, gettext("%(title)s is in the queue."));

onElement("[data-ribbon-song]", (mark) => {
  mark.addEventListener("click", () => {
    const row = document.getElementById(`entry-${mark.dataset.ribbonSong}`);
    row?.scrollIntoView({ block: "center" });
    row?.querySelector("[data-play], .title a")?.focus({ preventScroll: true });
  });
});

function shownOf(shown, count) {
  const text = ngettext("%(shown)s of %(count)s song.", "%(shown)s of %(count)s songs.", count);
  return interpolate(text, { shown: shownNumber(shown), count: shownNumber(count) }, true);
}

onElement("[data-filters]", (filters) => {
  const rows = [...document.querySelectorAll("[data-chips]")];
  const result = filters.querySelector("[data-filter-result]");
  const link = filters.querySelector("[data-filter-link]");
  const chips = [...filters.querySelectorAll("[data-chip]")];
  const chosen = () => chips.filter((chip) => chip.getAttribute("aria-pressed") === "true");

  function show() {
    const numbers = chosen().map((chip) => chip.dataset.chip);
    for (const row of rows) {
      const own = row.dataset.chips.split(" ");
      row.hidden = !numbers.every((number) => own.includes(number));
    }
    result.hidden = numbers.length === 0;
    const shown = rows.filter((row) => !row.hidden).length;
    filters.querySelector("[data-filter-count]").textContent = shownOf(shown, rows.length);
    link.hidden = !filters.dataset.again;
    link.search = newQuery();
  }

  // The list's own query, with what the chips ask for in the place of what it asked for of it.
  function newQuery() {
    const query = new URLSearchParams(filters.dataset.again);
    for (const chip of chosen()) {
      const asked = [...new URLSearchParams(chip.dataset.query)];
      const replaced = {
        decade: ["decade", "year_from", "year_to"],
        length: ["seconds_from", "seconds_to"],
        genre: ["genre"],
      };
      for (const name of replaced[chip.dataset.kind]) query.delete(name);
      for (const [name, value] of asked) query.set(name, value);
    }
    return query.toString();
  }

  filters.hidden = false;
  filters.addEventListener("click", ({ target }) => {
    const chip = target.closest("[data-chip]");
    if (!chip && !target.closest("[data-filter-clear]")) return;
    const isOn = chip?.getAttribute("aria-pressed") === "true";
    for (const other of chips) {
      if (!chip || other.dataset.kind === chip.dataset.kind) other.setAttribute("aria-pressed", "false");
    }
    chip?.setAttribute("aria-pressed", String(!isOn));
    show();
  });
});
