"""Hand-written phrases of the generator. {v} is the value, {a} the parameter in words, {o} the object, {r} a random word."""


def lines(text):
    return [line.strip() for line in text.strip().split("\n") if line.strip()]


def bars(text):
    return [item.strip() for item in text.replace("\n", "|").split("|") if item.strip()]


# Ways to bind a value to a named parameter.
NAMED = bars("""with {a} {v}|with a {a} of {v}|with the {a} {v}|with {v} as the {a}|with {a} set to {v}|with {a} equal to {v}|with {a} being {v}|with {v} for {a}|{a} {v}|{a}: {v}
{a} = {v}|{a} is {v}|the {a} is {v}|the {a} should be {v}|{a} should be {v}|make the {a} {v}|set the {a} to {v}|set {a} to {v}|put {v} as {a}|put {v} down as the {a}
use {v} as the {a}|use {v} for the {a}|use {a} {v}|using {v} as {a}|using a {a} of {v}|a {a} of {v}|an {a} of {v}|{v} {a}|{v} as {a}|{v} as its {a}|{v} for the {a}|{v} for {a}
where the {a} is {v}|where {a} is {v}|where {a} = {v}|whose {a} is {v}|that has {v} as {a}|having {a} {v}|having a {a} of {v}|given a {a} of {v}|given {a} {v}|given that the {a} is {v}
if the {a} is {v}|if {a} is {v}|when the {a} is {v}|assuming a {a} of {v}|assume {a} {v}|taking {v} as the {a}|take {v} for the {a}|and the {a} is {v}|and its {a} is {v}|its {a} is {v}
by {a} {v}|of {a} {v}|at {a} {v}|at a {a} of {v}|from {a} {v}|on {a} {v}|in {a} {v}|for {a} {v}|for a {a} of {v}|to {a} {v}|under {a} {v}|under the {a} {v}|over {a} {v}|per {a} {v}
I want the {a} to be {v}|I'd like {v} as {a}|I need the {a} at {v}|we need {a} {v}|let the {a} be {v}|keep {a} at {v}|keep the {a} {v}|choose {v} for the {a}|pick {v} as {a}|go with {v} for {a}
call the {a} {v}|specify {v} as the {a}|specify {a} {v}|enter {v} under {a}|fill in {v} for {a}|fix the {a} at {v}|leave the {a} at {v}|the {a} would be {v}|the {a} ought to be {v}|{a} ({v})
the {a} that I have is {v}|my {a} is {v}|our {a} is {v}|their {a} is {v}|his {a} is {v}|her {a} was {v}|the {a} was {v}|{a} of exactly {v}|{a} equals {v}|{a} - {v}|{a} -> {v}|{v} is the {a}|{v} will be the {a}
{v} being the {a}|{v} would be my {a}|limit {a} to {v}|restrict the {a} to {v}|filter by {a} {v}|matching {a} {v}|based on {a} {v}|based on a {a} of {v}|tagged with {a} {v}|marked {a} {v}|labelled {v} in {a}""")

# Ways to bind a value by its kind alone.
BY_KIND = {
    "person": "for {v}|to {v}|by {v}|with {v}|from {v}|of {v}|{v}'s|about {v}|on behalf of {v}|named {v}|called {v}|under the name {v}|under the name of {v}|it's for {v}|my colleague {v}|my friend {v}|our client {v}|the person is {v}|assigned to {v}|given to {v}|belonging to {v}|that {v} asked for|which {v} wants|{v} will handle it|{v} is the one|I'm {v}|my name is {v}|this is {v} speaking|tell {v}|addressed to {v}|together with {v}|as {v}",
    "city": "in {v}|to {v}|from {v}|near {v}|around {v}|at {v}|for {v}|over in {v}|down in {v}|up in {v}|based in {v}|located in {v}|somewhere in {v}|close to {v}|within {v}|of {v}|here in {v}|we're in {v}|I live in {v}|I'm staying in {v}|the one in {v}|somewhere around {v}|inside {v}|across {v}|throughout {v}|out in {v}|when I'm in {v}|heading for {v}|while visiting {v}|once we get to {v}|{v} area|in the {v} area|in downtown {v}|city of {v}|{v}",
    "country": "in {v}|from {v}|for {v}|to {v}|of {v}|across {v}|within {v}|throughout {v}|all over {v}|made in {v}|based in {v}|coming from {v}|going to {v}|registered in {v}|anywhere in {v}|in the country of {v}",
    "company": "for {v}|from {v}|at {v}|by {v}|of {v}|with {v}|about {v}|{v}'s|made by {v}|run by {v}|owned by {v}|belonging to {v}|working for {v}|at the company {v}|over at {v}|supplied by {v}|regarding {v}|concerning {v}",
    "product": "for {v}|of {v}|a {v}|the {v}|some {v}|called {v}|the item is {v}|{v}|my {v}|our {v}|about the {v}|of the {v} kind",
    "date": "on {v}|for {v}|from {v}|by {v}|starting {v}|starting on {v}|due {v}|due on {v}|dated {v}|as of {v}|of {v}|before {v}|after {v}|until {v}|since {v}|it's on {v}|it happens on {v}|date {v}|the day is {v}|scheduled for {v}|planned for {v}|effective {v}|beginning {v}|no later than {v}|{v}",
    "time": "at {v}|for {v}|from {v}|by {v}|starting at {v}|around {v}|until {v}|before {v}|after {v}|it starts at {v}|at {v} sharp|at {v} o'clock sharp|no later than {v}|beginning at {v}|{v}|set for {v}",
    "weekday": "on {v}|every {v}|each {v}|for {v}|by {v}|next {v}|{v}|on {v}s",
    "month": "in {v}|for {v}|during {v}|of {v}|by {v}|since {v}|the month of {v}|for the month of {v}",
    "year": "in {v}|from {v}|of {v}|for {v}|since {v}|during {v}|the year {v}|in the year {v}|for the year {v}|back in {v}|dating from {v}|released in {v}|as of {v}|{v}",
    "email": "to {v}|at {v}|from {v}|for {v}|email {v}|the address is {v}|reach me at {v}|send it to {v}|cc {v}|my email is {v}|mail {v}|write to {v}|under {v}|via {v}|{v}",
    "url": "at {v}|from {v}|of {v}|the link is {v}|here: {v}|see {v}|found at {v}|under {v}|the page {v}|this one: {v}|on {v}|{v}",
    "phone": "at {v}|on {v}|to {v}|from {v}|call {v}|the number is {v}|reach me on {v}|my number is {v}|dial {v}|number {v}|{v}",
    "code": "with code {v}|number {v}|code {v}|{v}|ref {v}|reference {v}|under {v}|with the code {v}|for {v}|#{v}|the code reads {v}|it says {v}|that's {v}|marked {v}|labelled {v}|with the label {v}",
    "id": "with ID {v}|id {v}|number {v}|no. {v}|{v}|#{v}|for {v}|of {v}|the one with id {v}|ref {v}|reference {v}|under the number {v}|whose ID is {v}|with the identifier {v}|that's {v}|registered as {v}|known as {v}",
    "file": "in {v}|from {v}|to {v}|the file {v}|file {v}|of {v}|called {v}|named {v}|as {v}|into {v}|{v}|saved as {v}|stored in {v}|located at {v}|using {v}",
    "language": "in {v}|into {v}|to {v}|from {v}|{v}|for {v} speakers|{v} version|written in {v}|in the {v} language|the {v} one|I only speak {v}|make it {v}|as {v} text",
    "currency": "in {v}|to {v}|into {v}|from {v}|as {v}|paid in {v}|shown in {v}|priced in {v}|quoted in {v}|expressed in {v}|for {v}",
    "money": "for {v}|under {v}|of {v}|up to {v}|at {v}|below {v}|worth {v}|costing {v}|no more than {v}|at most {v}|at least {v}|over {v}|with a budget of {v}|my budget is {v}|I can spend {v}|nothing above {v}|max {v}|{v} max|less than {v}|around {v}|priced at {v}|to the tune of {v}|amounting to {v}|{v} tops|not more than {v}|I've got {v}|a total of {v}|{v} in total",
    "count": "{v} of them|{v}|{v} in all|{v} pieces|{v} items|{v} people|for {v}|for {v} people|top {v}|the top {v}|first {v}|the first {v}|up to {v}|at most {v}|{v} at most|at least {v}|{v} times|just {v}|exactly {v}|a total of {v}|we are {v}|there are {v} of us|no more than {v}|limit {v}|limited to {v}|{v} results|{v} copies|show {v}|x{v}|{v} units|in groups of {v}|party of {v}|table for {v}",
    "integer": "of {v}|to {v}|for {v}|at {v}|by {v}|with {v}|{v}|number {v}|is {v}|exactly {v}|from {v}|up to {v}|over {v}|equal to {v}",
    "number": "of {v}|to {v}|for {v}|at {v}|by {v}|with {v}|{v}|about {v}|is {v}|exactly {v}|from {v}|up to {v}|roughly {v}|equal to {v}|as {v}",
    "percent": "at {v}|of {v}|by {v}|with {v}|at a rate of {v}|with an interest of {v}|{v}|{v} off|growing at {v}|taking {v}|minus {v}|plus {v}|up {v}|about {v}",
    "duration": "for {v}|in {v}|within {v}|over {v}|lasting {v}|that takes {v}|{v} long|{v}|of {v}|during {v}|for the next {v}|over the last {v}|every {v}|up to {v}|it takes {v}|it should run {v}|stretch it over {v}",
    "temperature": "at {v}|to {v}|of {v}|around {v}|heated to {v}|cooled to {v}|above {v}|below {v}|{v}|from {v}|kept at {v}|no warmer than {v}",
    "distance": "within {v}|of {v}|for {v}|at {v}|{v}|{v} away|over {v}|up to {v}|under {v}|{v} long|{v} apart|covering {v}|after {v}|in a radius of {v}|{v} wide|{v} tall",
    "weight": "of {v}|weighing {v}|at {v}|{v}|{v} of it|it weighs {v}|I weigh {v}|up to {v}|that weighs {v}|with {v}|around {v} heavy|{v} in weight",
    "rating": "rated {v}|with {v} stars|{v} stars|a {v}|give it {v}|give it a {v}|at least {v}|{v} or better|{v} out of ten|rating {v}|score {v}|I'd say {v}|above {v}",
    "topic": "about {v}|on {v}|regarding {v}|concerning {v}|for {v}|related to {v}|dealing with {v}|covering {v}|around {v}|of {v}|the subject is {v}|to do with {v}|on the subject of {v}|on the topic of {v}|in {v}|with regard to {v}|touching on {v}|that mention {v}|I'm into {v}|anything on {v}|as regards {v}|{v}",
    "title": "called {v}|named {v}|titled {v}|entitled {v}|with the title {v}|under the title {v}|it's called {v}|the title is {v}|call it {v}|name it {v}|\"{v}\"|'{v}'|for {v}|of {v}|known as {v}|by the name of {v}|labelled {v}|headed {v}|{v}",
    "text": "saying {v}|that says {v}|: {v}|\"{v}\"|'{v}'|with the text {v}|with the words \"{v}\"|reading {v}|stating {v}|the text is {v}|it should say {v}|note: {v}|about {v}|to {v}|namely {v}|which reads \"{v}\"|quote: {v}|as follows: {v}|write {v}|put \"{v}\"|{v}",
    "message": "saying {v}|that {v}|: {v}|\"{v}\"|with the message {v}|telling them {v}|the message is {v}|say {v}|tell them {v}|to say {v}|let them know {v}|with the words \"{v}\"|informing them that {v}",
    "word": "for {v}|{v}|the word {v}|\"{v}\"|of {v}|called {v}|with {v}|the term {v}|in {v}|as {v}|by {v}|like {v}|such as {v}|containing {v}|spelled {v}|meaning {v}|say {v}",
    "enum": "{v}|in {v}|as {v}|with {v}|for {v}|{v} one|the {v} one|{v} please|{v} only|only {v}|just {v}|make it {v}|go for {v}|I want {v}|I'd prefer {v}|preferably {v}|ideally {v}|it's {v}|must be {v}|has to be {v}|of the {v} kind|{v} type|{v} style|on {v}|by {v}|at {v}|{v} mode|set to {v}|in {v} format|choose {v}|switch to {v}|and {v}|something {v}|nothing but {v}|we like it {v}",
    "list": "{v}|with {v}|of {v}|for {v}|including {v}|containing {v}|namely {v}|: {v}|such as {v}|consisting of {v}|both {v}|these: {v}|to {v}|from {v}|plus {v}|I have {v}|we've got {v}|in particular {v}|made up of {v}|among {v}|between {v}",
    "food": "of {v}|with {v}|for {v}|some {v}|{v}|a portion of {v}|made with {v}|containing {v}|I had {v}|I ate {v}|without forgetting {v}|a bit of {v}",
    "coordinate": "at {v}|{v}|lat {v}|position {v}|of {v}|around {v}|located at {v}",
}
ALIASES = {"first_name": "person", "username": "person", "place": "city", "address": "city", "brand": "company", "team": "company", "ticker": "company",
           "datetime": "date", "amount": "money", "path": "file", "animal": "word", "color": "enum", "sport": "word", "genre": "topic",
           "disease": "topic", "chemical": "food", "species": "word", "song": "title", "book": "title", "movie": "title"}
BY_KIND = {kind: bars(text) for kind, text in BY_KIND.items()}

# {a} is the thing switched, as a noun phrase or verb phrase.
YES = bars("""with {a}|including {a}|include {a}|{a} on|{a} enabled|with {a} enabled|with {a} on|with {a} turned on|turn on {a}|turn {a} on|switch {a} on|switch on {a}|enable {a}|activate {a}|add {a}|add {a} too
and yes, {a}|yes to {a}|{a}: yes|{a} = true|{a} true|set {a} to true|{a} should be on|{a} should be enabled|{a} must be on|keep {a} on|keep {a}|leave {a} on|I want {a}|I'd like {a}|I need {a}|we want {a}
please do include {a}|make sure to include {a}|make sure {a} is on|be sure to turn on {a}|don't forget {a}|don't leave out {a}|don't skip {a}|do not omit {a}|{a} please|plus {a}|along with {a}|together with {a}
{a} as well|{a} too|also {a}|and {a}|{a} is fine|{a} is a must|{a} is required|{a} would be nice|{a} is welcome|only with {a}|as long as there's {a}|it has to have {a}|it needs {a}|it should have {a}|allow {a}
{a} allowed|permit {a}|apply {a}|use {a}|yes, use {a}|go ahead with {a}|ok with {a}|I insist on {a}|definitely {a}|{a} activated|show {a}|with {a} switched on|never without {a}|not without {a}|opt in to {a}""")
NO = bars("""without {a}|no {a}|leave out {a}|leave {a} out|leave off {a}|exclude {a}|excluding {a}|{a} off|{a} disabled|with {a} off|with {a} disabled|with no {a}|turn off {a}|turn {a} off|switch {a} off|switch off {a}
disable {a}|deactivate {a}|skip {a}|skip the {a}|omit {a}|drop {a}|drop the {a}|minus {a}|less {a}|not {a}|don't {a}|do not {a}|don't include {a}|do not include {a}|don't use {a}|don't add {a}|don't apply {a}|don't bother with {a}
{a}: no|{a} = false|{a} false|set {a} to false|{a} should be off|{a} should be disabled|{a} must be off|keep {a} off|I don't want {a}|I don't need {a}|we don't need {a}|no need for {a}|there's no need for {a}|no {a} needed
no {a} please|never mind {a}|forget {a}|forget about {a}|hold the {a}|{a} isn't needed|{a} is not necessary|{a} not required|I can do without {a}|can live without {a}|free of {a}|avoid {a}|lose the {a}|cut {a}|ignore {a}
but not {a}|just not {a}|anything but {a}|make sure there is no {a}|make sure {a} is off|nix {a}|remove {a}|rather not {a}|I'd rather not have {a}|refuse {a}|without any {a}|opt out of {a}|stay away from {a}|{a} switched off""")

# Verb groups: name verbs; description verbs; request phrases ({o} object in words).
VERB_GROUPS = [tuple(bars(part) for part in line.split("//")) for line in lines("""
get|fetch|retrieve|lookup|read|load // Get|Fetch|Retrieve|Return|Look up // get {o}|get me {o}|fetch {o}|show me {o}|give me {o}|pull up {o}|I need {o}|I'd like to see {o}|let me see {o}|what is {o}|what's {o}|what are {o}|look up {o}|tell me {o}|tell me about {o}|retrieve {o}|bring up {o}|can I see {o}|could I have a look at {o}|I want to know {o}|do you know {o}|where do I find {o}|{o}|{o}?|how does {o} look|what do we have on {o}|check {o}|have a look at {o}|display {o}|what about {o}|remind me of {o}|details of {o}|let's see {o}
search|find|query|discover|locate // Search for|Find|Look for|Query // find {o}|search {o}|search for {o}|look for {o}|find me {o}|I'm looking for {o}|is there {o}|are there {o}|do we have {o}|hunt down {o}|help me find {o}|any {o}|any idea where to get {o}|where can I find {o}|which {o} are there|I'm after {o}|I want {o}|need {o}|browse {o}|see if there's {o}|who has {o}|who offers {o}|track down {o}|dig up {o}|discover {o}|locate {o}|where is {o}|where are {o}|what {o} are there|I'm in search of {o}|scout {o}|I'm hoping to find {o}
list|show|enumerate // List|Show|Enumerate|Return all // list {o}|list all {o}|show {o}|show all {o}|show me all {o}|which {o} do I have|what {o} do we have|give me a list of {o}|enumerate {o}|I'd like a list of {o}|all {o}|print {o}|every {o}|run through {o}|overview of {o}|name all {o}|display all {o}
create|add|new|make|insert // Create|Add|Make|Insert // create {o}|add {o}|make {o}|make me {o}|set up {o}|start {o}|open {o}|I want to create {o}|I need a new {o}|put in {o}|new {o}|let's have {o}|enter {o}|start a new {o}|establish {o}|can we have {o}|I'd like to add {o}|put together {o}|prepare {o}|draw up {o}|produce {o}|there should be {o}|begin {o}|build {o}|form {o}|get {o} going
update|modify|edit|change|set|adjust // Update|Modify|Edit|Change|Set // update {o}|change {o}|modify {o}|edit {o}|adjust {o}|set {o}|alter {o}|revise {o}|amend {o}|I need to change {o}|{o} needs updating|correct {o}|fix {o}|{o} has changed|make a change to {o}|tweak {o}|bring {o} up to date
delete|remove|clear|erase|drop // Delete|Remove|Erase|Clear // delete {o}|remove {o}|erase {o}|get rid of {o}|drop {o}|wipe {o}|clear {o}|I no longer need {o}|throw away {o}|take down {o}|discard {o}|{o} can go|trash {o}|scrap {o}|I don't want {o} any more|bin {o}|purge {o}|take {o} off
send|dispatch|deliver|forward|transmit // Send|Dispatch|Deliver|Forward // send {o}|send out {o}|dispatch {o}|deliver {o}|forward {o}|fire off {o}|pass on {o}|get {o} out|mail {o}|I need to send {o}|shoot {o}|ship {o}|transmit {o}|post {o}|hand over {o}
calculate|compute|determine|calc|estimate|evaluate // Calculate|Compute|Determine|Work out|Estimate // calculate {o}|compute {o}|determine {o}|work out {o}|figure out {o}|estimate {o}|what is {o}|what's {o}|how much is {o}|find {o}|find out {o}|evaluate {o}|how big is {o}|can you calculate {o}|tell me {o}|I need {o}|what would {o} be|what will {o} be|derive {o}|how do I get {o}|I'd like to know {o}|help me calculate {o}|solve for {o}|give me {o}|how high is {o}
convert|transform|translate|change // Convert|Transform|Translate // convert {o}|turn {o}|change {o}|transform {o}|translate {o}|I need {o} converted|switch {o}|what is {o}|make {o}|put {o}|render {o}|express {o}
book|reserve|schedule|arrange // Book|Reserve|Schedule|Arrange // book {o}|book me {o}|reserve {o}|schedule {o}|arrange {o}|plan {o}|I want to book {o}|I need {o}|get me {o}|secure {o}|hold {o}|sign me up for {o}|put {o} on the calendar|set up {o}|pencil in {o}|fix {o}|organise {o}|I'd like to reserve {o}
cancel|abort|revoke|withdraw // Cancel|Abort|Revoke|Call off // cancel {o}|call off {o}|abort {o}|revoke {o}|I need to cancel {o}|stop {o}|drop {o}|undo {o}|withdraw {o}|we can't make {o}|scrap {o}|take back {o}|back out of {o}
start|run|launch|begin|trigger|execute // Start|Run|Launch|Begin|Execute // start {o}|run {o}|launch {o}|begin {o}|kick off {o}|fire up {o}|execute {o}|trigger {o}|turn on {o}|get {o} started|set {o} going|boot {o}|let {o} begin|activate {o}
stop|pause|halt|end|terminate // Stop|Pause|Halt|End // stop {o}|pause {o}|halt {o}|end {o}|shut down {o}|turn off {o}|kill {o}|terminate {o}|suspend {o}|freeze {o}|put {o} on hold|finish {o}|bring {o} to an end
check|verify|validate|test|inspect // Check|Verify|Validate|Test // check {o}|verify {o}|validate {o}|test {o}|inspect {o}|is {o} ok|is {o} valid|make sure {o} works|look over {o}|examine {o}|can you check {o}|how is {o}|what's the state of {o}|confirm {o}|go over {o}
compare|contrast|diff|match // Compare|Contrast // compare {o}|contrast {o}|what's the difference between {o}|how do {o} compare|weigh up {o}|set {o} side by side|which is better, {o}|diff {o}|match {o}
track|monitor|watch|follow // Track|Monitor|Watch|Follow // track {o}|monitor {o}|keep an eye on {o}|follow {o}|watch {o}|where is {o}|what's happening with {o}|trace {o}|how far is {o}|keep track of {o}|observe {o}
generate|produce|build|render|draft // Generate|Produce|Build|Render // generate {o}|produce {o}|build {o}|render {o}|make {o}|write {o}|create {o}|prepare {o}|draw up {o}|draft {o}|come up with {o}|put together {o}|compose {o}|I need {o}|give me {o}
analyze|assess|examine|study|profile // Analyze|Assess|Examine|Study // analyze {o}|analyse {o}|assess {o}|examine {o}|study {o}|evaluate {o}|look into {o}|break down {o}|what can you say about {o}|run an analysis of {o}|give me an analysis of {o}|review {o}|dig into {o}
predict|forecast|project|simulate|model // Predict|Forecast|Project|Simulate // predict {o}|forecast {o}|project {o}|simulate {o}|what will {o} be|how will {o} develop|guess {o}|model {o}|what can we expect of {o}|foresee {o}|estimate {o}
order|buy|purchase|request // Order|Buy|Purchase // order {o}|buy {o}|purchase {o}|get me {o}|I want to buy {o}|I'd like to order {o}|we need {o}|pick up {o}|acquire {o}|I'll take {o}|get {o}|stock up on {o}
log|record|register|note|store|save // Log|Record|Register|Store|Save // log {o}|record {o}|register {o}|note {o}|write down {o}|save {o}|store {o}|put down {o}|enter {o}|make a note of {o}|file {o}|keep {o}|track {o}|note down {o}|take down {o}|for the record, {o}
open|unlock|access|enter // Open|Unlock|Access // open {o}|unlock {o}|access {o}|let me into {o}|bring up {o}|open up {o}|I need to get into {o}|go to {o}|enter {o}
close|lock|seal|shut // Close|Lock|Seal // close {o}|lock {o}|shut {o}|seal {o}|lock up {o}|shut up {o}|close down {o}|make sure {o} is closed
share|publish|post|announce // Share|Publish|Post // share {o}|publish {o}|post {o}|put {o} online|make {o} public|announce {o}|release {o}|let everyone see {o}|put out {o}
assign|allocate|give|appoint // Assign|Allocate|Give // assign {o}|allocate {o}|give {o}|appoint {o}|hand {o}|put someone on {o}|distribute {o}|pass {o}|designate {o}
rate|score|rank|grade|review // Rate|Score|Rank|Grade // rate {o}|score {o}|rank {o}|grade {o}|review {o}|give {o} a mark|judge {o}|put {o} in order|give marks to {o}
sort|order|arrange|organize|group // Sort|Order|Arrange|Group // sort {o}|order {o}|arrange {o}|organise {o}|put {o} in order|group {o}|rearrange {o}|tidy up {o}|line up {o}
merge|combine|join|link|concat // Merge|Combine|Join|Link // merge {o}|combine {o}|join {o}|put {o} together|unite {o}|link {o}|fuse {o}|bring {o} together|blend {o}|pool {o}
move|transfer|relocate|copy|shift // Move|Transfer|Relocate|Copy // move {o}|transfer {o}|relocate {o}|copy {o}|shift {o}|bring {o}|take {o}|put {o} somewhere else|haul {o}|migrate {o}
recommend|suggest|propose // Recommend|Suggest|Propose // recommend {o}|suggest {o}|propose {o}|what {o} would you recommend|any tips for {o}|which {o} should I take|I could use some advice on {o}|advise me on {o}|pick {o} for me|what's a good {o}
notify|alert|remind|warn|ping // Notify|Alert|Remind|Warn // notify {o}|alert {o}|remind {o}|warn {o}|ping {o}|let {o} know|inform {o}|tell {o}|give {o} a heads-up|nudge {o}|make {o} aware
count|tally|total|sum // Count|Tally|Total // count {o}|tally {o}|how many {o}|how many {o} are there|what's the number of {o}|total {o}|add up {o}|number of {o}|sum up {o}
approve|accept|confirm|grant // Approve|Accept|Confirm|Grant // approve {o}|accept {o}|confirm {o}|grant {o}|give the go-ahead for {o}|ok {o}|sign off {o}|let {o} through|green-light {o}
reject|decline|deny|block // Reject|Decline|Deny|Block // reject {o}|decline {o}|deny {o}|block {o}|turn down {o}|refuse {o}|say no to {o}|ban {o}
upload|import|attach|submit // Upload|Import|Attach|Submit // upload {o}|import {o}|attach {o}|submit {o}|hand in {o}|bring in {o}|file {o}|put up {o}|turn in {o}
download|export|backup|archive // Download|Export|Back up|Archive // download {o}|export {o}|back up {o}|archive {o}|save a copy of {o}|get a copy of {o}|pull down {o}|put {o} in the archive
rent|lease|hire|borrow // Rent|Lease|Hire|Borrow // rent {o}|lease {o}|hire {o}|borrow {o}|I need {o} for a while|get {o} on loan|take {o} on lease
play|stream|watch // Play|Stream // play {o}|stream {o}|put on {o}|I want to hear {o}|let's watch {o}|queue {o}|I'm in the mood for {o}|let me hear {o}
measure|gauge|weigh|scan|detect // Measure|Gauge|Scan|Detect // measure {o}|gauge {o}|scan {o}|detect {o}|take a reading of {o}|how large is {o}|take {o}|sense {o}|size up {o}
encrypt|encode|hash|compress|sign // Encrypt|Encode|Hash|Compress // encrypt {o}|encode {o}|hash {o}|compress {o}|sign {o}|protect {o}|make {o} unreadable|scramble {o}|shrink {o}
clean|wash|sanitize|repair|service // Clean|Wash|Repair|Service // clean {o}|wash {o}|repair {o}|fix {o}|service {o}|{o} is dirty|{o} is broken|mend {o}|restore {o}|tidy {o}
""")]

ASPECTS = bars("""status|history|details|summary|report|price|cost|schedule|forecast|statistics|list|settings|rules|results|score|average|total|area|volume|weight|length|height|distance|duration|speed|rate
balance|limit|availability|location|owner|version|size|age|ranking|rating|reviews|name|description|capacity|density|growth|risk|probability|value|change|trend|map|photo|plan|quality|temperature|pressure|energy|efficiency
interest|return|profit|loss|tax|discount|index|ratio|frequency|angle|mass|force|velocity|acceleration|population|record|profile|label|type|category|notes|members|contents|properties|structure|origin|effects|requirements|instructions""")

FRAMES = bars("""could you {x}?|can you {x}?|would you {x}?|please {x}|{x} please|{x}, please|I need you to {x}|I want you to {x}|I'd like you to {x}|I was wondering whether you could {x}|would it be possible to {x}?|is there a way to {x}?
any chance you could {x}?|go ahead and {x}|kindly {x}|help me {x}|I'm trying to {x}|I'd like to {x}|I have to {x}|I want to {x}|we need to {x}|let's {x}|time to {x}|my boss wants me to {x}|my sister asked me to {x}
do me a favour and {x}|quick one: {x}|next, {x}|ok, {x}|hey, {x}|hi, could you {x}|hello! please {x}|so, {x}|right, {x}|when you get a moment, {x}|if you can, {x}|you should {x}|it would be great if you could {x}|mind if I ask you to {x}?
your task: {x}|task: {x}|todo: {x}|just {x}|now {x}|first {x}|then {x}|I'd appreciate it if you could {x}|may I ask you to {x}|might you {x}?|let me {x}|why don't you {x}|be so kind as to {x}|it's time to {x}|I forgot to {x}
the team would like to {x}|our plan is to {x}|we've decided to {x}|the idea is to {x}|what I need is for you to {x}|can we {x}?|could we {x}?|should be simple: {x}|I've been asked to {x}|make sure to {x}|don't forget to {x}|remember to {x}""")
VERB_FIRST = set("""find search show list get give tell calculate compute determine create add make book reserve schedule set send convert translate check compare track generate write update change delete remove
cancel order buy look pull put log record register save start stop play turn open close fetch retrieve estimate predict analyze analyse recommend suggest remind move copy share post rate sort assign work figure
plan arrange draft prepare build run enter file note store download upload export import print display describe explain identify locate name provide return evaluate measure solve simulate count rank draw
pick choose select filter block lock unlock rename merge split resize crop mark pay transfer request submit invite notify alert call text email message tag close enable disable switch lower raise increase reduce
issue hire rent borrow quote value assess summarise summarize review verify validate test scan""".split())

BEFORE = bars("""Hi there!|Hi,|Hello,|Hey!|Good morning!|Good evening.|Hi, hope you're well.|Quick question:|One more thing:|Sorry to bother you.|Okay so|So,|Right.|Listen,|Thanks for earlier.|I've got a favour to ask.|Long day today.|I'm back.
Not sure if you can do this, but|My kids are driving me mad today.|I'm on the bus, so keep it short.|I'm in a hurry.|It's been a while.|Me again!|Alright,|I've been thinking about this all day.|Before I forget:|Guess what!|Let's try something.|OK here goes.
I hope this works.|My colleague told me to ask you.|You were so helpful last time.|I just got home.|The weather is dreadful.|We're almost done here.|Could use a hand here.|As discussed,|For my own notes:|Hmm,|Um,|Well,|Oh,|By the way,|Now then,|As usual,|If you don't mind,
I had a lot of coffee.|The meeting starts soon.|I'm writing a report.|I'm preparing a lesson.|My homework says:|For a project at school:|In today's class we had this:|For the newsletter:|The client is waiting.|Someone in the office asked:|Here's a puzzle for you.|Let's get going.""")
AFTER = bars("""Thanks!|Thank you.|Thanks in advance.|Cheers.|Many thanks!|That's all.|No rush.|It's urgent.|ASAP please.|I'd be grateful.|Let me know.|I'm curious.|That would help a lot.|I owe you one.|Appreciate it.|Sorry for the trouble.|Hope that's clear.|I can wait.|Take your time.
My friend is asking.|I need it for tomorrow's meeting.|We'll talk later.|It's for a friend.|You're the best.|Much obliged.|That should do.|Just curious.|I'm not in a hurry.|I keep forgetting.|Nothing else for now.|It matters to me.|I've tried everything else.|Don't ask why.|Long story.
Been meaning to do that for ages.|If that's possible.|If you can.|When you have time.|Ok?|Got it?|Right?|Please and thank you.|It would save me a lot of time.|It's for my grandmother.|The boss wants it.|I lost the note I wrote.|Feels good to finally get to it.""")
ALSO = [". Also, ", ", and also ", " and then ", ". And ", "; ", ". After that, ", ", then ", ". Then ", ", plus ", ". Oh, and ", ". While you're at it, ", "\n", ". Next, ", " and ", ". Besides that, ",
        ". Additionally, ", ", and after that ", ". Second, ", ". ", " && ", ", as well as ", ". I also need this: "]
SENTENCES = bars("""The results are sorted.|Requires an account.|Returns nothing on success.|Works offline.|Rate limited.|Use with care.|See the manual.|Returns a JSON object.|Only for members.|Updated daily.|Data come from public sources.|Part of the {r} suite.
Needs the {r} permission.|Deprecated soon.|The {r} must exist.|Runs in the background.|Fails when the {r} is missing.|Note that {r} is case sensitive.|Call it once per request.|Supports paging.|For internal use.|Includes archived items.|This may take a while.|Results are cached for an hour.""")

SYSTEMS = lines("""
You are a helpful assistant.
You are a helpful assistant that can use tools.
You are an assistant. Use the tools when they help.
You are a function calling AI model.
Be brief.
Answer politely and call a function when needed.
You are Qwen, created by Alibaba Cloud. You are a helpful assistant.
You are the help desk of a small company.
You are a careful assistant. Never guess values.
Help the user with the tools below.
You are an expert in composing functions.
You can call functions. If none fits, say so.
You are the assistant of {r} {r}.
""")
DATE_LINES = lines("""
Today is {weekday}, {iso}.
Today is {iso} ({weekday}).
Today's date is {iso}, a {weekday}.
Current date: {iso} ({weekday}).
Date: {weekday} {iso}
Today is {weekday}, {long}.
The date is {weekday}, {long}.
Today: {weekday}, {long}, {iso}.
""")

REFUSAL = "Sorry, I can't do that with the tools I have."
NO_TOOLS = "Sorry, I have no tools for that."

CHAT = [tuple(bars(part) for part in line.split("=>")) for line in lines("""
hello|hi|hey|hello there|hi there|hey there|good morning|good evening|good afternoon|hiya|howdy|greetings|yo|morning!|hello?|hi!|hello tetrad|hi tetrad|hey you => Hello! What can I do for you?
who are you|what are you|what's your name|what is your name|do you have a name|introduce yourself|tell me about yourself|and you are?|who am I talking to|what should I call you|are you tetrad|which model are you|what model is this|what kind of assistant are you => I'm Tetrad, a small assistant that calls tools for you.
how are you|how are you doing|how's it going|how do you do|are you ok|what's up|you alright?|how was your day|how do you feel|everything good? => I'm fine, thanks. What can I do for you?
thanks|thank you|thanks a lot|thank you so much|cheers|great, thanks|perfect, thank you|ty|thx|many thanks|that's great, thank you|awesome thanks|much appreciated|you've been very helpful|brilliant, thanks => You're welcome!
bye|goodbye|see you|see you later|good night|that's all for today|bye bye|talk later|gotta go|farewell|i'm off now => Goodbye! Come back any time.
are you human|are you a robot|are you real|am I talking to a person|are you an AI|are you a bot|is there a human there|are you a machine => I'm a program: a small language model named Tetrad.
who made you|who built you|who created you|where do you come from|who trained you|who is your maker => I was trained from scratch by the Tetrad project to call tools.
how big are you|how many parameters do you have|are you a large model|how large are you|how smart are you|are you like the big models => I'm a very small model with a few million parameters, so I stick to calling tools.
do you know everything|can you answer any question|can you write essays|can you chat about anything|tell me something interesting|can we just talk|let's chat|I'm bored|tell me a story => I'm too small for long talks, but I'm good at calling tools.
tell me a joke|make me laugh|do you know a joke|say something funny|know any jokes?|got a joke? => Why did the function go home early? It had nothing left to return.
you are stupid|you're useless|that was wrong|that's not right|this is terrible|you got it wrong|no, that's wrong|bad answer|I'm not happy with that|that isn't what I meant => I'm sorry about that. Please say it again with all the details.
you're great|good job|well done|nice work|you're amazing|I love you|great job|excellent|you're so helpful|that was quick|impressive => Thank you! Happy to help.
ok|okay|alright|fine|got it|understood|I see|sounds good|cool|sure|right|good|great|nice => Great. Let me know what you need.
never mind|forget it|nothing|it's nothing|no, leave it|not now|skip it|no thanks|stop|wait|hold on => All right. I'm here when you need me.
yes|yes please|yeah|yep|no|nope|nah|maybe|I'm not sure|I don't know|hmm|whatever|perhaps => Please tell me what you would like me to do.
I'm sad|I feel lonely|I had a bad day|I'm tired|I'm stressed|life is hard|I feel awful|I'm so angry today|my head hurts|I can't sleep => I'm sorry to hear that. I hope things get better soon.
I'm happy|I got the job!|it's my birthday|I passed my exam|we won!|I'm getting married|good news today|best day ever|I'm so excited => That's wonderful. Congratulations!
can you help me|I need help|help|help me|I need some help please|could you help me out|I have a problem|can I ask you something|I've a question|are you there|you there?|can you hear me => Of course. Tell me what you need.
do you speak French|parlez-vous français|sprichst du Deutsch|habla español|which languages do you speak|do you understand German|can you talk in Spanish => I only understand English well.
do you have feelings|are you alive|do you dream|what do you like|what's your favourite colour|do you sleep|are you happy|do you get tired|how old are you|where do you live|do you have friends => I'm a small program, so I have none of that, but I'm glad to help.
what's the meaning of life|is there a god|who will win the election|what happens after death|should I quit my job|does she love me|who is the best singer ever|why is the sky blue|what is love => I'm too small a model to answer that.
""")]
ABILITIES = bars("""what can you do|what can you do?|what can you help me with|what are you good at|how can you help me|what tools do you have|which tools do you have|what functions can you call|list your tools|what are your abilities|what do you do
help, what can I ask|what can I ask you|show me what you can do|how does this work|what are my options|what's possible here|which commands are there|tell me your capabilities|what are you able to do""")

ERROR_RESULTS = bars("not found|permission denied|timeout|service unavailable|invalid value|too many requests|conflict|no such record|already exists|network error|quota exceeded|unknown error|rate limit reached|not allowed|out of stock|payment declined|account locked")
FOLLOW_UPS = bars("and for {v}?|what about {v}?|and {v}?|same for {v}|same for {v} please|now for {v}|now {v}|how about {v}?|and {v} too|do the same for {v}|and in the case of {v}?|okay, and {v}?|also {v}|{v} as well please|repeat that for {v}|try {v}|make that {v}|no, I meant {v}|sorry, {v} instead|actually {v}|change it to {v}|once more with {v}")
MISSING = bars("What {a} should I use?|Which {a} should I use?")
