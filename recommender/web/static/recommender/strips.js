// What scrolls sideways where it has no room, such as tabs on a phone. It says on which sides there
// is more, so that it fades there alone. What stands for this page is in its middle.

import { onElement } from "./page.js";

const NEAR = 2; // pixels from an end that are the end

onElement("[data-strip]", (strip) => {
  // Where the end is at the left, positions count back from the right.
  function show() {
    const most = strip.scrollWidth - strip.clientWidth;
    const isBackwards = getComputedStyle(strip).direction === "rtl";
    const before = isBackwards ? most + strip.scrollLeft : strip.scrollLeft;
    strip.classList.toggle("has-before", before > NEAR);
    strip.classList.toggle("has-after", most - before > NEAR);
  }

  // When the window turns or the letters come, the middle is elsewhere.
  function centre() {
    const current = strip.querySelector("[aria-current]");
    if (current) {
      const [own, all] = [current, strip].map((one) => one.getBoundingClientRect());
      strip.scrollLeft += own.left + own.width / 2 - all.left - all.width / 2;
    }
    show();
  }

  strip.addEventListener("scroll", show, { passive: true });
  const sized = new ResizeObserver(centre);
  for (const one of [strip, ...strip.children]) sized.observe(one);
  centre();
  return () => sized.disconnect();
});
