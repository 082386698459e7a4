// What pages show of the song that plays: its dot on a list's path, its line on a timeline.

import { onElement } from "./page.js";
import { currentSong, itemOf, playQueue, seek } from "./player.js";

onElement("[data-path-dot], [data-ribbon] rect", (dot) => {
  const show = () => {
    dot.classList.toggle("is-playing", Number(dot.dataset.songId ?? dot.dataset.ribbonSong) === currentSong()?.songId);
  };
  document.addEventListener("affetti:song", show);
  show();
  return () => document.removeEventListener("affetti:song", show);
});

// The line shows where the song plays; a click plays from there.
onElement("[data-timeline]", (chart) => {
  const songId = Number(chart.dataset.songId);
  const playhead = chart.querySelector("[data-playhead]");
  const width = chart.viewBox.baseVal.width;
  const length = Number(chart.dataset.durationSeconds);
  const show = ({ detail }) => {
    if (detail.songId !== songId) return;
    const x = (detail.seconds / length) * width;
    playhead.setAttribute("x1", x);
    playhead.setAttribute("x2", x);
  };
  document.addEventListener("affetti:time", show);
  chart.addEventListener("click", (event) => {
    const box = chart.getBoundingClientRect();
    if (currentSong()?.songId !== songId) {
      playQueue([itemOf(document.querySelector(`[data-play][data-song-id="${songId}"]`))]);
    }
    seek(((event.clientX - box.left) / box.width) * length);
  });
  return () => document.removeEventListener("affetti:time", show);
});
