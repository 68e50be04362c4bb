"""The settings that LLaMA-Factory trains with, ready to be run."""

import json

_YAML = """\
# LLaMA-Factory: run it in this folder.
#   llamafactory-cli train {file}

### model
{model}
trust_remote_code: false

### method
stage: sft
do_train: true
finetuning_type: lora
lora_rank: 8
lora_alpha: 16
lora_dropout: 0.0
lora_target: all

### data
dataset_dir: .
dataset: {dataset}
# No template is named, so that the model's own chat template is used, in training as in use.
cutoff_len: 2048
mask_history: true  # only the last answer is learned
overwrite_cache: true

### output
output_dir: ../student-llamafactory
logging_steps: 10
save_steps: 500
plot_loss: true
report_to: none

### training
per_device_train_batch_size: 1
gradient_accumulation_steps: 8
learning_rate: 1.0e-4
num_train_epochs: 3.0
lr_scheduler_type: cosine
warmup_ratio: 0.1
bf16: true  # false on a processor
seed: 0
"""
_NO_BASE = "model_name_or_path: BASE  # put the model here: a folder, or a name on the hub"


def training_settings(file: str, dataset: str, base: str | None) -> bytes:
    """Settings for one data set: LoRA of rank 8 on all linear layers, three epochs.

    Source: the neutral defaults of LLaMA-Factory's own example (`examples/train_lora`), which the
    FusionFactory paper's adapters have the size of.

    Args:
        file: The name that they get.
        dataset: Its name in `dataset_info.json`.
        base: The model; without it, its place is left open.
    """
    model = _NO_BASE if base is None else f"model_name_or_path: {json.dumps(base)}"
    return _YAML.format(file=file, dataset=dataset, model=model).encode()
