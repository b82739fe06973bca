(() => {
  // What is too large to lie open in the page: JSON, compressed.
  const unpacked = new Map();
  const unpack = (id) => {
    if (!unpacked.has(id)) {
      const bytes = Uint8Array.from(atob(JSON.parse(one(`#${id}`).textContent)), (c) => c.charCodeAt(0));
      const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
      unpacked.set(id, new Response(plain).json());
    }
    return unpacked.get(id);
  };

  // Explanations: of glossary terms by the browser's own popovers, of columns by one that they share.
  const beside = (pop, button) => {
    const at = button.getBoundingClientRect(), box = pop.getBoundingClientRect();
    pop.style.left = `${Math.max(8, Math.min(at.left, innerWidth - box.width - 8))}px`;
    pop.style.top = `${at.bottom + box.height + 12 < innerHeight ? at.bottom + 6 : Math.max(8, at.top - box.height - 6)}px`;
  };
  for (const button of all(".term")) {
    const pop = document.getElementById(button.getAttribute("popovertarget"));
    button.addEventListener("click", () => requestAnimationFrame(() => beside(pop, button)));
  }
  document.addEventListener("click", (event) => {
    const button = event.target.closest ? event.target.closest(".help") : null;
    if (!button) return;
    const pop = one("#help");
    pop.textContent = button.dataset.help;
    pop.showPopover();
    beside(pop, button);
  });
  addEventListener("scroll", () => all(".pop:popover-open").forEach((p) => p.hidePopover()), { passive: true });

  // Tables that go on beyond their frame say so.
  const cue = (box) => {
    const right = box.scrollWidth - box.clientWidth - box.scrollLeft > 4;
    const down = box.scrollHeight - box.clientHeight - box.scrollTop > 4;
    box.classList.toggle("cut-right", right);
    box.classList.toggle("cut-down", down);
    let line = box.nextElementSibling;
    if (!line || !line.classList.contains("cue")) {
      if (!right && !down) return;
      line = make("p");
      line.className = "cue";
      line.setAttribute("aria-hidden", "true");
      box.after(line);
    }
    const words = [right && "to the right →", down && "below ↓"].filter(Boolean).join(" and ");
    line.textContent = words ? `More ${words}` : "\u00a0";
  };
  const boxes = all(".tbl > .scroll, .verdicts > .scroll, .fig > .scroll");
  const sizes = new ResizeObserver((entries) => entries.forEach((e) => cue(e.target)));
  for (const box of boxes) {
    sizes.observe(box);
    box.addEventListener("scroll", () => cue(box), { passive: true });
  }

  // Tables: sort by the exact values, filter by words, fold out, save.
  const exact = (cell) => (cell.dataset.v === undefined ? null : Number(cell.dataset.v));
  const shown = (cell) => (one("button,.plain", cell) || { childNodes: [...cell.childNodes].filter((n) => n.nodeName !== "SMALL" && !(n.classList && n.classList.contains("badge"))), whole: cell });
  const words = (cell) => { const found = shown(cell); return (found.whole ? found.childNodes.map((n) => n.textContent).join("") : found.textContent).trim(); };
  const order = new Intl.Collator("en", { numeric: true });
  const compare = (a, b, sign) => {
    const x = exact(a), y = exact(b);
    if (x !== null && y !== null) return sign * (x - y);
    if (x !== null || y !== null) return x === null ? 1 : -1;
    return sign * order.compare(words(a), words(b));
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
  const soft = (element, text) => {
    text.split(/(?<=[_/])/).forEach((piece, i) => {
      if (i) element.append(make("wbr"));
      element.append(piece);
    });
  };
  // The same cells as the page's own templates make.
  const cellOf = (packed, numeric, first) => {
    const [text, value = null, level = null, note = ""] = Array.isArray(packed) ? packed : [packed];
    const cell = make(first ? "th" : "td");
    soft(cell, text);
    if (first) {
      cell.scope = "row";
      if (text.length <= 28) cell.className = text.length <= 18 ? "k" : "k l";
    } else cell.className = numeric ? "n" : text.length <= 28 ? "k" : "w";
    if (level !== null) cell.classList.add(`m${level}`);
    if (value !== null) cell.dataset.v = JSON.stringify(value);
    if (note) cell.append(make("small", note));
    return cell;
  };
  const rowsOf = (packed, numeric) => packed.map((cells) => {
    const row = make("tr");
    row.append(...cells.map((c, i) => cellOf(c, numeric[i], i === 0)));
    return row;
  });
  for (const figure of all("figure.tbl[id]")) {
    const table = one("table", figure), head = table.tHead;
    const columns = all("th[scope=col]", head), numeric = columns.map((th) => th.classList.contains("n"));
    const groups = all("tbody.head", figure), lazy = "lazy" in figure.dataset;
    const input = one("[data-filter]", figure), label = one(".shown", figure);
    let sorted = null;
    const arrange = (body) => {
      if (sorted) body.append(...[...body.rows].sort((a, b) => compare(a.cells[sorted[0]], b.cells[sorted[0]], sorted[1])));
    };
    const typed = () => (input ? input.value.toLowerCase().split(/\s+/).filter(Boolean) : []);
    const fits = (text, wanted) => wanted.every((word) => text.toLowerCase().includes(word));

    // What folds out: a body of rows after that of its family, made when it is first looked at.
    const opened = new Map();
    const body = async (group) => {
      if (!opened.has(group)) {
        const made = make("tbody");
        made.className = "rows";
        made.hidden = true;
        opened.set(group, made);
        group.after(made);
        made.append(...rowsOf((await unpack("store"))[figure.id].groups[group.id] || [], numeric));
        arrange(made);
      }
      return opened.get(group);
    };
    const open = async (group, on) => {
      const button = one(".fold", group);
      if (!button) return;
      button.setAttribute("aria-expanded", String(on));
      (await body(group)).hidden = !on;
      cue(one(".scroll", figure));
    };
    for (const group of groups) {
      const button = one(".fold", group);
      if (button) button.addEventListener("click", () => open(group, button.getAttribute("aria-expanded") !== "true"));
    }
    const unfold = one("[data-unfold]", figure);
    if (unfold) {
      unfold.addEventListener("click", () => {
        const on = unfold.getAttribute("aria-pressed") !== "true";
        unfold.setAttribute("aria-pressed", String(on));
        unfold.textContent = on ? "Fold all" : "Unfold all";
        groups.forEach((g) => open(g, on));
      });
    }
    // A long table: made when it comes into sight.
    let filled = null;
    const fill = () => {
      filled ??= unpack("store").then((store) => {
        table.tBodies[0].append(...rowsOf(store[figure.id].rows, numeric));
        arrange(table.tBodies[0]);
      });
      return filled;
    };
    if (lazy) {
      const sight = new IntersectionObserver((entries) => {
        if (entries.some((e) => e.isIntersecting)) { sight.disconnect(); fill(); }
      });
      sight.observe(figure);
    }
    sortable(table, head, async (column, sign) => {
      sorted = [column, sign];
      if (lazy) await fill();
      if (groups.length) {
        const ordered = [...groups].sort((a, b) => compare(a.rows[0].cells[column], b.rows[0].cells[column], sign));
        for (const group of ordered) {
          table.append(group);
          if (opened.has(group)) { arrange(opened.get(group)); group.after(opened.get(group)); }
        }
      } else arrange(table.tBodies[0]);
    });
    if (input) {
      input.addEventListener("input", async () => {
        const wanted = typed();
        if (lazy) await fill();
        let count = 0, of = 0;
        if (groups.length) {
          for (const group of groups) {
            const name = words(group.rows[0].cells[0]), rows = one(".fold", group) ? await body(group) : null;
            let here = 0;
            for (const row of rows ? rows.rows : []) {
              row.hidden = !fits(`${name} ${row.cells[0].textContent}`, wanted);
              of++;
              if (!row.hidden) here++;
            }
            count += here;
            group.hidden = wanted.length > 0 && here === 0 && !fits(name, wanted);
            if (rows) await open(group, wanted.length > 0 && here > 0);
          }
        } else {
          for (const row of table.tBodies[0].rows) {
            row.hidden = !fits(row.textContent, wanted);
            of++;
            if (!row.hidden) count++;
          }
        }
        label.textContent = wanted.length ? `${count} of ${of}` : "";
      });
    }
    const saving = one("[data-csv]", figure);
    if (saving) {
      saving.addEventListener("click", async () => {
        if (lazy) await fill();
        const over = head.rows.length > 1 ? [...head.rows[0].cells].flatMap((c) => Array(c.colSpan).fill(c.textContent)) : [];
        const names = columns.map((th, i) => [over[i], one(".sort", th).textContent].filter(Boolean).join(" "));
        const values = (row) => [...row.cells].map((c) => exact(c) ?? words(c));
        const rows = [];
        if (groups.length) {
          for (const group of groups) {
            const mine = [...group.rows, ...(one(".fold", group) ? (await body(group)).rows : [])];
            rows.push(...mine.map((r, i) => [words(group.rows[0].cells[0]), ...(i ? values(r) : ["", ...values(r).slice(1)])]));
          }
          names.splice(0, 1, "Family", "Attack");
        } else rows.push(...[...table.tBodies[0].rows].filter((r) => !r.hidden).map(values));
        saveCsv(saving.dataset.csv, names, rows);
      });
    }
    figure.unfoldTo = open;
  }

  // A link leads into what is closed.
  const reveal = () => {
    const target = location.hash.length > 1 ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
    if (!target) return;
    for (let e = target; e; e = e.parentElement) if (e.nodeName === "DETAILS") e.open = true;
    if (target.matches("tbody.head")) target.closest("figure").unfoldTo(target, true);
    target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  reveal();
  document.addEventListener("click", (event) => {
    const link = event.target.closest ? event.target.closest("nav a") : null;
    if (link && link.hash === location.hash) reveal();
  });

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
    plot.style.setProperty("--natural", `${width}px`);
    const numbers = JSON.parse(one(".numbers", figure).textContent);
    for (const b of all("[data-save]", figure)) {
      b.addEventListener("click", () => {
        if (b.dataset.save === "csv") saveCsv(figure.id, numbers.columns, numbers.rows);
        else if (b.dataset.save === "svg") save(`${figure.id}.svg`, "image/svg+xml", [drawing(svg)]);
        else png(svg, figure.id);
      });
    }
    const details = one("details.act", figure);
    details.addEventListener("toggle", () => {
      const into = one(".numbers-table", details);
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
  const explore = (data) => {
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
        b.className = "sort";
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
  };
  const explorer = one("#explorer");
  if (explorer) {
    const first = async () => { if (explorer.open) { explorer.removeEventListener("toggle", first); explore(await unpack("data")); } };
    explorer.addEventListener("toggle", first);
    first();
  }

  // Versions of a clip play in step; one of them is heard.
  let silence = () => {};
  for (const player of all(".player")) {
    const play = one(".play", player), seek = one(".seek input", player), time = one(".time", player);
    const picks = all(".pick", player), lines = all(".spectrum i", player);
    const length = Number(seek.max);
    let context = null, buffers = null, voices = [], heard = 0, began = 0, from = 0, running = false;
    const at = () => (running ? Math.min(length, from + context.currentTime - began) : from);
    const show = () => {
      seek.value = at();
      time.textContent = `${at().toFixed(1)} s`;
      lines.forEach((line) => { line.style.left = `${(100 * at()) / length}%`; });
      if (!running) return;
      if (at() >= length) { stop(); from = 0; show(); return; }
      requestAnimationFrame(show);
    };
    const stop = () => {
      from = at();
      running = false;
      voices.forEach((v) => v.source.stop());
      voices = [];
      player.classList.remove("playing");
      play.textContent = "Play";
    };
    const start = async () => {
      silence();
      silence = () => { if (running) stop(); };
      context ??= new AudioContext();
      context.resume();
      play.disabled = true;
      buffers ??= await Promise.all(all("audio", player).map((a) => context.decodeAudioData(Uint8Array.from(atob(a.src.split(",")[1]), (c) => c.charCodeAt(0)).buffer)));
      play.disabled = false;
      began = context.currentTime + 0.05;
      voices = buffers.map((buffer, i) => {
        const source = context.createBufferSource(), gain = context.createGain();
        source.buffer = buffer;
        gain.gain.value = i === heard ? 1 : 0;
        source.connect(gain).connect(context.destination);
        source.start(began, from);
        return { source, gain };
      });
      running = true;
      player.classList.add("playing");
      play.textContent = "Stop";
      show();
    };
    const pick = (i) => {
      heard = i;
      voices.forEach((v, k) => v.gain.gain.setTargetAtTime(k === i ? 1 : 0, context.currentTime, 0.008));
      picks.forEach((b, k) => b.setAttribute("aria-pressed", String(k === i)));
    };
    picks.forEach((b, i) => b.addEventListener("click", () => { pick(i); if (!running) start(); }));
    play.addEventListener("click", () => (running ? stop() : start()));
    seek.addEventListener("input", () => {
      const was = running;
      if (was) stop();
      from = Number(seek.value);
      if (was) start(); else show();
    });
    player.addEventListener("keydown", (event) => {
      const i = Number(event.key) - 1;
      if (i >= 0 && i < picks.length && event.target !== seek) { pick(i); event.preventDefault(); }
    });
    play.hidden = false;
    one(".seek", player).hidden = false;
    pick(0);
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
    all("section[id], section > details[id]").forEach((s) => watch.observe(s));
  }
})();
