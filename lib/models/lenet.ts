// lenet.ts: a small convolutional network for images, after LeNet-5. Copy it and change what you need.
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { squareOf } from '../math/index.ts';
import { size as sizeField } from '../nn/fields.ts';
import { Conv2d, Flatten, Linear, MaxPool2d, Module } from '../nn/index.ts';
import { tensor } from '../ops/args.ts';
import { relu } from '../ops/elementwise/activation.ts';
import { options, optionsOnly, signature, whole } from '../options/index.ts';

/** Options of `models.LeNet`. */
export interface LeNetOptions {
  /** Colors of an image. Default 1. */
  readonly channels?: number;
  /** Height and width of an image in pixels. Default 28. */
  readonly size?: number;
  /** How many classes. Default 10. */
  readonly classes?: number;
}

const readLeNet = optionsOnly(
  'models.LeNet',
  options<LeNetOptions>()({
    channels: sizeField.default(1),
    size: whole({ min: 4, max: 65_535 }).default(28),
    classes: sizeField.default(10),
  }),
);
const readForward = signature('models.LeNet.forward', { x: tensor });

/**
 * Two convolutions of 5x5 with pooling, 32 and 64 filters, and two linear layers. Parameters `conv1.weight`,
 * `conv1.bias`, `conv2...`, `fc1...`, `fc2...`, each as PyTorch has it.
 * @shape x [batch, channels, size, size] -> [batch, classes]
 * @throws OptionError; ShapeError for images of another shape
 * @see LeCun et al. 1998, Gradient-Based Learning Applied to Document Recognition
 */
export class LeNet extends Module {
  /** The first convolution. */
  conv1: Conv2d;
  /** The second convolution. */
  conv2: Conv2d;
  /** The hidden linear layer. */
  fc1: Linear;
  /** From hidden units to logits. */
  fc2: Linear;
  /** What follows each convolution. */
  readonly pool: MaxPool2d;
  /** What comes before the linear layers. */
  readonly flatten: Flatten;

  constructor(options: LeNetOptions = {}) {
    super();
    const { channels, size, classes } = readLeNet(arguments);
    this.conv1 = new Conv2d(channels, 32, 5, { padding: 2 });
    this.conv2 = new Conv2d(32, 64, 5, { padding: 2 });
    this.fc1 = new Linear(64 * squareOf(Math.floor(size / 4)), 512);
    this.fc2 = new Linear(512, classes);
    this.pool = new MaxPool2d(2);
    this.flatten = new Flatten();
  }

  forward(x: TensorLike): Tensor {
    let t = this.pool.forward(relu(this.conv1.forward(readForward(arguments).x)));
    t = this.pool.forward(relu(this.conv2.forward(t)));
    t = relu(this.fc1.forward(this.flatten.forward(t)));
    return this.fc2.forward(t);
  }
}
