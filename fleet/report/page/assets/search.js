// Which hosts a search means. Each outcome is looked at once, however many hosts share it.
const findingText = FINDINGS.map(({ control, status, reason, keys }) =>
  NOTEWORTHY.has(status) ? [CONTROLS[control].id, CONTROLS[control].title, reason, ...keys].join("\n").toLowerCase() : "");
const stateText = STATES.map(({ source, writers }) =>
  [source, ...writers.map((writer) => writer.name)].join("\n").toLowerCase());
const nodeText = DATA.nodes.map((pieces) => pieces.map(text).join("\n").toLowerCase());
const hostText = HOSTS.map(({ name, error }) => `${name}\n${error}`.toLowerCase());

function listsWith(texts, word) {
  const found = texts.map((each) => each.includes(word));
  const known = new Map();
  return (list) => {
    if (!known.has(list)) known.set(list, DATA.lists[list].some((index) => found[index]));
    return known.get(list);
  };
}

function search(query) {
  const tests = query.toLowerCase().split(/\s+/).filter(Boolean).map((word) => {
    const inFindings = listsWith(findingText, word);
    const inStates = listsWith(stateText, word);
    const nodes = nodeText.map((each) => each.includes(word));
    return (host) => hostText[host.index].includes(word) || (host.node !== null && nodes[host.node])
      || inFindings(host.findings) || inStates(host.settings);
  });
  return (host) => tests.every((test) => test(host));
}

// The hosts that are asked for, in the order of the heat map.
function select({ query, status, control, verdict }) {
  const matches = search(query);
  return HOSTS.filter((host) => {
    if (status && host.status !== status) return false;
    if (control !== "" || verdict) {
      const found = statusesOf(host);
      const asked = control === "" ? found : [found[Number(control)]];
      if (!asked.some((finding) => finding && (!verdict || finding.status === verdict))) return false;
    }
    return matches(host);
  });
}
