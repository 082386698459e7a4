// Small boxes that a button opens, with the browser's own `popover`: it closes them with Escape and
// with a click elsewhere, and gives the focus back. Here they get a place beside their button, the
// arrow keys in menus, and a single turn: choosing something in a menu closes it.

import { notify, onElement } from "./page.js";

const GAP = 6;
const NARROW = 544; // below, the style sheet lays boxes at the lower edge

function place(box, button) {
  if (innerWidth < NARROW) return;
  const at = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = box;
  const left = Math.max(GAP, Math.min(at.left, innerWidth - width - GAP));
  const isBelow = at.bottom + GAP + height < innerHeight || at.top < height + GAP;
  const top = isBelow ? Math.min(at.bottom + GAP, innerHeight - height - GAP) : at.top - height - GAP;
  box.style.left = `${left}px`;
  box.style.top = `${Math.max(GAP, top)}px`;
}

const choices = (box) => [...box.querySelectorAll(":is(a[href], button):not([hidden])")];

onElement("[data-pop]", (box) => {
  const button = document.querySelector(`[popovertarget="${box.id}"]`);
  button.setAttribute("aria-expanded", "false");
  box.addEventListener("toggle", ({ newState }) => {
    const isOpen = newState === "open";
    button.setAttribute("aria-expanded", String(isOpen));
    if (!isOpen) return;
    box.classList.add("is-placed");
    place(box, button);
    (box.querySelector("input:not([type=hidden])") ?? choices(box)[0])?.focus();
  });
  if (!box.classList.contains("menu")) return;
  box.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const all = choices(box);
    all[(all.indexOf(document.activeElement) + step + all.length) % all.length].focus();
  });
  box.addEventListener("click", ({ target }) => {
    if (target.closest("a, button") && !target.closest("[data-mark]")) box.hidePopover();
  });
});

// Copies its value, or the text of `data-copied` beside it.
onElement("[data-copy]", (button) => {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    const link = button.dataset.copy || button.parentElement.querySelector("[data-copied]").textContent;
    try {
      await navigator.clipboard.writeText(link);
      notify(gettext("Copied."));
    } catch {
      notify(gettext("The browser does not allow it. Select the text and copy it."));
    }
  });
});
onElement("[data-share-url]", (input) => {
  input.addEventListener("focus", () => input.select());
});
onElement("[data-autosubmit]", (form) => {
  form.querySelector("[data-without-script]").hidden = true;
  form.addEventListener("change", ({ target }) => {
    if (target.matches("select")) form.requestSubmit(); // a text is sent with Enter
  });
});
