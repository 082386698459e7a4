// What a listener who is logged in has heard: a song played for 30 seconds, or half of it, is
// recorded as heard, and one that is left for another before its end as skipped.

import { postJson } from "../page.js";

const LISTEN_SECONDS = 30;
const END_SECONDS = 10; // who leaves a song so near to its end skips nothing
const JUMP_SECONDS = 1.5; // a larger step between two times is a seek, not listening

export class Listening {
  #heard = 0;
  #last = 0;
  isNoted = false;

  // The addresses are empty for visitors.
  constructor({ listensUrl, skipsUrl }) {
    Object.assign(this, { listensUrl, skipsUrl });
  }

  begin(seconds, isNoted = false) {
    [this.#heard, this.#last, this.isNoted] = [0, seconds, isNoted];
  }

  at(item, seconds, duration) {
    const step = seconds - this.#last;
    this.#last = seconds;
    if (step > 0 && step < JUMP_SECONDS) this.#heard += step;
    if (!this.listensUrl || this.isNoted || !duration) return;
    if (this.#heard < Math.min(LISTEN_SECONDS, duration / 2)) return;
    this.isNoted = true;
    postJson(this.listensUrl, { song_id: item.songId, seconds_played: Math.round(this.#heard) });
  }

  // Called when a song is left for another by the listener, not when it has ended.
  left(item, seconds, duration) {
    const isOver = duration - seconds < END_SECONDS;
    if (!this.skipsUrl || !this.#heard || isOver) return;
    const url = this.skipsUrl.replace("/0/", `/${item.songId}/`);
    postJson(url, { seconds_played: Math.round(seconds) });
  }
}
