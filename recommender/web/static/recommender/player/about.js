// The song that plays: its mood, whether the listener likes it, and where one may go on from it.

import { currentSong } from "../player.js";
import { quadrantMood } from "../shown.js";

const player = document.querySelector("[data-player]");
const find = (name) => player.querySelector(`[data-now-${name}]`);
const [mood, like, page, alike, place] = ["mood", "like", "page", "alike", "place"].map(find);
const likeUrl = like?.getAttribute("action");
let shownId = null;

function show() {
  const item = currentSong();
  if (!item || item.songId === shownId) return;
  shownId = item.songId;
  mood.hidden = !item.quadrant;
  mood.textContent = quadrantMood(item.quadrant) ?? "";
  page.href = item.pageUrl;
  alike.href = alike.href.replace(/like=\d+/, `like=${item.songId}`);
  alike.hidden = !item.quadrant; // not analysed yet
  if (!like) return;
  place.href = `${item.pageUrl}#place-words`;
  place.hidden = !item.quadrant;
  showLike(item.songId);
}

async function showLike(songId) {
  const address = (url) => url.replace("/0/", `/${songId}/`);
  const button = like.querySelector("button");
  like.action = address(likeUrl);
  button.setAttribute("aria-pressed", "false");
  const answer = await fetch(address(like.dataset.songUrl)).catch(() => null);
  if (!answer?.ok) return;
  const { liked } = await answer.json();
  if (songId === shownId) button.setAttribute("aria-pressed", String(liked));
}

document.addEventListener("affetti:song", show);
show();
