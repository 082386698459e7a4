// A file of listening history is sent in pieces, because the server takes small bodies alone. Without
// this script the form sends a small file as a whole.

import { csrfToken, onElement, openPage } from "./page.js";

const TRIES = 5;
const PAUSE_MS = 1000;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

onElement("[data-history]", (form) => {
  const bar = form.querySelector("[data-history-bar]");
  const error = form.querySelector("[data-history-error]");
  const button = form.querySelector("button");
  form.addEventListener("submit", async (event) => {
    const file = form.elements.file.files[0];
    if (!file) return;
    event.preventDefault();
    error.hidden = true;
    bar.hidden = false;
    button.disabled = true;
    try {
      if (!file.size || file.size > Number(form.dataset.most)) {
        throw new Error(interpolate(gettext("%(name)s: is empty or too large."), file, true));
      }
      const url = await send(form, file, (share) => { bar.value = share; });
      if (url) openPage(url);
    } catch (problem) {
      error.textContent = problem.message;
      error.hidden = false;
    } finally {
      bar.hidden = true;
      button.disabled = false;
    }
  });
});

// Return the page of the import, or nothing once the form has left the page.
async function send(form, file, shown) {
  const upload = [...crypto.getRandomValues(new Uint8Array(16))]
    .map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const size = Number(form.dataset.piece);
  let tries = 0;
  for (let offset = 0; form.isConnected;) {
    const query = new URLSearchParams({ upload, name: file.name, size: file.size, offset });
    const response = await fetch(`${form.dataset.history}?${query}`, {
      method: "POST",
      headers: { "Content-Type": "application/octet-stream", "X-CSRFToken": csrfToken() },
      body: file.slice(offset, offset + size),
    }).catch(() => null);
    if (response?.status === 201) return (await response.json()).url;
    if (response?.status === 204) {
      offset += size;
      tries = 0;
      shown(offset / file.size);
      continue;
    }
    if (response?.status === 429) { // too fast, which is no failure
      await sleep(1000 * (Number(response.headers.get("Retry-After")) || 1));
      continue;
    }
    const told = await response?.json().catch(() => null);
    tries += 1;
    const mayPass = !response || response.status >= 500 || response.status === 409;
    if (!mayPass || tries >= TRIES) throw new Error(told?.message ?? noAnswer(file));
    if (told?.details?.offset !== undefined) offset = told.details.offset;
    await sleep(PAUSE_MS * tries);
  }
  return "";
}

function noAnswer({ name }) {
  const text = gettext("%(name)s: the server does not answer. Send it again later.");
  return interpolate(text, { name }, true);
}
