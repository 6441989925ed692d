// Draws the panels and the actions that the server describes, and keeps the panels up to date.

const $ = (id) => document.getElementById(id);

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== false && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

async function ask(path, values) {
  const options = values === undefined ? {} : {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(values),
  };
  const answer = await fetch(path, options);
  const document = await answer.json();
  if (!answer.ok) throw new Error(document.error);
  return document;
}

const sectionsOf = (sections) =>
  sections.filter((section) => section.text).flatMap((section) => [
    element("h4", {}, section.title),
    element("pre", { tabindex: "0", role: "group", "aria-label": section.title }, section.text),
  ]);

// --- Actions ------------------------------------------------------------------------------------

function say(text, bad = false) {
  $("said").textContent = text;
  $("said").classList.toggle("bad", bad);
}

async function act(action, values) {
  try {
    const done = await ask(`/page/actions/${action}`, values);
    say(done.said);
    $("told").replaceChildren(...sectionsOf(done.sections));
  } catch (error) {
    say(error.message, true);
    $("told").replaceChildren();
  }
}

function input(field) {
  const attributes = { name: field.name };
  if (field.choices) {
    return element("select", attributes, ...Object.entries(field.choices).map(([value, label]) =>
      element("option", { value, selected: value === field.default && "" }, label)));
  }
  if (field.long) return element("textarea", { ...attributes, spellcheck: "false" }, field.default);
  if (typeof field.default === "boolean") {
    return element("input", { ...attributes, type: "checkbox", checked: field.default && "" });
  }
  if (typeof field.default === "number") {
    return element("input", {
      ...attributes, type: "number", min: "0", max: field.maximum, step: "any", value: field.default,
    });
  }
  return element("input", { ...attributes, type: "text", value: field.default });
}

function valueOf(control) {
  if (control.type === "checkbox") return control.checked;
  return control.type === "number" ? Number(control.value) : control.value;
}

function form(action) {
  const submit = (event) => {
    event.preventDefault();
    const controls = [...event.target.elements].filter((control) => control.name);
    act(action.id, Object.fromEntries(controls.map((each) => [each.name, valueOf(each)])));
  };
  if (action.fields.length === 0) {
    return element("form", { class: "plain", onsubmit: submit },
      element("button", { "aria-describedby": `about-${action.id}` }, action.label),
      element("span", { id: `about-${action.id}` }, action.about));
  }
  const labels = action.fields.map((field) => {
    const check = typeof field.default === "boolean";
    const parts = [element("span", {}, field.label), input(field)];
    return element("label", { class: check ? "check" : field.long ? "long" : false },
      ...(check ? parts.reverse() : parts));
  });
  return element("details", { class: "action" },
    element("summary", {}, action.label),
    element("form", { onsubmit: submit, "aria-label": action.label },
      element("p", {}, action.about), ...labels, element("button", {}, "Do it")));
}

function drawActions(actions) {
  const groups = Map.groupBy(actions.filter((action) => action.group), (action) => action.group);
  for (const [group, members] of groups) {
    $("actions").append(element("h3", {}, group), ...members.map(form));
  }
}

// --- Panels -------------------------------------------------------------------------------------

const drawn = new Map(); // by the panel's id: its definition, its body, and its rows by their ids

function drawPanel(panel) {
  const body = element("tbody");
  const fold = element("button", {
    "aria-expanded": "true",
    onclick: () => {
      const folded = section.classList.toggle("folded");
      fold.setAttribute("aria-expanded", String(!folded));
    },
  }, panel.title);
  const count = element("span", { class: "count" });
  const section = element("section", { id: panel.id, "aria-label": panel.title },
    element("h2", {}, fold, count),
    element("p", {}, panel.about),
    element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": panel.title },
      element("table", {},
        element("thead", {}, element("tr", {},
          ...panel.columns.map((column) => element("th", { scope: "col" }, column)))),
        body)));
  $("panels").append(section);
  $("contents").append(
    element("li", {}, element("a", { href: `#${panel.id}` }, panel.title)));
  drawn.set(panel.id, { panel, body, count, rows: new Map() });
  drawRows(panel.id, []);
}

// Only a cell with a word that is longer than a UUID may break within words, as ids and addresses do.
const LONGEST_WORD = 36;
const isLong = (text) => text.split(/\s/).some((word) => word.length > LONGEST_WORD);

function drawRow(panel, row) {
  const state = panel.columns.findIndex((column) => ["State", "Status"].includes(column));
  const cells = row.cells.map((text, index) => index === 0
    ? element("td", { class: isLong(text) && "long" }, element("button", {
      class: "open", "aria-expanded": "false", onclick: (event) => toggle(event, panel, row.id),
    }, text || "open"))
    : element("td", {
      class: [index === state && "state", isLong(text) && "long"].filter(Boolean).join(" "),
    }, text));
  if (row.buttons.length) {
    cells.at(-1).append(element("div", {}, ...row.buttons.map((button) =>
      element("button", {
        class: "row-button", onclick: () => act(button.action, button.values),
      }, button.label))));
  }
  return element("tr", { class: row.tone, "data-row": row.id }, ...cells);
}

// A row that has not changed keeps its element, and so the focus and the detail that is open.
function drawRows(id, rows) {
  const { panel, body, count, rows: before } = drawn.get(id);
  const now = new Map();
  const children = [];
  let group = "";
  for (const row of rows) {
    if (row.group !== group) {
      group = row.group;
      children.push(element("tr", { class: "group" },
        element("th", { colspan: panel.columns.length, scope: "rowgroup" }, group)));
    }
    const text = JSON.stringify(row);
    let kept = before.get(row.id);
    if (kept?.text !== text) {
      const made = drawRow(panel, row);
      if (kept?.detail) made.querySelector(".open").setAttribute("aria-expanded", "true");
      if (kept?.element.contains(document.activeElement)) {
        kept.focus = [...kept.element.querySelectorAll("button")].indexOf(document.activeElement);
      }
      kept = { ...kept, text, element: made };
    }
    now.set(row.id, kept);
    children.push(kept.element, ...(kept.detail ? [kept.detail] : []));
  }
  if (rows.length === 0) {
    children.push(element("tr", {},
      element("td", { colspan: panel.columns.length, class: "empty" }, panel.empty)));
  }
  arrange(body, children);
  for (const kept of now.values()) {
    if (kept.focus >= 0) kept.element.querySelectorAll("button")[kept.focus]?.focus();
    delete kept.focus;
  }
  drawn.get(id).rows = now;
  count.textContent = rows.length ? ` ${rows.length}` : "";
}

// Puts the children in order without moving those that are in their place.
function arrange(parent, children) {
  const wanted = new Set(children);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  children.forEach((child, index) => {
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
  });
}

async function toggle(event, panel, rowId) {
  const kept = drawn.get(panel.id).rows.get(rowId);
  const opener = event.currentTarget;
  if (kept.detail) {
    kept.detail.remove();
    delete kept.detail;
    opener.setAttribute("aria-expanded", "false");
    return;
  }
  const place = element("td", { colspan: panel.columns.length }, "…");
  kept.detail = element("tr", { class: "detail" }, place);
  kept.element.after(kept.detail);
  opener.setAttribute("aria-expanded", "true");
  try {
    const path = `/page/panels/${panel.id}/${encodeURIComponent(rowId)}`;
    place.replaceChildren(...sectionsOf(await ask(path)));
  } catch (error) {
    place.textContent = error.message;
  }
}

// --- Beginning ----------------------------------------------------------------------------------

const structure = await ask("/page/structure");
document.title = structure.title;
document.querySelector("h1").textContent = structure.title;
structure.panels.forEach(drawPanel);
for (const [address, name] of Object.entries(structure.links)) {
  $("contents").append(element("li", {}, element("a", { href: address }, name)));
}
drawActions(structure.actions);

const events = new EventSource("/page/events");
events.onopen = () => { $("live").textContent = "Live"; $("live").className = "on"; };
events.onerror = () => { $("live").textContent = "Not connected"; $("live").className = ""; };
events.onmessage = (event) => {
  const { panel, rows } = JSON.parse(event.data);
  drawRows(panel, rows);
};
