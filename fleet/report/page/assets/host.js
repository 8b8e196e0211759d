// The details of one host.
function hostSheet(host, marked) {
  const sheet = element("div", { class: "sheet" });
  sheet.append(...machine(host), ...findingsOf(host, marked), ...settingsOf(host), ...protectionOf(host),
    ...remedyOf(host), ...runsOf(host));
  return sheet;
}

function machine(host) {
  const lines = [];
  if (host.error) lines.push(element("p", {}, badge("fail", host.status), ` ${host.error}`));
  if (host.node !== null) lines.push(element("p", { class: "hint" }, DATA.nodes[host.node].map(text).join(" · ")));
  if (host.conntrack && host.conntrack[0] !== null && host.conntrack[1]) {
    const [count, most, buckets] = host.conntrack;
    const full = `${(100 * count / most).toFixed(1)} %`;
    const table = buckets === null ? "" : `, ${number.format(buckets)} buckets`;
    lines.push(element("p", {}, `Conntrack: ${number.format(count)} of ${number.format(most)} entries, ${full}${table}`));
  }
  return lines;
}

function badge(status, words = status) {
  return element("span", { class: `badge ${status}` }, words);
}

function tableOf(name, heads, rows) {
  const head = element("tr", {}, ...heads.map((title) => element("th", { scope: "col" }, title)));
  return element("table", { "aria-label": name }, element("thead", {}, head), element("tbody", {}, ...rows));
}

function findingsOf(host, marked) {
  const all = DATA.lists[host.findings].map((index) => FINDINGS[index]);
  if (!all.length) return [];
  const open = all.filter(({ status, control }) => (status !== "pass" && status !== "skip") || control === marked);
  const rest = all.filter((finding) => !open.includes(finding));
  const told = [element("h4", {}, "Findings")];
  told.push(open.length ? findingTable("Findings", open, marked) : element("p", {}, "Every control that was judged is as expected."));
  if (rest.length) {
    const more = element("details", {}, element("summary", {}, `${rest.length} that passed or were skipped`));
    more.append(findingTable("Passed or skipped", rest, marked));
    told.push(more);
  }
  return told;
}

function findingTable(name, findings, marked) {
  return tableOf(name, ["status", "impact", "control", "reason"], findings.map(({ control, status, impact, reason }) => {
    const { id, title } = CONTROLS[control];
    const head = element("th", { scope: "row" }, id, element("div", { class: "more" }, title));
    const row = element("tr", {}, element("td", { class: status }, `${DATA.marks[status]} ${status}`),
      element("td", {}, impact), head, element("td", {}, reason));
    if (control === marked) row.className = "marked";
    return row;
  }));
}

function settingsOf(host) {
  const states = DATA.lists[host.settings].map((index) => STATES[index]);
  if (!states.length) return [];
  const rows = states.map((state) => element("tr", {},
    element("th", { scope: "row" }, state.key, element("div", { class: "more" }, state.scope)),
    element("td", {}, state.live), element("td", {}, state.boot), element("td", {}, state.later),
    element("td", {}, state.expected), element("td", {}, ...behind(state))));
  return [element("h4", {}, "Settings"), tableOf("Settings", ["key", "live", "boot", "after reboot", "expected", "why"], rows)];
}

function behind({ source, note, others, writers }) {
  const lines = [];
  if (source) lines.push(`set by ${source}`);
  if (note) lines.push(note);
  if (others.length) lines.push(`without effect: ${others.join(", ")}`);
  for (const { name, when, effect, value, evidence, remedy } of writers) {
    lines.push(`${name} at ${when}: ${effect || value}`);
    if (evidence) lines.push(`known from ${evidence}`);
    if (remedy) lines.push(`remedy: ${remedy}`);
  }
  return lines.map((line) => element("p", { class: "more" }, line));
}

function protectionOf(host) {
  if (host.protection === null) return [];
  const rows = DATA.protections[host.protection].map(([status, reason], index) => {
    const guard = text(status);
    const colour = { unprotected: "fail", unknown: "warn" }[guard] || "pass";
    return element("tr", {}, element("th", { scope: "row" }, DATA.moments[index]), element("td", { class: colour }, guard),
      element("td", {}, text(reason)));
  });
  return [element("h4", {}, "Protection from resets by INVALID segments"), tableOf("Protection", ["when", "what", "why"], rows)];
}

function remedyOf(host) {
  if (host.remedy === null) return [];
  const [lines, flag] = DATA.remedies[host.remedy];
  const told = [element("h4", {}, "What gives its pods the node's values"),
    element("pre", {}, lines.map(text).join("\n"))];
  if (text(flag)) told.push(element("p", {}, `with the kubelet's flag ${text(flag)}`));
  return told;
}

function runsOf(host) {
  return host.runs.flatMap(([run, status, words, error, changes, notes]) => {
    const [id, kind] = DATA.runs[run];
    const told = [element("h4", {}, `${kind === "rollback" ? "Rollback" : "Apply"} ${text(id)}`),
      element("p", {}, `${status}: ${text(words)}`)];
    if (error !== null) told.push(element("p", {}, text(error)));
    told.push(...notes.map((note) => element("p", { class: "hint" }, text(note))));
    const rows = DATA.lists[changes].map((index) => DATA.changes[index]).map(([what, target, became, reason, value]) =>
      element("tr", {}, element("td", {}, text(what)), element("th", { scope: "row" }, text(target)),
        element("td", {}, became), element("td", {}, value === null ? "" : text(value)), element("td", {}, text(reason))));
    if (rows.length) told.push(tableOf("Changes", ["kind", "target", "status", "read back", "reason"], rows));
    return told;
  });
}
