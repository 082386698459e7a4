// The songs to play, in order: what comes next, and what a reload remembers. Knows no page and no
// sound.

const KEY = "affetti.queue";
const KEPT = 500; // songs of a queue that a reload remembers

export const REPEATS = ["off", "all", "one"];

export class Queue extends EventTarget {
  constructor(user) {
    super();
    this.user = user;
    Object.assign(this, { items: [], index: -1, repeat: "off", isShuffled: false });
  }

  get current() {
    return this.items[this.index];
  }

  replace(items, index) {
    this.items = items.map((item, place) => ({ ...item, place }));
    this.index = index;
    if (this.isShuffled) this.shuffle(true);
    else this.changed();
  }

  // Where the song after this one is, in a direction; -1 if there is none. `mayPlay` says whether
  // an item can be played at all.
  beside(step, mayPlay) {
    const count = this.items.length;
    for (let steps = 1; steps <= count; steps++) {
      let position = this.index + step * steps;
      if (this.repeat === "all") position = (position + 2 * count) % count;
      if (!this.items[position]) return -1;
      if (mayPlay(this.items[position])) return position;
    }
    return -1;
  }

  go(index) {
    this.index = index;
    this.changed();
  }

  insertNext(item) {
    this.items.splice(this.index + 1, 0, { ...item, place: this.current?.place ?? 0 });
    this.changed();
  }

  append(item) {
    const place = Math.max(-1, ...this.items.map((one) => one.place)) + 1;
    this.items.push({ ...item, place });
    this.changed();
  }

  // The order that the listener makes is the order that is left when shuffling ends.
  move(from, to) {
    if (!this.items[from] || !this.items[to] || from === to) return;
    const { current } = this;
    const [item] = this.items.splice(from, 1);
    this.items.splice(to, 0, item);
    this.index = this.items.indexOf(current);
    if (!this.isShuffled) this.items.forEach((one, place) => { one.place = place; });
    this.changed();
  }

  remove(index) {
    this.items.splice(index, 1);
    if (index < this.index) this.index--;
    this.changed();
  }

  // Everything but the song that plays.
  clear() {
    this.items = this.current ? [this.current] : [];
    this.index = this.items.length - 1;
    this.changed();
  }

  shuffle(isShuffled) {
    this.isShuffled = isShuffled;
    const { current } = this;
    if (isShuffled) {
      const rest = this.items.filter((item) => item !== current);
      for (let last = rest.length - 1; last > 0; last--) {
        const other = Math.floor(Math.random() * (last + 1));
        [rest[last], rest[other]] = [rest[other], rest[last]];
      }
      this.items = current ? [current, ...rest] : rest;
    } else {
      this.items.sort((one, other) => one.place - other.place);
    }
    this.index = this.items.indexOf(current);
    this.changed();
  }

  setRepeat(repeat) {
    this.repeat = repeat;
    this.changed();
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }

  // Another user of this browser does not find one's queue.
  save(seconds, isNoted) {
    const first = Math.max(0, this.index - KEPT / 2);
    const { user, repeat, isShuffled } = this;
    const items = this.items.slice(first, first + KEPT);
    const kept = { user, repeat, isShuffled, seconds, isNoted, items, index: this.index - first };
    try {
      localStorage.setItem(KEY, JSON.stringify(kept));
    } catch {
      // The browser keeps nothing, or is full: the queue ends with the page.
    }
  }

  // Returns at how many seconds its song was, and whether it is recorded as heard.
  restore() {
    let kept = null;
    try {
      kept = JSON.parse(localStorage.getItem(KEY));
    } catch {
      // As above.
    }
    const isOurs = kept?.user === this.user && Array.isArray(kept.items);
    if (!isOurs) return { seconds: 0, isNoted: false };
    const { items, index, repeat, isShuffled } = kept;
    Object.assign(this, { items, index, isShuffled });
    this.repeat = REPEATS.includes(repeat) ? repeat : "off";
    this.changed();
    return { seconds: kept.seconds || 0, isNoted: Boolean(kept.isNoted) };
  }
}
