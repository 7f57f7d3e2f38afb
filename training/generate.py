"""Endless training documents: a system prompt with tools, then turns in ChatML.

    python3 training/generate.py [--count 5] [--seed 1]     prints documents

A document is a system prompt and some threads, each a conversation of its own under that prompt: threads do not see one another, so that
one list of tools serves many first turns. All are lists of segments (text, role). System and one thread, joined, are exactly what the chat
template renders; every segment starts at a token border (see tokenizer.py), so that they may be encoded apart.
"""
import argparse
import datetime
import json
import random
import re
from pathlib import Path

import compose as C
import phrases as P
import seeds as S
import values as V

DEFAULT_SYSTEM = "You are Tetrad, a helpful assistant."
TOOLS_HEAD = "\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are provided with function signatures within <tools></tools> XML tags:\n<tools>"
TOOLS_TAIL = "\n</tools>\n\nFor each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call>"
POOL_SIZE = 1500


def call_text(calls):
    """calls: (name, arguments) pairs, as the template writes them."""
    return "\n".join(f'<tool_call>\n{{"name": {json.dumps(name, ensure_ascii=False)}, "arguments": {json.dumps(args, ensure_ascii=False)}}}\n</tool_call>' for name, args in calls)


def system_segments(content, tool_lines):
    if not tool_lines:
        return [(f"<|im_start|>system\n{content}<|im_end|>", "system")]
    return [(f"<|im_start|>system\n{content}{TOOLS_HEAD}", "system"), *((f"\n{line}", "tool") for line in tool_lines), (f"{TOOLS_TAIL}<|im_end|>", "system")]


def user_segment(text):
    return f"\n<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n", "user"


def answer_segment(text):
    return f"{text}<|im_end|>", "assistant"


def response_text(bodies):
    return "\n".join(f"<tool_response>\n{body}\n</tool_response>" for body in bodies)


def date_line(today, rng):
    return rng.choice(P.DATE_LINES).format(weekday=V.WEEKDAYS[today.weekday()], iso=V.iso(today), long=rng.choice((f"{today.day} {V.MONTHS[today.month - 1]} {today.year}", f"{V.MONTHS[today.month - 1]} {today.day}, {today.year}")))


def typo(word, rng):
    i = rng.randint(1, len(word) - 2)
    return rng.choice((word[:i] + word[i + 1:], word[:i] + word[i + 1] + word[i] + word[i + 2:], word[:i] + word[i] + word[i:]))


class Speaker:
    """Turns the pieces of a request into text, with the noise of real typing around the protected values."""

    def __init__(self, rng, lex):
        self.rng, self.lex = rng, lex

    def noise(self, pieces):
        rng = self.rng
        roll = rng.random()
        if roll < 0.10:
            pieces = [p.lower() if isinstance(p, str) else p for p in pieces]
        if rng.random() < 0.10:
            pieces = [self.misspell(p) if isinstance(p, str) else p for p in pieces]
        if rng.random() < 0.08:
            pieces = [self.replace_word(p) if isinstance(p, str) else p for p in pieces]
        return pieces

    def misspell(self, text):
        words = text.split(" ")
        long = [i for i, w in enumerate(words) if len(w) > 4 and w.isalpha()]
        if long and self.rng.random() < 0.6:
            i = self.rng.choice(long)
            words[i] = typo(words[i], self.rng)
        return " ".join(words)

    def replace_word(self, text):
        """An unknown word now and then, so that no single known phrase carries the sense."""
        words = text.split(" ")
        plain = [i for i, w in enumerate(words) if len(w) > 3 and w.isalpha()]
        if plain and self.rng.random() < 0.5:
            words[self.rng.choice(plain)] = self.lex.word(self.rng)
        return " ".join(words)

    def frame(self, pieces):
        """Puts a request that starts with a verb into another sentence."""
        head = pieces[0]
        if not isinstance(head, str):
            return pieces
        first = re.match(r"[A-Za-z]+", head)
        if not first or first.group().lower() not in P.VERB_FIRST:
            return pieces
        before, _, after = self.rng.choice(P.FRAMES).partition("{x}")
        body = [head[0].lower() + head[1:]] + pieces[1:]
        if isinstance(body[-1], str):
            body[-1] = body[-1].rstrip(".!")
        if before and self.rng.random() < 0.7:
            before = before[0].upper() + before[1:]
        return [before] + body + [after]

    def say(self, pieces, chatter=0.2, frame=0.2):
        rng = self.rng
        if rng.random() < frame:
            pieces = self.frame(pieces)
        pieces = self.noise(pieces)
        text = "".join(p if isinstance(p, str) else p[0] for p in pieces)
        if rng.random() < 0.35 and text[:1].islower() and isinstance(pieces[0], str):
            text = text[0].upper() + text[1:]
        if text[-1:].isalnum() and rng.random() < 0.4:
            text += rng.choice((".", ".", "!", "?", "?"))
        return self.chat_around(text, chatter)

    def chat_around(self, text, odds):
        rng = self.rng
        if rng.random() < odds * 0.6:
            text = rng.choice(P.BEFORE) + " " + text
        if rng.random() < odds * 0.5:
            text = (text if text[-1:] in ".!?" else text + ".") + " " + rng.choice(P.AFTER)
        return text


class Generator:
    def __init__(self, seed, seed_folder=None, held_out=None, composed=0.3):
        self.rng = random.Random(seed)
        self.seeds = S.load(seed_folder or Path(__file__).parent / "seeds", withhold=True)
        if held_out:
            V.exclude(set(held_out["values"]))
            C.exclude(set(held_out["names"]))
        words = {w for s in self.seeds for r in s.tool.requests for p in [*r.shared, *sum(r.parts, [])] if isinstance(p, str) for w in re.findall(r"\b[a-z]{4,}\b", p)}
        self.lex = V.Lexicon(words, S.contexts(self.seeds))
        bank = S.graft_bank(self.seeds)
        self.lex.graft = lambda rng, case, required: S.graft(bank, rng, self.lex, case, required)
        self.speaker = Speaker(self.rng, self.lex)
        self.composed = composed
        self.by_domain = {}
        for s in self.seeds:
            self.by_domain.setdefault(s.domain, []).append(s)
        self.pool = [self.new_tool() for _ in range(200)]

    def new_tool(self):
        if not self.seeds or self.rng.random() < self.composed:
            return C.ComposedTool(self.rng, self.lex)
        return S.SeedTool(self.rng.choice(self.seeds), self.rng, self.lex)

    def distractor(self):
        """A tool of the pool; the pool is renewed slowly, since making tools costs most of the time."""
        if len(self.pool) < POOL_SIZE or self.rng.random() < 0.25:
            tool = self.new_tool()
            if len(self.pool) < POOL_SIZE:
                self.pool.append(tool)
            else:
                self.pool[self.rng.randrange(POOL_SIZE)] = tool
            return tool
        return self.rng.choice(self.pool)

    def near(self, tool):
        """Tools easily mistaken for the given one."""
        rng = self.rng
        if tool.group == "composed":
            return C.siblings(tool, rng, self.lex)
        others = [s for s in self.by_domain[tool.group] if s is not tool.seed]
        return [S.SeedTool(s, rng, self.lex) for s in rng.sample(others, min(len(others), rng.randint(1, 3)))]

    def toolbox(self):
        rng = self.rng
        total = rng.choices(range(0, 13), (2, 15, 14, 13, 12, 10, 8, 6, 5, 4, 3, 2, 2))[0]
        tools = [self.new_tool() for _ in range(min(total, rng.choice((1, 1, 2))))]
        if 0 < len(tools) < total and rng.random() < 0.45:
            tools += self.near(tools[0])
        while len(tools) < total:
            tools.append(self.distractor())
        unique, seen = [], set()
        for tool in tools[:total]:
            if tool.key not in seen and tool.name not in seen:
                seen |= {tool.key, tool.name}
                unique.append(tool)
        rng.shuffle(unique)
        return unique

    def document(self):
        """System segments and threads: each thread a conversation of its own under that system prompt."""
        rng = self.rng
        today = datetime.date(2023, 1, 1) + datetime.timedelta(days=rng.randint(0, 2900))
        tools = self.toolbox()
        turns = Turns(self, today, tools)
        if tools and rng.random() < 0.06:
            turns.chain()
        for _ in range(rng.choice((4, 5, 6, 7, 8, 9, 10)) if tools else 4):
            turns.new_thread()
            for _ in range(rng.choices((1, 2, 3), (84, 12, 4))[0]):
                turns.add()
        content = DEFAULT_SYSTEM if rng.random() < 0.55 else self.fill(rng.choice(P.SYSTEMS))
        if turns.needs_today or rng.random() < 0.2:
            line = date_line(today, rng)
            content = rng.choice((f"{content}\n{line}", f"{content} {line}", f"{content}\n{line}", line))
        return system_segments(content, [t.json for t in turns.tools]), [t for t in turns.threads if t]

    def fill(self, text):
        return re.sub(r"\{r\}", lambda m: self.lex.word(self.rng), text)


class Turns:
    """The threads of one document."""

    def __init__(self, gen, today, tools):
        self.gen, self.rng, self.today, self.tools = gen, gen.rng, today, tools
        self.threads, self.needs_today = [], False
        self.new_thread()

    def new_thread(self):
        self.segments = []
        self.threads.append(self.segments)

    def exchange(self, text, answer):
        self.segments += [user_segment(text), answer_segment(answer)]

    def add(self):
        roll = self.rng.random()
        if not self.tools:
            return self.chat() if roll < 0.6 else self.decline_all()
        if roll < 0.56:
            return self.call()
        if roll < 0.69:
            return self.several()
        if roll < 0.85:
            return self.decline()
        if roll < 0.93:
            return self.ask_back()
        return self.chat()

    def request_of(self, tool, **options):
        pieces, calls, needs_today, slots = tool.request(self.rng, self.today)
        self.needs_today |= needs_today
        return pieces, [(tool.name, args) for args in calls], slots

    def call(self):
        tool = self.rng.choice(self.tools)
        pieces, calls, slots = self.request_of(tool)
        text = self.gen.speaker.say(pieces)
        self.exchange(text, call_text(calls))
        roll = self.rng.random()
        if roll < 0.3:
            self.results(tool, calls)
        if roll < 0.12 and len(calls) == 1 and slots:
            self.follow_up(calls[0], slots)

    def follow_up(self, call, slots):
        slot = self.rng.choice(slots)
        kind = slot.kind
        value = V.text_value(kind, self.rng, self.gen.lex)
        if value is None:
            return
        name, args = call
        args = {**args, slot.name: value}
        text = self.rng.choice(P.FOLLOW_UPS).format(v=value)
        self.exchange(text[:1].upper() + text[1:] if self.rng.random() < 0.5 else text, call_text([(name, args)]))

    def several(self):
        """Two or three requests in one message."""
        rng = self.rng
        if rng.random() < 0.6:
            tool = rng.choice(self.tools)
            found = tool.parallel(rng, self.today)
            if found:
                pieces, calls, needs_today, _ = found
                self.needs_today |= needs_today
                return self.exchange(self.gen.speaker.say(pieces), call_text([(tool.name, args) for args in calls]))
        parts, calls = [], []
        for _ in range(rng.choice((2, 2, 2, 3))):
            tool = rng.choice(self.tools)
            pieces, more, _ = self.request_of(tool)
            pieces = self.gen.speaker.noise(pieces)
            parts.append("".join(p if isinstance(p, str) else p[0] for p in pieces))
            calls += [c for c in more if c not in calls]
        text = parts[0]
        for part in parts[1:]:
            joiner = rng.choice(P.ALSO)
            if joiner[0] in ".\n":
                text = text.rstrip(".!")
            else:
                text = text.rstrip(".!?")
            lower = joiner[-2:] not in (". ",) and part[:1].isalpha() and not joiner.endswith("\n") and part[:2] != "I " and part[:2] != "I'"
            text += joiner + (part[:1].lower() + part[1:] if lower else part)
        self.exchange(self.gen.speaker.chat_around(text, 0.15), call_text(calls))
        if rng.random() < 0.15:
            self.results(None, calls)

    def results(self, tool, calls):
        """The tool's results come back, and the answer sums them up."""
        rng = self.rng
        given = tool.result(rng) if tool and len(calls) == 1 and rng.random() < 0.7 else None
        pairs = [given] if given else [plain_result(rng, self.gen.lex) for _ in calls]
        answer = " ".join(dict.fromkeys(a for _, a in pairs))
        self.segments += [user_segment(response_text([b for b, _ in pairs])), answer_segment(answer)]

    def decline(self):
        """A request that no tool of the list serves."""
        rng = self.rng
        nearest = rng.choice(self.tools)
        alone = [t.group for t in self.tools].count(nearest.group) == 1
        own = nearest.declined(rng) if alone and rng.random() < 0.6 else None
        if own:
            return self.exchange(self.gen.speaker.say(own), P.REFUSAL)
        present = {t.key for t in self.tools}
        groups = {t.group for t in self.tools}
        for _ in range(20):
            tool = self.gen.new_tool() if rng.random() < 0.5 else self.gen.distractor()
            if tool.key not in present and (tool.group == "composed" and not self.resembles(tool) or tool.group not in groups):
                break
        else:
            return self.chat()
        pieces, _, _ = self.request_of(tool)
        self.exchange(self.gen.speaker.say(pieces), P.REFUSAL)

    def decline_all(self):
        pieces, _, _ = self.request_of(self.gen.distractor())
        self.exchange(self.gen.speaker.say(pieces), P.NO_TOOLS)

    def resembles(self, tool):
        words = set(tool.obj.split())
        return any(t.group == "composed" and C.related(t.verb, tool.verb) and (words & set(t.obj.split()) or tool.topic and t.topic is tool.topic) for t in self.tools)

    def ask_back(self):
        rng = self.rng
        tool = rng.choice(self.tools)
        asked = tool.missing(rng, self.today)
        if asked is None:
            return self.call()
        pieces, question, needs_today = asked
        self.needs_today |= needs_today
        self.exchange(self.gen.speaker.say(pieces), question)

    def chat(self):
        rng = self.rng
        if rng.random() < 0.2:
            names = [t.name for t in self.tools]
            if not names:
                answer = "I call tools, but none is set up here yet."
            else:
                shown = names[:6]
                listed = shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + " and " + shown[-1]
                answer = f"I can call {listed}." if len(names) <= 6 else f"I can call {', '.join(shown)} and {len(names) - 6} more."
            return self.exchange(casual(rng.choice(P.ABILITIES), rng), answer)
        says, answers = rng.choice(P.CHAT)
        self.exchange(casual(rng.choice(says), rng), answers[0])

    def chain(self):
        """Find something by what the user knows of it, then act on the id that came back."""
        rng, lex = self.rng, self.gen.lex
        obj = lex.noun(rng) if rng.random() < 0.7 else lex.word(rng) + " " + lex.noun(rng)
        key = C.make_param(rng, lex, obj, "snake", rng.choice(("person", "title", "email", "city", "topic", "code", "company")), True)
        id_name = C.join_name([obj, "id"], rng.choice(("snake", "camel")))
        ident = C.Param(id_name, f"{obj} id", {"type": "string", "description": f"Identifier of the {obj}"}, "id", C.string_maker("id", rng, lex)[1], True, True)
        finder = C.ComposedTool(rng, lex, verb=P.VERB_GROUPS[rng.randint(0, 1)], obj=obj, params=[key])
        action = rng.choice([g for g in P.VERB_GROUPS[4:] if g[0][0] not in ("calculate", "convert", "predict", "count")])
        actor = C.ComposedTool(rng, lex, verb=action, obj=obj, params=[ident])
        surface, value, needs_today = key.draw(rng, self.today)
        self.needs_today |= needs_today
        code = V.code(rng)
        opening = rng.choice(action[2]).format(o="the " + obj)
        pieces = C.add_phrase([opening], C.bind(key, surface, rng, lex, True), rng)
        self.exchange(self.gen.speaker.say(pieces), call_text([(finder.name, {key.name: value})]))
        found = rng.random() < 0.85
        body = {id_name: code, key.name: value} if rng.random() < 0.5 else {id_name: code}
        if not found:
            body = {"error": rng.choice(P.ERROR_RESULTS)}
            self.segments += [user_segment(response_text([json.dumps(body, ensure_ascii=False)])), answer_segment(f"That didn't work: {body['error']}.")]
        else:
            self.segments += [user_segment(response_text([json.dumps(body, ensure_ascii=False)])), answer_segment(call_text([(actor.name, {id_name: code})]))]
            ok, said = ok_result(rng)
            self.segments += [user_segment(response_text([ok])), answer_segment(said)]
        self.tools = [t for t in self.tools if t.name not in (finder.name, actor.name)][:10] + [finder, actor]
        rng.shuffle(self.tools)


def casual(text, rng):
    roll = rng.random()
    if roll < 0.3:
        text = text[:1].upper() + text[1:]
    elif roll < 0.5:
        text = text.lower()
    if text[-1:].isalnum() and rng.random() < 0.5:
        text += rng.choice((".", "!", "?", "?", "!"))
    return text


def ok_result(rng):
    body = rng.choice(({"status": "ok"}, {"success": True}, {"ok": True}, {"result": "ok"}, {"status": "success"}, {"done": True}, {"status": "done"}, {"error": None}))
    return json.dumps(body), "Done."


def plain_result(rng, lex):
    """A generic result and the sentence that tells it."""
    roll = rng.random()
    if roll < 0.2:
        return ok_result(rng)
    if roll < 0.35:
        error = rng.choice(P.ERROR_RESULTS) if rng.random() < 0.7 else V.phrase(rng, lex, 2, 4)
        return json.dumps({rng.choice(("error", "error", "message", "reason")): error}, ensure_ascii=False), f"That didn't work: {error}."
    compact = (",", ":") if rng.random() < 0.5 else None
    if roll < 0.5:
        items = [V.titled(V.phrase(rng, lex, 1, 2), rng) for _ in range(rng.randint(1, 4))]
        listed = items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]
        return json.dumps({lex.noun(rng) + "s": items}, ensure_ascii=False, separators=compact), f"I found {listed}."
    body, parts = {}, []
    for _ in range(rng.choice((1, 1, 2, 2, 3))):
        words = C.attribute_words(rng.choice(("number", "integer", "money", "word", "time", "temperature")), rng, lex)[0]
        value = rng.choice((V.integer(rng), V.decimal(rng), lex.word(rng), V.code(rng), V.person(rng)))
        body[C.join_name(words, rng.choice(("snake", "snake", "camel")))] = value
        parts.append(f"the {' '.join(words)} is {value}")
    text = parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
    return json.dumps(body, ensure_ascii=False, separators=compact), text[0].upper() + text[1:] + "."


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    generator = Generator(options.seed)
    for _ in range(options.count):
        system, threads = generator.document()
        print("".join(text for text, _ in system), *("".join(text for text, _ in thread) for thread in threads), sep="\n---", end="\n\n=====\n\n")


if __name__ == "__main__":
    main()
