// What the station makes: product, lot, mode and challenges, and the commands that change them.

import { ask, order } from "./asking.js";
import { make, show } from "./dom.js";
import { capital, count } from "./words.js";

const ISSUER = "operator";
const POLL_MS = 400;
const LONGEST_WAIT_MS = 20_000;
const MODES = { production: "resume", paused: "pause", maintenance: "maintenance", bypass: "bypass" };
const MODE_WORDS = { production: "Production", paused: "Paused", maintenance: "Maintenance", bypass: "Bypass" };
const WARNINGS = {
  bypass: "Bypass: every part will pass the gate, whatever is found on it. Go on?",
  maintenance: "Maintenance: no part will pass the gate. Go on?",
};

// Built once, so that what a person is writing stays; another station begins anew.
export function stationPanel(container) {
  let station = null; // that which the panel shows is the one that is asked
  const says = make("p", { class: "says", role: "status" });
  const now = make("div", { class: "now" });
  const hold = make("div", {});
  const product = make("select", { "aria-label": "Product" });
  const lot = make("input", { "aria-label": "Lot", maxlength: "64", placeholder: "lot" });
  const label = make("input", { "aria-label": "Defect on the challenge part", maxlength: "64", placeholder: "defect, as scratch" });
  const modes = make("div", { class: "choice" });

  const act = (text, kind, args = () => ({})) => make("button", { class: "quiet", type: "button", onclick: () => send(kind, args()) }, text);

  async function send(kind, args) {
    if (!station || (WARNINGS[kind] && !confirm(WARNINGS[kind]))) return;
    const asked = station;
    const answer = (kind, words) => { if (asked === station) tell(kind, words); }; // under no other name
    tell("", `Asking the station: ${capital(kind.replaceAll("_", " "))} …`);
    try {
      const id = await order(asked, kind, args, 60, ISSUER);
      const { result, reason, from_part: from } = await becomeOf(id);
      const since = from ? `, from part ${from.part_number} on` : "";
      answer(result === "done" ? "good" : "bad", `${capital(result)}${reason ? `: ${reason}` : ""}${since}`);
    } catch (error) {
      answer("bad", error.message);
    }
  }

  function tell(kind, text) {
    says.className = `says ${kind}`;
    says.textContent = text;
  }

  container.replaceChildren(
    now,
    hold,
    make("div", { class: "row" }, product, act("Change over", "change_product", () => ({ product: product.value }))),
    make("div", { class: "row" }, lot, act("Start lot", "lot_start", () => ({ lot: lot.value.trim() })), act("End", "lot_end")),
    make("div", { class: "row" }, label, act("Challenge next part", "challenge_part", () => ({ label: label.value.trim() }))),
    modes,
    says,
  );

  return (summary) => {
    const facts = factsOf(summary);
    if (station !== facts.station) {
      station = facts.station;
      [lot, label].forEach((input) => { input.value = ""; });
      tell("", "");
    }
    show(now, [facts, summary.apart], ([known, apart]) => rowsOf(known, apart));
    show(product, facts.products, (names) => names.map((name) => make("option", { value: name, "data-key": name }, name)));
    show(modes, facts.mode, (mode) => modeButtons(mode, (kind) => send(kind, {})));
    show(hold, facts.held, (text) => (text ? held(text, () => send("acknowledge_hold", {})) : []));
  };
}

function factsOf(summary) {
  const of = (name) => summary.health[`com.sightline.${name}`];
  const capture = of("Capture")?.facts ?? {};
  const products = (capture.products ?? "").split(", ").filter(Boolean);
  return {
    station: of("Capture")?.station_id ?? of("Publisher")?.station_id ?? null,
    product: capture.product ? `${capture.product} ${capture.product_version ?? ""}`.trim() : "",
    lot: capture.lot ?? "",
    challenge: capture.challenge ?? "",
    mode: of("Publisher")?.facts?.mode ?? "",
    products: products.map((entry) => entry.split(" ")[0]),
    held: (of("Inference")?.faults ?? []).find((fault) => fault.code === "held-back")?.text ?? "",
  };
}

function rowsOf(facts, apart) {
  const results = Object.entries(apart?.challenge ?? {}).filter(([, number]) => number > 0);
  const challenges = results.map(([result, number]) => `${count(number)} ${result}`).join(", ") || "none yet";
  const rows = [
    ["Product", facts.product || "none named"],
    ["Lot", facts.lot || "none"],
    ["Mode", MODE_WORDS[facts.mode] ?? "not told"],
    ["Challenges", facts.challenge ? `${facts.challenge} to come` : challenges],
    ...(apart?.maintenance ? [["In maintenance", `${count(apart.maintenance)} parts`]] : []),
  ];
  return make("dl", { class: "counters" }, rows.flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)]));
}

function modeButtons(mode, send) {
  return Object.entries(MODES).map(([name, kind]) =>
    make("button", { class: "quiet", type: "button", "data-key": name, "aria-pressed": String(mode === name), onclick: () => send(kind) }, MODE_WORDS[name]),
  );
}

function held(text, acknowledge) {
  return [
    make("p", { class: "fault" }, make("strong", {}, "Held back"), ` ${text}`),
    make("button", { class: "quiet", type: "button", onclick: acknowledge }, "Acknowledge the hold"),
  ];
}

// The station's last word on a command: that it was accepted is not the last.
async function becomeOf(id) {
  const until = Date.now() + LONGEST_WAIT_MS;
  while (Date.now() < until) {
    const { commands } = await ask("/api/commands?limit=50");
    const last = commands.find((entry) => entry.command_id === id && entry.result !== "accepted");
    if (last) return last;
    await new Promise((done) => { setTimeout(done, POLL_MS); });
  }
  throw new Error(`No answer within ${LONGEST_WAIT_MS / 1000} s; the station may still carry it out`);
}
