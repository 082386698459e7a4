// The songs of the map as points on a canvas, by WebGL. One song is one vertex: the columns of the
// map's bytes are the attributes as they are, and the colour follows from the place.

const VERTEX = `
  attribute float valence;
  attribute float arousal;
  uniform vec4 view; // left, bottom, and twice the inverse of width and height
  uniform mediump float size; // the same precision in both shaders
  uniform vec3 colours[4]; // Q1 to Q4
  varying vec3 colour;
  void main() {
    gl_Position = vec4((vec2(valence, arousal) - view.xy) * view.zw - 1.0, 0.0, 1.0);
    gl_PointSize = size;
    colour = arousal >= 0.5
      ? (valence >= 0.5 ? colours[0] : colours[1])
      : (valence >= 0.5 ? colours[3] : colours[2]);
  }`;
const FRAGMENT = `
  precision mediump float;
  uniform float alpha;
  uniform mediump float size;
  varying vec3 colour;
  void main() {
    float edge = size < 4.0 ? 1.0
      : clamp((0.5 - distance(gl_PointCoord, vec2(0.5))) * size, 0.0, 1.0);
    gl_FragColor = vec4(colour, 1.0) * alpha * edge;
  }`;
const MOST_STEP = 120; // two bytes a song, and a stride of at most 255 bytes

// Return {setSongs, setColours, draw}; null where there is no WebGL.
export function pointLayer(canvas) {
  const gl = canvas.getContext("webgl", { antialias: false, depth: false, powerPreference: "low-power" });
  if (!gl) return null;
  let program = null;
  let place = {};
  let buffers = [];
  let songs = null;
  let colours = new Float32Array(12);

  function start() {
    program = gl.createProgram();
    for (const [type, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(type);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    gl.useProgram(program);
    const names = ["view", "size", "colours", "alpha"];
    place = Object.fromEntries(names.map((name) => [name, gl.getUniformLocation(program, name)]));
    buffers = ["valence", "arousal"].map((name) => {
      const at = gl.getAttribLocation(program, name);
      gl.enableVertexAttribArray(at);
      return { name, at, buffer: gl.createBuffer() };
    });
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    fill();
  }

  function fill() {
    if (!songs) return;
    for (const { name, buffer } of buffers) {
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.bufferData(gl.ARRAY_BUFFER, songs[name], gl.STATIC_DRAW);
    }
  }

  start();
  canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
  canvas.addEventListener("webglcontextrestored", start);
  return {
    // `valence` and `arousal` are Uint16Arrays.
    setSongs(valence, arousal) {
      songs = { valence, arousal };
      fill();
    },
    // Twelve numbers from 0 to 1: red, green and blue of Q1 to Q4.
    setColours(values) {
      colours = new Float32Array(values);
    },
    // Draw every `step`-th song in `view`, {left, bottom, width, height} of the plane.
    draw(view, { size, alpha, step = 1 }) {
      if (!songs || gl.isContextLost()) return;
      const stride = Math.min(MOST_STEP, Math.max(1, Math.round(step)));
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clear(gl.COLOR_BUFFER_BIT);
      for (const { at, buffer } of buffers) {
        gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
        gl.vertexAttribPointer(at, 1, gl.UNSIGNED_SHORT, true, 2 * stride, 0);
      }
      gl.uniform4f(place.view, view.left, view.bottom, 2 / view.width, 2 / view.height);
      gl.uniform1f(place.size, size);
      gl.uniform1f(place.alpha, alpha);
      gl.uniform3fv(place.colours, colours);
      gl.drawArrays(gl.POINTS, 0, Math.floor(songs.valence.length / stride));
    },
  };
}
