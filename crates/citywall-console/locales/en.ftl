# What the console says, in English. The other languages have the same messages.

skip = Skip to the content
nav = Pages
nav-city = City
nav-incidents = Incidents
nav-devices = Devices
nav-commands = Commands
nav-traffic = Traffic
nav-policy = Policy
nav-actions = Actions
nav-rehearsal = Rehearsal
nav-normal = Normal here
nav-events = Search
nav-report = Report
nav-health = Health
nav-people = People
logout = Log out
login = Log in
login-first = Nobody has an account yet. Use the one-time link that the program printed when it started.
login-name = Your name, as in the city file
login-password = Password
login-lost = Lost your password? An administrator makes a new link on the page People, or on the box itself: citywall console link NAME --out DIR (the folder that the console serves)
login-wrong = Name or password is wrong.
login-wait = Too many failures from here. Try again in { $n } s.
link = Set your password
link-what = This link works once. It makes an account for one person of the city file.
link-over = This link was used, or its day is over. Ask for a new one.
link-who = Who are you?
link-password = New password
link-again = The same again
link-set = Set the password
link-rules = At least 12 characters. A few words in a row are good; your name and common passwords are not taken.
link-nobody = The city file names nobody of this name.
link-differ = The two passwords differ.
theme-light = Light
theme-dark = Dark
live-on = Live: this page shows changes as they come.
live-lost = Not live: the connection to the box is lost. It is tried again.
rehearsal-note = Rehearsal: nothing is touched. Approving here shows what would happen; no packet is stopped.
rehearsal-act = In this rehearsal the measure goes into a kernel in memory, not into the network.
none = None
all = All
yes = Yes
no = No
outside = Outside: everything that is not the city's
since = since
last-evidence = last evidence
from-source = from
see-event = event
outward = it began
inward = the other began
export-csv = As CSV
export-json = As JSON
more-narrow = There are more: narrow the filter.
page-before = Previous page
page-after = Next page
page-of = page { $page } of { $pages }
filter-text = Text
filter-go = Show
filter-from = From (UTC)
filter-to = To (UTC)
filter-only = Only
only-changes = what changes something
only-forbidden = what is not allowed
banner-calm = Nothing is wrong as far as Citywall sees. What it does not see stands under Health.
banner-open = { $n ->
    [one] One incident
   *[other] { $n } incidents
 } to look at, the worst first
stake = At stake
stake-next = falls next: { $service }
stake-none = No service of the city depends on what is concerned.
stake-order = What falls next stands first.
figure-incidents = { $n ->
    [one] incident
   *[other] incidents
}
figure-devices = { $n ->
    [one] device seen
   *[other] devices seen
}
figure-zones = zones
figure-events = events recorded
city-map = The city's networks
city-map-legend = A box is a zone: devices that are trusted alike. A thin line: the city file lets the two talk. A broken red line: they talked and may not; the arrow points away from who began. The mark in a box says how bad it is: ▲ worst, ◆ bad, ■ mild, ○ calm.
city-none = There is no city file, so nothing is known of zones, services and people. Start with --city FILE.
city-services = What the city does for people
service-threatened = in danger
service-calm = nothing wrong is known
city-zones = Zones
map-calm = calm
map-incidents = { $n ->
    [one] one incident
   *[other] { $n } incidents
 }
map-devices = { $n ->
    [one] one device
   *[other] { $n } devices
 }
map-forbidden = { $from } to { $to }: seen, and not allowed
col-zone = Zone
col-domain = Domain
col-criticality = If it stops
col-devices = Devices
col-traffic = Traffic, last 10 minutes
col-violations = Contacts not allowed
col-incidents = Incidents
col-name = Name
col-address = Address
col-mac = Hardware address
col-hostnames = Names that it gives itself
col-roles = Roles
col-maker = Maker
col-system = System
col-first = First seen
col-last = Last seen
col-protocol = Protocol
col-direction = Who began
col-flows = Conversations
col-bytes = Bytes
col-expected = Expected
col-from = From
col-to = To
col-verb = Does
col-times = Times
col-forbidden = Not allowed
col-sample = Last point and value
col-kind = Kind
col-device = Device
col-when = When
col-who = Who
col-what = What
col-on = On
col-why = Why
col-came = What came of it
col-do = Do
col-department = Department
col-account = Has a password
col-allowed = Allowed
severity-1 = worst
severity-2 = bad
severity-3 = mild
severity-4 = slight
criticality-safety = people can come to harm
criticality-essential = the city notices
criticality-normal = an inconvenience
change-open = open
change-closed = closed
role-viewer = viewer
role-operator = operator
role-approver = approver
role-engineer = engineer
role-administrator = administrator
stage-proposed = Proposed
stage-applying = Being put in force
stage-active = In force
stage-undoing = Being taken back
stage-ended = Over
status-told = told
status-proposed = proposed
status-refused = refused by the safety gate
status-applied = put in force
status-expired = its time was over
status-undone = taken back
status-rolled-back = taken back by the health gate
status-withdrawn = withdrawn
status-failed = could not be done
status-rejected = rejected
status-lapsed = nobody approved in time
verb-read = read
verb-write = write
verb-operate = operate
verb-configure = configure
verb-download = download to it
verb-upload = upload from it
verb-start = start
verb-stop = stop
verb-restart = restart
verb-discover = discover
verb-subscribe = subscribe
verb-publish = publish
verb-other = other
rung-observe = Keep watching
rung-notify = Tell people
rung-deny-command = Deny commands, keep reading
rung-limit-rate = Limit the rate
rung-deny-conduit = Deny one connection
rung-quarantine = Quarantine: only addresses, names and updates
rung-isolate = Cut off
cell-free = all
cell-isolated = sealed
cell-conduits = some
cell-nothing = –
cell-not-judged = not ours
kind-forbidden-contact = A contact that the city file does not allow
kind-forbidden-read = A device was read by somebody who may not
kind-unusual = A device does what it never did
kind-alert = A rule knows this traffic as an attack
kind-password-guessing = Passwords were guessed
kind-callback = A device calls somebody outside at regular times, as malware does
kind-scan = Somebody searched the network for devices
kind-upload = A device sent out far more than it usually does
kind-deviation = A device was commanded as it never was
kind-flood = A device is flooded, so that it cannot work
kind-tunnel = Data is hidden in names that are asked for
kind-address-claimed = Somebody poses as another device
kind-rogue-device = A device that does not belong here
kind-takeover = A device was taken over
kind-stolen-credentials = Somebody uses a password that is not theirs
kind-refused-change = Somebody tried to change a device; it refused
kind-isolation = Contact across a border that is said to be closed
kind-unanswered-change = Somebody tried to change a device; no answer was seen
kind-change = Somebody without leave changed a device
technique-t0812 = Uses a password that the maker ships and nobody changed
technique-t0859 = Uses a real account that is not theirs
technique-t0886 = Moves on by a remote service, such as a terminal
technique-t0846 = Looks for devices on the network
technique-t0888 = Asks devices what they are
technique-t0855 = Gives a device an order that its process did not ask for
technique-t0836 = Changes a set point or a parameter
technique-t0806 = Switches many outputs in quick succession
technique-t0816 = Restarts or stops a device
technique-t0861 = Reads which points a device has, to know what can be switched
technique-t1110 = Tries passwords until one fits
technique-t1046 = Tries which services answer
technique-t0830 = Sits between two devices and reads or changes what they say
technique-t0814 = Makes a device or its network unusable
technique-t1071 = Hides commands in everyday protocols
technique-t1071-004 = Hides data or commands in name look-ups
technique-t1568-002 = Asks for names that a program makes up, to find its master
technique-t1041 = Carries data out
technique-t0864 = Brings a device along that does not belong here
technique-t1571 = Speaks a protocol where it is not expected
incidents-count = { $n ->
    [one] One incident
   *[other] { $n } incidents
 }.
incidents-order = Worst first: by the service that falls next, not by the number of alerts.
incidents-normal = Said to be normal here
incident-what = What happened
incident-sure = How sure:
incident-who = Who
incident-to-whom = To whom it was done:
incident-proposed = What Citywall proposes
sure-high = Sure: what was done was seen, by more than one kind of evidence.
sure-middle = Rather sure: several kinds of evidence fit together.
sure-low = Not sure: one kind of evidence, or only attempts. Look before you act.
party-taken = taken over
party-unproved = its address may be invented
reasons-count = { $n ->
    [one] one reason
   *[other] { $n } reasons
 }
timeline = From the first packet on
techniques = What attackers call it
told = What was told as it happened
packets-take = Its packets (pcap)
packets-not-kept = Its packets are not kept: they are where captures are replayed from files, and of live traffic with --keep-packets SIZE.
actions-one = Decide one at a time, from the top: the first is open, the others unfold. What they cut off grows downwards.
actions-none = Nothing is proposed.
actions-in-force = In force
actions-proposed = Waiting for a decision
actions-ended = Over
more-reasons = { $n ->
    [one] One more reason, later
   *[other] { $n } more reasons, later
 }
more-devices = { $n ->
    [one] One more device
   *[other] { $n } more devices
 }
more-measures = { $n ->
    [one] One more line
   *[other] { $n } more lines
 }
action-diff = What would change
action-left = { $n ->
    [one] One minute
   *[other] { $n } minutes
 } left.
action-needed = { $have } of { $needed } people have approved.
action-wrong = What the city file does not say, the gate cannot know: ask who works there. You can take everything back at any time.
wrong = What could go wrong:
wrong-cut = { $device } no longer reaches those that it works with, nor they it: { $peers }.
wrong-cut-unknown = Whoever works with { $device } loses it; no permitted work of it was seen so far.
wrong-services = Services that depend on { $device }: { $services }.
wrong-pair = Work between { $from } and zone { $zone } that the city file does not name would stop; none was seen.
wrong-pair-seen = { $n ->
    [one] One conversation
   *[other] { $n } conversations
 } between { $from } and zone { $zone } { $n ->
    [one] was
   *[other] were
 } seen that no conduit allows: if { $n ->
    [one] it
   *[other] one of them
 } was work, it stops.
wrong-command = Nobody can change anything in zone { $zone } from { $from } any more, not even in an emergency; reading goes on.
wrong-rate = { $device } is slower where it sends more than { $n } packets a second: its pictures, readings or answers come late.
wrong-drop-answers = Whoever begins to talk with { $device } from UDP port { $port } itself is not heard.
wrong-syn-proxy = What is opened with { $device } meanwhile carries data a little less well, and looks open for a moment where { $device } itself does not answer.
wrong-into = Where more than { $n } new packets a second come to { $device }, people's own are among those that wait.
action-ends = It ends by itself after { $n ->
    [one] one minute
   *[other] { $n } minutes
 }.
guards = What the safety gate says:
guards-none = Every guard of the safety gate lets it pass.
gate-away = The safety gate does not answer:
act-why = Why (for the journal)
approve = Approve
approve-second = Approve as the second person
approved-by-you = You have approved this. Somebody else must, too.
reject = Reject
undo = Take it back
decisions = The journal of the safety gate, newest first
journal = Who did what on this console
normal-call = This is normal here
normal-see = why
normal-means = Incidents of this suspect, of at most these kinds and in at most these zones, move to the end of the list until the time is over. Anything more, and the incident is back. Detection, the log and the safety gate do not change.
normal-suspect = Suspect
normal-kinds = Kinds of evidence
normal-zones = Zones
normal-tried = Tried against the last seven days
normal-covers = { $n ->
    [one] One incident
   *[other] { $n } incidents
 } would have been covered:
normal-covered = Covered when accepted
normal-days = For how many days
normal-until = Until
normal-sure = I have read what it covers.
normal-end = End it
normal-refused-worst = An incident of the worst kind cannot be called normal, nor can something that covers one. Change the city file instead, so that what is allowed is allowed for everybody to see.
triage = What to do now
triage-check = Check
triage-call = Call
triage-call-nobody = The city file names no department for this.
triage-touch = You may
triage-avoid = Do not
triage-control-check = Ask the department whether it changed the value. Look at the process itself: does the junction, the pump, the lamp do what it should?
triage-control-touch = Approve denying commands: reading goes on, the process keeps running.
triage-control-avoid = Do not switch the controlled device off, and do not write the old value back before the department says so.
triage-takeover-check = Is the device still doing its work? Who can log in to it, and with which password? Did it talk to others of its kind?
triage-takeover-touch = Approve quarantine: the device keeps its address and updates, and reaches nobody else. Then change its password.
triage-takeover-avoid = Do not restart it before somebody looked: what runs in its memory is evidence.
triage-flood-check = Does the flooded service still answer? Does the flood come from one sender or many?
triage-flood-touch = Approve limiting the rate: the service stays reachable. Ask the provider to help upstream.
triage-flood-avoid = Do not block single senders by hand: their addresses may be invented, and one may be a hospital's.
triage-leak-check = What does the device hold that is worth taking? Is a backup or an update under way?
triage-leak-touch = Approve denying its way outside.
triage-leak-avoid = Do not delete anything on it.
triage-stranger-check = Go and look: which socket, which cabinet? Is somebody at work there today?
triage-stranger-touch = Unplug it once its owner is known, or approve cutting it off.
triage-stranger-avoid = Do not change the addresses of the real devices.
triage-contact-check = Is it a new task, a test, a fitter at work? Does the city file lack a conduit?
triage-contact-touch = Say that it is normal here, for a while; or approve denying the connection.
triage-contact-avoid = Do not open the zone for everything to make it quiet.
devices-count = { $n ->
    [one] One device
   *[other] { $n } devices
 }.
device-identity = What it is
device-evidence = How that is known
device-risk = Risk
device-peers = Whom it talks to
device-peers-more = { $n ->
    [one] One more
   *[other] { $n } more
 }
device-peers-what = What is not expected stands first: between its zone and the other there were contacts that the city file does not allow.
device-commands = What it is told, and tells
device-habits = What it was learned to do, and a person signed
device-habits-none = The signed allow-list says nothing of it.
device-habit-doubt = only proposed:
device-deviations = What deviated from that
device-deviations-none = Nothing deviated.
device-events = All its events
risk-criticality = How bad it is when it stops
risk-incident = It is in an incident
risk-forbidden = Commands that are not allowed
risk-peers = It talks where it may not
commands-what = A command is what somebody tells a device to do, in whatever protocol. What is not allowed stands first.
commands-count = { $n ->
    [one] One kind of command
   *[other] { $n } kinds of commands
 }.
commands-events = One by one, as they came
traffic-what = Conversations are counted when they end, so a long one stands in its last minute.
traffic-zones = By zone
traffic-protocols = By protocol
traffic-floods = Floods
traffic-no-floods = No flood was seen.
traffic-talkers = Who talks most
traffic-bands = What was expected, and what came
traffic-bands-what = Signed models learned what a class of devices exchanges in each hour. Nine of ten normal hours lie in the grey band; the line is what was exchanged, a cross an hour that left the band. One cross alone is no attack: an incident says where more speaks for it.
traffic-no-bands = No forecast: none of the signed models in force learned rates, or no whole hour was seen yet.
traffic-band-of = Bytes in each hour, and what was expected: { $class }
traffic-band-table = The hours as a table
traffic-any = devices without a model of their own
traffic-under-way = under way
traffic-not-whole = not seen whole
traffic-held = as expected
traffic-above = more than expected
traffic-below = less than expected
col-hour = Hour
traffic-expected = Expected
col-exchanged = Exchanged
col-held = Held
policy-what = The city file says which zone may open what with which other. Between zones nothing else is allowed.
policy-matrix = Who may open a conversation with whom
policy-from-to = from ↓ to →
policy-legend = all: no limit inside the zone. some: what the city file names (point at the cell). –: nothing. A number: conversations seen. ✕: contacts that are not allowed.
policy-broken = Seen, and not allowed
policy-broken-pair = { $from } to { $to }: { $n ->
    [one] one contact
   *[other] { $n } contacts
 }.
policy-conduits = What is allowed
policy-change = It is changed in the city file, on the machine that has it; what is proposed and signed here is put in force there by citywall policy accept.
proposal-title = Propose a change of the policy
proposal-what = This was seen, and the city file does not allow it yet. Tick what is part of the city's work. Traffic may hold an attack: tick only what you can explain. Nothing changes by it; the next page shows what it would mean.
proposal-own-zones = You answer for some zones: you see, and can propose, only what begins or ends in one of them.
proposal-conduits = Conduits that are proposed
proposal-nothing = Nothing that was seen asks for a conduit.
proposal-doubtful = Doubtful
proposal-doubtful-what = Not proposed, for the reason that stands with each. Ask somebody who knows before you tick one.
proposal-pair = { $from } to { $to }:
proposal-seen = { $n ->
    [one] One conversation
   *[other] { $n } conversations
 } of { $from ->
    [one] one device
   *[other] { $from } devices
 } with { $to ->
    [one] one other
   *[other] { $to } others
 }, { $first } to { $last }.
proposal-commands = { $n ->
    [one] One command
   *[other] { $n } commands
 } of { $from ->
    [one] one device
   *[other] { $from } devices
 } to { $to ->
    [one] one other
   *[other] { $to } others
 }, { $first } to { $last }.
proposal-diff = Show what it would mean
proposal-zones = Zones that are proposed
proposal-zones-what = There is no city file yet: one zone for each network in which devices were seen. All of them are in the text of the next page.
proposal-network = Network
proposal-hint = What was seen
proposal-assets = Devices that need a name
proposal-assets-what = A conduit that is proposed names them, so they get a name; change it in the text of the next page.
proposal-counts = { $allowed ->
    [one] One kind of conversation is
   *[other] { $allowed } kinds of conversation are
 } allowed already, { $unanswered ->
    [one] one conversation was
   *[other] { $unanswered } conversations were
 } not answered, { $left ->
    [one] one thing
   *[other] { $left } things
 } found no room.
proposal-diff-title = What it would mean
proposal-not-written = The file { $file } is not touched by this page. What is handed in and signed here is put in force in a shell.
proposal-text = The city file as it would be
proposal-text-whole = The whole city file; change what you want changed
proposal-text-added = What is added to the city file; the rest of it is not yours to read
proposal-again = Show again what it would mean
proposal-hand-in = Hand it in to be signed
proposal-hand-in-what = Whoever may sign finds it on the page Policy.
proposal-one-signs = One person must sign.
proposal-two-sign = Two different people must sign, as more is declared otherwise than conduits and names.
proposal-two-sign-safety = Two different people must sign, as it touches zones with a device whose stop endangers people: { $zones }.
proposal-errors = This is no city file yet
proposal-line = Line { $line }:
proposal-now-allowed = Becomes allowed
proposal-no-longer = Is no longer allowed
proposal-declared = Also declared otherwise
proposal-findings = Suspicious in it
proposal-findings-none = Nothing that the present city file does not have.
proposal-findings-before = { $n ->
    [one] One more that the present city file has, too
   *[other] { $n } more that the present city file has, too
}
proposal-beyond = This changes more than what you answer for. You can propose and sign conduits and names of which one end lies in your zones; ask somebody who answers for the whole city for the rest.
proposal-same = This says the same as the present city file.
proposal-other = The text is another one than you were shown. Read it again, then repeat.
proposal-why = Say why: it stands beside your name.
proposal-full = Too many proposals wait already. Sign some, or take them back.
proposal-unknown = There is no such proposal, or it is not yours to see.
proposal-twice = You have signed it. Another person must.
proposal-over = Enough people have signed it.
proposal-open = It is not yet signed by enough people.
proposal-changed = The city file { $file } is another one than this was made from. Propose it anew.
proposal-number = Proposal { $id }
proposal-one = Proposal
proposal-list = Proposals
proposal-state = State
proposal-state-open = It waits to be signed.
proposal-state-signed = It is signed, and not in force.
proposal-state-in-force = It is in force.
proposal-state-outdated = It can no longer be used.
proposal-signers = Signed by
proposal-people = Who stands for it
proposal-handed-in = handed it in
proposal-signed = signed
proposal-hash = What a signature is bound to:
proposal-sign = Sign it
proposal-signed-by-you = You have signed this. Another person must, too.
proposal-withdraw = Take it back
proposal-in-force = How it comes into force
proposal-in-force-what = Take the signed file to the machine that has the city file. This shows the change there; without --dry-run it replaces the city file, keeps the old one beside it, and says how it is loaded.
proposal-download = Take the signed file
proposal-trust = Once, in the shell of this machine, so that the console's signature is believed there:
proposal-key = The console's public key:
rehearsal-what = Had automatic mode been on everywhere, with the guards and limits of the live wall, this is what it would have done with the events that are kept here.
rehearsal-taken = { $n ->
    [one] One action
   *[other] { $n } actions
 } would have been in force.
rehearsal-work = { $n } of them would have cut permitted work.
rehearsal-of = Looked at: { $flows ->
    [one] one conversation
   *[other] { $flows } conversations
 } and { $notices ->
    [one] one notice of an incident
   *[other] { $notices } notices of incidents
 }.
rehearsal-in-force = Would have been in force
rehearsal-untaken = Wanted, and held back by the guards
rehearsal-no-harm = It would have cut no permitted work.
rehearsal-harm = It would have cut:
events-none = Nothing fits.
events-newest = Newest
events-older = Older
health-well = What reached the box was read. Nothing was given up.
health-lost = Something was given up: the numbers below say what.
health-run = The sensor
health-mode = Mode
health-live = live
health-replaying = a replay, under way
health-replayed = a replay, over
health-span = Time of the packets
health-packets = Packets
health-drops = Dropped by the kernel
health-version = Version
health-console = The console
health-shed = Events that found no room on their way here
health-forgotten = Events that can be searched no more
health-unread = Lines that could not be read
health-archive = Memory of the events
health-memory = Memory of the whole process
health-streams = Open live pages
health-beyond = More than the pages can keep:
health-unseen = What is not seen, and why
health-rests = What judgements rest on
health-entries = Entries
health-refused = Refused
health-age = Last changed
health-built-in = comes with the program
rests-city = City file
rests-rules = Rules
rests-makers = Makers of devices, by hardware address
rests-allow-list = Signed allow-list
rests-model = Signed model of a class
health-no-list = No signed allow-list is in force: what devices never did before is not told.
health-no-model = No signed model is in force: unusual conversations are not told.
health-drift = Whether the models still fit
health-drift-what = Measured once a day against what each signed model learned. A shift up to 0.25 is normal. Many devices that move slowly mean that the model ages; many that move from one day to the next mean an update, or something that spreads; single devices are told of as incidents.
col-class = Devices of
col-shift = Shift
col-moved = Moved
col-course = What that means
drift-of = { $moved } of { $judged }
drift-course-still = The model fits.
drift-course-few = The model fits most of them; the few that moved are worth a look.
drift-course-suddenly = Most moved from one day to the next: an update, or something that spreads. Ask who updated them before anything is trained anew.
drift-course-slowly = The model ages: train it anew, and sign it.
health-disk = The disk
health-disk-of = { $used } of { $budget } are taken; the oldest goes first.
health-no-disk = Nothing is written to the disk (--out).
health-packets-lost = Packets that were not kept, as the disk was too slow or full: { $n }.
disk-events = Events
disk-packets = Packets
disk-console = Accounts, journal and certificate of the console
disk-beside = beside the number
unseen-why-encrypted = encrypted: only who talks with whom, when and how much
unseen-why-unknown = no protocol that Citywall reads
unseen-why-zone = nothing was heard of this zone: no sensor sees it, or it is silent
health-days = { $n ->
    [0] today
    [one] yesterday
   *[other] { $n } days ago
 }
health-events = Events by kind
unseen-encrypted = What is said inside encrypted conversations: only who, when and how much.
unseen-elsewhere = What does not pass the mirror port: devices of one switch that talk among themselves.
unseen-protocols = Commands of protocols that Citywall does not read: their conversations are counted, their content is not understood.
people-what = Everybody of the city file can have an account. What a person may do stands in the city file, under roles; whose department answers for a domain sees that domain's zones alone.
people-link = Make a link
people-link-made = A one-time link for { $name }, good for a day. Give it to nobody else:
people-end = End all sessions
passkey-add = Add a passkey for yourself
passkey-have = You have { $n ->
    [one] one passkey
   *[other] { $n } passkeys
 }.
passkey-login = Log in with a passkey
passkey-wrong = The passkey is not known here, or its answer does not fit.
passkey-host = Passkeys need a name in the address bar, not an IP address: on this box http://localhost with the same port; from elsewhere a host name and a certificate that the browser trusts (--console-certificate).
report-by = Made by { $name }, { $at }
report-print = Print, or save as PDF
report-short = In short
report-severe = { $n ->
    [one] One of them is
   *[other] { $n } of them are
 } bad or worst.
report-events = Made from { $n } recorded events. Every statement has its events behind it on the console.
report-of-incident = Report of this incident
error-title = That did not work
error-login = Log in first.
error-nowhere = There is no such page.
error-method = That cannot be asked in this way.
error-form = This form is too old, incomplete or not yours. Go back, load the page again, and repeat.
error-role = Your role does not allow this, or it is another department's matter.
error-city-only = This is about the whole city; you see your department's zones.
error-incident = There is no such incident, or it is another department's.
error-device = There is no such device, or it is another department's.
error-action = There is no such action any more.
error-zone = There is no such zone.
error-time = That is no time: write 2026-04-30T13:20.
error-busy = Too much is asked at once. Try again in a moment.
