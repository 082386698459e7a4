// How values are written in the language of the page. Texts are translated by the functions of
// Django's JavaScript catalogue, which base.html loads before the modules.

const LANGUAGE = document.documentElement.lang || "en";

export const shownNumber = (value, options) => Number(value).toLocaleString(LANGUAGE, options);

// 0.724 → 72%, and 72 % in German.
export const shownPercent = (share) => shownNumber(share, { style: "percent" });

// 65 → 1:05, 3725 → 1:02:05.
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds || 0));
  const rest = String(whole % 60).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${rest}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
}

export function songCount(count) {
  const text = ngettext("%(count)s song", "%(count)s songs", count);
  return interpolate(text, { count: shownNumber(count) }, true);
}

export const quadrantMood = (quadrant) => ({
  Q1: pgettext("mood", "happy"),
  Q2: pgettext("mood", "angry"),
  Q3: pgettext("mood", "sad"),
  Q4: pgettext("mood", "calm"),
})[quadrant];
