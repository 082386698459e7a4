// What the map shows: a part of the plane, its songs, and the names of moods and of songs in it.

import { MapLabels } from "./maplabels.js";
import { pointLayer } from "./mappoints.js";

const SVG = "http://www.w3.org/2000/svg";
const MARGIN = 0.03; // around the plane, when all of it is shown
const MOST_ZOOM = 400;
const FEW = 40; // no more songs than these are named
const FALLBACK_DOTS = 2000; // without WebGL
const SLOW_MS = 26; // a picture that takes longer has too many songs while the map moves
const FAST_MS = 17;
const LEAST_MOVING = 10_000;
const REST_MS = 140;
const COVER = 44;
const POINT = 13; // half of the cursor, and of the ring around a song
const COLOURS = ["--happy", "--angry", "--sad", "--calm"]; // Q1 to Q4

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

export class MapView {
  constructor(map) {
    this.map = map;
    this.over = map.querySelector("[data-plane]");
    this.ground = map.querySelector("[data-map-ground]");
    this.canvas = map.querySelector("[data-map-points]");
    this.named = map.querySelector("[data-map-songs]");
    this.labels = new MapLabels(map);
    this.songs = null;
    this.titles = new Map(); // what is known of songs, by id
    this.listeners = [];
    this.marks = () => ({ points: [], path: [] }); // places that names keep clear of, and a line
    this.layer = pointLayer(this.canvas);
    this.moving = 100_000; // songs drawn while the map moves
    this.zoom = 1;
    this.centre = [0.5, 0.5];
    this.size = [1, 1];
    this.frame = 0;
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.over);
    document.fonts.ready.then(() => { if (map.isConnected) this.resize(); });
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.recolour = () => { this.readColours(); this.draw(); };
    this.scheme.addEventListener("change", this.recolour);
    this.readColours();
    this.resize();
  }

  stop() {
    this.observer.disconnect();
    this.scheme.removeEventListener("change", this.recolour);
    cancelAnimationFrame(this.frame);
    clearTimeout(this.restTimer);
    this.layer = null;
  }

  // Call `listener` after each picture.
  onDraw(listener) {
    this.listeners.push(listener);
  }

  setSongs(songs) {
    this.songs = songs;
    if (this.layer) this.layer.setSongs(songs.valence, songs.arousal);
    else this.drawDots();
    this.draw();
  }

  get view() {
    const side = (1 + 2 * MARGIN) / this.zoom;
    return { left: this.centre[0] - side / 2, bottom: this.centre[1] - side / 2, width: side, height: side };
  }

  // Pixels of a place, from the top left of the map.
  toPixels(valence, arousal) {
    const { left, bottom, width, height } = this.view;
    return [((valence - left) / width) * this.size[0], (1 - (arousal - bottom) / height) * this.size[1]];
  }

  toPlace(x, y) {
    const { left, bottom, width, height } = this.view;
    return [left + (x / this.size[0]) * width, bottom + (1 - y / this.size[1]) * height];
  }

  // Zoom by a factor, so that what is at the pixels stays there.
  zoomBy(factor, x = this.size[0] / 2, y = this.size[1] / 2) {
    const before = this.toPlace(x, y);
    this.zoom = clamp(this.zoom * factor, 1, MOST_ZOOM);
    const after = this.toPlace(x, y);
    this.moveTo(this.centre[0] + before[0] - after[0], this.centre[1] + before[1] - after[1]);
  }

  panBy(x, y) {
    const { width, height } = this.view;
    this.moveTo(this.centre[0] - (x / this.size[0]) * width, this.centre[1] + (y / this.size[1]) * height);
  }

  moveTo(valence, arousal) {
    const room = Math.max(0, (1 + 2 * MARGIN) * (1 - 1 / this.zoom)) / 2;
    this.centre = [clamp(valence, 0.5 - room, 0.5 + room), clamp(arousal, 0.5 - room, 0.5 + room)];
    this.isMoving = true;
    clearTimeout(this.restTimer);
    this.restTimer = setTimeout(() => { this.isMoving = false; this.draw(); }, REST_MS);
    this.draw();
  }

  // Move the map if a place lies outside.
  reveal(valence, arousal) {
    const { left, bottom, width, height } = this.view;
    const isIn = valence >= left && valence <= left + width && arousal >= bottom && arousal <= bottom + height;
    if (!isIn) this.moveTo(valence, arousal);
  }

  resize() {
    const { width, height } = this.over.getBoundingClientRect();
    if (!width || !height) return;
    this.labels.measure();
    this.size = [width, height];
    this.scale = Math.min(devicePixelRatio || 1, 2);
    [this.canvas.width, this.canvas.height] = [Math.round(width * this.scale), Math.round(height * this.scale)];
    this.paint();
  }

  readColours() {
    const style = getComputedStyle(this.map);
    this.layer?.setColours(COLOURS.flatMap((name) => channels(style.getPropertyValue(name).trim())));
  }

  draw() {
    if (!this.frame) this.frame = requestAnimationFrame((now) => { this.frame = 0; this.paint(now); });
  }

  paint(now) {
    const view = this.view;
    this.ground.setAttribute("viewBox", `${view.left} ${1 - view.bottom - view.height} ${view.width} ${view.height}`);
    if (this.songs && this.layer) this.layer.draw(view, this.look());
    const { points, path } = this.marks();
    const [dots, line] = [points, path].map((places) => places.map((one) => this.toPixels(...one)));
    this.labels.place(this, [...this.nameSongs(), ...dots.map(boxOfPoint)], line);
    this.listeners.forEach((listener) => listener());
    this.measure(now);
  }

  // Size, opacity and choice of the points: many songs in little room are small and faint, so that
  // density shows.
  look() {
    const shown = this.songs.count / this.zoom ** 2;
    const size = clamp(260 / Math.sqrt(shown + 1), 2, 11) * this.scale;
    const cover = (shown * size * size) / (this.canvas.width * this.canvas.height);
    const step = this.isMoving ? Math.max(1, Math.ceil(this.songs.count / this.moving)) : 1;
    return { size, alpha: clamp(0.75 / Math.sqrt(1 + 5 * cover), 0.16, 0.85) * Math.min(2, Math.sqrt(step)) ** 0.5, step };
  }

  // Fewer songs are drawn while the map moves, if pictures come too slowly.
  measure(now) {
    const took = now - this.paintedAt;
    this.paintedAt = now;
    if (!this.isMoving || !(took < 500)) return;
    this.pace = 0.7 * (this.pace ?? took) + 0.3 * took;
    if (this.pace > SLOW_MS) this.moving = Math.max(LEAST_MOVING, this.moving * 0.7);
    else if (this.pace < FAST_MS) this.moving = Math.min(200_000, this.moving * 1.1);
  }

  // Covers and titles, where few songs are in sight. Return the boxes of those that are shown.
  nameSongs() {
    const numbers = this.songs && !this.isMoving ? this.songs.within(this.view, FEW + 1) : [];
    const few = numbers.length > FEW ? [] : numbers;
    if (this.isMoving && this.named.childElementCount) {
      for (const group of this.named.children) this.placeNamed(group);
      return [];
    }
    const key = few.map((n) => this.songs.ids[n]).join();
    if (key !== this.namedKey) {
      this.namedKey = key;
      this.named.replaceChildren(...few.map((n) => this.namedSong(n)));
      this.askTitles(few.map((n) => this.songs.ids[n])).then(() => this.writeTitles());
    }
    const taken = [];
    for (const group of this.named.children) {
      const [x, y] = this.placeNamed(group);
      const isFree = !taken.some(([a, b]) => Math.abs(a - x) < 150 && Math.abs(b - y) < COVER + 24);
      group.classList.toggle("is-shown", isFree);
      if (isFree) taken.push([x, y]);
    }
    return taken.map(boxOfNamed);
  }

  placeNamed(group) {
    const place = this.toPixels(...this.songs.place(group.dataset.number));
    group.setAttribute("transform", `translate(${place[0].toFixed(1)} ${place[1].toFixed(1)})`);
    return place;
  }

  namedSong(n) {
    const group = document.createElementNS(SVG, "g");
    group.dataset.number = n;
    group.classList.add("map-song");
    const image = document.createElementNS(SVG, "image");
    image.setAttribute("href", this.map.dataset.coverUrl.replace("/0/", `/${this.songs.ids[n]}/`));
    for (const [name, value] of Object.entries({ x: -COVER / 2, y: -COVER / 2, width: COVER, height: COVER })) {
      image.setAttribute(name, value);
    }
    const title = document.createElementNS(SVG, "text");
    title.setAttribute("y", COVER / 2 + 15);
    title.setAttribute("text-anchor", "middle");
    group.append(image, title);
    return group;
  }

  writeTitles() {
    for (const group of this.named.children) {
      const known = this.titles.get(this.songs.ids[group.dataset.number]);
      if (known) group.querySelector("text").textContent = shortened(known.title);
    }
  }

  // Ask for title and artist of songs that are not known yet.
  async askTitles(ids) {
    const unknown = ids.filter((id) => !this.titles.has(id)).slice(0, 100);
    if (!unknown.length) return;
    const query = new URLSearchParams({ ids: unknown.join(), page_size: 100 });
    const response = await fetch(`${this.map.dataset.titlesUrl}?${query}`);
    if (!response.ok) return;
    for (const { id, title, artist } of (await response.json()).results) {
      this.titles.set(id, { title: title || gettext("Untitled"), artist });
    }
  }

  // Without WebGL: some of the songs as dots of the drawing behind.
  drawDots() {
    const paths = { Q1: "", Q2: "", Q3: "", Q4: "" };
    const step = Math.max(1, Math.ceil(this.songs.count / FALLBACK_DOTS));
    for (let n = 0; n < this.songs.count; n += step) {
      const [x, y] = this.songs.place(n);
      paths[quadrant(x, y)] += `M${x.toFixed(4)} ${(1 - y).toFixed(4)}h0`;
    }
    for (const [name, d] of Object.entries(paths)) {
      this.ground.querySelector(`[data-dots="${name}"]`).setAttribute("d", d);
    }
  }
}

// Of a song's cover and title, around its place.
const boxOfNamed = ([x, y]) => ({ left: x - 60, top: y - COVER / 2, wide: 120, tall: COVER + 22 });

// Of the cursor, and of the ring around the song that plays.
const boxOfPoint = ([x, y]) => ({ left: x - POINT, top: y - POINT, wide: 2 * POINT, tall: 2 * POINT });

function quadrant(valence, arousal) {
  if (arousal >= 0.5) return valence >= 0.5 ? "Q1" : "Q2";
  return valence >= 0.5 ? "Q4" : "Q3";
}

function shortened(text) {
  return text.length > 24 ? `${text.slice(0, 23)}…` : text;
}

// Red, green and blue of #rrggbb, from 0 to 1.
function channels(colour) {
  const value = Number.parseInt(colour.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255].map((channel) => channel / 255);
}
