// The mood map: a point chosen with mouse, finger or keys is played.
// Without JavaScript the two sliders below it do the same.

const SVG = "http://www.w3.org/2000/svg";
const SIZE = 1000;
const STEP = 0.02;
const NEAR = 28; // how far from a dot its title still shows, in the plane's own units
const QUADRANTS = { Q1: "happy, lively", Q2: "angry, tense", Q3: "sad, low", Q4: "calm, content" };

const svg = document.querySelector("[data-plane]");
const form = document.querySelector("[data-plane-form]");
const dots = svg.querySelector("[data-dots]");
const cursor = svg.querySelector("[data-cursor]");
const reading = document.querySelector("[data-plane-reading]");
const nearest = document.querySelector("[data-plane-nearest]");
let songs = [];
let marked = null;

const clamp = (value) => Math.min(1, Math.max(0, value));
const toX = (valence) => valence * SIZE;
const toY = (arousal) => (1 - arousal) * SIZE;

function quadrant(valence, arousal) {
  if (arousal >= 0.5) return valence >= 0.5 ? "Q1" : "Q2";
  return valence >= 0.5 ? "Q4" : "Q3";
}

function pointOf(event) {
  const box = svg.getBoundingClientRect();
  return [
    clamp((event.clientX - box.left) / box.width),
    clamp(1 - (event.clientY - box.top) / box.height),
  ];
}

function current() {
  return [Number(form.valence.value), Number(form.arousal.value)];
}

function show(valence, arousal) {
  cursor.setAttribute("transform", `translate(${toX(valence)} ${toY(arousal)})`);
  reading.textContent =
    `Pleasant ${valence.toFixed(2)}, lively ${arousal.toFixed(2)}: ` +
    QUADRANTS[quadrant(valence, arousal)];
  markNearest(valence, arousal);
}

function choose(valence, arousal) {
  form.valence.value = valence.toFixed(2);
  form.arousal.value = arousal.toFixed(2);
  show(...current());
}

function markNearest(valence, arousal) {
  let best = null;
  let distance = NEAR / SIZE;
  for (const song of songs) {
    const d = Math.hypot(song.valence - valence, song.arousal - arousal);
    if (d < distance) [best, distance] = [song, d];
  }
  if (marked) marked.classList.remove("is-near");
  marked = best ? best.dot : null;
  if (marked) marked.classList.add("is-near");
  nearest.textContent = best ? `${best.title} – ${best.artist || "unknown artist"}` : "";
}

async function drawSongs() {
  const response = await fetch(svg.dataset.songsUrl);
  if (!response.ok) return;
  songs = (await response.json()).songs;
  const radius = songs.length > 600 ? 6 : 9;
  for (const song of songs) {
    const dot = document.createElementNS(SVG, "circle");
    dot.setAttribute("cx", toX(song.valence));
    dot.setAttribute("cy", toY(song.arousal));
    dot.setAttribute("r", radius);
    dot.setAttribute("class", `dot ${quadrant(song.valence, song.arousal).toLowerCase()}`);
    song.dot = dot;
    dots.append(dot);
  }
}

const KEYS = {
  ArrowLeft: [-STEP, 0],
  ArrowRight: [STEP, 0],
  ArrowUp: [0, STEP],
  ArrowDown: [0, -STEP],
};

svg.addEventListener("pointermove", (event) => {
  if (event.pointerType === "mouse") show(...pointOf(event));
});
svg.addEventListener("pointerleave", () => show(...current()));
svg.addEventListener("click", (event) => {
  choose(...pointOf(event));
  form.requestSubmit();
});
svg.addEventListener("keydown", (event) => {
  if (event.key in KEYS) {
    const scale = event.shiftKey ? 5 : 1;
    const [dv, da] = KEYS[event.key];
    const [valence, arousal] = current();
    choose(clamp(valence + dv * scale), clamp(arousal + da * scale));
  } else if (event.key === "Enter" || event.key === " ") {
    form.requestSubmit();
  } else {
    return;
  }
  event.preventDefault();
});
form.addEventListener("input", () => show(...current()));

show(...current());
drawSongs();
