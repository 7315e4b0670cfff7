// tokenizer.ts: what users have of tokenizers: `tokenizer`.
export {
  type ByteOptions,
  type ByteTokenizer,
  byte,
  type CharOptions,
  type CharTokenizer,
  char,
  fromJSON,
  type Tokenizer,
  type TokenizerJSON,
} from '../data/tokenizer.ts';
