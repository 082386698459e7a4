// Redoc makes its style sheets itself: they carry the nonce that the page's policy names. Its search needs a worker
// made of text, which the policy does not allow.
const place = document.getElementById("redoc");
const isDark = matchMedia("(prefers-color-scheme: dark)");
const show = () => {
  const ink = isDark.matches ? "#e8e6e1" : "#1d2026";
  const paper = isDark.matches ? "#16181c" : "#faf8f4";
  Redoc.init(place.dataset.schema, {
    nonce: place.dataset.nonce,
    disableSearch: true,
    scrollYOffset: ".site",
    theme: {
      colors: {
        primary: {main: isDark.matches ? "#7db4f0" : "#1f5fa8"},
        success: {main: isDark.matches ? "#7fd89a" : "#14612a"},
        error: {main: isDark.matches ? "#ffaca5" : "#9c1710"},
        text: {primary: ink, secondary: ink},
      },
      sidebar: {backgroundColor: paper, textColor: ink},
      schema: {nestedBackground: paper, typeNameColor: ink, typeTitleColor: ink},
      typography: {
        fontFamily: "inherit",
        headings: {fontFamily: "inherit"},
        code: {color: isDark.matches ? "#ffc9c4" : "#8a1a12"},
        links: {color: isDark.matches ? "#7db4f0" : "#1f5fa8"},
      },
    },
  }, place);
};
isDark.addEventListener("change", show);
show();
