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
const stories = JSON.parse(readFileSync(join(folder, "stories.json"), "utf8"));
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
async function open({ hash = "#surface=rosenbrock", ...options } = {}) {
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
    const parts = new URLSearchParams(location.hash.slice(1));
    const named = (list, key) => list.find(({ name }) => name === parts.get(key));
    const surface = named(data.stories, "story") ?? named(data.surfaces, "surface");
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
      const page = await open({ hash: "#story=momentum&step=60", colorScheme: scheme, viewport });
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
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(overflow <= 0, `${overflow} pixels too wide`);
      // In 3-D, turned, it is another picture, and as light or dark.
      await page.click("#solid");
      await page.waitForTimeout(150);
      const picture = () => page.$eval("#map", (map) => map.toDataURL());
      const solid = await picture();
      assert.ok(solid.length > 20000, `${solid.length} bytes`);
      await page.screenshot({ path: join(shots, `${scheme}-${name}-solid.png`) });
      await page.focus("#turn");
      await page.keyboard.press("PageUp");
      await page.waitForTimeout(150);
      assert.notEqual(await picture(), solid);
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
  const page = await open({ hash: "#surface=nowhere&optimizers=adam,nobody&start=1e9&step=-4&speed=x&view=9d&turn=x" });
  assert.equal(await page.$eval("#surface", (list) => list.value), "rosenbrock");
  assert.deepEqual(await chosen(page), ["adam"]);
  assert.deepEqual(troubles, []);
});

/** The losses in the table, top to bottom. */
const losses = (page) => page.$$eval("#rows .loss", (cells) => cells.map((cell) => Number(cell.textContent.replaceAll("−", "-"))));

test("the first screen tells a story, and plays it", async () => {
  const page = await open({ hash: "" });
  await page.waitForFunction(() => Number(document.querySelector("#scrub").value) > 5);
  assert.equal(await page.getAttribute("html", "data-mode"), "story");
  assert.equal(await page.textContent('#stories [aria-current="true"]'), "Momentum");
  // All that it takes is on the first screen.
  for (const id of ["what", "lesson", "setting", "map", "play", "chart"]) {
    const box = await page.locator(`#${id}`).boundingBox();
    assert.ok(box.y >= 0 && box.y + Math.min(box.height, 200) <= SIZES.desk.height, `${id} at ${box.y}`);
  }
  assert.equal(await page.isVisible("#who"), false);
  assert.deepEqual(troubles, []);
});

test("who wants less motion is shown the end at once", async () => {
  const page = await open({ hash: "", reducedMotion: "reduce" });
  assert.equal(await page.getAttribute("#play", "aria-label"), "Play");
  assert.equal(await step(page), await page.$eval("#scrub", (slider) => Number(slider.max)));
  assert.deepEqual(troubles, []);
});

test("what the page computes in a story is what the crate computed, at each setting", async () => {
  const page = await open({ hash: "#story=momentum&step=999" });
  for (const [name, { finals }] of Object.entries(stories)) {
    const title = await page.evaluate((name) => JSON.parse(document.querySelector("#data").textContent).stories.find((s) => s.name === name).title, name);
    await page.click(`#stories button:text-is("${title}")`);
    await page.waitForFunction((name) => location.hash.includes(`story=${name}`), name);
    await page.focus("#setting");
    await page.keyboard.press("Home");
    for (let setting = 0; setting < finals.length; setting++) {
      await page.waitForFunction((setting) => location.hash.includes(`setting=${setting}&`), setting);
      await page.focus("#scrub");
      await page.keyboard.press("End");
      await page.waitForFunction(() => document.querySelector("#step").textContent.startsWith(document.querySelector("#scrub").max));
      await page.waitForTimeout(40);
      const shown = await losses(page);
      finals[setting].forEach((computed, line) => {
        const what = `${name}, setting ${setting}, line ${line}`;
        // What has arrived is rounding; so is what a processor's own functions differ by.
        if (Math.abs(computed) > 1e-12) assert.ok(Math.abs(shown[line] - computed) <= 2e-3 * Math.abs(computed), `${what}: ${shown[line]} for ${computed}`);
        else assert.ok(Math.abs(shown[line]) <= 1e-11, `${what}: ${shown[line]} for ${computed}`);
      });
      await page.focus("#setting");
      await page.keyboard.press("ArrowRight");
    }
  }
  assert.deepEqual(troubles, []);
});

test("the slider and the ring change the lines, and an address keeps both", async () => {
  const page = await open({ hash: "#story=momentum&step=999" });
  const first = await losses(page);
  await page.focus("#setting");
  await page.keyboard.press("Home");
  await page.waitForFunction(() => location.hash.includes("setting=0&"));
  assert.equal(await page.textContent("#value"), "0");
  await page.waitForTimeout(60);
  const none = await losses(page);
  // Without momentum all three are SGD.
  assert.ok(none[0] === first[0] && none[1] === none[0] && none[2] === none[0]);
  await page.mouse.move(...(await onScreen(page, [-3, -3.3])));
  await page.mouse.down();
  await page.mouse.move(...(await onScreen(page, [3, 1])), { steps: 6 });
  await page.mouse.up();
  const from = (await parameter(page, "from")).split(",").map(Number);
  assert.ok(Math.hypot(from[0] - 3, from[1] - 1) < 0.2, String(from));
  // SGD along the valley: (1 - 1/50)^150 of u, squared, is left.
  await page.waitForTimeout(60);
  const u = 0.8 * from[0] + 0.6 * from[1];
  same((await losses(page))[0], 0.5 * (u * 0.98 ** 150) ** 2, "sgd");
  await page.keyboard.press("3");
  await page.focus("#turn");
  await page.keyboard.press("ArrowRight");
  await page.waitForFunction(() => location.hash.includes("turn=31"));
  const hash = await page.evaluate(() => location.hash);
  const left = await losses(page);
  await context.close();
  const again = await open({ hash });
  assert.equal(await again.evaluate(() => location.hash), hash);
  assert.equal(await again.getAttribute("#solid", "aria-pressed"), "true");
  assert.deepEqual(await losses(again), left);
  assert.deepEqual(troubles, []);
});

test("a story is told by keyboard alone", async () => {
  const page = await open({ hash: "", reducedMotion: "reduce" });
  const reach = async (id) => {
    for (let i = 0; i < 30; i++) {
      await page.keyboard.press("Tab");
      if (await page.evaluate((id) => document.activeElement.id === id || document.activeElement.textContent === id, id)) return;
    }
    assert.fail(`${id} is not reached by Tab`);
  };
  await reach("Saddles");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => location.hash.includes("story=saddles"));
  await reach("setting");
  await page.keyboard.press("End");
  await page.waitForFunction(() => document.querySelector("#value").textContent === "0");
  await reach("map");
  await page.keyboard.press("ArrowUp");
  await page.waitForFunction(() => !new URLSearchParams(location.hash.slice(1)).get("from").endsWith(",0"));
  await page.keyboard.press("]");
  await page.waitForFunction(() => location.hash.includes("story=adaptive"));
  await page.keyboard.press("]");
  await page.waitForFunction(() => location.hash.includes("surface="));
  assert.equal(await page.isVisible("#who"), true);
  assert.deepEqual(troubles, []);
});

test("a click before the data are unpacked does no harm", async () => {
  const page = await open();
  await page.evaluate(() => {
    document.querySelector("#next").click();
    document.querySelector('input[value="yogi"]').click();
  });
  await page.waitForFunction(() => document.querySelector('tr[data-name="yogi"] .loss')?.textContent);
  assert.deepEqual(troubles, []);
});
