// Names of fields are found as one types; the form does the same without a script.
document.addEventListener("input", (event) => {
  const box = event.target.closest?.("[data-names]");
  if (!box) return;
  const wanted = box.value.trim().toLowerCase();
  for (const item of document.querySelectorAll(box.dataset.names)) {
    item.hidden = !item.dataset.name.toLowerCase().includes(wanted);
  }
});
