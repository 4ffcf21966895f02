"""The networks of the collection in PyTorch, as its users would write them: what the benchmark measures us against."""

import torch
from torch import nn
from torch.nn import functional

MOMENTUM = 0.9


def mlp(hidden_layers):
    """`hidden_layers` layers of 512 units; images come flat or not."""
    layers = [nn.Flatten()]
    for inputs in [2352, 512, 512][:hidden_layers]:
        layers += [nn.Linear(inputs, 512), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(512, 10))


def same_pool():
    """3x3 max-pooling with stride 2, as TensorFlow's "same" on even sizes: the last windows lack a row or column."""
    return nn.MaxPool2d(3, 2, ceil_mode=True)


def alexnet():
    def norm():
        # PyTorch divides alpha by the number of channels summed.
        return nn.LocalResponseNorm(9, alpha=0.001, beta=0.75, k=1.0)

    return nn.Sequential(
        nn.Conv2d(3, 64, 5, padding=2), nn.ReLU(), same_pool(), norm(),
        nn.Conv2d(64, 64, 5, padding=2), nn.ReLU(), norm(), same_pool(),
        nn.Flatten(), nn.Linear(3136, 384), nn.ReLU(), nn.Linear(384, 192), nn.ReLU(), nn.Linear(192, 10))


class Conv(nn.Sequential):
    """Convolution, batch normalization with an offset and no scale, relu."""

    def __init__(self, inputs, filters, size, stride=1):
        norm = nn.BatchNorm2d(filters, eps=1e-3, momentum=0.01)
        norm.weight.requires_grad_(False)
        super().__init__(nn.Conv2d(inputs, filters, size, stride, padding=size // 2 if stride == 1 else 0, bias=False),
                         norm, nn.ReLU(inplace=True))


class Inception(nn.Module):
    def __init__(self, inputs, filters_1x1, filters_3x3):
        super().__init__()
        self.one, self.three = Conv(inputs, filters_1x1, 1), Conv(inputs, filters_3x3, 3)

    def forward(self, x):
        return torch.cat([self.one(x), self.three(x)], 1)


class Downsample(nn.Module):
    def __init__(self, inputs, filters):
        super().__init__()
        self.conv, self.pool = Conv(inputs, filters, 3, 2), same_pool()

    def forward(self, x):
        return torch.cat([self.conv(functional.pad(x, (0, 1, 0, 1))), self.pool(x)], 1)


def inception():
    return nn.Sequential(
        Conv(3, 96, 3), Inception(96, 32, 32), Inception(64, 32, 48), Downsample(80, 80),
        Inception(160, 112, 48), Inception(160, 96, 64), Inception(160, 80, 80), Inception(160, 48, 96),
        Downsample(144, 96), Inception(240, 176, 160), Inception(336, 176, 160),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(336, 10))


class LSTM(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(10000, 128)
        self.lstm = nn.LSTM(128, 128, batch_first=True)
        # Of PyTorch's two biases per gate one is enough.
        self.lstm.bias_hh_l0.requires_grad_(False).zero_()
        self.dense = nn.Linear(128, 2)

    def forward(self, x):
        return self.dense(self.lstm(self.embedding(x))[0][:, -1])


NETWORKS = {"MLP1": lambda: mlp(1), "MLP3": lambda: mlp(3), "Mini Alexnet": alexnet, "Mini Inception": inception,
            "LSTM": LSTM}


# A dense layer that sees feature maps flattened: number of inputs, and channels.  Flattened they lie (height, width,
# channels) in Keras and (channels, height, width) here.
FLATTENED = {3136: 64}


def with_weights_of(keras_model, network):
    """Gives a network the weights of its Keras twin: the same kinds of layers, each kind in the same order."""
    kinds = {"Conv2D": nn.Conv2d, "BatchNormalization": nn.BatchNorm2d, "Dense": nn.Linear, "Embedding": nn.Embedding,
             "LSTM": nn.LSTM}
    for our_kind, their_kind in kinds.items():
        ours = [layer for layer in keras_model.layers if type(layer).__name__ == our_kind]
        theirs = [layer for layer in network.modules() if isinstance(layer, their_kind)]
        for our, their in zip(ours, theirs, strict=True):
            weights = {weight.name: torch.from_numpy(weight.numpy()) for weight in our.trainable_variables}
            if our_kind == "Embedding":
                their.weight.data.copy_(weights["embeddings"])
                continue
            if our_kind == "LSTM":  # the gates come in the same order
                their.weight_ih_l0.data.copy_(weights["kernel"].T)
                their.weight_hh_l0.data.copy_(weights["recurrent_kernel"].T)
                their.bias_ih_l0.data.copy_(weights["bias"])
                continue
            if "kernel" in weights:
                kernel = weights["kernel"]
                channels = FLATTENED.get(kernel.shape[0], 1)
                if kernel.ndim == 2:
                    kernel = kernel.reshape(-1, channels, kernel.shape[1]).transpose(0, 1).reshape(kernel.shape).T
                else:
                    kernel = kernel.permute(3, 2, 0, 1)
                their.weight.data.copy_(kernel)
            if their.bias is not None:
                their.bias.data.copy_(weights["beta" if our_kind == "BatchNormalization" else "bias"])
    return network


def trainer(name, network, inputs, labels, batch_size, learning_rate, precision, compiled):
    """Makes a function that trains one epoch, over inputs in memory, and returns its mean loss.

    Args:
        name: the network's name in NETWORKS.
        inputs: float32 of shape (n, height, width, 3), or for the LSTM int32 of shape (n, words); the network trains on
            the device that they are on.
        labels: int64 of shape (n,).
        precision: "float32", or "bfloat16" for autocast.
        compiled: whether torch.compile translates the network.
    """
    device = inputs.device
    network = network.to(device, memory_format=torch.channels_last).train()
    weights = [p for p in network.parameters() if p.requires_grad]
    if name == "LSTM":
        optimizer = torch.optim.Adam(weights, learning_rate, eps=1e-7, fused=True)
    else:
        optimizer = torch.optim.SGD(weights, learning_rate, momentum=MOMENTUM, fused=True)
    if name.startswith("Mini"):
        inputs = inputs.permute(0, 3, 1, 2)  # seen as (n, 3, height, width), lying in memory as channels_last
    mode = None
    if device.type == "cuda":  # both as JAX has them: TensorFloat-32, and many steps without waiting for Python
        torch.set_float32_matmul_precision("high")
        mode = "reduce-overhead"
    forward = torch.compile(network, mode=mode) if compiled else network

    def epoch():
        total = torch.zeros((), device=device)
        order = torch.randperm(len(inputs), device=device)
        for batch in order.split(batch_size):
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
                loss = functional.cross_entropy(forward(inputs[batch]).float(), labels[batch])
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(batch)
        return float(total / len(inputs))

    return epoch
