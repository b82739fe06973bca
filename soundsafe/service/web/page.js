"use strict";
// The page at `/`: files are dropped, marked or read, seen second by second, heard and downloaded.

const form = document.getElementById("form");
const drop = document.getElementById("drop");
const picker = document.getElementById("files");
const notice = document.getElementById("notice");
const DIFFERENCE_GAIN = 10;
let context = null;

const mode = () => form.elements.mode.value;

form.addEventListener("submit", (event) => event.preventDefault());
for (const radio of form.elements.mode) {
  radio.addEventListener("change", () => {
    document.getElementById("marking").hidden = mode() !== "embed";
    notice.hidden = true;
  });
}
picker.addEventListener("change", () => {
  take([...picker.files]);
  picker.value = "";
});
for (const kind of ["dragenter", "dragover"]) {
  drop.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
for (const kind of ["dragleave", "drop"]) {
  drop.addEventListener(kind, () => drop.classList.remove("over"));
}
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  take([...event.dataTransfer.files]);
});
// A file that misses the field must not replace the page.
window.addEventListener("dragover", (event) => event.preventDefault());
window.addEventListener("drop", (event) => event.preventDefault());

function take(files) {
  notice.hidden = true;
  if (mode() === "embed" && !form.elements.message.value) {
    notice.textContent = "Give a message first: it is what the mark says.";
    notice.hidden = false;
    form.elements.message.focus();
    return;
  }
  for (const file of files) new Card(file);
}

/** Samples of a file, or null where this browser cannot read it: then there is no picture and no sound. */
async function samples(blob) {
  context ??= new AudioContext();
  try {
    return await context.decodeAudioData(await blob.arrayBuffer());
  } catch {
    return null;
  }
}

function send(url, file, sent) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.responseType = "blob";
    request.upload.addEventListener("progress", (event) => event.lengthComputable && sent(event.loaded / event.total));
    request.addEventListener("load", async () => {
      if (request.status === 200) return resolve(request);
      let said = `the service answered ${request.status}`;
      try {
        said = JSON.parse(await request.response.text()).error;
      } catch { /* no answer of the service's own */ }
      reject(new Error(said));
    });
    request.addEventListener("error", () => reject(new Error("the service cannot be reached")));
    request.send(file);
  });
}

const clock = (s) => (s < 120 ? `${s.toFixed(1)} s` : `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`);

class Card {
  constructor(file) {
    this.root = document.getElementById("card").content.firstElementChild.cloneNode(true);
    this.find("h2").textContent = file.name;
    this.find(".away").addEventListener("click", () => this.remove());
    this.file = file;
    document.getElementById("answers").prepend(this.root);
    this.work().catch((error) => this.fail(error.message));
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  say(text) {
    this.find(".state").textContent = text;
  }

  fail(text) {
    this.root.classList.add("failed");
    this.find("progress").hidden = true;
    this.say(text);
  }

  remove() {
    this.stop();
    if (this.url) URL.revokeObjectURL(this.url);
    this.root.remove();
  }

  async work() {
    const marking = mode() === "embed";
    const query = new URLSearchParams();
    if (marking) for (const name of ["message", "format", "quality", "strength"]) query.set(name, form.elements[name].value);
    const bar = this.find("progress");
    bar.hidden = false;
    this.say("Uploading");
    const picture = samples(this.file);
    const request = await send(marking ? `embed?${query}` : "decode", this.file, (share) => {
      bar.value = share;
      if (share === 1) {
        bar.removeAttribute("value");
        this.say(marking ? "Marking, and reading it back" : "Reading");
      }
    });
    bar.hidden = true;
    this.say("");
    this.find(".answer").hidden = false;
    if (marking) await this.marked(request, await picture, query.get("format"));
    else this.found(JSON.parse(await request.response.text()), await picture);
  }

  fact(name, value) {
    const [term, said] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = name;
    said.textContent = value;
    this.find("dl").append(term, said);
  }

  found(answer, audio) {
    const read = answer.euls.filter((eul) => eul.ok).length;
    this.root.classList.toggle("yes", answer.ok);
    this.find(".headline").textContent = answer.ok
      ? answer.text ?? answer.payload_hex
      : answer.id_ok ? `Payload lost; its identifier is ${answer.id_hex}` : read ? "A mark, but not all of its payload" : "No mark found";
    for (const found of answer.payloads) {
      if (answer.payloads.length > 1) this.fact("payload", found.text ?? found.payload_hex);
      this.fact("hexadecimal", found.payload_hex);
      const places = found.ranges.map(([start, end]) => `${clock(start)} to ${clock(end)}`);
      this.fact("where", places.slice(0, 6).join(", ") + (places.length > 6 ? " …" : "") || "all over it");
    }
    if (answer.euls.length) this.fact("seconds read", `${read} of ${answer.euls.length}`);
    if (answer.ok || answer.id_ok) {
      const bound = answer.false_accept_bound;
      this.fact("sure", bound > 0 ? `of unmarked audio, fewer than 1 in ${bound < 1e-6 ? `10^${Math.floor(-Math.log10(bound))}` : Math.floor(1 / bound)} would answer so` : "beyond doubt");
    }
    if (answer.tempo !== 1 || answer.pitch !== 1) this.fact("changed", `tempo × ${answer.tempo.toFixed(4)}, pitch × ${answer.pitch.toFixed(4)}`);
    const seconds = answer.euls.map((eul) => ({ start: eul.start_s, good: eul.ok }));
    const words = read ? `${read} of ${answer.euls.length} seconds read by themselves: coloured` : "no second read by itself";
    this.draw(audio, seconds, words);
  }

  async marked(request, original, format) {
    const answer = JSON.parse(request.getResponseHeader("Soundsafe-Answer"));
    this.root.classList.add("yes");
    this.find(".headline").textContent = `Marked: reads back from ${answer.euls_verified} of ${answer.euls} seconds`;
    this.fact("payload", `${answer.payload_bytes} bytes`);
    if (answer.snr_db !== null) this.fact("SNR", `${answer.snr_db.toFixed(1)} dB`);
    if (answer.zimtohrli !== null) this.fact("distance", `${(1e5 * answer.zimtohrli).toFixed(1)}e-5 (Zimtohrli; MP3 at 192 kbit/s: about 20e-5)`);
    this.url = URL.createObjectURL(request.response);
    const link = this.find(".get a");
    link.href = this.url;
    link.download = `${this.file.name.replace(/\.[^.]*$/, "")}.marked.${format}`;
    this.find(".get").hidden = false;
    const not = new Set(answer.unmarked_seconds);
    const seconds = Array.from({ length: answer.euls }, (_, i) => ({ start: i, good: !not.has(i) }));
    const marked = await samples(request.response);
    this.draw(original ?? marked, seconds, `${answer.euls_verified} of ${answer.euls} seconds marked: coloured`);
    if (original && marked) this.offer([original, marked, difference(original, marked)]);
  }

  draw(audio, seconds, words) {
    if (!audio) return;
    const canvas = this.find("canvas");
    this.find("figure").hidden = false;
    this.find("figcaption").textContent = words;
    canvas.setAttribute("aria-label", `Waveform of ${clock(audio.duration)}; ${words}`);
    const paint = () => paintWave(canvas, audio, seconds);
    paint();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  }

  offer(buffers) {
    const box = this.find(".listen");
    box.hidden = false;
    const choices = [...box.querySelectorAll("input")];
    for (const choice of choices) {
      choice.name = `hear-${this.url}`;
      choice.addEventListener("change", () => this.hear(Number(choice.value)));
    }
    this.chosen = 0;
    this.find(".play").addEventListener("click", () => (this.sources ? this.stop() : this.play(buffers)));
  }

  /** All three run together and one is let through: the place in the music stays. */
  play(buffers) {
    context.resume();
    this.gains = buffers.map((_, i) => new GainNode(context, { gain: i === this.chosen ? 1 : 0 }));
    this.sources = buffers.map((buffer, i) => {
      const source = new AudioBufferSourceNode(context, { buffer });
      source.connect(this.gains[i]).connect(context.destination);
      return source;
    });
    const at = context.currentTime + 0.05;
    for (const source of this.sources) source.start(at);
    this.sources[0].onended = () => this.stop();
    this.find(".play").textContent = "Stop";
  }

  hear(which) {
    this.chosen = which;
    this.gains?.forEach((gain, i) => gain.gain.setTargetAtTime(i === which ? 1 : 0, context.currentTime, 0.01));
  }

  stop() {
    if (!this.sources) return;
    this.sources[0].onended = null;
    for (const source of this.sources) source.stop();
    this.sources = this.gains = null;
    this.find(".play").textContent = "Play";
  }
}

function difference(original, marked) {
  const length = Math.min(original.length, marked.length);
  const out = new AudioBuffer({ length, numberOfChannels: marked.numberOfChannels, sampleRate: marked.sampleRate });
  for (let c = 0; c < marked.numberOfChannels; c++) {
    const [a, b] = [original.getChannelData(Math.min(c, original.numberOfChannels - 1)), marked.getChannelData(c)];
    out.copyToChannel(Float32Array.from({ length }, (_, i) => Math.max(-1, Math.min(1, DIFFERENCE_GAIN * (b[i] - a[i])))), c);
  }
  return out;
}

function paintWave(canvas, audio, seconds) {
  const style = getComputedStyle(document.documentElement);
  const [good, wave] = ["--good", "--wave"].map((name) => style.getPropertyValue(name));
  const pen = canvas.getContext("2d");
  const { width, height } = canvas;
  const data = audio.getChannelData(0);
  pen.clearRect(0, 0, width, height);
  const columns = Array.from({ length: Math.ceil(width / 2) }, (_, i) => {
    const [from, to] = [i, i + 1].map((k) => Math.floor((2 * k * data.length) / width));
    let peak = 0;
    for (let n = from; n < to && n < data.length; n += 4) peak = Math.max(peak, Math.abs(data[n]));
    return peak;
  });
  const loudest = Math.max(...columns, 1e-6);
  columns.forEach((peak, i) => {
    const at = (2 * i * audio.duration) / width;
    pen.fillStyle = seconds.some((s) => s.good && at >= s.start && at < s.start + 1) ? good : wave;
    const size = Math.max(2, (peak / loudest) * (height - 8));
    pen.fillRect(2 * i, (height - size) / 2, 1.5, size);
  });
}
