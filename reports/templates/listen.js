"use strict";
(() => {
  const data = JSON.parse(document.querySelector("#data").textContent);
  const one = (id) => document.getElementById(id);
  const make = (tag, text, attributes = {}) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };
  const draw = (n) => {
    const limit = 2 ** 32 - (2 ** 32 % n), value = new Uint32Array(1);
    do crypto.getRandomValues(value); while (value[0] >= limit);
    return value[0] % n;
  };
  const shuffled = (list) => {
    const out = [...list];
    for (let i = out.length - 1; i > 0; i--) {
      const k = draw(i + 1);
      [out[i], out[k]] = [out[k], out[i]];
    }
    return out;
  };

  // All versions of a clip play in step; one of them is heard.
  const context = new AudioContext();
  const decoded = new Map();
  const decode = async (clip) => {
    for (const [code, text] of Object.entries(clip.audio)) {
      if (!decoded.has(code)) {
        const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
        decoded.set(code, await context.decodeAudioData(bytes.buffer));
      }
    }
  };
  let voices = [], heard = 0, playing = false;
  const stop = () => {
    for (const v of voices) { try { v.source.stop(); } catch { /* had not begun */ } }
    voices = [];
    playing = false;
    one("play").textContent = "Play";
  };
  const span = (buffer) => {
    const a = Number(one("from").value), b = Number(one("to").value);
    const from = Math.min(a, b) * buffer.duration, to = Math.max(a, b) * buffer.duration;
    return to - from > 0.3 ? [from, to] : [from, Math.min(buffer.duration, from + 0.3)];
  };
  const start = (codes) => {
    stop();
    context.resume();
    const at = context.currentTime + 0.05;
    voices = codes.map((code, i) => {
      const source = context.createBufferSource(), gain = context.createGain();
      source.buffer = decoded.get(code);
      source.loop = true;
      [source.loopStart, source.loopEnd] = span(source.buffer);
      gain.gain.value = i === heard ? 1 : 0;
      source.connect(gain).connect(context.destination);
      source.start(at, source.loopStart);
      return { source, gain };
    });
    playing = true;
    one("play").textContent = "Stop";
    noted();
  };
  // An answer is asked for when everything that it is about has been heard.
  const known = new Set();
  let waiting = () => {};
  const noted = () => {
    if (playing) known.add(heard);
    [...one("player").children].forEach((b, k) => b.classList.toggle("known", known.has(k)));
    waiting();
  };
  const listen = (i) => {
    heard = i;
    voices.forEach((v, k) => v.gain.gain.setTargetAtTime(k === i ? 1 : 0, context.currentTime, 0.008));
    [...one("player").children].forEach((b, k) => b.setAttribute("aria-pressed", String(k === i)));
    noted();
  };

  const trials = [];
  for (const clip of shuffled(data.clips)) {
    for (const code of shuffled(clip.tested)) {
      for (let i = 0; i < data.trials; i++) trials.push({ kind: "abx", clip, code });
    }
    trials.push({ kind: "rate", clip });
  }
  const answers = { format: data.format, test: data.test, listener: "", abx: [], ratings: [] };
  let current = -1, codes = [], commit = () => {};

  const versions = (labels) => {
    one("player").replaceChildren(...labels.map((label, i) => {
      const b = make("button", label, { type: "button", "aria-pressed": "false" });
      b.addEventListener("click", () => {
        listen(i);
        if (!playing) start(codes);
      });
      return b;
    }));
  };
  const abx = (trial) => {
    const swap = draw(2) === 1, x = draw(2);
    const [a, b] = swap ? [trial.code, trial.clip.reference] : [trial.clip.reference, trial.code];
    codes = [a, b, [a, b][x]];
    one("task").textContent = "Which one is X?";
    one("hint").textContent = "X is the same as A or the same as B. Play all three, then answer.";
    versions(["A", "B", "X"]);
    let answer = null;
    const row = make("div", undefined, { class: "choice", role: "group", "aria-label": "Answer" });
    for (const name of ["A", "B"]) {
      const button = make("button", `X is ${name}`, { type: "button", "aria-pressed": "false" });
      button.addEventListener("click", () => {
        answer = name;
        [...row.children].forEach((c) => c.setAttribute("aria-pressed", String(c === button)));
        one("next").disabled = false;
      });
      row.append(button);
    }
    one("answer").replaceChildren(row);
    waiting = () => { for (const b of row.children) b.disabled = known.size < 3; };
    commit = () => answers.abx.push({ condition: trial.code, x: "AB"[x], answer });
  };
  const rate = (trial) => {
    const order = shuffled(trial.clip.conditions);
    codes = [trial.clip.reference, ...order];
    one("task").textContent = "How close is each version to the reference?";
    one("hint").textContent = "One of the versions is the reference itself: give it 100. Play a version to rate it.";
    versions(["Reference", ...order.map((_, i) => String(i + 1))]);
    const scale = make("div", undefined, { class: "scale", "aria-hidden": "true" });
    for (const word of ["bad", "poor", "fair", "good", "excellent"]) scale.append(make("span", word));
    const touched = new Set();
    const ready = () => { one("next").disabled = touched.size < order.length || !known.has(0); };
    const rows = order.map((code, i) => {
      const row = make("label", undefined, { class: "rate" });
      const input = make("input", undefined, { type: "range", min: "0", max: "100", step: "1", value: "50" });
      const shown = make("output", "–");
      input.addEventListener("focus", () => { listen(i + 1); });
      const given = () => {
        shown.textContent = input.value;
        touched.add(code);
        ready();
      };
      input.addEventListener("input", given);
      input.addEventListener("change", given);
      row.append(make("span", `Version ${i + 1}`), input, shown);
      return [row, input, code];
    });
    one("answer").replaceChildren(scale, ...rows.map(([row]) => row));
    waiting = () => {
      rows.forEach(([, input], i) => { input.disabled = !known.has(i + 1); });
      ready();
    };
    commit = () => rows.forEach(([, input, code]) => answers.ratings.push({ condition: code, rating: Number(input.value) }));
  };
  const next = async () => {
    stop();
    if (current >= 0) commit();
    current++;
    one("start").hidden = true;
    if (current >= trials.length) {
      one("trial").hidden = true;
      one("end").hidden = false;
      one("progress").textContent = "";
      one("end").querySelector("h2").focus();
      return;
    }
    const trial = trials[current];
    one("trial").hidden = false;
    one("progress").textContent = `${current + 1} of ${trials.length}`;
    one("next").disabled = true;
    one("play").disabled = true;
    known.clear();
    one("from").value = 0;
    one("to").value = 1;
    (trial.kind === "abx" ? abx : rate)(trial);
    await decode(trial.clip);
    one("play").disabled = false;
    listen(0);
    one("task").focus();
  };
  one("start").hidden = false;
  one("begin").addEventListener("click", () => {
    answers.listener = one("listener").value.trim();
    next();
  });
  one("next").addEventListener("click", next);
  one("play").addEventListener("click", () => (playing ? stop() : start(codes)));
  for (const id of ["from", "to"]) one(id).addEventListener("change", () => { if (playing) start(codes); });
  one("save").addEventListener("click", () => {
    const url = URL.createObjectURL(new Blob([JSON.stringify(answers, null, 1)], { type: "application/json" }));
    const link = make("a", undefined, { href: url, download: `answers-${data.test}.json` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  });
  document.addEventListener("keydown", (event) => {
    if (one("trial").hidden || event.ctrlKey || event.metaKey || event.altKey) return;
    const i = Number(event.key) - 1;
    if (event.key === " " && event.target.tagName !== "BUTTON") { one("play").click(); event.preventDefault(); }
    else if (i >= 0 && i < one("player").children.length && event.target.tagName !== "INPUT") one("player").children[i].click();
  });
})();
