// Likes and bans without a new page, and the plane of "Wrong mood?". The forms work without it.

const SIZE = 100; // of the plane, in its own units

for (const form of document.querySelectorAll("[data-mark]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    const isOn = button.getAttribute("aria-pressed") === "true";
    const data = new FormData(form);
    if (isOn) data.set("undo", "1");
    button.disabled = true;
    try {
      const response = await fetch(form.action, {
        method: "POST",
        headers: { "X-Requested-With": "fetch" },
        body: data,
      });
      if (response.status === 204) show(form, !isOn);
      else window.location.reload(); // logged out meanwhile, or the song is gone
    } finally {
      button.disabled = false;
    }
  });
}

// A like ends a ban, and a ban a like.
function show(form, isOn) {
  press(form, isOn);
  const other = form.dataset.mark === "like" ? "ban" : "like";
  const group = form.closest(".marks");
  if (isOn) press(group.querySelector(`[data-mark="${other}"]`), false);
  const isBanned = group.querySelector('[data-mark="ban"] button').getAttribute("aria-pressed");
  form.closest("[data-entry]")?.classList.toggle("is-banned", isBanned === "true");
}

function press(form, isOn) {
  const button = form.querySelector("button");
  button.setAttribute("aria-pressed", String(isOn));
  button.value = isOn ? "1" : "";
}

for (const form of document.querySelectorAll("[data-place-form]")) {
  const plane = form.querySelector("[data-place-plane]");
  const dot = plane.querySelector("[data-place-dot]");
  const line = plane.querySelector("[data-place-line]");

  function draw() {
    const x = form.valence.value * SIZE;
    const y = (1 - form.arousal.value) * SIZE;
    dot.setAttribute("cx", x);
    dot.setAttribute("cy", y);
    line.setAttribute("x2", x);
    line.setAttribute("y2", y);
  }

  function choose(event) {
    const box = plane.getBoundingClientRect();
    const { x, y, width, height } = plane.viewBox.baseVal;
    const across = x + ((event.clientX - box.left) / box.width) * width;
    const down = y + ((event.clientY - box.top) / box.height) * height;
    form.valence.value = across / SIZE;
    form.arousal.value = 1 - down / SIZE;
    draw();
  }

  plane.removeAttribute("hidden");
  plane.addEventListener("pointerdown", (event) => {
    plane.setPointerCapture(event.pointerId);
    choose(event);
  });
  plane.addEventListener("pointermove", (event) => {
    if (plane.hasPointerCapture(event.pointerId)) choose(event);
  });
  form.addEventListener("input", draw);
  draw();
}
