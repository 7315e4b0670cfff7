// convergence-policies.mjs: `npm run -s convergence:policies` prints the table of convergence in docs/CLIPPING.md: every clip policy on a
// recurrent network whose gradients explode. A minute or two.
import { policyTable } from '../dist/bench/convergence-policies.js';

console.log(await policyTable());
