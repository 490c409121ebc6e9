import type { ApiError } from "./http.js";

export interface ServerEvent {
  event: string;
  data: string;
  id?: string;
}

export interface EventHandlers {
  onMessage(text: string): void;
  /** It is over: with the server's refusal, or null where another attempt is worth it. */
  onEnd(refusal: ApiError | null): void;
}

/** Open a stream of server-sent events; returns what closes it. */
export function openEvents(path: string, handlers: EventHandlers): () => void;

/** Yield the events of a body; `heard` is called for each piece of it. */
export function eventsOf(body: ReadableStream<Uint8Array>, heard?: () => void): AsyncGenerator<ServerEvent, void, void>;

export function interrupted(cause?: unknown): ApiError;
