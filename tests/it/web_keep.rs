//! What people keep of Explore and hand on: history, short links, snapshots, files; and who may not reach them.

use logcafe::db::users::Role;

use crate::browser::Browser;
use crate::harness::{Reply, TestServer, now_nanos};

const LABELS: [(&str, &str); 2] = [("app", "shop"), ("host", "a")];
const QUERY: &str = r#"{app="shop"}"#;
const ADDRESS: &str = "/explore?query=%7Bapp%3D%22shop%22%7D&from=now-1h&to=now";

/// A server with three lines, the second of which tries to be more than text.
fn shop() -> TestServer {
    let server = TestServer::start();
    let second = 1_000_000_000;
    let start = now_nanos() - 60 * second;
    let lines = [
        (start, "level=info first"),
        (start + second, "=HYPERLINK(1) <script>x</script>"),
        (start + 2 * second, "level=error code=7 msg=셋"),
    ];
    server.push_json_at(&LABELS, &lines).expect(204);
    server
}

fn freeze(browser: &Browser, more: &[(&str, &str)]) -> Reply {
    let mut form =
        vec![("query", QUERY), ("from", "now-1h"), ("to", "now"), ("title", "For <b>Kim</b>"), ("age", "3600")];
    form.extend_from_slice(more);
    browser.post("/snapshots", &form)
}

/// The path of the link on the page that shows it.
fn link(page: &str, before: &str) -> String {
    let at = page.find(before).expect("a link");
    page[at..].split(['<', '"', '&']).next().expect("its end").to_owned()
}

#[test]
fn what_is_asked_by_hand_is_remembered_for_that_person_alone() {
    let server = shop();
    let ann = Browser::signed_in(&server, "ann", Role::Admin);
    let bob = Browser::signed_in(&server, "bob", Role::Reader);
    bob.get("/explore").expect(200);
    bob.get(ADDRESS).expect(200);
    bob.get(ADDRESS).expect(200);
    bob.get(&format!("{ADDRESS}&limit=1&older={}.0", now_nanos())).expect(200);
    bob.get("/explore?query=%7Bwrong").expect(200);
    bob.get_with("/explore?query=%7Bapp%3D%22back%22%7D", &[("hx-history-restore-request", "true")]).expect(200);
    let page = bob.get("/saved/history").expect(200).body;
    assert_eq!(page.matches("asked-before").count(), 1, "{page}");
    assert!(page.contains("2 times") && page.contains("last 1 h") && page.contains(&ADDRESS.replace('&', "&#38;")));
    assert!(bob.get("/saved/history?find=SHOP").body.contains("asked-before"));
    assert!(bob.get("/saved/history?find=none").body.contains("Nothing with “none”"));

    assert!(!ann.get("/saved/history").expect(200).body.contains("asked-before"), "not even for admins");
    ann.post("/saved/history/1/forget", &[]).expect(422);
    ann.post("/saved/history/clear", &[]).expect(303);
    assert!(bob.get("/saved/history").body.contains("asked-before"));

    bob.post("/saved/history/switch", &[("on", "0")]).expect(303);
    bob.get("/explore?query=%7Bapp%3D%22unseen%22%7D").expect(200);
    let page = bob.get("/saved/history").body;
    assert!(page.contains("switched off") && !page.contains("unseen"));
    assert!(bob.get("/account").body.contains("Remember what I ask"));
    bob.post("/saved/history/1/forget", &[]).expect(303);
    assert!(bob.get("/saved/history").body.contains("Nothing here yet"));
    let nobody = Browser::new(&server);
    assert!(nobody.get("/saved/history").expect(303).header("location").starts_with("/login"));
}

#[test]
fn a_view_that_was_opened_is_saved_over_and_found_by_its_tags() {
    let server = shop();
    let ann = Browser::signed_in(&server, "ann", Role::Reader);
    let bob = Browser::signed_in(&server, "bob", Role::Reader);
    let view = [
        ("query", QUERY),
        ("from", "now-1h"),
        ("to", "now"),
        ("columns", "host,level"),
        ("zone", "Asia/Seoul"),
        ("show", "patterns"),
    ];
    let named = |name: &'static str| [&view[..], &[("name", name), ("tags", "shop, 당직"), ("shared", "1")]].concat();
    ann.post("/saved", &named("Orders")).expect(303);
    let opened = ann.get("/saved/1").expect(303).header("location").to_owned();
    assert!(opened.ends_with("&zone=Asia%2FSeoul&show=patterns&columns=host%2Clevel&saved=1"), "{opened}");
    assert!(ann.get(&opened).expect(200).body.contains("Save over “Orders”"));
    assert!(!bob.get(&opened).expect(200).body.contains("Save over"), "it is not theirs");

    let over = [("query", "{}"), ("from", "now-6h"), ("to", "now"), ("over", "1"), ("name", "")];
    bob.post("/saved", &over).expect(422);
    assert_eq!(ann.post("/saved", &over).expect(303).header("location"), "/saved?done=replaced");
    assert_eq!(ann.get("/saved/1").header("location"), "/explore?query=%7B%7D&from=now-6h&to=now&saved=1");
    assert!(ann.post("/saved", &named("Orders")).expect(422).body.contains("Replace “Orders” with this view"));

    ann.post("/saved", &[("query", QUERY), ("name", "Other")]).expect(303);
    let tagged = ann.get("/saved?tag=%EB%8B%B9%EC%A7%81").expect(200).body;
    assert!(tagged.contains(">Orders<") && !tagged.contains(">Other<"));
    let found = ann.get("/saved?find=oth").expect(200).body;
    assert!(!found.contains(">Orders<") && found.contains(">Other<"));
    let eve = Browser::signed_in(&server, "eve", Role::Admin);
    eve.post("/admin/users/remove", &[("username", "ann")]).expect(303);
    let page = bob.get("/saved").expect(200).body;
    assert!(page.contains(">Orders<") && page.contains("from ann") && !page.contains(">Other<"));
}

#[test]
fn a_short_link_leads_through_the_login_to_the_span_that_was_seen() {
    let server = shop();
    let ann = Browser::signed_in(&server, "ann", Role::Admin);
    let bob = Browser::signed_in(&server, "bob", Role::Reader);
    let form = [("query", QUERY), ("from", "now-1h"), ("to", "now"), ("columns", "host"), ("saved", "9")];
    let page = bob.post("/s", &form).expect(201).body;
    assert!(page.contains("always shows this span"), "{page}");
    let path = link(&page, "/s/");
    let nobody = Browser::new(&server);
    assert_eq!(nobody.get(&path).expect(303).header("location"), format!("/login?next={}", path.replace('/', "%2F")));
    let target = ann.get(&path).expect(303).header("location").to_owned();
    assert!(
        target.starts_with("/explore?query=%7Bapp%3D%22shop%22%7D&from=20") && target.ends_with("&columns=host"),
        "{target}"
    );
    assert!(ann.get(&target).expect(200).body.contains("All 3 lines"));

    let moving = bob.post("/s", &[&form[..], &[("moving", "1")]].concat()).expect(201).body;
    assert!(moving.contains("moves with the clock"));
    assert!(bob.get(&link(&moving, "/s/")).expect(303).header("location").contains("from=now-1h"));

    let of_line = bob.post("/s", &[("of", "/explore?query=%7B%7D&from=now-1h&to=now&line=5.a#here")]).expect(201).body;
    assert!(bob.get(&link(&of_line, "/s/")).expect(303).header("location").ends_with("&line=5.a"));
    let elsewhere = bob.post("/s", &[("of", "https://evil.example/explore?query=x")]).expect(201).body;
    assert!(bob.get(&link(&elsewhere, "/s/")).expect(303).header("location").starts_with("/explore?query=&from=20"));

    let listed = bob.get("/saved/links").expect(200).body;
    assert!(listed.contains(&path) && listed.contains("opened once"), "{listed}");
    assert!(!ann.get("/saved/links").expect(200).body.contains(&path), "another's links are not listed");
    ann.post("/saved/links/1/delete", &[]).expect(422);
    ann.get(&path).expect(303);
    bob.post("/saved/links/1/delete", &[]).expect(303);
    assert!(ann.get(&path).expect(404).body.contains("not there any more"));
}

#[test]
fn a_snapshot_is_read_without_a_login_and_leaks_nothing_else() {
    let server = shop();
    let ann = Browser::signed_in(&server, "ann", Role::Reader);
    let draft = ann.get(&ADDRESS.replace("/explore", "/snapshots/new")).expect(200).body;
    assert!(
        draft.contains("Anyone who has the link")
            && draft.contains("5,000 lines")
            && draft.contains("from\" value=\"20")
    );
    assert!(freeze(&ann, &[]).expect(422).body.contains("Confirm first"));
    assert!(freeze(&ann, &[("understood", "1"), ("age", "99")]).status >= 400);
    let path = link(&freeze(&ann, &[("understood", "1")]).expect(201).body, "/snapshot/");
    assert!(path.len() > "/snapshot/".len() + 40, "256 bits");

    // lines that come or go later change nothing
    server.push_json(&LABELS, &["afterwards"]).expect(204);
    let nobody = Browser::new(&server);
    let reply = nobody.get(&path).expect(200);
    for (name, value) in [
        ("referrer-policy", "no-referrer"),
        ("x-robots-tag", "noindex, nofollow, noarchive"),
        ("cache-control", "private, no-store"),
    ] {
        assert_eq!(reply.header(name), value);
    }
    assert!(reply.header("content-security-policy").starts_with("default-src 'none'; style-src 'self';"));
    assert!(!reply.header("content-security-policy").contains("script") && reply.headers.get("set-cookie").is_none());
    let page = reply.body;
    assert!(
        page.contains("level=error code=7 msg=셋") && page.contains("app = shop") && page.contains("Made by ann"),
        "{page}"
    );
    assert!(page.contains("&#60;script&#62;x") && !page.contains("<script") && !page.contains("<b>Kim"));
    assert!(!page.contains("afterwards") && page.contains("All 3 lines"));
    // whoever is signed in sees the same page: nothing of theirs, nothing that changes anything
    let seen = ann.get(&path).expect(200).body;
    assert_eq!(seen, page);
    for word in ["/logout", "/account", "<form", "hx-"] {
        assert!(!seen.contains(word), "{word}");
    }
    let listed = ann.get("/saved/snapshots").expect(200).body;
    assert!(listed.contains("seen 2 times") && listed.contains("ends in 60 minutes"), "{listed}");
    assert!(!listed.contains(&path), "the link is shown once");
}

#[test]
fn snapshots_end_are_revoked_and_guessed_at_in_vain() {
    let server = shop();
    let ann = Browser::signed_in(&server, "ann", Role::Admin);
    let bob = Browser::signed_in(&server, "bob", Role::Reader);
    let eve = Browser::signed_in(&server, "eve", Role::Reader);
    let nobody = Browser::new(&server);
    let of_bob = || link(&freeze(&bob, &[("understood", "1")]).expect(201).body, "/snapshot/");
    let (first, second) = (of_bob(), of_bob());
    assert!(!eve.get("/saved/snapshots").body.contains("/revoke"));
    eve.post("/saved/snapshots/1/revoke", &[]).expect(422);
    nobody.get(&first).expect(200);
    bob.post("/saved/snapshots/1/revoke", &[]).expect(303);
    assert!(nobody.get(&first).expect(404).body.contains("There is nothing here"));
    assert!(ann.get("/saved/snapshots").body.contains("by bob"));
    ann.post("/saved/snapshots/2/revoke", &[]).expect(303);
    nobody.get(&second).expect(404);

    let third = of_bob();
    let guesses: Vec<u16> = (0..20).map(|number| nobody.get(&format!("/snapshot/guess{number}")).status).collect();
    assert!(guesses.contains(&404) && guesses.last() == Some(&429), "{guesses:?}");
    assert!(nobody.get("/snapshot/guess").expect(429).header("retry-after").parse::<u64>().is_ok());
    nobody.get(&third).expect(200);
    ann.get("/explore").expect(200);
}

#[test]
fn an_admin_may_forbid_snapshots() {
    let server = TestServer::start_with(|config| config.snapshots = false);
    server.push_json(&LABELS, &["x"]).expect(204);
    let ann = Browser::signed_in(&server, "ann", Role::Admin);
    freeze(&ann, &[("understood", "1")]).expect(403);
    assert!(!ann.get(ADDRESS).expect(200).body.contains("/snapshots/new"));
    assert!(ann.get("/saved/snapshots").body.contains("switched off"));
}

#[test]
fn what_is_sent_ends_where_the_page_did_however_long_it_was_read() {
    let server = shop();
    let ann = Browser::signed_in(&server, "ann", Role::Reader);
    let page = ann.get(ADDRESS).expect(200).body;
    let until = now_nanos() / 1_000_000_000;
    let fields: Vec<&str> = page.split("name=\"seen\" value=\"").skip(1).collect();
    assert_eq!(fields.len(), 2, "in the forms of the link and of the snapshot");
    for field in fields {
        let seen: i64 = field.split('"').next().and_then(|text| text.parse().ok()).expect("seconds");
        assert!((until - 60..=until + 1).contains(&seen), "{seen}");
    }
    // a page of fifty minutes ago
    let then = (now_nanos() / 1_000_000_000 - 3000).to_string();
    let view = [("query", QUERY), ("from", "now-1h"), ("to", "now"), ("seen", then.as_str())];
    let made = ann.post("/s", &view).expect(201).body;
    let target = ann.get(&link(&made, "/s/")).expect(303).header("location").to_owned();
    assert!(!ann.get(&target).expect(200).body.contains("code=7"), "none of the lines that came since");
    let again = format!("name=\"seen\" value=\"{then}\"");
    assert!(made.contains(&again), "the other kind of link is made of the same moment: {made}");
    assert!(freeze(&ann, &[("understood", "1"), ("seen", &then)]).expect(422).body.contains("no lines here"));
}

#[test]
fn a_view_is_downloaded_whole_in_its_order_zone_and_columns() {
    let server = shop();
    let ann = Browser::signed_in(&server, "ann", Role::Reader);
    let export =
        |more: &str| ann.get(&ADDRESS.replace("/explore", "/export").replace("now-1h", &format!("now-1h{more}")));
    let text = export("&limit=1&direction=forward&format=txt").expect(200);
    assert_eq!(text.body, "level=info first\n=HYPERLINK(1) <script>x</script>\nlevel=error code=7 msg=셋\n");
    assert!(text.header("content-disposition").starts_with("attachment; filename=\"shop-20"));
    let csv = export("&columns=host,code&zone=Asia%2FSeoul&format=csv").expect(200).body;
    let rows: Vec<&str> = csv.lines().collect();
    assert_eq!((rows.len(), rows[0]), (4, "\u{feff}time,level,host,code"));
    assert!(rows[1].contains("+09:00,error,a,7"), "newest first, with the fields that only a parser finds: {csv}");
    assert!(
        export("&format=csv").body.contains("\"'=HYPERLINK(1) <script>x</script>\"")
            || export("&format=csv").body.contains(",'=HYPERLINK")
    );
    let json = export("&format=jsonl").expect(200).body;
    let first: serde_json::Value = serde_json::from_str(json.lines().next().expect("a line")).expect("JSON");
    assert_eq!((&first["line"], &first["labels"]["host"]), (&"level=error code=7 msg=셋".into(), &"a".into()));
    ann.get("/export?query=%7Bwrong&format=txt").expect(422);
    let numbers =
        ann.get("/export?query=sum(count_over_time(%7Bapp%3D%22shop%22%7D%5B1h%5D))&format=csv").expect(200).body;
    assert!(numbers.lines().nth(1).is_some_and(|row| row.contains(",{},")), "{numbers}");
    assert!(Browser::new(&server).get("/export?query=%7B%7D").expect(303).header("location").starts_with("/login"));
}

#[test]
fn a_long_download_holds_every_line_once() {
    let server = TestServer::start();
    let start = now_nanos() - 600_000_000_000;
    for part in 0..5_i64 {
        let lines: Vec<(i64, String)> = (0..5000)
            .map(|n| (start + (part * 5000 + n) / 3 * 1_000_000, format!("line {}", part * 5000 + n)))
            .collect();
        let lines: Vec<(i64, &str)> = lines.iter().map(|(time, line)| (*time, line.as_str())).collect();
        server.push_json_at(&LABELS, &lines).expect(204);
    }
    let ann = Browser::signed_in(&server, "ann", Role::Reader);
    let text = ann.get(&format!("{}&format=txt", ADDRESS.replace("/explore", "/export"))).expect(200).body;
    let mut numbers: Vec<u32> = text.lines().filter_map(|line| line.strip_prefix("line ")?.parse().ok()).collect();
    assert_eq!(numbers.len(), 25_000);
    assert!(numbers[0] > 24_990, "newest first");
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!((numbers.len(), numbers[24_999]), (25_000, 24_999));
}
