"""Writes a trained model as a plain Hugging Face directory and checks it against transformers.

    python3 training/export.py nano RUN_DIR OUT_DIR --tokenizer tokenizer.json [--reference FILE]

The check loads OUT_DIR with transformers (logits must agree with the training code's, the template must render what training rendered).
--reference also writes input_ids, float32 logits, prompt_len and greedy_ids of one prompt, for tests of other engines.
"""
import argparse
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

import evaluate as E
import heldout as H
from data import Encoder
from model import CONFIGS, Model, full_attention, hf_config, rope_tables

HERE = Path(__file__).parent
DEMO_TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "description": "Get the current weather in a city", "parameters": {"type": "object", "properties": {
        "city": {"type": "string", "description": "City name"}}, "required": ["city"]}}},
    {"type": "function", "function": {"name": "set_reminder", "description": "Set a reminder", "parameters": {"type": "object", "properties": {
        "text": {"type": "string", "description": "What to be reminded of"}, "time": {"type": "string", "description": "Time of day in HH:MM"}}, "required": ["text", "time"]}}},
    {"type": "function", "function": {"name": "convert_currency", "description": "Convert an amount of money from one currency to another", "parameters": {"type": "object", "properties": {
        "amount": {"type": "number", "description": "Amount to convert"}, "from": {"type": "string", "description": "ISO 4217 code of the source currency"},
        "to": {"type": "string", "description": "ISO 4217 code of the target currency"}}, "required": ["amount", "from", "to"]}}},
]
DEMO = ["What's the weather in Lisbon?", "Remind me to water the plants at 18:30", "How much is 250 dollars in euros?", "Convert 99.50 GBP to JPY please", "is it raining in oslo", "weather in Paris and in Rome",
        "hello", "who are you?", "what can you do?", "thanks!", "Book me a table for two at an Italian restaurant", "set a reminder to call mum at half past nine in the evening", "Set a reminder", "What is the capital of France?"]


def weights(state):
    return {f"model.{name}": tensor.contiguous() for name, tensor in state.items()}


def write(size, run, out, tokenizer):
    out.mkdir(parents=True, exist_ok=True)
    config = CONFIGS[size]
    encoder = Encoder(tokenizer)
    end = encoder.tokenizer.token_to_id("<|im_end|>")
    pad = encoder.tokenizer.token_to_id("<|endoftext|>")
    save_file(weights(torch.load(run / "model.pt")), out / "model.safetensors", metadata={"format": "pt"})
    dump(out / "config.json", hf_config(config, end))
    dump(out / "generation_config.json", {"do_sample": False, "eos_token_id": [end, pad], "pad_token_id": pad, "max_new_tokens": 512})
    dump(out / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": config.context, "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "bos_token": None, "unk_token": None,
                                         "clean_up_tokenization_spaces": False, "add_prefix_space": False, "chat_template": (HERE / "chat_template.jinja").read_text()})
    shutil.copy(tokenizer, out / "tokenizer.json")
    return encoder, end


def dump(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def check(size, run, out, encoder):
    from transformers import AutoModelForCausalLM, AutoTokenizer
    tokenizer = AutoTokenizer.from_pretrained(out)
    held = H.read(HERE / "heldout.json.gz")
    for item in held["items"][::41]:
        tools = [held["tools"][n] for n in item["tools"]]
        mine = E.prompt_text(tools, item["messages"])
        rendered = tokenizer.apply_chat_template(item["messages"], tools=tools, add_generation_prompt=True, tokenize=False)
        assert rendered == mine, (rendered, mine)
        assert tokenizer(rendered).input_ids == encoder.ids(mine)
    theirs = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32).eval()
    ours = Model(CONFIGS[size])
    ours.load_state_dict(torch.load(run / "model.pt"))
    ours = ours.float().eval()
    ids = torch.tensor([encoder.ids(E.prompt_text(DEMO_TOOLS, [{"role": "user", "content": DEMO[0]}]))])
    cos, sin = rope_tables(ours.c, ids.shape[1], "cpu")
    with torch.no_grad():
        one = theirs(ids).logits
        two = ours(ids, cos, sin, [full_attention] * ours.c.layers)
    difference = (one - two).abs().max().item()
    print(f"transformers and the training code: largest difference of a logit {difference:.2e} (logits up to {one.abs().max().item():.1f})")
    assert difference < 1e-3
    return theirs


def reference(theirs, encoder, path):
    """96 tokens, a short prompt and what follows it greedily (past the end mark too), with their logits."""
    prompt = encoder.ids(E.prompt_text(DEMO_TOOLS[:1], [{"role": "user", "content": DEMO[0]}]))
    ids = list(prompt)
    with torch.no_grad():
        while len(ids) < max(96, len(prompt) + 24):
            ids.append(int(theirs(torch.tensor([ids])).logits[0, -1].argmax()))
        logits = theirs(torch.tensor([ids[:96]])).logits[0]
    save_file({"input_ids": torch.tensor(ids[:96], dtype=torch.int32), "logits": logits.contiguous(), "prompt_len": torch.tensor([len(prompt)], dtype=torch.int32),
               "greedy_ids": torch.tensor(ids[len(prompt):len(prompt) + 24], dtype=torch.int32)}, path)


def show_demo(size, run, encoder):
    answer_all = E.answerer(E.load(size, run), encoder)
    for said, answer in zip(DEMO, answer_all([E.prompt_text(DEMO_TOOLS, [{"role": "user", "content": d}]) for d in DEMO])):
        print(f"> {said}\n  {answer}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("size", choices=CONFIGS)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--reference", type=Path)
    options = parser.parse_args()
    encoder, _ = write(options.size, options.run, options.out, options.tokenizer)
    theirs = check(options.size, options.run, options.out, encoder)
    if options.reference:
        reference(theirs, encoder, options.reference)
    show_demo(options.size, options.run, encoder)


if __name__ == "__main__":
    main()
