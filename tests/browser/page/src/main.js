/** A participant in a browser: mediasoup-client on labsfu's participant socket. Tests drive it through `window.lab`. */
import { Device } from "mediasoup-client";

import { Camera } from "./camera.js";
import { noiseTrack } from "./noise.js";
import { Person } from "./person.js";
import { ParticipantSocket } from "./socket.js";

const CAMERA = { width: 640, height: 360, frameRate: 20 };
const LOOK_INTERVAL = 100; // milliseconds between two looks at a condition

class Lab {
  /** What went wrong in the background, in words. */
  failures = [];
  /** Ids of the participants, without us. */
  participants = new Set();
  /** The consumers that ended: {id, participantId, kind, trackState}. */
  ended = [];
  /** What we were told of layers and scores: {at, action, …}, `at` in milliseconds of the epoch. */
  told = [];
  #camera;
  #device = new Device({ handlerName: "Chrome111" });
  #socket;
  #sending;
  #receiving;
  #producers = new Map();
  #consumers = new Map();
  #persons = new Map();
  #gone = new Set();
  #initialized;
  #ready = new Promise((resolve) => (this.#initialized = resolve));

  /**
   * Join by the socket at `url`; gives {roomId, participantId}.
   *
   * `reachAt`, {address, port}: where the server's media is, in place of what its candidates say. `without`: URIs of
   * header extensions that we say we do not know when we receive.
   */
  async join(url, { reachAt = null, without = [] } = {}) {
    const init = await new Promise((resolve, reject) => {
      this.#socket = new ParticipantSocket(url, (signal) =>
        signal.action === "Init" ? resolve(signal) : this.#handle(signal),
      );
      this.#socket.closed.then((code) => reject(new Error(`refused with ${code}`)));
    });
    const { roomId, participantId } = init;
    document.querySelector("#who").textContent = document.title = `${participantId} in ${roomId}`;
    init.participants.forEach(({ id }) => this.participants.add(id));
    await this.#device.load({ routerRtpCapabilities: init.routerRtpCapabilities });
    this.#sending = this.#device.createSendTransport(reach(init.producerTransportOptions, reachAt));
    this.#receiving = this.#device.createRecvTransport(reach(init.consumerTransportOptions, reachAt));
    this.#wire(this.#sending, "ConnectProducerTransport");
    this.#wire(this.#receiving, "ConnectConsumerTransport");
    const { codecs, headerExtensions } = this.#device.rtpCapabilities;
    const known = headerExtensions.filter(({ uri }) => !without.includes(uri));
    await this.#socket.request("Init", { rtpCapabilities: { codecs, headerExtensions: known } });
    this.#initialized();
    return { roomId, participantId };
  }

  /** Send the camera and the microphone; gives the producers' ids by kind. */
  async publish() {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: CAMERA });
    const me = new Person("me", true);
    for (const track of [...stream.getAudioTracks(), ...stream.getVideoTracks()]) {
      me.add(track);
      this.#producers.set(track.kind, await this.#sending.produce({ track }));
    }
    return Object.fromEntries([...this.#producers].map(([kind, producer]) => [kind, producer.id]));
  }

  /** Send noise: {width, height, frameRate} of it, at most `maxBitrate` bit/s in one encoding; gives the producer's id. */
  async publishNoise({ maxBitrate, ...noise }) {
    const producer = await this.#sending.produce({ track: noiseTrack(noise), encodings: [{ maxBitrate }] });
    this.#producers.set("video", producer);
    return producer.id;
  }

  /**
   * Send a camera's pictures, {width, height, frameRate, source}, in several `encodings`, the smallest first; gives the
   * producer's id. What comes of a stream before is stopped.
   */
  async publishSimulcast({ encodings, ...pictures }) {
    this.#camera?.stop();
    this.#camera = new Camera(pictures);
    const bitrate = encodings.reduce((sum, { maxBitrate }) => sum + maxBitrate, 0);
    const codecOptions = { videoGoogleStartBitrate: bitrate / 1000 }; // all layers at once, from the first picture on
    const producer = await this.#sending.produce({ track: this.#camera.track, encodings, codecOptions });
    this.#producers.set("video", producer);
    return producer.id;
  }

  /** Ask for layers, {spatialLayer, temporalLayer?}, of somebody's pictures; gives the answer, and when we asked. */
  async setPreferredLayers(participantId, layers) {
    const { consumer } = this.#consumer(participantId, "video");
    const at = now();
    return { at, answer: await this.#socket.request("SetPreferredLayers", { id: consumer.id, layers }) };
  }

  /** Leave and close all. */
  async leave() {
    this.#camera?.stop();
    await this.#socket.close();
    this.#sending.close();
    this.#receiving.close();
  }

  /** The states of the two transports, as the browser tells them. */
  states() {
    return { sending: this.#sending.connectionState, receiving: this.#receiving.connectionState };
  }

  /** Our outbound-rtp stats of a kind, or those of another type that belong to it; null while there are none. */
  async sent(kind, type = "outbound-rtp") {
    return pick(await this.#producers.get(kind).getStats(), type);
  }

  /** The same of each encoding of our pictures, by rid. */
  async sentLayers() {
    const report = await this.#producers.get("video").getStats();
    const layers = [...report.values()].filter(({ type, rid }) => type === "outbound-rtp" && rid !== undefined);
    return Object.fromEntries(layers.map((layer) => [layer.rid, layer]));
  }

  /** The inbound-rtp stats of a stream that we receive; null while there is none. */
  async received(participantId, kind) {
    const found = this.#consumer(participantId, kind);
    return found === undefined ? null : pick(await found.consumer.getStats(), "inbound-rtp");
  }

  /** What we were told of a stream that we receive, and the header extensions that the browser takes on it. */
  receivedParameters(participantId, kind) {
    const { consumer } = this.#consumer(participantId, kind);
    const { headerExtensions } = consumer.rtpReceiver.getParameters();
    return { told: consumer.rtpParameters, taken: headerExtensions.map(({ uri, id }) => ({ uri, id })) };
  }

  /** Whether the browser can send a codec, e.g. video/VP8. */
  encodes(mimeType) {
    return RTCRtpSender.getCapabilities(mimeType.split("/")[0]).codecs.some((codec) => codec.mimeType === mimeType);
  }

  /** What we said of a stream that we send. */
  sentParameters(kind) {
    return this.#producers.get(kind).rtpParameters;
  }

  /** Wait until a condition holds, which may be asynchronous. */
  async until(condition) {
    while (!(await condition())) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_INTERVAL));
    }
  }

  /** How many consumers live. */
  consuming() {
    return this.#consumers.size;
  }

  /** Somebody whom we receive. */
  person(participantId) {
    return this.#persons.get(participantId);
  }

  #consumer(participantId, kind) {
    return [...this.#consumers.values()].find(
      (entry) => entry.participantId === participantId && entry.consumer.kind === kind,
    );
  }

  #wire(transport, action) {
    transport.on("connect", ({ dtlsParameters }, done, failed) => {
      this.#socket.request(action, { dtlsParameters }).then(done, failed);
    });
    transport.on("produce", ({ kind, rtpParameters }, done, failed) => {
      this.#socket.request("Produce", { kind, rtpParameters }).then(done, failed);
    });
  }

  #handle(signal) {
    switch (signal.action) {
      case "ParticipantJoined":
        this.participants.add(signal.participant.id);
        break;
      case "ParticipantLeft":
        this.participants.delete(signal.participantId);
        this.#persons.get(signal.participantId)?.leave();
        this.#persons.delete(signal.participantId);
        break;
      case "ProducerAdded":
        this.#consume(signal).catch((error) => this.failures.push(String(error)));
        break;
      case "ProducerRemoved":
        this.#gone.add(signal.producerId);
        this.#end(({ consumer }) => consumer.producerId === signal.producerId);
        break;
      case "ConsumerClosed":
        this.#end(({ consumer }) => consumer.id === signal.id);
        break;
      case "ConsumerLayersChanged":
      case "ConsumerScore":
      case "ProducerScore":
        this.told.push({ at: now(), ...signal });
        break;
      case "Error":
        this.failures.push(`${signal.requestAction}: ${signal.type} ${signal.detail}`);
        break;
    }
  }

  async #consume({ producerId, participantId }) {
    await this.#ready; // the first producers are told of before the server knows what we can receive
    const { id, kind, rtpParameters } = await this.#socket.request("Consume", { producerId });
    const consumer = await this.#receiving.consume({ id, producerId, kind, rtpParameters });
    this.#consumers.set(id, { consumer, participantId });
    if (!this.#persons.has(participantId)) {
      this.#persons.set(participantId, new Person(participantId));
    }
    this.#persons.get(participantId).add(consumer.track);
    if (this.#gone.has(producerId)) {
      this.#end(({ consumer: other }) => other === consumer);
    } else {
      await this.#socket.request("ConsumerResume", { id });
    }
  }

  #end(belongs) {
    for (const [id, entry] of this.#consumers) {
      if (belongs(entry)) {
        const { consumer, participantId } = entry;
        this.#consumers.delete(id);
        this.#persons.get(participantId)?.remove(consumer.track);
        consumer.close();
        this.ended.push({ id, participantId, kind: consumer.kind, trackState: consumer.track.readyState });
      }
    }
  }
}

/** Milliseconds of the epoch, to the microsecond or so. */
function now() {
  return performance.timeOrigin + performance.now();
}

function reach(options, at) {
  if (at === null) {
    return options;
  }
  const moved = { ...options.iceCandidates[0], address: at.address, ip: at.address, port: at.port };
  return { ...options, iceCandidates: [moved] };
}

function pick(report, type) {
  return [...report.values()].find((entry) => entry.type === type) ?? null;
}

window.lab = new Lab();
