// Makes a part the one that all others of its product are held against.

import { order } from "./asking.js";
import { make } from "./dom.js";
import { outcomeOf } from "./outcomes.js";

export function referenceButton(record) {
  const says = make("span", { class: "says-what", role: "status" });
  const button = make("button", { class: "quiet", type: "button", onclick: act }, "Take this part as the reference");
  async function act() {
    const good = record.verdict === "ok" || confirm(`Part ${record.partNumber} was judged ${record.verdict}. Take it as the reference all the same?`);
    if (!good) return;
    button.disabled = true;
    says.className = "says-what";
    says.textContent = "Asking the station …";
    const args = { epoch: record.epoch, partNumber: record.partNumber, product: record.product ?? "" };
    const [result, text] = await outcomeOf(record.stationId, () => order(record.stationId, "take_reference", args));
    says.className = `says-what ${result === "done" ? "good" : "bad"}`;
    says.textContent = text;
    button.disabled = false;
  }
  return make("p", { class: "acts" }, button, " ", says);
}
