/**
 * The strip of `clients/media/pattern.py`: 4 rows of 40 black or white cells on top of a picture that say whose it is,
 * which one and when it was drawn. Drawn and read here as there.
 */

const ROWS = 4;
const COLUMNS = 40;
const MARKS = 4; // columns on either side, alternately black and white
const ROWS_PER_PICTURE = 22.5;
const CHECKED = 12; // bytes before their CRC
const CELL = 4; // pixels a side where a strip is read

/** Paint a strip that says {source, frame, capturedUs} on top of a canvas of this size. */
export function paintStrip(drawing, width, height, said) {
  const bits = toBits(said);
  const [across, down] = [width / COLUMNS, height / ROWS_PER_PICTURE];
  for (let row = 0; row < ROWS; row++) {
    for (let column = 0; column < COLUMNS; column++) {
      drawing.fillStyle = cell(bits, row, column) ? "#fff" : "#000";
      const [left, top] = [Math.round(column * across), Math.round(row * down)];
      drawing.fillRect(left, top, Math.round((column + 1) * across) - left, Math.round((row + 1) * down) - top);
    }
  }
}

/** Reads the strips of pictures that are drawn by `drawImage`. */
export class StripReader {
  #drawing = new OffscreenCanvas(COLUMNS * CELL, ROWS * CELL).getContext("2d", { willReadFrequently: true });

  /** What a picture of this size says, {source, frame, capturedUs}; null where nothing can be read. */
  read(picture, width, height) {
    const [readWidth, readHeight] = [COLUMNS * CELL, ROWS * CELL];
    this.#drawing.drawImage(picture, 0, 0, width, (height * ROWS) / ROWS_PER_PICTURE, 0, 0, readWidth, readHeight);
    const { data } = this.#drawing.getImageData(0, 0, readWidth, readHeight);
    const bright = (row, column) => {
      const at = 4 * ((row * CELL + CELL / 2) * readWidth + column * CELL + CELL / 2);
      const before = at - 4 * (readWidth + 1);
      return data[at + 1] + data[at - 3] + data[before + 1] + data[before + 5] > 4 * 128;
    };
    const bits = [];
    for (let row = 0; row < ROWS; row++) {
      for (let column = 0; column < COLUMNS; column++) {
        if (!isMark(column)) {
          bits.push(bright(row, column));
        } else if (bright(row, column) !== mark(row, column)) {
          return null;
        }
      }
    }
    return fromBits(bits);
  }
}

function isMark(column) {
  return column < MARKS || column >= COLUMNS - MARKS;
}

function mark(row, column) {
  return (row + column) % 2 === 0;
}

function cell(bits, row, column) {
  return isMark(column) ? mark(row, column) : bits[row * (COLUMNS - 2 * MARKS) + column - MARKS];
}

function toBits({ source, frame, capturedUs }) {
  const view = new DataView(new ArrayBuffer(CHECKED + 4));
  view.setUint16(0, source);
  view.setUint32(2, frame);
  view.setUint16(6, Math.floor(capturedUs / 2 ** 32) % 2 ** 16);
  view.setUint32(8, capturedUs % 2 ** 32);
  view.setUint32(CHECKED, crc32(view));
  return Array.from({ length: 8 * view.byteLength }, (_, at) => ((view.getUint8(at >> 3) >> (7 - (at & 7))) & 1) === 1);
}

function fromBits(bits) {
  const view = new DataView(new ArrayBuffer(CHECKED + 4));
  bits.forEach((bit, at) => view.setUint8(at >> 3, view.getUint8(at >> 3) | (bit << (7 - (at & 7)))));
  if (view.getUint32(CHECKED) !== crc32(view)) {
    return null;
  }
  const capturedUs = view.getUint16(6) * 2 ** 32 + view.getUint32(8);
  return { source: view.getUint16(0), frame: view.getUint32(2), capturedUs };
}

/** ISO 3309's, of what a strip checks. */
function crc32(view) {
  let crc = 0xffffffff;
  for (let at = 0; at < CHECKED; at++) {
    crc ^= view.getUint8(at);
    for (let bit = 0; bit < 8; bit++) {
      crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    }
  }
  return (crc ^ 0xffffffff) >>> 0;
}
