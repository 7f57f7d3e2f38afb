"""The held-out set: tools and requests of training/heldout/*.txt that training never sees, as one JSON file.

    python3 training/heldout.py [FILE]      writes training/heldout.json.gz (or FILE)

{"tools": {name: tool}, "values": [...], "names": [...], "items": [{"kind", "tools": [names], "messages": [...], "calls": [...], "accept": [...]}]}
kinds: call, parallel, several (two tools in one message), declined (near a tool of the list), absent (the tool is not in the list), missing (ask back),
result (a tool result to be told), chat; and values, wording, names: see factors.py. "calls" is the exact answer; where it is empty no call may be made. "accept" has one object a call, of the arguments for which other values
are as right (null: it may be left out), by three rules: a value that is the default its description states may be given or left out; a string
may be the request's own words where the exact value rewrites them; a name may keep the article that stands before it.
"""
import datetime
import gzip
import json
import random
import re
import sys
from pathlib import Path

import factors
import seeds as S
import values as V

HERE = Path(__file__).parent
TODAY = datetime.date(2026, 11, 22)
DATE = "Today is Sunday, 2026-11-22."
CHAT = """hello, anyone home?|hey Tetrad, nice to meet you|top of the morning|what are you called?|so, who is this then?|tell me who you are|how have you been|how's life treating you|thanks, that was helpful|thank you kindly
cheers mate|bye now|see you tomorrow|good night then|are you a person or a program|is this a real human|who programmed you|how many parameters have you got|crack a joke|got something funny for me?|that was rubbish|you made a mistake
you're wonderful|nice one|okay then|right, got it|never mind that|forget about it|I'm feeling down today|I'm over the moon|could you give me some help|I could do with some help|what sort of things can you do|what else can you do for me
which tools have you got|hi again|hello friend|thank you very much indeed|ok bye|well done you""".replace("\n", "|").split("|")


def text_and_calls(seed, request):
    """The request as a user writes it, its calls, and whether it needs today's date."""
    relative = False

    def value(slot):
        nonlocal relative
        if slot.relative:
            relative = True
            return V.iso(V.relative_day(slot.value, TODAY))
        return slot.value

    def plain(part):
        return "".join(p if isinstance(p, str) else p.surface or "" for p in part)

    order = [p.name for p in seed.params]
    calls = []
    for slots in request.calls():
        args = {s.param: value(s) for s in slots}
        calls.append({"name": seed.tool.name, "arguments": {n: args[n] for n in order if n in args}})
    text = " ".join(t for t in [plain(request.shared), *map(plain, request.parts)] if t)
    return " ".join(text.split(" ")).strip(), calls, relative


DEFAULT = re.compile(r"[dD]efault:? ([^)\s,;.]+(?:\.\d+)?)")
ARTICLE = re.compile(r"\b(the|a|an|my|our) $", re.I)


def stated_default(param):
    """The default that a description states, in the parameter's type, or None."""
    found = DEFAULT.search(param.description or "")
    if not found or param.required:
        return None
    text, kind = found.group(1), param.type.name
    if kind == "boolean":
        return {"true": True, "false": False}.get(text.lower())
    if kind in ("integer", "number"):
        return float(text) if re.fullmatch(r"-?\d+\.\d+", text) else int(text) if re.fullmatch(r"-?\d+", text) else None
    return text if kind == "string" and param.kind not in ("date",) or kind == "enum" and text in param.type.members else None


def accepted(seed, request):
    """One object a call: other values that are as right, by argument."""
    found = []
    for slots in request.calls():
        other, given = {}, {s.param: s for s in slots}
        for param in seed.params:
            slot, default = given.get(param.name), stated_default(param)
            if slot is None:
                if default is not None:
                    other[param.name] = [None, default]
                continue
            values = [None] if default is not None and slot.value == default else []
            if param.type.name == "string" and not slot.relative and slot.surface is not None and param.kind not in ("date", "time", "datetime", "currency"):
                if slot.surface != slot.value and len(slot.surface) > 1 and "code" not in (param.description or "").lower():
                    values.append(slot.surface)
                article = ARTICLE.search(text_before(request, slot))
                if article and slot.surface == slot.value:
                    values.append(f"{article.group(1)} {slot.value}")
            if values:
                other[param.name] = values
        found.append(other)
    return found if any(found) else None


def text_before(request, slot):
    for part in [request.shared, *request.parts]:
        for i, piece in enumerate(part):
            if piece is slot and i and isinstance(part[i - 1], str):
                return part[i - 1]
    return ""


class Builder:
    def __init__(self, seeds):
        self.seeds, self.rng, self.items = seeds, random.Random(2026), []

    def toolbox(self, present, near=True, most=8):
        """Tool names: the present ones and up to seven others, a third of them from the same domain."""
        total = self.rng.choice((1, 1, 2, 3, 4, 5, 6, most))
        domains = {s.domain for s in present}
        names = [s.tool.name for s in present]
        own = [s for s in self.seeds if s.domain in domains and s not in present]
        far = [s for s in self.seeds if s.domain not in domains]
        while len(names) < total:
            pool = own if near and own and self.rng.random() < 0.33 else far
            name = self.rng.choice(pool).tool.name
            if name not in names:
                names.append(name)
        self.rng.shuffle(names)
        return names

    def toolbox_with(self, name):
        """The named tool among up to seven of the held-out set."""
        others = self.rng.sample([s.tool.name for s in self.seeds], self.rng.choice((0, 0, 1, 2, 3, 4, 5, 7)))
        names = [name, *(n for n in others if n != name)]
        self.rng.shuffle(names)
        return names

    def add(self, kind, tools, text, calls, relative=False, more=(), accept=None):
        system = [{"role": "system", "content": f"You are Tetrad, a helpful assistant.\n{DATE}"}] if relative else []
        self.items.append({"kind": kind, "tools": tools, "messages": [*system, {"role": "user", "content": text}, *more], "calls": calls} | ({"accept": accept} if any(accept or []) else {}))

    def build(self):
        for seed in self.seeds:
            for number, request in enumerate(seed.tool.requests):
                text, calls, relative = text_and_calls(seed, request)
                accept = accepted(seed, request)
                self.add("parallel" if len(calls) > 1 else "call", self.toolbox([seed]), text, calls, relative, accept=accept)
                if number % 6 == 1:
                    self.absent(seed, text, relative)
                if number % 12 == 3:
                    self.several(seed, text, calls, relative, accept or [{} for _ in calls])
                if number == 0:
                    self.results(seed, text, calls, relative)
            for text in seed.tool.declined:
                self.add("declined", self.toolbox([seed], near=False), text, [])
            for text, _ in seed.tool.missing:
                self.add("missing", self.toolbox([seed], near=False), text, [])
        for text in CHAT:
            self.add("chat", self.toolbox([], near=False), text, [])
        return self.items

    def absent(self, seed, text, relative):
        far = [s for s in self.seeds if s.domain != seed.domain]
        self.add("absent", [s.tool.name for s in self.rng.sample(far, self.rng.randint(1, 6))], text, [], relative)

    def several(self, seed, text, calls, relative, accept):
        other = self.rng.choice([s for s in self.seeds if s.domain != seed.domain])
        request = self.rng.choice([r for r in other.tool.requests if len(r.parts) == 1])
        more, other_calls, other_relative = text_and_calls(other, request)
        self.add("several", self.toolbox([seed, other]), f"{text if text[-1] in '?!' else text.rstrip('.') + '.'} {self.rng.choice(('Also, ', 'And another thing: ', 'Next: '))}{more}", calls + other_calls, relative or other_relative, accept=accept + (accepted(other, request) or [{}]))

    def results(self, seed, text, calls, relative):
        for body, answer in seed.tool.results:
            call = {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": c} for c in calls]}
            self.add("result", self.toolbox([seed]), text, [], relative, (call, {"role": "tool", "content": body}))
            self.items[-1]["answer"] = answer


def slot_values(seeds):
    found = set()
    for seed in seeds:
        for request in seed.tool.requests:
            for slots in request.calls():
                for slot in slots:
                    values = slot.value if isinstance(slot.value, list) else [slot.value]
                    found |= {v.lower() for v in values if isinstance(v, str) and not slot.relative}
    return sorted(found)


def read(path):
    return json.loads(gzip.decompress(Path(path).read_bytes()))


def json_of(seed):
    return json.loads(S.plain_json(seed))


def unseen(folder, trained):
    """The tools of folder that share neither name nor request with a trained one."""
    names = {s.tool.name.lower() for s in trained}
    requests = {r.skeleton() for s in trained for r in s.tool.requests}
    kept = [s for s in S.load(folder) if s.tool.name.lower() not in names]
    for seed in kept:
        seed.tool.requests = [r for r in seed.tool.requests if r.skeleton() not in requests]
    return kept


def own_names(seeds, trained):
    """Words of the parameter names that no trained tool uses in a parameter name."""
    known = {w for s in trained for p in s.params for w in S.name_words(p.name)}
    return sorted({w for s in seeds for p in s.params for w in S.name_words(p.name)} - known)


def main():
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "heldout.json.gz"
    trained = S.load(HERE / "seeds", withhold=True)
    seeds = unseen(HERE / "heldout", trained)
    builder = Builder(seeds)
    items = builder.build()
    tools = {s.tool.name: json_of(s) for s in seeds}
    for kind, seed, tool, text, calls, relative in factors.items(trained, builder.rng):
        name = (tool or json_of(seed))["function"]["name"]
        if tools.setdefault(name, tool or json_of(seed)) == (tool or json_of(seed)):
            builder.add(kind, builder.toolbox_with(name), text, calls, relative)
    body = ",\n".join(json.dumps(i, ensure_ascii=False) for i in items)
    text = ('{"tools": ' + json.dumps(tools, ensure_ascii=False) + ',\n"values": ' + json.dumps(sorted({*slot_values(seeds), *factors.unseen_values()}), ensure_ascii=False) + ',\n"names": ' + json.dumps(own_names(seeds, trained)) + ',\n"items": [\n' + body + "\n]}\n")
    out.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    kinds = {}
    for item in items:
        kinds[item["kind"]] = kinds.get(item["kind"], 0) + 1
    print(len(tools), "tools,", len(items), "items:", kinds)


if __name__ == "__main__":
    main()
