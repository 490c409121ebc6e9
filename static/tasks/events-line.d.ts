import type { Line, LineHandlers } from "./socket-line.js";

export class EventsLine implements Line {
  constructor(followed: { target: object; position: object; types: object }[], handlers: LineHandlers);
  readonly isOpen: boolean;
  ask(target: object, position: object, types: object): void;
  drop(target: object): void;
  checkAlive(): void;
  close(): void;
}
