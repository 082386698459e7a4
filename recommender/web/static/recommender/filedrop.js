// A form of one file: it can be dropped, and nothing is sent before there is one. Without this script
// the file is chosen, and the browser asks for it.

import { onElement } from "./page.js";

onElement("[data-file-drop]", (drop) => {
  const input = drop.querySelector("input");
  const button = input.form.querySelector("button");
  const name = document.createElement("p");
  name.className = "small";
  name.dir = "auto";
  name.setAttribute("role", "status");
  input.after(name);
  drop.classList.add("is-scripted");
  const show = () => {
    button.disabled = !input.files.length;
    name.textContent = input.files.length ? input.files[0].name : "";
    name.hidden = !input.files.length;
  };
  input.addEventListener("change", show);
  for (const type of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(type, (event) => {
      event.preventDefault();
      drop.classList.toggle("is-over", type === "dragover");
    });
  }
  drop.addEventListener("drop", ({ dataTransfer }) => {
    if (!dataTransfer.files.length) return;
    const one = new DataTransfer();
    one.items.add(dataTransfer.files[0]);
    input.files = one.files;
    show();
  });
  show();
});
