//! Sample services and what they log. Everything is invented: names, orders, addresses.
//!
//! Pure: the same second with the same dice gives the same lines. Twice an hour the payments are slow for three
//! minutes, so that there is something to find.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use rand::rngs::StdRng;
use rand::{Rng, RngExt};
use serde::Serialize;

use crate::model::Timestamp;

/// Names and values.
pub(crate) type SampleLabels = &'static [(&'static str, &'static str)];

/// One line and the labels of the stream it belongs to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) timestamp: Timestamp,
    pub(crate) labels: SampleLabels,
    pub(crate) line: String,
}

const CHECKOUT: SampleLabels = &[("app", "checkout"), ("env", "demo"), ("host", "seoul-1")];
const EDGE: SampleLabels = &[("app", "nginx"), ("env", "demo"), ("host", "edge-1")];
const PAYMENTS: SampleLabels = &[("app", "payments"), ("env", "demo"), ("host", "seoul-2")];
const WORKER: SampleLabels = &[("app", "worker"), ("env", "demo"), ("host", "seoul-2")];
const SHOP: SampleLabels = &[("app", "shop"), ("env", "demo"), ("host", "seoul-1")];

/// What all services log in one second.
pub(crate) fn second(start: Timestamp, dice: &mut StdRng) -> Vec<Sample> {
    let mut lines = Vec::new();
    let mut log = |per_second: f64, dice: &mut StdRng, labels, write: fn(Timestamp, &mut StdRng) -> String| {
        let count = (per_second + dice.random::<f64>()) as usize;
        for _ in 0..count {
            let timestamp = start.plus_nanos(dice.random_range(0..1_000_000_000));
            lines.push(Sample { timestamp, labels, line: write(timestamp, dice) });
        }
    };
    log(1.6, dice, EDGE, nginx);
    log(0.7, dice, CHECKOUT, spring_boot);
    log(0.8, dice, PAYMENTS, payments);
    log(0.4, dice, WORKER, worker);
    log(0.5, dice, SHOP, shop);
    lines.sort_by_key(|sample| sample.timestamp);
    lines
}

/// Whether the payments are slow at this time.
fn is_slow(time: Timestamp) -> bool {
    let minute_of_half_hour = time.nanos().div_euclid(60_000_000_000).rem_euclid(30);
    (11..14).contains(&minute_of_half_hour)
}

fn pick<'c>(dice: &mut impl Rng, choices: &[&'c str]) -> &'c str {
    choices[dice.random_range(0..choices.len())]
}

fn formatted(time: Timestamp, format: &str) -> String {
    let utc = jiff::Timestamp::from_nanosecond(i128::from(time.nanos())).unwrap_or_default();
    utc.to_zoned(TimeZone::UTC).strftime(format).to_string()
}

fn trace_id(dice: &mut StdRng) -> String {
    format!("{:016x}", dice.random::<u64>())
}

/// Combined log format.
fn nginx(time: Timestamp, dice: &mut StdRng) -> String {
    let path = match dice.random_range(0..6) {
        0 => "/".to_owned(),
        1 => format!("/products/{}", dice.random_range(100..999)),
        2 => format!("/search?q={}", pick(dice, &["lamp", "desk", "%EC%BB%A4%ED%94%BC", "chair"])),
        3 => "/api/cart".to_owned(),
        4 => format!("/api/orders/{}", dice.random_range(40_000..60_000)),
        _ => format!("/static/{}.js", pick(dice, &["main", "vendor", "cart"])),
    };
    let api_suffers = is_slow(time) && path.starts_with("/api/");
    let status = match dice.random_range(0..100) {
        0..45 if api_suffers => pick(dice, &["502", "504"]),
        0..2 => "500",
        2..7 => "404",
        7..15 => "304",
        _ => "200",
    };
    let address = format!("198.51.100.{}", dice.random_range(2..250));
    let method = if path.starts_with("/api/cart") { "POST" } else { "GET" };
    let agent = pick(
        dice,
        &[
            "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15",
            "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
            "Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 Chrome/142.0.0.0 Mobile",
        ],
    );
    let (when, bytes) = (formatted(time, "%d/%b/%Y:%H:%M:%S +0000"), dice.random_range(120..48_000));
    format!("{address} - - [{when}] \"{method} {path} HTTP/2.0\" {status} {bytes} \"-\" \"{agent}\"")
}

/// Spring Boot's own layout; errors bring their stack trace in the same entry.
fn spring_boot(time: Timestamp, dice: &mut StdRng) -> String {
    let (order, thread) = (dice.random_range(40_000..60_000), dice.random_range(1..9));
    let when = formatted(time, "%Y-%m-%dT%H:%M:%S%.3fZ");
    let head = |level: &str, logger: &str| {
        format!("{when} {level:>5} 1 --- [checkout] [nio-8080-exec-{thread}] {logger:<40} : ")
    };
    let fails = dice.random_range(0..100) < if is_slow(time) { 35 } else { 1 };
    if fails {
        let wait = dice.random_range(5000..5100);
        let mut text = head("ERROR", "c.e.checkout.OrderController");
        let _ = write!(text, "Order {order} could not be paid\n\n{}", stack_trace(order, wait));
        return text;
    }
    match dice.random_range(0..20) {
        0 => {
            head("WARN", "com.zaxxer.hikari.pool.HikariPool")
                + "HikariPool-1 - Thread starvation or clock leap detected"
        }
        1..4 => head("DEBUG", "c.e.checkout.CartRepository") + &format!("Loaded cart of order {order} in 4 ms"),
        _ => {
            let (method, took) = (pick(dice, &["card", "transfer", "mobile"]), dice.random_range(80..420));
            head("INFO", "c.e.checkout.OrderController") + &format!("Order {order} paid by {method} in {took} ms")
        }
    }
}

fn stack_trace(order: u32, wait_ms: u32) -> String {
    format!(
        "com.example.checkout.PaymentFailedException: payment of order {order} failed\n\
         \tat com.example.checkout.PaymentClient.charge(PaymentClient.java:88) ~[classes/:na]\n\
         \tat com.example.checkout.OrderService.pay(OrderService.java:141) ~[classes/:na]\n\
         \tat com.example.checkout.OrderController.submit(OrderController.java:57) ~[classes/:na]\n\
         \tat java.base/jdk.internal.reflect.DirectMethodHandleAccessor.invoke(DirectMethodHandleAccessor.java:103)\n\
         \tat org.springframework.web.servlet.FrameworkServlet.service(FrameworkServlet.java:885) ~[spring-webmvc.jar]\n\
         \tat java.base/java.lang.Thread.run(Thread.java:1583) ~[na:na]\n\
         Caused by: java.net.http.HttpTimeoutException: no answer from payments within {wait_ms} ms\n\
         \tat java.net.http/jdk.internal.net.http.ResponseTimerEvent.handle(ResponseTimerEvent.java:68)\n\
         \tat com.example.checkout.PaymentClient.send(PaymentClient.java:112) ~[classes/:na]\n\
         \t... 6 common frames omitted"
    )
}

/// One JSON object a line.
fn payments(time: Timestamp, dice: &mut StdRng) -> String {
    let slow = is_slow(time);
    let took = if slow { dice.random_range(2500..9000) } else { dice.random_range(40..400) };
    let (level, msg, status) = match dice.random_range(0..100) {
        0..60 if slow => ("error", "bank did not answer", 504),
        0..3 => ("warn", "card declined", 402),
        3..10 => ("debug", "bank session renewed", 200),
        _ => ("info", "charge accepted", 200),
    };
    let charge = Charge {
        ts: formatted(time, "%Y-%m-%dT%H:%M:%S%.6fZ"),
        level,
        msg,
        status,
        duration_ms: took,
        amount: Amount { value: dice.random_range(5..900) * 100, currency: "KRW" },
        order: dice.random_range(40_000..60_000),
        bank: pick(dice, &["hanbit", "narae", "saebyeok"]),
        trace_id: trace_id(dice),
    };
    serde_json::to_string(&charge).expect("texts and numbers always have a JSON form")
}

/// What people look for first comes first.
#[derive(Serialize)]
struct Charge<'c> {
    ts: String,
    level: &'c str,
    msg: &'c str,
    status: u16,
    duration_ms: u32,
    amount: Amount,
    order: u32,
    bank: &'c str,
    trace_id: String,
}

#[derive(Serialize)]
struct Amount {
    value: u32,
    currency: &'static str,
}

/// logfmt.
fn worker(time: Timestamp, dice: &mut StdRng) -> String {
    let job = pick(dice, &["thumbnails", "invoices", "newsletter", "search-index"]);
    let (took, waiting) = (dice.random_range(0.1..9.0), dice.random_range(0..if is_slow(time) { 900 } else { 30 }));
    let (id, trace_id) = (dice.random_range(1..99_999), trace_id(dice));
    match dice.random_range(0..25) {
        0 => format!(
            "level=warn msg=\"job is retried\" job={job} id={id} attempt=2 err=\"connection reset by peer\" trace_id={trace_id}"
        ),
        1 => format!(
            "level=error msg=\"job failed\" job={job} id={id} attempt=3 err=\"disk quota exceeded\" trace_id={trace_id}"
        ),
        _ => format!(
            "level=info msg=\"job done\" job={job} id={id} took={took:.2}s waiting={waiting} trace_id={trace_id}"
        ),
    }
}

/// Plain text in Korean.
fn shop(time: Timestamp, dice: &mut StdRng) -> String {
    let (order, amount) = (dice.random_range(40_000..60_000), dice.random_range(5..900) * 100);
    let product = pick(dice, &["원두 커피 1kg", "책상 조명", "나무 의자", "머그컵 세트"]);
    let customer = pick(dice, &["김*수", "이*영", "박*호", "최*진"]);
    match dice.random_range(0..20) {
        0..12 if is_slow(time) => format!("[ERROR] 결제 지연: 주문번호={order} 응답 없음, 다시 시도합니다"),
        0 => format!("[WARN] 재고 부족: 상품=\"{product}\" 남은 수량={}", dice.random_range(0..4)),
        1 => format!("[ERROR] 배송지 확인 실패: 주문번호={order} 우편번호가 올바르지 않습니다"),
        _ => format!("[INFO] 주문 처리 완료: 주문번호={order} 상품=\"{product}\" 금액={amount}원 고객={customer}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use crate::cli::demo::services::second;
    use crate::model::Timestamp;

    #[test]
    fn an_hour_shows_every_service_and_something_to_find() {
        let mut dice = StdRng::seed_from_u64(1);
        let lines: Vec<_> =
            (0..3600).flat_map(|n| second(Timestamp::from_secs(1_795_356_000 + n), &mut dice)).collect();
        let apps: HashSet<&str> = lines.iter().map(|sample| sample.labels[0].1).collect();
        assert_eq!(apps.len(), 5);
        let count = |text: &str| lines.iter().filter(|sample| sample.line.contains(text)).count();
        assert!(count("Caused by: java.net.http.HttpTimeoutException") > 20);
        assert!(count("결제 지연") > 20 && count("bank did not answer") > 20);
        assert!(lines.is_sorted_by_key(|sample| sample.timestamp.nanos() / 1_000_000_000));
    }
}
