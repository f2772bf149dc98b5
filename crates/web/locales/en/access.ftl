# Accounts, rights, audit.
# The privacy office
task-register = Agreements and assessments
task-register-what = Who processes for whom, and which purposes were weighed.
task-incident = Incidents
task-incident-what = Whose records were seen, and whom to tell by when.
register-lead = What stands here decides at once: a purpose that needs an assessment opens with it, and an organisation sees what its agreement covers.
register-empty = Nothing is signed yet.
register-over = over
register-until = until
register-end = End it now
register-new = Sign
register-kind = Instrument
instrument-impact-assessment = impact assessment
instrument-agreement = agreement with an organisation
register-purpose = Purpose
register-organization = Id of the organisation (agreements)
register-text = What is processed and why, the risk for people, the measures
register-days = Days that it counts
register-sign = Sign
purpose-HRESCH = research
purpose-HLEGAL = legal duty
purpose-FAMRQT = the family's request
incident-lead = The people follow exactly from the log of reads: everybody whose record was shown, and nobody else.
incident-empty = No incident.
incident-affected = { $n ->
    [one] One person is affected
   *[other] { $n } people are affected
}
incident-list = Whose records
incident-whom-people = the people: at once
incident-whom-authority = the authority
incident-whom-public-interest = danger for the public: the authority
incident-closed = closed, the notice is whole
incident-lacks = The notice does not say yet:
incident-part-kinds = kinds of information
incident-part-cause = cause
incident-part-harm = possible harm
incident-part-measures = what was done
incident-part-self-help = what people can do
incident-part-contact = whom to ask
incident-close = Close with this notice
incident-new = Open an incident
incident-what = What happened
incident-account = Account or client whose reads are looked at
incident-from = From
incident-until = Until
incident-operator = Operator
operator-other = any other
operator-critical-infrastructure = critical infrastructure
operator-central-body = central or state organ
incident-public = It endangers the public
incident-open = Open
requests-appeal = Appeal
requests-appeal-why = What was overlooked
requests-court = Another person answers an appeal. A court hears what is refused again (PIPL 50).
