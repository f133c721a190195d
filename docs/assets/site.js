// Wide tables scroll by keyboard too, and each block's copy button is named apart.
const name = (selector, label) =>
  document.querySelectorAll(selector).forEach((element, index) => element.setAttribute("aria-label", `${label} ${index + 1}`));

const makeReachable = () => {
  document.querySelectorAll(".md-typeset__scrollwrap").forEach((element) => element.setAttribute("tabindex", "0"));
  name("nav.md-code__nav", "Code");
};

if (window.document$) window.document$.subscribe(() => setTimeout(makeReachable, 100));
else window.addEventListener("load", () => setTimeout(makeReachable, 100));
