// The pages of staff: what moves is shown live, songs are selected, lists grow. All of it works
// without this file, by loading the page again.

import { notify, onElement, reloadPage } from "./page.js";
import { shownNumber } from "./shown.js";

const PAUSE_MS = 1500;
const LONGEST_PAUSE_MS = 30_000;
const MOST_SELECTED = 400;

// `data-live` names where the part is asked for again, while it contains `data-live-open`.
onElement("[data-live]", (part) => {
  let pause = PAUSE_MS;
  let timer = 0;
  const isMoving = () => part.querySelector("[data-live-open]") !== null;
  const wait = () => { if (isMoving()) timer = setTimeout(ask, pause); };

  async function ask() {
    try {
      const response = await fetch(part.dataset.live, { headers: { Accept: "text/html" } });
      if (!part.isConnected) return;
      if (!response.ok || response.redirected) throw new Error(`status ${response.status}`);
      show(part, await response.text());
      pause = PAUSE_MS;
      // What is beside the part, such as notes, is complete now.
      if (!isMoving() && part.dataset.liveEnd === "reload") reloadPage();
    } catch {
      if (!part.isConnected) return;
      pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
    }
    wait();
  }

  wait();
  return () => clearTimeout(timer);
});

// Whoever is on a button stays there.
function show(part, html) {
  const held = part.contains(document.activeElement) ? document.activeElement : null;
  const mark = held?.getAttribute("href") ?? held?.form?.getAttribute("action");
  part.innerHTML = html;
  htmx.process(part); // its links and forms swap the page, as all do
  if (!mark) return;
  const same = [...part.querySelectorAll("a[href], form[action]")].find((one) =>
    (one.getAttribute("href") ?? one.getAttribute("action")) === mark);
  (same?.querySelector("button") ?? same)?.focus({ preventScroll: true });
}

// --- the songs of the library -------------------------------------------------------------------

onElement("[data-selection]", (form) => {
  const said = form.querySelector("[data-selected]");
  const all = form.querySelector("[data-all]");
  const boxes = () => [...document.querySelectorAll('input[name="song"][form="selection"]')];
  const most = Number(form.dataset.most);
  let last = null;

  // The bar grows above the songs: they stay below the pointer.
  function activate(isActive) {
    if (form.classList.contains("is-active") === isActive) return;
    const songs = form.nextElementSibling;
    const before = songs.getBoundingClientRect().top;
    form.classList.toggle("is-active", isActive);
    scrollBy({ top: songs.getBoundingClientRect().top - before, behavior: "instant" });
  }

  function count() {
    const chosen = boxes().filter((box) => box.checked).length;
    activate(chosen > 0 || Boolean(all?.checked));
    said.textContent = all?.checked ? gettext("All songs of this list")
      : chosen ? selectedCount(chosen) : gettext("Select songs");
  }

  function onClick(event) {
    const box = event.target;
    if (!box.matches?.('input[name="song"]')) return;
    const now = boxes();
    if (event.shiftKey && last?.isConnected) {
      const [from, to] = [now.indexOf(last), now.indexOf(box)].sort((a, b) => a - b);
      for (const one of now.slice(from, to + 1)) one.checked = box.checked;
    }
    last = box;
    count();
  }

  function onSubmit(event) {
    const chosen = boxes().filter((box) => box.checked).length;
    if (!chosen && !all?.checked) {
      event.preventDefault();
      notify(gettext("Select songs first."));
    } else if (!all?.checked && chosen > Math.min(most, MOST_SELECTED)) {
      event.preventDefault();
      const text = gettext("Select at most %(most)s songs, or narrow the list and choose all.");
      notify(interpolate(text, { most: shownNumber(MOST_SELECTED) }, true));
    }
  }

  document.addEventListener("click", onClick);
  form.addEventListener("submit", onSubmit);
  form.addEventListener("change", count);
  count();
  return () => document.removeEventListener("click", onClick);
});

function selectedCount(count) {
  const text = ngettext("%(count)s selected", "%(count)s selected", count);
  return interpolate(text, { count: shownNumber(count) }, true);
}

// The next songs come when the end of the list comes near.
onElement("[data-more]", (row) => {
  let isAsked = false;
  async function more() {
    if (isAsked) return;
    isAsked = true;
    const response = await fetch(row.dataset.more).catch(() => null);
    if (!row.isConnected) return;
    if (response?.ok && !response.redirected) {
      const list = row.parentElement;
      const text = await response.text();
      const isFocused = row.contains(document.activeElement);
      const last = row.previousElementSibling;
      row.outerHTML = text;
      htmx.process(list);
      const first = last ? last.nextElementSibling : list.firstElementChild;
      if (isFocused) first?.querySelector("a")?.focus();
    } else isAsked = false; // the link below it still leads to them
  }
  const watch = new IntersectionObserver(
    (seen) => { if (seen.some((one) => one.isIntersecting)) more(); },
    { rootMargin: "600px" },
  );
  watch.observe(row);
  row.addEventListener("click", (event) => {
    event.preventDefault();
    more();
  });
  return () => watch.disconnect();
});
