// Likes and bans without a new page, and the plane of "Wrong mood?". The forms work without it.

import { csrfToken, onElement, reloadPage } from "./page.js";
import { quadrantMood, shownNumber } from "./shown.js";

const SIZE = 100; // of the plane, in its own units

onElement("[data-mark]", (form) => {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    const isOn = button.getAttribute("aria-pressed") === "true";
    const data = new FormData(form);
    data.set("csrfmiddlewaretoken", csrfToken());
    if (isOn) data.set("undo", "1");
    button.disabled = true;
    try {
      const response = await fetch(form.action, {
        method: "POST",
        headers: { "X-Requested-With": "fetch" },
        body: data,
      });
      if (response.status === 204) show(form, !isOn);
      else reloadPage(); // logged out meanwhile, or the song is gone
    } finally {
      button.disabled = false;
    }
  });
});

// A like ends a ban, and a ban a like. A row, its menu and the player may have buttons for one song.
function show(form, isOn) {
  const { mark } = form.dataset;
  const all = [...document.querySelectorAll("[data-mark]")];
  const other = (url) => url.replace(/\/(like|ban)$/, mark === "like" ? "/ban" : "/like");
  for (const one of all) {
    if (one.action === form.action) press(one, isOn);
    else if (isOn && one.action === other(form.action)) press(one, false);
  }
  for (const ban of all.filter((one) => one.dataset.mark === "ban")) {
    const isBanned = ban.querySelector("button").getAttribute("aria-pressed") === "true";
    ban.closest("[data-entry]")?.classList.toggle("is-banned", isBanned);
  }
}

function press(form, isOn) {
  const button = form.querySelector("button");
  button.setAttribute("aria-pressed", String(isOn));
  button.value = isOn ? "1" : "";
}

const STEP = 0.02; // of an arrow key; five times as much with Shift
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const QUADRANTS = { "11": "Q1", "01": "Q2", "00": "Q3", "10": "Q4" };

// A place on the plane: dragged, moved by the arrow keys, or set by the two sliders.
onElement("[data-place-form]", (form) => {
  const plane = form.querySelector("[data-place-plane]");
  const dot = plane.querySelector("[data-place-dot]");
  const line = plane.querySelector("[data-place-line]");
  const words = form.querySelector("[data-place-words]");
  const save = form.querySelector("[data-place-save]");
  const hint = words?.textContent;

  function draw() {
    const [x, y] = [form.valence.value * SIZE, (1 - form.arousal.value) * SIZE];
    dot.setAttribute("cx", x);
    dot.setAttribute("cy", y);
    line.setAttribute("x2", x);
    line.setAttribute("y2", y);
  }

  function moved() {
    draw();
    plane.classList.add("is-moved");
    if (!save) return;
    save.hidden = false;
    const side = (slider) => Number(slider.value >= 0.5);
    const text = gettext("Here it is %(mood)s: pleasant %(valence)s, lively %(arousal)s.");
    words.textContent = interpolate(text, {
      mood: quadrantMood(QUADRANTS[`${side(form.valence)}${side(form.arousal)}`]),
      valence: shownNumber(form.valence.value),
      arousal: shownNumber(form.arousal.value),
    }, true);
  }

  function choose(event) {
    const box = plane.getBoundingClientRect();
    const { x, y, width, height } = plane.viewBox.baseVal;
    const across = x + ((event.clientX - box.left) / box.width) * width;
    const down = y + ((event.clientY - box.top) / box.height) * height;
    form.valence.value = across / SIZE;
    form.arousal.value = 1 - down / SIZE;
    moved();
  }

  plane.removeAttribute("hidden");
  form.querySelector("[data-place-plain]")?.setAttribute("hidden", "");
  plane.addEventListener("pointerdown", (event) => {
    plane.setPointerCapture(event.pointerId);
    choose(event);
  });
  plane.addEventListener("pointermove", (event) => {
    if (plane.hasPointerCapture(event.pointerId)) choose(event);
  });
  plane.addEventListener("keydown", (event) => {
    if (!(event.key in ARROWS)) return;
    event.preventDefault();
    const step = event.shiftKey ? 5 * STEP : STEP;
    const [across, up] = ARROWS[event.key];
    form.valence.value = Number(form.valence.value) + across * step;
    form.arousal.value = Number(form.arousal.value) + up * step;
    moved();
  });
  form.addEventListener("input", moved);
  const wasMoved = plane.classList.contains("is-moved");
  form.addEventListener("reset", () => setTimeout(() => {
    draw();
    plane.classList.toggle("is-moved", wasMoved);
    if (save) save.hidden = true;
    if (words) words.textContent = hint;
  }));
  draw();
});
