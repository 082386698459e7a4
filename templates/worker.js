// The service worker. It keeps files whose names change with their content, and one page for when
// there is no connection. Pages, audio and answers of the API are never kept: it does not even
// answer for them, but for a page that cannot be loaded.

const CACHE = "affetti-{{ release }}"; // another release has another cache
const OFFLINE = "{{ offline|escapejs }}";
const KEPT = [OFFLINE{% for url in kept %}, "{{ url|escapejs }}"{% endfor %}];
const FILES = [{% for url in files %}"{{ url|escapejs }}"{% if not forloop.last %}, {% endif %}{% endfor %}]; // below these addresses are no words of a user

self.addEventListener("install", (event) => {
  const fresh = KEPT.map((url) => new Request(url, { cache: "no-cache", credentials: "omit" }));
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(fresh)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil((async () => {
    const others = (await caches.keys()).filter((name) => name.startsWith("affetti-") && name !== CACHE);
    await Promise.all(others.map((name) => caches.delete(name)));
    await self.registration.navigationPreload?.enable();
    await self.clients.claim();
  })());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET") return;
  if (request.mode === "navigate") event.respondWith(page(event));
  else if (isFile(request)) event.respondWith(file(request));
});

function isFile({ url, headers }) {
  const { origin, pathname } = new URL(url);
  return origin === self.location.origin && !headers.has("Range") && FILES.some((start) => pathname.startsWith(start));
}

async function page(event) {
  try {
    return (await event.preloadResponse) ?? (await fetch(event.request));
  } catch {
    return (await caches.match(OFFLINE)) ?? Response.error();
  }
}

// A name that has no hash of its content may have another content by now.
async function file(request) {
  const cache = await caches.open(CACHE);
  if (!isHashed(request)) return fetch(request).catch(async () => (await cache.match(request)) ?? Response.error());
  const held = await cache.match(request);
  if (held) return held;
  const response = await fetch(request);
  if (response.ok && isForGood(response)) cache.put(request, response.clone()).catch(() => {}); // it may be full
  return response;
}

function isHashed({ url }) {
  return /\.[0-9a-f]{12}\.[^/]+$/.test(new URL(url).pathname);
}

// The server says it of names that change with the content, and of nothing that is a user's.
function isForGood({ headers }) {
  const control = headers.get("Cache-Control") ?? "";
  return control.includes("public") && control.includes("immutable");
}
