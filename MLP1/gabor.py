"""Gabor wavelets: waves of some lengths and directions, each under a bell, which answer to edges and strokes."""

import numpy as np


def wavelets(side, wavelengths, directions, width):
    """The wavelets' Fourier transforms, complex64 of shape (n, side, side); the sum of each wavelet is 0.

    Args:
        side: of the images that they are for, in pixels, the black around them included; see `responses`.
        wavelengths: some, in pixels.
        directions: how many, over half a turn.
        width: standard deviation of the bell, in wavelengths.
    """
    steps, transforms = np.fft.fftfreq(side, 1 / side), []  # 0, 1, 2 ... -2, -1 pixels
    for length in wavelengths:
        bell = np.exp(-(steps[:, None]**2 + steps**2) / (2 * (width * length)**2))
        for angle in np.arange(directions) * np.pi / directions:
            wave = np.exp(2j * np.pi / length * (np.sin(angle) * steps[:, None] + np.cos(angle) * steps))
            wavelet = bell * (wave - (bell * wave).sum() / bell.sum())
            transforms.append(np.fft.fft2(wavelet / bell.sum()).astype("complex64"))
    return np.array(transforms)


def responses(images, wavelengths, directions, width, pool):
    """The magnitudes of the wavelets' complex responses to gray images, averaged over squares.

    An image is followed by black, three standard deviations of the widest bell, so that a wavelet that reaches over a
    border hardly meets the other side.

    Args:
        images: of shape (n, side, side).
        wavelengths, directions, width: of `wavelets`.
        pool: height and width of the squares in pixels.

    Returns:
        float32 of shape (n, values): for each wavelet its squares, row by row; what is left of a square is not used.
    """
    side, squares = images.shape[1] + int(np.ceil(3 * width * max(wavelengths))), images.shape[1] // pool
    transformed, found = np.fft.fft2(images.astype("float32"), (side, side)), []
    for wavelet in wavelets(side, wavelengths, directions, width):
        size = abs(np.fft.ifft2(transformed * wavelet))[:, :squares * pool, :squares * pool]
        found.append(size.reshape(-1, squares, pool, squares, pool).mean(axis=(2, 4)).reshape(len(images), -1))
    return np.concatenate(found, axis=1, dtype="float32")  # NumPy 1's transforms are complex128
