// Drawings of the server as PNG: it sends SVG in millimetres, and the canvas draws that at 300 dpi.

import { notify, onElement } from "./page.js";

const DPI = 300;
const MM_PER_INCH = 25.4;
const HEAD_BYTES = 33; // the signature and the first chunk of a PNG

onElement("[data-png]", (button) => {
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      const response = await fetch(button.dataset.png);
      if (!response.ok) throw new Error(response.status);
      save(await pngOf(await response.text()), button.dataset.png.split("/").pop().replace(".svg", ".png"));
    } catch {
      notify(gettext("The picture could not be made. Try again later."));
    }
  });
});

async function pngOf(svg) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode();
  const root = new DOMParser().parseFromString(svg, "image/svg+xml").documentElement;
  const pixels = (name) => Math.round(parseFloat(root.getAttribute(name)) / MM_PER_INCH * DPI);
  const canvas = document.createElement("canvas");
  canvas.width = pixels("width");
  canvas.height = pixels("height");
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  const bytes = new Uint8Array(await blob.arrayBuffer());
  return new Blob([bytes.subarray(0, HEAD_BYTES), resolution(), bytes.subarray(HEAD_BYTES)], { type: "image/png" });
}

// The chunk pHYs, which says how many pixels a metre of the print has.
function resolution() {
  const chunk = new DataView(new ArrayBuffer(21));
  const perMetre = Math.round(DPI / MM_PER_INCH * 1000);
  chunk.setUint32(0, 9);
  [..."pHYs"].forEach((letter, at) => chunk.setUint8(4 + at, letter.charCodeAt(0)));
  chunk.setUint32(8, perMetre);
  chunk.setUint32(12, perMetre);
  chunk.setUint8(16, 1);
  chunk.setUint32(17, crc(new Uint8Array(chunk.buffer, 4, 13)));
  return chunk;
}

function crc(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) {
    value ^= byte;
    for (let bit = 0; bit < 8; bit += 1) value = (value >>> 1) ^ (value & 1 ? 0xedb88320 : 0);
  }
  return (value ^ 0xffffffff) >>> 0;
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.dataset.hxBoost = "false";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
