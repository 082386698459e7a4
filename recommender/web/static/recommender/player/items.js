// An item of the queue, as the play button of a page describes it.
export function itemOf(button) {
  const { songId, title, artist, audioUrl, mediaType, transcodedUrl, coverUrl, pageUrl } =
    button.dataset;
  const place = button.closest(".q1, .q2, .q3, .q4")?.className.match(/\bq[1-4]\b/)?.[0] ?? "";
  const quadrant = button.dataset.quadrant ?? place.toUpperCase();
  const durationSeconds = Number(button.dataset.durationSeconds) || 0;
  return {
    songId: Number(songId), durationSeconds, title, artist, audioUrl, mediaType, transcodedUrl, coverUrl, pageUrl,
    quadrant,
  };
}
