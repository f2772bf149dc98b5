# The words of the pages in English.
product = Tongmai 通脉
skip = Skip to the content
nav = Main
nav-overview = Overview
nav-people = Find a person
nav-ledger = Ledger
nav-desk = Identity desk
nav-tour = One day
nav-help = Help
display = Language and text size
find-label = Name, identity number, phone or birth date
find-short = Find a person…
find-button = Find
zone-note = All times are China Standard Time (UTC+8).
open-note = Open mode: no login, invented data, this machine only; every look is logged.
text-large = Large text
text-normal = Standard text
review-tibetan = The Tibetan interface awaits native review; what is not translated yet is shown in Chinese.
review-traditional = The traditional Chinese interface awaits native review.

overview-title = Region overview
overview-lead = The health records of every organisation of the region, in one ledger.
overview-tour = Walk through one day in Qinghe County →
counting = The ledger is being counted; the figures will still grow.
figure-people = people
figure-records = patient records
figure-visits = visits
figure-resources = resources
visits-by-day = Visits, last 14 days
visits-by-day-empty = No visits yet. Once data is imported, this shows the visits of each day.
as-table = Show as a table
day = Day
arrived-today = Arrived today
arrived-empty = Nothing new today yet. When an organisation sends something, it appears here by itself.
arrived-note = new resources in the ledger
visits-by-provider = Visits by organisation
more-providers = { $n ->
    [one] and one more organisation
   *[other] and { $n } more organisations
}
resources-by-type = Resources by type
resources-empty = The ledger is empty. Run tongmai import with your files, or write a first resource to /fhir.
as-of = As of
position = Ledger position
ledger-link = See the ledger

people-title = Find a person
find-how = Write a name (Chinese, pinyin or Tibetan), an identity number of 18 or 15 digits, a phone number of 11 digits, a patient number or a birth date; several together, with spaces between.
find-problem = This cannot be looked up:
find-empty-title = How to find somebody
find-by-name = Beginning of a name, or pinyin:
find-by-number = Identity number: all 18 digits, or the old 15. Lists show only its ends.
find-by-phone = Mobile phone: all 11 digits.
find-by-birth = Birth date:
find-by-both = Name and birth date:
find-none = Nobody was found for “{ $x }”.
find-none-how = Check the spelling, or try only the beginning of the name, pinyin, or the identity number. A newborn may not have a number yet: try the mother's phone.
find-some = { $n ->
    [one] one person on this page
   *[other] { $n } people on this page
}
understood-name = name
understood-number = number
understood-phone = phone
understood-birth = birth date
too-many-words = Six parts at most. Leave some out and try again.
more = More
comma = ,{ " " }
born = born
died = died
citizen = Identity number
no-number = No identity number
phone = Phone

age-days = { $n ->
    [one] 1 day
   *[other] { $n } days
}
age-months = { $n ->
    [one] 1 month
   *[other] { $n } months
}
age-years = { $n ->
    [one] 1 year
   *[other] { $n } years
}
age-years-and = { $n ->
    [one] 1 year
   *[other] { $n } years
}
age-and-months = { " " }{ $n ->
    [one] 1 month
   *[other] { $n } months
}
code-without-name = code { $x } (no name given)

timeline = Timeline
timeline-empty = No visits yet. When any organisation sends one, it takes its place here.
all-visits = All { $n } visits
loose = Outside of any visit
allergies = Allergies and intolerances
allergies-empty = No allergy is recorded. That does not mean there is none: ask.
criticality-high = high risk
problems = Current problems
problems-empty = No unresolved problems.
medicines = Medicines in use
medicines-empty = No prescription in use.
trends = Trends
trends-empty = No laboratory values or vital signs yet. Once there are some, this draws how they change, with the reference range.
all-trends = All { $n } measurements
sources = Organisations
source-records = Patient records
number-there = patient number
visits-there = { $n ->
    [one] one visit
   *[other] { $n } visits
}
linked-how = These records carry the same identity number and are therefore shown together; each stays as it is.
linked-none = There is no identity number, so only this organisation's record is shown; linking by other features is coming.
resources-read = { $n ->
    [one] This page is made from one resource.
   *[other] This page is made from { $n } resources.
}
no-date = date unknown
under-way = under way
normal-results = { $n ->
    [one] one normal result
   *[other] { $n } normal results
}
range = reference range
readings = { $n ->
    [one] one reading
   *[other] { $n } readings
}
date = Date
value = Value
organization = Organisation
back-to-person = Back to this person
newer = Newer
older = Older

record-of = Belongs to the record of
old-version = This is version { $n }, not the newest.
newest-version = See the newest
content = Content
raw = Original JSON
provenance = Where it came from
written = Written
by = By
version = Version
versions = Versions
version-n = Version { $n }
version-deleted = deleted
findings = Findings
findings-lead = It was accepted although it breaks a rule, or it refers to what has not come yet. Findings are kept with their version.
rule-unknown-element = unknown element
rule-cardinality = wrong number of values
rule-choice = more than one choice
rule-type = wrong type
rule-format = wrong format
rule-binding = code outside its value set
rule-reference = reference to a wrong type
rule-dangling-reference = refers to what is not here
rule-empty = empty element
rule-null = null
rule-extension = wrong extension
rule-narrative = wrong narrative
rule-period = ends before it starts
rule-contained = wrong contained resource
rule-bundle = wrong Bundle
rule-resource-type = wrong resource type
not-said = not stated
what = What
yes = yes
no = no

ledger-title = Ledger
ledger-lead = Every write stands here in order, each link hooked into the one before; a change or a loss is found by the check.
tour-title = One day in Qinghe County
tour-lead = Qinghe County is invented. Every step is done by a real page or door; what is not built yet is marked as coming, never faked.
tour-count = { $n ->
    [one] One step can be walked so far.
   *[other] { $n } steps can be walked so far.
}
step-live = live
step-coming = coming
step-shows = The platform shows:
step-record = Show me the record behind this
chart-now = She has been seen at several organisations. This opens what the ledger really holds now:
chart-open = Open Zhuoma's timeline
chart-missing = Zhuoma is not in this ledger. Run tongmai demo to get Qinghe County.
power-now = Every write is on disk before it is answered with success; after a power cut the ledger goes on from its last whole link. “Check now” walks the whole hash chain and compares every index row with what the original texts say it should be:
started = Started
verify-state = Check
verify-now = Check now
verify-never = Not checked since the start.
verify-running = Checking; you may leave this page and come back.
verify-whole = whole, nothing is wrong
verify-faults = { $n ->
    [one] One fault was found: run tongmai verify to see it
   *[other] { $n } faults were found: run tongmai verify to see them
}
verify-failed = The check could not be finished; see the log
verify-events = { $n } events
verify-heads = { $n } heads of the chain
verify-rows = { $n } index rows
power-try = Try a power cut yourself
power-how = Kill the server while it writes, start it again, and come back here to check:

help-title = Help
keys-title = Keyboard
keys-lead = What you do often needs no mouse.
keys-find = go to the search box
keys-move = move down and up in a list
keys-open = open the chosen entry
keys-help = open this page
signs-title = Signs beside values
flag-none = normal
flag-high = above the reference range
flag-low = below the reference range
flag-abnormal = abnormal or positive
help-see-title = Easier to read
help-see = The foot of each page changes language and text size; dark and light follow your system; under each chart stands a table with the same content; records can be printed as they are.
help-more-title = For engineers
help-more = All data can be read and written by FHIR R4. The capability statement:

lost-title = There is no such page
lost-what = The address may be mistyped, or this record never existed. Begin again from the overview or by finding a person.
gone-title = This was deleted
gone-what = The record was deleted, so there is nothing to show now. Its versions are below; to restore it, speak to the organisation that wrote it.
expired-title = The link has expired
expired-what = A link to a further page lives for 15 minutes, so that all pages show one moment. Please search again.
broken-title = That did not work
broken-what = The server could not do this. Try again later; if it happens again, tell the operator the time now.
wrong-title = The request is wrong
wrong-what = The server does not understand this request. Begin again from the overview or by finding a person.

gender-male = Male
gender-female = Female
gender-other = Other
gender-unknown = Sex unknown
class-AMB = outpatient
class-EMER = emergency
class-IMP = inpatient
class-HH = home visit
class-VR = remote
class-OBSENC = observation
class-SS = short stay
purpose-TREAT = treatment
purpose-ETREAT = emergency treatment
purpose-HOPERAT = operations
purpose-HSYSADMIN = system administration
status-active = active
status-completed = completed
status-finished = finished
status-final = final
status-in-progress = in progress
status-stopped = stopped
status-cancelled = cancelled
status-resolved = resolved
status-planned = planned
status-amended = amended
status-preliminary = preliminary

type-Patient = Patient
type-RelatedPerson = Relative
type-Practitioner = Practitioner
type-PractitionerRole = Post
type-Organization = Organisation
type-Location = Department or place
type-Encounter = Visit
type-Condition = Diagnosis or problem
type-Observation = Result or vital sign
type-DiagnosticReport = Report
type-ServiceRequest = Order
type-MedicationRequest = Prescription
type-MedicationStatement = Medicine taken
type-MedicationAdministration = Medicine given
type-Medication = Medicine
type-Procedure = Procedure
type-Immunization = Vaccination
type-AllergyIntolerance = Allergy or intolerance
type-CarePlan = Care plan
type-CareTeam = Care team
type-Coverage = Insurance
type-Claim = Claim
type-ExplanationOfBenefit = Settlement
type-DocumentReference = Document
type-ImagingStudy = Imaging
type-Device = Device
type-Goal = Goal
type-SupplyDelivery = Supply delivery
type-Provenance = Provenance
type-Account = Account
type-AdverseEvent = Adverse event
type-Appointment = Appointment
type-AuditEvent = Audit event
type-Basic = Entry of a register
type-Binary = File
type-BodyStructure = Body structure
type-Bundle = Bundle
type-ChargeItem = Charge item
type-ClaimResponse = Claim response
type-ClinicalImpression = Clinical impression
type-CodeSystem = Code system
type-Communication = Communication
type-Composition = Composition
type-ConceptMap = Concept map
type-Consent = Consent
type-Contract = Contract
type-DetectedIssue = Detected issue
type-EpisodeOfCare = Episode of care
type-FamilyMemberHistory = Family history
type-Flag = Flag
type-Group = Group
type-HealthcareService = Healthcare service
type-Invoice = Invoice
type-Library = Library
type-Linkage = Linkage
type-List = List
type-Media = Media
type-MedicationDispense = Dispensed medicine
type-MessageHeader = Message header
type-NutritionOrder = Nutrition order
type-OperationOutcome = Outcome of an operation
type-Parameters = Parameters
type-Person = Person
type-PlanDefinition = Plan definition
type-Questionnaire = Questionnaire
type-QuestionnaireResponse = Answered questionnaire
type-ResearchStudy = Research study
type-ResearchSubject = Research subject
type-RiskAssessment = Risk assessment
type-Schedule = Schedule
type-Slot = Slot
type-Specimen = Specimen
type-Substance = Substance
type-SupplyRequest = Supply request
type-Task = Task
type-ValueSet = Value set
type-VisionPrescription = Vision prescription

identifier-type-NI = identity number
identifier-type-MR = medical record number
identifier-type-PPN = passport number
identifier-type-SS = social security number
identifier-type-HC = insurance card number
identifier-type-VN = visit number
identifier-type-PI = internal number of the patient
identifier-type-PRN = licence number
identifier-type-EI = staff number
identifier-type-XX = number of the organisation
contact-phone = telephone
contact-email = e-mail
contact-fax = fax
contact-sms = text message
contact-url = web address
marital-status-S = Never married
marital-status-M = Married
marital-status-W = Widowed
marital-status-D = Divorced
marital-status-L = Separated
marital-status-UNK = Unknown

step-0740-who = village doctor, line down
step-0740-what = Measures Auntie Zhuoma's blood pressure, 186/112, and takes a photo of her feet on the clinic box.
step-0740-shows = follow-up form done in 90 seconds, urgent-referral rule fires, queued.
step-0805-who = the line comes back (64 kbit/s)
step-0805-what = The clinic box sends the night's 60 visits.
step-0805-shows = all in within 30 seconds, nothing twice; two edits of the same address stand side by side for a person to settle.
step-0810-who = township clinic
step-0810-what = Registers Wang Fang's newborn twins, who have no number yet.
step-0810-shows = mother's record linked, the twins kept apart, no merge.
step-0830-who = the county hospital's system (HL7 v2, GB18030)
step-0830-what = Admits Zhuoma under a slightly different name and an old 15-digit number.
step-0830-shows = the same person, linked automatically, with the reasons as a waterfall.
step-0831-who = the insurer's interface (JSON, signed)
step-0831-what = Sends her coverage.
step-0831-shows = linked; a wrong signature is refused by name.
step-0845-who = a private clinic's system (WS/T 500 document, “-” in three mandatory fields)
step-0845-what = Deposits last month's visit.
step-0845-shows = understood, three findings, original kept; the cardiologist cannot see it yet.
step-0850-who = Zhuoma
step-0850-what = Presents her insurance code (or identity card, or a paper code); the doctor scans it.
step-0850-shows = shared with this hospital until discharge, in three taps; her mental-health visit stays hidden unless she releases it.
step-0900-who = cardiologist
step-0900-what = Opens Zhuoma's chart.
step-0900-shows = one timeline over all her providers within a second; a kidney-dose card when ordering; her ten-year risk explained.
step-0920-who = laboratory
step-0920-what = Cholera toxin gene positive in another patient.
step-0920-shows = report card drafted in half a second, two-hour clock, county and province see the alert within two seconds.
step-0925-who = epidemiologist
step-0925-what = Opens the signal.
step-0925-shows = line list of the own county, curve with expected band, tile map, three linked cases by the same market, false-alarm odds learnt from last year.
step-1000-who = township doctor and county specialist
step-1000-what = Consult about the feet: video drops to sound and stills as the line sinks.
step-1000-shows = note, pictures and referral are in both records.
step-1100-who = home monitor
step-1100-what = Zhuoma's cuff and scale send readings; one device falls silent.
step-1100-shows = her own thresholds; silence is an alarm too.
step-1400-who = ward
step-1400-what = Discharge, with the risk of return within 30 days.
step-1400-shows = calibrated, with a model card; a nurse call is planned; the patient may refuse the score.
step-1410-who = coder
step-1410-what = Types the front page.
step-1410-shows = group, weight, why, what evidence is missing; a check of the settlement list finds the wrong principal diagnosis.
step-1500-who = insurer
step-1500-what = Regroups the year under the new scheme.
step-1500-shows = ten million cases in under a minute; shift per hospital; the budget closes to the fen.
step-1600-who = hospital manager
step-1600-what = Looks at today's flow.
step-1600-shows = beds, waits, tomorrow's discharges, where patients queue.
step-1700-who = Zhuoma's daughter, her family account
step-1700-what = Opens “Who looked”.
step-1700-shows = the reads of the categories released to her, in words, grouped by visit; she asks about one; the proof checks in her browser. Zhuoma herself sees all, the emergency access with its reason too.
step-1800-who = patient organisation
step-1800-what = Opens the policy “long prescriptions in village clinics”.
step-1800-shows = it cannot pass the feasibility gate without patient evidence.
step-1830-who = forty people in the hall, three hundred online
step-1830-what = Rate difficulty, experience and satisfaction; vote on statements; paper ballots are entered.
step-1830-shows = two opinion groups, five statements both share; nobody counted twice, nobody traceable.
step-1900-who = policy office
step-1900-what = Answers each shared statement, changes two rules.
step-1900-shows = “You said, we did”; three months later the indicator from the records shows whether it worked.
step-2000-who = charity and enterprise
step-2000-what = See needs by stage of illness, offer foot care and test strips.
step-2000-shows = best assignment, explained; ledger to the fen; the sponsor sees no vote and no name.
step-2300-who = privacy officer
step-2300-what = Runs the audit pack; the power fails in the middle.
step-2300-shows = restart: nothing lost; duty page green; witnesses agree on the log.

desk-title = Identity desk
desk-lead = Pairs of records that may be one person. The machine proposes; you decide. The pairs whose answer tells most come first; every decision is kept with name and reason and can be taken back.
desk-waiting = pairs wait
desk-empty = No pair waits. When a record comes that may be somebody known, the two appear here side by side.
desk-chance = { $x } % one person
desk-since = waiting since
desk-objection = Something stands against linking without asking: numbers that differ, or given names that leave twins possible.
desk-field = Field
desk-left = New record
desk-right = Known record
desk-bits = Evidence, bits
desk-bar = Evidence as a bar: right speaks for one person, left against
desk-prior = Before comparing
desk-who = Your name
desk-why = Reason
desk-same = Same person
desk-not-same = Not the same
compared-identity-number = Identity number
compared-insurance-number = Insurance number
compared-telephone = Phone
compared-address = Address
compared-name = Name
compared-birth-date = Birth date
compared-sex = Sex
