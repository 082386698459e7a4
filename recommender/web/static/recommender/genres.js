// Offers the genres of the songs at the input of a genre, once it is used.

import { onElement } from "./page.js";
import { shownNumber } from "./shown.js";

onElement("input[data-facets-url]", (input) => {
  input.addEventListener("focus", async () => {
    const answer = await fetch(input.dataset.facetsUrl);
    if (!answer.ok) return;
    const list = document.createElement("datalist");
    list.id = "genre-names";
    for (const { value, songs } of (await answer.json()).genres.slice(0, 300)) {
      list.append(new Option(shownNumber(songs), value));
    }
    input.after(list);
    input.setAttribute("list", list.id);
  }, { once: true });
});
