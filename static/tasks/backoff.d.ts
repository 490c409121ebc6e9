/** Milliseconds to wait before attempt number `attempt`, from 0; `draw` is a number from 0 to 1. */
export function pauseBefore(attempt: number, draw?: number): number;

/** Wait before attempt number `attempt`, from 0; sooner where the network comes back. */
export function pause(attempt: number, signal?: AbortSignal): Promise<void>;
