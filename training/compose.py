"""Tools and requests composed from word lists: verbs, objects and parameters of every kind, joined by many (and by random) connectives."""
import json
import random
import re

import concepts as K
import phrases as P
import values as V
import words as W

ATTRIBUTES = {kind: names.split("|") for kind, names in {
    "person": "name|full name|owner|author|recipient|guest|patient|assignee|customer|teacher|contact|sender|employee|driver|host|candidate|tenant|reviewer|player|manager|client name|holder",
    "first_name": "name|first name|nickname", "username": "username|user|handle|login|account name|user name", "city": "city|location|town|destination|origin|venue city|departure city|place|from|to|hometown|region",
    "country": "country|nation|origin country|country name|market|region", "place": "place|location|venue|address|site|landmark|destination|spot|from|to|start|end|area", "address": "address|street address|delivery address|location|pickup|home address",
    "company": "company|vendor|supplier|employer|manufacturer|organization|company name|firm|seller|airline|bank", "brand": "brand|make|label|manufacturer", "product": "product|item|article|product name|goods|object|model|device",
    "email": "email|recipient|to|address|email address|sender|reply to|cc|contact email", "url": "url|link|website|page|source url|endpoint|address|image url", "phone": "phone|phone number|number|mobile|contact number|telephone|to",
    "code": "code|coupon|reference|sku|tracking number|serial|batch|flight|gate|room|label|lot|promo code|part number|postal code|seat", "id": "id|user id|order id|ticket id|number|identifier|account id|key|case id|record id|document id|reference id|session id",
    "file": "file|filename|path|document|input|output|source|target file|attachment|log file|image", "path": "path|folder|directory|source path|destination path|output dir", "language": "language|target language|locale|source language|lang|tongue",
    "currency": "currency|base currency|target currency|from currency|to currency|unit", "topic": "topic|subject|query|keyword|theme|category|field|interest|search term|area|keywords|area of interest", "title": "title|name|label|heading|event name|playlist|project|task|list name|caption|series",
    "text": "text|content|note|description|body|comment|reason|details|instructions|task|question", "message": "message|text|body|content|announcement|msg", "word": "word|term|keyword|pattern|tag|name|type|symbol|prefix|label|material|group|section|species|theme",
    "animal": "animal|pet|species|breed|creature", "food": "food|ingredient|dish|item|meal|snack|product", "color": "color|colour|shade|background|paint|hue", "sport": "sport|discipline|activity|game", "genre": "genre|style|category|music type|mood",
    "disease": "disease|condition|diagnosis|illness|disorder", "chemical": "compound|substance|chemical|solute|solvent|element|material", "species": "species|organism|animal|plant", "team": "team|club|opponent|home team|away team|side",
    "song": "song|track|tune|title", "book": "book|title|novel", "movie": "movie|film|title", "ticker": "ticker|symbol|stock|share", "weekday": "day|weekday|day of week", "month": "month|billing month|period",
    "integer": "number|value|level|index|page|size|limit|position|step|depth|width|height|x|y|n|k|order|points|score|floor|base|count|age|a|b|offset|port|capacity|row|rounds", "number": "value|amount|rate|x|y|factor|radius|length|speed|mass|force|voltage|density|angle|height|volume|pressure|energy|base|side|initial value|velocity|a|b|c|threshold|ratio|scale|current|time|coefficient",
    "count": "count|quantity|limit|number of results|guests|copies|people|max results|amount|num items|tickets|rooms|passengers|servings|attempts|participants|nights|top n|samples|seats", "year": "year|release year|start year|end year|since|model year|birth year",
    "money": "budget|price|amount|max price|cost|salary|fee|principal|min price|total|deposit|income|payment|bid|loan amount|price limit", "percent": "rate|percentage|discount|interest rate|tip|share|tax rate|growth rate|margin|probability|threshold|commission",
    "duration": "duration|length|time|timeout|interval|minutes|period|running time|delay", "temperature": "temperature|target temperature|temp|initial temperature|final temperature|setpoint", "distance": "distance|radius|range|length|height|width|depth|altitude",
    "weight": "weight|mass|load|body weight|package weight", "rating": "rating|score|stars|min rating|grade", "date": "date|start date|due date|day|deadline|check in|end date|from date|departure date|date of birth|until", "time": "time|start time|at|hour|pickup time|end time|departure time",
}.items()}

MORE_ATTRIBUTES = {
    "person": """actor applicant architect artist assistant attendee attorney barber bidder borrower boss bride brother builder butcher buyer captain caretaker carpenter cashier chairman champion chef child citizen coach colleague composer conductor
contractor cook counselor courier creator dealer defendant dentist designer detective developer doctor donor editor electrician engineer expert farmer father fighter fisherman founder friend gardener grandmother guide hairdresser heir hero inspector
inventor invitee journalist judge landlord lawyer leader lecturer lender librarian mechanic mentor midwife minister mother musician neighbor nurse officer operator organizer painter partner passenger pharmacist photographer pilot plumber poet politician
president principal producer professor publisher referee relative reporter researcher resident salesperson scientist secretary seller signer sister speaker sponsor student supervisor surgeon tailor taxpayer technician therapist trainee trainer translator
traveler treasurer tutor user victim visitor volunteer voter waiter winner witness worker writer""",
    "place": """airport airfield alley apartment arena avenue balcony bar barn bay beach border bridge building cabin cafe camp campus castle cathedral cave cellar cemetery chamber church clinic club coast corner court crossing depot district dock estate factory farm
field floor forest fort fountain garage garden gate hall hangar highway hill home hostel hotel house hut inn island junction kitchen lab lake lounge mall mansion market meadow mill monument mosque mountain neighborhood office orchard palace park pier
plant platform plaza port prison pub quarter ranch reef reserve resort restaurant ridge river road roof room ruin school shelter shop shore spot square stable stadium station street studio suburb summit temple terminal theater tower trail tunnel valley
venue village villa vineyard ward warehouse waterfall wing yard zone""",
    "title": """album agenda anthem article ballad ballet blog campaign chapter class collection comedy comic concert contest course debate documentary drama episode essay event exhibition expedition festival film game headline hymn interview journal lecture legend
lesson list magazine manuscript meeting mission movement musical newsletter notebook novel opera painting paper party performance picture play plan poem policy presentation program project puzzle quiz race recipe report scene sculpture seminar series sermon
session sonata speech story study survey symphony tale thesis tour tournament treaty trip verse video workshop""",
    "code": """account badge ballot batch booking box cabinet card carton case certificate channel chassis claim contract coupon crate desk deed device docket engine file folder frame gate gene grave invoice item job key lane letter license locker lot meter mill model
nest order outlet packet pallet parcel pass patent permit plane platform plot policy port probe pump rack receipt robot roll route row sample seat sensor server shelf shipment sign slide stall strain switch table tag tank tower trailer tree truck valve van
vault vial wagon well wire""",
    "product": """adhesive alloy appliance beverage blanket blend brick cable candle carpet cereal cheese clay cleaner cloth coating coffee cosmetic dessert detergent dough drink drug dye engine fabric fertilizer filling filter flour fuel gadget garment gift glue grain herb
ingredient ink instrument jewelry juice lens liquid lotion machine meat medication metal mineral oil ointment ore paint paste pastry pigment pill plastic polish powder remedy resin salad sauce seasoning seed shampoo snack soap solvent soup spice syrup tea
textile tissue tobacco tool toy vaccine vegetable vehicle vitamin wax weapon wine wood yarn""",
}
for kind, names in MORE_ATTRIBUTES.items():
    ATTRIBUTES[kind] += names.split()
ATTRIBUTES["city"] += MORE_ATTRIBUTES["place"].split()[::3]
ATTRIBUTES["id"] += MORE_ATTRIBUTES["code"].split()[::2]


def exclude(names):
    """Drops parameter names of the held-out set that no seed has."""
    for kind, words in ATTRIBUTES.items():
        ATTRIBUTES[kind] = [w for w in words if w not in names]


DESCRIPTIONS = P.bars("""{A}|The {a}|{A} to use|The {a} to use|The {a} of the {o}|{A} of the {o}|{A} for the {o}|Which {a}|The {a} that applies|{A} for this request|{A}.|The {a}.|the {a}|{a}|The {a} for which to run this|{o} {a}|{A} as given by the user|The desired {a}
The {a} to be used for the {o}|Specifies the {a}|Sets the {a}|Defines the {a} of the {o}|Requested {a}|The {a} to look for|{A} to apply|The {o}'s {a}|Optional {a}|{A} in question|Provide the {a}|Value of the {a}|Indicates the {a}|A {a}""")
TOOL_DESCRIPTIONS = P.bars("""{V} {o}|{V} {o}.|{V} the {o}|{V} a {o}|{V} the {o} of the user|This function is used to {v} {o}.|Use this to {v} {o}.|{V} {o} with the given parameters|{V} {o} by the given values.|{v} {o}|Tool to {v} {o}|{V} {o} in the system|{V} one or more {o}
{V} {o} from the {r} service|{V} {o} for a {r}|A function that can {v} {o}.|Lets the user {v} {o}|{V} {o}, using the {r} database|API to {v} {o}""")

PAIRS = [("from ", " to "), ("", " to "), ("", " - "), ("", "–"), ("", " → "), ("between ", " and "), ("from ", " until "), ("", " > "), ("from ", " up to "), ("starting at ", " and ending at "), ("", "->"), ("out of ", " into "), ("", " through "), ("from ", " towards ")]
CASES = ("snake",) * 11 + ("camel",) * 5 + ("flat", "kebab", "pascal")


def join_name(words, case):
    words = [w for word in words for w in re.split(r"[^A-Za-z0-9]+", word) if w]
    if case == "camel":
        return words[0].lower() + "".join(w[:1].upper() + w[1:] for w in words[1:])
    if case == "pascal":
        return "".join(w[:1].upper() + w[1:] for w in words)
    return {"snake": "_", "flat": "", "kebab": "-"}[case].join(w.lower() for w in words)


class Param:
    """One parameter: its schema and how a request says it. draw(rng, today) gives (surface, value, needs_today)."""

    def __init__(self, name, words, schema, kind, draw, required, telling):
        self.name, self.words, self.schema, self.kind, self.draw, self.required = name, words, schema, kind, draw, required
        self.worded = False  # its clauses leave the name out: the meaning alone tells
        self.telling = telling  # the name says the kind, so that a request may leave the name out


def string_maker(kind, rng, lex):
    def draw(rng, today):
        text = V.text_value(kind, rng, lex)
        return text, text, False
    return {"type": "string"}, draw, ""


def country_maker(rng, lex):
    def draw(rng, today):
        name, code = rng.choice(V.COUNTRY_CODES)
        return (name if rng.random() < 0.8 else code), code, False
    return {"type": "string"}, draw, rng.choice(("two-letter country code", "ISO 3166 code", "as an ISO country code, e.g. DE", "(ISO 3166-1 alpha-2)"))


def language_maker(rng, lex):
    def draw(rng, today):
        name, code = rng.choice(V.LANGUAGE_CODES)
        return name, code, False
    return {"type": "string"}, draw, rng.choice(("ISO 639-1 code", "two-letter language code", "as a language code such as en"))


def currency_maker(rng, lex):
    def draw(rng, today):
        code, name = rng.choice(V.CURRENCY_WORDS)
        return (name if rng.random() < 0.5 else code if rng.random() < 0.7 else code.lower()), code, False
    return {"type": "string"}, draw, rng.choice(("ISO 4217 code", "three-letter currency code", "currency code, e.g. USD"))


def date_maker(rng, lex):
    def draw(rng, today):
        roll = rng.random()
        if roll < 0.45:
            surface, spec = V.draw_relative(rng)
            return surface, V.iso(V.relative_day(spec, today)), True
        day = V.any_day(rng)
        return (V.iso(day) if roll < 0.65 else V.long_date(day, rng)), V.iso(day), False
    schema = {"type": "string"}
    if rng.random() < 0.15:
        schema["format"] = "date"
    return schema, draw, rng.choice(("in YYYY-MM-DD", "(YYYY-MM-DD)", "ISO 8601 date", "in YYYY-MM-DD format", "YYYY-MM-DD", "formatted as YYYY-MM-DD"))


def time_maker(rng, lex):
    def draw(rng, today):
        h, m = V.clock(rng)
        return V.say_time(h, m, rng), f"{h:02d}:{m:02d}", False
    return {"type": "string"}, draw, rng.choice(("in HH:MM", "24-hour HH:MM", "(HH:MM, 24 h)", "in 24-hour format"))


def integer_maker(kind, rng, lex):
    def draw(rng, today):
        n = rng.randint(1950, 2030) if kind == "year" else rng.randint(1, rng.choice((6, 12, 40))) if kind == "count" else V.integer(rng)
        return (str(n) if kind == "year" else V.say_number(n, rng)), n, False
    return {"type": "integer"}, draw, ""


UNITS = {"money": ("${}", "{} dollars", "{} USD", "{} bucks", "€{}", "{} euros", "{} EUR", "{} pounds", "£{}", "{}", "{}"), "temperature": ("{} degrees", "{}°C", "{}C", "{} K", "{}K", "{} degrees Celsius", "{}°", "{}"),
         "distance": ("{} km", "{}km", "{} metres", "{}m", "{} m", "{} miles", "{} cm", "{}cm", "{} meters", "{}"), "weight": ("{} kg", "{}kg", "{} kilos", "{} grams", "{}g", "{} pounds", "{} lbs", "{} tons", "{}"),
         "rating": ("{}", "{} stars", "{} out of 5", "{} points"), "number": ("{}", "{}", "{}", "{}", "{} m", "{}m", "{} N", "{} m/s", "{}m/s", "{} kg", "{}kg", "{} V", "{}V", "{} ohms", "{} J", "{}J", "{} J/K", "{}Hz", "{} seconds", "{} units", "{} mol", "{} Pa", "{} A", "{} L")}


def measured_maker(kind, rng, lex):
    whole = rng.random() < 0.45
    below_zero = kind in ("temperature", "number") and rng.random() < 0.15
    unit = rng.choice(UNITS[kind])

    def draw(rng, today):
        n = V.integer(rng) if whole or rng.random() < 0.5 else V.decimal(rng)
        if kind == "rating":
            n = rng.randint(1, 10) if whole else rng.randint(2, 20) / 2
        if isinstance(n, float) and n.is_integer():
            n = int(n)
        if below_zero and rng.random() < 0.5:
            n = -n
        form = unit if rng.random() < 0.7 else "{}"
        said = V.say_number(n, rng) if form in ("{}", "{} dollars", "{} kilos", "{} degrees") else f"{n:,}" if n >= 1000 and rng.random() < 0.5 else str(n)
        return form.format(said), n, False
    return {"type": "integer" if whole else "number"}, draw, ""


def percent_maker(rng, lex):
    fraction = rng.random() < 0.5

    def draw(rng, today):
        n = rng.choice((rng.randint(1, 40), rng.randint(1, 100), rng.randint(1, 30) * 5, rng.randint(1, 99) / 10))
        value = round(n / 100, 6) if fraction else n
        if fraction and rng.random() < 0.35:
            return str(value), value, False
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return rng.choice(("{}%", "{} %", "{} percent", "{} per cent", "{}%")).format(n), value, False
    note = rng.choice(("as a decimal (0.05 for 5 %)", "as a fraction", "in decimal form", "as a decimal fraction between 0 and 1")) if fraction else rng.choice(("in percent", "as a percentage", "0 to 100", "percent"))
    return {"type": "number"}, draw, note


def duration_maker(rng, lex):
    unit, size = rng.choice((("seconds", 1), ("minutes", 60), ("minutes", 60), ("hours", 3600), ("days", 86400), ("years", 0), ("months", 0)))

    def draw(rng, today):
        n = rng.randint(1, rng.choice((6, 12, 45, 120)))
        if unit == "minutes" and rng.random() < 0.35:
            surface, value = rng.choice((("an hour", 60), ("half an hour", 30), ("two hours", 120), ("an hour and a half", 90), ("three hours", 180), ("a quarter of an hour", 15), ("1 hour", 60), ("2 h", 120), ("45 min", 45), ("1.5 hours", 90)))
            return surface, value, False
        if unit == "seconds" and rng.random() < 0.35:
            n = rng.randint(1, 15)
            return f"{V.say_number(n, rng)} minutes" if n > 1 else "one minute", 60 * n, False
        return f"{V.say_number(n, rng)} {unit if n != 1 else unit[:-1]}" if rng.random() < 0.9 else f"{n}{unit[0]}", n, False
    return {"type": "integer"}, draw, f"in {unit}"


DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
MONTHS = [m[:3].lower() for m in V.MONTHS]


def calendar_members(rng):
    days = rng.random() < 0.7
    if rng.random() < 0.5:
        return list(DAYS if days else MONTHS)
    return [w.lower() for w in (V.WEEKDAYS if days else V.MONTHS)]


def say_calendar(member, rng):
    full = next(w for w in V.WEEKDAYS + V.MONTHS if w.lower().startswith(member.lower()))
    return rng.choice((full, full, full + "s" if full in V.WEEKDAYS else full, full.lower(), full[:3], "on " + full if full in V.WEEKDAYS else "in " + full))


def enum_members(rng, lex):
    if rng.random() < 0.1:
        return calendar_members(rng)
    n = rng.randint(2, 6)
    if rng.random() < 0.5:
        groups = rng.sample(W.SYNONYMS, n)
        return list(dict.fromkeys(rng.choice(g if rng.random() < 0.4 else g[:1]).replace(" ", "_").replace("-", "_") for g in groups))
    members = {lex.word(rng) if rng.random() < 0.8 else lex.word(rng) + "_" + lex.noun(rng) for _ in range(n)}
    members = sorted(members)
    rng.shuffle(members)
    return members


BY_MEMBER = {}
for group in W.SYNONYMS:
    for word in group:
        BY_MEMBER.setdefault(word.replace(" ", "_").replace("-", "_").lower(), group)


CALENDAR = set(DAYS + MONTHS) | {w.lower() for w in V.WEEKDAYS + V.MONTHS}


def say_member(member, rng):
    """The member as a request would name it: itself, respaced, or a synonym."""
    if member.lower() in CALENDAR:
        return say_calendar(member, rng)
    group = BY_MEMBER.get(member.lower())
    if group and rng.random() < 0.5:
        return rng.choice(group)
    said = member.replace("_", " ")
    return said if rng.random() < 0.8 else said.lower()


def enum_maker(rng, lex):
    members = enum_members(rng, lex)
    if rng.random() < 0.12:
        members = [m.upper() for m in members]

    def draw(rng, today):
        member = rng.choice(members)
        return say_member(member, rng), member, False
    return {"type": "string", "enum": members}, draw, ""


def list_maker(rng, lex):
    roll = rng.random()
    if roll < 0.55:
        kind = rng.choice(("person", "food", "word", "city", "topic", "title", "company", "product", "color", "id", "email", "file", "animal", "ticker"))
        item, make = {"type": "string"}, lambda rng: V.text_value(kind, rng, lex)
        say = str
    elif roll < 0.85:
        whole = rng.random() < 0.6
        item = {"type": "integer" if whole else "number"}
        make = V.integer if whole else lambda rng: rng.choice((V.decimal(rng), V.integer(rng)))
        say = str
    else:
        members = enum_members(rng, lex)
        item, make = {"type": "string", "enum": members}, lambda rng: rng.choice(members)
        say = lambda m: say_member(m, random.Random(len(m))) if m in CALENDAR else m.replace("_", " ")

    def draw(rng, today):
        items = list(dict.fromkeys(make(rng) for _ in range(rng.randint(1, 5)))) if item["type"] == "string" else [make(rng) for _ in range(rng.randint(2, 7))]
        said = [say(i) for i in items]
        if item["type"] == "integer" and rng.random() < 0.3:
            return V.join_list([f"{i:,}" for i in items], rng).replace(", and", " and"), items, False
        if item["type"] != "string" and rng.random() < 0.25:
            return "[" + ", ".join(said) + "]", items, False
        return V.join_list(said, rng), items, False
    return {"type": "array", "items": item}, draw, ""


UNIT_WORDS = {suffix: forms.split("|") for suffix, forms in {
    "cm": "cm|centimetres|centimeters|cm", "m": "m|metres|meters", "km": "km|kilometres|kilometers|k", "mm": "mm|millimetres", "kg": "kg|kilos|kilograms|kg", "g": "g|grams|gr", "mg": "mg|milligrams", "l": "l|litres|liters", "ml": "ml|millilitres",
    "liters": "litres|liters|l", "s": "s|seconds|sec", "seconds": "seconds|s|secs", "ms": "ms|milliseconds", "minutes": "minutes|min|mins", "min": "minutes|min", "hours": "hours|h|hrs", "h": "hours|h", "days": "days|d", "weeks": "weeks", "months": "months",
    "years": "years|yrs", "c": "degrees|°C|C|degrees Celsius|°", "f": "°F|F|degrees Fahrenheit", "k": "K|kelvin", "percent": "%|percent|per cent", "pct": "%|percent", "mph": "mph|miles an hour", "kmh": "km/h|kph", "w": "W|watts", "kw": "kW|kilowatts",
    "v": "V|volts", "a": "A|amps", "ohm": "ohms|Ω", "hz": "Hz|hertz", "mhz": "MHz|megahertz", "usd": "dollars|USD|$|bucks", "eur": "euros|EUR|€", "miles": "miles|mi", "feet": "feet|ft|foot", "inches": "inches|in|\"", "lbs": "pounds|lbs", "mb": "MB|megabytes", "gb": "GB|gigs",
    "j": "J|joules", "n": "N|newtons", "pa": "Pa|pascals", "deg": "degrees|°|deg", "bpm": "bpm|beats per minute", "rpm": "rpm", "ppm": "ppm", "sqm": "square metres|m2|sqm", "kcal": "calories|kcal", "pages": "pages", "people": "people|persons|guests", "words": "words"}.items()}
UNIT_NAMES = sorted(UNIT_WORDS)
LARGER = {"ms": ("seconds", 1000), "seconds": ("minutes", 60), "s": ("minutes", 60), "minutes": ("hours", 60), "min": ("hours", 60), "g": ("kg", 1000), "mg": ("g", 1000), "m": ("km", 1000), "mm": ("cm", 10), "cm": ("m", 100), "ml": ("litres", 1000), "days": ("weeks", 7), "months": ("years", 12), "h": ("days", 24), "hours": ("days", 24)}


SMALLER = {"seconds": ("milliseconds", 1000), "s": ("milliseconds", 1000), "hours": ("minutes", 60), "h": ("minutes", 60), "kg": ("grams", 1000), "g": ("milligrams", 1000), "km": ("metres", 1000), "m": ("centimetres", 100), "cm": ("millimetres", 10), "l": ("millilitres", 1000),
           "liters": ("millilitres", 1000), "years": ("months", 12), "kw": ("watts", 1000), "days": ("hours", 24), "gb": ("megabytes", 1000)}
UNIT_SIGNS = {"milliseconds": "ms", "minutes": "min", "grams": "g", "milligrams": "mg", "metres": "m", "centimetres": "cm", "millimetres": "mm", "millilitres": "ml", "watts": "W", "hours": "h", "megabytes": "MB"}


def in_larger_unit(name, factor, rng):
    """What a person says in the larger unit, and the value in the smaller one."""
    name = {"kg": "kilos", "g": "grams", "km": "kilometres", "m": "metres", "cm": "centimetres"}.get(name, name) if rng.random() < 0.6 else name
    one = name[:-1] if name.endswith("s") else name
    a = "an" if one == "hour" else "a"
    n = rng.choice((0.25, 0.5, 0.5, 0.75, 1, 1, 1.5, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12, round(rng.uniform(0.1, 9), 1)))
    said = {0.25: [f"a quarter of {a} {one}", f"0.25 {name}"], 0.5: [f"half {a} {one}", f"0.5 {name}"], 0.75: [f"three quarters of {a} {one}", f"0.75 {name}"], 1: [f"{a} {one}", f"one {one}", f"1 {one}"],
            1.5: [f"{a} {one} and a half", f"one and a half {name}", f"1.5 {name}"], 2.5: [f"two and a half {name}", f"2.5 {name}"]}.get(n) or [f"{V.say_number(n, rng)} {name}"]
    value = round(n * factor, 6)
    return rng.choice(said), int(value) if float(value).is_integer() else value


LONG = {"length": "long", "width": "wide", "height": "tall high", "depth": "deep", "weight": "heavy", "age": "old", "thickness": "thick", "duration": "long", "distance": "away", "speed": "fast", "radius": "around", "altitude": "high up"}


def invented_unit(rng):
    """A unit that only its letters tie to the name of its parameter: "gain_dbq" and "14 dBq"."""
    name = "".join(rng.choice("abcdefghiklmnopqrstuvwxyz") for _ in range(rng.choice((2, 3, 3))))
    if rng.random() < 0.25:
        return name + "_per_" + rng.choice(("h", "day", "l", "kg", "m")), name.upper()
    return name, rng.choice((name, name.upper(), name[0].upper() + name[1:], name[:-1] + name[-1].upper(), name[0] + name[1:].upper()))


def united_maker(rng, lex):
    """A number whose unit is part of the name: "width_cm"."""
    unit, forms = rng.choice(UNIT_NAMES), None
    if rng.random() < 0.25:
        unit, form = invented_unit(rng)
        forms = [form if "_per_" not in unit else f"{form}/{unit.split('_')[-1]}"]
    forms = forms or UNIT_WORDS[unit]
    whole = rng.random() < 0.6
    below_zero = rng.random() < 0.12

    def draw(rng, today):
        n = V.integer(rng) if whole or rng.random() < 0.6 else V.decimal(rng)
        if unit in LARGER and rng.random() < 0.2:
            said, value = in_larger_unit(*LARGER[unit], rng)
            if not whole or isinstance(value, int):
                return said, value, False
        if unit in SMALLER and not whole and rng.random() < 0.25:
            name, factor = SMALLER[unit]
            n = rng.choice((rng.randint(1, 19) * factor // 20, rng.randint(1, 12) * 5, rng.randint(1, 99) * 10))
            value = round(n / factor, 6)
            return f"{V.say_number(n, rng)} {name}" if rng.random() < 0.7 else f"{n}{UNIT_SIGNS.get(name, ' ' + name)}", int(value) if value.is_integer() else value, False
        if below_zero and rng.random() < 0.5:
            n = -n
        form = rng.choice(forms)
        if form in "$€":
            return f"{form}{n:,}" if n >= 1000 and rng.random() < 0.5 else f"{form}{n}", n, False
        if len(form) < 4 and rng.random() < 0.45:
            return f"{n}{form}", n, False
        said = V.say_number(n, rng)
        return (f"{said} {form}" if rng.random() < 0.85 else str(n)), n, False
    note = rng.choice(("", "", "in " + forms[-1])) if unit not in ("a", "c", "f", "k", "people", "pages", "words") else ""
    thing = rng.choice(ATTRIBUTES["number"] + ATTRIBUTES["distance"] + ATTRIBUTES["weight"]).split() if rng.random() < 0.4 else [lex.noun(rng)]
    thing = [w for w in thing if len(w) > 1] or [lex.noun(rng)]
    if rng.random() < 0.2:
        thing = [rng.choice(sorted(LONG))]
    if rng.random() < 0.2:
        thing = [rng.choice(("max", "min", "total", "start", "end", "initial", "target", "net", "first", "base"))] + thing
    return {"type": "integer" if whole else "number"}, draw, note, thing + [unit], " ".join(thing), "unit " + unit


def datetime_maker(rng, lex):
    def draw(rng, today):
        day, (h, m) = V.any_day(rng), V.clock(rng)
        value = f"{V.iso(day)}T{h:02d}:{m:02d}"
        said = f"{h:02d}:{m:02d}" if rng.random() < 0.5 else V.say_time(h, m, rng)
        date = V.long_date(day, rng) if rng.random() < 0.6 else V.iso(day)
        return rng.choice((value, f"{date} at {said}", f"{said} on {date}", f"{date}, {said}", f"{date} {said}")), value, False
    return {"type": "string"}, draw, rng.choice(("YYYY-MM-DDTHH:MM", "date and time, YYYY-MM-DDTHH:MM", "ISO 8601 date and time", "in the form 2026-01-31T18:00"))


def boolean_words(rng, lex):
    thing = rng.choice((lex.noun(rng), lex.word(rng) + " " + lex.noun(rng), lex.noun(rng) + "s", rng.choice(P.ASPECTS)))
    verb = rng.choice(("include", "show", "with", "allow", "enable", "use", "add", "send", "", "", "apply", "notify", "is", "has", "keep"))
    tail = rng.choice(("", "", "", "enabled", "included", "required")) if not verb else ""
    return thing, [w for w in (verb, thing, tail) if w]


def boolean_maker(rng, lex):
    thing, words = boolean_words(rng, lex)

    def draw(rng, today):
        value = rng.random() < 0.5
        said = rng.choice(P.YES if value else P.NO).format(a=thing)
        return said, value, False
    return {"type": "boolean"}, draw, "", words, thing


def object_maker(rng, lex):
    """An object of two or three string or integer fields, said as "field value, field value"."""
    names = rng.sample(W.NOUNS, rng.randint(2, 3))
    whole = [rng.random() < 0.4 for _ in names]
    schema = {"type": "object", "properties": {n: {"type": "integer" if w else "string"} for n, w in zip(names, whole)}, "required": names}

    def draw(rng, today):
        value = {n: V.integer(rng) if w else lex.word(rng) for n, w in zip(names, whole)}
        joiner, form = rng.choice((", ", " and ", "; ")), rng.choice(("{} {}", "{}: {}", "{} = {}", "{1} as {0}", "{1} for {0}")).replace("{} ", "{0} ").replace(" {}", " {1}").replace("{}:", "{0}:")
        return joiner.join(form.format(n, v) for n, v in value.items()), value, False
    return schema, draw, ""


def point_maker(rng, lex):
    """Coordinates as a list of two or three numbers."""
    size, whole = rng.choice((2, 2, 2, 3)), rng.random() < 0.6
    opening, closing = rng.choice(("()", "()", "()", "[]", ("", "")))

    def draw(rng, today):
        value = [rng.randint(-20, 40) if whole or rng.random() < 0.5 else round(rng.uniform(-9, 60), rng.choice((1, 2))) for _ in range(size)]
        return opening + rng.choice((", ", ", ", ",", "; ")).join(map(str, value)) + closing, value, False
    return {"type": "array", "items": {"type": "number"}}, draw, rng.choice(("as [x, y]", "coordinates", "x and y") if size == 2 else ("as [x, y, z]", "coordinates"))


UNSPECIFIC = {"enum", "boolean", "number", "integer", "string", "array", "list", "object", "united", "concept"}
MAKERS = {"country_code": country_maker, "language_code": language_maker, "currency_code": currency_maker, "date": date_maker, "time": time_maker, "datetime": datetime_maker, "percent": percent_maker,
          "duration": duration_maker, "enum": enum_maker, "list": list_maker, "point": point_maker, "object": object_maker}
KIND_OF_MAKER = {"country_code": "country", "language_code": "language", "currency_code": "currency"}
KIND_WEIGHTS = [(k, 2) for k in V.STRING_KINDS] + [("topic", 5), ("title", 5), ("word", 6), ("person", 6), ("city", 8), ("place", 3), ("id", 3), ("text", 3), ("integer", 12), ("number", 14), ("count", 8), ("year", 4), ("money", 7),
                                                  ("percent", 5), ("duration", 6), ("temperature", 3), ("distance", 4), ("weight", 4), ("rating", 3), ("date", 10), ("time", 6), ("datetime", 3), ("united", 26), ("enum", 8), ("boolean", 7), ("list", 13), ("point", 3), ("concept enum", 16), ("concept boolean", 13), ("concept value", 20), ("grafted", 34), ("object", 2),
                                                  ("country_code", 2), ("language_code", 2), ("currency_code", 3)]
KIND_NAMES, KIND_ODDS = [k for k, _ in KIND_WEIGHTS], [w for _, w in KIND_WEIGHTS]


def make_param(rng, lex, obj, case, kind=None, required=None):
    kind = kind or rng.choices(KIND_NAMES, KIND_ODDS)[0]
    if kind == "grafted":
        return lex.graft(rng, case, required)
    if kind.startswith("concept "):
        return concept_param(K.draw(kind[8:], rng), rng, lex, case, required)
    words, telling = None, False
    if kind == "boolean":
        schema, draw, note, words, thing = boolean_maker(rng, lex)
    elif kind == "united":
        schema, draw, note, words, thing, kind = united_maker(rng, lex)
        telling = True
    elif kind in MAKERS:
        schema, draw, note = MAKERS[kind](rng, lex)
    elif kind in ("integer", "count", "year"):
        schema, draw, note = integer_maker(kind, rng, lex)
        if kind == "count" and rng.random() < 0.5:
            thing, telling = lex.noun(rng) + "s", True
            words = rng.choice(([thing], [thing], ["num", thing], ["n", thing], [thing[:-1], "count"], ["number", "of", thing], ["max", thing]))
            kind = "things"
    elif kind in UNITS:
        schema, draw, note = measured_maker(kind, rng, lex)
    else:
        schema, draw, note = string_maker(kind, rng, lex)
    kind = KIND_OF_MAKER.get(kind, kind)
    if words is None:
        words, telling = attribute_words(kind, rng, lex)
        thing = " ".join(words)
    about = describe(thing, obj, note, schema, rng, lex)
    full = {"type": schema["type"]}
    if about:
        full["description"] = about
    full.update(schema)
    return Param(join_name(words, case), thing, full, kind, draw, rng.random() < 0.5 if required is None else required, telling or bool(note))


def concept_param(concept, rng, lex, case, required):
    schema = concept.schema(rng)
    full = {"type": schema["type"]}
    if concept.description and rng.random() < 0.8:
        full["description"] = concept.description
    full.update(schema)

    def draw(rng, today):
        before, surface, after, value = concept.say(rng, lex, full.get("enum"))
        if before is None:
            return surface, value, False
        return Clause([piece for piece in (before, (surface,) if surface else "", after) if piece]), value, False
    name = rng.choice(concept.names)
    param = Param(join_name(name.split(), case), name, full, concept.kind, draw, rng.random() < 0.4 if required is None else required, True)
    param.worded = True
    return param


def fits(param, present):
    """Whether a parameter of hand-written wording can stand beside others without being taken for one of them."""
    words = set(re.findall(r"[a-z]+", param.words.lower()))
    return all(not words & set(re.findall(r"[a-z]+", p.words.lower())) and (p.kind != param.kind or param.kind in UNSPECIFIC) for p in present)


def attribute_words(kind, rng, lex):
    if kind in ATTRIBUTES and rng.random() < 0.6:
        words = rng.choice(ATTRIBUTES[kind]).split()
        return ([lex.word(rng)] + words, True) if rng.random() < 0.15 else (words, True)
    if kind in ("list", "object") or rng.random() < 0.7:
        noun = lex.noun(rng) + ("s" if kind == "list" else "")
        return ([lex.word(rng), noun] if rng.random() < 0.3 else [noun]), kind in ("list", "object", "enum")
    return [lex.word(rng), rng.choice(ATTRIBUTES.get(kind, ["value"])).split()[-1]], True


def describe(thing, obj, note, schema, rng, lex):
    if not note and rng.random() < 0.12:
        return ""
    text = rng.choice(DESCRIPTIONS).format(a=thing, A=thing[:1].upper() + thing[1:], o=obj)
    if note:
        text = text.rstrip(".") + rng.choice((", ", " ", ", ")) + note
    if rng.random() < 0.08:
        text = text.rstrip(".") + ". " + rng.choice(P.SENTENCES).format(r=lex.noun(rng))
    if rng.random() < 0.06 and schema["type"] in ("integer", "number"):
        text += f" (default: {rng.randint(0, 100)})"
    if rng.random() < 0.04:
        text += {"string": " This is a string.", "number": " This is a float type value.", "integer": " Must be a whole number."}.get(schema["type"], "")
    return text


def with_keywords(param, rng):
    """The schema, now and then with keywords that do not matter to a call."""
    schema, kind = param.schema, param.schema["type"]
    if param.required or rng.random() > 0.12:
        return schema
    if rng.random() < 0.7:
        plain = {"boolean": rng.random() < 0.5, "integer": rng.choice((0, 1, 5, 10, 20, 100)), "number": rng.choice((0, 1, 0.5, 10)), "array": []}.get(kind, rng.choice(("", "none", None)))
        return {**schema, "default": rng.choice(schema["enum"]) if "enum" in schema else plain}
    return {**schema, **({"minimum": rng.choice((0, 1))} if kind in ("integer", "number") else {"title": param.words.title()})}


def function_json(name, description, params, rng):
    """The tool as the JSON line of the system prompt; now and then in another key order, as clients write it."""
    parameters = {"type": "object", "properties": {p.name: with_keywords(p, rng) for p in params}, "required": [p.name for p in params if p.required]}
    roll = rng.random()
    if roll < 0.06:
        parameters["additionalProperties"] = False
    elif roll < 0.10:
        parameters = {"type": "object", "required": parameters["required"], "properties": parameters["properties"]}
    if not parameters["required"] and rng.random() < 0.5:
        parameters.pop("required")
    function = {"name": name, "description": description, "parameters": parameters}
    if roll > 0.98:
        function["strict"] = True
    return json.dumps({"type": "function", "function": function}, ensure_ascii=False)


class Clause(list):
    """Pieces that give a parameter its value in words of their own."""


def bind(param, surface, rng, lex, unique):
    """The phrase that gives a parameter its value; pieces with the value protected."""
    if isinstance(surface, Clause):
        return Clause(surface)
    if param.schema["type"] == "boolean":
        return [(surface,)]
    roll = rng.random()
    kind = "unit" if param.kind.startswith("unit ") else param.kind
    if unique and roll < 0.3 and kind in lex.contexts:
        left, right = rng.choice(lex.contexts[kind])
        return [left, (surface,), right]
    if kind == "things" and roll < 0.7:
        form = rng.choice(("{v} {a}", "{v} {a}", "{v} {a}", "{a}: {v}", "{a} {v}", "of {v} {a}", "with {v} {a}", "for {v} {a}", "there are {v} {a}", "{v} {r} {a}", "we have {v} {a}", "{v} of the {a}", "the {v} {a}", "{a} are {v}", "number of {a}: {v}"))
    elif kind == "unit" and roll < 0.75:
        form = rng.choice(("{a} of {v}", "{v} {a}", "{v} of {a}", "{a} {v}", "{v} {a}", "a {v} {a}", "{a}: {v}", "{v} for the {a}", "{a} at {v}", "with {v} {a}", "with {v} of {a}", "a {a} of {v}") + (("{v}", "{v}", "for {v}", "at {v}", "of {v}", "with {v}") if unique else ()))
        if param.words.split()[-1] in LONG and rng.random() < 0.6:
            form = "{v} " + rng.choice(LONG[param.words.split()[-1]].split())
    elif unique and roll < 0.55:
        form = rng.choice(P.BY_KIND.get(kind) or P.BY_KIND.get(P.ALIASES.get(kind, ""), P.BY_KIND["word"]))
    elif roll < 0.95:
        form = rng.choice(P.NAMED)
    elif unique and roll < 0.97:
        form = rng.choice(("{r} {v}", "{r} {v}", "{r} {r} {v}", "{r}: {v}"))
    else:
        form = rng.choice(("{r} {a} {v}", "{r} {a} {v}", "{a} {r} {v}", "{r} {v} {a}", "{a} {v}"))
    form = form.replace("{a}", param.words)
    while "{r}" in form:
        form = form.replace("{r}", lex.word(rng), 1)
    before, _, after = form.partition("{v}")
    return [before, (surface,), after]


def add_phrase(pieces, phrase, rng):
    """Appends a phrase to a request; mostly behind a space or comma."""
    joiner = rng.choice((", ", ", ", ", ", ". ", ". ", "; ", " - ", " and ", " ", ": ") if isinstance(phrase, Clause) else (" ", " ", " ", " ", ", ", ", ", " and ", ". ", "; ", " - "))
    if pieces and isinstance(pieces[-1], str) and pieces[-1][-1:] in ".?!":
        pieces[-1] = pieces[-1][:-1]
    if joiner == ". " and phrase and isinstance(phrase[0], str) and phrase[0]:
        phrase = [phrase[0][:1].upper() + phrase[0][1:], *phrase[1:]]
    return pieces + [joiner] + phrase


class ComposedTool:
    """A tool made of a verb group, an object and parameters."""

    def __init__(self, rng, lex, verb=None, obj=None, params=None, domain=None):
        self.verb = verb or (rng.choice(P.VERB_GROUPS))
        self.topic = None if obj or rng.random() < 0.6 else rng.choice(K.TOPICS)
        self.obj = obj or (rng.choice(self.topic) if self.topic else make_object(rng, lex))
        self.lex = lex
        case = rng.choice(CASES[:16])
        words = [rng.choice(self.verb[0])] + self.obj.split()
        self.unknown_verb = rng.random() < 0.07
        if self.unknown_verb:
            words[0] = rng.choice(W.VERBS)
        if rng.random() < 0.08:
            words = words[1:] + [words[0]]
        name_case = rng.choice(CASES)
        self.name = join_name(words, name_case)
        if rng.random() < 0.15:
            self.name = join_name([domain or lex.noun(rng)], "flat") + "." + self.name
        if len(self.name) > 48:
            self.name = self.name[:48].rstrip("_-.")
        self.twins = []
        self.params = params if params is not None else self.make_params(rng, case)
        verb_text = words[0] if self.unknown_verb else rng.choice(self.verb[1])
        self.description = rng.choice(TOOL_DESCRIPTIONS).format(V=verb_text[:1].upper() + verb_text[1:], v=verb_text.lower(), o=self.obj, r=lex.word(rng))
        if rng.random() < 0.15:
            self.description = self.description.rstrip(".") + ". " + rng.choice(P.SENTENCES).format(r=lex.noun(rng))
        self.verb_word = words[0] if self.unknown_verb else None
        self.json = function_json(self.name, self.description, self.params, rng)
        self.group = "composed"
        self.key = ("composed", self.verb[0][0], self.obj)

    def make_params(self, rng, case):
        count = rng.choices((0, 1, 2, 3, 4, 5, 6, 8), (4, 18, 24, 22, 14, 8, 4, 2))[0]
        params, names = [], set()
        for _ in range(count):
            param = make_param(rng, self.lex, self.obj, case)
            if param.name not in names and (not param.worded or fits(param, params)):
                params.append(param)
                names.add(param.name)
        if len(params) < 7 and rng.random() < 0.2:
            self.twins = [p for p in twin_params(rng, self.lex, self.obj, case) if p.name not in names]
            params += self.twins
        params.sort(key=lambda p: not p.required or rng.random() < 0.15)
        return params

    def opening(self, rng):
        named = rng.choice(self.topic) if self.topic and rng.random() < 0.6 else self.obj
        obj = rng.choice(("the {}", "the {}", "{}", "{}", "my {}", "a {}", "our {}", "this {}", "{}s", "all {}s", "some {}", "that {}")).format(named)
        if self.unknown_verb or rng.random() < 0.08:
            text = rng.choice((f"{self.verb_word or rng.choice(self.verb[0])} {obj}", f"I need to {self.verb_word or rng.choice(self.verb[0])} {obj}"))
        elif rng.random() < 0.1:
            text = f"{rng.choice(W.VERBS)} {obj}"
        else:
            text = rng.choice(self.verb[2]).format(o=obj)
        return text

    def pieces(self, rng, today, chosen):
        draws = [param.draw(rng, today) for param in chosen]
        args = {p.name: value for p, (_, value, _) in zip(chosen, draws)}
        needs_today = any(relative for _, _, relative in draws)
        if chosen and rng.random() < 0.1:
            return self.terse(rng, chosen, [surface for surface, _, _ in draws]), args, needs_today
        surfaces = {p.name: surface for p, (surface, _, _) in zip(chosen, draws)}
        phrases = self.phrases(rng, chosen, surfaces)
        if rng.random() < 0.5:
            rng.shuffle(phrases)
        pieces = [self.opening(rng)] if len(chosen) < 2 or rng.random() < 0.93 else []
        front = phrases.pop(0) if phrases and rng.random() < 0.12 else None
        for phrase in phrases:
            pieces = add_phrase(pieces, phrase, rng) if pieces else phrase
        if front:
            if isinstance(front[0], str) and front[0]:
                front[0] = front[0][:1].upper() + front[0][1:]
            pieces = front + [rng.choice((", ", ", ", " ", ": "))] + pieces
        return pieces, args, needs_today

    def phrases(self, rng, chosen, surfaces):
        made, left = [], list(chosen)
        if len(self.twins) == 2 and all(t in chosen for t in self.twins) and rng.random() < 0.7:
            before, between = rng.choice(PAIRS)
            made.append([before, (surfaces[self.twins[0].name],), between, (surfaces[self.twins[1].name],)])
            left = [p for p in left if p not in self.twins]
        return made + [bind(p, surfaces[p.name], rng, self.lex, len(chosen) == 1 or telling(p, chosen)) for p in left]

    def ellipsis(self, rng, today):
        """One opening, then the values of two or three calls in the same words."""
        chosen = [p for p in self.params if p.required or rng.random() < 0.2]
        if not chosen:
            return None
        seed, state = rng.random(), None
        pieces, calls, needs_today = [self.opening(rng)], [], False
        count, joiner = rng.choice((2, 2, 2, 3)), rng.choice((" and ", "; ", ", and ", ", then ", " as well as ", " and also ", ". Also "))
        for number in range(count):
            draws = [p.draw(rng, today) for p in chosen]
            needs_today |= any(d[2] for d in draws)
            calls.append({p.name: d[1] for p, d in zip(chosen, draws)})
            words = random.Random(seed)
            phrases = self.phrases(words, chosen, {p.name: d[0] for p, d in zip(chosen, draws)})
            pieces.append(" " if not number else joiner)
            for i, phrase in enumerate(phrases):
                pieces += ([words.choice((" ", ", ", " "))] if i else []) + phrase
        return None if any(c in calls[:i] for i, c in enumerate(calls)) else (pieces, calls, needs_today, [])

    def terse(self, rng, chosen, surfaces):
        """Bare values in the order of the schema."""
        separator = rng.choice((" / ", ", ", ", ", "; ", " | ", " - ", " ", " – ", "\n"))
        pieces = [rng.choice((self.obj, self.obj, self.name.replace("_", " "), f"{self.verb[0][0]} {self.obj}", f"{self.obj}:", rng.choice(self.verb[2]).format(o=self.obj)))]
        if pieces[0].endswith(":"):
            pieces.append(" ")
        else:
            pieces.append(separator)
        for surface in surfaces:
            pieces += [*(surface if isinstance(surface, Clause) else [(surface,)]), separator]
        return pieces[:-1]

    def parallel(self, rng, today):
        """One request for several calls: whole sets of values, or several values for one parameter."""
        if rng.random() < 0.55:
            return self.ellipsis(rng, today)
        texts = [p for p in self.params if p.kind in V.STRING_KINDS]
        if not texts:
            return None
        chosen = [p for p in self.params if p.required]
        many = rng.choice(texts)
        if many not in chosen:
            chosen.append(many)
        values = list(dict.fromkeys(V.text_value(many.kind, rng, self.lex) for _ in range(rng.choice((2, 2, 3, 4)))))
        plain = many.draw
        many.draw = lambda rng, today: (V.join_list(values, rng), values[0], False)
        pieces, args, needs_today = self.pieces(rng, today, chosen)
        many.draw = plain
        order = [p.name for p in self.params if p.name in args]
        return pieces, [{n: value if n == many.name else args[n] for n in order} for value in values], needs_today, []

    def request(self, rng, today):
        odds = rng.choice((0, 0, 0.25, 0.25, 0.5, 1))
        chosen = [p for p in self.params if p.required or rng.random() < odds]
        pieces, args, needs_today = self.pieces(rng, today, chosen)
        order = [p.name for p in self.params]
        args = {name: args[name] for name in order if name in args}
        slots = [p for p in chosen if p.kind in V.STRING_KINDS and isinstance(args[p.name], str)]
        return pieces, [args], needs_today, slots

    def missing(self, rng, today):
        required = [p for p in self.params if p.required and p.schema["type"] != "boolean"]
        if not required:
            return None
        gone = rng.choice(required)
        chosen = [p for p in self.params if p is not gone and (p.required and rng.random() < 0.7 or p.schema["type"] == "boolean" and p.required or rng.random() < 0.25)]
        pieces, _, needs_today = self.pieces(rng, today, chosen)
        first = next(p for p in required if p not in chosen)
        return pieces, rng.choice(P.MISSING).format(a=first.words), needs_today

    def declined(self, rng):
        return None

    def result(self, rng):
        return None


def telling(param, chosen):
    """Whether the value alone tells which of the chosen parameters it is for."""
    if not param.telling:
        return False
    number = param.schema["type"] in ("integer", "number")
    return all(p is param or p.kind != param.kind and not (number and p.schema["type"] in ("integer", "number") and not (p.kind.startswith("unit ") and param.kind.startswith("unit "))) for p in chosen)


def twin_params(rng, lex, obj, case):
    """Two parameters of one kind bound by "from … to …" wording."""
    kind = rng.choice(("number", "integer", "city", "date", "temperature", "year", "currency", "time", "point"))
    first, second = rng.choice((("start", "end"), ("from", "to"), ("min", "max"), ("initial", "final"), ("source", "target"), ("lower", "upper"), ("first", "second")))
    noun = rng.choice(ATTRIBUTES.get(kind, ["point", "corner", "vertex", "position"])).split()[-1]
    twins = []
    for side in (first, second):
        param = make_param(rng, lex, obj, case, kind, True)
        param.words, param.name = f"{side} {noun}", join_name([side, noun], case)
        if "description" in param.schema and kind not in ("date", "time"):
            param.schema["description"] = describe(param.words, obj, "", param.schema, rng, lex) or param.words
        twins.append(param)
    return twins


def make_object(rng, lex):
    noun = lex.noun(rng)
    roll = rng.random()
    if roll < 0.3:
        return noun
    if roll < 0.55:
        return f"{noun} {rng.choice(P.ASPECTS)}"
    if roll < 0.8:
        return f"{lex.noun(rng)} {noun}"
    return f"{rng.choice(W.ADJECTIVES)} {noun}"


def siblings(tool, rng, lex):
    """Tools that share the verb or the object of another, as near misses."""
    made = []
    for _ in range(rng.randint(1, 3)):
        if rng.random() < 0.5:
            verb = rng.choice([g for g in P.VERB_GROUPS if not set(g[0]) & set(tool.verb[0]) and not related(g, tool.verb)])
            made.append(ComposedTool(rng, lex, verb=verb, obj=tool.obj))
        else:
            made.append(ComposedTool(rng, lex, verb=tool.verb))
    return made


def related(one, other):
    return bool(set(one[2]) & set(other[2]))
