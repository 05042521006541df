// A logcafe of its own for the tests: the real binary, a temporary folder, a free port.
// The binary is named by LOGCAFE_BIN; without it, the debug build is taken.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const BINARY = process.env.LOGCAFE_BIN ?? fileURLToPath(new URL("../../target/debug/logcafe", import.meta.url));
// Settings of whoever runs the tests are not those of the tests.
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("LOGCAFE_")));
export const PASSWORD = "three warm cups";

export class Server {
  /** On a folder that is there, or on a new one that goes with the server. */
  static async start(folder, options = []) {
    const server = new Server();
    server.options = options;
    server.data = folder ?? mkdtempSync(join(tmpdir(), "logcafe-browser-"));
    server.isOwn = folder === undefined;
    server.log = "";
    await server.run("127.0.0.1:0", folder ? /ready at/ : /(http\S+\/setup\?code=\S+)/);
    return server;
  }

  /** Runs the binary until it says `last`. */
  async run(address, last) {
    const options = { stdio: ["ignore", "pipe", "pipe"], cwd: this.data, env };
    const child = spawn(BINARY, ["serve", "--listen", address, "--data", this.data, ...this.options], options);
    this.child = child;
    child.stderr.on("data", (text) => (this.log += text));
    process.once("exit", () => child.kill("SIGKILL"));
    for await (const line of createInterface({ input: child.stdout })) {
      this.url = /ready at (http\S+)/.exec(line)?.[1] ?? this.url;
      this.setup = /(http\S+\/setup\?code=\S+)/.exec(line)?.[1] ?? this.setup;
      if (last.test(line)) return;
    }
    throw new Error(`logcafe did not start:\n${this.log}`);
  }

  /** Ends the server, and leaves its data. */
  async halt() {
    const ended = once(this.child, "exit");
    this.child.kill("SIGTERM");
    await ended;
  }

  /** Starts it again where it was. */
  async resume() {
    await this.run(new URL(this.url).host, /ready at/);
  }

  /** Runs a command of the same binary on the same data. */
  command(arguments_, input) {
    return execFileSync(BINARY, [...arguments_, "--data", this.data], { input, encoding: "utf8", cwd: this.data, env }).trim();
  }

  addUser(name) {
    this.command(["user", "add", name, "--role", "reader", "--password-stdin"], `${PASSWORD}\n`);
  }

  /** Pushes streams as an agent does: `[{ labels, lines: [[milliseconds, text], …] }]`. */
  async push(streams) {
    this.token ??= this.command(["token", "add", "browser-tests"]);
    const nanos = (millis) => `${BigInt(Math.round(millis)) * 1000000n}`;
    const body = {
      streams: streams.map(({ labels, lines }) => ({
        stream: labels,
        values: lines.map(([millis, text]) => [nanos(millis), text]),
      })),
    };
    const answer = await fetch(`${this.url}/loki/api/v1/push`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${this.token}` },
      body: JSON.stringify(body),
    });
    if (answer.status !== 204) throw new Error(`push: ${answer.status} ${await answer.text()}`);
  }

  async stop() {
    await this.halt();
    if (this.isOwn) rmSync(this.data, { recursive: true, force: true });
  }
}
