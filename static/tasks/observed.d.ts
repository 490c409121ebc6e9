/** What several readers look at together: followed while there is one. */
export class Observed<Value> {
  constructor(begin: (changed: () => void) => () => void, describe: () => Value, onIdle?: () => void);
  value(): Value;
  subscribe(reader: () => void): () => void;
}
