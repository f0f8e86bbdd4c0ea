// Writes pino.jsonl and bunyan.jsonl: npm install pino@10 bunyan@2 && node make.js
const fs = require("fs");
const pino = require("pino");
const bunyan = require("bunyan");

// The same in every run: the clock goes on by 1.234 s with each line.
let now = Date.UTC(2026, 10, 23, 10, 15, 0);
Date.now = () => (now += 1234);
const RealDate = Date;
global.Date = class extends RealDate { constructor(...given) { given.length ? super(...given) : super(RealDate.now()); } };
global.Date.now = RealDate.now;

const LEVELS = ["trace", "debug", "info", "info", "info", "warn", "error", "fatal"];

function fill(logger) {
  for (let number = 0; number < 48; number++) {
    const fields = { request: number, url: `/items/${number}`, ms: number / 8 };
    if (number % 12 === 6) fields.err = Object.assign(new Error("no such item"), { stack: "Error: no such item\n    at find (/srv/shop.js:17:9)" });
    logger[LEVELS[number % LEVELS.length]](fields, `item ${number} "quoted" \u00e9`);
  }
}

const base = { pid: 42, hostname: "web-1" };
fill(pino({ name: "shop", level: "trace", base: { ...base, name: "shop" } }, pino.destination({ dest: "pino.jsonl", sync: true })));
const lines = [];
const logger = bunyan.createLogger({ name: "shop", level: "trace", hostname: "web-1", streams: [{ level: "trace", stream: { write: (line) => lines.push(line) } }], serializers: { err: bunyan.stdSerializers.err } });
logger.fields.pid = 42;
fill(logger);
fs.writeFileSync("bunyan.jsonl", lines.join(""));
