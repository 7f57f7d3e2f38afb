"""Hand-written parameters of everyday meaning and the clauses that give them a value without their name: concepts/*.txt.

enums.txt: `name|name: member = clause; clause | member = ...`; booleans.txt: `name|name|description ++ clauses of yes -- clauses of no`;
values.txt: `name|name :: description :: type ++ clauses with {v}`; topics.txt: words of one topic a line.
"""
import re
from pathlib import Path

import values as V

HERE = Path(__file__).parent / "concepts"
MONEY = ("${}", "${}", "{} dollars", "{} bucks", "{} euros", "€{}", "{} pounds", "£{}", "{} USD", "{} EUR", "{}")


def lines(name):
    return [line for line in (HERE / name).read_text().split("\n") if line.strip()]


class Enum:
    kind = "enum"
    description = ""

    def __init__(self, line):
        names, _, body = line.partition(": ")
        self.names = names.split("|")
        self.clauses = {member: said.split("; ") for member, _, said in (part.partition(" = ") for part in body.split(" | "))}

    def schema(self, rng):
        members = list(self.clauses)
        if len(members) > 3 and rng.random() < 0.3:
            members = rng.sample(members, rng.randint(3, len(members)))
        style = rng.choice((None,) * 8 + (str.upper, str.title, lambda m: m.replace("_", " "), lambda m: m.replace("_", "-")))
        return {"type": "string", "enum": [style(m) for m in members] if style else members}

    def say(self, rng, lex, members):
        """Text before the surface (None where the surface is to be bound by name), surface, text behind, value."""
        value = rng.choice(members)
        member = re.sub(r"[ -]", "_", value.lower())
        plain = member.replace("_", " ")
        if rng.random() < 0.3:
            return None, plain, "", value
        return rng.choice(self.clauses[member] + [plain, f"{plain} please"]), "", "", value


class Boolean:
    kind = "boolean"

    def __init__(self, line):
        head, _, body = line.partition(" ++ ")
        *self.names, self.description = head.split("|")
        self.clauses = [said.split("; ") for said in body.split(" -- ")]

    def schema(self, rng):
        return {"type": "boolean"}

    def say(self, rng, lex, members):
        value = rng.random() < 0.5
        return rng.choice(self.clauses[0 if value else 1]), "", "", value


class Value:
    def __init__(self, line):
        head, _, body = line.partition(" ++ ")
        names, self.description, how = head.split(" :: ")
        self.names, self.clauses = names.split("|"), body.split("; ")
        self.how = how.split()
        self.kind = {"int": "integer", "float": "number", "money": "number"}.get(self.how[0], self.how[0])

    def schema(self, rng):
        kind = {"int": "integer", "float": "number", "money": "number"}.get(self.how[0], "string")
        return {"type": "number" if kind == "integer" and rng.random() < 0.15 else kind}

    def value(self, rng, lex):
        """Surface and value."""
        how = self.how[0]
        if how == "int":
            n = rng.randint(int(self.how[1]), int(self.how[2]))
            return V.say_number(n, rng) if n < 1800 or int(self.how[1]) < 1000 else str(n), n
        if how == "float":
            low, high = float(self.how[1]), float(self.how[2])
            n = rng.uniform(low, high if rng.random() < 0.4 else low + (high - low) / 8)
            n = round(n) if high > 10 and rng.random() < 0.6 else round(n, rng.choice((1, 1, 2)) if high > 1 else 3)
            return (V.say_number(n, rng) if isinstance(n, int) else str(n)), n
        if how == "money":
            n = rng.choice((rng.randint(3, 99), rng.randint(1, 99) * 10, rng.randint(1, 400) * 500, round(rng.uniform(1, 200), 2)))
            return rng.choice(MONEY).format(f"{n:,}" if n >= 1000 and rng.random() < 0.6 else V.say_number(n, rng) if rng.random() < 0.3 else n), n
        if how == "date":
            day = V.any_day(rng)
            return (V.iso(day) if rng.random() < 0.3 else V.long_date(day, rng)), V.iso(day)
        if how == "time":
            h, m = V.clock(rng)
            return V.say_time(h, m, rng), f"{h:02d}:{m:02d}"
        text = V.text_value(how, rng, lex)
        return text, text

    def say(self, rng, lex, members):
        surface, value = self.value(rng, lex)
        if rng.random() < 0.2:
            return None, surface, "", value
        clause = rng.choice(self.clauses)
        if "{v}th" in clause:
            surface, clause = (V.ordinal(value), clause.replace("{v}th", "{v}")) if isinstance(value, int) else (surface, "{v}")
        if surface[:1] in "$€£" and "{v}%" in clause:
            clause = "{v}"
        before, _, after = clause.partition("{v}")
        return before, surface, after, value


ALL = {"enum": [Enum(line) for line in lines("enums.txt")], "boolean": [Boolean(line) for line in lines("booleans.txt")], "value": [Value(line) for line in lines("values.txt")]}
TOPICS = [[word.strip() for word in line.split(",")] for line in lines("topics.txt")]


def draw(kind, rng):
    return rng.choice(ALL[kind])


def count_clauses():
    return sum(len(said) for concept in [*ALL["enum"], *ALL["boolean"]] for said in (concept.clauses.values() if isinstance(concept.clauses, dict) else concept.clauses)) + sum(len(v.clauses) for v in ALL["value"])
