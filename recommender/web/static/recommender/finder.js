// The box for words and titles: moods, songs and artists are offered while one types.

import { onElement, openPage } from "./page.js";
import { showList } from "./panel.js";

const WAIT_MS = 150;

onElement("[data-finder]", (form) => {
  const input = form.querySelector("input");
  const list = form.querySelector("[role=listbox]");
  let timer = 0;
  let asked = 0;
  let active = -1;

  const options = () => [...list.querySelectorAll("[role=option]")];

  function close() {
    clearTimeout(timer);
    asked += 1;
    list.hidden = true;
    activate(-1);
    input.setAttribute("aria-expanded", "false");
  }

  function activate(number) {
    active = number;
    options().forEach((option, n) => option.setAttribute("aria-selected", String(n === number)));
    const option = options()[number];
    if (option) input.setAttribute("aria-activedescendant", option.id);
    else input.removeAttribute("aria-activedescendant");
  }

  async function offer() {
    const mine = (asked += 1);
    const response = await fetch(`${form.dataset.suggestionsUrl}?${new URLSearchParams({ q: input.value })}`);
    if (!response.ok || mine !== asked || !form.isConnected) return;
    list.innerHTML = await response.text();
    if (mine !== asked) return close();
    activate(-1);
    list.hidden = !options().length;
    input.setAttribute("aria-expanded", String(!list.hidden));
  }

  function choose(option) {
    close();
    input.value = option.dataset.words;
    if (option.dataset.pageUrl) openPage(option.dataset.pageUrl);
    else showList(option.dataset.panelUrl, { focus: true });
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    if (input.value.trim().length < 2) return close();
    timer = setTimeout(() => offer().catch(() => {}), WAIT_MS);
  });
  input.addEventListener("keydown", (event) => {
    const count = options().length;
    if (event.key === "Escape") close();
    else if (event.key === "ArrowDown" && !list.hidden) activate((active + 1) % count);
    else if (event.key === "ArrowUp" && !list.hidden) activate((active - 1 + count) % count);
    else return;
    event.preventDefault();
  });
  // Before the panel's own handler: a suggestion that is marked, or named in full, is meant.
  form.addEventListener("submit", (event) => {
    const words = input.value.trim().toLowerCase();
    const same = options().find((option) => option.dataset.words.toLowerCase() === words);
    const meant = list.hidden ? null : (options()[active] ?? same);
    if (!meant) return close();
    event.preventDefault();
    event.stopImmediatePropagation();
    choose(meant);
  }, { capture: true });
  list.addEventListener("pointerdown", (event) => event.preventDefault()); // the box keeps the focus
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) choose(option);
  });
  input.addEventListener("blur", close);
  return close;
});
