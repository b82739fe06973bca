(() => {
  const data = JSON.parse(one("#data").textContent);
  const DASH = "–";

  // One decimal as Python rounds it: what lies half-way, which only quarters can, goes to the even digit.
  const tenth = (v) => (Math.abs(4 * v) % 2 === 1 ? (2 * Math.round(5 * v) / 10).toFixed(1) : v.toFixed(1));
  // Numbers as the printed tables have them: never rounded up to 100 or down to 0.
  const percent = (v) => {
    if (v === null || v === undefined) return DASH;
    const text = tenth(100 * v);
    if (text === "100.0") return v >= 1 ? "100" : ">99.9";
    if (text === "0.0") return v <= 0 ? "0" : "<0.1";
    return text;
  };
  const level = (v) => (v <= 0 ? 0 : v >= 1 ? 10 : 1 + Math.min(8, Math.floor(v * 9)));
  const digits = (v) => (v === null || v === undefined ? DASH : tenth(v).replace("-", "−"));
  const three = (v) => (v === null || v === undefined ? DASH : String(Number(v.toPrecision(3))));

  // What is chosen.
  const choose = one("#choose"), columns = one("#columns"), axes = one("#axes");
  const chosen = () => {
    const form = new FormData(choose);
    return {
      payload: form.get("payload") || "", seconds: Number(form.get("seconds") || 0), measure: Number(form.get("measure")),
      category: form.get("category") || "all", find: (form.get("find") || "").toLowerCase(),
      families: new FormData(columns).getAll("family"), figures: new FormData(columns).getAll("figure"),
    };
  };
  const own = (s) => /^soundsafe/.test(s.label);
  const figure = (s, family, c) => (s.figures[c.category] || {})[family];
  const value = (s, family, c) => {
    const found = figure(s, family, c);
    return found === undefined ? null : found[c.measure];
  };
  // The mean over the families shown; with all of them shown it is the stored one, which has an interval.
  const mean = (s, c) => {
    if (c.families.length === data.families.length) return value(s, data.all, c);
    const known = c.families.map((f) => value(s, f, c)).filter((v) => v !== null);
    return known.length ? known.reduce((a, b) => a + b, 0) / known.length : null;
  };
  const limits = (s, family, c) => {
    const found = figure(s, family, c);
    if (!found || c.measure !== 0 || found[1] === null) return "";
    return `${percent(found[1])}–${percent(found[2])}`;
  };

  const FIGURES = {
    zimtohrli: ["Distance, 1e-5", (s) => s.zimtohrli, (s) => digits(s.zimtohrli === null ? null : s.zimtohrli * 1e5)],
    snr: ["SNR, dB", (s) => s.snr, (s) => digits(s.snr)],
    accepts: ["False accepts", (s) => (s.unmarked ? s.accepts / s.unmarked : null), (s) => `${s.accepts} of ${s.unmarked}`],
    embed: ["Embedding, s a second", (s) => s.embed, (s) => three(s.embed)],
    decode: ["Decoding, s a second", (s) => s.decode, (s) => three(s.decode)],
  };
  const heads = (c) => [
    { id: "system", text: "System", get: (s) => s.label },
    { id: "bits", text: "Bits", get: (s) => s.bits, show: (s) => String(s.bits), n: true },
    ...c.figures.filter((f) => f === "zimtohrli" || f === "snr").map(plainHead),
    { id: "mean", text: "Mean", get: (s) => mean(s, c), heat: true, family: data.all },
    { id: "none", text: "No attack", get: (s) => value(s, data.unattacked, c), heat: true, family: data.unattacked },
    ...c.families.map((f) => ({ id: `f:${f}`, text: f, get: (s) => value(s, f, c), heat: true, family: f })),
    ...c.figures.filter((f) => f !== "zimtohrli" && f !== "snr").map(plainHead),
  ];
  function plainHead(f) {
    return { id: f, text: FIGURES[f][0], get: FIGURES[f][1], show: FIGURES[f][2], n: true };
  }

  let sorted = { id: "mean", up: false };
  const order = new Intl.Collator("en", { numeric: true });
  const ordered = (systems, head) => [...systems].sort((a, b) => {
    const x = head.get(a), y = head.get(b);
    if (x === null || y === null) return (x === null) - (y === null);
    const sign = sorted.up ? 1 : -1;
    const found = typeof x === "string" ? order.compare(x, y) : x - y;
    return found ? sign * found : order.compare(a.label, b.label);
  });

  const table = one("#board"), shown = one("#shown");
  const visible = (c) => data.systems.filter((s) =>
    (!c.payload || s.payload === c.payload) && (!c.seconds || s.seconds === c.seconds)
    && s.label.toLowerCase().includes(c.find));

  const drawTable = () => {
    const c = chosen(), list = heads(c);
    if (!list.some((h) => h.id === sorted.id)) sorted = { id: "mean", up: false };
    const rows = ordered(visible(c), list.find((h) => h.id === sorted.id));
    const focus = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.head : undefined;
    const head = make("tr");
    for (const h of list) {
      const th = make("th", undefined, { scope: "col" });
      if (h.id !== "system") th.className = "n";
      if (h.id === sorted.id) th.setAttribute("aria-sort", sorted.up ? "ascending" : "descending");
      const b = make("button", h.text, { type: "button", "data-head": h.id });
      b.addEventListener("click", () => {
        sorted = { id: h.id, up: sorted.id === h.id ? !sorted.up : h.id === "system" || h.id === "zimtohrli" || h.id === "embed" || h.id === "decode" || h.id === "accepts" };
        drawTable();
      });
      th.append(b);
      head.append(th);
    }
    const body = rows.map((s, i) => {
      const tr = make("tr");
      if (own(s)) tr.className = "own";
      for (const h of list) {
        if (h.id === "system") {
          const th = make("th", undefined, { scope: "row" });
          const link = make("a", undefined, { href: `#${s.slug}` });
          s.label.split(/(?<=[_:,=])/).forEach((piece, j) => link.append(...(j ? [make("wbr")] : []), piece));
          th.append(make("span", String(i + 1), { class: "rank" }), link);
          const notes = [s.bits ? null : "presence", s.checked === false ? "unchecked" : null, `${three(s.seconds)} s`].filter(Boolean);
          th.append(make("small", notes.join(" · ")));
          tr.append(th);
        } else if (h.heat) {
          const v = h.get(s), td = make("td", percent(v), { class: v === null ? "h" : `h m${level(v)}` });
          if (h.id === "mean") td.classList.add("mean");
          const text = h.id === "mean" && c.families.length !== data.families.length ? "" : limits(s, h.family, c);
          if (text) td.append(make("small", text));
          tr.append(td);
        } else {
          tr.append(make("td", h.show(s), { class: "n" }));
        }
      }
      return tr;
    });
    one("thead", table).replaceChildren(head);
    one("tbody", table).replaceChildren(...body);
    if (focus) { const again = all("button[data-head]", table).find((b) => b.dataset.head === focus); if (again) again.focus(); }
    shown.textContent = `${rows.length} of ${data.systems.length} systems`;
    drawPlot();
  };

  // Saving: the table as it is shown.
  one("#save").addEventListener("click", () => {
    const c = chosen(), list = heads(c);
    const rows = ordered(visible(c), list.find((h) => h.id === sorted.id) || list[0]);
    saveCsv("leaderboard", list.map((h) => h.text), rows.map((s) => list.map((h) => h.get(s))));
  });

  // The plot: robustness against one cost, with the systems that no other beats in both.
  const NS = "http://www.w3.org/2000/svg";
  const svg = (tag, attributes, text) => {
    const element = document.createElementNS(NS, tag);
    for (const [name, v] of Object.entries(attributes)) element.setAttribute(name, v);
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const AXES = {
    zimtohrli: { name: "Zimtohrli distance from the original, 1e-5", get: (s) => s.zimtohrli === null ? null : s.zimtohrli * 1e5, log: true, better: -1 },
    snr: { name: "SNR of the mark, dB", get: (s) => s.snr, log: false, better: 1 },
    embed: { name: "seconds of work to embed a second of audio", get: (s) => s.embed, log: true, better: -1 },
    decode: { name: "seconds of work to read a second of audio", get: (s) => s.decode, log: true, better: -1 },
  };
  const shapes = [
    (x, y) => `M${x - 5.5} ${y}a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0 -11 0Z`,
    (x, y) => `M${x - 5} ${y - 5}h10v10h-10Z`,
    (x, y) => `M${x} ${y - 6.5}L${x + 6} ${y + 4.5}H${x - 6}Z`,
    (x, y) => `M${x} ${y - 7}L${x + 7} ${y}L${x} ${y + 7}L${x - 7} ${y}Z`,
  ];
  const drawPlot = () => {
    const c = chosen(), axis = AXES[new FormData(axes).get("x") || "zimtohrli"];
    const points = visible(c)
      .map((s) => ({ s, x: axis.get(s), y: mean(s, c) }))
      .filter((p) => p.x !== null && p.x !== undefined && p.y !== null && (!axis.log || p.x > 0));
    const W = 860, H = 460, L = 58, R = 24, T = 44, B = 56;
    const picture = svg("svg", { viewBox: `0 0 ${W} ${H}`, width: W, height: H });
    if (!points.length) {
      picture.append(svg("text", { class: "m", x: W / 2, y: H / 2, "text-anchor": "middle" }, "No system of this choice has both figures."));
      one("#plot").replaceChildren(picture);
      one("#plot-caption").textContent = "";
      return;
    }
    const xs = points.map((p) => p.x);
    const scale = axis.log ? Math.log10 : (v) => v;
    let low = Math.min(...xs.map(scale)), high = Math.max(...xs.map(scale));
    const pad = Math.max(0.06 * (high - low), axis.log ? 0.12 : 1);
    low -= pad; high += pad;
    const px = (v) => L + ((scale(v) - low) / (high - low)) * (W - L - R);
    const py = (v) => T + (1 - v) * (H - T - B);
    for (let i = 0; i <= 4; i++) {
      const y = py(i / 4);
      picture.append(svg("path", { class: "g", d: `M${L} ${y}H${W - R}` }), svg("text", { class: "m", x: L - 8, y: y + 4, "text-anchor": "end" }, `${25 * i} %`));
    }
    const ticks = [];
    if (axis.log) {
      for (let e = Math.floor(low); e <= Math.ceil(high); e++) for (const m of high - low > 2.5 ? [1] : [1, 2, 5]) ticks.push(m * 10 ** e);
    } else {
      const step = [1, 2, 5, 10, 20].find((s) => (high - low) / s <= 8) || 50;
      for (let v = Math.ceil(low / step) * step; v <= high; v += step) ticks.push(v);
    }
    for (const v of ticks.filter((t) => scale(t) >= low && scale(t) <= high)) {
      const x = px(v);
      picture.append(svg("path", { class: "g", d: `M${x} ${T}V${H - B}` }), svg("text", { class: "m", x, y: H - B + 18, "text-anchor": "middle" }, three(v).replace("-", "−")));
    }
    picture.append(
      svg("text", { class: "m", x: (L + W - R) / 2, y: H - 14, "text-anchor": "middle" }, axis.name + (axis.better < 0 ? " (less is better)" : " (more is better)")),
    );
    let at = L;
    for (const name of data.classes) {
      const k = data.classes.indexOf(name);
      picture.append(svg("path", { class: `p${k}`, d: shapes[k % 4](at + 6, 16) }), svg("text", { class: "t", x: at + 17, y: 20 }, name));
      at += 40 + 6.8 * name.length;
    }
    const beaten = (p) => points.some((q) => q !== p && axis.better * (q.x - p.x) >= 0 && q.y >= p.y && (q.x !== p.x || q.y !== p.y));
    const front = points.filter((p) => !beaten(p)).sort((a, b) => a.x - b.x);
    if (front.length > 1) picture.append(svg("path", { class: "front", d: "M" + front.map((p) => `${px(p.x)} ${py(p.y)}`).join("L") }));
    const boxes = [];
    const free = (box) => box.x >= L && box.x + box.w <= W - 4 && box.y >= T - 14 && boxes.every((b) => box.x + box.w < b.x || b.x + b.w < box.x || box.y + box.h < b.y || b.y + b.h < box.y);
    for (const p of points) boxes.push({ x: px(p.x) - 6, y: py(p.y) - 6, w: 12, h: 12 });
    for (const p of [...points].sort((a, b) => (front.includes(b) + own(b.s)) - (front.includes(a) + own(a.s)) || b.y - a.y)) {
      const x = px(p.x), y = py(p.y), k = data.classes.indexOf(p.s.payload);
      const text = `${p.s.label}: ${percent(p.y)} %, ${three(p.x)}, ${p.s.bits ? `${p.s.bits} bits` : "presence"}`;
      const link = svg("a", { href: `#${p.s.slug}`, "aria-label": text });
      link.append(svg("path", { class: `p${k} dot`, d: shapes[k % 4](x, y) }), svg("title", {}, text));
      const short = p.s.label.length > 26 ? p.s.label.slice(0, 25) + "…" : p.s.label, w = 6.4 * short.length;
      const place = [[10, 4], [-10 - w, 4], [-w / 2, -11], [-w / 2, 20], [8, -9], [8, 16], [-8 - w, -9], [-8 - w, 16]]
        .map(([dx, dy]) => ({ x: x + dx, y: y + dy - 10, w, h: 13 })).find(free);
      if (place) {
        boxes.push(place);
        link.append(svg("text", { class: own(p.s) ? "h" : "m", x: place.x, y: place.y + 10 }, short));
      }
      picture.append(link);
    }
    one("#plot").replaceChildren(picture);
    one("#plot-caption").textContent = `${points.length} systems; mean over ${c.families.length} families of attacks. No other is better in both: ${front.map((p) => p.s.label).join(", ")}.`;
  };

  for (const form of [choose, columns]) {
    form.addEventListener("input", drawTable);
    form.addEventListener("submit", (event) => event.preventDefault());
  }
  axes.addEventListener("input", drawPlot);
  axes.addEventListener("submit", (event) => event.preventDefault());
  drawTable();
})();
