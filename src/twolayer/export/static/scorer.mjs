/**
 * A trained network for Node.js and browsers that needs no package.
 *
 *     predict(row); // one of classes
 *     predictProba(row); // the probability of each of them, in their order
 *     predictSet(row); // those that cannot be ruled out, where the model has prediction sets
 *     selfTest(); // the largest deviation from what twolayer computes
 *
 * A row is an array of numbers, as they were in the training data; for a model of a table it is an object with a number,
 * a text or a date for each column, null or NaN where missing. A date is a Date, or seconds since 1970 in UTC.
 */

const MODEL = JSON.parse(String.raw`{
  "classes": ["no", "yes"], "class_type": "text", "threshold": 0.5, "sets": null,
  "input": {"shape": [1], "scale": 2.0},
  "activation": "tanh", "expression": "tanh(z)", "output": "sigmoid", "dtype": "float64",
  "W1": [[1.0]], "W2": [[2.0]], "b1": [0.0], "b2": [0.0],
  "tolerance": 1e-6, "test_vectors": [{"row": [0.0], "shares": [0.5, 0.5]}]
}
`);

/** The labels; whole numbers that a number cannot hold arrive as texts and are BigInt. */
export const classes =
  MODEL.class_type === "integer" && typeof MODEL.classes[0] === "string" ? MODEL.classes.map(BigInt) : MODEL.classes;

const THRESHOLD = MODEL.threshold; // of two classes the second is predicted where its probability is greater
const COLUMNS = MODEL.input.columns;
const IS_TABLE = MODEL.input.shape === undefined;
const FAR = 1e9; // clip bounds from the mean: what is farther becomes the bound itself
const NUMBER = /^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$/;
const ArrayOfNumbers = MODEL.dtype === "float32" ? Float32Array : Float64Array;
const [W1, W2] = [MODEL.W1, MODEL.W2].map((rows) => rows.map((row) => ArrayOfNumbers.from(row)));
const [b1, b2] = [MODEL.b1, MODEL.b2].map((values) => ArrayOfNumbers.from(values));
const { exp, floor, log1p, max: fmax, tanh } = Math;

/** Returns the class of a row. */
export function predict(row) {
  return classes[decide(predictProba(row))];
}

/** Returns the probability of each class. */
export function predictProba(row) {
  return toProbabilities(toLogits(encode(row)));
}

/** Returns the classes in the prediction set of a row. */
export function predictSet(row) {
  if (MODEL.sets === null) {
    throw new Error("The model has no prediction sets: export one that 'twolayer calibrate' made.");
  }
  const probabilities = predictProba(row);
  return classes.filter((_, k) => probabilities[k] >= MODEL.sets.least);
}

/** Returns the largest deviation of the probabilities of the test vectors from those that twolayer computed. */
export function selfTest() {
  let worst = 0;
  for (const { row, shares } of MODEL.test_vectors) {
    predictProba(row).forEach((value, k) => {
      worst = Math.max(worst, Math.abs(value - shares[k]));
    });
  }
  return worst;
}

/** Returns the values that enter the network. */
function encode(row) {
  if (COLUMNS !== undefined && IS_TABLE) return encodeColumns(row);
  checkNumbers(row);
  return COLUMNS === undefined ? encodeNumbers(row) : encodeColumns(row);
}

/** Checks that a row is an array of the right length. */
function checkNumbers(row) {
  if (row === null || typeof row !== "object" || typeof row.length !== "number") {
    throw new TypeError("A row must be an array of numbers.");
  }
  const length = COLUMNS === undefined ? W1[0].length : COLUMNS.length;
  if (row.length !== length) {
    throw new RangeError(`A row must have ${length} numbers, this one has ${row.length}.`);
  }
}

/** Returns the numbers of a row, divided by the scale. */
function encodeNumbers(row) {
  const values = Array.from(row, (value) => (typeof value === "number" ? value / MODEL.input.scale : NaN));
  if (!values.every(Number.isFinite)) {
    throw new RangeError("A row must have finite numbers only.");
  }
  return values;
}

/** Returns the values of a row that has a number, a text or a date for each column, by its name or its place. */
function encodeColumns(row) {
  if (row === null || typeof row !== "object") {
    throw new TypeError("A row must be an object with a value for each column.");
  }
  return COLUMNS.flatMap((column, place) => {
    const key = IS_TABLE ? column.name : place;
    if (column.unused) return [];
    if (!Object.hasOwn(row, key)) {
      throw new RangeError(`The row has no column ${JSON.stringify(column.name)}.`);
    }
    const value = withoutMissing(row[key]);
    const values = "levels" in column ? encodeCategory(column, value) : encodeNumber(column, value);
    return column.flagged ? [...values, Number(value === null)] : values;
  });
}

/** Returns a value, a text without white space at its ends, or null where it is missing. */
function withoutMissing(value) {
  if (typeof value === "string") {
    const { spaces, missing } = MODEL.input;
    let [start, end] = [0, value.length];
    while (start < end && spaces.includes(value[start])) start += 1;
    while (start < end && spaces.includes(value[end - 1])) end -= 1;
    const text = value.slice(start, end);
    return missing.includes(text) ? null : text;
  }
  return value === undefined || Number.isNaN(value instanceof Date ? value.getTime() : value) ? null : value;
}

/** Returns a number in standard deviations from the mean, and its curves; of a missing one what stands for it. */
function encodeNumber({ name, part, mean, deviation, fill, clip, curves = [] }, value) {
  if (value === null) return [fill, ...curves.map((curve) => curve.missing)];
  const isDate = part !== undefined && value instanceof Date;
  if (!isDate && typeof value !== "number" && !(typeof value === "string" && NUMBER.test(value))) {
    const kind = part === undefined ? "number" : "date";
    throw new TypeError(`Column ${JSON.stringify(name)} takes a ${kind}, not ${JSON.stringify(String(value))}.`);
  }
  const given = isDate ? value.getTime() / 1000 : Number(value);
  const number = part === undefined ? given : partOfDate(given, part);
  const u = (number - mean) / deviation;
  const standardized = clip === undefined ? u : bend(u, clip);
  if (!Number.isFinite(number) || !Number.isFinite(standardized)) {
    throw new RangeError(`Column ${JSON.stringify(name)} takes a number within range, not ${value}.`);
  }
  return [standardized, ...curves.map(({ x, y }) => interpolate(x, y, number))];
}

/** Returns a number that approaches the bound. */
function bend(number, bound) {
  const u = Math.max(-FAR * bound, Math.min(number, FAR * bound));
  return u / Math.sqrt(1 + (u / bound) ** 2);
}

/** Returns the value of a curve: constant before its first point and after its last one. */
function interpolate(x, y, number) {
  if (number < x[0]) return y[0];
  let [k, end] = [0, x.length];
  while (k + 1 < end) {
    const middle = (k + end) >> 1;
    if (x[middle] <= number) k = middle;
    else end = middle;
  }
  return k + 1 === x.length ? y[k] : y[k] + ((y[k + 1] - y[k]) / (x[k + 1] - x[k])) * (number - x[k]);
}

/** Returns a part of a date in seconds; its year begins in March while it is computed: a leap day is the last one. */
function partOfDate(seconds, part) {
  let days = floor(seconds / 86400);
  if (part === "age") return seconds / 86400;
  if (part === "weekday") return (((days + 3) % 7) + 7) % 7;
  if (part === "hour") return floor((seconds - 86400 * days) / 3600);
  days += 719468; // from the first of March of the year 0
  const century = floor((4 * days + 3) / 146097);
  days -= floor((146097 * century) / 4);
  const year = floor((4 * days + 3) / 1461);
  days -= floor((1461 * year) / 4);
  const month = floor((5 * days + 2) / 153);
  if (part === "day") return days - floor((153 * month + 2) / 5) + 1;
  return part === "month" ? month + 3 - 12 * Number(month > 9) : 100 * century + year + Number(month > 9);
}

/** Returns a 1 at the place of a category, 0 at the others; the last place is for others where `rare` is true. */
function encodeCategory({ name, levels, rare }, value) {
  if (value !== null && !["string", "boolean", "bigint"].includes(typeof value) && !Number.isSafeInteger(value)) {
    throw new TypeError(`Column ${JSON.stringify(name)} takes a text, not ${JSON.stringify(String(value))}.`);
  }
  const text = value === null ? null : String(value);
  const others = rare ? [Number(text !== null && !levels.includes(text))] : [];
  return [...levels.map((level) => Number(level === text)), ...others];
}

/** Returns Z2 = W2 f(W1 x + b1) + b2. */
function toLogits(values) {
  const hidden = W1.map((weights, unit) => activation(dot(weights, values) + b1[unit]));
  return W2.map((weights, output) => dot(weights, hidden) + b2[output]);
}

/** Returns the activation of a hidden unit. */
function activation(z) {
  return tanh(z);
}

/** Returns the probability of each class; no exponential overflows, and no sum of outputs is 0. */
function toProbabilities(logits) {
  if (logits.length === 1) return [1 - sigmoid(logits[0]), sigmoid(logits[0])];
  const largest = Math.max(...logits);
  const outputs =
    MODEL.output === "softmax"
      ? logits.map((z) => exp(z - largest))
      : logits.map((z) => Math.max(sigmoid(z), 2 ** -1022));
  const total = outputs.reduce((sum, output) => sum + output, 0);
  return outputs.map((output) => output / total);
}

/** Returns the place of the class: the first with the largest probability; of two by the threshold. */
function decide(probabilities) {
  if (probabilities.length === 2) return probabilities[1] > THRESHOLD ? 1 : 0;
  return probabilities.reduce((best, value, k) => (value > probabilities[best] ? k : best), 0);
}

/** Returns 1 / (1 + exp(-z)). */
function sigmoid(z) {
  const power = exp(-Math.abs(z));
  return (z < 0 ? power : 1) / (1 + power);
}

/** Returns the sum of the products. */
function dot(a, b) {
  let sum = 0;
  for (let k = 0; k < a.length; k += 1) {
    sum += a[k] * b[k];
  }
  return sum;
}
