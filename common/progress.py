"""What is shown while a run trains: a line for each epoch, and a picture that is drawn again as it goes."""

import sys
import time

import keras

REDRAW = 30   # seconds from one picture to the next, at least
REFRESH = 0.5  # seconds from one look at a terminal's line to the next


class Progress(keras.callbacks.Callback):
    """Prints each epoch as a line, with the time left, which a terminal sees grow and a log file holds once.

    Args:
        run: the `experiment.Run`, whose history each epoch ends up in.
    """

    def __init__(self, run):
        super().__init__()
        self.run, self.drawn, self.shown = run, time.monotonic(), 0
        self.picture = run.stem.with_name(run.stem.name + ".training.png")

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if sys.stdout.isatty() and time.monotonic() - self.shown > REFRESH:
            self.shown = time.monotonic()
            print(f"\repoch {self.epoch + 1} of {self.run.epochs}: {min(1, (batch + 1) / self.params['steps']):4.0%}",
                  end="", flush=True)

    def on_epoch_end(self, epoch, logs=None):
        history = self.run.history
        left = (self.run.epochs - epoch - 1) * sum(history["seconds"]) / len(history["seconds"])
        tested = f", test {history['val_accuracy'][-1]:.2%}" if "val_accuracy" in history else ""
        print("\r" * sys.stdout.isatty() + f"epoch {epoch + 1} of {self.run.epochs}: train "
              f"{history['accuracy'][-1]:.2%}{tested}, loss {history['loss'][-1]:.4g}, {history['seconds'][-1]:.1f} s, "
              f"{_duration(left)} left", flush=True)
        if time.monotonic() - self.drawn > REDRAW:
            from common import plot  # here, since Matplotlib takes a second to load
            plot.curves({"title": self.run.title, "history": history} | self.run.paper_accuracies(), self.picture)
            self.drawn = time.monotonic()

    def on_train_end(self, logs=None):
        self.picture.unlink(missing_ok=True)  # the whole picture takes its place


def _duration(seconds):
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min" if seconds < 6000 else (
        f"{seconds / 3600:.1f} h")
