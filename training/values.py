"""Values of every kind: how they look in a request and what they are as an argument."""
import datetime
import re

import words as W

ONSETS = "b c d f g h j k l m n p r s t v w z br cl cr dr fl fr gl gr kr pl pr sk sl sp st tr th sh ch qu".split()
VOWELS = "a e i o u a e i o ai ea ee io oo ou y".split()
CODAS = ["", "", "", "", "n", "r", "s", "l", "m", "t", "x", "nd", "rt", "sk", "ll", "ck", "ng"]
MONTHS = "January February March April May June July August September October November December".split()
WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
ONES = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
eighteen nineteen""".split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split()
COUNTRY_CODES = [tuple(c.split(":")) for c in W.COUNTRIES]
CURRENCY_WORDS = [tuple(c.split(":")) for c in W.CURRENCIES]
LANGUAGE_CODES = [tuple(c.split(":")) for c in W.LANGUAGES]

LISTS = {
    "first_name": W.FIRST, "city": W.CITIES, "country": [c for c, _ in COUNTRY_CODES], "language": [n for n, _ in LANGUAGE_CODES],
    "animal": W.ANIMALS, "food": W.FOODS, "color": W.COLORS, "sport": W.SPORTS, "genre": W.GENRES, "disease": W.DISEASES,
    "chemical": W.CHEMICALS, "species": W.SPECIES, "brand": W.BRANDS, "song": W.SONGS, "book": W.BOOKS, "movie": W.MOVIES,
    "team": W.TEAMS, "company": W.COMPANIES, "ticker": W.TICKERS, "weekday": WEEKDAYS, "month": MONTHS,
    "currency": [c for c, _ in CURRENCY_WORDS],
}
PROPER = {"person", "first_name", "city", "country", "place", "company", "brand", "language", "team", "weekday", "month"}


def exclude(taken):
    """Drops the values of the held-out set from every list, in place."""
    for items in LISTS.values():
        kept = [v for v in items if v.lower() not in taken]
        if len(kept) >= 8:
            items[:] = kept


def pseudo(rng, parts=None):
    return "".join(rng.choice(ONSETS) + rng.choice(VOWELS) + rng.choice(CODAS) for _ in range(parts or rng.choice((1, 2, 2, 3))))


def spliced(rng):
    """An invented word with the letters of real ones."""
    first, second = rng.choice(W.NOUNS), rng.choice(rng.choice((W.NOUNS, W.ADJECTIVES, W.VERBS)))
    return first[:rng.randint(1, max(1, len(first) - 1))] + second[rng.randint(0, max(0, len(second) - 3)):]


class Lexicon:
    """Words for names and values that no phrase explains: hand lists, words of the seeds, invented words."""

    def __init__(self, extra=(), contexts=None):
        self.graft = None  # set by the generator: makes a parameter worded by some seed
        self.contexts = contexts or {}  # kind -> [(text before, text behind)] of values in the seeds
        self.words = sorted(set(W.NOUNS) | set(W.ADJECTIVES) | set(W.VERBS) | set(extra))

    def word(self, rng):
        roll = rng.random()
        return pseudo(rng) if roll < 0.07 else spliced(rng) if roll < 0.17 else rng.choice(self.words)

    def noun(self, rng):
        roll = rng.random()
        return pseudo(rng) if roll < 0.05 else spliced(rng) if roll < 0.13 else rng.choice(W.NOUNS)


def say_small(n):
    if n < 20:
        return ONES[n]
    if n < 100:
        return TENS[n // 10 - 2] + ("-" + ONES[n % 10] if n % 10 else "")
    rest = n % 100
    return ONES[n // 100] + " hundred" + (" and " + say_small(rest) if rest else "")


def say_integer(n):
    if n < 1000:
        return say_small(n)
    if n < 1000000 and n % 100 == 0:
        rest = n % 1000
        return say_small(n // 1000) + " thousand" + (" " + say_small(rest) if rest else "")
    return f"{n:,}"


def parse_number_words(text):
    """The number that words like "twenty-five" or "three hundred" say, or None."""
    total = current = 0
    seen = False
    for word in text.lower().replace("-", " ").split():
        if word in ONES:
            current += ONES.index(word)
        elif word in TENS:
            current += 20 + 10 * TENS.index(word)
        elif word == "hundred":
            current = (current or 1) * 100
        elif word == "thousand":
            total, current = total + (current or 1) * 1000, 0
        elif word == "and" and seen:
            continue
        else:
            return None
        seen = True
    return total + current if seen else None


def say_number(n, rng):
    """A number in the words or digits a person would use."""
    if n < 0:
        return str(n) if rng.random() < 0.7 else f"minus {abs(n)}"
    if isinstance(n, float):
        if n.is_integer() and rng.random() < 0.5:
            n = int(n)
        else:
            return str(n)
    if n == 12 and rng.random() < 0.2:
        return "a dozen"
    if n in (6, 24) and rng.random() < 0.2:
        return "half a dozen" if n == 6 else "two dozen"
    if n == 2 and rng.random() < 0.1:
        return rng.choice(("a couple of", "a pair of"))
    if 0 <= n <= 20 and rng.random() < 0.3 or 0 <= n < 100 and rng.random() < 0.12:
        return say_small(n)
    if 100 <= n and n % 100 == 0 and rng.random() < 0.15:
        return say_integer(n)
    if n >= 1000 and rng.random() < 0.4:
        return f"{n:,}"
    if n >= 1000 and n % 1000 == 0 and rng.random() < 0.3:
        return f"{n // 1000}k"
    return str(n)


def integer(rng):
    return rng.choice((rng.randint(0, 12), rng.randint(1, 30), rng.randint(1, 100), rng.randint(10, 999), rng.randint(100, 20000),
                       rng.randint(1, 99) * 10, rng.randint(1, 99) * 100, rng.randint(1, 50) * 1000))


def decimal(rng):
    digits = rng.choice((1, 1, 2, 2, 3))
    return round(rng.uniform(0, rng.choice((1, 10, 10, 100, 1000))), digits)


def iso(day):
    return day.isoformat()


def any_day(rng):
    return datetime.date(2020, 1, 1) + datetime.timedelta(days=rng.randint(0, 3800))


def ordinal(n):
    return f"{n}" + ("th" if 11 <= n <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th"))


def long_date(day, rng):
    month, d, y = MONTHS[day.month - 1], day.day, day.year
    return rng.choice((f"{month} {d}, {y}", f"{d} {month} {y}", f"{month[:3]} {d}, {y}", f"{month[:3]} {d} {y}", f"{ordinal(d)} of {month} {y}",
                       f"{month} {ordinal(d)}, {y}", f"{d} {month[:3]} {y}", f"the {ordinal(d)} of {month}, {y}", f"{y}/{day.month:02d}/{day.day:02d}",
                       f"{month.lower()} {d} {y}"))


RELATIVE_DAYS = [("today", 0), ("tomorrow", 1), ("the day after tomorrow", 2), ("yesterday", -1), ("the day before yesterday", -2), ("in three days", 3),
                 ("in 4 days", 4), ("in five days", 5), ("in 6 days", 6), ("in a week", 7), ("a week from now", 7), ("a week from today", 7), ("in two weeks", 14),
                 ("in 10 days", 10), ("two days ago", -2), ("three days ago", -3), ("a week ago", -7), ("in 2 days", 2), ("tonight", 0), ("tomorrow night", 1),
                 ("tmrw", 1), ("a fortnight from now", 14), ("in three weeks", 21), ("in two days' time", 2), ("tomorrow morning", 1), ("this evening", 0)]


def relative_day(spec, today):
    """The date that a seed's @ expression means; @fri is the next Friday after today."""
    name = spec[1:]
    if name[0] in "+-":
        return today + datetime.timedelta(days=int(name[:-1]))
    index = [d[:3].lower() for d in WEEKDAYS].index(name)
    return today + datetime.timedelta(days=(index - today.weekday() - 1) % 7 + 1)


def draw_relative(rng):
    if rng.random() < 0.35:
        day = rng.choice(WEEKDAYS)
        form = rng.choice(("{}", "next {}", "this {}", "on {}", "coming {}", "this coming {}"))
        return form.format(day if rng.random() < 0.6 else day.lower()), "@" + day[:3].lower()
    if rng.random() < 0.2:
        n = rng.randint(2, 25)
        return f"in {n if rng.random() < 0.6 else say_small(n)} days", f"@+{n}d"
    text, days = rng.choice(RELATIVE_DAYS)
    return text, f"@{days:+d}d"


def clock(rng):
    return rng.randint(0, 23), rng.choice((0, 0, 0, 15, 30, 30, 45, rng.randint(0, 59)))


def say_time(h, m, rng):
    half = "am" if h < 12 else "pm"
    h12 = h % 12 or 12
    forms = [f"{h:02d}:{m:02d}", f"{h12}:{m:02d} {half}", f"{h12}:{m:02d}{half}", f"{h12}.{m:02d} {half}"]
    part = "in the morning" if h < 12 else "in the afternoon" if h < 18 else "in the evening"
    if m == 0:
        forms += [f"{h12}{half}", f"{h12} {half}", f"{ONES[h12]} {part}", f"{h12} o'clock {part}", f"{h12} {part}"]
        if h == 12:
            forms += ["noon", "midday"]
        if h == 0:
            forms += ["midnight"]
    if m == 30:
        forms += [f"half past {ONES[h12]} {part}", f"{ONES[h12]} thirty {part}"]
    if m == 15:
        forms += [f"quarter past {ONES[h12]} {part}", f"a quarter past {h12} {part}"]
    if m == 45:
        forms += [f"quarter to {ONES[(h + 1) % 12 or 12]} {part}", f"a quarter to {(h + 1) % 12 or 12} {part}"]
    return rng.choice(forms)


ACCENTS = str.maketrans("aceginorsuyz", "áčéğíñöřšüýž")


def accented(name, rng):
    """A name with one letter as other languages write it."""
    spots = [i for i, c in enumerate(name) if i and c in "aceginorsuyz"]
    if not spots:
        return name
    i = rng.choice(spots)
    return name[:i] + name[i].translate(ACCENTS) + name[i + 1:]


def person(rng):
    first, last = rng.choice(LISTS["first_name"]), rng.choice(W.LAST)
    if rng.random() < 0.12:
        last = accented(rng.choice((last, titled(spliced(rng), rng))), rng)
    if rng.random() < 0.06:
        first = accented(first, rng)
    return rng.choice((first, f"{first} {last}", f"{first} {last}", f"{first} {last}", f"Dr. {last}", f"Ms. {last}", f"Mr. {last}", f"{first} {last[0]}.", f"Professor {last}"))


def code(rng):
    def block(letters, n):
        return "".join(rng.choice(letters) for _ in range(n))
    n = rng.randrange(len(CODES) + 3)
    return CODES[n](block, rng) if n < len(CODES) else patterned(rng)


UPPER, DIGIT = "ABCDEFGHJKLMNPQRSTUVWXYZ", "0123456789"
CODES = [
    lambda b, r: b(UPPER, 2) + "-" + b(DIGIT, 4), lambda b, r: b(UPPER, 3) + b(DIGIT, 3), lambda b, r: b(DIGIT, 6), lambda b, r: b(UPPER, 1) + b(DIGIT, r.randint(1, 3)),
    lambda b, r: r.choice(W.NOUNS) + "_" + b(DIGIT, 3), lambda b, r: b(UPPER, 3) + "-" + b(DIGIT, 2), lambda b, r: "#" + b(DIGIT, 4), lambda b, r: b("0123456789abcdef", 8),
    lambda b, r: r.choice(W.NOUNS)[:3].upper() + "-" + b(DIGIT, 4), lambda b, r: b(DIGIT, 3) + "-" + b(DIGIT, 3), lambda b, r: b(UPPER, 4), lambda b, r: b(DIGIT, r.randint(3, 9)),
    lambda b, r: r.choice(W.NOUNS) + "-" + b(DIGIT, 2), lambda b, r: b(UPPER, 2) + b(DIGIT, 2) + b(UPPER, 2)]


def patterned(rng):
    """Blocks of letters and digits with one kind of separator, a space as well."""
    blocks = []
    for _ in range(rng.choice((2, 2, 2, 3, 3, 4))):
        letters = rng.choice(("ABCDEFGHJKLMNPQRSTUVWXYZ", "0123456789", "0123456789", "abcdefghijkmnpqrstuvwxyz"))
        blocks.append("".join(rng.choice(letters) for _ in range(rng.choice((1, 1, 2, 2, 3, 4)))))
    return rng.choice((" ", " ", "-", "/", ".", ":", "")).join(blocks)


def domain(rng, lex):
    return rng.choice((lex.noun(rng), lex.noun(rng) + lex.noun(rng), lex.noun(rng) + "-" + lex.word(rng))).replace(" ", "") + rng.choice((".com", ".org", ".net", ".io", ".co.uk", ".de", ".example", ".edu"))


def phrase(rng, lex, low=1, high=4):
    """A noun phrase of lexicon words, now and then with a small word or a sign in it."""
    n = min(rng.randint(low, high), rng.randint(low, high))
    items = [lex.word(rng) for _ in range(n)]
    if n >= 2 and rng.random() < 0.25:
        items.insert(rng.randint(1, n - 1), rng.choice(("of", "and", "&", "for", "the", "in", "to", "with", "on", "at", "a", "vs.", "from")))
    return " ".join(items)


def titled(text, rng):
    return " ".join(w if w in ("of", "and", "for", "the", "in", "to", "with", "on", "at", "a") else w[:1].upper() + w[1:] for w in text.split())


MESSAGES = """I'll be late|the meeting moved to {t}|call me back|dinner is ready|don't wait for me|see you at {t}|the {n} has arrived|please bring the {n}|happy birthday {p}|the {n} is broken
we won the {n}|can you pick up the {n}|thanks for the {n}|I love the new {n}|remember the {n}|the {n} is {w}|water the {n}|{p} will join us|our {n} starts at {t}|let's meet in {c}
buy {n} and {n}|the {w} {n} needs a {n}|{p} lost the {n}|we are in {c} now|feed the {n}|take out the {n}|pay the {n}|renew the {n}|pick {p} up from the {n}|call {p}|return the {n}
the train from {c} is late|good luck with the {n}|I can't make it|{n} delivered|all {n}s are {w}|no {n} today|get well soon|finish the {n}|{w} {n} wanted""".replace("\n", "|").split("|")


def message(rng, lex):
    text = rng.choice(MESSAGES)
    return re.sub(r"\{(\w)\}", lambda m: {"t": lambda: say_time(*clock(rng), rng), "n": lambda: lex.noun(rng), "w": lambda: lex.word(rng),
                                          "p": lambda: rng.choice(LISTS["first_name"]), "c": lambda: rng.choice(LISTS["city"])}[m.group(1)](), text)


def text_value(kind, rng, lex):
    """A string of the kind, as it stands in the request and in the argument alike; None if the kind has none."""
    if kind in LISTS and not (kind in ("topic", "title") or rng.random() < 0.12 and kind not in ("currency", "weekday", "month", "language", "ticker")):
        return rng.choice(LISTS[kind])
    if kind == "person":
        return person(rng) if rng.random() < 0.9 else titled(pseudo(rng) + " " + pseudo(rng), rng)
    if kind in ("first_name", "city", "country", "team", "species", "company", "brand"):
        return titled(phrase(rng, lex, 1, 2) if rng.random() < 0.4 else pseudo(rng, 2), rng)
    if kind == "username":
        return rng.choice((lex.word(rng), rng.choice(LISTS["first_name"]).lower(), lex.word(rng) + "_" + lex.word(rng))) + rng.choice(("", "", str(rng.randint(1, 999))))
    if kind == "place":
        if rng.random() < 0.1:
            one, two = titled(lex.noun(rng), rng), titled(lex.noun(rng), rng)
            return rng.choice((f"{one}-{two}", f"St {one}'s", f"{one}'s {two}", f"{one} {lex.noun(rng)}, {two} {rng.randint(1, 30)}", f"{one} {rng.randint(1, 30)}", f"{one} {rng.choice('ABCDE')}"))
        return rng.choice((rng.choice(LISTS["city"]), titled(phrase(rng, lex, 1, 2) + " " + rng.choice("Park Square Museum Station Bridge Street Hall Airport Beach Harbor Tower Market Library Hotel Café Lake Valley Island Road".split()), rng),
                           "the " + phrase(rng, lex, 1, 2), rng.choice(LISTS["city"]) + ", " + rng.choice(LISTS["country"])))
    if kind == "address":
        street = titled(phrase(rng, lex, 1, 1), rng) + " " + rng.choice(("Street", "Road", "Avenue", "Lane", "St", "Drive", "Way"))
        return f"{rng.randint(1, 400)} {street}" + rng.choice(("", "", ", " + rng.choice(LISTS["city"])))
    if kind == "product":
        return rng.choice((phrase(rng, lex, 1, 2), lex.noun(rng), titled(phrase(rng, lex, 1, 2), rng) + f" {rng.randint(2, 900)}", rng.choice(LISTS["brand"]) + " " + lex.noun(rng)))
    if kind == "email":
        return rng.choice((lex.word(rng), rng.choice(LISTS["first_name"]).lower() + "." + rng.choice(W.LAST).lower().replace("'", ""))).replace(" ", "") + "@" + domain(rng, lex)
    if kind == "url":
        return rng.choice(("https://", "http://", "https://www.", "www.", "")) + domain(rng, lex) + rng.choice(("", "", "/" + lex.noun(rng), f"/{lex.noun(rng)}/{rng.randint(1, 999)}"))
    if kind == "phone":
        d = [str(rng.randint(0, 9)) for _ in range(10)]
        return rng.choice((f"+1{''.join(d)}", f"555-{''.join(d[:4])}", f"({''.join(d[:3])}) {''.join(d[3:6])}-{''.join(d[6:])}", f"+44 {''.join(d[:4])} {''.join(d[4:])}", f"0{''.join(d[:9])}"))
    if kind in ("code", "id"):
        return code(rng)
    if kind in ("file", "path"):
        name = rng.choice((lex.noun(rng), lex.noun(rng) + "_" + lex.noun(rng), lex.noun(rng) + "-" + str(rng.randint(1, 2030)), "IMG_" + str(rng.randint(100, 9999)))).replace(" ", "_")
        name += "." + rng.choice("pdf txt csv json png jpg docx xlsx md mp3 mp4 py zip yaml log html".split())
        return name if kind == "file" and rng.random() < 0.75 else rng.choice(("/", "~/", "/home/", "./", "C:/")) + lex.noun(rng) + "/" + name
    if kind in ("topic", "word", "animal", "food", "color", "sport", "genre", "disease", "chemical"):
        return phrase(rng, lex, 1, 3 if kind == "topic" else 2)
    if kind in ("title", "song", "book", "movie"):
        text = phrase(rng, lex, 1, 4)
        if rng.random() < 0.04:
            text += rng.choice("!?")
        return titled(text, rng) if rng.random() < 0.65 else text
    if kind in ("text", "message"):
        return message(rng, lex)
    if kind == "ticker":
        return "".join(rng.choice("ABCDEFGHIKLMNOPRSTUVWXYZ") for _ in range(rng.randint(2, 4)))
    return None


STRING_KINDS = """person first_name city country place address company product brand email url phone code id file path language currency topic title text message word
animal food color sport genre disease chemical species team song book movie username ticker weekday month""".split()


def join_list(items, rng):
    if len(items) == 1:
        return items[0]
    if len(items) == 2:
        return rng.choice(("{} and {}", "{} and {}", "{} & {}", "{}, {}", "both {} and {}", "{} plus {}", "{} as well as {}")).format(*items)
    style = rng.random()
    if style < 0.55:
        return ", ".join(items[:-1]) + rng.choice((" and ", ", and ")) + items[-1]
    if style < 0.85:
        return ", ".join(items)
    return " and ".join(items)


DIGITS = re.compile(r"\d[\d,]*(?:\.\d+)?|\.\d+")
NUMBER_WORD = re.compile(r"\b(?:" + "|".join(ONES + TENS + ["hundred", "thousand"]) + r")(?:(?:[ -]| and )(?:" + "|".join(ONES + TENS + ["hundred", "thousand"]) + r"))*\b", re.I)
RATIOS = (1, 60, 3600, 1000, 0.01, 0.001, 1e6, 24, 7, 12, 1 / 60, 100)


def respell_number(surface, value, whole, rng):
    """The surface with another number in the place of its only one, and the value that follows; None if it is not that simple."""
    found = DIGITS.findall(surface)
    if len(found) == 1:
        span, old = found[0], float(found[0].replace(",", ""))
    elif found:
        return None
    else:
        spans = NUMBER_WORD.findall(surface)
        if len(spans) != 1:
            return None
        span, old = spans[0], parse_number_words(spans[0])
    if not old:
        return None
    ratio = value / old
    factor = next((r for r in RATIOS if abs(r - ratio) < 1e-9 * max(1, r)), None)
    if factor is None:
        return None
    if "." in span:
        places = len(span.split(".")[1].rstrip(","))
        new = round(rng.uniform(old * 0.3, old * 2.5), places)
        said = f"{new:.{places}f}"
        if span.startswith("."):
            said = said.lstrip("0")
        new = float(said)
    else:
        new = similar_integer(int(old), rng)
        said = f"{new:,}" if "," in span else str(new) if span[0].isdigit() else say_integer(new)
        if span[0].isdigit() and new < 100 and surface == span and rng.random() < 0.2:
            said = say_small(new)
        if span[:1].isupper():
            said = said[:1].upper() + said[1:]
    scaled = round(new * factor, 9)
    if whole and not float(scaled).is_integer():
        return None
    return surface.replace(span, said, 1), int(scaled) if whole or float(scaled).is_integer() else scaled


def similar_integer(old, rng):
    if 1900 <= old <= 2035:
        return rng.randint(1950, 2030)
    if old < 10:
        return rng.randint(2, 14)
    if old % 100 == 0:
        return rng.randint(1, 40) * max(old // 10, 100)
    if old % 10 == 0:
        return rng.randint(1, 30) * 10 if old < 1000 else rng.randint(1, 3 * old // 10) * 10
    return rng.randint(max(2, old // 3), 2 * old)
