"use strict";
// Eigenvalues of W_rec in the complex plane; distributions of u and gamma.

// What the visible runs hold of a kind at the slider's step: for each run its chosen layers.
function entriesAt(state, kind) {
  return state.visible.flatMap((place) => {
    const run = numbers.runs[place];
    if (!run.inspections.length) return [];
    const entry = inspectionAt(run, state.step);
    const layers = Object.entries(entry[kind]).filter(([layer]) => state.layer === "" || state.layer === layer);
    const found = layers.map(([layer, encoded]) => ({ layer, values: values(encoded) }));
    return found.length ? [{ place, layers: found, title: `<b>${escaped(run.name)}</b>, step ${entry.step}` }] : [];
  });
}

// All values of a kind over all runs and steps, so that axes stand still while the slider moves.
function extent(kind) {
  const all = numbers.runs.flatMap((run) => run.inspections).flatMap((entry) => Object.values(entry[kind]));
  return all.length ? [Math.min(...all.map((e) => e.low)), Math.max(...all.map((e) => e.high))] : null;
}

const extents = { spectrum: extent("spectrum"), u: extent("u"), gamma: extent("gamma") };

function spectrumTrace({ place, layers, title }) {
  const points = layers.flatMap(({ layer, values: parts }) =>
    Array.from({ length: parts.length / 2 }, (_, index) => ({ x: parts[2 * index], y: parts[2 * index + 1], layer })),
  );
  return {
    type: "scatter",
    mode: "markers",
    x: gapped(points.map(({ x }) => x)),
    y: gapped(points.map(({ y }) => y)),
    customdata: points.map(({ x, y, layer }) => [Math.hypot(x, y), layer]),
    marker: { color: runColour(place), size: 6, opacity: 0.75 },
    hovertemplate:
      `${title}, layer %{customdata[1]}<br>%{x:.4f} %{y:+.4f}i` +
      `<br>modulus %{customdata[0]:.4f}<extra></extra>`,
  };
}

function spectrumPlot(state) {
  const reach = 1.08 * Math.max(1, ...extents.spectrum.map(Math.abs));
  const xaxis = axis({ range: [-reach, reach], constrain: "domain", title: { text: "real part" } });
  const yaxis = axis({ range: [-reach, reach], scaleanchor: "x", constrain: "domain", title: { text: "imaginary part" } });
  const circle = { type: "circle", x0: -1, x1: 1, y0: -1, y1: 1, line: { color: colour("soft"), width: 1.5 } };
  return [entriesAt(state, "spectrum").map(spectrumTrace), { xaxis, yaxis, shapes: [circle] }];
}

function drawSpectrum(state) {
  const element = document.getElementById("spectrum-plot");
  const height = Math.min(420, element.clientWidth + 20);
  draw(element, height, "Eigenvalues in the complex plane", () => spectrumPlot(state));
}

function distributionPlot(state, kind) {
  const [low, high] = extents[kind];
  const size = (high - low || 1) / 40;
  const bins = { start: low - size / 2, end: high + size, size };
  const traces = entriesAt(state, kind).map(({ place, layers, title }) => ({
    type: "histogram",
    histnorm: "percent",
    x: layers.flatMap((layer) => gapped(layer.values)),
    xbins: bins,
    autobinx: false,
    marker: { color: runColour(place) },
    opacity: 0.6,
    hovertemplate: `${title}<br>${kind} %{x}<br>%{y:.3g} % of the units<extra></extra>`,
  }));
  const xaxis = axis({ title: { text: kind }, range: [bins.start, bins.end] });
  return [traces, { xaxis, yaxis: axis({ title: { text: "share of the units, %" } }), barmode: "overlay" }];
}

function drawDistribution(state, kind) {
  draw(document.getElementById(`${kind}-plot`), 360, `Distribution of ${kind}`, () => distributionPlot(state, kind));
}

function drawSpectra(state) {
  if (extents.spectrum) drawSpectrum(state);
  for (const kind of ["u", "gamma"]) if (extents[kind]) drawDistribution(state, kind);
}

function hideMissing() {
  for (const [kind, found] of Object.entries(extents)) document.getElementById(`${kind}-part`).hidden = !found;
}
