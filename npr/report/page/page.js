"use strict";
// The controls, and when what is drawn.

const slider = document.getElementById("step");
const toggles = [...document.querySelectorAll("[data-toggle]")];
const inspectedSteps = [
  ...new Set(numbers.runs.flatMap((run) => run.inspections.map((entry) => entry.step))),
].sort((one, other) => one - other);

function state() {
  return {
    visible: toggles.filter((box) => box.checked).map((box) => Number(box.dataset.toggle)),
    log: document.getElementById("log").checked,
    step: inspectedSteps[slider.value],
    layer: document.getElementById("layer").value,
  };
}

function drawInspections() {
  if (!inspectedSteps.length) return;
  const now = state();
  document.getElementById("step-shown").textContent = now.step.toLocaleString("en");
  slider.setAttribute("aria-valuetext", `training step ${now.step}`);
  drawGradients(now);
  drawSpectra(now);
}

function drawAll() {
  drawCurves(state());
  drawInspections();
}

function showRuns() {
  const { visible } = state();
  for (const element of document.querySelectorAll("[data-run]")) {
    element.hidden = !visible.includes(Number(element.dataset.run));
  }
  drawAll();
}

// At most one drawing for each frame, however fast the slider moves.
function oncePerFrame(work) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      work();
    });
  };
}

function listLayers() {
  const entries = numbers.runs.flatMap((run) => run.inspections);
  const names = entries.flatMap(({ spectrum, u, gamma }) => Object.keys({ ...spectrum, ...u, ...gamma }));
  const layers = [...new Set(names)].sort((one, other) => one.localeCompare(other, "en", { numeric: true }));
  const select = document.getElementById("layer");
  select.append(new Option("all", ""), ...layers.map((layer) => new Option(layer, layer)));
  select.addEventListener("change", () => drawSpectra(state()));
}

function listen() {
  toggles.forEach((box) => box.addEventListener("change", showRuns));
  slider.addEventListener("input", oncePerFrame(drawInspections));
  document.getElementById("log").addEventListener("change", () => drawCurves(state()));
  document.getElementById("theme").addEventListener("change", (event) => {
    document.documentElement.dataset.theme = event.target.value;
    drawAll();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  let width = innerWidth;
  addEventListener("resize", oncePerFrame(() => {
    // A phone's address bar changes the height while it scrolls; plots depend on the width alone.
    if (innerWidth !== width) drawAll();
    width = innerWidth;
  }));
  addEventListener("beforeprint", () => printing(true));
  addEventListener("afterprint", () => printing(false));
}

// Paper is narrower than most screens, and light.
function printing(begins) {
  const root = document.documentElement;
  if (begins) {
    document.body.dataset.printing = root.dataset.theme;
    root.dataset.theme = "light";
  } else {
    root.dataset.theme = document.body.dataset.printing;
    delete document.body.dataset.printing;
  }
  drawAll();
}

function start() {
  slider.max = Math.max(0, inspectedSteps.length - 1);
  slider.value = slider.max;
  document.getElementById("no-inspections").hidden = inspectedSteps.length > 0;
  document.getElementById("inspected").hidden = !inspectedSteps.length;
  hideMissing();
  labelScale();
  listLayers();
  listen();
  drawAll();
  document.documentElement.dataset.ready = Math.round(performance.now());
}

start();
