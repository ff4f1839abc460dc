import { App, Stack } from 'aws-cdk-lib';

/** What `bench/synth.ts` compares with: the same libraries, flags and rules, and nothing to do. */
const app = new App();
new Stack(app, 'Empty');
app.synth();
