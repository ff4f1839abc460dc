/**
 * A proof is a check too heavy, or of too many needs, for the test suite: it wants Python, root or an emulator. One that
 * can't run here throws `CannotRun` and is counted apart, with its reason; it never passes.
 */
export interface Proof {
  /** A sentence about behaviour. */
  readonly title: string;
  run(scene: Scene): Promise<void>;
}

export interface Scene {
  /** Undoes something after the proof, last things first, however it ends. */
  readonly cleanup: (undo: () => void | Promise<void>) => void;
  /** Says what was seen, for whoever reads the output. */
  readonly note: (text: string) => void;
}

export class CannotRun extends Error {
  override readonly name = 'CannotRun';
}

/** Proofs that share something expensive, made by the first and undone after the last. */
export interface ProofGroup {
  readonly title: string;
  readonly proofs: readonly Proof[];
  readonly close?: () => void | Promise<void>;
}
