// Installs the service worker, which shows a page of ours when there is no connection. Browsers
// allow it on HTTPS and on this machine alone.

const { worker } = document.querySelector('link[rel="manifest"]').dataset;

if (worker && "serviceWorker" in navigator) {
  // The music and the page come first.
  addEventListener("load", () => {
    navigator.serviceWorker.register(worker, { updateViaCache: "none" }).catch(() => {
      // A private window, or storage that is full or forbidden: all else works without it.
    });
  }, { once: true });
}
