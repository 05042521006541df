//! Frames of stack traces, and which of them are one's own code. Pure.
//!
//! A frame is someone else's where its name or its path is that of a language's own library, of a package manager's
//! folder, or of a framework that many use; else it is one's own. What is guessed wrong is only shown otherwise.

/// Whose code a frame is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Own,
    Library,
}

/// Packages of the JVM's and .NET's languages that are not one's own.
const PACKAGES: [&str; 76] = [
    "java.",
    "javax.",
    "jakarta.",
    "jdk.",
    "sun.",
    "com.sun.",
    "oracle.",
    "kotlin.",
    "kotlinx.",
    "scala.",
    "groovy.",
    "clojure.",
    "akka.",
    "play.",
    "android.",
    "androidx.",
    "dalvik.",
    "com.android.",
    "org.springframework.",
    "org.apache.",
    "org.hibernate.",
    "org.eclipse.",
    "org.jboss.",
    "org.wildfly.",
    "org.junit.",
    "junit.",
    "org.gradle.",
    "org.mockito.",
    "org.postgresql.",
    "org.mariadb.",
    "org.h2.",
    "org.mongodb.",
    "org.redisson.",
    "org.quartz.",
    "org.slf4j.",
    "org.jooq.",
    "org.thymeleaf.",
    "org.flywaydb.",
    "org.aspectj.",
    "org.codehaus.",
    "io.netty.",
    "io.undertow.",
    "io.vertx.",
    "io.quarkus.",
    "io.micronaut.",
    "io.micrometer.",
    "io.grpc.",
    "io.lettuce.",
    "io.reactivex.",
    "io.ktor.",
    "io.opentelemetry.",
    "reactor.",
    "rx.",
    "feign.",
    "okhttp3.",
    "okio.",
    "retrofit2.",
    "redis.clients.",
    "liquibase.",
    "ch.qos.",
    "net.bytebuddy.",
    "net.sf.",
    "com.zaxxer.",
    "com.fasterxml.",
    "com.google.",
    "com.mysql.",
    "com.mongodb.",
    "com.amazonaws.",
    "com.netflix.",
    "software.amazon.",
    "System.",
    "Microsoft.",
    "Npgsql.",
    "Newtonsoft.",
    "Serilog.",
    "MediatR.",
];

/// Parts of paths that are not one's own.
const PATHS: [&str; 32] = [
    "node_modules/",
    "node:",
    "(internal/",
    "internal/",
    "<anonymous>",
    "(native",
    "site-packages/",
    "dist-packages/",
    "/lib/python",
    "\\lib\\",
    "<frozen ",
    "/go/pkg/mod/",
    "/usr/local/go/",
    "/usr/lib/go",
    "/goroot/",
    "/vendor/",
    "@v",
    "/rustc/",
    "/.cargo/",
    "/library/std/",
    "/library/core/",
    "/gems/",
    "/lib/ruby/",
    "/rubygems/",
    "<internal:",
    "[internal function]",
    "{main}",
    "libc.so",
    "libpthread",
    "(Native Method)",
    "<generated>",
    "chrome-extension:",
];

/// Crates of Rust that are not one's own, and what starts a program.
const CRATES: [&str; 24] = [
    "std::",
    "core::",
    "alloc::",
    "<core::",
    "<std::",
    "<alloc::",
    "tokio::",
    "<tokio::",
    "futures",
    "hyper",
    "axum::",
    "<axum::",
    "tower",
    "<tower",
    "actix",
    "rayon",
    "tracing",
    "<tracing",
    "rust_begin_unwind",
    "__libc_start",
    "_start",
    "start_thread",
    "__rust",
    "clone",
];

/// Folders of Go's own library, as paths without the machine's folders begin.
const GO_STD: [&str; 14] = [
    "runtime/",
    "net/",
    "os/",
    "io/",
    "sync/",
    "syscall/",
    "testing/",
    "reflect/",
    "internal/",
    "encoding/",
    "database/",
    "context/",
    "bufio/",
    "fmt/",
];

/// Whose frame a line is; `None` where it is no frame of Java, Kotlin, JavaScript, .NET, Python, Ruby, PHP, Go or Rust.
pub(crate) fn owner(line: &str) -> Option<Owner> {
    let trimmed = line.trim();
    let indented = line.starts_with([' ', '\t']);
    let is_library = if let Some(place) = trimmed.strip_prefix("at ").filter(|_| indented || trimmed.contains('(')) {
        at_library(place)
    } else if indented
        && trimmed.starts_with("... ")
        && (trimmed.ends_with(" more") || trimmed.contains("common frames"))
    {
        true
    } else if is_python(line) {
        path_of_library(trimmed)
    } else if indented && trimmed.starts_with(|c: char| !c.is_whitespace()) && is_go_place(trimmed) {
        path_of_library(trimmed) || GO_STD.iter().any(|folder| trimmed.starts_with(folder))
    } else if is_ruby(trimmed) || is_php(trimmed) {
        path_of_library(trimmed)
    } else if let Some((_, name)) = trimmed.split_once(": ").filter(|(number, _)| indented && is_number(number)) {
        CRATES.iter().any(|krate| name.starts_with(krate)) || name == "main"
    } else {
        return None;
    };
    Some(if is_library { Owner::Library } else { Owner::Own })
}

/// What follows `at `: a name of the JVM or of .NET, or a name and a path of JavaScript.
fn at_library(place: &str) -> bool {
    let place = place.strip_prefix("async ").unwrap_or(place);
    // a module or a class loader may stand before the name: `java.base/java.lang.Thread.run`, `app//a.B.c`
    let (path, name) = match place.find('(') {
        Some(paren) => (&place[paren..], place[..paren].rsplit('/').next().unwrap_or(place)),
        None => (place, place),
    };
    let is_made = place.contains("$$Lambda") || place.contains("CGLIB$$") || place.contains("$Proxy");
    PACKAGES.iter().any(|package| name.starts_with(package)) || is_made || path_of_library(path)
}

fn path_of_library(path: &str) -> bool {
    PATHS.iter().any(|part| path.contains(part))
}

/// `  File "/app/a.py", line 1, in f`
pub(crate) fn is_python(line: &str) -> bool {
    let trimmed = line.trim_start();
    trimmed.len() < line.len() && trimmed.starts_with("File \"") && trimmed.contains(", line ")
}

/// `/srv/app/main.go:12 +0x1d`
fn is_go_place(trimmed: &str) -> bool {
    let path = trimmed.split(' ').next().unwrap_or(trimmed);
    path.split_once(".go:").is_some_and(|(path, line)| is_number(line) && path.contains('/'))
}

/// `from /app/a.rb:3:in 'f'`
fn is_ruby(trimmed: &str) -> bool {
    trimmed
        .split_once(".rb:")
        .is_some_and(|(path, rest)| rest.contains(":in ") && !path.trim_start_matches("from ").contains(' '))
        || (trimmed.starts_with("from ") && trimmed.contains(":in "))
}

/// `#0 /srv/app/a.php(12): f()`
fn is_php(trimmed: &str) -> bool {
    let Some((number, place)) = trimmed.strip_prefix('#').and_then(|rest| rest.split_once(' ')) else { return false };
    is_number(number) && (place.contains(".php") || place.starts_with("[internal function]") || place == "{main}")
}

/// Whether a line is the number and name of a frame of Rust, whose place follows on a line of its own.
pub(crate) fn is_rust_name(line: &str) -> bool {
    line.starts_with([' ', '\t']) && line.trim_start().split_once(": ").is_some_and(|(number, _)| is_number(number))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A frame in a few words.
pub(crate) fn short(line: &str) -> String {
    let trimmed = line.trim();
    if let Some((path, rest)) = trimmed.strip_prefix("File \"").and_then(|rest| rest.split_once("\", line ")) {
        return format!("{path}:{}", rest.replacen(", in ", " in ", 1));
    }
    for word in ["at async ", "at ", "from "] {
        if let Some(place) = trimmed.strip_prefix(word) {
            return place.to_owned();
        }
    }
    match trimmed.split_once(' ') {
        Some((number, name)) if number.starts_with('#') || number.ends_with(':') => name.to_owned(),
        Some((place, offset)) if offset.starts_with("+0x") => place.to_owned(),
        _ => trimmed.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::web::explore::frames::{Owner, owner, short};

    #[test]
    fn own_frames_are_told_from_those_of_libraries() {
        let own = [
            "\tat cafe.orders.OrderService.place(OrderService.java:84)",
            "\tat app//cafe.orders.Main.main(Main.kt:3)",
            "    at place (/app/src/orders.js:10:5)",
            "    at async Server.<static> (file:///srv/app/server.mjs:1:2)",
            "    at /app/dist/main.js:7:1",
            "   at Cafe.Orders.Place(Order order) in /src/Orders.cs:line 42",
            "  File \"/app/orders/views.py\", line 3, in place",
            "\t/srv/cafe/main.go:3 +0x1d",
            "\tgithub.com/cafe/orders/main.go:12",
            "   4: cafe::orders::place",
            "\tfrom /app/models/order.rb:10:in 'place'",
            "app/models/order.rb:10:in `place'",
            "#1 /var/www/app/src/Order.php(12): place()",
        ];
        for line in own {
            assert_eq!(owner(line), Some(Owner::Own), "{line:?}");
        }
        let library = [
            "\tat java.base/java.lang.Thread.run(Thread.java:1583)",
            "\tat org.springframework.web.servlet.DispatcherServlet.doGet(DispatcherServlet.java:1)",
            "\tat cafe.orders.OrderService$$SpringCGLIB$$0.place(<generated>)",
            "\t... 12 more",
            "    at Module._compile (node:internal/modules/cjs/loader:1:2)",
            "    at next (/app/node_modules/express/lib/router.js:1:2)",
            "    at new Promise (<anonymous>)",
            "   at System.Threading.Tasks.Task.Execute()",
            "  File \"/usr/lib/python3/dist-packages/flask/app.py\", line 3, in f",
            "  File \"/app/.venv/lib/python3.12/site-packages/flask/app.py\", line 3, in f",
            "\t/usr/local/go/src/net/http/server.go:2947 +0x1",
            "\tnet/http/server.go:2947",
            "\t/srv/go/pkg/mod/github.com/gin-gonic/gin@v1.9/x.go:3 +0x1",
            "   0: std::panicking::begin_panic",
            "   1: <core::future::F as x>::y",
            "\tfrom /usr/lib/ruby/gems/3.2/gems/rack-2/lib/rack.rb:10:in 'call'",
            "#0 /var/www/vendor/symfony/http.php(12): handle()",
            "#3 {main}",
        ];
        for line in library {
            assert_eq!(owner(line), Some(Owner::Library), "{line:?}");
        }
        for line in ["", "at noon", "ValueError: x", "    main()", "GET /a.rb", "10: x", "# 1 x", "Caused by: a.B: c"] {
            assert_eq!(owner(line), None, "{line:?}");
        }
    }

    #[test]
    fn a_frame_is_told_in_a_few_words() {
        assert_eq!(short("\tat a.B.c(B.java:1)"), "a.B.c(B.java:1)");
        assert_eq!(short("  File \"/app/a.py\", line 3, in f"), "/app/a.py:3 in f");
        assert_eq!(short("\t/srv/main.go:3 +0x1d"), "/srv/main.go:3");
        assert_eq!(short("   4: cafe::place"), "cafe::place");
        assert_eq!(short("#1 /a.php(12): f()"), "/a.php(12): f()");
    }
}
