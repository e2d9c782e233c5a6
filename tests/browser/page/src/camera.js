/** A camera whose pictures say who drew them, which ones they are and when, to readers (the strip) and to people. */

import { paintStrip } from "./pattern.js";

const SQUARE = 1 / 5; // of the picture's height

/** Draws `frameRate` pictures a second, in the name of `source` (16 bits). */
export class Camera {
  #drawn = 0;
  #drawing;
  #scenery;
  #timer;

  constructor({ width, height, frameRate, source }) {
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    this.#drawing = canvas.getContext("2d", { alpha: false });
    Object.assign(this.#drawing, { font: `bold ${Math.round(height / 8)}px sans-serif`, textAlign: "center" });
    this.#scenery = scenery(width, height, source);
    this.track = canvas.captureStream(frameRate).getVideoTracks()[0];
    this.#timer = setInterval(() => this.#draw(source), 1000 / frameRate);
  }

  stop() {
    clearInterval(this.#timer);
    this.track.stop();
  }

  #draw(source) {
    const { width, height } = this.#scenery;
    const frame = this.#drawn++;
    const side = height * SQUARE;
    const drawing = this.#drawing;
    drawing.drawImage(this.#scenery, 0, 0);
    drawing.fillStyle = "#fff";
    drawing.fillRect(toAndFro(frame, 80, width - side), side + toAndFro(frame, 47, height - 3 * side), side, side);
    drawing.fillText(`${source}: ${frame}`, width / 2, height * 0.95);
    const capturedUs = Math.round(1000 * (performance.timeOrigin + performance.now()));
    paintStrip(drawing, width, height, { source, frame, capturedUs });
  }
}

/** A shaded background in the source's hue, with bars of 1 to 8 pixels: the finest that can be told apart say which layer is seen. */
function scenery(width, height, source) {
  const canvas = new OffscreenCanvas(width, height);
  const drawing = canvas.getContext("2d", { alpha: false });
  const shades = drawing.createLinearGradient(0, 0, width, height);
  const hue = (source * 137.5) % 360;
  shades.addColorStop(0, `hsl(${hue} 50% 35%)`);
  shades.addColorStop(1, `hsl(${(hue + 60) % 360} 50% 55%)`);
  drawing.fillStyle = shades;
  drawing.fillRect(0, 0, width, height);
  drawing.fillStyle = "#000";
  for (const [row, bar] of [1, 2, 4, 8].entries()) {
    for (let at = 0; at < 16; at++) {
      drawing.fillRect(width / 32 + 2 * bar * at, height * (0.3 + 0.1 * row), bar, height * 0.08);
    }
  }
  return canvas;
}

/** A triangle wave from 0 to `length`. */
function toAndFro(step, steps, length) {
  const place = step % (2 * steps);
  return (Math.min(place, 2 * steps - place) * length) / steps;
}
