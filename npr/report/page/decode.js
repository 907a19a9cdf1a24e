"use strict";
// Numbers of the page: base64 text back to arrays (npr/report/encoding.py writes them).

const numbers = JSON.parse(document.getElementById("numbers").textContent);

function bytes(text) {
  const letters = atob(text);
  const found = new Uint8Array(letters.length);
  for (let place = 0; place < letters.length; place++) found[place] = letters.charCodeAt(place);
  return found.buffer;
}

function integers(text) {
  return new Int32Array(bytes(text));
}

// Real values; NaN for a gap.
function values(encoded) {
  const { levels, minusInfinity, gap } = numbers.codes;
  const width = (encoded.high - encoded.low) / levels;
  return Float64Array.from(new Uint16Array(bytes(encoded.codes)), (code) => {
    if (code === gap) return NaN;
    return code === minusInfinity ? -Infinity : encoded.low + width * code;
  });
}

// What plotly draws as a gap is null in a plain array.
function gapped(array) {
  return Array.from(array, (value) => (Number.isFinite(value) ? value : null));
}

function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
