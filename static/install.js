// The app on the home screen: starts the service worker, and says how old the page is when there is no connection.
"use strict";

const worker = navigator.serviceWorker;
if (worker && !document.querySelector("[data-offline]")) {
  addEventListener("load", async () => {
    try {
      await worker.register("/sw.js", { updateViaCache: "none" });
      const { lang, dataset } = document.documentElement;
      const look = `${lang} ${dataset.theme}`;
      const { active } = await worker.ready;
      const known = localStorage.getItem("logcafe-look");
      if (known !== null && known !== look) active.postMessage("look");
      localStorage.setItem("logcafe-look", look);
    } catch {
      // a browser that wants no worker does without
    }
  });
}

// The page for when nothing answers comes back by itself.
if (document.querySelector("[data-offline]")) addEventListener("online", () => location.reload());

// The banner: there while the device is offline or the last request came to nothing.
const banner = document.getElementById("offline");
if (banner) {
  let asOf = Date.now();
  let timer = null;
  const age = () => {
    const format = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto" });
    const seconds = Math.round((asOf - Date.now()) / 1000);
    const [unit, size] = [["day", 86_400], ["hour", 3600], ["minute", 60], ["second", 1]].find(([, length]) => -seconds >= length) ?? ["second", 1];
    return format.format(Math.trunc(seconds / size), unit);
  };
  const say = () => {
    banner.querySelector("span").textContent = banner.dataset.age.replace("{age}", age());
  };
  const show = () => {
    banner.hidden = false;
    say();
    timer ??= setInterval(say, 10_000);
  };
  const hide = () => {
    banner.hidden = true;
    clearInterval(timer);
    timer = null;
  };
  const fresh = () => {
    asOf = Date.now();
    hide();
  };
  addEventListener("offline", show);
  addEventListener("online", hide);
  if (navigator.onLine === false) show();
  document.addEventListener("htmx:after:swap", fresh);
  document.addEventListener("logcafe:fresh", fresh);
  document.addEventListener("htmx:error", (event) => {
    // what a server answers is no lack of a connection
    if (event.detail?.error instanceof TypeError && !event.detail.ctx?.response) show();
  });
  banner.querySelector("button").addEventListener("click", () => location.reload());
}
