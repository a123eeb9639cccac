// What was done at the bench, newest first.

import { make } from "./dom.js";
import { capital, dateAndTime, plain } from "./words.js";

export function stepsTable(steps) {
  if (!steps.length) return make("p", { class: "note" }, "Nothing yet");
  return make(
    "table",
    {},
    make("tr", {}, ["When", "What", "", "Result"].map((name) => make("th", {}, name))),
    steps.map((step) =>
      make(
        "tr",
        { "data-key": step.command_id },
        make("td", {}, dateAndTime(step.at_utc_ns / 1e6)),
        make("td", {}, capital(plain(step.kind))),
        make("td", {}, make("span", { class: `pill ${step.result === "done" ? "good" : "bad"}` }, capital(step.result))),
        make("td", {}, step.text),
      )),
  );
}
