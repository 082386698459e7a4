// Where the song is: a slider, drawn over the song's waveform where it is known. Colours of the
// waveform are the mood at each moment.

import { currentSong, queue, seek, sound } from "../player.js";
import { clock } from "../shown.js";

const STEP_SECONDS = 5;
const BARS = 160;
const SVG = "http://www.w3.org/2000/svg";

const player = document.querySelector("[data-player]");
const slider = player.querySelector("[data-seek]");
const wave = player.querySelector("[data-wave]");
const elapsed = player.querySelector("[data-elapsed]");
const total = player.querySelector("[data-total-time]");
let isDragged = false;
let shownId = null;

function show(seconds) {
  const { duration } = sound;
  slider.max = duration || 1;
  slider.value = duration ? seconds : 0;
  elapsed.textContent = clock(seconds);
  const length = currentSong()?.durationSeconds || duration; // as on the pages, where it is known
  total.textContent = length ? clock(length) : "";
  const shown = { time: clock(seconds), duration: clock(length) };
  slider.setAttribute("aria-valuetext", interpolate(gettext("%(time)s of %(duration)s"), shown, true));
  const share = duration ? seconds / duration : 0;
  player.style.setProperty("--played", share.toFixed(4));
  wave.querySelector("[data-played]")?.setAttribute("width", (share * BARS).toFixed(2));
}

slider.addEventListener("input", () => {
  isDragged = true;
  show(Number(slider.value));
});
slider.addEventListener("change", () => {
  isDragged = false;
  seek(Number(slider.value));
});
slider.addEventListener("keydown", (event) => {
  const way = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
  if (!way) return;
  event.preventDefault();
  seek(sound.seconds + way * STEP_SECONDS);
});

// --- the waveform ---
async function drawWave() {
  const item = currentSong();
  if (item?.songId === shownId) return;
  shownId = item?.songId ?? null;
  wave.replaceChildren();
  slider.classList.remove("has-wave");
  const { waveformUrl } = player.dataset;
  if (!item || !waveformUrl) return;
  const answer = await fetch(waveformUrl.replace("/0/", `/${item.songId}/`)).catch(() => null);
  if (!answer?.ok) return;
  const { peaks, sections, duration_seconds: duration } = await answer.json();
  if (item.songId !== shownId || !peaks.length) return;
  wave.replaceChildren(gradient(sections ?? [], duration), clip(), ...paths(bars(peaks)));
  slider.classList.add("has-wave");
  show(sound.seconds);
}

// The loudest peak of each bar, as a path.
function bars(peaks) {
  const heights = Array.from({ length: BARS }, (_, bar) => {
    const first = Math.floor((bar * peaks.length) / BARS);
    const last = Math.max(first + 1, Math.floor(((bar + 1) * peaks.length) / BARS));
    return Math.max(...peaks.slice(first, last)) / 255;
  });
  return heights.map((height, bar) => {
    const half = Math.max(2, height * 48).toFixed(1);
    return `M${bar + 0.18} ${50 - half}h.64V${50 + Number(half)}h-.64z`;
  }).join("");
}

function paths(d) {
  return ["wave-all", "wave-played"].map((name) => element("path", { class: name, d }));
}

function clip() {
  const path = element("clipPath", { id: "wave-clip" });
  path.append(element("rect", { "data-played": "", x: 0, y: 0, width: 0, height: 100 }));
  return path;
}

function gradient(sections, duration) {
  const across = { id: "wave-mood", gradientUnits: "userSpaceOnUse", x1: 0, x2: BARS, y1: 0, y2: 0 };
  const mood = element("linearGradient", across);
  const { quadrant } = queue.current;
  const known = sections.length ? sections : [{ start_seconds: 0, quadrant }];
  for (const { start_seconds: start, quadrant: name } of known) {
    const offset = duration ? start / duration : 0;
    mood.append(element("stop", { offset, class: (name || "").toLowerCase() }));
  }
  return mood;
}

function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

document.addEventListener("affetti:time", ({ detail }) => {
  if (!isDragged) show(detail.seconds);
});
document.addEventListener("affetti:song", () => {
  isDragged = false;
  show(sound.seconds);
  drawWave();
});
sound.addEventListener("durationchange", () => show(sound.seconds));
show(sound.seconds);
drawWave();
