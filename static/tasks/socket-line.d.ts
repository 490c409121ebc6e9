import type { ApiError } from "./http.js";

export interface LineHandlers {
  onOpen(): void;
  onMessage(message: Record<string, unknown>): void;
  onEnd(how: { wasOpen: boolean; refusal?: ApiError | null }): void;
}

/** What a connection asks over, whichever way its messages go. */
export interface Line {
  readonly isOpen: boolean;
  ask(target: object, position: object, types: object): void;
  drop(target: object): void;
  checkAlive(): void;
  close(): void;
}

export class SocketLine implements Line {
  constructor(url: string, handlers: LineHandlers);
  readonly isOpen: boolean;
  ask(target: object, position: object, types: object): void;
  drop(target: object): void;
  checkAlive(): void;
  close(): void;
}
