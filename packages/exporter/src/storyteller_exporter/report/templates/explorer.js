"use strict";
/* The network, and the engine's reading of its outputs, on weights that lie in this page. */
(() => {
  const told = JSON.parse(document.getElementById("explorer-data").textContent);
  const floats = (text) => {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    return new Float32Array(bytes.buffer);
  };
  const layers = Object.fromEntries(
    Object.entries(told.layers).map(([name, l]) => [name, { rows: l.rows, columns: l.columns, weight: floats(l.weight), bias: floats(l.bias) }]),
  );
  const means = floats(told.means);
  const $ = (id) => document.getElementById(id);
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };

  /* [rows] = weight [rows, columns] * x [columns] + bias, with negative results cut off where `relu` says so. */
  function linear(layer, x, relu) {
    const y = new Float32Array(layer.rows);
    for (let r = 0, k = 0; r < layer.rows; r++) {
      let sum = layer.bias[r];
      for (let c = 0; c < layer.columns; c++, k++) sum += layer.weight[k] * x[c];
      y[r] = relu && sum < 0 ? 0 : sum;
    }
    return y;
  }
  /* 453 raw inputs to 42 raw outputs. */
  function predict(x) {
    let hidden = x;
    for (const name of told.trunk) hidden = linear(layers[name], hidden, true);
    const out = [];
    for (const head of told.heads) out.push(...linear(layers[head[1]], linear(layers[head[0]], hidden, true), false));
    return Float32Array.from(out);
  }
  const softmax = (x) => {
    const most = Math.max(...x), e = Array.from(x, (v) => Math.exp(v - most)), sum = e.reduce((a, b) => a + b, 0);
    return e.map((v) => v / sum);
  };
  const sigmoid = (x) => 1 / (1 + Math.exp(-x));
  const lastLargest = (x) => x.reduce((best, v, i) => (v >= x[best] ? i : best), 0);
  const dominantIndex = (v) => Math.min(Math.max(Math.floor(v + 0.5), 0), told.primaries.length - 1);
  const cut = (name, y) => y.subarray(told.outputs[name].start, told.outputs[name].stop);

  /* As the engine reads the outputs. */
  function decode(y) {
    const read = { categories: {}, speaks: cut("speech.occurs", y)[0] > told.cut };
    for (const name of told.categorical) {
      const chances = softmax(cut(name, y));
      read.categories[name] = { chances, best: lastLargest(Array.from(cut(name, y))), labels: told.outputs[name].labels };
    }
    read.dominant = told.primaries[dominantIndex(cut("thought.dominant_emotion_index", y)[0])];
    const deltas = cut("emotion.intensity_delta", y), shifts = cut("emotion.awareness_shift", y);
    read.emotions = told.primaries
      .map((name, i) => ({ name, delta: deltas[i], shift: shifts[i] > told.cut }))
      .filter((e) => Math.abs(e.delta) > told.floor);
    return read;
  }
  const inWords = (read) => {
    const c = read.categories, name = (f) => c[f].labels[c[f].best];
    return `${name("action.type")} (${name("action.context")}); ` +
      (read.speaks ? `speaks, ${name("speech.register")}` : "says nothing") +
      `; thought ${name("thought.awareness")}, mostly ${read.dominant}.`;
  };

  let x = new Float32Array(means.length), original = x.slice();
  const controls = [];

  /* One control for a field of a slot: a list for a one-hot, whose empty choice is an empty slot, a number otherwise. */
  function control(place, field, start) {
    const id = `in-${start}`;
    const words = field.name.replaceAll("_", " ");
    let input;
    if (field.labels) {
      input = make("select", { id });
      input.append(make("option", { value: "-1" }, "none"));
      field.labels.forEach((label, i) => input.append(make("option", { value: String(i) }, label)));
      input.addEventListener("change", () => {
        x.fill(0, start, start + field.labels.length);
        if (input.value !== "-1") x[start + Number(input.value)] = 1;
        changed();
      });
      controls.push(() => { input.value = String(Array.from(x.subarray(start, start + field.labels.length)).indexOf(1)); });
    } else {
      input = make("input", { id, type: "number", step: field.step });
      input.addEventListener("input", () => {
        const value = Number(input.value);
        if (input.value === "" || !Number.isFinite(value)) return;
        x[start] = value;
        changed();
      });
      controls.push(() => { input.value = String(Number(x[start].toPrecision(6))); });
    }
    return make("div", {}, make("label", { for: id }, words), input);
  }
  function buildInputs() {
    for (const region of told.regions) {
      const box = make("details", region.open ? { open: "" } : {}, make("summary", {}, region.name.replaceAll("_", " "), make("span", { class: "soft" }, ` ${region.description}`)));
      region.slots.forEach((slot, s) => {
        const grid = make("div", { class: "inputs" });
        let start = region.offset + s * region.perSlot;
        for (const field of region.fields) {
          grid.append(control(region.name, field, start));
          start += field.labels ? field.labels.length : 1;
        }
        if (slot === "") box.append(grid);
        else {
          const group = make("fieldset", { style: "border:0;padding:0;margin:0;min-width:0" }, make("legend", {}, `${region.name.replaceAll("_", " ")} ${slot}`), grid);
          box.append(group);
        }
      });
      $("inputs").append(box);
    }
  }

  function bars(title, names, chances, best, labelled) {
    const box = make("div", {}, make("h3", {}, title));
    names.forEach((name, i) => {
      const track = make("div", { class: "track", "aria-hidden": "true" }, make("div", { style: `width:${(100 * chances[i]).toFixed(1)}%` }));
      const mark = i === labelled ? " (labelled)" : "";
      box.append(make("div", { class: i === best ? "bar top" : "bar" }, make("span", {}, name + mark), track, make("span", { class: "value" }, `${(100 * chances[i]).toFixed(1)} %`)));
    });
    return box;
  }
  function showOutcome(y, read, labels) {
    const root = $("outcome");
    root.replaceChildren();
    for (const name of told.categorical) {
      const c = read.categories[name];
      const labelled = labels ? Array.from(cut(name, labels)).indexOf(1) : -1;
      root.append(bars(name, c.labels, c.chances, c.best, labelled));
    }
    const occurs = sigmoid(cut("speech.occurs", y)[0]);
    const said = labels ? (cut("speech.occurs", labels)[0] === 1 ? "; labelled: speaks" : "; labelled: does not speak") : "";
    root.append(make("div", {}, make("h3", {}, "speech.occurs"), make("p", {},
      `${(100 * occurs).toFixed(1)} %. The engine's cut is at ${(100 * sigmoid(told.cut)).toFixed(1)} %: ${read.speaks ? "speaks" : "does not speak"}. ` +
      `At even odds: ${occurs > 0.5 ? "speaks" : "does not speak"}${said}.`)));
    const list = make("ul", {});
    for (const e of read.emotions) list.append(make("li", {}, `${e.name} ${e.delta > 0 ? "+" : ""}${e.delta.toFixed(3)}${e.shift ? ", awareness shifts" : ""}`));
    if (!read.emotions.length) list.append(make("li", {}, "nothing changes"));
    const raw = cut("thought.dominant_emotion_index", y)[0];
    const labelledDominant = labels ? `; labelled: ${told.primaries[dominantIndex(cut("thought.dominant_emotion_index", labels)[0])]}` : "";
    root.append(make("div", {}, make("h3", {}, "emotions"), make("p", {}, `Dominant: ${read.dominant} (raw ${raw.toFixed(2)})${labelledDominant}.`), list));
  }

  /* The probability of what is predicted now, under other inputs. */
  const chanceOf = (target, read, y) => {
    if (target !== "speech.occurs") return softmax(cut(target, y))[read.categories[target].best];
    const yes = sigmoid(cut(target, y)[0]);
    return read.speaks ? yes : 1 - yes;
  };
  const valueOf = (entry) => {
    const part = Array.from(x.subarray(entry.start, entry.stop));
    if (!entry.labels) return String(Number(part[0].toPrecision(4)));
    return entry.labels[part.indexOf(1)] ?? "none";
  };
  function showMoves() {
    const target = $("target").value, read = decode(predict(x)), now = chanceOf(target, read, predict(x));
    const found = [];
    for (const entry of told.entries) {
      const other = x.slice();
      other.set(means.subarray(entry.start, entry.stop), entry.start);
      const chance = chanceOf(target, read, predict(other));
      found.push({ entry, chance, change: now - chance });
    }
    found.sort((a, b) => Math.abs(b.change) - Math.abs(a.change));
    const body = $("moves").tBodies[0];
    body.replaceChildren();
    for (const { entry, chance, change } of found.slice(0, 12)) {
      body.append(make("tr", {}, make("th", { scope: "row" }, entry.name), make("td", {}, valueOf(entry)), make("td", {}, `${(100 * chance).toFixed(1)} %`),
        make("td", {}, `${change >= 0 ? "+" : ""}${(100 * change).toFixed(1)}`)));
    }
  }

  let waiting = 0;
  function changed() {
    const y = predict(x), read = decode(y);
    const touched = x.some((v, i) => v !== original[i]);
    const example = told.examples[Number($("example").value)];
    $("changed").textContent = touched ? "You have changed inputs; the labels are of the example as it was." : "";
    $("summary").textContent = inWords(read);
    showOutcome(y, read, example ? floats(example.labels) : null);
    clearTimeout(waiting);
    waiting = setTimeout(showMoves, 120);
  }
  function choose() {
    const example = told.examples[Number($("example").value)];
    original = floats(example.features);
    x = original.slice();
    $("example-words").textContent = `${example.words} (${example.place})`;
    for (const show of controls) show();
    changed();
  }

  told.examples.forEach((example, i) => $("example").append(make("option", { value: String(i) }, `${i + 1}. ${example.title}`)));
  for (const name of [...told.categorical, "speech.occurs"]) $("target").append(make("option", { value: name }, name));
  buildInputs();
  $("example").addEventListener("change", choose);
  $("target").addEventListener("change", showMoves);
  $("reset").addEventListener("click", choose);
  choose();
  showMoves();
  window.storyteller = { predict: (values) => Array.from(predict(Float32Array.from(values))) };
})();
