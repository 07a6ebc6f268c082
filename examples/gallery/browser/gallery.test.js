// The page in a real browser: it loads without an error or a request, and shows what the crate computed.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const folder = fileURLToPath(new URL("../../../target/gallery", import.meta.url));
const address = pathToFileURL(join(folder, "index.html")).href;
const summary = JSON.parse(readFileSync(join(folder, "summary.json"), "utf8"));
const shots = join(folder, "browser");
const SIZES = { desk: { width: 1280, height: 860 }, phone: { width: 390, height: 844 } };

let profile;
let context;
let troubles;

before(async () => {
  mkdirSync(shots, { recursive: true });
  profile = mkdtempSync(join(tmpdir(), "thalweg-gallery-"));
});

after(async () => {
  await context?.close();
  rmSync(profile, { recursive: true, force: true });
});

beforeEach(async () => {
  await context?.close();
  context = undefined;
});

/** The page, ready, in a browser of its own; every complaint of it goes into `troubles`. */
async function open({ hash = "", ...options } = {}) {
  context = await chromium.launchPersistentContext(mkdtempSync(join(profile, "user-")), {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
    viewport: SIZES.desk,
    ...options,
  });
  troubles = [];
  const page = context.pages()[0] ?? (await context.newPage());
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) troubles.push(message.text());
  });
  page.on("pageerror", (error) => troubles.push(String(error)));
  page.on("request", (request) => {
    if (!/^(file|data|blob):/.test(request.url())) troubles.push(`a request of ${request.url()}`);
  });
  await page.goto(address + hash);
  await page.waitForSelector('html[data-ready="yes"]');
  await page.waitForFunction(() => document.querySelector("#rows .loss")?.textContent);
  return page;
}

const step = (page) => page.evaluate(() => Number(document.querySelector("#step").textContent.split("/")[0]));
const loss = async (page, name) => {
  const text = await page.textContent(`tr[data-name="${name}"] .loss`);
  return Number(text.replaceAll("−", "-"));
};
const chosen = (page) => page.$$eval("#rows tr", (rows) => rows.map((row) => row.dataset.name));
const parameter = (page, key) => page.evaluate((key) => new URLSearchParams(location.hash.slice(1)).get(key), key);

/** That a shown loss is the crate's, to the digits that are shown. */
function same(shown, computed, what) {
  assert.ok(Math.abs(shown - computed) <= 1e-3 * Math.abs(computed) + 1e-300, `${what}: ${shown} for ${computed}`);
}

/** Where a point of a surface is on the screen. */
function onScreen(page, [x, y]) {
  return page.evaluate(([x, y]) => {
    const data = JSON.parse(document.querySelector("#data").textContent);
    const surface = data.surfaces.find((surface) => surface.name === document.querySelector("#surface").value);
    const [[left, low], [right, high]] = surface.frame;
    const map = document.querySelector("#map");
    map.scrollIntoView({ block: "center" });
    const box = map.getBoundingClientRect();
    return [box.left + (box.width * (x - left)) / (right - left), box.top + (box.height * (high - y)) / (high - low)];
  }, [x, y]);
}

test("it loads without an error and asks the network for nothing", async () => {
  const page = await open();
  assert.equal(await page.$eval("#surface", (list) => list.options.length), Object.keys(summary).length);
  assert.deepEqual(await chosen(page), ["sgd", "momentum", "adam", "muon", "lbfgs"]);
  await page.waitForTimeout(300);
  assert.deepEqual(troubles, []);
});

test("at the end every loss of every surface is the one that the crate computed", async () => {
  const names = Object.keys(summary.rosenbrock.methods);
  const page = await open({ hash: `#surface=rosenbrock&optimizers=${names.join(",")}` });
  for (let turns = 0; turns < Object.keys(summary).length; turns++) {
    const surface = await page.$eval("#surface", (list) => list.value);
    for (const name of names) same(await loss(page, name), summary[surface].methods[name].final[0], `${name} on ${surface}`);
    await page.keyboard.press("]");
    await page.waitForFunction((old) => document.querySelector("#surface").value !== old && location.hash.includes(document.querySelector("#surface").value), surface);
    await page.waitForTimeout(80);
  }
  assert.equal(await page.$eval("#surface", (list) => list.value), "rosenbrock");
  assert.deepEqual(troubles, []);
});

test("a surface is chosen by keyboard", async () => {
  const page = await open();
  await page.focus("#surface");
  await page.keyboard.type("Booth");
  await page.waitForFunction(() => location.hash.includes("surface=booth"));
  assert.equal(await page.textContent("#formula"), "E = (x + 2y - 7)² + (2x + y - 5)²");
  assert.deepEqual(troubles, []);
});

test("it plays, pauses, steps and scrubs", async () => {
  const page = await open();
  await page.click("#play");
  await page.waitForFunction(() => Number(document.querySelector("#scrub").value) > 3 && document.querySelector("#play").ariaLabel === "Pause");
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press("Space");
  const paused = await step(page);
  await page.waitForTimeout(250);
  assert.equal(await step(page), paused);
  await page.keyboard.press("ArrowRight");
  await page.waitForFunction((next) => document.querySelector("#scrub").value === String(next), paused + 1);
  await page.keyboard.press("Home");
  await page.waitForFunction(() => document.querySelector("#scrub").value === "0");
  const first = await loss(page, "adam");
  await page.focus("#scrub");
  await page.keyboard.press("End");
  await page.waitForFunction((last) => document.querySelector("#scrub").value === String(last), summary.rosenbrock.steps);
  assert.notEqual(await loss(page, "adam"), first);
  same(await loss(page, "adam"), summary.rosenbrock.methods.adam.final[0], "adam");
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press("+");
  assert.equal(await page.$eval("#speed", (list) => list.value), "50");
  assert.deepEqual(troubles, []);
});

test("a dragged start goes to the nearest that was computed", async () => {
  const page = await open();
  const { starts, methods } = summary.rosenbrock;
  const goal = starts.length - 1;
  await page.mouse.move(...(await onScreen(page, starts[0])));
  await page.mouse.down();
  const [x, y] = await onScreen(page, starts[goal]);
  await page.mouse.move(x + 6, y - 5, { steps: 8 });
  await page.mouse.up();
  assert.equal(await parameter(page, "start"), String(goal));
  await page.waitForTimeout(100);
  same(await loss(page, "lbfgs"), methods.lbfgs.final[goal], "lbfgs");
  await page.focus("#map");
  await page.keyboard.press("ArrowLeft");
  assert.equal(await parameter(page, "start"), String(goal - 1));
  await page.keyboard.press("Enter");
  assert.equal(await parameter(page, "start"), "0");
  assert.deepEqual(troubles, []);
});

test("loss, gradient and condition number are read under the cursor", async () => {
  const page = await open({ hash: "#surface=valley-100&optimizers=adam" });
  await page.mouse.move(...(await onScreen(page, [1.1, 0.4])));
  await page.waitForFunction(() => document.querySelector("#under").textContent.includes("κ"));
  const numbers = (await page.$$eval("#under b", (all) => all.map((b) => b.textContent))).map(Number);
  // u = 1.12, v = -0.34 there.
  const [value, gradient, kappa] = numbers;
  assert.ok(Math.abs(value / (0.5 * (1.12 ** 2 + 100 * 0.34 ** 2)) - 1) < 0.05, `loss ${value}`);
  assert.ok(Math.abs(gradient / Math.hypot(1.12, 34) - 1) < 0.1, `gradient ${gradient}`);
  assert.ok(Math.abs(kappa / 100 - 1) < 0.01, `κ = ${kappa}`);
  assert.deepEqual(troubles, []);
});

test("fingers play, read and drag", async () => {
  const page = await open({ viewport: SIZES.phone, hasTouch: true, isMobile: true, deviceScaleFactor: 2 });
  await page.tap("#play");
  await page.waitForFunction(() => Number(document.querySelector("#scrub").value) > 2);
  await page.tap("#play");
  await page.touchscreen.tap(...(await onScreen(page, [0.2, 0.2])));
  await page.waitForFunction(() => document.querySelector("#under").textContent.includes("κ"));
  const { starts } = summary.rosenbrock;
  const fingers = await context.newCDPSession(page);
  const touch = async (type, at) => {
    const touchPoints = at ? [{ x: at[0], y: at[1] }] : [];
    await fingers.send("Input.dispatchTouchEvent", { type, touchPoints });
  };
  const from = await onScreen(page, starts[0]);
  const to = await onScreen(page, starts[1]);
  await touch("touchStart", from);
  for (const part of [0.25, 0.5, 0.75, 1]) await touch("touchMove", from.map((value, i) => value + part * (to[i] - value)));
  await touch("touchEnd");
  assert.equal(await parameter(page, "start"), "1");
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(overflow <= 0, `${overflow} pixels too wide`);
  assert.deepEqual(troubles, []);
});

for (const scheme of ["light", "dark"]) {
  for (const [name, viewport] of Object.entries(SIZES)) {
    test(`it is drawn ${scheme} on a ${name}`, async () => {
      const page = await open({ colorScheme: scheme, viewport });
      assert.equal(await page.getAttribute("html", "data-theme"), scheme);
      const lightness = () => page.evaluate(() => {
        const map = document.querySelector("#map");
        const { data } = map.getContext("2d").getImageData(0, 0, map.width, map.height);
        const seen = new Set();
        let sum = 0;
        for (let i = 0; i < data.length; i += 4) {
          sum += data[i + 1];
          seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
        }
        return { mean: (4 * sum) / data.length, colors: seen.size };
      });
      const { mean, colors } = await lightness();
      assert.ok(scheme === "light" ? mean > 150 : mean < 110, `mean ${mean}`);
      assert.ok(colors > 20, `${colors} colors`);
      await page.screenshot({ path: join(shots, `${scheme}-${name}.png`), fullPage: name === "phone" });
      await page.click("#theme");
      assert.notEqual(await page.getAttribute("html", "data-theme"), scheme);
      assert.deepEqual(troubles, []);
    });
  }
}

test("an address brings back what was chosen", async () => {
  const page = await open();
  await page.selectOption("#surface", "saddle");
  await page.click('label:has(input[value="yogi"])');
  await page.waitForFunction(() => /surface=saddle.*yogi/.test(location.hash));
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press("Home");
  for (let i = 0; i < 7; i++) await page.keyboard.press("ArrowRight");
  const hash = await page.evaluate(() => location.hash);
  const lines = await chosen(page);
  await context.close();
  const again = await open({ hash });
  assert.equal(await again.$eval("#surface", (list) => list.value), "saddle");
  assert.deepEqual(await chosen(again), lines);
  assert.equal(await step(again), 7);
  assert.equal(await again.evaluate(() => location.hash), hash);
  assert.deepEqual(troubles, []);
});

test("an address that makes no sense is ignored", async () => {
  const page = await open({ hash: "#surface=nowhere&optimizers=adam,nobody&start=1e9&step=-4&speed=x" });
  assert.equal(await page.$eval("#surface", (list) => list.value), "rosenbrock");
  assert.deepEqual(await chosen(page), ["adam"]);
  assert.deepEqual(troubles, []);
});
