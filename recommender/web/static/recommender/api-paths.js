// Swagger UI lets a path break before a slash, and in the middle of a word where a screen is narrow. Here each part
// ends with its slash and stays whole.
const inParts = (React, path) => path.split(/(?<=\/)/).map((part, key) =>
  React.createElement("span", {key, className: "path-part"}, part));

const partsKept = {
  wrapComponents: {
    DeepLink: (Original, {React}) => (props) => {
      const isPath = Array.isArray(props.text); // of a tag it is a string
      const path = isPath ? props.text.filter((part) => typeof part === "string").join("") : "";
      return React.createElement(Original, isPath ? {...props, text: inParts(React, path)} : props);
    },
  },
};

SwaggerUIBundle.presets.apis = [SwaggerUIBundle.presets.apis, partsKept];
