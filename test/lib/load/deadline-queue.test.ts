import test from 'ava';
import { deadlineQueue } from '../../../lib/load/deadline-queue';

interface Thing {
  readonly id: number;
  readonly addedAt: number;
  isOver: boolean;
}

test('each thing is due once, in its order, not before its time, and not at all where it is over', async (t) => {
  const waitMs = 50;
  const due: { id: number; waitedMs: number }[] = [];
  const count = 10_000;
  await new Promise<void>((settle) => {
    const queue = deadlineQueue<Thing>(
      waitMs,
      ({ isOver }) => isOver,
      ({ id, addedAt }) => {
        due.push({ id, waitedMs: performance.now() - addedAt });
        if (id === count - 1) settle();
      },
    );
    t.teardown(queue.stop);
    let next = 0;
    // Added over several turns of the event loop, so that some are due while others are still to come.
    const add = (): void => {
      for (let i = 0; i < 500; i++) {
        const thing: Thing = { id: next++, addedAt: performance.now(), isOver: false };
        queue.add(thing);
        if (thing.id % 3 === 0 && thing.id !== count - 1) thing.isOver = true;
      }
      if (next < count) setTimeout(add, 5);
    };
    add();
  });
  t.deepEqual(
    due.map(({ id }) => id),
    Array.from({ length: count }, (_, id) => id).filter((id) => id % 3 !== 0 || id === count - 1),
  );
  t.true(due.every(({ waitedMs }) => waitedMs >= waitMs));
});

test('what is added when a thing falls due waits its own time', async (t) => {
  const fired: number[] = [];
  await new Promise<void>((settle) => {
    const queue = deadlineQueue<number>(
      20,
      () => false,
      (id) => {
        fired.push(id);
        if (id < 3) queue.add(id + 1);
        else settle();
      },
    );
    t.teardown(queue.stop);
    queue.add(0);
  });
  t.deepEqual(fired, [0, 1, 2, 3]);
});

test('nothing falls due after the stop', async (t) => {
  const queue = deadlineQueue<number>(
    1,
    () => false,
    () => t.fail(),
  );
  queue.add(0);
  queue.stop();
  queue.add(1);
  await new Promise((settle) => setTimeout(settle, 30));
  t.pass();
});
