"use strict";
// Eigenvalues of W_rec in the complex plane; distributions of u and gamma.

function entriesAt(state, kind) {
  const found = [];
  for (const place of state.visible) {
    const run = numbers.runs[place];
    const entry = run.inspections.length ? inspectionAt(run, state.step) : { [kind]: {} };
    for (const [layer, encoded] of Object.entries(entry[kind])) {
      if (state.layer === "" || state.layer === layer) found.push({ place, layer, step: entry.step, encoded });
    }
  }
  return found;
}

// All values of a kind over all runs and steps, so that axes stand still while the slider moves.
function extent(kind) {
  const all = numbers.runs.flatMap((run) => run.inspections).flatMap((entry) => Object.values(entry[kind]));
  return all.length ? [Math.min(...all.map((e) => e.low)), Math.max(...all.map((e) => e.high))] : null;
}

const extents = { spectrum: extent("spectrum"), u: extent("u"), gamma: extent("gamma") };

function spectrumTrace({ place, layer, step, encoded }) {
  const parts = values(encoded);
  const real = parts.filter((_, index) => index % 2 === 0);
  const imaginary = parts.filter((_, index) => index % 2 === 1);
  const name = `${escaped(numbers.runs[place].name)}</b>, step ${step}, layer ${layer}`;
  return {
    type: "scatter",
    mode: "markers",
    x: gapped(real),
    y: gapped(imaginary),
    customdata: gapped(real.map((part, index) => Math.hypot(part, imaginary[index]))),
    marker: { color: runColour(place), size: 6, opacity: 0.75 },
    hovertemplate: `<b>${name}<br>%{x:.4f} %{y:+.4f}i<br>modulus %{customdata:.4f}<extra></extra>`,
  };
}

function drawSpectrum(state) {
  const reach = 1.08 * Math.max(1, ...extents.spectrum.map(Math.abs));
  const x = axis({ range: [-reach, reach], constrain: "domain", title: { text: "real part" } });
  const y = axis({ range: [-reach, reach], scaleanchor: "x", constrain: "domain", title: { text: "imaginary part" } });
  const circle = { type: "circle", x0: -1, x1: 1, y0: -1, y1: 1, line: { color: colour("soft"), width: 1.5 } };
  const element = document.getElementById("spectrum-plot");
  const more = { height: Math.min(420, element.clientWidth + 20), xaxis: x, yaxis: y, shapes: [circle] };
  const traces = entriesAt(state, "spectrum").map(spectrumTrace);
  draw(element, traces, more, "Eigenvalues in the complex plane");
}

function drawDistribution(state, kind) {
  const [low, high] = extents[kind];
  const size = (high - low || 1) / 40;
  const bins = { start: low - size / 2, end: high + size, size };
  const traces = entriesAt(state, kind).map(({ place, layer, step, encoded }) => ({
    type: "histogram",
    histnorm: "percent",
    x: gapped(values(encoded)),
    xbins: bins,
    autobinx: false,
    marker: { color: runColour(place) },
    opacity: 0.6,
    hovertemplate:
      `<b>${escaped(numbers.runs[place].name)}</b>, step ${step}, layer ${layer}` +
      `<br>${kind} %{x}<br>%{y:.3g} % of the units<extra></extra>`,
  }));
  const x = axis({ title: { text: kind }, range: [bins.start, bins.end] });
  const y = axis({ title: { text: "share of the units, %" } });
  const more = { height: 360, xaxis: x, yaxis: y, barmode: "overlay" };
  draw(document.getElementById(`${kind}-plot`), traces, more, `Distribution of ${kind}`);
}

function drawSpectra(state) {
  if (extents.spectrum) drawSpectrum(state);
  for (const kind of ["u", "gamma"]) if (extents[kind]) drawDistribution(state, kind);
}

function hideMissing() {
  for (const [kind, found] of Object.entries(extents)) document.getElementById(`${kind}-part`).hidden = !found;
}
