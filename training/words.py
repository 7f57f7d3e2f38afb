"""Hand-written word lists of the generator: nouns, adjectives, verbs, synonyms and names."""


def split(text):
    return [item.strip() for item in text.replace("\n", " ").split("|" if "|" in text else None) if item.strip()]


FIRST = split("""Aaron Abena Adele Aiko Alma Amara Amir Ana Anders Anika Anton Aoife Arjun Astrid Ayesha Beatriz Ben Bianca Boris Brigid
Bruno Callum Camila Carmen Cedric Chidi Chloe Cormac Dalia Daniel Darya David Deepa Diego Dmitri Eduardo Eleni Elias Ellen Emeka
Emma Enzo Erik Esther Eva Farid Fatima Felix Fiona Freya Gabriel Gemma Georg Giulia Grace Gustav Hana Hanna Harold Hassan Helen
Henrik Hugo Ibrahim Ida Ines Ingrid Irina Isaac Ivan Ivy Jack Jamal James Jana Jasper Jin Joanna Joao Jonas Jorge Josef Julia
Kaito Karim Karin Kate Kavita Keiko Kemal Kenji Kwame Lara Lars Leila Lena Leo Liam Lila Linh Lucas Lucia Luis Magda Mai Malik
Marco Maria Marta Mateo Maya Mei Mercy Mia Miguel Mina Mira Mohamed Mona Nadia Naomi Nasser Nia Nico Nikhil Nina Noah Nora Olga
Oliver Omar Oscar Otto Paolo Patrick Paul Pavel Pedro Petra Pilar Priya Rafael Raj Ravi Rebecca Rex Rhea Rita Robert Rosa Ruth
Sami Samuel Sanjay Sara Sasha Selma Sergei Shira Simon Sofia Soren Stella Sunita Suresh Sven Tamar Tara Tariq Teo Theo Thomas
Tom Tomas Uma Ursula Valentina Vera Victor Viktor Wanda Wei Will Ximena Yara Yasmin Yuki Yusuf Zainab Zara Zoe Zuri""")
LAST = split("""Abbott Adeyemi Aguilar Ahmed Alvarez Andersen Arslan Baker Banerjee Barros Bauer Becker Bell Berg Bianchi Blake Boateng Bose
Bright Brown Byrne Campbell Carlsson Castillo Chan Chavez Chen Choi Clarke Cohen Cole Costa Cruz Dahl Das Delgado Desai Diaz Diop
Doyle Dubois Duncan Edwards Eriksen Evans Farah Fernandez Ferrari Fischer Flores Fontaine Foster Fraser Fujita Garcia Gomez Gonzalez
Grant Gray Green Gupta Haddad Hall Hansen Hart Hassan Hayes Hernandez Hill Hoffmann Holm Hughes Ibrahim Ito Ivanov Jackson Jansen
Jensen Jimenez Johansson Johnson Jones Kamau Kaur Keller Kelly Khan Kim King Klein Kowalski Kozlov Kumar Lange Larsen Laurent Lee
Lewis Li Lim Lindqvist Lopez Lund Macdonald Mahmoud Marin Martinez Mbeki Mehta Mendes Meyer Miller Mitchell Moore Morales Moreau
Morgan Mori Müller Murphy Nair Nakamura Ndiaye Nguyen Nielsen Novak O'Brien O'Neill Okafor Okonkwo Olsen Ortega Osei Ozturk Park
Parker Patel Perez Petrov Pham Phillips Popescu Quinn Rahman Ramos Rao Reid Reyes Ricci Rivera Roberts Rossi Rowe Ruiz Russo
Sanchez Santos Sato Schmidt Schneider Scott Sharma Silva Singh Smith Sokolov Stewart Sullivan Suzuki Svensson Takahashi Tan
Taylor Torres Tran Turner Usman Vargas Vega Virtanen Volkov Wagner Walker Wang Ward Watson Weber White Wilson Wong Wood Wright
Yamamoto Yilmaz Young Zhang Ziegler""")
CITIES = split("""Aarhus|Abuja|Accra|Adelaide|Almaty|Amsterdam|Ankara|Antwerp|Athens|Atlanta|Auckland|Austin|Baku|Baltimore|Bangalore|Bangkok|Barcelona|
Basel|Beirut|Belfast|Belgrade|Bergen|Berlin|Bilbao|Birmingham|Bogotá|Bologna|Bordeaux|Boston|Bratislava|Brisbane|Bristol|Brno|Brussels|Bucharest|Budapest|
Buenos Aires|Cairo|Calgary|Cape Town|Cardiff|Casablanca|Charlotte|Chennai|Chicago|Cologne|Colombo|Copenhagen|Cork|Cusco|Dakar|Dallas|Delhi|Denver|Detroit|
Doha|Dortmund|Dresden|Dubai|Dublin|Durban|Edinburgh|Eindhoven|Florence|Frankfurt|Fukuoka|Gdansk|Geneva|Genoa|Ghent|Glasgow|Graz|Guadalajara|Hamburg|Hanoi|
Havana|Helsinki|Hobart|Hong Kong|Honolulu|Houston|Hyderabad|Istanbul|Izmir|Jakarta|Jerusalem|Johannesburg|Kampala|Karachi|Kathmandu|Kigali|Kolkata|Krakow|
Kuala Lumpur|Kyiv|Kyoto|La Paz|Lagos|Lahore|Las Vegas|Leeds|Leipzig|Lima|Linz|Lisbon|Liverpool|Ljubljana|London|Los Angeles|Luxembourg|Lyon|Madrid|Malmö|
Manchester|Manila|Marrakesh|Marseille|Medellín|Melbourne|Memphis|Mexico City|Miami|Milan|Minneapolis|Montevideo|Montreal|Mumbai|Munich|Nagoya|Nairobi|Nantes|
Naples|Nashville|New Orleans|New York|Newcastle|Nice|Nicosia|Oakland|Odesa|Orlando|Osaka|Oslo|Ottawa|Oxford|Palermo|Panama City|Paris|Perth|Philadelphia|
Phoenix|Pittsburgh|Plovdiv|Portland|Porto|Prague|Quebec City|Quito|Reykjavik|Riga|Rio de Janeiro|Rome|Rotterdam|Salvador|Salzburg|San Diego|San Francisco|
San José|Santiago|São Paulo|Sapporo|Sarajevo|Seattle|Seoul|Seville|Shanghai|Singapore|Skopje|Sofia|Split|St. Louis|Stockholm|Stuttgart|Sydney|Taipei|Tallinn|
Tampa|Tbilisi|Tel Aviv|The Hague|Tirana|Tokyo|Toronto|Toulouse|Trieste|Tunis|Turin|Utrecht|Valencia|Vancouver|Venice|Verona|Vienna|Vilnius|Warsaw|
Wellington|Winnipeg|Wroclaw|Yerevan|York|Zagreb|Zurich""")
COUNTRIES = split("""Argentina:AR|Australia:AU|Austria:AT|Belgium:BE|Bolivia:BO|Brazil:BR|Bulgaria:BG|Cambodia:KH|Canada:CA|Chile:CL|China:CN|Colombia:CO|
Croatia:HR|Cuba:CU|Denmark:DK|Ecuador:EC|Egypt:EG|Estonia:EE|Ethiopia:ET|Finland:FI|France:FR|Georgia:GE|Germany:DE|Ghana:GH|Greece:GR|Hungary:HU|Iceland:IS|
India:IN|Indonesia:ID|Ireland:IE|Israel:IL|Italy:IT|Jamaica:JM|Japan:JP|Jordan:JO|Kenya:KE|Latvia:LV|Lebanon:LB|Lithuania:LT|Madagascar:MG|Malaysia:MY|
Malta:MT|Mexico:MX|Mongolia:MN|Morocco:MA|Nepal:NP|Netherlands:NL|New Zealand:NZ|Nigeria:NG|Norway:NO|Pakistan:PK|Peru:PE|Philippines:PH|Poland:PL|
Portugal:PT|Romania:RO|Rwanda:RW|Saudi Arabia:SA|Senegal:SN|Serbia:RS|Slovakia:SK|Slovenia:SI|South Africa:ZA|South Korea:KR|Spain:ES|Sri Lanka:LK|Sweden:SE|
Switzerland:CH|Tanzania:TZ|Thailand:TH|Tunisia:TN|Turkey:TR|Uganda:UG|Ukraine:UA|United Kingdom:GB|United States:US|Uruguay:UY|Vietnam:VN|Zambia:ZM""")
CURRENCIES = split("""USD:dollars|EUR:euros|GBP:pounds|JPY:yen|CHF:francs|CAD:Canadian dollars|AUD:Australian dollars|CNY:yuan|INR:rupees|MXN:Mexican pesos|
BRL:reais|SEK:kronor|NOK:Norwegian kroner|DKK:Danish kroner|PLN:zloty|CZK:koruna|HUF:forints|KRW:won|ZAR:rand|TRY:lira|SGD:Singapore dollars|
NZD:New Zealand dollars|THB:baht|ILS:shekels|AED:dirhams""")
LANGUAGES = split("""Arabic:ar Bengali:bn Catalan:ca Croatian:hr Czech:cs Danish:da Dutch:nl English:en Estonian:et Finnish:fi French:fr German:de Greek:el Hebrew:he
Hindi:hi Hungarian:hu Icelandic:is Indonesian:id Italian:it Japanese:ja Korean:ko Latvian:lv Norwegian:no Persian:fa Polish:pl Portuguese:pt Romanian:ro
Russian:ru Spanish:es Swahili:sw Swedish:sv Tamil:ta Thai:th Turkish:tr Ukrainian:uk Vietnamese:vi Welsh:cy""")
COMPANIES = split("""Acme|Adobe|Airbus|Alphabet|Amazon|AMD|Apple|AT&T|BASF|Bayer|Ben & Jerry's|Boeing|Bosch|Canon|Cisco|Coca-Cola|Dell|Deutsche Bank|Disney|DHL|Ericsson|
FedEx|Fiat|Ford|General Electric|Goldman Sachs|Google|H&M|Hitachi|Honda|HSBC|IBM|IKEA|Intel|Johnson & Johnson|JPMorgan|Kellogg's|Lego|Levi's|LG|Lufthansa|
Marks & Spencer|Mastercard|McDonald's|Meta|Micron|Microsoft|Nestlé|Netflix|Nike|Nintendo|Nokia|Novartis|Nvidia|Oracle|Panasonic|PayPal|PepsiCo|Pfizer|Philips|
Procter & Gamble|Qualcomm|Renault|Roche|Ryanair|Salesforce|Samsung|SAP|Shell|Siemens|Sony|Spotify|Starbucks|Target|Tesla|Toshiba|Toyota|Uber|Unilever|
Verizon|Visa|Volkswagen|Volvo|Walmart|Zara|Northwind|Contoso|Bluebird Logistics|Harbor & Pine|Quill & Co.|Redwood Energy|Vanta Foods|Kestrel Labs""")
TICKERS = split("AAPL MSFT GOOG AMZN NVDA TSLA META NFLX INTC AMD IBM ORCL CSCO ADBE CRM SAP SONY NKE KO PEP MCD DIS V MA JPM BAC WMT XOM CVX BA GE F GM PFE MRK TSM ASML BTC ETH SOL XRP DOGE")
ANIMALS = split("""albatross alpaca ant badger bat bear beaver bee beetle bison bobcat buffalo butterfly camel canary caribou cat catfish chameleon cheetah chicken cobra
cod condor cow coyote crab crane crocodile crow deer dingo dog dolphin donkey dove duck eagle eel elephant elk emu falcon ferret finch flamingo fox frog gazelle gecko
goat goose gorilla hamster hare hawk hedgehog heron hippo horse hyena ibex iguana jackal jaguar jellyfish kangaroo koala lemur leopard lion lizard llama lobster lynx
magpie mole mongoose moose mouse newt octopus orca osprey ostrich otter owl ox panda panther parrot peacock pelican penguin pig pigeon python quail rabbit raccoon ram
raven reindeer rhino robin salmon seal shark sheep shrimp skunk sloth snail snake sparrow spider squid squirrel stork swan tiger toad tortoise trout tuna turkey turtle
viper vulture walrus wasp weasel whale wolf wombat yak zebra""")
FOODS = split("""apple pie|avocado|bagels|baked beans|banana bread|barley|basil|beef stew|beetroot|black beans|blueberries|bread|broccoli|brown rice|butter|cabbage|carrots|cashews|
cauliflower|cheddar|cherries|chicken curry|chickpeas|chili|cinnamon|coconut milk|coffee|corn|couscous|crackers|cucumber|dark chocolate|dumplings|eggplant|eggs|falafel|
feta|figs|fish tacos|flour|fried rice|garlic|ginger|goulash|granola|grapes|green tea|hazelnuts|honey|hummus|ice cream|jam|kale|ketchup|kimchi|lamb chops|lasagna|
leeks|lemon tart|lentil soup|lettuce|mango|maple syrup|meatballs|milk|miso soup|mozzarella|mushrooms|mustard|noodles|oat milk|olive oil|olives|onions|orange juice|
paella|pancakes|parsley|pasta|peaches|peanut butter|peas|pesto|pizza|plums|pork|potatoes|pumpkin soup|quinoa|radishes|ramen|raspberries|ravioli|rice|risotto|rye bread|
salmon|salt|sausages|sesame oil|shrimp|sourdough|soy sauce|spinach|strawberries|sugar|sushi|sweet potatoes|tacos|tofu|tomatoes|tuna salad|vanilla|walnuts|watermelon|yeast|yogurt|zucchini""")
COLORS = split("amber|aqua|azure|beige|black|blue|bronze|brown|burgundy|charcoal|coral|cream|crimson|cyan|dark green|emerald|gold|gray|green|indigo|ivory|khaki|lavender|light blue|lilac|lime|magenta|maroon|mint|mustard|navy|ochre|olive|orange|peach|pink|plum|purple|red|rose|rust|salmon|scarlet|silver|tan|teal|turquoise|violet|white|yellow")
SPORTS = split("archery|badminton|baseball|basketball|biathlon|bowling|boxing|canoeing|chess|climbing|cricket|curling|cycling|darts|diving|fencing|football|golf|gymnastics|handball|hockey|ice skating|judo|karate|lacrosse|netball|polo|rowing|rugby|sailing|skiing|snooker|snowboarding|soccer|squash|surfing|swimming|table tennis|tennis|triathlon|volleyball|water polo|weightlifting|wrestling|yoga")
GENRES = split("action|adventure|ambient|animation|bluegrass|blues|classical|comedy|country|crime|dance|disco|documentary|drama|dub|electronic|fantasy|folk|funk|gospel|grunge|hip hop|historical fiction|horror|house|indie rock|jazz|latin|lo-fi|metal|musical|mystery|noir|opera|pop|punk|reggae|rock|romance|salsa|science fiction|ska|soul|swing|synthwave|techno|thriller|trance|true crime|western")
DISEASES = split("anemia|arthritis|asthma|bronchitis|celiac disease|chickenpox|cholera|chronic fatigue|Crohn's disease|dengue|dermatitis|diabetes|eczema|epilepsy|flu|glaucoma|gout|hay fever|hepatitis B|hypertension|insomnia|Lyme disease|malaria|measles|migraine|mumps|osteoporosis|Parkinson's disease|pneumonia|psoriasis|rabies|scurvy|sepsis|shingles|sinusitis|strep throat|tetanus|tuberculosis|type 2 diabetes|typhoid|vertigo|yellow fever")
CHEMICALS = split("acetic acid|acetone|ammonia|aspirin|benzene|caffeine|calcium carbonate|carbon dioxide|carbon monoxide|chlorine|copper sulfate|ethanol|ethylene|formaldehyde|glucose|glycerol|helium|hydrogen|hydrogen peroxide|iron oxide|lactic acid|lithium|magnesium|methane|methanol|nitric acid|nitrogen|oxygen|ozone|potassium|potassium iodide|propane|silicon|silver nitrate|sodium chloride|sodium hydroxide|sulfuric acid|titanium|urea|zinc oxide|H2O|CO2|NaCl|CH4|C6H12O6|H2SO4|NH3|CaCO3|Fe2O3|C2H5OH|KOH|HCl")
SPECIES = split("Panthera leo|Canis lupus|Quercus robur|Homo sapiens|Ursus arctos|Falco peregrinus|Apis mellifera|Salmo salar|bald eagle|blue whale|red fox|giant panda|snow leopard|gray wolf|monarch butterfly|emperor penguin|sea otter|Scots pine|silver birch|king cobra|green sea turtle|barn owl|atlantic cod|grey seal|white oak|Komodo dragon")
BRANDS = split("Adidas|Asus|Audi|Birkenstock|BMW|Bose|Casio|Chanel|Converse|Dyson|Fender|Fossil|Fujifilm|Garmin|Gibson|Gucci|Hermès|Huawei|Jeep|Kia|Lenovo|Logitech|Mazda|Montblanc|Moulinex|New Balance|Nikon|Patagonia|Peugeot|Porsche|Puma|Ray-Ban|Reebok|Rolex|Saab|Salomon|Seiko|Skoda|Subaru|Swatch|Timberland|Vans|Whirlpool|Yamaha")
SONGS = split("Blue in Green|Paper Lanterns|Night Drive|Golden Hour|Slow River|Winter Song|The Long Road|Hollow Moon|Clair de Lune|Moonlight Sonata|Harvest Rain|Run to the Sea|Silver Springs|Autumn Leaves|Second Sun|City of Glass|Carry Me Over|Dust and Light|Out of Tune|Wildflower|Imagine|Yesterday|Hey Jude|Bohemian Rhapsody|Thriller|Waterloo|Take Five|So What")
BOOKS = split("Dune|Emma|The Hobbit|Moby-Dick|War and Peace|Jane Eyre|Great Expectations|The Trial|Ulysses|Middlemarch|Dracula|Don Quixote|The Stranger|Beloved|The Road|Frankenstein|Little Women|The Odyssey|Pride and Prejudice|The Name of the Rose|A Tale of Two Cities|Anna Karenina|Invisible Cities|The Left Hand of Darkness|Salt and Ashes|The Clockmaker's Daughter|A Field Guide to Rivers")
MOVIES = split("Alien|Amélie|Arrival|Blade Runner|Casablanca|Chinatown|Citizen Kane|Coco|Fargo|Gladiator|Goodfellas|Heat|Inception|Jaws|La La Land|Memento|Metropolis|Moonlight|Parasite|Psycho|Ran|Rear Window|Rocky|Seven Samurai|Spirited Away|The Godfather|The Matrix|Titanic|Toy Story|Up|Vertigo|WALL-E|Whiplash|Zodiac|The Paper Harbor|Return to Nowhere")
TEAMS = split("Ajax|Arsenal|Atlanta Hawks|Barcelona|Bayern Munich|Benfica|Boston Celtics|Brooklyn Nets|Celtic|Chelsea|Chicago Bulls|Dallas Mavericks|Denver Nuggets|Everton|Golden State Warriors|Green Bay Packers|Inter Milan|Juventus|LA Lakers|Leeds United|Liverpool|Manchester City|Manchester United|Miami Heat|New York Yankees|Paris Saint-Germain|Real Madrid|Roma|San Antonio Spurs|Seattle Seahawks|Toronto Raptors|Valencia|the Harbor Foxes|the Riverside Owls")
NOUNS = split("""account acid adapter agenda agreement airport alarm album alert allergy almanac alphabet ambulance amplifier anchor angle antenna apartment appliance appointment
archive area arena argument arrow article artifact assay asset assignment atlas atom auction audience audit author avenue award backpack backup badge bakery balance balcony ballot
bandage bandwidth bank banner bar barrel barrier basin basket battery battle bay beach beacon beam bed belt bench benefit berry bicycle bill binder biography blanket blend blog
blueprint board boat boiler bolt bond bonus book booking boot border borrower bottle boundary bouquet bowl box bracelet bracket branch brand brick bridge briefing broker brush bucket
budget buffer building bulb bulletin bundle bus button cabin cabinet cable cafe cage cake calendar calorie camera camp campaign canal candidate candle canvas capacity capital caption
car card cargo carpet carriage cart cartridge case cashier cast castle catalog category ceiling cell census ceremony certificate chain chair challenge chamber channel chapter charge
charger chart charter chat check checklist chef chest chord church circle circuit citation claim class classroom clause client climate clinic clip clock closet cloud club cluster coach
coast coat code coil coin collar collection college column combination comet comment commission committee commodity compass complaint component compound concert condition conference
connector consent constant consultant contact container contest contract contributor conversion cookie cooler copper copy cord core corridor costume cottage couch council counter
county coupon course court courtyard cover crane crate credential credit crew crop cross crowd crystal cube cup cupboard curb currency current curriculum cursor curtain curve cushion
custom customer cycle cylinder dam dashboard dataset deadline debate debt decade deck decree deed defect delegate delivery demand density deposit deputy desert design desk dessert
destination detail detector device diagram dial dialect diary dictionary diet dinner diploma directory disc discount dish disk dispatch display dispute distance district ditch dividend
dock document dome domain donation donor door dormitory dose dossier draft drain drawer drawing dress drill drink drive driver drone drum duration duty earthquake easel echo eclipse
edition editor election electron element elevator email embassy emblem employee encyclopedia energy engine enrollment entrance entry envelope enzyme episode equation equipment era
errand error essay estate estimate evening event evidence exam exchange excursion exercise exhibit expense experiment export extension fabric facade factor factory failure fair family
fan farm fashion faucet feature fee feed fence ferry festival fiber field figure file filter fine fingerprint fire fireplace fixture flag flask fleet flight flood floor flow flower
fluid flyer folder font footnote force forecast forest fork form formula fortress fossil fountain fraction fragment frame franchise freezer freight frequency fridge friend fuel function
fund funnel furnace fuse gadget galaxy gallery game garage garden gas gate gauge gazette gear gem gene generator genome gift glacier glass glaze globe glossary glove goal grade grain
grant grape graph grass gravel grid grill group guard guest guide guitar gymnasium habit habitat hall hammer handle hangar harbor harness harvest hat hazard headline headset heap hearing
heater hedge helmet herb heritage highway hiker hill hive hobby holder hole holiday home hook horizon hose hospital host hostel hotel house hub hull hurdle hymn icon idea identity image
impact import impulse incident income index indicator industry ingredient inmate inn inquiry insect insert inspection installment instrument insurance integral interest interior
interview invention inventory investment invitation invoice island item itinerary jacket jar jersey jet jewel job journal journey judge jug juice junction jury kernel kettle key keyboard
kiln kilt kiosk kit kitchen kite knife knot lab label lace ladder lake lamp lamppost landlord lane language lantern laptop latch lawn lawsuit layer layout leaf league lease lecture
ledger legend lemon lens lesson letter level lever library license lid lift light limit line lineup link liquid list litter loan lobby location lock locker locket log logo loop lorry
lottery lounge luggage lumber machine magazine magnet mail mailbox manager mandate manual map marathon marble margin marina market marsh mask mass mast match material matrix mattress
meadow meal measure mechanism medal medicine meeting melody member memo memory menu merchant message metal meter method microphone migration milestone mill mineral minister mirror
mission mixer mixture mode model module molecule monitor month monument moon morning mortgage motion motor mountain mug museum mutation nail napkin nation necklace needle nerve nest
network neuron newsletter nickname niche night nomination note notebook notice novel nozzle nurse object observation occasion ocean offer office officer oil opening operation opinion
option orbit orchard orchestra order organ organism origin outfit outlet outline output oven owner oyster package pad paddle page paint palace pallet pamphlet pan panel paper parade
paragraph parameter parcel parish park parser particle partner party passage passenger passport password paste patch path patient patrol pattern paycheck payment payroll peak pearl pedal
penalty pencil pendulum pension pepper permit person petition phase phone photo phrase piano picnic picture piece pier pill pillow pilot pin pine pipe pitch pixel plan plane planet plant
plaster plate platform player playlist plaza plot plug plumber pocket podcast poem point policy poll pollen pond pool porch port portfolio portrait position post postcard poster pot
potion pottery powder prayer preference premiere premium prescription presentation press price printer prism prize probe problem procedure process product professor profile profit program
project promotion proof property proposal protein protocol province pulley pulse pump punch pupil puppet purchase puzzle pyramid quarry quarter queue quiz quota quote rack radar radiator
radio raft rail railway rainfall ramp ranch range rate ratio reactor reader reagent realm receipt receiver recipe record recruit reef referee referral refund region register regulation
rehearsal relay release relic remedy reminder rent repair replica reply report request rescue reserve reservoir residence resort resource restaurant result resume retailer return revenue
review reward rhythm ribbon riddle rider ridge ring ritual river road robot rocket rod role roof room root rope roster rotation route router routine row rug rule ruler runner runway
sail salad salary sale salon sample sanctuary sandal satellite sauce scale scan scanner scarf scenario scene schedule scholar scholarship school scooter score scout screen screw script
sculpture sea seal search season seat section sector seed segment seminar sensor sentence sequence series serum server service session setting shade shadow shaft shape share shed sheet
shelf shell shelter shift ship shipment shirt shoe shop shore shovel shower shrine shuttle sign signal signature silk sink siren site sketch skill skin skirt sky slide slogan slope slot
smoke snack snapshot snippet soap sock soda sofa software soil solvent song sound source space spark species spectrum speech speed spell spice spine spiral spoon spot spray spring square
stable stack stadium staff stage stair stall stamp stand star statement station statue steam stem step stereo stick sticker stock stone stop storage store storm story stove strain
stranger strap strategy stream street strike string strip student studio study style subject submarine subscription suburb subway suit suitcase sum summary summit supper supplier supply
surface surgeon survey suspect sweater swing switch symbol symptom syndrome syrup system table tablet tactic tag tailor talent tank tap tape target tariff task tattoo tax taxi team
telescope temple tenant tender tent term terminal territory test textbook theater theorem theory therapy thesis thread threshold throne ticket tide tile timber timer timetable tip tire
title toast token toll tool topic torch toss tour tournament towel tower town toy trace track tractor trade trail trailer train trainer transcript transfer transit translation trap tray
treasure treaty treatment tree trench trend trial triangle tribe trick trip trophy truck trunk trust tube tunnel turbine tutor twin uniform unit universe upgrade usage user utensil
vacancy vacation vaccine valley value valve van vase vault vector vegetable vehicle vendor venture venue verdict verse version vessel veteran village vine vineyard vintage violin virus
visa visit visitor vitamin volcano volume volunteer voter voucher voyage wage wagon waiter wall wallet ward wardrobe warehouse warrant warranty wash watch water wave wavelength weapon
weather web webinar wedding weight wheel whistle widget willow window wine wing winner wire witness word workflow workout workshop wound wrench yacht yard yarn yield zone zoo""")
ADJECTIVES = split("""able active acute annual arctic average bare basic bitter blank blind blunt bold brave brief bright broad broken busy calm careful central cheap chief civil clean
clear clever close coarse cold common compact complex cool corporate crisp cruel curious daily damp dark deep dense digital direct distant dirty double dry dull eager early eastern easy
elastic electric empty entire equal exact exotic express extra faint fair faithful famous fast fat final fine firm fixed flat flexible foreign formal fragile free frequent fresh frozen full
gentle giant glad global golden grand great gross half handy happy hard harsh heavy hidden high hollow honest hot huge humble idle ideal inner instant internal joint junior keen kind large
late lazy lean legal light linear liquid little local lonely long loose loud lovely low loyal lucky magic main major manual married massive mature mean medium mental mild minor mixed
mobile modern modest moist monthly moral narrow native neat nervous net new nice noble noisy normal northern novel odd old open optical oral ordinary outer pale partial past perfect
plain polite poor popular portable precise premium previous primary prime private prompt proper proud public pure quick quiet random rapid rare raw ready real recent regular remote rich rigid
ripe rough round royal rural rusty sacred sad safe salty scarce secret senior separate serious severe shallow sharp short shy silent silver similar simple single slim slow small smart
smooth soft solar solid sour southern spare special square stable standard steady steep stiff still strange strict strong sudden super sure sweet swift tall tame tender thick thin tidy
tight tiny tired total tough toxic tropical true typical unique upper urban urgent useful usual vague valid vast verbal vital vivid warm weak wealthy weekly western wet white whole wide
wild wise wooden yearly young""")
VERBS = split("""accept adjust admire admit advise allow announce apply argue arrive ask assume attach avoid bake beg bend blow boil bounce bow break breathe bring bruise brush build burn bury
carry catch cause celebrate chase chew choose chop clap climb collect comb complain confess confuse consider contain continue cook cough count cover crack crawl cross cry cure cut damage
dance dare decide decorate delay depend describe deserve dig divide dream drop earn enjoy enter escape examine excuse exist expand explain explode fade fail fasten fetch fill fix flash
float fold follow forget freeze gather give glow govern grab greet grow guard guess guide hang happen hate haunt heal heap heat hide hit hold hope hug hum hunt hurry identify ignore imagine
impress improve include increase inform injure join joke juggle jump kick kneel knit knock know label land last laugh launch lay lead lean learn leave lend lick lift listen live load look
love manage march mark marry matter melt mend milk mix mourn move multiply nest nod obey observe obtain occur offer own pack paint pass pat pause pay perform pick pinch place plant play
point polish possess pour practise pray preach prefer prepare present preserve press pretend prevent prick produce promise protect provide pull pump punish push question race reach
realise receive recognise reduce reflect refuse regret reign reject rejoice relax rely remain remember repeat replace reproduce rescue retire rhyme rinse risk rob rock roll rot rub ruin
rule rush sail satisfy save scare scatter scold scorch scrape scratch scream screw scrub seal separate serve settle shade share shave shelter shiver shock shrug sigh sign sip skip slap
slip slow smash smell smile smoke snatch sneeze sniff snore snow soak soothe sparkle spill spoil spot spray sprout squash squeak squeal stain stare start stay steer step stir stitch
strap strengthen stretch strip stroke stuff subtract succeed suck suffer suggest supply support suppose surprise surround suspect swallow swap sway swear sweep swim swing taste teach tear
tease telephone tempt terrify test thank thaw think throw tick tickle tie tip touch tow trace trade train trap travel treat tremble trick trot trouble trust try tug tumble turn twist
type undress unfasten unite unlock untidy vanish visit wail wait walk wander want warm warn wash waste watch wave weigh welcome whip whirl whisper whistle wink wipe wish wobble wonder
work worry wrap wreck wrestle wriggle yawn yell zip zoom""")
SYNONYMS = [split(line) for line in """cheap|inexpensive|budget|economy|low cost|affordable
expensive|premium|luxury|high end|deluxe|fancy
fast|quick|rapid|express|speedy|swift
slow|gradual|leisurely|gentle|unhurried
big|large|huge|great|sizeable
small|little|tiny|compact|mini|wee
medium|middle|moderate|average|mid-sized
high|elevated|strong|top|steep
low|weak|minimal|bottom|reduced
urgent|pressing|critical|rush|top priority|emergency
normal|regular|standard|ordinary|usual|default|typical
easy|simple|beginner|basic|undemanding
hard|difficult|challenging|tough|demanding
calm|placid|relaxed|peaceful|docile|quiet
nervous|jittery|anxious|restless|on edge|skittish
angry|furious|aggressive|mad|hostile
happy|cheerful|glad|joyful|upbeat|merry
sad|gloomy|melancholy|unhappy|blue|down
hot|boiling|scorching|very warm
cold|chilly|freezing|icy
warm|mild|cosy|pleasant
wet|rainy|damp|soaked
dry|arid|parched
sunny|clear|bright|cloudless
cloudy|overcast|grey|dull
light|pale|faint|soft
dark|deep|dim|shadowy
loud|noisy|blaring
silent|mute|soundless|muted
new|fresh|brand new|recent|latest|newest
old|ancient|vintage|aged|oldest
open|available|accessible|unlocked|public
closed|shut|locked|unavailable
private|personal|confidential|secret
shared|common|joint|communal
work|office|professional|business|job
home|house|domestic|household
family|relatives|kin|my folks
friend|buddy|pal|mate
child|kid|children|kids|youngster
adult|grown-up|grown-ups|full fare
senior|elderly|pensioner|retiree
student|pupil|learner|undergraduate
man|male|gentleman|guy
woman|female|lady
doctor|physician|medic|GP
teacher|instructor|tutor|lecturer
boss|manager|supervisor|chief
worker|employee|staff member|labourer
customer|client|shopper|buyer
car|automobile|vehicle|auto|motor
bike|bicycle|cycle|two-wheeler
bus|coach|shuttle
train|rail|railway
plane|airplane|aircraft|flight|by air
ship|boat|vessel|ferry|by sea
walk|walking|on foot|stroll
drive|driving|by car
metro|subway|underground|tube
taxi|cab|hackney
road|street|lane|avenue
daily|every day|each day|once a day
weekly|every week|once a week|each week
monthly|every month|once a month|each month
yearly|annual|annually|every year|once a year
hourly|every hour|each hour
once|one time|just once|a single time|never repeating
morning|early in the day|a.m.
evening|after dark|night|late
noon|midday|lunchtime
metric|SI units|kilometres and litres
imperial|miles and pounds|US customary
celsius|centigrade|degrees C
fahrenheit|degrees F
ascending|increasing|lowest first|smallest first|rising
descending|decreasing|highest first|largest first|falling
first|initial|earliest|opening
last|final|latest|closing
begin|start|commence|kick off
end|finish|stop|conclude|close
create|make|add|set up|open|new|establish
delete|remove|erase|get rid of|drop|wipe|discard
update|change|modify|edit|revise|amend|adjust|alter
find|search|look for|locate|seek|look up
get|fetch|retrieve|obtain|pull up|show me|give me
list|show|display|enumerate|itemise
send|deliver|dispatch|mail|transmit|forward
buy|purchase|order|get hold of|acquire
sell|vend|trade|offload
book|reserve|arrange|secure
cancel|call off|scrap|revoke|abort
calculate|compute|work out|figure out|determine|evaluate
convert|change|turn|translate|transform
compare|contrast|weigh up|set side by side
check|verify|inspect|examine|look at|test
schedule|plan|arrange|set up|pencil in
play|start|put on|listen to
pause|halt|suspend|hold
save|store|keep|record|put away
share|pass on|hand round|distribute
rent|hire|lease|charter
repair|fix|mend|restore|patch up
clean|wash|tidy|scrub|wipe
rate|score|grade|mark|review
open|launch|start|bring up
lock|secure|bolt|seal
estimate|guess|approximate|gauge
predict|forecast|project|foresee
analyze|study|examine|assess|break down
count|tally|number|total
error|mistake|fault|bug|failure
idea|thought|suggestion|proposal
price|cost|fee|charge|rate
money|cash|funds|dough
salary|pay|wage|income|earnings
loan|credit|borrowing|mortgage
gain|profit|earnings|return
loss|deficit|shortfall
tax|duty|levy|VAT
sale|discount|reduction|markdown|deal
picture|photo|image|snapshot|shot
movie|film|picture|flick
song|track|tune|number
book|novel|title|volume
story|tale|narrative|account
news|headlines|updates|current affairs
letter|note|message|mail
phone|telephone|mobile|cell
laptop|notebook|computer|PC
password|passcode|secret|PIN
meal|dish|food|plate
breakfast|morning meal|brunch
lunch|midday meal|noon meal
dinner|supper|evening meal
drink|beverage|refreshment
vegetarian|veggie|meat-free|meatless|no meat
vegan|plant-based|no animal products
spicy|hot|fiery|peppery
sweet|sugary|dessert-like
salty|savoury|briny
street|road|avenue|lane
town|city|municipality|place
country|nation|state|land
hill|mountain|peak|slope
forest|woods|woodland
sea|ocean|the water|coast
beach|shore|seaside|sand
north|northern|up north
south|southern|down south
east|eastern
west|western
left|left-hand|port side
right|right-hand|starboard
inside|indoors|indoor|interior
outside|outdoors|outdoor|exterior|open air
strong|powerful|sturdy|robust
weak|feeble|frail|mild
rough|coarse|bumpy|uneven
smooth|even|polished|sleek
thick|fat|chunky|dense
thin|slim|slender|fine
wide|broad|roomy
narrow|tight|slim
long|lengthy|extended
short|brief|concise|quick
formal|official|businesslike|dressy
casual|informal|relaxed|laid-back
funny|humorous|witty|comic|hilarious
serious|grave|solemn|sober
polite|courteous|respectful|well-mannered
friendly|warm|kind|amicable
dead|deceased|lifeless
alive|living|breathing
healthy|fit|well|in good shape
sick|ill|unwell|poorly
pending|waiting|not yet done|open|outstanding
done|finished|completed|complete|ready
active|running|live|in use|on
inactive|idle|dormant|off|not running
paid|settled|cleared
unpaid|due|outstanding|owing
full|complete|entire|whole
empty|vacant|bare|blank
half|fifty percent|partial
none|nothing|zero|no one
all|every|everything|each
circle|round|disc
square|box-shaped
gold|golden|gilded
silver|silvery
wood|wooden|timber
metal|metallic|steel
plastic|synthetic|polymer
cotton|cloth|fabric
paper|hard copy|printed
digital|electronic|online|virtual
credit_card|credit card|my card|plastic
cash|notes and coins|banknotes
bank_transfer|bank transfer|wire|wire transfer
pickup|collect in person|pick up myself|collection
delivery|bring it to my door|home delivery|drop off
window|by the window|window-side
aisle|on the aisle|near the aisle
economy|coach class|the cheap seats|standard class
business|business class|the posh seats
one_way|one way|single|no return
round_trip|round trip|return|there and back
single|one-person|solo|just me
double|two-person|for two|couple's
married|wed|with a spouse
free|no charge|gratis|complimentary
text|plain text|written
email|mail|e-mail|by mail
sms|text message|by text
push|notification|pop-up
summary|overview|short version|outline
detailed|in depth|full detail|thorough|comprehensive
draft|preliminary|rough version|unfinished
final|definitive|finished version
public|open to all|visible to everyone
male|man|boy|he
female|woman|girl|she
cat|feline|kitty|tomcat
dog|canine|puppy|hound|pooch
bird|fowl|feathered friend
fish|swimmer|aquatic
flower|bloom|blossom
tree|sapling|trunk
spring|springtime
summer|summertime|the hot months
autumn|fall|harvest time
winter|wintertime|the cold months
rain|showers|rainfall|drizzle
snow|snowfall|flurries
wind|breeze|gusts
storm|thunderstorm|tempest
rock|rock music|guitars
classical|orchestral|symphonic
football|soccer|footy
basketball|hoops
beginner|novice|newbie|starter|just starting out
intermediate|some experience|halfway|middling
advanced|expert|pro|experienced|seasoned""".splitlines()]
