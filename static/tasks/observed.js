/**
 * What several readers look at together: followed while there is one, with a value that stays the same until it changes.
 */

/** How long it is followed on when the last reader has gone: another one may come at once, as from the next page. */
const LINGER_MS = 1000;

export class Observed {
  /** `begin(changed)` follows and returns what ends that; `describe()` gives the value as of now. */
  constructor(begin, describe, onIdle = () => {}) {
    this._begin = begin;
    this._describe = describe;
    this._onIdle = onIdle;
    this._readers = new Set();
    this._end = null;
    this._linger = undefined;
    this._value = describe();
    this._isNew = false;
    this.subscribe = this.subscribe.bind(this);
    this.value = this.value.bind(this);
  }

  /** Return the value: the same one until something has changed. */
  value() {
    if (this._isNew) {
      this._isNew = false;
      this._value = this._describe();
    }
    return this._value;
  }

  /** Have `reader` called after each change; returns what ends that. */
  subscribe(reader) {
    const own = { reader };
    this._readers.add(own);
    clearTimeout(this._linger);
    this._end ??= this._begin(() => this._changed());
    return () => {
      if (!this._readers.delete(own) || this._readers.size) return;
      this._linger = setTimeout(() => this._stop(), LINGER_MS);
    };
  }

  _changed() {
    this._isNew = true;
    for (const { reader } of [...this._readers]) reader();
  }

  _stop() {
    this._end();
    this._end = null;
    this._onIdle();
  }
}
