// Lines that show how lines are read: colours, records, traces sent line by line, silences, the same again and again.

const iso = (millis) => new Date(millis).toISOString();
const python = [
  "Traceback (most recent call last):",
  '  File "/usr/lib/python3/dist-packages/django/core/handlers/base.py", line 181, in _get_response',
  "    response = wrapped_callback(request, *callback_args, **callback_kwargs)",
  '  File "/srv/menu/menu/views.py", line 42, in price',
  "    return price_of(item) / request.GET['n']",
  "ZeroDivisionError: division by zero",
];
const go = [
  "panic: runtime error: invalid memory address or nil pointer dereference",
  "[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x4a1b2c]",
  "",
  "goroutine 17 [running]:",
  "net/http.(*conn).serve(0xc000124000)",
  "\t/usr/local/go/src/net/http/server.go:1868 +0x5b0",
  "main.(*Grinder).grind(0x0)",
  "\t/srv/grinder/grinder.go:57 +0x1d",
  "created by main.main",
  "\t/srv/grinder/main.go:12 +0x9f",
];

export const STORED = {
  hidden: 'tricky \u202egnp.exe\u202c \u200b \u001b[31mred\u001b[0m & <b> "q"\tend ',
  record: '{"level":"info","msg":"order placed","orderId":4711,"total":12.50,"url":"https://cafe.example/orders/4711","customer":{"id":7,"name":"민아"}}',
};

export function reading(now) {
  const each = (from, lines) => lines.map((line, index) => [now - from + index, line]);
  const roast = [];
  for (let index = 0; index < 40; index += 1) {
    const silence = index >= 20 ? 192_000 : 0;
    roast.push([now - 60_000 - index * 1500 - silence, `${iso(now - index * 1500)} INFO roast step ${index % 4} of batch ${100 + index} done`]);
  }
  return [
    {
      labels: { job: "build", app: "build" },
      lines: [
        [now - 9000, "\u001b[2m12:00:01\u001b[0m \u001b[1;32m✓\u001b[0m compiled \u001b[36mmenu\u001b[39m in \u001b[33m812 ms\u001b[0m"],
        [now - 8000, "\u001b[97;41m FAIL \u001b[0m tests/price.test.js \u001b[38;5;208mslow\u001b[0m \u001b[38;2;120;90;240mviolet\u001b[0m \u001b[4munder\u001b[24m \u001b[7minverse\u001b[0m"],
        [now - 7000, "see https://ci.example/builds/81?tab=log#L12. (or http://wiki.example/a_(b)), not javascript:alert(1)"],
        [now - 6000, STORED.hidden],
        [now - 5000, `50%\u001b[K downloading ${"abcdefghij".repeat(60)} end`],
        [now - 4000, STORED.record],
      ],
    },
    { labels: { job: "menu", app: "menu" }, lines: each(20_000, ["ERROR request failed: /menu/7", ...python, "INFO next request"]) },
    { labels: { job: "grinder", app: "grinder" }, lines: each(21_000, ["INFO grinder started", ...go]) },
    { labels: { job: "roast", app: "roast" }, lines: roast },
    {
      labels: { job: "shop", app: "shop" },
      lines: Array.from({ length: 30 }, (_, index) => [
        now - 2000 - index * 900,
        JSON.stringify({ level: "info", msg: "sold", path: `/menu/${index}`, status: index % 7 ? 200 : 502, took_ms: 3 + index, user: { plan: "gold" } }),
      ]),
    },
  ];
}
