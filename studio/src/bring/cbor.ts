/** CBOR (RFC 8949), as far as the statements of results use it. Pure. */

const MAX_DEPTH = 16;

/**
 * Return the value at the start of the bytes: objects, arrays, strings, numbers, booleans and null.
 *
 * @throws Error They are no such value.
 */
export function decodeCbor(bytes: Uint8Array): unknown {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;

  const take = (count: number) => {
    at += count;
    return at - count;
  };
  const length = (short: number): number => {
    switch (short) {
      case 24:
        return view.getUint8(take(1));
      case 25:
        return view.getUint16(take(2));
      case 26:
        return view.getUint32(take(4));
      case 27:
        return Number(view.getBigUint64(take(8)));
      default:
        return short < 24 ? short : wrong();
    }
  };
  const simple = (short: number): unknown => {
    switch (short) {
      case 20:
      case 21:
        return short === 21;
      case 22:
        return null;
      case 26:
        return view.getFloat32(take(4));
      case 27:
        return view.getFloat64(take(8));
      default:
        return wrong();
    }
  };
  const text = (size: number) => {
    const start = take(size);
    return at <= bytes.length ? new TextDecoder().decode(bytes.subarray(start, at)) : wrong();
  };
  const list = (count: number, depth: number) => {
    const items: unknown[] = [];
    while (items.length < count) {
      items.push(value(depth));
    }
    return items;
  };
  const value = (depth: number): unknown => {
    const head = view.getUint8(take(1));
    const [kind, short] = [head >> 5, head & 31];
    if (depth > MAX_DEPTH) {
      return wrong();
    }
    switch (kind) {
      case 0:
        return length(short);
      case 1:
        return -1 - length(short);
      case 3:
        return text(length(short));
      case 4:
        return list(length(short), depth + 1);
      case 5: {
        const items = list(2 * length(short), depth + 1);
        return Object.fromEntries(items.flatMap((key, index) => (index % 2 ? [] : [[String(key), items[index + 1]]])));
      }
      case 7:
        return simple(short);
      default:
        return wrong();
    }
  };
  return value(0);
}

function wrong(): never {
  throw new Error("not a value of CBOR that is read here");
}
