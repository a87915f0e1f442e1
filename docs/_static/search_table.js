// A table inside an element of the class "searchable" gets a field to search its lines, and its heads
// sort them.
document.querySelectorAll(".searchable table").forEach((table) => {
  const body = table.tBodies[0];
  const field = document.createElement("input");
  field.type = "search";
  field.placeholder = "a name, a library, a result ...";
  field.setAttribute("aria-label", "Search the table");
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/);
    for (const line of body.rows) {
      const text = line.textContent.toLowerCase();
      line.hidden = !words.every((word) => text.includes(word));
    }
  });
  table.closest(".searchable").prepend(field);
  Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
    let direction = 1;
    head.style.cursor = "pointer";
    head.addEventListener("click", () => {
      const text = (line) => line.cells[column].textContent.trim();
      const compare = (a, b) => text(a).localeCompare(text(b), "en", { numeric: true });
      const lines = Array.from(body.rows).sort((a, b) => direction * compare(a, b));
      body.append(...lines);
      direction = -direction;
    });
  });
});
