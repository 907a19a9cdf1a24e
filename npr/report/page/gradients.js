"use strict";
// Gradient through time: one heat map for each visible run, time step across, layer upwards.

// The darkest colour to the lightest, evenly spaced; of rising lightness, so that they read in grey too.
const SCALE = ["#160b39", "#42127a", "#7b1f85", "#b3367a", "#e0565f", "#f68a4b", "#fbc35f", "#fcf6b0"];
// Beyond this range colours would no longer tell neighbours apart.
const DECADES = 16;

// The newest inspection of a run at or before a training step; its first if there is none.
function inspectionAt(run, step) {
  const past = run.inspections.filter((entry) => entry.step <= step);
  return past.length ? past[past.length - 1] : run.inspections[0];
}

const gradientRange = (() => {
  const all = numbers.runs.flatMap((run) => run.inspections).flatMap((entry) => Object.values(entry.gradient));
  const high = Math.max(...all.map((encoded) => encoded.high));
  const low = Math.min(...all.map((encoded) => encoded.low));
  return all.length ? { low: Math.max(low, high - DECADES), high: high > low ? high : low + 1 } : null;
})();

// First time step of each column, and behind them the length of the sequence (npr/report/thinning.py, `largest`).
function columnEdges(length, columns) {
  return Array.from({ length: columns + 1 }, (_, column) => Math.floor((column * length) / columns));
}

function normText(log10) {
  if (log10 === -Infinity) return "0";
  return Number.isNaN(log10) ? "not finite" : `10<sup>${log10.toFixed(2)}</sup>`;
}

function cellText(layer, edges, column, log10) {
  const last = edges[column + 1] - 1;
  const times = last > edges[column] ? `time steps ${edges[column]} to ${last}` : `time step ${edges[column]}`;
  return `${times}, layer ${layer}<br>‖dL/dh‖ = ${normText(log10)}`;
}

function gradientTrace(entry) {
  const layers = Object.keys(entry.gradient);
  const logs = layers.map((layer) => values(entry.gradient[layer]));
  const edges = columnEdges(entry.time, logs[0].length);
  return {
    type: "heatmap",
    x: edges.map((edge) => edge - 0.5),
    y: layers.map((layer) => `layer ${layer}`),
    z: logs.map(gapped),
    text: logs.map((row, place) => Array.from(row, (log10, column) => cellText(layers[place], edges, column, log10))),
    hoverinfo: "text",
    hoverongaps: true,
    zmin: gradientRange.low,
    zmax: gradientRange.high,
    colorscale: SCALE.map((shade, place) => [place / (SCALE.length - 1), shade]),
    showscale: false,
  };
}

function drawGradient(parent, place, state) {
  const run = numbers.runs[place];
  const element = box(parent, place);
  const entry = run.inspections.length ? inspectionAt(run, state.step) : null;
  element.hidden = !state.visible.includes(place) || !entry || !Object.keys(entry.gradient).length;
  if (element.hidden) return;
  const title = box(element, "title");
  title.textContent = `${run.name}, step ${entry.step.toLocaleString("en")}`;
  const height = 70 + 26 * Object.keys(entry.gradient).length;
  draw(box(element, "plot"), height, `Gradient norms of ${run.name}`, () => [[gradientTrace(entry)], gradientLayout()]);
}

function gradientLayout() {
  return {
    margin: { l: 8, r: 12, t: 4, b: 52 },
    xaxis: axis({ title: { text: "time step", standoff: 4 }, automargin: false, showgrid: false }),
    yaxis: axis({ type: "category", showgrid: false }),
  };
}

function drawGradients(state) {
  const parent = document.getElementById("gradient-plots");
  numbers.runs.forEach((_, place) => drawGradient(parent, place, state));
}

function labelScale() {
  if (!gradientRange) return;
  document.getElementById("scale-colours").style.background = `linear-gradient(90deg, ${SCALE.join(", ")})`;
  document.getElementById("scale-low").innerHTML = normText(gradientRange.low);
  document.getElementById("scale-high").innerHTML = normText(gradientRange.high);
}
