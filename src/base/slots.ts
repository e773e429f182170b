// Arrays that are used as tables.

/** An array of `count` times `value`. Pushed one by one: `new Array(n)` makes an array with holes, which is slower to read. */
export function slotsOf<T>(count: number, value: T): T[] {
  const slots: T[] = [];
  for (let i = 0; i < count; i++) slots.push(value);
  return slots;
}
