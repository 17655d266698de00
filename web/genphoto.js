// The sweep viewer, a DOM widget that LiteGraph, Vue nodes and App mode all show; warnings on nodes; the colors of our
// sockets; and names of files that are filled in as in core's SaveImage.
import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";

const VIEWER = "GenPhotoSweepViewer";
const SAVER = "GenPhotoSaveSweep";
const SOCKETS = { GENPHOTO_SWEEP: "#3fb8a6", GENPHOTO_CAMERA: "#c8a06a" };
const WARNING = "genphoto.warning"; // the event that nodes/comfy_host.py sends, and the widget that shows it
const LEAST_HEIGHT = 150;
const STACK = 0.8; // of a picture's aspect: a stage narrower than this shows pictures better one above the other
const WHEEL_STEP = 50; // of deltaY [px] per frame; one notch of a mouse is 100 or more

const icon = (shape) => `<svg viewBox="0 0 16 16" aria-hidden="true">${shape}</svg>`;
const PLAY = icon('<path d="M4.5 2.8v10.4L13 8z"/>');
const PAUSE = icon('<path d="M4 3h3v10H4zM9 3h3v10H9z"/>');
const EXPAND = icon('<path class="line" d="M9.5 2.5h4v4M6.5 13.5h-4v-4M13.2 2.8 9 7M2.8 13.2 7 9"/>');
const MODES = [
  ["single", "One picture", icon('<path class="line" d="M2.5 3.5h11v9h-11z"/>')],
  ["side", "Side by side", icon('<path class="line" d="M1.5 3.5h13v9h-13zM8 3.5v9"/>')],
  [
    "difference",
    "Difference, 4 times",
    icon('<path class="line" d="M2 2.5h8v8H2zM6 6h8v7.5H6z"/><path d="M6 6h4v4.5H6z"/>'),
  ],
];
const modeButton = ([mode, name, shape]) =>
  `<button type="button" data-mode="${mode}" title="${name}" aria-label="${name}">${shape}</button>`;

const STYLE = `
.genphoto {
  display: flex; flex-direction: column; min-height: ${LEAST_HEIGHT}px; overflow: hidden; box-sizing: border-box;
  border: 1px solid var(--border-color, #4e4e4e); border-radius: 6px; background: #161616;
  color: var(--input-text, #ddd); font: 12px/1 Inter, system-ui, sans-serif; font-variant-numeric: tabular-nums;

  &:focus-within { border-color: var(--p-primary-color, #6ea8fe); }
  .stage { position: relative; flex: 1 1 0; min-height: 0; cursor: default; }
  .cells {
    position: absolute; inset: 0; display: grid; gap: 2px; grid-auto-flow: column; grid-auto-columns: minmax(0, 1fr);
  }
  .cells > * { position: relative; min-width: 0; min-height: 0; container-type: size; }
  .cells > :nth-child(2) { display: none; }
  .chips { pointer-events: none; }
  .chips > div > div { /* as large as the picture */
    position: absolute; inset: 0; margin: auto; width: min(100cqw, 100cqh * var(--aspect)); aspect-ratio: var(--aspect);
  }
  .chips span {
    position: absolute; left: 8px; bottom: 8px; max-width: calc(100% - 16px); box-sizing: border-box;
    padding: .35em .6em; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; border-radius: 4px;
    color: #fff; background: #000a; font-size: clamp(11px, 5cqh, 17px); font-weight: 600;
  }
  img { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain; }
  .message:not([hidden]) {
    position: absolute; inset: 0; display: grid; place-items: center; margin: 0; padding: 12px;
    text-align: center; line-height: 1.4; color: #9a9a9a;
  }

  &.side .cells > :nth-child(2) { display: block; }
  &.side.stacked .cells { grid-auto-flow: row; grid-auto-rows: minmax(0, 1fr); }
  &.difference .pictures { isolation: isolate; filter: brightness(4); }
  &.difference .pictures > * { display: block; grid-area: 1 / 1; }
  &.difference .pictures > :nth-child(2) { mix-blend-mode: difference; }

  .bar {
    display: flex; align-items: center; gap: 6px; height: 30px; padding: 0 6px; container-type: inline-size;
    background: var(--comfy-input-bg, #222);
  }
  .count { flex: none; color: var(--descrip-text, #999); }
  .bar [role="group"] { display: flex; flex: none; }
  @container (width < 220px) { .count { display: none; } }
  &.alone [role="group"] { display: none; }
  &:not(.full) :is(.bar > *, .chips) { visibility: hidden; }
  button {
    flex: none; width: 24px; height: 22px; padding: 0; display: grid; place-items: center; cursor: pointer;
    border: 0; border-radius: 4px; color: inherit; background: none; opacity: .7;
  }
  button:hover, button[aria-pressed="true"] { opacity: 1; background: #8883; }
  svg { width: 14px; height: 14px; fill: currentColor; }
  svg .line { fill: none; stroke: currentColor; stroke-width: 1.3; }
  :focus-visible { outline: 2px solid var(--p-primary-color, #6ea8fe); outline-offset: -1px; }
  input:focus-visible { outline: none; }
  input:focus-visible::-webkit-slider-thumb { outline: 2px solid var(--p-primary-color, #6ea8fe); outline-offset: 1px; }
  input:focus-visible::-moz-range-thumb { outline: 2px solid var(--p-primary-color, #6ea8fe); outline-offset: 1px; }

  input { flex: 1 1 0; min-width: 30px; height: 18px; margin: 0; appearance: none; background: none; cursor: pointer; }
  input::-webkit-slider-runnable-track { height: 2px; border-radius: 1px; background: #8888; }
  input::-moz-range-track { height: 2px; border-radius: 1px; background: #8888; }
  input::-webkit-slider-thumb {
    appearance: none; width: 12px; height: 12px; margin-top: -5px; border-radius: 50%; background: currentColor;
  }
  input::-moz-range-thumb { width: 12px; height: 12px; border: 0; border-radius: 50%; background: currentColor; }
}
.genphoto-warning {
  overflow: auto; border-radius: 6px; background: #54370d; color: #ffdf9e; font: 12px/1.35 Inter, system-ui, sans-serif;
  p { margin: 0; padding: 6px 8px; white-space: pre-line; user-select: text; }
}
[data-testid="linear-widgets"] .genphoto { min-height: 320px; }
:root { ${Object.entries(SOCKETS).map(([type, color]) => `--color-datatype-${type}: ${color};`).join(" ")} }
`;

// The element, and show(output) that fills it. `load` and `save` keep {frame, mode} with the node.
function makeViewer(load, save) {
  const root = document.createElement("div");
  root.className = "genphoto alone";
  root.dataset.captureWheel = "true"; // ComfyUI leaves the wheel to us while the focus is inside
  root.innerHTML = `
    <div class="stage" title="Click, then use the wheel or the arrow keys">
      <div class="cells pictures"><div></div><div></div></div>
      <div class="cells chips">
        <div><div><span class="label"></span></div></div>
        <div><div><span>compare</span></div></div>
      </div>
      <p class="message">Run the workflow to see the sweep.</p>
    </div>
    <div class="bar">
      <button class="play" type="button"></button>
      <input type="range" min="0" value="0" aria-label="Frame">
      <span class="count"></span>
      <div role="group" aria-label="Compare">${MODES.map(modeButton).join("")}</div>
      <button class="expand" type="button" title="Full screen" aria-label="Full screen">${EXPAND}</button>
    </div>`;
  const find = (selector) => root.querySelector(selector);
  const [stage, slider, playButton, message] = [".stage", "input", ".play", ".message"].map(find);
  const slots = find(".pictures").children;

  let frames = []; // {label, urls: [image, compared image]}
  let pictures = new Map(); // url -> promise of a decoded image
  let { frame, mode } = load();
  let drawn = 0;
  let timer;
  let direction = 1;
  let wheel = 0;

  const picture = (url) => {
    if (!pictures.has(url)) {
      const image = Object.assign(new Image(), { src: url, alt: "", draggable: false, decoding: "sync" });
      const forget = (error) => {
        pictures.delete(url); // so that it is asked for again
        throw error;
      };
      pictures.set(url, image.decode().then(() => image, forget));
    }
    return pictures.get(url);
  };

  const layOut = () => {
    const image = find("img");
    if (!image) return;
    const aspect = image.naturalWidth / image.naturalHeight;
    root.style.setProperty("--aspect", aspect);
    root.classList.toggle("stacked", stage.clientWidth / stage.clientHeight < STACK * aspect);
  };

  async function draw() {
    if (!frames.length) return;
    const { label, urls } = frames[frame];
    const shown = urls.length > 1 ? mode : "single";
    for (const [name] of MODES) {
      root.classList.toggle(name, name === shown);
      find(`[data-mode=${name}]`).setAttribute("aria-pressed", name === shown);
    }
    find(".label").textContent = shown === "difference" ? `${label} · difference ×4` : label;
    find(".count").textContent = `${frame + 1} / ${frames.length}`;
    slider.value = frame;
    slider.setAttribute("aria-valuetext", `${label}, ${frame + 1} of ${frames.length}`);

    const turn = ++drawn;
    const wanted = shown === "single" ? urls.slice(0, 1) : urls;
    try {
      const images = await Promise.all(wanted.map(picture));
      if (turn !== drawn) return; // a later frame was asked for meanwhile
      [...slots].forEach((slot, i) => slot.replaceChildren(...images.slice(i, i + 1)));
      message.hidden = true;
      layOut();
      for (const near of [frames[frame + 1], frames[frame - 1]]) {
        near?.urls.slice(0, wanted.length).forEach((url) => picture(url).catch(() => {}));
      }
    } catch {
      if (turn !== drawn) return;
      [...slots].forEach((slot) => slot.replaceChildren());
      message.textContent = "This frame is no longer on the server. Run the workflow again.";
      message.hidden = false;
    }
  }

  function go(index) {
    play(false);
    frame = Math.max(0, Math.min(index, frames.length - 1));
    save({ frame, mode });
    return draw();
  }

  function play(on) {
    if (timer && !on) save({ frame, mode });
    clearTimeout(timer);
    timer = on && frames.length > 1 ? setTimeout(advance, pace()) : undefined;
    playButton.innerHTML = timer ? PAUSE : PLAY;
    playButton.title = timer ? "Pause (space)" : "Play (space)";
    playButton.setAttribute("aria-label", timer ? "Pause" : "Play");
  }

  // A sweep takes about two seconds, there and back.
  const pace = () =>
    matchMedia("(prefers-reduced-motion: reduce)").matches ? 1000 : Math.max(80, Math.min(2000 / frames.length, 400));

  async function advance() {
    if (!root.isConnected) return play(false);
    if (frame + direction < 0 || frame + direction >= frames.length) direction = -direction;
    frame += direction;
    const current = timer;
    await draw();
    if (timer === current) play(true);
  }

  slider.addEventListener("input", () => go(slider.valueAsNumber));
  playButton.addEventListener("click", () => play(!timer));
  find(".expand").addEventListener("click", () =>
    document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen(),
  );
  stage.addEventListener("click", () => slider.focus());
  for (const button of root.querySelectorAll("[data-mode]")) {
    button.addEventListener("click", () => {
      mode = button.dataset.mode;
      save({ frame, mode });
      draw();
    });
  }
  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const target = { ArrowLeft: frame - 1, ArrowRight: frame + 1, Home: 0, End: frames.length - 1 }[event.key];
    if (target !== undefined) go(target);
    else if (event.key === " " && event.target === slider) play(!timer);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  root.addEventListener("wheel", (event) => {
    if (!root.contains(document.activeElement) || event.ctrlKey || event.metaKey) {
      if (root.closest(".dom-widget")) app.canvas.processMouseWheel(event); // Vue nodes pass it on themselves
      return;
    }
    event.preventDefault();
    event.stopPropagation(); // or Vue nodes, who no longer find the picture that was replaced, zoom as well
    wheel += event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 33 : 1);
    if (Math.abs(wheel) < WHEEL_STEP) return;
    go(frame + Math.sign(wheel));
    wheel = 0;
  });
  new ResizeObserver(layOut).observe(stage);

  function show(output) {
    const url = (file) => api.apiURL(`/view?${new URLSearchParams(file)}`);
    const compared = output.genphoto_compare.map((filename) => url({ filename, subfolder: "", type: "temp" }));
    frames = output.images.map((file, i) => ({
      label: output.genphoto_labels[i],
      urls: [url(file), compared[i]].slice(0, compared.length ? 2 : 1),
    }));
    const wanted = new Set(frames.flatMap(({ urls }) => urls));
    pictures = new Map([...pictures].filter(([known]) => wanted.has(known))); // a cached run loads nothing again
    ({ frame, mode } = load());
    frame = Math.min(frame, frames.length - 1);
    slider.max = frames.length - 1;
    playButton.disabled = frames.length < 2;
    root.classList.add("full");
    root.classList.toggle("alone", !compared.length);
    play(false);
    draw();
  }

  play(false);
  return { root, show };
}

const viewers = () =>
  [app.rootGraph, ...app.rootGraph.subgraphs.values()]
    .flatMap((graph) => graph.nodes)
    .filter((node) => node.constructor.comfyClass === VIEWER);

// After a tab was switched or a change undone the nodes are new. Their last results are not,
function refill() {
  for (const node of viewers()) {
    const output = app.nodeOutputs[node.graph === app.rootGraph ? node.id : `${node.graph.id}:${node.id}`];
    if (output?.images) node.onExecuted(output);
  }
}

// and App mode, which knows nodes by their ids, still holds the elements of the old ones.
function replaceRemoved() {
  for (const node of viewers()) {
    document.querySelector(`.genphoto[data-removed="${node.id}"]`)?.replaceWith(node.widgets[0].element);
  }
}

// %date:yyyy-MM-dd% and %Node.widget%, which core replaces in what is sent for its own nodes only; the workflow keeps
// them.
function fillInPrefix(node) {
  const prefix = node.widgets.find(({ name }) => name === "filename_prefix");
  prefix.serializeValue = () => window.comfyAPI.utils.applyTextReplacements(app, prefix.value);
}

// The node of an execution: "12:5" is node 5 in the subgraph of node 12.
function nodeAt(id) {
  let graph = app.rootGraph;
  let node;
  for (const part of String(id ?? "").split(":")) {
    node = graph?.getNodeById(part);
    graph = node?.subgraph;
  }
  return node;
}

function warn({ detail: { node: id, text } }) {
  const node = nodeAt(id);
  app.extensionManager.toast.add({ severity: "warn", summary: node?.title ?? "GenPhoto", detail: text, life: 20000 });
  if (!node) return;
  const sentences = [...new Set([...forget(node).split("\n"), ...text.split("\n")])].filter(Boolean); // of this run
  const element = Object.assign(document.createElement("div"), { className: "genphoto-warning" });
  const words = element.appendChild(Object.assign(document.createElement("p"), { textContent: sentences.join("\n") }));
  const height = node.size[1];
  const widget = node.addDOMWidget(WARNING, "GENPHOTO_WARNING", element, {
    serialize: false,
    hideOnZoom: false,
    getMinHeight: () => words.offsetHeight || 60,
  });
  widget.serialize = false;
  widget.heightBefore = height;
  new ResizeObserver(() => node.setSize([node.size[0], Math.max(height, node.computeSize()[1])])).observe(words);
}

// Takes the warnings off a node, and returns them: those of its last run need not be true of the one that starts.
function forget(node) {
  const warning = node?.widgets?.find(({ name }) => name === WARNING);
  if (!warning) return "";
  warning.onRemove?.();
  node.widgets.splice(node.widgets.indexOf(warning), 1);
  node.setSize([node.size[0], warning.heightBefore]);
  return warning.element.textContent;
}

// A palette, whenever it is loaded, empties the colors of the sockets that it does not know.
function colorSockets() {
  for (const [type, color] of Object.entries(SOCKETS)) {
    for (const colors of [app.canvas.default_connection_color_byType, LGraphCanvas.link_type_colors]) {
      let chosen = color;
      Object.defineProperty(colors, type, {
        get: () => chosen,
        set: (other) => (chosen = other || color),
        enumerable: true,
      });
    }
  }
}

app.registerExtension({
  name: "genphoto",

  setup() {
    document.head.append(Object.assign(document.createElement("style"), { textContent: STYLE }));
    colorSockets();
    api.addEventListener(WARNING, warn);
    api.addEventListener("executing", ({ detail }) => forget(nodeAt(detail)));
  },

  nodeCreated(node) {
    if (node.constructor.comfyClass === SAVER) fillInPrefix(node);
    if (node.constructor.comfyClass !== VIEWER) return;
    // In flags, which ComfyUI saves but neither executes nor takes for a reason to run again.
    const viewer = makeViewer(
      () => ({ frame: 0, mode: "single", ...node.flags.genphoto }),
      (state) => (node.flags.genphoto = state),
    );
    const widget = node.addDOMWidget("viewer", "GENPHOTO_VIEWER", viewer.root, {
      serialize: false,
      hideOnZoom: false,
      getMinHeight: () => LEAST_HEIGHT,
    });
    widget.serialize = false;
    node.hideOutputImages = true; // no second picture: in Vue nodes
    node.onDrawBackground = () => {}; // and in LiteGraph
    node.setSize([Math.max(node.size[0], 380), Math.max(node.size[1], 360)]);
    const { onExecuted, onRemoved } = node;
    node.onExecuted = function (output) {
      onExecuted?.apply(this, arguments);
      viewer.show(output);
    };
    node.onRemoved = function () {
      onRemoved?.apply(this, arguments);
      viewer.root.dataset.removed = node.id;
    };
  },

  onNodeOutputsUpdated: refill,
  afterConfigureGraph() {
    refill();
    requestAnimationFrame(replaceRemoved); // once ComfyUI has put the new elements elsewhere
  },
});
