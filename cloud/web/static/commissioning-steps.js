// The commissioning steps, newest first.

import { createElement } from "./dom.js";
import { capitalize, formatCode, formatDateTime } from "./format.js";

export function stepsTable(steps) {
  if (!steps.length) return createElement("p", { class: "note" }, "No steps yet");
  return createElement(
    "table",
    {},
    createElement("tr", {}, ["Time", "Step", "Result", "Details"].map((name) => createElement("th", {}, name))),
    steps.map((step) =>
      createElement(
        "tr",
        { "data-key": step.command_id },
        createElement("td", { class: "time" }, formatDateTime(step.at_utc_ns / 1e6)),
        createElement("td", {}, capitalize(formatCode(step.kind))),
        createElement("td", {}, createElement("span", { class: `pill ${step.result === "done" ? "good" : "bad"}` }, capitalize(step.result))),
        createElement("td", {}, step.text),
      )),
  );
}
