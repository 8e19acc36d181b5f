// The model of this folder as a function of arrays.
//
//   import { load } from "./model.mjs";
//   const { run, about } = await load();
//   const { y0 } = await run(pixels);        // one array of numbers for each input, row by row

import * as ort from "./ort/ort.wasm.min.mjs";

const ARRAYS = {
  float32: Float32Array, float64: Float64Array, int64: BigInt64Array, int32: Int32Array, int16: Int16Array,
  int8: Int8Array, uint8: Uint8Array, bool: Uint8Array,
};

// Threads share memory, which browsers allow only to pages whose server isolates them (COOP and COEP headers).
if (!globalThis.crossOriginIsolated) ort.env.wasm.numThreads = 1;

const size = shape => shape.reduce((a, b) => a * b, 1);

// One input as the runtime takes it. An Error if it is not as many numbers as the model was exported for.
function tensor({ name, shape, dtype }, values) {
  if (values?.length !== size(shape)) {
    throw new Error(`${name} must have ${size(shape)} numbers (${dtype}[${shape.join(", ")}]), but got ${values?.length}`);
  }
  const Kind = ARRAYS[dtype];
  const numbers = values instanceof Kind ? values
    : Kind === BigInt64Array ? Kind.from(values, BigInt) : Kind.from(values);
  return new ort.Tensor(dtype, numbers, shape);
}

// `about` is model.json; `run` takes an array for each input and gives typed arrays by the outputs' names.
export async function load(folder = new URL(".", import.meta.url)) {
  const get = async file => {
    const response = await fetch(new URL(file, folder));
    if (!response.ok) throw new Error(`${file}: the server answered ${response.status}`);
    return response;
  };
  const about = await (await get("model.json")).json();
  const session = await ort.InferenceSession.create(await (await get("model.onnx")).arrayBuffer());
  let last = Promise.resolve();
  // The runtime does one call at a time.
  async function run(...inputs) {
    if (inputs.length !== about.inputs.length) {
      throw new Error(`${about.name} takes ${about.inputs.length} arrays, but got ${inputs.length}`);
    }
    const feeds = Object.fromEntries(about.inputs.map((input, i) => [input.name, tensor(input, inputs[i])]));
    const mine = last.then(() => session.run(feeds));
    last = mine.catch(() => {});
    const made = await mine;
    return Object.fromEntries(about.outputs.map(({ name }) => [name, made[name].data]));
  }
  return { about, run };
}
