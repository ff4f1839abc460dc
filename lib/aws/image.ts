import { Aws, CfnMapping, CfnRule, Fn, type Stack } from 'aws-cdk-lib';
import { UserError } from '../model/user-error';
import { IMAGES, latestImageParameter } from './images';
import { type Architecture, architectureOf } from './instance-types';
import type { ImageChoice } from './settings';

/** The image of a host as a template value, and the text that a host's identity depends on. */
export interface Image {
  /** @param stack the template that it stands in */
  readonly value: (instanceType: string, stack: Stack) => string;
  readonly identity: string;
}

const REMEDY =
  'give one of its Amazon Linux 2023 images: -c image=ami-… (docs/aws.md shows how to find it), or -c image=latest';

/**
 * How hosts get their image in `stack`. The table becomes a mapping; a Region that it lacks is refused by a rule before
 * anything is made, and at once where the Region is known at synthesis.
 *
 * @param region what the command line is set to, if anything
 */
export function imageFor(stack: Stack, choice: ImageChoice, region: string | undefined): Image {
  switch (choice.kind) {
    case 'id':
      return { value: () => choice.id, identity: choice.id };
    case 'latest':
      return {
        value: (type) => `{{resolve:ssm:${latestImageParameter(architectureOf(type))}}}`,
        identity: 'latest',
      };
    case 'table':
      return { value: mapped(stack, region), identity: IMAGES.date };
  }
}

function mapped(root: Stack, region: string | undefined): Image['value'] {
  if (region !== undefined && !Object.hasOwn(IMAGES.byRegion, region)) {
    throw new UserError({
      where: region,
      problem: `the image table of ${IMAGES.date} lacks this Region`,
      remedy: REMEDY,
    });
  }
  new CfnRule(root, 'RegionHasImage', {
    assertions: [
      {
        assert: Fn.conditionContains(Object.keys(IMAGES.byRegion), Aws.REGION),
        assertDescription: `The image table of ${IMAGES.date} lacks this Region: ${REMEDY}`,
      },
    ],
  });
  // A mapping is known in its own template alone, so each nested stack gets one.
  const tables = new Map<Stack, CfnMapping>();
  return (type, stack) => {
    const table = tables.get(stack) ?? imageTable(stack);
    tables.set(stack, table);
    return table.findInMap(Aws.REGION, KEYS[architectureOf(type)]);
  };
}

const KEYS: Readonly<Record<Architecture, string>> = { arm64: 'arm64', x86_64: 'x8664' };

function imageTable(stack: Stack): CfnMapping {
  const mapping = Object.fromEntries(
    Object.entries(IMAGES.byRegion).map(([region, { arm64, x86_64 }]) => [
      region,
      { [KEYS.arm64]: arm64, [KEYS.x86_64]: x86_64 },
    ]),
  );
  return new CfnMapping(stack, 'Images', { mapping });
}
