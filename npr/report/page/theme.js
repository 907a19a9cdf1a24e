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

// Plots that are far from what is seen wait until they come near: `make` gives [traces, layout] then.
const waiting = new Map();
const MARGIN = 300; // pixels

const observer = new IntersectionObserver(
  (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => drawNow(entry.target)),
  { rootMargin: `${MARGIN}px` },
);

function draw(element, height, label, make) {
  element.classList.add("plot");
  element.setAttribute("role", "img");
  element.setAttribute("aria-label", label);
  element.style.minHeight = `${height}px`;
  waiting.set(element, () => {
    const [traces, more] = make();
    const width = document.body.dataset.printing ? PAPER : element.clientWidth;
    Plotly.react(element, traces, layout({ ...more, height, width }), config);
  });
  observer.observe(element);
  if (document.body.dataset.printing || isNear(element)) drawNow(element);
}

function drawNow(element) {
  const work = waiting.get(element);
  waiting.delete(element);
  work?.();
}

function isNear(element) {
  const { top, bottom, height } = element.getBoundingClientRect();
  return height > 0 && top < innerHeight + MARGIN && bottom > -MARGIN;
}

function box(parent, key) {
  const known = parent.querySelector(`[data-key="${key}"]`);
  if (known) return known;
  const made = document.createElement("div");
  made.dataset.key = key;
  parent.append(made);
  return made;
}
