/**
 * Ask the server what silence means: whether nobody takes the work up, a worker is lost, or it only takes long.
 */

/** Silence after which it is asked. */
const QUIET_MS = 20000;
/** How long until it is asked again, in turn; the last one from then on. */
const AGAIN_AFTER_MS = [20000, 20000, 40000, 60000];

export class StallWatch {
  /** `onAnswer` gets the stall, {code, text}, or null where there is none. */
  constructor(url, onAnswer) {
    this._url = url;
    this._onAnswer = onAnswer;
    this._asked = 0;
    this._nextAt = Date.now() + QUIET_MS;
    this._isAsking = false;
  }

  /** Note that something has come: the silence begins anew. */
  hear() {
    this._asked = 0;
    this._nextAt = Date.now() + QUIET_MS;
  }

  /** Ask if it is time. */
  look() {
    if (Date.now() < this._nextAt || this._isAsking) return;
    this._nextAt = Date.now() + AGAIN_AFTER_MS[Math.min(this._asked, AGAIN_AFTER_MS.length - 1)];
    this._asked += 1;
    void this._ask();
  }

  async _ask() {
    const turn = this._asked;
    this._isAsking = true;
    try {
      const answer = await fetch(this._url, { headers: { Accept: "application/json" }, cache: "no-store" });
      if (!answer.ok) return;
      const { stall } = await answer.json();
      // What came meanwhile has ended the silence.
      if (turn === this._asked) this._onAnswer(stall ?? null);
    } catch {
      // Whether the server can be reached is said elsewhere; it is asked again.
    } finally {
      this._isAsking = false;
    }
  }
}
