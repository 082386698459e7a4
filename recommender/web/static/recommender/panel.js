// The list beside the map: loaded without a new page, and played at once.

import { notify, onElement } from "./page.js";
import { itemOf, playQueue } from "./player.js";

let last = 0;

const panelOf = () => document.querySelector("[data-panel]");
const itemsOf = (panel) => [...panel.querySelectorAll("[data-play]")].map(itemOf);

// Show the list of an address of a panel, and play it. Return the ids of its songs; null if there
// is none.
export async function showList(url, { focus = false } = {}) {
  const mine = (last += 1);
  const panel = panelOf();
  panel.setAttribute("aria-busy", "true");
  document.documentElement.classList.add("is-loading");
  try {
    const response = await fetch(url, { headers: { "X-Requested-With": "fetch" } });
    if (response.redirected) return location.assign(response.url); // to the login
    const text = await response.text();
    if (mine !== last || !panel.isConnected) return null; // a later one was asked for
    if (!response.ok) {
      notify(problemOf(text) ?? answeredWith(response.status));
      return null;
    }
    panel.innerHTML = text;
    htmx.process(panel); // its links and forms swap the page, as all do
    panel.hidden = false;
    panel.scrollTop = 0;
    const items = itemsOf(panel);
    if (items.length) playQueue(items);
    if (focus) panel.querySelector("[data-panel-name]")?.focus({ preventScroll: true });
    if (panel.getBoundingClientRect().top > innerHeight * 0.8) {
      panel.scrollIntoView({ block: "nearest" });
    }
    tell(items.map((one) => one.songId), new URL(url, location).searchParams);
    return items.map((one) => one.songId);
  } catch {
    if (mine === last) {
      notify(gettext("The list could not be loaded. Check the connection, then try again."));
    }
    return null;
  } finally {
    if (mine === last) {
      panel.removeAttribute("aria-busy");
      document.documentElement.classList.remove("is-loading");
    }
  }
}

// Tell the map which songs are listed, and what was asked for.
const tell = (songIds, query) =>
  document.dispatchEvent(new CustomEvent("affetti:list", { detail: { songIds, query } }));

const answeredWith = (status) =>
  interpolate(gettext("The server answered with status %(status)s."), { status }, true);

// What an error page says.
function problemOf(text) {
  const page = new DOMParser().parseFromString(text, "text/html");
  return page.querySelector("#main .lead")?.textContent;
}

// Before htmx, which would open the address of a link as a page.
onElement("[data-panel]", (panel) => {
  panel.addEventListener("click", (event) => {
    const link = event.target.closest("[data-panel-link]");
    if (link) {
      event.preventDefault();
      event.stopPropagation();
      showList(link.href.replace("/playlist?", "/playlist/panel?"), { focus: true });
    } else if (event.target.closest("[data-panel-close]")) {
      panel.hidden = true;
      panel.replaceChildren();
      tell([], new URLSearchParams());
    }
  }, { capture: true });
});

// A form whose list is shown in the panel; without this script it opens the page of the list.
onElement("[data-panel-form]", (form) => {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const query = new URLSearchParams(new FormData(form, event.submitter));
    if (form.matches("[data-plane-form]")) query.set("min_match", "0"); // the songs nearest to it
    showList(`${form.dataset.panelForm}?${query}`, { focus: true });
  });
});

onElement("[data-more-moods]", (button) => {
  button.addEventListener("click", () => {
    const more = document.getElementById(button.getAttribute("aria-controls"));
    more.hidden = !more.hidden;
    button.setAttribute("aria-expanded", String(!more.hidden));
  });
});
