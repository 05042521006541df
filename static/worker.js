// The service worker: our own assets, and one page for when nothing answers. What is kept is the list above, which the
// server writes, and nothing that comes by later: no page, no line of a log, no answer of any kind is put into a cache.
// Before this stand VERSION, SHELL and OFFLINE.
"use strict";

const CACHE = `logcafe-${VERSION}`;

// As it is for somebody who is not signed in: without cookies but those of the look and language it knows nobody anyway.
// An answer of something in between (a gateway's error, a sign-in page that it leads to) is not that page.
const keepOffline = async (cache) => {
  const page = await fetch(OFFLINE, { cache: "reload" });
  if (!page.ok || page.redirected) throw new Error(`the page for later came as ${page.status}`);
  await cache.put(OFFLINE, page);
};

self.addEventListener("install", (event) => {
  event.waitUntil((async () => {
    const cache = await caches.open(CACHE);
    await cache.addAll(SHELL);
    await keepOffline(cache);
    await self.skipWaiting();
  })());
});

self.addEventListener("activate", (event) => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) if (name !== CACHE) await caches.delete(name);
    await self.registration.navigationPreload?.enable();
    await self.clients.claim();
  })());
});

// The person chose another language or look: the page for later is to have it too.
self.addEventListener("message", (event) => {
  if (event.data === "look") event.waitUntil(caches.open(CACHE).then(keepOffline).catch(() => {}));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  if (request.mode === "navigate") event.respondWith(visit(event));
  else if (SHELL.includes(url.pathname)) event.respondWith(asset(request));
});

async function visit(event) {
  try {
    return (await event.preloadResponse) ?? (await fetch(event.request));
  } catch {
    return (await (await caches.open(CACHE)).match(OFFLINE)) ?? Response.error();
  }
}

async function asset(request) {
  return (await (await caches.open(CACHE)).match(request)) ?? fetch(request);
}
