//! Organization, Location, Practitioner and PractitionerRole.

use super::{Kind, Sink, coding, foreign, own_reference};
use crate::County;
use crate::catalogue::system;
use crate::json::Json;
use crate::place::{ProviderKind, TOWNSHIPS};
use crate::uid;

/// The identifier value and the id of a department's Location.
pub(super) fn location(county: &County, provider: usize, department: usize) -> (String, u128) {
    let it = &county.directory.providers[provider];
    let suffix = it.departments.get(department).map_or("", |d| d.code);
    let id = uid::of(county.seed, uid::LOCATION, (provider * 100 + department) as u64);
    (format!("{}-{suffix}", it.code), id)
}

/// The name of a department's Location.
pub(super) fn location_name(county: &County, provider: usize, department: usize) -> String {
    let it = &county.directory.providers[provider];
    format!("{}{}", it.name, it.departments.get(department).map_or("", |d| d.name))
}

pub(super) fn write(county: &County, sink: &mut impl Sink) {
    for provider in 0..county.directory.providers.len() {
        organization(county, sink, provider);
        for department in 0..county.directory.providers[provider].departments.len() {
            write_location(county, sink, provider, department);
        }
    }
    for practitioner in 0..county.directory.staff.len() {
        write_practitioner(county, sink, practitioner);
        write_role(county, sink, practitioner);
    }
}

fn organization(county: &County, sink: &mut impl Sink, index: usize) {
    let resolved = sink.resolved();
    let provider = &county.directory.providers[index];
    let mut json = Json(sink.begin(Kind::Organization, provider.id));
    json.array("identifier").open().text("use", "official");
    json.text("system", system::ORGANIZATION).text("value", &provider.code).close().end();
    json.raw("\"active\":true").array("type").open().array("coding");
    let (code, display) = match provider.kind {
        ProviderKind::Insurer => ("pay", "Payer"),
        ProviderKind::Cdc => ("govt", "Government"),
        _ => ("prov", "Healthcare Provider"),
    };
    coding(&mut json, "http://terminology.hl7.org/CodeSystem/organization-type", code, display);
    json.end().text("text", kind_name(provider.kind)).close().end();
    json.text("name", &provider.name).array("alias").value(&provider.english).end();
    let township = TOWNSHIPS[provider.township].name;
    json.array("telecom").open().text("system", "phone");
    json.text("value", &crate::number::phone(uid::of(9, 9, index as u64) as u64))
        .text("use", "work")
        .close()
        .end();
    json.array("address").open();
    address(&mut json, township, &provider.name);
    json.close().end();
    if let Some(parent) = provider.parent {
        // The parent stands earlier in the same Bundle.
        json.object("partOf");
        own_reference(&mut json, resolved, Kind::Organization, county.directory.providers[parent].id);
        json.text("display", &county.directory.providers[parent].name).close();
    }
    let condition = format!("{}|{}", system::ORGANIZATION, provider.code);
    sink.end(Kind::Organization, Some(&condition));
}

fn kind_name(kind: ProviderKind) -> &'static str {
    match kind {
        ProviderKind::CountyHospital => "县级综合医院",
        ProviderKind::PrivateHospital => "民营医院",
        ProviderKind::PrivateClinic => "个体诊所",
        ProviderKind::TownshipClinic => "乡镇卫生院",
        ProviderKind::VillageRoom => "村卫生室",
        ProviderKind::Cdc => "疾病预防控制中心",
        ProviderKind::Insurer => "医疗保障经办机构",
    }
}

/// The members of an address of a building in a township.
fn address(json: &mut Json, township: &str, building: &str) {
    json.text("use", "work").text("type", "physical").array("line").value(building).end();
    json.text("city", "清禾县").text("district", township).text("state", super::patient::PROVINCE);
    json.text("country", "CN");
}

fn write_location(county: &County, sink: &mut impl Sink, provider: usize, department: usize) {
    let resolved = sink.resolved();
    let it = &county.directory.providers[provider];
    let (code, id) = location(county, provider, department);
    let mut json = Json(sink.begin(Kind::Location, id));
    json.array("identifier").open().text("system", system::LOCATION).text("value", &code).close().end();
    json.text("status", "active").text("name", &location_name(county, provider, department));
    json.array("alias").value(&format!("{}, {}", it.departments[department].english, it.english)).end();
    json.text("mode", "instance").array("type").open().array("coding");
    let (code, display) = match it.departments[department].code {
        "A20" => ("ER", "Emergency room"),
        "A30" => ("HLAB", "Hospital laboratory"),
        _ => ("HU", "Hospital unit"),
    };
    let (code, display) = match it.kind {
        ProviderKind::CountyHospital | ProviderKind::PrivateHospital => (code, display),
        _ => ("OF", "Outpatient facility"),
    };
    coding(&mut json, "http://terminology.hl7.org/CodeSystem/v3-RoleCode", code, display);
    json.end().close().end();
    json.object("physicalType").array("coding");
    coding(&mut json, "http://terminology.hl7.org/CodeSystem/location-physical-type", "wa", "Ward");
    json.end().close().object("managingOrganization");
    own_reference(&mut json, resolved, Kind::Organization, it.id);
    json.text("display", &it.name).close();
    let condition = format!("{}|{}", system::LOCATION, location(county, provider, department).0);
    sink.end(Kind::Location, Some(&condition));
}

fn write_practitioner(county: &County, sink: &mut impl Sink, index: usize) {
    let it = &county.directory.staff[index];
    let mut json = Json(sink.begin(Kind::Practitioner, it.id));
    json.array("identifier").open().text("use", "official");
    json.text("system", system::PRACTITIONER).text("value", &it.code).close().end();
    json.raw("\"active\":true");
    super::patient::names(&mut json, &it.name);
    json.text("gender", it.sex.code());
    let condition = format!("{}|{}", system::PRACTITIONER, it.code);
    sink.end(Kind::Practitioner, Some(&condition));
}

fn write_role(county: &County, sink: &mut impl Sink, index: usize) {
    let resolved = sink.resolved();
    let it = &county.directory.staff[index];
    let provider = &county.directory.providers[it.provider];
    let mut json = Json(sink.begin(Kind::PractitionerRole, it.role_id));
    let number = format!("{}-{}", it.code, it.department.code);
    json.array("identifier").open();
    json.text("system", system::PRACTITIONER).text("value", &number).close().end();
    json.raw("\"active\":true").object("practitioner");
    own_reference(&mut json, resolved, Kind::Practitioner, it.id);
    json.text("display", &it.name.text()).close().object("organization");
    own_reference(&mut json, resolved, Kind::Organization, provider.id);
    json.text("display", &provider.name).close();
    json.array("code").open().array("coding");
    coding(&mut json, "http://terminology.hl7.org/CodeSystem/practitioner-role", "doctor", "Doctor");
    json.end().close().end().array("specialty").open();
    json.text("text", it.department.name).close().end().array("location").open();
    let (code, id) = location(county, it.provider, it.department_index);
    if resolved {
        foreign(&mut json, true, Kind::Location, system::LOCATION, &code, id);
    } else {
        own_reference(&mut json, false, Kind::Location, id);
    }
    json.close().end();
    let condition = format!("{}|{number}", system::PRACTITIONER);
    sink.end(Kind::PractitionerRole, Some(&condition));
}
