"use strict";

// What fleet/report/page/data.py has written: texts and outcomes once, hosts as numbers of them.
const DATA = JSON.parse(document.getElementById("data").textContent);
const NOTEWORTHY = new Set(DATA.noteworthy);
const number = new Intl.NumberFormat("en");

const text = (index) => DATA.texts[index];

const CONTROLS = DATA.controls.map(([id, title, impact, noteworthy]) => ({
  id: text(id), title: text(title), impact, noteworthy,
}));

const FINDINGS = DATA.findings.map(([control, status, impact, reason, keys]) => ({
  control, status, impact, reason: text(reason), keys: keys.map(text),
}));

const WRITERS = DATA.writers.map((fields) => {
  const [name, when, value, effect, evidence, remedy] = fields.map(text);
  return { name, when, value, effect, evidence, remedy };
});

const STATES = DATA.states.map(([key, live, boot, later, expected, scope, source, note, others, writers]) => ({
  key: text(key), live: text(live), boot: text(boot), later: text(later), expected: text(expected), scope,
  source: source === null ? "" : text(source), note: text(note), others: others.map(text),
  writers: writers.map((index) => WRITERS[index]),
}));

const HOSTS = DATA.hosts.map((fields, index) => {
  const [name, status, error, findings, settings, node, conntrack, protection, remedy, runs] = fields;
  return { index, name: text(name), status, error: error === null ? "" : text(error), findings, settings, node, conntrack,
    protection, remedy, runs };
});

// For each list of findings: the status of each control, by the control's number.
const STATUSES = DATA.lists.map(() => null);

function statusesOf(host) {
  if (!STATUSES[host.findings]) {
    const found = new Array(CONTROLS.length).fill(null);
    const order = ["fail", "error", "warn", "skip", "pass"];
    for (const index of DATA.lists[host.findings]) {
      const finding = FINDINGS[index];
      const known = found[finding.control];
      if (!known || order.indexOf(finding.status) < order.indexOf(known.status)) found[finding.control] = finding;
    }
    STATUSES[host.findings] = found;
  }
  return STATUSES[host.findings];
}

// Texts are only ever set as text: nothing that a node says becomes markup.
function element(name, properties, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties || {})) {
    if (key === "class") made.className = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}
