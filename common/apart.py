"""Training accuracy on the examples whose label is true and on those whose label is wrong, apart.

Where label noise lies between 0 and 1, this shows which of them are learned first (Arpit et al., 2017, "A Closer Look
at Memorization in Deep Networks").  Both are running averages of an epoch, as Keras' "accuracy" is.
"""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="common")
class Right(keras.metrics.Metric):
    """Remembers which of the last `count` examples came out as they are labelled, in the order they were seen in."""

    def __init__(self, count, **kwargs):
        super().__init__(**kwargs)
        self.count = count
        self.right = self.add_weight(shape=(count,), initializer="zeros", name="right")
        self.seen = self.add_weight(shape=(), initializer="zeros", dtype="int32", name="seen")

    def update_state(self, labels, logits, sample_weight=None):
        answers = ops.argmax(logits, axis=-1)
        right = ops.cast(answers == ops.cast(ops.reshape(labels, (-1,)), answers.dtype), "float32")
        places = (self.seen + ops.arange(ops.shape(right)[0], dtype="int32")) % self.count
        self.right.assign(ops.scatter_update(self.right, places[:, None], right))
        self.seen.assign((self.seen + ops.shape(right)[0]) % self.count)

    def get_config(self):
        return super().get_config() | {"count": self.count}

    def result(self):
        return ops.mean(self.right)

    def reset_state(self):
        self.seen.assign(0)  # a test pass, too, begins with this; what it writes is not read


class Apart(keras.callbacks.Callback):
    """Adds accuracy_clean and accuracy_wrong, for examples with the true and with a wrong label, to an epoch's logs.

    Args:
        model: compiled Keras model; it is compiled once more, with what it needs besides.
        train: a `data.Batches` whose `wrong` is not None.
    """

    def __init__(self, model, train):
        super().__init__()
        self.train, self.metric = train, Right(len(train.labels), name="right")
        compiled = keras.saving.deserialize_keras_object(model.get_compile_config())
        metrics = [*(compiled["metrics"] or []), self.metric]
        model.compile(**compiled | {"optimizer": model.optimizer, "loss": model.loss, "metrics": metrics})

    def on_test_begin(self, logs=None):
        self.right = ops.convert_to_numpy(self.metric.right)

    def on_epoch_end(self, epoch, logs=None):
        right, wrong = self.right, self.train.wrong[self.train.order]
        del logs["right"], logs["val_right"]
        logs |= {"accuracy_clean": right[~wrong].mean(), "accuracy_wrong": right[wrong].mean()}
