export interface Problem {
  status?: number;
  code?: string;
  message?: string;
  fields?: Record<string, unknown>;
}

/**
 * What the server answered, or that it didn't: `unreachable` where there was no answer, `interrupted` where it broke off,
 * `http_502` and the like where something in between has answered.
 */
export class ApiError extends Error {
  constructor(problem: Problem, options?: { cause?: unknown });
  readonly name: "ApiError";
  /** That of HTTP; 0 where there was no answer, or where it was part of another one (a stream, a batch). */
  readonly status: number;
  readonly code: string;
  readonly fields: Record<string, unknown>;
}

export interface SendOptions {
  method?: string;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  keepalive?: boolean;
}

/** Send a request and return its answer; an error of the server's, or none at all, throws ApiError. */
export function send(path: string, options?: SendOptions): Promise<Response>;

/** Repeat `action` as long as it fails in passing. */
export function persistently<T>(action: () => Promise<T>, signal?: AbortSignal): Promise<T>;

export function uuid(): string;

/** Let an error be the page's, or the program's, as any other. */
export function report(error: unknown): void;
