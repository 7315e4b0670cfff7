// index.ts: the models that come with the library: short files to copy from. Adding a model: a line here.
export { CharRnn, type CharRnnOptions, charRnnLoss } from './char-rnn.ts';
export { Gpt, type GptOptions, gptLoss } from './gpt.ts';
export { Lenet, type LenetOptions } from './lenet.ts';
export { Mlp } from './mlp.ts';
export { Ncf, type NcfOptions, ncfLoss } from './ncf.ts';
export { ResidualBlock, ResNet20 } from './resnet20.ts';
