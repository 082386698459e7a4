// Swapping pages: what htmx leaves to us. It asks for the next page and replaces `main`; here are
// focus, scrolling, the navigation's current section, and answers that are no page of ours.

import { csrfToken, notify } from "./page.js";

const main = document.getElementById("main"); // stays: htmx replaces its attributes and children
const root = document.documentElement;
let current = null; // the request for a page that is on its way

const isPage = (ctx) => ctx.target === main;
const isRestored = (ctx) => "HX-History-Restore-Request" in ctx.request.headers;
const pathOf = (url) => new URL(url, location.href).pathname;

// A link that shall open elsewhere is the browser's: htmx 4.0.1 would keep such a click from it.
document.addEventListener("click", (event) => {
  const isElsewhere = event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;
  if (isElsewhere && event.target.closest("a[href]")) event.stopImmediatePropagation();
}, { capture: true });

document.addEventListener("htmx:config:request", ({ detail: { ctx } }) => {
  const { request, sourceElement } = ctx;
  if (request.body.has("csrfmiddlewaretoken")) {
    request.body.set("csrfmiddlewaretoken", csrfToken());
  }
  // As browsers do, a GET form replaces the query of its address.
  if (request.method === "GET" && sourceElement.matches("form")) {
    request.action = (request.action || location.pathname).split("?")[0];
  }
});

document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
  if (!isPage(ctx)) return;
  if (current?.request.method === "GET") current.request.abort?.(); // the last click counts
  current = ctx;
  ctx.from = location.href;
  root.classList.add("is-loading");
});

document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
  if (ctx !== current) return;
  current = null;
  root.classList.remove("is-loading");
});

// A page loaded whole: what is no page of ours, and what another user sees, is in another language or
// stands alone as the login does, because what is around `main` stays.
function loadWhole(event, { request, response }) {
  event.preventDefault();
  if (request.method === "GET" || response.raw.redirected) location.assign(response.raw.url);
  else {
    const text = gettext("The server answered with status %(status)s. Try again in a moment.");
    notify(interpolate(text, { status: response.status }, true));
  }
}

document.addEventListener("htmx:before:response", (event) => {
  const { ctx } = event.detail;
  if (!isPage(ctx)) return;
  const type = ctx.response.headers.get("Content-Type") ?? "";
  if (ctx.response.status !== 204 && !type.startsWith("text/html")) loadWhole(event, ctx);
});

document.addEventListener("htmx:before:swap", (event) => {
  const { ctx, tasks } = event.detail;
  if (!isPage(ctx) || ctx.response.status === 204) return;
  const next = tasks.find((task) => task.target === main)?.fragment.querySelector("#main");
  // An error page of a failing server does not know the user.
  const isOtherUser = next?.dataset.user !== undefined && next.dataset.user !== main.dataset.user;
  const isOtherLanguage = next?.lang && next.lang !== root.lang;
  const isOtherFrame = next?.dataset.frame !== main.dataset.frame;
  if (!next || isOtherUser || isOtherLanguage || isOtherFrame) loadWhole(event, ctx);
  else if (next.dataset.user === undefined) next.dataset.user = main.dataset.user;
});

document.addEventListener("htmx:before:history:update", (event) => {
  if (!current) return;
  const { history: action, response } = event.detail;
  const isFormAgain = current.request.method !== "GET" && !response.raw.redirected;
  if (isFormAgain) event.preventDefault();
  else if (action.path === location.pathname + location.search) action.type = "replace";
});

document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  if (!isPage(ctx)) return;
  for (const link of document.querySelectorAll("[data-section-link]")) {
    const isHere = link.dataset.sectionLink === main.dataset.section;
    if (isHere) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const isSamePage = ctx.request.method !== "GET" && pathOf(ctx.from) === location.pathname;
  if (isRestored(ctx)) scrollTo({ top: history.state?.scroll ?? 0, behavior: "instant" });
  else if (!isSamePage && !ctx.request.anchor) scrollTo({ top: 0, behavior: "instant" });
  if (!main.contains(document.activeElement)) main.focus({ preventScroll: true });
  announce(ctx.title);
});

function announce(title) {
  const messages = [...main.querySelectorAll(".messages li")].map((item) => item.textContent);
  document.querySelector("[data-announced]").textContent = [title, ...messages].join(". ");
}

// Where a page was scrolled to, for the way back.
let scrollTimer = 0;
addEventListener("scroll", () => {
  clearTimeout(scrollTimer);
  scrollTimer = setTimeout(() => {
    if (!current) history.replaceState({ ...history.state, scroll: scrollY }, "");
  }, 150);
}, { passive: true });

document.addEventListener("htmx:error", ({ detail: { ctx } }) => {
  if (ctx && isPage(ctx)) {
    notify(gettext("The page could not be loaded. Check the connection, then try again."));
  }
});
