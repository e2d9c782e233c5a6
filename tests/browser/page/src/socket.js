/** The participant socket: answers find their request by `requestId`, signals go to `onSignal`. */
export class ParticipantSocket {
  #socket;
  #onSignal;
  #pending = new Map();
  #next = 1;

  /**
   * @param {string} url
   * @param {(signal: object) => void} onSignal told of all that answers nothing
   */
  constructor(url, onSignal) {
    this.#onSignal = onSignal;
    this.#socket = new WebSocket(url);
    this.#socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    this.closed = new Promise((resolve) => {
      this.#socket.onclose = ({ code, reason }) => {
        this.#pending.forEach(({ reject }) => reject(new Error(`the socket closed with ${code} ${reason}`)));
        this.#pending.clear();
        resolve(code);
      };
    });
  }

  /** Send a request and give its answer; rejects with what an `Error` says. */
  request(action, fields = {}) {
    return new Promise((resolve, reject) => {
      const requestId = this.#next++;
      this.#pending.set(requestId, { action, resolve, reject });
      this.#socket.send(JSON.stringify({ action, requestId, ...fields }));
    });
  }

  close() {
    this.#socket.close(1000);
    return this.closed;
  }

  #receive(message) {
    const pending = this.#pending.get(message.requestId);
    if (pending === undefined) {
      this.#onSignal(message);
      return;
    }
    this.#pending.delete(message.requestId);
    if (message.action === "Error") {
      pending.reject(new Error(`${pending.action}: ${message.type} ${message.detail}`));
    } else {
      pending.resolve(message);
    }
  }
}
