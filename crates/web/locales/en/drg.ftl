# Grouping and payment.
nav-drg = Payment
drg-views = Views of payment
drg-worklist = Discharges
drg-indicators = Indicators
drg-quality = Quality
drg-settlement = Settlement
drg-rules = Rules
drg-workshop = Pack workshop
drg-worklist-lead = Each discharge is grouped as it arrives, and again when late data or another pack comes. Every version is kept.
drg-stays = stays
drg-grouped = in a group
drg-case-mix = case-mix index
drg-with-errors = with errors
drg-waiting = results to be written
drg-filter = Hospital, department, patient, group or diagnosis
drg-only = only with findings
drg-none = Nothing here yet. Stays appear as soon as a hospital sends a finished inpatient Encounter.
drg-fits = { $n ->
    [one] { $n } stay fits.
   *[other] { $n } stays fit.
}
drg-discharged = Discharged
drg-patient = Patient
drg-hospital = Hospital
drg-group = Group
drg-weight = Weight
drg-findings = Findings
drg-ungrouped = in no group
drg-signs-legend = ✕ errors · △ warnings · the dot: hints
drg-more = Show more
drg-case = Stay
drg-days = { $n ->
    [one] { $n } day
   *[other] { $n } days
}
drg-cost = Cost
drg-ratio = { $x } times the mean of its group
drg-record = Record
drg-result = Result in FHIR
drg-special = Single review
drg-list = Settlement list
drg-front-page = Front page
drg-beside = Front page and settlement list
drg-list-none = not saved yet
drg-dx-label = Diagnoses, one a line, the principal one first
drg-px-label = Procedures, one a line, the main one first
drg-regroup = Group again
drg-save = Save the settlement list
drg-save-note = Saving writes a Claim into the ledger; the front page stays as the hospital sent it.
drg-place = Place
drg-principal = principal diagnosis
drg-main-procedure = main procedure
drg-procedure = procedure
drg-group-mean = Mean of the group
drg-this-stay = This stay
drg-now = Group of what is typed
drg-what-if = What would change the group
drg-what-if-note = Each change was grouped again. They stand in a fixed order, never by payment, and asking is logged: code what the record shows.
drg-what-if-ask = Show the changes
drg-versions = Versions of the result
drg-versions-none = Nothing is written yet.
drg-codes = Codes
drg-unknown-code = not in the pack
drg-excluded = excluded by the principal diagnosis (table { $x })
drg-note = open the note
drg-offers = Codes that fit
drg-no-findings = Nothing was found.
drg-repair = Mend:
drg-evidence = evidence
drg-why = Why this group
drg-miss = Nearest miss { $x }:
drg-grade-error = error
drg-grade-warning = warning
drg-grade-hint = hint
drg-grade = Grade
drg-reason-sex-invalid = sex is missing
drg-reason-age-missing = age is missing
drg-reason-age-invalid = age is not possible
drg-reason-age-days-missing = age in days is missing
drg-reason-age-days-invalid = age in days is not possible
drg-reason-birth-weight-missing = birth weight is missing
drg-reason-birth-weight-invalid = birth weight is not possible
drg-reason-stay-invalid = days in hospital are not possible
drg-reason-no-diagnosis = there is no diagnosis
drg-reason-principal-diagnosis-unknown = the principal diagnosis is in no table
drg-reason-principal-diagnosis-grey = the principal diagnosis is a grey code
drg-reason-no-mdc = no category takes the principal diagnosis
drg-reason-no-adrg = no ADRG takes the case
drg-reason-no-split = no group of the ADRG takes the case
drg-reason-unrelated-procedure = the procedure is not related to the diagnosis
drg-reason-unreadable = it cannot be read
drg-indicators-lead = Case mix and efficiency against the region's mean. Follow a name down to the cases.
drg-by = By
drg-by-hospital = Hospital
drg-by-department = Department
drg-by-group = Group
drg-by-doctor = Doctor
drg-scope = Of
drg-scope-all = show all
drg-doctor-note = By doctor only case mix and quality are shown: a group's standard must not become a doctor's limit.
drg-cases = Cases
drg-group-count = Groups
drg-entry = Entry rate
drg-cost-index = Cost index
drg-time-index = Time index
drg-mean-days = Mean days
drg-mean-cost = Mean cost
drg-payment = Payment
drg-margin = Margin
drg-outliers = Outliers
drg-low-risk = Deaths, low risk
drg-findings-rate = Findings per 100
drg-total = All of these
drg-burn = Budget used so far
drg-budget-note = The demo's budget is { $n } % of the year's cost.
drg-month = Month
drg-index-note = Indices compare each group with the region's mean, 1 being usual; payments are those of the settlement page.
drg-quality-lead = Front page and settlement list are checked before payment, by rules that are data.
drg-rules-count = rules
drg-checked = stays checked
drg-clean = without error or warning
drg-signs = Signs of coding above or below
drg-signs-note = A sign is a reason to look at the records, with its evidence. It is never a verdict.
drg-signs-none = No hospital stands far from its peers.
drg-above = above
drg-below = below
drg-look-severity = share of the dearest group in
drg-look-resources = cost against the group in
drg-look-diagnosis = how often this complication is coded:
drg-of-cases = { $n ->
    [one] of { $n } case
   *[other] of { $n } cases
}
drg-peers = peers
drg-far = { $x } standard errors apart
drg-look-at = Cases to look at:
drg-finding = Finding
drg-example = Example
drg-settlement-lead = The year is regrouped with both packs and settled from the same budget: what shifts, and for whom.
drg-old = From
drg-new = To
drg-year = Year
drg-share = Budget, % of cost
drg-regroup-year = Regroup the year
drg-moved = change their group
drg-took = to regroup and settle both
drg-budget = Budget
drg-closes = Payments and reserve are the budget, to the fen:
drg-closes-not = Payments and reserve are not the budget:
drg-shift = Shift per hospital
drg-points = Points
drg-payment-before = Payment before
drg-payment-after = Payment after
drg-change = Change
drg-pools = Pools
drg-insurance = Insurance
drg-insurance-employee = Employees
drg-insurance-resident = Residents
drg-reserve = Reserve
drg-point-value = Value of a point
drg-kinds = By which rule
drg-kind = Kind
drg-rule-normal = ordinary
drg-rule-high = high outlier
drg-rule-high-over-share = high outlier over the hospital's share
drg-rule-low = low outlier
drg-rule-long-stay = long stay
drg-rule-special = single review
drg-rule-unpriced = without a weight
drg-rule-uninsured = without an insurance
drg-candidates = Candidates for a single review
drg-candidates-none = No case lies far above its group.
drg-why-cost = cost far above the mean
drg-why-long-stay = long stay
drg-why-over-share = over the share of outliers
drg-why-unpriced = without a weight
drg-rules-lead = { $n ->
    [one] { $n } group.
   *[other] { $n } groups.
}
drg-pack = Pack
drg-filter-rules = Code or name
drg-rules-none = No rule fits.
drg-groups = { $n ->
    [one] { $n } group
   *[other] { $n } groups
}
drg-gate = Gate of the category
drg-entry-rule = Entry
drg-splits = Groups in the order of trial
drg-split-rule = Rule
drg-codes-count = { $n ->
    [one] { $n } code
   *[other] { $n } codes
}
drg-workshop-lead = What cannot be meant in a pack, and what changed from one to the next, with the cases that move.
drg-compare = Compare
drg-check = Check of { $x }
drg-check-none = Nothing was found.
drg-moves = Cases that change their group
drg-moves-none = No case moves.
drg-changes = Changes of the rules
drg-changes-none = The rules are the same.
drg-code = Code
drg-special-lead = { $n ->
    [one] { $n } expert judges, never the applicant; the lowest amount counts; one appeal is heard by others.
   *[other] { $n } experts judge, none of them the applicant; the lowest amount counts; one appeal is heard by others.
}
drg-special-quota = Quota of the hospital: { $n }.
drg-special-left = { $n ->
    [one] { $n } review is needed
   *[other] { $n } reviews are needed
}
drg-special-state-candidate = not applied for
drg-special-state-review = under review
drg-special-state-approved = approved
drg-special-state-refused = refused
drg-special-state-withdrawn = withdrawn
drg-special-step-apply = applied
drg-special-step-approves = approved
drg-special-step-refuses = refused
drg-special-step-appeal = appealed
drg-special-step-withdraw = withdrawn
drg-special-why = Why, with the evidence
drg-special-amount = Amount in yuan
drg-special-apply = Apply
drg-special-approve = Approve the amount
drg-special-refuse = Refuse
drg-special-withdraw = Withdraw
drg-special-appeal = Appeal
coding-now = Auntie Zhuoma's front page begins with hypertension; the checks find what the stay was for. Put E11.5 first and save the list.
coding-open = Type the front page
regroup-now = The county's year under both packs; the real bench regroups ten million cases with the command line.
regroup-open = Regroup the year
