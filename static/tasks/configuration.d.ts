export interface Settings {
  /** Where the server is; by default the origin of the page. */
  baseUrl?: string;
  /** An API token, for programs and pages of other origins; null for none. */
  token?: string | null;
  /** Name of the cookie with the CSRF token, where the site has another one than Django's. */
  csrfCookie?: string;
}

/** Say where the server is, and how requests show who sends them. What is followed goes on by the new settings. */
export function configure(settings: Settings): void;

/** Have `listener` called whenever the settings change. */
export function whenConfigured(listener: () => void): void;

export function addressOf(path: string): string;
export function socketAddress(): string | null;
export function usesEventSource(): boolean;
export function identity(method: string): Record<string, string>;
