"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const one = (selector, from = document) => from.querySelector(selector);
  const make = (tag, text) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    return element;
  };

  // Theme: the reader's system decides until the button is used.
  const themes = ["automatic", "light", "dark"];
  const button = one("#theme");
  const recall = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  const keep = (name) => { try { localStorage.setItem("theme", name); } catch { /* nothing to keep it in */ } };
  const apply = (name) => {
    if (name === "automatic") delete root.dataset.theme; else root.dataset.theme = name;
    button.textContent = `Theme: ${name}`;
  };
  button.hidden = false;
  let theme = themes.includes(recall()) ? recall() : "automatic";
  apply(theme);
  button.addEventListener("click", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    apply(theme);
    keep(theme);
  });

  // Saving.
  const save = (name, type, parts) => {
    const url = URL.createObjectURL(new Blob(parts, { type }));
    const link = make("a");
    link.href = url;
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  };
  // A cell that a spreadsheet would run as a formula is set off by an apostrophe.
  const field = (value) => {
    let text = value === null || value === undefined ? "" : String(value);
    if (typeof value === "string" && /^[=+\-@\t\r]/.test(text) && !/^[+-]?[\d.]+(e[+-]?\d+)?$/i.test(text)) text = "'" + text;
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const csv = (columns, rows) => [columns, ...rows].map((row) => row.map(field).join(",")).join("\r\n") + "\r\n";
  const saveCsv = (name, columns, rows) => save(`${name}.csv`, "text/csv", [csv(columns, rows)]);

  // Tables: sort by the exact values, filter by words, save.
  const exact = (cell) => (cell.dataset.v === undefined ? null : Number(cell.dataset.v));
  const shown = (cell) => [...cell.childNodes].filter((n) => n.nodeName !== "SMALL").map((n) => n.textContent).join("").trim();
  const order = new Intl.Collator("en", { numeric: true });
  const compare = (a, b, sign) => {
    const x = exact(a), y = exact(b);
    if (x !== null && y !== null) return sign * (x - y);
    if (x !== null || y !== null) return x === null ? 1 : -1;
    return sign * order.compare(shown(a), shown(b));
  };
  const sortable = (table, head, sort) => {
    all("th[scope=col]", head).forEach((th, column) => {
      one("button", th).addEventListener("click", () => {
        const down = th.classList.contains("n") ? th.getAttribute("aria-sort") !== "descending" : th.getAttribute("aria-sort") === "ascending";
        all("th", head).forEach((other) => other.removeAttribute("aria-sort"));
        th.setAttribute("aria-sort", down ? "descending" : "ascending");
        sort(column, down ? -1 : 1);
      });
    });
  };
  for (const figure of all("figure.tbl[id]")) {
    const table = one("table", figure), body = table.tBodies[0], head = table.tHead;
    sortable(table, head, (column, sign) => {
      const rows = [...body.rows];
      rows.sort((a, b) => compare(a.cells[column], b.cells[column], sign));
      body.append(...rows);
    });
    const input = one("[data-filter]", figure);
    if (input) {
      const label = one(".shown", figure);
      input.addEventListener("input", () => {
        const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
        let count = 0;
        for (const row of body.rows) {
          const text = row.textContent.toLowerCase();
          row.hidden = !words.every((word) => text.includes(word));
          if (!row.hidden) count++;
        }
        label.textContent = words.length ? `${count} of ${body.rows.length}` : "";
      });
    }
    one("[data-csv]", figure).addEventListener("click", (event) => {
      const groups = head.rows.length > 1 ? [...head.rows[0].cells].flatMap((c) => Array(c.colSpan).fill(c.textContent)) : [];
      const columns = all("th[scope=col]", head).map((th, i) => [groups[i], th.textContent].filter(Boolean).join(" "));
      const rows = [...body.rows].filter((r) => !r.hidden).map((r) => [...r.cells].map((c) => exact(c) ?? shown(c)));
      saveCsv(event.currentTarget.dataset.csv, columns, rows);
    });
  }

  // Figures: values on hover, zoom, save.
  const tip = one("#tip");
  const hide = () => { tip.style.visibility = "hidden"; };
  const place = (event) => {
    const text = event.target.dataset ? event.target.dataset.tip : null;
    if (!text) return hide();
    tip.textContent = text;
    const box = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(event.clientX + 12, innerWidth - box.width - 8))}px`;
    tip.style.top = `${event.clientY > box.height + 20 ? event.clientY - box.height - 10 : event.clientY + 18}px`;
    tip.style.visibility = "visible";
  };
  const variables = (text) => {
    const style = getComputedStyle(root);
    return text.replace(/var\((--[\w-]+)\)/g, (_, name) => style.getPropertyValue(name).trim());
  };
  const drawing = (svg) => {
    const copy = svg.cloneNode(true);
    copy.setAttribute("viewBox", svg.dataset.whole);
    const style = document.createElementNS("http://www.w3.org/2000/svg", "style");
    style.textContent = variables(one("#chart-css").textContent).replaceAll(".plot ", "") + "text{font-family:sans-serif}";
    const paper = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    paper.setAttribute("width", "100%");
    paper.setAttribute("height", "100%");
    paper.setAttribute("fill", getComputedStyle(root).getPropertyValue("--paper").trim());
    copy.prepend(style, paper);
    return new XMLSerializer().serializeToString(copy);
  };
  const png = (svg, name) => {
    const [, , width, height] = svg.dataset.whole.split(" ").map(Number);
    const image = new Image();
    image.onload = () => {
      const canvas = make("canvas");
      canvas.width = 2 * width;
      canvas.height = 2 * height;
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => save(`${name}.png`, "image/png", [blob]));
    };
    image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(drawing(svg));
  };
  for (const figure of all("figure.fig")) {
    const svg = one(".plot svg", figure);
    if (!svg) continue;
    const plot = one(".plot", figure);
    for (const title of all("title", svg)) {
      title.parentNode.dataset.tip = title.textContent;
      title.parentNode.classList.add("chart-mark");
      title.remove();
    }
    plot.addEventListener("pointermove", place);
    plot.addEventListener("pointerleave", hide);
    svg.dataset.whole = svg.getAttribute("viewBox");
    const [, , width, height] = svg.dataset.whole.split(" ").map(Number);
    let view = [0, 0, width, height];
    const whole = one("[data-zoom=all]", figure);
    const show = () => {
      view[2] = Math.min(view[2], width);
      view[3] = Math.min(view[3], height);
      view[0] = Math.max(0, Math.min(view[0], width - view[2]));
      view[1] = Math.max(0, Math.min(view[1], height - view[3]));
      svg.setAttribute("viewBox", view.join(" "));
      whole.disabled = view[2] >= width;
      plot.classList.toggle("zoomed", view[2] < width);
      hide();
    };
    const zoom = (factor, x = 0.5, y = 0.5) => {
      const wide = Math.max(width / 12, Math.min(width, view[2] / factor));
      const tall = (wide * height) / width;
      view = [view[0] + (view[2] - wide) * x, view[1] + (view[3] - tall) * y, wide, tall];
      show();
    };
    for (const b of all("[data-zoom]", figure)) {
      b.addEventListener("click", () => {
        if (b.dataset.zoom === "all") { view = [0, 0, width, height]; show(); }
        else zoom(b.dataset.zoom === "in" ? 1.5 : 1 / 1.5);
      });
    }
    plot.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      const box = svg.getBoundingClientRect();
      zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
    }, { passive: false });
    let from = null;
    plot.addEventListener("pointerdown", (event) => {
      if (view[2] >= width) return;
      from = [event.clientX, event.clientY, view[0], view[1]];
      plot.setPointerCapture(event.pointerId);
    });
    plot.addEventListener("pointermove", (event) => {
      if (!from) return;
      const scale = view[2] / svg.getBoundingClientRect().width;
      view[0] = from[2] - (event.clientX - from[0]) * scale;
      view[1] = from[3] - (event.clientY - from[1]) * scale;
      show();
    });
    for (const end of ["pointerup", "pointercancel"]) plot.addEventListener(end, () => { from = null; });
    plot.parentNode.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (event.key === "+" || event.key === "-") { zoom(event.key === "+" ? 1.5 : 1 / 1.5); event.preventDefault(); }
      else if (step && view[2] < width) {
        view[0] += (step[0] * view[2]) / 10;
        view[1] += (step[1] * view[3]) / 10;
        show();
        event.preventDefault();
      }
    });
    const numbers = JSON.parse(one(".numbers", figure).textContent);
    for (const b of all("[data-save]", figure)) {
      b.addEventListener("click", () => {
        if (b.dataset.save === "csv") saveCsv(figure.id, numbers.columns, numbers.rows);
        else if (b.dataset.save === "svg") save(`${figure.id}.svg`, "image/svg+xml", [drawing(svg)]);
        else png(svg, figure.id);
      });
    }
    const details = one("details", figure);
    details.addEventListener("toggle", () => {
      const into = one(".scroll", details);
      if (!details.open || into.firstChild) return;
      const table = make("table"), head = table.createTHead().insertRow(), body = table.createTBody();
      for (const name of numbers.columns) { const th = make("th", name); th.scope = "col"; head.append(th); }
      for (const values of numbers.rows) {
        const row = body.insertRow();
        for (const value of values) {
          const cell = row.insertCell();
          cell.textContent = value === null ? "–" : String(value);
          if (typeof value === "number") cell.className = "n";
        }
      }
      into.append(table);
    });
  }

  // All figures.
  const data = JSON.parse(one("#data").textContent);
  if (one("#explorer") && data.rows) {
    const size = 50;
    const part = one("#part"), category = one("#category"), find = one("#find");
    const table = one("#all"), head = table.tHead, body = table.tBodies[0];
    let page = 0, sorted = null, rows = [];
    const text = (value) => (value === null || value === undefined ? "–" : typeof value === "object" ? JSON.stringify(value) : String(value));
    const draw = () => {
      const pages = Math.max(1, Math.ceil(rows.length / size));
      page = Math.max(0, Math.min(page, pages - 1));
      body.replaceChildren(...rows.slice(page * size, (page + 1) * size).map((values) => {
        const row = make("tr");
        values.forEach((value, i) => {
          const cell = make(i ? "td" : "th", text(value));
          if (!i) cell.scope = "row";
          else if (typeof value === "number" || Array.isArray(value)) cell.className = "n";
          row.append(cell);
        });
        return row;
      }));
      one("#found").textContent = `${rows.length} rows, page ${page + 1} of ${pages}`;
      one("#previous").disabled = page === 0;
      one("#next").disabled = page >= pages - 1;
    };
    const choose = () => {
      const { columns } = data[part.value];
      const at = columns.indexOf("category");
      const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
      rows = data[part.value].rows.filter((values) => {
        if (at >= 0 && category.value && values[at] !== category.value) return false;
        const line = words.length ? values.map(text).join(" ").toLowerCase() : "";
        return words.every((word) => line.includes(word));
      });
      if (sorted) {
        const [column, sign] = sorted;
        rows.sort((a, b) => {
          const x = a[column], y = b[column];
          if (x === null || y === null) return (x === null) - (y === null);
          return typeof x === "number" && typeof y === "number" ? sign * (x - y) : sign * order.compare(text(x), text(y));
        });
      }
      page = 0;
      draw();
    };
    const start = () => {
      const { columns } = data[part.value];
      const at = columns.indexOf("category");
      const names = at < 0 ? [] : [...new Set(data[part.value].rows.map((values) => values[at]))];
      category.replaceChildren(...[["", "any"], ...names.map((n) => [n, n])].map(([value, label]) => {
        const option = make("option", label);
        option.value = value;
        return option;
      }));
      if (names.includes("all")) category.value = "all";
      sorted = null;
      const row = make("tr");
      columns.forEach((name, i) => {
        const th = make("th"), b = make("button", name);
        b.type = "button";
        th.scope = "col";
        if (data[part.value].rows.some((values) => typeof values[i] === "number")) th.className = "n";
        th.append(b);
        row.append(th);
      });
      head.replaceChildren(row);
      sortable(table, head, (column, sign) => { sorted = [column, sign]; choose(); });
      choose();
    };
    part.addEventListener("change", start);
    category.addEventListener("change", choose);
    find.addEventListener("input", choose);
    one("#previous").addEventListener("click", () => { page--; draw(); });
    one("#next").addEventListener("click", () => { page++; draw(); });
    one("#all-csv").addEventListener("click", () => saveCsv(part.value, data[part.value].columns, rows.map((r) => r.map((v) => (v !== null && typeof v === "object" ? JSON.stringify(v) : v)))));
    one("#all-json").addEventListener("click", () => save("figures.json", "application/json", [JSON.stringify(data)]));
    start();
  }

  // Which section is being read.
  if ("IntersectionObserver" in window) {
    const links = new Map(all("nav a").map((a) => [a.hash.slice(1), a]));
    const watch = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        links.forEach((a) => a.removeAttribute("aria-current"));
        const link = links.get(entry.target.id);
        if (link) link.setAttribute("aria-current", "true");
      }
    }, { rootMargin: "-10% 0px -80% 0px" });
    all("section[id]").forEach((s) => watch.observe(s));
  }
})();
