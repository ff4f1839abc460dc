import { CfnOutput, CfnParameter, NestedStack, type Stack } from 'aws-cdk-lib';

/** A value that one stack makes and others use: what to write in the stack given. */
export type SharedValue = (user: Stack) => string;

/**
 * Shares a value among nested stacks by an output and a parameter of a short name. CDK would do so by itself, under names
 * of over a hundred characters, with which a thousand services exceed the size that a template may have.
 *
 * @param name unique among all shared values; letters and digits
 */
export function shareValue(owner: Stack, name: string, value: string): SharedValue {
  if (!NestedStack.isNestedStack(owner)) return () => value;
  const parameters = new Map<Stack, string>();
  let output: string | undefined;
  return (user) => {
    if (user === owner) return value;
    const known = parameters.get(user);
    if (known !== undefined) return known;
    if (output === undefined) {
      new CfnOutput(owner, name, { value });
      output = owner.nestedStackResource?.getAtt(`Outputs.${name}`).toString() ?? '';
    }
    if (!NestedStack.isNestedStack(user)) return output;
    const parameter = new CfnParameter(user, name, { type: 'String' });
    user.setParameter(name, output);
    parameters.set(user, parameter.valueAsString);
    return parameter.valueAsString;
  };
}

/**
 * A service's or instance's name as part of a logical id, which takes letters and digits alone. Names have no upper case, so
 * no two of them come out the same.
 */
export function idOf(name: string): string {
  return name.replaceAll('-', 'X');
}
