"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const element = (id) => document.getElementById(id);
const value = (name) => document.querySelector(`input[name="${name}"]:checked`).value;
const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;
const stores = new Map(data.stores.map((store) => [store.store, store]));
let chosen = data.chosen || (data.stores[0] && data.stores[0].store);
let tradeOff = null;

/* The store that the plot, the numbers beside it and the pictures are about. */
function choose(name) {
  chosen = name;
  element("store").value = name;
  for (const field of ["size", "accuracy", "interval", "said"]) {
    element(`of-${field}`).textContent = stores.get(name)[field];
  }
  if (tradeOff) {
    tradeOff.signal("chosen", name).runAsync();
  }
  look();
}

/* Shows the chosen picture: its original to the left of the handle, the store to the right. */
function look() {
  if (!data.pictures.length) {
    return;
  }
  const picture = data.pictures[value("picture")];
  const as = value("as");
  const name = picture.stores[chosen] ? chosen : data.chosen;
  const label = stores.get(name).label;
  // At 100 %, where that is large enough to be seen; in whole multiples elsewhere.
  const [width, height] = as === "uri" ? [picture.width, picture.height] : [data.view, data.view];
  const times = Math.max(1, Math.floor(400 / Math.max(width, height)));
  const sides = [
    ["original", picture.original, "original"],
    ["stored", picture.stores[name], label],
  ];
  for (const [id, side, title] of sides) {
    const image = element(id);
    image.src = side[as];
    image.alt = `${picture.class}, ${title}`;
    image.classList.toggle("enlarged", times > 1);
    element(`${id}-bytes`).textContent = kilobytes(side.bytes);
  }
  for (const box of [element("original"), element("stored"), element("stage")]) {
    box.style.width = `${times * width}px`;
    box.style.height = `${times * height}px`;
  }
  element("stored-label").textContent = label;
  element("stage").parentElement.style.setProperty("--wide", `${times * width}px`);
  const sure = (side) => picture.sure[side].toFixed(2);
  const lines = [
    `${picture.class}: the probe gives the true class ${sure("")} on the original, ${sure(name)} on ${label}.`,
    `Shown at ${100 * times} %${as === "uri" && !picture.whole ? ": the part that differs most" : ""}.`,
  ];
  if (name !== chosen) {
    lines.push(`This page holds no pictures of ${stores.get(chosen).label}.`);
  }
  element("about-picture").textContent = lines.join(" ");
}

function slide() {
  element("stage").style.setProperty("--at", `${element("slider").value}%`);
}

async function copy(block) {
  const command = block.querySelector("code");
  let done = true;
  try {
    await navigator.clipboard.writeText(command.textContent);
  } catch {
    getSelection().selectAllChildren(command);
    done = document.execCommand("copy");
  }
  block.querySelector(".copied").textContent = done ? "Copied." : "Selected: copy it with Ctrl+C.";
}

element("store").addEventListener("change", (event) => choose(event.target.value));
for (const block of document.querySelectorAll(".command")) {
  block.querySelector("button").addEventListener("click", () => copy(block));
}
if (data.pictures.length) {
  element("slider").addEventListener("input", slide);
  for (const input of document.querySelectorAll('input[name="picture"], input[name="as"]')) {
    input.addEventListener("change", look);
  }
  for (const input of document.querySelectorAll('input[name="picture"]')) {
    input.nextElementSibling.src = data.pictures[input.value].original.uri;
  }
  slide();
}
if (data.stores.length) {
  choose(chosen);
}
const options = { actions: false, renderer: "svg", tooltip: { theme: "custom" } };
vegaEmbed("#trade-off", data.trade_off, options).then((found) => {
  tradeOff = found.view;
  tradeOff.addEventListener("click", (event, item) => {
    if (item && item.datum && stores.has(item.datum.store)) {
      choose(item.datum.store);
    }
  });
  tradeOff.signal("chosen", chosen).run();
  document.body.dataset.ready = "yes";
});
vegaEmbed("#by-part", data.parts, options);
if (data.classes) {
  element("classes-at").textContent = stores.get(data.chosen).label;
  vegaEmbed("#by-class", data.classes, options);
}
