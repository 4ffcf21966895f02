"""What happens around each epoch of a training: order, history, checkpoint, reasons to stop, and what is shown."""

import math
import sys
import time
from pathlib import Path

from common import checkpoint, label_noise, record, say

import keras

REDRAW = 30     # seconds from one picture to the next, at least
CHECKPOINT = 1  # second from one checkpoint to the next, at least; after short epochs writing would take too long


class StopOnceFitted(keras.callbacks.Callback):
    """Ends a training once the training set is fitted and nothing has changed for some epochs.

    Fitted: 99.9 % training accuracy.  Unchanged: within 0.01 % of training accuracy and 0.1 % of test accuracy.
    """

    def __init__(self, epochs=10):
        super().__init__()
        self.epochs, self.train, self.test = epochs, [], []

    def on_epoch_end(self, epoch, logs=None):
        name = record.accuracy_name(logs)
        self.train = [*self.train, logs.get(name, 0.0)][-self.epochs:]
        self.test = [*self.test, logs.get(f"val_{name}", 0.0)][-self.epochs:]
        if (len(self.train) == self.epochs and min(self.train) >= 0.999 and max(self.train) - min(self.train) <= 1e-4
                and max(self.test) - min(self.test) <= 1e-3):
            self.model.stop_training = True
            say(f"Stopped early: fitted, and the accuracies have not changed for {self.epochs} epochs")


class Epochs(keras.callbacks.Callback):
    """What `experiment.Run.fit` does around each epoch.  The script's own `callbacks` come before this one."""

    def __init__(self, run, callbacks):
        super().__init__()
        self.run, self.callbacks = run, callbacks
        self.picture = Path(f"{run.stem}.training.png")
        self.written = self.drawn = time.monotonic()

    def on_epoch_begin(self, epoch, logs=None):
        self.began, self.rate = time.perf_counter(), float(self.model.optimizer.learning_rate)
        self.run.train.set_epoch(epoch)

    def on_test_batch_end(self, batch, logs=None):
        if self.run.signal:
            say(f"\nStopped after {self.run.kept} of {self.params['epochs']} epochs. Run the same command again to "
                "resume, or add --fresh to start from the first epoch.", file=sys.stderr)
            raise SystemExit(128 + self.run.signal)

    def on_train_batch_end(self, batch, logs=None):
        self.on_test_batch_end(batch)
        if not math.isfinite(logs["loss"]):
            raise SystemExit(f"The loss has become {logs['loss']}: training has diverged. Try a learning rate below "
                             f"{self.rate:g}.")

    def on_epoch_end(self, epoch, logs=None):
        for name in label_noise.CleanAndMislabeled.NAMES:
            logs.pop(f"val_{name}", None)
        history = self.run.history
        for name, value in {**logs, "learning_rate": self.rate, "seconds": time.perf_counter() - self.began}.items():
            history.setdefault(name, []).append(float(value))
        if not self.run.writes:
            return
        left = (self.params["epochs"] - epoch - 1) * sum(history["seconds"]) / len(history["seconds"])
        duration = f"{left:.0f} s" if left < 100 else f"{left / 60:.0f} min" if left < 6000 else f"{left / 3600:.1f} h"
        accuracy = record.accuracy_name(history)
        shown = [f"{split} {history[name][-1]:.2%}, "
                 for split, name in (("train", accuracy), ("test", f"val_{accuracy}")) if name in history]
        say(f"epoch {epoch + 1} of {self.params['epochs']}: {''.join(shown)}loss {history['loss'][-1]:.4g}, "
            f"{history['seconds'][-1]:.1f} s, {duration} left")
        if time.monotonic() - self.drawn > REDRAW:
            self.run.draw(self.picture)
            self.drawn = time.monotonic()
        over = self.model.stop_training or epoch + 1 == self.params["epochs"]
        if over or time.monotonic() - self.written > CHECKPOINT:
            checkpoint.write(self.run.checkpoint, self.model, self.callbacks, history, self.run.facts,
                             self.model.stop_training)
            self.written, self.run.kept = time.monotonic(), epoch + 1

    def on_train_end(self, logs=None):
        self.picture.unlink(missing_ok=True)  # the picture of the whole run replaces it
