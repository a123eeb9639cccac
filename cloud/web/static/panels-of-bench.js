// What a station engineer does at the bench: each panel orders one thing and says what became of it.

import { order } from "./asking.js";
import { make } from "./dom.js";
import { outcomeOf } from "./outcomes.js";

// A panel with a form; `send` makes the order from it, `shown` adds to the words of the answer.
export function panel({ title, explains, fields, buttons, shown = () => null }) {
  const says = make("p", { class: "says-what", role: "status" });
  const more = make("div", {});
  const controls = buttons.map(({ word, act }) => make("button", { type: "button", onclick: () => run(act) }, word));
  async function run(act) {
    controls.forEach((control) => { control.disabled = true; });
    says.className = "says-what";
    says.textContent = "Asking the station …";
    more.replaceChildren();
    const [result, text, step] = await act();
    says.className = `says-what ${result === "done" ? "good" : "bad"}`;
    says.textContent = text;
    const extra = step && shown(step);
    if (extra) more.append(extra);
    controls.forEach((control) => { control.disabled = false; });
  }
  return make(
    "section",
    { class: "panel", "data-panel": title },
    make("h2", {}, title),
    make("p", { class: "note" }, explains),
    make("div", { class: "asks" }, fields, controls),
    says,
    more,
  );
}

export function numberField(label, value, attributes) {
  const input = make("input", { type: "number", value, ...attributes });
  return [make("label", {}, label, input), () => Number(input.value)];
}

export function calibrationPanel(station, cameras) {
  const chosen = make("select", {});
  const offer = () => chosen.replaceChildren(...cameras().map((name) => make("option", { value: name }, name)));
  chosen.addEventListener("focus", () => { if (chosen.options.length !== cameras().length) offer(); });
  const [size, squareMm] = numberField("A square, mm", 15, { min: 2, max: 100, step: 0.01 });
  const link = make("a", { href: "/commissioning/target.svg", target: "_blank" }, "Target to print");
  const follow = () => { link.href = `/commissioning/target.svg?square_mm=${squareMm()}`; };
  size.addEventListener("input", follow);
  const send = (more) => () =>
    outcomeOf(station(), () => order(station(), "calibrate", { camera: chosen.value, squareMm: squareMm(), ...more }));
  const element = panel({
    title: "Calibration in mm",
    explains: "Print the target at 100 %, lay it where the parts' surface is, square to the camera and whole in the picture, and measure a printed square.",
    fields: [make("label", {}, "Camera", chosen), size, link],
    buttons: [{ word: "Calibrate", act: send({}) }, { word: "Forget", act: send({ forget: true }) }],
  });
  return [element, offer];
}

export function referencePanel(station) {
  const send = (args) => () => outcomeOf(station(), () => order(station(), "take_reference", args));
  return panel({
    title: "Reference",
    explains: "All parts of a product are held against its reference in brightness, sharpness, colour and position. Take the last part here, or any part from its own page.",
    fields: [],
    buttons: [
      { word: "Take the last part", act: send({}) },
      { word: "Forget the reference", act: send({ forget: true }) },
    ],
  });
}
