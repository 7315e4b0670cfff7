// privacy.ts: what calls of the accountant give, for tests that ask much: compiled, it takes a tenth of the time. node privacy.js CALLS, JSON
import * as privacy from '../../lib/privacy/index.ts';

interface Call {
  readonly bounds?: privacy.BoundsOptions;
  readonly epsilon?: privacy.EpsilonOptions;
  readonly sigmaFor?: privacy.SigmaOptions;
  readonly spent?: { readonly from: privacy.AccountantJSON; readonly delta: number };
  readonly within?: { readonly from: privacy.AccountantJSON; readonly options: privacy.WithinOptions };
}

function answer({ bounds, epsilon, sigmaFor, spent, within }: Call): unknown {
  if (bounds) return privacy.bounds(bounds);
  if (epsilon) return privacy.epsilon(epsilon);
  if (sigmaFor) return privacy.sigmaFor(sigmaFor);
  if (spent) return privacy.fromJSON(spent.from).epsilon({ delta: spent.delta });
  return privacy.fromJSON(within!.from).stepsWithin(within!.options);
}

console.log(JSON.stringify((JSON.parse(process.argv[2]!) as Call[]).map(answer)));
