//! Home through the front door: services counted, panels arranged, nothing of one person seen by another.

use logcafe::db::users::Role;

use crate::browser::Browser;
use crate::harness::{TestServer, now_nanos};

const HTMX: [(&str, &str); 2] = [("hx-request", "true"), ("hx-request-type", "partial")];

/// Lines of `count` services, one error and two others each.
fn push_services(server: &TestServer, count: usize) {
    let at = now_nanos() - 60_000_000_000;
    for service in 0..count {
        let (app, host) = (format!("service-{service:02}"), format!("h{}", service % 3));
        let error = format!("level=error msg=\"no milk {service}\"");
        let last = format!("level=info last words of {service}");
        let lines = [(at, error.as_str()), (at + 1, "level=info a"), (at + 2, last.as_str())];
        server.push_json_at(&[("app", &app), ("host", &host)], &lines).expect(204);
    }
}

fn panel<'f>(title: &'f str, query: &'f str, kind: &'f str) -> [(&'f str, &'f str); 5] {
    [("title", title), ("query", query), ("kind", kind), ("span", "1h"), ("width", "half")]
}

#[test]
fn services_are_counted_sorted_grouped_and_light() {
    let server = TestServer::start();
    let ann = Browser::signed_in(&server, "ann", Role::Reader);
    let empty = ann.get("/").expect(200).body;
    assert!(empty.contains("id=\"promtail\"") && !empty.contains("class=\"board\""), "how to send lines, and no more");
    push_services(&server, 30);
    let page = ann.get("/?wait=1").expect(200).body;
    assert_eq!(page.matches("class=\"svc\"").count(), 30, "{page}");
    assert!(page.contains("3 lines") && page.contains("1 error") && page.contains("30 services"), "{page}");
    assert!(page.contains("last words of 7"), "the last lines are there without a script");
    assert!(page.contains("/explore?query=%7Bservice_name%3D%22service-07%22%7D&#38;from=now-1h&#38;to=now"));
    let hosts = ann.get("/?by=host&range=6h&wait=1").expect(200).body;
    assert!(hosts.contains("3 host") && hosts.contains("30 lines") && !hosts.contains("service-07"), "{hosts}");
    let found = ann.get("/?find=CE-07&wait=1").expect(200).body;
    assert_eq!(found.matches("class=\"svc\"").count(), 1);
    assert!(found.contains("1 service<") && found.contains("3 lines") && !found.contains("90 lines"), "{found}");
    let piece = ann.get_with("/", &HTMX).expect(200).body;
    assert!(piece.trim_start().starts_with("<section") && !piece.contains("<html"), "{piece}");
    let last = ann.get("/services/last?name=app&value=service-03&by=app&range=1h").expect(200).body;
    assert!(last.contains("last words of 3"), "{last}");
    ann.get("/services/last?name=app&value=nobody&by=app").expect(404);
}

#[test]
fn a_service_is_not_mistaken_for_the_host_it_runs_on() {
    let server = TestServer::start();
    let at = now_nanos() - 60_000_000_000;
    server.push_json_at(&[("host", "web1"), ("source", "syslog")], &[(at, "of the host")]).expect(204);
    server.push_json_at(&[("host", "web1"), ("app", "pay")], &[(at + 1, "of the service")]).expect(204);
    let ann = Browser::signed_in(&server, "ann", Role::Reader);
    let href = |page: &str| page.split("class=\"name\" href=\"").nth(2)?.split('"').next().map(str::to_owned);
    let page = ann.get("/?wait=1&sort=name").expect(200).body;
    let of_host = page.rsplit("class=\"svc\"").next().expect("its card");
    assert!(of_host.contains(">web1</bdi>") && of_host.contains("of the host"), "{of_host}");
    let lines = ann.get(&href(&page).expect("its address").replace("&#38;", "&")).expect(200).body;
    assert!(lines.contains("of the host") && !lines.contains("of the service"), "{lines}");
    let last = ann.get("/services/last?name=host&value=web1&range=1h").expect(200).body;
    assert!(last.contains("of the host"), "{last}");
    let by_host = ann.get("/services/last?name=host&value=web1&by=host&range=1h").expect(200).body;
    assert!(by_host.contains("of the service"), "{by_host}");
}

#[test]
fn whoever_waits_gets_every_panel_however_many_there_are() {
    let server = TestServer::start();
    push_services(&server, 2);
    let ann = Browser::signed_in(&server, "ann", Role::Reader);
    for number in 0..22 {
        ann.post("/panels", &panel(&format!("P{number}"), "{} |= \"milk\"", "count")).expect(303);
    }
    let page = ann.get("/?wait=1").expect(200).body;
    assert_eq!(page.matches("<p class=\"figure bad\">2").count(), 23, "the starter's errors and all of these: {page}");
}

#[test]
fn a_person_pins_services_for_themselves() {
    let server = TestServer::start();
    push_services(&server, 3);
    let ann = Browser::signed_in(&server, "ann", Role::Reader);
    let bob = Browser::signed_in(&server, "bob", Role::Reader);
    let first = |browser: &Browser| {
        let page = browser.get("/?wait=1").expect(200).body;
        page.split("class=\"name\"")
            .nth(1)
            .and_then(|rest| rest.split("<bdi>").nth(1))
            .map(|rest| rest[..10].to_owned())
    };
    assert_eq!(first(&ann).as_deref(), Some("service-00"));
    let pin = [("pin", "service_name=service-02"), ("next", "/?sort=name")];
    assert_eq!(ann.post("/services/pin", &pin).expect(303).header("location"), "/?sort=name");
    assert_eq!(first(&ann).as_deref(), Some("service-02"));
    assert_eq!(first(&bob).as_deref(), Some("service-00"));
    ann.post("/services/pin", &pin).expect(303);
    assert_eq!(first(&ann).as_deref(), Some("service-00"));
}

#[test]
fn panels_show_what_was_asked_and_keep_their_errors_in() {
    let server = TestServer::start();
    push_services(&server, 4);
    let ann = Browser::signed_in(&server, "ann", Role::Reader);
    let add = |title, query, kind| {
        let location = ann.post("/panels", &panel(title, query, kind)).expect(303).header("location").to_owned();
        location.rsplit_once("#panel-").expect("the new panel").1.to_owned()
    };
    let content = |id: &str| ann.get(&format!("/panels/{id}")).expect(200).body;
    let count = content(&add("All", "{}", "count"));
    assert!(count.contains(">12<") || count.contains(">12 <"), "{count}");
    let number = content(&add("", "sum(count_over_time({}[1h]))", "count"));
    assert!(number.contains("<p class=\"figure\">12") && number.contains("polyline"), "{number}");
    let errors = content(&add("Errors", "{} | detected_level=\"error\"", "graph"));
    assert!(errors.contains("<p class=\"figure\">4") && errors.contains("lv-error"), "{errors}");
    let table = content(&add("Hosts", "sum by (host) (count_over_time({}[1h]))", "table"));
    assert!(table.contains("h0") && table.contains("<b>6</b>"), "{table}");
    let lines = content(&add("Milk", "{} |= \"milk 2\"", "lines"));
    assert!(lines.contains("no <mark>milk 2</mark>"), "{lines}");
    let broken = content(&add("Broken", "{wrong", "count"));
    assert!(broken.contains("notice bad"), "{broken}");
    let mixed = content(&add("Mixed", "sum(rate({}[5m]))", "lines"));
    assert!(mixed.contains("notice bad"), "{mixed}");
    let page = ann.get("/?wait=1").expect(200).body;
    assert_eq!(page.matches("class=\"pane ").count(), 8, "the starter's and seven more");
    assert!(page.contains("class=\"svc\""), "a broken panel takes nothing with it");
}

#[test]
fn what_everyone_begins_with_is_fetched_by_itself_too() {
    let server = TestServer::start();
    push_services(&server, 2);
    let ann = Browser::signed_in(&server, "ann", Role::Reader);
    let starter = ann.get("/panels/0").expect(200).body;
    assert!(starter.contains("<p class=\"figure bad\">2"), "{starter}");
    ann.get("/panels/99").expect(404);
}

#[test]
fn a_home_is_arranged_by_its_owner_and_offered_by_admins() {
    let server = TestServer::start();
    push_services(&server, 1);
    let ann = Browser::signed_in(&server, "ann", Role::Admin);
    let bob = Browser::signed_in(&server, "bob", Role::Reader);
    assert!(ann.get("/arrange").expect(200).body.contains("Make it mine"));
    assert!(!ann.get("/arrange?query=").body.contains("value=\"services\""), "they are what one begins with");
    let twice = ann.post("/panels", &panel("", "", "services")).expect(422).body;
    assert!(twice.contains("the services are on this home page already"), "{twice}");
    ann.post("/arrange", &[]).expect(303);
    ann.post("/panels", &panel("Milk", "{} |= \"milk\"", "count")).expect(303);
    let titles = |browser: &Browser| {
        let page = browser.get("/?wait=1").expect(200).body;
        let shown = ["Errors", "Services", "Milk"].map(|title| (page.find(&format!(">{title}</")), title));
        let mut shown: Vec<_> = shown.into_iter().filter_map(|(at, title)| Some((at?, title))).collect();
        shown.sort_unstable();
        shown.into_iter().map(|(_, title)| title).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(titles(&ann), "Errors Services Milk");
    ann.post("/panels/3/move", &[("to", "up")]).expect(303);
    assert_eq!(titles(&ann), "Errors Milk Services");
    ann.post("/panels/3/move", &[("to", "0")]).expect(303);
    assert_eq!(titles(&ann), "Milk Errors Services");

    bob.post("/panels/3/move", &[("to", "up")]).expect(422);
    bob.post("/panels/3/remove", &[]).expect(422);
    bob.post("/panels/3", &panel("Mine", "{}", "count")).expect(422);
    bob.get("/panels/3").expect(404);
    bob.post("/arrange/offer", &[("on", "1")]).expect(403);
    assert_eq!(titles(&bob), "Errors Services");

    ann.post("/arrange/offer", &[("on", "1")]).expect(303);
    assert_eq!(titles(&bob), "Milk Errors Services", "who has none of their own sees what is offered");
    bob.post("/arrange", &[]).expect(303);
    ann.post("/arrange/offer", &[("on", "0")]).expect(303);
    assert_eq!(titles(&bob), "Milk Errors Services", "what was made one's own stays");
    ann.post("/panels/1/remove", &[]).expect(303);
    assert_eq!((titles(&ann).as_str(), titles(&bob).as_str()), ("Milk Services", "Milk Errors Services"));
    let long = "x".repeat(100);
    let refused = ann.post("/panels", &panel(&long, "{}", "count")).expect(422).body;
    assert!(refused.contains("at most 80 characters") && refused.contains(&long), "the form keeps what was typed");
}

#[test]
fn a_saved_query_becomes_a_panel_that_follows_it() {
    let server = TestServer::start();
    push_services(&server, 2);
    let ann = Browser::signed_in(&server, "ann", Role::Reader);
    let saved = [("name", "Milk"), ("query", "{} |= \"milk\""), ("from", "now-6h"), ("to", "now")];
    ann.post("/saved", &saved).expect(303);
    let form = ann.get("/arrange?saved=1").expect(200).body;
    assert!(form.contains("<option value=\"1\" selected>Milk</option>"), "{form}");
    assert!(form.contains("<option value=\"6h\" selected>"), "{form}");
    let location = ann.post("/panels", &[("saved", "1"), ("kind", "count"), ("span", "6h"), ("next", "/")]);
    let location = location.expect(303).header("location").to_owned();
    let id = location.strip_prefix("/#panel-").expect("home, at the panel").to_owned();
    let content = ann.get(&format!("/panels/{id}")).expect(200).body;
    assert!(content.contains(">Milk</a>") && content.contains("<p class=\"figure bad\">2"), "{content}");
    ann.post("/panels", &[("saved", "99"), ("kind", "count")]).expect(422);
}
