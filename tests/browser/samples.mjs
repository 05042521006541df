// Lines as real services write them, ending at `now` (milliseconds).

const pad = (number, length = 2) => String(number).padStart(length, "0");
const iso = (millis) => new Date(millis).toISOString();

const TRACE = `org.springframework.dao.DataAccessResourceFailureException: Unable to acquire JDBC Connection
\tat org.springframework.orm.jpa.vendor.HibernateJpaDialect.convertHibernateAccessException(HibernateJpaDialect.java:257)
\tat org.springframework.orm.jpa.AbstractEntityManagerFactoryBean.translateExceptionIfPossible(AbstractEntityManagerFactoryBean.java:550)
\tat cafe.orders.OrderService.place(OrderService.java:84)
\tat cafe.orders.OrderController.create(OrderController.java:41)
\tat java.base/java.lang.Thread.run(Thread.java:1583)
Caused by: java.sql.SQLTransientConnectionException: HikariPool-1 - Connection is not available, request timed out after 30000ms
\tat com.zaxxer.hikari.pool.HikariPool.createTimeoutException(HikariPool.java:686)
\tat com.zaxxer.hikari.pool.HikariPool.getConnection(HikariPool.java:179)
\t... 37 more`;

export function samples(now) {
  const spring = [];
  const nginx = [];
  const json = [];
  const logfmt = [];
  const korean = [];
  for (let index = 0; index < 240; index += 1) {
    const at = now - 2000 - index * 14_000;
    const stamp = iso(at).replace("T", " ").replace("Z", "");
    if (index % 29 === 7) {
      spring.push([at, `${stamp} ERROR 1 --- [nio-8080-exec-${index % 10}] cafe.orders.OrderService : order ${4000 + index} failed\n${TRACE}`]);
    } else if (index % 11 === 3) {
      spring.push([at, `${stamp}  WARN 1 --- [nio-8080-exec-2] com.zaxxer.hikari.pool.HikariPool : HikariPool-1 - Thread starvation or clock leap detected`]);
    } else {
      spring.push([at, `${stamp}  INFO 1 --- [nio-8080-exec-${index % 10}] cafe.orders.OrderController : POST /orders 201 in ${20 + (index % 37)} ms`]);
    }
    const status = index % 17 === 0 ? 502 : index % 13 === 0 ? 404 : 200;
    nginx.push([at + 40, `203.0.113.${index % 200} - - [${iso(at)}] "GET /menu/${index % 30}?table=${index % 12} HTTP/1.1" ${status} ${500 + index} "-" "Mozilla/5.0 (iPhone; CPU iPhone OS 18_2 like Mac OS X) AppleWebKit/605.1.15"`]);
    json.push([at + 90, JSON.stringify({ level: index % 23 === 5 ? "error" : "info", msg: index % 23 === 5 ? "payment declined" : "payment accepted", orderId: 4000 + index, amount: 4.5 + (index % 9), user: { id: index % 40, plan: "gold" }, took_ms: 12 + (index % 50) })]);
    if (index % 3 === 0) logfmt.push([at + 130, `level=${index % 9 === 0 ? "debug" : "info"} ts=${iso(at)} caller=roast.go:${40 + (index % 60)} msg="batch done" beans=${index % 7} temp=${190 + (index % 30)}C took=${pad(index % 60)}ms`]);
    if (index % 4 === 0) korean.push([at + 170, index % 20 === 8 ? `[오류] 결제 서버 응답 없음: 주문번호 ${4000 + index}, 재시도 3회 실패` : `[알림] 주문 ${4000 + index} 접수 완료 — 아메리카노 ${1 + (index % 4)}잔, 카페라떼 ${index % 3}잔`]);
  }
  return [
    { labels: { job: "orders", app: "orders", host: "cafe-1", env: "prod" }, lines: spring },
    { labels: { job: "nginx", app: "nginx", host: "cafe-1", env: "prod", filename: "/var/log/nginx/access.log" }, lines: nginx },
    { labels: { job: "payments", app: "payments", host: "cafe-2", env: "prod" }, lines: json },
    { labels: { job: "roaster", app: "roaster", host: "cafe-2", env: "staging" }, lines: logfmt },
    { labels: { job: "kiosk", app: "kiosk", host: "cafe-3", env: "prod" }, lines: korean },
  ];
}

/** Lines that try to be more than text. */
export function hostile(now) {
  return [
    {
      labels: { job: "hostile", app: "<img src=x onerror=document.title='owned'>", host: "\"><script>document.title='owned'</script>" },
      lines: [
        [now - 9000, "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"],
        [now - 8000, "</div></li></ol><h1 id=forged>ERROR forged</h1><a href=javascript:alert(1)>click</a>"],
        [now - 7000, "safe \u202egnp.exe\u202c \u0000\u0007\u001b[2J\u001b[31mred\u001b[0m \u200bzero"],
        [now - 6000, "fake\r\n12:00:00.000 ERROR another line"],
        [now - 5000, "{{ 7 * 7 }} {% raw %} ${document.title='owned'} &lt;b&gt;"],
        [now - 4000, "a̷̢".repeat(60) + " " + "W".repeat(6000)],
      ],
    },
  ];
}
