// resnet20.ts: the residual network of 20 layers for small images (He et al. 2016, section 4.2). Copy it and change what you need.
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { size } from '../nn/fields.ts';
import { AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Flatten, Linear, Module, Sequential } from '../nn/index.ts';
import { tensor } from '../ops/args.ts';
import { relu } from '../ops/elementwise/activation.ts';
import { add } from '../ops/elementwise/elementwise.ts';
import { signature } from '../options/index.ts';

/** Two convolutions, and what goes past them: x itself or, where the shape changes, a convolution of 1 x 1. */
export class ResidualBlock extends Module {
  conv1: Conv2d;
  bn1: BatchNorm2d;
  conv2: Conv2d;
  bn2: BatchNorm2d;
  shortcut: Sequential | null;

  constructor(inChannels: number, outChannels: number, stride: number) {
    super();
    this.conv1 = new Conv2d(inChannels, outChannels, 3, { stride, padding: 1, bias: false });
    this.bn1 = new BatchNorm2d(outChannels);
    this.conv2 = new Conv2d(outChannels, outChannels, 3, { padding: 1, bias: false });
    this.bn2 = new BatchNorm2d(outChannels);
    const changes = stride !== 1 || inChannels !== outChannels;
    this.shortcut = changes
      ? new Sequential(new Conv2d(inChannels, outChannels, 1, { stride, bias: false }), new BatchNorm2d(outChannels))
      : null;
  }

  forward(x: Tensor): Tensor {
    const y = relu(this.bn1.forward(this.conv1.forward(x)));
    const past = this.shortcut ? this.shortcut.forward(x) : x;
    return relu(add(this.bn2.forward(this.conv2.forward(y)), past));
  }
}

const readResNet20 = signature('models.ResNet20', { classes: size.default(10) });
const readForward = signature('models.ResNet20.forward', { x: tensor });

/**
 * The residual network of 20 layers, made for images of 32 x 32. 272,474 parameters with 10 classes.
 * @shape x [batch, 3, height, width] -> [batch, classes]
 * @param classes Default 10.
 * @throws OptionError; ShapeError for images of another shape
 * @see He et al. 2016, Deep Residual Learning for Image Recognition
 */
export class ResNet20 extends Module {
  /** The first convolution. */
  conv: Conv2d;
  /** Its batch norm. */
  bn: BatchNorm2d;
  /** Nine residual blocks. */
  blocks: Sequential;
  /** Pooling and the linear layer. */
  head: Sequential;

  /** @param classes default 10 */
  constructor(classes = 10) {
    super();
    readResNet20(arguments);
    this.conv = new Conv2d(3, 16, 3, { padding: 1, bias: false });
    this.bn = new BatchNorm2d(16);
    const widths = [16, 16, 16, 32, 32, 32, 64, 64, 64];
    const before = (i: number): number => widths[i - 1] ?? 16;
    this.blocks = new Sequential(...widths.map((width, i) => new ResidualBlock(before(i), width, width === before(i) ? 1 : 2)));
    this.head = new Sequential({ pool: new AdaptiveAvgPool2d(1), flatten: new Flatten(), fc: new Linear(64, classes) });
  }

  forward(x: TensorLike): Tensor {
    return this.head.forward(this.blocks.forward(relu(this.bn.forward(this.conv.forward(readForward(arguments).x)))));
  }
}
