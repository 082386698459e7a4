// The browser's time zone, so that days and hours of the listener's own pages are the listener's.

import { onElement, reloadPage } from "./page.js";

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
const isSecure = location.protocol === "https:" ? "; Secure" : "";
if (zone) document.cookie = `time_zone=${zone}; Path=/; Max-Age=31536000; SameSite=Lax${isSecure}`;

// A page that was made before the cookie was there is asked for once more.
const isKept = document.cookie.includes(`time_zone=${zone}`);
let isAsked = false;
onElement("[data-time-zone]", (element) => {
  if (!zone || !isKept || isAsked || element.dataset.timeZone === zone) return;
  isAsked = true; // the server may know no such zone
  reloadPage();
});
