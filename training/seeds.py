"""Seed tools and what the generator makes of one: renamed, reworded, with other values, still saying the same."""
import json
import re
import zlib
from pathlib import Path

from check_seeds import Reader, Slot

import compose as C
import phrases as P
import values as V
import words as W

HERE = Path(__file__).parent
PLAIN_WORD = re.compile(r"[a-z]{3,}")
KEPT = set("""this that with from what when where which have want need like would could should please tell show find give make about there their your name date time list number type unit
value using between into over under more than each every some only just them they were been will does mine ours kind much many other first last next same per for and the""".split())

PARAM_SYNONYMS = {line.split(":")[0]: line.split(":")[1].split() for line in """city:location town place city_name
location:place city area where site
place:location spot venue
country:nation country_name land
date:day on_date the_date when
start_date:from_date begin date_from since
end_date:to_date until date_to
time:at hour clock_time when
start_time:begins_at from_time
end_time:ends_at to_time
count:number quantity how_many num
quantity:count amount number qty
limit:max_results top count max_items
max_results:limit top_n result_count
amount:sum value total how_much
price:cost amount
max_price:price_limit budget upper_price
name:title label full_name called
title:name heading label
text:content body note message
message:text body content msg
query:search_term keywords q term topic
topic:subject theme about
description:details note summary
category:type group kind section
type:kind category sort variety
unit:units measure unit_of_measure
units:unit measurement
language:lang target_language tongue
currency:currency_code money_unit
email:email_address mail to
phone:phone_number number telephone
id:identifier key ref number
status:state condition
year:in_year the_year yr
month:in_month the_month
duration:length how_long period
duration_minutes:minutes length_in_minutes
distance:length range how_far
weight:mass how_heavy
height:tall elevation h
width:w breadth wide
length:l long extent
radius:r circle_radius
temperature:temp degrees heat
speed:velocity pace v
rate:percentage ratio
interest_rate:rate annual_rate r
color:colour shade
size:dimensions magnitude
priority:importance urgency level
recipient:to receiver addressee
sender:from author
person:who name individual
user:username account who
file:filename document path
path:filepath location folder
url:link address website
room:area space
device:appliance gadget unit
items:things entries products
notes:comment remarks memo
reason:cause why motive
format:output_format style layout
sort_by:order_by sorted_by
destination:to target arrival
origin:from source departure
from:source origin start
to:target destination end
player:athlete sportsman
team:club side squad
song:track tune
movie:film picture
book:title novel volume
genre:style category
age:years how_old
gender:sex
mass:m weight kg
force:f newtons
time_seconds:seconds t
precision:decimals decimal_places digits
""".strip().split("\n")}

VERB_OF = {verb: group for group in P.VERB_GROUPS for verb in group[0]}


def name_words(name):
    return [w.lower() for part in re.split(r"[._]", name) for w in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", part)]


def load(folder, withhold=False):
    """Every tool of the files in folder whose lines all parse; a file of work in progress loses only its bad tools.

    With `withhold`, one request of every fourth tool is set apart (`withheld`), for requests of new wording to tools that are known."""
    found = []
    for path in sorted(Path(folder).glob("*.txt")):
        reader = Reader(path).read()
        marks = sorted(t.line for t in reader.tools)
        bad = {max([m for m in marks if m <= line], default=0) for line, _ in reader.errors}
        found += [Seed(tool, path.stem, withhold) for tool in reader.tools if tool.line not in bad or broken_only_by_counts(tool, reader)]
    return found


def broken_only_by_counts(tool, reader):
    own = [text for line, text in reader.errors if line == tool.line]
    end = min([t.line for t in reader.tools if t.line > tool.line], default=10 ** 9)
    inner = [line for line, _ in reader.errors if tool.line < line < end]
    return not inner and all("requests, not" in text or "lines" in text for text in own)


class Seed:
    def __init__(self, tool, domain, withhold=False):
        self.tool, self.domain, self.withheld = tool, domain, None
        number = zlib.crc32(tool.name.encode())
        if withhold and number % 4 == 0 and len(tool.requests) > 6:
            self.withheld = tool.requests.pop(number // 4 % len(tool.requests))
        self.words = name_words(tool.name)
        self.params = list(tool.params.values())
        self.nouns = self.swappable()
        self.clauses = self.own_clauses()
        self.verbatim = self.verbatim_values()
        self.used = [{s.param for call in r.calls() for s in call} for r in tool.requests]

    def own_clauses(self):
        """How requests word values in a clause of their own: param -> [(text before, slot, text behind)]."""
        found = {}
        for request in self.tool.requests:
            for part in request.parts:
                for i in clause_spots(part):
                    after = re.match(r"[^,.;!?]*", part[i + 1]).group() if i + 1 < len(part) else ""
                    found.setdefault(part[i].param, []).append((part[i - 1].rpartition(",")[2], part[i], after))
        return found

    def verbatim_values(self):
        """The strings of no kind that requests give word for word: param -> values."""
        found = {}
        for slot in (s for r in self.tool.requests for call in r.calls() for s in call):
            if slot.surface is not None and slot.surface == slot.value and self.tool.params[slot.param].type.name == "string" and not self.tool.params[slot.param].kind:
                found.setdefault(slot.param, []).append(slot.value)
        return found

    def swappable(self):
        """Nouns of the tool's name and parameters that its requests also use: replacing them everywhere keeps the sense."""
        plain = " ".join(p for r in self.tool.requests for p in [*r.shared, *sum(r.parts, [])] if isinstance(p, str)).lower()
        spoken = set(PLAIN_WORD.findall(plain)) | set(PLAIN_WORD.findall(self.tool.description.lower()))
        names = self.words + [w for p in self.params for w in name_words(p.name)]
        stems = {w[:-1] if w.endswith("s") and len(w) > 4 else w for w in names if len(w) > 3}
        return [s for s in sorted(stems) if s not in KEPT and s not in VERB_OF and (s in spoken or s + "s" in spoken)]


EDGE = re.compile(r"[.!?;:]\s|\n")


def contexts(seeds):
    """What stands around the values of the seeds' requests, by kind: up to four words before and two behind."""
    found = {}
    for seed in seeds:
        for request in seed.tool.requests:
            for part in [request.shared, *request.parts]:
                for i, slot in enumerate(part):
                    if isinstance(slot, Slot) and slot.surface is not None:
                        before = part[i - 1] if i and isinstance(part[i - 1], str) else ""
                        after = part[i + 1] if i + 1 < len(part) and isinstance(part[i + 1], str) else ""
                        add_context(found, seed.tool.params[slot.param], before, after)
    return {kind: pairs for kind, pairs in found.items() if len(pairs) > 5}


def add_context(found, param, before, after):
    kind = {"enum": "enum", "array": "list"}.get(param.type.name) or param.kind or (param.type.name if param.type.name in ("integer", "number") else None)
    words = EDGE.split(before)[-1].split(" ")
    left = " ".join(words[-5:]).lstrip(" ,")
    right = re.match(r"(?: [a-z]+){0,2}", after).group() if after[:1] == " " else ""
    if kind and param.type.name != "boolean" and (left.strip() or right):
        found.setdefault(kind, []).append((left, right))
        if re.search(r"_(cm|mm|m|km|kg|g|mg|l|ml|s|ms|minutes|hours|days|c|percent|w|v|usd|eur)$", param.name):
            found.setdefault("unit", []).append((left, ""))


def clause_spots(part):
    """Slots that stand alone in a clause: a comma before them, and the end or punctuation behind, no other slot in between."""
    spots = []
    for i, slot in enumerate(part):
        if isinstance(slot, Slot) and slot.surface and i and isinstance(part[i - 1], str) and "," in part[i - 1]:
            after = part[i + 1] if i + 1 < len(part) else ""
            if isinstance(after, str) and (not after or re.match(r"[a-z ]*[,.;!?]", after) or i + 2 == len(part)):
                spots.append(i)
    return spots


def without_clause(part, spots):
    """The part less the clauses of the given slots."""
    kept = list(part)
    for i in sorted(spots, reverse=True):
        after = kept[i + 1] if i + 1 < len(kept) else ""
        rest = re.sub(r"^[^,.;!?]*", "", after)
        kept[i - 1:i + 2] = [kept[i - 1].rpartition(",")[0] + rest]
    return [p for p in kept if p != ""]


def schema_of(kind):
    if kind.name == "enum":
        return {"type": "string", "enum": list(kind.members)}
    if kind.name == "array":
        return {"type": "array", "items": schema_of(kind.item)}
    if kind.name == "object":
        fields = {name: schema_of(t) for name, (t, _) in kind.fields.items()}
        required = [name for name, (_, needed) in kind.fields.items() if needed]
        return {"type": "object", "properties": fields} | ({"required": required} if required else {})
    return {"type": kind.name}


def plain_json(seed):
    """The tool exactly as written, for evaluation."""
    params = []
    for p in seed.params:
        schema = schema_of(p.type)
        full = {"type": schema.pop("type")} | ({"description": p.description} if p.description else {}) | schema
        params.append(C.Param(p.name, p.name, full, p.kind, None, p.required, True))
    function = {"name": seed.tool.name, "description": seed.tool.description,
                "parameters": {"type": "object", "properties": {p.name: p.schema for p in params}, "required": [p.name for p in params if p.required]}}
    return json.dumps({"type": "function", "function": function}, ensure_ascii=False)


def says_whole_date(surface, value):
    return value[:4] in surface and re.search(rf"(?<!\d)0?{int(value[8:])}(?!\d)", surface.replace(value[:4], "")) is not None


LEAD = re.compile(r"\b((?:in|for|at|on|to|from|of|about|called|named|with|by|into|is|near|titled|around|between|until|using|has|a|an|the|one|another)(?: [a-z]+)?) $")
PREPOSITION = re.compile(r"\s*\b(?:in|for|at|on|to|from|of|about|called|named|with|by|into|is|near|titled|around|between|until)\s*(?:the |my |a )?$")
CODED = {"currency": V.CURRENCY_WORDS, "country": [(code, name) for name, code in V.COUNTRY_CODES], "language": [(code, name) for name, code in V.LANGUAGE_CODES]}
DIGIT_NAMES = re.compile(r"\d|YYYY|HH|ISO|code|metre|meter|second|minute|hour|percent|decimal|kilo|gram|degree|dollar|default|unit|letter|lower|upper| in | as |without|e\.g\.")


def noun_pattern(nouns):
    return re.compile(r"\b(" + "|".join(nouns) + r")(s|es)?\b", re.I) if nouns else None


class SeedTool:
    """One mutation of a seed: a tool with names, texts and values of its own."""

    def __init__(self, seed, rng, lex):
        self.seed, self.lex = seed, lex
        self.group, self.key = seed.domain, ("seed", seed.tool.name)
        faithful = rng.random() < 0.32
        self.nouns = {} if faithful else self.draw_nouns(rng)
        self.pattern = noun_pattern(self.nouns)
        self.case = self.own_case() if faithful else rng.choice(C.CASES)
        self.name = seed.tool.name if faithful else self.rename(rng)
        self.kept = self.keep_params(rng)
        self.extra = [] if faithful or rng.random() < 0.55 else self.extra_params(rng)
        self.members, self.style = {}, rng.choice((None,) * 12 + (str.upper, str.title))
        self.params = self.build_params(rng, faithful)
        self.by_name = {p.source.name: p for p in self.params if p.source}
        self.choices = [i for i, used in enumerate(seed.used) if used <= self.by_name.keys()] or list(range(len(seed.used)))
        description = self.swap_nouns(seed.tool.description)
        self.json = C.function_json(self.name, description if faithful else self.reword(description, rng), self.params, rng)

    def own_case(self):
        return "camel" if re.search(r"[a-z][A-Z]", self.seed.tool.name) else "snake"

    def draw_nouns(self, rng):
        if not self.seed.nouns or rng.random() < 0.65:
            return {}
        chosen = rng.sample(self.seed.nouns, min(len(self.seed.nouns), rng.choice((1, 1, 2, 3))))
        return {stem: self.lex.noun(rng) for stem in chosen}

    def swap_nouns(self, text):
        if not self.pattern:
            return text

        def swap(match):
            new = self.nouns[match.group(1).lower()] + (match.group(2) or "")
            return new[:1].upper() + new[1:] if match.group(1)[0].isupper() else new
        return self.pattern.sub(swap, text)

    def map_words(self, words):
        mapped = []
        for w in words:
            stem = w[:-1] if w.endswith("s") and len(w) > 4 else w
            new = self.nouns.get(stem)
            mapped.append(w if new is None else new + ("s" if w != stem else ""))
        return mapped

    def rename(self, rng):
        words = self.map_words(self.seed.words)
        if words[0] in VERB_OF and rng.random() < 0.4:
            words[0] = rng.choice(VERB_OF[words[0]][0])
        if rng.random() < 0.08:
            words = [rng.choice(W.VERBS), self.lex.noun(rng)]
        elif rng.random() < 0.2:
            words.insert(rng.randint(0, len(words)), self.lex.noun(rng))
        elif len(words) > 2 and rng.random() < 0.15:
            words.pop(rng.randint(1, len(words) - 1))
        name = C.join_name(words, self.case)
        return C.join_name([self.lex.noun(rng)], "flat") + "." + name if rng.random() < 0.15 else name

    def keep_params(self, rng):
        optional = [p for p in self.seed.params if not p.required]
        if not optional or rng.random() < 0.6:
            return self.seed.params
        gone = set(p.name for p in rng.sample(optional, rng.randint(1, len(optional))))
        if all(used & gone for used in self.seed.used):
            return self.seed.params
        return [p for p in self.seed.params if p.name not in gone]

    def extra_params(self, rng):
        obj = " ".join(self.seed.words[1:]) or self.seed.words[0]
        present = [C.Param(p.name, " ".join(name_words(p.name)), {}, p.kind or p.type.name, None, False, True) for p in self.seed.params]
        made = []
        for _ in range(rng.choice((1, 1, 2, 3))):
            param = C.make_param(rng, self.lex, obj, self.case, required=False)
            if not param.worded or C.fits(param, present + made):
                made.append(param)
        return made

    def build_params(self, rng, faithful):
        built, names = [], set()
        for p in self.kept:
            param = self.build_param(p, rng, faithful)
            if param.name in names:
                param.name = p.name
            names.add(param.name)
            built.append(param)
        for extra in self.extra:
            if extra.name not in names:
                extra.source = None
                names.add(extra.name)
                built.append(extra)
        if not faithful and rng.random() < 0.3:
            rng.shuffle(built)
        return built

    def build_param(self, p, rng, faithful):
        words = self.map_words(name_words(p.name))
        schema = schema_of(p.type)
        description = self.swap_nouns(p.description)
        if not faithful:
            words = self.rename_param(p, words, description, rng)
            description = self.reword_param(description, p, words, rng)
        if p.type.name == "enum":
            schema["enum"] = self.members[p.name] = self.draw_members(p, rng, faithful)
            if self.style and not faithful:
                schema["enum"] = [self.style(m) for m in schema["enum"]]
        full = {"type": schema.pop("type")}
        if description:
            full["description"] = description
        full.update(schema)
        name = p.name if faithful else C.join_name(words, self.case if self.case in ("snake", "camel") else "snake")
        required = p.required and (faithful or rng.random() > 0.04)
        param = C.Param(name, " ".join(words), full, p.kind or p.type.name, None, required, True)
        param.source = p
        return param

    def rename_param(self, p, words, description, rng):
        roll = rng.random()
        if roll < 0.22 and p.name.lower() in PARAM_SYNONYMS:
            return rng.choice(PARAM_SYNONYMS[p.name.lower()]).split("_")
        if roll < 0.30 and words[-1] in PARAM_SYNONYMS:
            return words[:-1] + rng.choice(PARAM_SYNONYMS[words[-1]]).split("_")
        if roll > 0.93 and description and p.type.name != "boolean":
            return [self.lex.noun(rng)]
        if roll > 0.86:
            return words + [rng.choice(("value", "param", "name", "info", "field", "input", "data"))] if rng.random() < 0.4 else [rng.choice(("the", "my", "target", "input", "given", "new", self.lex.noun(rng)))] + words
        return words

    def reword_param(self, text, p, words, rng):
        if not text:
            return rng.choice(("", "", "The " + " ".join(words), " ".join(words).capitalize()))
        roll = rng.random()
        if roll < 0.05 and not DIGIT_NAMES.search(text):
            return ""
        if roll < 0.2:
            return text[:1].lower() + text[1:] if text[1:2].islower() else text
        if roll < 0.3:
            return text.rstrip(".") + "."
        if roll < 0.38:
            return ("Required. " if p.required else "Optional. ") + text
        if roll < 0.44:
            return text.rstrip(".") + ". " + rng.choice(P.SENTENCES).format(r=self.lex.noun(rng))
        if roll < 0.5 and text.startswith("The "):
            return text[4:5].upper() + text[5:]
        if roll < 0.56 and not text.startswith(("The ", "Whether", "If", "A ", "An ")) and text[1:2].islower():
            return "The " + text[:1].lower() + text[1:]
        return text

    def draw_members(self, p, rng, faithful):
        members = list(p.type.members)
        if faithful:
            return members
        if rng.random() < 0.25:
            members += [m for m in (self.lex.word(rng) for _ in range(rng.choice((1, 2, 3)))) if m not in members]
        if rng.random() < 0.3:
            rng.shuffle(members)
        return members

    def reword(self, text, rng):
        roll = rng.random()
        if roll < 0.12:
            verb, _, rest = text.partition(" ")
            if verb.lower() in VERB_OF:
                return rng.choice(VERB_OF[verb.lower()][1]) + " " + rest
        if roll < 0.2:
            return rng.choice(("This function is used to ", "Use this to ", "Tool to ", "A function to ")) + text[:1].lower() + text[1:]
        if roll < 0.3:
            return text.rstrip(".") + "."
        if roll < 0.36:
            return text[:1].lower() + text[1:]
        if roll < 0.44:
            return text.rstrip(".") + ". " + rng.choice(P.SENTENCES).format(r=self.lex.noun(rng))
        return text

    def say(self, slot, rng, today):
        """The surface of a slot and its value, both perhaps redrawn, and whether today's date is needed."""
        source = self.by_name[slot.param].source
        kind, type_name = source.kind, source.type.name
        if slot.relative:
            surface, spec = (slot.surface, slot.value) if rng.random() < 0.45 else V.draw_relative(rng)
            return surface, V.iso(V.relative_day(spec, today)), True
        if type_name == "enum":
            return (*self.say_member(slot, source, rng), False)
        if slot.surface is None or rng.random() < 0.2:
            return slot.surface, slot.value, False
        if type_name in ("integer", "number"):
            return (*self.say_number(slot, type_name == "integer", kind, rng), False)
        if type_name == "string":
            return (*self.say_string(slot, kind, rng), False)
        if type_name == "array" and source.type.item.name in ("string", "integer", "number"):
            return (*self.say_array(slot, source, rng), False)
        return slot.surface, slot.value, False

    def say_member(self, slot, source, rng):
        members = self.members[source.name]
        surface, value = slot.surface, slot.value
        plain = surface is not None and surface.lower() == value.lower().replace("_", " ")
        if plain and rng.random() < 0.6:
            value = rng.choice(members)
            surface = C.say_member(value, rng)
        if self.style and self.by_name[source.name].schema["enum"] != members:
            value = self.style(value)
        return surface, value

    def say_number(self, slot, whole, kind, rng):
        new = V.respell_number(slot.surface, slot.value, whole, rng)
        if new is None or kind == "percent" and slot.value <= 100 < new[1] or 0 < slot.value < 1 < new[1]:
            return slot.surface, slot.value
        return new

    def say_string(self, slot, kind, rng):
        surface, value = slot.surface, slot.value
        if kind == "date" and re.fullmatch(r"\d{4}-\d\d-\d\d", value) and (surface == value or says_whole_date(surface, value)):
            day = V.any_day(rng)
            return (V.iso(day) if surface == value else V.long_date(day, rng)), V.iso(day)
        if kind == "time" and re.fullmatch(r"\d\d:\d\d", value):
            h, m = V.clock(rng)
            return (f"{h:02d}:{m:02d}" if surface == value else V.say_time(h, m, rng)), f"{h:02d}:{m:02d}"
        coded = CODED.get(kind)
        if coded and surface != value and any(code == value for code, _ in coded):
            return rng.choice(coded)[::-1]
        if kind is None and surface == value and rng.random() < 0.5:
            other = rng.choice(self.seed.verbatim.get(slot.param, [value]))
            return other, other
        if surface.lower() != value.lower() or kind in (None, "date", "time", "datetime"):
            return surface, value
        new = V.text_value(kind, rng, self.lex)
        if new is None:
            return surface, value
        if surface == value:
            return new, new
        return (new.lower(), new) if kind in V.PROPER else (surface, value)

    def say_array(self, slot, source, rng):
        items, kind = slot.value, source.kind
        if source.type.item.name == "string":
            if not kind or not all(i in slot.surface for i in items) or V.text_value(kind, rng, self.lex) is None:
                return slot.surface, slot.value
            new = list(dict.fromkeys(V.text_value(kind, rng, self.lex) for _ in range(rng.choice((2, 2, 3, 3, 4, 5)))))
            return V.join_list(new, rng), new
        said = re.findall(r"-?\d+(?:\.\d+)?", slot.surface)
        if len(said) != len(items):
            return slot.surface, slot.value
        count = rng.randint(2, 8) if len(items) > 3 else len(items)
        whole = source.type.item.name == "integer" or all(isinstance(i, int) for i in items)
        new = [V.similar_integer(max(2, abs(int(items[0]))), rng) if whole else round(rng.uniform(0, 2 * abs(items[0]) + 1), rng.choice((1, 2))) for _ in range(count)]
        if slot.surface.startswith("["):
            return "[" + ", ".join(map(str, new)) + "]", new
        return V.join_list([str(n) for n in new], rng), new

    def request(self, rng, today):
        index = rng.choice(self.choices)
        source = self.seed.tool.requests[index]
        needs_today = False
        pieces, shared = [], {}
        calls, slots = [], []

        def walk(part, args):
            nonlocal needs_today
            for piece in part:
                if isinstance(piece, str):
                    pieces.append(self.swap_nouns(piece))
                    continue
                surface, value, relative = self.say(piece, rng, today)
                needs_today |= relative
                if surface is not None:
                    pieces.append((surface,))
                param = self.by_name[piece.param]
                args[param.name] = value
                if surface == value and param.source.kind in V.STRING_KINDS:
                    slots.append(param)
        walk(source.shared, shared)
        for number, part in enumerate(source.parts):
            if number:
                pieces.append(" ")
            args = dict(shared)
            walk(self.trimmed(part, rng), args)
            calls.append(args)
        if len(calls) == 1 and rng.random() < 0.25:
            pieces, more = self.append_optional(pieces, calls[0], rng, today)
            needs_today |= more
        order = [p.name for p in self.params]
        calls = [{name: args[name] for name in order if name in args} for args in calls]
        return pieces, calls, needs_today, slots

    def trimmed(self, part, rng):
        """The part, now and then without the clause of an optional value."""
        if rng.random() < 0.7:
            return part
        spots = [i for i in clause_spots(part) if not self.seed.tool.params[part[i].param].required]
        return without_clause(part, rng.sample(spots, rng.randint(1, len(spots)))) if spots else part

    def append_optional(self, pieces, args, rng, today):
        """Gives one unused optional parameter a value, in a clause of another request of the seed or in a phrase of the composed grammar."""
        known = [p for p in self.params if p.source and p.name not in args and p.source.name in self.seed.clauses]
        if known and rng.random() < 0.6:
            param = rng.choice(known)
            before, slot, after = rng.choice(self.seed.clauses[param.source.name])
            surface, value, relative = self.say(slot, rng, today)
            args[param.name] = value
            return C.add_phrase(list(pieces), [self.swap_nouns(before.lstrip()), (surface,), self.swap_nouns(after)], rng), relative
        free = [p for p in self.params if p.name not in args and (p.source is None or p.schema["type"] in ("boolean", "string") and "enum" in p.schema or p.schema["type"] == "boolean")]
        if not free:
            return pieces, False
        param = rng.choice(free)
        if param.source is None:
            surface, value, relative = param.draw(rng, today)
        elif param.schema["type"] == "boolean":
            value, relative = rng.random() < 0.5, False
            thing = " ".join(w for w in param.words.split() if w not in ("include", "is", "with", "show", "use", "enable", "enabled", "has", "should")) or param.words
            surface = rng.choice(P.YES if value else P.NO).format(a=thing)
        else:
            value, relative = rng.choice(param.schema["enum"]), False
            surface = C.say_member(value, rng)
        args[param.name] = value
        return C.add_phrase(list(pieces), C.bind(param, surface, rng, self.lex, False), rng), relative

    def parallel(self, rng, today):
        """One request for two or three calls: the stretch from one slot to another said again with other values."""
        source = self.seed.tool.requests[rng.choice(self.choices)]
        part = source.parts[0]
        spots = [i for i, p in enumerate(part) if isinstance(p, Slot) and p.surface is not None]
        if len(source.parts) > 1 or source.shared or not spots:
            return None
        first = rng.choice(spots[:2]) if len(spots) > 1 else spots[0]
        last = rng.choice([i for i in spots if i >= first][:3])
        count, needs_today = rng.choice((2, 2, 2, 3)), False
        said = {i: [self.say(part[i], rng, today) for _ in range(count if first <= i <= last else 1)] for i, p in enumerate(part) if isinstance(p, Slot)}
        needs_today = any(relative for values in said.values() for _, _, relative in values)
        calls = []
        for n in range(count):
            args = {self.by_name[part[i].param].name: values[n % len(values)][1] for i, values in said.items()}
            calls.append({p.name: args[p.name] for p in self.params if p.name in args})
        if any(c in calls[:i] for i, c in enumerate(calls)):
            return None
        spoken = [[surface for surface, _, _ in said[i]] for i in spots if first <= i <= last]
        listable = all(len(set(values)) == count for values in spoken) and not any(isinstance(part[i].value, list) for i in spots if first <= i <= last)
        if not listable and any(isinstance(part[i].value, list) for i in spots if first <= i <= last) and rng.random() < 0.7:
            return None
        lists = listable and rng.random() < (0.3 if last > first else 0.6)
        pieces = self.said_as_lists(part, said, first, last, rng) if lists else self.said_again(part, said, first, last, count, rng)
        return pieces, calls, needs_today, []

    def said_as_lists(self, part, said, first, last, rng):
        """Each repeated slot as a list of its values: "Oslo and Rome on Monday and Friday respectively"."""
        pieces = []
        for i, piece in enumerate(part):
            if isinstance(piece, str):
                pieces.append(self.swap_nouns(piece))
            elif piece.surface is not None:
                pieces.append((V.join_list([surface for surface, _, _ in said[i]], rng),))
        if last > first and isinstance(pieces[-1], str):
            pieces[-1] = pieces[-1].rstrip(".?! ") + rng.choice((" respectively", ", respectively", ", in that order"))
        elif last > first:
            pieces.append(rng.choice((" respectively", ", respectively", " each", ", in this order")))
        return pieces

    def said_again(self, part, said, first, last, count, rng):
        def stretch(begin, end, n):
            return [self.swap_nouns(p) if isinstance(p, str) else (said[i][n % len(said[i])][0],) for i, p in enumerate(part) if begin <= i <= end and not (isinstance(p, Slot) and p.surface is None)]
        lead = LEAD.search(part[first - 1]) if first and isinstance(part[first - 1], str) else None
        pieces = stretch(0, last, 0)
        joiner = rng.choice((" and ", ", and ", " and also ", "; ", ", then ", " as well as ", ", plus ", " and then "))
        for n in range(1, count):
            between = joiner if n == count - 1 else ", "
            pieces += [between + (self.swap_nouns(lead.group(1)) + " " if lead and rng.random() < 0.75 else ""), *stretch(first, last, n)]
        return pieces + stretch(last + 1, len(part), 0)

    def missing(self, rng, today):
        if not self.seed.tool.missing:
            return None
        if rng.random() < 0.5:
            cut = self.cut_required(rng, today)
            if cut:
                return cut
        request, question = rng.choice(self.seed.tool.missing)
        asked = self.asks_for(question)
        if asked and rng.random() < 0.6:
            return [self.swap_nouns(request)], P.MISSING[0].format(a=asked.words), False
        return [self.swap_nouns(request)], self.swap_nouns(question), False

    def cut_required(self, rng, today):
        """A request of the seed without one required value (and the preposition before it)."""
        source = self.seed.tool.requests[rng.choice(self.choices)]
        if len(source.parts) > 1:
            return None
        part = source.parts[0]
        spots = [i for i, p in enumerate(part) if isinstance(p, Slot) and p.surface and self.by_name[p.param].required and self.by_name[p.param].source.required
                 and i and isinstance(part[i - 1], str) and PREPOSITION.search(part[i - 1])]
        if not spots:
            return None
        gone = rng.choice(spots)
        pieces, needs_today = [], False
        for i, piece in enumerate(part):
            if i == gone:
                continue
            if isinstance(piece, str):
                text = self.swap_nouns(piece)
                pieces.append(PREPOSITION.sub("", text) if i == gone - 1 else text)
                continue
            surface, _, relative = self.say(piece, rng, today)
            needs_today |= relative
            if surface is not None:
                pieces.append((surface,))
        return pieces, P.MISSING[0].format(a=self.by_name[part[gone].param].words), needs_today

    def asks_for(self, question):
        """The required parameter a hand-written question is about, if its words tell."""
        said = set(PLAIN_WORD.findall(question.lower()))
        hits = [p for p in self.seed.params if p.required and said & set(w for w in name_words(p.name) if len(w) > 3)]
        return self.by_name[hits[0].name] if len(hits) == 1 else None

    def declined(self, rng):
        if not self.seed.tool.declined or len(self.kept) < len(self.seed.params):
            return None
        return [self.swap_nouns(rng.choice(self.seed.tool.declined))]

    def result(self, rng):
        if not self.seed.tool.results:
            return None
        body, answer = rng.choice(self.seed.tool.results)
        return vary_result(body, answer, rng, self.lex)


def graft_bank(seeds):
    """Parameters of all seeds that have two or more clauses of their own."""
    return [(seed, seed.tool.params[name], clauses) for seed in seeds for name, clauses in seed.clauses.items() if len(clauses) > 1]


def graft(bank, rng, lex, case, required):
    """A parameter of some seed, with its hand-written clauses, for use in another tool."""
    seed, source, clauses = rng.choice(bank)
    tool = SeedTool.__new__(SeedTool)
    tool.seed, tool.lex, tool.case, tool.nouns, tool.pattern, tool.members, tool.style = seed, lex, case, {}, None, {}, None
    own = tool.build_param(source, rng, False)
    tool.by_name = {source.name: own}

    def draw(rng, today):
        before, slot, after = rng.choice(clauses)
        surface, value, relative = tool.say(slot, rng, today)
        return C.Clause(p for p in (before.lstrip(), (surface,), after) if p), value, relative
    param = C.Param(own.name, own.words, own.schema, source.kind or source.type.name, draw, rng.random() < 0.4 if required is None else required, True)
    param.source, param.worded = None, True
    return param


def vary_result(body, answer, rng, lex):
    """A seed's result with other numbers and names, the same in the result and in the answer."""
    for number in set(re.findall(r"(?<![\w.-])\d+(?:\.\d+)?(?![\w.:-])", answer)):
        spot = re.compile(r"(?<![\w.-])" + re.escape(number) + r"(?![\w:-]|\.\d)")
        if rng.random() < 0.7 and spot.search(body):
            new = f"{float(number) * rng.uniform(0.3, 2.5):.{len(number.split('.')[1])}f}" if "." in number else str(V.similar_integer(int(number), rng))
            body, answer = spot.sub(new, body), spot.sub(new, answer)
    for name in set(re.findall(r'"([A-Z][^"\\]{2,40})"', body)):
        if name in answer and rng.random() < 0.5:
            new = V.titled(V.phrase(rng, lex, 1, 3), rng)
            body, answer = body.replace(f'"{name}"', json.dumps(new, ensure_ascii=False)), answer.replace(name, new)
    return body, answer
