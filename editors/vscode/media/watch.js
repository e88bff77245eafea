// Draws the frames of a running denoise: the canvas as it is now, and below it a row for every step so far.
"use strict";

const NOISE = "░▒▓▚▞▙▟";
const FLICKER_MS = 90;
const canvas = document.getElementById("canvas");
const steps = document.getElementById("steps");
let request;

window.addEventListener("message", ({ data: frame }) => {
  document.getElementById("hint").hidden = true;
  if (frame.request !== request) {
    request = frame.request;
    steps.replaceChildren();
  }
  canvas.replaceChildren(span("around", frame.before.trimStart()), ...cells(frame), span("around", frame.after));
  document.getElementById("caption").textContent = caption(frame);
  if (frame.cells.some((cell) => cell.accepted)) {
    steps.append(row(frame));
  }
});

if (!window.matchMedia("(prefers-reduced-motion: reduce)").matches) {
  setInterval(() => {
    for (const noise of canvas.querySelectorAll(".noise")) {
      noise.textContent = glyph();
    }
  }, FLICKER_MS);
}

function cells(frame) {
  return frame.cells
    .filter((cell) => cell.text !== null || !frame.done)
    .map((cell) => (cell.text === null ? span("noise", glyph()) : span(cell.accepted ? "accepted" : "settled", cell.text)));
}

function row(frame) {
  const item = document.createElement("li");
  const code = document.createElement("code");
  const last = frame.cells.findLastIndex((cell) => cell.text !== null);
  code.append(
    ...frame.cells.map((cell, at) =>
      cell.text === null ? span("", at < last ? "·" : "") : span(cell.accepted ? "accepted" : "settled", oneLine(cell.text)),
    ),
  );
  item.append(span("step", String(frame.step)), code);
  return item;
}

function caption(frame) {
  const decided = frame.cells.filter((cell) => cell.text !== null).length;
  const what = frame.done ? "done" : "denoising";
  return `${what}: step ${frame.step}, ${decided} of ${frame.cells.length} places decided`;
}

function span(name, text) {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  return element;
}

function oneLine(text) {
  return text.replaceAll("\n", "⏎");
}

function glyph() {
  return NOISE[Math.floor(Math.random() * NOISE.length)];
}
