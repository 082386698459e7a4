// Redoc makes its style sheets itself: they carry the nonce that the page's policy names. Its search needs a worker
// made of text, which the policy does not allow. It reckons with colours, so it is given our tokens as they are now.
const place = document.getElementById("redoc");
const isDark = matchMedia("(prefers-color-scheme: dark)");
const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const MONO = token("--mono");
// White words stand on these in both themes; so does the panel of examples, which is dark in both.
const METHODS = {get: "#3159ad", post: "#1c7553", put: "#8a5a00", patch: "#96480f", delete: "#b3261e"};
const PANEL = {backgroundColor: "#1d1f25", textColor: "#ece9e2"};

const show = () => {
  const [ink, paper] = [token("--ink"), token("--paper")];
  const link = isDark.matches ? "#7db4f0" : "#1f5fa8";
  Redoc.init(place.dataset.schema, {
    nonce: place.dataset.nonce,
    disableSearch: true,
    scrollYOffset: ".site",
    theme: {
      colors: {
        primary: {main: link},
        success: {main: isDark.matches ? "#7fd89a" : "#14612a"},
        error: {main: isDark.matches ? "#ffaca5" : "#9c1710"},
        text: {primary: ink, secondary: ink},
        border: {light: token("--line"), dark: token("--line")},
        http: METHODS,
      },
      sidebar: {backgroundColor: paper, textColor: ink},
      rightPanel: PANEL,
      codeBlock: {backgroundColor: "#15161a"},
      schema: {nestedBackground: paper, typeNameColor: ink, typeTitleColor: ink},
      typography: {
        fontSize: "15px",
        fontFamily: "inherit",
        headings: {fontFamily: "inherit", fontWeight: "600"},
        code: {fontFamily: MONO, color: isDark.matches ? "#ffc9c4" : "#8a1a12"},
        links: {color: link},
      },
    },
  }, place);
};
isDark.addEventListener("change", show);
show();
