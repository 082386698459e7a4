// The map of the home page: what mouse, fingers and keys do on it. A click plays the songs there,
// dragging draws a journey. The tools of the map move it, or circle some songs.

import { onElement } from "./page.js";
import { currentSong } from "./player.js";
import { showList } from "./panel.js";
import { readSongs } from "./mapsongs.js";
import { MapView } from "./mapview.js";
import { shownNumber, shownPercent, songCount } from "./shown.js";

const STEP = 0.02; // of an arrow key, of the part of the plane in sight
const DRAG_PIXELS = 8;
const NEAR_PIXELS = 14;
const HOVER_MS = 160;
const MOST_CHOSEN = 100;
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

const clamp = (value) => Math.min(1, Math.max(0, value));
const inPlane = (place) => place.map(clamp);
const shortNumber = (value) => value.toFixed(3);

onElement("[data-map]", (map) => {
  const home = map.closest(".home");
  const find = (name) => home.querySelector(`[data-${name}]`);
  const view = new MapView(map);
  const over = view.over;
  const form = find("plane-form");
  const reading = find("plane-reading");
  const nearest = find("plane-nearest");
  const pointers = new Map();
  let tool = "play";
  let gesture = null; // {kind, points} between pointer down and up
  let begun = null; // where a journey by keys starts
  let listed = [];
  let lasso = [];
  let chosen = [];
  let hoverTimer = 0;

  // --- what is played ---
  const play = (query) => showList(`${map.dataset.panelUrl}?${query}&min_match=0`);
  const playPoint = ([valence, arousal]) =>
    play(`valence=${shortNumber(valence)}&arousal=${shortNumber(arousal)}`);
  const playSongs = (ids) => showList(`${map.dataset.chosenUrl}?ids=${ids.join()}`);
  function playJourney(from, to) {
    const stops = [from, to].map((place) => `journey=${place.map(shortNumber).join("/")}`);
    return play(`${stops.join("&")}&journey_shape=linear`);
  }

  // --- the point of the keys and the sliders ---
  const current = () => [Number(form.valence.value), Number(form.arousal.value)];

  function show(place) {
    const [valence, arousal] = place;
    const mood = view.labels.nearest(valence, arousal);
    const near = gettext("Nearest mood: %(mood)s (pleasant %(valence)s, lively %(arousal)s)");
    const shown = { mood, valence: shownPercent(valence), arousal: shownPercent(arousal) };
    const sentences = [interpolate(near, shown, true)];
    if (begun) sentences.unshift(journeyFrom(view.labels.nearest(...begun)));
    reading.textContent = sentences.join(" ");
    map.removeAttribute("data-away");
    view.draw();
  }

  function hide() {
    map.dataset.away = "";
    reading.textContent = "";
  }

  // Before anybody chose a place, its words would answer a question that nobody asked.
  function invite() {
    show(current());
    reading.textContent = gettext("Tap the map to hear that mood.");
  }

  function choose(place) {
    [form.valence.value, form.arousal.value] = inPlane(place).map((value) => value.toFixed(2));
    show(current());
  }

  const numberPlaying = () => view.songs ? view.songs.numberOf(currentSong()?.songId) : -1;
  view.marks = () => {
    const playing = numberPlaying();
    const points = playing < 0 ? [current()] : [current(), view.songs.place(playing)];
    return { points, path: listed.map((n) => view.songs.place(n)) };
  };

  function drawOver() {
    const place = (element, x, y) => element.setAttribute("transform", `translate(${x} ${y})`);
    place(find("cursor"), ...view.toPixels(...current()));
    const path = listed.map((n) => view.toPixels(...view.songs.place(n)).map(Math.round).join());
    find("map-path").setAttribute("points", path.join(" "));
    const playing = numberPlaying();
    find("map-playing").toggleAttribute("hidden", playing < 0);
    if (playing >= 0) place(find("map-playing"), ...view.toPixels(...view.songs.place(playing)));
    const from = gesture?.kind === "journey" ? gesture.from : begun;
    const to = gesture?.kind === "journey" ? gesture.to : current();
    find("map-journey").setAttribute("d", from ? arrow(view.toPixels(...from), view.toPixels(...to)) : "");
    const round = lasso.map((one) => view.toPixels(...one).map(Math.round).join(" "));
    find("map-lasso").setAttribute("d", round.length ? `M${round.join("L")}Z` : "");
  }

  // --- songs chosen by the lasso ---
  function chooseSongs(polygon) {
    lasso = polygon;
    chosen = polygon.length > 2 && view.songs ? view.songs.inside(polygon) : [];
    if (!chosen.length) lasso = [];
    find("map-chosen").hidden = !chosen.length;
    find("map-chosen-count").textContent = songCount(chosen.length);
    drawOver();
  }

  find("map-play-chosen").addEventListener("click", () => {
    playSongs(someOf(chosen, MOST_CHOSEN).map((n) => view.songs.ids[n]));
  });
  find("map-list-chosen").addEventListener("click", () => {
    const places = chosen.map((n) => view.songs.place(n));
    const [xs, ys] = [0, 1].map((axis) => places.map((place) => place[axis]));
    const bounds = { valence_from: least(xs), valence_to: most(xs), arousal_from: least(ys), arousal_to: most(ys) };
    showList(`${map.dataset.panelUrl}?${new URLSearchParams(bounds)}`);
  });

  // --- pointers ---
  function pixelsOf(event) {
    const box = over.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  function begin(event) {
    if (pointers.size > 1) return { kind: "pinch", ...pinch() };
    const isPan = tool === "move" || event.button === 1 || event.shiftKey;
    const from = inPlane(view.toPlace(...pixelsOf(event)));
    return { kind: isPan ? "pan" : tool === "lasso" ? "lasso" : "press", from, at: pixelsOf(event), start: pixelsOf(event) };
  }

  function pinch() {
    const [[ax, ay], [bx, by]] = [...pointers.values()];
    return { middle: [(ax + bx) / 2, (ay + by) / 2], distance: Math.hypot(ax - bx, ay - by) || 1 };
  }

  over.addEventListener("pointerdown", (event) => {
    if (event.button > 1) return;
    if (event.button === 1) event.preventDefault();
    over.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, pixelsOf(event));
    gesture = begin(event);
    if (gesture.kind === "lasso") chooseSongs([]);
  });

  over.addEventListener("pointermove", (event) => {
    const at = pixelsOf(event);
    if (!pointers.has(event.pointerId)) return hover(event, at);
    pointers.set(event.pointerId, at);
    if (!gesture) return;
    if (gesture.kind === "pinch") {
      const now = pinch();
      view.panBy(now.middle[0] - gesture.middle[0], now.middle[1] - gesture.middle[1]);
      view.zoomBy(now.distance / gesture.distance, ...now.middle);
      Object.assign(gesture, now);
    } else if (gesture.kind === "pan") {
      view.panBy(at[0] - gesture.at[0], at[1] - gesture.at[1]);
      gesture.at = at;
    } else if (gesture.kind === "lasso") {
      lasso.push(view.toPlace(...at));
      drawOver();
    } else {
      const isFar = Math.hypot(at[0] - gesture.start[0], at[1] - gesture.start[1]) > DRAG_PIXELS;
      if (isFar) gesture.kind = "journey";
      gesture.to = inPlane(view.toPlace(...at));
      drawOver();
    }
  });

  over.addEventListener("pointerup", (event) => {
    const done = gesture;
    pointers.delete(event.pointerId);
    gesture = null;
    if (!done || pointers.size || done.kind === "pinch") return;
    const at = pixelsOf(event);
    if (done.kind === "lasso") chooseSongs(lasso);
    else if (done.kind === "journey") playJourney(done.from, done.to);
    else if (done.kind === "press") click(at);
    drawOver();
  });
  over.addEventListener("pointercancel", (event) => {
    pointers.delete(event.pointerId);
    gesture = null;
    drawOver();
  });

  // On the name of a song that song is meant, elsewhere the place.
  function click(at) {
    const place = inPlane(view.toPlace(...at));
    choose(place);
    const named = nearestAt(at, 24);
    const isNamed = named >= 0 && view.named.querySelector(`[data-number="${named}"].is-shown`);
    if (begun) {
      playJourney(begun, place);
      begun = null;
    } else if (isNamed) playSongs([view.songs.ids[named]]);
    else playPoint(place);
  }

  function nearestAt([x, y], pixels) {
    if (!view.songs) return -1;
    const [width, height] = [(pixels / view.size[0]) * view.view.width, (pixels / view.size[1]) * view.view.height];
    return view.songs.nearest(...view.toPlace(x, y), width, height);
  }

  function hover(event, at) {
    clearTimeout(hoverTimer);
    if (event.pointerType !== "mouse") return;
    const n = nearestAt(at, NEAR_PIXELS);
    if (n < 0) {
      nearest.textContent = "";
      return;
    }
    hoverTimer = setTimeout(async () => {
      const id = view.songs.ids[n];
      await view.askTitles([id]).catch(() => {});
      const known = view.titles.get(id);
      nearest.textContent = known ? `${known.title} – ${known.artist || gettext("unknown artist")}` : "";
    }, HOVER_MS);
  }
  over.addEventListener("pointerleave", () => {
    clearTimeout(hoverTimer);
    nearest.textContent = "";
  });

  over.addEventListener("wheel", (event) => {
    if (event.deltaY > 0 && view.zoom <= 1) return; // the page scrolls on
    event.preventDefault();
    view.zoomBy(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), ...pixelsOf(event));
  }, { passive: false });

  // --- keys, tools, forms ---
  over.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = KEYS[event.key];
    if (step) {
      const scale = (STEP * (event.shiftKey ? 5 : 1)) / Math.min(view.zoom, 2);
      const [valence, arousal] = current();
      choose([valence + step[0] * scale, arousal + step[1] * scale]);
      view.reveal(...current());
    } else if (event.key === "Enter" || event.key === " ") playCurrent();
    else if (event.key === "j" || event.key === "J") beginJourney();
    else if (event.key === "Escape" && (begun || lasso.length)) endAll();
    else if (event.key === "+" || event.key === "=") view.zoomBy(1.5, ...view.toPixels(...current()));
    else if (event.key === "-") view.zoomBy(1 / 1.5, ...view.toPixels(...current()));
    else return;
    event.preventDefault();
  });

  function playCurrent() {
    if (begun) playJourney(begun, current());
    else playPoint(current());
    begun = null;
    show(current());
  }

  function beginJourney() {
    begun = current();
    show(current());
  }

  function endAll() {
    begun = null;
    chooseSongs([]);
    show(current());
  }

  find("journey-here").addEventListener("click", () => {
    beginJourney();
    over.focus();
  });
  form.addEventListener("input", () => show(current()));

  const tools = find("map-tools");
  tools.hidden = false;
  tools.addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (button?.dataset.zoom) view.zoomBy(Number(button.dataset.zoom));
    if (!button?.dataset.tool) return;
    tool = button.dataset.tool;
    map.dataset.tool = tool;
    for (const one of tools.querySelectorAll("[data-tool]")) {
      one.setAttribute("aria-pressed", String(one === button));
    }
    if (tool !== "lasso") chooseSongs([]);
  });

  // --- what is played elsewhere ---
  const onSong = () => view.draw();
  const onList = ({ detail }) => {
    listed = view.songs ? detail.songIds.map((id) => view.songs.numberOf(id)).filter((n) => n >= 0) : [];
    followTo(detail.query);
    view.draw();
  };
  // The point and its words say what the list says: they go to a mood, and leave for other lists.
  function followTo(query) {
    const mood = view.labels.placeOf(query.get("mood"));
    if (mood) choose(mood);
    else if (query.has("valence")) show(current());
    else if (String(query)) hide(); // a list was closed else
  }
  document.addEventListener("affetti:song", onSong);
  document.addEventListener("affetti:list", onList);
  view.onDraw(drawOver);
  invite();
  readSongs(map.dataset.songsUrl).then((songs) => {
    if (!map.isConnected) return;
    view.setSongs(songs);
    find("map-total").textContent = totalOf(songs.total);
    map.dataset.ready = "";
    performance.mark("affetti:map");
  }).catch(({ message: reason }) => {
    const text = gettext("The songs could not be loaded. %(reason)s");
    reading.textContent = interpolate(text, { reason }, true);
  });

  return () => {
    view.stop();
    clearTimeout(hoverTimer);
    document.removeEventListener("affetti:song", onSong);
    document.removeEventListener("affetti:list", onList);
  };
});

const journeyFrom = (mood) =>
  interpolate(gettext("A journey from %(mood)s to here."), { mood }, true);

function totalOf(count) {
  const text = ngettext("%(count)s song on the map", "%(count)s songs on the map", count);
  return interpolate(text, { count: shownNumber(count) }, true);
}

const least = (values) => values.reduce((a, b) => Math.min(a, b)).toFixed(4);
const most = (values) => values.reduce((a, b) => Math.max(a, b)).toFixed(4);

// A line with a head, as an SVG path.
function arrow([ax, ay], [bx, by]) {
  const angle = Math.atan2(by - ay, bx - ax);
  const head = [2.6, -2.6].map((turn) => `M${bx} ${by}L${bx + 14 * Math.cos(angle + turn)} ${by + 14 * Math.sin(angle + turn)}`);
  return `M${ax} ${ay}L${bx} ${by}${head.join("")}`;
}

// At most `count` of some values, by chance.
function someOf(values, count) {
  const left = [...values];
  for (let n = left.length - 1; n > 0; n -= 1) {
    const other = Math.floor(Math.random() * (n + 1));
    [left[n], left[other]] = [left[other], left[n]];
  }
  return left.slice(0, count);
}
