// Explore with a script: the dock makes room while reading. Links do the rest.

// Times are shown in the zone that the browser is in. The server learns it from a cookie that app.js keeps.
const shown = document.getElementById("explore");
if (shown && shown.dataset.zone && !sessionStorage.getItem("zone-told")) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  sessionStorage.setItem("zone-told", zone);
  if (zone && zone !== shown.dataset.zone && document.cookie.includes("logcafe_zone=")) location.reload();
}

// The dock goes while one scrolls down to read, and comes back on the way up.
let last = scrollY;
addEventListener("scroll", () => {
  const dock = document.querySelector(".dock");
  if (!dock || Math.abs(scrollY - last) < 12) return;
  const atEnd = scrollY + innerHeight > document.documentElement.scrollHeight - 80;
  dock.classList.toggle("away", scrollY > last && scrollY > 120 && !atEnd);
  last = scrollY;
}, { passive: true });
