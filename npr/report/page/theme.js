"use strict";
// Colours of the plots, taken from the style sheet, and what all plots have in common.

const COLOURS = 10;
const PAPER = 680; // pixels; what fits between the margins of a printed page
const config = { displayModeBar: false, responsive: false, scrollZoom: false };

function colour(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function runColour(place) {
  return colour(`c${place % COLOURS}`);
}

function axis(more) {
  const line = colour("line");
  return { gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true, ...more };
}

// A finger that moves over a plot scrolls the page.
function dragMode() {
  return matchMedia("(pointer: coarse)").matches ? false : "zoom";
}

function layout(more) {
  return {
    autosize: false,
    margin: { l: 8, r: 12, t: 8, b: 8 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: colour("ink"), size: 13, family: "system-ui, sans-serif" },
    hoverlabel: { bgcolor: colour("panel"), bordercolor: colour("line"), font: { color: colour("ink") } },
    hovermode: "closest",
    dragmode: dragMode(),
    showlegend: false,
    ...more,
  };
}

// Draws into an element; what it showed before is replaced without building it anew.
function draw(element, traces, more, label) {
  element.classList.add("plot");
  element.setAttribute("role", "img");
  element.setAttribute("aria-label", label);
  const width = document.body.dataset.printing ? PAPER : element.clientWidth;
  Plotly.react(element, traces, layout({ ...more, width }), config);
}

function box(parent, key) {
  const known = parent.querySelector(`[data-key="${key}"]`);
  if (known) return known;
  const made = document.createElement("div");
  made.dataset.key = key;
  parent.append(made);
  return made;
}
