// Plays the songs of the page in order: [data-play] buttons are the queue, [data-player] the
// sticky bar. For users who are logged in, a song played for 30 seconds, or half of it, is recorded
// as heard, and one that is left for another song before its end as skipped.

const LISTEN_SECONDS = 30;
const END_SECONDS = 10; // who leaves a song so near to its end skips nothing
const JUMP_SECONDS = 1.5; // a larger step between two time updates is a seek, not listening

const player = document.querySelector("[data-player]");
const audio = player.querySelector("audio");
const queue = [...document.querySelectorAll("[data-play]")];
const listensUrl = player.dataset.listensUrl; // empty for anonymous visitors
let index = -1;
let heard = 0;
let lastTime = 0;
let noted = false;

// Whether this browser says beforehand that it cannot play a song's format, as most do of ALAC.
function isUnplayable(button) {
  const { mediaType } = button.dataset;
  return mediaType !== "application/octet-stream" && audio.canPlayType(mediaType) === "";
}

// "ALAC" of audio/mp4; codecs="alac", "WMA" of audio/x-ms-wma.
function formatName(mediaType) {
  const codec = mediaType.match(/codecs="(\w+)/)?.[1].replace("mp4a", "aac");
  return (codec ?? mediaType.replace(/^audio\/(x-)?(ms-)?/, "")).toUpperCase();
}

// The next song in a direction that this browser may play; where there is none, the queue's end.
function playable(position, step) {
  while (queue[position] && isUnplayable(queue[position])) position += step;
  return position;
}

function load(next) {
  if (index >= 0) noteSkip();
  queue[index]?.closest("[data-entry]")?.classList.remove("is-playing");
  index = next;
  const { audioUrl, title, artist } = queue[index].dataset;
  [heard, lastTime, noted] = [0, 0, false];
  audio.src = audioUrl;
  player.hidden = false;
  player.querySelector("[data-now-title]").textContent = title;
  player.querySelector("[data-now-artist]").textContent = artist;
  queue[index].closest("[data-entry]")?.classList.add("is-playing");
  player.querySelector("[data-previous]").disabled = index === 0;
  player.querySelector("[data-next]").disabled = index === queue.length - 1;
  document.dispatchEvent(new CustomEvent("affetti:song", { detail: { index } }));
  if ("mediaSession" in navigator) {
    navigator.mediaSession.metadata = new MediaMetadata({ title, artist });
  }
}

function play(next) {
  if (next < 0 || next >= queue.length) return;
  if (next !== index) load(next);
  audio.play().catch(() => {}); // refused autoplay, or a newer song: the bar shows it paused
}

function toggle(position) {
  if (position === index && !audio.paused) audio.pause();
  else play(position);
}

function send(url, body) {
  const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
  return fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRFToken": token },
    body: JSON.stringify(body),
  });
}

async function noteListen() {
  noted = true;
  await send(listensUrl, {
    song_id: Number(queue[index].dataset.songId),
    seconds_played: Math.round(heard),
  });
}

// The song before another one is loaded: it was skipped if it was begun and not played to its end.
function noteSkip() {
  const { skipsUrl } = queue[index].dataset;
  const isOver = audio.ended || audio.duration - audio.currentTime < END_SECONDS;
  if (!listensUrl || audio.error || !heard || isOver) return;
  send(skipsUrl, { seconds_played: Math.round(audio.currentTime) });
}

audio.addEventListener("timeupdate", () => {
  const step = audio.currentTime - lastTime;
  lastTime = audio.currentTime;
  if (step > 0 && step < JUMP_SECONDS) heard += step;
  const enough = Math.min(LISTEN_SECONDS, audio.duration / 2);
  if (listensUrl && !noted && heard >= enough) noteListen();
});
audio.addEventListener("ended", () => play(playable(index + 1, 1)));
audio.addEventListener("error", () => {
  queue[index].closest("[data-entry]")?.classList.add("is-broken");
  player.querySelector("[data-now-artist]").textContent = "This file cannot be played.";
  play(playable(index + 1, 1));
});
for (const type of ["play", "pause"]) {
  audio.addEventListener(type, () => {
    queue.forEach((button, position) => {
      const isPlaying = position === index && !audio.paused;
      button.setAttribute("aria-pressed", String(isPlaying));
      button.querySelector("[data-icon-play]").toggleAttribute("hidden", isPlaying);
      button.querySelector("[data-icon-pause]").toggleAttribute("hidden", !isPlaying);
    });
  });
}
for (const button of queue.filter(isUnplayable)) {
  const note = document.createElement("p");
  note.className = "unplayable";
  note.textContent = `This browser does not play ${formatName(button.dataset.mediaType)}.`;
  (button.closest("[data-entry]") ?? button.nextElementSibling).append(note);
}
queue.forEach((button, position) => button.addEventListener("click", () => toggle(position)));
for (const button of player.querySelectorAll("[data-previous], [data-next]")) {
  button.hidden = queue.length < 2;
}
document.querySelector("[data-play-all]")?.addEventListener("click", () => play(playable(0, 1)));
player.querySelector("[data-previous]").addEventListener("click", () => play(playable(index - 1, -1)));
player.querySelector("[data-next]").addEventListener("click", () => play(playable(index + 1, 1)));
if ("mediaSession" in navigator) {
  navigator.mediaSession.setActionHandler("previoustrack", () => play(playable(index - 1, -1)));
  navigator.mediaSession.setActionHandler("nexttrack", () => play(playable(index + 1, 1)));
}

// The dot of the song that plays, on the playlist's path.
document.addEventListener("affetti:song", ({ detail }) => {
  document.querySelectorAll("[data-path-dot]").forEach((dot, position) => {
    dot.classList.toggle("is-playing", position === detail.index);
  });
});

// The timeline of a song page: the line shows where it plays, a click seeks.
const chart = document.querySelector("[data-timeline]");
if (chart) {
  const playhead = chart.querySelector("[data-playhead]");
  const width = chart.viewBox.baseVal.width;
  const length = Number(chart.dataset.durationSeconds);
  audio.addEventListener("timeupdate", () => {
    const x = (audio.currentTime / length) * width;
    playhead.setAttribute("x1", x);
    playhead.setAttribute("x2", x);
  });
  chart.addEventListener("click", (event) => {
    const box = chart.getBoundingClientRect();
    const seconds = ((event.clientX - box.left) / box.width) * length;
    if (index < 0) load(0);
    const seek = () => { audio.currentTime = seconds; };
    if (audio.readyState >= HTMLMediaElement.HAVE_METADATA) seek();
    else audio.addEventListener("loadedmetadata", seek, { once: true });
    play(0);
  });
}
