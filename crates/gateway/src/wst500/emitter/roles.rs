//! Which resources of a record the header's places mean.

use std::collections::HashMap;

use super::super::path::Target;
use super::Record;
use crate::build::Node;

/// Finds the resources that the header's places name, by how they hang together.
pub(super) fn roles<'r>(record: &Record<'r>) -> HashMap<&'static str, Vec<&'r Node>> {
    let mut roles: HashMap<&'static str, Vec<&'r Node>> = HashMap::new();
    let mut add = |role: &'static str, node: Option<&'r Node>| {
        if let Some(node) = node {
            roles.entry(role).or_default().push(node);
        }
    };
    let composition = record.first("Composition");
    let patient =
        record.follow(composition.and_then(|c| c.get("subject"))).or_else(|| record.first("Patient"));
    let encounter =
        record.follow(composition.and_then(|c| c.get("encounter"))).or_else(|| record.first("Encounter"));
    add("Composition", composition);
    add("Patient", patient);
    add("Encounter", encounter);
    let provider = record.follow(patient.and_then(|p| p.get("managingOrganization")));
    add("Organization:provider", provider);
    if let Some(composition) = composition {
        for author in composition.items("author").iter().filter_map(|author| record.follow(Some(author))) {
            match author.text("resourceType") {
                Some("Practitioner") => add("Practitioner:author", Some(author)),
                Some("Organization") => add("Organization:authorOrganization", Some(author)),
                _ => {}
            }
        }
        add("Organization:custodian", record.follow(composition.get("custodian")));
        for attester in composition.items("attester") {
            let role = if attester.text("mode") == Some("legal") {
                "Practitioner:legal"
            } else {
                "Practitioner:authenticator"
            };
            add(role, record.follow(attester.get("party")));
        }
        let informant = Target::parse("extension{informant}.valueReference").get(composition, 0, "");
        add("RelatedPerson:informant", record.follow(informant));
    }
    if let Some(encounter) = encounter {
        for place in
            encounter.items("location").iter().filter_map(|place| record.follow(place.get("location")))
        {
            let kind = place
                .get("physicalType")
                .and_then(|t| t.items("coding").first())
                .and_then(|c| c.text("code"));
            match kind {
                Some("bd") => add("Location:bed", Some(place)),
                Some("ro") => add("Location:room", Some(place)),
                Some("wa") => add("Location:ward", Some(place)),
                _ => {}
            }
        }
        if let Some(organization) = record.follow(encounter.get("serviceProvider")) {
            let whole = record.follow(organization.get("partOf"));
            let is_department = whole.is_some()
                || organization.items("type").first().and_then(|t| t.items("coding").first()?.text("code"))
                    == Some("dept");
            let is_provider = provider.is_some_and(|provider| std::ptr::eq(provider, organization));
            if is_department {
                add("Organization:department", Some(organization));
                add("Organization:hospital", whole);
            } else if !is_provider {
                add("Organization:hospital", Some(organization));
            }
        }
    }
    for (role, kind, system) in [
        ("ServiceRequest:application", "ServiceRequest", "2.16.156.10011.1.24"),
        ("Specimen:specimen", "Specimen", "2.16.156.10011.1.14"),
        ("DiagnosticReport:report", "DiagnosticReport", "2.16.156.10011.1.32"),
        ("DiagnosticReport:report", "DiagnosticReport", "2.16.156.10011.1.33"),
        ("Consent:consent", "Consent", "2.16.156.10011.1.34"),
    ] {
        let found = record.all(kind).find(|node| {
            node.items("identifier").iter().any(|identifier| {
                identifier.text("system").and_then(|of| of.strip_prefix("urn:oid:")) == Some(system)
            })
        });
        add(role, found);
        if role == "ServiceRequest:application" {
            let applicant = record.follow(found.and_then(|request| request.get("requester")));
            add("Organization:applicant", applicant);
        }
    }
    add("RequestGroup:prescription", record.first("RequestGroup"));
    roles
}
