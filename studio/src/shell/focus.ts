/** The focus stays in its place when the element that had it goes away, such as a deleted card. */

const FOCUSABLE = "a[href], button:not(:disabled), input:not(:disabled), select, textarea, [tabindex='0']";

/** What took the place of each removed node: what followed it, what was before it, or its parent. */
const heirs = new WeakMap<Node, Node>();
let last: Element | null = null;

/** Watch the whole page from now on. */
export function followFocus(): void {
  document.addEventListener("focusin", ({ target }) => (last = target as Element));
  // Who clicks on nothing wants no element to have the focus.
  document.addEventListener("pointerdown", () => (last = null), { capture: true });
  new MutationObserver((records) => {
    for (const { removedNodes, nextSibling, previousSibling, target } of records) {
      for (const node of removedNodes) {
        heirs.set(node, nextSibling ?? previousSibling ?? target);
      }
    }
    keepFocus(last);
  }).observe(document.body, { childList: true, subtree: true, attributeFilter: ["disabled"] });
}

/** If no element has the focus, give it to this one, or to what took its place. */
export function keepFocus(element: Element | null): void {
  if (element !== null && document.activeElement === document.body) {
    (element.isConnected ? (element as HTMLElement) : successorOf(element)).focus({ preventScroll: true });
  }
}

/** Return the first control of the next item in the same list; elsewhere the region. */
function successorOf(lost: Element): HTMLElement {
  let place: Node = lost;
  let isItem = false;
  while (!place.isConnected) {
    const removed: Node = place.getRootNode();
    place = heirs.get(removed) ?? document.body;
    isItem = removed instanceof HTMLLIElement && place instanceof HTMLLIElement;
  }
  const control = isItem ? (place as Element).querySelector<HTMLElement>(FOCUSABLE) : null;
  return control ?? regionOf(place);
}

function regionOf(place: Node): HTMLElement {
  const element = place instanceof Element ? place : place.parentElement;
  const region = element?.closest<HTMLElement>("section[aria-label], main") ?? document.querySelector("main")!;
  region.tabIndex = -1;
  return region;
}
