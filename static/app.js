// Small comforts for every page. Without this file all of them still work.
"use strict";
document.documentElement.classList.add("js");

// Text so large that few words fit beside each other: what stands on the screen while one reads goes along instead.
const size = () => {
  const html = document.documentElement;
  html.classList.toggle("big", html.clientWidth < 17 * parseFloat(getComputedStyle(html).fontSize));
};
size();
new ResizeObserver(() => requestAnimationFrame(size)).observe(document.body);

// Pages that show times show them in this browser's zone.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone) document.cookie = `logcafe_zone=${zone};path=/;max-age=31536000;samesite=lax`;

// A menu closes when something else is tapped, or with Escape.
const openMenus = () => document.querySelectorAll("details.menu[open]");
document.addEventListener("click", (event) => {
  for (const menu of openMenus()) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of openMenus()) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// <button data-copy="id of an element">: puts its text on the clipboard. Shown only where there is one.
if (navigator.clipboard) document.documentElement.classList.add("can-copy");
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
  const label = button.textContent;
  button.textContent = button.dataset.copied || label;
  setTimeout(() => { button.textContent = label; }, 1600);
});

// <button data-peek="label for hiding">: shows what is typed into the password field before it.
document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-peek]");
  if (!button) return;
  const field = button.previousElementSibling;
  field.type = field.type === "password" ? "text" : "password";
  [button.textContent, button.dataset.peek] = [button.dataset.peek, button.textContent];
  button.setAttribute("aria-pressed", String(field.type === "text"));
  field.focus();
});
