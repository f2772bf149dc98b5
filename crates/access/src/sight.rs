//! What a requester may see: the one type under which the engine reads.

use std::collections::HashMap;
use std::sync::Arc;

use tongmai_consent::{
    Action, Agreement, Category, Decision, FOR_EVER, Item, Jurisdiction, Pack, PackError, Purpose, Request,
    Role as Part, Roles, Scope, SensitiveCodes, Subject, builtin_packs, builtin_roles,
    builtin_sensitive_codes, decide,
};

use crate::{Requester, Role};

/// A place where a right is enforced. Each is named so that a test can leave one out and must notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Point {
    Read,
    VersionRead,
    History,
    TypeHistory,
    Candidates,
    HiddenElements,
    Matches,
    Total,
    Leader,
    Include,
    Redaction,
    Narrative,
    Sort,
    Everything,
    Export,
    Findings,
    Dangling,
    Person,
    Match,
    Queue,
    PageLink,
    ClientId,
    Deposit,
    Change,
}

impl Point {
    /// All of them.
    pub const ALL: [Point; 24] = [
        Point::Read,
        Point::VersionRead,
        Point::History,
        Point::TypeHistory,
        Point::Candidates,
        Point::HiddenElements,
        Point::Matches,
        Point::Total,
        Point::Leader,
        Point::Include,
        Point::Redaction,
        Point::Narrative,
        Point::Sort,
        Point::Everything,
        Point::Export,
        Point::Findings,
        Point::Dangling,
        Point::Person,
        Point::Match,
        Point::Queue,
        Point::PageLink,
        Point::ClientId,
        Point::Deposit,
        Point::Change,
    ];
}

/// The rules of an installation: a law, the roles, the agreements of its organisations.
#[derive(Debug)]
pub struct Rulebook {
    pack: Pack,
    roles: Roles,
    codes: SensitiveCodes,
    /// By id of the Organization.
    agreements: HashMap<String, Agreement>,
    /// For an organisation that is not named.
    others: Option<Agreement>,
    assessed: u16,
    home: Jurisdiction,
    left_out: u32,
}

impl Rulebook {
    /// The rules of a pack that comes with the program (`mainland`, `hongkong`, `hipaa`), with no
    /// agreements yet.
    ///
    /// # Errors
    /// There is no such pack.
    pub fn builtin(name: &str) -> Result<Rulebook, PackError> {
        let pack = builtin_packs().into_iter().find(|(known, _)| *known == name);
        let Some((_, text)) = pack else {
            let message = format!("there is no pack '{name}': choose mainland, hongkong or hipaa");
            return Err(PackError { line: 0, message });
        };
        Rulebook::read(text, builtin_roles(), builtin_sensitive_codes())
    }

    /// The rules of a pack, a table of roles and a table of sensitive codes, as texts.
    ///
    /// # Errors
    /// The first line that is wrong.
    pub fn read(pack: &str, roles: &str, codes: &str) -> Result<Rulebook, PackError> {
        let pack = Pack::read(pack)?;
        Ok(Rulebook {
            home: pack.home,
            pack,
            roles: Roles::read(roles)?,
            codes: SensitiveCodes::read(codes)?,
            agreements: HashMap::new(),
            others: None,
            assessed: 0,
            left_out: 0,
        })
    }

    /// An agreement for all purposes and categories, without an end.
    pub fn full_agreement() -> Agreement {
        let (purposes, categories) = (u16::MAX, u16::MAX);
        Agreement { purposes, categories, default_in: false, notice: 0, from: 0, until: FOR_EVER }
    }

    /// Says what an organisation has agreed.
    #[must_use]
    pub fn with_agreement(mut self, organization: &str, agreement: Agreement) -> Rulebook {
        self.agreements.insert(organization.to_owned(), agreement);
        self
    }

    /// Says what every organisation has agreed that is not named.
    #[must_use]
    pub fn with_others(mut self, agreement: Agreement) -> Rulebook {
        self.others = Some(agreement);
        self
    }

    /// Says that a purpose has an impact assessment.
    #[must_use]
    pub fn with_assessment(mut self, purpose: Purpose) -> Rulebook {
        self.assessed |= purpose.bit();
        self
    }

    /// The same rules with one place left unguarded: for tests that must notice, and nothing else.
    #[doc(hidden)]
    #[must_use]
    pub fn leaving_out(mut self, point: Point) -> Rulebook {
        self.left_out |= 1 << point as u8;
        self
    }

    /// The law.
    pub fn pack(&self) -> &Pack {
        &self.pack
    }

    /// Which codes are sensitive.
    pub fn codes(&self) -> &SensitiveCodes {
        &self.codes
    }
}

/// What somebody may see, now and for one purpose: the engine reads nothing without one.
///
/// Only this crate makes it. The engine turns it into a condition of every search, count, page,
/// history and conditional write, so what may not be seen is not found either.
#[derive(Debug, Clone)]
pub struct Sight {
    requester: Requester,
    limits: Option<Arc<Limits>>,
}

/// The limits of a sight: the rules with what they say of this requester.
#[derive(Debug)]
pub struct Limits {
    book: Arc<Rulebook>,
    now: i64,
    parts: Vec<Part>,
    purpose: Option<Purpose>,
    agreement: Option<Agreement>,
    scope: (u16, u16),
}

/// What somebody sees of counts over many people's records, who are not named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregates {
    /// Every count as it is.
    Exact,
    /// Counts from 1 to [`Aggregates::SMALL`] - 1 are hidden: so few might be recognised.
    SmallHidden,
    /// None.
    None,
}

impl Aggregates {
    /// Counts below this are hidden (GB/T 37964: groups of at least five).
    pub const SMALL: i64 = 5;

    /// Whether a count is hidden.
    pub fn hides(self, count: i64) -> bool {
        match self {
            Aggregates::Exact => false,
            Aggregates::SmallHidden => (1..Aggregates::SMALL).contains(&count),
            Aggregates::None => true,
        }
    }
}

impl Sight {
    /// A sight without limits.
    pub(crate) fn unlimited(requester: &Requester) -> Sight {
        Sight { requester: requester.clone(), limits: None }
    }

    /// A sight under rules. The installation at work (an import, a door, its operator's commands) sees
    /// everything; nobody else does.
    pub(crate) fn under(book: &Arc<Rulebook>, requester: &Requester, now: i64) -> Sight {
        if requester.is(Role::Installation) {
            return Sight::unlimited(requester);
        }
        let limits = Limits {
            book: book.clone(),
            now,
            parts: requester.roles.iter().flat_map(|role| parts(*role)).collect(),
            purpose: purpose(&requester.purpose),
            agreement: book.agreements.get(&requester.organization).copied().or(book.others),
            scope: scope(requester),
        };
        Sight { requester: requester.clone(), limits: Some(Arc::new(limits)) }
    }

    /// Whose sight it is.
    pub fn requester(&self) -> &Requester {
        &self.requester
    }

    /// What it sees of counts over everybody's records. Statutory public health counts exactly, whoever
    /// else works here sees no small counts, and who does not work here sees none.
    pub fn aggregates(&self) -> Aggregates {
        let Some(limits) = &self.limits else { return Aggregates::Exact };
        let is = |role| self.requester.is(role);
        if is(Role::Epidemiologist) && limits.purpose == Some(Purpose::PublicHealth) {
            return Aggregates::Exact;
        }
        let outside = |role: &Role| matches!(role, Role::Resident | Role::Service);
        match self.requester.roles.iter().all(outside) {
            true => Aggregates::None,
            false => Aggregates::SmallHidden,
        }
    }

    /// Its limits; `None` for one that sees everything.
    pub fn limits(&self) -> Option<&Arc<Limits>> {
        self.limits.as_ref()
    }
}

impl Limits {
    /// Whether a place is guarded: always, but in a test that leaves it out.
    pub fn guards(&self, point: Point) -> bool {
        self.book.left_out & (1 << point as u8) == 0
    }

    /// The rules.
    pub fn book(&self) -> &Rulebook {
        &self.book
    }

    /// When it was made: consents and tokens are judged at this instant.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// The requests that this requester can make, one a role. What the engine knows by number
    /// (organisation, account, own records, wards, an emergency) it fills in itself.
    pub fn requests(&self) -> Vec<Request> {
        let Some(purpose) = self.purpose else { return Vec::new() };
        let request = |role: &Part| {
            let acts_alone = matches!(role, Part::Resident | Part::Proxy);
            Request {
                action: Action::View,
                purpose: match (role, purpose) {
                    // A resident asks for their own sake and for others in one session.
                    (Part::Resident, _) => Purpose::PatientRequest,
                    (Part::Proxy, _) => Purpose::FamilyRequest,
                    _ => purpose,
                },
                role: *role,
                account: 0,
                organisation: 0,
                agreement: if acts_alone { None } else { self.agreement },
                scope: Scope {
                    view: self.scope.0,
                    deposit: self.scope.1,
                    record: None,
                    from: i64::MIN,
                    until: FOR_EVER,
                },
                own: Vec::new(),
                wards: Vec::new(),
                break_glass: None,
                assessed: self.book.assessed & purpose.bit() != 0,
                destination: self.book.home,
                transfer: false,
                now: self.now,
            }
        };
        self.parts.iter().map(request).collect()
    }

    /// Decides one request.
    pub fn decide(&self, request: &Request, item: &Item, subject: &Subject<'_>) -> Decision {
        decide(&self.book.pack, &self.book.roles, request, item, subject)
    }
}

/// The purpose of a code of HL7 `v3-PurposeOfUse`; what lies below "healthcare operations" there is that.
fn purpose(code: &str) -> Option<Purpose> {
    match code {
        "HCOMPL" | "HQUALIMP" | "HACCRED" | "PATADMIN" | "RECORDMGT" => Some(Purpose::Operations),
        code => Purpose::from_code(code),
    }
}

/// The roles of the rules that a role of an account acts as.
fn parts(role: Role) -> Vec<Part> {
    match role {
        Role::Installation | Role::Organiser | Role::PolicyOffice => Vec::new(),
        Role::Resident => vec![Part::Resident, Part::Proxy],
        Role::Doctor => vec![Part::Physician],
        Role::Nurse => vec![Part::Nurse],
        Role::VillageDoctor => vec![Part::VillageDoctor],
        Role::Coder | Role::Insurer => vec![Part::Coder],
        Role::Epidemiologist => vec![Part::Epidemiologist],
        Role::PrivacyOfficer => vec![Part::PrivacyOfficer],
        Role::SystemAdministrator | Role::SecurityAdministrator | Role::AuditAdministrator => {
            vec![Part::Administrator]
        }
        Role::Researcher => vec![Part::Researcher],
        Role::Service => vec![Part::Service],
    }
}

/// The categories that a requester's token covers to view and to deposit, as masks.
///
/// A SMART scope names a resource type; what it covers here is the category of that type. Parameters
/// of a scope (`?category=laboratory`) name a category of Observation.
fn scope(requester: &Requester) -> (u16, u16) {
    let Some(scopes) = &requester.scopes else { return (u16::MAX, u16::MAX) };
    let (mut view, mut deposit) = (0, 0);
    for scope in scopes {
        let Some((_, rest)) = scope.split_once('/') else { continue };
        let (what, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let Some((name, rights)) = what.split_once('.') else { continue };
        let mut mask = categories_of(name);
        if let Some((_, value)) = parameters.split_once("category=") {
            let code = value.rsplit('|').next().unwrap_or("");
            mask = match code {
                "laboratory" => Category::Laboratory.bit(),
                "imaging" => Category::Imaging.bit(),
                _ => Category::Observation.bit(),
            };
        } else if !parameters.is_empty() {
            // A narrowing that is not understood covers nothing rather than everything.
            mask = 0;
        }
        let (reads, writes) = match rights {
            "read" => (true, false),
            "write" => (false, true),
            "*" => (true, true),
            letters => (letters.contains(['r', 's']), letters.contains(['c', 'u', 'd'])),
        };
        view |= if reads { mask } else { 0 };
        deposit |= if writes { mask } else { 0 };
    }
    (view, deposit)
}

/// The categories that the resources of a type can have, as a mask; `*` is all types.
pub fn categories_of(type_name: &str) -> u16 {
    match type_name {
        "*" => u16::MAX,
        "Observation" => Category::Laboratory.bit() | Category::Observation.bit() | Category::Imaging.bit(),
        "DiagnosticReport" => Category::Laboratory.bit() | Category::Imaging.bit(),
        name => category_of(name).map_or(Category::Document.bit(), Category::bit),
    }
}

/// The category of a resource type of FHIR R4; `None` for one that is not in the table.
pub fn category_of(type_name: &str) -> Option<Category> {
    Some(match type_name {
        "Patient" | "Person" | "RelatedPerson" => Category::Demographics,
        "Encounter" | "EpisodeOfCare" | "Appointment" | "AppointmentResponse" => Category::Encounter,
        "Condition" | "ClinicalImpression" | "DetectedIssue" | "FamilyMemberHistory" | "RiskAssessment" => {
            Category::Diagnosis
        }
        "AllergyIntolerance" | "AdverseEvent" => Category::Allergy,
        "MedicationRequest" | "MedicationDispense" | "MedicationAdministration" | "MedicationStatement" => {
            Category::Medication
        }
        "DiagnosticReport" | "Specimen" | "MolecularSequence" => Category::Laboratory,
        "Observation" => Category::Observation,
        "ImagingStudy" | "Media" => Category::Imaging,
        "Procedure" | "DeviceUseStatement" | "DeviceRequest" => Category::Procedure,
        "Immunization" | "ImmunizationEvaluation" | "ImmunizationRecommendation" => Category::Immunization,
        "Composition" | "DocumentReference" | "DocumentManifest" | "Binary" | "Bundle" | "Communication"
        | "List" => Category::Document,
        "CarePlan"
        | "CareTeam"
        | "Goal"
        | "Task"
        | "ServiceRequest"
        | "RequestGroup"
        | "NutritionOrder"
        | "SupplyRequest"
        | "SupplyDelivery"
        | "Flag"
        | "CommunicationRequest"
        | "VisionPrescription" => Category::Plan,
        "Claim"
        | "ClaimResponse"
        | "Coverage"
        | "ExplanationOfBenefit"
        | "Invoice"
        | "ChargeItem"
        | "Account"
        | "PaymentNotice"
        | "PaymentReconciliation"
        | "EnrollmentRequest"
        | "CoverageEligibilityRequest"
        | "CoverageEligibilityResponse" => Category::Billing,
        "QuestionnaireResponse" => Category::Reported,
        "Consent" | "Provenance" | "AuditEvent" | "Contract" => Category::Governance,
        "Organization"
        | "Practitioner"
        | "PractitionerRole"
        | "Location"
        | "HealthcareService"
        | "Endpoint"
        | "Medication"
        | "Substance"
        | "Device"
        | "ValueSet"
        | "CodeSystem"
        | "ConceptMap"
        | "StructureDefinition"
        | "SearchParameter"
        | "Questionnaire"
        | "PlanDefinition"
        | "ActivityDefinition"
        | "Measure"
        | "Library"
        | "Schedule"
        | "Slot"
        | "OrganizationAffiliation"
        | "InsurancePlan"
        | "Group"
        | "ResearchStudy"
        | "CapabilityStatement"
        | "OperationDefinition"
        | "NamingSystem" => Category::Directory,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requester(scopes: &[&str]) -> Requester {
        Requester { scopes: Some(scopes.iter().map(|s| (*s).to_owned()).collect()), ..Requester::default() }
    }

    #[test]
    fn scopes_cover_what_they_name() {
        let check = |scopes: &[&str], view: u16, deposit: u16| {
            assert_eq!(scope(&requester(scopes)), (view, deposit), "{scopes:?}");
        };
        let (diagnosis, laboratory) = (Category::Diagnosis.bit(), Category::Laboratory.bit());
        check(&[], 0, 0);
        check(&["openid", "launch/patient", "offline_access"], 0, 0);
        check(&["patient/Condition.rs"], diagnosis, 0);
        check(&["patient/Condition.read"], diagnosis, 0);
        check(&["user/Condition.cruds"], diagnosis, diagnosis);
        check(&["system/*.read"], u16::MAX, 0);
        check(&["patient/Observation.rs?category=laboratory"], laboratory, 0);
        check(&["patient/Observation.rs?category=http://x|laboratory"], laboratory, 0);
        check(&["patient/Observation.rs?code=1"], 0, 0);
        check(&["patient/Observation.c"], 0, categories_of("Observation"));
        assert_eq!(scope(&Requester::default()), (u16::MAX, u16::MAX));
    }

    #[test]
    fn the_installation_sees_everything_and_nobody_nothing() {
        let book = Arc::new(Rulebook::builtin("mainland").expect("a pack"));
        assert!(Sight::under(&book, &Requester::local(), 0).limits().is_none());
        let nobody = Sight::under(&book, &Requester::nobody(), 0);
        assert!(nobody.limits().is_some_and(|limits| limits.requests().is_empty()));
        assert!(Rulebook::builtin("atlantis").is_err());
    }
}
