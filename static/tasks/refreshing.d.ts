/** The progress page of a task, fetched anew; null where the server can't be reached or can't answer now. */
export function fetchPage(taskId: string): Promise<{ article: HTMLElement; title: string; isRefused?: undefined } | { isRefused: true; article?: undefined } | null>;

/** Change an element to look like a fresh one; elements with `data-keep` and those taken over stay as they are. */
export function morph(old: HTMLElement, fresh: HTMLElement, takeOver?: (old: HTMLElement, fresh: HTMLElement) => boolean): void;

/** Calls `refresh` every few seconds while nothing comes live. */
export class Refresher {
  constructor(options: { refresh(): Promise<boolean>; onChange(): void });
  readonly isWorking: boolean;
  readonly succeeded: number;
  start(): void;
  stop(): void;
}
