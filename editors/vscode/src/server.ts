/** The server's life: found, started, started again when it goes down, stopped; one thing after the other. */

import * as vscode from "vscode";
import {
  DidChangeConfigurationNotification,
  ExecuteCommandRequest,
  type LanguageClient,
  type WorkspaceEdit,
} from "vscode-languageclient/node";
import { Backoff, LIMIT, WINDOW_MS } from "./backoff.ts";
import { createClient, type GhostTextListener, type Progressed } from "./client.ts";
import { FRAMES_NOTIFICATION, type Frame, STATUS_NOTIFICATION, type Status } from "./protocol.ts";

/** What the server needs to know of its surroundings. */
export interface Surroundings {
  readonly find: () => Promise<string | undefined>;
  /** Why it is not even looked for; undefined where it is. */
  readonly fault: () => string | undefined;
  readonly settings: () => unknown;
  readonly channel: vscode.LogOutputChannel;
  readonly ghostText: GhostTextListener;
}

const NEVER = new vscode.CancellationTokenSource().token;

export const NOT_FOUND: Status = { state: "error", message: "the program lacuna was not found" };

export class Server implements vscode.Disposable {
  /** Where the program is that was started last; undefined where it was not found. */
  executable: string | undefined;

  private readonly surroundings: Surroundings;
  private readonly backoff = new Backoff();
  private readonly statusChanged = new vscode.EventEmitter<Status>();
  private readonly frameReceived = new vscode.EventEmitter<Frame>();
  private readonly progressed = new vscode.EventEmitter<Progressed>();
  private readonly started = new vscode.EventEmitter<void>();
  private readonly gaveUp = new vscode.EventEmitter<string>();
  private client: LanguageClient | undefined;
  private starting: LanguageClient | undefined;
  private current: Status = { state: "off", message: "not started" };
  private queue: Promise<void> = Promise.resolve();
  private timer: NodeJS.Timeout | undefined;

  readonly onDidChangeStatus = this.statusChanged.event;
  readonly onDidReceiveFrame = this.frameReceived.event;
  readonly onDidProgress = this.progressed.event;
  readonly onDidStart = this.started.event;
  /** It went down so often that it is left down, and why. */
  readonly onDidGiveUp = this.gaveUp.event;

  constructor(surroundings: Surroundings) {
    this.surroundings = surroundings;
  }

  get status(): Status {
    return this.current;
  }

  get isRunning(): boolean {
    return this.client !== undefined;
  }

  /** Starts it, or starts it anew. */
  async restart(): Promise<void> {
    this.backoff.reset();
    this.starting?.serverProcess?.kill(); // one that never answers must not block the queue
    await this.enqueue(async () => {
      await this.stopNow();
      await this.startNow();
    });
  }

  async stop(): Promise<void> {
    await this.enqueue(() => this.stopNow());
    this.say({ state: "off", message: "stopped" });
  }

  /** Sends the settings as they now are; without a server there is nothing to do. */
  async configure(): Promise<void> {
    const settings = { lacuna: this.surroundings.settings() };
    await this.client?.sendNotification(DidChangeConfigurationNotification.type, { settings });
  }

  /** Runs one of the server's commands. Rejects with a message for people where it fails, or no server runs. */
  async execute<Result>(command: string, ...argument: unknown[]): Promise<Result> {
    return this.request(ExecuteCommandRequest.method, { command, arguments: argument }, NEVER);
  }

  /** Sends a request. Rejects as `execute` does, and where it is cancelled. */
  async request<Result>(method: string, params: unknown, token: vscode.CancellationToken): Promise<Result> {
    return this.running().sendRequest<Result>(method, params, token);
  }

  /** Sends a notification; without a server there is nobody to tell. */
  async notify(method: string, params: unknown): Promise<void> {
    await this.client?.sendNotification(method, params);
  }

  /** Has the server work out a change of documents, and makes it the editor's. Rejects as `request` does. */
  async workspaceEdit(
    command: string,
    argument: unknown,
    token: vscode.CancellationToken,
  ): Promise<vscode.WorkspaceEdit> {
    const client = this.running();
    const params = { command, arguments: [argument] };
    const edit = await client.sendRequest<WorkspaceEdit>(ExecuteCommandRequest.method, params, token);
    return client.protocol2CodeConverter.asWorkspaceEdit(edit, token);
  }

  dispose(): void {
    void this.stop().finally(() => {
      for (const emitter of [this.statusChanged, this.frameReceived, this.progressed, this.started, this.gaveUp]) {
        emitter.dispose();
      }
    });
  }

  private running(): LanguageClient {
    if (this.client === undefined) {
      throw new Error("Lacuna's server is not running.");
    }
    return this.client;
  }

  private enqueue(task: () => Promise<void>): Promise<void> {
    this.queue = this.queue.then(task).catch((error: unknown) => {
      this.say({ state: "error", message: String(error) });
    });
    return this.queue;
  }

  private async startNow(): Promise<void> {
    const { find, fault, settings, channel, ghostText } = this.surroundings;
    this.executable = await find();
    const message = fault();
    if (message !== undefined) {
      this.say({ state: "error", message });
      this.gaveUp.fire(message);
      return;
    }
    if (this.executable === undefined) {
      this.say(NOT_FOUND);
      return;
    }
    this.say({ state: "loading", message: "starting" });
    channel.info(`starting ${this.executable} serve`);
    const client = createClient(this.executable, settings, channel, {
      ...ghostText,
      progressed: (progressed) => this.progressed.fire(progressed),
      closed: () => this.down(client),
    });
    client.onNotification(STATUS_NOTIFICATION, (status: Status) => this.say(status));
    client.onNotification(FRAMES_NOTIFICATION, (frame: Frame) => this.frameReceived.fire(frame));
    this.starting = client;
    await client.start().finally(() => (this.starting = undefined));
    this.client = client;
    this.started.fire();
  }

  /** Never rejects: a server that does not end in time is killed by its client, and the next one can be started. */
  private async stopNow(): Promise<void> {
    clearTimeout(this.timer);
    const client = this.client;
    this.client = undefined;
    try {
      await client?.dispose();
    } catch (error) {
      this.surroundings.channel.warn(`the server did not end as it should: ${String(error)}`);
    }
  }

  private down(client: LanguageClient): void {
    if (this.client === client) {
      this.client = undefined;
    }
    const delay = this.backoff.next(Date.now());
    if (delay === undefined) {
      const message = `the server went down ${LIMIT} times in ${WINDOW_MS / 60_000} minutes`;
      this.say({ state: "error", message });
      this.gaveUp.fire(message);
      return;
    }
    this.say({ state: "loading", message: "the server went down, it is started again" });
    this.timer = setTimeout(() => void this.enqueue(() => this.startNow()), delay);
  }

  private say(status: Status): void {
    this.current = status;
    this.statusChanged.fire(status);
  }
}
