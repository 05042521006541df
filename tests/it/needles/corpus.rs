//! Lines as many systems write them, made up at random: what a needle is looked for in.

/// 2026-11-20T10:00:00Z.
const START: i64 = 1_795_168_800_000_000_000;

/// Numbers that are the same for the same seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, count: usize) -> usize {
        (self.next() >> 16) as usize % count.max(1)
    }

    /// True once in so many times.
    pub(crate) fn once_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// A number of few digits or of many.
    pub(crate) fn number(&mut self) -> u64 {
        let shift = self.below(60) as u32 + 4;
        self.next() >> shift
    }

    fn hex(&mut self, length: usize) -> String {
        (0..length)
            .map(|_| self.pick(&['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f']))
            .collect()
    }

    fn uuid(&mut self) -> String {
        [8, 4, 4, 4, 12].map(|length| self.hex(length)).join("-")
    }

    fn word(&mut self) -> String {
        let length = 1 + self.below(9);
        (0..length)
            .map(|_| self.pick(&['a', 'b', 'e', 'f', 'n', 'o', 'r', 's', 't', 'A', 'F', 'K', 'x', 'z']))
            .collect()
    }
}

/// A line, the stream it is of, and its time.
pub(crate) struct Line {
    pub(crate) app: String,
    pub(crate) nanos: i64,
    pub(crate) text: String,
}

type Maker = fn(&mut Random, &At) -> String;

/// When a line is written, in the parts that it shows.
struct At {
    clock: String,
    nanos: u64,
    n: usize,
}

const SYSTEMS: [(&str, Maker); 14] = [
    ("nginx", nginx),
    ("shop", shop),
    ("payments", json),
    ("worker", logfmt),
    ("hdfs", hdfs),
    ("sshd", sshd),
    ("orders", korean),
    ("ids", ids),
    ("junk", junk),
    ("code", code),
    ("padded", padded),
    ("zones", zones),
    ("folded", folded),
    ("edges", edges),
];

pub(crate) fn system_count() -> usize {
    SYSTEMS.len()
}

/// The line of a system that comes at this place of all lines; no two have the same time.
pub(crate) fn line(random: &mut Random, system: usize, n: usize) -> Line {
    let nanos = START + n as i64 * 137_000_003;
    let secs = (nanos - START) / 1_000_000_000;
    let clock = format!("{:02}:{:02}:{:02}", 10 + secs / 3600, secs / 60 % 60, secs % 60);
    let at = At { clock, nanos: (nanos - START) as u64 % 1_000_000_000, n };
    let (app, maker) = SYSTEMS[system];
    Line { app: app.to_owned(), nanos, text: maker(random, &at) }
}

fn nginx(r: &mut Random, at: &At) -> String {
    let path = r.pick(&["/api/v1/orders", "/cart", "/health", "/static/app.js"]);
    format!(
        "203.0.{}.{} - - [20/Nov/2026:{} +0000] \"{} {path}/{} HTTP/1.1\" {} {} \"-\" \"Mozilla/5.0 (X11; Linux x86_64)\" rt=0.{:03}",
        r.below(8),
        r.below(256),
        at.clock,
        r.pick(&["GET", "POST", "PUT"]),
        r.below(5000),
        r.pick(&[200, 204, 404, 502]),
        r.number() >> 30,
        r.below(1000),
    )
}

fn shop(r: &mut Random, at: &At) -> String {
    let millis = at.nanos / 1_000_000;
    let head = format!(
        "2026-11-20T{}.{millis:03}Z  {} 1 --- [nio-8080-exec-{}]",
        at.clock,
        r.pick(&["INFO", "WARN", "ERROR"]),
        r.below(20)
    );
    match r.below(5) {
        0 => format!(
            "{head} o.s.OrderService : order {} placed by user-{} in {}ms",
            r.below(90_000),
            r.below(300),
            r.below(900)
        ),
        1 => format!(
            "{head} c.z.hikari.pool.HikariPool : HikariPool-1 - Pool stats (total={}, active={})",
            r.below(20),
            r.below(20)
        ),
        2 => format!("{head} o.s.Client : Request failed: timeout after {}s, trace={}", r.below(60), r.hex(32)),
        3 => {
            let frames: Vec<String> = (0..1 + r.below(4))
                .map(|_| format!("\tat com.shop.{}(Order.java:{})", r.word(), r.below(400)))
                .collect();
            format!(
                "{head} o.s.Order : failed\njava.lang.IllegalStateException: no {} {}\n{}",
                r.word(),
                r.number(),
                frames.join("\n")
            )
        }
        _ => format!("{head} o.s.Cart : cart cn{} of {} has {} items", r.below(99), r.uuid(), r.below(9)),
    }
}

fn json(r: &mut Random, at: &At) -> String {
    format!(
        "{{\"ts\":\"2026-11-20T{}.{:06}Z\",\"level\":\"{}\",\"msg\":\"{}\",\"provider\":\"{}\",\"status\":{},\"amount\":{}.{:02},\"trace_id\":\"{}\",\"id\":\"{}\",\"ok\":{}}}",
        at.clock,
        at.nanos / 1000,
        r.pick(&["info", "error", "warn"]),
        r.pick(&["payment declined", "paid", "할부 결제"]),
        r.pick(&["kakao", "naver", "toss"]),
        r.pick(&[200, 402, 500, 502]),
        r.below(900),
        r.below(100),
        r.hex(16),
        r.uuid(),
        r.once_in(2),
    )
}

fn logfmt(r: &mut Random, at: &At) -> String {
    format!(
        "ts=2026-11-20T{}Z level={} msg=\"{}\" duration={}.{}ms queue={} job=J{:08X} attempt={} try={} try={} err=\"{}\"",
        at.clock,
        r.pick(&["info", "debug"]),
        r.pick(&["job done", "retry", "cart updated"]),
        r.below(900),
        r.below(10),
        r.pick(&["mail-high", "mail-low", "sms"]),
        r.next() >> 32,
        r.below(5),
        r.below(40),
        r.below(4000),
        r.pick(&["", "EOF", "no such host", "i/o timeout"]),
    )
}

fn hdfs(r: &mut Random, at: &At) -> String {
    format!(
        "081109 {:06} {} INFO dfs.DataNode$PacketResponder: PacketResponder {} for block blk_{}{} terminating",
        at.n * 7 % 240_000,
        r.below(4000),
        r.below(3),
        r.pick(&["", "-"]),
        r.next() >> r.pick(&[1, 4, 40]),
    )
}

fn sshd(r: &mut Random, at: &At) -> String {
    format!(
        "Nov 20 {} LabSZ sshd[{}]: {} for {}{} from 173.{}.31.{} port {} ssh2",
        at.clock,
        20_000 + r.below(9000),
        r.pick(&["Failed password", "Accepted publickey"]),
        r.pick(&["", "invalid user "]),
        r.pick(&["root", "webmaster", "a", "deadbeef", "user7"]),
        r.below(256),
        r.below(256),
        r.below(65_536),
    )
}

fn korean(r: &mut Random, at: &At) -> String {
    format!(
        "2026-11-20 {},{:03} 주문 {}번이 {}: 상품 {} 장바구니 \"가격\"={}원 오류코드=E{:04} 이름=\"{}\"",
        at.clock,
        at.nanos / 1_000_000,
        r.below(3000),
        r.pick(&["접수되었습니다", "취소됨"]),
        r.below(800),
        r.below(90_000),
        r.below(70),
        r.pick(&["김철수", "이영희", "박"]),
    )
}

fn ids(r: &mut Random, _: &At) -> String {
    let upper = r.hex(12).to_ascii_uppercase();
    match r.below(6) {
        0 => format!("span {} parent {} host cn{}", r.hex(16), r.hex(16), r.below(70)),
        1 => format!("uuid {} was {}", r.uuid(), r.uuid().to_ascii_uppercase()),
        2 => format!("key J04{upper} sum {}", r.hex(40)),
        3 => format!("frame {upper} at 0x{:08x} {}{}", r.next() >> 32, r.hex(3), r.word()),
        4 => format!("id{:08} {}-{}", r.below(100_000_000), r.hex(8), r.hex(4)),
        _ => format!("mac {} n {}", (0..6).map(|_| r.hex(2)).collect::<Vec<_>>().join(":"), r.number()),
    }
}

fn junk(r: &mut Random, _: &At) -> String {
    const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let length = r.below(90);
    (0..length).map(|_| char::from(r.pick(BASE64))).collect()
}

fn code(r: &mut Random, _: &At) -> String {
    let indent = "    ".repeat(r.below(3));
    match r.below(4) {
        0 => format!("{indent}let {}_{} = {}[{}]; // {}", r.word(), r.below(9), r.word(), r.below(30), r.word()),
        1 => format!("{indent}println!(\"{}\\n\\\"{}\\\"\", {});", r.word(), r.word(), r.word()),
        2 => format!("{indent}if {} == \"{}\" && {}=={} {{", r.word(), r.word(), r.word(), r.number()),
        _ => format!("{indent}}}"),
    }
}

fn padded(r: &mut Random, _: &At) -> String {
    format!(
        "id={:06} seq={:010} 00:{:02} zip={:05} {}.{:03} v1.{}.{} -{:04} {}{:019} t{}x port {} pid {}",
        r.below(3000),
        r.below(50),
        r.below(60),
        r.below(9000),
        r.below(3),
        r.below(1000),
        r.below(4),
        r.below(30),
        r.below(50),
        r.pick(&["", "1"]),
        r.next() >> 2,
        r.below(5),
        8080 + r.below(12),
        31_000 + r.below(240),
    )
}

fn zones(r: &mut Random, at: &At) -> String {
    let nanos = at.nanos;
    match r.below(6) {
        0 => format!("2026-11-20T{}+09:00 local {}", at.clock, r.below(99)),
        1 => format!("at 2026-11-20 {}.{nanos:09} and 2026-11-20T{}.12Z", at.clock, at.clock),
        2 => format!("2026-11-19 23:59:{:02} yesterday, 2026-13-40T10:00:00 never", r.below(60)),
        3 => format!("[2026-11-20T{},{:03}] x{}", at.clock, nanos / 1_000_000, r.below(20)),
        4 => format!("2026-11-20T{}Z2 2026-11-20T{}.{:06}123", at.clock, at.clock, nanos / 1000),
        _ => format!("until=2026-11-20T{}.{:03}Z;n={}", at.clock, (nanos / 1_000_000 + 1) % 1000, r.below(1000)),
    }
}

fn folded(r: &mut Random, _: &At) -> String {
    let word = r.pick(&[
        "DISK",
        "Disk",
        "di\u{17f}k",
        "dis\u{212a}",
        "ERROR",
        "Error",
        "eRrOr",
        "Timeout",
        "TIMEOUT",
        "é",
        "É",
        "refused",
        "Refu\u{17f}ed",
    ]);
    let full = r.pick(&["Full", "FULL", "full"]);
    match r.below(3) {
        0 => format!("{word} {} of {}", r.below(90), r.below(5000)),
        1 => format!("mount=\"{word}\" state={full} n{}", r.below(20)),
        _ => format!("on {} \"is\":\"{word}\" {full}", r.below(700)),
    }
}

fn edges(r: &mut Random, _: &At) -> String {
    let parts = [
        "a=1b=2",
        "\"c\":\"d\"",
        "k=\"v\"x9",
        "12ab34",
        "deadBEEF12",
        "=abc1",
        "",
        "\n",
        "\t",
        "==",
        "\"\":\"\"",
        "a1b2c3d4e5",
        "x=가나다",
        "y=\"가\"나",
        "\u{1}\u{7f}",
        "=",
        "\"",
        "0",
        "00",
        "007",
        "9223372036854775807",
        "18446744073709551616",
        "\\\"",
        "FFFF",
        "abcdef",
        "=a/b.c-d_e",
        "e=mc2",
        "\"k\":\"long long long long long long long long long long long long long long\"",
        " ",
        ":",
        "/",
    ];
    (0..r.below(9)).map(|_| if r.once_in(4) { r.number().to_string() } else { r.pick(&parts).to_owned() }).collect()
}
