// The songs of the map: reading their bytes, and finding those near a place or in a part.

const FULL = 65535;
const CELLS = 128; // the plane is cut into so many cells each way, to find songs quickly

export async function readSongs(url) {
  const response = await fetch(url);
  if (!response.ok) {
    const text = gettext("%(url)s answered with status %(status)s");
    throw new Error(interpolate(text, { url, status: response.status }, true));
  }
  return new MapSongs(await response.arrayBuffer());
}

class MapSongs {
  constructor(bytes) {
    const header = new DataView(bytes);
    const isMap = header.getUint32(0, false) === 0x41534d31; // ASM1
    if (!isMap) throw new Error(gettext("These are no songs of a map."));
    const count = header.getUint32(4, true);
    this.count = count;
    this.total = header.getUint32(8, true);
    this.valence = new Uint16Array(bytes, 12 + 4 * count, count);
    this.arousal = new Uint16Array(bytes, 12 + 6 * count, count);
    this.ids = new Float64Array(count);
    const steps = new Uint32Array(bytes, 12, count);
    for (let n = 0, id = 0; n < count; n += 1) this.ids[n] = id += steps[n];
    this.#sortIntoCells();
  }

  // The numbers of the songs of a cell are order[starts[cell]] to order[starts[cell + 1] - 1].
  #sortIntoCells() {
    const starts = new Uint32Array(CELLS * CELLS + 1);
    const cells = new Uint16Array(this.count);
    for (let n = 0; n < this.count; n += 1) {
      cells[n] = cellAt(this.valence[n] / FULL) + CELLS * cellAt(this.arousal[n] / FULL);
      starts[cells[n] + 1] += 1;
    }
    for (let cell = 0; cell < CELLS * CELLS; cell += 1) starts[cell + 1] += starts[cell];
    const next = starts.slice();
    this.order = new Uint32Array(this.count);
    for (let n = 0; n < this.count; n += 1) this.order[next[cells[n]]++] = n;
    this.starts = starts;
  }

  place(n) {
    return [this.valence[n] / FULL, this.arousal[n] / FULL];
  }

  // The number of a song by its id; -1 if it is not here.
  numberOf(id) {
    let low = 0;
    let high = this.count - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      if (this.ids[middle] === id) return middle;
      if (this.ids[middle] < id) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  // The numbers of the songs in a rectangle of the plane; at most `most` of them.
  within({ left, bottom, width, height }, most = Infinity) {
    const found = [];
    for (let row = cellAt(bottom); row <= cellAt(bottom + height); row += 1) {
      const from = this.starts[cellAt(left) + CELLS * row];
      const to = this.starts[cellAt(left + width) + CELLS * row + 1];
      for (let at = from; at < to; at += 1) {
        const n = this.order[at];
        const [x, y] = this.place(n);
        if (x < left || x > left + width || y < bottom || y > bottom + height) continue;
        if (found.length >= most) return found;
        found.push(n);
      }
    }
    return found;
  }

  // The number of the song nearest to a place, at most the given distances from it; -1 without one.
  nearest(x, y, width, height) {
    let best = -1;
    let least = 1;
    for (const n of this.within({ left: x - width, bottom: y - height, width: 2 * width, height: 2 * height })) {
      const [a, b] = this.place(n);
      const distance = Math.hypot((a - x) / width, (b - y) / height);
      if (distance < least) [best, least] = [n, distance];
    }
    return best;
  }

  // The numbers of the songs inside a polygon, a list of [valence, arousal].
  inside(polygon) {
    const xs = polygon.map(([x]) => x);
    const ys = polygon.map(([, y]) => y);
    const [left, bottom] = [Math.min(...xs), Math.min(...ys)];
    const box = { left, bottom, width: Math.max(...xs) - left, height: Math.max(...ys) - bottom };
    return this.within(box).filter((n) => isInside(this.place(n), polygon));
  }
}

function cellAt(value) {
  return Math.min(CELLS - 1, Math.max(0, Math.floor(value * CELLS)));
}

function isInside([x, y], polygon) {
  let is = false;
  for (let n = 0, before = polygon.length - 1; n < polygon.length; before = n, n += 1) {
    const [[ax, ay], [bx, by]] = [polygon[n], polygon[before]];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) is = !is;
  }
  return is;
}
