import test from 'ava';
import { type Due, deadlineQueue } from '../../../lib/load/deadline-queue';

interface Thing extends Due {
  readonly id: number;
  readonly addedAt: number;
}

function thing(id: number): Thing {
  return { id, addedAt: performance.now(), dueAt: 0, earlier: null, later: null };
}

test('each thing is due once, in its order, not before its time, and not at all where it was removed', async (t) => {
  const waitMs = 50;
  const due: { id: number; waitedMs: number }[] = [];
  const count = 10_000;
  const isRemoved = (id: number): boolean => id % 3 === 0 && id !== count - 1;
  await new Promise<void>((settle) => {
    const queue = deadlineQueue<Thing>(waitMs, ({ id, addedAt }) => {
      due.push({ id, waitedMs: performance.now() - addedAt });
      if (id === count - 1) settle();
    });
    t.teardown(queue.stop);
    let next = 0;
    // Added over several turns of the event loop, so that some are due while others are still to come.
    const add = (): void => {
      const added = Array.from({ length: 500 }, (_, i) => thing(next + i));
      next += added.length;
      for (const each of added) queue.add(each);
      // The ends and the middle of the list, in no order.
      for (const each of added.reverse()) if (isRemoved(each.id)) queue.remove(each);
      if (next < count) setTimeout(add, 5);
    };
    add();
  });
  t.deepEqual(
    due.map(({ id }) => id),
    Array.from({ length: count }, (_, id) => id).filter((id) => !isRemoved(id)),
  );
  t.true(due.every(({ waitedMs }) => waitedMs >= waitMs));
});

test('what is added when a thing falls due waits its own time', async (t) => {
  const fired: number[] = [];
  await new Promise<void>((settle) => {
    const queue = deadlineQueue<Thing>(20, ({ id, addedAt }) => {
      t.true(performance.now() - addedAt >= 20);
      fired.push(id);
      if (id < 3) queue.add(thing(id + 1));
      else settle();
    });
    t.teardown(queue.stop);
    queue.add(thing(0));
  });
  t.deepEqual(fired, [0, 1, 2, 3]);
});

test('a queue that was emptied takes things again', async (t) => {
  await new Promise<void>((settle) => {
    const queue = deadlineQueue<Thing>(20, ({ id }) => (id === 2 ? settle() : t.fail()));
    t.teardown(queue.stop);
    const [first, second] = [thing(0), thing(1)];
    queue.add(first);
    queue.add(second);
    queue.remove(second);
    queue.remove(first);
    setTimeout(() => queue.add(thing(2)), 40);
  });
  t.pass();
});

test('nothing falls due after the stop', async (t) => {
  const queue = deadlineQueue<Thing>(1, () => t.fail());
  queue.add(thing(0));
  queue.stop();
  queue.add(thing(1));
  await new Promise((settle) => setTimeout(settle, 30));
  t.pass();
});
