// index.ts: the models that come with the library: short files to copy from. Adding a model: a line here.
export { CharRNN, type CharRNNOptions, charRnnLoss } from './char-rnn.ts';
export { GPT, type GPTOptions, gptLoss } from './gpt.ts';
export type { HuggingFaceOptions } from './gpt2-config.ts';
export { LeNet, type LeNetOptions } from './lenet.ts';
export { MLP } from './mlp.ts';
export { NCF, type NCFOptions, ncfLoss } from './ncf.ts';
export { ResNet20 } from './resnet20.ts';
