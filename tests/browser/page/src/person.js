/** Somebody on the page: a video element that plays what is received, and what can be seen and heard of it. */

import { StripReader } from "./pattern.js";

const FFT_SIZE = 8192; // 5.9 Hz a bin at 48 kHz; the tones of the bots are at least 40 Hz apart

let context;

export class Person {
  #stream = new MediaStream();
  #figure = document.createElement("figure");
  #video = document.createElement("video");
  #analyser;
  /** What `watch` noted. */
  watched = [];

  constructor(name, muted = false) {
    const caption = document.createElement("figcaption");
    caption.textContent = name;
    Object.assign(this.#video, { srcObject: this.#stream, autoplay: true, playsInline: true, muted });
    this.#video.onresize = () => {
      caption.textContent = `${name} ${this.#video.videoWidth}×${this.#video.videoHeight}`;
    };
    this.#figure.append(this.#video, caption);
    document.querySelector("#people").append(this.#figure);
  }

  add(track) {
    this.#stream.addTrack(track);
  }

  remove(track) {
    this.#stream.removeTrack(track);
  }

  leave() {
    this.#figure.remove();
    this.#video.srcObject = null;
  }

  /** What the element has played. */
  shown() {
    const { currentTime, videoWidth, videoHeight } = this.#video;
    const { totalVideoFrames, droppedVideoFrames } = this.#video.getVideoPlaybackQuality();
    return { currentTime, videoWidth, videoHeight, totalVideoFrames, droppedVideoFrames };
  }

  /** The picture on the element, drawn to a canvas: its size and its luma (0 to 255, rows from the top) as base64. */
  picture() {
    const { videoWidth: width, videoHeight: height } = this.#video;
    const drawing = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    drawing.drawImage(this.#video, 0, 0);
    const { data } = drawing.getImageData(0, 0, width, height);
    let text = "";
    for (let i = 0; i < data.length; i += 4) {
      text += String.fromCharCode(Math.round(0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2]));
    }
    return { width, height, luma: btoa(text) };
  }

  /** The next picture that is presented, and its RTP timestamp. */
  stamped() {
    return new Promise((resolve) => {
      this.#video.requestVideoFrameCallback((_, { rtpTimestamp }) => resolve({ ...this.picture(), rtpTimestamp }));
    });
  }

  /**
   * Note of each picture from now on when it is presented (milliseconds of the epoch), its RTP timestamp, its size and,
   * if it is to be read, what it says: null where nothing can be read.
   */
  watch({ reading = false } = {}) {
    const strip = reading ? new StripReader() : null;
    const note = (_, { presentationTime, rtpTimestamp, width, height }) => {
      const at = performance.timeOrigin + presentationTime;
      this.watched.push({ at, rtpTimestamp, width, height, said: strip?.read(this.#video, width, height) ?? null });
      this.#video.requestVideoFrameCallback(note);
    };
    this.#video.requestVideoFrameCallback(note);
  }

  /** The loudest frequency of what is heard right now: Hz, and its level in dB of full scale. */
  pitch() {
    this.#analyser ??= this.#listen();
    const levels = new Float32Array(this.#analyser.frequencyBinCount);
    this.#analyser.getFloatFrequencyData(levels);
    const loudest = levels.indexOf(Math.max(...levels));
    return { hz: (loudest * context.sampleRate) / FFT_SIZE, db: levels[loudest] };
  }

  #listen() {
    context ??= new AudioContext({ sampleRate: 48000 });
    const analyser = new AnalyserNode(context, { fftSize: FFT_SIZE, smoothingTimeConstant: 0 });
    context.createMediaStreamSource(this.#stream).connect(analyser);
    return analyser;
  }
}
