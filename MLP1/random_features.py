"""Random convolutional features: a hidden layer that is not trained (Coates and Ng, 2012)."""

import numpy as np


class RandomFeatures:
    """Maps images to features: each filter is a whitened patch of a training image; what exceeds a threshold in its
    responses, and in their negatives, is averaged over each quarter of an image.

    The paper does not say how it computes them.  Here it is as in RandomPatchCifar, https://github.com/amplab/keystone
    (Sparks et al., 2016, arXiv:1610.09451, with an author of the paper), but for flat patches, which are left out.

    Args:
        images: training images to take patches from, uint8 of shape (n, side, side, 3).
        seed: of the patches' places.
        filters: how many.
        patch: height and width of a filter in pixels.
        contrast: added to the variance of a patch before its root divides the patch.
        whitening: added to the variances of the patches so divided, along each of their principal directions.
        threshold: what a response must exceed to count.

    Raises:
        SystemExit: where a setting is out of its range, or too few patches are not flat.
    """

    def __init__(self, images, seed, filters, patch, contrast, whitening, threshold):
        if not 0 < patch < images.shape[1] or min(contrast, whitening) <= 0 or threshold < 0:
            raise SystemExit(f"Give a --patch of 1 to {images.shape[1] - 1} pixels, --contrast and --whitening > 0, a "
                             "--threshold >= 0.")
        random, draws = np.random.RandomState(seed), max(20 * filters, 20_000)
        self.patch, self.contrast, self.threshold = patch, contrast, np.float32(threshold)
        rows, tops, lefts = (random.randint(0, high, draws)
                             for high in (len(images), images.shape[1] - patch + 1, images.shape[2] - patch + 1))
        patches = self.normalized(np.stack([images[row, top:top + patch, left:left + patch].ravel()
                                            for row, top, left in zip(rows, tops, lefts, strict=True)]))
        mean, (variances, directions) = patches.mean(axis=0), np.linalg.eigh(np.cov(patches.T))
        whiten = directions / np.sqrt(variances + whitening) @ directions.T  # about covariance**-0.5
        chosen = (patches[np.ptp(patches, axis=1) > 0][:filters] - mean) @ whiten  # flat patches, all 0, say nothing
        if len(chosen) < filters:
            raise SystemExit(f"The images have {len(chosen):,} patches that are not flat, for {filters:,} filters. "
                             "Give fewer --filters.")
        weights = whiten @ (chosen / np.linalg.norm(chosen, axis=1, keepdims=True)).T
        self.weights, self.offsets = weights.astype("float32"), (mean @ weights).astype("float32")

    def normalized(self, patches):
        """Flat patches, (n, values), with mean 0 and, but for the contrast added, variance 1: float32, same shape."""
        patches = patches - patches.mean(axis=1, keepdims=True, dtype="float32")
        return patches / np.sqrt(np.einsum("ij,ij->i", patches, patches) / patches.shape[1] + self.contrast)[:, None]

    def __call__(self, images, chosen=slice(None)):
        """Maps images, (n, side, side, 3), to float32 of shape (n, 8 * filters), each of the chosen filters' eight in
        a row."""
        weights, offsets, side = self.weights[:, chosen], self.offsets[chosen], images.shape[1] - self.patch + 1
        half = np.zeros((2, side), "float32")  # averages over each half, which share the middle if there is one
        half[0, :(side + 1) // 2] = half[1, side // 2:] = 1 / ((side + 1) // 2)
        quarters, high, low = np.kron(half, half), offsets + self.threshold, offsets - self.threshold
        features = np.empty((len(images), len(offsets), 4, 2), "float32")
        for image, eight in zip(images, features, strict=True):  # one by one: its responses stay in a processor's cache
            patches = np.lib.stride_tricks.sliding_window_view(image, (self.patch, self.patch, 3)).reshape(side**2, -1)
            responses = self.normalized(patches) @ weights  # the offsets are in high and low
            eight[..., 0] = (quarters @ np.maximum(responses, high) - high).T
            eight[..., 1] = (low - quarters @ np.minimum(responses, low)).T
        return features.reshape(len(images), -1)
