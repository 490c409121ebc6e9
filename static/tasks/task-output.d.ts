/** The text that the nodes of a task tell, from the beginning of its log, up to 256 Ki characters. */
export class TaskOutput {
  constructor(taskId: string);
  value(): string;
  clear(): void;
  subscribe(reader: () => void): () => void;
}
