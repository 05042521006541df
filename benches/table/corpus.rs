//! A corpus of service logs that is invented line by line, and what is known of it.
//!
//! Promises: the same seed, size, streams and span give the same lines; times rise strictly, so no line is there twice;
//! memory does not grow with the corpus. The lines of six kinds go to as many streams of each host.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;

/// The end of what is asked about: 2026-11-20 00:00 UTC, in nanoseconds.
pub(crate) const END: i64 = 1_795_132_800 * SECOND;
pub(crate) const SECOND: i64 = 1_000_000_000;
pub(crate) const DAY: i64 = 86_400 * SECOND;
/// The step of queries over time.
pub(crate) const STEP: i64 = 300 * SECOND;
pub(crate) const NEEDLE_EARLY: &str = "needle-in-first-tenth-7f3a91c2";
pub(crate) const NEEDLE_MIDDLE: &str = "needle-in-the-middle-c0ffee42";
pub(crate) const PROVIDERS: [&str; 4] = ["kakaopay", "tosspay", "stripe", "paypal"];
pub(crate) const QUEUES: [&str; 4] = ["mail", "image", "settle", "sync"];
pub(crate) const ADDRESS: &str = "203.0.7.209";
/// No line is shorter.
const LINE_BYTES_MIN: f64 = 32.0;
/// Bytes that a corpus does not have, but the span has time for.
const TIME_SPARE_BYTES: u64 = 64;
const LEVELS: [&str; 5] = ["debug", "info", "warn", "error", "unknown"];

/// What the lines of a stream are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Shop,
    Nginx,
    Payments,
    Worker,
    System,
    Database,
}

const KINDS: [Kind; 6] = [Kind::Shop, Kind::Nginx, Kind::Payments, Kind::Worker, Kind::System, Kind::Database];

impl Kind {
    pub(crate) const fn job(self) -> &'static str {
        match self {
            Kind::Shop => "shop-api",
            Kind::Nginx => "nginx",
            Kind::Payments => "payments",
            Kind::Worker => "worker",
            Kind::System => "system",
            Kind::Database => "postgres",
        }
    }
}

/// What is made, and into how many streams.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) seed: u64,
    pub(crate) bytes: u64,
    pub(crate) streams: usize,
    /// Whether all streams have as many lines; otherwise the first are the busy ones.
    pub(crate) is_even: bool,
    /// The time that the corpus spans, up to `end`.
    pub(crate) span: i64,
    pub(crate) end: i64,
    /// Whether the two needles are among the lines.
    pub(crate) has_needles: bool,
}

/// What the generator knows of the lines it gave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) lines: u64,
    pub(crate) bytes: u64,
    pub(crate) by_job: BTreeMap<String, f64>,
    pub(crate) by_level: BTreeMap<String, f64>,
    pub(crate) bytes_by_host: BTreeMap<String, f64>,
    pub(crate) newest: i64,
    pub(crate) newest_of_service: i64,
    pub(crate) of_service: u64,
    pub(crate) of_first_stream: u64,
    pub(crate) needles: u64,
    pub(crate) failed: u64,
    pub(crate) pools: u64,
    pub(crate) korean: u64,
    pub(crate) refused: u64,
    pub(crate) timeouts: u64,
    pub(crate) orders_with_5: u64,
    pub(crate) address: u64,
    pub(crate) errors_by_provider: BTreeMap<String, f64>,
    /// Steps in which a queue had a line.
    pub(crate) queue_steps: HashSet<(i64, usize)>,
    /// Durations of each queue's lines within the step that is looked at closely, which ends at `END - DAY / 2`.
    pub(crate) durations: [Vec<f64>; QUEUES.len()],
}

/// xorshift64*.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: u64) -> u64 {
        ((self.roll() >> 32) * bound) >> 32
    }

    /// Small numbers more often than large ones, as in durations and the numbers of customers.
    fn small(&mut self, bound: u64) -> u64 {
        let most = self.below(bound) + 1;
        self.below(most)
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }

    fn hex(&mut self, out: &mut String, digits: usize) {
        let mut left = digits;
        while left > 0 {
            let taken = left.min(16);
            let _ = write!(out, "{:0taken$x}", self.roll() >> (64 - 4 * taken));
            left -= taken;
        }
    }

    fn uuid(&mut self, out: &mut String) {
        self.hex(out, 8);
        let _ = write!(out, "-{:04x}-4{:03x}-a{:03x}-", self.below(0x1_0000), self.below(0x1000), self.below(0x1000));
        self.hex(out, 12);
    }
}

/// A stream and what its lines are.
#[derive(Debug)]
pub(crate) struct Stream {
    /// As a push has them.
    pub(crate) labels: String,
    pub(crate) kind: Kind,
    pub(crate) host: String,
    pub(crate) is_prod: bool,
}

/// Gives the lines one after the other.
#[derive(Debug)]
pub(crate) struct Corpus {
    shape: Shape,
    dice: Dice,
    pub(crate) streams: Vec<Stream>,
    pub(crate) known: Known,
    /// Of each stream, by its number: kept apart from `known`, whose maps are slower.
    lines_of: Vec<u64>,
    bytes_of: Vec<u64>,
    levels: [u64; LEVELS.len()],
    providers: [u64; PROVIDERS.len()],
    turn: usize,
}

impl Corpus {
    pub(crate) fn new(shape: Shape) -> Corpus {
        let stream = |number: usize| {
            let (kind, host) = (KINDS[number % KINDS.len()], number / KINDS.len());
            let is_prod = host % 4 != 3;
            let env = if is_prod { "prod" } else { "dev" };
            let host = format!("{env}-{host}");
            Stream {
                labels: format!("{{job=\"{}\", env=\"{env}\", host=\"{host}\"}}", kind.job()),
                kind,
                host,
                is_prod,
            }
        };
        Corpus {
            shape,
            dice: Dice(shape.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            streams: (0..shape.streams).map(stream).collect(),
            known: Known::default(),
            lines_of: vec![0; shape.streams],
            bytes_of: vec![0; shape.streams],
            levels: [0; LEVELS.len()],
            providers: [0; PROVIDERS.len()],
            turn: 0,
        }
    }

    /// Writes the next line in place of what `line` holds: its stream and time. `None` where the corpus is at its end.
    pub(crate) fn next(&mut self, line: &mut String) -> Option<(usize, i64)> {
        let Shape { bytes, span, end, .. } = self.shape;
        if self.known.bytes >= bytes {
            return None;
        }
        // the last line begins before the end, and has its time before the end
        let whole = (bytes + TIME_SPARE_BYTES) as f64;
        let done = self.known.bytes as f64 / whole;
        let time = end - span + (done * span as f64) as i64;
        // the next line is so much later, at least
        let least = (LINE_BYTES_MIN / whole * span as f64) as u64;
        let time = time + 1 + self.dice.below(least.clamp(1, u64::from(u32::MAX))) as i64;
        let places = [0.05, 0.5];
        let is_needle = self.shape.has_needles && places.get(self.known.needles as usize).is_some_and(|at| done >= *at);
        let number = if is_needle { 0 } else { self.choose() };
        line.clear();
        let level = match (is_needle, self.streams[number].kind) {
            (true, _) => self.needle(line, time),
            (_, Kind::Shop) => self.shop(line, time, number),
            (_, Kind::Nginx) => self.nginx(line, time),
            (_, Kind::Payments) => self.payments(line, time),
            (_, Kind::Worker) => self.worker(line, time),
            (_, Kind::System) => self.system(line),
            (_, Kind::Database) => self.database(line, time),
        };
        self.levels[level] += 1;
        self.lines_of[number] += 1;
        self.bytes_of[number] += line.len() as u64;
        self.known.lines += 1;
        self.known.bytes += line.len() as u64;
        self.known.newest = time;
        if self.streams[number].kind == Kind::Shop && self.streams[number].is_prod {
            self.known.newest_of_service = time;
            self.known.of_service += 1;
        }
        Some((number, time))
    }

    /// What is known of the lines so far.
    pub(crate) fn finish(mut self) -> Known {
        let add = |map: &mut BTreeMap<String, f64>, name: &str, count: u64| {
            if count > 0 {
                *map.entry(name.to_owned()).or_default() += count as f64;
            }
        };
        for (number, stream) in self.streams.iter().enumerate() {
            add(&mut self.known.by_job, stream.kind.job(), self.lines_of[number]);
            add(&mut self.known.bytes_by_host, &stream.host, self.bytes_of[number]);
        }
        LEVELS.iter().zip(self.levels).for_each(|(level, count)| add(&mut self.known.by_level, level, count));
        for (provider, count) in PROVIDERS.iter().zip(self.providers) {
            add(&mut self.known.errors_by_provider, provider, count);
        }
        self.known.of_first_stream = self.lines_of[0];
        self.known
    }

    fn choose(&mut self) -> usize {
        let count = self.streams.len();
        if self.shape.is_even {
            self.turn += 1;
            return (self.turn - 1) % count;
        }
        let at = self.dice.below(1 << 20) as f64 / f64::from(1 << 20);
        (at * at * count as f64) as usize
    }

    fn needle(&mut self, line: &mut String, time: i64) -> usize {
        let needle = [NEEDLE_EARLY, NEEDLE_MIDDLE][self.known.needles as usize];
        self.known.needles += 1;
        stamp(line, time);
        let _ = write!(line, "  INFO 4711 --- [scheduling-1] c.e.shop.stock.StockTaker : planted {needle} here");
        1
    }

    fn shop(&mut self, line: &mut String, time: i64, number: usize) -> usize {
        const CLASSES: [&str; 8] = [
            "c.e.shop.order.OrderService",
            "c.e.shop.cart.CartController",
            "c.e.shop.user.SessionFilter",
            "c.e.shop.payment.PaymentGateway",
            "o.s.web.servlet.DispatcherServlet",
            "com.zaxxer.hikari.pool.HikariPool",
            "c.e.shop.stock.StockTaker",
            "c.e.shop.search.Indexer",
        ];
        let level = match self.dice.below(1000) {
            0..12 => 3,
            12..50 => 2,
            50..200 => 0,
            _ => 1,
        };
        stamp(line, time);
        let class = self.dice.one_of(&CLASSES);
        let thread = self.dice.below(32);
        let name = [" DEBUG", "  INFO", "  WARN", " ERROR"][level];
        let _ = write!(line, " {name} 4711 --- [nio-8080-exec-{thread}] [");
        self.dice.hex(line, 32);
        let _ = write!(line, "] {class:<38} : ");
        if level == 3 {
            self.failure(line, number);
            return level;
        }
        match self.dice.below(6) {
            0 => {
                let order = self.dice.below(900_000);
                self.known.orders_with_5 += u64::from(order > 9 && order % 10 == 5);
                let (customer, items, total) = (self.dice.small(60_000), self.dice.small(12), self.dice.small(800_000));
                let _ = write!(line, "order {order} placed by customer {customer}, {items} items, total {total} KRW");
            }
            1 => {
                self.known.pools += 1;
                let (active, waiting) = (self.dice.below(20), self.dice.small(40));
                let idle = 20 - active;
                let _ = write!(
                    line,
                    "HikariPool-1 - Pool stats (total=20, active={active}, idle={idle}, waiting={waiting})"
                );
            }
            2 => {
                let customer = self.dice.small(60_000);
                let _ = write!(line, "session of customer {customer} opened from ");
                self.address(line);
            }
            3 => {
                let (status, took) = (self.dice.one_of(&[200, 200, 201, 204, 404]), self.dice.small(4000));
                let _ = write!(line, "answered {status} after {took} ms");
            }
            4 => {
                self.known.korean += 1;
                let (customer, product) = (self.dice.small(60_000), self.dice.below(90_000));
                let _ = write!(line, "고객 {customer} 님이 장바구니에 상품 {product} 을 담았습니다");
            }
            _ => {
                let (count, took) = (self.dice.small(6000), self.dice.small(900));
                let _ = write!(line, "indexed {count} products in {took} ms");
            }
        }
        level
    }

    /// A failed request with its stack, which is one entry of many lines.
    fn failure(&mut self, line: &mut String, number: usize) {
        const FRAMES: [&str; 6] = [
            "c.e.shop.order.OrderService.place(OrderService.java",
            "c.e.shop.payment.PaymentGateway.authorize(PaymentGateway.java",
            "c.e.shop.payment.RetryPolicy.attempt(RetryPolicy.java",
            "o.s.web.servlet.FrameworkServlet.service(FrameworkServlet.java",
            "java.base/java.util.concurrent.ThreadPoolExecutor.runWorker(ThreadPoolExecutor.java",
            "o.a.catalina.core.ApplicationFilterChain.doFilter(ApplicationFilterChain.java",
        ];
        let (order, took) = (self.dice.below(900_000), self.dice.small(30_000));
        let is_refused = self.dice.below(100) == 0;
        self.known.failed += 1;
        self.known.orders_with_5 += u64::from(order > 9 && order % 10 == 5);
        let _ = write!(line, "Request failed for order {order} after {took} ms");
        if is_refused {
            self.known.refused += u64::from(self.streams[number].is_prod);
            line.push_str("\njava.net.ConnectException: Connection refused");
        } else {
            self.known.timeouts += 1;
            line.push_str("\njava.lang.IllegalStateException: timeout of the payment provider");
        }
        for _ in 0..6 + self.dice.below(16) {
            let (frame, at) = (self.dice.one_of(&FRAMES), self.dice.below(600));
            let _ = write!(line, "\n\tat {frame}:{at})");
        }
        if !is_refused {
            let more = self.dice.below(50);
            let _ = write!(line, "\nCaused by: java.net.SocketTimeoutException: Read timed out\n\t... {more} more");
        }
    }

    fn address(&mut self, line: &mut String) {
        let host = self.dice.small(5000);
        let (third, last) = (host / 250, host % 250 + 1);
        self.known.address += u64::from(third == 7 && last == 209);
        let _ = write!(line, "203.0.{third}.{last}");
    }

    fn nginx(&mut self, line: &mut String, time: i64) -> usize {
        const PATHS: [&str; 6] = ["/api/orders/", "/api/cart/", "/products/", "/assets/app.", "/search?page=", "/img/"];
        const AGENTS: [&str; 4] = [
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
            "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
            "curl/8.9.1",
            "kube-probe/1.31",
        ];
        self.address(line);
        line.push_str(" - - [");
        stamp(line, time);
        let status = match self.dice.below(1000) {
            0..10 => 500,
            10..20 => 502,
            20..80 => 404,
            80..180 => 304,
            _ => 200,
        };
        let (method, path) = (self.dice.one_of(&["GET", "GET", "GET", "POST", "PUT"]), self.dice.one_of(&PATHS));
        let (id, size, took) = (self.dice.small(900_000), self.dice.small(60_000), self.dice.small(3000));
        let agent = self.dice.one_of(&AGENTS);
        let _ = write!(line, "] \"{method} {path}{id} HTTP/1.1\" {status} {size} \"-\" \"{agent}\" rt=0.{took:04}");
        4
    }

    fn payments(&mut self, line: &mut String, time: i64) -> usize {
        let level = match self.dice.below(100) {
            0..2 => 3,
            2..7 => 2,
            7..20 => 0,
            _ => 1,
        };
        let provider = self.dice.below(PROVIDERS.len() as u64) as usize;
        let status = if level == 3 { self.dice.one_of(&[500, 502, 504]) } else { self.dice.one_of(&[200, 201, 402]) };
        self.providers[provider] += u64::from(level == 3);
        let what = ["authorized", "captured", "refunded", "webhook received", "retried"];
        let what = self.dice.one_of(&what);
        line.push_str("{\"ts\":\"");
        stamp(line, time);
        let _ = write!(line, "\",\"level\":\"{}\",\"msg\":\"payment {what}\",\"trace_id\":\"", LEVELS[level]);
        self.dice.hex(line, 32);
        line.push_str("\",\"span_id\":\"");
        self.dice.hex(line, 16);
        line.push_str("\",\"request_id\":\"");
        self.dice.uuid(line);
        let (customer, tier) = (self.dice.small(60_000), self.dice.one_of(&["free", "gold", "vip"]));
        let (amount, took) = (self.dice.small(900_000), self.dice.small(5000));
        let _ = write!(
            line,
            "\",\"customer\":{{\"id\":{customer},\"tier\":\"{tier}\"}},\"amount\":{amount},\"currency\":\"KRW\",\
             \"provider\":\"{}\",\"status\":{status},\"duration_ms\":{took}}}",
            PROVIDERS[provider]
        );
        level
    }

    fn worker(&mut self, line: &mut String, time: i64) -> usize {
        let level = match self.dice.below(100) {
            0..2 => 3,
            2..7 => 2,
            _ => 1,
        };
        let queue = self.dice.below(QUEUES.len() as u64) as usize;
        let (took, tries, size) = (self.dice.small(90_000), self.dice.small(6), self.dice.small(9000));
        let step = (time - (END - DAY) + STEP - 1) / STEP;
        self.known.queue_steps.insert((step, queue));
        if step == DAY / STEP / 2 {
            self.known.durations[queue].push(took as f64 / 1000.0);
        }
        line.push_str("ts=");
        stamp(line, time);
        let _ = write!(line, " level={} caller=runner.go:{} msg=\"job done\" job_id=", LEVELS[level], 20 + tries);
        self.dice.uuid(line);
        let _ = write!(
            line,
            " queue={} attempts={tries} duration={}.{:03}s size={size}KB err=\"{}\"",
            QUEUES[queue],
            took / 1000,
            took % 1000,
            if level == 3 { "deadline exceeded" } else { "" },
        );
        level
    }

    /// What a host says of itself: many shapes, each seldom, and none with a level.
    fn system(&mut self, line: &mut String) -> usize {
        const UNITS: [&str; 6] = ["nightly-backup", "logrotate", "certbot", "fstrim", "man-db", "apt-daily"];
        const NAMES: [&str; 8] = ["deploy", "kim", "lee", "park", "ansible", "backup", "monitor", "choi"];
        let pid = 300 + self.dice.below(40_000);
        match self.dice.below(8) {
            0 => {
                let _ = write!(line, "sshd[{pid}]: Accepted publickey for {} from ", self.dice.one_of(&NAMES));
                self.address(line);
                let _ = write!(line, " port {} ssh2: ED25519 SHA256:", 1024 + self.dice.below(60_000));
                self.dice.hex(line, 40);
            }
            1 => {
                let _ = write!(line, "sshd[{pid}]: Connection closed by invalid user {} ", self.dice.one_of(&NAMES));
                self.address(line);
                let _ = write!(line, " port {} [preauth]", 1024 + self.dice.below(60_000));
            }
            2 => {
                let (unit, took) = (self.dice.one_of(&UNITS), self.dice.small(90_000));
                let _ = write!(
                    line,
                    "systemd[1]: {unit}.service: Deactivated successfully. Consumed {}.{:03}s CPU time.",
                    took / 1000,
                    took % 1000
                );
            }
            3 => {
                let _ = write!(
                    line,
                    "CRON[{pid}]: ({}) CMD (/usr/local/bin/{} --quiet)",
                    self.dice.one_of(&NAMES),
                    self.dice.one_of(&UNITS)
                );
            }
            4 => {
                let (at, interface) = (self.dice.below(9_000_000), self.dice.below(4));
                let _ = write!(
                    line,
                    "kernel: [{}.{:06}] eth{interface}: link becomes ready",
                    at,
                    self.dice.below(1_000_000)
                );
            }
            5 => {
                let _ = write!(
                    line,
                    "kubelet[{pid}]: pod shop/{}-",
                    self.dice.one_of(&["cart", "api", "search", "worker"])
                );
                self.dice.hex(line, 10);
                let _ = write!(line, " volume mounted in {} ms", self.dice.small(3000));
            }
            6 => {
                let _ = write!(line, "dockerd[{pid}]: container ");
                self.dice.hex(line, 64);
                let _ = write!(line, " health status changed, attempt {}", self.dice.below(5));
            }
            _ => {
                let _ = write!(line, "chronyd[{pid}]: System clock offset {} us by server ", self.dice.small(50_000));
                self.address(line);
            }
        }
        4
    }

    fn database(&mut self, line: &mut String, time: i64) -> usize {
        const TABLES: [&str; 6] = ["orders", "order_items", "customers", "carts", "products", "payments"];
        stamp(line, time);
        let (pid, table) = (100 + self.dice.below(300), self.dice.one_of(&TABLES));
        let took = self.dice.small(900_000);
        let _ = write!(line, " UTC [{pid}] shop@shop LOG:  duration: {}.{:03} ms  ", took / 1000, took % 1000);
        match self.dice.below(4) {
            0 => {
                let _ = write!(line, "execute S_{}: SELECT * FROM {table} WHERE id = $1", self.dice.below(40));
            }
            1 => {
                let (id, count) = (self.dice.small(900_000), self.dice.small(30));
                let _ = write!(line, "statement: UPDATE {table} SET quantity = {count} WHERE id = {id}");
            }
            2 => {
                let (scanned, dead) = (self.dice.small(60_000), self.dice.small(9000));
                let _ = write!(
                    line,
                    "automatic vacuum of table \"shop.public.{table}\": pages: {scanned} remain, tuples: {dead} removed"
                );
            }
            _ => {
                let _ =
                    write!(line, "statement: INSERT INTO {table} (id, ref) VALUES ({}, '", self.dice.below(90_000_000));
                self.dice.uuid(line);
                line.push_str("')");
            }
        }
        4
    }
}

/// `2026-11-19T09:15:02.123Z`, of a time within the two days around `END`.
fn stamp(out: &mut String, time: i64) {
    let millis = (time - (END - DAY)) / 1_000_000;
    let (day, of_day) = (19 + millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
    let seconds = of_day / 1000;
    let _ = write!(
        out,
        "2026-11-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        of_day % 1000
    );
}
