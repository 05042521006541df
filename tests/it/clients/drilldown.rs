//! Grafana's Logs Drilldown: volumes of services first, then labels and fields of one of them. Times are ISO texts.

use reqwest::Method;
use serde_json::{Value, json};

use crate::clients::{only, shop, texts};
use crate::harness::{Client, TestServer, encode};

const START: &str = "2026-11-20T00:00:00.000Z";
const END: &str = "2026-11-20T02:00:00.000Z";

fn ask(client: &Client, path: &str, parameters: &[(&str, &str)]) -> Value {
    let all: Vec<(&str, &str)> = parameters.iter().copied().chain([("start", START), ("end", END)]).collect();
    let request = client.request(Method::GET, &format!("/loki/api/v1/{path}?{}", encode(&all)));
    client.send(request.header("X-Query-Tags", "Source=grafana-lokiexplore-app")).expect(200).json()
}

/// The fields of an answer by their names.
fn field<'f>(fields: &'f Value, name: &str) -> &'f Value {
    let found = fields["fields"].as_array().and_then(|fields| fields.iter().find(|field| field["label"] == name));
    found.unwrap_or_else(|| panic!("no {name} in {fields}"))
}

#[test]
fn the_first_page_lists_services_by_their_volume() {
    let server = shop();
    let parameters = [("query", "{service_name=~\".+\"}"), ("limit", "5000")];
    let answer = ask(&server, "index/volume", &parameters);
    assert_eq!((&answer["status"], &answer["data"]["resultType"]), (&json!("success"), &json!("vector")));
    let volumes: Vec<(&str, u64)> = answer["data"]["result"]
        .as_array()
        .expect("volumes")
        .iter()
        .map(|sample| {
            let bytes = sample["value"][1].as_str().and_then(|text| text.parse().ok());
            (sample["metric"]["service_name"].as_str().expect("a service"), bytes.expect("a whole number"))
        })
        .collect();
    assert_eq!(volumes.len(), 2);
    assert!(volumes.is_sorted_by_key(|(_, bytes)| std::cmp::Reverse(*bytes)), "greatest first: {volumes:?}");
    // another label in front
    let by_instance = ask(&server, "index/volume", &[("query", "{instance=~\".+\"}"), ("limit", "5000")]);
    assert_eq!(by_instance["data"]["result"].as_array().map(Vec::len), Some(4));
    let over_time = ask(&server, "index/volume_range", &[("query", "{service_name=~\".+\"}"), ("step", "600s")]);
    assert_eq!(over_time["data"]["resultType"], "matrix");
}

#[test]
fn labels_are_found_without_a_query() {
    let server = shop();
    let all = ask(&server, "detected_labels", &[("query", "")]);
    let labels = all["detectedLabels"].as_array().expect("labels");
    let found: Vec<(&str, u64)> = labels
        .iter()
        .map(|label| (label["label"].as_str().expect("a name"), label["cardinality"].as_u64().expect("a number")))
        .collect();
    for wanted in [("app", 2), ("instance", 4), ("job", 1), ("service_name", 2)] {
        assert!(found.contains(&wanted), "{wanted:?} in {found:?}");
    }
    let one = ask(&server, "detected_labels", &[("query", "{service_name=`pay`}")]);
    assert!(
        one["detectedLabels"].as_array().expect("labels").contains(&json!({"label": "instance", "cardinality": 2}))
    );
}

#[test]
fn fields_say_which_parser_they_need() {
    let server = shop();
    let parameters = [("query", "{service_name=`cart`} | trace_id!=``"), ("line_limit", "1000"), ("limit", "1000")];
    let fields = ask(&server, "detected_fields", &parameters);
    assert_eq!(fields["limit"], 1000);
    // structured metadata needs none, which is how it is told from the rest
    assert_eq!(field(&fields, "trace_id")["parsers"], json!(null));
    assert_eq!(field(&fields, "trace_id")["cardinality"], 120);
    assert_eq!(field(&fields, "took")["parsers"], json!(["logfmt"]));
    assert_eq!(field(&fields, "took")["type"], "duration");

    let fields = ask(&server, "detected_fields", &[("query", "{service_name=`pay`}"), ("line_limit", "1000")]);
    let id = field(&fields, "order_id");
    assert_eq!(
        (&id["parsers"], &id["type"], &id["jsonPath"]),
        (&json!(["json"]), &json!("int"), &json!(["order", "id"]))
    );
    assert_eq!(field(&fields, "order_total")["type"], "float");

    let values =
        ask(&server, "detected_field/level/values", &[("query", "{service_name=`pay`}"), ("line_limit", "1000")]);
    assert_eq!(texts(&values["values"]), ["debug", "error", "info", "warn"]);
}

/// A panel for each field: how often which value, only where there is one.
#[test]
fn a_field_is_counted_by_its_values() {
    let server = shop();
    for (query, wanted) in [
        ("sum by (detected_level) (count_over_time({service_name=`cart`} | detected_level != \"\" [2h]))", 4),
        ("sum by (trace_id) (count_over_time({service_name=`cart`} | trace_id!=\"\" [2h]))", 117),
        (
            "sum by (took) (count_over_time({service_name=`cart`} | logfmt | drop __error__, __error_details__ | took!=\"\" [2h]))",
            7,
        ),
        (
            "sum by (order_id) (count_over_time({service_name=`pay`} | json order_id=\"[\\\"order\\\"][\\\"id\\\"]\" | drop __error__, __error_details__ | order_id!=\"\" [2h]))",
            117,
        ),
        ("avg_over_time({service_name=`cart`} | logfmt | unwrap duration(took) | __error__=\"\" [2h]) by ()", 1),
    ] {
        let parameters = [("query", query), ("time", END)];
        let request = server.request(Method::GET, &format!("/loki/api/v1/query?{}", encode(&parameters)));
        let answer = server.send(request).expect(200).json();
        assert_eq!(answer["data"]["result"].as_array().map(Vec::len), Some(wanted), "{query}");
    }
}

#[test]
fn limits_are_told_for_the_app_to_shape_itself_by() {
    let server = TestServer::start();
    let limits = server.get("/loki/api/v1/drilldown-limits").expect(200).json();
    assert_eq!(
        (&limits["limits"]["volume_enabled"], &limits["limits"]["discover_log_levels"]),
        (&json!(true), &json!(true))
    );
    assert!(limits["version"].is_string() && limits["limits"]["max_entries_limit_per_query"].is_number());
    let build = server.get("/loki/api/v1/status/buildinfo").expect(200).json();
    assert!(build["version"].as_str().is_some_and(|version| version.starts_with("3.")), "{build}");
}

#[test]
fn a_service_without_lines_has_empty_answers() {
    let server = shop();
    let query = [("query", "{service_name=`nobody`}")];
    assert_eq!(ask(&server, "index/volume", &query)["data"]["result"], json!([]));
    assert_eq!(ask(&server, "detected_labels", &query), json!({}));
    assert_eq!(ask(&server, "detected_fields", &query), json!({}));
    let stats = ask(&server, "index/stats", &query);
    assert_eq!((&stats["streams"], &stats["entries"], &stats["bytes"]), (&json!(0), &json!(0), &json!(0)));
    let one = ask(&server, "index/volume", &[("query", "{service_name=`pay`}")]);
    assert_eq!(only(&one["data"]["result"])["metric"], json!({"service_name": "pay"}));
}
