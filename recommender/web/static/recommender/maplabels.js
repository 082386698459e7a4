// The names of moods on the map. Each stands at its place, or beside it where it hides fewer songs.

const REACH = [0, 17, 32, 48, 70]; // pixels from its place
const TURNS = 8; // directions that are tried at each distance
const MOST_HIDDEN = 8; // more songs below a name count as so many
const PIXELS_A_SONG = 24; // a name goes so far to hide one song less
const GAP = 5; // pixels around a name
const PIXELS_ABROAD = 60; // and so far to stay in the quarter of its mood
const NARROW = 500; // on a map of fewer pixels the lesser names stand wider apart
const EDGE = 6; // pixels between a name and the edge of the map
const TALL = 1.15; // height of a line, in sizes of its face
const FAR_ZOOM = 3; // from here on songs come before names

export class MapLabels {
  constructor(map) {
    this.map = map;
    this.fixed = [...map.querySelectorAll(".axis-name"), ...map.querySelectorAll("[data-map-tools] > *")];
    this.labels = [...map.querySelectorAll("[data-mood-label]")].map((text) => ({
      text, x: text.dataset.x / 100, y: 1 - text.dataset.y / 100, isBig: text.matches(".is-big"), beside: [0, 0],
    }));
  }

  // Read what the layout decides: the sizes of the names, and where tools and axes stand.
  measure() {
    const { left, top, width } = this.map.getBoundingClientRect();
    for (const label of this.labels) {
      label.air = width < NARROW && !label.isBig ? 2 * GAP : 0;
      const gap = GAP + label.air;
      label.wide = label.text.getComputedTextLength() + 2 * gap;
      label.tall = Number.parseFloat(getComputedStyle(label.text).fontSize) * TALL + GAP + 2 * label.air;
    }
    this.taken = this.fixed.map((element) => {
      const box = element.getBoundingClientRect();
      return { left: box.left - left - EDGE, top: box.top - top - EDGE, wide: box.width + 2 * EDGE, tall: box.height + 2 * EDGE };
    }).filter(({ wide }) => wide > 2 * EDGE);
  }

  // Place the names in `view`, a MapView, the big ones first. `covers` are boxes of what stands
  // there already, and `line` is the path of a list, in pixels: no name lies on them. While the map
  // moves, a name keeps the side of its place that it has.
  place(view, covers, line) {
    const taken = [...this.taken, ...covers];
    const radius = view.songs ? view.look().size / view.scale / 2 : 0;
    this.map.toggleAttribute("data-near", view.zoom >= FAR_ZOOM);
    for (const label of this.labels) {
      const [x, y] = view.toPixels(label.x, label.y);
      const tried = view.isMoving ? [label.beside] : besides(label.wide);
      const free = tried.filter((by) => isFree(boxAt(label, x, y, by), taken, line, view.size));
      const costs = free.map((by) => {
        const hidden = hiddenBelow(boxAt(label, x, y, by), radius - label.air, view);
        const [valence, arousal] = view.toPlace(x + by[0], y + by[1]);
        const isAbroad = (valence - 0.5) * (label.x - 0.5) < 0 || (arousal - 0.5) * (label.y - 0.5) < 0;
        return { by, hidden, isAbroad, cost: hidden * PIXELS_A_SONG + isAbroad * PIXELS_ABROAD + Math.hypot(...by) };
      });
      const best = costs.reduce((a, b) => (a && a.cost <= b.cost ? a : b), null);
      const isShown = best !== null && (label.isBig || view.isMoving || isHarmless(best));
      label.text.classList.toggle("is-shown", isShown);
      if (!isShown) continue;
      label.beside = best.by;
      taken.push(boxAt(label, x, y, label.beside));
      label.text.classList.toggle("is-over", best.hidden > 0);
      label.text.setAttribute("x", x);
      label.text.setAttribute("y", y);
      label.text.style.translate = label.beside.map((by) => `${by.toFixed(1)}px`).join(" ");
    }
  }

  // Where a mood stands that is named in English or as on the page; null if it is not on the map.
  placeOf(name) {
    const found = this.labels.find(({ text }) => [text.dataset.moodLabel, text.textContent].includes(name));
    return found ? [found.x, found.y] : null;
  }

  // The mood whose place is nearest.
  nearest(valence, arousal) {
    const far = ({ x, y }) => Math.hypot(x - valence, y - arousal);
    return this.labels.reduce((a, b) => (far(b) < far(a) ? b : a)).text.textContent;
  }
}

// Where a name of this width is tried, from its place outwards; to the sides by its own width.
function besides(wide) {
  const places = [];
  for (const reach of REACH) {
    for (let turn = 0; turn < (reach ? TURNS : 1); turn += 1) {
      const angle = (2 * Math.PI * turn) / TURNS + Math.PI / 2;
      places.push([Math.cos(angle) * (reach && wide / 3 + reach / 2), Math.sin(angle) * reach]);
    }
  }
  return places;
}

// A lesser name may lie over a cloud of songs, and not over the few that lie alone.
function isHarmless({ hidden, isAbroad }) {
  return !isAbroad && (hidden === 0 || hidden >= MOST_HIDDEN);
}

function boxAt({ wide, tall }, x, y, [dx, dy]) {
  return { left: x + dx - wide / 2, top: y + dy - tall / 2, wide, tall };
}

function isFree(box, taken, line, [width, height]) {
  const isIn = box.left >= EDGE && box.left + box.wide <= width - EDGE && box.top >= EDGE && box.top + box.tall <= height - EDGE;
  return isIn && !taken.some((one) => box.left < one.left + one.wide && one.left < box.left + box.wide &&
    box.top < one.top + one.tall && one.top < box.top + box.tall) &&
    !line.some((end, n) => n > 0 && isCrossed(box, line[n - 1], end));
}

// Whether the way from one point to another leads through a box: what is left of it is cut off at
// each side in turn.
function isCrossed({ left, top, wide, tall }, [ax, ay], [bx, by]) {
  let [from, to] = [0, 1];
  for (const [start, way, low, high] of [[ax, bx - ax, left, left + wide], [ay, by - ay, top, top + tall]]) {
    if (way === 0 && (start < low || start > high)) return false;
    if (way === 0) continue;
    const [one, other] = [(low - start) / way, (high - start) / way];
    from = Math.max(from, Math.min(one, other));
    to = Math.min(to, Math.max(one, other));
  }
  return from <= to;
}

// How many songs of a radius a box hides, at most MOST_HIDDEN; a radius below 0 makes it smaller.
function hiddenBelow(box, radius, view) {
  if (!view.songs) return 0;
  const [left, bottom] = view.toPlace(box.left - radius, box.top + box.tall + radius);
  const [right, top] = view.toPlace(box.left + box.wide + radius, box.top - radius);
  return view.songs.within({ left, bottom, width: right - left, height: top - bottom }, MOST_HIDDEN).length;
}
