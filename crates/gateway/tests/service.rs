//! The services of the platform: the national assessment's messages, envelopes, and hostile ones.

use tongmai_gateway::service::{Acknowledgement, judge, services};

/// The acceptance message and the refusal message of this service are the same, byte for byte.
const ALIKE: &str = "EMR-PL-04";

#[test]
fn assessment_messages_are_judged_right() {
    let Some(folder) = tongmai_testkit::data("cn-standards/assessment") else { return };
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path()).collect();
    paths.sort();
    assert_eq!(paths.len(), 26);
    let mut wrong = Vec::new();
    for path in &paths {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let judged = judge(&std::fs::read(path).expect("a message"));
        let wanted = if name.contains("-T") { "AA" } else { "AE" };
        println!("{name}: {} {} {}", judged.service, judged.interaction, judged.acknowledgement.code());
        if judged.acknowledgement.code() != wanted {
            wrong.push(name.clone());
        }
        let answer = judged.answer("20260315083000", None);
        assert!(
            answer.contains(&format!("<acknowledgement typeCode=\"{}\">", judged.acknowledgement.code())),
            "{answer}"
        );
        assert!(answer.contains(&judged.message_id));
        if wanted == "AE" && !name.starts_with(ALIKE) {
            let error =
                judged.findings.iter().find(|finding| finding.code == "identifier").expect("a reason");
            assert!(error.path.contains("@extension") && !error.repair.is_empty(), "{error}");
        }
    }
    let refusals: Vec<&String> = wrong.iter().filter(|name| !name.starts_with(ALIKE)).collect();
    assert!(refusals.is_empty() && wrong.len() == 1, "{wrong:?}");
}

#[test]
fn every_service_is_answered() {
    let all: Vec<_> = services().collect();
    assert_eq!(all.len(), 69);
    for (service, interaction) in all {
        let message = format!(
            "<{interaction} xmlns=\"urn:hl7-org:v3\"><id extension=\"1\"/><interactionId extension=\"{interaction}\"/>\
             <controlActProcess/></{interaction}>"
        );
        let judged = judge(message.as_bytes());
        assert_eq!(judged.interaction, interaction, "{service}");
        assert!(
            !judged.service.is_empty() && judged.acknowledgement == Acknowledgement::Accept,
            "{:?}",
            judged.findings
        );
        assert!(judged.answer("20260315083000", None).contains("typeCode=\"AA\""));
    }
}

#[test]
fn envelopes_are_opened_and_answered_in_kind() {
    let message = "<PRPA_IN900300UV><id extension=\"1\"/><interactionId extension=\"PRPA_IN900300UV\"/><controlActProcess>\
                   <queryByParameter><queryId extension=\"7\"/><careEventID><value><item extension=\"12\"/></value></careEventID>\
                   </queryByParameter></controlActProcess></PRPA_IN900300UV>";
    let escaped = message.replace('<', "&lt;");
    for body in [
        message.to_owned(),
        format!("<op><payload>{escaped}</payload></op>"),
        format!("<op><![CDATA[{message}]]></op>"),
    ] {
        let soap = format!("<s:Envelope xmlns:s=\"x\"><s:Header/><s:Body>{body}</s:Body></s:Envelope>");
        let judged = judge(soap.as_bytes());
        assert_eq!(judged.acknowledgement.code(), "AA", "{:?}", judged.findings);
        assert_eq!(judged.keys.iter().map(|key| key.value.as_str()).collect::<Vec<_>>(), ["12"]);
        let answer = judged.answer("20260315083000", Some(1));
        assert!(
            answer.contains("soap:Envelope") && answer.contains("<queryResponseCode code=\"OK\"/>"),
            "{answer}"
        );
        // What asks for someone unknown is refused.
        assert!(judged.answer("20260315083000", Some(0)).contains("typeCode=\"AE\""));
    }
}

#[test]
fn what_is_no_message_is_rejected() {
    for text in [
        "",
        "<a/>",
        "<Envelope/>",
        "<Envelope><Body/></Envelope>",
        "\u{0}",
        "<Envelope><Body><a>&lt;b</a></Body></Envelope>",
    ] {
        let judged = judge(text.as_bytes());
        assert_eq!(judged.acknowledgement, Acknowledgement::Reject, "{text}");
        assert!(
            judged.findings.iter().all(|f| !f.repair.is_empty()) && !judged.findings.is_empty(),
            "{text}"
        );
        assert!(judged.answer("20260315083000", None).contains("typeCode=\"AR\""));
    }
}
