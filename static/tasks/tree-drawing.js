/**
 * Keep the nodes of a page up to date with a tree, a few milliseconds at a time, so that the page stays responsive however
 * much changes at once.
 */

import { NodeViews } from "./node-view.js";

/** How long one frame may draw; what is left is drawn in the next. */
const DRAW_MS = 8;

export class TreeDrawing {
  constructor(page, tree, words) {
    this._page = page;
    this._tree = tree;
    this._nodeViews = new NodeViews(page.querySelector("template.node-template").content.firstElementChild, words);
    this._views = new Map();
    /** Ids of nodes that have changed and aren't drawn yet. */
    this._undrawn = new Set();
    this.adopt();
  }

  /** Find the nodes that the page shows: at first, and when a refresh may have changed them. */
  adopt() {
    this._list = this._page.querySelector(".tree");
    const gone = new Set(this._views.keys());
    for (const element of this._list.querySelectorAll("[data-node-id]")) {
      const { nodeId } = element.dataset;
      gone.delete(nodeId);
      const view = this._views.get(nodeId);
      if (view?.element === element) view.find();
      else this._views.set(nodeId, this._nodeViews.adopt(element));
    }
    for (const id of gone) this._views.delete(id);
  }

  /** Note nodes to be drawn, parents before children; `replaced` tells that all others may be gone. */
  note(ids, replaced) {
    if (replaced) this._dropUnknown();
    for (const id of ids) this._undrawn.add(id);
    this._undrawn.delete(this._tree.root.id);
  }

  /** Draw nodes, until all are drawn or the time is up; returns whether all are. */
  draw() {
    const begun = performance.now();
    for (const id of this._undrawn) {
      this._undrawn.delete(id);
      const node = this._tree.node(id);
      this._viewOf(id).draw(node, this._tree.percent(node));
      if (performance.now() - begun > DRAW_MS) break;
    }
    return this._undrawn.size === 0;
  }

  _viewOf(id) {
    let view = this._views.get(id);
    if (view === undefined) {
      view = this._nodeViews.create(id);
      this._views.set(id, view);
      const parentId = this._tree.parentOf(id);
      const list = parentId === this._tree.root.id ? this._list : this._viewOf(parentId).children;
      list.append(view.element);
    }
    return view;
  }

  _dropUnknown() {
    for (const [id, view] of this._views) {
      if (this._tree.node(id) === undefined) {
        view.element.remove();
        this._views.delete(id);
      }
    }
    this._undrawn.clear();
  }
}
