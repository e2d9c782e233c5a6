/** A camera that shows noise: no picture foretells the next one, so that an encoder takes all the bits it is given. */

const PICTURES = 12; // drawn once, shown in turn
const BLOCK = 8; // pixels; finer noise outgrows the coarsest quantizer: the encoder would shrink its pictures and leave some out

/** A video track of `frameRate` pictures a second. */
export function noiseTrack({ width, height, frameRate }) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const drawing = canvas.getContext("2d");
  drawing.imageSmoothingEnabled = false;
  const pictures = Array.from({ length: PICTURES }, () => noise(width / BLOCK, height / BLOCK));
  let shown = 0;
  setInterval(() => {
    drawing.drawImage(pictures[shown++ % PICTURES], 0, 0, width, height);
  }, 1000 / frameRate);
  return canvas.captureStream(frameRate).getVideoTracks()[0];
}

function noise(width, height) {
  const picture = new OffscreenCanvas(width, height);
  const drawing = picture.getContext("2d");
  const pixels = drawing.createImageData(width, height);
  for (let i = 0; i < pixels.data.length; i += 4) {
    pixels.data[i] = pixels.data[i + 1] = pixels.data[i + 2] = 96 + 64 * Math.random();
    pixels.data[i + 3] = 255;
  }
  drawing.putImageData(pixels, 0, 0);
  return picture;
}
