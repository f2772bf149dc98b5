//! A resource as people read it: names before codes, dates in their zone, references as links.
//!
//! All text is escaped here, since the markup is put into a page as it is. The narrative that a
//! resource brings with it is never shown.

use std::fmt::Write;

use tongmai_fhir::definition::resource_type_id;
use tongmai_fhir::json::Json;

use crate::chart::escape;
use crate::format::{When, concept, human_name, quantity};
use crate::language::Language;
use crate::record::address;

/// The content of a resource as nested lists of elements.
pub fn show(resource: &Json, language: Language) -> String {
    let mut out = String::new();
    Tree { language, out: &mut out }.object(resource);
    out
}

struct Tree<'o> {
    language: Language,
    out: &'o mut String,
}

impl Tree<'_> {
    fn object(&mut self, object: &Json) {
        let Some(properties) = object.as_object() else { return };
        self.out.push_str("<dl class=tree>");
        for (name, value) in properties {
            // Who it is stands in the heading, meta beside it; a narrative is not shown.
            let told = matches!(name.as_ref(), "resourceType" | "id" | "meta") || value.get("div").is_some();
            if told || name.starts_with('_') {
                continue;
            }
            self.out.push_str("<dt>");
            escape(&label(name, self.language), self.out);
            self.out.push_str("</dt><dd>");
            self.values(name, value);
            self.out.push_str("</dd>");
        }
        self.out.push_str("</dl>");
    }

    fn values(&mut self, name: &str, value: &Json) {
        match value {
            Json::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.out.push_str("<br>");
                    }
                    self.value(name, item);
                }
            }
            single => self.value(name, single),
        }
    }

    fn value(&mut self, name: &str, value: &Json) {
        match value {
            Json::Null => {}
            Json::Bool(yes) => self.text(&self.language.say(if *yes { "yes" } else { "no" })),
            Json::Number(digits) => self.text(digits),
            Json::String(text) => self.string(name, text),
            Json::Array(_) => self.values(name, value),
            Json::Object(_) => self.datatype(name, value),
        }
    }

    fn text(&mut self, text: &str) {
        escape(text, self.out);
    }

    fn code(&mut self, code: &str) {
        self.out.push_str(" <span class=code>");
        self.text(code);
        self.out.push_str("</span>");
    }

    fn string(&mut self, name: &str, text: &str) {
        if let (true, Some(when)) = (text.as_bytes().get(4) == Some(&b'-'), When::read(text)) {
            let _ = write!(self.out, "<time datetime=\"{}\">{}</time>", when.machine(), when.show());
            return;
        }
        let list = if name == "status" { "status" } else { "gender" };
        let word = matches!(name, "status" | "gender").then(|| self.language.code(list, text));
        self.text(word.as_deref().unwrap_or(text));
    }

    /// The datatypes of FHIR by their shape; what is none of them is shown element by element.
    fn datatype(&mut self, name: &str, value: &Json) {
        if value.get("coding").is_some() {
            self.text(&concept(value, self.language));
            for coding in value.items("coding") {
                self.coded(coding);
            }
        } else if let Some(reference) = value.text("reference") {
            self.reference(reference, value.text("display"));
        } else if let Some((amount, unit)) = quantity(value) {
            let unit = value.text("currency").map_or(unit, str::to_owned);
            self.text(format!("{amount} {unit}").trim_end());
        } else if value.get("start").is_some() || value.get("end").is_some() {
            let end = |name: &str| value.text(name).and_then(When::read).map_or("…".into(), |w| w.show());
            self.text(&format!("{} – {}", end("start"), end("end")));
        } else if name == "name" && (value.get("given").is_some() || value.get("family").is_some()) {
            self.text(&human_name(value));
        } else if name == "address" {
            self.text(&address(value));
        } else if name == "class" || value.get("display").is_some() && value.get("code").is_some() {
            let code = value.text("code").unwrap_or("");
            let known = self.language.find(&format!("class-{code}"), None);
            self.text(known.as_deref().or_else(|| value.text("display")).unwrap_or(code));
            self.coded(value);
        } else if value.get("value").and_then(Json::as_str).is_some() && value.get("system").is_some() {
            let kind = value.get("type").map(|kind| concept(kind, self.language));
            self.code(value.text("value").unwrap_or(""));
            let system = |system: &str| {
                let known = self.language.find(&format!("contact-{system}"), None);
                known.map_or_else(|| system.to_owned(), std::borrow::Cow::into_owned)
            };
            let kind = kind.or_else(|| value.text("system").map(system));
            self.out.push_str(" <small>");
            self.text(kind.as_deref().unwrap_or(""));
            self.out.push_str("</small>");
        } else if value.as_object().is_some_and(|o| o.len() == 1) && value.get("text").is_some() {
            self.text(value.text("text").unwrap_or(""));
        } else if let (Some(low), high) = (value.get("low"), value.get("high")) {
            self.range(Some(low), high);
        } else if value.get("high").is_some() && name == "referenceRange" {
            self.range(None, value.get("high"));
        } else {
            self.object(value);
        }
    }

    fn coded(&mut self, coding: &Json) {
        if let Some(code) = coding.text("code") {
            let system = system_name(coding.text("system").unwrap_or(""));
            self.code(format!("{system} {code}").trim_start());
        }
    }

    fn range(&mut self, low: Option<&Json>, high: Option<&Json>) {
        let [low, high] = [low, high].map(|end| end.and_then(quantity).unwrap_or_default());
        let unit = if low.1.is_empty() { &high.1 } else { &low.1 };
        self.text(format!("{}–{} {unit}", low.0, high.0).trim_end());
    }

    fn reference(&mut self, reference: &str, display: Option<&str>) {
        let local = reference.split_once('/').filter(|(kind, id)| {
            resource_type_id(kind).is_some()
                && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b))
        });
        let Some((kind, id)) = local else { return self.text(display.unwrap_or(reference)) };
        let place = if kind == "Patient" { "person".to_owned() } else { format!("resource/{kind}") };
        let _ = write!(self.out, "<a href=\"/{place}/{id}\">");
        self.text(display.unwrap_or(&self.language.code("type", kind)));
        self.out.push_str("</a>");
    }
}

/// The short name of a code system.
fn system_name(system: &str) -> &str {
    match system {
        "http://loinc.org" => "LOINC",
        "http://snomed.info/sct" => "SNOMED CT",
        "http://hl7.org/fhir/sid/icd-10" => "ICD-10",
        "http://hl7.org/fhir/sid/icd-9-cm" => "ICD-9-CM-3",
        "http://www.whocc.no/atc" => "ATC",
        "http://hl7.org/fhir/sid/cvx" => "CVX",
        "http://www.nlm.nih.gov/research/umls/rxnorm" => "RxNorm",
        other => other.rsplit('/').next().unwrap_or(other),
    }
}

/// The name of an element: Chinese from the table, English from its own words.
fn label(name: &str, language: Language) -> String {
    let known = ELEMENTS.iter().find(|(known, _)| *known == name);
    if let (Some((_, chinese)), false) = (known, language.is_english()) {
        return (*chinese).to_owned();
    }
    let mut words = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            words.push(' ');
        }
        words.push(if words.is_empty() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() });
    }
    words
}

/// Elements that are met every day, with their Chinese names.
const ELEMENTS: &[(&str, &str)] = &[
    ("abatementDateTime", "缓解日期"),
    ("account", "账户"),
    ("active", "有效"),
    ("activity", "活动"),
    ("addresses", "针对的问题"),
    ("address", "地址"),
    ("admitSource", "入院途径"),
    ("alias", "别名"),
    ("authoredOn", "开具时间"),
    ("author", "制定者"),
    ("basedOn", "依据的申请"),
    ("beneficiary", "参保人"),
    ("billablePeriod", "计费期间"),
    ("birthDate", "出生日期"),
    ("bodySite", "部位"),
    ("careTeam", "照护团队"),
    ("category", "类别"),
    ("class", "就诊类别"),
    ("clinicalStatus", "临床状态"),
    ("code", "名称"),
    ("communication", "语言"),
    ("component", "组成"),
    ("condition", "诊断"),
    ("contact", "联系人"),
    ("created", "建立时间"),
    ("criticality", "危险程度"),
    ("deceasedDateTime", "死亡时间"),
    ("description", "说明"),
    ("detail", "详情"),
    ("diagnosis", "诊断"),
    ("dischargeDisposition", "离院方式"),
    ("dispenseRequest", "发药要求"),
    ("display", "名称"),
    ("doseAndRate", "剂量"),
    ("doseNumberPositiveInt", "剂次"),
    ("doseQuantity", "每次剂量"),
    ("dosageInstruction", "用法用量"),
    ("effectiveDateTime", "测定时间"),
    ("encounter", "就诊"),
    ("expectedSupplyDuration", "用药天数"),
    ("extension", "扩展"),
    ("frequency", "次数"),
    ("gender", "性别"),
    ("hospitalization", "住院信息"),
    ("identifier", "标识"),
    ("individual", "人员"),
    ("insurance", "保险"),
    ("insurer", "经办机构"),
    ("intent", "意图"),
    ("interpretation", "判断"),
    ("issued", "报告时间"),
    ("item", "项目"),
    ("language", "语言"),
    ("location", "地点"),
    ("lotNumber", "批号"),
    ("managingOrganization", "管理机构"),
    ("manifestation", "表现"),
    ("maritalStatus", "婚姻状况"),
    ("medicationCodeableConcept", "药品"),
    ("medicationReference", "药品"),
    ("mode", "方式"),
    ("multipleBirthInteger", "多胞胎次序"),
    ("name", "名称"),
    ("note", "备注"),
    ("occurrenceDateTime", "接种时间"),
    ("onsetDateTime", "起病日期"),
    ("organization", "机构"),
    ("outcome", "结果"),
    ("participant", "参与者"),
    ("patient", "患者"),
    ("payor", "支付方"),
    ("performedPeriod", "操作时间"),
    ("performedDateTime", "操作时间"),
    ("performer", "执行者"),
    ("period", "期间"),
    ("periodUnit", "单位"),
    ("practitioner", "医务人员"),
    ("primarySource", "一手来源"),
    ("priority", "优先级"),
    ("protocolApplied", "免疫程序"),
    ("provider", "提供者"),
    ("quantity", "数量"),
    ("rank", "次序"),
    ("reaction", "反应"),
    ("reasonCode", "原因"),
    ("reasonReference", "依据的诊断"),
    ("recordedDate", "记录时间"),
    ("recorder", "记录者"),
    ("referenceRange", "参考范围"),
    ("relationship", "关系"),
    ("repeat", "重复"),
    ("requester", "开具者"),
    ("result", "结果"),
    ("route", "途径"),
    ("sequence", "序号"),
    ("serviceProvider", "服务机构"),
    ("severity", "严重程度"),
    ("specialty", "专业"),
    ("status", "状态"),
    ("subject", "患者"),
    ("subscriberId", "参保编号"),
    ("telecom", "电话"),
    ("text", "文字"),
    ("timing", "时间"),
    ("title", "标题"),
    ("total", "合计"),
    ("type", "类型"),
    ("use", "用途"),
    ("vaccineCode", "疫苗"),
    ("valueCodeableConcept", "结果"),
    ("valueQuantity", "数值"),
    ("valueString", "结果"),
    ("verificationStatus", "确认状态"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, language: Language) -> String {
        show(&Json::parse_str(text).expect("JSON"), language)
    }

    #[test]
    fn what_strangers_write_is_escaped() {
        let evil = r#"{"resourceType":"Patient","id":"x","text":{"status":"generated","div":"<div>narrative</div>"},
            "<b>":"<script>alert(1)</script>","name":[{"family":"<img src=x>","given":["a\" onerror=\"b"]}],
            "generalPractitioner":[{"reference":"Patient/\"><script>","display":"<i>"}],
            "identifier":[{"system":"<u>","value":"<s>"}],"address":[{"text":"<p>"}],
            "x":{"coding":[{"system":"http://a/<em>","code":"<q>","display":"<h1>"}]}}"#;
        for language in Language::ALL {
            let html = shown(evil, language).to_lowercase();
            for bad in [
                "<script",
                "<img",
                "<i>",
                "<u>",
                "<s>",
                "<p>",
                "<em>",
                "<q>",
                "<h1>",
                "<b>",
                "narrative",
                "\" onerror",
            ] {
                assert!(!html.contains(bad), "{bad} in {html}");
            }
        }
    }

    #[test]
    fn datatypes_are_shown_as_people_read_them() {
        let html = shown(
            r#"{"status":"final","subject":{"reference":"Patient/p1","display":"卓玛"},
            "code":{"coding":[{"system":"http://loinc.org","code":"4548-4","display":"Hemoglobin A1c"}],"text":"糖化血红蛋白"},
            "effectiveDateTime":"2026-11-21T00:10:00Z","valueQuantity":{"value":7.80,"unit":"%"},
            "referenceRange":[{"low":{"value":4.0,"unit":"%"},"high":{"value":6.0,"unit":"%"}}]}"#,
            Language::Chinese,
        );
        for expected in [
            "最终报告",
            "<a href=\"/person/p1\">卓玛</a>",
            "糖化血红蛋白 <span class=code>LOINC 4548-4</span>",
            "2026-11-21 08:10",
            "7.80 %",
            "4.0–6.0 %",
        ] {
            assert!(html.contains(expected), "{expected} in {html}");
        }
        assert_eq!(label("effectiveDateTime", Language::English), "Effective date time");
    }
}
