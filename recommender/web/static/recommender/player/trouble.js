// Why a song does not load, and how long to wait before it is tried again.

const PAUSES = [1, 2, 4, 8, 15]; // seconds, if the server names none
const LONGEST_PAUSE = 60;
const PROBE_MILLISECONDS = 10_000; // a server that says nothing for so long is as good as away

// Returns {seconds, isOffline, isLast, isFine}; null if the song cannot be played. `tries` were made
// in vain, the last one because of `former`. After `isLast` only the listener tries again.
export async function troubleOf(deck, tries, former) {
  const { code } = deck.error;
  let response = null;
  try {
    response = await fetch(deck.src, {
      method: "HEAD", cache: "no-store", signal: AbortSignal.timeout(PROBE_MILLISECONDS),
    });
  } catch { /* there is no connection */ }
  const isLast = tries >= PAUSES.length;
  const seconds = PAUSES[Math.min(tries, PAUSES.length - 1)];
  if (!response) return { seconds, isOffline: true, isLast };
  if (isLast) return null;
  if (response.status === 429 || response.status > 500) {
    return { seconds: Math.min(Number(response.headers.get("Retry-After")) || seconds, LONGEST_PAUSE) };
  }
  // It would load by now, or its content is what fails.
  const mayPass = code === MediaError.MEDIA_ERR_NETWORK
    || (code === MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED && !former?.isFine);
  return response.ok && mayPass ? { seconds: former ? seconds : 0, isFine: true } : null;
}
