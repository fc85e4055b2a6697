# What events and actions say, in English: as it stands where each sentence is made (a test holds the two together).

a-device = device
alerted = { $who } to { $whom }: { $what }
allow-command-fix = { $name } has: { $all }
allow-command-missing = a command is missing
allow-command-missing-fix = name a verb such as read, or leave out the comma or colon
allow-command-unknown = unknown command { $command } of { $name }
allow-commands = too many commands or points
allow-commands-fix = use at most { $n }
allow-needless = { $name } needs no conduit
allow-needless-fix = leave it out
allow-no-commands = commands of { $name } are not told apart
allow-no-commands-fix = leave out the colon and what follows
allow-no-ports = { $name } has no ports
allow-no-ports-fix = write just { $name }
allow-object = { $value } is no object identifier
allow-object-fix = write numbers: 1.3.6.1.2.1.1.5.0, or 1.3.6.1.4.1.1206.* for all below
allow-point = { $value } is no point of modbus
allow-point-fix = write kind and number: holding:40, coil:3, input:0-9, discrete:1
allow-port = { $value } is no port or range of ports
allow-port-fix = write ports as 443, 8000-8099 or 80;8080, each at most 65535
allow-ports = too many ports
allow-ports-fix = name at most { $n } runs of ports
allow-protocol-fix = use a protocol that the example lists, or its port: "tcp/8443"
allow-protocol-unknown = unknown protocol { $name }
allow-quote = a quote is not closed
allow-quote-fix = add the second '
allow-range = { $value } is no number or range
allow-range-fix = write holding:40 or holding:40-49
allow-topic = { $value } is no topic filter
allow-topic-fix = + stands for one whole level and # for all that follow, at the end: city/+/lamp/#
allow-unit = "unit" ends a command and takes one number or range
allow-unit-fix = write: unit 1, or: unit 1-4
and-above = { $service } and above
and-more = { $first } and { $n } more
any-hour = at any hour
any-kind = any kind
any-point = any point
asked-by = asked for by { $who }
begins-many = { $who } began { $begun ->
    [one] { $begun } conversation
   *[other] { $begun } conversations
 } with { $whom } ({ $service }) in the last seconds and goes on; never more than { $habit } before
behaves-unusually = { $who } behaves as devices of { $class } do not: { $parts }
but-for-needs = { $zone }, but for what everything needs there
by-whom = by { $who }
called-back = { $who } contacted { $whom } ({ $service }) { $n ->
    [one] { $n } time
   *[other] { $n } times
 }, every { $seconds } s, within { $percent } % of that
changed-suddenly = { $who } alone among the devices of { $class } changed from one day to the next: shift { $index } (normal: up to 0.25; the days before { $before })
check-approvers = what touches zone { $zone } needs two different people, but { $n } can approve
check-approvers-fix = give a second person the role approver and an account
check-circle = service { $service } depends on itself
check-circle-fix = break the circle
check-domain = domain { $domain } has no zone
check-domain-fix = give it a zone, or remove it
check-exposed = outside may reach zone { $zone }, whose failure can harm people
check-exposed-fix = let a zone of the city stand between
check-isolated = the conduit names { $end }, but zone { $zone } is isolated
check-isolated-fix = remove one of the two: isolation wins
check-itself = { $zone } may already reach itself
check-itself-fix = remove the conduit, or say inside = "deny"
check-management = zone { $zone } is isolated, and yet of the management
check-management-fix = name another zone or asset in [response]
check-many = there are too many conduits to compare them all
check-many-fix = join conduits that say the same
check-milder = asset { $asset } is { $own }, milder than its zone { $zone }, which is { $criticality }: more may be done against it
check-milder-fix = let it be as its zone, or move it to a zone of its own
check-no-account = { $who } is an approver, but has no account to approve with
check-no-account-fix = add `unix = "..."`, or take the role away
check-no-approver = nobody can approve anything
check-no-approver-fix = give somebody the role approver
check-outside = asset { $asset } is outside, so nothing guards it, though people can come to harm when it stops
check-outside-fix = let a zone hold its address, or say its criticality
check-service = service { $service } needs zone { $zone }, but no conduit joins it with anything else that the service needs
check-service-fix = add a conduit, or correct depends_on
check-shadowed = { $entry } is already allowed by { $wider } on line { $line }
check-shadowed-fix = remove the narrower one, or narrow the wider one
check-window = window { $window } is over and will never be open again
check-window-fix = remove it, or give it another time
check-zone-alone = no conduit leads to or from zone { $zone }
check-zone-alone-fix = add conduits, or say isolated = true
check-zone-empty = nothing can be in zone { $zone }: it has no networks and no macs
check-zone-empty-fix = give it networks, or remove it
city-file-says = the city file says { $mac }
claims-to-be = { $who } claims to be { $whom }; { $before }: what is sent to it may be read and changed on its way
comma = { $first }, { $next }
command = { $verb } { $what }
commanded = { $who } told { $whom } by { $protocol }: { $command }; { $outcome }. { $rule }
commands-alone = commands alone
conduit-carries-not = no conduit from { $from } to { $to } carries { $what }
conduit-carries-not-this = the conduit from { $from } to { $to } carries { $protocol }, but not this
conduit-carries-other = the conduit from { $from } to { $to } carries { $app } there, not { $what }
contacted = { $who } to { $whom }: { $rule }
contacted-on = { $who } contacted { $whom } on { $service }
criticality-word-essential = essential
criticality-word-normal = normal
criticality-word-safety = safety
cut = { $text }...
deviates = { $what }: { $deviations }
device-accepted = the device accepted it
device-refused = the device refused it (code { $code })
device-unanswered = no answer was seen
did-you-mean = did you mean { $name }?
diff-anything = anything
diff-anything-but = anything but { $what }
diff-asset = asset
diff-asset-addresses = asset { $name } has other addresses
diff-asset-criticality = asset { $name } is { $now }, was { $before }
diff-asset-roles = asset { $name } has other roles: { $roles }
diff-asset-zone = asset { $name } is in zone { $now }, was in { $before }
diff-gone = { $kind } { $name } is gone
diff-management = the way to other ends counts as management
diff-mode = the response's mode is { $now }, was { $before }
diff-moved = { $name } (in { $before } before, { $now } now)
diff-new = { $kind } { $name } is new
diff-person = person
diff-person-accounts = { $name } has other accounts
diff-person-department = { $name } is of another department
diff-person-roles = { $name } has other roles
diff-radius = the blast radius is { $now }, was { $before }
diff-service = service
diff-service-criticality = service { $name } is { $now }, was { $before }
diff-service-needs = service { $name } needs other things
diff-too-many = comparing these would take more than { $n } judgements; name zones instead of single devices in conduits
diff-was = { $name } (before: { $before })
diff-window = window
diff-window-on = window { $name } is on other devices
diff-window-time = window { $name } is at another time
diff-zone = zone
diff-zone-criticality = zone { $name } is { $now }, was { $before }
diff-zone-denied = zone { $name }: a denied command is answered by { $now } (was { $before })
diff-zone-domain = zone { $name } is in domain { $now }, was in { $before }
diff-zone-down = zone { $name }: with the wall down, { $now } (was { $before })
diff-zone-inside-denied = members of zone { $name } reach each other only by conduits now
diff-zone-inside-free = members of zone { $name } reach each other freely now
diff-zone-inspect = zone { $name }: with the inspection dead, { $now } (was { $before })
diff-zone-isolated = zone { $name } is isolated now
diff-zone-macs = zone { $name } has other hardware addresses
diff-zone-networks = zone { $name } has other networks: without { $gone }, with { $fresh }
diff-zone-not-isolated = zone { $name } is no longer isolated
doubt-few-hours = it was done in too few hours
doubt-one-device = one device alone did it, although there are identical ones
doubt-outside = it comes from outside
drift-class = { $moved } of { $judged ->
    [one] { $judged } device
   *[other] { $judged } devices
 } of { $class } are no longer as the model learned them (shift { $index }, normal: up to 0.25), so it should be trained and signed anew: { $parts }
drift-class-suddenly = { $moved } of { $judged ->
    [one] { $judged } device
   *[other] { $judged } devices
 } of { $class } changed from one day to the next (shift { $index }, normal: up to 0.25), which an update does, and what spreads: { $parts }
drift-device = { $who } alone among the devices of { $class } has slowly become another (shift { $index }, normal: up to 0.25)
every = every { $what }
feature-bytes-in-the-hour = bytes in the hour
feature-bytes-per-packet-received = bytes per packet received
feature-bytes-per-packet-sent = bytes per packet sent
feature-bytes-received = bytes received
feature-bytes-sent = bytes sent
feature-conversations-in-a-minute = conversations in a minute
feature-correlation-both-ways-of-the-channel = correlation both ways of the channel
feature-correlation-both-ways-of-the-socket = correlation both ways of the socket
feature-covariance-both-ways-of-the-channel = covariance both ways of the channel
feature-covariance-both-ways-of-the-socket = covariance both ways of the socket
feature-failures-in-a-minute = failures in a minute
feature-gaps-to-the-receiver = gaps to the receiver
feature-hosts-in-a-minute = hosts in a minute
feature-mean-gap-to-the-receiver = mean gap to the receiver
feature-mean-size-of-the-sender = mean size of the sender
feature-mean-size-of-the-sender-s-card = mean size of the sender's card
feature-mean-size-of-the-socket = mean size of the socket
feature-mean-size-to-the-receiver = mean size to the receiver
feature-milliseconds = milliseconds
feature-outcome = outcome
feature-packets-of-the-sender = packets of the sender
feature-packets-of-the-sender-s-card = packets of the sender's card
feature-packets-of-the-socket = packets of the socket
feature-packets-received = packets received
feature-packets-sent = packets sent
feature-packets-to-the-receiver = packets to the receiver
feature-ports-in-a-minute = ports in a minute
feature-service = service
feature-size-both-ways-of-the-channel = size both ways of the channel
feature-size-both-ways-of-the-socket = size both ways of the socket
feature-spread-both-ways-of-the-channel = spread both ways of the channel
feature-spread-both-ways-of-the-socket = spread both ways of the socket
feature-spread-of-gaps-to-the-receiver = spread of gaps to the receiver
feature-spread-of-sizes-of-the-sender = spread of sizes of the sender
feature-spread-of-sizes-of-the-sender-s-card = spread of sizes of the sender's card
feature-spread-of-sizes-of-the-socket = spread of sizes of the socket
feature-spread-of-sizes-to-the-receiver = spread of sizes to the receiver
feature-unusual = { $feature } { $found } (normal: { $normal })
file-a-domain = a domain
file-a-flag = true or false
file-a-list = a list of texts
file-a-number = a whole number
file-a-person = a person
file-a-text = a text in quotes
file-a-text-or-list = a text or a list of texts
file-a-time = a date or time without quotes
file-a-zone = a zone
file-a-zone-asset-service = a zone, an asset or a service
file-a-zone-or-asset = a zone or an asset
file-account = the account { $account } is empty, or said twice, or one too many
file-account-fix = name each account once
file-account-taken = the account { $account } is that of { $who } (line { $line })
file-account-taken-fix = an account belongs to one person
file-add-list = add `{ $name } = [...]`
file-add-text = add `{ $name } = "..."`
file-address-form = write it as 10.20.0.12 or fd20::12
file-address-slash = networks belong to zones; write one address without a slash
file-address-twice = { $value } is said twice: on line { $first } and on line { $second }
file-address-twice-fix = keep it where its owner is declared, and refer to that by name
file-asset-address = [[asset]] has no address
file-asset-address-fix = add `address = "..."` or `mac = "..."`
file-asset-mac = an asset that has only a hardware address lies in no network
file-asset-mac-fix = say its zone: `zone = "..."`
file-asset-zone = the asset says zone { $zone }, but its address lies in { $zones }
file-asset-zone-fix = leave out the zone, or correct the address
file-asset-zones = the addresses lie in more than one zone: { $zones }
file-asset-zones-fix = say which is the asset's: `zone = "..."`
file-automatic = a city file cannot make the response automatic
file-automatic-fix = sign an act for the zone and kind of action, which expires: see `citywall keys sign`
file-choice = { $name } cannot be { $value }
file-choice-fix = use one of { $all }
file-conduit-names = more than { $n } names in one conduit
file-conduit-names-fix = use "*"
file-declare = declare it, or name { $kind } that is declared
file-end-fix = name a zone, an asset, "outside", or an address
file-field-unknown = unknown field { $field } in { $section }
file-fields = { $section } has the fields { $fields }
file-is-service = { $name } is a service
file-list-empty = { $name } in { $section } is empty
file-list-empty-fix = name at least one
file-list-names = more than { $n } names in one list
file-list-names-fix = name zones instead of single devices
file-long = the file has { $n } bytes, more than { $most }
file-long-fix = split the city, or name networks instead of single devices
file-mac-form = write it as 00:1b:c5:00:12:07
file-management = { $name } cannot be the way to the city's management
file-management-fix = name zones and assets
file-many = more than { $most } of [[{ $section }]]
file-many-fix = declare fewer
file-missing = { $section } has no { $name }
file-more = { $n ->
    [one] { $n } more error is
   *[other] { $n } more errors are
 } not shown
file-more-fix = repair these first
file-name = this name has { $n ->
    [one] { $n } character
   *[other] { $n } characters
 } or holds control characters
file-name-fix = choose another name
file-name-form = use 1 to { $n } printable characters
file-name-kind = name { $kind }
file-name-reserved = { $name } has a meaning of its own
file-name-taken = the name { $name } is taken: line { $line } has it
file-name-unknown = nothing is called { $name } here: { $kind } is expected
file-network-bits = { $value } has bits set after its network part
file-network-form = write it as 10.20.0.0/24 or fd20::/64
file-network-one = write { $network } for this one address
file-no-address = { $value } is no IP address
file-no-city = the file has no [city]
file-no-city-fix = add [city] with a name
file-no-mac = { $value } is no hardware address
file-no-network = { $value } is no network
file-no-zone = { $name } is no zone
file-no-zone-fix = name a zone
file-not-one-device = { $value } is not the address of one device
file-number = { $name } in { $section } cannot be { $value }
file-number-fix = write { $low } to { $high }
file-overlap = { $network } of zone { $zone } (line { $line }) overlaps { $other } of zone { $second } (line { $at })
file-overlap-fix = split or remove one: an address belongs to one zone, once
file-own-address = write the address that the device has on the network
file-pairs = conduits name more than { $n } zone pairs
file-pairs-fix = use "*", or join zones
file-prefix-long = the prefix length { $length } is too long
file-prefix-most = use at most /{ $most }
file-section-unknown = unknown section { $name }
file-sections = the sections are { $all }
file-table = a table is expected here, found { $found }
file-tables = { $section } is a list of tables
file-tables-fix = begin each with [[{ $section }]]
file-timezone = unknown time zone { $name }
file-timezone-form = use an IANA name such as "Europe/Berlin"
file-toml-fix = see the TOML syntax in the commented example
file-twice = { $name } is named twice
file-twice-fix = name it once
file-type = { $name } in { $section } is { $wanted }, found { $found }
file-window-date = { $name } is a local date and time
file-window-date-fix = write 2026-12-01T08:00:00 without quotes and offset
file-window-order = the window ends before it starts
file-window-order-fix = let ends be later than starts
file-window-time = { $name } of a weekly window is a time of day
file-window-time-fix = write 22:00:00 without quotes
file-window-when = a window is either weekly or once
file-window-when-fix = give days, from and to; or give starts and ends
file-write = write { $what }
flood-kind-ack-flood = ack flood
flood-kind-amplification = amplification
flood-kind-icmp-flood = icmp flood
flood-kind-outbound-flood = outbound flood
flood-kind-packet-flood = packet flood
flood-kind-syn-flood = syn flood
flood-kind-udp-flood = udp flood
flood-of-acks = small TCP packets that lead to nothing
flood-of-answers = answers that nobody asked for
flood-of-datagrams = datagrams that nobody answers
flood-of-icmp = ICMP messages
flood-of-others = packets and fragments of other protocols
flood-of-syns = SYNs that nothing follows
flood-outbound = packets that are not answered
flood-over = { $side } no more of the { $what } that lasted { $seconds } s ({ $packets ->
    [one] { $packets } packet
   *[other] { $packets } packets
 })
flood-receivers = about { $n ->
    [one] { $n } receiver
   *[other] { $n } receivers
 }
flood-receivers-main = about { $n ->
    [one] { $n } receiver
   *[other] { $n } receivers
 }, most of it to { $whom }
flood-senders = about { $n ->
    [one] { $n } sender
   *[other] { $n } senders
 }
flood-senders-main = about { $n ->
    [one] { $n } sender
   *[other] { $n } senders
 }, most of them by { $who }
flooded = { $side } { $rate } { $what } a second, { $others }; its habit is { $habit }
guard = { $name }: { $what }
guard-by-link = a person must decide: a neighbour can borrow a hardware address, and its frames may be others'
guard-city-cap = { $limit ->
    [one] { $limit } action is
   *[other] { $limit } actions are
 } in force, as many as the city allows
guard-cuts-commands = a person must decide: a conduit permits such commands there
guard-cuts-safety-work = it would cut permitted work of what counts as safety
guard-cuts-work = a person must decide: a conduit permits work there
guard-essential = a person must decide: { $why }
guard-foreign = the kernel holds the same by somebody else's hand
guard-in-force = { $action } has it in force already
guard-infrastructure = everything else needs it (role { $role })
guard-lifeline = it would cut the way to DNS, DHCP, time, a gateway or the management
guard-maintenance = somebody works on it now (window { $window })
guard-no-act = no signed act makes this automatic here
guard-observing = the city's mode is observe: nothing is done
guard-own = it is the wall itself or the way to it
guard-people = { $needed } different people must approve, { $have } did; who proposed it does not suffice alone
guard-people-one = 1 person must approve, { $have } did; who proposed it does not suffice alone
guard-regret = it was rolled back before: a person must decide
guard-safety = two different people must approve: { $why }
guard-safety-cut-off = it can never be cut off: { $why }
guard-serves-safety = a person must decide: a conduit joins it to what counts as safety
guard-stale = the plan changed since it was shown
guard-unattended-cap = { $limit ->
    [one] { $limit } device
   *[other] { $limit } devices
 } in ten minutes is all that happens without a person
guard-unproved = nothing proves that the source's address is its own
guard-zone-cap = { $limit } devices of zone { $zone } are acted against, as many as may be at a time
guard-zone-cap-one = 1 device of zone { $zone } is acted against, as many as may be at a time
guessed = { $who } logged into { $whom } by { $protocol } after { $n ->
    [one] { $n } failed attempt
   *[other] { $n } failed attempts
 }
guesses = { $who } failed to log in { $n ->
    [one] { $n } time
   *[other] { $n } times
 } by { $protocol } on { $hosts }
guesses-slowly = { $who } failed to log in { $n ->
    [one] { $n } time
   *[other] { $n } times
 } on { $hosts } within { $hours } h, at no steady rhythm or with changing accounts, and never succeeded: whoever guesses slowly looks like that
hand-late = the hand did not answer in time
holds-open = { $who } holds { $open ->
    [one] { $open } conversation
   *[other] { $open } conversations
 } open with { $whom } ({ $service }) and began { $begun } of them in the last seconds; { $ended } ended
hosts-of = { $hosts } of { $zone }
hosts-on = { $n ->
    [one] { $n } host
   *[other] { $n } hosts
 } on { $service }
hosts-outside = { $hosts } { $zone }
hours-run = { $from } to { $to }
in-zone = { $what } in zone { $zone }
isolated-reached = zone { $zone } is declared isolated, but { $from } reached { $to }
kernel-not-whole = the kernel does not hold it whole any more
kernel-too-long = the kernel holds it for longer than it may
learn-isolated = it crosses the border of a zone that is declared isolated
learn-lone = only one device of its zone did it, { $n ->
    [one] { $n } time
   *[other] { $n } times
 }
learn-once = seen once
learn-outside = it comes from outside
learn-suspected = who began it is suspected in an incident: it may be the attack itself
learn-rare = these commands change something and were seen once
learn-unheard = its commands were not seen: this allows all of them
learn-unnamed = this IP protocol has no name in a city file
learn-wide = too many points to list: this allows more than was seen
list-contacts = { $who } contacts { $whom } on { $service }, { $often }
list-shows = { $who } shows the { $name } fingerprint { $value }, { $often }
list-tells = { $who } tells { $whom } by { $protocol }: { $verb } { $what }, { $often }
logged-in-by-default = { $who } logged into { $whom } by { $protocol } with a vendor's default password
made-by = { $what } by { $maker }
made-up-names = { $who } asked for { $n ->
    [one] { $n } domain
   *[other] { $n } domains
 } that do not exist within { $seconds } s, { $odd } of them made of letters that nobody chooses
many = many
many-hosts = { $n ->
    [one] { $n } host
   *[other] { $n } hosts
 }
many-unknown-names = { $who } asked for { $n ->
    [one] { $n } domain
   *[other] { $n } domains
 } that do not exist within { $seconds } s, each once and under { $tops ->
    [one] { $tops } top-level domain
   *[other] { $tops } top-level domains
 }; at most { $habit } in an hour before
measure-deny-command = { $from } may not tell { $to } to { $verbs }; everything else between the two goes on
measure-deny-pair = { $from } and { $to }: nothing passes between the two
measure-drop-answers = { $host }: what comes from UDP port { $port } without having been asked for is dropped
measure-isolate = { $host }: nothing to or from it passes
measure-limit-into = { $host }: gets at most { $n ->
    [one] { $n } new packet
   *[other] { $n } new packets
 } a second of IP protocol { $protocol }
measure-limit-rate = { $host }: sends at most { $n ->
    [one] { $n } packet
   *[other] { $n } packets
 } a second
measure-quarantine = { $host }: reaches DHCP, DNS and the update servers, and nothing else
measure-syn-proxy = { $host }: who opens a conversation with its TCP port { $port } is answered by the wall first, and comes through once that is confirmed
names-more = { $first }, { $second } and { $n } more
names-none = others
names-two = { $first } and { $second }
network-receives = hosts of the network of { $who } receive
never-at-hour = it never did at this hour (normal: { $hours } UTC)
never-commanded = it never commanded that device (normal: { $normal })
never-did-there = it never did { $function } there (normal: { $normal })
never-did-to-point = it never did that to this point (normal: { $normal })
never-on = it never did on { $service } (normal: { $normal })
never-spoke = it never spoke with that one (normal: { $normal })
new-never-spoke = that one is new, and never spoke with { $whom } (normal: { $normal })
no-conduit = no conduit lets { $from } reach { $to } ({ $what })
no-hour = at no hour
nobody = nobody
none-known = none
normal-but = { $normal }; seen while learning, but { $why }, and nobody accepted it
not-one-address = { $host } is not the address of one device
not-one-hardware-address = { $host } is not the hardware address of one device
not-one-network = { $network } is neither one zone's network nor one address
nothing = nothing
of-unit = { $what } of unit { $unit }
off-the-list = not on the signed list: { $what }
often-an-hour = at most { $n } an hour
often-at = { $often }, { $hours } UTC
often-in = at most { $n } in { $seconds } s
one-host = one host
other-software = that is other software (normal: { $normal })
out-of-range = the value is out of range (normal: { $low } to { $high })
outcome-applied = in force
outcome-back-by-itself = taken back by itself: { $why }
outcome-expired = its time was over
outcome-failed = could not be done: { $why }
outcome-lapsed = nobody approved in time
outcome-refused = refused: { $guards }
outcome-rejected = rejected by { $who }
outcome-rolled-back = taken back by the health gate: { $why }
outcome-said-no = { $who } said no
outcome-took-back = { $who } took it back
outcome-undone = taken back by { $who }
outcome-withdrawn = withdrawn: { $why }
packet-feature = { $feature } over { $seconds } s
people-of = the people of { $domains }
people-security = the city's security team
plan-deny-commands = no conduit allows them, so denying them stops no permitted work
plan-deny-conduit = no conduit allows it, so denying it stops no permitted work
plan-deny-some-commands = a conduit allows some there: denying them stops permitted work, too
plan-drop-answers = it is flooded with answers that it did not ask for, all from one port; what it asks for is still answered, and all else goes on
plan-harm = people can come to harm when it stops ({ $why }): { $who } is not cut off
plan-isolate = it is cut off until somebody has seen to it
plan-know = { $people } must know
plan-limit-claims = it says that it is somebody else: what it sends from its link, its own or others', is slowed down until its people have seen to it
plan-limit-flood = it is flooded from sources that prove nothing; what is established goes on
plan-limit-taken = it was taken over, but the city notices when it stops: limit it and let its people decide
plan-password = others know its password: change it, and see what else it opens
plan-quarantine-claims = it says that it is somebody else, and is of normal criticality: nothing that others send is carried on by it, and its update and address services stay reachable
plan-quarantine-taken = it was taken over and acts on its own; it is of normal criticality, and its update and address services stay reachable
plan-syn-proxy = it is flooded with SYNs from sources that prove nothing; whoever answers the wall comes through, and what is established goes on
plan-untouchable = { $why }: nothing is done to { $who } but to tell its people
plan-watch = not enough to act on: watch it and see who it speaks with
playbook-a-device-does-what-somebody-else-wants = A device does what somebody else wants.
playbook-a-device-floods-the-network = A device floods the network.
playbook-a-device-was-told-to-change-something-by-somebody-who-may-not = A device was told to change something by somebody who may not.
playbook-a-zone-that-should-have-no-connection-has-one = A zone that should have no connection has one.
playbook-changing-commands-that-no-conduit-allows-are-denied-reading-goes-on = Changing commands that no conduit allows are denied; reading goes on.
playbook-it-has-tried-many-passwords-few-packets-a-second-are-enough-for-a-person-and-too-few-for-a-machine = It has tried many passwords. Few packets a second are enough for a person, and too few for a machine.
playbook-it-sends-more-than-others-can-bear-what-it-needs-for-its-work-still-passes = It sends more than others can bear. What it needs for its work still passes.
playbook-it-was-taken-over-and-acts-on-its-own-addresses-names-and-updates-stay-reachable = It was taken over and acts on its own. Addresses, names and updates stay reachable.
playbook-it-was-taken-over-and-has-changed-a-device-it-is-slowed-down-while-people-look = It was taken over and has changed a device: it is slowed down while people look.
playbook-it-was-taken-over-and-searches-the-network = It was taken over and searches the network.
playbook-it-was-taken-over-but-the-city-notices-when-it-stops-it-is-slowed-down-and-its-people-decide = It was taken over, but the city notices when it stops: it is slowed down, and its people decide.
playbook-no-conduit-allows-it-so-denying-it-stops-no-permitted-work = No conduit allows it, so denying it stops no permitted work.
playbook-no-conduit-allows-these-commands-so-denying-them-stops-no-permitted-work = No conduit allows these commands, so denying them stops no permitted work.
playbook-nobody-could-say-that-it-is-the-person-addresses-names-and-updates-stay-reachable = Nobody could say that it is the person. Addresses, names and updates stay reachable.
playbook-nobody-could-say-that-it-is-the-person-the-city-notices-when-this-device-stops-so-it-is-slowed-down = Nobody could say that it is the person; the city notices when this device stops, so it is slowed down.
playbook-nobody-has-looked-at-the-changed-device-yet = Nobody has looked at the changed device yet.
playbook-nobody-knows-it-addresses-names-and-updates-stay-reachable = Nobody knows it. Addresses, names and updates stay reachable.
playbook-nobody-knows-it-and-it-stands-where-the-city-notices-it-is-slowed-down-until-somebody-has-looked = Nobody knows it, and it stands where the city notices: it is slowed down until somebody has looked.
playbook-nobody-outside-the-zone-may-change-anything-in-it = Nobody outside the zone may change anything in it.
playbook-people-can-come-to-harm-when-this-device-stops-its-people-decide-and-nothing-is-done-to-it = People can come to harm when this device stops: its people decide, and nothing is done to it.
playbook-see-whom-it-speaks-with = See whom it speaks with.
playbook-somebody-guesses-passwords = Somebody guesses passwords.
playbook-somebody-may-be-using-a-password-that-is-not-theirs = Somebody may be using a password that is not theirs.
playbook-somebody-searches-the-network = Somebody searches the network.
playbook-the-source-is-not-proved-or-everything-else-needs-it-nothing-is-done-to-it-and-its-people-must-look-now = The source is not proved, or everything else needs it: nothing is done to it, and its people must look now.
playbook-the-way-into-the-isolated-zone-has-not-been-found-yet = The way into the isolated zone has not been found yet.
playbook-the-zone-is-declared-to-have-no-connection-nothing-that-is-permitted-passes-there = The zone is declared to have no connection: nothing that is permitted passes there.
playbook-there-is-a-device-that-nobody-knows = There is a device that nobody knows.
ports-of = { $n ->
    [one] { $n } port
   *[other] { $n } ports
 } of { $host }
range = { $low } to { $high }
rate-above = devices of { $class } exchanged { $found } in the hour from { $at } UTC, more than expected (normal: { $low } to { $high })
rate-below = devices of { $class } exchanged { $found } in the hour from { $at } UTC, less than expected (normal: { $low } to { $high })
receives = { $who } receives
refused-act-over = the act is over already
refused-again = this is proposed or in force already
refused-answer = { $who } may not answer
refused-end-acts = { $who } may not end automatic mode
refused-ends = { $rung } cannot be proposed so: deny-conduit and deny-command need a second end, the others have none
refused-hash = the plan's hash is not one
refused-no-action = there is no open action { $action }
refused-no-approver = { $who } is nobody whom the city file makes an approver
refused-not-in-force = { $action } is not in force
refused-propose = { $who } may not propose: the city file gives no such role
refused-reject = { $who } may not reject
refused-serial = an act with serial { $serial } was heard already: sign one with a greater
refused-too-many = too many proposals are open: approve or reject some
refused-undo = { $who } may not undo
refused-waits-not = { $action } waits for no approval
review-long = it has { $n ->
    [one] { $n } byte
   *[other] { $n } bytes
 }
review-long-fix = the page takes { $most }; use `citywall policy diff` in a shell
review-many = it cannot be compared with the present one
rule-9000001 = Telnet: busybox is called, as device malware does
rule-9000002 = Telnet: wget fetches a file from the web
rule-9000003 = Telnet: tftp fetches a file
rule-9000004 = Telnet: a file is made executable for everybody
rule-9000005 = TFTP: firmware is fetched
rule-9000006 = TFTP: firmware is written to a device
rule-9000007 = HTTP: wget fetches a shell script
rule-9000008 = HTTP: command in a request to /cgi-bin/
rule-9000009 = HTTP: path that leads to /etc/passwd
rule-9000010 = HTTP: GPON router diagnosis form (CVE-2018-10562)
rule-9000011 = HTTP: command in a SOAP action to /HNAP1/ (CVE-2015-2051)
rule-9000012 = HTTP: shell of a video recorder is called
rule-9000013 = HTTP: command in a port mapping (CVE-2014-8361)
rule-9000014 = HTTP: device upgrade service is misused (CVE-2017-17215)
rule-9000015 = HTTP: system command by setup.cgi
rule-9000016 = HTTP: camera asked with a built-in account (CVE-2017-7921)
rule-9000017 = SSH: server on an unusual port
rule-9000018 = TLS: SSL 2 or 3 was agreed on
rule-9000019 = DNS: transfer of a whole zone is asked for
rule-9000020 = NTP: list of clients is asked for (amplification)
rule-9000021 = MQTT: everything is subscribed to
rule-9000022 = SNMP: a value is set with the community 'private'
rule-9000023 = SNMP: a value is set with the community 'public'
rule-9000024 = Modbus: device is told to restart communications
rule-9000025 = Modbus: device is told to listen only
rule-9000026 = Modbus: programming function 90 of a maker's own protocol
rule-9000027 = DNP3: cold restart
rule-9000028 = S7: controller is told to stop
rule-9000029 = BACnet: device is told to reinitialize
rule-and-command = { $rule }: { $command }
scanned = { $who } tried { $tried } within { $seconds } s, { $failed } of them in vain
scanned-broken-off = { $n } broken off at the first answer
scanned-forbidden = { $n } forbidden
scanned-in-vain = { $n } in vain
scanned-of-them = { $who } tried { $tried } within { $seconds } s, of them { $how }
sends = { $who } sends
sent-out = { $who } sent { $megabytes } MB to { $whom } within { $minutes } min in { $n ->
    [one] { $n } conversation
   *[other] { $n } conversations
 }, { $ratio } times what it received; never more than { $most } MB before
sentences = { $first }; { $next }
service-app = { $service } ({ $app })
shape-inspected = commands to TCP port { $port } of { $host } are inspected: the wall cannot answer there in its place
shape-measures = an action has one to sixteen measures
shape-no-limit = a limit that lets nothing pass is no limit
shape-no-port = port 0 is nobody's
shape-one-device = an action is about one device
shape-rung = its measures are not those of its rung
shape-time = its time to live is not within what the city allows
shares-scan = { $sources ->
    [one] { $sources } source
   *[other] { $sources } sources
 } tried { $tried } in vain within { $seconds } s, each of them a few: they seem to share one list; at most { $habit } such sources before
short-sessions = { $who } opened { $n ->
    [one] { $n } short SSH session
   *[other] { $n } short SSH sessions
 } with { $whom } within { $seconds } s: what is tried in them cannot be seen, but a person does not log in so often
short-sessions-slowly = { $who } opened { $n ->
    [one] { $n } short SSH session
   *[other] { $n } short SSH sessions
 } on { $hosts } within { $hours } h, at no steady rhythm: what is tried in them cannot be seen, but whoever guesses slowly looks like that
showed-fingerprint = { $who } showed the { $name } fingerprint { $value }
so-often = { $what } ({ $n ->
    [one] { $n } time
   *[other] { $n } times
 })
somebody-many = somebody, by many addresses,
somebody-outside = somebody outside
spreads = { $who } said the same amount ({ $bytes ->
    [one] { $bytes } byte
   *[other] { $bytes } bytes
 }) to { $n ->
    [one] { $n } host
   *[other] { $n } hosts
 } on { $service } within { $seconds } s; never to more than { $habit } before
spreads-on = { $who } was reached by { $from } on { $service } and within { $seconds } s said as much ({ $bytes ->
    [one] { $bytes } byte
   *[other] { $bytes } bytes
 }) to { $n ->
    [one] { $n } host
   *[other] { $n } hosts
 }: it passes on what it got
spreads-words = { $who } said the same first words to { $n ->
    [one] { $n } host
   *[other] { $n } hosts
 } on { $service } within { $seconds } s; never to more than { $habit } before
spreads-words-on = { $who } was reached by { $from } on { $service } and within { $seconds } s said the same first words to { $n ->
    [one] { $n } host
   *[other] { $n } hosts
 }: it passes on what it got
suspect-taken = { $who }, which had been taken over,
swept-link = { $who } asked its link for { $asked ->
    [one] { $asked } address
   *[other] { $asked } addresses
 } (ARP) within { $seconds } s, { $failed } of them in vain
talk-answered = answered
talk-midstream = seen from its middle on
talk-none = none of this protocol
talk-refused = refused
talk-silent = nobody answered
target-commands = changing commands from { $who } to { $whom }
target-flooded = new conversations with { $whom } from other zones
target-flooded-answers = new conversations with { $whom } from UDP port { $port }
target-flooded-port = new conversations with { $whom } on TCP port { $port }
target-pair = { $who } to { $whom }
target-people = those who run { $who }
title-callback = { $who } calls somebody outside again and again
title-changed = { $who } changed { $what } without permission
title-claim = { $who } poses as another device
title-deviation = { $who } gives commands that it never gave
title-deviation-of = { $who } commands { $whom } as it never did
title-flood = { $who } floods the network
title-flood-of = { $who } floods { $whom }
title-forbidden = { $who } does what it may not in { $zones }
title-guessed = { $who } guessed a password of { $whom }
title-guessing = { $who } guesses passwords
title-isolation = The border of an isolated zone was crossed: { $who } reached { $whom }
title-joined = { $title } (now part of { $incident })
title-logged-in = { $who } logged into { $whom } with a password that is no secret
title-may-not = { $who } does what it may not
title-refused = { $who } tried to change { $whom } without permission and was refused
title-scan = { $who } searches the network
title-sent-changes = { $who } sent forbidden changes to { $what }; whether they took effect was not seen
title-signs = { $who } shows signs of an attack
title-something = Something happened
title-tunnel = { $who } carries data out in names that it asks for
title-unusual = { $who } does what it never did
title-upload = { $who } carries far more out of the city than it ever did
told-device = { $who } told { $whom } by { $protocol }: { $command }
too-often = that is more than { $limit ->
    [one] { $limit } time
   *[other] { $limit } times
 } within { $seconds } s (normal: at most { $often })
tunnelled = { $who } asked for { $n ->
    [one] { $n } different long name
   *[other] { $n } different long names
 } below { $domain } within { $seconds } s: they carry { $bytes ->
    [one] { $bytes } byte
   *[other] { $bytes } bytes
 } of what looks like coded data
until-now = until now it was { $mac }
value-between = { $what } = { $low } to { $high }
value-is = { $what } = { $value }
value-seen = { $what } (seen: { $low } to { $high })
wall-stopped = the wall stopped before this was known to be in force
why-addresses-differ = its address and its hardware address belong to different devices: what contradicts itself counts as safety
why-asset = it is of { $criticality } criticality
why-declared-milder = it is declared { $own } in zone { $zone }, which is { $criticality }: what contradicts itself counts as safety
why-depends = { $service } depends on it
why-needed = everything else needs it ({ $role })
why-outside = it stands outside the city
why-own = it is the wall itself
why-two-zones = it stands in zone { $one } ({ $first }) and in zone { $two } ({ $second }): what contradicts itself counts as safety
why-unknown = the city file does not know it: what has no tag counts as safety
why-zone = zone { $zone } is of { $criticality } criticality
why-zone-unknown = its zone is not known
withdrawn-flood-over = the flood is over
worse = { $who }: { $what }
worse-answers = { $now } of 100 requests are answered, { $then } were before
worse-heartbeat = its heartbeat stopped
worse-lost = { $n ->
    [one] { $n } packet of permitted work was
   *[other] { $n } packets of permitted work were
 } lost
zone = zone { $name }
zone-outside = outside
