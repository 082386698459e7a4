// Uploads: files are dropped or chosen, and sent one after the other in pieces, because the server
// takes small bodies alone. A piece that is lost on the way is sent again. A file keeps its id on this
// page, so that one that is dropped again goes on, and is not sent a second time once it is whole.

import { csrfToken, notify, onElement } from "./page.js";
import { shownNumber, shownPercent } from "./shown.js";

const TRIES = 5;
const PAUSE_MS = 1000;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

onElement("[data-upload]", (drop) => {
  const place = drop.parentElement;
  const panel = place.querySelector("[data-uploads]");
  const said = panel.querySelector("[data-upload-state]");
  const bar = panel.querySelector("[data-upload-bar]");
  const errors = panel.querySelector("[data-upload-errors]");
  const stop = panel.querySelector("[data-upload-stop]");
  const form = place.querySelector("[data-upload-form]");
  const add = form.querySelector("[data-upload-add]");
  const input = drop.querySelector("[data-upload-input]");
  const queue = [];
  const ids = new Map();
  let total = 0, sent = 0, done = 0, count = 0;
  let isBusy = false, current = null, stopping = null;

  function take(files) {
    const limits = drop.dataset;
    const suffixes = limits.suffixes.split(",");
    const fits = [];
    if (!isBusy) total = sent = done = count = 0;
    for (const file of files) {
      const suffix = file.name.slice(file.name.lastIndexOf(".")).toLowerCase();
      if (!suffixes.includes(suffix)) {
        refuse(gettext("%(name)s: is no audio file that Affetti reads."), file);
      } else if (!file.size || file.size > Number(limits.mostBytes)) {
        refuse(gettext("%(name)s: is empty or too large."), file);
      } else fits.push(file);
    }
    const room = Number(limits.mostFiles) - count + done;
    if (fits.length > room) refuse(tooMany(room, fits.length));
    for (const file of fits.slice(0, room)) {
      queue.push(file);
      total += file.size;
      count += 1;
    }
    panel.hidden = false;
    show();
    if (!isBusy && queue.length) run();
  }

  function refuse(text, { name } = {}) {
    const item = document.createElement("li");
    item.textContent = name === undefined ? text : interpolate(text, { name }, true);
    errors.append(item);
    panel.hidden = false;
  }

  function show() {
    bar.max = total || 1;
    bar.value = sent;
    stop.hidden = !isBusy;
    said.textContent = count ? progress(done, count, Math.floor(100 * sent / (total || 1)))
      : gettext("No file was taken.");
  }

  async function run() {
    isBusy = true;
    stopping = new AbortController();
    add.hidden = true;
    let here = 0;
    while (queue.length && isBusy) {
      const file = queue.shift();
      const before = sent;
      current = { file, id: idOf(file) };
      try {
        if (await send(current)) here += 1;
      } catch (error) {
        refuse(error.message);
      }
      if (!isBusy) break; // stopped: this file has not come
      sent = before + file.size;
      done += 1;
      show();
    }
    const isWhole = isBusy;
    isBusy = false;
    current = null;
    show();
    add.hidden = !here;
    if (isWhole && here && !errors.children.length) form.requestSubmit(add);
    else if (here) notify(arrived(here));
  }

  function idOf(file) {
    const key = JSON.stringify([file.name, file.size, file.lastModified]);
    if (!ids.has(key)) ids.set(key, crypto.randomUUID?.() ?? uuid());
    return ids.get(key);
  }

  async function send(upload) {
    const { file, id } = upload;
    const before = sent;
    const size = Number(drop.dataset.piece);
    let tries = 0;
    for (let offset = 0; offset < file.size && isBusy;) {
      const query = new URLSearchParams({ upload: id, name: file.name, size: file.size, offset });
      let response = null;
      try {
        response = await fetch(`${drop.dataset.upload}?${query}`, {
          method: "POST",
          headers: { "Content-Type": "application/octet-stream", "X-CSRFToken": csrfToken() },
          body: file.slice(offset, offset + size),
          signal: stopping.signal,
        });
      } catch { /* the connection broke: again, below */ }
      if (!isBusy || !drop.isConnected) return false;
      if (response?.ok && !response.redirected) {
        const isWhole = response.status === 201;
        offset = isWhole ? file.size : Math.min(offset + size, file.size);
        sent = before + offset;
        tries = 0;
        show();
        continue;
      }
      if (response?.status === 429) { // too fast, which is no failure
        await sleep(1000 * (Number(response.headers.get("Retry-After")) || 1));
        if (!drop.isConnected) return false;
        continue;
      }
      const told = await response?.json().catch(() => null);
      tries += 1;
      const mayPass = !response || response.status >= 500 || response.status === 409;
      if (!mayPass || tries >= TRIES) throw new Error(told?.message ?? noAnswer(file));
      if (told?.details?.offset !== undefined) offset = told.details.offset;
      await sleep(PAUSE_MS * tries);
    }
    return isBusy;
  }

  function abort() {
    isBusy = false;
    queue.length = 0;
    if (!current) return;
    stopping.abort();
    fetch(`${drop.dataset.upload}?${new URLSearchParams({ upload: current.id })}`, {
      method: "DELETE",
      headers: { "X-CSRFToken": csrfToken() },
      keepalive: true,
    }).catch(() => {});
  }

  const warn = (event) => { if (isBusy) event.preventDefault(); };
  stop.addEventListener("click", abort);
  input.addEventListener("change", () => { take(input.files); input.value = ""; });
  for (const name of ["dragenter", "dragover"]) {
    drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("is-over"); });
  }
  drop.addEventListener("dragleave", () => drop.classList.remove("is-over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("is-over");
    take(event.dataTransfer.files);
  });
  addEventListener("beforeunload", warn);
  return () => {
    removeEventListener("beforeunload", warn);
    abort();
  };
});

function tooMany(room, count) {
  const text = ngettext(
    "Only the first %(room)s of %(count)s files is sent. Drop the others afterwards.",
    "Only the first %(room)s of %(count)s files are sent. Drop the others afterwards.",
    room,
  );
  return interpolate(text, { room: shownNumber(room), count: shownNumber(count) }, true);
}

function progress(done, count, percent) {
  const text = ngettext(
    "%(done)s of %(count)s file, %(percent)s", "%(done)s of %(count)s files, %(percent)s", count,
  );
  const share = shownPercent(percent / 100);
  const shown = { done: shownNumber(done), count: shownNumber(count), percent: share };
  return interpolate(text, shown, true);
}

function arrived(count) {
  const text = ngettext(
    "%(count)s file has come. Analyse it with the button below.",
    "%(count)s files have come. Analyse them with the button below.",
    count,
  );
  return interpolate(text, { count: shownNumber(count) }, true);
}

function noAnswer({ name }) {
  const text = gettext("%(name)s: the server does not answer. Send it again later.");
  return interpolate(text, { name }, true);
}

// Without HTTPS a browser has no randomUUID.
function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
