/** Hands on the messages of a connection, bursts in pieces that leave the page its turns. */
export class Arrivals {
  constructor(handle: (message: Record<string, unknown>) => void);
  add(text: string): void;
  finish(): void;
}
