// Which formats this browser plays, and what it is given of a song.

const probe = document.createElement("audio");

// Whether this browser says beforehand that it cannot play a song's file, as most do of ALAC.
function isForeign(mediaType) {
  return mediaType !== "application/octet-stream" && probe.canPlayType(mediaType) === "";
}

export const isPlayable = (item) => !isForeign(item.mediaType) || Boolean(item.transcodedUrl);

export const sourceOf = (item) =>
  isForeign(item.mediaType) && item.transcodedUrl ? item.transcodedUrl : item.audioUrl;

// "ALAC" of audio/mp4; codecs="alac", "WMA" of audio/x-ms-wma.
export function formatName(mediaType) {
  const codec = mediaType.match(/codecs="(\w+)/)?.[1].replace("mp4a", "aac");
  return (codec ?? mediaType.replace(/^audio\/(x-)?(ms-)?/, "")).toUpperCase();
}
