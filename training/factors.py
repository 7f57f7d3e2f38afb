"""Held-out items that differ from training in one thing alone: unseen values, unseen wording, or unseen names of tools and parameters.

kinds: values (a known tool and request, other names and titles in it), wording (a known tool, a request of it that training never sees), names
(a known request whose nouns, in the tool too, are words training does not have).
"""

import seeds as S
import values as V
from check_seeds import Slot

COUNT = 240
VALUES = {kind: text.split("|") for kind, text in {
    "person": "Ottilie Brandvold|Farrukh Mirzayev|Celeste Okwuosa|Ignatius Prewitt|Marisol Quintanar|Tobias Ekdahl|Wilhelmina Stroud|Kwabena Asiedu|Yelena Marchenko|Hamish Dunwoody|Perpetua Lindgren|Bartholomew Finch",
    "first_name": "Ottilie|Farrukh|Celeste|Ignatius|Marisol|Wilhelmina|Kwabena|Perpetua|Hamish|Araminta", "city": "Timbuktu|Bergamo|Chattanooga|Kaunas|Arequipa|Wollongong|Sibiu|Antofagasta|Tromso|Mbarara|Santa Fe|Aix-en-Provence",
    "country": "Paraguay|Bhutan|Moldova|Namibia|Honduras|Laos|Armenia|Botswana", "company": "Halvorsen & Daughters|Tidemark Optics|Peregrine Foundry|Moonbase Bakery|Ostrich Airlines|Copperleaf Bank|Yarrow Shipping Ltd.|Quokka Robotics",
    "place": "Gallows Hill|the Corn Exchange|Pelham Crescent|Lantern Quay|Mossy Bottom|the Observatory Steps|Thornbury Arcade|Windmill Fields", "product": "bamboo xylophone|heated birdbath|Orbita 900 kettle|folding kayak|leather satchel|tungsten dartboard",
    "title": "The Heron Ledger|Notes from a Tin Roof|Seven Lukewarm Winters|Minutes of the Owl Club|Gravel and Honey|A Short History of Doors", "book": "The Heron Ledger|Notes from a Tin Roof|Seven Lukewarm Winters|Gravel and Honey", "movie": "Midnight at the Ferry|The Glass Herdsman|Two Tickets to Nowhere|Harvest of Static",
    "song": "Velvet Turbine|Sleepless in Gravel|Paper Comets|My Other Canoe", "food": "rutabaga|halloumi|gooseberries|tempeh|persimmon|buckwheat blini", "animal": "capybara|pangolin|okapi|axolotl|marmot|ibis", "topic": "beekeeping|tidal energy|Etruscan pottery|glacier retreat|speed knitting|submarine cables",
    "team": "Tidewater Rovers|Granite City Wolves|the Marsh Hornets|Atletico Bergamo", "brand": "Kestora|Blumquist|Nordhaven|Zephyrine", "species": "Lynx pardinus|common kingfisher|Corvus corax|hazel dormouse"}.items()}
NOUNS = "brimstone|calabash|dulcimer|escutcheon|filigree|gimlet|halyard|isthmus|jodhpur|kumquat|lanyard|marzipan|nougat|obelisk|parapet|quiche|rhubarb|sextant|tumbrel|umlaut|valance|wicket|yurt|zither|bobbin|cairn|dirigible|epaulette|firkin|gargoyle".split("|")


def unseen_values():
    return sorted({v.lower() for values in VALUES.values() for v in values} | set(NOUNS))


def items(trained, rng):
    """(kind, seed, plain tool or None, text, calls, relative) for about COUNT items a kind."""
    withheld = [s for s in trained if s.withheld and len(s.withheld.parts) == 1][:COUNT]
    found = [("wording", s, None, *spoken(s, s.withheld, {})) for s in withheld]
    order = rng.sample(trained, len(trained))
    found += take(COUNT, (with_values(s, rng) for s in order))
    return found + take(COUNT, (with_names(s, rng) for s in order))


def take(count, stream):
    found = []
    for item in stream:
        if item is not None and len(found) < count:
            found.append(item)
    return found


def spoken(seed, request, changed, swap=lambda text: text, name=lambda name: name):
    """Text, calls and whether today is needed; `changed` maps slots to other strings."""
    from heldout import TODAY
    args, text, relative = {}, "", False
    for piece in [*request.shared, *request.parts[0]]:
        if isinstance(piece, str):
            text += swap(piece)
            continue
        new = changed.get(id(piece))
        relative |= piece.relative
        args[name(piece.param)] = new or (V.iso(V.relative_day(piece.value, TODAY)) if piece.relative else piece.value)
        text += new or piece.surface or ""
    order = [name(p.name) for p in seed.params]
    return text.strip(), [{"name": name(seed.tool.name), "arguments": {n: args[n] for n in order if n in args}}], relative


def simple_requests(seed):
    return [r for r in seed.tool.requests if len(r.parts) == 1]


def with_values(seed, rng):
    request = rng.choice(simple_requests(seed) or [None])
    slots = [p for p in (request.parts[0] if request else []) if isinstance(p, Slot) and p.surface == p.value and seed.tool.params[p.param].kind in VALUES]
    if not slots:
        return None
    return "values", seed, None, *spoken(seed, request, {id(s): rng.choice(VALUES[seed.tool.params[s.param].kind]) for s in slots})


def with_names(seed, rng):
    from heldout import json_of
    requests = simple_requests(seed)
    if not requests or not seed.nouns:
        return None
    maker = S.SeedTool.__new__(S.SeedTool)
    maker.seed, maker.nouns = seed, dict(zip(seed.nouns, rng.sample(NOUNS, len(seed.nouns)))) if len(seed.nouns) <= len(NOUNS) else {}
    maker.pattern = S.noun_pattern(maker.nouns)
    tool = json_of(seed)
    function = tool["function"]

    def name(old):
        words = S.name_words(old)
        return old if maker.map_words(words) == words else "_".join(maker.map_words(words))
    function["name"], function["description"] = name(function["name"]), maker.swap_nouns(function["description"])
    properties = function["parameters"]["properties"]
    for schema in properties.values():
        if "description" in schema:
            schema["description"] = maker.swap_nouns(schema["description"])
    function["parameters"]["properties"] = {name(old): schema for old, schema in properties.items()}
    function["parameters"]["required"] = [name(old) for old in function["parameters"]["required"]]
    return "names", seed, tool, *spoken(seed, rng.choice(requests), {}, maker.swap_nouns, name)
