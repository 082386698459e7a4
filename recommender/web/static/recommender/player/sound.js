// The sound: two audio elements, one that plays and one that holds the next song ready, so that
// songs follow each other without a gap, or are faded into each other.

import { sourceOf } from "./formats.js";
import { troubleOf } from "./trouble.js";

const KEY = "affetti.sound";
const READY_SECONDS = 20; // before its end, a song's successor is loaded
const HANDOVER_SECONDS = 0.35; // so near to the end, a timer is more exact than the browser's events
const START_SECONDS = 0.03; // what a browser needs to begin a song that is loaded
const STEADY_SECONDS = 5; // a song that played on for so long has no trouble any more
const FADE_STEP_MS = 50;

export const MAX_CROSSFADE = 12;

function newDeck() {
  const audio = document.createElement("audio");
  audio.preload = "auto";
  return audio;
}

export class Sound extends EventTarget {
  #host;
  #audio; // plays; the first of its host
  #spare;
  #gain = new Map(); // 0 to 1, by deck, while songs are faded
  #fade = 0;
  #handover = 0;
  #seekTo = 0;
  #isAsked = false; // the successor was asked for already
  #isWanted = false; // the listener wants to hear it
  #trouble = null; // why the song is waited for; {} until that is known
  #former = null; // the trouble before
  #tries = 0;
  #retry = 0;
  successor = () => null; // the item that follows by itself; null if none does

  constructor(host) {
    super();
    this.#host = host;
    this.#audio = newDeck();
    this.#spare = newDeck();
    host.append(this.#audio, this.#spare);
    for (const deck of [this.#audio, this.#spare]) this.#listen(deck);
    this.settings = { volume: 1, isMuted: false, crossfade: 0, ...stored() };
    this.#applyVolume();
    addEventListener("online", () => { if (this.#trouble) this.#tryAgain(); });
  }

  get seconds() {
    return this.#audio.readyState ? this.#audio.currentTime : this.#seekTo;
  }

  get duration() {
    const { duration } = this.#audio;
    return Number.isFinite(duration) ? duration : 0;
  }

  get isPaused() {
    return this.#trouble ? !this.#isWanted : this.#audio.paused;
  }

  get hasEnded() {
    return this.#audio.ended;
  }

  get isLoaded() {
    return this.#audio.hasAttribute("src");
  }

  get isBroken() {
    return this.#audio.error !== null;
  }

  // Begin an item: at once, or faded over what plays.
  start(item, { at = 0, fade = 0 } = {}) {
    clearTimeout(this.#handover);
    this.#forgetTrouble();
    const source = sourceOf(item);
    const former = this.#audio;
    const isReady = this.#holds(source);
    if (isReady || fade) {
      [this.#audio, this.#spare] = [this.#spare, former];
      this.#host.prepend(this.#audio);
    }
    if (!isReady) this.#audio.src = source;
    this.#isAsked = false;
    this.#endFade();
    if (fade && !former.paused) this.#startFade(former, fade);
    else if (former !== this.#audio && !isNearEnd(former)) former.pause();
    this.seek(at);
    this.play();
  }

  play() {
    this.#isWanted = true;
    if (this.#trouble?.isLast) {
      this.#forgetTrouble();
      this.#tryAgain();
    }
    if (this.#trouble) return this.#tell("play");
    this.#audio.play().catch(() => {}); // refused autoplay, or a newer song: the bar shows it paused
  }

  pause() {
    clearTimeout(this.#handover);
    this.#endFade();
    this.#spare.pause();
    this.#audio.pause();
    this.#isWanted = false;
    if (this.#trouble) this.#tell("pause");
  }

  stop() {
    this.#forgetTrouble();
    this.pause();
    for (const deck of [this.#audio, this.#spare]) {
      deck.removeAttribute("src");
      deck.load();
    }
  }

  seek(seconds) {
    clearTimeout(this.#handover);
    this.#seekTo = seconds;
    if (this.#audio.readyState >= HTMLMediaElement.HAVE_METADATA) this.#audio.currentTime = seconds;
  }

  set(settings) {
    Object.assign(this.settings, settings);
    try {
      localStorage.setItem(KEY, JSON.stringify(this.settings));
    } catch {
      // The browser keeps nothing.
    }
    this.#applyVolume();
    this.dispatchEvent(new Event("settings"));
  }

  // The successor has changed: what was made ready for it may be wrong.
  forgetSuccessor() {
    clearTimeout(this.#handover);
    this.#isAsked = false;
  }

  #listen(deck) {
    const forward = (type) => deck.addEventListener(type, () => {
      if (deck === this.#audio) this.#tell(type);
    });
    ["play", "pause", "ended", "durationchange", "waiting", "playing"].forEach(forward);
    deck.addEventListener("error", () => {
      if (deck === this.#audio && this.isLoaded) this.#recover();
    });
    deck.addEventListener("loadedmetadata", () => {
      if (deck === this.#audio && this.#seekTo) deck.currentTime = this.#seekTo;
    });
    deck.addEventListener("timeupdate", () => {
      if (deck !== this.#audio) return;
      if (this.#tries && deck.currentTime > this.#seekTo + STEADY_SECONDS) this.#forgetTrouble();
      this.#tell("time");
      this.#prepare();
    });
  }

  #tell(type) {
    this.dispatchEvent(new Event(type));
  }

  // The song did not load, or no further: wait and try again, if that can help.
  async #recover() {
    const former = this.#former;
    const mine = this.#trouble = {};
    this.#seekTo = this.seconds;
    const trouble = await troubleOf(this.#audio, this.#tries, former);
    if (this.#trouble !== mine) return; // another song plays
    this.#trouble = trouble;
    this.#former = trouble;
    this.#tries += 1;
    if (!trouble) return this.#tell("error");
    this.dispatchEvent(new CustomEvent("trouble", { detail: trouble }));
    if (trouble.isLast) this.pause();
    else this.#retry = setTimeout(() => this.#tryAgain(), trouble.seconds * 1000);
  }

  #tryAgain() {
    clearTimeout(this.#retry);
    this.#trouble = null;
    this.#audio.src = this.#audio.getAttribute("src"); // loads it anew
    if (this.#isWanted) this.play();
  }

  #forgetTrouble() {
    clearTimeout(this.#retry);
    this.#trouble = this.#former = null;
    this.#tries = 0;
  }

  // Near the end: load the successor, then hand over to it in time.
  #prepare() {
    const { crossfade } = this.settings;
    const left = (this.duration - this.#audio.currentTime) / this.#audio.playbackRate;
    if (!this.duration || this.#audio.loop || left > READY_SECONDS + crossfade) return;
    const item = this.successor();
    if (!item) return;
    const source = sourceOf(item);
    if (!this.#isAsked && !this.#fade) {
      this.#isAsked = true;
      if (!this.#holds(source)) this.#spare.src = source;
      else this.#spare.currentTime = 0;
    }
    const fade = Math.min(crossfade, this.duration / 3);
    if (fade && left <= fade) return this.#announce(left);
    if (fade || left > HANDOVER_SECONDS || this.#audio.paused) return;
    clearTimeout(this.#handover);
    const wait = Math.max(0, left - START_SECONDS) * 1000;
    this.#handover = setTimeout(() => this.#announce(0), wait);
  }

  // Whether the spare deck has a song ready, or will soon.
  #holds(source) {
    return this.#spare.getAttribute("src") === source && !this.#spare.error;
  }

  #announce(fade) {
    this.dispatchEvent(new CustomEvent("handover", { detail: { fade } }));
  }

  #startFade(former, seconds) {
    const began = performance.now();
    const { playbackRate } = former;
    this.#audio.playbackRate = playbackRate;
    this.#fade = setInterval(() => {
      const share = Math.min(1, (performance.now() - began) / 1000 / seconds);
      // Equal power: together they stay as loud as one of them.
      this.#gain.set(this.#audio, Math.sin(share * Math.PI / 2));
      this.#gain.set(former, Math.cos(share * Math.PI / 2));
      this.#applyVolume();
      if (share === 1) this.#endFade();
    }, FADE_STEP_MS);
    this.#gain.set(this.#audio, 0);
    this.#applyVolume();
  }

  #endFade() {
    if (this.#fade) this.#spare.pause();
    clearInterval(this.#fade);
    this.#fade = 0;
    this.#gain.clear();
    this.#applyVolume();
  }

  #applyVolume() {
    const { volume, isMuted } = this.settings;
    for (const deck of [this.#audio, this.#spare]) {
      deck.volume = volume * (this.#gain.get(deck) ?? 1);
      deck.muted = isMuted;
    }
  }
}

const isNearEnd = (deck) => deck.duration - deck.currentTime < HANDOVER_SECONDS;

function stored() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
}
