// The watched ranges, for one question: which of them contain this key? A treap (Seidel and Aragon, 1996) ordered by
// (begin, end), every node also knowing the greatest end below it, so that a query skips each subtree that ends before
// the key: O(log n) for the path plus O(log n) per range found. Priorities come from the caller's random source, so the
// order in which clients create their watches cannot unbalance it. Watchers of equal ranges share a node.

import { compareBytes, type Random } from "#base";
import { WatcherGroup } from "./watcher-group.js";

class Node {
  readonly begin: Uint8Array;
  /** Exclusive; undefined is beyond every key. */
  readonly end: Uint8Array | undefined;
  readonly priority: number;
  readonly group: WatcherGroup;
  maxEnd: Uint8Array | undefined;
  left: Node | undefined = undefined;
  right: Node | undefined = undefined;

  constructor(begin: Uint8Array, end: Uint8Array | undefined, priority: number, group: WatcherGroup) {
    this.begin = begin;
    this.end = end;
    this.priority = priority;
    this.group = group;
    this.maxEnd = end;
  }
}

export class IntervalTree {
  private root: Node | undefined = undefined;
  private readonly random: Random;
  /** Distinct ranges. */
  size = 0;

  constructor(random: Random) {
    this.random = random;
  }

  /** The group of the range [begin, end), created empty when there is none yet. */
  ensure(begin: Uint8Array, end: Uint8Array | undefined): WatcherGroup {
    for (let node = this.root; node !== undefined; ) {
      const order = compareRanges(begin, end, node);
      if (order === 0) return node.group;
      node = order < 0 ? node.left : node.right;
    }
    const group = new WatcherGroup(begin, end, 0);
    this.root = insert(this.root, new Node(begin, end, this.random.uint32(), group));
    this.size++;
    return group;
  }

  /** Forgets a range; its group must be empty. */
  remove(begin: Uint8Array, end: Uint8Array | undefined): void {
    this.root = remove(this.root, begin, end);
    this.size--;
  }

  /** Appends the groups of all ranges that contain `key`, in key order. */
  collect(key: Uint8Array, into: WatcherGroup[]): void {
    if (this.root !== undefined) collect(this.root, key, into);
  }
}

function collect(node: Node, key: Uint8Array, into: WatcherGroup[]): void {
  if (!beyond(node.maxEnd, key)) return;
  if (node.left !== undefined) collect(node.left, key, into);
  if (compareBytes(node.begin, key) > 0) return;
  if (beyond(node.end, key)) into.push(node.group);
  if (node.right !== undefined) collect(node.right, key, into);
}

/** Whether the exclusive end lies after `key`. */
function beyond(end: Uint8Array | undefined, key: Uint8Array): boolean {
  return end === undefined || compareBytes(key, end) < 0;
}

function compareEnds(a: Uint8Array | undefined, b: Uint8Array | undefined): number {
  if (a === undefined) return b === undefined ? 0 : 1;
  return b === undefined ? -1 : compareBytes(a, b);
}

function compareRanges(begin: Uint8Array, end: Uint8Array | undefined, node: Node): number {
  const order = compareBytes(begin, node.begin);
  return order !== 0 ? order : compareEnds(end, node.end);
}

function refresh(node: Node): void {
  let max = node.end;
  if (node.left !== undefined && compareEnds(node.left.maxEnd, max) > 0) max = node.left.maxEnd;
  if (node.right !== undefined && compareEnds(node.right.maxEnd, max) > 0) max = node.right.maxEnd;
  node.maxEnd = max;
}

function rotateRight(node: Node): Node {
  const top = node.left!;
  node.left = top.right;
  top.right = node;
  refresh(node);
  refresh(top);
  return top;
}

function rotateLeft(node: Node): Node {
  const top = node.right!;
  node.right = top.left;
  top.left = node;
  refresh(node);
  refresh(top);
  return top;
}

function insert(node: Node | undefined, fresh: Node): Node {
  if (node === undefined) return fresh;
  if (compareRanges(fresh.begin, fresh.end, node) < 0) {
    node.left = insert(node.left, fresh);
    if (node.left.priority > node.priority) return rotateRight(node);
  } else {
    node.right = insert(node.right, fresh);
    if (node.right.priority > node.priority) return rotateLeft(node);
  }
  refresh(node);
  return node;
}

function remove(node: Node | undefined, begin: Uint8Array, end: Uint8Array | undefined): Node | undefined {
  if (node === undefined) return undefined;
  const order = compareRanges(begin, end, node);
  if (order === 0) return merge(node.left, node.right);
  if (order < 0) node.left = remove(node.left, begin, end);
  else node.right = remove(node.right, begin, end);
  refresh(node);
  return node;
}

/** Joins two treaps, every range of `left` sorting before every range of `right`. */
function merge(left: Node | undefined, right: Node | undefined): Node | undefined {
  if (left === undefined) return right;
  if (right === undefined) return left;
  if (left.priority > right.priority) {
    left.right = merge(left.right, right);
    refresh(left);
    return left;
  }
  right.left = merge(left, right.left);
  refresh(right);
  return right;
}
