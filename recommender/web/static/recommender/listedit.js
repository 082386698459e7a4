// Changes of a list by hand: rows are dragged, moved by keys, removed, and found songs are added.
// Each change is one word that the form sends; the server answers with the page of the new list.

import { notify, onElement } from "./page.js";
import { shownNumber } from "./shown.js";

const SEND_AFTER = 700; // ms without a key: several steps of one row are one change
const EDGE = 80; // px from the edge of the window where dragging scrolls

let focusedLater = null; // what gets the focus in the next page of the list
let pending = null; // the row that keys have moved, until it is sent
let isOrdering = false; // every row shows its handle, for fingers

function send(word, focus) {
  focusedLater = focus;
  const form = document.querySelector("[data-edit-form]");
  const button = document.createElement("button");
  Object.assign(button, { name: "edit", value: word, hidden: true });
  form.append(button);
  form.requestSubmit(button);
  button.remove();
}

const rowsOf = (list) => [...list.querySelectorAll("[data-entry]")];
const idOf = (row) => row.dataset.row;
const handleOf = (id) => `#entry-${id} [data-handle]`;

function sendMove(list, row) {
  pending = null;
  send(`move.${idOf(row)}.${rowsOf(list).indexOf(row)}`, handleOf(idOf(row)));
}

// Before the list, whose start may give the focus to the input.
onElement("[data-adding]", (adding) => {
  const input = adding.querySelector("input");
  const found = adding.querySelector("[data-found-songs]");
  let timer = 0;
  let asked = 0;
  adding.hidden = false;

  async function look() {
    const number = (asked += 1);
    const url = `${adding.dataset.foundUrl}?${new URLSearchParams({ find: input.value })}`;
    const answer = await fetch(url);
    if (number !== asked || !answer.ok) return;
    found.innerHTML = await answer.text(); // a page of ours, whose texts are escaped
    for (const button of found.querySelectorAll("[data-found]")) {
      if (!document.getElementById(`entry-${button.dataset.found}`)) continue;
      button.disabled = true;
      button.textContent = gettext("In the list");
    }
  }
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(look, 250);
  });
  found.addEventListener("click", ({ target }) => {
    if (target.closest("[data-found]")) focusedLater = "#id_find";
  });
});

const showOrdering = () => {
  document.querySelector("[data-edit-list]")?.classList.toggle("is-ordering", isOrdering);
  document.querySelector("[data-order]")?.setAttribute("aria-pressed", String(isOrdering));
};
onElement("[data-order]", (button) => {
  button.addEventListener("click", () => {
    isOrdering = !isOrdering;
    showOrdering();
  });
  return () => { if (!document.querySelector("[data-edit-list]")) isOrdering = false; };
});

onElement("[data-edit-list]", (list) => {
  showOrdering();
  const focus = focusedLater && document.querySelector(focusedLater);
  focusedLater = null;
  focus?.focus({ preventScroll: true });
  let timer = 0;

  function step(row, down) {
    const other = down ? row.nextElementSibling : row.previousElementSibling;
    if (!other) return;
    if (down) row.before(other);
    else row.after(other);
    row.scrollIntoView({ block: "nearest" });
    const rows = rowsOf(list);
    const shown = { place: shownNumber(rows.indexOf(row) + 1), count: shownNumber(rows.length) };
    document.querySelector("[data-announced]").textContent =
      interpolate(gettext("Place %(place)s of %(count)s"), shown, true);
    pending = row;
    clearTimeout(timer);
    timer = setTimeout(() => sendMove(list, row), SEND_AFTER);
  }

  function flush() {
    clearTimeout(timer);
    if (pending) sendMove(list, pending);
  }

  list.addEventListener("keydown", (event) => {
    const row = event.target.closest("[data-handle]")?.closest("[data-entry]");
    if (!row) return;
    if (pending && pending !== row) flush();
    if (event.key === "ArrowUp" || event.key === "ArrowDown") {
      event.preventDefault();
      step(row, event.key === "ArrowDown");
    } else if (event.key === "Delete" || event.key === "Backspace") {
      event.preventDefault();
      clearTimeout(timer);
      pending = null;
      const next = row.nextElementSibling ?? row.previousElementSibling;
      send(`remove.${idOf(row)}`, next ? handleOf(idOf(next)) : "#id_find");
      notify(gettext("Removed. Undo is below the list, or press Control and Z."));
    }
  });
  list.addEventListener("focusout", ({ relatedTarget }) => {
    if (pending && relatedTarget && !pending.contains(relatedTarget)) flush();
  });

  list.addEventListener("pointerdown", (event) => {
    const handle = event.target.closest("[data-handle]");
    if (!handle || event.button !== 0) return;
    drag(list, handle, event);
  });

  const undo = (event) => {
    const isUndo = (event.ctrlKey || event.metaKey) && event.key === "z" && !event.shiftKey;
    if (!isUndo || event.target.closest("input, textarea, select")) return;
    const button = document.querySelector("[data-undo]");
    if (!button) return;
    event.preventDefault();
    button.click();
  };
  document.addEventListener("keydown", undo);
  return () => {
    clearTimeout(timer);
    pending = null;
    document.removeEventListener("keydown", undo);
  };
});

// The other rows move past the dragged one, which keeps the pointer as long as it stays in the page.
function drag(list, handle, start) {
  const row = handle.closest("[data-entry]");
  const before = rowsOf(list).indexOf(row);
  handle.setPointerCapture(start.pointerId);
  row.classList.add("is-dragged");

  function move({ clientY }) {
    if (clientY < EDGE) scrollBy(0, -12);
    else if (clientY > innerHeight - EDGE) scrollBy(0, 12);
    const next = rowsOf(list).find((other) => {
      const { top, height } = other.getBoundingClientRect();
      return other !== row && !other.hidden && clientY < top + height / 2;
    });
    const isUp = next && next.compareDocumentPosition(row) & Node.DOCUMENT_POSITION_FOLLOWING;
    while (row.nextElementSibling !== (next ?? null)) {
      if (isUp) row.after(row.previousElementSibling);
      else row.before(row.nextElementSibling);
    }
  }

  function end() {
    handle.removeEventListener("pointermove", move);
    row.classList.remove("is-dragged");
    if (rowsOf(list).indexOf(row) !== before) sendMove(list, row);
  }
  handle.addEventListener("pointermove", move);
  handle.addEventListener("lostpointercapture", end, { once: true });
}
