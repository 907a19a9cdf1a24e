"use strict";
// Learning curves: one plot for each measure, training and validation of every visible run.

const MEASURES = {
  loss: { title: "loss", log: true },
  bpc: { title: "bits per character", log: true },
  accuracy: { title: "accuracy" },
  bit_accuracy: { title: "accuracy of bits" },
  grad_norm: { title: "gradient norm before clipping", log: true },
};

// More markers than this would touch each other.
const MARKED = 60;

const curves = numbers.runs.map((run) => {
  const found = {};
  for (const [measure, splits] of Object.entries(run.curves)) {
    found[measure] = {};
    for (const [split, curve] of Object.entries(splits)) {
      found[measure][split] = { x: integers(curve.steps), y: gapped(values(curve.values)) };
    }
  }
  return found;
});

function curveTrace(place, measure, split) {
  const validation = split === "validation";
  const curve = curves[place][measure][split];
  const name = escaped(numbers.runs[place].name);
  return {
    ...curve,
    type: "scatter",
    mode: validation && curve.x.length <= MARKED ? "lines+markers" : "lines",
    line: { color: runColour(place), width: validation ? 2 : 1.3 },
    marker: { size: 5 },
    opacity: validation ? 1 : 0.55,
    hovertemplate: `<b>${name}</b><br>${split}, step %{x:,}<br>${MEASURES[measure].title} %{y:.4g}<extra></extra>`,
  };
}

function curvePlot(state, measure) {
  const { title, log } = MEASURES[measure];
  const traces = [];
  for (const place of state.visible) {
    for (const split of Object.keys(curves[place][measure] ?? {})) traces.push(curveTrace(place, measure, split));
  }
  const yaxis = axis({ title: { text: title }, type: log && state.log ? "log" : "linear", exponentformat: "power" });
  return [traces, { xaxis: axis({ title: { text: "training step" }, type: "linear" }), yaxis }];
}

function drawCurves(state) {
  // All boxes stand before the first plot is drawn: how many share a row decides how wide each is.
  const parent = document.getElementById("curve-plots");
  const measured = Object.keys(MEASURES).filter((measure) => curves.some((found) => measure in found));
  const boxes = measured.map((measure) => box(parent, measure));
  for (const [index, measure] of measured.entries()) {
    const { title } = MEASURES[measure];
    draw(boxes[index], 300, `${title} over training steps`, () => curvePlot(state, measure));
  }
}
