#!/usr/bin/env python3
"""Check the seed tools in training/seeds/*.txt and count them.

    python3 training/check_seeds.py [FILE ...]

Prints errors (exit status 1) and warnings as file:line, then one line of counts per file.
`parse_file` returns the tools, so that a generator can read the files through the same code.

Syntax beyond the obvious: `\\[` and `\\]` are literal brackets; a `{param=JSON}` argument stands at
the end of a request, or of one part of a parallel request; `shared &&& part && part`.
"""
import json
import re
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

KINDS = set("""person first_name city country place address company product brand date time datetime weekday month
year email url phone code id file path language currency money amount count percent duration temperature distance
weight rating topic title text message word animal food color sport genre disease chemical species team song book
movie number integer coordinate username ticker""".split())
WEEKDAYS = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"}
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$")
HEADER = re.compile(r"## (\S+) \| (\S.*)$")
PARAM = re.compile(r"- (\w+): (.+)$")
RELATIVE = re.compile(r"@([+-]\d+d|[a-z]{3})(?=\))")
BRACE = re.compile(r"\{(\w+)=")
DECODER = json.JSONDecoder()


class SeedError(Exception):
    pass


@dataclass
class Type:
    name: str
    members: list = field(default_factory=list)
    item: "Type | None" = None
    fields: dict = field(default_factory=dict)


@dataclass
class Param:
    name: str
    type: Type
    required: bool
    kind: "str | None"
    description: str


@dataclass
class Slot:
    """A span of the request, or an argument without one (surface None)."""
    param: str
    value: object
    surface: "str | None"
    relative: bool = False


@dataclass
class Request:
    line: int
    shared: list
    parts: list  # each part a list of plain strings and Slots

    def calls(self):
        shared = [s for s in self.shared if isinstance(s, Slot)]
        return [shared + [s for s in part if isinstance(s, Slot)] for part in self.parts]

    def skeleton(self):
        pieces = self.shared + [p for part in self.parts for p in part]
        text = "".join(p if isinstance(p, str) else f"<{p.param}>" if p.surface else "" for p in pieces)
        return re.sub(r"[^a-z<>_]+", " ", text.lower()).strip()


@dataclass
class Tool:
    name: str
    description: str
    line: int
    params: dict = field(default_factory=dict)
    requests: list = field(default_factory=list)
    missing: list = field(default_factory=list)
    declined: list = field(default_factory=list)
    results: list = field(default_factory=list)


def parse_type(text, pos=0):
    """Reads one type at pos; returns it and the position behind it."""
    word = re.compile(r"[a-z]+").match(text, pos)
    if not word:
        raise SeedError(f"no type at {text[pos:pos + 20]!r}")
    name, end = word.group(), word.end()
    if name in ("string", "integer", "number", "boolean"):
        return Type(name), end
    if name == "enum":
        return parse_enum(text, end)
    if name == "array":
        return parse_array(text, end)
    if name == "object":
        return parse_object(text, end)
    raise SeedError(f"unknown type {name!r}")


def parse_enum(text, pos):
    close = text.find(")", pos)
    if text[pos:pos + 1] != "(" or close < 0:
        raise SeedError("enum needs (a|b)")
    members = text[pos + 1:close].split("|")
    if len(members) < 2 or len(set(members)) < len(members) or any(m != m.strip() or not m for m in members):
        raise SeedError(f"bad enum members {members}")
    return Type("enum", members=members), close + 1


def parse_array(text, pos):
    if text[pos:pos + 1] != "<":
        raise SeedError("array needs <type>")
    item, end = parse_type(text, pos + 1)
    if text[end:end + 1] != ">":
        raise SeedError("array is not closed by >")
    if item.name not in ("string", "integer", "number", "enum"):
        raise SeedError(f"array of {item.name} is not in the format")
    return Type("array", item=item), end + 1


def parse_object(text, pos):
    if text[pos:pos + 1] != "{":
        raise SeedError("object needs {field: type}")
    fields, pos = {}, pos + 1
    while True:
        head = re.compile(r"\s*(\w+): ").match(text, pos)
        if not head:
            raise SeedError("bad object field")
        kind, pos = parse_type(text, head.end())
        required = text[pos:pos + 1] == "!"
        pos += required
        fields[head.group(1)] = (kind, required)
        mark = text[pos:pos + 1]
        pos += 1
        if mark == "}":
            return Type("object", fields=fields), pos
        if mark != ",":
            raise SeedError("object is not closed by }")


def parse_param(line):
    match = PARAM.match(line)
    if not match:
        raise SeedError("bad parameter line")
    name, rest = match.groups()
    kind_of, end = parse_type(rest)
    required = rest[end:end + 1] == "!"
    rest = rest[end + required:]
    if rest and rest[0] != " ":
        raise SeedError(f"unexpected {rest[:12]!r} after the type")
    kind = re.match(r" \[(\w+)\]", rest)
    if kind and kind.group(1) not in KINDS:
        raise SeedError(f"unknown kind {kind.group(1)!r}")
    description = rest[kind.end():] if kind else rest
    return Param(name, kind_of, required, kind and kind.group(1), description.strip())


def problem(kind, value):
    """Why value is not of the type, or None."""
    if kind.name == "string":
        return None if isinstance(value, str) and value else "not a non-empty string"
    if kind.name == "boolean":
        return None if isinstance(value, bool) else "not a boolean"
    if kind.name == "integer":
        return None if isinstance(value, int) and not isinstance(value, bool) else "not an integer"
    if kind.name == "number":
        return None if isinstance(value, (int, float)) and not isinstance(value, bool) else "not a number"
    if kind.name == "enum":
        return None if value in kind.members else f"not one of {'|'.join(kind.members)}"
    if kind.name == "array":
        if not isinstance(value, list) or not value:
            return "not a non-empty array"
        return next((p for p in (problem(kind.item, v) for v in value) if p), None)
    return object_problem(kind, value)


def object_problem(kind, value):
    if not isinstance(value, dict):
        return "not an object"
    for name, (field_type, required) in kind.fields.items():
        if name in value:
            why = problem(field_type, value[name])
            if why:
                return f"{name}: {why}"
        elif required:
            return f"{name} is missing"
    extra = set(value) - set(kind.fields)
    return f"unknown field {sorted(extra)}" if extra else None


def unescape(text):
    return text.replace("\\[", "[").replace("\\]", "]")


def find_unescaped(text, mark, pos):
    while True:
        pos = text.find(mark, pos)
        if pos <= 0 or text[pos - 1] != "\\":
            return pos
        pos += 1


def read_json(text, pos, close):
    try:
        value, end = DECODER.raw_decode(text, pos)
    except ValueError:
        raise SeedError(f"bad JSON at {text[pos:pos + 30]!r}") from None
    if text[end:end + 1] != close:
        raise SeedError(f"{close!r} expected after the value at {text[pos:pos + 30]!r}")
    return value, end + 1


def read_slot(text, pos):
    close = find_unescaped(text, "]", pos + 1)
    if close < 0 or text[close + 1:close + 2] != "(":
        raise SeedError(f"bracket without (param) at {text[pos:pos + 30]!r}")
    surface = unescape(text[pos + 1:close])
    if not surface or surface != surface.strip():
        raise SeedError(f"empty surface or space at its edge: {surface!r}")
    name = re.compile(r"\w+").match(text, close + 2)
    if not name:
        raise SeedError(f"no parameter name after [{surface}]")
    end = name.end()
    if text[end:end + 1] == ")":
        return Slot(name.group(), surface, surface), end + 1
    if text[end:end + 1] != "=":
        raise SeedError(f"= or ) expected after {name.group()}")
    relative = RELATIVE.match(text, end + 1)
    if relative:
        return Slot(name.group(), relative.group(), surface, True), relative.end() + 1
    value, end = read_json(text, end + 1, ")")
    return Slot(name.group(), value, surface), end


def read_tail(text):
    """Splits the {param=JSON} arguments off the end."""
    for match in BRACE.finditer(text):
        slots, pos = [], match.start()
        try:
            while pos < len(text):
                head = BRACE.match(text, pos)
                if not head:
                    break
                value, pos = read_json(text, head.end(), "}")
                slots.append(Slot(head.group(1), value, None))
                pos += len(text[pos:]) - len(text[pos:].lstrip())
        except SeedError:
            if text.endswith("}"):
                raise
            continue
        if pos == len(text):
            return text[:match.start()].rstrip(), slots
    return text, []


def parse_part(text):
    text, tail = read_tail(text)
    pieces, pos = [], 0
    while pos < len(text):
        start = find_unescaped(text, "[", pos)
        plain = text[pos:start] if start >= 0 else text[pos:]
        if find_unescaped(plain, "]", 0) >= 0:
            raise SeedError("] without [")
        if plain:
            pieces.append(unescape(plain))
        if start < 0:
            break
        slot, pos = read_slot(text, start)
        pieces.append(slot)
    return pieces + tail


def parse_request(text, line):
    shared, mark, rest = text.partition(" &&& ")
    if not mark:
        shared, rest = "", text
    parts = [parse_part(p) for p in rest.split(" && ")]
    if mark and len(parts) < 2:
        raise SeedError("&&& without &&")
    return Request(line, parse_part(shared) if shared else [], parts)


def check_call(tool, slots):
    counts = Counter(s.param for s in slots)
    for name, count in counts.items():
        if count > 1:
            yield f"{name} given {count} times"
    for slot in slots:
        param = tool.params.get(slot.param)
        if param is None:
            yield f"no parameter {slot.param}"
        elif slot.relative:
            yield from check_relative(param, slot)
        else:
            why = problem(param.type, slot.value)
            if why:
                yield f"{slot.param}={json.dumps(slot.value, ensure_ascii=False)}: {why}"
    for param in tool.params.values():
        if param.required and param.name not in counts:
            yield f"required {param.name} is missing"


def check_relative(param, slot):
    day = slot.value[1:]
    if param.type.name != "string":
        yield f"{param.name}: a relative date needs a string"
    if day[0] not in "+-" and day not in WEEKDAYS:
        yield f"{param.name}: unknown day {slot.value}"


def numbers(text):
    return [float(n) for n in re.findall(r"\d+(?:\.\d+)?", text)]


def without_thousands(text):
    return re.sub(r"(?<=\d),(?=\d{3})", "", text)


def parse_result(text):
    body, mark, answer = text.partition(" => ")
    if not mark or not answer.strip():
        raise SeedError("'result => answer' expected")
    try:
        json.loads(body)
    except ValueError as error:
        raise SeedError(f"result is not JSON: {error}") from None
    known = numbers(body) + numbers(without_thousands(body))
    unknown = [n for n in numbers(without_thousands(answer)) if n not in known]
    if unknown:
        raise SeedError(f"numbers {unknown} of the answer are not in the result")
    return body, answer


def parse_missing(text):
    request, mark, question = text.partition(" => ")
    if not mark or not question.strip().endswith("?"):
        raise SeedError("'request => question?' expected")
    return request, question


class Reader:
    def __init__(self, path):
        self.path = path
        self.tools, self.errors, self.warnings = [], [], []

    def read(self):
        blank = True
        for number, line in enumerate(self.path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                self.read_line(line, number, blank)
            except SeedError as error:
                self.errors.append((number, str(error)))
            blank = not line.strip()
        for tool in self.tools:
            self.check_tool(tool)
        return self

    def read_line(self, line, number, after_blank):
        if not line.strip():
            return
        if line != line.rstrip():
            raise SeedError("space at the end of the line")
        if line.startswith("## "):
            if not after_blank:
                self.errors.append((number, "blank line expected before a tool"))
            self.start_tool(line, number)
            return
        if after_blank or not self.tools:
            raise SeedError("a tool must start here")
        self.read_item(self.tools[-1], line, number)

    def start_tool(self, line, number):
        match = HEADER.match(line)
        if not match or not NAME.match(match.group(1)):
            raise SeedError("bad tool header")
        if any(t.name == match.group(1) for t in self.tools):
            self.errors.append((number, f"second tool named {match.group(1)}"))
        self.tools.append(Tool(match.group(1), match.group(2), number))

    def read_item(self, tool, line, number):
        mark, text = line[:2], line[2:]
        if mark == "- ":
            param = parse_param(line)
            if param.name in tool.params:
                raise SeedError(f"second parameter {param.name}")
            tool.params[param.name] = param
        elif mark == "> ":
            request = parse_request(text, number)
            tool.requests.append(request)
            self.errors += [(number, e) for call in request.calls() for e in check_call(tool, call)]
        elif mark == "? ":
            tool.missing.append(parse_missing(text))
        elif mark == "x ":
            tool.declined.append(text)
        elif mark == "! ":
            tool.results.append(parse_result(text))
        else:
            raise SeedError("line must start with '## ', '- ', '> ', '? ', 'x ' or '! '")

    def check_tool(self, tool):
        def error(text):
            self.errors.append((tool.line, f"{tool.name}: {text}"))

        required = [p for p in tool.params.values() if p.required]
        if not 12 <= len(tool.requests) <= 16:
            error(f"{len(tool.requests)} requests, not 12 to 16")
        if bool(tool.missing) != bool(required) or len(tool.missing) > 2:
            error(f"{len(tool.missing)} '?' lines with {len(required)} required parameters")
        if not 1 <= len(tool.declined) <= 2:
            error(f"{len(tool.declined)} 'x' lines, not 1 or 2")
        if not 1 <= len(tool.results) <= 2:
            error(f"{len(tool.results)} '!' lines, not 1 or 2")
        self.check_skeletons(tool)
        self.check_use(tool)

    def check_skeletons(self, tool):
        seen = {}
        for request in tool.requests:
            skeleton = request.skeleton()
            if skeleton in seen:
                self.errors.append((request.line, f"same skeleton as line {seen[skeleton]}"))
            seen[skeleton] = request.line

    def check_use(self, tool):
        used = Counter(n for r in tool.requests for n in {s.param for c in r.calls() for s in c})
        for param in tool.params.values():
            if not used[param.name]:
                self.warnings.append((tool.line, f"{tool.name}: {param.name} is never used"))
            elif not param.required and used[param.name] * 2 > len(tool.requests) + 2:
                self.warnings.append((tool.line, f"{tool.name}: optional {param.name} is in {used[param.name]} of {len(tool.requests)} requests"))


def parse_file(path):
    reader = Reader(Path(path)).read()
    if reader.errors:
        line, text = reader.errors[0]
        raise SeedError(f"{path}:{line}: {text}")
    return reader.tools


def counts(tools):
    return (len(tools), sum(len(t.params) for t in tools), sum(len(t.requests) for t in tools),
            sum(len(t.missing) for t in tools), sum(len(t.declined) for t in tools), sum(len(t.results) for t in tools))


def show(path, figures):
    print(f"{path}: %d tools, %d parameters, %d requests, %d questions, %d declined, %d results" % figures)


def repeated_names(readers):
    homes = {}
    for reader in readers:
        for tool in reader.tools:
            homes.setdefault(tool.name, []).append(reader)
            if len(homes[tool.name]) > 1 and homes[tool.name][0] is not reader:
                reader.warnings.append((tool.line, f"{tool.name} is also in {homes[tool.name][0].path}"))


def main(arguments):
    paths = [Path(a) for a in arguments] or sorted((Path(__file__).parent / "seeds").glob("*.txt"))
    readers = [Reader(path).read() for path in paths]
    repeated_names(readers)
    for reader in readers:
        for line, text in reader.errors:
            print(f"{reader.path}:{line}: error: {text}")
        for line, text in reader.warnings:
            print(f"{reader.path}:{line}: warning: {text}")
    for reader in readers:
        show(reader.path, counts(reader.tools))
    show("all", tuple(map(sum, zip(*(counts(r.tools) for r in readers)))) if readers else (0,) * 6)
    return 1 if any(r.errors for r in readers) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
