// The bench's stream: each event is HTML for one part of the page. On other pages there is no such part, and nothing to do.
"use strict";

const MAX_ROWS = { log: 400, wire: 400 };

// Makes one part of the page like another and leaves alone what is alike, so that what is being typed or chosen stays.
function morph(old, wanted) {
  if (old.nodeName !== wanted.nodeName || old.id !== wanted.id) return old.replaceWith(wanted);
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== wanted.nodeValue) old.nodeValue = wanted.nodeValue;
    return;
  }
  for (const { name } of [...old.attributes]) if (!wanted.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of wanted.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  const [before, after] = [[...old.childNodes], [...wanted.childNodes]];
  for (const [at, child] of after.entries()) before[at] ? morph(before[at], child) : old.append(child);
  for (const child of before.slice(after.length)) child.remove();
}

function replace(id, html) {
  const part = document.getElementById(id);
  const wanted = part.cloneNode(false);
  wanted.innerHTML = html;
  morph(part, wanted);
  for (const screen of part.querySelectorAll(".screen")) screen.scrollTop = screen.scrollHeight;
}

function append(id, html) {
  const part = document.getElementById(id);
  const follows = part.scrollHeight - part.scrollTop - part.clientHeight < 40;
  part.insertAdjacentHTML("beforeend", html);
  while (part.children.length > MAX_ROWS[id]) part.firstElementChild.remove();
  if (follows) part.scrollTop = part.scrollHeight;
}

// What was sent last, to be put back if it was refused.
let sent = null;
let live = null;

function watch() {
  live = new EventSource("/live");
  const on = (name, act) => live.addEventListener(name, (event) => act(JSON.parse(event.data)));
  on("clear", () => { for (const id of ["log", "wire"]) document.getElementById(id).replaceChildren(); });
  on("status", (html) => replace("status", html));
  on("people", (html) => replace("people", html));
  on("problem", (html) => {
    document.getElementById("problem").innerHTML = html;
    const input = html && sent && document.getElementById(sent.id);
    if (input && !input.value) input.value = sent.value;
  });
  on("log", (html) => append("log", html));
  on("wire", (html) => append("wire", html));
  live.onerror = () => { document.getElementById("problem").textContent = "The lab does not answer: has it been stopped?"; };
  live.onopen = () => { document.getElementById("problem").textContent = ""; };
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  // The form has been read by then.
  setTimeout(() => {
    for (const input of form.querySelectorAll("input:not([type=hidden])")) {
      sent = { id: input.id, value: input.value };
      input.value = "";
    }
    if (form.matches(".attack, .launch")) {
      const button = form.querySelector("button");
      button.disabled = true;
      button.textContent = "Under way …";
    }
  });
});

document.addEventListener("change", (event) => {
  const attacked = document.querySelector(".attack select[name=protocol]");
  if (event.target.id === "protocol" && attacked) attacked.value = event.target.value;
});

// A browser has six connections for all windows together: those that nobody sees give theirs back.
document.addEventListener("visibilitychange", () => {
  if (!live) return;
  live.close();
  if (!document.hidden) watch();
});

if (document.getElementById("wire")) watch();
