export interface Stall {
  code: string;
  text: string;
  facts?: Record<string, unknown>;
}

/** Asks the server, after some silence, whether the work stalls. */
export class StallWatch {
  constructor(url: string, onAnswer: (stall: Stall | null) => void);
  hear(): void;
  look(): void;
}
