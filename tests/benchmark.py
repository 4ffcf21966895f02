"""Training speed: the scripts of this collection beside the same networks in PyTorch.

    python tests/benchmark.py                measures everything, some 20 minutes on Linux or macOS; writes
                                             Results/benchmark.json
    python tests/benchmark.py MLP1 MLP3      measures these again, on the same machine with the same --rounds, and
                                             leaves the others' figures as they were
    python tests/benchmark.py --table        puts what was measured into the READMEs
    python tests/benchmark.py --overhead     what a run of MLP1 takes beside the training steps, some minutes
    python tests/benchmark.py --gpu          JAX beside PyTorch on one GPU; TensorFlow need not be there
    python tests/benchmark.py --pipeline     how fast Inception v3 gets its images, and uses them up; some minutes

Contenders take turns, each in a process of its own, and the figure is the median over the rounds, so that a busy moment
of the machine hits all alike.  Ours is a script's own build_model, trained by Keras' fit from the script's own way of
feeding them; PyTorch's is tests/peers.py, from inputs that lie in memory.  Both take the script's batch size.
"""

import argparse
import importlib.util
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from importing import imported

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "LSTM"))  # imdb.py, beside its scripts
SCRIPTS = {"MLP1": "MLP1/cifar10_keras_mlp.py",
           "MLP3": "MLP3/cifar10_keras_mlp3.py",
           "Mini Alexnet": "Mini Alexnet/cifar10_alexnet.py",
           "Mini Inception": "Mini Inception/cifar10_tf_inception.py",
           "LSTM": "LSTM/imdb_lstm.py"}
# Images or reviews in a timed pass, which takes seconds
EXAMPLES = {"MLP1": 25600, "MLP3": 25600, "Mini Alexnet": 1280, "Mini Inception": 640, "LSTM": 1024}
GPU_EXAMPLES = {"MLP1": 204800, "MLP3": 204800, "Mini Alexnet": 51200, "Mini Inception": 25600, "LSTM": 25600}
PASSES = 3  # timed ones, after one that is not: the fastest counts
OURS = [("tensorflow", "float32"), ("tensorflow", "mixed_bfloat16")]
JAX = [("jax", "float32"), ("jax", "mixed_bfloat16")]  # not for convolutions: XLA's are slow on a CPU
PYTORCH = [("torch", "float32"), ("torch", "bfloat16"), ("torch-compiled", "float32"), ("torch-compiled", "bfloat16")]
SIZES = 75, 299  # of Inception v3's images, in pixels: the smallest one, and the paper's
PRECISIONS = "float32", "bfloat16"
PEAK = ("torch", "float32"), ("torch", "bfloat16")  # precisions that the machine's matrix-product peak is measured in


def examples(network, batch_size):
    """The batches that the network's scripts train on, of noise: speed does not depend on what they show."""
    import imdb
    from common import cifar10

    import numpy as np
    random, count = np.random.RandomState(0), EXAMPLES[network]
    if network == "LSTM":
        reviews = random.randint(1, imdb.VOCABULARY, (count, imdb.LENGTH))
        return imdb.Reviews(reviews, random.randint(0, 2, count, dtype=np.int32), batch_size, shuffle_seed=0)
    images = random.randint(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    return cifar10.Images(images, random.randint(0, 10, count, dtype=np.int32), batch_size, shuffle_seed=0)


def our_model(network, rate=None):
    """The network's model, compiled as its scripts do, or with a constant learning rate."""
    import keras
    script = script_of(network)
    model = script.build_model()
    rate = rate or keras.optimizers.schedules.ExponentialDecay(
        script.LEARNING_RATE, -(-EXAMPLES[network] // script.BATCH_SIZE), script.LEARNING_RATE_DECAY, staircase=True)
    optimizer = (keras.optimizers.Adam(rate) if network == "LSTM" else keras.optimizers.SGD(rate, momentum=0.9))
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return model


def script_of(network):
    """The network's script, imported."""
    return imported(ROOT / SCRIPTS[network])


def measure_ours(network, precision):
    """Seconds of every timed pass through `fit`, as experiment.Run does it."""
    from common import speed

    import keras
    script = script_of(network)
    keras.config.set_dtype_policy(precision)
    train, model = examples(network, script.BATCH_SIZE), our_model(network)
    assert model.layers[1].dtype_policy.name == precision
    fed, _ = speed.feeds(model, train)
    seconds = []

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.began = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            seconds.append(time.perf_counter() - self.began)

    model.fit(fed, epochs=1 + PASSES, steps_per_epoch=len(fed), shuffle=False, verbose=0, callbacks=[Clock()])
    return seconds[1:]


def measure_pytorch(network, precision, compiled, device):
    """Seconds of every timed pass through the PyTorch peer, with all its inputs on the device."""
    import peers
    import torch
    script = script_of(network)
    train = examples(network, script.BATCH_SIZE)
    epoch = peers.trainer(network, peers.NETWORKS[network](), torch.from_numpy(train.inputs).to(device),
                          torch.from_numpy(train.labels).long().to(device), script.BATCH_SIZE, script.LEARNING_RATE,
                          precision, compiled)
    epoch()
    seconds = []
    for _ in range(PASSES):
        began = time.perf_counter()
        epoch()
        seconds.append(time.perf_counter() - began)
    return seconds


def measure_peak(precision):
    """GFLOP/s of a large matrix product, the most that any of the contenders could reach."""
    import torch
    size = 2048
    a, b = (torch.randn(size, size, dtype=getattr(torch, precision)) for _ in range(2))
    rates = []
    for _ in range(20):
        began = time.perf_counter()
        a @ b
        rates.append(2e-9 * size**3 / (time.perf_counter() - began))
    return max(rates)


def overhead():
    """Runs MLP1's script as it stands, on the real data, and beside it its training steps alone.

    Returns:
        dict: seconds of the whole run, from start to end; epochs it made; seconds of as many bare steps, on one batch
        that lies in memory: forward, backward, optimizer; no feeding, no metrics, no test passes.
    """
    from common import record, speed

    import tensorflow as tf
    script = script_of("MLP1")
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        process_of("The script", ROOT / SCRIPTS["MLP1"], "--out", folder)
        whole = time.perf_counter() - began
        epochs = len(record.read(Path(folder) / "cifar10_keras_mlp.h5")["history"]["loss"])
    model, train = our_model("MLP1"), examples("MLP1", script.BATCH_SIZE)
    speed.feeds(model, train)
    batch, labels = (tf.constant(part) for part in train[0])
    model.optimizer.build(model.trainable_variables)

    @tf.function
    def steps():
        for _ in tf.range(50000 // script.BATCH_SIZE):
            with tf.GradientTape() as tape:
                loss = model.loss(labels, model(batch, training=True))
            variables = [variable.value for variable in model.trainable_variables]
            model.optimizer.apply(tape.gradient(loss, variables), model.trainable_variables)

    steps()
    began = time.perf_counter()
    for _ in range(epochs):
        steps()
    return {"whole": whole, "epochs": epochs, "steps": time.perf_counter() - began}


def photographs(count):
    """JPEGs of the size that ImageNet's have on average: 500x375 pixels, about 110 kB."""
    import numpy as np
    from PIL import Image
    random = np.random.RandomState(0)
    for _ in range(count):
        rough = Image.fromarray(random.randint(0, 256, (48, 64, 3), dtype=np.uint8)).resize((500, 375))
        grain = random.normal(0, 16, (375, 500, 3))
        content = io.BytesIO()
        Image.fromarray(np.clip(rough + grain, 0, 255).astype(np.uint8)).save(content, "JPEG", quality=90)
        yield content.getvalue()


def pipeline(size):
    """Images/s of Inception v3 on ImageNet: fed and not used, and in training, both with data augmentation."""
    sys.path.append(str(ROOT / "Inception v3"))
    import imagenet
    from common import speed

    import keras
    import tensorflow as tf
    script = imported(ROOT / "Inception v3" / "imagenet_inception_v3_rand_crop.py")
    keras.config.set_dtype_policy(speed.fast_precision())
    count = 4 * script.BATCH_SIZE
    with tempfile.TemporaryDirectory() as folder:
        with tf.io.TFRecordWriter(f"{folder}/train-00000-of-00001") as writer:
            for number, content in enumerate(photographs(count)):
                writer.write(imagenet.serialized(content, number % imagenet.CLASSES, str(number)))
        source = imagenet.Shards(Path(folder), "train", count)
        train = imagenet.Images(source, count, imagenet.CLASSES, size, script.BATCH_SIZE, random_crop=True,
                                shuffle=True)
        batches, fed = speed.feed(train), []
        for _ in range(1 + PASSES):
            began = time.perf_counter()
            for _ in batches:
                pass
            fed.append(time.perf_counter() - began)
        model = script.build_model(size, imagenet.CLASSES)
        model.compile(keras.optimizers.SGD(script.LEARNING_RATE, momentum=0.9),
                      keras.losses.SparseCategoricalCrossentropy(from_logits=True), weighted_metrics=["accuracy"])
        batches, _ = speed.feeds(model, train)
        model.fit(batches, shuffle=False, verbose=0)
        began = time.perf_counter()
        model.fit(batches, shuffle=False, verbose=0)
        trained = time.perf_counter() - began
    return {"pipeline": round(count / min(fed[1:]), 1), "training": round(count / trained, 1)}


def fastest(speed, precision=""):
    """The names of our fastest contender and of PyTorch's, of one precision or of all; `speed` is a dict, name to
    examples a second."""
    return [max((name for name in speed if name.startswith("torch") == of_torch and name.endswith(precision)),
                key=speed.get) for of_torch in (False, True)]


def benchmark_table(measured):
    """Makes the Markdown table of what tests/benchmark.py wrote to Results/benchmark.json."""
    versions, machine = measured["versions"], measured["machine"]
    columns = [f"{what} {precision}" for precision in PRECISIONS for what in ("ours,", "PyTorch,", "ratio,", "MB,")]
    lines = [f"| network | scripts run in | {' | '.join(columns)} |", "| --- | --- |" + " ---: |" * len(columns)]
    for network in SCRIPTS:
        contenders, cells = measured["medians"][network], [network, measured["defaults"][network]]
        speed = {name: result["per_second"] for name, result in contenders.items()}
        for precision in PRECISIONS:
            pair = fastest(speed, precision)
            cells += [f"{speed[name]:,.0f} ({name.split()[0]})" for name in pair]
            cells += [f"**{speed[pair[0]] / speed[pair[1]]:.2f}**",
                      " / ".join(f"{contenders[name]['peak_mb']:,.0f}" for name in pair)]
        lines.append(f"| {' | '.join(cells)} |")
    peak = ", ".join(f"{result['gflops']:,.0f} GFLOP/s in {name.split()[1]}"
                     for name, result in measured["medians"]["peak"].items())
    return "\n".join(lines) + f"""

Images per second in training (LSTM: reviews) of our fastest and of PyTorch's fastest in each precision, their ratio,
and the memory of both. Medians of {measured['rounds']} rounds, on {machine['cores']} cores ({machine['processor']}),
where matrix products peak at {peak}.
TensorFlow {versions['tensorflow']}, Keras {versions['keras']}, JAX {versions['jax']}, PyTorch {versions['torch']}."""


def pipeline_table(measured):
    """Makes the Markdown table of what `tests/benchmark.py --pipeline` wrote to Results/benchmark.json."""
    machine, sizes = measured["machine"], measured["sizes"]
    return "\n".join([
        "| images | images/s fed | images/s in training |", "| --- | ---: | ---: |",
        *(f"| {size}x{size} | {speed['pipeline']:,.0f} | {speed['training']:,.1f} |" for size, speed in sizes.items()),
        "", f"On {machine['cores']} cores ({machine['processor']})."])


def fill_tables(folder=ROOT):
    """Puts the tables of Results/benchmark.json into the READMEs of a checkout."""
    sys.path.append(str(ROOT / "Results"))
    import draw
    measured = json.loads((folder / "Results" / "benchmark.json").read_text(encoding="utf-8"))
    draw.fill(folder / "tests" / "README.md", "benchmark", benchmark_table(measured))
    ratios = {}
    for network in SCRIPTS:
        speed = {name: result["per_second"] for name, result in measured["medians"][network].items()}
        ours, theirs = fastest(speed)
        ratios[network] = speed[ours] / speed[theirs]
    *others, most = sorted(ratios, key=ratios.get)
    draw.fill(folder / "README.md", "speed", f"On {measured['machine']['cores']} cores {most} trains "
              f"{ratios[most]:.1f} times as fast as the fastest version of it in PyTorch's own layers,\nthe others "
              f"{ratios[others[0]]:.1f} to {ratios[others[-1]]:.1f} times, each in the precision in which it is "
              "fastest, and ours on\nthe faster backend ([table](tests/README.md#how-fast)).")
    gpus = [gpu_table(card, told) for card, told in measured.get("gpus", {}).items()]
    draw.fill(folder / "tests" / "README.md", "gpu", "\n\n".join(gpus) or "On a GPU nothing has been measured yet.")
    if "pipeline" in measured:
        draw.fill(folder / "Inception v3" / "README.md", "pipeline", pipeline_table(measured["pipeline"]))


def gpu_table(card, measured):
    """Makes the Markdown table of what `tests/benchmark.py --gpu` measured on a card."""
    lines = ["| network | ours | PyTorch | ratio |", "| --- | ---: | ---: | ---: |"]
    for network, contenders in measured["medians"].items():
        best = {}
        for name, result in contenders.items():
            of = "PyTorch" if name.startswith("torch") else "ours"
            best[of] = max(best.get(of, (0, "")), (result["per_second"], name))
        cells = [f"{best[of][0]:,.0f} ({best[of][1]})" for of in ("ours", "PyTorch")]
        lines.append(f"| {network} | {' | '.join(cells)} | **{best['ours'][0] / best['PyTorch'][0]:.2f}** |")
    versions = ", ".join(f"{name} {number}" for name, number in measured["versions"].items())
    return "\n".join(lines) + f"\n\nImages or reviews per second in training on one {card}; {versions}."


def gpu_name():
    """The name of the GPU that is here.  Raises SystemExit where JAX sees none."""
    find = "import jax; device = jax.devices()[0]; print(device.platform, device.device_kind, sep='/')"
    platform, card = process_of("JAX", "-c", find).splitlines()[-1].split("/", 1)
    if platform != "gpu":
        raise SystemExit("JAX sees no GPU here. Install jax[cuda12] on a machine that has one.")
    return card


def gpu_benchmark(networks, rounds):
    """Measures JAX and PyTorch in turn on the GPU that is here; returns what `medians` takes."""
    results = {}
    for _ in range(rounds):
        for network in networks or SCRIPTS:
            for contender, precision in JAX + PYTORCH:
                result = contend(network, contender, precision, "cuda")
                results.setdefault(network, {}).setdefault(f"{contender} {precision}", []).append(result)
                print(f"{network}, {contender} {precision}: {result['per_second']:,.0f} per second", flush=True)
    return results


def medians(measured):
    """The medians of what was measured: network, then contender, then name of the figure."""
    return {network: {contender: {name: round(statistics.median(result[name] for result in results), 1)
                                  for name in results[0]} for contender, results in contenders.items()}
            for network, contenders in measured.items()}


def contend(network, contender, precision, device="cpu"):
    """Runs one contender in a process of its own; returns what it measured."""
    # Keras on the contender's own backend, so that PyTorch's process does not hold TensorFlow as well.
    environment = dict(os.environ, KERAS_BACKEND=contender.removesuffix("-compiled"), PYTHONPATH=str(ROOT))
    return json.loads(process_of(f"{network}, {contender} {precision}", __file__, "--contend", network, contender,
                                 precision, device, env=environment).splitlines()[-1])


def process_of(what, *arguments, **options):
    """Runs Python in a process of its own; returns what it printed.  Raises SystemExit where it fails, and says why."""
    process = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, errors="replace", **options)
    if process.returncode:
        raise SystemExit(f"{what} failed:\n{process.stderr}")
    return process.stdout


def contestant(network, contender, precision, device):
    """What the process of one contender prints."""
    import resource

    if network == "peak":
        return {"gflops": measure_peak(precision)}
    if device == "cuda":
        EXAMPLES[network] = GPU_EXAMPLES[network]
    seconds = (measure_pytorch(network, precision, contender == "torch-compiled", device)
               if contender.startswith("torch") else measure_ours(network, precision))
    return {"per_second": EXAMPLES[network] / min(seconds),
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**(20 if sys.platform == "darwin" else 10)}


def store(path, told):
    """Writes what was measured, a dict, as JSON, whole or not at all."""
    from common import record
    with record.replacing(path) as part:
        part.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=f"of {', '.join(SCRIPTS)} (default: all)")
    parser.add_argument("--rounds", type=int, help="turns of each contender (default: 3)")
    parser.add_argument("--contend", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--overhead", action="store_true", help="measure what MLP1 takes beside the training steps")
    parser.add_argument("--pipeline", action="store_true", help="measure how fast Inception v3 gets its images")
    parser.add_argument("--gpu", action="store_true", help="measure on one GPU, JAX beside PyTorch")
    parser.add_argument("--table", action="store_true", help="put what was measured into the READMEs")
    options = parser.parse_args()
    unknown = set(options.networks) - set(SCRIPTS)
    if unknown or options.rounds is not None and options.rounds < 1:
        parser.error(f"no network {', '.join(unknown)}; there are {', '.join(SCRIPTS)}" if unknown else
                     "--rounds is 1 or more")
    contest = options.gpu or options.networks or options.rounds
    if sum([options.table, options.pipeline, options.overhead, bool(contest)]) > 1:
        parser.error("--table, --pipeline and --overhead each stand alone")
    if options.table:
        return fill_tables()
    if options.contend:
        print(json.dumps(contestant(*options.contend)))
        return

    needed = (["tensorflow", "PIL"] if options.pipeline else ["tensorflow"] if options.overhead else
              ["torch", "jax"] + ["tensorflow"] * (not options.gpu) + ["resource"])  # the last is not on Windows
    if absent := [name for name in needed if not importlib.util.find_spec(name)]:
        parser.error(f"{' and '.join(absent)} cannot be imported. On Linux or macOS: pip install -e '.[benchmark]'")
    rounds = options.rounds or 3
    os.environ["KERAS_BACKEND"] = "jax" if options.gpu else "tensorflow"  # contenders have their own
    path = ROOT / "Results" / "benchmark.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if options.pipeline:
        from common import record
        measured = {size: pipeline(size) for size in SIZES}
        for size, speed in measured.items():
            print(f"{size}x{size}: {speed['pipeline']} images/s fed, {speed['training']} images/s in training")
        store(path, before | {"pipeline": {"machine": record.environment()["machine"], "sizes": measured}})
        return
    if options.overhead:
        measured = overhead()
        print(f"MLP1, {measured['epochs']} epochs: {measured['whole']:.0f} s, of which training steps "
              f"{measured['steps']:.0f} s; the rest is {1 - measured['steps'] / measured['whole']:.0%}")
        return
    mixed = ("The figures of the other networks are of another machine, other versions or another number of rounds. "
             "Measure all, or as those were.")
    if options.gpu:
        card, gpus = gpu_name(), before.get("gpus", {})
        told = {"rounds": rounds, "versions": {name: version(name) for name in ("keras", "jax", "torch")}}
        if options.networks and card in gpus and any(gpus[card][name] != told[name] for name in told):
            sys.exit(mixed)
        told["medians"] = gpus.get(card, {}).get("medians", {}) | medians(gpu_benchmark(options.networks, rounds))
        store(path, before | {"gpus": gpus | {card: told}})
        print(gpu_table(card, told))
        return

    from common import record, speed
    machine = record.environment()["machine"]
    told = {"machine": machine | {"python": platform.python_version()}, "rounds": rounds,
            "defaults": {network: speed.fast_precision() if hasattr(script_of(network), "PRECISION") else "float32"
                         for network in SCRIPTS},
            "versions": {name: version(name) for name in ("tensorflow", "keras", "torch", "jax", "numpy")}}
    if options.networks and before and any(before.get(name) != told[name] for name in told):
        sys.exit(mixed)
    measured = {}
    for turn in range(rounds):
        for network in options.networks or ["peak", *SCRIPTS]:
            contenders = PEAK if network == "peak" else OURS + JAX * (not network.startswith("Mini")) + PYTORCH
            for contender, precision in contenders:
                result = contend(network, contender, precision)
                measured.setdefault(network, {}).setdefault(f"{contender} {precision}", []).append(result)
                print(f"round {turn + 1}, {network}, {contender} {precision}: "
                      + ", ".join(f"{name} {value:,.0f}" for name, value in result.items()), flush=True)
    told["medians"] = before.get("medians", {}) | medians(measured)
    store(path, before | told)


if __name__ == "__main__":
    main()
