"use strict";
// What a link points at is opened, with all around it.
function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let each = target; each; each = each.parentElement) {
    if (each.tagName === "DETAILS") each.open = true;
  }
  if (target) target.scrollIntoView();
}
addEventListener("hashchange", openTarget);
openTarget();

// On a narrow screen the contents cover the page: they start closed, and close after a choice.
const contents = document.querySelector(".contents");
const narrow = matchMedia("(max-width: 70rem)");
function fold() {
  contents.open = !narrow.matches;
}
narrow.addEventListener("change", fold);
fold();
contents.addEventListener("click", (event) => {
  if (narrow.matches && event.target.closest("a")) contents.open = false;
});

// Paper has no taps.
addEventListener("beforeprint", () => {
  for (const each of document.querySelectorAll("main details")) each.open = true;
});
