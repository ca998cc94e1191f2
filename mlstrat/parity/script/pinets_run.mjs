// One Pine script in PineTS over one chart, offline: node pinets_run.mjs PACKAGE_FOLDER ASKED.json ANSWER.json
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const [packageFolder, askedPath, answerPath] = process.argv.slice(2);
const PROBE = '//@version=6\nindicator("probe")\nplot(close)';
const TRADE = ["entry_bar_index", "exit_bar_index", "size", "entry_price", "exit_price", "commission", "profit"];

globalThis.fetch = () => {
  throw new Error("a script must not reach the network");
};

const barOf = ([open, high, low, close, volume, openTime, closeTime]) => ({
  open,
  high,
  low,
  close,
  volume,
  openTime,
  closeTime,
});

// The same chart has the same answer on any day.
const stopClockAt = (now) => {
  const Clock = Date;
  globalThis.Date = class extends Clock {
    constructor(...given) {
      super(...(given.length > 0 ? given : [now]));
    }
    static now() {
      return now;
    }
  };
};

const chartOf = (PineTS, asked, bars) => {
  const provider = {
    configure: () => {},
    getMarketData: async () => bars,
    getSymbolInfo: async () => asked.symbol,
  };
  return new PineTS(provider, asked.symbol.ticker, asked.timeframe);
};

// JSON has no NaN: na and what is not finite become null.
const numberOf = (value) => {
  if (typeof value === "boolean") return value ? 1 : 0;
  return Number.isFinite(value) ? value : null;
};

const run = async (asked) => {
  const { PineTS } = createRequire(import.meta.url)(packageFolder);
  const bars = asked.bars.map(barOf);
  stopClockAt(bars.at(-1).closeTime);
  // PineTS rounds every variable to ten decimals, which TradingView does not.
  const probe = await chartOf(PineTS, asked, bars.slice(0, 1)).run(PROBE);
  Object.getPrototypeOf(probe).precision = (value) => value;
  const context = await chartOf(PineTS, asked, bars).run(asked.script);
  const plotted = asked.plots.filter((title) => context.plots[title] !== undefined);
  const closed = context.strategy?.closedtrades ?? [];
  return {
    plots: Object.fromEntries(
      plotted.map((title) => [title, context.plots[title].data.map((point) => numberOf(point.value))]),
    ),
    trades: closed.map((trade) => TRADE.map((name) => numberOf(trade[name]))),
    exits: closed.map((trade) => String(trade.exit_comment ?? "")),
  };
};

let answer;
try {
  answer = await run(JSON.parse(readFileSync(askedPath, "utf8")));
} catch (error) {
  answer = { problem: String(error?.message ?? error) };
}
writeFileSync(answerPath, JSON.stringify(answer));
