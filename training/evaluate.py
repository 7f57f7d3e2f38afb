"""Exact calls on the held-out set and AST scores on the public BFCL files, greedy and unconstrained, in batches on one GPU.

    python3 training/evaluate.py nano RUN_DIR --tokenizer tokenizer.json [--held-out heldout.json.gz] [--bfcl DIR]

Prints a table, writes RUN_DIR/figures.json and RUN_DIR/failures.txt (held-out only).
"""
import argparse
import json
import re
from collections import Counter, defaultdict
from pathlib import Path

import torch

import data
import generate as G
import heldout as H
from data import Encoder
from model import CONFIGS, Model, greedy

CALL = re.compile(r"<tool_call>\n(.*?)\n</tool_call>", re.S)
END = "<|im_end|>"
LONGEST = 1840


def prompt_text(tools, messages):
    """What the chat template renders with the generation prompt."""
    content, rest = (messages[0]["content"], messages[1:]) if messages[0]["role"] == "system" else (G.DEFAULT_SYSTEM, messages)
    text = "".join(t for t, _ in G.system_segments(content, [json.dumps(t, ensure_ascii=False) for t in tools]))
    for message in rest:
        role, said = message["role"], message.get("content") or ""
        if role == "tool":
            role, said = "user", f"<tool_response>\n{said}\n</tool_response>"
        if message.get("tool_calls"):
            said = G.call_text([(c["function"]["name"], c["function"]["arguments"]) for c in message["tool_calls"]])
        text += f"\n<|im_start|>{role}\n{said}{END}"
    return text + "\n<|im_start|>assistant\n"


def parse(answer):
    """The calls of an answer: a list, empty when it makes none, None when one is not valid JSON."""
    calls = []
    if "<tool_call>" not in answer:
        return calls
    for body in CALL.findall(answer):
        try:
            call = json.loads(body)
            calls.append({"name": call["name"], "arguments": dict(call["arguments"])})
        except (ValueError, KeyError, TypeError):
            return None
    return calls or None


def loose(value):
    if isinstance(value, str):
        return re.sub(r"[ ,./\-_*^]", "", value).lower().replace("'", '"')
    if isinstance(value, list):
        return [loose(v) for v in value]
    if isinstance(value, dict):
        return {k: loose(v) for k, v in value.items()}
    return value


def score_item(item, answer):
    """exact, loose (strings compared without case, spaces and punctuation), tool, and the kind of failure."""
    calls, want = parse(answer), item["calls"]
    if item["kind"] == "missing":
        return {"exact": calls == [] and answer.rstrip().endswith("?"), "silent": calls == []}
    if item["kind"] == "result":
        return {"exact": calls == [] and all(n in answer for n in re.findall(r"\d[\d.,]*\d|\d", item["answer"])), "verbatim": answer == item["answer"]}
    if item["kind"] in ("declined", "absent"):
        return {"exact": calls == [] and not answer.rstrip().endswith("?"), "silent": calls == []}
    if item["kind"] == "chat":
        return {"exact": calls == [] and answer != G.P.REFUSAL, "silent": calls == []}
    if calls is None:
        return {"exact": False, "loose": False, "tool": False, "unparsable": True}
    names = [c["name"] for c in calls] == [c["name"] for c in want]
    return {"exact": same_as(calls, item), "loose": names and loose(calls) == loose(want), "tool": names, "refused": not calls and answer == G.P.REFUSAL, "asked": not calls and answer.endswith("?"), "unparsable": False}


def same_as(calls, item):
    """Whether the calls are the wanted ones, or differ from them only in values the item accepts."""
    want, accept = item["calls"], item.get("accept") or [{}] * len(item["calls"])
    return len(calls) == len(want) and all(c["name"] == w["name"] and same_arguments(c["arguments"], w["arguments"], other) for c, w, other in zip(calls, want, accept))


def same_arguments(got, want, other):
    def right(key):
        if key not in got:
            return key not in want or None in other.get(key, [])
        return key in want and same_json(got[key], want[key]) or any(same_json(got[key], v) for v in other.get(key, []) if v is not None)
    return all(right(key) for key in got.keys() | want.keys())


def same_json(one, two):
    return one == two and isinstance(one, bool) == isinstance(two, bool)


def mean(values):
    values = list(values)
    return round(sum(values) / len(values), 4) if values else None


def held_out(path, answer_all, out):
    held = H.read(path)
    items = held["items"]
    answers = answer_all([prompt_text([held["tools"][n] for n in i["tools"]], i["messages"]) for i in items])
    groups, failures = defaultdict(list), []
    for item, answer in zip(items, answers):
        score = score_item(item, answer)
        groups[item["kind"]].append(score)
        if item["kind"] == "call":
            groups[f"call, {'1 tool' if len(item['tools']) == 1 else '2-3 tools' if len(item['tools']) < 4 else '4+ tools'}"].append(score)
            count = len(item["calls"][0]["arguments"])
            groups[f"call, {count if count < 4 else '4+'} arguments"].append(score)
        if not score["exact"]:
            said = next(m["content"] for m in reversed(item["messages"]) if m["role"] in ("user", "tool"))
            failures.append(f"[{item['kind']}] {said}\n  want {json.dumps(item['calls'], ensure_ascii=False) if item['calls'] else item.get('answer', 'no call')}\n  got  {answer}\n")
    (out / "failures.txt").write_text("\n".join(failures))
    figures = {kind: {"items": len(scores)} | {key: mean(s[key] for s in scores if key in s) for key in scores[0]} for kind, scores in groups.items()}
    for kind, scores in groups.items():
        if "tool" in scores[0]:
            figures[kind]["arguments_given_tool"] = mean(s["exact"] for s in scores if s["tool"])
    by_argument(items, answers, figures)
    return figures


def by_argument(items, answers, figures):
    """Share of right values per JSON type, over the items with the right tool."""
    right = defaultdict(list)
    for item, answer in zip(items, answers):
        calls = parse(answer)
        if item["kind"] != "call" or not calls or calls[0]["name"] != item["calls"][0]["name"]:
            continue
        for key, value in item["calls"][0]["arguments"].items():
            right[type(value).__name__].append(calls[0]["arguments"].get(key) == value)
        right["nothing extra"].append(not calls[0]["arguments"].keys() - item["calls"][0]["arguments"].keys())
    figures["right values"] = {kind: mean(hits) for kind, hits in right.items()}


def own(answer_all, held, out, count=800):
    """Calls of fresh documents of the training distribution itself: first turns only."""
    generator = G.Generator(987_654, held_out=held)
    prompts, wants = [], []
    while len(prompts) < count:
        system, threads = generator.document()
        answer = threads[0][1][0]
        if "<tool_call>" in answer:
            prompts.append("".join(text for text, _ in system + threads[0][:1]))
            wants.append(answer.removesuffix(END))
    answers = answer_all(prompts)
    wrong = [f"{p.rsplit('<|im_start|>user', 1)[1]}\n  want {w}\n  got  {a}\n" for p, w, a in zip(prompts, wants, answers) if a != w]
    (out / "own_failures.txt").write_text("\n".join(wrong))
    return {"items": count, "exact": mean(a == w for a, w in zip(answers, wants))}


TYPES = {"dict": "object", "float": "number", "tuple": "array", "any": "string", "HashMap": "object"}


def to_schema(node):
    """A BFCL parameter description as JSON Schema."""
    if isinstance(node, list):
        return [to_schema(n) for n in node]
    if not isinstance(node, dict):
        return node
    made = {}
    for key, value in node.items():
        if key == "type" and isinstance(value, str):
            made[key] = TYPES.get(value, value)
        elif key == "properties":
            made[key] = {name: to_schema(sub) for name, sub in value.items()}
        elif key == "items":
            made[key] = to_schema(value)
        else:
            made[key] = value
    return made


def bfcl_tool(function):
    return {"type": "function", "function": {"name": function["name"].replace(".", "_"), "description": function["description"], "parameters": to_schema(function["parameters"])}}


def same_value(value, choice):
    if isinstance(choice, str):
        return isinstance(value, str) and loose(value) == loose(choice)
    if isinstance(choice, dict):
        return isinstance(value, dict) and all(k in choice and any(same_value(v, c) for c in choice[k]) for k, v in value.items()) and all(k in value or "" in c for k, c in choice.items())
    if isinstance(choice, list):
        return isinstance(value, list) and len(value) == len(choice) and all(same_value(v, c) for v, c in zip(value, choice))
    if isinstance(choice, bool) or isinstance(value, bool):
        return value is choice
    return value == choice and not (isinstance(choice, int) and isinstance(value, float))


def same_call(call, truth, function):
    name, allowed = next(iter(truth.items()))
    if call["name"] != name.replace(".", "_"):
        return False
    properties, required = function["parameters"].get("properties", {}), function["parameters"].get("required", [])
    args = call["arguments"]
    if any(r not in args for r in required) or any(a not in properties or a not in allowed for a in args):
        return False
    if any(k not in args and "" not in c for k, c in allowed.items()):
        return False
    for key, value in args.items():
        kind = properties[key].get("type")
        if kind == "float" and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if kind == "integer" and isinstance(value, float):
            return False
        if not any(same_value(value, c) or isinstance(value, float) and value == c and not isinstance(c, bool) for c in allowed[key]):
            return False
    return True


def match_all(calls, truths, functions):
    """Order-free one-to-one match."""
    if len(calls) != len(truths):
        return False
    left = list(calls)
    for truth in truths:
        name = next(iter(truth))
        function = next(f for f in functions if f["name"] == name)
        hit = next((c for c in left if same_call(c, truth, function)), None)
        if hit is None:
            return False
        left.remove(hit)
    return True


def bfcl(folder, answer_all):
    figures = {}
    for category in ("simple_python", "multiple", "parallel", "parallel_multiple", "live_simple", "live_multiple", "live_parallel", "live_parallel_multiple", "irrelevance", "live_irrelevance", "live_relevance"):
        if not (folder / f"BFCL_v4_{category}.json").exists():
            continue
        items = [json.loads(line) for line in (folder / f"BFCL_v4_{category}.json").read_text().splitlines()]
        prompts = [prompt_text([bfcl_tool(f) for f in i["function"]], i["question"][0]) for i in items]
        answers = answer_all(prompts)
        parsed = [parse(a) for a in answers]
        refused = mean(p == [] for p in parsed)
        if "relevance" in category:
            right = [(not p) if "irrelevance" in category else bool(p) for p in parsed]
            figures[category] = {"items": len(items), "right": mean(right)}
            continue
        truths = [json.loads(line)["ground_truth"] for line in (folder / "possible_answer" / f"BFCL_v4_{category}.json").read_text().splitlines()]
        right = [bool(p) and match_all(p, t, i["function"]) for p, t, i in zip(parsed, truths, items)]
        names = [bool(p) and Counter(c["name"] for c in p) == Counter(next(iter(x)).replace(".", "_") for x in t) for p, t in zip(parsed, truths)]
        figures[category] = {"items": len(items), "right": mean(right), "names": mean(names), "no_call": refused, "unparsable": mean(p is None for p in parsed), "too_long": mean(a == "" for a in answers)}
    return figures


def answerer(model, encoder):
    end = encoder.tokenizer.token_to_id(END)

    def answer_all(prompts):
        ids = [encoder.fast(p) for p in prompts]
        fits = [i for i, p in enumerate(ids) if len(p) <= LONGEST]
        got = greedy(model, [ids[i] for i in fits], end)
        answers = [""] * len(prompts)
        for i, tokens in zip(fits, got):
            answers[i] = encoder.tokenizer.decode(tokens, skip_special_tokens=False)
        return answers
    return answer_all


def load(size, run, device="cuda"):
    model = Model(CONFIGS[size])
    model.load_state_dict(torch.load(run / "model.pt"))
    return model.to(device, torch.bfloat16).eval()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("size", choices=CONFIGS)
    parser.add_argument("run", type=Path)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--held-out", type=Path)
    parser.add_argument("--bfcl", type=Path)
    options = parser.parse_args()
    answer_all = answerer(load(options.size, options.run), Encoder(options.tokenizer))
    figures = {}
    parts = {"own": lambda: own(answer_all, data.held_out(options.held_out), options.run), "bfcl": lambda: bfcl(options.bfcl, answer_all)}
    if options.held_out:
        parts = {"held_out": lambda: held_out(options.held_out, answer_all, options.run)} | parts
    for name, measure in parts.items():
        if name == "own" and not options.held_out or name == "bfcl" and not options.bfcl:
            continue
        figures[name] = measure()
        (options.run / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
        show({name: figures[name]})


def show(figures):
    for part, scores in figures.items():
        for kind, figure in scores.items() if part != "own" else [("", scores)]:
            print(f"{part} {kind}: " + ", ".join(f"{k} {v}" for k, v in figure.items()), flush=True)


if __name__ == "__main__":
    main()
