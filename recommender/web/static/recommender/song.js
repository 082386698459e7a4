// The page of a song: its waveform in the colours of its mood, and lyrics that follow the music.

import { onElement } from "./page.js";
import { currentSong, itemOf, playQueue, seek, sound, toggle } from "./player.js";
import { clock, quadrantMood } from "./shown.js";

const BAR = 3; // pixels from one bar to the next
const GAP = 1;
const STEPS = { ArrowLeft: -5, ArrowDown: -5, ArrowRight: 5, ArrowUp: 5, PageDown: -30, PageUp: 30 };
const COLOURS = { Q1: "--happy", Q2: "--angry", Q3: "--sad", Q4: "--calm" };
const FLAT = Array(400).fill(40); // while the peaks are not known
const READING_MS = 4000; // lyrics do not scroll for so long after the reader has scrolled them

const isCurrent = (songId) => currentSong()?.songId === songId;

function playFrom(songId, seconds) {
  if (!isCurrent(songId)) {
    playQueue([itemOf(document.querySelector(`#main [data-play][data-song-id="${songId}"]`))]);
  }
  seek(seconds);
  if (sound.isPaused) sound.play();
}

// Call `show` with the seconds whenever this song plays on; return what ends that.
function whilePlaying(songId, show) {
  const listen = ({ detail }) => {
    if (detail.songId === songId) show(detail.seconds, detail.duration);
  };
  document.addEventListener("affetti:time", listen);
  return () => document.removeEventListener("affetti:time", listen);
}

onElement("[data-seek-song]", (button) => {
  const { seekSong, seekSeconds } = button.dataset;
  button.addEventListener("click", () => playFrom(Number(seekSong), Number(seekSeconds)));
});

onElement("[data-waveform]", (slider) => {
  const canvas = slider.querySelector("canvas");
  const card = slider.parentElement;
  const note = card.querySelector("[data-waveform-note]");
  const songId = Number(slider.dataset.songId);
  let length = Number(slider.dataset.durationSeconds) || 0;
  let [peaks, sections, now, pointed] = [FLAT, [], 0, null];

  const moodAt = (seconds) => sections.findLast((one) => one.start_seconds <= seconds) ?? sections[0];

  function draw() {
    const { width, height } = slider.getBoundingClientRect();
    const ratio = devicePixelRatio || 1;
    [canvas.width, canvas.height] = [width * ratio, height * ratio];
    const brush = canvas.getContext("2d");
    brush.scale(ratio, ratio);
    const style = getComputedStyle(slider);
    const ink = style.getPropertyValue("--ink");
    const bars = Math.max(1, Math.floor(width / BAR));
    for (let bar = 0; bar < bars; bar += 1) {
      const first = Math.floor((bar / bars) * peaks.length);
      const end = Math.max(first + 1, Math.ceil(((bar + 1) / bars) * peaks.length));
      const tall = Math.max(2, (Math.max(...peaks.slice(first, end)) / 255) * (height - 4));
      const seconds = (bar / bars) * length;
      const mood = moodAt(seconds);
      brush.fillStyle = style.getPropertyValue(mood ? COLOURS[mood.quadrant] : "--faint");
      brush.globalAlpha = !now || seconds <= now ? 1 : 0.4;
      brush.beginPath();
      brush.roundRect(bar * BAR, (height - tall) / 2, BAR - GAP, tall, 1);
      brush.fill();
    }
    brush.globalAlpha = 1;
    brush.fillStyle = ink;
    for (const [seconds, alpha] of [[now, 1], [pointed, 0.5]]) {
      if (!seconds || !length) continue;
      brush.globalAlpha = alpha;
      brush.fillRect(Math.min(width - 2, (seconds / length) * width), 0, 2, height);
    }
  }

  function told(seconds) {
    const mood = moodAt(seconds);
    return mood ? `${clock(seconds)}, ${quadrantMood(mood.quadrant)}` : clock(seconds);
  }

  function show(seconds) {
    now = seconds;
    slider.setAttribute("aria-valuenow", Math.round(seconds));
    slider.setAttribute("aria-valuetext", told(seconds));
    card.querySelector("[data-waveform-now]").textContent = clock(seconds);
    draw();
  }

  function setLength(seconds) {
    if (!seconds || !Number.isFinite(seconds)) return;
    length = seconds;
    slider.setAttribute("aria-valuemax", Math.round(seconds));
    card.querySelector("[data-waveform-end]").textContent = clock(seconds);
  }

  async function load() {
    const response = await fetch(slider.dataset.url, { headers: { Accept: "application/json" } });
    const answer = await response.json();
    if (!response.ok) {
      note.textContent = answer.message;
      return;
    }
    ({ peaks, sections } = answer);
    if (!length) setLength(answer.duration_seconds);
    slider.classList.add("is-loaded");
    draw();
  }

  const secondsAt = (event) => {
    const box = slider.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) * length;
  };
  slider.addEventListener("click", (event) => {
    if (!length) return;
    show(secondsAt(event));
    playFrom(songId, secondsAt(event));
  });
  slider.addEventListener("pointermove", (event) => {
    if (event.pointerType !== "mouse" || !length) return;
    pointed = secondsAt(event);
    note.textContent = told(pointed);
    draw();
  });
  slider.addEventListener("pointerleave", () => {
    if (pointed !== null) note.textContent = "";
    pointed = null;
    draw();
  });
  slider.addEventListener("keydown", (event) => {
    let seconds = null;
    if (event.key in STEPS) seconds = now + STEPS[event.key];
    else if (event.key === "Home") seconds = 0;
    else if (event.key === "End") seconds = length - 1;
    else if (event.key === " " || event.key === "Enter") {
      if (isCurrent(songId)) toggle();
      else playFrom(songId, now);
    } else return;
    event.preventDefault();
    if (seconds === null || !length) return;
    show(Math.min(length, Math.max(0, seconds)));
    if (isCurrent(songId)) seek(now);
  });

  const resized = new ResizeObserver(draw);
  resized.observe(slider);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", draw);
  const stop = whilePlaying(songId, (seconds, duration) => {
    if (!length) setLength(duration);
    show(seconds);
  });
  load().catch(() => { note.textContent = gettext("The waveform cannot be loaded now."); });
  return () => {
    stop();
    resized.disconnect();
    scheme.removeEventListener("change", draw);
  };
});

// The line that is sung is marked, and scrolled into the middle of its frame.
onElement("[data-lyrics]", (frame) => {
  const lines = [...frame.querySelectorAll("[data-seek-seconds]")];
  if (!lines.length) return undefined;
  let [sung, touchedAt] = [null, -READING_MS];
  for (const type of ["wheel", "touchmove", "keydown", "pointerdown"]) {
    frame.addEventListener(type, () => { touchedAt = performance.now(); }, { passive: true });
  }
  const stop = whilePlaying(Number(frame.dataset.songId), (seconds) => {
    const line = lines.findLast((one) => Number(one.dataset.seekSeconds) <= seconds + 0.1) ?? null;
    if (line === sung) return;
    sung?.removeAttribute("aria-current");
    sung = line;
    if (!sung) return;
    sung.setAttribute("aria-current", "true");
    if (performance.now() - touchedAt < READING_MS) return;
    const top = sung.offsetTop - (frame.clientHeight - sung.offsetHeight) / 2;
    const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
    frame.scrollTo({ top, behavior: isStill ? "instant" : "smooth" });
  });
  return stop;
});
