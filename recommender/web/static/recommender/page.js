// What every page shares. htmx swaps `main` alone, so modules are loaded once, by base.html, and
// start what they find with `onElement`.

const watches = [];

// Run `start(element)` for each match, now and whenever one comes. What it returns is called when
// the element has left the page.
export function onElement(selector, start) {
  const watch = { selector, start, stops: new Map() };
  watches.push(watch);
  sweep(watch);
}

function sweep({ selector, start, stops }) {
  for (const [element, stop] of stops) {
    if (element.isConnected) continue;
    stops.delete(element);
    stop?.();
  }
  for (const element of document.querySelectorAll(selector)) {
    if (stops.has(element)) continue;
    stops.set(element, undefined);
    try {
      stops.set(element, start(element));
    } catch (error) {
      reportError(error); // one broken part leaves the others working
    }
  }
}

const hasElement = (nodes) => [...nodes].some((node) => node.nodeType === Node.ELEMENT_NODE);
new MutationObserver((records) => {
  if (records.some((one) => hasElement(one.addedNodes) || hasElement(one.removedNodes))) {
    watches.forEach(sweep);
  }
}).observe(document.body, { childList: true, subtree: true });

// How a page is swapped; links and forms do the same by `data-hx-boost` of base.html.
const SWAP = { target: "#main", select: "#main", swap: "outerSync show:none" };

export function openPage(url) {
  return htmx.ajax("GET", url, { ...SWAP, push: "true" });
}

// Ask for this page again, without a new entry in the history.
export function reloadPage() {
  return htmx.ajax("GET", location.pathname + location.search, { ...SWAP, replace: "true" });
}

// The token of now: one in a form may be older than the last login.
export function csrfToken() {
  return document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1] ?? "";
}

export function postJson(url, body) {
  return fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRFToken": csrfToken() },
    body: JSON.stringify(body),
  });
}

// Show a short message for a moment, and read it to those who do not see it.
let noticeTimer = 0;
export function notify(text) {
  const notice = document.querySelector("[data-notice]");
  notice.textContent = text;
  notice.classList.add("is-shown");
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => notice.classList.remove("is-shown"), 5000);
}
